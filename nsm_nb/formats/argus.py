"""Argus' own files, of versions 3 to 5, read without Argus: sessions of both directions, with the states that ra prints.

A long conversation is several records, one each status interval (5 s); they are put together as racluster does. Argus counts
bytes of whole frames: 14 of Ethernet a packet (18 with a VLAN tag) are taken off, so that octets are IP bytes. Management
records are no sessions; they are counted.

Source: argus-clients, include/argus_def.h; ra(1), "Dir", "State"; reference/seed-systems.md 9; ra and racluster are the oracle.
"""

from __future__ import annotations

import ipaddress
import os
from collections import Counter
from dataclasses import dataclass

import numpy as np
import pandas as pd

from nsm_nb.errors import DamagedEvidence
from nsm_nb.formats.argus_records import FAR, MAR, START, Flow, Piece, flow_of, pieces
from nsm_nb.formats.flow_columns import flow_table, masked
from nsm_nb.formats.frames import protocol_name
from nsm_nb.formats.icmp_messages import icmp_state
from nsm_nb.formats.lines import Fingerprint
from nsm_nb.formats.source import Source
from nsm_nb.schema import SESSIONS, Caveat, caveats_of, with_caveats
from nsm_nb.text import printable

__all__ = ["EXTENSIONS", "NAME", "TITLE", "recognises", "sessions"]

NAME = "argus"
TITLE = "sessions of Argus, in its own files"
EXTENSIONS = (".argus", ".arg", ".ra")

_VERSIONS = (3, 4, 5)
_TCP, _UDP = 6, 17
_SYN, _SYN_SENT, _ESTABLISHED, _CLOSED, _NORMAL_CLOSE, _RESET = 0x1, 0x2, 0x4, 0x18, 0x20, 0x3000  # ARGUS_SAW_SYN ...
_TIMEOUT = 0x40  # cause of a record
_WELL_KNOWN = 1024  # ra takes the side with the lower number for dst, where no opening was seen
_IDLE = 60 * 10**9  # ns; ARGUS_TCPTIMEOUT: the longest that Argus keeps a flow that is silent
_LEAST_IP = 20
_LATEST = 2**63 - 1


def recognises(head: bytes) -> bool:
    """Return True where the file starts with Argus' first management record, whose cookie tells it from all else."""
    return (
        len(head) >= 12
        and head[0] >> 4 == MAR
        and head[2:4] == b"\x00\x20"
        and head[8:10] == b"\xe5\x71"
        and head[11] == 0xCB
    )


def sessions(path: str | os.PathLike, *, label: str | None = None, digest: str | None = None) -> pd.DataFrame:
    """Read the sessions: one row of SESSIONS for each, put together of its records.

    `src` is who opened where that was seen (`direction_known`), else as ra guesses; `record` is the first record of the
    session, counted from 1 with those of management. Other parameters, and errors, as `nsm_nb.formats.read_sessions`.
    """
    label = os.fspath(path) if label is None else label
    with Fingerprint(path, digest) as fingerprint, Source(path) as source:
        found = _Found(label)
        found.read(source)
        table = _table(found.merged, label, fingerprint)
    return with_caveats(table, found.caveats())


@dataclass(slots=True)
class _Session:
    """A conversation, as its records so far tell it."""

    record: int
    flow: Flow
    start: int
    end: int
    counts: list[int]
    payload: list[int] | None
    status: int
    cause: int


