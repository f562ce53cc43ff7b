"""Relations of numbers: bytes of headers, the length, constants, and what is made of them. 32 bits without a sign.

Source: pcap-filter(7), "expr1 relop expr2"; bpf(4).
"""

from __future__ import annotations

import operator
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from nsm_nb.full_content.filters.outcomes import TRUE, Outcomes, both, said
from nsm_nb.full_content.filters.primitives import Test
from nsm_nb.full_content.filters.shapes import MAYBE, TRANSPORT, Shape, carried, number_of
from nsm_nb.full_content.filters.view import View
from nsm_nb.full_content.filters.wire import Context, Loaded, Wire

__all__ = ["Binary", "Bytes", "Expression", "Length", "Negative", "Number", "Relation", "constant", "folded"]

_MASK = 0xFFFFFFFF
_IP, _IP6 = 0x0800, 0x86DD
_COMPARED: dict[str, Callable] = {
    "=": operator.eq, "!=": operator.ne, "<": operator.lt, "<=": operator.le, ">": operator.gt, ">=": operator.ge,
}  # fmt: skip
# What a header's column tells: word, offset, width -> column, and a mask over it.
_COLUMNS = {
    **{(word, 0, 2): ("src_port", 0xFFFF) for word in ("tcp", "udp", "sctp")},
    **{(word, 2, 2): ("dst_port", 0xFFFF) for word in ("tcp", "udp", "sctp")},
    ("tcp", 4, 4): ("seq", _MASK), ("tcp", 8, 4): ("ack", _MASK), ("tcp", 13, 1): ("tcp_flags", 0xFF),
    ("tcp", 14, 2): ("window", 0xFFFF),
    **{(word, 0, 1): ("icmp_type", 0xFF) for word in ("icmp", "icmp6")},
    **{(word, 1, 1): ("icmp_code", 0xFF) for word in ("icmp", "icmp6")},
    ("ip", 4, 2): ("ip_id", 0xFFFF), ("ip", 8, 1): ("ttl", 0xFF), ("ip6", 7, 1): ("ttl", 0xFF),
}  # fmt: skip
_NUMBERS = {"tcp": 6, "udp": 17, "sctp": 132, "icmp": 1, "igmp": 2, "igrp": 9, "pim": 103, "vrrp": 112, "carp": 112}


class Expression:
    """A number for each packet."""

    def guards(self) -> list[Test]:
        """Return what has to be true of a packet, or the relation is false."""
        return []

    def columns(self, view: View) -> Loaded | None:
        """Return the numbers by the columns, None where they don't tell."""
        raise NotImplementedError

    def bytes(self, wire: Wire) -> Loaded:
        """Return the numbers by the bytes."""
        raise NotImplementedError


@dataclass(frozen=True)
class Number(Expression):
    """A constant."""

    value: int

    def columns(self, view: View) -> Loaded:
        """Return it."""
        return Loaded(np.uint32(self.value))

    def bytes(self, wire: Wire) -> Loaded:
        """Return it."""
        return Loaded(np.uint32(self.value))


@dataclass(frozen=True)
class Length(Expression):
    """``len``: bytes on the wire."""

    def columns(self, view: View) -> Loaded:
        """By `length`."""
        return Loaded(view.numbers("length")[0].astype(np.uint32, copy=False))

    def bytes(self, wire: Wire) -> Loaded:
        """By the length that was recorded."""
        return Loaded(wire.length)


