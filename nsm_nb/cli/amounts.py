"""Amounts as they are written in a call: bytes, seconds, counts, ports. What is none is told by the parser."""

from __future__ import annotations

import argparse

__all__ = ["count", "octets", "port", "seconds"]


def octets(text: str) -> int:
    """Return bytes.

    Examples
    --------
    >>> octets("500"), octets("2k"), octets("1G")
    (500, 2000, 1000000000)
    """
    return _amount(text, {"": 1, "k": 10**3, "m": 10**6, "g": 10**9}, "a size such as 500M or 1G")


def seconds(text: str) -> int:
    """Return seconds.

    Examples
    --------
    >>> seconds("60"), seconds("5m"), seconds("1d")
    (60, 300, 86400)
    """
    return _amount(text, {"": 1, "s": 1, "m": 60, "h": 3600, "d": 86_400}, "a time such as 60s, 5m or 1h")


def count(text: str) -> int:
    """Return a number from 1 on."""
    return _amount(text, {"": 1}, "a number from 1 on")


def port(text: str) -> int:
    """Return the number of a port."""
    wanted = "a port from 1 to 65535"
    number = _amount(text, {"": 1}, wanted)
    if number > 65_535:
        raise argparse.ArgumentTypeError(f"{text!r} is not {wanted}")
    return number


def _amount(text: str, units: dict[str, int], wanted: str) -> int:
    number, unit = (text[:-1], text[-1:].lower()) if text[-1:].isalpha() else (text, "")
    if not (number.isascii() and number.isdecimal() and len(number) < 13 and int(number)) or unit not in units:
        raise argparse.ArgumentTypeError(f"{text!r} is not {wanted}")
    return int(number) * units[unit]
