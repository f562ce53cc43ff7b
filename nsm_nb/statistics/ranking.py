"""Talkers and services of any part of the sessions, from groups that are made once.

`talkers` and `services` group sessions anew each time they are asked. Here the groups of every session are kept, so that
what a part of them carried is added up without looking for groups: what a brushed window needs.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import numpy as np
import pandas as pd

from nsm_nb.statistics._inside import networks
from nsm_nb.statistics._orient import NO_PORT, applications, one_way, oriented
from nsm_nb.statistics._tally import codes_of, ends_of, numbers_of
from nsm_nb.statistics.services import refused

__all__ = ["Carried", "Ranking"]


class Carried(NamedTuple):
    """What each session carried in a part: two numbers a session, of src and of dst; nothing where it is not there."""

    there: np.ndarray  # bool, a session
    packets: np.ndarray
    octets: np.ndarray
    packets_known: np.ndarray | None = None  # bool: told of that side; None where all are
    octets_known: np.ndarray | None = None

    def of(self, name: str) -> tuple[np.ndarray, np.ndarray | None]:
        """Return packets or octets, and where they are told."""
        return (self.packets, self.packets_known) if name == "packets" else (self.octets, self.octets_known)


class _Grouped(NamedTuple):
    """The group of each row (-1: in none) and the codes that a group stands for."""

    group: np.ndarray
    codes: tuple[np.ndarray, ...]

    @property
    def size(self) -> int:
        return len(self.codes[0])

    def of(self, rows: np.ndarray) -> np.ndarray:
        """Return the group of each of some rows as int64: bincount makes other numbers so itself, at each call and slowly."""
        return self.group[rows].astype(np.int64)

    def seen(self, rows: np.ndarray) -> np.ndarray:
        """Return which groups have one of the rows."""
        flags = np.zeros(self.size + 1, bool)
        flags[self.group[rows]] = True
        return flags[:-1]


def _grouped(*parts: tuple[np.ndarray, int]) -> _Grouped:
    """Return groups of equal codes; a row with a code below 0 is in none."""
    missing = np.zeros(len(parts[0][0]), bool)
    key = np.zeros(len(missing), np.int64)
    for codes, size in parts:
        missing |= codes < 0
        key = key * max(size, 1) + np.maximum(codes, 0)
    found, keys = pd.factorize(np.where(missing, -1, key), sort=True)
    keys = np.asarray(keys, np.int64)
    if len(keys) and keys[0] == -1:
        keys, found = keys[1:], found - 1
    result = []
    for _, size in reversed(parts):
        keys, code = np.divmod(keys, max(size, 1))
        result.append(code)
    return _Grouped(found.astype(np.int32), tuple(reversed(result)))


class Ranking:
    """Sessions whose hosts, networks, pairs, ports and services are known.

    Parameters
    ----------
    sessions
        A table of SESSIONS.
    home
        The home networks, for the networks.
    """

    def __init__(self, sessions: pd.DataFrame, *, home: Sequence[str] = ()):
        self._sessions = sessions
        self._home = [home] if isinstance(home, str) else list(home)
        self._src, self._dst, self._dtype = ends_of(sessions)
        self._made: dict[str, Any] = {}

    def _once(self, name: str, make: Callable[[], Any]) -> Any:
        if name not in self._made:
            self._made[name] = make()
        return self._made[name]

    def talkers(self, of: str, carried: Carried, *, by: str) -> pd.DataFrame:
        """Return what `talkers` gives for a part of the sessions: those of its columns that are sums and counts."""
        made = {"hosts": self._hosts, "networks": self._networks, "pairs": self._pairs, "ports": self._ports}[of]
        table = made(carried, ("packets",) if by == "packets" else ("octets",))
        table = _sorted(table, by)
        table.attrs = {"by": by, "of": of}
        return table

    def services(self, carried: Carried, *, answered: bool = True) -> pd.DataFrame:
        """Return what `services` gives for a part of the sessions: those of its columns that are sums and counts."""
        groups, clients, said, refusals, turned = self._once("services", self._make_services)
        rows = np.flatnonzero(carried.there & (groups.group >= 0))
        group = groups.of(rows)
        packets, octets = (_sides(amounts, rows) for amounts in (carried.packets, carried.octets))
        told = None if carried.octets_known is None else _sides(carried.octets_known, rows)
        if turned is not None:
            around = turned[rows]
            packets[around], octets[around] = packets[around][:, ::-1], octets[around][:, ::-1]
            if told is not None:
                told[around] = told[around][:, ::-1]
        asked, back, no = packets[:, 0] > 0, packets[:, 1] > 0, refusals[rows]

        def count(where: np.ndarray) -> np.ndarray:
            return np.bincount(group[where], minlength=groups.size)

        answers = count(back & ~no)
        counts = np.maximum(count(asked | ~back), count(back))  # the two ways of a conversation of flows are one
        keep = np.flatnonzero(answers if answered else counts)
        host, proto, port = groups.codes
        amounts = _amounts(group, groups.size, octets, told, "octets")
        table = pd.DataFrame(
            {
                "host": pd.Categorical.from_codes(host[keep], dtype=self._dtype),
                "proto": pd.Categorical.from_codes(proto[keep] - 1, categories=self._protocols),
                "port": pd.array(port[keep], "UInt16"),
                "application": _most(said, rows, groups.size, self._applications)[keep],
                "sessions": counts[keep],
                "answered": answers[keep],
                "refused": count(no)[keep],
                "clients": np.bincount(clients.codes[0][clients.seen(rows)], minlength=groups.size)[keep],
                **{name: each[keep] for name, each in amounts.items()},
            }
        )
        order = np.lexsort((-table["octets"].to_numpy(np.int64, na_value=-1), -table["sessions"].to_numpy()))
        return table.take(order).reset_index(drop=True)

    # --- ends: hosts and networks ---

    def _hosts(self, carried: Carried, names: Sequence[str]) -> pd.DataFrame:
        ends = self._once("hosts", lambda: _Ends(self._src, self._dst, len(self._dtype.categories)))
        seen, columns = ends.sums(carried, names)
        return pd.DataFrame({"host": pd.Categorical.from_codes(seen, dtype=self._dtype), **columns})

    def _networks(self, carried: Carried, names: Sequence[str]) -> pd.DataFrame:
        ends, lookup, dtype = self._once("networks", self._make_networks)
        seen, columns = ends.sums(carried, names)
        table = pd.DataFrame({"network": pd.Categorical.from_codes(seen, dtype=dtype), **columns})
        hosts = np.zeros(len(lookup), bool)
        for codes in (self._src, self._dst):
            hosts[codes[carried.there]] = True
        hosts[-1] = False
        table["hosts"] = np.bincount(lookup[hosts], minlength=len(dtype.categories))[seen]
        return table

    def _make_networks(self) -> tuple[_Ends, np.ndarray, pd.CategoricalDtype]:
        seen = np.union1d(self._src[self._src >= 0], self._dst[self._dst >= 0])
        lookup, dtype, _ = networks(self._dtype, seen, self._home)
        return _Ends(lookup[self._src], lookup[self._dst], len(dtype.categories)), lookup, dtype

    # --- groups: pairs, ports, services ---

    def _pairs(self, carried: Carried, names: Sequence[str]) -> pd.DataFrame:
        size = len(self._dtype.categories)
        groups = self._once("pairs", lambda: _grouped((self._src, size), (self._dst, size)))
        seen, columns = self._of_groups(groups, carried, names)
        ends = {
            name: pd.Categorical.from_codes(codes[seen], dtype=self._dtype)
            for name, codes in zip(("src_ip", "dst_ip"), groups.codes, strict=True)
        }
        return pd.DataFrame({**ends, **columns})

    def _ports(self, carried: Carried, names: Sequence[str]) -> pd.DataFrame:
        groups, clients, servers = self._once("ports", self._make_ports)
        seen, columns = self._of_groups(groups, carried, names)
        proto, port = (codes[seen] for codes in groups.codes)
        rows = np.flatnonzero(carried.there)
        for name, ends in (("clients", clients), ("servers", servers)):
            columns[name] = np.bincount(ends.codes[0][ends.seen(rows)], minlength=groups.size)[seen]
        none = port == NO_PORT
        return pd.DataFrame(
            {
                "proto": pd.Categorical.from_codes(proto - 1, categories=self._protocols),
                "port": pd.arrays.IntegerArray(np.where(none, 0, port).astype(np.uint16), none),
                **columns,
            }
        )

    def _make_ports(self) -> tuple[_Grouped, _Grouped, _Grouped]:
        proto, port = self._asked(self._sessions)
        groups = _grouped((proto, len(self._protocols) + 1), (port, NO_PORT + 1))
        size = len(self._dtype.categories)
        clients, servers = (
            _grouped((groups.group.astype(np.int64), groups.size), (end, size)) for end in (self._src, self._dst)
        )
        return groups, clients, servers

    def _asked(self, sessions: pd.DataFrame) -> tuple[np.ndarray, np.ndarray]:
        """Return the code of each session's protocol, from 1, and its port."""
        proto, self._protocols = codes_of(sessions["proto"])
        port, there = numbers_of(sessions["dst_port"])
        return proto.astype(np.int64) + 1, np.where(there, port, NO_PORT)

    def _make_services(self) -> tuple[_Grouped, _Grouped, _Grouped, np.ndarray, np.ndarray | None]:
        """Return the groups, and which sessions were refused and which are flows turned round, as `services` has them."""
        sessions = oriented(self._sessions)
        alone = one_way(self._sessions)
        turned = alone & ~one_way(sessions) if alone.any() else None
        src, dst, _ = ends_of(sessions)
        proto, port = self._asked(sessions)
        size = len(self._dtype.categories)
        groups = _grouped(
            (dst, size), (proto, len(self._protocols) + 1), (np.where((port == NO_PORT) | (src < 0), -1, port), NO_PORT)
        )
        clients = _grouped((groups.group.astype(np.int64), groups.size), (src, size))
        codes, self._applications = codes_of(applications(sessions))
        said = _grouped((groups.group.astype(np.int64), groups.size), (codes.astype(np.int64), len(self._applications)))
        return groups, clients, said, refused(self._sessions, sessions), turned

    def _of_groups(self, groups: _Grouped, carried: Carried, names: Sequence[str]) -> tuple[np.ndarray, dict[str, Any]]:
        rows = np.flatnonzero(carried.there & (groups.group >= 0))
        group = groups.of(rows)
        counts = np.bincount(group, minlength=groups.size)
        seen = np.flatnonzero(counts)
        columns: dict[str, Any] = {}
        for name in names:
            amounts, told = (None if each is None else _sides(each, rows) for each in carried.of(name))
            for column, values in _amounts(group, groups.size, amounts, told, name).items():
                columns[column] = values[seen]
        columns["sessions"] = counts[seen]
        back = carried.packets[1::2][rows] > 0
        columns["answered"] = np.bincount(group[back], minlength=groups.size)[seen]
        return seen, columns


