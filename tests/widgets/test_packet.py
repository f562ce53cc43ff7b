import pytest

import nsm_nb as nsm
from nsm_nb.errors import NsmError
from nsm_nb.text import printable
from nsm_nb.widgets import Packet, Transcript
from nsm_nb.widgets.headers import header_rows
from nsm_nb.widgets.octets import MOST, hits, octet_lines, wanted
from tests.writing import ethernet, ip, pcap, udp


def shell(case):
    """The bind shell's session."""
    return int(case.sessions.loc[case.sessions["dst_port"] == 31337, "session"].iloc[0])


def arp(case):
    """The first frame of ARP."""
    return int(case.packets.loc[case.packets["proto"] == "arp", "frame"].iloc[0])


@pytest.fixture
def packet(case):
    """The first packet of the bind shell that carries something: frame 3163, the command id."""
    case.selection.session = shell(case)
    return Packet(case)


@pytest.fixture
def small(tmp_path):
    """Return what makes a case of one capture with a datagram that holds given bytes."""

    def make(payload):
        (tmp_path / "small" / "evidence").mkdir(parents=True)
        frame = ethernet(ip(udp(payload, 7, 9), "10.0.0.1", "10.0.0.2", 17))
        (tmp_path / "small" / "evidence" / "one.pcap").write_bytes(pcap([(0, frame), (1, frame)]))
        return nsm.open_case(tmp_path / "small" / "evidence")

    return make


def test_the_chosen_session_shows_its_first_packet_that_carries_something(packet, case):
    assert (packet.evidence, packet.frame) == ("staged.pcap", 3163)
    assert "frame 3163 of staged.pcap, 2026-11-24 02:31:54.362708 UTC, 69 bytes" in packet.note
    assert packet.text.text() == f"0000  {'69 64 0a':<47}   id."
    assert "packet 4 of 80 in its session" in packet.status
    assert eval(packet.code, {"case": case}) == case.frame("staged.pcap", 3163)


def test_headers_stand_in_rows_as_in_sguil(packet):
    rows = packet.top.text().splitlines()

    assert "SRC to DST" in rows[0] and "3 bytes of payload" in rows[0]
    names, values = rows[1], rows[2]
    for name, value in (("Source IP", "203.0.113.66"), ("Dest IP", "172.16.10.80"), ("TTL", "63"), ("ID", "30509")):
        assert values[names.index(name) :].startswith(value)
    names, values = rows[3], rows[4]
    assert names.startswith("TCP ")
    for name, value in (
        ("Source Port", "59208"),
        ("ACK", "X"),
        ("SYN", "."),
        ("Seq #", "1454254036"),
        ("Window", "63"),
    ):
        assert values[names.index(name) :].startswith(value)


def test_next_and_previous_stay_in_the_session(packet, case):
    frames = case.packets_of(shell(case))["frame"].tolist()

    packet._on.click()
    assert packet.frame == frames[4] and packet._number.value == str(frames[4])
    packet._title.press("p")
    packet._back.click()
    assert packet.frame == frames[2]
    packet.step(len(frames) - 3)
    packet.step(1)
    assert packet.frame == frames[-1] and packet.status == "this is the last packet of its session"


def test_a_packet_of_no_session_has_those_of_its_capture_beside_it(case):
    frame = arp(case)
    packet = Packet(case, frame)

    assert "ARP" in packet.top.text() and "in no session" in packet.top.text()
    packet.step(1)
    assert packet.frame == frame + 1
    packet.show(frame)
    assert packet.text.text().startswith("0000  "), "its whole frame, as it has no payload"


def test_a_search_counts_and_goes_round(case):
    packet = Packet(case, 3620)  # the directory listing

    assert packet.find("volume") == 0
    assert packet._count.text() == "1 of 2 places"
    assert packet.find() == 1 and packet.find() == 0
    packet._title.press("Shift+F3")
    assert packet._count.text() == "2 of 2 places" and packet.text.at == packet._found[1][0] // 16
    marked = [span for each in packet.text.lines for span in each["spans"] if "nsm-hit-now" in span[1]]
    assert "".join(span[0] for span in marked if not set(span[0]) <= set("0123456789abcdef ")).casefold() == "volume"
    packet._any_case.value = False
    assert packet._count.text() == "not found"


