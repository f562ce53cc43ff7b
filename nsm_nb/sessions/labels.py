"""What the content of sessions says they are: nDPI's application, server name and fingerprints, through nfstream.

nDPI is C code that reads attackers' bytes, so nfstream runs in a process of its own, contained as tshark is
(`nsm_nb.contained`): limits on CPU time, memory, time and output; a working directory of its own; the capture
under a fixed name there, because nfstream takes a name that is no file for a network interface to listen on. Its rows have
milliseconds and no frame numbers, so sessions are matched by both endpoints, either way round, and by time.

Source: nfstream 6.6, streamer.py and flow.py; nDPI 4.x, ndpi_typedefs.h (ndpi_confidence_t).
"""

from __future__ import annotations

import csv
import hashlib
import importlib.util
import os
import signal
import sys
import tempfile
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from nsm_nb.contained import Limits, run
from nsm_nb.errors import MissingTool, NsmError
from nsm_nb.schema import SESSIONS, TIME, addresses
from nsm_nb.sessions.endpoints import ip_protocol
from nsm_nb.sessions.ports import PORTS, port_names
from nsm_nb.text import printable

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["LIMITS", "label", "labels"]

LIMITS = Limits(cpu=1800, seconds=1800.0, memory=4 << 30, written=2_000_000_000)

Progress = Callable[[str, int, int], None]  # the capture, bytes done, bytes in all

# nfstream's names of what is kept, in the order of the columns below; the first two are numbers of milliseconds.
_ASKED = (
    "bidirectional_first_seen_ms", "bidirectional_last_seen_ms", "protocol", "src_ip", "src_port", "dst_ip", "dst_port",
    "application_name", "application_confidence", "application_category_name", "requested_server_name",
    "client_fingerprint", "server_fingerprint", "user_agent", "content_type",
)  # fmt: skip
_TEXTS = ("ndpi", "category", "server_name", "client_fingerprint", "server_fingerprint", "user_agent", "content_type")
_DETAILS = ("category", "server_name", "client_fingerprint")  # that a session is given besides its application
_COLUMNS = ("start", "end", "proto", "src_ip", "src_port", "dst_ip", "dst_port", "ndpi", "confidence", *_TEXTS[1:])
# nDPI's names of what other sources (Suricata, Zeek, our ports) call otherwise.
_WORDS = {
    "smbv1": "smb", "smbv23": "smb", "ftp_control": "ftp", "ftp_data": "ftp-data", "dcerpc": "dce_rpc", "mssql-tds": "mssql",
    "pops": "pop3s", "http_proxy": "http", "doh_dot": "dns-tls",
}  # fmt: skip
_KNOWN = {*_WORDS, *(name for table in PORTS.values() for name in table.values())}
_MD5_OF_NOTHING = hashlib.md5(b"", usedforsecurity=False).hexdigest().upper()  # the HASSH of no algorithms is none
_BY_CONTENT = 3  # below: unknown, by port, by address; from here on a dissector agreed (NDPI_CONFIDENCE_DPI_PARTIAL)
_IDLE = 3600  # seconds of silence that end nfstream's flow; no less than sessions.IDLE, so that a session is in one
_WITH_PORTS = (6, 17, 132)
_SLACK = 1  # milliseconds: nfstream cuts off what is below


def label(sessions: pd.DataFrame, capture: str | os.PathLike, *, progress: Progress | None = None) -> pd.DataFrame:
    """Return the sessions with `application` as nDPI reads it from a capture's content, and with what says so.

    TCP, UDP and SCTP sessions are matched with nDPI's flows by both endpoints, either way round, and by time. Where it
    saw no more than a port, or nothing that it knows, `application` stays what it was: the port's name, or what another
    capture or sensor said.

    Parameters
    ----------
    sessions
        A table of SESSIONS; it is not changed.
    capture
        The capture of these sessions.
    progress
        Told the capture, the bytes done and the bytes in all, about five times a second.

    Returns
    -------
    DataFrame
        The sessions in their order, and more columns: `labelled_by`, which is ``content`` where nDPI's dissectors agreed,
        ``port`` where the name is that of the port, ``sensor`` where something else said it, and missing where there is no
        name; and where the content told, `category`, `server_name`, `client_fingerprint` as in `labels`.

    Raises
    ------
    MissingTool
        Where nfstream is not installed.
    UnreadableEvidence
        Where the capture is missing or locked.
    NsmError
        Where nfstream can't read the capture, or not within its limits.
    """
    SESSIONS.require(sessions, "start", "end", "proto", "src_ip", "src_port", "dst_ip", "dst_port", "application")
    table = labels(capture, progress=progress)
    table = table[table["application"].notna()]
    found = _matched(sessions, table)
    said = found >= 0
    old = sessions["application"].astype("category")
    names = old.cat.categories.union(pd.Index(table["application"].dropna().unique(), dtype=object), sort=False)
    codes = old.cat.set_categories(names).cat.codes.to_numpy(np.int32, copy=True)
    codes[said] = names.get_indexer(table["application"].astype(object).iloc[found[said]])
    result = sessions.copy(deep=False)
    result["application"] = pd.Categorical.from_codes(codes, categories=names).remove_unused_categories()
    by_port = pd.Series(port_names(sessions["proto"], sessions["dst_port"])).astype(object).to_numpy()
    by_port = (old.astype(object).to_numpy() == by_port) & old.notna().to_numpy()
    who = np.select([said, by_port, old.notna().to_numpy()], [0, 1, 2], -1)
    result["labelled_by"] = pd.Categorical.from_codes(
        who, categories=pd.Index(["content", "port", "sensor"], dtype="str")
    )
    for name in _DETAILS:
        cells = np.full(len(sessions), None, dtype=object)
        cells[said] = table[name].astype(object).iloc[found[said]].to_numpy()
        result[name] = pd.Series(cells, index=sessions.index).astype("str")
    return result


