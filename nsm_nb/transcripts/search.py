r"""Where something stands in a conversation: text, hex or a regular expression, across turns and segments, in bounded memory.

Each side is one stream: what segments and turns cut in two is found. Over a gap nothing is found, and datagrams are looked at
one by one. Of a regular expression a match has at most 64 KiB, and its time is limited: `regex` stops where `re` would go on
for years.
"""

from __future__ import annotations

import itertools
import re
from bisect import bisect_right
from collections.abc import Callable, Iterator
from time import monotonic
from typing import TYPE_CHECKING, Any, NamedTuple

import pandas as pd

from nsm_nb.errors import NsmError, UnknownName
from nsm_nb.text import printable
from nsm_nb.transcripts.turns import SIDES, Turn

if TYPE_CHECKING:
    from nsm_nb.transcripts.transcript import Transcript

__all__ = ["KINDS", "Hit", "Hits", "search", "wanted"]

KINDS = {
    "text": "words as they stand",
    "hex": "pairs of hex digits such as 0d 0a",
    "regex": r"a regular expression over bytes, such as uid=\d+",
}
_CHUNK = 4 << 20
_LONGEST = 64 << 10  # bytes of a match of a regular expression that stands in two chunks
_BEHIND = 64  # bytes before it that an expression may look at
_PATTERN = 1_000  # characters of an expression
_KEPT = 256  # bytes of a match that are handed back


class Hit(NamedTuple):
    """A place where it stands."""

    side: str
    offset: int  # in its side's stream
    length: int
    turn: int  # its number in `turns`
    frame: int
    time: pd.Timestamp
    evidence: str
    data: bytes  # its first bytes


class Hits(list[Hit]):
    """Where it stands, in the order of the conversation; `note` says where not all was looked at, and why."""

    note: str = ""

    def table(self) -> pd.DataFrame:
        """Return the places as a table, their bytes printable."""
        rows = [hit._replace(data=printable(hit.data)) for hit in self]  # type: ignore[arg-type]
        return pd.DataFrame(rows, columns=list(Hit._fields)).rename(columns={"data": "text"})


_Finder = Callable[[bytes, int, float], Iterator[tuple[int, int]]]


def search(
    transcript: Transcript,
    what: str | bytes,
    *,
    kind: str = "text",
    side: str | None = None,
    ignore_case: bool = True,
    seconds: float = 10.0,
    most: int = 10_000,
) -> Hits:
    r"""Return where something stands in a conversation.

    Parameters
    ----------
    transcript
        The conversation.
    what
        What is looked for; bytes are taken as they are.
    kind
        ``text``, ``hex`` or ``regex``.
    side
        ``"src"`` or ``"dst"``; both where it is None.
    ignore_case
        True where upper and lower case of ASCII letters are alike; without meaning for hex.
    seconds
        After which the search stops; `note` says where.
    most
        Places after which it stops; `note` says so.

    Raises
    ------
    UnknownName
        Where there is no such kind or side.
    NsmError
        Where `what` is empty, no pairs of hex digits or no regular expression.
    """
    if side is not None and side not in SIDES:
        raise UnknownName(f"there is no side {printable(side)!r}; there are src and dst")
    finder, overlap = _finder(what, kind, ignore_case=ignore_case)
    until = monotonic() + seconds
    found, notes = Hits(), []
    for each in SIDES if side is None else (side,):
        looked = _Side(transcript, each)
        hits = looked.hits(finder, overlap, until)
        found += itertools.islice(hits, most + 1 - len(found))
        if looked.stopped is not None:
            notes.append(
                f"stopped after {seconds:g} s at byte {looked.stopped:,} of {each}: what stands behind was not looked at"
            )
        if len(found) > most:
            del found[most:]
            notes.append(f"the first {most:,} places are told, there are more")
            break
    found.sort(key=lambda hit: (hit.turn, hit.offset))
    found.note = "; ".join(notes)
    return found


def wanted(what: str, *, kind: str = "text") -> bytes:
    r"""Return the bytes that text or hex stands for.

    Raises
    ------
    NsmError
        Where they are no pairs of hex digits.

    Examples
    --------
    >>> wanted("uid="), wanted("|0d 0A|", kind="hex")
    (b'uid=', b'\r\n')
    """
    if kind != "hex":
        return what.encode("utf-8", "surrogateescape")
    try:
        return bytes.fromhex(re.sub(r"0x|[\s:|,\\x]", "", what, flags=re.IGNORECASE))
    except ValueError:
        raise NsmError(
            f"{printable(what)!r} is no hex; write pairs of digits such as 0d 0a, or search as text"
        ) from None


