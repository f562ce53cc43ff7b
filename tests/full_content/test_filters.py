"""Capture filters: tcpdump's answers, packet by packet."""

from __future__ import annotations

import shutil
import struct
import subprocess

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import nsm_nb as nsm
from nsm_nb.errors import MissingColumn, NsmError
from nsm_nb.full_content import frame_bytes, matching
from nsm_nb.full_content.filters import compile
from nsm_nb.full_content.frames import link_types
from tests import writing

FILTERS = """
ip ; ip6 ; arp ; rarp ; tcp ; udp ; sctp ; icmp ; icmp6 ; igmp ; ah ; esp ; pim ; not tcp ; not (tcp or udp)
ip proto 47 ; ip proto 4 ; proto 41 ; proto \\tcp ; ip6 proto 0 ; ip6 proto 44 ; ip6 proto 58
protochain 6 ; ip6 protochain 17 ; ip6 protochain 58 ; ip protochain 51
ether proto 0x88cc ; ether proto 0x809b ; ether proto \\arp ; stp ; ipx ; iso ; netbeui ; atalk ; aarp ; lat
host 10.0.0.1 ; host 192.168.1.1 ; host 203.0.113.66 ; net 10.0.0.0/8 ; net 192.168 ; net 10 ; host 192.168.1
net 172.16.0.0 mask 255.240.0.0 ; net 0.0.0.2 mask 0.0.0.255 ; src net 192.168.0.0/16 ; dst net 224.0.0.0/4
src net 10 and dst net 10 ; src and dst net 10 ; src or dst net 192.168 ; arp host 192.168.1.1 ; ip host 192.168.1.1
ip6 net fe80::/10 ; net 2001::/16 ; dst host ff02::1 ; ip6 and not net fe80::/10 ; host ::1
port 80 ; port 53 ; port http ; port domain ; tcp port 80 ; tcp port 80 or 443 ; udp port 53 or 5353 ; src port 53
dst port 443 ; src and dst port 53 ; port 80 and not 443 ; portrange 1-1024 ; tcp portrange 1024-65535 ; not port 80
udp dst portrange 100-1 ; tcp or udp and port 53 ; tcp and (port 80 or 8080) ; tcp dst port (80 or 445 or not 22)
broadcast ; ether broadcast ; multicast ; ether multicast ; ip multicast ; ip broadcast ; ip6 multicast
ether src 00:00:00:00:00:00 ; ether host ff:ff:ff:ff:ff:ff ; ether dst 01:00:5e:00:00:fb
ether[0] & 1 = 1 ; ether[6:4] & 0xff = 0x0c ; ether[12:2] = 0x800 ; ether[14] = 0x45 ; ether[4:2] > 0x100
less 60 ; less 100 and tcp ; greater 1000 ; len > 500 and len <= 1500 ; len - 14 > ip[2:2]
tcp[tcpflags] & tcp-syn != 0 ; tcp[tcpflags] & (tcp-syn|tcp-fin) != 0 ; tcp[tcpflags] == tcp-syn ; tcp[13] = 18
tcp[13] & 7 != 0 ; not tcp[13] & 2 != 0 ; tcp[0:2] = 80 ; tcp[2:2] < 1024 ; tcp[4:4] > 0x7fffffff ; tcp[8:4] = 0
tcp[14:2] < 1000 ; tcp[12] >> 4 > 5 ; tcp[((tcp[12] & 0xf0) >> 2):4] = 0x47455420 ; udp[4:2] > 200 ; udp[8:2] & 0x8000 != 0
icmp[icmptype] = icmp-echo ; icmp[icmptype] != icmp-echo and icmp[0] != icmp-echoreply ; icmp[1] = 1
icmp6[icmp6type] = icmp6-neighborsolicit ; icmp6[0] = 134 ; ip[6:2] & 0x1fff != 0 ; ip[6:2] & 0x3fff != 0
ip[6] & 0x40 != 0 ; ip[8] < 64 ; ip[9] = 17 ; ip[0] & 0xf > 5 ; ip[2:2] > 576 ; ip[4:2] = 0 ; ip[12:4] = 0x0a000001
ip[16] >= 224 ; ip[1] & 0xfc != 0 ; ip6[7] < 64 ; ip6[4:2] > 100 ; ip6[6] = 58 ; arp[6:2] = 1 ; arp[7] = 2
ip[2:2] - (ip[0] & 15) * 4 > 100 ; ip[2:2] * 2 / 3 % 7 = 1 ; ip[8] ^ 64 = 0 ; -ip[0] > 5 ; 0 + tcp[13] = 2
tcp and ip[2:2] - ((ip[0]&0xf)<<2) - ((tcp[12]&0xf0)>>2) != 0 ; 0 + icmp[0] = 8 ; 1 + icmp6[0] > 3 ; tcp[0] / udp[4] = 1
vlan ; vlan and ip ; vlan and tcp port 80 ; vlan 100 ; vlan 10 and host 10.0.0.1 ; vlan and vlan ; vlan and vlan and ip
not vlan ; ip or vlan ; vlan or ip ; vlan and not ip ; mpls ; mpls and ip ; mpls and mpls and ip ; mpls and tcp ; mpls 16
pppoed ; pppoes ; pppoes and ip ; pppoes and tcp port 80 ; pppoes and ip6 ; udp port 4789 ; udp port 2152 or 3544 or 6081
not host 10.0.0.1 and not net 192.168.0.0/16 ; ip and not (net 10.0.0.0/8 or net 172.16.0.0/12)
(tcp[13] & 2) != 0 and not (src net 10) ; icmp or icmp6 or arp ; ip[100] = 0 or tcp ; tcp or ip[1000] = 0 ; not ip[1000] = 0
"""
LINES = [line.strip() for line in FILTERS.replace("\n", ";").split(";") if line.strip()]


