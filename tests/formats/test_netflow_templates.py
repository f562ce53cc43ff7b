"""NetFlow version 9 and IPFIX: templates, options, biflows, times; against pmacct, tshark and records built here."""

from __future__ import annotations

import json
import struct
from ipaddress import ip_address

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from nsm_nb.formats import netflow, netflow_file, recognised
from nsm_nb.schema import FLOWS, caveats_of
from tests.formats.test_netflow import NOW, capture, export, record, told, udp, values

MILLI = 1_795_487_390_000  # ten seconds before NOW
PLAIN = ((8, 4), (12, 4), (4, 1), (7, 2), (11, 2), (2, 4), (1, 4))


# --- making datagrams


def a_set(number, body):
    return struct.pack(">HH", number, 4 + len(body)) + body


def fields(*pairs):
    return b"".join(
        struct.pack(">HHI", 0x8000 | pair[0], pair[1], pair[2]) if len(pair) == 3 else struct.pack(">HH", *pair)
        for pair in pairs
    )


def template(number, *pairs, options=0, version=10):
    if not options:
        return a_set(0 if version == 9 else 2, struct.pack(">HH", number, len(pairs)) + fields(*pairs))
    if version == 9:
        head = struct.pack(">HHH", number, 4 * options, 4 * (len(pairs) - options))
        return a_set(1, head + fields(*pairs))
    return a_set(3, struct.pack(">HHH", number, len(pairs), options) + fields(*pairs))


def ipfix(*sets, sequence=0, domain=0, seconds=NOW):
    body = b"".join(sets)
    return struct.pack(">HHIII", 10, 16 + len(body), seconds, sequence, domain) + body


def nine(*sets, sequence=0, domain=0, uptime=10_000_000):
    return struct.pack(">HHIIII", 9, 1, uptime, NOW, sequence, domain) + b"".join(sets)


def plain(src=0x0A000001, proto=6, sport=1024, dport=80, packets=3, octets=180):
    return struct.pack(">IIBHHII", src, 0x0A000002, proto, sport, dport, packets, octets)


def read(tmp_path, *payloads):
    return netflow.sessions(capture(tmp_path, *map(udp, payloads)), label="x")


def read_file(tmp_path, *payloads):
    path = tmp_path / "exports.bin"
    path.write_bytes(b"".join(payloads))
    return netflow_file.sessions(path, label="x")


# --- other programs' readings


@pytest.mark.parametrize(("test", "sampled"), [("100", 1), ("101", 1), ("102", 1), ("104", 256)])
def test_flows_equal_those_that_pmacct_prints(shared, test, sampled):
    (folder,) = (shared / "corpus" / "other" / "pmacct" / "tests").glob(f"{test}-*")
    lines = (folder / "output-flow-00.json").read_text().splitlines()
    printed = [json.loads(line) for line in lines if line.startswith("{")]
    table = netflow.sessions(folder / "traffic-00.pcap", label="x")

    # pmacct multiplies what was sampled; we tell by how much
    assert table["sampling"].fillna(1).eq(sampled).all()
    mine = zip(table["src_ip"].astype(str), table["dst_ip"].astype(str), table["src_packets"] * sampled,
               table["src_octets"] * sampled, strict=True)  # fmt: skip
    assert sorted(mine) == sorted((each["ip_src"], each["ip_dst"], each["packets"], each["bytes"]) for each in printed)


# tshark 4.0.17, -d udp.port==9995,cflow -e cflow.srcaddr -e cflow.octets -e cflow.packets: records, packets, octets
TSHARK = {
    "ipfix.dat": (6, 42, 10_563),
    "netflow9_test_softflowd_tpl_data.dat": (7, 13, 1128),
    "netflow9_test_valid01.dat": (7, 13, 1128),
    "netflow5_test_juniper_mx80.dat": (29, 31, 3989),
    "netflow5_test_microtik.dat": (30, 160, 40_812),
}


@pytest.mark.parametrize("name", TSHARK)
def test_datagrams_of_other_exporters_equal_what_tshark_shows(shared, tmp_path, name):
    payload = (shared / "corpus" / "other" / "logstash-netflow" / "spec" / "codecs" / name).read_bytes()
    table = read(tmp_path, payload)
    assert (len(table), table["src_packets"].sum(), table["src_octets"].sum()) == TSHARK[name]


