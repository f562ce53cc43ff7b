"""The palettes: readable on both grounds, and apart for every common kind of colour blindness."""

from __future__ import annotations

import itertools

import numpy as np
import pytest

from nsm_nb import colours

PALETTES = {
    "src and dst": [colours.SRC, colours.DST],
    "sent and received": [colours.SENT, colours.RECEIVED],
    "priority": list(colours.PRIORITY.values()),
    "category": list(colours.CATEGORY.values()),
    "protocol": list(colours.PROTOCOL.values()),
}
EVERY = sorted({each for palette in PALETTES.values() for each in palette} | {colours.DOUBT})

# How the three kinds of colour blindness see linear RGB, at full severity: Machado, Oliveira and Fernandes, 2009.
SEEN_BY = {
    "everyone": np.eye(3),
    "protanopia": [[0.152286, 1.052583, -0.204868], [0.114503, 0.786281, 0.099216], [-0.003882, -0.048116, 1.051998]],
    "deuteranopia": [[0.367322, 0.860646, -0.227968], [0.280085, 0.672501, 0.047413], [-0.011820, 0.042940, 0.968881]],
    "tritanopia": [[1.255528, -0.076749, -0.178779], [-0.078411, 0.930809, 0.147602], [0.004733, 0.691367, 0.303900]],
}


def seen(colour, by):
    """Return a colour in CIE L*a*b* (D65) as someone sees it."""
    parts = np.array([int(colour[place : place + 2], 16) for place in (1, 3, 5)]) / 255
    linear = np.where(parts <= 0.04045, parts / 12.92, ((parts + 0.055) / 1.055) ** 2.4)
    linear = np.clip(np.array(SEEN_BY[by]) @ linear, 0, 1)
    xyz = np.array([[0.4124, 0.3576, 0.1805], [0.2126, 0.7152, 0.0722], [0.0193, 0.1192, 0.9505]]) @ linear
    x, y, z = np.cbrt(xyz / [0.9505, 1, 1.089]).clip(0.16)
    return np.array([116 * y - 16, 500 * (x - y), 200 * (y - z)])


@pytest.mark.parametrize("by", SEEN_BY)
@pytest.mark.parametrize("name", ["src and dst", "sent and received", "protocol"])
def test_no_two_colours_of_a_palette_look_alike(name, by):
    for one, other in itertools.combinations(PALETTES[name], 2):
        assert np.linalg.norm(seen(one, by) - seen(other, by)) > 18, (one, other)  # just noticeable: 2.3


@pytest.mark.parametrize("theme", colours.THEMES)
def test_protocols_stand_out_on_both_grounds(theme):
    ground = colours.THEMES[theme].ground

    assert all(colours.contrast(colour, ground) >= 3 for colour in colours.PROTOCOL.values())


@pytest.mark.parametrize("theme", colours.THEMES)
def test_text_of_a_theme_is_read_on_its_ground(theme):
    look = colours.THEMES[theme]

    assert colours.contrast(look.ink, look.ground) >= 7
    assert colours.contrast(look.faint, look.ground) >= 4.5


@pytest.mark.parametrize("colour", EVERY)
def test_the_ink_on_any_colour_is_read(colour):
    assert colours.contrast(colours.ink(colour), colour) >= 4.5


@pytest.mark.parametrize("ground", ["#ffffff", "#111111", "#212121", "#f3f3f3"])
@pytest.mark.parametrize("colour", EVERY)
@pytest.mark.parametrize("ratio", [3, 4.5])
def test_a_colour_made_readable_is_read(colour, ground, ratio):
    assert colours.contrast(colours.readable(colour, ground, ratio=ratio), ground) >= ratio


@pytest.mark.parametrize("colour", EVERY)
def test_a_colour_that_is_readable_stays_as_it_is(colour):
    ground = colours.ink(colour)

    assert colours.readable(colour, ground) == colour


def test_contrast_is_the_one_that_wcag_defines():
    assert colours.contrast("#777777", "#ffffff") == pytest.approx(4.48, abs=0.01)
    assert colours.contrast("#ffffff", "#777777") == colours.contrast("#777777", "#ffffff")
    assert colours.contrast("#123456", "#123456") == 1


def test_meanings_are_those_of_sguil():
    assert list(colours.PRIORITY) == [1, 2, 3, 4, 5]
    assert colours.PRIORITY[2] == colours.PRIORITY[3] != colours.PRIORITY[4] == colours.PRIORITY[5]
    assert list(colours.CATEGORY) == ["I", "II", "III", "IV", "V", "VI", "VII", "NA", "ESC", "NEW"]
    assert [colours.CATEGORY[each] for each in ("I", "II", "III", "IV", "V", "VI", "VII")] == [
        "#cc0000", "#ff6600", "#ff9900", "#cc9900", "#9999cc", "#ffcc00", "#cc66ff",
    ]  # fmt: skip
    assert set(colours.PROTOCOL) == {"tcp", "udp", "icmp", "icmp6", "arp", "other"}
