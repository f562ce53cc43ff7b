"""Network security monitoring in Jupyter: from a folder of evidence to a report.

Nothing happens on import; rooms are opened when they are first asked for.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

__version__ = "0.1.0"

if TYPE_CHECKING:
    from nsm_nb import alerts, formats, plots, report, schema, sessions, statistics, text, transcripts, triage, widgets
    from nsm_nb.case import create_case, open_case
    from nsm_nb.formats import read_alerts, read_events, read_packets, read_sessions
    from nsm_nb.schema import in_network
    from nsm_nb.widgets.console import console

_ROOMS = (
    "alerts",
    "formats",
    "plots",
    "report",
    "schema",
    "sessions",
    "statistics",
    "text",
    "transcripts",
    "triage",
    "widgets",
)
_NAMES = {
    "console": "nsm_nb.widgets",
    "create_case": "nsm_nb.case",
    "in_network": "nsm_nb.schema",
    "open_case": "nsm_nb.case",
    "read_alerts": "nsm_nb.formats",
    "read_events": "nsm_nb.formats",
    "read_packets": "nsm_nb.formats",
    "read_sessions": "nsm_nb.formats",
}

__all__ = [
    "alerts",
    "console",
    "create_case",
    "formats",
    "in_network",
    "open_case",
    "plots",
    "read_alerts",
    "read_events",
    "read_packets",
    "read_sessions",
    "report",
    "schema",
    "sessions",
    "statistics",
    "text",
    "transcripts",
    "triage",
    "widgets",
]


def __getattr__(name: str) -> Any:
    """Open a room, or fetch a public name from its room, when it is first used."""
    if name in _NAMES:
        return getattr(importlib.import_module(_NAMES[name]), name)
    if name in _ROOMS:
        return importlib.import_module(f"nsm_nb.{name}")
    raise AttributeError(f"nsm_nb has no {name!r}; it has {', '.join(__all__)}")


def __dir__() -> list[str]:
    """Return the public names."""
    return [*__all__, "__version__"]