@pytest.fixture(scope="module")
def tcpdump():
    """A capture and a filter -> the records that tcpdump writes; None where it refuses the filter for this link type."""
    program = shutil.which("tcpdump")
    if program is None:
        pytest.skip("tcpdump is not installed; it is the oracle of this test")

    def run(path, line):
        done = subprocess.run(
            [program, "-n", "-Z", "root", "-r", path, "-w", "-", "--", line], capture_output=True, timeout=60
        )
        if done.returncode:
            last = done.stderr.decode().splitlines()[-1]
            assert any(each in last for each in ("support", "not a broadcast", "not implemented", "rejects all")), last
            return None
        return list(records(done.stdout))

    return run


def records(data):
    at = 24
    while at < len(data):
        seconds, _, captured, length = struct.unpack_from("<IIII", data, at)
        yield seconds, length, data[at + 16 : at + 16 + captured]
        at += 16 + captured


def numbered(path, frames, link):
    """Write frames whose time is their place, so that each is known by it."""
    packed = [((place + 1) * 10**9, frame, length) for place, (frame, length) in enumerate(frames)]
    path.write_bytes(writing.pcap(packed, link=link))
    return nsm.read_packets(path)


def test_more_than_sixty_filters_are_compared():
    assert len(set(LINES)) == len(LINES) > 160


def test_filters_give_tcpdumps_packets_on_the_bundled_capture(evidence, tcpdump):
    capture = evidence / "staged.pcap"
    packets = nsm.read_packets(capture)
    stamps = packets["time"].astype("int64").to_numpy() // 10**9
    frames = frame_bytes(packets)
    whole = list(zip(stamps.tolist(), packets["length"].tolist(), frames, strict=True))

    for line in LINES:
        found = [whole[row] for row in np.flatnonzero(matching(packets, line))]
        assert found == tcpdump(capture, line), line


@pytest.mark.slow
def test_filters_give_tcpdumps_packets_on_the_corpus(shared, tmp_path, tcpdump):
    by_link: dict[int, list] = {}
    for path in sorted((shared / "corpus" / "captures").rglob("*")):
        if path.is_file() and "invalid" not in path.name:
            packets = nsm.read_packets(path).iloc[:250]
            for frame, length, link in zip(frame_bytes(packets), packets["length"], link_types(packets), strict=True):
                by_link.setdefault(int(link), []).append((frame, length))
    assert {1, 113, 276, 0, 105, 127} <= by_link.keys()

    compared = 0
    for link, frames in by_link.items():
        path = tmp_path / f"{link}.pcap"
        packets = numbered(path, frames, link)
        for line in LINES:
            wanted = tcpdump(path, line)
            if wanted is not None:
                found = np.flatnonzero(matching(packets, line)) + 1
                assert found.tolist() == [each[0] for each in wanted], (link, line)
                compared += 1
    assert compared > 700


