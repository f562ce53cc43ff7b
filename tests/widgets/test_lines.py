import pytest

from nsm_nb.widgets.lines import Lines, line


def test_every_text_is_made_printable(hostile):
    shown = Lines(hostile, line((hostile, "src", hostile)))

    assert "\x1b" not in repr(shown.lines) and "\u202e" not in repr(shown.lines)
    assert "<script>" in shown.text() and "$x_{$" in shown.text()


def test_an_unknown_class_is_refused():
    with pytest.raises(ValueError, match="no class 'evil'"):
        line(("a", "evil"))


def test_find_goes_on_and_begins_again():
    shown = Lines("Volume", "directory", "volume")

    assert shown.find("VOLUME") == 0
    assert shown.find("volume", after=0) == 2
    assert shown.find("volume", after=2) == 0
    assert shown.find("nowhere") is None
    assert shown.find("") is None


def test_only_keys_that_it_listens_for_arrive():
    shown, pressed = Lines(listens=["F1"]), []
    shown.on_key(pressed.append)

    shown._told(shown, {"type": "key", "key": "F1"}, [])
    shown._told(shown, {"type": "key", "key": "F2"}, [])

    assert pressed == ["F1"]


def test_a_saved_notebook_shows_the_text_escaped(hostile):
    data, _ = Lines(hostile)._repr_mimebundle_()

    assert "&lt;script&gt;" in data["text/html"] and "<script" not in data["text/html"]
    assert "application/vnd.jupyter.widget-view+json" in data
