"""Any container gives the same rows: every variant of pcap, pcapng, snoop, plain or compressed; what else is in it is told."""

from __future__ import annotations

import shutil
import struct
import subprocess
from pathlib import Path
from time import process_time

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import nsm_nb as nsm
from nsm_nb.errors import DamagedEvidence
from nsm_nb.full_content import frame_bytes
from nsm_nb.schema import caveats_of
from tests import writing

SECOND = 1_000_000_000
COMPRESSED = ["plain", "gzip", "zstd", "lz4"]
VARIANTS = {
    "pcap": {},
    "pcap, nanoseconds": {"nano": True},
    "Kuznetzov's pcap": {"magic": 0xA1B2CD34, "tail": struct.pack("<IHBx", 2, 0x0800, 1)},
    "IXIA's pcap, hardware": {"magic": 0x1C0001AC, "nano": True, "head": bytes(4)},
    "IXIA's pcap, software": {"magic": 0x1C0001AB, "head": bytes(4)},
    "pcap before version 2.3": {"version": (2, 2)},
}
CONTAINERS = {
    **{
        f"{name}, {order}": lambda frames, how=how, big=big: writing.pcap(frames, big=big, **how)
        for name, how in VARIANTS.items()
        for order, big in (("little", False), ("big", True))
    },
    "snoop": writing.snoop,
    "pcapng, little": writing.pcapng,
    "pcapng, big": lambda frames: writing.pcapng(frames, ">"),
}
TIMES = st.integers(1, 2**31 - 1).map(lambda seconds: seconds * SECOND + 123_456_000)
FRAMES = st.lists(st.tuples(TIMES, st.binary(min_size=1, max_size=80), st.integers(0, 9)), max_size=10)


@pytest.fixture
def read(tmp_path):
    def from_bytes(data, name="some.pcap", **options):
        (tmp_path / name).write_bytes(data)
        return nsm.read_packets(tmp_path / name, **options)

    return from_bytes


def details(table, kind=None):
    return [each.detail.partition(": ")[2] for each in caveats_of(table) if kind in (None, each.kind)]


@settings(max_examples=150)
@given(st.sampled_from(sorted(CONTAINERS)), st.sampled_from(COMPRESSED), FRAMES)
def test_what_was_written_is_read_back_whatever_the_container(tmp_path_factory, container, compressed, frames):
    frames = [(time, frame, len(frame) + more) for time, frame, more in frames]
    path = tmp_path_factory.mktemp("any") / "x"
    path.write_bytes(writing.packed(CONTAINERS[container](frames), compressed))

    table = nsm.read_packets(path, format="pcap")

    assert table["time"].astype("int64").tolist() == [time for time, _, _ in frames]
    assert table["length"].tolist() == [length for _, _, length in frames]
    assert frame_bytes(table) == [frame for _, frame, _ in frames]
    assert {each.kind for each in caveats_of(table)} <= {"snaplen", "clock"}


@pytest.mark.parametrize("kind", ["nsecpcap", "modpcap", "snoop", "pcapng", "pcap"])
def test_what_editcap_converts_is_the_same_table(evidence, tmp_path, kind):
    if shutil.which("editcap") is None:
        pytest.skip("editcap (of Wireshark) is not installed; it is the oracle of this test")
    subprocess.run(
        ["editcap", "-F", kind, "-r", evidence / "staged.pcap", tmp_path / "x", "1-400"], check=True, capture_output=True
    )  # fmt: skip

    table = nsm.read_packets(tmp_path / "x", label="same")
    expected = nsm.read_packets(evidence / "staged.pcap", label="same").iloc[:400]

    for name in table.columns.drop("offset"):
        assert table[name].astype(str).tolist() == expected[name].astype(str).tolist(), name
    assert frame_bytes(table, evidence={"same": tmp_path / "x"}) == frame_bytes(
        expected, evidence={"same": evidence / "staged.pcap"}
    )
    assert caveats_of(table) == []


def test_lengths_that_may_stand_either_way_are_told_by_their_size(read):
    frames = [(SECOND, b"abc", 7)]
    right, wrong = (writing.pcap(frames, version=version) for version in ((2, 4), (2, 2)))

    for data in (right, wrong):
        table = read(data[:6] + struct.pack("<H", 3) + data[8:])
        assert (table["captured"].tolist(), table["length"].tolist()) == ([3], [7])


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (writing.pcap([], magic=0xA12B3C4D), "is Navtel's variant of pcap, which is not read"),
        (writing.pcap([], magic=0xA1B234CD, big=True), "is F. Mesquita's variant of pcap"),
        (writing.snoop([], version=3), "snoop version 3 (Shomiti Surveyor wrote such)"),
        (writing.snoop([])[:12], "ends inside its own file header (12 of 16 bytes)"),
        (writing.pcap([], magic=0x1C0001AC), "ends inside its own file header (24 of 28 bytes)"),
        (writing.pcap([], version=(3, 0)), "pcap version 3.0"),
    ],
)
def test_what_is_not_read_is_refused_by_its_name(read, data, words):
    with pytest.raises(DamagedEvidence) as caught:
        read(data)
    assert words in str(caught.value)


