"""Records of templates to columns of flows: one layout at a time, all of its records at once.

A column is an array; -1 marks what is missing (`NOT_A_TIME` in times).

Source: IANA, "IP Flow Information Export (IPFIX) Entities"; RFC 3954 8; RFC 5103 (biflow); RFC 7011 6 (encoding).
"""

from __future__ import annotations

import numpy as np

from nsm_nb.formats.netflow_templates import VARYING, Layout
from nsm_nb.kernels.flow_records import varying_records
from nsm_nb.kernels.records import NOT_A_TIME

__all__ = ["REVERSE", "Records", "flow_fields", "is_flow", "records"]

REVERSE = 29_305  # the enterprise number of reverse information elements (RFC 5103 6.1)
_ADDRESSES = {"src": (8, 27), "dst": (12, 28)}  # sourceIPv4Address, sourceIPv6Address ...
# the first that a template has counts; Cisco's output counters (23, 24) stand alone in templates of egress
_WHOLE = {
    "proto": (4,),
    "src_port": (7, 180, 182),
    "dst_port": (11, 181, 183),
    "src_packets": (2, 86, 298, 24),
    "src_octets": (1, 85, 231, 23),
    "src_flags": (6,),
    "vlan": (58, 243, 59),
    "sampling": (34, 50, 305),
    "space": (306,),
    "sampler": (48, 302),
    "init": (160,),
}
_BACK = {"dst_packets": (299,), "dst_octets": (232,)}  # responderPackets, responderOctets
_REVERSED = {"dst_packets": (2, 86), "dst_octets": (1, 85), "dst_flags": (6,)}
_ICMP = ((32, 176, 177), (139, 178, 179))  # type and code in one, type, code: of ICMP and of ICMPv6
_NTP_EPOCH = 2_208_988_800  # seconds from 1900 to 1970
# elements of start and end, from what is sure to what needs more
_SECONDS, _MILLI, _MICRO, _NANO, _DELTA, _UPTIME = (150, 151), (152, 153), (154, 155), (156, 157), (158, 159), (22, 21)
_EVENT = 323  # observationTimeMilliseconds: Cisco ASA's event time
_LASTED = {161: 1_000_000, 162: 1_000}  # flowDuration in milliseconds, microseconds
_LATEST = 1 << 33  # seconds: the year 2242; nanoseconds of later times do not fit in 64 bits


class Records:
    """The records of one layout: where their fields stand in one buffer.

    Parameters
    ----------
    layout
        The fields, and the sets of data.
    """

    def __init__(self, layout: Layout):
        self._layout = layout
        sizes = np.array([len(each) for each in layout.sets], np.int64)
        self._buffer = np.frombuffer(bytearray(b"".join(layout.sets)) or bytearray(1), np.uint8)
        end = np.cumsum(sizes)
        lengths = np.array([each.length for each in layout.fields], np.int64)
        self.held = np.zeros(len(sizes), np.int64)  # records in each set
        if layout.varies:
            none = np.empty((0, len(lengths)), np.int64)
            self.count = int(varying_records(self._buffer, end - sizes, end, lengths, none, self.held))
            self._places = np.empty((self.count, len(lengths)), np.int64)
            varying_records(self._buffer, end - sizes, end, lengths, self._places, self.held)
        else:
            self.held = sizes // layout.size
            self.count = int(self.held.sum())
            within = np.arange(self.count) - np.repeat(np.cumsum(self.held) - self.held, self.held)
            self._first = np.repeat(end - sizes, self.held) + within * layout.size
            self._at = np.cumsum(lengths) - lengths
        self._found: dict[tuple[int, int], int] = {}
        for place, each in enumerate(layout.fields):
            self._found.setdefault((each.element, each.enterprise), place)
        self.order = np.repeat(np.array(layout.order, np.int64), self.held)

    def has(self, element: int, enterprise: int = 0) -> bool:
        """Return True where the records have an element."""
        return (element, enterprise) in self._found

    def place(self, element: int) -> int:
        """Return which field of a record an element is; behind all where they lack it."""
        return self._found.get((element, 0), len(self._layout.fields))

    def raw(self, element: int, enterprise: int = 0) -> np.ndarray | None:
        """Return the bytes of an element, a row a record; None where the layout lacks it or its length varies."""
        place = self._found.get((element, enterprise))
        if place is None:
            return None
        length = self._layout.fields[place].length
        if length in (0, VARYING):
            return None
        first = self._places[:, place] if self._layout.varies else self._first + self._at[place]
        return self._buffer[first[:, None] + np.arange(length)]

    def whole(self, element: int, enterprise: int = 0) -> np.ndarray | None:
        """Return an element as whole numbers (int64), of any length up to eight bytes; -1 where one does not fit."""
        found = self.raw(element, enterprise)
        if found is None or found.shape[1] > 8:
            return None
        wide = np.zeros((self.count, 8), np.uint8)  # RFC 7011 6.2: leading zeros may be left out
        wide[:, 8 - found.shape[1] :] = found
        numbers: np.ndarray = wide.reshape(-1).view(">u8").astype(np.int64)
        numbers[numbers < 0] = -1
        return numbers

    def first(self, elements: tuple[int, ...], enterprise: int = 0) -> np.ndarray | None:
        """Return the first of some elements that the records have, as whole numbers."""
        for element in elements:
            found = self.whole(element, enterprise)
            if found is not None:
                return found
        return None


