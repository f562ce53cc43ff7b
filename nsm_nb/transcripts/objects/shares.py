"""Files that were read from or written to a share: by SMB2 from its messages, by SMB1 as tshark puts them together."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from nsm_nb.text import form, many
from nsm_nb.transcripts.decoding import smb1, smb2
from nsm_nb.transcripts.decoding.records import Talk
from nsm_nb.transcripts.decoding.smb2 import Opened, Part
from nsm_nb.transcripts.objects.found import Object

__all__ = ["carried", "carried_by_smb1"]


def carried(talk: Talk) -> Iterator[Object]:
    """Yield the files of SMB2, one for each file and direction: what several opens of it read is put together."""
    groups: dict[tuple[str, str, bool], list[Opened]] = {}
    for opened in smb2.files(talk):
        for written, held in ((False, opened.read), (True, opened.written)):
            if held and not opened.pipe:
                groups.setdefault((opened.share, opened.name, written), []).append(opened)
    for (share, name, written), several in groups.items():
        yield _joined(share, name, several, written=written)


def _joined(share: str, name: str, several: Sequence[Opened], *, written: bool) -> Object:
    held = [part for each in several for part in (each.written if written else each.read)]
    data, missing, reach = _laid(held)
    size = max((each.size or 0 for each in several), default=0)
    if not written:
        missing += max(size - reach, 0)
    notes = ["written to the share" if written else "read from the share"]
    if len(several) > 1:
        notes.append(f"opened {len(several):,} times")
    if missing:
        were, are = many(missing, "byte of it was", "bytes of it were"), form(missing, "is", "are")
        notes.append(f"{were} not {'written' if written else 'read'} here, or {are} not in the evidence")
    first = min(held, key=lambda each: each.start)
    place = first.stream.place(min(first.start, max(len(first.stream.data) - 1, 0)))
    last = max(held, key=lambda each: each.end)
    return Object(
        "smb", first.stream.side, place.time, place.frame, last.stream.place(max(last.end - 1, 0)).frame,
        name.rpartition("\\")[2], f"{share}\\{name}", "", data, not missing, missing, ", ".join(notes),
    )  # fmt: skip


def _laid(parts: Sequence[Part]) -> tuple[bytes, int, int]:
    """Return parts of a file in its order, the bytes missing between them, and where they end; the first version stands."""
    taken: list[tuple[int, bytes]] = []
    at = missing = 0
    for part in sorted(parts, key=lambda each: each.offset):
        end = part.offset + part.end - part.start
        if end <= at:
            continue
        if part.offset > at:
            missing += part.offset - at
            at = part.offset
        taken.append((at, part.stream.data[part.start + at - part.offset : part.end]))
        at = end
    return b"".join(each for _, each in taken), missing, at


def carried_by_smb1(talk: Talk) -> Iterator[Object]:
    """Yield the files of SMB1.

    Raises
    ------
    MissingTool, NsmError
        Where tshark is not installed or fails.
    """
    found, note = smb1.objects(talk)
    stream = talk.dst if talk.dst.data else talk.src
    first, last = stream.place(0), stream.place(max(len(stream.data) - 1, 0))
    for each in found:
        notes = ["put together by tshark, which does not say whether all of it is there", *([note] if note else [])]
        name = each.name.replace("%5c", "\\").replace("%5C", "\\")
        yield Object(
            "smb", "", first.time, first.frame, last.frame, name.rpartition("\\")[2], name, "", each.data, None, None,
            ", ".join(notes),
        )  # fmt: skip
