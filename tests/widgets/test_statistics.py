import ast
import csv
import json
import shutil
from pathlib import Path

import pandas as pd
import pytest

import nsm_nb as nsm
from nsm_nb import statistics
from nsm_nb.sessions.queries import query
from nsm_nb.statistics.part import part
from nsm_nb.widgets import Sessions, Statistics
from nsm_nb.widgets.statistics import overlapping

ROOT = Path(__file__).resolve().parents[2]
WINDOW = (pd.Timestamp("2026-11-24T02:31:30Z"), pd.Timestamp("2026-11-24T02:32:30Z"))


def flows_of(bundled, place):
    """A case of flow records alone."""
    (place / "flows" / "evidence").mkdir(parents=True)
    (place / "flows" / "case.toml").write_text('name = "flows"\n')
    shutil.copy(bundled / "evidence" / "netflow-export.pcap", place / "flows" / "evidence")
    return nsm.open_case(place / "flows")


def test_sessions_that_touch_the_window_are_kept():
    time = [pd.Timestamp(each, unit="s", tz="UTC") for each in (0, 5, 9, 10, 20)]
    sessions = pd.DataFrame(
        {"start": [time[0], time[0], time[3], time[4]], "end": [time[1], time[3], time[4], time[4]]}
    )

    assert overlapping(sessions, (time[3], time[4])).index.tolist() == [1, 2]


def test_brushing_narrows_every_panel_and_is_kept_in_the_case(case):
    shown = Statistics(case)
    whole = int(shown.protocols.table["packets"].iloc[0])

    shown.timeline.times = WINDOW

    assert case.selection.window == WINDOW
    packets, sessions = part(case.packets, case.sessions, window=WINDOW)
    assert shown.protocols.table["packets"].iloc[0] == len(packets) < whole
    assert shown.sizes.table["packets"].sum() == len(packets)
    assert shown.icicle.parts[0]["words"].startswith(f"100.0 %: {len(packets):,} packets")
    home = case.settings.home_networks
    assert (
        shown.talkers.table["packets"].tolist()
        == statistics.talkers(sessions, by="packets", home=home)["packets"].tolist()
    )
    assert shown.services.table["octets"].tolist() == statistics.services(sessions)["octets"].tolist()
    alerts = case.alerts[(case.alerts["time"] >= WINDOW[0]) & (case.alerts["time"] < WINDOW[1])]
    assert shown.alerts.table["count"].sum() == len(alerts)
    assert f"{len(packets):,} packets, {len(sessions):,} sessions, {len(alerts):,} alerts" in shown.note
    assert "02:31:30 to 02:32:30" in shown.note
    assert "exact for the window, which is of whole intervals of 1 s" in shown.status

    shown.timeline.window = None
    assert case.selection.window is None
    assert shown.protocols.table["packets"].iloc[0] == whole


def test_a_window_between_intervals_is_widened_and_says_so(case):
    shown = Statistics(case)
    shown.timeline.times = (WINDOW[0] + pd.Timedelta("300ms"), WINDOW[1] - pd.Timedelta("1ms"))

    packets, _ = part(case.packets, case.sessions, window=WINDOW)
    assert shown.protocols.table["packets"].iloc[0] == len(packets)
    assert "widened from 2026-11-24 02:31:30.300000 to" in shown.status


