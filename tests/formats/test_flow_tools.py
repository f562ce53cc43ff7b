"""Files of flow-tools: flow-print and flow-stat are the oracle; other versions are written by hand after its source."""

from __future__ import annotations

import gzip
import re
import struct
import zlib

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from nsm_nb.errors import NsmError
from nsm_nb.formats import flow_tools
from nsm_nb.formats.flow_tools_records import Header, record_dtype
from nsm_nb.schema import FLOWS, caveats_of


def header(order="<", version=5, flags=1, method=0, flows=None, **more):
    """Return a header of stream version 3."""
    fields = [(2, struct.pack(order + "H", version)), (8, struct.pack(order + "I", flags))]
    fields += [(4, bytes([method]))] if method else []
    fields += [(10, struct.pack(order + "I", flows))] if flows is not None else []
    for kind, value in more.items():
        fields.append((int(kind[1:]), value if isinstance(value, bytes) else struct.pack(order + "I", value)))
    body = b"".join(struct.pack(order + "2H", kind, len(value)) + value for kind, value in fields)
    body += bytes(-len(body) % 4)
    return bytes([0xCF, 0x10, 1 if order == "<" else 2, 3]) + struct.pack(order + "I", 8 + len(body)) + body


def records(count, order="<", version=5, method=0, stream=3, **values):
    """Return records whose fields count up."""
    dtype = record_dtype(Header(order, stream, 0, version, method, 1))
    found = np.zeros(count, dtype)
    number = np.arange(count)
    known = {
        "seconds": 1_795_487_442, "uptime": 100_000, "src": 0x0A000001 + number, "dst": 0xC0A80001, "packets": 1 + number,
        "octets": 40 + number, "first": 40_000, "last": 50_000, "src_port": 1024 + number, "dst_port": 80, "proto": 6,
        "tcp_flags": 0x1B, "exporter": 0xC0000201,
    } | values  # fmt: skip
    for name in known.keys() & set(dtype.names):
        found[name] = known[name]
    return found.tobytes()


def read(tmp_path, data, name="ft-v05.x"):
    path = tmp_path / name
    path.write_bytes(data)
    return flow_tools.sessions(path, label="x")


def kinds(table):
    return [caveat.kind for caveat in caveats_of(table)]


def printed(text):
    """Return the rows of a listing of flow-print, format 3: addresses, protocol, ports, octets, packets."""
    return [tuple(line.split()) for line in text.splitlines()[1:] if line.strip()]


def as_printed(table):
    """Return a table's rows as flow-print prints them; type and code of ICMP stand in its ports, and in the state here."""
    numbers = {"tcp": 6, "udp": 17, "icmp": 1, "igmp": 2}
    rows = []
    for row in table.itertuples():
        ports = (str(row.src_port), str(row.dst_port)) if row.proto in ("tcp", "udp") else (None, None)
        rows.append(
            (row.src_ip, row.dst_ip, str(numbers[row.proto]), *ports, str(row.src_octets), str(row.src_packets))
        )
    return rows


def without_icmp_ports(rows):
    return [(*row[:3], *(row[3:5] if row[2] in ("6", "17") else (None, None)), *row[5:]) for row in rows]


def the_file(evidence):
    return next((evidence / "flow-tools").iterdir())


def test_the_bundled_file_is_what_flow_print_says_row_by_row(evidence, truth):
    listing = printed(gzip.decompress((truth / "ft-print.txt.gz").read_bytes()).decode())
    table = flow_tools.sessions(the_file(evidence))

    assert as_printed(table) == without_icmp_ports(listing)
    assert caveats_of(table) == []
    assert table["sensor"].unique().tolist() == ["127.0.0.1 captured by vm"]


def test_the_sums_are_those_of_flow_stat(evidence, truth):
    stat = dict(re.findall(r"^(Total .*?) *: (\d+)", (truth / "ft-stat.txt").read_text(), re.M))
    table = flow_tools.sessions(the_file(evidence))

    assert len(table) == int(stat["Total Flows"])
    assert table["src_octets"].sum() == int(stat["Total Octets"])
    assert table["src_packets"].sum() == int(stat["Total Packets"])
    assert round(1000 * table["duration"].sum()) == int(stat["Total Time (1/1000 secs) (flows)"])


