"""Packets to sessions: who talked to whom and when, how much, and how it ended."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from nsm_nb.schema import PACKETS, SESSIONS
from nsm_nb.sessions.endpoints import Endpoints, address_numbers, community_id, icmp_ports, ip_protocol
from nsm_nb.sessions.identity import stable_numbers
from nsm_nb.sessions.ports import port_names

if TYPE_CHECKING:
    from nsm_nb.kernels.conversations import Conversations, Packets

__all__ = ["IDLE", "assemble"]

_NOT_A_TIME = np.iinfo(np.int64).min

# Seconds of silence after which the next packet starts another session; softflowd's defaults (softflowd(8), -t).
IDLE: Mapping[str, float] = {"tcp": 3600, "udp": 300, "icmp": 300, "icmp6": 300, "other": 300}

# ICMP messages as Argus names them in its state column (argus 3, ra(1)).
_ICMP_STATES = {
    ("icmp", 0): "ECR", ("icmp", 3): "UR", ("icmp", 4): "SRC", ("icmp", 5): "RED", ("icmp", 8): "ECO", ("icmp", 9): "RTA",
    ("icmp", 10): "RTS", ("icmp", 11): "TXD", ("icmp", 12): "PAR", ("icmp", 13): "TST", ("icmp", 14): "TSR",
    ("icmp", 15): "IRQ", ("icmp", 16): "IRR", ("icmp", 17): "MAS", ("icmp", 18): "MSR",
    ("icmp6", 1): "UR", ("icmp6", 2): "PTB", ("icmp6", 3): "TXD", ("icmp6", 4): "PAR", ("icmp6", 128): "ECO",
    ("icmp6", 129): "ECR", ("icmp6", 130): "MRQ", ("icmp6", 131): "MHR", ("icmp6", 132): "MHR", ("icmp6", 133): "NRS",
    ("icmp6", 134): "NRA", ("icmp6", 135): "NNS", ("icmp6", 136): "NNA", ("icmp6", 137): "RED", ("icmp6", 143): "MHR",
}  # fmt: skip
_UNREACHABLE = {0: "URN", 1: "URH", 2: "URP", 3: "URP", 4: "URF", 5: "URS", 6: "URNU", 7: "URHU", 8: "URISO", 9: "URNPRO",
                10: "URHPRO", 11: "URNTOS", 12: "URHTOS", 13: "URFIL", 14: "URPRE", 15: "URCUT"}  # fmt: skip
_UNREACHABLE6 = {0: "URN", 1: "URFIL", 3: "URH", 4: "URP"}


def assemble(
    packets: pd.DataFrame, *, idle: Mapping[str, float] | None = None, sensor: str | None = None
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
    sensor
        The name of the sensor, where it is known.

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

    Notes
    -----
    *Source*: RFC 9293 (TCP), Argus 3 (state), Zeek (history), Community ID v1.
    """
    from nsm_nb.kernels.conversations import converse
    from nsm_nb.kernels.rows import gathered

    PACKETS.require(
        packets, "time", "src_ip", "dst_ip", "src_port", "dst_port", "proto", "octets", "payload", "tcp_flags"
    )
    if len(packets) == 0:
        return SESSIONS.empty(), packets
    idle = {**IDLE, **(idle or {})}
    order = _order(packets)
    ordered = packets if order is None else packets.take(order)
    keys = _keys(ordered)
    found = converse(keys, _timeouts(idle))
    sessions = _session_table(ordered, keys, found, sensor)

    number, to_dst = found.session, found.to_dst
    if order is not None:
        back = np.empty_like(order)
        back[order] = np.arange(len(order))
        number, to_dst = number[back], to_dst[back]
    ids, absent = gathered(sessions["session"].to_numpy(np.int64), number)
    filled = packets.copy(deep=False)
    filled["session"] = pd.arrays.IntegerArray(ids, absent)
    filled["to_dst"] = pd.arrays.BooleanArray(to_dst, absent.copy())
    return sessions, filled


def _order(packets: pd.DataFrame) -> np.ndarray | None:
    """Return the order by time where packets of several captures are mixed; one capture keeps the order of its file."""
    evidence = packets["evidence"]
    if isinstance(evidence.dtype, pd.CategoricalDtype) and len(evidence.cat.categories) < 2:
        return None
    if evidence.nunique() < 2 or packets["time"].is_monotonic_increasing:
        return None
    return np.argsort(packets["time"].dt.tz_localize(None).to_numpy(), kind="stable")


