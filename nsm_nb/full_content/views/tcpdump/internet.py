"""IPv4 and IPv6 in tcpdump's layout, and what they carry."""

from __future__ import annotations

from nsm_nb.full_content.views.tcpdump import control, transport
from nsm_nb.full_content.views.tcpdump.names import ETHERTYPES, PROTOCOLS
from nsm_nb.full_content.views.tcpdump.options import options
from nsm_nb.full_content.views.tcpdump.page import (
    Cut,
    Page,
    checksum,
    expected,
    ip_at,
    named,
    u8,
    u16,
    u32,
)

__all__ = ["ip4", "ip6"]

_FRAGMENTS = ((0x2000, "+"), (0x4000, "DF"), (0x8000, "rsvd"))
_ECN = ("", ",ECT(1)", ",ECT(0)", ",CE")
# carried with ports, which are printed beside the addresses
_WITH_PORTS = (6, 17)


def ip4(page: Page, data: bytes, length: int) -> None:
    """Write an IPv4 datagram: what is there of it, and `length` as the layer below claims."""
    page.protocol = "ip"
    if not data:
        raise Cut
    if len(data) < 20:
        page.cut()
        return
    if length < 20:
        page.say(f"truncated-ip {length}")
        return
    if data[0] >> 4 != 4:
        page.say(_wrong_version(data[0] >> 4, 6))
        return
    size = (data[0] & 15) * 4
    if size < 20:
        page.say(f"bad-hlen {size}")
        return
    total = u16(data, 2)
    if length < total:
        page.say(f"truncated-ip - {total - length} bytes missing! ")
    if total < size:
        if total:
            page.say(f"bad-len {total}")
            return
        total = length  # the sensor saw it before segmentation offload had filled it in
    if not page.deeper():
        return
    data = data[:total]
    place, proto, tos = u16(data, 6), u8(data, 9), u8(data, 1)
    page.say(f"(tos 0x{tos:x}{_ECN[tos & 3]}")
    if u8(data, 8):
        page.say(f", ttl {data[8]}")
    page.say(
        f", id {u16(data, 4)}, offset {(place & 0x1FFF) * 8}, flags [{named(place, _FRAGMENTS)}]"
        f", proto {PROTOCOLS.get(proto, 'unknown')} ({proto}), length {u16(data, 2)}"
    )
    whole = True
    if size > 20:
        page.say(", options (")
        whole = options(page, data[20:], size - 20)
        page.say("" if whole else " [truncated-option]", ")")
    if size <= len(data):
        computed = checksum(data[:size])
        if computed:
            page.say(f", bad cksum {u16(data, 10):x} (->{expected(u16(data, 10), computed):x})!")
    page.say(")\n    ")
    ends = f"{ip_at(data, 12)} > {ip_at(data, 16)}"
    if not whole:
        page.say(ends, ": ")
        page.cut()
        return
    if place & 0x1FFF:
        page.say(ends, f": ip-proto-{proto}")
        return
    if proto not in _WITH_PORTS:
        page.say(ends, ": ")
    if size > len(data):
        page.say(f" [remaining caplen({len(data)}) < header length({size})]")
        page.cut()
        return
    _carried(page, proto, data, size, total - size, fragmented=bool(place & 0x2000), direct=True)


def _carried(
    page: Page, proto: int, datagram: bytes, at: int, length: int, *, fragmented: bool, direct: bool, version: int = 4
) -> None:
    """Write what a datagram carries; `direct` where no header of an extension stands between."""
    data = datagram[at:]
    if proto == 6:
        transport.tcp(page, data, length, datagram, fragmented=fragmented, direct=direct)
    elif proto == 17:
        transport.udp(page, data, length, datagram, fragmented=fragmented, direct=direct)
    elif proto == 1 and version == 4:
        control.icmp(page, data, length, quoted=ip4, fragmented=fragmented)
    elif proto == 58 and version == 6:
        control.icmp6(page, data, length, datagram, fragmented=fragmented)
    elif proto == 4:
        ip4(page, data, length)
    elif proto == 41:
        ip6(page, data, length)
    elif proto == 47:
        _gre(page, data, length)
    elif proto == 59:
        page.say("no next header")
    elif proto in (1, 58):
        page.say(f"[{PROTOCOLS[proto]} requires IPv{10 - version}] (invalid)")
    else:
        page.say(f" ip-proto-{proto} {length}")


def _gre(page: Page, data: bytes, length: int) -> None:
    """Write a GRE header (RFC 2784, 2890), and the datagram behind it."""
    page.protocol = "gre"
    flags, kind, at = u16(data, 0), u16(data, 2), 4
    page.say(f"GREv{flags & 7}")
    if flags & 7:
        return
    page.say(f", Flags [{named(flags, _GRE_FLAGS)}]")
    if flags & 0xC000:
        page.say(f", sum 0x{u16(data, at):x}" if flags & 0x8000 else "", f", off 0x{u16(data, at + 2):x}")
        at += 4
    if flags & 0x2000:
        page.say(f", key=0x{u32(data, at):x}")
        at += 4
    if flags & 0x1000:
        page.say(f", seq {u32(data, at)}")
        at += 4
    page.say(f", proto {ETHERTYPES.get(kind, 'unknown')} (0x{kind:04x}), length {length}")
    page.say("\n\t")
    if kind in (0x0800, 0x86DD):
        (ip4 if kind == 0x0800 else ip6)(page, data[at:], length - at)
    else:
        page.say(f"gre-proto-0x{kind:x}")


