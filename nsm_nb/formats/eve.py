"""Suricata's EVE log, one JSON object a line: alerts, and flows as sessions.

Source: Suricata user guide, "EVE JSON Format"; measured on Suricata 7.0.10 (docs/differences.md).
"""

from __future__ import annotations

import os
import re
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from nsm_nb.errors import DamagedEvidence, UnknownFormat
from nsm_nb.formats import columns
from nsm_nb.formats.json_lines import Fields, event_at, read_events
from nsm_nb.formats.lines import Fingerprint, Noted, Span
from nsm_nb.formats.source import read_head
from nsm_nb.schema import ALERTS, FLOWS, SESSIONS, Caveat, Schema
from nsm_nb.text import form, many, printable

if TYPE_CHECKING:
    import pyarrow as pa

__all__ = ["EXTENSIONS", "NAME", "TITLE", "alerts", "detail", "event_types", "events", "recognises", "sessions"]

NAME = "eve"
TITLE = "Suricata EVE log (JSON lines)"
EXTENSIONS = (".json", ".jsonl", ".ndjson")

# Names of event_type that Suricata 4 to 8 write.
_EVENTS = frozenset(
    {
        "alert", "anomaly", "arp", "bittorrent_dht", "dcerpc", "dhcp", "dnp3", "dns", "drop", "email", "enip",
        "fileinfo", "flow", "frame", "ftp", "ftp_data", "http", "http2", "ike", "ikev2", "krb5", "ldap", "mdns",
        "metadata", "modbus", "mqtt", "netflow", "nfs", "ntp", "pgsql", "pop3", "quic", "rdp", "rfb", "sip", "smb",
        "smtp", "snmp", "ssh", "stats", "stream", "telnet", "tftp", "tls", "websocket",
    }
)  # fmt: skip
_COMMON = {
    "sensor": "host",
    "proto": "proto",
    "src_ip": "src_ip",
    "dst_ip": "dest_ip",
    "community_id": "community_id",
}
_PORTS = {"src_port": "src_port", "dst_port": "dest_port"}
_NUMBERS = ("gid", "sid", "rev", "priority")
_NAMES = {**_PORTS, "sid": "signature_id", "priority": "severity"}
_ALERT = Fields(
    text=_COMMON | {"action": "alert.action", "message": "alert.signature", "classification": "alert.category"},
    numbers=_PORTS
    | {"gid": "alert.gid", "sid": "alert.signature_id", "rev": "alert.rev", "priority": "alert.severity"},
    times={"time": "timestamp"},
)
_FLOW = Fields(
    text=_COMMON
    | {
        "application": "app_proto",
        "vlan": "vlan",
        "reason": "flow.reason",
        "src_flags": "tcp.tcp_flags_ts",
        "dst_flags": "tcp.tcp_flags_tc",
        "tcp_state": "tcp.state",
    },
    numbers=_PORTS
    | {
        "src_packets": "flow.pkts_toserver",
        "dst_packets": "flow.pkts_toclient",
        "src_bytes": "flow.bytes_toserver",
        "dst_bytes": "flow.bytes_toclient",
        "icmp_type": "icmp_type",
    },
    times={"start": "flow.start", "end": "flow.end"},
)
_NETFLOW = Fields(
    text=_COMMON | {"application": "app_proto", "vlan": "vlan", "src_flags": "tcp.tcp_flags"},
    numbers=_PORTS
    | {
        "src_packets": "netflow.pkts",
        "src_bytes": "netflow.bytes",
        "icmp_type": "icmp_type",
        "icmp_code": "icmp_code",
    },
    times={"start": "netflow.start", "end": "netflow.end"},
)
_ETHERNET = 14  # bytes of an Ethernet header, which Suricata's flow counters include
_LEAST_IP = 20  # bytes of the smallest IP header
_TH_FIN, _TH_SYN, _TH_RST, _TH_ACK = 0x01, 0x02, 0x04, 0x10  # RFC 9293 3.1


