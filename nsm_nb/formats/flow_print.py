"""Flow records printed by flow-tools' flow-print, formats 0 to 9.

Formats 0, 1 and 2 write interfaces, protocol and ports in hexadecimal. Only 1, 2 and 5 have times, as month and day without a
year, in the zone of the machine; 4 has networks' masks and systems instead of ports, 6 neither ports nor protocol, 9 tags
instead of both. The flags of format 5 are masked: FIN, SYN and RST are all it tells. Formats 4, 7 and 8 write an address with its
mask and without the zeros that it ends in: ``10.1/16`` is 10.1.0.0, a host's address and not its network's.

Source: flow-print(1) of flow-tools 0.68; its src/flow-print.c, whose headers these are; lib/fmt.c, `fmt_ipv4prefix`.
"""

from __future__ import annotations

import os

import numpy as np
import pandas as pd

from nsm_nb.formats import columns, tabular
from nsm_nb.formats.flow_columns import NOT_A_TIME
from nsm_nb.formats.lines import Fingerprint, as_utf8, whole_text
from nsm_nb.formats.printed_flows import flows, nanoseconds
from nsm_nb.formats.printed_values import Values
from nsm_nb.formats.source import read_head
from nsm_nb.text import form, many

__all__ = ["EXTENSIONS", "NAME", "TITLE", "YEARLESS", "recognises", "sessions"]

NAME = "flow-print"
TITLE = "flow records printed by flow-tools' flow-print"
EXTENSIONS = (".txt",)
YEARLESS = True
_HEADER = (
    r"^(?:\xef\xbb\xbf)?\s*(?:"
    r"(?:Sif\s+Dif\s+)?srcIP(?:/mask)?\s+dstIP(?:/mask)?\s+(?:router_sc\s+|peer_nexthop\s+encap\s+i/o\s+)?prot\s"
    r"|Sif\s+SrcIPaddress\s+D[Ii]f\s|Start\s+End\s+Sif\s+SrcIPaddress\s|Source\s+Destination\s+Packets\s+Bytes\s*$"
    r"|srcTag\s+dstTag\s+srcIP\s+dstIP\s+octets\s)"
)
_SECOND = r"^\s*StartTime\s+EndTime\s+Active\s+B/Pk\s+Ts\s+Fl\s*$"  # of format 1
_NAMES = {
    "srcip": "src", "dstip": "dst", "prot": "pr", "srcport": "sp", "dstport": "dp", "octets": "octets", "packets": "packets",
    "srcipaddress": "src", "dstipaddress": "dst", "pr": "pr", "p": "pr", "srcp": "sp", "dstp": "dp", "pkts": "packets",
    "source": "src", "destination": "dst", "bytes": "octets", "srcip/mask": "src", "dstip/mask": "dst",
    "start": "start", "end": "end", "fl": "fl", "starttime": "start", "endtime": "end",
}  # fmt: skip
_WANTED = ("src", "dst", "pr", "sp", "dp", "octets", "packets", "start", "end", "fl")
_TIME = (
    r"^\s*(?P<month>\d{2})(?P<day>\d{2})\.(?P<clock>\d{2}:\d{2}:\d{2})\.(?P<fraction>\d{1,9})\s*$",  # 1113.17:00:05.020
)
_PASSED = r"^\s*$|^#|^\s*StartTime\s+EndTime\s"
_OF_FIRST, _OF_SECOND = 9, 6  # values in the two lines of a record of format 1


def _names(line: bytes) -> list[str]:
    return [_NAMES.get(each.lower(), each) for each in whole_text(line.removeprefix(b"\xef\xbb\xbf")).split()]


def recognises(head: bytes) -> bool:
    """Return True where one of the first lines is a header of flow-print's."""
    return bool(tabular.header_of(head, _HEADER))


