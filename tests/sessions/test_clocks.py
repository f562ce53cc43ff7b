"""Clocks of exporters: what can't be is flagged, and moved by one constant to where it belongs."""

from __future__ import annotations

import pandas as pd
import pytest

import nsm_nb as nsm
from nsm_nb.schema import caveats_of
from nsm_nb.sessions.clocks import out_of_window, rebased

TRUE = "2003-11-13T17:00:02Z"  # the first packet of seed.pcap that becomes a flow


def live(**more) -> pd.DataFrame:
    times = pd.to_datetime(["2026-11-24T10:00:00Z", "2026-11-24T10:05:00Z"]).as_unit("ns")
    return nsm.schema.FLOWS.conform(
        pd.DataFrame({"start": times, "end": times, "received": times[[1, 1]], "sensor": "r", "evidence": "e", **more})
    )


@pytest.fixture(
    params=["softflowd.v5.bin", "softflowd.v9.bin", "softflowd.v10.bin", "flow-capture.ft-v05", "nfcapd.v5"]
)
def broken(request, shared):
    return nsm.read_sessions(shared / "fixtures" / "broken_clock" / request.param)


def test_flows_of_an_old_capture_replayed_without_its_clock_are_flagged(broken):
    assert out_of_window(broken).all()


def test_moved_to_their_true_begin_they_are_as_an_exporter_with_the_right_clock_tells(broken, shared):
    right = nsm.read_sessions(shared / "fixtures" / "softflowd.v5.bin")
    moved = rebased(broken, starts=TRUE)
    key = ["src_ip", "dst_ip", "src_port", "dst_port", "proto", "src_octets"]
    a, b = (
        each.astype(dict.fromkeys(key, "str")).sort_values([*key, "start"]).drop_duplicates(key)
        for each in (moved, right)
    )
    both = a.merge(b, on=key, suffixes=("", "_true"))

    assert len(both) >= 55
    assert (both["start"] - both["start_true"]).abs().max() <= pd.Timedelta("2ms")
    assert (moved["end"] - moved["start"]).equals(broken["end"] - broken["start"])
    assert any("were moved by" in each.detail for each in caveats_of(moved))


def test_clocks_that_are_right_are_left_alone():
    table = live()
    assert not out_of_window(table).any()
    assert rebased(table)["start"].equals(table["start"])


def test_without_a_true_begin_the_last_flow_ends_when_it_was_received():
    table = live()
    late = table.assign(received=table["received"] + pd.Timedelta("30D"))
    moved = rebased(late)
    assert moved["end"].max() == late["received"].max()
    assert (moved["start"] - late["start"]).nunique() == 1


def test_one_exporter_is_moved_and_the_other_is_not():
    table = live(sensor=["a", "b"])
    moved = rebased(table, starts={"b": "2003-11-13"})
    assert moved["start"].dt.year.tolist() == [2026, 2003]
    with pytest.raises(ValueError, match="no time"):
        rebased(table, starts="yesterday at noon")


def test_clocks_are_reached_by_their_public_name():
    assert "clocks" in nsm.sessions.__all__
    assert nsm.sessions.clocks.rebased is rebased
