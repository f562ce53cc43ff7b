"""What changed: the hosts, pairs, services and protocols that are new, gone, grown or shrunk between two tables."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import pandas as pd

from nsm_nb.schema import PACKETS, SESSIONS
from nsm_nb.statistics import quantities
from nsm_nb.statistics._orient import NO_PORT, oriented, serves
from nsm_nb.statistics._tally import codes_of, ends_of, evidence_of, is_flows, numbers_of, times_of

__all__ = ["KINDS", "STATUS", "compare"]

KINDS = ("hosts", "pairs", "services", "protocols")
STATUS = ("new", "grown", "gone", "shrunk", "same")


def compare(
    a: pd.DataFrame,
    b: pd.DataFrame,
    *,
    by: str | Sequence[str] = KINDS,
    value: str = "octets",
    factor: float = 2.0,
    rates: bool = False,
    same: bool = False,
) -> pd.DataFrame:
    """Return what is new, gone, grown or shrunk from one table to another: the day before, and the day of.

    Parameters
    ----------
    a, b
        Tables of PACKETS or of SESSIONS: two captures, two cases, or two windows of time of one
        (`nsm_nb.statistics.part`).
    by
        What to compare: ``"hosts"``, ``"pairs"``, ``"services"``, ``"protocols"``, or several of them.
    value
        What to measure: ``"octets"``, ``"packets"``, or for sessions ``"sessions"``.
    factor
        How many times as much is grown, and the inverse shrunk.
    rates
        Take amounts per second of each table's own time, for tables that span times of different lengths.
    same
        Give also what neither grew nor shrank.

    Returns
    -------
    pandas.DataFrame
        What is new first, then what has grown, gone, shrunk; the largest change first: ``kind name status a b change
        factor query``. `a` and `b` are the amounts, `change` is ``b - a``, `factor` is ``b / a`` (with `rates` of the
        amounts per second) and missing where either is none; `query` is a line that finds all of it
        (`nsm_nb.query`), empty where none does. Of sessions that begin where src says so it finds that and nothing else; of
        packets and of one-way flows it asks for both directions, and so finds also what the two ends said the other way
        round. `attrs["notes"]` says how the tables differ in what they can tell, and
        `attrs["totals"]` has the two sums.

    Raises
    ------
    ValueError
        Where `by` or `value` is none of the above, or `factor` is not above 1.
    MissingColumn
        Where a table lacks a column that is needed.

    Examples
    --------
    >>> before, after = SESSIONS.empty(), SESSIONS.empty()
    >>> list(compare(before, after))
    ['kind', 'name', 'status', 'a', 'b', 'change', 'factor', 'query']
    """
    kinds = [by] if isinstance(by, str) else list(by)
    for kind in kinds:
        if kind not in KINDS:
            raise ValueError(f"by={kind!r} is not known; choose of {', '.join(map(repr, KINDS))}")
    flows = is_flows(a), is_flows(b)
    allowed = ["octets", "packets", *(["sessions"] if all(flows) else [])]
    if value not in allowed:
        raise ValueError(
            f"value={value!r} can't be compared in these tables; choose of {', '.join(map(repr, allowed))}"
        )
    if not factor > 1:
        raise ValueError(f"factor={factor!r} must be above 1: how many times as much is grown")
    spans = _seconds(a), _seconds(b)
    notes = _notes(a, b, kinds, flows, spans, rates)
    a, b = (oriented(table) if of_flows else table for table, of_flows in zip((a, b), flows, strict=True))
    scale = spans[0] / spans[1] if rates and min(spans) > 0 else 1.0  # NaN > 0 is False

    parts = []
    for kind in kinds:
        if kind == "protocols" and flows[0] != flows[1]:
            continue
        amounts = [_AMOUNTS[kind](table, value) for table in (a, b)]
        parts.append(_joined(kind, *amounts, factor=factor, scale=scale))
    table = pd.concat(parts, ignore_index=True) if parts else _joined("hosts", {}, {}, factor=factor, scale=1.0)
    table["kind"] = pd.Categorical(table["kind"], categories=list(KINDS))
    if not same:
        table = table[table["status"] != "same"]
    order = np.lexsort((-table["change"].abs().to_numpy(np.int64), table["status"].cat.codes.to_numpy()))
    table = table.iloc[order].reset_index(drop=True)
    table.attrs = {
        "value": value,
        "evidence": [*dict.fromkeys([*evidence_of(a), *evidence_of(b)])],
        "totals": tuple(int(_measured(each, value).sum()) for each in (a, b)),
        "notes": notes,
    }
    return table


def _notes(
    a: pd.DataFrame,
    b: pd.DataFrame,
    kinds: list[str],
    flows: tuple[bool, bool],
    spans: tuple[float, float],
    rates: bool,
) -> list[str]:
    notes = []
    for table, name in ((a, "a"), (b, "b")):
        if not len(table):
            notes.append(f"{name} is empty: all of the other is {'new' if name == 'a' else 'gone'}")
    if flows[0] != flows[1] and "protocols" in kinds:
        notes.append("protocols not compared: one table is of packets, the other of sessions")
    if "services" in kinds and not all(flows):
        notes.append(
            "of packets that are in no session, the service is a guess: the port with a name, else the lower one"
        )
    if min(spans) > 0 and max(spans) > 2 * min(spans) and not rates:
        notes.append(
            f"a spans {quantities.span(spans[0])}, b {quantities.span(spans[1])}: rates=True compares amounts per second"
        )
    if rates and not min(spans) > 0:
        notes.append("rates are not defined, as a table spans no time; amounts are compared")
    return notes


def _seconds(table: pd.DataFrame) -> float:
    names = [name for name in ("time", "start", "end") if name in table]
    found = [when[there] for when, there in (times_of(table[name]) for name in names)]
    when = np.concatenate(found) if found else np.zeros(0, np.int64)
    return float(int(when.max()) - int(when.min())) / 1e9 if len(when) else float("nan")


def _measured(table: pd.DataFrame, value: str) -> np.ndarray:
    """Return what each row adds."""
    if not is_flows(table):
        PACKETS.require(table, "octets")
        return numbers_of(table["octets"])[0] if value == "octets" else np.ones(len(table), np.int64)
    if value == "sessions":
        return np.ones(len(table), np.int64)
    SESSIONS.require(table, f"src_{value}", f"dst_{value}")
    return numbers_of(table[f"src_{value}"])[0] + numbers_of(table[f"dst_{value}"])[0]


def _sums(key: np.ndarray, weights: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return distinct keys and their sums; keys below 0 are left out."""
    kept = key >= 0
    keys, group = np.unique(key[kept], return_inverse=True)
    return keys, np.bincount(group, weights[kept], minlength=len(keys)).astype(np.int64)


