"""Recipes: each step against Python's own or a plain twin, in bounds, and the tunnel of the bundled case joined again."""

from __future__ import annotations

import base64
import codecs
import gzip
import hashlib
import zlib
from urllib.parse import quote_from_bytes

import pytest
from hypothesis import given
from hypothesis import strategies as st

import nsm_nb as nsm
from nsm_nb.errors import NsmError
from nsm_nb.transcripts import recipes
from nsm_nb.transcripts.recipes import STEPS, decode, parsed


@given(st.binary(max_size=200))
@pytest.mark.parametrize(
    ("recipe", "encode"),
    [
        ("base64", base64.b64encode), ("base64", lambda data: base64.urlsafe_b64encode(data).rstrip(b"=")),
        ("base32", base64.b32encode), ("base32", lambda data: base64.b32encode(data).rstrip(b"=").lower()),
        ("hex", lambda data: data.hex(" ").encode()), ("url", lambda data: quote_from_bytes(data).encode()),
        ("gzip", gzip.compress), ("gzip", zlib.compress), ("gzip", lambda data: zlib.compress(data)[2:-4]),
        ("xor 0x5a00", lambda data: bytes(byte ^ (0x5A, 0)[place % 2] for place, byte in enumerate(data))),
        ("xor key", lambda data: bytes(byte ^ b"key"[place % 3] for place, byte in enumerate(data))),
        ("reverse", lambda data: data[::-1]),
    ],
)  # fmt: skip
def test_what_was_encoded_is_decoded(recipe, encode, data):
    assert decode(encode(data), recipe).data == data


def test_rot13_is_pythons():
    assert decode(b"Uryyb, Jbeyq 13", "rot13").data.decode() == codecs.decode("Uryyb, Jbeyq 13", "rot13")


def test_steps_follow_one_another_and_say_what_they_did():
    secret = base64.b64encode(gzip.compress(b"id; uname -a"))
    done = decode(b"cmd=" + quote_from_bytes(secret).encode(), r"match cmd=(.*) | url | base64 | gzip")

    assert done.data == b"id; uname -a"
    assert done.recipe == "match cmd=(.*) | url | base64 | gzip"
    assert str(done).endswith(f"12 bytes, SHA-256 {hashlib.sha256(b'id; uname -a').hexdigest()}")
    assert done.notes[0].startswith("match: ") and len(done.notes) == 4


def test_parts_are_taken_one_by_one_until_they_are_joined():
    done = decode([b"aGVs", b"bG8=", b"??"], "base64")

    assert done.parts == (b"hel", b"lo")
    assert "1 part was left out" in done.notes[0]
    assert decode([b"b\nc", b"a", b"a"], "lines | once | sort | skip 0 | take 1 | join").data == b"abc"


@pytest.mark.parametrize(
    ("recipe", "words"),
    [
        ("", "a step is empty"), ("base64 |", "a step is empty"), ("bse64", "no step 'bse64'"), ("xor", "needs a key"),
        ("rot13 5", "takes nothing"), ("skip x", "no number"), ("match (", "no regular expression"), ("xor 0x5", "no pairs"),
        ("match absent", "matches nothing"), ("dns-names", "no part is a DNS message"), ("gzip", "neither gzip"),
        ("hex", "no pairs of hex digits"), ("base32", "not base32"), ("gzip | gzip | gzip", "only bombs need"),
        (" | ".join(["rot13"] * 21), "at most 20"), ("bs\x1b[2J", r"\x1b"),
    ],
)  # fmt: skip
def test_what_cannot_be_done_is_one_sentence(recipe, words):
    with pytest.raises(NsmError) as problem:
        decode(b"!nothing to decode\x1b!", recipe)

    assert words in str(problem.value) and "\n" not in str(problem.value) and "\x1b" not in str(problem.value)


def test_bombs_stay_packed(monkeypatch):
    monkeypatch.setattr(recipes, "_SECONDS", 0.3)
    bomb = zlib.compress(bytes(64 << 20))
    with pytest.raises(NsmError, match="a bomb"):
        decode(bomb, "gzip")
    with pytest.raises(NsmError, match="takes more than"):
        decode(b"a" * 64 + b"b", r"match ^(a|aa)+$")
    with pytest.raises(NsmError, match="at most 64 MiB"):
        decode(bytes((64 << 20) + 1), "rot13")


@given(st.text(max_size=40), st.lists(st.binary(max_size=40), max_size=4))
def test_any_line_is_a_recipe_or_a_sentence(recipe, parts):
    try:
        done = decode(parts, recipe)
    except NsmError as problem:
        assert "\n" not in str(problem)
    else:
        assert done.data == b"".join(done.parts)
        assert decode(parts, done.recipe).data == done.data or not done.recipe.isascii()


def test_every_step_says_what_it_does():
    assert all(step.words for step in STEPS.values())
    assert [
        step.name
        for step in parsed(" | ".join(kind.example or name for name, kind in STEPS.items() if name != "match"))
    ]


def test_the_file_inside_the_queries_of_the_bundled_case_is_joined(evidence):
    _, packets = nsm.sessions.assemble(nsm.read_packets(evidence / "staged.pcap"))
    number = packets.loc[packets["frame"] == 4639, "session"].iloc[0]
    told = nsm.transcripts.transcript(packets[packets["session"] == number])
    queries = [turn.data for turn in told.turns if turn.side == "src"]

    done = decode(queries, r"dns-names | match ^[0-9a-f]{4}\.(.+)\.t\.updates | remove . | join | base32")

    assert len(queries) == 35 and len(done.data) == 1_276
    assert done.data.startswith(b"root:x:0:0:root:/root:/bin/bash\n") and done.data.endswith(b"\n")
