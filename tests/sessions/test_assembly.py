"""Packets to sessions: tshark's conversations, a slow twin, and the truth of the bundled case."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

import nsm_nb as nsm
from nsm_nb.errors import MissingColumn
from nsm_nb.schema import PACKETS, SESSIONS, caveats_of
from tests import writing

SECOND = 1_000_000_000


@pytest.fixture(scope="module")
def staged(evidence):
    return nsm.sessions.assemble(nsm.read_packets(evidence / "staged.pcap"))


@pytest.fixture
def assembled(tmp_path):
    def from_frames(frames, **options):
        (tmp_path / "x.pcap").write_bytes(writing.pcap(sorted(frames, key=lambda each: each[0])))
        return nsm.sessions.assemble(nsm.read_packets(tmp_path / "x.pcap"), **options)

    return from_frames


# --- tshark is the oracle


def conversations(truth, proto):
    """Tshark's conversations: per stream and direction packets and IP bytes, from its per-frame fields."""
    frames = pd.read_csv(truth / "packets.tsv.gz", sep="\t", dtype=str)
    frames = frames[frames[f"{proto}.stream"].notna()]
    octets = frames["ip.len"].astype(float).fillna(frames["ipv6.plen"].astype(float) + 40)
    return pd.DataFrame(
        {
            "stream": frames[f"{proto}.stream"].astype(int),
            "from": frames["ip.src"].fillna(frames["ipv6.src"]) + " " + frames[f"{proto}.srcport"],
            "octets": octets.astype(int),
            "frame": frames["frame.number"].astype(int),
        }
    )


@pytest.mark.parametrize(("proto", "count"), [("tcp", 652), ("udp", 761)])
def test_sessions_of_the_bundled_case_are_tsharks_conversations(staged, truth, proto, count):
    sessions, _ = staged
    theirs = conversations(truth, proto)
    mine = sessions[sessions["proto"] == proto].set_index("record")

    assert len(mine) == count == theirs["stream"].nunique()
    for _, stream in theirs.groupby("stream"):
        row = mine.loc[stream["frame"].min()]
        for side in ("src", "dst"):
            sent = stream[stream["from"] == f"{row[f'{side}_ip']} {row[f'{side}_port']}"]
            assert row[f"{side}_packets"] == len(sent)
            assert row[f"{side}_octets"] == sent["octets"].sum()


def test_every_packet_of_the_bundled_case_is_in_tsharks_stream(staged, truth):
    _, packets = staged
    for proto in ("tcp", "udp"):
        theirs = conversations(truth, proto).set_index("frame")["stream"]
        mine = packets.set_index("frame")["session"][theirs.index]
        pairs = pd.DataFrame({"mine": mine, "theirs": theirs}).drop_duplicates()
        assert pairs["mine"].is_unique
        assert pairs["theirs"].is_unique


def test_the_shell_of_the_bundled_case_is_told_exactly(staged):
    sessions, _ = staged
    (shell,) = (row for _, row in sessions[sessions["dst_port"] == 31337].iterrows() if row["dst_payload"] > 0)

    assert (shell["src_ip"], shell["src_port"], shell["dst_ip"]) == ("203.0.113.66", 59208, "172.16.10.80")
    assert (shell["src_payload"], shell["dst_payload"]) == (826, 3012)
    assert (shell["state"], shell["closed"], shell["history"]) == ("FIN", "both", "ShADadfF")
    assert shell["direction_known"]


def test_the_scan_of_the_bundled_case_is_refused_and_unanswered_sessions(staged):
    sessions, _ = staged
    scan = sessions[(sessions["src_ip"] == "203.0.113.66") & sessions["closed"].isin(["refused by dst", "no answer"])]

    assert set(scan["state"]) == {"RST", "REQ"}
    assert set(scan["history"]) == {"Sr", "S"}


# --- the shapes of conversations

A, B = "10.0.0.1", "10.0.0.2"
FIN, SYN, RST, PSH, ACK = 1, 2, 4, 8, 16


def segment(second, src, dst, flags, *, seq=0, ack=0, data=b"", sport=40000, dport=80):
    frame = writing.ethernet(writing.ip(writing.tcp(data, sport, dport, seq=seq, ack=ack, flags=flags), src, dst, 6))
    return int(second * SECOND), frame


