import pytest

from nsm_nb.widgets.addresses import Addresses
from nsm_nb.widgets.lookup import Lookup


@pytest.fixture
def addresses(case):
    lookup = Lookup({"reverse DNS": lambda address: f"<b>{address}</b>\x1b[2J"})
    return Addresses(case, lambda callback: callback, lookup=lookup)


def scan(case):
    return case.alerts[case.alerts["sid"] == 9000001].iloc[0]


def test_both_ends_have_the_names_that_the_evidence_gives_them(addresses, case):
    addresses.show(scan(case))

    text = addresses.text.text()
    assert "src 203.0.113.66" in text and "no name in the evidence" in text and "scanner (nmap)" in text
    assert "dst 172.16.10.80" in text and "named www.corp.example  by dns, " in text
    assert "home network, seen 2026-11-24 02:30:17 to " in text


def test_nothing_can_be_asked_until_it_is_turned_on_and_the_warning_is_read(addresses, case):
    addresses.show(scan(case))
    assert addresses.answer not in addresses.children and addresses._buttons not in addresses.children
    with pytest.raises(PermissionError):
        addresses.ask("reverse DNS", 0)

    addresses.allow.value = True
    assert "tells the name servers" in addresses.warning.text()
    assert "nothing was asked" in addresses.answer.text()
    addresses.ask("reverse DNS", 1).join(5)
    assert "<b>172.16.10.80</b>\\x1b[2J" in addresses.answer.text()

    addresses.allow.value = False
    with pytest.raises(PermissionError):
        addresses.ask("reverse DNS", 1)


def test_showing_an_alert_asks_nobody(addresses, case, monkeypatch):
    import socket

    def refuse(*words, **options):
        raise AssertionError("the network was asked")

    for name in ("gethostbyaddr", "getaddrinfo", "create_connection"):
        monkeypatch.setattr(socket, name, refuse)
    for alert in case.alerts["alert"].iloc[::10]:
        addresses.show(case.alert(alert))
    assert addresses.text.text()


def test_without_an_alert_or_a_packet_it_says_so(addresses, case, empty_case):
    addresses.show(None)
    assert "choose an alert" in addresses.text.text()
    alone = Addresses(empty_case, lambda callback: callback)
    alone.show(scan(case))
    assert "no packet and no flow of it" in alone.text.text()
