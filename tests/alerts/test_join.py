"""From alerts to their sessions, against the story of the bundled case and against the slow way."""

from __future__ import annotations

import time as clock

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from nsm_nb.alerts import join
from nsm_nb.alerts.join import EARLY, LATE
from nsm_nb.errors import MissingColumn
from nsm_nb.formats import eve, pcap, snort_fast
from nsm_nb.schema import ALERTS, SESSIONS
from nsm_nb.sessions import assemble


def when(seconds):
    return None if seconds is None else pd.Timestamp("2026-11-24", tz="UTC") + pd.Timedelta(seconds=seconds)


def session(number, start, end, ends=("10.0.0.1", 1024, "10.0.0.2", 80), proto="tcp", **more):
    names = ("src_ip", "src_port", "dst_ip", "dst_port")
    return (
        {"session": number, "start": when(start), "end": when(end), "proto": proto}
        | dict(zip(names, ends, strict=True))
        | more
    )


def alert(time, ends=("10.0.0.1", 1024, "10.0.0.2", 80), proto="tcp", **more):
    names = ("src_ip", "src_port", "dst_ip", "dst_port")
    return {"alert": "a", "time": when(time), "proto": proto} | dict(zip(names, ends, strict=True)) | more


def joined(alerts, sessions):
    return join(ALERTS.conform(pd.DataFrame(alerts)), SESSIONS.conform(pd.DataFrame(sessions)))


def one(found):
    (row,) = found.itertuples(index=False)
    return (None if pd.isna(row.session) else row.session, row.confidence, row.how)


REPLY = ("10.0.0.2", 80, "10.0.0.1", 1024)
HOSTS = ("10.0.0.1", None, "10.0.0.2", None)


# --- the bundled case


@pytest.fixture(scope="module")
def sessions(evidence):
    found, packets = assemble(pcap.packets(evidence / "staged.pcap", label="staged.pcap"))
    return found, packets


@pytest.fixture(scope="module")
def streams(truth):
    """Wireshark's stream of each frame, such as ``tcp 423``."""
    frames = pd.read_csv(
        truth / "packets.tsv.gz", sep="\t", dtype=str, usecols=["frame.number", "tcp.stream", "udp.stream"]
    )
    tcp, udp = "tcp " + frames["tcp.stream"], "udp " + frames["udp.stream"]
    return pd.Series(tcp.fillna(udp).to_numpy(), index=frames["frame.number"].astype(int))


def stream_of(found, sessions, streams):
    packets = sessions[1]
    first = packets[packets["session"].notna()].groupby("session")["frame"].first()
    return [None if pd.isna(number) else streams[int(first[number])] for number in found["session"]]


# STORY.md: the streams that the alerts of a rule belong to
STORY = {
    9000002: ["tcp 405", "tcp 407", "tcp 411", "tcp 417"],
    9000004: ["tcp 405", "tcp 423"],
    9000003: ["tcp 442", "tcp 423"],
    9000011: ["tcp 423"],
    9000005: ["tcp 443"],
    9000007: ["tcp 457"],
}
SMB = {f"tcp {number}" for number in (384, 13, 422, 471, 513, 562, 607, 646, 443)}


def test_every_alert_of_suricata_finds_the_session_of_the_story(evidence, sessions, streams):
    alerts = eve.alerts(evidence / "suricata" / "eve.json")
    found = join(alerts, sessions[0])

    assert found["alert"].tolist() == alerts["alert"].tolist()
    assert found["session"].notna().all()
    assert set(found["confidence"]) == {"certain"}
    assert found["how"].str.startswith("community id; ").all()
    stream = pd.Series(stream_of(found, sessions, streams))
    for sid, told in STORY.items():
        assert stream[(alerts["sid"] == sid).to_numpy()].tolist() == told
    assert set(stream[(alerts["sid"] == 9000006).to_numpy()]) == SMB
    assert stream[(alerts["sid"] == 9000009).to_numpy()].nunique() == 40


def test_without_community_ids_five_tuples_find_the_same_sessions(evidence, sessions):
    alerts = eve.alerts(evidence / "suricata" / "eve.json")
    found = join(alerts, sessions[0])
    bare = join(alerts.assign(community_id=pd.Series([None] * len(alerts), dtype="str")), sessions[0])

    icmp = (alerts["proto"] == "icmp").to_numpy()
    assert bare["session"][~icmp].tolist() == found["session"][~icmp].tolist()
    assert set(bare["confidence"][~icmp]) == {"certain"}
    assert set(bare["how"][~icmp].str.partition(";")[0]) == {"five-tuple", "five-tuple, reversed"}
    assert set(bare["confidence"][icmp]) == {"weak"}
    assert bare["session"][icmp].tolist() == found["session"][icmp].tolist()


