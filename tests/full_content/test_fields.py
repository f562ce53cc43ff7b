import struct
import subprocess

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import nsm_nb as nsm
from nsm_nb.errors import NsmError
from nsm_nb.full_content import carve, fields, frame_bytes
from nsm_nb.text import printable
from tests.test_hostile import captures
from tests.writing import conversation, ethernet, ip, ipv6, ppp, pppoe, snap, tcp, udp, vxlan, wlan

# A field of ours: its header, its name, tshark's name for it, and how its text becomes a number.
ORACLE = [
    ("IP", "Source IP", "ip.src", str), ("IP", "Dest IP", "ip.dst", str), ("IP", "Ver", "ip.version", int),
    ("IP", "HL", "ip.hdr_len", int), ("IP", "TOS", "ip.dsfield", lambda text: int(text, 16)), ("IP", "len", "ip.len", int),
    ("IP", "ID", "ip.id", lambda text: int(text, 16)), ("IP", "Offset", "ip.frag_offset", lambda text: int(text) * 8),
    ("IP", "TTL", "ip.ttl", int), ("IP", "ChkSum", "ip.checksum", lambda text: int(text, 16)),
    ("IPv6", "Source IP", "ipv6.src", str), ("IPv6", "Dest IP", "ipv6.dst", str), ("IPv6", "len", "ipv6.plen", int),
    ("IPv6", "Flow", "ipv6.flow", lambda text: int(text, 16)), ("IPv6", "Next", "ipv6.nxt", int),
    ("IPv6", "Class", "ipv6.tclass", lambda text: int(text, 16)), ("IPv6", "Hops", "ipv6.hlim", int),
    ("TCP", "Source Port", "tcp.srcport", int), ("TCP", "Dest Port", "tcp.dstport", int),
    ("TCP", "Seq #", "tcp.seq_raw", int), ("TCP", "Ack #", "tcp.ack_raw", int), ("TCP", "Offset", "tcp.hdr_len", int),
    ("TCP", "Window", "tcp.window_size_value", int), ("TCP", "Urp", "tcp.urgent_pointer", int),
    ("TCP", "ChkSum", "tcp.checksum", lambda text: int(text, 16)),
    ("UDP", "Source Port", "udp.srcport", int), ("UDP", "Dest Port", "udp.dstport", int), ("UDP", "Length", "udp.length", int),
    ("UDP", "ChkSum", "udp.checksum", lambda text: int(text, 16)),
    ("ICMP", "Type", "icmp.type", int), ("ICMP", "Code", "icmp.code", int), ("ICMP", "Seq #", "icmp.seq", int),
    ("ICMP", "ID", "icmp.ident", int), ("ICMPv6", "Type", "icmpv6.type", int), ("ICMPv6", "Code", "icmpv6.code", int),
    ("ARP", "Operation", "arp.opcode", int), ("ARP", "Sender IP", "arp.src.proto_ipv4", str),
    ("ARP", "Target MAC", "arp.dst.hw_mac", str),
]  # fmt: skip
FLAGS = {"R1": 128, "R0": 64, "URG": 32, "ACK": 16, "PSH": 8, "RST": 4, "SYN": 2, "FIN": 1}


def row(frame, title, **options):
    return dict(dict(fields(frame, **options))[title])


def test_headers_are_what_tshark_reads(evidence, tshark, tmp_path):
    packets = nsm.read_packets(evidence / "staged.pcap")
    rare = packets[packets["proto"].isin(["icmp", "icmp6", "arp"])].groupby("proto", observed=True).head(40).index
    packets = packets.loc[sorted({*packets.index[::23], *rare})]
    picked = carve(packets, tmp_path / "picked.pcap")
    asked = [word for name in [*(each[2] for each in ORACLE), "tcp.flags"] for word in ("-e", name)]
    printed = subprocess.run(
        [tshark, "-n", "-o", "ip.defragment:FALSE", "-r", picked, "-T", "fields", "-E", "occurrence=f", *asked],
        capture_output=True, text=True, check=True,
    ).stdout.splitlines()  # fmt: skip
    compared = np.zeros(len(ORACLE), int)

    for frame, line in zip(frame_bytes(packets), printed, strict=True):
        *cells, flags = line.split("\t")
        headers = {title: dict(each) for title, each in reversed(fields(frame)) if "quoted" not in title}
        for place, ((title, name, _, read), cell) in enumerate(zip(ORACLE, cells, strict=True)):
            said = headers.get(title, {}).get(name)
            if said is not None:
                assert said == str(read(cell))
                compared[place] += 1
            else:  # tshark's ip.version is IPv6's too, and its udp.srcport one that is quoted
                assert cell == "" or name == "Ver" or "quoted" in str(fields(frame))
        if flags:
            told = sum(bit for name, bit in FLAGS.items() if headers["TCP"][name] == "X")
            assert told == int(flags, 16) & 255
    assert (compared > 0).all()


