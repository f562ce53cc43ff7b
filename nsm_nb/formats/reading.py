"""What a capture tells of itself while its frames are read: damage, lengths and times that can't be right, drops."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from nsm_nb.formats.frames import Frames
from nsm_nb.formats.link_names import link_name
from nsm_nb.formats.source import Source
from nsm_nb.kernels.decode import LINKS
from nsm_nb.kernels.noticing import Odd, notice
from nsm_nb.kernels.records import Seen
from nsm_nb.schema import Caveat
from nsm_nb.text import form, many, printable

__all__ = ["Reading"]

_TOLD = 20  # places of damage that are told one by one
_MOST_PLACES = 10_000  # places of damage behind which reading goes on; each costs a search
_YEAR = 365 * 86_400 * 10**9


class Reading:
    """One file while it is read: its frames, and what there is to tell of it.

    Parameters
    ----------
    label
        The evidence that caveats and errors name.
    frames
        Where its rows go, behind those that are there.
    recover
        Whether to search behind damage for where records go on.

    Attributes
    ----------
    caveats : list of Caveat
    seen : int64 array
        What the walks counted, see `Seen`.
    snaplen : int or None
        What the file says it keeps of a frame at most; None where it does not, or its interfaces differ.
    odd : int64 array
        What is odd about its rows, see `Odd`; counted by `finish`.
    recovered : int or None
        The first row that was found by searching.
    """

    def __init__(self, label: str, frames: Frames, *, recover: bool = False):
        self.label, self.frames, self.first, self.recover = label, frames, frames.count, recover
        self.name = printable(label)
        self.caveats: list[Caveat] = []
        self.seen = np.zeros(Seen.SIZE, np.int64)
        self.snaplen: int | None = None
        self.recovered: int | None = None
        self.odd = np.zeros(Odd.SIZE, np.int64)
        self._places = self._unread = 0

    @property
    def count(self) -> int:
        """Frames read of this file."""
        return self.frames.count - self.first

    def frame(self, row: int) -> int:
        """Return the number of a row's frame in its file, from 1."""
        return int(row) - self.first + 1

    def tell(self, kind: str, sentence: str, *, frame: int | None = None, at: int | None = None) -> None:
        """Add a caveat; the sentence says what is the matter, without naming the file."""
        self.caveats.append(Caveat(self.label, frame, at, kind, f"{self.name}: {sentence}"))

    def too_many(self, source: Source) -> bool:
        """Return True, and say so, where a small compressed file holds so many frames that their table would be huge."""
        if source.most_records is None or self.count <= source.most_records:
            return False
        source.trouble = (
            f"it unpacks to more than {source.most_records:,} frames, more than it has bytes; the rest was left unread "
            "(unpack it yourself if you trust it)"
        )
        return True

    def ended(self, source: Source) -> None:
        """Tell why nothing more could be read, where that was not the end of the file."""
        if source.trouble:
            self.tell("cut", source.trouble, frame=self.count, at=source.at)

    @property
    def telling(self) -> bool:
        """True as long as places of damage are told one by one."""
        return self._places < _TOLD

    def damage(self, source: Source, sentence: str, find: Callable[[], bool]) -> bool:
        """Tell of damage at the byte where the source stands; return True where reading goes on.

        Parameters
        ----------
        source
            Stands behind the damage afterwards: where records go on, or at the end.
        sentence
            What is the matter, without what became of it.
        find
            Moves the source to where records go on; False where they don't.
        """
        at = source.at
        if self._goes_on(source, sentence, find):
            return True
        source.rest()
        self.tell(
            "damage",
            f"{sentence}; {many(source.at - at, 'byte was', 'bytes were')} not read",
            frame=self.count + 1,
            at=at,
        )
        return False

    def _goes_on(self, source: Source, sentence: str, find: Callable[[], bool]) -> bool:
        at, frame = source.at, self.count + 1
        self.frames.settle()  # what finds records may cut the last one
        if not self.recover or self._places >= _MOST_PLACES or not find():
            return False
        passed = max(source.at - at, 0)
        if self.telling:
            words = f"{many(passed, 'byte was', 'bytes were')} passed over; the frames from {frame} on were found by searching"
            self.tell("damage", f"{sentence}; {words}", frame=frame, at=at)
        self._places += 1
        self._unread += passed
        self.recovered = self.frames.count if self.recovered is None else self.recovered
        return True

    def cut(self, source: Source, find: Callable[[], bool], what: str = "") -> bool:
        """Tell that the file ends within what begins where the source stands; return True where reading goes on all the same.

        Parameters
        ----------
        source, find
            As in `damage`.
        what
            What begins there; the next frame where not given.
        """
        at, left = source.at, source.end - source.start
        if not left or source.trouble:
            return False
        what = what or f"frame {self.count + 1} starts at byte {at} and"
        if self._goes_on(source, f"damage at byte {at}: {what} claims more bytes than are left", find):
            return True
        self.tell(
            "cut",
            f"cut short at byte {at + left}: {what} is not whole; {many(left, 'byte was', 'bytes were')} not read",
            frame=self.count + 1,
            at=at,
        )
        return False

    def finish(self) -> list[Caveat]:
        """Return all there is to tell, once the last frame was read."""
        if self._places > _TOLD:
            self.tell(
                "damage",
                f"damage at {self._places:,} places in all, {self._unread:,} bytes were passed over; the first "
                f"{_TOLD} places are told one by one",
            )
        if self._places and self.recovered is not None:
            count = self.frames.count - self.recovered
            first = self.frame(self.recovered)
            words = f"{many(count, 'frame stands', 'frames stand')} behind damage, from frame {first} on: "
            words += form(count, "it is a guess", "they are a guess")
            words += form(
                count,
                " (the column recovered of read_packets marks it)",
                " (the column recovered of read_packets marks them)",
            )
            self.tell("recovered", words, frame=first)
        c = self.frames.columns
        odd, links = notice(c.time, c.captured, c.length, c.link, self.first, self.frames.count)
        self.odd = odd
        self._link_types(links)
        self._lengths(odd)
        self._times(odd)
        if self.seen[Seen.DROPS]:
            count = int(self.seen[Seen.DROPS])
            self.tell(
                "drops",
                f"it says itself that {many(count, 'frame was', 'frames were')} dropped while it was written; "
                f"{form(count, 'it is', 'they are')} not in it",
            )
        return self.caveats

    def _link_types(self, links: np.ndarray) -> None:
        for link in np.flatnonzero(links[:, 0]).tolist():
            if link not in LINKS:
                count, first = int(links[link, 0]), self.frame(links[link, 1])
                self.tell(
                    "link type",
                    f"link type {link_name(link)} is not supported: {many(count, 'frame has', 'frames have')} no addresses "
                    f"(first is frame {first})",
                    frame=first,
                )

    def _lengths(self, odd: np.ndarray) -> None:
        offset = self.frames.columns.offset
        if odd[Odd.SHORT]:
            row = odd[Odd.SHORT_ROW]
            self.tell(
                "snaplen",
                f"{odd[Odd.SHORT]:,} of {many(self.count, 'frame')} {form(odd[Odd.SHORT], 'was', 'were')} captured in part "
                f"(largest {many(odd[Odd.LARGEST], 'byte')}); "
                "octets are from the headers, transcripts have gaps",
                frame=self.frame(row),
                at=int(offset[row]),
            )
        if odd[Odd.LONGER]:
            row = odd[Odd.LONGER_ROW]
            self.tell(
                "length",
                f"{many(odd[Odd.LONGER], 'frame says', 'frames say')} that fewer bytes were on the wire than are in the file "
                f"(first is frame {self.frame(row)}); one of the two lengths is false",
                frame=self.frame(row),
                at=int(offset[row]),
            )
        if odd[Odd.EMPTY]:
            row = odd[Odd.EMPTY_ROW]
            self.tell(
                "length",
                f"{many(odd[Odd.EMPTY], 'frame holds', 'frames hold')} no bytes at all (first is frame {self.frame(row)})",
                frame=self.frame(row),
                at=int(offset[row]),
            )
        if self.snaplen == 0:
            self.tell("snaplen", "its header says that 0 bytes of a frame are kept; that is taken for no limit")
        if self.seen[Seen.OVER_SNAPLEN]:
            row = self.seen[Seen.OVER_SNAPLEN_ROW]
            count = self.seen[Seen.OVER_SNAPLEN]
            limit = form(count, "its snaplen", "their snaplen")
            if self.snaplen is not None:
                limit = f"the snaplen of {self.snaplen:,} that its header names"
            self.tell(
                "snaplen",
                f"{many(count, 'frame is', 'frames are')} larger than {limit} (first is frame {self.frame(row)}); "
                f"{form(count, 'it', 'they')} may be damaged",
                frame=self.frame(row),
                at=int(offset[row]),
            )

    def _times(self, odd: np.ndarray) -> None:
        if odd[Odd.TIMELESS]:
            first = self.frame(odd[Odd.TIMELESS_ROW])
            without = many(odd[Odd.TIMELESS], "frame has", "frames have")
            self.tell("clock", f"{without} no time (first is frame {first})", frame=first)
        if self.seen[Seen.PART]:
            first, count = self.frame(self.seen[Seen.PART_ROW]), self.seen[Seen.PART]
            self.tell(
                "clock",
                f"{many(count, 'time has', 'times have')} a fraction of a second that is a second or more "
                f"(first is frame {first}); {form(count, 'it was', 'they were')} added up",
                frame=first,
            )
        offset = self.frames.columns.offset
        if odd[Odd.BACK]:
            first, worst = self.frame(odd[Odd.BACK_ROW]), self.frame(odd[Odd.BACK_MOST_ROW])
            self.tell(
                "clock",
                f"clock ran backwards {many(odd[Odd.BACK], 'time')}, first at frame {first}, at most "
                f"{int(odd[Odd.BACK_MOST]) / 1e9:g} s at frame {worst}",
                frame=worst,
                at=int(offset[odd[Odd.BACK_MOST_ROW]]),
            )
        if odd[Odd.AHEAD_MOST] > _YEAR:
            frame = self.frame(odd[Odd.AHEAD_MOST_ROW])
            self.tell(
                "clock",
                f"clock jumped ahead {int(odd[Odd.AHEAD_MOST]) / _YEAR:.1f} years at frame {frame}",
                frame=frame,
                at=int(offset[odd[Odd.AHEAD_MOST_ROW]]),
            )
