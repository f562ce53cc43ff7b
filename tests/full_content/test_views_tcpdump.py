"""The text of `view(style="tcpdump")` against tcpdump's own, line by line.

What is left out of the comparison, because we print no applications: after a TCP segment's ``length N`` what tcpdump says of
its payload (``: HTTP, length: 72`` and the lines below, up to the bytes); from ``UDP, length N`` on what it says of a datagram
to a port that it knows. Where tcpdump finds such an application cut short it prints the bytes from the link layer on.
Everything else is equal: the lines above, and every row of bytes.
"""

from __future__ import annotations

import os
import random
import re
import shutil
import struct
import subprocess

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import nsm_nb as nsm
from nsm_nb.errors import NsmError
from nsm_nb.full_content import view
from nsm_nb.full_content.views.tcpdump import tcpdump as printed
from tests.writing import ethernet, ip, ipv6, pcap, tcp, udp

_TIME = re.compile(r"\d\d:\d\d:\d\d\.\d{6} ")
_ROW = re.compile(r"\t0x[0-9a-f]{4}:  ")
_CUT = re.compile(r"\[\|(?!ip6?\]|tcp\]|udp\]|icmp6?\]|arp\]|ether\]|vlan\]|llc\]|stp\])\w+\]")


@pytest.fixture(scope="module")
def tcpdump():
    """Return what tcpdump prints of a capture, a list of lines for each packet."""
    found = shutil.which("tcpdump")
    if found is None:
        pytest.skip("tcpdump is not installed; it is the oracle of this test")

    def run(path):
        said = subprocess.run(
            [found, "-n", "-e", "-vvv", "-X", "-r", path],
            capture_output=True,
            check=False,
            env={**os.environ, "TZ": "UTC"},
        )
        return split(said.stdout.decode("latin-1"))

    return run


def split(text):
    packets = []
    for line in text.split("\n"):
        if _TIME.match(line) or not packets:
            packets.append([])
        packets[-1].append(line)
    if packets and packets[-1][-1] == "":
        packets[-1].pop()
    return packets


def difference(ours, theirs):
    """Return "" where they are equal, "application" where they are but for that, else the first lines that differ."""
    if ours == theirs:
        return ""
    count = len([line for line in ours if not _ROW.match(line)])
    rows, head = ours[count:], ours[:count]
    last = re.sub(r"UDP, (bad )?length .*$", "", head[-1])
    equal = theirs[: count - 1] == head[:-1] and len(theirs) >= count and theirs[count - 1].startswith(last)
    behind = theirs[count - 1][len(last) :] if equal else ""
    said = last != head[-1] or behind[:1] in (":", " ") or (not behind and theirs[count : count + 1] != rows[:1])
    whole = theirs[len(theirs) - len(rows) :] == rows or _CUT.search("\n".join(theirs))
    if equal and said and whole:
        return "application"
    return next((f"{a!r}\n{b!r}" for a, b in zip(ours, theirs, strict=False) if a != b), "one is longer")


def compared(packets, theirs, *, evidence=None):
    ours = split(view(packets, evidence=evidence))
    assert len(ours) == len(theirs) == len(packets)
    return np.array([difference(*pair) for pair in zip(ours, theirs, strict=True)], dtype=object)


def test_every_packet_of_the_bundled_capture_is_as_tcpdump_prints_it(evidence, tcpdump):
    packets = nsm.read_packets(evidence / "staged.pcap")

    found = compared(packets, tcpdump(evidence / "staged.pcap"))

    assert set(found) == {"", "application"}
    # an application can only be where there is payload
    silent = packets["payload"].fillna(0).to_numpy() == 0
    assert silent.sum() > 4000 and set(found[silent]) == {""}
    proto = packets["proto"].astype(str).to_numpy()
    for name in ("arp", "icmp", "icmp6"):
        assert (proto == name).any() and set(found[proto == name]) == {""}
    assert {"tcp", "udp"} == set(proto[found == "application"])


# capture: why packets of TCP, UDP, ICMP or ARP in it are printed otherwise, and how many
KNOWN = {
    "pcap_log4shell_cve2021_44228_java_serialized_2022-05-13045800.pcapng": (
        "a total length of 0: segmentation offload",
        2,
    ),
    "ip4_fragments.pcap": ("NFS is printed in place of the checksum", 3),
    "arp-oobr.pcap": ("an ARP of an unknown hardware type, which tcpdump takes for ATM", 1),
    "decode-sll2-01/input.pcap": ("tcpdump names the interface after those of the machine it runs on", 5),
}


