"""What is read without patterns is what the patterns find, in plain lines and in any others."""

from __future__ import annotations

from time import process_time

import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from nsm_nb.errors import DamagedEvidence
from nsm_nb.formats import ra_text, tabular, tabular_ways
from nsm_nb.formats.byte_columns import matches, parts_of, shape
from nsm_nb.formats.printed_values import DATED
from nsm_nb.formats.ra_columns import _TIMES

NEAR = pd.Timestamp("2003-11-13", tz="UTC")
WORDS = st.sampled_from([
    "17:00:04.020000", "11/24.02:30:01.6*", "2003/11/13", "13 Nov 03 12:00:02", "1068742804.02", "e", "e s", "v  M", "tcp", "udp",
    "man", "10.1.1.177.2254", "10.1.1.177", "fe80::1.53", "::", "->", "<?>", "who", "<-", "6", "320", "0x0303", "FIN", "STA",
    "2:30", "\x0b", "é", "",
])  # fmt: skip
LINES = st.lists(
    st.tuples(
        st.sampled_from(["17:00:04.020000", "11/24.02:30:01.6*", "2003/11/13 17:00:04"]),
        st.sampled_from(["", " e ", "e  s", "e 7:3"]), st.sampled_from(["tcp", "udp", "man"]), WORDS,
        st.sampled_from(["->", "<?>", "who", "-"]), WORDS, WORDS, WORDS, st.sampled_from(["FIN", "CON", "STA", ""]),
    ).map("  ".join)
    | st.lists(WORDS, max_size=12).map(" ".join),
    max_size=6,
)  # fmt: skip
HEADERS = st.sampled_from([
    "StartTime Flgs Proto SrcAddr Sport Dir DstAddr Dport TotPkts TotBytes State",
    "StartTime LastTime Flgs Proto SrcAddr Sport Dir DstAddr Dport SrcPkts DstPkts",
    "StartTime Dur Proto SrcAddr Dir DstAddr Dport State",
    "StartTime Flgs Proto SrcAddr Sport Dir DstAddr Dport",
    "StartTime Flgs Proto SrcAddr Sport Dir DstAddr Dport State State What",
])  # fmt: skip


def read(path, layout_words):
    layout = tabular.Layout(
        "line", ra_text._HEADER, lambda line: ra_text.ra_columns.names_of(line, b""), delimiter=b"",
        default=ra_text._DEFAULT, pattern=ra_text._pattern, words=layout_words,
    )  # fmt: skip
    try:
        found = tabular.read(path, "x", layout, ra_text.ra_columns.COLUMNS)
    except DamagedEvidence as problem:
        return str(problem)
    rows = found.fields.to_pylist()
    for row in rows:  # of letters with blanks behind them
        row["flgs"] = row["flgs"] and row["flgs"].strip()
    return rows, found.record.tolist(), found.start.tolist(), found.caveats


@settings(max_examples=40)
@given(HEADERS, LINES, st.sampled_from(["\n", ""]))
def test_lines_are_taken_apart_as_their_pattern_does(tmp_path_factory, header, lines, ending):
    path = tmp_path_factory.getbasetemp() / "ra.txt"
    path.write_text("\n".join([header, *lines]) + ending)
    assert read(path, ra_text._words) == read(path, None)


@settings(max_examples=8)
@given(st.lists(HEADERS, min_size=2, max_size=4), st.lists(LINES, min_size=4, max_size=4))
def test_listings_put_together_are_read_as_each_of_them(tmp_path_factory, headers, parts):
    path = tmp_path_factory.getbasetemp() / "ra.txt"
    texts = ["".join(f"{each}\n" for each in [head, *lines]) for head, lines in zip(headers, parts, strict=False)]
    expected, before = [], 0
    for text in texts:
        path.write_text(text)
        found = read(path, ra_text._words)
        if not isinstance(found, str):
            expected += [(before + record, row) for row, record in zip(*found[:2], strict=True)]
        before += text.count("\n")
    path.write_text("".join(texts))
    found = read(path, ra_text._words)
    assert expected == ([] if isinstance(found, str) else list(zip(found[1], found[0], strict=True)))


