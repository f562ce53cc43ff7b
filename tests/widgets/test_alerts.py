from collections import OrderedDict
from importlib import import_module

import pytest

import nsm_nb as nsm
from nsm_nb.errors import LedgerError
from nsm_nb.widgets import Alerts

LISTING = "NSM-LAB ATTACK-RESPONSES directory listing over SMB"


@pytest.fixture
def alerts(case):
    return Alerts(case)


def go_to(alerts, message):
    """Bring the cursor to the first group of a message."""
    alerts.grid.active = alerts.grid.table["message"].tolist().index(message)


def test_the_queue_is_grouped_as_sguil_groups_it(alerts):
    assert alerts.note == "RealTime: 79 alerts in 18 groups"
    titles = [column["title"] for column in alerts.grid._columns]
    assert titles[:3] == ["ST", "CNT", "P"]
    assert titles[-1] == "event message"
    texts = [row["texts"] for row in alerts.grid.window(0, 18)]
    assert {row[0] for row in texts} == {"RT"}
    assert sum(int(row[1]) for row in texts) == 79


def test_the_colour_of_a_new_group_is_its_priority(alerts):
    rows = alerts.grid.window(0, 18)

    for row in rows:
        assert row["classes"]["0"] == f"nsm-priority-{row['texts'][2]}"


def test_rule_packet_and_session_stand_beside_the_alert(alerts, case):
    go_to(alerts, LISTING)

    assert "sid:9000005" in alerts.beside.rule.text()
    assert "frame 3620 of staged.pcap: it holds what the rule looks for" in alerts.beside.packet.text()
    assert "10.10.20.5 445" in alerts.aside.join.text() and "joined" in alerts.aside.join.text()
    assert alerts.aside.history.text() == "not judged yet"
    session = case.session_of(alerts.alert)
    assert case.selection.alert == alerts.alert and case.selection.session == session["session"]


def test_the_whole_frame_and_the_record_are_a_click_away(alerts):
    go_to(alerts, LISTING)

    alerts.beside.view.value = "frame"
    assert "frame, " in alerts.beside.packet.text()
    alerts.beside.view.value = "record"
    assert "alert.signature " in alerts.beside.packet.text()


def test_the_header_fields_of_the_packet_are_a_click_away(alerts):
    go_to(alerts, LISTING)

    alerts.beside.view.value = "header"

    shown = alerts.beside.packet.text()
    assert "Source IP" in shown and "10.10.20.5 " in shown
    assert "SYN  FIN  Seq #" in shown


def test_the_decode_tree_of_the_packet_is_a_click_away(alerts, tshark):
    go_to(alerts, LISTING)

    alerts.beside.view.value = "tree"

    assert "Internet Protocol Version 4, Src: 10.10.20.5, Dst: 172.16.10.80" in alerts.beside.packet.text()
    assert alerts.error == ""


def test_without_tshark_the_tree_says_what_to_install_and_nothing_else_is_lost(alerts, monkeypatch):
    go_to(alerts, LISTING)
    monkeypatch.setenv("PATH", "")
    monkeypatch.setattr(import_module("nsm_nb.full_content.dissect"), "_KEPT", OrderedDict())

    alerts.beside.view.value = "tree"

    assert (
        "frame 3620 of staged.pcap" in alerts.beside.packet.text()
        and "apt install tshark" in alerts.beside.packet.text()
    )
    assert alerts.error == ""
    alerts.beside.view.value = "payload"
    assert "payload, " in alerts.beside.packet.text()


def test_a_key_judges_every_alert_of_the_group_and_goes_to_the_next(alerts, case):
    place = alerts.grid.table["count"].astype(int).idxmax()
    alerts.grid.active = int(place)
    following = alerts.grid.table["group"].iloc[place + 1]
    alerts.verdict.comment.value = "beacon every 10 s"

    alerts._title.press("F7")

    assert alerts.status.startswith("40 alerts in 1 group: VII, Virus Infection, by ")
    assert (case.status() == "VII").sum() == 40
    assert set(case.verdicts["comment"]) == {"beacon every 10 s"}
    assert alerts.grid.row["group"] == following
    assert alerts.note.endswith(" in 17 groups")


def test_several_marked_groups_are_judged_at_once(alerts, case):
    alerts.grid.selected = [0, 2]
    count = int(alerts.grid.table["count"].iloc[[0, 2]].sum())
    assert alerts.verdict.about == f"{count} alerts in 2 groups"

    alerts._title.press("F8")

    assert len(case.verdicts) == count and alerts.status.startswith(f"{count} alerts in 2 groups: NA")
    assert alerts.grid.selected == []


