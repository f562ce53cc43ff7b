"""Memory that has been used: what is measured shall be ours, not how a host hands out its memory.

A virtual machine's memory may be its host's until it is touched, and again when it has stood free for some seconds. Where that
is so, touching it costs a multiple (0.6 GB/s instead of 6 on the machine of docs/speed.md), and a run measures the host. So some
is kept touched, and is given back right before each run, which then gets just that.
"""

from __future__ import annotations

import contextlib
import os
import time
from collections.abc import Iterator

import numpy as np

__all__ = ["MOST", "at_hand", "keep", "speed"]

MOST = 4 << 30  # more than any run takes
_PAGE = 4096

_kept: list[np.ndarray] = []


def _touched(size: int) -> np.ndarray:
    made = np.empty(size, np.uint8)
    made[::_PAGE] = 1
    return made


def _room(size: int) -> int:
    if not hasattr(os, "sysconf") or "SC_AVPHYS_PAGES" not in os.sysconf_names:
        return 0
    return min(size, os.sysconf("SC_AVPHYS_PAGES") * os.sysconf("SC_PAGE_SIZE") // 4)


def keep(size: int) -> None:
    """Keep so much touched from now on, a quarter of what is free at most; until then `at_hand` gives nothing back."""
    _kept.clear()
    if size := _room(size):
        _kept.append(_touched(size))


@contextlib.contextmanager
def at_hand() -> Iterator[None]:
    """Give back memory that has been used, so that what runs within gets it; afterwards keep as much again."""
    size = sum(map(len, _kept))
    _kept.clear()
    try:
        yield
    finally:
        if size:
            _kept.append(_touched(size))


def speed(size: int) -> str:
    """Return in words what touching so much memory costs, when it has stood free and right after it was given back."""
    if not (size := _room(size)):
        return "not known on this system"
    rates = []
    for _ in range(3):
        start = time.perf_counter()
        _touched(size)
        rates.append(size / (time.perf_counter() - start) / 1e9)
    first, again = rates[0], max(rates[1:])
    return f"touched at {first:.1f} GB/s at first, at {again:.1f} when it was just given back: it is touched before each run"
