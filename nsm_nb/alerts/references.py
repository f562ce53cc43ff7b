"""What a signature refers to: as text, and as the link that reference.config makes of it. We open none.

Source: Snort users' manual 3.4.2 (reference), Suricata user guide, "reference" and reference.config.
"""

from __future__ import annotations

from typing import NamedTuple
from urllib.parse import quote

import pandas as pd

from nsm_nb.alerts.maps import Maps
from nsm_nb.text import printable

__all__ = ["Reference", "references"]

_SCHEMES = ("http://", "https://", "ftp://")


class Reference(NamedTuple):
    """A reference: its system, such as ``cve``, what it names there, and the whole link; "" where there is none."""

    system: str
    id: str
    url: str


def references(of: pd.Series | int | tuple[int, int] | None, maps: Maps | None = None) -> list[Reference]:
    """Return what a signature refers to, each once: from its rule, then from sid-msg.map.

    Links are made with the start that reference.config has for the system; ``url`` needs none. A start that is no http,
    https or ftp address makes no link, and what could end or forge one is percent-encoded. Nothing is looked up.

    Parameters
    ----------
    of
        A row of rules or of ALERTS; a sid, or gid and sid; None gives nothing.
    maps
        What the maps say.

    Examples
    --------
    >>> references(pd.Series({"gid": 1, "sid": 7, "references": ["url,example.com/a b"]}))
    [Reference(system='url', id='example.com/a b', url='http://example.com/a%20b')]
    """
    stated: list[str] = []
    if isinstance(of, pd.Series):
        listed = of.get("references")
        stated += listed if isinstance(listed, list) else []
        gid, sid = of.get("gid"), of.get("sid")
    else:
        gid, sid = of if isinstance(of, tuple) else (1, of)
    if maps is not None and sid is not None and not pd.isna(sid):
        of_map = maps.messages
        same = (of_map["sid"] == int(sid)) & (of_map["gid"] == (1 if gid is None or pd.isna(gid) else int(gid)))
        for row in of_map.loc[same.fillna(False).to_numpy(bool), "references"]:
            stated += row if isinstance(row, list) else []
    starts = {} if maps is None else maps.references
    found = dict.fromkeys(_split(each) for each in stated)
    return [Reference(system, name, _url(system, name, starts)) for system, name in found if system and name]


def _split(text: str) -> tuple[str, str]:
    system, _, name = str(text).partition(",")
    return printable(system.strip().lower()), printable(name.strip())


def _url(system: str, name: str, starts: dict[str, str]) -> str:
    start = starts.get(system, "http://" if system == "url" else "")
    if system == "url" and name.lower().startswith(_SCHEMES):
        start = ""
    url = quote(start + name, safe=";/?:@&=+$,-_.!~*'()#%[]")
    return url if url.lower().startswith(_SCHEMES) else ""
