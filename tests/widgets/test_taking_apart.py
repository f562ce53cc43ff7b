"""A line is taken apart into rows that mean the same, or rows say that they can't."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import nsm_nb as nsm
from nsm_nb.errors import QueryError
from nsm_nb.query import STANDARD, query
from nsm_nb.query import compile as understood
from nsm_nb.query.tree import Not, Term
from nsm_nb.widgets.building import COMPARISONS, FIELDS, Part, line_of
from nsm_nb.widgets.taking_apart import parts_of

LINES = {
    "": [],
    "src 10.0.0.0/8": [Part("src host", "is", "10.0.0.0/8")],
    "10.0.0.7": [Part("host", "is", "10.0.0.7")],
    "src or dst net 10.0.0.0/8": [Part("host", "is", "10.0.0.0/8")],
    "not dst $home": [Part("dst host", "not", "$HOME")],
    "not not host = 10.0.0.7": [Part("host", "is", "10.0.0.7")],
    "ip6": [Part("host", "is", "::/0")],
    "TCP": [Part("proto", "=", "tcp")],
    "proto != 47": [Part("proto", "!=", "47")],
    "dst portrange 1-1023": [Part("dst port", "range", "1-1023")],
    "port > 1023": [Part("port", ">", "1023")],
    "octets 100..2k": [Part("octets", "=", "100..2k")],
    "Duration >= 5m": [Part("duration", ">=", "5m")],
    'closed "src only"': [Part("closed", "=", "src only")],
    "application !~ http": [Part("service", "!~", "http")],
    'history matches "^Sh?$"': [Part("history", "matches", "^Sh?$")],
    "time >= 2026-11-24 02:31": [Part("time", ">=", "2026-11-24 02:31")],
    "lastday": [Part("time", "=", "lastday")],
    "alert": [Part("alert", "there", "")],
    "not alert": [Part("alert", "none", "")],
    "alert ~ smb": [Part("alert", "~", "smb")],
    "alert sid 2000123": [Part("alert", "sid", "2000123")],
    '"volume serial"': [Part("any column", "~", "volume serial")],
    "~ 31337": [Part("any column", "~", "31337")],
    'matches "^ET "': None,  # a row takes the blank off
    'matches "^ET"': [Part("any column", "matches", "^ET")],
    "udp && port 53": [Part("proto", "=", "udp"), Part("port", "=", "53")],
    "(udp) or (port 53 or alert)": [
        Part("proto", "=", "udp"), Part("port", "=", "53", "or"), Part("alert", "there", "", "or"),
    ],
    "udp and (port 53 or port 5353)": [
        Part("port", "=", "53"), Part("port", "=", "5353", "or"), Part("proto", "=", "udp", "and"),
    ],
    "udp and port 53 or alert": [
        Part("proto", "=", "udp"), Part("port", "=", "53"), Part("alert", "there", "", "or"),
    ],
    "not tcp": None,
    "not (udp and port 53)": None,
    "(udp or port 1) and (tcp or port 2)": None,
    "src and dst host 10.0.0.7": None,
    "host != 10.0.0.7": None,
    "host ~ 10.0": None,
    "src_payload > 5": None,
    "direction_known = yes": None,
    'state ""': None,
    "alert sid > 5": None,
}  # fmt: skip


@pytest.mark.parametrize("line", LINES)
def test_a_line_is_rows_or_more_than_they_can_show(line):
    assert parts_of(line) == LINES[line]


@pytest.mark.parametrize("line", ["tcp and", "port http", "(udp", "x"])
def test_a_line_that_is_not_understood_is_no_rows(line):
    with pytest.raises(QueryError):
        parts_of(line)


@pytest.fixture(scope="module")
def table(bundled):
    return nsm.open_case(bundled).alerted_sessions


@pytest.mark.parametrize("line", [*LINES, *(each.line for each in STANDARD)])
def test_what_rows_make_of_a_line_finds_the_same(table, line):
    parts = parts_of(line)
    if parts is not None:
        assert query(table, line_of(parts)).index.equals(query(table, line).index)


def test_of_the_queries_that_ship_all_are_rows():
    assert [each.name for each in STANDARD if parts_of(each.line) is None] == []


_VALUES = {
    "address": st.sampled_from(["10.0.0.0/8", "$HOME", "2001:db8::1"]),
    "port": st.sampled_from(["445", "1-1023"]),
    "number": st.sampled_from(["5", "1.5M", "1..3"]),
    "text": st.text(max_size=6),
    "any": st.text(max_size=6),
    "time": st.sampled_from(["2026-11-24T02:31", "lastday", "02:31-02:33"]),
    "alert": st.sampled_from(["smb", "2000123"]),
}


@st.composite
def _parts(draw):
    field = draw(st.sampled_from(list(FIELDS)))
    how = draw(st.sampled_from([short for _, short in COMPARISONS[FIELDS[field]]]))
    value = "" if how in ("there", "none") else draw(_VALUES[FIELDS[field]])
    if how == "range":
        value = "1-1023"
    return Part(field, how, value, draw(st.sampled_from(["and", "or"])))


@settings(max_examples=60)
@given(st.lists(_parts(), max_size=5))
def test_what_rows_make_is_read_back_to_the_same_line(parts):
    line = line_of(parts)
    try:
        understood(line)
    except QueryError:
        return  # a range with > and the like
    found = parts_of(line)
    assert found is not None and line_of(found) == line


_TERMS = st.sampled_from(
    ["tcp", "dst port 53", "octets > 500", "src $HOME", "alert", "state FIN", "~ http", "not dst $HOME"]
)


def _joined(joint, sides, parted):
    return f" {joint} ".join(f"({side})" if put else side for side, put in zip(sides, parted, strict=False))


_LINES = st.recursive(
    _TERMS,
    lambda inner: st.builds(
        _joined,
        st.sampled_from(["and", "or"]),
        st.lists(inner, min_size=2, max_size=3),
        st.lists(st.booleans(), min_size=3, max_size=3),
    ),
    max_leaves=6,
)


@settings(max_examples=25)
@given(line=_LINES)
def test_any_line_that_is_rows_finds_the_same_by_them(table, line):
    parts = parts_of(line)
    if parts is not None:
        assert query(table, line_of(parts)).index.equals(query(table, line).index)


# ---- any spelling of what rows can show

_SIDES = st.sampled_from(["", "src ", "dst ", "SRC or dst ", "dst or src "])
_EQUAL = st.sampled_from([" ", " = ", "=="])
_ORDER = st.sampled_from(["", "=", " == ", "!=", " > ", ">=", "<", " <= "])
_WORDS = st.text(max_size=6).filter(lambda text: text and text == text.strip())


@st.composite
def _quotes(draw):
    sign = draw(st.sampled_from("\"'"))
    return sign + draw(_WORDS).replace("\\", "\\\\").replace(sign, f"\\{sign}") + sign


def _spelt(*parts):
    return st.tuples(*(st.just(each) if isinstance(each, str) else each for each in parts)).map("".join)


_ADDRESSES = st.sampled_from(["10.0.0.0/8", "10.0.0.7,::1", "'2001:db8::1'", "$home"])
_TURNABLE = st.one_of(  # rows have the opposite of these, too
    _spelt(_SIDES, st.sampled_from(["host", "Net"]), _EQUAL, _ADDRESSES),
    _spelt(st.sampled_from(["", "src ", "DST ", "src or dst "]), st.sampled_from(["10.0.0.7", "::/0", "$HOME"])),
    st.sampled_from(["ip", "IP6", "alert"]),
)
_SINGLE = st.one_of(
    _TURNABLE,
    _spelt(st.sampled_from(["not ", "!", "not not ", "! not !"]), _TURNABLE),
    _spelt(_SIDES, "port ", _ORDER, st.sampled_from(["0", "445"])),
    _spelt(_SIDES, "portrange", _EQUAL, st.sampled_from(["1-1023", "1..5"])),
    st.sampled_from(["TCP", "icmpv6", "ospf", "lastday", "Today", "alert sid 5", "alert sid == 5", "alert ~ smb"]),
    _spelt(st.sampled_from(["octets ", "SRC_PACKETS ", "duration ", "vlan "]), _ORDER, st.sampled_from(["5", "1.5"])),
    _spelt("time ", st.sampled_from(["", "=", ">", ">=", "<", "<="]), st.sampled_from(["2026-11-24 02:31", "02:31"])),
    _spelt("time ", st.sampled_from(["02:31-02:33", "2026-11-24..2026-11-25", "yesterday"])),
    _spelt(
        st.sampled_from(["state", "Application", "service"]), st.sampled_from(["", "==", "!=", "~", "!~"]), _quotes()
    ),
    _spelt(st.sampled_from(["history ", "alert ", ""]), "matches ", st.sampled_from(['"^Sh.*F"', "'a|b'"])),
    _spelt(st.sampled_from(["", "~", "~ "]), _quotes()),
)


@st.composite
def _shapes(draw, depth=3):
    """A list of tests of one joint, of which one at most is such a list itself."""
    joint = draw(st.sampled_from([" and ", "&&", " or ", "||", "\tOR "]))
    sides = draw(st.lists(_SINGLE, min_size=1, max_size=3))
    sides = [f"({side})" if draw(st.booleans()) else side for side in sides]
    if depth and draw(st.booleans()):
        sides.insert(draw(st.integers(0, len(sides))), f"({draw(_shapes(depth - 1))})")
    return joint.join(sides)


def _said(node):
    """Return a tree without places; in which order tests stand in a list changes nothing, nor does `not` before `not`."""
    if isinstance(node, Term):
        return {"application": "service"}.get(node.field, node.field), node.comparison, node.value[::2]
    if isinstance(node, Not):
        inner = _said(node.inner)
        return inner[1] if inner[0] == "not" else ("not", inner)
    return node.joint, sorted(map(_said, node.parts), key=repr)


@settings(max_examples=60)
@given(_shapes())
def test_a_line_in_any_spelling_says_the_same_as_its_rows(line):
    parts = parts_of(line)

    assert parts is not None
    assert _said(understood(line_of(parts)).tree) == _said(understood(line).tree)
