"""The rules that a ledger keeps. A change is one more record of the chain, so each rule has its history."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, fields, replace
from datetime import datetime
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from nsm_nb.errors import LedgerError
from nsm_nb.text import printable
from nsm_nb.triage.autocat import PATIENCE, Rule, matches
from nsm_nb.triage.chain import Act, Record, Reference
from nsm_nb.triage.given import analyst_name
from nsm_nb.triage.rows import table_of
from nsm_nb.triage.tables import verdicts

__all__ = ["Rulebook"]

_LATER = ("gid", "sid")  # parts that rules of older ledgers lack
_PARTS = [each.name for each in fields(Rule) if each.name != "number"]


class Rulebook:
    """The part of a ledger that keeps rules and lets them judge.

    A rule is a record of the kind ``rule``: its number is the subject, its definition the comment, as JSON.
    """

    _clock: Callable[[], datetime]
    record: Callable[..., list[Record]]
    _select: Callable[..., list[Record]]
    _status: Callable[[str], dict[str, str]]
    if TYPE_CHECKING:
        from nsm_nb.triage.store import Store

        _store: Store

    def add_rule(self, rule: Rule, *, analyst: str | None = None) -> Rule:
        """Keep a rule; return it with its number. Its owner is who adds it, where it names none.

        Rules are asked in the order of their numbers.
        """
        return self.add_rules([rule], analyst=analyst)[0]

    def add_rules(self, rules: Sequence[Rule], *, analyst: str | None = None) -> list[Rule]:
        """Keep rules, in their order; return them with their numbers."""
        who = analyst_name(analyst)
        left, kept = list(rules), []
        while left:
            known = self._rule_records()
            first = max((int(each.subject) for each in known if str(each.subject).isdecimal()), default=0) + 1
            numbered = [
                replace(rule, owner=rule.owner or who, number=number) for number, rule in enumerate(left, first)
            ]
            acts = [Act([str(rule.number)], rule.category, _written(rule), who, "rule") for rule in numbered]
            # Where somebody else has taken a number meanwhile, that rule is not recorded and gets another.
            taken = {each.subject for each in self.record(acts, unjudged=True)}
            kept += [rule for rule in numbered if str(rule.number) in taken]
            left = [rule for rule, made in zip(left, numbered, strict=True) if str(made.number) not in taken]
        return kept

    def change_rule(self, number: int, *, analyst: str | None = None, **parts: Any) -> Rule:
        """Change parts of a rule, such as ``active=False``, and return it; what it was before stays in its history."""
        who = analyst_name(analyst)
        known = {rule.number: rule for rule in self.rules(all=True)}
        if number not in known:
            raise LedgerError(f"there is no rule {number}; ledger.rules(all=True) lists them")
        unknown = sorted(set(parts) - set(_PARTS))
        if unknown:
            raise LedgerError(f"a rule has no {printable(unknown[0])!r}; it has {', '.join(_PARTS)}")
        rule = replace(known[number], **parts)
        self.record([Act([str(number)], rule.category, _written(rule), who, "rule")])
        return rule

    def rules(self, *, all: bool = False) -> list[Rule]:
        """Return the rules as they are now, in the order they are asked: those that judge, or all.

        A rule whose record somebody edited into nonsense is not among them; `verify` names the record.
        """
        now = self._clock()
        latest = {each.subject: each for each in self._rule_records()}
        rules = [rule for rule in map(_read, latest.values()) if rule is not None]
        rules.sort(key=lambda rule: rule.number or 0)
        return [rule for rule in rules if all or (rule.active and (rule.expires is None or rule.expires > now))]

    def rule_history(self, number: int | None = None) -> pd.DataFrame:
        """Return every version of a rule, or of all, as VERDICTS: who wrote it, when; the definition is the comment."""
        found = [each for each in self._rule_records() if number is None or each.subject == str(number)]
        return table_of(found)

    def apply_rules(
        self,
        alerts: pd.DataFrame,
        *,
        references: Callable[[pd.DataFrame], Mapping[str, Reference]] | None = None,
        patience: float = PATIENCE,
    ) -> tuple[pd.DataFrame, list[str]]:
        """Let the rules judge those alerts that nobody has judged yet.

        Each verdict is a record with the rule as its actor (``rule 3``) and ``rule 3: comment`` as its comment. What an
        analyst has judged, be it that it is new again, stays as it is.

        Parameters
        ----------
        alerts
            A table of ALERTS: the whole queue, or what has come since.
        references
            Says where in the evidence the rows of a table stand.
        patience
            As `nsm_nb.triage.autocat.matches`.

        Returns
        -------
        tuple
            The new rows of VERDICTS, and sentences about rules that could not be asked.
        """
        rules = self.rules()
        if not rules or not len(alerts):
            return table_of([]), []
        judged = self._status("alert")
        waiting = alerts[~alerts["alert"].isin(judged)] if judged else alerts
        found, troubles = matches(waiting, rules, at=self._clock(), patience=patience)
        acts = []
        for place in np.unique(found[found >= 0]).tolist():
            rule, mine = rules[place], waiting.take(np.flatnonzero(found == place))
            comment = f"rule {rule.number}: {rule.comment}".rstrip(": ")
            where = references(mine) if references is not None else None
            acts.append(Act(mine["alert"].tolist(), rule.category, comment, f"rule {rule.number}", "alert", where))
        return table_of(self.record(acts, unjudged=True) if acts else []), troubles

    def _rule_records(self) -> list[Record]:
        return self._select(verdicts.c.subject_kind == "rule")


def _written(rule: Rule) -> str:
    parts = asdict(rule)
    del parts["number"]
    parts["expires"] = rule.expires.isoformat() if rule.expires is not None else None
    return json.dumps(parts, ensure_ascii=False, sort_keys=True)


def _read(record: Record) -> Rule | None:
    try:
        parts = json.loads(record.comment)
        if parts["expires"] is not None:
            parts["expires"] = datetime.fromisoformat(parts["expires"])
        known = {name: parts[name] for name in _PARTS if name not in _LATER or name in parts}
        return Rule(**known, number=int(record.subject))
    except (ValueError, KeyError, TypeError, AttributeError, LedgerError):
        return None
