"""Lines of text evidence: numbers, bytes and what can't be a line."""

from __future__ import annotations

import gzip
import io

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from nsm_nb.errors import UnknownName, UnreadableEvidence
from nsm_nb.formats.compressed import compression
from nsm_nb.formats.lines import Fingerprint, Lines, Noted, Span, as_utf8, line_at


def _split(data: bytes) -> list[bytes]:
    parts = data.split(b"\n")
    whole = [part + b"\n" for part in parts[:-1]]
    return whole + ([parts[-1]] if parts[-1] else [])


def read(path, **sizes):
    found = []
    with Lines(path, **sizes) as lines:
        for block in lines:
            for place in range(len(block.starts) - 1):
                found.append((block.record + place, block.base + int(block.starts[place]), block.line(place)))
        return found, lines


@settings(deadline=None)
@given(st.lists(st.binary(max_size=40).map(lambda line: line.replace(b"\n", b"")), max_size=60), st.booleans())
def test_numbers_and_bytes_of_lines_agree_with_the_slow_way(tmp_path_factory, texts, ended):
    data = b"\n".join(texts) + (b"\n" if ended else b"")
    if not data or compression(io.BytesIO(data)) or as_utf8(data) != data:
        return
    path = tmp_path_factory.mktemp("lines") / "text"
    path.write_bytes(data)
    expected = [(number, at, line.rstrip(b"\r\n")) for number, at, line in _numbered(_split(data))]

    for block in (96, 100, 1 << 16):  # lines of 48 bytes fit the smallest
        found, lines = read(path, block=block, longest=48)
        assert found == expected
        assert lines.count == len(expected)


def _numbered(lines):
    at = 0
    for number, line in enumerate(lines, 1):
        yield number, at, line
        at += len(line)


def test_gzip_is_read_as_the_file_in_it(tmp_path):
    data = b"".join(b"line %d\n" % number for number in range(5000))
    (tmp_path / "plain").write_bytes(data)
    (tmp_path / "packed.gz").write_bytes(gzip.compress(data))

    assert read(tmp_path / "packed.gz", block=4096)[0] == read(tmp_path / "plain", block=4096)[0]


def test_a_cut_gzip_keeps_the_lines_before_the_cut(tmp_path):
    import random

    chance = random.Random(5)
    data = b"".join(chance.randbytes(30).hex().encode() + b"\n" for _ in range(20_000))
    path = tmp_path / "cut.gz"
    path.write_bytes(gzip.compress(data)[:-200_000])

    found, lines = read(path)

    assert len(found) > 10_000
    assert b"\n".join(line for _, _, line in found) == data[: sum(len(line) + 1 for _, _, line in found) - 1]
    assert "end early" in lines.trouble


@pytest.mark.parametrize("place", [0, 1, 2, 3])
@pytest.mark.parametrize("size", [150, 1000, 100_000])
def test_a_line_that_is_too_long_is_passed_over_and_told(tmp_path, place, size):
    texts = [b"a", b"b", b"c"]
    texts.insert(place, b"x" * size)
    path = tmp_path / "text"
    path.write_bytes(b"\n".join(texts) + b"\n")

    found, lines = read(path, block=256, longest=100)

    assert [(number, line) for number, _, line in found] == [
        (number, line) for number, line in enumerate(texts, 1) if len(line) == 1
    ]
    assert lines.passed == [(place + 1, 2 * place, size + 1)]


def test_the_last_line_without_an_end_is_marked_torn(tmp_path):
    path = tmp_path / "text"
    path.write_bytes(b"one\ntwo")
    with Lines(path) as lines:
        assert [block.torn for block in lines] == [True]
    path.write_bytes(b"one\ntwo\n")
    with Lines(path) as lines:
        assert [block.torn for block in lines] == [False]


@pytest.mark.parametrize("packed", [False, True])
def test_one_line_is_found_by_its_number(tmp_path, packed):
    texts = [b"%d " % number + b"x" * (number % 700) for number in range(1, 12_001)]  # about four megabytes
    path = tmp_path / "text"
    data = b"\n".join(texts)
    path.write_bytes(gzip.compress(data, 1) if packed else data)

    for number in (1, 2, 3000, 5999, 9000, 11_999, 12_000):
        assert line_at(path, number) == texts[number - 1]
    with pytest.raises(UnknownName, match=r"no line 12,001; it has 12,000"):
        line_at(path, 12_001)
    with pytest.raises(UnknownName, match="no line 0"):
        line_at(path, 0)


def test_a_line_is_found_after_the_file_has_grown(tmp_path):
    path = tmp_path / "text"
    path.write_bytes(b"one\n")
    assert line_at(path, 1) == b"one"
    path.write_bytes(b"zero\none\n")
    assert line_at(path, 2) == b"one"


def test_the_fingerprint_is_that_of_the_stored_file(tmp_path):
    import hashlib

    path = tmp_path / "text.gz"
    path.write_bytes(gzip.compress(b"text"))
    with Fingerprint(path) as fingerprint:
        pass
    assert fingerprint.digits() == hashlib.sha256(path.read_bytes()).hexdigest()
    with Fingerprint(path, "known") as fingerprint:
        pass
    assert fingerprint.digits() == "known"


def test_a_missing_or_empty_file_gives_one_sentence(tmp_path):
    with pytest.raises(UnreadableEvidence, match="does not exist"):
        Lines(tmp_path / "none")
    (tmp_path / "empty").touch()
    with pytest.raises(UnreadableEvidence, match="is empty"):
        Lines(tmp_path / "empty")


def test_many_notes_become_a_few_caveats_and_a_count():
    noted = Noted("log", "json", most=3)
    for line in range(1, 1001):
        noted.add(line, 10 * line, "is odd")
    caveats = noted.caveats()
    assert [caveat.record for caveat in caveats] == [1, 2, 3, 4]
    assert caveats[0].detail == "log: line 1 (byte 10) is odd"
    assert "997 more" in caveats[3].detail
    assert "1,000 in all" in caveats[3].detail


@settings(deadline=None)
@given(st.lists(st.integers(0, 60), min_size=1, max_size=30), st.data())
def test_a_part_of_a_file_has_the_numbers_and_bytes_of_the_whole(tmp_path_factory, sizes, data):
    path = tmp_path_factory.mktemp("span") / "text"
    path.write_bytes(b"".join(b"x" * size + b"\n" for size in sizes))
    expected, _ = read(path)
    first = data.draw(st.integers(0, len(expected)))
    last = data.draw(st.integers(first, len(expected)))
    ends = [at for _, at, _ in expected] + [path.stat().st_size]
    for block in (128, 1 << 16):
        found, lines = read(path, block=block, longest=62, span=Span(ends[first], first + 1, ends[last]))
        assert found == expected[first:last]
        assert lines.count == last


@pytest.mark.parametrize("encoding", ["utf-16-le", "utf-16-be"])
def test_utf_16_is_read_as_utf_8(tmp_path, encoding):
    texts = ["caf\u00e9", "\u4e2d" * 50_000, "\U0001f600", "", "end"]
    path = tmp_path / "text"
    path.write_bytes("\ufeff".encode(encoding) + "\n".join(texts).encode(encoding) + b"\xd8"[: encoding == "utf-16-be"])
    found, lines = read(path)
    lines = [line.decode() for _, _, line in found]
    assert lines[:4] == texts[:4]
    assert lines[4].startswith("end")
    assert line_at(path, 3).decode() == texts[2]
