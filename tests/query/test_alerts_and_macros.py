"""What a line asks of alerts, of the clock, of the home networks and of every column at once."""

from __future__ import annotations

from datetime import UTC, datetime

import pandas as pd
import pytest

from nsm_nb.errors import QueryError
from nsm_nb.query import STANDARD, compile, query, times
from nsm_nb.schema import SESSIONS
from nsm_nb.sessions.queries import with_alerts

NOW = datetime(2003, 9, 12, 17, 41, 8, tzinfo=UTC)


@pytest.fixture
def sessions():
    """Sessions of the days around a Friday in 2003, two of which alerts are about."""
    table = SESSIONS.conform(
        pd.DataFrame(
            {
                "session": [1, 2, 3, 4],
                "start": pd.to_datetime(
                    ["2003-09-05T00:00", "2003-09-11T23:59:59", "2003-09-12T17:00", None], utc=True, format="ISO8601"
                ),
                "end": pd.to_datetime(
                    ["2003-09-05T00:01", "2003-09-12T00:00:01", "2003-09-12T17:01", None], utc=True, format="ISO8601"
                ),
                "src_ip": ["10.0.0.7", "203.0.113.66", "fd00::7", "172.32.0.1"],
                "dst_ip": ["203.0.113.66", "10.0.0.7", "192.168.0.9", "198.51.100.9"],
                "dst_port": [445, 21, 445, None],
                "src_octets": [1445, 7, None, 12],
                "history": ["ShADadFf", "S", None, "SaR"],
                "application": ["smb", "ftp", "smb", None],
                "vlan": [100, None, 7, None],
            }
        )
    )  # fmt: skip
    alerts = pd.DataFrame(
        {
            "alert": ["a:1", "a:2", "a:3", "a:4"],
            "message": ["NETBIOS SMB IPC$", "two\nlines", "ET SCAN", "of nothing"],
            "sid": pd.array([2000123, 538, None, 9], dtype="Int64"),
        }
    )
    joins = pd.DataFrame({"alert": ["a:1", "a:2", "a:3", "a:4"], "session": pd.array([1, 1, 3, None], dtype="Int64")})
    return with_alerts(table, alerts, joins)


FINDS = {
    "alert": [1, 3],
    "not alert": [2, 4],
    "alert and vlan 100": [1],
    "(alert) or ftp_ = 1": None,
    "alert ~ smb": [1],
    "alert ~ scan or alert ~ smb": [1, 3],
    "alert !~ smb": [3],
    "not alert ~ smb": [2, 3, 4],
    'alert "et scan"': [3],
    'alert = "two lines"': [1],
    'alert matches "^netbios"': [1],
    'alert ~ "IPC$"': [1],
    "alert sid 2000123": [1],
    "alert sid 538 and alert sid 2000123": [1],
    "alert sid > 2000000": [1],
    "alert sid != 538": [],
    "alert sid 1": [],
    "alerts 2": [1],
    "today": [2, 3],
    "time today": [2, 3],
    "yesterday": [2],
    "time < today": [1, 2],
    "lastweek": [1, 2],
    "time >= lastweek": [1, 2, 3],
    "lasthour": [3],
    "start >= TODAY and port 445": [3],
    "firstday": [1],
    "lastday": [2, 3],
    "time > firstday": [2, 3],
    "not firstday": [2, 3, 4],
    "src $HOME": [1, 3],
    "src $home and not dst $HOME": [1],
    "src and dst net $HOME": [3],
    "src_ip != $HOME": [2, 4],
    "net 198.51.100.0/24,fd00::/8": [3, 4],
    "10.0.0.7,172.32.0.0/16": [1, 2, 4],
    "service smb": [1, 3],
    "service != smb": [2],
    'history matches "^S(h|a)"': [1, 4],
    'not history matches "F"': [2, 3, 4],
    'src_ip matches "^10[.]"': [1],
    'matches "^ET "': [3],
    "~ 445": [1, 3],
    "~ 1445": [1],
    "~ 17:00": [3],
    "~ 2003-09-11T23:59:59": [2],
    "~ 113.6": [1, 2],
    '"23:59:59.000"': [2],
}


@pytest.mark.parametrize("line", FINDS)
def test_a_line_finds_its_sessions(sessions, line, monkeypatch):
    monkeypatch.setattr(times, "_now", lambda: NOW)
    if FINDS[line] is None:
        with pytest.raises(QueryError):
            query(sessions, line)
    else:
        assert query(sessions, line)["session"].tolist() == FINDS[line]
        assert query(sessions.iloc[:0], line).empty


def test_home_is_what_the_caller_says(sessions):
    assert query(sessions, "src $HOME", home=["203.0.113.0/24"])["session"].tolist() == [2]


WRONG = {
    "tcp and alert": (8, "does not say which alerts are about a row"),
    "alert sid 5": (0, "does not say which alerts"),
    "tcp and alert ~ smb": (8, "does not say which alerts"),
    "alert sid smb": (10, "is a number"),
    "alert sid": (9, "the number of a signature is expected"),
    "alert tcp and": (13, "a test such as"),
    "alert > 5": (6, "is text"),
    'history matches "(a"': (17, "no regular expression that RE2 can run"),
    'tcp and matches "["': (17, "no regular expression that RE2 can run"),
    r'history matches "(?=x)"': (17, "no regular expression"),
    "octets matches 5": (7, "looks into text"),
    "time today..firstday": (5, "no range has firstday"),
    "time tomorrow": (5, "no time"),
    "net 10.0.0.0/8,x": (15, "'x' is no address"),
    "net 10.0.0.0/8,": (15, "'' is no address"),
    "octets today": (7, "is a number"),
}


@pytest.mark.parametrize("line", WRONG)
def test_a_line_that_is_not_understood_says_where(line):
    column, sentence = WRONG[line]
    with pytest.raises(QueryError) as caught:
        query(SESSIONS.empty(), line)

    assert (caught.value.column, sentence in str(caught.value)) == (column, True), str(caught.value)
    compile(str(caught.value).rpartition("; for example: ")[2])


@pytest.mark.parametrize("standard", STANDARD, ids=lambda each: each.name)
def test_a_standard_query_is_understood_by_a_table_of_sessions(sessions, standard):
    assert len(query(sessions, standard.line)) <= len(sessions)
    assert standard.answers
    assert len({each.name for each in STANDARD}) == len(STANDARD)


def test_a_needle_made_for_backtracking_takes_no_time():
    table = pd.DataFrame({"history": ["a" * 50_000 + "!"]})

    assert query(table, 'history matches "^(a+)+$"').empty
