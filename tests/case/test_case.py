"""A case: evidence, tables, pivots and verdicts of the bundled intrusion; bad evidence loses nothing else."""

from __future__ import annotations

import hashlib
import json
import os
import shutil

import pandas as pd
import pytest

import nsm_nb as nsm
from nsm_nb.case.current import choose, current, forget
from nsm_nb.errors import CaseError, LedgerError, NsmError, UnknownName
from tests import writing


@pytest.fixture(scope="module")
def case(bundled, tmp_path_factory):
    place = tmp_path_factory.mktemp("case")
    shutil.copy(bundled / "case.toml", place / "case.toml")
    (place / "evidence").symlink_to(bundled / "evidence", target_is_directory=True)
    return nsm.open_case(place)


# --- the inventory


def test_every_file_is_listed_with_its_hash(case, bundled):
    expected = dict(
        reversed(line.split("  ")) for line in (bundled / "SHA256SUMS").read_text().splitlines() if "evidence/" in line
    )

    listed = {f"evidence/{row.evidence}": row.sha256 for row in case.evidence.itertuples()}

    assert listed == expected


def test_the_inventory_says_what_is_in_each_file(case):
    table = case.index().set_index("evidence")

    assert table.loc["staged.pcap", ["format", "tables", "rows"]].tolist() == ["pcap", "packets, sessions", 9746]
    assert table.loc["suricata/eve.json", ["format", "tables", "rows"]].tolist() == [
        "eve",
        "sessions, alerts",
        1444 + 79,
    ]
    assert table.loc["netflow-export.pcap", "format"] == "netflow"
    assert table.loc["argus/argus5.argus", ["format", "tables", "rows"]].tolist() == ["argus", "sessions", 1448]
    assert table.loc["rules/nsm-lab.suricata.rules", "note"] == "rules of the sensors"


def test_indexing_tells_how_far_it_is(case):
    told = []
    assert len(case.evidence)  # the files were found and hashed before, of which it would be told, too

    case.index(progress=lambda *each: told.append(each))

    assert told[-1][1] == told[-1][2] > 0
    assert [done for _, done, _ in told] == sorted(done for _, done, _ in told)


def test_evidence_is_not_written_to_and_changes_are_found(own_case):
    assert len(own_case.changed()) == 0
    own_case.index()
    assert len(own_case.changed()) == 0


# --- the truth


def test_the_tables_of_the_bundled_case_have_their_rows(case):
    assert len(case.packets) == 9746
    assert (case.sessions["proto"] == "tcp").sum() == 652
    assert (case.alerts["source"] == "eve").sum() == 79
    assert (case.alerts["source"] == "snort-fast").sum() == 77


def test_flow_records_that_the_capture_holds_are_not_counted_twice(case):
    assert set(case.sessions["source"]) == {"pcap"}


def test_sensors_have_the_names_of_case_toml(case):
    assert set(case.alerts["sensor"]) == {"suricata", "snort"}
    assert set(case.sessions["sensor"]) == {"tap"}


def test_the_shell_is_reached_from_its_alert_byte_for_byte(case, truth):
    alerts = case.alerts
    (alert,) = alerts.loc[(alerts["sid"] == 9000011) & (alerts["sensor"] == "suricata"), "alert"]

    session = case.session_of(alert)
    told = case.transcript(session["session"])

    assert session["dst_port"] == 31337
    assert told.data("dst") == (truth / "shell.txt").read_bytes()
    assert alert in case.alerts_of(session["session"])["alert"].tolist()


# what the packet of each rule holds; two rules look for no content: a count of SYNs, and the size of an ICMP datagram
HELD = {
    9000002: b"/cgi-bin/", 9000003: b"uid=0(root)", 9000004: b"uid=33(www-data)", 9000005: b"Volume Serial Number",
    9000006: b"\xfeSMB", 9000007: b"STOR ", 9000008: b"\0\0\x10\0\x01", 9000009: b"/upd/check.php?h=", 9000010: b"530 ",
    9000011: b"/usr/sbin/nologin", 9000012: b"Nessus",
}  # fmt: skip


