"""Live capture on the loopback interface: what was sent is there, files rotate, hashes are true."""

from __future__ import annotations

import hashlib
import json
import os
import signal
import socket
import subprocess
import sys
import threading
import time

import pytest

import nsm_nb as nsm
from nsm_nb.errors import MissingTool, NsmError, QueryError
from nsm_nb.full_content import capture as room
from nsm_nb.full_content.capture import MANIFEST, Asked, capture
from nsm_nb.full_content.frames import payload_bytes

PORT = 47_113


@pytest.fixture(params=["dumpcap", "tcpdump"])
def program(request, monkeypatch, tmp_path):
    """Either program; the test is skipped where it is not there, or may not capture."""
    found = room.shutil.which(request.param) or room.shutil.which(request.param, path="/usr/sbin:/sbin")
    if found is None:
        pytest.skip(f"{request.param} is not installed")
    monkeypatch.setattr(room, "_program", lambda: found)
    try:
        capture(Asked("lo", tmp_path / "may", "udp port 9", seconds=0.5))
    except NsmError as problem:
        pytest.skip(f"capturing is not possible here: {problem}")
    return request.param


def sending(folder, payloads, finished, pause=0.0):
    """Send datagrams to ourselves once the capture has begun; set `finished` some time after the last."""

    def send():
        for _ in range(100):
            if any(folder.glob("capture_*")):
                break
            time.sleep(0.05)
        time.sleep(0.5)
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sender:
            for each in payloads:
                sender.sendto(each, ("127.0.0.1", PORT))
                time.sleep(pause)
        time.sleep(0.7)
        finished.set()

    thread = threading.Thread(target=send)
    thread.start()
    return thread


def captured(folder, payloads, *, pause=0.0, **asked):
    finished, told = threading.Event(), []
    thread = sending(folder, payloads, finished, pause)
    path = capture(Asked("lo", folder, f"udp port {PORT}", **asked), told=told.append, stop=finished.is_set)
    thread.join()
    manifest = json.loads(path.read_text())
    assert path == folder / MANIFEST
    assert [each["name"] for each in told] == [each["name"] for each in manifest["files"]]
    for entry in manifest["files"]:
        if entry["kept"]:
            data = (folder / entry["name"]).read_bytes()
            assert (entry["size"], entry["sha256"]) == (len(data), hashlib.sha256(data).hexdigest())
    assert {each.name for each in folder.iterdir()} == {
        MANIFEST, *(each["name"] for each in manifest["files"] if each["kept"])
    }  # fmt: skip
    return manifest


def heard(folder, manifest):
    tables = [nsm.read_packets(folder / entry["name"]) for entry in manifest["files"] if entry["kept"]]
    return [each.data for table in tables for each in payload_bytes(table)]


def test_what_is_sent_is_in_the_capture_whole(program, tmp_path):
    payloads = [bytes([each]) * 9_000 for each in range(30)]

    manifest = captured(tmp_path / "new", payloads)

    assert heard(tmp_path / "new", manifest) == payloads
    assert manifest["counts"] == {"captured": 30, "dropped": 0}
    assert (manifest["interface"], manifest["program"], manifest["snaplen"]) == ("lo", program, 262_144)
    assert manifest["filter"] == f"udp port {PORT}"
    assert manifest["started"] < manifest["ended"]


def test_files_rotate_by_size_and_the_oldest_go(program, tmp_path):
    payloads = [each.to_bytes(2, "big") * 15_000 for each in range(120)]

    manifest = captured(tmp_path / "new", payloads, pause=0.005, size=1_000_000, files=2)

    assert len(manifest["files"]) >= 3
    assert [each["kept"] for each in manifest["files"]][-2:] == [True, True]
    assert sum(each["kept"] for each in manifest["files"]) == 2
    found = heard(tmp_path / "new", manifest)
    assert found == payloads[-len(found) :]
    assert 30 < len(found) < 120


@pytest.mark.slow
def test_files_rotate_by_time(program, tmp_path):
    payloads = [bytes([each]) for each in range(30)]

    manifest = captured(tmp_path / "new", payloads, pause=0.1, every=1)

    assert len(manifest["files"]) >= 3
    assert heard(tmp_path / "new", manifest) == payloads


def test_ctrl_c_ends_the_command_with_its_manifest_whole(program, tmp_path):
    folder = tmp_path / "new"
    code = (
        "import sys, nsm_nb.full_content.capture as room; "
        f"room._program = lambda: {room._program()!r}; "
        "from nsm_nb.cli import main; sys.exit(main(sys.argv[1:]))"
    )
    command = [sys.executable, "-c", code, "capture", "-i", "lo", "--dir", folder, "--filter", f"udp port {PORT}"]
    running = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    finished = threading.Event()
    sending(folder, [b"one", b"two"], finished).join()

    running.send_signal(signal.SIGINT)
    out, err = running.communicate(timeout=30)

    assert running.returncode == 0, err
    manifest = json.loads((folder / MANIFEST).read_text())
    assert heard(folder, manifest) == [b"one", b"two"]
    assert str(folder / MANIFEST).encode() in out
    assert manifest["ended"]


