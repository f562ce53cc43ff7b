"""Packets to sessions: who talked to whom and when, how much, and how it ended."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import pandas as pd

from nsm_nb.schema import PACKETS, SESSIONS
from nsm_nb.sessions.endpoints import address_numbers, community_id, icmp_ports, ip_protocol
from nsm_nb.sessions.identity import stable_numbers
from nsm_nb.sessions.ports import port_names

__all__ = ["IDLE", "assemble"]

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

    PACKETS.require(
        packets, "time", "src_ip", "dst_ip", "src_port", "dst_port", "proto", "octets", "payload", "tcp_flags"
    )
    if len(packets) == 0:
        return SESSIONS.empty(), packets
    idle = {**IDLE, **(idle or {})}
    order = _order(packets)
    ordered = packets if order is None else packets.take(order)
    keys = _Keys(ordered)
    number, to_dst, head, tally, history, letters = converse(
        keys.absent, keys.src, keys.dst, keys.sport, keys.dport, keys.kind, keys.one_way,
        ordered["time"].dt.tz_localize(None).to_numpy().view(np.int64),
        _plain(ordered["octets"]), _plain(ordered["payload"]), _plain(ordered["tcp_flags"]),
        ordered["tcp_flags"].isna().to_numpy(), _plain(ordered["seq"]), _plain(ordered["ack"]), _plain(ordered["window"]),
        _timeouts(idle),
    )  # fmt: skip
    sessions = _session_table(ordered, keys, head, tally, history, letters, sensor)

    ids = np.append(sessions["session"].to_numpy(np.int64), 0)[number]
    if order is not None:
        back = np.empty_like(order)
        back[order] = np.arange(len(order))
        number, to_dst, ids = number[back], to_dst[back], ids[back]
    absent = number < 0
    filled = packets.copy(deep=False)
    filled["session"] = pd.arrays.IntegerArray(ids, absent)
    filled["to_dst"] = pd.arrays.BooleanArray(to_dst, absent.copy())
    return sessions, filled


def _order(packets: pd.DataFrame) -> np.ndarray | None:
    """Return the order by time where packets of several captures are mixed; one capture keeps the order of its file."""
    if packets["evidence"].nunique() < 2 or packets["time"].is_monotonic_increasing:
        return None
    return np.argsort(packets["time"].dt.tz_localize(None).to_numpy(), kind="stable")


def _timeouts(idle: Mapping[str, float]) -> np.ndarray:
    table = np.full(257, int(idle["other"] * 1e9), np.int64)
    for number, name in ((1, "icmp"), (6, "tcp"), (17, "udp"), (58, "icmp6")):
        table[number] = int(idle[name] * 1e9)
    return table


def _plain(column: pd.Series) -> np.ndarray:
    """Return the numbers of a masked column without a copy; what stands under the mask is 0 by the reader's promise."""
    array = column.array
    if isinstance(array, pd.arrays.IntegerArray):
        values = array._data
        return (
            values
            if not array._mask.any() or not values[array._mask].any()
            else column.fillna(0).to_numpy(values.dtype)
        )
    return column.fillna(0).to_numpy()


class _Keys:
    """What packets are folded by, as arrays."""

    def __init__(self, packets: pd.DataFrame):
        proto = packets["proto"].astype("category")
        self.absent = (packets["octets"].isna() | packets["src_ip"].isna() | packets["dst_ip"].isna()).to_numpy(bool)
        src, dst = packets["src_ip"], packets["dst_ip"]
        if src.dtype != dst.dtype:
            from nsm_nb.schema import addresses

            src, dst = (pd.Series(each) for each in addresses(src, dst))
        self.src = src.cat.codes.to_numpy(np.int32)
        self.dst = dst.cat.codes.to_numpy(np.int32)
        self.kind = _kinds(proto)
        self.sport = _plain(packets["src_port"]).astype(np.uint16, copy=True)
        self.dport = _plain(packets["dst_port"]).astype(np.uint16, copy=True)
        self.icmp_type = _plain(packets["icmp_type"])
        self.icmp_code = _plain(packets["icmp_code"])
        self.one_way = np.zeros(len(packets), bool)
        icmp = packets["icmp_type"].notna().to_numpy()
        if icmp.any():
            rows = np.flatnonzero(icmp)
            self.sport[rows], self.dport[rows], self.one_way[rows] = icmp_ports(
                proto.iloc[rows].reset_index(drop=True), self.icmp_type[rows], self.icmp_code[rows]
            )
        self._follow_fragments(packets)

    def _follow_fragments(self, packets: pd.DataFrame) -> None:
        """Give later fragments what stands for ports in the first fragment of their datagram (RFC 791 2.3)."""
        rows = np.flatnonzero(packets["fragment"].notna().to_numpy())
        if not len(rows):
            return
        parts = pd.DataFrame(
            {
                "src": self.src[rows],
                "dst": self.dst[rows],
                "kind": self.kind[rows],
                "id": _plain(packets["ip_id"])[rows],
                "row": rows.astype(float),
            }
        )
        first = _plain(packets["fragment"])[rows] == 0
        # the latest first fragment of the datagram; where the first one comes later than others, that one
        source = parts["row"].where(first)
        keys = [parts["src"], parts["dst"], parts["kind"], parts["id"]]
        source = source.groupby(keys).ffill().fillna(source.groupby(keys).bfill())
        known = source.notna().to_numpy()
        here, there = rows[known], source[known].to_numpy().astype(np.int64)
        for each in (self.sport, self.dport, self.one_way):
            each[here] = each[there]


