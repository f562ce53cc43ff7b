"""NetFlow and IPFIX made of captures: read back they are what was in the packets, with us as with nfdump and softflowd."""

from __future__ import annotations

import contextlib
import math
import re
import shutil
import socket
import struct
import subprocess
import time

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import nsm_nb as nsm
from nsm_nb.errors import NsmError
from nsm_nb.formats.netflow_v5 import HEADER, RECORD
from nsm_nb.schema import PACKETS, caveats_of
from nsm_nb.sessions.exporting import destination, export, exports
from nsm_nb.sessions.metering import metered
from tests import writing

BEGIN = 1_068_742_800 * 10**9  # 2003-11-13 17:00:00
WHOLE = {"active": 10**6, "idle": 10**5}  # no flow ends before the capture does


@pytest.fixture(scope="module")
def staged():
    """The bundled capture, which has TCP, UDP, ICMP, IPv6 and ARP."""
    from tests.conftest import BUNDLED

    return nsm.read_packets(BUNDLED / "evidence" / "staged.pcap")


def packets_of(tmp_path, frames):
    """Read frames, each nanoseconds behind `BEGIN` and bytes, as a capture."""
    data = struct.pack("<IHHiIII", 0xA1B23C4D, 2, 4, 0, 0, 262_144, 1)
    for time_, frame in frames:
        seconds, rest = divmod(BEGIN + time_, 10**9)
        data += struct.pack("<IIII", seconds, rest, len(frame), len(frame)) + frame
    path = tmp_path / "frames.pcap"
    path.write_bytes(data)
    return nsm.read_packets(path)


def udp(time_, src="10.0.0.1", dst="10.0.0.2", *, sport=1024, dport=53, payload=b"x"):
    segment = struct.pack(">HHHH", sport, dport, 8 + len(payload), 0) + payload
    return round(time_ * 10**9), writing.ethernet(writing.ip(segment, src, dst, 17))


def tcp(time_, flags, src="10.0.0.1", dst="10.0.0.2", *, sport=1024, dport=80, seq=1):
    segment = struct.pack(">HHIIBBHHH", sport, dport, seq, 0, 0x50, flags, 1000, 0, 0)
    return round(time_ * 10**9), writing.ethernet(writing.ip(segment, src, dst, 6))


def echo(time_, kind, src, dst):
    return round(time_ * 10**9), writing.ethernet(writing.ip(struct.pack(">BBHHH", kind, 0, 0, 7, 1), src, dst, 1))


def ms(column):
    return column.dt.tz_localize(None).to_numpy().astype("M8[ms]").astype(np.int64)


def slow_flows(packets):
    """Count the packets of each direction of each session, one after the other, in plain Python."""
    _, packets = nsm.sessions.assemble(packets)
    rows = list(packets[packets["session"].notna()].itertuples())
    messages: dict[tuple, int] = {}  # fragments of ICMP tell none; they go with the rest of their direction
    for row in rows:
        if not pd.isna(row.icmp_type):
            messages.setdefault((row.session, row.to_dst), int(row.icmp_type) << 8 | int(row.icmp_code))
    found: dict[tuple, list] = {}
    for row in rows:
        known = not pd.isna(row.icmp_type)
        ports = [0 if pd.isna(each) else int(each) for each in (row.src_port, row.dst_port)]
        if str(row.proto) in ("icmp", "icmp6"):
            told = int(row.icmp_type) << 8 | int(row.icmp_code) if known else messages.get((row.session, row.to_dst), 0)
            ports = [0, told]
        key = (row.session, str(row.src_ip), str(row.dst_ip), *ports, str(row.proto))
        at = row.time.value // 10**6
        flow = found.setdefault(key, [at, at, 0, 0, 0])
        flow[0], flow[1] = min(flow[0], at), max(flow[1], at)
        flow[2] += 1
        flow[3] += int(row.octets)
        flow[4] |= 0 if pd.isna(row.tcp_flags) else int(row.tcp_flags)
    return sorted((*key[1:], *flow) for key, flow in found.items())


