"""What holds for the project as a whole: the bundled case, the notebooks, and which room may import what."""

from __future__ import annotations

import ast
import hashlib
import json
import os
import shutil
import subprocess
import sys
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

import pytest

from nsm_nb.lab import text_as_shipped

ROOT = Path(__file__).resolve().parent.parent
PACKAGE = ROOT / "nsm_nb"
NOTEBOOKS = [path for path in sorted((ROOT / "notebooks").rglob("*.ipynb")) if ".ipynb_checkpoints" not in path.parts]

# The order of the house, from the ground up: a room imports from the lines above its own and, so long as no two need
# each other, from rooms beside it. CONTRIBUTING.md says where and why this is not quite DESIGN.md's order.
ROOMS = [
    ["errors", "schema", "text", "colours", "query", "contained"],
    ["kernels"],
    ["formats"],
    ["full_content", "statistics", "sessions", "alerts"],
    ["transcripts"],
    ["triage", "hunting"],
    ["case"],
    ["plots"],
    ["report"],
    ["widgets"],
    ["training"],
    ["__init__"],
    ["cli", "lab", "warm", "__main__"],
]
# Packages that have one home each: the modules (or rooms) that may import them.
HOMES = {
    "ipywidgets": ["widgets"],
    "anywidget": ["widgets"],
    "matplotlib": ["plots"],
    "pyshark": ["full_content.dissect"],
    "nfstream": ["sessions.labels"],
    "sqlalchemy": ["triage"],
    "dask": ["case.runner"],
    "distributed": ["case.runner"],
    "numba": ["kernels"],
    "llvmlite": ["kernels"],
}
BARRED = {"kernels": ["pandas"]}


# The bundled case


def in_git(*paths: str) -> list[Path]:
    """Return the files below the paths that git keeps."""
    if shutil.which("git") is None or not (ROOT / ".git").exists():
        pytest.skip("this is not a git checkout")
    # Another user's checkout, as a container may mount it, is still the one that is asked about.
    git = ["git", "-c", f"safe.directory={ROOT}", "-C", str(ROOT), "ls-files", "-z", "--", *paths]
    listing = subprocess.run(git, capture_output=True, check=True).stdout
    return [ROOT / os.fsdecode(name) for name in listing.split(b"\0") if name]


def test_bundled_evidence_and_truth_are_what_their_checksums_say(bundled):
    sums = dict(reversed(line.split("  ", 1)) for line in (bundled / "SHA256SUMS").read_text().splitlines())
    found = {
        path.relative_to(bundled).as_posix(): hashlib.sha256(path.read_bytes()).hexdigest()
        for folder in ("evidence", "truth")
        for path in (bundled / folder).rglob("*")
        if path.is_file()
    }

    assert found == sums


def test_the_capture_is_the_one_that_the_story_names(evidence, truth):
    assert hashlib.sha256((evidence / "staged.pcap").read_bytes()).hexdigest() in (truth / "STORY.md").read_text()


def test_the_bundled_case_takes_less_than_10_mb_in_git():
    assert 8e6 < sum(path.stat().st_size for path in in_git("data")) < 10e6


@pytest.mark.parametrize(
    "name", ["index/x.arrow", "ledger.db", "ledger.db-wal", "selection.json", "reports/r.html", "carved/x"]
)
def test_what_working_on_a_case_leaves_is_ignored_by_git(name):
    in_git("data")
    asked = ["git", "-c", f"safe.directory={ROOT}", "-C", str(ROOT), "check-ignore", "-q", f"data/www-files01/{name}"]

    assert subprocess.run(asked, check=False).returncode == 0


# Notebooks


def faults_of_notebook(text: str) -> list[str]:
    """Return what keeps a notebook from standing in git: results of a run, or bytes that saving it would change."""
    faults = []
    for number, cell in enumerate(json.loads(text)["cells"], 1):
        if cell.get("outputs"):
            faults.append(f"cell {number} has outputs")
        if cell.get("execution_count") is not None:
            faults.append(f"cell {number} has an execution count")
    if not faults and text != text_as_shipped(text):
        faults.append("saving it in JupyterLab would change it")
    return faults


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.name)
def test_a_committed_notebook_stands_as_saving_leaves_it(path):
    assert faults_of_notebook(path.read_text(encoding="utf-8")) == [], "`make format` mends it"


