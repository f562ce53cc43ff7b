"""A host whose checksums are all wrong is named, with what that means; tshark says the same of each checksum."""

from __future__ import annotations

import shutil
import struct
import subprocess

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import nsm_nb as nsm
from nsm_nb.full_content import checksums, faults
from nsm_nb.kernels.faults import BAD, GOOD, UNKNOWN
from nsm_nb.kernels.faults import checksums as kernel
from tests import writing


def read(path, frames, **options):
    path.write_bytes(writing.pcap(frames, **options))
    return nsm.read_packets(path)


def spoiled(frames, src):
    """The frames, with a wrong TCP checksum in those from an address."""
    wrong = bytes(map(int, src.split(".")))
    return [
        (time, frame[:50] + struct.pack(">H", struct.unpack_from(">H", frame, 50)[0] ^ 0x5555) + frame[52:])
        if frame[26:30] == wrong
        else (time, frame)
        for time, frame in frames
    ]


def told(packets, path):
    return [each.detail for each in faults(packets, path) if each.kind == "checksum"]


def test_a_host_whose_card_fills_checksums_in_is_named(tmp_path):
    packets = read(tmp_path / "x.pcap", spoiled(writing.conversation(), "10.0.0.1"))

    table = checksums(packets)
    (detail,) = told(packets, tmp_path / "x.pcap")

    assert table["src_ip"].astype(str).tolist() == ["10.0.0.1"]  # the other one sent too few packets to be judged
    assert table[["packets", "checked", "bad_ip", "bad"]].to_numpy().tolist() == [[5, 5, 0, 5]]
    assert "10.0.0.1 sent 5 packets of TCP and UDP, and all 5 whose checksum was looked at have a wrong one" in detail
    assert "checksum offload" in detail
    assert "no sign of tampering" in detail


def test_some_wrong_checksums_are_no_offload(tmp_path):
    frames = writing.conversation()
    packets = read(tmp_path / "x.pcap", spoiled(frames[:1], "10.0.0.1") + frames[1:])

    assert checksums(packets)["bad"].tolist() == [1]
    assert told(packets, tmp_path / "x.pcap") == []


def test_a_capture_whose_addresses_were_changed_is_told_as_such(tmp_path):
    frames = [
        each for host in range(2, 12) for each in spoiled(writing.conversation(src=f"10.0.1.{host}"), f"10.0.1.{host}")
    ]
    packets = read(tmp_path / "x.pcap", frames)

    (detail,) = told(packets, tmp_path / "x.pcap")

    assert (
        "of 11 hosts looked at, 10 have wrong checksums in all packets of TCP and UDP that were checked (50)" in detail
    )


def test_what_was_captured_in_part_or_is_a_fragment_is_not_judged(tmp_path):
    frames = [(time, frame[:54], len(frame)) for time, frame in spoiled(writing.conversation(), "10.0.0.1")]
    packets = read(tmp_path / "x.pcap", [each for each in frames if each[2] > 54])
    piece = writing.ethernet(writing.ip(writing.tcp(b"x" * 20, 1, 2), "10.0.0.1", "10.0.0.2", 6, place=0x2000))
    pieces = read(tmp_path / "y.pcap", [(1, piece)] * 5)

    assert told(packets, tmp_path / "x.pcap") == []
    assert checksums(pieces)["checked"].tolist() == [0]


@pytest.mark.parametrize(
    ("link", "before"),
    [(1, None), (101, b""), (113, bytes(14) + b"\x08\0"), (276, b"\x08\0" + bytes(18)), (0, b"\2\0\0\0")],
)
def test_each_link_layer_is_passed_over_by_its_size(tmp_path, link, before):
    frames = [(time, frame if before is None else before + frame[14:]) for time, frame in writing.conversation()]
    tagged = [(time, frame[:12] + b"\x81\0\0\5" + frame[12:]) for time, frame in writing.conversation()]

    for each in (frames, tagged) if link == 1 else (frames,):
        table = checksums(read(tmp_path / "x.pcap", each, link=link))
        assert table[["checked", "bad_ip", "bad"]].to_numpy().tolist() == [[5, 0, 0]]