def test_a_snoop_data_link_that_is_not_known_gives_no_addresses_and_its_drops_are_told(read):
    table = read(writing.snoop([(SECOND, bytes(60))] * 2, datalink=9, drops=17))

    assert table["src_mac"].isna().all()
    assert "snoop's data link type 9 is not supported; frames have no addresses" in details(table)
    assert any("17 frames were dropped" in each for each in details(table, "drops"))


# --- two files in one


@pytest.mark.parametrize("first", ["pcap, little", "pcapng, big", "snoop"])
@pytest.mark.parametrize("second", ["pcap, big", "pcap, nanoseconds, little", "pcapng, little", "snoop"])
def test_a_capture_that_was_appended_to_another_is_read_on(read, first, second):
    frames = [(time, frame) for time, frame in writing.conversation()]
    head = CONTAINERS[first](frames)

    table = read(head + CONTAINERS[second](frames))

    assert len(table) == 2 * len(frames)
    assert frame_bytes(table)[len(frames) :] == [frame for _, frame in frames]
    if not first.startswith("pcapng") or not second.startswith(
        "pcapng"
    ):  # there it is another section, as the draft has it
        assert any(
            f"another capture begins at byte {len(head)}, behind frame 8" in each for each in details(table, "appended")
        )


def test_an_appended_header_that_is_cut_takes_nothing_from_what_stands_before(read):
    frames = writing.conversation()

    table = read(writing.pcap(frames) + writing.snoop([])[:14])

    assert len(table) == len(frames)
    assert len(caveats_of(table)) == 1


# --- pcapng, besides packets


