"""JupyterLab on a case: on loopback, with a token, asking nothing of the network, notebooks kept as shipped."""

from __future__ import annotations

import asyncio
import os
import secrets
import signal
import sys
import warnings
from pathlib import Path
from typing import Any

from nsm_nb.case.current import forget
from nsm_nb.errors import CaseError, NsmError

__all__ = ["as_shipped", "keep_as_shipped", "notebooks", "settings", "start", "text_as_shipped"]

FIRST = "00-start.ipynb"
_VIEW = "application/vnd.jupyter.widget-view+json"
KERNEL = {"display_name": "Python 3 (ipykernel)", "language": "python", "name": "python3"}


def start(case: Path, *, port: int | None = None, browser: bool = True) -> int:
    """Run JupyterLab on a case until it is stopped; the notebooks find the case in the variable `NSM_CASE`.

    Parameters
    ----------
    case
        The case's directory.
    port
        The port to listen on; where it is taken, that is an error. Without it the first free one from 8888 on.
    browser
        Whether to open the analyst's browser.

    Returns
    -------
    int
        0 when the analyst stopped it.

    Raises
    ------
    CaseError
        Where the directory is missing.
    """
    case = case.expanduser().resolve()
    if not case.is_dir():
        raise CaseError(f"{case} is not a directory; name the directory of a case, such as data/www-files01")
    folder = notebooks()
    # Where there is no display, what would open is a text browser, in the terminal that shows the address.
    browser = browser and (
        sys.platform != "linux" or bool(os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY"))
    )
    from jupyterlab.labapp import LabApp  # takes a second to import

    os.environ["NSM_CASE"] = str(case)
    forget()  # what was chosen in an earlier Lab
    token = secrets.token_hex(24)
    # Handlers of extensions that forgot to ask for the token are made to by our settings: no news to an analyst.
    warnings.filterwarnings("ignore", message="Extension endpoints without")
    # In this process, not as a command of its own: a command's arguments, and so the token, are for every user to see.
    server = LabApp.initialize_server(argv=settings(folder, token=token, port=port, browser=browser))
    server.web_app.settings["page_config_hook"] = _without_announcements
    address = f"{server.connection_url}lab/tree/{FIRST}?token={token}"
    server.io_loop.add_callback(print, f"{case.name} is open at {address}\nStop it with Ctrl-C.", flush=True)

    def stop(*_: Any) -> None:
        signal.signal(signal.SIGINT, signal.default_int_handler)  # a second Ctrl-C does not wait for kernels to end
        server.stop(from_signal=True)

    # Jupyter's own handler asks first, and where there is no terminal it leaves without ending the kernels.
    signal.signal(signal.SIGINT, stop)
    server.start()
    _finish(server.io_loop.asyncio_loop)
    return 0


def _without_announcements(_: Any, page: dict[str, Any]) -> dict[str, Any]:
    """Keep JupyterLab from asking the analyst whether it may fetch news; without a source there are none to fetch."""
    page["disabledExtensions"] = [*page.get("disabledExtensions", []), "@jupyterlab/apputils-extension:announcements"]
    return page


def _finish(loop: asyncio.AbstractEventLoop) -> None:
    """End what the server left on its loop: an open connection keeps a worker thread waiting, and so the process."""
    left = asyncio.all_tasks(loop)
    for task in left:
        task.cancel()
    if left:
        loop.run_until_complete(asyncio.gather(*left, return_exceptions=True))


def settings(folder: Path, *, token: str, port: int | None = None, browser: bool = False) -> list[str]:
    """Return the settings of the server as arguments: they come before the user's own configuration.

    Parameters
    ----------
    folder
        The notebooks' folder, the only one that is served.
    token
        What a browser has to show.
    port
        The port, or the first free one from 8888 on.
    browser
        Whether to open a browser.
    """
    chosen: dict[str, Any] = {
        "ServerApp.ip": "127.0.0.1",
        "ServerApp.allow_remote_access": False,
        "ServerApp.sock": "",
        "ServerApp.port": port or 8888,
        "ServerApp.port_retries": 0 if port else 50,
        "IdentityProvider.token": token,
        "ServerApp.allow_unauthenticated_access": False,
        "ServerApp.root_dir": folder,
        "ServerApp.open_browser": browser,
        "LabApp.default_url": f"/lab/tree/{FIRST}",
        "ContentsManager.pre_save_hook": "nsm_nb.lab.keep_as_shipped",
        # Nothing contacts the network on its own: no news, no question after updates, no list of extensions.
        "LabApp.news_url": None,
        "LabApp.check_for_updates_class": "jupyterlab.NeverCheckForUpdate",
        "LabApp.extension_manager": "readonly",
        # Kernels talk over sockets in the user's own folder, not over ports that any user of the machine can reach.
        "KernelManager.transport": "ipc",
        "Application.log_level": "ERROR",
        # A container has no other user.
        "ServerApp.allow_root": os.geteuid() == 0,
    }
    return [f"--{name}={value}" for name, value in chosen.items()]


def notebooks() -> Path:
    """Return the folder of notebooks: the checkout's, or the one that came with the package.

    Raises
    ------
    NsmError
        Where neither is there.
    """
    package = Path(__file__).resolve().parent
    for folder in (package.parent / "notebooks", package / "notebooks"):
        if (folder / FIRST).is_file():
            return folder
    raise NsmError(
        f"the notebooks are missing: {FIRST} is not in {package.parent / 'notebooks'}; clone the project again"
    )


def as_shipped(notebook: dict[str, Any]) -> dict[str, Any]:
    """Return a notebook as it stands in git: code and prose, no outputs, nothing of the machine that it ran on.

    Parameters
    ----------
    notebook
        A notebook of format 4, as its JSON; it is not changed.
    """
    cells = []
    for cell in notebook["cells"]:
        kept = {**cell, "metadata": {"tags": cell["metadata"]["tags"]} if cell.get("metadata", {}).get("tags") else {}}
        if cell["cell_type"] == "code":
            kept |= {"outputs": [], "execution_count": None}
        cells.append(kept)
    return {**notebook, "cells": cells, "metadata": {"kernelspec": dict(KERNEL)}}


def keep_as_shipped(model: dict[str, Any], path: str, **_: Any) -> None:
    """Save a notebook of the kit without its outputs, so that working on a case leaves the checkout as it was.

    JupyterLab calls this before it saves. The kit's notebooks are those whose names begin with two digits and a dash;
    all others are the analyst's own and keep what they show, widgets as the tables that they were at first.

    Parameters
    ----------
    model
        What is about to be saved; changed in place.
    path
        Where, below the folder that is served.
    """
    if model["type"] != "notebook" or model["content"].get("nbformat") != 4:
        return
    if path[:2].isdigit() and path[2:3] == "-":
        model["content"].update(as_shipped(model["content"]))
    elif not model["content"].get("metadata", {}).get("widgets"):  # the widgets' state is not saved along with it
        _as_tables(model["content"])


def _as_tables(notebook: dict[str, Any]) -> None:
    """Take away the views of widgets that have a table beside them: without its kernel a view is but an error."""
    for cell in notebook["cells"]:
        for output in cell.get("outputs", ()):
            data = output.get("data", {})
            if _VIEW in data and "text/html" in data:
                del data[_VIEW]


def text_as_shipped(text: str) -> str:
    """Return a notebook's text as JupyterLab writes it here, byte for byte.

    Parameters
    ----------
    text
        The notebook's JSON, of format 4.
    """
    import nbformat

    return nbformat.writes(nbformat.from_dict(as_shipped(nbformat.reads(text, as_version=4)))) + "\n"


if __name__ == "__main__":  # make format
    for path in map(Path, sys.argv[1:]):
        path.write_text(text_as_shipped(path.read_text(encoding="utf-8")), encoding="utf-8")
