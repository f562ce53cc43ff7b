"""Zeek's conn.log, its connections: with tabs or as JSON.

Zeek counts payload (`orig_bytes`) and, apart from it, IP bytes (`orig_ip_bytes`): the second are our octets. For ICMP its ports
are type and code. `conn_state` is told in words of Argus', which is what `state` holds, and how it was closed in `closed`.

Source: Zeek's documentation, conn.log, "conn_state" and "history"; policy/protocols/conn/ (VLANs, MACs, Community ID).
"""

from __future__ import annotations

import os
from typing import Any

import numpy as np
import pandas as pd

from nsm_nb.errors import DamagedEvidence
from nsm_nb.formats import columns, tabular, zeek_log
from nsm_nb.formats.icmp_messages import icmp_state
from nsm_nb.formats.lines import Fingerprint, as_utf8, whole_text
from nsm_nb.formats.patterns import Found
from nsm_nb.formats.printed_values import Values, worded
from nsm_nb.formats.source import read_head
from nsm_nb.schema import SESSIONS
from nsm_nb.text import form, many

__all__ = ["EXTENSIONS", "NAME", "TITLE", "detail", "recognises", "sessions"]

NAME = "zeek-conn"
TITLE = "Zeek's conn.log"
EXTENSIONS = (".log", ".json", ".cut")
# the name of a field, and those it has by Log::default_scope_sep, Log::default_field_name_map and in Corelight's JSON
_FIELDS: dict[str, tuple[str, ...]] = {
    "ts": ("ts",), "uid": ("uid",), "duration": ("duration",), "proto": ("proto",), "service": ("service",),
    "src": ("id.orig_h", "id_orig_h", "src", "orig_h"), "src_port": ("id.orig_p", "id_orig_p", "src_port", "orig_p"),
    "dst": ("id.resp_h", "id_resp_h", "dst", "resp_h"), "dst_port": ("id.resp_p", "id_resp_p", "dst_port", "resp_p"),
    "src_payload": ("orig_bytes",), "dst_payload": ("resp_bytes",), "src_packets": ("orig_pkts",),
    "dst_packets": ("resp_pkts",), "src_octets": ("orig_ip_bytes",), "dst_octets": ("resp_ip_bytes",),
    "state": ("conn_state",), "history": ("history",), "missed": ("missed_bytes",), "vlan": ("vlan", "id.ctx.vlan"),
    "community": ("community_id",), "sensor": ("_system_name", "_node_name", "peer_descr"), "ip_proto": ("ip_proto",),
}  # fmt: skip
# conn_state -> Argus' state for TCP, and how it was closed
_STATES = {
    "S0": ("REQ", "no answer"), "S1": ("CON", "open"), "SF": ("FIN", "both"), "REJ": ("RST", "refused by dst"),
    "S2": ("FIN", "src only"), "S3": ("FIN", "dst only"), "RSTO": ("RST", "reset by src"), "RSTR": ("RST", "reset by dst"),
    "RSTOS0": ("RST", "reset by src"), "RSTRH": ("RST", "reset by dst"), "SH": ("FIN", "src only"),
    "SHR": ("FIN", "dst only"), "OTH": ("", ""),
}  # fmt: skip
# what zeek-cut -c leaves of a log: the names without "#fields"
_CUT = r"^(?:[\w.]+\t)*(?:id\.orig_h|id\.resp_h)(?:\t[\w.]+)*[\r\n]*$"
_OF_CONN = {"orig_pkts", "resp_pkts", "conn_state", "orig_bytes", "orig_ip_bytes", "history"}


def _names() -> tuple[str, ...]:
    return tuple(dict.fromkeys(name for names in _FIELDS.values() for name in names))


def recognises(head: bytes) -> bool:
    """Return True where the header says conn, or has a connection's fields, or the first object has them."""
    path = zeek_log.path_of(head)
    if path:
        return path == "conn" or (path.startswith("conn") and b"resp_h" in head[:4096])
    if _cut(head):
        return True
    keys = zeek_log.keys_of_json(head)
    return bool({"ts", "uid", "conn_state"} <= keys or {"ts", "uid", "orig_pkts", "history"} <= keys)


def _cut(head: bytes) -> bool:
    """Return True where a log was cut by zeek-cut, its names kept in the first line."""
    for line in head.removeprefix(b"\xef\xbb\xbf").split(b"\n", 8)[:8]:
        if line.strip() and not line.startswith(b"#"):
            names = {*whole_text(line.rstrip(b"\r")[:4096]).split("\t")}
            return {"id.orig_h", "id.resp_h"} <= names and bool(names & _OF_CONN)
    return False


