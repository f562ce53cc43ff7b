"""Captures: every frame as tshark says, whatever the container; damage is told and loses nothing before it."""

from __future__ import annotations

import gzip
import random
import struct
from time import process_time

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

import nsm_nb as nsm
from nsm_nb.errors import DamagedEvidence, NsmError, UnknownFormat, UnreadableEvidence
from nsm_nb.schema import PACKETS, caveats_of
from tests import writing

SECOND = 1_000_000_000


@pytest.fixture
def read(tmp_path):
    def from_bytes(data, name="some.pcap"):
        (tmp_path / name).write_bytes(data)
        return nsm.read_packets(tmp_path / name)

    return from_bytes


# --- tshark is the oracle


@pytest.fixture(scope="module")
def staged(evidence):
    return nsm.read_packets(evidence / "staged.pcap")


@pytest.fixture(scope="module")
def oracle(truth):
    return pd.read_csv(truth / "packets.tsv.gz", sep="\t", dtype=str)


def test_the_bundled_capture_has_9746_packets_without_a_caveat(staged):
    assert len(staged) == 9746
    assert caveats_of(staged) == []


def numbers(column):
    return column.map(lambda text: None if pd.isna(text) else int(text, 0)).astype("Int64")


def either(oracle, *names):
    column = oracle[names[0]]
    for name in names[1:]:
        column = column.fillna(oracle[name])
    return column


@pytest.mark.parametrize(
    ("mine", "theirs"),
    [
        ("frame", ["frame.number"]),
        ("length", ["frame.len"]),
        ("captured", ["frame.cap_len"]),
        ("src_port", ["tcp.srcport", "udp.srcport"]),
        ("dst_port", ["tcp.dstport", "udp.dstport"]),
        ("ttl", ["ip.ttl", "ipv6.hlim"]),
        ("ip_id", ["ip.id"]),
        ("tcp_flags", ["tcp.flags"]),
        ("seq", ["tcp.seq_raw"]),
        ("ack", ["tcp.ack_raw"]),
        ("window", ["tcp.window_size_value"]),
        ("icmp_type", ["icmp.type", "icmpv6.type"]),
        ("icmp_code", ["icmp.code", "icmpv6.code"]),
        ("vlan", ["vlan.id"]),
    ],
)
def test_every_number_of_every_frame_equals_tshark(staged, oracle, mine, theirs):
    assert staged[mine].astype("Int64").tolist() == numbers(either(oracle, *theirs)).tolist()


@pytest.mark.parametrize(
    ("mine", "theirs"),
    [
        ("src_ip", ["ip.src", "ipv6.src", "arp.src.proto_ipv4"]),
        ("dst_ip", ["ip.dst", "ipv6.dst", "arp.dst.proto_ipv4"]),
        ("src_mac", ["eth.src"]),
        ("dst_mac", ["eth.dst"]),
    ],
)
def test_every_address_of_every_frame_equals_tshark(staged, oracle, mine, theirs):
    assert staged[mine].astype(str).tolist() == either(oracle, *theirs).astype(str).tolist()


def test_times_equal_tshark_to_the_nanosecond(staged, oracle):
    assert (
        staged["time"].astype("int64").tolist() == oracle["frame.time_epoch"].str.replace(".", "").astype(int).tolist()
    )


def test_octets_and_payload_equal_tshark(staged, oracle):
    octets = numbers(oracle["ip.len"]).fillna(numbers(oracle["ipv6.plen"]) + 40)
    payload = numbers(oracle["tcp.len"]).fillna(numbers(oracle["udp.length"]) - 8)
    carried = staged["payload"].where(staged["proto"].isin(["tcp", "udp"]))

    assert staged["octets"].astype("Int64").tolist() == octets.tolist()
    assert carried.astype("Int64").tolist() == payload.tolist()


def test_fragments_of_the_bundled_capture_have_their_offsets(staged, oracle):
    place = numbers(oracle["ip.frag_offset"]).fillna(0) * 8  # tshark 4.0 gives it in units of eight bytes
    more = oracle["ip.flags.mf"].isin(["1", "True"])

    expected = place.where((place > 0) | more)

    assert staged["fragment"].astype("Int64").tolist() == expected.tolist()


def test_offsets_lead_back_to_the_bytes(staged, evidence):
    raw = (evidence / "staged.pcap").read_bytes()

    for row in staged.sample(50, random_state=1).itertuples():
        assert raw[row.offset : row.offset + 6].hex(":") == row.dst_mac


