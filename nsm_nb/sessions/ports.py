"""Names of ports: what a service is called by its number, where nothing better is known."""

from __future__ import annotations

import numpy as np
import pandas as pd

from nsm_nb.sessions.keys import plain
from nsm_nb.sessions.states import of_protocols

__all__ = ["PORTS", "port_names"]

# Source: IANA service names and port numbers, the ones met in practice; lower case, as Zeek and nDPI write them.
PORTS = {
    "tcp": {
        20: "ftp-data", 21: "ftp", 22: "ssh", 23: "telnet", 25: "smtp", 43: "whois", 49: "tacacs", 53: "dns", 79: "finger",
        80: "http", 88: "kerberos", 102: "s7comm", 110: "pop3", 111: "sunrpc", 113: "ident", 119: "nntp", 135: "epmap",
        139: "netbios-ssn", 143: "imap", 179: "bgp", 389: "ldap", 443: "https", 445: "smb", 465: "smtps", 502: "modbus",
        512: "exec", 513: "login", 514: "shell", 515: "printer", 548: "afp", 554: "rtsp", 587: "submission", 631: "ipp",
        636: "ldaps", 853: "dns-tls", 873: "rsync", 990: "ftps", 993: "imaps", 995: "pop3s", 1080: "socks", 1433: "mssql",
        1521: "oracle", 1723: "pptp", 1883: "mqtt", 2049: "nfs", 3128: "squid", 3268: "ldap-gc", 3306: "mysql", 3389: "rdp",
        5060: "sip", 5222: "xmpp", 5432: "postgresql", 5900: "vnc", 5985: "winrm", 6379: "redis", 6667: "irc",
        8080: "http-alt", 8443: "https-alt", 9200: "elasticsearch", 20000: "dnp3", 27017: "mongodb",
    },
    "udp": {
        53: "dns", 67: "dhcp", 68: "dhcp", 69: "tftp", 88: "kerberos", 111: "sunrpc", 123: "ntp", 137: "netbios-ns",
        138: "netbios-dgm", 161: "snmp", 162: "snmp-trap", 389: "cldap", 443: "quic", 500: "isakmp", 514: "syslog", 520: "rip",
        546: "dhcpv6", 547: "dhcpv6", 1194: "openvpn", 1434: "mssql-browser", 1645: "radius", 1701: "l2tp", 1812: "radius",
        1813: "radius-acct", 1900: "ssdp", 2055: "netflow", 2123: "gtp-c", 2152: "gtp-u", 3478: "stun", 3544: "teredo",
        4500: "ipsec-nat-t", 4789: "vxlan", 4739: "ipfix", 5060: "sip", 5353: "mdns", 5355: "llmnr", 6081: "geneve",
        6343: "sflow", 9995: "netflow", 51820: "wireguard",
    },
}  # fmt: skip


def port_names(proto: pd.Series, port: pd.Series | pd.arrays.IntegerArray) -> pd.Categorical:
    """Return the name of the service by protocol and port; missing where there is none."""
    names = sorted({name for table in PORTS.values() for name in table.values()})
    place = {name: number for number, name in enumerate(names)}
    proto = pd.Series(proto, copy=False).astype("category")
    numbers = plain(pd.Series(port, copy=False).astype("UInt16"))
    codes = np.full(len(numbers), -1, np.int32)
    for transport, table in PORTS.items():
        lookup = np.full(65_536, -1, np.int32)
        for each, name in table.items():
            lookup[each] = place[name]
        here = of_protocols(proto, transport)
        codes[here] = lookup[numbers[here]]
    return pd.Categorical.from_codes(codes, categories=pd.Index(names, dtype="str"))
