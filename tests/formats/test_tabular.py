"""Columns are taken out of lines as a slow reading of each line takes them, whatever the lines hold."""

from __future__ import annotations

import csv
import tracemalloc
from time import process_time

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from nsm_nb.errors import DamagedEvidence, UnreadableEvidence
from nsm_nb.formats import tabular
from nsm_nb.formats.value_places import Places
from nsm_nb.schema import caveats_of

NAMES = ("name", "b", "c")
HEADER = "name,b,c\n"


def comma(**more):
    return tabular.Layout("record", "^name,", lambda line: line.decode().split(","), **more)


BLANKS = tabular.Layout("record", "^name ", lambda line: line.decode().split(), delimiter=b"")


def read(place, text, layout=None):
    place.write_bytes(text if isinstance(text, bytes) else text.encode("utf-8", "surrogateescape"))
    return tabular.read(place, "x", comma() if layout is None else layout, NAMES)


def rows(found):
    return [tuple(row[name] for name in NAMES) for row in found.fields.to_pylist()]


def slow(text):
    """Return number and values of each line that has three, quotes read as Python's csv does."""
    for number, line in enumerate(text.split("\n"), 1):
        values = line.split(",") if line.count('"') % 2 else next(csv.reader([line]), [])
        if len(values) == 3 and not line.startswith("name,"):
            yield number, tuple(each.encode() or None for each in values)


@settings(max_examples=20)
@given(st.lists(st.lists(st.text("ab1. \t\\", max_size=3), min_size=1, max_size=5).map(",".join), max_size=20))
def test_values_are_those_of_a_slow_reading(tmp_path_factory, lines):
    text = HEADER + "".join(f"{line}\n" for line in lines)
    place = tmp_path_factory.getbasetemp() / "slow.csv"
    expected = list(slow(text))
    try:
        found = read(place, text)
    except DamagedEvidence:
        assert not expected
        return
    assert rows(found) == [values for _, values in expected]
    assert found.record.tolist() == [number for number, _ in expected]


@settings(max_examples=20)
@given(
    st.lists(
        st.lists(st.sampled_from(["a", '"a,b"', '"say ""no"""', '""', "", "7"]), min_size=2, max_size=4), min_size=1
    )
)
def test_quoted_values_are_those_of_a_slow_reading(tmp_path_factory, lines):
    text = HEADER + "".join(",".join(line) + "\n" for line in lines)
    expected = [values for _, values in slow(text)]
    try:
        found = read(tmp_path_factory.getbasetemp() / "quoted.csv", text)
    except DamagedEvidence:
        assert not expected
        return
    assert rows(found) == expected


@settings(max_examples=20)
@given(
    st.lists(st.lists(st.sampled_from(["a", "10.0.0.1", "x:y"]), max_size=5), max_size=20),
    st.sampled_from([" ", "   ", "\t"]),
)
def test_blanks_are_counted_as_one(tmp_path_factory, lines, blank):
    text = "name b c\n" + "".join(blank + blank.join(line) + " \n" for line in lines)
    expected = [tuple(each.encode() for each in line) for line in lines if len(line) == 3]
    try:
        found = read(tmp_path_factory.getbasetemp() / "blank.txt", text, BLANKS)
    except DamagedEvidence:
        assert not expected
        return
    assert rows(found) == expected


def test_a_line_with_another_number_of_values_is_told_by_its_number_and_the_rest_is_read(tmp_path):
    found = read(tmp_path / "x.csv", HEADER + "1,2,3\n1,2\nnonsense\n\n4,5,6\n")
    assert rows(found) == [(b"1", b"2", b"3"), (b"4", b"5", b"6")]
    assert found.record.tolist() == [2, 6]
    assert [(each.record, "2 values, not 3" in each.detail) for each in found.caveats] == [(3, True), (4, False)]


def test_of_many_such_lines_twenty_are_told_and_all_are_counted(tmp_path):
    found = read(tmp_path / "x.csv", HEADER + "1,2,3\n" + "1,2\n" * 100_000)
    assert len(found.caveats) == 21
    assert "100,000 in all" in found.caveats[-1].detail


def test_other_columns_hold_from_where_they_are_named(tmp_path):
    found = read(tmp_path / "x.csv", HEADER + "1,2,3\nname,c\n4,6\n" + HEADER + "7,8,9\n")
    assert rows(found) == [(b"1", b"2", b"3"), (b"4", None, b"6"), (b"7", b"8", b"9")]


@pytest.mark.parametrize("cut", range(1, 7))
def test_a_torn_line_gives_what_is_certain_and_says_so(tmp_path, cut):
    text = HEADER + "1,2,3\n44,55,66\n"
    found = read(tmp_path / "x.csv", text[:-cut])
    assert rows(found)[0] == (b"1", b"2", b"3")
    assert rows(found)[1:] == ([(b"44", b"55", None)] if cut <= 3 else [])
    (caveat,) = found.caveats
    assert ("may be torn" if cut <= 3 else "breaks off") in caveat.detail
    assert caveat.record == 3


@pytest.mark.parametrize(
    "value", [b"\0\0", b"\xff\xfe\xfd", b"\x1b[2J", b'"', b'a"b', b"\\", "\u202e".encode(), b"x" * 1_000_000]
)
def test_hostile_values_stay_as_they_are_and_hide_nothing(tmp_path, value):
    found = read(tmp_path / "x.csv", HEADER.encode() + b"1,2,3\n" + value + b",5,6\n7,8,9\n")
    assert rows(found) == [(b"1", b"2", b"3"), (value, b"5", b"6"), (b"7", b"8", b"9")]


