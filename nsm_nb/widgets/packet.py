"""One packet: its headers as Sguil shows them, its bytes searched, and its text as tcpdump, Snort and tshark print it."""

from __future__ import annotations

import tempfile
import threading
from pathlib import Path
from time import perf_counter
from typing import TYPE_CHECKING, Any

import ipywidgets
import numpy as np
import pandas as pd
import traitlets

from nsm_nb.case.carved import name_of_frame
from nsm_nb.errors import NsmError, UnknownName
from nsm_nb.full_content import fields, frame_bytes, payload_bytes
from nsm_nb.full_content.frames import link_types
from nsm_nb.text import many, printable
from nsm_nb.widgets.cells import time
from nsm_nb.widgets.entry import Entry
from nsm_nb.widgets.frame import Frame
from nsm_nb.widgets.handout import Handout
from nsm_nb.widgets.headers import header_rows
from nsm_nb.widgets.lines import Lines, line
from nsm_nb.widgets.octets import Octets, hits, octet_lines, wanted

if TYPE_CHECKING:
    from nsm_nb.case import Case

__all__ = ["Packet"]

_STYLES = {
    "headers": "its header fields, and its payload in hex and as text",
    "tcpdump": "as tcpdump -n -e -vvv -X prints it",
    "snort": "as snort -dve prints it",
    "hex": "the whole frame, as tshark -x prints it",
    "tethereal": "all that tshark can tell of it, as tethereal -n -x -V prints it",
}
_HELP = ("n p next and previous packet   / search   F3 Shift+F3 next and previous place",)


