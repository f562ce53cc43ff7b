"""What stands behind the damage of a capture, and how a case is told to search for it."""

from __future__ import annotations

from collections.abc import Iterable

from nsm_nb.case.inventory import File
from nsm_nb.schema import Caveat

__all__ = ["searchable"]


def searchable(file: File, told: Iterable[Caveat], *, recover: bool) -> list[Caveat]:
    """Return the caveat that a damaged capture can be searched; none where that is done, or nothing is damaged.

    Parameters
    ----------
    file
        The evidence.
    told
        What is told of it.
    recover
        Whether captures are searched behind damage already.
    """
    if recover or file.format != "pcap" or not any(each.kind == "damage" for each in told):
        return []
    detail = (
        f"what stands behind the damage of {file.label} was not read; recover = true in case.toml, above any line in brackets, "
        "has captures searched for where frames go on (what is found is a guess, and told)"
    )
    return [Caveat(file.label, None, None, "damage", detail)]
