r"""Decoders in a row: what an analyst did to bytes, as a line of text that gives the same again.

A recipe is steps with ``|`` between them, such as ``dns-names | match ^\w+\.(.+)\.t\. | remove . | join | base32``. It works on
parts - the turns of a side, or one selection -; most steps take each part on its own, some make one of all or many of one.
Nothing is run, looked up or written, and each step has its bounds (hostile.md T12).
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import re
import string
import zlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import NamedTuple
from urllib.parse import unquote_to_bytes

from nsm_nb.errors import NsmError, UnknownName
from nsm_nb.text import many, printable

__all__ = ["STEPS", "Decoded", "decode", "parsed"]

MOST = 16 << 20  # bytes that a step may make
MOST_RATIO = 100  # times its size that compressed data may become
_LEAST = 64 << 10  # bytes that it may become at any rate
_UNPACKED = 2  # times that a recipe may unpack
_STEPS = 20
_PARTS = 100_000
_SECONDS = 5.0
_INPUT = 64 << 20

Parts = list[bytes]


class Step(NamedTuple):
    """A step of a recipe."""

    name: str
    argument: str


@dataclass(frozen=True)
class Decoded:
    """What a recipe made of bytes.

    Attributes
    ----------
    data
        The bytes it made.
    parts
        The same in parts, where the last step left several.
    recipe
        The recipe as it is to be kept.
    notes
        What each step did, and what it could not do.
    """

    data: bytes
    parts: tuple[bytes, ...]
    recipe: str
    notes: tuple[str, ...]

    @property
    def sha256(self) -> str:
        """The SHA-256 of the bytes."""
        return hashlib.sha256(self.data).hexdigest()

    def __str__(self) -> str:
        """Return it as it is kept with a verdict: the recipe, how many bytes it made and their hash."""
        return f"recipe {self.recipe}: {many(len(self.data), 'byte')}, SHA-256 {self.sha256}"


class _Wrong(Exception):
    """What a step can't do, in words."""


def parsed(recipe: str) -> list[Step]:
    r"""Return the steps of a recipe.

    Raises
    ------
    UnknownName
        Where a step does not exist.
    NsmError
        Where there are none or too many, or an argument is missing or in the way.

    Examples
    --------
    >>> parsed("url | base64|xor 0x41")
    [Step(name='url', argument=''), Step(name='base64', argument=''), Step(name='xor', argument='0x41')]
    >>> parsed("match (a|b)|hex")
    [Step(name='match', argument='(a|b)'), Step(name='hex', argument='')]
    """
    steps = []
    # an expression may hold a bar of its own: one is between steps where it stands alone, or a step's name follows
    for part in re.split(rf"(?:^|\s)\|(?=\s|$)|(?<!\\)\|(?=\s*(?:{'|'.join(STEPS)})(?:\s|\||$))", recipe):
        name, _, argument = part.strip().partition(" ")
        argument = argument.strip()
        if name not in STEPS:
            known = f"there is no step {printable(name)!r}" if name else "a step is empty"
            raise UnknownName(f"{known} in the recipe; there are {', '.join(STEPS)}")
        needs = STEPS[name].needs
        if needs and not argument:
            raise NsmError(f"the step {name} needs {needs}, such as {STEPS[name].example}")
        if argument and not needs and not STEPS[name].example:
            raise NsmError(f"the step {name} takes nothing behind it, and {printable(argument)!r} stands there")
        steps.append(Step(name, argument))
    if len(steps) > _STEPS:
        raise NsmError(f"the recipe has {len(steps)} steps; at most {_STEPS} are taken")
    if sum(step.name == "gzip" for step in steps) > _UNPACKED:
        raise NsmError(f"the recipe unpacks more than {_UNPACKED} times, which only bombs need")
    return steps