def forth(second, flags, **more):
    return segment(second, A, B, flags, **more)


def back(second, flags, **more):
    return segment(second, B, A, flags, sport=80, dport=40000, **more)


HANDSHAKE = [forth(0, SYN, seq=10), back(0.1, SYN | ACK, seq=50, ack=11), forth(0.2, ACK, seq=11, ack=51)]
REQUEST = forth(0.3, PSH | ACK, seq=11, ack=51, data=b"hello")
ANSWER = back(0.4, PSH | ACK, seq=51, ack=16, data=b"world!")
SHAPES = {
    # name: frames, state, closed, history, direction known
    "full close": ([*HANDSHAKE, REQUEST, ANSWER, forth(1, FIN | ACK, seq=16, ack=57), back(1.1, FIN | ACK, seq=57, ack=17)],
                   "FIN", "both", "ShADdFf", True),
    "half close": ([*HANDSHAKE, REQUEST, ANSWER, back(1, FIN | ACK, seq=57, ack=16)], "FIN", "dst only", "ShADdf", True),
    "client half close": ([*HANDSHAKE, REQUEST, forth(1, FIN | ACK, seq=16, ack=51)], "FIN", "src only", "ShADF", True),
    "reset by server": ([*HANDSHAKE, REQUEST, back(1, RST, seq=51)], "RST", "reset by dst", "ShADr", True),
    "reset by client": ([*HANDSHAKE, REQUEST, ANSWER, forth(1, RST, seq=16)], "RST", "reset by src", "ShADdR", True),
    "lone syn": ([forth(0, SYN, seq=10)], "REQ", "no answer", "S", True),
    "syn repeated": ([forth(0, SYN, seq=10), forth(3, SYN, seq=10), forth(9, SYN, seq=10)], "REQ", "no answer", "ST", True),
    "closed port": ([forth(0, SYN, seq=10), back(0.1, RST | ACK, ack=11)], "RST", "refused by dst", "Sr", True),
    "half open": ([forth(0, SYN, seq=10), back(0.1, SYN | ACK, seq=50, ack=11)], "ACC", "open", "Sh", True),
    "never closed": ([*HANDSHAKE, REQUEST], "CON", "open", "ShAD", True),
    "middle, client first": ([REQUEST, ANSWER], "CON", "open", "Dd", False),
    "middle, server first": ([back(0.2, PSH | ACK, seq=51, ack=11, data=b"world!"), REQUEST], "CON", "open", "^dD", False),
    "answer first": ([*HANDSHAKE[1:], REQUEST], "CON", "open", "^hAD", True),
    "reset out of nowhere": ([*HANDSHAKE, REQUEST, forth(1, RST, seq=0x7FFFFFFF), ANSWER], "CON", "open", "ShADdR", True),
}  # fmt: skip


@pytest.mark.parametrize("name", SHAPES)
def test_the_shape_of_a_conversation_is_told(assembled, name):
    frames, state, closed, history, known = SHAPES[name]

    sessions, _ = assembled(frames)

    (row,) = (row for _, row in sessions.iterrows())
    assert (row["src_ip"], row["src_port"], row["dst_port"]) == (A, 40000, 80)
    assert (row["state"], row["closed"], row["history"], row["direction_known"]) == (state, closed, history, known)


def test_silence_until_the_end_of_the_evidence_is_told_in_seconds(assembled):
    later = segment(1203, A, B, SYN, sport=41000)

    sessions, _ = assembled([*HANDSHAKE, later])

    assert sessions["closed"].tolist() == ["idle 1202 s", "no answer"]


def test_silence_longer_than_the_timeout_starts_another_session(assembled):
    frames = [*HANDSHAKE, forth(500, PSH | ACK, seq=11, ack=51, data=b"x")]

    assert len(assembled(frames)[0]) == 1
    assert len(assembled(frames, idle={"tcp": 300})[0]) == 2


def test_timeouts_may_be_written_as_text(assembled):
    frames = [*HANDSHAKE, forth(500, PSH | ACK, seq=11, ack=51, data=b"x")]

    assert len(assembled(frames, tcp_idle="5 min")[0]) == 2
    assert len(assembled(frames, tcp_idle="300", udp_idle="1h")[0]) == 2
    assert len(assembled(frames, idle={"tcp": 300}, tcp_idle="1h", icmp_idle="1s", other_idle="1s")[0]) == 1


