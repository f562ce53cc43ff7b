"""Flows of export datagrams as a table of FLOWS, or, where a record tells both directions, with both filled in."""

from __future__ import annotations

import numpy as np
import pandas as pd

from nsm_nb.formats.flow_columns import NOT_A_TIME, Addresses, flow_table, masked
from nsm_nb.formats.netflow_reading import Exports
from nsm_nb.formats.netflow_told import VERSIONS

__all__ = ["exporters", "table"]

_WHOLE = (
    "src_packets", "src_octets", "dst_packets", "dst_octets", "src_flags", "dst_flags", "vlan", "sampling", "src_port",
    "dst_port", "icmp",
)  # fmt: skip


def exporters(heads: np.ndarray, names: dict[int, str]) -> pd.Categorical:
    """Return who sent each datagram: the name, and its engine, source id or domain where that is not 0.

    Parameters
    ----------
    heads : array of `netflow_reading.HEAD`
    names
        The name of each exporter.
    """
    codes = pd.factorize(heads["exporter"] << 32 | heads["number"])[0].astype(np.int64)
    codes = pd.factorize(codes << 4 | heads["version"])[0]
    firsts = heads[np.flatnonzero(~pd.Series(codes).duplicated())]  # in the order of the codes
    texts: dict[str, None] = {}
    for exporter, number, version in firsts[["exporter", "number", "version"]].tolist():
        text = names[exporter]
        if number and version in (5, 7):
            text = f"{text} engine {number >> 8}/{number & 255}"
        elif number:
            text = f"{text} {'source' if version == 9 else 'domain'} {number}"
        if text in texts:
            text = f"{text} by {VERSIONS[version]}"
        texts[text] = None
    return pd.Categorical.from_codes(codes, categories=pd.Index(list(texts), dtype="str"))


def table(
    found: Exports, sensors: pd.Categorical, *, label: str, source: str, digest: str, received: np.ndarray | None
) -> pd.DataFrame:
    """Return the flows, with caveats about their clocks.

    Parameters
    ----------
    found
        What was read.
    sensors
        Who sent each of `found.heads`.
    label, source, digest
        The evidence, the format's name and the SHA-256 of the file.
    received : int64 array
        When each datagram was captured, by row; where not given, when it says that it was exported.
    """
    flows = found.flows
    head = flows.get("head", np.empty(0, np.int32))
    count = len(head)
    when = found.heads["exported"] if received is None else received[found.heads["row"]]
    numbers = {
        name: flows[name] if flows[name].dtype.kind == "u" else masked(flows[name], flows[name] < 0, dtype=np.int64)
        for name in _WHOLE
        if name in flows
    }
    return flow_table(
        src=_addresses(flows, "src"),
        dst=_addresses(flows, "dst"),
        proto=flows.get("proto", np.full(count, -1)),
        start=flows.get("start", np.full(count, NOT_A_TIME)),
        end=flows.get("end", np.full(count, NOT_A_TIME)),
        label=label,
        source=source,
        digest=digest,
        received=when[head],
        sensor=pd.Categorical.from_codes(sensors.codes[head], dtype=sensors.dtype),
        direction_known=flows.get("direction_known"),
        **numbers,
    )


def _addresses(flows: dict[str, np.ndarray], side: str) -> Addresses | np.ndarray:
    low = flows.get(f"{side}_low", np.empty(0, np.uint32))
    if f"{side}_tag" not in flows:
        return low.astype(np.uint32, copy=False)
    return Addresses(flows[f"{side}_high"], low, flows[f"{side}_tag"])
