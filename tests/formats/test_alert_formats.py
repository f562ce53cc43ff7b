"""What all formats of alerts have in common: they tell the same of one event, and come through damage."""

from __future__ import annotations

import gzip

import pandas as pd
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import nsm_nb as nsm
from nsm_nb.errors import DamagedEvidence, NsmError, UnknownFormat, UnknownName
from nsm_nb.formats import FORMATS, read_alerts, reader, recognised
from nsm_nb.schema import ALERTS, caveats_of
from tests.formats.samples import SAMPLES

TEXTS = [name for name in SAMPLES if name != "unified2"]
SAID = [
    "gid",
    "sid",
    "rev",
    "message",
    "classification",
    "priority",
    "proto",
    "src_ip",
    "src_port",
    "dst_ip",
    "dst_port",
]


@pytest.fixture
def sample(tmp_path):
    def write(name, change=lambda data: data):
        path = tmp_path / "sample"
        path.write_bytes(change(SAMPLES[name]))
        return path

    return write


def values(column):
    return [None if pd.isna(value) else value for value in column.astype(object)]


# --- recognising


def test_there_is_a_sample_of_every_format_of_alerts():
    sampled = {name.partition(" ")[0] for name in SAMPLES} | {"eve"}  # the bundled case has its own
    assert {name for name in FORMATS if hasattr(reader(name), "alerts")} <= sampled


@pytest.mark.parametrize("name", SAMPLES)
def test_a_sample_is_recognised_by_its_own_reader_alone(name, sample):
    assert recognised(sample(name)) == [name.partition(" ")[0]]


@pytest.mark.parametrize("name", SAMPLES)
def test_gzip_changes_neither_the_format_nor_the_rows(name, sample):
    expected = read_alerts(sample(name), label="x")
    packed = sample(name, gzip.compress)
    assert recognised(packed) == [name.partition(" ")[0]]
    found = read_alerts(packed, label="x")
    pd.testing.assert_frame_equal(found.drop(columns="alert"), expected.drop(columns="alert"))


# The one file of the shared evidence that Suricata's own tests hold in another folder of the same name is fast too.
def test_no_file_of_the_shared_evidence_is_taken_for_another(heads):
    wanted = {
        "snort-full": ("alert.full",), "snort-csv": ("alert.csv",), "unified2": ("snort.u2", ".unified2", "merged.log",
        "multi-record-event.log"), "zeek-notice": ("notice.log",), "zeek-weird": ("weird.log",),
    }  # fmt: skip
    for name in set(FORMATS) - {"netflow", "pcap", "eve", "snort-fast"}:
        module = reader(name)
        if hasattr(module, "alerts"):
            found = {path for path, head in heads.items() if module.recognises(head)}
            assert {path for path in found if not path.endswith(wanted.get(name, ()))} == set(), name
            assert found or name not in wanted


# --- one event


@pytest.mark.parametrize("name", SAMPLES)
def test_every_format_tells_when_and_between_whom(name, sample):
    table = read_alerts(sample(name), label="x")
    first = table.iloc[0]
    assert list(table.columns) == list(ALERTS.columns)
    exact = name not in ("sguil-csv", "mapped-json", "mapped-json ecs")
    assert first["time"].floor("s" if not exact else "us") == pd.Timestamp(
        "2026-11-24 02:30:42.898627" if exact else "2026-11-24 02:30:42", tz="UTC"
    )
    if not name.startswith("mapped"):
        ends = [str(first[each]) for each in ("src_ip", "src_port", "dst_ip", "dst_port")]
        assert ends == ["216.239.37.99", "80", "10.1.1.177", "2254"]
    if name.startswith("snort"):
        assert [first[each] for each in ("gid", "sid", "rev")] == [1, 498, 6]
    assert [caveat.kind for caveat in caveats_of(table) if caveat.kind not in ("clock", "count", "priority")] == []
    assert first["alert"].endswith(f":{first['record']}")
    assert isinstance(reader(name.partition(" ")[0]).detail(sample(name), int(first["record"])), dict)