def test_zooming_counts_the_window_in_finer_intervals_and_back(case):
    shown = Statistics(case)
    shown.timeline.times = WINDOW
    before = shown.protocols.table

    shown.timeline.zoom_in()

    assert shown.timeline.view == shown.window == case.selection.window == WINDOW
    assert shown.timeline.bins["every"] == str(10**9 // 5)
    assert shown.protocols.table["packets"].tolist() == before["packets"].tolist()
    assert "zoomed into, in intervals of 0.2 s" in shown.status
    assert sum(map(sum, shown.timeline.bins["values"])) == before["packets"].iloc[0]

    inner = (WINDOW[0] + pd.Timedelta("200ms"), WINDOW[0] + pd.Timedelta("800ms"))
    shown.timeline.times = inner
    assert shown.protocols.table["packets"][:1].sum() == len(part(case.packets, case.sessions, window=inner)[0])

    shown.timeline.zoom_out()
    assert shown.timeline.view is None and shown.timeline.times == WINDOW
    assert shown.protocols.table["packets"].tolist() == before["packets"].tolist()


def test_what_was_brushed_and_filtered_elsewhere_is_so_here(case):
    case.selection.update(window=WINDOW, query="udp")

    shown = Statistics(case)
    assert shown.timeline.times == WINDOW and shown.query == shown.filter.value == "udp"

    case.selection.update(window=None, query="tcp")
    shown.refresh()
    assert shown.timeline.times is None and shown.query == "tcp"
    assert set(shown.services.table["proto"]) == {"tcp"}


@pytest.mark.parametrize(
    ("value", "by"), [("packets", "direction"), ("octets", "proto"), ("sessions", "host"), ("alerts", "direction")]
)
def test_the_code_gives_what_is_shown(case, value, by):
    shown = Statistics(case)
    shown.value.buttons.value, shown.by.buttons.value = value, by
    shown.timeline.times = WINDOW
    shown.ask("tcp and not port 80")
    names = {"nsm": nsm, "case": case}
    first, timeline, *rest = shown.code.splitlines()
    exec(first, names)
    results = [eval(each, names) for each in rest]

    assert first.startswith("packets, sessions = nsm.statistics.part(case.packets, case.sessions, window=(")
    assert eval(timeline, names).attrs["value"] == value
    for table, grid in zip(results, (shown.protocols, shown.sizes, shown.talkers, shown.services), strict=True):
        column = next(name for name in ("packets", "octets", "sessions") if name in table and name in grid.table)
        assert table[column].tolist() == grid.table[column].tolist()


@pytest.mark.parametrize("value", ["packets", "octets", "sessions"])
def test_the_timeline_of_the_code_is_the_timeline_that_is_shown(case, value):
    shown = Statistics(case)
    shown.value.buttons.value = value
    names = {"nsm": nsm, "case": case}
    first, timeline, *_ = shown.code.splitlines()
    exec(first, names)

    table = eval(timeline, names)
    assert {name: int(table[name].sum()) for name in table if table[name].any()} == {
        name: sum(each) for name, each in zip(shown.timeline.bins["names"], shown.timeline.bins["values"], strict=True)
    }


@pytest.mark.parametrize("of", ["hosts", "pairs", "ports", "networks"])
def test_talkers_become_a_filter_that_finds_their_sessions(case, of):
    shown = Statistics(case)
    shown.of.buttons.value = of
    many = shown.talkers.table["sessions"].iloc[0]

    shown.talkers.active = 0
    shown.talkers.activate()

    assert shown.error == ""
    assert case.selection.query == shown.query != ""
    found = query(case.sessions, case.selection.query)
    assert len(found) == many
    assert shown.note.endswith(f"filter {shown.query}")
    assert Sessions(case).note.startswith(f"{len(found):,} of")


def test_what_is_chosen_is_included_excluded_or_asked_for_alone(case):
    shown = Statistics(case)
    row = next(place for place, each in enumerate(shown.services.table["service"]) if each == "tcp 80")
    shown.services.active = row
    host = shown.services.row["host"]
    term = f"tcp and dst host {host} and dst port 80"

    shown.services.press("e")
    assert shown.query == f"not ({term})"
    assert (
        f"{host} tcp 80"
        not in (shown.services.table["host"].astype(str) + " " + shown.services.table["service"]).tolist()
    )
    assert shown.services.active == row  # the next row took its place

    shown.icicle.active = next(
        place for place, each in enumerate(shown.icicle.parts) if each["path"].endswith("ip:udp")
    )
    shown.icicle.press("i")
    assert shown.query == f"not ({term}) and udp and ip"
    shown.icicle.press("i")
    assert shown.query.count("udp") == 1 and shown.icicle.active is not None

    shown.icicle.press("o")
    assert shown.query == "udp and ip"
    assert set(query(case.sessions, shown.query)["proto"]) == {"udp"}

    shown.ask("")
    assert case.selection.query == "" and shown.note.startswith("9,746 packets")


def test_a_layer_that_sessions_do_not_know_is_no_filter(case):
    shown = Statistics(case)
    shown.icicle.active = 0
    shown.narrow("include")

    assert shown.icicle.parts[0]["path"] == "eth"
    assert shown.query == "" and "choose a protocol" in shown.status


def test_nothing_else_is_chosen_without_a_word(case):
    shown = Statistics(case)
    shown.talkers.active = 3
    shown.timeline.times = WINDOW

    assert shown.talkers.active is None
    shown.narrow("exclude")
    assert shown.query == ""


def test_a_wrong_filter_is_marked_and_changes_nothing(case):
    shown = Statistics(case)
    before = shown.note
    shown.filter.submit("dst port 31337 and port x")

    assert shown.filter.wrong["text"] and shown.filter.wrong["column"] == 24
    assert shown.note == before and case.selection.query == ""

    shown.filter.submit("dst port 31337")
    assert not shown.filter.wrong["text"] and case.selection.query == "dst port 31337"


def test_a_filter_of_another_widget_that_can_not_hold_here_is_marked(case):
    case.selection.query = "nowhere > 3"

    shown = Statistics(case)
    assert shown.filter.wrong["text"] and shown.query == ""
    assert shown.note.startswith("9,746 packets")
    assert case.selection.query == "nowhere > 3"


def test_bytes_sessions_and_alerts_are_counted_instead_of_packets(case):
    shown = Statistics(case)

    def total():
        return sum(map(sum, shown.timeline.bins["values"]))

    for value, unit, expected in (
        ("octets", "bytes", case.packets["octets"].sum()),
        ("sessions", "sessions", len(case.sessions)),
        ("alerts", "alerts", len(case.alerts)),
    ):
        shown.value.buttons.value = value
        assert shown.timeline.unit == unit and total() == expected
        assert value == "alerts" or shown.talkers.table.attrs["by"] == value


def test_tables_are_written_with_their_filter_and_are_safe_in_a_spreadsheet(case):
    shown = Statistics(case)
    shown.ask("udp")
    shown.timeline.times = WINDOW
    shown.services.table = shown.services.table.assign(application="=cmd|' /C calc'!A0")
    shown.export()
    shown.export()

    folder = case.work / "tables" / "statistics-1"
    assert (case.work / "tables" / "statistics-2").is_dir() and str(folder.parent) in shown.status
    names = {each.name for each in folder.iterdir()}
    assert names == {
        "about.txt", "timeline.csv", "protocols.csv", "talkers-hosts.csv", "services.csv", "packet-sizes.csv", "alerts.csv",
    }  # fmt: skip
    about = (folder / "about.txt").read_text()
    assert "filter udp" in about and "02:31:30 to 02:32:30" in about and "nsm.statistics.part(" in about
    assert case.evidence["sha256"].iloc[0] in about
    with (folder / "services.csv").open() as file:
        assert {each["application"] for each in csv.DictReader(file)} == {"'=cmd|' /C calc'!A0"}
    with (folder / "protocols.csv").open() as file:
        assert int(next(csv.DictReader(file))["packets"]) == shown.protocols.table["packets"].iloc[0]


def test_a_case_that_can_not_be_written_says_so(case, monkeypatch):
    shown = Statistics(case)
    (case.work / "tables").write_text("a file is in the way")

    shown._export.click()

    assert "tables" in shown.error


def test_flow_records_alone_are_shown_as_far_as_they_can_tell(bundled, tmp_path):
    case = flows_of(bundled, tmp_path)
    assert len(case.packets) == 0 < len(case.sessions)

    shown = Statistics(case)
    assert shown.error == "" and "flow records alone" in shown.caveat.text() and "can't be told" in shown.caveat.text()
    assert shown.timeline.unit == "sessions"
    assert sum(map(sum, shown.timeline.bins["values"])) == len(case.sessions)
    assert {each["path"] for each in shown.icicle.parts} >= {"ip", "ip:tcp"}
    assert len(shown.talkers.table) and len(shown.services.table)
    assert shown.sizes.table.empty and shown.sizes.empty == "flow records do not tell how large packets were"
    assert "statistics.sizes" not in shown.code
    exec(shown.code, {"nsm": nsm, "case": case})
    for value in ("octets", "packets", "alerts"):
        shown.value.buttons.value = value
        exec(shown.code, {"nsm": nsm, "case": case})
    first = case.sessions["start"].min()
    shown.timeline.times = (first, first + pd.Timedelta("30s"))
    assert shown.error == "" and len(shown.talkers.table) > 0


def test_without_evidence_it_says_how_to_get_some(empty_case):
    shown = Statistics(empty_case)

    assert str(empty_case.settings.evidence) in shown.timeline.empty and "refresh" in shown.timeline.empty
    assert "no packets" in shown.timeline.empty and "no packets" in shown.icicle.label
    assert shown.error == "" and shown.note == ""
    for value in ("octets", "sessions", "alerts", "packets"):
        for by in ("host", "direction", "proto"):
            shown.value.buttons.value, shown.by.buttons.value = value, by
    shown.timeline.times = WINDOW
    shown.timeline.zoom_in()
    shown.ask("tcp")
    shown.export()
    assert shown.error == ""


def test_evidence_that_came_later_is_there_after_a_refresh(empty_case, evidence):
    shown = Statistics(empty_case)
    empty_case.add(evidence / "staged.pcap")

    shown.refresh()

    assert shown.note.startswith("9,746 packets")
    assert sum(map(sum, shown.timeline.bins["values"])) == 9746


def test_a_saved_notebook_shows_the_tables(case):
    data, _ = Statistics(case)._repr_mimebundle_()

    assert "9,746 packets" in data["text/html"] and "eth:ip:tcp" in data["text/html"]


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["bundled", "flows", "empty"])
def test_the_notebook_answers_its_questions_of_any_case(kind, request, bundled, tmp_path, monkeypatch):
    opened = {"bundled": "case", "empty": "empty_case"}
    place = flows_of(bundled, tmp_path) if kind == "flows" else request.getfixturevalue(opened[kind])
    monkeypatch.setenv("NSM_CASE", str(place.path))
    cells = json.loads((ROOT / "notebooks" / "10-statistics.ipynb").read_text())["cells"]
    names, shown = {}, {}
    for cell in cells:
        if cell["cell_type"] == "code":
            *lines, last = ast.parse("".join(cell["source"])).body
            exec(compile(ast.Module(lines, []), cell["id"], "exec"), names)
            if isinstance(last, ast.Expr):
                shown[cell["id"]] = eval(compile(ast.Expression(last.value), cell["id"], "eval"), names)
            else:
                exec(compile(ast.Module([last], []), cell["id"], "exec"), names)

    assert shown["window"].error == ""
    for figure in ("protocols", "talkers", "services", "sizes", "compare"):
        assert "<img" in shown[figure]._repr_html_()
    if kind == "empty":
        assert "An empty figure" in shown["protocols"].nsm_alt
