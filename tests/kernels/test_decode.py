"""Header decoding agrees with a plain reading of the same bytes, frame by frame, whatever the bytes."""

from __future__ import annotations

import ipaddress
import struct

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

import nsm_nb as nsm
from tests import writing


def slow(frame):
    """Ethernet, VLAN, IPv4, IPv6 without extensions, TCP, UDP - as one would write it for one frame."""
    row = {}
    if len(frame) < 14:
        return row
    row["dst_mac"], row["src_mac"] = frame[:6].hex(":"), frame[6:12].hex(":")
    at, (kind,) = 14, struct.unpack_from(">H", frame, 12)
    while kind in (0x8100, 0x88A8, 0x9100):
        if len(frame) < at + 4:
            return row
        tag, kind = struct.unpack_from(">HH", frame, at)
        row.setdefault("vlan", tag & 0xFFF)
        at += 4
    if kind == 0x0800:
        if len(frame) < at + 20 or frame[at] >> 4 != 4 or frame[at] & 15 < 5:
            return row
        size, total = (frame[at] & 15) * 4, struct.unpack_from(">H", frame, at + 2)[0]
        total = total or max(len(frame) - at, size)
        place = struct.unpack_from(">H", frame, at + 6)[0]
        row |= {"octets": total, "ttl": frame[at + 8], "src_ip": str(ipaddress.IPv4Address(frame[at + 12 : at + 16]))}
        row |= {"dst_ip": str(ipaddress.IPv4Address(frame[at + 16 : at + 20]))}
        if place & 0x3FFF:
            row["fragment"] = (place & 0x1FFF) * 8
        proto, end = frame[at + 9], at + total
        if place & 0x1FFF or total < size or len(frame) < at + size:
            return row
        at += size
    elif kind == 0x86DD:
        if len(frame) < at + 40 or frame[at] >> 4 != 6:
            return row
        size = struct.unpack_from(">H", frame, at + 4)[0] or max(len(frame) - at - 40, 0)
        proto, end = frame[at + 6], at + 40 + size
        row |= {"octets": size + 40, "ttl": frame[at + 7]}
        row |= {"src_ip": written(frame[at + 8 : at + 24]), "dst_ip": written(frame[at + 24 : at + 40])}
        at += 40
    else:
        return row
    left = min(end, len(frame)) - at
    if proto in (6, 17) and left >= 4:
        row["src_port"], row["dst_port"] = struct.unpack_from(">HH", frame, at)
    if proto == 6 and left >= 16:
        row["seq"], row["ack"] = struct.unpack_from(">II", frame, at + 4)
        row["tcp_flags"] = struct.unpack_from(">H", frame, at + 12)[0] & 0x1FF
        head = (frame[at + 12] >> 4) * 4
        if 20 <= head <= end - at:
            row["payload"] = end - at - head
    if proto == 17 and left >= 8:
        said = struct.unpack_from(">H", frame, at + 4)[0]
        row["payload"] = (said if 8 <= said < end - at else end - at) - 8
    return row


def written(packed):
    address = ipaddress.IPv6Address(packed)
    return f"::ffff:{address.ipv4_mapped}" if address.ipv4_mapped else str(address)


PORT = st.integers(0, 65535)
TCP = st.builds(
    writing.tcp, st.binary(max_size=20), PORT, PORT, seq=st.integers(0, 2**32 - 1), flags=st.integers(0, 255),
    options=st.sampled_from([b"", b"\x01" * 4, b"\x02\x04\x05\xb4"]),
)  # fmt: skip
UDP = st.builds(writing.udp, st.binary(max_size=20), PORT, PORT)
FOUR = st.ip_addresses(v=4).map(str)
SIX = st.ip_addresses(v=6).map(str)
PLACE = st.sampled_from([0, 0, 0x4000, 0x2000, 0x2001, 0x00B9])
TOTAL = st.sampled_from([None, None, 0, 20, 40, 65535])
IP = st.one_of(
    st.builds(
        writing.ip, TCP, FOUR, FOUR, st.just(6), place=PLACE, total=TOTAL, options=st.sampled_from([b"", b"\x01" * 8])
    ),
    st.builds(writing.ip, UDP, FOUR, FOUR, st.just(17), place=PLACE, total=TOTAL),
)
ETHERNET = st.one_of(
    st.builds(writing.ethernet, IP, vlans=st.lists(st.integers(0, 65535), max_size=3).map(tuple)),
    st.builds(
        writing.ethernet,
        st.one_of(
            st.builds(writing.ipv6, TCP, SIX, SIX, st.just(6)), st.builds(writing.ipv6, UDP, SIX, SIX, st.just(17))
        ),
        ethertype=st.just(0x86DD),
    ),
)