def recognises(head: bytes) -> bool:
    """Return True where one of the first lines is an object with a `timestamp` and an `event_type` of Suricata's."""
    for line in head.removeprefix(b"\xef\xbb\xbf").split(b"\n", 64)[:64]:
        if not line.lstrip().startswith(b"{"):
            continue
        found = re.search(rb'"event_type"\s{0,8}:\s{0,8}"(\w{1,32})"', line)
        if found and found[1].decode() in _EVENTS and re.search(rb'"timestamp"\s{0,8}:\s{0,8}"', line):
            return True
    return False


def alerts(
    path: str | os.PathLike, *, label: str | None = None, digest: str | None = None, span: Span | None = None
) -> pd.DataFrame:
    """Read the alerts of an EVE log: one row of ALERTS for each event of type ``alert``.

    Parameters
    ----------
    path
        The log, plain or gzip.
    label
        The `evidence` of the rows; the path where not given.
    digest
        SHA-256 of the file, where it is known already; else it is computed.
    span
        The part of the file to read; all of it where not given.

    Returns
    -------
    DataFrame
        Damaged lines stand in the caveats, with their number and first byte.

    Raises
    ------
    UnreadableEvidence
        Where the file is missing, empty or locked.
    DamagedEvidence
        Where not one of its lines is JSON.
    """
    label = os.fspath(path) if label is None else label
    with Fingerprint(path, digest) as fingerprint:
        rows, caveats = _read(path, label, _ALERT, "alert", ALERTS, span)
    table = _common(rows, label)
    table |= {
        "alert": columns.alert_names(fingerprint.digits(), table["record"]),
        "time": _times(rows, "time", label, caveats),
        "message": columns.text(rows["message"]),
        "classification": columns.category(rows["classification"]),
        "action": columns.category(rows["action"]),
    }
    table |= {name: columns.whole(rows[name].to_numpy()) for name in _NUMBERS}
    _told(rows, label, caveats, _NUMBERS)
    return _conformed(ALERTS, table, rows, label, caveats)


def sessions(path: str | os.PathLike, *, label: str | None = None, digest: str | None = None) -> pd.DataFrame:
    """Read the flows of an EVE log: one row of SESSIONS for each event of type ``flow``.

    Where it has none, but events of type ``netflow``, which are one direction each, these become rows of FLOWS.

    Suricata's byte counters include the link layer: 14 bytes a packet, Ethernet's header, are taken off, and a caveat
    says so. Flows with a VLAN tag, and those of which this can't be true, have no octets. Payload and history are not
    in the log, so they are missing. Parameters and errors as `alerts`.
    """
    label = os.fspath(path) if label is None else label
    with Fingerprint(path, digest) as fingerprint:
        rows, caveats = _read(path, label, _FLOW, "flow", SESSIONS)
        pieces = None
        if not rows.num_rows or b'"netflow"' in read_head(path):
            pieces, told = _read(path, label, _NETFLOW, "netflow", SESSIONS)
    if pieces is not None and pieces.num_rows:
        if not rows.num_rows:
            return _one_way(pieces, label, told, fingerprint.digits())
        count = pieces.num_rows
        tell = many(
            count, "event of type netflow tells a flow's direction", "events of type netflow tell the flows' directions"
        )
        said = f"{tell} once more; {form(count, 'it was', 'they were')} not read"
        caveats.append(Caveat(label, None, None, "netflow", f"{printable(label)}: {said}"))
    table = _common(rows, label)
    table |= {
        "session": columns.session_numbers(fingerprint.digits(), table["record"]),
        "start": _times(rows, "start", label, caveats),
        "end": _times(rows, "end", label, caveats),
        "application": columns.mapped(rows["application"], _application),
        "vlan": columns.mapped(rows["vlan"], _vlan).astype("UInt16"),
    }
    table["duration"] = (table["end"] - table["start"]).dt.total_seconds()
    for side in ("src", "dst"):
        packets = rows[f"{side}_packets"].to_numpy()
        octets = rows[f"{side}_bytes"].to_numpy() - _ETHERNET * packets
        octets[(octets < _LEAST_IP * packets) | pd.notna(table["vlan"])] = np.nan
        table[f"{side}_packets"] = columns.whole(packets)
        table[f"{side}_octets"] = columns.whole(octets)
    table |= _ending(rows, table["proto"])
    _told(rows, label, caveats)
    if rows.num_rows:
        caveats.append(
            Caveat(
                label, None, None, "octets",
                f"{printable(label)}: octets are Suricata's link-layer bytes less {_ETHERNET} a packet (Ethernet's "
                "header); where short frames were padded they are too many, and flows with a VLAN tag have none",
            )
        )  # fmt: skip
    return _conformed(SESSIONS, table, rows, label, caveats)


