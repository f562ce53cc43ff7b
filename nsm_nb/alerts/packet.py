"""From an alert to the packet that holds what its rule looks for, even where the sensor blamed another.

Source: Snort users' manual 3.5.1 (content, nocase); measured: Suricata stamps what it found in a stream up to tens of
seconds late and on a later frame.
"""

from __future__ import annotations

import os
import re
from collections.abc import Mapping

import numpy as np
import pandas as pd

from nsm_nb.full_content import payload_bytes

__all__ = ["contents", "packet"]

_CONTENT = re.compile(r'content\s*:\s*(!?)\s*"((?:[^"\\]|\\.){1,4096})"\s*([^;]*);([^;]*nocase)?', re.IGNORECASE)
_FLOW = re.compile(r"[;(]\s*flow\s*:([^;]{1,256});", re.IGNORECASE)


def contents(rule: str) -> list[tuple[bytes, bool]]:
    """Return what a rule looks for: bytes, and True where case does not matter. Negated contents are left out."""
    found = []
    for match in _CONTENT.finditer(rule):
        if match[1]:
            continue
        nocase = "nocase" in (match[3] or "").lower() or match[4] is not None
        found.append((_decoded(match[2]), nocase))
    return [each for each in found if each[0]]


def _decoded(text: str) -> bytes:
    parts = []
    for place, part in enumerate(re.split(r"(?<!\\)\|", text)):
        if place % 2:
            digits = re.sub(r"[^0-9A-Fa-f]", "", part)
            parts.append(bytes.fromhex(digits[: len(digits) // 2 * 2]))
        else:
            parts.append(re.sub(r"\\(.)", r"\1", part).encode("utf-8", "surrogateescape"))
    return b"".join(parts)


def packet(
    alert: pd.Series,
    packets: pd.DataFrame,
    rule: str | None = None,
    *,
    evidence: Mapping[str, str | os.PathLike] | None = None,
) -> pd.Series | None:
    """Return the packet of a session that an alert is about, with `why` in words; None where there are no packets.

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
    """
    if not len(packets):
        return None
    payloads = [each.data for each in payload_bytes(packets, evidence=evidence)]
    carrying = np.array([bool(each) for each in payloads])
    wanted = contents(rule) if rule else []
    holding = [place for place, data in enumerate(payloads) if wanted and all(_holds(data, *each) for each in wanted)]
    before = (packets["time"] <= alert["time"] + pd.Timedelta(milliseconds=1)).to_numpy()
    holding = _in_direction(holding, rule or "", packets)
    if holding:
        # a rule that fires again and again: the last packet that could have raised this one
        earlier = [place for place in holding if before[place]]
        place, why = (earlier or holding)[-1 if earlier else 0], "it holds what the rule looks for"
    elif (carrying & before).any():
        place = int(np.flatnonzero(carrying & before)[-1])
        why = "the last with payload before the alert's time"
    else:
        place, why = int(np.argmax(carrying)) if carrying.any() else 0, "the first of the session"
    row = packets.iloc[place].copy()
    row["why"] = why
    return row


def _in_direction(places: list[int], rule: str, packets: pd.DataFrame) -> list[int]:
    """Return the packets that go the way the rule's flow option says; all, where it says nothing or none does."""
    flow = _FLOW.search(rule)
    words = set(re.split(r"[\s,]+", flow[1].lower())) if flow else set()
    if not words & {"to_server", "from_client", "to_client", "from_server"}:
        return places
    to_dst = packets["to_dst"].fillna(False).to_numpy(bool)
    onward = bool(words & {"to_server", "from_client"})
    return [place for place in places if to_dst[place] == onward] or places


def _holds(data: bytes, content: bytes, nocase: bool) -> bool:
    return content.lower() in data.lower() if nocase else content in data
