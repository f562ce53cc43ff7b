"""An HTML page to PDF, by Chromium or weasyprint: offline, without scripts, within a time limit."""

from __future__ import annotations

import importlib.util
import logging
import os
import re
import shutil
import signal
import subprocess
import tempfile
from pathlib import Path

import pandas as pd

from nsm_nb.errors import MissingTool, ReportError
from nsm_nb.text import printable

__all__ = ["PAPER", "browser", "pdf"]

log = logging.getLogger(__name__)

PAPER = "A4"
SECONDS = 180.0  # to lay out and print

_BROWSERS = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable", "chrome", "microsoft-edge")
_MACOS = Path("/Applications/Google Chrome.app/Contents/MacOS/Google Chrome")
_FLAGS = (
    "--headless", "--disable-gpu", "--no-first-run", "--no-default-browser-check", "--disable-extensions",
    "--disable-background-networking", "--disable-component-update", "--disable-default-apps", "--disable-sync",
    "--disable-quic", "--disable-breakpad", "--disable-crash-reporter", "--disable-dev-shm-usage", "--metrics-recording-only",
    "--mute-audio", "--password-store=basic", "--use-mock-keychain",
    "--host-resolver-rules=MAP * ~NOTFOUND", "--proxy-server=127.0.0.1:9",
    "--no-pdf-header-footer", "--generate-pdf-document-outline",
)  # fmt: skip
_DATES = re.compile(rb"(/(?:CreationDate|ModDate) ?\(D:)\d{14}[+\-Z]\d\d'\d\d'?\)")


def browser() -> str | None:
    """Return the path of a Chromium: `NSM_CHROMIUM`, or the first that is installed; None where there is none."""
    for name in (os.environ.get("NSM_CHROMIUM"), *_BROWSERS):
        found = shutil.which(name) if name else None
        if found:
            return found
    return str(_MACOS) if _MACOS.exists() else None


def pdf(page: str, *, date: pd.Timestamp, seconds: float = SECONDS) -> bytes:
    """Return a page as PDF.

    Parameters
    ----------
    page
        HTML that needs nothing from outside.
    date
        What the PDF says of when it was made.
    seconds
        How long it may take.

    Raises
    ------
    MissingTool
        Where neither Chromium nor weasyprint is there.
    ReportError
        Where they are and no PDF comes out, or not in time.
    """
    paper = page.replace("</head>", f"<style>@page {{ size: {PAPER}; }}</style></head>", 1)
    chromium = browser()
    if chromium is not None:
        made = _by_chromium(chromium, paper, seconds)
    elif importlib.util.find_spec("weasyprint") is not None:
        made = _by_weasyprint(paper)
    else:
        raise MissingTool(
            "a PDF needs Chromium or weasyprint, and neither is here: install one (apt install chromium, or pip install "
            "weasyprint), set NSM_CHROMIUM to a browser, or print the HTML report from any browser"
        )
    stamp = f"{date.tz_convert('UTC'):%Y%m%d%H%M%S}+00'00'".encode()
    return _DATES.sub(lambda match: match[1] + stamp[: len(match[0]) - len(match[1]) - 1] + b")", made)


def _by_chromium(chromium: str, page: str, seconds: float) -> bytes:
    root = hasattr(os, "geteuid") and os.geteuid() == 0
    said = ""
    # Chromium's sandbox does not work for root, nor in some containers; the page holds no script in any case
    for sandbox in [["--no-sandbox"]] if root else [[], ["--no-sandbox"]]:
        with tempfile.TemporaryDirectory(prefix="nsm_nb-pdf-", ignore_cleanup_errors=True) as folder:
            source, made = Path(folder) / "report.html", Path(folder) / "report.pdf"
            source.write_text(page, "utf-8")
            said = _run(
                [chromium, *_FLAGS, *sandbox, f"--user-data-dir={folder}/profile", f"--print-to-pdf={made}", source.as_uri()],
                folder, seconds,
            )  # fmt: skip
            if made.is_file() and (data := made.read_bytes()).startswith(b"%PDF-"):
                return data
    lines = [line for line in said.splitlines() if line.strip() and "dbus" not in line]  # it misses its desktop, aloud
    raise ReportError(
        f"{printable(chromium)} made no PDF: {printable(lines[-1][-300:]) if lines else 'it said nothing'}"
    )


def _run(command: list[str], folder: str, seconds: float) -> str:
    """Run a browser in a process group of its own, and end the whole group whatever happens; return what it said."""
    log.debug("running %s", command)
    environment = {**os.environ, "HOME": folder, "XDG_CONFIG_HOME": folder, "TZ": "UTC"}
    try:
        process = subprocess.Popen(  # noqa: S603
            command, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, env=environment,
            start_new_session=True,
        )  # fmt: skip
    except OSError as problem:
        raise ReportError(f"{printable(command[0])} can't be started: {printable(problem)}") from problem
    try:
        _, said = process.communicate(timeout=seconds)
    except subprocess.TimeoutExpired as problem:
        raise ReportError(
            f"{printable(command[0])} made no PDF within {seconds:g} seconds and was ended; print the HTML report from a browser"
        ) from problem
    finally:
        _end(process)
    return said.decode("utf-8", "replace")


def _end(process: subprocess.Popen[bytes]) -> None:
    try:
        os.killpg(process.pid, signal.SIGKILL)  # the group's number is its first process's
    except (ProcessLookupError, PermissionError):
        process.kill()
    process.wait()
    if process.stderr is not None:
        process.stderr.close()


def _by_weasyprint(page: str) -> bytes:
    import weasyprint

    fetcher = getattr(weasyprint.urls, "URLFetcher", None)
    if fetcher is None:
        raise ReportError(
            f"weasyprint {weasyprint.__version__} can't be held offline; install a newer one (70 will do) or chromium"
        )
    only_data = fetcher(allowed_protocols=("data",), allow_redirects=False)  # the pictures that stand in the page
    return bytes(weasyprint.HTML(string=page, url_fetcher=only_data).write_pdf())
