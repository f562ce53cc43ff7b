"""Whether a few have it all: concentration of amounts, and entropy of values.

Source: C. Gini, Variabilita e mutabilita (1912); C. E. Shannon, A Mathematical Theory of Communication (1948). Entropy of
addresses and ports as a sign of scans and floods: A. Lakhina, M. Crovella, C. Diot, Mining Anomalies Using Traffic Feature
Distributions (SIGCOMM 2005).
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd

from nsm_nb.errors import MissingColumn
from nsm_nb.statistics._intervals import Intervals, fixed_length, offset_of, parted, time_column
from nsm_nb.statistics._tally import codes_of, evidence_of, numbers_of, tally

__all__ = ["concentration", "entropy"]

_AMOUNTS = ("octets", "length", "packets", "sessions")
_FEATURES = ("src_ip", "dst_ip", "src_port", "dst_port")


def concentration(
    table: pd.DataFrame, by: str | Sequence[str] | None = None, *, top: Sequence[int] = (1, 3, 10)
) -> pd.DataFrame:
    """Return how far a few rows of a table have all of an amount.

    Parameters
    ----------
    table
        A row for each who has something: what `talkers`, `services` or `hosts` gave.
    by
        The columns of amounts; those of octets, length, packets and sessions that the table has where None.
    top
        Of how many of the largest to give the share.

    Returns
    -------
    pandas.DataFrame
        A row an amount: ``amount``, ``count`` (of the rows that have any of it), ``total``, ``gini`` (0 where all have the
        same, near 1 where one has all), ``evenness`` (entropy of the shares over that of equal shares: 1 where all have
        the same, 0 where one has all) and ``top_1``, ``top_3`` ...: share of the largest. Missing amounts count nothing.
        Of hosts or networks that `talkers` ranked each session counts at both of its ends: `total` is up to twice what
        was carried, and ``top_1`` at most about a half; `attrs["notes"]` says so.

    Raises
    ------
    MissingColumn
        Where the table has no such column.

    Examples
    --------
    >>> concentration(pd.DataFrame({"octets": [1, 1, 1, 97]}), top=(1,))[["gini", "top_1"]].round(2).values.tolist()
    [[0.72, 0.97]]
    """
    names = [name for name in _AMOUNTS if name in table] if by is None else [by] if isinstance(by, str) else list(by)
    for name in names:
        if name not in table:
            raise MissingColumn(f"the table has no column {name!r}; it has: {', '.join(map(str, table))}")
    rows = []
    for name in names:
        amounts, _ = numbers_of(table[name])
        amounts = np.sort(amounts[amounts > 0])[::-1]
        total = int(amounts.sum())
        shares = [float(amounts[:most].sum()) / total if total else np.nan for most in top]
        rows.append((name, len(amounts), total, _gini(amounts), _evenness(amounts), *shares))
    result = pd.DataFrame(
        rows, columns=["amount", "count", "total", "gini", "evenness", *(f"top_{most}" for most in top)]
    )
    result = result.astype(
        {"amount": "str", "count": "int64", "total": "int64"} | dict.fromkeys(result.columns[3:], "float64")
    )
    notes = []
    if table.attrs.get("of") in ("hosts", "networks"):
        notes.append(
            "each session counts at both of its ends: shares are of the sum over all, not of what was carried once"
        )
    result.attrs = {"evidence": list(table.attrs.get("evidence", [])), "notes": notes}
    return result


def _gini(amounts: np.ndarray) -> float:
    """Return the Gini coefficient of amounts above 0, the largest first; not a number where there are none."""
    count, total = len(amounts), float(amounts.sum())
    if not total:
        return float("nan")
    place = np.arange(count, 0, -1)  # of the amounts in ascending order
    return float(2 * (place * amounts.astype(np.float64)).sum() / (count * total) - (count + 1) / count)


def _bits(counts: np.ndarray) -> float:
    shares = counts / counts.sum()
    return float(-(shares * np.log2(shares)).sum()) + 0.0  # no -0.0


def _evenness(counts: np.ndarray) -> float:
    if len(counts) < 2:
        return 0.0 if len(counts) else float("nan")
    return _bits(counts) / float(np.log2(len(counts)))


def entropy(
    table: pd.DataFrame,
    columns: Sequence[str] | str | None = None,
    *,
    every: str | None = None,
    time: str | None = None,
) -> pd.DataFrame:
    """Return how varied the values of columns are, over the whole time or by intervals.

    Parameters
    ----------
    table
        PACKETS, SESSIONS, ALERTS or any table.
    columns
        Whose values; addresses and ports, those that the table has, where None. Missing values are left out.
    every
        The length of intervals, as in `timeline`; one figure over all rows where None.
    time
        The column of times: ``time``, or ``start`` where there is none, where None.

    Returns
    -------
    pandas.DataFrame
        Without `every` a row a column: ``column``, ``rows``, ``values`` (distinct), ``bits`` (Shannon entropy) and
        ``evenness`` (bits over those of as many equally frequent values: 0 to 1). With `every`: a row an interval, empty
        ones included, and the entropy in bits of each column in it, missing where no row has a value. A scan raises
        that of destination ports and leaves that of sources low; a flood does the opposite.

    Raises
    ------
    MissingColumn
        Where the table has no such column.
    ValueError
        Where `every` is no fixed length of time.
    """
    names = (
        [name for name in _FEATURES if name in table]
        if columns is None
        else [columns]
        if isinstance(columns, str)
        else list(columns)
    )
    for name in names:
        if name not in table:
            raise MissingColumn(f"the table has no column {name!r}; it has: {', '.join(map(str, table))}")
    if every is None:
        rows = []
        for name in names:
            counts = _counts(table[name])
            rows.append(
                (name, int(counts.sum()), len(counts), _bits(counts) if len(counts) else np.nan, _evenness(counts))
            )
        result = pd.DataFrame(rows, columns=["column", "rows", "values", "bits", "evenness"]).astype(
            {"column": "str", "rows": "int64", "values": "int64", "bits": "float64", "evenness": "float64"}
        )
        result.attrs = {"evidence": evidence_of(table), "notes": []}
        return result

    step = fixed_length(offset_of(every))
    if not step:
        raise ValueError(f"every={every!r} is no fixed length of time; write one such as '1s', '5min' or '7D'")
    found = parted(table[time_column(table, time)], step, every, columns=len(names))
    result = pd.DataFrame({name: _by_interval(table[name], found) for name in names}, index=found.index)
    result.attrs = {"every": found.every, "value": "bits", "evidence": evidence_of(table), "notes": found.notes}
    return result


def _counts(column: pd.Series) -> np.ndarray:
    codes, _ = codes_of(column)
    counts = np.bincount(codes[codes >= 0].astype(np.int64))
    return counts[counts > 0]


def _by_interval(column: pd.Series, found: Intervals) -> np.ndarray:
    codes, values = codes_of(column)
    codes = codes[found.rows]
    kept = codes >= 0
    result = np.full(len(found.index), np.nan)
    if not kept.any():
        return result
    cells = tally([found.place[kept], codes[kept].astype(np.int64)], [len(found.index), max(len(values), 1)])
    counts = np.bincount(cells.keys[0], cells.counts, minlength=len(found.index))
    # -sum(p log p) with p = n / N is log N - sum(n log n) / N
    within = np.bincount(cells.keys[0], cells.counts * np.log2(cells.counts), minlength=len(found.index))
    seen = counts > 0
    result[seen] = np.maximum(np.log2(counts[seen]) - within[seen] / counts[seen], 0)
    return result