# --- filters at random, on frames of every kind


def kinds():
    """Frames of every kind that a filter tells apart, some of them cut."""
    tcp = writing.tcp(b"GET / HTTP/1.1\r\n", 40000, 80, seq=7, flags=2)
    udp = writing.udp(b"question", 5353, 53)
    four = writing.ip(tcp, "10.0.0.1", "192.168.1.2", 6, ttl=63)
    options = writing.ip(udp, "10.1.2.3", "224.0.0.251", 17, options=b"\x01" * 4, place=0x4000)
    later = writing.ip(b"\0\x50" * 20, "10.0.0.1", "10.0.0.9", 6, place=0x20B9)
    first = writing.ip(tcp, "10.0.0.1", "10.0.0.9", 6, place=0x2000)
    icmp = writing.ip(b"\x08\x00\0\0\0\1\0\1ping", "10.0.0.1", "10.0.0.2", 1)
    six = writing.ipv6(tcp, "2001:db8::1", "fe80::2", 6)
    fragment = writing.ipv6(struct.pack(">BBHI", 17, 0, 1, 9) + udp, "2001:db8::1", "ff02::1", 44)
    extended = writing.ipv6(b"\x3a\0" + b"\0" * 6 + b"\x87\0\0\0\0\0\0\0", "fe80::1", "ff02::1", 0)
    tunnel = writing.ip(four, "198.51.100.1", "198.51.100.2", 4)
    arp = struct.pack(">HHBBH", 1, 0x0800, 6, 4, 1) + bytes(6) + bytes([10, 0, 0, 1]) + bytes(6) + bytes([10, 0, 0, 2])
    label, bottom = struct.pack(">I", 16 << 12), struct.pack(">I", 17 << 12 | 0x1FF)
    session = struct.pack(">BBHHH", 0x11, 0, 7, len(four) + 2, 0x21) + four
    frames = [
        *(writing.ethernet(each) for each in (four, options, later, first, icmp, tunnel, four[:19], b"\x65" + four[1:])),
        *(writing.ethernet(each, ethertype=0x86DD) for each in (six, fragment, extended, six[:30])),
        writing.ethernet(arp, ethertype=0x0806, dst=0xFFFFFFFFFFFF), writing.ethernet(arp[:20], ethertype=0x0806),
        writing.ethernet(arp, ethertype=0x8035), writing.ethernet(four, vlans=(5,)),
        writing.ethernet(six, ethertype=0x86DD, vlans=(5, 9)),
        writing.ethernet(b"", vlans=(9,))[:16], writing.ethernet(bottom + four, ethertype=0x8847),
        writing.ethernet(label + bottom + six, ethertype=0x8847), writing.ethernet(session, ethertype=0x8864),
        writing.ethernet(b"\x42\x42\x03" + b"\0" * 35, ethertype=38), writing.ethernet(b"", ethertype=0x88CC, dst=0x0180C200000E),
        writing.ethernet(writing.ip(writing.tcp(b"", 80, 40000, flags=0x12), "192.168.1.2", "10.0.0.1", 6)), b"\0" * 9,
    ]  # fmt: skip
    cut = [(frame[:size], len(frame)) for frame in frames[:12] for size in (15, 33, 40, 54)]
    return [(frame, len(frame)) for frame in frames] + cut


