"""What a transcript cannot say for certain, in words: one caveat for each kind of doubt, never one for each packet."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import numpy as np
import pandas as pd

from nsm_nb.kernels.streams import TH_SYN
from nsm_nb.schema import Caveat
from nsm_nb.text import form, many, printable
from nsm_nb.transcripts.datagrams import Broken, Datagram
from nsm_nb.transcripts.decoys import Decoys
from nsm_nb.transcripts.reassembly import Conflict
from nsm_nb.transcripts.segments import Segments
from nsm_nb.transcripts.tcp import Side, Stray
from nsm_nb.transcripts.turns import Rows

__all__ = [
    "MOST", "of_beginning", "of_connections", "of_cut", "of_datagrams", "of_decoys", "of_fragments", "of_resets", "of_session",
]  # fmt: skip

MOST = 20  # conflicts that are told one by one
_SHOWN = 64  # bytes of each version
_FEW = 5  # frames that are named with what they hold


def of_session(session: pd.Series | None, from_src: np.ndarray, label: str) -> list[Caveat]:
    """Return the doubts about who spoke with whom: a guessed direction first, then a side that is not there."""
    told = []
    known = True if session is None else session.get("direction_known", True)
    if known is not pd.NA and not known:
        told.append(
            Caveat(label, None, None, "direction", "the opening was not seen: who is src and who dst is a guess")
        )
    if from_src.all() or not from_src.any():
        side = "dst" if from_src[0] else "src"
        told.append(Caveat(label, None, None, "one side", f"nothing from {side} is in the evidence"))
    return told


def of_connections(pairs: Sequence[tuple[Side, Side]], these: Segments, rows: Rows) -> list[Caveat]:
    """Return the doubts about the streams of a TCP conversation."""
    told = []
    for number, pair in enumerate(pairs):
        if number:
            firsts = [int(these.part_row[side.part[0]]) for side in pair if len(side.part)]
            since = f" from {rows.words(min(firsts))} on" if firsts else ""
            told.append(
                Caveat(
                    rows.labels[0],
                    None,
                    None,
                    "reuse",
                    f"the same ports were used again for another connection{since}; its bytes follow those of the first",
                )
            )
        for side in pair:
            told += _of_side(side, these, rows)
    return told


def _of_side(side: Side, these: Segments, rows: Rows) -> list[Caveat]:
    told = _gaps(side, rows.labels[0])
    name = side.name
    if side.again:
        told.append(
            Caveat(
                rows.labels[0],
                None,
                None,
                "retransmission",
                f"{many(side.again, 'byte')} of {name} {form(side.again, 'was', 'were')} sent again, alike; shown once",
            )
        )
    told += _conflicts(side.conflicts, rows, f"{name} sent byte", "")
    if side.garbage:
        first = side.garbage[0]
        told.append(
            _at(
                rows,
                these.row[first.segment],
                "keep-alive",
                f"{many(len(side.garbage), f'keep-alive of {name} holds', f'keep-alives of {name} hold')} a byte that is not the "
                f"stream's and {form(len(side.garbage), 'was', 'were')} left out: " + _named(side.garbage, these, rows),
            )
        )
    if side.strays:
        told.append(
            _at(
                rows,
                these.row[side.strays[0].segment],
                "stray",
                f"{many(len(side.strays), f'segment of {name} has a', f'segments of {name} have')} sequence "
                f"{form(len(side.strays), 'number', 'numbers')} far outside the stream and "
                f"{form(len(side.strays), 'was', 'were')} left out: " + _named(side.strays, these, rows),
            )
        )
    if side.ignored:
        told.append(
            _at(
                rows,
                these.row[side.ignored[0]],
                "stray",
                f"{many(len(side.ignored), f'SYN of {name} begins', f'SYNs of {name} begin')} elsewhere than its stream and "
                f"{form(len(side.ignored), 'was', 'were')} not answered "
                f"(first is {rows.words(these.row[side.ignored[0]])})",
            )
        )
    return told


def _gaps(side: Side, label: str) -> list[Caveat]:
    told = []
    gaps = side.gaps()
    missing, holes = int(gaps.sum()), int((gaps > 0).sum())
    end = int(side.position[-1] + side.length[-1]) if len(gaps) else side.start
    if side.reach > end:
        missing += side.reach - end
        holes += 1
    if missing:
        told.append(
            Caveat(
                label,
                None,
                None,
                "gap",
                f"{many(missing, 'byte')} of {side.name} {form(missing, 'is', 'are')} missing in {many(holes, 'place')}; "
                "each is marked",
            )
        )
    if side.unseen:
        told.append(
            Caveat(
                label,
                None,
                None,
                "gap",
                f"{many(side.unseen, 'byte')} of {side.name} {form(side.unseen, 'was', 'were')} acknowledged and "
                f"{form(side.unseen, 'is', 'are')} not in the evidence",
            )
        )
    return told


def _conflicts(conflicts: Sequence[Conflict], rows: Rows, who: str, where: str) -> Iterable[Caveat]:
    for conflict in conflicts[:MOST]:
        kept, other, skipped = _apart(conflict)
        yield Caveat(
            rows.evidence(conflict.arrival),
            int(rows.frames[conflict.arrival]),
            conflict.position + skipped,
            "conflict",
            f"{who} {conflict.position + skipped:,}{where} twice, not alike: {_short(kept)} is shown, "
            f"{rows.words(conflict.arrival)} says {_short(other)}",
        )
    rest = conflicts[MOST:]
    if rest:
        size = sum(len(each.other) for each in rest)
        yield Caveat(
            rows.evidence(rest[0].arrival),
            int(rows.frames[rest[0].arrival]),
            None,
            "conflict",
            f"{who}s{where} twice, not alike, in {many(len(rest), 'more place')}, {many(size, 'byte')}; .conflicts has all",
        )


def _apart(conflict: Conflict) -> tuple[bytes, bytes, int]:
    """Return both versions from shortly before the first byte that differs, and how many bytes were skipped."""
    kept, other = conflict.kept, conflict.other
    if kept[:_SHOWN] != other[:_SHOWN]:
        return kept, other, 0
    low, high = 0, len(kept)  # alike up to `low`, not alike up to `high`
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (middle, high) if kept[:middle] == other[:middle] else (low, middle)
    skipped = max(low - 16, 0)
    return kept[skipped:], other[skipped:], skipped


def _named(strays: Sequence[Stray], these: Segments, rows: Rows) -> str:
    words = [f"{rows.words(these.row[each.segment])} says {_short(these.data(each.segment))}" for each in strays[:_FEW]]
    if len(strays) > _FEW:
        words.append(f"and {len(strays) - _FEW:,} more")
    return ", ".join(words) + "; .strays has all"


def _at(rows: Rows, row: int, kind: str, detail: str) -> Caveat:
    return Caveat(rows.evidence(row), int(rows.frames[row]), None, kind, detail)


def of_beginning(packets: Segments, told: Sequence[Caveat], label: str) -> list[Caveat]:
    """Return the doubt about a TCP conversation whose beginning is not there, where none of those told says so."""
    if len(packets.with_flag(TH_SYN)) or any(each.kind == "direction" for each in told):
        return []
    return [
        Caveat(
            label,
            None,
            None,
            "mid-stream",
            "no SYN is in the evidence: offsets count from the first byte that was seen",
        )
    ]


def of_decoys(odd: Decoys, these: Segments, rows: Rows) -> list[Caveat]:
    """Return the doubt about segments that the receiver will have dropped."""
    told = []
    for kind, which, words in (
        ("checksum", odd.checksum, "a wrong checksum where the others of {} side have right ones"),
        ("ttl", odd.ttl & ~odd.checksum, "a TTL so much lower than others of {} side that {} may not have got there"),
    ):
        found = np.flatnonzero(which)
        if not len(found):
            continue
        count = len(found)
        words = words.format(form(count, "its", "their"), form(count, "it", "they"))
        have = f"{many(count, 'segment has', 'segments have')} {words}"
        segments = [np.flatnonzero(these.row == row) for row in found[:_FEW].tolist()]
        said = [
            f"{rows.words(row)} says {_short(these.data(int(own[0])))}"
            if len(own) and these.size[own[0]]
            else rows.words(row)
            for row, own in zip(found.tolist(), segments, strict=False)
        ]
        more = [f"and {len(found) - _FEW:,} more"] if len(found) > _FEW else []
        told.append(
            _at(
                rows,
                int(found[0]),
                kind,
                f"{have}: {', '.join(said + more)}; "
                f"where {form(count, 'it overlaps', 'they overlap')} other segments, those count",
            )
        )
    return told


def of_resets(strange: Sequence[tuple[int, int]], rows: Rows) -> list[Caveat]:
    """Return the doubt about resets whose number is not one of the stream's."""
    if not strange:
        return []
    row, away = strange[0]
    side = "src" if rows.from_src[row] else "dst"
    where = f"{many(abs(away), 'byte')} {'ahead of' if away > 0 else 'before'} the stream"
    after = len(rows.frames) - row - 1
    went = f"; {many(after, 'packet of the session follows', 'packets of the session follow')}" if after else ""
    count = f"{len(strange):,} resets do" if len(strange) > 1 else "a reset does"
    return [
        _at(
            rows,
            row,
            "reset",
            f"{count} not belong to the stream, so that no host believes it: {rows.words(row)} of {side} stands {where}{went}",
        )
    ]


