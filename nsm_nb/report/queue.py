"""The queue as the report has it: the rows of the analyst's queue, those without a finding as tables.

Where several sensors watched, the Alerts widget first shows what they saw of one event as one row, and one key judges it: so
the report has one row of it, too. Where one sensor's alerts of an event were judged and another's were not, or otherwise, the
queue has a row for each verdict; each of them says so here.
"""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from nsm_nb.report.tellings import by_sensor, others, tellings
from nsm_nb.report.words import ABSENT, Cell, Head, Table, count, cut, end, ranges, time
from nsm_nb.statistics import quantities
from nsm_nb.text import form, many

if TYPE_CHECKING:
    from nsm_nb.case import Case

__all__ = ["Apart", "Queue", "apart_words", "dismissed", "pending", "queue"]

_LISTED = 200  # rows of the tables of what was dismissed and what waits


@dataclass(frozen=True)
class Apart:
    """Alerts that tell of a row's events as another sensor saw them, and stand in another row: they are not judged alike."""

    row: int  # theirs
    alerts: int
    events: int
    sensors: str
    status: str


@dataclass(frozen=True)
class Queue:
    """The rows of the queue; where `joined`, an event of several sensors counts once in them."""

    groups: pd.DataFrame
    joined: bool
    events: int  # that all alerts tell of
    parted: int = 0  # of those, how many are not judged alike
    apart: Mapping[int, Sequence[Apart]] = field(default_factory=dict)  # by row


def queue(case: Case) -> Queue:
    """Return the queue of a case, as the Alerts widget begins: joined where alerts are of several sensors."""
    joined = case.alerts["sensor"].nunique() > 1
    groups = case.groups(events=joined)
    if not joined:
        return Queue(groups, joined, len(case.alerts))
    parted, apart = _apart(case, groups)
    return Queue(groups, joined, int(case.events.nunique()), parted, apart)


def _apart(case: Case, groups: pd.DataFrame) -> tuple[int, dict[int, list[Apart]]]:
    """Return how many events stand in several rows, and what there is of them in other rows, by row."""
    sizes = [len(each) for each in groups["children"]]
    told = pd.DataFrame(
        {
            "alert": list(itertools.chain.from_iterable(groups["children"])),
            "row": np.repeat(np.arange(len(sizes)), sizes),
        }
    )
    told["event"] = case.events.reindex(told["alert"]).to_numpy(object)
    told = told[told["event"].duplicated(keep=False)]
    told = told[told.groupby("event")["row"].transform("nunique") > 1]
    sensors = by_sensor(case.alerts.take(case.alert_places(told["alert"].tolist())))
    pairs = told.merge(told, on="event", suffixes=("", "_other"))
    pairs = pairs[pairs["row"] != pairs["row_other"]]
    found: dict[int, list[Apart]] = {}
    for (row, other), part in pairs.groupby(["row", "row_other"], sort=True):
        names = part["alert_other"].unique().tolist()
        whose = ", ".join(sorted({sensors[name] for name in names}))
        found.setdefault(int(row), []).append(
            Apart(int(other), len(names), part["event"].nunique(), whose, str(groups["status"].iloc[int(other)]))
        )
    return int(told["event"].nunique()), found


def apart_words(each: Apart) -> str:
    """Return in words what a row has to say of alerts that are not judged as it is."""
    alerts = quantities.amount(each.alerts, "alert")
    judged = "not judged yet" if each.status == "NEW" else f"judged {each.status}"
    events = form(each.events, "event", "events")
    return f"{alerts} of {each.sensors}, of the same {events}, {form(each.alerts, 'is', 'are')} {judged}"


