import nsm_nb as nsm
from nsm_nb.widgets import Alerts, Console


def test_all_of_a_case_is_in_tabs(case):
    console = nsm.console(case)

    assert isinstance(console, Console)
    assert console.titles == ("Evidence", "Statistics", "Sessions", "Alerts", "Transcript", "Packet", "Report")
    assert console.tab == "Alerts" and isinstance(console["Alerts"], Alerts)


def test_a_tab_is_made_when_it_is_looked_at(case):
    console = nsm.console(case)
    assert set(console._made) == {"Alerts"}

    console.tab = "Statistics"

    assert set(console._made) == {"Alerts", "Statistics"}


def test_an_alert_leads_to_its_transcript(case):
    console = nsm.console(case)
    alerts = console["Alerts"]
    alerts.grid.active = 0

    alerts.to_transcript()

    assert console.tab == "Transcript"
    assert console["Transcript"].session == case.session_of(alerts.alert)["session"]


def test_what_is_chosen_in_one_tab_is_there_in_the_next(case):
    console = nsm.console(case, tab="Transcript")
    console.tab = "Sessions"
    console["Sessions"].grid.active = 3

    console.tab = "Transcript"

    assert console["Transcript"].session == console["Sessions"].selected["session"]


def test_another_case_empties_the_other_tabs(case):
    console = nsm.console(case, tab="Statistics")
    console.tab = "Evidence"

    other = nsm.open_case(case.path)
    console["Evidence"].case = other

    assert set(console._made) == {"Evidence"} and console.case is other
    assert console["Statistics"].case is other


def test_a_saved_notebook_shows_the_tab_as_a_table(case):
    data, _ = nsm.console(case)._repr_mimebundle_()

    assert "event message" in data["text/html"]


def test_the_transcript_leads_to_the_packet_of_the_marked_line(case):
    case.selection.session = int(case.sessions.loc[case.sessions["dst_port"] == 31337, "session"].iloc[0])
    console = nsm.console(case, tab="Transcript")
    console["Transcript"].find("uid=")

    console["Transcript"]._packet.click()

    assert console.tab == "Packet" and b"uid=33" in case.frame("staged.pcap", console["Packet"].frame)
    console.tab = "Sessions"
    console.tab = "Packet"
    assert b"uid=33" in case.frame("staged.pcap", console["Packet"].frame), "what was looked at is kept"
