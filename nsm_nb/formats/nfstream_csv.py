"""Flows that NFStream wrote as CSV (``to_csv``, or pandas).

Bytes are those of whole frames by default, and of IP, TCP or the payload where it was told so (`accounting_mode`); the file does
not say which. It is inferred from the smallest flows, and a caveat says what was taken.

Source: https://www.nfstream.org/docs/api; measured on the fixtures in both modes.
"""

from __future__ import annotations

import os
from typing import Any

import numpy as np
import pandas as pd

from nsm_nb.formats import columns, tabular
from nsm_nb.formats.lines import Fingerprint, whole_text
from nsm_nb.formats.printed_values import Values, worded
from nsm_nb.schema import FLOWS, SESSIONS

__all__ = ["EXTENSIONS", "NAME", "TITLE", "recognises", "sessions"]

NAME = "nfstream-csv"
TITLE = "flows of NFStream as CSV"
EXTENSIONS = (".csv",)
_HEADER = r"^(?:\xef\xbb\xbf)?(?:,)?\"?(?:id\"?,\"?expiration_id|expiration_id|src_ip\"?,\"?src_(?:mac|port))"
_SIDES = {"src": "src2dst", "dst": "dst2src"}
_FLAGS = ("fin", "syn", "rst", "psh", "ack", "urg", "ece", "cwr")  # from bit 0 on
_WANTED = (
    "src_ip", "src_port", "dst_ip", "dst_port", "protocol", "vlan_id", "ip_version", "application_name",
    "bidirectional_first_seen_ms", "bidirectional_last_seen_ms",
    *(f"{side}_{what}" for side in _SIDES.values() for what in ("packets", "bytes", *(f"{flag}_packets" for flag in _FLAGS))),
)  # fmt: skip
_ETHERNET = 14
_LEAST = {"tcp": 40, "udp": 28, "icmp": 28}  # IPv4 bytes of the shortest packet; IPv6 has more


def _names(line: bytes) -> list[str]:
    return [each.strip().strip('"') for each in whole_text(line.removeprefix(b"\xef\xbb\xbf")).split(",")]


def recognises(head: bytes) -> bool:
    """Return True where the first line has the names of NFStream's columns."""
    return {"src_ip", "protocol", "bidirectional_first_seen_ms", "src2dst_packets"} <= {
        *_names(tabular.header_of(head, _HEADER))
    }


def sessions(path: str | os.PathLike, *, label: str | None = None, digest: str | None = None) -> pd.DataFrame:
    """Read the flows: one row a flow, both directions; FLOWS where flags of TCP are counted, else SESSIONS.

    `src` is who sent the first packet. Times are milliseconds. Parameters and errors as `nsm_nb.formats.read_sessions`.
    """
    label = os.fspath(path) if label is None else label
    layout = tabular.Layout("flow of NFStream's", _HEADER, _names)
    with Fingerprint(path, digest) as fingerprint:
        values = Values(tabular.read(path, label, layout, _WANTED), label)
    proto = values.protocols("protocol")
    start, end = (values.numbers_of_time(f"bidirectional_{each}_seen_ms", "ms") for each in ("first", "last"))
    vlan = values.whole("vlan_id", most=4095, dtype="UInt16")
    packets = {side: values.whole(f"{name}_packets") for side, name in _SIDES.items()}
    octets = {side: values.whole(f"{name}_bytes") for side, name in _SIDES.items()}
    link = _link(values, proto, packets, octets)
    table: dict[str, Any] = {
        "session": columns.session_numbers(fingerprint.digits(), values.found.record),
        "start": start, "end": end, "duration": (end - start).dt.total_seconds(), "proto": proto,
        "src_ip": values.texts("src_ip"), "src_port": values.ports("src_port", proto),
        "dst_ip": values.texts("dst_ip"), "dst_port": values.ports("dst_port", proto),
        "application": columns.mapped(values.raw("application_name"), _application),
        "vlan": vlan.where((vlan > 0).fillna(False), pd.NA),
        "evidence": columns.same(label, values.count), "record": values.found.record,
        "source": columns.same(NAME, values.count),
    }  # fmt: skip
    for side in _SIDES:
        table[f"{side}_packets"] = packets[side]
        if link is None:
            continue
        tags = 4 * table["vlan"].notna().astype("Int64") if link else 0
        table[f"{side}_octets"] = octets[side] - (link + tags) * packets[side]
    counted = values.has("src2dst_syn_packets", "src2dst_ack_packets")
    tcp = np.array([*(each == "tcp" for each in proto.categories), False])[proto.codes]
    table |= _ending(values, tcp, packets) if counted else {"direction_known": _known(np.zeros(values.count, bool))}
    return columns.conformed(
        FLOWS if counted else SESSIONS, table, values.found.record, values.found.start, label, values.told()
    )


