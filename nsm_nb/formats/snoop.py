"""The records of snoop, Solaris' capture format.

Source: RFC 1761; snoop(1M); wiretap/snoop.c for the data link types that came after the RFC.
"""

from __future__ import annotations

import struct

from nsm_nb.errors import DamagedEvidence
from nsm_nb.formats.capture_heads import appended
from nsm_nb.formats.reading import Reading
from nsm_nb.formats.resuming import find_record
from nsm_nb.formats.source import Source
from nsm_nb.kernels.records import DAMAGE, LARGEST_FRAME, walk_snoop
from nsm_nb.schema import PACKETS

__all__ = ["read"]

_HEAD = 24
# RFC 1761's data link types as LINKTYPE_ numbers: IEEE 802.3, token ring, Ethernet, FDDI; later ones of Solaris: IPv4, IPv6
_LINKS = {0: 1, 2: 6, 4: 1, 8: 10, 0x80000001: 228, 0x80000002: 229}
_OTHER = 0xFFFF


def read(source: Source, head: bytes, reading: Reading) -> bool:
    """Read the records of a snoop file; True where another capture begins behind them.

    Parameters
    ----------
    source
        Stands at the file's header.
    head
        The first bytes of that.
    reading
        Where frames and caveats go.

    Raises
    ------
    DamagedEvidence
        Where the header is cut, or of a version that nobody has defined.
    """
    if len(head) < 16:
        raise DamagedEvidence(
            f"{reading.name} ends inside its own file header ({len(head)} of 16 bytes); copy it again from the sensor",
            PACKETS.empty(),
        )
    version, datalink = struct.unpack_from(">II", head, 8)
    if version != 2:
        other = " (Shomiti Surveyor wrote such)" if version in (3, 4, 5) else ""
        raise DamagedEvidence(
            f"{reading.name} says it is snoop version {version}{other}; only version 2 is read. Convert it, with editcap",
            PACKETS.empty(),
        )
    link = _LINKS.get(datalink, _OTHER)
    if link == _OTHER:
        reading.tell("link type", f"snoop's data link type {datalink} is not supported; frames have no addresses")
    frames = reading.frames

    def find() -> bool:
        return find_record(source, reading, (True, 1000, 0, 0))

    source.keep = LARGEST_FRAME + _HEAD if reading.recover else 0
    source.start += 16
    while True:
        frames.make_room((source.end - source.start) // _HEAD)
        c = frames.columns
        upto, position, why = walk_snoop(
            source.buffer, source.start, source.end, source.base, c.offset, c.captured, c.length, c.time, frames.count,
            reading.seen,
        )  # fmt: skip
        c.link[frames.count : upto] = link
        frames.decode(source, upto)
        source.start = position
        if why == DAMAGE:
            if appended(source, reading):
                return True
            size, record = struct.unpack_from(">II", source.buffer.data, source.start + 4)
            sentence = (
                f"damage at byte {source.at}: frame {reading.count + 1} claims {size:,} bytes in a record of {record:,}, which "
                f"can't be true (a frame has {LARGEST_FRAME:,} at most)"
            )
            if not reading.damage(source, sentence, find):
                return False
        elif reading.too_many(source) or not (source.fill() or reading.cut(source, find)):
            return False
