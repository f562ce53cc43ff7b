"""From a line of tcpdump's filter language to a test of packets: a recursive descent that follows libpcap's grammar.

``and`` and ``or`` bind alike, from left to right; a name or number after them takes the qualifiers of what stands before
(``port 80 or 443``); ``vlan``, ``mpls`` and ``pppoes`` move where the words after them look, to the end of the line.

Source: pcap-filter(7); libpcap 1.10.3, as ``tcpdump -O -d`` shows what it makes of a filter.
"""

from __future__ import annotations

from difflib import get_close_matches

from nsm_nb.errors import QueryError
from nsm_nb.full_content.filters import arithmetic, primitives
from nsm_nb.full_content.filters.arithmetic import Expression
from nsm_nb.full_content.filters.identifiers import Qualifiers, by_identifier, protocol, without_addresses
from nsm_nb.full_content.filters.names import PROTOCOLS, REFUSED, WORDS
from nsm_nb.full_content.filters.primitives import Test
from nsm_nb.full_content.filters.tokens import Token, number, tokens
from nsm_nb.full_content.filters.wire import Context
from nsm_nb.query.values import mistake
from nsm_nb.text import printable

__all__ = ["parse"]

_DEEPEST = 50  # parentheses within parentheses; each takes some frames of Python's stack
_LARGEST = 2_000  # tests in one filter
_SIGNS, _PARTS = 100, 20  # of arithmetic, in one filter and within each other: they are worked out one within the other
_AND, _OR, _NOT = ("and", "&&"), ("or", "||"), ("not", "!")
_ENDS = ("host", "net", "port", "portrange")
_NAMES = ("name", "four", "six", "mac")
_RELATIONS = {"=": "=", "==": "=", "!=": "!=", "<": "<", "<=": "<=", ">": ">", ">=": ">="}
_LEVELS = (("|",), ("&",), ("<<", ">>"), ("+", "-"), ("*", "/"))  # from the loosest to the tightest
_OPERATORS = {sign for level in _LEVELS for sign in level} | {"%", "^"}
_A_TEST = "a test such as host 10.0.0.7, tcp, dst port 445 or tcp[13] & 2 != 0"
_EXAMPLE = "src net 10.0.0.0/8 and tcp dst port 445"


def parse(line: str) -> Test | None:
    """Return the test that a line describes; None where it is empty, which matches every packet.

    Raises
    ------
    QueryError
        Where the line can't be understood.
    """
    return _Parser(line).line()


