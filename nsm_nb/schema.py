"""The tables as data: every column declared once, with its dtype, meaning and unit.

Checks, empty tables and the reference in `docs/tables.md` come from these declarations. Absent is missing (`<NA>`,
`NaT`), never 0, "-" or False; times are UTC and aware; every row names its evidence and record.
"""

from __future__ import annotations

import ipaddress
import logging
import re
from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
import pandas as pd

from nsm_nb.errors import MissingColumn

__all__ = [
    "ADDRESS",
    "ALERTS",
    "CAVEATS",
    "FLOWS",
    "LEADS",
    "PACKETS",
    "SESSIONS",
    "TIME",
    "VERDICTS",
    "Caveat",
    "Column",
    "Schema",
    "addresses",
    "caveat_table",
    "caveats_of",
    "in_network",
    "utc_times",
    "with_caveats",
]

log = logging.getLogger(__name__)

_OCTET = r"(25[0-5]|2[0-4]\d|1\d\d|[1-9]?\d)"
_QUAD = re.compile(r"\.".join([_OCTET] * 4), re.ASCII)  # as it is written; anything else goes through `ipaddress`
TIME = "datetime64[ns, UTC]"
ADDRESS = "address"  # one ordered categorical for all address columns of a table, IPv4 before IPv6, numeric order


class Caveat(NamedTuple):
    """What a reader or an assembler noticed about the evidence itself."""

    evidence: str
    record: int | None
    offset: int | None
    kind: str
    detail: str


@dataclass(frozen=True)
class Column:
    """One column: its dtype, what it means, its unit."""

    dtype: str
    meaning: str
    unit: str = ""


@dataclass(frozen=True)
class Schema:
    """A table: its name and its columns in order."""

    name: str
    columns: Mapping[str, Column]

    def empty(self) -> pd.DataFrame:
        """Return the table with no rows, all columns typed."""
        return self.conform(pd.DataFrame())

    def conform(self, table: pd.DataFrame) -> pd.DataFrame:
        """Return the columns of this schema, in its order and with its dtypes.

        A column that the table lacks comes back missing throughout; columns that the schema does not know are left
        out. Address columns share one dtype, so that they compare with each other.

        Parameters
        ----------
        table
            Any DataFrame; it is not changed. Its index is replaced by 0, 1, 2 ...

        Raises
        ------
        ValueError
            Where a column can't be turned into its dtype; the message names it.
        """
        known = [name for name, column in self.columns.items() if column.dtype == ADDRESS and name in table]
        cast = dict(zip(known, addresses(*(table[name] for name in known)), strict=True)) if known else {}
        nowhere = next(iter(cast.values()), None)
        columns = {}
        for name, column in self.columns.items():
            if name in cast:
                columns[name] = cast[name]
            elif column.dtype == ADDRESS:
                dtype = nowhere.dtype if nowhere is not None else _address_dtype([])
                columns[name] = pd.Categorical.from_codes(np.full(len(table), -1, np.int32), dtype=dtype)
            elif name in table:
                columns[name] = _as_dtype(self.name, name, table[name], column.dtype)
            else:
                columns[name] = _missing(column.dtype, len(table))
        result = pd.DataFrame(columns, copy=False)
        result.attrs = dict(table.attrs)
        return result

    def missing(self, name: str, count: int) -> Any:
        """Return a column of the schema that is missing throughout, of so many rows; addresses have no categories."""
        dtype = self.columns[name].dtype
        if dtype == ADDRESS:
            return pd.Categorical.from_codes(np.full(count, -1, np.int32), dtype=_address_dtype([]))
        return _missing(dtype, count)

    def require(self, table: pd.DataFrame, *names: str) -> None:
        """Raise `MissingColumn` where the table lacks one of the columns; the message says what it is.

        Raises
        ------
        MissingColumn
            With the column's meaning.
        """
        for name in names:
            if name not in table:
                meaning = self.columns[name].meaning if name in self.columns else "a column of this step"
                raise MissingColumn(
                    f"the table has no column {name!r} ({meaning}); give a table of {self.name}, "
                    f"or make it with nsm_nb.schema.{self.name.upper()}.conform(table)"
                )


