"""What an alert has in common with others."""

from __future__ import annotations

import pandas as pd
import pytest

from nsm_nb.alerts import related
from nsm_nb.schema import ALERTS


@pytest.fixture
def alerts():
    rows = [
        ("a", 10, 1, "10.0.0.1", "10.0.0.2"),
        ("session", 99, 2, "10.0.0.7", "10.0.0.8"),
        ("turned", 50, 2, "10.0.0.2", "10.0.0.1"),
        ("source", 40, 2, "10.0.0.1", "10.0.0.9"),
        ("destination", 30, 2, "10.0.0.9", "10.0.0.2"),
        ("signature", 20, 1, "10.0.0.5", "10.0.0.6"),
        ("nothing", 5, 2, "10.0.0.5", None),
        ("before", 1, 2, "10.0.0.1", "10.0.0.2"),
    ]
    table = pd.DataFrame(rows, columns=["alert", "time", "sid", "src_ip", "dst_ip"]).assign(gid=1)
    table["time"] = pd.to_datetime(table["time"], unit="s", utc=True)
    return ALERTS.conform(table)


def test_the_nearest_kin_comes_first_and_then_the_earliest(alerts):
    joins = pd.DataFrame({"alert": ["a", "session"], "session": pd.array([7, 7], dtype="Int64")})
    found = related(alerts.iloc[0], alerts, joins)
    assert list(zip(found["alert"], found["how"], strict=True)) == [
        ("session", "the same session"),
        ("before", "the same two hosts"),
        ("turned", "the same two hosts"),
        ("source", "the source of this alert takes part"),
        ("destination", "the destination of this alert takes part"),
        ("signature", "the same signature"),
    ]


def test_missing_addresses_are_nobodys(alerts):
    found = related(alerts.iloc[6], alerts)  # its destination is missing
    assert "nothing" not in found["alert"].tolist()
    assert found.loc[found["how"].str.contains("takes part"), "alert"].tolist() == ["signature"]


def test_an_alert_without_a_signature_is_known_by_its_message():
    rows = {"alert": ["a", "b", "c"], "message": ["x", "x", "y"], "src_ip": ["10.0.0.1", "10.0.0.2", "10.0.0.3"]}
    table = ALERTS.conform(pd.DataFrame(rows))
    assert related(table.iloc[0], table)["alert"].tolist() == ["b"]


def test_no_others_are_an_empty_table(alerts):
    assert len(related(alerts.iloc[0], alerts.iloc[:1])) == 0