def test_the_staged_intrusion_is_the_same_in_every_format_of_snort(evidence):
    folder = evidence / "snort2"
    rules = nsm.alerts.rules([evidence / "rules" / "nsm-lab.snort2.rules"])
    fast, *others = (
        nsm.alerts.named(read_alerts(folder / name, label="x"), None, rules)
        for name in ("alert.fast", "alert.full", "alert.csv", "snort.u2")
    )
    assert len(fast) == 77
    for table in others:
        assert table["time"].tolist() == fast["time"].tolist()
        for name in SAID:
            assert values(table[name]) == values(fast[name]), name


def test_the_staged_intrusion_is_the_same_in_both_formats_of_suricata(evidence, truth):
    eve = read_alerts(evidence / "suricata" / "eve.json", label="x")
    fast = read_alerts(truth / "fast.log", label="x")
    assert len(eve) == 79
    for name in ["time", *SAID]:
        assert values(eve[name]) == values(fast[name]), name


def test_suricata_and_snort_differ_in_what_the_story_says(evidence):
    """Snort does not look behind the first 300 bytes of an answer: it misses two alerts, and stamps streams earlier."""
    suricata = read_alerts(evidence / "suricata" / "eve.json")
    snort = read_alerts(evidence / "snort2" / "alert.full")
    missed = suricata["sid"].value_counts().sub(snort["sid"].value_counts(), fill_value=0)
    assert {int(sid): int(count) for sid, count in missed.items() if count} == {9000003: 1, 9000004: 1}
    shared = ["message", "classification", "priority"]
    said = [
        table.drop_duplicates("sid").set_index("sid")[shared].astype(object).sort_index() for table in (suricata, snort)
    ]
    pd.testing.assert_frame_equal(*said, check_dtype=False)


def test_the_fixtures_hold_the_same_seven_alerts(shared):
    folder = shared / "fixtures"
    # their times are the same but for the year, which unified2 alone tells
    near = pd.Timestamp("2003-11-13", tz="UTC")
    fast, full, table = (read_alerts(folder / f"alert.{name}", near=near) for name in ("fast", "full", "csv"))
    binary = read_alerts(folder / "snort.unified2")
    assert len(fast) == 7
    for name in ("time", "gid", "sid", "rev", "proto", "src_ip", "src_port", "dst_ip", "dst_port"):
        for other in (full, table, binary):
            assert values(fast[name]) == values(other[name]), name
    assert values(fast["message"]) == values(full["message"]) == values(table["message"])
    assert values(fast["priority"]) == values(full["priority"]) == values(binary["priority"])


# --- years


def test_a_year_comes_from_the_capture_where_there_is_one(tmp_path):
    path = tmp_path / "alert.fast"
    path.write_bytes(SAMPLES["snort-fast"].replace(b"11/24/26-", b"12/31-"))
    table = read_alerts(path, near=pd.Timestamp("2004-01-02", tz="UTC"))
    assert table["time"][0] == pd.Timestamp("2003-12-31 02:30:42.898627", tz="UTC")
    assert any("capture's time, 2004-01-02" in caveat.detail for caveat in caveats_of(table))


@pytest.mark.parametrize("name", ["eve", "unified2", "zeek-weird"])
def test_formats_whose_times_are_whole_take_no_year(name, tmp_path, sample, evidence):
    path = evidence / "suricata" / "eve.json" if name == "eve" else sample(name)
    with pytest.raises(UnknownFormat, match="take no near"):
        read_alerts(path, near=pd.Timestamp("2004-01-02", tz="UTC"))


# --- damage


