"""The records of a unified2 file, some at a time: where each stands, and where they go on behind damage.

A head that can't be, or a record that claims more than the file has left, is damage. Reading goes on at the next place where
two records of known types and likely lengths stand one behind the other, or one that ends with the file.

Source: Snort 2.9, Unified2_common.h; Snort 3, u2_common.h.
"""

from __future__ import annotations

import os
import struct
from array import array
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import numpy as np

from nsm_nb.formats.lines import Span
from nsm_nb.formats.source import Source
from nsm_nb.schema import Caveat
from nsm_nb.text import form, many, printable

__all__ = ["EVENTS", "EVENT_3", "EVENT_4", "EVENT_6", "HEAD", "KNOWN", "LARGEST", "LEAST", "PACKETS", "Block", "Walk"]

HEAD = struct.Struct(">2I")
LARGEST = 1 << 20  # bytes of a record; Snort's packets are below 65,600, its extra data below 66,000
EVENT_4, EVENT_6, EVENT_3 = 52, 76, 96
# UNIFIED2_IDS_EVENT, _MPLS, _VLAN, _APPID; the same for IPv6; UNIFIED2_EVENT3
EVENTS = {7: EVENT_4, 99: EVENT_4, 104: EVENT_4, 111: EVENT_4, 72: EVENT_6, 100: EVENT_6, 105: EVENT_6, 112: EVENT_6,
          114: EVENT_3}  # fmt: skip
PACKETS = {2: 28, 3: 28, 110: 32}  # UNIFIED2_PACKET, UNIFIED2_BUFFER, UNIFIED2_EXTRA_DATA
LEAST = EVENTS | PACKETS
KNOWN = frozenset(LEAST) | {1, 113}
_LONGEST_EVENT = 1024  # Snort's are below 200; a false length is told from a true one by it
_BUFFER = 1 << 24
_MOST_RECORDS = 1 << 16  # in one block, so that a file of nothing but heads stays cheap
_WINDOW = 1 << 18  # searched at a time
_MOST_PLACES = 10_000  # places of damage behind which reading goes on; each costs a search
_TOLD = 20  # places of damage that are told one by one
_LEAST_OF = np.full(256, 1 << 30, np.int64)
_MOST_OF = np.full(256, -1, np.int64)
for _kind, _size in LEAST.items():
    _LEAST_OF[_kind], _MOST_OF[_kind] = _size, _LONGEST_EVENT if _kind in EVENTS else LARGEST


class Block(NamedTuple):
    """Some whole records: their bytes, and type, place in the buffer and length of the body of each."""

    data: memoryview
    kind: np.ndarray
    at: np.ndarray
    length: np.ndarray
    first: int  # number of the first one
    base: int  # where the buffer stands in the file


