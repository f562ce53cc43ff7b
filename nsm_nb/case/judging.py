"""The part of a case that judges: verdicts and rules go to the ledger, the queue comes back folded."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from nsm_nb import alerts as alert_room
from nsm_nb.case.subjects import frames, hosts, number
from nsm_nb.errors import LedgerError, NsmError, UnknownName
from nsm_nb.query import Query
from nsm_nb.text import form, many, printable

if TYPE_CHECKING:
    from nsm_nb.case.growing import Followed
    from nsm_nb.case.holdings import Holdings
    from nsm_nb.case.identity import Naming
    from nsm_nb.case.settings import Settings
    from nsm_nb.triage import Ledger, Verification
    from nsm_nb.triage.autocat import Rule
    from nsm_nb.triage.chain import Reference

__all__ = ["Judging"]

log = logging.getLogger(__name__)


class Judging:
    """What `Case` knows of verdicts."""

    settings: Settings
    alerts: pd.DataFrame
    sessions: pd.DataFrame
    events: pd.Series
    evidence: pd.DataFrame
    names: pd.DataFrame
    session: Callable[[int], pd.Series]
    _work: Path
    _kept: Callable[[str, Any], Any]
    _naming: Callable[[], Naming]
    _followed: Callable[[str], Followed | None]
    holdings: Holdings
    _ledger: Ledger | None = None
    _ruled: tuple[pd.DataFrame, list[Rule]] | None = None

    @property
    def ledger(self) -> Ledger:
        """The ledger of verdicts; what it says of alerts is in their present names, what it holds as it was recorded."""
        if self._ledger is None:
            from nsm_nb.case.ledger import CaseLedger

            self._ledger = CaseLedger(self.settings.database or self._work / "ledger.db", self._naming)
        return self._ledger

    def judge(
        self,
        subjects: str | Iterable[str] | pd.DataFrame | Query,
        category: str,
        *,
        kind: str = "alert",
        comment: str = "",
        analyst: str | None = None,
    ) -> pd.DataFrame:
        """Judge alerts (or sessions, packets, hosts): write a verdict for each to the ledger; return the new records.

        Parameters
        ----------
        subjects
            Names of alerts, numbers of sessions, frames (``staged.pcap:3620``), addresses; one or many. Or a table of
            them; of a table of groups each child is judged. Or a query (`nsm_nb.query.compile`): everything in the case
            that matches it, whatever is shown; `category` is a column there too.
        category
            Short name: I ... VII, NA, ESC, NEW.
        kind
            ``alert``, ``session``, ``packet`` or ``host``.
        comment
            Why; ESC demands one.
        analyst
            Who; `NSM_ANALYST`, else the log-in name where not given.

        Returns
        -------
        DataFrame
            The new rows of VERDICTS; ``attrs["on"]`` says in words on what, such as ``12 alerts of 3 groups``.

        Raises
        ------
        UnknownName
            Where an alert, session or frame is not in this case; where a host is no address, and no name that it knows.
        LedgerError
            Where the ledger refuses it.
        """
        names, on = self._named(subjects, kind)
        references = self._references(names, kind)
        rows = self.ledger.judge(names, category, kind=kind, comment=comment, analyst=analyst, references=references)
        rows.attrs["on"] = on or many(len(rows), kind)
        return rows

    @property
    def verdicts(self) -> pd.DataFrame:
        """VERDICTS: all verdicts of the ledger, alerts by their present names; `ledger.verdicts()` has them as recorded."""
        table = self.ledger.verdicts()
        alerts = (table["subject_kind"].astype("str") == "alert").to_numpy(bool)
        if not alerts.any():
            return table
        now = self._naming().now
        names = [now(name) if named else name for name, named in zip(table["subject"].tolist(), alerts, strict=True)]
        return table.assign(subject=pd.array(names, dtype="str"))

    def status(self, kind: str = "alert") -> pd.Series:
        """Return the category that holds for each judged subject: index subject, value short name."""
        return self.ledger.status(kind)

    def history(self, subject: str, kind: str = "alert") -> pd.DataFrame:
        """Return the verdicts on one subject, oldest first."""
        return self.ledger.history(str(subject), kind)

    def verify(self, *, head: str | None = None) -> Verification:
        """Check the ledger's chain of digests; the result names the first bad record. `head` is one noted earlier."""
        return self.ledger.verify(head=head)

    def apply_rules(self) -> pd.DataFrame:
        """Let the ledger's rules judge those alerts that nobody has judged; return the new records.

        `groups` does this by itself. ``attrs["troubles"]`` holds a sentence about each rule that could not be asked.
        """
        from nsm_nb.triage.rows import table_of

        alerts, rules = self.alerts, self.ledger.rules()
        if self._ruled is not None and self._ruled[0] is alerts and self._ruled[1] == rules:
            return table_of([])
        rows, troubles = self.ledger.apply_rules(alerts, references=lambda table: self._places(table, "alert"))
        self._ruled = alerts, rules
        rows.attrs["troubles"] = troubles
        return rows

    def try_rules(self, rules: Sequence[Rule] | None = None) -> pd.DataFrame:
        """Return what rules would judge among the alerts that nobody has judged, and record nothing: a row a rule.

        Parameters
        ----------
        rules
            The rules to try; those of the ledger where not given.
        """
        from nsm_nb.triage.autocat import dry_run

        waiting = self.alerts[~self.alerts["alert"].isin(self.status().index)]
        return dry_run(waiting, self.ledger.rules() if rules is None else rules)

    def alert_places(self, names: Sequence[str]) -> np.ndarray:
        """Return where alerts stand in `alerts`, -1 for those that are not in this case."""
        # made once: asked of a column of Arrow's strings, each question would take apart all of its values
        index = self._kept("alert places", lambda: pd.Index(self.alerts["alert"].to_numpy(object), dtype=object))
        if not index.is_unique:
            twice = printable(index[index.duplicated()][0])
            raise NsmError(f"two alerts of this case have the name {twice}, so none can be told from it; report this")
        return index.get_indexer(pd.Index(names, dtype=object))

    def groups(
        self,
        *,
        by: Sequence[str] = ("src_ip", "message"),
        pending: bool | None = None,
        gap: pd.Timedelta | str | None = None,
        events: bool = False,
    ) -> pd.DataFrame:
        """Return the queue as Sguil folds it: a row for alerts of one source and message, with their count.

        The ledger's rules judge first what nobody has judged. ``attrs["troubles"]`` says what kept a rule from it.

        Parameters
        ----------
        by
            Columns that alerts of a group share, besides the sensor.
        pending
            True for groups that wait for a verdict, False for those that have one, None for all.
        gap
            How long a group may be silent before the next alert starts another, such as ``1h``; any time where not given.
        events
            Make one group of what several sensors saw, and count each event once.
        """
        try:
            troubles = self.apply_rules().attrs.get("troubles", [])
        except LedgerError as problem:  # such as one that is read-only: the queue can be looked at all the same
            log.warning("the rules judged nothing: %s", problem)
            troubles = [f"the rules judged nothing: {problem}"]
        told = self.events if events else None
        table = alert_room.correlate(self.alerts, by=tuple(by), status=self.status(), gap=gap, events=told)
        if pending is not None:
            table = table[(table["status"] == "NEW") == pending].reset_index(drop=True)
        table.attrs["troubles"] = troubles
        return table

    def _named(self, subjects: str | Iterable[str] | pd.DataFrame | Query, kind: str) -> tuple[list[str], str]:
        """Return the names of what is to be judged, each known to this case; and what they are, where a table says it."""
        if isinstance(subjects, Query):
            subjects = self._matching(subjects, kind)
        if isinstance(subjects, pd.DataFrame):
            names, on = _of_table(subjects, kind)
        elif isinstance(subjects, (str, int, np.integer)):
            names, on = [str(subjects)], ""
        else:
            names, on = [str(each) for each in subjects], ""
        if kind == "alert":
            unknown = np.flatnonzero(self.alert_places(names) < 0)
            if len(unknown):
                now = self._naming().now
                names = [now(name) for name in names]
                unknown = np.flatnonzero(self.alert_places(names) < 0)
            if len(unknown):
                name = names[int(unknown[0])]
                raise UnknownName(f"there is no alert {printable(name)!r} in this case; case.alerts lists them")
        elif kind == "session":
            names = [str(self.session(number(name))["session"]) for name in names]
        elif kind == "packet":
            names = frames(names, self._frames_of)
        elif kind == "host":
            names = hosts(names, lambda: self.names["name"])
        return names, on

    def _frames_of(self, label: str) -> int | None:
        table = self.holdings.table(label, "packets")
        return None if table is None else len(table)

    def _matching(self, query: Query, kind: str) -> pd.DataFrame:
        if kind not in ("alert", "session"):
            raise LedgerError(f"a query finds alerts or sessions; name the {printable(kind)}s to judge")
        table = self.alerts if kind == "alert" else self.sessions
        status = table[kind].astype("str").map(self.status(kind)).astype("str").fillna("NEW")
        found = query.rows(table.assign(category=status))
        if not len(found):
            raise LedgerError(f"nothing in this case matches {printable(query.line)!r}, so nothing was judged")
        return found

    def _references(self, names: Sequence[str], kind: str) -> Mapping[str, Reference]:
        """Return where in the evidence subjects stand, as far as that is known."""
        if kind == "alert":
            return self._places(self.alerts.take(self.alert_places(names)), kind)
        if kind == "session":
            wanted = self.sessions["session"].isin([int(name) for name in names if name.isdigit()])
            return self._places(self.sessions[wanted.to_numpy(bool, na_value=False)], kind)
        if kind == "packet":
            pairs = [name.rpartition(":") for name in names]
            frames = [
                {"packet": f"{label}:{frame}", "evidence": label, "record": int(frame)}
                for label, _, frame in pairs
                if frame.isdigit() and label in self._hashes()
            ]
            return self._places(pd.DataFrame(frames, columns=["packet", "evidence", "record"]), kind)
        return {}

    def _places(self, table: pd.DataFrame, kind: str) -> Mapping[str, Reference]:
        from nsm_nb.triage.chain import Reference

        hashes, grown = self._hashes(), self._grown(table) if kind == "alert" else {}
        found = {}
        for name, label, record in zip(
            table[kind].tolist(), table["evidence"].tolist(), table["record"].tolist(), strict=True
        ):
            if not pd.isna(label):
                place = grown.get(str(name).partition(":")[0]) or (str(label), hashes.get(str(label)))
                found[str(name)] = Reference(*place, None if pd.isna(record) else int(record))
        return found

    def _grown(self, alerts: pd.DataFrame) -> dict[str, tuple[str, str | None]]:
        """Return by the starts of names the file and the SHA-256 of those that are followed: of what was known of it."""
        found: dict[str, tuple[str, str | None]] = {}
        for start in {str(name).partition(":")[0] for name in alerts["alert"]}:
            at = self._followed(start)
            if at is None:
                continue
            at.settle(self.holdings.label_of)  # it may have been rotated a moment ago
            whole = self._hashes().get(at.label) == at.sha256
            first = form(at.size, "its first byte", f"its first {at.size:,} bytes")
            found[start] = (at.label if whole else f"{at.label} ({first})", at.sha256)
        return found

    def _hashes(self) -> Mapping[str, str]:
        def known() -> dict[str, str]:
            table = self.evidence[["evidence", "sha256"]].dropna()
            return dict(zip(table["evidence"].astype("str"), table["sha256"].astype("str"), strict=True))

        return self._kept("hashes", known)


def _of_table(table: pd.DataFrame, kind: str) -> tuple[list[str], str]:
    """Return the subjects that the rows of a table name, and what they are in words."""
    if "children" in table and kind == "alert":
        names = [name for children in table["children"] for name in children]
        return names, f"{many(len(names), 'alert')} of {many(len(table), 'group')}"
    if kind == "packet" and {"evidence", "frame"} <= set(table):
        return [f"{label}:{frame}" for label, frame in zip(table["evidence"], table["frame"], strict=True)], ""
    if kind not in table:
        raise LedgerError(f"the table names no {printable(kind)}s: it has no column {printable(kind)!r}")
    return [str(name) for name in table[kind].tolist()], ""