def fields_of_v5(payloads):
    """Return the records of version 5 as the format's description reads them, with times in milliseconds."""
    found = []
    for payload in payloads:
        head = np.frombuffer(payload[:24], HEADER)[0]
        assert len(payload) == 24 + 48 * head["count"]
        boot = int(head["seconds"]) * 1000 + int(head["nanoseconds"]) // 10**6 - int(head["uptime"])
        for row in np.frombuffer(payload[24:], RECORD):
            ends = [".".join(map(str, int(row[name]).to_bytes(4))) for name in ("src", "dst")]
            numbers = [int(row[name]) for name in ("src_port", "dst_port", "proto", "packets", "octets", "tcp_flags")]
            found.append((*ends, *numbers[:3], boot + int(row["first"]), boot + int(row["last"]), *numbers[3:]))
    return found


# --- what is in them


def test_records_of_version_5_are_the_packets_of_each_direction(staged):
    sent, told = exports(staged, version=5, **WHOLE)
    payloads = [each.payload for each in sent]

    found = sorted(fields_of_v5(payloads))

    numbers = {"tcp": 6, "udp": 17, "icmp": 1, "igmp": 2}
    slow = [(*row[:4], numbers[row[4]], *row[5:]) for row in slow_flows(staged) if ":" not in row[0]]
    assert found == sorted(slow)
    assert told.flows == len(found)
    assert told.datagrams == len(payloads)
    assert told.octets == sum(row[8] for row in found)
    assert sum(told.left.values()) == int(staged["octets"].isna().sum()) + len(slow_flows(staged)) - len(slow)


@pytest.mark.parametrize(
    ("name", "version"), [("a.pcap", 5), ("a.pcap", 9), ("a.pcap", 10), ("a.bin", 5), ("a.bin", 9), ("a.bin", 10)]
)
def test_what_is_written_is_read_as_the_flows_it_was_made_of(staged, tmp_path, name, version):
    told = export(staged, tmp_path / name, version=version, **WHOLE)

    table = nsm.read_sessions(tmp_path / name)

    flows = metered(staged, **WHOLE)
    flows = flows.take(np.flatnonzero(flows.src.tag == 4)) if version == 5 else flows
    assert len(table) == told.flows == len(flows)
    ports = [np.where(np.isin(flows.proto, (6, 17)), each, 0) for each in (flows.src_port, flows.dst_port)]
    ours = pd.DataFrame(
        {
            "start": flows.start, "end": flows.end, "src_octets": flows.octets, "src_packets": flows.packets,
            "src_port": ports[0], "dst_port": ports[1], "src_flags": flows.flags,
        }
    ).astype("int64")  # fmt: skip
    theirs = table.assign(start=ms(table["start"]), end=ms(table["end"]))[[*ours]]
    if "src_flags" in theirs:
        theirs["src_flags"] = theirs["src_flags"].where(table["proto"] == "tcp", 0)
    theirs = theirs.fillna(0).astype("int64")
    pd.testing.assert_frame_equal(*(each.sort_values([*ours], ignore_index=True) for each in (theirs, ours)))
    assert [each.kind for each in caveats_of(table)] == []
    assert (tmp_path / name).stat().st_mode & 0o077 == 0


def test_both_directions_in_one_record_are_read_as_sessions(staged, tmp_path):
    told = export(staged, tmp_path / "flows.pcap", version=10, biflow=True, **WHOLE)

    table = nsm.read_sessions(tmp_path / "flows.pcap")

    sessions, _ = nsm.sessions.assemble(staged)
    assert len(table) == told.flows == len(sessions)
    columns = ["src_packets", "dst_packets", "src_octets", "dst_octets", "src_port", "dst_port"]
    ours = sessions.assign(start=ms(sessions["start"]), end=ms(sessions["end"]))[["start", "end", *columns]]
    theirs = table.assign(start=ms(table["start"]), end=ms(table["end"]))[["start", "end", *columns]]
    ours, theirs = (each.fillna(0).astype("int64").sort_values([*ours], ignore_index=True) for each in (ours, theirs))
    pd.testing.assert_frame_equal(ours, theirs)


def test_sequence_numbers_tell_that_nothing_is_lost_and_no_datagram_needs_fragments(staged):
    from nsm_nb.sessions.exporters import Exporters

    for version in (5, 9, 10):
        exporters = Exporters()
        sent, told = exports(staged, version=version)
        payloads = [each.payload for each in sent]
        assert all(exporters.heard(b"\x7f\0\0\1", 1, payload) for payload in payloads)
        exporters.end()
        totals = exporters.totals()
        assert (totals.flows, totals.lost, totals.unknown, totals.again) == (told.flows, 0, 0, 0)
        assert max(map(len, payloads)) <= 1400
        assert told.flows / told.datagrams > 8


