"""Questions that are asked of the sessions of any case: lines that ship, as Sguil's standard queries do."""

from __future__ import annotations

from typing import NamedTuple

__all__ = ["STANDARD", "Standard"]


class Standard(NamedTuple):
    """A query line with a name, and what its rows answer."""

    name: str
    line: str
    answers: str


STANDARD = (
    Standard("large transfers out", "src $HOME and not dst $HOME and src_octets > 10M",
             "what left the home networks in one session, more than 10 MB"),
    Standard("large answers out", "dst $HOME and not src $HOME and dst_octets > 10M",
             "what a host at home gave to one outside that asked it"),
    Standard("long sessions", "duration > 1h", "who kept a conversation open for more than an hour"),
    Standard("refused connections", "tcp and state RST and octets < 1k and closed ~ dst",
             "small sessions that dst ended with a reset: closed ports"),
    Standard("unanswered connections", "tcp and src_packets > 0 and (dst_packets 0 or state REQ or state TIM)",
             "openings that nobody answered: scans, firewalls, hosts that are gone"),
    Standard("half-open connections", "tcp and history matches \"^Sh?$\"",
             "a SYN, perhaps answered, and no third step: scans and floods"),
    Standard("one-sided UDP", "udp and dst_packets 0", "datagrams that nobody answered"),
    Standard("unusual ports", "(tcp or udp) and dst port > 1024 and octets > 10k and src_packets > 3 and dst_packets > 3",
             "conversations with a service above the well-known ports"),
    Standard("inside to outside SMB, RDP, SSH",
             "tcp and src $HOME and not dst $HOME and (dst port 445 or dst port 139 or dst port 3389 or dst port 22)",
             "protocols of the inside that leave it"),
    Standard("outside to inside SMB, RDP, SSH",
             "tcp and dst $HOME and not src $HOME and (dst port 445 or dst port 139 or dst port 3389 or dst port 22)",
             "protocols of the inside that are asked for from outside"),
    Standard("inside to inside SMB, RDP, SSH",
             "tcp and src $HOME and dst $HOME and (dst port 445 or dst port 139 or dst port 3389 or dst port 22)",
             "who moves from one host at home to the next"),
    Standard("DNS overflow", "tcp and dst port 53 and src_octets > 1000",
             "Sguil's: zone transfers and attacks on name servers, by what the asking side sent"),
    Standard("DNS over 512 octets", "udp and port 53 and octets > 512 and packets <= 2",
             "questions or answers larger than RFC 1035 allows: EDNS, tunnels"),
    Standard("sessions with alerts", "alert", "what the sensors spoke of"),
    Standard("last day", "lastday", "what was there on the last day of the case"),
)  # fmt: skip
"""The queries that ship, in the order in which they are shown."""
