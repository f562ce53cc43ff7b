"""Rotated captures as one: the files that tcpdump, netsniff-ng, dumpcap or snort left, in the order of the times inside.

The names tell when logging began, at best, and a sensor's clock may have been set meanwhile; so they are not used for order.

Source: tcpdump(8), -C, -G and -W; netsniff-ng(8), --interval and --prefix; dumpcap(1), -b; Snort users' manual 1.3.
"""

from __future__ import annotations

import glob
import hashlib
import itertools
import os
import re
from collections.abc import Iterable
from pathlib import Path

import numpy as np
import pandas as pd

from nsm_nb.errors import NsmError, UnreadableEvidence
from nsm_nb.formats.capture_heads import begins
from nsm_nb.formats.frames import Frames, packet_table
from nsm_nb.formats.pcap import read, room_for
from nsm_nb.formats.reading import Reading
from nsm_nb.formats.source import Source, is_set, read_head
from nsm_nb.formats.spans import Spans
from nsm_nb.kernels.noticing import Odd
from nsm_nb.kernels.records import NOT_A_TIME
from nsm_nb.schema import Caveat, with_caveats
from nsm_nb.text import form, many, printable

__all__ = ["read_packet_set"]

_TOLD = 20  # gaps, overlaps and names that are told one by one
_SECOND = 1_000_000_000


def read_packet_set(paths: str | os.PathLike | Iterable[str | os.PathLike], *, recover: bool = False) -> pd.DataFrame:
    """Read rotated captures into one table of PACKETS; see `nsm_nb.formats.read_packet_set`."""
    files, left_out, problems = _captures(_files(paths))
    if not files:
        raise _nothing(paths, left_out, problems)
    readings: list[Reading] = []
    with Frames(min(sum(room_for(path) for path in files), 16_000_000)) as frames:
        for path in files:
            try:
                with Source(path) as source:
                    readings.append(read(source, os.fspath(path), frames, recover=recover))
            except NsmError as problem:
                problems[path] = problem
            else:
                readings[-1].finish()
        frames.settle()
    if not readings:
        raise _nothing(paths, left_out, problems)
    ends = [*(reading.first for reading in readings[1:]), frames.count]
    parts = [slice(reading.first, end) for reading, end in zip(readings, ends, strict=True)]
    time = frames.columns.time[: frames.count].copy()
    table = packet_table(frames, "")
    codes = np.repeat(np.arange(len(parts), dtype=np.int32), [part.stop - part.start for part in parts])
    labels = pd.Index([reading.label for reading in readings], dtype="str")
    table["evidence"] = pd.Categorical.from_codes(codes, dtype=pd.CategoricalDtype(labels))
    table["frame"] = np.concatenate([np.arange(1, part.stop - part.start + 1, dtype=np.uint32) for part in parts])
    if recover:
        rows = np.arange(len(table))
        found = [len(table) if reading.recovered is None else reading.recovered for reading in readings]
        table["recovered"] = rows >= np.repeat(found, [part.stop - part.start for part in parts])
    told = [each for reading in readings for each in reading.caveats]
    told += [Caveat(os.fspath(path), None, None, "unread", str(problem)) for path, problem in problems.items()]
    told += _left_out(left_out) + _missing_numbers(files)
    spans = [_span(time[part]) for part in parts]
    told += _seams(readings, spans)
    order = _order(time, parts, spans)
    twice = _doubles(table, time, codes, spans, [Path(reading.label) for reading in readings])
    if twice.any():
        count = int(twice.sum())
        told.append(
            Caveat(
                labels[codes[int(np.argmax(twice))]],
                int(table["frame"].iloc[int(np.argmax(twice))]),
                None,
                "duplicates",
                f"{many(count, 'frame stands', 'frames stand')} in several of the files, with the same time and the same bytes; "
                f"{form(count, 'it', 'each')} is there once, from the file that begins first",
            )
        )
        order = np.arange(len(table)) if order is None else order
        order = order[~twice[order]]
    if order is not None:
        table = table.take(order).reset_index(drop=True)
    return with_caveats(table, told)


