import re

import pytest

from nsm_nb import colours
from nsm_nb.widgets import cells, style


def test_every_chip_is_readable():
    for colour in (*colours.PRIORITY.values(), *colours.CATEGORY.values()):
        assert style.contrast(colour, style.ink_on(colour)) >= 4.5, colour


@pytest.mark.parametrize("theme", style.GROUNDS)
def test_text_in_a_fixed_colour_is_readable_in_both_themes(theme):
    for colour in (colours.SRC, colours.DST, colours.DOUBT):
        shown = style.readable(colour, *style.GROUNDS[theme])
        assert min(style.contrast(shown, ground) for ground in style.GROUNDS[theme]) >= 4.5


def test_a_colour_that_is_readable_already_is_not_changed():
    assert style.readable("#000080", "#ffffff") == "#000080"


def test_contrast_agrees_with_the_examples_of_wcag():
    assert style.contrast("#777777", "#ffffff") == pytest.approx(4.48, abs=0.01)
    assert style.contrast("#ffffff", "#000000") == pytest.approx(21)


def test_every_class_a_style_may_give_is_in_the_sheet():
    known = set(re.findall(r"\.nsm-([A-Za-z0-9-]+)", style.sheet("grid.css")))

    assert known >= cells.CLASSES


@pytest.mark.parametrize("name", ["grid.js", "timeline.js", "lines.js"])
def test_no_module_sets_markup_or_asks_the_network(name):
    source = style.asset(name)

    assert not re.search(
        r"innerHTML|outerHTML|insertAdjacentHTML|document\.write|eval\(|fetch\(|import\(|^import ", source, re.M
    )
    assert "http" not in source.replace("http://www.w3.org/2000/svg", "")
