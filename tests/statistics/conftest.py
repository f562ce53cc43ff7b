"""Tables by hand and by chance for the tests of statistics, and tcpdstat's listings as data."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

import nsm_nb as nsm
from nsm_nb.schema import PACKETS, SESSIONS

DATA = Path(__file__).parent / "data"


@pytest.fixture(scope="session")
def seed() -> pd.DataFrame:
    """The 137 packets whose truth is known by construction."""
    return nsm.read_packets(DATA / "seed.pcap", label="seed.pcap")


@pytest.fixture(scope="session")
def staged(evidence) -> pd.DataFrame:
    """The packets of the bundled case."""
    return nsm.read_packets(evidence / "staged.pcap", label="staged.pcap")


@pytest.fixture(scope="session")
def tcpdstat():
    """A function that gives what tcpdstat printed of ``seed`` or ``www-files01``."""
    return lambda name: _read_tcpdstat((DATA / f"{name}.tcpdstat.txt").read_text())


def _read_tcpdstat(text: str) -> dict:
    """Return tcpdstat's listing as data."""

    def found(pattern: str):
        match = re.search(pattern, text)
        return match.groups() if match else None

    def shares(title: str) -> list[float]:
        match = re.search(rf"{re.escape(title)}.*\n((?: *[\d.]+%)+)", text)
        return [float(each) for each in re.findall(r"[\d.]+", match[1])] if match else []

    return {
        "packets": int(found(r"# of packets: (\d+)")[0]),
        "duration": float(found(r"TotalTime: ([\d.]+)")[0]),
        "longest": int(found(r"CapLen: (\d+)")[0]),
        "start": pd.Timestamp(found(r"StartTime: (.*)")[0], tz="UTC"),
        "end": pd.Timestamp(found(r"EndTime: +(.*)")[0], tz="UTC"),
        "rate": found(r"AvgRate: (\S+)  stddev:(\S+) +PeakRate: (\S+)"),
        "flows": int(flows[0]) if (flows := found(r"# of flows: (\d+)")) else None,
        "flow_shares": shares("big flow size"),
        "addresses": int(number[0]) if (number := found(r"# of IPv4 addresses: (\d+)")) else None,
        "address_shares": shares("bandwidth usage"),
        "sizes": [tuple(map(int, each)) for each in re.findall(r"\[ *(\d+)- *(\d+)\]: +(\d+)", text)],
        "rows": [
            (int(level), name, int(packets), float(share), int(length), float(part), float(mean))
            for level, name, packets, share, length, part, mean in re.findall(
                r"^\[(\d)\] +(\S+) +(\d+) \( *([\d.]+)%\) +(\d+) \( *([\d.]+)%\) +([\d.]+)$", text, re.MULTILINE
            )
        ],
    }


def _packets_of(times, lengths=60, **columns) -> pd.DataFrame:
    """Return a table of PACKETS with these times (nanoseconds or NaT) and lengths, the rest by keyword."""
    count = len(times)
    table = {
        "evidence": ["by hand"] * count,
        "frame": np.arange(1, count + 1),
        "time": pd.to_datetime(pd.Series(times, dtype=object), unit="ns", utc=True),
        "length": np.broadcast_to(lengths, count),
        "captured": np.broadcast_to(lengths, count),
        "src_ip": ["10.0.0.1"] * count,
        "dst_ip": ["10.0.0.2"] * count,
        "src_port": pd.array([40_000] * count, "UInt16"),
        "dst_port": pd.array([80] * count, "UInt16"),
        "proto": ["tcp"] * count,
        "layers": ["eth:ip:tcp"] * count,
        **columns,
    }
    return PACKETS.conform(pd.DataFrame(table))


def _sessions_of(rows: list[dict]) -> pd.DataFrame:
    """Return a table of SESSIONS from rows that name only what matters."""
    columns = {name: [row.get(name) for row in rows] for name in SESSIONS.columns}
    return SESSIONS.conform(pd.DataFrame(columns, index=range(len(rows))))


@pytest.fixture(scope="session")
def packets_of():
    """A function that gives packets with the times, lengths and columns that a test names."""
    return _packets_of


@pytest.fixture(scope="session")
def sessions_of():
    """A function that gives sessions from rows that name only what matters."""
    return _sessions_of