class _Found:
    """The sessions of a file, and what was noticed."""

    def __init__(self, label: str):
        self._label = label
        self.merged: list[_Session] = []
        self._open: dict[tuple, _Session] = {}
        self._others: Counter[str] = Counter()
        self._records = self._joined = self._poor = 0
        self._trouble: tuple[str, int, str] | None = None

    def read(self, source: Source) -> None:
        """Read all records, as far as they can be read."""
        source.need(12)
        if not recognises(source.buffer[source.start : source.end][:12].tobytes()):
            raise DamagedEvidence(
                f"{printable(self._label)} does not begin as a file of Argus 3 to 5 does; one of Argus 2 can be made one with "
                "raconvert of argus-clients, or printed with ra"
            )
        while True:
            size = source.end - source.start
            data = source.buffer[source.start : source.end].tobytes()
            done = 0
            for piece in pieces(data, size):
                self._take(data, piece)
                done = piece.end
            source.start += done
            left = source.end - source.start
            if left >= 4 and data[done + 2 : done + 4] == b"\0\0":
                said = f"record {self._records + 1:,} (byte {source.at:,}) has no length; what follows was left unread"
                self._trouble = ("damage", source.at, said)
                return
            if source.most_records is not None and self._records > source.most_records:
                said = f"it unpacks to more than {self._records:,} records, too many for its size; the rest was left unread"
                self._trouble = ("bomb", source.at, said)
                return
            if not source.fill():
                break
        if source.trouble or source.end > source.start:
            said = source.trouble or f"it ends inside record {self._records + 1:,} (byte {source.at:,})"
            self._trouble = ("cut", source.at, f"{said}; the records before are kept")

    def _take(self, data: bytes, piece: Piece) -> None:
        self._records += 1
        if piece.kind != FAR:
            self._others["management" if piece.kind == MAR else "other"] += 1
            return
        flow = flow_of(data, piece)
        if flow is None or max(flow.start, flow.end) > _LATEST:
            self._poor += 1
            return
        if flow.proto == -2:
            self._others["link layer"] += 1
            return
        if flow.proto == _TCP and not flow.status & (_SYN | _SYN_SENT) and flow.src_port < _WELL_KNOWN <= flow.dst_port:
            flow = _turned(flow)
        self._put(flow)

    def _put(self, flow: Flow) -> None:
        """Add a record to the session that it goes on with, or begin one."""
        key = (flow.proto, flow.src, flow.src_port, flow.dst, flow.dst_port, flow.vlan)
        known = self._open.get(key)
        if known is None and flow.proto in (_TCP, _UDP):
            back = (flow.proto, flow.dst, flow.dst_port, flow.src, flow.src_port, flow.vlan)
            known = self._open.get(back)
            if known is not None and _goes_on(known, flow):
                flow, key = _turned(flow), back
        if known is not None and _goes_on(known, flow):
            self._joined += 1
            known.start, known.end = min(known.start, flow.start), max(known.end, flow.end)
            known.counts = [a + b for a, b in zip(known.counts, flow.counts, strict=True)]
            if known.payload is not None:
                known.payload = [a + b for a, b in zip(known.payload, flow.payload or (0, 0), strict=True)]
            known.status |= flow.status
            known.cause = flow.cause
            return
        payload = None if flow.payload is None else list(flow.payload)
        started = _Session(
            self._records, flow, flow.start, flow.end, list(flow.counts), payload, flow.status, flow.cause
        )
        self._open[key] = started
        self.merged.append(started)

    def caveats(self) -> list[Caveat]:
        """Return what was noticed."""
        label, name = self._label, printable(self._label)
        said: list[tuple[str, str]] = []
        if self._others["management"]:
            said.append(
                (
                    "management",
                    f"{self._others['management']:,} management records of Argus are no sessions; they were left out",
                )
            )
        if self._joined:
            parts = f"{self._joined + len(self.merged):,} records are {len(self.merged):,} sessions"
            said.append(("pieces", f"{parts}: Argus tells of a long one every 5 s"))
        if self._others["link layer"]:
            said.append(("format", f"{self._others['link layer']:,} records of neither IP nor ARP were left out"))
        if self._others["other"]:
            said.append(("format", f"{self._others['other']:,} records of events and of unknown type were passed over"))
        if self._poor:
            said.append(("format", f"{self._poor:,} records lack who, when or how much; they were left out"))
        if any(each.flow.link < 0 for each in self.merged):
            many = sum(each.flow.link < 0 for each in self.merged)
            said.append(
                (
                    "octets",
                    f"{many:,} sessions have no octets: their link layer is not known, and Argus counts whole frames",
                )
            )
        found = [Caveat(label, None, None, kind, f"{name}: {sentence}") for kind, sentence in said]
        if self._trouble is not None:
            kind, offset, sentence = self._trouble
            found.append(Caveat(label, self._records + 1, offset, kind, f"{name}: {sentence}"))
        return found


def _turned(flow: Flow) -> Flow:
    return flow._replace(
        src=flow.dst, dst=flow.src, src_port=flow.dst_port, dst_port=flow.src_port,
        counts=(*flow.counts[2:], *flow.counts[:2]), payload=None if flow.payload is None else flow.payload[::-1],
    )  # fmt: skip


