"""Alerts of a file that is still being written: each call gives those that came since the last one, whole records only.

A record that is not whole yet waits for the next call. A file that was moved away, or copied and cut, is read to its end
before the new one under its name, and so are those that were the log between the two, plain or compressed; caveats say what
could not be found.

The SHA-256 of a file that grows says nothing, so alerts are named by that of its beginning: all up to the end of its first
record. The name is the same in every call, after a restart, and whoever follows.

Source: logrotate(8), `create` and `copytruncate`.
"""

from __future__ import annotations

import io
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import ModuleType
from typing import Any, NamedTuple

import pandas as pd

from nsm_nb.errors import NsmError, UnknownFormat, UnreadableEvidence
from nsm_nb.formats import FORMATS, find, reader, recognised, rotation
from nsm_nb.formats.compressed import compression
from nsm_nb.formats.lines import Span
from nsm_nb.formats.source import HEAD, open_evidence
from nsm_nb.schema import ALERTS, Caveat, caveats_of, with_caveats
from nsm_nb.text import form, printable

__all__ = ["Follower", "State", "alerts_since", "follow", "prefix"]

_STEP = 1 << 20  # bytes looked at at a time
_TRIES = 3


class State(NamedTuple):
    """How far a file was read. Its parts are numbers and text, so that it can be kept as JSON: ``State(*json.loads(...))``."""

    format: str = ""  # empty as long as nothing tells it
    device: int = 0
    inode: int = 0
    offset: int = 0  # where the first byte stands that was not read
    record: int = 1  # number of the record that starts there
    begins: str = ""  # SHA-256 of the file's beginning, of which alerts take their names
    size: int = 0  # bytes of that beginning
    last: str = ""  # SHA-256 of the bytes before `offset`, by which the file is known again
    seen: int = 0  # bytes that the file had
    changed: int = 0  # when it was written last, in nanoseconds since 1970


class Follower:
    """A growing file of alerts, and how far it was read. Made by `follow`.

    Attributes
    ----------
    state : State
        Can be kept, and given to `follow` after a restart.
    """

    def __init__(self, path: str | os.PathLike, state: State | None = None, **options: Any):
        self.path, self.state = Path(path), state or State()
        self._options = options
        self._told: set[str] = set()

    def new(self) -> pd.DataFrame:
        """Return the alerts that came since the last call, as ALERTS; empty where there are none.

        What is true of the whole file, such as that its times name no zone, stands in the caveats of the first call only.

        Raises
        ------
        UnknownFormat, UnreadableEvidence
            As `alerts_since`.
        """
        table, self.state = alerts_since(self.path, self.state, **self._options)
        general = {each.detail.partition(":")[2] for each in caveats_of(table) if each.record is None}
        fresh = [
            each
            for each in caveats_of(table)
            if each.record is not None or each.detail.partition(":")[2] not in self._told
        ]
        self._told |= general
        table = table.copy(deep=False)
        table.attrs = {"caveats": fresh}
        return table


def follow(
    path: str | os.PathLike,
    *,
    state: State | None = None,
    format: str | None = None,
    label: str | None = None,
    columns: Sequence[str] | Mapping[str, str] | str | None = None,
    near: pd.Timestamp | None = None,
) -> Follower:
    """Return a follower of a file of alerts, whose `new` gives the alerts that came since it was last asked.

    Parameters
    ----------
    path
        The file; it need not be there yet.
    state
        Of an earlier follower, to go on from there; from the file's start where not given.
    format, label, columns, near
        As `nsm_nb.formats.read_alerts`.
    """
    options = {"format": format, "label": label, "columns": columns, "near": near}
    return Follower(path, state, **{name: value for name, value in options.items() if value is not None})


