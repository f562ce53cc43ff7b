from pathlib import Path

import pytest

from nsm_nb.widgets import Report
from nsm_nb.widgets.preview import Preview


@pytest.fixture
def built(monkeypatch, tmp_path):
    """Stand in for report.build: its own tests say what a report holds."""
    import nsm_nb.report

    def build(case, *, to=("html",), **options):
        files = {}
        for kind in to:
            files[kind] = tmp_path / f"report.{kind}"
            files[kind].write_text("<h1>Report</h1><script>hurt()</script>")
        return files

    monkeypatch.setattr(nsm_nb.report, "build", build, raising=False)
    return tmp_path


def test_what_is_ticked_is_built_and_shown(case, built):
    report = Report(case)
    report._pdf.value = True

    report._build.click()

    assert report.error == ""
    assert report.files == {"html": str(built / "report.html"), "pdf": str(built / "report.pdf")}
    assert report.preview.document.startswith("<h1>Report</h1>")
    assert str(built / "report.pdf") in report.written.text()
    assert report.code == "nsm.report.build(case, to=('html', 'pdf'))"


def test_a_preview_may_do_nothing():
    source = Preview._esm

    assert 'setAttribute("sandbox", "")' in source
    assert "allow-" not in source and "innerHTML" not in source


def test_nothing_ticked_builds_nothing(case, built):
    report = Report(case)
    report._html.value = False

    report._build.click()

    assert report.files == {} and "tick" in report.status


def test_it_says_how_much_is_judged(case):
    case.judge([case.alerts["alert"].iloc[0]], "ESC", comment="why")

    assert Report(case).note == "1 of 79 alerts judged, 1 escalated"


def test_an_error_is_one_sentence(case, built, monkeypatch):
    import nsm_nb.report
    from nsm_nb.errors import ReportError

    def fails(case, **options):
        raise ReportError("the disk is full; free some space and build again")

    monkeypatch.setattr(nsm_nb.report, "build", fails, raising=False)
    report = Report(case)
    report._build.click()

    assert report.error == "the disk is full; free some space and build again"
    assert not report._build.disabled
    assert Path(built).exists()
