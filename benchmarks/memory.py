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

__all__ = ["at_hand", "speed"]

_MOST = 4 << 30  # more than any run takes
_PAGE = 4096

_kept: list[np.ndarray] = []


def _touched(size: int) -> np.ndarray:
    made = np.empty(size, np.uint8)
    made[::_PAGE] = 1
    return made


def _room() -> int:
    if not hasattr(os, "sysconf") or "SC_AVPHYS_PAGES" not in os.sysconf_names:
        return 0
    return min(_MOST, os.sysconf("SC_AVPHYS_PAGES") * os.sysconf("SC_PAGE_SIZE") // 4)


def _keep() -> None:
    if not _kept:
        _kept.append(_touched(_room()))


@contextlib.contextmanager
def at_hand() -> Iterator[None]:
    """Give back memory that has been used, so that what runs within gets it; afterwards keep as much again."""
    _keep()
    _kept.clear()
    try:
        yield
    finally:
        _keep()


def speed(size: int = 1 << 30) -> str:
    """Return in words what touching memory costs, when it has stood free and right after it was given back."""
    size = min(size, _room())
    if not size:
        return "not known on this system"
    rates = []
    for _ in range(3):
        start = time.perf_counter()
        _touched(size)
        rates.append(size / (time.perf_counter() - start) / 1e9)
    first, again = rates[0], max(rates[1:])
    return f"touched at {first:.1f} GB/s at first, at {again:.1f} when it was just given back: it is touched before each run"
