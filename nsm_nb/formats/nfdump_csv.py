"""Flow records that nfdump printed as CSV: the layout of 1.6 and early 1.7 (``ts,te,td``), and that of 1.7 since (``firstSeen``).

A record is one direction, or, with ``-B``, both: what came back stands in `opkt` and `obyt`, or `outPackets` and `outBytes`.
Octets are IP bytes, as exporters count them.

Source: nfdump(1), 1.6.17 and 1.7; its output of the bundled files in both layouts.
"""

from __future__ import annotations

import os
import re

import numpy as np
import pandas as pd

from nsm_nb.formats import columns, tabular
from nsm_nb.formats.lines import Fingerprint, whole_text
from nsm_nb.formats.printed_flows import after, flows, nanoseconds, other_ports
from nsm_nb.formats.printed_values import Values, flags
from nsm_nb.text import form

__all__ = ["EXTENSIONS", "NAME", "TITLE", "flows_of", "recognises", "sessions"]

NAME = "nfdump-csv"
TITLE = "flow records printed by nfdump as CSV"
EXTENSIONS = (".csv",)
# of versions 1.6 and 1.7 up to 1.7.3, which is not there where nfdump ran with -q
_DEFAULT = (
    "ts", "te", "td", "sa", "da", "sp", "dp", "pr", "flg", "fwd", "stos", "ipkt", "ibyt", "opkt", "obyt", "in", "out", "sas",
    "das", "smk", "dmk", "dtos", "dir", "nh", "nhb", "svln", "dvln", "ismc", "odmc", "idmc", "osmc",
    *(f"mpls{at}" for at in range(1, 11)), "cl", "sl", "al", "ra", "eng", "exid", "tr",
)  # fmt: skip
_BARE = re.compile(
    rb"(?:\d{4}-\d\d-\d\d \d\d:\d\d:\d\d,){2}\s*-?\d+\.\d{3},(?:[^,\n]*,){%d}[^,\n]+" % (len(_DEFAULT) - 4)
)
_HEADER = r"^(?:\xef\xbb\xbf)?(?:ts,te,td,[a-z]|firstSeen,(?:duration|lastSeen),)"
# the names of 1.7, and those that we ask for
_NAMES = {
    "firstseen": "ts", "lastseen": "te", "duration": "td", "proto": "pr", "srcaddr": "sa", "dstaddr": "da", "srcport": "sp",
    "dstport": "dp", "packets": "ipkt", "bytes": "ibyt", "inpackets": "ipkt", "inbytes": "ibyt", "outpackets": "opkt",
    "outbytes": "obyt", "flags": "flg", "tcpflags": "flg", "flows": "fl", "received": "tr", "pkt": "ipkt", "byt": "ibyt",
}  # fmt: skip
_WANTED = ("ts", "te", "td", "pr", "sa", "da", "sp", "dp", "flg", "ipkt", "ibyt", "opkt", "obyt", "fl", "ra", "eng", "tr",
           "svln")  # fmt: skip
# what nfdump prints behind the records: "Summary", names of figures, the figures; and "No matched flows"
_PASSED = r"^\s*$|^Summary|^flows,bytes,packets,|^\d+(?:,\d+){5}\s*$|^No match(?:ed|ing) flows|^(?:Time window|Total flows|Sys):"


def _names(line: bytes) -> list[str]:
    names = [each.strip() for each in whole_text(line.removeprefix(b"\xef\xbb\xbf")).split(",")]
    return [_NAMES.get(each.lower(), each) for each in names]


def recognises(head: bytes) -> bool:
    """Return True where one of the first lines names nfdump's columns, in either layout, or the first is one of the older."""
    names = _names(tabular.header_of(head, _HEADER))
    return {"ts", "pr", "sa", "da", "ipkt"} <= {*names} or bool(_BARE.fullmatch(head.partition(b"\n")[0].rstrip(b"\r")))


def sessions(path: str | os.PathLike, *, label: str | None = None, digest: str | None = None) -> pd.DataFrame:
    """Read the records of a listing: one row of FLOWS for each.

    `src` is who sent; whether it opened the conversation is not known. nfdump prints times in the zone of the machine that it
    ran on, and names none; in the older layout they are cut to whole seconds, durations are exact. `sensor` is the router.
    Parameters and errors as `nsm_nb.formats.read_sessions`.
    """
    label = os.fspath(path) if label is None else label
    with Fingerprint(path, digest) as fingerprint:
        return flows_of(path, label, fingerprint, source=NAME)


def flows_of(path: str | os.PathLike, label: str, fingerprint: Fingerprint, *, source: str) -> pd.DataFrame:
    """Return the records of a listing that stands for the evidence whose fingerprint is given; `source` names its format."""
    layout = tabular.Layout("record of nfdump's", _HEADER, _names, passed=_PASSED, default=_DEFAULT)
    values = Values(tabular.read(path, label, layout, _WANTED), label)
    proto = values.protocols("pr")
    start = nanoseconds(values.times("ts", path=path))
    seconds = values.decimals("td")
    end = after(start, seconds) if values.has("td") else nanoseconds(values.times("te", path=path))
    if values.has("te") and not (start % 1_000_000_000).any():
        values.say("clock", "its times are cut to whole seconds; durations are exact")
    back = values.whole("opkt")
    both = bool((back.fillna(0) > 0).any())
    told = columns.whole(columns.numbers(values.raw("flg"), flags), most=255)
    vlan = values.whole("svln", most=4095)
    folded = int((values.whole("fl").fillna(1) > 1).sum())
    if folded:
        values.say(
            "aggregated",
            f"{folded:,} of its records {form(folded, 'is', 'are')} several flows that nfdump put together",
        )
    # with -B the flags are those of both sides
    others = {"dst_packets": back, "dst_octets": values.whole("obyt")} if both else {"src_flags": told}
    return flows(
        values, source=source, digest=fingerprint.digits(), proto=proto, start=start, end=end,
        src=values.texts("sa"), dst=values.texts("da"), src_port=values.ports("sp", proto),
        dst_port=other_ports(values.raw("dp")), src_packets=values.whole("ipkt"), src_octets=values.whole("ibyt"),
        vlan=vlan.where(vlan > 0, pd.NA), sensor=_router(values), received=_received(values, path), **others,
    )  # fmt: skip


def _router(values: Values) -> pd.Categorical:
    """Return the routers' addresses; 0.0.0.0 is none."""
    return columns.mapped(
        values.raw("ra"), lambda text: None if text.strip() in (b"0.0.0.0", b"::", b"") else whole_text(text).strip()
    )


def _received(values: Values, path: str | os.PathLike) -> np.ndarray | None:
    """Return when the records were received; 1970 is not known."""
    if not values.has("tr"):
        return None
    kept = len(values.caveats)
    received = nanoseconds(values.times("tr", path=path))
    del values.caveats[kept:]  # the same as of the flows' times
    return None if (received <= 0).all() else received
