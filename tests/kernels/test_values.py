"""Values and words of lines are found where a slow reading finds them, in any bytes."""

from __future__ import annotations

import re

import numpy as np
from hypothesis import example, given, settings
from hypothesis import strategies as st

from nsm_nb.formats.value_places import Places, column_of

LINES = st.lists(st.lists(st.sampled_from([*b'ab1 ,"\\\t\r\x00\xff', *b',"MK'])).map(bytes), min_size=1, max_size=5)
ENDS = st.sampled_from([b"\n", b"\r\n"])


def placed(lines, end, last, delimiter, **how):
    text = [each + end for each in lines[:-1]] + [lines[-1] + last]
    buffer = np.frombuffer(b"".join(text) or b"\n", np.uint8)
    starts = np.cumsum([0, *map(len, text)])
    return buffer, Places(buffer, starts, delimiter, **how)


def found(buffer, places, count):
    """Return all values of each line, asked for from the last to the first."""
    rows = []
    for line, values in enumerate(places.counts.tolist()):
        order = np.arange(values - 1, -1, -1, dtype=np.int32)[None]
        begin, stop = places.of(np.array([line]), np.array([0]), order)
        rows.append([buffer[a:b].tobytes() for a, b in zip(begin[::-1, 0], stop[::-1, 0], strict=True)])
    assert len(rows) == count
    return rows


def bare(line):
    return re.sub(rb"\r?\n?\Z", b"", line, count=1)


def slow_values(line):
    """Return what stands between commas outside quotes; in a line whose quotes do not pair up, between all of them."""
    text, quotes = bare(line), 0
    values = [b""]
    for at in range(len(text)):
        quotes += text[at : at + 1] == b'"' and text[at - 1 : at] != b"\\"
        if text[at : at + 1] == b"," and quotes % 2 == 0:
            values.append(b"")
        else:
            values[-1] += text[at : at + 1]
    return text.split(b",") if quotes % 2 else values


def slow_words(line, units):
    found, blank = [], True
    for at in range(len(line)):
        before = blank
        blank = line[at] <= 32
        if units and re.fullmatch(rb"[0-9] [KMGT][\x00-\x20]", line[max(at - 1, 0) : at + 3]) and at:
            blank = False
        if not blank:
            found = [*found, b""] if before else found
            found[-1] += line[at : at + 1]
    return found


@settings(max_examples=50)
@given(LINES, ENDS, st.sampled_from([b"\n", b"", b"\r"]))
@example([b'"a,b",c\\",d', b'"a,b'], b"\n", b"")
def test_values_are_those_of_a_slow_reading(lines, end, last):
    lines = [each.replace(b"\r", b"x") for each in lines]
    buffer, places = placed(lines, end, last, b",")
    assert found(buffer, places, len(lines)) == [slow_values(each) for each in lines]
    assert places.length.tolist() == [len(each) for each in lines]


@settings(max_examples=50)
@given(LINES, ENDS, st.sampled_from([b"\n", b""]), st.booleans())
@example([b"20.4 M 1 K", b"1 M"], b"\n", b"\n", True)
def test_words_are_those_of_a_slow_reading(lines, end, last, units):
    buffer, places = placed(lines, end, last, b"", units=units)
    whole = [each + (end if place + 1 < len(lines) else last) for place, each in enumerate(lines)]
    assert found(buffer, places, len(lines)) == [slow_words(each, units) for each in whole]


def test_a_value_that_a_way_does_not_have_is_empty_and_the_others_are_found():
    buffer, places = placed([b"a,b,c", b"d,e", b"f,g,h"], b"\n", b"\n", b",")
    ways = np.array([[2, 0, -1], [-1, -1, 1]], np.int32)
    begin, stop = places.of(np.array([0, 1, 2]), np.array([0, 1, 0]), ways)
    columns = [column_of(buffer, *each, half=False).to_pylist() for each in zip(begin, stop, strict=True)]
    assert columns == [[b"c", None, b"h"], [b"a", None, b"f"], [None, b"e", None]]


def test_a_value_behind_the_last_byte_of_the_text_is_missing():
    buffer, places = placed([b"1,"], b"\n", b"", b",")
    begin, stop = places.of(np.array([0]), np.array([0]), np.array([[1]], np.int32))
    assert column_of(buffer, begin[0], stop[0], half=True).to_pylist() == [None]
