"""Argus' own files: sessions of both directions, with the states that ra prints. Those of versions 3 to 5 are read without Argus.

A long conversation is several records, one each status interval (5 s); they are put together as racluster does. Argus counts
bytes of whole frames: 14 of Ethernet a packet (18 with a VLAN tag) are taken off, so that octets are IP bytes. Management
records are no sessions; they are counted.

Source: argus-clients, include/argus_def.h; ra(1), "Dir", "State"; reference/seed-systems.md 9; ra and racluster are the oracle.
"""

from __future__ import annotations

import ipaddress
import os

import numpy as np
import pandas as pd

from nsm_nb.errors import DamagedEvidence
from nsm_nb.formats import argus_2
from nsm_nb.formats.flow_columns import Addresses, flow_table, masked
from nsm_nb.formats.frames import protocol_name
from nsm_nb.formats.icmp_messages import icmp_state
from nsm_nb.formats.lines import Fingerprint
from nsm_nb.formats.source import Source, read_head
from nsm_nb.kernels.argus import ARP, MANAGEMENT, OTHER, POOR, UNKNOWN, Rows, join, rows_for, walk_argus
from nsm_nb.schema import SESSIONS, Caveat, caveats_of, with_caveats
from nsm_nb.text import form, many, printable

__all__ = ["EXTENSIONS", "NAME", "TITLE", "recognises", "sessions"]

NAME = "argus"
TITLE = "sessions of Argus, in its own files"
EXTENSIONS = (".argus", ".arg", ".ra")

_MAR = 8  # upper half of the first byte of a management record
_RECORDS, _STOPPED = 4, 5
_TCP, _UDP = 6, 17
_TIMEOUT = 0x40  # cause of a record
_OPENED = 0x3  # ARGUS_SAW_SYN, ARGUS_SAW_SYN_SENT
# of TCP, the first that is true: ARGUS_RESET, ARGUS_FIN and ARGUS_FIN_ACK, ARGUS_NORMAL_CLOSE ...
_STATES = ((0x3000, "RST"), (0x18, "FIN"), (0x20, "CLO"), (0, "TIM"), (0x4, "CON"), (0x2, "ACC"), (0x1, "REQ"))
_WELL_KNOWN = 1024  # ra takes the side with the lower number for dst, where no opening was seen
_LEAST_IP = 20


def recognises(head: bytes) -> bool:
    """Return True where the file starts with Argus' first management record, whose cookie tells it from all else."""
    return _of_3(head) or argus_2.recognises(head)


def _of_3(head: bytes) -> bool:
    return (
        len(head) >= 12
        and head[0] >> 4 == _MAR
        and head[2:4] == b"\x00\x20"
        and head[8:10] == b"\xe5\x71"
        and head[11] == 0xCB
    )


def sessions(path: str | os.PathLike, *, label: str | None = None, digest: str | None = None) -> pd.DataFrame:
    """Read the sessions: one row of SESSIONS for each, put together of its records.

    `src` is who opened where that was seen (`direction_known`), else as ra guesses; `record` is the first record of the
    session, counted from 1 with those of management. What version 2 wrote is read through ra, where that is installed: a row
    for each record that it prints. Other parameters, and errors, as `nsm_nb.formats.read_sessions`.
    """
    label = os.fspath(path) if label is None else label
    if argus_2.recognises(read_head(path, 12)):
        return argus_2.sessions(path, label=label, digest=digest, source=NAME)
    with Fingerprint(path, digest) as fingerprint, Source(path) as source:
        rows, counted, trouble = _read(source, label)
        rows = _guessed(rows)
        key, flipped, keys = _keys(rows)
        first = join(rows, key, flipped, keys) if len(key) else np.empty(0, np.int64)
        merged = Rows(*(each[first == np.arange(len(first))] for each in rows))
        table = _table(merged, label, fingerprint)
    return with_caveats(table, [*_told(counted, len(first), merged, label), *trouble])


