"""The PDF: by a browser that is held on a short leash, or by weasyprint."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import time
import types

import pandas as pd
import psutil
import pytest

import nsm_nb as nsm
from nsm_nb.errors import ReportError
from nsm_nb.report.pdf import browser, pdf
from tests.browser import chromium
from tests.report.conftest import DATE

WHEN = pd.Timestamp(DATE, tz="UTC")
PAGE = "<!DOCTYPE html><html><head><title>t</title></head><body><h1>Volume Serial Number</h1></body></html>"


def stand_in(tmp_path, monkeypatch, script):
    """A program in the browser's place."""
    place = tmp_path / "stand-in"
    place.write_text(f"#!/bin/sh\n{script}\n")
    place.chmod(0o755)
    monkeypatch.setenv("NSM_CHROMIUM", str(place))
    return place


def test_the_browser_is_the_one_that_was_named(tmp_path, monkeypatch):
    place = stand_in(tmp_path, monkeypatch, "exit 0")
    assert browser() == str(place)


def test_a_browser_that_hangs_is_ended_with_all_that_it_started(tmp_path, monkeypatch):
    stand_in(tmp_path, monkeypatch, f"sleep 300 & echo $! > {tmp_path}/child; sleep 300")
    started = time.monotonic()
    with pytest.raises(ReportError, match=r"within 1 seconds and was ended"):
        pdf(PAGE, date=WHEN, seconds=1)
    assert time.monotonic() - started < 30
    child = int((tmp_path / "child").read_text())
    for _ in range(100):
        if not psutil.pid_exists(child) or psutil.Process(child).status() == psutil.STATUS_ZOMBIE:
            break
        time.sleep(0.05)
    else:
        raise AssertionError("what the browser started runs on")


def test_a_browser_that_fails_is_quoted(tmp_path, monkeypatch):
    stand_in(tmp_path, monkeypatch, "echo 'cannot \033[31mopen display' >&2; exit 1")
    with pytest.raises(ReportError, match=r"made no PDF: cannot \\x1b\[31mopen display"):
        pdf(PAGE, date=WHEN)


def test_what_is_no_pdf_is_not_taken_for_one(tmp_path, monkeypatch):
    stand_in(tmp_path, monkeypatch, 'for each; do case $each in --print-to-pdf=*) echo no > "${each#*=}";; esac; done')
    with pytest.raises(ReportError, match="made no PDF"):
        pdf(PAGE, date=WHEN)


def test_nothing_stays_behind(tmp_path, monkeypatch):
    stand_in(tmp_path, monkeypatch, "exit 0")
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path / "temporary"))
    (tmp_path / "temporary").mkdir()
    with pytest.raises(ReportError):
        pdf(PAGE, date=WHEN)
    assert list((tmp_path / "temporary").iterdir()) == []


def test_the_browser_is_told_to_stay_at_home(tmp_path, monkeypatch):
    stand_in(tmp_path, monkeypatch, f'printf "%s\\n" "$@" > {tmp_path}/arguments')
    with pytest.raises(ReportError):
        pdf(PAGE, date=WHEN)
    arguments = (tmp_path / "arguments").read_text().splitlines()
    assert "--host-resolver-rules=MAP * ~NOTFOUND" in arguments
    assert "--disable-background-networking" in arguments
    assert any(each.startswith("--user-data-dir=") for each in arguments)


@pytest.fixture
def weasyprint(monkeypatch):
    """A stand-in of weasyprint, and no browser."""
    module = types.ModuleType("weasyprint")
    module.__version__, module.asked = "70.0", {}

    class HTML:
        def __init__(self, *, string, url_fetcher):
            module.asked.update(string=string, fetcher=url_fetcher)

        def write_pdf(self):
            return b"%PDF-1.7 /CreationDate (D:20200101000000+00'00')"

    module.HTML = HTML
    module.urls = types.SimpleNamespace(URLFetcher=lambda **options: options)
    module.__spec__ = types.SimpleNamespace(name="weasyprint")
    monkeypatch.setitem(sys.modules, "weasyprint", module)
    monkeypatch.setattr("nsm_nb.report.pdf.browser", lambda: None)
    return module


def test_weasyprint_is_used_where_there_is_no_browser(weasyprint):
    assert pdf(PAGE, date=WHEN) == b"%PDF-1.7 /CreationDate (D:20261125140000+00'00')"
    assert "Volume Serial Number" in weasyprint.asked["string"]
    assert weasyprint.asked["fetcher"]["allowed_protocols"] == ("data",)


def test_a_weasyprint_that_would_go_outside_is_refused(weasyprint):
    del weasyprint.urls.URLFetcher
    with pytest.raises(ReportError, match="can't be held offline"):
        pdf(PAGE, date=WHEN)


@pytest.mark.browser
def test_the_pdf_says_what_the_page_says(judged, tmp_path):
    chromium()
    made = nsm.report.build(judged, to=("html", "pdf"), out=tmp_path, date=DATE)
    data = made["pdf"].read_bytes()
    assert data.startswith(b"%PDF-")
    assert b"/JavaScript" not in data
    assert b"D:20261125140000+00'00'" in data
    if shutil.which("pdftotext") is None:
        pytest.skip("pdftotext is not installed (apt install poppler-utils); the text of the PDF was not read")
    text = subprocess.run(["pdftotext", "-layout", made["pdf"], "-"], capture_output=True, text=True, check=True).stdout
    assert "Volume Serial Number" in text
    assert judged.ledger.head() in text
    assert "uid=0(root)" in text
    pages = text.count("\f")
    assert f"1 / {pages}" in text


@pytest.mark.browser
def test_the_same_page_gives_the_same_pdf():
    chromium()
    assert pdf(PAGE, date=WHEN) == pdf(PAGE, date=WHEN)


def test_the_environment_is_not_changed(tmp_path, monkeypatch):
    stand_in(tmp_path, monkeypatch, "exit 0")
    before = dict(os.environ)
    with pytest.raises(ReportError):
        pdf(PAGE, date=WHEN)
    assert dict(os.environ) == before