def test_a_notebook_that_was_run_is_refused():
    cell = {"cell_type": "code", "id": "one", "metadata": {}, "source": "1", "outputs": [], "execution_count": None}
    whole = {"cells": [cell], "metadata": {}, "nbformat": 4, "nbformat_minor": 5}
    output = {"output_type": "stream", "name": "stdout", "text": "1"}

    assert faults_of_notebook(text_as_shipped(json.dumps(whole))) == []
    assert faults_of_notebook(json.dumps(whole)) == ["saving it in JupyterLab would change it"]
    assert faults_of_notebook(
        json.dumps(whole | {"cells": [cell, cell | {"outputs": [output], "execution_count": 3}]})
    ) == [
        "cell 2 has outputs",
        "cell 2 has an execution count",
    ]


# Imports


def imports_of(source: str, module: str) -> dict[str, bool]:
    """Return what a module imports, absolute names, and whether it needs them to run (else only type checkers do).

    `module` is its dotted name; that of a package ends in `.__init__`. Imports within functions count, and so do names
    given to `import_module`.
    """
    found: dict[str, bool] = {}

    def note(name: str, *, runs: bool) -> None:
        found[name] = found.get(name, False) or runs

    def walk(node: ast.AST, *, runs: bool) -> None:
        if isinstance(node, ast.Import):
            for alias in node.names:
                note(alias.name, runs=runs)
        elif isinstance(node, ast.ImportFrom):
            base = module.split(".")[: -node.level] if node.level else []
            origin = ".".join([*base, *([node.module] if node.module else [])])
            for alias in node.names:
                note(f"{origin}.{alias.name}", runs=runs)
        elif isinstance(node, ast.Call) and node.args and isinstance(node.args[0], ast.Constant):
            called = node.func.attr if isinstance(node.func, ast.Attribute) else getattr(node.func, "id", "")
            if called in ("import_module", "__import__"):
                note(str(node.args[0].value), runs=runs)
        if isinstance(node, ast.If) and "TYPE_CHECKING" in ast.unparse(node.test):
            for child in node.body:
                walk(child, runs=False)
            for child in node.orelse:
                walk(child, runs=runs)
            return
        for child in ast.iter_child_nodes(node):
            walk(child, runs=runs)

    walk(ast.parse(source), runs=True)
    return found


def room_of(name: str) -> str:
    """Return the room of a name: `nsm_nb.triage.ledger.Ledger` is in triage, `nsm_nb.open_case` at the top."""
    first = [*name.split("."), "__init__"][1]
    if first == "__version__":
        return "errors"  # a plain text, that costs nothing and leads nowhere
    return first if any(first in level for level in ROOMS) else "__init__"


def faults_of_imports(sources: dict[str, str]) -> list[str]:
    """Return the imports that go up, in circles, or out of a package's home; `sources` maps module names to code."""
    height = {room: level for level, rooms in enumerate(ROOMS) for room in rooms}
    faults = []
    needs: dict[str, set[str]] = {}
    for module, source in sources.items():
        inside = module.removeprefix("nsm_nb.")
        room = inside.split(".")[0]
        if room not in height:
            faults.append(f"{module}: the room {room} has no place in ROOMS")
            continue
        for name, runs in imports_of(source, module).items():
            top = name.split(".")[0]
            if top == "nsm_nb":
                other = room_of(name)
                needs.setdefault(room, set()).update({other} - {room})
                if height[other] > height[room]:
                    faults.append(f"{module} imports {name}, which stands above it")
            elif runs and top in HOMES and not any(f"{inside}.".startswith(f"{home}.") for home in HOMES[top]):
                faults.append(f"{module} imports {top}, whose home is {' and '.join(HOMES[top])}")
            elif top in BARRED.get(room, []):
                faults.append(f"{module} imports {top}, which stops at the door of {room}")
    try:
        TopologicalSorter(needs).prepare()
    except CycleError as circle:
        faults.append("rooms need each other: " + " -> ".join(reversed(circle.args[1])))
    return faults


