"""A collector of NetFlow and IPFIX: it keeps export datagrams as they came, in captures that `read_sessions` reads.

It listens on loopback unless another address is given, and never sends.

Source: flow-capture(1); socket(7), ip(7), ipv6(7), udp(7) of Linux.
"""

from __future__ import annotations

import contextlib
import functools
import select
import socket
import struct
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from ipaddress import IPv6Address, ip_address
from pathlib import Path

from nsm_nb.errors import NsmError
from nsm_nb.sessions.exporters import Exporters
from nsm_nb.sessions.rotation import Folder
from nsm_nb.sessions.wrapping import wrapped
from nsm_nb.text import many, printable

__all__ = ["Asked", "Collected", "collect"]

_TIMESTAMP = 35  # SO_TIMESTAMPNS, from Linux' asm-generic/socket.h; Python has no name for it
_MEMORY = 55  # SO_MEMINFO: nine numbers, of which the last but one counts what was dropped
_BUFFER_FORCE = 33  # SO_RCVBUFFORCE
_PKTINFO, _RECVTTL, _TTL = 8, 12, 2  # of IPPROTO_IP
_ROOM = 64 << 20  # bytes that the system is asked to hold of what came and was not taken yet
_ANCILLARY = 256
_BURST = 64  # datagrams that are written at once; so many at most are lost where the process is killed
_LARGEST = 65_535
_LOOK = 0.2  # seconds after which the clock is looked at where nothing comes
_LONGEST = 60.0  # seconds in which what came before the stop is taken
_V6 = socket.IPPROTO_IPV6
_RECORD = struct.Struct("<IIII")


@dataclass(frozen=True)
class Asked:
    """What to collect, and where to."""

    folder: Path
    port: int = 9995
    listen: str = "127.0.0.1"
    every: int = 900  # seconds of a file
    keep: int | None = None  # finished files; None: all
    size: int | None = None  # bytes of all files
    exporters: tuple[str, ...] = ()  # addresses that are listened to; none: all


@dataclass
class Collected:
    """What came so far."""

    exporters: Exporters = field(default_factory=Exporters)
    dropped: int | None = 0  # datagrams that the system had no room for; None where it does not tell
    unkept: int = 0  # datagrams that could not be written
    problem: str = ""  # why not
    files: int = 0  # that were finished

    def line(self) -> str:
        """Return it in a line."""
        totals = self.exporters.totals()
        words = [many(totals.datagrams, "datagram"), many(totals.flows, "flow"), f"{totals.lost:,} lost"]
        if totals.unknown:
            words.append(f"{many(totals.unknown, 'set')} without a template")
        words.append("drops not told" if self.dropped is None else f"{self.dropped:,} dropped by the system")
        words.append(f"{self.exporters.refused:,} refused")
        words.append(many(len(self.exporters), "exporter"))
        if self.unkept:
            words.append(f"{self.unkept:,} NOT WRITTEN ({printable(self.problem)})")
        return ", ".join(words)


def collect(
    asked: Asked,
    *,
    stop: Callable[[], bool],
    rotate: Callable[[], bool] = lambda: False,
    tell: Callable[[str], object] = lambda words: None,
    progress: Callable[[Collected], object] = lambda so_far: None,
) -> Collected:
    """Collect until it is stopped; return what came.

    Datagrams are written as they were, with the time of receipt of the system's kernel, behind headers of IP and UDP
    made of the addresses, ports and TTL that it tells. What is no whole export of a known version is counted and not kept.

    Parameters
    ----------
    asked
        What, and where to.
    stop
        Asked some times a second whether to stop.
    rotate
        Asked as often whether the file is to be finished now.
    tell
        Takes a sentence about each file that is finished, removed or found, and about what listens.
    progress
        Called about once a second.

    Raises
    ------
    NsmError
        Where the address can't be listened on, or the folder can't be used.
    """
    listening = _Listening(asked)
    collected = Collected()
    try:
        folder = Folder(asked.folder, every=asked.every, keep=asked.keep, size=asked.size, tell=tell)
        try:
            tell(f"listening on {listening.name}, {listening.room / 1e6:.1f} MB of room for what comes at once")
            _run(listening, folder, collected, stop=stop, rotate=rotate, progress=progress)
        finally:
            collected.exporters.end()
            folder.close()
            collected.files = folder.finished
    finally:
        listening.close()
    return collected


def _run(
    listening: _Listening,
    folder: Folder,
    collected: Collected,
    *,
    stop: Callable[[], bool],
    rotate: Callable[[], bool],
    progress: Callable[[Collected], object],
) -> None:
    told = time.monotonic()
    stopping = False
    while not stopping:
        stopping = stop()
        until = time.time_ns()
        for burst in listening.bursts(0 if stopping else _LOOK, seconds=_LONGEST if stopping else _LOOK):
            records = [record for record in (_record(each, collected) for each in burst) if record]
            if records:
                _write(folder, records, burst[0].time, collected)
            if stopping and burst[-1].time > until:  # what came before the stop is taken, and nothing that came after
                break
        if rotate():
            folder.finish()
        folder.turn(time.time_ns())
        if time.monotonic() - told >= 1:
            told = time.monotonic()
            collected.dropped = listening.dropped()
            progress(collected)
    collected.dropped = listening.dropped()