@pytest.mark.parametrize("name", TEXTS)
def test_rows_around_bytes_that_are_no_text_are_kept(name, sample):
    whole = len(read_alerts(sample(name)))
    table = read_alerts(sample(name, lambda data: data + b"caf\xe9 \x00\x1b[2J \xff\xfe\n" + b"{\x00}\n" + data))
    assert len(table) == 2 * whole
    assert sum(caveat.kind in ("line", "json") for caveat in caveats_of(table)) >= 2
    assert all("\x1b" not in caveat.detail and "\x00" not in caveat.detail for caveat in caveats_of(table))


@pytest.mark.parametrize("name", TEXTS)
def test_utf_16_is_read_and_told(name, sample):
    expected = read_alerts(sample(name), label="x")
    path = sample(name, lambda data: data.decode().encode("utf-16"))
    assert recognised(path) == [name.partition(" ")[0]]
    table = read_alerts(path, label="x")
    pd.testing.assert_frame_equal(table.drop(columns="alert"), expected.drop(columns="alert"))
    assert any("UTF-16" in caveat.detail for caveat in caveats_of(table))
    detail = reader(name.partition(" ")[0]).detail
    told = detail(path, int(table["record"][0]))
    assert told == detail(sample(name), int(table["record"][0]))


@pytest.mark.parametrize("name", TEXTS)
def test_a_torn_end_keeps_what_is_before_and_is_told(name, sample):
    whole = len(read_alerts(sample(name)))
    lines = SAMPLES[name].rstrip(b"\n").splitlines(keepends=True)
    row = next(line for line in reversed(lines) if not line.startswith((b"#", b"[Xref")))
    row = lines[0] if name == "snort-full" else row
    table = read_alerts(sample(name, lambda data: data + row[: len(row) * 2 // 3].rstrip(b"\n")))
    assert len(table) == whole
    torn = [caveat for caveat in caveats_of(table) if caveat.kind in ("line", "json", "cut")]
    assert len(torn) == 1
    assert "breaks off" in torn[0].detail


@pytest.mark.slow
@pytest.mark.parametrize("name", ["snort-fast", "snort-csv", "zeek-weird", "mapped-json"])
def test_a_line_of_a_hundred_megabytes_is_passed_over(name, tmp_path):
    path = tmp_path / "long"
    whole = SAMPLES[name]
    with path.open("wb") as file:
        file.write(whole)
        for _ in range(100):
            file.write(b"x," * 500_000)
        file.write(b"\n" + whole)
    table = read_alerts(path)
    assert len(table) == 2
    assert sum("bytes long" in caveat.detail for caveat in caveats_of(table)) == 1


@pytest.mark.parametrize("name", TEXTS)
def test_something_else_is_refused_in_a_sentence(name, tmp_path):
    path = tmp_path / "other"
    path.write_bytes(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
    module = reader(name.partition(" ")[0])
    options = {"columns": "ecs"} if module.NAME == "mapped-json" else {}
    with pytest.raises(DamagedEvidence, match="not one of its") as problem:
        module.alerts(path, **options)
    assert list(problem.value.table.columns) == list(ALERTS.columns)
    with pytest.raises(UnknownName):
        module.detail(path, 1)
    with pytest.raises(UnknownName):
        module.detail(path, 99)


@pytest.mark.slow
@settings(max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.sampled_from(list(SAMPLES)), st.data())
def test_no_change_of_a_sample_raises_anything_but_our_own_errors(tmp_path_factory, name, data):
    content = bytearray(SAMPLES[name] * 2)
    for _ in range(data.draw(st.integers(1, 4))):
        at = data.draw(st.integers(0, len(content) - 1))
        content[at : at + data.draw(st.integers(0, 6))] = data.draw(st.binary(max_size=6))
    if not content:
        return
    path = tmp_path_factory.mktemp("changed") / "sample"
    path.write_bytes(content)
    module = reader(name.partition(" ")[0])
    try:
        table = module.alerts(path)
    except NsmError as problem:
        assert "\x1b" not in str(problem)
        return
    assert list(table.columns) == list(ALERTS.columns)
    for each in table["record"][:3]:
        assert module.detail(path, int(each))
