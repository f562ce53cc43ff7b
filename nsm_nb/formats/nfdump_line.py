"""Flow records as nfdump prints them for people: ``-o line``, ``long``, ``extended``, and what ``-B`` makes of them.

Sizes above a million are printed rounded (``20.4 M``) unless nfdump is told not to (``-N``): a caveat counts them. IPv6 addresses
are cut in the middle (``2001:..1a:2b``) unless the mode is ``line6``: such are no addresses, and missing.

Source: nfdump(1), 1.6.17 and 1.7, "OUTPUT FORMATS"; its output of the bundled files.
"""

from __future__ import annotations

import os
import re

import numpy as np
import pandas as pd

from nsm_nb.formats import columns, tabular
from nsm_nb.formats.lines import Fingerprint, as_utf8, whole_text
from nsm_nb.formats.printed_flows import after, flows, nanoseconds, other_ports
from nsm_nb.formats.printed_values import Values, flags
from nsm_nb.formats.source import read_head
from nsm_nb.text import form, many

__all__ = ["EXTENSIONS", "NAME", "TITLE", "recognises", "sessions"]

NAME = "nfdump-line"
TITLE = "flow records printed by nfdump as lines"
EXTENSIONS = (".txt",)
_HEADER = r"^Date first seen\s+(?:Date last seen\s+|Event\s+XEvent\s+)?(?:Duration\s+)?Proto\s+Src IP Addr:Port"
# names of two words, which stand above one value each
_WORDS = {"Date first seen": "date clock", "Date last seen": "date2 clock2", "Src IP Addr:Port": "src arrow",
          "Dst IP Addr:Port": "dst", "Out Pkt": "opkt", "In Pkt": "ipkt", "Out Byte": "obyt", "In Byte": "ibyt",
          "Packets": "ipkt", "Bytes": "ibyt", "X-Src IP Addr:Port": "xsrc", "X-Dst IP Addr:Port": "xdst"}  # fmt: skip
_PASSED = (
    r"^\s*$|^(?:Summary|Time window|Sys|Command line): |^Total flows processed|^No match(?:ed|ing) flows"
    r"|^Aggregated flows|^Top \d+"
)
_WANTED = ("date", "clock", "Duration", "Proto", "src", "dst", "Flags", "ipkt", "ibyt", "opkt", "obyt", "Flows")
# what stands in lines without a header (nfdump -q), by how many values they have: -o line, long
_BARE = {
    len(names): names
    for names in (
        ("date", "clock", "Duration", "Proto", "src", "arrow", "dst", "ipkt", "ibyt", "Flows"),
        ("date", "clock", "Duration", "Proto", "src", "arrow", "dst", "Flags", "Tos", "ipkt", "ibyt", "Flows"),
    )
}
_RECORD = re.compile(
    rb"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d\.\d{3} +[\d:.]+(?: d)? +[A-Z][\w-]* +\S+ +-> +\S+(?: +[A-Z.]{6,8} +\d+)?"
    rb"(?: +[\d.]+(?: [KMGT])?){2} +\d+ *"
)
_SCALE = {"K": 1e3, "M": 1e6, "G": 1e9, "T": 1e12}


def _names(line: bytes) -> list[str]:
    text = whole_text(line.removeprefix(b"\xef\xbb\xbf"))
    for words, one in _WORDS.items():
        text = text.replace(words, one)
    return text.split()


def recognises(head: bytes) -> bool:
    """Return True where one of the first lines is the header that nfdump prints above its lines, or the first is such a line."""
    return bool(tabular.header_of(head, _HEADER)) or bool(_names_without_header(head))


def _names_without_header(head: bytes) -> tuple[str, ...]:
    line = head.partition(b"\n")[0].rstrip(b"\r")
    if len(line) > 400 or not _RECORD.fullmatch(line):
        return ()
    return _BARE.get(len(re.sub(rb" (?=[KMGT] )", b"", line).split()), ())


