"""The maps that lie beside a sensor's rules: messages of signatures, classes, systems of references.

They give words to alerts that came without: unified2 has numbers only, Snort's CSV no class.

Source: Snort 2.9 manual 2.7 (sid-msg.map, gen-msg.map), barnyard2's sid-msg.map of version 2, Snort's classification.config
and reference.config, which Suricata has in the same form.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterable
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pandas as pd

from nsm_nb.schema import Caveat, with_caveats
from nsm_nb.text import many, printable

__all__ = ["CLASSES", "Maps", "is_map", "maps", "named"]

# Snort's own classification.config as it came with 2.9, which Suricata's begins with: a class in unified2 is its place here.
CLASSES = (
    ("not-suspicious", "Not Suspicious Traffic", 3), ("unknown", "Unknown Traffic", 3),
    ("bad-unknown", "Potentially Bad Traffic", 2), ("attempted-recon", "Attempted Information Leak", 2),
    ("successful-recon-limited", "Information Leak", 2), ("successful-recon-largescale", "Large Scale Information Leak", 2),
    ("attempted-dos", "Attempted Denial of Service", 2), ("successful-dos", "Denial of Service", 2),
    ("attempted-user", "Attempted User Privilege Gain", 1), ("unsuccessful-user", "Unsuccessful User Privilege Gain", 1),
    ("successful-user", "Successful User Privilege Gain", 1), ("attempted-admin", "Attempted Administrator Privilege Gain", 1),
    ("successful-admin", "Successful Administrator Privilege Gain", 1), ("rpc-portmap-decode", "Decode of an RPC Query", 2),
    ("shellcode-detect", "Executable code was detected", 1), ("string-detect", "A suspicious string was detected", 3),
    ("suspicious-filename-detect", "A suspicious filename was detected", 2),
    ("suspicious-login", "An attempted login using a suspicious username was detected", 2),
    ("system-call-detect", "A system call was detected", 2), ("tcp-connection", "A TCP connection was detected", 4),
    ("trojan-activity", "A Network Trojan was detected", 1),
    ("unusual-client-port-connection", "A client was using an unusual port", 2),
    ("network-scan", "Detection of a Network Scan", 3), ("denial-of-service", "Detection of a Denial of Service Attack", 2),
    ("non-standard-protocol", "Detection of a non-standard protocol or event", 2),
    ("protocol-command-decode", "Generic Protocol Command Decode", 3),
    ("web-application-activity", "access to a potentially vulnerable web application", 2),
    ("web-application-attack", "Web Application Attack", 1), ("misc-activity", "Misc activity", 3),
    ("misc-attack", "Misc Attack", 2), ("icmp-event", "Generic ICMP event", 3),
    ("inappropriate-content", "Inappropriate Content was Detected", 1),
    ("policy-violation", "Potential Corporate Privacy Violation", 1),
    ("default-login-attempt", "Attempt to login by a default username and password", 2),
    ("sdf", "Sensitive Data was Transmitted Across the Network", 2),
    ("file-format", "Known malicious file or file based exploit", 1),
    ("malware-cnc", "Known malware command and control traffic", 1),
    ("client-side-exploit", "Known client side exploit attempt", 1),
)  # fmt: skip
_LARGEST = 64 << 20  # bytes of one map that are read
_MOST_TOLD = 20
_CLASS = re.compile(r"config classification:\s*([^,]{1,200}),([^,]{0,500}),\s*(\d{1,6})\s*$")
_REFERENCE = re.compile(r"config reference:\s*(\S{1,100})\s+(\S{1,500})\s*$")
_NUMBERED = re.compile(r"class (\d{1,9})")
_MESSAGES = {"gid": "Int64", "sid": "Int64", "rev": "Int64", "message": "str", "class_name": "str", "priority": "Int64",
             "references": "object", "file": "str", "line": "Int64"}  # fmt: skip
_CLASS_COLUMNS = {
    "number": "Int64",
    "name": "str",
    "classification": "str",
    "priority": "Int64",
    "file": "str",
    "line": "Int64",
}


class Maps(NamedTuple):
    """What the maps say.

    `messages` has gid, sid, rev, message, class_name, priority, references, file, line; `classes` number (in unified2), name
    (in rules), classification, priority, file, line; `references` is the start of a link for each system of references.
    """

    messages: pd.DataFrame
    classes: pd.DataFrame
    references: dict[str, str]


def is_map(path: str | os.PathLike) -> bool:
    """Return True where a file is named as one of the maps."""
    return _kind(Path(path)) != ""


def _kind(path: Path) -> str:
    name = path.name.lower()
    if "sid-msg" in name and name.endswith(".map"):
        return "sid"
    if "gen-msg" in name and name.endswith(".map"):
        return "gen"
    if name.startswith("classification") and name.endswith((".config", ".conf")):
        return "class"
    if name.startswith("reference") and name.endswith((".config", ".conf")):
        return "reference"
    return ""


def maps(paths: Iterable[str | os.PathLike]) -> Maps:
    """Return what the maps among some files say, each known by its name: ``sid-msg.map``, ``gen-msg.map``,
    ``classification.config``, ``reference.config``.

    A line that can't be understood, and a file that can't be read, is a caveat of the table `messages`.

    Parameters
    ----------
    paths
        Files; those that are no maps are passed over.
    """  # noqa: D205
    messages: list[tuple] = []
    classes: list[tuple] = []
    references: dict[str, str] = {}
    caveats: list[Caveat] = []
    for path in map(Path, paths):
        kind = _kind(path)
        if not kind:
            continue
        bad = 0
        for number, line in _lines(path, caveats):
            row = _read_line(kind, line, len(classes) + 1)
            if row is None:
                bad += 1
                if bad <= _MOST_TOLD:
                    said = f"{printable(path)} line {number:,} can't be understood and was left out: {printable(line[:60])!r}"
                    caveats.append(Caveat(str(path), number, None, "rules", said))
            elif kind == "class":
                classes.append((*row, str(path), number))
            elif kind == "reference":
                references.setdefault(row[0], row[1])
            else:
                messages.append((*row, str(path), number))
        if bad > _MOST_TOLD:
            said = f"{printable(path)}: and {many(bad - _MOST_TOLD, 'more such line')}; {bad:,} in all were left out"
            caveats.append(Caveat(str(path), None, None, "rules", said))
    return Maps(
        with_caveats(pd.DataFrame(messages, columns=list(_MESSAGES)).astype(_MESSAGES), caveats),
        pd.DataFrame(classes, columns=list(_CLASS_COLUMNS)).astype(_CLASS_COLUMNS),
        references,
    )


def named(alerts: pd.DataFrame, maps: Maps | None = None, rules: pd.DataFrame | None = None) -> pd.DataFrame:
    """Return alerts with the messages, classes and priorities that they lack, from the maps and rules of the sensor.

    Nothing that a sensor wrote is changed, but ``class 29``, as unified2 numbers classes, becomes words. A message comes
    from the rule of the same gid and sid, else from sid-msg.map and gen-msg.map; a class from classification.config, by
    number or by the rule's name for it, else from Snort's own, and a caveat says so.

    Parameters
    ----------
    alerts
        A table of ALERTS.
    maps
        What the maps say.
    rules
        What `nsm_nb.alerts.rules` gives.
    """
    number = alerts["classification"].astype("str").str.fullmatch(_NUMBERED.pattern).fillna(False).to_numpy(bool)
    unsaid = alerts["message"].isna().to_numpy() | alerts["classification"].isna().to_numpy() | number
    unsaid |= alerts["priority"].isna().to_numpy()
    rows = np.flatnonzero(unsaid & alerts["sid"].notna().to_numpy())
    if not len(rows):
        return alerts
    some = alerts.iloc[rows]
    known = _known(maps, rules)
    by_signature = known.set_index(["gid", "sid"])
    keys = pd.MultiIndex.from_arrays([some["gid"].fillna(1).to_numpy(np.int64), some["sid"].to_numpy(np.int64)])
    found = by_signature.reindex(keys).reset_index(drop=True)
    classes, own = _classes(maps)
    by_name = classes.drop_duplicates("name").set_index("name")
    by_number = classes.drop_duplicates("number").set_index("number")
    text = some["classification"].astype("str").reset_index(drop=True)
    numbers = pd.to_numeric(text.str.extract(rf"^{_NUMBERED.pattern}$", expand=False), errors="coerce")
    by_rule = found["class_name"].map(by_name["classification"])
    by_place = numbers.map(by_number["classification"])
    # a file that is at hand knows the numbers; else the rule is surer than the order in Snort's own
    words = by_rule.fillna(by_place) if own else by_place.fillna(by_rule)
    classification = text.where(~number[rows] & text.notna().to_numpy(), words.astype("str")).fillna(text)
    priority = some["priority"].reset_index(drop=True).astype("Int64")
    priority = priority.fillna(found["priority"].astype("Int64"))
    priority = priority.fillna(found["class_name"].map(by_name["priority"]).astype("Int64"))
    message = some["message"].reset_index(drop=True).fillna(found["message"])

    result = alerts.copy(deep=False)
    result.attrs = dict(alerts.attrs)
    whole = alerts["classification"].astype("str").to_numpy(object).copy()
    whole[rows] = classification.to_numpy(object)
    result["classification"] = pd.Series(pd.array(whole, dtype="str"), index=alerts.index).astype("category")
    for name, values in (("message", message), ("priority", priority)):
        column = alerts[name].copy()
        column.iloc[rows] = values.to_numpy() if name == "message" else values.array
        result[name] = column
    if own and (by_rule.isna() & by_place.notna() & pd.Series(number[rows])).any():
        said = (
            "classes of unified2 are numbers; no classification.config is at hand, so they were named by the order in Snort's "
            "own: put the sensor's beside its rules"
        )
        return with_caveats(result, [Caveat(str(some["evidence"].iloc[0]), None, None, "rules", said)])
    return result


def _known(maps: Maps | None, rules: pd.DataFrame | None) -> pd.DataFrame:
    """Return what is known of signatures, a row each, the surest first: rules, then maps."""
    columns = ["gid", "sid", "message", "class_name", "priority"]
    parts = []
    if rules is not None and len(rules):
        part = rules.rename(columns={"classtype": "class_name"}).assign(priority=pd.NA)
        stated = rules["text"].astype("str").str.extract(r"[;(]\s*priority:\s*(\d{1,6})\s*;", expand=False)
        part["priority"] = pd.to_numeric(stated, errors="coerce").astype("Int64")
        parts.append(part[columns])
    if maps is not None and len(maps.messages):
        parts.append(maps.messages[columns])
    if not parts:
        return pd.DataFrame({name: pd.Series(dtype=_MESSAGES[name]) for name in columns})
    table = pd.concat(parts, ignore_index=True).astype({name: _MESSAGES[name] for name in columns})
    return table.groupby(["gid", "sid"], as_index=False, sort=False).first()


def _classes(maps: Maps | None) -> tuple[pd.DataFrame, bool]:
    """Return the classes, and whether they are Snort's own."""
    if maps is not None and len(maps.classes):
        return maps.classes, False
    rows = [(place, *each, "", 0) for place, each in enumerate(CLASSES, 1)]
    return pd.DataFrame(rows, columns=list(_CLASS_COLUMNS)).astype(_CLASS_COLUMNS), True


