"""Names that the evidence itself gives to addresses: answers of DNS, server names of TLS, hosts of HTTP requests.

Nothing is ever looked up: asking for a name tells others what one looks at. Few packets are read: answers of DNS by their
port, and of each TCP session the first packets with payload from the one who opened it, as many as the ClientHello or the
head of the request takes.

An answer of DNS says what the name meant to those who asked; TLS and HTTP say what the client called the server, which it may
make up.

Source: RFC 1035, 4.1 (messages, compression); RFC 6762 (mDNS); RFC 8446, 4.1.2 and RFC 6066, 3 (ClientHello, server_name);
RFC 9110, 7.2 (Host).
"""

from __future__ import annotations

import ipaddress
import os
import re
from collections.abc import Iterator, Mapping

import numpy as np
import pandas as pd

from nsm_nb.full_content.frames import payload_bytes
from nsm_nb.schema import PACKETS, addresses
from nsm_nb.text import many

__all__ = ["MOST_PACKETS", "SOURCES", "names"]

MOST_PACKETS = 50_000  # payloads read of each kind; a second of work
SOURCES = ("dns", "dns cname", "dns ptr", "mdns", "tls", "http")

_DNS, _MDNS = 53, 5353
_RESPONSE, _A, _CNAME, _PTR, _AAAA, _SRV = 0x8000, 1, 5, 12, 28, 33
_MOST_RECORDS = 4096  # of one answer: more than 65,535 bytes hold
_MOST_OPENING = 12  # segments of a client's first words that are put together: 16 KB
_LONGEST_HEAD = 16_384  # bytes of a ClientHello or of a request's head
_MOST_JUMPS = 32  # compression pointers in one name
_LONGEST = 253  # RFC 1035, 2.3.4: 255 octets on the wire
_METHOD = re.compile(
    rb"(?:GET|HEAD|POST|PUT|DELETE|OPTIONS|PATCH|PROPFIND|CONNECT|TRACE) [^\r\n]{1,8000}\r?\n", re.ASCII
)
_HOST = re.compile(rb"\r?\nhost:[ \t]*([^\r\n]{1,300})", re.IGNORECASE)


def names(
    packets: pd.DataFrame, *, evidence: Mapping[str, str | os.PathLike] | None = None, most: int = MOST_PACKETS
) -> pd.DataFrame:
    """Return the names that packets give to addresses.

    Parameters
    ----------
    packets
        A table of PACKETS. Names of TLS and HTTP are looked for in sessions: where the packets have no `session` there are
        none, and a note says so.
    evidence
        The path of each `evidence` label; the labels are paths where not given.
    most
        How many packets of each kind to read at most; those of services not met before come first, and a note says how many
        were left unread.

    Returns
    -------
    pandas.DataFrame
        A row for each address, name and source: ``address name source count first last evidence frame``; `count` packets
        say so, `evidence` and `frame` are of the first. `source` is ``dns`` (the name that was asked for), ``dns cname``
        (another name on the way), ``dns ptr``, ``mdns``, ``tls`` or ``http``. `attrs["notes"]` says what was left out.
        Names are text of the evidence: show them through `nsm_nb.text`.

    Raises
    ------
    MissingColumn
        Where the table lacks a column that is needed.
    NsmError
        As `nsm_nb.full_content.frame_bytes`.
    """
    PACKETS.require(
        packets, "evidence", "frame", "time", "proto", "src_port", "dst_ip", "payload", "offset", "captured"
    )
    notes: list[str] = []
    found: list[tuple[int, str, str, str]] = []
    for rows, read in ((_answers(packets), _of_dns), (_streams(packets, _DNS_TCP, notes), _of_dns_stream)):
        rows = _limited(rows, most, notes)
        some = packets.iloc[rows]
        port = some["src_port"].to_numpy(np.int64, na_value=0).tolist()
        for row, payload, src_port in zip(rows.tolist(), payload_bytes(some, evidence=evidence), port, strict=True):
            found += [(row, *each) for each in read(payload.data, src_port)]
    rows = _limited(_streams(packets, _CLIENTS, notes), most, notes)
    first = [payload.data for payload in payload_bytes(packets.iloc[rows], evidence=evidence)]
    for row, data in zip(rows.tolist(), _whole(packets, rows, first, evidence), strict=True):
        dst = packets["dst_ip"].iloc[row]
        found += [(row, *each) for each in _of_stream(data, dst)]
    return _table(packets, found, notes)