def sessions(
    path: str | os.PathLike, *, label: str | None = None, digest: str | None = None, near: pd.Timestamp | None = None
) -> pd.DataFrame:
    """Read a listing: one row of FLOWS for each flow, which is one direction.

    What a format does not print is missing. `near` is a time close to which the flows were, from which their year is taken.
    Other parameters, and errors, as `nsm_nb.formats.read_sessions`.
    """
    label = os.fspath(path) if label is None else label
    header = tabular.header_of(as_utf8(read_head(path)), _HEADER)
    hexadecimal = header.split()[:2] == [b"Sif", b"SrcIPaddress"]  # in the wide format 4 the interfaces alone are
    two = bool(tabular.header_of(as_utf8(read_head(path)), _SECOND))
    layout = tabular.Layout(
        "flow of flow-print's", _HEADER, _names, delimiter=b"", passed=_PASSED, others=(_OF_SECOND,) if two else ()
    )
    with Fingerprint(path, digest) as fingerprint:
        values = Values(tabular.read(path, label, layout, _WANTED), label)
        if two:
            _add_second(values, path, label)
    if hexadecimal:
        values.change("pr", _from_hex)
        values.change("sp", _from_hex)
        values.change("dp", _from_hex)
    for side in ("src", "dst"):
        values.change(side, _unmasked)
    proto = values.protocols("pr")
    times = {}
    for name in ("start", "end"):
        times[name] = np.full(values.count, NOT_A_TIME)
        if values.has(name):
            kept = len(values.caveats)
            times[name] = nanoseconds(values.times(name, path=path, near=near, patterns=_TIME))
            if name == "end":
                del values.caveats[kept:]  # the same as of the others
    if not values.has("start") and values.count:
        values.say("clock", "it prints no times; flow-print -f 5 does")
    told = columns.whole(columns.numbers(values.raw("fl"), _number), most=255)
    if values.has("fl") and not two:
        values.say("flags", "its TCP flags are FIN, SYN and RST only: flow-print -f 5 leaves out the others")
    _over_the_year(times)
    return flows(
        values, source=NAME, digest=fingerprint.digits(), proto=proto, start=times["start"], end=times["end"],
        src=values.texts("src"), dst=values.texts("dst"), src_port=values.whole("sp", most=65_535),
        dst_port=values.whole("dp", most=65_535), src_packets=values.whole("packets"), src_octets=values.whole("octets"),
        src_flags=told,
    )  # fmt: skip


def _over_the_year(times: dict[str, np.ndarray]) -> None:
    """Take a start for one of the year before where its flow would end half a year before it began."""
    start, end = times["start"], times["end"]
    half = 180 * 86_400 * 10**9
    over = (start != NOT_A_TIME) & (end != NOT_A_TIME) & (start // 2 - end // 2 > half // 2)
    start[over] -= 365 * 86_400 * 10**9


def _add_second(values: Values, path: str | os.PathLike, label: str) -> None:
    """Add the times and flags that stand in the line below each flow."""
    layout = tabular.Layout("flow of flow-print's", _SECOND, _names, delimiter=b"", others=(_OF_FIRST,), quiet=True)
    below = tabular.read(path, label, layout, ("start", "end", "fl"))
    place = np.searchsorted(below.record, values.found.record + 1)
    inside = np.minimum(place, max(len(below.record) - 1, 0))
    there = (place < len(below.record)) & (
        below.record[inside] == values.found.record + 1 if len(below.record) else np.zeros(len(place), bool)
    )
    values.add(below.fields, inside, there)
    if not there.all():
        lost = int((~there).sum())
        below_it = form(lost, "it, so that its", "them, so that their")
        said = f"{many(lost, 'flow has', 'flows have')} no second line below {below_it} times and flags are missing"
        values.say("line", said)


def _unmasked(text: bytes) -> bytes:
    """Return an address that stands with its mask, with the zeros that it ends in."""
    address, mask, _ = text.partition(b"/")
    return address + b".0" * (3 - address.count(b".")) if mask else address


def _from_hex(text: bytes) -> bytes:
    try:
        return str(int(text, 16)).encode() if len(text.strip()) <= 4 else text
    except ValueError:
        return b"?" + text


def _number(text: bytes) -> float | None:
    try:
        return float(int(text, 16)) if len(text) <= 2 else None
    except ValueError:
        return None
