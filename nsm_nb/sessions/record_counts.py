"""How many records are in an export datagram of version 9 or IPFIX, by the templates that its exporter sent before.

A collector that only keeps datagrams needs no more of them: the sequence numbers of IPFIX count data records.

Source: RFC 3954 5 to 6.1 (version 9); RFC 7011 3.3 to 3.4.3, 7 (IPFIX).
"""

from __future__ import annotations

import struct
from typing import NamedTuple

__all__ = ["Counted", "Templates"]

_MOST = 1024  # templates of one exporter; those that it sends beyond are not remembered
_VARIABLE = 65_535


class Counted(NamedTuple):
    """What one datagram holds."""

    flows: int
    options: int  # records about the exporter itself
    unknown: int  # sets of data whose template did not come yet


class Templates:
    """The templates of one exporter: for each its lengths of fields, and whether its records are flows."""

    def __init__(self) -> None:
        self._known: dict[int, tuple[tuple[int, ...], bool]] = {}

    def count(self, payload: bytes, *, ipfix: bool) -> Counted:
        """Return what a whole datagram holds, and remember the templates in it."""
        at, templates, option_templates = (16, 2, 3) if ipfix else (20, 0, 1)
        flows = options = unknown = 0
        while at + 4 <= len(payload):
            kind, length = struct.unpack_from(">HH", payload, at)
            if length < 4:
                break
            body = payload[at + 4 : at + length]
            at += length
            if kind in (templates, option_templates):
                self._learn(body, ipfix=ipfix, options=kind == option_templates)
            elif kind >= 256:
                template = self._known.get(kind)
                if template is None:
                    unknown += 1
                elif template[1]:
                    flows += _records(body, template[0])
                else:
                    options += _records(body, template[0])
        return Counted(flows, options, unknown)

    def _learn(self, body: bytes, *, ipfix: bool, options: bool) -> None:
        at = 0
        head = 6 if options else 4
        while at + head <= len(body):
            kind, count = struct.unpack_from(">HH", body, at)
            if ipfix and count == 0:  # withdrawn (RFC 7011 8.1); such a record has no scope either
                self._known.pop(kind, None)
                at += 4
                continue
            if options and not ipfix:  # lengths in bytes of the scope's fields and of the options' (RFC 3954 6.1)
                count = (count + int.from_bytes(body[at + 4 : at + 6])) // 4
            at += head
            lengths = []
            for _ in range(count):
                if at + 4 > len(body):
                    return  # cut: what it would have been is not known
                field, length = struct.unpack_from(">HH", body, at)
                at += 8 if ipfix and field & 0x8000 else 4
                lengths.append(length)
            if kind >= 256 and lengths and (kind in self._known or len(self._known) < _MOST):
                self._known[kind] = (tuple(lengths), not options)


def _records(body: bytes, lengths: tuple[int, ...]) -> int:
    if _VARIABLE not in lengths:
        size = sum(lengths)
        return len(body) // size if size else 0
    at = count = 0
    while at < len(body):
        begun = at
        for length in lengths:
            if length != _VARIABLE:
                at += length
                continue
            if at >= len(body):
                return count
            length, at = body[at], at + 1
            if length == 255:  # the length stands in the next two bytes (RFC 7011 7)
                length, at = int.from_bytes(body[at : at + 2]), at + 2
            at += length
        if at > len(body) or at == begun:  # padding, or a record that is cut
            break
        count += 1
    return count
