"""What operating system sent a SYN: a guess from its TTL, the length of its headers and its window.

Every system fills in the first packet of a TCP conversation in its own habit. PACKETS keeps the TTL, the window and how long
the headers are, which is enough to tell families apart, not versions; the order of the options, which p0f also looks at, is
in the bytes alone. A guess is marked with how sure it is, and anyone can send a packet that looks like another's.

Sources of the habits: the Linux kernel's net/ipv4/tcp_output.c (initial window: 4 segments until 2.6.38, 10 since 2.6.39,
of RFC 6928; 20 in later 3.x; 44 since 4.20, commit a337531b942b); RFC 1700 (default TTL 64); Microsoft KB 224829 and the TCP/IP
Registry Values of Windows 2000 (window 16384, TTL 128); net.inet.tcp.recvspace of FreeBSD and macOS (65535; 20 and 24 octets
of options); tcp_recv_hiwat of Solaris (49640); ip tcp window-size of Cisco IOS (4128); nmap (window 1024 to 4096, MSS alone, a
random TTL of 37 to 59), masscan (window 1024, TTL 255), ZMap (window 65535, TTL 255), as their packet templates have it.
Measured on the bundled case: Linux 6 (60 octets, window 64240), nmap (44 octets, window 1024).
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import pandas as pd

from nsm_nb.schema import PACKETS
from nsm_nb.statistics._tally import codes_of, numbers_of, tally

__all__ = ["SIGNATURES", "SURE", "Signature", "guesses"]

SURE = ("weak", "fair", "good")
_SYN_ACK = 0x12
_SYN = 0x02
_IP6_MORE = 20  # an IPv6 header is so much longer than one of IPv4


class Signature(NamedTuple):
    """A habit: initial TTL, octets of IPv4 and TCP header with options, and windows; None where anything goes."""

    system: str
    ttl: int | None
    headers: int
    windows: tuple[int, ...] | None
    segments: tuple[int, ...] = ()  # windows that are so many segments of 1460 (Ethernet) or 1440 (IPv6) bytes


# The most telling first. Headers: 20 of IP, 20 of TCP and the options: 4 (MSS alone), 8 (and SACK), 12 (and window scale),
# 20 (and timestamps), 24 (the same, padded as BSD does).
SIGNATURES = (
    Signature("scanner (nmap)", None, 44, (1024, 2048, 3072, 4096)),
    Signature("scanner (ZMap)", 255, 40, (65535,)),
    Signature("scanner (masscan)", 255, 40, (1024,)),
    Signature("scanner (masscan)", 255, 44, (1024,)),
    Signature("Linux (4.20 or later)", 64, 60, (65495,), (44, 45)),
    Signature("Linux (3.x or 4, to 4.19)", 64, 60, (43690,), (20,)),
    Signature("Linux (2.6.39 to 3.x)", 64, 60, (), (10,)),
    Signature("Linux (2.4 or 2.6)", 64, 60, (32792,), (4,)),
    Signature("FreeBSD", 64, 60, (65535,)),
    Signature("macOS or iOS", 64, 64, (65535,)),
    Signature("OpenBSD", 64, 64, (16384,)),
    Signature("Windows (10 or later)", 128, 52, (64240, 65535, 65520, 62727, 64800)),
    Signature("Windows (Vista to 8)", 128, 52, (8192,)),
    Signature("Windows (2000)", 128, 48, (16384,)),
    Signature("Windows (XP or 2003)", 128, 48, (64240, 65535, 65520)),
    Signature("Solaris", 64, 52, (32850, 49640)),
    Signature("Cisco IOS", 255, 44, (4128,)),
)
_FAMILIES = {  # where no window fits: by TTL and length
    (64, 60): "Linux", (64, 64): "macOS, iOS or BSD", (128, 52): "Windows", (128, 48): "Windows", (255, 44): "network device",
}  # fmt: skip
_BY_TTL = {64: "Linux, macOS or another Unix", 128: "Windows", 255: "network device or Solaris"}


def guesses(packets: pd.DataFrame) -> pd.DataFrame:
    """Return the guesses from all SYNs: a row for each address and each look of its SYNs.

    Parameters
    ----------
    packets
        A table of PACKETS.

    Returns
    -------
    pandas.DataFrame
        ``host`` (of the address dtype of `packets`), ``system``, ``sure`` (``good`` where TTL, length and window fit one
        habit; ``fair`` where two of them do; ``weak`` from the TTL alone), ``why`` (what was looked at), ``distance``
        (routers passed, by the TTL; missing where the sender chooses TTLs at random) and ``packets``, how many SYNs.
    """
    PACKETS.require(packets, "src_ip", "proto", "tcp_flags", "ttl", "window", "octets", "payload", "layers")
    rows = _syns(packets)
    syns = packets.iloc[rows]
    ttl, with_ttl = numbers_of(syns["ttl"])
    window, with_window = numbers_of(syns["window"])
    octets, with_octets = numbers_of(syns["octets"])
    payload, _ = numbers_of(syns["payload"])
    host = syns["src_ip"].cat.codes.to_numpy(np.int64)
    layers, paths = codes_of(syns["layers"])
    six = np.array([*("ipv6" in str(path).split(":") for path in paths), False], bool)[layers]
    headers = octets - payload - six * _IP6_MORE
    known = with_ttl & with_window & with_octets & (host >= 0) & (headers >= 40) & (headers <= 120) & (ttl > 0)
    found = tally(
        [each[known] for each in (host, headers, ttl, window)],
        [max(len(syns["src_ip"].cat.categories), 1), 128, 256, 65536],
    )
    told = [_guess(*map(int, look)) for look in zip(*found.keys[1:], strict=True)]
    return pd.DataFrame(
        {
            "host": pd.Categorical.from_codes(found.keys[0], dtype=syns["src_ip"].dtype),
            "system": pd.Series([each[0] for each in told], dtype="str"),
            "sure": pd.Categorical([each[1] for each in told], categories=list(SURE), ordered=True),
            "why": pd.Series([each[2] for each in told], dtype="str"),
            "distance": pd.array([each[3] for each in told], "UInt8"),
            "packets": found.counts,
        }
    )


def _syns(packets: pd.DataFrame) -> np.ndarray:
    flags = packets["tcp_flags"].array
    if isinstance(flags, pd.arrays.IntegerArray):
        syn = ((flags._data & _SYN_ACK) == _SYN) & ~flags._mask
    else:
        numbers, there = numbers_of(packets["tcp_flags"])
        syn = ((numbers & _SYN_ACK) == _SYN) & there
    return np.flatnonzero(syn)


def _guess(headers: int, ttl: int, window: int) -> tuple[str, str, str, int | None]:
    """Return system, how sure, why, and the routers passed."""
    first = next((each for each in (64, 128, 255) if ttl <= each and each - ttl <= 40), None)
    why = f"SYN with TTL {ttl}, {headers} octets of IPv4 and TCP headers, window {window}"
    for each in SIGNATURES:
        fits = window in (each.windows or ()) or any(window in (1460 * part, 1440 * part) for part in each.segments)
        if headers == each.headers and fits and each.ttl in (None, first):
            distance = None if each.ttl is None or first is None else first - ttl
            return each.system, "good", why, distance
    if first is None:
        return "not known", "weak", why, None
    if family := _FAMILIES.get((first, headers)):
        return family, "fair", why, first - ttl
    return _BY_TTL[first], "weak", why, first - ttl
