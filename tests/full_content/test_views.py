import re
import resource
import subprocess
from importlib import import_module

import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

import nsm_nb as nsm
from nsm_nb.errors import MissingTool, NsmError
from nsm_nb.full_content import view
from nsm_nb.full_content.views import STYLES
from nsm_nb.full_content.views.snort import snort
from tests.writing import ethernet, ip, ipv6, pcap, tcp, udp


@pytest.fixture(scope="module")
def staged(evidence):
    """The packets of the bundled capture."""
    return nsm.read_packets(evidence / "staged.pcap")


def test_snort_is_what_snort_printed(shared):
    packets = nsm.read_packets(shared / "fixtures" / "seed.pcap")

    assert view(packets, "snort") == (shared / "fixtures" / "snort_dve.txt").read_text()


def test_snort_shows_ports_flags_options_and_payload(staged):
    assert view(staged.iloc[[3162]], "snort").splitlines() == [
        "11/24-02:31:54.362708 0A:66:79:C3:D0:5E -> 46:C5:7B:2E:CA:37 type:0x800 len:0x45",
        "203.0.113.66:59208 -> 172.16.10.80:31337 TCP TTL:63 TOS:0x0 ID:30509 IpLen:20 DgmLen:55 DF",
        "***AP*** Seq: 0x56AE27D4  Ack: 0xF0E93F2  Win: 0x3F  TcpLen: 32",
        "TCP Options (3) => NOP NOP TS: 698144018 2774650611 ",
        f"{'69 64 0A':<47}  id.",
        "",
        "=+" * 37,
        "",
    ]


def test_where_snort_shows_nothing_a_sentence_says_so(staged):
    arp = staged[staged["proto"] == "arp"].head(2)

    assert (
        view(arp, "snort")
        == "[snort -dve shows IP alone, and none of these 2 packets is; see them as tcpdump or hex]\n"
    )


@given(st.binary(max_size=90), st.sampled_from([1, 101, 113, 9999]), st.booleans())
def test_snort_is_broken_by_no_bytes(data, link, version):
    frame = (
        ipv6(data, "fe80::1", "fe80::2", 6)
        if version
        else ip(data, "10.0.0.1", "10.0.0.2", data[0] % 20 if data else 6)
    )
    frame = ethernet(frame, ethertype=0x86DD if version else 0x0800) if link == 1 else frame[: len(data)]

    text = "".join(snort([(0, len(frame), frame, link)]))

    assert text.isascii() and text.replace("\n", "").isprintable()


def test_hex_is_what_tshark_prints(staged, evidence, tshark):
    printed = subprocess.run(
        [tshark, "-n", "-x", "-c", "400", "-r", evidence / "staged.pcap"], capture_output=True, text=True, check=True
    ).stdout
    # with what it put together of several frames, tshark names the parts: the frame's own comes first
    parts = re.findall(r"(?:^([A-Z][^\n]*) \(\d+ bytes\):\n)?((?:^[0-9a-f]{4}  [^\n]*\n)+)", printed, re.MULTILINE)
    blocks = [rows + "\n" for name, rows in parts if name in ("", "Frame")]

    assert len(blocks) == 400
    assert view(staged.head(400), "hex") == "".join(blocks)


def test_tethereal_is_the_tree_and_the_bytes(staged, tshark):
    packet = staged.iloc[[3619]]

    told = view(packet, "tethereal")

    assert told.startswith("frame 3620 of ") and "Transmission Control Protocol, Src Port: 445" in told
    assert told.endswith(f"\n\n{view(packet, 'hex').strip()}\n")


def test_without_tshark_the_others_work(staged, monkeypatch):
    monkeypatch.setenv("PATH", "")
    monkeypatch.setattr(
        import_module("nsm_nb.full_content.dissect"), "_MACOS", import_module("pathlib").Path("/nothing")
    )
    import_module("nsm_nb.full_content.dissect")._KEPT.clear()

    for style in STYLES[:3]:
        assert view(staged.iloc[[3619]], style)
    with pytest.raises(MissingTool, match="apt install tshark"):
        view(staged.iloc[[3619]], "tethereal")


def test_a_selection_is_read_in_pieces_and_its_conversations_go_on(staged, monkeypatch):
    whole = view(staged.head(300))
    monkeypatch.setattr(import_module("nsm_nb.full_content.views"), "_AT_ONCE", 4_000)

    assert view(staged.head(300)) == whole


def test_packets_come_in_their_order_and_of_any_evidence(staged, evidence, tmp_path):
    frame = ethernet(ip(udp(b"hello", 7, 9), "10.0.0.1", "10.0.0.2", 17))
    (tmp_path / "one.pcap").write_bytes(pcap([(5_000_000, frame)]))
    other = nsm.read_packets(tmp_path / "one.pcap", label="one")
    both = pd.concat([other, staged.iloc[[3162]].assign(evidence="staged")])

    text = view(both, evidence={"one": tmp_path / "one.pcap", "staged": evidence / "staged.pcap"})

    assert text.index("10.0.0.1.7 > 10.0.0.2.9") < text.index("203.0.113.66.59208")


def test_what_an_intruder_sends_is_shown_as_dots(tmp_path):
    frame = ethernet(ip(tcp("\x1b[2J\u202e<script>\x9b".encode(), 1, 2), "10.0.0.1", "10.0.0.2", 6))
    (tmp_path / "one.pcap").write_bytes(pcap([(0, frame)]))

    for style in STYLES[:3]:
        text = view(nsm.read_packets(tmp_path / "one.pcap"), style)
        assert "ript>." in text and text.isascii()
        assert text.replace("\n", "").replace("\t", "").isprintable()


def test_a_style_that_is_none_says_which_there_are(staged):
    with pytest.raises(NsmError, match=r"style 'wireshark\\\\x1b'; there is tcpdump, snort, hex, tethereal"):
        view(staged.head(1), "wireshark\x1b")


@pytest.mark.parametrize("style", STYLES)
def test_of_nothing_comes_nothing(staged, style):
    assert view(staged.head(0), style) == ""


@pytest.mark.slow
def test_every_hostile_capture_is_shown_in_every_style(shared):
    shown = 0
    for path in sorted((shared / "hostile").rglob("*.pcap*")):
        try:
            packets = nsm.read_packets(path, label="hostile").head(40)
        except NsmError:  # tests/test_hostile.py judges what is refused
            continue
        for style in STYLES[:3]:
            text = view(packets, style, evidence={"hostile": path})
            assert text.isascii() and text.replace("\n", "").replace("\t", "").isprintable(), path
        shown += len(packets)
    assert shown > 5_000


def test_bombs_cost_tshark_little_with_their_bytes_too(shared, tshark):
    packets = nsm.read_packets(shared / "hostile" / "synthetic" / "a04_gzipbomb200M.pcap")
    before = resource.getrusage(resource.RUSAGE_CHILDREN)

    told = view(packets, "tethereal")

    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    assert after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime < 2
    assert told.count(", here frame ") == len(packets) and len(told) < 8_000_000