def test_single_alerts_of_a_group_are_judged_where_they_are_marked(alerts, case):
    place = alerts.grid.table["count"].astype(int).idxmax()
    alerts.grid.active = int(place)
    alerts.children_grid.selected = [0, 1]
    assert alerts.verdict.about == "2 of 40 alerts of this group"

    alerts._title.press("F8")

    assert len(case.verdicts) == 2
    assert alerts.children_grid.selected == []


def test_escalating_demands_a_comment_and_is_in_its_own_tab(alerts, case):
    go_to(alerts, LISTING)
    name = alerts.alert
    alerts._title.press("F9")
    assert not len(case.verdicts)

    alerts.verdict.comment.submit("second host: ask its owner")

    assert case.status()[name] == "ESC"
    alerts.tab = "Escalated"
    assert alerts.grid.table["message"].tolist() == [LISTING]
    alerts.grid.active = 0
    assert "second host: ask its owner" in alerts.aside.history.text()
    assert alerts.grid.window(0, 1)[0]["classes"]["0"] == "nsm-category-ESC"


def test_in_all_a_judged_group_stays_and_the_next_is_active(alerts):
    alerts.tab = "All"
    alerts.grid.active = 0
    following = alerts.grid.table["group"].iloc[1]

    alerts._title.press("F6")

    assert len(alerts.grid.table) == 18
    assert alerts.grid.row["group"] == following


def test_a_verdict_is_taken_back_by_a_new_record(alerts, case):
    alerts.tab = "All"
    alerts.grid.active = 0
    name = alerts.alert
    alerts._title.press("F6")
    alerts._go_to(name)

    alerts.verdict.buttons["NEW"].click()

    assert case.history(name)["category"].tolist() == ["VI", "NEW"]


def test_without_a_choice_nothing_is_judged(alerts, case):
    alerts._title.press("F1")

    assert "no alert is chosen" in alerts.error
    assert not len(case.verdicts)


def test_a_ledger_that_refuses_is_one_sentence_and_the_comment_stays(alerts, case, monkeypatch):
    alerts.grid.active = 0
    alerts.verdict.comment.value = "why"

    def refuse(*subjects, **options):
        raise LedgerError("the ledger is locked by another program; try again")

    monkeypatch.setattr(case.ledger, "judge", refuse)
    alerts._title.press("F1")

    assert alerts.error == "the ledger is locked by another program; try again"
    assert alerts.verdict.comment.value == "why"


def test_colleagues_verdicts_are_there_after_a_refresh(alerts, case):
    case.judge(alerts.grid.table["children"].iloc[0], "NA")

    alerts.bar.again.click()

    assert alerts.note.endswith(" in 17 groups")


def test_what_was_chosen_elsewhere_is_chosen_here(case):
    case.selection.alert = case.alerts["alert"].iloc[-1]

    assert Alerts(case).alert == case.alerts["alert"].iloc[-1]


def test_enter_asks_for_the_transcript_of_the_session(alerts, case):
    asked = []
    alerts.on_open(asked.append)
    go_to(alerts, LISTING)

    alerts.grid.activate()

    assert asked == [case.session_of(alerts.alert)["session"]]


@pytest.mark.parametrize("by", [("message",), ("src_ip",), ("alert",)])
def test_alerts_are_grouped_otherwise(alerts, case, by):
    alerts.bar.by.value = by

    assert alerts.grid.table["count"].sum() == 79
    assert alerts.code.startswith(f"case.groups(by={by!r})")


def test_hostile_messages_are_text(case, hostile):
    case._made["alerts"] = case.alerts.assign(message=hostile)
    shown = Alerts(case)
    shown.grid.active = 0

    sent = repr(shown.grid.window(0, 50)) + repr(shown.children_grid.window(0, 50)) + shown.fallback()
    assert "\x1b" not in sent and "\u202e" not in sent
    assert "<script" not in shown.fallback() and "/etc/passwd" in sent and "$x_{$" in sent


def test_without_alerts_it_says_how_to_get_some(empty_case):
    shown = Alerts(empty_case)

    assert shown.error == "" and "eve.json" in shown.grid.empty
    assert "choose an alert" in shown.aside.join.text()


# everything, filters, tabs


def test_everything_that_matches_is_judged_whatever_is_marked_and_says_how_many(alerts, case):
    alerts.ask("message ~ smb2 and not src host 172.16.10.80")
    alerts.grid.active = 0
    alerts.grid.selected = [0]
    alerts.press("A")
    assert alerts.verdict.about == "everything that matches: 8 alerts in 2 groups"
    alerts.verdict.comment.value = "workstations list their own share"

    alerts.press("F8")

    assert alerts.status.startswith("8 alerts in 2 groups: NA")
    assert set(case.verdicts["comment"]) == {"workstations list their own share"}
    assert not alerts.bar.all.value and not len(alerts.panes.table)
    alerts.ask("")
    assert len(alerts.panes.table) == 16


