"""The categories an analyst gives: Sguil's seven, no action, escalated, and new again.

*Source*: Sguil's client and server, as written down in reference/seed-systems.md 11.6 (status ids, keys, colours).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

__all__ = ["CATEGORIES", "Category", "find"]


@dataclass(frozen=True, slots=True)
class Category:
    """One category: how it is written, named, keyed and coloured.

    Attributes
    ----------
    short
        What the ledger stores: ``I`` ... ``VII``, ``NA``, ``ESC``, ``NEW``.
    name
        The name in words.
    key
        The key that gives it; empty where there is none.
    sguil_id
        The number of the status in Sguil's database.
    colour
        Sguil's colour, as ``#rrggbb``.
    needs_comment
        True where a verdict without a comment is refused.
    """

    short: str
    name: str
    key: str
    sguil_id: int
    colour: str
    needs_comment: bool = False


CATEGORIES: Mapping[str, Category] = MappingProxyType(
    {
        each.short: each
        for each in (
            Category("I", "Unauthorized Root/Admin Access", "F1", 11, "#cc0000"),
            Category("II", "Unauthorized User Access", "F2", 12, "#ff6600"),
            Category("III", "Attempted Unauthorized Access", "F3", 13, "#ff9900"),
            Category("IV", "Successful Denial of Service Attack", "F4", 14, "#cc9900"),
            Category("V", "Poor Security Practice or Policy Violation", "F5", 15, "#9999cc"),
            Category("VI", "Reconnaissance/Probes/Scans", "F6", 16, "#ffcc00"),
            Category("VII", "Virus Infection", "F7", 17, "#cc66ff"),
            Category("NA", "No Further Action Required", "F8", 1, "#add8e6"),  # Tk's lightblue
            Category("ESC", "Escalated", "F9", 2, "#ffc0cb", needs_comment=True),  # Tk's pink
            # An undo: the ledger only grows, so taking a verdict back is one more record. No key: never by accident.
            Category("NEW", "New", "", 0, "#d9d9d9"),
        )
    }
)


def find(text: str) -> Category | None:
    """Return the category that a text means, or None: its short name, ``Cat II``, its key or its name, in any case.

    Examples
    --------
    >>> find("cat ii").name
    'Unauthorized User Access'
    >>> find("F9").short
    'ESC'
    """
    wanted = " ".join(text.split()).casefold()
    for each in CATEGORIES.values():
        if wanted and wanted in (each.short.casefold(), f"cat {each.short}".casefold(), each.key.casefold()):
            return each
        if wanted == each.name.casefold():
            return each
    return None
