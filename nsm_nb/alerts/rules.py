"""Rules of Snort and Suricata: what raised an alert, with file and line.

Source: Snort users' manual 3 (rules), Snort 3 user manual (rules over several lines), Suricata user guide, "Rules format".
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Iterator
from pathlib import Path

import pandas as pd

from nsm_nb.schema import Caveat, with_caveats
from nsm_nb.text import many, printable

__all__ = ["COLUMNS", "options", "rules"]

COLUMNS = {
    "gid": "Int64",
    "sid": "Int64",
    "rev": "Int64",
    "message": "str",
    "classtype": "str",
    "text": "str",
    "file": "str",
    "line": "Int64",
    "references": "object",
}
_ACTIONS = frozenset(
    {
        "alert", "log", "pass", "activate", "dynamic", "drop", "reject", "rejectsrc", "rejectdst", "rejectboth", "sdrop",
        "block", "rewrite", "react",
    }
)  # fmt: skip
_LARGEST = 64 << 20  # bytes of one rule file that are read
_MOST_LINES = 1000  # of one rule
_MOST_TOLD = 20  # faulty rules of a file that are told one by one
# name: value; - where a value may hold anything within quotes, and escaped characters outside
_OPTION = re.compile(r'\s*([\w.]+)\s*(?::((?:[^;"\\]|\\.|"(?:[^"\\]|\\.)*")*))?;')


def rules(paths: Iterable[str | os.PathLike]) -> pd.DataFrame:
    """Return the rules of the files, a row a rule: gid, sid, rev, message, classtype, text, file, line, references.

    A rule that can't be understood, and a file that can't be read, is a caveat; the others are read all the same. Rules
    that are commented out are left out.

    Parameters
    ----------
    paths
        Rule files.

    Returns
    -------
    DataFrame
        In the order of the files and their lines. `text` is the rule on one line; `references` the list of what stands
        after ``reference:``, such as ``cve,2003-0352``.
    """
    rows, caveats = [], []
    for path in map(Path, paths):
        found, noted = _read(path)
        rows += found
        caveats += noted
    table = pd.DataFrame(rows, columns=list(COLUMNS)).astype(COLUMNS)
    return with_caveats(table, caveats)


def _read(path: Path) -> tuple[list[tuple], list[Caveat]]:
    name = printable(path)
    try:
        with path.open("rb") as file:
            data = file.read(_LARGEST + 1)
    except OSError as problem:
        said = f"{name} can't be read: {printable(problem.strerror or problem)}"
        return [], [Caveat(str(path), None, None, "rules", said)]
    rows, caveats, faults = [], [], 0
    text = data[:_LARGEST].decode("utf-8", "backslashreplace").removeprefix("\ufeff")
    for number, rule in _rule_lines(text):
        row = _row(rule, str(path), number)
        if isinstance(row, tuple):
            rows.append(row)
            continue
        faults += 1
        if faults <= _MOST_TOLD:
            said = f"{name} line {number:,}: {row}; the rule was left out"
            caveats.append(Caveat(str(path), number, None, "rules", said))
    if faults > _MOST_TOLD:
        said = f"{name}: and {many(faults - _MOST_TOLD, 'more faulty rule')}; {faults:,} in all were left out"
        caveats.append(Caveat(str(path), None, None, "rules", said))
    if len(data) > _LARGEST:
        said = f"{name} is larger than {_LARGEST:,} bytes; the rest was not read"
        caveats.append(Caveat(str(path), None, _LARGEST, "rules", said))
    return rows, caveats


def _rule_lines(text: str) -> Iterator[tuple[int, str]]:
    """Yield each rule on one line, and the number of its first line.

    A backslash at the end of a line joins the next; so does, as in Snort 3, a parenthesis that is not closed yet, up to
    a line that starts a rule itself.
    """
    held: list[str] = []
    start = 0
    joined = False
    for number, raw in enumerate(text.split("\n"), 1):
        line = raw.strip()
        if held and not joined and (_starts(line) or len(held) >= _MOST_LINES):
            yield start, " ".join(held)
            held = []
        if not held:
            if not _starts(line):
                joined = False
                continue
            start = number
        elif line.startswith("#"):
            continue
        joined = line.endswith("\\")
        held.append(line[:-1].rstrip() if joined else line)
        if not joined and line.endswith(")"):
            yield start, " ".join(part for part in held if part)
            held = []
    if held:
        yield start, " ".join(held)


def _starts(line: str) -> bool:
    return line.partition(" ")[0].partition("\t")[0].partition("(")[0] in _ACTIONS


def options(rule: str) -> tuple[list[tuple[str, str]], int]:
    """Return the options of a rule in their order, names in lower case, and the place behind the last one."""
    found = []
    at = rule.find("(") + 1
    while at and (match := _OPTION.match(rule, at)):
        found.append((match[1].lower(), (match[2] or "").strip()))
        at = match.end()
    return found, at


def _row(rule: str, file: str, number: int) -> tuple | str:
    """Return the columns of a rule, or what is the matter with it."""
    listed, at = options(rule)
    if not at:
        return "it has no options in parentheses"
    if rule[at:].strip() != ")":
        return f"its options can't be read from {printable(rule[at : at + 30].strip())!r} on"
    found: dict[str, list[str]] = {}
    for name, value in listed:
        found.setdefault(name, []).append(value)
    sid = _number(found, "sid")
    if sid is None:
        return "it has no sid"
    gid = _number(found, "gid")
    message, classtype = (_unquoted(found[each][0]) if each in found else None for each in ("msg", "classtype"))
    references = [_unquoted(each) for each in found.get("reference", [])]
    return (1 if gid is None else gid, sid, _number(found, "rev"), message, classtype, rule, file, number, references)


def _number(found: dict[str, list[str]], name: str) -> int | None:
    text = found.get(name, [""])[0]
    return int(text) if text.isascii() and text.isdigit() and len(text) < 16 else None


def _unquoted(value: str) -> str:
    value = value[1:-1] if len(value) > 1 and value[0] == value[-1] == '"' else value
    return re.sub(r'\\([";:\\])', r"\1", value)
