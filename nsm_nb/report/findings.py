"""What was found: each escalated or categorised alert group and session, with all that it stands on."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

import pandas as pd

from nsm_nb.errors import NsmError
from nsm_nb.report import words
from nsm_nb.report.conversation import SHOWN, Conversation, conversation
from nsm_nb.report.verdicts import Act, acts
from nsm_nb.report.words import (
    ABSENT,
    Badge,
    Cell,
    Head,
    Table,
    absent,
    count,
    cut,
    end,
    end_cell,
    ends,
    text_cell,
    time,
)
from nsm_nb.statistics import quantities
from nsm_nb.text import printable
from nsm_nb.triage import CATEGORIES

if TYPE_CHECKING:
    from nsm_nb.case import Case

__all__ = [
    "ALERTS",
    "FINDINGS",
    "TRANSCRIPTS",
    "WHOLE",
    "Finding",
    "Packet",
    "Rule",
    "dismissed",
    "findings",
    "pending",
]

TRANSCRIPTS = 5  # of one finding
ALERTS = 40  # rows of one finding's table of alerts, and of its table of sessions
WHOLE = 8 << 20  # bytes of transcripts in one report
LISTED = 200  # rows of the tables of what was dismissed and what waits
PACKET = 512  # bytes of the packet an alert is about

FINDINGS = tuple(each for each in CATEGORIES if each not in ("NA", "NEW"))
"""The categories that make a finding."""


@dataclass(frozen=True)
class Rule:
    """The rule that raised an alert, and where it stands."""

    text: str
    place: str
    references: str = ""


@dataclass(frozen=True)
class Packet:
    """The packet that an alert is about."""

    cells: Sequence[Cell]
    why: str
    rows: Sequence[str]  # hex
    left: int


@dataclass(frozen=True)
class Finding:
    """One finding, in the order of time."""

    number: int
    anchor: str
    badge: Badge
    title: str
    sensor: str
    start: pd.Timestamp
    when: str
    local: str
    facts: Sequence[tuple[str, Sequence[Cell], str]]
    acts: Sequence[Act]
    alerts: Table | None = None
    sessions: Table | None = None
    rule: Rule | None = None
    rule_missing: str = ""
    packet: Packet | None = None
    conversations: Sequence[Conversation] = ()
    elsewhere: Sequence[tuple[str, str, int]] = ()  # session, anchor, number of the finding that shows it
    unshown: Sequence[str] = ()  # sessions whose transcripts are not in the report


@dataclass
class _Told:
    """What the report has shown so far: a session's transcript stands in it once."""

    where: dict[str, tuple[str, int]] = field(default_factory=dict)
    spent: int = 0


def findings(case: Case, groups: pd.DataFrame, verdicts: pd.DataFrame) -> list[Finding]:
    """Return the findings of a case in order of time."""
    status = case.status("session")
    wanted = [
        ("alerts", row["first"], row) for _, row in groups[groups["status"].astype("str").isin(FINDINGS)].iterrows()
    ]
    for name, short in status[status.isin(FINDINGS)].items():
        row = case.session(int(str(name)))
        wanted.append(("session", row["start"], pd.concat([row, pd.Series({"status": short})])))
    last = pd.Timestamp.max.tz_localize("UTC")
    wanted.sort(key=lambda each: (last if absent(each[1]) else each[1], each[0]))
    told = _Told()
    made = []
    for number, (kind, _, row) in enumerate(wanted, 1):
        made.append(
            _group(case, number, row, verdicts, told)
            if kind == "alerts"
            else _session(case, number, row, verdicts, told)
        )
    return made


def _names(case: Case) -> dict[str, str]:
    """Return the name that the evidence gives each address; of several the first that was seen."""
    known = case.names.drop_duplicates("address")
    return dict(zip(known["address"].astype("str"), map(printable, known["name"]), strict=True))


