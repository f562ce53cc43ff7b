import socket
import threading
import time

import pytest

from nsm_nb.widgets.lookup import Lookup, reverse, whois


def test_nothing_is_asked_before_it_is_allowed():
    asked = []
    lookup = Lookup({"stub": asked.append})

    with pytest.raises(PermissionError):
        lookup.ask("192.0.2.1", "stub", print)
    assert not asked and not lookup.allowed


def test_the_answer_comes_beside_the_kernels_own_work_and_is_kept():
    asked, told = [], []
    lookup = Lookup({"stub": lambda address: asked.append(address) or f"host of {address}"})
    lookup.allowed = True
    for _ in range(2):
        lookup.ask("192.0.2.1", "stub", told.append).join(5)

    assert told == ["host of 192.0.2.1"] * 2 and asked == ["192.0.2.1"]


def test_who_does_not_answer_is_not_waited_for():
    never, told = threading.Event(), []
    lookup = Lookup({"stub": lambda address: never.wait(30) and "late"}, limit=0.1)
    lookup.allowed = True
    started = time.monotonic()
    lookup.ask("192.0.2.1", "stub", told.append).join(5)

    assert told == ["no answer within 0.1 s"] and time.monotonic() - started < 2
    never.set()


@pytest.mark.parametrize("text", ["www.example.org", "192.0.2.1\r\nx", "-h 1", ""])
def test_only_an_address_leaves_this_machine(text):
    lookup = Lookup({"stub": str})
    lookup.allowed = True
    with pytest.raises(ValueError, match="does not appear to be"):
        lookup.ask(text, "stub", print)


def test_the_systems_resolver_is_asked(monkeypatch):
    monkeypatch.setattr(socket, "gethostbyaddr", lambda address: (f"name-of-{address}", [], []))
    assert reverse("192.0.2.1") == "name-of-192.0.2.1"

    def unknown(address):
        raise socket.herror(1, "Unknown host")

    monkeypatch.setattr(socket, "gethostbyaddr", unknown)
    assert reverse("192.0.2.1") == "no name (Unknown host)"


def test_whois_follows_who_is_named_and_asks_of_no_inner_address(monkeypatch):
    from nsm_nb.widgets import lookup

    said = {"whois.iana.org": "refer:   whois.ripe.net\n", "whois.ripe.net": "netname: EXAMPLE\n"}
    asked = []

    def stub(server, address):
        asked.append((server, address))
        return said[server]

    monkeypatch.setattr(lookup, "_asked", stub)
    assert whois("193.0.6.139") == "netname: EXAMPLE\n"
    assert asked == [("whois.iana.org", "193.0.6.139"), ("whois.ripe.net", "193.0.6.139")]
    assert "no public network" in whois("10.0.0.7") and len(asked) == 2

    said["whois.ripe.net"] = "refer: whois.iana.org\n"  # in a circle
    whois("193.0.6.139")
    assert len(asked) == 5


def test_whois_reads_no_more_than_it_should(monkeypatch):
    from nsm_nb.widgets import lookup

    ours, theirs = socket.socketpair()

    class Endless(threading.Thread):
        def run(self):
            try:
                for _ in range(200):
                    theirs.sendall(b"x" * 8192)
            except OSError:
                pass

    monkeypatch.setattr(socket, "create_connection", lambda *place, **options: ours)
    Endless(daemon=True).start()
    assert len(lookup._asked("stub", "192.0.2.1")) == 65_536
    theirs.close()
