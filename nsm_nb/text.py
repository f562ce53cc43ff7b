"""The one door for text that an attacker may have written: nothing is shown, printed or exported around it.

Evidence holds terminal escapes, bidirectional overrides, HTML, spreadsheet formulas and mathtext. `printable` makes
every such character visible; the other functions start from it.

Source: Unicode TR 36 (bidirectional and zero-width characters), ECMA-48 (C0, C1), OWASP "CSV Injection".
"""

from __future__ import annotations

import html as _html
import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd

__all__ = ["csv_cell", "csv_table", "defang", "form", "html", "label", "many", "printable"]

# C0, DEL, C1; soft hyphen; Arabic letter mark; zero width and directional marks; line and paragraph separators;
# embeddings, overrides and isolates; word joiner and invisible operators; byte order mark; interlinear annotation;
# variation selectors; lone surrogates; tag characters; private use.
_HIDDEN = (
    "\x00-\x1f\x7f-\x9f\xad\u034f\u061c\u115f\u1160\u17b4\u17b5\u180b-\u180f\u200b-\u200f\u2028-\u202f"
    "\u2060-\u206f\u3164\ufe00-\ufe0f\ufeff\uffa0\ufff0-\ufffb\ud800-\udfff\ue000-\uf8ff\U000e0000-\U000e0fff\U000f0000-\U0010ffff"
)
_ALL_HIDDEN = re.compile(f"[{_HIDDEN}]")
_KEEP_LINES = re.compile(f"(?![\n\t])[{_HIDDEN}]")
_FORMULA = tuple("=+-@\t\r\uff1d\uff0b\uff0d\uff20")


def _visible(match: re.Match[str]) -> str:
    code = ord(match.group())
    if code < 0x100:
        return {9: "\\t", 10: "\\n", 13: "\\r"}.get(code, f"\\x{code:02x}")
    return f"\\u{code:04x}" if code < 0x10000 else f"\\U{code:08x}"


def printable(value: object, *, lines: bool = False) -> str:
    r"""Return a value as text in which every invisible or active character is a visible escape.

    Parameters
    ----------
    value
        Text, bytes (read as UTF-8, other bytes as ``\xNN``) or anything with a `str`.
    lines
        Keep newlines and tabs as they are; for blocks of text.

    Notes
    -----
    *Source*: reference/hostile.md T9, T14.
    """
    raw = isinstance(value, (bytes, bytearray, memoryview))
    text = bytes(value).decode("utf-8", "backslashreplace") if raw else str(value)  # type: ignore[call-overload]
    return (_KEEP_LINES if lines else _ALL_HIDDEN).sub(_visible, text)


def html(value: object, *, lines: bool = False) -> str:
    """Return a value as HTML text: `printable`, with ``& < > " '`` escaped."""
    return _html.escape(printable(value, lines=lines), quote=True)


def csv_cell(value: object) -> object:
    """Return a cell that no spreadsheet takes for a formula: text that starts like one gets an apostrophe before it.

    Numbers, times and missing values come back as they are.

    Notes
    -----
    *Source*: OWASP "CSV Injection": ``= + - @ TAB CR`` and their full-width twins.
    """
    if not isinstance(value, (str, bytes)):
        return value
    active = isinstance(value, str) and value.lstrip(" ").startswith(_FORMULA)
    text = printable(value)
    return "'" + text if active or text.startswith(_FORMULA) else text


def csv_table(table: pd.DataFrame) -> pd.DataFrame:
    """Return a copy of a table whose text cells are safe in a terminal and in a spreadsheet; numbers are untouched."""
    import pandas as pd

    safe = {}
    for name, column in table.items():
        if isinstance(column.dtype, pd.CategoricalDtype):
            names = [csv_cell(each) for each in column.cat.categories]
            cells = pd.Series([*names, None], dtype=object).iloc[column.cat.codes.to_numpy()]
            safe[csv_cell(name)] = cells.to_numpy()
        elif column.dtype == object or isinstance(column.dtype, pd.StringDtype):
            safe[csv_cell(name)] = column.astype(object).map(csv_cell, na_action="ignore").to_numpy()
        else:
            safe[csv_cell(name)] = column.array
    return pd.DataFrame(safe, index=table.index)


def form(count: float | np.number, one: str, more: str) -> str:
    """Return the one of two wordings that agrees with a count.

    Examples
    --------
    >>> form(1, "it was", "they were"), form(0, "it was", "they were")
    ('it was', 'they were')
    """
    return one if count == 1 else more


def many(count: float | np.number, one: str, more: str | None = None) -> str:
    """Return a count with the noun, and the verb where one is given, that agrees with it.

    Examples
    --------
    >>> many(1, "frame"), many(9746, "frame"), many(0, "entry", "entries")
    ('1 frame', '9,746 frames', '0 entries')
    >>> many(1, "frame has", "frames have"), many(2, "frame has", "frames have")
    ('1 frame has', '2 frames have')
    """
    return f"{count:,} {form(count, one, f'{one}s' if more is None else more)}"


def label(value: object) -> str:
    """Return text for a matplotlib label: `printable`, with ``$`` escaped so that it is never read as mathematics."""
    return printable(value).replace("$", r"\$")


def defang(value: object) -> str:
    """Return an address, name or URL that can't be clicked: ``hxxp://evil[.]example``, ``203[.]0[.]113[.]66``.

    Notes
    -----
    *Source*: the usual notation of incident reports (IOC "defanging").
    """
    text = printable(value)
    text = re.sub(r"(?i)\bhttp(s?)://", r"hxxp\1://", text)
    text = re.sub(r"(?i)\bftp(s?)://", r"fxp\1://", text)
    return re.sub(r"(?<=[\w\]])\.(?=[\w\[])", "[.]", text).replace("@", "[@]")
