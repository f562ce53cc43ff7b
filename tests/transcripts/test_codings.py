"""Content codings come off within bounds, whatever is in them."""

from __future__ import annotations

import gzip
import sys
import zlib

import brotli
import pytest
from hypothesis import given
from hypothesis import strategies as st

from nsm_nb.transcripts.codings import CODINGS, Allowance, uncoded

if sys.version_info >= (3, 14):
    from compression import zstd
else:
    from backports import zstd

PACK = {
    "gzip": gzip.compress, "x-gzip": gzip.compress, "deflate": zlib.compress, "br": lambda data: brotli.compress(data, quality=5),
    "zstd": zstd.compress,
}  # fmt: skip
TEXT = b"what was really said, " * 500


@pytest.mark.parametrize("name", CODINGS)
def test_each_coding_comes_off(name):
    found = uncoded(PACK[name](TEXT), name)

    assert (found.data, found.whole) == (TEXT, True)
    assert found.notes == [f"{name} unpacked"]


@given(data=st.binary(max_size=3_000), names=st.lists(st.sampled_from(sorted(PACK)), max_size=2))
def test_what_was_packed_comes_back_in_the_reverse_order(data, names):
    packed = data
    for name in names:
        packed = PACK[name](packed)

    assert uncoded(packed, ", ".join(names)).data == data


@pytest.mark.parametrize("name", CODINGS)
def test_a_bomb_stops_at_a_hundred_times_its_size_and_says_so(name):
    bomb = PACK[name](b"\0" * (40 << 20))

    found = uncoded(bomb, name)

    assert len(found.data) <= max(100 * len(bomb), 65_536) <= 16 << 20
    assert not found.whole
    assert "stopped there: it goes on" in found.notes[0]


def test_many_small_bombs_are_one_large_one():
    bomb = gzip.compress(b"\0" * (15 << 20))
    allowance = Allowance()

    sizes = [len(uncoded(bomb, "gzip", allowance).data) for _ in range(100)]

    assert sum(sizes) <= (64 << 20) + 100 * len(bomb)
    assert sizes[-1] == len(bomb)


def test_two_codings_are_taken_off_and_a_third_stays():
    packed = gzip.compress(gzip.compress(gzip.compress(TEXT)))

    found = uncoded(packed, "gzip, gzip, gzip")

    assert gzip.decompress(found.data) == TEXT
    assert not found.whole
    assert found.notes[-1] == "gzip left as it is: 3 codings, 2 are taken off"


def test_a_coding_that_nobody_knows_stays_with_its_name():
    assert uncoded(TEXT, "aes\x1b[2J") == (TEXT, ["aes\\x1b[2j left as it is"], False)


@pytest.mark.parametrize("name", CODINGS)
def test_what_is_cut_or_damaged_gives_what_was_before(name):
    packed = PACK[name](bytes(range(256)) * 400)

    cut = uncoded(packed[: len(packed) * 2 // 3], name)
    other = uncoded(b"this is no such thing" * 10, name)

    assert (bytes(range(256)) * 400).startswith(cut.data) or cut.data == packed[: len(packed) * 2 // 3]
    assert not cut.whole
    assert (other.data, other.whole) == (b"this is no such thing" * 10, False)


@given(data=st.binary(max_size=2_000), name=st.sampled_from(sorted(CODINGS)))
def test_any_bytes_give_bytes(data, name):
    found = uncoded(data, name)

    assert isinstance(found.data, bytes)
    assert len(found.notes) == bool(data)