def _group(case: Case, number: int, row: pd.Series, verdicts: pd.DataFrame, told: _Told) -> Finding:
    children = [str(each) for each in row["children"]]
    parent = case.alert(children[0])
    anchor = f"finding-{number}"
    alerts = case.alerts[case.alerts["alert"].isin(set(children))]
    joins = case.joins[case.joins["alert"].isin(set(children))].set_index("alert")
    numbers = [int(each) for each in joins.reindex(children)["session"].dropna()]
    sessions = {each: case.session(each) for each in dict.fromkeys(numbers)}
    mine = verdicts[(verdicts["subject_kind"].astype("str") == "alert") & verdicts["subject"].isin(set(children))]
    rule = _rule(case, children[0])
    conversations, elsewhere, unshown = _conversations(case, list(sessions.values()), anchor, number, told)
    what = _identity(parent)
    facts: list[tuple[str, Sequence[Cell], str]] = [
        (
            "signature",
            [text_cell("alerts", parent["alert"], "sid", parent["sid"], shown=what)],
            cut(parent["classification"]),
        ),
        ("priority", [text_cell("alerts", parent["alert"], "priority", parent["priority"])], "1 is worst"),
        ("sensor", [text_cell("alerts", parent["alert"], "sensor", parent["sensor"])], ""),
        ("alerts", [Cell(quantities.amount(len(children), "alert"))], _span(row)),
        ("the sensor names", [Cell(ends(parent), code=True)], "of the first alert"),
    ]
    return Finding(
        number, anchor, words.badge(str(row["status"])), cut(row["message"]), cut(row["sensor"], 60),
        row["first"], time(row["first"]), words.local(row["first"], case.settings.time_zone), facts, acts(mine),
        alerts=_alerts(alerts, joins, children, told),
        sessions=_sessions(sessions, joins, told) if len(sessions) > 1 else None,
        rule=rule,
        rule_missing="" if rule else f"The case has no rule {what}: name the rule files in case.toml to have it here.",
        packet=_packet(case, children[0]), conversations=conversations, elsewhere=elsewhere, unshown=unshown,
    )  # fmt: skip


def _session(case: Case, number: int, row: pd.Series, verdicts: pd.DataFrame, told: _Told) -> Finding:
    anchor = f"finding-{number}"
    name = str(row["session"])
    mine = verdicts[(verdicts["subject_kind"].astype("str") == "session") & (verdicts["subject"] == name)]
    alerts = case.alerts_of(int(name)) if len(case.alerts) else case.alerts
    joins = (
        case.joins[case.joins["alert"].isin(set(alerts["alert"]))].set_index("alert") if len(alerts) else pd.DataFrame()
    )
    conversations, elsewhere, unshown = _conversations(case, [row], anchor, number, told)
    zone = case.settings.time_zone
    return Finding(
        number, anchor, words.badge(str(row["status"])), f"Session {ends(row)}", "",
        row["start"], time(row["start"]),
        words.local(row["start"], zone), [("judged", [Cell("the session itself")], "")], acts(mine),
        alerts=_alerts(alerts, joins, list(alerts["alert"]), told) if len(alerts) else None,
        conversations=conversations, elsewhere=elsewhere, unshown=unshown,
    )  # fmt: skip


def _identity(alert: pd.Series) -> str:
    gid, sid, rev = (None if absent(alert[name]) else int(alert[name]) for name in ("gid", "sid", "rev"))
    if sid is None:
        return ABSENT
    return f"{1 if gid is None else gid}:{sid}" + ("" if rev is None else f", revision {rev}")


def _span(row: pd.Series) -> str:
    if absent(row["first"]) or row["first"] == row["last"]:
        return f"at {time(row['first'])} UTC"
    took = quantities.span((row["last"] - row["first"]).total_seconds())
    return f"from {time(row['first'])} to {time(row['last'])} UTC, {took}"