@pytest.mark.parametrize("said", ["soon", "", 0, -5, "-1s", "NaT", float("nan"), float("inf"), [3]])
def test_a_timeout_that_is_no_time_is_refused_with_an_example(said):
    with pytest.raises(ValueError, match=r"tcp_idle is .* such as '1h'"):
        nsm.sessions.assemble(PACKETS.empty(), tcp_idle=said)


def test_the_openers_initial_number_comes_with_the_pieces_where_its_syn_was_seen(assembled):
    middle = [segment(5, A, B, PSH | ACK, seq=11, ack=51, data=b"x", sport=41000)]

    sessions, _ = assembled([*HANDSHAKE, *middle], pieces=True)

    assert sessions["isn"].fillna(-1).tolist() == [10, -1]
    assert sessions["bits"].dtype == "Int16"
    assert list(sessions.columns[: len(SESSIONS.columns)]) == list(SESSIONS.columns)
    assert list(assembled(HANDSHAKE)[0].columns) == list(SESSIONS.columns)
    assert {"isn", "bits", "vni", "icmp_id"} <= set(nsm.sessions.assemble(PACKETS.empty(), pieces=True)[0])


def test_an_open_session_is_established_in_the_words_of_argus_2_until_it_was_silent_for_a_minute(assembled):
    soon, late = (segment(second, A, B, SYN, sport=41000) for second in (30, 90))

    assert assembled([*HANDSHAKE, soon], argus2=True)[0]["state"].tolist() == ["EST", "REQ"]
    assert assembled([*HANDSHAKE, late], argus2=True)[0]["state"].tolist() == ["TIM", "REQ"]


def test_letters_need_what_the_kernel_knows(assembled):
    closing = [*HANDSHAKE, forth(1, FIN | ACK, seq=11, ack=51)]

    assert nsm.sessions.argus_letters(assembled(closing, pieces=True)[0]).tolist() == ["sSEf"]
    acked = [*closing, back(1.1, ACK, seq=51, ack=12)]
    assert nsm.sessions.argus_letters(assembled(acked, pieces=True)[0]).tolist() == ["sSEfF"]
    with pytest.raises(MissingColumn, match="pieces=True"):
        nsm.sessions.argus_letters(assembled(closing)[0])


def test_a_port_used_again_after_a_close_is_another_session(assembled):
    closing = [
        forth(1, FIN | ACK, seq=11, ack=51),
        back(1.1, FIN | ACK, seq=51, ack=12),
        forth(1.2, ACK, seq=12, ack=52),
    ]

    sessions, packets = assembled([*HANDSHAKE, *closing, forth(2, SYN, seq=9999)])

    assert sessions["src_packets"].tolist() == [4, 1]
    assert packets["session"].nunique() == 2


def test_a_syn_inside_an_open_session_does_not_split_it(assembled):
    sessions, _ = assembled([*HANDSHAKE, REQUEST, forth(2, SYN, seq=9999), forth(3, ACK, seq=16, ack=51)])

    assert len(sessions) == 1


@pytest.mark.parametrize("ending", [[], [forth(1, FIN | ACK, seq=16, ack=51)]], ids=["no close seen", "half close"])
def test_a_port_used_again_without_a_close_that_was_seen_is_another_session_once_the_other_end_takes_it(
    assembled, ending
):
    again = [forth(5, SYN, seq=9000), back(5.1, SYN | ACK, seq=7000, ack=9001), forth(5.2, ACK, seq=9001, ack=7001)]

    sessions, packets = assembled([*HANDSHAKE, REQUEST, *ending, *again])

    assert sessions["src_packets"].tolist() == [3 + len(ending), 2]
    assert sessions["dst_packets"].tolist() == [1, 1]
    assert sessions["src_payload"].tolist() == [5, 0]
    assert sessions["history"].tolist()[1] == "ShA"
    assert (sessions["end"][0] - sessions["start"][0]).total_seconds() == (1 if ending else 0.3)
    assert pd.factorize(packets["session"])[0].tolist() == [0] * (4 + len(ending)) + [1] * 3
    assert packets["to_dst"].tolist()[-3:] == [True, False, True]