def test_every_alert_of_snort_finds_its_session_too(evidence, sessions, streams):
    alerts = snort_fast.alerts(evidence / "snort2" / "alert.fast")
    found = join(alerts, sessions[0])
    assert found["session"].notna().all()
    stream = pd.Series(stream_of(found, sessions, streams))
    assert stream[(alerts["sid"] == 9000011).to_numpy()].tolist() == ["tcp 423"]
    assert found["confidence"].value_counts().to_dict() == {"certain": 73, "weak": 4, "likely": 0, "none": 0}


def test_the_late_alert_on_root_finds_the_shell_and_not_its_own_packet(evidence, sessions):
    # Suricata stamps it 31.7 s after the packet that holds uid=0(root); a session that was over by then is found as well
    table, packets = sessions
    alerts = eve.alerts(evidence / "suricata" / "eve.json")
    root = alerts[(alerts["sid"] == 9000003) & (alerts["src_ip"] == "172.16.10.80")].reset_index(drop=True)
    (number,) = join(root, table)["session"]
    frame = packets[packets["frame"] == 3261].iloc[0]
    assert frame["session"] == number
    assert (root["time"][0] - frame["time"]).total_seconds() == pytest.approx(31.66, abs=0.01)

    shell = table[table["session"] == number].reset_index(drop=True)
    over = shell.assign(end=frame["time"])
    found = join(root.assign(community_id=pd.Series([None], dtype="str")), over)
    assert one(found) == (number, "likely", "five-tuple, reversed; stamped 31.7 s after its last packet")


# --- ways


@pytest.mark.parametrize(
    ("an_alert", "a_session", "expected"),
    [
        (alert(5), session(1, 0, 10), (1, "certain", "five-tuple; stamped while the session was open")),
        (alert(5, REPLY), session(1, 0, 10), (1, "certain", "five-tuple, reversed; stamped while the session was open")),
        (alert(5, community_id="1:x"), session(1, 0, 10, REPLY, community_id="1:x"),
         (1, "certain", "community id; stamped while the session was open")),
        (alert(5, community_id="1:x"), session(1, 0, 10, community_id="1:y"),
         (1, "certain", "five-tuple; stamped while the session was open")),
        (alert(41.7), session(1, 0, 10), (1, "likely", "five-tuple; stamped 31.7 s after its last packet")),
        (alert(10.01), session(1, 0, 10), (1, "likely", "five-tuple; stamped 0.1 s after its last packet")),
        (alert(310), session(1, 0, 10), (1, "likely", "five-tuple; stamped 300.0 s after its last packet")),
        (alert(310.1), session(1, 0, 10), (None, "none", "no session has its addresses at its time")),
        (alert(-1.5), session(1, 0, 10), (1, "likely", "five-tuple; stamped 1.5 s before its first packet")),
        (alert(-2.1), session(1, 0, 10), (None, "none", "no session has its addresses at its time")),
        (alert(5, HOSTS, "icmp"), session(1, 0, 10, HOSTS, "icmp"),
         (1, "weak", "protocol and addresses; stamped while the session was open")),
        (alert(5, HOSTS), session(1, 0, 10, REPLY),
         (1, "weak", "protocol and addresses, reversed; stamped while the session was open")),
        (alert(5, HOSTS, "255"), session(1, 0, 10),
         (1, "weak", "addresses alone; stamped while the session was open")),
        (alert(15, HOSTS, None), session(1, 0, 10),
         (1, "weak", "addresses alone; stamped 5.0 s after its last packet")),
        (alert(5, proto="udp"), session(1, 0, 10), (None, "none", "no session has its addresses at its time")),
        (alert(5, ("10.0.0.1", 1025, "10.0.0.2", 80)), session(1, 0, 10),
         (None, "none", "no session has its addresses at its time")),
        (alert(5, (None, None, None, None)), session(1, 0, 10), (None, "none", "no session has its addresses at its time")),
        (alert(5, ("10.0.0.1", 7, "10.0.0.1", 7)), session(1, 0, 10, ("10.0.0.1", 7, "10.0.0.1", 7)),
         (1, "certain", "five-tuple; stamped while the session was open")),
        (alert(None), session(1, 0, 10), (1, "likely", "five-tuple; the alert has no time, but only one session fits")),
        (alert(5), session(1, None, None), (None, "none", "no session has its addresses at its time")),
        (alert(5), session(1, 0, None), (1, "likely", "five-tuple; stamped 5.0 s after its last packet")),
    ],
)  # fmt: skip
def test_how_an_alert_finds_its_session_is_said(an_alert, a_session, expected):
    assert one(joined([an_alert], [a_session])) == expected


