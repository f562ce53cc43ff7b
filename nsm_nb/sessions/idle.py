"""Silence that ends a session: how long, by protocol."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import pandas as pd

from nsm_nb.text import printable

__all__ = ["IDLE", "LONGEST", "seconds_of", "timeouts"]

# Seconds of silence after which the next packet starts another session; softflowd's defaults (softflowd(8), -t).
IDLE: Mapping[str, float] = {"tcp": 3600, "udp": 300, "icmp": 300, "icmp6": 300, "other": 300}
LONGEST = 9e9  # seconds: nanoseconds of more do not fit 64 bits


def seconds_of(value: str | float, name: str) -> float:
    """Return a timeout in seconds: a number of them, or text such as ``"1h"``, ``"300s"``, ``"5 min"``.

    >>> seconds_of("1h", "tcp_idle")
    3600.0

    Raises
    ------
    ValueError
        Where it is neither, or not above 0.
    """
    try:
        try:
            seconds = float(value)  # a bare number in text as well, which pandas would take for nanoseconds
        except ValueError:
            seconds = pd.Timedelta(value).total_seconds()
    except (TypeError, ValueError, OverflowError):
        seconds = float("nan")
    if not 0 < seconds < LONGEST:  # so is NaN
        raise ValueError(f"{name} is {printable(value)!r}; give seconds, more than 0, or text such as '1h' or '300s'")
    return seconds


def timeouts(idle: Mapping[str, float]) -> np.ndarray:
    """Return int64 nanoseconds by protocol number; the last one holds for all beyond."""
    table = np.full(257, int(idle["other"] * 1e9), np.int64)
    for number, name in ((1, "icmp"), (6, "tcp"), (17, "udp"), (58, "icmp6")):
        table[number] = int(idle[name] * 1e9)
    return table
