"""The widget: a session's conversation in tabs, found, chosen, decoded, judged and handed out."""

from __future__ import annotations

from collections.abc import Callable
from time import perf_counter
from typing import TYPE_CHECKING, Any

import ipywidgets
import pandas as pd
import traitlets

from nsm_nb.errors import NsmError
from nsm_nb.text import many, printable
from nsm_nb.widgets import conversation
from nsm_nb.widgets.event import priority_class
from nsm_nb.widgets.frame import Frame
from nsm_nb.widgets.giving import Giving
from nsm_nb.widgets.lines import line
from nsm_nb.widgets.octets import Octets
from nsm_nb.widgets.recipe import Recipe
from nsm_nb.widgets.transcript import tabs, turns
from nsm_nb.widgets.transcript.bars import FindBar, SessionBar, button
from nsm_nb.widgets.transcript.pane import Pane

if TYPE_CHECKING:
    from nsm_nb.case import Case
    from nsm_nb.transcripts import Transcript as Conversation
    from nsm_nb.transcripts.search import Hits

__all__ = ["Transcript"]

_HELP = (
    "n p next and previous turn   / find   F3 Shift+F3 next and previous place",
    "o the packet of the turn   d decode what is chosen",
)


class Transcript(Frame):
    """What was said in a session; `session` is its number, at first the one that the case has chosen.

    Parameters
    ----------
    case
        An open case.
    session
        The session to begin with; the case's chosen one where it is None.
    policy
        Whose bytes are shown where TCP segments overlap: a name of `nsm_nb.transcripts.tcp.POLICIES`.
    """

    session = traitlets.Int(None, allow_none=True, help="the session that is shown")
    selection: Any = traitlets.Any(
        None, help="side, first byte and byte behind the last of what is chosen; None where nothing is"
    )

    def __init__(self, case: Case, session: int | None = None, *, policy: str = "first", **traits: Any):
        self.case = case
        self.said: Conversation | None = None
        self._on_packet: list[Callable[[str, int], object]] = []
        self._make_controls(policy)
        self.top = Octets(boxed=True, code=True, height=300, label="header and caveats")
        self._pane = Pane(case, self._bar, self._find, self.guard, lambda words: self.set_trait("status", words))
        self.text, self.table, self.detail = self._pane.text, self._pane.table, self._pane.detail
        self.recipe = Recipe(self._given, self._judged, self.guard)
        super().__init__("Transcript", keys=_HELP, **traits)
        self._title.listens = ["n", "p", "o", "d", "/", "F3", "Shift+F3", "?"]
        self._title.asks = {"/": "always"}
        self._title.on_key(self.guard(self._key))
        self._listen()
        self._lay()
        self.guard(self.show)(case.selection.session if session is None else session)

    # --- controls

    def _make_controls(self, policy: str) -> None:
        self._bar, self._find = SessionBar(policy), FindBar()
        self._decode = ipywidgets.ToggleButton(description="decode", tooltip="Decode what is chosen by a recipe (d)")
        self._packet = button(
            "packet",
            "Show the packet of what is chosen or of the marked line, else the first that carries anything (o)",
        )
        self._hand = Giving(
            self.case, lambda: (self.said, self.session, f"{self.top.text()}\n{self.text.text()}"),
            lambda words: self.set_trait("status", words), self.guard,
        )  # fmt: skip
        self._work_bar = ipywidgets.HBox([self._decode, self._packet, self._hand])
        self._work_bar.add_class("nsm-bar")

    def _listen(self) -> None:
        bar, find = self._bar, self._find
        bar.number.on_submit(self.guard(self._ask))
        for each, work in (
            (bar.chosen, self.refresh), (bar.back, lambda: self.turn_page(-1)), (bar.further, lambda: self.turn_page(1)),
            (find.last, lambda: self.find(back=True)), (find.next, self.find), (self._packet, self.to_packet),
        ):  # fmt: skip
            each.on_click(self.guard(lambda _, work=work: work()))
        for control in (bar.view, bar.times):
            control.observe(self.guard(lambda change: self._view_changed()), "value")
        self._decode.observe(self.guard(lambda change: self._lay()), "value")
        bar.policy.observe(self.guard(lambda change: self.show(self.session)), "value")
        for control in (find.kind, find.side, find.any_case):
            control.observe(self.guard(lambda change: self._seek()), "value")
        find.words.on_submit(self.guard(lambda words: self.find(words)))
        self.text.on_select(self.guard(self._choose))
        self.table.on_activate(self.guard(lambda position: self._activated(position)))

    def _lay(self) -> None:
        shown = self._pane.laid(self.view, low=self._decode.value)
        bars = self._bar, self._find, self._work_bar
        self.content = (*bars, self.top, *shown, *([self.recipe] if self._decode.value else []))

    # --- which session

    @property
    def view(self) -> str:
        """How it is shown: a name of `VIEWS`."""
        return str(self._bar.view.value)

    @view.setter
    def view(self, name: str) -> None:
        self._bar.view.value = name

    @property
    def policy(self) -> str:
        """Whose bytes are shown where TCP segments overlap."""
        return str(self._bar.policy.value)

    @policy.setter
    def policy(self, name: str) -> None:
        self._bar.policy.value = name

    @property
    def hits(self) -> Hits:
        """The places of what is searched for."""
        return self._find.hits

    def refresh(self) -> None:
        """Go to the session that the case has chosen."""
        self.show(self.case.selection.session)

    def show(self, session: int | None) -> None:
        """Show the transcript of a session; None shows how to get one."""
        started = perf_counter()
        self.said, self._pane.page = None, 1
        self.session = session
        self.selection = None
        self.recipe.clear()
        self._bar.number.value = "" if session is None else str(session)
        try:
            if session is not None:
                self.said = self.case.transcript(session, policy=self.policy)
                if session != self.case.selection.session:
                    self.case.selection.session = session
        finally:
            self._find.forget()
            self._show_top()
            self._show()
        if self.said is not None:
            caveats = many(len(self.said.caveats), "caveat") if self.said.caveats else "no caveats"
            self.status = f"rebuilt in {perf_counter() - started:.3f} s; {caveats}"

    def _ask(self, text: str) -> None:
        if not text.strip().isdecimal():
            raise NsmError(
                f"{printable(text)!r} is no number of a session; the grid of sessions has them in its first column"
            )
        self.show(int(text))

    # --- how it is shown

    def _view_changed(self) -> None:
        self._lay()
        self._show()

    def _show_top(self) -> None:
        if self.said is None:
            hint = "no session is chosen: choose one in the grid of sessions, or an alert, or write its number"
            self.note = ""
            self.top.say(line((hint, "muted")))
            return
        alerts = self.case.alerts_of(self.session or 0)
        self.top.say(
            *conversation.top_lines(self.said),
            *(
                line((f" {each.priority} ", priority_class(each.priority)), f" {each.message}")
                for each in alerts.drop_duplicates("message").itertuples()
            ),
        )
        self.note = f"session {self.session}, {many(self.said.size('src'), 'byte')} from SRC, {self.said.size('dst'):,} from DST"

    def _show(self) -> None:
        """Show the page of what is looked at."""
        for each in (self._packet, self._hand, self._decode):
            each.disabled = self.said is None
        self._bar.policy.disabled = self.said is None or self.said.proto != "tcp"
        self.code = tabs.code(self.session, self.view, self.policy, self._find.code())
        self._pane.show(self.said, self.session or 0, self.view)
        self._find.tell()

    def turn_page(self, by: int) -> None:
        """Go on or back by so many pages."""
        self._pane.page = max(self._pane.page + by, 1)
        self._show()

    # --- finding

    def find(self, words: str | None = None, *, back: bool = False) -> int | None:
        """Go to the next place of what is searched for; return its number, None where there is none.

        Parameters
        ----------
        words
            Text, hex digits or an expression; those searched for before where not given.
        back
            To the one before instead.
        """
        if words is not None:
            self._find.value = words
        if self.view not in tabs.BYTES:
            self.view = "text"
        hit = self._find.step(self.said, back=back)
        if hit is None:
            self._show()
        else:
            self._go_to_byte(hit.side, hit.offset)
            self.status = f"frame {hit.frame}, byte {hit.offset:,} of {hit.side.upper()}"
        return self._find.now

    def _seek(self) -> None:
        """Mark all places of what is searched for; none is looked at yet."""
        self._find.seek(self.said)
        self._show()

    def _go_to_byte(self, side: str, offset: int) -> None:
        """Bring a byte of a side into sight."""
        if self.said is not None:
            self._pane.page = turns.page_of(self.said, side, offset) or self._pane.page
            self._show()
            self.text.at = turns.line_of(self._pane.spots, side, offset)

    # --- choosing, decoding, judging

    def _choose(self, start: tuple[int, int], end: tuple[int, int]) -> None:
        """Take what was chosen in the lines as bytes of the side of its first line."""
        if self.view not in tabs.BYTES or not 0 <= start[0] < len(self._pane.spots):
            return
        self.text.at = start[0]
        if chosen := turns.chosen_in(self._pane.spots, start, end):
            self.choose(*chosen)
        else:
            self.selection = None

    def choose(self, side: str, start: int, end: int) -> None:
        """Choose bytes of a side, for a recipe or to go to their packet."""
        self.selection = (side, start, max(end, start))
        self.status = (
            f"chosen: bytes {start:,} to {max(end, start):,} of {side.upper()} ({many(max(end - start, 0), 'byte')})"
        )

    def _given(self, which: str) -> tuple[list[bytes], str]:
        """Return what a recipe is given, and which bytes those are."""
        if self.said is None:
            raise NsmError("no session is shown; choose one first")
        parts, words = turns.given(self.said, which, self.selection, self._pane.spot)
        return parts, f"session {self.session}, {words}"

    def _judged(self, category: str, comment: str) -> bool:
        return self.guard(self.judge)(category, comment) is not None

    def judge(self, category: str, comment: str = "") -> pd.DataFrame:
        """Give a verdict on the session.

        Raises
        ------
        NsmError
            Where no session is shown, or the ledger refuses it.
        """
        if self.session is None or self.said is None:
            raise NsmError("no session is shown; choose one first")
        records = self.case.judge(str(self.session), category, kind="session", comment=comment)
        self.status = f"session {self.session} is {category}, by {printable(records['analyst'].iloc[0])}"
        return records

    # --- to its packets

    def on_packet(self, callback: Callable[[str, int], object]) -> None:
        """Have a function called with the capture and the frame of the packet that is asked for."""
        self._on_packet.append(callback)

    def to_packet(self) -> None:
        """Ask for the packet of what is chosen, else of the marked line, else of the first turn."""
        if self.said is None or self.session is None:
            return
        packets = self.case.packets_of(self.session)
        capture, frame = str(packets["evidence"].iloc[0]), int(packets["frame"].iloc[0])
        spot = self._pane.spot
        at = self.selection[:2] if self.selection else None if spot is None else (spot.side, spot.offset)
        where = None if at is None else self.said.at(*at)
        if where is not None:
            capture, frame = where.evidence, where.frame
        elif self.said.turns:
            frame = self.said.turns[0].ends[0]
        self._ask_for(capture, frame)

    def _ask_for(self, capture: str, frame: int) -> None:
        self.status = f"frame {frame} is shown by nsm.widgets.Packet(case, {frame})"
        for callback in self._on_packet:
            callback(capture, frame)

    def _activated(self, position: int) -> None:
        row = self._pane.rows.iloc[position]
        frame = int(row["frame"])
        if self.view == "packets":
            self._ask_for(str(row["evidence"]), frame)
            return
        side = str(row["side"])
        own = [] if self.said is None else turns.brought_by(self.said, side, frame)
        if not own:
            raise NsmError(f"frame {frame} carries no bytes of {side} in this session; the packet tab shows it")
        offset = int(row["offset"]) if "offset" in row else own[0].offset
        self.view = "text"
        self._go_to_byte(side, offset)

    # --- keys

    def _key(self, key: str) -> None:
        if key in ("n", "p"):
            self._step(1 if key == "n" else -1)
        elif key in ("F3", "Shift+F3"):
            self.find(back=key != "F3")
        elif key == "o":
            self.to_packet()
        elif key == "d":
            self._decode.value = True
            self.recipe.recipe.ask()

    def _step(self, by: int) -> None:
        """Mark the next or previous turn."""
        place = turns.next_turn(self._pane.spots, self.text.at, by)
        if place is None:
            self.status = f"this is the {'last' if by > 0 else 'first'} turn here"
            return
        self.text.at = place
        self.selection = None
