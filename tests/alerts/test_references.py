"""What a signature refers to, and the links that reference.config makes of it."""

from __future__ import annotations

import pandas as pd
import pytest

from nsm_nb import alerts
from nsm_nb.alerts import maps, references, rules


@pytest.fixture
def sensor(tmp_path):
    """The maps of a sensor, and its rules."""
    (tmp_path / "reference.config").write_text(
        "config reference: cve https://cve.example/name?\nconfig reference: bad javascript:alert(1)//\n"
        "config reference: url http://\n"
    )
    (tmp_path / "sid-msg.map").write_text("7 || seven || url,example.com/a || cve,1999-0067 || nessus,10\n8 || eight\n")
    (tmp_path / "a.rules").write_text(
        'alert tcp any any -> any any (msg:"seven"; reference:CVE, 1999-0067; reference:url,https://x.example/<b> \x1b; '
        "reference:bad,1; reference:url; sid:7; rev:1;)\n"
    )
    return maps(tmp_path.iterdir()), rules([tmp_path / "a.rules"])


def test_references_of_a_rule_and_of_the_map_are_text_and_whole_links_each_once(sensor):
    known, table = sensor
    assert references(table.iloc[0], known) == [
        ("cve", "1999-0067", "https://cve.example/name?1999-0067"),
        ("url", "https://x.example/<b> \\x1b", "https://x.example/%3Cb%3E%20%5Cx1b"),
        ("bad", "1", ""),
        ("url", "example.com/a", "http://example.com/a"),
        ("nessus", "10", ""),
    ]


def test_references_are_found_by_number_alone(sensor):
    known, _ = sensor
    words = [
        ("url", "example.com/a", "http://example.com/a"),
        ("cve", "1999-0067", "https://cve.example/name?1999-0067"),
    ]
    for of in (7, (1, 7), pd.Series({"gid": 1, "sid": 7}), pd.Series({"gid": pd.NA, "sid": 7})):
        assert references(of, known)[:2] == words
    assert references(8, known) == references((3, 7), known) == references(None, known) == references(7) == []
    assert references(pd.Series({"gid": 1, "sid": pd.NA}), known) == []
    assert alerts.references is references