def test_hex_is_searched_for_and_what_is_no_hex_is_told(packet):
    packet._as.value = "hex"

    packet._search.submit("64 0A")
    assert packet._count.text() == "1 of 1 place"
    packet._search.submit("id")
    assert "'id' is no hex" in packet._search.wrong["text"] and packet._count.text() == "not found"
    packet._as.value = "text"
    assert packet._count.text() == "1 place" and not packet._search.wrong["text"]


@pytest.mark.parametrize("style", ["tcpdump", "snort", "hex"])
def test_each_style_is_what_view_gives_and_its_code_gives_the_same(packet, case, style):
    packet._style.value = style

    text = case.view(packet.row, style)
    assert packet.text.text() == printable(text, lines=True).rstrip("\n")
    said = []
    eval(packet.code, {"case": case, "print": said.append})
    assert said == [text]
    packet.find("0000" if style == "hex" else "59208")
    assert packet.text.at is not None


def test_tethereal_is_asked_for_beside_the_kernels_work(packet, tshark):
    packet.style = "tethereal"

    assert packet._style.value == "tethereal"
    packet._tree.join(30)
    assert "Transmission Control Protocol, Src Port: 59208" in packet.text.text()
    assert "as its frame 1" in packet.status
    packet.find("checksum")
    assert "Checksum" in packet.text.text().split("\n")[packet.text.at]


def test_an_answer_of_tshark_that_is_late_is_not_shown(packet, tshark):
    packet.style = "tethereal"
    packet.style = "hex"

    packet._tree.join(30)
    assert packet.text.text().startswith("0000  46 c5 7b")


def test_without_tshark_a_sentence_stands_there(packet, monkeypatch):
    from importlib import import_module
    from pathlib import Path

    module = import_module("nsm_nb.full_content.dissect")
    module._KEPT.clear()
    monkeypatch.setenv("PATH", "")
    monkeypatch.setattr(module, "_MACOS", Path("/nothing"))

    packet.style = "tethereal"
    packet._tree.join(30)

    assert "apt install tshark" in packet.text.text() and packet.error == ""


def test_a_frame_is_asked_for_by_number_and_by_capture(packet):
    packet._number.submit("3620")
    assert packet.frame == 3620
    packet._number.submit("staged.pcap 3163")
    assert packet.frame == 3163
    for text, why in (
        ("12x", "is no frame"),
        ("0", "has no frame 0; it has 9,746"),
        ("x.pcap 1", "no capture 'x.pcap'"),
    ):
        packet._number.submit(text)
        assert why in packet.error
    assert packet.frame == 3163


def test_it_follows_what_the_case_chooses_and_keeps_what_was_looked_at(packet, case):
    packet.step(3)
    kept = packet.frame
    packet.refresh()
    assert packet.frame == kept

    alert = case.alerts[case.alerts["message"].str.contains("directory listing over SMB")].iloc[0]
    case.selection.update(alert=alert["alert"], session=int(case.session_of(alert["alert"])["session"]))
    packet.refresh()

    assert packet.frame == 3620
    packet.step(1)
    packet._follow.click()
    assert packet.frame == 3620


def test_an_empty_state_says_what_would_be_here(case, empty_case):
    assert "choose a session or an alert" in Packet(case).top.text()
    shown = Packet(empty_case, 1)
    assert "there is: none" in shown.error and shown._carve.disabled


def test_it_is_handed_out_as_text_and_as_capture(packet, case, monkeypatch):
    sent = []
    monkeypatch.setattr(packet._hand, "send", lambda content, buffers=(): sent.append((content, buffers)))

    packet._hand.press("text")
    packet._hand.press("pcap")
    packet._carve.click()

    assert "Source IP" in sent[0][0]["text"] and sent[0][0]["text"].endswith("id.")
    assert sent[1][0]["name"] == "staged.pcap-frame-3163.pcapng"
    (case.path / "given.pcapng").write_bytes(sent[1][1][0])
    again = nsm.read_packets(case.path / "given.pcapng")
    assert nsm.full_content.frame_bytes(again) == [case.frame("staged.pcap", 3163)]
    assert (case.path / "carved" / "staged.pcap-frame-3163.pcapng").read_bytes() == sent[1][1][0]
    packet._hand._told(packet._hand, {"type": "copied", "done": False}, [])
    assert "let nothing into the clipboard" in packet.status


