"""The conversation of one session, rebuilt: turns of both sides with their times and frames, and every doubt in words."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import pandas as pd

from nsm_nb.errors import NsmError
from nsm_nb.schema import PACKETS, Caveat
from nsm_nb.transcripts import doubts, marks
from nsm_nb.transcripts.columns import Columns
from nsm_nb.transcripts.datagrams import Datagram, carried
from nsm_nb.transcripts.decoys import Decoys, decoys
from nsm_nb.transcripts.segments import Segments, segments
from nsm_nb.transcripts.tcp import Pieces, Side, connections, placed
from nsm_nb.transcripts.turns import SIDES, Places, Rows, StoredTurn, Turn, Where

if TYPE_CHECKING:
    from nsm_nb.transcripts.search import Hit

__all__ = ["IN_MEMORY", "Transcript", "Turn", "Version", "transcript"]

IN_MEMORY = 32 << 20  # bytes of a conversation that are read with it; those of longer ones when they are asked for


class Version(NamedTuple):
    """Bytes of a side that came twice, not alike."""

    side: str
    offset: int  # in this side's stream
    shown: bytes  # those in the turns
    other: bytes
    where: Where  # the packet with the other ones


@dataclass(frozen=True)
class Transcript:
    """What was said in one session.

    Attributes
    ----------
    session : Series or None
        The row of SESSIONS, where it is known.
    proto, src_ip, src_port, dst_ip, dst_port
        Of the session.
    turns : list of Turn
        In the order in which the bytes were complete at the sensor.
    caveats : list of Caveat
        Every doubt: gaps, conflicts, decoys, a guessed direction, one side missing.
    strays : list of Turn
        What was sent and has no place in the turns: segments far outside the stream, fragments whose head is missing,
        keep-alives that hold a byte of their own. A caveat tells of each kind.
    marks : list of Mark
        What stands beside the bytes: keep-alives, what was sent again, resets, urgent data.
    conflicts : list of Version
        Bytes that came twice, not alike: both versions.
    policy
        Whose bytes the turns show where segments overlap.
    packets : DataFrame or None
        The rows of PACKETS it was made of, in the order of time.
    names : mapping
        The name that the evidence gives to an address.
    """

    proto: str
    src_ip: str
    src_port: int | None
    dst_ip: str
    dst_port: int | None
    turns: list[Turn]
    caveats: list[Caveat]
    start: pd.Timestamp | None = None
    sensor: str = ""
    session: pd.Series | None = field(default=None, compare=False)
    strays: list[Turn] = field(default_factory=list)
    marks: list[marks.Mark] = field(default_factory=list)
    conflicts: list[Version] = field(default_factory=list)
    policy: str = "first"
    packets: pd.DataFrame | None = field(default=None, compare=False, repr=False)
    names: Mapping[str, str] = field(default_factory=dict, compare=False, repr=False)
    places: Places | None = field(default=None, compare=False, repr=False)

    def data(self, side: str) -> bytes:
        """Return all bytes of one side, ``"src"`` or ``"dst"``, gaps left out."""
        return b"".join(turn.data for turn in self.turns if turn.side == side)

    def size(self, side: str) -> int:
        """Return how many bytes of one side there are."""
        return sum(turn.size for turn in self.turns if turn.side == side)

    def at(self, side: str, offset: int) -> Where | None:
        """Return the packet that brought a byte of a side's stream; None where that is not known."""
        return None if self.places is None else self.places.at(side, offset)

    def text(self, style: str = "plain", *, page: int | None = None) -> str:
        """Return the transcript as text that is safe to print.

        Parameters
        ----------
        style
            ``"plain"`` with time and frame at each turn, ``"sguil"`` as Sguil shows it, ``"hex"`` as a hex dump.
        page
            Which page, counted from 1; a page has 4 MiB of the conversation. Where it is None a conversation of up to 32 MiB
            comes whole, of a longer one its first page, which says at its end how to get the next.
        """
        from nsm_nb.transcripts.rendering import as_text

        return as_text(self, style, page=page)

    def search(
        self,
        what: str | bytes,
        *,
        kind: str = "text",
        side: str | None = None,
        ignore_case: bool = True,
        seconds: float = 10.0,
        most: int = 10_000,
    ) -> list[Hit]:
        """Return where something stands in the conversation, with frame and offset; see `nsm_nb.transcripts.search`."""
        from nsm_nb.transcripts.search import search

        return search(self, what, kind=kind, side=side, ignore_case=ignore_case, seconds=seconds, most=most)

    def write(self, side: str, path: str | os.PathLike) -> Path:
        """Write all bytes of one side to a file, whole or not at all; return its path.

        Gaps are left out, as in `data`; the caveats tell of them.

        Raises
        ------
        NsmError
            Where there is no such side, or the file can't be written.
        """
        from nsm_nb.transcripts.saving import write

        return write(self, side, path)

    def exchanges(self) -> list:
        """Return the HTTP requests and responses in it; empty where it is not HTTP."""
        from nsm_nb.transcripts.http import exchanges

        return exchanges(self)

    def decoded(self) -> pd.DataFrame:
        """Return what was said, as far as its protocol is understood; see `nsm_nb.transcripts.decoding.decoded`."""
        from nsm_nb.transcripts.decoding import decoded

        return decoded(self)

    def objects(self) -> pd.DataFrame:
        """Return the files that it carried, with hashes; see `nsm_nb.transcripts.objects.objects`."""
        from nsm_nb.transcripts.objects import objects

        return objects(self)

    def _repr_html_(self) -> str:
        from nsm_nb.transcripts.markup import as_html

        return as_html(self)


