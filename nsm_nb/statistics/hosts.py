"""Who is there: each address with what was seen of it, from first to last packet to the names that others call it by."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd

from nsm_nb.schema import PACKETS, SESSIONS, addresses, utc_times
from nsm_nb.statistics._inside import inside
from nsm_nb.statistics._orient import NO_PORT, applications, oriented
from nsm_nb.statistics._sides import Sides
from nsm_nb.statistics._tally import codes_of, ends_of, evidence_of, is_flows, numbers_of, tally, times_of
from nsm_nb.statistics.services import services
from nsm_nb.statistics.systems import SURE, guesses
from nsm_nb.statistics.vendor import vendor

__all__ = ["hosts"]

_LISTED = 8  # services and names written out for each host; how many more there are is said
_FIRST, _LAST = np.iinfo(np.int64).max, np.iinfo(np.int64).min


def hosts(
    packets: pd.DataFrame | None,
    sessions: pd.DataFrame | None = None,
    *,
    names: pd.DataFrame | None = None,
    home: Sequence[str] = (),
) -> pd.DataFrame:
    """Return a row for each address that sent or received anything, with what was seen of it.

    Parameters
    ----------
    packets
        A table of PACKETS; None (or a table of SESSIONS in its place) where there are flows alone.
    sessions
        A table of SESSIONS, for the services that a host offered and used.
    names
        A table of ``address name source``, as `nsm_nb.full_content.names` gives it.
    home
        The home networks, for ``inside``.

    Returns
    -------
    pandas.DataFrame
        In the order of addresses:

        * ``host``, ``inside`` (missing where no home networks are given), ``first``, ``last``;
        * ``sent_packets``, ``received_packets``, ``sent_octets``, ``received_octets``;
        * ``mac`` (that most of its packets came from), ``macs`` (how many different ones), ``mac_hosts`` (how many
          addresses came from `mac`: where they are many it is a router's), ``vendor``;
        * ``ttl_low``, ``ttl_high`` of what it sent, ``distance`` in routers, ``system``, ``sure``, ``why``: see
          `nsm_nb.statistics.systems`. Several systems behind one address are all named, the most frequent first;
        * ``offers`` (services that answered), ``uses`` (services that it asked), ``names``: in words, the most frequent
          first.

        What flows can't tell is missing. `attrs["limits"]` says, in sentences, what could not be told.

    Raises
    ------
    MissingColumn
        Where a table lacks a column that is needed.
    """
    if packets is not None and is_flows(packets):
        packets, sessions = None, packets if sessions is None else sessions
    columns = [table[end] for table in (packets, sessions) if table is not None for end in ("src_ip", "dst_ip")]
    if names is not None:
        columns.append(names["address"])
    dtype = addresses(*columns)[0].dtype if columns else PACKETS.empty()["src_ip"].dtype
    size = len(dtype.categories)

    limits: list[str] = []
    seen = _Seen(size)
    of_packets = _of_packets(packets, dtype, seen) if packets is not None and len(packets) else {}
    if not of_packets:
        limits.append("no packets: MAC addresses, TTLs and operating systems are not known")
    offers = uses = np.full(size, None, object)
    if sessions is not None and len(sessions):
        sessions = _aligned(sessions, dtype)
        _of_sessions(sessions, seen, counted=not of_packets)
        offers, uses = _offers(sessions, size), _uses(oriented(sessions), size)
    else:
        limits.append("no sessions: the services that hosts offered and used are not known")
    if names is None:
        limits.append("no names were looked for: give names=nsm_nb.full_content.names(packets)")

    rows = np.flatnonzero(seen.first < _FIRST)
    untimed = np.flatnonzero((seen.first == _FIRST) & (seen.sent[0] + seen.received[0] > 0))
    rows = np.union1d(rows, untimed)
    table = pd.DataFrame({"host": pd.Categorical.from_codes(rows, dtype=dtype)})
    table["inside"] = pd.array(inside(dtype, home)[rows] if home else [pd.NA] * len(rows), "boolean")
    for name, when in (("first", seen.first), ("last", seen.last)):
        when = np.where((when == _FIRST) | (when == _LAST), _LAST, when)[rows]  # the least int64 is NaT
        table[name] = utc_times(when)
    for what, values in (("packets", 0), ("octets", 1)):
        table[f"sent_{what}"] = seen.sent[values][rows]
        table[f"received_{what}"] = seen.received[values][rows]
    for name in _PACKET_COLUMNS:
        table[name] = _of_rows(name, of_packets.get(name), rows)
    table["offers"] = pd.Series(offers[rows], dtype="str")
    table["uses"] = pd.Series(uses[rows], dtype="str")
    table["names"] = pd.Series(_names(names, dtype, size)[rows], dtype="str")
    evidence = {name: None for part in (packets, sessions) if part is not None for name in evidence_of(part)}
    table.attrs = {"evidence": list(evidence), "notes": [], "limits": limits}
    return table


_PACKET_COLUMNS = {
    "mac": "str", "macs": "Int64", "mac_hosts": "Int64", "vendor": "str", "ttl_low": "UInt8", "ttl_high": "UInt8",
    "distance": "UInt8", "system": "str", "sure": "category", "why": "str",
}  # fmt: skip


def _of_rows(name: str, values: np.ndarray | None, rows: np.ndarray) -> Any:
    """Return one of the columns that only packets can tell, for the rows of the table."""
    some = np.full(len(rows), None, object) if values is None else values[rows]
    if name == "sure":
        return pd.Categorical(some, categories=list(SURE), ordered=True)
    return pd.Series(some, dtype=object).astype(_PACKET_COLUMNS[name])


class _Seen:
    """What every host has: first and last time, packets and octets each way."""

    def __init__(self, size: int) -> None:
        self.first, self.last = np.full(size, _FIRST), np.full(size, _LAST)
        self.sent, self.received = np.zeros((2, size), np.int64), np.zeros((2, size), np.int64)


def _aligned(table: pd.DataFrame, dtype: Any) -> pd.DataFrame:
    """Return a table whose addresses are of one dtype; only codes change."""
    if table["src_ip"].dtype == dtype and table["dst_ip"].dtype == dtype:
        return table
    result = table.copy(deep=False)
    for end in ("src_ip", "dst_ip"):
        codes, texts = codes_of(table[end])
        (known,) = addresses(pd.Series(texts, dtype=object))
        place = np.append(dtype.categories.get_indexer(known.astype(object)), -1)
        result[end] = pd.Categorical.from_codes(place[codes], dtype=dtype)
    return result


def _of_packets(packets: pd.DataFrame, dtype: Any, seen: _Seen) -> dict[str, np.ndarray]:
    """Fill in what was seen, and return what only packets can tell by host."""
    PACKETS.require(packets, "time", "src_ip", "dst_ip", "octets", "src_mac", "ttl")
    packets = _aligned(packets, dtype)
    src, dst, _ = ends_of(packets)
    octets, _ = numbers_of(packets["octets"])
    of_ip = ~(packets["proto"] == "arp").fillna(False).to_numpy(bool)
    when, there = times_of(packets["time"])
    size = len(dtype.categories)
    for codes, totals in ((src, seen.sent), (dst, seen.received)):
        # ARP tells that a host was there, and its MAC; packets are those of IP, as octets are
        kept = (codes >= 0) & of_ip
        totals[0] += np.bincount(codes[kept], minlength=size)
        totals[1] += np.bincount(codes[kept], octets[kept], minlength=size).astype(np.int64)
        timed = (codes >= 0) & there
        np.minimum.at(seen.first, codes[timed], when[timed])
        np.maximum.at(seen.last, codes[timed], when[timed])

    result = {name: np.full(size, None, object) for name in _PACKET_COLUMNS}
    _macs(packets, src, size, result)
    ttl, with_ttl = numbers_of(packets["ttl"])
    kept = (src >= 0) & with_ttl
    found = tally([src[kept].astype(np.int64), ttl[kept]], [max(size, 1), 256]).keys
    host, starts = np.unique(found[0], return_index=True)
    ends = np.append(starts[1:], len(found[0])) - 1
    if len(host):
        result["ttl_low"][host] = found[1][starts]
        result["ttl_high"][host] = found[1][ends]
    for code, guess in _systems(packets).items():
        for name, value in guess.items():
            result[name][code] = value
    return result


def _macs(packets: pd.DataFrame, src: np.ndarray, size: int, result: dict[str, np.ndarray]) -> None:
    mac, texts = codes_of(packets["src_mac"])
    kept = (src >= 0) & (mac >= 0)
    if "outer_src_ip" in packets:  # the MAC is that of the tunnel's end, not of who speaks inside
        kept &= packets["outer_src_ip"].isna().to_numpy()
    found = tally([src[kept].astype(np.int64), mac[kept].astype(np.int64)], [max(size, 1), max(len(texts), 1)])
    order = np.lexsort((found.keys[1], -found.counts, found.keys[0]))
    host, first, counts = np.unique(found.keys[0][order], return_index=True, return_counts=True)
    if not len(host):
        return
    most = found.keys[1][order][first]
    shared = np.bincount(found.keys[1], minlength=len(texts))
    names = texts.astype(object)
    makers = vendor(pd.Series(names, dtype=object))
    assert isinstance(makers, pd.Series)
    result["mac"][host], result["macs"][host] = names[most], counts
    result["mac_hosts"][host], result["vendor"][host] = shared[most], makers.to_numpy(object)[most]


def _systems(packets: pd.DataFrame) -> dict[int, dict[str, Any]]:
    """Return the best guesses by host: those most sure, all that differ named."""
    table = guesses(packets)
    if not len(table):
        return {}
    table = table.assign(host=table["host"].cat.codes, sure=table["sure"].cat.codes)
    table = table[table["sure"] == table.groupby("host")["sure"].transform("max")]
    by_system = (
        table.sort_values("packets", ascending=False, kind="stable")
        .groupby(["host", "system"], sort=False, observed=True)
        .agg(packets=("packets", "sum"), sure=("sure", "first"), why=("why", "first"), distance=("distance", "min"))
        .reset_index()
        .sort_values("packets", ascending=False, kind="stable")
    )
    result: dict[int, dict[str, Any]] = {}
    for row in by_system.itertuples(index=False):
        known = result.get(row.host)
        if known is None:
            result[int(row.host)] = {
                "system": row.system,
                "sure": SURE[row.sure],
                "why": row.why,
                "distance": None if pd.isna(row.distance) else int(row.distance),
            }
        else:
            known["system"] += f"; {row.system}"
            known["why"] += f"; {row.why}"
            if known["distance"] is None and not pd.isna(row.distance):
                known["distance"] = int(row.distance)
    return result


def _of_sessions(sessions: pd.DataFrame, seen: _Seen, *, counted: bool) -> None:
    """Fill in first and last times, and the amounts where no packets told them."""
    SESSIONS.require(sessions, "start", "end", "src_ip", "dst_ip")
    src, dst, _ = ends_of(sessions)
    for name in ("start", "end"):
        when, there = times_of(sessions[name])
        for codes in (src, dst):
            kept = there & (codes >= 0)
            np.minimum.at(seen.first, codes[kept], when[kept])
            np.maximum.at(seen.last, codes[kept], when[kept])
    if not counted:
        return
    size = len(seen.first)
    for codes, sends, gets in ((src, "src", "dst"), (dst, "dst", "src")):
        kept = codes >= 0
        sides = Sides(sessions, kept)
        for row, what in enumerate(("packets", "octets")):
            sent, received = sides.measure(f"{sends}_{what}")[0], sides.measure(f"{gets}_{what}")[0]
            seen.sent[row] += np.bincount(codes[kept], sent, minlength=size).astype(np.int64)
            seen.received[row] += np.bincount(codes[kept], received, minlength=size).astype(np.int64)


def _offers(sessions: pd.DataFrame, size: int) -> np.ndarray:
    table = services(sessions)
    return _listed(table["host"].cat.codes.to_numpy(), _service_names(table), size)


def _uses(sessions: pd.DataFrame, size: int) -> np.ndarray:
    """Return what each host asked for, in words, the most frequent first."""
    src, _, _ = ends_of(sessions)
    proto, protos = codes_of(sessions["proto"])
    port, there = numbers_of(sessions["dst_port"])
    kept = (src >= 0) & there
    found = tally(
        [src[kept].astype(np.int64), proto[kept].astype(np.int64) + 1, port[kept]],
        [max(size, 1), len(protos) + 1, NO_PORT],
    )
    order = np.lexsort((-found.counts, found.keys[0]))
    host, transport, number = (key[order] for key in found.keys)
    place = np.arange(len(host)) - np.searchsorted(host, host)
    short = place < _LISTED
    table = pd.DataFrame(
        {"proto": pd.Categorical.from_codes(transport[short] - 1, categories=protos), "dst_port": number[short]}
    )
    table = table.assign(application=applications(table)).rename(columns={"dst_port": "port"})
    return _listed(host[short], _service_names(table), size, np.bincount(host, minlength=size))


def _service_names(table: pd.DataFrame) -> list[str]:
    return [
        f"{proto}/{port}" + ("" if pd.isna(name) else f" {name}")
        for proto, port, name in zip(table["proto"], table["port"], table["application"], strict=True)
    ]


def _listed(codes: np.ndarray, words: Sequence[str], size: int, counts: np.ndarray | None = None) -> np.ndarray:
    """Return the words of each host, joined; how many more there are is said."""
    found: dict[int, list[str]] = {}
    for code, word in zip(codes.tolist(), words, strict=True):
        found.setdefault(code, []).append(word)
    result = np.full(size, None, object)
    for code, some in found.items():
        more = (len(some) if counts is None else int(counts[code])) - len(some[:_LISTED])
        result[code] = ", ".join(some[:_LISTED]) + (f" and {more:,} more" if more else "")
    return result


def _names(names: pd.DataFrame | None, dtype: Any, size: int) -> np.ndarray:
    if names is None or not len(names):
        return np.full(size, None, object)
    (known,) = addresses(names["address"])
    place = np.append(dtype.categories.get_indexer(known.categories.astype(object)), -1)[known.codes]
    table = pd.DataFrame({"host": place, "name": names["name"].astype("str"), "source": names["source"].astype("str")})
    grouped = table[place >= 0].groupby(["host", "name"], sort=False)["source"].agg(["size", "unique"]).reset_index()
    grouped = grouped.sort_values(["host", "size"], ascending=[True, False], kind="stable")
    words = [f"{name} ({', '.join(sources)})" for name, sources in zip(grouped["name"], grouped["unique"], strict=True)]
    return _listed(grouped["host"].to_numpy(), words, size)
