"""Sessions: conversations of both directions, assembled from packets or read from flow records."""

from nsm_nb.sessions import clocks
from nsm_nb.sessions.assembly import assemble
from nsm_nb.sessions.exporting import export
from nsm_nb.sessions.idle import IDLE
from nsm_nb.sessions.labels import label, labels
from nsm_nb.sessions.listings import text
from nsm_nb.sessions.measures import measures
from nsm_nb.sessions.pairing import pair
from nsm_nb.sessions.ports import port_names
from nsm_nb.sessions.queries import query, with_alerts
from nsm_nb.sessions.states import argus_letters
from nsm_nb.sessions.stitching import stitch

__all__ = [
    "IDLE", "argus_letters", "assemble", "clocks", "export", "label", "labels", "measures", "pair", "port_names", "query",
    "stitch", "text", "with_alerts",
]  # fmt: skip
