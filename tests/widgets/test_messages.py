import pytest

from nsm_nb.errors import LedgerError
from nsm_nb.widgets import Alerts


@pytest.fixture
def alerts(case, monkeypatch):
    monkeypatch.setenv("NSM_ANALYST", "ada")
    return Alerts(case)


def test_what_colleagues_say_is_counted_until_it_is_read(alerts, case):
    case.ledger.say("look at files01 first", analyst="bob")
    alerts.tick.tick()

    button = alerts.aside.tabs.buttons["messages"]
    assert button.description == "messages (1)" and "nsm-wants" in button._dom_classes
    alerts.press("m")
    assert "bob look at files01 first" in alerts.aside.messages.text.text()
    assert button.description == "messages" and "nsm-wants" not in button._dom_classes
    assert not len(case.ledger.unread("ada"))


def test_one_says_something_to_all_or_to_one_and_about_an_alert(alerts, case):
    alerts.grid.active = 3
    alerts.press("m")
    alerts.aside.messages.entry.submit("to everybody")
    alerts.aside.messages.with_alert.value = True
    alerts.aside.messages.entry.submit("@bob is this yours?")

    said = case.ledger.messages()
    assert said["text"].tolist() == ["to everybody", "is this yours?"]
    assert said["to"].fillna("-").tolist() == ["-", "bob"] and said["about"].tolist()[1] == alerts.alert
    assert alerts.aside.messages.entry.value == ""


def test_nothing_is_nothing_to_say(alerts):
    with pytest.raises(LedgerError, match="empty"):
        alerts.aside.messages.say("  ")


def test_hostile_words_are_text(alerts, case, hostile):
    case.ledger.say(hostile, analyst="b<i>ob")
    alerts.press("m")

    text = alerts.aside.messages.text.text()
    assert "\x1b" not in text and "\u202e" not in text and "/etc/passwd" in text


def test_who_looks_at_what_is_told_and_passes(alerts, case, monkeypatch):
    alerts.grid.active = 2
    alerts.press("i")
    assert set(case.ledger.locks()["analyst"]) == {"ada"} and alerts.alert in set(case.ledger.locks()["subject"])
    assert "who" not in alerts.panes.table  # one's own are no news

    case.ledger.investigate([alerts.panes.table["group"].iloc[5]], analyst="bob")
    alerts.tick.tick()
    assert alerts.panes.table["who"].dropna().to_dict() == {5: "bob"}
    assert "looks" in [each["title"] for each in alerts.grid._columns]
    alerts.grid.active = 5
    assert "bob looks at it, too" in alerts.verdict.about
    alerts.press("m")
    assert "bob looks at alert " in alerts.aside.messages.text.text()

    alerts.press("i")
    assert set(case.ledger.locks()["analyst"]) == {"bob"}
    case.ledger.release(analyst="bob")
    alerts.tick.tick()
    assert "looks" not in [each["title"] for each in alerts.grid._columns]


def test_looking_alone_makes_no_ledger(alerts, case):
    alerts.grid.active = 2
    alerts.tick.tick()

    assert not (case.work / "ledger.db").exists()
