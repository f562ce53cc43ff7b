"""A packet's header fields in aligned rows, as Sguil's packet pane shows them. A pure function."""

from __future__ import annotations

from collections.abc import Sequence

from nsm_nb.widgets.lines import line

__all__ = ["header_rows"]


def header_rows(headers: Sequence[tuple[str, Sequence[tuple[str, str]]]], *, to_dst: bool | None = None) -> list[dict]:
    """Return header fields as rows: the name of the header beside those of its fields, their values under them.

    Parameters
    ----------
    headers
        What `full_content.fields` gives.
    to_dst
        True where the packet goes from the session's src to its dst: addresses have the colour of their side.
    """
    room = max((len(title) for title, _ in headers), default=0) + 2
    lines = []
    for title, row in headers:
        widths = [max(len(name), len(value)) + 2 for name, value in row]
        values: list = [" " * room]
        for (name, value), width in zip(row, widths, strict=True):
            side = {"Source IP": "src", "Dest IP": "dst"}.get(name) if title.startswith("IP") else None
            if side and to_dst is False:
                side = "dst" if side == "src" else "src"
            values.append((f"{value:<{width}}", f"{side} strong" if side and to_dst is not None else ""))
        names = "".join(f"{name:<{width}}" for (name, _), width in zip(row, widths, strict=True))
        lines += [line((f"{title:<{room}}", "strong"), (names, "muted")), line(*values)]
    return lines or [line(("no header of IP or ARP in this frame; its bytes are below", "muted"))]