def transcript(
    packets: pd.DataFrame,
    *,
    evidence: Mapping[str, str | os.PathLike] | None = None,
    session: pd.Series | None = None,
    policy: str = "first",
    names: Mapping[str, str] | None = None,
) -> Transcript:
    """Return the rebuilt conversation of one session's packets.

    TCP comes in the order of its sequence numbers, each byte once; what is missing is a gap with its size. Other
    protocols come as one turn a datagram.

    Parameters
    ----------
    packets
        Rows of PACKETS of one session, of one capture or of several. Where `session` and `to_dst` are missing they are
        assembled first.
    evidence
        The path of each `evidence` label; the labels are paths where not given.
    session
        The row of SESSIONS, for the header.
    policy
        Whose bytes are shown where TCP segments overlap and differ, as the host that received them may have chosen:
        ``first``, ``last``, ``bsd``, ``linux``, ``windows``. The other version stands in `conflicts` and the caveats. Segments
        that the receiver will have dropped, for their checksum or TTL, count only where no other one stands. The checksums
        of conversations over 32 MiB are looked at where segments conflict.
    names
        The name that the evidence gives to an address, for the header.

    Raises
    ------
    NsmError
        Where the packets are of no session, or of more than one.
    """
    packets, session = _of_one_session(packets, session)
    columns = Columns(packets, evidence)
    proto = str(columns.array("proto")[0])
    from_src = columns.from_src
    rows = Rows(columns.array("time"), columns.numbers("frame"), from_src, columns.labels, columns.label)
    label = rows.labels[0]
    caveats = doubts.of_session(session, from_src, label)
    # a fragment that was captured whole misses nothing by itself
    cut = ~columns.fragmented | (columns.numbers("captured") < columns.numbers("length"))
    beside: list[marks.Mark] = []
    conflicts: list[Version] = []
    if proto == "tcp":
        these, broken = segments(columns)
        pairs, odd = _connections(columns, these, policy)
        pieces = placed(these, pairs)
        turns, starts = _runs(rows, these, pieces)
        places = Places.of(rows, pieces.side, pieces.position, pieces.row)
        strays = _strays(rows, these, pairs)
        conflicts = _versions(rows, pairs, pieces)
        found, strange = marks.resets(these)
        captured_in_part, told = _cut(these, cut, label)
        found += (
            marks.events(these, pairs, pieces, odd) + marks.urgent(packets, these, pieces, evidence) + captured_in_part
        )
        beside = marks.grouped(found, rows, starts)
        caveats += doubts.of_beginning(these, caveats, label) + doubts.of_decoys(odd, these, rows)
        caveats += doubts.of_resets(strange, rows) + doubts.of_connections(pairs, these, rows)
    else:
        datagrams, broken = carried(packets, evidence=evidence)
        turns, starts = _datagram_turns(rows, datagrams)
        places = _datagram_places(rows, datagrams)
        strays = []
        short = [each for each in datagrams if cut[each.row]]
        beside = marks.grouped(marks.short(short, from_src), rows, starts)
        told = doubts.of_datagrams(short, label)
    caveats += doubts.of_fragments(broken, rows) + told
    strays = [rows.turn(each.rows, 0, each.unplaced) for each in broken if each.unplaced] + strays
    first = int(np.argmax(from_src))
    ends = ("src", "dst") if from_src[first] else ("dst", "src")
    ips = [columns.array(f"{end}_ip")[first] for end in ends]
    ports = [columns.array(f"{end}_port")[first] for end in ends]
    numbers = [None if pd.isna(port) else int(port) for port in ports]
    sensor = None if session is None else session.get("sensor")
    return Transcript(
        proto, str(ips[0]), numbers[0], str(ips[1]), numbers[1], turns, caveats, rows.times.min(),
        "" if sensor is None or pd.isna(sensor) else str(sensor), session, strays, beside, conflicts, policy, packets,
        names or {}, places,
    )  # fmt: skip


