import asyncio
import gzip
import os
import resource
import shutil
import stat
import subprocess
from importlib import import_module

import pandas as pd
import pytest

import nsm_nb as nsm
from nsm_nb.errors import MissingTool, NsmError
from nsm_nb.full_content import carve, dissect, dissect_fields, dissect_packets, frame_bytes
from tests.writing import conversation, ethernet, ip, pcap, tcp, udp

module = import_module("nsm_nb.full_content.dissect")

SYN = ethernet(ip(tcp(b"", 40000, 80, flags=2), "10.0.0.1", "10.0.0.2", 6))


@pytest.fixture(autouse=True)
def nothing_kept():
    """Every test starts tshark anew."""
    module._KEPT.clear()


@pytest.fixture
def packets(tmp_path):
    """A conversation of eight packets in a capture."""
    path = tmp_path / "talk.pcap"
    path.write_bytes(pcap(conversation()))
    return nsm.read_packets(path)


@pytest.fixture
def stand_in(tmp_path, monkeypatch):
    """Put a shell script in the place of tshark."""

    def write(script):
        place = tmp_path / "bin"
        place.mkdir(exist_ok=True)
        (place / "tshark").write_text(f"#!/bin/sh\n{script}\n")
        (place / "tshark").chmod(stat.S_IRWXU)
        monkeypatch.setenv("PATH", str(place))

    return write


def cpu_of_children():
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def answer(head: bytes, body: bytes) -> bytes:
    """A frame with an HTTP answer."""
    return ethernet(ip(tcp(b"HTTP/1.1 200 OK\r\n" + head + b"\r\n\r\n" + body, 80, 40000), "10.0.0.2", "10.0.0.1", 6))


@pytest.mark.parametrize("frame", [4, 1000, 3620, 9000])
def test_the_tree_is_what_tshark_prints_of_the_packet(evidence, tshark, tmp_path, frame):
    packets = nsm.read_packets(evidence / "staged.pcap").iloc[[frame - 1]]
    alone = carve(packets, tmp_path / "one.pcap")
    printed = subprocess.run(
        [tshark, "-n", "-V", "-o", "tcp.desegment_tcp_streams:FALSE", "-r", alone],
        capture_output=True,
        text=True,
        check=True,
        env={**os.environ, "TZ": "UTC"},
    )

    head, tree = dissect_packets(packets).split("\n", 1)

    assert head == f"frame {frame} of {evidence / 'staged.pcap'}, here frame 1"
    assert tree.strip() == printed.stdout.strip()
    assert dissect(frame_bytes(packets)[0], time=packets["time"].iloc[0]).strip() == printed.stdout.strip()


def test_a_segment_is_told_as_far_as_it_goes(evidence, tshark):
    packets = nsm.read_packets(evidence / "staged.pcap")
    first = packets[(packets["src_port"] == 80) & (packets["payload"] > 1200)].iloc[[0]]

    assert "HTTP/1.1 200 OK" in dissect_packets(first)


def test_packets_of_a_stream_are_put_together_where_all_are_picked(packets, tshark):
    told = dissect_packets(packets)

    assert told.index("frame 5 of") < told.index("HTTP/1.1 200 OK")
    assert "Reassembled TCP Segments" in told or "File Data: 5 bytes" in told


def test_picked_packets_are_told_one_by_one_under_their_own_numbers(packets, tshark):
    told = dissect_packets(packets.iloc[[3, 4]])

    assert told.count("talk.pcap, here frame ") == 2
    assert "frame 4 of" in told and "frame 5 of" in told
    assert told.index("GET / HTTP/1.1") < told.index("frame 5 of")
    assert dissect_packets(packets.iloc[:0]) == ""


def test_it_works_where_an_event_loop_runs_as_in_a_kernel(tshark):
    async def cell():
        return dissect(SYN)

    assert "Flags: 0x002 (SYN)" in asyncio.run(cell())


def test_a_frame_cut_by_the_sensor_says_so(tshark):
    assert "1514 bytes on wire (12112 bits), 54 bytes captured" in dissect(SYN, length=1514)


def test_other_link_types_are_read_as_what_they_are(tshark):
    assert "Raw packet data" in dissect(SYN[14:], link=101)


def test_what_an_attacker_wrote_is_printable(tshark):
    told = dissect(answer(b"Server: \x1b[2J\xe2\x80\xae\xc2\x9b<script>\x07", b"x"))

    assert "<script>" in told
    assert not set(told) & set("\x1b\x07\x9b\u202e")


