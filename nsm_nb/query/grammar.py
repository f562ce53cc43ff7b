"""From a line to a test of rows: words, then a recursive descent over ``or``, ``and``, ``not`` and single tests."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Sequence
from difflib import get_close_matches
from typing import NamedTuple

import numpy as np
import pandas as pd

from nsm_nb.errors import QueryError
from nsm_nb.query import checks
from nsm_nb.query.anywhere import anywhere
from nsm_nb.query.joined import alert_test
from nsm_nb.query.times import MACROS
from nsm_nb.query.values import Value, mistake
from nsm_nb.text import printable

__all__ = ["ENDS", "PROTOCOLS", "SIGNS", "SYNONYMS", "Test", "Token", "parse", "tokens"]

Test = Callable[[pd.DataFrame], np.ndarray]
"""What a part of a line becomes: a table -> True where a row matches."""

_DEEPEST = 50  # parentheses within parentheses; each takes some frames of Python's stack

_TOKEN = re.compile(
    r"""\s*(?:
        (?P<quoted> "(?:[^"\\]|\\.)*" | '(?:[^'\\]|\\.)*' )
      | (?P<sign> && | \|\| | [()] | [=!<>]= | !~ | [=<>!~] )
      | (?P<word> [^\s()<>=!~&|"']+ )
    )""",
    re.VERBOSE | re.DOTALL,
)
ENDS = ("host", "net", "port", "portrange")
SIGNS = ("=", "==", "!=", "<", "<=", ">", ">=", "~", "!~")
_OTHER = ("!=", "!~")  # where several columns are compared, all of them must differ
_AND, _OR, _NOT = ("and", "&&"), ("or", "||"), ("not", "!")
PROTOCOLS = {"icmp": "1", "igmp": "2", "tcp": "6", "udp": "17", "gre": "47", "esp": "50", "ah": "51", "icmp6": "58",
              "ospf": "89", "sctp": "132", "arp": ""}  # fmt: skip
SYNONYMS = {"icmpv6": "icmp6", "ipv6-icmp": "icmp6"}
_SUMS = ("packets", "octets", "payload")
_ALIASES = {"category": "status", "service": "application"}  # where a table has no column of the first name
_DAY = re.compile(r"\d{4}-\d\d-\d\d", re.ASCII)
_CLOCK = re.compile(r"\d\d?:\d\d(:\d\d(\.\d+)?)?", re.ASCII)
_A_TEST = "a test such as src 10.0.0.0/8, dst port 445, tcp or octets > 1M"


class Token(NamedTuple):
    """A word, a text in quotes, a sign, or the end of a line, and where it stands."""

    kind: str  # "word", "quoted", "sign" or "end"
    text: str
    column: int


def parse(line: str, home: Sequence[str]) -> Test:
    """Return the test that a line describes; `home` are the networks that ``$HOME`` stands for.

    Raises
    ------
    QueryError
        Where the line can't be understood.
    """
    return _Parser(line, home).line()


def tokens(line: str, home: Sequence[str]) -> list[Token]:
    """Return the words of a line, the last one its end; `home` stands in place of ``$HOME``.

    Raises
    ------
    QueryError
        Where a quotation has no end, or a sign means nothing.
    """
    words, place, end = [], 0, len(line.rstrip())
    while place < end:
        found = _TOKEN.match(line, place)
        if found is None:
            place += len(line[place:]) - len(line[place:].lstrip())
            sign = line[place]
            if sign in "\"'":
                raise mistake(place, f"the text that begins here has no closing {sign}", 'message ~ "smb"')
            raise mistake(
                place, f"a single {sign} means nothing; and is written &&, or is written ||", "tcp && port 80"
            )
        kind = str(found.lastgroup)
        text = found[kind]
        if kind == "quoted":
            text = re.sub(r"""\\(["'\\])""", r"\1", text[1:-1])
        elif text.upper() == "$HOME":
            text = ",".join(home)
        words.append(Token(kind, text, found.start(kind)))
        place = found.end()
    return [*words, Token("end", "", len(line))]


class _Parser:
    def __init__(self, line: str, home: Sequence[str]):
        self.tokens = tokens(line, home)
        self.place = 0

    @property
    def now(self) -> Token:
        return self.tokens[self.place]

    def next(self) -> Token:
        token = self.now
        self.place += token.kind != "end"
        return token

    def take(self, words: Sequence[str]) -> bool:
        """Step over the next token where it is one of these words."""
        if self.now.kind != "quoted" and self.now.text.lower() in words:
            self.place += 1
            return True
        return False

    def expected(self, what: str, example: str) -> QueryError:
        token = self.now
        found = "the line ends" if token.kind == "end" else f"{printable(token.text[:40])!r} stands"
        return mistake(token.column, f"{what} is expected where {found}", example)

    def line(self) -> Test:
        if self.now.kind == "end":
            return lambda table: np.ones(len(table), bool)
        test = self.either(0)
        if self.now.kind != "end":
            raise self.expected("and, or, or the end of the line", "tcp and port 80")
        return test

    def either(self, depth: int) -> Test:
        tests = [self.both(depth)]
        while self.take(_OR):
            tests.append(self.both(depth))
        return _any(tests)

    def both(self, depth: int) -> Test:
        tests = [self.turned(depth)]
        while self.take(_AND):
            tests.append(self.turned(depth))
        return _all(tests)

    def turned(self, depth: int) -> Test:
        negative = False
        while self.take(_NOT):
            negative = not negative
        opening = self.now
        if self.take(("(",)):
            if depth == _DEEPEST:
                raise mistake(opening.column, f"more than {_DEEPEST} parentheses stand in each other", "(tcp or udp)")
            test = self.either(depth + 1)
            if not self.take((")",)):
                raise self.expected("a closing parenthesis", "(tcp or udp) and port 53")
        else:
            test = self.single()
        return _not(test) if negative else test

    def single(self) -> Test:
        token = self.next()
        word = token.text.lower()
        if token.kind == "quoted":
            return anywhere(Value(token.text, token.column + 1))
        if token.text == "~":
            return anywhere(self.value("a text", '~ "volume serial"'))
        if token.kind != "word" or word in (*_AND, *_OR):
            self.place -= token.kind != "end"
            raise self.expected(_A_TEST, "src 10.0.0.0/8 and dst port 445")
        if word in ("src", "dst"):
            return self.sided(word)
        if word in ENDS:
            self.place -= 1
            return self.endpoint(("src", "dst"), every=False)
        if word == "matches" and self.now.kind in ("word", "quoted"):
            return anywhere(self.value("a regular expression", 'matches "^Sh.*F"'), pattern=True)
        if word == "alert" and (test := self.alert(token)) is not None:
            return test
        if self.now.kind != "sign" or self.now.text not in SIGNS:
            if word in MACROS and self.ends():
                return self.column(token, Value("=", token.column), Value(word, token.column), name="time")
            if word in PROTOCOLS or word in SYNONYMS:
                return self.column(token, Value("=", token.column), Value(word, token.column), name="proto")
            if word in ("ip", "ip6"):
                return self.address(token, ("src", "dst"), Value("0.0.0.0/0" if word == "ip" else "::/0", token.column))
            if checks.is_network(token.text):
                return self.address(token, ("src", "dst"), Value(token.text, token.column))
            if self.ends():
                raise self.expected(f"after {printable(token.text)!r} a comparison", "octets > 1.5M")
        comparison = self.comparison()
        value = self.value("a value", f"{printable(token.text)} {comparison.text} 5")
        return self.column(token, comparison, value)

    def ends(self) -> bool:
        """Say whether a test can't go on here."""
        return self.now.kind in ("sign", "end") or (
            self.now.kind == "word" and self.now.text.lower() in (*_AND, *_OR, *_NOT)
        )

    def alert(self, token: Token) -> Test | None:
        """Return what follows ``alert``: nothing, ``sid`` and a number; None where its text or name is compared."""
        if self.now.kind == "word" and self.now.text.lower() == "sid":
            sid = self.next()
            comparison = self.comparison()
            value = self.value("the number of a signature", "alert sid 2000123")
            checks.check("number", "sid", comparison, value)
            return alert_test(token.column, Value("sid", sid.column), comparison, value)
        return alert_test(token.column) if self.ends() and self.now.text not in SIGNS else None

    def sided(self, side: str) -> Test:
        """Return what follows ``src`` or ``dst``; ``src or dst``, ``src and dst`` are both sides."""
        sides: tuple[str, ...] = (side,)
        every = False
        if [each.text.lower() for each in self.tokens[self.place : self.place + 2]] in (
            [joint, other] for joint in ("and", "or") for other in {"src", "dst"} - {side}
        ):
            follows = self.tokens[self.place + 2]
            if follows.text.lower() in ENDS or checks.is_network(follows.text):
                every = self.now.text.lower() == "and"
                sides = ("src", "dst")
                self.place += 2
        if self.now.kind == "word" and self.now.text.lower() in ENDS:
            return self.endpoint(sides, every=every)
        if self.now.kind != "word" or self.now.text.lower() in (*_AND, *_OR, *_NOT):
            raise self.expected(f"after {side} an address, host, net, port or portrange", f"{side} port 445")
        return self.address(self.now, sides, self.value("an address", f"{side} 10.0.0.0/8"), every=every)

    def endpoint(self, sides: tuple[str, ...], *, every: bool) -> Test:
        token = self.next()
        port = token.text.lower().startswith("port")
        example = f"{sides[0]} port 445" if port else f"{sides[0]} net 10.0.0.0/8"
        comparison = self.comparison()
        value = self.value("a port" if port else "an address", example)
        if not port:
            return self.address(token, sides, value, comparison=comparison, every=every)
        if token.text.lower() == "portrange" and not re.search(r"\d(-|\.\.)\d", value.text):
            raise mistake(value.column, f"{printable(value.text)!r} is no range of ports", "portrange 1-1024")
        check = checks.check("port", token.text, comparison, value)
        return _ends(sides, "port", check, token.column, every=every or comparison.text in _OTHER)

    def address(
        self,
        token: Token,
        sides: tuple[str, ...],
        value: Value,
        *,
        comparison: Value | None = None,
        every: bool = False,
    ) -> Test:
        comparison = comparison or Value("=", value.column)
        check = checks.check("address", token.text, comparison, value)
        return _ends(sides, "ip", check, token.column, every=every or comparison.text in _OTHER)

    def comparison(self) -> Value:
        token = self.now
        if token.kind == "sign" and token.text in SIGNS:
            self.place += 1
            return Value(token.text.replace("==", "="), token.column)
        if token.kind == "word" and token.text.lower() == "matches":
            self.place += 1
            return Value("matches", token.column)
        return Value("=", token.column)

    def value(self, what: str, example: str) -> Value:
        token = self.now
        if token.kind not in ("word", "quoted") or (token.kind == "word" and token.text.lower() in (*_AND, *_OR)):
            raise self.expected(what, example)
        self.place += 1
        if token.kind == "word" and _DAY.fullmatch(token.text) and _CLOCK.fullmatch(self.now.text):
            return Value(f"{token.text} {self.next().text}", token.column)
        return Value(token.text, token.column + (token.kind == "quoted"))

    def column(self, token: Token, comparison: Value, value: Value, *, name: str = "") -> Test:
        name = name or token.text
        values = [value]
        if name.lower() == "proto" and comparison.text in ("=", "!="):
            values = [Value(each, value.column) for each in _both_names(value.text.lower())]
        known = checks.KINDS.get(name.lower())
        if known:
            checks.check(known, name, comparison, value)  # what is wrong with the value shows without a table
        every = comparison.text in _OTHER

        def test(table: pd.DataFrame) -> np.ndarray:
            if name.lower() == "alert" and "alert" not in table and "Alert" not in table:
                return alert_test(token.column, Value("message", token.column), comparison, value)(table)
            hits = []
            for columns in _columns(table, name, token.column):
                kind = checks.kind_of(name, columns[0])
                hits += [checks.check(kind, name, comparison, each)(*columns) for each in values]
            return np.logical_and.reduce(hits) if every else np.logical_or.reduce(hits)

        return test


def _both_names(protocol: str) -> set[str]:
    """Return the name and the number of a protocol: a table has the number where its reader knew no name."""
    protocol = SYNONYMS.get(protocol, protocol)
    named = {protocol, PROTOCOLS.get(protocol, "")} | {name for name, number in PROTOCOLS.items() if number == protocol}
    return named - {""} or {protocol}


def _columns(table: pd.DataFrame, name: str, place: int) -> list[tuple[pd.Series, ...]]:
    """Return what a name means in a table: one column, a sum, a stretch of time, or the columns of both sides."""
    for each in (name, name.lower()):
        if each in table:
            return [(table[each],)]
        ends = [table[f"{side}_{each}"] for side in ("src", "dst") if f"{side}_{each}" in table]
        if len(ends) == 2:
            return [(checks.known_sum(*ends),)] if each in _SUMS else [(end,) for end in ends]
        if each == "time" and "start" in table and "end" in table:
            return [(table["start"], table["end"])]
        if _ALIASES.get(each, "") in table:
            return [(table[_ALIASES[each]],)]
    raise _no_column(table, name, place)


def _ends(sides: Iterable[str], what: str, check: checks.Check, place: int, *, every: bool = False) -> Test:
    def test(table: pd.DataFrame) -> np.ndarray:
        hits = []
        for side in sides:
            name = f"{side}_{what}"
            if name not in table:
                raise _no_column(table, name, place)
            hits.append(check(table[name]))
        return np.logical_and.reduce(hits) if every else np.logical_or.reduce(hits)

    return test


def _no_column(table: pd.DataFrame, name: str, place: int) -> QueryError:
    names = [printable(each) for each in table.columns]
    near = get_close_matches(name.lower(), names, 1)
    hint = f"did you mean {near[0]}?" if near else f"it has {', '.join(names)}"
    return mistake(
        place, f"{printable(name)!r} is no word of a query and no column of this table ({hint})", "tcp and port 80"
    )


def _any(tests: list[Test]) -> Test:
    if len(tests) == 1:
        return tests[0]

    def test(table: pd.DataFrame) -> np.ndarray:
        hit = tests[0](table)
        for each in tests[1:]:
            hit = hit | each(table)
        return hit

    return test


def _all(tests: list[Test]) -> Test:
    if len(tests) == 1:
        return tests[0]

    def test(table: pd.DataFrame) -> np.ndarray:
        hit = tests[0](table)
        for each in tests[1:]:
            hit = hit & each(table)
        return hit

    return test


def _not(inner: Test) -> Test:
    return lambda table: ~inner(table)
