"""What only the bytes of a capture tell about it, looked for once when a case reads it."""

from __future__ import annotations

import logging
import os

import pandas as pd

from nsm_nb.errors import NsmError
from nsm_nb.formats.compressed import compression
from nsm_nb.full_content.checksums import checksum_caveats
from nsm_nb.full_content.duplicates import duplicate_caveats
from nsm_nb.schema import Caveat

__all__ = ["faults"]

log = logging.getLogger(__name__)

_REACH = 1 << 26  # bytes of compressed evidence that are unpacked for it


def faults(packets: pd.DataFrame, path: str | os.PathLike) -> list[Caveat]:
    """Return caveats for frames that came twice and for hosts whose checksums are all wrong.

    Parameters
    ----------
    packets
        PACKETS of one evidence.
    path
        Where that lies. Where it is compressed only its first 64 MiB are compared, and the caveats say so.
    """
    if not len(packets):
        return []
    evidence = {str(packets["evidence"].iloc[0]): path}
    try:
        with open(path, "rb") as file:  # noqa: PTH123 - any path will do
            reach = _REACH if compression(file) else None
        return duplicate_caveats(packets, evidence=evidence, reach=reach) + checksum_caveats(
            packets, evidence=evidence, reach=reach
        )
    except (NsmError, OSError) as problem:
        log.warning(
            "%s can't be read again, so it was not searched for duplicates and wrong checksums: %s", path, problem
        )
        return []