def is_flow(layout: Layout) -> bool:
    """Return True where records of a layout say who sent or to whom."""
    return not layout.options and any(
        each.enterprise == 0 and each.length == length
        for each in layout.fields
        for four, six in _ADDRESSES.values()
        for element, length in ((four, 4), (six, 16))
        if each.element == element
    )


def records(layout: Layout) -> Records:
    """Return the records of a layout."""
    return Records(layout)


def flow_fields(found: Records, exported: np.ndarray) -> dict[str, np.ndarray]:
    """Return the columns that records have.

    Parameters
    ----------
    found
        The records.
    exported : int64 array
        When each was exported, in nanoseconds since 1970.

    Returns
    -------
    dict
        `start_uptime` and `end_uptime` are there where times are milliseconds of the exporter's uptime, `init` where a record
        says when that began.
    """
    columns: dict[str, np.ndarray] = {"order": found.order}
    for side, pair in _ADDRESSES.items():
        columns |= _addresses(found, side, pair)
    for name, elements in {**_WHOLE, **_BACK}.items():
        value = found.first(elements)
        if value is not None:
            columns[name] = value
    for name, elements in _REVERSED.items():
        value = found.first(elements, REVERSE)
        if value is not None:
            columns[name] = value
    _tidy(columns)
    icmp = _icmp(found)
    if icmp is not None:
        columns["icmp"] = icmp
    columns |= _times(found, exported)
    _biflow(found, columns)
    return columns


def _tidy(columns: dict[str, np.ndarray]) -> None:
    """Make numbers fit the table: 8 bits of flags, protocols of 8 bits, no VLAN 0."""
    for name in ("src_flags", "dst_flags"):
        if name in columns:
            columns[name] = np.where(columns[name] < 0, -1, columns[name] & 0xFF)
    if "vlan" in columns:
        columns["vlan"] = np.where((columns["vlan"] > 0) & (columns["vlan"] < 4096), columns["vlan"], -1)
    for name, most in (("proto", 255), ("src_port", 65_535), ("dst_port", 65_535), ("sampling", 2**32 - 1)):
        if name in columns:
            columns[name] = np.where(columns[name] <= most, columns[name], -1)


def _addresses(found: Records, side: str, elements: tuple[int, int]) -> dict[str, np.ndarray]:
    high, low, tag = (np.zeros(found.count, np.int64) for _ in range(3))
    version = found.whole(60)
    # Templates with both kinds leave one at zero, or (VXLAN) go on with what was inside: the first that is not zero counts.
    for element in sorted(elements, key=found.place):
        raw = found.raw(element)
        if raw is None or raw.shape[1] != (4 if element == elements[0] else 16):
            continue
        if element == elements[0]:
            kind, tops, lows = 4, np.zeros(found.count, np.int64), raw.view(">u4").reshape(-1).astype(np.int64)
        else:
            kind, (tops, lows) = 6, raw.view(">i8").reshape(-1, 2).astype(np.int64).T
        zero = (high == 0) & (low == 0)
        other = zero & ((tops != 0) | (lows != 0)) if version is None else zero & (version == kind)
        here = (tag == 0) | other
        high[here], low[here], tag[here] = tops[here], lows[here], kind
    return {f"{side}_high": high, f"{side}_low": low, f"{side}_tag": tag}


def _icmp(found: Records) -> np.ndarray | None:
    """Return type * 256 + code, where the records say; ICMPv6 counts where that of ICMP is zero."""
    told = None
    for both, kind, code in _ICMP:
        value = found.whole(both)
        if value is None and (kinds := found.whole(kind)) is not None:
            codes = found.whole(code)
            value = (kinds & 0xFF) << 8 | (0 if codes is None else codes & 0xFF)
        if value is not None:
            told = value if told is None else np.where(told > 0, told, value)
    return told