number = st.sampled_from(["0", "1", "2", "6", "17", "53", "80", "0x1f", "0x0a000001", "255", "40000", "0xffffffff"])
load = st.builds(
    "{}[{}{}]".format,
    st.sampled_from(["ether", "ip", "ip6", "tcp", "udp", "icmp", "icmp6", "arp"]),
    st.integers(0, 40),
    st.sampled_from(["", ":2", ":4"]),
)
arithmetic = st.recursive(
    st.one_of(load, st.just("len"), number),
    lambda inner: st.one_of(
        st.builds("({} {} {})".format, inner, st.sampled_from(list("+-*&|^")), inner),
        st.builds(
            "({} {} {})".format, inner, st.sampled_from(["/", "%", "<<", ">>"]), st.sampled_from(["2", "3", "7"])
        ),
    ),
    max_leaves=3,
)
relation = st.builds(
    "{} {} {}".format,
    st.one_of(load, arithmetic), st.sampled_from(["=", "!=", "<", "<=", ">", ">="]), arithmetic,
)  # fmt: skip
side = st.sampled_from(["", "src ", "dst ", "src or dst ", "src and dst "])
primitive = st.one_of(
    st.sampled_from(
        ["ip", "ip6", "arp", "tcp", "udp", "icmp", "icmp6", "stp", "vlan", "vlan 5", "vlan 9", "broadcast", "multicast",
         "ip multicast", "ip6 multicast", "ip proto 4", "proto 17", "ip6 proto 44", "ether proto 0x88cc", "less 60",
         "greater 60", "protochain 17", "ip6 protochain 58", "rarp", "ether src 00:0c:29:aa:bb:01"],
    ),
    st.builds("{}{}".format, side, st.sampled_from(["host 10.0.0.1", "net 10", "net 192.168.1.0/24", "host fe80::2",
                                                    "net 2001:db8::/32", "host 10.0", "net 0.0.0.1 mask 0.0.0.3"])),
    st.builds("{}{}{}".format, st.sampled_from(["", "tcp ", "udp "]), side,
              st.sampled_from(["port 80", "port 53", "portrange 50-90", "port 40000 or 53"])),
    relation,
)  # fmt: skip
expression = st.recursive(
    primitive,
    lambda inner: st.one_of(
        st.builds("{} {} {}".format, inner, st.sampled_from(["and", "or", "&&", "||"]), inner),
        st.builds("not ({})".format, inner),
        st.builds("({})".format, inner),
    ),
    max_leaves=5,
)


@pytest.fixture(scope="module")
def every_kind(tmp_path_factory):
    path = tmp_path_factory.mktemp("filters") / "kinds.pcap"
    return path, numbered(path, kinds(), 1)


@given(line=expression)
@settings(max_examples=150)
def test_random_filters_give_tcpdumps_packets(every_kind, tcpdump, line):
    path, packets = every_kind
    # without its optimiser, which leaves out loads whose answer it knows, and with them their rejections
    done = subprocess.run(
        ["tcpdump", "-O", "-n", "-Z", "root", "-r", path, "-w", "-", "--", line], capture_output=True, timeout=60
    )
    assert done.returncode == 0, (line, done.stderr)
    wanted = [each[0] for each in records(done.stdout)]

    assert (np.flatnonzero(matching(packets, line)) + 1).tolist() == wanted


@given(line=expression)
@settings(max_examples=60)
def test_columns_and_bytes_say_the_same(every_kind, line):
    _, packets = every_kind
    known = compile(line)

    assert known._by_bytes(packets, np.arange(len(packets)), None).tolist() == known.mask(packets).tolist()


BEHIND_PPPOES = """
ether[0] = 0 ; ether[1] = 0x21 ; link[0:2] = 0x57 ; ether[2] = 0x45 ; ether[1] & 1 = 1 ; ether[6:4] > 7 ; not ether[0:4] = 5
ether proto 0x21 ; ether proto 0x57 ; ether proto 0x42 ; ether proto 0xe0 ; ether proto 0x8137 ; ether proto \\ip
stp ; iso ; ipx ; netbeui ; atalk ; arp ; ip broadcast ; ip multicast ; ip[0] = 0x45 ; ether[len - 60] = 0
"""
# PPP's number, and what is behind it
PPP = [
    (0x21, 0x45),
    (0x57, 0x60),
    (0x23, 1),
    (0x31, 2),
    (0x2B, 3),
    (0x29, 4),
    (0x42, 5),
    (0x8137, 6),
    (0xF0, 7),
    (0xC021, 8),
]