def _lines(path: Path, caveats: list[Caveat]) -> Iterable[tuple[int, str]]:
    """Return the lines of a map that say something, with their numbers."""
    try:
        with path.open("rb") as file:
            data = file.read(_LARGEST + 1)
    except OSError as problem:
        said = f"{printable(path)} can't be read: {printable(problem.strerror or problem)}"
        caveats.append(Caveat(str(path), None, None, "rules", said))
        return []
    if len(data) > _LARGEST:
        said = f"{printable(path)} is larger than {_LARGEST:,} bytes; the rest was not read"
        caveats.append(Caveat(str(path), None, _LARGEST, "rules", said))
    text = data[:_LARGEST].decode("utf-8", "backslashreplace").removeprefix("\ufeff")
    lines = enumerate((line.strip() for line in text.split("\n")), 1)
    return [(number, line) for number, line in lines if line and not line.startswith("#")]


def _read_line(kind: str, line: str, place: int) -> tuple | None:
    """Return what a line says, None where it can't be understood."""
    if kind == "class":
        found = _CLASS.match(line)
        return None if found is None else (place, found[1].strip(), found[2].strip(), int(found[3]))
    if kind == "reference":
        found = _REFERENCE.match(line)
        return None if found is None else (found[1].lower(), found[2])
    parts = [part.strip() for part in line.split("||")]
    if kind == "gen":  # gid || sid || message
        if len(parts) < 3 or not _whole(*parts[:2]):
            return None
        return int(parts[0]), int(parts[1]), None, parts[2], None, None, []
    # version 2: gid || sid || rev || class || priority || message || references; version 1: sid || message || references
    if len(parts) >= 6 and _whole(*parts[:3]) and (parts[4].isdigit() or not parts[4]):
        return (
            int(parts[0]), int(parts[1]), int(parts[2]), parts[5], parts[3] if parts[3] != "NOCLASS" else None,
            int(parts[4]) if parts[4] not in ("", "0") else None, parts[6:],
        )  # fmt: skip
    if len(parts) >= 2 and _whole(parts[0]):
        return 1, int(parts[0]), None, parts[1], None, None, parts[2:]
    return None


def _whole(*texts: str) -> bool:
    return all(text.isascii() and text.isdigit() and len(text) < 16 for text in texts)
