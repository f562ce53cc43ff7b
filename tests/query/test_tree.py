"""A line as a tree: what each test asks about, and how tests are joined."""

from __future__ import annotations

import pandas as pd
import pytest

from nsm_nb.query import compile
from nsm_nb.query.tree import Joined, Not, Term

TREES = {
    "": ("and",),
    "tcp": ("proto", "=", "tcp"),
    "ICMPv6": ("proto", "=", "icmp6"),
    "ip6": ("host", "=", "::/0"),
    "10.0.0.7": ("host", "=", "10.0.0.7"),
    "dst net != 10.0.0.0/8": ("dst host", "!=", "10.0.0.0/8"),
    "dst or src port >= 80": ("port", ">=", "80"),
    "src and dst port 80": ("src and dst port", "=", "80"),
    "src portrange 1-80": ("src portrange", "=", "1-80"),
    "Octets == 5": ("octets", "=", "5"),
    "history MATCHES '^S'": ("history", "matches", "^S"),
    "'a b'": ("any column", "~", "a b"),
    "matches a": ("any column", "matches", "a"),
    "lastday": ("time", "=", "lastday"),
    "start > 2026-11-24 02:31": ("start", ">", "2026-11-24 02:31"),
    "alert": ("alert", "", ""),
    "alert !~ smb": ("alert", "!~", "smb"),
    "alert sid 5": ("alert sid", "=", "5"),
    "not not udp": ("proto", "=", "udp"),
    "not not not udp": ("not", ("proto", "=", "udp")),
    "udp or (port 1 or (port 2)) or alert": (
        "or", ("proto", "=", "udp"), ("port", "=", "1"), ("port", "=", "2"), ("alert", "", ""),
    ),
    "udp or port 1 and not (alert or port 2)": (
        "or", ("proto", "=", "udp"),
        ("and", ("port", "=", "1"), ("not", ("or", ("alert", "", ""), ("port", "=", "2")))),
    ),
}  # fmt: skip


def said(node):
    """Return a tree without places and tests."""
    if isinstance(node, Term):
        return node.field, node.comparison, node.value.text
    if isinstance(node, Not):
        return "not", said(node.inner)
    assert isinstance(node, Joined)
    return node.joint, *map(said, node.parts)


@pytest.mark.parametrize("line", TREES)
def test_a_line_is_a_tree_of_its_tests(line):
    assert said(compile(line).tree) == TREES[line]


def test_home_networks_are_looked_for_and_told_from_a_text():
    meant, text = compile("src $home or sensor '$HOME'", home=["10.0.0.0/8", "::1"]).tree.parts

    assert meant.value == ("10.0.0.0/8,::1", 4, True)
    assert text.value == ("$HOME", 21, False)
    assert meant.mask(pd.DataFrame({"src_ip": ["10.1.1.1", "::1", "::2"]})).tolist() == [True, True, False]
