"""What ra prints of an ICMP message where ports stand: type and code in the first, and of an echo its identifier in the second.

Of ICMP both are hexadecimal: ``0x0403`` is type 3, code 4; ``0x3412`` is the identifier 0x1234, its bytes exchanged. Of ICMPv6
the first is the type and the second the code, as decimals. What stands in the second of other messages is none of theirs.

Source: measured with argus 3.0.8 and ra 3.0.8 on messages of these types.
"""

from __future__ import annotations

import re
from typing import NamedTuple

import numpy as np
import pandas as pd

from nsm_nb.formats import columns
from nsm_nb.formats.icmp_messages import icmp_state
from nsm_nb.formats.printed_values import Values
from nsm_nb.formats.ra_counts import is_any

__all__ = ["Messages", "messages", "with_states"]

_HEX, _DECIMAL = re.compile(rb"\s*0[xX]([0-9a-fA-F]{1,4})\s*"), re.compile(rb"\s*(\d{1,3})\s*")
_ECHOES = (0, 8)


class Messages(NamedTuple):
    """Of each record, missing where it is of no message or does not tell."""

    icmp_type: pd.Series  # UInt8
    icmp_code: pd.Series  # UInt8
    icmp_id: pd.Series  # UInt16


def messages(values: Values, proto: pd.Categorical) -> Messages | None:
    """Return types, codes and identifiers; None where no record tells any. To be asked for before ports are."""
    import pyarrow as pa

    four, six = is_any(proto, "icmp"), is_any(proto, "icmp6")
    rows = np.flatnonzero(four | six)
    four = four[rows]
    found = [values.raw(name).take(pa.array(rows)) for name in ("sport", "dport")]
    first, second = (np.where(four, columns.numbers(each, _hex), columns.numbers(each, _decimal)) for each in found)
    first[~four & (first > 255)] = np.nan
    if np.isnan(first).all():
        return None
    kind = np.where(four, first % 256, first)
    code = np.where(four, first // 256, second)
    code[np.isnan(kind) | (code > 255)] = np.nan
    exchanged = second % 256 * 256 + second // 256
    number = np.where(four & np.isin(kind, _ECHOES), exchanged, np.nan)
    told = []
    for some, dtype in ((kind, "UInt8"), (code, "UInt8"), (number, "UInt16")):
        whole = np.full(values.count, np.nan)
        whole[rows] = some
        told.append(columns.whole(whole, most=65_535, dtype=dtype))
    return Messages(*told)


def with_states(state: pd.Categorical, told: Messages, proto: pd.Categorical) -> pd.Categorical:
    """Return states, of messages for which ra printed none as well."""
    rows = np.flatnonzero((state.codes < 0) & told.icmp_code.notna().to_numpy())
    if not len(rows):
        return state
    kind, code = (each.iloc[rows].to_numpy(np.int64) for each in told[:2])
    known, which = np.unique(np.stack([proto.codes[rows].astype(np.int64), kind, code]), axis=1, return_inverse=True)
    words = [icmp_state(str(proto.categories[at]), each, of_it) for at, each, of_it in known.T.tolist()]
    categories = pd.Index([*dict.fromkeys([*state.categories, *words])], dtype="str")
    codes = state.set_categories(categories).codes.copy()
    codes[rows] = categories.get_indexer(words)[which.reshape(-1)]
    return pd.Categorical.from_codes(codes, categories=categories)


def _hex(text: bytes) -> float | None:
    found = _HEX.fullmatch(text)
    return float(int(found[1], 16)) if found else None


def _decimal(text: bytes) -> float | None:
    found = _DECIMAL.fullmatch(text)
    return float(found[1]) if found else None
