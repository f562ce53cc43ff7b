"""A query line to the builder's rows, where rows can say the same. Pure functions."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

from nsm_nb.query import compile as understood
from nsm_nb.query.grammar import ENDS, PROTOCOLS, SIGNS, SYNONYMS, Token, tokens
from nsm_nb.query.times import MACROS
from nsm_nb.widgets.building import COMPARISONS, FIELDS, Part

__all__ = ["parts_of"]

_SIDES = ("src", "dst")
_NAMES = {"application": "service", **SYNONYMS}


class _Joined(NamedTuple):
    joint: str
    parts: list[Part | _Joined]


class _More(Exception):
    """The line says what rows can't."""


def parts_of(line: str) -> list[Part] | None:
    """Return the rows that say what a line says, read from top to bottom; None where rows can't say it.

    Raises
    ------
    QueryError
        Where the line can't be understood.

    Examples
    --------
    >>> parts_of("src 10.0.0.0/8 and dst port 445")
    [Part(field='src host', comparison='is', value='10.0.0.0/8', joint='and'), \
Part(field='dst port', comparison='=', value='445', joint='and')]
    >>> parts_of("not (tcp and port 80)") is None
    True
    """
    understood(line)
    if not line.strip():
        return []
    try:
        return _rows(_Reader(tokens(line, ["$HOME"])).either())
    except _More:
        return None


def _rows(node: Part | _Joined) -> list[Part]:
    """Return rows of which each is joined to all above it: what is joined otherwise can only stand first."""
    if isinstance(node, Part):
        return [node]
    inner = [each for each in node.parts if isinstance(each, _Joined)]
    if len(inner) > 1:
        raise _More
    first = _rows(inner[0]) if inner else []
    rest = [each._replace(joint=node.joint) for each in node.parts if isinstance(each, Part)]
    return [*first, *rest] if first else [rest[0]._replace(joint="and"), *rest[1:]]


class _Reader:
    """Reads a line that is understood already, so that what comes next need not be looked at twice."""

    def __init__(self, words: list[Token]):
        self.words = words
        self.place = 0

    @property
    def now(self) -> Token:
        return self.words[self.place]

    def next(self) -> Token:
        token = self.now
        self.place += token.kind != "end"
        return token

    def take(self, *texts: str) -> str:
        """Step over the next token where it is one of these words, and return it."""
        if self.now.kind in ("word", "sign") and self.now.text.lower() in texts:
            return self.next().text.lower()
        return ""

    def either(self) -> Part | _Joined:
        return self.several("or", "||", self.both)

    def both(self) -> Part | _Joined:
        return self.several("and", "&&", self.turned)

    def several(self, joint: str, sign: str, one: Callable[[], Part | _Joined]) -> Part | _Joined:
        found: list[Part | _Joined] = []
        while True:
            each = one()
            # parentheses in a list of the same joint change nothing
            found += each.parts if isinstance(each, _Joined) and each.joint == joint else [each]
            if not self.take(joint, sign):
                return found[0] if len(found) == 1 else _Joined(joint, found)

    def turned(self) -> Part | _Joined:
        negative = False
        while self.take("not", "!"):
            negative = not negative
        if self.take("("):
            found = self.either()
            self.take(")")
        else:
            found = self.single()
            if found.value != found.value.strip() or not (found.value or found.comparison in ("there", "none")):
                raise _More  # rows take blanks off, and say nothing without a value
        if not negative:
            return found
        if isinstance(found, Part):
            other = {("address", "is"): "not", ("address", "not"): "is",
                     ("alert", "there"): "none", ("alert", "none"): "there"}.get(
                (FIELDS[found.field], found.comparison)
            )  # fmt: skip
            if other:
                return found._replace(comparison=other)
        raise _More

    def single(self) -> Part:
        token = self.next()
        word = token.text.lower()
        if token.kind == "quoted":
            return Part("any column", "~", token.text)
        if token.text == "~":
            return Part("any column", "~", self.next().text)
        if word in _SIDES or word in ENDS:
            return self.end(word)
        if word == "matches" and self.now.kind in ("word", "quoted"):
            return Part("any column", "matches", self.next().text)
        if self.over():
            return _alone(token.text)
        if word == "alert" and self.take("sid"):
            return Part("alert", "sid", self.value(self.comparison(), only="="))
        name = _NAMES.get(word, word)
        how = self.comparison()
        if name not in FIELDS or name in ENDS or " " in name or how not in _hows(name):
            raise _More
        return Part(name, how, self.value(how))

    def over(self) -> bool:
        """Say whether a test ends here."""
        ends = self.now.kind == "end" or self.now.text in (")", "&&", "||")
        return ends or (self.now.kind == "word" and self.now.text.lower() in ("and", "or"))

    def comparison(self) -> str:
        if self.now.kind == "sign" and self.now.text in SIGNS:
            return self.next().text.replace("==", "=")
        return self.take("matches") or "="

    def value(self, how: str, *, only: str = "", home: bool = False) -> str:
        if only and how != only:
            raise _More
        first = self.next()
        if not self.over():  # a day and a time of it
            return f"{first.text} {self.next().text}"
        if first.kind == "word" and first.text == "$HOME" and not home:
            raise _More  # in a row of text it would be a text
        return first.text

    def end(self, word: str) -> Part:
        """Return what follows ``src``, ``dst``, ``host``, ``net``, ``port`` or ``portrange``."""
        side = ""
        if word in _SIDES:
            side = f"{word} "
            joint = self.take("or", "and")
            if joint == "and":
                raise _More
            if joint:  # src or dst: either, as without both
                self.next()
                side = ""
            word = self.take(*ENDS) or "host"
        how = self.comparison()
        if not word.startswith("port"):
            return Part(f"{side}host", "is", self.value(how, only="=", home=True))
        if word == "portrange":
            return Part(f"{side}port", "range", self.value(how, only="="))
        if how not in _hows("port"):
            raise _More
        return Part(f"{side}port", how, self.value(how))


def _hows(name: str) -> list[str]:
    return [how for _, how in COMPARISONS[FIELDS[name]]]


def _alone(text: str) -> Part:
    """Return what a word means that stands alone."""
    word = _NAMES.get(text.lower(), text.lower())
    if word == "alert":
        return Part("alert", "there", "")
    if word in MACROS:
        return Part("time", "=", word)
    if word in PROTOCOLS:
        return Part("proto", "=", word)
    return Part("host", "is", {"ip": "0.0.0.0/0", "ip6": "::/0"}.get(word, text))
