"""What all tests share: the bundled case, the shared evidence where it is there, and a case of one's own to write in."""

from __future__ import annotations

import functools
import os
import shutil
from pathlib import Path

import hypothesis
import pytest

from tests.browser import DESK

# kernels compile at their first call, and two cores are shared: no deadline, but many examples in CI
hypothesis.settings.register_profile("nsm_nb", deadline=None, max_examples=100)
hypothesis.settings.load_profile("nsm_nb")

ROOT = Path(__file__).resolve().parent.parent
BUNDLED = ROOT / "data" / "www-files01"


def pytest_collection_modifyitems(items):
    """On several cores begin with the files that take longest, so that none is left alone with one of them in the end."""
    if "PYTEST_XDIST_WORKER" not in os.environ:
        return
    weights: dict[Path, float] = {}
    for item in items:
        slow, browser = item.get_closest_marker("slow"), item.get_closest_marker("browser")
        seconds = slow.args[0] if slow and slow.args else 20 if browser else 5 if slow else 0.1
        weights[item.path] = weights.get(item.path, 0) + seconds
    items.sort(key=lambda item: -weights[item.path])


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config, log):
    """A file is of one worker, and all that drive a browser are of the same: they share it, and no two want the cores."""
    if config.getoption("dist") != "loadfile":
        return None
    from xdist.scheduler import LoadFileScheduling

    class Files(LoadFileScheduling):
        def _split_scope(self, nodeid):
            file = super()._split_scope(nodeid)
            return "browser" if file.endswith("_in_browser.py") else file

    return Files(config, log)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_teardown(nextitem):
    """Browser and JupyterLab end behind the last of the tests that follow one another in them."""
    try:
        return (yield)
    finally:
        if nextitem is None or not nextitem.get_closest_marker("browser"):
            DESK.close()


def _shared() -> Path | None:
    """Return the folder of shared evidence, which only the project's own machines have."""
    for place in (os.environ.get("NSM_SHARED"), ROOT.parent / "shared"):
        if place and (Path(place) / "DESIGN.md").exists():
            return Path(place)
    return None


@pytest.fixture(scope="session", autouse=True)
def _a_home_of_its_own(tmp_path_factory):
    """Nothing of the person who runs the tests is read or written: neither chosen cases nor cases of bare folders."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("NSM_HOME", str(tmp_path_factory.mktemp("home")))
        patch.delenv("NSM_CASE", raising=False)
        yield


@pytest.fixture(scope="session")
def bundled() -> Path:
    """The bundled case's directory; read only."""
    return BUNDLED


@pytest.fixture(scope="session")
def evidence(bundled) -> Path:
    """The bundled case's evidence folder; read only."""
    return bundled / "evidence"


@pytest.fixture(scope="session")
def truth(bundled) -> Path:
    """What really happened in the bundled case."""
    return bundled / "truth"


@pytest.fixture(scope="session")
def shared() -> Path:
    """The shared corpus, fixtures and hostile captures; the test is skipped where they are not at hand."""
    place = _shared()
    if place is None:
        pytest.skip("the shared evidence (corpus, fixtures, hostile) is not on this machine")
    return place


@pytest.fixture(scope="session")
def lab_on(tmp_path_factory):
    """A function that opens a folder below pytest's own in the one JupyterLab and Chromium of the browser tests."""
    return functools.partial(DESK.lab, root=tmp_path_factory.getbasetemp())


@pytest.fixture
def tshark() -> str:
    """The path of tshark; the test is skipped where it is not installed."""
    found = shutil.which("tshark")
    if found is None:
        pytest.skip("tshark is not installed; it is the oracle of this test")
    return found


@pytest.fixture
def own_case(bundled, tmp_path):
    """A copy of the bundled case that a test may judge in; evidence is linked, not copied."""
    place = tmp_path / "www-files01"
    place.mkdir()
    shutil.copy(bundled / "case.toml", place / "case.toml")
    (place / "evidence").symlink_to(bundled / "evidence", target_is_directory=True)
    import nsm_nb as nsm

    return nsm.open_case(place)
