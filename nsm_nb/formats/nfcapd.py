"""Files of nfcapd, as nfdump reads them: layout 1 (nfdump 1.6) and layout 2 (1.7), plain or compressed.

Layout 3, of versions to come, is read through an nfdump that knows it.

A record is one direction of a conversation; where it counts what came back as well (biflows, firewalls' events, ``nfdump -B``),
that is dst's. Octets are IP bytes, as exporters count them. Of records of later versions, what is not known is passed over and
counted.

Source: nfdump, nffile.h, nffileV2.h, nfxV3.h, exporter.h; nfdump's own listings are the oracle of the tests.
"""

from __future__ import annotations

import os
from collections import Counter
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pandas as pd

from nsm_nb.errors import DamagedEvidence
from nsm_nb.formats import nfdump_csv
from nsm_nb.formats.flow_columns import NOT_A_TIME, Addresses, flow_table, masked
from nsm_nb.formats.lines import Fingerprint
from nsm_nb.formats.nfcapd_blocks import LARGEST, MAGIC, Block, Head, blocks, read_head_of
from nsm_nb.formats.nfcapd_sources import Sources
from nsm_nb.formats.source import BUFFER, Source, read_head
from nsm_nb.formats.through import Program, printed
from nsm_nb.kernels.nfcapd import Rows, maps, rows_for, walk_for, walk_records
from nsm_nb.schema import Caveat, with_caveats
from nsm_nb.text import form, many, printable

__all__ = ["EXTENSIONS", "NAME", "TITLE", "recognises", "sessions"]

NAME = "nfcapd"
TITLE = "flow records stored by nfcapd"
EXTENSIONS = (".nfcapd", ".nf")

_MOST_META = 4096  # records about exporters that are read in a block
_MOST_TOLD = 20  # blocks that are told one by one
_LATEST = np.iinfo(np.int64).max // 1_000_000  # ms: later times do not fit nanoseconds
_SAMPLED = 2
_LEAST_LIMIT = 1 << 26  # bytes that any file may unpack to: a million records
_RATIO = 100  # how many times its size a larger file may
# record types of nfdump that hold no flow and nothing that is needed; those of 1.6 first
_PASSED = {0, 2, 3, 4, 6, 12, 13, 14}
_BLOCKS = {1: {2}, 2: {2, 3}}  # kinds of blocks that hold records, of each layout
_NEW = MAGIC + b"\x03\x00"
_NFDUMP = Program(
    "nfdump",
    ("-N", "-o", "csv", "-r"),  # -N: counts are not rounded
    "a file of nfdump in its layout 3",
    "print it where it was written: nfdump -N -o csv -r FILE > FILE.csv",
)


def recognises(head: bytes) -> bool:
    """Return True where the file starts as nfdump's do, in either byte order and any layout there was."""
    if len(head) < 40:
        return False
    if head[:2] == MAGIC:
        return head[2] in (1, 2, 3) and head[3] == 0
    return head[:2] == MAGIC[::-1] and head[2] == 0 and head[3] in (1, 2, 3)


def sessions(path: str | os.PathLike, *, label: str | None = None, digest: str | None = None) -> pd.DataFrame:
    """Read the flow records: one row of FLOWS for each, numbered from 1.

    `sensor` is the exporter; `received` is when nfcapd received the record, where that was stored; `sampling` what the
    exporter said of it. Other parameters, and errors, as `nsm_nb.formats.read_sessions`.
    """
    label = os.fspath(path) if label is None else label
    if read_head(path, len(_NEW)) == _NEW:
        return _through_nfdump(path, label, digest)
    with Fingerprint(path, digest) as fingerprint, Source(path, max(BUFFER, LARGEST + 64)) as source:
        head = read_head_of(source, label)
        found = _Found(label, head)
        for block in blocks(source, head, max(_LEAST_LIMIT, _RATIO * Path(path).stat().st_size)):
            found.take(block)
        rows = found.rows()
        sources = found.sources
        table = _table(rows, sources, label, fingerprint)
    caveats = [*found.told(), *(Caveat(label, None, None, kind, f"{printable(label)}: {said}") for kind, said in
                                sources.told(rows.exporter, (rows.marks & _SAMPLED) != 0))]  # fmt: skip
    return with_caveats(table, caveats)


def _through_nfdump(path: str | os.PathLike, label: str, digest: str | None) -> pd.DataFrame:
    with Fingerprint(path, digest) as fingerprint, printed(path, label, _NFDUMP) as listing:
        known = nfdump_csv.recognises(read_head(listing.path))
        table = nfdump_csv.flows_of(listing.path, label, fingerprint, source=NAME) if known else None
    # where it does not know the layout it says so, and prints no flows
    if table is None or (listing.said and not len(table)):
        raise DamagedEvidence(
            f"{printable(label)} is {_NFDUMP.what}, which the nfdump of this machine does not read"
            f"{listing.said and f' ({listing.said})'}; {_NFDUMP.otherwise}"
        )
    return with_caveats(table, listing.caveats)


class _Trouble(NamedTuple):
    kind: str
    record: int
    offset: int
    said: str