def _one_way(rows: pa.Table, label: str, caveats: list[Caveat], digest: str) -> pd.DataFrame:
    """Return events of type ``netflow`` as FLOWS."""
    from nsm_nb.formats.icmp_messages import icmp_state

    table = _common(rows, label)
    start, end = (_times(rows, each, label, caveats) for each in ("start", "end"))
    vlan = columns.mapped(rows["vlan"], _vlan).astype("UInt16")
    packets = rows["src_packets"].to_numpy()
    octets = rows["src_bytes"].to_numpy() - _ETHERNET * packets
    octets[(octets < _LEAST_IP * packets) | pd.notna(vlan)] = np.nan
    kinds, codes = (rows[each].to_numpy() for each in ("icmp_type", "icmp_code"))
    names = np.array([*table["proto"].categories, ""], object)[table["proto"].codes]
    states = np.full(rows.num_rows, None, object)
    for row in np.flatnonzero((kinds >= 0) & (kinds < 256)).tolist():
        states[row] = icmp_state(names[row], int(kinds[row]), int(np.nan_to_num(codes[row])))
    flags = columns.numbers(
        rows["src_flags"], lambda text: int(text, 16) if re.fullmatch("[0-9a-fA-F]{1,2}", text) else None
    )
    table |= {
        "session": columns.session_numbers(digest, table["record"]),
        "start": start, "end": end, "duration": (end - start).dt.total_seconds(), "vlan": vlan,
        "application": columns.mapped(rows["application"], _application), "state": pd.Categorical(states),
        "src_packets": columns.whole(packets), "src_octets": columns.whole(octets),
        "src_flags": columns.whole(flags, most=255, dtype="UInt8"),
        "direction_known": pd.arrays.BooleanArray(np.zeros(rows.num_rows, bool), np.zeros(rows.num_rows, bool)),
    }  # fmt: skip
    _told(rows, label, caveats)
    said = f"octets are Suricata's link-layer bytes less {_ETHERNET} a packet (Ethernet's header)"
    caveats.append(Caveat(label, None, None, "octets", f"{printable(label)}: {said}"))
    return _conformed(FLOWS, table, rows, label, caveats)


def detail(path: str | os.PathLike, record: int) -> dict[str, Any]:
    """Return one event as Suricata wrote it, all of it.

    Parameters
    ----------
    path
        The log.
    record
        The number of its line, from 1.

    Raises
    ------
    UnknownName
        Where there is no such line, or no object in it.
    """
    return event_at(path, record)


