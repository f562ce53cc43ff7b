"""Who serves whom, where the records do not tell: flows of one direction and packets in no session, turned by their ports."""

from __future__ import annotations

import numpy as np
import pandas as pd

from nsm_nb.statistics._tally import ends_of, numbers_of

__all__ = ["NO_PORT", "applications", "one_way", "oriented", "serves"]

NO_PORT = 1 << 16
_TURNED = ("port", "packets", "octets", "payload")


def serves(src: np.ndarray, dst: np.ndarray) -> np.ndarray:
    """Return True where the port of src is the service's: it alone has a name, or it is the lower of the two."""
    from nsm_nb.sessions.ports import PORTS

    named = np.zeros(NO_PORT + 1, bool)
    named[[port for ports in PORTS.values() for port in ports]] = True
    return np.where(named[src] == named[dst], src < dst, named[src])


def one_way(sessions: pd.DataFrame) -> np.ndarray:
    """Return True for the records of one direction: nothing is known of what the other side sent."""
    if "dst_packets" not in sessions:
        return np.zeros(len(sessions), bool)
    return sessions["dst_packets"].isna().to_numpy()


def oriented(sessions: pd.DataFrame) -> pd.DataFrame:
    """Return sessions with flows that come from a service turned round, so that `dst` is who serves.

    Sessions of both directions stay as they are. A flow that was turned has packets of dst and none known of src.
    """
    if "src_port" not in sessions or "dst_port" not in sessions:
        return sessions
    alone = one_way(sessions)
    if not alone.any():
        return sessions
    src, with_src = numbers_of(sessions["src_port"])
    dst, with_dst = numbers_of(sessions["dst_port"])
    turned = alone & with_src & with_dst & serves(src, dst)
    if not turned.any():
        return sessions
    result = sessions.copy(deep=False)
    src_ip, dst_ip, dtype = ends_of(sessions)
    result["src_ip"] = pd.Categorical.from_codes(np.where(turned, dst_ip, src_ip), dtype=dtype)
    result["dst_ip"] = pd.Categorical.from_codes(np.where(turned, src_ip, dst_ip), dtype=dtype)
    for name in _TURNED:
        one, other = f"src_{name}", f"dst_{name}"
        if one in sessions and other in sessions:
            result[one] = sessions[one].mask(turned, sessions[other])
            result[other] = sessions[other].mask(turned, sessions[one])
    return result


def applications(sessions: pd.DataFrame) -> pd.Series:
    """Return what each session is said to be: its `application`, else the name of the port that was asked."""
    from nsm_nb.sessions.ports import port_names

    by_port = pd.Series(port_names(sessions["proto"], sessions["dst_port"]), index=sessions.index)
    if "application" not in sessions:
        return by_port
    said = sessions["application"].astype("category")
    if not said.isna().any():
        return said
    names = said.cat.categories.union(by_port.cat.categories, sort=False)
    codes = names.get_indexer(said.cat.categories)[said.cat.codes.to_numpy()] if len(said.cat.categories) else -1
    codes = np.where(said.isna(), -1, codes)
    ports = np.append(names.get_indexer(by_port.cat.categories), -1)[by_port.cat.codes.to_numpy()]
    return pd.Series(
        pd.Categorical.from_codes(np.where(codes >= 0, codes, ports), categories=names), index=sessions.index
    )
