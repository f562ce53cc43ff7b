"""What the traffic is made of: the tree of protocol layers, each with all that it carries, and of applications below."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd

from nsm_nb.schema import PACKETS, SESSIONS
from nsm_nb.statistics import quantities
from nsm_nb.statistics._orient import applications, one_way, oriented
from nsm_nb.statistics._tally import codes_of, ends_of, evidence_of, is_flows, numbers_of, tally

__all__ = ["UNDECODED", "protocols", "tree"]

UNDECODED = "(not decoded)"

# What a port's name and the content's may both be called: a port says what is inside, or content what is around it.
_ALIKE = (
    {"https", "tls", "quic", "https-alt", "http"}, {"http", "http-alt", "https-alt", "squid", "ipp", "winrm", "websocket"},
    {"smb", "netbios-ssn", "netbios"}, {"netbios-ns", "netbios-dgm", "netbios", "smb"}, {"smtp", "submission", "smtps", "tls"},
    {"imap", "imaps", "tls"}, {"pop3", "pop3s", "tls"}, {"ldap", "ldaps", "ldap-gc", "cldap", "tls"},
    {"ftp", "ftps", "ftp-data", "tls"},
    {"dns", "mdns", "llmnr", "dns-tls"}, {"dns-tls", "tls"}, {"epmap", "dce_rpc", "rpc"}, {"sunrpc", "nfs", "rpc"},
    {"radius", "radius-acct"}, {"isakmp", "ipsec-nat-t", "ipsec"}, {"login", "exec", "shell", "rsh"}, {"dhcp", "dhcpv6"},
    {"snmp", "snmp-trap"}, {"kerberos", "krb5"}, {"mssql", "mssql-browser"}, {"ssdp", "upnp"}, {"rtsp", "rtp"}, {"sip", "rtp"},
)  # fmt: skip


def protocols(packets: pd.DataFrame, labels: pd.DataFrame | None = None) -> pd.DataFrame:
    """Return the hierarchy of protocols, every layer with the packets and bytes of all that lies below it.

    Parameters
    ----------
    packets
        A table of PACKETS; its columns `layers` and `length` are used. Or a table of SESSIONS, where there are flows
        alone.
    labels
        A table of SESSIONS whose `application` is put below the layers of their packets: what the content says where they
        were labelled (`nsm_nb.sessions.label`, a sensor), else what the port's number says. The packets need their
        `session` for it.

    Returns
    -------
    pandas.DataFrame
        One row a path of layers, depth first, the larger branch before the smaller: ``layers`` (the path, such as
        ``eth:ip:tcp``), ``name`` (its last layer), ``level`` (its depth, from 0), ``packets``, ``length`` (bytes on
        the wire, as `tshark -z io,phs` counts them) and ``share`` (part of all bytes, 0 to 1). Packets whose layers
        are missing stand under ``(not decoded)``.

        With `labels` also ``application`` (True for the rows of applications), ``sessions`` that have such packets, and
        ``contradicted``, how many of these are to a port that says something else; ``port_says`` tells what, the most
        frequent first: content that says ``ssh`` where the port says ``http``.

        Of SESSIONS ``layers name level sessions packets octets share application contradicted port_says``: version of
        IP, protocol, application; `octets` in place of `length`, and `attrs["limits"]` with what flows can't tell.

    Raises
    ------
    MissingColumn
        Where the table lacks a column that is needed.

    Notes
    -----
    A packet counts once at each of its layers, so that a level's rows add up to no more than the level above; a layer
    that comes twice (IP in IP) is two levels. *Source*: tshark(1), ``-z io,phs``.

    Examples
    --------
    >>> table = pd.DataFrame({"layers": ["eth:ip:tcp", "eth:ip:udp", "eth:arp"], "length": [600, 300, 100]})
    >>> protocols(table)[["layers", "packets", "length", "share"]].to_string(index=False).splitlines()[1].split()
    ['eth', '3', '1000', '1.0']
    """
    if is_flows(packets):
        return _of_flows(packets)
    PACKETS.require(packets, "layers", "length")
    codes, paths = codes_of(packets["layers"])
    place = codes.astype(np.int64) + 1
    length, _ = numbers_of(packets["length"])
    counts = np.bincount(place, minlength=len(paths) + 1)
    sums = np.bincount(place, length, minlength=len(paths) + 1).astype(np.int64)

    seen = np.flatnonzero(counts)
    tree = _tree([str(paths[int(each) - 1]) if each else UNDECODED for each in seen], counts[seen], sums[seen])
    notes: list[str] = []
    said = {} if labels is None else _applications(packets, labels, length, place, paths, notes)
    return _table(tree, said, int(sums.sum()), "length", evidence_of(packets), notes, labelled=labels is not None)


def tree(paths: Sequence[str], packets: np.ndarray, length: np.ndarray) -> pd.DataFrame:
    """Return paths of layers as the hierarchy that `protocols` gives, where packets and bytes of each are counted.

    Examples
    --------
    >>> tree(["ip:udp", "ip:tcp"], np.array([1, 2]), np.array([60, 1500]))["name"].tolist()
    ['ip', 'tcp', 'udp']
    """
    return _table(_tree(paths, packets, length), {}, int(length.sum()), "length", [], [], labelled=False)


def _tree(paths: Sequence[str], packets: np.ndarray, length: np.ndarray) -> dict[tuple[str, ...], list[int]]:
    """Return packets and bytes of each path and of all above it."""
    sums: dict[tuple[str, ...], list[int]] = {}
    for path, rows, size in zip(paths, packets, length, strict=True):
        layers = tuple(path.split(":"))
        for depth in range(1, len(layers) + 1):
            row = sums.setdefault(layers[:depth], [0, 0])
            row[0] += int(rows)
            row[1] += int(size)
    return sums


class _Said:
    """What is said of the packets of one application below one path of layers."""

    def __init__(self) -> None:
        self.packets = self.bytes = self.sessions = self.contradicted = 0
        self.ports: dict[str, int] = {}

    @property
    def port_says(self) -> str | None:
        """What their ports say instead, the most frequent first."""
        most = sorted(self.ports.items(), key=lambda each: (-each[1], each[0]))
        return ", ".join(f"{name} ({quantities.amount(count, 'session')})" for name, count in most) or None


def _table(
    tree: dict[tuple[str, ...], list[int]],
    said: dict[tuple[str, ...], _Said],
    total: int,
    measure: str,
    evidence: list[str],
    notes: list[str],
    *,
    labelled: bool,
) -> pd.DataFrame:
    every = {**tree, **{path: [each.packets, each.bytes] for path, each in said.items()}}

    def order(path: tuple[str, ...]) -> list[tuple[int, int, str]]:
        steps = [path[:depth] for depth in range(1, len(path) + 1)]
        return [(-every[step][1], -every[step][0], step[-1]) for step in steps]

    rows = sorted(every, key=order)
    lengths = np.array([every[path][1] for path in rows], np.int64)
    result = pd.DataFrame(
        {
            "layers": pd.Series([":".join(path) for path in rows], dtype="str"),
            "name": pd.Series([path[-1].removeprefix(_MARK) for path in rows], dtype="str"),
            "level": np.array([len(path) - 1 for path in rows], np.int64),
            "packets": np.array([every[path][0] for path in rows], np.int64),
            measure: lengths,
            "share": lengths / total if total else np.full(len(rows), np.nan),
        }
    )
    if labelled:
        result["layers"] = result["layers"].str.replace(_MARK, "", regex=False)
        result["application"] = np.array([path in said for path in rows], bool)
        for name in ("sessions", "contradicted"):
            result[name] = pd.array([getattr(said[path], name) if path in said else None for path in rows], "Int64")
        result["port_says"] = pd.Series([said[path].port_says if path in said else None for path in rows], dtype="str")
    result.attrs = {"evidence": evidence, "notes": notes}
    return result


_MARK = "\0"  # of an application, so that one called like a layer is not taken for it


def _contradicts(application: str, port: str) -> bool:
    return application != port and not any(application in words and port in words for words in _ALIKE)


def _ports(sessions: pd.DataFrame) -> tuple[np.ndarray, list[str]]:
    """Return the number of what each session's port says, -1 where it says nothing, and the names."""
    from nsm_nb.sessions.ports import port_names

    named = port_names(sessions["proto"], sessions["dst_port"])
    return np.asarray(named.codes, np.int64), list(map(str, named.categories))