@pytest.mark.parametrize("line", [each.strip() for each in BEHIND_PPPOES.replace("\n", ";").split(";") if each.strip()])
def test_behind_pppoes_the_header_of_ppp_is_asked(tmp_path, tcpdump, line):
    carried = [struct.pack(">BBHHHB", 0x11, 0, 7, 44, *each) + bytes(range(41)) for each in PPP]
    frames = [writing.ethernet(each, ethertype=0x8864, vlans=tags) for each in carried for tags in ((), (5,))]
    path = tmp_path / "a.pcap"
    packets = numbered(path, [(frame, len(frame)) for frame in (*frames, frames[0][:23])], 1)

    for asked in (f"pppoes and {line}", f"vlan and pppoes and {line}"):
        wanted = [each[0] for each in tcpdump(path, asked)]
        assert (np.flatnonzero(matching(packets, asked)) + 1).tolist() == wanted


@pytest.mark.parametrize("link", [9, 50, 51])
def test_protocols_of_ppp_are_asked_by_its_own_numbers(tmp_path, tcpdump, link):
    head = b"\x11\0\0\7\0\x2c" if link == 51 else b"\xff\x03"
    frames = [head + struct.pack(">HB", *each) + bytes(range(41)) for each in PPP]
    path = tmp_path / "a.pcap"
    packets = numbered(path, [(frame, len(frame)) for frame in frames], link)

    for line in (
        "stp",
        "iso",
        "ipx",
        "netbeui",
        "ether proto 0x21",
        "ether proto 0x8137",
        "ether proto 0xe0",
        "ip",
        "atalk",
    ):
        assert (np.flatnonzero(matching(packets, line)) + 1).tolist() == [each[0] for each in tcpdump(path, line)], line


def test_ports_and_addresses_of_a_tunnel_are_those_outside(tmp_path):
    inner = writing.ip(writing.tcp(b"x", 40000, 80), "10.0.0.1", "10.0.0.2", 6)
    outer = writing.ethernet(writing.ip(inner, "198.51.100.1", "198.51.100.2", 4))
    packets = numbered(tmp_path / "a.pcap", [(outer, len(outer))], 1)

    assert matching(packets, "host 198.51.100.1 and ip proto 4").all()
    assert not matching(packets, "tcp or port 80 or host 10.0.0.1").any()


def test_what_columns_tell_needs_no_evidence(tmp_path):
    packets = nsm.read_packets(_conversation(tmp_path))
    (tmp_path / "a.pcap").unlink()

    assert matching(packets, "tcp dst port 80 and tcp[tcpflags] & tcp-syn != 0 and src net 10 and less 100").sum() == 1
    assert matching(packets, "tcp[12] = 0x50 and port 443").sum() == 0  # no byte of any packet matters
    with pytest.raises(NsmError, match=r"8 packets can be decided by their bytes only .*does not exist"):
        matching(packets, "tcp[12] = 0x50 and port 80")


def test_evidence_that_is_shorter_now_is_told(tmp_path):
    path = _conversation(tmp_path)
    packets = nsm.read_packets(path)
    path.write_bytes(path.read_bytes()[:-30])

    with pytest.raises(NsmError, match="shorter than when it was read"):
        matching(packets, "tcp[12] = 0x50")


def test_compressed_evidence_is_read_as_plain(tmp_path):
    import gzip

    path = _conversation(tmp_path)
    packed = tmp_path / "b.pcap.gz"
    packed.write_bytes(gzip.compress(path.read_bytes()))

    for line in ("tcp[12] = 0x50", "ip[2:2] > 50"):
        assert matching(nsm.read_packets(packed), line).tolist() == matching(nsm.read_packets(path), line).tolist()


def test_a_table_without_the_column_that_is_asked_is_told(tmp_path):
    packets = nsm.read_packets(_conversation(tmp_path)).drop(columns="src_ip")

    with pytest.raises(MissingColumn, match="no column 'src_ip'"):
        matching(packets, "host 10.0.0.1")


def test_an_empty_filter_matches_all_and_an_empty_table_gives_nothing(tmp_path):
    packets = nsm.read_packets(_conversation(tmp_path))

    assert matching(packets, "  ").all()
    assert matching(packets.iloc[:0], "tcp[12] = 5").tolist() == []
    assert matching(packets, "").dtype == bool


def _conversation(folder):
    path = folder / "a.pcap"
    path.write_bytes(writing.pcap(writing.conversation()))
    return path
