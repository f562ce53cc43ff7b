"""A log that is followed loses nothing when it is moved, copied, compressed or cut; what can't be found is told."""

from __future__ import annotations

import gzip
import json
import os

import pandas as pd
import pytest

from nsm_nb.formats.following import State, follow
from nsm_nb.formats.rotation import siblings
from nsm_nb.schema import caveats_of
from tests.formats.samples import SAMPLES, event4, record


def eve(number):
    alert = {
        "action": "allowed",
        "gid": 1,
        "signature_id": number,
        "rev": 1,
        "signature": "s",
        "category": "c",
        "severity": 1,
    }
    event = {"timestamp": f"2026-11-24T02:30:{number % 60:02d}.000000+0000", "event_type": "alert", "proto": "TCP"}
    ends = {"src_ip": "10.0.0.1", "src_port": number, "dest_ip": "10.0.0.2", "dest_port": 80}
    return json.dumps(event | ends | {"alert": alert}) + "\n"


def lines(*numbers):
    return "".join(map(eve, numbers))


@pytest.fixture
def log(tmp_path):
    """A log of three alerts that was read, and its follower."""
    path = tmp_path / "eve.json"
    path.write_text(lines(0, 1, 2))
    follower = follow(path, label="x")
    assert follower.new()["sid"].tolist() == [0, 1, 2]
    return path, follower


def told(table):
    return [each.detail for each in caveats_of(table) if each.kind == "cut"]


@pytest.mark.parametrize("packed", [False, True])
@pytest.mark.parametrize("names", [("eve.json.3", "eve.json.2", "eve.json.1"), ("eve.json.2", "eve.json.1", "eve.json.0"),
                                   ("eve.json-20261124", "eve.json-20261125", "eve.json-20261126"),
                                   ("eve-20261124.json", "eve-20261126.json", "eve-20261127.json")])  # fmt: skip
def test_all_files_that_were_the_log_between_two_calls_are_read(log, names, packed):
    path, follower = log
    with path.open("a") as file:
        file.write(lines(3))
    path.rename(path.with_name(names[0]))
    parts = [lines(10, 11), lines(20)][: len(names) - 1]
    for name, part in zip(names[1:], parts, strict=True):
        path.with_name(name).write_text(part)
    if packed:  # as logrotate's `compress` does: another inode, the same bytes
        for name in names:
            place = path.with_name(name)
            place.with_name(name + ".gz").write_bytes(gzip.compress(place.read_bytes()))
            place.unlink()
    path.write_text(lines(30))

    table = follower.new()

    assert table["sid"].tolist() == [3, 10, 11, *([20] if len(parts) > 1 else []), 30]
    assert table["alert"].is_unique
    assert told(table) == []
    assert len(follower.new()) == 0


def test_a_file_that_is_missing_between_two_is_told(log):
    path, follower = log
    path.rename(path.with_name("eve.json.3"))
    path.with_name("eve.json.1").write_text(lines(20))
    path.write_text(lines(30))

    table = follower.new()

    assert table["sid"].tolist() == [20, 30]
    (said,) = told(table)
    assert "eve.json.2 should hold what came before it and is not there" in said


def test_a_file_whose_predecessor_is_gone_still_has_those_that_came_later(log):
    path, follower = log
    old = path.with_name("eve.json.2")  # was there before
    old.write_text(lines(90))
    os.utime(old, ns=(0, follower.state.changed - 1))
    path.unlink()
    path.with_name("eve.json.1").write_text(lines(20))
    os.utime(path.with_name("eve.json.1"), ns=(0, follower.state.changed + 10**9))
    path.write_text(lines(30))

    table = follower.new()

    assert table["sid"].tolist() == [20, 30]
    assert ["is not beside it any more" in each for each in told(table)] == [True]


def test_a_rotated_file_that_can_not_be_read_is_told_and_costs_no_other(log):
    path, follower = log
    path.rename(path.with_name("eve.json.3"))
    path.with_name("eve.json.2.gz").write_bytes(b"\x1f\x8b\x08\0 no gzip")
    path.with_name("eve.json.1.xz").write_bytes(b"\xfd7zXZ\0")
    path.write_text(lines(30))

    table = follower.new()

    assert table["sid"].tolist() == [30]
    assert any("eve.json.2.gz" in each for each in told(table))
    assert any("eve.json.1.xz" in each for each in [*told(table), *(c.detail for c in caveats_of(table))])