def test_every_alert_finds_its_session_and_the_frame_that_holds_what_its_rule_looks_for(case):
    joined = case.joins.set_index("alert")
    assert len(joined) == len(case.alerts) == 156
    for row in case.alerts.itertuples():
        session = case.session(joined.loc[row.alert, "session"])
        ends = {(str(session["src_ip"]), session["src_port"]), (str(session["dst_ip"]), session["dst_port"])}
        if row.proto != "icmp":
            assert {(row.src_ip, row.src_port), (row.dst_ip, row.dst_port)} == ends
            assert joined.loc[row.alert, "confidence"] == "certain"
        assert session["start"] <= row.time
        assert joined.loc[row.alert, "how"]
        packet = case.packet_of(row.alert)
        assert packet["session"] == session["session"]
        if row.sid in HELD:
            assert HELD[row.sid] in case.frame(packet["evidence"], packet["frame"]), (row.alert, packet["frame"])
            assert packet["why"] == "it holds what the rule looks for"
        else:
            assert packet["time"] == row.time


def test_alerts_of_the_shell_are_those_of_the_truth(case):
    (number,) = case.sessions.loc[(case.sessions["dst_port"] == 31337) & (case.sessions["dst_payload"] > 0), "session"]

    found = case.alerts_of(number)

    assert sorted(found.loc[found["sensor"] == "suricata", "sid"]) == [9000003, 9000004, 9000011]


def test_the_smb_alert_leads_to_the_frame_that_holds_the_listing(case):
    for sensor in ("suricata", "snort"):
        alerts = case.alerts
        (alert,) = alerts.loc[(alerts["sid"] == 9000005) & (alerts["sensor"] == sensor), "alert"]

        packet = case.packet_of(alert)

        assert packet["frame"] == 3620
        assert packet["why"] == "it holds what the rule looks for"
        assert b"Volume Serial Number" in case.frame("staged.pcap", 3620)


def test_a_late_alert_leads_to_the_frame_that_raised_it(case):
    alerts = case.alerts
    session = case.sessions.loc[
        (case.sessions["dst_port"] == 31337) & (case.sessions["dst_payload"] > 0), "session"
    ].iloc[0]
    of_root = case.alerts_of(session)
    (alert,) = of_root.loc[(of_root["sid"] == 9000003) & (of_root["sensor"] == "suricata"), "alert"]

    assert case.packet_of(alert)["frame"] == 3261  # `sudo -n id` answered, 31.7 s before Suricata's stamp
    assert (alerts.loc[alerts["alert"] == alert, "time"].iloc[0] - case.packet_of(alert)["time"]).total_seconds() > 31


def test_what_segments_cut_in_two_leads_to_the_segment_where_it_begins(tmp_path):
    (tmp_path / "evidence").mkdir()
    frames = [
        (
            number * 1_000_000,
            writing.ethernet(writing.ip(writing.tcp(data, 1000, 80, seq=seq, ack=1), "10.0.0.1", "10.0.0.2", 6)),
        )
        for number, (seq, data) in enumerate([(100, b"hello, "), (107, b"the sec"), (114, b"ret word"), (122, b"bye")])
    ]
    (tmp_path / "evidence" / "x.pcap").write_bytes(writing.pcap(frames))
    (tmp_path / "evidence" / "alert.fast").write_text(
        "01/01/70-00:00:00.003000  [**] [1:7:1] it is said [**] [Priority: 1] {TCP} 10.0.0.1:1000 -> 10.0.0.2:80\n"
    )
    (tmp_path / "my.rules").write_text(
        'alert tcp any any -> any any (msg:"it is said"; content:"secret word"; sid:7; rev:1;)\n'
    )
    (tmp_path / "case.toml").write_text('name = "cut"\nrules = ["my.rules"]\n')
    case = nsm.open_case(tmp_path)
    (alert,) = case.alerts["alert"]

    packet = case.packet_of(alert)

    assert packet["frame"] == 2
    assert packet["why"] == "what the rule looks for begins in it, at byte 11 of what src sent"


