import pandas as pd
import pytest

from nsm_nb.query import compile as understood
from nsm_nb.query import query
from nsm_nb.widgets.narrowing import narrowed, term_of_layers, term_of_row

ROWS = pd.DataFrame({"proto": ["tcp", "udp", "tcp"], "dst_port": [80, 53, 22]})


@pytest.mark.parametrize("line", ["", "tcp", "tcp or udp", "udp || tcp", 'proto "a or b"'])
@pytest.mark.parametrize("term", ["dst port 80", "tcp and dst port 22", "dst port 53 or dst port 22"])
def test_a_narrowed_line_finds_what_it_says(line, term):
    base, found = query(ROWS, line).index, query(ROWS, term).index

    assert query(ROWS, narrowed(line, term, "include")).index.tolist() == [each for each in base if each in found]
    assert query(ROWS, narrowed(line, term, "exclude")).index.tolist() == [each for each in base if each not in found]
    assert query(ROWS, narrowed(line, term, "only")).index.tolist() == found.tolist()


def test_the_same_twice_is_said_once():
    once = narrowed("udp", "host 10.0.0.7", "include")

    assert narrowed(once, "host 10.0.0.7", "include") == once
    assert narrowed(narrowed(once, "tcp", "exclude"), "tcp", "exclude") == f"{once} and not tcp"


def test_a_way_that_is_not_known_is_refused():
    with pytest.raises(ValueError, match="include, exclude, only"):
        narrowed("", "tcp", "perhaps")


@pytest.mark.parametrize("proto", ["tcp", "47", 'a" or tcp or "', "or", "a\\", "not", "\x1b[2J", "a b", "名前"])
def test_whatever_a_protocol_is_called_the_term_finds_it_alone(proto):
    rows = pd.DataFrame({"proto": [proto, "udp"], "dst_port": [1, 1]})
    term = term_of_row({"proto": proto, "port": 1})

    assert query(rows, term)["proto"].tolist() == [proto]
    assert query(rows, narrowed("", term, "exclude"))["proto"].tolist() == ["udp"]


def test_what_is_missing_is_no_term():
    assert term_of_row({"host": pd.NA, "octets": 1}) is None
    assert term_of_row({"proto": None, "port": 5}) is None
    assert term_of_row({"proto": "icmp", "port": pd.NA}) == "icmp"
    assert term_of_layers("eth") is None and term_of_layers("(not decoded)") is None


@pytest.mark.parametrize(
    ("path", "term"),
    [
        ("eth:vlan:ip:udp", "udp and ip"), ("eth:ipv6:icmpv6", "icmp6"), ("eth:arp", "arp"),
        ("ip:tcp:http", "tcp and application = http and ip"), ("eth:ip:ipv6:tcp", "tcp and ip6"),
        ("ip:47", "proto 47 and ip"),
    ],
)  # fmt: skip
def test_layers_become_words(path, term):
    assert term_of_layers(path) == term
    understood(term)
