"""Long conversations: pages that leave nothing out, files written in chunks, Sguil's own layout."""

from __future__ import annotations

import re
import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st

import nsm_nb as nsm
from nsm_nb.errors import NsmError
from nsm_nb.transcripts.paging import page
from nsm_nb.transcripts.rendering import pieces
from nsm_nb.transcripts.saving import chunks
from tests.transcripts.test_search import said


@given(
    st.lists(st.tuples(st.sampled_from(["src", "dst"]), st.binary(max_size=9), st.integers(0, 2)), max_size=9),
    st.integers(1, 7),
)
def test_pages_hold_every_byte_and_gap_once(turns, size):
    told = said(*turns)
    first = page(told.turns, 1, size)
    pages = [page(told.turns, number, size) for number in range(1, first.count + 1)]

    assert all(sum(part.length for part in each.slices) <= size for each in pages)
    assert b"".join(part.data for each in pages for part in each.slices) == b"".join(turn.data for turn in told.turns)
    assert [part.number for each in pages for part in each.slices if part.begins] == list(range(len(turns)))
    assert [each.before for each in pages] == [size * number for number in range(len(pages))]
    with pytest.raises(NsmError, match="there is no page"):
        page(told.turns, first.count + 1, size)


def test_a_page_says_what_stands_before_and_behind():
    told = said(("src", b"a" * 10), ("dst", b"b" * 10))
    second = list(pieces(told, "plain", page=2, size=8))

    assert second[0] == "[page 2 of 3; 8 bytes stand on the pages before]"
    assert second[1].endswith("10 bytes at 0; here 8 to 9") and second[2] == "SRC: aa"
    assert second[-1] == "[4 bytes more: page 3 of 3 goes on]"


def test_html_says_what_it_leaves_out():
    html = said(("src", b"a" * 70_000), ("dst", b"b" * (1 << 20)), ("src", b"c"))._repr_html_()

    assert "4,464 more bytes of this turn" in html
    assert f"{70_001:,} bytes more" in html and len(html) < 300_000


def test_many_turns_of_a_byte_are_bounded_in_html():
    html = said(*(("src" if place % 2 else "dst", b"x") for place in range(5_000)))._repr_html_()

    assert "3,000 bytes more in 3,000 turns are not shown here" in html


def test_a_side_is_written_whole_or_not_at_all(tmp_path):
    told = said(("src", b"a" * 10), ("dst", b"b"), ("src", b"c" * 10))

    assert told.write("src", tmp_path / "src.bin").read_bytes() == b"a" * 10 + b"c" * 10
    assert (tmp_path / "src.bin").stat().st_mode & 0o777 == 0o600
    assert list(chunks(told, "src", size=4)) == [b"aaaa", b"aaaa", b"aa", b"cccc", b"cccc", b"cc"]
    with pytest.raises(NsmError, match="no side"):
        told.write("both", tmp_path / "x")
    with pytest.raises(NsmError, match="can't be written"):
        told.write("src", tmp_path / "nowhere" / "x")
    assert [each.name for each in tmp_path.iterdir()] == ["src.bin"]


@given(
    st.lists(st.tuples(st.sampled_from(["src", "dst"]), st.binary(max_size=40), st.just(0)), max_size=9),
    st.integers(1, 9),
)
def test_what_is_written_is_the_side_however_small_the_buffers(tmp_path_factory, turns, size):
    told = said(*turns)
    place = tmp_path_factory.mktemp("written") / "src.bin"

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("nsm_nb.transcripts.saving._CHUNK", size)
        told.write("src", place)

    assert place.read_bytes() == told.data("src")


def test_evidence_that_became_shorter_leaves_no_half_of_a_file(evidence, monkeypatch, tmp_path):
    capture = tmp_path / "short.pcap"
    capture.write_bytes((evidence / "staged.pcap").read_bytes())
    packets = nsm.sessions.assemble(nsm.read_packets(capture))[1]
    own = packets[packets["session"] == packets.loc[packets["frame"] == 3620, "session"].iloc[0]]
    monkeypatch.setattr(sys.modules["nsm_nb.transcripts.transcript"], "IN_MEMORY", 100)
    long = nsm.transcripts.transcript(own)
    told = own[~own["to_dst"] & (own["payload"] > 0)]
    capture.write_bytes(capture.read_bytes()[: int(told["offset"].iloc[-1])])

    with pytest.raises(NsmError, match="is shorter than when it was read"):
        long.write("dst", tmp_path / "dst.bin")
    assert [each.name for each in tmp_path.iterdir()] == ["short.pcap"]


def test_long_ones_are_read_when_asked(evidence, monkeypatch, tmp_path):
    packets = nsm.sessions.assemble(nsm.read_packets(evidence / "staged.pcap"))[1]
    number = packets.loc[packets["frame"] == 3620, "session"].iloc[0]
    own = packets[packets["session"] == number]
    short = nsm.transcripts.transcript(own)
    monkeypatch.setattr(sys.modules["nsm_nb.transcripts.transcript"], "IN_MEMORY", 100)
    long = nsm.transcripts.transcript(own)

    assert "data" not in vars(long.turns[0])
    assert [(turn.side, turn.size, turn.offset, turn.frames, turn.time) for turn in long.turns] == [
        (turn.side, turn.size, turn.offset, turn.frames, turn.time) for turn in short.turns
    ]
    assert long.data("src") == short.data("src") and long.caveats == short.caveats
    assert long.write("dst", tmp_path / "dst").read_bytes() == short.data("dst")
    assert [hit[:6] for hit in long.search("e", kind="text")] == [hit[:6] for hit in short.search("e")]
    shown = "".join(long.text("hex", page=1))
    assert shown == short.text("hex")


@pytest.mark.parametrize(
    ("capture", "name", "src_port"),
    [("seed.pcap", "sguil_transcript.txt", 2254), ("rev.pcap", "sguil_transcript_flipped.txt", 1045)],
)
def test_sguils_own_transcript_is_ours(shared, capture, name, src_port):
    sessions, packets = nsm.sessions.assemble(nsm.read_packets(shared / "fixtures" / capture))
    row = sessions[sessions["src_port"] == src_port].iloc[0].copy()
    own = packets[packets["session"] == row["session"]]
    row["sensor"], row["session"] = "gateway", 1
    theirs = [line for line in (shared / "fixtures" / name).read_text().splitlines() if not line.startswith("<<")]
    ours = nsm.transcripts.transcript(own, session=row).text("sguil").splitlines()
    ours = [line for line in ours if not line.startswith("OS Fingerprint:")]
    if "flipped" in name:  # Sguil takes the higher port for the source; we take who sent the SYN
        assert ours[3].startswith("Src IP:             10.1.1.177")
        flip = {"SRC": "DST", "DST": "SRC"}
        ours = ours[:1] + theirs[1:7] + [re.sub("^(SRC|DST)", lambda side: flip[side[1]], line) for line in ours[7:]]
        ours[-1] = ours[-1].replace(r"\x00\x01\xff\xfe", "....")  # its bytes are escaped, not made dots

    assert ours == theirs