RECORD = "17:00:04.02 e tcp 10.1.1.177.2254 -> 216.239.37.99.80 6 320"


@pytest.mark.parametrize("more", ["", " x{}"])
def test_a_header_for_each_line_costs_little(tmp_path, more):
    """Measured 0.06 s of the processor for 4,000 headers, whatever they name besides; it was a millisecond for each."""
    path = tmp_path / "ra.txt"
    head = "StartTime Flgs Proto SrcAddr Sport Dir DstAddr Dport TotPkts TotBytes"
    path.write_text("".join(f"{head}{more}\n{RECORD}{more}\n".replace("{}", str(at)) for at in range(4_000)))
    before = process_time()
    rows, numbers, _, _ = read(path, ra_text._words)
    assert process_time() - before < 1.5
    assert numbers == list(range(2, 8_001, 2))
    assert {(row["srcaddr"], row["totbytes"]) for row in rows} == {(b"10.1.1.177.2254", b"320")}


def test_after_a_thousand_ways_to_name_columns_lines_of_others_are_told(tmp_path, monkeypatch):
    monkeypatch.setattr(tabular, "_MOST_WAYS", 3)
    path = tmp_path / "ra.txt"
    heads = [f"StartTime{' x' * at} SrcAddr Dir DstAddr\n" for at in (0, 1, 2, 1, 0)]
    path.write_text("".join(f"{head}17:00:04{' y' * head.count('x')} 10.0.0.1 -> 10.0.0.2\n" for head in heads))
    rows, numbers, _, caveats = read(path, ra_text._words)
    assert numbers == [2, 4, 8, 10]  # the default, which is there before any header, is one of the three
    assert {row["dstaddr"] for row in rows} == {b"10.0.0.2"}
    assert [each.record for each in caveats] == [6]
    assert "after 3 that differ" in caveats[0].detail


def test_most_lines_of_a_listing_need_no_pattern(shared, monkeypatch):
    left = []
    pattern = tabular_ways._by_pattern
    monkeypatch.setattr(
        tabular_ways, "_by_pattern", lambda lines, *rest: left.append(len(lines)) or pattern(lines, *rest)
    )
    for name in ("ra_n", "ra_z", "ra_Zb"):
        ra_text.sessions(shared / "fixtures" / f"{name}.txt", label="x", near=NEAR)
    assert sum(left) == 4  # management records, whose columns are empty


TEXTS = st.sampled_from([
    "2026-11-24 02:30:20.937", "2026-11-24 02:30:20", "2026/11/24T02:30:20.1Z", "11/24.02:30:01.6*", "24 Nov 26 02:30:01",
    "02:30:01", "99:99:99", "x", "", "1/2 3:4:5",
])  # fmt: skip


@settings(max_examples=30)
@given(TEXTS, st.lists(st.integers(0, 9), max_size=4), st.lists(TEXTS, max_size=2), st.sampled_from([DATED, *_TIMES]))
def test_texts_that_differ_in_digits_alone_have_the_same_parts(text, digits, others, pattern):
    texts = [text, *("".join(str(each) if c.isdigit() else c for c in text) for each in digits), *others]
    column = pa.array([each.encode() for each in texts], pa.binary())
    assert parts_of(column, pattern, shape(column)).to_pylist() == pc.extract_regex(column, pattern=pattern).to_pylist()
    assert matches(column, pattern).tolist() == pc.match_substring_regex(column, pattern=pattern).to_pylist()


@pytest.mark.parametrize(
    ("texts", "alike"),
    [(["1a", "2a"], True), (["1a", "2b"], False), (["1a", "12"], False), (["1", "12"], False), ([], False)],
)
def test_only_digits_may_differ(texts, alike):
    assert (shape(pa.array([each.encode() for each in texts], pa.binary())) is not None) == alike
    if alike:
        column = pa.array([b"x", *(each.encode() for each in texts)], pa.binary()).slice(1)
        assert bytes(shape(column)[1]) == texts[1].encode()
