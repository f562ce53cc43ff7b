"""The transcript of a session: both sides apart, each turn with its time and frame, every doubt at the top."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from time import perf_counter
from typing import TYPE_CHECKING, Any

import ipywidgets
import pandas as pd
import traitlets

from nsm_nb.errors import NsmError
from nsm_nb.text import printable
from nsm_nb.transcripts.search import KINDS, Hits, search
from nsm_nb.transcripts.tcp import POLICIES
from nsm_nb.widgets import conversation
from nsm_nb.widgets.conversation import Mark, Spot, byte_at
from nsm_nb.widgets.entry import Entry
from nsm_nb.widgets.event import priority_class
from nsm_nb.widgets.frame import Frame
from nsm_nb.widgets.giving import MOST, Giving
from nsm_nb.widgets.grid import Grid
from nsm_nb.widgets.lines import line
from nsm_nb.widgets.octets import Octets
from nsm_nb.widgets.recipe import Recipe

if TYPE_CHECKING:
    from nsm_nb.case import Case
    from nsm_nb.transcripts import Transcript as Conversation

__all__ = ["VIEWS", "Transcript"]

#: The tabs.
VIEWS = {
    "text": "the bytes as text",
    "hex": "the bytes in hex",
    "decoded": "what its protocol says: requests, replies, names, certificates",
    "objects": "the files it carried, with their hashes",
    "packets": "the packets it is made of",
    "tshark": "what tshark makes of its packets",
}
_TABLES = ("decoded", "objects", "packets")
_COLUMNS = {
    "decoded": ["side", "time", "frame", "protocol", "kind", "text", "size"],
    "objects": ["frame", "time", "protocol", "side", "name", "type", "claimed_type", "size", "complete", "gaps", "sha256"],
    "packets": ["frame", "time", "src_ip", "src_port", "dst_ip", "dst_port", "length", "payload", "seq", "ack", "layers"],
}  # fmt: skip
_EMPTY = {
    "decoded": "no protocol that is understood is spoken here; text, hex and tshark show it",
    "objects": "it carried no files that were recognised",
    "packets": "no packets",
}
_TREES = 20  # packets on a page of trees
_BESIDE = 5.0  # seconds of a search, in the kernel's own time
_HELP = (
    "n p: next and previous turn   / find   F3 Shift+F3: next and previous place   o: the packet of the turn   "
    "d: decode what is chosen"
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
        self.hits = Hits()
        self._now: int | None = None
        self._page = 1
        self._spots: Sequence[Spot | None] = ()
        self._whole = pd.DataFrame()  # what the table shows some columns of
        self._work: threading.Thread | None = None
        self._asked = object()
        self._on_packet: list[Callable[[str, int], object]] = []
        self._make_controls(policy)
        self.top = Octets(boxed=True, code=True, height=300, label="header and caveats")
        self.text = Octets(boxed=True, code=True, height=460, label="transcript", selects=True)
        self.table = Grid(pd.DataFrame(), height=460, fit=True, label="table", empty="")
        self.detail = Octets(boxed=True, code=True, height=260, label="the chosen row")
        self.recipe = Recipe(self._given, self._judged, self.guard)
        super().__init__("Transcript", **traits)
        self._title.listens = ["n", "p", "o", "d", "/", "F3", "Shift+F3", "?"]
        self._title.asks = {"/": "always"}
        self._title.on_key(self.guard(self._key))
        self._listen()
        self._lay()
        self.guard(self.show)(case.selection.session if session is None else session)

    # --- controls

    def _make_controls(self, policy: str) -> None:
        self._number = Entry(label="session", code=True, placeholder="a number, then Enter")
        self._number.layout.width = "240px"
        self._chosen = _button("the chosen one", "Go to the session that the case has chosen")
        self._view = ipywidgets.ToggleButtons(options=list(VIEWS), tooltips=list(VIEWS.values()))
        self._times = ipywidgets.ToggleButton(
            value=True, description="times", tooltip="A line with time and frame before each turn"
        )
        self._policy = ipywidgets.Dropdown(options=list(POLICIES), value=policy, description="overlaps")
        self._policy.layout.width = "150px"
        self._policy.tooltip = (
            "Whose bytes are shown where TCP segments overlap and differ, as the receiver may have chosen"
        )
        self._back = _button("previous page", "The bytes before these")
        self._on = _button("next page", "The bytes behind these")
        self._pages = Octets(live="polite")
        self._find = Entry(label="find", code=True, placeholder="Enter finds the next place   /")
        self._find.layout.flex = "1 1 200px"
        self._find.add_class("nsm-asked")
        self._as = ipywidgets.ToggleButtons(options=list(KINDS), tooltips=list(KINDS.values()))
        self._side = ipywidgets.Dropdown(options=[("both sides", ""), ("SRC", "src"), ("DST", "dst")])
        self._side.layout.width = "100px"
        self._side.tooltip = "Which side is searched"
        self._any_case = ipywidgets.Checkbox(description="ignore case", value=True, indent=False)
        self._any_case.layout.width = "auto"
        self._last = _button("previous place", "Shift+F3")
        self._next = _button("next place", "F3")
        self._count = Octets(live="polite")
        self._decode = ipywidgets.ToggleButton(description="decode", tooltip="Decode what is chosen by a recipe (d)")
        self._packet = _button(
            "packet",
            "Show the packet of what is chosen or of the marked line, else the first that carries anything (o)",
        )
        self._hand = Giving(
            self.case, lambda: (self.said, self.session, f"{self.top.text()}\n{self.text.text()}"),
            lambda words: self.set_trait("status", words), self.guard,
        )  # fmt: skip
        bars = (
            [self._number, self._chosen, self._view, self._times, self._policy, self._back, self._on, self._pages],
            [self._find, self._as, self._side, self._any_case, self._last, self._next, self._count],
            [self._decode, self._packet, self._hand],
        )
        self._bars = [ipywidgets.HBox(each) for each in bars]
        for each in self._bars:
            each.add_class("nsm-bar")

    def _listen(self) -> None:
        self._number.on_submit(self.guard(self._ask))
        for button, work in (
            (self._chosen, self.refresh), (self._back, lambda: self.turn_page(-1)), (self._on, lambda: self.turn_page(1)),
            (self._last, lambda: self.find(back=True)), (self._next, self.find), (self._packet, self.to_packet),
        ):  # fmt: skip
            button.on_click(self.guard(lambda _, work=work: work()))
        for each in (self._view, self._times):
            each.observe(self.guard(lambda change: self._view_changed()), "value")
        self._decode.observe(self.guard(lambda change: self._lay()), "value")
        self._policy.observe(self.guard(lambda change: self.show(self.session)), "value")
        for each in (self._as, self._side, self._any_case):
            each.observe(self.guard(lambda change: self._seek()), "value")
        self._find.on_submit(self.guard(lambda words: self.find(words)))
        self.text.on_select(self.guard(self._choose))
        self.table.observe(self.guard(lambda change: self._show_detail()), "active")
        self.table.on_activate(self.guard(lambda position: self._activated(position)))

    def _lay(self) -> None:
        shown: list[ipywidgets.Widget] = [self.table] if self.view in _TABLES else [self.text]
        if self.view in ("decoded", "objects"):
            self.table.height = 240
            shown.append(self.detail)
        self.text.height = 260 if self._decode.value else 460
        self.content = (*self._bars, self.top, *shown, *([self.recipe] if self._decode.value else []))

    # --- which session

    @property
    def view(self) -> str:
        """How it is shown: a name of `VIEWS`."""
        return str(self._view.value)

    @view.setter
    def view(self, name: str) -> None:
        self._view.value = name

    @property
    def policy(self) -> str:
        """Whose bytes are shown where TCP segments overlap."""
        return str(self._policy.value)

    @policy.setter
    def policy(self, name: str) -> None:
        self._policy.value = name

    def refresh(self) -> None:
        """Go to the session that the case has chosen."""
        self.show(self.case.selection.session)

    def show(self, session: int | None) -> None:
        """Show the transcript of a session; None shows how to get one."""
        started = perf_counter()
        self.said, self._page = None, 1
        self.session = session
        self.selection = None
        self.recipe.clear()
        self._number.value = "" if session is None else str(session)
        try:
            if session is not None:
                self.said = self.case.transcript(session, policy=self.policy)
                if session != self.case.selection.session:
                    self.case.selection.session = session
        finally:
            self.hits, self._now = Hits(), None
            self._show_top()
            self._show()
        if self.said is not None:
            caveats = f"{len(self.said.caveats)} caveats" if self.said.caveats else "no caveats"
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
        self.note = (
            f"session {self.session}, {self.said.size('src'):,} bytes from SRC, {self.said.size('dst'):,} from DST"
        )

    def _show(self) -> None:
        """Show the page of what is looked at."""
        said, self._asked = self.said, object()
        none = said is None
        for each in (self._packet, self._hand, self._decode):
            each.disabled = none
        self._policy.disabled = none or said.proto != "tcp"  # type: ignore[union-attr]
        self.text.at, self._spots = None, ()
        self.code = self._as_code()
        if said is None:
            self.text.say()
            self.table.table = pd.DataFrame()
            self._tell_page(1)
        elif self.view in ("text", "hex"):
            self._show_bytes(said)
        elif self.view == "packets":
            self._fill(self.case.packets_of(self.session or 0))
        elif self.view == "tshark":
            self._show_trees()
        else:
            self._show_later(self.view, said)
        self._tell_count()

    def _as_code(self) -> str:
        if self.session is None:
            return "case.transcript(session)"
        policy = "" if self.policy == "first" else f", policy={self.policy!r}"
        made = f"case.transcript({self.session}{policy})"
        lines = {
            "text": made, "hex": f"print({made}.text(style='hex'))", "decoded": f"nsm.transcripts.decoded({made})",
            "objects": f"nsm.transcripts.objects({made})", "packets": f"case.packets_of({self.session})",
            "tshark": f"print(case.view(case.packets_of({self.session}).head({_TREES}), style='tethereal'))",
        }[self.view]  # fmt: skip
        if self._find.value and self.view in ("text", "hex"):
            options = "" if self._as.value == "text" else f", kind={self._as.value!r}"
            options += f", side={self._side.value!r}" if self._side.value else ""
            options += "" if self._any_case.value else ", ignore_case=False"
            lines += f"\n{made}.search({self._find.value!r}{options}).table()"
        return lines

    def _show_bytes(self, said: Conversation) -> None:
        make = conversation.hex_lines if self.view == "hex" else conversation.text_lines
        marks = [
            Mark(hit.side, hit.offset, hit.offset + hit.length, place == self._now)
            for place, hit in enumerate(self.hits)
        ]
        shown = make(said, number=self._page, times=self._times.value, marks=marks)
        self._spots = shown.spots
        self.text.fixed = self.view == "hex"
        hint = [] if self._page > 1 or not _unclear(said) else [
            line(("most of its bytes are no text; the tabs decoded and tshark may tell more", "muted"))
        ]  # fmt: skip
        self._spots = [*[None] * len(hint), *shown.spots]
        self.text.lines = [*hint, *shown.lines]
        self._tell_page(shown.page.count)

    def _tell_page(self, count: int) -> None:
        self._back.disabled, self._on.disabled = self._page <= 1, self._page >= count
        for each in (self._back, self._on):
            each.layout.display = "none" if count < 2 else ""
        self._pages.say(*([line((f"page {self._page:,} of {count:,}", "muted"))] if count > 1 else []))

    def turn_page(self, by: int) -> None:
        """Go on or back by so many pages."""
        self._page = max(self._page + by, 1)
        self._show()

    def _show_detail(self) -> None:
        if self.table.active is None or self.table.active >= len(self._whole):
            self.detail.say(line(("choose a row: all it says comes here; Enter goes to its bytes", "muted")))
            return
        self.detail.say(*_details(self._whole.iloc[self.table.active]))

    def _fill(self, table: pd.DataFrame) -> None:
        self._whole = table
        self.table.empty = _EMPTY[self.view]
        self.table.table = table[[name for name in _COLUMNS[self.view] if name in table]].reset_index(drop=True)
        self.table.label = self.view
        self._show_detail()
        self._tell_page(1)

    # --- what takes its time is done beside the kernel's own work

    def _show_later(self, view: str, said: Conversation) -> None:
        self.table.empty = "working on it ..."
        self.table.table = pd.DataFrame()
        self._tell_page(1)
        self._beside(lambda: self._made(view, said), self._fill)

    def _made(self, view: str, said: Conversation) -> pd.DataFrame:
        from nsm_nb.transcripts.decoding import decoded
        from nsm_nb.transcripts.objects import table_of

        if view == "decoded":
            return decoded(said)
        from nsm_nb.case.objects import each_object

        return table_of(each.row for each in each_object(self.case, [self.session or 0]))

    def _show_trees(self) -> None:
        packets = self.case.packets_of(self.session or 0)
        carrying = packets[packets["payload"].fillna(0) > 0]
        carrying = carrying if len(carrying) else packets
        count = max(1, -(-len(carrying) // _TREES))
        self._page = min(self._page, count)
        some = carrying.iloc[(self._page - 1) * _TREES : self._page * _TREES]
        self.text.fixed = True
        self.text.say(line((f"tshark takes {len(some):,} packets apart ...", "muted")))
        self._tell_page(count)

        def say(text: str) -> None:
            rows = printable(text, lines=True).rstrip("\n").split("\n")
            looks = ["" if row.startswith((" ", "\t")) else "nsm-strong" for row in rows]
            self.text.lines = [{"style": "", "spans": [[row, look, ""]]} for row, look in zip(rows, looks, strict=True)]

        self._beside(lambda: self.case.view(some, "tethereal"), say)

    def _beside(self, make: Callable[[], Any], show: Callable[[Any], object]) -> None:
        """Make something beside the kernel's own work; what is asked for later is shown instead."""
        asked = self._asked

        def work() -> None:
            started = perf_counter()
            try:
                made = make()
            except NsmError as problem:
                if self._asked is asked:
                    self.error = str(problem)
                return
            if self._asked is asked:
                show(made)
                self.status = f"done in {perf_counter() - started:.2f} s"

        self._work = threading.Thread(target=self.guard(work), name="nsm_nb-transcript", daemon=True)
        self._work.start()

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
        if self.view not in ("text", "hex"):
            self.view = "text"
        before, now = self.hits, self._now
        self._seek()
        if self.hits:
            count, ahead = len(self.hits), -1 if back else 1
            again = before == self.hits and now is not None
            self._go_to_hit((now + ahead) % count if again and now is not None else (count - 1 if back else 0))
        return self._now

    def _seek(self) -> None:
        """Mark all places of what is searched for; none is looked at yet."""
        self.hits, self._now = Hits(), None
        self._find.mark()
        if self.said is not None and self._find.value:
            try:
                self.hits = search(
                    self.said,
                    self._find.value, kind=self._as.value, side=self._side.value or None, ignore_case=self._any_case.value,
                    seconds=_BESIDE,
                )  # fmt: skip
            except NsmError as problem:
                self._find.mark(str(problem))
        self._show()

    def _go_to_hit(self, number: int) -> None:
        hit = self.hits[number]
        self._now = number
        self._go_to_byte(hit.side, hit.offset)
        self.status = f"frame {hit.frame}, byte {hit.offset:,} of {hit.side.upper()}"

    def _go_to_byte(self, side: str, offset: int) -> None:
        """Bring a byte of a side into sight."""
        if self.said is None:
            return
        before = 0
        for turn in self.said.turns:
            if turn.side == side and turn.offset <= offset < turn.offset + turn.size:
                self._page = (before + offset - turn.offset) // conversation.MOST + 1
                break
            before += turn.size
        self._show()
        places = [
            place for place, spot in enumerate(self._spots)
            if spot is not None and spot.turn >= 0 and spot.side == side and spot.data and spot.offset <= offset
        ]  # fmt: skip
        self.text.at = places[-1] if places else None

    def _tell_count(self) -> None:
        if not self._find.value or self.said is None:
            self._count.say()
            return
        count = len(self.hits)
        number = "" if self._now is None else f"{self._now + 1:,} of "
        words = f"{number}{count:,} place{'s' if count != 1 else ''}" if count else "not found"
        self._count.say(line(words, (f"; {self.hits.note}" if self.hits.note else "", "doubt")))

    # --- choosing, decoding, judging

    def _choose(self, start: tuple[int, int], end: tuple[int, int]) -> None:
        """Take what was chosen in the lines as bytes of the side of its first line."""
        if self.view not in ("text", "hex") or not 0 <= start[0] < len(self._spots):
            return
        self.text.at = start[0]
        first = next((spot for spot in self._spots[start[0] : end[0] + 1] if spot is not None and spot.data), None)
        if start == end or first is None:
            self.selection = None
            return
        at = byte_at(first, start[1]) if first is self._spots[start[0]] else first.offset
        own = [
            (place, spot) for place, spot in enumerate(self._spots[start[0] : end[0] + 1], start[0])
            if spot is not None and spot.side == first.side and spot.turn >= 0 and spot.data
        ]  # fmt: skip
        if not own:
            return
        place, last = own[-1]
        until = byte_at(last, end[1]) if place == end[0] else last.offset + len(last.data)
        self.choose(first.side, at, until)

    def choose(self, side: str, start: int, end: int) -> None:
        """Choose bytes of a side, for a recipe or to go to their packet."""
        self.selection = (side, start, max(end, start))
        self.status = (
            f"chosen: bytes {start:,} to {max(end, start):,} of {side.upper()} ({max(end - start, 0):,} bytes)"
        )

    def _given(self, which: str) -> tuple[list[bytes], str]:
        """Return what a recipe is given, and which bytes those are."""
        said = self.said
        if said is None:
            raise NsmError("no session is shown; choose one first")
        if which != "chosen":
            side = which[:3].lower()
            turns = [turn for turn in said.turns if turn.side == side]
            if sum(turn.size for turn in turns) > MOST:
                raise NsmError(f"{side.upper()} sent more than {MOST >> 20} MiB; choose a part of it in the text")
            return [turn.data for turn in turns], f"session {self.session}, {side.upper()}, {len(turns):,} turns"
        chosen = self.selection
        spot = self._spots[self.text.at] if self.text.at is not None and self.text.at < len(self._spots) else None
        if chosen is None and spot is not None:
            turn = said.turns[spot.turn] if spot.turn >= 0 else said.strays[-1 - spot.turn]
            if spot.turn < 0:
                return [turn.data], f"session {self.session}, {turn.side.upper()}, not in the stream"
            chosen = turn.side, turn.offset, turn.offset + turn.size
        side, start, end = chosen or (
            "src",
            0,
            max((turn.offset + turn.size for turn in said.turns if turn.side == "src"), default=0),
        )
        parts = [
            turn.read(max(start - turn.offset, 0), min(end, turn.offset + turn.size) - max(start, turn.offset))
            for turn in said.turns
            if turn.side == side and turn.offset < end and turn.offset + turn.size > start
        ]
        return [b"".join(parts)], f"session {self.session}, {side.upper()} bytes {start:,} to {end:,}"

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
        side, start, _ = self.selection or (None, 0, 0)
        spot = self._spots[self.text.at] if self.text.at is not None and self.text.at < len(self._spots) else None
        if side is None and spot is not None:
            side, start = spot.side, spot.offset
        where = None if side is None else self.said.at(side, start)
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
        row = self.table.table.iloc[position]
        if self.view == "packets":
            capture = str(self.case.packets_of(self.session or 0)["evidence"].iloc[position])
            self._ask_for(capture, int(row["frame"]))
            return
        said, frame = self.said, int(row["frame"])
        turns = (
            [] if said is None else [turn for turn in said.turns if turn.side == row["side"] and frame in turn.frames]
        )
        if not turns:
            raise NsmError(f"frame {frame} carries no bytes of {row['side']} in this session; the packet tab shows it")
        whole = self._whole.iloc[position]
        offset = int(whole["offset"]) if "offset" in whole else turns[0].offset
        self.view = "text"
        self._go_to_byte(str(row["side"]), offset)

    # --- keys, and what is handed out

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
        elif key == "?":
            self.status = _HELP

    def _step(self, by: int) -> None:
        """Mark the next or previous turn."""
        begins = [
            place for place, spot in enumerate(self._spots)
            if spot is not None and (not place or self._spots[place - 1] is None or self._spots[place - 1].turn != spot.turn)  # type: ignore[union-attr]
        ]  # fmt: skip
        at = self.text.at
        ahead = [place for place in begins if at is None or (place > at if by > 0 else place < at)]
        if not ahead:
            self.status = f"this is the {'last' if by > 0 else 'first'} turn here"
            return
        self.text.at = ahead[0] if by > 0 else ahead[-1]
        self.selection = None