def sessions(path: str | os.PathLike, *, label: str | None = None, digest: str | None = None) -> pd.DataFrame:
    """Read the connections of a log: one row of SESSIONS for each.

    `src` is Zeek's originator. Where its history says that Zeek turned the connection round (``^``), or the log tells that
    the opening was not seen, `direction_known` is False. What is unset is missing. Parameters and errors as
    `nsm_nb.formats.read_sessions`.
    """
    label = os.fspath(path) if label is None else label
    with Fingerprint(path, digest) as fingerprint:
        try:
            found = _read_cut(path, label) if _cut(as_utf8(read_head(path))) else zeek_log.read(path, label, _names())
        except DamagedEvidence as problem:
            raise DamagedEvidence(str(problem), SESSIONS.empty()) from None
    values = Values(_named(found), label)
    proto = values.protocols("proto")
    proto = _whose_number(proto, values)
    start = zeek_log.times(values.found.fields["ts"])
    untimed = int(start.isna().sum())
    if untimed:
        which = f"{untimed:,} of {many(values.count, 'connection')} {form(untimed, 'has', 'have')}"
        values.say("clock", f"{which} no time that can be read; it is missing")
    duration = values.decimals("duration")
    tcp = np.array([*(each == "tcp" for each in proto.categories), False])[proto.codes]
    nanoseconds = np.round(np.nan_to_num(duration) * 1e9).astype(np.int64)
    table: dict[str, Any] = {
        "session": columns.session_numbers(fingerprint.digits(), found.record),
        "start": start, "end": (start + pd.to_timedelta(nanoseconds)).where(~np.isnan(duration)), "duration": duration,
        "proto": proto, "src_ip": values.texts("src"), "dst_ip": values.texts("dst"),
        "history": _text(values, "history"), "community_id": _text(values, "community"),
        "application": columns.mapped(values.raw("service"), _application),
        "vlan": values.whole("vlan", most=4095, dtype="UInt16"), "sensor": values.texts("sensor"),
        "evidence": columns.same(label, values.count), "record": found.record, "source": columns.same(NAME, values.count),
    }  # fmt: skip
    table |= _ending(values, proto, tcp)
    for side in ("src", "dst"):
        table |= {f"{side}_{what}": values.whole(f"{side}_{what}") for what in ("packets", "octets", "payload")}
        table[f"{side}_port"] = values.ports(f"{side}_port", proto)
    _alone(table)
    missed = values.whole("missed").fillna(0)
    if (missed > 0).any():
        said = (
            f"Zeek missed {many(int(missed.sum()), 'byte')} of payload in {many(int((missed > 0).sum()), 'connection')}"
        )
        values.say("gap", said)
    return columns.conformed(SESSIONS, table, found.record, found.start, label, values.told())


def detail(path: str | os.PathLike, record: int) -> dict[str, Any]:
    """Return one connection, all its fields; parameters and errors as `eve.detail`."""
    return zeek_log.row_at(path, record)


def _read_cut(path: str | os.PathLike, label: str) -> Found:
    import pyarrow as pa
    import pyarrow.compute as pc

    layout = tabular.Layout(
        "connection of Zeek's",
        _CUT,
        lambda line: whole_text(line.rstrip(b"\r")).split("\t"),
        b"\t",
        passed=r"^\s*$|^#",
    )
    found = tabular.read(path, label, layout, _names())
    unset = pa.array([b"-", b"(empty)"], pa.binary())
    absent = pa.scalar(None, pa.binary())
    fields = {
        name: pc.if_else(pc.is_in(column, unset), absent, column)
        for name, column in zip(found.fields.column_names, found.fields.columns, strict=True)
    }
    return found._replace(fields=pa.table(fields))


def _named(found: Found) -> Found:
    """Return the log with one name for each field, whatever it is called there."""
    import pyarrow as pa
    import pyarrow.compute as pc

    fields = {name: pc.coalesce(*(found.fields[each] for each in names)) for name, names in _FIELDS.items()}
    return found._replace(fields=pa.table(fields))


