"""Alerts of a case to hand on: with their packets, and with a key of the case where they shall be sanitised."""

from __future__ import annotations

import os
import secrets
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pandas as pd

from nsm_nb.errors import CaseError, NsmError
from nsm_nb.full_content import frame_bytes, payload_bytes
from nsm_nb.full_content.frames import link_types
from nsm_nb.text import printable

if TYPE_CHECKING:
    from nsm_nb.case.case import Case
    from nsm_nb.triage.cloak import Cloak
    from nsm_nb.triage.export import Content

__all__ = ["STYLES", "cloak_of", "export"]

STYLES = ("detail", "summary", "sanitised", "csv", "jsonl", "eml")
"""How alerts can be handed on."""

_KEY = "pseudonyms.key"


def export(
    case: Case, alerts: pd.DataFrame, style: str, *, sanitised: bool = False, to: Sequence[str] = (), sender: str = "",
    cc: Sequence[str] = (), subject: str = "",
) -> bytes:  # fmt: skip
    """Return alerts in one of `STYLES`, as the bytes of a file; ``sanitised`` is ``detail`` made fit to be handed on.

    Parameters
    ----------
    alerts
        A table of ALERTS, or of groups: each child is handed on.
    sanitised
        Leave out payload and secrets, and put words in the place of addresses and names.
    to, sender, cc, subject
        Of the draft of a mail.
    """
    from nsm_nb.triage import export as forms

    if style not in STYLES:
        raise NsmError(f"there is no way {printable(style)!r} to hand alerts on; there are {', '.join(STYLES)}")
    if "children" in alerts:
        names = [name for children in alerts["children"] for name in children]
        alerts = case.alerts[case.alerts["alert"].isin(names)]
    status = case.status()
    alerts = alerts.assign(category=alerts["alert"].map(status).astype("str").fillna("NEW"))
    cloak = cloak_of(case) if sanitised or style == "sanitised" else None
    if style == "csv":
        return forms.as_csv(alerts, cloak=cloak).encode()
    if style == "jsonl":
        return forms.as_json_lines(alerts, cloak=cloak).encode()
    content = _content(case)
    if style == "eml":
        return forms.as_mail(alerts, to=to, sender=sender, cc=cc, subject=subject, content=content, cloak=cloak)
    return forms.as_text(alerts, detail=style != "summary", content=content, cloak=cloak).encode()


def cloak_of(case: Case) -> Cloak:
    """Return the case's cloak: its key is made with the first one, and kept in the case, readable by its owner only."""
    from nsm_nb.triage.cloak import Cloak

    columns = [table[name] for table in (case.alerts, case.sessions) for name in ("src_ip", "dst_ip")]
    known = {str(each) for column in columns for each in column.cat.categories}
    return Cloak(_key(case.work / _KEY), known, _names(case))


def _names(case: Case) -> set[str]:
    """Return names of hosts and MAC addresses that the captures of a case give."""
    named = {str(each) for each in case.names["name"]}
    # of ws-17.example.org also ws-17; of update.example.org not the word
    first = {each.partition(".")[0] for each in named}
    macs = {str(each) for name in ("src_mac", "dst_mac") for each in case.packets[name].cat.categories}
    return named | macs | {each for each in first if any(one.isdecimal() or one == "-" for one in each)}


def _key(path: Path) -> bytes:
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        try:
            with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
                file.write(secrets.token_hex(32))
        except FileExistsError:
            pass  # it was made before, or just now by somebody else
        key = bytes.fromhex(path.read_text().strip())
    except (OSError, ValueError) as problem:
        raise CaseError(
            f"{printable(path)}, the key of the words for addresses, can't be used: {printable(problem)}"
        ) from problem
    if len(key) < 16:
        raise CaseError(f"{printable(path)} is no key; delete it and another is made, which gives other words")
    return key


def _content(case: Case) -> Callable[[str], Content | None]:
    from nsm_nb.triage.export import Content

    def of(alert: str) -> Content | None:
        packet: Any = case.packet_of(alert)
        if packet is None:
            return None
        # a row has lost the dtypes of its columns: the frame is looked up again
        rows = case.packets_of(int(packet["session"]))
        row = rows[(rows["frame"] == packet["frame"]) & (rows["evidence"] == packet["evidence"])]
        frame = frame_bytes(row, evidence=case.paths)[0]
        return Content(frame, int(link_types(row)[0]), payload_bytes(row, evidence=case.paths)[0].data)

    return of
