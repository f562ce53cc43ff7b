"""Files of alerts that grow while they are read: whole records only, each once, whatever becomes of the file."""

from __future__ import annotations

import gzip
import json
import os

import pandas as pd
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from nsm_nb.errors import UnknownFormat, UnreadableEvidence
from nsm_nb.formats import read_alerts
from nsm_nb.formats.following import State, alerts_since, follow, prefix
from nsm_nb.schema import ALERTS, caveats_of

FILES = {
    "fast": "snort2/alert.fast",
    "full": "snort2/alert.full",
    "csv": "snort2/alert.csv",
    "unified2": "snort2/snort.u2",
    "eve": "suricata/eve.json",
}


@pytest.fixture(scope="module")
def contents(evidence):
    """The files of the bundled case; of EVE the first lines with ten alerts."""
    found = {name: (evidence / path).read_bytes() for name, path in FILES.items()}
    lines = found["eve"].splitlines(keepends=True)
    last = [place for place, line in enumerate(lines) if b'"event_type":"alert"' in line][9]
    return found | {"eve": b"".join(lines[: last + 3])}


def append(path, data):
    with path.open("ab") as file:
        file.write(data)


def without_names(table):
    return table.drop(columns="alert").astype(object).where(lambda each: each.notna(), None)


@pytest.mark.parametrize("name", FILES)
def test_what_came_piece_by_piece_is_what_the_whole_file_holds(name, contents, tmp_path):
    data = contents[name]
    path, whole = tmp_path / "growing", tmp_path / "whole"
    whole.write_bytes(data)
    expected = read_alerts(whole, label="x")
    follower = follow(path, label="x")
    found = []
    step = len(data) // 11 + 1  # cuts records wherever it comes
    for at in range(0, len(data), step):
        append(path, data[at : at + step])
        os.utime(path, (whole.stat().st_mtime,) * 2)
        found.append(follower.new())
    assert len(follower.new()) == 0
    assert follower.state.offset == len(data)

    assert sum(len(each) > 0 for each in found) > 3
    table = pd.concat([each.astype(object) for each in found if len(each)], ignore_index=True)
    pd.testing.assert_frame_equal(without_names(table), without_names(expected), check_dtype=False)
    assert all(list(each.columns) == list(ALERTS.columns) for each in found)
    assert not [
        caveat for each in found for caveat in caveats_of(each) if caveat.kind in ("line", "json", "cut", "record")
    ]
    # the names are those of the file's beginning, with the numbers that reading the whole file gives
    start = prefix(path)
    assert table["alert"].tolist() == [f"{start}:{each.partition(':')[2]}" for each in expected["alert"]]


def test_a_torn_line_waits_until_it_is_whole(tmp_path, contents):
    first, second, *_ = contents["fast"].splitlines(keepends=True)
    path = tmp_path / "alert.fast"
    follower = follow(path)
    assert len(follower.new()) == 0  # not there yet
    path.write_bytes(b"")
    assert len(follower.new()) == 0
    append(path, first[:40])
    assert len(follower.new()) == 0
    append(path, first[40:] + second[:-1])
    assert follower.new()["record"].tolist() == [1]
    append(path, b"\n")
    assert follower.new()["record"].tolist() == [2]


def test_the_state_goes_through_json_and_on_from_there(tmp_path, contents):
    lines = contents["fast"].splitlines(keepends=True)
    path = tmp_path / "alert.fast"
    path.write_bytes(b"".join(lines[:10]))
    table, state = alerts_since(path)
    assert len(table) == 10
    append(path, b"".join(lines[10:]))
    table, after = alerts_since(path, State(*json.loads(json.dumps(state))))
    assert table["record"].tolist() == list(range(11, 78))
    assert after.record == 78


def test_a_file_that_was_moved_away_is_read_to_its_end_before_the_new_one(tmp_path, contents):
    lines = contents["eve"].splitlines(keepends=True)
    path = tmp_path / "eve.json"
    path.write_bytes(b"".join(lines[:200]))
    follower = follow(path)
    count = len(follower.new())
    append(path, b"".join(lines[200:400]))
    path.rename(tmp_path / "eve.json.1")
    path.write_bytes(b"")
    before = follower.new()
    path.write_bytes(b"".join(lines[400:]))
    table = pd.concat([before, follower.new()])
    assert len(before)
    assert count + len(table) == 10
    assert caveats_of(before) == []
    assert table["alert"].str.partition(":")[0].nunique() == 2  # two files
    assert table["alert"].is_unique


