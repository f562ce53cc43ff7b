"""What Argus' ra prints, by the names of its columns: shared by its listings, its CSV, and Argus' own files read through it.

Argus counts bytes of whole frames: 14 of Ethernet a packet (18 with a VLAN tag) are taken off. A long conversation is several
records, one each status interval. Management records are no sessions.

Source: ra(1) of argus-clients 3.0.8, "Flgs", "Dir", "State"; its common/argus_client.c; measured on the fixtures.
"""

from __future__ import annotations

import datetime
import os
import re
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import pandas as pd

from nsm_nb.formats import columns
from nsm_nb.formats.byte_columns import array_of, matches
from nsm_nb.formats.flow_columns import NOT_A_TIME
from nsm_nb.formats.lines import whole_text
from nsm_nb.formats.printed_flows import after, nanoseconds
from nsm_nb.formats.printed_values import DATED, Values, flags
from nsm_nb.formats.ra_counts import counts_of, is_any
from nsm_nb.formats.ra_messages import messages, with_states
from nsm_nb.formats.stamps import epoch_times
from nsm_nb.schema import FLOWS, SESSIONS, utc_times
from nsm_nb.text import form, many

if TYPE_CHECKING:
    import pyarrow as pa

__all__ = ["COLUMNS", "names_of", "table"]

# ra's names, in small letters; others it knows are read over
COLUMNS = (
    "starttime", "lasttime", "dur", "flgs", "proto", "srcaddr", "sport", "dir", "dstaddr", "dport", "totpkts", "srcpkts",
    "dstpkts", "totbytes", "srcbytes", "dstbytes", "state", "svlan", "dvlan", "srcid", "sid", "sappbytes", "dappbytes",
)  # fmt: skip
_CLOCK = r"(?P<clock>\d{1,2}:\d{2}:\d{2})(?:\.(?P<fraction>\d{0,9}))?\d*\*?"
_TIMES = (
    DATED,
    rf"^\s*(?P<month>\d{{1,2}})/(?P<day>\d{{1,2}})(?:/(?P<year>\d{{2}}|\d{{4}}))?[. ]{_CLOCK}\s*$",  # 11/24.02:30:01.6*
    rf"^\s*(?P<day>\d{{1,2}}) (?P<month>[A-Z][a-z]{{2}}) (?P<year>\d{{2}}) {_CLOCK}\s*$",  # Argus 2: 13 Nov 03 12:00:02
    rf"^\s*{_CLOCK}\s*$",  # the default of Argus 3
)
_HALF_DAY = 43_200
_DAYS = -719_162, 2_932_896  # from 1970 to the first and the last of four digits in the year
_LINK_LAYER = re.compile(rb"\s*(?:[0-9a-fA-F]{2}:){5}.*\Z")
_STEPS = re.compile(r"[sSEfFCR]+")
_SEEN = re.compile(r"([FSRPAUEWC]*)_([FSRPAUEWC]*)(\*?)|([FSRPAUEWC]+)\*")


def names_of(line: bytes, delimiter: bytes) -> list[str]:
    """Return the names of the columns in a header of ra's, in small letters."""
    text = whole_text(line.removeprefix(b"\xef\xbb\xbf"))
    return [
        each.strip().strip('"').lower() for each in (text.split(whole_text(delimiter)) if delimiter else text.split())
    ]


def table(
    values: Values, *, path: str | os.PathLike, digest: str, source: str, near: pd.Timestamp | None = None
) -> pd.DataFrame:
    """Return records of ra as SESSIONS; as FLOWS where their states are the flags that were seen (``ra -Z b``).

    Where ra printed no packets of either side, but their sums, these stand in two columns besides, `packets` and `octets`. Where
    it tells of ICMP messages, `icmp_type`, `icmp_code` and `icmp_id` stand there as well.

    Parameters
    ----------
    values
        The listing, its columns named as in `COLUMNS`.
    path
        The file, whose time of modification tells a date that is missing.
    digest
        SHA-256 of the file.
    source
        The format.
    near
        A time close to which the listing was written.
    """
    label = values.label
    proto = _protocols(values)
    kept = ~is_any(proto, "man", "evt")
    if not kept.all():
        values.keep(kept)
        count = int((~kept).sum())
        none = many(count, "management record of Argus is no session", "management records of Argus are no sessions")
        values.say("management", f"{none}; {form(count, 'it was', 'they were')} left out")
        proto = proto[kept].remove_unused_categories()
    start, end = _times(values, "starttime", path, near), _times(values, "lasttime", path, near)
    duration = values.decimals("dur")
    if not values.has("lasttime"):
        end = utc_times(after(nanoseconds(start), duration))
    elif not values.has("dur"):
        duration = _apart(nanoseconds(start), nanoseconds(end))
    arrow = values.texts("dir")
    turned, one_way, known = _directions(arrow, proto)
    counts = counts_of(values, proto, arrow, one_way)
    result: dict[str, Any] = {
        "session": columns.session_numbers(digest, values.found.record),
        "start": start, "end": end, "duration": duration, "proto": proto, "direction_known": known,
        "sensor": values.texts("srcid" if values.has("srcid") else "sid"),
        "vlan": values.whole("svlan", most=4095, dtype="UInt16"),
        "evidence": columns.same(label, values.count), "record": values.found.record,
        "source": columns.same(source, values.count),
    }  # fmt: skip
    told = messages(values, proto)
    ports = [values.ports(name, proto) for name in ("sport", "dport")]
    hosts = _hosts(values)
    for side, mine, other in (("src", 0, 1), ("dst", 1, 0)):
        result[f"{side}_ip"] = _either(turned, hosts[other], hosts[mine])
        result[f"{side}_port"] = ports[mine].where(~turned, ports[other])
        for name in ("packets", "octets", "payload"):
            result[f"{side}_{name}"] = counts[name][mine].where(~turned, counts[name][other])
    state, seen = _states(values.texts("state"), ~is_any(proto, "tcp") & values.has("proto"))
    result["state"] = state if told is None else with_states(state, told, proto)
    schema = SESSIONS
    if seen is not None:
        schema = FLOWS
        result["src_flags"] = columns.whole(np.where(turned, seen[1], seen[0]), most=255, dtype="UInt8")
        result["dst_flags"] = columns.whole(np.where(turned, seen[0], seen[1]), most=255, dtype="UInt8")
    found = columns.conformed(schema, result, values.found.record, values.found.start, label, values.told())
    for name in ("packets", "octets"):
        if (counts[name][0].isna() & counts[name][2].notna()).any():
            found[name] = counts[name][2].array
    for name, column in told._asdict().items() if told is not None else ():
        found[name] = column.array
    return found


