"""From an alert to the packet that holds what its rule looks for, even where the sensor blamed another.

Source: Snort users' manual 3.5.1 (content, nocase, depth, offset, distance, within), Suricata user guide, "Payload
keywords"; measured: Suricata stamps what it found in a stream up to tens of seconds late and on a later frame.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Mapping
from itertools import pairwise
from typing import NamedTuple

import numpy as np
import pandas as pd

from nsm_nb.alerts.rules import options
from nsm_nb.full_content import payload_bytes

__all__ = ["HOLDS", "Content", "contents", "direction", "holds", "packet", "places"]

_BATCH = 32 << 20  # bytes of frames that are read together
_TRIES = 10_000  # places that are tried for one payload, so that no rule and no payload can make it long
HOLDS = "it holds what the rule looks for"
_MODIFIERS = ("offset", "depth", "distance", "within")
# contents of these are looked for in a part that the sensor took out of the stream: places in the packet mean nothing
_BUFFER = re.compile(
    r"(http|dns|tls|file|smb|ssh|ftp|krb5|snmp|sip|rfb|mqtt|ike|quic)[._]|file_data$|pkt_data$|base64_data$|uricontent$"
)


class Content(NamedTuple):
    """Bytes that a rule looks for; places are bytes from the start, or from the end of the content before."""

    data: bytes
    nocase: bool = False
    offset: int | None = None
    depth: int | None = None
    distance: int | None = None
    within: int | None = None


def contents(rule: str) -> list[Content]:
    """Return what a rule looks for, in its order; negated contents are left out."""
    listed, _ = options(rule)
    placed = not any(_BUFFER.match(name) for name, _ in listed)
    found: list[Content] = []
    taken = False
    for name, value in listed:
        if name in ("content", "uricontent"):
            text, rest = _quoted(value)
            data = _decoded(text)
            taken = bool(data) and not value.startswith("!")
            if taken:
                found.append(Content(data))
            # Snort 3 writes the modifiers behind a comma: content:"x",offset 4,nocase
            inner = [part.split() for part in rest.split(",") if part.strip()]
        else:
            inner = [[name, value]] if value else [[name]]
        for modifier in inner if taken else ():
            if modifier[0] == "nocase":
                found[-1] = found[-1]._replace(nocase=True)
            elif placed and modifier[0] in _MODIFIERS and re.fullmatch(r"-?\d{1,9}", modifier[-1]):
                found[-1] = Content(**{**found[-1]._asdict(), modifier[0]: int(modifier[-1])})
    return found


def _quoted(value: str) -> tuple[str, str]:
    """Return what stands between the quotes, and what stands behind them."""
    match = re.match(r'\s*!?\s*"((?:[^"\\]|\\.)*)"(.*)', value, re.DOTALL)
    return (match[1], match[2]) if match else ("", "")


def _decoded(text: str) -> bytes:
    parts = []
    for place, part in enumerate(re.split(r"(?<!\\)\|", text)):
        if place % 2:
            digits = re.sub(r"[^0-9A-Fa-f]", "", part)
            parts.append(bytes.fromhex(digits[: len(digits) // 2 * 2]))
        else:
            parts.append(re.sub(r"\\(.)", r"\1", part).encode("utf-8", "surrogateescape"))
    return b"".join(parts)


def holds(payload: bytes, wanted: list[Content]) -> bool:
    """Return True where a payload holds all contents at the places that their modifiers allow."""
    return places(payload, wanted) is not None


def places(payload: bytes, wanted: list[Content]) -> list[tuple[int, int]] | None:
    """Return where each content begins and ends in a payload, None where it does not hold them all."""
    lower = payload.lower() if any(each.nocase for each in wanted) else payload
    tries = iter(range(_TRIES))

    def rest(number: int, last: int) -> list[tuple[int, int]] | None:
        if number == len(wanted):
            return []
        for end in _ends(payload, lower, wanted[number], last, tries):
            found = rest(number + 1, end)
            if found is not None:
                return [(end - len(wanted[number].data), end), *found]
        return None

    return rest(0, 0)


def _ends(payload: bytes, lower: bytes, each: Content, last: int, tries: Iterator[int]) -> Iterator[int]:
    """Yield where the content ends, for each place at which it may stand."""
    start, stop = each.offset or 0, len(payload)
    if each.depth is not None:
        stop = start + each.depth
    if each.distance is not None or each.within is not None:
        start = max(start, last + (each.distance or 0))
        if each.within is not None:
            stop = min(stop, last + max(each.distance or 0, 0) + each.within)
    hay, needle = (lower, each.data.lower()) if each.nocase else (payload, each.data)
    at = hay.find(needle, max(start, 0), max(stop, 0))
    while at >= 0 and next(tries, None) is not None:
        yield at + len(needle)
        at = hay.find(needle, at + 1, max(stop, 0))


def packet(
    alert: pd.Series,
    packets: pd.DataFrame,
    rule: str | None = None,
    *,
    evidence: Mapping[str, str | os.PathLike] | None = None,
    hint: int | None = None,
) -> pd.Series | None:
    """Return the packet of a session that an alert is about; None where there are no packets.

    Parameters
    ----------
    alert
        A row of ALERTS.
    packets
        The session's rows of PACKETS.
    rule
        The rule's text, where it is known.
    evidence
        As in `full_content.payload_bytes`.
    hint
        The frame that the sensor names (Suricata's ``pcap_cnt``): it decides only where neither the rule's content nor
        the time does. Sensors name a later frame than the one that raised the alert.

    Returns
    -------
    Series
        A row of PACKETS with `why` in words and `at`, the offset in its payload of the first content that the rule looks
        for, missing where that was not found.
    """
    if not len(packets):
        return None
    wanted = contents(rule) if rule else []
    carrying = np.zeros(len(packets), bool)
    found: list[list[tuple[int, int]] | None] = []
    for part in _batches(packets["captured"].to_numpy(np.int64)):
        payloads = [each.data for each in payload_bytes(packets.iloc[part], evidence=evidence)]
        carrying[part] = [bool(each) for each in payloads]
        found += [places(data, wanted) if wanted else None for data in payloads]
    holding = _in_direction([place for place, spans in enumerate(found) if spans], rule or "", packets)
    before = (packets["time"] <= alert["time"] + pd.Timedelta(milliseconds=1)).to_numpy()
    exact = (packets["time"] == alert["time"]).to_numpy()
    named = np.flatnonzero((packets["frame"] == hint).to_numpy()) if hint is not None else exact[:0]
    if holding:
        # a rule that fires again and again: the packet of the alert's own time, else the last that could have raised it
        earlier = [place for place in holding if exact[place]] or [place for place in holding if before[place]]
        place, why = (earlier or holding)[-1 if earlier else 0], HOLDS
    elif exact.any():
        place, why = int(np.flatnonzero(exact)[-1]), "it has the alert's time"
    elif len(named):
        place, why = int(named[0]), "the sensor names it"
    elif (carrying & before).any():
        place = int(np.flatnonzero(carrying & before)[-1])
        why = "the last with payload before the alert's time"
    else:
        place, why = int(np.argmax(carrying)) if carrying.any() else 0, "the first of the session"
    row = packets.iloc[place].copy()
    row["why"], row["at"] = why, (found[place] or [(pd.NA, 0)])[0][0]
    return row


def _batches(sizes: np.ndarray) -> list[slice]:
    """Return rows in batches of so many bytes that they fit into memory, whatever the session carried."""
    group = np.cumsum(sizes) // _BATCH
    cuts = [0, *(np.flatnonzero(np.diff(group)) + 1).tolist(), len(sizes)]
    return [slice(begin, end) for begin, end in pairwise(cuts)]


def _in_direction(places: list[int], rule: str, packets: pd.DataFrame) -> list[int]:
    """Return the packets that go the way the rule's flow option says; all, where it says nothing or none does."""
    onward = direction(rule)
    if onward is None:
        return places
    to_dst = packets["to_dst"].fillna(False).to_numpy(bool)
    return [place for place in places if to_dst[place] == onward] or places


def direction(rule: str) -> bool | None:
    """Return True for a rule on what goes to the server, False for one on its answers, None for one on both."""
    words = {word for name, value in options(rule)[0] if name == "flow" for word in re.split(r"[\s,]+", value.lower())}
    if not words & {"to_server", "from_client", "to_client", "from_server"}:
        return None
    return bool(words & {"to_server", "from_client"})
