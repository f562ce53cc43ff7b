"""What is counted once by intervals gives, for any window and filter, what the plain way over all packets gives."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

import nsm_nb as nsm
from nsm_nb import statistics
from nsm_nb.errors import QueryError
from nsm_nb.schema import ALERTS, PACKETS, SESSIONS
from nsm_nb.sessions import assemble
from nsm_nb.statistics.overview import Overview
from nsm_nb.statistics.windows import interval, whole_intervals

DAY = pd.Timestamp("2026-11-24T00:00:00Z")
QUERIES = ["", "udp and not port 53", "host 10.10.30.102", "src 2001:db8:30::/64 or arp", "octets > 5k"]
YEARS = 10 * 365 * 86_400


@pytest.fixture(scope="module")
def tables(evidence):
    sessions, packets = assemble(nsm.read_packets(evidence / "staged.pcap", label="staged.pcap"))
    return packets, sessions


@pytest.fixture(scope="module")
def overview(tables):
    return Overview(*tables)


def same(one, other):
    pd.testing.assert_frame_equal(
        one.reset_index(drop=True), other.reset_index(drop=True), check_dtype=False, check_categorical=False
    )


@pytest.mark.parametrize("query", QUERIES)
@pytest.mark.parametrize("seconds", [(0, 86_400), (9090, 9150), (9105.5, 9106), (0, 1), (9140, 9141)])
def test_a_window_is_what_the_plain_way_gives(tables, overview, seconds, query):
    packets, sessions = tables
    overview.narrow(query)
    window = overview.snapped(tuple(DAY + pd.Timedelta(seconds=each) for each in seconds))
    plain_packets, plain_sessions = statistics.part(packets, sessions, window=window, query=query)

    totals = overview.totals(window)
    assert totals["packets"] == len(plain_packets)
    assert totals["length"] == plain_packets["length"].sum()
    assert totals["sessions"] == len(plain_sessions)
    same(overview.protocols(window), statistics.protocols(plain_packets))
    same(overview.sizes(window), statistics.sizes(plain_packets))
    found = overview.of(window)
    for column in (
        "session",
        *(f"{side}_{what}" for side in ("src", "dst") for what in ("packets", "octets", "payload")),
    ):
        assert found[column].tolist() == plain_sessions[column].tolist()
    carried = overview.carried(window)
    for of in ("hosts", "pairs", "ports", "networks"):
        ranked = overview.ranking.talkers(of, carried, by="octets")
        same(ranked, statistics.talkers(plain_sessions, of=of)[list(ranked)])
    for answered in (True, False):
        ranked = overview.ranking.services(carried, answered=answered)
        same(ranked, statistics.services(plain_sessions, answered=answered)[list(ranked)])


def test_the_whole_time_is_what_the_sessions_say(tables):
    packets, sessions = tables
    whole = (packets["time"].min(), packets["time"].max() + pd.Timedelta("1ns"))

    _, parted = statistics.part(packets, sessions, window=whole)

    for name in ("src_packets", "dst_packets", "src_octets", "dst_octets", "src_payload", "dst_payload"):
        assert parted[name].tolist() == sessions[name].tolist()


@pytest.mark.parametrize("by", ["octets", "packets", "sessions"])
@pytest.mark.parametrize("of", ["hosts", "pairs", "ports", "networks"])
@pytest.mark.parametrize("seed", range(2))
def test_ranking_is_what_talkers_gives_whatever_is_missing(tables, seed, of, by):
    sessions = tables[1].sample(300, random_state=seed).reset_index(drop=True)
    chance = np.random.default_rng(seed)
    for name in ("src_octets", "dst_octets", "dst_packets", "dst_port", "src_ip", "proto"):
        sessions[name] = sessions[name].mask(chance.random(300) < 0.2)
    sessions["src_ip"] = sessions["src_ip"].where(
        chance.random(300) < 0.9, sessions["dst_ip"]
    )  # some talk to themselves
    home = ["10.10.0.0/16", "10.10.20.0/24"]
    overview = Overview(PACKETS.empty(), sessions, home=home)

    found = overview.ranking.talkers(of, overview.carried(), by=by)
    same(found, statistics.talkers(sessions, of=of, by=by, home=home)[list(found)])
    for answered in (True, False):
        found = overview.ranking.services(overview.carried(), answered=answered)
        same(found, statistics.services(sessions, answered=answered)[list(found)])


def test_windows_side_by_side_add_up_to_the_whole(overview):
    overview.narrow("")
    start, end = overview.snapped(None)
    middle = overview.snapped((start, start + (end - start) / 3))[1]
    parts = [overview.of(each) for each in ((start, middle), (middle, end))]

    for name in ("src_octets", "dst_packets"):
        assert sum(each[name].sum() for each in parts) == overview.of()[name].sum()


@pytest.mark.parametrize("value", ["packets", "octets"])
@pytest.mark.parametrize("by", ["proto", "host", "direction"])
def test_a_timeline_parts_what_there_is_and_loses_nothing(tables, value, by):
    packets, sessions = tables
    overview = Overview(packets, sessions, home=["10.10.0.0/16", "172.16.10.0/24"])
    table = overview.timeline(value, by)
    plain = statistics.timeline(packets, every=table.attrs["every"], value=value)

    assert table.sum(axis=1).tolist() == plain.iloc[:, 0].tolist()
    assert table.index[0] == plain.index[0]
    if by == "proto":
        plain = statistics.timeline(packets, every=table.attrs["every"], value=value, by="proto")
        assert {name: table[name].tolist() for name in table} == {
            name: plain[name].tolist() for name in plain if plain[name].any()
        }


def test_the_direction_is_that_of_the_home_networks(tables):
    packets, sessions = tables
    table = Overview(packets, sessions, home=["10.10.0.0/16"]).timeline("packets", "direction")
    ours = [packets[f"{end}_ip"].astype("str").str.startswith("10.10.").fillna(False) for end in ("src", "dst")]
    there = packets["session"].notna()

    assert table["outbound"].sum() == (ours[0] & ~ours[1] & there).sum()
    assert table["inbound"].sum() == (~ours[0] & ours[1] & there).sum()


def test_alerts_follow_the_session_they_are_about(tables):
    packets, sessions = tables
    row = sessions[sessions["dst_port"] == 445].iloc[0]
    alerts = ALERTS.conform(pd.DataFrame({"time": [row["start"]] * 2, "proto": ["tcp", "udp"], "alert": ["a", "b"]}))
    overview = Overview(packets, sessions, alerts.assign(session=pd.array([row["session"], None], "Int64")))

    overview.narrow("dst port 445")

    assert overview.marks()["alert"].tolist() == ["a"]
    assert overview.timeline("alerts").sum().to_dict() == {"tcp": 1}
    assert overview.totals()["alerts"] == 1


def test_a_wrong_filter_is_told_and_the_old_one_holds(overview):
    overview.narrow("udp")
    before = overview.totals()
    with pytest.raises(QueryError):
        overview.narrow("udp and and")

    assert overview.query == "udp"
    assert overview.totals() == before
    overview.narrow("")


def test_looking_closer_counts_in_finer_intervals(tables, overview):
    overview.narrow("")
    window = overview.snapped((DAY + pd.Timedelta("2h31m40s"), DAY + pd.Timedelta("2h31m50s")))
    coarse = overview.totals(window)
    overview.look(window)

    assert overview.view.every == "20ms"
    assert overview.snapped(None) == window
    assert {**overview.totals(), "alerts": 0} == {**coarse, "alerts": 0}
    overview.look(None)


def test_flow_records_alone_are_counted_where_they_begin(tables):
    sessions = tables[1].assign(source="netflow")
    overview = Overview(PACKETS.empty(), sessions)

    assert overview.timeline("sessions").sum().sum() == len(sessions)
    assert overview.timeline("octets").sum().sum() == sessions["src_octets"].sum() + sessions["dst_octets"].sum()
    assert overview.totals() == {
        "packets": 0,
        "length": 0,
        "sessions": len(sessions),
        "flows": len(sessions),
        "alerts": 0,
    }
    same(overview.protocols(), statistics.protocols(sessions))
    assert overview.sizes().empty
    window = overview.snapped((sessions["start"].min(), sessions["start"].min() + pd.Timedelta("10s")))
    touching = sessions[(sessions["start"] < window[1]) & (sessions["end"] >= window[0])]
    assert overview.of(window)["src_octets"].tolist() == touching["src_octets"].tolist()


def test_the_packets_of_the_capture_that_a_session_names_count_once(tables):
    packets, sessions = tables
    names = pd.CategoricalDtype(["staged.pcap", "copy.pcap"])
    twice = pd.concat(
        [packets.assign(evidence=pd.Categorical([name] * len(packets), dtype=names)) for name in names.categories],
        ignore_index=True,
    )
    window = (DAY, DAY + pd.Timedelta("1D"))

    found, parted = statistics.part(twice, sessions, window=window)
    overview = Overview(twice, sessions)

    assert len(found) == 2 * len(packets)
    assert parted["src_octets"].tolist() == sessions["src_octets"].tolist()
    assert overview.of(overview.snapped(window))["src_octets"].tolist() == sessions["src_octets"].tolist()
    assert overview.totals()["packets"] == 2 * len(packets)


@pytest.mark.parametrize(
    "seconds", [[5], [5, 5, 5], [0, 1], [9, 4, 6, 1], [0, YEARS], [-60 * 365 * 86_400, 200 * 365 * 86_400]],
    ids=["one packet", "all at once", "one second", "backwards", "ten years", "centuries"],
)  # fmt: skip
def test_any_times_can_be_counted(seconds):
    time = pd.to_datetime(pd.Series(seconds), unit="s", utc=True).astype("datetime64[ns, UTC]")
    table = pd.DataFrame({"time": time, "length": 60, "captured": 60, "octets": 46, "payload": 4, "proto": "udp",
                          "src_ip": "10.0.0.1", "dst_ip": "10.0.0.2", "src_port": 1, "dst_port": 53, "layers": "eth:ip:udp",
                          "evidence": "one.pcap", "frame": range(1, len(seconds) + 1)})  # fmt: skip
    sessions, packets = assemble(PACKETS.conform(table))
    overview = Overview(packets, sessions)

    assert overview.timeline().to_numpy().sum() == len(seconds)
    assert overview.totals(overview.snapped((time.min(), time.max() + pd.Timedelta("1ns"))))["packets"] == len(seconds)
    overview.look((time.min(), time.min() + pd.Timedelta("1ns")))
    assert overview.totals()["packets"] == seconds.count(min(seconds))


def test_packets_without_a_time_are_not_in_any_window(tables):
    packets, sessions = tables
    when = packets["time"].copy()
    when.iloc[[3, 7]] = pd.NaT

    overview = Overview(packets.assign(time=when), sessions)

    assert overview.totals()["packets"] == len(packets) - 2


def test_nothing_is_counted_of_nothing():
    overview = Overview(PACKETS.empty(), SESSIONS.empty())

    assert overview.timeline().empty
    assert overview.protocols().empty
    assert overview.of().empty
    assert not overview.anything
    assert statistics.part(PACKETS.empty(), SESSIONS.empty(), window=("2026-11-24", "2026-11-25"))[1].empty


@given(
    st.integers(0, 10**12),
    st.integers(1, 10**9),
    st.integers(1, 500),
    st.integers(-(10**6), 10**13),
    st.integers(1, 10**13),
)
def test_whole_intervals_hold_the_window_that_is_inside_and_no_more(start, step, count, first, length):
    window = (pd.Timestamp(first, tz="UTC"), pd.Timestamp(first + length, tz="UTC"))
    low, high = whole_intervals(start, step, count, window)
    touched = [each for each in (low, high - 1) if low < high]

    assert 0 <= low <= high <= count
    for each in touched:
        assert start + each * step < first + length and start + (each + 1) * step > first
    if low > 0 and low < high:
        assert start + low * step <= first
    if high < count and low < high:
        assert start + high * step >= first + length


@pytest.mark.parametrize("seconds", [0, 0.0004, 1, 498.6, 86_400, YEARS, 500 * 365 * 86_400])
def test_the_interval_parts_any_span_into_few(seconds):
    assert seconds / pd.Timedelta(interval(seconds)).total_seconds() <= 501


def test_many_sessions_are_counted_in_the_other_way_too(tables, monkeypatch):
    monkeypatch.setattr("nsm_nb.statistics._counts.MOST_COUNTERS", 1)
    packets, sessions = tables
    overview = Overview(packets.head(2000), sessions)
    window = overview.snapped((DAY + pd.Timedelta("2h30m10s"), DAY + pd.Timedelta("2h30m40s")))
    _, plain = statistics.part(packets.head(2000), sessions, window=window)
    found = overview.of(window)

    # a session none of whose packets is there counts as a record
    assert found["src_octets"].tolist() == plain["src_octets"].tolist()
    assert np.isin(plain["session"], found["session"]).all()
