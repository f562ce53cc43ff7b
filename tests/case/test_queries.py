"""Query lines that a case keeps, beside those that ship."""

from __future__ import annotations

import fcntl
import os
import time
from concurrent.futures import ThreadPoolExecutor

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import nsm_nb as nsm
from nsm_nb.case import queries
from nsm_nb.case.atomic import alone
from nsm_nb.errors import CaseError, QueryError
from nsm_nb.query import STANDARD


@pytest.fixture
def case(tmp_path):
    return nsm.create_case(tmp_path / "case")


def test_the_queries_that_ship_are_there_at_first(case):
    assert case.queries["name"].tolist() == [each.name for each in STANDARD]
    assert not case.queries["kept"].any()


def test_a_query_is_kept_for_whoever_opens_the_case(case):
    case.keep_query("shell", 'dst port 31337 and closed "src only"', "the back door")
    case.keep_query("other", "udp")
    case.keep_query("shell", "dst port 31338", "it moved")

    own = nsm.open_case(case.path).queries.query("kept")
    assert own[["name", "line", "answers"]].to_numpy().tolist() == [
        ["shell", "dst port 31338", "it moved"], ["other", "udp", ""],
    ]  # fmt: skip

    case.drop_query("shell")
    assert nsm.open_case(case.path).queries.query("kept")["name"].tolist() == ["other"]


def test_what_is_no_query_is_not_kept(case):
    with pytest.raises(QueryError):
        case.keep_query("wrong", "port x")
    with pytest.raises(CaseError, match="ships"):
        case.keep_query("long sessions", "udp")
    with pytest.raises(CaseError, match="give one"):
        case.keep_query(" ", "udp")
    with pytest.raises(CaseError, match="keeps no query 'x'"):
        case.drop_query("x")
    assert not (case.path / queries.FILE).exists()


@settings(max_examples=60, deadline=None)
@given(st.text(), st.text())
def test_any_text_comes_back_as_it_was(tmp_path_factory, name, answers):
    folder = tmp_path_factory.mktemp("case")
    if not name.strip():
        return
    queries.keep(folder, name, "udp", answers)

    assert [tuple(each) for each in queries.read(folder)] == [(name.strip(), "udp", answers)]


@pytest.mark.parametrize(
    "text", ["[[query]]\n", "query = 5", "query = [1]", "\x00", "[[query]]\nname = 1\nline = 'udp'"]
)
def test_a_file_that_is_none_is_told(case, text):
    (case.path / queries.FILE).write_text(text)

    with pytest.raises(CaseError, match=r"queries\.toml .*mend it in an editor"):
        _ = case.queries


def test_a_case_is_asked_for_alerts_and_its_home_networks(bundled, tmp_path):
    evidence = bundled / "evidence"
    case = nsm.create_case(tmp_path / "asked", [evidence / "staged.pcap", evidence / "suricata"])

    assert set(case.query("alert")["session"]) == set(case.joins["session"].dropna())
    assert case.query("alert ~ smb")["alert_messages"].str.contains("SMB").all()
    private = "10.0.0.0/8,172.16.0.0/12,192.168.0.0/16,fc00::/7"
    assert len(case.query("src $HOME")) == len(nsm.sessions.query(case.sessions, f"src {private}")) > 100


def test_of_several_who_keep_at_once_each_query_is_kept(case, monkeypatch):
    read = queries.read

    def slowly(folder):
        found = read(folder)
        time.sleep(0.005)  # what another one writes now must not be lost
        return found

    monkeypatch.setattr(queries, "read", slowly)
    with ThreadPoolExecutor(8) as several:
        list(several.map(lambda number: case.keep_query(f"q{number}", "udp"), range(16)))
        list(several.map(lambda number: case.drop_query(f"q{number}"), range(0, 16, 2)))

    assert {each.name for each in read(case.path)} == {f"q{number}" for number in range(1, 16, 2)}


def test_a_folder_that_somebody_keeps_for_long_is_written_to_all_the_same(case, tmp_path):
    handle = os.open(case.path, os.O_RDONLY)
    fcntl.flock(handle, fcntl.LOCK_EX)
    try:
        with alone(case.path, patience=0.03) as mine:
            assert not mine
    finally:
        os.close(handle)
    with alone(case.path) as mine:
        assert mine
    with alone(tmp_path / "missing") as mine:
        assert not mine
    assert {each.name for each in case.path.iterdir() if each.name.startswith(".")} == set()
