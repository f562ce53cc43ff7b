"""What a packet's chain of layers says of its outermost headers, and the names that `proto` has for IP's protocols."""

from __future__ import annotations

from functools import cache
from typing import NamedTuple

import numpy as np

from nsm_nb.full_content.filters.outcomes import ANY, FALSE, TRUE
from nsm_nb.full_content.filters.wire import Context

__all__ = ["LINKS", "MAYBE", "NETWORK", "TRANSPORT", "Shape", "carried", "link_of", "named", "number_of", "shape_of"]

NETWORK = {"ip": 0x0800, "ipv6": 0x86DD, "arp": 0x0806, "rarp": 0x8035}
LINKS = ("eth", "sll", "sll2", "raw", "null")  # the others are read from their bytes
TRANSPORT = {"tcp": 6, "udp": 17, "sctp": 132, "icmp": 1, "icmpv6": 58}
_EXTENSIONS = (0, 43, 51, 60, 135)

MAYBE = np.uint8(64)
"""In a table of outcomes by layers: another column decides."""


@cache
def _numbers() -> dict[str | None, list[int]]:
    """Return the numbers of IP's protocols by the names that `proto` has for them."""
    from nsm_nb.formats.frames import protocol_name  # brings numba

    names: dict[str | None, list[int]] = {}
    for number in range(256):
        names.setdefault(protocol_name(number), []).append(number)
    return names


class Shape(NamedTuple):
    """What a chain of layers says, seen from a place in a filter.

    `network` is the ethertype of what the link layer carries where that is IPv4, IPv6, ARP or RARP, 0 where it is known to be
    none of them, None where it is not known. `rest` are the layers above; `plain` is True where no tunnel hides the columns.
    """

    network: int | None
    rest: tuple[str, ...] = ()
    plain: bool = True

    @property
    def ends(self) -> bool:
        """True where one layer stands above the network layer, so that `proto` is that layer's."""
        return len(self.rest) == 1 and self.rest[0] != "cut"


_OPEN = Shape(None)


def shape_of(chain: str, context: Context) -> Shape:
    """Return the shape of a chain of layers, seen from behind what a filter has stepped over."""
    link, *layers = chain.split(":") if chain else [""]
    if link not in LINKS or context.labels or context.ppp:
        return _OPEN
    tags = 0
    while tags < len(layers) and layers[tags] == "vlan":
        tags += 1
    skipped = context.vlans if link == "eth" else 0
    above = layers[tags:]
    if tags < skipped:
        return _OPEN
    if tags > skipped:
        return Shape(0)
    if not above or above[0] in ("cut", "..."):
        return _OPEN
    network, rest = above[0], tuple(above[1:])
    if network not in NETWORK:
        return Shape(0) if link in ("eth", "sll", "sll2") else _OPEN
    if link == "raw" and "cut" in rest:  # its ethertype is a guess by the first bits of the network header
        return _OPEN
    return Shape(NETWORK[network], rest, not any(each in NETWORK or each in ("...", "eth") for each in rest))


def link_of(chain: object) -> str:
    """Return the name of the link layer of a chain."""
    return str(chain).partition(":")[0]


def named(name: str, number: int) -> np.uint8:
    """Return whether a name of `proto` is that of an IP protocol's number; open where two numbers share the name."""
    numbers = _numbers().get(name)
    if numbers is None:
        return ANY  # an ethertype's name, or one of a later version
    if number not in numbers:
        return FALSE
    return TRUE if len(numbers) == 1 else ANY


def number_of(name: str) -> int | None:
    """Return the number of IP's protocol that `proto` names; None where it names none, or two."""
    numbers = _numbers().get(name, ())
    return numbers[0] if len(numbers) == 1 else None


def carried(shape: Shape, family: int, number: int) -> np.uint8:
    """Return whether an IP header carries a protocol, by the layers above it; MAYBE where `proto` tells."""
    if not shape.rest:
        return ANY
    first = shape.rest[0]
    if first in TRANSPORT and first != "udp":
        return TRUE if TRANSPORT[first] == number else FALSE
    if not shape.plain:
        known = 17 if first == "udp" else None
        if known is None:
            return ANY
        return TRUE if number == known else ANY if number == 136 else FALSE
    if family == 4:
        return MAYBE if shape.ends or first in ("udp", "fragment", "cut") else ANY
    if first == "ipv6.extension":
        return ANY if number in _EXTENSIONS else FALSE
    if first == "ipv6.fragment":
        if number == 44:
            return TRUE
        behind = shape.rest[1] if len(shape.rest) > 1 else "cut"
        return ANY if behind in ("ipv6.extension", "ipv6.fragment", "cut") else MAYBE
    return MAYBE if shape.ends or first == "udp" else ANY