def _of_one_session(packets: pd.DataFrame, session: pd.Series | None) -> tuple[pd.DataFrame, pd.Series | None]:
    """Return the packets of the session in the order of time, and its row where it is known."""
    PACKETS.require(packets, "evidence", "frame", "time", "proto", "session", "to_dst", "offset", "payload")
    column = packets["session"].array
    if len(packets) and column.isna().all():
        from nsm_nb.sessions import assemble

        rows, packets = assemble(packets)
        session = rows.iloc[0] if session is None and len(rows) == 1 else session
        column = packets["session"].array
    none = column.isna()
    if none.any():
        packets, column = packets[~none], column[~none]
    if not len(packets):
        raise NsmError("there are no packets of a session here; give the rows of packets_of(session)")
    numbers = column.to_numpy(np.int64)
    if (numbers != numbers[0]).any():
        raise NsmError(
            f"these packets are of {len(np.unique(numbers))} sessions; a transcript is of one: "
            "choose by packets[packets.session == number]"
        )
    if _several(packets["evidence"].array):
        # of one capture the order in which they were captured is better than that of clocks
        packets = packets.sort_values("time", kind="stable")
    return packets, session


def _several(evidence: pd.api.extensions.ExtensionArray) -> bool:
    codes = evidence.codes if isinstance(evidence, pd.Categorical) else pd.factorize(evidence)[0]
    return bool((codes != codes[0]).any())


def _connections(columns: Columns, these: Segments, policy: str) -> tuple[list[tuple[Side, Side]], Decoys]:
    """Return the streams, and which packets are odd: in long ones they are looked for where segments conflict."""
    large = int(these.size.sum()) > IN_MEMORY
    odd = decoys(columns, rows=these.row[these.control] if large else None)
    pairs = connections(these, policy=policy, doubtful=odd.any[these.row] if odd.any.any() else None)
    if large and any(side.conflicts for pair in pairs for side in pair):
        about = [each.arrival for pair in pairs for side in pair for each in side.conflicts]
        odd = decoys(columns, rows=np.unique(_near(these, about)))
        if odd.any.any():
            pairs = connections(these, policy=policy, doubtful=odd.any[these.row])
    return pairs, odd


def _near(these: Segments, rows: Sequence[int]) -> np.ndarray:
    """Return packets whose segments begin alike or overlap those given, and as many of their neighbours."""
    at = np.searchsorted(these.row, np.asarray(rows, np.int64))
    wanted = np.isin(these.seq, these.seq[np.clip(at, 0, len(these.row) - 1)])
    return np.concatenate([these.row[wanted], np.asarray(rows, np.int64)])


def _runs(rows: Rows, these: Segments, pieces: Pieces) -> tuple[list[Turn], list[int]]:
    """Return the pieces as turns, and the first packet of each: a turn ends where the other side speaks or bytes are missing."""
    many = len(pieces.side)
    if not many:
        return [], []
    parted = (np.diff(pieces.side) != 0) | (np.diff(pieces.connection) != 0) | (pieces.gap[1:] > 0)
    starts = np.concatenate([[0], np.flatnonzero(parted) + 1])
    ends = np.append(starts[1:], many)
    first, last = np.minimum.reduceat(pieces.row, starts), np.maximum.reduceat(pieces.row, starts)
    sizes = np.add.reduceat(pieces.length, starts)
    begins = first.tolist()
    told = zip(
        starts.tolist(), ends.tolist(), begins, last.tolist(), pieces.gap[starts].tolist(), pieces.side[starts].tolist(),
        sizes.tolist(), strict=True,
    )  # fmt: skip
    if int(sizes.sum()) > IN_MEMORY:
        return [
            StoredTurn(
                SIDES[side], rows.span(low, high), gap, rows, Pieces(*(each[start:end] for each in pieces)), these
            )
            for start, end, low, high, gap, side, _ in told
        ], begins
    data = these.source.read(pieces.part, pieces.skip, pieces.length)
    positions, packet = pieces.position[starts].tolist(), pieces.row.tolist()
    frames, several = rows.frames.tolist(), len(rows.labels) > 1
    turns, at = [], 0
    times = zip(rows.times[first], rows.times[last], strict=True)
    for (start, end, _, _, gap, side, size), position, span in zip(told, positions, times, strict=True):
        own = packet[start:end]
        numbers = (frames[own[0]],) if len(own) == 1 else tuple([frames[row] for row in dict.fromkeys(own)])
        evidence = rows.evidence_of(own) if several else ""
        turns.append(Turn(SIDES[side], *span, numbers, position, data[at : at + size], gap, evidence))
        at += size
    return turns, begins


