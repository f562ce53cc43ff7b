"""What the widgets' tests share: the browser driver, and text that an intruder would write."""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path

import pytest

HOSTILE = "<script>alert(1)</script> \x1b[2J \u202e $x_{$ /etc/passwd"


def _driver():
    """Load tests/browser.py, which stands beside the test folders and not in a package."""
    if "nsm_browser" not in sys.modules:
        place = Path(__file__).resolve().parent.parent / "browser.py"
        spec = importlib.util.spec_from_file_location("nsm_browser", place)
        module = importlib.util.module_from_spec(spec)
        sys.modules["nsm_browser"] = module
        spec.loader.exec_module(module)
    return sys.modules["nsm_browser"]


@pytest.fixture(scope="session")
def browser():
    """The module that drives JupyterLab in Chromium."""
    return _driver()


@pytest.fixture
def hostile() -> str:
    """Markup, an escape sequence, a bidirectional override, mathtext and a path in one line."""
    return HOSTILE
