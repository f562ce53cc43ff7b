"""What one file of evidence does to a case: it never takes the others with it, and never lies about its hash."""

from __future__ import annotations

import os
import shutil

import pytest

import nsm_nb as nsm
from nsm_nb.formats import pcap


@pytest.fixture
def two(evidence, tmp_path):
    """A case of a capture and of alerts."""
    folder = tmp_path / "two"
    folder.mkdir()
    for name in ("staged.pcap", "alert.fast"):
        found = next(evidence.rglob(name))
        shutil.copy(found, folder / name)
    return folder


def test_what_a_reader_trips_over_costs_no_other_file(two, monkeypatch):
    def broken(*args, **kwargs):
        raise ValueError("\x1b[2J a fault of ours")

    monkeypatch.setattr(pcap, "packets", broken)
    case = nsm.open_case(two)

    assert len(case.packets) == 0 and len(case.alerts) > 0
    told = case.caveats.set_index("evidence").loc["staged.pcap", "detail"]
    assert "ValueError: \\x1b[2J a fault of ours" in told and "report it" in told


def test_a_file_that_changed_since_it_was_hashed_says_so(two):
    case = nsm.open_case(two)
    assert len(case.evidence) == 2  # hashed
    with (two / "alert.fast").open("ab") as file:
        file.write((two / "alert.fast").read_bytes().splitlines(keepends=True)[0])
    os.utime(two / "alert.fast", ns=(1, 1))

    assert len(case.alerts)
    told = case.caveats[case.caveats["kind"] == "changed"]

    assert told["evidence"].tolist() == ["alert.fast"]
    assert case.changed()["evidence"].tolist() == ["alert.fast"]


def test_a_file_that_did_not_change_says_nothing(two):
    case = nsm.open_case(two)

    assert len(case.alerts) and not (case.caveats["kind"] == "changed").any()