def test_a_cell_is_included_excluded_or_asked_for_only(alerts):
    go_to(alerts, LISTING)
    alerts.grid.column = "src_ip"
    alerts.press("+")
    assert alerts.queue.query == alerts.line.value == "src host 10.10.20.5"
    assert set(alerts.panes.table["src_ip"].astype(str)) == {"10.10.20.5"}
    alerts.grid.active, alerts.grid.column = 0, "dst_port"
    alerts.bar.narrow_buttons["exclude"].click()
    assert alerts.queue.query == "src host 10.10.20.5 and not dst port 54246"
    alerts.bar.clear.click()
    go_to(alerts, LISTING)
    alerts.grid.column = "sensor"
    alerts.press("=")
    assert alerts.queue.query == 'sensor = "suricata"' and len(alerts.panes.table) == 18


def test_a_cell_that_is_no_filter_says_so(alerts):
    alerts.grid.active, alerts.grid.column = 0, "count"
    assert alerts.bar.narrow_buttons["include"].disabled

    alerts._title.press("+")

    assert "choose a cell" in alerts.error


def test_a_wrong_query_is_marked_under_its_word_and_nothing_changes(alerts):
    alerts.line.submit("priority <= 2 and src net x")

    assert alerts.line.wrong["column"] is not None and alerts.line.wrong["text"]
    assert len(alerts.panes.table) == 18 and alerts.error == ""


def test_it_begins_with_a_query(case):
    shown = Alerts(case, query="priority <= 1")

    assert shown.line.value == "priority <= 1" and set(shown.panes.table["priority"]) == {1}


def test_related_alerts_lead_on(alerts, case):
    go_to(alerts, LISTING)
    alerts.aside.tabs.value = "related"
    table = alerts.aside.related.table
    assert table["alert"].tolist() == case.related(alerts.alert)["alert"].tolist()
    other = table["alert"].iloc[-1]

    alerts.aside.related.active = len(table) - 1
    alerts.aside.related.activate()

    assert alerts.alert == other


def test_a_related_alert_that_is_judged_is_gone_to_in_all(alerts, case):
    go_to(alerts, LISTING)
    other = case.related(alerts.alert)["alert"].iloc[0]
    case.judge(other, "NA")
    alerts.refresh()
    alerts.go_to(other)
    assert alerts.tab == "All" and alerts.alert == other


def test_the_packet_is_a_key_away(alerts):
    asked = []
    alerts.on_packet(lambda evidence, frame: asked.append((evidence, frame)))
    go_to(alerts, LISTING)

    alerts.press("p")

    assert asked == [("staged.pcap", 3620)]


def test_references_are_text(alerts, case):
    case._made["rules"] = case.rules.assign(references=[["url,evil.example/x", "cve,2003-0352"]] * len(case.rules))
    go_to(alerts, LISTING)
    alerts.beside.show(alerts.alert)

    assert "refers to url evil.example/x" in alerts.beside.rule.text()
    assert "refers to cve 2003-0352" in alerts.beside.rule.text()
    assert "http://" not in alerts.beside.rule.text()


def test_a_following_queue_takes_what_comes_and_pauses(case):
    place = case.path / "evidence" / "suricata" / "eve.json"
    whole = place.read_text().splitlines(keepends=True)
    place.parent.unlink()  # a link to the bundled case's
    place.parent.mkdir()
    place.write_text("".join(whole[: len(whole) // 2]))
    shown = Alerts(nsm.open_case(case.path), follow=True)
    some = len(shown.case.alerts)
    assert 0 < some < 79 and shown.tick.every == 2 and shown.bar.pause.layout.display == ""
    shown.grid.active = 3
    group = shown.grid.row["group"]

    shown.bar.pause.value = True
    with place.open("a") as file:
        file.writelines(whole[len(whole) // 2 :])
    shown.tick.tick()
    assert len(shown.case.alerts) == some
    shown.bar.pause.value = False
    shown.tick.tick()

    assert len(shown.case.alerts) == 79 and shown.error == ""
    assert shown.note.startswith("RealTime: 79 alerts in ")
    assert shown.grid.row["group"] == group


def test_keys_are_told_of(alerts):
    alerts._title.press("?")

    assert alerts._help.value
    text = alerts._key_lines.text()
    for words in ("F9   ESC", "+ - = include", "/ the query line", "A everything", "p its packet", "a a rule"):
        assert words in text
