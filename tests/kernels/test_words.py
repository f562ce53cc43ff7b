"""Words, whole numbers and ports are found where a slow reading finds them, in any bytes."""

from __future__ import annotations

import re

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from nsm_nb.kernels.words import port_points, walk_words, whole_numbers

BLANK = rb"[\t\n\f\r ]"
BYTES = st.lists(st.sampled_from([*b"ab1.: \t\n\r\x0b\x00\xff"])).map(bytes)


def column(texts):
    """Return texts as Arrow has them."""
    return np.frombuffer(b"".join(texts), np.uint8), np.cumsum([0, *map(len, texts)]).astype(np.int32)


def walked(lines, front, back):
    """Return the words of each line, the middle third; None where it is not plain."""
    data, places = column(lines)
    begin, stop = (np.full((front + 1 + back, len(lines)), -1, np.int32) for _ in range(2))
    whole = np.zeros(len(lines), bool)
    walk_words(data, places.astype(np.int64), front, back, begin, stop, whole)
    found = []
    for line in range(len(lines)):
        words = [data[a:b].tobytes() for a, b in zip(begin[:, line], stop[:, line], strict=True)]
        found.append(words if whole[line] else None)
    return found


def slow(line, front, back):
    words = [each for each in re.split(BLANK + b"+", line) if each]
    if len(words) < front + back or re.search(rb"[\x00-\x08\x0b\x0e-\x1f]", line):
        return None
    middle = re.match(
        rb"^" + BLANK + b"*" + (rb"(?:[^\t\n\f\r ]+" + BLANK + b"+)") * front + b"(.*?)" + BLANK + b"*"
        + (rb"[^\t\n\f\r ]+" + BLANK + b"*") * back + b"$", line + b" ", re.DOTALL
    )  # fmt: skip
    return [*words[:front], middle[1], *words[len(words) - back :]]


@settings(max_examples=60)
@given(st.lists(BYTES, max_size=4), st.integers(0, 3), st.integers(0, 3))
def test_words_are_those_of_a_slow_reading(lines, front, back):
    assert walked(lines, front, back) == [slow(line, front, back) for line in lines]


@settings(max_examples=60)
@given(st.lists(BYTES | st.from_regex(rb"\A[ \t]?[0-9]{0,20}[ x]?\Z"), max_size=8))
def test_whole_numbers_are_those_of_a_pattern(texts):
    numbers, fine = np.full(len(texts), -1, np.int64), np.zeros(len(texts), bool)
    whole_numbers(*column(texts), numbers, fine)
    expected = [re.fullmatch(BLANK + rb"*([0-9]{1,18})" + BLANK + b"*", text) for text in texts]
    assert fine.tolist() == [each is not None for each in expected]
    assert numbers[fine].tolist() == [int(each[1]) for each in expected if each]


@pytest.mark.parametrize(
    ("text", "expected"),
    [(b"10.0.0.1.80", 8), (b"10.0.0.1", 8), (b"10.0.0.1.80.9", 13), (b"fe80::1.53", 7), (b"fe80::1", 7), (b"::.133", 2),
     (b"", 0), (b"....", 3), (b"a.b", 3)],
)  # fmt: skip
def test_the_port_stands_behind_the_fourth_point_or_the_first_behind_colons(text, expected):
    points = np.zeros(3, np.int32)
    port_points(*column([b"1.2.3.4.5", text, b"::1.2"]), points)
    assert points.tolist() == [7, 9 + expected, 9 + len(text) + 3]
