"""Fingerprints of TLS hellos: JA3, JA3S and JA4.

Source: salesforce/ja3, README; FoxIO/ja4, technical_details/JA4.md; RFC 8701 (GREASE, which is left out).
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Sequence
from typing import NamedTuple

__all__ = ["Hello", "ja3", "ja3s", "ja4"]

_VERSIONS = {0x0304: "13", 0x0303: "12", 0x0302: "11", 0x0301: "10", 0x0300: "s3", 0x0002: "s2"}
_NONE = "000000000000"


class Hello(NamedTuple):
    """A hello taken apart; numbers in the order in which they came."""

    version: int
    ciphers: Sequence[int]
    extensions: Sequence[int]
    groups: Sequence[int]
    points: Sequence[int]
    versions: Sequence[int]
    signatures: Sequence[int]
    alpn: Sequence[bytes]
    name: bytes | None


def ja3(hello: Hello) -> str:
    """Return the JA3 of a client's hello."""
    parts = [
        str(hello.version), *("-".join(map(str, _plain(each))) for each in (hello.ciphers, hello.extensions, hello.groups)),
        "-".join(map(str, hello.points)),
    ]  # fmt: skip
    return _md5(",".join(parts))


def ja3s(hello: Hello) -> str:
    """Return the JA3S of a server's hello."""
    return _md5(f"{hello.version},{hello.ciphers[0]},{'-'.join(map(str, hello.extensions))}")


def ja4(hello: Hello) -> str:
    """Return the JA4 of a client's hello over TCP."""
    ciphers, extensions = _plain(hello.ciphers), _plain(hello.extensions)
    version = max(_plain(hello.versions), default=hello.version)
    first = hello.alpn[0] if hello.alpn else b""
    alpn = "00"
    if first:
        ends = (first[:1] + first[-1:]).decode("latin-1")
        alpn = ends if ends.isascii() and ends.isalnum() else first[:1].hex()[0] + first[-1:].hex()[1]
    head = (
        f"t{_VERSIONS.get(version, '00')}{'i' if 0 not in extensions else 'd'}{min(len(ciphers), 99):02}"
        f"{min(len(extensions), 99):02}{alpn}"
    )
    kept = ",".join(sorted(f"{each:04x}" for each in extensions if each not in (0, 16)))
    signatures = ",".join(f"{each:04x}" for each in _plain(hello.signatures))
    behind = f"{kept}_{signatures}" if signatures else kept
    return (
        f"{head}_{_sha256(','.join(sorted(f'{each:04x}' for each in ciphers))) if ciphers else _NONE}"
        f"_{_sha256(behind) if extensions else _NONE}"
    )


def _plain(numbers: Iterable[int]) -> list[int]:
    """Return the numbers that are no GREASE."""
    return [each for each in numbers if not (each & 0x0F0F == 0x0A0A and each >> 8 == each & 0xFF)]


def _md5(text: str) -> str:
    return hashlib.md5(text.encode(), usedforsecurity=False).hexdigest()


def _sha256(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()[:12]
