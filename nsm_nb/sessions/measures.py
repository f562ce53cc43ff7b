"""How well conversations went: one row a session, on demand."""

from __future__ import annotations

import numpy as np
import pandas as pd

from nsm_nb.schema import PACKETS
from nsm_nb.sessions.assembly import assemble
from nsm_nb.sessions.keys import missing, order_of, plain

__all__ = ["measures"]


def measures(packets: pd.DataFrame) -> pd.DataFrame:
    """Return how well each session went: round trips, what was sent again, late or never seen, windows, TTLs, silence.

    Parameters
    ----------
    packets
        A table of PACKETS; packets whose sessions are not filled in are assembled.

    Returns
    -------
    DataFrame
        One row a session, in the order of their first packets: ``session``; ``rtt_syn_ack`` and ``rtt_ack``, seconds from
        the opener's SYN to the SYN-ACK and to the ACK of it, missing where they were not seen; ``silence``, the longest in
        seconds; and of each side, after ``src_`` or ``dst_``: ``retransmitted`` segments (all their bytes were seen
        before, a keep-alive is none), ``out_of_order`` segments (they bring bytes from below the highest number that were
        not seen yet), ``duplicate`` packets (the packet before once more, its IP identification included: a mirror port's
        copy), ``missing`` bytes (gaps that were never filled), ``zero_windows``, ``ttl_low`` and ``ttl_high``.

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
    return pd.DataFrame(table)
