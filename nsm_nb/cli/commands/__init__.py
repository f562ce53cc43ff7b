"""The commands, a module for each group of them: its parser and what it does.

===============  ===============================================
`lab`            lab
`evidence`       create, index, evidence, formats
`statistics`     stats
`sessions`       sessions
`alerts`         alerts
`verdicts`       judge, verify
`transcripts`    transcript, objects
`packets`        packet, packets, carve
`capture`        capture
`netflow`        collect, export-netflow
`report`         report
===============  ===============================================
"""

from nsm_nb.cli.commands import (
    alerts,
    capture,
    evidence,
    lab,
    netflow,
    packets,
    report,
    sessions,
    statistics,
    transcripts,
    verdicts,
)
from nsm_nb.cli.options import Commands

__all__ = ["add"]

_GROUPS = (
    lab, evidence, statistics, sessions, alerts, transcripts, packets, verdicts, report, capture, netflow,
)  # fmt: skip


def add(commands: Commands) -> None:
    """Add all commands, in the order in which an analyst comes to them."""
    for each in _GROUPS:
        each.add(commands)
