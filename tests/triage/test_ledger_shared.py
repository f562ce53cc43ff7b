"""A ledger that many write at once, and one whose writer is killed."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import threading
import time

import pytest

from nsm_nb.triage import Ledger


@pytest.mark.slow
def test_ten_processes_write_a_thousand_verdicts_each_and_none_is_lost(quick_path, all_at_once):
    all_at_once(quick_path, writers=10, verdicts=1_000)


def test_threads_of_one_process_share_a_ledger(ledger):
    def write(name):
        for number in range(20):
            ledger.judge([f"{name}:{number}"], "VI", analyst=name)

    threads = [threading.Thread(target=write, args=(name,)) for name in "abcd"]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert ledger.verify().count == 80 and ledger.verdicts()["subject"].nunique() == 80


def test_one_may_check_while_another_writes(path, start_writer):
    writer = start_writer(path, "ada", 60)
    writer.stdin.write("go\n")
    writer.stdin.flush()
    seen = 0
    while writer.poll() is None:
        found = Ledger(path).verify()
        assert found.ok and found.count >= seen, found
        seen = found.count
    writer.communicate()

    assert Ledger(path).verify().count == 60


@pytest.mark.parametrize("seed", range(3))
def test_a_killed_writer_loses_only_what_was_not_confirmed(path, seed, start_writer):
    chance = random.Random(seed)
    writer = start_writer(path, "ada", 100_000)
    writer.stdin.write("go\n")
    writer.stdin.flush()
    confirmed = [writer.stdout.readline().split() for _ in range(chance.randrange(1, 40))]
    time.sleep(chance.random() / 50)
    os.kill(writer.pid, signal.SIGKILL)
    rest, _ = writer.communicate()
    confirmed += [line.split() for line in rest.splitlines() if len(line.split()) == 2 and len(line) > 64]

    ledger = Ledger(path)
    table = ledger.verdicts()
    assert ledger.verify().ok
    assert len(confirmed) <= len(table) <= len(confirmed) + 1  # the last may be recorded, but not yet confirmed
    assert table["digest"].tolist()[: len(confirmed)] == [digest for _, digest in confirmed]
    assert ledger.judge(["next"], "VI", analyst="bob")["id"].tolist() == [len(table) + 1]


@pytest.mark.parametrize("before", [0, 3])
def test_a_writer_killed_in_a_large_verdict_leaves_all_of_it_or_nothing(path, before):
    if before:
        Ledger(path).judge(range(before), "VI", analyst="ada")
    head = Ledger(path).head()
    script = (
        "import sys; from nsm_nb.triage import Ledger\n"
        "sys.stdin.readline(); Ledger(sys.argv[1]).judge(range(200_000), 'NA', analyst='bob')\n"
    )
    journal = path.with_name("ledger.db-journal")
    writer = subprocess.Popen(
        [sys.executable, "-c", script, str(path)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    writer.stdin.write("go\n")
    writer.stdin.flush()
    # Kill it when pages have gone to the file already and the journal is what can take them back.
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline and not (path.exists() and path.stat().st_size > 3_000_000):
        time.sleep(0.001)
    assert journal.exists()
    os.kill(writer.pid, signal.SIGKILL)
    writer.communicate()

    ledger = Ledger(path)
    assert len(ledger.verdicts()) == before and ledger.head() == head
    assert ledger.verify(head=head).ok and not journal.exists()
    assert ledger.judge(["next"], "VI", analyst="bob")["id"].tolist() == [before + 1]