def decode(data: bytes | Sequence[bytes], recipe: str) -> Decoded:
    """Return what a recipe makes of bytes.

    Parameters
    ----------
    data
        A selection, or several parts such as the bytes of each turn.
    recipe
        Steps with ``|`` between them; `STEPS` has them with what they do.

    Raises
    ------
    UnknownName, NsmError
        Where the recipe is none, or a step can do nothing with what it is given; the message names the step.
    """
    steps = parsed(recipe)
    parts = [data] if isinstance(data, bytes) else list(data)
    if sum(map(len, parts)) > _INPUT:
        raise NsmError(f"a recipe is given at most {_INPUT >> 20} MiB; choose a part of what was said")
    notes = []
    for number, (name, argument) in enumerate(steps, 1):
        before = len(parts), sum(map(len, parts))
        try:
            parts, note = STEPS[name].work(parts, argument)
        except _Wrong as problem:
            raise NsmError(f"step {number} of the recipe, {name}: {problem}") from None
        size = sum(map(len, parts))
        if size > MOST or len(parts) > _PARTS:
            raise NsmError(
                f"step {number} of the recipe, {name}, makes {many(size, 'byte')} in {many(len(parts), 'part')}; at most "
                f"{MOST:,} bytes in {_PARTS:,} parts are kept"
            )
        said = f": {note}" if note else ""
        given = f"{many(before[1], 'byte')} in {many(before[0], 'part')}"
        notes.append(f"{name}: {given} to {size:,} in {len(parts):,}{said}")
    text = " | ".join(f"{name} {argument}".strip() for name, argument in steps)
    return Decoded(b"".join(parts), tuple(parts), printable(text), tuple(notes))


# --- steps on each part

_Each = Callable[[bytes, str], bytes]


def _on_each(work: _Each) -> Callable[[Parts, str], tuple[Parts, str]]:
    def on_each(parts: Parts, argument: str) -> tuple[Parts, str]:
        done, failed, why = [], 0, ""
        for part in parts:
            try:
                done.append(work(part, argument))
            except _Wrong as problem:
                failed, why = failed + 1, str(problem)
        if failed and not done:
            raise _Wrong(why)
        return done, f"{many(failed, 'part was', 'parts were')} left out: {why}" if failed else ""

    return on_each


def _base64(part: bytes, argument: str) -> bytes:
    text = re.sub(rb"[\s=]+", b"", part).translate(bytes.maketrans(b"-_", b"+/"))
    if len(text) % 4 == 1:
        text = text[:-1]
    try:
        return base64.b64decode(text + b"=" * (-len(text) % 4), validate=True)
    except binascii.Error:
        raise _Wrong(f"{_some(part)} has characters that are not base64") from None


def _base32(part: bytes, argument: str) -> bytes:
    text = re.sub(rb"[\s=]+", b"", part).upper()
    while len(text) % 8 in (1, 3, 6):
        text = text[:-1]
    try:
        return base64.b32decode(text + b"=" * (-len(text) % 8))
    except binascii.Error:
        raise _Wrong(f"{_some(part)} has characters that are not base32") from None


def _url(part: bytes, argument: str) -> bytes:
    return unquote_to_bytes(part.replace(b"+", b" ") if argument == "+" else part)


def _hex(part: bytes, argument: str) -> bytes:
    digits = re.sub(rb"0x|[\s:|,\\x]", b"", part, flags=re.IGNORECASE)
    try:
        return bytes.fromhex(digits.decode("ascii"))
    except ValueError:
        raise _Wrong(f"{_some(part)} is no pairs of hex digits") from None


def _gzip(part: bytes, argument: str) -> bytes:
    limit = min(MOST, max(MOST_RATIO * len(part), _LEAST))
    for width in (47, -15):  # gzip or zlib, then bare deflate
        unpacker = zlib.decompressobj(width)
        try:
            data = unpacker.decompress(part, limit)
        except zlib.error:
            continue
        if unpacker.unconsumed_tail or (not unpacker.eof and len(data) >= limit):
            raise _Wrong(f"it unpacks to more than {limit:,} bytes, {MOST_RATIO} times its size: a bomb, or nearly")
        return data
    raise _Wrong(f"{_some(part)} is neither gzip nor zlib nor deflate")


