"""The notebooks run from top to bottom, on the bundled case and on any other, and stand in git as they should."""

from __future__ import annotations

import json
import os
import shutil
from itertools import pairwise
from pathlib import Path

import pytest

import nsm_nb as nsm
from nsm_nb.lab import text_as_shipped
from tests import writing

NOTEBOOKS = sorted((Path(__file__).resolve().parent.parent / "notebooks").glob("*.ipynb"))


def test_the_walk_has_its_six_notebooks():
    assert [path.stem for path in NOTEBOOKS] == [
        "00-start",
        "10-statistics",
        "20-sessions",
        "30-alerts",
        "40-transcripts",
        "50-report",
    ]


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_a_notebook_stands_in_git_as_it_is_shipped(path):
    text = path.read_text(encoding="utf-8")

    assert text == text_as_shipped(text), "run `make format`"


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_cells_are_short_and_prose_stands_before_each(path):
    cells = json.loads(path.read_text())["cells"]

    assert cells[0]["cell_type"] == "markdown"
    for before, cell in pairwise(cells):
        if cell["cell_type"] == "code":
            assert len(cell["source"]) <= 6
            assert before["cell_type"] == "markdown"
    headings = [
        line for cell in cells if cell["cell_type"] == "markdown" for line in cell["source"] if line.startswith("## ")
    ]
    assert all(line.rstrip().endswith("?") for line in headings)
    assert all(cell["id"].replace("-", "").isalpha() for cell in cells)


def case_of(kind, bundled, place):
    if kind == "bundled":
        place.mkdir()
        shutil.copy(bundled / "case.toml", place / "case.toml")
        (place / "evidence").symlink_to(bundled / "evidence", target_is_directory=True)
        return place
    if kind == "capture":
        place.with_name("a.pcap").write_bytes(writing.pcap(writing.conversation()))
        return nsm.create_case(place, evidence=[place.with_name("a.pcap")]).path
    return nsm.create_case(place).path


def run_one_after_another(paths, kind):
    """Run notebooks in one kernel that forgets all names between them; of the bundled case each has its own, as in the lab."""
    import nbformat
    from nbclient import NotebookClient
    from nbclient.exceptions import CellExecutionError

    notebooks = [nbformat.read(path, as_version=4) for path in paths]
    resources = {"metadata": {"path": str(paths[0].parent)}}
    client = NotebookClient(nbformat.v4.new_notebook(), timeout=120, resources=resources)
    with client.setup_kernel():
        for path, notebook in zip(paths, notebooks, strict=True):
            client.nb = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell("%reset -f")])
            client.execute(cleanup_kc=False)
            client.nb = notebook
            try:
                client.execute(cleanup_kc=False)
            except CellExecutionError as problem:
                pytest.fail(f"{path.name} on the {kind} case: {problem}")
    return notebooks


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["bundled", "capture", "empty"])
def test_every_notebook_runs_from_top_to_bottom(kind, bundled, tmp_path, monkeypatch):
    monkeypatch.setenv("NSM_CASE", str(case_of(kind, bundled, tmp_path / "case")))
    monkeypatch.setenv("NSM_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("IPYTHONDIR", str(tmp_path / "ipython"))
    together = [[path] for path in NOTEBOOKS] if kind == "bundled" else [NOTEBOOKS]
    notebooks = [notebook for paths in together for notebook in run_one_after_another(paths, kind)]
    for path, notebook in zip(NOTEBOOKS, notebooks, strict=True):
        shown = [output for cell in notebook.cells if cell.cell_type == "code" for output in cell.outputs]
        assert not [output for output in shown if output.output_type == "stream" and output.name == "stderr"], path.name
        assert shown
    assert os.listdir(tmp_path / "home") == [] if (tmp_path / "home").exists() else True
