"""NetFlow version 9 and IPFIX: datagrams to sets of data, each beside the template that says what stands in it.

Templates hold for one exporter (its addresses and ports) and one source id or observation domain. Data that come before
their template are kept until it is known.

Source: RFC 3954 (version 9); RFC 7011 (IPFIX), 3.3 (sets), 3.4 (templates), 8 (withdrawal and redefinition).
"""

from __future__ import annotations

import struct
from collections import Counter
from dataclasses import dataclass, field
from typing import NamedTuple

__all__ = ["SET_BITS", "VARYING", "Decoder", "Layout", "Session"]

VARYING = 65_535  # the length of a field that tells its own (RFC 7011 7)
SET_BITS = 16  # a set's number in its datagram; a datagram holds at most 16,384
_MOST_LAYOUTS = 2_000  # no network has a hundred; one takes milliseconds, as many records


class Field(NamedTuple):
    """One field of a template."""

    element: int
    length: int
    enterprise: int


class Session(NamedTuple):
    """What templates hold for."""

    exporter: int
    version: int
    domain: int


@dataclass
class Layout:
    """Fields in their order, and the sets of data that have them, of any exporter."""

    fields: tuple[Field, ...]
    options: bool
    number: int  # of the template that was first to have it
    session: int
    is_read: bool = True
    sets: list[memoryview] = field(default_factory=list)
    order: list[int] = field(default_factory=list)  # datagram << SET_BITS | set

    @property
    def varies(self) -> bool:
        """True where a field tells its own length."""
        return any(each.length == VARYING for each in self.fields)

    @property
    def size(self) -> int:
        """Bytes of a record; of one that varies, the fewest."""
        return sum(1 if each.length == VARYING else each.length for each in self.fields)


