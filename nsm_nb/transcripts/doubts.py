"""What a transcript cannot say for certain, in words: one caveat for each kind of doubt, never one for each packet."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import pandas as pd

from nsm_nb.schema import Caveat
from nsm_nb.text import printable
from nsm_nb.transcripts.datagrams import Broken, Datagram
from nsm_nb.transcripts.reassembly import Conflict
from nsm_nb.transcripts.segments import Segments
from nsm_nb.transcripts.tcp import Side, Stray

__all__ = ["MOST", "of_connections", "of_cut", "of_datagrams", "of_fragments", "of_session"]

MOST = 20  # conflicts that are told one by one
_SHOWN = 64  # bytes of each version
_FEW = 5  # frames that are named with what they hold


def of_session(session: pd.Series | None, from_src: Sequence[bool], label: str) -> list[Caveat]:
    """Return the doubts about who spoke with whom: a guessed direction first, then a side that is not there."""
    told = []
    known = True if session is None else session.get("direction_known", True)
    if known is not pd.NA and not known:
        told.append(
            Caveat(label, None, None, "direction", "the opening was not seen: who is src and who dst is a guess")
        )
    if len(set(from_src)) == 1:
        side = "dst" if from_src[0] else "src"
        told.append(Caveat(label, None, None, "one side", f"nothing from {side} is in the evidence"))
    return told


def of_connections(
    pairs: Sequence[tuple[Side, Side]], these: Segments, label: str, frames: Sequence[int]
) -> list[Caveat]:
    """Return the doubts about the streams of a TCP conversation."""
    told = []
    for number, pair in enumerate(pairs):
        if number:
            rows = [int(these.part_row[side.part[0]]) for side in pair if len(side.part)]
            since = f" from frame {frames[min(rows)]} on" if rows else ""
            told.append(
                Caveat(
                    label,
                    None,
                    None,
                    "reuse",
                    f"the same ports were used again for another connection{since}; its bytes follow those of the first",
                )
            )
        for side in pair:
            told += _of_side(side, these, label, frames)
    return told


def _of_side(side: Side, these: Segments, label: str, frames: Sequence[int]) -> list[Caveat]:
    told = _gaps(side, label)
    name = side.name
    if side.again:
        told.append(
            Caveat(
                label,
                None,
                None,
                "retransmission",
                f"{side.again:,} bytes of {name} were sent again, alike; shown once",
            )
        )
    told += _conflicts(side.conflicts, label, frames, f"{name} sent byte", "")
    if side.garbage:
        first = side.garbage[0]
        told.append(
            Caveat(
                label,
                frames[these.row[first.segment]],
                None,
                "keep-alive",
                f"{len(side.garbage)} keep-alives of {name} hold a byte that is not the stream's and were left out: "
                + _named(side.garbage, these, frames),
            )
        )
    if side.strays:
        told.append(
            Caveat(
                label,
                frames[these.row[side.strays[0].segment]],
                None,
                "stray",
                f"{len(side.strays)} segments of {name} have sequence numbers far outside the stream and were left out: "
                + _named(side.strays, these, frames),
            )
        )
    if side.ignored:
        told.append(
            Caveat(
                label,
                frames[these.row[side.ignored[0]]],
                None,
                "stray",
                f"{len(side.ignored)} SYNs of {name} begin elsewhere than its stream and were not answered "
                f"(first is frame {frames[these.row[side.ignored[0]]]})",
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
                f"{missing:,} bytes of {side.name} are missing in {holes} places; each is marked",
            )
        )
    if side.unseen:
        told.append(
            Caveat(
                label,
                None,
                None,
                "gap",
                f"{side.unseen:,} bytes of {side.name} were acknowledged and are not in the evidence",
            )
        )
    return told


def _conflicts(
    conflicts: Sequence[Conflict], label: str, frames: Sequence[int], who: str, where: str
) -> Iterable[Caveat]:
    for conflict in conflicts[:MOST]:
        kept, other, skipped = _apart(conflict)
        yield Caveat(
            label,
            frames[conflict.arrival],
            conflict.position + skipped,
            "conflict",
            f"{who} {conflict.position + skipped:,}{where} twice, not alike: {_short(kept)} is shown, "
            f"frame {frames[conflict.arrival]} says {_short(other)}",
        )
    rest = conflicts[MOST:]
    if rest:
        size = sum(len(each.other) for each in rest)
        yield Caveat(
            label,
            frames[rest[0].arrival],
            None,
            "conflict",
            f"{who}s{where} twice, not alike, in {len(rest):,} more places, {size:,} bytes; the first version is shown",
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


def _named(strays: Sequence[Stray], these: Segments, frames: Sequence[int]) -> str:
    words = [
        f"frame {frames[these.row[each.segment]]} says {_short(these.data(each.segment))}" for each in strays[:_FEW]
    ]
    if len(strays) > _FEW:
        words.append(f"and {len(strays) - _FEW:,} more")
    return ", ".join(words) + "; .strays has all"


def _short(data: bytes) -> str:
    shown = printable(data[:_SHOWN])
    return f'"{shown}"' if len(data) <= _SHOWN else f'"{shown}" and {len(data) - _SHOWN:,} bytes more'


def of_fragments(broken: Sequence[Broken], label: str, frames: Sequence[int]) -> list[Caveat]:
    """Return the doubts about IP datagrams that came in fragments."""
    told: list[Caveat] = []
    holes = [each for each in broken if each.missing != 0]
    if holes:
        known = sum(each.missing or 0 for each in holes)
        endless = sum(each.missing is None for each in holes)
        words = [f"{known:,} bytes are missing"] if known else []
        words += [f"the end of {endless} is missing"] if endless else []
        told.append(
            Caveat(
                label,
                frames[holes[0].rows[0]],
                None,
                "fragment",
                f"{len(holes)} IP datagrams came in fragments and are not whole: {', '.join(words)} "
                f"(first is frame {frames[holes[0].rows[0]]})",
            )
        )
    headless = [each for each in broken if each.unplaced]
    if headless:
        size = sum(len(each.unplaced) for each in headless)
        told.append(
            Caveat(
                label,
                frames[headless[0].rows[0]],
                None,
                "fragment",
                f"{size:,} bytes of {len(headless)} IP datagrams have no place, because the fragment with the head is "
                f"missing: frame {frames[headless[0].rows[0]]} says {_short(headless[0].unplaced)}; .strays has all",
            )
        )
    conflicts = [conflict for each in broken for conflict in each.conflicts]
    told += _conflicts(conflicts, label, frames, "fragments hold byte", " of their IP datagram")
    return told


def of_datagrams(datagrams: Sequence[Datagram], label: str) -> list[Caveat]:
    """Return the doubt about what was captured in part; give the datagrams whose frames may have been."""
    cut = [each for each in datagrams if each.size and _held(each) < each.size]
    return of_cut(len(cut), sum(map(_held, cut)), sum(each.size for each in cut), "datagrams", label)


def of_cut(count: int, got: int, sent: int, what: str, label: str) -> list[Caveat]:
    """Return the doubt about what was captured in part."""
    if not count:
        return []
    said = f"{count} {what} were captured in part: captured {got:,} of {sent:,} bytes"
    return [Caveat(label, None, None, "snaplen", said)]


def _held(datagram: Datagram) -> int:
    return sum(len(part.data) for part in datagram.parts)