def _whose_number(proto: pd.Categorical, values: Values) -> pd.Categorical:
    """Return protocols, those that Zeek calls unknown_transport by their number, and ICMP of IPv6 as such."""
    number = values.protocols("ip_proto")
    texts, codes = list(proto.categories), proto.codes.copy().astype(np.int32)
    for name in ("unknown_transport", "icmp"):
        if name not in texts:
            continue
        rows = codes == texts.index(name)
        for other in number.categories:
            if name == "icmp" and other != "icmp6":
                continue
            mine = rows & (number.codes == number.categories.get_loc(other))
            if other not in texts:
                texts.append(other)
            codes[mine] = texts.index(other)
    if "icmp" in texts:
        # logs before 6.0 have no ip_proto: between two IPv6 addresses ICMP is ICMPv6
        six = values.texts("src")
        colon = np.array([*(":" in each for each in six.categories), False])[six.codes]
        rows = (codes == texts.index("icmp")) & colon
        if rows.any():
            if "icmp6" not in texts:
                texts.append("icmp6")
            codes[rows] = texts.index("icmp6")
    if "unknown_transport" in texts:
        codes[codes == texts.index("unknown_transport")] = -1
    return pd.Categorical.from_codes(codes, categories=pd.Index(texts, dtype="str")).remove_unused_categories()


def _text(values: Values, name: str) -> pd.Series:
    import pyarrow as pa

    column = values.found.fields[name]
    try:
        return columns.text(column.cast(pa.string()))
    except pa.ArrowInvalid:  # not UTF-8
        return pd.Series(columns.mapped(column, lambda text: whole_text(text) or None)).astype("str")


def _application(text: bytes) -> str | None:
    return whole_text(text) or None


def _alone(table: dict[str, Any]) -> None:
    """Give connections of one packet, of which Zeek leaves the duration unset, their end."""
    packets = table["src_packets"].fillna(0) + table["dst_packets"].fillna(0)
    alone = np.isnan(table["duration"]) & (packets == 1).to_numpy(bool)
    table["duration"] = np.where(alone, 0.0, table["duration"])
    table["end"] = table["end"].where(~alone, table["start"])


def _ending(values: Values, proto: pd.Categorical, tcp: np.ndarray) -> dict[str, Any]:
    """Return `state`, `closed` and `direction_known`."""
    said = values.texts("state")
    turned = columns.mapped(values.raw("history"), lambda text: "^" if b"^" in text else "S" if b"S" in text else "-")
    sent = [values.whole(f"{side}_packets").fillna(0).to_numpy(np.int64) > 0 for side in ("src", "dst")]
    states = [*(_STATES.get(each, ("", "")) for each in said.categories), ("", "")]
    other = np.select([sent[0] & sent[1], sent[0] | sent[1]], ["CON", "INT"], "")
    of_tcp, ends = (np.array([each[part] for each in states])[said.codes] for part in (0, 1))
    icmp, kinds = _messages(values, proto)
    state = np.select([tcp, icmp], [of_tcp, kinds], other)
    told = said.codes >= 0
    opened = np.array([*(each == "S" for each in turned.categories), False])[turned.codes]
    seen = np.array([*(each not in ("OTH", "RSTRH", "SHR") for each in said.categories), False])[said.codes]
    known = tcp & np.where(turned.codes < 0, seen, opened)
    return {
        "state": worded(state),
        "closed": worded(np.where(tcp, ends, "")),
        "direction_known": pd.arrays.BooleanArray(known, ~told & (turned.codes < 0)),
    }


def _messages(values: Values, proto: pd.Categorical) -> tuple[np.ndarray, np.ndarray]:
    """Return which connections are of ICMP, and what they are: type and code stand in the ports."""
    number = [columns.numbers(values.raw(f"{side}_port"), _small) for side in ("src", "dst")]
    which = np.array([*(each in ("icmp", "icmp6") for each in proto.categories), False])[proto.codes]
    rows = np.flatnonzero(which & ~np.isnan(number[0]) & ~np.isnan(number[1]))
    asked = (proto.codes[rows].astype(np.int64) << 16) | (number[0][rows] * 256 + number[1][rows]).astype(np.int64)
    known, place = np.unique(asked, return_inverse=True)
    names = [icmp_state(proto.categories[each >> 16], each >> 8 & 255, each & 255) for each in known.tolist()]
    kinds = np.full(len(which), "", object)
    kinds[rows] = np.array([*names, ""], object)[place]
    return which, kinds


def _small(text: bytes) -> float | None:
    return float(text) if text.isdigit() and len(text) < 4 and int(text) < 256 else None