def _as_dtype(table: str, name: str, values: pd.Series, dtype: str) -> pd.Series:
    if str(values.dtype) == dtype:
        return values.reset_index(drop=True)
    try:
        if dtype == TIME:
            return pd.Series(pd.to_datetime(values, utc=True)).reset_index(drop=True).astype(TIME)
        if dtype == "category":
            return values.reset_index(drop=True).astype("category")
        return values.reset_index(drop=True).astype(dtype)
    except (TypeError, ValueError) as problem:
        raise ValueError(f"column {name!r} of {table} can't be read as {dtype}: {problem}") from problem


def _missing(dtype: str, count: int) -> pd.Series:
    if dtype == TIME:
        return utc_times(np.full(count, np.iinfo(np.int64).min))
    if dtype == "category":
        return pd.Series(pd.Categorical.from_codes(np.full(count, -1, np.int8), categories=pd.Index([], dtype="str")))
    if dtype == "boolean":
        return pd.Series(pd.arrays.BooleanArray(np.zeros(count, bool), np.ones(count, bool)))
    if dtype.startswith(("Int", "UInt")):
        return pd.Series(pd.arrays.IntegerArray(np.zeros(count, dtype.lower()), np.ones(count, bool)))
    if dtype.startswith(("int", "uint")):
        return pd.Series(np.zeros(0, dtype)) if count == 0 else _missing("Int64", count)
    if dtype == "float64":
        return pd.Series(np.full(count, np.nan))
    if dtype == "str":
        return pd.Series(np.nan, index=range(count), dtype="str")
    return pd.Series([None] * count, dtype=dtype)


def _address_dtype(texts: Iterable[str]) -> pd.CategoricalDtype:
    return pd.CategoricalDtype(pd.Index(list(texts), dtype="str"), ordered=True)


def _parse(text: object) -> ipaddress.IPv4Address | ipaddress.IPv6Address | None:
    try:
        return ipaddress.ip_address(str(text).partition("%")[0])
    except ValueError:
        return None


def _text(address: ipaddress.IPv4Address | ipaddress.IPv6Address) -> str:
    # RFC 5952 5: IPv4-mapped addresses end as IPv4; Python writes them so from 3.13 on
    mapped = getattr(address, "ipv4_mapped", None)
    return str(address) if mapped is None else f"::ffff:{mapped}"


def _placed(text: object) -> tuple[int, int, str] | None:
    """Return version, number and text of an address; of IPv4 without the `ipaddress` module, which takes ten times as long."""
    quad = _QUAD.fullmatch(text) if isinstance(text, str) else None
    if quad is not None:
        a, b, c, d = map(int, quad.groups())
        return 4, a << 24 | b << 16 | c << 8 | d, quad[0]
    address = _parse(text)
    return None if address is None else (address.version, int(address), _text(address))


def utc_times(nanoseconds: np.ndarray) -> pd.Series:
    """Return nanoseconds since 1970 (int64, or ``M8[ns]``) as a column of times in UTC; the array becomes the column.

    Examples
    --------
    >>> utc_times(np.array([10**9], np.int64))[0]
    Timestamp('1970-01-01 00:00:01+0000', tz='UTC')
    """
    # as a number: a naive time would be looked at one by one, and copied
    whole = np.ascontiguousarray(nanoseconds).view(np.int64)
    return pd.Series(pd.DatetimeIndex(whole, dtype=TIME, copy=False), copy=False)


