"""What the page tells widgets is answered by the kernel's main thread, in the order in which it came.

JupyterLab 4.4 and later asks ipykernel 7 to answer widgets on a thread of their own, but the first message of each is
answered by the main one: a click could overtake the row that was chosen before it, and tables would change under a cell
that reads them.
"""

from __future__ import annotations

import sys
from typing import Any

__all__ = ["answer_in_order"]


def answer_in_order() -> None:
    """Have ipykernel answer all widgets on its main thread, as before release 7; nothing where there is no choice.

    Only a message that answers a question of another thread still goes to that thread, which waits for it.
    """
    # Not through JupyterLab's own setting (`kernel.commsOverSubshells`): it ends the thread, and ipykernel then refuses
    # whatever a widget that was used before sends there.
    if "ipykernel" not in sys.modules:  # plain Python, another kernel
        return
    from ipykernel.comm.comm import BaseComm

    route = getattr(BaseComm, "_reply_subshell_for", None)  # since ipykernel 7.4
    if route is None or getattr(route, "in_order", False):
        return

    def main_thread(self: Any, data: Any, default: str | None) -> str | None:
        with self._reply_subshell_lock:
            self._reply_subshell_id = None  # where the last message of this widget was answered
        return route(self, data, None)

    main_thread.in_order = True  # type: ignore[attr-defined]
    BaseComm._reply_subshell_for = main_thread  # type: ignore[method-assign]
