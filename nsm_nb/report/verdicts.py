"""The ledger as the report tells it: what holds now, who said so, when and why; and every act of judging in its order."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import pandas as pd

from nsm_nb.report.words import Badge, Cell, Head, Table, badge, count, time
from nsm_nb.statistics import quantities
from nsm_nb.text import many
from nsm_nb.triage import CATEGORIES

if TYPE_CHECKING:
    from nsm_nb.case import Case

__all__ = ["KINDS", "Act", "Ledger", "acts", "held", "ledger", "listed", "summary"]

KINDS = ("alert", "session", "packet", "host")
_ACTS = 2_000  # shown of the whole ledger


@dataclass(frozen=True)
class Act:
    """One act of judging: one analyst, one moment, one category, one comment, any number of subjects."""

    first: int  # number of its first record in the ledger
    last: int
    records: int
    time: str
    analyst: str
    kind: str
    badge: Badge
    comment: str
    subject: str  # where it is one
    digest: str  # of its last record
    on: str = ""  # its subjects in words, where they are several, or of several sensors

    @property
    def place(self) -> str:
        """Which records of the ledger it is."""
        if self.first == self.last:
            return f"record {self.first}"
        whole = self.last - self.first + 1 == self.records
        return (
            f"records {self.first}-{self.last}"
            if whole
            else f"{self.records:,} of the records {self.first}-{self.last}"
        )


@dataclass(frozen=True)
class Ledger:
    """What the ledger is, and whether it is as it was written."""

    name: str
    ok: bool
    count: int
    head: str
    first_bad: int | None
    reason: str
    acts: Table


def acts(verdicts: pd.DataFrame, sensors: Mapping[str, str] | None = None) -> list[Act]:
    """Return verdicts as acts, in the order of the ledger; with the sensors of alerts each says whose they were."""
    if not len(verdicts):
        return []
    table = verdicts.sort_values("id", kind="stable")
    same = ["time", "analyst", "subject_kind", "category", "comment"]
    keys = table[same].astype({"subject_kind": "str", "category": "str"})
    changed = (keys != keys.shift()) & ~(keys.isna() & keys.shift().isna())
    found = []
    for _, rows in table.groupby(changed.any(axis=1).cumsum().to_numpy(), sort=True):
        first, last = rows.iloc[0], rows.iloc[-1]
        on = quantities.amount(len(rows), str(first["subject_kind"])) if len(rows) > 1 or sensors else ""
        if sensors:
            on += f" of {', '.join(sorted({sensors[each] for each in rows['subject'].tolist()}))}"
        found.append(
            Act(
                int(first["id"]), int(last["id"]), len(rows), time(first["time"]), str(first["analyst"]),
                str(first["subject_kind"]), badge(str(first["category"])), str(first["comment"]),
                str(first["subject"]) if len(rows) == 1 else "", str(last["digest"]), on,
            )
        )  # fmt: skip
    return found


def held(verdicts: pd.DataFrame) -> pd.DataFrame:
    """Return the verdict that holds for each subject: the last one, unless it made the subject new again."""
    table = verdicts.sort_values("id", kind="stable").drop_duplicates(["subject_kind", "subject"], keep="last")
    return table[table["category"].astype("str") != "NEW"]


def summary(held_now: pd.DataFrame, groups: pd.DataFrame, alerts: pd.DataFrame) -> Table:
    """Return how many alerts, queue rows and other subjects each category holds, and who said so."""
    category = held_now["category"].astype("str")
    kind = held_now["subject_kind"].astype("str")
    judged = set(held_now.loc[kind == "alert", "subject"])
    status = groups["status"].astype("str")
    heads = [
        Head("category"), Head("alerts", right=True), Head("queue rows", right=True), Head("sessions", right=True),
        Head("packets and hosts", right=True), Head("by", wide=True),
    ]  # fmt: skip
    rows = []
    unknown = sorted(set(category) - set(CATEGORIES))
    for short in [*(each for each in CATEGORIES if each != "NEW"), *unknown]:
        mine = held_now[category == short]
        kinds = mine["subject_kind"].astype("str").value_counts()
        shown = badge(short)
        others = int(kinds.get("packet", 0)) + int(kinds.get("host", 0))
        numbers = [int(kinds.get("alert", 0)), int((status == short).sum()), int(kinds.get("session", 0)), others]
        by = ", ".join(
            f"{name} {amount:,}" for name, amount in mine["analyst"].value_counts(sort=False).sort_index().items()
        )
        rows.append([Cell(shown.name, badge=shown), *(Cell(count(each)) for each in numbers), Cell(by)])
    new = badge("NEW")
    pending = [int((~alerts["alert"].isin(judged)).sum()), int((status == "NEW").sum())]
    rows.append([Cell(new.name, badge=new), *(Cell(count(each)) for each in pending), Cell(""), Cell(""), Cell("")])
    return Table("Verdicts that hold, by category", heads, rows)


def listed(held_now: pd.DataFrame, kinds: Iterable[str], links: Mapping[str, str]) -> Table | None:
    """Return the verdicts on packets and hosts (or other kinds), None where there are none."""
    rows = held_now[held_now["subject_kind"].astype("str").isin(list(kinds))]
    if not len(rows):
        return None
    heads = [
        Head("what"),
        Head("category"),
        Head("analyst"),
        Head("time (UTC)"),
        Head("why", wide=True),
        Head("record", right=True),
    ]
    cells = [
        [
            Cell(f"{each.subject_kind} {each.subject}", code=True, link=links.get(f"{each.subject_kind} {each.subject}", "")),
            Cell("", badge=badge(str(each.category))), Cell(str(each.analyst)), Cell(time(each.time)),
            Cell(str(each.comment), prose=True),
            Cell(str(each.id)),
        ]
        for each in rows.itertuples()
    ]  # fmt: skip
    return Table("Packets and hosts that were judged", heads, cells)


def ledger(case: Case, done: Sequence[Act]) -> Ledger:
    """Return what the ledger is and what a check of it finds."""
    found = case.verify()
    heads = [
        Head("records"), Head("time (UTC)"), Head("analyst"), Head("category"), Head("on"), Head("why", wide=True),
        Head("digest of the last"),
    ]  # fmt: skip
    rows = [
        [
            Cell(act.place.partition(" ")[2] if act.records > 1 else str(act.first)), Cell(act.time), Cell(act.analyst),
            Cell("", badge=act.badge),
            Cell(f"{act.kind} {act.subject}" if act.subject else many(act.records, act.kind), code=bool(act.subject)),
            Cell(act.comment, prose=True), Cell(act.digest[:16], "verdicts", str(act.last), "digest", act.digest, code=True),
        ]
        for act in done[:_ACTS]
    ]  # fmt: skip
    left = len(done) - len(rows)
    more = (
        f"{many(left, 'later act is', 'later acts are')} not shown; case.verdicts in Python has every record."
        if left
        else ""
    )
    table = Table("Every act of judging, in the order of the ledger", heads, rows, more)
    name = case.ledger.name.removeprefix(f"{case.path}/")  # the same wherever the case is opened from
    reason = found.reason.replace(
        "verify(head=...)", "nsm-nb verify --head HASH"
    )  # whoever reads has no Python at hand
    return Ledger(name, found.ok, found.count, found.head, found.first_bad, reason, table)
