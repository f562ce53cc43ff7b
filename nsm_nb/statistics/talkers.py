"""Who talks with whom, and how much: hosts, pairs, services and networks by what their sessions carried."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Literal

import numpy as np
import pandas as pd

from nsm_nb.schema import SESSIONS
from nsm_nb.statistics import quantities
from nsm_nb.statistics._inside import DIRECTIONS, directions, inside, networks
from nsm_nb.statistics._sides import MEASURES, Sides
from nsm_nb.statistics._tally import codes_of, ends_of, evidence_of, numbers_of, tally

__all__ = ["talkers"]

_KINDS = ("hosts", "pairs", "ports", "networks")


def talkers(
    sessions: pd.DataFrame,
    *,
    by: str = "octets",
    of: Literal["hosts", "pairs", "ports", "networks"] = "hosts",
    n: int | None = None,
    home: Sequence[str] = (),
) -> pd.DataFrame:
    """Rank hosts, pairs of hosts or services by what their sessions carried, the largest first.

    Parameters
    ----------
    sessions
        A table of SESSIONS.
    by
        What to rank by: ``"octets"``, ``"packets"``, ``"sessions"`` or any other column of numbers of the result. For
        hosts the columns of SESSIONS will do too: ``"src_octets"`` ranks them by what they sent in the sessions that
        they opened, ``"dst_octets"`` by what they sent in those that they answered; that column is added.
    of
        ``"hosts"``: one row an address, what it sent and received apart. ``"pairs"``: one row for who opened sessions
        to whom. ``"ports"``: one row a service, that is protocol and port of the side that was asked. ``"networks"``:
        one row a network: a home network, or else the /24 (IPv4) or /64 (IPv6) of the address.
    n
        How many rows to give; all of them where it is None.
    home
        The home networks. Where given, hosts and networks have a column ``inside`` and pairs have a ``direction``:
        ``outbound``, ``inbound``, ``internal`` or ``external``.

    Returns
    -------
    pandas.DataFrame
        * hosts: ``host octets sent_octets received_octets packets sent_packets received_packets sessions opened
          answered peers first last``. `opened` counts the sessions that the host began, `answered` those in which it
          was asked and sent at least one packet back; the rest of `sessions` it left unanswered, or only flows of one
          direction are known. `peers` counts the addresses at the other end.
        * networks: the columns of hosts with ``network`` in place of ``host``, and ``hosts``, the addresses seen in it; a
          session within one network counts once, and `peers` counts networks.
        * pairs: ``src_ip dst_ip octets src_octets dst_octets packets src_packets dst_packets sessions answered first
          last``.
        * ports: ``proto port octets src_octets dst_octets packets src_packets dst_packets sessions answered clients
          servers first last``.

        Octets are bytes at the IP layer. Sums leave missing values out; where nothing is known the sum is missing.
        `attrs["total"]` is what all sessions carried, and `attrs["notes"]` says, in sentences, what was left out.

    Raises
    ------
    MissingColumn
        Where the table lacks a column of SESSIONS that is needed.
    ValueError
        Where `of` or `by` is none of the above.
    """
    if of not in _KINDS:
        raise ValueError(f"of={of!r} is not known; choose {', '.join(map(repr, _KINDS[:-1]))} or {_KINDS[-1]!r}")
    SESSIONS.require(sessions, "src_ip", "dst_ip", "proto", "dst_port", "start", "end")
    if of == "ports":
        table, notes = _ports(sessions, by)
    else:
        table, notes = {"hosts": _hosts, "pairs": _pairs, "networks": _networks}[of](sessions, by, home)
    if by not in table or not pd.api.types.is_numeric_dtype(table[by].dtype) or by == "port":
        numbers = [str(name) for name in table if name != "port" and pd.api.types.is_numeric_dtype(table[name].dtype)]
        raise ValueError(f"{of} can't be ranked by {by!r}; choose one of {', '.join(numbers)}")
    table = table.sort_values(by, ascending=False, kind="stable", na_position="last", ignore_index=True)
    once = (
        {"octets": "sent_octets", "packets": "sent_packets", "sessions": "opened"}
        if of in ("hosts", "networks")
        else {}
    )
    total = int(table[once.get(by, by)].sum())  # a host's octets count at both ends; what was sent counts once
    if n is not None:
        table = table.head(n).copy()
    table.attrs = {"by": by, "of": of, "total": total, "evidence": evidence_of(sessions), "notes": notes}
    return table


def _left_out(kept: np.ndarray) -> list[str]:
    missing = int((~kept).sum())
    return [f"{quantities.amount(missing, 'session')} without an address left out"] if missing else []


def _hosts(sessions: pd.DataFrame, by: str, home: Sequence[str]) -> tuple[pd.DataFrame, list[str]]:
    src, dst, dtype = ends_of(sessions)
    table, notes = _of_ends(sessions, by, src, dst, dtype)
    table.insert(0, "host", table.pop("end"))
    if home:
        table["inside"] = inside(dtype, home)[table["host"].cat.codes.to_numpy()]
    return table, notes


def _networks(sessions: pd.DataFrame, by: str, home: Sequence[str]) -> tuple[pd.DataFrame, list[str]]:
    src, dst, dtype = ends_of(sessions)
    seen = np.union1d(src[src >= 0], dst[dst >= 0])
    lookup, names, ours = networks(dtype, seen, home)
    table, notes = _of_ends(sessions, by, lookup[src], lookup[dst], names)
    codes = table["end"].cat.codes.to_numpy()
    table.insert(0, "network", table.pop("end"))
    table["hosts"] = np.bincount(lookup[seen], minlength=len(ours))[codes]
    if home:
        table["inside"] = ours[codes]
    return table, notes


def _of_ends(
    sessions: pd.DataFrame, by: str, src: np.ndarray, dst: np.ndarray, dtype: Any
) -> tuple[pd.DataFrame, list[str]]:
    """Return what each end sent and received: hosts by their codes, or networks."""
    kept = (src >= 0) & (dst >= 0)
    sides, src, dst = Sides(sessions, kept), src[kept], dst[kept]
    size = len(dtype.categories)
    counts = np.bincount(src, minlength=size) + np.bincount(dst, minlength=size)
    seen = np.flatnonzero(counts)
    place = np.zeros(size, np.int64)
    place[seen] = np.arange(len(seen))
    src, dst, size = place[src], place[dst], len(seen)
    itself = np.flatnonzero(src == dst)  # both ends are one host: its session counts once

    def both(sent: str, received: str) -> tuple[pd.arrays.IntegerArray, pd.arrays.IntegerArray]:
        return _plus(sides.total(src, size, sent), sides.total(dst, size, received)), _plus(
            sides.total(src, size, received), sides.total(dst, size, sent)
        )

    sent_octets, received_octets = both("src_octets", "dst_octets")
    sent_packets, received_packets = both("src_packets", "dst_packets")
    once = np.bincount(src[itself], minlength=size)
    pairs = tally([np.minimum(src, dst), np.maximum(src, dst)], [size, size]).keys
    peers = np.bincount(pairs[0], minlength=size) + np.bincount(pairs[1][pairs[0] != pairs[1]], minlength=size)
    columns = {
        "end": pd.Categorical.from_codes(seen, dtype=dtype),
        "octets": _less_own(sides, _plus(sent_octets, received_octets), src, itself, "src_octets", "dst_octets"),
        "sent_octets": sent_octets,
        "received_octets": received_octets,
        "packets": _less_own(sides, _plus(sent_packets, received_packets), src, itself, "src_packets", "dst_packets"),
        "sent_packets": sent_packets,
        "received_packets": received_packets,
        "sessions": counts[seen] - once,
        "opened": np.bincount(src, minlength=size),
        "answered": sides.answered(dst, size),
        "peers": peers,
        **sides.first_and_last(src, dst, size=size),
    }
    if by in MEASURES:
        columns[by] = sides.total(src if by.startswith("src") else dst, size, by)
    return pd.DataFrame(columns), _left_out(kept)


def _plus(one: pd.arrays.IntegerArray, other: pd.arrays.IntegerArray) -> pd.arrays.IntegerArray:
    """Return a sum in which a missing part counts nothing; missing only where both are."""
    values = one.to_numpy(np.int64, na_value=0) + other.to_numpy(np.int64, na_value=0)
    return pd.arrays.IntegerArray(values, np.asarray(one.isna() & other.isna()))


def _less_own(
    sides: Sides, total: pd.arrays.IntegerArray, src: np.ndarray, itself: np.ndarray, *names: str
) -> pd.arrays.IntegerArray:
    """Take away what was counted twice: the sessions of a host with itself."""
    if not len(itself):
        return total
    values = total.to_numpy(np.int64, na_value=0)
    for name in names:
        np.subtract.at(values, src[itself], sides.measure(name)[0][itself])
    return pd.arrays.IntegerArray(values, np.asarray(total.isna()))


def _grouped(sides: Sides, group: np.ndarray, size: int) -> dict:
    """Return the columns that pairs and ports share."""
    return {
        "octets": sides.total(group, size, "src_octets", "dst_octets"),
        "src_octets": sides.total(group, size, "src_octets"),
        "dst_octets": sides.total(group, size, "dst_octets"),
        "packets": sides.total(group, size, "src_packets", "dst_packets"),
        "src_packets": sides.total(group, size, "src_packets"),
        "dst_packets": sides.total(group, size, "dst_packets"),
        "sessions": np.bincount(group, minlength=size),
        "answered": sides.answered(group, size),
    }


def _groups(codes: list[np.ndarray], sizes: list[int]) -> tuple[np.ndarray, list[np.ndarray]]:
    """Return the number of each row's group, and the codes of each group."""
    key = codes[0].astype(np.int64) * sizes[1] + codes[1]
    group, keys = pd.factorize(key, sort=True)
    return group, list(np.divmod(np.asarray(keys, np.int64), sizes[1]))