Amounts = dict[tuple[str, str], int]  # name and query line -> amount


def _hosts(table: pd.DataFrame, value: str) -> Amounts:
    src, dst, dtype = ends_of(table)
    weights = _measured(table, value)
    other = np.where(dst == src, -1, dst)  # what a host sends itself counts once
    keys, sums = _sums(np.concatenate([src, other]).astype(np.int64), np.concatenate([weights, weights]))
    texts = dtype.categories.astype(object)
    return {(texts[key], f"host {texts[key]}"): int(amount) for key, amount in zip(keys, sums, strict=True)}


def _pairs(table: pd.DataFrame, value: str) -> Amounts:
    src, dst, dtype = _asked(table)
    size = max(len(dtype.categories), 1)
    key = np.where((src >= 0) & (dst >= 0), src.astype(np.int64) * size + dst, -1)
    keys, sums = _sums(key, _measured(table, value))
    texts = dtype.categories.astype(object)
    result = {}
    both = _both_ways(table)
    for each, amount in zip(keys.tolist(), sums.tolist(), strict=True):
        one, other = texts[each // size], texts[each % size]
        line = f"host {one} and host {other}" if both else f"src {one} and dst {other}"
        result[f"{one} > {other}", line] = amount
    return result


def _asked(table: pd.DataFrame) -> tuple[np.ndarray, np.ndarray, Any]:
    """Return who asked and who was asked; of packets without a session, who sent and who received."""
    src, dst, dtype = ends_of(table)
    if is_flows(table) or "to_dst" not in table:
        return src, dst, dtype
    back = ~table["to_dst"].fillna(True).to_numpy(bool)
    return np.where(back, dst, src), np.where(back, src, dst), dtype


def _services(table: pd.DataFrame, value: str) -> Amounts:
    proto, protos = codes_of(table["proto"])
    port = _service_ports(table)
    key = proto.astype(np.int64) * (NO_PORT + 1) + port
    keys, sums = _sums(np.where((proto >= 0) & (port < NO_PORT), key, -1), _measured(table, value))
    words = _port_words(keys, protos)
    side = "" if _both_ways(table) else "dst "
    result = {}
    for each, amount, word in zip(keys.tolist(), sums.tolist(), words, strict=True):
        transport, number = str(protos[each // (NO_PORT + 1)]), each % (NO_PORT + 1)
        result[f"{transport}/{number}{word}", f"{transport} and {side}port {number}"] = amount
    return result


def _both_ways(table: pd.DataFrame) -> bool:
    """Return True where a conversation's rows go both ways: packets, and flow records that tell one direction each."""
    if not is_flows(table) or "src_packets" not in table or "dst_packets" not in table:
        return True
    return bool((table["src_packets"].isna() | table["dst_packets"].isna()).any())


def _port_words(keys: np.ndarray, protos: pd.Index) -> list[str]:
    from nsm_nb.sessions.ports import PORTS

    return [
        f" {name}" if (name := PORTS.get(str(protos[key // (NO_PORT + 1)]), {}).get(key % (NO_PORT + 1))) else ""
        for key in keys.tolist()
    ]


def _service_ports(table: pd.DataFrame) -> np.ndarray:
    """Return the port of the side that was asked, `NO_PORT` where there is none."""
    dst, has_dst = numbers_of(table["dst_port"])
    if is_flows(table):
        return np.where(has_dst, dst, NO_PORT)
    src, has_src = numbers_of(table["src_port"])
    guess = np.where(serves(src, dst), src, dst)
    if "to_dst" in table:
        known = table["to_dst"].notna().to_numpy()
        guess = np.where(known, np.where(table["to_dst"].fillna(True).to_numpy(bool), dst, src), guess)
    return np.where(has_dst & has_src, guess, NO_PORT)


def _protocols(table: pd.DataFrame, value: str) -> Amounts:
    if is_flows(table):
        codes, names = codes_of(table["proto"])
        keys, sums = _sums(codes.astype(np.int64), _measured(table, value))
        return {(str(names[key]), str(names[key])): int(amount) for key, amount in zip(keys, sums, strict=True)}
    codes, paths = codes_of(table["layers"])
    keys, sums = _sums(codes.astype(np.int64), _measured(table, value))
    return {(str(paths[key]), ""): int(amount) for key, amount in zip(keys, sums, strict=True)}


_AMOUNTS: dict[str, Callable[[pd.DataFrame, str], Amounts]] = {
    "hosts": _hosts,
    "pairs": _pairs,
    "services": _services,
    "protocols": _protocols,
}


def _joined(kind: str, before: Amounts, after: Amounts, *, factor: float, scale: float) -> pd.DataFrame:
    names = list({**before, **after})
    was = np.array([before.get(name, 0) for name in names], np.int64)
    now = np.array([after.get(name, 0) for name in names], np.int64)
    there = np.array([[name in before, name in after] for name in names], bool).reshape(-1, 2)
    both = there.all(axis=1) & (was > 0) & (now > 0)
    grown = np.where(both, now * scale / np.maximum(was, 1), np.nan)
    status = np.select([~there[:, 0], ~there[:, 1], grown >= factor, grown <= 1 / factor], [0, 2, 1, 3], 4)
    return pd.DataFrame(
        {
            "kind": pd.Series([kind] * len(names), dtype="str"),
            "name": pd.Series([name for name, _ in names], dtype="str"),
            "status": pd.Categorical.from_codes(status, categories=list(STATUS), ordered=True),
            "a": was,
            "b": now,
            "change": now - was,
            "factor": grown,
            "query": pd.Series([query for _, query in names], dtype="str"),
        }
    )
