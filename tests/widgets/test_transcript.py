import pytest

from nsm_nb.widgets import Transcript


def shell(case):
    """The bind shell's session."""
    return int(case.sessions.loc[case.sessions["dst_port"] == 31337, "session"].iloc[0])


def test_the_chosen_session_is_shown(case):
    case.selection.session = shell(case)
    shown = Transcript(case)

    assert shown.session == shell(case)
    assert "826 bytes from SRC, 3,012 from DST" in shown.note
    lines = shown.text.text().splitlines()
    assert "SRC: id" in lines and "DST: uid=33(www-data) gid=33(www-data) groups=33(www-data)" in lines
    assert "frame 3163" in lines[0]
    assert shown.code == f"case.transcript({shell(case)})"


def test_find_goes_from_place_to_place(case):
    shown = Transcript(case, shell(case))

    first = shown.find("uid=")
    second = shown.find("uid=")

    assert first is not None and second is not None and second > first
    assert shown.text.at == second
    assert shown.find("nowhere at all") is None and "not found" in shown.status


def test_hex_and_http_are_a_click_away(case):
    shown = Transcript(case, shell(case))

    shown.view = "hex"
    assert "SRC: 00000000  69 64 0a" in shown.text.text() and shown.text.fixed
    shown.view = "HTTP"
    assert "not HTTP/1" in shown.text.text()
    assert shown.code.endswith(".exchanges()")


def test_a_number_is_asked_for_and_kept(case):
    shown = Transcript(case)
    assert "no session is chosen" in shown.top.text()

    shown._number.submit(str(shell(case)))

    assert shown.session == shell(case) == case.selection.session


@pytest.mark.parametrize("text", ["12", "x", "-1", "²", ""])
def test_a_number_that_is_none_is_one_sentence(case, text):
    shown = Transcript(case)

    shown._number.submit(text)

    assert shown.error and "Error" not in shown.error
    assert shown._said is None


def test_flows_without_packets_say_why_there_is_none(empty_case, evidence):
    empty_case.add(evidence / "suricata" / "eve.json")
    shown = Transcript(empty_case, int(empty_case.sessions["session"].iloc[0]))

    assert "full content" in shown.error


def test_its_packets_are_carved(case):
    shown = Transcript(case, shell(case))

    shown._carve.click()

    assert shown.error == "" and list((case.path / "carved").glob("*.pcapng"))


def test_alerts_about_it_stand_at_the_top(case):
    assert "NSM-LAB BACKDOOR" in Transcript(case, shell(case)).top.text()


def test_all_is_shown_on_request(case):
    large = case.sessions[case.sessions["source"] == "pcap"].nlargest(1, "dst_payload")["session"].iloc[0]
    shown = Transcript(case, int(large))
    assert "'show all' has them" in shown.text.text()

    shown._all.click()

    assert "'show all'" not in shown.text.text()