def _short(data: bytes) -> str:
    shown = printable(data[:_SHOWN])
    return f'"{shown}"' if len(data) <= _SHOWN else f'"{shown}" and {many(len(data) - _SHOWN, "byte")} more'


def of_fragments(broken: Sequence[Broken], rows: Rows) -> list[Caveat]:
    """Return the doubts about IP datagrams that came in fragments."""
    told: list[Caveat] = []
    holes = [each for each in broken if each.missing != 0]
    if holes:
        known = sum(max(each.missing or 0, 0) for each in holes)
        behind = -sum(min(each.missing or 0, 0) for each in holes)
        endless = sum(each.missing is None for each in holes)
        words = [f"{many(known, 'byte is', 'bytes are')} missing"] if known else []
        words += [f"the end of {endless} is missing"] if endless else []
        words += (
            [f"{many(behind, 'byte stands', 'bytes stand')} behind the end that a last fragment gives"]
            if behind
            else []
        )
        told.append(
            _at(
                rows,
                holes[0].rows[0],
                "fragment",
                f"{many(len(holes), 'IP datagram')} came in fragments and {form(len(holes), 'is', 'are')} not whole: "
                f"{', '.join(words)} (first is {rows.words(holes[0].rows[0])})",
            )
        )
    headless = [each for each in broken if each.unplaced]
    if headless:
        size = sum(len(each.unplaced) for each in headless)
        told.append(
            _at(
                rows,
                headless[0].rows[0],
                "fragment",
                f"{many(size, 'byte')} of {many(len(headless), 'IP datagram')} {form(size, 'has', 'have')} no place, "
                f"because the fragment with the head is missing: {rows.words(headless[0].rows[0])} says "
                f"{_short(headless[0].unplaced)}; .strays has all",
            )
        )
    conflicts = [conflict for each in broken for conflict in each.conflicts]
    told += _conflicts(conflicts, rows, "fragments hold byte", " of their IP datagram")
    return told


def of_datagrams(datagrams: Sequence[Datagram], label: str) -> list[Caveat]:
    """Return the doubt about what was captured in part; give the datagrams whose frames may have been."""
    cut = [each for each in datagrams if each.size and _held(each) < each.size]
    return of_cut(len(cut), sum(map(_held, cut)), sum(each.size for each in cut), "datagram", label)


def of_cut(count: int, got: int, sent: int, what: str, label: str) -> list[Caveat]:
    """Return the doubt about what was captured in part."""
    if not count:
        return []
    were = many(count, f"{what} was", f"{what}s were")
    said = f"{were} captured in part: captured {got:,} of {many(sent, 'byte')}"
    return [Caveat(label, None, None, "snaplen", said)]


def _held(datagram: Datagram) -> int:
    return sum(len(part.data) for part in datagram.parts)
