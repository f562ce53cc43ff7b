"""What was found: each escalated or categorised row of the queue and session, with all that it stands on."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

import pandas as pd

from nsm_nb.errors import NsmError
from nsm_nb.report import tellings, words
from nsm_nb.report.conversation import SHOWN, Conversation, conversation
from nsm_nb.report.queue import Queue, apart_words
from nsm_nb.report.tellings import Rule, Telling
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
from nsm_nb.text import many, printable
from nsm_nb.triage import CATEGORIES

if TYPE_CHECKING:
    from nsm_nb.case import Case

__all__ = ["ALERTS", "FINDINGS", "TRANSCRIPTS", "WHOLE", "Finding", "Packet", "anchors", "findings"]

TRANSCRIPTS = 5  # of one finding
ALERTS = 40  # events of one finding whose alerts are listed, and rows of its table of sessions
WHOLE = 8 << 20  # bytes of transcripts in one report
PACKET = 512  # bytes of the packet an alert is about

FINDINGS = tuple(each for each in CATEGORIES if each not in ("NA", "NEW"))
"""The categories that make a finding."""


@dataclass(frozen=True)
class Packet:
    """The packet that an alert is about."""

    cells: Sequence[Cell]
    why: str
    rows: Sequence[str]  # hex
    left: int
    whose: str = "the first alert is about"


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
    apart: Sequence[tuple[str, str, str]] = ()  # what is not judged alike: words, anchor and name of where it stands
    said: Table | None = None  # what each sensor says, where several do
    alerts: Table | None = None
    sessions: Table | None = None
    rules: Sequence[Rule] = ()
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


def findings(case: Case, queue: Queue, verdicts: pd.DataFrame, anchors: Mapping[int, tuple[str, str]]) -> list[Finding]:
    """Return the findings of a case in order of time; `anchors` says where each row of the queue stands."""
    told = _Told()
    return [
        _group(case, number, queue, row, verdicts, anchors, told)
        if isinstance(row, int)
        else _session(case, number, row, verdicts, told)
        for number, row in enumerate(_wanted(case, queue), 1)
    ]


def anchors(case: Case, queue: Queue) -> dict[int, tuple[str, str]]:
    """Return where each row of the queue stands in the report: an anchor, and its name."""
    found = {
        row: ("dismissed", "section 3, dismissed" if status == "NA" else "section 3, not judged yet")
        for row, status in enumerate(queue.groups["status"].astype("str").tolist())
    }
    numbered = enumerate(_wanted(case, queue), 1)
    return found | {row: (f"finding-{number}", f"finding {number}") for number, row in numbered if isinstance(row, int)}


def _wanted(case: Case, queue: Queue) -> list[int | pd.Series]:
    """Return what makes a finding in the order of time: numbers of rows of the queue, and sessions with their `status`."""
    groups = queue.groups
    rows = groups.index[groups["status"].astype("str").isin(FINDINGS)].tolist()
    wanted: list[tuple[pd.Timestamp, str, int | pd.Series]] = [
        (groups["first"].iloc[row], "alerts", int(row)) for row in rows
    ]
    status = case.status("session")
    for name, short in status[status.isin(FINDINGS)].items():
        session = case.session(int(str(name)))
        wanted.append((session["start"], "session", pd.concat([session, pd.Series({"status": short})])))
    last = pd.Timestamp.max.tz_localize("UTC")
    wanted.sort(key=lambda each: (last if absent(each[0]) else each[0], each[1]))
    return [each for _, _, each in wanted]


def _names(case: Case) -> dict[str, str]:
    """Return the name that the evidence gives each address; of several the first that was seen."""
    known = case.names.drop_duplicates("address")
    return dict(zip(known["address"].astype("str"), map(printable, known["name"]), strict=True))


def _group(
    case: Case,
    number: int,
    queue: Queue,
    at: int,
    verdicts: pd.DataFrame,
    anchors: Mapping[int, tuple[str, str]],
    told: _Told,
) -> Finding:
    row = queue.groups.iloc[at]
    children = [str(each) for each in row["children"]]
    anchor = f"finding-{number}"
    alerts = case.alerts.take(case.alert_places(children))  # in order of time
    joins = case.joins[case.joins["alert"].isin(set(children))].set_index("alert")
    numbers = [int(each) for each in joins.reindex(children)["session"].dropna()]
    sessions = {each: case.session(each) for each in dict.fromkeys(numbers)}
    mine = verdicts[(verdicts["subject_kind"].astype("str") == "alert") & verdicts["subject"].isin(set(children))]
    said = tellings.tellings(alerts)
    sensors = tellings.by_sensor(alerts) if len({each.sensor for each in said}) > 1 else {}
    rules, missing = tellings.rules(case, said)
    conversations, elsewhere, unshown = _conversations(case, list(sessions.values()), anchor, number, told)
    events = case.events.reindex(children) if queue.joined else pd.Series(children, index=children)
    return Finding(
        number, anchor, words.badge(str(row["status"])), cut(row["message"]), cut(row["sensor"], 60),
        row["first"], time(row["first"]), words.local(row["first"], case.settings.time_zone), _facts(row, alerts, said),
        acts(mine, sensors),
        apart=[(apart_words(each), *anchors[each.row]) for each in queue.apart.get(at, ())],
        said=tellings.said(said) if len(said) > 1 else None,
        alerts=_alerts(alerts, joins, events, told),
        sessions=_sessions(sessions, joins, told) if len(sessions) > 1 else None,
        rules=rules, rule_missing=missing,
        packet=_packet_of_any(case, alerts, events), conversations=conversations, elsewhere=elsewhere, unshown=unshown,
    )  # fmt: skip


def _facts(row: pd.Series, alerts: pd.DataFrame, said: Sequence[Telling]) -> list[tuple[str, Sequence[Cell], str]]:
    parent = alerts.iloc[0]
    worst = alerts[(alerts["priority"] == row["priority"]).to_numpy(bool, na_value=False)]
    worst = worst.iloc[0] if len(worst) else parent
    amount = quantities.amount(len(alerts), "alert")
    if row["count"] != len(alerts):
        amount += f" of {quantities.amount(int(row['count']), 'event')}"
    facts: list[tuple[str, Sequence[Cell], str]] = [
        ("priority", [text_cell("alerts", worst["alert"], "priority", worst["priority"])], "1 is worst"),
        ("alerts", [Cell(amount)], _span(row)),
        ("the sensor names", [Cell(ends(parent), code=True)], "of the first alert"),
    ]
    if len(said) > 1:  # a table tells each
        return facts
    sid = text_cell("alerts", parent["alert"], "sid", parent["sid"], shown=said[0].identity)
    sensor = text_cell("alerts", parent["alert"], "sensor", parent["sensor"])
    return [("signature", [sid], cut(parent["classification"])), facts[0], ("sensor", [sensor], ""), *facts[1:]]


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
        alerts=_alerts(alerts, joins, pd.Series(list(alerts["alert"])), told) if len(alerts) else None,
        conversations=conversations, elsewhere=elsewhere, unshown=unshown,
    )  # fmt: skip


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


def _alerts(alerts: pd.DataFrame, joins: pd.DataFrame, events: pd.Series, told: _Told) -> Table:
    """Return alerts, those of the first `ALERTS` of their events one by one; the others are named below by their records."""
    several = alerts["sensor"].nunique() > 1
    heads = [
        Head("alert, and its record"), *([Head("sensor")] if several else []), Head("time (UTC)"), Head("source → destination"),
        Head("session"), Head("joined", wide=True),
    ]  # fmt: skip
    rows = []
    listed = pd.factorize(events)[0] < ALERTS
    for _, alert in alerts[listed].iterrows():
        name = alert["alert"]
        found = joins.loc[name] if name in joins.index else None
        session = "" if found is None or absent(found["session"]) else str(int(found["session"]))
        how = "no session was found" if found is None else f"{found['confidence']}: {found['how']}"
        where = f"{alert['evidence']}, record {alert['record']}"
        rows.append(
            [
                text_cell("alerts", name, "alert", name, code=True, below=where),
                *([text_cell("alerts", name, "sensor", alert["sensor"])] if several else []),
                text_cell("alerts", name, "time", alert["time"]), end_cell(alert),
                Cell(session or ABSENT, code=True, link=told.where.get(session, ("", 0))[0]), Cell(how),
            ]
        )  # fmt: skip
    left = tellings.unlisted(alerts[~listed])
    return Table("Its alerts, and the session that each is about", heads, rows, left)


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
    return Table(
        "The sessions it is about",
        heads,
        rows,
        f"{many(left, 'more session is', 'more sessions are')} not listed." if left else "",
    )


def _packet_of_any(case: Case, alerts: pd.DataFrame, events: pd.Series) -> Packet | None:
    """Return the packet that the first alert is about; where it has none, that of the same event as another sensor tells it."""
    for place, (_, alert) in enumerate(alerts[(events == events.iloc[0]).to_numpy()].iterrows()):
        found = _packet(case, str(alert["alert"]))
        if found is not None:
            whose = f"the first event is about, as {cut(alert['sensor'], 60)} tells it"
            return replace(found, whose=whose) if place else found
    return None


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
    carried = count(row["payload"])  # which may be unknown
    payload = f"{carried} {'byte' if carried == '1' else 'bytes'}"
    cells = [
        text_cell("packets", name, "frame", int(row["frame"]), shown=f"frame {row['frame']} of {row['evidence']}"),
        text_cell("packets", name, "time", row["time"], shown=f"{time(row['time'])} UTC"),
        Cell(f"{end(row['src_ip'], row['src_port'])} → {end(row['dst_ip'], row['dst_port'])}", code=True),
        text_cell("packets", name, "payload", row["payload"], shown=f"{payload} of payload"),
    ]
    return Packet(cells, str(row["why"]), list(hex_rows(data[:PACKET])), max(len(data) - PACKET, 0))
