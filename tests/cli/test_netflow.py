"""`nsm-nb collect` and `nsm-nb export-netflow`, as they are called."""

from __future__ import annotations

import re
import signal
import subprocess
import sys
import time

import pytest

import nsm_nb as nsm
from nsm_nb.cli import main


@pytest.fixture
def collector(tmp_path):
    """A collector in a process of its own: the process, its port, its folder."""
    folder = tmp_path / "netflow"
    running = subprocess.Popen(
        [sys.executable, "-c", "import sys; from nsm_nb.cli import main; sys.exit(main(sys.argv[1:]))", "collect", "--dir",
         str(folder), "--port", str(free_port())],
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip
    assert running.stderr is not None
    line = running.stderr.readline()
    found = re.match(r"listening on 127\.0\.0\.1:(\d+), ", line)
    assert found, line + running.stderr.read()
    yield running, int(found[1]), folder
    if running.poll() is None:
        running.kill()
    running.communicate()


def free_port():
    import socket

    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as one:
        one.bind(("127.0.0.1", 0))
        return one.getsockname()[1]


def files(folder):
    return sorted(path.name for path in folder.iterdir())


def until(condition):
    end = time.monotonic() + 10
    while not condition() and time.monotonic() < end:
        time.sleep(0.02)
    assert condition()


@pytest.mark.slow
def test_a_capture_is_exported_collected_rotated_and_read(collector, evidence, capsys):
    running, port, folder = collector
    words = ["export-netflow", str(evidence / "staged.pcap"), "--rate", "100000", "--to", f"127.0.0.1:{port}"]
    assert main(words) == 0
    said = capsys.readouterr()
    assert said.out == ""
    assert f"sending to 127.0.0.1 port {port} over UDP, 100,000 flows a second at most" in said.err
    made = re.search(r"([\d,]+) flows of [\d,]+ octets are in [\d,]+ datagrams of NetFlow version 5", said.err)
    flows = int(made[1].replace(",", ""))
    assert re.search(r"\d+ flows of IPv6 are left out, which version 5 can't tell", said.err)

    until(lambda: any(name.startswith("tmp-") for name in files(folder)))
    running.send_signal(signal.SIGHUP)
    until(lambda: len(files(folder)) == 1 and not files(folder)[0].startswith("tmp-"))
    assert main([*words, "--version", "9"]) == 0
    time.sleep(0.3)
    running.send_signal(signal.SIGTERM)
    out, err = running.communicate(timeout=20)

    assert running.returncode == 0, err
    assert len(files(folder)) == 2
    assert len(nsm.read_sessions(folder / files(folder)[0])) == flows
    assert [line.split()[1] for line in out.splitlines()] == ["version", "v5", "v9"]
    assert [line.split()[4] for line in out.splitlines()] == ["lost", "0", "0"]
    assert re.search(r"0 lost, 0 dropped by the system, 0 refused, 2 exporters", err.splitlines()[-1])


def test_interrupting_a_collector_that_heard_nothing_leaves_no_file(collector):
    running, _, folder = collector
    running.send_signal(signal.SIGINT)
    out, err = running.communicate(timeout=20)

    assert (running.returncode, out, files(folder)) == (0, "", [])
    assert "0 datagrams, 0 flows, 0 lost" in err


def test_a_file_is_made_and_not_written_over(evidence, tmp_path, capsys):
    to = tmp_path / "flows.pcap"
    words = ["export-netflow", str(evidence / "staged.pcap"), "--to", str(to)]

    assert main([*words, "--active", "30m", "--idle", "1h"]) == 0
    assert capsys.readouterr().out == f"{to}\n"
    size = to.stat().st_size
    assert main(words) == 1
    assert "is there already; choose another name, or say --overwrite" in capsys.readouterr().err
    assert to.stat().st_size == size
    assert main([*words, "--overwrite", "--version", "10", "--biflow"]) == 0
    assert to.stat().st_size != size


def test_evidence_is_not_written_over(evidence, tmp_path, capsys):
    import shutil

    capture = tmp_path / "staged.pcap"
    shutil.copy(evidence / "staged.pcap", capture)
    before = capture.read_bytes()

    assert main(["export-netflow", str(capture), "--to", str(capture), "--overwrite"]) == 1
    assert "is evidence, which is never written to" in capsys.readouterr().err
    assert capture.read_bytes() == before


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["export-netflow", "x.pcap", "--to", "collector.example:9995"], "is a name; give its address"),
        (["export-netflow", "x.pcap", "--to", "y.pcap", "--version", "9", "--biflow"], "x.pcap is no folder"),
        (["collect", "--dir", "netflow", "--listen", "gateway"], "give addresses"),
        (["collect", "--dir", "netflow", "--exporter", "router"], "give addresses"),
    ],
)
def test_what_can_not_be_done_is_a_sentence(words, said, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)

    assert main(words) == 1
    assert said in capsys.readouterr().err
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    "words", [["--port", "0"], ["--port", "65536"], ["--every", "x"], ["--keep", "0"], ["--size", "1x"]]
)
def test_a_wrong_call_says_what_is_wanted(words, capsys):
    with pytest.raises(SystemExit) as ended:
        main(["collect", "--dir", "netflow", *words])
    assert ended.value.code == 2
    assert " is not a" in capsys.readouterr().err


@pytest.mark.parametrize("command", ["collect", "export-netflow"])
def test_help_has_examples(command, capsys):
    with pytest.raises(SystemExit):
        main([command, "--help"])
    assert f"examples:\n  nsm-nb {command} " in capsys.readouterr().out
