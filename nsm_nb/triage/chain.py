"""The chain of the ledger: each record's digest covers the record and the digest of the one before.

A digest is the SHA-256, in lower-case hex, of the record as canonical JSON (RFC 8785): one object with the members
``analyst category comment evidence evidence_record evidence_sha256 id previous subject subject_kind time``, sorted,
without spaces, UTF-8; the three about evidence only where they are known. `id` and `evidence_record` are numbers, all
else is text, and `time` reads ``2026-11-24T02:31:40.504000Z``. The first record's `previous` is 64 zeros. So any
language can check a ledger:

>>> import hashlib
>>> record = Record(1, "2026-11-24T02:31:40.504000Z", "ada", "alert", "0fd1:7", "I", "a shell", EMPTY, "")
>>> print(canonical(record).decode()[:60])
{"analyst":"ada","category":"I","comment":"a shell","id":1,"
>>> digest(record) == hashlib.sha256(canonical(record)).hexdigest()
True

What the chain can't show by itself: records cut off its end, and a whole ledger written anew. Both show against a
head that was noted elsewhere, such as in a report.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from nsm_nb.text import many

__all__ = ["EMPTY", "Act", "Record", "Reference", "Verification", "canonical", "check", "digest", "extend"]

EMPTY = "0" * 64
"""The head of a ledger without records."""

_encode = json.JSONEncoder(ensure_ascii=False, sort_keys=True, separators=(",", ":")).encode


class Reference(NamedTuple):
    """Where in the evidence something stands: what the case calls the file, its SHA-256, and the record in it."""

    evidence: str
    sha256: str | None
    record: int | None


class Act(NamedTuple):
    """What is recorded of some subjects at once: one analyst (or rule), one category, one comment."""

    subjects: Sequence[str]
    category: str
    comment: str
    analyst: str
    kind: str = "alert"
    references: Mapping[str, Reference] | None = None


class Record(NamedTuple):
    """One record as it is stored: all text but `id` and `evidence_record`."""

    id: int
    time: str
    analyst: str
    subject_kind: str
    subject: str
    category: str
    comment: str
    previous: str
    digest: str
    evidence: str | None = None
    evidence_sha256: str | None = None
    evidence_record: int | None = None


_MAYBE = Record._fields[9:]  # members that are left out where they are not known; version 1 never had them
_NOWHERE = (None, None, None)


@dataclass(frozen=True, slots=True)
class Verification:
    """What a check of the ledger found; true where all is well.

    Attributes
    ----------
    ok
        True where every record is as it was written.
    count
        Records that were found good, from the first on.
    head
        Digest of the last of them.
    first_bad
        `id` of the first record that is changed, missing or out of place; None where there is none, or none can
        be named.
    reason
        What was found, in words.
    """

    ok: bool
    count: int
    head: str
    first_bad: int | None
    reason: str

    def __bool__(self) -> bool:
        """Return `ok`."""
        return self.ok


def canonical(record: Record) -> bytes:
    """Return the bytes that a record's digest is taken over; its `digest` is no part of them."""
    fields = record._asdict()
    del fields["digest"]
    return _bytes(_encode({name: value for name, value in fields.items() if name not in _MAYBE or value is not None}))


def digest(record: Record) -> str:
    """Return what the digest of a record must be."""
    return hashlib.sha256(canonical(record)).hexdigest()


def extend(
    last: tuple[int, str],
    subjects: Sequence[str],
    *,
    time: str,
    analyst: str,
    subject_kind: str,
    category: str,
    comment: str,
    references: Mapping[str, Reference] | None = None,
) -> list[Record]:
    """Return one new record a subject, chained to the last one.

    Parameters
    ----------
    last
        `id` and `digest` of the last record; ``(0, EMPTY)`` for the first.
    subjects, time, analyst, subject_kind, category, comment
        What the records say. Only the subject differs between them.
    references
        Where in the evidence a subject stands, as far as that is known.
    """
    seal = _Seal(time, analyst, subject_kind, category, comment)
    number, previous = last
    records = []
    for subject in subjects:
        number += 1
        place = references.get(subject, _NOWHERE) if references else _NOWHERE
        here = seal.digest(number, previous, subject, place)
        records.append(Record(number, time, analyst, subject_kind, subject, category, comment, previous, here, *place))
        previous = here
    return records