def test_a_port_used_again_from_the_other_end_has_its_direction(assembled):
    again = [back(5, SYN, seq=9000), forth(5.1, SYN | ACK, seq=7000, ack=9001), back(5.2, ACK, seq=9001, ack=7001)]

    sessions, _ = assembled([*HANDSHAKE, REQUEST, *again])

    assert sessions["src_ip"].tolist() == [A, B]
    assert sessions["src_packets"].tolist() == [3, 2]


def test_a_forged_syn_that_is_not_taken_splits_nothing(assembled):
    forged = [forth(5, SYN, seq=9000), back(5.1, ACK, seq=57, ack=16), forth(5.2, SYN, seq=0x7FFFFFF0)]

    sessions, packets = assembled([*HANDSHAKE, REQUEST, *forged, ANSWER])

    assert len(sessions) == 1
    assert packets["session"].nunique() == 1


def test_a_simultaneous_open_is_one_session(assembled):
    frames = [forth(0, SYN, seq=10), back(0.1, SYN, seq=50), forth(0.2, SYN | ACK, seq=10, ack=51)]

    sessions, _ = assembled([*frames, back(0.3, SYN | ACK, seq=50, ack=11)])

    assert sessions["src_ip"].tolist() == [A]
    assert sessions["src_packets"].tolist() == [2]


def test_sessions_stand_in_the_order_of_their_first_packets(assembled):
    between = segment(5.05, A, B, SYN, sport=41000)
    again = [forth(5, SYN, seq=9000), between, back(5.1, SYN | ACK, seq=7000, ack=9001)]

    sessions, packets = assembled([*HANDSHAKE, *again])

    assert sessions["src_port"].tolist() == [40000, 40000, 41000]
    assert sessions["record"].tolist() == [1, 4, 5]
    assert pd.factorize(packets["session"])[0].tolist() == [0, 0, 0, 1, 2, 1]


def test_an_answer_that_came_first_tells_who_asked_and_says_it_was_not_seen(assembled):
    reply = 0, writing.ethernet(writing.ip(bytes([0, 0]) + bytes(14), B, A, 1))

    sessions, _ = assembled([reply])

    assert (sessions["src_ip"][0], sessions["dst_ip"][0], sessions["direction_known"][0]) == (A, B, False)


def test_a_later_fragment_without_its_first_has_no_ports(assembled):
    part = writing.ip(b"rest of a datagram", A, B, 17, place=2, number=5)

    sessions, _ = assembled([(0, writing.ethernet(part))])

    row = sessions.iloc[0]
    assert row[["src_port", "dst_port", "community_id"]].isna().all()
    assert not row["direction_known"]


def test_packets_without_a_time_neither_split_nor_stretch_a_session(tmp_path):
    import struct

    frames = [frame for _, frame in writing.conversation()]
    timeless = [writing.block(3, struct.pack("<I", len(frame)) + frame) for frame in frames]
    timed = [writing.enhanced(0, 7_000_000 + place, frame) for place, frame in enumerate(frames)]

    def of(*blocks):
        (tmp_path / "x.pcapng").write_bytes(writing.section() + writing.interface() + b"".join(blocks))
        return nsm.sessions.assemble(nsm.read_packets(tmp_path / "x.pcapng"))[0]

    mixed, none = of(timeless[0], *timed[1:4], *timeless[4:]), of(*timeless)

    assert len(mixed) == len(none) == 1
    assert mixed["duration"].tolist() == [2e-6]
    assert none["start"].isna().all()
    assert none["duration"].isna().all()


def test_icmp_request_and_reply_are_one_session_and_an_unreachable_is_another(assembled):
    def icmp(second, src, dst, kind, code=0):
        return second * SECOND, writing.ethernet(writing.ip(bytes([kind, code]) + bytes(14), src, dst, 1))

    sessions, _ = assembled([icmp(0, A, B, 8), icmp(1, B, A, 0), icmp(2, A, B, 8), icmp(3, B, A, 3, 3)])

    assert sessions["state"].tolist() == ["ECO", "URP"]
    assert sessions["src_packets"].tolist() == [2, 1]
    assert sessions["dst_packets"].tolist() == [1, 0]
    assert sessions["src_port"].isna().all()


