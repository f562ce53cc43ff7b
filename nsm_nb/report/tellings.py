"""What each sensor says of the alerts of one row: its name for them, its signature, its rule; and each alert, by record."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import pandas as pd

from nsm_nb.report.words import ABSENT, Cell, Head, Table, absent, count, cut, ranges, text_cell
from nsm_nb.statistics import quantities
from nsm_nb.text import form, many, printable

if TYPE_CHECKING:
    from nsm_nb.case import Case

__all__ = ["Rule", "Telling", "others", "rules", "said", "tellings", "unlisted"]

_RULE = 8_000  # characters of one
_SHOWN = 40  # tellings of one row in its table, and rules
_RUNS = 2_000  # runs of record numbers that are written out for one file


@dataclass(frozen=True)
class Telling:
    """How one sensor tells of alerts: those with the same signature and message, the first of them in `alert`."""

    sensor: str
    identity: str
    alert: pd.Series
    alerts: int


@dataclass(frozen=True)
class Rule:
    """A rule that raised alerts, whose they are, and where it stands."""

    text: str
    place: str
    references: str = ""
    sensors: str = ""  # where several rules raised the alerts of one finding
    note: str = ""


def tellings(alerts: pd.DataFrame) -> list[Telling]:
    """Return what is said of alerts, that of the first alert first."""
    names = ["sensor", "gid", "sid", "rev", "message"]
    keys = alerts[names].astype({"sensor": "str", "message": "str"})
    number = keys.groupby(names, dropna=False, sort=False, observed=True).ngroup().to_numpy()
    first = pd.Series(range(len(alerts))).groupby(number, sort=True).agg(["first", "size"])
    found = [(alerts.iloc[int(at)], int(size)) for at, size in first.sort_values("first").to_numpy()]
    return [Telling(cut(row["sensor"]) or "an unnamed sensor", identity(row), row, size) for row, size in found]


def identity(alert: pd.Series) -> str:
    """Return generator, signature and revision of an alert."""
    gid, sid, rev = (None if absent(alert[name]) else int(alert[name]) for name in ("gid", "sid", "rev"))
    if sid is None:
        return ABSENT
    return f"{1 if gid is None else gid}:{sid}" + ("" if rev is None else f", revision {rev}")


def said(told: Sequence[Telling]) -> Table:
    """Return what each sensor says, as a table."""
    heads = [
        Head("sensor"), Head("alerts", right=True), Head("signature"), Head("message", wide=True), Head("classification"),
        Head("priority", right=True),
    ]  # fmt: skip
    rows = []
    for each in told[:_SHOWN]:
        alert = each.alert
        name = alert["alert"]
        rows.append(
            [
                text_cell("alerts", name, "sensor", alert["sensor"], shown=each.sensor), Cell(count(each.alerts)),
                text_cell("alerts", name, "sid", alert["sid"], shown=each.identity),
                text_cell("alerts", name, "message", alert["message"]), Cell(cut(alert["classification"]) or ABSENT),
                text_cell("alerts", name, "priority", alert["priority"]),
            ]
        )  # fmt: skip
    left = len(told) - len(rows)
    return Table(
        "What each sensor says of it", heads, rows, f"{many(left, 'more is', 'more are')} not listed." if left else ""
    )


def others(told: Sequence[Telling]) -> str:
    """Return in words the messages that differ from the first, with the sensor that says so; empty where none does."""
    first = str(told[0].alert["message"])
    names = {(each.sensor, cut(each.alert["message"], 200) or ABSENT): None for each in told
             if str(each.alert["message"]) != first}  # fmt: skip
    shown = [f"{sensor}: {message}" for sensor, message in names][:_SHOWN]
    return "; ".join(shown) + (f"; and {len(names) - _SHOWN:,} more" if len(names) > _SHOWN else "")


def rules(case: Case, told: Sequence[Telling]) -> tuple[list[Rule], str]:
    """Return the rules that raised alerts, each once, and a sentence on those that the case does not have."""
    found: dict[tuple[str, str, str, str], list[str]] = {}
    missing: dict[str, None] = {}
    for each in told[:_SHOWN]:
        rule = case.rule_of(str(each.alert["alert"]))
        if rule is None:
            missing[each.identity] = None
            continue
        place = str(rule["file"]).removeprefix(f"{printable(case.path)}/")
        references = rule.get("references")
        listed = ", ".join(map(str, references)) if isinstance(references, list | tuple) else ""
        key = (cut(rule["text"], _RULE), f"{place}, line {rule['line']}", cut(listed), str(rule["note"]))
        found.setdefault(key, []).append(each.sensor)
    several = len(found) > 1
    made = [
        Rule(text, place, references, ", ".join(dict.fromkeys(sensors)) if several else "", note)
        for (text, place, references, note), sensors in found.items()
    ]
    what = f"no {form(len(missing), 'rule', 'rules')} {', '.join(missing)}"
    return made, f"The case has {what}: name the rule files in case.toml to have it here." if missing else ""


def unlisted(alerts: pd.DataFrame) -> str:
    """Return a sentence that tells of alerts which are not listed one by one: by file and record.

    Of a file where they stand far apart, `_RUNS` runs of records are named and the rest is counted, with the last.
    """
    if not len(alerts):
        return ""
    parts = []
    for label, rows in alerts.groupby(alerts["evidence"].astype("str"), dropna=False, sort=True):
        records = rows["record"].dropna().astype("int64").tolist()
        parts.append(f"{quantities.amount(len(rows), 'record')} of {label}: {ranges(records, most=_RUNS)}")
    more = many(len(alerts), "more alert is", "more alerts are")
    return f"{more} not listed one by one. {form(len(alerts), 'It is', 'They are')} {'; '.join(parts)}."


def by_sensor(alerts: pd.DataFrame) -> Mapping[str, str]:
    """Return the sensor of each alert by its name."""
    sensors = alerts["sensor"].astype("str").fillna("an unnamed sensor")
    return dict(zip(alerts["alert"].tolist(), sensors.tolist(), strict=True))
