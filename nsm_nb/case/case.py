"""A case: one incident, its evidence, what was read from it and what was judged. The only state there is."""

from __future__ import annotations

import logging
import os
import shutil
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pandas as pd

from nsm_nb import alerts as alert_room
from nsm_nb import full_content, statistics
from nsm_nb import sessions as session_room
from nsm_nb.case import queries, settings
from nsm_nb.case.carved import carved
from nsm_nb.case.holdings import Holdings, retold
from nsm_nb.case.identity import Names, Naming, meanings, resolved
from nsm_nb.case.inventory import Progress
from nsm_nb.case.objects import objects_of, written
from nsm_nb.case.pivots import Pivots
from nsm_nb.case.selection import Selection
from nsm_nb.case.tables import together
from nsm_nb.errors import CaseError
from nsm_nb.schema import PACKETS, caveat_table, caveats_of
from nsm_nb.text import printable

if TYPE_CHECKING:
    from nsm_nb.case.growing import Followed

__all__ = ["Case"]

log = logging.getLogger(__name__)


class Case(Pivots):
    """One incident. Made by `open_case` and `create_case`; tables are made when they are first asked for.

    Parameters
    ----------
    path
        The case's directory, which holds case.toml.

    Attributes
    ----------
    path : Path
    settings : Settings
        What case.toml says.
    selection : Selection
        What the analyst has chosen, kept in the case.
    holdings : Holdings
        The files of evidence, and what was read of each; the tables of the case are made of it.
    alert_names : Names
        What the names of alerts meant, kept in the case.
    """

    def __init__(self, path: Path):
        self.path = path
        self.settings = settings.read(path)
        self._work = _workplace(path)
        self.selection = Selection(self._work / "selection.json")
        self.holdings = Holdings(self.settings, path, self._work / "index")
        self._made: dict[str, Any] = {}
        self.alert_names = Names(self._work / "names.json")
        self._last_naming: tuple[Iterable[str], Naming | None] = ((), None)

    def __repr__(self) -> str:
        return f"<Case {printable(self.name)} in {printable(self.path)}>"

    @property
    def name(self) -> str:
        """The case's name."""
        return self.settings.name

    @property
    def work(self) -> Path:
        """Where the case keeps what is made of it (index, ledger, reports): its directory, or a place in `home`."""
        return self._work

    # --- evidence

    def add(self, *paths: str | os.PathLike, copy: bool = False) -> pd.DataFrame:
        """Put files or folders among the evidence, as links, or copied; return the inventory.

        Raises
        ------
        CaseError
            Where a path is missing, its name is taken or hidden, or the evidence folder can't be written.
        """
        for each in paths:
            path = Path(each)
            place = self.settings.evidence / path.name
            if not path.exists():
                raise CaseError(f"{printable(path)} does not exist; check the path")
            if path.name.startswith("."):
                raise CaseError(
                    f"{printable(path)} is hidden by the dot in front of its name, and hidden files are no evidence; rename it"
                )
            if place.exists() or place.is_symlink():
                raise CaseError(f"the case has an evidence {printable(path.name)!r} already; rename the new one")
            try:
                self.settings.evidence.mkdir(parents=True, exist_ok=True)
                if not copy:
                    place.symlink_to(path.resolve())
                elif path.is_dir():
                    shutil.copytree(path, place)
                else:
                    shutil.copy2(path, place)
            except OSError as problem:
                raise CaseError(f"{printable(path)} can't be put among the evidence: {printable(problem)}") from problem
        return self.refresh()

    def refresh(self, *, progress: Progress | None = None) -> pd.DataFrame:
        """Look at the evidence again: all files are hashed anew, what changed is read anew; return the inventory."""
        self._made.clear()
        self.holdings.look_again(progress)
        return self.evidence

    def index(self, *, progress: Progress | None = None) -> pd.DataFrame:
        """Read all evidence that is not in the index yet; return the inventory.

        Parameters
        ----------
        progress
            Told the label, the bytes done and the bytes in all.
        """
        self.holdings.read_all(progress)
        return self.evidence

    @property
    def evidence(self) -> pd.DataFrame:
        """The inventory: a row a file, with size, SHA-256, format, what is in it, and what is wrong with it."""
        return self.holdings.inventory()

    def spare(self, path: str | os.PathLike) -> Path:
        """Return the path of a file or folder that is to be written, where that touches no evidence.

        Raises
        ------
        CaseError
            Where it is evidence, by whatever name, or lies in a folder of evidence.
        """
        place = os.path.realpath(path)
        files = list(self.paths.values())
        folders = {os.path.realpath(each) for each in [self.settings.evidence, *(file.parent for file in files)]}
        # hard links too
        same = os.path.lexists(place) and any(each.exists() and each.samefile(place) for each in files)
        if same or any(Path(place).is_relative_to(folder) for folder in folders):
            raise CaseError(
                f"{printable(path)} is or would be among the evidence, which is never written to; choose another"
            )
        return Path(path)

    def changed(self) -> pd.DataFrame:
        """Return the evidence whose bytes are not those of the inventory: `evidence`, `sha256`, `now`.

        Every file is hashed anew.
        """
        return self.holdings.changed()

    # --- tables

    @property
    def packets(self) -> pd.DataFrame:
        """PACKETS of all captures; mapped from the index where there is one capture."""
        return self._kept("packets", lambda: together(PACKETS, list(self.holdings.tables("packets").values())))

    @property
    def sessions(self) -> pd.DataFrame:
        """SESSIONS: those of the captures, and those flow records whose conversation no capture holds."""
        return self._kept("sessions", self.holdings.sessions)

    @property
    def alerts(self) -> pd.DataFrame:
        """ALERTS of all sensors, in order of time; what one sensor wrote in several formats counts once."""
        return self._kept("alerts", self._alerts)

    def _alerts(self) -> pd.DataFrame:
        table = self.holdings.alerts()
        self.alert_names.add(meanings(self.holdings.alert_pieces()))
        return alert_room.named(table, self.maps, self.rules)

    def take_followed(self, alerts: pd.DataFrame, told: pd.Series, followed: Sequence[Followed]) -> None:
        """Take the alerts of files that are followed, what stands for which, and where these files are."""
        for name in ("alert places", "alerted", "events", "joins", "naming"):
            self._made.pop(name, None)
        self._made["told"], self._made["followed"] = told, tuple(followed)
        self._made["alerts"] = alert_room.named(alerts, self.maps, self.rules)

    def _followed(self, alert: str) -> Followed | None:
        """Return the followed file that an alert stands in, None where that is not followed."""
        name = alert.partition(":")[0]
        return next((each for each in self._made.get("followed", ()) if name in (each.first, each.rest)), None)

    def _naming(self) -> Naming:
        """Return what the names of alerts mean now; the same object as long as no verdict is touched by what changed."""
        alerts, known = self.alerts, self.alert_names.known
        held = self._made.get("naming")
        if held is None or held[0] is not alerts or held[1] is not known:
            followed = [each.piece() for each in self._made.get("followed", ())]
            labels = {label for each in self._made.get("followed", ()) for label in (each.label, each.origin)}
            pieces = followed + [each for each in self.holdings.alert_pieces() if each.label not in labels]
            meant, caveats = resolved(known, pieces, self.holdings.prefixes)
            told = self._made["told"] if "told" in self._made else self.holdings.told()
            again = told[retold(told)]
            naming = Naming(meant, dict(zip(again.index.tolist(), again.tolist(), strict=True)))
            shown, last = self._last_naming
            if last is not None and last.agrees(naming, shown):
                last.take(naming)
                naming = last
            self._last_naming = alerts["alert"], naming
            held = self._made["naming"] = alerts, known, naming, caveats
        return held[2]

    @property
    def events(self) -> pd.Series:
        """The event that each alert tells of, named by its first alert: several sensors may tell of one."""
        return self._kept("events", lambda: alert_room.same_event(self.alerts))

    @property
    def joins(self) -> pd.DataFrame:
        """Which session each alert is about: `alert`, `session`, `confidence`, `how` it was found."""
        return self._kept("joins", lambda: alert_room.join(self.alerts, self.sessions))

    @property
    def alerted_sessions(self) -> pd.DataFrame:
        """SESSIONS with what alerts say of them: `alerts`, `alert_messages`, `alert_sids`; see `sessions.with_alerts`."""
        return self._kept("alerted", lambda: session_room.with_alerts(self.sessions, self.alerts, self.joins))

    def query(self, line: str) -> pd.DataFrame:
        """Return the sessions that match a query line, which may ask for alerts and ``$HOME``; see `nsm_nb.query`."""
        return session_room.query(self.alerted_sessions, line, home=self.settings.home_networks)

    @property
    def queries(self) -> pd.DataFrame:
        """The query lines that ship and those kept in the case: `name`, `line`, `answers`, `kept`."""
        return queries.table(self._work)

    def keep_query(self, name: str, line: str, answers: str = "") -> None:
        """Keep a query line in the case, in ``queries.toml``; see `nsm_nb.case.queries`."""
        queries.keep(self._work, name, line, answers)

    def drop_query(self, name: str) -> None:
        """Forget a query line that the case keeps."""
        queries.drop(self._work, name)

    @property
    def names(self) -> pd.DataFrame:
        """The names that the captures give to addresses, by DNS, TLS and HTTP; see `nsm_nb.full_content.names`."""
        return self._kept("names", lambda: full_content.names(self.packets, evidence=self.paths))

    @property
    def hosts(self) -> pd.DataFrame:
        """Who is there, with services, operating systems and names; see `nsm_nb.statistics.hosts`."""
        home = self.settings.home_networks
        return self._kept("hosts", lambda: statistics.hosts(self.packets, self.sessions, names=self.names, home=home))

    @property
    def measures(self) -> pd.DataFrame:
        """How well each session of the captures went: round trips, what was sent again; see `nsm_nb.sessions.measures`."""
        return self._kept("measures", lambda: session_room.measures(self.packets))

    @property
    def objects(self) -> pd.DataFrame:
        """The files that sessions carried, with hashes; computed when first asked for, see `nsm_nb.transcripts.objects`."""
        return self._kept("objects", lambda: objects_of(self))

    @property
    def caveats(self) -> pd.DataFrame:
        """CAVEATS: what is wrong with the evidence, every file's, and with the sensors' rules and maps."""
        self._naming()
        said = [*self.holdings.caveats(), *caveats_of(self.rules), *caveats_of(self.maps.messages)]
        return caveat_table([*said, *self._made["naming"][3]])

    @property
    def rules(self) -> pd.DataFrame:
        """The rules of the sensors, with file and line; empty where case.toml names none."""
        return self._kept("rules", lambda: alert_room.rules(sorted(self.holdings.rule_files())))

    @property
    def maps(self) -> alert_room.Maps:
        """What the sensors' maps say of messages, classes and references; see `nsm_nb.alerts.maps`."""
        return self._kept("maps", lambda: alert_room.maps(sorted(self.holdings.rule_files())))

    def _kept(self, name: str, make: Any) -> Any:
        if name not in self._made:
            self._made[name] = make()
        return self._made[name]

    # --- what is made of it

    def find_objects(self, progress: Progress | None = None) -> pd.DataFrame:
        """Return `objects`; `progress` is told how many of the sessions that may carry some were looked at."""
        return self._kept("objects", lambda: objects_of(self, progress=progress))

    def write_objects(
        self, which: pd.DataFrame | None = None, folder: str | os.PathLike | None = None, *, zipped: bool = False
    ) -> pd.DataFrame:
        """Write objects, each as ``<sha256>.bin``, or in a zip whose password is ``infected``; return them with `file`.

        `which` are rows of `objects`, all where not given; `folder` is the case's ``carved`` folder where not given.

        Raises
        ------
        CaseError
            Where the folder lies among the evidence.
        NsmError
            As `nsm_nb.transcripts.objects.write_objects`.
        """
        return written(self, which, None if folder is None else Path(folder), zipped=zipped)

    def carve(
        self,
        what: int | Iterable[int] | pd.DataFrame | str,
        path: str | os.PathLike | None = None,
        *,
        filter: str = "",
    ) -> Path:
        """Write packets to a new capture, by default a pcapng in the case's ``carved`` folder; return its path.

        `what` is a session or several, rows of PACKETS, or a filter in tcpdump's language; `filter` narrows the first two.
        Frames stand as in their capture; those of several captures in the order of time.

        Raises
        ------
        CaseError
            Where `path` is evidence, or lies among it.
        QueryError
            Where the filter can't be understood.
        NsmError
            As `nsm_nb.full_content.carve`.
        """
        return carved(self, what, path, filter=filter)


def _workplace(path: Path) -> Path:
    """Return where a case's index, ledger and selection are: in the case, or in `home` where the case is read-only."""
    if os.access(path, os.W_OK):
        return path
    return settings.home() / "read-only" / settings.named(path)
