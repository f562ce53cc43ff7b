"""What a case holds: the tables that were read of its files of evidence, together."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from nsm_nb import formats
from nsm_nb.alerts import told_by
from nsm_nb.case import rotated
from nsm_nb.case.doubles import doubled, fullest, retagged
from nsm_nb.case.identity import DIGITS, Piece
from nsm_nb.case.index import Entry, make
from nsm_nb.case.indexed import Indexed, tables_of
from nsm_nb.case.inventory import File, Progress
from nsm_nb.case.recorded import recorded, timeless, unmatched
from nsm_nb.case.searching import searchable
from nsm_nb.case.settings import Settings
from nsm_nb.case.tables import together
from nsm_nb.schema import ALERTS, PACKETS, SESSIONS, Caveat
from nsm_nb.sessions.identity import with_community_id, with_numbers
from nsm_nb.text import form, many

__all__ = ["Holdings", "filled", "retold"]

_COLUMNS = {
    "evidence": "str", "path": "str", "size": "Int64", "sha256": "str", "format": "str", "tables": "str", "rows": "Int64",
    "first": "Int64", "last": "Int64", "caveats": "Int64", "note": "str",
}  # fmt: skip


class Holdings(Indexed):
    """The evidence of one case, on disk and in the index; each table is read when it is first asked for.

    Parameters are those of `nsm_nb.case.files.Files`.
    """

    def __init__(self, settings: Settings, folder: Path, index: Path):
        super().__init__(settings, folder, index)
        self._tables: dict[tuple[str, str], pd.DataFrame | None] = {}
        self._doubles: pd.Series | None = None
        self._told: pd.Series | None = None
        self._runs: list[list[rotated.Piece]] | None = None

    def look_again(self, progress: Progress | None = None) -> None:
        """Hash all files anew, and forget what was read of them."""
        self._tables.clear()
        self._doubles = self._told = self._runs = None
        super().look_again(progress)

    # --- what there is

    def inventory(self) -> pd.DataFrame:
        """Return a row a file: what it is, what was read of it, what is wrong with it."""
        rules = self.rule_files()
        rows = []
        for file in self.files():
            entry = Entry(self._index, self._key(file))
            read = entry.meta() if file.format and entry.there else {"tables": {}, "caveats": []}
            spans = list(read["tables"].values())
            trouble = self._trouble.get(file.label, "")
            rows.append(
                {
                    "evidence": file.label,
                    "path": str(file.path),
                    "size": file.size,
                    "sha256": file.sha256 or None,
                    "format": file.format,
                    "tables": ", ".join(_holds(file, read["tables"])),
                    "rows": _rows(read["tables"]),
                    "first": min((span["first"] for span in spans if span["first"] is not None), default=None),
                    "last": max((span["last"] for span in spans if span["last"] is not None), default=None),
                    "caveats": len(read["caveats"]) + bool(trouble),
                    "note": trouble or ("rules of the sensors" if file.path in rules else file.note),
                }
            )
        # column by column: by way of floats the nanoseconds would be lost
        table = pd.DataFrame(
            {name: pd.array([row[name] for row in rows], dtype=dtype) for name, dtype in _COLUMNS.items()}
        )
        for name in ("first", "last"):
            table[name] = pd.to_datetime(table[name], unit="ns", utc=True).astype("datetime64[ns, UTC]")
        return table

    def caveats(self) -> list[Caveat]:
        """Return the caveats of all files, each once."""
        rules = self.rule_files()
        found: dict[Caveat, None] = {}
        for file in self.files():
            if file.note and file.path not in rules:
                found[Caveat(file.label, None, None, "format", file.note)] = None
            entry = self._entry(file)
            if entry is not None:
                told = entry.caveats(file.label)
                found |= dict.fromkeys([*told, *searchable(file, told, recover=self._settings.recover)])
            elif file.label in self._trouble:
                found[Caveat(file.label, None, None, "damage", self._trouble[file.label])] = None
        found |= dict.fromkeys(self._twice())
        return list(found)

    def _twice(self) -> list[Caveat]:
        """Return what is there twice: whole files, and sessions of several captures."""
        first: dict[str, str] = {}
        told = []
        for file in self.files():
            same = first.setdefault(file.content, file.label) if file.format else file.label
            if same != file.label:
                detail = f"{file.label} holds the same bytes as {same}; they count once"
                told.append(Caveat(file.label, None, None, "duplicates", detail))
        owners = self._owners()
        if len(owners):
            captures = [label for label, table in self._captures().items() if table["session"].isin(owners.index).any()]
            detail = (
                f"{many(len(owners), 'session is', 'sessions are')} in {_listed(captures)}; each counts once, from the "
                "capture that holds most of its bytes; the packets are those of each capture"
            )
            told.append(Caveat(captures[0], None, None, "duplicates", detail))
        count, labels = retagged(self._captures()) if self._settings.by_vlan else (0, [])
        if count:
            detail = (
                f"{many(count, 'session')} of {_listed(labels)} {form(count, 'differs', 'differ')} in nothing but "
                f"{form(count, 'its', 'their')} VLAN, and each counts; where one is the copy "
                "of the other with a tag, by_vlan = false in case.toml, above any line in brackets, makes them one"
            )
            told.append(Caveat(labels[0], None, None, "duplicates", detail))
        for run in self._rotated():
            names = _listed([piece.label for piece in run])
            detail = f"{names} are one capture in {len(run):,} pieces: conversations run on from one to the next"
            told.append(Caveat(run[0].label, None, None, "rotated", detail))
        told += self._timeless()
        again = retold(self.told())
        for label, count in self._every_alert()["evidence"][again].value_counts().items():
            if count:
                stand = form(count, "stands", "stand")
                detail = f"{many(count, 'alert')} of {label} {stand} in another file of the same sensor too; each counts once"
                told.append(Caveat(str(label), None, None, "duplicates", detail))
        return told

    def _timeless(self) -> list[Caveat]:
        """Return which records may tell of sessions of captures, but tell no time."""
        told, captured = [], None
        for label, table in self.tables("sessions").items():
            records = table[~_captured(table) & table["start"].isna().to_numpy()]
            if len(records):
                if captured is None:
                    captured = {each for found in self._captures().values() for each in found["community_id"].dropna()}
                told += timeless(label, records, captured)
        return told

    # --- tables

    def table(self, label: str, name: str) -> pd.DataFrame | None:
        """Return ``packets``, ``sessions`` or ``alerts`` of one evidence, None where it has none."""
        key = (label, name)
        if key not in self._tables:
            entry = self._entry(self.file(label))
            table = None
            if entry is not None and name in entry.meta()["tables"]:
                table = self._opened(entry, name, label)
                sensor = self._settings.sensor_of(label)
                if sensor is not None and table is not None and "sensor" in table:
                    table["sensor"] = filled(table["sensor"], sensor)
            if name == "packets" and table is not None:
                table = self._in_run(label, table)
            if name == "alerts" and table is not None:
                table = _named(table, self.file(label).sha256)
            self._tables[key] = table
        return self._tables[key]

    # --- rotated captures

    def pieces_of(self, label: str) -> list[str]:
        """Return the captures that a capture is rotated with, in the order of the times inside; else it alone."""
        run = self._run_of(label)
        return [label] if run is None else [piece.label for piece in run]

    def _run_of(self, label: str) -> list[rotated.Piece] | None:
        return next((run for run in self._rotated() if any(piece.label == label for piece in run)), None)

    def _rotated(self) -> list[list[rotated.Piece]]:
        """Return the captures that are pieces of one; only those with like names are read for it."""
        if self._runs is None:
            captures: dict[str, File] = {}
            for file in self.files():
                if file.format == "pcap" and file.sha256:
                    captures.setdefault(file.content, file)
            names = Counter(rotated.named(file.label) for file in captures.values())
            pieces = []
            for file in captures.values():
                entry = self._entry(file) if names[rotated.named(file.label)] > 1 else None
                span = {} if entry is None else entry.meta()["tables"].get("packets", {})
                if span.get("first") is not None:
                    pieces.append(rotated.Piece(file.label, self._key(file), span["first"], span["last"]))
            self._runs = rotated.runs(pieces)
        return self._runs

    def _run_entry(self, run: Sequence[rotated.Piece]) -> Entry:
        """Return the index of a run: its sessions, and which one each packet is in."""
        entry = Entry(self._index, rotated.key(run))
        if entry.there:
            return entry
        tables = [self._packets_alone(piece.label) for piece in run]
        sessions, kept = rotated.assembled(tables, self._settings.assembly)
        sessions = with_numbers(with_community_id(sessions))
        return make(self._index, rotated.key(run), {"sessions": sessions}, kept)

    def _packets_alone(self, label: str) -> pd.DataFrame:
        entry = self._entry(self.file(label))
        return PACKETS.empty() if entry is None else entry.table("packets", label)

    def _in_run(self, label: str, table: pd.DataFrame) -> pd.DataFrame:
        """Return a capture's packets with the sessions of the run it is a piece of."""
        run = self._run_of(label)
        if run is None:
            return table
        before = 0
        for piece in run:
            if piece.label == label:
                break
            before += len(self._packets_alone(piece.label))
        kept = self._run_entry(run).arrays("packets")
        return rotated.renumbered(table, kept, slice(before, before + len(table)))

    def _sessions_of_run(self, run: Sequence[rotated.Piece]) -> pd.DataFrame:
        entry = self._run_entry(run)
        table = entry.table("sessions", run[0].label)
        names = pd.Index(
            [piece.label for piece, many in zip(run, map(self._many, run), strict=True) if many], dtype="str"
        )
        table["evidence"] = pd.Categorical.from_codes(
            entry.arrays("sessions")["piece"], dtype=pd.CategoricalDtype(names)
        )
        sensor = self._settings.sensor_of(run[0].label)
        if sensor is not None:
            table["sensor"] = filled(table["sensor"], sensor)
        return table

    def _many(self, piece: rotated.Piece) -> int:
        return len(self._packets_alone(piece.label))

    def packets_of(self, label: str, session: int) -> pd.DataFrame:
        """Return the packets of a session that begins in a capture, from all captures that it is rotated with."""
        parts = []
        for piece in self.pieces_of(label):
            table = self.table(piece, "packets")
            if table is not None:
                parts.append(table.iloc[np.flatnonzero(table["session"].array._data == int(session))])  # no copy of it
        return together(PACKETS, parts)

    def tables(self, name: str) -> dict[str, pd.DataFrame]:
        """Return a table of every evidence that has it, by label. Evidence that is there twice counts once."""
        found, seen = {}, set()
        for file in self.files():
            if file.format and file.content not in seen:
                seen.add(file.content)
                table = self.table(file.label, name)
                if table is not None:
                    found[file.label] = table
        if name == "packets":  # pieces of one capture stand in the order of their times
            order = {label: place for place, label in enumerate(found)}
            for run in self._rotated():
                at = min(order[piece.label] for piece in run if piece.label in order)
                order |= {piece.label: at for piece in run}
            rank = {piece.label: number for run in self._rotated() for number, piece in enumerate(run)}
            found = {label: found[label] for label in sorted(found, key=lambda each: (order[each], rank.get(each, 0)))}
        return found

    def sessions(self) -> pd.DataFrame:
        """Return the sessions of the captures, and the conversations of flow records that no capture holds."""
        found = [self._own(label, table) for label, table in self._captures().items()]
        for records in recorded([table[~_captured(table)] for table in self.tables("sessions").values()]):
            known = together(SESSIONS, found) if found else SESSIONS.empty()
            left = unmatched(records, known, idle=self._settings.idle)
            if len(left):
                found.append(left)
        return together(SESSIONS, found)[list(SESSIONS.columns)]

    def alerts(self) -> pd.DataFrame:
        """Return the alerts of all sensors, in order of time; what one sensor wrote in several formats counts once."""
        table = self._every_alert()
        table = table[~retold(self.told())]
        return table.sort_values(["time", "alert"], kind="stable", ignore_index=True)

    def _every_alert(self) -> pd.DataFrame:
        return together(ALERTS, list(self.tables("alerts").values()))

    def told(self) -> pd.Series:
        """Return for each alert of any file the one that stands for it, itself unless another file tells it better."""
        if self._told is None:
            self._told = told_by(self._every_alert())
        return self._told

    def alert_pieces(self) -> list[Piece]:
        """Return the files whose alerts are among `alerts`, and how these are named."""
        files = {file.label: file for file in self.files()}
        shown = [files[label] for label, table in self.tables("alerts").items() if len(table)]
        return [
            Piece(each.label, each.path, each.size, each.sha256[:DIGITS], sha256=each.sha256, content=each.content)
            for each in shown
        ]

    def _captures(self) -> dict[str, pd.DataFrame]:
        """Return the sessions that were assembled from packets, by the label of their capture."""
        found = {run[0].label: self._sessions_of_run(run) for run in self._rotated()}
        pieces = {piece.label for run in self._rotated() for piece in run}
        for label, table in self.tables("sessions").items():
            captured = _captured(table)
            if captured.any() and label not in pieces:
                found[label] = table if captured.all() else table[captured].reset_index(drop=True)
        return found

    def _own(self, label: str, table: pd.DataFrame) -> pd.DataFrame:
        """Return the rows of a capture's table without the sessions that another capture holds more of."""
        owners = self._owners()
        others = owners.index[owners != label].to_numpy(np.int64)
        if not len(others):
            return table
        foreign = np.isin(table["session"].to_numpy(np.int64, na_value=-1), others)
        return table[~foreign].reset_index(drop=True) if foreign.any() else table

    def _owners(self) -> pd.Series:
        """Return the capture that each session counts in which several hold."""
        if self._doubles is None:
            captures = self._captures()
            numbers = np.array(sorted(doubled(captures, by_vlan=self._settings.by_vlan)), np.int64)
            held = {}
            for label in captures if len(numbers) else ():
                parts = [self.table(piece, "packets") for piece in self.pieces_of(label)]
                packets = pd.concat([part[["session", "captured"]] for part in parts if part is not None])
                session = packets["session"].to_numpy(np.int64, na_value=-1)
                rows = np.isin(session, numbers)
                held[label] = packets["captured"][rows].groupby(session[rows]).sum()
            self._doubles = fullest(held)
        return self._doubles


