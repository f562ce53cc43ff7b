"""What names of alerts mean when files have grown, were renamed, packed, or are told in another format."""

from __future__ import annotations

import gzip
import hashlib
import json
import logging

import pytest

import nsm_nb as nsm
from nsm_nb.case.identity import Meaning, Names, Naming, Piece, Prefixes, resolved
from nsm_nb.errors import NsmError, UnreadableEvidence
from tests import writing
from tests.case.test_growing import event, named, place, verdicts, write  # noqa: F401


def sha(data):
    return hashlib.sha256(data).hexdigest()


def meaning(data, label):
    return Meaning(sha(data)[:12], label, len(data), sha(data), sha(data))


def pieces(folder, files):
    found = []
    for label, data in files.items():
        (folder / label).write_bytes(data)
        content = gzip.decompress(data) if label.endswith(".gz") else data
        found.append(Piece(label, folder / label, len(data), sha(data)[:12], sha256=sha(data), content=sha(content)))
    return found


@pytest.mark.parametrize(
    ("files", "expected"),
    [
        ({"eve.json": b"abcdef", "other": b"abx"}, "eve.json"),  # grown
        ({"eve.json": b"xyz", "eve.json.1": b"abcd"}, "eve.json.1"),  # rotated
        ({"eve.json": b"abcd", "copy": b"abcde"}, "eve.json"),  # two: the one of the same label
        ({"eve.json.1": b"abcd", "copy": b"abcde"}, None),  # two, and nothing tells
        ({"eve.json": b"ab", "x": b"abd"}, None),  # cut, and another
        ({"eve.json": b"xyz", "eve.json.1.gz": gzip.compress(b"abcd" * 9)}, "eve.json.1.gz"),  # packed
        ({"eve.json.1.gz": gzip.compress(b"abc")}, "eve.json.1.gz"),
    ],
)
def test_a_name_means_the_file_that_begins_as_it_was(tmp_path, files, expected):
    known = {each.name: each for each in [meaning(b"abc", "eve.json")]}
    found, caveats = resolved(known, pieces(tmp_path, files), Prefixes(tmp_path / "cache.json"))

    assert [each.label for each in found.values()] == ([expected] if expected else [])
    assert len(caveats) == (expected is None and b"abcd" in files.values())
    for caveat in caveats:
        assert "eve.json.1 and copy begin as that did: verdicts on them stand on none" in caveat.detail


def test_beginnings_are_hashed_once_for_all_sizes_and_kept(tmp_path, monkeypatch):
    data = bytes(range(256)) * 20_000
    (piece,) = pieces(tmp_path, {"log": data})
    sizes = [1, 5, 2_097_151, 2_097_152, 2_097_153, len(data)]
    expected = {size: sha(data[:size]) for size in sizes}
    assert Prefixes(tmp_path / "cache.json").of(piece, [*sizes, len(data) + 1]) == {**expected, len(data) + 1: ""}

    monkeypatch.setattr("nsm_nb.case.identity._digests", lambda *_: pytest.fail("it was read again"))
    assert Prefixes(tmp_path / "cache.json").of(piece, sizes) == expected


def test_names_are_kept_by_whoever_writes(tmp_path):
    one, other = Names(tmp_path / "names.json"), Names(tmp_path / "names.json")
    one.add([meaning(b"a", "x")])
    other.add([meaning(b"b", "y")])
    one.add([meaning(b"c", "z"), Meaning(sha(b"a")[:12], "x", 7, sha(b"longer!"))])
    assert {each.label: each.size for each in Names(tmp_path / "names.json").known.values()} == {"x": 7, "y": 1, "z": 1}
    stamp = (tmp_path / "names.json").stat().st_mtime_ns
    other.add([meaning(b"a", "x")])  # nothing new
    assert (tmp_path / "names.json").stat().st_mtime_ns == stamp and other.known is other.known


