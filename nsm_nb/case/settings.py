"""A case's settings: case.toml, read and checked."""

from __future__ import annotations

import fnmatch
import hashlib
import ipaddress
import json
import os
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

from nsm_nb.errors import CaseError
from nsm_nb.text import printable

__all__ = ["FILE", "Settings", "home", "named", "read", "write"]

FILE = "case.toml"
_BY_DEFAULT = {"idle": {}, "by_vlan": True, "argus2": False}


@dataclass(frozen=True)
class Settings:
    """What case.toml says, paths resolved against the case's directory."""

    name: str
    evidence: Path
    title: str = ""
    home_networks: tuple[str, ...] = ()
    time_zone: str = "UTC"
    rules: tuple[str, ...] = ()  # glob patterns, relative to the case's directory
    sensors: Mapping[str, str] = field(default_factory=dict)  # pattern of evidence -> sensor
    idle: Mapping[str, float] = field(default_factory=dict)  # seconds of silence that end a session, by protocol
    by_vlan: bool = True  # whether the same ends in another VLAN or VNI are another session
    argus2: bool = False  # whether states of sessions have the words of Argus 2
    database: str = ""  # the ledger's URL where it is not in the case
    columns: Mapping[str, Any] = field(default_factory=dict)  # pattern of evidence -> columns of its alerts
    recover: bool = False  # search captures behind damage, where what is found is a guess

    @property
    def assembly(self) -> dict[str, Any]:
        """What `nsm_nb.sessions.assemble` is told besides packets; nothing where all is as it is by default."""
        told = {"idle": dict(self.idle), "by_vlan": self.by_vlan, "argus2": self.argus2}
        return {name: each for name, each in told.items() if each != _BY_DEFAULT[name]}

    def sensor_of(self, label: str) -> str | None:
        """Return the sensor that an evidence came from, None where case.toml does not say."""
        return next((sensor for pattern, sensor in self.sensors.items() if fnmatch.fnmatch(label, pattern)), None)

    def columns_of(self, label: str) -> Any:
        """Return the columns that case.toml gives to the alerts of an evidence: names, a map, the name of one, or None."""
        return next((columns for pattern, columns in self.columns.items() if fnmatch.fnmatch(label, pattern)), None)


def home() -> Path:
    """Return where cases made of bare evidence folders are kept: `NSM_HOME`, else the user's data directory."""
    if os.environ.get("NSM_HOME"):
        return Path(os.environ["NSM_HOME"])
    return Path(os.environ.get("XDG_DATA_HOME") or Path.home() / ".local" / "share") / "nsm_nb"


def named(place: Path) -> str:
    """Return what a directory is called among those in `home`: its name, and digits that tell it from others of that name."""
    return f"{place.resolve().name}-{hashlib.sha256(os.fsencode(place.resolve())).hexdigest()[:12]}"


def read(folder: Path) -> Settings:
    """Return the settings of the case in `folder`.

    Raises
    ------
    CaseError
        Where case.toml can't be read or says what can't be; the sentence names the key.
    """
    place = folder / FILE
    try:
        text = place.read_text("utf-8")
        table = tomllib.loads(text)
    except FileNotFoundError:
        raise CaseError(
            f"{printable(folder)} has no {FILE}; make a case with create_case, or give its folder"
        ) from None
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError, RecursionError) as problem:
        raise CaseError(f"{printable(place)} can't be read: {printable(problem)}; mend it in an editor") from problem
    return _checked(table, folder, place)