@st.composite
def damaged(draw):
    """A frame, cut or padded or with a byte changed."""
    frame = bytearray(draw(ETHERNET))
    what = draw(st.sampled_from(["whole", "cut", "padded", "changed"]))
    if what == "cut":
        frame = frame[: draw(st.integers(0, len(frame)))]
    elif what == "padded":
        frame += bytes(draw(st.integers(1, 30)))
    elif what == "changed" and frame:
        frame[draw(st.integers(12, len(frame) - 1))] = draw(st.integers(0, 255))
    return bytes(frame)


COLUMNS = [
    "vlan",
    "src_mac",
    "dst_mac",
    "src_ip",
    "dst_ip",
    "ttl",
    "octets",
    "fragment",
    "src_port",
    "dst_port",
    "seq",
    "ack",
    "tcp_flags",
    "payload",
]
EXTENSIONS = (0, 43, 44, 51, 60, 135)


@given(st.lists(damaged(), min_size=1, max_size=8))
@example([b""])
def test_each_column_is_what_a_plain_reading_gives(tmp_path_factory, frames):
    path = tmp_path_factory.mktemp("decode") / "x.pcap"
    path.write_bytes(writing.pcap([(10**9, frame) for frame in frames]))

    table = nsm.read_packets(path, format="pcap")

    for row, frame in zip(table.to_dict("records"), frames, strict=True):
        extended = frame[12:14] == b"\x86\xdd" and len(frame) > 20 and frame[20] in EXTENSIONS
        if (
            extended
            or frame[12:14] in (b"\x08\x06",)
            or (b"ipv6" in str(row["layers"]).encode() and "extension" in row["layers"])
        ):
            continue  # the twin knows no extension headers and no ARP
        expected = slow(frame)
        for name in COLUMNS:
            mine = (
                None if row[name] is None or row[name] != row[name] or str(row[name]) in ("<NA>", "nan") else row[name]
            )
            assert mine == expected.get(name), (name, frame.hex())


@pytest.mark.parametrize(
    ("link", "head", "layers"),
    [
        (101, b"", "raw:ip:udp"),
        (228, b"", "raw:ip:udp"),
        (113, struct.pack(">HHH8sH", 0, 1, 6, bytes.fromhex("000c29aabb010000"), 0x0800), "sll:ip:udp"),
        (276, struct.pack(">HHIHBB8s", 0x0800, 0, 1, 1, 0, 6, bytes.fromhex("000c29aabb010000")), "sll2:ip:udp"),
        (0, struct.pack("<I", 2), "null:ip:udp"),
        (108, struct.pack(">I", 2), "null:ip:udp"),
    ],
)
def test_other_link_types_lead_to_the_same_addresses(tmp_path, link, head, layers):
    datagram = writing.ip(writing.udp(b"hello", 53, 1053), "192.0.2.1", "192.0.2.2", 17)
    (tmp_path / "x.pcap").write_bytes(writing.pcap([(10**9, head + datagram)], link=link))

    row = nsm.read_packets(tmp_path / "x.pcap").iloc[0]

    assert (row["layers"], row["src_ip"], row["src_port"], row["payload"]) == (layers, "192.0.2.1", 53, 5)
    assert row["octets"] == 33


def test_ipv6_extension_headers_and_fragments_are_walked(tmp_path):
    hop_by_hop = bytes([44, 0, 1, 4, 0, 0, 0, 0])
    fragment = struct.pack(">BBHI", 17, 0, 0 << 3 | 1, 77)
    first = writing.ipv6(hop_by_hop + fragment + writing.udp(b"abcdefgh", 5, 6), "2001:db8::1", "2001:db8::2", 0)
    later = writing.ipv6(struct.pack(">BBHI", 17, 0, 16, 77) + b"rest", "2001:db8::1", "2001:db8::2", 44)
    frames = [(0, writing.ethernet(each, ethertype=0x86DD)) for each in (first, later)]
    (tmp_path / "x.pcap").write_bytes(writing.pcap(frames))

    table = nsm.read_packets(tmp_path / "x.pcap")

    assert table["layers"].tolist() == ["eth:ipv6:ipv6.extension:ipv6.fragment:udp", "eth:ipv6:ipv6.fragment:fragment"]
    assert table["fragment"].tolist() == [0, 16]
    assert table["ip_id"].tolist() == [77, 77]
    assert table["proto"].tolist() == ["udp", "udp"]
    assert table["src_port"].astype(object).where(table["src_port"].notna(), None).tolist() == [5, None]


def test_a_chain_deeper_than_24_layers_says_so(tmp_path):
    frame = writing.ethernet(b"", vlans=tuple(range(30)))
    (tmp_path / "x.pcap").write_bytes(writing.pcap([(10**9, frame)]))

    assert nsm.read_packets(tmp_path / "x.pcap")["layers"][0].endswith(":...")
