import io

import pandas as pd
import pytest

from nsm_nb.widgets import Sessions
from nsm_nb.widgets.session_look import measure_lines, session_lines


@pytest.fixture
def sessions(case):
    return Sessions(case)


def shell(case):
    """The bind shell's session."""
    return int(case.sessions.loc[case.sessions["dst_port"] == 31337, "session"].iloc[0])


def test_all_sessions_are_shown_at_first(sessions, case):
    assert len(sessions.table) == len(case.sessions)
    assert sessions.note == f"{len(case.sessions):,} of {len(case.sessions):,}"


def test_a_query_line_narrows_them_and_is_kept(sessions, case):
    sessions._entry.submit("dst port 31337")

    assert sessions.table["session"].tolist() == [shell(case)]
    assert case.selection.query == "dst port 31337" and "query dst port 31337" in sessions.note
    assert sessions.code == "sessions = case.query('dst port 31337')"


def test_a_wrong_word_is_marked_under_its_place_and_the_rows_stay(sessions, case):
    sessions._entry.submit("dst port 31337")

    sessions._entry.submit("dst port 31337 and port x")

    assert sessions._entry.wrong["column"] == len("dst port 31337 and port ") and sessions._entry.wrong["text"]
    assert len(sessions.table) == 1
    assert case.selection.query == "dst port 31337"

    sessions._entry.submit("")
    assert sessions._entry.wrong["text"] == "" and len(sessions.table) == len(case.sessions)


def test_the_brushed_window_narrows_them_until_it_is_unticked(case):
    start = case.sessions["start"].min()
    case.selection.window = (start, start + pd.Timedelta("10s"))
    sessions = Sessions(case)
    assert 0 < len(sessions.table) < len(case.sessions)
    assert "window" in sessions.note

    sessions._in_window.value = False

    assert len(sessions.table) == len(case.sessions)


def test_the_chosen_session_is_kept_in_the_case_and_told_both_ways(sessions, case):
    sessions._entry.submit("dst port 31337")
    sessions.grid.active = 0

    assert case.selection.session == shell(case)
    assert sessions.selected["dst_port"] == 31337
    shown = sessions.detail.text()
    assert "SRC 203.0.113.66:59208" in shown and "826 bytes of payload" in shown
    assert "DST 172.16.10.80:31337" in shown and "3,012 bytes of payload" in shown
    assert "NSM-LAB BACKDOOR" in shown and "joined" in shown
    assert "measured  rtt syn ack 0.000026 s" in shown and "src ttl low 63," in shown


def test_what_was_chosen_elsewhere_is_chosen_here(case):
    case.selection.session = shell(case)

    assert Sessions(case).selected["session"] == shell(case)


def test_alerts_of_a_session_are_counted(sessions, case):
    row = sessions.table[sessions.table["session"] == shell(case)].iloc[0]

    assert row["alerts"] == len(case.alerts_of(shell(case))) > 0


def test_enter_asks_for_the_transcript(sessions, case):
    asked = []
    sessions.on_open(asked.append)
    sessions._entry.submit("dst port 31337")
    sessions.grid.active = 0

    sessions.grid.activate()

    assert asked == [shell(case)] and "40-transcripts" in sessions.status


def test_marked_sessions_are_carved(sessions, case):
    sessions._entry.submit("dst port 31337")
    sessions.grid.active = 0

    sessions._carve.click()

    assert sessions.error == ""
    assert len(list((case.path / "carved").glob("*.pcapng"))) == 1


def test_packets_are_handed_to_wireshark_or_to_the_browser(sessions, case, monkeypatch):
    monkeypatch.setattr("nsm_nb.full_content.handoff.can_show", lambda: "there is no screen here: download it")
    sent = []
    monkeypatch.setattr(sessions._hand, "send", lambda content, buffers=None: sent.append((content, buffers)))
    sessions._entry.submit("dst port 31337")
    assert sessions._hand.disabled is (sessions.selected is None)
    sessions.grid.active = 0

    sessions._hand.press("wireshark")

    assert sessions.error == ""
    (content, buffers) = sent[-1]
    assert content["name"] == f"session-{shell(case)}.pcapng"
    assert buffers[0] == (case.path / "carved" / content["name"]).read_bytes()
    assert sessions.status.endswith("is handed to the browser: there is no screen here")


def test_a_guessed_direction_is_told(case):
    row = case.session(shell(case)).copy()
    row["direction_known"] = False

    lines = session_lines(row, case.alerts.head(0), case.joins)

    assert any("is a guess" in span[0] and span[1] == "nsm-doubt" for line in lines for span in line["spans"])