@pytest.mark.slow
def test_the_captures_of_the_corpus_are_too(shared, tcpdump):
    seen, wrong = 0, {}
    for path in sorted((shared / "corpus" / "captures").rglob("*.pcap*")):
        try:
            packets = nsm.read_packets(path, label="corpus")
        except NsmError:  # tests/formats judge what is no capture
            continue
        linked = packets["layers"].astype(str).str.split(":").str[0].isin(["eth", "raw", "null", "sll", "sll2"])
        plain = packets["proto"].isin(["tcp", "udp", "icmp", "icmp6", "arp"]) & linked
        theirs = tcpdump(path)
        if path.stat().st_size > 4_000_000 or not plain.any() or len(theirs) != len(packets):
            continue
        discovery = packets["layers"].astype(str).str.contains("pppoe|wlan")
        found = compared(packets, theirs, evidence={"corpus": path})[(plain & ~discovery).to_numpy()]
        seen += len(found)
        bad = [each for each in found if each not in ("", "application")]
        if len(bad) != (KNOWN.get(path.name) or KNOWN.get(f"{path.parent.name}/{path.name}") or ("", 0))[1]:
            wrong[str(path)] = (len(bad), bad[:1])
    assert not wrong
    assert seen > 20_000


def frames_of_every_kind():
    """Frames with all types of ICMP, all flags, random options, fragments, tags; whole and cut at every byte."""
    datagram, segment = udp(b"abcd", 4000, 5001), tcp(b"hello", 1, 2, seq=3, ack=4, flags=2, window=5)
    inner = [ip(datagram, "10.0.0.1", "10.0.0.2", 17), ip(segment[:8], "10.0.0.1", "10.0.0.2", 6)]
    whole = [ethernet(each) for each in inner]

    def icmp(kind, code, quoted):
        return ethernet(ip(bytes((kind, code, 0, 0, 0, 2, 0, 5)) + quoted, "10.0.0.3", "10.0.0.4", 1))

    whole += [icmp(kind, code, quoted) for kind in range(256) for code in (0, 1) for quoted in inner]
    whole += [icmp(kind, code, quoted) for kind in (3, 5, 11, 12) for code in range(2, 18) for quoted in inner]
    whole += [
        ethernet(ip(tcp(b"x" * (flags % 45), 1, 2, flags=flags), "10.0.0.1", "10.0.0.2", 6)) for flags in range(256)
    ]
    whole += [
        ethernet(ip(each, "10.0.0.1", "10.0.0.2", proto, place=place))
        for place in (0x2000, 0x2005, 0x0010, 0x4000, 0x8000, 0xE000)
        for each, proto in ((datagram, 17), (segment, 6))
    ]
    whole += [ethernet(ip(datagram, "10.0.0.1", "10.0.0.2", 17), vlans=vlans) for vlans in ((5,), (0x2FFF, 0xE001))]
    neighbours = bytes.fromhex(
        "01010200000000010304 40c0 0000000a ffffffff 00000000 20010000000000000000000000000000 05010000000005dc"
        "1905000000000005 fe80"
        + "00" * 30
        + "18023008000000052001000000000000 0e01010203040506 0401000000000000 0701000000000007"
    )
    for kind, size in (
        (133, 8),
        (134, 16),
        (135, 24),
        (136, 24),
        (137, 40),
        (1, 8),
        (2, 8),
        (3, 8),
        (4, 8),
        (128, 8),
        (129, 8),
    ):
        for flags in (0, 0x80, 0x48, 0xF8):
            message = bytes((kind, flags & 3, 0, 0, flags, flags, 0, 5)) + b"\x20" * (size - 8)
            message += neighbours if kind > 132 else ipv6(datagram, "fe80::1", "2001:db8::2", 17)
            whole.append(ethernet(ipv6(message, "fe80::1", "2001:db8::2", 58), ethertype=0x86DD))
    hops = bytes((17, 0, 5, 2, 0, 0, 1, 0))
    whole += [ethernet(ipv6(hops + datagram, "fe80::1", "ff02::1", proto), ethertype=0x86DD) for proto in (0, 60)]
    piece = bytes((17, 0, 0, 1, 0, 0, 0, 9))
    whole += [ethernet(ipv6(piece + datagram, "fe80::1", "ff02::1", 44), ethertype=0x86DD)]
    arp = struct.pack(">HHBBH", 1, 0x0800, 6, 4, 1) + bytes.fromhex("000c29aabb01 0a000001 000000000000 0a000001")
    whole += [ethernet(arp, ethertype=0x0806)]
    whole += [ethernet(arp[:7] + bytes((number,)) + arp[8:], ethertype=0x0806) for number in range(12)]
    gre = [bytes.fromhex(each) for each in ("00000800", "b0000800 00000000 00000007 00000009", "00000001")]
    whole += [ethernet(ip(each + inner[0], "10.0.0.1", "10.0.0.2", 47)) for each in gre]
    whole += [ethernet(ip(ip(datagram, "10.0.0.8", "10.0.0.9", 17), "10.0.0.1", "10.0.0.2", 4))]
    whole += [ethernet(bytes.fromhex("0001d1ff 00010140") + inner[0], ethertype=0x8847)]
    whole += [ethernet(b"\x00\x05\x08\x00" + inner[0], ethertype=0x88A8)]
    tree = bytes.fromhex("424203 0000 00 00 81 8000 000c29aabb01 00000013 8000 000c29fefefe 8001 0100 1400 0200 0f00")
    rapid = bytes.fromhex(
        "424203 0000 02 02 7c 8000 000c29aabb01 00000013 8000 000c29fefefe 8001 0100 1400 0200 0f00 00"
    )
    snap = bytes.fromhex("aaaa03 000000 0800") + inner[0]
    whole += [ethernet(each, ethertype=len(each)) for each in (tree, rapid, snap, bytes.fromhex("42420300008000"))]
    cut = [
        frame[:size]
        for frame in (*whole[:3], ethernet(arp, ethertype=0x0806), *whole[-4:-1])
        for size in range(1, len(frame))
    ]
    return [*whole, *cut]


