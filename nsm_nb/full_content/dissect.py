"""The whole decode tree of picked packets, as tshark prints it, and their fields as a table.

tshark takes attackers' bytes apart with a thousand dissectors written in C, so it runs contained: an argument list, never a
shell; no name resolution (``-n``); a home and a configuration directory of its own (no user's Lua, plugins, profiles, keys);
bodies stay compressed; limits on CPU time, memory, time and output (`nsm_nb.contained`). It reads a capture
that holds the picked frames alone, on stdin: neither the name nor the rest of the evidence reaches it.

pyshark reads tshark's XML into packets, layers and fields. It does not start tshark here, because its captures can't be
contained: they run the first program named tshark that a ``config.ini`` in the working directory points to (which may be a
folder of evidence), pass the user's environment on, set no limits, kill one process and not its group, and need an event
loop of their own, which a kernel has running already. Nothing here needs one. The tree itself is tshark's text: its XML does
not tell what tshark derived from what stands in the packet, which the text shows in brackets.

Source: tshark(1); pyshark 0.6, capture/capture.py and tshark/tshark.py; reference/hostile.md T5.
"""

from __future__ import annotations

import hashlib
import logging
import os
import re
import secrets
import shutil
import signal
import tempfile
import threading
from collections import OrderedDict
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from nsm_nb.contained import Limits, Outcome, run
from nsm_nb.errors import MissingTool, NsmError
from nsm_nb.full_content.carving import pcap_parts
from nsm_nb.full_content.frames import frame_bytes, link_types
from nsm_nb.schema import PACKETS
from nsm_nb.text import printable

__all__ = ["LIMITS", "dissect", "dissect_fields", "dissect_packets", "tshark"]

log = logging.getLogger(__name__)

LIMITS = Limits(cpu=5, seconds=15.0, memory=1 << 30, written=8_000_000)

_MACOS = Path("/Applications/Wireshark.app/Contents/MacOS/tshark")
# What tshark would unpack: a gzip body of 215 KB costs 7 CPU seconds and a gigabyte of text. A preferences file, because
# tshark passes over names there that its version does not know, and refuses them as arguments.
PREFERENCES = """\
data.uncompress_data: FALSE
http.decompress_body: FALSE
mime_multipart.uncompress_data: FALSE
slsk.decompress: FALSE
spdy.decompress_body: FALSE
spdy.decompress_headers: FALSE
websocket.decompress: FALSE
"""
_PACKET = re.compile(rb"<packet>.*?</packet>", re.DOTALL)
_FIELDS = {"frame": "int64", "layer": "str", "field": "str", "shown": "str", "value": "str", "start": "Int64",
           "size": "Int64", "hidden": "bool"}  # fmt: skip
_Frame = tuple[int, int, bytes]  # nanoseconds since 1970, bytes on the wire, the bytes captured


def tshark() -> str:
    """Return the path of tshark.

    Raises
    ------
    MissingTool
        Where it is not installed.
    """
    found = shutil.which("tshark") or (str(_MACOS) if _MACOS.exists() else None)
    if found is None:
        raise MissingTool(
            "the decode tree of a packet needs tshark, which is not here: install it (apt install tshark, or brew install "
            "wireshark); everything else works without it"
        )
    return str(Path(found).absolute())


def dissect(frame: bytes, *, link: int = 1, time: pd.Timestamp | None = None, length: int | None = None) -> str:
    """Return the whole decode tree of one frame, as ``tshark -n -V`` prints it.

    tshark sees this frame alone: it is its frame 1, the first of its conversation, and it is not to wait for more segments or
    fragments.

    Parameters
    ----------
    frame
        The captured bytes.
    link
        Its LINKTYPE_ number; 1 is Ethernet.
    time
        When it was seen; 1970 where not given.
    length
        Bytes on the wire, where they are more than the captured ones.

    Raises
    ------
    MissingTool
        Where tshark is not installed.
    NsmError
        Where tshark could make nothing of it; the sentence says why.
    """
    when = 0 if time is None else int(pd.Timestamp(time).as_unit("ns").value)
    trees, note = _trees([(when, max(length or 0, len(frame)), bytes(frame))], link)
    return "\n".join([*trees, *note])