# --- any container gives the same rows

FRAMES = st.lists(
    st.tuples(
        st.integers(0, 2**32 - 1).map(lambda s: s * SECOND + 123_456_000), st.binary(max_size=80), st.integers(0, 100)
    ),
    max_size=12,
)


@given(FRAMES, st.booleans(), st.booleans(), st.booleans())
def test_a_pcap_of_any_kind_is_read_back(tmp_path_factory, frames, big, nano, packed):
    frames = [(time, frame, len(frame) + more) for time, frame, more in frames]
    data = writing.pcap(frames, big=big, nano=nano)
    path = tmp_path_factory.mktemp("pcap") / "x.pcap"
    path.write_bytes(gzip.compress(data) if packed else data)

    table = nsm.read_packets(path, format="pcap")

    assert table["time"].astype("int64").tolist() == [time for time, _, _ in frames]
    assert table["captured"].tolist() == [len(frame) for _, frame, _ in frames]
    assert table["length"].tolist() == [length for _, _, length in frames]
    assert [data[at : at + size] for at, size in zip(table["offset"], table["captured"], strict=True)] == [
        f for _, f, _ in frames
    ]


@given(
    FRAMES,
    st.sampled_from("<>"),
    st.sampled_from([None, 0, 3, 6, 9, 0x80 | 20, 0x80 | 30]),
    st.sampled_from([None, -5, 3600]),
)
def test_a_pcapng_of_any_kind_is_read_back(tmp_path_factory, frames, order, tsresol, tsoffset):
    units = 10**6 if tsresol is None else 10**tsresol if tsresol < 0x80 else 2 ** (tsresol & 0x7F)
    parts = [
        writing.section(order),
        writing.interface(order, link=105),
        writing.interface(order, tsresol=tsresol, tsoffset=tsoffset),
    ]
    expected = []
    for time, frame, more in frames:
        stamp = time * units // SECOND
        parts += [
            writing.enhanced(1, stamp, frame, order, length=len(frame) + more),
            writing.block(0x0BAD, b"unknown", order),
        ]
        expected.append(stamp * SECOND // units + (tsoffset or 0) * SECOND)
    path = tmp_path_factory.mktemp("pcapng") / "x.pcapng"
    path.write_bytes(b"".join(parts))

    table = nsm.read_packets(path, format="pcap")

    assert table["time"].astype("int64").tolist() == expected
    assert table["captured"].tolist() == [len(frame) for _, frame, _ in frames]
    assert table["length"].tolist() == [len(frame) + more for _, frame, more in frames]


def test_pcapng_of_two_sections_in_two_byte_orders_is_one_table(read):
    one = writing.ethernet(writing.ip(writing.udp(b"a", 1, 2), "10.0.0.1", "10.0.0.2", 17))
    data = b"".join(
        writing.section(order) + writing.interface(order) + writing.enhanced(0, 7_000_000, one, order) for order in "<>"
    )

    table = read(data)

    assert table["src_ip"].tolist() == ["10.0.0.1"] * 2
    assert table["time"].astype("int64").tolist() == [7 * SECOND] * 2


def test_simple_and_obsolete_packet_blocks_are_read(read):
    frame = writing.ethernet(writing.ip(writing.udp(b"abc", 1, 2), "10.0.0.1", "10.0.0.2", 17))
    simple = writing.block(3, struct.pack("<I", len(frame)) + frame)
    old = writing.block(2, struct.pack("<HHIIII", 0, 0, 0, 5_000_000, len(frame), len(frame)) + frame)

    table = read(writing.section() + writing.interface() + simple + old)

    assert table["payload"].tolist() == [3, 3]
    assert table["time"].isna().tolist() == [True, False]
    assert any(caveat.kind == "clock" for caveat in caveats_of(table))


def test_each_interface_is_decoded_by_its_own_link_type(read):
    datagram = writing.ip(writing.udp(b"x", 5, 6), "10.0.0.1", "10.0.0.2", 17)
    data = writing.section() + writing.interface() + writing.interface(link=101)
    data += writing.enhanced(0, 1, writing.ethernet(datagram)) + writing.enhanced(1, 2, datagram)

    table = read(data)

    assert table["layers"].tolist() == ["eth:ip:udp", "raw:ip:udp"]
    assert table["src_port"].tolist() == [5, 5]


# --- damage


@given(st.data())
def test_a_capture_cut_anywhere_keeps_the_frames_before_and_says_where(tmp_path_factory, data):
    frames = writing.conversation()
    whole = writing.pcap(frames)
    cut = data.draw(st.integers(24, len(whole)))
    path = tmp_path_factory.mktemp("cut") / "x.pcap"
    path.write_bytes(whole[:cut])
    ends = np.cumsum([24, *(16 + len(frame) for _, frame in frames)])
    kept = int((ends <= cut).sum()) - 1

    table = nsm.read_packets(path)

    assert len(table) == kept
    if cut in ends:
        assert caveats_of(table) == []
    else:
        (caveat,) = caveats_of(table)
        assert caveat.kind == "cut"
        assert caveat.offset == ends[kept]
        assert f"cut short at byte {cut}" in caveat.detail


@pytest.mark.parametrize("kind", [4, 10, 0x99])
@pytest.mark.parametrize("claimed", [0xFFFFFFF0, 0x400000, 100])
def test_a_block_that_claims_more_than_there_is_loses_the_rest_and_says_so(read, kind, claimed):
    packet = writing.enhanced(0, 7_000_000, writing.conversation()[0][1])
    good = writing.section() + writing.interface() + packet
    behind = packet[:80]

    table = read(good + struct.pack("<II", kind, claimed) + behind)

    assert len(table) == 1
    (caveat,) = (each for each in caveats_of(table) if each.kind == "cut")
    assert caveat.offset == len(good)
    assert f"the block at byte {len(good)}, which claims {claimed:,} bytes, is not whole" in caveat.detail
    assert f"{8 + len(behind)} bytes were not read" in caveat.detail


def test_thousands_of_interfaces_cost_no_more_than_their_number(read):
    frame = writing.conversation()[0][1]
    data = writing.section() + writing.interface(link=101) * 20_000 + writing.interface()

    before = process_time()
    table = read(data + writing.enhanced(20_000, 7_000_000, frame))

    assert process_time() - before < 5
    assert table["layers"].tolist() == ["eth:ip:tcp"]


def test_every_ethertype_there_is_has_its_name(read):
    ethertypes = [*range(0x0600, 0x0800), *range(0x8900, 0x10000), *range(0x0900, 0x8000)]
    frames = [(SECOND, writing.ethernet(b"", ethertype=each)) for each in ethertypes if each not in (0x88A8, 0x9100)]

    before = process_time()
    table = read(writing.pcap(frames))

    assert process_time() - before < 10
    assert table["proto"].nunique() > 1 << 15
    assert table["proto"].astype(str)[0] == "0x0600"
    assert table["layers"].astype(str)[len(table) - 1] == "eth:0x7fff"


def test_a_length_that_cannot_be_true_stops_the_reading_and_allocates_nothing(read):
    frames = writing.conversation()
    data = bytearray(writing.pcap(frames))
    at = 24 + 16 + len(frames[0][1]) + 8
    data[at : at + 4] = b"\xff\xff\xff\xff"

    table = read(bytes(data))

    assert len(table) == 1
    (caveat,) = caveats_of(table)
    assert caveat.detail.endswith(f"damage at byte {at - 8}: frame 2 claims 4,294,967,295 bytes, more than any frame can have "
                                  f"(262,144); {len(data) - at + 8:,} bytes were not read")  # fmt: skip


@pytest.mark.parametrize("name", ["pcap", "pcapng"])
def test_no_mutation_raises_anything_but_our_own_errors(tmp_path, name):
    frames = writing.conversation()
    whole = (
        writing.pcap(frames)
        if name == "pcap"
        else writing.section()
        + writing.interface()
        + b"".join(writing.enhanced(0, time // 1000, frame) for time, frame in frames)
    )
    path = tmp_path / f"x.{name}"
    for seed in range(400):
        dice = random.Random(seed)
        data = bytearray(whole)
        for _ in range(dice.randint(1, 8)):
            data[dice.randrange(len(data))] = dice.choice([0, 0xFF, dice.randrange(256)])
        path.write_bytes(data[: dice.randint(1, len(data))] if dice.random() < 0.3 else data)
        try:
            table = nsm.read_packets(path, format="pcap")
        except NsmError:
            continue
        assert list(table.columns) == list(PACKETS.columns)
        assert (table["captured"] <= 262_144).all()


def test_gzip_that_ends_early_keeps_what_was_readable(read, tmp_path):
    whole = gzip.compress(writing.pcap(writing.conversation() * 50), compresslevel=1)

    table = read(whole[: len(whole) // 2], "x.pcap.gz")

    assert 0 < len(table) < 400
    assert any("end early" in caveat.detail for caveat in caveats_of(table))


def test_gzip_that_is_a_bomb_is_not_followed(tmp_path, monkeypatch):
    from nsm_nb.formats import source

    monkeypatch.setattr(source, "_BOMB_SIZE", 1 << 20)
    (tmp_path / "bomb.pcap.gz").write_bytes(gzip.compress(writing.pcap([(0, bytes(100_000))] * 100)))

    table = nsm.read_packets(tmp_path / "bomb.pcap.gz")

    assert len(table) < 100
    assert any("unpacks to more than 100 times its size" in caveat.detail for caveat in caveats_of(table))


def test_missing_empty_foreign_and_locked_files_give_one_sentence(tmp_path):
    (tmp_path / "empty.pcap").touch()
    (tmp_path / "foreign.pcap").write_bytes(b"\x7fELF" + bytes(100))
    (tmp_path / "head.pcap").write_bytes(writing.pcap([])[:10])
    for name, error, words in [
        ("missing.pcap", UnreadableEvidence, "does not exist; check the path"),
        ("empty.pcap", UnreadableEvidence, "is empty (0 bytes); copy it again"),
        ("", UnreadableEvidence, "could be read as a capture"),
        ("foreign.pcap", UnknownFormat, "is in no format that nsm_nb knows"),
        ("head.pcap", DamagedEvidence, "ends inside its own file header (10 of 24 bytes)"),
    ]:
        with pytest.raises(error) as caught:
            nsm.read_packets(tmp_path / name)
        assert words in str(caught.value)
        assert "\n" not in str(caught.value)


def test_a_file_that_may_not_be_read_says_so(tmp_path, monkeypatch):
    path = tmp_path / "locked.pcap"
    path.write_bytes(writing.pcap([]))

    def refuse(*_args, **_keywords):
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr("pathlib.Path.open", refuse)  # root may read anything, so the refusal is simulated
    with pytest.raises(UnreadableEvidence, match="may not be read; ask its owner"):
        nsm.read_packets(path)


# --- what the frames tell of themselves


def test_a_link_type_that_is_not_supported_is_named_and_gives_no_addresses(read):
    table = read(writing.pcap([(0, bytes(60))] * 3, link=147))

    assert table["src_ip"].isna().all()
    assert table["src_mac"].isna().all()
    assert table["layers"].tolist() == ["linktype-147"] * 3
    assert "link type 147 (private use 0) is not supported: 3 frames" in caveats_of(table)[0].detail


def test_a_clock_that_ran_backwards_is_told_with_its_frame(read):
    table = read(writing.pcap([(5 * SECOND, bytes(60)), (9 * SECOND, bytes(60)), (2 * SECOND, bytes(60))]))

    assert "clock ran backwards 1 time, first at frame 3, at most 7 s at frame 3" in caveats_of(table)[0].detail


def test_snaplen_is_told_and_octets_come_from_the_headers(read):
    frame = writing.ethernet(writing.ip(writing.tcp(bytes(1000), 1, 2), "10.0.0.1", "10.0.0.2", 6))

    table = read(writing.pcap([(0, frame[:68], len(frame))]))

    assert table["octets"].tolist() == [1040]
    assert table["payload"].tolist() == [1000]
    assert "1 of 1 frame was captured in part (largest 68 bytes)" in caveats_of(table)[0].detail


def test_1068742800_is_13_november_2003_noon_in_new_york(read):
    table = read(writing.pcap([(1_068_742_800 * SECOND, bytes(60))]))

    assert str(table["time"].dt.tz_convert("America/New_York")[0]) == "2003-11-13 12:00:00-05:00"


def test_a_capture_without_packets_is_an_empty_typed_table(read):
    table = read(writing.pcap([]))

    assert len(table) == 0
    assert {name: str(dtype) for name, dtype in table.dtypes.items()}["time"] == "datetime64[ns, UTC]"
    assert list(table.columns) == list(PACKETS.columns)
