import itertools

import numpy as np
import pandas as pd
import pytest

from nsm_nb.alerts import correlate
from nsm_nb.errors import NsmError, QueryError
from nsm_nb.triage.autocat import Rule
from nsm_nb.widgets.queue import TABS, Queue
from nsm_nb.widgets.queue_look import BY, columns, counters, term_of_cell


@pytest.fixture
def queue(case):
    return Queue(case)


def plainly(case, queue, tab):
    """Return the groups of a tab the slow way: all folded anew."""
    groups = correlate(case.alerts, by=queue.by, status=case.status(), gap=queue.gap)
    kept = TABS[tab]
    return groups if kept is None else groups[groups["status"].isin(kept)]


def source(alerts):
    return alerts["src_ip"].astype(str)


def shown(groups):
    return [(row.group, row.count, tuple(row.children), row.status) for row in groups.itertuples()]


@pytest.mark.parametrize("by", [("src_ip", "message"), ("alert",)])
def test_after_each_verdict_it_is_what_folding_anew_gives(case, queue, by):
    chance = np.random.default_rng(3)
    queue.regroup(by)
    queue.table("RealTime")
    for step in range(8):
        table = queue.table("RealTime")
        row = table.iloc[int(chance.integers(len(table)))]
        names = row["children"] if step % 3 else row["children"][: max(1, len(row["children"]) // 2)]
        case.judge(names, str(chance.choice(["NA", "VI", "NEW", "ESC"])), comment="why", analyst="ada")
        queue.look()
        for tab in TABS:
            assert shown(queue.table(tab)) == shown(plainly(case, queue, tab)), (step, tab)


def test_only_a_whole_group_goes_without_folding_anew(case, queue, monkeypatch):
    table = queue.table("RealTime")
    monkeypatch.setattr(Queue, "_fold", lambda self: pytest.fail("it was folded anew"))

    case.judge(table["children"].iloc[2], "NA")
    assert queue.look() and not queue.look()

    assert queue.table("RealTime")["group"].tolist() == table["group"].drop(2).tolist()


def test_colleagues_count_as_one_does_oneself(case, queue):
    queue.table("RealTime")
    other = Queue(case)
    case.judge(other.table("RealTime")["children"].iloc[0], "VII", analyst="bob")

    assert queue.look()
    waiting, judged = queue.counts()
    assert judged == {"VII": len(other.table("RealTime")["children"].iloc[0])}
    assert waiting.total() + judged.total() == len(case.alerts)


@pytest.mark.parametrize(
    ("line", "wanted"),
    [
        ("priority <= 2 and src net 172.16.0.0/12", lambda a: (a["priority"] <= 2) & source(a).str.startswith("172.16.")),
        ("category na", lambda a: a["alert"].isna()),
        ("not category na", lambda a: a["alert"].notna()),
        ('message ~ "smb2" and not src host 172.16.10.80',
         lambda a: a["message"].str.contains("SMB2") & (source(a) != "172.16.10.80")),
        ("confidence certain and session > 0", lambda a: a["alert"].notna()),
    ],
)  # fmt: skip
def test_a_query_narrows_it_to_the_alerts_that_match(case, queue, line, wanted):
    queue.narrow(line)

    names = set(itertools.chain.from_iterable(queue.table("All")["children"]))
    joined = case.joins[case.joins["confidence"] == "certain"]["alert"]
    expected = set(case.alerts["alert"][wanted(case.alerts)])
    assert names == (expected & set(joined) if "confidence" in line else expected)


def test_a_wrong_query_changes_nothing(queue):
    queue.narrow("tcp")
    with pytest.raises(QueryError):
        queue.narrow("src net nonsense")
    with pytest.raises(QueryError):
        queue.narrow("nosuchcolumn = 3")

    assert queue.query == "tcp"


@pytest.mark.parametrize("by", [each for _, each in BY])
def test_every_way_to_group_has_each_alert_once(case, queue, by):
    queue.regroup(by)

    names = list(itertools.chain.from_iterable(queue.table("RealTime")["children"]))
    assert sorted(names) == sorted(case.alerts["alert"])


def test_alerts_without_a_session_are_not_of_one_session(case, queue):
    case._made["joins"] = case.joins.assign(session=pd.array([pd.NA] * len(case.joins), "Int64"))
    queue.regroup(("session",))

    assert len(queue.table("RealTime")) == len(case.alerts)


def test_silence_parts_groups_and_nonsense_is_refused(queue):
    whole = len(queue.table("RealTime"))
    queue.regroup(("src_ip", "message"), gap="5s")
    assert len(queue.table("RealTime")) > whole
    for gap in ("soon", "-1h", "0s"):
        with pytest.raises(NsmError, match="write 10min"):
            queue.regroup(("src_ip", "message"), gap=gap)


def test_rules_judge_before_it_is_shown(case, queue):
    case.ledger.add_rule(Rule(category="NA", signature="ICMP", regexp=True), analyst="ada")

    assert not queue.table("RealTime")["message"].str.contains("ICMP").any()
    assert queue.counts()[1] == {"NA": 4}


def test_a_ledger_that_is_read_only_can_be_looked_at(case, queue, monkeypatch):
    from nsm_nb.errors import LedgerError

    def refuse():
        raise LedgerError("it is read-only")

    monkeypatch.setattr(case, "apply_rules", refuse)
    assert len(queue.table("RealTime")) == 18
    assert queue.troubles == ["the rules judged nothing: it is read-only"]


def test_who_looks_at_a_group_is_a_column_only_where_anybody_does(queue):
    table = queue.table("RealTime")
    assert "who" not in table and "looks" not in [field.title for field in columns(table)]

    queue.locks = {table["children"].iloc[4][0]: "bob"}
    table = queue.table("RealTime")
    assert table["who"].dropna().to_dict() == {4: "bob"}
    assert "looks" in [field.title for field in columns(table)]


def test_new_alerts_keep_what_was_judged(case, queue):
    whole = case.alerts
    case._made["alerts"] = whole.iloc[:40].reset_index(drop=True)
    for name in ("joins", "alert places"):
        case._made.pop(name, None)
    early = Queue(case)
    case.judge(whole["alert"].iloc[3], "I", analyst="ada")
    case.ledger.judge([whole["alert"].iloc[60]], "II", analyst="bob")  # on one that is not here yet
    early.look()

    case._made["alerts"] = whole
    for name in ("joins", "alert places"):
        case._made.pop(name, None)
    assert early.look()

    assert early.counts()[1] == {"I": 1, "II": 1}


def test_a_cell_means_a_query_that_finds_its_row(case, queue):
    table = queue.table("RealTime")
    for column in (
        "st",
        "priority",
        "sensor",
        "id",
        "first",
        "src_ip",
        "src_port",
        "dst_ip",
        "dst_port",
        "proto",
        "message",
    ):
        row = table.iloc[7]
        term = term_of_cell(row, column)
        queue.narrow(term)
        assert row["group"] in set(itertools.chain.from_iterable(queue.table("All")["children"])), term
    assert term_of_cell(table.iloc[7], "count") is None
    assert term_of_cell({"src_port": pd.NA}, "src_port") is None


@pytest.mark.parametrize("message", ['a "quoted" one', "back\\slash", "or", "<script> and not x", "\x1b[2J\u202e", "'"])
def test_a_hostile_message_means_itself(case, queue, message):
    case._made["alerts"] = case.alerts.assign(
        message=case.alerts["message"].where(case.alerts["record"] != case.alerts["record"].iloc[0], message)
    )
    queue.look()
    term = term_of_cell({"message": message}, "message")
    if term is None:  # it can't be said: better no filter than another one
        return
    queue.narrow(term)
    assert set(queue.table("All")["message"]) == {message}


def test_counters_say_what_waits_and_what_was_judged(case, queue):
    case.judge(case.alerts["alert"].iloc[:2].tolist(), "VI", analyst="ada")
    queue.look()

    text = "".join(span[0] for span in counters(*queue.counts())["spans"])
    assert "77 wait" in text and "2 judged   VI  2" in text


def test_another_ledger_in_its_place_is_taken_over(case, queue, tmp_path):
    from nsm_nb.triage import Ledger

    case.judge(case.alerts["alert"].iloc[:3].tolist(), "VI", analyst="ada")
    queue.look()
    case._ledger = Ledger(tmp_path / "other.db")
    case.judge(case.alerts["alert"].iloc[5], "NA", analyst="ada")

    assert queue.look()
    assert queue.counts()[1] == {"NA": 1}