def test_carved_packets_of_captures_with_like_names_stay_apart_and_say_where_they_are_from(tmp_path):
    for folder, name in (("", "snort.log.1"), ("", "snort.log.2"), ("a", "b.pcap"), ("", "a-b.pcap")):
        place = tmp_path / "case" / "evidence" / folder / name
        place.parent.mkdir(parents=True, exist_ok=True)
        words = f"{folder} {name}".encode()
        frame = ethernet(ip(udp(words, 1000, 53), "10.0.0.1", "10.0.0.2", 17))
        place.write_bytes(pcap([(10**18, frame, len(frame))]))
    (tmp_path / "case" / "case.toml").write_text('name = "x"\n')
    case = nsm.open_case(tmp_path / "case")
    labels = [str(each) for each in case.evidence["evidence"]]

    for label in labels * 2:  # twice: what is there already is not written again
        packet = Packet(case, 1, evidence=label)
        packet._carve.click()
        assert (packet.evidence, packet.error) == (label, "")

    files = sorted((case.path / "carved").iterdir())
    assert len(labels) == len(files) == 4
    hashes = dict(zip(labels, case.evidence["sha256"], strict=True))
    found = {}
    for file in files:
        data = file.read_bytes()
        (label,) = [each for each in labels if f"frame 1 of {each} in case x".encode() in data]
        assert hashes[label].encode() in data
        found[label] = nsm.full_content.frame_bytes(nsm.read_packets(file))
    assert found == {label: [case.frame(label, 1)] for label in labels}


def test_what_an_intruder_sent_is_shown_as_dots(small, hostile):
    packet = Packet(small(hostile.encode()), 1)

    shown = packet.text.text() + packet.top.text() + packet.fallback()
    assert "<script>alert(1)" not in packet.fallback()
    assert not set(shown) & set("\x1b\u202e\x9b")


def test_the_transcript_leads_to_the_packet_of_the_marked_line(case):
    said = Transcript(case, shell(case))
    asked = []
    said.on_packet(lambda evidence, frame: asked.append((evidence, frame)))

    said._packet.click()
    said.find("uid=")
    said._packet.click()

    assert asked[0] == ("staged.pcap", 3163)
    data = case.frame(*asked[1])
    assert b"uid=33" in data


def test_places_in_both_columns_bear_the_mark():
    lines = octet_lines(b"abc" * 6, hits(b"abc" * 6, b"cab"), 0)

    text = ["".join(span[0] for span in each["spans"]) for each in lines]
    assert text == [f"0000  {'61 62 63 ' * 5}61   abcabcabcabcabca", f"0010  {'62 63':<47}   bc"]
    marked = [(span[0], span[1]) for span in lines[0]["spans"] if "hit" in span[1]]
    assert marked[0] == ("63 61 62", "nsm-hit nsm-hit-now") and marked[1] == ("63 61 62", "nsm-hit")
    assert ("cab", "nsm-hit nsm-hit-now") in marked and ("cabcabcabca", "nsm-hit") in marked


def test_more_than_is_shown_is_told():
    lines = octet_lines(bytes(MOST + 3), [(MOST - 1, MOST + 2)])

    assert "3 bytes more" in lines[-1]["spans"][0][0] and len(lines) == MOST // 16 + 1


@pytest.mark.parametrize("words", ["0d0a", "0D 0A", "0x0d 0x0a", "|0d 0a|", "0d:0a", "\\x0d\\x0a"])
def test_hex_is_written_in_many_ways(words):
    assert wanted(words, octets=True) == b"\r\n"


@pytest.mark.parametrize("words", ["0", "zz", "0d0", "\x1b"])
def test_what_is_no_hex_is_one_sentence(words):
    with pytest.raises(NsmError, match="is no hex; write pairs of digits"):
        wanted(words, octets=True)


def test_a_frame_without_headers_says_so():
    assert "no header of IP or ARP" in header_rows([])[0]["spans"][0][0]
