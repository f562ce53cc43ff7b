"""From a thing that is looked at to a query line: the words that mean it, and what a line becomes with it or without it."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, Literal

import pandas as pd

from nsm_nb.query import compile as understood
from nsm_nb.query.columns import PROTOCOLS, SYNONYMS
from nsm_nb.query.words import AND, ENDS, NOT, OR

__all__ = ["HOWS", "How", "narrowed", "quoted", "term_of_layers", "term_of_row"]

How = Literal["include", "exclude", "only"]
HOWS: tuple[How, ...] = ("include", "exclude", "only")

_WORD = re.compile(r"[A-Za-z0-9_.:/,-]+")
_RESERVED = frozenset([*AND, *OR, *NOT, *ENDS, "src", "dst", "proto", "ip", "ip6", "alert", "sid", "matches"])
_LAYERS = {"ipv6": "ip6", **SYNONYMS}


def narrowed(line: str, term: str, how: How) -> str:
    """Return a query line that also asks for a term, or excludes it, or asks for it only.

    Examples
    --------
    >>> narrowed("", "host 10.0.0.7", "include"), narrowed("udp", "port 53", "exclude"), narrowed("udp", "tcp", "only")
    ('host 10.0.0.7', 'udp and not port 53', 'tcp')
    >>> narrowed("udp or tcp", "dst port 53 and tcp", "exclude")
    '(udp or tcp) and not (dst port 53 and tcp)'
    """
    line, term = line.strip(), term.strip()
    if how not in HOWS:
        raise ValueError(f"how={how!r} is not known; choose {', '.join(HOWS)}")
    if how == "only":
        return term
    either = " or " in term
    compound = either or " and " in term
    added = f"not {f'({term})' if compound else term}" if how == "exclude" else term
    if not line:
        return added
    added = f"({term})" if how == "include" and either else added
    if re.search(r"\bor\b|\|\|", line):
        line = f"({line})"
    elif f" and {added} and " in f" and {line} and ":
        return line  # it says so already
    return f"{line} and {added}"


def quoted(value: object) -> str:
    """Return a value as a query line takes it: as it is, or in quotes."""
    text = str(value)
    if _WORD.fullmatch(text) and text.lower() not in _RESERVED:
        return text
    escaped = text.replace("\\", "\\\\").replace('"', '\\"')
    return f'"{escaped}"'


def _proto(value: Any) -> str:
    return str(value) if str(value) in PROTOCOLS else f"proto = {quoted(value)}"


def term_of_row(row: Mapping[str, Any]) -> str | None:
    """Return the words that mean a row of talkers or of services; None where a query can't say it.

    Examples
    --------
    >>> term_of_row({"host": "10.0.0.7", "octets": 5})
    'host 10.0.0.7'
    >>> term_of_row({"host": "10.0.0.7", "proto": "tcp", "port": 445})
    'tcp and dst host 10.0.0.7 and dst port 445'
    """

    def known(name: str) -> bool:
        return name in row and not pd.isna(row[name])

    parts = []
    if "proto" in row:
        if not known("proto"):
            return None
        parts.append(_proto(row["proto"]))
    if "network" in row:
        if not known("network"):
            return None
        parts.append(f"net {row['network']}")
    if "host" in row:
        if not known("host"):
            return None
        parts.append(f"{'dst ' if 'port' in row else ''}host {row['host']}")
    for side in ("src", "dst"):
        if known(f"{side}_ip"):
            parts.append(f"{side} host {row[f'{side}_ip']}")
    if known("port"):
        parts.append(f"dst port {row['port']}")
    return _if_understood(" and ".join(parts))


def term_of_layers(path: str) -> str | None:
    """Return the words that mean the end of a path of layers; None where a query can't say it, as of ``eth``.

    Examples
    --------
    >>> term_of_layers("eth:ip:tcp"), term_of_layers("eth:ipv6"), term_of_layers("eth:ipv6:tcp"), term_of_layers("eth")
    ('tcp and ip', 'ip6', 'tcp and ip6', None)
    """
    family = ""
    words: list[str] = []
    for layer in path.split(":"):
        name = _LAYERS.get(layer, layer)
        if name in ("ip", "ip6"):
            family, words = name, []
        elif name in PROTOCOLS:
            words = [name]
        elif words:
            words = [words[0], f"application = {quoted(layer)}"]
        elif family and layer.isdecimal():
            words = [f"proto {layer}"]
    if family and words and words[0] not in ("icmp", "icmp6", "igmp"):
        words.append(family)
    elif family and not words:
        words = [family]
    return _if_understood(" and ".join(words)) if words else None


def _if_understood(term: str) -> str | None:
    from nsm_nb.errors import QueryError

    try:
        understood(term)
    except QueryError:
        return None
    return term or None