def _record(each: _Datagram, collected: Collected) -> bytes:
    """Return the record of a capture, after the datagram was counted; nothing where it is refused."""
    if not each.wanted:
        collected.exporters.refuse(each.src)
        return b""
    if not collected.exporters.heard(each.src, each.src_port, each.payload):
        return b""
    packet = wrapped(each.payload, each.src, each.src_port, each.dst, each.dst_port, ttl=each.ttl)
    seconds, rest = divmod(each.time, 1_000_000_000)
    return _RECORD.pack(seconds & 0xFFFF_FFFF, rest, len(packet), len(packet)) + packet


def _write(folder: Folder, records: list[bytes], at: int, collected: Collected) -> None:
    try:
        folder.write(b"".join(records), at)
    except OSError as problem:
        collected.unkept += len(records)
        collected.problem = problem.strerror or str(problem)


@dataclass(slots=True)
class _Datagram:
    time: int  # nanoseconds since 1970
    src: bytes
    src_port: int
    dst: bytes
    dst_port: int
    ttl: int
    payload: bytes
    wanted: bool


class _Listening:
    """The socket."""

    def __init__(self, asked: Asked):
        try:
            own = ip_address(asked.listen)
            self._only = {_packed(ip_address(each)) for each in asked.exporters}
        except ValueError as problem:
            raise NsmError(f"{printable(problem)}; give addresses, such as 127.0.0.1 or ::1") from None
        family = socket.AF_INET6 if own.version == 6 else socket.AF_INET
        self._socket = socket.socket(family, socket.SOCK_DGRAM)
        try:
            self._socket.setblocking(False)
            self._prepare(family)
            self._socket.bind((asked.listen, asked.port))
        except OSError as problem:
            self._socket.close()
            raise NsmError(
                f"{asked.listen} port {asked.port} can't be listened on: {printable(problem.strerror or problem)}; "
                "choose another with --listen or --port"
            ) from problem
        self.port = self._socket.getsockname()[1]
        self.name = f"[{own}]:{self.port}" if own.version == 6 else f"{own}:{self.port}"
        self._any = own.is_unspecified
        self._own = _packed(own)
        self._poll = select.poll()
        self._poll.register(self._socket, select.POLLIN)

    def _prepare(self, family: int) -> None:
        one = self._socket
        for option in (_BUFFER_FORCE, socket.SO_RCVBUF):  # beyond the system's limit where we may
            with contextlib.suppress(OSError):
                one.setsockopt(socket.SOL_SOCKET, option, _ROOM)
                break
        self.room = one.getsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF)
        one.setsockopt(socket.SOL_SOCKET, _TIMESTAMP, 1)
        one.setsockopt(socket.IPPROTO_IP, _PKTINFO, 1)
        one.setsockopt(socket.IPPROTO_IP, _RECVTTL, 1)
        if family == socket.AF_INET6:
            one.setsockopt(_V6, socket.IPV6_V6ONLY, 0)
            one.setsockopt(_V6, socket.IPV6_RECVPKTINFO, 1)
            one.setsockopt(_V6, socket.IPV6_RECVHOPLIMIT, 1)

    def bursts(self, wait: float, *, seconds: float) -> Iterator[list[_Datagram]]:
        """Yield what came, up to `_BURST` datagrams at once, until nothing more is there or for some seconds."""
        until = time.monotonic() + seconds
        if not self._poll.poll(wait * 1000):
            return
        while time.monotonic() < until:
            burst: list[_Datagram] = []
            try:
                while len(burst) < _BURST:
                    burst.append(self._next())
            except BlockingIOError:
                if burst:
                    yield burst
                return
            yield burst

    def _next(self) -> _Datagram:
        payload, ancillary, _, sender = self._socket.recvmsg(_LARGEST, _ANCILLARY, socket.MSG_DONTWAIT)
        at, dst, ttl = 0, self._own, 64
        for level, kind, data in ancillary:
            if level == socket.SOL_SOCKET and kind == _TIMESTAMP:
                seconds, rest = struct.unpack("qq", data[:16])
                at = seconds * 1_000_000_000 + rest
            elif (level == socket.IPPROTO_IP and kind == _TTL) or (level == _V6 and kind == socket.IPV6_HOPLIMIT):
                ttl = int.from_bytes(data[:4], "little" if struct.pack("=H", 1)[0] else "big") & 255
            elif self._any and level == socket.IPPROTO_IP and kind == _PKTINFO:
                dst = data[8:12]
            elif self._any and level == _V6 and kind == socket.IPV6_PKTINFO:
                dst = _address(data[:16])
        src = _sender(sender[0])
        if len(src) != len(dst):  # can't be, but a packet has to be of one kind
            dst = b"\0" * len(src)
        return _Datagram(
            at or time.time_ns(), src, sender[1], dst, self.port, ttl, payload, not self._only or src in self._only
        )

    def dropped(self) -> int | None:
        """Return how many datagrams the system had no room for since the beginning; None where it does not tell."""
        try:
            return int(struct.unpack("9I", self._socket.getsockopt(socket.SOL_SOCKET, _MEMORY, 36))[8])
        except (OSError, struct.error):
            return None

    def close(self) -> None:
        self._socket.close()


@functools.lru_cache(4096)
def _sender(text: str) -> bytes:
    return _packed(ip_address(text))


def _packed(address: object) -> bytes:
    """Return an address in bytes; one of IPv4 that came over IPv6 as what it is."""
    mapped = address.ipv4_mapped if isinstance(address, IPv6Address) else None
    return (mapped or address).packed  # type: ignore[union-attr, attr-defined, no-any-return]


@functools.lru_cache(256)
def _address(data: bytes) -> bytes:
    return _packed(ip_address(data))
