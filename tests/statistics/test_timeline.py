"""The timeline against pandas' resample, and on times that no clock should give."""

from __future__ import annotations

import time

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from nsm_nb.errors import MissingColumn
from nsm_nb.schema import PACKETS
from nsm_nb.statistics import timeline
from nsm_nb.statistics.timeline import MOST_INTERVALS

SECOND = 10**9
OFFSETS = ["1s", "250ms", "7s", "1min", "90s", "1h", "5h", "1D", "3D", "W", "MS", "ME", "QS", "B", "2MS"]


def slow(packets, every, by=None, value="packets"):
    """Return the timeline as pandas' group-by and resample make it."""
    table = packets.dropna(subset=["time"]).set_index("time").sort_index()
    result = _resampled(table, every, by, value)
    if every.lstrip("0123456789") in ("W", "ME", "QE", "YE"):  # pandas labels these by their last day
        result.index = (
            pd.DatetimeIndex(
                [each.tz_localize(None).to_period(every.rstrip("E")).start_time for each in result.index], name="time"
            )
            .tz_localize("UTC")
            .as_unit("ns")
        )
    return result


def _resampled(table, every, by, value):
    table = table.assign(amount=1 if value == "packets" else table[value].astype("int64"))
    if by is None:
        return table["amount"].resample(every).sum().to_frame(value)
    names = table[by].astype(object).where(table[by].notna(), "none")
    columns = {name: table["amount"].where(names == name, 0).resample(every).sum() for name in names.unique()}
    return pd.DataFrame(columns).astype("int64")


@settings(max_examples=60, deadline=None)
@given(
    packets=st.lists(
        st.tuples(
            st.integers(0, 40 * 86_400 * SECOND), st.integers(0, 65_535), st.sampled_from(["tcp", "udp", "arp", None])
        ),
        min_size=1,
        max_size=25,
    ),
    start=st.sampled_from([0, 1_068_742_802 * SECOND, -5 * 86_400 * SECOND + 1]),
    every=st.sampled_from(OFFSETS[3:]),
    by=st.sampled_from([None, "proto"]),
    value=st.sampled_from(["packets", "length"]),
)
def test_the_timeline_agrees_with_the_slow_way(packets_of, packets, start, every, by, value):
    times, lengths, protocols = zip(*packets, strict=True)
    table = packets_of([start + each for each in times], list(lengths), proto=pd.Categorical(protocols))
    told, expected = timeline(table, every=every, by=by, value=value), slow(table, every, by, value)

    assert told.index.equals(expected.index)
    assert {name: told[name].tolist() for name in told} == {name: expected[name].tolist() for name in expected}


@pytest.mark.parametrize("every", OFFSETS)
def test_any_offset_gives_what_resample_gives(staged, every):
    told, expected = timeline(staged, every=every, by="proto"), slow(staged, every, "proto")

    assert told.index.equals(expected.index)
    pd.testing.assert_frame_equal(
        told, expected[list(told)], check_freq=False, check_dtype=False, check_column_type=False, check_names=False
    )


def test_the_bundled_case_has_its_packets_and_bytes(staged):
    told = timeline(staged, value="length")

    assert len(timeline(staged)) == 500
    assert timeline(staged)["packets"].sum() == 9746
    assert told["length"].sum() == 3_068_989
    assert told["length"].max() * 8 == pytest.approx(3.48e6, rel=0.002)  # tcpdstat's PeakRate
    assert (told["length"] == 0).sum() == 200


def test_columns_are_in_the_order_of_their_amounts(staged):
    told = timeline(staged, by="proto", value="length")

    assert list(told)[:3] == ["tcp", "udp", "icmp"]
    assert told.sum().is_monotonic_decreasing
    assert told.to_numpy().sum() == 3_068_989


def test_only_values_that_are_there_have_a_column(packets_of):
    kinds = pd.Categorical(["tcp", None], categories=["arp", "tcp", "udp"])

    assert set(timeline(packets_of([0, 1], proto=kinds), by="proto")) == {"tcp", "none"}