class _Found:
    """The rows of a file, block by block, and what was noticed."""

    def __init__(self, label: str, head: Head):
        self._label, self._head = label, head
        self._parts: list[Rows] = []
        self._maps = maps()
        self._others: Counter[int] = Counter()
        self._kinds: Counter[int] = Counter()
        self._trouble: list[_Trouble] = []
        self._count = self._poor = self._blocks = 0
        self.sources = Sources(head.ident, head.flows, head.failures)

    def take(self, block: Block) -> None:
        """Read a block."""
        if block.problem:
            kind = "bomb" if "too much" in block.problem or "more than a block" in block.problem else "cut"
            said = f"block {block.number:,} (byte {block.offset:,}): {block.problem}"
            self._trouble.append(_Trouble(kind, self._count + 1, block.offset, said))
        if block.kind < 0:
            return
        self._blocks += 1
        if block.kind not in _BLOCKS[self._head.layout]:
            self._kinds[block.kind] += 1
            return
        rows = rows_for(len(block.data))
        walk = walk_for(_MOST_META)
        walk_records(block.data, 0, len(block.data), self._maps, rows, walk)
        count = int(walk.rows[0])
        self._parts.append(Rows(*(each[:count].copy() for each in rows)))
        self._count += count
        self._poor += int(walk.poor[0])
        for strange in np.flatnonzero(walk.others).tolist():
            self._others[strange] += int(walk.others[strange])
        for at in walk.meta.tolist():
            if at < 0:  # behind the last
                break
            self.sources.take(block.data, at)
        if block.problem:
            return
        stop = int(walk.stop[0])
        if stop >= 0:
            said = f"block {block.number:,} (byte {block.offset:,}): the length of a record at byte {stop:,} of it is false; "
            self._trouble.append(
                _Trouble("damage", self._count + 1, block.offset, said + "the rest of the block was left unread")
            )
        elif walk.records[0] != block.records:
            claims = f"claims {many(block.records, 'record')} and has {walk.records[0]:,}"
            said = f"block {block.number:,} (byte {block.offset:,}) {claims}"
            self._trouble.append(_Trouble("count", self._count + 1, block.offset, said))

    def rows(self) -> Rows:
        """Return the rows of all blocks."""
        parts = self._parts or [Rows(*(each[:0] for each in rows_for(0)))]
        return Rows(*(np.concatenate(columns) for columns in zip(*parts, strict=True)))

    def told(self) -> list[Caveat]:
        """Return what was noticed about blocks and records."""
        label, name = self._label, printable(self._label)
        found = [
            Caveat(label, each.record, each.offset, each.kind, f"{name}: {each.said}")
            for each in self._trouble[:_MOST_TOLD]
        ]
        if len(self._trouble) > _MOST_TOLD:
            more = self._trouble[_MOST_TOLD]
            others = many(len(self._trouble) - _MOST_TOLD, "more block")
            said = f"and {others} like those before, the next at byte {more.offset:,}"
            found.append(Caveat(label, more.record, more.offset, more.kind, f"{name}: {said}"))
        for kind, said in self._counted():
            found.append(Caveat(label, None, None, kind, f"{name}: {said}"))
        return found

    def _counted(self) -> list[tuple[str, str]]:
        found = []
        if self._head.blocks == 0 and self._count:
            found.append(("open", "nfcapd had not closed it: its last flows may be missing"))
        elif self._blocks < self._head.blocks:
            there = form(self._blocks, "is there", "are there")
            found.append(("cut", f"its head claims {many(self._head.blocks, 'block')}, and {self._blocks:,} {there}"))
        if self._poor:
            lack = many(self._poor, "flow record lacks", "flow records lack")
            were = form(self._poor, "it was", "they were")
            found.append(("format", f"{lack} times and counts; {were} left out"))
        for counts, what in ((self._others, "record"), (self._kinds, "block")):
            strange = {kind: count for kind, count in counts.items() if what == "block" or kind not in _PASSED}
            if strange:
                some = ", ".join(f"{kind}" for kind in sorted(strange)[:10]) + (" ..." if len(strange) > 10 else "")
                count = sum(strange.values())
                said = f"{many(count, what)} of unknown type ({some}) {form(count, 'was', 'were')} passed over"
                found.append(("format", said))
        claimed = self.sources.flows
        if claimed is not None and claimed != self._count and not self._trouble:
            found.append(
                (
                    "count",
                    f"it says that it has {many(claimed, 'flow')}, and {self._count:,} {form(self._count, 'is', 'are')} there",
                )
            )
        return found


def _table(rows: Rows, sources: Sources, label: str, fingerprint: Fingerprint) -> pd.DataFrame:
    start, end, received = (_nanoseconds(rows.time[:, each]) for each in range(3))
    end = np.where(end == NOT_A_TIME, start, end)
    src, dst = (
        Addresses(rows.address[:, at].copy(), rows.address[:, at + 1].copy(), rows.tag.astype(np.int64))
        for at in (0, 2)
    )
    told = ~(rows.count[:, 2:] <= 0).all(axis=1)  # what came back; of most exporters nothing is told, or 0
    back = [masked(rows.count[:, at], ~told | (rows.count[:, at] < 0), dtype=np.int64) for at in (2, 3)]
    interval = sources.sampling(rows.exporter)
    return flow_table(
        src=src,
        dst=dst,
        proto=rows.proto,
        start=start,
        end=end,
        label=label,
        source=NAME,
        digest=fingerprint.digits(),
        src_port=rows.port[:, 0],
        dst_port=rows.port[:, 1],
        src_packets=masked(rows.count[:, 0], rows.count[:, 0] < 0, dtype=np.int64),
        src_octets=masked(rows.count[:, 1], rows.count[:, 1] < 0, dtype=np.int64),
        dst_packets=back[0],
        dst_octets=back[1],
        src_flags=masked(rows.flags, rows.proto != 6, dtype=np.uint8),
        vlan=masked(rows.vlan, rows.vlan <= 0, dtype=np.uint16),
        sampling=masked(interval, interval <= 1, dtype=np.uint32),
        received=received,
        sensor=sources.sensors(rows.exporter),
    )


def _nanoseconds(milliseconds: np.ndarray) -> np.ndarray:
    known = (milliseconds > 0) & (milliseconds <= _LATEST)
    return np.where(known, np.where(known, milliseconds, 0) * 1_000_000, NOT_A_TIME)
