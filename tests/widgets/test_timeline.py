import numpy as np
import pandas as pd
import pytest

from nsm_nb.errors import NsmError
from nsm_nb.widgets.timeline import Timeline


def counts(periods=499, every="1s"):
    index = pd.date_range("2026-11-24T02:30:01Z", periods=periods, freq=every)
    random = np.random.default_rng(0)
    return pd.DataFrame({"udp": random.integers(0, 9, periods), "tcp": random.integers(0, 99, periods)}, index=index)


def test_bins_hold_the_counts_largest_first():
    table = counts()
    bins = Timeline(table).bins

    assert bins["names"] == ["tcp", "udp"]
    assert bins["values"] == [table["tcp"].tolist(), table["udp"].tolist()]
    assert bins["start"] == str(pd.Timestamp("2026-11-24T02:30:01Z").value) and bins["every"] == "1000000000"


@pytest.mark.parametrize("periods", [601, 86_400, 1_000_003])
def test_a_long_time_is_folded_without_losing_a_packet(periods):
    table = counts(periods)
    bins = Timeline(table).bins

    assert len(bins["values"][0]) <= 600
    assert [sum(each) for each in bins["values"]] == [table["tcp"].sum(), table["udp"].sum()]
    assert int(bins["every"]) * len(bins["values"][0]) >= periods * 10**9


def test_the_window_is_two_times_of_nanoseconds():
    timeline = Timeline(counts())
    assert timeline.times is None

    timeline.window = ["1795487506000000001", "1795487550000000000"]
    assert timeline.times[0].nanosecond == 1 and timeline.times[0].tzinfo is not None

    timeline.times = timeline.times
    assert timeline.window == ["1795487506000000001", "1795487550000000000"]
    timeline.times = None
    assert timeline.window is None


def test_alerts_are_marked_in_their_bin_by_priority():
    table = counts(10)
    alerts = pd.DataFrame(
        {
            "time": [table.index[3], table.index[3], table.index[9], pd.NaT, table.index[0] - pd.Timedelta("1h")],
            "priority": pd.array([1, 1, None, 1, 1], dtype="Int64"),
        }
    )

    marks = Timeline(table, alerts=alerts).bins["marks"]

    assert [each["priority"] for each in marks] == [1, 5]
    assert marks[0]["counts"][3] == 2 and sum(marks[0]["counts"]) == 2
    assert marks[1]["counts"][9] == 1


def test_the_alternative_text_says_what_is_seen():
    label = Timeline(counts(10)).label

    assert label.startswith(
        "packets by protocol from 2026-11-24 02:30:01.000000 to 2026-11-24 02:30:11.000000 UTC: tcp "
    )


def test_an_empty_table_says_so():
    timeline = Timeline(counts(0))

    assert timeline.bins["values"] == [[], []] and "no packets" in timeline.label


def test_one_bin_is_a_timeline():
    assert Timeline(counts(1)).bins["every"] == "1000000000"


def test_a_table_without_times_is_refused_with_what_to_do():
    with pytest.raises(NsmError, match=r"nsm\.statistics\.timeline"):
        Timeline(pd.DataFrame({"tcp": [1]}))


def test_a_saved_notebook_shows_the_sums(hostile):
    data, _ = Timeline(counts(3).rename(columns={"tcp": hostile}))._repr_mimebundle_()

    assert "<script" not in data["text/html"] and "\x1b" not in data["text/html"]


def test_a_zoom_shows_the_windows_rows_alone_and_comes_back():
    table = counts(86_400)
    timeline = Timeline(table)
    coarse = timeline.bins
    timeline.times = (table.index[1440], table.index[1584])

    timeline.zoom_in()
    assert timeline.window is None and timeline.view == (table.index[1440], table.index[1584])
    assert timeline.bins["every"] == "1000000000" and timeline.bins["start"] == str(table.index[1440].value)
    assert timeline.bins["values"][0] == table["tcp"].iloc[1440:1584].tolist()

    timeline.zoom_out()
    assert timeline.bins == coarse and timeline.times == (table.index[1440], table.index[1584])
    timeline.zoom_out()
    assert timeline.view is None


def test_a_finer_table_is_asked_for_where_there_is_one():
    asked = []
    timeline = Timeline()
    timeline.show(counts(10), finer=lambda view: asked.append(view) or counts(20, "100ms"))
    timeline.times = (counts(10).index[2], counts(10).index[4])

    timeline.zoom_in()
    assert asked == [(counts(10).index[2], counts(10).index[4])] and timeline.bins["every"] == "100000000"
    timeline.zoom_out()
    assert asked[-1] is None


def test_a_protocol_has_its_colour_and_other_things_that_of_their_rank():
    index = counts(2).index
    table = pd.DataFrame({"none": 9, "udp": 5, "tcp": 7, "gre": 1}, index=index)

    assert dict(zip(Timeline(table).bins["names"], Timeline(table).bins["colours"], strict=True)) == {
        "tcp": "tcp", "udp": "udp", "gre": "other", "none": "other",
    }  # fmt: skip
    hosts = pd.DataFrame({"10.0.0.1": 1, "other": 50, "udp": 8}, index=index)
    bins = Timeline(hosts, by="host").bins
    assert bins["names"] == ["udp", "10.0.0.1", "other"] and bins["colours"] == ["tcp", "udp", "other"]
