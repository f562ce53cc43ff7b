"""Old variants of pcap with the magic number of another: told by their records, and by nothing less."""

from __future__ import annotations

import shutil
import subprocess

import pytest

import nsm_nb as nsm
from nsm_nb.full_content import frame_bytes
from nsm_nb.schema import caveats_of
from tests import writing

# editcap's name, bytes behind the 16 of a record's header, and the magic number
OLD = {"nokiapcap": (4, 0xA1B2C3D4), "rh6_1pcap": (8, 0xA1B2C3D4), "suse6_3pcap": (12, 0xA1B2CD34)}


def told(table):
    return [each.detail for each in caveats_of(table) if each.kind == "format"]


@pytest.mark.parametrize("kind", OLD)
def test_what_editcap_writes_as_old_programs_did_is_the_same_table(evidence, tmp_path, kind):
    if shutil.which("editcap") is None:
        pytest.skip("editcap is not installed; it is the oracle of this test")
    subprocess.run(["editcap", "-F", kind, "-r", evidence / "staged.pcap", tmp_path / "old", "1-500"], check=True)

    table = nsm.read_packets(tmp_path / "old")
    new = nsm.read_packets(evidence / "staged.pcap").iloc[:500]

    columns = [name for name in new if name not in ("evidence", "offset")]
    for name in columns:
        assert table[name].astype(object).equals(new[name].astype(object)), name
    assert frame_bytes(table) == frame_bytes(new)
    assert "whose records have headers of" in told(table)[0]


@pytest.mark.parametrize("kind", OLD)
@pytest.mark.parametrize("big", [False, True])
@pytest.mark.parametrize("count", [2, 3, 20])
def test_few_records_are_enough(tmp_path, kind, big, count):
    more, magic = OLD[kind]
    frames = [(10**18 + each * 10**6, bytes([each]) * (60 + each)) for each in range(count)]
    (tmp_path / "old").write_bytes(writing.pcap(frames, magic=magic, tail=bytes(more), big=big))

    assert frame_bytes(nsm.read_packets(tmp_path / "old")) == [frame for _, frame in frames]


@pytest.mark.parametrize("place", range(10))
@pytest.mark.parametrize("header", [b"\xff" * 16, b"\0" * 16, bytes(range(16))])
def test_a_damaged_capture_is_not_taken_for_an_old_one(tmp_path, place, header):
    frames = [(10**18 + each * 10**6, bytes([each]) * 60) for each in range(12)]
    data = bytearray(writing.pcap(frames))
    at = 24 + place * 76
    data[at : at + 16] = header
    (tmp_path / "new").write_bytes(data)

    table = nsm.read_packets(tmp_path / "new")

    assert frame_bytes(table)[:place] == [frame for _, frame in frames[:place]]
    assert not told(table)


@pytest.mark.parametrize("left", range(1, 60, 7))
def test_a_short_capture_with_something_behind_it_is_as_its_magic_number_says(tmp_path, left):
    (tmp_path / "new").write_bytes(writing.pcap([(10**18, b"x" * 60)]) + b"\0" * left)

    table = nsm.read_packets(tmp_path / "new")

    assert frame_bytes(table) == [b"x" * 60] and not told(table)