def alerts_since(
    path: str | os.PathLike,
    state: State | None = None,
    *,
    format: str | None = None,
    label: str | None = None,
    **options: Any,
) -> tuple[pd.DataFrame, State]:
    """Return the alerts that a file got since `state`, and the state after them.

    Parameters
    ----------
    path
        The file. Where it is not there, or empty, there is nothing new.
    state
        What the last call gave.
    format, label
        As `nsm_nb.formats.read_alerts`.
    **options
        `columns` or `near`, as there.

    Raises
    ------
    UnknownFormat
        Where the file has much in it that no format recognises, or its format has no alerts.
    UnreadableEvidence
        Where it may not be read, is a folder, or is compressed, for that does not grow record by record.
    """
    place, label = Path(path), os.fspath(path) if label is None else label
    state = state or State()
    for _ in range(_TRIES):
        parts: list[pd.DataFrame] = []
        caveats: list[Caveat] = []
        after = state
        now = _stat(place)
        if now is None:
            return ALERTS.empty(), state
        what = _became(place, state, now)
        if what:
            parts, caveats = _left_behind(place, state, what, label, options)
            after = State(format=state.format)
        elif now.st_size < state.seen:
            gone = state.seen - now.st_size
            last = form(gone, "its last byte, which was", f"its last {gone:,} bytes, which were")
            said = f"{printable(label)} lost {last} no whole record yet and had not been read"
            caveats.append(Caveat(label, state.record, state.offset, "cut", said))
        if not after.format and now.st_size:
            after = after._replace(format=_format(place, format, now.st_size))
        if after.format and now.st_size:
            after = after._replace(device=now.st_dev, inode=now.st_ino)
            table, after = _read_on(place, after, label, _taken(after.format, options))
            parts.append(table)
        if after.inode:
            after = after._replace(seen=now.st_size, changed=now.st_mtime_ns)
        then = _stat(place)
        if then is not None and (then.st_dev, then.st_ino) == (now.st_dev, now.st_ino) and then.st_size >= now.st_size:
            break
    else:
        # it is replaced faster than it can be read: the next call finds it at rest
        return ALERTS.empty(), state
    table = _together(parts)
    return with_caveats(table, caveats), after


def prefix(path: str | os.PathLike, format: str | None = None) -> str:
    """Return the twelve digits with which the names of a followed file's alerts begin; empty where it has no whole record.

    They tell of a file that was followed while it grew, and is evidence now, which alert is which: the numbers behind the
    colon are the same in both names.
    """
    name = find(path, "alerts", format)
    size = _beginning(Path(path), name, Path(path).stat().st_size)
    with Path(path).open("rb") as file:
        return rotation.digest_of(file, 0, size)[:12] if size else ""


# --- one file


def _read_on(place: Path, state: State, label: str, options: Mapping[str, Any]) -> tuple[pd.DataFrame, State]:
    """Return the alerts of a file from where it was read to, and the state behind its last whole record."""
    size = place.stat().st_size
    if not state.size:
        state = _named(place, state, size)
        if not state.size:
            return ALERTS.empty(), state
    module = reader(state.format)
    end, count = _whole(place, module, state, size)
    if end <= state.offset:
        return ALERTS.empty(), state
    span = Span(state.offset, state.record, end)
    table = module.alerts(place, label=label, digest=state.begins, span=span, **options)
    return table, state._replace(offset=end, record=state.record + count, last=_before(place, end))


def _before(place: Path, end: int) -> str:
    with place.open("rb") as file:
        return rotation.digest_of(file, max(end - rotation.LAST, 0), min(end, rotation.LAST))


def _became(place: Path, state: State, now: os.stat_result) -> str:
    """Return what became of a file that is not the one that was read, in words; nothing where it is."""
    if state.inode and (now.st_dev, now.st_ino) != (state.device, state.inode):
        return "was replaced"
    known = not state.size or rotation.is_continued(place, state.begins, state.size, state.last, state.offset)
    return "" if now.st_size >= state.offset and known else "was cut and begins anew"


