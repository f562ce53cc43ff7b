"""Who and to whom, as sensors print it: an address, and a port where the protocol has one."""

from __future__ import annotations

import ipaddress
import re
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from nsm_nb.formats import columns
from nsm_nb.formats.lines import whole_text

if TYPE_CHECKING:
    import pyarrow as pa

__all__ = ["certain", "endpoints", "protocol"]


def protocol(text: bytes) -> str | None:
    """Return the name of a protocol that Snort printed: TCP, UDP, ICMP, IP, or PROTO:255 for what has no name."""
    return columns.protocol(whole_text(text).lower().removeprefix("proto:"))


_FOUR = re.compile(rb"(\d{1,3}\.\d{1,3}\.\d{1,3}\.(\d{1,3}))(?::(\d{0,5}))?")


def certain(text: bytes) -> bytes:
    """Return what is certain of an address and port where the line may break off: all of it where no digit can follow.

    Behind ``10.0.0.1:44`` there may have been another digit, so that only the address is certain; behind ``10.0.0.1:9999``
    and ``10.0.0.99`` there was none. Of IPv6 nothing is.
    """
    found = _FOUR.fullmatch(text)
    if found is None:
        return b""
    address, octet, port = found.groups()
    if port is not None:
        return text if port and int(port) * 10 > 65_535 else address
    return text if int(octet) * 10 > 255 or octet == b"0" else b""


def endpoints(column: pa.ChunkedArray, proto: pd.Categorical) -> tuple[pd.Categorical, np.ndarray]:
    """Return addresses, as text that is not judged yet, and ports of texts such as ``10.0.0.1:80``.

    Whether a last ``:80`` is a port depends on the protocol, for IPv6 stands there without brackets.
    """
    ported = np.array([*(name in columns.PORTED for name in proto.categories), False])[proto.codes]
    valid: dict[str, bool] = {}

    def is_address(text: str) -> bool:
        if text not in valid:
            try:
                valid[text] = bool(ipaddress.ip_address(text))
            except ValueError:
                valid[text] = False
        return valid[text]

    def parts(text: str, *, port: bool) -> tuple[str, float]:
        front, _, last = text.rpartition(":")
        front = front.removeprefix("[").removesuffix("]")
        if is_address(front) and last.isascii() and last.isdigit() and (port or not is_address(text)):
            return front, float(last) if port else np.nan
        return text.removeprefix("[").removesuffix("]"), np.nan

    whole = columns.mapped(column, lambda text: whole_text(text) or None)
    found = [[parts(text, port=port) for text in whole.categories] for port in (False, True)]
    texts = np.array([[each[0] or None for each in side] + [None] for side in found], object)
    numbers = np.array([[each[1] for each in side] + [np.nan] for side in found])
    place = (ported.astype(int), whole.codes)
    return pd.Categorical(texts[place]), numbers[place]
