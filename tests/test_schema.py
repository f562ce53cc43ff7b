"""The tables as data: any table conforms, absent is missing, addresses are ordered by number."""

from __future__ import annotations

import ipaddress
import time

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from nsm_nb import schema
from nsm_nb.errors import MissingColumn

SCHEMAS = [schema.PACKETS, schema.SESSIONS, schema.FLOWS, schema.ALERTS, schema.VERDICTS, schema.LEADS, schema.CAVEATS]


@pytest.mark.parametrize("table", SCHEMAS, ids=lambda each: each.name)
def test_an_empty_table_has_all_columns_with_their_dtypes(table):
    empty = table.empty()

    assert list(empty.columns) == list(table.columns)
    for name, column in table.columns.items():
        if column.dtype == schema.ADDRESS:
            assert empty[name].dtype.ordered
        else:
            assert str(empty[name].dtype) == column.dtype, name


@pytest.mark.parametrize("table", SCHEMAS, ids=lambda each: each.name)
def test_every_column_says_what_it_means(table):
    assert all(column.meaning for column in table.columns.values())


def test_what_a_table_lacks_comes_back_missing_and_what_it_has_too_much_is_left_out():
    made = schema.SESSIONS.conform(pd.DataFrame({"proto": ["tcp", "udp"], "colour": ["red", "blue"]}))

    assert "colour" not in made
    assert made["src_octets"].isna().all()
    assert made["start"].isna().all()
    assert made["src_ip"].isna().all()
    assert made["direction_known"].isna().all()


def test_conforming_twice_changes_nothing():
    once = schema.SESSIONS.conform(
        pd.DataFrame({"src_ip": ["10.0.0.1", "::1"], "start": ["2003-11-13T17:00:00Z", None]})
    )

    pd.testing.assert_frame_equal(schema.SESSIONS.conform(once), once)


def test_the_table_given_is_not_changed():
    given_ = pd.DataFrame({"src_ip": ["10.0.0.1"], "src_port": ["80"]}, index=[7])

    schema.SESSIONS.conform(given_.astype({"src_port": int}))

    assert given_["src_ip"].tolist() == ["10.0.0.1"]
    assert given_.index.tolist() == [7]


def test_a_column_that_cannot_be_read_is_named():
    with pytest.raises(ValueError, match="column 'src_port' of sessions can't be read as UInt16"):
        schema.SESSIONS.conform(pd.DataFrame({"src_port": ["eighty"]}))


def test_a_missing_column_is_named_with_its_meaning():
    with pytest.raises(MissingColumn, match=r"no column 'src_ip' \(who opened the conversation\)"):
        schema.SESSIONS.require(pd.DataFrame(), "src_ip")


TEXTS = st.one_of(
    st.ip_addresses().map(str), st.sampled_from(["", "junk", "1.2.3", "<script>", None, "fe80::1%eth0", "2001:DB8::1"])
)


@given(st.lists(TEXTS, max_size=15), st.lists(TEXTS, max_size=15))
def test_addresses_of_two_columns_sort_and_compare_by_number(left, right):
    one, other = schema.addresses(left, right)

    assert one.dtype == other.dtype
    numbers = [ipaddress.ip_address(text) for text in one.categories]
    assert numbers == sorted(numbers, key=lambda each: (each.version, int(each)))
    for text, mine in [*zip(left, one, strict=True), *zip(right, other, strict=True)]:
        try:
            expected = ipaddress.ip_address(str(text).partition("%")[0])
        except ValueError:
            assert pd.isna(mine)
        else:
            assert ipaddress.ip_address(mine) == expected


@given(st.lists(st.ip_addresses(), max_size=10), st.integers(0, 32), st.ip_addresses(v=4))
def test_in_network_agrees_with_ipaddress(numbers, bits, network):
    column = pd.Series(schema.addresses([str(each) for each in numbers])[0])
    inside = ipaddress.ip_network(f"{network}/{bits}", strict=False)

    mine = schema.in_network(column, f"{network}/{bits}")

    assert mine.tolist() == [each.version == 4 and each in inside for each in numbers]


def test_no_missing_address_lies_in_a_network():
    assert schema.in_network(pd.Series(schema.addresses(["junk", "10.1.1.1"])[0]), "0.0.0.0/0").tolist() == [
        False,
        True,
    ]


def test_a_network_that_is_none_is_refused():
    with pytest.raises(ValueError, match="does not appear to be"):
        schema.in_network(pd.Series(schema.addresses(["10.0.0.1"])[0]), "ten")


def test_caveats_travel_with_the_table_and_add_up():
    table = schema.with_caveats(schema.PACKETS.empty(), [schema.Caveat("a", 1, 2, "cut", "one")])
    table = schema.with_caveats(table, [schema.Caveat("a", None, None, "clock", "two")])

    assert [caveat.kind for caveat in schema.caveats_of(table)] == ["cut", "clock"]
    rows = schema.caveat_table(schema.caveats_of(table))
    assert rows["record"].tolist() == [1, pd.NA]
    assert np.array_equal(rows["detail"], ["one", "two"])


def test_columns_that_are_missing_are_made_quickly_and_of_their_dtype():
    count = 1_000_000
    wide = pd.DataFrame(index=range(count))

    before = time.process_time()
    tables = [each.conform(wide) for each in (schema.PACKETS, schema.SESSIONS, schema.ALERTS)]

    assert time.process_time() - before < 4
    for table, columns in zip(tables, (schema.PACKETS, schema.SESSIONS, schema.ALERTS), strict=True):
        assert table.isna().all(axis=None)
        for name, column in columns.columns.items():
            if column.dtype not in (schema.ADDRESS, "uint32", "int64"):  # which have no way to say missing
                assert str(table[name].dtype) == column.dtype


@settings(max_examples=60)
@given(
    st.lists(st.sampled_from(["0", "1", "10", "099", "255", "256", "", "9 ", "\u0663", "1%e", "::1"]), max_size=5).map(
        ".".join
    )
    | st.sampled_from(["::ffff:1.2.3.4", "fe80::1%eth0", "1.2.3.4\n"])
)
def test_addresses_are_those_that_the_ipaddress_module_knows(text):
    (column,) = schema.addresses([text, "10.0.0.1"])
    try:
        expected = ipaddress.ip_address(text.partition("%")[0])
    except ValueError:
        assert column[0] is np.nan
        return
    assert ipaddress.ip_address(column[0]) == expected
    assert (column.codes[0] > column.codes[1]) == ((expected.version, int(expected)) > (4, 0x0A000001))