def test_alerts_of_one_event_by_two_sensors_are_told(case):
    assert case.events.nunique() == 80
    related = case.related(case.alerts["alert"].iloc[0])
    assert related["how"].iloc[0] == "the same session"
    assert related["sensor"].iloc[0] != case.alerts["sensor"].iloc[0]


def test_a_rule_for_one_direction_is_looked_for_in_that_direction(case):
    alerts = case.alerts
    of_www = (alerts["sid"] == 9000006) & (alerts["src_ip"] == "172.16.10.80") & (alerts["sensor"] == "suricata")

    packet = case.packet_of(alerts.loc[of_www, "alert"].iloc[0])

    assert packet["frame"] == 3585  # the question; 3588 is the server's answer, which holds the same bytes
    assert packet["to_dst"]


def test_the_rule_of_an_alert_comes_with_file_and_line(case):
    for sensor, name in (("suricata", "nsm-lab.suricata.rules"), ("snort", "nsm-lab.snort2.rules")):
        alerts = case.alerts
        alert = alerts.loc[(alerts["sid"] == 9000005) & (alerts["sensor"] == sensor), "alert"].iloc[0]
        rule = case.rule_of(alert)
        assert "Volume Serial Number" in rule["text"]
        assert str(rule["file"]).endswith(name)
        assert rule["line"] > 1


def test_the_record_of_an_alert_is_the_sensors_own(case):
    alert = case.alerts.loc[case.alerts["source"] == "eve", "alert"].iloc[0]

    assert case.detail(alert)["alert"]["signature"] == case.alert(alert)["message"]


def test_the_queue_folds_79_suricata_alerts_into_18_groups(case):
    groups = case.groups()

    of_suricata = groups[groups["sensor"] == "suricata"]
    assert len(of_suricata) == 18
    assert of_suricata["count"].sum() == 79


def test_carved_packets_are_the_sessions_own(case, tmp_path):
    number = case.sessions.loc[case.sessions["dst_port"] == 31337, "session"].iloc[-1]

    path = case.carve(number, tmp_path / "shell.pcap")

    back, original = nsm.read_packets(path), case.packets_of(number)
    assert back["time"].tolist() == original["time"].tolist()
    assert back["length"].tolist() == original["length"].tolist()
    frames = nsm.schema.PACKETS and [case.frame("staged.pcap", int(frame)) for frame in original["frame"]]
    raw = path.read_bytes()
    assert [raw[at : at + size] for at, size in zip(back["offset"], back["captured"], strict=True)] == frames


@pytest.mark.parametrize(
    ("ask", "words"),
    [
        (lambda case: case.session(1), "there is no session 1"),
        (lambda case: case.alert("nobody"), "there is no alert 'nobody'"),
        (lambda case: case.frame("staged.pcap", 9747), "has no frame 9747; it has 9,746 frames"),
        (lambda case: case.frame("other.pcap", 1), "there is no evidence 'other.pcap'"),
        (lambda case: case.judge("nobody", "NA"), "there is no alert 'nobody'"),
    ],
)
def test_what_is_not_in_the_case_is_named(case, ask, words):
    with pytest.raises(UnknownName, match=words):
        ask(case)


# --- verdicts


def test_verdicts_are_kept_and_the_last_one_holds(own_case):
    alert = own_case.alerts["alert"].iloc[0]

    own_case.judge(alert, "VI", comment="a scan", analyst="ada")
    own_case.judge(alert, "NA", analyst="bob")

    assert own_case.status()[alert] == "NA"
    assert own_case.history(alert)["analyst"].tolist() == ["ada", "bob"]
    assert own_case.verify().ok
    assert nsm.open_case(own_case.path).status()[alert] == "NA"