@dataclass(frozen=True)
class Bytes(Expression):
    """``tcp[13]``, ``ip[6:2]``, ``ether[0]``: bytes of a header, where it is there.

    Parameters
    ----------
    word
        The header.
    guard
        What has to be true of a packet; None where nothing has.
    """

    context: Context
    word: str
    at: Expression
    width: int
    guard: Test | None

    def guards(self) -> list[Test]:
        """Return its own, after those of its place."""
        return [*self.at.guards(), *([] if self.guard is None else [self.guard])]

    def columns(self, view: View) -> Loaded | None:
        """By the column that has these bytes, if one has."""
        place = constant(self.at)
        if place is None:
            return None
        if self.word in ("ether", "link"):
            return None if self.context.ppp else self._hardware(view, place)
        if (self.word, place, self.width) == ("ip", 9, 1):
            return self._protocol(view)
        name, mask = _COLUMNS.get((self.word, place, self.width), ("", 0))
        if not name:
            return None
        values, missing = view.numbers(name)
        own = view.by_shape(self.context, self._own) != 0
        if name == "ip_id":  # that of an IPv6 fragment has 32 bits
            values = values & mask
        if missing is not None:
            own &= ~missing
        return Loaded(values & values.dtype.type(mask & np.iinfo(values.dtype).max), None if own.all() else own)

    def _own(self, shape: Shape) -> np.uint8:
        """Say (0 or 1) whether the columns are of the header that is asked; the guard does not tell for every part."""
        if not shape.plain or shape.network != (_IP6 if self.word in ("ip6", "icmp6") else _IP):
            return np.uint8(0)
        layer = {"icmp6": "icmpv6"}.get(self.word, self.word)
        return np.uint8(self.word in ("ip", "ip6") or shape.rest[:1] == (layer,))

    def _protocol(self, view: View) -> Loaded:
        def told(shape: Shape) -> np.uint8:
            first = shape.rest[0] if shape.rest else ""
            by_column = shape.plain and (first in TRANSPORT or carried(shape, 4, 0) == MAYBE)
            return np.uint8(by_column and shape.network == _IP)

        own = view.by_shape(self.context, told) != 0
        own &= view.spread("proto", lambda name: number_of(name) is not None, np.uint8, 0) != 0
        _, headless = view.numbers("ttl")
        if headless is not None:
            own &= ~headless
        return Loaded(view.spread("proto", lambda name: number_of(name) or 0, np.uint8, 0), None if own.all() else own)

    def _hardware(self, view: View, place: int) -> Loaded | None:
        side = "dst" if place + self.width <= 6 else "src" if place >= 6 and place + self.width <= 12 else ""
        if not side:
            return None
        shift = 8 * (6 - place % 6 - self.width)

        def of(text: str) -> int:
            return int(text.replace(":", ""), 16) >> shift & ((1 << 8 * self.width) - 1)

        values = view.spread(f"{side}_mac", of, np.uint32, 0)
        there = (view.categories(f"{side}_mac")[0] >= 0) & (view.hardware(side, lambda number: True) == TRUE)
        return Loaded(values, None if there.all() else there)

    def bytes(self, wire: Wire) -> Loaded:
        """By the bytes from the header's start on."""
        offset = self.at.bytes(wire)
        place: Any = np.asarray(offset.value).astype(np.int64)
        there = offset.there
        if self.word in ("ether", "link"):
            start: Any = wire.link_header(self.context)
        elif self.word in _NUMBERS:
            start, first = wire.transport(self.context)
            there = first if there is None else there if first is None else there & first
        else:
            start = wire.network(self.context) + (40 if self.word == "icmp6" else 0)
        at = start + place
        return wire.load(int(at) if np.ndim(at) == 0 else at, self.width).only(there)


@dataclass(frozen=True)
class Negative(Expression):
    """``- inner``."""

    inner: Expression

    def guards(self) -> list[Test]:
        """Return those of what it turns."""
        return self.inner.guards()

    def _turned(self, inner: Loaded) -> Loaded:
        return Loaded(_worked("-", np.uint32(0), inner.value), inner.there)

    def columns(self, view: View) -> Loaded | None:
        """Modulo 2 to the 32."""
        inner = self.inner.columns(view)
        return None if inner is None else self._turned(inner)

    def bytes(self, wire: Wire) -> Loaded:
        """Modulo 2 to the 32."""
        return self._turned(self.inner.bytes(wire))


