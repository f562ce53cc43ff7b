"""The layers that a frame is made of, and what is known of it on the way down through them.

A frame's layers are a chain: a number that means its last layer and the chain before it. Chains are interned as addresses
are, so a column of numbers tells them, and texts are made once for each distinct chain.

`State` names the places of one int64 array that the readers of layers hand on. -1 is absent.
"""

from __future__ import annotations

from collections import namedtuple
from collections.abc import Callable

import numpy as np
from numba import njit

from nsm_nb.kernels.interning import intern_value

__all__ = ["DEEPEST", "LAYERS", "Layer", "State", "chain_names", "chain_of", "deeper"]

DEEPEST = 24  # layers of a frame that are looked at; the last of so many is called "..."


# numba takes named tuples for constants, not classes or dicts.
_Layers = namedtuple(
    "_Layers",
    "ETH VLAN IP IP6 TCP UDP ICMP ICMP6 ARP SCTP SLL SLL2 RAW NULL LLC "
    "ETHERTYPE FRAGMENT6 EXTENSION IPPROTO FRAGMENT CUT LINKTYPE DEEPER "
    "PPP PPPOE PPPTYPE CHDLC WLAN RADIOTAP PRISM AVS PPI ENCRYPTED MPLS PW "
    "GRE ERSPAN ETHERIP AH VXLAN GENEVE GTP TEREDO PPPDIR",
)
Layer = _Layers(*range(1, 1 + len(_Layers._fields)))  # their places in `LAYERS`

# Names of layers, as tshark calls them where it has a name. Four are named by a number that goes with them.
LAYERS = (
    "", "eth", "vlan", "ip", "ipv6", "tcp", "udp", "icmp", "icmpv6", "arp", "sctp", "sll", "sll2", "raw", "null", "llc",
    "ethertype", "ipv6.fragment", "ipv6.extension", "ipproto", "fragment", "cut", "linktype", "...",
    "ppp", "pppoe", "ppptype", "chdlc", "wlan", "radiotap", "prism", "avs", "ppi", "encrypted", "mpls", "pw",
    "gre", "erspan", "etherip", "ah", "vxlan", "geneve", "gtp", "teredo", "pppdir",
)  # fmt: skip


_States = namedtuple(
    "_States",
    "AT END STOP START "  # the next byte; the end of what was captured; the end by the headers; the frame's first byte
    "DEPTH "
    "VLAN SRC_MAC DST_MAC "  # of the outermost
    "VNI "  # of the innermost
    "TAG SRC_HIGH SRC_LOW DST_HIGH DST_LOW "  # of the innermost: 4 or 6 (0: none yet) and 128 bits each
    "OUTER_TAG OUTER_SRC_HIGH OUTER_SRC_LOW OUTER_DST_HIGH OUTER_DST_LOW "  # of the outermost; 0 where there is no tunnel
    "IP_AT TTL OCTETS IP_ID FRAGMENT PROTO "
    "SRC_PORT DST_PORT PAYLOAD PAYLOAD_AT "
    "TCP_FLAGS SEQ ACK WINDOW ICMP_TYPE ICMP_CODE ICMP_ID "
    "LAYERS PLACES ENDS "  # the first of `DEEPEST` each: of each layer its number, where it starts, where it ends at the latest
    "SIZE",  # of the array
)
_SINGLE = len(_States._fields) - 4
State = _States(*range(_SINGLE), *(_SINGLE + place * DEEPEST for place in range(4)))


@njit(_nrt=False)
def deeper(s, layer, number):
    """Note a layer that starts where reading stands; `number` goes with it where its name needs one."""
    depth = s[State.DEPTH]
    if depth < DEEPEST:
        s[State.LAYERS + depth] = (np.int64(number) << 8) | layer if depth < DEEPEST - 1 else Layer.DEEPER
        s[State.PLACES + depth] = s[State.AT] - s[State.START]
        s[State.ENDS + depth] = s[State.END] - s[State.START]
        s[State.DEPTH] = depth + 1


@njit(_nrt=False)
def chain_of(s, chains):
    """Return the number of the layers that were noted. The caller has made room for `DEEPEST`."""
    chain = np.int64(-1)
    for place in range(s[State.DEPTH]):
        chain = np.int64(intern_value(chains, chain, s[State.LAYERS + place], 0))
    return chain


def chain_names(before: np.ndarray, layer: np.ndarray, name: Callable[[str, int], str]) -> list[str]:
    """Return each chain as text, ``eth:ip:tcp``.

    Parameters
    ----------
    before, layer
        The interned pairs: the chain before (-1 where it is the first layer), and number and layer in one.
    name
        Names a layer that goes by its number: a function of its name in `LAYERS` and the number.
    """
    texts: list[str] = []
    for parent, packed in zip(before.tolist(), layer.tolist(), strict=True):
        own = LAYERS[packed & 0xFF]
        if own in ("ethertype", "ipproto", "linktype", "ppptype"):
            own = name(own, packed >> 8)
        texts.append(own if parent < 0 else f"{texts[parent]}:{own}")
    return texts
