"""What the columns of PACKETS tell about the questions of a filter, so that most packets need no look at their bytes.

A filter speaks of the outermost headers, the table of the innermost: which of its columns can answer is told by a packet's
`layers`, and there are few distinct ones. What can't be told for sure is left open.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from nsm_nb.full_content.filters.outcomes import ANY, FALSE, TRUE, Known, Outcomes, by_code, decided, one_of
from nsm_nb.full_content.filters.shapes import (
    LINKS,
    MAYBE,
    NETWORK,
    TRANSPORT,
    Shape,
    carried,
    link_of,
    named,
    shape_of,
)
from nsm_nb.full_content.filters.wire import Context
from nsm_nb.schema import PACKETS, in_network

if TYPE_CHECKING:
    from nsm_nb.full_content.filters.primitives import Test

__all__ = ["View"]

_KEPT = 1 << 27  # bytes of outcomes that are kept for `decided`


class View:
    """The columns of packets as a filter asks for them.

    Parameters
    ----------
    packets
        Rows of PACKETS; not changed.
    """

    def __init__(self, packets: pd.DataFrame):
        self.packets = packets
        self.count = len(packets)
        self._made: dict[Any, Any] = {}
        self._asked: dict[int, Outcomes] = {}
        self._kept = 0

    def ask(self, test: Test) -> Outcomes:
        """Return the outcomes of a test that are possible by the columns."""
        outcomes = test.columns(self)
        size = np.asarray(outcomes).nbytes
        if self._kept + size <= _KEPT:  # what is not kept is asked of the bytes
            self._asked[id(test)] = outcomes
            self._kept += size
        return outcomes

    def decided(self, rows: np.ndarray) -> Known:
        """Return the outcomes of those tests that the columns decide for all of some packets, in the order of `rows`."""
        known = ((test, decided(outcomes, rows)) for test, outcomes in self._asked.items())
        return {test: outcomes for test, outcomes in known if outcomes is not None}

    def _once(self, key: Any, make: Callable[[], Any]) -> Any:
        if key not in self._made:
            self._made[key] = make()
        return self._made[key]

    # --- columns

    def column(self, name: str) -> pd.Series:
        """Return a column; where the table lacks it, an error says what it is."""
        PACKETS.require(self.packets, name)
        return self.packets[name]

    def numbers(self, name: str) -> tuple[np.ndarray, np.ndarray | None]:
        """Return a column's numbers, and where they are missing (None: nowhere)."""

        def make() -> tuple[np.ndarray, np.ndarray | None]:
            column = self.column(name)
            array = column.array
            if hasattr(array, "_mask"):  # mapped columns are not copied
                missing = array._mask
                return array._data, missing if missing.any() else None
            if isinstance(column.dtype, np.dtype) and column.dtype.kind in "iu":
                return column.to_numpy(), None
            missing = column.isna().to_numpy()
            return column.fillna(0).to_numpy(np.int64), missing if missing.any() else None

        return self._once(("numbers", name), make)

    def categories(self, name: str) -> tuple[np.ndarray, pd.Index]:
        """Return a column's codes and categories."""

        def make() -> tuple[np.ndarray, pd.Index]:
            column = self.column(name)
            if not isinstance(column.dtype, pd.CategoricalDtype):
                column = column.astype("category")
            return column.cat.codes.to_numpy(), column.cat.categories

        return self._once(("categories", name), make)

    def spread(self, name: str, of: Callable[[str], Any], dtype: Any, missing: Any) -> np.ndarray:
        """Return a value for each packet, made once for each distinct value of a column."""
        codes, names = self.categories(name)
        values = np.array([*(of(str(each)) for each in names), missing], dtype)
        return by_code(values, codes)

    # --- layers

    def shapes(self, context: Context) -> list[Shape]:
        """Return the shape of each distinct chain of layers."""
        names = self.categories("layers")[1]
        return self._once(("shapes", context), lambda: [shape_of(str(each), context) for each in names])

    def by_shape(self, context: Context, of: Callable[[Shape], np.uint8]) -> np.ndarray:
        """Return a uint8 for each packet, made once for each distinct chain of layers."""
        codes, _ = self.categories("layers")
        return by_code(np.array([*map(of, self.shapes(context)), ANY], np.uint8), codes)

    # --- what is asked

    def vlan(self, context: Context, number: int | None) -> Outcomes:
        """Return where another VLAN tag follows, of this identifier."""
        names = self.categories("layers")[1]

        def of(chain: str) -> np.uint8:
            link, *layers = chain.split(":")
            if link not in LINKS or context.labels or context.ppp:
                return ANY
            if link != "eth":
                return FALSE
            tags = 0
            while tags < len(layers) and layers[tags] == "vlan":
                tags += 1
            if tags > context.vlans:
                return TRUE if number is None else MAYBE if context.vlans == 0 else ANY
            return ANY if tags < context.vlans or not layers[tags:] or layers[tags] in ("cut", "...") else FALSE

        outcomes = by_code(np.array([*map(of, map(str, names)), ANY], np.uint8), self.categories("layers")[0])
        maybe = outcomes == MAYBE
        if not maybe.any():
            return outcomes
        tag, missing = self.numbers("vlan")
        same = np.uint8(2) - (tag == number).view(np.uint8)
        return one_of(maybe, same if missing is None else one_of(missing, ANY, same), outcomes)

    def hardware(self, side: str, of: Callable[[int], bool]) -> Outcomes:
        """Return where the Ethernet address of one side is such; never on other link layers that are known."""

        def asked(text: str) -> np.uint8:
            return TRUE if of(int(text.replace(":", ""), 16)) else FALSE

        codes, chains = self.categories("layers")
        known = [MAYBE if link_of(each) == "eth" else FALSE if link_of(each) in LINKS else ANY for each in chains]
        links = by_code(np.array([*known, ANY], np.uint8), codes)
        return one_of(links == MAYBE, self.spread(f"{side}_mac", asked, np.uint8, ANY), links)

    def type_is(self, context: Context, number: int) -> Outcomes:
        """Return where the link layer says that its payload is of an ethertype."""

        def of(shape: Shape) -> np.uint8:
            if shape.network is None:
                return ANY
            if number in NETWORK.values():
                return TRUE if shape.network == number else FALSE
            return FALSE if shape.network else ANY

        return self._once(("type", context, number), lambda: self.by_shape(context, of))

    def protocol_is(self, context: Context, family: int, number: int) -> Outcomes:
        """Return where the packet is IPv4 (`family` 4) or IPv6 and carries this protocol; through IPv6's fragment header."""
        ethertype = 0x0800 if family == 4 else 0x86DD

        def of(shape: Shape) -> np.uint8:
            if shape.network is None:
                return ANY
            if shape.network != ethertype:
                return FALSE
            return carried(shape, family, number)

        return self._once(("protocol", context, family, number), lambda: self._by_proto(context, of, number))

    def _by_proto(self, context: Context, of: Callable[[Shape], np.uint8], number: int) -> Outcomes:
        """Return outcomes by shape; those that are MAYBE are decided by the column `proto`, where the header was whole."""
        outcomes = self.by_shape(context, of)
        maybe = outcomes == MAYBE
        if not maybe.any():
            return outcomes
        same = self.spread("proto", lambda name: named(name, number), np.uint8, ANY)
        _, missing = self.numbers("ttl")
        return one_of(maybe, same if missing is None else one_of(missing, ANY, same), outcomes)

    def first_fragment(self, context: Context, family: int, number: int) -> Outcomes:
        """Return where IP carries this protocol at once: a datagram of IPv4 or its first part, of IPv6 a whole one."""
        return self._once(("first", context, family, number), lambda: self._first(context, (number,), (family,)))

    def with_ports(self, context: Context, protocols: tuple[int, ...]) -> Outcomes:
        """Return where IPv4 or IPv6 carries one of the protocols, with its ports: never a later fragment."""
        return self._once(("ports", context, protocols), lambda: self._first(context, protocols, families=(4, 6)))

    def _first(self, context: Context, protocols: tuple[int, ...], families: tuple[int, ...]) -> Outcomes:
        wanted = {0x0800 if family == 4 else 0x86DD for family in families}

        def of(shape: Shape) -> np.uint8:
            if shape.network is None:
                return ANY
            if shape.network not in wanted:
                return FALSE
            if not shape.rest:
                return ANY
            first = shape.rest[0]
            if not shape.plain:
                number = TRANSPORT.get(first)
                return FALSE if number is not None and number not in protocols else ANY
            if first == "udp":
                return MAYBE if 17 in protocols else FALSE
            if first in TRANSPORT:
                return TRUE if TRANSPORT[first] in protocols else FALSE
            if first in ("fragment", "ipv6.extension", "ipv6.fragment"):
                return FALSE
            return MAYBE if shape.ends else ANY

        outcomes = self.by_shape(context, of)
        maybe = outcomes == MAYBE
        if not maybe.any():
            return outcomes
        same = self.spread(
            "proto", lambda name: min((named(name, each) for each in protocols), key=_likely), np.uint8, ANY
        )
        return one_of(maybe, same, outcomes)

    def inside(self, context: Context, side: str, network: str, ethertypes: tuple[int, ...]) -> Outcomes:
        """Return where the address of one side lies in a network; asked of packets of some ethertypes only."""

        def of(shape: Shape) -> np.uint8:
            if shape.network is None:
                return ANY
            return MAYBE if shape.network in ethertypes else FALSE

        outcomes = self._once(("of type", context, ethertypes), lambda: self.by_shape(context, of))
        codes, unknown = self._addresses(context, side)
        first, last, scattered = self._stretch(side, network)
        hit = scattered[codes] if scattered is not None else (codes >= first) & (codes < last)
        found = np.uint8(2) - hit.view(np.uint8)
        if unknown is not None:
            found[unknown] = ANY
        maybe = self._once(("maybe", context, ethertypes), lambda: _bits(outcomes == MAYBE))
        return (found & maybe) | (outcomes & ~maybe) if maybe.any() else outcomes

    def _addresses(self, context: Context, side: str) -> tuple[np.ndarray, np.ndarray | None]:
        """Return the codes of the outermost addresses of one side, and where they are not known (None: all are)."""

        def make() -> tuple[np.ndarray, np.ndarray | None]:
            codes, names = self.categories(f"{side}_ip")
            hidden = self.by_shape(context, lambda shape: FALSE if shape.plain else TRUE) == TRUE
            if hidden.any():
                outer = np.broadcast_to(codes.dtype.type(-1), codes.shape)
                if f"outer_{side}_ip" in self.packets:
                    known, others = self.categories(f"outer_{side}_ip")
                    if others is names or others.equals(names):
                        outer = known
                codes = np.where(hidden, outer, codes)
            unknown = codes < 0
            return codes, unknown if unknown.any() else None

        return self._once(("addresses", context, side), make)

    def _stretch(self, side: str, network: str) -> tuple[int, int, np.ndarray | None]:
        """Return the codes of the addresses in a network, as a stretch, or as one answer a code."""

        def make() -> tuple[int, int, np.ndarray | None]:
            names = self.column(f"{side}_ip")
            if not isinstance(names.dtype, pd.CategoricalDtype):
                names = names.astype("category")
            dtype = names.dtype
            every = pd.Series(pd.Categorical.from_codes(np.arange(len(dtype.categories)), dtype=dtype))
            inside = in_network(every, network)
            places = np.flatnonzero(inside)
            if not len(places):
                return 0, 0, None
            first, last = int(places[0]), int(places[-1]) + 1
            return first, last, None if last - first == len(places) else np.append(inside, False)

        return self._once(("stretch", side, network), make)


def _bits(true: np.ndarray) -> np.ndarray:
    return true.view(np.uint8) * np.uint8(255)


def _likely(outcome: np.uint8) -> int:
    return {1: 0, 7: 1, 2: 2}[int(outcome)]