def test_what_a_copy_holds_of_a_file_that_was_cut_is_read(log):
    path, follower = log
    with path.open("a") as file:
        file.write(lines(3, 4))
    path.with_name("eve.json.1").write_bytes(path.read_bytes())
    with path.open("r+") as file:
        file.truncate(0)
        file.write(lines(30, 31, 32, 33, 34, 35, 36))

    table = follower.new()

    assert table["sid"].tolist() == [3, 4, *range(30, 37)]
    (said,) = told(table)
    assert "read to the end of its copy, eve.json.1: what was written between the copying and the cutting" in said


def test_a_file_that_was_written_anew_with_the_same_first_line_is_known(log):
    path, follower = log
    path.write_text(lines(0, 7, 8, 9))

    table = follower.new()

    assert table["sid"].tolist() == [0, 7, 8, 9]
    assert "was cut and begins anew" in told(table)[0]


def test_a_file_that_lost_bytes_that_were_not_read_says_so(log):
    path, follower = log
    size = path.stat().st_size
    with path.open("a") as file:
        file.write(lines(3)[:40])
    assert len(follower.new()) == 0
    os.truncate(path, size)

    (said,) = told(follower.new())

    assert "lost its last 40 bytes" in said
    assert told(follower.new()) == []


def test_the_last_line_of_a_file_that_was_moved_away_is_told_where_it_has_no_end(log):
    path, follower = log
    with path.open("a") as file:
        file.write(lines(3) + lines(4)[:40])
    path.rename(path.with_name("eve.json.1"))
    path.write_text(lines(30))

    table = follower.new()

    assert table["sid"].tolist() == [3, 30]
    assert any("line 5" in each.detail and "breaks off" in each.detail for each in caveats_of(table))


def test_a_first_line_of_over_a_megabyte_does_not_stop_the_reading(tmp_path):
    path = tmp_path / "eve.json"
    first = (
        json.dumps({"timestamp": "2026-11-24T02:30:01.000000+0000", "event_type": "stats", "x": "A" * (1 << 20)}) + "\n"
    )
    path.write_text(first[:-30])
    follower = follow(path)
    assert len(follower.new()) == 0
    path.write_text(first + lines(1, 2))

    assert follower.new()["sid"].tolist() == [1, 2]


def test_a_first_record_without_a_body_does_not_stop_the_reading(tmp_path):
    path = tmp_path / "snort.u2"
    path.write_bytes(record(77, b"") + event4())

    assert follow(path, format="unified2").new()["record"].tolist() == [2]


@pytest.mark.parametrize("name", ["snort-fast", "unified2", "mapped-json", "zeek-weird"])
def test_a_time_nearby_is_taken_where_times_lack_a_year_and_is_no_trouble_elsewhere(tmp_path, name):
    path = tmp_path / "log"
    path.write_bytes(SAMPLES[name].replace(b"11/24/26-", b"11/24-"))

    (time,) = follow(path, near=pd.Timestamp("2003-11-20", tz="UTC")).new()["time"]

    assert time.year == (2003 if name == "snort-fast" else 2026)


def test_a_state_of_before_goes_on(tmp_path):
    path = tmp_path / "eve.json"
    path.write_text(lines(0, 1))
    follower = follow(path)
    follower.new()
    path.rename(path.with_name("eve.json.1"))
    path.with_name("eve.json.2").write_text(lines(90))
    path.write_text(lines(2))

    assert follow(path, state=State(*follower.state[:7])).new()["sid"].tolist() == [2]


def test_only_names_of_the_log_are_its_siblings_and_the_youngest_comes_first(tmp_path):
    for name in ("a.log", "a.log.1", "a.log.2.gz", "a.log.10", "a.log.bak", "b.log.1", "a.log-20261123.zst", "a-20261124.log",
                 "a.log.1795487442", "a.log.1.tmp"):  # fmt: skip
        (tmp_path / name).touch()

    found = [each.path.name for each in siblings(tmp_path / "a.log")]

    assert found == ["a-20261124.log", "a.log-20261123.zst", "a.log.1795487442", "a.log.1", "a.log.2.gz", "a.log.10"]