def test_times_and_flags_are_those_of_flow_print_5(shared):
    table = flow_tools.sessions(shared / "fixtures" / "flow-capture.ft-v05")
    lines = [
        line.split()
        for line in (shared / "fixtures" / "flow-print_f5.txt").read_text().splitlines()[1:]
        if line.strip()
    ]

    assert table["start"].dt.strftime("%m%d.%H:%M:%S.%f").str[:-3].tolist() == [line[0] for line in lines]
    assert table["end"].dt.strftime("%m%d.%H:%M:%S.%f").str[:-3].tolist() == [line[1] for line in lines]
    flags = [(int(line[9], 16), line[8]) for line in lines]
    # flow-print keeps only FIN, SYN and RST; of what is not TCP there are none
    told = [
        (int(flag) & 7 if proto == "tcp" else 0)
        for flag, proto in zip(table["src_flags"].fillna(0), table["proto"], strict=True)
    ]
    assert told == [flag if proto == "6" else 0 for flag, proto in flags]


def test_flow_gen_wrote_the_same_in_both_byte_orders_packed_and_plain(shared):
    folder = shared / "corpus" / "other" / "spark-netflow" / "src" / "test" / "resources" / "correct"
    tables = [flow_tools.sessions(path, label="x", digest="0" * 64) for path in sorted(folder.iterdir())]

    assert len(tables) == 2
    pd.testing.assert_frame_equal(tables[0], tables[1])
    # spark-netflow's own tests: flow-gen counts up addresses, packets and octets of a thousand flows
    assert tables[0]["src_packets"].tolist() == list(range(1, 1001))
    assert tables[0]["src_octets"].sum() == 500_500


@pytest.mark.parametrize("order", ["<", ">"])
@pytest.mark.parametrize("packed", [False, True])
@pytest.mark.parametrize(("version", "method"), [(1, 0), (5, 0), (6, 0), (7, 0), (1005, 0), (8, 8), (8, 7)])
def test_each_version_of_flows_is_read_in_both_byte_orders(tmp_path, order, packed, version, method):
    body = records(5, order, version, method)
    data = header(order, version, 3 if packed else 1, method, flows=5) + (zlib.compress(body) if packed else body)
    table = read(tmp_path, data)

    assert caveats_of(table) == []
    assert dict(table.dtypes) == dict(FLOWS.conform(table).dtypes)
    assert table["src_ip"].tolist() == [f"10.0.0.{number}" for number in range(1, 6)]
    assert table["src_octets"].tolist() == [40, 41, 42, 43, 44]
    assert table["start"].iloc[0] == pd.Timestamp("2026-11-24 02:29:42", tz="UTC")
    assert table["duration"].tolist() == [10.0] * 5
    if method == 7:  # addresses alone
        assert table["proto"].isna().all()
        assert table["src_port"].isna().all()
    else:
        assert table["src_port"].tolist() == list(range(1024, 1029))


@pytest.mark.parametrize("order", ["<", ">"])
@pytest.mark.parametrize("version", [1, 5])
def test_stream_version_1_is_read(tmp_path, order, version):
    head = bytes([0xCF, 0x10, 1 if order == "<" else 2, 1])
    head += struct.pack(order + "H2x8I", version, 0, 0, 1, 0, 3, 7, 0, 0) + b"old-host".ljust(68, b"\0") + bytes(256)
    table = read(
        tmp_path, head + records(3, order, version, stream=1, seconds=1_000, milliseconds=500, first=4_000, last=4_250)
    )

    assert table["start"].tolist() == [pd.Timestamp(1_004.5, unit="s", tz="UTC")] * 3
    assert table["src_octets"].tolist() == [40, 41, 42]
    assert table["sensor"].unique().tolist() == ["old-host"]
    assert kinds(table) == ["lost"]


