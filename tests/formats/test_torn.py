"""A log whose last line has no end: what may be cut is no fact, and a caveat names the alert."""

from __future__ import annotations

import pandas as pd
import pytest

from nsm_nb.formats import read_alerts
from nsm_nb.formats.endpoints import certain
from nsm_nb.schema import caveats_of
from tests.formats.samples import SAMPLES

LAST = {
    name: SAMPLES[name].replace(b"10.1.1.177:2254", b"10.1.1.177:445") for name in ("snort-fast", "snort-syslog", "snort-full")
}  # fmt: skip


def told(table):
    return [each for each in caveats_of(table) if each.kind == "line"]


def missing(*found):
    return [None if pd.isna(each) else each for each in found]


@pytest.mark.parametrize("name", LAST)
@pytest.mark.parametrize(
    ("cut", "kept"),
    [
        (0, ["10.1.1.177", None]),
        (1, ["10.1.1.177", None]),
        (3, ["10.1.1.177", None]),
        (4, ["10.1.1.177", None]),
        (5, [None, None]),
    ],
)
def test_an_address_and_a_port_that_may_be_cut_are_left_out(tmp_path, name, cut, kept):
    whole = LAST[name]
    end = whole.index(b"10.1.1.177:445") + len(b"10.1.1.177:445") - cut
    path = tmp_path / "log"
    path.write_bytes(whole + whole[:end])

    table = read_alerts(path)

    assert len(table) == 2
    assert missing(*table[["dst_ip", "dst_port"]].iloc[0]) == ["10.1.1.177", 445]
    assert missing(*table[["dst_ip", "dst_port"]].iloc[1]) == kept
    (said, *more) = told(table)
    assert "has no line end, so that it may be torn" in said.detail
    assert ("only 10.1.1.177 is certain" in said.detail) == (kept[0] is not None)
    assert bool(more) == (name == "snort-full")  # the alert has no end either


@pytest.mark.parametrize(
    ("text", "kept"),
    [
        (b"10.0.0.1:44", b"10.0.0.1"), (b"10.0.0.1:6553", b"10.0.0.1"), (b"10.0.0.1:6554", b"10.0.0.1:6554"),
        (b"10.0.0.1:54321", b"10.0.0.1:54321"), (b"10.0.0.25", b""), (b"10.0.0.26", b"10.0.0.26"), (b"10.0.0.0", b"10.0.0.0"),
        (b"10.0.0.", b""), (b"10.0.0.1:", b"10.0.0.1"), (b"2001:db8::1:80", b""), (b"", b""),
    ],
)  # fmt: skip
def test_what_no_digit_can_follow_is_certain(text, kept):
    assert certain(text) == kept


def test_a_line_whose_end_is_certain_is_no_trouble(tmp_path):
    path = tmp_path / "log"
    path.write_bytes(SAMPLES["snort-fast"].rstrip().replace(b":2254", b":22540"))

    table = read_alerts(path)

    assert table["dst_port"].tolist() == [22540]
    assert told(table) == []


@pytest.mark.parametrize("name", ["snort-csv", "snort3-csv"])
def test_the_last_value_of_a_line_without_end_is_left_out(tmp_path, name):
    columns = (
        ["timestamp", "proto", "src_ap", "dst_ap"]
        if name == "snort3-csv"
        else ["timestamp", "msg", "src", "dst", "dstport"]
    )
    row = "11/24-02:30:42.898627,TCP,10.0.0.1:1,10.0.0.2:445" if name == "snort3-csv" else \
          "11/24-02:30:42.898627,m,10.0.0.1,10.0.0.2,445"  # fmt: skip
    path = tmp_path / "log"
    path.write_text(f"{row}\n{row[:-1]}")

    table = read_alerts(path, format=name, columns=columns)

    assert missing(*table["dst_port"]) == [445, None]
    (said,) = told(table)
    assert said.record == 2
    assert f"what it says last, its {columns[-1]}, was left out" in said.detail


def test_a_last_value_whose_quote_is_closed_is_whole(tmp_path):
    path = tmp_path / "log"
    path.write_text('11/24-02:30:42.898627,10.0.0.1,"a message"')

    table = read_alerts(path, format="snort-csv", columns=["timestamp", "src", "msg"])

    assert table["message"].tolist() == ["a message"]
    assert told(table) == []


def test_an_alert_in_full_format_that_lacks_its_end_is_told(tmp_path):
    path = tmp_path / "log"
    whole = SAMPLES["snort-full"]
    for upto, records in (
        (whole.index(b"TCP TTL"), [1, 8]),
        (whole.index(b"\n***AP***") + 1, [1, 8]),
        (len(whole) - 1, [1, 8]),
    ):
        path.write_bytes(whole + whole[:upto])

        table = read_alerts(path)

        assert table["record"].tolist() == records
        assert [each.record for each in told(table)] == [8]
        assert "without a blank line behind it: the log may break off within it" in told(table)[0].detail
    path.write_bytes(whole + whole)
    assert told(read_alerts(path)) == []