def _nanoseconds(value: np.ndarray, each: int) -> np.ndarray:
    fine = (value > 0) & (value < _LATEST * (10**9 // each))
    return np.where(fine, np.where(fine, value, 0) * each, NOT_A_TIME)


def _ntp(raw: np.ndarray | None, *, micro: bool) -> np.ndarray | None:
    """Return NTP time stamps, seconds since 1900 and a fraction (RFC 7011 6.1.9, 6.1.10), in nanoseconds since 1970."""
    if raw is None or raw.shape[1] != 8:
        return None
    halves = raw.view(">u4").reshape(-1, 2).astype(np.int64)
    fraction = halves[:, 1] & ~0x7FF if micro else halves[:, 1]  # its lower 11 bits say nothing
    # rounded to what the stamp can hold: a fraction is written by rounding down
    part = ((fraction.astype(np.float64) * 1e6 / 2**32).round() * 1e3 if micro else fraction * 1e9 / 2**32).round()
    seconds = halves[:, 0] - _NTP_EPOCH
    seconds[seconds < 0] += 1 << 32  # RFC 5905: era 1 begins in 2036
    return np.where(halves.any(axis=1), seconds * 10**9 + part.astype(np.int64), NOT_A_TIME)


def _absolute(found: Records, place: int, exported: np.ndarray, enterprise: int = 0) -> np.ndarray | None:
    """Return the start (0) or end (1) of flows, where the records tell it without the exporter's uptime."""
    for elements, each in ((_MILLI, 10**6), (_SECONDS, 10**9)):
        value = found.whole(elements[place], enterprise)
        if value is not None:
            return _nanoseconds(value, each)
    for elements, micro in ((_MICRO, True), (_NANO, False)):
        value = _ntp(found.raw(elements[place], enterprise), micro=micro)
        if value is not None:
            return value
    value = found.whole(_DELTA[place], enterprise)
    return None if value is None else exported - np.minimum(value, 2**32 - 1) * 1000


def _times(found: Records, exported: np.ndarray) -> dict[str, np.ndarray]:
    times: dict[str, np.ndarray] = {}
    for place, name in enumerate(("start", "end")):
        value = _absolute(found, place, exported)
        if value is not None:
            times[name] = value
        elif (uptime := found.whole(_UPTIME[place])) is not None:
            times[f"{name}_uptime"] = uptime
    event = found.whole(_EVENT)
    if event is not None:
        for name in ("start", "end"):
            if f"{name}_uptime" not in times:
                known = times.get(name, np.full(found.count, NOT_A_TIME))
                times[name] = np.where(known == NOT_A_TIME, _nanoseconds(event, 10**6), known)
    lasted = next(
        (value * each for element, each in _LASTED.items() if (value := found.whole(element)) is not None), None
    )
    if lasted is not None and len({"start", "end"} & times.keys()) == 1:
        for one, other, sign in (("start", "end", 1), ("end", "start", -1)):
            if one in times and f"{other}_uptime" not in times:
                fine = (times[one] != NOT_A_TIME) & (lasted >= 0) & (lasted < 1 << 62)
                times[other] = np.where(fine, np.where(fine, times[one], 0) + sign * lasted, NOT_A_TIME)
    return times


def _biflow(found: Records, columns: dict[str, np.ndarray]) -> None:
    """Join times of the way back; turn records whose reverse direction is the initiator's (RFC 5103 6.3)."""
    two_way = [name for name in ("dst_packets", "dst_octets") if name in columns]
    exported = np.zeros(found.count, np.int64)
    for place, (name, choose) in enumerate((("start", np.minimum), ("end", np.maximum))):
        back = (
            None
            if not found.has(_MILLI[place], REVERSE) and not found.has(_SECONDS[place], REVERSE)
            else (_absolute(found, place, exported, REVERSE))
        )
        if back is not None and name in columns:
            both = (back != NOT_A_TIME) & (columns[name] != NOT_A_TIME)
            columns[name] = np.where(both, choose(back, columns[name]), columns[name])
    if not two_way:
        return
    direction = found.whole(239)
    if direction is not None:
        columns["direction_known"] = (direction == 1) | (direction == 2)
        turned = direction == 2
        if turned.any():
            for name in [each for each in columns if each.startswith("src_")]:
                other = "dst_" + name[4:]
                one, two = columns[name], columns.get(other, np.full(found.count, -1))
                columns[name], columns[other] = np.where(turned, two, one), np.where(turned, one, two)
    elif found.has(231) or found.has(298):  # initiatorOctets, initiatorPackets: src is who opened it
        columns["direction_known"] = np.ones(found.count, bool)