class Packet(Frame):
    """One packet of a case; `frame` is its number in `evidence`, `style` how it is shown.

    Without a frame it is the packet that the chosen alert is about, else the first of the chosen session that carries something.
    Next and previous are those of its session, or of its capture where it has none.

    Parameters
    ----------
    case
        An open case.
    frame
        The number of a frame, as Wireshark counts.
    evidence
        Its capture; the only one where not given.
    style
        headers, tcpdump, snort, hex or tethereal.
    """

    frame = traitlets.Int(None, allow_none=True, help="the number of the frame that is shown")
    evidence = traitlets.Unicode(help="the capture that it stands in")
    style = traitlets.Enum(tuple(_STYLES), default_value="headers", help="how it is shown")

    def __init__(
        self,
        case: Case,
        frame: int | None = None,
        *,
        evidence: str | None = None,
        style: str = "headers",
        **traits: Any,
    ):
        self.case = case
        self._near = case.packets.head(0)  # the packets among which next and previous are looked for
        self._place: int | None = None
        self._data, self._found, self._now = b"", [], None  # type: tuple[bytes, list[tuple[int, int]], int | None]
        self._tree: threading.Thread | None = None
        self._asked = object()
        self._chosen: tuple[int | None, str | None] | None = None
        self._number = Entry(label="frame", code=True, placeholder="number, or capture number")
        self._number.layout.width = "220px"
        self._back = ipywidgets.Button(description="previous", tooltip="The packet before it in its session (p)")
        self._on = ipywidgets.Button(description="next", tooltip="The packet after it in its session (n)")
        self._follow = ipywidgets.Button(
            description="the chosen one", tooltip="Go to the packet of the alert or session that the case has chosen"
        )
        self._style = ipywidgets.ToggleButtons(options=list(_STYLES), tooltips=list(_STYLES.values()))
        self._carve = ipywidgets.Button(
            description="carve", tooltip="Write it to a capture of its own in the case's folder"
        )
        self._hand = Handout(
            [("text", "copy", "Copy the text that is shown"), ("pcap", "pcap", "Save this frame as a capture")],
            self.guard(self._hand_out), self._copied,
        )  # fmt: skip
        bar = ipywidgets.HBox([self._back, self._on, self._number, self._follow, self._style, self._hand, self._carve])
        self.top = Lines(boxed=True, code=True, fixed=True, label="headers")
        self._search = Entry(label="search", code=True, placeholder="Enter finds the next place   /")
        self._search.layout.flex = "1 1 240px"
        self._search.add_class("nsm-asked")
        self._as = ipywidgets.ToggleButtons(
            options=["text", "hex"], tooltips=["the words as text", "the words as pairs of hex digits"]
        )
        self._any_case = ipywidgets.Checkbox(description="ignore case", value=True, indent=False)
        self._any_case.layout.width = "auto"
        self._last = ipywidgets.Button(description="previous place", tooltip="Shift+F3")
        self._next = ipywidgets.Button(description="next place", tooltip="F3")
        self._count = Lines(live="polite")
        searching = ipywidgets.HBox([self._search, self._as, self._any_case, self._last, self._next, self._count])
        for each in (bar, searching):
            each.add_class("nsm-bar")
        self.text = Octets(boxed=True, code=True, fixed=True, height=360, label="bytes")
        self.text.add_class("nsm-octets")
        super().__init__("Packet", bar, self.top, searching, self.text, keys=_HELP, **traits)
        self._title.listens, self._title.asks = ["n", "p", "/", "F3", "Shift+F3", "?"], {"/": "always"}
        self._title.on_key(self.guard(self._key))
        self._style.value = self.style = style
        self._number.on_submit(self.guard(self._ask))
        self._back.on_click(self.guard(lambda button: self.step(-1)))
        self._on.on_click(self.guard(lambda button: self.step(1)))
        self._follow.on_click(self.guard(lambda button: self.to_chosen()))
        self._style.observe(self.guard(lambda change: self.set_trait("style", change["new"])), "value")
        self.observe(self.guard(lambda change: self._restyle()), "style")
        self._carve.on_click(self.guard(lambda button: self._carve_it()))
        self._search.on_submit(self.guard(lambda words: self.find(words)))
        self._last.on_click(self.guard(lambda button: self.find(back=True)))
        self._next.on_click(self.guard(lambda button: self.find()))
        for each in (self._as, self._any_case):
            each.observe(self.guard(lambda change: self._seek()), "value")
        self._show()
        if frame is None:
            self.guard(self.refresh)()
        else:
            self._chosen = case.selection.session, case.selection.alert
            self.guard(self.show)(frame, evidence)

    # --- which packet

    @property
    def row(self) -> pd.DataFrame:
        """The packet's row of PACKETS, as a table of one row; empty where none is shown."""
        return self._near.head(0) if self._place is None else self._near.iloc[self._place : self._place + 1]

    def refresh(self) -> None:
        """Go to what the case has chosen meanwhile; what was looked at stays where it chose nothing else."""
        if self._place is None or self._chosen != (self.case.selection.session, self.case.selection.alert):
            self.to_chosen()

    def to_chosen(self) -> None:
        """Go to the packet that the chosen alert is about, else to the first of the chosen session that carries anything."""
        session, alert = self._chosen = self.case.selection.session, self.case.selection.alert
        packet = None if alert is None else self.case.packet_of(alert)
        if packet is not None and (session is None or packet["session"] == session):
            self.show(int(packet["frame"]), str(packet["evidence"]))
        elif session is not None:
            self.show_session(session)
        else:
            self._place, self.frame, self.evidence = None, None, ""
            self._show()

    def show_session(self, session: int) -> None:
        """Show the first packet of a session that carries something, else its first.

        Raises
        ------
        NsmError
            Where the case holds no packets of it.
        """
        packets = self.case.packets_of(session)
        if not len(packets):
            raise NsmError(
                f"no capture of the case holds packets of session {session}; choose one whose source is pcap"
            )
        carrying = np.flatnonzero(packets["payload"].fillna(0).to_numpy() > 0)
        self._go(packets, int(carrying[0]) if len(carrying) else 0)

    def show(self, frame: int, evidence: str | None = None) -> None:
        """Show a frame of a capture.

        Raises
        ------
        UnknownName
            Where the case has no such capture or frame, or several captures and none was named.
        """
        packets = self.case.packets
        names = packets["evidence"].astype("category")
        known = [str(each) for each in names.cat.categories]
        label = evidence or (self.evidence if self.evidence in known else known[0] if len(known) == 1 else "")
        if label not in known:
            named = f"there is no capture {printable(label)!r} in this case" if label else "name the capture too"
            raise UnknownName(f"{named}; there is: {', '.join(map(printable, known)) or 'none'}")
        rows = np.flatnonzero(names.cat.codes.to_numpy() == known.index(label))
        if not 1 <= frame <= len(rows):
            raise UnknownName(f"{printable(label)} has no frame {frame}; it has {many(len(rows), 'frame')}")
        session = packets["session"].iloc[int(rows[frame - 1])]
        near = packets.iloc[rows]
        if not pd.isna(session):
            near = self.case.packets_of(int(session))
            if not (near["evidence"] == label).any():  # several captures hold the session, and it counts in another
                near = packets.iloc[rows[(packets["session"].iloc[rows] == session).fillna(value=False).to_numpy(bool)]]
        asked = (near["frame"] == frame).to_numpy() & (near["evidence"] == label).to_numpy()
        self._go(near, int(np.flatnonzero(asked)[0]))

    def step(self, by: int) -> None:
        """Go on or back by so many packets."""
        if self._place is None:
            self.status = "no packet is shown"
        elif not 0 <= self._place + by < len(self._near):
            self.status = f"this is the {'last' if by > 0 else 'first'} packet of its {self._whose()}"
        else:
            self._go(self._near, self._place + by)

    def _whose(self) -> str:
        return "capture" if self.row["session"].isna().all() else "session"

    def _go(self, near: pd.DataFrame, place: int) -> None:
        self._near, self._place = near, place
        packet = near.iloc[place]
        with self.hold_trait_notifications():
            self.frame, self.evidence = int(packet["frame"]), str(packet["evidence"])
        self._number.value = str(self.frame)
        self._show()

    def _ask(self, text: str) -> None:
        name, _, number = text.strip().rpartition(" ")
        if not (number.isascii() and number.isdecimal()):
            raise NsmError(f"{printable(text)!r} is no frame; write its number, or the capture and its number")
        self.show(int(number), name.strip() or None)

    # --- how it is shown

    def _restyle(self) -> None:
        self._style.value = self.style
        self._show()

    def _show(self) -> None:
        started = perf_counter()
        self._asked = object()
        self._data, self._found, self._now, self.text.at = b"", [], None, None
        self._hand.disabled = self._carve.disabled = self._place is None
        self._as.disabled = self.style != "headers"  # a text is searched for words
        self.text.fixed, self.text.height = self.style in ("headers", "hex"), 360 if self.style == "headers" else 460
        if self._place is None:
            self.note, self.code, self.status = "", 'nsm.widgets.Packet(case, 1, evidence="...")', ""
            hint = "no packet is chosen: choose a session or an alert, or write the number of a frame"
            self.top.say(line((hint, "muted")))
            self.text.say()
            self._count.say()
            return
        row, paths = self.row, self.case.paths
        frame = frame_bytes(row, evidence=paths)[0]
        packet = row.iloc[0]
        self.note = (
            f"frame {self.frame} of {self.evidence}, {time(packet['time'])} UTC, {many(packet['length'], 'byte')}"
        )
        self._say_headers(packet, frame)
        if self.style == "headers":
            self.code = f"case.frame({self.evidence!r}, {self.frame})"
            payload = payload_bytes(row, evidence=paths)[0]
            self._data = payload.data or (frame if not payload.size else b"")
            self._seek()
        else:
            one = f"packets_of({packet['session']}).iloc[[{self._place}]]"
            one = one if self._whose() == "session" else f"packets.loc[[{row.index[0]}]]"
            self.code = f"print(case.view(case.{one}, style={self.style!r}))"
            if self.style == "tethereal":
                self._ask_tshark(row)
            else:
                self._say(self.case.view(row, self.style))
        took = f"read in {perf_counter() - started:.3f} s"
        self.status = f"packet {self._place + 1:,} of {len(self._near):,} in its {self._whose()}; {took}"

    def _say_headers(self, packet: pd.Series, frame: bytes) -> None:
        to_dst = None if pd.isna(packet["to_dst"]) else bool(packet["to_dst"])
        way = {None: "", True: ", SRC to DST", False: ", DST to SRC"}[to_dst]
        session = "in no session" if self._whose() == "capture" else f"session {packet['session']}{way}"
        carried = 0 if pd.isna(packet["payload"]) else int(packet["payload"])
        words = f"{packet['layers']}, {session}, {many(carried, 'byte')} of payload"
        lines = [line((words, "muted"))]
        if packet["captured"] < packet["length"]:
            lines.append(line((f"captured {packet['captured']:,} of {many(packet['length'], 'byte')}", "doubt")))
        if self.style == "headers":
            lines += header_rows(fields(frame, link=int(link_types(self.row)[0])), to_dst=to_dst)
        self.top.say(*lines)

    def _say(self, text: str) -> None:
        rows = printable(text, lines=True).rstrip("\n").split("\n")
        looks = [
            "" if row.startswith((" ", "\t", "0")) else "nsm-strong" for row in rows
        ]  # where a packet or layer begins
        # not by `line`: tabs stay
        self.text.say(*({"style": "", "spans": [[row, look, ""]]} for row, look in zip(rows, looks, strict=True)))
        self._count.say(line((many(len(rows), "line"), "muted")))

    def _ask_tshark(self, row: pd.DataFrame) -> None:
        """Have tshark take the packet apart, beside the kernel's own work; what is asked for later is shown instead."""
        asked, case = self._asked, self.case
        self.text.say(line(("tshark takes it apart ...", "muted")))

        def work() -> None:
            started = perf_counter()
            try:
                text = case.view(row, "tethereal")
            except NsmError as problem:
                if self._asked is asked:
                    self.text.say(line((str(problem), "doubt")))
                return
            if self._asked is asked:
                self._say(text)
                self.status = (
                    f"taken apart in {perf_counter() - started:.2f} s; tshark sees this packet alone, as its frame 1"
                )

        self._tree = threading.Thread(target=work, name="nsm_nb-tshark", daemon=True)
        self._tree.start()

    # --- searching

    def find(self, words: str | None = None, *, back: bool = False) -> int | None:
        """Go to the next place of what is searched for; return its number, None where there is none.

        Parameters
        ----------
        words
            Text or hex digits; those searched for before where not given.
        back
            To the one before instead.
        """
        if words is not None:
            self._search.value = words
        if self.style != "headers":
            return self._find_line(back=back)
        before, now = self._found, self._now
        self._seek()
        if self._found:
            count, ahead = len(self._found), -1 if back else 1
            started = before == self._found and now is not None
            self._now = (now + ahead) % count if started and now is not None else (count - 1 if back else 0)
            self._mark()
        return self._now

    def _seek(self) -> None:
        """Mark all places of what is searched for; none is looked at yet."""
        self._found, self._now, self.text.at = [], None, None
        self._search.mark()
        if self._search.value and self.style == "headers":
            try:
                pattern = wanted(self._search.value, octets=self._as.value == "hex")
            except NsmError as problem:
                self._search.mark(str(problem))
            else:
                self._found = hits(self._data, pattern, ignore_case=self._any_case.value)
        if self.style == "headers":
            self._mark()

    def _mark(self) -> None:
        lines = octet_lines(self._data, self._found, self._now)
        self.text.say(*(lines or [line(("it carries nothing", "muted"))]))
        if self._now is not None:
            self.text.at = self._found[self._now][0] // 16
        if not self._search.value:
            self._count.say(line((many(len(self._data), "byte"), "muted")))
        elif not self._found:
            self._count.say(line("not found"))
        else:
            number = "" if self._now is None else f"{self._now + 1} of "
            self._count.say(line(f"{number}{many(len(self._found), 'place')}"))

    def _find_line(self, *, back: bool) -> int | None:
        fold = str.casefold if self._any_case.value else str
        words = fold(printable(self._search.value))
        held = [number for number, text in enumerate(self.text.text().split("\n")) if words and words in fold(text)]
        at = self.text.at
        if not held:
            self.text.at = None
            self._count.say(line("not found"))
            return None
        after = [each for each in held if at is None or (each < at if back else each > at)]
        self.text.at = (after or held)[-1 if back else 0]
        self._count.say(line(f"line {held.index(self.text.at) + 1} of {len(held):,} that hold it"))
        return held.index(self.text.at)

    # --- keys, and what is handed out

    def _key(self, key: str) -> None:
        if key in ("n", "p"):
            self.step(1 if key == "n" else -1)
        elif key in ("F3", "Shift+F3"):
            self.find(back=key != "F3")

    def _hand_out(self, what: str) -> None:
        if self._place is None:
            return
        if what == "text":
            head = [self.top.text()] if self.style == "headers" else []
            self._hand.copy("\n".join([*head, self.text.text()]))
            return
        name = name_of_frame(self.evidence, int(self.frame or 0))
        with tempfile.TemporaryDirectory() as folder:
            data = self.case.carve(self.row, Path(folder) / name).read_bytes()
        self._hand.save(name, data, kind="application/vnd.tcpdump.pcap")
        self.status = f"handed to the browser as {name}"

    def _copied(self, done: bool) -> None:
        self.status = "copied" if done else "the browser let nothing into the clipboard; mark the text and copy it"

    def _carve_it(self) -> None:
        path = self.case.carve(self.row)
        self.status = f"it is in {printable(path)}"