def test_escalating_wants_a_reason(own_case):
    with pytest.raises(LedgerError, match="comment"):
        own_case.judge(own_case.alerts["alert"].iloc[0], "ESC")

    assert len(own_case.verdicts) == 0


def test_a_judged_group_leaves_the_queue_and_later_alerts_start_a_new_row(own_case):
    group = own_case.groups(pending=True).iloc[0]

    own_case.judge(group["children"], "NA")

    assert group["group"] not in own_case.groups(pending=True)["group"].tolist()
    assert set(group["children"]) <= set(own_case.status().index)


# --- cases of one's own


def capture(path, **more):
    path.write_bytes(writing.pcap(writing.conversation(**more)))
    return path


def test_a_case_is_made_of_files_that_stay_where_they_are(tmp_path):
    source = capture(tmp_path / "gateway.pcap")

    case = nsm.create_case(tmp_path / "case", evidence=[source])

    assert case.name == "case"
    assert case.evidence["evidence"].tolist() == ["gateway.pcap"]
    assert case.transcript(case.sessions["session"][0]).size("src") > 0
    assert (tmp_path / "case" / "evidence" / "gateway.pcap").is_symlink()


def test_a_case_is_made_of_a_folder_and_of_copies(tmp_path):
    (tmp_path / "folder").mkdir()
    source = capture(tmp_path / "folder" / "a.pcap")

    assert len(nsm.create_case(tmp_path / "one", evidence=[tmp_path / "folder"]).packets) == 8
    copied = nsm.create_case(tmp_path / "two", evidence=[source], copy=True)
    assert not (copied.settings.evidence / "a.pcap").is_symlink()


def test_a_bare_folder_of_evidence_is_a_case_and_nothing_is_written_into_it(tmp_path, monkeypatch):
    monkeypatch.setenv("NSM_HOME", str(tmp_path / "home"))
    (tmp_path / "folder").mkdir()
    capture(tmp_path / "folder" / "a.pcap")

    case = nsm.open_case(tmp_path / "folder")
    case.index()
    case.selection.session = 5

    assert len(case.packets) == 8
    assert os.listdir(tmp_path / "folder") == ["a.pcap"]
    assert nsm.open_case(tmp_path / "folder").selection.session == 5


def test_a_case_without_evidence_has_empty_tables(tmp_path):
    case = nsm.create_case(tmp_path / "case")

    for table in (
        case.evidence,
        case.packets,
        case.sessions,
        case.alerts,
        case.joins,
        case.groups(),
        case.caveats,
        case.verdicts,
        case.rules,
    ):
        assert len(table) == 0
    assert case.verify().ok


def test_one_bad_file_is_listed_with_its_caveat_and_the_others_are_read(tmp_path):
    folder = tmp_path / "folder"
    folder.mkdir()
    good = capture(folder / "good.pcap")
    (folder / "cut.pcap").write_bytes(good.read_bytes()[:-10])
    (folder / "head.pcap").write_bytes(good.read_bytes()[:12])
    (folder / "empty.pcap").touch()
    (folder / "foreign.bin").write_bytes(b"\x7fELF")
    (folder / "dangling.pcap").symlink_to(tmp_path / "nowhere")
    (folder / "broken.json").write_bytes(b'{"timestamp": "x", "event_type"')

    case = nsm.create_case(tmp_path / "case", evidence=[folder])
    notes = case.index().set_index("evidence")

    assert len(case.packets) == 8 + 7
    assert notes.loc["cut.pcap", "caveats"] == 1
    assert "ends inside its own file header" in notes.loc["head.pcap", "note"]
    assert "is empty" in notes.loc["empty.pcap", "note"]
    assert "is in no format" in notes.loc["foreign.bin", "note"]
    assert "can't be read" in notes.loc["dangling.pcap", "note"]
    assert {"cut.pcap", "head.pcap", "empty.pcap", "foreign.bin", "dangling.pcap"} <= set(case.caveats["evidence"])