def dismissed(case: Case, found: Queue, held: pd.DataFrame, anchors: Mapping[int, tuple[str, str]]) -> Table | None:
    """Return what was judged to need no action: rows of the queue and sessions; None where there is nothing.

    Parameters
    ----------
    case
        The case.
    found
        Its queue.
    held
        The verdicts that hold.
    anchors
        Where each row of the queue stands in the report: an anchor, and its name.
    """
    by_subject = {(str(each.subject_kind), str(each.subject)): each for each in held.itertuples()}
    table = found.groups[found.groups["status"].astype("str") == "NA"]
    parted = any(row in found.apart for row in table.index)
    rows = []
    for number, group in itertools.islice(table.iterrows(), _LISTED):
        verdicts = [by_subject.get(("alert", str(each))) for each in group["children"]]
        rows.append(
            [
                _message(case, group), *_amounts(group, found), Cell(cut(group["sensor"]) or ABSENT),
                Cell(end(group["src_ip"]), code=True), Cell(time(group["first"])), *_said(verdicts),
                *([_not_alike(found, number, anchors)] if parted else []),
            ]
        )  # fmt: skip
    status = case.status("session")
    sessions = status[status == "NA"].index
    for name in itertools.islice(sessions, max(0, _LISTED - len(rows))):
        row = case.session(int(str(name)))
        what = f"session {name} → {end(row['dst_ip'], row['dst_port'])}"
        rows.append(
            [
                Cell(what), *([Cell("")] if found.joined else []), Cell(""), Cell(""), Cell(end(row["src_ip"]), code=True),
                Cell(time(row["start"])), *_said([by_subject.get(("session", str(name)))]), *([Cell("")] if parted else []),
            ]
        )  # fmt: skip
    if not rows:
        return None
    heads = [
        Head("what", wide=True), *_amount_heads(found), Head("sensor"), Head("source"), Head("first (UTC)"), Head("analyst"),
        Head("why", wide=True), Head("record", right=True), *([Head("not judged alike", wide=True)] if parted else []),
    ]  # fmt: skip
    left = len(table) + len(sessions) - len(rows)
    return Table(
        "No further action required", heads, rows, f"{many(left, 'more is', 'more are')} not listed." if left else ""
    )


def _said(verdicts: Sequence[Any]) -> list[Cell]:
    """Return who said so, why and where, each once: the alerts of a row can have been judged one after the other."""
    known = [each for each in verdicts if each is not None]
    if not known:
        return [Cell(""), Cell(""), Cell("")]
    why: dict[tuple[str, str], list[int]] = {}
    for each in known:
        why.setdefault((str(each.analyst), str(each.comment)), []).append(int(each.id))
    analysts = list(dict.fromkeys(analyst for analyst, _ in why))
    comments = [comment if len(analysts) == 1 else f"{analyst}: {comment}" for analyst, comment in why if comment]
    records = ranges(itertools.chain.from_iterable(why.values()))
    return [Cell(", ".join(analysts)), Cell(cut("\n".join(comments)), prose=True), Cell(records)]


def pending(case: Case, found: Queue, anchors: Mapping[int, tuple[str, str]]) -> Table | None:
    """Return the rows that wait for a verdict, the worst first; None where none does. `anchors` as in `dismissed`."""
    table = found.groups[found.groups["status"].astype("str") == "NEW"]
    table = table.sort_values(["priority", "first"], kind="stable")
    if not len(table):
        return None
    parted = any(row in found.apart for row in table.index)
    heads = [
        Head("priority", right=True), Head("message", wide=True), *_amount_heads(found), Head("sensor"), Head("source"),
        Head("first (UTC)"), Head("last (UTC)"), *([Head("not judged alike", wide=True)] if parted else []),
    ]  # fmt: skip
    rows = [
        [
            Cell(count(row["priority"])), _message(case, row), *_amounts(row, found), Cell(cut(row["sensor"]) or ABSENT),
            Cell(end(row["src_ip"]), code=True), Cell(time(row["first"])), Cell(time(row["last"])),
            *([_not_alike(found, number, anchors)] if parted else []),
        ]
        for number, row in table.head(_LISTED).iterrows()
    ]  # fmt: skip
    left = len(table) - len(rows)
    return Table("Not judged yet", heads, rows, f"{many(left, 'more is', 'more are')} not listed." if left else "")


def _message(case: Case, group: pd.Series) -> Cell:
    """Return a row's message, below it what other sensors call it."""
    told = tellings(case.alerts.take(case.alert_places(group["children"])))
    return Cell(cut(group["message"], 200) or ABSENT, below=others(told))


def _amount_heads(found: Queue) -> list[Head]:
    return [*([Head("events", right=True)] if found.joined else []), Head("alerts", right=True)]


def _amounts(group: pd.Series, found: Queue) -> list[Cell]:
    return [*([Cell(count(group["count"]))] if found.joined else []), Cell(count(len(group["children"])))]


def _not_alike(found: Queue, row: Any, anchors: Mapping[int, tuple[str, str]]) -> Cell:
    there = found.apart.get(int(row), ())
    words = "; ".join(f"{apart_words(each)} ({anchors[each.row][1]})" for each in there)
    return Cell(words, link=anchors[there[0].row][0] if len(there) == 1 else "")
