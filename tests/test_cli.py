"""The command line is a thin door: what it prints comes from the functions behind it."""

from __future__ import annotations

import pytest

from nsm_nb.cli import main


@pytest.fixture(scope="module")
def case(bundled, tmp_path_factory):
    place = tmp_path_factory.mktemp("cli") / "case"
    place.mkdir()
    (place / "case.toml").write_text('name = "one"\n')
    (place / "evidence").mkdir()
    (place / "evidence" / "staged.pcap").symlink_to(bundled / "evidence" / "staged.pcap")
    return str(place)


def test_a_packet_is_printed_with_its_header_fields_and_bytes(case, capsys):
    assert main(["packet", case, "staged.pcap", "3620"]) == 0

    first, ip, tcp, *rows = capsys.readouterr().out.splitlines()
    assert first == "frame 3620 of staged.pcap, 2026-11-24 02:32:17.678703+00:00, 492 bytes"
    assert ip.startswith("IP ") and "Source IP 10.10.20.5, Dest IP 172.16.10.80" in ip
    assert tcp.startswith("TCP ") and "Source Port 445" in tcp
    assert rows[4].startswith("00000040") and "SMB" in rows[4] and len(rows) == 31


def test_the_tree_of_a_packet_is_tsharks(case, capsys, tshark):
    assert main(["packet", case, "staged.pcap", "3620", "--tree"]) == 0

    said = capsys.readouterr().out
    assert said.startswith("frame 3620 of staged.pcap, here frame 1\nFrame 1: 492 bytes on wire")
    assert "SMB2 (Server Message Block Protocol version 2)" in said


@pytest.mark.parametrize(
    ("evidence", "frame", "words"),
    [
        ("staged.pcap", "0", "staged.pcap has no frame 0; it has 9,746 frames"),
        ("nothing.pcap", "1", "there is no evidence 'nothing.pcap' in this case"),
    ],
)
def test_a_packet_that_is_not_there_is_told(case, capsys, evidence, frame, words):
    assert main(["packet", case, evidence, frame]) == 1

    assert words in capsys.readouterr().err