def _applications(
    packets: pd.DataFrame,
    labels: pd.DataFrame,
    length: np.ndarray,
    place: np.ndarray,
    paths: pd.Index,
    notes: list[str],
) -> dict[tuple[str, ...], _Said]:
    """Return what is said of each application below each path of layers."""
    SESSIONS.require(labels, "session", "application", "proto", "dst_port")
    if "session" not in packets:
        notes.append(
            "the packets have no session, so no application is known of them: nsm_nb.sessions.assemble gives it"
        )
        return {}
    of_session, there = numbers_of(packets["session"])
    numbers, numbered = numbers_of(labels["session"])
    rows = np.flatnonzero(numbered)
    rows = rows[np.argsort(numbers[rows], kind="stable")]
    known = numbers[rows]
    session, which = np.unique(of_session, return_inverse=True)
    at = np.minimum(np.searchsorted(known, session), max(len(known) - 1, 0))
    row = np.where(known[at] == session, rows[at], -1)[which] if len(known) else np.full(len(packets), -1)
    application, names = codes_of(labels["application"])
    kept = there & (row >= 0)
    kept[kept] = application[row[kept]] >= 0
    port, ports = _ports(labels)
    cells = tally([place[kept], row[kept]], [len(paths) + 1, max(len(labels), 1)], length[kept])
    where, label = cells.keys
    key = (where * (len(names) + 1) + application[label]) * (len(ports) + 1) + port[label] + 1
    keys, group = np.unique(key, return_inverse=True)
    amounts = [np.bincount(group, each, len(keys)).astype(np.int64) for each in (cells.counts, cells.sums)]
    sessions = np.bincount(group, minlength=len(keys))
    found: dict[tuple[str, ...], _Said] = {}
    for each, count, octets, how_many in zip(keys.tolist(), *amounts, sessions, strict=True):
        rest, of_port = divmod(each, len(ports) + 1)
        path, of_name = divmod(rest, len(names) + 1)
        name = str(names[of_name])
        said = found.setdefault((*(str(paths[path - 1]).split(":") if path else [UNDECODED]), _MARK + name), _Said())
        said.packets, said.bytes = said.packets + int(count), said.bytes + int(octets)
        said.sessions += int(how_many)
        _note_port(said, name, ports[of_port - 1] if of_port else "", int(how_many))
    return found


