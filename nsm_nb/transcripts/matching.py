"""Where in a conversation stands what a rule looks for, also where segments cut it in two."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import pandas as pd

from nsm_nb.alerts.packet import Content, contents, direction, places
from nsm_nb.transcripts.transcript import Transcript, Turn

__all__ = ["Match", "in_packet", "matching"]

_WINDOW = 8 << 20  # bytes of one side that are looked at together
_OVERLAP = 1 << 20  # and of the window before: contents of a rule stand closer than this


class Match(NamedTuple):
    """What a rule looks for, in the rebuilt stream of one side."""

    side: str  # "src" or "dst"
    offset: int  # of the first byte of the first content, in this side's stream
    end: int  # behind the last byte of the content that ends last
    frame: int | None  # that carries the first byte; None where the turn can't tell
    time: pd.Timestamp  # of the turn


def matching(rule: str, conversation: Transcript, packets: pd.DataFrame) -> list[Match]:
    """Return where the contents of a rule stand in the streams of a conversation, in order of time.

    Bytes on both sides of a gap are never read as one.

    Parameters
    ----------
    rule
        Its text; a rule without ``content`` matches nowhere.
    conversation
        The transcript of the session.
    packets
        The rows of PACKETS it was made of: they tell the frame.
    """
    wanted = contents(rule)
    if not wanted:
        return []
    onward = direction(rule)
    found = []
    for side in ("src", "dst"):
        if onward is not None and (side == "src") != onward:
            continue
        for run in _runs([turn for turn in conversation.turns if turn.side == side]):
            spans = _spans(run, wanted)
            if spans:
                offset, end = run[0].offset + spans[0][0], run[0].offset + max(span[1] for span in spans)
                turn = next(each for each in run if each.offset <= offset < each.offset + each.size)
                found.append(Match(side, offset, end, _frame(turn, offset, packets), turn.time))
    return sorted(found, key=lambda match: match.time)


def in_packet(matches: list[Match], packets: pd.DataFrame) -> pd.Series | None:
    """Return the packet that carries the first byte of the first match, with `why` and `at`; None where none is known."""
    for match in matches:
        rows = packets[packets["frame"] == match.frame] if match.frame is not None else packets[:0]
        if len(rows):
            row = rows.iloc[0].copy()
            who = "src" if match.side == "src" else "dst"
            row["why"] = f"what the rule looks for begins in it, at byte {match.offset:,} of what {who} sent"
            row["at"] = pd.NA
            return row
    return None


def _spans(run: list[Turn], wanted: list[Content]) -> list[tuple[int, int]] | None:
    """Return where the contents stand in a run of turns, which is read a window at a time."""
    starts = [turn.offset - run[0].offset for turn in run]
    size = starts[-1] + run[-1].size
    # places from the start of the payload mean the start of the stream
    bound = any(each.offset is not None or each.depth is not None for each in wanted)
    for begin in range(0, 1 if bound else max(size, 1), _WINDOW - _OVERLAP):
        parts = [
            turn.read(max(begin - start, 0), _WINDOW - max(start - begin, 0))
            for turn, start in zip(run, starts, strict=True)
            if start < begin + _WINDOW and begin < start + turn.size
        ]
        spans = places(b"".join(parts), wanted)
        if spans:
            return [(begin + first, begin + last) for first, last in spans]
    return None


def _runs(turns: list[Turn]) -> list[list[Turn]]:
    """Return the turns in runs without a gap."""
    runs: list[list[Turn]] = []
    for turn in turns:
        if runs and not turn.gap and runs[-1][-1].offset + runs[-1][-1].size == turn.offset:
            runs[-1].append(turn)
        else:
            runs.append([turn])
    return runs


def _frame(turn: Turn, offset: int, packets: pd.DataFrame) -> int | None:
    """Return the frame of a turn that carries a byte of the stream: the first, of several."""
    if len(turn.frames) == 1:
        return turn.frames[0]
    rows = packets[packets["frame"].isin(turn.frames)]
    seq = rows["seq"]
    if seq.isna().any():
        return None
    start = seq.to_numpy(np.int64)
    away = (start - start[0] + (1 << 31)) % (1 << 32) - (1 << 31)  # sequence numbers wrap
    away += turn.offset - away.min()
    inside = (away <= offset) & (offset < away + rows["payload"].to_numpy(np.int64, na_value=0))
    return int(rows["frame"].to_numpy()[np.argmax(inside)]) if inside.any() else None
