"""Figures of tables: a timeline, protocols, talkers, services, packet sizes, what changed, sessions, and measured speed.

Every function takes sessions, or a table that `nsm_nb.statistics` (or a benchmark) made, and gives a matplotlib Axes: one
of its own, which shows itself in a notebook with its alternative text, or the one that is handed in. No global state of
matplotlib is read or left behind. Text from the evidence goes through `nsm_nb.text`: nothing in it is read as mathematics.
"""

from __future__ import annotations

from nsm_nb.plots.compare import compare
from nsm_nb.plots.drawing import Picture, describe, image
from nsm_nb.plots.gantt import gantt
from nsm_nb.plots.heatmap import heatmap
from nsm_nb.plots.hosts import hosts
from nsm_nb.plots.icicle import icicle
from nsm_nb.plots.performance import performance
from nsm_nb.plots.protocols import protocols
from nsm_nb.plots.services import services
from nsm_nb.plots.sizes import sizes
from nsm_nb.plots.talkers import talkers
from nsm_nb.plots.timeline import timeline

__all__ = [
    "Picture", "compare", "describe", "gantt", "heatmap", "hosts", "icicle", "image", "performance", "protocols",
    "services", "sizes", "talkers", "timeline",
]  # fmt: skip
