"""Who made a network card, by its MAC address: from a table in the package, never from the network.

Source: IEEE's public listings MA-L, MA-M, MA-S and IAB; their dates stand at the top of ``data/oui.tsv.gz``. IEEE Std
802-2014, 8.4: bit 0 of the first octet is set in group addresses, bit 1 in those that no registry gave out.
"""

from __future__ import annotations

import gzip
import re
from functools import cache
from importlib.resources import files

import numpy as np
import pandas as pd

__all__ = ["vendor"]

_LENGTHS = (9, 7, 6)  # hexadecimal digits of a block, the smallest block first
_GROUPS = (
    ("ffffffffffff", "broadcast"),
    ("01005e", "multicast (IPv4)"),  # RFC 1112, 6.4
    ("3333", "multicast (IPv6)"),  # RFC 2464, 7
    ("0180c2", "multicast (IEEE 802.1)"),
    ("01000ccc", "multicast (Cisco)"),
)
# Addresses that no registry gave out, by the habit of the program that makes them up.
_MADE_UP = (
    ("525400", "QEMU or KVM, by habit"),
    ("0242", "Docker, by habit"),
    ("0a0027", "VirtualBox host, by habit"),
)
_NOT_HEX = re.compile(r"[^0-9a-f]")


def vendor(mac: str | pd.Series) -> str | pd.Series:
    """Return who made the card of a MAC address, or what kind of address it is.

    Parameters
    ----------
    mac
        A MAC address in any common notation, or a column of them.

    Returns
    -------
    str or pandas.Series
        The name in IEEE's listing; ``multicast ...`` or ``broadcast`` for groups; ``locally administered ...`` where no
        registry gave the address out: virtual machines, containers, and phones and laptops that choose one at random;
        ``not listed`` where the listing has no such block; missing where there is no address of six octets.

    Examples
    --------
    >>> vendor("00:00:0c:12:34:56"), vendor("ff-ff-ff-ff-ff-ff")
    ('Cisco Systems, Inc', 'broadcast')
    >>> vendor("da:a1:19:00:00:01")
    'locally administered: made up by software, or random'
    """
    if isinstance(mac, str):
        found = _of(mac)
        return "" if found is None else found
    codes, values = pd.factorize(mac)
    names = np.array([*(_of(str(value)) for value in values), None], dtype=object)
    return pd.Series(names[codes], index=mac.index, name="vendor", dtype="str")


def _of(mac: str) -> str | None:
    digits = _NOT_HEX.sub("", mac.lower())
    if len(digits) != 12:
        return None
    if digits == "0" * 12:
        return "all zeros: no address"
    first = int(digits[:2], 16)
    if first & 1:
        return next((name for prefix, name in _GROUPS if digits.startswith(prefix)), "multicast")
    table = _table()
    for length in _LENGTHS:
        if name := table.get(digits[:length]):
            return name
    if first & 2:
        habit = next((name for prefix, name in _MADE_UP if digits.startswith(prefix)), "made up by software, or random")
        return f"locally administered: {habit}"
    return "not listed"


@cache
def _table() -> dict[str, str]:
    """Return the vendor of each block, read when the first address is asked for."""
    text = gzip.decompress(files("nsm_nb.statistics").joinpath("data/oui.tsv.gz").read_bytes()).decode()
    table = {}
    for line in text.splitlines():
        if not line.startswith("#"):
            name, _, prefixes = line.partition("\t")
            table.update(dict.fromkeys(prefixes.lower().split(" "), name))
    return table