def _is(column: pd.Series, value: object) -> np.ndarray:
    return (column == value).fillna(False).to_numpy(bool)


def _answers(packets: pd.DataFrame) -> np.ndarray:
    """Return the rows of UDP packets from the ports of DNS, in their order."""
    port = packets["src_port"].to_numpy(np.int64, na_value=0)
    rows = np.flatnonzero((port == _DNS) | (port == _MDNS))
    some = packets.iloc[rows]
    carries = some["payload"].to_numpy(np.int64, na_value=0) > 12
    return rows[_is(some["proto"], "udp") & carries]


def _limited(rows: np.ndarray, most: int, notes: list[str]) -> np.ndarray:
    if len(rows) <= most:
        return rows
    notes.append(f"{len(rows) - most:,} of {many(len(rows), 'packet')} that may carry names not read; most= reads more")
    return np.sort(rows[:most])


_CLIENTS, _DNS_TCP = "clients", "dns over tcp"


def _streams(packets: pd.DataFrame, which: str, notes: list[str]) -> np.ndarray:
    """Return the row of the first payload of each TCP session; the first of each service before all others.

    Of clients it is their first words, of DNS over TCP what the server says first.
    """
    if "session" not in packets or "to_dst" not in packets or not packets["session"].notna().any():
        if len(packets) and which == _CLIENTS:
            notes.append(
                "names in TLS and HTTP not looked for: the packets are not in sessions yet (sessions.assemble)"
            )
        return np.zeros(0, np.int64)
    rows = _carrying(packets, to_dst=which == _CLIENTS)
    if which == _DNS_TCP:
        rows = rows[packets["src_port"].to_numpy(np.int64, na_value=0)[rows] == _DNS]
    _, first = np.unique(packets["session"].to_numpy(np.int64, na_value=-1)[rows], return_index=True)
    rows = rows[np.sort(first)]
    service = packets.iloc[rows].groupby(["dst_ip", "dst_port"], observed=True, sort=False, dropna=False)
    return rows[np.argsort(service.cumcount().to_numpy(), kind="stable")]


def _carrying(packets: pd.DataFrame, *, to_dst: bool) -> np.ndarray:
    """Return the rows of TCP packets in sessions that carry something one way."""
    way = packets["to_dst"].fillna(not to_dst).to_numpy(bool) == to_dst
    carries = packets["payload"].to_numpy(np.int64, na_value=0) > 0
    return np.flatnonzero(carries & way & _is(packets["proto"], "tcp") & packets["session"].notna().to_numpy())


def _whole(
    packets: pd.DataFrame, rows: np.ndarray, first: list[bytes], evidence: Mapping[str, str | os.PathLike] | None
) -> list[bytes]:
    """Return the first words of each client, put together of as many segments as they take."""
    short = np.array([_unfinished(data) for data in first], bool)
    if not short.any():
        return first
    session = packets["session"].to_numpy(np.int64, na_value=-1)
    more = _carrying(packets, to_dst=True)
    more = more[np.isin(session[more], session[rows[short]])]
    order = np.argsort(session[more], kind="stable")
    more = more[order]
    starts = np.searchsorted(session[more], session[rows[short]])
    seq = packets["seq"].to_numpy(np.int64, na_value=0)
    result = list(first)
    for number, start in zip(np.flatnonzero(short).tolist(), starts.tolist(), strict=True):
        own = more[start : start + _MOST_OPENING]
        own = own[session[own] == session[rows[number]]]
        away = (seq[own] - seq[rows[number]]) & 0xFFFFFFFF  # sequence numbers wrap
        own = own[np.argsort(away, kind="stable")]
        data = b""
        for payload, at in zip(
            payload_bytes(packets.iloc[own], evidence=evidence), np.sort(away).tolist(), strict=True
        ):
            if at <= len(data) < _LONGEST_HEAD:
                data += payload.data[len(data) - at :]
        result[number] = data
    return result


