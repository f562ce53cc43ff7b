"""What the widgets' tests share: the browser driver, and text that an intruder would write."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

HOSTILE = "<script>alert(1)</script> \x1b[2J \u202e $x_{$ /etc/passwd"


@pytest.fixture
def hostile() -> str:
    """Markup, an escape sequence, a bidirectional override, mathtext and a path in one line."""
    return HOSTILE


@pytest.fixture(scope="session")
def indexed(bundled, tmp_path_factory) -> Path:
    """The bundled case's capture, EVE and rules in a case of their own, indexed, to be copied from."""
    import nsm_nb as nsm

    place = tmp_path_factory.mktemp("indexed") / "www-files01"
    place.mkdir()
    shutil.copy(bundled / "case.toml", place / "case.toml")
    (place / "evidence").mkdir()
    for name in ("staged.pcap", "suricata", "rules"):
        (place / "evidence" / name).symlink_to(bundled / "evidence" / name)
    nsm.open_case(place).index()
    return place


@pytest.fixture(scope="session")
def tables(indexed):
    """What a case makes of that evidence, made once: tables are never changed in place."""
    import nsm_nb as nsm

    case = nsm.open_case(indexed)
    return {name: getattr(case, name) for name in ("packets", "sessions", "alerts", "joins")}


@pytest.fixture
def case(indexed, tables, tmp_path):
    """A case of one's own, indexed, not judged."""
    import nsm_nb as nsm

    place = tmp_path / "www-files01"
    shutil.copytree(indexed, place, symlinks=True)
    case = nsm.open_case(place)
    case._made.update(tables)
    return case


@pytest.fixture
def empty_case(tmp_path):
    """A case without evidence."""
    import nsm_nb as nsm

    (tmp_path / "nothing" / "evidence").mkdir(parents=True)
    (tmp_path / "nothing" / "case.toml").write_text('name = "nothing"\n')
    return nsm.open_case(tmp_path / "nothing")
