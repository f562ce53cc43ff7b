"""Dates of which the order is not said: Snort 2's ``-y`` writes 11/13/03 (month first), Snort 3's 03/11/13 (year first).

Source: Snort 2.9 manual (``-y``), ts_print of Snort 2.9 and of Snort 3.
"""

from __future__ import annotations

import datetime
import os
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pandas as pd

from nsm_nb.formats.patterns import Found
from nsm_nb.schema import Caveat
from nsm_nb.text import printable

__all__ = ["in_order"]

_PARTS = ("month", "day", "year")  # as a pattern names the three
_WORDS = ("month/day/year", "year/month/day")
_EPOCH = datetime.date(1970, 1, 1).toordinal()


class _Decided(NamedTuple):
    year_first: bool
    why: str  # empty where no calendar has the other


def in_order(found: Found, *, path: str | os.PathLike, label: str, near: pd.Timestamp | None) -> Found:
    """Return what was found with the parts of each date where they belong; a caveat says what was not certain.

    The file itself decides as far as it can: by days that no calendar has, then by times that would run backwards; then
    `near` and the file's modification time; then the program, for Snort 3 puts messages in quotes.

    Parameters
    ----------
    found
        With `month`, `day`, `year` in the order in which they are written, and `message`.
    path
        The file.
    label
        The evidence, as caveats name it.
    near
        A time close to which the alerts were written.
    """
    import pyarrow as pa
    import pyarrow.compute as pc

    fields = found.fields
    short = pc.equal(pc.binary_length(fields["year"]), 2).to_numpy(zero_copy_only=False)
    short &= pc.equal(pc.binary_length(fields["month"]), 2).to_numpy(zero_copy_only=False)
    if not short.any():
        return found
    quoted = pc.match_substring_regex(fields["message"], pattern='^".*"$').to_numpy(zero_copy_only=False)
    numbers = {name: pc.if_else(pa.array(short), fields[name], b"0") for name in _PARTS}
    parts = np.stack([numbers[name].cast(pa.string()).cast(pa.int64()).to_numpy() for name in _PARTS], axis=1)
    turned, caveats = np.zeros(len(short), bool), list(found.caveats)
    changed = datetime.datetime.fromtimestamp(Path(path).stat().st_mtime, datetime.UTC).date()
    for which in (short & quoted, short & ~quoted):
        if not which.any():
            continue
        year_first, why = _decided(parts[which], bool(quoted[which][0]), near, changed)
        turned[which] = year_first
        if why:
            row = int(np.argmax(which))
            dates = "/".join(fields[name][row].as_py().decode() for name in _PARTS)
            said = (
                f"{printable(label)}: dates such as {dates} may be {' or '.join(_WORDS)}; they were read as "
                f"{_WORDS[year_first]}, {why}"
            )
            caveats.append(Caveat(label, None, None, "clock", said))
    old = {name: fields[name] for name in _PARTS}
    for name, other in (("year", "month"), ("month", "day"), ("day", "year")):
        column = pc.if_else(pa.array(turned), old[other], old[name])
        fields = fields.set_column(fields.column_names.index(name), name, column)
    return found._replace(fields=fields, caveats=caveats)


def _decided(parts: np.ndarray, quoted: bool, near: pd.Timestamp | None, changed: datetime.date) -> _Decided:
    """Return which order the dates of one program have, and why."""
    days = [_days(parts[:, order]) for order in ((2, 0, 1), (0, 1, 2))]  # year, month, day
    wrong = [int(np.isnan(each).sum()) for each in days]
    if wrong[0] != wrong[1]:
        return _Decided(wrong[1] < wrong[0], "")
    back = [int((np.diff(each) < 0).sum()) for each in days]
    if min(back) == 0 < max(back):
        return _Decided(back[1] == 0, "for as the other they would run backwards")
    if near is not None:
        middle = near.toordinal() - _EPOCH
        far = [float(np.nanmedian(np.abs(each - middle))) if wrong[0] < len(parts) else 0.0 for each in days]
        if far[0] != far[1]:
            return _Decided(far[1] < far[0], f"which is closer to the capture's time, {near:%Y-%m-%d}")
    late = [bool((each > changed.toordinal() - _EPOCH + 1).any()) for each in days]
    if late[0] != late[1]:
        return _Decided(
            late[0], f"for as the other they would be later than the file's modification, {changed:%Y-%m-%d}"
        )
    program = "Snort 3, whose messages stand in quotes, writes" if quoted else "Snort 2 writes"
    return _Decided(quoted, f"as {program} them")


def _days(dates: np.ndarray) -> np.ndarray:
    """Return the days since 1970 of dates as year, month and day; NaN where no calendar has one."""
    known, codes = np.unique(dates, axis=0, return_inverse=True)
    found = []
    for year, month, day in known.tolist():
        try:
            # two digits, as strptime's %y (POSIX)
            found.append(float(datetime.date(year + (1900 if year >= 69 else 2000), month, day).toordinal() - _EPOCH))
        except ValueError:
            found.append(np.nan)
    return np.array(found)[codes.ravel()]