def test_what_the_header_tells_of_losses_is_a_caveat(tmp_path):
    data = header(flows=3, f11=12, f12=2, f13=1, f14=4, f15=b"box\0", f16=b"<b>&\x1b[31m\0") + records(2)
    table = read(tmp_path, data)

    assert kinds(table) == ["count", "lost", "lost", "lost", "lost", "comment"]
    assert table["sensor"].unique().tolist() == ["192.0.2.1 captured by box"]
    assert "\x1b" not in caveats_of(table)[-1].detail


def test_a_file_that_is_still_written_says_so(tmp_path):
    table = read(tmp_path, header(flags=0) + records(2), "tmp-v05.x")

    assert len(table) == 2
    assert kinds(table) == ["open"]


@pytest.mark.parametrize("method", [1, 2, 3, 4, 5, 6, 9, 10, 11, 12, 13, 14])
def test_aggregations_are_named_and_counted(tmp_path, method):
    size = {5: 56, 13: 56, 6: 52, 14: 60}.get(method, 48)
    table = read(tmp_path, header(version=8, method=method) + bytes(3 * size))

    assert len(table) == 0
    (caveat,) = caveats_of(table)
    assert "3 records of NetFlow version 8 aggregated by" in caveat.detail


def test_icmp_has_a_state_and_no_ports(tmp_path):
    table = read(tmp_path, header() + records(1, proto=1, dst_port=771, src_port=0))

    assert table["state"].tolist() == ["URP"]
    assert table["dst_port"].isna().all()
    assert table["src_flags"].isna().all()


@pytest.mark.parametrize("packed", [False, True])
def test_rows_before_a_cut_are_kept_wherever_it_is(tmp_path, packed):
    body = records(40)
    head = header(flags=3 if packed else 1)
    data = head + (zlib.compress(body) if packed else body)
    whole = read(tmp_path, data)["src_octets"].tolist()
    for size in range(len(head), len(data), 61):
        table = read(tmp_path, data[:size])
        assert table["src_octets"].tolist() == whole[: len(table)]
        assert packed or len(table) == (size - len(head)) // 64
        assert "cut" in kinds(table) or (size - len(head)) % 64 == 0


def test_a_cut_header_and_an_unknown_stream_are_refused_with_a_sentence(tmp_path):
    with pytest.raises(NsmError, match="cut inside its header"):
        read(tmp_path, header()[:20])
    with pytest.raises(NsmError, match="stream version"):
        read(tmp_path, b"\xcf\x10\x01\x07" + bytes(100))


def test_a_decompression_bomb_is_left(tmp_path, monkeypatch):
    monkeypatch.setattr(flow_tools, "_LEAST_LIMIT", 1 << 20)
    table = read(tmp_path, header(flags=3) + zlib.compress(bytes(40 << 20), 9))

    assert kinds(table) == ["bomb"]
    assert len(table) <= (5 << 20) // 64


@pytest.mark.slow(2)
@given(data=st.data())
def test_no_damage_raises_anything_but_ours(tmp_path_factory, data):
    packed = data.draw(st.booleans())
    body = records(6)
    whole = bytearray(
        header(flags=3 if packed else 1, f15=b"box\0", flows=6) + (zlib.compress(body) if packed else body)
    )
    for _ in range(data.draw(st.integers(1, 4))):
        whole[data.draw(st.integers(0, len(whole) - 1))] = data.draw(st.integers(0, 255))
    size = data.draw(st.integers(1, len(whole)))
    path = tmp_path_factory.getbasetemp() / "damaged.ft"
    path.write_bytes(whole[:size])
    flow_tools.recognises(bytes(whole[:size]))
    try:
        table = flow_tools.sessions(path, label="x", digest="0" * 64)
    except NsmError:
        return
    assert list(table.columns) == list(FLOWS.columns)
    assert all(caveat.detail.startswith("x: ") for caveat in caveats_of(table))
