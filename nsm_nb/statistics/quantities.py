"""Quantities in words: bytes, rates and spans of time as a reader says them."""

from __future__ import annotations

import math

import pandas as pd

from nsm_nb.text import many

__all__ = ["amount", "bits", "moment", "octets", "scaled", "share", "span"]

_PREFIX = ("", "k", "M", "G", "T", "P", "E")


def scaled(value: float, unit: str, digits: int) -> str:
    """Return a value with the decimal prefix that suits it.

    Examples
    --------
    >>> scaled(12_345_678, "packets/s", 1)
    '12.3 Mpackets/s'
    """
    if value != value or math.isinf(value):
        return "not defined"
    power = 0
    while round(abs(value), digits) >= 1000 and power < len(_PREFIX) - 1:
        value, power = value / 1000, power + 1
    whole = power == 0 and float(value).is_integer()
    return f"{value:,.{0 if whole else digits}f} {_PREFIX[power]}{unit}"


def octets(count: float) -> str:
    """Return a number of bytes in decimal units.

    Examples
    --------
    >>> octets(3068989)
    '3.1 MB'
    >>> octets(137)
    '137 B'
    """
    return scaled(count, "B", 1)


def bits(rate: float) -> str:
    """Return a rate of bits a second in decimal units.

    Examples
    --------
    >>> bits(66.62)
    '66.62 bit/s'
    >>> bits(3_480_000)
    '3.48 Mbit/s'
    """
    return scaled(rate, "bit/s", 2)


def amount(count: float, noun: str) -> str:
    """Return a count with its noun.

    Examples
    --------
    >>> amount(1, "packet"), amount(9746, "packet")
    ('1 packet', '9,746 packets')
    """
    return many(count, noun)


def share(part: float) -> str:
    """Return a part of one in percent.

    Examples
    --------
    >>> share(0.8941)
    '89.4 %'
    """
    return "not defined" if part != part else f"{100 * part:.1f} %"


def span(seconds: float) -> str:
    """Return a length of time.

    Examples
    --------
    >>> span(498.56), span(0.16), span(90000), span(0)
    ('8 min 19 s', '0.16 s', '25 h', '0 s')
    """
    if seconds != seconds:
        return "no time"
    if seconds < 60:
        return f"{seconds:.3g} s"
    whole = round(seconds)
    if whole < 3600:
        return f"{whole // 60} min {whole % 60} s".removesuffix(" 0 s")
    if whole < 2 * 86400:
        return f"{whole // 3600} h {whole % 3600 // 60} min".removesuffix(" 0 min")
    return f"{whole // 86400} d {whole % 86400 // 3600} h".removesuffix(" 0 h")


def moment(time: pd.Timestamp, *, digits: int = 6) -> str:
    """Return a time in UTC, ISO 8601 with a space.

    Examples
    --------
    >>> moment(pd.Timestamp("2003-11-13 17:00:04.12Z"))
    '2003-11-13 17:00:04.120000 UTC'
    """
    if pd.isna(time):
        return "no time"
    time = time.tz_convert("UTC") if time.tzinfo else time.tz_localize("UTC")
    text = time.tz_localize(None).isoformat(sep=" ", timespec="nanoseconds")
    whole, _, fraction = text.partition(".")
    return f"{whole}.{fraction[:digits]} UTC" if digits else f"{whole} UTC"
