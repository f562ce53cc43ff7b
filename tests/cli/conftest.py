"""A case of a capture, one of alerts, and a day of captures, for the commands."""

from __future__ import annotations

import shutil

import pytest

import nsm_nb as nsm
from tests import writing


@pytest.fixture
def place(tmp_path):
    """The directory of a case with one capture."""
    folder = tmp_path / "case"
    (folder / "evidence").mkdir(parents=True)
    (folder / "case.toml").write_text('name = "x"\n')
    (folder / "evidence" / "a.pcap").write_bytes(writing.pcap(writing.conversation()))
    return folder


@pytest.fixture
def rotated(tmp_path):
    """A folder of three pieces of one conversation, as snort names them, and something else."""
    folder = tmp_path / "day"
    folder.mkdir()
    packets = writing.conversation()
    for number, part in enumerate((packets[:3], packets[3:5], packets[5:])):
        (folder / f"snort.log.{number}").write_bytes(writing.pcap(part))
    (folder / "notes.txt").write_text("seen by me")
    return folder


@pytest.fixture(scope="module")
def judged(bundled, tmp_path_factory):
    """A case of one sensor's alerts, which the tests of a file judge one after another."""
    folder = tmp_path_factory.mktemp("cli")
    source = next(path for path in (bundled / "evidence").rglob("*") if "fast" in path.name)
    shutil.copy(source, folder / source.name)
    nsm.create_case(folder / "case", [folder / source.name])
    return folder / "case"
