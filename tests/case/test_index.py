"""The index: what was read comes back the same, mapped; nothing half-written is ever seen."""

from __future__ import annotations

import multiprocessing
import os
import signal
import time

import numpy as np
import pandas as pd
import pytest

import nsm_nb as nsm
from nsm_nb.case import index
from nsm_nb.schema import Caveat, caveats_of, with_caveats

SHA = "ab" * 32


@pytest.fixture(scope="module")
def tables(evidence):
    sessions, packets = nsm.sessions.assemble(nsm.read_packets(evidence / "staged.pcap", label="staged.pcap"))
    return {"packets": with_caveats(packets, [Caveat("staged.pcap", 3, 4, "cut", "told")]), "sessions": sessions}


def test_packets_come_back_the_same(tables, tmp_path):
    entry = index.make(tmp_path, SHA, tables)

    back = entry.table("packets", "staged.pcap")

    assert list(back.columns) == list(tables["packets"].columns)
    assert back.dtypes.astype(str).tolist() == tables["packets"].dtypes.astype(str).tolist()
    for name in back:
        assert (
            back[name].astype(object).map(str).tolist() == tables["packets"][name].astype(object).map(str).tolist()
        ), name


def test_sessions_come_back_the_same(tables, tmp_path):
    back = index.make(tmp_path, SHA, tables).table("sessions", "staged.pcap")

    for name in back:
        mine, theirs = (
            each[name].astype(object).where(each[name].notna(), None).tolist() for each in (back, tables["sessions"])
        )
        assert mine == theirs, name


def test_caveats_come_back_under_the_name_of_today(tables, tmp_path):
    entry = index.make(tmp_path, SHA, tables)

    assert entry.caveats("renamed.pcap") == [Caveat("renamed.pcap", 3, 4, "cut", "told")]
    assert caveats_of(tables["packets"])[0].evidence == "staged.pcap"


def test_packets_are_mapped_and_not_loaded(tables, tmp_path):
    packets = index.make(tmp_path, SHA, tables).table("packets", "staged.pcap")

    for name in ("length", "offset"):
        assert not packets[name].to_numpy().flags.writeable  # a mapped page
        assert not packets[name].to_numpy().flags.owndata


def test_an_index_is_made_once_whoever_comes_first(tables, tmp_path):
    first = index.make(tmp_path, SHA, tables)
    before = sorted(path.stat().st_mtime_ns for path in first.place.iterdir())

    again = index.make(tmp_path, SHA, tables)

    assert again.place == first.place
    assert sorted(path.stat().st_mtime_ns for path in first.place.iterdir()) == before
    assert [path.name for path in tmp_path.iterdir()] == [first.place.name]


def test_a_full_disk_leaves_nothing_behind(tables, tmp_path, monkeypatch):
    def full(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(index, "_write_parquet", full)
    with pytest.raises(OSError, match="No space left"):
        index.make(tmp_path, SHA, tables)

    assert list(tmp_path.iterdir()) == []
    assert not index.Entry(tmp_path, SHA).there


def _write_slowly(folder, tables):
    real = index._write_parquet

    def slow(*arguments):
        real(*arguments)
        (folder / "started").touch()
        time.sleep(60)

    index._write_parquet = slow
    index.make(folder / "index", SHA, tables)


def test_a_killed_process_leaves_no_index_and_the_next_one_makes_it(tables, tmp_path):
    process = multiprocessing.get_context("fork").Process(
        target=_write_slowly, args=(tmp_path, {"sessions": tables["sessions"]})
    )
    process.start()
    for _ in range(300):
        if (tmp_path / "started").exists():
            break
        time.sleep(0.1)
    os.kill(process.pid, signal.SIGKILL)
    process.join()

    assert not index.Entry(tmp_path / "index", SHA).there
    made = index.make(tmp_path / "index", SHA, {"sessions": tables["sessions"]})
    assert len(made.table("sessions", "x")) == len(tables["sessions"])

    (left,) = [path for path in (tmp_path / "index").iterdir() if path.name.startswith(".part-")]
    os.utime(left, (0, 0))
    index.clean(tmp_path / "index")
    assert not left.exists()


def test_an_empty_capture_has_an_index_too(tmp_path):
    entry = index.make(tmp_path, SHA, {"packets": nsm.schema.PACKETS.empty(), "sessions": nsm.schema.SESSIONS.empty()})

    assert len(entry.table("packets", "x")) == 0
    assert entry.meta()["tables"]["packets"] == {"rows": 0, "first": None, "last": None}


def test_a_session_is_found_by_its_number_in_mapped_packets(tables, tmp_path):
    packets = index.make(tmp_path, SHA, tables).table("packets", "staged.pcap")
    number = tables["sessions"]["session"][572]

    rows = np.flatnonzero(packets["session"].array._data == number)

    pd.testing.assert_series_equal(
        packets["frame"].iloc[rows].reset_index(drop=True),
        tables["packets"].loc[tables["packets"]["session"] == number, "frame"].reset_index(drop=True),
    )