def _xor(part: bytes, argument: str) -> bytes:
    key = bytes.fromhex(argument[2:]) if re.fullmatch(r"0x(?:[0-9a-fA-F]{2})+", argument) else argument.encode()
    if argument.startswith("0x") and key == argument.encode():
        raise _Wrong(f"{printable(argument)!r} is no pairs of hex digits behind 0x")
    long = key * (len(part) // len(key) + 1)
    return (int.from_bytes(part, "big") ^ int.from_bytes(long[: len(part)], "big")).to_bytes(len(part), "big")


_ROT13 = bytes.maketrans(
    (string.ascii_lowercase + string.ascii_uppercase).encode(),
    "".join(each[13:] + each[:13] for each in (string.ascii_lowercase, string.ascii_uppercase)).encode(),
)


def _number(argument: str) -> int:
    if not (argument.isascii() and argument.isdecimal() and len(argument) < 10):
        raise _Wrong(f"{printable(argument)!r} is no number")
    return int(argument)


def _some(part: bytes) -> str:
    return f'"{printable(part[:40])}"' + (" ..." if len(part) > 40 else "")


# --- steps on all parts


def _join(parts: Parts, argument: str) -> tuple[Parts, str]:
    return [b"".join(parts)], ""


def _lines(parts: Parts, argument: str) -> tuple[Parts, str]:
    return [line for part in parts for line in part.splitlines()], ""


def _once(parts: Parts, argument: str) -> tuple[Parts, str]:
    kept = list(dict.fromkeys(parts))
    return kept, f"{len(parts) - len(kept):,} came again" if len(kept) < len(parts) else ""


def _match(parts: Parts, argument: str) -> tuple[Parts, str]:
    import regex

    try:
        compiled = regex.compile(argument.encode())
    except (regex.error, OverflowError, RecursionError) as problem:
        raise _Wrong(
            f"{printable(argument)!r} is no regular expression: {getattr(problem, 'msg', 'too deep')}"
        ) from None
    found: Parts = []
    try:
        for part in parts:
            for match in compiled.finditer(part, timeout=_SECONDS):
                found.append(match[1] if compiled.groups and match[1] is not None else match[0])
                if len(found) > _PARTS:
                    raise _Wrong(f"it matches more than {_PARTS:,} times")
    except TimeoutError:
        raise _Wrong(f"it takes more than {_SECONDS:g} s; write a simpler expression") from None
    if not found:
        raise _Wrong(f"{printable(argument)!r} matches nothing")
    return found, ""


def _dns_names(parts: Parts, argument: str) -> tuple[Parts, str]:
    found, not_dns = [], 0
    for part in parts:
        name = _question(part)
        if name is None:
            not_dns += 1
        else:
            found.append(name)
    if not found:
        raise _Wrong("no part is a DNS message with a question")
    what = many(not_dns, "part is no DNS message and was", "parts are no DNS messages and were")
    return found, f"{what} left out" if not_dns else ""


def _question(message: bytes) -> bytes | None:
    """Return the name of the first question of a DNS message over UDP (RFC 1035 4.1.2)."""
    if len(message) < 17 or message[4:6] == b"\0\0":
        return None
    labels, at = [], 12
    while at < len(message) and message[at]:
        size = message[at]
        if size > 63 or at + 1 + size >= len(message):
            return None
        labels.append(message[at + 1 : at + 1 + size])
        at += 1 + size
    return b".".join(labels) if labels else None


class _Kind(NamedTuple):
    work: Callable[[Parts, str], tuple[Parts, str]]
    words: str
    needs: str = ""  # what has to stand behind it
    example: str = ""


#: What a recipe can do: the name of each step, with what it does.
STEPS = {
    "base64": _Kind(_on_each(_base64), "base64, also with - and _, with or without ="),
    "base32": _Kind(_on_each(_base32), "base32, in either case, with or without ="),
    "hex": _Kind(_on_each(_hex), "pairs of hex digits, whatever stands between them"),
    "url": _Kind(_on_each(_url), "percent signs of URLs; with + also plus signs for spaces", example="url +"),
    "gzip": _Kind(_on_each(_gzip), "unpacks gzip, zlib and deflate, within bounds"),
    "xor": _Kind(_on_each(_xor), "exclusive or with a key", "a key", "xor 0x5a or xor secret"),
    "rot13": _Kind(_on_each(lambda part, argument: part.translate(_ROT13)), "letters moved by 13"),
    "reverse": _Kind(_on_each(lambda part, argument: part[::-1]), "the last byte first"),
    "skip": _Kind(
        _on_each(lambda part, argument: part[_number(argument) :]), "leaves out the first bytes", "a number", "skip 4"
    ),
    "take": _Kind(
        _on_each(lambda part, argument: part[: _number(argument)]), "keeps the first bytes", "a number", "take 16"
    ),
    "remove": _Kind(
        _on_each(lambda part, argument: part.translate(None, argument.encode())), "leaves out bytes", "characters", "remove .-"
    ),
    "match": _Kind(
        _match, "what a regular expression matches, each a part: its first group where it has one", "an expression",
        r"match id=(\w+)",
    ),
    "lines": _Kind(_lines, "each line a part"),
    "dns-names": _Kind(_dns_names, "of each DNS message, the name it asks for"),
    "once": _Kind(_once, "each part once"),
    "sort": _Kind(lambda parts, argument: (sorted(parts), ""), "parts in the order of their bytes"),
    "join": _Kind(_join, "all parts one behind the other"),
}  # fmt: skip