def _holds(file: File, read: Mapping[str, Any]) -> list[str]:
    """Return the tables that come of a file, or came: a capture's sessions are assembled from its packets."""
    found = {*tables_of(file), *read}
    return [name for name in formats.TABLES if name in found or (name == "sessions" and "packets" in found)]


def _rows(read: Mapping[str, Any]) -> int | None:
    """Return how many rows a file holds: a capture's packets, of which its sessions are made; else all its records."""
    if "packets" in read:
        return read["packets"]["rows"]
    return sum(table["rows"] for table in read.values()) if read else None


def _captured(sessions: pd.DataFrame) -> np.ndarray:
    """Return a bool array, True for the sessions that were assembled from packets."""
    return (sessions["source"] == "pcap").to_numpy(bool)


def retold(told: pd.Series) -> np.ndarray:
    """Return True for each alert that another one stands for."""
    return (told.array != told.index.array).astype(bool)


def _named(alerts: pd.DataFrame, sha256: str) -> pd.DataFrame:
    """Return alerts with the names that the inventory's hash gives: a file may have grown between hashing and reading."""
    if not len(alerts) or str(alerts["alert"].iloc[0]).startswith(sha256[:DIGITS]):
        return alerts
    return alerts.assign(alert=f"{sha256[:DIGITS]}:" + alerts["record"].astype("str"))


def _listed(names: Sequence[str]) -> str:
    named = names if len(names) < 6 else [*names[:4], f"{len(names) - 4:,} more"]
    return f"{', '.join(named[:-1])} and {named[-1]}" if len(named) > 1 else "".join(named)


def filled(column: pd.Series, sensor: str) -> pd.Series:
    """Return the sensors of a column, those that are missing by the name that case.toml gives."""
    column = column.astype("category")
    if sensor not in column.cat.categories:
        column = column.cat.add_categories([sensor])
    return column.fillna(sensor)
