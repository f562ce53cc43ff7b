"""Compile the kernels, so that the first capture does not wait for it: `python -m nsm_nb.warm`, which set-up calls."""

from __future__ import annotations

import logging
import struct
import tempfile
from pathlib import Path
from types import ModuleType

__all__ = ["main"]

_LISTINGS = (  # of ra's as text and as CSV, of nfdump's
    "StartTime Flgs Proto SrcAddr Sport Dir DstAddr Dport TotPkts TotBytes State\n"
    "17:00:04.020000 e tcp 10.1.1.177.2254 -> 216.239.37.99.80 10 732 FIN\n",
    "StartTime,Flgs,Proto,SrcAddr,Sport,Dir,DstAddr,Dport,TotPkts,TotBytes,State\n"
    "17:00:04.020000,e,tcp,10.1.1.177,2254,->,216.239.37.99,80,10,732,FIN\n",
    "Date first seen Duration Proto Src IP Addr:Port Dst IP Addr:Port Packets Bytes Flows\n"
    "2003-11-13 17:00:04.020 0.1 TCP 10.1.1.177:2254 -> 216.239.37.99:80 10 732 1\n",
)


def main() -> None:
    """Send small files through all that has kernels: captures, whole and damaged, from reading to stitching; listings."""
    import numpy as np

    import nsm_nb as nsm
    from nsm_nb.full_content import faults
    from nsm_nb.kernels.zipcrypto import sealed

    datagram = bytes.fromhex(
        "ffffffffffff00000000000108004500001f00010000401100000a0000010a00000200350036000b0000616263"
    )
    pcap = struct.pack("<IHHiIII", 0xA1B2C3D4, 2, 4, 0, 0, 65535, 1)
    piece = datagram[:20] + b"\x20\x00" + datagram[22:]  # the first fragment of another
    for frame in (datagram, piece):
        pcap += struct.pack("<IIII", 1, 0, len(frame), len(frame)) + frame
    padded = datagram + bytes(-len(datagram) % 4)

    def block(kind: int, body: bytes) -> bytes:
        return struct.pack("<II", kind, 12 + len(body)) + body + struct.pack("<I", 12 + len(body))

    pcapng = block(0x0A0D0D0A, struct.pack("<IHHq", 0x1A2B3C4D, 1, 0, -1)) + block(1, struct.pack("<HHI", 1, 0, 0))
    pcapng += block(6, struct.pack("<IIIII", 0, 0, 1_000_000, len(datagram), len(datagram)) + padded)
    snoop = b"snoop\0\0\0" + struct.pack(">II", 2, 4)
    snoop += struct.pack(">IIIIII", len(datagram), len(datagram), 24 + len(padded), 0, 1, 0) + padded
    log = logging.getLogger("nsm_nb")
    level = log.level
    log.setLevel(logging.ERROR)  # the damage below is ours
    with tempfile.TemporaryDirectory() as folder:
        for name, data in (("warm.pcap", pcap), ("warm.pcapng", pcapng), ("warm.snoop", snoop)):
            path = Path(folder) / name
            path.write_bytes(data + b"\xfe" * 40)
            nsm.read_packets(path, recover=True)
            path.write_bytes(data)
            sessions, packets = nsm.sessions.assemble(nsm.read_packets(path), pieces=True)
            nsm.sessions.stitch([sessions])
            faults(packets, path)
            nsm.transcripts.transcript(packets)
            nsm.full_content.matching(packets, "udp[10] > 0")  # read from its bytes
        path = Path(folder) / "warm.txt"
        for listing in _LISTINGS:
            path.write_text(listing)
            nsm.read_sessions(path)
    log.setLevel(level)
    sealed(np.zeros(1, np.uint8), np.zeros(1, np.uint8))
    _flow_files(np)


def _flow_files(np: ModuleType) -> None:
    """Compile what reads the files of nfcapd and Argus."""
    from nsm_nb.kernels import argus, lzo, nfcapd

    empty, numbers = np.zeros(8, np.uint8), np.zeros(6, np.int64)
    lzo.unpack_lzo(empty, empty.copy())
    nfcapd.walk_records(empty, 0, 0, nfcapd.maps(), nfcapd.rows_for(0), nfcapd.walk_for(1))
    rows = argus.rows_for(0)
    argus.walk_argus(empty, 0, 0, rows, numbers)
    argus.join(rows, numbers[:0], numbers[:0] > 0, 0)


if __name__ == "__main__":
    main()
