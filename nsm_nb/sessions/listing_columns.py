"""What listings of sessions stand on: the columns of a table as lists of text and numbers, absent as None or a minus sign."""

from __future__ import annotations

import functools
from typing import NamedTuple

import numpy as np
import pandas as pd

from nsm_nb.formats.icmp_messages import icmp_state
from nsm_nb.sessions.endpoints import ip_protocol
from nsm_nb.text import printable

__all__ = [
    "NONE",
    "Columns",
    "arrow",
    "clock",
    "columns_of",
    "date",
    "icmp_messages",
    "moment",
    "numbers",
    "said",
    "texts",
    "total",
]

NONE = "-"


@functools.cache
def icmp_messages(proto: str) -> dict[str, tuple[int, int]]:
    """Return type and code of ICMP by the state that Argus names it with: ``URP`` is 3 and 3, port unreachable.

    Parameters
    ----------
    proto
        ``icmp`` or ``icmp6``.
    """
    found: dict[str, tuple[int, int]] = {}
    for kind in range(256):
        for code in range(16):
            found.setdefault(icmp_state(proto, kind, code), (kind, code))
    found.pop("INT", None)  # any other
    if proto == "icmp":
        found["URP"] = (3, 3)  # of protocols and of ports alike; the second is what is met
    return found


class Columns(NamedTuple):
    """What all listings stand on: a list a column, of one length."""

    proto: list[str]
    number: list[int]  # of the IP protocol, -1 where it is not known
    src: list[str]
    dst: list[str]
    sport: list[int | None]
    dport: list[int | None]
    message: list[tuple[int, int] | None]  # type and code of ICMP
    state: list[str]
    start: list[int | None]  # ns
    end: list[int | None]
    src_packets: list[int | None]
    dst_packets: list[int | None]
    known: list[bool]


def columns_of(sessions: pd.DataFrame) -> Columns:
    """Return the columns of a table of SESSIONS."""
    proto, state = texts(sessions["proto"]), texts(sessions["state"])
    message = [
        icmp_messages(each).get(word) if each in ("icmp", "icmp6") else None
        for each, word in zip(proto, state, strict=True)
    ]
    protocols = [
        number if number > 0 or name in ("hopopt", "0") else -1
        for number, name in zip(ip_protocol(sessions["proto"]).tolist(), proto, strict=True)
    ]
    return Columns(
        proto, protocols, texts(sessions["src_ip"]), texts(sessions["dst_ip"]),
        numbers(sessions, "src_port"), numbers(sessions, "dst_port"), message, state,
        _times(sessions["start"]), _times(sessions["end"]),
        numbers(sessions, "src_packets"), numbers(sessions, "dst_packets"),
        sessions["direction_known"].fillna(value=False).astype(bool).tolist() if "direction_known" in sessions
        else [False] * len(sessions),
    )  # fmt: skip


def texts(column: pd.Series) -> list[str]:
    """Return a column as text that is safe to print, absent as a minus sign."""
    if isinstance(column.dtype, pd.CategoricalDtype):  # each distinct text once
        names = [*(printable(each) for each in column.cat.categories), NONE]
        return [names[code] for code in column.cat.codes.tolist()]
    return [NONE if missing else printable(each) for each, missing in zip(column, column.isna(), strict=True)]


def numbers(sessions: pd.DataFrame, name: str) -> list[int | None]:
    """Return a column of whole numbers, absent as None, as where the table lacks it."""
    if name not in sessions:
        return [None] * len(sessions)
    column = sessions[name].astype("Int64")
    missing = column.isna().to_numpy()
    return [None if gone else value for value, gone in zip(column.fillna(0).tolist(), missing, strict=True)]


def _times(column: pd.Series) -> list[int | None]:
    values = column.dt.tz_convert("UTC").dt.tz_localize(None).to_numpy().astype("M8[ns]").view(np.int64)
    return [None if value == np.iinfo(np.int64).min else value for value in values.tolist()]


def total(*values: int | None) -> int | None:
    """Return a sum of what is known; None where nothing is."""
    known = [each for each in values if each is not None]
    return sum(known) if known else None


def said(value: object) -> str:
    """Return a value as text, absent as a minus sign."""
    return NONE if value is None else str(value)


@functools.lru_cache(maxsize=4096)
def date(day: int) -> tuple[int, int, int]:
    """Return year, month and day of a day since 1970."""
    found = np.datetime64(day, "D").item()
    return found.year, found.month, found.day


def clock(nanoseconds: int) -> tuple[int, str, int]:
    """Return the day since 1970, the time of day to the second, and the nanoseconds beyond it."""
    seconds, rest = divmod(nanoseconds, 10**9)
    day, second = divmod(seconds, 86_400)
    return day, f"{second // 3600:02}:{second // 60 % 60:02}:{second % 60:02}", rest


def moment(nanoseconds: int | None, *, digits: int = 6) -> str:
    """Return a time in UTC as ISO 8601 writes it, with a space."""
    if nanoseconds is None:
        return NONE
    day, time, rest = clock(nanoseconds)
    return "{:04}-{:02}-{:02} ".format(*date(day)) + time + (f".{rest:09}"[: digits + 1] if digits else "")


def arrow(proto: str, known: bool, src_packets: int | None, dst_packets: int | None) -> str:
    """Return Argus' arrow: who was heard; for TCP a ``?`` in it where no opening was seen, else it points to who was asked."""
    heard, answered = src_packets != 0, bool(dst_packets)
    left, right = "<" if answered else " ", ">" if heard else " "
    if proto != "tcp":
        return f"{left}-{right}"
    if not known:
        return f"{left}?{right}"
    return " ->" if heard else "<- "