def dissect_packets(
    packets: pd.DataFrame, *, evidence: Mapping[str, str | os.PathLike] | None = None, octets: bool = False
) -> str:
    """Return the decode trees of picked packets, each under a line that names its frame and evidence.

    tshark sees these packets alone, in their order, and counts them from 1: what spans several packets (relative
    numbers, reassembled bodies) is told as far as they are among them.

    Parameters
    ----------
    packets
        Rows of PACKETS, of one link type; some, not a capture of them.
    evidence
        As in `frame_bytes`.
    octets
        Each frame's bytes in hex behind its tree, as ``-x`` adds them.

    Raises
    ------
    MissingTool
        Where tshark is not installed.
    NsmError
        Where link types differ, or tshark could make nothing of them.
    """
    if not len(packets):
        return ""
    frames, link = _picked(packets, evidence)
    names = [
        f"frame {frame} of {printable(label)}, here frame {here}"
        for here, (frame, label) in enumerate(
            zip(packets["frame"].tolist(), packets["evidence"].tolist(), strict=True), 1
        )
    ]
    trees, note = _trees(frames, link, octets=octets)
    return "\n".join([*(f"{name}\n{tree}" for name, tree in zip(names, trees, strict=False)), *note])


def dissect_fields(packets: pd.DataFrame, *, evidence: Mapping[str, str | os.PathLike] | None = None) -> pd.DataFrame:
    """Return the fields that tshark finds in picked packets, a row a field, as pyshark reads them.

    Parameters
    ----------
    packets, evidence
        As in `dissect_packets`.

    Returns
    -------
    DataFrame
        `frame` (of the evidence), `layer`, `field` (its name in display filters), `shown` (with its meaning), `value`,
        `start` and `size` (bytes in the frame, or in what was reassembled), `hidden` (not in the tree). Where tshark was
        ended early, ``attrs["note"]`` says so.

    Raises
    ------
    MissingTool
        Where tshark is not installed.
    NsmError
        As `dissect_packets`.
    """
    rows: list[tuple] = []
    note = ""
    if len(packets):
        frames, link = _picked(packets, evidence)
        output, note = _xml(frames, link)
        for number, xml in zip(packets["frame"].tolist(), _PACKET.findall(output), strict=False):
            rows += [(int(number), *row) for row in _rows(xml)]
    table = pd.DataFrame(rows, columns=list(_FIELDS)).astype(_FIELDS)
    if note:
        table.attrs["note"] = note
    return table


def _rows(xml: bytes) -> list[tuple]:
    from lxml.etree import LxmlError
    from pyshark.tshark.output_parser.tshark_xml import packet_from_xml_packet

    rows = []
    try:
        packet = packet_from_xml_packet(xml)
        for layer in [packet.frame_info, *packet.layers]:
            for name in layer.field_names:
                for field in layer.get_field(name).all_fields:
                    texts = (
                        field.name,
                        field.showname or field.show,
                        field.raw_value if field.raw_value else field.show,
                    )
                    places = (_number(field.pos), _number(field.size))
                    rows.append(
                        (layer.layer_name, *(printable(each or "") for each in texts), *places, bool(field.hide))
                    )
    except (AttributeError, KeyError, TypeError, ValueError, LxmlError) as problem:
        raise NsmError(
            f"pyshark can't read what tshark wrote: {printable(problem)}; the tree (dissect_packets) needs no pyshark"
        ) from problem
    return rows


def _number(text: str | None) -> int | None:
    return int(text) if text and text.isdigit() else None


def _picked(packets: pd.DataFrame, evidence: Mapping[str, str | os.PathLike] | None) -> tuple[list[_Frame], int]:
    PACKETS.require(packets, "evidence", "frame", "time", "length", "layers")
    links = np.unique(link_types(packets))
    if len(links) > 1:
        raise NsmError(f"the packets have link types {', '.join(map(str, links))}; dissect those of each apart")
    times = packets["time"].dt.tz_localize(None).to_numpy().astype("M8[ns]").view(np.int64).tolist()
    frames = frame_bytes(packets, evidence=evidence)
    return list(zip(times, packets["length"].tolist(), frames, strict=True)), int(links[0])


