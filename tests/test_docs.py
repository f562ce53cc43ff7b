"""What the documentation takes from the code is what the code gives now, and what it names is there."""

from __future__ import annotations

import importlib.util
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
DOCS = ROOT / "docs"
PAGES = sorted([*DOCS.glob("*.md"), ROOT / "README.md", ROOT / "CONTRIBUTING.md"])
MENDS = "`python docs/make.py` mends it"


@pytest.fixture(scope="module")
def make():
    """The script that writes the pages."""
    spec = importlib.util.spec_from_file_location("docs_make", DOCS / "make.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_the_page_of_tables_is_what_the_schema_says(make):
    assert (DOCS / "tables.md").read_text("utf-8") == make.tables_page(), MENDS


def test_the_page_of_tables_has_every_table(make):
    from nsm_nb import schema

    assert set(make.SCHEMAS) == {name for name in schema.__all__ if isinstance(getattr(schema, name), schema.Schema)}


def test_the_table_of_formats_is_what_the_registry_says(make):
    page = (DOCS / "formats.md").read_text("utf-8")

    assert page.count(make.BEGIN) == page.count(make.END) == 1
    assert page == make.formats_page(page), MENDS


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_links_lead_somewhere(page):
    for target in re.findall(r"\]\(([^)#\s]+)", page.read_text("utf-8")):
        if not target.startswith(("http://", "https://")):
            assert (page.parent / target).exists(), f"{page.name} points to {target}"


def names_of_tests() -> set[str]:
    found = set()
    for path in (ROOT / "tests").rglob("test_*.py"):
        found |= set(re.findall(r"^\s*def (test_\w+)", path.read_text("utf-8"), re.MULTILINE))
    return found


@pytest.mark.parametrize("page", sorted(DOCS.glob("*.md")), ids=lambda page: page.name)
def test_the_tests_that_are_named_are_there(page):
    text = page.read_text("utf-8")
    known = names_of_tests()
    for name, more in re.findall(r"`(test_\w+)(\.\.\.)?`", text):
        # a long name may be shortened with three dots
        assert name in known or (more and any(each.startswith(name) for each in known)), f"{page.name} names {name}"


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_the_files_that_are_named_are_there(page):
    for name in re.findall(r"`((?:tests|nsm_nb|docs|benchmarks|data|notebooks)/[\w./-]+)`", page.read_text("utf-8")):
        assert (ROOT / name).exists(), f"{page.name} names {name}"
