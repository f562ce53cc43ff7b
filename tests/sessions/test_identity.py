"""What names a conversation: numbers are all different, and records that a session is about are found."""

from __future__ import annotations

import numpy as np
import pandas as pd
from hypothesis import given, settings
from hypothesis import strategies as st

from nsm_nb.schema import SESSIONS
from nsm_nb.sessions.endpoints import Endpoints
from nsm_nb.sessions.identity import stable_numbers, uncovered, with_community_id, with_numbers


def table(rows):
    frame = pd.DataFrame(rows, columns=["src_ip", "src_port", "dst_ip", "dst_port", "proto", "start", "end"])
    for name in ("start", "end"):
        frame[name] = pd.to_datetime(frame[name], unit="s", utc=True)
    return SESSIONS.conform(frame)


def test_sessions_of_one_start_and_endpoints_have_numbers_of_their_own():
    same = np.zeros(50_000, np.int64)
    ends = Endpoints(same, same, same + 4)
    ports = same.astype(np.uint16)

    numbers = stable_numbers(ends, ends, ports, ports, same.astype(np.int32), same)

    assert len(set(numbers.tolist())) == 50_000
    assert numbers.tolist() == list(range(numbers[0], numbers[0] + 50_000))


def test_flow_records_get_numbers_and_community_ids():
    rows = table([("10.0.0.1", 1, "10.0.0.2", 2, "tcp", 5, 6), ("10.0.0.1", None, "10.0.0.2", None, "icmp", 5, 6)])

    named = with_numbers(with_community_id(rows))

    assert named["session"].is_unique
    assert named["community_id"].notna().tolist() == [True, False]
    assert rows["session"].isna().all()


ROW = st.tuples(
    st.sampled_from(["10.0.0.1", "10.0.0.2"]), st.integers(1, 2), st.sampled_from(["10.0.0.1", "10.0.0.2"]), st.integers(1, 2),
    st.sampled_from(["tcp", "udp"]), st.sampled_from([*range(60), None]), st.one_of(st.integers(0, 20), st.none()),
).map(lambda row: (*row[:6], None if None in row[5:] else row[5] + row[6]))  # fmt: skip


def slow(records, sessions):
    def ends(row):
        return row[4], *sorted([row[0:2], row[2:4]])

    def times(row):
        return row[5], row[5] if row[6] is None else row[6]  # of one without an end only the start is known

    def touch(one, other):
        if one[5] is None or other[5] is None:
            return False
        (start, end), (since, until) = times(one), times(other)
        return since <= end + 5 and until >= start - 5

    return [not any(ends(one) == ends(other) and touch(one, other) for other in sessions) for one in records]


@settings(max_examples=60)
@given(st.lists(ROW, max_size=12), st.lists(ROW, max_size=12))
def test_uncovered_records_are_those_that_touch_no_session_of_their_conversation(records, sessions):
    mine = uncovered(with_community_id(table(records)), with_community_id(table(sessions)))

    assert mine.tolist() == slow(records, sessions)


def test_many_records_of_one_conversation_take_no_pairs():
    count = 30_000
    rows = table([("10.0.0.1", 1, "10.0.0.2", 2, "tcp", 100 * each, 100 * each + 1) for each in range(count)])

    assert not uncovered(with_community_id(rows), with_community_id(rows)).any()
