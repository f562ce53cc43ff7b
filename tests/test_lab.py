"""JupyterLab as `nsm-nb lab` starts it: a real server, asked over HTTP."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import threading
import urllib.error
import urllib.request
from http.client import HTTPConnection
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import pytest

from nsm_nb import lab
from nsm_nb.errors import CaseError

RUN = """
import sys
from pathlib import Path
from nsm_nb import lab

lab.notebooks = lambda: Path(sys.argv[1])
sys.exit(lab.start(Path(sys.argv[2]), browser=False))
"""
# An analyst's own configuration that would open the server to the world, if it had its way.
CARELESS = {"ServerApp": {"ip": "0.0.0.0", "allow_remote_access": True}, "IdentityProvider": {"token": ""}}


def notebook(**code):
    cells = [
        {"cell_type": "markdown", "id": "what-is-here", "metadata": {"trusted": True}, "source": "# What is here?"},
        {"cell_type": "code", "id": "open-case", "metadata": {}, "source": "1 + 1", **code},
    ]
    return {"cells": cells, "metadata": {}, "nbformat": 4, "nbformat_minor": 5}


SHIPPED = notebook(outputs=[], execution_count=None)
RUN_ONCE = notebook(
    outputs=[{"output_type": "execute_result", "data": {"text/plain": "2"}, "metadata": {}, "execution_count": 7}],
    execution_count=7,
) | {"metadata": {"language_info": {"name": "python", "version": "3.11.2"}, "widgets": {"state": {}}}}


class Server:
    """A running Lab: its address, and what it answers."""

    def __init__(self, address: str, folder: Path, process: subprocess.Popen):
        self.address, self.folder, self.process = urlsplit(address), folder, process
        self.token = parse_qs(self.address.query)["token"][0]

    def ask(self, path: str, *, token: str | None = None, method: str = "GET", body: object = None):
        request = urllib.request.Request(f"http://{self.address.netloc}{path}", method=method)
        if token:
            request.add_header("Authorization", f"token {token}")
        if body is not None:
            request.data = json.dumps(body).encode()
        opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
        try:
            with opener.open(request, timeout=20) as answer:
                return answer.status, answer.read()
        except urllib.error.HTTPError as refusal:
            with refusal:
                return refusal.code, refusal.read()


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    place = tmp_path_factory.mktemp("lab")
    case, folder, settings = place / "a case", place / "note books", place / "settings"
    for directory in (case, folder, settings):
        directory.mkdir()
    (folder / "00-start.ipynb").write_text(lab.text_as_shipped(json.dumps(SHIPPED)))
    (settings / "jupyter_server_config.json").write_text(json.dumps(CARELESS))
    variables = {**os.environ, "JUPYTER_CONFIG_DIR": str(settings), "JUPYTER_RUNTIME_DIR": str(place / "runtime")}
    with subprocess.Popen(
        [sys.executable, "-c", RUN, folder, case],
        env=variables,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    ) as process:
        late = threading.Timer(60, process.kill)
        late.start()
        words = process.stdout.readline().split()
        late.cancel()
        assert words, "the server ended without telling its address"
        yield Server(words[-1], folder, process)
        process.terminate()


@pytest.mark.slow
def test_lab_opens_on_the_first_notebook(server):
    assert server.address.hostname == "127.0.0.1"
    assert server.address.path == "/lab/tree/00-start.ipynb"
    assert server.ask(server.address.path, token=server.token)[0] == 200


@pytest.mark.slow
@pytest.mark.parametrize(
    "path", ["/api/contents", "/api/kernels", "/terminals/websocket/1", "/lsp/ws/x", "/lab/api/settings/"]
)
def test_lab_answers_nobody_without_the_token(server, path):
    assert server.ask(path)[0] in (401, 403)
    assert server.ask(path, token="guessed")[0] in (401, 403)


@pytest.mark.slow
@pytest.mark.skipif(sys.platform != "linux", reason="only Linux answers on all of 127.0.0.0/8")
def test_lab_listens_on_loopback_alone_whatever_the_configuration_says(server):
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection(("127.0.0.2", server.address.port), timeout=5)


@pytest.mark.slow
def test_lab_keeps_the_token_out_of_the_list_of_processes(server):
    arguments = subprocess.run(
        ["ps", "-ww", "-o", "args=", "-p", str(server.process.pid)], capture_output=True, check=True
    )

    assert server.token.encode() not in arguments.stdout


@pytest.mark.slow
def test_lab_asks_no_one_for_news_updates_or_extensions(server):
    page = server.ask("/lab", token=server.token)[1].decode()
    settings = json.loads(page.split('id="jupyter-config-data" type="application/json">')[1].split("</script>")[0])

    assert "@jupyterlab/apputils-extension:announcements" in settings["disabledExtensions"]
    assert settings["extensionManager"]["can_install"] is False
    assert server.ask("/lab/api/update", token=server.token)[1] == b'{"notification": null}'


@pytest.mark.slow
def test_saving_a_notebook_of_the_kit_leaves_its_file_as_it_was(server):
    shipped = (server.folder / "00-start.ipynb").read_bytes()
    body = {"type": "notebook", "format": "json", "content": RUN_ONCE}

    assert server.ask("/api/contents/00-start.ipynb", token=server.token, method="PUT", body=body)[0] == 200
    assert (server.folder / "00-start.ipynb").read_bytes() == shipped


@pytest.mark.slow
def test_saving_an_analysts_own_notebook_keeps_its_outputs(server):
    body = {"type": "notebook", "format": "json", "content": RUN_ONCE}

    assert server.ask("/api/contents/mine.ipynb", token=server.token, method="PUT", body=body)[0] == 201
    assert json.loads((server.folder / "mine.ipynb").read_text())["cells"][1]["execution_count"] == 7


@pytest.mark.slow
@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
def widget_of(metadata):
    """A notebook whose cell shows a widget that has a table beside it, and one that has none."""
    view = {"application/vnd.jupyter.widget-view+json": {"model_id": "gone"}, "text/plain": "Grid()"}
    outputs = [
        {"output_type": "display_data", "metadata": {}, "data": {**view, **more}}
        for more in ({"text/html": "<table>"}, {})
    ]
    cell = {"cell_type": "code", "id": "own", "metadata": {}, "source": "", "execution_count": 1, "outputs": outputs}
    return {"type": "notebook", "content": {"nbformat": 4, "nbformat_minor": 5, "metadata": metadata, "cells": [cell]}}


def test_a_widget_in_a_saved_notebook_of_ones_own_is_its_table():
    saved, with_state = widget_of({}), widget_of({"widgets": {"state": {}}})
    for each in (saved, with_state):
        lab.keep_as_shipped(each, "mine.ipynb")

    shown, bare = (output["data"] for output in saved["content"]["cells"][0]["outputs"])
    assert list(shown) == ["text/plain", "text/html"]
    assert "application/vnd.jupyter.widget-view+json" in bare  # there is nothing else to show of it
    assert with_state == widget_of({"widgets": {"state": {}}})


def test_lab_hands_the_case_to_its_kernels_and_ends_them_at_one_interrupt(server):
    status, _ = server.ask("/api/kernels", token=server.token, method="POST", body={"name": "python3"})
    assert status == 201
    kernels = subprocess.run(
        ["ps", "-o", "pid=", "--ppid", str(server.process.pid)], capture_output=True, text=True, check=True
    ).stdout.split()
    variables = Path(f"/proc/{kernels[-1]}/environ").read_bytes().split(b"\0")
    assert f"NSM_CASE={server.folder.parent / 'a case'}".encode() in variables

    # A browser keeps its connections open; that must not keep the server.
    connection = HTTPConnection(server.address.netloc)
    connection.request("GET", "/api/contents/00-start.ipynb", headers={"Authorization": f"token {server.token}"})
    connection.getresponse().read()
    server.process.send_signal(signal.SIGINT)

    assert server.process.wait(timeout=30) == 0
    assert not any(Path(f"/proc/{kernel}").exists() for kernel in kernels)
    connection.close()


def test_lab_on_a_missing_directory_says_which(tmp_path):
    with pytest.raises(CaseError, match="nowhere is not a directory"):
        lab.start(tmp_path / "nowhere")


def test_a_notebook_as_shipped_keeps_tags_and_loses_the_machine():
    tagged = notebook(
        metadata={"tags": ["keep"], "collapsed": True}, outputs=[{"output_type": "stream"}], execution_count=1
    )

    shipped = lab.as_shipped(tagged | {"metadata": {"language_info": {"version": "3.13.0"}}})

    assert shipped["cells"][1]["metadata"] == {"tags": ["keep"]}
    assert shipped["cells"][1]["outputs"] == []
    assert shipped["cells"][0]["source"] == "# What is here?"
    assert shipped["metadata"] == {"kernelspec": lab.KERNEL}
    assert tagged["cells"][1]["execution_count"] == 1
