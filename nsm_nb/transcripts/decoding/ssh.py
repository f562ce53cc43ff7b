"""SSH: the banners, and what both sides offer before all is encrypted (RFC 4253 4.2, 6 and 7.1).

HASSH is the MD5 of a side's key exchange, cipher, MAC and compression names, as salesforce/hassh defines it.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator

from nsm_nb.transcripts.decoding.records import Record, Talk

OVER, PORTS = ("tcp",), (22,)
_KEXINIT = 20
_LISTS = (
    "kex", "host_keys", "ciphers_to_server", "ciphers_to_client", "macs_to_server", "macs_to_client", "compression_to_server",
    "compression_to_client",
)  # fmt: skip


def recognises(src: bytes, dst: bytes) -> bool:
    """Return True where a side begins with a banner."""
    return src.startswith(b"SSH-") or dst.startswith(b"SSH-") or b"\nSSH-" in dst[:1024]


def possible(src: bytes, dst: bytes) -> bool:
    """Return False: without a banner it is not SSH."""
    return False


def records(talk: Talk) -> Iterator[Record]:
    """Yield banners and offers."""
    for stream, begin in talk.sides:
        at = begin
        for line in stream.lines(begin):
            at = line.end
            if line.data.startswith(b"SSH-"):
                parts = line.data.split(b"-", 2)
                software, _, comment = parts[2].partition(b" ") if len(parts) > 2 else (b"", b"", b"")
                yield talk.record(
                    "ssh", stream, line.start, line.end, "banner", line.data, version=parts[1], software=software, comment=comment
                )  # fmt: skip
                break
            if line.end - begin > 4096:
                return
            yield talk.record("ssh", stream, line.start, line.end, "text", line.data)
        size = int.from_bytes(stream.data[at : at + 4], "big")
        packet = stream.data[at + 4 : at + 4 + size] if size < 35_000 else b""
        if len(packet) != size or len(packet) < 22 or packet[1] != _KEXINIT or stream.within(at, at + 4 + size):
            continue
        place, lists = 18, []
        for _ in _LISTS:
            length = int.from_bytes(packet[place : place + 4], "big")
            lists.append(packet[place + 4 : place + 4 + length].decode("ascii", "backslashreplace"))
            place += 4 + length
        ways = (2, 4, 6) if stream.side == "src" else (3, 5, 7)
        hassh = hashlib.md5(";".join(lists[each] for each in (0, *ways)).encode(), usedforsecurity=False).hexdigest()
        yield talk.record(
            "ssh", stream, at, at + 4 + size, "offer", f"key exchange {lists[0][:60]}, HASSH {hassh}", hassh=hassh,
            **{name: each.split(",") for name, each in zip(_LISTS, lists, strict=True)},
        )  # fmt: skip
