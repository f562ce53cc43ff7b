"""Names and owners of addresses asked of the world outside: never by itself, only after an analyst has allowed it.

A question about an address tells whoever runs its name server, or a whois server, that somebody takes an interest.

Source: reference/seed-systems.md 11.4 (Sguil's IP Resolution); RFC 3912 (whois).
"""

from __future__ import annotations

import ipaddress
import socket
import threading
from collections.abc import Callable, Mapping
from queue import Empty, SimpleQueue

__all__ = ["LIMIT", "Lookup", "reverse", "whois"]

LIMIT = 8.0
"""Seconds that a question may take."""

_FIRST = "whois.iana.org"
_MOST = 65_536  # bytes of an answer
_HOPS = 3


def reverse(address: str) -> str:
    """Return the name that the system's resolver gives to an address."""
    try:
        return socket.gethostbyaddr(address)[0]
    except OSError as problem:
        return f"no name ({problem.strerror or problem})"


def whois(address: str) -> str:
    """Return what whois servers say of an address: IANA's, and those that it and they refer to."""
    if not ipaddress.ip_address(address).is_global:
        return "not asked: the address is of no public network"
    server, told = _FIRST, ""
    try:
        for _ in range(_HOPS):
            told = _asked(server, address)
            lines = (each.partition(":") for each in told.splitlines())
            named = next((value.strip() for key, _, value in lines if key.strip().lower() == "refer"), "")
            if not named or named == server:
                break
            server = named
    except OSError as problem:
        return f"{server} gave no answer ({problem.strerror or problem})"
    return told


def _asked(server: str, address: str) -> str:
    with socket.create_connection((server, 43), timeout=LIMIT / 2) as connection:
        connection.sendall(f"{address}\r\n".encode())
        parts, size = [], 0
        while size < _MOST and (part := connection.recv(min(8192, _MOST - size))):
            parts.append(part)
            size += len(part)
    return b"".join(parts).decode("utf-8", "replace")


class Lookup:
    """Questions to the world outside, which are refused until `allowed` is set.

    Parameters
    ----------
    ways
        A function from an address to text for each way to ask.
    limit
        Seconds that each may take; its answer is not waited for any longer.
    """

    def __init__(self, ways: Mapping[str, Callable[[str], str]] | None = None, *, limit: float = LIMIT):
        self.ways = dict(ways) if ways is not None else {"reverse DNS": reverse, "whois": whois}
        self.limit = limit
        self.allowed = False
        self.known: dict[tuple[str, str], str] = {}

    def ask(self, address: str, way: str, done: Callable[[str], object]) -> threading.Thread:
        """Ask beside the kernel's own work; `done` is called with the answer, or with a word that there was none.

        Raises
        ------
        PermissionError
            Where it was not allowed.
        """
        if not self.allowed:
            raise PermissionError("nothing outside is asked before it is allowed")
        text = str(ipaddress.ip_address(address))  # an address and nothing else leaves this machine
        function = self.ways[way]

        def work() -> None:
            if (text, way) not in self.known:
                answers: SimpleQueue[str] = SimpleQueue()
                threading.Thread(target=lambda: answers.put(function(text)), daemon=True, name="nsm_nb-lookup").start()
                try:
                    self.known[text, way] = answers.get(timeout=self.limit)
                except Empty:
                    done(f"no answer within {self.limit:g} s")
                    return
            done(self.known[text, way])

        thread = threading.Thread(target=work, daemon=True, name="nsm_nb-lookups")
        thread.start()
        return thread
