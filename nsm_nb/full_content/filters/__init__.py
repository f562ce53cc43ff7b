"""Capture filters: tcpdump's language asked of a table of PACKETS.

===============================================  =====================================================================
``host 10.0.0.7``, ``net 10.0.0.0/8``            an address of IPv4, ARP or RARP, or of IPv6; ``net 10.1`` is 10.1.0.0/16
``net 10.0.0.0 mask 255.0.0.0``                  the same with a mask
``port 445``, ``portrange 1-1024``               of TCP, UDP or SCTP; by name those of a table here (``port http``)
``src``, ``dst``, ``src or dst``, ``src and dst``  before host, net, port, portrange
``ip``, ``ip6``, ``arp``, ``tcp``, ``udp`` ...   a protocol; also before the above: ``tcp dst port 80``, ``arp host 10.0.0.7``
``ip proto 47``, ``proto gre``, ``ether proto 0x88cc``  a protocol by number or name; ``protochain`` behind extension headers too
``ether host 00:0c:29:aa:bb:01``                 an Ethernet address; ``ether src``, ``ether dst``
``broadcast``, ``multicast``                     to all or to a group, on Ethernet; ``ip multicast``, ``ip6 multicast``
``vlan``, ``vlan 100``                           tagged; what follows in the line is looked for behind the tag
``mpls``, ``pppoes``                             the same for a label, for a session of PPPoE
``less 60``, ``greater 1000``                    bytes on the wire, these included
``tcp[13] & 2 != 0``, ``ip[6:2] & 0x1fff = 0``   bytes of a header, in arithmetic of 32 bits; ``len``, ``tcp-syn`` ...
``and or not``, ``&& || !``, ``( )``             `and` and `or` bind alike, from left to right; ``port 80 or 443`` asks for both
===============================================  =====================================================================

The answers are tcpdump's: the outermost headers are asked, ports stand in first fragments only, and what would be read
behind the captured bytes rejects the packet. What the table has is taken from the table; for what it has not (bytes without
a column, ports of a tunnel), the evidence is read, for those packets only that nothing else has decided.

*Source*: pcap-filter(7); docs/differences.md says where this differs.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from functools import partial

import numpy as np
import pandas as pd

from nsm_nb.errors import NsmError, UnknownName, UnreadableEvidence
from nsm_nb.full_content.filters.evidence import stretches
from nsm_nb.full_content.filters.grammar import parse
from nsm_nb.full_content.filters.outcomes import TRUE, Known
from nsm_nb.full_content.filters.primitives import Test
from nsm_nb.full_content.filters.view import View
from nsm_nb.full_content.filters.wire import Wire
from nsm_nb.full_content.frames import link_types
from nsm_nb.text import form, many, printable

__all__ = ["Filter", "compile", "matching"]


def compile(line: str) -> Filter:
    """Return a filter made from a line; an empty line matches every packet.

    Raises
    ------
    QueryError
        Where the line can't be understood; `column` is the place of the first wrong character.

    Examples
    --------
    >>> compile("tcp dst port 80 or 443")
    Filter('tcp dst port 80 or 443')
    """
    return Filter(line, parse(line))


def matching(
    packets: pd.DataFrame, filter: str, *, evidence: Mapping[str, str | os.PathLike] | None = None
) -> np.ndarray:
    """Return a bool array, True where a packet matches a filter in tcpdump's language.

    Parameters
    ----------
    packets
        Rows of PACKETS; not changed.
    filter
        What to look for, as this module's text and pcap-filter(7) say.
    evidence
        The path of each `evidence` label, for bytes that no column has; the labels are paths where not given.

    Raises
    ------
    QueryError
        Where the filter can't be understood; `column` is the place.
    MissingColumn
        Where the table lacks a column that the filter asks for.
    NsmError
        Where bytes are needed and the evidence can't be read.
    """
    return compile(filter).mask(packets, evidence=evidence)


class Filter:
    """A filter, understood: made once, asked of any table of PACKETS.

    Attributes
    ----------
    line
        The line it was made from.
    """

    def __init__(self, line: str, test: Test | None):
        self.line = line
        self._test = test

    def __repr__(self) -> str:
        return f"Filter('{printable(self.line)}')"

    def mask(self, packets: pd.DataFrame, *, evidence: Mapping[str, str | os.PathLike] | None = None) -> np.ndarray:
        """Return a bool array, True where a packet matches; parameters and errors as `matching`."""
        if self._test is None or not len(packets):
            return np.ones(len(packets), bool)
        view = View(packets)
        outcomes = np.broadcast_to(np.asarray(view.ask(self._test), np.uint8), len(packets))
        matched = outcomes == TRUE
        open_ = np.flatnonzero((outcomes & TRUE).view(bool) & ~matched)
        if len(open_):
            matched[open_] = self._by_bytes(packets, open_, evidence, view.decided(open_))
        return matched

    def _by_bytes(
        self,
        packets: pd.DataFrame,
        rows: np.ndarray,
        evidence: Mapping[str, str | os.PathLike] | None,
        known: Known | None = None,
    ) -> np.ndarray:
        assert self._test is not None
        answers = np.zeros(len(rows), bool)
        length = packets["length"].to_numpy(np.uint32)
        layers = packets["layers"].astype("category").cat
        links = np.append(link_types(pd.DataFrame({"layers": layers.categories})), np.uint16(0xFFFF))
        codes = layers.codes.to_numpy()
        if (links[:-1] == links[0]).all() and codes.min(initial=0) >= 0:
            codes = np.broadcast_to(codes[:1], codes.shape)  # whatever the layers, the link type is one
        try:
            for asked, data, start, captured in stretches(packets, rows, evidence=evidence):
                places = rows[asked]
                for link, of in _each(links[codes[places]]):
                    here = asked[of]
                    wire = Wire(data, start[of], captured[of], partial(length.take, places[of]), link, known, here)
                    answers[here] = np.asarray(wire.ask(self._test)) == TRUE
        except (UnknownName, UnreadableEvidence) as problem:
            raise NsmError(
                f"{many(len(rows), 'packet')} can be decided by {form(len(rows), 'its', 'their')} bytes only "
                f"(filter {printable(self.line)}), and the evidence can't be read: {problem}"
            ) from problem
        return answers


def _each(links: np.ndarray) -> Iterator[tuple[int, slice | np.ndarray]]:
    """Yield each link type, and where it is."""
    if (links == links[0]).all():
        yield int(links[0]), slice(None)
        return
    for link in np.unique(links):
        yield int(link), np.flatnonzero(links == link)
