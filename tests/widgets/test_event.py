import pandas as pd

from nsm_nb.widgets import event
from nsm_nb.widgets.lines import Lines


def text(lines):
    return Lines(*lines).text()


def packet(**values):
    base = {
        "evidence": "staged.pcap", "frame": 7, "time": pd.Timestamp("2026-11-24T02:31:36.388123Z"), "proto": "tcp",
        "src_ip": "203.0.113.66", "src_port": 38468, "dst_ip": "172.16.10.80", "dst_port": 80, "tcp_flags": 24, "seq": 1,
        "ack": 2, "window": 64, "icmp_type": pd.NA, "icmp_code": pd.NA, "ttl": 63, "ip_id": 9, "fragment": pd.NA,
        "why": "it holds what the rule looks for",
    }  # fmt: skip
    return pd.Series(base | values, dtype=object)


def test_a_packet_is_told_in_words_hex_and_text():
    shown = text(event.packet_lines(packet(), b"GET /\x1b[2J"))

    assert "frame 7 of staged.pcap: it holds what the rule looks for" in shown
    assert "203.0.113.66 38468 > 172.16.10.80 80" in shown
    assert "ACK PSH" in shown and "ttl 63" in shown and "fragment" not in shown
    assert "47 45 54 20 2f 1b 5b 32  4a" in shown and "GET /.[2J" in shown


def test_a_large_packet_says_how_much_is_left_out():
    assert "952 bytes more" in text(event.packet_lines(packet(), b"a" * 3000))


def test_without_a_packet_it_says_why():
    assert "no capture of the case holds" in text(event.packet_lines(None, b""))


def test_header_fields_stand_under_their_names(hostile):
    shown = text(event.header_lines(packet(), [("TCP", [("Seq #", "1684955732"), ("ACK", "X")]), (hostile, [])]))

    assert "TCP\nSeq #       ACK\n1684955732  X  \n" in shown
    assert "<script>" in shown and "\x1b" not in shown
    assert "no IP header in this frame" in text(event.header_lines(packet(), []))
    assert "no capture of the case holds" in text(event.header_lines(None, []))


def test_a_long_tree_says_how_much_is_left_out():
    lines = event.tree_lines(packet(), "Frame 1\n    Frame Number: 1\nEthernet II\n", most=2)

    assert text(lines).endswith("as its frame 1\nFrame 1\n    Frame Number: 1\n1 line more")
    assert lines[-3]["spans"][0][1] == "nsm-code nsm-strong" and lines[-2]["spans"][0][1] == "nsm-code"


def test_a_rule_that_the_case_lacks_says_how_to_get_it():
    shown = text(event.rule_lines(None, pd.Series({"gid": 1, "sid": 9000005, "rev": 2}, dtype=object)))

    assert "rule 1:9000005:2" in shown and "case.toml" in shown


def test_a_record_is_one_line_a_field(hostile):
    shown = text(event.detail_lines({"alert": {"signature": hostile}, "flow": {"a": {"b": 1}}}))

    assert "alert.signature <script>" in shown and "\x1b" not in shown
    assert "flow.a.b 1" in shown


def test_a_record_with_many_fields_says_how_many_more():
    assert "50 fields more" in text(event.detail_lines({str(number): number for number in range(250)}))


def test_priorities_without_a_class_count_as_the_least():
    assert [event.priority_class(each) for each in (1, 5, 99, 0, pd.NA)] == [
        "priority-1", "priority-5", "priority-5", "priority-1", "priority-5",
    ]  # fmt: skip