def _finder(what: str | bytes, kind: str, *, ignore_case: bool) -> tuple[_Finder, int]:
    """Return what finds it in bytes, and how many bytes of two chunks a place may have."""
    if kind not in KINDS:
        raise UnknownName(f"there is no kind of search {printable(kind)!r}; there are {', '.join(KINDS)}")
    pattern = what if isinstance(what, bytes) else wanted(what, kind=kind)
    if not pattern:
        raise NsmError("there is nothing to look for; write some text, pairs of hex digits or a regular expression")
    if kind == "regex":
        return _expression(pattern, ignore_case=ignore_case), _LONGEST
    fold = ignore_case and kind == "text"
    needle = pattern.lower() if fold else pattern

    def find(data: bytes, at: int, until: float) -> Iterator[tuple[int, int]]:
        hay = data.lower() if fold else data
        while (at := hay.find(needle, at)) >= 0:
            yield at, at + len(needle)
            at += len(needle)

    return find, len(needle) - 1


def _expression(pattern: bytes, *, ignore_case: bool) -> _Finder:
    import regex

    if len(pattern) > _PATTERN:
        raise NsmError(f"the expression has {len(pattern):,} characters; at most {_PATTERN:,} are taken")
    try:
        compiled: Any = regex.compile(pattern, regex.IGNORECASE if ignore_case else 0)
    except (regex.error, OverflowError, RecursionError) as problem:
        where = "" if getattr(problem, "pos", None) is None else f" at character {problem.pos + 1}"  # type: ignore[union-attr]
        said = getattr(problem, "msg", None) or "it is too deep"
        raise NsmError(f"{printable(pattern)!r} is no regular expression{where}: {said}") from None

    def find(data: bytes, at: int, until: float) -> Iterator[tuple[int, int]]:
        left = until - monotonic()
        if left <= 0:
            raise TimeoutError
        for match in compiled.finditer(data, at, timeout=left):
            if match.end() > match.start():
                yield match.span()

    return find


class _Side:
    """One side of a conversation while it is searched; `stopped` is where time ran out."""

    def __init__(self, transcript: Transcript, side: str):
        self.transcript, self.side = transcript, side
        self.stopped: int | None = None
        numbered = [(number, turn) for number, turn in enumerate(transcript.turns) if turn.side == side and turn.size]
        self.numbers = [number for number, _ in numbered]
        self.turns = [turn for _, turn in numbered]
        self.offsets = [turn.offset for turn in self.turns]

    def hits(self, finder: _Finder, overlap: int, until: float) -> Iterator[Hit]:
        buffer, base, searched, done = b"", 0, 0, 0
        for offset, data, first, last in self._chunks():
            if first:
                buffer, base, searched = b"", offset, offset
            buffer = buffer + data if buffer else data
            limit = base + len(buffer) - (0 if last else overlap)
            if monotonic() > until:
                self.stopped = searched
                return
            try:
                for start, end in finder(buffer, max(searched, done) - base if done > base else searched - base, until):
                    if base + start >= limit:
                        break
                    done = base + end
                    yield self._hit(base + start, end - start, buffer[start : min(end, start + _KEPT)])
            except TimeoutError:
                self.stopped = max(searched, done)
                return
            searched = max(limit, done)
            kept = max(searched - base - _BEHIND, 0)
            buffer, base = buffer[kept:], base + kept

    def _chunks(self) -> Iterator[tuple[int, bytes, bool, bool]]:
        """Yield offset and bytes of chunks, and whether one is the first and the last of bytes that belong together."""
        joined = self.transcript.proto == "tcp"
        runs: list[list[Turn]] = []
        for turn in self.turns:
            previous = runs[-1][-1] if runs and joined else None
            if previous is not None and not turn.gap and previous.offset + previous.size == turn.offset:
                runs[-1].append(turn)
            else:
                runs.append([turn])
        for run in runs:
            yield from _chunks(run)

    def _hit(self, offset: int, length: int, data: bytes) -> Hit:
        place = bisect_right(self.offsets, offset) - 1
        turn, where = self.turns[place], self.transcript.at(self.side, offset)
        if where is None:
            return Hit(self.side, offset, length, self.numbers[place], turn.ends[0], turn.time, "", data)
        return Hit(self.side, offset, length, self.numbers[place], where.frame, where.time, where.evidence, data)


def _chunks(run: list[Turn]) -> Iterator[tuple[int, bytes, bool, bool]]:
    """Yield the bytes of turns that belong together, some at a time; short turns are joined."""
    parts: list[bytes] = []
    begin, size, first = run[0].offset, 0, True
    for turn in run:
        for at in range(0, turn.size, _CHUNK):
            part = turn.read(at, _CHUNK)
            if size and size + len(part) > _CHUNK:
                yield begin, b"".join(parts), first, False
                parts, begin, size, first = [], begin + size, 0, False
            parts.append(part)
            size += len(part)
    yield begin, b"".join(parts), first, True
