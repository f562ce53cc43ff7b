"""What the tabs of a transcript show: their tables, what is said of a row, tshark's trees, the line of Python."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pandas as pd

from nsm_nb.text import printable
from nsm_nb.widgets.lines import line

if TYPE_CHECKING:
    from nsm_nb.case import Case
    from nsm_nb.transcripts import Transcript

__all__ = ["BYTES", "COLUMNS", "EMPTY", "VIEWS", "code", "details", "made", "tree_lines", "trees", "unclear"]

#: The tabs.
VIEWS = {
    "text": "the bytes as text",
    "hex": "the bytes in hex",
    "decoded": "what its protocol says: requests, replies, names, certificates",
    "objects": "the files it carried, with their hashes",
    "packets": "the packets it is made of",
    "tshark": "what tshark makes of its packets",
}
BYTES = ("text", "hex")
"""The tabs of bytes, in which one can search and choose."""

COLUMNS = {
    "decoded": ["side", "time", "frame", "protocol", "kind", "text", "size"],
    "objects": ["frame", "time", "protocol", "side", "name", "type", "claimed_type", "size", "complete", "gaps", "sha256"],
    "packets": ["frame", "time", "src_ip", "src_port", "dst_ip", "dst_port", "length", "payload", "seq", "ack", "layers"],
}  # fmt: skip
"""The tabs that are tables, and their columns."""

EMPTY = {
    "decoded": "no protocol that is understood is spoken here; text, hex and tshark show it",
    "objects": "it carried no files that were recognised",
    "packets": "no packets",
}
"""What a table without rows says."""

_TREES = 20  # packets on a page of trees


def made(case: Case, session: int, said: Transcript, view: str) -> pd.DataFrame:
    """Return the table of a tab."""
    if view == "packets":
        return case.packets_of(session)
    if view == "decoded":
        from nsm_nb.transcripts.decoding import decoded

        return decoded(said)
    from nsm_nb.case.objects import each_object
    from nsm_nb.transcripts.objects import table_of

    return table_of(each.row for each in each_object(case, [session]))


def details(row: pd.Series) -> list[dict]:
    """Return all that a row says, a line each; texts with their own line ends."""
    fields = dict(row["fields"]) if isinstance(row.get("fields"), dict) else {}
    # what the table shows already is not said again where there is more
    said = (
        {"text": row["text"], **fields}
        if fields
        else {str(name): value for name, value in row.items() if name != "fields"}
    )
    lines = []
    for name, value in said.items():
        if isinstance(value, list):
            texts = [": ".join(map(str, each)) if isinstance(each, (list, tuple)) else str(each) for each in value]
        else:
            texts = [] if value is None or (pd.api.types.is_scalar(value) and pd.isna(value)) else [str(value)]
        for number, text in enumerate(part for each in texts for part in each.split("\n")):
            lines.append(line((f"{'' if number else name:<14}", "muted"), text))
    return lines


def trees(packets: pd.DataFrame, number: int) -> tuple[pd.DataFrame, int, int]:
    """Return the packets of a page of trees, the number of that page and how many there are.

    Where any packet carries something, those that carry nothing are left to the tab of packets.
    """
    carrying = packets[packets["payload"].fillna(0) > 0]
    carrying = carrying if len(carrying) else packets
    count = max(1, -(-len(carrying) // _TREES))
    number = min(number, count)
    return carrying.iloc[(number - 1) * _TREES : number * _TREES], number, count


def tree_lines(text: str) -> list[dict]:
    """Return tshark's text as lines, the head of each layer strong; tabs stay."""
    rows = printable(text, lines=True).rstrip("\n").split("\n")
    looks = ["" if row.startswith((" ", "\t")) else "nsm-strong" for row in rows]
    return [{"style": "", "spans": [[row, look, ""]]} for row, look in zip(rows, looks, strict=True)]


def unclear(said: Transcript) -> bool:
    """Return True where most of the first bytes of both sides are no text."""
    some = b"".join(turn.read(0, 2_048) for turn in said.turns[:8])
    clear = sum(32 <= byte < 127 or byte in (9, 10, 13) for byte in some)
    return bool(some) and clear * 10 < len(some) * 7


def code(session: int | None, view: str, policy: str, search: str) -> str:
    """Return the lines of Python that give what a tab shows.

    Parameters
    ----------
    session
        Its number; None where none is shown.
    view
        A name of `VIEWS`.
    policy
        Whose bytes are shown in overlaps.
    search
        The call that finds what is searched for, such as ``search('uid=')``; empty where nothing is.

    Examples
    --------
    >>> print(code(7, "hex", "last", "search('uid=')"))
    print(case.transcript(7, policy='last').text(style='hex'))
    case.transcript(7, policy='last').search('uid=').table()
    """
    if session is None:
        return "case.transcript(session)"
    whole = f"case.transcript({session}{'' if policy == 'first' else f', policy={policy!r}'})"
    lines = {
        "text": whole, "hex": f"print({whole}.text(style='hex'))", "decoded": f"nsm.transcripts.decoded({whole})",
        "objects": f"nsm.transcripts.objects({whole})", "packets": f"case.packets_of({session})",
        # the packets that carry something, as in the tab
        "tshark": f"packets = case.packets_of({session})\n"
        f"print(case.view(packets[packets['payload'] > 0].head({_TREES}), style='tethereal'))",
    }[view]  # fmt: skip
    return f"{lines}\n{whole}.{search}.table()" if search and view in BYTES else lines
