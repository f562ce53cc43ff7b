"""The parts of a rule, checked as they are given: each is a text, and ``any`` stands for everything."""

from __future__ import annotations

import ipaddress
import re

from nsm_nb.errors import LedgerError
from nsm_nb.text import printable

__all__ = ["ANY", "any_of", "exact", "network", "ports", "refusal", "signature_number", "try_pattern"]

ANY = "any"

_PATTERN = 1_024  # characters of a regular expression
_MAPPED = ipaddress.IPv6Network("::ffff:0:0/96")  # IPv4-mapped, RFC 4291 2.5.5.2


def try_pattern(pattern: str) -> None:
    """Refuse what is no regular expression that RE2 can run."""
    if len(pattern) > _PATTERN:
        raise LedgerError(f"a regular expression of {len(pattern):,} characters is too long; {_PATTERN:,} is the most")
    import pyarrow as pa
    import pyarrow.compute as pc

    try:
        pc.match_substring_regex(pa.array([""], pa.large_string()), pattern)
    except (pa.ArrowInvalid, UnicodeEncodeError) as problem:
        raise LedgerError(refusal(pattern, problem)) from problem


def refusal(pattern: str, problem: Exception) -> str:
    """Return why a regular expression can't be run."""
    detail = printable(str(problem).removeprefix("Invalid regular expression: "))
    return (
        f"{printable(pattern)!r} is no regular expression that can be run safely ({detail}); "
        "look-around and back-references are not known (RE2 syntax)"
    )


def exact(value: object) -> str:
    """Return text to the letter, spaces around it too; ``any`` where it says so, or nothing."""
    return ANY if any_of(value) == ANY else str(value)


def any_of(value: object) -> str:
    """Return text without spaces around it; ``any`` where it says so, or nothing."""
    text = str(value).strip()
    return ANY if text.lower() in ("", ANY) else text


def network(text: str) -> str:
    """Return an address or network as it is written by rules; an IPv4-mapped one is one of IPv4."""
    if text == ANY:
        return ANY
    try:
        found = ipaddress.ip_network(text, strict=False)
    except ValueError as problem:
        raise LedgerError(
            f"{printable(text)!r} is no address and no network; write 10.0.0.7 or 10.0.0.0/8"
        ) from problem
    if isinstance(found, ipaddress.IPv6Network) and found.subnet_of(_MAPPED):
        found = ipaddress.ip_network((int(found.network_address) & 0xFFFFFFFF, found.prefixlen - 96))
    return str(found.network_address) if found.num_addresses == 1 else str(found)


def ports(text: str) -> str:
    """Return a port or a range of ports as it is written by rules."""
    if text == ANY:
        return ANY
    first, dash, last = (each.strip() for each in text.partition("-"))
    ends = [each for each in (first, last) if each or dash]
    if not all(re.fullmatch(r"[0-9]{1,5}", each) and int(each) < 65_536 for each in ends) or int(ends[0]) > int(
        ends[-1]
    ):
        raise LedgerError(f"{printable(text)!r} is no port and no range of ports; write 53 or 1024-65535")
    return "-".join(str(int(each)) for each in ends)


def signature_number(text: str) -> str:
    """Return the number of a signature, or of its generator, as it is written by rules."""
    if text != ANY and not re.fullmatch(r"[0-9]{1,10}", text):
        raise LedgerError(f"{printable(text)!r} is no number of a signature; write its sid, such as 2100498")
    return text if text == ANY else str(int(text))
