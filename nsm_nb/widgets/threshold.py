"""Alerts counted as a threshold console counts them: what is frequent, who it concerns, when; each row is a filter.

Source: ACID 0.9.6 and BASE 1.4, by `nsm_nb.alerts.views`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import ipywidgets
import pandas as pd

from nsm_nb.alerts import views
from nsm_nb.widgets.cells import Field
from nsm_nb.widgets.grid import Grid
from nsm_nb.widgets.lines import Lines, line
from nsm_nb.widgets.panels import Bars
from nsm_nb.widgets.queue_look import term_of_cell

__all__ = ["VIEWS", "Threshold", "counted", "term_of_view"]

#: Which views there are, and what each says.
VIEWS: Mapping[str, str] = {
    "signatures": "unique alerts: how many of each, from how many sensors and hosts",
    "classes": "by class of the rules",
    "addresses": "who is named, as source and as destination",
    "links": "who raised alerts against whom",
    "ports": "which services they name",
    "times": "how many in each interval, by priority",
}
_COUNT = Field("total", title="alerts", kind="count", width=7)
_SHARE = Field("share", kind="percent", width=7)
_SPAN = (Field("first", kind="clock", width=19), Field("last", kind="clock", width=19))
_COLUMNS: Mapping[str, tuple[str | Field, ...]] = {
    "signatures": (Field("priority", title="P", kind="number", width=2), Field("sid", kind="number", width=9),
                   Field("message", width=54), _COUNT, _SHARE, Field("src_ips", title="srcs", width=5),
                   Field("dst_ips", title="dsts", width=5), *_SPAN),
    "classes": (Field("priority", title="P", kind="number", width=2), Field("classification", width=36), _COUNT, _SHARE,
                Field("signatures", width=10), *_SPAN),
    "addresses": (Field("address", kind="address", width=18), _COUNT, Field("as_src", title="as src", width=7),
                  Field("as_dst", title="as dst", width=7), Field("signatures", width=10), Field("peers", width=6),
                  *_SPAN),
    "links": (Field("src_ip", title="src ip", width=18), Field("dst_ip", title="dst ip", width=18),
              Field("proto", width=5), _COUNT, Field("dst_ports", title="dports", width=7),
              Field("signatures", width=10), *_SPAN),
    "ports": (Field("port", width=6, kind="port"), Field("proto", width=5), _COUNT, Field("signatures", width=10),
              Field("src_ips", title="srcs", width=5), Field("dst_ips", title="dsts", width=5), *_SPAN),
    "times": (Field("time", kind="clock", width=19), Field("total", title="alerts", kind="count", width=60),
              Field("worst", title="worst P", kind="number", width=8)),
}  # fmt: skip
_FUNCTIONS = {
    "signatures": views.unique, "classes": views.classes, "addresses": views.addresses, "links": views.links,
    "ports": views.ports,
}  # fmt: skip
_STEPS = ("1s", "10s", "1min", "10min", "1h", "6h", "1D", "7D", "30D", "365D")
_INTERVALS = 120


def counted(alerts: pd.DataFrame, view: str) -> tuple[pd.DataFrame, str]:
    """Return a view of alerts, and of times the length of an interval: such that there are not too many."""
    if view == "times":
        span = alerts["time"].max() - alerts["time"].min()
        every = next((each for each in _STEPS if pd.isna(span) or span / pd.Timedelta(each) <= _INTERVALS), _STEPS[-1])
        table = views.profile(alerts, every=every, by="priority")
        worst = [next((each for each in table.columns if row[each]), None) for _, row in table.iterrows()]
        told = pd.DataFrame({"time": table.index, "total": table.sum(axis=1).to_numpy("int64")})
        numbers = [each if isinstance(each, int) or hasattr(each, "__index__") else None for each in worst]
        return told.assign(worst=pd.array(numbers, dtype="Int64")), every
    return _FUNCTIONS[view](alerts), ""


def term_of_view(view: str, row: Mapping[str, Any], every: str = "") -> str | None:
    """Return the words of a query that mean a row of a view.

    Examples
    --------
    >>> term_of_view("ports", {"port": 445, "proto": "tcp"})
    'dst port 445 and proto = "tcp"'
    """
    parts: list[str | None]
    if view == "signatures":
        known = pd.notna(row["sid"])
        parts = [f"sid = {row['sid']}", f"gid = {row['gid']}"] if known else [term_of_cell(row, "message")]
    elif view == "classes":
        parts = [term_of_cell(row, "classification")]
    elif view == "addresses":
        parts = [f"host {row['address']}"]
    elif view == "links":
        parts = [term_of_cell(row, name) for name in ("src_ip", "dst_ip", "proto")]
    elif view == "ports":
        parts = [f"dst port {row['port']}", term_of_cell(row, "proto")]
    else:
        start = row["time"]
        stop = start + pd.Timedelta(every) - pd.Timedelta("1us")
        parts = [f"time {start:%Y-%m-%dT%H:%M:%S}..{stop:%Y-%m-%dT%H:%M:%S}"]
    return None if None in parts else " and ".join(each for each in parts if each)


class Threshold(ipywidgets.VBox):
    """A view of alerts; the row with the cursor is told as a query term.

    Parameters
    ----------
    guard
        Wraps callbacks, so that what they raise is shown.
    narrow
        Told a term and how: ``include``, ``exclude`` or ``only``.
    """

    def __init__(self, guard: Callable[[Callable], Callable], narrow: Callable[[str, str], object], **traits: Any):
        self._narrow = narrow
        self._alerts: pd.DataFrame | None = None
        self._every = ""
        self.view = ipywidgets.ToggleButtons(
            options=list(VIEWS), tooltips=list(VIEWS.values()), style={"button_width": "auto"}
        )
        self.about = Lines()
        self._bars = Bars("total")
        self.grid = Grid(
            pd.DataFrame({"total": pd.array([], "Int64")}), columns=(_COUNT,), style=self._style, height=460,
            label="counted alerts", listens=["+", "-", "="], empty="no alert matches",
        )  # fmt: skip
        bar = ipywidgets.HBox([self.view, self.about])
        bar.add_class("nsm-bar")
        super().__init__([bar, self.grid], **traits)
        self.view.observe(guard(lambda change: self._show()), "value")
        self.grid.on_activate(guard(lambda position: self.narrow("include")))
        self.grid.on_key(guard(lambda key: self.narrow({"+": "include", "-": "exclude", "=": "only"}[key])))

    def _style(self, row: Mapping[str, Any]) -> dict[str, str]:
        look = {"total": self._bars(row).get("total", "")}
        worst = row.get("priority", row.get("worst"))
        if worst is not None and not pd.isna(worst):
            look["worst" if "worst" in row else "priority"] = f"priority-{min(max(int(worst), 1), 5)}"
        return look

    def show(self, alerts: pd.DataFrame) -> None:
        """Count other alerts."""
        self._alerts = alerts
        self._show()

    def _show(self) -> None:
        if self._alerts is None:
            return
        view = str(self.view.value)
        table, self._every = counted(self._alerts, view)
        self._bars.of(table, "total")
        self.grid.show(table, columns=_COLUMNS[view])
        told = views.overview(self._alerts)
        named = ("alerts", "signatures", "src_ips", "dst_ips", "links")
        many = ", ".join(f"{told[name]:,} {name.replace('_', ' ')}" for name in named)
        each = f"; each row is {self._every} long" if self._every else ""
        help = "Enter or + narrows the queue to a row, - leaves it out, = asks for it only"
        self.about.say(line((f"{many}{each}.  {help}", "muted")))

    def fallback(self) -> str:
        """Return the view as HTML for where no widget can live; everything is escaped."""
        return self.grid.fallback()

    def narrow(self, how: str) -> None:
        """Narrow the queue by the row with the cursor."""
        row = self.grid.row
        if row is not None:
            term = term_of_view(str(self.view.value), row, self._every)
            if term is not None:
                self._narrow(term, how)
