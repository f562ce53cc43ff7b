"""Concentration and entropy against their slow definitions."""

from __future__ import annotations

import collections
import math

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

import nsm_nb as nsm
from nsm_nb.errors import MissingColumn
from nsm_nb.schema import PACKETS, SESSIONS
from nsm_nb.statistics import concentration, entropy, sizes, talkers

SECOND = 10**9


def slow_gini(amounts):
    """Half of the mean difference of all pairs, over the mean."""
    apart = sum(abs(one - other) for one in amounts for other in amounts) / len(amounts) ** 2
    return apart / (2 * sum(amounts) / len(amounts))


def slow_bits(values):
    counts = collections.Counter(values)
    return -sum(count / len(values) * math.log2(count / len(values)) for count in counts.values())


@given(st.lists(st.integers(0, 10**9), max_size=30))
def test_gini_evenness_and_top_shares_are_those_of_their_definitions(amounts):
    row = concentration(pd.DataFrame({"octets": pd.array(amounts, "Int64")}), top=(1, 3)).iloc[0]
    some = [amount for amount in amounts if amount]

    assert (row["count"], row["total"]) == (len(some), sum(some))
    if some:
        assert row["gini"] == pytest.approx(slow_gini(some), abs=1e-9)
        assert row["top_1"] == pytest.approx(max(some) / sum(some))
        assert row["top_3"] == pytest.approx(sum(sorted(some)[-3:]) / sum(some))
        assert -1e-9 <= row["evenness"] <= 1 + 1e-9
    else:
        assert np.isnan(row["gini"])
        assert np.isnan(row["top_1"])


def test_all_alike_is_even_and_one_with_all_is_not():
    alike = concentration(pd.DataFrame({"packets": [5] * 8})).iloc[0]
    alone = concentration(pd.DataFrame({"packets": [10**6, *[1] * 99]})).iloc[0]

    assert (alike["gini"], alike["evenness"], alike["top_1"]) == (pytest.approx(0), pytest.approx(1), 1 / 8)
    assert alone["gini"] > 0.98
    assert alone["evenness"] < 0.01


def test_the_amounts_are_those_that_the_table_has(staged):
    table = talkers(SESSIONS.empty())

    assert concentration(table)["amount"].tolist() == ["octets", "packets", "sessions"]
    assert concentration(table)["total"].tolist() == [0, 0, 0]
    assert concentration(sizes(staged), "packets")["total"].tolist() == [9746]
    with pytest.raises(MissingColumn, match="no column 'bytes'"):
        concentration(table, "bytes")


@given(st.lists(st.integers(1, 6), max_size=40))
def test_entropy_is_that_of_its_definition(ports):
    row = entropy(pd.DataFrame({"dst_port": pd.array(ports, "UInt16")})).iloc[0]

    assert (row["column"], row["rows"], row["values"]) == ("dst_port", len(ports), len(set(ports)))
    if ports:
        assert row["bits"] == pytest.approx(slow_bits(ports), abs=1e-9)
    else:
        assert np.isnan(row["bits"])


@given(st.lists(st.tuples(st.integers(0, 9), st.one_of(st.none(), st.integers(1, 4))), min_size=1, max_size=40))
def test_entropy_by_intervals_is_that_of_each_interval(rows):
    times, ports = zip(*rows, strict=True)
    table = pd.DataFrame(
        {"time": pd.to_datetime([each * SECOND for each in times], utc=True), "dst_port": pd.array(ports, "UInt16")}
    )
    told = entropy(table, every="2s")["dst_port"].tolist()

    for at, bits in enumerate(told, start=min(times) // 2):
        some = [port for time, port in rows if time // 2 == at and port is not None]
        assert (bits == pytest.approx(slow_bits(some), abs=1e-9)) if some else np.isnan(bits)
    assert len(told) == max(times) // 2 - min(times) // 2 + 1


def test_the_scan_of_the_case_is_where_destination_ports_are_most_varied_and_sources_least(evidence, staged):
    sessions, _ = nsm.sessions.assemble(staged)
    told = entropy(sessions, every="1s")
    scan = told.loc["2026-11-24 02:30:53+00:00"]  # as the story of the case tells it

    assert scan["dst_port"] == told["dst_port"].max() > 6
    assert scan["src_ip"] < 0.3 < told["src_ip"].median()


def test_empty_tables_and_wrong_words_are_answered():
    assert len(entropy(PACKETS.empty(), every="1s")) == 0
    assert entropy(PACKETS.empty())["rows"].tolist() == [0] * 4
    with pytest.raises(ValueError, match="no fixed length"):
        entropy(PACKETS.empty(), every="MS")
    with pytest.raises(MissingColumn, match="no column 'x'"):
        entropy(PACKETS.empty(), "x")
    with pytest.raises(MissingColumn, match="of times"):
        entropy(pd.DataFrame({"dst_port": [1]}), every="1s")