class _Seal:
    """Digests of records that differ only in `id`, `previous`, `subject` and their place in the evidence.

    What is the same is hashed once.

    `digest` is its slow twin.
    """

    def __init__(self, *same: str):
        self.same = same
        time, analyst, subject_kind, category, comment = map(_encode, same)
        start = f'{{"analyst":{analyst},"category":{category},"comment":{comment},'
        self._start = hashlib.sha256(_bytes(start))
        self._end = f',"subject_kind":{subject_kind},"time":{time}}}'

    def digest(self, number: int, previous: str, subject: str, place: tuple[str | None, str | None, int | None]) -> str:
        evidence, sha256, record = place
        known = "" if evidence is None else f'"evidence":{_encode(evidence)},'
        known += "" if record is None else f'"evidence_record":{_encode(record)},'
        known += "" if sha256 is None else f'"evidence_sha256":{_encode(sha256)},'
        rest = f'{known}"id":{number},"previous":{_encode(previous)},"subject":{_encode(subject)}{self._end}'
        hashed = self._start.copy()
        hashed.update(_bytes(rest))
        return hashed.hexdigest()


def _bytes(text: str) -> bytes:
    # "surrogateescape": bytes that are no UTF-8 (an edited file) come back as they stood, and give another digest.
    return text.encode("utf-8", "surrogateescape")


def check(records: Iterable[Record], *, last: int, head: str | None = None) -> Verification:
    """Return what a walk along the chain finds; it stops at the first record that is not as it was written.

    Parameters
    ----------
    records
        The records in the order of their `id`; read once, never held together.
    last
        The largest `id`: how far to look for a record's first place when it was moved.
    head
        A digest noted earlier; it must be the digest of one of the records (or `EMPTY`).
    """
    count, previous, before, known = 0, EMPTY, EMPTY, head in (None, EMPTY)
    rows = iter(records)
    seal = None
    for record in rows:
        place = count + 1
        if not isinstance(record.id, int):  # only in a table that was remade
            return Verification(False, count, previous, place, f"record {place} {_NO_NUMBER}")
        try:
            if seal is None or seal.same != record[1:4] + record[5:7]:
                seal = _Seal(*record[1:4], *record[5:7])
            genuine = seal.digest(record.id, record.previous, record.subject, record[9:]) == record.digest
        except TypeError:  # bytes where text was written
            genuine = False
        problem = _problem(record, place, genuine, previous, last)
        if not problem and record.previous != previous:
            # Who was rewritten, this record or the one before? The next one remembers this one's digest as it was.
            after = next(rows, None)
            if count == 0 or (after is not None and after.previous != record.digest):
                problem = "was rewritten, digest and all: it does not follow the record before it"
            else:
                problem = f"was rewritten, digest and all: record {place} remembers another digest of it"
                place, count, previous = count, count - 1, before
        if problem:
            place = record.id if record.id < place else place
            return Verification(False, count, previous, place, f"record {place} {problem}")
        count, before, previous = place, previous, record.digest
        known = known or previous == head
    if not known:
        return Verification(False, count, previous, None, f"no record here has the noted head {head}: {_CUT}")
    note = "" if head is not None else f"; {_UNSEEN}"
    return Verification(True, count, previous, None, f"{many(count, 'record')}, each as it was written{note}")


_NO_NUMBER = "is missing: the next one there has a number that is none"
_CUT = "records were cut off the end, or the ledger was written anew, after that head was noted"
_UNSEEN = "whether some were cut off the end shows only against a head noted elsewhere: verify(head=...)"


def _problem(record: Record, place: int, genuine: bool, previous: str, last: int) -> str:
    """Return what is wrong with a record by itself, as the rest of a sentence; "" where nothing is."""
    if record.id < place:
        return "was put in: the ledger counts from 1"
    if record.id > place:
        return f"is missing: the next one there is record {record.id}"
    if genuine:
        return ""
    if not all(isinstance(each, str) for each in record[1:9]):
        return "was changed after it was written: one of its texts is no text"
    if record.previous != previous:
        for first in range(1, last + 1):
            if digest(record._replace(id=first)) == record.digest:
                return f"is not in its place: it was written as record {first}"
    return "was changed after it was written: its content does not give its digest"
