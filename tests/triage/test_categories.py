"""The categories are Sguil's."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nsm_nb.triage import CATEGORIES
from nsm_nb.triage.categories import find

# status id, key, short name and colour as Sguil's sources have them (reference/seed-systems.md 11.6)
SGUIL = [
    (11, "F1", "I", "#cc0000"),
    (12, "F2", "II", "#ff6600"),
    (13, "F3", "III", "#ff9900"),
    (14, "F4", "IV", "#cc9900"),
    (15, "F5", "V", "#9999cc"),
    (16, "F6", "VI", "#ffcc00"),
    (17, "F7", "VII", "#cc66ff"),
    (1, "F8", "NA", "#add8e6"),
    (2, "F9", "ESC", "#ffc0cb"),
    (0, "", "NEW", "#d9d9d9"),  # ours: Sguil colours what is new by its priority
]


def test_ids_keys_and_colours_are_those_of_sguil_in_the_order_of_the_keys():
    assert [(each.sguil_id, each.key, each.short, each.colour) for each in CATEGORIES.values()] == SGUIL
    assert list(CATEGORIES) == [each.short for each in CATEGORIES.values()]


def test_only_escalating_demands_a_comment():
    assert [each.short for each in CATEGORIES.values() if each.needs_comment] == ["ESC"]


@pytest.mark.parametrize("short", CATEGORIES)
def test_a_category_is_found_by_every_name_it_has(short):
    each = CATEGORIES[short]
    for text in (short, short.lower(), f"Cat {short}", f" cat  {short} ", each.name, each.key or short):
        assert find(text) is each


@given(st.text())
def test_any_other_text_finds_nothing(text):
    found = find(text)
    assert found is None or found in CATEGORIES.values()
    if not text.strip():
        assert found is None


def test_the_categories_can_not_be_changed():
    with pytest.raises(TypeError):
        CATEGORIES["I"] = CATEGORIES["II"]  # type: ignore[index]


def test_figures_and_widgets_colour_the_categories_alike():
    from nsm_nb.colours import CATEGORY

    assert {short: each.colour for short, each in CATEGORIES.items()} == CATEGORY