def _pairs(sessions: pd.DataFrame, by: str, home: Sequence[str]) -> tuple[pd.DataFrame, list[str]]:
    src, dst, dtype = ends_of(sessions)
    kept = (src >= 0) & (dst >= 0)
    sides = Sides(sessions, kept)
    group, (src, dst) = _groups([src[kept], dst[kept]], [len(dtype.categories)] * 2)
    columns = {
        "src_ip": pd.Categorical.from_codes(src, dtype=dtype),
        "dst_ip": pd.Categorical.from_codes(dst, dtype=dtype),
        **_grouped(sides, group, len(src)),
        **sides.first_and_last(group, size=len(src)),
    }
    if by in MEASURES and by not in columns:
        columns[by] = sides.total(group, len(src), by)
    if home:
        columns["direction"] = pd.Categorical.from_codes(directions(src, dst, dtype, home), categories=DIRECTIONS)
    return pd.DataFrame(columns), _left_out(kept)


def _ports(sessions: pd.DataFrame, by: str) -> tuple[pd.DataFrame, list[str]]:
    src, dst, dtype = ends_of(sessions)
    proto, names = codes_of(sessions["proto"])
    port, there = numbers_of(sessions["dst_port"])
    none = 1 << 16
    port = np.where(there, port, none)
    every = np.ones(len(sessions), bool)
    sides = Sides(sessions, every)
    group, (proto, port) = _groups([proto.astype(np.int64) + 1, port], [len(names) + 1, none + 1])
    size = len(proto)

    def distinct(end: np.ndarray) -> np.ndarray:
        with_address = end >= 0
        keys = tally([group[with_address], end[with_address]], [size, len(dtype.categories)]).keys
        return np.bincount(keys[0], minlength=size)

    columns = {
        "proto": pd.Categorical.from_codes(proto - 1, categories=names),
        "port": pd.arrays.IntegerArray(np.where(port == none, 0, port).astype(np.uint16), port == none),
        **_grouped(sides, group, size),
        "clients": distinct(src),
        "servers": distinct(dst),
        **sides.first_and_last(group, size=size),
    }
    if by in MEASURES and by not in columns:
        columns[by] = sides.total(group, size, by)
    return pd.DataFrame(columns), []
