"""Alerts to hand on: as text the way Sguil wrote them, as CSV, JSON lines, or the draft of a mail. Nothing is sent.

With a `Cloak` every form is sanitised: payload, checksums (they tell about addresses), Community IDs (anybody can try them
out) and the names of files are left out, sensors and addresses become words, and messages are gone through.

*Source*: reference/seed-systems.md 11.11 and 11.12 (Sguil's reports and mails); reference/hostile.md T9, T10, T20.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterable, Sequence
from email.headerregistry import Address
from email.message import EmailMessage
from email.policy import SMTP
from typing import Any, NamedTuple

import pandas as pd

from nsm_nb.errors import NsmError
from nsm_nb.full_content import fields
from nsm_nb.schema import ALERTS
from nsm_nb.text import csv_table, many, printable
from nsm_nb.triage.cloak import Cloak

__all__ = ["Content", "as_csv", "as_json_lines", "as_mail", "as_text", "sanitised"]

_RULE = "-" * 72
_KEPT = (
    "alert", "count", "time", "sensor", "gid", "sid", "rev", "message", "classification", "priority", "action", "proto", "src_ip",
    "src_port", "dst_ip", "dst_port", "category", "source",
)  # fmt: skip
_LETTERS = (
    ("R1", "1"),
    ("R0", "2"),
    ("URG", "U"),
    ("ACK", "A"),
    ("PSH", "P"),
    ("RST", "R"),
    ("SYN", "S"),
    ("FIN", "F"),
)
_HEAD = """\
An intrusion detection system saw what follows. All times are UTC.
"""
_TAIL = """\
Please look into it, and answer to this address what you find.
"""


class Content(NamedTuple):
    """The packet of an alert: its frame, the LINKTYPE_ of that, and its payload."""

    frame: bytes
    link: int
    payload: bytes


def sanitised(alerts: pd.DataFrame, cloak: Cloak) -> pd.DataFrame:
    """Return the columns of alerts that may be handed on, with addresses and names as words; text is gone through."""
    columns: dict[str, Any] = {}
    for name in _KEPT:
        if name not in alerts:
            continue
        values = alerts[name]
        if name.endswith("_ip"):
            columns[name] = _each(values, cloak.address)
        elif name == "sensor":
            columns[name] = _each(values, lambda text: cloak.name(text, "sensor"))
        elif name in ("message", "classification", "action"):
            columns[name] = _each(values, cloak.text)
        else:
            columns[name] = values
    return pd.DataFrame(columns, index=alerts.index)


def _each(values: pd.Series, change: Callable[[object], str]) -> pd.Series:
    codes, distinct = pd.factorize(values.astype("str"))
    changed = pd.array([change(each) for each in distinct] + [None], dtype="str")
    return pd.Series(changed.take(codes), index=values.index)


def as_text(
    alerts: pd.DataFrame,
    *,
    detail: bool = True,
    content: Callable[[str], Content | None] | None = None,
    cloak: Cloak | None = None,
) -> str:
    """Return alerts as Sguil's text: a block each, with the headers of its packet and, in detail, the payload.

    Parameters
    ----------
    alerts
        A table of ALERTS; a column `count` says how many each stands for.
    detail
        With payload.
    content
        Gives the packet of an alert by its name, None where there is none.
    cloak
        Makes it fit to be handed on.
    """
    ALERTS.require(alerts, "alert", "time", "message", "src_ip", "dst_ip", "src_port", "dst_port", "proto")
    table = alerts if cloak is None else sanitised(alerts, cloak)
    counts = table["count"].tolist() if "count" in table else [1] * len(table)
    blocks = []
    for row, count in zip(table.itertuples(), counts, strict=True):
        packet = content(str(row.alert)) if content is not None else None
        lines = [_RULE, f"Count:{count} Event#{row.alert} {_time(row.time)}", _shown(row.message)]
        lines.append(f"{_shown(row.src_ip)} -> {_shown(row.dst_ip)}")
        headers = fields(packet.frame, link=packet.link) if packet is not None else []
        lines += _headers(row, headers, cloak)
        if detail:
            lines += _payload(packet, cloak)
        blocks.append("\n".join(lines) + "\n")
    return "".join(blocks)


def _headers(row: Any, headers: Sequence[tuple[str, Sequence[tuple[str, str]]]], cloak: Cloak | None) -> list[str]:
    lines, above = [], []
    for title, pairs in headers:
        values = dict(pairs)
        if "cut" in values:
            above.append(f"{title}: {values['cut']}")
        elif title in ("IP", "IPv6"):
            lines.append(_ip(values, cloak))
        elif title == "quoted":
            above.append("Quoted: " + _pairs(_hidden(pairs, cloak)))
        elif title == "TCP":
            above.append(_tcp(values, cloak))
        else:
            above.append(f"{title}: " + _pairs(_hidden(pairs, cloak)))
    ports = f" sport={_shown(row.src_port)} -> dport={_shown(row.dst_port)}" if not pd.isna(row.src_port) else ""
    lines.append(f"Protocol: {_shown(row.proto)}{ports}")
    return [*lines, "", *above]


def _ip(values: dict[str, str], cloak: Cloak | None) -> str:
    if "HL" not in values:
        names = {"Ver": "IPVer", "Class": "class", "Flow": "flow", "len": "dlen", "Next": "next", "Hops": "hops"}
        return " ".join(f"{name}={values[old]}" for old, name in names.items())
    names = {
        "TOS": "tos",
        "len": "dlen",
        "ID": "ID",
        "Flags": "flags",
        "Offset": "offset",
        "TTL": "ttl",
        "ChkSum": "chksum",
    }
    shown = [f"{name}={values[old]}" for old, name in names.items() if cloak is None or old != "ChkSum"]
    return " ".join([f"IPVer={values['Ver']} hlen={int(values['HL']) // 4}", *shown])


def _tcp(values: dict[str, str], cloak: Cloak | None) -> str:
    flags = "".join(letter if values[name] == "X" else "*" for name, letter in _LETTERS)
    names = {"Seq #": "Seq", "Ack #": "Ack"}
    shown = [f"{name}={values[old]}" for old, name in names.items()]
    shown += [f"Off={int(values['Offset']) // 4}", f"Res={values['Res']}", f"Flags={flags}", f"Win={values['Window']}"]
    return " ".join([*shown, f"urp={values['Urp']}", *([f"chksum={values['ChkSum']}"] if cloak is None else [])])


def _hidden(pairs: Iterable[tuple[str, str]], cloak: Cloak | None) -> list[tuple[str, str]]:
    if cloak is None:
        return list(pairs)
    shown = []
    for name, value in pairs:
        if name.endswith(("IP", "Gateway")):
            shown.append((name, cloak.address(value)))
        elif name.endswith("MAC"):
            shown.append((name, cloak.name(value.replace(":", ""), "mac")))
        elif name != "ChkSum":
            shown.append((name, value))
    return shown


def _pairs(pairs: Iterable[tuple[str, str]]) -> str:
    return " ".join(f"{name.replace(' ', '')}={value}" for name, value in pairs)


def _payload(packet: Content | None, cloak: Cloak | None) -> list[str]:
    if packet is None:
        return ["Payload:", "No packet of it was found."]
    if not packet.payload:
        return ["Payload:", "None."]
    if cloak is not None:
        return ["Payload:", f"{many(len(packet.payload), 'byte')}, left out."]
    lines = ["Payload:"]
    for start in range(0, len(packet.payload), 16):
        part = packet.payload[start : start + 16]
        text = "".join(chr(each) if 32 <= each < 127 else "." for each in part)
        lines.append(f"{part.hex(' ').upper():<47} {text}")
    return lines


def as_csv(alerts: pd.DataFrame, *, cloak: Cloak | None = None) -> str:
    """Return alerts as CSV in which no cell is a formula."""
    table = alerts if cloak is None else sanitised(alerts, cloak)
    return csv_table(table).to_csv(index=False)


def as_json_lines(alerts: pd.DataFrame, *, cloak: Cloak | None = None) -> str:
    """Return alerts as JSON, one object a line, in ASCII: text is exact, times are ISO 8601."""
    table = alerts if cloak is None else sanitised(alerts, cloak)
    rows = json.loads(table.to_json(orient="records", date_format="iso", date_unit="ns", default_handler=str))
    return "".join(json.dumps(row) + "\n" for row in rows)


def as_mail(
    alerts: pd.DataFrame,
    *,
    to: Sequence[str] = (),
    sender: str = "",
    cc: Sequence[str] = (),
    subject: str = "",
    head: str = _HEAD,
    tail: str = _TAIL,
    detail: bool = False,
    content: Callable[[str], Content | None] | None = None,
    cloak: Cloak | None = None,
) -> bytes:
    """Return the draft of a mail about alerts, as a file that mail programs open to be edited and sent by a person.

    Parameters
    ----------
    to, sender, cc
        Mail addresses, such as ``abuse@example.net`` or ``Ada <ada@example.org>``.
    subject
        What it is about; by default how many alerts, and of what.
    head, tail
        What stands before and after the alerts.
    detail, content, cloak
        As `as_text`.

    Raises
    ------
    NsmError
        Where an address is none.
    """
    mail = EmailMessage(policy=SMTP.clone(cte_type="7bit"))
    for name, texts in (("From", [sender] if sender else []), ("To", to), ("Cc", cc)):
        if texts:
            mail[name] = [_mail_address(text) for text in texts]
    if not subject:
        first = alerts["message"].iloc[0] if len(alerts) else ""
        said = cloak.text(first) if cloak is not None else str(first)
        subject = f"{many(len(alerts), 'alert')}: {said}"
    mail["Subject"] = _unlinked(printable(subject))[:200]
    mail["X-Unsent"] = "1"  # Outlook and Thunderbird's imports open it as a draft
    text = as_text(alerts, detail=detail, content=content, cloak=cloak)
    mail.set_content(f"{head}\n{_unlinked(text)}{_RULE}\n\n{tail}", charset="utf-8", cte="quoted-printable")
    return mail.as_bytes()


def _unlinked(text: str) -> str:
    """Return text without links: those in a message are the intruder's, and nobody shall click them."""
    text = re.sub(r"(?i)\b(h)tt(ps?:)", r"\1xx\2", text)
    text = re.sub(r"(?i)\b(f)t(ps?:)", r"\1x\2", text)
    text = re.sub(
        r"(?i)\b([a-z][a-z0-9+.-]{0,30}):(?=//)|\b(mailto|javascript|data|tel|sms|news):(?=\S)", r"\1\2[:]", text
    )
    # mail programs make links of bare names and mail addresses too
    name = r"(?i)(?<![\w.-])(?:[\w-]{1,63}\.){1,20}[a-z][a-z0-9-]{1,62}(?![\w-])"
    return re.sub(name, lambda match: match.group().replace(".", "[.]"), text).replace("@", "[@]")


def _mail_address(text: str) -> Address:
    match = re.fullmatch(r"(?P<name>[^<>]*)<(?P<mail>[^<>\s]+)>|(?P<bare>[^<>\s]+)", text.strip())
    mail = (match["mail"] or match["bare"]) if match else ""
    if not re.fullmatch(r"[A-Za-z0-9.!#$%&'*+/=?^_`{|}~-]{1,64}@[A-Za-z0-9.-]{1,255}", mail) or printable(text) != text:
        raise NsmError(f"{printable(text)!r} is no mail address; write name@example.org")
    user, _, domain = mail.partition("@")
    return Address(display_name=((match and match["name"]) or "").strip().strip('"'), username=user, domain=domain)


def _time(moment: Any) -> str:
    return "no time" if pd.isna(moment) else f"{moment:%Y-%m-%d %H:%M:%S.%f} UTC"


def _shown(value: Any) -> str:
    return "?" if pd.isna(value) else printable(value)
