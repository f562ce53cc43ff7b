"""Packets as ``tcpdump -n -e -vvv -X`` prints them, without the lines of applications."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from nsm_nb.formats.link_names import link_name
from nsm_nb.full_content.views.tcpdump.link import LINKS
from nsm_nb.full_content.views.tcpdump.page import Cut, Page, hex_rows

__all__ = ["tcpdump"]


def tcpdump(frames: Iterable[tuple[int | None, int, bytes, int]]) -> Iterator[str]:
    """Return each frame's text: when, from where to where, headers, then its bytes from the network layer on.

    Sequence numbers are as tcpdump's: the first of a conversation as they are, later ones counted from it. What came
    before is what came before among these frames.

    Parameters
    ----------
    frames
        Nanoseconds since 1970 (None where there is no time), bytes on the wire, the bytes captured, LINKTYPE_ number.
    """
    talks: dict[tuple, tuple[int, int]] = {}
    for time, length, data, link in frames:
        page = Page(talks)
        header = 0
        page.say(f"{_clock(time)} ")
        printer = LINKS.get(link)
        if printer is None:
            page.say(f"link type {link_name(link)}, of which this layout has the bytes alone, length {length}")
        else:
            try:
                header = printer(page, data, length)
            except Cut:
                page.cut()
        yield f"{''.join(page.parts)}{hex_rows(data[header:])}\n"


def _clock(time: int | None) -> str:
    if time is None:
        return "--:--:--.------"
    seconds, rest = divmod(time, 1_000_000_000)
    return f"{seconds // 3600 % 24:02}:{seconds // 60 % 60:02}:{seconds % 60:02}.{rest // 1000:06}"
