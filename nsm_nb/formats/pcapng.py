"""The blocks of pcapng: sections, interfaces, packets; comments and names are told, secrets are counted, none of them is used.

Source: draft-ietf-opsawg-pcapng 4.
"""

from __future__ import annotations

import ipaddress
import struct
from collections.abc import Iterator

import numpy as np

from nsm_nb.errors import DamagedEvidence
from nsm_nb.formats.capture_heads import appended
from nsm_nb.formats.reading import Reading
from nsm_nb.formats.resuming import find_block
from nsm_nb.formats.source import Source
from nsm_nb.kernels.records import BLOCK, DAMAGE, LARGEST_FRAME, Interface, Seen, walk_pcapng
from nsm_nb.schema import PACKETS
from nsm_nb.text import form, many, printable

__all__ = ["read"]

_SECTION, _INTERFACE, _PACKET, _SIMPLE, _NAMES, _ENHANCED = 0x0A0D0D0A, 1, 2, 3, 4, 6
_MOST_SECTIONS = _MOST_INTERFACES = _MOST_BLOCKS = 65_536  # sections, interfaces, unreadable blocks of one file
_OPT_END, _OPT_COMMENT, _IF_NAME, _IF_TSRESOL, _IF_TSOFFSET = 0, 1, 2, 9, 14
_COMMENTS_TOLD = 20  # and as many names
_LONGEST_COMMENT = 300  # characters that are told


class _Section:
    """A section's byte order and its interfaces; each is a row of `kernels.records.Interface`."""

    def __init__(self, big: bool):
        self.big = big
        self.order = ">" if big else "<"
        self.names: list[str] = []
        self._rows = np.zeros((16, Interface.SIZE), np.int64)

    @property
    def interfaces(self) -> np.ndarray:
        return self._rows[: len(self.names)]

    def add(self, link: int, stamp: tuple[int, int, int], snaplen: int, name: str) -> None:
        if len(self.names) == len(self._rows):  # doubled, so that many interfaces are not copied at each one
            self._rows = np.concatenate([self._rows, np.zeros_like(self._rows)])
        self._rows[len(self.names)] = link, *stamp, snaplen or LARGEST_FRAME, -1, -1
        self.names.append(name)


class _Damage(Exception):
    """A block whose fields can't be true; the text says which."""