def _checked(table: dict[str, Any], folder: Path, place: Path) -> Settings:
    kinds: dict[str, type | tuple[type, ...]] = {
        "name": str, "title": str, "home_networks": list, "time_zone": str, "evidence": str, "rules": list, "sensors": dict,
        "idle": dict, "by_vlan": bool, "argus2": bool, "database": str, "columns": dict, "recover": bool,
    }  # fmt: skip
    for key, value in table.items():
        if key not in kinds:
            raise CaseError(f"{printable(place)} has an unknown key {printable(key)!r}; it may have {', '.join(kinds)}")
        if not isinstance(value, kinds[key]):
            wanted = {str: "text", list: "a list", dict: "a table", bool: "true or false"}[kinds[key]]  # type: ignore[index]
            raise CaseError(f"{printable(place)}: {key} has to be {wanted}, not {printable(value)!r}")
        if isinstance(value, str) and "\0" in value:
            raise CaseError(f"{printable(place)}: {key} has a character that no path or name can have (U+0000)")
    for pattern in table.get("rules", []):
        if not isinstance(pattern, str) or not pattern or "\0" in pattern:
            raise CaseError(
                f"{printable(place)}: rules has {printable(pattern)!r}, which is no pattern of files such as rules/*.rules"
            )
    for network in table.get("home_networks", []):
        try:
            ipaddress.ip_network(str(network), strict=False)
        except ValueError:
            raise CaseError(
                f"{printable(place)}: home_networks has {printable(network)!r}, which is no network such as 10.0.0.0/8"
            ) from None
    zone = table.get("time_zone", "UTC")
    try:
        ZoneInfo(zone)
    except (ValueError, OSError, KeyError):  # ZoneInfoNotFoundError is a KeyError
        raise CaseError(
            f"{printable(place)}: time_zone {printable(zone)!r} is not known; UTC is, or Europe/Berlin"
        ) from None
    return Settings(
        name=table.get("name") or folder.resolve().name,
        title=table.get("title", ""),
        evidence=folder / table.get("evidence", "evidence"),
        home_networks=tuple(table.get("home_networks", ())),
        time_zone=zone,
        rules=tuple(map(str, table.get("rules", ()))),
        sensors={str(key): str(value) for key, value in table.get("sensors", {}).items()},
        idle=_idle(table.get("idle", {}), place),
        by_vlan=table.get("by_vlan", True),
        argus2=table.get("argus2", False),
        database=_database(table.get("database", ""), folder),
        columns=_columns(table.get("columns", {}), place),
        recover=table.get("recover", False),
    )


def _idle(table: dict[str, Any], place: Path) -> dict[str, float]:
    """Return seconds of silence by protocol, of numbers and of text such as ``"1h"``."""
    from nsm_nb.sessions.idle import IDLE, LONGEST

    found = {}
    for proto, said in table.items():
        seconds = _seconds(said) if proto in IDLE else None
        if seconds is None:
            raise CaseError(
                f"{printable(place)}: idle has {printable(proto)} = {printable(said)}; it may have seconds, more than 0 and "
                f'below {LONGEST:g}, or text such as "1h", for {", ".join(IDLE)}'
            )
        found[proto] = seconds
    return found


def _seconds(said: object) -> float | None:
    from nsm_nb.sessions.idle import seconds_of

    if isinstance(said, bool) or not isinstance(said, (int, float, str)):
        return None
    try:
        return seconds_of(said, "idle")
    except ValueError:
        return None


def _columns(table: dict[str, Any], place: Path) -> dict[str, Any]:
    """Return the columns of alerts by pattern of evidence, checked as the readers check them."""
    from nsm_nb.errors import UnknownFormat
    from nsm_nb.formats import alert_columns

    for pattern, columns in table.items():
        try:
            alert_columns(columns)
        except UnknownFormat as problem:
            raise CaseError(f"{printable(place)}: columns of {printable(pattern)!r}: {problem}") from None
    return dict(table)


def _database(said: str, folder: Path) -> str:
    """Return the ledger's URL; a file's path, alone or in a URL of SQLite, is taken from the case's directory."""
    if not said or said.startswith(("sqlite:///:memory:", "sqlite:///file:")):
        return said
    scheme, separator, path = said.partition(":///")
    if not separator:
        return said if "://" in said else str(folder / said)
    return f"{scheme}:///{folder / path}" if scheme.startswith("sqlite") and path else said


def write(folder: Path, *, name: str, evidence: str) -> None:
    """Write a first case.toml, with the keys that an analyst may want as comments.

    Raises
    ------
    CaseError
        Where it can't be written.
    """
    from nsm_nb.case.atomic import write_bytes

    # JSON's strings are TOML's basic strings
    text = f"""name = {json.dumps(name)}
evidence = {json.dumps(evidence)}
time_zone = "UTC"
# title = "what it is about"
# home_networks = ["10.0.0.0/8"]
# rules = ["rules/*.rules"]
# database = "postgresql+psycopg://analyst@host/ledger"
# by_vlan = false  # one session where a mirror port tags each direction with a VLAN of its own
# argus2 = true  # states in the words of Argus 2, which articles of its time show: EST, TIM
# recover = true  # search damaged captures behind the damage; what is found is a guess

# [sensors]
# "suricata/*" = "suricata"

# Columns of alerts whose files do not tell them: those of Snort's CSV, or a map for JSON (or "wazuh", "ecs").
# [columns]
# "snort/alert.csv" = ["timestamp", "msg", "src", "srcport", "dst", "dstport"]
# "other/*.json" = {{ time = "timestamp", message = "rule.description", src_ip = "data.srcip" }}

# Silence that ends a session, in seconds or as text; of tcp, udp, icmp, icmp6, other.
# [idle]
# tcp = "1h"
"""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        write_bytes(folder / FILE, text.encode())
    except OSError as problem:
        raise CaseError(
            f"{printable(folder)} can't be made a case: {printable(problem)}; choose another place"
        ) from problem
