"""Large captures for the benchmarks: the bundled capture again and again, each time with other addresses and later times.

Every copy is a network of its own (two octets of each IPv4 address change with the copy), so sessions, addresses and
timeouts are as many as in real traffic of that size. IP checksums are left as they were; nothing measured looks at them.
"""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np

import nsm_nb as nsm

STAGED = Path(__file__).resolve().parent.parent / "data" / "www-files01" / "evidence" / "staged.pcap"
STEP = 500  # seconds between copies: the capture lasts 498.6


def make(path: Path, *, size: int | None = None, packets: int | None = None, largest: int | None = None) -> Path:
    """Write copies until the capture has `size` bytes or `packets` packets; frames over `largest` bytes are left out."""
    table = nsm.read_packets(STAGED)
    raw = np.frombuffer(STAGED.read_bytes(), np.uint8)
    if largest is not None:
        table = table[table["captured"] <= largest]
    starts = table["offset"].to_numpy() - 16
    sizes = table["captured"].to_numpy().astype(np.int64) + 16
    places = np.cumsum(sizes) - sizes
    copy = np.concatenate([raw[start : start + length] for start, length in zip(starts, sizes, strict=True)])
    ip = (table["ttl"].notna() & (table["src_ip"].astype(str).str.contains(".", regex=False))).to_numpy()
    octets = np.concatenate([places[ip] + 16 + 26, places[ip] + 16 + 30])
    seconds = copy.reshape(-1)[places[:, None] + np.arange(4)].copy().view("<u4").ravel()
    count = max(-(-size // len(copy)) if size else 0, -(-packets // len(table)) if packets else 0)
    with path.open("wb") as file:
        file.write(raw[:24].tobytes())
        for turn in range(count):
            each = copy.copy()
            each[octets + 1] ^= turn & 0xFF
            each[octets + 2] ^= turn >> 8
            each[places[:, None] + np.arange(4)] = (seconds + np.uint32(turn * STEP)).astype("<u4")[:, None].view(np.uint8)
            if packets and (turn + 1) * len(table) > packets:
                keep = packets - turn * len(table)
                each = each[: places[keep]] if keep < len(places) else each
            file.write(each.tobytes())
    return path


if __name__ == "__main__":
    folder = Path(sys.argv[1])
    folder.mkdir(parents=True, exist_ok=True)
    print(make(folder / "large.pcap", size=1_000_000_000))
    print(make(folder / "small.pcap", packets=5_000_000, largest=200))