def test_flows_are_cut_at_the_active_timeout_and_end_in_silence(tmp_path):
    times = [0, 10, 20, 29.9, 30, 45, 61, 80, 200, 214]
    packets = packets_of(tmp_path, [udp(each) for each in times])

    flows = metered(packets, active=30, idle=15)

    seconds = [(a - BEGIN / 10**6) / 1000 for a in flows.start]
    assert seconds == [0, 30, 61, 80, 200]
    assert flows.packets.tolist() == [4, 2, 1, 1, 2]
    # exported when the next begins, when the silence is long enough, when the capture ends
    assert (flows.second - BEGIN // 10**9).tolist() == [30, 60, 76, 95, 214]
    assert flows.reason.tolist() == [2, 1, 1, 1, 4]


def test_a_port_used_again_after_a_close_is_another_flow(tmp_path):
    first = [tcp(0, 2, seq=100), tcp(1, 18, "10.0.0.2", "10.0.0.1", sport=80, dport=1024, seq=7), tcp(2, 4, seq=101)]
    packets = packets_of(tmp_path, [*first, tcp(3, 2, seq=90_000), tcp(4, 16, seq=90_001)])

    flows = metered(packets, **WHOLE)

    assert flows.flags.tolist() == [6, 18, 18]
    assert flows.packets.tolist() == [2, 1, 2]


def test_both_directions_in_one_record_are_named_after_who_opened(tmp_path):
    frames = [udp(0), udp(0.5, "10.0.0.2", "10.0.0.1", sport=53, dport=1024, payload=b"answer"),
              echo(1, 8, "10.0.0.3", "10.0.0.4"), echo(1.25, 0, "10.0.0.4", "10.0.0.3"),
              udp(20, "10.0.0.2", "10.0.0.1", sport=53, dport=1024)]  # fmt: skip
    flows = metered(packets_of(tmp_path, frames), active=60, idle=15, both=True)

    assert [(int(a) & 255, int(b) & 255) for a, b in zip(flows.src.low, flows.dst.low, strict=True)] == [
        (1, 2),
        (3, 4),
        (1, 2),
    ]
    assert list(zip(flows.src_port.tolist(), flows.dst_port.tolist(), strict=True)) == [
        (1024, 53),
        (0, 2048),
        (1024, 53),
    ]
    assert (flows.packets.tolist(), flows.back_packets.tolist()) == ([1, 1, 0], [1, 1, 1])
    assert (flows.octets.tolist(), flows.back_octets.tolist()) == ([29, 28, 0], [34, 28, 29])
    assert (flows.end - flows.start).tolist() == [500, 250, 0]


@settings(max_examples=12)
@given(
    times=st.lists(st.floats(0, 5 * 86_400, allow_nan=False), min_size=1, max_size=30),
    active=st.integers(1, 100_000),
    idle=st.integers(1, 100_000),
)
def test_whatever_the_timeouts_every_packet_is_in_one_flow(tmp_path_factory, times, active, idle):
    packets = packets_of(
        tmp_path_factory.mktemp("x"), [udp(each, sport=1000 + round(each) % 3) for each in sorted(times)]
    )

    sent, told = exports(packets, version=5, active=active, idle=idle)
    rows = fields_of_v5([each.payload for each in sent])

    assert sum(row[7] for row in rows) == len(times)
    assert told.octets == int(packets["octets"].sum())
    taken = np.sort(packets["time"].dt.tz_localize(None).to_numpy().astype("M8[ms]").astype(np.int64))
    assert {row[5] for row in rows} <= set(taken.tolist())
    for row in rows:
        assert row[6] - row[5] < active * 1000 + 1
        assert math.floor((row[6] - row[5]) / 1000) <= idle * (row[7] - 1)


def test_times_are_right_over_months_and_uptimes_never_wrap(tmp_path):
    days = [0, 20, 24.8, 24.9, 49.7, 49.8, 120, 400]
    packets = packets_of(tmp_path, [udp(each * 86_400 + 0.125) for each in days])

    for version in (5, 9):
        sent, _ = exports(packets, version=version)
        payloads = [each.payload for each in sent]
        if version == 5:
            heads = [np.frombuffer(payload[:24], HEADER)[0] for payload in payloads]
            assert all(0 < int(head["uptime"]) < 2**31 + 10**6 for head in heads)
            assert [row[5] for row in fields_of_v5(payloads)] == [
                BEGIN // 10**6 + round(day * 86_400_000) + 125 for day in days
            ]


def test_more_octets_than_version_5_can_tell_become_several_records():
    start = pd.Timestamp("2026-11-24", tz="UTC")
    sessions = nsm.schema.SESSIONS.conform(
        pd.DataFrame(
            {
                "session": [1], "start": [start], "end": [start], "proto": ["tcp"], "src_ip": ["10.0.0.1"], "src_port": [1],
                "dst_ip": ["10.0.0.2"], "dst_port": [2], "src_packets": [10**7], "src_octets": [10**10], "dst_packets": [5],
                "dst_octets": [500],
            }
        )
    )  # fmt: skip
    sent, told = exports(sessions, version=5)
    rows = fields_of_v5([each.payload for each in sent])

    assert sum(row[8] for row in rows if row[0] == "10.0.0.1") == 10**10
    assert sum(row[7] for row in rows if row[0] == "10.0.0.1") == 10**7
    assert told.left == {"flows of more than 4,294,967,295 octets are written in several records": 1}
    assert exports(sessions, version=9)[1].left == {}


def test_sessions_become_a_record_for_each_direction(staged):
    sessions, _ = nsm.sessions.assemble(staged)

    by_packets, by_sessions = (exports(table, version=5, **WHOLE) for table in (staged, sessions))

    def counted(sent):
        return sorted((*row[:2], row[4], *row[7:9]) for row in fields_of_v5([each.payload for each in sent]))

    # what several messages of one session of ICMP are, a session does not tell
    mine, theirs = (pd.DataFrame(counted(sent)) for sent, _ in (by_packets, by_sessions))
    pd.testing.assert_frame_equal(*(each[each[2] != 1].reset_index(drop=True) for each in (mine, theirs)))
    assert mine[4].sum() == theirs[4].sum()


def test_icmp_of_sessions_is_told_by_its_state():
    start = pd.Timestamp("2026-11-24", tz="UTC")
    rows = [("icmp", "ECO", 1), ("icmp", "URP", 0), ("icmp", "INT", 0), ("icmp6", "ECO", 0), ("tcp", "CON", 0)]
    sessions = nsm.schema.SESSIONS.conform(
        pd.DataFrame(
            {
                "session": range(5), "start": start, "end": start, "proto": [row[0] for row in rows],
                "state": [row[1] for row in rows], "src_ip": "10.0.0.1", "dst_ip": "10.0.0.2", "src_packets": 1, "src_octets": 28,
                "dst_packets": [row[2] for row in rows], "dst_octets": 0,
            }
        )
    )  # fmt: skip
    found = metered(sessions)

    assert found.dst_port.tolist() == [2048, 0x0303, 0, 128 << 8, 0, 0]
    assert found.left == {"sessions of ICMP do not tell their message and are written as type 0": 1}


def test_nothing_of_nothing_is_nothing(tmp_path):
    told = export(PACKETS.empty(), tmp_path / "none.bin", version=9)

    assert (told.flows, told.datagrams, (tmp_path / "none.bin").read_bytes()) == (0, 0, b"")


# --- where it goes


def test_a_file_that_ends_in_bin_has_the_datagrams_alone(staged, tmp_path):
    export(staged, tmp_path / "flows.bin", version=9)
    sent, _ = exports(staged, version=9)

    assert (tmp_path / "flows.bin").read_bytes() == b"".join(each.payload for each in sent)


def test_it_sends_where_it_is_told_and_not_faster_than_asked(staged):
    with contextlib.closing(socket.socket(socket.AF_INET, socket.SOCK_DGRAM)) as receiver:
        receiver.bind(("127.0.0.1", 0))
        receiver.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1 << 22)
        some = staged.iloc[:2000]
        seen = []
        begun = time.monotonic()
        told = export(some, receiver.getsockname(), version=10, rate=2000, progress=lambda *each: seen.append(each))
        spent = time.monotonic() - begun
        receiver.setblocking(False)
        received = []
        with contextlib.suppress(BlockingIOError):
            while True:
                received.append(receiver.recv(65_535))
    sent, _ = exports(some, version=10)

    assert received == [each.payload for each in sent]
    assert spent > (told.flows - 8 * 40) / 2000
    assert seen[-1] == (told.flows, told.flows)


