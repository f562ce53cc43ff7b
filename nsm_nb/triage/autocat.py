"""Rules that judge alerts by themselves, as Sguil's autocat does: every part must hold, the first rule that matches wins.

A rule is a plain value; `Ledger.add_rule` keeps it, `dry_run` says what it would do, `matches` does the work on any table of
ALERTS. Regular expressions are run by RE2, in time proportional to the text, and have a limit on the clock besides.

*Source*: reference/seed-systems.md 11.8; `nsm_nb.triage.autocat_conf` reads sguild's own file.
"""

from __future__ import annotations

import re
import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, NamedTuple

import numpy as np
import pandas as pd

from nsm_nb.errors import LedgerError
from nsm_nb.schema import ALERTS, TIME, in_network
from nsm_nb.text import form, many, printable
from nsm_nb.triage.given import category_of, comment_text, storable
from nsm_nb.triage.rule_parts import ANY, any_of, exact, network, ports, refusal, signature_number, try_pattern

__all__ = ["ANY", "PATIENCE", "Matches", "Rule", "dry_run", "matches"]

PATIENCE = 5.0
"""Seconds that the regular expression of one rule may take."""

_TEXT = 65_536  # characters of a message that are looked at
_BATCH = 2_048  # messages between two looks at the clock
_OF_ALERT = ("sensor", "proto", "src_ip", "src_port", "dst_ip", "dst_port", "gid", "sid", "message")
_PROTOCOLS = {"1": "icmp", "2": "igmp", "6": "tcp", "17": "udp", "47": "gre", "50": "esp", "58": "icmp6", "132": "sctp"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Rule:
    """A rule: what it looks for, and the category that it gives. Parts that are ``any`` match everything.

    Attributes
    ----------
    category
        Short name of the category.
    sensor
        The sensor's name.
    src_ip, dst_ip
        An address or a network in CIDR notation.
    src_port, dst_port
        A port, or a range such as ``1024-65535``.
    proto
        As in ALERTS: ``tcp``, ``udp`` ...; numbers are turned into names.
    gid, sid
        The number of the generator (1 for rules; alerts without one count as 1), and that of the signature.
    signature
        The message, to the letter; with `regexp` a regular expression (RE2) that is found anywhere in it.
    regexp
        Whether `signature` is a regular expression.
    comment
        Why; ESC demands one.
    owner
        Whose rule it is.
    expires
        When it stops, aware; never where None.
    active
        Whether it judges.
    number
        Which rule of a ledger it is; None before it is kept.

    Examples
    --------
    >>> rule = Rule(category="NA", src_ip="10.0.0.0/8", dst_port=53, signature="^ET DNS", regexp=True)
    >>> rule.proto, rule.dst_port
    ('any', '53')
    """

    category: str
    sensor: str = ANY
    src_ip: str = ANY
    src_port: str | int = ANY
    dst_ip: str = ANY
    dst_port: str | int = ANY
    proto: str | int = ANY
    gid: str | int = ANY
    sid: str | int = ANY
    signature: str = ANY
    regexp: bool = False
    comment: str = ""
    owner: str = ""
    expires: datetime | None = None
    active: bool = True
    number: int | None = None

    def __post_init__(self) -> None:
        chosen = category_of(self.category)
        put = lambda name, value: object.__setattr__(self, name, value)  # noqa: E731
        put("category", chosen.short)
        put("comment", comment_text(self.comment, chosen))
        for name in ("sensor", "signature", "owner"):
            put(name, storable(exact(getattr(self, name)) if name != "owner" else self.owner))
        for name in ("src_ip", "dst_ip"):
            put(name, network(any_of(getattr(self, name))))
        for name in ("src_port", "dst_port"):
            put(name, ports(any_of(getattr(self, name))))
        for name in ("gid", "sid"):
            put(name, signature_number(any_of(getattr(self, name))))
        proto = any_of(self.proto).lower()
        put("proto", _PROTOCOLS.get(proto, proto))
        if self.expires is not None and self.expires.tzinfo is None:
            raise LedgerError("a rule's `expires` must know its zone, such as datetime(2027, 1, 1, tzinfo=UTC)")
        if self.regexp:
            try_pattern(self.signature)

    @classmethod
    def from_alert(
        cls,
        alert: pd.Series,
        category: str = "NA",
        *,
        comment: str = "",
        owner: str = "",
        wide: Iterable[str] = ("src_port",),
        **parts: Any,
    ) -> Rule:
        """Return the rule that matches alerts like this one: same sensor, addresses, service, protocol and message.

        An alert without a message, or with one that a rule would take for `any`, is known by its gid and sid.

        Parameters
        ----------
        alert
            A row of ALERTS.
        category, comment, owner
            As in the rule.
        wide
            Parts to leave open: by default the port that the source happened to use.
        **parts
            Other parts of the rule as they shall be, such as ``dst_ip="any"``.

        Raises
        ------
        LedgerError
            Where the alert has neither message nor sid, and no part says what to look for: the rule would judge whatever
            else its hosts do.
        """
        said = {name: str(alert[name]) for name in _OF_ALERT if name in alert and not pd.isna(alert[name])}
        left = {*wide, *parts}
        given: dict[str, Any] = {part: said[part] for part in _OF_ALERT[:6] if part in said and part not in left}
        message = said.get("message", "")
        if not left & {"signature", "gid", "sid"}:
            if exact(message) != ANY:
                given["signature"] = message
            elif "sid" in said:
                given |= {"gid": said.get("gid", "1"), "sid": said["sid"]}
            elif message.strip():  # "any" is what it says
                given |= {"signature": rf"\A{re.escape(message)}\z", "regexp": True}
            else:
                raise LedgerError(
                    "the alert has neither a message nor a sid, so a rule made from it would judge all that its hosts do; "
                    "say what it shall look for: signature='...' or sid=..."
                )
        rule = cls(category=category, comment=comment, owner=owner, **{**given, **parts})
        if all(getattr(rule, part) == ANY for part in (*_OF_ALERT[:-1], "signature")):
            raise LedgerError("a rule made from an alert must look for something of it; every part is left open")
        return rule

    def __str__(self) -> str:
        parts = [
            f"{name} {getattr(self, name)}"
            for name in ("sensor", "proto", "src_ip", "src_port", "dst_ip", "dst_port", "gid", "sid")
            if getattr(self, name) != ANY
        ]
        if self.signature != ANY or self.regexp:
            parts.append(f"message {'~' if self.regexp else '='} {self.signature!r}")
        return printable(f"{', '.join(parts) or 'everything'}: {self.category}")


class Matches(NamedTuple):
    """Which rule matches each alert.

    Attributes
    ----------
    rule
        For each row the place in the list of rules, -1 where none matches.
    troubles
        Sentences about rules that could not be asked to the end; the others were. An alert that such a rule may mean is left
        to the analyst: no later rule gets it, as the earlier one might have won.
    """

    rule: np.ndarray
    troubles: list[str]


def matches(
    alerts: pd.DataFrame, rules: Sequence[Rule], *, at: datetime | None = None, patience: float = PATIENCE
) -> Matches:
    """Return which rule matches each alert first, in the order of the rules.

    Parameters
    ----------
    alerts
        A table of ALERTS. Of a message the first 65,536 characters are looked at.
    rules
        Those that are not active, or have expired, match nothing.
    at
        The time that they expire by; now where not given.
    patience
        Seconds that the regular expression of one rule may take; a rule that takes longer matches nothing, and keeps the
        alerts that it was asked about from the rules after it.

    Raises
    ------
    MissingColumn
        Where the table lacks a column that a rule looks at.
    """
    now = at or datetime.now(UTC)
    ALERTS.require(alerts, "sensor", "src_ip", "src_port", "dst_ip", "dst_port", "proto", "message")
    if any(rule.sid != ANY or rule.gid != ANY for rule in rules):
        ALERTS.require(alerts, "gid", "sid")
    columns = _Columns(alerts, patience)
    found = np.full(len(alerts), -1, np.int64)
    left = np.arange(len(alerts))
    troubles = []
    for place, rule in enumerate(rules):
        if not rule.active or (rule.expires is not None and rule.expires <= now):
            continue
        try:
            mine = columns.rows(rule, left)
        except _Unfinished as problem:
            troubles.append(
                f"rule {rule.number if rule.number is not None else place + 1}: {problem}; {many(len(problem.rows), 'alert')} "
                f"that it may mean {form(len(problem.rows), 'is', 'are')} left to you, and no later rule judges "
                f"{form(len(problem.rows), 'it', 'them')}"
            )
            left = np.setdiff1d(left, problem.rows, assume_unique=True)
            continue
        if len(mine):
            found[mine] = place
            left = left[found[left] < 0]
    return Matches(found, troubles)


def dry_run(
    alerts: pd.DataFrame, rules: Sequence[Rule], *, at: datetime | None = None, patience: float = PATIENCE
) -> pd.DataFrame:
    """Return what rules would do to alerts: a row a rule, with the `count` of alerts it wins, and `first` and `last` of them.

    `trouble` says why a rule could not be asked. Nothing is recorded. Parameters as `matches`.
    """
    found, troubles = matches(alerts, rules, at=at, patience=patience)
    told = dict(each.partition(": ")[::2] for each in troubles)
    rows = []
    for place, rule in enumerate(rules):
        times = alerts["time"].take(np.flatnonzero(found == place))
        number = rule.number if rule.number is not None else place + 1
        rows.append(
            (
                number,
                str(rule),
                rule.category,
                len(times),
                times.min(),
                times.max(),
                rule.comment,
                told.get(f"rule {number}"),
            )
        )
    table = pd.DataFrame(rows, columns=["number", "rule", "category", "count", "first", "last", "comment", "trouble"])
    return table.astype({"first": TIME, "last": TIME, "rule": "str", "comment": "str", "trouble": "str"})


class _Unfinished(LedgerError):
    """A rule that could not be asked to the end, and the rows that it may mean."""

    def __init__(self, reason: str, rows: np.ndarray):
        super().__init__(reason)
        self.rows = rows


class _Columns:
    """The columns of a table that rules ask about, each with its distinct values found once."""

    def __init__(self, alerts: pd.DataFrame, patience: float):
        self._alerts = alerts
        self._patience = patience
        self._coded: dict[str, tuple[np.ndarray, pd.Index]] = {}
        self._masks: dict[tuple[str, str], np.ndarray] = {}

    def rows(self, rule: Rule, among: np.ndarray) -> np.ndarray:
        """Return the rows, among some, that a rule matches; what is cheap to ask is asked first."""
        for column in ("src_ip", "dst_ip", "src_port", "dst_port", "gid", "sid", "sensor", "proto"):
            wanted = str(getattr(rule, column))
            if wanted != ANY and len(among):
                among = among[self._mask(column, wanted)[among]]
        if (rule.signature == ANY and not rule.regexp) or not len(among):
            return among
        codes, texts = self._code("message")
        if not rule.regexp:
            place = texts.get_indexer(pd.Index([rule.signature], dtype=texts.dtype))[0]
            return among[codes[among] == place] if place >= 0 else among[:0]
        asked = np.unique(codes[among])
        asked = asked[asked >= 0]
        hits = np.zeros(len(texts) + 1, bool)  # the last one stands for a missing message
        try:
            hits[asked] = _found(rule.signature, texts.take(asked), self._patience)
        except LedgerError as problem:
            raise _Unfinished(str(problem), among[codes[among] >= 0]) from problem
        return among[hits[codes[among]]]

    def _mask(self, column: str, wanted: str) -> np.ndarray:
        if (column, wanted) not in self._masks:
            self._masks[column, wanted] = self._ask(column, wanted)
        return self._masks[column, wanted]

    def _ask(self, column: str, wanted: str) -> np.ndarray:
        values = self._alerts[column]
        if column.endswith("_ip"):
            inside = in_network(values, wanted)
            if ":" not in wanted:  # sensors write IPv4 as ::ffff:10.0.0.7 too
                address, _, length = wanted.partition("/")
                inside |= in_network(values, f"::ffff:{address}/{96 + int(length or 32)}")
            return inside
        if column in ("gid", "sid"):
            return values.to_numpy(np.int64, na_value=1 if column == "gid" else -1) == int(wanted)
        if column.endswith("_port"):
            first, _, last = wanted.partition("-")
            numbers = values.to_numpy(np.int64, na_value=-1)
            return (numbers >= int(first)) & (numbers <= int(last or first))
        codes, texts = self._code(column)
        names = texts.str.lower() if column == "proto" else texts
        return codes == (names.get_indexer(pd.Index([wanted], dtype="str"))[0] if wanted in names else -2)

    def _code(self, column: str) -> tuple[np.ndarray, pd.Index]:
        if column not in self._coded:
            values = self._alerts[column]
            if isinstance(values.dtype, pd.CategoricalDtype):
                coded = values.cat.codes.to_numpy(), pd.Index(values.cat.categories, dtype="str")
            else:
                codes, texts = pd.factorize(values)
                coded = codes, pd.Index(texts, dtype="str")
            self._coded[column] = coded
        return self._coded[column]


def _found(pattern: str, texts: pd.Index, patience: float) -> np.ndarray:
    import pyarrow as pa
    import pyarrow.compute as pc

    deadline = time.monotonic() + patience
    hits = np.zeros(len(texts), bool)
    for start in range(0, len(texts), _BATCH):
        if time.monotonic() > deadline:
            raise LedgerError(
                f"its regular expression {printable(pattern)!r} took more than {patience:g} s, so it judged nothing: "
                "make it simpler, or narrow the rule by address or port"
            )
        part = pa.array([text[:_TEXT] for text in texts[start : start + _BATCH]], pa.large_string())
        try:
            hits[start : start + _BATCH] = pc.match_substring_regex(part, pattern).to_numpy(zero_copy_only=False)
        except pa.ArrowInvalid as problem:
            raise LedgerError(refusal(pattern, problem)) from problem
    return hits