def test_the_program_ends_when_we_are_killed(program, tmp_path):
    if sys.platform != "linux":
        pytest.skip("only Linux tells a program that its parent is gone")
    code = (
        f"import nsm_nb.full_content.capture as room; room._program = lambda: {room._program()!r}; "
        f"from pathlib import Path; room.capture(room.Asked('lo', Path({str(tmp_path / 'new')!r}), 'udp port 9'))"
    )
    running = subprocess.Popen([sys.executable, "-c", code])
    for _ in range(100):
        if any((tmp_path / "new").glob("capture_*")):
            break
        time.sleep(0.1)
    children = subprocess.run(["pgrep", "-P", str(running.pid)], capture_output=True, text=True).stdout.split()
    running.kill()
    running.wait()

    assert children
    for _ in range(100):
        if not any(alive(int(each)) for each in children):
            break
        time.sleep(0.05)
    assert not any(alive(int(each)) for each in children)


def alive(number):
    try:
        with open(f"/proc/{number}/stat") as file:
            return file.read().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


FAKE = """#!/bin/sh
# a large file that is closed, and a small one that is open until it is asked to end
trap 'exit 0' INT
truncate -s {size} capture_00001_20260101000000.pcapng
echo x > capture_00002_20260101000001.pcapng
while :; do sleep 0.05; done
"""


def begun(tmp_path, size, *, background=False):
    """Start the command on a program that leaves a closed file of so many bytes; come back while that is hashed."""
    program = tmp_path / "dumpcap"
    program.write_text(FAKE.format(size=size))
    program.chmod(0o755)
    folder = tmp_path / "new"
    code = (
        f"import sys, nsm_nb.full_content.capture as room; room._program = lambda: {str(program)!r}; "
        "from nsm_nb.cli import main; sys.exit(main(sys.argv[1:]))"
    )
    command = [sys.executable, "-c", code, "capture", "-i", "lo", "--dir", folder, "--size", "1G", "--every", "60s"]
    if background:  # as a shell does: what is ignored at the start stays so
        command = ["sh", "-c", "trap '' INT; exec \"$@\"", "sh", *command]
    running = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    for _ in range(200):
        if (folder / MANIFEST).exists() and len(json.loads((folder / MANIFEST).read_text())["files"]) == 2:
            break
        time.sleep(0.05)
    return folder, running


@pytest.mark.parametrize(
    ("number", "background"), [(signal.SIGINT, False), (signal.SIGTERM, False), (signal.SIGINT, True)]
)
def test_what_is_interrupted_while_a_file_is_hashed_has_a_whole_manifest(tmp_path, number, background):
    folder, running = begun(tmp_path, 400_000_000, background=background)

    known = json.loads((folder / MANIFEST).read_text())
    running.send_signal(number)
    out, err = running.communicate(timeout=60)

    assert [(each["name"][:13], each["sha256"]) for each in known["files"]] == [
        ("capture_00001", None),
        ("capture_00002", None),
    ]
    assert known["ended"] is None and known["files"][1]["size"] is None
    assert running.returncode == 0, err
    manifest = json.loads((folder / MANIFEST).read_text())
    with (folder / manifest["files"][0]["name"]).open("rb") as file:
        assert manifest["files"][0]["sha256"] == hashlib.file_digest(file, "sha256").hexdigest()
    assert manifest["files"][1]["sha256"] == hashlib.sha256(b"x\n").hexdigest()
    assert manifest["ended"] and str(folder / MANIFEST) in out
    assert manifest["asked"] == {"size": 1_000_000_000, "every": 60, "files": None, "seconds": None}


def test_who_interrupts_twice_does_not_wait_and_the_manifest_says_what_is_not_hashed(tmp_path):
    folder, running = begun(tmp_path, 200_000_000_000)  # with holes; its hash would take minutes

    running.send_signal(signal.SIGINT)
    time.sleep(0.5)
    running.send_signal(signal.SIGINT)
    _, err = running.communicate(timeout=60)

    assert running.returncode == 130
    assert "not all files are hashed" in err
    manifest = json.loads((folder / MANIFEST).read_text())
    assert manifest["ended"]
    assert [(each["size"], each["sha256"]) for each in manifest["files"]] == [(200_000_000_000, None), (2, None)]
    assert not list(folder.glob(".writing-*"))