def addresses(*columns: Any) -> tuple[pd.Categorical, ...]:
    """Return columns of address text as categoricals of one dtype, ordered by number, IPv4 before IPv6.

    Text that is no address becomes missing; IPv6 is written as RFC 5952 does.

    Parameters
    ----------
    *columns
        Text, or categoricals of it, each of any length.
    """
    parts = []
    for column in columns:
        if isinstance(getattr(column, "dtype", None), pd.CategoricalDtype):
            series = pd.Series(column)
            parts.append((series.cat.codes.to_numpy(), list(series.cat.categories)))
        else:
            codes, uniques = pd.factorize(pd.Series(column, dtype=object))
            parts.append((codes, list(uniques)))
    if len({tuple(uniques) for _, uniques in parts}) == 1 and all(
        isinstance(getattr(column, "dtype", None), pd.CategoricalDtype) and column.dtype.ordered for column in columns
    ):
        return tuple(pd.Categorical(column) for column in columns)  # they are of one address dtype already

    numbers = {text: _placed(text) for _, uniques in parts for text in uniques}
    order = sorted({each for each in numbers.values() if each is not None})
    place = {each: number for number, each in enumerate(order)}
    dtype = _address_dtype(text for _, _, text in order)
    result = []
    for codes, uniques in parts:
        lookup = np.array([*(place.get(numbers[text], -1) for text in uniques), -1], np.int32)  # type: ignore[arg-type]
        result.append(pd.Categorical.from_codes(lookup[codes], dtype=dtype))
    return tuple(result)


def in_network(column: pd.Series, network: str) -> np.ndarray:
    """Return a bool array, True where an address lies in a network; missing addresses lie in none.

    Parameters
    ----------
    column
        An address column: only a few of its categories are looked at, so this is quick on any number of rows.
    network
        An address or a network in CIDR notation, such as ``10.0.0.0/8`` or ``2001:db8::/32``.

    Raises
    ------
    ValueError
        Where `network` is no address and no network.
    """
    wanted = ipaddress.ip_network(network, strict=False)
    column = pd.Series(column)
    if not isinstance(column.dtype, pd.CategoricalDtype):
        (column,) = (pd.Series(each) for each in addresses(column))
    names, codes = column.cat.categories, column.cat.codes.to_numpy()
    if column.dtype.ordered:
        # addresses stand in the order of their numbers, so a network is one run of them
        try:
            first = bisect_left(names, _place(wanted.network_address), key=_place)
            last = bisect_right(names, _place(wanted.broadcast_address), key=_place)
        except ValueError:
            log.debug("%s is ordered, but holds no addresses", column.name)
        else:
            return (codes >= first) & (codes < last)
    inside = []
    for text in names:
        number = _parse(text)
        inside.append(number is not None and number.version == wanted.version and number in wanted)
    return np.array([*inside, False], bool)[codes]


def _place(address: object) -> tuple[int, int]:
    """Return where an address stands in the order of addresses."""
    number = ipaddress.ip_address(str(address))
    return number.version, int(number)


def with_caveats(table: pd.DataFrame, caveats: Iterable[Caveat]) -> pd.DataFrame:
    """Return the table with caveats added to those it carries (`table.attrs["caveats"]`); rows are shared, not copied."""
    result = table.copy(deep=False)
    result.attrs = {**table.attrs, "caveats": [*table.attrs.get("caveats", []), *caveats]}
    return result


def caveats_of(table: pd.DataFrame) -> list[Caveat]:
    """Return the caveats that a table carries."""
    return [Caveat(*each) for each in table.attrs.get("caveats", [])]


def caveat_table(caveats: Iterable[Caveat]) -> pd.DataFrame:
    """Return caveats as a table of CAVEATS."""
    return CAVEATS.conform(pd.DataFrame(list(caveats), columns=list(Caveat._fields), dtype=object))


_EVIDENCE = Column("category", "the file that the row was read from, as named in the case or given to the reader")