def _kinds(proto: pd.Series) -> np.ndarray:
    numbers = ip_protocol(pd.Series(proto.cat.categories))
    table = [int(number) or 256 + place for place, number in enumerate(numbers)]
    return np.array([*table, 256 + len(table)], np.int32)[proto.cat.codes.to_numpy()]


def _session_table(
    packets: pd.DataFrame,
    keys: _Keys,
    head: np.ndarray,
    tally: np.ndarray,
    history: np.ndarray,
    letters: np.ndarray,
    sensor: str | None,
) -> pd.DataFrame:
    from nsm_nb.kernels import conversations as kernel

    count = len(head)
    start, end, first, bits = head[:, 2], head[:, 3], head[:, 4], head[:, 5]
    flipped = (bits & kernel.FLIPPED) > 0
    named = ["proto", "vlan", "evidence", "frame", "icmp_type", "icmp_code"]
    sent = packets[named].take(first).reset_index(drop=True)

    def of_opener(src: np.ndarray, dst: np.ndarray) -> np.ndarray:
        return np.where(flipped, dst, src)

    src_code = of_opener(keys.src[first], keys.dst[first])
    dst_code = of_opener(keys.dst[first], keys.src[first])
    sport = of_opener(keys.sport[first], keys.dport[first])
    dport = of_opener(keys.dport[first], keys.sport[first])
    dtype = _shared_address_dtype(packets)
    src_ip = pd.Categorical.from_codes(src_code, dtype=dtype, validate=False)
    dst_ip = pd.Categorical.from_codes(dst_code, dtype=dtype, validate=False)
    proto = sent["proto"].astype("category").cat.remove_unused_categories()
    portless = ~proto.isin(["tcp", "udp", "sctp", "udplite"]).to_numpy()
    src, dst = address_numbers(pd.Series(src_ip)), address_numbers(pd.Series(dst_ip))
    one_way = keys.one_way[first]
    ids = stable_numbers(src, dst, sport, dport, keys.kind[first], start)
    until = int(packets["time"].max().value)
    idle = np.maximum((until - end) // 1_000_000_000, 0)
    dst_port = pd.arrays.IntegerArray(dport.astype(np.uint16), portless)

    def utc(values: np.ndarray) -> pd.Series:
        return pd.Series(values.view("M8[ns]")).dt.tz_localize("UTC")

    return pd.DataFrame(
        {
            "session": pd.arrays.IntegerArray(ids, np.zeros(count, bool)),
            "start": utc(start),
            "end": utc(end),
            "duration": (end - start) / 1e9,
            "proto": proto,
            "src_ip": src_ip,
            "src_port": pd.arrays.IntegerArray(sport.astype(np.uint16), portless.copy()),
            "dst_ip": dst_ip,
            "dst_port": dst_port,
            **{
                f"{side}_{what}": pd.arrays.IntegerArray(tally[:, place, field].copy(), np.zeros(count, bool))
                for field, what in enumerate(("packets", "octets", "payload"))
                for place, side in enumerate(("src", "dst"))
            },
            "state": _states(proto, bits, tally, sent, flags=_flags_seen(kernel, bits)),
            "closed": _closings(proto, bits, idle),
            "history": _history(proto, history, letters),
            "application": port_names(proto, pd.Series(dst_port)),
            "direction_known": pd.arrays.BooleanArray((bits & kernel.KNOWN) > 0, np.zeros(count, bool)),
            "community_id": community_id(src, dst, sport, dport, proto, one_way=one_way),
            "vlan": sent["vlan"].array,
            "sensor": pd.Categorical([sensor] * count if sensor else [None] * count),
            "evidence": sent["evidence"].astype("category").array,
            "record": pd.arrays.IntegerArray(sent["frame"].to_numpy(np.int64), np.zeros(count, bool)),
            "source": pd.Categorical.from_codes(np.zeros(count, np.int8), categories=pd.Index(["pcap"], dtype="str")),
        },
        copy=False,
    )[list(SESSIONS.columns)]


def _shared_address_dtype(packets: pd.DataFrame) -> pd.CategoricalDtype:
    from nsm_nb.schema import addresses

    src, dst = packets["src_ip"], packets["dst_ip"]
    return src.dtype if src.dtype == dst.dtype else addresses(src, dst)[0].dtype


def _flags_seen(kernel: object, bits: np.ndarray) -> dict[str, np.ndarray]:
    return {
        name: (bits & getattr(kernel, name)) > 0
        for name in ("SYN", "SYN_ACK", "FIN_SRC", "FIN_DST", "RST_SRC", "RST_DST", "REFUSED")
    }


def _states(
    proto: pd.Series, bits: np.ndarray, tally: np.ndarray, sent: pd.DataFrame, *, flags: dict
) -> pd.Categorical:
    """Return the state as Argus 3 prints it: for TCP the first of RST FIN CON ACC REQ that holds."""
    from nsm_nb.kernels.conversations import ESTABLISHED

    names = ["CON", "INT", "RST", "FIN", "ACC", "REQ"]
    both = (tally[:, 0, 0] > 0) & (tally[:, 1, 0] > 0)
    codes = np.where(both, 0, 1)
    of_tcp = np.select(
        [
            flags["RST_SRC"] | flags["RST_DST"],
            flags["FIN_SRC"] | flags["FIN_DST"],
            (bits & ESTABLISHED) > 0,
            flags["SYN_ACK"],
            flags["SYN"],
        ],
        [2, 3, 0, 4, 5],
        0,
    )
    codes = np.where((proto == "tcp").to_numpy(), of_tcp, codes)
    icmp = np.flatnonzero(sent["icmp_type"].notna().to_numpy())
    if len(icmp):
        asked = sent.iloc[icmp]
        told = {
            key: _icmp_state(*key)
            for key in set(zip(asked["proto"], asked["icmp_type"], asked["icmp_code"], strict=True))
        }
        names += sorted(set(told.values()) - set(names))
        codes[icmp] = [
            names.index(told[key]) for key in zip(asked["proto"], asked["icmp_type"], asked["icmp_code"], strict=True)
        ]
    return pd.Categorical.from_codes(codes, categories=pd.Index(names, dtype="str")).remove_unused_categories()


def _icmp_state(proto: str, kind: int, code: int) -> str:
    state = _ICMP_STATES.get((proto, int(kind)), "INT")
    if state == "UR":
        state = (_UNREACHABLE if proto == "icmp" else _UNREACHABLE6).get(int(code), "UR")
    return state


def _closings(proto: pd.Series, bits: np.ndarray, idle: np.ndarray) -> pd.Categorical:
    """Return in words how each TCP session ended; other protocols have no end that could be seen."""
    from nsm_nb.kernels import conversations as kernel

    def has(bit: int) -> np.ndarray:
        return (bits & bit) > 0

    tcp = (proto == "tcp").to_numpy()
    words = ["both", "refused by dst", "reset by src", "reset by dst", "src only", "dst only", "no answer", "open"]
    choice = np.select(
        [
            has(kernel.FIN_SRC) & has(kernel.FIN_DST),
            has(kernel.REFUSED),
            has(kernel.RST_SRC),
            has(kernel.RST_DST),
            has(kernel.FIN_SRC),
            has(kernel.FIN_DST),
            has(kernel.SYN) & ~has(kernel.SYN_ACK) & ~has(kernel.ESTABLISHED),
        ],
        list(range(7)),
        7,
    )
    silent = tcp & (choice == 7) & (idle >= 60)
    seconds = np.unique(idle[silent])
    choice = np.where(silent, len(words) + np.searchsorted(seconds, idle), choice)
    words += [f"idle {each} s" for each in seconds]
    return pd.Categorical.from_codes(np.where(tcp, choice, -1), categories=pd.Index(words, dtype="str"))


def _history(proto: pd.Series, history: np.ndarray, letters: np.ndarray) -> pd.Series:
    import pyarrow as pa

    from nsm_nb.kernels.conversations import history_texts

    data, offsets = history_texts(history, letters)
    known = proto.isin(["tcp", "udp", "sctp"]).to_numpy()
    valid = None if known.all() else pa.array(known).buffers()[1]
    return pd.Series(
        pd.array(
            pa.LargeStringArray.from_buffers(len(letters), pa.py_buffer(offsets), pa.py_buffer(data), valid),
            dtype="str",
        )
    )