def _trees(frames: Sequence[_Frame], link: int, *, octets: bool = False) -> tuple[list[str], list[str]]:
    """Return the tree of each frame, and a sentence where tshark was ended early."""

    def make() -> tuple[tuple[list[str], list[str]], int, bool]:
        mark = f"nsm_nb-{secrets.token_hex(16)}"  # no packet can guess it
        output, note, again = _output(capture, _style(frames, "-V", *(["-x"] if octets else []), "-S", mark))
        trees = [f"{printable(tree, lines=True).strip()}\n" for tree in output.split(mark.encode()) if tree.strip()]
        return (trees, [f"[{note}]\n"] if note else []), len(output), again

    capture = b"".join(pcap_parts(frames, link))
    return _kept(b"tree and octets" if octets else b"tree", capture, make)


def _xml(frames: Sequence[_Frame], link: int) -> tuple[bytes, str]:
    """Return the frames as XML, and a sentence where tshark was ended early."""

    def make() -> tuple[tuple[bytes, str], int, bool]:
        output, note, again = _output(capture, _style(frames, "-T", "pdml"))
        return (output, note), len(output), again

    capture = b"".join(pcap_parts(frames, link))
    return _kept(b"xml", capture, make)


# A packet that is looked at alone: what stands in one segment or first fragment is dissected at once, as there is nothing
# to wait for. Else the first segment of a body is but "segment data".
_ALONE = ["-o", "tcp.desegment_tcp_streams:FALSE", "-o", "ip.defragment:FALSE", "-o", "ipv6.defragment:FALSE"]


def _style(frames: Sequence[_Frame], *style: str) -> list[str]:
    return [*(_ALONE if len(frames) == 1 else []), *style]


# What was made of the packets looked at last: a look costs half a second.
_KEPT: OrderedDict[bytes, Any] = OrderedDict()
_KEPT_COUNT, _KEPT_SIZE = 64, 500_000
_LOCK = threading.Lock()


def _kept(kind: bytes, capture: bytes, make: Callable[[], tuple[Any, int, bool]]) -> Any:
    """Return what was made of a capture before, else make it; `make` tells its size, and whether it may be kept."""
    key = hashlib.sha256(kind + repr(LIMITS).encode() + capture).digest()
    with _LOCK:
        if key in _KEPT:
            _KEPT.move_to_end(key)
            return _KEPT[key]
    made, size, keep = make()
    if keep and size <= _KEPT_SIZE:
        with _LOCK:
            _KEPT[key] = made
            while len(_KEPT) > _KEPT_COUNT:
                _KEPT.popitem(last=False)
    return made


def _output(capture: bytes, style: list[str]) -> tuple[bytes, str, bool]:
    """Return what tshark writes of a capture in a style, why that is not all (in words), and True where it would be again."""
    program = tshark()
    with tempfile.TemporaryDirectory(prefix="nsm_nb-tshark-", ignore_cleanup_errors=True) as name:
        folder = Path(name)
        (folder / "config").mkdir()
        (folder / "config" / "preferences").write_text(PREFERENCES)
        (folder / "picked.pcap").write_bytes(capture)
        outcome = run(
            # -l: what it printed before it was ended is not lost in its buffer
            [program, "-n", "-l", "-o", "http.decompress_body:FALSE", "-r", "-", *style],
            folder=folder, source=folder / "picked.pcap", out=folder / "out", limits=LIMITS,
            environment={"WIRESHARK_CONFIG_DIR": str(folder / "config")},
        )  # fmt: skip
        output = (folder / "out").read_bytes()
    return output, _note(outcome, nothing=not output), outcome.status != -signal.SIGKILL


def _note(outcome: Outcome, *, nothing: bool) -> str:
    """Return in a sentence why tshark did not come to its end; empty where it did.

    Raises
    ------
    NsmError
        Where it wrote nothing.
    """
    if outcome.status == 0 and not nothing:
        return ""
    said = [line for line in outcome.said.splitlines() if line.strip() and not line.startswith("Running as user")]
    last = " ".join(said)[-300:] or "it said nothing"
    if outcome.why:
        why = outcome.why
    elif outcome.status < 0:
        why = f"it crashed (signal {-outcome.status}): {last}"
    else:
        why = last
    if nothing:
        raise NsmError(f"tshark could make nothing of it: {why}; its bytes can be seen in hex")
    return f"tshark did not come to the end: {why}; the rest is not shown"
