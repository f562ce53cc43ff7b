"""What a report says, as plain data: a case goes in, texts, tables and figures' tables come out; no HTML yet."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import pandas as pd

from nsm_nb import statistics
from nsm_nb.report import findings as found
from nsm_nb.report import method, verdicts
from nsm_nb.report import queue as rows
from nsm_nb.report.words import Cell, Head, Table, absent, count, cut, local, text_cell, time
from nsm_nb.statistics import quantities
from nsm_nb.text import form, many

if TYPE_CHECKING:
    from nsm_nb.case import Case

__all__ = ["Content", "File", "content"]

TALKERS = 12
PROTOCOLS = 40
CAVEATS = 2_000
MARKS = 1_500  # alerts marked above the timeline; more than pixels to mark them on are thinned

_STEPS = ("1s", "2s", "5s", "10s", "30s", "1min", "5min", "10min", "30min", "1h", "6h", "1D", "7D")
_BARS = 600


@dataclass(frozen=True)
class File:
    """A file of evidence, and whether its bytes are still those of the inventory."""

    cells: Sequence[Cell]
    sha256: Cell
    state: str  # "same", "changed", "not hashed"
    now: str
    note: str


@dataclass(frozen=True)
class Content:
    """All that a report says."""

    title: str
    name: str
    date: str
    date_local: str
    zone: str
    analysts: str
    period: Sequence[str]
    headline: str
    alarms: Sequence[str]
    summary: Table
    findings: Sequence[found.Finding]
    dismissed: Table | None
    pending: Table | None
    others: Table | None
    timeline: pd.DataFrame | None
    marks: pd.DataFrame
    overview: Sequence[tuple[str, str, str]]
    protocols: Table | None
    talkers: Table | None
    files: Sequence[File]
    hashed: str
    caveats: Table | None
    ledger: verdicts.Ledger
    tools: Sequence[tuple[str, str]]
    method: Sequence[tuple[str, str]]
    commands: Sequence[tuple[str, str]]


def content(case: Case, date: pd.Timestamp) -> Content:
    """Return what the report of a case says at a date (aware)."""
    queue = rows.queue(case)  # first of all: the rules judge now what nobody has judged
    groups, records = queue.groups, case.verdicts
    held = verdicts.held(records)
    done = verdicts.acts(records)
    ledger = verdicts.ledger(case, done)
    changed = case.changed().set_index("evidence")
    evidence = case.evidence
    files = [_file(row, changed) for _, row in evidence.iterrows()]
    anchors = found.anchors(case, queue)
    findings = found.findings(case, queue, records, anchors)
    zone = case.settings.time_zone
    links = {f"session {name}": each.anchor for each in findings for name in [_judged_session(each)] if name}
    first, last = evidence["first"].min(), evidence["last"].max()
    return Content(
        title=case.settings.title or case.name,
        name=case.name,
        date=f"{date.tz_convert('UTC'):%Y-%m-%d %H:%M:%S} UTC",
        date_local=local(date, zone),
        zone=zone,
        analysts=", ".join(sorted(set(records["analyst"]))) or "nobody has judged yet",
        period=_period(first, last, zone),
        headline=_headline(case.alerts, queue, held, findings),
        alarms=_alarms(ledger, changed, held, case.alerts),
        summary=verdicts.summary(held, groups, case.alerts),
        findings=findings,
        dismissed=rows.dismissed(case, queue, held, anchors),
        pending=rows.pending(case, queue, anchors),
        others=verdicts.listed(held, ("packet", "host"), links),
        timeline=_timeline(case),
        marks=_marks(case.alerts),
        overview=_overview(case),
        protocols=_protocols(case.packets),
        talkers=_talkers(case.sessions),
        files=files,
        hashed=_hashed(files),
        caveats=_caveats(case.caveats),
        ledger=ledger,
        tools=method.tools(),
        method=method.method(case, joined=queue.joined),
        commands=method.commands(
            case,
            ledger.head,
            [(each.cells[0].text, each.sha256.value, each.cells[1].value) for each in files if each.state == "same"],
            findings,
        ),
    )


def _judged_session(finding: found.Finding) -> str:
    return finding.conversations[0].session if finding.alerts is None and finding.conversations else ""


def _period(first: pd.Timestamp, last: pd.Timestamp, zone: str) -> list[str]:
    if absent(first):
        return ["nothing in the evidence has a time"]
    near = [local(first, zone), local(last, zone)]
    said = [f"{time(first)} UTC", f"{time(last)} UTC", quantities.span((last - first).total_seconds())]
    return [*said, f"{near[0]} to {near[1]}" if near[0] else ""]


def _headline(alerts: pd.DataFrame, queue: rows.Queue, held: pd.DataFrame, findings: Sequence[found.Finding]) -> str:
    if not len(alerts) and not len(held):
        return "The evidence holds no alerts, and nothing has been judged yet."
    judged = int(alerts["alert"].isin(set(held.loc[held["subject_kind"].astype("str") == "alert", "subject"])).sum())
    waiting = len(alerts) - judged
    folded = quantities.amount(len(queue.groups), "queue row")
    said = many(len(alerts), "alert")
    if queue.joined:  # an event that several sensors saw counts once there
        said += f" of {many(queue.events, 'event')}"
    said += f" {form(len(alerts), 'folds', 'fold')} into {folded}"
    waits = many(int((queue.groups["status"].astype("str") == "NEW").sum()), "row")
    wait = f"{waiting:,} in {waits} {form(waiting, 'waits', 'wait')} for a verdict"
    said += f"; {many(judged, 'is', 'are')} judged" + (f", {wait}. " if waiting else ", none waits. ")
    if queue.parted:
        said += f"{many(queue.parted, 'event is', 'events are')} "
        said += "not judged alike in the alerts of all sensors, and so in a row for each verdict. "
    return said + f"{many(len(findings), 'finding stands', 'findings stand')} below."


def _alarms(ledger: verdicts.Ledger, changed: pd.DataFrame, held: pd.DataFrame, alerts: pd.DataFrame) -> list[str]:
    """Return what a reader has to know before anything else: sentences."""
    said = []
    if not ledger.ok:
        said.append(f"The ledger does not verify: {ledger.reason}. The verdicts below may not be what was judged.")
    said += [
        f"{label} is not as it was when the case was made: its SHA-256 was {row['sha256']}, now it is {row['now']}."
        for label, row in changed.iterrows()
    ]
    mine = held[held["subject_kind"].astype("str") == "alert"]
    gone = int((~mine["subject"].isin(set(alerts["alert"]))).sum())
    if gone:
        said.append(
            f"{quantities.amount(gone, 'judged alert')} can't be found in the evidence as it is now: files were taken "
            "away or changed since. They count in the summary and have no finding."
        )
    return said


def _file(row: pd.Series, changed: pd.DataFrame) -> File:
    label = str(row["evidence"])

    def cell(column: str, *, shown: str | None = None, code: bool = False) -> Cell:
        return text_cell("evidence", label, column, row[column], shown=shown, code=code)

    cells = [
        cell("evidence", shown=label, code=True), cell("format"), cell("size"), cell("rows"), cell("first"), cell("last"),
        cell("caveats"),
    ]  # fmt: skip
    now = str(changed.loc[label, "now"]) if label in changed.index else ""
    state = "changed" if now else "not hashed" if absent(row["sha256"]) else "same"
    note = "" if absent(row["note"]) else cut(row["note"], 1_000)
    return File(
        cells, cell("sha256", code=True), state, now, note.removeprefix(f"{label} is ").removeprefix(f"{label}: ")
    )


def _hashed(files: Sequence[File]) -> str:
    same = sum(each.state == "same" for each in files)
    changed = sum(each.state == "changed" for each in files)
    rest = len(files) - same - changed
    if not files:
        return "The case has no evidence."
    said = f"All evidence was hashed anew for this report: {same:,} of {quantities.amount(len(files), 'file')}"
    said += form(same, " is as in the inventory", " are as in the inventory")
    said += f", {changed:,} changed" if changed else ", none changed"
    return said + (f", {rest:,} can't be read." if rest else ".")


def _step(table: pd.DataFrame, column: str) -> str:
    seconds = (table[column].max() - table[column].min()).total_seconds()
    offsets = [(each, pd.Timedelta(each).total_seconds()) for each in _STEPS]
    return next((each for each, length in offsets if seconds / length <= _BARS), _STEPS[-1])


def _timeline(case: Case) -> pd.DataFrame | None:
    """Return packets by time and protocol, or sessions, or alerts, whatever the case has."""
    for table, value, column in (
        (case.packets, "packets", "time"), (case.sessions, "sessions", "start"), (case.alerts, "alerts", "time"),
    ):  # fmt: skip
        if len(table) and table[column].notna().any():
            return statistics.timeline(table, every=_step(table, column), by="proto", value=value, time=column)
    return None


def _marks(alerts: pd.DataFrame) -> pd.DataFrame:
    table = alerts.loc[alerts["time"].notna(), ["time", "priority"]]
    if len(table) <= MARKS:
        return table.reset_index(drop=True)
    width = max((table["time"].max() - table["time"].min()) / (MARKS // 5), pd.Timedelta(1, "ns"))
    place = (table["time"] - table["time"].min()) // width
    return table[~pd.DataFrame({"at": place, "priority": table["priority"]}).duplicated()].reset_index(drop=True)


def _overview(case: Case) -> list[tuple[str, str, str]]:
    packets, sessions, alerts = case.packets, case.sessions, case.alerts
    said = [("sessions", count(len(sessions)), "conversations, both directions together")]
    if len(packets):
        length = int(packets["length"].to_numpy().sum())
        said.insert(
            0, ("packets", count(len(packets)), f"{many(length, 'byte')} on the wire, {quantities.octets(length)}")
        )
    said.append(("alerts", count(len(alerts)), ", ".join(f"{name} {each:,}" for name, each in _by_sensor(alerts))))
    return said


def _by_sensor(alerts: pd.DataFrame) -> list[tuple[str, int]]:
    names = alerts["sensor"].astype("str").fillna("unknown sensor")
    return [(str(name), int(each)) for name, each in names.value_counts().sort_index().items()]


def _protocols(packets: pd.DataFrame) -> Table | None:
    if not len(packets):
        return None
    table = statistics.protocols(packets)
    heads = [
        Head("layers"),
        Head("packets", right=True),
        Head("bytes on the wire", right=True),
        Head("share", right=True),
    ]
    rows = [
        [
            Cell("\u2007" * 2 * int(row["level"]) + str(row["name"]), code=True), Cell(count(row["packets"])),
            Cell(count(row["length"])), Cell(quantities.share(row["share"])),
        ]
        for _, row in table.head(PROTOCOLS).iterrows()
    ]  # fmt: skip
    left = len(table) - len(rows)
    caption = f"Protocols by layer, each with all that it carries; from every frame of {_named(table)}"
    return Table(
        caption, heads, rows, f"{many(left, 'smaller layer is', 'smaller layers are')} not listed." if left else ""
    )


def _named(table: pd.DataFrame) -> str:
    names = [str(each) for each in table.attrs.get("evidence", [])]
    return ", ".join(names[:5]) + (f" and {len(names) - 5:,} more" if len(names) > 5 else "") or "the evidence"


def _talkers(sessions: pd.DataFrame) -> Table | None:
    if not len(sessions):
        return None
    table = statistics.talkers(sessions, by="octets")
    columns = {
        "octets": "octets", "sent_octets": "sent", "received_octets": "received", "sessions": "sessions", "opened": "opened",
        "answered": "answered", "peers": "peers",
    }  # fmt: skip
    amounts = [Head(each, right=True) for each in columns.values()]
    heads = [Head("host"), *amounts, Head("first (UTC)"), Head("last (UTC)")]
    rows = [
        [
            Cell(str(row["host"]), code=True), *(Cell(count(row[each])) for each in columns), Cell(time(row["first"])),
            Cell(time(row["last"])),
        ]
        for _, row in table.head(TALKERS).iterrows()
    ]  # fmt: skip
    left = len(table) - len(rows)
    caption = f"Who moved most, by octets (bytes at the IP layer); from the sessions of {_named(table)}"
    return Table(caption, heads, rows, f"{many(left, 'more host is', 'more hosts are')} not listed." if left else "")


def _caveats(table: pd.DataFrame) -> Table | None:
    if not len(table):
        return None
    heads = [
        Head("evidence"),
        Head("record", right=True),
        Head("byte", right=True),
        Head("kind"),
        Head("what it is", wide=True),
    ]
    rows = [
        [
            Cell(str(row["evidence"]), code=True), Cell(count(row["record"])), Cell(count(row["offset"])), Cell(str(row["kind"])),
            Cell(cut(row["detail"], 1_000)),
        ]
        for _, row in table.head(CAVEATS).iterrows()
    ]  # fmt: skip
    left = len(table) - len(rows)
    return Table(
        "Caveats: what is to be known about the evidence itself",
        heads,
        rows,
        f"{left:,} more: case.caveats in Python has all." if left else "",
    )
