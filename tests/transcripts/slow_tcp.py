"""The slow twin of the walk over both sides of a TCP conversation: plain Python, segment by segment."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

from nsm_nb.transcripts.datagrams import Datagram
from nsm_nb.transcripts.reassembly import Segment, Stream, unwrapped

_TH_FIN, _TH_SYN, _TH_RST, _TH_ACK = 0x01, 0x02, 0x04, 0x10
_FAR = 1 << 30  # further than any window reaches (RFC 7323 2.3)
_AHEAD = 16 << 20  # how far a segment may stand ahead of what the other side acknowledged or what was seen


class Stray(NamedTuple):
    """A segment that is not in the stream."""

    datagram: Datagram
    position: int


@dataclass
class Side:
    """One side of one connection.

    Attributes
    ----------
    base
        The position of the stream's byte 0; positions are sequence numbers that do not wrap. None where nothing was sent.
    stream
        Its bytes.
    strays
        Segments that stand too far from the stream to belong to it.
    garbage
        Keep-alives whose byte is neither 0 nor the one of the stream.
    ignored
        SYNs with another beginning that nobody answered.
    last
        The row of the last segment in the stream.
    """

    name: str
    base: int | None = None
    stream: Stream = field(default_factory=Stream)
    strays: list[Stray] = field(default_factory=list)
    garbage: list[Stray] = field(default_factory=list)
    ignored: list[Datagram] = field(default_factory=list)
    last: int = -1
    taken: int = 0  # segments that carried something
    _alive: list[Stray] = field(default_factory=list)  # keep-alives, judged when the stream is there
    _answered: bool = False  # the other side acknowledged the SYN
    _ended: bool = False
    _first: int | None = None  # the first sequence number, while nothing was sent
    _near: int = 0  # the end of the last segment taken
    _edge: int = 0  # the end of what was seen without a hole, or was acknowledged
    _acked: int | None = None
    _last_ack: int | None = None  # as it came; kept for when the beginning is known
    _syn: Datagram | None = None

    def open(self, syn: Datagram) -> None:
        """Take the beginning from a SYN, unless there is one."""
        if self.base is None or (not self._answered and not self.stream.reach):
            if self._syn is not None and self._syn.seq != syn.seq:
                self.ignored.append(self._syn)
            self._syn, self._last_ack = syn, None
            self._begin(syn.seq + 1)
        elif (self.base - 1 - syn.seq) & 0xFFFFFFFF:
            self.ignored.append(syn)

    def renewed(self, ack: int) -> Datagram | None:
        """Return the SYN with another beginning that `ack`, of a SYN-ACK, answers."""
        found = [syn for syn in self.ignored if (syn.seq + 1 - ack) & 0xFFFFFFFF == 0]
        if not found or (self.base is not None and (self.base - ack) & 0xFFFFFFFF == 0):
            return None
        self.ignored = [syn for syn in self.ignored if syn not in found]
        return found[-1]

    def answered(self, ack: int) -> None:
        """Note that a SYN-ACK acknowledged `ack`."""
        self._answered |= self.base is not None and (self.base - ack) & 0xFFFFFFFF == 0

    def acknowledged(self, ack: int) -> None:
        """Note what the other side says it has."""
        if ack == self._last_ack and self._acked is not None:
            return
        if self._last_ack is None or self.base is not None or unwrapped(ack, self._last_ack) > self._last_ack:
            self._last_ack = ack
        if self.base is None:
            return
        position = unwrapped(ack, self._edge)
        if position - self._edge <= _FAR:
            self._acked = position if self._acked is None else max(self._acked, position)
            self._edge = max(self._edge, position)

    def take(self, segment: Datagram) -> None:
        """Put a segment into the stream, or aside."""
        self._ended |= bool(segment.flags & _TH_FIN)
        seq = segment.seq + 1 if segment.flags & _TH_SYN else segment.seq
        if self.base is None:
            self._first = seq if self._first is None else self._first
            if segment.size:
                self._begin(seq)
        if not segment.size or self.base is None:
            return
        self.taken += 1
        # the other side's word is a firm place to count from; where it is silent, the last segment has to do
        position = unwrapped(seq, self._near if self._acked is None else self._edge)
        if not self._reaches(position):
            if self._answered or self.stream.reach:
                self.strays.append(Stray(segment, position))
                return
            self._begin(seq)  # the SYN that was seen is not the one of this connection
            position = seq
        if segment.size == 1 and self._acked == self._edge == position + 1:
            self._alive.append(Stray(segment, position))
            return
        if self._answered and position + segment.size <= self.base:
            self.strays.append(Stray(segment, position))  # before the first byte there is nothing
            return
        self._near = position + segment.size
        if position <= self._edge:
            self._edge = max(self._edge, self._near)
        self._add(segment, position)

    def finish(self) -> None:
        """Take what stood too far away when it came, and was acknowledged in the end."""
        left = []
        for stray in self.strays:
            position = unwrapped(stray.datagram.seq, self._edge)
            if self._acked is not None and self.base is not None and self.base <= position < self._acked:
                self._add(stray.datagram, position)
            else:
                left.append(stray)
        self.strays = left
        kept = [self.stream.at(position - (self.base or 0)) for _, position in self._alive]
        for (segment, position), byte in zip(self._alive, kept, strict=True):
            self._keep_alive(segment, position, byte)

    def unseen(self) -> int:
        """Return how many bytes the other side acknowledged behind the last one that was seen."""
        if self.base is None:
            if self._last_ack is None or self._first is None:
                return 0
            ahead = unwrapped(self._last_ack, self._first) - self._first
        elif self._acked is None:
            return 0
        else:
            ahead = self._acked - self.base - self.stream.reach
        # a FIN takes a number too, seen or not
        ahead -= 1 if self._ended or ahead == 1 else 0
        return ahead if 0 < ahead < _FAR else 0

    def _begin(self, base: int) -> None:
        self.base = self._near = self._edge = base
        self._acked = None
        if self._last_ack is not None:
            self.acknowledged(self._last_ack)

    def _reaches(self, position: int) -> bool:
        if self._acked is None:
            return abs(position - self._near) <= _FAR
        return position - self._edge >= -_FAR and position <= max(self._edge, self._near) + _AHEAD

    def _keep_alive(self, segment: Datagram, position: int, kept: bytes) -> None:
        """Leave out a byte that the other side has had already: it is sent to be answered (RFC 9293 3.8.4)."""
        if not segment.parts or segment.parts[0].data in (b"\0", kept):
            return
        if kept or position < (self.base or 0):
            self.garbage.append(Stray(segment, position))
        elif not self.stream.at(position - (self.base or 0)):
            self._add(segment, position)

    def _add(self, segment: Datagram, position: int) -> None:
        at = position - (self.base or 0)
        self.last = segment.row
        for row, place, data in segment.parts:
            self.stream.add(Segment(row, at + place, data, len(data)))
        self.stream.reach = max(self.stream.reach, at + segment.size)


def connections(datagrams: Iterable[Datagram], from_src: Sequence[bool]) -> list[tuple[Side, Side]]:
    """Return the two sides, src first; more than one pair where the ports were used again within the session."""
    found = [(Side("src"), Side("dst"))]
    for each in datagrams:
        if each.flags < 0:
            continue
        src, dst = found[-1]
        mine, other = (src, dst) if from_src[each.row] else (dst, src)
        if each.flags & _TH_SYN:
            if each.flags & _TH_ACK:
                syn = other.renewed(each.ack)
                if syn is not None:
                    if not any(side.taken for side in found[-1]):
                        found.pop()  # it never came to anything
                    found.append((Side("src"), Side("dst")))
                    src, dst = found[-1]
                    mine, other = (src, dst) if from_src[each.row] else (dst, src)
                    other.open(syn)
                    other.take(syn)
                other.answered(each.ack)
            mine.open(each)
        if each.flags & (_TH_ACK | _TH_RST) == _TH_ACK:
            other.acknowledged(each.ack)
        mine.take(each)
    for pair in found:
        for side in pair:
            side.finish()
    return found
