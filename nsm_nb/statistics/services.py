"""Who serves what to whom: the services that were seen to answer, as Sguil's PADS keeps them.

Source: PADS 1.2, doc/README (asset: address, port, protocol, service, application); Sguil 1.0, its PADS columns.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd

from nsm_nb.schema import SESSIONS
from nsm_nb.statistics import quantities
from nsm_nb.statistics._inside import inside
from nsm_nb.statistics._orient import NO_PORT, applications, one_way, oriented
from nsm_nb.statistics._sides import Sides
from nsm_nb.statistics._tally import codes_of, ends_of, evidence_of, numbers_of, tally

__all__ = ["services"]


def services(sessions: pd.DataFrame, *, answered: bool = True, home: Sequence[str] = ()) -> pd.DataFrame:
    """Return the services that hosts offered: one row for each address, protocol and port that was asked.

    Parameters
    ----------
    sessions
        A table of SESSIONS, those of flow records too: a flow of one direction belongs to the end whose port has a name, or
        is the lower one.
    answered
        Only services that sent at least one packet back in a session that was not refused; where False also ports that
        were asked and did not answer or refused, as a scan leaves them.
    home
        The home networks: ``inside`` says whether the service is of ours, missing where none are given.

    Returns
    -------
    pandas.DataFrame
        ``host proto port application sessions answered refused clients octets src_octets dst_octets first last inside``,
        the service of most sessions first. ``application`` is what most of its sessions are said to be (by content where
        the sessions are labelled, else by port); ``refused`` counts sessions whose first answer was a reset;
        ``clients`` the addresses that asked; ``dst_octets`` is what the service sent. `attrs["notes"]` says what was
        left out, and `attrs["limits"]` what such sessions can't tell.

    Raises
    ------
    MissingColumn
        Where the table lacks a column of SESSIONS that is needed.
    """
    SESSIONS.require(sessions, "src_ip", "dst_ip", "proto", "dst_port", "start", "end")
    given, sessions = sessions, oriented(sessions)
    src, dst, dtype = ends_of(sessions)
    port, with_port = numbers_of(sessions["dst_port"])
    kept = (src >= 0) & (dst >= 0) & with_port
    sides = Sides(sessions, kept)
    src, dst, port = src[kept], dst[kept], port[kept]
    proto, protos = codes_of(sessions["proto"])
    proto = proto[kept].astype(np.int64) + 1
    asked, _ = sides.measure("src_packets")
    back, _ = sides.measure("dst_packets")
    no = refused(given, sessions)[kept]

    hosts = max(len(dtype.categories), 1)
    key = (dst.astype(np.int64) * (len(protos) + 1) + proto) * NO_PORT + port
    group, keys = pd.factorize(key, sort=True)
    keys = np.asarray(keys, np.int64)
    size = len(keys)
    rest, number = np.divmod(keys, NO_PORT)
    host, transport = np.divmod(rest, len(protos) + 1)
    pairs = tally([group, src.astype(np.int64)], [max(size, 1), hosts]).keys
    table = pd.DataFrame(
        {
            "host": pd.Categorical.from_codes(host, dtype=dtype),
            "proto": pd.Categorical.from_codes(transport - 1, categories=protos),
            "port": pd.array(number, "UInt16"),
            "application": _most_said(sessions, kept, group, size),
            # of flows of one direction, those to and those from the service are the same conversations
            "sessions": np.maximum(
                np.bincount(group[(asked > 0) | (back == 0)], minlength=size),
                np.bincount(group[back > 0], minlength=size),
            ),
            "answered": np.bincount(group[(back > 0) & ~no], minlength=size),
            "refused": np.bincount(group[no], minlength=size),
            "clients": np.bincount(pairs[0], minlength=size),
            "octets": sides.total(group, size, "src_octets", "dst_octets"),
            "src_octets": sides.total(group, size, "src_octets"),
            "dst_octets": sides.total(group, size, "dst_octets"),
            **sides.first_and_last(group, size=size),
            "inside": pd.array(inside(dtype, home)[host] if home else [pd.NA] * size, "boolean"),
        }
    )
    notes = []
    if not kept.all():
        notes.append(f"{quantities.amount(int((~kept).sum()), 'session')} without an address or a port left out")
    if answered:
        silent = table["answered"] == 0
        if silent.any():
            notes.append(
                f"{quantities.amount(int(silent.sum()), 'port')} that gave no answer or refused left out; "
                "answered=False shows them"
            )
        table = table[~silent]
    table = table.sort_values(
        ["sessions", "octets"], ascending=False, kind="stable", na_position="last", ignore_index=True
    )
    table.attrs = {"evidence": evidence_of(given), "notes": notes, "limits": _limits(given)}
    return table


def _is_tcp(sessions: pd.DataFrame) -> np.ndarray:
    return (sessions["proto"] == "tcp").fillna(False).to_numpy(bool)


def _is_ip6(codes: np.ndarray, dtype: Any) -> np.ndarray:
    return np.asarray(dtype.categories.astype("str").str.contains(":", regex=False), bool)[codes]


def refused(given: pd.DataFrame, sessions: pd.DataFrame) -> np.ndarray:
    """Return True where who was asked refused, of sessions and the same with their flows turned round."""
    result = _refused(sessions)
    alone = one_way(given)
    if alone.any() and {"dst_packets", "dst_octets"} <= set(sessions):
        back, octets = (numbers_of(sessions[name])[0] for name in ("dst_packets", "dst_octets"))
        # A lone TCP segment without options or data in a flow of one direction is a reset: a SYN-ACK carries a segment size.
        src, _, dtype = ends_of(sessions)
        bare = np.where(_is_tcp(sessions), np.where(_is_ip6(src, dtype), 60, 40), 0)
        result = result | alone & (back == 1) & (octets <= bare)
    return result


def _refused(sessions: pd.DataFrame) -> np.ndarray:
    """Return True where the answer to the opening was a reset: Zeek's history begins with ``Sr``, or without SYN-ACK."""
    if "history" not in sessions:
        return np.zeros(len(sessions), bool)
    history = sessions["history"]
    reset = history.str.contains("r", regex=False) & ~history.str.contains("h", regex=False, case=True)
    return reset.fillna(False).to_numpy(bool) & ~history.str.contains("d", regex=False).fillna(False).to_numpy(bool)


def _most_said(sessions: pd.DataFrame, kept: np.ndarray, group: np.ndarray, size: int) -> pd.Categorical:
    """Return the application that most sessions of a group are said to be; missing where none is said to be anything."""
    codes, names = codes_of(applications(sessions))
    codes = codes[kept].astype(np.int64)
    said = codes >= 0
    found = tally([group[said], codes[said]], [max(size, 1), max(len(names), 1)])
    order = np.lexsort((found.keys[1], -found.counts, found.keys[0]))
    first = order[np.unique(found.keys[0][order], return_index=True)[1]] if len(order) else order
    result = np.full(size, -1, np.int64)
    result[found.keys[0][first]] = found.keys[1][first]
    return pd.Categorical.from_codes(result, categories=names)


def _limits(sessions: pd.DataFrame) -> list[str]:
    limits = []
    known = sessions["direction_known"] if "direction_known" in sessions else pd.Series(dtype="boolean")
    guessed = int((~known.fillna(False)).sum())
    if guessed:
        limits.append(
            f"who asked is a guess in {quantities.amount(guessed, 'session')}: where it is wrong, a client's port stands "
            "as a service"
        )
    alone = int(one_way(sessions).sum())
    if alone:
        limits.append(
            f"{quantities.amount(alone, 'flow')} of one direction: an answer is one that a flow from the service's port shows"
        )
    return limits
