"""Names of link types, for those that are not decoded.

Source: tcpdump.org/linktypes.html, LINKTYPE_ names; the numbers are those of pcap and pcapng files.
"""

from __future__ import annotations

__all__ = ["link_name"]

_NAMES = {
    2: "experimental Ethernet", 3: "AX.25", 6: "IEEE 802.5 token ring", 7: "ARCNET", 8: "SLIP", 9: "PPP", 10: "FDDI",
    50: "PPP in HDLC", 51: "PPPoE", 99: "Symantec firewall", 100: "ATM, RFC 1483", 104: "Cisco HDLC", 105: "IEEE 802.11",
    106: "ATM, classical IP", 107: "frame relay", 109: "OpenBSD encrypted", 114: "LocalTalk", 117: "OpenBSD pflog",
    118: "Cisco IOS", 119: "Prism", 120: "Aironet", 122: "IP over Fibre Channel", 123: "ATM, Sun", 127: "radiotap",
    129: "ARCNET, Linux", 130: "Juniper MLPPP", 131: "Juniper MLFR", 133: "Juniper GGSN", 135: "Juniper ATM2",
    137: "Juniper ATM1", 138: "IP over IEEE 1394", 139: "SS7 MTP2 with a header", 140: "SS7 MTP2", 141: "SS7 MTP3",
    142: "SS7 SCCP", 143: "DOCSIS", 144: "IrDA, Linux", 147: "private use 0", 148: "private use 1", 149: "private use 2",
    150: "private use 3", 151: "private use 4", 152: "private use 5", 153: "private use 6", 154: "private use 7",
    155: "private use 8", 156: "private use 9", 157: "private use 10", 158: "private use 11", 159: "private use 12",
    160: "private use 13", 161: "private use 14", 162: "private use 15", 163: "IEEE 802.11 with an AVS header",
    165: "BACnet MS/TP", 166: "PPP, pppd", 177: "LAPD, Linux", 182: "frame relay, multilink", 187: "Bluetooth HCI",
    188: "IEEE 802.16", 189: "USB, Linux", 190: "CAN 2.0B", 192: "PPI", 195: "IEEE 802.15.4", 196: "SITA",
    197: "Endace ERF", 199: "IPMB", 201: "Bluetooth HCI with direction", 202: "AX.25 with a KISS header", 203: "LAPD",
    204: "PPP with direction", 205: "Cisco HDLC with direction", 206: "frame relay with direction", 209: "I2C, Linux",
    215: "IEEE 802.15.4, no FCS", 216: "Linux input events", 219: "SCCP, Fibre Channel", 220: "USB, Linux, mapped",
    224: "Fibre Channel 2", 225: "Fibre Channel 2 with delimiters", 227: "CAN, SocketCAN", 231: "D-Bus", 235: "DVB-CI",
    236: "MUX27010", 237: "STANAG 5066", 239: "NFLOG, Linux", 240: "Hilscher netANALYZER", 242: "IP over InfiniBand",
    243: "MPEG-2 TS", 247: "InfiniBand", 248: "SCTP", 249: "USB, USBPcap", 251: "Bluetooth LE", 253: "netlink, Linux",
    254: "Bluetooth monitor, Linux", 258: "PPP, pktap", 259: "EPON", 264: "ISO 14443", 265: "radio data system",
    266: "USB, Darwin", 270: "Bluetooth LE, nRF", 272: "DOCSIS 3.1 XRA", 273: "Ethernet mPackets", 274: "DisplayPort AUX",
    277: "OpenVizsla", 283: "IEEE 802.15.4 TAP", 288: "USB 2.0", 289: "ATSC ALP", 292: "Z-Wave, serial",
}  # fmt: skip


def link_name(link: int) -> str:
    """Return a link type's number, with its name where it has one that we know."""
    return f"{link} ({_NAMES[link]})" if link in _NAMES else str(link)
