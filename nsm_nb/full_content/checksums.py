"""Hosts whose checksums are wrong in all they send: a sign of where the sensor stood, hardly ever of tampering."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping

import numpy as np
import pandas as pd

from nsm_nb.full_content.frames import frame_bytes
from nsm_nb.schema import PACKETS, Caveat
from nsm_nb.text import many, printable

__all__ = ["checksum_caveats", "checksums"]

_HOSTS, _EACH, _LEAST = 1000, 16, 4  # hosts looked at, packets of each, and how many are needed to say anything
_BEFORE_IP = {"eth": 14, "raw": 0, "null": 4, "sll": 16, "sll2": 20}
_PLAIN = re.compile(r"(eth|raw|null|sll|sll2)((?::vlan)*):ip(?:v6)?:(?:tcp|udp)", re.ASCII)
_SEVERAL = 4  # hosts; of more it is not the sensor's own card


def checksums(
    packets: pd.DataFrame, *, evidence: Mapping[str, str | os.PathLike] | None = None, reach: int | None = None
) -> pd.DataFrame:
    """Return how many checksums are wrong of those that hosts sent: a row a host, with most packets first.

    Looked at are the first 16 whole packets of TCP and UDP, outside tunnels, of the 1,000 hosts that sent most of them.

    Parameters
    ----------
    packets
        PACKETS.
    evidence
        As in `frame_bytes`.
    reach
        The byte of its evidence up to which a packet is looked at; all where not given.

    Returns
    -------
    DataFrame
        `src_ip`, `packets` (that could be looked at), `checked`, `bad_ip` and `bad` (of TCP or UDP).

    Raises
    ------
    MissingColumn, UnknownName, UnreadableEvidence, DamagedEvidence
        As `frame_bytes`.
    """
    from nsm_nb.kernels import faults

    PACKETS.require(packets, "src_ip", "layers", "captured", "length", "offset", "evidence")
    layers = packets["layers"].astype("category")
    before = np.full(len(layers.cat.categories) + 1, -1, np.int64)
    for code, chain in enumerate(layers.cat.categories):
        if plain := _PLAIN.fullmatch(str(chain)):
            before[code] = _BEFORE_IP[plain[1]] + plain[2].count("vlan") * 4
    skipped = before[layers.cat.codes.to_numpy()]
    wanted = (skipped >= 0) & (packets["captured"].to_numpy() == packets["length"].to_numpy())
    if reach is not None:
        wanted &= packets["offset"].to_numpy() < reach
    hosts = packets["src_ip"].astype("category")
    codes = hosts.cat.codes.to_numpy(np.int32)
    count = np.bincount(codes[wanted & (codes >= 0)], minlength=len(hosts.cat.categories))
    chosen = np.zeros(len(count), bool)
    chosen[np.argsort(-count, kind="stable")[:_HOSTS]] = True
    rows = faults.first_of_each(codes, wanted, _EACH, chosen & (count >= _LEAST))
    frames = frame_bytes(packets.iloc[rows], evidence=evidence)
    sizes = np.fromiter(map(len, frames), np.int64, len(frames))
    start = np.cumsum(sizes) - sizes
    # a bytearray, because numba compiles read-only arrays apart
    buffer = np.frombuffer(bytearray(b"".join(frames) or b"\0"), np.uint8)
    network, transport = faults.checksums(buffer, start + skipped[rows], np.maximum(sizes - skipped[rows], 0))
    found = pd.DataFrame(
        {
            "host": codes[rows],
            "checked": transport != faults.UNKNOWN,
            "bad_ip": network == faults.BAD,
            "bad": transport == faults.BAD,
        }
    )
    table = found.groupby("host", sort=False)[["checked", "bad_ip", "bad"]].sum().reset_index()
    table.insert(1, "packets", count[table["host"]])
    table.insert(0, "src_ip", pd.Categorical.from_codes(table.pop("host"), dtype=hosts.dtype))
    return table.sort_values("packets", ascending=False, kind="stable", ignore_index=True)


def checksum_caveats(
    packets: pd.DataFrame, *, evidence: Mapping[str, str | os.PathLike] | None = None, reach: int | None = None
) -> list[Caveat]:
    """Return caveats for hosts whose checksums are all wrong; parameters as `checksums`, with packets of one evidence."""
    table = checksums(packets, evidence=evidence, reach=reach)
    table = table[table["checked"] >= _LEAST]
    wrong = table[table["bad"] == table["checked"]]
    if not len(wrong):
        return []
    label = str(packets["evidence"].iloc[0])
    if len(wrong) > _SEVERAL:
        detail = (
            f"{printable(label)}: of {len(table):,} hosts looked at, {len(wrong):,} have wrong checksums in all packets of "
            f"TCP and UDP that were checked ({int(wrong['checked'].sum()):,}): addresses or payload were changed after the "
            "capture (to anonymise it, say), or the sensor saw packets before their checksums were filled in"
        )
        return [Caveat(label, None, None, "checksum", detail)]
    return [
        Caveat(
            label,
            None,
            None,
            "checksum",
            f"{printable(label)}: {row.src_ip} sent {many(sent, 'packet')} of TCP and UDP, and all {row.checked} whose "
            "checksum was looked at have a wrong one: most likely the sensor ran on that host, whose network card fills "
            "checksums in after the packet was copied (checksum offload); that is no sign of tampering",
        )
        for row, sent in zip(wrong.itertuples(index=False), wrong["packets"].tolist(), strict=True)
    ]
