"""Every function on the tables that break counters: nothing, one packet, one moment, times that run back, ten years."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from nsm_nb import statistics
from nsm_nb.schema import PACKETS, SESSIONS

SECOND = 10**9
YEARS = 10 * 365 * 86_400 * SECOND

TIMES = {
    "nothing": [],
    "one packet": [5 * SECOND],
    "one second": [SECOND, SECOND + 1, SECOND + 999_999_999],
    "one moment": [7 * SECOND] * 5,
    "backwards": [9 * SECOND, 5 * SECOND, 1 * SECOND],
    "ten years": [0, YEARS // 2, YEARS],
    "before 1970": [-YEARS, -1, 0],
    "the ends of time": [-(2**63) + 1, 2**63 - 1],
    "no times": [None, None],
    "some times": [None, 3 * SECOND, None],
}
OF_PACKETS = {
    "summary": statistics.summary, "plain": lambda table: statistics.summary(table).text(),
    "tcpdstat": lambda table: statistics.summary(table).text("tcpdstat"),
    "as printed": lambda table: statistics.summary(table).text("tcpdstat", as_printed=True),
    "html": lambda table: statistics.summary(table)._repr_html_(),
    "protocols": statistics.protocols, "breakdown": statistics.breakdown, "sizes": statistics.sizes,
    "timeline": statistics.timeline, "by host": lambda table: statistics.timeline(table, by="host", n=1),
    "months": lambda table: statistics.timeline(table, every="MS"),
    "entropy": statistics.entropy, "entropy over time": lambda table: statistics.entropy(table, every="1s"),
    "hosts": statistics.hosts, "compare": lambda table: statistics.compare(table, table.iloc[:1]),
    "rates": lambda table: statistics.compare(table.iloc[:1], table, rates=True),
}  # fmt: skip
OF_SESSIONS = {
    "summary": statistics.summary, "plain": lambda table: statistics.summary(table).text(),
    "html": lambda table: statistics.summary(table)._repr_html_(),
    "protocols": statistics.protocols, "services": statistics.services, "hosts": statistics.hosts,
    "timeline": lambda table: statistics.timeline(table, value="octets"),
    **{of: lambda table, of=of: statistics.talkers(table, of=of, home=["10.0.0.0/31"])
       for of in ("hosts", "pairs", "ports", "networks")},
    "entropy": lambda table: statistics.entropy(table, every="1s"),
    "compare": lambda table: statistics.compare(table, table.iloc[:1], rates=True),
}  # fmt: skip


def kind(column):
    """Return what kind of dtype a column has; whether an integer is of 32 or 64 bits does not matter."""
    return column.dtype.kind if isinstance(column.dtype, np.dtype) else str(column.dtype)[:8]


def answered(told, empty):
    """Say whether an answer is one: text, figures or a table whose columns have the types of the empty one."""
    if isinstance(told, pd.DataFrame):
        shared = [name for name in empty if name in told]
        return [kind(told[name]) for name in shared] == [kind(empty[name]) for name in shared]
    return bool(str(told))


@pytest.mark.slow
@pytest.mark.parametrize("function", OF_PACKETS)
@pytest.mark.parametrize("times", TIMES)
def test_packets_of_any_times_are_answered(packets_of, function, times):
    table = packets_of(TIMES[times]) if TIMES[times] else PACKETS.empty()
    before = table.copy()

    assert answered(OF_PACKETS[function](table), OF_PACKETS[function](PACKETS.empty()))
    pd.testing.assert_frame_equal(table, before)


@pytest.mark.slow
@pytest.mark.parametrize("function", OF_SESSIONS)
@pytest.mark.parametrize("times", TIMES)
def test_sessions_of_any_times_are_answered(sessions_of, function, times):
    rows = [
        {"start": start, "end": end, "src_ip": "10.0.0.1", "dst_ip": "10.0.0.2", "proto": "tcp", "dst_port": 80,
         "src_packets": 1, "src_octets": 40}
        for start, end in zip(pd.to_datetime(TIMES[times], utc=True), pd.to_datetime(TIMES[times][::-1], utc=True), strict=True)
    ]  # fmt: skip
    table = sessions_of(rows)

    assert answered(OF_SESSIONS[function](table), OF_SESSIONS[function](SESSIONS.empty()))


def test_ten_years_of_seconds_are_fewer_intervals_and_a_note_says_so(packets_of):
    table = statistics.timeline(packets_of([0, YEARS]), every="1s")

    assert len(table) <= 1 << 20
    assert table["packets"].sum() == 2
    assert table.attrs["notes"] == ["intervals of 10min, as 1s would give more than 1,048,576 of them"]
