"""Who exported what an nfcapd file holds: records about exporters, their samplers and what was lost of them.

Source: nfdump, exporter.h (types 7, 8, 9, 15), nffileV2.h (TYPE_IDENT, TYPE_STAT); measured on files of 1.6 and 1.7.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
import pandas as pd

from nsm_nb.formats.lines import whole_text
from nsm_nb.text import many, printable

__all__ = ["Sources"]

_IPV4, _IPV6 = 2, 10  # AF_INET, AF_INET6 of Linux
_MOST_TOLD = 20


class _Exporter(NamedTuple):
    version: int
    address: str
    number: int  # source ID of version 9, domain of IPFIX, engine of version 5


class Sources:
    """The exporters of a file.

    Parameters
    ----------
    ident
        The name that nfcapd was given for the source.
    flows, failures
        What the head of the file tells: flows in it, failures of sequence numbers.

    Attributes
    ----------
    flows : int or None
        How many flows the file says that it has.
    """

    def __init__(self, ident: bytes, flows: int | None, failures: int | None):
        self._ident, self.flows, self._failures = ident, flows, failures
        self._exporters: dict[int, _Exporter] = {}
        self._lost: dict[int, int] = {}
        self._interval = np.ones(65_536, np.int64)

    def take(self, data: np.ndarray, at: int) -> None:
        """Read a record, which stands wholly in `data`."""
        kind, size = np.frombuffer(data[at : at + 4].tobytes(), "<u2").tolist()
        body = data[at + 4 : at + size].tobytes()
        if kind == 7 and len(body) >= 28:
            self._exporter(body)
        elif kind == 8 and len(body) >= 4:
            self._counts(body)
        elif kind == 9 and len(body) >= 12:  # id, interval, mode, exporter
            interval, exporter = int.from_bytes(body[4:8], "little"), int.from_bytes(body[10:12], "little")
            self._interval[exporter] = max(interval, 1)
        elif kind == 15 and len(body) >= 20:  # exporter, algorithm, id, packets taken, packets passed over
            taken, passed = np.frombuffer(body, "<u4", 2, 12).tolist()
            exporter = int.from_bytes(body[:2], "little")
            self._interval[exporter] = max((taken + passed) // max(taken, 1), 1) if passed else max(taken, 1)
        elif kind == 0x8001:
            self._ident = body.partition(b"\0")[0]
        elif kind == 0x8002 and len(body) >= 144:
            self.flows = int.from_bytes(body[:8], "little")
            self._failures = int.from_bytes(body[136:144], "little")

    def _exporter(self, body: bytes) -> None:
        version = int.from_bytes(body[:4], "little")
        upper, lower = np.frombuffer(body, "<u8", 2, 4).tolist()
        family, exporter = np.frombuffer(body, "<u2", 2, 20).tolist()
        number = int.from_bytes(body[24:28], "little")
        address = ""
        if family == _IPV4:
            address = str(ipaddress.IPv4Address(lower & 0xFFFFFFFF))
        elif family == _IPV6:
            address = str(ipaddress.IPv6Address(upper << 64 | lower))
        self._exporters[exporter] = _Exporter(version, address, number)

    def _counts(self, body: bytes) -> None:
        count = int.from_bytes(body[:4], "little")
        for place in range(4, min(len(body), 4 + 24 * count) - 23, 24):
            exporter, lost = np.frombuffer(body, "<u4", 2, place).tolist()
            self._lost[exporter] = lost

    def _name(self, exporter: int) -> str:
        known = self._exporters.get(exporter)
        ident = printable(whole_text(self._ident))
        ident = "" if ident == "none" else ident  # nfcapd's name where it was given none
        if known is None or not known.address:
            return ident
        name = f"{known.address} source {known.number}" if known.number else known.address
        return f"{name} as {ident}" if ident else name

    def sensors(self, exporters: np.ndarray) -> pd.Categorical:
        """Return the names of exporters by their numbers in the file; missing where the file does not tell."""
        present = np.flatnonzero(np.bincount(exporters, minlength=1))
        names = {each: self._name(each) for each in present.tolist()}
        labels = sorted(set(names.values()) - {""})
        lookup = np.full(65_536, -1, np.int32)
        for each, name in names.items():
            lookup[each] = labels.index(name) if name else -1
        return pd.Categorical.from_codes(lookup[exporters], categories=pd.Index(labels, dtype="str"))

    def sampling(self, exporters: np.ndarray) -> np.ndarray:
        """Return the sampling interval of exporters by their numbers, 1 where they do not sample."""
        return self._interval[exporters]

    def told(self, exporters: np.ndarray, scaled: np.ndarray) -> Iterator[tuple[str, str]]:
        """Yield kinds and sentences about lost flows and about sampling.

        Parameters
        ----------
        exporters
            Of each flow.
        scaled
            bool; True where nfcapd multiplied the counts of a flow by the interval.
        """
        lost = {exporter: count for exporter, count in self._lost.items() if count}
        for exporter, count in list(lost.items())[:_MOST_TOLD]:
            name = self._name(exporter) or f"number {exporter}"
            failures = many(count, "failure")
            yield "lost", f"nfcapd counted {failures} of sequence numbers of exporter {name}: flows are missing"
        if len(lost) > _MOST_TOLD:
            yield "lost", f"and of {many(len(lost) - _MOST_TOLD, 'more exporter')}"
        if self._failures and not lost:
            yield "lost", f"nfcapd counted {many(self._failures, 'failure')} of sequence numbers: flows are missing"
        present = np.flatnonzero(np.bincount(exporters, minlength=1))
        sampling = [each for each in present.tolist() if self._interval[each] > 1]
        for each in sampling[:_MOST_TOLD]:
            mine = exporters == each
            count = int((scaled & mine).sum())
            said = (
                f"the counts of {count:,} of its {many(int(mine.sum()), 'flow')} are multiplied by that"
                if count
                else "counts are as exported"
            )
            name = self._name(each) or f"number {each}"
            yield "sampling", f"exporter {name} samples 1 in {int(self._interval[each]):,} packets; {said}"
