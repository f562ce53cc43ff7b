"""`nsm-nb packet`, `packets` and `carve`: packets as text, and as a capture."""

from __future__ import annotations

import argparse
import functools
import operator
import os
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from nsm_nb.cli import options
from nsm_nb.cli.options import Commands
from nsm_nb.cli.places import given, indexed, packets_in, tell_recovered
from nsm_nb.errors import NsmError
from nsm_nb.text import printable

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["add"]


def add(commands: Commands) -> None:
    """Add the commands."""
    packet = commands.add(
        "packet", _packet, "print the header fields and bytes of a packet, or its decode tree",
        "nsm-nb packet my-case staged.pcap 3620",
        "nsm-nb packet my-case staged.pcap 3620 --tree | less",
    )  # fmt: skip
    options.named_case(packet)
    packet.add_argument("evidence", help="the capture, as `nsm-nb evidence` names it")
    packet.add_argument("frame", type=int, help="the frame's number, as Wireshark counts")
    packet.add_argument("--tree", action="store_true", help="all that tshark can tell of it")

    packets = commands.add(
        "packets", _packets, "print packets as tcpdump, snort or tshark do",
        "nsm-nb packets my-case --session 4657181179822775",
        "nsm-nb packets staged.pcap --frames 3160-3170,3620 --style snort",
        "nsm-nb packets 'day/snort.log.*' --filter 'host 10.0.0.7'    # rotated captures as one",
        "nsm-nb packets my-case --evidence staged.pcap --frames 3620 --style tethereal | less",
        "nsm-nb packets staged.pcap --filter 'tcp port 445 and tcp[tcpflags] & tcp-rst != 0'",
    )  # fmt: skip
    packets.add_argument("place", metavar="CASE_OR_FILE", nargs="+",
                         help="a case, a folder of evidence, captures, or a pattern of them")  # fmt: skip
    options.recover(packets)
    options.read_as(packets)
    packets.add_argument("--style", choices=("tcpdump", "snort", "hex", "tethereal"), default="tcpdump",
                         help="whose layout (default: tcpdump -n -e -vvv -X, in UTC)")  # fmt: skip
    packets.add_argument("--session", metavar="NUMBER", type=int, help="those of this session")
    packets.add_argument("--frames", metavar="NUMBERS", help="those of these numbers, as Wireshark counts: 7 or 5-9,12")
    options.filtered(packets)
    packets.add_argument("--evidence", metavar="CAPTURE", help="those of this capture, as `nsm-nb evidence` names it")

    carve = commands.add(
        "carve", _carve, "write packets to a new capture: those of sessions, or that a filter finds",
        "nsm-nb carve my-case 4657181179822775 -o shell.pcapng",
        "nsm-nb carve my-case --filter 'host 203.0.113.66 and tcp port 445' -o smb.pcapng",
        "nsm-nb carve my-case 4657181179822775 --filter 'tcp[tcpflags] & tcp-rst != 0'",
    )  # fmt: skip
    options.named_case(carve)
    carve.add_argument("session", type=int, nargs="*", help="the sessions' numbers, as `nsm-nb sessions` lists them")
    options.filtered(carve)
    options.out(carve, "the file: .pcapng, or .pcap (default: a new one in the case's carved folder)")


def _packet(chosen: argparse.Namespace) -> None:
    from nsm_nb.full_content import dissect_packets, fields
    from nsm_nb.full_content.frames import link_types
    from nsm_nb.statistics.quantities import amount
    from nsm_nb.transcripts.rendering import hex_rows

    case = indexed(chosen)
    frame = case.frame(chosen.evidence, chosen.frame)
    packets = case.packets
    row = packets[(packets["evidence"] == chosen.evidence) & (packets["frame"] == chosen.frame)]
    if chosen.tree:
        sys.stdout.write(dissect_packets(row, evidence=case.paths))
        return
    when, size = row["time"].iloc[0], amount(len(frame), "byte")
    print(f"frame {chosen.frame} of {printable(chosen.evidence)}, {when}, {size}")
    for title, values in fields(frame, link=int(link_types(row)[0])):
        print(f"{title:<8} " + ", ".join(f"{name} {value}" for name, value in values))
    print("".join(f"{each}\n" for each in hex_rows(frame)), end="")


def _packets(chosen: argparse.Namespace) -> None:
    packets, paths = _chosen(chosen)
    tell_recovered(packets)
    for text in _headed(packets, chosen.style, paths):
        sys.stdout.write(text)


def _chosen(chosen: argparse.Namespace) -> tuple[pd.DataFrame, dict[str, Path] | None]:
    """Return the packets that are asked for, and where their evidence lies (None where its name is its path)."""
    import nsm_nb as nsm

    place, paths = given(chosen.place, chosen), None
    if isinstance(place, list):
        packets = packets_in(place, recover=chosen.recover, read_as=chosen.read_as)
        if chosen.session is not None:
            packets = nsm.sessions.assemble(packets)[1]
            packets = packets[(packets["session"] == chosen.session).fillna(value=False)]
    else:
        packets, paths = place.packets if chosen.session is None else place.packets_of(chosen.session), place.paths
    if chosen.evidence is not None:
        packets = packets[packets["evidence"] == chosen.evidence]
    if chosen.frames is not None:
        wanted = [packets["frame"].between(*each) for each in _ranges(chosen.frames)]
        packets = packets[functools.reduce(operator.or_, wanted)]
    if chosen.filter.strip():
        packets = packets[nsm.full_content.matching(packets, chosen.filter, evidence=paths)]
    if not len(packets):
        raise NsmError("there is no such packet; nsm-nb evidence and nsm-nb sessions say what there is")
    return packets, paths


def _ranges(text: str) -> list[tuple[int, int]]:
    """Return first and last number of each part of a list such as 5-9,12."""
    ranges = []
    for part in text.split(","):
        first, dash, last = (each.strip() for each in part.partition("-"))
        last = last if dash else first
        if not all(each.isascii() and each.isdecimal() and len(each) < 19 for each in (first, last)):
            raise NsmError(f"{printable(text)!r} is no list of frames; write 7, or 5-9,12")
        ranges.append((int(first), int(last)))
    return ranges


def _headed(packets: pd.DataFrame, style: str, evidence: Mapping[str, str | os.PathLike] | None) -> Iterator[str]:
    """Return packets as text; where they are of several captures, a line before each that is of another than the last."""
    from nsm_nb.full_content.views import texts

    labels = packets["evidence"].astype(str).tolist()
    if len(set(labels)) < 2:
        yield from texts(packets, style, evidence=evidence)
        return
    if style in ("tcpdump", "hex"):  # a text a packet; numbers are counted from the first of all packets
        before = None
        for label, text in zip(labels, texts(packets, style, evidence=evidence), strict=True):
            if label != before:
                yield _head(label)
            before = label
            yield text
        return
    changes = [place for place in range(len(labels)) if not place or labels[place] != labels[place - 1]]
    for first, last in zip(changes, [*changes[1:], len(labels)], strict=True):
        yield _head(labels[first])
        yield from texts(packets.iloc[first:last], style, evidence=evidence)


def _head(label: str) -> str:
    return f"reading from {printable(label)}\n"


def _carve(chosen: argparse.Namespace) -> None:
    if not chosen.session and not chosen.filter.strip():
        raise NsmError("say which packets: numbers of sessions, or --filter 'tcp port 445'")
    case = indexed(chosen)
    path = case.carve(chosen.session or chosen.filter, chosen.out, filter=chosen.filter if chosen.session else "")
    print(printable(path))
