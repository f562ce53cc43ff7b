"""The inventory of a case's evidence, and the choice of another case."""

from __future__ import annotations

import os
from pathlib import Path
from time import monotonic
from typing import TYPE_CHECKING, Any

import ipywidgets
import pandas as pd
import traitlets

from nsm_nb.text import form, many, printable
from nsm_nb.widgets.cells import Field, octets
from nsm_nb.widgets.entry import Entry
from nsm_nb.widgets.frame import Frame
from nsm_nb.widgets.grid import Grid
from nsm_nb.widgets.lines import Lines, line

if TYPE_CHECKING:
    from collections.abc import Mapping

    from nsm_nb.case import Case

__all__ = ["Evidence", "cases_beside", "unread"]

_AT_ONCE = 256 << 20  # bytes; a second or two

_COLUMNS = (
    "evidence", "format", "size", "rows", Field("first", kind="clock"), Field("last", kind="clock"), "caveats",
    Field("note", width=24), "tables", Field("sha256", width=20),
)  # fmt: skip


def cases_beside(path: Path) -> list[Path]:
    """Return the directories that hold a case.toml, in the same folder as a case."""
    try:
        found = [each for each in sorted(path.resolve().parent.iterdir()) if (each / "case.toml").is_file()]
    except OSError:  # the folder above may not be ours to read
        return [path]
    return found or [path]


def unread(inventory: pd.DataFrame) -> pd.DataFrame:
    """Return the rows of an inventory whose format is known and which were not read yet."""
    return inventory[inventory["format"].notna() & inventory["rows"].isna() & (inventory["caveats"] == 0)]


def _style(row: Mapping) -> dict[str, str]:
    look = {"note": "doubt"}
    if row["caveats"]:
        look["caveats"] = "doubt strong"
    return look


class Evidence(Frame):
    """What the case is made of: each file with its size, hash, format, span of time and caveats.

    Choosing another case sets `case`; the notebook goes on with it.

    Parameters
    ----------
    case
        An open case.
    """

    case = traitlets.Any(help="the case, also after another was chosen")

    def __init__(self, case: Case, **traits: Any):
        self._listing = False
        self._told = 0.0  # when progress was said last
        self._cases = ipywidgets.Dropdown(description="case", layout={"width": "320px"})
        self._path = Entry(label="or a folder", placeholder="/cases/2026-11 (a case, or a folder of evidence)")
        self._again = ipywidgets.Button(
            description="look again", tooltip="Hash all evidence again and read what has changed"
        )
        self.grid = Grid(
            case.evidence, columns=_COLUMNS, style=_style, identity="evidence", height=360, fit=True, label="evidence",
            empty=f"no evidence: put captures, flow exports and alert logs into {printable(case.settings.evidence)}, "
            "then choose 'look again'",
        )  # fmt: skip
        self.detail = Lines(boxed=True, height=190, label="caveats of the chosen evidence")
        self._read = ipywidgets.Button(
            description="read all", tooltip="Read what was not read yet into the case's index; it says how far it is"
        )
        choose = ipywidgets.HBox([self._cases, self._path, self._read, self._again])
        choose.add_class("nsm-bar")
        self._path.layout.flex = "1 1 260px"
        super().__init__("Evidence", choose, self.grid, self.detail, case=case, **traits)
        self.grid.observe(self.guard(lambda change: self._show_detail()), "active")
        self._cases.observe(self.guard(lambda change: self._chosen(change["new"])), "value")
        self._path.on_submit(self.guard(lambda text: self.choose(text)))
        self._again.on_click(self.guard(lambda button: self._look_again()))
        self._read.on_click(self.guard(lambda button: self._read_all()))
        self._begin()

    def choose(self, path: str | os.PathLike) -> None:
        """Go on with another case, here and in the other notebooks."""
        from nsm_nb.case import choose, open_case

        self.case = open_case(Path(path).expanduser())
        self._begin()
        choose(self.case.path)

    def _begin(self) -> None:
        """Read at once what takes no time; leave the rest to the button, where it can be watched."""
        if 0 < int(unread(self.case.evidence)["size"].sum()) <= _AT_ONCE:
            self.guard(self.case.index)()
        self._show()

    def _chosen(self, path: Path | None) -> None:
        if path is not None and not self._listing and Path(path) != Path(self.case.path):
            self.choose(path)

    def _look_again(self) -> None:
        self._told = 0.0
        self.case.refresh(progress=self._progress)
        self._read_all()

    def _read_all(self) -> None:
        self._told = 0.0
        self.case.index(progress=self._progress)
        self._show()

    def _progress(self, label: str, done: int, total: int) -> None:
        if monotonic() - self._told > 0.2:  # a browser need not hear of every block
            self._told = monotonic()
            self.status = f"reading {printable(label)}: {octets(done)} of {octets(total)}"

    def _show(self) -> None:
        case, table = self.case, self.case.evidence
        beside = cases_beside(Path(case.path))
        here = next((each for each in beside if each == Path(case.path).resolve()), None)
        options = [(printable(each.name), each) for each in beside] + (
            [] if here else [(printable(Path(case.path).name), Path(case.path))]
        )
        self._listing = True  # a new list chooses its first case, which is not the analyst's choice
        self._cases.options = options
        self._cases.value = here or Path(case.path)
        self._listing = False
        self.grid.table = table
        title = case.settings.title or case.name
        self.title = f"Evidence of {title}"
        size = int(table["size"].sum()) if len(table) else 0
        wrong = int((table["caveats"] > 0).sum()) if len(table) else 0
        self.note = f"{many(len(table), 'file')}, {many(size, 'byte')}"
        waiting = unread(table)
        self._read.disabled = not len(waiting)
        self.status = f"{wrong} with caveats" if wrong else "no caveats"
        if len(waiting):
            files = f"{many(len(waiting), 'file')} ({octets(waiting['size'].sum())}) {form(len(waiting), 'is', 'are')}"
            self.status += f"; {files} not read yet: 'read all' does it"
        self.code = f"case = nsm.open_case({str(case.path)!r})\ncase.evidence"
        self._show_detail()

    def _show_detail(self) -> None:
        row = self.grid.row
        if row is None:
            self.detail.say(line(("choose a file: its hash and its caveats come here", "muted")))
            return
        caveats = self.case.caveats
        mine = caveats[caveats["evidence"] == row["evidence"]]
        lines = [
            line((str(row["evidence"]), "strong"), ("  " + str(row["path"]), "muted")),
            line("SHA-256 ", (str(row["sha256"]), "code")),
        ]
        for each in mine.head(200).itertuples():
            where = "" if each.record is None or each.record != each.record else f"record {each.record}: "
            lines.append(line((f"{each.kind}: ", "doubt strong"), (f"{where}{each.detail}", "doubt")))
        if len(mine) > 200:
            lines.append(line((f"{len(mine) - 200:,} more; case.caveats has all", "doubt")))
        self.detail.say(*lines)
