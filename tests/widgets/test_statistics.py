import numpy as np
import pandas as pd
import pytest

from nsm_nb.widgets import Statistics
from nsm_nb.widgets.statistics import interval, overlapping, within

WINDOW = (pd.Timestamp("2026-11-24T02:31:30Z"), pd.Timestamp("2026-11-24T02:32:30Z"))


@pytest.mark.parametrize("seconds", [0, 0.0004, 1, 498.6, 86_400, 10 * 365 * 86_400])
def test_the_interval_parts_any_span_into_few_bins(seconds):
    assert seconds / pd.Timedelta(interval(seconds)).total_seconds() <= 500 or interval(seconds) == "30D"


@pytest.mark.parametrize("ordered", [True, False])
def test_packets_within_a_window_agree_with_a_mask(ordered):
    time = pd.to_datetime(np.arange(100) * 10**9, utc=True)
    packets = pd.DataFrame({"time": time if ordered else time[::-1], "n": range(100)})
    window = (pd.Timestamp(10, unit="s", tz="UTC"), pd.Timestamp(20, unit="s", tz="UTC"))

    expected = packets[(packets["time"] >= window[0]) & (packets["time"] < window[1])]
    assert within(packets, window)["n"].tolist() == expected["n"].tolist()
    assert len(expected) == 10
    assert len(within(packets, None)) == 100
    assert len(within(packets.head(0), window)) == 0


def test_sessions_that_touch_the_window_are_kept():
    time = [pd.Timestamp(each, unit="s", tz="UTC") for each in (0, 5, 9, 10, 20)]
    sessions = pd.DataFrame(
        {"start": [time[0], time[0], time[3], time[4]], "end": [time[1], time[3], time[4], time[4]]}
    )

    assert overlapping(sessions, (time[3], time[4])).index.tolist() == [1, 2]


def test_brushing_narrows_both_tables_and_is_kept_in_the_case(case):
    shown = Statistics(case)
    whole = int(shown.protocols.table["packets"].iloc[0])

    shown.timeline.times = WINDOW

    assert case.selection.window == WINDOW
    packets = case.packets[(case.packets["time"] >= WINDOW[0]) & (case.packets["time"] < WINDOW[1])]
    assert shown.protocols.table["packets"].iloc[0] == len(packets) < whole
    assert f"{len(packets):,} packets" in shown.note and "02:31:30" in shown.note

    shown.timeline.window = None
    assert case.selection.window is None
    assert shown.protocols.table["packets"].iloc[0] == whole


def test_what_was_brushed_elsewhere_is_brushed_here(case):
    case.selection.window = WINDOW

    assert Statistics(case).timeline.times == WINDOW


def test_the_code_gives_the_same_rows(case):
    import nsm_nb as nsm

    shown = Statistics(case)
    shown.timeline.times = WINDOW
    names = {"nsm": nsm, "case": case}
    *setup, protocols, talkers = shown.code.splitlines()
    exec("\n".join(setup), names)

    assert eval(protocols, names)["packets"].tolist() == shown.protocols.table["packets"].tolist()
    assert eval(talkers, names)["octets"].tolist() == shown.talkers.table["octets"].tolist()


@pytest.mark.parametrize("ends", ["hosts", "pairs", "ports"])
def test_talkers_become_a_query_that_can_be_asked(case, ends):
    shown = Statistics(case)
    shown.ends.value = ends

    shown.talkers.active = 0
    shown.talkers.activate()

    assert shown.error == ""
    from nsm_nb.sessions.queries import query

    assert len(query(case.sessions, case.selection.query)) == shown.talkers.table["sessions"].iloc[0]


def test_bytes_are_summed_instead_of_packets(case):
    shown = Statistics(case)
    shown.value.value = "length"

    assert shown.timeline.unit == "bytes"
    assert sum(map(sum, shown.timeline.bins["values"])) == case.packets["length"].sum()


def test_without_evidence_it_says_how_to_get_some(empty_case):
    shown = Statistics(empty_case)

    assert str(empty_case.settings.evidence) in shown.timeline.empty and "refresh" in shown.timeline.empty
    assert shown.error == ""


def test_evidence_that_came_later_is_there_after_a_refresh(empty_case, evidence):
    shown = Statistics(empty_case)
    empty_case.add(evidence / "staged.pcap")

    shown.refresh()

    assert shown.note.startswith("9,746 packets")
    assert sum(map(sum, shown.timeline.bins["values"])) == 9746