def labels(capture: str | os.PathLike, *, progress: Progress | None = None) -> pd.DataFrame:
    """Return what nDPI says of each flow in a capture.

    Parameters
    ----------
    capture, progress
        As in `label`.

    Returns
    -------
    DataFrame
        `start`, `end` (to the millisecond), the five-tuple; `application` in the words of SESSIONS, missing where the content
        did not tell; `ndpi`, its own name for it; `content`, True where that is by content, False where by port or
        address; `category`; `server_name` (TLS SNI, HTTP Host, DNS name); `client_fingerprint` (JA4 of a TLS client,
        HASSH of an SSH client); `server_fingerprint`; `user_agent`; `content_type`.

    Raises
    ------
    MissingTool
        Where nfstream is not installed.
    UnreadableEvidence
        Where the capture is missing or locked.
    NsmError
        Where nfstream can't read the capture, or not within its limits.
    """
    if importlib.util.find_spec("nfstream") is None:
        raise MissingTool(
            "labels by content need nfstream, which is not here: pip install nfstream; without it sessions are named by "
            "their ports"
        )
    path = Path(capture)
    with tempfile.TemporaryDirectory(prefix="nsm_nb-ndpi-", ignore_cleanup_errors=True) as name:
        folder = Path(name)
        _place(path, folder / "capture")
        total = (folder / "capture").stat().st_size

        def watch() -> None:
            if progress is not None and (folder / "done").exists():
                progress(str(path), min(int((folder / "done").read_text() or 0), total), total)

        outcome = run(
            [sys.executable, "-P", "-c", "from nsm_nb.sessions.labels import _work; _work()"],
            folder=folder, out=folder / "flows.csv", limits=LIMITS, watch=watch,
            environment={"PYTHONPATH": os.pathsep.join(each for each in sys.path if Path(each).is_absolute())},
        )  # fmt: skip
        if outcome.status:
            why = outcome.why or (outcome.said.splitlines() or [f"it crashed (status {outcome.status})"])[-1]
            raise NsmError(
                f"nfstream could not label {printable(path)}: {why}; its sessions keep the names of their ports"
            )
        table = pd.read_csv(folder / "flows.csv", names=list(_COLUMNS), dtype=str, keep_default_na=False)
    if progress is not None:
        progress(str(path), total, total)
    return _table(table)


def _place(path: Path, where: Path) -> None:
    """Put a capture where nfstream finds it: a link, or unpacked where it is compressed, which libpcap does not read."""
    from nsm_nb.formats.compressed import compression
    from nsm_nb.formats.source import Source, read_head

    read_head(path, 1)  # says in a sentence that it is missing, locked or empty
    with path.open("rb") as file:
        packed = bool(compression(file))
    if not packed:
        where.symlink_to(path.absolute())
        return
    try:
        with Source(path) as source, where.open("wb") as out:
            while source.fill():
                out.write(source.buffer[source.start : source.end].tobytes())
                source.start = source.end
    except OSError as problem:
        raise NsmError(
            f"{printable(path)} can't be unpacked to {printable(where.parent)}: {printable(problem)}; free some space, or set "
            "TMPDIR to a place that has some"
        ) from problem


def _table(rows: pd.DataFrame) -> pd.DataFrame:
    src, dst = addresses(rows["src_ip"], rows["dst_ip"])
    confidence = pd.to_numeric(rows["confidence"], errors="coerce").fillna(0)
    content = confidence >= _BY_CONTENT
    texts = {name: rows[name].mask(rows[name].isin(["", _MD5_OF_NOTHING])).astype("str") for name in _TEXTS}
    known = rows["ndpi"].mask(rows["ndpi"].str.lower().isin(["", "unknown"]))
    words = {name: application(name) for name in known.dropna().unique()}
    protocols = {number: _protocol(int(number)) for number in rows["proto"].unique()}
    return pd.DataFrame(
        {
            **{
                name: pd.to_datetime(rows[name].astype("int64"), unit="ms", utc=True).astype(TIME)
                for name in ("start", "end")
            },
            "proto": rows["proto"].map(protocols).astype("category"),
            "src_ip": src,
            "src_port": rows["src_port"].astype("UInt16"),
            "dst_ip": dst,
            "dst_port": rows["dst_port"].astype("UInt16"),
            "application": known.where(content).map(words).astype("category"),
            "ndpi": texts.pop("ndpi"),
            "content": content.where(known.notna()).astype("boolean"),
            **texts,
        }
    )


