"""How well conversations went: shapes by hand, and tshark."""

from __future__ import annotations

import pytest

import nsm_nb as nsm
from tests import writing

A, B = "10.0.0.1", "10.0.0.2"
FIN, SYN, RST, PSH, ACK = 1, 2, 4, 8, 16


@pytest.fixture
def measured(tmp_path):
    def from_segments(*segments):
        frames = []
        for number, (millisecond, there, flags, seq, ack, data, more) in enumerate(segments):
            ends, ports = ((A, B), (40000, 80)) if there else ((B, A), (80, 40000))
            tcp = writing.tcp(
                data, *ports, seq=seq, ack=ack, flags=flags, **{k: v for k, v in more.items() if k == "window"}
            )
            datagram = writing.ip(tcp, *ends, 6, number=more.get("number", number + 1), ttl=more.get("ttl", 64))
            frames.append((millisecond * 1_000_000, writing.ethernet(datagram)))
        (tmp_path / "x.pcap").write_bytes(writing.pcap(frames))
        (row,) = nsm.sessions.measures(nsm.read_packets(tmp_path / "x.pcap")).to_dict("records")
        return row

    return from_segments


def there(millisecond, flags, seq, ack=0, data=b"", **more):
    return millisecond, True, flags, seq, ack, data, more


def back(millisecond, flags, seq, ack=0, data=b"", **more):
    return millisecond, False, flags, seq, ack, data, more


OPEN = [there(0, SYN, 9), back(30, SYN | ACK, 99, 10, ttl=50), there(35, ACK, 10, 100)]


def test_the_round_trips_of_the_handshake_and_the_longest_silence_are_told(measured):
    row = measured(*OPEN, there(9000, PSH | ACK, 10, 100, b"abc", ttl=60))

    assert (row["rtt_syn_ack"], row["rtt_ack"], row["silence"]) == (0.03, 0.035, 8.965)
    assert (row["src_ttl_low"], row["src_ttl_high"], row["dst_ttl_low"], row["dst_ttl_high"]) == (60, 64, 50, 50)


def test_what_was_sent_again_what_came_late_and_what_never_came_is_told(measured):
    sent = [(10, b"aaaa"), (18, b"cccc"), (14, b"bbbb"), (10, b"aaaa"), (30, b"gg"), (21, b"c")]
    row = measured(*OPEN, *(there(40 + at, PSH | ACK, seq, 100, data) for at, (seq, data) in enumerate(sent)))

    assert (row["src_out_of_order"], row["src_retransmitted"], row["src_missing"]) == (1, 2, 8)
    assert (row["dst_out_of_order"], row["dst_retransmitted"], row["dst_missing"]) == (0, 0, 0)


def test_a_hole_may_be_filled_from_its_middle_and_across_the_end_of_the_numbers(measured):
    first = 2**32 - 4
    sent = [(first, b"ab"), (16, b"z"), (2, b"mm"), (first + 2, b"xxyy"), (4, b"123456789012")]
    segments = [there(at, PSH | ACK, seq, 1, data) for at, (seq, data) in enumerate(sent)]

    assert [measured(*segments[:upto])["src_missing"] for upto in range(1, 6)] == [0, 18, 16, 12, 0]
    assert measured(*segments)["src_out_of_order"] == 3


def test_a_copy_of_a_mirror_port_is_a_duplicate_and_a_keep_alive_is_nothing(measured):
    data = there(40, PSH | ACK, 10, 100, b"abc", number=77)
    row = measured(*OPEN, data, data, there(50, ACK, 12, 100, b"c"), back(60, ACK, 100, 13, window=0))

    assert (row["src_duplicate"], row["src_retransmitted"], row["dst_zero_windows"]) == (1, 0, 1)


def test_no_packets_have_no_measures():
    from nsm_nb.schema import PACKETS

    assert len(nsm.sessions.measures(PACKETS.empty())) == 0


def test_a_case_measures_its_sessions(bundled):
    case = nsm.open_case(bundled)
    measures = case.measures.set_index("session")
    sessions = case.sessions[case.sessions["source"] == "pcap"].set_index("session")

    assert set(measures.index) == set(sessions.index)
    closed = sessions.index[sessions["history"].str.startswith("ShA").fillna(False)]
    assert measures.loc[closed, "rtt_syn_ack"].notna().all()
    assert (measures.loc[closed, "rtt_ack"] >= measures.loc[closed, "rtt_syn_ack"]).all()
