"""From an alert to its packet: what a rule looks for, where it may stand, which way it goes."""

from __future__ import annotations

import time

import pytest

from nsm_nb.alerts.packet import Content, contents, holds


@pytest.mark.parametrize(
    ("rule", "found"),
    [
        ('alert tcp any any -> any any (content:"uid=0(root)"; sid:1;)', [Content(b"uid=0(root)")]),
        ('alert tcp any any -> any any (content:"|FE|SMB"; offset:4; depth:4; content:"|0E 00|"; distance:8; within:2; sid:1;)',
         [Content(b"\xfeSMB", offset=4, depth=4), Content(b"\x0e\x00", distance=8, within=2)]),
        ('alert tcp any any -> any any (content:"STOR "; nocase; depth:5; sid:1;)', [Content(b"STOR ", nocase=True, depth=5)]),
        ('alert tcp any any -> any any (content:"a",offset 4,nocase; sid:1;)', [Content(b"a", nocase=True, offset=4)]),
        (r'alert tcp any any -> any any (content:"a\"\;b\\"; sid:1;)', [Content(b'a";b\\')]),
        ('alert tcp any any -> any any (content:!"not"; depth:5; content:"yes"; sid:1;)', [Content(b"yes")]),
        ('alert http any any -> any any (http.uri; content:"/upd"; offset:2; sid:1;)', [Content(b"/upd")]),
        ("alert tcp any any -> any any (sid:1;)", []),
        ("no rule at all", []),
        ('alert tcp any any -> any any (content:"|zz 4|"; sid:1;)', []),
    ],
)  # fmt: skip
def test_contents_of_a_rule_are_read_with_their_places(rule, found):
    assert contents(rule) == found


@pytest.mark.parametrize(
    ("payload", "wanted", "held"),
    [
        (b"xxabc", [Content(b"abc")], True),
        (b"xxABC", [Content(b"abc")], False),
        (b"xxABC", [Content(b"abc", nocase=True)], True),
        (b"xxabc", [Content(b"abc", offset=3)], False),
        (b"xxabc", [Content(b"abc", offset=2, depth=3)], True),
        (b"xxabc", [Content(b"abc", offset=1, depth=3)], False),
        (b"ab..cd", [Content(b"ab"), Content(b"cd", distance=2, within=2)], True),
        (b"ab.cd", [Content(b"ab"), Content(b"cd", distance=2)], False),
        (b"ab....cd", [Content(b"ab"), Content(b"cd", within=4)], False),
        (b"ab..ab.cd", [Content(b"ab"), Content(b"cd", distance=1, within=2)], True),  # the second ab
        (b"cd ab", [Content(b"ab"), Content(b"cd")], True),  # without modifiers the order means nothing
        (b"", [Content(b"a")], False),
    ],
)
def test_a_payload_holds_contents_at_their_places_only(payload, wanted, held):
    assert holds(payload, wanted) == held


def test_neither_a_rule_nor_a_payload_can_make_it_long():
    wanted = [Content(b"a"), *[Content(b"a", distance=0)] * 12, Content(b"b", distance=0)]
    started = time.process_time()

    assert not holds(b"a" * 100_000, wanted)

    assert time.process_time() - started < 5
