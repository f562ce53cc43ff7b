import re

import pytest

from nsm_nb import colours
from nsm_nb.widgets import cells, style


def test_every_chip_is_readable():
    for colour in (*colours.PRIORITY.values(), *colours.CATEGORY.values()):
        assert colours.contrast(colour, colours.ink(colour)) >= 4.5, colour


@pytest.mark.parametrize("theme", style.GROUNDS)
def test_text_in_a_fixed_colour_is_readable_in_both_themes(theme):
    for colour in (colours.SRC, colours.DST, colours.DOUBT):
        shown = colours.readable(colour, *style.GROUNDS[theme])
        assert min(colours.contrast(shown, ground) for ground in style.GROUNDS[theme]) >= 4.5


def test_every_class_a_style_may_give_is_in_the_sheet():
    known = set(re.findall(r"\.nsm-([A-Za-z0-9-]+)", style.sheet("grid.css")))

    assert known >= cells.CLASSES


@pytest.mark.parametrize(
    "name", ["shared.js", "rows.js", "grid.js", "timeline.js", "icicle.js", "lines.js", "entry.js", "preview.js"]
)
def test_no_module_sets_markup_or_asks_the_network(name):
    source = style.asset(name)

    assert not re.search(
        r"innerHTML|outerHTML|insertAdjacentHTML|document\.write|eval\(|fetch\(|import\(|^import ", source, re.M
    )
    assert "http" not in source.replace("http://www.w3.org/2000/svg", "")
