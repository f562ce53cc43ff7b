"""Alerts of other systems as JSON lines, by a map that says which field is which column: Wazuh, Elastic's Common Schema, any.

A priority must be 1 for the worst. Wazuh's levels are 15 for the worst: 12 and more become 1, 7 to 11 become 2, 4 to 6
become 3, below that 4. Elastic's severities in words become 1 (critical) to 4 (low).

Source: Wazuh's documentation, "Rules classification" and alerts.json; Elastic Common Schema 8; Elastic Security, alert schema.
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from nsm_nb.errors import DamagedEvidence, UnknownFormat, UnknownName
from nsm_nb.formats.json_lines import Fields, event_at, json_paths, read_events
from nsm_nb.formats.lines import Fingerprint, Span, as_utf8
from nsm_nb.formats.patterns import Found
from nsm_nb.formats.printed import alert_table
from nsm_nb.formats.source import read_head
from nsm_nb.formats.zeek_log import times
from nsm_nb.schema import ALERTS, Caveat
from nsm_nb.text import printable

if TYPE_CHECKING:
    import pyarrow as pa

__all__ = ["EXTENSIONS", "MAPS", "NAME", "TITLE", "alerts", "check", "detail", "recognises"]

NAME = "mapped-json"
TITLE = "alerts as JSON lines, by a map of columns (Wazuh, Elastic Common Schema)"
EXTENSIONS = (".json", ".jsonl", ".ndjson")
MAPS: dict[str, dict[str, str]] = {
    "wazuh": {
        "time": "timestamp|@timestamp", "sensor": "agent.name|manager.name", "sid": "rule.id", "message": "rule.description",
        "classification": "rule.groups", "priority": "rule.level", "proto": "data.protocol|data.proto",
        "src_ip": "data.srcip|data.src_ip|data.win.eventdata.ipAddress", "src_port": "data.srcport|data.src_port",
        "dst_ip": "data.dstip|data.dest_ip|data.dst_ip", "dst_port": "data.dstport|data.dest_port|data.dst_port",
        "action": "data.action|data.alert.action",
    },
    "ecs": {
        "time": "@timestamp|_source.@timestamp", "sensor": "observer.name|observer.hostname|host.name|agent.name",
        "sid": "suricata.eve.alert.signature_id|rule.id", "rev": "suricata.eve.alert.rev|rule.version",
        "gid": "suricata.eve.alert.gid",
        "message": 'rule.name|kibana.alert.rule.name|"rule.name"|"kibana.alert.rule.name"|message',
        "classification": 'rule.category|"rule.category"|suricata.eve.alert.category',
        "priority": 'suricata.eve.alert.severity|kibana.alert.severity|"kibana.alert.severity"|event.severity|"event.severity"',
        "proto": 'network.transport|"network.transport"', "src_ip": 'source.ip|"source.ip"|source.address',
        "src_port": 'source.port|"source.port"', "dst_ip": 'destination.ip|"destination.ip"|destination.address',
        "dst_port": 'destination.port|"destination.port"', "community_id": 'network.community_id|"network.community_id"',
        "action": 'event.action|"event.action"',
    },
}  # fmt: skip
_WORDS = {b"critical": b"1", b"high": b"2", b"medium": b"3", b"low": b"4"}
_TEXTS = ("time", "sensor", "message", "classification", "action", "proto", "src_ip", "src_port", "dst_ip", "dst_port",
          "gid", "sid", "rev", "priority", "community_id")  # fmt: skip


def _map_of(head: bytes) -> str:
    """Return the name of the map for a file's first lines, empty where none fits."""
    for line in head.removeprefix(b"\xef\xbb\xbf").split(b"\n", 16)[:16]:
        if not line.lstrip().startswith(b"{"):
            continue
        if re.search(
            rb'"rule"\s{0,4}:\s{0,4}\{"level"|"rule"\s{0,4}:\s{0,4}\{[^{}]{0,2000}"(?:level|firedtimes)"', line
        ) and (re.search(rb'"(?:agent|manager|decoder)"\s{0,4}:\s{0,4}\{', line)):
            return "wazuh"
        if re.search(rb'"@timestamp"\s{0,4}:', line) and re.search(
            rb'"(?:kibana\.alert\.rule\.name|rule\.name)"\s{0,4}:|"kind"\s{0,4}:\s{0,4}"(?:alert|signal)"'
            rb'|"event\.kind"\s{0,4}:\s{0,4}"(?:alert|signal)"',
            line,
        ):
            return "ecs"
    return ""


def recognises(head: bytes) -> bool:
    """Return True where one of the first lines is an alert of Wazuh, or of Elastic's Common Schema."""
    return bool(_map_of(head))