def test_echoes_of_another_identifier_are_another_session(assembled):
    def echo(second, src, dst, kind, number):
        message = bytes([kind, 0, 0, 0, 0, number]) + bytes(10)
        return second * SECOND, writing.ethernet(writing.ip(message, src, dst, 1))

    asked = [(0, A, B, 8, 1), (1, B, A, 0, 1), (2, A, B, 8, 2), (3, B, A, 0, 2), (4, A, B, 13, 1), (5, B, A, 14, 1)]
    sessions, packets = assembled([echo(*each) for each in asked])

    assert sessions["state"].tolist() == ["ECO", "ECO", "TST"]
    assert (sessions["src_packets"] + sessions["dst_packets"]).tolist() == [2, 2, 2]
    assert sessions["src_ip"].tolist() == [A] * 3
    assert pd.factorize(packets["session"])[0].tolist() == [0, 0, 1, 1, 2, 2]
    assert sessions["community_id"].nunique() == 2  # which knows no identifier


def tagged(frames, *vlans, number=None):
    """The frames with VLAN tags, and in VXLAN of a number."""
    result = []
    for time, frame in frames:
        if number is not None:
            outer = writing.udp(writing.vxlan(frame, number=number), 9, 4789)
            frame = writing.ethernet(writing.ip(outer, "192.0.2.1", "192.0.2.2", 17))
        tags = b"".join(b"\x81\0" + vlan.to_bytes(2, "big") for vlan in vlans)
        result.append((time, frame[:12] + tags + frame[12:]))
    return result


@pytest.mark.parametrize("how", [{"vlans": (2,)}, {"vlans": (0xE002,)}, {"number": 2}, {"vlans": (7,), "number": 2}])
def test_the_same_ends_in_another_vlan_or_vni_are_another_session(assembled, how):
    def within(change):
        vlans = tuple(each + change for each in how.get("vlans", ()))
        return tagged([*HANDSHAKE, REQUEST], *vlans, number=how["number"] + change if "number" in how else None)

    sessions, packets = assembled([*within(0), *within(1), *HANDSHAKE])

    assert sessions["src_packets"].tolist() == [3, 3, 2]
    assert sessions["history"].tolist() == ["ShAD", "ShAD", "ShA"]
    assert sessions["session"].is_unique
    assert packets["session"].nunique() == 3
    assert set(sessions["session"]) > set(assembled(HANDSHAKE)[0]["session"])  # its number is what it is without tags
    assert sessions["session"].tolist()[:2] == [assembled(within(each))[0]["session"][0] for each in (0, 1)]
    assert sessions["community_id"].nunique() == 1
    assert not caveats_of(sessions)
    assert len(assembled([*within(0), *within(1)], by_vlan=False)[0]) == 1


def test_vlan_0_is_no_vlan(assembled):
    sessions, _ = assembled([HANDSHAKE[0], *tagged(HANDSHAKE[1:2], 0), HANDSHAKE[2]])

    assert sessions["history"].tolist() == ["ShA"]


def test_a_tag_for_each_direction_is_told(assembled):
    there, here = [*HANDSHAKE[::2], REQUEST], [HANDSHAKE[1], ANSWER]
    mirrored = [*tagged(there, 10), *tagged(here, 20)]

    sessions, _ = assembled(mirrored)
    (caveat,) = caveats_of(sessions)

    assert len(sessions) == 2
    assert caveat.kind == "vlan"
    assert "1 conversation was" in caveat.detail
    assert "by_vlan=False" in caveat.detail
    assert assembled(mirrored, by_vlan=False)[0]["history"].tolist() == ["ShADd"]
    assert not caveats_of(assembled(tagged([*there, *here], 10))[0])
    assert not caveats_of(assembled([*tagged(there, 10), *tagged(there, 20)])[0])
    late = [(time + 10 * SECOND, frame) for time, frame in here]
    assert not caveats_of(assembled([*tagged(there, 10), *tagged(late, 20)])[0])


def test_fragments_of_one_identification_in_two_vlans_are_kept_apart(assembled):
    whole = writing.udp(bytes(32), 7, 9)
    first, later = (
        writing.ip(part, A, B, 17, place=place, number=5) for part, place in ((whole[:16], 0x2000), (whole[16:], 2))
    )
    frames = [(place * SECOND, writing.ethernet(part)) for place, part in enumerate((first, later))]

    sessions, _ = assembled([*tagged(frames, 10), *tagged(frames[1:], 20)])

    assert sessions["src_packets"].tolist() == [2, 1]
    assert sessions["src_port"].fillna(0).tolist() == [7, 0]


