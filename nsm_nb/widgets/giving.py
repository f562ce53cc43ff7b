"""What a transcript hands out: its text, the bytes of a side, its packets to a capture or to Wireshark."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from nsm_nb.full_content import wireshark
from nsm_nb.full_content.writing import write_whole
from nsm_nb.text import printable
from nsm_nb.transcripts.rendering import pieces
from nsm_nb.transcripts.saving import chunks, write
from nsm_nb.widgets.handout import Handout

if TYPE_CHECKING:
    from nsm_nb.case import Case
    from nsm_nb.transcripts import Transcript

__all__ = ["MOST", "Giving"]

MOST = 64 << 20  # bytes that are handed to the browser


class Giving(Handout):
    """Buttons that hand out a transcript.

    Parameters
    ----------
    case
        An open case.
    shown
        Returns the transcript, the number of its session, and what is shown of it as text.
    tell
        Is told in words what was done.
    guard
        Wraps callbacks so that their errors are shown.
    """

    def __init__(
        self,
        case: Case,
        shown: Callable[[], tuple[Transcript | None, int | None, str]],
        tell: Callable[[str], object],
        guard: Callable[[Callable], Callable],
        **traits: Any,
    ):
        self._case, self._shown, self._tell = case, shown, tell
        offers = [
            ("copy", "copy", "Copy what is shown"), ("text", "save text", "Save the whole transcript as text"),
            ("src", "raw SRC", "Save all bytes of SRC"), ("dst", "raw DST", "Save all bytes of DST"),
            ("carve", "carve", "Write its packets to a capture of their own"),
            ("wireshark", "Wireshark", "Open its packets in Wireshark, or download them where there is no screen"),
        ]  # fmt: skip
        super().__init__(offers, guard(self._give), self._told_of_copy, **traits)

    def _give(self, what: str) -> None:
        said, session, text = self._shown()
        if said is None or session is None:
            return
        if what == "copy":
            self.copy(text)
        elif what == "carve":
            self._tell(f"its packets are in {printable(self._case.carve(session))}")
        elif what == "wireshark":
            self._open(session)
        else:
            self._save(said, session, what)

    def _save(self, said: Transcript, session: int, what: str) -> None:
        name = f"session-{session}-{'transcript.txt' if what == 'text' else f'{what}.bin'}"
        size = said.size("src") + said.size("dst") if what == "text" else said.size(what)
        if size > MOST:
            self._tell(f"it is too large for the browser, and is in {printable(self._to_file(said, what, name))}")
            return
        if what == "text":
            data = (
                said.text().encode()
                if size < 1 << 20
                else "".join(f"{each}\n" for each in pieces(said, "plain", size=None)).encode()
            )
        else:
            data = b"".join(chunks(said, what))
        self.save(name, data, kind="text/plain" if what == "text" else "application/octet-stream")
        self._tell(f"handed to the browser as {printable(name)}")

    def _to_file(self, said: Transcript, what: str, name: str) -> Path:
        folder = self._case.work / "carved"
        folder.mkdir(parents=True, exist_ok=True)
        if what != "text":
            return write(said, what, folder / name)
        write_whole(folder / name, (f"{each}\n".encode() for each in pieces(said, "plain", size=None)))
        return folder / name

    def _open(self, session: int) -> None:
        handed = wireshark(self._case.carve(session))
        place, size = printable(handed.path), handed.path.stat().st_size
        if handed.opened:
            self._tell(f"{place} is opened in Wireshark")
        elif size > MOST:
            self._tell(f"{place} is too large to hand to the browser: fetch it there")
        else:
            self.save(handed.path.name, handed.path.read_bytes(), kind="application/x-pcapng")
            self._tell(f"{place} is handed to the browser: {handed.why.partition(':')[0]}")

    def _told_of_copy(self, done: bool) -> None:
        self._tell("copied" if done else "the browser let nothing into the clipboard; mark the text and copy it")