def test_an_alert_with_ports_is_never_joined_by_addresses_alone():
    other = session(1, 0, 10, ("10.0.0.1", 5000, "10.0.0.2", 443))
    assert one(joined([alert(5)], [other]))[0] is None


@pytest.mark.parametrize(
    ("time", "expected"),
    [
        (5, 1),  # only the first was open
        (15, 1),  # between the two: the one that ended before
        (25, 2),
        (19, 2),  # a second before the second begins, nine after the first ended
        (11, 1),
        (500, None),
    ],
)
def test_of_two_sessions_of_one_five_tuple_time_decides(time, expected):
    two = [session(1, 0, 10), session(2, 20, 30)]
    assert one(joined([alert(time)], two))[0] == expected
    assert one(joined([alert(time)], two[::-1]))[0] == expected


def test_a_long_session_around_a_short_one_is_found_after_it():
    around = [session(1, 0, 100), session(2, 20, 30)]
    assert one(joined([alert(25)], around))[0] == 2
    assert one(joined([alert(50)], around))[:2] == (1, "certain")
    assert one(joined([alert(150)], around))[0] == 1


def test_an_alert_without_a_time_is_not_joined_to_one_of_several():
    assert one(joined([alert(None)], [session(1, 0, 10), session(2, 20, 30)]))[0] is None


def test_of_two_records_of_one_conversation_the_one_with_packets_is_meant():
    two = [session(1, 0, 10, source="pcap"), session(2, 0, 10, source="eve")]
    assert one(joined([alert(5)], two))[0] == one(joined([alert(5)], two[::-1]))[0] == 1


def test_ipv6_and_ipv4_alerts_are_joined_in_one_go():
    six = ("2001:db8::1", 1024, "2001:db8::2", 80)
    found = joined([alert(5, six), alert(5), alert(5, six[2:] + six[:2])], [session(1, 0, 10), session(2, 0, 10, six)])
    assert found["session"].tolist() == [2, 1, 2]


def test_nothing_to_join_gives_an_empty_table():
    some = joined([alert(5)], [session(1, 0, 10)])
    nothing = join(ALERTS.empty(), SESSIONS.empty())
    assert len(nothing) == 0
    assert nothing.dtypes.astype(str).to_dict() == some.dtypes.astype(str).to_dict()
    assert one(join(ALERTS.conform(pd.DataFrame([alert(5)])), SESSIONS.empty()))[0] is None
    with pytest.raises(MissingColumn, match="community_id"):
        join(ALERTS.empty(), SESSIONS.empty().drop(columns="community_id"))


# --- any tables

HOST = st.sampled_from(["10.0.0.1", "10.0.0.2", "2001:db8::1", None])
PORT = st.sampled_from([80, 1024, None])
PROTO = st.sampled_from(["tcp", "udp", "icmp", None])
COMMUNITY = st.sampled_from(["1:x", "1:y", None])
TIME = st.integers(0, 700) | st.none()


def slow_join(alerts, sessions):
    """One alert after the other, one session after the other; the rules of `join` in their own words."""
    rows = [row for row in sessions.itertuples() if not pd.isna(row.start)]
    return [_slow(each, rows) for each in alerts.itertuples()]


def _slow(each, rows):
    def known(*values):
        return None if any(pd.isna(value) for value in values) else values

    def ends(row, *, ports):
        pair = [known(row.src_ip, row.src_port), known(row.dst_ip, row.dst_port)] if ports else [row.src_ip, row.dst_ip]
        return None if any(end is None or (not ports and pd.isna(end)) for end in pair) else frozenset(pair)

    ways = [
        lambda row: known(row.community_id),
        lambda row: (row.proto, ends(row, ports=True)) if known(row.proto) and ends(row, ports=True) else None,
    ]
    if known(each.src_port, each.dst_port) is None:
        ways += [
            lambda row: (row.proto, ends(row, ports=False)) if known(row.proto) and ends(row, ports=False) else None,
            lambda row: ends(row, ports=False),
        ]
    halves = {
        "src": lambda row: known(row.proto, row.src_ip, row.src_port, row.dst_port),
        "dst": lambda row: known(row.proto, row.dst_ip, row.dst_port, row.src_port),
    }
    pairs = [(way, way) for way in ways] + [(halves[one], halves[other]) for one in halves for other in halves]
    for way, way_of_session in pairs:
        same = [row for row in rows if way(each) is not None and way_of_session(row) == way(each)]
        found = _slow_nearest(each.time, same)
        if found is not None:
            return found
    return None


