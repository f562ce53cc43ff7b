import os
import signal
import sys
import time
from pathlib import Path

import pytest

from nsm_nb.contained import Limits, run
from nsm_nb.errors import NsmError

LIMITS = Limits(cpu=5, seconds=10.0, memory=1 << 30, written=100_000)


@pytest.fixture
def start(tmp_path):
    """Run a shell script contained; return how it ended and what it wrote."""
    (tmp_path / "home").mkdir()

    def run_script(script, **options):
        limits = LIMITS._replace(**{name: options.pop(name) for name in list(options) if name in Limits._fields})
        out = tmp_path / "out"
        outcome = run(["/bin/sh", "-c", script], folder=tmp_path / "home", out=out, limits=limits, **options)
        return outcome, out.read_text()

    return run_script


def gone(pid: int) -> bool:
    """Whether a process ends within two seconds."""
    for _ in range(20):
        try:
            os.kill(pid, 0)
            if Path("/proc/self").exists() and Path(f"/proc/{pid}/stat").read_text().split()[2] == "Z":
                return True
        except (ProcessLookupError, FileNotFoundError):
            return True
        time.sleep(0.1)
    return False


def test_a_program_sees_nothing_of_the_user(start, tmp_path, monkeypatch):
    monkeypatch.setenv("SECRET", "password")

    outcome, wrote = start("env; pwd", environment={"ONE": "more"})

    home = str(tmp_path / "home")
    assert outcome == (0, "", "")
    assert f"HOME={home}\n" in wrote and wrote.endswith(f"{home}\n")
    assert "ONE=more\n" in wrote
    assert "SECRET" not in wrote and "USER" not in wrote


def test_its_limits_hold_and_what_it_ignores_is_as_usual(start):
    _, wrote = start("ulimit -t; ulimit -v; ulimit -c; ulimit -n; kill -s PIPE $$; echo not reached")

    assert wrote.split() == ["5", str((1 << 30) // 1024), "0", "256"]


def test_an_endless_program_is_ended_by_its_cpu_time(start):
    outcome, wrote = start("echo before; while :; do :; done", cpu=1)

    assert outcome.why == "it was ended after 1 seconds of CPU time"
    assert wrote == "before\n"


def test_a_sleeping_program_is_ended_by_the_clock_with_all_it_started(start, tmp_path):
    before = time.monotonic()

    outcome, _ = start(f"sleep 60 & echo $! > {tmp_path}/child; sleep 60", seconds=0.5)

    assert time.monotonic() - before < 5
    assert outcome == (-signal.SIGKILL, "it was ended after 0.5 seconds", "")
    assert gone(int((tmp_path / "child").read_text()))


def test_what_a_program_leaves_running_is_ended_too(start, tmp_path):
    start(f"sleep 60 & echo $! > {tmp_path}/child")

    assert gone(int((tmp_path / "child").read_text()))


def test_a_program_that_writes_too_much_is_ended(start):
    outcome, wrote = start("while :; do echo 0123456789012345678901234567890123456789; done")

    assert outcome.why == "it wrote more than 0.1 MB"
    assert len(wrote) == 100_000


def test_a_program_that_takes_too_much_memory_fails_alone(tmp_path):
    code = "x = bytearray(2 << 30)"
    outcome = run([sys.executable, "-I", "-c", code], folder=tmp_path, out=tmp_path / "out", limits=LIMITS)

    assert outcome.status == 1 and "MemoryError" in outcome.said


def test_the_last_words_of_a_program_are_printable(start):
    outcome, _ = start("printf 'a\\033[2Jb\\n' >&2; exit 7")

    assert outcome == (7, "", "a\\x1b[2Jb")


def test_a_watcher_is_asked_while_it_runs(start):
    calls = []

    start("sleep 0.7", watch=lambda: calls.append(1))

    assert len(calls) >= 2


def test_an_interrupted_run_leaves_nothing_behind(start, tmp_path):
    def interrupt():
        if (tmp_path / "child").exists() and (tmp_path / "child").read_text():
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        start(f"echo $$ > {tmp_path}/child; sleep 60", watch=interrupt)

    assert gone(int((tmp_path / "child").read_text()))


def test_a_program_that_is_not_there_is_told(tmp_path, monkeypatch):
    gone_program = run([tmp_path / "nothing"], folder=tmp_path, out=tmp_path / "out", limits=LIMITS)
    assert gone_program.status == 1 and "can't be started" in gone_program.said

    monkeypatch.setattr(sys, "executable", str(tmp_path / "nothing"))
    with pytest.raises(NsmError, match="can't be started"):
        run([os.devnull], folder=tmp_path, out=tmp_path / "out", limits=LIMITS)