def _unfinished(data: bytes) -> bool:
    """Return True where a ClientHello or the head of a request goes on in the next segment."""
    if len(data) >= 5 and data[0] == 22 and data[1] == 3:
        return len(data) < 5 + int.from_bytes(data[3:5], "big")
    return bool(_METHOD.match(data)) and b"\r\n\r\n" not in data and b"\n\n" not in data


def _table(packets: pd.DataFrame, found: list[tuple[int, str, str, str]], notes: list[str]) -> pd.DataFrame:
    said = pd.DataFrame(found, columns=["row", "address", "name", "source"])
    rows = packets.iloc[said.pop("row").to_numpy(np.int64)]
    said["time"] = rows["time"].to_numpy("datetime64[ns]")
    said["evidence"] = rows["evidence"].astype("str").to_numpy(object)
    said["frame"] = rows["frame"].to_numpy()
    grouped = said.sort_values("time", kind="stable").groupby(["address", "name", "source"], sort=False)
    table = grouped.agg(
        count=("frame", "size"),
        first=("time", "min"),
        last=("time", "max"),
        evidence=("evidence", "first"),
        frame=("frame", "first"),
    ).reset_index()
    table["address"] = addresses(table["address"])[0]
    table = table.astype(
        {
            "name": "str",
            "evidence": "str",
            "count": "int64",
            "frame": "int64",
            "first": "datetime64[ns]",
            "last": "datetime64[ns]",
        }
    )
    for name in ("first", "last"):
        table[name] = table[name].dt.tz_localize("UTC")
    table["source"] = pd.Categorical(table["source"], categories=list(SOURCES))
    table = table.sort_values(["address", "count"], ascending=[True, False], kind="stable", ignore_index=True)
    table.attrs = {"notes": notes, "evidence": sorted(set(table["evidence"]))}
    return table


# --- DNS


def _of_dns_stream(data: bytes, port: int) -> Iterator[tuple[str, str, str]]:
    """Yield the same of the answers in the first segment over TCP, each behind its length (RFC 1035, 4.2.2)."""
    at = 0
    while at + 2 <= len(data):
        size = int.from_bytes(data[at : at + 2], "big")
        yield from _of_dns(data[at + 2 : at + 2 + size], port)
        at += 2 + size


def _of_dns(data: bytes, port: int) -> Iterator[tuple[str, str, str]]:
    """Yield address, name and source for each address in an answer; nothing of a message that is damaged."""
    if len(data) < 12 or not int.from_bytes(data[2:4], "big") & _RESPONSE:
        return
    questions, answers = int.from_bytes(data[4:6], "big"), int.from_bytes(data[6:8], "big")
    at, asked = 12, ""
    for number in range(questions):
        name, at = _name(data, at)
        if name is None:
            return
        asked, at = (name if number == 0 else asked), at + 4
    source = "mdns" if port == _MDNS else "dns"
    for _ in range(min(answers, _MOST_RECORDS)):
        owner, at = _name(data, at)
        if owner is None or at + 10 > len(data):
            return
        kind, size = int.from_bytes(data[at : at + 2], "big"), int.from_bytes(data[at + 8 : at + 10], "big")
        at += 10
        value = data[at : at + size]
        if len(value) < size:
            return
        if (kind == _A and size == 4) or (kind == _AAAA and size == 16):
            address = str(ipaddress.ip_address(value))
            if first := asked or owner:
                yield address, first, source
            if owner and asked and owner != asked:
                yield address, owner, "dns cname"
        elif kind == _PTR and (reversed_address := _reversed(owner)):
            name, _ = _name(data, at)
            if name:
                yield reversed_address, name, "mdns" if port == _MDNS else "dns ptr"
        at += size


