import numpy as np
import pandas as pd
import pytest

from nsm_nb import schema
from nsm_nb.widgets import cells
from nsm_nb.widgets.cells import Field


@pytest.mark.parametrize(
    ("count", "text"),
    [(0, "0 B"), (999, "999 B"), (1000, "1.0 kB"), (999_999, "1.0 MB"), (1_234_567, "1.2 MB")],
)
def test_amounts_of_bytes_are_written_as_in_the_figures(count, text):
    assert cells.show(count, "bytes") == (text, f"{count:,} bytes")


def test_times_are_utc_whatever_their_zone():
    stamp = pd.Timestamp("2003-11-13T12:00:00-05:00")

    assert cells.time(stamp) == "2003-11-13 17:00:00.000000"


def test_a_title_holds_the_nanoseconds_that_the_text_leaves_out():
    shown, title = cells.show(pd.Timestamp("2026-11-24T02:31:36.388123456Z"), "time")

    assert shown == "2026-11-24 02:31:36.388123"
    assert title == "2026-11-24T02:31:36.388123456Z"


@pytest.mark.parametrize("missing", [None, pd.NA, pd.NaT, float("nan")])
@pytest.mark.parametrize("kind", cells.KINDS)
def test_missing_is_blank_never_zero(missing, kind):
    assert cells.show(missing, kind) == ("", "")


@pytest.mark.parametrize("kind", cells.KINDS)
def test_no_kind_lets_an_escape_sequence_through(kind, hostile):
    shown, title = cells.show(hostile, kind)

    assert "\x1b" not in shown + title and "\u202e" not in shown + title
    assert "<script>alert(1)</script> \\x1b[2J \\u202e $x_{$ /etc/passwd" in shown


def test_a_megabyte_of_text_is_cut_for_the_browser():
    shown, title = cells.show("a" * 1_000_000)

    assert len(shown) == 300 and shown.endswith("…")
    assert len(title) == 2000


def test_kinds_come_from_the_schema():
    sessions = schema.SESSIONS.empty()
    kinds = {name: cells.kind_of(name, sessions[name]) for name in sessions}

    assert kinds["start"] == "time" and kinds["duration"] == "seconds"
    assert kinds["src_ip"] == kinds["dst_ip"] == "address"
    assert kinds["src_octets"] == "bytes" and kinds["src_packets"] == "count" and kinds["src_port"] == "port"
    assert kinds["session"] == "number" and kinds["direction_known"] == "yes" and kinds["community_id"] == "code"
    assert cells.kind_of("offset", schema.PACKETS.empty()["offset"]) == "number"  # a place, not an amount


def test_headings_name_their_units():
    titles = [field.title for field in cells.fields(schema.SESSIONS.empty(), ["start", "duration", "src_ip"])]

    assert titles == ["start (UTC)", "duration (s)", "src ip"]


def test_an_unknown_column_is_refused_with_the_names_there_are():
    with pytest.raises(KeyError, match="no column 'colour'; it has a, b"):
        cells.fields(pd.DataFrame({"a": [1], "b": [2]}), ["colour"])


def test_a_class_that_no_sheet_knows_is_refused():
    table = pd.DataFrame({"a": [1]})
    with pytest.raises(ValueError, match="'evil'; a grid knows"):
        cells.rows(table, np.array([0]), cells.fields(table), lambda row: {"a": "evil"})


def test_rows_come_in_the_order_asked_for_with_titles_and_classes():
    table = pd.DataFrame({"octets": [826, 82_561], "message": ["a", "b"]})
    shown = cells.fields(table, ["octets", Field("message", title="Event Message")])

    rows = cells.rows(table, np.array([1, 0]), shown, lambda row: {"": "strong", "message": "src"})

    assert [row["texts"] for row in rows] == [["82.6 kB", "b"], ["826 B", "a"]]
    assert rows[0]["titles"] == {"0": "82,561 bytes"}
    assert rows[0]["classes"] == {"row": "nsm-strong", "1": "nsm-src"}


def test_width_is_bounded_whatever_the_text():
    table = pd.DataFrame({"message": ["a" * 5000], "n": [1]})

    assert [field.width for field in cells.fields(table)] == [44, 3]


def test_shares_are_written_as_percent():
    assert cells.kind_of("share", pd.Series([0.5])) == "percent" and cells.show(0.512821, "percent")[0] == "51.3 %"


def test_a_few_long_addresses_do_not_push_all_else_out_of_sight():
    addresses = ["10.0.0.7"] * 18 + ["fe80::8cd1:f3ff:fe2c:cb5d"]
    few, many = (
        pd.DataFrame({"src_ip": schema.addresses(each)[0]}) for each in (addresses, addresses + addresses[-1:] * 20)
    )

    assert cells.addresses_fitted([Field("src_ip"), "state"], few) == (Field("src_ip", width=15), "state")
    assert cells.addresses_fitted([Field("src_ip")], many) == (Field("src_ip", width=25),)
    assert cells.addresses_fitted([Field("src_ip")], few.head(0)) == (Field("src_ip"),)