def test_a_destination_is_a_file_or_an_address_and_a_port_and_no_name_is_looked_up(monkeypatch):
    def asked(*_):
        raise AssertionError("a name was looked up")

    monkeypatch.setattr(socket, "getaddrinfo", asked)
    assert destination("127.0.0.1:9995") == ("127.0.0.1", 9995)
    assert destination("[::1]:2055") == ("::1", 2055)
    assert destination("localhost:9") == ("127.0.0.1", 9)
    for name in ("flows.pcap", "./a:1", "a:b", "/x/127.0.0.1:9995", "flows"):
        assert str(destination(name)) == str(nsm_path(name))
    with pytest.raises(NsmError, match=r"collector\.example is a name; give its address"):
        destination("collector.example:9995")
    with pytest.raises(NsmError, match="70000 is no port"):
        destination("127.0.0.1:70000")


def nsm_path(name):
    from pathlib import Path

    return Path(name)


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"version": 7}, "version 7 is not written; choose 5, 9 or 10"),
        ({"biflow": True}, "need version 10"),
        ({"idle": 0}, "seconds above 0"),
    ],
)
def test_what_can_not_be_made_is_a_sentence(options, words):
    with pytest.raises(NsmError, match=words):
        exports(PACKETS.empty(), **options)


def test_a_place_that_can_not_be_written_is_a_sentence_and_leaves_nothing(tmp_path):
    with pytest.raises(NsmError, match=r"can't be written: .*; choose another place"):
        export(PACKETS.empty(), tmp_path / "no" / "flows.pcap")
    assert list(tmp_path.iterdir()) == []