def _timeouts(idle: Mapping[str, float]) -> np.ndarray:
    table = np.full(257, int(idle["other"] * 1e9), np.int64)
    for number, name in ((1, "icmp"), (6, "tcp"), (17, "udp"), (58, "icmp6")):
        table[number] = int(idle[name] * 1e9)
    return table


def _plain(column: pd.Series) -> np.ndarray:
    """Return the numbers of a masked column, 0 where they are missing; without a copy where the reader left 0 there."""
    from nsm_nb.kernels.rows import any_under

    array = column.array
    if isinstance(array, pd.arrays.IntegerArray):
        values, mask = array._data, array._mask
        return np.where(mask, values.dtype.type(0), values) if any_under(values, mask) else values
    return column.fillna(0).to_numpy()


def _missing(column: pd.Series) -> np.ndarray:
    array = column.array
    return array._mask if isinstance(array, pd.arrays.IntegerArray) else column.isna().to_numpy()


def _keys(packets: pd.DataFrame) -> Packets:
    """Return what packets are folded by, as arrays; what stands for ports of ICMP and of later fragments included."""
    from nsm_nb.kernels.conversations import Packets

    src, dst = packets["src_ip"], packets["dst_ip"]
    if src.dtype != dst.dtype:
        from nsm_nb.schema import addresses

        src, dst = (pd.Series(each) for each in addresses(src, dst))
    proto = packets["proto"].astype("category")
    columns = {name: _plain(packets[name]) for name in ("octets", "payload", "tcp_flags", "seq", "ack", "window")}
    keys = Packets(
        no_ip=_missing(packets["octets"]),
        src=src.cat.codes.to_numpy(np.int32),
        dst=dst.cat.codes.to_numpy(np.int32),
        sport=_plain(packets["src_port"]).astype(np.uint16, copy=True),
        dport=_plain(packets["dst_port"]).astype(np.uint16, copy=True),
        kind=_kinds(proto),
        one_way=np.zeros(len(packets), bool),
        time=packets["time"].dt.tz_localize(None).to_numpy().view(np.int64),
        no_tcp=_missing(packets["tcp_flags"]),
        **columns,
    )
    rows = np.flatnonzero(~_missing(packets["icmp_type"]))
    if len(rows):
        keys.sport[rows], keys.dport[rows], keys.one_way[rows] = icmp_ports(
            proto.iloc[rows].reset_index(drop=True),
            *(packets[name].iloc[rows].fillna(0).to_numpy(np.uint8) for name in ("icmp_type", "icmp_code")),
        )
    _follow_fragments(packets, keys)
    return keys


def _follow_fragments(packets: pd.DataFrame, keys: Packets) -> None:
    """Give later fragments what stands for ports in the first fragment of their datagram (RFC 791 2.3)."""
    rows = np.flatnonzero(~_missing(packets["fragment"]))
    if not len(rows):
        return
    parts = pd.DataFrame(
        {
            "src": keys.src[rows],
            "dst": keys.dst[rows],
            "kind": keys.kind[rows],
            "id": packets["ip_id"].iloc[rows].fillna(0).to_numpy(np.uint32),
            "row": rows.astype(float),
        }
    )
    first = (packets["fragment"].iloc[rows] == 0).to_numpy(bool)
    # the latest first fragment of the datagram; where the first one comes later than others, that one
    source = parts["row"].where(first)
    by = [parts["src"], parts["dst"], parts["kind"], parts["id"]]
    source = source.groupby(by).ffill().fillna(source.groupby(by).bfill())
    known = source.notna().to_numpy()
    here, there = rows[known], source[known].to_numpy().astype(np.int64)
    for each in (keys.sport, keys.dport, keys.one_way):
        each[here] = each[there]


def _kinds(proto: pd.Series) -> np.ndarray:
    numbers = ip_protocol(pd.Series(proto.cat.categories)).astype(np.int16)
    # names without a number of IP share what is left, which is enough for those that can stand above IP
    others = np.minimum(256 + np.arange(len(numbers) + 1), 16_383).astype(np.int16)
    others[:-1][numbers > 0] = numbers[numbers > 0]
    return others.take(proto.cat.codes.to_numpy(), mode="wrap")  # code -1, for missing, takes the last


