"""Large logs for the benchmarks: the events of the bundled EVE log again and again, and unified2 of as many alerts as asked.

The mix is that of a sensor with most of its outputs on: of a hundred events 33 are of DNS, 20 flows, 14 HTTP, 9 files, 8 TLS,
3 SMB, 3 alerts with payload and packet, and some of all else. Times, flow numbers, addresses and ports differ from line to
line.
"""

from __future__ import annotations

import itertools
import json
import random
import re
import struct
from pathlib import Path

__all__ = ["LINES", "RECORDS", "eve", "unified2"]

EVE = Path(__file__).resolve().parent.parent / "data" / "www-files01" / "evidence" / "suricata" / "eve.json"
LINES = 1_000_000
RECORDS = 100_000
_MIX = {"dns": 33, "flow": 20, "http": 14, "fileinfo": 9, "tls": 8, "netflow": 5, "smb": 3, "alert": 3, "anomaly": 2, "smtp": 1,
        "ssh": 1, "ftp": 1}  # fmt: skip
_LONG = (
    800  # bytes of a line on average, as was asked for: TLS, HTTP and files of real traffic say more than those here
)
_VARIED = re.compile(
    rb'"timestamp":"(?P<time>[^"]{14})\d\d:\d\d\.\d{6}|"flow_id":(?P<flow>\d+)|"(?:src|dest)_ip":"(?P<ip>\d+\.\d+)\.|"(?:src|dest)_port":(?P<port>\d{4,})'
)


def eve(folder: Path, scale: float = 1.0) -> Path:
    """Return an EVE log of a million lines (800 MB), made where it is not there yet."""
    path = folder / ("eve.json" if scale == 1 else f"eve-{scale:g}.json")
    return path if path.exists() else _made(path, round(LINES * scale))


def _made(path: Path, lines: int) -> Path:
    by_type: dict[str, list[bytes]] = {}
    for line in EVE.read_bytes().splitlines():
        by_type.setdefault(json.loads(line)["event_type"], []).append(line)
    chance = random.Random(20031113)
    kinds = list(itertools.chain.from_iterable([kind] * count for kind, count in _MIX.items()))
    around = {kind: itertools.cycle(found) for kind, found in by_type.items()}
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_suffix(".part")  # a run that is stopped leaves no log that looks whole
    written = 0
    with part.open("wb") as file:
        for number in range(lines):
            line = _varied(next(around[chance.choice(kinds)]), number, chance)
            missing = _LONG * (number + 1) - written - len(line) - 1
            if missing > 60:  # a long field of the kind that Suricata writes, to bring the mean up
                words = b" ".join(b"%x" % chance.getrandbits(64) for _ in range(min(missing, 1500) // 17))
                line = line[:-1] + b',"metadata":{"flowbits":["' + words + b'"]}}'
            file.write(line + b"\n")
            written += len(line) + 1
    part.replace(path)
    return path


def _varied(line: bytes, number: int, chance: random.Random) -> bytes:
    second, micro = divmod(number * 1_000, 1_000_000)

    def other(match: re.Match[bytes]) -> bytes:
        whole = match[0]
        if match["time"]:
            return b'"timestamp":"%s%02d:%02d.%06d' % (match["time"], second // 60 % 60, second % 60, micro)
        if match["flow"]:
            return b'"flow_id":%d' % chance.getrandbits(50)
        if match["ip"]:
            return whole[: -len(match["ip"]) - 1] + b"10.%d." % chance.getrandbits(8)
        return whole[: -len(match["port"])] + b"%d" % chance.randrange(1024, 65536)

    return _VARIED.sub(other, line)


def unified2(folder: Path, scale: float = 1.0) -> Path:
    """Return a unified2 file of 100,000 events, each with its packet, made where it is not there yet."""
    path = folder / ("snort.u2" if scale == 1 else f"snort-{scale:g}.u2")
    if path.exists():
        return path
    chance = random.Random(20031113)
    records = []
    for number in range(round(RECORDS * scale)):
        second = 1_795_487_400 + number // 100
        src, dst = 0x0A000000 | chance.getrandbits(16), 0xAC100000 | chance.getrandbits(8)
        event = struct.pack(">9I2I2H4B", 1, number + 1, second, number % 100 * 10_000, 9_000_001 + number % 13, 1, 1, 3, 2,
                            src, dst, chance.randrange(1024, 65536), 80, 6, 0, 0, 0)  # fmt: skip
        frame = bytes(12) + b"\x08\x00" + chance.randbytes(chance.randrange(40, 1400))
        packet = struct.pack(">7I", 1, number + 1, second, second, number % 100 * 10_000, 1, len(frame)) + frame
        records += [struct.pack(">2I", 7, len(event)), event, struct.pack(">2I", 2, len(packet)), packet]
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_suffix(".part")
    part.write_bytes(b"".join(records))
    part.replace(path)
    return path