def test_evidence_that_can_no_longer_be_read_is_listed_and_said(tmp_path, monkeypatch):
    folder = tmp_path / "folder"
    folder.mkdir()
    capture(folder / "good.pcap")
    capture(folder / "locked.pcap", sport=41000)
    real = hashlib.file_digest

    def refuse(file, *arguments):
        if "locked" in str(file.name):
            raise PermissionError(13, "Permission denied")
        return real(file, *arguments)

    monkeypatch.setattr(hashlib, "file_digest", refuse)  # root may read anything, so the refusal is simulated
    case = nsm.create_case(tmp_path / "case", evidence=[folder])

    assert len(case.packets) == 8
    assert "can't be read: Permission denied" in case.evidence.set_index("evidence").loc["locked.pcap", "note"]


def test_two_captures_are_one_table_with_comparable_addresses(tmp_path):
    (tmp_path / "folder").mkdir()
    capture(tmp_path / "folder" / "a.pcap")
    capture(tmp_path / "folder" / "b.pcap", src="192.0.2.7", sport=40100)

    case = nsm.create_case(tmp_path / "case", evidence=[tmp_path / "folder"])

    assert len(case.packets) == 16
    assert case.packets["src_ip"].dtype == case.sessions["src_ip"].dtype or case.packets["src_ip"].dtype.ordered
    assert sorted(case.sessions["src_ip"].astype(str)) == ["10.0.0.1", "192.0.2.7"]
    for number in case.sessions["session"]:
        assert len(case.packets_of(number)) == 8


def test_running_again_gives_the_same_tables(tmp_path):
    source = capture(tmp_path / "a.pcap")
    one = nsm.create_case(tmp_path / "one", evidence=[source])
    other = nsm.create_case(tmp_path / "other", evidence=[source])

    pd.testing.assert_frame_equal(one.packets, other.packets)
    pd.testing.assert_frame_equal(one.sessions, other.sessions)


def test_evidence_that_was_replaced_is_found_and_read_anew(tmp_path):
    source = capture(tmp_path / "a.pcap")
    case = nsm.create_case(tmp_path / "case", evidence=[source])
    assert len(case.packets) == 8

    source.write_bytes(writing.pcap(writing.conversation()[:3]))

    assert case.changed()["evidence"].tolist() == ["a.pcap"]
    case.refresh()
    assert len(case.packets) == 3
    assert len(case.changed()) == 0


def test_a_session_of_flow_records_only_has_no_transcript_and_says_why(tmp_path, evidence):
    alone = nsm.create_case(tmp_path / "case", evidence=[evidence / "suricata" / "eve.json"])

    assert len(alone.sessions) == 1444
    assert alone.sessions["session"].is_unique
    with pytest.raises(NsmError, match="a transcript needs full content"):
        alone.transcript(alone.sessions["session"][0])


def test_timeouts_of_case_toml_are_followed(tmp_path):
    frames = [*writing.conversation(), *[(time + 1000 * 10**9, frame) for time, frame in writing.conversation()[4:5]]]
    (tmp_path / "a.pcap").write_bytes(writing.pcap(frames))
    case = nsm.create_case(tmp_path / "case", evidence=[tmp_path / "a.pcap"])
    assert len(case.sessions) == 1

    (case.path / "case.toml").write_text((case.path / "case.toml").read_text() + "\n[idle]\ntcp = 60\n")

    assert len(nsm.open_case(case.path).sessions) == 2