class Walk:
    """The records of a file.

    Parameters
    ----------
    path
        The file, plain or compressed.
    span
        The part of it that is read.
    growing
        Whether more may come: then a record that is not whole is waited for, however much it claims.

    Attributes
    ----------
    count : int
        Whole records seen so far; those before `span` do not count.
    whole : int
        Where the last whole record ends.
    """

    def __init__(self, path: str | os.PathLike, span: Span | None, *, growing: bool = False):
        # room for some of the largest records; four times a small file holds most that unpack from it
        size = Path(path).stat().st_size if Path(path).is_file() else 0
        self._source = Source(path, min(_BUFFER, max(4 * size, 4 * LARGEST)))
        self._stop = None if span is None else span.end
        self._growing = growing
        self.count = 0
        self._before = 0 if span is None else span.record - 1
        if span is not None:
            self._source.seek(span.offset)
        self.whole = self._source.at
        self._left = 0  # bytes of a record that breaks off
        self._damage: list[tuple[int, int, str, int, bool]] = []  # record, byte, what is wrong, bytes passed, goes on
        self._over = False  # whether the rest of the file is in the buffer
        self._places = self._unread = 0

    def __enter__(self) -> Walk:
        """Return itself."""
        return self

    def __exit__(self, *_: object) -> None:
        """Close the file."""
        self._source.__exit__()

    def __iter__(self) -> Iterator[Block]:
        """Return the records, block by block."""
        source = self._source
        over = False
        while not over:
            over = not self._more()
            while True:
                block, trouble = self._some()
                if len(block.kind):
                    yield block
                self.count += len(block.kind)
                if len(block.kind) == _MOST_RECORDS:
                    continue
                self.whole = source.at
                begin = source.start + 1
                if trouble and len(block.kind) and not _is_likely(block.data, int(block.at[-1]) - 8, source.end):
                    begin = int(block.at[-1])  # its length swallowed others
                if not trouble and over and not self._growing:
                    trouble = self._claims()
                if not trouble:
                    break
                if not self._goes_on(trouble, begin):
                    return
                over = self._over
            self._left = source.end - source.start

    def _more(self) -> bool:
        """Fill the buffer; False where all that is read is in it."""
        source = self._source
        more = source.fill()
        while more and source.end < len(source.buffer):
            more = source.fill()
        if self._stop is not None:
            source.end = min(source.end, self._stop - source.base)
            more = more and source.base + source.end < self._stop
        self._over = not more
        return more

    def _some(self) -> tuple[Block, str]:
        """Return the next whole records in the buffer, and what is wrong with the one behind them, if that can't be."""
        source = self._source
        data, at, end, unpack, trouble = memoryview(source.held), source.start, source.end, HEAD.unpack_from, ""
        kinds, places, lengths = array("q"), array("q"), array("q")
        while at + 8 <= end and len(kinds) < _MOST_RECORDS:
            kind, length = unpack(data, at)
            if kind == 0 or length > LARGEST:
                trouble = f"a record of type {kind:,} claims {length:,} bytes, which can't be"
                break
            if at + 8 + length > end:
                break
            kinds.append(kind)
            places.append(at + 8)
            lengths.append(length)
            at += 8 + length
        source.start = at
        kind_, at_, length_ = (np.array(each, np.int64) for each in (kinds, places, lengths))
        return Block(data, kind_, at_, length_, self._before + self.count + 1, source.base), trouble

    def _claims(self) -> str:
        """Return what is wrong with the last record, which is not whole, if its length is unlikely and others stand in it."""
        source = self._source
        if source.end - source.start < 16 or _is_likely(source.held, source.start, source.end):
            return ""
        found, _ = _next(source.buffer, source.start + 1, source.end, last=True)
        if not found:
            return ""
        kind, length = HEAD.unpack_from(source.held, source.start)
        return f"a record of type {kind:,} claims {length:,} bytes, but others stand among them"

    def _goes_on(self, trouble: str, begin: int) -> bool:
        """Move the source to where records go on, and keep what there is to say; False where they don't."""
        source = self._source
        damage, record = source.at, self._before + self.count + 1
        source.start = begin
        found = False
        while self._places < _MOST_PLACES:
            found, source.start = _next(source.buffer, source.start, source.end, last=self._over and not self._growing)
            if found or self._over:
                break
            self._more()
        if not found and self._growing:
            return False  # it may be whole at the next call
        source.start = source.start if found else source.end
        passed = max(source.at - damage, 0)
        if not found and self._stop is None:
            passed += source.rest()
        self._places += 1
        self._unread += passed
        if len(self._damage) < _TOLD:
            self._damage.append((record, damage, trouble, passed, found))
        return found

    def caveats(self, label: str) -> list[Caveat]:
        """Return what there is to say of damage and of the end of the file."""
        name, told = printable(label), []
        for record, at, trouble, passed, goes_on in self._damage:
            what, them = many(passed, "byte was", "bytes were"), form(passed, "it", "them")
            then = f"passed over; the records behind {them} were found by searching" if goes_on else "not read"
            said = f"{name}: at record {record:,} (byte {at:,}) {trouble}; {what} {then}"
            told.append(Caveat(label, record, at, "damage", said))
        if self._places > len(self._damage):
            said = (
                f"{name}: damage at {self._places:,} places in all, {many(self._unread, 'byte was', 'bytes were')} not read; "
                f"the first {len(self._damage)} are told one by one"
            )
            told.append(Caveat(label, None, None, "damage", said))
        if self._source.trouble:
            said = f"{name}: {self._source.trouble}"
            told.append(Caveat(label, self._before + self.count, self.whole, "cut", said))
        elif self._left:
            record = self._before + self.count + 1
            said = (
                f"{name}: record {record:,} (byte {self.whole:,}) breaks off after {many(self._left, 'byte')}: the file was cut, "
                "or is still being written"
            )
            told.append(Caveat(label, record, self.whole, "cut", said))
        return told


def _is_likely(data: bytes | bytearray | memoryview, at: int, end: int) -> bool:
    """Return True where a record's length is what its type has: of a packet what it says itself, of an event not much."""
    if at + 8 > end:
        return True
    kind, length = HEAD.unpack_from(data, at)
    if kind in EVENTS:
        return EVENTS[kind] <= length <= _LONGEST_EVENT
    if kind in PACKETS and at + 8 + PACKETS[kind] <= end:
        # an extra record's length of data counts from eight bytes before them
        inner, more = (24, 28) if kind != 110 else (28, 24)
        return length == int.from_bytes(data[at + 8 + inner : at + 12 + inner], "big") + more
    return True


def _next(buffer: np.ndarray, start: int, end: int, *, last: bool) -> tuple[bool, int]:
    """Return the first place from `start` on at which records go on; else False, and the first one that needs more bytes.

    Parameters
    ----------
    buffer
        Bytes of the file.
    start, end
        Which of them are looked at.
    last
        Whether the file ends with them.
    """
    window = 1 << 12
    while start + 8 <= end:
        stop = min(start + window, end - 7)
        window = min(2 * window, _WINDOW)
        size = _sizes(buffer, np.arange(start, stop)[_may_begin(buffer, start, stop)])
        places, behind = size[0], size[0] + 8 + size[1]
        within = behind + 8 <= end
        follows = np.zeros(len(places), bool)
        follows[within] = np.isin(behind[within], _sizes(buffer, behind[within])[0])
        fine = follows | ((behind == end) & last)
        unsure = ~within & ~np.bool_(last)
        which = np.flatnonzero(fine | unsure)
        if len(which):
            return bool(fine[which[0]]), int(places[which[0]])
        start = stop
    return False, start


def _may_begin(buffer: np.ndarray, start: int, stop: int) -> np.ndarray:
    found = _MOST_OF[buffer[start + 3 : stop + 3]] >= 0
    for place in (0, 1, 2, 4):
        found &= buffer[start + place : stop + place] == 0
    return found


def _sizes(buffer: np.ndarray, places: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return those of some places where the head of a record of a known type and a likely length stands, and the lengths."""
    head = buffer[places[:, None] + np.arange(8)].astype(np.int64)
    kind, length = head[:, 3], head[:, 5] << 16 | head[:, 6] << 8 | head[:, 7]
    fine = (head[:, [0, 1, 2, 4]] == 0).all(axis=1) & (_LEAST_OF[kind] <= length) & (length <= _MOST_OF[kind])
    return places[fine], length[fine]
