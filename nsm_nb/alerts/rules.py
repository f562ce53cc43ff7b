"""Rules of Snort and Suricata: what raised an alert, with file and line.

Source: Snort users' manual 3 (rules), Suricata user guide, "Rules format".
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Iterator
from pathlib import Path

import pandas as pd

from nsm_nb.schema import Caveat, with_caveats
from nsm_nb.text import printable

__all__ = ["COLUMNS", "rules"]

COLUMNS = ("gid", "sid", "rev", "message", "classtype", "text", "file", "line", "references")
_ACTIONS = (
    "alert",
    "log",
    "pass",
    "activate",
    "dynamic",
    "drop",
    "reject",
    "rejectsrc",
    "rejectdst",
    "rejectboth",
    "sdrop",
    "block",
    "rewrite",
)
_LARGEST = 64 << 20  # bytes of one rule file that are read


def rules(paths: Iterable[str | os.PathLike]) -> pd.DataFrame:
    """Return the rules of the files, a row a rule: gid, sid, rev, message, classtype, text, file, line, references.

    A rule that has no sid, and a file that can't be read, is a caveat; the others are read all the same. Rules that are
    commented out are left out.

    Parameters
    ----------
    paths
        Rule files.
    """
    rows, caveats = [], []
    for path in map(Path, paths):
        name = printable(path)
        try:
            with path.open("rb") as file:
                data = file.read(_LARGEST + 1)
        except OSError as problem:
            caveats.append(
                Caveat(name, None, None, "rules", f"{name} can't be read: {printable(problem.strerror or problem)}")
            )
            continue
        if len(data) > _LARGEST:
            caveats.append(
                Caveat(name, None, None, "rules", f"{name} is larger than {_LARGEST:,} bytes; the rest was not read")
            )
        for number, text in _logical_lines(data[:_LARGEST].decode("utf-8", "backslashreplace")):
            if text.partition(" ")[0] not in _ACTIONS:
                continue
            options = _options(text)
            sid = options.get("sid", [""])[0]
            if not sid.isdigit():
                caveats.append(
                    Caveat(name, number, None, "rules", f"{name} line {number}: a rule without a sid; it was left out")
                )
                continue
            gid, rev = options.get("gid", ["1"])[0], options.get("rev", [""])[0]
            rows.append(
                (
                    int(gid) if gid.isdigit() else 1, int(sid), int(rev) if rev.isdigit() else None,
                    _unquoted(options.get("msg", [""])[0]), options.get("classtype", [None])[0], text, str(path), number,
                    options.get("reference", []),
                )
            )  # fmt: skip
    table = pd.DataFrame(rows, columns=list(COLUMNS))
    table = table.astype({"gid": "Int64", "sid": "Int64", "rev": "Int64", "line": "Int64", "message": "str", "classtype": "str",
                          "text": "str", "file": "str"})  # fmt: skip
    return with_caveats(table, caveats)


def _logical_lines(text: str) -> Iterator[tuple[int, str]]:
    """Yield the number and text of each line that is no comment; a backslash at its end joins the next."""
    held, start = "", 0
    for number, line in enumerate(text.splitlines(), 1):
        if not held:
            start = number
        held += line.strip()
        if held.endswith("\\"):
            held = held[:-1].rstrip() + " "
            continue
        if held and not held.startswith("#"):
            yield start, held
        held = ""
    if held and not held.startswith("#"):
        yield start, held


_OPTION = re.compile(r'\s*([\w.]+)\s*(?::((?:[^;"\\]|\\.|"(?:[^"\\]|\\.)*")*))?;')


def _options(text: str) -> dict[str, list[str]]:
    """Return what stands in a rule's parentheses: each option with its values in order."""
    start = text.find("(")
    found: dict[str, list[str]] = {}
    at = start + 1
    while start >= 0 and (match := _OPTION.match(text, at)):
        found.setdefault(match[1].lower(), []).append((match[2] or "").strip())
        at = match.end()
    return found


def _unquoted(value: str) -> str:
    value = value[1:-1] if len(value) > 1 and value[0] == value[-1] == '"' else value
    return re.sub(r"\\(.)", r"\1", value)