class _Ends:
    """The ends of sessions, by code, and which of them have to do with which."""

    def __init__(self, src: np.ndarray, dst: np.ndarray, size: int):
        self._size = size
        self._kept = (src >= 0) & (dst >= 0)
        self._src, self._dst = (np.where(self._kept, each, size).astype(np.int64) for each in (src, dst))
        self._sender = np.column_stack([self._src, self._dst]).reshape(-1)
        self._receiver = np.column_stack([self._dst, self._src]).reshape(-1)
        self._itself = self._kept & (src == dst)
        low, high = np.minimum(self._src, self._dst), np.maximum(self._src, self._dst)
        self._pairs = _grouped((np.where(self._kept, low, -1), size + 1), (high, size + 1))

    def sums(self, carried: Carried, names: Sequence[str]) -> tuple[np.ndarray, dict[str, Any]]:
        """Return the codes that are there, and what each sent and received."""
        size = self._size + 1
        there = carried.there & self._kept
        opened = np.bincount(self._src[there], minlength=size)
        asked = np.bincount(self._dst[there], minlength=size)
        seen = np.flatnonzero((opened + asked)[:-1])
        columns: dict[str, Any] = {}
        own = np.flatnonzero(self._itself & there)
        for name in names:
            amounts, told = carried.of(name)
            sent = np.bincount(self._sender, amounts, minlength=size).astype(np.int64)
            received = np.bincount(self._receiver, amounts, minlength=size).astype(np.int64)
            total = sent + received
            if len(own):
                np.subtract.at(total, self._src[own], amounts[::2][own] + amounts[1::2][own])
            no_sent, no_received = self._unknown(told, carried.there, size)
            for column, values, missing in (
                (name, total, no_sent & no_received), (f"sent_{name}", sent, no_sent),
                (f"received_{name}", received, no_received),
            ):  # fmt: skip
                columns[column] = pd.arrays.IntegerArray(values[seen], missing[seen])
        columns["sessions"] = (opened + asked - np.bincount(self._src[own], minlength=size))[seen]
        columns["opened"] = opened[seen]
        back = there & (carried.packets[1::2] > 0)
        columns["answered"] = np.bincount(self._dst[back], minlength=size)[seen]
        low, high = (codes[self._pairs.seen(np.flatnonzero(there))] for codes in self._pairs.codes)
        peers = np.bincount(low, minlength=size) + np.bincount(high[low != high], minlength=size)
        columns["peers"] = peers[seen]
        return seen, columns

    def _unknown(self, told: np.ndarray | None, there: np.ndarray, size: int) -> tuple[np.ndarray, np.ndarray]:
        if told is None:
            return np.zeros(size, bool), np.zeros(size, bool)
        known = told & np.repeat(there, 2)
        sent, received = (np.bincount(each[known], minlength=size) == 0 for each in (self._sender, self._receiver))
        return sent, received