def test_many_networks_and_many_identifiers_are_kept_apart(assembled):
    from nsm_nb.sessions.keys import _apart

    src, dst = np.array([5, 0, -1, 5, 0], np.int32), np.array([0, 5, 0, 0, 5], np.int32)
    for part in ([1, 1, 1, 2, 0], [2**30, 2**30, 2**30, 2**29, 0]):  # the second does not fit numbers of 32 bits
        one, other = _apart(src, dst, np.array(part, np.int64), 6)
        assert one.dtype == other.dtype == np.int32
        assert (one[2], one[4], other[4]) == (-1, 0, 5)
        assert one[0] == other[1] and other[0] == one[1] == other[2]
        assert len({one[0], other[0], one[3], other[3], 0, 5}) == 6


def test_later_fragments_go_with_the_first_of_their_datagram(assembled):
    whole = writing.udp(bytes(32), 7, 9)
    parts = [
        writing.ip(whole[:16], A, B, 17, place=0x2000, number=5),
        writing.ip(whole[16:], A, B, 17, place=2, number=5),
    ]
    frames = [(place * SECOND, writing.ethernet(part)) for place, part in enumerate(parts)]

    sessions, packets = assembled(frames)

    assert sessions["src_packets"].tolist() == [2]
    assert packets["session"].nunique() == 1


def test_packets_without_ip_belong_to_no_session(assembled):
    arp = bytes.fromhex("0001080006040001000c29aabb010a00000100000000000a0a000002")

    sessions, packets = assembled([(0, writing.ethernet(arp, ethertype=0x0806))])

    assert len(sessions) == 0
    assert packets["session"].isna().all()
    assert packets["src_ip"].tolist() == ["10.0.0.1"]


# --- against a slow twin

HOSTS = ["10.0.0.1", "10.0.0.2", "2001:db8::1"]
PACKET = st.tuples(
    st.integers(0, 2000), st.sampled_from(HOSTS), st.sampled_from(HOSTS), st.integers(1, 3), st.integers(1, 3),
    st.sampled_from(["tcp", "udp"]), st.sampled_from([SYN, SYN | ACK, ACK, FIN | ACK, RST, PSH | ACK]), st.integers(0, 3),
    st.integers(0, 100),
)  # fmt: skip


def table_of(packets):
    rows = sorted(packets)
    columns = dict(zip(("second", "src_ip", "dst_ip", "src_port", "dst_port", "proto", "tcp_flags", "seq", "payload"),
                       zip(*rows, strict=True), strict=True))  # fmt: skip
    frame = pd.DataFrame(columns)
    tcp = frame["proto"] == "tcp"
    return PACKETS.conform(
        frame.assign(
            evidence="x",
            frame=np.arange(1, len(frame) + 1),
            time=pd.to_datetime(frame["second"], unit="s", utc=True),
            length=100,
            captured=100,
            offset=0,
            octets=frame["payload"] + 40,
            tcp_flags=frame["tcp_flags"].where(tcp),
            seq=frame["seq"].where(tcp),
            ack=pd.Series(0, index=frame.index).where(tcp),
            layers="eth:ip:tcp",
            window=pd.Series(1, index=frame.index).where(tcp),
        )
    )


