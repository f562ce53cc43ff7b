"""The overview that tells where to look: summary, protocols, timeline, talkers, hosts, services, and what changed.

Every function takes a table and gives a table (or, for `summary`, its figures); the figures drawn of them are made by
`nsm_nb.plots`. `length` is bytes on the wire, `octets` are bytes at the IP layer.
"""

from __future__ import annotations

from nsm_nb.statistics.breakdown import breakdown
from nsm_nb.statistics.compare import compare
from nsm_nb.statistics.concentration import concentration, entropy
from nsm_nb.statistics.flows import FlowSummary
from nsm_nb.statistics.hosts import hosts
from nsm_nb.statistics.part import part
from nsm_nb.statistics.protocols import protocols
from nsm_nb.statistics.services import services
from nsm_nb.statistics.sizes import sizes
from nsm_nb.statistics.summary import Rate, Summary, summary
from nsm_nb.statistics.talkers import talkers
from nsm_nb.statistics.timeline import timeline
from nsm_nb.statistics.vendor import vendor

__all__ = [
    "FlowSummary", "Rate", "Summary", "breakdown", "compare", "concentration", "entropy", "hosts", "part", "protocols",
    "services", "sizes", "summary", "talkers", "timeline", "vendor",
]  # fmt: skip