def _left_behind(
    place: Path, state: State, what: str, label: str, options: Mapping[str, Any]
) -> tuple[list[pd.DataFrame], list[Caveat]]:
    """Return what was not read of the files that were the log until now, and what there is to say of it."""
    caveats: list[Caveat] = []
    old = None
    if what == "was replaced":
        old = rotation.moved(place, (state.device, state.inode), state.offset)
    if old is None and state.size:
        found = (each.path for each in rotation.siblings(place))
        told = (state.begins, state.size, state.last, state.offset)
        old = next((each for each in found if rotation.is_continued(each, *told)), None)
        if old is not None and what != "was replaced":
            said = (
                f"{printable(label)} {what}; it was read to the end of its copy, {printable(old.name)}: what was written "
                "between the copying and the cutting is in neither"
            )
            caveats.append(Caveat(label, state.record, state.offset, "cut", said))
    middle, missing = rotation.behind(place, old, state.changed)
    if old is None:
        words = f"{what}, and the file before it is not beside it any more" if what == "was replaced" else what
        caveats.append(_lost(label, words, state))
    for name in missing:
        said = f"{printable(label)} {what}; {printable(name)} should hold what came before it and is not there: that is lost here"
        caveats.append(Caveat(label, state.record, None, "cut", said))
    parts = []
    for each in ([] if old is None else [old]) + middle:
        try:
            parts.append(_to_its_end(each, state if each == old else State(format=state.format), label, options))
        except (NsmError, EOFError, OSError) as problem:
            moved = f"{printable(each.name)}, to which it was moved"
            said = f"{printable(label)} {what}; {moved}, can't be read: {printable(problem)}"
            caveats.append(Caveat(label, state.record, None, "cut", said))
    return parts, caveats


def _to_its_end(place: Path, state: State, label: str, options: Mapping[str, Any]) -> pd.DataFrame:
    """Return the alerts of a file that grows no more, from where it was read to; what has no end is told.

    Raises
    ------
    NsmError
        Where it can't be read.
    """
    size = place.stat().st_size
    with place.open("rb") as file:
        packed = compression(file)
    if not size or (not packed and size <= state.offset):
        return ALERTS.empty()
    if not state.format:
        state = state._replace(format=find(place, "alerts"))
    module, options = reader(state.format), _taken(state.format, options)
    if not state.size:
        if not packed and not _beginning(place, state.format, size):
            said = f"{printable(label)}: {printable(place.name)}, to which it was moved, has no whole record"
            return with_caveats(ALERTS.empty(), [Caveat(label, 1, 0, "cut", said)])
        state = _named(place, state, size)
    if not packed:
        return module.alerts(
            place, label=label, digest=state.begins, span=Span(state.offset, state.record, size), **options
        )
    table = module.alerts(place, label=label, digest=state.begins, **options)
    caveats = [each for each in caveats_of(table) if each.record is None or each.record >= state.record]
    table = table[(table["record"] >= state.record).to_numpy(bool)].reset_index(drop=True)
    table.attrs = {"caveats": caveats}
    return table


def _named(place: Path, state: State, size: int) -> State:
    """Return the state with the beginning of which alerts take their names; as it was where there is no whole record."""
    beginning = _beginning(place, state.format, size)
    if not beginning:
        return state
    with open_evidence(place) as file:
        return state._replace(size=beginning, begins=rotation.digest_of(file, 0, beginning))


def _taken(name: str, options: Mapping[str, Any]) -> dict[str, Any]:
    """Return the options that a format takes: `near` is a hint, of no use to one whose times are whole."""
    return {each: value for each, value in options.items() if each != "near" or each in _parameters(name)}


def _whole(place: Path, module: ModuleType, state: State, size: int) -> tuple[int, int]:
    """Return where the last whole record ends, and how many lines or records there are up to it."""
    if hasattr(module, "whole_until"):
        return module.whole_until(place, Span(state.offset, state.record, size))
    ends = getattr(module, "RECORD_ENDS", (b"\n",))
    end = _last(place, ends, state.offset, size)
    with place.open("rb") as file:
        file.seek(state.offset)
        return end, sum(
            part.count(b"\n") for part in iter(lambda: file.read(min(_STEP, max(end - file.tell(), 0))), b"")
        )