@dataclass(frozen=True)
class Binary(Expression):
    """``first sign second``; a division by zero rejects the packet."""

    sign: str
    first: Expression
    second: Expression

    def guards(self) -> list[Test]:
        """Return those of the first: libpcap forgets those of the second."""
        return self.first.guards()

    def columns(self, view: View) -> Loaded | None:
        """Of what the columns tell; IPv4's fragment offset is one of them, though not all of the two bytes it shares."""
        offset = self._fragment(view)
        if offset is not None:
            return offset
        first, second = self.first.columns(view), self.second.columns(view)
        return None if first is None or second is None else self._made(first, second)

    def _fragment(self, view: View) -> Loaded | None:
        mask = constant(self.second)
        if self.sign != "&" or mask is None or mask & ~0x1FFF or not isinstance(self.first, Bytes):
            return None
        load = self.first
        if (load.word, constant(load.at), load.width) != ("ip", 6, 2):
            return None
        values, missing = view.numbers("fragment")
        _, headless = view.numbers("ttl")
        own = view.by_shape(load.context, lambda shape: np.uint8(shape.plain and shape.network == _IP)) != 0
        if headless is not None:
            own &= ~headless
        places = (values.astype(np.uint32) >> np.uint32(3)) & np.uint32(mask)
        return Loaded(places if missing is None else np.where(missing, np.uint32(0), places), own)

    def bytes(self, wire: Wire) -> Loaded:
        """Of what the bytes tell."""
        return self._made(self.first.bytes(wire), self.second.bytes(wire))

    def _made(self, first: Loaded, second: Loaded) -> Loaded:
        there = first.there
        if second.there is not None:
            there = second.there if there is None else there & second.there
        if self.sign in "/%":
            some = np.asarray(second.value) != 0
            if not some.all():
                there = some if there is None else there & some
        return Loaded(_worked(self.sign, first.value, second.value), there)


def _worked(sign: str, first: Any, second: Any) -> Any:
    """Return first sign second, modulo 2 to the 32."""
    if sign in "&|^":
        return {"&": operator.and_, "|": operator.or_, "^": operator.xor}[sign](first, second)
    first, second = np.asarray(first).astype(np.uint32, copy=False), np.asarray(second).astype(np.uint32, copy=False)
    if sign in ("<<", ">>"):
        small = second & np.uint32(31)
        shifted = first << small if sign == "<<" else first >> small
        return np.where(second < 32, shifted, np.uint32(0)) if (second > 31).any() else shifted
    if sign in "/%":
        divisor = np.maximum(second, np.uint32(1))
        return first // divisor if sign == "/" else first % divisor
    with np.errstate(over="ignore"):  # told of single numbers only
        return {"+": operator.add, "-": operator.sub, "*": operator.mul}[sign](first, second)


def constant(expression: Expression) -> int | None:
    """Return the number that an expression is for every packet, None where it is not one."""
    return expression.value if isinstance(expression, Number) else None


def folded(expression: Binary) -> Expression:
    """Return a number for an expression of two numbers."""
    first, second = constant(expression.first), constant(expression.second)
    if first is None or second is None:
        return expression
    return Number(int(_worked(expression.sign, np.uint32(first), np.uint32(second))))


@dataclass(frozen=True)
class Relation:
    """``first sign second``, such as ``tcp[13] & 2 != 0``."""

    first: Expression
    sign: str
    second: Expression

    def _guarded(self, asked: Callable[[Test], Outcomes], answer: Callable[[], Outcomes]) -> Outcomes:
        outcomes: Outcomes = TRUE
        for guard in dict.fromkeys([*self.first.guards(), *self.second.guards()]):
            outcomes = both(outcomes, asked(guard))
        return both(outcomes, answer())

    def columns(self, view: View) -> Outcomes:
        """By columns, where they have all that is asked."""

        def answer() -> Outcomes:
            first, second = self.first.columns(view), self.second.columns(view)
            if first is None or second is None:
                return np.uint8(7)
            there = _together(first, second)
            return said(_COMPARED[self.sign](first.value, second.value), there)

        return self._guarded(view.ask, answer)

    def bytes(self, wire: Wire) -> Outcomes:
        """By the bytes."""

        def answer() -> Outcomes:
            first, second = self.first.bytes(wire), self.second.bytes(wire)
            return said(_COMPARED[self.sign](first.value, second.value), _together(first, second), np.uint8(4))

        return self._guarded(wire.ask, answer)


def _together(first: Loaded, second: Loaded) -> np.ndarray | None:
    if first.there is None or second.there is None:
        return second.there if first.there is None else first.there
    return first.there & second.there