def test_sessions_are_counted_by_their_start(sessions_of):
    table = sessions_of([{"start": "2026-01-01T00:00:01Z", "src_octets": 5}, {"start": "2026-01-01T00:00:03Z"}])
    told = timeline(table, time="start", value="sessions")
    octets = timeline(table, time="start", value="src_octets")

    assert told["sessions"].tolist() == [1, 0, 1]
    assert octets["src_octets"].tolist() == [5, 0, 0]
    assert octets.attrs["notes"] == [
        "1 row without src_octets adds nothing",
        "a session is counted with all it carried in the interval in which it began",
    ]


@pytest.mark.parametrize(
    ("times", "expected"),
    [
        ([5 * SECOND], [1]),
        ([5 * SECOND] * 3, [3]),
        ([9 * SECOND, 7 * SECOND, 8 * SECOND], [1, 1, 1]),
        ([-1, 0], [1, 1]),
        ([SECOND - 1, SECOND], [1, 1]),
    ],
)
def test_odd_times_are_counted(packets_of, times, expected):
    assert timeline(packets_of(times))["packets"].tolist() == expected


def test_no_packets_give_an_empty_typed_table():
    told = timeline(PACKETS.empty())

    assert len(told) == 0
    assert list(told) == ["packets"]
    assert str(told.index.dtype) == "datetime64[ns, UTC]"
    assert len(timeline(PACKETS.empty(), by="proto")) == 0


def test_rows_without_a_time_are_left_out_and_told(packets_of):
    told = timeline(packets_of([0, pd.NaT, SECOND]))

    assert told["packets"].tolist() == [1, 1]
    assert told.attrs["notes"] == ["1 row without a time left out"]
    assert len(timeline(packets_of([pd.NaT]))) == 0


def test_ten_years_of_seconds_become_longer_intervals_and_say_so(packets_of):
    told = timeline(packets_of([0, 10 * 365 * 86_400 * SECOND]), by="proto")

    assert len(told) <= MOST_INTERVALS
    assert told.attrs["every"] == "10min"
    assert told["tcp"].sum() == 2
    assert "intervals of 10min, as 1s would give more than" in told.attrs["notes"][0]


def test_intervals_that_were_asked_for_are_kept_where_they_fit(packets_of):
    told = timeline(packets_of([0, 10 * 365 * 86_400 * SECOND]), every="1h")

    assert told.attrs["every"] == "1h"
    assert told.attrs["notes"] == []
    assert len(told) == 87_601


@pytest.mark.parametrize("every", ["1ns", "1s", "1D", "MS"])
def test_all_times_that_a_table_can_hold_are_counted(packets_of, every):
    ends = [pd.Timestamp.min.value, 0, pd.Timestamp.max.value]
    told = timeline(packets_of(ends), every=every)

    assert told["packets"].sum() == 3
    assert len(told) <= MOST_INTERVALS


@pytest.mark.parametrize("every", ["soon", "", "-1s", "0s", "bh", "1x"])
def test_what_is_no_length_of_time_is_refused_in_a_sentence(staged, every):
    with pytest.raises(ValueError, match=r"every=.*write"):
        timeline(staged, every=every)


def test_too_many_columns_are_refused_in_a_sentence(packets_of):
    table = packets_of([0] * 2000).assign(src_port=pd.array(range(2000), "UInt16"))

    with pytest.raises(ValueError, match="by='src_port' has 2,000 values"):
        timeline(table, by="src_port")


def test_what_can_not_be_summed_is_refused_in_a_sentence(staged):
    with pytest.raises(ValueError, match="value='layers' can't be summed"):
        timeline(staged, value="layers")


def test_a_missing_column_is_named(staged):
    with pytest.raises(MissingColumn, match="'width'"):
        timeline(staged, by="width")


def test_the_evidence_goes_with_the_table(staged):
    assert timeline(staged).attrs["evidence"] == ["staged.pcap"]


