"""What is said of a filter that can't be understood, and where."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nsm_nb.errors import QueryError
from nsm_nb.full_content.filters import compile
from nsm_nb.full_content.filters.names import PORTS

MISTAKES = {
    "host www.example.com": (5, "is not looked up, which could tell its owner"),
    "tcp and host": (12, "after host an address is expected where the filter ends"),
    "tcp porrt 80": (4, "and, or, or the end of the filter"),
    "prot 80": (0, "did you mean proto?"),
    "example.com": (0, "names of hosts are not looked up"),
    "10.0.0.1": (0, "host 10.0.0.1"),
    "tcp or 443": (7, "has no word before it that says what it is"),
    "tcp port 80 host 10.0.0.1": (12, "and, or, or the end of the filter"),
    "port 80 or not 443 and 10.0.0.1": (23, "is no port"),
    "port 65536": (5, "they go up to 65535"),
    "port htttp": (5, "did you mean http?"),
    "port 0x": (5, "0x hexadecimal"),
    "net 10.1.2.3/8": (4, "net 10.0.0.0/8"),
    "net 10.0.0.0/33": (13, "up to 32 bits"),
    "net 2001:db8::1/32": (4, "net 2001:db8::/32"),
    "net 10.0.0.0 mask 255.0.0.256": (18, "is no mask"),
    "host 10.0.0.0/8": (14, "only net takes a mask"),
    "host 10.0.0.256": (5, "numbers go up to 255"),
    "host 1:2:3": (5, "is no IPv6 address"),
    "ether host 1:2:3": (11, "is no Ethernet address"),
    "pppoes and ether host 00:0c:29:aa:bb:01": (11, "has none; ask before pppoes"),
    "pppoes and broadcast": (11, "has none; ask before pppoes"),
    "pppoes and ether multicast": (11, "has none; ask before pppoes"),
    "ip host ::1": (8, "is an address of IPv6"),
    "ip6 host 10.0.0.1": (9, "is an address of IPv4"),
    "tcp host 10.0.0.1": (0, "tcp and host 10.0.0.1"),
    "ip port 80": (0, "ip has no ports"),
    "host 00:0c:29:aa:bb:01": (5, "ether host 00:0c:29:aa:bb:01"),
    "ether host 10.0.0.1": (11, "is no Ethernet address"),
    "ether 00:0c:29:aa:bb:01": (6, "after ether host, src, dst, proto"),
    "(tcp or udp": (11, "a closing parenthesis is expected where the filter ends"),
    "tcp)": (3, "was never opened"),
    "tcp[13 & 2 != 0": (11, "a closing ]"),
    "tcp[13] & 2": (11, "a comparison"),
    "tcp[13:3] = 1": (7, "1, 2 or 4 bytes"),
    "len / 0 = 1": (4, "divides by zero"),
    "len << 32 = 1": (4, "more than 31 bits"),
    "len-14 > 5": (0, "is no word of a filter"),
    "ip[0] > tcp-sin": (8, "a sign needs a space on both sides"),
    "tcp[0] = 4294967296": (9, "more than 32 bits"),
    "less 08": (5, "octal"),
    "gateway 10.0.0.1": (0, "nothing is looked up here"),
    "type mgt": (0, "can't be asked for"),
    "vlan 4096": (5, "more than 4,095"),
    "mpls and vlan": (9, "is not looked for inside mpls"),
    "mpls or pppoes": (8, "is not looked for inside mpls"),
    "pppoes and mpls": (11, "is not looked for inside pppoes"),
    "tcp proto 6": (0, "means nothing"),
    "ip proto tpc": (9, "did you mean tcp?"),
    "ip proto 256": (9, "up to 255"),
    "tcp & udp": (4, "and, or, or the end"),
    "tcp and and udp": (8, "a test such as"),
    'host "10.0.0.1"': (5, "quotation marks"),
    "tcp port 80 # web": (12, "begins no word"),
    "port": (4, "after port a port is expected"),
    "src": (3, "after src an address is expected"),
    "not": (3, "a test such as"),
    "tcp port domain-s or ntp": (21, "is not a port of tcp by its name"),
}


@pytest.mark.parametrize("line", MISTAKES)
def test_a_mistake_is_told_with_its_place_and_an_example(line):
    column, words = MISTAKES[line]

    with pytest.raises(QueryError) as told:
        compile(line)

    assert told.value.column == column
    assert str(told.value).startswith(f"at character {column + 1}: ")
    assert words in str(told.value)
    compile(str(told.value).rpartition("for example: ")[2])  # what is offered can be used


def test_what_tcpdump_refuses_is_refused():
    if shutil.which("tcpdump") is None:
        pytest.skip("tcpdump is not installed; it is the oracle of this test")
    # it has a meaning for some, for one that can't match any packet, and of the last its table of names knows more
    taken = {"mpls or pppoes", "pppoes and mpls", "type mgt", "ip proto 256", "tcp port domain-s or ntp"}
    for line in [each for each in MISTAKES if each not in taken and "example.com" not in each]:
        done = subprocess.run(["tcpdump", "-n", "-d", "-y", "EN10MB", "--", line], capture_output=True, timeout=60)
        assert done.returncode != 0, line


def test_hostile_characters_are_shown_and_not_sent():
    for line in ("host \x1b[31m", "tcp \u202e port", "port x\u200by", "a\x07b"):
        with pytest.raises(QueryError) as told:
            compile(line)
        assert not set(str(told.value)) & {"\x1b", "\u202e", "\u200b", "\x07"}


@pytest.mark.parametrize(
    "line",
    ["(" * 60 + "tcp" + ")" * 60, "port " + "(" * 5000 + "80", "tcp[" * 60, "len > " + "(" * 60, "- " * 500 + "1 = 1",
     "len" + " + len" * 200 + " > 1", "1 ^ " * 200 + "1 = len", " or ".join(["tcp"] * 2_001), "tcp or " * 20_000],
)  # fmt: skip
def test_what_is_too_deep_or_too_long_is_told(line):
    with pytest.raises(QueryError):
        compile(line)


def test_a_long_list_of_hosts_is_taken():
    hosts = " or ".join(f"10.0.{each // 256}.{each % 256}" for each in range(1_500))

    assert compile(f"host {hosts}").line.startswith("host 10.0.0.0 or")


_WORDS = [
    *(
        "tcp",
        "host",
        "10.0.0.1",
        "and",
        "or",
        "not",
        "port",
        "src",
        "80",
        "net",
        "::1",
        "vlan",
        "len",
        "ether",
        "proto",
    ),
    *("mask", "mpls", "ip6", "less", "13", *"()[]:&=-/!"),
]


@given(st.text(max_size=40) | st.lists(st.sampled_from(_WORDS), max_size=12).map(" ".join))
def test_any_line_is_a_filter_or_a_mistake_within_it(line):
    try:
        compile(line)
    except QueryError as told:
        assert 0 <= told.column <= len(line)


def test_names_of_ports_are_those_of_the_system():
    """Debian's table is tcpdump's; where it has a name of ours, it has the same port and protocols."""
    try:
        lines = [line.partition("#")[0].split() for line in Path("/etc/services").read_text().splitlines()]
    except OSError:
        pytest.skip("there is no /etc/services here; it is the oracle of this test")
    known: dict[str, set[tuple[str, str]]] = {}
    for name, port, *aliases in (each for each in lines if each):
        for each in (name, *aliases):
            known.setdefault(each, set()).add(tuple(port.split("/")))
    for name, (port, protocols) in PORTS.items():
        of = {protocol for number, protocol in known.get(name, ()) if number == str(port)} & {"tcp", "udp"}
        if of:
            assert set(protocols) - {"sctp"} == of, name