@pytest.mark.slow(1)
def test_a_line_of_a_hundred_megabytes_is_passed_over(tmp_path):
    text = HEADER.encode() + b"1,2,3\n" + b"a," * 50_000_000 + b"\n4,5,6\n"
    found = read(tmp_path / "x.csv", text)
    assert rows(found) == [(b"1", b"2", b"3"), (b"4", b"5", b"6")]
    assert "more than a line may have" in found.caveats[0].detail


def test_line_ends_and_encodings_of_windows_change_nothing(tmp_path):
    text = HEADER + "1,2,3\n4,5,6\n"
    expected = rows(read(tmp_path / "x.csv", text))
    assert rows(read(tmp_path / "crlf.csv", text.replace("\n", "\r\n"))) == expected
    assert rows(read(tmp_path / "wide.csv", text.encode("utf-16"))) == expected
    assert (
        rows(
            read(
                tmp_path / "mark.csv",
                b"\xef\xbb\xbf" + text.encode(),
                comma()._replace(header=r"^(?:\xef\xbb\xbf)?name,"),
            )
        )
        == expected
    )


def test_what_holds_no_record_is_refused_in_one_sentence(tmp_path):
    with pytest.raises(DamagedEvidence, match="not one of its 2 lines is a record") as problem:
        read(tmp_path / "x.csv", "no\nsense\n")
    assert "below no header that was read" in str(problem.value)
    assert len(problem.value.table) == 0
    with pytest.raises(UnreadableEvidence):
        read(tmp_path / "empty.csv", "")
    assert not caveats_of(problem.value.table)


WAYS = ("name,b,c", "name,c", "name,c,b,x", "name,name,b", "name,x,x,x,x")


@settings(max_examples=30)
@given(
    st.lists(st.sampled_from(WAYS) | st.lists(st.sampled_from(["1", "2", ""]), min_size=1, max_size=5).map(",".join))
)
def test_headers_hold_until_the_next_in_any_order(tmp_path_factory, lines):
    expected, names = [], []
    for number, line in enumerate([HEADER.strip(), *lines], 1):
        values = line.split(",")
        if line.startswith("name"):
            names = values
        elif line and len(values) == len(names):
            row = dict(zip(names[::-1], values[::-1], strict=True))  # of two with one name the first
            expected.append((number, tuple(row.get(name, "").encode() or None for name in NAMES)))
    try:
        found = read(tmp_path_factory.getbasetemp() / "ways.csv", HEADER + "".join(f"{each}\n" for each in lines))
    except DamagedEvidence:
        assert not expected
        return
    assert list(zip(found.record.tolist(), rows(found), strict=True)) == expected


@pytest.mark.parametrize("way", ["the same", "others"])
def test_a_header_for_each_record_costs_little(tmp_path, way):
    """Measured 0.1 s of the processor for 8,000; it was a millisecond for each."""
    more = [at % 200 for at in range(8_000)]
    text = "".join(f"name,b{',' * (0 if way == 'the same' else at)},c\n1,2{',' * at},3\n" for at in more)
    read(tmp_path / "x.csv", HEADER + "1,2,3\n")  # what the kernels take to load is not counted
    before = process_time()
    found = read(tmp_path / "x.csv", text)
    assert process_time() - before < 2
    assert len(found.record) == (40 if way == "the same" else 8_000)
    assert set(rows(found)) == {(b"1", b"2", b"3")}


@pytest.mark.parametrize("what", [b',"', b"a ", b",", b'"'])
def test_lines_of_nothing_but_delimiters_take_no_more_room_than_their_bytes(what):
    size = 3_000_000
    text = np.frombuffer(what * (size // len(what)), np.uint8)
    starts = np.arange(0, size + 1, size // 30)

    def taken(starts):
        for delimiter in (b",", b""):
            places = Places(text[: starts[-1]], starts, delimiter)
            lines = np.arange(len(starts) - 1)
            places.of(lines, np.zeros(len(lines), np.int64), np.arange(20, dtype=np.int32)[None])

    taken(starts[:1].repeat(2))  # what the kernels take to load is not counted
    tracemalloc.start()
    try:
        taken(starts)
        assert tracemalloc.get_traced_memory()[1] < size / 4
    finally:
        tracemalloc.stop()


@pytest.mark.parametrize("long", ["name," * 10_000, "name,c,b" + " " * 17_000])
def test_below_a_header_of_more_than_16_kilobytes_nothing_is_read_by_the_names_of_another(tmp_path, long):
    found = read(tmp_path / "x.csv", f"{HEADER}1,2,3\n{long}\n4,5,6\n{HEADER}7,8,9\n")
    assert rows(found) == [(b"1", b"2", b"3"), (b"7", b"8", b"9")]
    assert [each.record for each in found.caveats] == [3, 4]
    assert "more than 16,384" in found.caveats[0].detail
    assert "below no header that was read" in found.caveats[1].detail


def test_a_file_whose_only_header_is_too_long_is_refused_and_says_why(tmp_path):
    with pytest.raises(DamagedEvidence, match=r"line 1 .* more than 16,384; neither it was read, nor what follows"):
        read(tmp_path / "x.csv", f"{HEADER.strip()}{' ' * 17_000}\n4,5,6\n")


def test_a_lone_letter_behind_a_number_belongs_to_it(tmp_path):
    found = read(tmp_path / "x.txt", "name b c\n1  20.4 M x\n1 2 3\nM M M\n20 M 3\n", BLANKS._replace(units=True))
    assert rows(found) == [(b"1", b"20.4 M", b"x"), (b"1", b"2", b"3"), (b"M", b"M", b"M")]
