"""Packets to sessions: who talked to whom and when, how much, and how it ended."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from nsm_nb.schema import PACKETS, SESSIONS, utc_times, with_caveats
from nsm_nb.sessions.endpoints import Endpoints, address_numbers, community_id
from nsm_nb.sessions.identity import stable_numbers
from nsm_nb.sessions.idle import IDLE, seconds_of, timeouts
from nsm_nb.sessions.keys import NOT_A_TIME, Keys, keys_of, missing, order_of, plain, shared_address_dtype
from nsm_nb.sessions.ports import port_names
from nsm_nb.sessions.states import Icmp, argus2_states, closings, of_protocols, states, used
from nsm_nb.sessions.tags import one_way_by_vlan
from nsm_nb.sessions.telling import captures_of, columns, no_columns, records_of

if TYPE_CHECKING:
    from nsm_nb.kernels.conversations import Conversations, Packets

__all__ = ["assemble", "session_table"]


def assemble(
    packets: pd.DataFrame,
    *,
    idle: Mapping[str, float] | None = None,
    tcp_idle: str | float | None = None,
    udp_idle: str | float | None = None,
    icmp_idle: str | float | None = None,
    other_idle: str | float | None = None,
    sensor: str | None = None,
    argus2: bool = False,
    by_vlan: bool = True,
    pieces: bool = False,
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Fold packets into sessions; return the sessions, and the packets with `session` and `to_dst` filled in.

    Packets without IP belong to none. Later fragments of a datagram go with its first. `src` is who opened the session:
    the sender of the SYN, or who was answered by the SYN-ACK; in the middle of a TCP stream the lower port is taken for
    the service, and `direction_known` is False.

    Parameters
    ----------
    packets
        A table of PACKETS, of one capture or of several.
    idle
        Seconds of silence that end a session, by protocol; `IDLE` for those not given.
    tcp_idle, udp_idle, icmp_idle, other_idle
        The same for one protocol, in seconds or as text such as ``"1h"``; `icmp_idle` holds for ICMPv6 too.
    sensor
        The name of the sensor, where it is known.
    argus2
        Whether `state` has the words of Argus 2, which the article shows: EST for TCP's CON, TIM where silence of Argus's
        timeout (TCP 60 s, others 30 s) ended a session that had not ended otherwise.
    by_vlan
        Whether the same addresses and ports in another VLAN or VNI are another session. Where a mirror port tags each
        direction with a VLAN of its own, False makes them one again.
    pieces
        Whether the sessions have columns more, by which those of several captures can be joined (`stitch`): `isn`, the
        initial sequence number of the opener, missing where no SYN of it was seen; `bits`, what the kernel knows; `vni`,
        `icmp_id`; `until`, the last packet of the evidence; `captures` and `telling`, the packets that tell where
        sessions begin and end.

    Returns
    -------
    sessions : DataFrame
        SESSIONS, in the order of their first packets.
    packets : DataFrame
        The packets given; their columns are shared, not copied.

    Raises
    ------
    MissingColumn
        Where a column of PACKETS that this needs is not there.
    ValueError
        Where a timeout is no time.

    Notes
    -----
    *Source*: RFC 9293 (TCP), Argus 3 (state), Zeek (history), Community ID v1.

    Examples
    --------
    >>> sessions, packets = assemble(PACKETS.empty(), tcp_idle="1h", udp_idle="300s")
    """
    from nsm_nb.kernels.arrays import read_only
    from nsm_nb.kernels.conversations import converse
    from nsm_nb.kernels.rows import gathered
    from nsm_nb.kernels.threads import in_threads, shares

    PACKETS.require(
        packets, "time", "src_ip", "dst_ip", "src_port", "dst_port", "proto", "octets", "payload", "tcp_flags"
    )
    said = {"tcp": tcp_idle, "udp": udp_idle, "icmp": icmp_idle, "icmp6": icmp_idle, "other": other_idle}
    idle = {**IDLE, **(idle or {})}
    idle.update({name: seconds_of(each, f"{name}_idle") for name, each in said.items() if each is not None})
    if len(packets) == 0:
        none = SESSIONS.empty()
        return none.assign(**no_columns()) if pieces else none, packets
    order = order_of(packets)
    ordered = packets if order is None else packets.take(order)
    keys = keys_of(ordered, by_vlan=by_vlan)
    found = converse(keys.packets, timeouts(idle))
    sessions = session_table(ordered, keys, found, sensor)
    if argus2:
        timed = (found.start != NOT_A_TIME) & (found.end != NOT_A_TIME)
        idle_for = np.where(timed, (keys.packets.time.max() - found.end) // 1_000_000_000, 0)
        sessions["state"] = argus2_states(sessions["state"].array, sessions["proto"], idle_for)
    if pieces:
        first = ordered[["vni", "icmp_id"]].take(found.first)
        until, captures = int(keys.packets.time.max()), captures_of(ordered, sensor)
        told = records_of(ordered, keys, found, by_vlan=by_vlan)
        sessions = sessions.assign(**columns(found, first, until, captures, *told))

    number, to_dst = found.session, found.to_dst
    if order is not None:
        back = np.empty_like(order)
        back[order] = np.arange(len(order))
        number, to_dst = number[back], to_dst[back]
    caveats = one_way_by_vlan(sessions, keys.realm[found.first]) if len(keys.realm) else []
    sessions = with_caveats(sessions, caveats) if caveats else sessions
    ids, absent = np.empty(len(number), np.int64), np.empty(len(number), bool)
    values = read_only(sessions["session"].to_numpy(np.int64))

    def gather(begin: int, end: int) -> None:
        gathered(values, read_only(number[begin:end]), ids[begin:end], absent[begin:end])

    in_threads([partial(gather, *share) for share in shares(len(number))])
    filled = packets.copy(deep=False)
    masked = pd.arrays.IntegerArray(ids, absent), pd.arrays.BooleanArray(to_dst, absent.copy())
    for name, each in zip(("session", "to_dst"), masked, strict=True):
        filled[name] = pd.Series(each, index=filled.index, copy=False)
    return sessions, filled


def session_table(
    packets: pd.DataFrame, given: Keys, found: Conversations, sensor: str | None, until: int | None = None
) -> pd.DataFrame:
    """Return SESSIONS of what packets were folded into.

    Parameters
    ----------
    packets, given
        The packets in the order in which they were folded, and what they were folded by.
    found
        What they were folded into.
    sensor
        The name of the sensor, where it is known.
    until
        Nanoseconds: the last packet of the evidence; that of `packets` where not given.
    """
    from nsm_nb.kernels import conversations as kernel
    from nsm_nb.kernels.threads import in_threads

    keys, realm = given.packets, given.realm
    count, first, bits = len(found.first), found.first, found.bits
    flipped = (bits & kernel.FLIPPED) > 0
    proto, vlan, evidence, frame = (packets[name].array.take(first) for name in ("proto", "vlan", "evidence", "frame"))
    proto = pd.Series(proto, copy=False).astype("category").array
    proto = pd.Series(used(proto.codes.astype(np.int64), proto.categories), copy=False)

    def ends(src: np.ndarray, dst: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        src, dst = src[first], dst[first]
        return np.where(flipped, dst, src), np.where(flipped, src, dst)

    src_code, dst_code = ends(given.src, given.dst)
    sport, dport = ends(keys.sport, keys.dport)
    dtype = shared_address_dtype(packets)
    ported = of_protocols(proto, "tcp", "udp", "sctp", "udplite")
    cut = ported & _portless(packets, keys, first)  # a header that was cut, or a later fragment without its first
    portless = ~ported | cut
    timeless = (found.start == NOT_A_TIME) | (found.end == NOT_A_TIME)
    until = int(keys.time.max()) if until is None else until
    within = realm[first] if len(realm) else None
    dst_port = pd.arrays.IntegerArray(dport, portless)

    def whole(values: np.ndarray) -> pd.arrays.IntegerArray:
        return pd.arrays.IntegerArray(values, np.zeros(count, bool))

    def all_of(name: str | None) -> pd.Categorical:
        categories = pd.Index([] if name is None else [name], dtype="str")
        return pd.Categorical.from_codes(np.full(count, len(categories) - 1, np.int8), categories=categories)

    def numbers() -> dict[str, Any]:
        return {"session": whole(stable_numbers(src, dst, sport, dport, keys.kind[first], found.start, within))}

    def hashes() -> dict[str, Any]:
        ids = community_id(src, dst, sport, dport, proto, one_way=keys.one_way[first])
        return {"community_id": ids.mask(cut) if cut.any() else ids}

    def endings() -> dict[str, Any]:
        one_side = (found.tally[0] == 0) | (found.tally[3] == 0)
        idle = np.where(timeless, 0, np.maximum((until - found.end) // 1_000_000_000, 0))
        return {
            # unsigned: times may lie further apart than a signed number can tell
            "duration": np.where(timeless, np.nan, (found.end - found.start).view(np.uint64) / 1e9),
            "state": states(proto, bits, one_side, _icmp(packets, first)),
            "closed": closings(proto, bits, idle),
            "history": _history(proto, found),
            "application": port_names(proto, dst_port),
        }

    every = address_numbers(pd.Series(pd.Categorical.from_codes(np.arange(len(dtype.categories)), dtype=dtype)))
    src, dst = in_threads([partial(_taken, every, code) for code in (src_code, dst_code)], count)
    made = in_threads([hashes, numbers, endings], count)
    return pd.DataFrame(
        {
            **made[0],
            **made[1],
            **made[2],
            "start": utc_times(found.start),
            "end": utc_times(found.end),
            "proto": proto,
            "src_ip": pd.Categorical.from_codes(src_code, dtype=dtype, validate=False),
            "src_port": pd.arrays.IntegerArray(sport, portless.copy()),
            "dst_ip": pd.Categorical.from_codes(dst_code, dtype=dtype, validate=False),
            "dst_port": dst_port,
            **{
                f"{side}_{what}": whole(found.tally[3 * place + field])
                for field, what in enumerate(("packets", "octets", "payload"))
                for place, side in enumerate(("src", "dst"))
            },
            "direction_known": pd.arrays.BooleanArray((bits & kernel.KNOWN > 0) & ~cut, np.zeros(count, bool)),
            "vlan": vlan,
            "sensor": all_of(sensor),
            "evidence": pd.Series(evidence).astype("category").array,
            "record": whole(np.asarray(frame).astype(np.int64)),
            "source": all_of("pcap"),
        },
        copy=False,
    )[list(SESSIONS.columns)]


def _taken(ends: Endpoints, codes: np.ndarray) -> Endpoints:
    return Endpoints(*(part[codes] for part in ends))


def _portless(packets: pd.DataFrame, keys: Packets, first: np.ndarray) -> np.ndarray:
    """Return True for the conversations whose first packet has no ports, of its own or of its datagram's first fragment."""
    return missing(packets["src_port"])[first] & (keys.sport[first] == 0) & (keys.dport[first] == 0)


def _icmp(packets: pd.DataFrame, first: np.ndarray) -> Icmp:
    rows = np.flatnonzero(~missing(packets["icmp_type"])[first])
    return Icmp(rows, *(plain(packets[name])[first[rows]] for name in ("icmp_type", "icmp_code")))


def _history(proto: pd.Series, found: Conversations) -> pd.Series:
    import pyarrow as pa

    from nsm_nb.kernels.rows import history_texts

    data, offsets = history_texts(found.history, found.letters)
    known = of_protocols(proto, "tcp", "udp", "sctp")
    valid = None if known.all() else pa.array(known).buffers()[1]
    texts = pa.LargeStringArray.from_buffers(len(known), pa.py_buffer(offsets), pa.py_buffer(data), valid)
    return pd.Series(pd.array(texts, dtype="str"))