def _protocol(number: int) -> str:
    from nsm_nb.formats.frames import protocol_name

    return protocol_name(number) or str(number)


def application(name: str) -> str:
    """Return an application of nDPI in the word that SESSIONS has for it, the protocol rather than who offers the service.

    Examples
    --------
    >>> [application(each) for each in ("HTTP", "TLS.Google", "NetBIOS.SMBv23", "FTP_CONTROL")]
    ['http', 'tls', 'smb', 'ftp']
    """
    first, _, last = name.lower().partition(".")
    word = last if last in _KNOWN else first
    return _WORDS.get(word, word)


def _matched(sessions: pd.DataFrame, table: pd.DataFrame) -> np.ndarray:
    """Return the row of the table that each session is in, in the order of the sessions; -1 where it is in none."""
    src, dst, flow_src, flow_dst = addresses(sessions["src_ip"], sessions["dst_ip"], table["src_ip"], table["dst_ip"])
    here, there = _keys(sessions, src, dst), _keys(table, flow_src, flow_dst)
    key = pd.concat([here, there]).groupby(["proto", "one", "other"], sort=False).ngroup().to_numpy()
    here["key"], there["key"] = key[: len(here)], key[len(here) :]
    here["start"] -= _SLACK
    here["end"] += _SLACK
    flows = there.rename(columns={"start": "first", "end": "last", "row": "flow"})[["key", "first", "last", "flow"]]
    result = np.full(len(sessions), -1, np.int64)
    # the first flow that ends after the session starts; where it starts too late, the last that starts before its end
    for left, right, direction in (("end", "first", "backward"), ("start", "last", "forward")):
        pairs = pd.merge_asof(
            here.sort_values(left),
            flows.sort_values(right),
            left_on=left,
            right_on=right,
            by="key",
            direction=direction,
        )  # type: ignore[call-overload]
        pairs = pairs[(pairs["first"] <= pairs["end"]) & (pairs["last"] >= pairs["start"])]
        result[pairs["row"].to_numpy()] = pairs["flow"].to_numpy(np.int64)
    return result


def _keys(table: pd.DataFrame, src: pd.Categorical, dst: pd.Categorical) -> pd.DataFrame:
    """Return both ends of the rows that have ports, the lower first, their times in milliseconds, and which rows they are."""
    proto = ip_protocol(table["proto"])
    ends = [
        side.codes.astype(np.int64) << 16 | table[port].fillna(0).to_numpy(np.int64)
        for side, port in ((src, "src_port"), (dst, "dst_port"))
    ]
    whole = table[["start", "end", "src_port", "dst_port"]].notna().all(axis=1).to_numpy()
    rows = np.flatnonzero(whole & np.isin(proto, _WITH_PORTS) & (src.codes >= 0) & (dst.codes >= 0))
    return pd.DataFrame(
        {
            "proto": proto[rows],
            "one": np.minimum(*ends)[rows],
            "other": np.maximum(*ends)[rows],
            **{name: table[name].iloc[rows].dt.as_unit("ms").astype("int64").to_numpy() for name in ("start", "end")},
            "row": rows,
        }
    )


# --- in the process of its own


def _work() -> None:
    """Write a row to stdout for each flow of the file `capture` in the working directory."""
    from nfstream import NFStreamer

    done = [False, 0]  # whether all flows came, and how many
    out = csv.writer(sys.stdout)
    threading.Thread(target=_watch, args=(done,), daemon=True).start()
    try:
        for flow in NFStreamer(source="capture", idle_timeout=_IDLE, active_timeout=10**9, n_meters=1):
            out.writerow([printable(_value(flow, name)) for name in _ASKED])
            done[1] += 1
    except ValueError as problem:  # what nfstream raises where libpcap can't read the file
        sys.exit(str(problem))
    done[0] = True
    sys.stdout.flush()


def _value(flow: Any, name: str) -> Any:
    value = getattr(flow, name)
    return "" if value is None else value


def _watch(done: list) -> None:
    """Write how far the capture is read; end the process where the one that reads it died, for which nfstream would wait."""
    import multiprocessing

    quiet, before = 0, -1
    while not done[0]:
        time.sleep(0.2)
        children = multiprocessing.active_children()
        for place in _positions([child.pid for child in children if child.pid], Path("capture").resolve()):
            Path("done").write_text(str(place))
        quiet = quiet + 1 if not children and done[1] == before and before >= 0 else 0
        before = done[1]
        if quiet > 25:
            sys.stderr.write("nDPI crashed on it\n")
            sys.stderr.flush()
            os.kill(os.getpid(), signal.SIGKILL)


def _positions(processes: list[int], capture: Path) -> Iterator[int]:
    """Return how far the processes have read in the capture, where the system tells (Linux: proc(5), fdinfo)."""
    for process in processes:
        try:
            for link in Path(f"/proc/{process}/fd").iterdir():
                if link.readlink() == capture:
                    yield int(Path(f"/proc/{process}/fdinfo/{link.name}").read_text().split()[1])
        except (OSError, ValueError, IndexError):
            continue
