"""The words of tcpdump's filter language, and the names that stand for numbers. Nothing is looked up elsewhere.

Source: pcap-filter(7); IANA's protocol numbers, ICMP and ICMPv6 parameters, service names and port numbers (as Debian's
/etc/services has them); IEEE 802 numbers.
"""

from __future__ import annotations

__all__ = ["ETHERTYPES", "IP_PROTOCOLS", "NUMBERS", "PORTS", "PROTOCOLS", "REFUSED", "WORDS"]

# A protocol as a word of its own: where its number stands, and the number. "ip46" is the protocol of IPv4 or of IPv6.
PROTOCOLS: dict[str, tuple[str, int]] = {
    "ip": ("link", 0x0800), "ip6": ("link", 0x86DD), "arp": ("link", 0x0806), "rarp": ("link", 0x8035),
    "decnet": ("link", 0x6003), "lat": ("link", 0x6004), "sca": ("link", 0x6007), "moprc": ("link", 0x6002),
    "mopdl": ("link", 0x6001), "atalk": ("link", 0x809B), "aarp": ("link", 0x80F3),
    "tcp": ("ip46", 6), "udp": ("ip46", 17), "sctp": ("ip46", 132), "pim": ("ip46", 103), "ah": ("ip46", 51),
    "esp": ("ip46", 50), "icmp": ("ip4", 1), "igmp": ("ip4", 2), "igrp": ("ip4", 9), "vrrp": ("ip4", 112),
    "carp": ("ip4", 112), "icmp6": ("ip6", 58),
    "iso": ("sap", 0xFE), "stp": ("sap", 0x42), "netbeui": ("sap", 0xF0), "ipx": ("sap", 0xE0),
    "ether": ("", 0), "link": ("", 0),
}  # fmt: skip

IP_PROTOCOLS = {
    "icmp": 1, "igmp": 2, "ipip": 4, "ipencap": 4, "tcp": 6, "egp": 8, "igrp": 9, "igp": 9, "udp": 17, "dccp": 33, "ipv6": 41,
    "ip6": 41, "rsvp": 46, "gre": 47, "esp": 50, "ah": 51, "icmp6": 58, "ipv6-icmp": 58, "icmpv6": 58, "eigrp": 88,
    "ospf": 89, "pim": 103, "vrrp": 112, "carp": 112, "l2tp": 115, "sctp": 132, "udplite": 136,
}  # fmt: skip
ETHERTYPES = {
    "ip": 0x0800, "arp": 0x0806, "rarp": 0x8035, "ip6": 0x86DD, "ipv6": 0x86DD, "decnet": 0x6003, "lat": 0x6004,
    "sca": 0x6007, "moprc": 0x6002, "mopdl": 0x6001, "atalk": 0x809B, "aarp": 0x80F3, "loopback": 0x9000,
    "mpls": 0x8847, "pppoed": 0x8863, "pppoes": 0x8864,
    "iso": 0xFE, "stp": 0x42, "netbeui": 0xF0, "ipx": 0xE0,
}  # fmt: skip

NUMBERS = {
    "icmptype": 0, "icmpcode": 1, "icmp-echoreply": 0, "icmp-unreach": 3, "icmp-sourcequench": 4, "icmp-redirect": 5,
    "icmp-echo": 8, "icmp-routeradvert": 9, "icmp-routersolicit": 10, "icmp-timxceed": 11, "icmp-paramprob": 12,
    "icmp-tstamp": 13, "icmp-tstampreply": 14, "icmp-ireq": 15, "icmp-ireqreply": 16, "icmp-maskreq": 17,
    "icmp-maskreply": 18,
    "icmp6type": 0, "icmp6code": 1, "icmp6-destinationunreach": 1, "icmp6-packettoobig": 2, "icmp6-timeexceeded": 3,
    "icmp6-parameterproblem": 4, "icmp6-echo": 128, "icmp6-echoreply": 129, "icmp6-multicastlistenerquery": 130,
    "icmp6-multicastlistenerreportv1": 131, "icmp6-multicastlistenerdone": 132, "icmp6-routersolicit": 133,
    "icmp6-routeradvert": 134, "icmp6-neighborsolicit": 135, "icmp6-neighboradvert": 136, "icmp6-redirect": 137,
    "icmp6-routerrenum": 138, "icmp6-nodeinformationquery": 139, "icmp6-nodeinformationresponse": 140,
    "icmp6-ineighbordiscoverysolicit": 141, "icmp6-ineighbordiscoveryadvert": 142,
    "icmp6-multicastlistenerreportv2": 143, "icmp6-homeagentdiscoveryrequest": 144, "icmp6-homeagentdiscoveryreply": 145,
    "icmp6-mobileprefixsolicit": 146, "icmp6-mobileprefixadvert": 147, "icmp6-certpathsolicit": 148,
    "icmp6-certpathadvert": 149, "icmp6-multicastrouteradvert": 151, "icmp6-multicastroutersolicit": 152,
    "icmp6-multicastrouterterm": 153,
    "tcpflags": 13, "tcp-fin": 1, "tcp-syn": 2, "tcp-rst": 4, "tcp-push": 8, "tcp-ack": 16, "tcp-urg": 32, "tcp-ece": 64,
    "tcp-cwr": 128,
}  # fmt: skip