def _goes_on(known: _Session, flow: Flow) -> bool:
    """Return True where a record goes on with a session: Argus says so, or it comes soon and opens nothing after a close."""
    if flow.cause != START:
        return True
    if flow.start - known.end > _IDLE:
        return False
    return not (known.status & (_CLOSED | _RESET) and flow.status & _SYN)


def _state(session: _Session) -> str:
    """Return the state that ra of Argus 3 prints; the first that is true (reference/seed-systems.md 9)."""
    flow = session.flow
    name = protocol_name(flow.proto) if flow.proto >= 0 else ""
    if name in ("icmp", "icmp6"):
        return icmp_state(name, flow.src_port >> 8, flow.src_port & 0xFF)
    if flow.proto != _TCP:
        return "CON" if session.counts[0] and session.counts[2] else "INT"
    if session.cause == _TIMEOUT and not session.status & (_RESET | _CLOSED | _NORMAL_CLOSE):
        return "TIM"
    for bits, state in (
        (_RESET, "RST"), (_CLOSED, "FIN"), (_NORMAL_CLOSE, "CLO"), (_ESTABLISHED, "CON"), (_SYN_SENT, "ACC"), (_SYN, "REQ"),
    ):  # fmt: skip
        if session.status & bits:
            return state
    return "CON"


def _table(merged: list[_Session], label: str, fingerprint: Fingerprint) -> pd.DataFrame:
    counts = np.array([each.counts for each in merged], np.float64).reshape(-1, 4)
    link = np.array([each.flow.link for each in merged], np.float64)
    payload = np.array([each.payload or (-1, -1) for each in merged], np.float64).reshape(-1, 2)
    opened = [bool(each.status & (_SYN | _SYN_SENT)) or each.flow.proto == -1 for each in merged]
    names = ["arp" if each.flow.proto == -1 else protocol_name(each.flow.proto) for each in merged]
    table = flow_table(
        src=_addresses([each.flow.src for each in merged]),
        dst=_addresses([each.flow.dst for each in merged]),
        proto=pd.Categorical(pd.array(names, dtype="str")),
        start=np.array([each.start for each in merged], np.int64),
        end=np.array([each.end for each in merged], np.int64),
        label=label,
        source=NAME,
        digest=fingerprint.digits(),
        src_port=np.array([each.flow.src_port for each in merged], np.int64),
        dst_port=np.array([each.flow.dst_port for each in merged], np.int64),
        src_packets=_whole(counts[:, 0]),
        dst_packets=_whole(counts[:, 2]),
        src_octets=_octets(counts[:, 1], counts[:, 0], link),
        dst_octets=_octets(counts[:, 3], counts[:, 2], link),
        vlan=_whole(np.array([each.flow.vlan for each in merged], np.float64)),
        sensor=_sensors([each.flow.sensor for each in merged]),
        record=np.array([each.record for each in merged], np.int64),
        direction_known=np.array(opened, bool),
    )
    result = table[list(SESSIONS.columns)].copy(deep=False)
    result["state"] = pd.Categorical(pd.array([_state(each) for each in merged], dtype="str"))
    result["src_payload"], result["dst_payload"] = (_whole(payload[:, side]) for side in (0, 1))
    result.attrs = {}
    return with_caveats(result, caveats_of(table))


def _whole(values: np.ndarray) -> pd.arrays.IntegerArray:
    fine = (values >= 0) & (values < 2**53)
    return masked(np.where(fine, values, 0).astype(np.int64), ~fine, dtype=np.int64)


def _octets(frames: np.ndarray, packets: np.ndarray, link: np.ndarray) -> pd.arrays.IntegerArray:
    """Return IP bytes: those of the frames less their link layer; missing where that is not known, or leaves no IP header."""
    left = frames - packets * link
    return _whole(np.where((link < 0) | (left < _LEAST_IP * packets), -1, left))


def _addresses(raw: list[bytes]) -> pd.Categorical:
    codes, known = pd.factorize(np.array([*raw, None], object)[:-1])
    texts = [str(ipaddress.ip_address(each)) if each else "" for each in known]
    return pd.Categorical.from_codes(codes, categories=pd.Index(texts, dtype="str"))


def _sensors(raw: list[bytes]) -> pd.Categorical:
    codes, known = pd.factorize(np.array([*(each if any(each) else None for each in raw), None], object)[:-1])
    texts = [str(ipaddress.IPv4Address(each)) for each in known]
    return pd.Categorical.from_codes(codes, categories=pd.Index(texts, dtype="str"))
