import numpy as np
import pandas as pd
import pytest

from nsm_nb.schema import addresses
from nsm_nb.widgets import order

COLUMNS = {
    "integers": pd.Series(pd.array([3, None, 1, 3, 2], dtype="Int64")),
    "ports": pd.Series(pd.array([80, 443, None, 80, 21], dtype="UInt16")),
    "floats": pd.Series([0.5, np.nan, -1.0, 0.5, 2.0]),
    "text": pd.Series(["b", None, "a", "b", "Z"], dtype="str"),
    "objects": pd.Series([("b",), None, ("a",), ("b",), ("c",)], dtype=object),
    "unordered": pd.Series(pd.Categorical(["udp", None, "arp", "udp", "tcp"], categories=["udp", "tcp", "arp"])),
    "times": pd.Series(pd.to_datetime(["2026-01-03", None, "2026-01-01", "2026-01-03", "2026-01-02"], utc=True)),
    "booleans": pd.Series(pd.array([True, None, False, True, False], dtype="boolean")),
    "durations": pd.Series(pd.to_timedelta([3, None, 1, 3, 2], unit="s")),
}


def slow(column, descending):
    """Python's stable sort on the values themselves, missing last."""
    values = list(column.astype(object))
    present = [place for place, value in enumerate(values) if value is not None and pd.isna(value) is not True]
    missing = [place for place in range(len(values)) if place not in present]
    return sorted(present, key=values.__getitem__, reverse=descending) + missing


@pytest.mark.parametrize("descending", [False, True])
@pytest.mark.parametrize("name", COLUMNS)
def test_order_agrees_with_the_slow_way(name, descending):
    column = COLUMNS[name]

    assert order.sorted_places(column, descending=descending).tolist() == slow(column, descending)


def test_addresses_are_ordered_by_number():
    (column,) = addresses(["10.0.0.9", "::1", "9.9.9.9", "10.0.0.10", None])

    assert order.sorted_places(pd.Series(column)).tolist() == [2, 0, 3, 1, 4]


@pytest.mark.parametrize("seed", range(10))
def test_order_of_random_numbers_is_stable_both_ways(seed):
    random = np.random.default_rng(seed)
    values = pd.Series(random.integers(0, 5, 200))
    for descending in (False, True):
        assert order.sorted_places(values, descending=descending).tolist() == slow(values, descending)


def test_every_word_must_be_in_a_row():
    table = pd.DataFrame(
        {
            "message": pd.array(["SMB listing", "FTP STOR", None], dtype="str"),
            "src_ip": addresses(["10.10.20.5", "172.16.10.80", "10.10.20.5"])[0],
            "dst_port": pd.array([445, 21, None], dtype="UInt16"),
        }
    )

    assert order.matching(table, "smb 10.10").tolist() == [0]
    assert order.matching(table, "445").tolist() == [0]
    assert order.matching(table, "10.10.20").tolist() == [0, 2]
    assert order.matching(table, "nowhere").tolist() == []
    assert order.matching(table, "  ").tolist() == [0, 1, 2]


@pytest.mark.parametrize("word", ["(", "[a", ".*", "\\", "$x$", "99999999999999999999", "²", "-1"])
def test_words_are_words_never_patterns(word):
    table = pd.DataFrame({"message": ["a(b", "[a.*\\$x$"], "port": [1, 2]})

    found = order.matching(table, word).tolist()

    assert found == [place for place, text in enumerate(table["message"]) if word in text]


@pytest.mark.parametrize("seed", range(10))
def test_ranges_hold_the_same_places(seed):
    places = np.flatnonzero(np.random.default_rng(seed).random(60) < 0.5)

    assert [each for low, high in order.ranges(places) for each in range(low, high + 1)] == places.tolist()
