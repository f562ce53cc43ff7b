"""The right side of the queue: the rule that raised the alert, and the packet that it is about."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import ipywidgets
import pandas as pd

from nsm_nb.errors import NsmError
from nsm_nb.full_content import dissect_packets, fields, frame_bytes, payload_bytes
from nsm_nb.full_content.frames import link_types
from nsm_nb.widgets import event
from nsm_nb.widgets.lines import Lines, line

if TYPE_CHECKING:
    from collections.abc import Callable

    from nsm_nb.case import Case

__all__ = ["Beside"]

_VIEWS = {
    "payload": "what the packet carries",
    "header": "its header fields",
    "tree": "all that tshark can tell of it",
    "frame": "the whole packet",
    "record": "the alert as the sensor wrote it",
}


class Beside(ipywidgets.VBox):
    """Rule and packet of an alert; `show` takes another one.

    Parameters
    ----------
    case
        An open case.
    guard
        Wraps callbacks, so that what they raise is shown.
    """

    def __init__(self, case: Case, guard: Callable[[Callable], Callable], **traits: Any):
        self.case = case
        self.alert: str | None = None
        self._found: tuple[str | None, pd.Series | None] = (None, None)  # the last alert whose packet was looked for
        self.rule = Lines(boxed=True, height=92, label="rule of the alert")
        self.packet = Lines(boxed=True, height=270, label="packet of the alert")
        self.view = ipywidgets.ToggleButtons(
            options=list(_VIEWS), tooltips=list(_VIEWS.values()), style={"button_width": "auto"}
        )
        self.to_packet = ipywidgets.Button(description="packet", tooltip="Show it in the packet's widget (p)")
        self.to_transcript = ipywidgets.Button(
            description="transcript", tooltip="Choose its session for the transcript (t, Enter)"
        )
        bar = ipywidgets.HBox([self.view, self.to_packet, self.to_transcript])
        bar.add_class("nsm-bar")
        super().__init__([self.rule, bar, self.packet], **traits)
        self.view.observe(guard(lambda change: self._show_packet()), "value")
        self.show(None)

    def show(self, alert: str | None) -> None:
        """Show rule and packet of an alert, nothing where it is None."""
        self.alert = alert
        self.to_packet.disabled = self.to_transcript.disabled = alert is None
        if alert is None:
            self.rule.say(line(("the rule that raised the alert, with its file and line", "muted")))
            self.packet.say(line(("the packet that holds what the rule looks for", "muted")))
            return
        row = self.case.alert(alert)
        self.rule.say(*event.rule_lines(self.case.rule_of(alert), row, self.case.maps.references))
        self._show_packet()

    def found(self) -> pd.Series | None:
        """Return the packet that the alert is about, None where the case has none."""
        if self._found[0] != self.alert or self.alert is None:
            self._found = (self.alert, None if self.alert is None else self.case.packet_of(self.alert))
        return self._found[1]

    def _show_packet(self) -> None:
        if self.alert is None:
            return
        if self.view.value == "record":
            self.packet.say(*event.detail_lines(self.case.detail(self.alert)))
        else:
            self.packet.say(*self._lines(self.found(), str(self.view.value)))

    def _lines(self, packet: pd.Series | None, view: str) -> list[dict]:
        if packet is None:
            return event.packet_lines(None, b"")
        packets, paths = self.case.packets_of(int(packet["session"])), self.case.paths
        same = packets[(packets["frame"] == packet["frame"]) & (packets["evidence"] == packet["evidence"])]
        if view == "tree":
            try:
                return event.tree_lines(packet, dissect_packets(same, evidence=paths).partition("\n")[2])
            except NsmError as problem:  # no tshark, or none that could read it: the other views still stand
                return [*event.tree_lines(packet, ""), line((str(problem), "doubt"))]
        if view == "payload":
            return event.packet_lines(packet, payload_bytes(same, evidence=paths)[0].data, of=view)
        frame = frame_bytes(same, evidence=paths)[0]
        if view == "header":
            return event.header_lines(packet, fields(frame, link=int(link_types(same)[0])))
        return event.packet_lines(packet, frame, of=view)
