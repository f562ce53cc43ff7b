"""What a name, a number or an address means after its qualifiers: hosts, networks, ports, protocols."""

from __future__ import annotations

import ipaddress
from difflib import get_close_matches
from typing import NamedTuple

from nsm_nb.errors import QueryError
from nsm_nb.full_content.filters import primitives
from nsm_nb.full_content.filters.names import ETHERTYPES, IP_PROTOCOLS, PORTS, PROTOCOLS
from nsm_nb.full_content.filters.primitives import Test
from nsm_nb.full_content.filters.tokens import Token, number
from nsm_nb.full_content.filters.wire import Context
from nsm_nb.query.values import mistake
from nsm_nb.text import printable

__all__ = ["Qualifiers", "by_identifier", "protocol", "without_addresses"]

_IP, _ARP, _RARP = 0x0800, 0x0806, 0x8035
_TRANSPORTS = {"": ("sctp", "tcp", "udp"), "tcp": ("tcp",), "udp": ("udp",), "sctp": ("sctp",)}


class Qualifiers(NamedTuple):
    """The words before a name: a protocol, src or dst (also both), and what kind of name it is."""

    word: str
    direction: str
    kind: str
    token: Token

    @property
    def needs(self) -> str:
        """What may follow, in words."""
        if self.kind in ("port", "portrange"):
            return "a port" if self.kind == "port" else "a range of ports"
        if self.kind in ("proto", "protochain"):
            return "a protocol"
        return "an address" if self.kind != "net" else "a network"

    @property
    def example(self) -> str:
        """A filter that has what is needed."""
        return {"port": "port 445", "portrange": "portrange 1-1024", "net": "net 10.0.0.0/8", "proto": "ip proto 47",
                "protochain": "ip6 protochain 6"}.get(self.kind, "host 10.0.0.7")  # fmt: skip


def without_addresses(token: Token) -> QueryError:
    """Return the error of asking for Ethernet's addresses behind ``pppoes``, where PPP's header is asked, which has none."""
    return mistake(
        token.column,
        f"{token} asks for an address of Ethernet, and PPP, which pppoes steps into, has none; ask before pppoes",
        "ether broadcast and pppoes",
    )


def protocol(context: Context, word: str) -> Test:
    """Return the test of a protocol's word alone."""
    kind, value = PROTOCOLS[word]
    if kind == "link":
        return primitives.Link(context, value)
    if kind == "sap":
        return primitives.Service(context, value)
    if kind == "ip46":
        return primitives.Any(primitives.Proto(context, 4, value), primitives.Proto(context, 6, value))
    return primitives.Proto(context, 4 if kind == "ip4" else 6, value)


def by_identifier(context: Context, qualifiers: Qualifiers, token: Token, mask: Token | int | None) -> Test:
    """Return the test of a name, number or address with its qualifiers.

    Raises
    ------
    QueryError
        Where they don't fit together.
    """
    kind = qualifiers.kind
    if kind in ("port", "portrange"):
        return _ports(context, qualifiers, token)
    if kind in ("proto", "protochain"):
        return _protocol(context, qualifiers, token)
    if token.kind == "mac":
        return _ether(context, qualifiers, token)
    if qualifiers.word in ("ether", "link"):
        raise mistake(token.column, f"{token} is no Ethernet address", "ether host 00:0c:29:aa:bb:01")
    if token.kind == "name":
        shown = printable(token.text[:40])
        raise mistake(
            token.column,
            f"the name {shown!r} is not looked up, which could tell its owner: give the address",
            "host 10.0.0.7",
        )
    if qualifiers.word not in ("", "ip", "ip6", "arp", "rarp"):
        raise mistake(qualifiers.token.column, f"{qualifiers.word} has no addresses of hosts; ip, ip6 and arp have",
                      f"{qualifiers.word} and host {printable(token.text)}")  # fmt: skip
    direction = qualifiers.direction or "or"
    if token.kind == "six":
        return _six(context, qualifiers, direction, token, mask)
    if qualifiers.word == "ip6":
        raise mistake(token.column, f"{token} is an address of IPv4, and ip6 stands before it", "ip6 host 2001:db8::1")
    value, bits = _four(qualifiers, token, mask)
    ethertypes = {"": (_IP, _ARP, _RARP), "ip": (_IP,), "arp": (_ARP,), "rarp": (_RARP,)}[qualifiers.word]
    if context.labels and not qualifiers.word:
        ethertypes = (_IP,)
    return primitives.Host4(context, ethertypes, direction, value, bits)