@pytest.mark.parametrize(
    "text", ["{", "[]", '{"x": 1}', '{"0123456789ab": ["a", -1, "b", ""]}', '{"0123456789ab": [1]}']
)
def test_what_somebody_wrote_into_the_memory_of_names_does_no_harm(place, text, caplog):  # noqa: F811
    case = nsm.open_case(place)
    (case.work / "names.json").write_text(text)
    names = case.alerts["alert"].tolist()
    case.judge(names[0], "I", analyst="ada")
    assert verdicts(nsm.open_case(place)) == {0: "I"}
    assert len(json.loads((case.work / "names.json").read_text())) == 1


def test_names_hold_for_the_session_where_they_can_t_be_written(tmp_path, caplog):
    (tmp_path / "file").write_text("")
    names = Names(tmp_path / "file" / "names.json")
    with caplog.at_level(logging.WARNING):
        names.add([meaning(b"a", "x")])
    assert len(names.known) == 1 and "can't be kept" in caplog.text


def test_a_naming_knows_all_names_of_an_alert(tmp_path):
    piece = Piece("eve.json", tmp_path, 9, "cccccccccccc", 5, "dddddddddddd")
    naming = Naming(
        {"aaaaaaaaaaaa": piece, "dddddddddddd": piece, "cccccccccccc": piece}, {"eeeeeeeeeeee:1": "cccccccccccc:2"}
    )
    assert naming.now("aaaaaaaaaaaa:5") == naming.now("dddddddddddd:5") == "cccccccccccc:5"
    assert naming.now("aaaaaaaaaaaa:6") == "dddddddddddd:6" and naming.now("eeeeeeeeeeee:1") == "cccccccccccc:2"
    assert naming.now("ffffffffffff:1") == "ffffffffffff:1" and naming.now("aaaaaaaaaaaa:x") == "aaaaaaaaaaaa:x"
    assert set(naming.all("aaaaaaaaaaaa:2")) == {f"{each * 12}:2" for each in "acd"} | {"eeeeeeeeeeee:1"}
    assert set(naming.all("dddddddddddd:6")) == {f"{each * 12}:6" for each in "acd"}


def test_verdicts_outlive_growth_renaming_and_packing_of_evidence(place):  # noqa: F811
    case = nsm.open_case(place)
    old = named(case, 2)
    case.judge(old, "VI", analyst="ada")
    write(place, 3)
    log = place / "evidence" / "eve.json"
    for step in ("grown", "renamed", "packed", "unpacked"):
        if step == "renamed":
            log = log.rename(log.with_name("eve-old.json"))
        elif step == "packed":
            log.with_name("eve.gz").write_bytes(gzip.compress(log.read_bytes()))
            log.unlink()
        elif step == "unpacked":
            (log.parent / "eve.gz").unlink()
            write(place, *range(5))
        case = nsm.open_case(place)
        assert verdicts(case) == {2: "VI"}, step
        assert case.alert(old)["sid"] == 2 and len(case.history(named(case, 2))) == 1
        assert case.groups().set_index("sid")["status"].to_dict()[2] == "VI"


def test_names_of_a_deleted_index_hold(place):  # noqa: F811
    import shutil

    case = nsm.open_case(place)
    case.judge(named(case, 1), "VI", analyst="ada")
    write(place, 3)
    shutil.rmtree(case.work / "index")
    assert verdicts(nsm.open_case(place)) == {1: "VI"}


@pytest.mark.parametrize(("first", "then"), [("alert.csv", "alert.full"), ("alert.fast", "alert.full")])
def test_a_second_format_of_the_same_alerts_leaves_their_verdicts(tmp_path, shared, first, then):
    import shutil

    (tmp_path / "ev").mkdir()
    shutil.copy2(shared / "fixtures" / first, tmp_path / "ev")
    case = nsm.create_case(tmp_path / "case", evidence=[tmp_path / "ev"])
    case.judge(case.alerts, "VI", analyst="ada")
    old = case.alerts["alert"].tolist()
    shutil.copy2(shared / "fixtures" / then, tmp_path / "ev")

    case = nsm.open_case(tmp_path / "case")
    assert case.alerts["alert"].isin(case.status().index).all() and len(case.alerts) == 7
    assert [case.alert(name)["message"] for name in old] == case.alerts["message"].tolist()
    assert all(case.history(name)["category"].tolist() == ["VI"] for name in (*old, *case.alerts["alert"]))
    assert (case.groups()["status"] == "VI").all()
    case.judge(case.alerts["alert"].iloc[0], "NA", analyst="bob")
    assert case.status()[case.alerts["alert"].iloc[0]] == "NA"  # the later one, whatever its name
    assert nsm.open_case(tmp_path / "case").status()[case.alerts["alert"].iloc[0]] == "NA"