_GRE_FLAGS = (
    (0x8000, "checksum present"), (0x4000, "routing present"), (0x2000, "key present"), (0x1000, "sequence# present"),
    (0x0800, "source routing present"),
)  # fmt: skip


def ip6(page: Page, data: bytes, length: int) -> None:
    """Write an IPv6 datagram; parameters as `ip4`."""
    page.protocol = "ip6"
    if len(data) < 40:
        page.cut()
        return
    if length < 40:
        page.say(f"truncated-ip6 {length}")
        return
    if data[0] >> 4 != 6:
        page.say(_wrong_version(data[0] >> 4, 4))
        return
    if not page.deeper():
        return
    claimed = u16(data, 4)
    total = claimed + 40 if claimed else length
    if length < total:
        page.say(f"truncated-ip6 - {total - length} bytes missing!")
    data = data[:total]
    flow, proto = u32(data, 0), u8(data, 6)
    page.say("(")
    if flow & 0x0FF00000:
        page.say(f"class 0x{flow >> 20 & 0xFF:02x}, ")
    if flow & 0xFFFFF:
        page.say(f"flowlabel 0x{flow & 0xFFFFF:05x}, ")
    page.say(f"hlim {u8(data, 7)}, next-header {PROTOCOLS.get(proto, 'unknown')} ({proto}) payload length: {claimed}) ")
    if proto not in _WITH_PORTS:
        page.say(f"{ip_at(data, 8, 16)} > {ip_at(data, 24, 16)}: ")
    _beyond(page, data, proto, total)


def _wrong_version(version: int, other: int) -> str:
    return f"IP{version}{', wrong link-layer encapsulation' if version == other else ''} (invalid)"


def _beyond(page: Page, data: bytes, proto: int, total: int) -> None:
    """Write the extension headers of IPv6, and what stands behind them."""
    at, fragmented, direct, first = 40, False, True, proto
    while True:
        if proto == 0 and at > 40:
            words = "was already found" if first == 0 else "don't follow the IPv6 header"
            page.say(f"[The Hop-by-Hop Options header {words}] (invalid)")
            return
        if proto in (0, 60):
            size = _header_options(
                page, data[at:], "HBH" if proto == 0 else "DSTOPT", "hbhopt" if proto == 0 else "dstopt"
            )
        elif proto == 43:
            size, last = _routing(page, data[at:])
            if last:  # sums are over the last stop (RFC 8200 8.1)
                data = data[:24] + last + data[40:]
        elif proto == 44:
            page.protocol = "frag6"
            place, ident = u16(data, at + 2), u32(data, at + 4)
            page.say(f"frag (0x{ident:08x}:{place & 0xFFF8}|{total - at - 8})")
            if place & 0xFFF8:
                return
            page.say(" ")
            size, fragmented = 8, True
        else:
            _carried(page, proto, data, at, total - at, fragmented=fragmented, direct=direct, version=6)
            return
        if size is None:
            return
        direct, proto, at = False, u8(data, at), at + size
        page.protocol = "ip6"
        if total < at:
            page.cut()
            return


def _header_options(page: Page, data: bytes, title: str, protocol: str) -> int | None:
    page.protocol = protocol
    size = (u8(data, 1) + 1) * 8
    if size > len(data):
        raise Cut
    page.say(title, " ")
    at = 2
    while at < size:
        kind = data[at]
        step = 1 if kind == 0 else data[at + 1] + 2 if at + 1 < size else size
        if at + step > size:
            page.say("[trunc] ")
            return None
        if kind == 0:
            page.say("(pad1)")
        elif kind == 1:
            page.say("(padn)")
        elif kind == 5:
            page.say(f"(rtalert: 0x{u16(data, at + 2):04x}) ")
        elif kind == 0xC2:
            page.say(f"(jumbo: {u32(data, at + 2)}) ")
        else:
            page.say(f"(opt_type 0x{kind:02x}: len={data[at + 1]})")
        at += step
    page.say(" ")
    return size


def _routing(page: Page, data: bytes) -> tuple[int, bytes]:
    """Write a routing header; return its size, and where the datagram is to end if it is not there yet."""
    page.protocol = "rt6"
    page.say("RT6")
    size, kind, left = u8(data, 1), u8(data, 2), u8(data, 3)
    page.say(f" (len={size}, type={kind}{' [Deprecated]' if kind == 0 else ''}, segleft={left}")
    count, stops = 0, []
    if kind in (0, 2):
        page.say(f", rsv=0x{u32(data, 4):0x}")
        count = size // 2
    elif kind == 4:
        page.say(f", last-entry={u8(data, 4)}, flags=0x{u8(data, 5):0x}, tag={u16(data, 6):0x}")
        count = data[4] + 1
    for number in range(count):
        stops.append(data[8 + number * 16 : 24 + number * 16])
        page.say(f", [{number}]{ip_at(data, 8 + number * 16, 16)}")
    page.say(") ")
    last = stops[-1] if kind in (0, 2) and stops else stops[0] if stops else b""
    return (size + 1) * 8, last if left else b""
