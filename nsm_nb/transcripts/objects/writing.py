"""Objects written because somebody asked: each under its hash, or all in a zip that nothing opens by accident.

A zip has the old cipher of PKWARE and the password ``infected``, as samples are handed on: the password is known to all, so a
stronger cipher would keep no more secrets, and this one is opened by every unzip and by Python's zipfile. pyzipper, which
writes zips with AES, would bring a second library of ciphers.

Source: reference/hostile.md T11; PKWARE APPNOTE.TXT 4.3 and 6.1.
"""

from __future__ import annotations

import hashlib
import json
import os
import secrets
import struct
import tempfile
import zlib
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import IO, Any

import numpy as np
import pandas as pd

from nsm_nb.errors import NsmError
from nsm_nb.text import printable
from nsm_nb.transcripts.objects.found import Object, table_of

__all__ = ["LARGEST", "PASSWORD", "write_objects", "zip_objects"]

LARGEST = 100 << 20  # bytes of an object that is written
PASSWORD = b"infected"
_MOST_ZIP = 3 << 30  # bytes: beyond 4 GiB a zip needs other records


def write_objects(found: Iterable[Object], folder: str | os.PathLike) -> pd.DataFrame:
    """Write objects into a folder, each as ``<sha256>.bin`` that only its owner may read; return them as a table.

    Parameters
    ----------
    found
        As `carried` yields them.
    folder
        Where to; made where it is missing. Nothing is written outside of it.

    Returns
    -------
    DataFrame
        As of `objects`, with `file`: the path; missing where an object has more than 100 MiB and was not written.

    Raises
    ------
    NsmError
        Where the folder is no folder, or can't be written.
    """
    place = _folder(Path(folder))
    rows: list[dict[str, Any]] = []
    for each in found:
        path = None
        if len(each.data) <= LARGEST:
            path = place / f"{each.sha256}.bin"
            if not _is_there(path, each.sha256):
                _deliver(path, lambda file, data=each.data: file.write(data))
        rows.append(each.row | {"file": None if path is None else str(path)})
    table = table_of(rows)
    table["file"] = pd.Series([row["file"] for row in rows], dtype="str")
    return table


def zip_objects(found: Iterable[Object], path: str | os.PathLike) -> pd.DataFrame:
    """Write objects into a zip whose password is ``infected``, with ``objects.json`` that tells of them; return the table.

    Parameters
    ----------
    found
        As `carried` yields them; what has the same bytes is written once.
    path
        The zip; it is whole or not there, and only its owner may read it.

    Returns
    -------
    DataFrame
        As of `objects`, with `file`: its name in the zip; missing where an object has more than 100 MiB and was left out.

    Raises
    ------
    NsmError
        Where it can't be written, or would be larger than 3 GiB.
    """
    place = Path(path)
    rows: list[dict[str, Any]] = []

    def write(file: IO[bytes]) -> None:
        members: dict[str, bytes] = {}
        for each in found:
            name = f"{each.sha256}.bin" if len(each.data) <= LARGEST else None
            rows.append(each.row | {"file": name})
            if name is not None and name not in members:
                members[name] = _member(file, name, each.data)
        told = [{name: None if pd.isna(value) else str(value) for name, value in row.items()} for row in rows]
        members["objects.json"] = _member(file, "objects.json", json.dumps(told, indent=1).encode())
        start = file.tell()
        for entry in members.values():
            file.write(entry)
        size = file.tell() - start
        file.write(struct.pack("<IHHHHIIH", 0x06054B50, 0, 0, len(members), len(members), size, start, 0))

    _folder(place.parent)
    _deliver(place, write)
    table = table_of(rows)
    table["file"] = pd.Series([row["file"] for row in rows], dtype="str")
    return table


def _member(file: IO[bytes], name: str, data: bytes) -> bytes:
    """Write a member of a zip; return its entry in the directory."""
    from nsm_nb.kernels.zipcrypto import sealed

    at, check = file.tell(), zlib.crc32(data)
    packer = zlib.compressobj(6, zlib.DEFLATED, -15)
    packed = packer.compress(data) + packer.flush()
    method = 8
    if len(packed) >= len(data):
        packed, method = data, 0
    head = secrets.token_bytes(11) + bytes([check >> 24])  # APPNOTE 6.1.6: its last byte tells a wrong password
    body = sealed(
        np.frombuffer(bytearray(head + packed), np.uint8), np.frombuffer(bytearray(PASSWORD), np.uint8)
    ).tobytes()  # fmt: skip
    named = name.encode("ascii")
    # version 2.0, sealed, no time of its own: 1980-01-01
    common = struct.pack("<HHHHHIIIHH", 20, 1, method, 0, 0x0021, check, len(body), len(data), len(named), 0)
    file.write(struct.pack("<I", 0x04034B50) + common + named + body)
    if file.tell() > _MOST_ZIP:
        raise NsmError("these objects make more than 3 GiB: choose some of them, or write them without a zip")
    return struct.pack("<IH", 0x02014B50, 0x0314) + common + struct.pack("<HHHII", 0, 0, 0, 0o100600 << 16, at) + named


def _folder(place: Path) -> Path:
    try:
        if place.is_symlink():
            raise NsmError(
                f"{printable(place)} is a link to elsewhere; objects are written into a folder: choose another"
            )
        place.mkdir(mode=0o700, parents=True, exist_ok=True)
    except OSError as problem:
        raise NsmError(f"objects can't be written into {printable(place)}: {printable(problem)}") from problem
    return place


def _is_there(path: Path, sha256: str) -> bool:
    """Return True where the file is there already, with these bytes."""
    if path.is_symlink() or not path.is_file():
        return False
    return _hash(path) == sha256


def _hash(path: Path) -> str:
    made = hashlib.sha256()
    for part in _pieces(path):
        made.update(part)
    return made.hexdigest()


def _pieces(path: Path) -> Iterator[bytes]:
    with path.open("rb") as file:
        while part := file.read(1 << 20):
            yield part


def _deliver(path: Path, write: Any) -> None:
    """Write a file whole, mode 0600: under another name that is moved into place."""
    try:
        handle, name = tempfile.mkstemp(dir=path.parent, prefix=".object-")  # mode 0600
        try:
            with os.fdopen(handle, "w+b") as file:
                write(file)
                file.flush()
                os.fsync(file.fileno())
            Path(name).replace(path)
        except BaseException:  # also where somebody stops it: nothing half-made stays
            Path(name).unlink(missing_ok=True)
            raise
    except OSError as problem:
        raise NsmError(f"{printable(path)} can't be written: {printable(problem)}") from problem