PACKETS = Schema(
    "packets",
    {
        "evidence": _EVIDENCE,
        "frame": Column("uint32", "number of the frame in its file, from 1, as Wireshark counts"),
        "time": Column(TIME, "when the sensor saw the packet"),
        "length": Column("uint32", "bytes on the wire", unit="bytes"),
        "captured": Column("uint32", "bytes in the file", unit="bytes"),
        "octets": Column("UInt32", "bytes at the IP layer, by the IP header", unit="bytes"),
        "vlan": Column("UInt16", "IEEE 802.1Q VLAN identifier, the outermost"),
        "vni": Column("UInt32", "VXLAN or GENEVE network identifier, of the innermost such tunnel"),
        "src_mac": Column("category", "link-layer address of the sender"),
        "dst_mac": Column("category", "link-layer address of the receiver"),
        "src_ip": Column(ADDRESS, "sender; in a tunnel, of the innermost datagram"),
        "src_port": Column("UInt16", "TCP, UDP or SCTP port of the sender; of later fragments, that of the first"),
        "dst_ip": Column(ADDRESS, "receiver; in a tunnel, of the innermost datagram"),
        "dst_port": Column("UInt16", "TCP, UDP or SCTP port of the receiver; of later fragments, that of the first"),
        "outer_src_ip": Column(ADDRESS, "sender by the outermost IP header; missing where there is no tunnel"),
        "outer_dst_ip": Column(ADDRESS, "receiver by the outermost IP header; missing where there is no tunnel"),
        "proto": Column("category", "tcp, udp, icmp, icmp6, arp ... or the number of the protocol"),
        "ttl": Column("UInt8", "IPv4 time to live or IPv6 hop limit"),
        "ip_id": Column("UInt32", "IPv4 identification, or that of an IPv6 fragment header"),
        "fragment": Column("UInt32", "offset of this IP fragment; missing where the datagram is whole", unit="bytes"),
        "tcp_flags": Column(
            "UInt16", "TCP flags, RFC 9293: FIN 1 SYN 2 RST 4 PSH 8 ACK 16 URG 32 ECE 64 CWR 128 AE 256"
        ),
        "seq": Column("UInt32", "TCP sequence number, as sent"),
        "ack": Column("UInt32", "TCP acknowledgement number, as sent"),
        "window": Column("UInt16", "TCP window, unscaled"),
        "icmp_type": Column("UInt8", "ICMP or ICMPv6 type"),
        "icmp_code": Column("UInt8", "ICMP or ICMPv6 code"),
        "icmp_id": Column("UInt16", "identifier of ICMP or ICMPv6 echo and other messages that have one"),
        "payload": Column("UInt32", "bytes above TCP, UDP or ICMP by the headers, captured or not", unit="bytes"),
        "session": Column("Int64", "the row of SESSIONS that the packet belongs to"),
        "to_dst": Column("boolean", "True where the packet goes from src to dst of its session"),
        "offset": Column("int64", "where the frame's first byte stands in the evidence, decompressed", unit="bytes"),
        "layers": Column("category", "protocol layers, outermost first, such as eth:vlan:ip:tcp"),
    },
)

SESSIONS = Schema(
    "sessions",
    {
        "session": Column("Int64", "stable number: the same evidence gives the same, in any order"),
        "start": Column(TIME, "first packet"),
        "end": Column(TIME, "last packet"),
        "duration": Column("float64", "from start to end", unit="s"),
        "proto": Column("category", "tcp, udp, icmp ... or the number of the protocol"),
        "src_ip": Column(ADDRESS, "who opened the conversation"),
        "src_port": Column("UInt16", "port of src"),
        "dst_ip": Column(ADDRESS, "who was asked"),
        "dst_port": Column("UInt16", "port of dst"),
        "src_packets": Column("Int64", "packets from src"),
        "dst_packets": Column("Int64", "packets from dst"),
        "src_octets": Column("Int64", "IP bytes from src, headers included", unit="bytes"),
        "dst_octets": Column("Int64", "IP bytes from dst, headers included", unit="bytes"),
        "src_payload": Column("Int64", "bytes above TCP, UDP or ICMP from src", unit="bytes"),
        "dst_payload": Column("Int64", "bytes above TCP, UDP or ICMP from dst", unit="bytes"),
        "state": Column("category", "as Argus prints it: CON FIN RST REQ ACC INT ECO URP ..."),
        "closed": Column("category", "how it ended, in words: both, src only, reset by dst, idle 1200 s ..."),
        "history": Column("str", "as Zeek's conn.log writes it: ShADadFf"),
        "application": Column("category", "what the content says (nDPI, the sensor), else the port's name"),
        "direction_known": Column("boolean", "True where the opening was seen; False where src and dst are a guess"),
        "community_id": Column("str", "Community ID v1, seed 0"),
        "vlan": Column("UInt16", "IEEE 802.1Q VLAN identifier"),
        "sensor": Column("category", "the sensor that saw it"),
        "evidence": _EVIDENCE,
        "record": Column("Int64", "frame number of the first packet, or line or record number in the evidence"),
        "source": Column("category", "the format it was read from, such as pcap, eve, netflow"),
    },
)

