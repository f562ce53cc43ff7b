"""Large captures for the benchmarks: the bundled capture again and again, each time with other addresses and later times.

Every copy is a network of its own (two octets of each address change with the copy; ARP stays), so sessions, addresses and
timeouts are as many as in real traffic of that size. Checksums are left as they were, so those of
copies are wrong.
"""

from __future__ import annotations

import struct
from pathlib import Path

import numpy as np

import nsm_nb as nsm

__all__ = ["download", "first_packets", "large", "make", "small"]

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
    version = np.where(
        table["ttl"].isna(), 0, np.where(table["src_ip"].astype(str).str.contains(":", regex=False), 6, 4)
    )
    # where the two octets stand: in an Ethernet frame, behind a record's header
    octets = np.concatenate(
        [places[version == number] + 16 + at for number, at in ((4, 27), (4, 31), (6, 26), (6, 42))]
    )
    seconds = copy.reshape(-1)[places[:, None] + np.arange(4)].copy().view("<u4").ravel()
    count = max(-(-size // len(copy)) if size else 0, -(-packets // len(table)) if packets else 0)
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_suffix(".part")  # a run that is stopped leaves no capture that looks whole
    with part.open("wb") as file:
        file.write(raw[:24].tobytes())
        for turn in range(count):
            each = copy.copy()
            each[octets] ^= turn & 0xFF
            each[octets + 1] ^= turn >> 8
            later = (seconds + np.uint32(turn * STEP)).astype("<u4")
            each[places[:, None] + np.arange(4)] = later[:, None].view(np.uint8)
            if packets and (turn + 1) * len(table) > packets:
                keep = packets - turn * len(table)
                each = each[: places[keep]] if keep < len(places) else each
            file.write(each.tobytes())
    part.replace(path)
    return path


def download(folder: Path, size: int, *, segment: int = 1_448) -> Path:
    """Return a capture of one session: a request, and an answer of `size` bytes, made where it is not there yet."""
    path = folder / f"download-{size}-{segment}.pcap"
    if path.exists():
        return path
    body = np.random.default_rng(1).integers(0, 256, segment, np.uint8)
    part = path.with_suffix(".part")
    with part.open("wb") as file:
        file.write(STAGED.read_bytes()[:24])
        request = np.frombuffer(b"GET /large HTTP/1.0\r\n\r\n", np.uint8)
        none, one = body[:0], np.zeros(1, np.int64)
        for back, data, seq, ack, flags in (
            (False, none, 1_000, 0, 0x02), (True, none, 5_000, 1_001, 0x12), (False, request, 1_001, 5_001, 0x18),
        ):  # fmt: skip
            file.write(_segments(data, one + seq, one + ack, one, flags, back=back).tobytes())
        whole = size // segment
        for first in range(0, whole, 50_000):
            number = np.arange(first, min(first + 50_000, whole))
            seq = 5_001 + number * segment
            sent = _segments(body, seq, np.full(len(seq), 1_001 + len(request)), number, 0x10, back=True)
            took = _segments(none, np.full(len(seq), 1_001 + len(request)), seq + segment, number, 0x10, back=False)
            file.write(np.hstack([sent, took]).tobytes())
        rest = size - whole * segment
        file.write(
            _segments(
                body[:rest], one + 5_001 + whole * segment, one + 1_001 + len(request), one + whole, 0x19, back=True
            ).tobytes()
        )
    part.replace(path)
    return path


def _segments(
    body: np.ndarray, seq: np.ndarray, ack: np.ndarray, number: np.ndarray, flags: int, *, back: bool
) -> np.ndarray:
    """Return a record of pcap for each segment, a row each: Ethernet, IPv4 and TCP with its right checksum."""
    ends = bytes([10, 0, 0, 2, 10, 0, 0, 1]) if back else bytes([10, 0, 0, 1, 10, 0, 0, 2])
    ports = struct.pack(">HH", 80, 40_000) if back else struct.pack(">HH", 40_000, 80)
    size = 54 + len(body)
    ip = struct.pack(">BBHHHBBH", 0x45, 0, size - 14, 1, 0, 64, 6, 0) + ends
    head = bytes(16) + bytes(12) + b"\x08\0" + ip + ports + bytes(8) + bytes([0x50, flags]) + b"\xff\xff" + bytes(4)
    rows = np.tile(np.concatenate([np.frombuffer(head, np.uint8), body]), (len(seq), 1))
    record = np.empty((len(seq), 4), "<u4")
    record[:, 0], record[:, 1] = 1_700_000_000 + number // 100_000, number % 100_000 * 10
    record[:, 2] = record[:, 3] = size
    rows[:, :16] = record.view(np.uint8)
    numbers = np.stack([seq & 0xFFFFFFFF, ack & 0xFFFFFFFF], 1)
    rows[:, 16 + 38 : 16 + 46] = numbers.astype(">u4").view(np.uint8)
    still = rows[0, 16 + 34 :].copy()
    still[4:12] = 0
    words = np.frombuffer(still.tobytes() + bytes(len(still) % 2), ">u2").astype(np.int64)
    total = words.sum() + np.frombuffer(ends, ">u2").astype(np.int64).sum() + 6 + size - 34
    total = total + (numbers >> 16).sum(1) + (numbers & 0xFFFF).sum(1)
    for _ in range(3):
        total = (total & 0xFFFF) + (total >> 16)
    rows[:, 16 + 50 : 16 + 52] = (total ^ 0xFFFF).astype(">u2")[:, None].view(np.uint8)
    return rows


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
