"""Vendors of MAC addresses, from the table in the package."""

from __future__ import annotations

import gzip
from importlib.resources import files

import pandas as pd
import pytest

from nsm_nb.statistics import vendor


@pytest.mark.parametrize(
    ("mac", "name"),
    [
        ("00:00:0c:12:34:56", "Cisco Systems, Inc"),
        ("00-00-0C-12-34-56", "Cisco Systems, Inc"),
        ("0000.0c12.3456", "Cisco Systems, Inc"),
        ("70:b3:d5:f2:f0:01", "TELEPLATFORMS"),  # a block of 36 bits, in one of 24 that is the registry's own
        ("20:85:93:b0:00:01", "IOG Products LLC"),  # a block of 28 bits
        ("02:60:8c:00:00:01", "3COM"),  # given out before the bit meant that none did
        ("52:54:00:12:34:56", "locally administered: QEMU or KVM, by habit"),
        ("02:42:ac:11:00:02", "locally administered: Docker, by habit"),
        ("da:a1:19:00:00:01", "locally administered: made up by software, or random"),
        ("01:00:5e:00:00:fb", "multicast (IPv4)"),
        ("33:33:00:00:00:01", "multicast (IPv6)"),
        ("01:80:c2:00:00:00", "multicast (IEEE 802.1)"),
        ("03:00:00:00:00:01", "multicast"),
        ("ff:ff:ff:ff:ff:ff", "broadcast"),
        ("00:00:00:00:00:00", "all zeros: no address"),
        ("00:ff:ff:00:00:01", "not listed"),
        ("not a mac", ""),
        ("", ""),
    ],
)
def test_an_address_is_told_by_its_block_or_by_what_it_is(mac, name):
    assert vendor(mac) == name


def test_a_column_is_told_row_by_row_and_missing_stays_missing():
    macs = pd.Series(["00:00:0c:00:00:01", None, "x", "00:00:0c:00:00:02"], index=[3, 1, 4, 5], dtype="category")
    told = vendor(macs)

    assert told.index.tolist() == [3, 1, 4, 5]
    assert told.dropna().to_dict() == {3: "Cisco Systems, Inc", 5: "Cisco Systems, Inc"}
    assert len(vendor(pd.Series([], dtype="str"))) == 0


def test_the_table_says_where_it_is_from_and_is_small():
    data = files("nsm_nb.statistics").joinpath("data/oui.tsv.gz").read_bytes()
    text = gzip.decompress(data).decode()

    assert len(data) < 600_000
    assert text.startswith("# IEEE's public listings")
    assert "2024-05-20" in text[:600]
    blocks = [block for line in text.splitlines() if line[0] != "#" for block in line.split("\t")[1].split(" ")]
    assert len(blocks) == len(set(blocks)) > 45_000
    assert {len(block) for block in blocks} == {6, 7, 9}
    assert not any(ord(letter) < 32 and letter not in "\t\n" for letter in text)