def _note_port(said: _Said, application: str, port: str, count: int) -> None:
    if port and _contradicts(application, port):
        said.contradicted += count
        said.ports[port] = said.ports.get(port, 0) + count


def _of_flows(sessions: pd.DataFrame) -> pd.DataFrame:
    """Return the hierarchy of sessions: version of IP, protocol, application."""
    SESSIONS.require(
        sessions, "src_ip", "dst_ip", "proto", "dst_port", "src_octets", "dst_octets", "src_packets", "dst_packets"
    )
    alone = int(one_way(sessions).sum())
    given, sessions = sessions, oriented(sessions)
    src, _, dtype = ends_of(sessions)
    version = np.array([*(2 if ":" in str(text) else 1 for text in dtype.categories), 0], np.int64)[src]
    proto, protos = codes_of(sessions["proto"])
    application, names = codes_of(applications(sessions))
    port, ports = _ports(sessions)
    sizes = [3, len(protos) + 1, len(names) + 1, len(ports) + 1]
    codes = [version, *(each.astype(np.int64) + 1 for each in (proto, application, port))]
    key = codes[0]
    for each, size in zip(codes[1:], sizes[1:], strict=True):
        key = key * size + each
    keys, group = np.unique(key, return_inverse=True)
    counts = np.bincount(group, minlength=len(keys))
    packets, octets = (_both(sessions, what, group, len(keys)) for what in ("packets", "octets"))

    tree: dict[tuple[str, ...], list[int]] = {}
    flows: dict[tuple[str, ...], int] = {}
    said: dict[tuple[str, ...], _Said] = {}
    for number, amount, count, size in zip(
        keys.tolist(), counts.tolist(), packets.tolist(), octets.tolist(), strict=True
    ):
        parts = []
        for each in reversed(sizes[1:]):
            number, part = divmod(number, each)
            parts.append(part)
        of_port, of_name, of_proto = parts
        path = (("(no address)", "ip", "ipv6")[number], str(protos[of_proto - 1]) if of_proto else UNDECODED)
        for depth in (1, 2):
            row = tree.setdefault(path[:depth], [0, 0])
            row[0], row[1] = row[0] + count, row[1] + size
            flows[path[:depth]] = flows.get(path[:depth], 0) + amount
        if of_name:
            name = str(names[of_name - 1])
            one = said.setdefault((*path, _MARK + name), _Said())
            one.packets, one.bytes, one.sessions = one.packets + count, one.bytes + size, one.sessions + amount
            _note_port(one, name, ports[of_port - 1] if of_port else "", amount)
    result = _table(tree, said, int(octets.sum()), "octets", evidence_of(given), [], labelled=True)
    by_layers = {":".join(path): count for path, count in flows.items()}
    sessions_of = [
        by_layers[path] if not mine else count
        for path, mine, count in zip(result["layers"], result["application"], result["sessions"], strict=True)
    ]
    result["sessions"] = np.array(sessions_of, np.int64)
    result = result[
        ["layers", "name", "level", "sessions", *result.columns.drop(["layers", "name", "level", "sessions"])]
    ]
    result.attrs["limits"] = [
        "sessions hold IP alone: link layers, tunnels and what is not IP are not known",
        "octets are bytes at the IP layer, without link-layer headers",
        "an application that no content told is the name of a port",
    ]
    if alone:
        result.attrs["limits"].append(
            f"{quantities.amount(alone, 'flow')} of one direction: each counts as a session of the service whose port it has"
        )
    return result


def _both(sessions: pd.DataFrame, what: str, group: np.ndarray, size: int) -> np.ndarray:
    total = np.zeros(size, np.int64)
    for side in ("src", "dst"):
        total += np.bincount(group, numbers_of(sessions[f"{side}_{what}"])[0], minlength=size).astype(np.int64)
    return total