def _session_table(packets: pd.DataFrame, keys: Packets, found: Conversations, sensor: str | None) -> pd.DataFrame:
    from nsm_nb.kernels import conversations as kernel

    count, first, bits = len(found.first), found.first, found.bits
    flipped = (bits & kernel.FLIPPED) > 0
    proto, vlan, evidence, frame = (packets[name].array.take(first) for name in ("proto", "vlan", "evidence", "frame"))
    proto = pd.Series(proto).astype("category").cat.remove_unused_categories()

    def ends(src: np.ndarray, dst: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        src, dst = src[first], dst[first]
        return np.where(flipped, dst, src), np.where(flipped, src, dst)

    src_code, dst_code = ends(keys.src, keys.dst)
    sport, dport = ends(keys.sport, keys.dport)
    dtype = _shared_address_dtype(packets)
    every = address_numbers(pd.Series(pd.Categorical.from_codes(np.arange(len(dtype.categories)), dtype=dtype)))
    src, dst = (Endpoints(*(part[code] for part in every)) for code in (src_code, dst_code))
    ported = _of_protocols(proto, "tcp", "udp", "sctp", "udplite")
    cut = ported & _portless(packets, keys, first)  # a header that was cut, or a later fragment without its first
    portless = ~ported | cut
    timeless = (found.start == _NOT_A_TIME) | (found.end == _NOT_A_TIME)
    idle = np.where(timeless, 0, np.maximum((int(keys.time.max()) - found.end) // 1_000_000_000, 0))
    dst_port = pd.arrays.IntegerArray(dport, portless)

    def utc(values: np.ndarray) -> pd.Series:
        return pd.Series(values.view("M8[ns]")).dt.tz_localize("UTC")

    def whole(values: np.ndarray) -> pd.arrays.IntegerArray:
        return pd.arrays.IntegerArray(values, np.zeros(count, bool))

    def all_of(name: str | None) -> pd.Categorical:
        categories = pd.Index([] if name is None else [name], dtype="str")
        return pd.Categorical.from_codes(np.full(count, len(categories) - 1, np.int8), categories=categories)

    return pd.DataFrame(
        {
            "session": whole(stable_numbers(src, dst, sport, dport, keys.kind[first], found.start)),
            "start": utc(found.start),
            "end": utc(found.end),
            # unsigned: times may lie further apart than a signed number can tell
            "duration": np.where(timeless, np.nan, (found.end - found.start).view(np.uint64) / 1e9),
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
            "state": _states(packets, proto, found),
            "closed": _closings(proto, bits, idle),
            "history": _history(proto, found),
            "application": port_names(proto, pd.Series(dst_port)),
            "direction_known": pd.arrays.BooleanArray((bits & kernel.KNOWN > 0) & ~cut, np.zeros(count, bool)),
            "community_id": community_id(src, dst, sport, dport, proto, one_way=keys.one_way[first]).mask(cut),
            "vlan": vlan,
            "sensor": all_of(sensor),
            "evidence": pd.Series(evidence).astype("category").array,
            "record": whole(np.asarray(frame).astype(np.int64)),
            "source": all_of("pcap"),
        },
        copy=False,
    )[list(SESSIONS.columns)]


def _portless(packets: pd.DataFrame, keys: Packets, first: np.ndarray) -> np.ndarray:
    """Return True for the conversations whose first packet has no ports, of its own or of its datagram's first fragment."""
    return _missing(packets["src_port"])[first] & (keys.sport[first] == 0) & (keys.dport[first] == 0)


def _of_protocols(proto: pd.Series, *names: str, inside: bool = True) -> np.ndarray:
    """Return a bool array, True where the protocol is one of the names; with `inside` False, where it is none of them."""
    lookup = np.array([*(name in names for name in proto.cat.categories), False]) == inside
    return lookup[proto.cat.codes.to_numpy()]


def _shared_address_dtype(packets: pd.DataFrame) -> pd.CategoricalDtype:
    from nsm_nb.schema import addresses

    src, dst = packets["src_ip"], packets["dst_ip"]
    return src.dtype if src.dtype == dst.dtype else addresses(src, dst)[0].dtype


def _states(packets: pd.DataFrame, proto: pd.Series, found: Conversations) -> pd.Categorical:
    """Return the state as Argus 3 prints it: for TCP the first of RST FIN CON ACC REQ that holds."""
    from nsm_nb.kernels import conversations as kernel

    names = ["CON", "INT", "RST", "FIN", "ACC", "REQ"]
    of_tcp = _first_that_holds(
        (kernel.RST_SRC | kernel.RST_DST, 2),
        (kernel.FIN_SRC | kernel.FIN_DST, 3),
        (kernel.ESTABLISHED, 0),
        (kernel.SYN_ACK, 4),
        (kernel.SYN, 5),
        otherwise=0,
    )
    one_side = (found.tally[0] == 0) | (found.tally[3] == 0)
    codes = np.where(_of_protocols(proto, "tcp"), of_tcp[found.bits], one_side.astype(np.int16))
    rows = np.flatnonzero(~_missing(packets["icmp_type"])[found.first])
    if len(rows):
        kind, code = (_plain(packets[name])[found.first[rows]].astype(int) for name in ("icmp_type", "icmp_code"))
        asked = (proto.cat.codes.to_numpy()[rows].astype(int) + 1) << 16 | kind << 8 | code
        each, which = np.unique(asked, return_inverse=True)
        protos = [None, *proto.cat.categories]
        told = [_icmp_state(protos[number >> 16], number >> 8 & 255, number & 255) for number in each.tolist()]
        names += sorted(set(told) - set(names))
        codes[rows] = np.array([names.index(state) for state in told])[which]
    return pd.Categorical.from_codes(codes, categories=pd.Index(names, dtype="str")).remove_unused_categories()


def _icmp_state(proto: str | None, kind: int, code: int) -> str:
    state = _ICMP_STATES.get((str(proto), kind), "INT")
    if state == "UR":
        state = (_UNREACHABLE if proto == "icmp" else _UNREACHABLE6).get(code, "UR")
    return state


def _closings(proto: pd.Series, bits: np.ndarray, idle: np.ndarray) -> pd.Categorical:
    """Return in words how each TCP session ended; other protocols have no end that could be seen."""
    from nsm_nb.kernels import conversations as kernel

    words = ["both", "refused by dst", "reset by src", "reset by dst", "src only", "dst only", "no answer", "open"]
    ended = _first_that_holds(
        (kernel.REFUSED, 1),
        (kernel.RST_SRC, 2),
        (kernel.RST_DST, 3),
        (kernel.FIN_SRC, 4),
        (kernel.FIN_DST, 5),
        otherwise=7,
    )
    every = np.arange(len(ended))
    ended[(every & kernel.FIN_SRC > 0) & (every & kernel.FIN_DST > 0)] = 0
    ended[(ended == 7) & (every & (kernel.SYN | kernel.SYN_ACK | kernel.ESTABLISHED) == kernel.SYN)] = 6
    choice = ended[bits].astype(np.int32)
    tcp = _of_protocols(proto, "tcp")
    silent = tcp & (choice == 7) & (idle >= 60)
    seconds = np.unique(idle[silent])
    choice[silent] = len(words) + np.searchsorted(seconds, idle[silent])
    words += [f"idle {each} s" for each in seconds]
    return pd.Categorical.from_codes(np.where(tcp, choice, -1), categories=pd.Index(words, dtype="str"))


def _first_that_holds(*answers: tuple[int, int], otherwise: int) -> np.ndarray:
    """Return, for each combination of the kernel's bits, the number beside the first of `answers` that has a bit in common."""
    every = np.arange(1 << 10)
    return np.select([every & bit > 0 for bit, _ in answers], [number for _, number in answers], otherwise).astype(
        np.int16
    )


def _history(proto: pd.Series, found: Conversations) -> pd.Series:
    import pyarrow as pa

    from nsm_nb.kernels.rows import history_texts

    data, offsets = history_texts(found.history, found.letters)
    known = _of_protocols(proto, "tcp", "udp", "sctp")
    valid = None if known.all() else pa.array(known).buffers()[1]
    texts = pa.LargeStringArray.from_buffers(len(known), pa.py_buffer(offsets), pa.py_buffer(data), valid)
    return pd.Series(pd.array(texts, dtype="str"))