def test_a_column_called_none_is_not_taken_for_a_missing_one(packets_of):
    told = timeline(packets_of([0] * 4, proto=["none", "none", None, None]), by="proto")

    assert told.iloc[0].to_dict() == {"none": 2, "(none)": 2}


@pytest.mark.slow
def test_five_million_packets_take_a_moment():
    count = 5_000_000
    rng = np.random.default_rng(0)
    table = pd.DataFrame(
        {
            "time": pd.to_datetime(np.sort(rng.integers(0, 3600 * SECOND, count)), utc=True),
            "proto": pd.Categorical.from_codes(rng.integers(0, 3, count), ["tcp", "udp", "icmp"]),
        }
    )
    timeline(table.head(10), by="proto")
    best = min(_seconds(lambda: timeline(table, by="proto")) for _ in range(3))

    assert best < 0.6  # 0.10 s measured; the limit leaves room for a busy machine


def _seconds(job):
    start = time.perf_counter()
    job()
    return time.perf_counter() - start


def test_hosts_count_at_both_ends_and_the_smaller_ones_together(packets_of):
    table = timeline(
        packets_of([0, 1, 2, 3], [10, 20, 30, 40], src_ip=["10.0.0.1", "10.0.0.1", "10.0.0.3", "10.0.0.4"],
                   dst_ip=["10.0.0.2", "10.0.0.3", "10.0.0.1", "10.0.0.4"]),
        by="host", n=1, value="length",
    )  # fmt: skip

    assert table.iloc[0].to_dict() == {"10.0.0.1": 60, "others": 10 + 20 + 30 + 40}  # 10.0.0.4 talks to itself: once


def test_directions_are_those_of_the_home_networks(packets_of):
    packets = packets_of(
        [0, 0, 0, 0, 0], src_ip=["10.0.0.1", "192.0.2.1", "10.0.0.1", "192.0.2.1", None],
        dst_ip=["192.0.2.1", "10.0.0.1", "10.0.0.2", "192.0.2.2", "10.0.0.1"],
    )  # fmt: skip

    told = timeline(packets, by="direction", home=["10.0.0.0/8"])
    assert told.iloc[0].to_dict() == {"outbound": 1, "inbound": 1, "internal": 1, "external": 1, "none": 1}
    with pytest.raises(ValueError, match="needs the home networks"):
        timeline(packets, by="direction")


def test_a_value_called_others_is_not_the_others():
    table = pd.DataFrame({"time": pd.to_datetime([0] * 4, unit="s", utc=True), "what": ["others", "others", "a", "b"]})

    assert timeline(table, by="what", n=2).iloc[0].to_dict() == {"others": 2, "a": 1, "(others)": 1}


def test_a_table_without_times_is_refused_in_a_sentence():
    with pytest.raises(MissingColumn, match="no column 'time' of times"):
        timeline(pd.DataFrame({"length": [1]}))


@pytest.mark.parametrize(
    ("every", "begin"),
    [
        ("W", "2026-11-23"),
        ("2W", "2026-11-16"),
        ("ME", "2026-11-01"),
        ("QE", "2026-10-01"),
        ("YE", "2026-01-01"),
        ("MS", "2026-11-01"),
    ],
)
def test_an_interval_of_the_calendar_stands_under_the_day_on_which_it_begins(packets_of, every, begin):
    table = packets_of([pd.Timestamp("2026-11-24 12:00", tz="UTC").value])
    assert timeline(table, every=every).index.tolist() == [pd.Timestamp(begin, tz="UTC")]


def test_more_columns_than_sixteen_bits_count_are_laid_out(packets_of):
    count = 33_000
    hosts = [f"10.{number >> 16}.{number >> 8 & 255}.{number & 255}" for number in range(count)]
    table = packets_of([0] * count, src_ip=hosts, dst_ip=hosts)
    assert timeline(table, by="host", n=40_000).sum(axis=1).tolist() == [count]
