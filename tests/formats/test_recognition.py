"""Each format knows its own files, and no other does."""

from __future__ import annotations

import pytest

import nsm_nb as nsm
from nsm_nb.errors import UnknownFormat
from nsm_nb.formats import recognised
from tests import writing

BUNDLED = {
    "staged.pcap": ["pcap"],
    "netflow-export.pcap": ["netflow", "pcap"],  # captured datagrams are a capture too; flows come first
    "suricata/eve.json": ["eve"],
    "snort2/alert.fast": ["snort-fast"],
    "snort2/alert.full": ["snort-full"],
    "snort2/alert.csv": ["snort-csv"],
    "snort2/snort.u2": ["unified2"],
    "flow-tools/ft-v05.2026-11-24.023915+0000": ["flow-tools"],
    "nfcapd/fprobe-v5.nfcapd": ["nfcapd"],
    "nfcapd/fprobe-v5.nfdump16.nfcapd": ["nfcapd"],
    "nfcapd/softflowd-v9.nfcapd": ["nfcapd"],
    "argus/argus5.argus": ["argus"],
}


def test_every_file_of_the_bundled_case_is_known_by_its_own_format_alone(evidence):
    found = {path.relative_to(evidence).as_posix(): recognised(path) for path in evidence.rglob("*") if path.is_file()}
    assert {name: formats for name, formats in found.items() if formats} == BUNDLED


@pytest.mark.parametrize("kind", ["gzip", "zstd", "lz4"])
@pytest.mark.parametrize("name", BUNDLED)
def test_compression_changes_nothing(evidence, tmp_path, name, kind):
    packed = tmp_path / "packed"
    packed.write_bytes(writing.packed((evidence / name).read_bytes(), kind))
    assert recognised(packed) == BUNDLED[name]


def test_the_public_verbs_find_the_format(evidence):
    assert len(nsm.read_alerts(evidence / "suricata" / "eve.json")) == 79
    assert len(nsm.read_alerts(evidence / "snort2" / "alert.fast", label="x")) == 77
    assert len(nsm.read_sessions(evidence / "suricata" / "eve.json")) == 1444
    assert len(nsm.read_sessions(evidence / "netflow-export.pcap")) == 10_082
    assert len(nsm.read_packets(evidence / "netflow-export.pcap")) == 505
    with pytest.raises(UnknownFormat, match="holds no alerts"):
        nsm.read_alerts(evidence / "staged.pcap")
    with pytest.raises(UnknownFormat, match="no format that nsm_nb knows"):
        nsm.read_alerts(evidence / "rules" / "nsm-lab.snort2.rules")