def _protocols(values: Values) -> pd.Categorical:
    """Return the protocols; a name that ra cut with an asterisk may be several (``ipv6*``) and is missing."""
    found = values.protocols("proto")
    cut = np.array([*(each.endswith("*") for each in found.categories), False])[found.codes]
    if cut.any():
        values.say(
            "cut",
            f"{many(int(cut.sum()), 'name of a protocol is', 'names of protocols are')} cut, such as ipv6*, and missing: "
            f"print {form(int(cut.sum()), 'it', 'them')} with ra -s proto:12",
        )
        names = [each for each in found.categories if not each.endswith("*")]
        found = found.set_categories(names)
    return found


def _apart(start: np.ndarray, end: np.ndarray) -> np.ndarray:
    """Return the seconds from nanoseconds to others; as unsigned numbers, for 63 bits do not hold the longest."""
    ahead, back = ((one - other).view(np.uint64) / 1e9 for one, other in ((end, start), (start, end)))
    known = (start != NOT_A_TIME) & (end != NOT_A_TIME)
    return np.where(known, np.where(end >= start, ahead, -back), np.nan)


def _either(which: np.ndarray, yes: pd.Categorical, no: pd.Categorical) -> pd.Categorical:
    """Return a column that is the one where `which` is true, and the other else."""
    if not which.any():
        return no
    both = pd.Index(yes.categories).union(no.categories)
    codes = np.where(which, yes.set_categories(both).codes, no.set_categories(both).codes)
    return pd.Categorical.from_codes(codes, categories=both)


# --- who and when


def _directions(arrow: pd.Categorical, proto: pd.Categorical) -> tuple[np.ndarray, np.ndarray, pd.arrays.BooleanArray]:
    """Return which records are turned, for their dst opened; which have packets of one side alone; whose opening was seen."""
    left, right, doubt, told = (
        np.array([*(sign in each for each in arrow.categories), False])[arrow.codes] for sign in ("<", ">", "?", "")
    )
    who = is_any(arrow, "who")
    tcp = is_any(proto, "tcp")
    turned = left & ~right
    # of TCP whose opening was seen the arrow is its direction, though both sides sent
    one_way = (left ^ right) & (~tcp | doubt)
    known = (tcp & (left ^ right) & ~doubt) | who
    return turned, one_way, pd.arrays.BooleanArray(known, ~told)


def _hosts(values: Values) -> list[pd.Categorical]:
    found = []
    for name in ("srcaddr", "dstaddr"):
        found.append(columns.mapped(values.raw(name), _host))
    return found


def _host(text: bytes) -> str | None:
    # records of the link layer have its addresses
    if b":" in text and _LINK_LAYER.match(text):
        return None
    return whole_text(text).strip() or None


def _times(values: Values, name: str, path: str | os.PathLike, near: pd.Timestamp | None) -> pd.Series:
    """Return a column of times, however ra was told to print them."""
    import pyarrow as pa
    import pyarrow.compute as pc

    if not values.has(name):
        return values.timeless()
    text = values.raw(name)
    if matches(array_of(text), r"^\s*\d{1,10}(?:\.\d*)?\s*$").mean() > 0.5:
        return epoch_times(text)
    if pc.any(pc.match_substring(text, "*")).as_py():
        values.say("clock", f"its times ({name}) are cut where ra put an asterisk: print them with ra -s {name}:26")
    parts = values.parts(name, _TIMES)
    bare = (pc.binary_length(parts["day"]).to_numpy() == 0) & (pc.binary_length(parts["clock"]).to_numpy() > 0)
    if bare.any():
        dates = _dates(values, parts["clock"], bare, path, near)
        for part, told in zip(("year", "month", "day"), dates, strict=True):
            column = pc.if_else(pa.array(bare), told, parts[part])
            parts = parts.set_column(parts.column_names.index(part), part, column)
    return values.stamped(parts, path=path, near=near)