def _last(place: Path, ends: Sequence[bytes], start: int, size: int) -> int:
    """Return the place behind the last of some endings, `start` where there is none."""
    longest = max(map(len, ends))
    with place.open("rb") as file:
        at = size
        while at > start:
            begin = max(start, at - _STEP)
            file.seek(begin)
            # an ending may lie across two pieces
            piece = file.read(min(at + longest - 1, size) - begin)
            found = max(piece.rfind(each) + len(each) if each in piece else -1 for each in ends)
            if found >= 0:
                return begin + found
            at = begin
    return start


def _beginning(place: Path, name: str, size: int) -> int:
    """Return how many bytes go up to the end of the first record; 0 where it is not whole."""
    with open_evidence(place) as file:
        packed = not isinstance(file, io.BufferedReader)
        if hasattr(reader(name), "whole_until"):
            head = file.read(8)
            length = 8 + int.from_bytes(head[4:], "big") if len(head) == 8 else 0
            length = length if length <= _STEP else min(length, 8)  # one that can't be names the file by its head
            return length if packed or length <= size else 0
        at = 0
        for line in iter(lambda: file.readline(_STEP), b""):
            if not line.endswith(b"\n"):
                # a first line of many megabytes names the file as well by its first one
                return at + _STEP if len(line) == _STEP else 0
            at += len(line)
            if line.strip() and not line.startswith(b"#"):
                return at
    return 0


def _format(place: Path, asked: str | None, size: int) -> str:
    """Return the format, empty as long as the first bytes do not tell it.

    Raises
    ------
    UnknownFormat
        Where they never will.
    UnreadableEvidence
        Where the file is compressed.
    """
    with place.open("rb") as file:
        packed = compression(file)
        wide = file.read(2) in (b"\xff\xfe", b"\xfe\xff")
    if packed or wide:
        what = f"compressed ({packed})" if packed else "in UTF-16"
        raise UnreadableEvidence(f"{printable(place)} is {what} and can't be followed; read it with read_alerts")
    if asked is None and size < HEAD and not recognised(place):
        return ""
    name = find(place, "alerts", asked)
    if name not in FORMATS or "span" not in _parameters(name):
        raise UnknownFormat(f"{printable(place)} is a {reader(name).TITLE}, which can't be followed")
    return name


def _parameters(name: str) -> set[str]:
    import inspect

    return set(inspect.signature(reader(name).alerts).parameters)


def _stat(place: Path) -> os.stat_result | None:
    """Return the state of a file, None where it is not there."""
    try:
        found = place.stat()
    except FileNotFoundError:
        return None
    except OSError as problem:
        raise UnreadableEvidence(
            f"{printable(place)} can't be followed: {printable(problem.strerror or problem)}"
        ) from None
    if place.is_dir():
        raise UnreadableEvidence(f"{printable(place)} is a folder; follow a file")
    return found


def _lost(label: str, what: str, state: State) -> Caveat:
    said = (
        f"{printable(label)} {what}: what was written to it behind byte {state.offset:,}, after record {state.record - 1:,}, "
        "and was not read until then, is lost here"
    )
    return Caveat(label, state.record, state.offset, "cut", said)


def _together(parts: list[pd.DataFrame]) -> pd.DataFrame:
    some = [part for part in parts if len(part)] or parts[:1]
    caveats = list(dict.fromkeys(each for part in parts for each in caveats_of(part)))
    if not some:
        return ALERTS.empty()
    table = (
        some[0]
        if len(some) == 1
        else ALERTS.conform(pd.concat([part.astype(object) for part in some], ignore_index=True))
    )
    table = table.copy(deep=False)
    table.attrs = {"caveats": caveats}
    return table
