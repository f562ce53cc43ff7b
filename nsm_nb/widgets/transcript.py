"""The transcript of a session: both sides apart, each turn with its time and frame, every doubt at the top."""

from __future__ import annotations

import re
from collections.abc import Callable
from time import perf_counter
from typing import TYPE_CHECKING, Any

import ipywidgets
import traitlets

from nsm_nb.errors import NsmError
from nsm_nb.text import printable
from nsm_nb.widgets import conversation
from nsm_nb.widgets.entry import Entry
from nsm_nb.widgets.event import priority_class
from nsm_nb.widgets.frame import Frame
from nsm_nb.widgets.lines import Lines, line

if TYPE_CHECKING:
    from nsm_nb.case import Case
    from nsm_nb.transcripts import Transcript as Conversation

__all__ = ["Transcript"]

_FRAME = re.compile(r"(?:SRC|DST) [\d:.]+ frames? (\d+)")  # how a turn is marked


class Transcript(Frame):
    """What was said in a session; `session` is its number, at first the one that the case has chosen.

    Parameters
    ----------
    case
        An open case.
    session
        The session to begin with; the case's chosen one where it is None.
    """

    session = traitlets.Int(None, allow_none=True, help="the session that is shown")

    def __init__(self, case: Case, session: int | None = None, **traits: Any):
        self.case = case
        self._said: Conversation | None = None
        self._number = Entry(label="session", code=True, placeholder="a number, then Enter")
        self._number.layout.width = "240px"
        self._chosen = ipywidgets.Button(
            description="the chosen one", tooltip="Go to the session that the case has chosen"
        )
        self._view = ipywidgets.ToggleButtons(
            options=["text", "hex", "HTTP"],
            tooltips=["the bytes as text", "the bytes in hex", "requests and responses, bodies decoded"],
        )
        self._all = ipywidgets.Button(description="show all", tooltip="Show every byte, however many there are")
        self._carve = ipywidgets.Button(description="carve", tooltip="Write its packets to a capture of their own")
        self._find = Entry(label="find", placeholder="Enter finds the next")
        self._find.layout.flex = "1 1 200px"
        self._packet = ipywidgets.Button(
            description="packet", tooltip="Show the packet of the marked line, else the first that carries anything"
        )
        self._on_packet: list[Callable[[str, int], object]] = []
        bar = ipywidgets.HBox(
            [self._number, self._chosen, self._view, self._find, self._all, self._packet, self._carve]
        )
        bar.add_class("nsm-bar")
        self.top = Lines(boxed=True, code=True, height=230, label="header and caveats")
        self.text = Lines(boxed=True, code=True, height=460, label="transcript")
        super().__init__("Transcript", bar, self.top, self.text, **traits)
        self._number.on_submit(self.guard(self._asked))
        self._chosen.on_click(self.guard(lambda button: self.refresh()))
        self._view.observe(self.guard(lambda change: self._show()), "value")
        self._all.on_click(self.guard(lambda button: self._show(most=None)))
        self._packet.on_click(self.guard(lambda button: self.to_packet()))
        self._carve.on_click(self.guard(lambda button: self._carve_it()))
        self._find.on_submit(self.guard(lambda words: self.find(words)))
        self.guard(self.show)(case.selection.session if session is None else session)

    @property
    def view(self) -> str:
        """How it is shown: text, hex or HTTP."""
        return str(self._view.value)

    @view.setter
    def view(self, name: str) -> None:
        self._view.value = name

    def refresh(self) -> None:
        """Go to the session that the case has chosen."""
        self.show(self.case.selection.session)

    def show(self, session: int | None) -> None:
        """Show the transcript of a session; None shows how to get one."""
        started = perf_counter()
        self._said = None
        self.session = session
        self._number.value = "" if session is None else str(session)
        try:
            if session is not None:
                self._said = self.case.transcript(session)
                if session != self.case.selection.session:
                    self.case.selection.session = session
        finally:
            self._show()
            took = perf_counter() - started
        if self._said is not None:
            self.status = f"rebuilt in {took:.3f} s" + (
                f"; {len(self._said.caveats)} caveats" if self._said.caveats else "; no caveats"
            )

    def _asked(self, text: str) -> None:
        if not text.strip().isdecimal():
            raise NsmError(
                f"{printable(text)!r} is no number of a session; the grid of sessions has them in its first column"
            )
        self.show(int(text))

    def _show(self, most: int | None = conversation.MOST) -> None:
        said = self._said
        self._all.disabled = self._carve.disabled = self._packet.disabled = said is None
        self.text.at = None
        if said is None:
            self.note = ""
            self.code = "case.transcript(session)"
            self.top.say(
                line(
                    (
                        "no session is chosen: choose one in the grid of sessions, or an alert, or write its number",
                        "muted",
                    )
                )
            )
            self.text.say()
            return
        alerts = self.case.alerts_of(self.session or 0)
        self.top.say(
            *conversation.top_lines(said),
            *(
                line((f" {each.priority} ", priority_class(each.priority)), f" {each.message}")
                for each in alerts.drop_duplicates("message").itertuples()
            ),
        )
        if self.view == "HTTP":
            lines = conversation.http_lines(said)
        else:
            make = conversation.hex_lines if self.view == "hex" else conversation.text_lines
            lines = make(said, most=most)
        self.text.fixed = self.view == "hex"
        self.text.say(*lines)
        self.note = f"session {self.session}, {said.size('src'):,} bytes from SRC, {said.size('dst'):,} from DST"
        more = {"text": "", "hex": ".text(style='hex')", "HTTP": ".exchanges()"}[self.view]
        self.code = f"case.transcript({self.session}){more}"

    def find(self, words: str) -> int | None:
        """Mark the next line that holds some words and bring it into sight; return its number."""
        found = self.text.find(words, after=-1 if self.text.at is None else self.text.at)
        self.text.at = found
        self.status = (
            f"line {found + 1} of {len(self.text.lines):,}" if found is not None else "not found in what is shown"
        )
        return found

    def _carve_it(self) -> None:
        if self.session is not None:
            self.status = f"its packets are in {printable(self.case.carve(self.session))}"

    def on_packet(self, callback: Callable[[str, int], object]) -> None:
        """Have a function called with the capture and the frame of the packet that is asked for."""
        self._on_packet.append(callback)

    def to_packet(self) -> None:
        """Ask for the packet of the marked line's turn, else of the first turn."""
        if self._said is None or self.session is None:
            return
        above = self.text.lines[: None if self.text.at is None else self.text.at + 1]
        marks = [_FRAME.match(each["spans"][0][0]) for each in above if each["spans"]]
        frames = [int(mark[1]) for mark in marks if mark]
        packets = self.case.packets_of(self.session)
        frame = int(packets["frame"].iloc[0]) if not frames else frames[0 if self.text.at is None else -1]
        self.status = f"frame {frame} is shown by nsm.widgets.Packet(case, {frame})"
        for callback in self._on_packet:
            callback(str(packets["evidence"].iloc[0]), frame)
