"""From a line to what it says: a recursive descent over ``or``, ``and``, ``not`` and single tests.

Each single test is made, and its value looked at, as soon as it is read: what is told is what is wrong first in the line.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence

from nsm_nb.errors import QueryError
from nsm_nb.query import checks
from nsm_nb.query.anywhere import anywhere
from nsm_nb.query.columns import OTHER, PROTOCOLS, SYNONYMS, column_test, ends_test
from nsm_nb.query.joined import alert_test
from nsm_nb.query.times import MACROS
from nsm_nb.query.tree import Joined, Node, Not, Term
from nsm_nb.query.values import Value, mistake
from nsm_nb.query.words import AND, ENDS, NOT, OR, SIGNS, Token, tokens
from nsm_nb.text import printable

__all__ = ["parse"]

_DEEPEST = 50  # parentheses within parentheses; each takes some frames of Python's stack
_FAMILIES = {"ip": "0.0.0.0/0", "ip6": "::/0"}
_DAY = re.compile(r"\d{4}-\d\d-\d\d", re.ASCII)
_CLOCK = re.compile(r"\d\d?:\d\d(:\d\d(\.\d+)?)?", re.ASCII)
_A_TEST = "a test such as src 10.0.0.0/8, dst port 445, tcp or octets > 1M"


def parse(line: str, home: Sequence[str]) -> Node:
    """Return what a line says; `home` are the networks that ``$HOME`` stands for.

    Raises
    ------
    QueryError
        Where the line can't be understood.
    """
    return _Parser(line, home).line()


class _Parser:
    def __init__(self, line: str, home: Sequence[str]):
        self.tokens = tokens(line)
        self.home = ",".join(home)
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

    def over(self) -> bool:
        """Say whether a test can't go on here."""
        return self.now.kind in ("sign", "end") or self.now.is_word(*AND, *OR, *NOT)

    def expected(self, what: str, example: str) -> QueryError:
        token = self.now
        found = "the line ends" if token.kind == "end" else f"{printable(token.text[:40])!r} stands"
        return mistake(token.column, f"{what} is expected where {found}", example)

    # --- what is joined

    def line(self) -> Node:
        if self.now.kind == "end":
            return Joined("and", ())
        node = self.either(0)
        if self.now.kind != "end":
            raise self.expected("and, or, or the end of the line", "tcp and port 80")
        return node

    def either(self, depth: int) -> Node:
        return self.several("or", OR, self.both, depth)

    def both(self, depth: int) -> Node:
        return self.several("and", AND, self.turned, depth)

    def several(self, joint: str, words: Sequence[str], part: Callable[[int], Node], depth: int) -> Node:
        parts: list[Node] = []
        while True:
            each = part(depth)
            # parentheses within a list of the same joint change nothing
            parts += each.parts if isinstance(each, Joined) and each.joint == joint else [each]
            if not self.take(words):
                return parts[0] if len(parts) == 1 else Joined(joint, tuple(parts))

    def turned(self, depth: int) -> Node:
        negative = False
        while self.take(NOT):
            negative = not negative
        opening = self.now
        node: Node
        if self.take(("(",)):
            if depth == _DEEPEST:
                raise mistake(opening.column, f"more than {_DEEPEST} parentheses stand in each other", "(tcp or udp)")
            node = self.either(depth + 1)
            if not self.take((")",)):
                raise self.expected("a closing parenthesis", "(tcp or udp) and port 53")
        else:
            node = self.single()
        return Not(node) if negative else node

    # --- single tests

    def single(self) -> Term:
        token = self.next()
        word = token.text.lower()
        if token.kind == "quoted":
            return _anywhere("~", self.meant(token))
        if token.text == "~":
            return _anywhere("~", self.value("a text", '~ "volume serial"'))
        if token.kind != "word" or word in (*AND, *OR):
            self.place -= token.kind != "end"
            raise self.expected(_A_TEST, "src 10.0.0.0/8 and dst port 445")
        if word in ("src", "dst"):
            return self.sided(word)
        if word in ENDS:
            self.place -= 1
            return self.endpoint(("src", "dst"), every=False)
        if word == "matches" and self.now.kind in ("word", "quoted"):
            return _anywhere("matches", self.value("a regular expression", 'matches "^Sh.*F"'))
        if word == "alert" and (term := self.alert(token)) is not None:
            return term
        if self.now.kind != "sign" or self.now.text not in SIGNS:
            if (term := self.alone(token)) is not None:
                return term
            if self.over():
                raise self.expected(f"after {printable(token.text)!r} a comparison", "octets > 1.5M")
        comparison = self.comparison()
        value = self.value("a value", f"{printable(token.text)} {comparison.text} 5")
        return _column(token.text, token, comparison, value)

    def alone(self, token: Token) -> Term | None:
        """Return what a word means that says all by itself; None where it needs a comparison."""
        word, same = token.text.lower(), Value("=", token.column)
        if word in MACROS and self.over():
            return _column("time", token, same, Value(word, token.column))
        word = SYNONYMS.get(word, word)
        if word in PROTOCOLS:
            return _column("proto", token, same, Value(word, token.column))
        value = Value(_FAMILIES[word], token.column) if word in _FAMILIES else self.meant(token)
        return _ends("host", token, ("src", "dst"), same, value) if checks.is_network(value.text) else None

    def alert(self, token: Token) -> Term | None:
        """Return what follows ``alert``: nothing, ``sid`` and a number; None where its text or name is compared."""
        if self.now.is_word("sid"):
            sid = self.next()
            comparison = self.comparison()
            value = self.value("the number of a signature", "alert sid 2000123")
            checks.check("number", "sid", comparison, value)
            test = alert_test(token.column, Value("sid", sid.column), comparison, value)
            return Term("alert sid", comparison.text, value, test)
        if self.over() and self.now.text not in SIGNS:
            return Term("alert", "", Value("", token.column), alert_test(token.column))
        return None

    def sided(self, side: str) -> Term:
        """Return what follows ``src`` or ``dst``; ``src or dst``, ``src and dst`` are both sides."""
        sides: tuple[str, ...] = (side,)
        every = False
        if [each.text.lower() for each in self.tokens[self.place : self.place + 2]] in (
            [joint, other] for joint in ("and", "or") for other in {"src", "dst"} - {side}
        ):
            follows = self.tokens[self.place + 2]
            if follows.text.lower() in ENDS or checks.is_network(self.meant(follows).text):
                every = self.now.text.lower() == "and"
                sides = ("src", "dst")
                self.place += 2
        if self.now.is_word(*ENDS):
            return self.endpoint(sides, every=every)
        if not self.now.is_word() or self.over():
            raise self.expected(f"after {side} an address, host, net, port or portrange", f"{side} port 445")
        token = self.now
        value = self.value("an address", f"{side} 10.0.0.0/8")
        return _ends("host", token, sides, Value("=", token.column), value, every=every)

    def endpoint(self, sides: tuple[str, ...], *, every: bool) -> Term:
        token = self.next()
        word = token.text.lower()
        port = word.startswith("port")
        comparison = self.comparison()
        value = self.value("a port" if port else "an address", f"{sides[0]} {'port 445' if port else 'net 10.0.0.0/8'}")
        if word == "portrange" and not re.search(r"\d(-|\.\.)\d", value.text):
            raise mistake(value.column, f"{printable(value.text)!r} is no range of ports", "portrange 1-1024")
        return _ends(word if port else "host", token, sides, comparison, value, every=every)

    def comparison(self) -> Value:
        token = self.now
        if (token.kind == "sign" and token.text in SIGNS) or token.is_word("matches"):
            self.place += 1
            return Value(token.text.lower().replace("==", "="), token.column)
        return Value("=", token.column)

    def value(self, what: str, example: str) -> Value:
        token = self.now
        if token.kind not in ("word", "quoted") or token.is_word(*AND, *OR):
            raise self.expected(what, example)
        self.place += 1
        if token.is_word() and _DAY.fullmatch(token.text) and _CLOCK.fullmatch(self.now.text):
            return Value(f"{token.text} {self.next().text}", token.column)
        return self.meant(token)

    def meant(self, token: Token) -> Value:
        """Return a token as a value: ``$HOME``, not in quotes, stands for the home networks."""
        if token.is_word("$home"):
            return Value(self.home, token.column, home=True)
        return Value(token.text, token.column + (token.kind == "quoted"))


def _anywhere(comparison: str, value: Value) -> Term:
    return Term("any column", comparison, value, anywhere(value, pattern=comparison == "matches"))


def _column(name: str, token: Token, comparison: Value, value: Value) -> Term:
    return Term(name.lower(), comparison.text, value, column_test(name, token.column, comparison, value))


def _ends(
    field: str, token: Token, sides: tuple[str, ...], comparison: Value, value: Value, *, every: bool = False
) -> Term:
    """Return the test of a ``host``, ``port`` or ``portrange`` of some sides: of any, or of every one."""
    side = f"{sides[0]} " if len(sides) == 1 else "src and dst " if every else ""
    what, kind = ("ip", "address") if field == "host" else ("port", "port")
    check = checks.check(kind, token.text, comparison, value)
    every = every or comparison.text in OTHER
    return Term(f"{side}{field}", comparison.text, value, ends_test(sides, what, check, token.column, every=every))