def _conversations(
    case: Case, rows: Sequence[pd.Series], anchor: str, number: int, told: _Told
) -> tuple[list[Conversation], list[tuple[str, str, int]], list[str]]:
    """Return the transcripts to show here, those that stand elsewhere, and the sessions that are only listed."""
    shown: list[Conversation] = []
    elsewhere: list[tuple[str, str, int]] = []
    unshown: list[str] = []
    for row in rows:
        name = str(row["session"])
        if name in told.where:
            elsewhere.append((name, *told.where[name]))
        elif len(shown) + len(elsewhere) >= TRANSCRIPTS or told.spent >= WHOLE:
            unshown.append(name)
        else:
            place = f"{anchor}-session-{len(shown) + 1}"
            made = conversation(case, row, anchor=place, names=_names(case), most=min(SHOWN, WHOLE - told.spent))
            told.where[name] = (place, number)
            told.spent += made.shown
            shown.append(made)
    return shown, elsewhere, unshown


def _alerts(alerts: pd.DataFrame, joins: pd.DataFrame, children: Sequence[str], told: _Told) -> Table:
    heads = [
        Head("alert, and its record"),
        Head("time (UTC)"),
        Head("source → destination"),
        Head("session"),
        Head("joined", wide=True),
    ]
    rows = []
    place = {name: number for number, name in enumerate(alerts["alert"])}
    for name in children[:ALERTS]:
        alert = alerts.iloc[place[name]]
        found = joins.loc[name] if name in joins.index else None
        session = "" if found is None or absent(found["session"]) else str(int(found["session"]))
        how = "no session was found" if found is None else f"{found['confidence']}: {found['how']}"
        where = f"{alert['evidence']}, record {alert['record']}"
        rows.append(
            [
                text_cell("alerts", name, "alert", name, code=True, below=where),
                text_cell("alerts", name, "time", alert["time"]), end_cell(alert),
                Cell(session or ABSENT, code=True, link=told.where.get(session, ("", 0))[0]), Cell(how),
            ]
        )  # fmt: skip
    left = len(children) - len(rows)
    more = (
        f"{left:,} more alerts of this finding are not listed; case.groups() in Python names them all." if left else ""
    )
    return Table("Its alerts, and the session that each is about", heads, rows, more)


def _sessions(sessions: Mapping[int, pd.Series], joins: pd.DataFrame, told: _Told) -> Table:
    heads = [
        Head("session, and its first record"), Head("start (UTC)"), Head("src → dst"), Head("packets", right=True),
        Head("octets of src", right=True), Head("octets of dst", right=True), Head("state"), Head("closed"),
        Head("alerts", right=True),
    ]  # fmt: skip
    alerts = joins["session"].value_counts()
    rows = []
    for number, row in list(sessions.items())[:ALERTS]:
        packets = [row["src_packets"], row["dst_packets"]]
        both = sum(int(each) for each in packets if not absent(each))

        def cell(column: str, *, row: pd.Series = row) -> Cell:
            return text_cell("sessions", row["session"], column, row[column])

        where = f"{row['evidence']}, {'frame' if row['source'] == 'pcap' else 'record'} {row['record']}"
        rows.append(
            [
                replace(cell("session"), text=str(number), code=True, below=where, link=told.where.get(str(number), ("", 0))[0]),
                cell("start"),
                end_cell(row), Cell(count(both)), cell("src_octets"), cell("dst_octets"), cell("state"), cell("closed"),
                Cell(count(alerts.get(number, 0))),
            ]
        )  # fmt: skip
    left = len(sessions) - len(rows)
    return Table("The sessions it is about", heads, rows, f"{left:,} more sessions are not listed." if left else "")


def _rule(case: Case, alert: str) -> Rule | None:
    found = case.rule_of(alert)
    if found is None:
        return None
    place = str(found["file"]).removeprefix(f"{printable(case.path)}/")
    references = found.get("references")
    listed = ", ".join(map(str, references)) if isinstance(references, list | tuple) else ""
    return Rule(cut(found["text"], 8_000), f"{place}, line {found['line']}", cut(listed))


