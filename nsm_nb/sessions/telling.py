"""What the sessions of one capture take along, so that they can be joined with those of another: the packets that tell."""

from __future__ import annotations

from enum import IntFlag
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from nsm_nb.schema import utc_times
from nsm_nb.sessions.keys import Keys, missing, plain

if TYPE_CHECKING:
    from nsm_nb.kernels.conversations import Conversations

__all__ = ["RECORD", "Bit", "captures_of", "columns", "no_columns", "records_in", "records_of"]

# One packet that tells. Its sums are of all packets of its side since the one before; -1 stands for what is missing.
RECORD = np.dtype(
    [("time", "<i8"), ("frame", "<i8"), ("octets", "<i8"), ("payload", "<i8"), ("packets", "<u4"), ("size", "<u4"),
     ("seq", "<u4"), ("ack", "<u4"), ("vlan", "<i4"), ("vni", "<i4"), ("capture", "<i4"), ("sport", "<u2"),
     ("dport", "<u2"), ("window", "<u2"), ("flags", "<u2"), ("bits", "<u2"), ("type", "u1"), ("code", "u1")]
)  # fmt: skip


class Bit(IntFlag):
    """What else is known of a packet that tells."""

    FROM_SRC = 1  # it goes from src of its session to dst
    NO_TCP = 2  # it has no TCP header
    NO_PORT = 4  # it has no ports of its own
    ONE_WAY = 8  # messages of ICMP like it have no answer
    ICMP = 16  # it has type and code of ICMP
    BY_VLAN = 32  # the same ends in another VLAN are another session


def records_of(
    packets: pd.DataFrame, keys: Keys, found: Conversations, *, by_vlan: bool
) -> tuple[np.ndarray, np.ndarray]:
    """Return the packets that tell as RECORD, one session after the other, and where each session begins, and the end.

    Parameters
    ----------
    packets
        PACKETS, in the order in which they were folded.
    keys, found
        What they were folded by, and into.
    by_vlan
        Whether the same ends in another VLAN are another session.
    """
    from nsm_nb.kernels.pieces import telling

    given = keys.packets
    told = telling(given, found.session, found.first)
    rows = told.rows
    records = np.zeros(len(rows), RECORD)
    for name, values in (
        ("time", given.time), ("size", given.payload), ("seq", given.seq), ("ack", given.ack), ("sport", given.sport),
        ("dport", given.dport), ("window", given.window), ("flags", given.tcp_flags), ("frame", packets["frame"].to_numpy()),
        ("type", plain(packets["icmp_type"])), ("code", plain(packets["icmp_code"])),
        ("capture", packets["evidence"].astype("category").cat.codes.to_numpy()),  # as in `captures_of`
    ):  # fmt: skip
        records[name] = values[rows]
    for name in ("vlan", "vni"):
        records[name] = np.where(missing(packets[name])[rows], -1, plain(packets[name])[rows].astype(np.int64))
    for name, sums in (("packets", told.packets), ("octets", told.octets), ("payload", told.payload)):
        records[name] = sums
    for bit, holds in (
        (Bit.FROM_SRC, found.to_dst[rows]),
        (Bit.NO_TCP, given.no_tcp[rows]),
        (Bit.NO_PORT, missing(packets["src_port"])[rows]),
        (Bit.ONE_WAY, given.one_way[rows]),
        (Bit.ICMP, ~missing(packets["icmp_type"])[rows]),
        (Bit.BY_VLAN, by_vlan),
    ):
        records["bits"] |= np.where(holds, np.uint16(bit), np.uint16(0))
    return records, told.starts


def captures_of(packets: pd.DataFrame, sensor: str | None) -> tuple[tuple[str, str | None], ...]:
    """Return evidence and sensor of each capture that packets are of."""
    return tuple((str(name), sensor) for name in packets["evidence"].astype("category").cat.categories)


def columns(
    found: Conversations,
    first: pd.DataFrame,
    until: int,
    captures: tuple[tuple[str, str | None], ...],
    records: np.ndarray,
    starts: np.ndarray,
) -> dict[str, Any]:
    """Return the columns that sessions have more where they are pieces.

    Parameters
    ----------
    found
        What packets were folded into.
    first
        `vni` and `icmp_id` of each session's first packet.
    until
        Nanoseconds: the last packet of the evidence.
    captures
        Evidence and sensor; `capture` of RECORD is a place among them.
    records, starts
        As `records_of` gives them.
    """
    import pyarrow as pa

    count = len(found.first)
    offsets = np.ascontiguousarray(starts * RECORD.itemsize)
    buffers = [None, pa.py_buffer(offsets), pa.py_buffer(np.ascontiguousarray(records).view(np.uint8))]
    every = np.empty(count, object)
    every.fill(captures)
    return {
        "isn": pd.arrays.IntegerArray(np.maximum(found.isn, 0), found.isn < 0),
        "bits": pd.arrays.IntegerArray(found.bits, np.zeros(count, bool)),
        "vni": first["vni"].array,
        "icmp_id": first["icmp_id"].array,
        "until": utc_times(np.full(count, until, np.int64)),
        "captures": every,
        "telling": pd.arrays.ArrowExtensionArray(pa.Array.from_buffers(pa.large_binary(), count, buffers)),
    }


def no_columns() -> dict[str, Any]:
    """Return the same columns without rows."""
    import pyarrow as pa

    return {
        "isn": pd.array([], "Int64"),
        "bits": pd.array([], "Int16"),
        "vni": pd.array([], "UInt32"),
        "icmp_id": pd.array([], "UInt16"),
        "until": pd.Series([], dtype="datetime64[ns, UTC]"),
        "captures": np.empty(0, object),
        "telling": pd.array([], pd.ArrowDtype(pa.large_binary())),
    }


def records_in(column: pd.Series) -> tuple[np.ndarray, np.ndarray]:
    """Return the packets that tell of each row of a column `telling`, and where each row begins among them, and the end.

    Raises
    ------
    ValueError
        Where the column is not what `columns` makes.
    """
    import pyarrow as pa

    array = column.array
    given = array.__arrow_array__() if hasattr(array, "__arrow_array__") else pa.array(column.to_numpy(object))
    chunks = given.chunks if isinstance(given, pa.ChunkedArray) else [given]
    whole = pa.concat_arrays([each.cast(pa.large_binary()) for each in chunks] or [pa.array([], pa.large_binary())])
    offsets = np.zeros(1, np.int64)
    if len(whole):
        offsets = np.frombuffer(whole.buffers()[1], np.int64)[whole.offset : whole.offset + len(whole) + 1]
    lengths = np.diff(offsets)
    if whole.null_count or (lengths % RECORD.itemsize).any() or (lengths == 0).any():
        raise ValueError(
            "the column 'telling' is not what this version of nsm_nb makes; "
            "make the sessions anew with nsm_nb.sessions.assemble(packets, pieces=True)"
        )
    data = (
        np.frombuffer(whole.buffers()[2] or b"", np.uint8)[offsets[0] : offsets[-1]]
        if len(whole)
        else np.empty(0, "u1")
    )
    return data.view(RECORD), (offsets - offsets[0]) // RECORD.itemsize