class _Blocks:
    """One pcapng while it is read."""

    def __init__(self, source: Source, reading: Reading):
        self.source, self.reading = source, reading
        self.section = _Section(False)
        self.sections = self.interfaces = self.dropping = 0
        self.comments = np.zeros((_COMMENTS_TOLD, 3), np.int64)  # of packets: where they stand, bytes, row
        self.other_comments = 0  # of sections and interfaces
        self.claims: list[str] = []
        self.claimed = 0
        self.unreadable = 0

    def walk(self) -> int:
        """Walk the blocks in the buffer as far as the kernel goes; return why it stopped."""
        source, frames, reading = self.source, self.reading.frames, self.reading
        frames.make_room((source.end - source.start) // 16 + 1)
        c, told = frames.columns, int(reading.seen[Seen.COMMENTS])
        upto, position, why = walk_pcapng(
            source.buffer, source.start, source.end, self.section.big, self.section.interfaces, source.base,
            c.offset, c.captured, c.length, c.time, c.link, frames.count, reading.seen, self.comments,
        )  # fmt: skip
        for at, size, row in self.comments[told : int(reading.seen[Seen.COMMENTS])].tolist():
            text = bytes(source.buffer[at : at + size])
            reading.tell(
                "comment", f"frame {reading.frame(row)} has the comment {_quoted(text)}", frame=reading.frame(row)
            )
        if upto > frames.count:
            frames.decode(source, upto)
        source.start = position
        return why

    def block(self) -> bool:
        """Read the block at `source.start`, one of those that the kernel leaves; False where the file ends inside it."""
        source, section = self.source, self.section
        if not source.need(12):
            return False
        (kind,) = struct.unpack_from(section.order + "I", source.buffer.data, source.start)
        if kind == _SECTION:
            magic = bytes(source.buffer[source.start + 8 : source.start + 12])
            if magic not in (b"\x1a\x2b\x3c\x4d", b"\x4d\x3c\x2b\x1a"):
                raise _Damage("a section header without its byte-order magic")
            section = _Section(magic == b"\x1a\x2b\x3c\x4d")
        (size,) = struct.unpack_from(section.order + "I", source.buffer.data, source.start + 4)
        if size < 12 or size & 3:
            raise _Damage(f"a block of type {kind} claims {many(size, 'byte')}")
        if size > len(source.buffer) - source.keep:
            if kind == _NAMES and not self.reading.recover:
                whole = source.skip(size)
                self.reading.seen[Seen.NAMES] += whole
                return whole
            raise _Damage(f"a block of type {kind} claims {many(size, 'byte')}")
        if not source.need(size):
            return False
        body = bytes(source.buffer[source.start + 8 : source.start + size - 4])
        (again,) = struct.unpack_from(section.order + "I", source.buffer.data, source.start + size - 4)
        if again != size:
            raise _Damage(f"a block says {many(size, 'byte')} at its start and {again:,} at its end")
        if kind == _SECTION:
            self._begin(section, body)
        elif kind == _INTERFACE:
            self._interface(body)
        else:
            self._names(body)
        source.start += size
        return True

    def more(self, why: int) -> bool:
        """Read on; pass over a block that is larger than the buffer. False at the end of the file."""
        source = self.source
        if why == DAMAGE:
            raise _Damage("a block's lengths or its interface can't be true")
        if source.end - source.start >= 12:
            kind, size = struct.unpack_from(self.section.order + "II", source.buffer.data, source.start)
            if size > len(source.buffer) - source.keep:
                if self.reading.recover or kind in (_ENHANCED, _PACKET, _SIMPLE, _INTERFACE):
                    raise _Damage(f"a block of type {kind} claims {many(size, 'byte')}")
                return source.skip(size)
        return source.fill()

    def _begin(self, section: _Section, body: bytes) -> None:
        major, minor = struct.unpack_from(section.order + "HH", body.ljust(8, b"\0"), 4)
        if major != 1 or minor not in (0, 2):  # 4.1: other versions are other formats
            raise _Damage(f"a section of pcapng version {major}.{minor}, which nobody has defined")
        if self.sections >= _MOST_SECTIONS:
            raise _Damage(f"one section more than {_MOST_SECTIONS:,}")
        self.drops()
        self.section = section
        self.sections += 1
        for code, value in self._options(body[16:]):
            if code == _OPT_COMMENT:
                self._comment(value, "the file" if self.sections == 1 else f"section {self.sections}")

    def _interface(self, body: bytes) -> None:
        section = self.section
        self.interfaces += 1
        if len(body) < 8 or self.interfaces > _MOST_INTERFACES:
            raise _Damage("an interface block that is too short, or one too many")
        link, _, snaplen = struct.unpack_from(section.order + "HHI", body)
        exponent, shift, epoch, name = 6, 0, 0, ""
        for code, value in self._options(body[8:]):
            if code == _IF_TSRESOL and len(value) >= 1:
                exponent, shift = (-1, value[0] & 0x7F) if value[0] & 0x80 else (value[0], 0)
            elif code == _IF_TSOFFSET and len(value) >= 8:
                (epoch,) = struct.unpack_from(section.order + "q", value)
            elif code == _IF_NAME:
                name = value[:100].rstrip(b"\0").decode("utf-8", "backslashreplace")
            elif code == _OPT_COMMENT:
                self._comment(value, f"interface {len(section.names)}")
        section.add(link, (exponent, shift, epoch), snaplen, name)

    def _options(self, data: bytes) -> Iterator[tuple[int, bytes]]:
        """Yield code and value of each option, as far as they are whole."""
        at = 0
        while at + 4 <= len(data):
            code, size = struct.unpack_from(self.section.order + "HH", data, at)
            value = data[at + 4 : at + 4 + size]
            if code == _OPT_END:
                return
            if len(value) < size:
                self.reading.seen[Seen.OVERRUN] += 1
                return
            yield code, value
            at += 4 + size + (-size % 4)

    def _comment(self, text: bytes, whose: str) -> None:
        self.other_comments += 1
        if self.other_comments <= _COMMENTS_TOLD:
            self.reading.tell("comment", f"{whose} has the comment {_quoted(text)}")

    def _names(self, body: bytes) -> None:
        self.reading.seen[Seen.NAMES] += 1
        at = 0
        while at + 4 <= len(body):
            kind, size = struct.unpack_from(self.section.order + "HH", body, at)
            value = body[at + 4 : at + 4 + size]
            wide = {1: 4, 2: 16}.get(kind)  # nrb_record_ipv4, nrb_record_ipv6
            if kind == 0 or len(value) < size:
                break
            if wide and size > wide:
                self.claimed += 1
                if self.claimed <= _COMMENTS_TOLD:
                    names = value[wide:].rstrip(b"\0").replace(b"\0", b", ")
                    self.claims.append(f"{ipaddress.ip_address(value[:wide])} is {_quoted(names)}")
            at += 4 + size + (-size % 4)

    def pass_over(self) -> bool:
        """Pass over the block at `source.start` if it is one, whatever is wrong inside; False where its lengths are."""
        source = self.source
        if not source.need(12):
            return False
        (size,) = struct.unpack_from(self.section.order + "I", source.buffer.data, source.start + 4)
        if (
            size < 12
            or size & 3
            or size > LARGEST_FRAME + 65_536
            or self.unreadable > _MOST_BLOCKS
            or not source.need(size)
        ):
            return False
        if struct.unpack_from(self.section.order + "I", source.buffer.data, source.start + size - 4) != (size,):
            return False
        source.start += size
        self.unreadable += 1
        return True

    def drops(self) -> None:
        """Tell what the interfaces of the section that ends say they dropped."""
        for number, (name, row) in enumerate(zip(self.section.names, self.section.interfaces.tolist(), strict=True)):
            received, dropped = row[Interface.RECEIVED], row[Interface.DROPPED]
            if dropped > 0 and self.dropping >= _COMMENTS_TOLD:
                self.reading.seen[Seen.DROPS] += dropped
            elif dropped > 0:
                self.dropping += 1
                named = f" ({printable(name)})" if name else ""
                share = form(dropped, " packet", " packets")
                if received > 0:
                    share = f" of {many(received, 'packet')} ({100 * dropped / received:.2g} %)"
                self.reading.tell(
                    "drops",
                    f"interface {number}{named} says that it dropped {dropped:,}{share} while it was written; "
                    f"{form(dropped, 'it is', 'they are')} not in it",
                )

    def finish(self) -> None:
        """Tell of what is in the file besides packets."""
        reading, seen = self.reading, self.reading.seen
        self.drops()
        if self.unreadable:
            were = form(self.unreadable, "was", "were")
            reading.tell("damage", f"{many(self.unreadable, 'block')} can't be true and {were} passed over")
        comments = int(seen[Seen.COMMENTS]) + self.other_comments
        if seen[Seen.COMMENTS] > _COMMENTS_TOLD or self.other_comments > _COMMENTS_TOLD:
            reading.tell(
                "comment", f"has {comments:,} comments; the first {_COMMENTS_TOLD} of packets and of the rest are told"
            )
        if seen[Seen.NAMES]:
            left = self.claimed - len(self.claims)
            claims = "; ".join([*self.claims, *([f"and {left:,} more"] if left else [])])
            reading.tell(
                "pcapng",
                f"holds {many(int(seen[Seen.NAMES]), 'name resolution block')} (names are a claim of the file and never "
                f"replace an address)" + (f": {claims}" if claims else ""),
            )
        kind = int(seen[Seen.UNKNOWN_KIND])
        for what, one, several in (
            (Seen.SECRETS, "decryption secrets block (not used)", "decryption secrets blocks (not used)"),
            (
                Seen.UNKNOWN,
                f"block of a kind that is not read (type {kind})",
                f"blocks of kinds that are not read (the first is of type {kind})",
            ),
            (
                Seen.OVERRUN,
                "block whose options run over its end; these options were not read",
                "blocks whose options run over their end; these options were not read",
            ),
        ):
            if seen[what]:
                reading.tell("pcapng", f"holds {many(int(seen[what]), one, several)}")


def read(source: Source, reading: Reading) -> bool:
    """Read the blocks of a pcapng; True where another capture, which is none, begins behind them.

    Parameters
    ----------
    source
        Stands at its first block.
    reading
        Where frames and caveats go.

    Raises
    ------
    DamagedEvidence
        Where not even the first section header is whole.
    """
    blocks = _Blocks(source, reading)

    def find() -> bool:
        return find_block(source, big=blocks.section.big)

    more = False
    while True:
        why = blocks.walk() if blocks.sections else BLOCK
        if reading.too_many(source):
            break
        at, claims = source.at, _claims(source, blocks.section)
        try:
            whole = blocks.block() if why == BLOCK else blocks.more(why)
        except _Damage as problem:
            sentence = f"damage at byte {at}: {problem}"
            if not blocks.sections:
                raise DamagedEvidence(f"{reading.name}: {sentence}; nothing could be read", PACKETS.empty()) from None
            if appended(source, reading):
                more = True
                break
            if reading.recover and blocks.pass_over():
                continue
            if reading.damage(source, sentence, find):
                continue
            break
        if not whole:
            if not blocks.sections:
                raise DamagedEvidence(
                    f"{reading.name} ends inside its first block; copy it again from the sensor", PACKETS.empty()
                )
            source.start -= max(source.at - at, 0)
            if not reading.cut(source, find, f"the block at byte {at}{claims}"):
                break
    blocks.finish()
    return more


def _claims(source: Source, section: _Section) -> str:
    """Return in words how long the block at `source.start` says it is, where its head is in the buffer."""
    if source.end - source.start < 8:
        return ""
    kind, size = struct.unpack_from(section.order + "II", source.buffer.data, source.start)
    return "" if kind == _SECTION else f", which claims {many(size, 'byte')},"  # a section may change the byte order


def _quoted(text: bytes) -> str:
    """Return what somebody wrote, made safe to show, in quotes."""
    shown = printable(text.rstrip(b"\0").decode("utf-8", "backslashreplace"))
    return f'"{shown[:_LONGEST_COMMENT]}{"..." if len(shown) > _LONGEST_COMMENT else ""}"'