def alerts(
    path: str | os.PathLike,
    *,
    label: str | None = None,
    digest: str | None = None,
    span: Span | None = None,
    columns: Mapping[str, str] | str | None = None,
) -> pd.DataFrame:
    """Read alerts from JSON lines by a map of columns: one row of ALERTS for each object that has a message or a signature.

    Parameters
    ----------
    path, label, digest, span
        As `eve.alerts`.
    columns
        Column of ALERTS -> path of the field, such as ``{"message": "rule.description"}``. Keys have dots between them; a key
        that holds a dot stands in quotes; ``a|b`` is the first that is there. Or the name of a map of our own, ``wazuh`` or
        ``ecs``; the one that fits where not given.

    Raises
    ------
    UnknownFormat
        Where the map has other columns or paths that are none, or none is given and none fits.
    UnreadableEvidence, DamagedEvidence
        As `eve.alerts`.
    """
    import pyarrow as pa
    import pyarrow.compute as pc

    label = os.fspath(path) if label is None else label
    name, paths = _chosen(path, columns)
    wanted = {f"f_{column}": path_ for column, path_ in paths.items()}
    key = "|".join(paths[each] for each in ("message", "sid") if each in paths) or paths["time"]
    with Fingerprint(path, digest) as fingerprint:
        try:
            rows, caveats = read_events(path, label, Fields(wanted, {}, {}), key=key, span=span)
        except DamagedEvidence as problem:
            raise DamagedEvidence(str(problem), ALERTS.empty()) from None
    empty = pa.scalar(b"", pa.binary())
    fields = {column: pc.fill_null(rows[f"f_{column}"].cast(pa.binary()), empty) for column in paths}
    time = times(fields.pop("time"))
    if "classification" in fields:
        fields["classification"] = _changed(fields["classification"], _first)
    if "priority" in fields:
        fields["priority"] = _changed(fields["priority"], _of_level if name == "wazuh" else _of_word)
        if name == "wazuh" and rows.num_rows:
            said = (
                f"{printable(label)}: priorities are made of Wazuh's levels: 12 and more are 1, 7 to 11 are 2, 4 to 6 are 3, "
                "below that 4"
            )
            caveats.append(Caveat(label, None, None, "priority", said))
    for side in ("src", "dst"):
        if f"{side}_ip" in fields:
            fields[side] = _changed(fields.pop(f"{side}_ip"), _first)
    fields = {column: each for column, each in fields.items() if column != "community_id"}
    record, start = (rows[each].to_numpy().astype(np.int64) for each in ("record", "byte"))
    table = alert_table(
        Found(pa.table(fields), record, start, caveats),
        path=path, label=label, digest=fingerprint.digits(), source=NAME, time=time,
    )  # fmt: skip
    if "community_id" in paths:
        told = rows["f_community_id"].to_pylist()
        table["community_id"] = pd.Series([each or None for each in told], dtype="str")
    return table


def detail(path: str | os.PathLike, record: int, **_: object) -> dict[str, Any]:
    """Return one alert as its system wrote it, all of it; parameters and errors as `eve.detail`."""
    return event_at(path, record)


def check(columns: Any) -> None:
    """Raise `UnknownFormat` where columns are no map."""
    _checked(columns)


def _chosen(path: str | os.PathLike, columns: Mapping[str, str] | str | None) -> tuple[str, Mapping[str, str]]:
    if columns is None:
        columns = _map_of(as_utf8(read_head(path)))
        if not columns:
            raise UnknownFormat(
                f"{printable(path)} fits no map of columns; give one, such as "
                'columns={"time": "timestamp", "message": "rule.name", "src_ip": "source.ip"}'
            )
    return _checked(columns)


def _checked(columns: Any) -> tuple[str, Mapping[str, str]]:
    if isinstance(columns, str):
        if columns not in MAPS:
            known = ", ".join(MAPS)
            raise UnknownFormat(
                f"there is no map {printable(columns)!r} of columns; there are {known}, or give your own"
            )
        return columns, MAPS[columns]
    if not isinstance(columns, Mapping):
        raise UnknownFormat("columns of alerts are a list of names, a map from columns to fields, or the name of one")
    odd = [each for each in columns if each not in _TEXTS]
    if odd or "time" not in columns:
        raise UnknownFormat(
            f"a map of columns must have time, and may have {', '.join(_TEXTS[1:])}"
            + (f"; {printable(odd[0])!r} is none of them" if odd else "")
        )
    for each in columns.values():
        try:
            json_paths(str(each))
        except UnknownName as problem:
            raise UnknownFormat(str(problem)) from None
    return "", {column: str(each) for column, each in columns.items()}


def _changed(column: pa.ChunkedArray, change: Callable[[bytes], bytes]) -> pa.ChunkedArray:
    """Return texts changed, each distinct one once."""
    import pyarrow as pa

    coded = pa.chunked_array(column) if isinstance(column, list) else column
    coded = coded.combine_chunks() if isinstance(coded, pa.ChunkedArray) else coded
    coded = coded.dictionary_encode()
    if isinstance(coded, pa.ChunkedArray):
        coded = coded.combine_chunks()
    texts = pa.array([change(each) for each in coded.dictionary.to_pylist()], pa.binary())
    return pa.chunked_array([texts.take(coded.indices)])


def _first(text: bytes) -> bytes:
    """Return the first of a list that stands there as JSON."""
    found = re.match(rb'\[\s*"((?:[^"\\]|\\.)*)"', text)
    return found[1] if found else b"" if text == b"[]" else text


def _of_level(text: bytes) -> bytes:
    if not text.isdigit() or len(text) > 3:
        return b""
    level = int(text)
    return b"1" if level >= 12 else b"2" if level >= 7 else b"3" if level >= 4 else b"4"


def _of_word(text: bytes) -> bytes:
    return _WORDS.get(text.lower(), text)