FLOWS = Schema(
    "flows",
    {
        **SESSIONS.columns,
        "src_flags": Column("UInt8", "TCP flags of all packets from src, together, as flow records tell them"),
        "dst_flags": Column("UInt8", "the same of dst; missing in a record of one direction"),
        "received": Column(TIME, "when the record was exported, or its datagram captured"),
        "sampling": Column(
            "UInt32", "one packet in so many was counted; missing where every packet was, or it is not told"
        ),
    },
)

ALERTS = Schema(
    "alerts",
    {
        "alert": Column("str", "stable name: first twelve digits of the evidence's SHA-256, a colon, the record"),
        "time": Column(TIME, "what the sensor stamped; it can be late"),
        "sensor": Column("category", "the sensor that raised it"),
        "gid": Column("Int64", "generator"),
        "sid": Column("Int64", "signature"),
        "rev": Column("Int64", "revision of the signature"),
        "message": Column("str", "the signature's message"),
        "classification": Column("category", "the signature's class, in words"),
        "priority": Column("Int64", "1 is worst"),
        "action": Column("category", "what the sensor did: allowed, blocked, drop ..."),
        "proto": Column("category", "tcp, udp, icmp ..."),
        "src_ip": Column(ADDRESS, "source that the sensor names; not always who opened the conversation"),
        "src_port": Column("UInt16", "port of src"),
        "dst_ip": Column(ADDRESS, "destination that the sensor names"),
        "dst_port": Column("UInt16", "port of dst"),
        "community_id": Column("str", "Community ID v1, seed 0"),
        "evidence": _EVIDENCE,
        "record": Column("Int64", "line or record number in the evidence, from 1"),
        "source": Column("category", "the format it was read from, such as eve, snort-fast"),
    },
)

VERDICTS = Schema(
    "verdicts",
    {
        "id": Column("Int64", "place in the ledger, from 1"),
        "time": Column(TIME, "when it was judged"),
        "analyst": Column("str", "who judged"),
        "subject_kind": Column("category", "alert, session, packet or host"),
        "subject": Column("str", "the alert, session ... that was judged"),
        "category": Column("category", "short name of the category: I ... VII, NA, ESC, NEW"),
        "comment": Column("str", "why"),
        "previous": Column("str", "digest of the record before"),
        "digest": Column("str", "SHA-256 over this record and `previous`"),
        "evidence": Column("str", "the file that the subject stands in, where it stands in one"),
        "evidence_sha256": Column("str", "SHA-256 of that file when it was judged"),
        "evidence_record": Column("Int64", "frame, line or record number in it"),
    },
)

LEADS = Schema(
    "leads",
    {
        "kind": Column("category", "what was looked for"),
        "score": Column("float64", "0 to 1"),
        "session": Column("Int64", "the session, where it is one"),
        "src_ip": Column(ADDRESS, "who"),
        "dst_ip": Column(ADDRESS, "to whom"),
        "reasons": Column("str", "why, in words"),
        "rows": Column("object", "the rows behind it"),
    },
)

CAVEATS = Schema(
    "caveats",
    {
        "evidence": Column("str", "the file"),
        "record": Column("Int64", "frame, line or record number"),
        "offset": Column("Int64", "byte in the file", unit="bytes"),
        "kind": Column("category", "short name: cut, snaplen, clock, link type, format ..."),
        "detail": Column("str", "one sentence"),
    },
)