def _files(paths: str | os.PathLike | Iterable[str | os.PathLike]) -> list[Path]:
    if not isinstance(paths, (str, os.PathLike)):
        return [file for each in paths for file in _files(each)]
    if Path(paths).is_dir():
        return sorted(each for each in Path(paths).iterdir() if each.is_file() and not each.name.startswith("."))
    if is_set(paths):
        return sorted(Path(each) for each in glob.glob(os.fspath(paths)) if Path(each).is_file())  # noqa: PTH207 - also absolute
    return [Path(paths)]


def _captures(files: list[Path]) -> tuple[list[Path], list[Path], dict[Path, NsmError]]:
    """Return the captures in the order of their first times, the other files, and those that can't be read."""
    first: dict[Path, tuple[int, str]] = {}
    left_out, problems, known = [], {}, set()
    for path in files:
        try:
            head = read_head(path)
        except UnreadableEvidence as problem:
            problems[path] = problem
            continue
        place = os.path.realpath(path)
        if not begins(head):
            left_out.append(path)
        elif place not in known:
            known.add(place)
            first[path] = (_first_time(head), path.name)
    return sorted(first, key=lambda path: first[path]), left_out, problems  # type: ignore[return-value]


def _first_time(head: bytes) -> int:
    frames = Frames(64)
    try:
        read(Source.of(head), "", frames)
    except NsmError:
        return np.iinfo(np.int64).max
    times = frames.columns.time[: frames.count]
    known = times[times != NOT_A_TIME]
    return int(known[0]) if len(known) else np.iinfo(np.int64).max


def _nothing(paths: object, left_out: list[Path], problems: dict[Path, NsmError]) -> NsmError:
    where = printable(paths) if isinstance(paths, (str, os.PathLike)) else "what was given"
    if problems:
        return UnreadableEvidence(f"nothing of {where} could be read as a capture: {next(iter(problems.values()))}")
    if left_out:
        return UnreadableEvidence(
            f"no file of {where} is a capture ({len(left_out):,} {form(len(left_out), 'is', 'are')} something else, "
            f"such as {printable(left_out[0].name)})"
        )
    return UnreadableEvidence(f"there is no file in {where}; check the path")


def _left_out(files: list[Path]) -> list[Caveat]:
    if not files:
        return []
    names = ", ".join(printable(each.name) for each in files[:_TOLD]) + (" ..." if len(files) > _TOLD else "")
    return [
        Caveat(
            os.fspath(files[0].parent),
            None,
            None,
            "format",
            f"{many(len(files), 'file is no capture and was', 'files are no captures and were')} left out: {names}",
        )
    ]


def _missing_numbers(files: list[Path]) -> list[Caveat]:
    """Tell of numbers that are missing in names that were counted up, such as those of tcpdump -C or dumpcap -b."""
    counted: dict[tuple[str, str], set[int]] = {}
    for path in files:
        found = re.fullmatch(r"(.*?)_?(\d{1,5})(?:_\d{14})?((?:\.[a-zA-Z]\w*)*)", path.name, re.ASCII | re.DOTALL)
        if found:
            counted.setdefault((found[1], found[3]), set()).add(int(found[2]))
    told = []
    for (stem, _), numbers in counted.items():
        missing = (
            sorted(set(range(min(numbers), max(numbers))) - numbers) if max(numbers) < 3 * len(numbers) + 20 else []
        )
        if len(numbers) > 2 and missing:
            listed = ", ".join(map(str, missing[:_TOLD])) + (" ..." if len(missing) > _TOLD else "")
            lost = many(len(missing), "number is", "numbers are")
            detail = f"the files {printable(stem)}... are numbered, and {lost} missing: {listed}"
            told.append(Caveat(os.fspath(files[0].parent), None, None, "gap", detail))
    return told


def _span(time: np.ndarray) -> tuple[int, int] | None:
    known = time[time != NOT_A_TIME]
    return (int(known.min()), int(known.max())) if len(known) else None


def _when(time: int) -> str:
    return pd.Timestamp(time, tz="UTC").isoformat()