def _four(qualifiers: Qualifiers, token: Token, mask: Token | int | None) -> tuple[int, int]:
    """Return an IPv4 network and its mask; one to three numbers are the first of four."""
    net = qualifiers.kind == "net"
    if token.kind == "number":
        value, bits = number(token), 0xFFFFFFFF
        if mask is not None:
            parts = [value]
        elif net:
            while value and not value & 0xFF000000:
                value, bits = value << 8, bits << 8 & 0xFFFFFFFF
            return value, bits
        else:
            return value, bits
    else:
        parts = [int(each) for each in token.text.split(".")]
    if any(each > 255 for each in parts):
        raise mistake(token.column, f"{token} is no IPv4 address: its numbers go up to 255", "host 10.0.0.7")
    value, bits = 0, 0
    for place in range(4):
        value = value << 8 | (parts[place] if place < len(parts) else 0)
        bits = bits << 8 | (0xFF if place < len(parts) else 0)
    if not isinstance(mask, Token):
        return value, bits
    if not net:
        raise mistake(mask.column, "only net takes a mask or a size", f"net {printable(token.text)}/24")
    if mask.kind == "number":
        size = number(mask)
        if size > 32:
            raise mistake(mask.column, f"a network of IPv4 has up to 32 bits, not {size:,}", "net 10.0.0.0/8")
        bits = 0xFFFFFFFF << (32 - size) & 0xFFFFFFFF
    else:
        parts = [int(each) for each in mask.text.split(".")]
        if any(each > 255 for each in parts):
            raise mistake(mask.column, f"{mask} is no mask: its numbers go up to 255", "net 10.0.0.0 mask 255.0.0.0")
        bits = int.from_bytes(bytes([*parts, *[0] * (4 - len(parts))]), "big")
    if value & ~bits:
        fixed = ipaddress.IPv4Address(value & bits)
        shown = f"{fixed}/{mask.text}" if mask.kind == "number" else f"{fixed} mask {mask.text}"
        raise mistake(token.column, f"{token} has bits outside its mask, so no packet could match", f"net {shown}")
    return value, bits


def _six(context: Context, qualifiers: Qualifiers, direction: str, token: Token, mask: Token | int | None) -> Test:
    if qualifiers.word not in ("", "ip6"):
        raise mistake(
            token.column, f"{token} is an address of IPv6, and {qualifiers.word} stands before it", f"host {token.text}"
        )
    size = 128
    if isinstance(mask, Token):
        size = number(mask) if mask.kind == "number" else 129
        if qualifiers.kind != "net":
            raise mistake(mask.column, "only net takes a mask or a size", f"net {token.text}/64")
        if size > 128:
            raise mistake(mask.column, "a network of IPv6 has up to 128 bits", "net 2001:db8::/32")
    value = int(ipaddress.IPv6Address(token.text))
    if value & ((1 << 128 - size) - 1):
        fixed = ipaddress.ip_network((value, size), strict=False)
        raise mistake(token.column, f"{token} has bits outside its size, so no packet could match", f"net {fixed}")
    return primitives.Host6(context, direction, value, size)


def _ether(context: Context, qualifiers: Qualifiers, token: Token) -> Test:
    if qualifiers.word not in ("ether", "link") or qualifiers.kind not in ("", "host"):
        raise mistake(
            token.column, f"{token} is an Ethernet address, which ether asks for", f"ether host {printable(token.text)}"
        )
    if context.ppp:
        raise without_addresses(qualifiers.token)
    text = token.text
    separator = next((each for each in ":-." if each in text), "")
    parts = text.split(separator) if separator else [text]
    digits = "".join(each.zfill(2) for each in parts) if len(parts) == 6 else "".join(parts)
    return primitives.Ether(qualifiers.direction or "or", int(digits, 16))