def slow(packet):
    """GOOD, BAD or UNKNOWN for the IP header and for what it carries, as one would write it for one packet."""
    if len(packet) < 20:
        return UNKNOWN, UNKNOWN
    network, pseudo = UNKNOWN, None
    if packet[0] >> 4 == 4:
        head, total = (packet[0] & 15) * 4, struct.unpack_from(">H", packet, 2)[0]
        if not 20 <= head <= total <= len(packet):
            return UNKNOWN, UNKNOWN
        network = BAD if writing.internet_checksum(packet[:head]) else GOOD
        if struct.unpack_from(">H", packet, 6)[0] & 0x3FFF:
            return network, UNKNOWN
        proto, pseudo, body = packet[9], packet[12:20], packet[head:total]
    elif packet[0] >> 4 == 6 and len(packet) >= 40:
        size = struct.unpack_from(">H", packet, 4)[0]
        if not 0 < size <= len(packet) - 40:
            return UNKNOWN, UNKNOWN
        proto, pseudo, body = packet[6], packet[8:40], packet[40 : 40 + size]
    if pseudo is None or not ((proto == 6 and len(body) >= 20) or (proto == 17 and len(body) >= 8)):
        return network, UNKNOWN
    if proto == 17:
        size = struct.unpack_from(">H", body, 4)[0]
        if not 8 <= size <= len(body) or body[6:8] == b"\0\0":
            return network, UNKNOWN
        body = body[:size]
    whole = pseudo + struct.pack(">II", len(body), proto) + body
    return network, BAD if writing.internet_checksum(whole) else GOOD


PACKETS = st.one_of(
    st.binary(max_size=60),
    st.builds(lambda data, flip, at: flipped(writing.ip(writing.tcp(data, 1, 2), "10.0.0.1", "10.0.0.2", 6), flip, at),
              st.binary(max_size=30), st.integers(0, 255), st.integers(0, 60)),
    st.builds(lambda data, flip, at: flipped(writing.ipv6(writing.udp(data, 1, 2), "::1", "::2", 17), flip, at),
              st.binary(max_size=30), st.integers(0, 255), st.integers(0, 60)),
)  # fmt: skip


def flipped(packet, flip, at):
    data = bytearray(packet)
    data[at % len(data)] ^= flip
    return bytes(data)


@given(st.lists(PACKETS, max_size=5))
def test_every_checksum_is_judged_as_a_plain_reading_judges_it(packets):
    sizes = np.array([len(each) for each in packets], np.int64)
    buffer = np.frombuffer(bytearray(b"".join(packets) or b"\0"), np.uint8)

    network, transport = kernel(buffer, np.cumsum(sizes) - sizes, sizes)

    assert list(zip(network.tolist(), transport.tolist(), strict=True)) == [slow(each) for each in packets]


def test_tshark_finds_the_same_checksums_right(evidence, tmp_path, tshark):
    if shutil.which("editcap") is None:
        pytest.skip("editcap is not installed")
    path = tmp_path / "x.pcap"
    subprocess.run(
        ["editcap", "-F", "pcap", "-r", evidence / "staged.pcap", path, "1-2000"], check=True, capture_output=True
    )
    packets = nsm.read_packets(path)
    said = subprocess.run(
        [tshark, "-n", "-r", path,
         "-o", "tcp.check_checksum:TRUE", "-o", "ip.check_checksum:TRUE", "-o", "udp.check_checksum:TRUE",
         "-Y", 'tcp.checksum.status == "Bad" || udp.checksum.status == "Bad" || ip.checksum.status == "Bad"',
         "-T", "fields", "-e", "frame.number"],
        check=True, capture_output=True, text=True,
    ).stdout.split()  # fmt: skip

    table = checksums(packets)

    assert (table["bad"].sum() + table["bad_ip"].sum() > 0) == (len(said) > 0)
