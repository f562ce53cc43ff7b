"""Both sides of a TCP conversation: which bytes belong to its streams, in which order, and what stands beside them.

Source: RFC 9293 3.4 and 3.10.7 (what a receiver accepts), 3.8.4 (keep-alives). What a host keeps where segments overlap is
its own choice: U. Shankar and V. Paxson, "Active Mapping" (2003); J. Novak and S. Sturges, "Target-Based TCP Stream
Reassembly" (2007); Suricata's `stream-tcp-list.c` agrees on the policies below.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np

from nsm_nb.errors import UnknownName
from nsm_nb.kernels import streams
from nsm_nb.text import printable
from nsm_nb.transcripts.reassembly import Conflict
from nsm_nb.transcripts.segments import Segments

__all__ = ["POLICIES", "Pieces", "Side", "connections", "placed"]

_BATCH = 16 << 20  # bytes that are compared at once

# Whose bytes count where segments overlap.
POLICIES = {
    "first": "the segment that came first",
    "last": "the segment that came last",
    "bsd": "the segment that begins first; of those that begin alike the one that came first",
    "windows": "as bsd",
    "linux": "the segment that begins first; of those that begin alike the longest, then the one that came first",
}


class Stray(NamedTuple):
    """A segment that is not in the stream."""

    segment: int  # of the session's Segments
    position: int  # where it would stand


@dataclass
class Side:
    """One side of one connection: pieces that never overlap, in the order of its stream.

    Attributes
    ----------
    part, position, skip, length : int64 arrays
        Of each piece: the part of the session's Segments that it is from, where it stands in the stream, and which bytes of
        the part it is.
    reach
        The end of the last byte sent, captured or not.
    again
        Bytes that were sent again, alike.
    repeats
        In which packets, and how many in each.
    conflicts
        Bytes that were sent again, not alike: one for each run of a segment that does not count.
    strays
        Segments that stand too far from the stream to belong to it.
    keep_alives
        The segments that are keep-alives and hold a byte.
    garbage
        Those whose byte is neither 0 nor the one of the stream.
    ignored
        SYNs with another beginning that nobody answered, by segment.
    last
        The row of the last segment in the stream, -1 where there is none.
    unseen
        Bytes the other side acknowledged behind the last one that was seen.
    """

    name: str
    part: np.ndarray
    position: np.ndarray
    skip: np.ndarray
    length: np.ndarray
    reach: int = 0
    again: int = 0
    repeats: list[tuple[int, int]] = field(default_factory=list)
    conflicts: list[Conflict] = field(default_factory=list)
    strays: list[Stray] = field(default_factory=list)
    keep_alives: list[int] = field(default_factory=list)
    garbage: list[Stray] = field(default_factory=list)
    ignored: list[int] = field(default_factory=list)
    last: int = -1
    unseen: int = 0

    @property
    def start(self) -> int:
        """Where the stream begins: 0, or before it where something stands there."""
        return min(int(self.position[0]), 0) if len(self.position) else 0

    def gaps(self) -> np.ndarray:
        """Return how many bytes are missing before each piece."""
        ends = np.concatenate([[self.start], self.position + self.length])
        return self.position - ends[:-1]


def connections(
    these: Segments, *, policy: str = "first", doubtful: np.ndarray | None = None
) -> list[tuple[Side, Side]]:
    """Return the two sides, src first; more than one pair where the ports were used again within the session.

    Parameters
    ----------
    these
        What the packets of the session carry.
    policy
        Whose bytes count where segments overlap: a name of `POLICIES`.
    doubtful
        Of each segment, True where the receiver will hardly have taken it: it counts where no other one stands.

    Raises
    ------
    UnknownName
        Where there is no such policy.
    """
    if policy not in POLICIES:
        raise UnknownName(f"there is no policy {printable(policy)!r}; there are {', '.join(POLICIES)}")
    entries, words = streams.walked(these.from_src, these.seq, these.ack, these.flags, these.size)
    cuts = np.searchsorted(entries.connection, np.arange(len(words) + 1))  # they follow one another
    pairs = []
    for number, pair in enumerate(words):
        some = streams.Entries(*(each[cuts[number] : cuts[number + 1]] for each in entries))
        src, dst = (
            _side(these, _of(some, side), pair[side], ("src", "dst")[side], policy, doubtful) for side in (0, 1)
        )
        pairs.append((src, dst))
    return pairs


def _of(entries: streams.Entries, side: int) -> streams.Entries:
    own = np.flatnonzero(entries.side == side)
    return entries if len(own) == len(entries.side) else streams.Entries(*(each[own] for each in entries))


def _side(
    these: Segments, entries: streams.Entries, words: np.ndarray, name: str, policy: str, doubtful: np.ndarray | None
) -> Side:
    """Return one side of one connection of its entries."""
    odd = np.flatnonzero(entries.kind != streams.STREAM)
    segment, position = entries.row, entries.position
    if len(odd):
        late = odd[entries.kind[odd] == streams.LATE]  # what was accepted in the end came after all others
        kept = np.concatenate([np.flatnonzero(entries.kind == streams.STREAM), late])
        segment, position = segment[kept], position[kept]
        entries = streams.Entries(*(each[odd] for each in entries))
    else:
        entries = streams.Entries(*(each[:0] for each in entries))
    number, begin = segment, position
    if not these.whole:
        number, owner = _parts(these, segment)
        begin = position[owner] + these.place[number]
    length = these.held[number]
    rank = _rank(begin, length, policy)
    if doubtful is not None:
        rank = rank + len(rank) * doubtful[these.segment[number]]
    which, position, run = streams.swept(begin, length, rank)
    side = Side(
        name,
        number[which],
        position,
        position - begin[which],
        run,
        reach=int(words[streams.REACH]),
        last=int(words[streams.LAST]),
    )
    if side.last >= 0:
        side.last = int(these.row[side.last])
    side.strays = [Stray(row, at) for row, at in _of_kind(entries, streams.STRAY)]
    side.ignored = [row for row, _ in _of_kind(entries, streams.IGNORED)]
    if int(side.length.sum()) < int(length.sum()):
        _lost(these, side, number, begin, length, which)
    _keep_alives(these, side, _of_kind(entries, streams.KEEP_ALIVE))
    side.unseen = _unseen(words, side.reach)
    return side


def _parts(these: Segments, segment: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return the parts of segments, and of each part the place of its segment among those given."""
    first, last = np.searchsorted(these.segment, [segment, segment + 1])
    owner = np.repeat(np.arange(len(segment)), last - first)
    inside = np.arange(len(owner)) - np.repeat(np.cumsum(last - first) - (last - first), last - first)
    return first[owner] + inside, owner


