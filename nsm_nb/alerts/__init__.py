"""Alerts: folded as a queue folds them, counted as a console counts them, joined to their sessions, rules and packets."""

from nsm_nb.alerts import views
from nsm_nb.alerts.correlation import correlate
from nsm_nb.alerts.events import retold, same_event, told_by
from nsm_nb.alerts.join import join
from nsm_nb.alerts.maps import Maps, is_map, maps, named
from nsm_nb.alerts.packet import contents, packet
from nsm_nb.alerts.references import Reference, references
from nsm_nb.alerts.related import related
from nsm_nb.alerts.rules import rules

__all__ = [
    "Maps", "Reference", "contents", "correlate", "is_map", "join", "maps", "named", "packet", "references",
    "related", "retold", "rules", "same_event",
    "told_by", "views",
]  # fmt: skip
