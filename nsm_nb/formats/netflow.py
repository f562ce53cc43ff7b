"""NetFlow and IPFIX as routers and probes send them: a capture of the export datagrams.

Versions 1, 5, 7, 9 and IPFIX. A record is one direction of a conversation, so what dst sent is missing, unless the exporter
tells both (RFC 5103 and others). Frames that are no exports are counted, in all of the file: a case reads such a capture for
its packets as well, so that nobody can hide an intrusion behind a few datagrams of NetFlow.

Source: Cisco, "NetFlow Export Datagram Format" (versions 1, 5, 7); RFC 3954 (version 9); RFC 7011 (IPFIX).
"""

from __future__ import annotations

import os
from collections.abc import Iterable
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from nsm_nb.formats import pcap
from nsm_nb.formats.lines import Fingerprint
from nsm_nb.formats.netflow_fixed import HEADERS, RECORD_SIZES, SHORT
from nsm_nb.schema import Caveat, caveats_of, with_caveats
from nsm_nb.text import form, many, printable

if TYPE_CHECKING:
    from collections.abc import Iterator

    from nsm_nb.formats.datagrams import Datagrams

__all__ = ["EXTENSIONS", "NAME", "TITLE", "holds_packets", "is_export", "recognises", "sessions"]

NAME = "netflow"
TITLE = "capture of NetFlow export datagrams"
EXTENSIONS = (".pcap", ".pcapng", ".cap")

_OTHERS = "other frames"  # the kind of the caveat that counts what is no export


def recognises(head: bytes) -> bool:
    """Return True where the file is a capture and most of what UDP carries in its first frames is NetFlow or IPFIX."""
    if not pcap.recognises(head):
        return False
    from nsm_nb.formats.datagrams import first_datagrams

    found, frames = first_datagrams(head)
    buffer = found.buffer
    exports = sum(
        whole == sent and is_export(buffer[at : at + whole].tobytes())
        for at, whole, sent in zip(found.start.tolist(), found.size.tolist(), found.sent.tolist(), strict=True)
    )
    # a collector that does not listen answers each datagram with "port unreachable"
    return exports > 0 and 2 * exports >= len(found.rows) and 3 * exports >= frames


def is_export(payload: bytes) -> bool:
    """Return True where a payload is a whole export datagram: a known version, and lengths that add up to its end."""
    size = len(payload)
    version, count = (int.from_bytes(payload[at : at + 2]) for at in (0, 2))
    if version in RECORD_SIZES:
        header, record = HEADERS[version].itemsize, RECORD_SIZES[version]
        short = version == 1 and size == header + count * SHORT
        return count > 0 and (short or size == header + count * record)
    if version == 9:
        at, largest = 20, 1  # flow set 0 holds templates, 1 options templates (RFC 3954 5)
    elif version == 10 and count == size:
        at, largest = 16, 3  # set 2 holds templates, 3 options templates (RFC 7011 3.3.2)
    else:
        return False
    while at + 4 <= size:
        kind, length = (int.from_bytes(payload[place : place + 2]) for place in (at, at + 2))
        if length < 4 or largest < kind < 256 or (version == 10 and kind < 2):
            return False
        at += length
    return at == size and size > (20 if version == 9 else 16)


def _exports(found: Datagrams) -> np.ndarray:
    """Return a bool array, True for the datagrams that are whole exports as they were sent."""
    exports = np.zeros(len(found.start), bool)
    known = np.flatnonzero(found.size >= 4)
    at = found.start[known]
    version, count = (
        (found.buffer[at + place].astype(np.int64) << 8) | found.buffer[at + place + 1] for place in (0, 2)
    )
    for number, record in RECORD_SIZES.items():
        header = HEADERS[number].itemsize
        fits = found.sent[known] == header + count * record
        if number == 1:
            fits |= found.sent[known] == header + count * SHORT
        exports[known] |= (version == number) & (count > 0) & fits
    for row in known[(version == 9) | (version == 10)].tolist():
        start, size = int(found.start[row]), int(found.size[row])
        exports[row] = size == found.sent[row] and is_export(found.buffer[start : start + size].tobytes())
    return exports


def holds_packets(sessions: pd.DataFrame) -> bool:
    """Return True where the capture that `sessions` was read from holds packets besides the exports."""
    return any(caveat.kind == _OTHERS for caveat in caveats_of(sessions))