def _known(which: np.ndarray) -> pd.arrays.BooleanArray:
    return pd.arrays.BooleanArray(which, np.zeros(len(which), bool))


def _application(text: bytes) -> str | None:
    return None if text.strip() in (b"", b"Unknown") else whole_text(text)


def _link(
    values: Values, proto: pd.Categorical, packets: dict[str, pd.Series], octets: dict[str, pd.Series]
) -> int | None:
    """Return the bytes of the link layer in each packet; None where bytes are neither those of frames nor of IP."""
    least = np.array([*(_LEAST.get(each, 20) for each in proto.categories), 20])[proto.codes]
    smallest = None
    for side in _SIDES:
        count, size = (each[side].to_numpy(np.float64, na_value=np.nan) for each in (packets, octets))
        spare = (size - least * count)[count > 0] / count[count > 0]
        if (~np.isnan(spare)).any():
            smallest = min(np.nanmin(spare), np.inf if smallest is None else smallest)
    if smallest is None:
        return _ETHERNET
    if smallest < 0:
        said = "its bytes are fewer than IP's headers have: NFStream counted those of TCP or of payload; octets are missing"
        values.say("octets", said)
        return None
    link = 0 if smallest < _ETHERNET else _ETHERNET
    said = (
        "its bytes are taken for those of IP, for some are too few for a frame (accounting_mode=1)"
        if not link
        else "its bytes are taken for those of frames, NFStream's default: 14 a packet (Ethernet's header) were taken off"
    )
    values.say("octets", said)
    return link


def _ending(values: Values, tcp: np.ndarray, packets: dict[str, pd.Series]) -> dict[str, Any]:
    """Return flags of both sides, and what follows from them: `state`, `closed`, `direction_known`."""
    counts = {
        side: {flag: values.whole(f"{name}_{flag}_packets").fillna(0).to_numpy(np.int64) for flag in _FLAGS}
        for side, name in _SIDES.items()
    }
    flags = {side: np.zeros(values.count, np.int64) for side in _SIDES}
    for side in _SIDES:
        for bit, flag in enumerate(_FLAGS):
            flags[side] |= (counts[side][flag] > 0).astype(np.int64) << bit
    src, dst = counts["src"], counts["dst"]
    sent = {side: packets[side].fillna(0).to_numpy(np.int64) for side in _SIDES}
    rst, fin = (src["rst"] + dst["rst"]) > 0, (src["fin"] + dst["fin"]) > 0
    asked = (src["syn"] > 0) & (src["ack"] < sent["src"])  # a SYN of src without ACK
    state = np.select(
        [~tcp, rst, fin, asked & (dst["syn"] > 0) & (src["ack"] == 0), asked & (dst["syn"] == 0) & (sent["dst"] == 0)],
        ["", "RST", "FIN", "ACC", "REQ"],
        "CON",
    )
    closed = np.select(
        [
            ~tcp,
            (src["fin"] > 0) & (dst["fin"] > 0),
            src["rst"] > 0,
            dst["rst"] > 0,
            src["fin"] > 0,
            dst["fin"] > 0,
            state == "REQ",
        ],
        ["", "both", "reset by src", "reset by dst", "src only", "dst only", "no answer"],
        "open",
    )
    result: dict[str, Any] = {
        "state": worded(state),
        "closed": worded(closed),
        "direction_known": _known(tcp & asked),
    }
    for side in _SIDES:
        result[f"{side}_flags"] = pd.arrays.IntegerArray(flags[side].astype(np.uint8), ~tcp)
    return result
