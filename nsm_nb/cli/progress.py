"""One line on stderr while one waits, rewritten in place; only where stderr is a screen."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from typing import TypeVar

from nsm_nb.text import many, printable

__all__ = ["CLEAR", "Bytes", "flows", "line", "on_screen", "sessions"]

CLEAR = "\r\x1b[K"
"""What wipes the line."""

_WIDE = 110  # characters

Told = TypeVar("Told", bound=Callable)


def on_screen(told: Told) -> Told | None:
    """Return what tells the progress where stderr is a screen, else None."""
    return told if sys.stderr.isatty() else None


class Bytes:
    """Bytes done, speed and time left."""

    def __init__(self) -> None:
        self._start = time.monotonic()

    def __call__(self, label: str, done: int, total: int) -> None:
        """Rewrite the line; wipe it where all is done."""
        spent = time.monotonic() - self._start
        speed = done / spent if spent > 0.1 else 0
        left = f", {(total - done) / speed:.0f} s left" if speed else ""
        line(f"{done / 1e6:,.1f} of {total / 1e6:,.1f} MB, {speed / 1e6:,.0f} MB/s{left}  {label}", last=done >= total)


def sessions(label: str, done: int, total: int) -> None:
    """Tell how many sessions are done."""
    line(f"{done:,} of {many(total, 'session')}  {label}", last=done >= total)


def flows(done: int, total: int) -> None:
    """Tell how many flows are done."""
    line(f"{done:,} of {many(total, 'flow')}", last=done >= total)


def line(words: str, *, last: bool = False) -> None:
    """Rewrite the line; wipe it where it was the last."""
    print(f"{CLEAR}{printable(words)[:_WIDE]}", end=CLEAR if last else "", file=sys.stderr, flush=True)
