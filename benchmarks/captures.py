"""Large captures for the benchmarks: the bundled capture again and again, each time with other addresses and later times.

Every copy is a network of its own (two octets of each IPv4 address change with the copy; IPv6 and ARP stay), so sessions,
addresses and timeouts are as many as in real traffic of that size. IP checksums are left as they were; nothing measured
looks at them.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np

import nsm_nb as nsm

__all__ = ["first_packets", "large", "make", "small"]

STAGED = Path(__file__).resolve().parent.parent / "data" / "www-files01" / "evidence" / "staged.pcap"
STEP = 500  # seconds between copies: the capture lasts 498.6


def large(folder: Path, scale: float = 1.0) -> Path:
    """Return a capture of 1 GB with frames of all sizes, made where it is not there yet."""
    return _there(folder, "large", scale, size=round(1_000_000_000 * scale))


def small(folder: Path, scale: float = 1.0) -> Path:
    """Return a capture of 5 million frames of at most 200 bytes, made where it is not there yet."""
    return _there(folder, "small", scale, packets=round(5_000_000 * scale), largest=200)


def _there(folder: Path, name: str, scale: float, **wanted: int) -> Path:
    path = folder / (f"{name}.pcap" if scale == 1 else f"{name}-{scale:g}.pcap")
    return path if path.exists() else make(path, **wanted)


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
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_suffix(".part")  # a run that is stopped leaves no capture that looks whole
    with part.open("wb") as file:
        file.write(raw[:24].tobytes())
        for turn in range(count):
            each = copy.copy()
            each[octets + 1] ^= turn & 0xFF
            each[octets + 2] ^= turn >> 8
            later = (seconds + np.uint32(turn * STEP)).astype("<u4")
            each[places[:, None] + np.arange(4)] = later[:, None].view(np.uint8)
            if packets and (turn + 1) * len(table) > packets:
                keep = packets - turn * len(table)
                each = each[: places[keep]] if keep < len(places) else each
            file.write(each.tobytes())
    part.replace(path)
    return path


def first_packets(capture: Path, count: int) -> Path:
    """Return a capture of the first `count` packets of another, beside it."""
    path = capture.with_name(f"{capture.stem}-first-{count}.pcap")
    if not path.exists():
        with capture.open("rb") as source:
            head = source.read(1 << 24)
            at = 24
            for _ in range(count):
                if at + 16 > len(head):
                    head += source.read(1 << 24)
                if at + 16 > len(head):
                    break
                at += 16 + int.from_bytes(head[at + 8 : at + 12], "little")
            while len(head) < at:
                more = source.read(1 << 24)
                if not more:
                    break
                head += more
        path.write_bytes(head[:at])
    return path
