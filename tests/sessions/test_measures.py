"""How well conversations went: shapes by hand, and tshark."""

from __future__ import annotations

import io
import random
import subprocess

import pandas as pd
import pytest

import nsm_nb as nsm
from nsm_nb.sessions.measures import MEASURES
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

    found = nsm.sessions.measures(PACKETS.empty())
    assert len(found) == 0 and list(found.columns) == list(MEASURES.columns)


def test_the_table_has_the_dtypes_that_are_declared(bundled):
    found = nsm.open_case(bundled).measures.head(5)
    assert found.dtypes.astype(str).tolist() == [column.dtype for column in MEASURES.columns.values()]


def troubled(chance: random.Random, port: int, start: int) -> tuple[list[tuple], dict[str, list[int]]]:
    """Segments (microsecond, to dst, flags, seq, ack, payload, window) of a conversation, and what went wrong by side.

    The round trip is 20 ms. Segments that change places do so within 2 ms; what is sent again is so after 300 ms.
    """
    told = {name: [0, 0] for name in ("zero_windows", "out_of_order", "retransmitted", "missing")}
    segments = [(0, True, SYN, 99, 0, b"", 0 if chance.random() < 0.3 else 9000)]  # a SYN's window of 0 is none
    segments += [(20_000, False, SYN | ACK, 499, 100, b"", 9000), (20_100, True, ACK, 100, 500, b"", 9000)]
    at = 30_000
    upto = {True: 100, False: 500}
    for _ in range(chance.randint(1, 3)):
        there = chance.random() < 0.5
        side, other = (0, 1) if there else (1, 0)
        seq, ack = upto[there], upto[not there]
        run = []
        for _ in range(chance.randint(3, 9)):
            size = chance.randint(2, 40)
            run.append((there, PSH | ACK, seq, ack, bytes(size), 9000))
            seq += size
        fate = chance.choice(["late", "again", "lost", "well", "well"])
        place = chance.randrange(len(run) - 1)
        if fate == "late":
            run[place], run[place + 1] = run[place + 1], run[place]
            told["out_of_order"][side] += 1
        elif fate == "lost":
            told["missing"][side] += len(run.pop(place)[4])
        for each in run:
            segments.append((at, *each))
            at += 1000
        if fate == "again":
            at += 300_000
            segments.append((at, *run[-1]))
            told["retransmitted"][side] += 1
        at += 20_000
        upto[there] = seq
        full = chance.randint(0, 3)
        for _ in range(full):  # the other side can take no more, and says so again
            segments.append((at, not there, ACK, ack, seq, b"", 0))
            at += 50_000
        told["zero_windows"][other] += full
        segments.append((at, not there, ACK, ack, seq, b"", 9000))
        at += 50_000
    window = chance.choice([0, 9000])  # with FIN or RST it is none
    segments.append((at, True, chance.choice([FIN | ACK, RST]), upto[True], upto[False], b"", window))
    frames = []
    for number, (after, there, flags, seq, ack, data, window) in enumerate(segments, 1):
        ends, ports = ((A, B), (port, 80)) if there else ((B, A), (80, port))
        tcp = writing.tcp(data, *ports, seq=seq, ack=ack, flags=flags, window=window)
        frames.append(((start + after) * 1000, writing.ethernet(writing.ip(tcp, *ends, 6, number=number))))
    return frames, told


def test_what_went_wrong_is_told_as_it_was_and_as_tshark_tells_it(tmp_path, tshark):
    """Zero windows, segments out of order, sent again and lost, of which the bundled capture has hardly any."""
    chance = random.Random(5)
    frames, truth = [], {}
    for number in range(80):
        made, told = troubled(chance, 20_000 + number, number * 5_000_000)
        frames += made
        truth[20_000 + number] = told
    (tmp_path / "x.pcap").write_bytes(writing.pcap(frames))
    sessions, packets = nsm.sessions.assemble(nsm.read_packets(tmp_path / "x.pcap"))
    port = sessions.set_index("session")["src_port"]
    found = nsm.sessions.measures(packets).assign(port=lambda table: table["session"].map(port)).set_index("port")

    names = {"zero_windows": "zero_window", "out_of_order": "out_of_order", "retransmitted": "retransmission"}
    fields = ["tcp.port", "tcp.dstport", *(f"tcp.analysis.{name}" for name in (*names.values(), "lost_segment"))]
    command = [tshark, "-n", "-r", tmp_path / "x.pcap", "-T", "fields", "-E", "occurrence=f"]
    command += [word for name in fields for word in ("-e", name)]
    shown = pd.read_csv(
        io.StringIO(subprocess.run(command, capture_output=True, text=True, check=True).stdout), sep="\t", names=fields
    )
    shown["port"] = shown["tcp.port"].where(shown["tcp.port"] != 80, shown["tcp.dstport"])
    for side, to_dst in (("src", True), ("dst", False)):
        theirs = shown[(shown["tcp.dstport"] == 80) == to_dst].groupby("port")[fields[2:]].count()
        for name, truths in (
            (each, {key: told[each][not to_dst] for key, told in truth.items()}) for each in (*names, "missing")
        ):
            assert found[f"{side}_{name}"].to_dict() == truths, name
            assert sum(truths.values()) >= 5
            if name in names:
                assert theirs[f"tcp.analysis.{names[name]}"].to_dict() == truths, name
        lost = theirs.index[theirs["tcp.analysis.lost_segment"] > 0]
        gaps = found.index[(found[f"{side}_missing"] > 0) | (found[f"{side}_out_of_order"] > 0)]
        assert sorted(lost) == sorted(gaps)


def test_a_case_measures_its_sessions(bundled):
    case = nsm.open_case(bundled)
    measures = case.measures.set_index("session")
    sessions = case.sessions[case.sessions["source"] == "pcap"].set_index("session")

    assert set(measures.index) == set(sessions.index)
    closed = sessions.index[sessions["history"].str.startswith("ShA").fillna(False)]
    assert measures.loc[closed, "rtt_syn_ack"].notna().all()
    assert (measures.loc[closed, "rtt_ack"] >= measures.loc[closed, "rtt_syn_ack"]).all()