def _rank(begin: np.ndarray, length: np.ndarray, policy: str) -> np.ndarray:
    """Return for each part, in the order in which they came, its rank: the lowest counts."""
    came = np.arange(len(begin))
    if policy == "first":
        return came
    if policy == "last":
        return came[::-1]
    order = np.lexsort((came, -length, begin) if policy == "linux" else (came, begin))
    rank = np.empty(len(begin), np.int64)
    rank[order] = came
    return rank


def _of_kind(entries: streams.Entries, kind: int) -> list[tuple[int, int]]:
    rows = entries.kind == kind
    return list(zip(entries.row[rows].tolist(), entries.position[rows].tolist(), strict=True))


def _keep_alives(these: Segments, side: Side, found: Sequence[tuple[int, int]]) -> None:
    """Leave out bytes that the other side has had already: they are sent to be answered (RFC 9293 3.8.4)."""
    if not found:
        return
    number, position = np.array(found, np.int64).T
    part = np.searchsorted(these.segment, number)
    known = np.flatnonzero(np.append(these.held, 0)[part] == 1)  # not where snaplen cut the byte off
    number, position, part = number[known], position[known], part[known]
    sent = these.source.read(part, np.zeros(len(part), np.int64), np.ones(len(part), np.int64))
    place = np.searchsorted(side.position, position, "right") - 1
    there = (place >= 0) & (position < (np.append(side.position + side.length, 0))[place])
    away = (position - np.append(side.position, 0)[place] + np.append(side.skip, 0)[place])[there]
    kept = iter(these.source.read(side.part[place[there]], away, np.ones(int(there.sum()), np.int64)))
    lost: dict[int, int] = {}
    for each, at, byte, held in zip(number.tolist(), position.tolist(), sent, there.tolist(), strict=True):
        other = next(kept) if held else None
        if byte in (0, other):
            side.keep_alives.append(each)
        elif held or at < 0:
            side.garbage.append(Stray(each, at))
        else:
            lost.setdefault(at, each)  # the byte itself was never seen: this is it
    for at, each in lost.items():
        place = np.searchsorted(side.position, at)
        side.part = np.insert(side.part, place, np.searchsorted(these.segment, each))
        side.position, side.skip, side.length = (
            np.insert(values, place, value) for values, value in ((side.position, at), (side.skip, 0), (side.length, 1))
        )
        side.reach, side.last = max(side.reach, at + 1), max(side.last, int(these.row[each]))


class _Run(NamedTuple):
    """Bytes of a part that do not count."""

    part: int
    begin: int  # in the stream
    end: int
    skip: int  # in the part


def _lost(
    these: Segments, side: Side, number: np.ndarray, begin: np.ndarray, length: np.ndarray, which: np.ndarray
) -> None:
    """Compare what does not count with what does."""
    runs = _runs(side, number, begin, length, which)
    batch: list[_Run] = []
    size = 0
    for run in runs:
        batch.append(run)
        size += run.end - run.begin
        if size >= _BATCH:
            _compared(these, side, batch)
            batch, size = [], 0
    _compared(these, side, batch)


