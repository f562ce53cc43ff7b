"""A real JupyterLab in a real Chromium, for tests: on loopback, with a token, on a free port; all of it stopped after.

    with browser.lab(folder) as lab, lab.notebook("20-sessions.ipynb") as notebook:
        notebook.run_all()
        notebook.page.get_by_role("grid").first.click()

Starting both takes seconds: the tests ask the fixture `lab_on` instead, where those that follow one another share them.
`expose_app_in_browser` gives the page `window.jupyterapp`, through which commands are run.
"""

from __future__ import annotations

import contextlib
import json
import os
import secrets
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import quote

import psutil
import pytest

FLAGS = (
    "--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run",
    "--disable-background-networking", "--disable-component-update", "--disable-sync",
)  # fmt: skip


def chromium() -> str:
    """Return the browser's path; the test is skipped, with the reason, where there is none."""
    for name in (os.environ.get("NSM_CHROMIUM"), "chromium", "chromium-browser", "google-chrome"):
        found = name and shutil.which(name)
        if found:
            return found
    pytest.skip("no chromium on this machine (apt install chromium); the browser tests were not run")


def cells(*sources: str) -> dict:
    """Return a notebook of code cells."""
    return {
        "nbformat": 4,
        "nbformat_minor": 5,
        "metadata": {"kernelspec": {"name": "python3", "display_name": "Python 3", "language": "python"}},
        "cells": [
            {"id": f"cell-{number}", "cell_type": "code", "metadata": {}, "outputs": [], "execution_count": None,
             "source": source}
            for number, source in enumerate(sources)
        ],
    }  # fmt: skip


def _quiet(settings: Path) -> None:
    """Have JupyterLab ask nobody for news, and not ask whether it may."""
    place = settings / "@jupyterlab" / "apputils-extension" / "notification.jupyterlab-settings"
    place.parent.mkdir(parents=True, exist_ok=True)
    place.write_text('{"fetchNews": "false", "checkForUpdates": false}')


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def _stop(process: subprocess.Popen) -> None:
    """End a server and what it started (kernels have sessions of their own), and nothing else."""
    try:
        children = psutil.Process(process.pid).children(recursive=True)
    except psutil.NoSuchProcess:
        children = []
    process.send_signal(signal.SIGTERM)
    with contextlib.suppress(subprocess.TimeoutExpired):
        process.wait(10)
    for each in children:
        with contextlib.suppress(psutil.NoSuchProcess):
            each.kill()
    if process.poll() is None:
        process.kill()
    process.wait()


class Notebook:
    """A notebook open in JupyterLab; `page` is playwright's."""

    def __init__(self, page: Any):
        self.page = page
        self.requests: list[str] = []
        page.on("request", lambda request: self.requests.append(request.url))

    def open(self, address: str, *, timeout: float = 60) -> None:
        """Open it and wait until its kernel is there."""
        self.page.goto(address)
        ready = """() => {
            const panel = window.jupyterapp?.shell?.currentWidget;
            const kernel = panel?.sessionContext?.session?.kernel;
            return kernel?.connectionStatus === "connected" && panel.content?.widgets?.length > 0;
        }"""
        self.page.wait_for_function(ready, timeout=timeout * 1000)

    def run_all(self) -> None:
        """Run all cells and wait for the last; fail with the error where one raised."""
        self.page.evaluate("() => window.jupyterapp.commands.execute('notebook:run-all-cells')")
        errors = self.page.evaluate(
            """() => window.jupyterapp.shell.currentWidget.content.widgets.flatMap(
                (cell) => (cell.model.outputs?.toJSON?.() ?? []).filter((each) => each.output_type === "error")
                    .map((each) => `${each.ename}: ${each.evalue}`))"""
        )
        assert not errors, f"a cell raised {errors}"

    def run(self, source: str) -> str:
        """Run a line in the notebook's kernel, outside of its cells, and return what it printed or raised."""
        return self.page.evaluate(
            """async (code) => {
                const kernel = window.jupyterapp.shell.currentWidget.sessionContext.session.kernel;
                const future = kernel.requestExecute({ code, store_history: false });
                let text = "";
                future.onIOPub = (message) => {
                    const { content, header } = message;
                    if (header.msg_type === "stream") text += content.text;
                    if (header.msg_type === "error") text += `${content.ename}: ${content.evalue}`;
                };
                await future.done;
                return text;
            }""",
            source,
        )

    def wait_for(self, expression: str, *, seconds: float = 10) -> None:
        """Wait until an expression is true in the kernel."""
        until = time.monotonic() + seconds
        answer = ""
        while time.monotonic() < until:
            answer = self.run(f"print(bool({expression}))").strip()
            if answer == "True":
                return
            self.page.wait_for_timeout(400)
        raise AssertionError(f"{expression} did not become true within {seconds} s; the kernel said {answer!r}")

    def theme(self, name: str) -> None:
        """Change the theme: "light" or "dark"."""
        title = {"light": "JupyterLab Light", "dark": "JupyterLab Dark"}[name]
        self.page.evaluate("(theme) => window.jupyterapp.commands.execute('apputils:change-theme', { theme })", title)
        self.page.wait_for_function(
            "(light) => document.body.dataset.jpThemeLight === light", arg=str(name == "light").lower()
        )
        self.page.wait_for_timeout(400)

    def screenshot(self, path: Path) -> Path:
        """Leave a picture of the page."""
        path.parent.mkdir(parents=True, exist_ok=True)
        self.page.screenshot(path=str(path))
        return path


