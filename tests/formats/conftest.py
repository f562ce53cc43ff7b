"""The first bytes of every file that is at hand: each format must recognise its own samples and no other's."""

from __future__ import annotations

import gzip

import pytest


def head_of(path, size=65_536):
    with path.open("rb") as file:
        head = file.read(size)
    if head[:2] != b"\x1f\x8b":
        return head
    try:
        with gzip.open(path) as file:
            return file.read(size)
    except (OSError, EOFError):
        return head


@pytest.fixture(scope="session")
def heads(shared):
    """First bytes of the shared evidence, by name."""
    folders = ("cases", "fixtures", "corpus", "hostile", "reference")
    return {
        path.relative_to(shared).as_posix(): head_of(path)
        for folder in folders
        for path in sorted((shared / folder).rglob("*"))
        if path.is_file()
    }