def test_imports_go_one_way_and_each_package_has_its_home():
    sources = {
        ".".join(path.relative_to(ROOT).with_suffix("").parts): path.read_text(encoding="utf-8")
        for path in sorted(PACKAGE.rglob("*.py"))
    }

    assert len(sources) > 20
    assert faults_of_imports(sources) == []


@pytest.mark.parametrize(
    ("module", "source", "fault"),
    [
        (
            "sessions.assembly",
            "from nsm_nb.case import open_case",
            "imports nsm_nb.case.open_case, which stands above it",
        ),
        (
            "sessions.__init__",
            "def late():\n    from ..widgets import grid",
            "nsm_nb.widgets.grid, which stands above it",
        ),
        ("text", "from . import schema, plots", "imports nsm_nb.plots, which stands above it"),
        ("report.build", "from nsm_nb import widgets", "imports nsm_nb.widgets, which stands above it"),
        ("widgets.console", "import nsm_nb as nsm", "imports nsm_nb, which stands above it"),
        ("case.case", "from nsm_nb import open_case", "imports nsm_nb.open_case, which stands above it"),
        (
            "case.case",
            "if TYPE_CHECKING:\n    from nsm_nb.widgets import Frame",
            "nsm_nb.widgets.Frame, which stands above it",
        ),
        ("case.case", "import importlib\nimportlib.import_module('nsm_nb.cli')", "nsm_nb.cli, which stands above it"),
        ("kernels.decode", "import pandas as pd", "pandas, which stops at the door of kernels"),
        ("kernels.decode", "def f():\n    from pandas.api import types", "pandas, which stops at the door of kernels"),
        ("report.figures", "import matplotlib.pyplot as plt", "imports matplotlib, whose home is plots"),
        (
            "full_content.frames",
            "from pyshark import FileCapture",
            "imports pyshark, whose home is full_content.dissect",
        ),
        ("case.index", "import dask.dataframe", "imports dask, whose home is case.runner"),
        ("case.case", "from sqlalchemy.orm import Session", "imports sqlalchemy, whose home is triage"),
        ("plots.timeline", "import anywidget", "imports anywidget, whose home is widgets"),
        ("helpers", "", "the room helpers has no place in ROOMS"),
    ],
)
def test_an_import_that_is_out_of_order_is_told(module, source, fault):
    (told,) = faults_of_imports({f"nsm_nb.{module}": source})

    assert told.startswith(f"nsm_nb.{module}")
    assert told.endswith(fault)


def test_rooms_side_by_side_that_need_each_other_are_told():
    sources = {"nsm_nb.alerts.join": "from nsm_nb import sessions", "nsm_nb.sessions.x": "from ..alerts import join"}

    assert faults_of_imports(sources) in (
        ["rooms need each other: alerts -> sessions -> alerts"],
        ["rooms need each other: sessions -> alerts -> sessions"],
    )


@pytest.mark.parametrize(
    ("module", "source"),
    [
        (
            "case.case",
            "from nsm_nb import __version__, sessions\nfrom nsm_nb.schema import SESSIONS\nfrom .index import read",
        ),
        ("statistics.summary", "if TYPE_CHECKING:\n    from matplotlib.axes import Axes"),
        ("widgets.grid", "import anywidget\nimport ipywidgets as w\nfrom nsm_nb.case import Case"),
        ("triage.ledger", "import sqlalchemy as sa"),
        ("cli", "import nsm_nb as nsm\nimport nsm_nb.lab\nfrom nsm_nb.report import build"),
    ],
)
def test_an_import_that_is_in_order_passes(module, source):
    assert faults_of_imports({f"nsm_nb.{module}": source}) == []


def test_importing_nsm_nb_brings_nothing_heavy():
    code = "import sys, nsm_nb; print(*sorted({name.split('.')[0] for name in sys.modules}))"
    loaded = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.split()

    assert "nsm_nb" in loaded
    assert (
        set(loaded) & {"numpy", "pandas", "numba", "matplotlib", "pyarrow", "duckdb", "sqlalchemy", "ipywidgets"}
        == set()
    )


def test_every_public_name_is_there():
    code = "import nsm_nb; print([name for name in nsm_nb.__all__ if not hasattr(nsm_nb, name)])"
    missing = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout

    assert missing.strip() == "[]"
