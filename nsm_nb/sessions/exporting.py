"""NetFlow and IPFIX made of a capture or of sessions, with the times of the packets: written to a file, or sent.

It sends only to an address that it is given, and asks nobody for names.
"""

from __future__ import annotations

import os
import re
import socket
import time
from collections.abc import Callable, Iterable, Iterator
from ipaddress import ip_address
from pathlib import Path
from typing import NamedTuple

import pandas as pd

from nsm_nb.errors import NsmError
from nsm_nb.sessions.metering import metered
from nsm_nb.sessions.netflow_writing import Sent, datagrams, fitting
from nsm_nb.sessions.wrapping import LINK_RAW, wrapped
from nsm_nb.text import many, printable

__all__ = ["Exported", "destination", "export", "exports"]

_LOOPBACK = b"\x7f\0\0\1"
_PORT, _TO = 2055, 9995  # of the packets in a file
_RATE = 20_000  # flows a second
_AT_ONCE = 8  # datagrams that are sent without a look at the clock
VERSIONS = (5, 9, 10)


class Exported(NamedTuple):
    """What was made."""

    version: int
    flows: int
    datagrams: int
    octets: int  # bytes of IP that the flows tell
    left: dict[str, int]  # what is not in it, and how much of it


def exports(
    table: pd.DataFrame, *, version: int = 5, active: float = 60, idle: float = 15, biflow: bool = False
) -> tuple[Iterator[Sent], Exported]:
    """Return the export datagrams of packets or sessions, one after the other, and what they will be.

    Parameters
    ----------
    table
        PACKETS, which become flows as a probe makes them; or SESSIONS or FLOWS, which become a record for each direction.
    version
        5, 9 or 10 (IPFIX).
    active, idle
        Seconds after which a flow that goes on is told in pieces, and of silence after which it has ended.
    biflow
        Both directions in one record (RFC 5103); IPFIX only.

    Raises
    ------
    NsmError
        Where the version is none of these, or can't tell both directions.
    """
    if version not in VERSIONS:
        raise NsmError(f"version {version} is not written; choose 5, 9 or 10, which is IPFIX")
    if biflow and version != 10:
        raise NsmError(f"version {version} tells each direction by itself; both in one record need version 10, IPFIX")
    if not (active > 0 and idle > 0):
        raise NsmError("the timeouts are seconds above 0")
    flows = fitting(metered(table, active=active, idle=idle, both=biflow), version)
    count = _count(datagrams(flows, version, both=biflow))
    told = Exported(version, len(flows), count, int(flows.octets.sum() + flows.back_octets.sum()), flows.left)
    return datagrams(flows, version, both=biflow), told


def _count(sent: Iterable[Sent]) -> int:
    return sum(1 for _ in sent)


def export(
    table: pd.DataFrame,
    to: str | os.PathLike | tuple[str, int],
    *,
    version: int = 5,
    active: float = 60,
    idle: float = 15,
    biflow: bool = False,
    rate: int = _RATE,
    progress: Callable[[int, int], object] | None = None,
) -> Exported:
    """Make NetFlow or IPFIX of packets or sessions, and write it to a file or send it; return what was made.

    The clocks in it are those of the packets, so that collectors show when the flows really were.

    Parameters
    ----------
    table, version, active, idle, biflow
        As in `exports`.
    to
        A file: a capture of the datagrams, or one behind the other where its name ends in ``.bin``; it is replaced.
        Or an address and a port: sent over UDP.
    rate
        Flows that are sent each second at most.
    progress
        Called now and then with the flows that are done, and all there are.

    Raises
    ------
    NsmError
        Where it can't be made, written or sent.
    """
    sent, told = exports(table, version=version, active=active, idle=idle, biflow=biflow)
    if isinstance(to, tuple):
        _send(sent, told, to, rate, progress)
    else:
        _write(sent, told, Path(to), progress)
    return told


def destination(text: str) -> Path | tuple[str, int]:
    """Return the file that is named, or an address and a port: 127.0.0.1:9995, [::1]:9995, localhost:9995.

    Raises
    ------
    NsmError
        Where it looks like a host and a port, and the host is a name: asking for its address would tell others of it.
    """
    match = re.fullmatch(r"(\[[^\[\]/]+\]|[^\[\]:/]+):([0-9]{1,5})", text)
    if match is None:
        return Path(text)
    host = "127.0.0.1" if match[1] == "localhost" else match[1].strip("[]")
    try:
        host = str(ip_address(host))
    except ValueError:
        raise NsmError(f"{printable(match[1])} is a name; give its address, as names are not looked up") from None
    if not 0 < int(match[2]) < 65_536:
        raise NsmError(f"{match[2]} is no port; ports are 1 to 65535")
    return host, int(match[2])


def _write(sent: Iterator[Sent], told: Exported, path: Path, progress: Callable[[int, int], object] | None) -> None:
    from nsm_nb.full_content.writing import pcap_parts, write_whole

    def counted() -> Iterator[Sent]:
        done = 0
        for number, each in enumerate(sent):
            yield each
            done += each.flows
            if progress is not None and number % 1000 == 0:
                progress(done, told.flows)

    def frames() -> Iterator[tuple[int, int, bytes]]:
        for each in counted():
            packet = wrapped(each.payload, _LOOPBACK, _PORT, _LOOPBACK, _TO)
            yield each.second * 1_000_000_000, len(packet), packet

    plain = path.suffix == ".bin"
    try:
        write_whole(
            Path(os.path.realpath(path)),
            (each.payload for each in counted()) if plain else pcap_parts(frames(), LINK_RAW),
        )
    except OSError as problem:
        raise NsmError(
            f"{printable(path)} can't be written: {printable(problem.strerror or problem)}; choose another place"
        ) from problem
    if progress is not None:
        progress(told.flows, told.flows)


def _send(
    sent: Iterator[Sent],
    told: Exported,
    to: tuple[str, int],
    rate: int,
    progress: Callable[[int, int], object] | None,
) -> None:
    done = 0
    begun = time.monotonic()
    try:
        family = socket.AF_INET6 if ip_address(to[0]).version == 6 else socket.AF_INET
        with socket.socket(family, socket.SOCK_DGRAM) as sender:
            for number, each in enumerate(sent):
                if number % _AT_ONCE == 0:
                    ahead = done / rate - (time.monotonic() - begun)
                    if ahead > 0:
                        time.sleep(ahead)
                    if progress is not None and number % 64 == 0:
                        progress(done, told.flows)
                # not connected, so that "port unreachable" of one datagram does not end the rest
                sender.sendto(each.payload, to)
                done += each.flows
    except (OSError, ValueError) as problem:
        why = printable(getattr(problem, "strerror", None) or problem)
        raise NsmError(
            f"{to[0]} port {to[1]} can't be sent to: {why}; {many(done, 'flow was', 'flows were')} sent"
        ) from problem
    if progress is not None:
        progress(told.flows, told.flows)