def _sides(amounts: np.ndarray, rows: np.ndarray) -> np.ndarray:
    """Return what src and dst of some sessions carried, a row each; `take` is eight times as fast here as an index."""
    return amounts.reshape(-1, 2).take(rows, axis=0)


def _amounts(
    group: np.ndarray, size: int, sides: Any, told: np.ndarray | None, name: str
) -> dict[str, pd.arrays.IntegerArray]:
    """Return the sums of a measure over groups: of both sides, of src, of dst; missing where nothing is told."""
    sums = [np.bincount(group, sides[:, side], minlength=size).astype(np.int64) for side in (0, 1)]
    known = [
        np.ones(size, bool) if told is None else np.bincount(group[told[:, side]], minlength=size) > 0
        for side in (0, 1)
    ]
    return {
        name: pd.arrays.IntegerArray(sums[0] + sums[1], ~(known[0] | known[1])),
        f"src_{name}": pd.arrays.IntegerArray(sums[0], ~known[0]),
        f"dst_{name}": pd.arrays.IntegerArray(sums[1], ~known[1]),
    }


def _most(found: _Grouped, rows: np.ndarray, size: int, names: pd.Index) -> pd.Categorical:
    """Return the application that most of the rows of each group are said to be; missing where none is said."""
    result = np.full(size, -1, np.int64)
    counts = np.bincount(found.of(rows) + 1, minlength=found.size + 1)[1:]
    there = np.flatnonzero(counts)
    group, application = (codes[there] for codes in found.codes)
    order = np.lexsort((-application, counts[there]))  # the last that is written stands
    result[group[order]] = application[order]
    return pd.Categorical.from_codes(result, categories=names)


def _sorted(table: pd.DataFrame, by: str) -> pd.DataFrame:
    column = table[by]
    values = column.to_numpy(np.int64, na_value=-1)
    order = np.argsort(-values, kind="stable")
    return table.take(order).reset_index(drop=True)
