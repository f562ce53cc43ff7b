"""Sguil's autocat.conf: its lines as rules of ours.

*Source*: sguild's autocat.conf (nine fields between ``||``); lines that others publish, such as
``none||ANY||ANY||ANY||ANY||ANY||ANY||%%REGEXP%%^URL||1``.
"""

from __future__ import annotations

import os
from datetime import UTC, datetime
from pathlib import Path

from nsm_nb.errors import LedgerError
from nsm_nb.text import many, printable
from nsm_nb.triage.autocat import Rule
from nsm_nb.triage.categories import CATEGORIES

__all__ = ["read_conf"]

_ERASE = ("%Y-%m-%d %H:%M:%S", "%Y-%m-%d %H:%M", "%Y-%m-%d")
_LARGEST = 16_000_000  # bytes


def read_conf(path: str | os.PathLike[str]) -> tuple[list[Rule], list[str]]:
    """Return the rules of a Sguil autocat.conf, and a sentence about each line that is none.

    A line reads ``erase time||sensor||src ip||src port||dst ip||dst port||protocol||signature||status``, a signature that is a
    regular expression begins with ``%%REGEXP%%``, and ``ANY`` matches everything. Erase times are read as UTC.

    Raises
    ------
    LedgerError
        Where the file can't be read.
    """
    place = Path(path)
    try:
        with place.open("rb") as file:
            data = file.read(_LARGEST + 1)
    except OSError as problem:
        raise LedgerError(f"{printable(place)} can't be read: {printable(problem.strerror or problem)}") from problem
    if len(data) > _LARGEST:
        raise LedgerError(f"{printable(place)} has more than {_LARGEST:,} bytes; it can't be a list of rules")
    rules, troubles = [], []
    for number, line in enumerate(data.decode("utf-8", "backslashreplace").splitlines(), 1):
        if line.strip() and not line.lstrip().startswith("#"):
            try:
                rules.append(_conf_rule(line, f"imported from {place.name}, line {number}"))
            except LedgerError as problem:
                troubles.append(f"{printable(place.name)}: line {number} is no rule: {problem}")
    return rules, troubles


def _conf_rule(line: str, origin: str) -> Rule:
    fields = [each.strip() for each in line.split("||")]
    if not 9 <= len(fields) <= 10:
        raise LedgerError(f"it has {many(len(fields), 'field')} and not 9")
    erase, sensor, src_ip, src_port, dst_ip, dst_port, proto, signature, status = fields[:9]
    shorts = {str(each.sguil_id): each.short for each in CATEGORIES.values()}
    if status not in shorts:
        raise LedgerError(f"{printable(status)!r} is no status of Sguil; they are {', '.join(shorts)}")
    regexp = signature.startswith("%%REGEXP%%")
    return Rule(
        category=shorts[status], sensor=sensor, src_ip=src_ip, src_port=src_port, dst_ip=dst_ip, dst_port=dst_port,
        proto=proto, signature=signature.removeprefix("%%REGEXP%%") if regexp else signature, regexp=regexp,
        comment=(fields[9] if len(fields) == 10 else "") or origin, expires=_erase_time(erase),
    )  # fmt: skip


def _erase_time(text: str) -> datetime | None:
    if text.lower() in ("", "none"):
        return None
    for form in _ERASE:
        try:
            return datetime.strptime(text, form).replace(tzinfo=UTC)
        except ValueError:
            continue
    raise LedgerError(f"{printable(text)!r} is no erase time; write none, or a time such as 2027-01-31 00:00:00")
