import pytest

from nsm_nb.widgets import Alerts


@pytest.fixture
def alerts(case, monkeypatch):
    monkeypatch.setenv("NSM_ANALYST", "ada")
    return Alerts(case)


def go_to(alerts, words):
    alerts.grid.active = next(place for place, text in enumerate(alerts.grid.table["message"]) if words in text)


def test_one_key_makes_a_rule_of_the_alert_and_says_what_it_would_judge(alerts, case):
    go_to(alerts, "TROJAN")
    alerts.press("a")

    form = alerts.aside.autocat
    assert form.parts["src_ip"].value == "172.16.10.80" and form.parts["src_port"].value == "any"
    assert form.signature.value == "NSM-LAB TROJAN check-in URI check.php from a server"
    assert form.told.text().startswith("would judge 40 alerts of those that wait, from 2026-11-24 02:31:48")
    assert not len(case.verdicts) and not case.ledger.rules(all=True)


def test_a_kept_rule_judges_in_its_own_name_and_can_be_switched_off(alerts, case):
    go_to(alerts, "TROJAN")
    alerts.press("a")
    form = alerts.aside.autocat
    form.category.value, form.comment.value, form.days.value = "VII", "beacon", "30"
    form._keep.click()

    assert (case.status() == "VII").sum() == 40 and set(case.verdicts["analyst"]) == {"rule 1"}
    assert "it judged 40 alerts just now" in form.told.text()
    assert len(alerts.panes.table) == 17
    row = form.grid.table.iloc[0]
    assert row["owner"] == "ada" and row["on"] and row["expires"] is not None
    form._switch.click()
    assert not form.grid.table["on"].iloc[0] and not case.ledger.rules()
    assert (case.status() == "VII").sum() == 40


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda form: setattr(form.parts["src_ip"], "value", "10.0.0.300"), "no address and no network"),
        (lambda form: setattr(form.parts["dst_port"], "value", "x"), "no port"),
        (
            lambda form: (setattr(form.regexp, "value", True), setattr(form.signature, "value", "(a")),
            "regular expression",
        ),
        (lambda form: setattr(form.category, "value", "ESC"), "needs a comment"),
        (lambda form: setattr(form.days, "value", "soon"), "no number of days"),
        (lambda form: setattr(form.days, "value", "nan"), "no number of days"),
    ],
)
def test_a_rule_that_can_t_be_is_refused_in_a_sentence(alerts, case, change, said):
    go_to(alerts, "TROJAN")
    alerts.press("a")
    change(alerts.aside.autocat)
    alerts.aside.autocat._keep.click()

    assert said in alerts.error
    assert not case.ledger.rules(all=True)


def test_without_an_alert_there_is_no_rule_and_without_a_rule_no_switch(alerts):
    alerts._title.press("a")
    assert "no alert is chosen" in alerts.error
    alerts.aside.tabs.value = "rules"
    alerts.aside.autocat._switch.click()
    assert "choose a rule" in alerts.error


def test_an_alert_without_a_message_makes_a_rule_of_its_sid(alerts, case):
    row = case.alerts.iloc[0].copy()
    row["message"] = None
    form = alerts.aside.autocat
    form.take(row)
    assert (form.parts["sid"].value, form.signature.value) == (str(row["sid"]), "any")
    assert form.rule().sid == str(row["sid"]) and form.rule().gid == "1"