def random_options(seed):
    """Frames whose TCP and IP options are random, with a taste for those that are known."""
    rand = random.Random(seed)
    frames = []
    for _ in range(800):
        options = bytes(
            rand.choice([rand.randrange(29), rand.randrange(256), 2, 4, 1]) for _ in range(4 * rand.randrange(1, 11))
        )
        segment = tcp(
            b"", rand.choice((1, 2)), rand.choice((1, 2)), seq=rand.getrandbits(32), ack=rand.getrandbits(32),
            flags=rand.choice((2, 16, 18, 24)), options=options.replace(b"\x0d", b"\x01").replace(b"\x1e", b"\x02"),
        )  # fmt: skip
        frames.append(ethernet(ip(segment, "10.0.0.1", "10.0.0.2", 6)))
        known = rand.choice((7, 68, 131, 137, 148, 130, 0, 1))
        options = bytes(rand.choice([known, rand.randrange(1, 12), 4, 8]) for _ in range(4 * rand.randrange(1, 11)))
        frames.append(ethernet(ip(b"x", "10.0.0.1", "10.0.0.2", 253, options=options)))
    return frames


@pytest.mark.parametrize("frames", [frames_of_every_kind(), random_options(1)], ids=["kinds", "options"])
def test_made_frames_are_as_tcpdump_prints_them(frames, tcpdump, tmp_path):
    (tmp_path / "made.pcap").write_bytes(pcap([(1_000_000_000, frame) for frame in frames]))

    ours = [text[:-1].split("\n") for text in printed((10**9, len(frame), frame, 1) for frame in frames)]

    theirs = tcpdump(tmp_path / "made.pcap")
    assert len(theirs) == len(frames) > 1000
    bad = [(frame.hex(), a, b) for frame, a, b in zip(frames, ours, theirs, strict=True) if a != b]
    assert not bad


def test_numbers_are_counted_from_what_came_before_in_the_selection():
    opening = tcp(b"", 1, 2, seq=100, ack=500, flags=0x12)
    data = tcp(b"abc", 1, 2, seq=101, ack=500)
    frames = [ethernet(ip(each, "10.0.0.1", "10.0.0.2", 6)) for each in (opening, data)]

    both = list(printed((0, len(each), each, 1) for each in frames))
    alone = next(printed([(0, len(frames[1]), frames[1], 1)]))

    assert "seq 100, ack 500," in both[0] and "seq 1:4, ack 1," in both[1]
    assert "seq 101:104, ack 500," in alone


def test_a_packet_without_time_shows_none():
    frame = ethernet(ip(udp(b"", 1, 2), "10.0.0.1", "10.0.0.2", 17))

    assert next(printed([(None, len(frame), frame, 1)])).startswith("--:--:--.------ ")


@pytest.mark.parametrize(("link", "name"), [(253, "253 (netlink, Linux)"), (127, "127 (radiotap)"), (9, "9 (PPP)")])
def test_a_link_type_that_is_not_printed_is_named_and_its_bytes_shown(link, name):
    assert next(printed([(0, 3, b"abc", link)])) == (
        f"00:00:00.000000 link type {name}, of which this layout has the bytes alone, length 3\n"
        f"\t0x0000:  {'6162 63':<39}  abc\n"
    )


def test_tunnels_end_somewhere():
    frame = udp(b"", 1, 2)
    for _ in range(2000):
        frame = ip(frame, "10.0.0.1", "10.0.0.2", 4, total=0xFFFF)
    text = next(printed([(0, len(frame), frame, 101)]))

    assert text.count("proto IPIP") == 16 and "the rest is in the bytes below" in text


@given(data=st.binary(max_size=120), link=st.sampled_from([0, 1, 101, 108, 113, 276]), kind=st.sampled_from(range(8)))
def test_no_bytes_break_it_and_all_of_it_is_printable(data, link, kind):
    heads = (
        b"", bytes(12) + b"\x08\0\x45\0\0\x50", bytes(12) + b"\x86\xdd\x60\0\0\0\0\x40", bytes(12) + b"\x08\x06\0\1\x08\0\6\4",
        bytes(12) + b"\x81\0\0\5\x08\0\x4f\0\0\x60", bytes(12) + b"\0\x30\x42\x42\3", bytes(12) + b"\x88\x47",
        bytes(12) + b"\0\x30\xaa\xaa\3\0\0\0\x08\0",
    )  # fmt: skip
    frame = heads[kind] + data

    text = next(printed([(0, len(frame) + 20, frame, link)]))

    assert text.isascii() and text.replace("\n", "").replace("\t", "").isprintable()