# --- what others read


@contextlib.contextmanager
def nfcapd(folder):
    """nfdump's collector; gives its port, and has written its file once it is left."""
    program = shutil.which("nfcapd")
    if program is None or shutil.which("nfdump") is None:
        pytest.skip("nfdump is not installed; it is the oracle of this test")
    folder.mkdir()
    with contextlib.closing(socket.socket(socket.AF_INET, socket.SOCK_DGRAM)) as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    running = subprocess.Popen(
        [program, "-b", "127.0.0.1", "-B", "4000000", "-p", str(port), "-w", str(folder), "-t", "3600"],
        stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
    )  # fmt: skip
    try:
        until = time.monotonic() + 5
        while f":{port:04X} " not in nsm_path("/proc/net/udp").read_text() and time.monotonic() < until:
            time.sleep(0.02)
        yield port
        time.sleep(0.15)
    finally:
        running.terminate()
        running.wait()


def as_nfdump_reads(folder):
    words = "fmt:%ts|%te|%pr|%sa|%sp|%da|%dp|%flg|%pkt|%byt"
    told = subprocess.run(
        ["nfdump", "-R", str(folder), "-q", "-6", "-o", words], env={"TZ": "UTC", "PATH": "/usr/bin:/bin"}, capture_output=True,
        text=True, check=True,
    )  # fmt: skip
    rows = [[cell.strip() for cell in line.split("|")] for line in told.stdout.splitlines()]
    return pd.DataFrame([row for row in rows if len(row) == 10], columns=["start", "end", *"abcdefgh"]).sort_values(
        [*"abcdefgh", "start", "end"], ignore_index=True
    )


@pytest.mark.slow
def test_nfdump_reads_all_versions_alike_and_as_the_packets_are(tmp_path, staged):
    read = {}
    for version in (5, 9, 10):
        with nfcapd(tmp_path / str(version)) as port:
            export(staged, ("127.0.0.1", port), version=version, **WHOLE)
        read[version] = as_nfdump_reads(tmp_path / str(version))

    for version in (9, 10):  # nfdump 1.7.1 does not read the message of ICMPv6 in IPFIX (RFC 7012, 139)
        read[version]["e"] = read[version]["e"].mask(read[version]["a"] == "ICMP6", "")
        read[version] = read[version].sort_values([*"abcdefgh", "start", "end"], ignore_index=True)
    pd.testing.assert_frame_equal(read[9], read[10])
    narrow = read[9][~read[9]["b"].str.contains(":")].reset_index(drop=True)
    pd.testing.assert_frame_equal(read[5], narrow)
    slow = slow_flows(staged)
    assert len(read[9]) == len(slow)
    ours = sorted((pd.Timestamp(row[5], unit="ms"), pd.Timestamp(row[6], unit="ms"), *row[7:9]) for row in slow)
    times = (pd.to_datetime(read[9][name]) for name in ("start", "end"))
    counts = (read[9][name].astype(int) for name in "gh")
    assert sorted(zip(*times, *counts, strict=True)) == ours


