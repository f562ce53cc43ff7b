"""A small sample of each text format of alerts, written by hand after the programs' sources and manuals."""

from __future__ import annotations

import json
import struct

__all__ = ["ALERT", "SAMPLES", "event4", "event6", "extra", "packet", "record"]

ALERT = (
    "[1:498:6] ATTACK-RESPONSES id [Classification: Potentially Bad Traffic] [Priority: 2] "
    "{TCP} 216.239.37.99:80 -> 10.1.1.177:2254"
)
_WAZUH = {
    "timestamp": "2026-11-24T02:30:42.678+0000",
    "rule": {
        "level": 10,
        "description": "sshd: brute force",
        "id": "5712",
        "firedtimes": 3,
        "groups": ["syslog", "sshd"],
    },
    "agent": {"id": "001", "name": "web01"},
    "manager": {"name": "m"},
    "id": "1672.1",
    "decoder": {"name": "sshd"},
    "data": {"srcip": "203.0.113.5", "srcport": "5555"},
}
_ECS = {
    "@timestamp": "2026-11-24T02:30:42.678Z",
    "event": {"kind": "alert", "severity": 2, "action": "allowed"},
    "rule": {"name": "ET SCAN", "id": "2010935", "category": "Scan"},
    "source": {"ip": "203.0.113.5", "port": 5555},
    "destination": {"ip": "10.0.0.1", "port": 22},
    "network": {"transport": "tcp", "community_id": "1:abc="},
    "observer": {"name": "s1"},
}
_ZEEK = "ts\tuid\tid.orig_h\tid.orig_p\tid.resp_h\tid.resp_p"


def _zeek(path, fields, *rows):
    head = ["#separator \\x09", "#set_separator\t,", "#empty_field\t(empty)", "#unset_field\t-", f"#path\t{path}"]
    return "\n".join([*head, f"#fields\t{_ZEEK}\t{fields}", *rows, "#close\t2026-11-24-03-00-00"]) + "\n"


def record(kind, body):
    """Return a record of unified2."""
    return struct.pack(">2I", kind, len(body)) + body


def event4(*, number=1, sid=498, second=1_795_487_442, proto=6, ports=(80, 2254), blocked=0, more=b"", kind=7):
    """Return an event of type 7, or one of those that begin as it does."""
    body = struct.pack(">9I", 0, number, second, 898_627, sid, 1, 6, 3, 2) + bytes([216, 239, 37, 99, 10, 1, 1, 177])
    return record(kind, body + struct.pack(">2H4B", *ports, proto, 0, 0, blocked) + more)


def event6(*, number=1, second=1_795_487_442, more=b"", kind=72):
    """Return an event of type 72, or one of those that begin as it does."""
    body = struct.pack(">9I", 0, number, second, 898_627, 498, 1, 6, 3, 2)
    body += bytes.fromhex("20010db8000000000000000000000001") + bytes.fromhex("fe800000000000000000000000000002")
    return record(kind, body + struct.pack(">2H4B", 80, 2254, 6, 0, 0, 0) + more)


def packet(data, *, number=1, second=1_795_487_442, kind=2):
    """Return a packet, or a buffer of Snort 3."""
    return record(kind, struct.pack(">7I", 0, number, second, second, 5, 1, len(data)) + data)


def extra(kind, data, *, number=1, second=1_795_487_442):
    """Return extra data."""
    head = struct.pack(">8I", 4, 24 + len(data) + 8, 0, number, second, kind, 1, len(data) + 8)
    return record(110, head + data)