def pcapng_with(*blocks, options=b""):
    time, frame = writing.conversation()[0]
    return (
        writing.section()
        + writing.interface()
        + writing.enhanced(0, time // 1000, frame, options=options)
        + b"".join(blocks)
    )


def test_comments_are_told_with_whose_they_are_and_made_safe(read):
    evil = "<b>\x1b[2J\u202e".encode() + b"\xff"
    data = writing.section(options=writing.option(1, b"of the file")) + writing.interface(
        options=writing.option(1, b"of eth0")
    )
    data += writing.enhanced(0, 1, bytes(60), options=writing.option(1, evil))

    told = details(read(data), "comment")

    assert told[:2] == ['the file has the comment "of the file"', 'interface 0 has the comment "of eth0"']
    assert told[2] == 'frame 1 has the comment "<b>\\x1b[2J\\u202e\\xff"'


def test_of_many_comments_the_first_are_told_and_all_are_counted(read):
    blocks = [writing.enhanced(0, place, bytes(60), options=writing.option(1, b"c")) for place in range(500)]

    told = details(read(writing.section() + writing.interface() + b"".join(blocks)), "comment")

    assert len(told) == 21
    assert told[-1] == "has 500 comments; the first 20 of packets and of the rest are told"


def test_names_are_a_claim_and_never_an_address(read):
    record = struct.pack("<HH", 1, 19) + bytes([10, 0, 0, 1]) + b"trusted.bank\0\0\0\0"
    wide = struct.pack("<HH", 2, 18) + bytes(15) + b"\1" + b"a\0" + bytes(2)

    table = read(pcapng_with(writing.block(4, record + wide + bytes(4))))

    assert table["src_ip"].tolist() == ["10.0.0.1"]
    (told,) = details(table, "pcapng")
    assert "names are a claim of the file and never replace an address" in told
    assert told.endswith('10.0.0.1 is "trusted.bank"; ::1 is "a"')


def test_drops_that_the_file_reports_are_told(read):
    counters = (
        writing.option(4, struct.pack("<Q", 1000))
        + writing.option(5, struct.pack("<Q", 40))
        + writing.option(7, struct.pack("<Q", 10))
    )
    data = pcapng_with(
        writing.block(5, bytes(12) + counters), options=writing.option(4, struct.pack("<Q", 3)) + writing.option(0, b"")
    )

    told = details(read(data), "drops")

    assert "interface 0 says that it dropped 50 of 1,000 packets (5 %)" in told[0]
    assert "3 frames were dropped" in told[1]


def test_secrets_and_unknown_blocks_are_counted_and_options_that_overrun_are_told(read):
    secrets = writing.block(10, struct.pack("<II", 0x544C534B, 4) + b"key ")
    data = pcapng_with(
        secrets, writing.block(0xBAD, b"custom"), writing.block(99, b""), options=struct.pack("<HH", 1, 60_000)
    )

    told = details(read(data), "pcapng")

    assert told == [
        "holds 1 decryption secrets block (not used)",
        "holds 2 blocks of kinds that are not read (the first is of type 2989)",
        "holds 1 block whose options run over its end; these options were not read",
    ]


def test_a_simple_packet_is_cut_at_the_snaplen_of_the_first_interface(read):
    frame = bytes(range(60))
    data = writing.section() + writing.interface(snaplen=20) + writing.block(3, struct.pack("<I", 60) + frame[:20])

    table = read(data)

    assert (table["captured"].tolist(), table["length"].tolist()) == ([20], [60])
    assert frame_bytes(table) == [frame[:20]]


@pytest.mark.slow
def test_a_million_small_blocks_of_any_kind_take_no_time_to_speak_of(read):
    head = writing.section() + writing.interface()
    before = process_time()
    for body in (
        writing.block(3, bytes(4)),
        writing.block(5, bytes(12)),
        writing.block(4, b""),
        writing.block(10, bytes(8)),
    ):
        read(head + body * 300_000)
    read(head + (writing.section() + writing.interface()) * 70_000)

    assert process_time() - before < 20


# --- compressed


@pytest.mark.parametrize("kind", COMPRESSED[1:])
def test_compressed_data_that_end_early_keep_what_was_readable(read, kind):
    frames = [(place * SECOND, bytes([place % 256]) * 1000) for place in range(1, 2000)]
    whole = writing.packed(writing.pcap(frames), kind)

    table = read(whole[: 2 * len(whole) // 3])

    assert 0 < len(table) < len(frames)
    assert any("end early" in each for each in details(table, "cut"))
    assert frame_bytes(table.iloc[[-1, 0]]) == [frames[len(table) - 1][1], frames[0][1]]


@pytest.mark.parametrize("kind", COMPRESSED[1:])
def test_damage_in_compressed_data_takes_little_of_what_stands_before_it(read, kind):
    dice = np.random.default_rng(1)
    frames = [(place * SECOND, dice.bytes(1000)) for place in range(1, 2000)]
    whole = bytearray(writing.packed(writing.pcap(frames), kind))
    at = len(whole) // 2
    whole[at : at + 64] = bytes(64)

    table = read(bytes(whole))

    assert any("damaged" in each for each in details(table, "cut"))
    intact = len(frames) * 2 // 5
    assert frame_bytes(table.iloc[:intact]) == [frame for _, frame in frames[:intact]]


@pytest.mark.parametrize("kind", COMPRESSED[1:])
def test_members_one_after_the_other_are_one_capture(read, kind):
    whole = writing.pcap(writing.conversation())

    table = read(b"".join(writing.packed(whole[at : at + 100], kind) for at in range(0, len(whole), 100)))

    assert frame_bytes(table) == [frame for _, frame in writing.conversation()]
    assert caveats_of(table) == []


@pytest.mark.parametrize("kind", ["zstd", "lz4"])
def test_frames_to_be_skipped_may_stand_first(read, kind):
    skipped = b"\x50\x2a\x4d\x18" + struct.pack("<I", 4) + b"pzst"

    assert len(read(skipped + writing.packed(writing.pcap(writing.conversation()), kind))) == 8


def test_what_follows_compressed_data_is_told(read):
    table = read(writing.packed(writing.pcap(writing.conversation()), "gzip") + b"notes")

    assert len(table) == 8
    assert any("what follows its compressed data is not compressed" in each for each in details(table, "cut"))


@pytest.mark.slow
@pytest.mark.parametrize("kind", COMPRESSED[1:])
def test_a_small_file_does_not_become_a_huge_table(read, kind):
    def kilobytes(name):
        with open("/proc/self/status") as status:
            return next(int(line.split()[1]) for line in status if line.startswith(name))

    record = struct.pack("<IIII", 1, 1, 0, 1)
    Path("/proc/self/clear_refs").write_text("5")  # the peak starts anew: proc_pid_clear_refs(5)
    before = kilobytes("VmRSS")

    table = read(writing.packed(writing.pcap([]) + record * 4_000_000, kind))

    assert 2_600_000 < len(table) < 2_800_000
    assert any("frames, more than it has bytes; the rest was left unread" in each for each in details(table, "cut"))
    assert kilobytes("VmHWM") - before < 1 << 20


def test_one_frame_of_many_in_a_compressed_capture_comes_quickly_the_second_time(read):
    table = read(writing.packed(writing.pcap([(place * SECOND, bytes(1400)) for place in range(1, 20_000)]), "zstd"))
    frame_bytes(table.iloc[[-1]])

    before = process_time()
    for row in (5, 19_000, 100, 7):
        frame_bytes(table.iloc[[row]])

    assert process_time() - before < 0.05