class Lab:
    """A folder of notebooks in a running JupyterLab, and a browser to look at them."""

    def __init__(self, address: str, token: str, context: Any, *, place: str, environment: dict[str, str], size: dict):
        self.address = address
        self.token = token
        self.requests: list[str] = []  # of all its pages
        self._context = context
        self._place = place  # of the folder, below the server's root: "" or "notebooks0/"
        self._environment = environment
        self._size = size

    @contextlib.contextmanager
    def notebook(self, name: str) -> Iterator[Notebook]:
        """Open a notebook of the folder alone on the screen; its page and its kernel end after."""
        page = self._context.new_page()
        page.set_viewport_size(self._size)
        page.set_default_timeout(30_000)  # a machine may be busy with others
        page.on("request", lambda request: self.requests.append(request.url))
        notebook = Notebook(page)
        try:
            workspace = secrets.token_hex(4)  # no tabs of another test
            notebook.open(f"{self.address}/lab/workspaces/{workspace}/tree/{self._place}{name}?token={self.token}")
            page.evaluate("() => window.jupyterapp.shell.collapseLeft()")
            if self._environment:  # before the first cell, as if the server had started with it
                said = notebook.run(f"import os; os.environ.update({self._environment!r}); del os")
                assert not said, said
            yield notebook
        finally:
            with contextlib.suppress(Exception):
                page.evaluate("() => window.jupyterapp.shell.currentWidget.sessionContext.shutdown()")
            page.close()


@contextlib.contextmanager
def engine() -> Iterator[Any]:
    """Start a browser without a page; stop it at the end."""
    place = chromium()
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=place, args=list(FLAGS))
        try:
            yield browser
        finally:
            browser.close()


@contextlib.contextmanager
def server(root: Path) -> Iterator[tuple[str, str]]:
    """Start JupyterLab on a folder; give its address and token; stop it at the end, its kernels too."""
    port, token = _free_port(), secrets.token_hex(16)
    command = [
        sys.executable, "-m", "jupyterlab", "--no-browser", "--allow-root",
        "--ServerApp.ip=127.0.0.1", f"--ServerApp.port={port}", "--ServerApp.port_retries=0",
        f"--IdentityProvider.token={token}", f"--ServerApp.root_dir={root}",
        "--LabApp.expose_app_in_browser=True", "--LabApp.news_url=None",
    ]  # fmt: skip
    address = f"http://127.0.0.1:{port}"
    with contextlib.ExitStack() as stack:
        # settings, workspaces and history of this run alone, and nothing beside the notebooks
        private = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="nsm-lab-", ignore_cleanup_errors=True)))
        _quiet(private / "settings")
        own = {
            "JUPYTER_CONFIG_DIR": str(private / "config"),
            "JUPYTER_RUNTIME_DIR": str(private / "runtime"),
            "JUPYTERLAB_SETTINGS_DIR": str(private / "settings"),
            "JUPYTERLAB_WORKSPACES_DIR": str(private / "workspaces"),
            "IPYTHONDIR": str(private / "ipython"),
        }
        output = stack.enter_context((private / "lab.log").open("w"))
        process = subprocess.Popen(
            command, env={**os.environ, **own}, stdout=output, stderr=subprocess.STDOUT, stdin=subprocess.DEVNULL,
            start_new_session=True,
        )  # fmt: skip
        stack.callback(_stop, process)
        _wait_until_up(process, address, token, private / "lab.log")
        yield address, token


class Desk:
    """A browser and a JupyterLab, each started when it is first asked for: folders are looked at one after another."""

    def __init__(self) -> None:
        self._running = contextlib.ExitStack()
        self._engine: Any = None
        self._server: tuple[str, str, Path, Any] | None = None

    @property
    def engine(self) -> Any:
        """The browser."""
        if self._engine is None:
            self._engine = self._running.enter_context(engine())
        return self._engine

    @contextlib.contextmanager
    def lab(
        self,
        folder: Path,
        *,
        root: Path,
        environment: dict[str, str] | None = None,
        width: int = 1400,
        height: int = 1000,
    ) -> Iterator[Lab]:
        """Look at a folder below the server's root; its kernels have the environment's variables besides."""
        chromium()
        if self._server is None:
            address, token = self._running.enter_context(server(root))
            # one context for all pages: what JupyterLab is made of is loaded once
            self._server = address, token, root, self.engine.new_context()
        address, token, root, context = self._server
        below = Path(folder).resolve().relative_to(root.resolve()).as_posix()
        yield Lab(
            address, token, context, place="" if below == "." else f"{quote(below)}/", environment=environment or {},
            size={"width": width, "height": height},
        )  # fmt: skip

    def close(self) -> None:
        """Stop both: playwright keeps an event loop in this thread, which nobody else should find."""
        self._engine = self._server = None
        self._running.close()


@contextlib.contextmanager
def lab(
    folder: Path, *, environment: dict[str, str] | None = None, width: int = 1400, height: int = 1000
) -> Iterator[Lab]:
    """Start JupyterLab and a browser for one folder alone."""
    desk = Desk()
    try:
        with desk.lab(folder, root=folder, environment=environment, width=width, height=height) as running:
            yield running
    finally:
        desk.close()


DESK = Desk()  # that of the tests which follow one another: see the fixture `lab_on`


def _wait_until_up(process: subprocess.Popen, address: str, token: str, log: Path, seconds: float = 60) -> None:
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        if process.poll() is not None:
            break
        with contextlib.suppress(OSError), urllib.request.urlopen(f"{address}/api?token={token}", timeout=2) as answer:
            json.load(answer)
            return
        time.sleep(0.2)
    raise RuntimeError(f"JupyterLab did not start within {seconds} s:\n{log.read_text()[-2000:]}")


def write_notebook(path: Path, *sources: str) -> Path:
    """Write a notebook of code cells."""
    path.write_text(json.dumps(cells(*sources)))
    return path
