"""What a session is in: the state as Argus prints it, and in words how it ended."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import pandas as pd

from nsm_nb.errors import MissingColumn
from nsm_nb.formats.icmp_messages import icmp_state
from nsm_nb.schema import SESSIONS

__all__ = ["Icmp", "argus2_states", "argus_letters", "closings", "of_protocols", "states", "used"]


class Icmp(NamedTuple):
    """The messages that began sessions: the rows of these, and type and code of each."""

    rows: np.ndarray
    kind: np.ndarray
    code: np.ndarray


def states(proto: pd.Series, bits: np.ndarray, one_side: np.ndarray, icmp: Icmp | None = None) -> pd.Categorical:
    """Return the state as Argus 3 prints it: for TCP the first of RST FIN CON ACC REQ that holds.

    Parameters
    ----------
    proto
        Protocol names, categorical.
    bits
        What the kernel knows of each session.
    one_side : bool array
        True where only one side sent.
    icmp
        The messages that began sessions of ICMP.
    """
    from nsm_nb.kernels import conversations as kernel

    names = ["CON", "INT", "RST", "FIN", "ACC", "REQ"]
    of_tcp = _first_that_holds(
        (kernel.RST_SRC | kernel.RST_DST, 2),
        (kernel.FIN_SRC | kernel.FIN_DST, 3),
        (kernel.ESTABLISHED, 0),
        (kernel.SYN_ACK, 4),
        (kernel.SYN, 5),
        otherwise=0,
    )
    codes = np.where(of_protocols(proto, "tcp"), of_tcp[bits], one_side.astype(np.int16))
    if icmp is not None and len(icmp.rows):
        kind, code = icmp.kind.astype(int), icmp.code.astype(int)
        asked = (proto.cat.codes.to_numpy()[icmp.rows].astype(int) + 1) << 16 | kind << 8 | code
        each, which = np.unique(asked, return_inverse=True)
        protos = [None, *proto.cat.categories]
        told = [icmp_state(protos[number >> 16], number >> 8 & 255, number & 255) for number in each.tolist()]
        names += sorted(set(told) - set(names))
        codes[icmp.rows] = np.array([names.index(state) for state in told])[which]
    return used(codes, pd.Index(names, dtype="str"))


def used(codes: np.ndarray, names: pd.Index) -> pd.Categorical:
    """Return a categorical of those names that the codes use; counted, where pandas sorts the codes."""
    seen = np.bincount(codes + 1, minlength=len(names) + 1)[1:] > 0
    renumbered = np.append(np.cumsum(seen) - 1, -1).astype(np.int32)
    return pd.Categorical.from_codes(renumbered[codes], categories=names[seen], validate=False)


def argus2_states(state: pd.Categorical, proto: pd.Series, idle: np.ndarray) -> pd.Categorical:
    """Return the states as Argus 2 printed them, in the article: EST for TCP's CON, and TIM where silence ended a session.

    Parameters
    ----------
    state
        As `states` gives them.
    proto
        Protocol names, categorical.
    idle : int64 array
        Whole seconds from its last packet to the last of the evidence.

    Notes
    -----
    *Source*: seconds of silence of argus 3.0.8's defaults, those of its sensor (TCP 60, other IP 30); ICMP keeps its names.
    """
    state = pd.Categorical(state)
    tcp = of_protocols(proto, "tcp")
    names = np.array([*state.categories, "EST", "TIM"], object)
    codes = state.codes.astype(np.int16)
    known = list(state.categories)
    running = np.isin(codes, [known.index(each) for each in ("CON", "INT", "ACC", "REQ") if each in known])
    if "CON" in known:
        codes[tcp & (codes == known.index("CON"))] = len(names) - 2
    codes[running & (idle > np.where(tcp, 60, 30))] = len(names) - 1
    return pd.Categorical.from_codes(codes, categories=pd.Index(names, dtype="str")).remove_unused_categories()


def argus_letters(sessions: pd.DataFrame) -> pd.Series:
    """Return the letters that ``ra -z`` shows of TCP sessions: s SYN, S SYN-ACK, E established, f FIN, F FIN acked, R reset.

    Parameters
    ----------
    sessions
        As `assemble(packets, pieces=True)` gives them.

    Notes
    -----
    *Source*: ra(1) of Argus 3, measured on captures; C (closed) it never shows beside f.
    """
    from nsm_nb.kernels import conversations as kernel

    SESSIONS.require(sessions, "proto")
    if "bits" not in sessions:
        raise MissingColumn("sessions have no column 'bits'; make them with assemble(packets, pieces=True)")
    every = np.arange(1 << kernel.BITS)
    texts = np.full(len(every), "", object)
    opened = every & (kernel.SYN | kernel.SYN_ACK) > 0
    for holds, letter in (
        (every & kernel.SYN > 0, "s"),
        (every & kernel.SYN_ACK > 0, "S"),
        (~opened | (every & kernel.ESTABLISHED > 0), "E"),
        (every & (kernel.FIN_SRC | kernel.FIN_DST) > 0, "f"),
        (every & kernel.FIN_ACKED > 0, "F"),
        (every & (kernel.RST_SRC | kernel.RST_DST) > 0, "R"),
    ):
        texts = texts + np.where(holds, letter, "")
    bits = sessions["bits"].to_numpy(np.int64, na_value=0)
    tcp = (sessions["proto"] == "tcp").to_numpy(bool) & sessions["bits"].notna().to_numpy()
    return pd.Series(texts[bits], index=sessions.index, dtype="str").where(tcp)


def closings(proto: pd.Series, bits: np.ndarray, idle: np.ndarray) -> pd.Categorical:
    """Return in words how each TCP session ended; other protocols have no end that could be seen.

    Parameters
    ----------
    proto
        Protocol names, categorical.
    bits
        What the kernel knows of each session.
    idle : int64 array
        Whole seconds from its last packet to the last of the evidence.
    """
    from nsm_nb.kernels import conversations as kernel

    words = ["both", "refused by dst", "reset by src", "reset by dst", "src only", "dst only", "no answer", "open"]
    ended = _first_that_holds(
        (kernel.REFUSED, 1),
        (kernel.RST_SRC, 2),
        (kernel.RST_DST, 3),
        (kernel.FIN_SRC, 4),
        (kernel.FIN_DST, 5),
        otherwise=7,
    )
    every = np.arange(len(ended))
    ended[(every & kernel.FIN_SRC > 0) & (every & kernel.FIN_DST > 0)] = 0
    ended[(ended == 7) & (every & (kernel.SYN | kernel.SYN_ACK | kernel.ESTABLISHED) == kernel.SYN)] = 6
    choice = ended[bits].astype(np.int32)
    tcp = of_protocols(proto, "tcp")
    silent = tcp & (choice == 7) & (idle >= 60)
    seconds = np.unique(idle[silent])
    choice[silent] = len(words) + np.searchsorted(seconds, idle[silent])
    words += [f"idle {each} s" for each in seconds]
    return pd.Categorical.from_codes(np.where(tcp, choice, -1), categories=pd.Index(words, dtype="str"))


def _first_that_holds(*answers: tuple[int, int], otherwise: int) -> np.ndarray:
    """Return, for each combination of the kernel's bits, the number beside the first of `answers` that has a bit in common."""
    from nsm_nb.kernels.conversations import BITS

    every = np.arange(1 << BITS)
    return np.select([every & bit > 0 for bit, _ in answers], [number for _, number in answers], otherwise).astype(
        np.int16
    )


def of_protocols(proto: pd.Series, *names: str, inside: bool = True) -> np.ndarray:
    """Return a bool array, True where the protocol is one of the names; with `inside` False, where it is none of them."""
    lookup = np.array([*(name in names for name in proto.cat.categories), False]) == inside
    return lookup[proto.cat.codes.to_numpy()]
