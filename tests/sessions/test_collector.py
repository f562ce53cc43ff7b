"""The collector of NetFlow: what is sent is kept as it came, in whole files, and what was lost is told."""

from __future__ import annotations

import contextlib
import os
import re
import shutil
import signal
import socket
import struct
import subprocess
import threading
import time
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import nsm_nb as nsm
from nsm_nb.errors import NsmError
from nsm_nb.schema import caveats_of
from nsm_nb.sessions.collector import Asked, collect
from nsm_nb.sessions.exporters import Exporters
from nsm_nb.sessions.record_counts import Templates
from nsm_nb.sessions.rotation import HEADER, Folder
from nsm_nb.sessions.wrapping import wrapped
from tests import writing

NAME = re.compile(r"netflow\.\d{4}-\d\d-\d\d\.\d{6}\+0000(_\d{4})?\.pcap")
A_DAY = 1_795_478_400 * 10**9  # 2026-11-24 00:00:00
MINUTE = 60 * 10**9


def v5(number, count=30, *, uptime=10_000_000, engine=0):
    record = struct.pack(
        ">IIIHHIIIIHHBBBBHHBBH", 0x0A000001, 0x0A000002, 0, 0, 0, 3, 180, uptime - 9000, uptime - 8000, 1024, 80, 0, 27, 6,
        0, 0, 0, 0, 0, 0,
    )  # fmt: skip
    now = time.time_ns()
    head = struct.pack(">HHIIIIBBH", 5, count, uptime, now // 10**9, now % 10**9, number % 2**32, 0, engine, 0)
    return head + record * count


def v9(number, count=30, *, template=False):
    fields = [(8, 4), (12, 4), (22, 4), (21, 4), (1, 4), (2, 4), (7, 2), (11, 2), (4, 1), (6, 1)]
    sets = b""
    if template:
        sets = struct.pack(">HHHH", 0, 8 + 4 * len(fields), 256, len(fields)) + b"".join(
            struct.pack(">HH", *each) for each in fields
        )
    data = struct.pack(">IIIIIIHHBB", 0x0A000001, 0x0A000002, 9_991_000, 9_992_000, 180, 3, 1024, 80, 6, 27) * count
    sets += struct.pack(">HH", 256, 4 + len(data) + -len(data) % 4) + data + bytes(-len(data) % 4)
    return struct.pack(">HHIIII", 9, count + template, 10_000_000, int(time.time()), number % 2**32, 7) + sets


def ipfix(number, count, *, template=False):
    sets = b""
    if template:
        sets = struct.pack(">HHHHHHIHH", 2, 20, 256, 2, 8 | 0x8000, 4, 29305, 82, 65_535)
    data = struct.pack(">IB3s", 0x0A000001, 3, b"eth") * count
    if count:
        sets += struct.pack(">HH", 256, 4 + len(data)) + data
    return struct.pack(">HHIII", 10, 16 + len(sets), int(time.time()), number % 2**32, 7) + sets


@contextlib.contextmanager
def collecting(folder, **options):
    """A collector in a thread; gives a function that sends to it, and what it found once it is left."""
    ends, told, found = threading.Event(), [], []
    turns = iter(options.pop("turns", ()))
    with contextlib.closing(socket.socket(socket.AF_INET, socket.SOCK_DGRAM)) as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    asked = Asked(folder, port, **options)

    def run():
        found.append(collect(asked, stop=ends.is_set, rotate=lambda: next(turns, False), tell=told.append))

    thread = threading.Thread(target=run)
    thread.start()
    until = time.monotonic() + 10
    while not any(words.startswith("listening") for words in told) and time.monotonic() < until and thread.is_alive():
        time.sleep(0.005)
    with contextlib.closing(socket.socket(socket.AF_INET, socket.SOCK_DGRAM)) as sender:
        sender.bind(("127.0.0.1", 0))
        try:
            yield lambda data: sender.sendto(data, ("127.0.0.1", port)), found, told
        finally:
            ends.set()
            thread.join()


def kept(path):
    """Return the records of a capture: nanoseconds since 1970 and the packet."""
    data = path.read_bytes()
    assert data[: len(HEADER)] == HEADER
    at, found = len(HEADER), []
    while at < len(data):
        seconds, rest, size, sent = struct.unpack_from("<IIII", data, at)
        assert size == sent
        assert at + 16 + size <= len(data), "the last record is cut"
        found.append((seconds * 10**9 + rest, data[at + 16 : at + 16 + size]))
        at += 16 + size
    return found


@given(
    payload=st.binary(max_size=40),
    ends=st.binary(min_size=32, max_size=32),
    wide=st.booleans(),
    ttl=st.integers(0, 255),
)
def test_headers_around_a_payload_have_right_checksums(payload, ends, wide, ttl):
    src, dst = (ends[:16], ends[16:]) if wide else (ends[:4], ends[4:8])

    packet = wrapped(payload, src, 2055, dst, 9995, ttl=ttl)

    head = 40 if wide else 20
    pseudo = src + dst + struct.pack(">II", 8 + len(payload), 17)
    assert writing.internet_checksum(pseudo + packet[head:]) == 0
    assert wide or writing.internet_checksum(packet[:20]) == 0
    assert packet[head + 8 :] == payload
    assert packet[7 if wide else 8] == ttl
    assert packet[head + 6 : head + 8] != b"\0\0"  # which would mean that there is none


def test_datagrams_are_kept_as_they_came_and_read_as_sessions(tmp_path):
    sent = [v5(100 + 30 * number) for number in range(5)]
    before = time.time_ns()
    with collecting(tmp_path / "new") as (send, found, told):
        for each in sent:
            send(each)
        time.sleep(0.05)
        assert [path.name[:12] for path in (tmp_path / "new").iterdir()] == ["tmp-netflow."]

    (path,) = (tmp_path / "new").iterdir()
    assert NAME.fullmatch(path.name)
    assert path.stat().st_mode & 0o077 == 0
    records = kept(path)
    assert [packet[28:] for _, packet in records] == sent
    assert all(before <= at <= time.time_ns() for at, _ in records)
    table = nsm.read_sessions(path)
    assert len(table) == 150
    assert [each.kind for each in caveats_of(table)] == []
    assert table["sensor"].iloc[0].startswith("127.0.0.1:")
    totals = found[0].exporters.totals()
    assert (totals.datagrams, totals.flows, totals.lost, found[0].dropped, found[0].files) == (5, 150, 0, 0, 1)
    assert f"{path} is done: {path.stat().st_size:,} bytes" in told


def test_tshark_finds_right_checksums_and_the_same_flows(tmp_path, tshark):
    with collecting(tmp_path) as (send, _, _):
        send(v5(0, 3))
        send(v9(0, 4, template=True))
    (path,) = tmp_path.iterdir()
    port = int.from_bytes(kept(path)[0][1][22:24])
    words = [
        "-o",
        "ip.check_checksum:TRUE",
        "-o",
        "udp.check_checksum:TRUE",
        "-d",
        f"udp.port=={port},cflow",
        "-T",
        "fields",
    ]
    fields = ["-e", "ip.checksum.status", "-e", "udp.checksum.status", "-e", "cflow.version", "-e", "cflow.srcaddr"]

    told = subprocess.run([tshark, "-n", "-r", str(path), *words, *fields], capture_output=True, text=True, check=True)

    rows = [line.split("\t") for line in told.stdout.splitlines()]
    assert [row[:3] for row in rows] == [["1", "1", "5"], ["1", "1", "9"]]
    assert [row[3].split(",") for row in rows] == [["10.0.0.1"] * 3, ["10.0.0.1"] * 4]


def test_what_is_no_export_is_counted_by_sender_and_not_kept(tmp_path):
    bad = [
        b"",
        b"GET / HTTP/1.0\r\n\r\n",
        v5(0)[:-1],
        v5(0) + b"\0",
        struct.pack(">HH", 5, 30),
        b"\0\x0a\0\x10" + bytes(12),
        bytes(60_000),
    ]
    with collecting(tmp_path) as (send, found, _):
        for each in bad:
            send(each)
        send(v5(0, 1))
    assert found[0].exporters.refused == len(bad)
    assert found[0].exporters.refused_from() == [("127.0.0.1", len(bad))]
    assert len(nsm.read_sessions(next(tmp_path.iterdir()))) == 1


def test_what_came_before_the_stop_is_kept_however_much(tmp_path, monkeypatch):
    from nsm_nb.sessions import collector

    monkeypatch.setattr(collector, "_LOOK", 0.0)
    slow = collector._record
    monkeypatch.setattr(collector, "_record", lambda *words: time.sleep(0.001) or slow(*words))
    with collecting(tmp_path) as (send, found, _):
        for number in range(150):
            send(v5(30 * number))
    assert found[0].exporters.totals().datagrams == 150


def test_exporters_that_were_not_named_are_refused(tmp_path):
    with collecting(tmp_path, exporters=("192.0.2.1",)) as (send, found, _):
        send(v5(0))
    assert (found[0].exporters.refused, list(tmp_path.iterdir())) == (1, [])


def test_an_address_or_a_port_that_can_not_be_listened_on_is_a_sentence(tmp_path):
    with pytest.raises(NsmError, match=r"give addresses"):
        collect(Asked(tmp_path, listen="localhost"), stop=lambda: True)
    with contextlib.closing(socket.socket(socket.AF_INET, socket.SOCK_DGRAM)) as taken:
        taken.bind(("127.0.0.1", 0))
        port = taken.getsockname()[1]
        with pytest.raises(NsmError, match=rf"127\.0\.0\.1 port {port} can't be listened on: .*; choose another"):
            collect(Asked(tmp_path, port), stop=lambda: True)


def test_it_listens_on_loopback_alone_where_nothing_else_is_asked():
    assert Asked(Path()).listen == "127.0.0.1"


def test_over_ipv6_the_packets_are_of_ipv6(tmp_path):
    with contextlib.closing(socket.socket(socket.AF_INET6, socket.SOCK_DGRAM)) as sender:
        try:
            sender.bind(("::1", 0))
        except OSError:
            pytest.skip("this machine has no IPv6 on loopback")
        for listen, to in (("::1", "::1"), ("::", "::1"), ("::", "::ffff:127.0.0.1")):
            folder = tmp_path / f"{listen}{to}".replace(":", "_")
            with collecting(folder, listen=listen) as (send, found, told):
                port = int(next(words for words in told if words.startswith("listening")).split("]:")[1].split(",")[0])
                if "." in to:
                    send(v5(0))
                else:
                    sender.sendto(v5(0), (to, port))
            assert found[0].exporters.totals().datagrams == 1
            packets = nsm.read_packets(next(folder.iterdir()))
            assert packets["dst_ip"].astype(str).tolist() == [to.removeprefix("::ffff:")]


# --- lost flows


def heard(*payloads, address=b"\x7f\0\0\1"):
    exporters = Exporters()
    for each in payloads:
        assert exporters.heard(address, 2055, each)
    exporters.end()
    return exporters.totals()


def test_what_is_missing_is_counted_in_flows_datagrams_and_records():
    every = range(3000)
    gone = {5, 600, 601, 1500, 2998}
    assert heard(*(v5(30 * number) for number in every if number not in gone)).lost == 30 * len(gone)
    assert heard(*(v9(number, template=number == 0) for number in every if number not in gone)).lost == len(gone)
    first = ipfix(0, 0, template=True)
    assert heard(first, *(ipfix(7 * number, 7) for number in every if number not in gone)).lost == 7 * len(gone)


@pytest.mark.parametrize("seed", range(4))
def test_other_orders_repetitions_and_the_wrap_of_the_numbers_lose_nothing(seed):
    random = np.random.default_rng(seed)
    begin = 2**32 - 30 * 1500
    place = np.argsort(np.arange(3000) + random.uniform(0, 9, 3000))
    payloads = [v5(begin + 30 * int(number)) for number in place]

    found = heard(*payloads, payloads[-1])

    assert (found.flows, found.lost, found.again, found.restarts) == (3001 * 30, 0, 1, 0)


def test_a_start_anew_is_no_loss():
    found = heard(
        *(v5(5000 + 30 * n, uptime=10_000_000) for n in range(5)), *(v5(30 * n, uptime=90_000) for n in range(5))
    )

    assert (found.lost, found.restarts) == (0, 1)


def test_engines_of_one_address_count_apart():
    found = Exporters()
    for number in range(3):
        for engine in (1, 2):
            found.heard(b"\x7f\0\0\1", 2055, v5(1000 * engine + 30 * number, engine=engine))
    found.end()
    assert found.table()["lost"].tolist() == [0, 0]
    assert found.table()["exporter"].tolist() == ["127.0.0.1:2055 engine 0/1", "127.0.0.1:2055 engine 0/2"]


def test_data_before_its_template_is_counted_as_such_and_not_as_lost():
    found = heard(ipfix(0, 7), ipfix(7, 7), ipfix(14, 3, template=True), ipfix(17, 7), ipfix(31, 7))

    assert (found.unknown, found.flows, found.lost) == (2, 17, 7)


def test_a_flood_of_made_up_exporters_needs_no_more_room_and_pushes_no_real_one_out():
    found = Exporters()
    one = v5(0, 1)
    for number in range(10):
        found.heard(b"\x7f\0\0\1", 2055, v5(30 * number))
    for number in range(1500):
        found.heard(number.to_bytes(4), 2055, one)
        found.heard(number.to_bytes(4), 2055, b"garbage")
    found.end()

    assert len(list(found)) == 1025
    assert len(found) == 1501
    assert found.totals().flows == 300 + 1500
    assert len(found.refused_of) == 256
    assert found.refused_from()[-1] == ("others", 1500 - 20)
    assert found.table()["flows"].iloc[0] == 300


def test_records_of_the_corpus_are_as_many_as_their_headers_say(shared):
    folder = shared / "corpus" / "other" / "logstash-netflow" / "spec" / "codecs"
    sets = (["valid01"], ["softflowd_tpl_data"], ["cisco_asa_1_tpl", "cisco_asa_1_data"])
    for names, sent_along in zip(sets, (2, 2, 0), strict=True):  # templates, which count too (RFC 3954 5.1)
        templates = Templates()
        for name in names:
            payload = (folder / f"netflow9_test_{name}.dat").read_bytes()
            found = templates.count(payload, ipfix=False)
            assert found.unknown == 0
        assert found.flows + found.options + sent_along == int.from_bytes(payload[2:4]), names


@given(st.binary(max_size=200), st.booleans())
def test_any_bytes_are_counted_without_an_error(data, wide):
    templates = Templates()
    head = struct.pack(">HHHHHH", 2 if wide else 0, 12, 256, 1, 1, 65_535 if wide else 4)
    found = templates.count(
        bytes(16 if wide else 20) + head + struct.pack(">HH", 256, 4 + len(data)) + data, ipfix=wide
    )
    templates.count(bytes(16) + data, ipfix=wide)
    assert 0 <= found.flows <= len(data) + 1


# --- files


def fill(folder, *times, size=100):
    for at in times:
        folder.write(bytes(size), at)


def names(path):
    return sorted(each.name for each in path.iterdir())


def test_files_begin_at_multiples_of_the_interval(tmp_path):
    folder = Folder(tmp_path, every=900)
    folder._started = A_DAY + 3 * MINUTE
    fill(folder, A_DAY + 4 * MINUTE, A_DAY + 15 * MINUTE - 1, A_DAY + 15 * MINUTE, A_DAY + 95 * MINUTE)
    folder.close()

    assert names(tmp_path) == [
        "netflow.2026-11-24.000300+0000.pcap",
        "netflow.2026-11-24.001500+0000.pcap",
        "netflow.2026-11-24.013000+0000.pcap",
    ]
    assert [each.stat().st_size for each in sorted(tmp_path.iterdir())] == [224, 124, 124]


def test_a_file_is_finished_in_time_where_nothing_comes_and_where_the_clock_was_set_back(tmp_path):
    folder = Folder(tmp_path, every=60)
    fill(folder, A_DAY)
    folder.turn(A_DAY + MINUTE - 1)
    assert names(tmp_path) == ["tmp-netflow.2026-11-24.000000+0000.pcap"]
    folder.turn(A_DAY + MINUTE)
    fill(folder, A_DAY + MINUTE)
    folder.turn(A_DAY - 3 * MINUTE)
    folder.close()

    assert names(tmp_path) == ["netflow.2026-11-24.000000+0000.pcap", "netflow.2026-11-24.000100+0000.pcap"]


def test_nothing_is_written_over(tmp_path):
    (tmp_path / "netflow.2026-11-24.000000+0000.pcap").write_text("evidence")
    folder = Folder(tmp_path)
    fill(folder, A_DAY)
    (tmp_path / "netflow.2026-11-24.000000+0000_0001.pcap").write_text("evidence too")  # came meanwhile
    folder.finish()
    fill(folder, A_DAY)
    folder.close()

    stem = "netflow.2026-11-24.000000+0000"
    assert names(tmp_path) == [f"{stem}.pcap", f"{stem}_0001.pcap", f"{stem}_0002.pcap", f"{stem}_0003.pcap"]
    assert (tmp_path / f"{stem}.pcap").read_text() == "evidence"
    assert (tmp_path / f"{stem}_0001.pcap").read_text() == "evidence too"


def test_the_oldest_of_its_own_files_go_and_no_others(tmp_path):
    others = [
        "netflow.pcap",
        "a.pcap",
        "netflow.2026-11-24.000000+0000.pcap.gz",
        "xnetflow.2026-11-24.000000+0000.pcap",
    ]
    for name in others:
        (tmp_path / name).write_bytes(bytes(10_000))
    (tmp_path / "netflow.2020-01-01.000000+0000.pcap").symlink_to(tmp_path / "a.pcap")
    (tmp_path / "netflow.2020-01-02.000000+0000.pcap").mkdir()
    folder = Folder(tmp_path, every=60, keep=2)
    fill(folder, *(A_DAY + number * MINUTE for number in range(5)))
    folder.close()

    assert [name for name in names(tmp_path) if name.startswith("netflow.2026") and name.endswith(".pcap")] == [
        "netflow.2026-11-24.000300+0000.pcap",
        "netflow.2026-11-24.000400+0000.pcap",
    ]
    assert {*others, "netflow.2020-01-01.000000+0000.pcap", "netflow.2020-01-02.000000+0000.pcap"} < set(
        names(tmp_path)
    )


def test_the_folder_never_holds_more_than_it_may(tmp_path):
    folder = Folder(tmp_path, every=60, size=10_000)
    most = 0
    for number in range(300):
        fill(folder, A_DAY + number * MINUTE // 20)
        most = max(most, sum(each.stat().st_size for each in tmp_path.iterdir()))
    folder.close()

    assert 8_000 < most <= 10_000


def test_what_a_killed_collector_left_is_moved_into_place_as_it_is(tmp_path):
    left = HEADER + bytes(7)
    (tmp_path / "tmp-netflow.2026-11-24.000000+0000.pcap").write_bytes(left)
    (tmp_path / "tmp-other").write_bytes(b"not ours")
    told = []
    Folder(tmp_path, tell=told.append).close()

    assert names(tmp_path) == ["netflow.2026-11-24.000000+0000.pcap", "tmp-other"]
    assert (tmp_path / "netflow.2026-11-24.000000+0000.pcap").read_bytes() == left
    assert "was left by a collector that was killed" in told[0]


def test_two_collectors_do_not_share_a_folder(tmp_path):
    folder = Folder(tmp_path)
    with pytest.raises(NsmError, match="another collector fills"):
        Folder(tmp_path)
    folder.close()
    Folder(tmp_path).close()


def test_a_folder_that_can_not_be_made_is_a_sentence(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(NsmError, match="choose another folder"):
        Folder(tmp_path / "file")


def test_a_full_disk_leaves_whole_records_and_is_told(tmp_path, monkeypatch):
    folder = Folder(tmp_path)
    fill(folder, A_DAY)
    write = os.write
    monkeypatch.setattr(os, "write", lambda file, data: write(file, data[:40]) if len(data) > 40 else full())

    def full():
        raise OSError(28, "No space left on device")

    with pytest.raises(OSError, match="No space"):
        fill(folder, A_DAY)
    monkeypatch.undo()
    fill(folder, A_DAY)
    folder.close()
    assert [each.stat().st_size for each in tmp_path.iterdir()] == [224]


# --- the process


def test_a_killed_collector_leaves_whole_datagrams(tmp_path):
    ready, child = os.pipe()
    pid = os.fork()
    if pid == 0:  # what is tested is the writing, so no time is spent on a new interpreter
        try:
            tell = lambda words: os.write(child, (words + "\n").encode())  # noqa: E731
            collect(Asked(tmp_path, 0), stop=lambda: False, tell=tell)
        finally:
            os._exit(1)
    port = int(re.search(r"listening on 127\.0\.0\.1:(\d+)", os.read(ready, 1000).decode())[1])
    sent = 0
    with contextlib.closing(socket.socket(socket.AF_INET, socket.SOCK_DGRAM)) as sender:
        until = time.monotonic() + 0.4
        while time.monotonic() < until:
            sender.sendto(v5(30 * sent), ("127.0.0.1", port))
            sent += 1
            if not sent % 20:
                time.sleep(0.001)
    os.kill(pid, signal.SIGKILL)
    os.waitpid(pid, 0)
    os.close(ready)
    os.close(child)

    (left,) = tmp_path.iterdir()
    assert left.name.startswith("tmp-netflow.")
    records = kept(left)
    assert 0 < len(records) <= sent
    assert [int.from_bytes(packet[44:48]) for _, packet in records] == [30 * number for number in range(len(records))]
    Folder(tmp_path).close()
    (path,) = tmp_path.iterdir()
    assert len(nsm.read_sessions(path)) == 30 * len(records)


@pytest.mark.slow
def test_twenty_thousand_flows_a_second_are_kept_for_two_seconds(tmp_path):
    from benchmarks.collecting import replayed

    found = replayed(tmp_path, flows=20_000, seconds=2, version=5)

    assert (found.sent, found.kept, found.lost, found.dropped) == (40_020, 40_020, 0, 0)


@pytest.mark.slow
@pytest.mark.parametrize("version", [5, 9, 10])
def test_what_softflowd_sends_is_kept_as_nfcapd_keeps_it(tmp_path, evidence, version):
    program = shutil.which("softflowd")
    if program is None:
        pytest.skip("softflowd is not installed; it is the source of this test")
    from tests.sessions.test_exporting import as_nfdump_reads, nfcapd

    capture = evidence / "staged.pcap"
    words = [
        program,
        "-r",
        str(capture),
        "-a",
        "-d",
        "-v",
        str(version),
        *(["-A", "milli"] if version == 10 else []),
        "-n",
    ]
    with collecting(tmp_path / "ours") as (_, found, told):
        to = re.search(r"listening on (\S+),", told[0])[1]
        subprocess.run([*words, to], check=True, capture_output=True, timeout=20)
    with nfcapd(tmp_path / "theirs") as port:
        subprocess.run([*words, f"127.0.0.1:{port}"], check=True, capture_output=True, timeout=20)

    theirs = as_nfdump_reads(tmp_path / "theirs")
    totals = found[0].exporters.totals()
    assert not found[0].exporters.table()["lost"].isna().any()
    assert (totals.lost, totals.unknown, found[0].exporters.refused, found[0].dropped) == (0, 0, 0, 0)
    assert totals.flows == len(theirs) > 2000
    (path,) = (tmp_path / "ours").iterdir()
    table = nsm.read_sessions(path)
    assert len(table) == len(theirs)
    assert int(table["src_octets"].sum()) == theirs["h"].map(lambda each: int(each.replace(" ", ""))).sum()
