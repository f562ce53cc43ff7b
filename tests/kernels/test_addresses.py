"""Addresses to text and back agree with Python's ipaddress."""

from __future__ import annotations

import ipaddress

import numpy as np
from hypothesis import example, given
from hypothesis import strategies as st

from nsm_nb.kernels.addresses import address_order, address_texts, address_values, mac_texts


def arrays(numbers):
    high = np.array([int(each) >> 64 for each in numbers], np.uint64).view(np.int64)
    low = np.array([int(each) & 0xFFFFFFFFFFFFFFFF for each in numbers], np.uint64).view(np.int64)
    tag = np.array([each.version for each in numbers], np.int64)
    return high, low, tag


def texts(data, offsets):
    raw = data.tobytes().decode()
    return [raw[offsets[place] : offsets[place + 1]] for place in range(len(offsets) - 1)]


def buffers(lines):
    encoded = [line.encode() for line in lines]
    offsets = np.cumsum([0, *map(len, encoded)]).astype(np.int64)
    return np.frombuffer(bytearray(b"".join(encoded) or b"\0"), np.uint8), offsets


SIX = st.one_of(
    st.ip_addresses(v=6),
    # runs of zero groups, which RFC 5952 folds
    st.lists(st.sampled_from([0, 0, 0, 1, 0xFFFF]), min_size=8, max_size=8).map(
        lambda groups: ipaddress.IPv6Address(sum(group << (16 * place) for place, group in enumerate(groups)))
    ),
)
ADDRESSES = st.lists(st.one_of(st.ip_addresses(v=4), SIX), max_size=20)


def written(address):
    """The text of RFC 5952; Python ends IPv4-mapped addresses as IPv4 from 3.13 on."""
    mapped = getattr(address, "ipv4_mapped", None)
    return f"::ffff:{mapped}" if mapped else str(address)


@given(ADDRESSES)
@example(
    [
        ipaddress.ip_address("::"),
        ipaddress.ip_address("::1"),
        ipaddress.ip_address("1::"),
        ipaddress.ip_address("::ffff:1.2.3.4"),
    ]
)
def test_text_is_what_rfc_5952_says(numbers):
    assert texts(*address_texts(*arrays(numbers))) == [written(each) for each in numbers]


@given(ADDRESSES)
def test_text_is_read_back_to_the_same_number(numbers):
    high, low, tag = address_values(*address_texts(*arrays(numbers)))

    for mine, given_ in zip((high, low, tag), arrays(numbers), strict=True):
        assert mine.tolist() == given_.tolist()


@given(st.lists(st.text(alphabet="0123456789abcdefABCDEF:.gx ", max_size=24), max_size=10))
@example(
    [
        "1.2.3",
        "1.2.3.4.5",
        "01.2.3.4",
        "256.1.1.1",
        "::",
        ":::",
        "1::2::3",
        "1:2:3:4:5:6:7:8:9",
        "::1.2.3.4",
        "1:",
        ":1",
        "1.2.3.4:5",
    ]
)
def test_only_addresses_are_taken_for_addresses(lines):
    _, low, tag = address_values(*buffers(lines))

    for line, value, kind in zip(lines, low.tolist(), tag.tolist(), strict=True):
        try:
            expected = ipaddress.ip_address(line)
        except ValueError:
            assert kind == 0, line
        else:
            assert kind == expected.version
            assert value & 0xFFFFFFFFFFFFFFFF == int(expected) & 0xFFFFFFFFFFFFFFFF


@given(ADDRESSES)
def test_order_is_by_number_with_ipv4_first(numbers):
    order = address_order(*arrays(numbers))

    assert [numbers[place] for place in order] == sorted(numbers, key=lambda each: (each.version, int(each)))


def test_mac_addresses_have_colons_and_lower_case():
    assert texts(*mac_texts(np.array([0x000C29AABB01, 0xFFFFFFFFFFFF]))) == ["00:0c:29:aa:bb:01", "ff:ff:ff:ff:ff:ff"]
