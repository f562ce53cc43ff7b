"""A case whose captures are damaged: how it is told to search behind the damage, and what that changes."""

from __future__ import annotations

import pytest

import nsm_nb as nsm
from nsm_nb.errors import CaseError
from tests import writing


@pytest.fixture
def damaged(tmp_path):
    """The folder of a case with a capture of 30 frames, of which the eleventh record's header is garbage, and a whole one."""
    frame = writing.ethernet(writing.ip(writing.udp(b"x" * 99, 1000, 53), "10.9.9.9", "10.8.8.8", 17))
    data = bytearray(writing.pcap([((10**9 + each) * 10**9, frame, len(frame)) for each in range(30)]))
    at = 24 + 10 * (16 + len(frame))
    data[at : at + 16] = b"\xff" * 16
    (tmp_path / "evidence").mkdir()
    (tmp_path / "evidence" / "a.pcap").write_bytes(data)
    (tmp_path / "evidence" / "b.pcap").write_bytes(writing.pcap(writing.conversation()))
    (tmp_path / "case.toml").write_text('name = "x"\n')
    return tmp_path


def told(case):
    return {label: rows["detail"].tolist() for label, rows in case.caveats.groupby("evidence", observed=True)}


def test_a_damaged_case_says_how_to_search_behind_the_damage(damaged):
    case = nsm.open_case(damaged)

    assert (case.packets["evidence"] == "a.pcap").sum() == 10
    assert any("recover = true in case.toml" in each for each in told(case)["a.pcap"])
    assert not any("recover" in each for each in told(case).get("b.pcap", []))


def test_where_it_is_asked_the_case_is_searched_and_tells_what_is_a_guess(damaged):
    before = nsm.open_case(damaged)
    before.index()
    (damaged / "case.toml").write_text('name = "x"\nrecover = true\n')

    case = nsm.open_case(damaged)

    assert (case.packets["evidence"] == "a.pcap").sum() == 29
    assert case.sessions["src_packets"].max() == 29
    assert any(
        "19 frames stand behind damage, from frame 11 on: they are a guess" in each for each in told(case)["a.pcap"]
    )
    assert not any("case.toml" in each for each in told(case)["a.pcap"])
    assert len(nsm.full_content.frame_bytes(case.packets, evidence=case.paths)) == len(case.packets)
    # and back: each reading has an index of its own
    (damaged / "case.toml").write_text('name = "x"\nrecover = false\n')
    again = nsm.open_case(damaged)
    assert (again.packets["evidence"] == "a.pcap").sum() == 10


def test_what_is_neither_true_nor_false_is_refused(damaged):
    (damaged / "case.toml").write_text('recover = "yes"\n')

    with pytest.raises(CaseError, match="recover has to be true or false, not 'yes'"):
        nsm.open_case(damaged)
