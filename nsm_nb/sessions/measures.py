"""How well conversations went: one row a session, on demand."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pandas as pd

from nsm_nb.schema import PACKETS, Column, Schema
from nsm_nb.sessions.assembly import assemble
from nsm_nb.sessions.keys import missing, order_of, plain

__all__ = ["MEASURES", "measures"]

_OF_A_SIDE = {
    "retransmitted": Column("Int64", "segments from {side} of which all bytes were seen before; a keep-alive is none"),
    "out_of_order": Column(
        "Int64", "segments from {side} that bring bytes from below the highest number that were not seen yet"
    ),
    "duplicate": Column(
        "Int64",
        "packets from {side} that are the one before once more, its IP identification included: a mirror port's copy",
    ),
    "missing": Column("Int64", "bytes of gaps in what {side} sent that were never filled", unit="bytes"),
    "zero_windows": Column("Int64", "segments by which {side} said that it can take no more; no SYN, FIN or RST"),
    "ttl_low": Column("UInt8", "lowest TTL or hop limit of packets from {side}"),
    "ttl_high": Column("UInt8", "highest TTL or hop limit of packets from {side}"),
}
MEASURES = Schema(
    "measures",
    {
        "session": Column("Int64", "the row of SESSIONS"),
        "rtt_syn_ack": Column(
            "float64", "from the SYN of src to the SYN-ACK; missing where they were not seen", unit="s"
        ),
        "rtt_ack": Column("float64", "from the SYN of src to its ACK of the SYN-ACK", unit="s"),
        "silence": Column("float64", "the longest time without a packet", unit="s"),
        **{
            f"{side}_{name}": replace(each, meaning=each.meaning.format(side=side))
            for name, each in _OF_A_SIDE.items()
            for side in ("src", "dst")
        },
    },
)
"""The table of `measures`; counts are missing where a session is not of TCP."""


def measures(packets: pd.DataFrame) -> pd.DataFrame:
    """Return how well each session went: round trips, what was sent again, late or never seen, windows, TTLs, silence.

    Parameters
    ----------
    packets
        A table of PACKETS; packets whose sessions are not filled in are assembled.

    Returns
    -------
    DataFrame
        `MEASURES`, one row a session, in the order of their first packets: round trips of the handshake and the longest
        silence in seconds; and of each side segments that were sent again, came late, or twice from a mirror port, bytes that
        never came, windows of zero, and the lowest and highest TTL.

    Raises
    ------
    MissingColumn
        Where a column of PACKETS that this needs is not there.

    Notes
    -----
    tshark calls a late segment a retransmission unless it comes within milliseconds; here the bytes decide. Not TCP: only
    silence and TTLs. *Source*: RFC 9293 3.4; tshark's tcp.analysis for zero windows and round trips.
    """
    from nsm_nb.kernels.arrays import read_only
    from nsm_nb.kernels.measures import COUNTS, measure

    needed = ("time", "ttl", "ip_id", "tcp_flags", "seq", "ack", "window", "payload", "octets")
    PACKETS.require(packets, "session", "to_dst", *needed)
    if packets["session"].isna().all():
        packets = assemble(packets)[1]
    order = order_of(packets)
    if order is not None:
        packets = packets.take(order)
    number, sessions = pd.factorize(packets["session"])  # missing is -1
    column = {name: read_only(plain(packets[name])) for name in needed[1:]}
    counts, ttls, spans = measure(
        len(sessions),
        read_only(number.astype(np.int32)),
        read_only(packets["to_dst"].fillna(False).to_numpy(bool)),
        read_only(packets["time"].dt.tz_localize(None).to_numpy().view(np.int64)),
        column["tcp_flags"], read_only(missing(packets["tcp_flags"])), column["seq"], column["ack"], column["payload"],
        column["window"], column["ttl"], read_only(missing(packets["octets"])), column["ip_id"],
    )  # fmt: skip
    tcp = np.zeros(len(sessions), bool)
    tcp[number[(number >= 0) & ~missing(packets["tcp_flags"])]] = True
    seconds = np.where(spans < 0, np.nan, spans / 1e9)
    table = {"session": pd.array(sessions, "Int64")}
    table |= {name: seconds[:, place] for place, name in enumerate(("rtt_syn_ack", "rtt_ack", "silence"))}
    for place, name in enumerate(COUNTS):
        for side, prefix in enumerate(("src", "dst")):
            table[f"{prefix}_{name}"] = pd.arrays.IntegerArray(counts[:, side, place].copy(), ~tcp)
    for side, prefix in enumerate(("src", "dst")):
        for place, name in enumerate(("ttl_low", "ttl_high")):
            values = ttls[:, side, place]
            table[f"{prefix}_{name}"] = pd.arrays.IntegerArray(np.maximum(values, 0).astype(np.uint8), values < 0)
    return pd.DataFrame({name: table[name] for name in MEASURES.columns})