@pytest.mark.slow
def test_records_are_those_that_softflowd_makes_of_the_same_capture(tmp_path, shared):
    program = shutil.which("softflowd")
    if program is None:
        pytest.skip("softflowd is not installed; it is the oracle of this test")
    seed = shared / "fixtures" / "seed.pcap"
    packets = nsm.read_packets(seed)
    for version in (5, 9, 10):
        made = {}
        for who in ("ours", "theirs"):
            with nfcapd(tmp_path / f"{who}{version}") as port:
                if who == "ours":
                    export(packets, ("127.0.0.1", port), version=version, active=10**6, idle=3600)
                else:
                    times = ["-A", "milli"] if version == 10 else []
                    words = [
                        program,
                        "-r",
                        str(seed),
                        "-a",
                        "-d",
                        "-v",
                        str(version),
                        *times,
                        "-n",
                        f"127.0.0.1:{port}",
                    ]
                    subprocess.run(words, check=True, capture_output=True, timeout=20)
            made[who] = as_nfdump_reads(tmp_path / f"{who}{version}")
        assert len(made["ours"]) == (79 if version == 5 else 80)
        columns = list("abcdefgh")
        pd.testing.assert_frame_equal(made["ours"][columns], made["theirs"][columns])
        # softflowd gives each direction the times of both; version 9 tells its header's time in whole seconds
        if version != 9:
            both = made["ours"]
            ends = both.apply(lambda row: tuple(sorted([(row["b"], row["c"]), (row["d"], row["e"])])), axis=1)
            spans = {
                key: (group["start"].min(), group["end"].max()) for key, group in both[both["a"] == "TCP"].groupby(ends)
            }
            for row in made["theirs"][made["theirs"]["a"] == "TCP"].itertuples():
                key = tuple(sorted([(row.b, row.c), (row.d, row.e)]))
                assert spans[key][0] <= row.start <= row.end <= spans[key][1]


@pytest.mark.slow
@pytest.mark.parametrize("version", [5, 9, 10])
def test_tshark_reads_the_records_and_finds_nothing_wrong(tmp_path, staged, tshark, version):
    some = staged.iloc[::7]
    export(some, tmp_path / "flows.pcap", version=version, **WHOLE)
    fields = [
        "-e",
        "cflow.srcaddr",
        "-e",
        "cflow.srcaddrv6",
        "-e",
        "cflow.octets",
        "-e",
        "_ws.malformed",
        "-e",
        "udp.checksum.status",
    ]

    told = subprocess.run(
        [tshark, "-n", "-r", str(tmp_path / "flows.pcap"), "-d", "udp.port==9995,cflow", "-o", "udp.check_checksum:TRUE",
         "-T", "fields", *fields],
        capture_output=True, text=True, check=True,
    )  # fmt: skip

    rows = [line.split("\t") for line in told.stdout.splitlines()]
    assert {tuple(row[3:]) for row in rows} == {("", "1")}
    octets = [int(each) for row in rows for each in row[2].split(",") if each]
    flows = metered(some, **WHOLE)
    narrow = flows.src.tag == 4 if version == 5 else flows.src.tag > 0
    assert sorted(octets) == sorted(flows.octets[narrow].tolist())


def test_ipfix_of_both_directions_has_the_enterprise_of_rfc_5103(staged):
    sent, told = exports(staged, version=10, biflow=True)
    payloads = [each.payload for each in sent]
    assert re.search(rb"\x80\x01\x00\x08\x00\x00\x72\x79\x80\x02\x00\x08\x00\x00\x72\x79", payloads[0])
    flows = metered(staged, both=True)
    assert told.flows == len(flows)
    assert told.octets == int(staged["octets"].sum())