def _slow_nearest(time, rows):
    if pd.isna(time):
        return rows[0].session if len(rows) == 1 else None
    ended = {row.session: row.start if pd.isna(row.end) else max(row.start, row.end) for row in rows}
    begun = sorted(
        (row for row in rows if row.start <= time), key=lambda row: (row.start, row.source == "pcap", row.Index)
    )
    best, gap = None, None
    if begun:
        last, longest = begun[-1], max(reversed(begun), key=lambda row: ended[row.session])
        best = last if ended[last.session] >= time else longest
        gap = max(time - ended[best.session], pd.Timedelta(0))
    later = sorted(
        (row for row in rows if row.start > time), key=lambda row: (row.start, row.source == "pcap", row.Index)
    )
    if later and later[0].start - time <= EARLY and (gap is None or later[0].start - time < gap):
        return later[0].session
    return best.session if best is not None and gap <= LATE else None


@settings(deadline=None, max_examples=150)
@given(
    st.lists(st.tuples(TIME, HOST, PORT, HOST, PORT, PROTO, COMMUNITY), max_size=8),
    st.lists(
        st.tuples(
            TIME, st.integers(0, 400), HOST, PORT, HOST, PORT, PROTO, COMMUNITY, st.sampled_from(["pcap", "eve"])
        ),
        max_size=12,
    ),
)
def test_sessions_agree_with_the_slow_way(alerts, sessions):
    told = [alert(time, (*ends,), proto, community_id=name) for time, *ends, proto, name in alerts]
    seen = [
        session(at, start, None if start is None else start + lasts, (*ends,), proto, community_id=name, source=source)
        for at, (start, lasts, *ends, proto, name, source) in enumerate(sessions)
    ]
    left = ALERTS.conform(pd.DataFrame(told, columns=[*alert(0), "community_id"]))
    right = SESSIONS.conform(pd.DataFrame(seen, columns=[*session(0, 0, 0), "community_id", "source"]))
    found = [None if pd.isna(number) else number for number in join(left, right)["session"]]
    assert found == slow_join(left, right)


def test_an_alert_from_behind_address_translation_finds_its_session_weakly():
    # the sensor outside sees 198.51.100.1 where the capture inside has 10.0.0.1; the other end and both ports are kept
    outside = {**alert(5, ("198.51.100.1", 4000, "203.0.113.9", 80), "tcp")}
    inside = session(7, 0, 10, ("10.0.0.1", 4000, "203.0.113.9", 80), "tcp")
    other = session(8, 0, 10, ("10.0.0.1", 4001, "203.0.113.9", 80), "tcp")
    found = join(ALERTS.conform(pd.DataFrame([outside])), SESSIONS.conform(pd.DataFrame([inside, other]))).iloc[0]
    assert (found["session"], found["confidence"]) == (7, "weak")
    assert found["how"].startswith("one end and both ports, as behind address translation (NAT)")


@pytest.mark.slow
def test_a_hundred_thousand_of_each_between_two_hosts_take_seconds():
    # every alert has the key of every session: what compares pairs would need ten billion comparisons
    count = 100_000
    start = pd.Timestamp("2026-11-24", tz="UTC") + pd.to_timedelta(np.arange(count), unit="s")
    same = {"src_ip": "10.0.0.1", "dst_ip": "10.0.0.2", "src_port": 1, "dst_port": 2, "proto": "tcp"}
    sessions = SESSIONS.conform(
        pd.DataFrame({"session": np.arange(count), "start": start, "end": start + pd.Timedelta(seconds=50)} | same)
    )
    alerts = ALERTS.conform(pd.DataFrame({"alert": "a", "time": start} | same))
    begin = clock.process_time()
    found = join(alerts, sessions)
    assert clock.process_time() - begin < 20
    assert found["session"].tolist() == list(range(count))
