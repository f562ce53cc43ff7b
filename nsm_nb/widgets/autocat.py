"""Rules that judge by themselves: made from an alert with one key, tried before they are kept, switched on and off."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import ipywidgets
import pandas as pd

from nsm_nb.errors import NsmError
from nsm_nb.text import many
from nsm_nb.triage import CATEGORIES
from nsm_nb.widgets.cells import Field, time
from nsm_nb.widgets.entry import Entry
from nsm_nb.widgets.grid import Grid
from nsm_nb.widgets.lines import Lines, line

if TYPE_CHECKING:
    from nsm_nb.case import Case
    from nsm_nb.triage.autocat import Rule

__all__ = ["Autocat", "rule_table"]

_COLUMNS = (
    Field("number", title="rule", kind="number", width=4), Field("on", kind="yes", width=4),
    Field("category", title="ST", width=5), Field("what", title="what it looks for", width=34),
    Field("comment", width=20), Field("owner", width=10), Field("expires", kind="clock", width=19),
)  # fmt: skip
_PARTS = ("sensor", "proto", "src_ip", "src_port", "dst_ip", "dst_port", "gid", "sid")
_WIDTHS = {
    "sensor": "150px", "proto": "110px", "src_ip": "170px", "src_port": "132px", "dst_ip": "170px", "dst_port": "132px",
    "gid": "90px", "sid": "140px",
}  # fmt: skip


def rule_table(rules: list[Rule]) -> pd.DataFrame:
    """Return rules as a table."""
    rows = [
        (each.number, each.active, each.category, str(each).rpartition(": ")[0], each.comment, each.owner, each.expires)
        for each in rules
    ]
    table = pd.DataFrame(rows, columns=[field.name for field in _COLUMNS])
    table["expires"] = pd.to_datetime(table["expires"], utc=True)
    return table.astype(
        {"number": "Int64", "on": bool, "category": "str", "what": "str", "comment": "str", "owner": "str"}
    )


class Autocat(ipywidgets.VBox):
    """A form for a rule, what it would do, and the list of rules.

    Parameters
    ----------
    case
        An open case.
    guard
        Wraps callbacks, so that what they raise is shown.
    changed
        Told when rules were kept or changed.
    """

    def __init__(self, case: Case, guard: Callable[[Callable], Callable], changed: Callable[[], object], **traits: Any):
        self.case = case
        self._changed = changed
        self.parts = {name: Entry(label=name.replace("_", " "), code=True, value="any") for name in _PARTS}
        for name, entry in self.parts.items():
            entry.layout.width = _WIDTHS[name]
        self.signature = Entry(label="message", code=True, value="any")
        self.signature.layout.flex = "1 1 300px"
        self.regexp = ipywidgets.Checkbox(
            description="is a regular expression", value=False, indent=False, layout={"width": "auto"}
        )
        self.category = ipywidgets.Dropdown(
            options=[(f"{each.short}  {each.name}", each.short) for each in CATEGORIES.values() if each.key], value="NA",
            description="gives", layout={"width": "225px"},
        )  # fmt: skip
        self.comment = Entry(label="comment", placeholder="why")
        self.comment.layout.flex = "1 1 140px"
        self.days = Entry(label="for days", placeholder="always")
        self.days.layout.width = "110px"
        self._try = ipywidgets.Button(description="try", tooltip="Say what it would judge; nothing is recorded")
        self._keep = ipywidgets.Button(
            description="keep", tooltip="Keep the rule: it judges what waits, and what comes"
        )
        self._switch = ipywidgets.Button(description="on / off", tooltip="Switch the rule with the cursor on or off")
        self.told = Lines(live="polite")
        self.grid = Grid(
            rule_table([]), columns=_COLUMNS, identity="number", height=130, fit=True, label="rules",
            style=lambda row: {"category": f"category-{row['category']}", "": "" if row["on"] else "muted"},
            empty="no rules yet: one is made from an alert with the key a",
        )  # fmt: skip
        rows = [
            ipywidgets.HBox([self.parts[name] for name in ("sensor", "proto", "gid", "sid")]),
            ipywidgets.HBox([self.parts[name] for name in ("src_ip", "src_port", "dst_ip", "dst_port")]),
            ipywidgets.HBox([self.signature, self.regexp]),
            ipywidgets.HBox([self.category, self.comment, self.days, self._try, self._keep]),
        ]
        for row in rows:
            row.add_class("nsm-bar")
        super().__init__([*rows, self.told, self.grid, ipywidgets.HBox([self._switch])], **traits)
        self._try.on_click(guard(lambda button: self.dry_run()))
        self._keep.on_click(guard(lambda button: self.keep()))
        self._switch.on_click(guard(lambda button: self.switch()))
        self.grid.on_activate(guard(lambda position: self.switch()))

    def show(self) -> None:
        """Show the rules as the ledger has them now."""
        self.grid.table = rule_table(self.case.ledger.rules(all=True))

    def take(self, alert: pd.Series, wide: Sequence[str] = ("src_port",)) -> None:
        """Fill the form with what matches alerts like this one, parts that are `wide` left open; say what it would judge."""
        from nsm_nb.triage.autocat import Rule

        rule = Rule.from_alert(alert, wide=wide)
        for name, entry in self.parts.items():
            entry.value = str(getattr(rule, name))
        self.signature.value, self.regexp.value = rule.signature, rule.regexp
        self.dry_run()

    def rule(self) -> Rule:
        """Return the rule that the form describes.

        Raises
        ------
        LedgerError
            Where a part of it can't be understood.
        """
        from nsm_nb.triage.autocat import Rule

        days, expires = self.days.value.strip(), None
        if days:
            try:
                expires = datetime.now(UTC) + timedelta(days=float(days))
            except (ValueError, OverflowError):
                raise NsmError(
                    f"{days!r} is no number of days; leave it empty for a rule that does not expire"
                ) from None
        parts: dict[str, Any] = {name: entry.value for name, entry in self.parts.items()}
        return Rule(
            category=str(self.category.value), comment=self.comment.value.strip(), signature=self.signature.value,
            regexp=self.regexp.value, expires=expires, **parts,
        )  # fmt: skip

    def dry_run(self) -> pd.DataFrame:
        """Say what the rule of the form would judge, among what waits; nothing is recorded."""
        found = self.case.try_rules([self.rule()])
        row = found.iloc[0]
        spans: list[Any] = [(f"would judge {many(int(row['count']), 'alert')} of those that wait", "strong")]
        if row["count"]:
            spans.append((f", from {time(row['first'])[:19]} to {time(row['last'])[:19]} UTC", "muted"))
        if pd.notna(row["trouble"]):
            spans.append((f"  {row['trouble']}", "doubt"))
        self.told.say(line(*spans))
        return found

    def keep(self) -> Rule:
        """Keep the rule of the form; it judges what waits at once, in its own name."""
        rule = self.case.ledger.add_rule(self.rule())
        before = len(self.case.status())
        self._changed()
        self.show()
        judged = len(self.case.status()) - before
        self.told.say(line((f"rule {rule.number} is kept", "strong"), f": it judged {many(judged, 'alert')} just now"))
        self.grid.active = len(self.grid.table) - 1
        return rule

    def switch(self) -> None:
        """Switch the rule with the cursor on or off; what it judged before stays judged."""
        row = self.grid.row
        if row is None:
            raise NsmError("choose a rule in the list first")
        rule = self.case.ledger.change_rule(int(row["number"]), active=not row["on"])
        self.told.say(line((f"rule {rule.number} is {'on' if rule.active else 'off'}", "strong")))
        self._changed()
        self.show()