def _runs(side: Side, number: np.ndarray, begin: np.ndarray, length: np.ndarray, which: np.ndarray) -> Iterator[_Run]:
    """Yield the runs of each part that are not its own, in the order in which the parts came."""
    own = np.bincount(which, side.length, len(begin)).astype(np.int64)
    order = np.argsort(which, kind="stable")
    cuts = np.searchsorted(which[order], np.arange(len(begin) + 1))
    for each in np.flatnonzero(own < length).tolist():
        start, end = int(begin[each]), int(begin[each] + length[each])
        at = start
        for piece in order[cuts[each] : cuts[each + 1]].tolist():
            stop = int(side.position[piece])
            if at < stop:
                yield _Run(int(number[each]), at, stop, at - start)
            at = stop + int(side.length[piece])
        if at < end:
            yield _Run(int(number[each]), at, end, at - start)


def _compared(these: Segments, side: Side, runs: Sequence[_Run]) -> None:
    if not runs:
        return
    part, begin, end, skip = np.array(runs, np.int64).T
    other = these.source.read(part, skip, end - begin)
    first = np.searchsorted(side.position, begin, "right") - 1
    last = np.searchsorted(side.position, end)
    many = last - first
    piece = np.arange(int(many.sum())) - np.repeat(np.cumsum(many) - many, many) + np.repeat(first, many)
    low = np.maximum(side.position[piece], np.repeat(begin, many))
    high = np.minimum(side.position[piece] + side.length[piece], np.repeat(end, many))
    kept = these.source.read(side.part[piece], side.skip[piece] + low - side.position[piece], high - low)
    at = 0
    for run in runs:
        size = run.end - run.begin
        ours, theirs = kept[at : at + size], other[at : at + size]
        at += size
        if ours == theirs:
            side.again += size
            side.repeats.append((int(these.part_row[run.part]), size))
        else:
            side.conflicts.append(Conflict(run.begin, ours, theirs, int(these.part_row[run.part])))


def _unseen(words: np.ndarray, reach: int) -> int:
    if not words[streams.HAS_BASE]:
        if not (words[streams.HAS_LAST_ACK] and words[streams.HAS_FIRST]):
            return 0
        ahead = streams.unwrapped(int(words[streams.LAST_ACK]), int(words[streams.FIRST])) - int(words[streams.FIRST])
    elif not words[streams.HAS_ACKED]:
        return 0
    else:
        ahead = int(words[streams.ACKED] - words[streams.BASE]) - reach
    # a FIN takes a number too, seen or not
    ahead -= 1 if words[streams.ENDED] or ahead == 1 else 0
    return ahead if 0 < ahead < 1 << 30 else 0


class Pieces(NamedTuple):
    """The pieces of all connections in the order in which they were complete at the sensor; one row a piece.

    A row with length 0 says that what was sent last is missing.
    """

    side: np.ndarray  # int64; 0 for src, 1 for dst
    connection: np.ndarray
    gap: np.ndarray  # bytes missing before it
    position: np.ndarray  # counts through all connections of the session
    row: np.ndarray  # the packet
    part: np.ndarray
    skip: np.ndarray
    length: np.ndarray


def placed(these: Segments, pairs: Sequence[tuple[Side, Side]]) -> Pieces:
    """Return the pieces of both sides in the order of the conversation."""
    before = [0, 0]
    found, delivered = [], []
    for number, pair in enumerate(pairs):
        for which, side in enumerate(pair):
            shift = before[which] - side.start if before[which] else 0
            row = these.part_row[side.part]
            complete = np.maximum.accumulate(row) if len(row) else row
            piece = [side.gaps(), side.position + shift, row, side.part, side.skip, side.length]
            end = int(side.position[-1] + side.length[-1]) if len(row) else side.start
            if side.reach > end:
                piece = [
                    np.append(each, value)
                    for each, value in zip(
                        piece, (side.reach - end, side.reach + shift, side.last, 0, 0, 0), strict=True
                    )
                ]
                complete = np.append(complete, max(int(complete[-1]) if len(complete) else -1, side.last))
            many = len(complete)
            if not many:
                continue
            found.append([np.full(many, which), np.full(many, number), *piece])
            delivered.append(complete)
            before[which] = max(side.reach, end) + shift
    if len(found) == 1:  # as it stands: a side's pieces are complete one after the other
        return Pieces(*found[0])
    if not found:
        return Pieces(*np.zeros((len(Pieces._fields), 0), np.int64))
    order = np.argsort(np.concatenate(delivered), kind="stable")
    return Pieces(*(np.concatenate(each)[order] for each in zip(*found, strict=True)))