def test_a_bomb_is_not_unpacked(tshark):
    bomb = gzip.compress(bytes(40_000_000), mtime=0)
    before = cpu_of_children()

    told = dissect(answer(b"Content-Encoding: gzip\r\nContent-Length: %d" % len(bomb), bomb))

    assert cpu_of_children() - before < 2
    assert "Content-encoded entity body (gzip)" in told
    assert len(told) < 200_000


@pytest.mark.parametrize("name", ["a04_gzipbomb200M", "a04b_gzip_nested"])
def test_the_bombs_of_the_hostile_captures_cost_little(shared, tshark, name):
    packets = nsm.read_packets(shared / "hostile" / "synthetic" / f"{name}.pcap")
    before = cpu_of_children()

    told = dissect_packets(packets)

    assert cpu_of_children() - before < 2
    assert told.count(f"{name}.pcap, here frame") == len(packets)


def test_the_name_of_the_evidence_reaches_no_shell_and_not_tshark(tshark, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    name = "-a10 $(touch x);`id` 'q\".pcap"
    (tmp_path / name).write_bytes(pcap(conversation()))

    told = dissect_packets(nsm.read_packets(name))

    assert told.count(", here frame ") == 8
    assert sorted(os.listdir(tmp_path)) == [name]


def test_a10_under_its_hostile_name_gives_eleven_packets(shared, tshark, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    name = "-a10 $(touch x);`id` 'q\".pcap"
    shutil.copy(shared / "hostile" / "synthetic" / "a10_shell_name.pcap", tmp_path / name)

    told = dissect_packets(nsm.read_packets(tmp_path / name, label="a10"), evidence={"a10": tmp_path / name})

    assert told.count(" of a10, here frame ") == 11
    assert os.listdir(tmp_path) == [name]


def test_neither_the_users_lua_nor_a_config_in_the_folder_is_run(tshark, tmp_path, monkeypatch):
    # pyshark itself would start the tshark that config.ini names
    (tmp_path / "evil").mkdir()
    (tmp_path / "evil" / "tshark").write_text(f"#!/bin/sh\ntouch {tmp_path}/ran\n")
    (tmp_path / "evil" / "tshark").chmod(stat.S_IRWXU)
    (tmp_path / "config.ini").write_text(f"[tshark]\ntshark_path = {tmp_path}/evil/tshark\n")
    for place in ("plugins", ".local/lib/wireshark/plugins", ".config/wireshark"):
        (tmp_path / place).mkdir(parents=True)
        (tmp_path / place / "init.lua").write_text(f"io.open('{tmp_path}/ran', 'w'):close()\n")
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("WIRESHARK_CONFIG_DIR", str(tmp_path / ".config" / "wireshark"))
    monkeypatch.chdir(tmp_path)

    assert "Flags: 0x002 (SYN)" in dissect(SYN)
    assert len(dissect_fields(nsm.read_packets(_written(tmp_path, pcap([(0, SYN)])))))
    assert not (tmp_path / "ran").exists()


def _written(folder, data):
    (folder / "one.pcap").write_bytes(data)
    return folder / "one.pcap"


def test_tshark_is_called_without_names_and_with_a_home_of_its_own(stand_in):
    stand_in(
        'printf "%s " "$@"; echo; cat "$WIRESHARK_CONFIG_DIR/preferences"; ls "$WIRESHARK_CONFIG_DIR"; echo "$HOME"; wc -c'
    )

    said = dissect(SYN).splitlines()

    assert said[0].startswith("-n -l -o http.decompress_body:FALSE -r - " + " ".join(module._ALONE) + " -V -S")
    assert "http.decompress_body: FALSE" in said and "preferences" in said
    assert "nsm_nb-tshark-" in said[-2]
    assert said[-1].strip() == str(24 + 16 + len(SYN))


def test_a_packet_looked_at_twice_is_dissected_once(stand_in):
    stand_in("echo Frame")
    first = dissect(SYN)
    stand_in("echo changed")

    assert dissect(SYN) == first
    assert dissect(SYN, length=99) != first


def test_a_tshark_that_hangs_is_ended(stand_in, monkeypatch):
    monkeypatch.setattr(module, "LIMITS", module.LIMITS._replace(seconds=0.5))
    stand_in("/bin/sleep 60")

    with pytest.raises(NsmError, match=r"could make nothing of it: it was ended after 0.5 seconds"):
        dissect(SYN)


def test_what_it_printed_before_it_was_ended_is_kept_and_marked(stand_in, monkeypatch, packets):
    monkeypatch.setattr(module, "LIMITS", module.LIMITS._replace(cpu=1))
    stand_in('for mark; do :; done; echo "Frame 1"; echo "$mark"; echo "Frame 2"; while :; do :; done')

    told = dissect_packets(packets)

    assert "frame 1 of" in told and "frame 2 of" in told and "frame 3 of" not in told
    assert told.endswith(
        "[tshark did not come to the end: it was ended after 1 seconds of CPU time; the rest is not shown]\n"
    )


def test_a_crash_is_told(stand_in):
    stand_in("echo Frame; kill -s SEGV $$")

    assert "it crashed (signal 11)" in dissect(SYN)


def test_a_link_type_that_tshark_does_not_know_is_told_in_its_words(tshark):
    with pytest.raises(NsmError, match="network type 9999 unknown or unsupported"):
        dissect(SYN, link=9999)


def test_packets_of_two_link_types_are_refused(packets, tmp_path):
    raw = nsm.read_packets(_written(tmp_path, pcap([(0, SYN[14:])], link=101)))

    with pytest.raises(NsmError, match="link types 1, 101"):
        dissect_packets(pd.concat([packets, raw]))


def test_without_tshark_it_says_how_to_get_it(monkeypatch):
    monkeypatch.setenv("PATH", "")
    monkeypatch.setattr(module, "_MACOS", module.Path("/nothing"))

    with pytest.raises(MissingTool, match="apt install tshark"):
        dissect(SYN)


def test_fields_are_those_that_tshark_names(packets, tshark, tmp_path):
    names = ["ip.src", "tcp.srcport", "tcp.flags", "http.request.uri", "http.request.method"]
    printed = subprocess.run(
        [tshark, "-n", "-r", tmp_path / "talk.pcap", "-Y", "frame.number==4", "-T", "fields",
         *(word for name in names for word in ("-e", name))], capture_output=True, text=True, check=True,
    ).stdout.rstrip("\n").split("\t")  # fmt: skip

    table = dissect_fields(packets.iloc[[3]])

    assert table["frame"].unique().tolist() == [4]
    assert table["layer"].unique().tolist() == ["frame", "eth", "ip", "tcp", "http"]
    found = table.drop_duplicates("field").set_index("field")
    assert found.loc["ip.src", "shown"] == f"Source Address: {printed[0]}"
    assert int(found.loc["tcp.srcport", "value"], 16) == int(printed[1])
    assert int(found.loc["tcp.flags", "value"], 16) == int(printed[2], 16)
    frame = frame_bytes(packets.iloc[[3]])[0]
    start, size = found.loc["http.request.uri", ["start", "size"]]
    assert frame[start : start + size].decode() == printed[3]
    assert dict(found.dtypes) == dict(
        dissect_fields(packets.iloc[:0]).drop_duplicates("field").set_index("field").dtypes
    )


def test_fields_that_an_attacker_wrote_are_printable(tshark, tmp_path):
    frame = ethernet(
        ip(
            udp(b"\x00\x01\x01\x00\x00\x01\0\0\0\0\0\0\x05\x1b[2Ja\x03com\0\0\1\0\1", 4000, 53),
            "10.0.0.1",
            "10.0.0.2",
            17,
        )
    )

    table = dissect_fields(nsm.read_packets(_written(tmp_path, pcap([(0, frame)]))))

    assert (table["field"] == "dns.qry.name").any()
    assert not set("".join([*table["shown"], *table["value"]])) & set("\x1b\x07\x9b\u202e")


def test_fields_that_are_not_all_say_so(packets, stand_in, monkeypatch):
    monkeypatch.setattr(module, "LIMITS", module.LIMITS._replace(seconds=0.5))
    stand_in('echo "<packet><proto name="; /bin/sleep 60')

    table = dissect_fields(packets)

    assert table.empty and "it was ended after 0.5 seconds" in table.attrs["note"]


def test_what_pyshark_cannot_read_is_told(packets, stand_in):
    stand_in('echo "<packet><nothing/></packet>"')

    with pytest.raises(NsmError, match="pyshark can't read what tshark wrote"):
        dissect_fields(packets)