def slow(packets, idle):
    """Number of the session of each packet, with a dictionary and the rules in words."""
    latest, numbers, count = {}, [], 0
    for second, src, dst, sport, dport, proto, flags, seq, _ in sorted(packets):
        key = (proto, *sorted([(src, sport), (dst, dport)]))
        known = latest.get(key)
        fresh = known is None or second - known["end"] > idle[proto]
        syn = proto == "tcp" and flags & (SYN | ACK) == SYN
        if not fresh and syn and seq != known["isn"]:
            over = len(known["fins"]) == 2 or known["reset"]
            # the SYN of the other side answers: both open at once (RFC 9293 3.5, figure 7)
            again = (src, sport) == known["opener"] and known["syn"] and not known["answered"]
            fresh = over or again
        if fresh:
            of_tcp = not flags & ACK if flags & SYN else not sport < dport
            sender = of_tcp if proto == "tcp" else True
            opener = (src, sport) if sender else (dst, dport)
            known = latest[key] = {"number": count, "opener": opener, "isn": seq if syn else -1, "fins": set(), "reset": False,
                                   "syn": False, "synack": False, "answered": False, "next": {}, "acked": {}}  # fmt: skip
            count += 1
        known["end"] = max(second, known.get("end", second))
        numbers.append(known["number"])
        if proto != "tcp":
            continue
        # a land packet has one endpoint only, which counts as the lower one, the way the kernel orders them
        mine = (src, sport)
        from_opener = mine == known["opener"]
        if src == dst and sport == dport:
            from_opener = True
        known["answered"] |= not from_opener
        if syn:
            known["syn"] = True
            if from_opener and known["isn"] < 0:
                known["isn"] = seq
        if flags & SYN and flags & ACK:
            known["synack"] = True
        if flags & FIN:
            known["fins"].add(from_opener)
        if flags & RST:
            known["reset"] |= len(known["fins"]) < 2  # numbers here are so small that every reset belongs
    return numbers


def test_two_syns_that_cross_are_one_session():
    crossing = [(0, HOSTS[0], HOSTS[1], 1, 2, "tcp", SYN, 1, 0), (0, HOSTS[1], HOSTS[0], 2, 1, "tcp", SYN, 0, 0)]

    assert len(nsm.sessions.assemble(table_of(crossing))[0]) == 1


@given(st.lists(PACKET, min_size=1, max_size=40))
def test_sessions_agree_with_the_slow_way(packets):
    packets = [each for each in packets if (each[1], each[3]) != (each[2], each[4])]
    if not packets:
        return
    sessions, filled = nsm.sessions.assemble(table_of(packets), idle={"tcp": 1000, "udp": 300})

    numbers = pd.factorize(filled["session"])[0].tolist()

    assert numbers == slow(packets, {"tcp": 1000, "udp": 300})
    assert (sessions["src_packets"] + sessions["dst_packets"]).sum() == len(packets)
    assert (sessions["src_payload"] + sessions["dst_payload"]).sum() == sum(each[-1] for each in packets)
    for row in sessions.itertuples():
        theirs = filled[filled["session"] == row.session]
        assert row.start == theirs["time"].min()
        assert row.end == theirs["time"].max()
        assert (theirs.loc[theirs["to_dst"], "src_ip"].astype(str) == str(row.src_ip)).all()


# --- what holds for any packets


def test_session_numbers_do_not_depend_on_what_else_is_in_the_evidence(assembled):
    alone, _ = assembled(writing.conversation())
    among, _ = assembled([*writing.conversation(), *writing.conversation(src="10.0.0.9", start=1_068_742_700)])

    assert alone["session"][0] in among["session"].tolist()
    assert 0 < alone["session"][0] < 2**53


def test_two_captures_in_either_order_give_the_same_sessions(tmp_path):
    for name, port in (("a.pcap", 40001), ("b.pcap", 40002)):
        (tmp_path / name).write_bytes(writing.pcap(writing.conversation(sport=port)))
    tables = [nsm.read_packets(tmp_path / name) for name in ("a.pcap", "b.pcap")]

    def numbers(order):
        together = PACKETS.conform(pd.concat([tables[place].astype({"src_ip": str, "dst_ip": str}) for place in order]))
        return set(nsm.sessions.assemble(together)[0]["session"])

    assert numbers([0, 1]) == numbers([1, 0])
    assert len(numbers([0, 1])) == 2


def test_no_packets_give_no_sessions_and_all_columns():
    sessions, packets = nsm.sessions.assemble(PACKETS.empty())

    assert list(sessions.columns) == list(SESSIONS.columns)
    assert len(sessions) == len(packets) == 0


def test_a_table_without_a_needed_column_is_refused_with_its_meaning():
    with pytest.raises(MissingColumn, match="no column 'octets' \\(bytes at the IP layer"):
        nsm.sessions.assemble(PACKETS.empty().drop(columns="octets"))


def test_the_packets_given_are_not_changed(evidence):
    packets = nsm.read_packets(evidence / "staged.pcap")

    nsm.sessions.assemble(packets)

    assert packets["session"].isna().all()