def _packet(case: Case, alert: str) -> Packet | None:
    from nsm_nb.full_content import payload_bytes
    from nsm_nb.transcripts.rendering import hex_rows

    try:
        row = case.packet_of(alert)
        if row is None:
            return None
        data = payload_bytes(pd.DataFrame([row]), evidence=case.paths)[0].data
    except NsmError as problem:
        return Packet([], words.sentence(problem), [], 0)
    name = f"{row['evidence']}:{row['frame']}"
    cells = [
        text_cell("packets", name, "frame", int(row["frame"]), shown=f"frame {row['frame']} of {row['evidence']}"),
        text_cell("packets", name, "time", row["time"], shown=f"{time(row['time'])} UTC"),
        Cell(f"{end(row['src_ip'], row['src_port'])} → {end(row['dst_ip'], row['dst_port'])}", code=True),
        text_cell("packets", name, "payload", row["payload"], shown=f"{count(row['payload'])} bytes of payload"),
    ]
    return Packet(cells, str(row["why"]), list(hex_rows(data[:PACKET])), max(len(data) - PACKET, 0))


def dismissed(case: Case, groups: pd.DataFrame, held: pd.DataFrame) -> Table | None:
    """Return what was judged to need no action: alert groups and sessions; None where there is nothing."""
    by_subject = {(str(each.subject_kind), each.subject): each for each in held.itertuples()}
    rows = []
    for _, group in groups[groups["status"].astype("str") == "NA"].iterrows():
        verdict = by_subject.get(("alert", str(group["children"][0])))
        rows.append(
            [
                Cell(cut(group["message"], 200)), Cell(count(group["count"])), Cell(end(group["src_ip"]), code=True),
                Cell(time(group["first"])),
                *_said(verdict),
            ]
        )  # fmt: skip
    status = case.status("session")
    for name in status[status == "NA"].index:
        row = case.session(int(str(name)))
        what = f"session {name} → {end(row['dst_ip'], row['dst_port'])}"
        rows.append(
            [
                Cell(what),
                Cell(""),
                Cell(end(row["src_ip"]), code=True),
                Cell(time(row["start"])),
                *_said(by_subject.get(("session", str(name)))),
            ]
        )
    if not rows:
        return None
    heads = [
        Head("what", wide=True), Head("alerts", right=True), Head("source"), Head("first (UTC)"), Head("analyst"),
        Head("why", wide=True), Head("record", right=True),
    ]  # fmt: skip
    left = len(rows) - LISTED
    return Table(
        "No further action required", heads, rows[:LISTED], f"{left:,} more are not listed." if left > 0 else ""
    )


def _said(verdict: object) -> list[Cell]:
    if verdict is None:
        return [Cell(""), Cell(""), Cell("")]
    return [Cell(str(verdict.analyst)), Cell(cut(verdict.comment), prose=True), Cell(str(verdict.id))]  # type: ignore[attr-defined]


def pending(groups: pd.DataFrame) -> Table | None:
    """Return the alert groups that wait for a verdict, the worst first; None where none does."""
    table = groups[groups["status"].astype("str") == "NEW"].sort_values(["priority", "first"], kind="stable")
    if not len(table):
        return None
    heads = [
        Head("priority", right=True), Head("message", wide=True), Head("alerts", right=True), Head("sensor"), Head("source"),
        Head("first (UTC)"), Head("last (UTC)"),
    ]  # fmt: skip
    rows = [
        [
            Cell(count(row["priority"])), Cell(cut(row["message"], 200)), Cell(count(row["count"])),
            Cell(cut(row["sensor"]) or ABSENT),
            Cell(end(row["src_ip"]), code=True), Cell(time(row["first"])), Cell(time(row["last"])),
        ]
        for _, row in table.head(LISTED).iterrows()
    ]  # fmt: skip
    left = len(table) - len(rows)
    return Table("Not judged yet", heads, rows, f"{left:,} more are not listed." if left else "")