def test_the_time_that_is_asked_is_kept_while_a_file_is_hashed(tmp_path, monkeypatch):
    program = tmp_path / "dumpcap"
    fake = FAKE.format(size=60_000_000).replace("'exit 0'", "'date +%s.%N > ended; exit 0'")
    program.write_text(fake)
    program.chmod(0o755)
    monkeypatch.setattr(room, "_program", lambda: str(program))

    class Slow:
        def update(self, data):
            time.sleep(0.2)

        def hexdigest(self):
            return "0" * 64

    monkeypatch.setattr(room.hashlib, "sha256", Slow)
    begin = time.time()

    capture(Asked("lo", tmp_path / "new", seconds=1))

    assert 1 <= float((tmp_path / "new" / "ended").read_text()) - begin < 2.5 < time.time() - begin


@pytest.mark.parametrize(
    ("name", "size", "used"),
    [("tcpdump", 500_000, 1_000_000), ("tcpdump", 2_900_000, 2_000_000), ("dumpcap", 1_500, 1_000)],
)
def test_a_size_that_the_program_can_not_keep_is_told_and_the_one_asked_for_stays(
    tmp_path, monkeypatch, caplog, name, size, used
):
    program = tmp_path / name
    program.write_text('#!/bin/sh\necho "$@" > said\necho x > capture_20260101000000.pcap\n')
    program.chmod(0o755)
    monkeypatch.setattr(room, "_program", lambda: str(program))

    path = capture(Asked("lo", tmp_path / "new", size=size))

    manifest = json.loads(path.read_text())
    assert (manifest["asked"]["size"], manifest["size"]) == (size, used)
    assert f"after {used:,} bytes, not {size:,}" in caplog.text
    wanted = f"-C {used // 1_000_000}" if name == "tcpdump" else f"filesize:{used // 1000}"
    assert wanted in (tmp_path / "new" / "said").read_text()


@pytest.mark.parametrize(("text", "said"), [("sleep 5", "named no interface within 0.2 s"), (None, "can't be run")])
def test_a_program_that_names_no_interface_in_time_is_told(tmp_path, monkeypatch, text, said):
    program = tmp_path / "dumpcap"
    if text:
        program.write_text(f"#!/bin/sh\nexec {text}\n")
        program.chmod(0o755)
    monkeypatch.setattr(room, "_program", lambda: str(program))
    monkeypatch.setattr(room, "_LONGEST", 0.2)

    with pytest.raises(NsmError, match=said):
        room.interfaces()


def test_an_interface_that_is_not_there_is_told(program, tmp_path):
    with pytest.raises(NsmError, match=r"there is no such interface, or it is down; there is: .*lo"):
        capture(Asked("eth99", tmp_path / "new"))
    assert not list((tmp_path / "new").iterdir())


@pytest.mark.parametrize("said", [
    "dumpcap: The capture session could not be initiated on interface 'lo' (You don't have permission to capture on it).",
    "tcpdump: lo: You don't have permission to perform this capture on that device\n(socket: Operation not permitted)",
])  # fmt: skip
def test_missing_rights_are_told_with_the_next_step(tmp_path, monkeypatch, said):
    program = tmp_path / "dumpcap"
    program.write_text(f"#!/bin/sh\ncat >&2 <<'END'\n{said}\nEND\nexit 1\n")
    program.chmod(0o755)
    monkeypatch.setattr(room, "_program", lambda: str(program))

    with pytest.raises(NsmError, match=r"you may not capture .*group wireshark .*setcap cap_net_raw"):
        capture(Asked("lo", tmp_path / "new"))


def test_what_can_not_be_asked_starts_nothing(tmp_path, monkeypatch):
    monkeypatch.setattr(room, "_program", lambda: pytest.fail("nothing is to be started"))

    with pytest.raises(QueryError, match="at character 5"):
        capture(Asked("lo", tmp_path / "new", "tcp porrt 80"))
    with pytest.raises(NsmError, match="is no interface"):
        capture(Asked("-w", tmp_path / "new"))
    assert not (tmp_path / "new").exists()


def test_a_folder_that_holds_a_capture_is_refused(tmp_path):
    (tmp_path / MANIFEST).write_text("{}")

    with pytest.raises(NsmError, match="holds a capture already"):
        capture(Asked("lo", tmp_path))


def test_without_a_program_it_says_so(tmp_path, monkeypatch):
    monkeypatch.setattr(room.shutil, "which", lambda *_, **__: None)

    with pytest.raises(MissingTool, match="neither dumpcap"):
        capture(Asked("lo", tmp_path))


def test_interfaces_are_listed(program):
    assert "lo" in [name for name, _ in room.interfaces()]


def test_nothing_is_left_running(program, tmp_path):
    captured(tmp_path / "new", [b"x"])

    mine = subprocess.run(["pgrep", "-P", str(os.getpid()), program], capture_output=True, text=True).stdout
    assert not mine
