"""Alerts counted as ACID and BASE count them."""

from __future__ import annotations

import pandas as pd
import pytest

from nsm_nb.alerts import views
from nsm_nb.errors import MissingColumn, UnknownName
from nsm_nb.formats import eve
from nsm_nb.schema import ALERTS


@pytest.fixture(scope="module")
def alerts(evidence):
    return eve.alerts(evidence / "suricata" / "eve.json", label="eve.json").assign(sensor="suricata")


def test_unique_counts_each_signature_as_the_truth_does(alerts):
    table = views.unique(alerts)
    counts = {9000001: 1, 9000012: 9, 9000010: 1, 9000002: 4, 9000004: 2, 9000003: 2, 9000011: 1, 9000005: 1, 9000006: 9,
              9000007: 1, 9000008: 4, 9000009: 40, 9000013: 4}  # fmt: skip
    assert dict(zip(table["sid"], table["total"], strict=True)) == counts
    assert table["total"].is_monotonic_decreasing
    assert table["share"].sum() == pytest.approx(1)
    beacon, times = table.iloc[0], alerts.loc[alerts["sid"] == 9000009, "time"].sort_values()
    assert (beacon["first"], beacon["previous"], beacon["last"]) == (times.iloc[0], times.iloc[-2], times.iloc[-1])
    assert (beacon["src_ips"], beacon["dst_ips"], beacon["sensors"]) == (1, 1, 1)
    assert pd.isna(table.loc[table["total"] == 1, "previous"]).all()


def test_every_view_agrees_with_counting_row_by_row(alerts):
    rows = alerts.sample(frac=1, random_state=1)  # any order, any index
    links = views.links(rows)
    for row in links.itertuples():
        own = [
            each
            for each in rows.itertuples()
            if (each.src_ip, each.dst_ip, each.proto) == (row.src_ip, row.dst_ip, row.proto)
        ]
        assert row.total == len(own)
        assert row.signatures == len({each.sid for each in own})
        assert row.dst_ports == len({each.dst_port for each in own if not pd.isna(each.dst_port)})
        assert (row.first, row.last) == (min(each.time for each in own), max(each.time for each in own))
    assert links["total"].sum() == len(rows)
    for row in views.addresses(rows).itertuples():
        own = [each for each in rows.itertuples() if row.address in (each.src_ip, each.dst_ip)]
        assert (row.total, row.as_src, row.as_dst) == (
            len(own), sum(each.src_ip == row.address for each in own), sum(each.dst_ip == row.address for each in own),
        )  # fmt: skip
        assert row.peers == len({each.dst_ip if each.src_ip == row.address else each.src_ip for each in own})
    for row in views.ports(rows).itertuples():
        own = [each for each in rows.itertuples() if (str(each.dst_port), each.proto) == (str(row.port), row.proto)]
        assert (row.total, row.src_ips, row.dst_ips) == (
            len(own), len({each.src_ip for each in own}), len({each.dst_ip for each in own}),
        )  # fmt: skip
    assert views.classes(rows)["total"].sum() == len(rows)


def test_a_profile_has_its_empty_intervals(alerts):
    table = views.profile(alerts, every="10s")
    assert table["alerts"].sum() == 79
    assert (table["alerts"] == 0).any()
    assert (table.index.to_series().diff().dropna() == pd.Timedelta("10s")).all()
    by = views.profile(alerts, every="10s", by="priority")
    assert list(by.columns) == [1, 2, 3]
    assert by.sum(axis=1).tolist() == table["alerts"].tolist()


def test_an_alert_of_an_address_to_itself_counts_once():
    table = ALERTS.conform(pd.DataFrame({"alert": ["a"], "src_ip": ["10.0.0.1"], "dst_ip": ["10.0.0.1"]}))
    (row,) = views.addresses(table).itertuples()
    assert (row.total, row.as_src, row.as_dst) == (1, 1, 1)


def test_no_alerts_give_empty_views():
    empty = ALERTS.empty()
    for view in (views.unique, views.classes, views.addresses, views.links, views.ports, views.profile):
        assert len(view(empty)) == 0
    assert views.overview(empty)["alerts"] == 0
    assert len(views.profile(empty, by="priority")) == 0


def test_the_overview_says_how_many_of_each(alerts):
    told = views.overview(alerts)
    assert (told["alerts"], told["signatures"], told["sensors"], told["links"]) == (
        79,
        13,
        1,
        len(set(zip(alerts["src_ip"], alerts["dst_ip"], strict=True))),
    )


def test_what_can_not_be_shown_is_said(alerts):
    with pytest.raises(UnknownName, match="of='left' is no side"):
        views.ports(alerts, of="left")
    with pytest.raises(ValueError, match=r"intervals of 0 days 00:00:00\.000001 are too many"):
        views.profile(alerts, every="1us")
    with pytest.raises(ValueError, match="is no length of time"):
        views.profile(alerts, every="0s")
    with pytest.raises(MissingColumn, match="sid"):
        views.unique(alerts.drop(columns="sid"))