def events(path: str | os.PathLike, *, type: str, label: str | None = None) -> pd.DataFrame:
    """Return the events of one type, a row each; see `nsm_nb.formats.read_events`.

    Raises
    ------
    UnreadableEvidence
        Where the file is missing, empty or locked.
    UnknownFormat
        Where no such type of event is known to Suricata.
    DamagedEvidence
        Where not one of its lines is JSON.
    """
    from nsm_nb.formats.event_tables import event_table

    if type not in _EVENTS:
        raise UnknownFormat(
            f"Suricata has no events of type {printable(type)!r}; event_types(path) says which a file has"
        )
    label = os.fspath(path) if label is None else label
    fields = Fields(_COMMON, _PORTS, {"time": "timestamp"})
    rows, caveats = _read(path, label, fields, type, ALERTS)
    common = _common(rows, label) | {"time": _times(rows, "time", label, caveats)}
    _told(rows, label, caveats)
    return event_table(path, common, rows["byte"].to_numpy(), label, caveats)


def event_types(path: str | os.PathLike) -> pd.Series:
    """Return how many events of each type a log has, the most frequent first; errors as `events`."""
    rows, _ = read_events(path, os.fspath(path), Fields({"type": "event_type"}, {}, {}), key="event_type")
    return pd.Series(columns.category(rows["type"]), name="events").value_counts().rename_axis("type")


def _read(
    path: str | os.PathLike, label: str, fields: Fields, event: str, schema: Schema, span: Span | None = None
) -> tuple[pa.Table, list[Caveat]]:
    try:
        return read_events(path, label, fields, key="event_type", value=event, span=span)
    except DamagedEvidence as problem:
        raise DamagedEvidence(str(problem), schema.empty()) from None


def _common(rows: pa.Table, label: str) -> dict[str, Any]:
    proto = columns.mapped(rows["proto"], columns.protocol)
    return {
        "record": rows["record"].to_numpy(),
        "sensor": columns.category(rows["sensor"]),
        "proto": proto,
        "src_ip": columns.category(rows["src_ip"]),
        "dst_ip": columns.category(rows["dst_ip"]),
        "src_port": columns.ports(rows["src_port"].to_numpy(), proto),
        "dst_port": columns.ports(rows["dst_port"].to_numpy(), proto),
        "community_id": columns.text(rows["community_id"]),
        "evidence": columns.same(label, rows.num_rows),
        "source": columns.same(NAME, rows.num_rows),
    }


def _told(rows: pa.Table, label: str, caveats: list[Caveat], names: Sequence[str] = ()) -> None:
    """Add a caveat for each number that can't be what it is said to be, and is missing in the table."""
    noted = Noted(label, "number")
    for name, most in [*((each, 65_535) for each in _PORTS), *((each, columns.LARGEST) for each in names)]:
        values = rows[name].to_numpy()
        with np.errstate(invalid="ignore"):
            odd = np.flatnonzero(~np.isnan(values) & ~((values >= 0) & (values <= most) & (values == np.floor(values))))
        for row in odd.tolist():
            said = f"has {values[row]:,} as its {_NAMES.get(name, name)}, which can't be; it is missing"
            noted.add(int(rows["record"][row].as_py()), int(rows["byte"][row].as_py()), said)
    caveats += noted.caveats()


def _application(name: str) -> str | None:
    # "failed" says that Suricata gave up recognising it: that is no name of an application
    return None if name in ("", "failed", "unknown") else name


def _vlan(tags: str) -> float | None:
    found = re.match(r"\[?(\d{1,4})\b", tags)  # the outermost comes first
    return float(found[1]) if found else None


def _times(rows: pa.Table, name: str, label: str, caveats: list[Caveat]) -> pd.Series:
    """Return a column of times; those that can't be read, and those without a zone, become caveats."""
    import pyarrow.compute as pc

    times = columns.times(rows[name])
    lost = times.isna().to_numpy()
    if lost.any():
        noted = Noted(label, "clock")
        odd = rows.filter(lost)
        for record, byte, text in zip(
            *(odd[each].to_pylist() for each in ("record", "byte", f"{name}_text")), strict=True
        ):
            said = "has no time" if text is None else f"has the time {printable(text)[:40]!r}, which can't be read"
            noted.add(record, byte, f"{said}; its {name} is missing")
        caveats += noted.caveats()
    bare = pc.sum(pc.invert(rows[f"{name}_zoned"])).as_py() or 0
    if bare > lost.sum():
        count = bare - int(lost.sum())
        said = f"{many(count, 'time')} ({name}) {form(count, 'names', 'name')} no zone"
        detail = f"{printable(label)}: {said}; {form(count, 'it was', 'they were')} read as UTC"
        caveats.append(Caveat(label, None, None, "clock", detail))
    return times


