"""Building the report of a case and looking at it, in a frame that can do nothing."""

from __future__ import annotations

from pathlib import Path
from time import perf_counter
from typing import TYPE_CHECKING, Any

import ipywidgets
import traitlets

from nsm_nb.text import many, printable
from nsm_nb.widgets.cells import octets
from nsm_nb.widgets.frame import Frame
from nsm_nb.widgets.lines import Lines, line
from nsm_nb.widgets.preview import Preview

if TYPE_CHECKING:
    from nsm_nb.case import Case

__all__ = ["Report"]

_LARGEST = 32 << 20  # bytes of a document that are sent to a browser


class Report(Frame):
    """Build the report of a case; `files` are those made, by kind.

    Parameters
    ----------
    case
        An open case.
    """

    files = traitlets.Dict(help="the files made last: kind (html, pdf) to path")

    def __init__(self, case: Case, **traits: Any):
        self.case = case
        self._html = ipywidgets.Checkbox(description="HTML", value=True, indent=False, layout={"width": "90px"})
        self._pdf = ipywidgets.Checkbox(description="PDF", value=False, indent=False, layout={"width": "90px"})
        self._build = ipywidgets.Button(
            description="build the report", tooltip="Make the report from the case as it is now"
        )
        bar = ipywidgets.HBox([self._html, self._pdf, self._build])
        bar.add_class("nsm-bar")
        self.written = Lines(label="files of the report")
        self.preview = Preview(label="preview of the report")
        super().__init__("Report", bar, self.written, self.preview, **traits)
        self._build.on_click(self.guard(lambda button: self.build()))
        for widget in (self._html, self._pdf):
            widget.observe(self.guard(lambda change: self._say_code()), "value")
        self._say_code()
        self.guard(self.refresh)()

    @property
    def kinds(self) -> tuple[str, ...]:
        """The kinds that are ticked."""
        return tuple(name for name, box in (("html", self._html), ("pdf", self._pdf)) if box.value)

    def refresh(self) -> None:
        """Say what a report would hold now."""
        status = self.case.status()
        judged = int((status != "NEW").sum())
        escalated = int((status == "ESC").sum())
        self.note = f"{judged:,} of {many(len(self.case.alerts), 'alert')} judged, {escalated:,} escalated"
        if not self.files:
            self.written.say(
                line(("no report yet: 'build the report' makes it from verdicts, sessions and evidence", "muted"))
            )

    def build(self) -> dict[str, Path]:
        """Make the report, show it, and return its files."""
        from nsm_nb import report

        if not self.kinds:
            self.status = "tick HTML or PDF first"
            return {}
        started = perf_counter()
        self.status = "building ..."
        self._build.disabled = True
        try:
            files = {kind: Path(path) for kind, path in report.build(self.case, to=self.kinds).items()}
        finally:
            self._build.disabled = False
        self.files = {kind: str(path) for kind, path in files.items()}
        self.refresh()
        self.written.say(
            *(
                line((f"{kind}  ", "strong"), (str(path), "code"), (f"  {octets(path.stat().st_size)}", "muted"))
                for kind, path in files.items()
            )
        )
        document = files.get("html")
        small = document is not None and document.stat().st_size <= _LARGEST
        self.preview.document = document.read_text(encoding="utf-8") if document is not None and small else ""
        self.status = f"built in {perf_counter() - started:.1f} s" + (
            "" if small or document is None else "; too large to be shown here, open the file"
        )
        missing = [kind for kind in self.kinds if kind not in files]
        if missing:
            self.status += f"; not made: {', '.join(printable(each) for each in missing)}"
        return files

    def _say_code(self) -> None:
        self.code = f"nsm.report.build(case, to={self.kinds!r})"
