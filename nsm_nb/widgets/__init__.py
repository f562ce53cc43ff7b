"""Widgets for JupyterLab: a case's evidence, statistics, sessions, alerts, transcript, packets and report, and all in tabs.

Every widget keeps its state in traits, hands back rows, and shows the line of Python that gives the same. What an
intruder wrote reaches the browser as text only.
"""

from nsm_nb.widgets.alerts import Alerts
from nsm_nb.widgets.cells import Field
from nsm_nb.widgets.console import Console, console
from nsm_nb.widgets.evidence import Evidence
from nsm_nb.widgets.frame import Frame
from nsm_nb.widgets.grid import Grid
from nsm_nb.widgets.packet import Packet
from nsm_nb.widgets.report import Report
from nsm_nb.widgets.sessions import Sessions
from nsm_nb.widgets.statistics import Statistics
from nsm_nb.widgets.threads import answer_in_order
from nsm_nb.widgets.timeline import Timeline
from nsm_nb.widgets.transcript import Transcript

__all__ = [
    "Alerts", "Console", "Evidence", "Field", "Frame", "Grid", "Packet", "Report", "Sessions", "Statistics", "Timeline",
    "Transcript", "console",
]  # fmt: skip

answer_in_order()