def sessions(path: str | os.PathLike, *, label: str | None = None, digest: str | None = None) -> pd.DataFrame:
    """Read captured NetFlow and IPFIX exports: one row of FLOWS for each flow record, which is one direction.

    `src` is who sent; whether it opened the conversation is not known. What dst sent, states of TCP and payloads are not in a
    record, so they are missing; so are the ports of protocols that have none. For ICMP, type and code are the `state`. Octets
    are IP bytes. `sensor` is the exporter: its address, port, and engine, source id or domain where that is not 0.

    Parameters
    ----------
    path
        The capture.
    label
        The `evidence` of the rows; the path where not given.
    digest
        SHA-256 of the file, where it is known already; else it is computed.

    Returns
    -------
    DataFrame
        Lost, cut and unread datagrams stand in the caveats; `record` counts the flow records from 1.

    Raises
    ------
    UnreadableEvidence
        Where the file is missing, empty or locked.
    DamagedEvidence
        Where it is no capture.
    """
    from nsm_nb.formats.datagrams import datagrams
    from nsm_nb.formats.netflow_reading import read_exports
    from nsm_nb.formats.netflow_table import exporters, table
    from nsm_nb.formats.netflow_told import Place, tell

    label = os.fspath(path) if label is None else label
    with Fingerprint(path, digest) as fingerprint:
        packets = pcap.packets(path, label=label)
        codes, names, addresses = _exporters(packets)
        exports: list[np.ndarray] = [np.empty(0, np.int64)]

        def windows() -> Iterator[Datagrams]:
            for each in datagrams(path, packets):
                exports.append(each.rows[_exports(each)])
                yield each

        found = read_exports(windows(), codes, addresses)
        sensors = exporters(found.heads, names)
        time = packets["time"].dt.tz_localize(None).to_numpy().view(np.int64)
        rows = table(found, sensors, label=label, source=NAME, digest=fingerprint.digits(), received=time)
    place = Place(label, "frame", packets["frame"].to_numpy(), packets["offset"].to_numpy())
    caveats = [each for each in caveats_of(packets) if each.kind != "clock"]
    caveats += _beside(packets, np.concatenate(exports), label)
    caveats += tell(found, sensors, place)
    caveats += caveats_of(rows)  # those about its clocks come last
    rows.attrs = {}
    return with_caveats(rows, caveats)


def _exporters(packets: pd.DataFrame) -> tuple[np.ndarray, dict[int, str], dict[int, int]]:
    """Return who sent each packet, as numbers; their names; and the number of each one's address.

    An exporter is an address and a port that sends to an address and a port: a transport session of RFC 7011.
    """
    udp = np.flatnonzero((packets["proto"] == "udp").to_numpy(bool))
    some = packets[["src_ip", "src_port", "dst_ip", "dst_port"]].iloc[udp]
    sides = [some[name].cat.codes.to_numpy(np.int64) for name in ("src_ip", "dst_ip")]
    ports = [some[name].fillna(0).to_numpy(np.int64) for name in ("src_port", "dst_port")]
    codes = pd.factorize(sides[0] << 32 | (sides[1] & 0xFFFFFFFF))[0].astype(np.int64)
    codes = pd.factorize(codes << 32 | ports[0] << 16 | ports[1])[0]
    firsts = np.flatnonzero(~pd.Series(codes).duplicated())  # in the order of the codes
    names, taken = {}, set()
    first = some.iloc[firsts]
    columns = (first[name].astype(object) for name in ("src_ip", "src_port", "dst_ip", "dst_port"))
    for number, (address, port, at, to) in enumerate(zip(*columns, strict=True)):
        name = f"[{address}]:{port} to port {to}" if ":" in str(address) else f"{address}:{port} to port {to}"
        if name in taken:
            name = f"{name} of {at}"
        taken.add(name)
        names[number] = name
    everyone = np.zeros(len(packets), np.int64)
    everyone[udp] = codes
    return everyone, names, dict(enumerate(sides[0][firsts].tolist()))


def _beside(packets: pd.DataFrame, exports: np.ndarray, label: str) -> Iterable[Caveat]:
    """Yield how many frames are no exports: those of no account, and those that are packets in their own right."""
    others = np.ones(len(packets), bool)
    others[exports] = False
    src, dst = (packets[name].cat.codes.to_numpy(np.int64) for name in ("src_ip", "dst_ip"))
    # a collector that does not listen answers each datagram with "port unreachable" (RFC 792)
    answers = (packets["icmp_type"] == 3).fillna(False).to_numpy(bool)
    answers &= np.isin(src << 32 | dst, np.unique(dst[exports] << 32 | src[exports]))
    slight = others & (answers | (packets["proto"] == "arp").to_numpy(bool))
    weighty = others & ~slight
    if slight.any():
        one, more = (
            "frame of ARP, or of ICMP that answers exports, was",
            "frames of ARP, and ICMP that answers exports, were",
        )
        said = f"{many(slight.sum(), one, more)} passed over"
        yield Caveat(label, None, None, "format", f"{printable(label)}: {said}")
    if weighty.any():
        first = int(np.argmax(weighty))
        frame, offset = int(packets["frame"].iloc[first]), int(packets["offset"].iloc[first])
        count = int(weighty.sum())
        said = f"{count:,} of {many(len(packets), 'frame')} {form(count, 'is no export', 'are no exports')} "
        said += f"(the first is frame {frame:,}): {form(count, 'it is a packet', 'they are packets')}"
        yield Caveat(label, frame, offset, _OTHERS, f"{printable(label)}: {said}")
