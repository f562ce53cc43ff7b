"""Bytes as text: in the charset that was named where that fits, else in one that is guessed; which one is said.

Source: WHATWG Encoding (a named ISO-8859-1 is read as windows-1252 is not done here: names are taken as they are).
"""

from __future__ import annotations

import codecs

from nsm_nb.text import printable

__all__ = ["text_of"]

_MOST_GUESSED = 32_768  # bytes that a guess is made of


def text_of(data: bytes, claimed: str = "") -> tuple[str, str]:
    """Return bytes as text, and in words which charset they were read in.

    Parameters
    ----------
    data
        The bytes.
    claimed
        The charset that was named beside them, empty where none was.
    """
    said = f"{printable(claimed[:40])} as named" if claimed else ""
    why = ""
    if claimed:
        found = _text_codec(claimed)
        if found:
            try:
                return data.decode(found), said
            except (UnicodeError, ValueError):
                why = f"; {printable(claimed[:40])}, which was named, does not fit"
        else:
            why = f"; {printable(claimed[:40])}, which was named, is not known"
    for name, mark in (
        ("utf-8-sig", codecs.BOM_UTF8),
        ("utf-16", codecs.BOM_UTF16_LE),
        ("utf-16", codecs.BOM_UTF16_BE),
    ):
        if data.startswith(mark):
            try:
                return data.decode(name), f"{name.removesuffix('-sig')} by its mark{why}"
            except UnicodeError:
                break
    try:
        return data.decode("utf-8"), ("ascii" if data.isascii() else "utf-8") + why
    except UnicodeError:
        pass
    from charset_normalizer import from_bytes

    best = from_bytes(data[:_MOST_GUESSED]).best()
    if best is not None and _text_codec(best.encoding):
        try:
            return data.decode(best.encoding, "backslashreplace"), f"{best.encoding} by guess{why}"
        except (UnicodeError, ValueError):
            pass
    return data.decode("utf-8", "backslashreplace"), f"utf-8, bytes that do not fit as escapes{why}"


def _text_codec(name: str) -> str | None:
    """Return the name of a codec from bytes to text, None for others: ``zip`` and ``hex`` are codecs too."""
    try:
        found = codecs.lookup(name.strip().strip("'\""))
    except (LookupError, ValueError):
        return None
    return found.name if found._is_text_encoding and found.name not in ("idna", "punycode", "unicode_escape") else None
