"""The public names are there, and only they."""

from __future__ import annotations

import importlib
import pkgutil

import pytest

import nsm_nb as nsm
from nsm_nb import errors

MODULES = [found.name for found in pkgutil.walk_packages(nsm.__path__, "nsm_nb.")]


def test_every_public_name_can_be_used():
    for name in nsm.__all__:
        assert getattr(nsm, name) is not None


def test_the_names_of_the_design_are_there():
    verbs = "read_packets read_sessions read_alerts formats open_case create_case console"
    rooms = "statistics sessions alerts transcripts plots widgets report"
    assert {*verbs.split(), *rooms.split()} <= set(nsm.__all__)


def test_a_name_that_is_not_there_says_which_are():
    with pytest.raises(AttributeError, match="nsm_nb has no 'read_everything'; it has alerts, "):
        _ = nsm.read_everything


@pytest.mark.parametrize("name", MODULES)
def test_every_module_says_what_it_is_and_exports_what_it_has(name):
    module = importlib.import_module(name)

    assert module.__doc__, name
    for public in getattr(module, "__all__", []):
        assert hasattr(module, public), f"{name}.{public}"


def test_the_tree_of_errors_is_drawn_in_its_docstring():
    for name in errors.__all__:
        assert name in errors.__doc__
        assert issubclass(getattr(errors, name), errors.NsmError)


def test_formats_are_a_table_made_from_the_registry():
    table = nsm.formats()

    assert table["name"].tolist() == list(nsm.formats.FORMATS)
    assert (table["tables"] != "").all()
    assert table["title"].notna().all()
