import pytest

from nsm_nb.triage import CATEGORIES
from nsm_nb.widgets.verdict import ASKS, Verdict


@pytest.fixture
def judged():
    return []


@pytest.fixture
def verdict(judged):
    return Verdict(lambda category, comment: judged.append((category, comment)) or True)


@pytest.mark.parametrize("short", [each.short for each in CATEGORIES.values() if each.key and not each.needs_comment])
def test_each_key_gives_its_category(verdict, judged, short):
    verdict.press(CATEGORIES[short].key)

    assert judged == [(short, "")]


def test_the_comment_that_stands_there_goes_with_the_verdict(verdict, judged):
    verdict.comment.value = " full of holes "

    verdict.press("F3")

    assert judged == [("III", "full of holes")]
    assert verdict.comment.value == ""


def test_shift_asks_for_the_comment_first(verdict, judged):
    verdict.press("Shift+F6")
    assert judged == [] and verdict.pending == "VI" and "VI" in verdict.comment.label

    verdict.comment.submit("a scan of 300 ports")

    assert judged == [("VI", "a scan of 300 ports")] and verdict.pending == ""


def test_escape_takes_it_back(verdict, judged):
    verdict.press("Shift+F1")
    verdict.comment._told(verdict.comment, {"type": "cancel"}, [])
    verdict.comment.submit("why")

    assert judged == []


@pytest.mark.parametrize("key", ["F9", "s"])
def test_escalating_demands_a_comment(verdict, judged, key):
    verdict.press(key)
    assert judged == [] and verdict.pending == "ESC"

    verdict.comment.submit("   ")
    assert judged == [] and verdict.pending == "ESC"

    verdict.comment.submit("needs the server's owner")
    assert judged == [("ESC", "needs the server's owner")]


def test_a_comment_without_a_category_judges_nothing(verdict, judged):
    verdict.comment.submit("why")

    assert judged == []
    assert "choose a category" in verdict._about.text()


def test_a_refused_verdict_keeps_its_comment():
    verdict = Verdict(lambda category, comment: None)
    verdict.comment.value = "why"

    verdict.press("F1")

    assert verdict.comment.value == "why"


def test_letters_give_no_action(verdict, judged):
    verdict.press("e")
    assert judged == [("NA", "")]


def test_every_category_has_a_button_that_says_its_name(verdict, judged):
    for short, button in verdict.buttons.items():
        assert short in button.description or short == "NEW"
        assert CATEGORIES[short].name in button.tooltip
    verdict.buttons["NEW"].click()
    assert judged == [("NEW", "")]


def test_keys_that_ask_for_words_lead_into_the_comment_without_waiting():
    assert ASKS["Shift+F1"] == ASKS["Shift+F9"] == "always"
    assert ASKS["F9"] == ASKS["s"] == "empty"
    assert "F1" not in ASKS and "e" not in ASKS
