"""case.toml: read and checked, each fault named with its key."""

from __future__ import annotations

import pytest

from nsm_nb.case import settings
from nsm_nb.errors import CaseError


@pytest.fixture
def read(tmp_path):
    def from_text(text):
        (tmp_path / "case.toml").write_text(text)
        return settings.read(tmp_path)

    return from_text


def test_what_is_not_said_has_a_default(read, tmp_path):
    found = read("")

    assert found.name == tmp_path.name
    assert found.evidence == tmp_path / "evidence"
    assert found.time_zone == "UTC"


def test_a_first_case_toml_can_be_read(tmp_path):
    settings.write(tmp_path / "new", name='a "quoted" \\ name', evidence="/mnt/evidence")

    found = settings.read(tmp_path / "new")

    assert found.name == 'a "quoted" \\ name'
    assert str(found.evidence) == "/mnt/evidence"


def test_the_sensor_of_an_evidence_is_the_first_pattern_that_fits(read):
    found = read('[sensors]\n"suricata/*" = "ids"\n"*.pcap" = "tap"\n')

    assert found.sensor_of("suricata/eve.json") == "ids"
    assert found.sensor_of("a.pcap") == "tap"
    assert found.sensor_of("a.txt") is None


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("name = ", "can't be read"),
        ("colour = 1", "has an unknown key 'colour'; it may have name, title"),
        ("home_networks = '10.0.0.0/8'", "home_networks has to be a list"),
        ("home_networks = ['ten']", "home_networks has 'ten', which is no network"),
        ("time_zone = 'Mars/Olympus'", "time_zone 'Mars/Olympus' is not known"),
        ("time_zone = '../../etc/passwd'", "is not known"),
        ("[idle]\ntcp = -1", "idle has tcp = -1"),
        ("[idle]\ntcp = true", "idle has tcp = True"),
        (
            "[idle]\ntcp = 'soon'",
            'idle has tcp = soon; it may have seconds, more than 0 and below 9e+09, or text such as "1h"',
        ),
        ("[idle]\ntcp = [1]", "idle has tcp = [1]"),
        ("by_vlan = 'no'", "by_vlan has to be true or false"),
        ("argus2 = 1", "argus2 has to be true or false"),
        ("[idle]\nsctp = 5", "idle has sctp = 5"),
        ("[idle]\ntcp = inf", "idle has tcp = inf"),
        ("[idle]\ntcp = nan", "idle has tcp = nan"),
        ("[idle]\ntcp = 1e10", "idle has tcp = 10000000000.0; it may have seconds, more than 0 and below 9e+09"),
        ("home_networks = [['10.0.0.0', 8]]", "which is no network"),
        ("rules = ['']", "rules has '', which is no pattern of files"),
        ("rules = [5]", "rules has '5', which is no pattern of files"),
        ('evidence = "a\\u0000b"', "evidence has a character that no path"),
        ("x = " + "[" * 100_000, "can't be read"),
    ],
)
def test_each_fault_is_named(read, text, words):
    with pytest.raises(CaseError) as caught:
        read(text)

    assert words in str(caught.value)
    assert "case.toml" in str(caught.value)


def test_a_folder_that_is_no_case_says_what_to_do(tmp_path):
    with pytest.raises(CaseError, match=r"has no case\.toml; make a case with create_case"):
        settings.read(tmp_path)


def test_a_database_that_is_a_file_lies_in_the_case(read, tmp_path):
    for said, expected in (
        ("ledger.db", str(tmp_path / "ledger.db")),
        ("/srv/ledger.db", "/srv/ledger.db"),
        ("sqlite:///ledger.db", f"sqlite:///{tmp_path}/ledger.db"),
        ("sqlite:////srv/ledger.db", "sqlite:////srv/ledger.db"),
        ("sqlite:///:memory:", "sqlite:///:memory:"),
        ("postgresql+psycopg://ada@host/ledger", "postgresql+psycopg://ada@host/ledger"),
        ("", ""),
    ):
        assert read(f'database = "{said}"').database == expected


def test_how_sessions_are_assembled_is_as_case_toml_says(read):
    assert read("").assembly == read("by_vlan = true\n[idle]\n").assembly == {}
    assert read("argus2 = true").assembly == {"argus2": True}
    found = read('by_vlan = false\n[idle]\ntcp = "1h"\nudp = 60\n')
    assert found.assembly == {"idle": {"tcp": 3600, "udp": 60}, "by_vlan": False}
