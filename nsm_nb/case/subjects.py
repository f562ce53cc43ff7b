"""What is judged besides alerts: a frame that is there, a host that the case knows or that has an address."""

from __future__ import annotations

import ipaddress
from collections.abc import Callable, Iterable

from nsm_nb.errors import UnknownName
from nsm_nb.text import many, printable

__all__ = ["frames", "hosts", "number"]


def number(text: str) -> int:
    """Return the whole number that a text is, -1 where it is none."""
    return int(text) if text.isascii() and text.isdigit() and len(text) < 19 else -1


def frames(names: Iterable[str], count: Callable[[str], int | None]) -> list[str]:
    """Return the names of frames, ``staged.pcap:3620``, each known to a case.

    Parameters
    ----------
    names
        What is to be judged.
    count
        Gives the number of frames in a piece of evidence, None where it is no capture; refuses one that is not there.

    Raises
    ------
    UnknownName
        Where one is not in the case.
    """
    known: dict[str, int | None] = {}
    kept = []
    for name in names:
        label, _, text = name.rpartition(":")
        if label not in known:
            known[label] = count(label)
        there, place = known[label], number(text)
        if there is None:
            raise UnknownName(
                f"{printable(label)} is no capture, so it has no frames; a frame is named staged.pcap:3620"
            )
        if not 1 <= place <= there:
            raise UnknownName(f"{printable(label)} has no frame {printable(text)!r}; it has {many(there, 'frame')}")
        kept.append(f"{label}:{place}")
    return kept


def hosts(names: Iterable[str], known: Callable[[], Iterable[str]]) -> list[str]:
    """Return the names of hosts: any address, as the case's tables write it, or a name that its captures give.

    An address need not be in the case: of a host that is judged there is often nothing but word from others.

    Raises
    ------
    UnknownName
        Where one is no address, and no name of the case.
    """
    kept = []
    seen: dict[str, str] | None = None
    for name in names:
        try:
            kept.append(str(ipaddress.ip_address(name)))
            continue
        except ValueError:
            pass  # it may be a name
        if seen is None:
            seen = {str(each).lower(): str(each) for each in known()}
        if name.lower() not in seen:
            raise UnknownName(
                f"{printable(name)!r} is no address, and no name that this case knows; case.names lists them"
            )
        kept.append(seen[name.lower()])
    return kept