class _Dates(NamedTuple):
    year: pa.Array  # all of them bytes
    month: pa.Array
    day: pa.Array


def _dates(values: Values, clock: Any, bare: np.ndarray, path: str | os.PathLike, near: pd.Timestamp | None) -> _Dates:
    """Return dates for clocks that have none: the next day where they run back by more than half a day."""
    import pyarrow as pa

    def seconds(text: bytes) -> float | None:
        if not text:
            return None
        hour, minute, second = (int(each) for each in text.split(b":"))
        return 3600.0 * hour + 60 * minute + second

    told = columns.numbers(clock, seconds)
    told = pd.Series(np.where(bare, told, np.nan)).ffill().bfill().fillna(0).to_numpy()
    step = np.diff(told, prepend=told[0])
    whole = told + 86_400.0 * np.cumsum((step < -_HALF_DAY).astype(int) - (step > _HALF_DAY))
    if near is None:
        changed = datetime.datetime.fromtimestamp(Path(path).stat().st_mtime, datetime.UTC)
        base = np.floor((changed.timestamp() - whole.max()) / 86_400)
        taken = f"the file's modification time, {changed:%Y-%m-%d}, as the last on which they are not later than that"
    else:
        base = np.round((near.timestamp() - whole[0]) / 86_400)
        taken = f"the capture's time, {near:%Y-%m-%d}, as that on which the first is closest to it"
    record = int(values.found.record[np.argmax(bare)])
    carry = f"{int(bare.sum()):,} of {many(len(bare), 'time')} {form(int(bare.sum()), 'carries', 'carry')}"
    values.say("clock", f"{carry} no date; it was taken from {taken}", record)
    days = np.clip(base + np.floor(whole / 86_400), *_DAYS).astype("datetime64[D]")
    code, known = pd.factorize(days)
    texts = [each.encode().split(b"-") for each in np.datetime_as_string(np.asarray(known, "datetime64[D]")).tolist()]
    return _Dates(*(pa.array(column, pa.binary()).take(pa.array(code)) for column in zip(*texts, strict=True)))


# --- how it ended


def _states(said: pd.Categorical, other: np.ndarray) -> tuple[pd.Categorical, tuple[np.ndarray, np.ndarray] | None]:
    """Return Argus' states, made of steps (``-z``) or flags (``-Z b``) where these are printed; and the flags of each side.

    Words of `other` records, which are not TCP's, are as they stand: ECR, SRC and EER of ICMP are no steps.
    """
    seen = [_SEEN.fullmatch(each) for each in said.categories]
    steps = [_STEPS.fullmatch(each) for each in said.categories]
    if not any(seen):
        # FCR and the like are no states: one word of steps alone would be none
        words = [_of_steps(each) if found else each for each, found in zip(said.categories, steps, strict=True)]
        return _either(other, said, _renamed(said, words)), None
    words = [_of_flags(found) if found else each for each, found in zip(said.categories, seen, strict=True)]
    sides = []
    for group in (1, 2):
        numbers = [_number(found, group) if found else np.nan for found in seen]
        sides.append(np.array([*numbers, np.nan])[said.codes])
    return _either(other, said, _renamed(said, words)), (sides[0], sides[1])


def _renamed(column: pd.Categorical, words: list[str | None]) -> pd.Categorical:
    known = {each: place for place, each in enumerate(dict.fromkeys(each for each in words if each is not None))}
    place = np.array([*(-1 if each is None else known[each] for each in words), -1])
    return pd.Categorical.from_codes(place[column.codes], categories=pd.Index(list(known), dtype="str"))


def _of_steps(letters: str) -> str:
    """Return the state that ra prints for steps such as ``sSEfF`` (measured: reference/seed-systems.md 9)."""
    for letter, state in (("R", "RST"), ("f", "FIN"), ("F", "FIN"), ("C", "CLO"), ("E", "CON"), ("S", "ACC")):
        if letter in letters:
            return state
    return "REQ"


def _of_flags(found: re.Match[str]) -> str | None:
    """Return the state that ra prints for such flags; None where they are cut and may hide a reset."""
    src, dst = found[1] or found[4] or "", found[2] or ""
    if "R" in src + dst:
        return "RST"
    if found[3] or found[4]:
        return None
    if "F" in src + dst:
        return "FIN"
    if "S" in src and not dst:
        return "REQ"
    return "ACC" if "S" in src + dst and "A" not in src.replace("S", "") + dst.replace("SA", "") else "CON"


def _number(found: re.Match[str], group: int) -> float:
    if found[4] or (group == 2 and found[3]):
        return np.nan  # cut
    told = flags((found[group] or ".").encode())
    return np.nan if told is None else told
