"""Query lines over ten million sessions, and a grid's sort of a million."""

from __future__ import annotations

import functools
import shutil
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pandas as pd

import nsm_nb as nsm
from benchmarks.measuring import Result, Run, of_samples, times
from benchmarks.queue import BUNDLED
from nsm_nb.case import Case
from nsm_nb.query import compile
from nsm_nb.widgets.order import sorted_places

__all__ = ["LINES", "measure_queries"]

_SESSIONS = 10_000_000
_SORTED = 1_000_000
LINES = {
    "net 172.16.10.0/24": "< 0.3",
    "src 10.0.0.0/8 and dst port 445 and octets > 10k": "< 0.3",
    "tcp and (dst port 80 or dst port 443) and not state FIN": "< 0.3",
    "portrange 1-1023": "< 0.3",
    "octets > 10k": "< 0.3",
    "state RST": "< 0.3",
    "time >= 2026-11-24T02:31 and time < 2026-11-24T02:32": "< 0.3",
    "closed ~ reset": "< 0.3",
    "alert ~ smb": "< 0.3",
    "src $HOME and not dst $HOME and duration > 1m": "< 0.3",
}
_TEXTS = ("history ~ Ff", 'history matches "^Sh?$"', "~ smb", "~ 31337")  # told, not asked: each row's own text


def _case(folder: Path) -> Case:
    place = folder / "case-queries"
    (place / "evidence").mkdir(parents=True, exist_ok=True)
    shutil.copy(BUNDLED / "case.toml", place / "case.toml")
    for name in ("staged.pcap", "suricata", "rules"):
        if not (place / "evidence" / name).exists():
            (place / "evidence" / name).symlink_to(BUNDLED / "evidence" / name)
    return nsm.open_case(place)


def _tiled(table: pd.DataFrame, count: int) -> pd.DataFrame:
    table = table.iloc[np.resize(np.arange(len(table)), count)].reset_index(drop=True)
    table["session"] = pd.array(np.arange(count), dtype="Int64")
    return table


def measure_queries(this: Run) -> Iterator[Result]:
    """Yield the time in which a line says which of ten million sessions match, and in which a million are sorted."""
    case = _case(this.folder)
    home = case.settings.home_networks
    count = round(_SESSIONS * this.scale)
    table = _tiled(case.alerted_sessions.drop(columns=["history", "community_id"]), count)
    for line, asked in LINES.items():
        made = compile(line, home=home)
        seconds, share = times(functools.partial(made.mask, table), this.runs)
        found = int(made.mask(table).sum())
        how = f"{found:,} match; the bundled case's sessions, repeated"
        yield of_samples(f"query {line!r} of {count:,} sessions", seconds, "s", how, asked=asked, share=share)
    made = compile("src 10.0.0.0/8 and dst port 445 and octets > 10k", home=home)
    seconds, share = times(functools.partial(made.rows, table), this.runs)
    how = f"{made.line!r}, the {len(made.rows(table)):,} rows that match taken out of all columns"
    yield of_samples(f"query with its rows, of {count:,} sessions", seconds, "s", how, share=share)
    del table
    count = round(_SORTED * this.scale)
    table = _tiled(case.alerted_sessions, count)
    for line in _TEXTS:
        made = compile(line, home=home)
        seconds, share = times(functools.partial(made.mask, table), this.runs)
        how = "columns of text of each row's own, or all columns"
        yield of_samples(f"query {line!r} of {count:,} sessions", seconds, "s", how, share=share)
    chance = np.random.default_rng(1)
    table = table.iloc[chance.permutation(count)].reset_index(drop=True)
    for name in ("start", "duration", "src_ip", "dst_port", "src_octets", "state", "history", "community_id"):
        seconds, share = times(functools.partial(sorted_places, table[name]), this.runs)
        how = "Grid.sort, in the kernel; rows in random order"
        yield of_samples(f"grid sort of {count:,} by {name}", seconds, "s", how, asked="< 1.0", share=share)
