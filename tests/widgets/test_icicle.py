import itertools

import numpy as np
import pandas as pd
import pytest

from nsm_nb.statistics import protocols
from nsm_nb.widgets.icicle import Icicle


def tree(paths):
    return protocols(pd.DataFrame({"layers": paths, "length": np.arange(1, len(paths) + 1) * 100}))


@pytest.mark.parametrize("by", ["length", "packets"])
def test_parts_fill_what_they_are_parts_of_and_never_overlap(by):
    parts = Icicle(tree(["eth:ip:tcp", "eth:ip:udp", "eth:ipv6:tcp", "eth:arp", "llc", "eth:ip"]), by=by).parts

    for level in {each["level"] for each in parts}:
        row = sorted((each for each in parts if each["level"] == level), key=lambda each: each["at"])
        for one, other in itertools.pairwise(row):
            assert one["at"] + one["size"] <= other["at"] + 1e-12
    for each in parts:
        above = [one for one in parts if each["path"].rpartition(":")[0] == one["path"]]
        for one in above:
            assert one["at"] - 1e-12 <= each["at"] and each["at"] + each["size"] <= one["at"] + one["size"] + 1e-12
    assert sum(each["size"] for each in parts if each["level"] == 0) == pytest.approx(1)


def test_the_cursor_stays_on_its_path():
    icicle = Icicle(tree(["eth:ip:tcp", "eth:ip:udp", "eth:arp"]))
    icicle.active = next(place for place, each in enumerate(icicle.parts) if each["path"] == "eth:arp")

    icicle.show(tree(["eth:arp", "eth:ip:udp"]))
    assert icicle.parts[icicle.active]["path"] == "eth:arp"
    icicle.show(tree(["eth:ip:udp"]))
    assert icicle.active is None


def test_a_key_in_the_browser_is_told_with_its_place():
    icicle, pressed = Icicle(tree(["eth:ip:tcp"]), listens=["i"]), []
    icicle.on_key(pressed.append)

    icicle._told(icicle, {"type": "key", "key": "i", "active": 2}, [])
    icicle._told(icicle, {"type": "key", "key": "i", "active": 9}, [])
    icicle._told(icicle, {"type": "key", "key": "x", "active": 1}, [])

    assert pressed == ["i", "i"] and icicle.active == 2


def test_thousands_of_layers_are_cut_and_said_to_be():
    icicle = Icicle(tree([f"l{number}" for number in range(1000)]))

    assert len(icicle.parts) == 400 and "600 more" in icicle.label


def test_hostile_names_are_text(hostile):
    icicle = Icicle(tree([hostile]))

    assert "\x1b" not in icicle.label and "\u202e" not in icicle.parts[0]["name"]
    data, _ = icicle._repr_mimebundle_()
    assert "<script" not in data["text/html"]


def test_an_empty_tree_says_so():
    assert Icicle(tree([])).parts == [] and "no packets" in Icicle(tree([])).label