def test_a_raw_record_is_read_of_the_bytes_that_the_alert_was_read_of(place):  # noqa: F811
    case = nsm.open_case(place)
    alert = named(case, 1)
    log = place / "evidence" / "eve.json"
    write(place, 3)
    assert case.detail(alert)["alert"]["signature_id"] == 1  # grown
    log.rename(log.with_name("eve.json.1"))
    write(place, 20, 21, 22)
    assert case.detail(alert)["alert"]["signature_id"] == 1  # rotated
    log.with_name("eve.json.1").unlink()
    with pytest.raises(UnreadableEvidence, match=r"eve\.json is another file than the one that record 2 was read of"):
        case.detail(alert)


def test_names_that_mean_two_alerts_are_told_in_a_sentence(place):  # noqa: F811
    case = nsm.open_case(place)
    case._made["alerts"] = case.alerts.assign(alert="0fd1a2b3c4d5:1")
    with pytest.raises(NsmError, match="two alerts of this case have the name 0fd1a2b3c4d5:1"):
        case.judge("0fd1a2b3c4d5:1", "NA", analyst="ada")


def test_an_ambiguous_name_is_a_caveat_of_the_case(place):  # noqa: F811
    case = nsm.open_case(place)
    case.judge(named(case, 1), "VI", analyst="ada")
    log = place / "evidence" / "eve.json"
    data = log.read_bytes()
    log.unlink()
    for number, name in enumerate(("a.json", "b.json"), 7):
        log.with_name(name).write_bytes(data + event(number).encode())
    case = nsm.open_case(place)
    assert verdicts(case) == {}
    assert case.caveats["kind"].tolist().count("names") == 1


def test_the_rule_of_an_alert_is_the_one_of_its_revision(place):  # noqa: F811
    for name, rev in (("a.rules", 9), ("b.rules", 1)):
        rule = f'alert tcp any any -> any any (msg:"M"; content:"{name}"; sid:1; rev:{rev};)\n'
        (place / "evidence" / name).write_text(rule)
    case = nsm.open_case(place)
    rule = case.rule_of(named(case, 1))
    assert rule["rev"] == 1 and rule["note"] == ""
    (place / "evidence" / "b.rules").unlink()
    rule = nsm.open_case(place).rule_of(named(case, 1))
    assert rule["rev"] == 9 and rule["note"] == "revision 1 raised the alert; the case has revision 9"
    assert case.rule_of(named(case, 2)) is None


def test_the_frame_that_suricata_names_decides_where_nothing_else_does(tmp_path):
    folder = tmp_path / "evidence"
    folder.mkdir()
    (folder / "a.pcap").write_bytes(writing.pcap(writing.conversation(start=1_795_487_400)))
    ends = {"src_ip": "10.0.0.1", "src_port": 40000, "dest_ip": "10.0.0.2", "dest_port": 80, "proto": "TCP"}
    said = {"gid": 1, "signature_id": 5, "rev": 1, "signature": "s", "severity": 1}
    record = {"timestamp": "2026-11-24T02:30:00.100000+0000", "event_type": "alert", **ends, "alert": said}
    (folder / "eve.json").write_text(json.dumps(record | {"pcap_cnt": 2}) + "\n" + json.dumps(record) + "\n")
    case = nsm.create_case(tmp_path / "case", evidence=[folder])

    named, unnamed = (case.packet_of(alert) for alert in case.alerts["alert"])
    assert (named["frame"], named["why"]) == (2, "the sensor names it")
    assert (unnamed["frame"], unnamed["why"]) == (5, "the last with payload before the alert's time")
