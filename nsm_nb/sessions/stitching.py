"""Partial sessions of several captures to those that one capture would give."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
import pandas as pd

from nsm_nb.errors import MissingColumn
from nsm_nb.schema import SESSIONS, addresses
from nsm_nb.sessions.idle import IDLE, timeouts
from nsm_nb.sessions.keys import missing, plain
from nsm_nb.sessions.ports import port_names
from nsm_nb.sessions.states import closings, of_protocols, states

__all__ = ["stitch"]

_MORE = {"isn": "Int64", "bits": "Int16", "vni": "UInt32", "icmp_id": "UInt16"}
_ONCE = "shadfr"  # letters that a history has once a side; t and w count
_SIDES = ("packets", "octets", "payload")


def stitch(tables: Sequence[pd.DataFrame], *, idle: Mapping[str, float] | None = None) -> pd.DataFrame:
    """Return the sessions of all tables, those joined that run on from one to another.

    A session runs on where the next one of the same ends, protocol, VLAN and VNI begins within the timeout, and not with the
    SYN of a new connection (another initial sequence number, after a close, after a SYN that nobody answered, or taken by
    the other end). What was joined is kept in `parts`, so that stitching in any order, and what is stitched with more,
    comes to the same.

    Parameters
    ----------
    tables
        Sessions of each capture, as ``assemble(packets, pieces=True)[0]`` gives them, or of an earlier `stitch`.
    idle
        Seconds of silence that end a session, as they were assembled with.

    Returns
    -------
    DataFrame
        SESSIONS in order of start, with `isn`, `bits`, `vni`, `icmp_id` and `parts`. `history` has of retransmissions and
        zero windows (t, w) the first of each side: more of them are counts, which the parts do not tell; segments that
        repeat what another capture holds can't be seen. Where a port is used anew, and one capture holds the SYN but not its
        answer, or only a part of the close before it, the two connections can stay one.
        Idle seconds in `closed` are counted to the end of the last session.

    Raises
    ------
    MissingColumn
        Where a table was assembled without ``pieces=True``.

    Examples
    --------
    >>> from nsm_nb.schema import PACKETS
    >>> from nsm_nb.sessions import assemble
    >>> sessions, _ = assemble(PACKETS.empty(), pieces=True)
    >>> len(stitch([sessions, sessions]))
    0
    """
    pieces = _together([_unpacked(table) for table in tables])
    if not len(pieces):
        return pieces.assign(parts=pd.Series([], dtype=object))
    pieces = pieces.sort_values(["start", "end", "evidence", "record"], kind="stable", ignore_index=True)
    key = _keys(pieces)
    limits = timeouts({**IDLE, **(idle or {})})
    several = np.flatnonzero(pd.Series(key).duplicated(keep=False).to_numpy())
    joined, heads = _joined(pieces, key, several, limits)
    result = pieces.drop(index=sorted({row for rows in joined for row in rows} - set(heads)))
    result = result.assign(parts=pd.Series([None] * len(result), index=result.index, dtype=object))
    if joined:
        result = _merged(result, pieces, joined)
    return _finished(result)


def _unpacked(table: pd.DataFrame) -> pd.DataFrame:
    for name in ("isn", "bits"):
        if name not in table:
            raise MissingColumn(
                f"the table has no column {name!r}, by which sessions of several captures are joined; "
                "make it with nsm_nb.sessions.assemble(packets, pieces=True)"
            )
    absent = {name: pd.array([pd.NA] * len(table), dtype) for name, dtype in _MORE.items() if name not in table}
    table = table.assign(**absent)
    if "parts" not in table:
        return table[[*SESSIONS.columns, *_MORE]]
    made = table["parts"].notna()
    parts = [part for each in table.loc[made, "parts"] for part in each]
    alone = table.loc[~made, [*SESSIONS.columns, *_MORE]]
    if not parts:
        return alone
    return _together([alone, pd.DataFrame(parts, columns=[*SESSIONS.columns, *_MORE])])


def _together(tables: Sequence[pd.DataFrame]) -> pd.DataFrame:
    text = {name: object for name, column in SESSIONS.columns.items() if column.dtype in ("category", "address")}
    tables = [table.astype(text) for table in tables if len(table)]
    if not tables:
        return SESSIONS.empty().assign(**{name: pd.array([], dtype) for name, dtype in _MORE.items()})
    both = pd.concat([_typed(table) for table in tables], ignore_index=True)
    more = {name: both[name].array for name in _MORE}
    return SESSIONS.conform(both).assign(**more)


def _typed(table: pd.DataFrame) -> pd.DataFrame:
    others = {
        name: column.dtype for name, column in SESSIONS.columns.items() if column.dtype not in ("category", "address")
    }
    return table.astype({**others, **_MORE})


def _keys(pieces: pd.DataFrame) -> np.ndarray:
    """Return a number for each row, equal where the same ends talk over the same protocol in the same network."""
    src, dst = pieces["src_ip"].cat.codes.to_numpy(np.int64), pieces["dst_ip"].cat.codes.to_numpy(np.int64)
    sport, dport = (plain(pieces[name]).astype(np.int64) for name in ("src_port", "dst_port"))
    a, b = src << 16 | sport, dst << 16 | dport
    # an ICMP message without answer goes one way: its Community ID tells it from others, and from that of the other side
    names = pd.factorize(pieces["community_id"].where(of_protocols(pieces["proto"], "icmp", "icmp6")))[0]
    columns: dict[str, np.ndarray] = {"a": np.minimum(a, b), "b": np.maximum(a, b), "name": names}
    columns["proto"] = pieces["proto"].cat.codes.to_numpy()
    for name in ("vlan", "vni", "icmp_id"):
        columns[name] = np.where(missing(pieces[name]), -1, plain(pieces[name]).astype(np.int64))
    return pd.DataFrame(columns).groupby(list(columns), sort=False).ngroup().to_numpy()


class _Piece(NamedTuple):
    row: int
    start: int
    end: int
    bits: int
    isn: int | None
    history: str
    src: tuple[int, int]
    answered: bool


def _joined(
    pieces: pd.DataFrame, key: np.ndarray, several: np.ndarray, limits: np.ndarray
) -> tuple[list[list[int]], list[int]]:
    """Return the rows of each session that is made of more than one piece, and the first of each."""
    from nsm_nb.sessions.endpoints import ip_protocol

    some = pieces.iloc[several]
    kind = np.minimum(ip_protocol(some["proto"]).astype(np.int64), len(limits) - 1)
    limit = np.where(kind > 0, limits[kind], limits[-1]).tolist()
    start, end = (
        some[name].dt.tz_localize(None).to_numpy().astype("M8[ns]").view(np.int64).tolist() for name in ("start", "end")
    )
    bits = plain(some["bits"]).tolist()
    isn = some["isn"].astype(object).where(some["isn"].notna(), None).tolist()
    history = some["history"].astype(object).where(some["history"].notna(), "").tolist()
    ends = list(zip(some["src_ip"].cat.codes.tolist(), plain(some["src_port"]).tolist(), strict=True))
    answered = (some["dst_packets"] > 0).fillna(False).tolist()
    open_: dict[int, tuple[list[int], _Piece]] = {}
    groups: list[list[int]] = []
    for place, (row, name) in enumerate(zip(several.tolist(), key[several].tolist(), strict=True)):
        piece = _Piece(
            row, start[place], end[place], bits[place], isn[place], history[place], ends[place], answered[place]
        )
        before = open_.get(name)
        if before is not None and _runs_on(before[1], piece, limit[place]):
            rows, so_far = before
            rows.append(row)
            open_[name] = rows, _plus(so_far, piece)
        else:
            rows = [row]
            groups.append(rows)
            open_[name] = rows, piece
    joined = [rows for rows in groups if len(rows) > 1]
    return joined, [rows[0] for rows in joined]


def _runs_on(so_far: _Piece, piece: _Piece, limit: int) -> bool:
    """Return True where a piece is what comes next of a session: the rules of kernels/conversations.py."""
    from nsm_nb.kernels import conversations as kernel

    if piece.start - so_far.end > limit:
        return False
    # a SYN that came in the middle may be that which opened the next connection (the kernel's "waiting")
    known_isn = so_far.isn if so_far.history.startswith("S") else None
    opens = piece.history.startswith("S") and piece.isn is not None and piece.isn != known_isn
    if not opens:
        return True
    known = so_far.bits
    both = kernel.FIN_SRC | kernel.FIN_DST
    over = known & both == both or known & (kernel.RST_SRC | kernel.RST_DST)
    unanswered = piece.src == so_far.src and known & kernel.SYN and not so_far.answered
    taken = piece.bits & kernel.SYN_ACK
    return not (over or unanswered or taken)


def _plus(so_far: _Piece, piece: _Piece) -> _Piece:
    turned = piece.src != so_far.src
    history = _histories(so_far.history, piece.history, turned=turned)
    bits = _known(so_far.bits, piece.bits, so_far.history, piece.history, turned=turned)
    isn = so_far.isn if so_far.isn is not None or turned else piece.isn
    answered = so_far.answered or turned or piece.answered
    return _Piece(so_far.row, so_far.start, max(so_far.end, piece.end), bits, isn, history, so_far.src, answered)


def _histories(one: str, other: str, *, turned: bool) -> str:
    other = other.replace("^", "")
    return one + "".join(letter for letter in (other.swapcase() if turned else other) if letter not in one)


def _known(one: int, other: int, before: str, after: str, *, turned: bool) -> int:
    """Return what is known of a session and what comes next of it, in the bits of the kernel."""
    from nsm_nb.kernels import conversations as kernel

    if turned:
        swapped = other & (kernel.SYN | kernel.SYN_ACK | kernel.ESTABLISHED)
        for src, dst in ((kernel.FIN_SRC, kernel.FIN_DST), (kernel.RST_SRC, kernel.RST_DST)):
            swapped |= (dst if other & src else 0) | (src if other & dst else 0)
        other, after = swapped, after.swapcase()
    fins, resets = kernel.FIN_SRC | kernel.FIN_DST, kernel.RST_SRC | kernel.RST_DST
    bits = one | (other & (kernel.SYN | kernel.SYN_ACK | kernel.ESTABLISHED))
    if one & kernel.SYN_ACK and any(letter in "ADF" for letter in after):
        bits |= kernel.ESTABLISHED
    # the letters stand in the order of what they tell: after both have closed, a reset is no reset
    closes = {"F": kernel.FIN_SRC, "f": kernel.FIN_DST, "R": kernel.RST_SRC, "r": kernel.RST_DST}
    for letter in after:
        bit = closes.get(letter, 0) & other
        if bit & resets and bits & fins == fins:
            continue
        if letter == "r" and bit and bits & kernel.SYN and not bits & kernel.SYN_ACK:
            bits |= kernel.REFUSED
        bits |= bit
    return bits


def _merged(result: pd.DataFrame, pieces: pd.DataFrame, joined: list[list[int]]) -> pd.DataFrame:
    """Return the table with the first piece of each session made the whole."""
    columns = [*SESSIONS.columns, *_MORE]
    rows = sorted({row for each in joined for row in each})
    plain_rows = dict(zip(rows, _tuples(pieces.iloc[rows], columns), strict=True))
    place = {name: number for number, name in enumerate(columns)}
    made: dict[str, list[Any]] = {name: [] for name in ("end", "history", "bits", "isn", *_totals())}
    for each in joined:
        parts = [plain_rows[row] for row in each]
        whole = _whole(parts, place)
        for name, values in made.items():
            values.append(whole[name])
    heads = [each[0] for each in joined]
    result = result.copy()
    for name, values in made.items():
        dtype = {**{key: column.dtype for key, column in SESSIONS.columns.items()}, **_MORE}[name]
        result[name] = _replaced(result[name], heads, values, dtype)
    parts_column = result["parts"].copy()
    for each in joined:
        parts_column.at[each[0]] = tuple(plain_rows[row] for row in each)
    return result.assign(parts=parts_column)


def _totals() -> list[str]:
    return [f"{side}_{what}" for side in ("src", "dst") for what in _SIDES]


def _tuples(table: pd.DataFrame, columns: list[str]) -> Iterator[tuple[Any, ...]]:
    return zip(*(table[name].astype(object).tolist() for name in columns), strict=True)


def _whole(parts: list[tuple[Any, ...]], place: dict[str, int]) -> dict[str, Any]:
    """Return what the parts of one session come to; src is that of the first."""

    def of(part: tuple[Any, ...], name: str) -> Any:
        return part[place[name]]

    first = parts[0]
    ends = of(first, "src_ip"), of(first, "src_port")
    whole: dict[str, Any] = dict.fromkeys(_totals(), 0)
    bits, history = int(of(first, "bits")), _text(of(first, "history"))
    isn = of(first, "isn")
    for number, part in enumerate(parts):
        mine = of(part, "src_ip"), of(part, "src_port")
        turned = not (mine[0] == ends[0] and (mine[1] is ends[1] or bool(mine[1] == ends[1])))
        for what in _SIDES:
            one, other = of(part, f"src_{what}"), of(part, f"dst_{what}")
            one, other = (other, one) if turned else (one, other)
            whole[f"src_{what}"], whole[f"dst_{what}"] = whole[f"src_{what}"] + one, whole[f"dst_{what}"] + other
        if number:
            said = _text(of(part, "history"))
            bits = _known(bits, int(of(part, "bits")), history, said, turned=turned)
            history = _histories(history, said, turned=turned)
            if isn is pd.NA and not turned:
                isn = of(part, "isn")
    told = of(first, "history")
    whole |= {"end": max(of(part, "end") for part in parts), "bits": bits, "isn": isn}
    whole["history"] = history if isinstance(told, str) else told
    return whole


def _text(value: Any) -> str:
    return value if isinstance(value, str) else ""


def _replaced(column: pd.Series, heads: list[int], values: list[Any], dtype: str) -> pd.Series:
    column = column.copy()
    column.loc[heads] = pd.Series(values, index=heads, dtype=dtype)
    return column


def _finished(sessions: pd.DataFrame) -> pd.DataFrame:
    """Return the table with what follows from the others: duration, state, closed, the service's name."""
    sessions = sessions.reset_index(drop=True)
    proto = sessions["proto"] = sessions["proto"].cat.remove_unused_categories()
    bits = plain(sessions["bits"]).astype(np.int16)
    start, end = sessions["start"], sessions["end"]
    one_side = ((sessions["src_packets"] == 0) | (sessions["dst_packets"] == 0)).to_numpy(bool)
    idle = (end.max() - end) // pd.Timedelta(seconds=1)
    told = pd.Series(states(proto, bits, one_side)).astype(object)
    icmp = of_protocols(proto, "icmp", "icmp6")
    told[icmp] = sessions["state"].astype(object)[icmp]
    src, dst = addresses(sessions["src_ip"], sessions["dst_ip"])
    return sessions.assign(
        duration=(end - start).dt.total_seconds(),
        src_ip=src,
        dst_ip=dst,
        state=told.astype("category"),
        closed=closings(proto, bits, idle.fillna(0).to_numpy(np.int64)),
        application=port_names(proto, sessions["dst_port"]),
    )