def _name(data: bytes, at: int) -> tuple[str | None, int]:
    """Return a name in lower case and where it ends; None where it is damaged, runs in circles or is too long."""
    labels, after, jumps, length = [], 0, 0, 0
    while True:
        if at >= len(data):
            return None, at
        size = data[at]
        if size == 0:
            at += 1
            break
        if size >= 0xC0:
            if at + 2 > len(data) or jumps >= _MOST_JUMPS:
                return None, at
            after, jumps = after or at + 2, jumps + 1
            at = int.from_bytes(data[at : at + 2], "big") & 0x3FFF
            continue
        length += size + 1
        if size > 63 or at + 1 + size > len(data) or length > _LONGEST + 1:
            return None, at
        labels.append(data[at + 1 : at + 1 + size].decode("latin-1"))
        at += 1 + size
    return ".".join(labels).lower(), after or at


def _reversed(name: str) -> str | None:
    """Return the address that a name of in-addr.arpa or ip6.arpa stands for (RFC 1035, 3.5; RFC 3596, 2.5)."""
    labels = name.split(".")
    try:
        if labels[-2:] == ["in-addr", "arpa"] and len(labels) == 6:
            return str(ipaddress.IPv4Address(".".join(reversed(labels[:4]))))
        if labels[-2:] == ["ip6", "arpa"] and len(labels) == 34:
            return str(ipaddress.IPv6Address(int("".join(reversed(labels[:32])), 16)))
    except ValueError:
        return None
    return None


# --- TLS and HTTP


def _of_stream(data: bytes, dst: object) -> Iterator[tuple[str, str, str]]:
    """Yield the name by which the first bytes of a client call the server."""
    if not isinstance(dst, str):
        return
    name, source = _server_name(data), "tls"
    if name is None and _METHOD.match(data):
        head = re.split(rb"\r?\n\r?\n", data[:_LONGEST_HEAD], maxsplit=1)[0]
        found = _HOST.search(head)
        name, source = (found[1] if found else None), "http"
    if name is None:
        return
    text = name.strip().decode("latin-1").lower()
    text = re.sub(r":\d{1,5}$", "", text) if text.count(":") == 1 else text
    if text and len(text) <= _LONGEST and not _is_address(text):
        yield dst, text, source


def _is_address(text: str) -> bool:
    try:
        ipaddress.ip_address(text.strip("[]").partition("%")[0])
    except ValueError:
        return text.startswith("[")
    return True


def _server_name(data: bytes) -> bytes | None:
    """Return the server name of a ClientHello that begins a stream, as far as its first packet holds it."""
    if len(data) < 44 or data[0] != 22 or data[1] != 3 or data[5] != 1:
        return None
    at = 43  # record header 5, handshake header 4, version 2, random 32
    at += 1 + data[at]  # session id
    at += 2 + int.from_bytes(data[at : at + 2], "big")  # cipher suites
    if at >= len(data):
        return None
    at += 1 + data[at]  # compression methods
    end = at + 2 + int.from_bytes(data[at : at + 2], "big")
    at += 2
    while at + 4 <= min(end, len(data)):
        kind, size = int.from_bytes(data[at : at + 2], "big"), int.from_bytes(data[at + 2 : at + 4], "big")
        at += 4
        if kind == 0:
            # a list of names: 2 bytes of length, then kind 0 (host name), 2 bytes of length, the name
            length = int.from_bytes(data[at + 3 : at + 5], "big")
            name = data[at + 5 : at + 5 + length]
            return name if size >= 5 and data[at + 2 : at + 3] == b"\0" and len(name) == length and length else None
        at += size
    return None