def sessions(path: str | os.PathLike, *, label: str | None = None, digest: str | None = None) -> pd.DataFrame:
    """Read the records of a listing: one row of FLOWS for each; see `nfdump_csv.sessions`.

    Parameters and errors as `nsm_nb.formats.read_sessions`.
    """
    label = os.fspath(path) if label is None else label
    layout = tabular.Layout(
        "line of nfdump's",
        _HEADER,
        _names,
        delimiter=b"",
        passed=_PASSED,
        units=True,
        default=_names_without_header(as_utf8(read_head(path))),
    )
    with Fingerprint(path, digest) as fingerprint:
        values = Values(tabular.read(path, label, layout, _WANTED), label)
    values.join("time", "date", "clock")
    values.split("src", "src_port", _apart)
    values.split("dst", "dst_port", _apart)
    proto = values.protocols("Proto")
    start = nanoseconds(values.times("time", path=path))
    seconds = columns.numbers(values.raw("Duration"), _seconds)
    rounded = 0
    counts = {}
    for name in ("ipkt", "ibyt", "opkt", "obyt"):
        counts[name], scaled = _counted(values, name)
        rounded += scaled
    if rounded:
        counted = many(rounded, "count is printed rounded", "counts are printed rounded")
        values.say("rounded", f"{counted}, such as 20.4 M; nfdump -N prints {form(rounded, 'it', 'them')} whole")
    both = values.has("opkt")
    told = columns.whole(columns.numbers(values.raw("Flags"), flags), most=255)
    folded = int((values.whole("Flows").fillna(1) > 1).sum())
    if folded and not both:
        values.say(
            "aggregated",
            f"{folded:,} of its records {form(folded, 'is', 'are')} several flows that nfdump put together",
        )
    # with -B the flags are those of both sides
    others = {"dst_packets": counts["opkt"], "dst_octets": counts["obyt"]} if both else {"src_flags": told}
    return flows(
        values, source=NAME, digest=fingerprint.digits(), proto=proto, start=start, end=after(start, seconds),
        src=values.texts("src"), dst=values.texts("dst"), src_port=values.ports("src_port", proto),
        dst_port=other_ports(values.raw("dst_port")), src_packets=counts["ipkt"], src_octets=counts["ibyt"], **others,
    )  # fmt: skip


def _apart(text: bytes) -> tuple[bytes, bytes]:
    """Return an address and its port, which of ICMP is type and code."""
    if text.count(b":") < 2:  # 10.0.0.1:80, 10.0.0.1:8.0
        front, _, port = text.partition(b":")
        return front, port
    front, colon, last = text.rpartition(b":")  # 2001:db8::1.443, 2001:db8::1.128.0
    last, _, port = last.partition(b".")
    return front + colon + last, port


def _seconds(text: bytes) -> float | None:
    """Return a duration: seconds, hours and so on before colons; days before a ``d``."""
    days, written, clock = text.rpartition(b"d")
    clock = clock.strip() or (b"0" if written else b"")
    result = 0.0
    try:
        for part in clock.split(b":"):
            result = 60 * result + float(part)
        result += 86_400 * float(days or 0)
    except ValueError:
        return None
    return result if np.isfinite(result) else None


def _counted(values: Values, name: str) -> tuple[pd.Series, int]:
    """Return a column of counts, and how many of them are rounded."""
    import pyarrow.compute as pc

    column = values.raw(name)
    scaled = int(pc.sum(pc.match_substring_regex(column, pattern=r"[KMGT]\s*$")).as_py() or 0)
    if not scaled:
        return values.whole(name), 0

    def number(text: bytes) -> float | None:
        digits, _, unit = whole_text(text).strip().partition(" ")
        try:
            return round(float(digits) * _SCALE.get(unit, 1.0)) if len(digits) < 20 else None
        except (ValueError, OverflowError):
            return None

    return columns.whole(columns.numbers(column, number)), scaled