def test_vlans_and_the_words_of_argus_2_are_as_case_toml_says(tmp_path):
    here, there = ("10.0.0.1", "10.0.0.2"), (40000, 80)
    a = writing.ip(writing.tcp(b"", *there, flags=2), *here, 6)
    b = writing.ip(writing.tcp(b"", *there[::-1], flags=18), *here[::-1], 6)
    frames = [(0, writing.ethernet(a, vlans=(7,))), (10**6, writing.ethernet(b, vlans=(8,)))]
    frames += [(2 * 10**6, writing.ethernet(a, vlans=(7,)))]  # the SYN once more
    late = writing.ethernet(writing.ip(writing.udp(b"x", 5, 6), "10.0.0.9", "10.0.0.8", 17))
    (tmp_path / "a.1.pcap").write_bytes(writing.pcap(frames))
    (tmp_path / "a.2.pcap").write_bytes(writing.pcap([(90 * 10**9, late)]))
    case = nsm.create_case(tmp_path / "case", evidence=[tmp_path / "a.1.pcap", tmp_path / "a.2.pcap"])
    assert case.sessions["state"].tolist() == ["REQ", "ACC", "INT"]
    assert any("by_vlan = false in case.toml" in each for each in case.caveats["detail"])

    said = (case.path / "case.toml").read_text()
    (case.path / "case.toml").write_text(f"by_vlan = false\n{said}")
    assert nsm.open_case(case.path).sessions["state"].tolist() == ["ACC", "INT"]
    (case.path / "case.toml").write_text(f"by_vlan = false\nargus2 = true\n{said}")
    assert nsm.open_case(case.path).sessions["state"].tolist() == ["TIM", "INT"]  # of pieces of one capture, too
    (case.path / "case.toml").write_text(said)
    assert len(nsm.open_case(case.path).sessions) == 3


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda place: nsm.open_case(place / "missing"), "is no folder"),
        (lambda place: nsm.create_case(place / "case", evidence=[place / "missing"]), "does not exist; check the path"),
    ],
)
def test_a_case_that_cannot_be_opened_says_why(tmp_path, make, words):
    with pytest.raises(CaseError, match=words):
        make(tmp_path)


def test_a_case_is_not_made_over_another(tmp_path):
    nsm.create_case(tmp_path / "case")
    with pytest.raises(CaseError, match="is a case already"):
        nsm.create_case(tmp_path / "case")


# --- the case that the notebooks are on


def test_the_chosen_case_goes_before_the_one_that_lab_was_opened_on(tmp_path, monkeypatch, bundled):
    monkeypatch.setenv("NSM_HOME", str(tmp_path / "home"))
    monkeypatch.delenv("NSM_CASE", raising=False)
    assert current() == bundled

    monkeypatch.setenv("NSM_CASE", str(tmp_path))
    assert current() == tmp_path

    (tmp_path / "other").mkdir()
    choose(tmp_path / "other")
    assert current() == tmp_path / "other"

    monkeypatch.setenv("NSM_CASE", str(bundled))  # another Lab: the choice was not made there
    assert current() == bundled
    assert json.loads((tmp_path / "home" / "chosen.json").read_text())["case"] == str(tmp_path / "other")
    forget()
    monkeypatch.setenv("NSM_CASE", str(tmp_path))
    assert current() == tmp_path


def test_evidence_that_is_there_twice_counts_once(tmp_path):
    (tmp_path / "folder").mkdir()
    source = capture(tmp_path / "folder" / "a.pcap")
    shutil.copy(source, tmp_path / "folder" / "b.pcap")

    case = nsm.create_case(tmp_path / "case", evidence=[tmp_path / "folder"])

    assert len(case.evidence) == 2
    assert len(case.packets) == 8
    assert len(case.sessions) == 1


def test_links_in_a_circle_and_pipes_do_not_hang(tmp_path):
    folder = tmp_path / "folder"
    (folder / "deep").mkdir(parents=True)
    capture(folder / "a.pcap")
    (folder / "deep" / "up").symlink_to(folder)
    os.mkfifo(folder / "pipe.pcap")

    case = nsm.create_case(tmp_path / "case", evidence=[folder])

    assert case.evidence["evidence"].tolist() == ["a.pcap", "pipe.pcap"]
    assert "is no file" in case.evidence["note"][1]
    assert len(case.packets) == 8