def _port(token: Token, text: str) -> tuple[int, tuple[str, ...] | None]:
    """Return a port's number, and of which protocols its name is known."""
    if text.isascii() and text[:1].isdigit() and "-" not in text and "." not in text:
        value = number(Token("number", text, token.column))
        if value > 0xFFFF:
            raise mistake(token.column, f"{token} is no port: they go up to 65535", "port 443")
        return value, None
    known = PORTS.get(text.lower())
    if known is None:
        near = get_close_matches(text.lower(), sorted(PORTS), 1)
        hint = f"did you mean {near[0]}?" if near else "give its number"
        raise mistake(
            token.column, f"no port {printable(text[:40])!r} is in the table of names here ({hint})", "port 443"
        )
    return known


def _ports(context: Context, qualifiers: Qualifiers, token: Token) -> Test:
    if qualifiers.word not in _TRANSPORTS:
        raise mistake(qualifiers.token.column, f"{qualifiers.word} has no ports; tcp, udp and sctp have", "tcp port 80")
    if token.kind not in ("name", "number"):
        raise mistake(token.column, f"{token} is no port", qualifiers.example)
    text = token.text.removeprefix("\\")
    ends = [text]
    if qualifiers.kind == "portrange" and text.lower() not in PORTS and "-" in text:
        ends = _split(text)
    (low, first), (high, last) = _port(token, ends[0]), _port(token, ends[-1])
    protocols = _TRANSPORTS[qualifiers.word]
    for known in (first, last):
        if known is not None:
            protocols = tuple(each for each in protocols if each in known)
    if not protocols:
        raise mistake(token.column, f"{token} is not a port of {qualifiers.word or 'one protocol alone'} by its name",
                      "tcp port 80")  # fmt: skip
    low, high = min(low, high), max(low, high)
    numbers = tuple(PROTOCOLS[each][1] for each in protocols)
    return primitives.Port(context, numbers, qualifiers.direction or "or", low, high)


def _split(text: str) -> list[str]:
    """Return both ends of a range; names may have a hyphen in them."""
    places = [place for place, sign in enumerate(text) if sign == "-"]
    for place in places:
        ends = [text[:place], text[place + 1 :]]
        if all(end.isdecimal() or end.lower() in PORTS for end in ends):
            return ends
    return [text[: places[0]], text[places[0] + 1 :]]


def _protocol(context: Context, qualifiers: Qualifiers, token: Token) -> Test:
    word, chain = qualifiers.word, qualifiers.kind == "protochain"
    if word not in ("", "ip", "ip6", "ether", "link") or (chain and word in ("ether", "link")):
        raise mistake(
            qualifiers.token.column,
            f"{word} {qualifiers.kind} means nothing; ip, ip6 and ether have one",
            "ip proto 47",
        )
    name = token.text.removeprefix("\\").lower()
    names = ETHERTYPES if word in ("ether", "link") else IP_PROTOCOLS
    if token.kind == "number":
        value = number(token)
    elif name in names:
        value = names[name]
    else:
        near = get_close_matches(name, sorted(names), 1)
        hint = f"did you mean {near[0]}?" if near else "give its number"
        raise mistake(token.column, f"no protocol {token} is in the table of names here ({hint})", qualifiers.example)
    if word in ("ether", "link"):
        if value > 0xFFFF:
            raise mistake(token.column, f"{token} is no ethertype: they go up to 0xffff", "ether proto 0x88cc")
        return (primitives.Service if value <= 1500 or value == 0x8137 else primitives.Link)(context, value)
    if value > 0xFF:
        raise mistake(token.column, f"{token} is no protocol of IP: they go up to 255", "ip proto 47")
    make = primitives.Chain if chain else primitives.Proto
    if word:
        return make(context, 4 if word == "ip" else 6, value)
    return primitives.Any(make(context, 4, value), make(context, 6, value))
