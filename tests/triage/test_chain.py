"""The chain: what it covers, and what each way of tampering looks like."""

from __future__ import annotations

import hashlib
import json

from hypothesis import given
from hypothesis import strategies as st

from nsm_nb.triage.chain import EMPTY, Record, canonical, check, digest, extend

TIME = "2026-11-24T02:31:40.504000Z"
texts = st.text(st.characters(exclude_categories=["Cs"]))


def chain(*comments):
    """Return a chain with one record a comment."""
    records, last = [], (0, EMPTY)
    for comment in comments:
        (record,) = extend(
            last, ["0fd1:7"], time=TIME, analyst="ada", subject_kind="alert", category="I", comment=comment
        )
        records.append(record)
        last = record.id, record.digest
    return records


def sealed(record):
    """Return a record with the digest that fits its content, as a careful forger would."""
    return record._replace(digest=digest(record))


@given(subjects=st.lists(texts), comment=texts, analyst=texts, first=st.integers(0, 2**62))
def test_many_records_at_once_get_the_digests_of_the_slow_way(subjects, comment, analyst, first):
    records = extend(
        (first, EMPTY), subjects, time=TIME, analyst=analyst, subject_kind="alert", category="II", comment=comment
    )

    previous = EMPTY
    for number, (record, subject) in enumerate(zip(records, subjects, strict=True), first + 1):
        slow = {
            "id": number, "time": TIME, "analyst": analyst, "subject_kind": "alert", "subject": subject,
            "category": "II", "comment": comment, "previous": previous,
        }  # fmt: skip
        text = json.dumps(slow, ensure_ascii=False, sort_keys=True, separators=(",", ":"))
        assert canonical(record).decode() == text
        assert record.digest == digest(record) == hashlib.sha256(text.encode()).hexdigest()
        previous = record.digest


@given(texts, texts, texts, texts)
def test_no_two_contents_give_one_digest_by_where_a_text_ends(subject, comment, other, rest):
    one = Record(1, TIME, "ada", "alert", subject, "I", comment, EMPTY, "")
    two = one._replace(subject=other, comment=rest)

    assert (canonical(one) == canonical(two)) == ((subject, comment) == (other, rest))


def test_a_whole_chain_is_good_and_says_what_it_can_not_show():
    records = chain("a", "b", "c")
    found = check(records, last=3)

    assert found and found.ok and found.count == 3 and found.head == records[2].digest and found.first_bad is None
    assert "verify(head=...)" in found.reason


def test_any_head_the_chain_ever_had_is_known():
    records = chain("a", "b", "c")
    for head in (EMPTY, *(each.digest for each in records)):
        found = check(records, last=3, head=head)
        assert found.ok and found.reason == "3 records, each as it was written"


def test_a_cut_end_shows_against_a_noted_head_only():
    records = chain("a", "b", "c")

    assert check(records[:2], last=2).ok
    found = check(records[:2], last=2, head=records[2].digest)
    assert not found and found.first_bad is None and "cut off the end" in found.reason


def test_a_ledger_written_anew_shows_against_a_noted_head():
    head = chain("a", "b", "c")[2].digest

    assert not check(chain("a", "b", "forged"), last=3, head=head)


def test_an_edited_record_is_named():
    records = chain("a", "b", "c")
    for number in range(3):
        for field in ("time", "analyst", "subject_kind", "subject", "category", "comment", "previous"):
            edited = list(records)
            edited[number] = edited[number]._replace(**{field: "x"})
            found = check(edited, last=3)
            assert not found and found.first_bad == number + 1 and found.count == number
            assert f"record {number + 1} was changed" in found.reason
            assert found.head == (records[number - 1].digest if number else EMPTY)


def test_a_value_that_is_no_text_is_named():
    records = chain("a", "b", "c")
    for value in (None, 5, b"a", "\udcff"):
        found = check([records[0], records[1]._replace(comment=value), records[2]], last=3)
        assert found.first_bad == 2 and "record 2 was changed" in found.reason


def test_a_missing_record_is_named():
    records = chain("a", "b", "c", "d")
    for number in range(3):
        found = check(records[:number] + records[number + 1 :], last=4)
        assert found.first_bad == number + 1 and found.count == number
        assert found.reason == f"record {number + 1} is missing: the next one there is record {number + 2}"


def test_exchanged_records_are_named_with_the_places_they_had():
    a, b, c, d = chain("a", "b", "c", "d")
    found = check([a, c._replace(id=2), b._replace(id=3), d], last=4)

    assert found.first_bad == 2 and found.reason == "record 2 is not in its place: it was written as record 3"


def test_records_taken_out_and_counted_anew_are_named():
    a, _, c, d = chain("a", "b", "c", "d")
    found = check([a, c._replace(id=2), d._replace(id=3)], last=3)

    assert found.first_bad == 2 and "was written as record 3" in found.reason


def test_a_record_rewritten_with_its_digest_is_named_by_the_one_after_it():
    a, b, c, d = chain("a", "b", "c", "d")
    found = check([a, sealed(b._replace(comment="forged")), c, d], last=4)

    assert found.first_bad == 2 and found.count == 1 and found.head == a.digest
    assert found.reason == "record 2 was rewritten, digest and all: record 3 remembers another digest of it"


def test_a_first_record_rewritten_with_its_digest_is_named():
    a, b = chain("a", "b")
    found = check([sealed(a._replace(comment="forged")), b], last=2)

    assert (found.first_bad, found.count, found.head) == (1, 0, EMPTY)


def test_a_record_whose_link_was_rewritten_is_named():
    a, b, c, d = chain("a", "b", "c", "d")
    found = check([a, b, sealed(c._replace(previous="0" * 64)), d], last=4)

    assert found.first_bad == 3 and found.count == 2


def test_a_chain_that_starts_in_the_middle_of_another_is_named():
    _, b, c = chain("a", "b", "c")
    found = check([sealed(b._replace(id=1)), sealed(c._replace(id=2))], last=2)

    assert found.first_bad == 1


def test_a_record_before_the_first_is_named():
    a, *_ = chain("a")
    found = check([sealed(a._replace(id=-4)), a], last=1)

    assert found.first_bad == -4 and "counts from 1" in found.reason


@given(st.lists(st.sampled_from("abc"), min_size=1, max_size=6), st.data())
def test_any_single_change_is_seen(comments, data):
    records = chain(*comments)
    number = data.draw(st.integers(0, len(records) - 1))
    field = data.draw(st.sampled_from(Record._fields))
    value = data.draw(st.integers() if field == "id" else texts)
    edited = list(records)
    edited[number] = edited[number]._replace(**{field: value})

    assert check(edited, last=len(records)).ok == (edited == records)
