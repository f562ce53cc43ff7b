"""How captures begin: pcap and its variants, pcapng, snoop.

Source: draft-ietf-opsawg-pcap 4; libpcap's sf-pcap.c and Wireshark's wiretap/libpcap.h for the variants of pcap;
draft-ietf-opsawg-pcapng 4.1; RFC 1761.
"""

from __future__ import annotations

import struct
from typing import NamedTuple

from nsm_nb.formats.reading import Reading
from nsm_nb.formats.source import Source

__all__ = ["MAGIC", "PCAPNG", "SNOOP", "Variant", "appended", "begins", "unread_variant"]

PCAPNG = b"\x0a\x0d\x0d\x0a"
SNOOP = b"snoop\0\0\0"


class Variant(NamedTuple):
    """A kind of pcap."""

    big: bool  # numbers are big-endian
    tick: int  # nanoseconds of one unit of the second time field
    header: int = 24  # bytes of the file's header
    head: int = 16  # bytes of a record's header


# First four bytes, big-endian. Kuznetzov's patch of libpcap adds interface, protocol and direction to each record; IXIA's
# lcap adds the size of all records to the file's header (Wireshark, wiretap/libpcap.h).
_VARIANTS = {
    0xA1B2C3D4: Variant(True, 1000),
    0xA1B23C4D: Variant(True, 1),
    0xA1B2CD34: Variant(True, 1000, head=24),
    0x1C0001AC: Variant(True, 1, header=28),
    0x1C0001AB: Variant(True, 1000, header=28),
}
MAGIC = {number.to_bytes(4, "big"): kind for number, kind in _VARIANTS.items()} | {
    number.to_bytes(4, "little"): kind._replace(big=False) for number, kind in _VARIANTS.items()
}
# Variants that libpcap names and does not read either (sf-pcap.c)
_UNREAD = {0xA1B234CD: "F. Mesquita's variant of pcap", 0xA12B3C4D: "Navtel's variant of pcap"}


def begins(head: bytes) -> bool:
    """Return True where the bytes are the first of a capture, be it one that is not read."""
    if head[:4] in MAGIC or head[:8] == SNOOP or unread_variant(head):
        return True
    return head[:4] == PCAPNG and head[8:12] in (b"\x1a\x2b\x3c\x4d", b"\x4d\x3c\x2b\x1a")


def unread_variant(head: bytes) -> str:
    """Return the name of a variant of pcap that is not read; nothing where it is none."""
    return _UNREAD.get(int.from_bytes(head[:4], "big")) or _UNREAD.get(int.from_bytes(head[:4], "little"), "")


def appended(source: Source, reading: Reading) -> bool:
    """Return True, and say so, where another capture begins: somebody has put two files into one."""
    if not source.need(24):
        return False
    head = bytes(source.buffer[source.start : source.start + 24])
    if head[:4] in MAGIC:
        major, _ = struct.unpack_from(">HH" if MAGIC[head[:4]].big else "<HH", head, 4)
        found = major == 2
    else:
        found = begins(head) and not unread_variant(head)
    if found:
        reading.tell(
            "appended",
            f"another capture begins at byte {source.at}, behind frame {reading.count}; it was read on with that header",
            frame=reading.count + 1,
            at=source.at,
        )
    return found
