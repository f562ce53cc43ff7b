"""Conversations for tests: what each side says, in steps, as a capture that is then read and put together."""

from __future__ import annotations

import tempfile
from pathlib import Path

import nsm_nb as nsm
from tests import writing

SECOND = 10**9
START = 1_068_742_801


def frames(*steps, port=80, client=40000, proto="tcp", hosts=("10.0.0.1", "10.0.0.2"), start=START):
    """The frames of a conversation: (side, bytes), or (side, bytes, False) for what the sensor lost; TCP opens and closes."""
    made = []
    at = {"src": 1001, "dst": 5001}
    ends = {"src": (*hosts, client, port), "dst": (*hosts[::-1], port, client)}

    def add(side, data, flags=0x18, seen=True):
        src, dst, sport, dport = ends[side]
        if proto == "udp":
            raw = writing.ip(writing.udp(data, sport, dport), src, dst, 17)
        else:
            other = "dst" if side == "src" else "src"
            segment = writing.tcp(data, sport, dport, seq=at[side], ack=at[other], flags=flags)
            raw = writing.ip(segment, src, dst, 6)
            at[side] += len(data) + bool(flags & 3)
        if seen:
            made.append(((start + len(made)) * SECOND, writing.ethernet(raw)))

    if proto == "tcp":
        at["src"], at["dst"] = 1000, 5000
        add("src", b"", 2)
        add("dst", b"", 0x12)
        add("src", b"", 0x10)
    for side, data, *seen in steps:
        for begin in range(0, max(len(data), 1), 1400):
            add(side, data[begin : begin + 1400], seen=seen != [False])
    if proto == "tcp":
        add("src", b"", 0x11)
        add("dst", b"", 0x11)
        add("src", b"", 0x10)
    return made


def said(*steps, **ways):
    """The transcript of a conversation."""
    with tempfile.TemporaryDirectory() as folder:
        place = Path(folder) / "said.pcap"
        place.write_bytes(writing.pcap(frames(*steps, **ways)))
        sessions, rows = nsm.sessions.assemble(nsm.read_packets(place))
        return nsm.transcripts.transcript(rows, session=sessions.iloc[0])


def told(table, *columns):
    """The rows of a table as tuples of some columns."""
    return list(table[list(columns)].itertuples(index=False, name=None))
