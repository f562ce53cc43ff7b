"""SMB1, as tshark takes it apart: its messages have had forty years to grow. Without tshark there is a sentence.

tshark is given the conversation as the transcript shows it (`nsm_nb.transcripts.decoding.clean`).
"""

from __future__ import annotations

from collections.abc import Iterator

from nsm_nb.errors import MissingTool
from nsm_nb.full_content.extract import Exported, chosen_fields, exported
from nsm_nb.schema import Caveat
from nsm_nb.transcripts.decoding.clean import RAW, frames
from nsm_nb.transcripts.decoding.records import Record, Talk

OVER, PORTS = ("tcp",), (445, 139)
_COMMANDS = {
    0x02: "open", 0x04: "close", 0x06: "delete", 0x07: "rename", 0x0A: "read", 0x0B: "write", 0x24: "lock", 0x25: "transaction",
    0x2B: "echo", 0x2D: "open", 0x2E: "read", 0x2F: "write", 0x32: "transaction 2", 0x34: "find close", 0x71: "tree disconnect",
    0x72: "negotiate", 0x73: "session setup", 0x74: "log off", 0x75: "tree connect", 0xA0: "NT transaction", 0xA2: "create",
}  # fmt: skip
_FIELDS = {
    "frame.number": "", "smb.cmd": "commands", "smb.flags.response": "", "smb.nt_status": "status", "smb.path": "path",
    "smb.service": "service", "smb.file": "file", "smb.search_pattern": "pattern", "smb.native_os": "system",
    "smb.native_lanman": "lan_manager", "smb.primary_domain": "domain", "smb.create.action": "action",
    "smb.end_of_file": "file_size", "smb.data_len_low": "length", "dcerpc.cn_bind_to_uuid": "interface",
    "srvsvc.opnum": "srvsvc_operation", "srvsvc.srvsvc_NetShareInfo1.name": "shares",
    "srvsvc.srvsvc_NetShareInfo1.comment": "comments", "smb.fid": "fid",
}  # fmt: skip
_SHOWN = ("path", "file", "pattern", "shares", "system", "interface")


def recognises(src: bytes, dst: bytes) -> bool:
    """Return True where SMB1 begins a side, and no SMB2 answers it."""
    return any(each[:1] == b"\0" and each[4:8] == b"\xffSMB" for each in (src, dst))


def possible(src: bytes, dst: bytes) -> bool:
    """Return False: the signature tells."""
    return False


def records(talk: Talk) -> Iterator[Record | Caveat]:
    """Yield what tshark says of each message."""
    clean = frames(talk)
    try:
        rows, note = chosen_fields(clean.frames, RAW, list(_FIELDS), filter="smb")
    except MissingTool:
        yield Caveat("", None, None, "decoding", "SMB1 is taken apart by tshark, which is not here: install it (apt install "
                     "tshark, or brew install wireshark); text and hex show its bytes")  # fmt: skip
        return
    if note:
        yield Caveat("", None, None, "decoding", note)
    for row in rows:
        number = int(row.pop("frame.number", ["0"])[0])
        place = clean.places[number - 1] if 0 < number <= len(clean.places) else None
        if place is None:
            continue
        codes = [int(each, 0) for each in row.pop("smb.cmd", []) if each.lower().removeprefix("0x").isalnum()]
        commands = [_COMMANDS.get(code, f"command {code:02x}") for code in codes if code != 0xFF]
        answers = row.pop("smb.flags.response", ["0"])[0] in ("1", "True")
        fields = {_FIELDS[name]: values if len(values) > 1 else values[0] for name, values in row.items()}
        told = [f"{name} {', '.join(values)}" for name in _SHOWN for values in [_several(fields.get(name))] if values]
        kind = "answer" if answers else "request"
        words = ", ".join(dict.fromkeys(commands)) + (f": {'; '.join(told)}" if told else "")
        yield talk.record("smb1", *place, kind, words, **({"commands": commands} | fields))


def _several(value: str | list[str] | None) -> list[str]:
    """Return a value's texts, each once."""
    return list(dict.fromkeys([value] if isinstance(value, str) else value or []))


def objects(talk: Talk) -> tuple[list[Exported], str]:
    """Return the files that tshark puts together, and why that is not all.

    Raises
    ------
    MissingTool, NsmError
        As `nsm_nb.full_content.extract.exported`.
    """
    return exported(frames(talk).frames, RAW, "smb")