def _read(source: Source, label: str) -> tuple[Rows, np.ndarray, list[Caveat]]:
    """Return the flow records, what else was counted, and why there is no more, where that was not the end of the file."""
    name = printable(label)
    source.need(12)
    if not _of_3(source.buffer[source.start : source.end][:12].tobytes()):
        raise DamagedEvidence(f"{name} does not begin as a file of Argus 2 to 5 does; check what it is with file(1)")
    counted = np.zeros(6, np.int64)
    parts: list[Rows] = []
    kind = said = ""
    while not said:
        room = rows_for(source.end - source.start)
        count, source.start = walk_argus(source.buffer, source.start, source.end, room, counted)
        parts.append(Rows(*(each[:count].copy() for each in room)))
        here = f"record {int(counted[_RECORDS]) + 1:,} (byte {source.at:,})"
        if counted[_STOPPED]:
            kind, said = "damage", f"{here} has no length; what follows was left unread"
        elif source.most_records is not None and counted[_RECORDS] > source.most_records:
            kind, said = "bomb", "it unpacks to too many records for its size; the rest was left unread"
        elif not source.fill():
            if source.trouble or source.end > source.start:
                kind, said = "cut", f"{source.trouble or f'it ends inside {here}'}; the records before are kept"
            break
    rows = Rows(*(np.concatenate(columns) for columns in zip(*parts, strict=True)))
    record = int(counted[_RECORDS]) + 1
    return rows, counted, [Caveat(label, record, source.at, kind, f"{name}: {said}")] if said else []


def _guessed(rows: Rows) -> Rows:
    """Return the rows with src and dst exchanged where ra does: no opening was seen, and src's port is the well-known one."""
    turn = (rows.proto == _TCP) & (rows.status & _OPENED == 0)
    turn &= (rows.port[:, 0] < _WELL_KNOWN) & (rows.port[:, 1] >= _WELL_KNOWN)
    if turn.any():
        rows.port[turn] = rows.port[turn][:, ::-1]
        rows.payload[turn] = rows.payload[turn][:, ::-1]
        for each in (rows.address, rows.count):
            each[turn] = each[turn][:, [2, 3, 0, 1]]
    return rows


def _keys(rows: Rows) -> tuple[np.ndarray, np.ndarray, int]:
    """Return a number for who talked to whom, whichever way round for TCP and UDP; which way that was; how many there are."""
    from nsm_nb.kernels.flow_addresses import numbered

    tag = rows.tag.astype(np.int64)
    _, codes = numbered([(rows.address[:, at].copy(), rows.address[:, at + 1].copy(), tag) for at in (0, 2)])
    ends = [(codes[side].astype(np.int64) << 16) | rows.port[:, side] for side in (0, 1)]
    flipped = (ends[0] > ends[1]) & ((rows.proto == _TCP) | (rows.proto == _UDP))
    low, high = np.where(flipped, ends[1], ends[0]), np.where(flipped, ends[0], ends[1])
    key = pd.factorize(low)[0].astype(np.int64) << 32 | pd.factorize(high)[0]
    layer = ((rows.vlan.astype(np.int64) & 0xFFFF) << 16) | (rows.proto.astype(np.int64) & 0xFFFF)
    key, known = pd.factorize(pd.factorize(key)[0].astype(np.int64) << 32 | layer)
    return key.astype(np.int64), flipped, len(known)


def _told(counted: np.ndarray, records: int, merged: Rows, label: str) -> list[Caveat]:
    sessions = len(merged.proto)
    unlinked = int((merged.link < 0).sum())
    parts = f"{many(records, 'record is', 'records are')} {many(sessions, 'session')}"
    management, unknown, other, poor = (int(counted[each]) for each in (MANAGEMENT, UNKNOWN, OTHER, POOR))
    none = many(management, "management record of Argus is no session", "management records of Argus are no sessions")
    out = form(management, "it was", "they were"), form(poor, "it was", "they were")
    lack = many(poor, "record lacks", "records lack")
    were = form(unknown, "was", "were"), form(other, "was", "were")
    their = many(unlinked, "session has no octets: its", "sessions have no octets: their")
    said = [
        (management, "management", f"{none}; {out[0]} left out"),
        (records - sessions, "pieces", f"{parts}: Argus tells of a long one every 5 s"),
        (unknown, "format", f"{many(unknown, 'record')} of neither IP nor ARP {were[0]} left out"),
        (other, "format", f"{many(other, 'record')} of events and of unknown type {were[1]} passed over"),
        (poor, "format", f"{lack} who, when or how much; {out[1]} left out"),
        (unlinked, "octets", f"{their} link layer is not known, and Argus counts whole frames"),
    ]
    name = printable(label)
    return [Caveat(label, None, None, kind, f"{name}: {each}") for count, kind, each in said if count]