@pytest.mark.parametrize(
    ("names", "count", "packets", "octets"),
    [
        (("ipfix_test_openbsd_pflow_tpl", "ipfix_test_openbsd_pflow_data"), 26, 209, 99_323),
        (("ipfix_test_netscaler_tpl", "ipfix_test_netscaler_data"), 3, 5, 3106),
        (("netflow9_test_macaddr_tpl", "netflow9_test_macaddr_data"), 29, 0, 0),
        (("netflow9_test_cisco_asa_1_tpl", "netflow9_test_cisco_asa_1_data"), 14, 0, 888),
    ],
)
def test_templates_that_come_in_another_datagram_are_used(shared, tmp_path, names, count, packets, octets):
    folder = shared / "corpus" / "other" / "logstash-netflow" / "spec" / "codecs"
    payloads = [(folder / f"{name}.dat").read_bytes() for name in names]
    for order in (payloads, payloads[::-1]):  # data that came first wait
        table = read(tmp_path, *order)
        assert (len(table), table["src_packets"].sum(), table["src_octets"].sum()) == (count, packets, octets)


def test_yaf_tells_both_directions(shared, tmp_path):
    folder = shared / "corpus" / "other" / "logstash-netflow" / "spec" / "codecs"
    names = ("tpls_option_tpl", "tpl45841", "data45841", "data45873", "data53248")
    table = read(tmp_path, *((folder / f"ipfix_test_yaf_{name}.dat").read_bytes() for name in names))
    both = ["src_packets", "src_octets", "dst_packets", "dst_octets"]
    assert [values(table[name]) for name in both] == [[2, 4], [132, 172], [2, 2], [200, 92]]
    assert values(table["src_port"]) == [46_086, 63_499]


@pytest.mark.parametrize(
    ("name", "count", "packets", "octets"), [("v5", 79, 134, 7938), ("v9", 80, 135, 8020), ("v10", 80, 135, 8020)]
)
def test_the_fixture_tells_the_same_by_each_version(shared, name, count, packets, octets):
    path = shared / "fixtures" / f"softflowd.{name}.bin"
    table = netflow_file.sessions(path, label="x")
    assert recognised(path) == ["netflow-file"]
    assert (len(table), table["src_packets"].sum(), table["src_octets"].sum()) == (count, packets, octets)
    # softflowd's version 9 has whole seconds in its header: 30 ms early
    assert abs(table["start"].min() - pd.Timestamp("2003-11-13 17:00:02Z")) <= pd.Timedelta("30ms")
    assert abs(table["end"].max() - pd.Timestamp("2003-11-13 17:20:02.03Z")) <= pd.Timedelta("30ms")


def test_first_and_last_that_softflowd_swaps_are_turned(shared):
    table = netflow_file.sessions(shared / "fixtures" / "broken_clock" / "softflowd.v10_a_swapped.bin", label="x")
    assert (table["duration"] >= 0).all()
    right = netflow_file.sessions(shared / "fixtures" / "softflowd.v10.bin", label="x")
    assert sorted(table["duration"].round(3)) == sorted(right["duration"].round(3))


@pytest.mark.parametrize("name", ["v5", "v9", "v10"])
def test_a_clock_that_was_fed_an_old_capture_is_told(shared, name):
    table = netflow_file.sessions(shared / "fixtures" / "broken_clock" / f"softflowd.{name}.bin", label="x")
    assert any("lie more than 2 hours from when" in detail for detail in told(table, "clock"))


# --- fields


def one(tmp_path, pairs, body, *options):
    table = read(tmp_path, ipfix(*options, template(300, *pairs), a_set(300, body)))
    assert len(table) == 1
    pd.testing.assert_frame_equal(FLOWS.conform(table), table)
    return table.iloc[0]