def _strays(rows: Rows, these: Segments, pairs: Sequence[tuple[Side, Side]]) -> list[Turn]:
    """Return what has no place in the streams, a turn for each part of a segment."""
    found = []
    for side in (side for pair in pairs for side in pair):
        for each in sorted([*side.strays, *side.garbage], key=lambda each: each.segment):
            for part in range(*np.searchsorted(these.segment, [each.segment, each.segment + 1]).tolist()):
                data = these.source.read(np.array([part]), np.zeros(1, np.int64), these.held[part : part + 1])
                if data:
                    found.append(rows.turn((int(these.row[each.segment]),), each.position, data))
    return found


def _versions(rows: Rows, pairs: Sequence[tuple[Side, Side]], pieces: Pieces) -> list[Version]:
    """Return what came twice, not alike, by its offset in each side's stream of all connections."""
    found = []
    for connection, pair in enumerate(pairs):
        for number, side in enumerate(pair):
            if not side.conflicts:
                continue
            own = np.flatnonzero((pieces.side == number) & (pieces.connection == connection))
            shift = int(pieces.position[own[0]] - side.position[0])
            found += [
                Version(side.name, each.position + shift, each.kept, each.other, rows.where(each.arrival))
                for each in side.conflicts
            ]
    return found


def _cut(these: Segments, cut: np.ndarray, label: str) -> tuple[list[marks.Event], list[Caveat]]:
    """Return the segments that were captured in part, and the doubt about them."""
    held = these.held if these.whole else np.bincount(these.segment, these.held, len(these.row)).astype(np.int64)
    part = np.flatnonzero((held < these.size) & cut[these.row])
    if not len(part):
        return [], []
    found = [
        marks.Event(
            int(these.row[each]),
            0 if these.from_src[each] else 1,
            "snaplen",
            got=int(held[each]),
            amount=int(these.size[each]),
        )
        for each in part.tolist()
    ]
    return found, doubts.of_cut(len(part), int(held[part].sum()), int(these.size[part].sum()), "segment", label)


def _datagram_turns(rows: Rows, datagrams: Sequence[Datagram]) -> tuple[list[Turn], list[int]]:
    """Return a turn for each datagram, and its packet; what is missing of one is a gap that is never joined over."""
    turns: list[Turn] = []
    begins: list[int] = []
    offsets = {True: 0, False: 0}
    for datagram in datagrams:
        from_src = bool(rows.from_src[datagram.row])
        start, expected = offsets[from_src], 0
        run: list[int] = []
        data = b""
        gap = 0
        for row, place, part in datagram.parts:
            if place > expected:
                if run:
                    turns.append(rows.turn(run, start + expected - len(data), data, gap))
                run, data, gap = [], b"", place - expected
            run.append(row)
            data += part
            expected = place + len(part)
        if run:
            turns.append(rows.turn(run, start + expected - len(data), data, gap))
        if expected < datagram.size:
            turns.append(rows.turn((datagram.row,), start + datagram.size, b"", datagram.size - expected))
        begins += [datagram.row] * (len(turns) - len(begins))
        offsets[from_src] += datagram.size
    return turns, begins


def _datagram_places(rows: Rows, datagrams: Sequence[Datagram]) -> Places:
    offsets = [0, 0]
    found = []
    for datagram in datagrams:
        side = 0 if rows.from_src[datagram.row] else 1
        found += [(side, offsets[side] + place, row) for row, place, _ in datagram.parts]
        offsets[side] += datagram.size
    table = np.array(found, np.int64).reshape(-1, 3)
    return Places.of(rows, table[:, 0], table[:, 1], table[:, 2])
