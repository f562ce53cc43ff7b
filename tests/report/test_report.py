"""Building: where it goes, that it is whole or not there, and that the same case gives the same bytes."""

from __future__ import annotations

import errno
import logging
import os
import subprocess
import sys
import time
from datetime import UTC, datetime
from pathlib import Path

import pytest

import nsm_nb as nsm
from nsm_nb.case import atomic
from nsm_nb.errors import MissingTool, ReportError
from nsm_nb.report import pdf as pdf_module
from tests.report.conftest import DATE


def test_the_same_case_and_date_give_the_same_bytes(judged_place, html, tmp_path):
    case = nsm.open_case(judged_place)
    made = nsm.report.build(case, out=tmp_path, date=datetime(2026, 11, 25, 14, tzinfo=UTC))
    assert made["html"].read_text("utf-8") == html


def test_another_process_gives_the_same_bytes(own, tmp_path):
    made = nsm.report.build(own, out=tmp_path / "one", date=DATE)
    code = "import sys, nsm_nb as nsm; nsm.report.build(nsm.open_case(sys.argv[1]), out=sys.argv[2], date=sys.argv[3])"
    subprocess.run(
        [sys.executable, "-c", code, own.path, tmp_path / "other", DATE],
        check=True, env={**os.environ, "PYTHONHASHSEED": "7", "TZ": "Asia/Tokyo"},
    )  # fmt: skip
    assert made["html"].read_bytes() == (tmp_path / "other" / made["html"].name).read_bytes()


def test_a_case_opened_from_beside_it_gives_the_same_bytes(own, tmp_path, monkeypatch):
    made = nsm.report.build(own, out=tmp_path / "one", date=DATE)
    monkeypatch.chdir(own.path.parent)
    other = nsm.report.build(nsm.open_case("small"), out=tmp_path / "other", date=DATE)
    assert made["html"].read_bytes() == other["html"].read_bytes()


def test_another_date_changes_nothing_else(own, tmp_path):
    one, other = (
        nsm.report.build(own, out=tmp_path / day, date=f"2026-12-{day} 14:00")["html"].read_text("utf-8")
        for day in ("11", "22")
    )
    assert one != other
    assert one.replace("2026-12-11", "2026-12-22").replace("\\00002d 11 14", "\\00002d 22 14") == other


def test_a_report_is_made_in_seconds(judged, tmp_path):
    started = time.process_time()  # others may use the machine
    nsm.report.build(judged, out=tmp_path)
    assert time.process_time() - started < 10


def test_it_goes_into_the_case(own):
    made = nsm.report.build(own, date=DATE)
    assert made == {"html": own.work / "reports" / "small-report.html"}


def test_a_read_only_case_has_its_report_where_its_work_is(own, tmp_path, monkeypatch):
    monkeypatch.setenv("NSM_HOME", str(tmp_path / "home"))
    monkeypatch.setattr("nsm_nb.case.case.os.access", lambda path, mode: False)
    made = nsm.report.build(nsm.open_case(own.path), date=DATE)
    assert made["html"].is_relative_to(tmp_path / "home")


def test_a_folder_or_a_file_may_be_named(empty, tmp_path):
    assert (
        nsm.report.build(empty, out=tmp_path / "new" / "folder")["html"]
        == tmp_path / "new" / "folder" / "empty-report.html"
    )
    assert nsm.report.build(empty, out=tmp_path / "mine.html")["html"] == tmp_path / "mine.html"


def test_a_hostile_name_is_no_path(hostile):
    assert hostile.path.parent == hostile.case.work / "reports"
    assert hostile.path.name == "script-alert-1-script-report.html"


def test_the_evidence_is_never_written_to(own):
    with pytest.raises(ReportError, match="lies in the evidence"):
        nsm.report.build(own, out=own.settings.evidence / "here")


@pytest.mark.parametrize("to", ["docx", ("html", "exe"), ()])
def test_what_can_not_be_made_is_refused(empty, to):
    with pytest.raises(ReportError, match="html"):
        nsm.report.build(empty, to=to)


@pytest.mark.parametrize("date", ["yesterday-ish", "NaT"])
def test_no_date_is_refused(empty, date):
    with pytest.raises(ReportError, match="no date"):
        nsm.report.build(empty, date=date)


def test_a_full_disk_leaves_the_report_that_was_there(empty, tmp_path, monkeypatch):
    place = tmp_path / "empty-report.html"
    place.write_text("the old report")

    def full(handle):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(atomic.os, "fsync", full)
    with pytest.raises(ReportError, match="No space left on device; what was there before is as it was"):
        nsm.report.build(empty, out=tmp_path)
    assert place.read_text() == "the old report"
    assert [each.name for each in tmp_path.iterdir() if each.name.startswith(".")] == []


def test_a_place_that_can_not_be_written_is_named(empty, tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(ReportError, match="file"):
        nsm.report.build(empty, out=tmp_path / "file" / "below")


def test_html_is_made_where_a_pdf_can_not_be(empty, monkeypatch, caplog):
    monkeypatch.setattr(pdf_module, "browser", lambda: None)
    monkeypatch.setattr(pdf_module.importlib.util, "find_spec", lambda name: None)
    with caplog.at_level(logging.WARNING):
        made = nsm.report.build(empty, to=("html", "pdf"))
    assert list(made) == ["html"]
    assert "needs Chromium or weasyprint" in caplog.text


def test_a_pdf_alone_that_can_not_be_made_is_an_error(empty, monkeypatch):
    monkeypatch.setattr(pdf_module, "browser", lambda: None)
    monkeypatch.setattr(pdf_module.importlib.util, "find_spec", lambda name: None)
    with pytest.raises(MissingTool, match="apt install chromium"):
        nsm.report.build(empty, to="pdf")


def test_importing_the_room_brings_nothing_heavy():
    said = subprocess.run(
        [sys.executable, "-c", "import sys, nsm_nb.report; print('jinja2' in sys.modules, 'matplotlib' in sys.modules)"],
        capture_output=True, text=True, check=True, cwd=Path(__file__).parent,
    )  # fmt: skip
    assert said.stdout.split() == ["False", "False"]