@dataclass
class Decoder:
    """Takes datagrams in the order in which they came, and sorts their sets by layout."""

    layouts: dict[tuple[tuple[Field, ...], bool], Layout] = field(default_factory=dict)
    sessions: dict[Session, int] = field(default_factory=dict)  # in the order in which they were met
    # of each datagram of version 9 or IPFIX
    rows: list[int] = field(default_factory=list)  # its number among all datagrams
    heads: list[tuple[int, int, int, int]] = field(default_factory=list)  # version, seconds, uptime, sequence
    session_of: list[int] = field(default_factory=list)
    # what was noticed
    cut: dict[int, int] = field(default_factory=dict)  # datagram: bytes that it lacks
    false: dict[int, str] = field(default_factory=dict)  # datagram: what is wrong with it
    empty: Counter[tuple[int, int]] = field(default_factory=Counter)  # templates of records without length
    late: Counter[tuple[int, int]] = field(default_factory=Counter)  # sets that came before their template
    changed: Counter[tuple[int, int]] = field(default_factory=Counter)  # templates that were defined anew
    withdrawn: int = 0
    borrowed: int = 0  # sets read with the template of another port of the same exporter
    beyond: int = 0  # sets of layouts beyond the most that are read
    undecoded: set[int] = field(default_factory=set)  # datagrams with sets that were not read

    def __post_init__(self) -> None:
        self._templates: dict[int, dict[int, Layout]] = {}  # by session and number
        self.pending: dict[tuple[int, int], list[tuple[int, memoryview]]] = {}

    def take(self, data: memoryview, row: int, exporter: int, version: int, *, missing: int = 0) -> None:
        """Take a datagram of version 9 or 10.

        Parameters
        ----------
        data
            Its bytes.
        row
            Its number among all datagrams.
        exporter
            The number of whoever sent it.
        version
            9 or 10.
        missing
            How many of its bytes were not captured.
        """
        size = len(data)
        header = 20 if version == 9 else 16
        if size < header:
            self.cut[row] = header - size
            return
        if version == 9:
            _, _, uptime, seconds, sequence, domain = struct.unpack_from(">HHIIII", data)
            end = size
        else:
            _, length, seconds, sequence, domain = struct.unpack_from(">HHIII", data)
            uptime, end = 0, size
            if length < header:
                self.false[row] = "a length that has no room for its header"
                return
            if length > size:
                missing = max(missing, length - size)
            elif length < size:
                end = length
                self.false[row] = "bytes behind its end"
        session = self.sessions.setdefault(Session(exporter, version, domain), len(self.sessions))
        self.rows.append(row)
        self.heads.append((version, seconds, uptime, sequence))
        self.session_of.append(session)
        self._sets(data, header, end, row, session, version, missing)

    def _sets(self, data: memoryview, at: int, end: int, row: int, session: int, version: int, missing: int) -> None:
        plain, options = (0, 1) if version == 9 else (2, 3)
        number = row << SET_BITS
        while at + 4 <= end:
            kind, length = struct.unpack_from(">HH", data, at)
            if length < 4:
                self.false[row] = "a set shorter than its own header"
                return
            stop = at + length
            if stop > end:
                if not missing:
                    self.false[row] = "a set that is longer than the datagram"
                stop = end
            body = data[at + 4 : stop]
            if kind >= 256:
                self._data(session, kind, number, body)
            elif kind == plain:
                self._define(session, body, row, version, options=False)
            elif kind == options:
                self._define(session, body, row, version, options=True)
            else:
                self.false[row] = f"a set of the kind {kind}, which is none"
                self.undecoded.add(row)
            number += 1
            at += length
        if missing:
            self.cut[row] = missing
        elif end > at:
            self.false[row] = "bytes behind its last set"

    def _data(self, session: int, kind: int, number: int, body: memoryview) -> None:
        layout = self._templates.get(session, {}).get(kind)
        if layout is None:
            self.pending.setdefault((session, kind), []).append((number, body))
        else:
            self._give(layout, [(number, body)])

    def _define(self, session: int, body: memoryview, row: int, version: int, *, options: bool) -> None:
        """Read the templates of a set; what is behind a damaged one can't be told."""
        at, end = 0, len(body)
        while at + 4 <= end:
            number, count = struct.unpack_from(">HH", body, at)
            at += 4
            if version == 10 and count == 0:
                self._withdraw(session, number, options=options)
                continue
            if number < 256:
                # padding, or nonsense; no template has such a number
                if any(body[at - 4 :]):
                    self.false[row] = f"a template of the number {number}, which none has"
                return
            if options:
                if at + 2 > end:
                    self.false[row] = "a template that is cut"
                    return
                (scope,) = struct.unpack_from(">H", body, at)
                at += 2
                if version == 9:  # it tells bytes of fields: of the scope and of the others
                    count = (count + scope) // 4
            fields, at = _fields(body, at, count, enterprises=version == 10)
            if fields is None:
                self.false[row] = "a template that claims more fields than it has"
                return
            self._learn(session, number, fields, options=options)

    def _withdraw(self, session: int, number: int, *, options: bool) -> None:
        # RFC 7011 8.1: the number of the set itself withdraws all of its kind
        known = self._templates.get(session, {})
        numbers = list(known) if number == (3 if options else 2) else [number]
        for each in numbers:
            if each in known and known[each].options == options:
                del known[each]
                self.withdrawn += 1

    def _learn(self, session: int, number: int, fields: tuple[Field, ...], *, options: bool) -> None:
        key = (session, number)
        known = self._templates.setdefault(session, {}).get(number)
        if known is not None and known.fields == fields and known.options == options:
            return
        if known is not None:
            self.changed[key] += 1
        layout = self.layouts.get((fields, options))
        if layout is None:
            layout = Layout(fields, options, number, session, is_read=len(self.layouts) < _MOST_LAYOUTS)
            if layout.is_read:
                self.layouts[fields, options] = layout
        self._templates[session][number] = layout
        if layout.size == 0:
            self.empty[key] += 1
        waiting = self.pending.pop(key, None)
        if waiting:
            self.late[key] += len(waiting)
            self._give(layout, waiting)

    def _give(self, layout: Layout, waiting: list[tuple[int, memoryview]]) -> None:
        if not layout.is_read or not layout.size:
            self.beyond += len(waiting) if layout.size else 0
            self.undecoded.update(number >> SET_BITS for number, _ in waiting)
            return
        layout.order += [number for number, _ in waiting]
        layout.sets += [body for _, body in waiting]

    def close(self) -> None:
        """Read what still waits with the template of another port of the same exporter, where all that it sent agree."""
        names = list(self.sessions)
        found: dict[tuple[int, int, int, int], Layout | None] = {}
        if self.pending:
            for session, known in self._templates.items():
                for number, one in known.items():
                    key = (self.address_of(names[session].exporter), *names[session][1:], number)
                    found[key] = one if found.get(key, one) is one else None
        for session, number in list(self.pending):
            layout = found.get((self.address_of(names[session].exporter), *names[session][1:], number))
            if layout is not None:
                waiting = self.pending.pop((session, number))
                self.borrowed += len(waiting)
                self._give(layout, waiting)
        for waiting in self.pending.values():
            self.undecoded.update(number >> SET_BITS for number, _ in waiting)

    addresses: dict[int, int] = field(default_factory=dict)  # the number of each exporter's address

    def address_of(self, exporter: int) -> int:
        """Return the number of an exporter's address; another one than that of any other where it is not known."""
        return self.addresses.get(exporter, -1 - exporter)


def _fields(body: memoryview, at: int, count: int, *, enterprises: bool) -> tuple[tuple[Field, ...] | None, int]:
    """Return the fields of a template and where they end; None where they are not all there."""
    if at + 4 * count > len(body):
        return None, at
    if not enterprises:
        numbers = struct.unpack_from(f">{2 * count}H", body, at)
        pairs = zip(numbers[::2], numbers[1::2], strict=True)
        return tuple(Field(element, length, 0) for element, length in pairs), at + 4 * count
    fields = []
    for _ in range(count):
        if at + 4 > len(body):
            return None, at
        element, length = struct.unpack_from(">HH", body, at)
        at += 4
        enterprise = 0
        if element & 0x8000:
            if at + 4 > len(body):
                return None, at
            (enterprise,) = struct.unpack_from(">I", body, at)
            at += 4
        fields.append(Field(element & 0x7FFF if enterprise else element, length, enterprise))
    return tuple(fields), at