SAMPLES = {
    "snort-fast": f"11/24/26-02:30:42.898627  [**] {ALERT.replace(' [Class', ' [**] [Class')}\n",
    "snort-full": (
        "[**] [1:498:6] ATTACK-RESPONSES id [**]\n[Classification: Potentially Bad Traffic] [Priority: 2] \n"
        "11/24/26-02:30:42.898627 216.239.37.99:80 -> 10.1.1.177:2254\n"
        "TCP TTL:57 TOS:0x0 ID:12107 IpLen:20 DgmLen:144 DF\n"
        "***AP*** Seq: 0x269E0D38  Ack: 0x52E6B481  Win: 0x16D0  TcpLen: 20\n"
        "[Xref => http://example.com/x][Xref => http://cve.example/1999-0067]\n\n"
    ),
    "snort-syslog": f"<33>2026-11-24T02:30:42.898627Z sensor snort[123]: {ALERT}\n",
    "snort-csv": (
        '11/24/26-02:30:42.898627 ,1,498,6,"ATTACK-RESPONSES id",TCP,216.239.37.99,80,10.1.1.177,2254,00:0C:29:FE:FE:FE,'
        "00:0C:29:AA:BB:01,0x9E,***AP***,0x269E0D38,0x52E6B481,,0x16D0,57,0,12107,144,147456,,,,\n"
    ),
    "snort3-csv": (
        "26/11/24-02:30:42.898627, 11, TCP, raw, 158, S2C, 216.239.37.99:80, 10.1.1.177:2254, 1:498:6, allow\n"
    ),
    "snort3-json": (
        '{ "seconds" : 1795487442, "timestamp" : "11/24-02:30:42.898627", "pkt_num" : 11, "proto" : "TCP", "msg" : '
        '"ATTACK-RESPONSES id", "class" : "Potentially Bad Traffic", "priority" : 2, "src_ap" : "216.239.37.99:80", '
        '"dst_ap" : "10.1.1.177:2254", "rule" : "1:498:6", "action" : "allow" }\n'
    ),
    "zeek-notice": _zeek(
        "notice",
        "proto\tnote\tmsg\tsub\tsrc\tdst\tp\tpeer_descr\tdropped",
        "1795487442.898627\tC1\t216.239.37.99\t80\t10.1.1.177\t2254\ttcp\tScan::Port_Scan\ta\\x09b\t-\t-\t-\t-\tzeek\tF",
        "1795487443.5\t-\t-\t-\t-\t-\t-\tCaptureLoss::Too_Much_Loss\t5 %\t-\t10.0.0.1\t-\t-\tzeek\tT",
    ),
    "zeek-weird": _zeek(
        "weird", "name\taddl\tnotice\tpeer", "1795487442.898627\tC1\t216.239.37.99\t80\t10.1.1.177\t2254\todd\tmore\tF\tzeek"
    ),
    "sguil-csv": (
        '"ST","CNT","Sensor","Alert ID","Date/Time","Src IP","SPort","Dst IP","DPort","Pr","Event Message"\n'
        '"RT","3","s1","1.12345","2026-11-24 02:30:42","216.239.37.99","80","10.1.1.177","2254","6","ATTACK-RESPONSES, id"\n'
    ),
    "mapped-json": json.dumps(_WAZUH) + "\n",
    "mapped-json ecs": json.dumps(_ECS, separators=(",", ":")) + "\n",
    "zeek-weird json": (
        '{"ts":1795487442.898627,"uid":"C1","id.orig_h":"216.239.37.99","id.orig_p":80,"id.resp_h":"10.1.1.177",'
        '"id.resp_p":2254,"name":"odd","addl":"more","notice":false,"peer":"zeek"}\n'
    ),
    "zeek-notice json": (
        '{"ts":"2026-11-24T02:30:42.898627Z","id.orig_h":"216.239.37.99","id.orig_p":80,"id.resp_h":"10.1.1.177",'
        '"id.resp_p":2254,"proto":"tcp","note":"Scan::Port_Scan","msg":"a\\tb","peer_descr":"zeek"}\n'
    ),
    "unified2": event4() + packet(b"frame"),
}  # fmt: skip
SAMPLES = {name: text if isinstance(text, bytes) else text.encode() for name, text in SAMPLES.items()}
