"""Who looks at what, and what analysts tell each other."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from nsm_nb.errors import LedgerError
from nsm_nb.triage import Ledger


@pytest.fixture
def now(path):
    """A clock that stands until it is moved, and a ledger that goes by it."""

    class Now:
        moment = datetime(2026, 11, 24, 2, 31, tzinfo=UTC)

        def ledger(self):
            return Ledger(path, clock=lambda: self.moment)

    return Now()


def test_two_analysts_work_in_one_ledger(ledger, team_talk):
    team_talk(ledger)


def test_a_look_tells_who_else_looks_and_passes_by_itself(now):
    ledger = now.ledger()
    ledger.investigate(["a", "b"], "ada", minutes=10)
    assert ledger.investigate("b", "bob")["analyst"].tolist() == ["ada"]
    assert ledger.investigate("b", "ada")["analyst"].tolist() == ["bob"]  # ada's look at a is over
    assert ledger.locks()[["subject", "analyst"]].to_numpy().tolist() == [["b", "bob"], ["b", "ada"]]
    assert ledger.locks("session").empty
    now.moment += timedelta(minutes=14)
    assert ledger.locks()["expires"].tolist() == [ledger.locks()["since"][0] + timedelta(minutes=15)] * 2
    now.moment += timedelta(minutes=1)
    assert ledger.locks().empty and ledger.investigate("b", "eve").empty


def test_looks_at_alerts_and_at_sessions_are_apart(now):
    ledger = now.ledger()
    ledger.investigate(["7"], "ada")
    ledger.investigate([7], "ada", kind="session")
    ledger.release([7], "ada", kind="session")
    assert ledger.locks()["subject_kind"].tolist() == ["alert"]
    ledger.release(analyst="ada")
    assert ledger.locks().empty


def test_looks_are_no_records(ledger):
    ledger.investigate(["a"], "ada")
    assert ledger.verify().count == 0 and ledger.verdicts().empty and ledger.status().empty


def test_releasing_nothing_makes_nothing(ledger, path):
    ledger.release(analyst="ada")
    ledger.mark_read("ada")
    assert not path.exists()


@pytest.mark.parametrize("minutes", [0, -1, float("nan")])
def test_a_look_takes_some_time(ledger, minutes):
    with pytest.raises(LedgerError, match="minutes must be more than 0"):
        ledger.investigate(["a"], "ada", minutes=minutes)


def test_what_was_said_can_not_be_taken_back(ledger, tamper):
    row = ledger.say("it was bob", about="a", analyst="ada")
    assert row[["analyst", "text", "about_kind", "about"]].to_numpy().tolist() == [["ada", "it was bob", "alert", "a"]]
    assert ledger.verdicts().empty and ledger.history("a").empty
    tamper("UPDATE verdicts SET comment = replace(comment, 'bob', 'eve')")
    assert ledger.verify().first_bad == 1


def test_unread_is_what_others_said_to_all_or_to_oneself_since_the_mark(ledger):
    ledger.say("one", analyst="ada")
    ledger.say("two", to="bob", analyst="ada")
    ledger.say("three", to="eve", analyst="ada")
    assert ledger.unread("bob")["text"].tolist() == ["one", "two"] and ledger.unread("ada").empty
    ledger.mark_read("bob", last=1)
    assert ledger.unread("bob")["text"].tolist() == ["two"]
    ledger.mark_read("bob", last=10**9)  # no message can be read before it is said
    ledger.say("four", analyst="eve")
    assert ledger.unread("bob")["text"].tolist() == ["four"]
    ledger.mark_read("bob", last=1)  # nobody unreads
    assert ledger.unread("bob")["text"].tolist() == ["four"]
    assert ledger.messages(2)["text"].tolist() == ["three", "four"]
    assert ledger.messages(analyst="eve")["text"].tolist() == ["one", "three", "four"]
    assert ledger.messages()["to"].fillna("-").tolist() == ["-", "bob", "eve", "-"]


@pytest.mark.parametrize(
    "text", ["<script>alert(1)</script>", "\x1b[31m\u202e\r\n", '{"text": "x"}', "'; DROP TABLE verdicts", "☠"]
)
def test_any_text_is_said_as_it_is(ledger, text):
    ledger.say(text, analyst="ada", to=text.strip(), about=text, kind="host")
    row = ledger.messages().iloc[0]
    assert (row["text"], row["about"], row["about_kind"]) == (text, text, "host") and ledger.verify().ok


@pytest.mark.parametrize("text", ["", " \n", "x" * 70_000])
def test_nothing_and_too_much_are_not_said(ledger, text, path):
    with pytest.raises(LedgerError, match=r"nothing to say|the most"):
        ledger.say(text, analyst="ada")
    assert not path.exists()


@pytest.mark.parametrize(
    "content", ["[]", "7", "x", '{"about": "ab"}', '{"text": 5, "about": [1]}', '{"text": "a", "about": ["x", 2]}']
)
def test_a_message_that_somebody_edited_is_still_shown(ledger, tamper, content):
    ledger.say("fine", analyst="ada")
    tamper(f"UPDATE verdicts SET comment = '{content}'")
    assert len(ledger.messages()) == 1 and ledger.verify().first_bad == 1


def test_a_person_can_not_act_as_a_rule(ledger):
    for name in (
        "rule 3", " Rule 3 ", "rule  3", "rule\u00a03", "rule\u20033", "Rule-3", "rule 3.", "\u200brule 3", "rule 3\u200b",
        "ru\u00adle 3", "r\u0443le 3", "rul\u0435 3", "\u0433ule 3", "ruIe 3", "ru|e 3", "rul\u0301e 3", "\uff52ule \uff13",
        "rule \u0663", "rule \u2462", "rule\t3\n", "RULE3", "rule_1O", "rule\u202e3",
    ):  # fmt: skip
        with pytest.raises(LedgerError, match="how the ledger names a rule"):
            ledger.judge(["a"], "NA", analyst=name)
        with pytest.raises(LedgerError, match="how the ledger names a rule"):
            ledger.say("x", analyst="ada", to=name)


def test_a_name_is_written_in_one_way(ledger):
    for name in (
        "Ada L",
        " Ada  L ",
        "Ada\u00a0L",
        "\u200bAda L\x00"[:-1],
        "\uff21da L",
        "Ada\tL",
        "A\u00adda L\u202e",
    ):
        assert ledger.judge(["a"], "NA", analyst=name)["analyst"].tolist() == ["Ada L"]
    for name in ("rule", "Ruler 3", "Rula", "\u0440\u0443\u043b\u0435\u0442", "Ren\u00e9e", "3", "\u5c71\u7530"):
        assert ledger.judge(["a"], "NA", analyst=name)["analyst"].tolist() == [name]
    for name in ("\u200b", "\u2060 \ufeff", "\x1b"):
        with pytest.raises(LedgerError, match="nobody judges"):
            ledger.judge(["a"], "NA", analyst=name)