def test_the_rows_of_a_tcp_packet_are_sguils():
    headers = fields(conversation()[1][1])

    assert [title for title, _ in headers] == ["IP", "TCP"]
    assert [name for name, _ in headers[0][1]] == [
        "Source IP", "Dest IP", "Ver", "HL", "TOS", "len", "ID", "Flags", "Offset", "TTL", "ChkSum",
    ]  # fmt: skip
    assert [name for name, _ in headers[1][1]] == [
        "Source Port", "Dest Port", *FLAGS, "Seq #", "Ack #", "Offset", "Res", "Window", "Urp", "ChkSum",
    ]  # fmt: skip
    assert [dict(headers[1][1])[name] for name in FLAGS] == [".", ".", ".", "X", ".", ".", "X", "."]


def test_flags_and_offset_of_a_fragment_are_told_and_nothing_is_read_into_its_middle():
    first = ip(udp(b"x" * 24, 53, 4000), "10.0.0.1", "10.0.0.2", 17, place=0x2000)
    later = ip(b"y" * 24, "10.0.0.1", "10.0.0.2", 17, place=4)

    assert row(first, "IP", link=101)["Flags"] == "MF"
    assert row(first, "UDP", link=101)["Source Port"] == "53"
    assert row(later, "IP", link=101)["Offset"] == "32"
    assert [title for title, _ in fields(later, link=101)] == ["IP"]


def test_an_icmp_error_tells_what_it_quotes():
    lost = ip(udp(b"", 53001, 33434)[:8], "10.0.0.1", "192.0.2.9", 17)
    error = ip(struct.pack(">BBHI", 3, 3, 0, 0) + lost, "192.0.2.9", "10.0.0.1", 1)
    redirect = ip(struct.pack(">BBH4s", 5, 1, 0, bytes([10, 0, 0, 254])) + lost, "10.0.0.2", "10.0.0.1", 1)

    assert row(error, "quoted", link=101) == {
        "Protocol": "17", "Source IP": "10.0.0.1", "Dest IP": "192.0.2.9", "Source Port": "53001", "Dest Port": "33434",
    }  # fmt: skip
    assert row(redirect, "ICMP", link=101)["Gateway"] == "10.0.0.254"


def test_headers_of_ipv6_are_passed_on_the_way():
    options = bytes([44, 0, 0, 0, 0, 0, 0, 0])
    fragment = bytes([6, 0]) + struct.pack(">HI", 1, 77)
    frame = ethernet(ipv6(options + fragment + tcp(b"", 1, 2), "2001:db8::1", "::ffff:192.0.2.1", 0), ethertype=0x86DD)

    assert [title for title, _ in fields(frame)] == ["IPv6", "IPv6 fragment", "TCP"]
    assert row(frame, "IPv6 fragment") == {"ID": "77", "Offset": "0", "Flags": "MF"}
    assert row(frame, "IPv6")["Dest IP"] == "::ffff:192.0.2.1"


def test_tunnels_show_every_ip_header_and_end():
    inner = ip(tcp(b"", 1, 2), "10.0.0.1", "10.0.0.2", 6)
    assert [title for title, _ in fields(ethernet(ip(inner, "192.0.2.1", "192.0.2.2", 4)))] == ["IP", "IP", "TCP"]

    deep = inner
    for _ in range(3000):
        deep = ip(deep, "192.0.2.1", "192.0.2.2", 4)
    assert len(fields(deep, link=101)) == 22  # the kernel looks at 24 layers