def _states(rows: Rows, names: pd.Categorical) -> pd.Categorical:
    """Return the states that ra of Argus 3 prints (reference/seed-systems.md 9)."""
    both = (rows.count[:, 0] > 0) & (rows.count[:, 2] > 0)
    states = np.where(both, "CON", "INT").astype(object)
    tcp = rows.proto == _TCP
    states[tcp] = "CON"
    for bits, state in reversed(_STATES):
        states[tcp & ((rows.status & bits != 0) if bits else rows.cause == _TIMEOUT)] = state
    for place, name in enumerate(names.categories):
        if name in ("icmp", "icmp6"):
            mine = np.flatnonzero(names.codes == place)
            told, which = np.unique(rows.port[mine, 0], return_inverse=True)
            states[mine] = np.array([icmp_state(name, int(each) >> 8, int(each) & 0xFF) for each in told], object)[
                which
            ]
    return pd.Categorical(pd.array(states, dtype="str"))


def _table(rows: Rows, label: str, fingerprint: Fingerprint) -> pd.DataFrame:
    tag = rows.tag.astype(np.int64)
    known = np.unique(rows.proto)
    titles = ["arp" if each == ARP else str(protocol_name(int(each))) for each in known]
    names = pd.Categorical.from_codes(
        np.searchsorted(known, rows.proto), categories=pd.Index(titles, dtype="str")
    ).reorder_categories(sorted(titles))
    src, dst = (Addresses(rows.address[:, at].copy(), rows.address[:, at + 1].copy(), tag) for at in (0, 2))
    table = flow_table(
        src=src,
        dst=dst,
        proto=names,
        start=rows.time[:, 0],
        end=rows.time[:, 1],
        label=label,
        source=NAME,
        digest=fingerprint.digits(),
        src_port=rows.port[:, 0],
        dst_port=rows.port[:, 1],
        src_packets=_whole(rows.count[:, 0]),
        dst_packets=_whole(rows.count[:, 2]),
        src_octets=_octets(rows.count[:, 1], rows.count[:, 0], rows.link),
        dst_octets=_octets(rows.count[:, 3], rows.count[:, 2], rows.link),
        vlan=_whole(rows.vlan),
        sensor=_sensors(rows.sensor),
        record=rows.record,
        direction_known=(rows.status & _OPENED != 0) | (rows.proto == ARP),
    )
    result = table[list(SESSIONS.columns)].copy(deep=False)
    result["state"] = _states(rows, names)
    result["src_payload"], result["dst_payload"] = (_whole(rows.payload[:, side]) for side in (0, 1))
    result.attrs = {}
    return with_caveats(result, caveats_of(table))


def _whole(values: np.ndarray) -> pd.arrays.IntegerArray:
    return masked(values, values < 0, dtype=np.int64)


def _octets(frames: np.ndarray, packets: np.ndarray, link: np.ndarray) -> pd.arrays.IntegerArray:
    """Return IP bytes: those of the frames less their link layer; missing where that is not known, or leaves no IP header."""
    left = frames - packets * link
    return _whole(np.where((link < 0) | (left < _LEAST_IP * packets), -1, left))


def _sensors(numbers: np.ndarray) -> pd.Categorical:
    """Return the identifiers of Argus' sources, which are written as addresses; missing where none was given."""
    codes, known = pd.factorize(np.where(numbers == 0, -1, numbers))
    texts = [str(ipaddress.IPv4Address(int(each))) if each > 0 else "" for each in known]
    kept = sorted(set(texts) - {""})
    lookup = np.array([kept.index(each) if each else -1 for each in texts], np.int32)
    return pd.Categorical.from_codes(lookup[codes] if len(codes) else codes, categories=pd.Index(kept, dtype="str"))