def _seams(readings: list[Reading], spans: list[tuple[int, int] | None]) -> list[Caveat]:
    """Tell of silence between files that is longer than any within them, and of files that overlap."""
    longest = max((int(reading.odd[Odd.AHEAD_MOST]) for reading in readings), default=0)
    told: dict[str, list[Caveat]] = {"gap": [], "overlap": []}
    before: tuple[Reading, int] | None = None
    for reading, span in zip(readings, spans, strict=True):
        if span is None:
            continue
        if before is not None:
            other, end = before
            silence = span[0] - end
            if silence > max(longest, _SECOND):
                detail = (
                    f"nothing was captured for {silence / 1e9:,.3f} s between {other.name} and {reading.name} (from {_when(end)} "
                    f"to {_when(span[0])}); that is longer than any silence within the files"
                )
                told["gap"].append(Caveat(reading.label, 1, None, "gap", detail))
            elif silence < 0:
                detail = f"{reading.name} begins {-silence / 1e9:,.6f} s before {other.name} ends; they were put in order of time"
                told["overlap"].append(Caveat(reading.label, 1, None, "overlap", detail))
        if before is None or span[1] > before[1]:
            before = (reading, span[1])
    for kind, caveats in told.items():
        if len(caveats) > _TOLD:
            detail = f"and {len(caveats) - _TOLD:,} more of these, {len(caveats):,} in all"
            told[kind] = [*caveats[:_TOLD], Caveat(caveats[_TOLD].evidence, None, None, kind, detail)]
    return told["gap"] + told["overlap"]


def _order(time: np.ndarray, parts: list[slice], spans: list[tuple[int, int] | None]) -> np.ndarray | None:
    """Return the rows in order of time, those of one file in its own order; None where they stand so."""
    known = [span for span in spans if span is not None]
    if all(one[1] <= other[0] for one, other in itertools.pairwise(known)):
        return None
    # a clock that ran backwards does not change the order within a file
    upto = np.concatenate(
        [np.maximum.accumulate(time[part]) if part.stop > part.start else time[part] for part in parts]
    )
    return np.argsort(upto, kind="stable")


def _doubles(
    table: pd.DataFrame, time: np.ndarray, codes: np.ndarray, spans: list[tuple[int, int] | None], paths: list[Path]
) -> np.ndarray:
    """Return a bool array, True for the frames that a file before holds too: the same time, the same bytes."""
    twice = np.zeros(len(table), bool)
    # only where files overlap can one frame be in two of them
    near = np.zeros(len(table), bool)
    reach: int | None = None
    for place, span in enumerate(spans):
        if span is None:
            continue
        if reach is not None and span[0] <= reach:
            near |= (codes == place) & (time <= reach)
            near |= (codes < place) & (time >= span[0])
        reach = span[1] if reach is None else max(reach, span[1])
    rows = np.flatnonzero(near & (time != NOT_A_TIME))
    if not len(rows):
        return twice
    alike = pd.DataFrame({"time": time[rows], "file": codes[rows], "row": rows})
    for name in ("captured", "length"):
        alike[name] = table[name].to_numpy()[rows]
    keys = ["time", "captured", "length"]
    alike = alike[alike.groupby(keys)["file"].transform("nunique") > 1]
    if not len(alike):
        return twice
    offset, captured = table["offset"].to_numpy(), table["captured"].to_numpy()
    digest = {}
    for place, group in alike.groupby("file"):
        with Spans(paths[int(place)]) as spans_:  # type: ignore[call-overload]
            for row in group["row"].tolist():
                data = spans_.read(int(offset[row]), int(captured[row]))
                digest[row] = hashlib.blake2b(data, digest_size=16).digest()
    alike["digest"] = alike["row"].map(digest)
    # one file may hold a frame several times; as often as the file that holds it most often, it is there
    keys.append("digest")
    alike["turn"] = alike.groupby([*keys, "file"]).cumcount()
    alike = alike.sort_values("file", kind="stable")
    twice[alike["row"][alike.duplicated([*keys, "turn"])].to_numpy()] = True
    return twice