def test_tunnels_in_udp_and_other_links_show_what_they_carry():
    inner = ethernet(ip(tcp(b"", 1, 2), "10.0.0.1", "10.0.0.2", 6))
    outer = ip(udp(vxlan(inner), 40000, 4789), "192.0.2.1", "192.0.2.2", 17)

    assert [title for title, _ in fields(ethernet(outer))] == ["IP", "UDP", "IP", "TCP"]
    assert [title for title, _ in fields(ethernet(pppoe(ppp(outer)), ethertype=0x8864))] == ["IP", "UDP", "IP", "TCP"]
    assert [title for title, _ in fields(wlan(snap(outer)), link=105)] == ["IP", "UDP", "IP", "TCP"]


@pytest.mark.parametrize(
    ("link", "head"),
    [
        (1, bytes(12) + b"\x08\x00"),
        (1, bytes(12) + b"\x81\x00\x00\x07\x88\xa8\x00\x08\x08\x00"),
        (1, bytes(12) + b"\x00\x24\xaa\xaa\x03\0\0\0\x08\x00"),
        (113, bytes(14) + b"\x08\x00"),
        (276, b"\x08\x00" + bytes(18)),
        (101, b""),
        (0, b"\x02\0\0\0"),
        (108, b"\0\0\0\x02"),
    ],
)
def test_every_link_type_that_is_decoded_leads_to_ip(link, head):
    assert row(head + ip(b"", "10.0.0.1", "10.0.0.2", 59), "IP", link=link)["Source IP"] == "10.0.0.1"


@pytest.mark.parametrize("cut", range(14, 60))
def test_a_header_that_is_cut_says_so(cut):
    headers = fields(conversation()[3][1][:cut])

    if cut < 34:
        assert headers == [("IP", [("cut", f"{cut - 14} of 20 bytes {'are' if cut - 14 != 1 else 'is'} here")])]
    elif cut < 54:
        assert headers[1] == ("TCP", [("cut", f"{cut - 34} of 20 bytes {'are' if cut - 34 != 1 else 'is'} here")])
    else:
        assert dict(headers[1][1])["Dest Port"] == "80"


def test_padding_is_not_taken_for_a_header():
    assert fields(ethernet(ip(b"", "10.0.0.1", "10.0.0.2", 6) + bytes(26)))[1:] == [
        ("TCP", [("cut", "0 of 20 bytes are here")])
    ]


def test_what_is_not_ip_has_no_rows_or_arps():
    assert fields(bytes(60)) == []
    assert fields(b"") == []
    assert fields(bytes(60), link=9999) == []


LINKS = st.sampled_from([0, 1, 9, 51, 101, 104, 105, 108, 113, 119, 127, 163, 192, 204, 276, 9999])


@given(frame=st.binary(max_size=200), link=LINKS)
def test_no_bytes_make_it_fail(frame, link):
    for title, each in fields(frame, link=link):
        assert title == printable(title)
        assert all(printable(part) == part for pair in each for part in pair)


@given(data=st.data(), link=LINKS)
def test_no_damage_makes_it_fail(data, link):
    quoting = ip(
        struct.pack(">BBHI", 3, 3, 0, 0) + ip(udp(b"", 1, 2), "10.0.0.1", "10.0.0.2", 17), "10.0.0.2", "10.0.0.1", 1
    )
    six = ethernet(ipv6(bytes([60, 1]) + bytes(14) + tcp(b"x", 1, 2), "2001:db8::1", "::1", 0), ethertype=0x86DD)
    arp = ethernet(bytes.fromhex("0001080006040001") + bytes(20), ethertype=0x0806)
    frame = bytearray(data.draw(st.sampled_from([conversation()[3][1], ethernet(quoting), six, arp])))
    for place, value in data.draw(st.lists(st.tuples(st.integers(0, len(frame) - 1), st.integers(0, 255)), max_size=6)):
        frame[place] = value

    for _, each in fields(bytes(frame[: data.draw(st.integers(0, len(frame)))]), link=link):
        assert all(isinstance(value, str) for _, value in each)


@pytest.mark.slow
def test_no_hostile_capture_makes_it_fail(shared):
    count = 0
    for path in captures(shared):
        try:
            packets = nsm.read_packets(path, format="pcap")
        except NsmError:
            continue
        for frame in frame_bytes(packets.head(1000)):
            count += len(fields(frame)) + len(fields(frame, link=101))
    assert count > 1000