def _ending(rows: pa.Table, proto: pd.Categorical) -> dict[str, Any]:
    """Return how flows ended, as far as the log tells: `state`, `closed` and `direction_known`.

    For TCP Argus' order holds: RST, then FIN, then what Suricata knows of the handshake. Where Suricata did not follow
    the stream its flags are 00, and all three are missing. Other protocols have no end that could be seen.
    """
    tcp, ported = _is(proto, "tcp"), _is(proto, "udp") | _is(proto, "sctp")
    flags = {side: np.where(tcp, _flags(rows[f"{side}_flags"]), 0) for side in ("src", "dst")}
    followed = (flags["src"] | flags["dst"]) > 0
    rst = {side: flags[side] & _TH_RST > 0 for side in flags}
    fin = {side: flags[side] & _TH_FIN > 0 for side in flags}
    sent = {side: rows[f"{side}_packets"].to_numpy() > 0 for side in flags}
    progress, reason = columns.category(rows["tcp_state"]), columns.category(rows["reason"])
    icmp = rows["icmp_type"].to_numpy()
    state = [
        (rst["src"] | rst["dst"], "RST"),
        (fin["src"] | fin["dst"], "FIN"),
        (followed & _is(progress, "syn_sent"), "REQ"),
        (followed & _is(progress, "syn_recv"), "ACC"),
        (followed & _is(progress, "established"), "CON"),
        (_is(proto, "icmp") & (icmp == 8) | _is(proto, "icmp6") & (icmp == 128), "ECO"),
        (ported & sent["src"] & sent["dst"], "CON"),
        (ported & (sent["src"] | sent["dst"]), "INT"),
    ]
    closed = [
        (fin["src"] & fin["dst"], "both"),
        (rst["dst"] & (flags["dst"] & _TH_SYN == 0) & ~fin["src"] & (flags["src"] & _TH_ACK == 0), "refused by dst"),
        (rst["src"], "reset by src"),
        (rst["dst"], "reset by dst"),
        (fin["src"], "src only"),
        (fin["dst"], "dst only"),
        (followed & _is(progress, "syn_sent"), "no answer"),
        (followed & _is(reason, "timeout"), "idle"),
        (followed, "open"),
    ]
    opened = pd.arrays.BooleanArray(flags["src"] & _TH_SYN > 0, ~followed)
    return {"state": _chosen(state), "closed": _chosen(closed), "direction_known": opened}


def _flags(column: pa.ChunkedArray) -> np.ndarray:
    values = columns.numbers(column, lambda text: int(text, 16) if re.fullmatch(r"[0-9a-fA-F]{1,4}", text) else None)
    return np.nan_to_num(values).astype(np.int64)


def _is(column: pd.Categorical, name: str) -> np.ndarray:
    return np.array([*(each == name for each in column.categories), False])[column.codes]


def _chosen(choices: list[tuple[np.ndarray, str]]) -> pd.Categorical:
    """Return for each row the word of the first condition that holds; missing where none does."""
    words = list(dict.fromkeys(word for _, word in choices))
    codes = np.select([where for where, _ in choices], [words.index(word) for _, word in choices], -1)
    return pd.Categorical.from_codes(codes, categories=pd.Index(words, dtype="str")).remove_unused_categories()


def _conformed(
    schema: Schema, table: dict[str, Any], rows: pa.Table, label: str, caveats: list[Caveat]
) -> pd.DataFrame:
    return columns.conformed(schema, table, table["record"], rows["byte"].to_numpy(), label, caveats)
