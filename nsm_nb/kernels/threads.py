"""Kernels in several threads: they let go of Python's lock, so each can have a core of its own."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from itertools import pairwise
from typing import TypeVar

__all__ = ["cores", "in_threads", "power_of_two", "shares"]

_WORTH_THREADS = 200_000  # rows: fewer are done before a thread has started
_Result = TypeVar("_Result")


def cores() -> int:
    """Return how many cores this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def shares(rows: int, parts: int | None = None) -> list[tuple[int, int]]:
    """Return begin and end of each thread's rows: one for each core, or one for few rows.

    Examples
    --------
    >>> shares(10, 3)
    [(0, 3), (3, 6), (6, 10)]
    >>> shares(10)
    [(0, 10)]
    """
    if parts is None:
        parts = cores() if rows >= _WORTH_THREADS else 1
    return list(pairwise(rows * part // parts for part in range(parts + 1)))


def power_of_two(number: int, most: int) -> int:
    """Return the largest power of two up to `number` and `most`.

    Examples
    --------
    >>> power_of_two(6, 8), power_of_two(64, 8), power_of_two(1, 8)
    (4, 8, 1)
    """
    return 1 << (max(1, min(number, most)).bit_length() - 1)


def in_threads(works: Sequence[Callable[[], _Result]], rows: int = _WORTH_THREADS) -> list[_Result]:
    """Return what each of the functions returns, all of them run at once; the first error there was is raised.

    Parameters
    ----------
    works
        Functions that let go of Python's lock most of the time: kernels, and what NumPy and Arrow do with many rows.
    rows
        How many rows they are about: for few they are run one after the other.

    Examples
    --------
    >>> in_threads([lambda: 1, lambda: 2])
    [1, 2]
    """
    if len(works) < 2 or rows < _WORTH_THREADS:
        return [work() for work in works]
    with ThreadPoolExecutor(len(works) - 1, thread_name_prefix="nsm-kernel") as pool:
        others = []
        for work in works[1:]:
            try:
                others.append(pool.submit(work))
            except RuntimeError:  # no thread is to be had: at the end of the process, or at a limit of the system
                pool.shutdown(cancel_futures=True)
                break
        done = [works[0]()]
        for work, other in zip(works[1:], others, strict=False):
            done.append(work() if other.cancelled() else other.result())
        return [*done, *(work() for work in works[len(done) :])]