@pytest.mark.parametrize(
    ("pairs", "body"),
    [
        (((152, 8), (153, 8)), struct.pack(">QQ", MILLI, MILLI + 4000)),
        (((150, 4), (151, 4)), struct.pack(">II", MILLI // 1000, MILLI // 1000 + 4)),
        (((154, 8), (155, 8)), struct.pack(">IIII", MILLI // 1000 + 2_208_988_800, 0, MILLI // 1000 + 2_208_988_804, 0x7FF)),
        (((156, 8), (157, 8)), struct.pack(">IIII", MILLI // 1000 + 2_208_988_800, 0, MILLI // 1000 + 2_208_988_804, 0)),
        (((158, 4), (159, 4)), struct.pack(">II", 10_000_000, 6_000_000)),
        (((152, 8), (161, 4)), struct.pack(">QI", MILLI, 4000)),
        (((160, 8), (22, 4), (21, 4)), struct.pack(">QII", MILLI - 2**32 + 1000, 2**32 - 1000, 3000)),  # the uptime went round
    ],
)  # fmt: skip
def test_times_of_every_kind_are_read(tmp_path, pairs, body):
    row = one(tmp_path, (*PLAIN, *pairs), plain() + body)
    assert (row["start"], row["end"]) == (
        pd.Timestamp(MILLI, unit="ms", tz="UTC"),
        pd.Timestamp(MILLI + 4000, unit="ms", tz="UTC"),
    )
    assert row["received"] == pd.Timestamp(NOW, unit="s", tz="UTC")


def test_halves_of_a_second_are_exact_in_ntp_stamps(tmp_path):
    seconds = MILLI // 1000 + 2_208_988_800
    row = one(
        tmp_path,
        (*PLAIN, (154, 8), (156, 8)),
        plain() + struct.pack(">IIII", seconds, 0x8000_0000, seconds, 0x8000_0000),
    )
    assert row["start"] == pd.Timestamp(MILLI + 500, unit="ms", tz="UTC")


def test_uptimes_of_version_9_go_round(tmp_path):
    pairs = (*PLAIN, (22, 4), (21, 4))
    body = plain() + struct.pack(">II", 2**32 - 5000, 1000)
    table = read(tmp_path, nine(template(300, *pairs, version=9), a_set(300, body), uptime=5000))
    base = pd.Timestamp(NOW, unit="s", tz="UTC")
    assert (table["start"][0], table["end"][0]) == (base - pd.Timedelta("10s"), base - pd.Timedelta("4s"))


def test_uptimes_without_a_start_are_missing_and_told(tmp_path):
    body = plain() + struct.pack(">II", 1000, 2000)
    payload = ipfix(template(300, *PLAIN, (22, 4), (21, 4)), a_set(300, body))
    table = read(tmp_path, payload)
    assert table[["start", "end", "duration"]].isna().all(axis=None)
    assert told(table, "template") == [
        "x: 1 flow has no times: it counts from a start of its exporter that is not told"
    ]
    start = ipfix(template(299, (143, 4), (160, 8), options=1), a_set(299, struct.pack(">IQ", 0, NOW * 1000 - 3000)))
    for order in ((start, payload), (payload, start)):
        assert values(read(tmp_path, *order)["duration"]) == [1.0]


def test_integers_may_be_shorter_or_longer(tmp_path):
    pairs = ((8, 4), (12, 4), (4, 2), (7, 2), (11, 2), (2, 3), (1, 8), (6, 2), (58, 2))
    body = struct.pack(">IIHHH", 1, 2, 17, 53, 5353) + b"\x01\x00\x00" + struct.pack(">QHH", 2**40, 0x0112, 7)
    row = one(tmp_path, pairs, body)
    assert (row["proto"], row["src_port"], row["src_packets"], row["src_octets"]) == ("udp", 53, 65_536, 2**40)
    assert (row["src_flags"], row["vlan"]) == (0x12, 7)


@pytest.mark.parametrize(
    ("pairs", "body", "state"),
    [
        (((4, 1), (32, 2)), b"\x01\x03\x03", "URP"),
        (((4, 1), (176, 1), (177, 1)), b"\x01\x08\x00", "ECO"),
        (((4, 1), (139, 2)), b"\x3a\x81\x00", "ECR"),
        (((4, 1), (178, 1), (179, 1)), b"\x3a\x80\x00", "ECO"),
        (((4, 1), (11, 2)), b"\x01\x03\x03", "URP"),
    ],
)
def test_messages_of_icmp_are_the_state(tmp_path, pairs, body, state):
    row = one(tmp_path, ((8, 4), (12, 4), *pairs), bytes(8) + body)
    assert row["state"] == state
    assert pd.isna(row["dst_port"])


def test_both_directions_of_rfc_5103_are_one_row(tmp_path):
    pairs = (*PLAIN, (152, 8), (153, 8), (2, 4, 29_305), (1, 4, 29_305), (6, 1, 29_305), (153, 8, 29_305), (239, 1))
    for direction, sides in ((1, "ab"), (2, "ba"), (0, "ab")):
        body = plain() + struct.pack(">QQIIBQB", MILLI, MILLI + 1000, 7, 700, 0x12, MILLI + 2000, direction)
        row = one(tmp_path, pairs, body)
        found = {"a": (row["src_packets"], row["src_octets"]), "b": (row["dst_packets"], row["dst_octets"])}
        assert (found[sides[0]], found[sides[1]]) == ((3, 180), (7, 700))
        assert row["direction_known"] == (direction > 0)
        assert row["duration"] == 2.0
        assert row["src_port" if sides == "ab" else "dst_port"] == 1024


def test_fields_of_varying_length_and_of_enterprises_are_passed_over(tmp_path):
    pairs = ((82, 65_535), (8, 4), (6871, 3, 12_345), (12, 4), (33, 65_535), (2, 4), (1, 4))
    rows = b"".join(
        bytes([len(text)]) + text + struct.pack(">I", place) + b"abc" + struct.pack(">I", 9) + b"\xff" + struct.pack(">H", 300)
        + bytes(300) + struct.pack(">II", place + 1, 100)
        for place, text in enumerate((b"", b"eth0", b"x" * 254))
    )  # fmt: skip
    table = read(tmp_path, ipfix(template(300, *pairs), a_set(300, rows + b"\0\0")))
    assert values(table["src_ip"]) == ["0.0.0.0", "0.0.0.1", "0.0.0.2"]
    assert values(table["src_packets"]) == [1, 2, 3]


def test_addresses_of_both_kinds_in_one_template_are_told_apart(tmp_path):
    pairs = ((27, 16), (28, 16), (8, 4), (12, 4), (1, 4))
    rows = (
        bytes(32)
        + struct.pack(">III", 1, 2, 10)
        + b"\x20\x01"
        + bytes(13)
        + b"\1"
        + b"\xfe\x80"
        + bytes(14)
        + bytes(12)
    )
    table = read(tmp_path, ipfix(template(300, *pairs), a_set(300, rows)))
    assert values(table["src_ip"]) == ["0.0.0.1", "2001::1"]
    assert values(table["dst_ip"]) == ["0.0.0.2", "fe80::"]


def test_sampling_of_options_holds_for_its_exporter_and_sampler(tmp_path):
    options = template(290, (144, 4), (48, 2), (50, 4), options=1)
    told_two = a_set(290, struct.pack(">IHI", 0, 1, 100) + struct.pack(">IHI", 0, 2, 7))
    flows = template(300, *PLAIN, (48, 2))
    rows = a_set(300, plain() + b"\0\1" + plain() + b"\0\2" + plain() + b"\0\0")
    assert values(read(tmp_path, ipfix(options, told_two, flows, rows))["sampling"]) == [100, 7, None]
    one_only = a_set(290, struct.pack(">IHI", 0, 1, 100))
    assert values(read(tmp_path, ipfix(flows, rows), ipfix(options, one_only))["sampling"]) == [100, None, 100]
    other = netflow.sessions(
        capture(tmp_path, udp(ipfix(options, one_only)), udp(ipfix(flows, rows), src=2)), label="x"
    )
    assert values(other["sampling"]) == [None, None, None]


# --- templates


def test_data_wait_for_their_template(tmp_path):
    table = read(
        tmp_path,
        ipfix(a_set(300, plain(src=1)), a_set(300, plain(src=2))),
        ipfix(template(300, *PLAIN)),
        ipfix(a_set(300, plain(src=3))),
    )
    assert values(table["src_ip"]) == ["0.0.0.1", "0.0.0.2", "0.0.0.3"]
    assert "2 sets of data of 1 template came before their template" in told(table, "template")[0]


def test_data_whose_template_never_comes_are_told(tmp_path):
    table = read(
        tmp_path, ipfix(template(300, *PLAIN), a_set(300, plain()), a_set(301, bytes(50)), a_set(301, bytes(10)))
    )
    assert len(table) == 1
    (detail,) = told(table, "template")
    assert (
        "2 sets of data (60 bytes) of exporter 192.0.2.1:40000 to port 9995 can't be read: their template 301 never"
        in detail
    )


def test_templates_hold_for_one_domain_of_one_exporter(tmp_path):
    turned = ((12, 4), (8, 4), *PLAIN[2:])
    frames = [
        udp(ipfix(template(300, *PLAIN))),
        udp(ipfix(template(300, *turned), domain=1)),
        udp(ipfix(template(300, *turned)), src=2),
        udp(ipfix(a_set(300, plain()))),
        udp(ipfix(a_set(300, plain()), domain=1)),
        udp(ipfix(a_set(300, plain())), src=2),
        udp(ipfix(a_set(300, plain())), sport=41_000),  # no template of its own: that of the other port
        udp(ipfix(a_set(300, plain())), src=3),
    ]
    table = netflow.sessions(capture(tmp_path, *frames), label="x")
    assert values(table["src_ip"]) == ["10.0.0.1", "10.0.0.2", "10.0.0.2", "10.0.0.1"]
    assert any("from another port" in detail for detail in told(table, "template"))


def test_a_template_that_is_defined_anew_holds_from_there_on(tmp_path):
    turned = ((12, 4), (8, 4), *PLAIN[2:])
    table = read(
        tmp_path, ipfix(template(300, *PLAIN), a_set(300, plain()), template(300, *turned), a_set(300, plain()))
    )
    assert values(table["src_ip"]) == ["10.0.0.1", "10.0.0.2"]
    assert "1 time 1 template was defined anew" in told(table, "template")[0]


@pytest.mark.parametrize("withdrawn", [300, 2])
def test_a_template_that_is_withdrawn_holds_no_longer(tmp_path, withdrawn):
    gone = a_set(2, struct.pack(">HH", withdrawn, 0))
    table = read(tmp_path, ipfix(template(300, *PLAIN), a_set(300, plain()), gone, a_set(300, plain())))
    assert len(table) == 1
    assert any("1 template was withdrawn" in detail for detail in told(table, "template"))
    assert any("never came" in detail for detail in told(table, "template"))


def test_records_without_addresses_are_counted(tmp_path):
    table = read(
        tmp_path,
        ipfix(
            template(300, (56, 6), (80, 6), (1, 4)), a_set(300, bytes(48)), template(301, *PLAIN), a_set(301, plain())
        ),
    )
    assert len(table) == 1
    assert (
        "3 records of template 300 of exporter 192.0.2.1:40000 to port 9995 tell of link-layer addresses only"
        in told(table, "records")[0]
    )


# --- nonsense


@pytest.mark.parametrize(
    ("sets", "kind", "words"),
    [
        ([struct.pack(">HH", 300, 3)], "format", "shorter than its own header"),
        ([struct.pack(">HH", 300, 900) + plain()], "format", "longer than the datagram"),
        ([a_set(7, b"abcd")], "format", "a set of the kind 7, which is none"),
        ([a_set(2, struct.pack(">HH", 301, 65_535) + fields((1, 4)))], "format", "claims more fields than it has"),
        ([a_set(2, struct.pack(">HH", 200, 1) + fields((1, 4)))], "format", "a template of the number 200"),
        ([template(301, (1, 0), (8, 0)), a_set(301, bytes(400))], "template", "records without length"),
        ([template(301, (1, 0), *PLAIN), a_set(301, plain() + b"\0")], None, ""),
    ],
)
def test_nonsense_costs_only_itself_and_is_told(tmp_path, sets, kind, words):
    good = ipfix(template(300, *PLAIN), a_set(300, plain()))
    table = read(tmp_path, good, ipfix(template(300, *PLAIN), *sets), good)
    assert len(table) == 2 + (kind is None) + (words == "longer than the datagram")
    assert kind is None or any(words in detail for detail in told(table, kind))


def test_lengths_of_ipfix_that_lie_are_told(tmp_path):
    good = ipfix(template(300, *PLAIN), a_set(300, plain()))
    longer, shorter = (good[:2] + struct.pack(">H", len(good) + by) + good[4:] for by in (50, -10))
    for payload, rows, kind in (
        (longer, 1, "cut"),
        (shorter, 0, "format"),
        (good[:2] + b"\0\5" + good[4:], 0, "format"),
    ):
        table = read(tmp_path, payload, good)
        assert len(table) == 1 + rows
        assert told(table, kind)


@pytest.mark.slow
def test_thousands_of_templates_take_no_time_and_make_few_caveats(tmp_path):
    many = [
        ipfix(template(256 + number, (8, 4), (number, 4)), a_set(256 + number, bytes(8)), domain=number)
        for number in range(3000)
    ]
    table = read(tmp_path, *many, *(ipfix(a_set(9000 + number, b"abcd"), domain=number) for number in range(100)))
    assert len(table) == 2000
    assert any("1,000 sets of data were not read" in detail for detail in told(table, "template"))
    assert len(caveats_of(table)) < 60


# --- lost


@pytest.mark.parametrize(
    ("numbers", "lost"),
    [([1, 2, 3], None), ([1, 2, 5], "2 datagrams lost of exporter"), ([1, 5, 3, 2], "1 datagram lost of exporter")],
)
def test_version_9_counts_datagrams(tmp_path, numbers, lost):
    sets = [template(300, *PLAIN, version=9), a_set(300, plain() * 3)]
    details = told(read(tmp_path, *(nine(*sets, sequence=number) for number in numbers)), "lost")
    assert (not details) if lost is None else (lost in details[0])


@pytest.mark.parametrize(
    ("numbers", "lost"),
    [
        ([0, 3, 6], None),  # RFC 7011: records sent before
        ([0, 3, 10], "4 records lost of exporter"),
        ([3, 6, 9], None),
        ([2**32 - 3, 0, 3], None),
    ],
)
def test_ipfix_counts_records(tmp_path, numbers, lost):
    sets = [template(300, *PLAIN), a_set(300, plain() * 3)]
    details = told(read(tmp_path, *(ipfix(*sets, sequence=number) for number in numbers)), "lost")
    assert (not details) if lost is None else (lost in details[0])


# --- whatever the templates are

LENGTHS = {8: 4, 12: 4, 4: 1, 7: 2, 11: 2, 2: 4, 1: 8}


@st.composite
def layouts(draw):
    known = draw(st.permutations(list(LENGTHS)))
    others = draw(
        st.lists(st.tuples(st.integers(900, 2000), st.sampled_from([0, 1, 3, 65_535]), st.integers(0, 1)), max_size=4)
    )
    pairs: list = [(element, LENGTHS[element]) for element in known]
    for element, length, enterprise in others:
        pairs.insert(draw(st.integers(0, len(pairs))), (element, length, 77) if enterprise else (element, length))
    return pairs


def written(pairs, numbers):
    body = b""
    for pair in pairs:
        if pair[0] in LENGTHS:
            body += int(numbers[pair[0]]).to_bytes(pair[1])
        elif pair[1] == 65_535:
            body += b"\x02ab" if numbers[1] % 2 else b"\xff\0\x03abc"
        else:
            body += bytes(pair[1])
    return body


@settings(deadline=None, max_examples=15)
@given(st.lists(st.tuples(layouts(), st.integers(0, 5)), min_size=1, max_size=3), st.randoms(), st.data())
def test_records_of_any_layout_are_read_back_and_cuts_lose_only_what_is_behind(tmp_path_factory, made, random, data):
    payloads, expected = [], []
    for number, (pairs, count) in enumerate(made):
        rows = [
            {element: random.randrange(1, 256 ** min(length, 7)) for element, length in LENGTHS.items()}
            for _ in range(count)
        ]
        body = b"".join(written(pairs, row) for row in rows)
        payloads.append(ipfix(template(300 + number, *pairs), a_set(300 + number, body)))
        for row in rows:
            ports = (row[7], row[11]) if row[4] in (6, 17, 33, 132, 136) else (-1, -1)
            expected.append((row[2], row[1], str(ip_address(row[8])), *ports))
    folder = tmp_path_factory.mktemp("layouts")

    def seen(table):
        ports = (table[name].astype("Int64").fillna(-1) for name in ("src_port", "dst_port"))
        return list(zip(table["src_packets"], table["src_octets"], table["src_ip"].astype(str), *ports, strict=True))

    table = read_file(folder, *payloads)
    assert seen(table) == expected
    whole = b"".join(payloads)
    cut = data.draw(st.integers(1, len(whole)))
    (folder / "cut").write_bytes(whole[:cut])
    rest = netflow_file.sessions(folder / "cut", label="x")
    assert seen(rest) == expected[: len(rest)]
    before = sum(
        count for end, (_, count) in zip(np.cumsum([len(each) for each in payloads]), made, strict=True) if end <= cut
    )
    assert len(rest) >= before


@settings(deadline=None, max_examples=20)
@given(
    st.binary(min_size=1, max_size=300),
    st.sampled_from([b"", b"\x00\x0a", b"\x00\x09", b"\x00\x05", b"\x00\x00\x00\x30\x00\x09"]),
)
def test_any_bytes_behind_a_version_are_survived(tmp_path_factory, data, head):
    path = tmp_path_factory.mktemp("any") / "bytes"
    path.write_bytes(head + data)
    netflow_file.recognises(head + data)
    table = netflow_file.sessions(path, label="x")
    assert table.dtypes.astype(str).to_dict() == FLOWS.empty().dtypes.astype(str).to_dict()


# --- files of datagrams


@pytest.mark.parametrize("prefixed", [False, True])
def test_datagrams_one_after_another_are_a_file(tmp_path, prefixed):
    payloads = [
        export(record(), record()),
        nine(template(300, *PLAIN, version=9), a_set(300, plain())),
        ipfix(template(301, *PLAIN), a_set(301, plain())),
        nine(a_set(300, plain())),
        export(record()),
    ]
    framed = [struct.pack(">I", len(each)) + each if prefixed else each for each in payloads]
    table = read_file(tmp_path, *framed)
    assert len(table) == 6
    assert recognised(tmp_path / "exports.bin") == ["netflow-file"]
    assert set(table["source"]) == {"netflow-file"}
    assert values(table["received"])[0] == pd.Timestamp(NOW, unit="s", tz="UTC")
    behind = read_file(tmp_path, *framed, b"\xff\xff\xff\xff something else")
    assert len(behind) == 6
    assert "are no datagrams of NetFlow" in told(behind, "format")[0]


@pytest.mark.parametrize("version", [1, 7])
def test_versions_1_and_7_are_read(tmp_path, version):
    head = struct.pack(">HHIII", version, 1, 10_000_000, NOW, 0) + (bytes(8) if version == 7 else b"")
    ends = b"\0\0\x11\0\x1b" if version == 1 else b"\0\x1b\x11\0"
    body = struct.pack(">IIIHHIIIIHH", 0x0A000001, 0x0A000002, 0, 0, 0, 3, 180, 9_990_000, 9_999_000, 1024, 53) + ends
    table = read(tmp_path, head + body.ljust(52, b"\0"))
    assert (table["proto"][0], table["src_flags"][0], table["dst_port"][0], table["duration"][0]) == (
        "udp",
        0x1B,
        53,
        9.0,
    )


def test_short_records_of_version_1_are_known_by_the_length_of_their_datagram(tmp_path):
    head = struct.pack(">HHIII", 1, 2, 10_000_000, NOW, 0)
    body = struct.pack(">IIIHHIIIIHH", 1, 2, 0, 0, 0, 3, 180, 9_990_000, 9_999_000, 1024, 53) + b"\0\0\x11\0\x1b"
    payload = head + 2 * body.ljust(48, b"\0")  # as softflowd writes them
    for table in (read(tmp_path, payload), read_file(tmp_path, payload, payload)):
        assert set(table["src_ip"].astype(str)) == {"0.0.0.1"}
        assert set(table["src_packets"]) == {3}
    assert len(table) == 4