def _button(name: str, tooltip: str) -> ipywidgets.Button:
    return ipywidgets.Button(description=name, tooltip=tooltip)


def _details(row: pd.Series) -> list[dict]:
    """Return all that a row says, a line each; texts with their own line ends."""
    fields = dict(row["fields"]) if isinstance(row.get("fields"), dict) else {}
    # what the table shows already is not said again where there is more
    said = (
        {"text": row["text"], **fields}
        if fields
        else {str(name): value for name, value in row.items() if name != "fields"}
    )
    lines = []
    for name, value in said.items():
        if isinstance(value, list):
            texts = [": ".join(map(str, each)) if isinstance(each, (list, tuple)) else str(each) for each in value]
        else:
            texts = [] if value is None or (pd.api.types.is_scalar(value) and pd.isna(value)) else [str(value)]
        for number, text in enumerate(part for each in texts for part in each.split("\n")):
            lines.append(line((f"{'' if number else name:<14}", "muted"), text))
    return lines


def _unclear(said: Conversation) -> bool:
    """Return True where most of the first bytes of both sides are no text."""
    some = b"".join(turn.read(0, 2_048) for turn in said.turns[:8])
    clear = sum(32 <= byte < 127 or byte in (9, 10, 13) for byte in some)
    return bool(some) and clear * 10 < len(some) * 7