class _Parser:
    def __init__(self, line: str):
        self.tokens = tokens(line)
        self.place = 0
        self.context = Context()
        self.closing = _closing(self.tokens)
        self.tests = self.signs = 0

    @property
    def now(self) -> Token:
        return self.tokens[self.place]

    def next(self) -> Token:
        token = self.now
        self.place += token.kind != "end"
        return token

    def is_(self, *words: str, ahead: int = 0) -> bool:
        token = self.tokens[min(self.place + ahead, len(self.tokens) - 1)]
        return token.kind in ("word", "sign") and token.text.lower() in words

    def take(self, *words: str) -> bool:
        if self.is_(*words):
            self.place += 1
            return True
        return False

    def expected(self, what: str, example: str = _EXAMPLE) -> QueryError:
        token = self.now
        found = "the filter ends" if token.kind == "end" else f"{token} stands"
        return mistake(token.column, f"{what} is expected where {found}", example)

    # --- tests

    def line(self) -> Test | None:
        if self.now.kind == "end":
            return None
        test, _ = self.expression(0)
        if self.now.kind != "end":
            if self.is_(")"):
                raise mistake(self.now.column, "this parenthesis was never opened", "(tcp or udp) and port 53")
            raise self.expected("and, or, or the end of the filter", "tcp and port 80")
        return test

    def expression(self, depth: int) -> tuple[Test, Qualifiers | None]:
        first, qualifiers = self.term(depth)
        others = []
        while self.is_(*_AND, *_OR):
            every = self.next().text.lower() in _AND
            if self.identifier_follows():
                test = self.identifier(qualifiers, depth)
            else:
                test, qualifiers = self.term(depth)
            others.append((every, test))
        return _joined(first, others), qualifiers

    def deeper(self, depth: int) -> None:
        if depth == _DEEPEST:
            raise mistake(self.now.column, f"more than {_DEEPEST} parentheses stand in each other", "(tcp or udp)")

    def counted(self) -> None:
        self.tests += 1
        if self.tests > _LARGEST:
            raise mistake(self.now.column, f"the filter has more than {_LARGEST:,} tests", "net 10.0.0.0/8")

    def identifier_follows(self) -> bool:
        """Say whether a name, number or address stands here that takes the qualifiers of what was before."""
        place = self.place
        while self.tokens[place].kind in ("word", "sign") and self.tokens[place].text.lower() in _NOT:
            place += 1
        token = self.tokens[place]
        if token.kind in _NAMES:
            return True
        while token.kind == "sign" and token.text == "(":
            place += 1
            token = self.tokens[place]
        if token.kind != "number":
            return False
        place += 1
        while self.tokens[place].text == ")" and self.tokens[place].kind == "sign":
            place += 1
        after = self.tokens[place]
        return not (after.kind == "sign" and (after.text in _RELATIONS or after.text in _OPERATORS))

    def identifier(self, qualifiers: Qualifiers | None, depth: int) -> Test:
        negative = False
        while self.take(*_NOT):
            negative = not negative
        if qualifiers is None:
            raise mistake(
                self.now.column,
                f"{self.now} has no word before it that says what it is (host, net, port ...), and takes none over",
                "port 80 or 443",
            )
        if self.is_("("):
            self.deeper(depth)
            self.next()
            first = self.identifier(qualifiers, depth + 1)
            others = []
            while self.is_(*_AND, *_OR):
                every = self.next().text.lower() in _AND
                others.append((every, self.identifier(qualifiers, depth + 1)))
            self.close()
            test = _joined(first, others)
        else:
            self.counted()
            test = self.one_identifier(qualifiers)
        return primitives.Not(test) if negative else test

    def one_identifier(self, qualifiers: Qualifiers) -> Test:
        token = self.now
        proto = qualifiers.kind in ("proto", "protochain") and token.kind == "word" and token.text.lower() in PROTOCOLS
        if token.kind not in (*_NAMES, "number") and not proto:
            raise self.expected(
                f"after {qualifiers.kind or qualifiers.direction} {qualifiers.needs}", qualifiers.example
            )
        self.next()
        mask: Token | int | None = None
        if token.kind in ("four", "six") or (token.kind == "number" and self.is_("/")):
            if self.take("/"):
                if self.now.kind != "number":
                    raise self.expected("the size of the network in bits", "net 10.0.0.0/8")
                mask = self.next()
            elif self.take("mask"):
                if self.now.kind != "four":
                    raise self.expected("a mask", "net 10.0.0.0 mask 255.0.0.0")
                mask = self.next()
        return by_identifier(self.context, qualifiers, token, mask)

    def close(self) -> None:
        if not self.take(")"):
            raise self.expected("a closing parenthesis", "(tcp or udp) and port 53")

    def term(self, depth: int) -> tuple[Test, Qualifiers | None]:
        negative = False
        while self.take(*_NOT):
            negative = not negative
        self.counted()
        test, qualifiers = self.single(depth)
        return (primitives.Not(test) if negative else test), qualifiers

    def single(self, depth: int) -> tuple[Test, Qualifiers | None]:
        token = self.now
        if self.is_("("):
            self.deeper(depth)
            after = self.tokens[self.closing.get(self.place, len(self.tokens) - 2) + 1]
            if not (after.kind == "sign" and (after.text in _RELATIONS or after.text in _OPERATORS)):
                self.next()
                test, qualifiers = self.expression(depth + 1)
                self.close()
                return test, qualifiers
            return self.relation(), None
        if token.kind == "number" or self.is_("len", "length", "-"):
            return self.relation(), None
        if token.kind in _NAMES:
            raise self.unknown(token)
        if token.kind != "word" or self.is_(*_AND, *_OR):
            raise self.expected(_A_TEST)
        word = token.text.lower()
        if word in REFUSED:
            raise mistake(token.column, f"{token} is not asked for here: {REFUSED[word]}", _EXAMPLE)
        if word in PROTOCOLS:
            if self.is_("[", ahead=1):
                return self.relation(), None
            self.next()
            return self.after_protocol(token, word, depth)
        if word in ("src", "dst", "proto", "protochain", "broadcast", "multicast", *_ENDS):
            return self.after_protocol(token, "", depth)
        return self.special(), None

    def unknown(self, token: Token) -> QueryError:
        if token.kind != "name":
            return mistake(
                token.column, f"{token} needs a word before it that says what it is", f"host {printable(token.text)}"
            )
        near = get_close_matches(token.text.lower(), sorted(WORDS), 1)
        hint = f"did you mean {near[0]}?" if near else "names of hosts are not looked up: give the address"
        return mistake(token.column, f"{token} is no word of a filter ({hint})", _EXAMPLE)

    def after_protocol(self, token: Token, word: str, depth: int) -> tuple[Test, Qualifiers | None]:
        """Return the test of qualifiers and what they qualify, of which a protocol may have been read."""
        if self.take("broadcast"):
            return self.spread(token, word, "broadcast"), None
        if self.take("multicast"):
            return self.spread(token, word, "multicast"), None
        direction, kind = self.direction(), ""
        if self.is_(*_ENDS) or (not direction and self.is_("proto", "protochain")):
            kind = self.next().text.lower()
        if not direction and not kind:
            if word in ("ether", "link"):
                raise self.expected(
                    f"after {word} host, src, dst, proto, broadcast, multicast or [", "ether proto 0x88cc"
                )
            return protocol(self.context, word), None
        qualifiers = Qualifiers(word, direction, kind, token)
        if not self.identifier_follows() and not self.is_("(", *_NOT):
            return self.one_identifier(qualifiers), qualifiers
        return self.identifier(qualifiers, depth), qualifiers

    def direction(self) -> str:
        if not self.is_("src", "dst"):
            return ""
        side = self.next().text.lower()
        other = {"src": "dst", "dst": "src"}[side]
        if self.is_(*_AND, *_OR) and self.is_(other, ahead=1):
            both = self.next().text.lower() in _AND
            self.next()
            return "and" if both else "or"
        return side

    def spread(self, token: Token, word: str, kind: str) -> Test:
        if word in ("", "ether", "link"):
            if self.context.ppp:
                raise without_addresses(token)
            return primitives.Ether("dst", None if kind == "multicast" else 0xFFFFFFFFFFFF)
        if kind == "multicast" and word in ("ip", "ip6"):
            return primitives.Group(self.context, 4 if word == "ip" else 6)
        if word != "ip":
            raise mistake(token.column, f"{word} knows no {kind}; ether and ip do", f"ether {kind}")
        four = (self.context, (0x0800,), "dst")
        return primitives.Any(primitives.Host4(*four, 0, 0xFFFFFFFF), primitives.Host4(*four, 0xFFFFFFFF, 0xFFFFFFFF))

    def special(self) -> Test:
        """Return a test of a word that stands for itself."""
        token = self.next()
        word = token.text.lower()
        if word in ("less", "greater"):
            if self.now.kind != "number":
                raise self.expected(f"after {word} a number of bytes", f"{word} 128")
            return primitives.Length(word, number(self.next()))
        if word in ("inbound", "outbound"):
            return primitives.Inbound(word == "outbound")
        if word == "pppoed":
            return primitives.Link(self.context, 0x8863)
        if word not in ("vlan", "mpls", "pppoes"):
            self.place -= 1
            raise self.expected(_A_TEST)
        most = {"vlan": 4095, "mpls": 0xFFFFF, "pppoes": 0xFFFF}[word]
        which = None
        if self.now.kind == "number" and not (
            self.tokens[self.place + 1].kind == "sign" and self.tokens[self.place + 1].text in _RELATIONS
        ):
            value = self.next()
            which = number(value)
            if which > most:
                raise mistake(value.column, f"{value} is more than {most:,}, the highest there is", f"{word} {most}")
        here = self.context
        if here.ppp or (here.labels and word != "mpls"):
            before = "pppoes" if here.ppp else "mpls"
            example = "vlan and mpls" if (word, before) == ("vlan", "mpls") else "pppoes and ip"
            raise mistake(token.column, f"{word} is not looked for inside {before}", example)
        if word == "vlan":
            self.context = here._replace(vlans=here.vlans + 1)
            return primitives.Vlan(here, which)
        if word == "mpls":
            self.context = here._replace(labels=here.labels + 1)
            return primitives.Label(here, which)
        self.context = here._replace(ppp=True)
        return primitives.Session(here, which)

    # --- numbers

    def relation(self) -> Test:
        first = self.arithmetic(0, 0)
        if not (self.now.kind == "sign" and self.now.text in _RELATIONS):
            raise self.expected("a comparison: = != < <= > >=", "tcp[13] & 2 != 0")
        sign = _RELATIONS[self.next().text]
        return arithmetic.Relation(first, sign, self.arithmetic(0, 0))

    def arithmetic(self, level: int, depth: int) -> Expression:
        if level == len(_LEVELS):
            return self.operand(depth)
        found = self.arithmetic(level + 1, depth)
        while self.is_(*_LEVELS[level]):
            found = self.worked(found, self.next(), lambda: self.arithmetic(level + 1, depth))
        return found

    def worked(self, first: Expression, sign: Token, second) -> Expression:
        self.signs += 1
        if self.signs > _SIGNS:
            raise mistake(sign.column, f"the filter has more than {_SIGNS} signs of arithmetic", "len > 128")
        other = second()
        value = arithmetic.constant(other)
        if value is not None and sign.text in ("/", "%") and value == 0:
            raise mistake(sign.column, "this divides by zero", "ip[2:2] / 2 > 20")
        if value is not None and sign.text in ("<<", ">>") and value > 31:
            raise mistake(sign.column, "this shifts by more than 31 bits", "ip[0] >> 4 = 4")
        made = arithmetic.Binary(sign.text, first, other)
        if value is None or arithmetic.constant(first) is None:
            return made
        return arithmetic.folded(made)

    def operand(self, depth: int) -> Expression:
        found = self.plain_operand(depth)
        if self.is_("%", "^"):  # libpcap's grammar gives them no rank: all that follows is theirs
            return self.worked(found, self.next(), lambda: self.arithmetic(0, depth + 1))
        return found

    def plain_operand(self, depth: int) -> Expression:
        token = self.now
        if depth > _PARTS:
            raise mistake(token.column, f"more than {_PARTS} parts stand in each other", "(ip[0] & 15) * 4 > 20")
        if self.take("-"):
            inner = self.operand(depth + 1)
            value = arithmetic.constant(inner)
            return arithmetic.Negative(inner) if value is None else arithmetic.Number(-value & 0xFFFFFFFF)
        if self.take("("):
            inner = self.arithmetic(0, depth + 1)
            self.close()
            return inner
        if self.take("len", "length"):
            return arithmetic.Length()
        if token.kind == "number":
            return arithmetic.Number(number(self.next()))
        if token.kind == "word" and token.text.lower() in PROTOCOLS and self.is_("[", ahead=1):
            return self.header_bytes(depth)
        hint = " (a sign needs a space on both sides)" if token.kind == "name" and "-" in token.text else ""
        raise self.expected(f"a number, len or bytes of a header{hint}", "tcp[13] & 2 != 0")

    def header_bytes(self, depth: int) -> Expression:
        token = self.next()
        word = token.text.lower()
        self.next()
        at = self.arithmetic(0, depth + 1)
        width = 1
        if self.take(":"):
            size = self.now
            if size.kind != "number" or number(size) not in (1, 2, 4):
                raise self.expected("1, 2 or 4 bytes", "ip[6:2] & 0x1fff = 0")
            self.next()
            width = number(size)
        if not self.take("]"):
            raise self.expected("a closing ]", "tcp[13] & 2 != 0")
        kind, value = PROTOCOLS[word]
        guard: Test | None = None
        if word == "icmp6":
            guard = primitives.First(self.context, 6, 58)
        elif kind in ("ip4", "ip46"):
            if word in ("ah", "esp"):
                raise mistake(token.column, f"bytes of {word} are not asked for here", "ip[9] = 50")
            guard = primitives.First(self.context, 4, value)
        elif kind == "link":
            guard = primitives.Link(self.context, value)
        elif kind == "sap":
            raise mistake(token.column, f"bytes of {word} are not asked for here", "ether[14] = 0x42")
        return arithmetic.Bytes(self.context, word, at, width, guard)


def _joined(first: Test, others: list[tuple[bool, Test]]) -> Test:
    return primitives.Sequence(first, tuple(others)) if others else first


def _closing(found: list[Token]) -> dict[int, int]:
    """Return the place of the parenthesis that closes each one that opens."""
    opened, places = [], {}
    for place, token in enumerate(found):
        if token.kind == "sign" and token.text == "(":
            opened.append(place)
        elif token.kind == "sign" and token.text == ")" and opened:
            places[opened.pop()] = place
    return places
