"""Alerts: folded as a queue folds them, joined to their sessions, with their rules and packets."""

from nsm_nb.alerts.correlation import correlate
from nsm_nb.alerts.join import join
from nsm_nb.alerts.packet import packet
from nsm_nb.alerts.rules import rules

__all__ = ["correlate", "join", "packet", "rules"]