_TCP = {
    "ftp-data": 20, "ftp": 21, "ssh": 22, "telnet": 23, "smtp": 25, "whois": 43, "gopher": 70, "finger": 79, "http": 80,
    "pop3": 110, "auth": 113, "nntp": 119, "epmap": 135, "loc-srv": 135, "netbios-ssn": 139, "imap": 143, "imap2": 143,
    "bgp": 179, "microsoft-ds": 445, "smtps": 465, "submissions": 465, "exec": 512, "login": 513, "shell": 514,
    "printer": 515, "nntps": 563, "submission": 587, "ipp": 631, "rsync": 873, "ftps": 990, "telnets": 992,
    "imaps": 993, "pop3s": 995, "socks": 1080, "ms-sql-s": 1433, "mysql": 3306, "ms-wbt-server": 3389, "svn": 3690,
    "postgresql": 5432, "x11": 6000, "redis": 6379, "syslog-tls": 6514, "ircd": 6667, "http-alt": 8080, "webcache": 8080,
    "git": 9418,
}  # fmt: skip
_UDP = {
    "bootps": 67, "bootpc": 68, "tftp": 69, "ntp": 123, "netbios-ns": 137, "netbios-dgm": 138, "isakmp": 500, "route": 520,
    "dhcpv6-client": 546, "dhcpv6-server": 547, "ms-sql-m": 1434, "l2f": 1701, "mdns": 5353,
}  # fmt: skip
_BOTH = {
    "echo": 7, "discard": 9, "daytime": 13, "chargen": 19, "time": 37, "tacacs": 49, "domain": 53, "kerberos": 88,
    "sunrpc": 111, "snmp": 161, "snmp-trap": 162, "snmptrap": 162, "ldap": 389, "https": 443, "syslog": 514, "rtsp": 554,
    "ldaps": 636, "domain-s": 853,
    "openvpn": 1194, "radius": 1812, "radius-acct": 1813, "nfs": 2049, "sip": 5060, "sip-tls": 5061,
}  # fmt: skip
PORTS: dict[str, tuple[int, tuple[str, ...]]] = {
    **{name: (port, ("tcp",)) for name, port in _TCP.items()},
    **{name: (port, ("udp",)) for name, port in _UDP.items()},
    **{name: (port, ("sctp", "tcp", "udp")) for name, port in _BOTH.items()},
}
"""A service's port, and the protocols that it is asked of: of all that have ports where it is known for TCP and UDP."""

REFUSED = {
    "gateway": "a gateway is found by looking its name up, and nothing is looked up here: use ether host and not host",
    "geneve": "what is inside a tunnel has columns of its own: use a query, such as nsm-nb packets -q 'src 10.0.0.0/8'",
    "vxlan": "what is inside a tunnel has columns of its own: use a query, such as nsm-nb packets -q 'src 10.0.0.0/8'",
    **dict.fromkeys(
        ("type", "subtype", "dir", "direction", "addr1", "addr2", "addr3", "addr4", "address1", "address2", "address3",
         "address4", "ra", "ta", "wlan", "radio", "fddi", "tr", "ppp", "slip", "llc"),
        "the fields of this link layer can't be asked for; its bytes can, such as ether[0] & 0x0c = 8",
    ),
    **dict.fromkeys(
        ("on", "ifname", "ifindex", "rset", "ruleset", "rnr", "rulenum", "srnr", "subrulenum", "reason", "action"),
        "what a firewall or a kernel noted with a packet is not in a capture file",
    ),
    **dict.fromkeys(
        ("lane", "metac", "bcc", "oam", "oamf4", "oamf4ec", "oamf4sc", "sc", "ilmic", "vpi", "vci", "connectmsg",
         "metaconnect", "fisu", "lssu", "lsu", "msu", "hfisu", "hlssu", "hmsu", "sio", "opc", "dpc", "sls", "hsio", "hopc",
         "hdpc", "hsls", "esis", "es-is", "isis", "is-is", "l1", "l2", "iih", "lsp", "snp", "csnp", "psnp", "clnp"),
        "captures of ATM, SS7 and the protocols of IS-IS can't be asked for them; their bytes can, such as ether[17] = 0x83",
    ),
}  # fmt: skip

WORDS = {
    *PROTOCOLS, *NUMBERS, *REFUSED, "src", "dst", "host", "net", "mask", "port", "portrange", "proto", "protochain", "less",
    "greater", "len", "length", "broadcast", "multicast", "inbound", "outbound", "vlan", "mpls", "pppoed", "pppoes", "and",
    "or", "not",
}  # fmt: skip