def test_hostile_text_is_text(case, hostile):
    row = case.session(shell(case)).copy()
    row["application"] = row["closed"] = hostile
    alerts = case.alerts_of(shell(case)).assign(message=hostile)

    lines = session_lines(row, alerts, case.joins)

    assert "\x1b" not in repr(lines) and "<script>" in repr(lines)


def test_without_sessions_it_says_how_to_get_some(empty_case):
    sessions = Sessions(empty_case)

    assert sessions.error == "" and "captures" in sessions.grid.empty
    assert "choose a session" in sessions.detail.text()


def test_evidence_that_came_later_is_there_after_a_refresh(empty_case, evidence):
    sessions = Sessions(empty_case)
    empty_case.add(evidence / "staged.pcap")

    sessions.refresh()

    assert len(sessions.table) == len(empty_case.sessions) > 1000


def test_the_line_asks_for_alerts_and_for_the_home_networks(sessions, case):
    sessions._entry.submit("alert ~ backdoor and dst $HOME")

    assert sessions.table["session"].tolist() == [shell(case)]
    assert sessions.table.equals(case.query("alert ~ backdoor and dst $HOME").reset_index(drop=True))


@pytest.mark.parametrize("name", ["around src", "around dst", "same pair", "same service"])
def test_a_pivot_asks_for_sessions_near_the_chosen_one(sessions, case, name):
    sessions._entry.submit("dst port 31337")
    sessions.grid.active = 0
    row = sessions.selected

    next(each for each in sessions._pivots if each.description == name).click()

    assert sessions.error == "" and shell(case) in sessions.table["session"].tolist()
    assert sessions.selected["session"] == shell(case)  # the cursor stays where it was
    found = sessions.table
    if name.startswith("around"):
        host = row[f"{name[-3:]}_ip"]
        assert ((found["src_ip"] == host) | (found["dst_ip"] == host)).all() and len(found) > 1
        assert (found["start"] <= row["end"] + pd.Timedelta("30min")).all()
    elif name == "same pair":
        assert {*found["src_ip"], *found["dst_ip"]} == {row["src_ip"], row["dst_ip"]}
    else:
        assert set(found["dst_port"]) == {31337}


def test_packets_of_the_chosen_session_are_shown(sessions, case):
    sessions._entry.submit("dst port 31337")
    sessions.grid.active = 0

    sessions._packets.click()

    packets = case.packets_of(shell(case))
    assert len(sessions.detail.lines) == len(packets)
    assert all(" > " in each and ": Flags [" in each for each in sessions.detail.text().splitlines())
    assert sessions.status == f"{len(packets):,} of its {len(packets):,} packets are shown"


def test_the_builder_counts_what_is_shown_and_so_the_window_too(sessions, case):
    shell_opened = case.session(shell(case))["start"]
    case.selection.window = (shell_opened, shell_opened + pd.Timedelta("1s"))
    sessions.builder.opened.value = True

    sessions._entry.value = "tcp"
    inside = int(sessions.builder.told.text().split()[0].replace(",", ""))
    sessions._in_window.value = False

    assert inside < sessions.builder.check() == sessions._count("tcp")


def test_its_first_alert_is_chosen_for_the_queue(sessions, case):
    sessions._entry.submit("dst port 31337")
    sessions.grid.active = 0

    sessions._alerts.click()

    assert case.selection.alert == case.alerts_of(shell(case))["alert"].iloc[0]


def test_what_is_shown_is_exported_in_its_order(sessions, monkeypatch):
    sent = []
    monkeypatch.setattr(sessions._export, "send", lambda content, buffers=None: sent.append((content, buffers)))
    sessions._entry.submit("alert and tcp")
    sessions.grid.sort = ("src_octets", "descending")

    sessions._export.press("csv")

    told = pd.read_csv(io.BytesIO(sent[0][1][0]))
    assert told["session"].tolist() == sessions.grid.view()["session"].tolist()
    assert told["src_octets"].is_monotonic_decreasing and len(told) == len(sessions.table) > 10


def test_what_was_measured_is_told_where_it_is_known():
    lines = measure_lines(
        pd.Series({"session": 5, "rtt_ack": 0.0125, "src_retransmitted": 0, "src_ttl": None}, dtype=object)
    )

    assert [span[0] for span in lines[0]["spans"]] == ["measured  ", "rtt ack 0.012500 s"]
    assert measure_lines(pd.Series({"session": 5, "missing": 0})) == []