def test_a_file_whose_predecessor_is_gone_says_what_may_be_lost(tmp_path, contents):
    lines = contents["fast"].splitlines(keepends=True)
    path, other = tmp_path / "alert.fast", tmp_path / "other"
    path.write_bytes(b"".join(lines[:20]))
    follower = follow(path)
    follower.new()
    other.write_bytes(b"".join(lines[20:30]))
    other.replace(path)
    table = follower.new()
    assert table["record"].tolist() == list(range(1, 11))
    (lost,) = [caveat for caveat in caveats_of(table) if caveat.kind == "cut"]
    assert "was replaced" in lost.detail
    assert "after record 20" in lost.detail


@pytest.mark.parametrize("longer", [False, True])
def test_a_file_that_was_cut_is_read_from_its_start(tmp_path, contents, longer):
    lines = contents["fast"].splitlines(keepends=True)
    path = tmp_path / "alert.fast"
    path.write_bytes(b"".join(lines[:20]))
    follower = follow(path)
    follower.new()
    with path.open(
        "r+b"
    ) as file:  # as logrotate's copytruncate does; the file may have outgrown its old size meanwhile
        file.truncate(0)
        file.write(b"".join(lines[20:70] if longer else lines[20:25]))
    table = follower.new()
    assert len(table) == (50 if longer else 5)
    assert "was cut and begins anew" in caveats_of(table)[0].detail
    assert len(follower.new()) == 0


def test_what_is_true_of_the_whole_file_is_told_once(tmp_path, contents):
    lines = contents["fast"].splitlines(keepends=True)
    path = tmp_path / "alert.fast"
    path.write_bytes(lines[0])
    follower = follow(path)
    assert ["zone" in caveat.detail for caveat in caveats_of(follower.new())] == [True]
    append(path, b"garbage\n" + lines[1])
    (caveat,) = caveats_of(follower.new())
    assert caveat.record == 2
    assert f"line 2 (byte {len(lines[0])})" in caveat.detail


def test_zeek_with_tabs_is_followed_behind_its_header(tmp_path):
    path = tmp_path / "weird.log"
    head = b"#separator \\x09\n#path\tweird\n#fields\tts\tuid\tid.orig_h\tid.orig_p\tid.resp_h\tid.resp_p\tname\taddl\n"
    row = b"%d.5\t-\t10.0.0.1\t1\t10.0.0.2\t2\todd\t-\n"
    path.write_bytes(head)
    follower = follow(path)
    assert len(follower.new()) == 0
    append(path, row % 1 + row[:9] % 2)
    assert follower.new()["record"].tolist() == [4]
    append(path, (row % 2)[len(row[:9] % 2) :] + row % 3)
    table = follower.new()
    assert table["record"].tolist() == [5, 6]
    assert table["message"].tolist() == ["odd", "odd"]


def test_what_can_not_be_followed_is_refused(tmp_path, contents):
    packed = tmp_path / "a.gz"
    packed.write_bytes(gzip.compress(contents["fast"]))
    with pytest.raises(UnreadableEvidence, match="compressed"):
        follow(packed).new()
    with pytest.raises(UnreadableEvidence, match="is a folder"):
        follow(tmp_path).new()
    other = tmp_path / "text"
    other.write_bytes(b"no alerts\n" * 10)
    assert len(follow(other).new()) == 0  # a first alert may still come
    other.write_bytes(b"no alerts\n" * 10_000)
    with pytest.raises(UnknownFormat, match="no format"):
        follow(other).new()


@pytest.mark.slow
@settings(max_examples=25, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.data())
def test_however_it_is_cut_every_alert_comes_once(tmp_path_factory, contents, data):
    name = data.draw(st.sampled_from(["fast", "full", "unified2"]))
    content = contents[name][: 4_000 if name != "unified2" else 3_000]
    cuts = sorted(data.draw(st.lists(st.integers(0, len(content)), max_size=6)))
    path = tmp_path_factory.mktemp("following") / "growing"
    whole = path.with_name("whole")
    content = content[: content.rfind(b"\n\n") + 2] if name == "full" else content
    whole.write_bytes(content)
    path.touch()
    follower = follow(path)
    records = []
    for start, end in zip([0, *cuts], [*cuts, len(content)], strict=True):
        append(path, content[start:end])
        records += follower.new()["record"].tolist()
    assert records == read_alerts(whole)["record"].tolist()
