"""Packet sizes against the slow way."""

from __future__ import annotations

import pandas as pd
from hypothesis import given
from hypothesis import strategies as st

from nsm_nb.schema import PACKETS
from nsm_nb.statistics import sizes, summary


@given(st.lists(st.integers(0, 2**32 - 1), max_size=30))
def test_every_packet_is_in_the_row_that_its_size_says(lengths):
    table = sizes(pd.DataFrame({"length": pd.array(lengths, "uint32")}))

    for row in table.itertuples():
        some = [length for length in lengths if row.low <= length <= row.high]
        assert (row.packets, row.length) == (len(some), sum(some))
    assert table["packets"].sum() == len(lengths)
    assert (table["low"].iloc[1:].to_numpy() == table["high"].iloc[:-1].to_numpy() + 1).all()  # no gap


def test_the_summary_holds_the_same_table(staged):
    pd.testing.assert_frame_equal(summary(staged).sizes, sizes(staged))


def test_no_packets_give_an_empty_typed_table():
    table = sizes(PACKETS.empty())

    assert len(table) == 0
    assert str(table["packets"].dtype) == "int64"
