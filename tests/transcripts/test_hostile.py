"""The captures of reference/hostile.md as transcripts: what evades is told in every policy, what is markup stays text."""

from __future__ import annotations

import html5lib
import pytest

import nsm_nb as nsm
from nsm_nb.errors import NsmError
from nsm_nb.transcripts.tcp import POLICIES

REQUEST = b"GET /index.html HTTP/1.1\r\nHost: www.example.com\r\nUser-Agent: lab\r\n\r\n"
ANSWER = 4_666  # bytes
ACTIVE = {"script", "iframe", "svg", "img", "style", "link", "a", "object", "embed", "math", "base", "form"}


def transcripts(shared, name, **options):
    """The transcripts of all sessions of a capture."""
    (path,) = (shared / "hostile" / "synthetic").glob(f"{name}_*")
    sessions, packets = nsm.sessions.assemble(nsm.read_packets(path))
    return [
        nsm.transcripts.transcript(packets[packets["session"] == row["session"]], session=row, **options)
        for _, row in sessions.iterrows()
    ]


def kinds(told):
    return {caveat.kind for caveat in told.caveats}


@pytest.mark.parametrize("policy", POLICIES)
def test_what_evades_is_told_in_every_policy(shared, policy):
    for name, doubts in (
        ("e02", {"retransmission"}), ("e03", {"direction"}), ("e05", set()), ("e09", set()), ("e10", set()), ("e10b", set()),
        ("e11", set()), ("e13", {"reset"}), ("e14", {"checksum", "conflict"}), ("e15", {"ttl", "conflict"}), ("e17", set()),
        ("e17b", set()), ("e17c", set()), ("e17d", set()), ("e19", set()),
    ):  # fmt: skip
        first, *_ = transcripts(shared, name, policy=policy)
        assert first.data("src") == REQUEST, name
        assert kinds(first) - {"one side"} == doubts, name
        if name != "e19":
            assert first.size("dst") == ANSWER, name


@pytest.mark.parametrize(
    ("policy", "shown"),
    [("first", b"GET /good HTTP/1.0"), ("last", b"GET /evil HTTP/1.0"), ("bsd", b"GET /good HTTP/1.0"),
     ("linux", b"GET /good HTTP/1.0"), ("windows", b"GET /good HTTP/1.0")],
)  # fmt: skip
def test_both_versions_of_an_overlap_are_there(shared, policy, shown):
    (told,) = transcripts(shared, "e07", policy=policy)

    assert told.data("src") == shown + b"\r\n\r\n"
    (conflict,) = told.conflicts
    assert {conflict.shown, conflict.other} == {b"/good", b"/evil"} and conflict.offset == 4
    assert "/good" in told.caveats[0].detail and "/evil" in told.caveats[0].detail


def test_decoys_resets_gaps_and_cut_packets_say_which_frame(shared):
    (reset,), (checksum,), (ttl,) = (transcripts(shared, name) for name in ("e13", "e14", "e15"))
    assert "frame 5 of src stands 99,998,929 bytes ahead" in reset.caveats[0].detail
    for told in (checksum, ttl):
        assert 'frame 4 says "GET /decoy.html' in told.caveats[0].detail
        assert [(each.where.frame, each.other) for each in told.conflicts] == [(4, b"GET /decoy.html HTTP/1.1\r\n")]
    (gap,), (lost,), (short,) = (transcripts(shared, name) for name in ("e06", "e11b", "e01"))
    assert "DST: [1,400 bytes of dst are missing here]" in gap.text()
    assert "SRC: [24 bytes of src are missing here]" in lost.text() and "fragment" in kinds(lost)
    assert "captured 14 of 68 bytes" in short.text() and "captured 14 of 1,400 bytes" in short.text()
    for side in "ab":
        assert any("one side" in kinds(told) for told in transcripts(shared, f"e04{side}"))
    assert [told.data("src")[:16] for told in transcripts(shared, "e08")] == [b"GET /index.html ", b"GET /second.html"]
    (many,) = transcripts(shared, "e20")
    assert many.size("src") + many.size("dst") >= 30_000


@pytest.mark.slow
def test_what_is_hostile_stays_text(shared):
    looked = 0
    for path in sorted((shared / "hostile" / "synthetic").glob("[ace]*.pcap*")):
        try:
            packets = nsm.read_packets(path, format="pcap")
        except NsmError:
            continue
        sessions, packets = nsm.sessions.assemble(packets)
        for number in sessions["session"].head(5):
            told = nsm.transcripts.transcript(packets[packets["session"] == number])
            shown = "".join(told.text(style) for style in ("plain", "sguil", "hex"))
            assert not set(shown.replace("\n", "").replace("\t", "")) & {
                chr(each) for each in (*range(32), *range(127, 160))
            }
            assert not set(shown) & {chr(each) for each in (*range(0x202A, 0x202F), *range(0x2066, 0x206A), 0xFEFF)}
            tree = html5lib.parse(told._repr_html_(), namespaceHTMLElements=False)
            assert not {each.tag for each in tree.iter() if isinstance(each.tag, str)} & ACTIVE
            assert not any(
                name.startswith("on") or name in ("src", "href") for each in tree.iter() for name in each.attrib
            )
            looked += 1
    assert looked > 60
