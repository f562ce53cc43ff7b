import gzip
import importlib.util
import os
from importlib import import_module

import numpy as np
import pandas as pd
import pytest

import nsm_nb as nsm
from nsm_nb.errors import MissingTool, NsmError, UnreadableEvidence
from nsm_nb.schema import SESSIONS
from nsm_nb.sessions import label, labels
from tests.writing import conversation, ethernet, pcap

module = import_module("nsm_nb.sessions.labels")

needs_nfstream = pytest.mark.skipif(importlib.util.find_spec("nfstream") is None, reason="nfstream is not installed")
TIME = pd.Timestamp("2003-11-13T17:00:00Z")


@pytest.fixture(scope="module")
def sessions(evidence):
    return nsm.sessions.assemble(nsm.read_packets(evidence / "staged.pcap"))[0]


@pytest.fixture(scope="module")
def labelled(evidence, sessions):
    return label(sessions, evidence / "staged.pcap")


@pytest.fixture
def capture(tmp_path):
    """An HTTP conversation to port 4444, written to a capture."""
    path = tmp_path / "talk.pcap"
    request = b"GET /index.html HTTP/1.1\r\nHost: www.example.com\r\nUser-Agent: one\x1b[2J\r\n\r\n"
    path.write_bytes(
        pcap(conversation(dport=4444, request=request, answer=b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello"))
    )
    return path


def assembled(path):
    return nsm.sessions.assemble(nsm.read_packets(path))[0]


@needs_nfstream
def test_applications_are_those_that_suricata_saw(evidence, labelled):
    flows = nsm.read_sessions(evidence / "suricata" / "eve.json")
    flows = flows[flows["application"].notna()]
    pairs = flows.merge(labelled, on="community_id", suffixes=("_eve", ""))
    late = pd.Timedelta(milliseconds=1)
    pairs = pairs[(pairs["start"] <= pairs["end_eve"] + late) & (pairs["end"] >= pairs["start_eve"] - late)]

    counts = pairs["application_eve"].astype(str).value_counts().to_dict()
    assert counts == {
        "dns": 733,
        "http": 243,
        "ntp": 28,
        "smtp": 24,
        "tls": 15,
        "smb": 12,
        "ftp": 5,
        "ssh": 2,
        "ftp-data": 1,
    }
    other = pairs[pairs["application"].astype(str) != pairs["application_eve"].astype(str)]
    # of the one SMB session on port 139 nDPI says what it sees first, NetBIOS
    assert other[["dst_port", "application", "application_eve"]].astype(str).to_numpy().tolist() == [
        ["139", "netbios", "smb"]
    ]


@needs_nfstream
def test_only_the_application_changes_and_the_table_given_stays(sessions, labelled):
    before = sessions.copy(deep=True)

    more = ["labelled_by", "category", "server_name", "client_fingerprint"]
    assert list(labelled.columns) == [*sessions.columns, *more]
    pd.testing.assert_frame_equal(labelled.drop(columns=["application", *more]), sessions.drop(columns="application"))
    pd.testing.assert_frame_equal(sessions, before)
    assert SESSIONS.conform(labelled)["application"].dtype == "category"
    assert (sessions["application"] == "https").sum() == 24
    assert (labelled["application"] == "tls").sum() == 15 and (labelled["application"] == "https").sum() == 9  # scanned


@needs_nfstream
def test_what_content_does_not_tell_keeps_the_name_of_its_port(sessions, labelled):
    silent = (sessions["dst_payload"] == 0) & (sessions["src_payload"] == 0)

    assert silent.sum() > 200
    assert (
        labelled.loc[silent, "application"].astype(str).tolist()
        == sessions.loc[silent, "application"].astype(str).tolist()
    )


@needs_nfstream
def test_a_label_says_who_told_it(sessions, labelled, evidence):
    told = labelled["labelled_by"]
    by_content = labelled[told == "content"]

    assert set(told.dropna()) == {"content", "port"}
    assert (told.isna() == labelled["application"].isna()).all()
    assert by_content["category"].notna().all() and labelled.loc[told == "port", "category"].isna().all()
    tls = labelled[labelled["application"] == "tls"]
    assert set(tls["labelled_by"]) == {"content"} and "secure.example" in set(tls["server_name"])
    assert tls["client_fingerprint"].str.startswith("t13d").all()
    assert set(labelled.loc[labelled["application"] == "https", "labelled_by"]) == {"port"}
    # what another sensor said and the content does not contradict is neither
    said = sessions.assign(
        application=sessions["application"].astype(object).where(sessions["proto"] != "icmp", "ping")
    )
    assert set(label(said, evidence / "staged.pcap").query("application == 'ping'")["labelled_by"]) == {"sensor"}


@needs_nfstream
def test_the_raw_table_says_what_is_content_and_what_a_guess(evidence):
    table = labels(evidence / "staged.pcap")

    sure = table[table["content"].fillna(False)]
    assert sure["application"].value_counts()[["dns", "http", "tls"]].tolist() == [733, 243, 15]
    guessed = table[~table["content"].fillna(True)]
    assert guessed["application"].isna().all() and guessed["ndpi"].notna().all()
    tls = sure[sure["application"] == "tls"]
    assert tls["server_name"].iloc[0] == "secure.example"
    assert tls["client_fingerprint"].str.match(r"t13d\d{4}h2_[0-9a-f]{12}_[0-9a-f]{12}").all()
    assert not (table["client_fingerprint"] == module._MD5_OF_NOTHING).any()


@needs_nfstream
def test_http_on_another_port_is_found_by_its_content(capture):
    assert assembled(capture)["application"].isna().all()

    assert label(assembled(capture), capture)["application"].tolist() == ["http"]
    table = labels(capture)
    assert table["server_name"].tolist() == ["www.example.com"]
    assert table["user_agent"].iloc[0].startswith("one") and "\x1b" not in table["user_agent"].iloc[0]


@needs_nfstream
def test_neither_name_nor_folder_of_the_capture_matter(capture, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for name in ("lo", "-r $(touch x) 'q\".pcap"):
        (tmp_path / name).write_bytes(capture.read_bytes())
        assert labels(name)["application"].tolist() == ["http"]
    assert sorted(os.listdir(tmp_path)) == sorted(["lo", "-r $(touch x) 'q\".pcap", "talk.pcap"])


@needs_nfstream
def test_a_packed_capture_is_unpacked_for_it(capture, tmp_path):
    packed = tmp_path / "talk.pcap.gz"
    packed.write_bytes(gzip.compress(capture.read_bytes()))
    told = []

    assert labels(packed, progress=lambda *each: told.append(each))["application"].tolist() == ["http"]
    assert told[-1] == (str(packed), capture.stat().st_size, capture.stat().st_size)


@needs_nfstream
def test_a_capture_without_flows_gives_an_empty_table(tmp_path):
    (tmp_path / "arp.pcap").write_bytes(pcap([(0, ethernet(bytes(28), ethertype=0x0806))]))

    table = labels(tmp_path / "arp.pcap")

    assert table.empty and str(table["start"].dtype) == "datetime64[ns, UTC]"
    assert label(SESSIONS.empty(), tmp_path / "arp.pcap").empty


@needs_nfstream
@pytest.mark.parametrize("cut", [10, 200, 700])
def test_a_damaged_capture_is_labelled_as_far_as_it_goes_or_refused_in_a_sentence(capture, cut):
    capture.write_bytes(capture.read_bytes()[:cut])

    if cut < 24:
        with pytest.raises(NsmError, match=r"could not label .*truncated dump file"):
            labels(capture)
    else:
        assert len(labels(capture)) <= 1


@needs_nfstream
def test_a_slow_one_is_ended(capture, monkeypatch):
    monkeypatch.setattr(module, "LIMITS", module.LIMITS._replace(seconds=0.05))

    with pytest.raises(NsmError, match=r"could not label .*it was ended after 0.05 seconds; its sessions keep"):
        labels(capture)


@needs_nfstream
def test_one_that_crashes_is_told_and_the_kernel_lives(capture, monkeypatch):
    monkeypatch.setattr(module, "LIMITS", module.LIMITS._replace(memory=40 << 20))  # Python itself does not fit

    with pytest.raises(NsmError, match="could not label"):
        labels(capture)


def test_a_missing_capture_is_told(tmp_path):
    with pytest.raises(UnreadableEvidence, match="does not exist"):
        labels(tmp_path / "nothing.pcap")


def test_without_nfstream_it_says_how_to_get_it(capture, monkeypatch):
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)

    with pytest.raises(MissingTool, match="pip install nfstream"):
        label(assembled(capture), capture)


def rows(*each, **same):
    """A table of sessions or flows: (src, sport, dst, dport, first millisecond, last millisecond, application)."""
    table = pd.DataFrame(each, columns=["src_ip", "src_port", "dst_ip", "dst_port", "start", "end", "application"])
    table = table.assign(proto="udp", **same)
    for name in ("start", "end"):
        table[name] = (TIME + pd.to_timedelta(table[name], unit="ms")).astype("datetime64[ns, UTC]")
    return table.assign(application=table["application"].astype("category"))


def slow_matches(sessions, flows):
    """The application of the first flow to end, of those that overlap and have both ends; None where there is none."""
    found = []
    flows = flows.sort_values("end", kind="stable")
    for one in sessions.itertuples():
        ends = {(one.src_ip, one.src_port), (one.dst_ip, one.dst_port)}
        fits = [
            flow.application
            for flow in flows.itertuples()
            if {(flow.src_ip, flow.src_port), (flow.dst_ip, flow.dst_port)} == ends
            and flow.start <= one.end + pd.Timedelta(milliseconds=1)
            and flow.end >= one.start - pd.Timedelta(milliseconds=1)
        ]
        found.append(fits[0] if fits else None)
    return found


def names(asked, flows):
    """Return the application of the flow that each session is in; None where it is in none."""
    return [None if row < 0 else flows["application"].iloc[row] for row in module._matched(asked, flows)]


@pytest.mark.parametrize("seed", range(10))
def test_sessions_are_matched_as_the_slow_way_does(seed):
    chance = np.random.default_rng(seed)
    hosts, ports = ["10.0.0.1", "10.0.0.2", "2001:db8::1"], [53, 4000]

    def end():
        return str(chance.choice(hosts)), int(chance.choice(ports))

    flows, clocks = [], {}
    for number in range(60):  # flows of the same ends follow each other
        one, other = end(), end()
        start = clocks.get(frozenset([one, other]), 0) + int(chance.integers(5, 40))
        clocks[frozenset([one, other])] = start + 20
        flows.append((*one, *other, start, start + int(chance.integers(0, 20)), f"app{number}"))
    asked = []
    for _ in range(80):
        start = int(chance.integers(0, 300))
        asked.append((*end(), *end(), start, start + int(chance.integers(0, 30)), None))
    flows, asked = rows(*flows), rows(*asked)

    assert names(asked, flows) == slow_matches(asked, flows)


def test_a_match_needs_both_ends_and_the_time():
    flows = rows(
        ("10.0.0.1", 5000, "10.0.0.2", 80, 0, 1000, "http"), ("10.0.0.1", 5000, "10.0.0.2", 80, 9000, 9500, "tls")
    )
    asked = rows(
        ("10.0.0.2", 80, "10.0.0.1", 5000, 1001, 1001, None),  # the other way round, a millisecond late
        ("10.0.0.1", 5000, "10.0.0.2", 80, 9400, 9999, None),  # the port again, later
        ("10.0.0.1", 5000, "10.0.0.2", 80, 4000, 5000, None),  # in between
        ("10.0.0.1", 80, "10.0.0.2", 5000, 0, 1000, None),  # ports exchanged
    )

    assert names(asked, flows) == ["http", "tls", None, None]
    assert (module._matched(asked.assign(proto="tcp"), flows) == -1).all()
    assert (module._matched(asked.assign(src_port=pd.NA), flows) == -1).all()