def test_an_intrusion_behind_datagrams_of_netflow_is_read(tmp_path):
    flow = bytes.fromhex("000500010000000165500000" + "00" * 12) + b"\x0a\0\0\x09\x0a\0\0\x08" + bytes(40)
    export = writing.ethernet(writing.ip(writing.udp(flow, 1000, 2055), "192.0.2.6", "10.0.0.2", 17))
    frames = [(10**18 + place * 10**6, export) for place in range(900)]
    (tmp_path / "a.pcap").write_bytes(writing.pcap([*frames, *writing.conversation()]))

    case = nsm.create_case(tmp_path / "case", evidence=[tmp_path / "a.pcap"])

    assert len(case.packets) == 908
    assert (case.sessions["source"] == "netflow").sum() == 1  # 900 records, all of the same ends at the same time
    (number,) = case.sessions.loc[(case.sessions["source"] == "pcap") & (case.sessions["dst_port"] == 80), "session"]
    assert case.transcript(number).data("src") == b"GET / HTTP/1.1\r\n\r\n"
    row = case.evidence.iloc[0]
    assert row[["format", "tables", "rows"]].tolist() == ["netflow", "packets, sessions", 908]
    assert any("8 of 908 frames are no exports" in detail for detail in case.caveats["detail"])


@pytest.mark.parametrize("name", ["meta.json", "packets.arrow", "names.arrow", "sessions.parquet"])
@pytest.mark.parametrize("harm", ["cut", "empty", "foreign", "gone"])
def test_a_damaged_index_is_made_again(tmp_path, name, harm):
    case = nsm.create_case(tmp_path / "case", evidence=[capture(tmp_path / "a.pcap")])
    case.index()
    (file,) = (case.path / "index").glob(f"*/{name}")
    data = file.read_bytes()
    if harm == "gone":
        file.unlink()
    else:
        file.write_bytes({"cut": data[: len(data) // 2], "empty": b"", "foreign": b"{}"}[harm])

    again = nsm.open_case(case.path)

    assert (len(again.evidence), len(again.packets), len(again.sessions)) == (1, 8, 1)
    assert (len(again.packets), len(nsm.open_case(case.path).packets)) == (8, 8)


def test_names_that_look_alike_are_two_evidences(tmp_path):
    (tmp_path / "folder").mkdir()
    capture(tmp_path / "folder" / "a\x01.pcap")
    capture(tmp_path / "folder" / "a\\x01.pcap", sport=41_000)

    case = nsm.create_case(tmp_path / "case", evidence=[tmp_path / "folder"])

    assert case.evidence["evidence"].tolist() == ["a\\x01.pcap", "a\\x01.pcap (2)"]
    assert len(case.paths) == 2
    for row in case.sessions.itertuples():
        assert set(case.packets_of(row.session)["src_port"]) == {row.src_port, 80}
    assert len(case.changed()) == 0


def test_a_link_to_a_name_that_is_too_long_is_a_row(tmp_path):
    (tmp_path / "folder").mkdir()
    (tmp_path / "folder" / "long.pcap").symlink_to("x" * 300)

    case = nsm.create_case(tmp_path / "case", evidence=[tmp_path / "folder"])

    assert "can't be read: File name too long" in case.evidence["note"][0]


def test_a_hidden_file_is_not_added_in_silence(tmp_path):
    case = nsm.create_case(tmp_path / "case")

    with pytest.raises(CaseError, match="hidden files are no evidence; rename it"):
        case.add(capture(tmp_path / ".hidden.pcap"))


def test_rule_files_may_lie_anywhere(tmp_path):
    (tmp_path / "etc").mkdir()
    (tmp_path / "etc" / "local.rules").write_text('alert tcp any any -> any any (msg:"x"; sid:7;)\n')
    case = nsm.create_case(tmp_path / "case")
    text = (case.path / "case.toml").read_text()
    (case.path / "case.toml").write_text(f'rules = ["{tmp_path}/etc/*.rules", "../etc/local.*"]\n' + text)

    assert nsm.open_case(case.path).rules["sid"].unique().tolist() == [7]
