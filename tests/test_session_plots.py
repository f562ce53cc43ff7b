"""Figures of sessions: gantt, host graph, heat map; what is not drawn is told, and any table is drawn."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from matplotlib.collections import PathCollection
from matplotlib.colors import to_hex
from matplotlib.figure import Figure

import nsm_nb as nsm
from nsm_nb import colours, plots
from nsm_nb.schema import ALERTS, SESSIONS, addresses
from nsm_nb.sessions import assemble
from tests.test_plots import HOSTILE, words

KINDS = {"gantt": plots.gantt, "hosts": plots.hosts, "heatmap": plots.heatmap}
HOME = ("10.10.0.0/16", "172.16.0.0/16", "2001:db8:30::/64")


@pytest.fixture(scope="module")
def sessions(evidence):
    return assemble(nsm.read_packets(evidence / "staged.pcap", label="staged.pcap"))[0]


def table(*rows, span=1.0):
    """Return sessions of (src, dst, seconds after noon, octets)."""
    src, dst = addresses([row[0] for row in rows], [row[1] for row in rows])
    start = pd.Series(pd.Timestamp("2026-11-24T12:00:00Z") + pd.to_timedelta([row[2] for row in rows], unit="s"))
    return SESSIONS.conform(
        pd.DataFrame(
            {
                "src_ip": src, "dst_ip": dst, "start": start, "end": start + pd.Timedelta(seconds=span), "proto": "tcp",
                "dst_port": 80, "src_packets": 1, "dst_packets": 1, "src_octets": [row[3] for row in rows], "dst_octets": 0,
            }
        )
    )  # fmt: skip


def many(count, hosts):
    return table(*((f"10.0.{n % hosts // 250}.{n % hosts % 250}", f"192.0.2.{n % 7}", n, n + 1) for n in range(count)))


@pytest.mark.parametrize("theme", ["light", "dark"])
@pytest.mark.parametrize("kind", KINDS)
def test_a_figure_has_title_units_and_words_in_both_themes(sessions, kind, theme):
    ax = KINDS[kind](sessions.head(150), theme=theme)
    figure = ax.get_figure()

    assert figure.get_facecolor()[:3] == Figure(facecolor=colours.THEMES[theme].ground).get_facecolor()[:3]
    assert figure.get_suptitle()
    assert ax.get_xlabel()
    assert len(plots.describe(ax)) > 200


@pytest.mark.parametrize("kind", KINDS)
def test_the_axes_that_are_handed_in_are_drawn_on(sessions, kind):
    left, right = Figure(figsize=(14, 8)).subplots(1, 2)

    assert KINDS[kind](sessions.head(150), ax=right) is right
    assert right.get_title(loc="left")
    assert not left.has_data()


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(
    "rows",
    [
        SESSIONS.empty(),
        SESSIONS.conform(pd.DataFrame({"proto": [None, "tcp"]})),
        table(("10.0.0.1", "10.0.0.2", 0, 5)),
        table(("10.0.0.1", "10.0.0.1", 0, 0)),
        table(("2001:db8:1111:2222:3333:4444:5555:6666", "10.0.0.2", 0, 5), ("fe80::1", "ff02::2", 0, None), span=0),
        table(("10.0.0.1", "10.0.0.2", 0, 5), ("10.0.0.1", "10.0.0.2", 315_360_000, 7)),
        table(("10.0.0.1", "10.0.0.2", -9_000_000_000, 5), ("10.0.0.1", "10.0.0.2", 7_000_000_000, 10**18)),
        table(("10.0.0.1", "10.0.0.2", 9, 5)).assign(end=pd.Timestamp("2026-11-24T11:00:00Z")),
    ],
    ids=["empty", "no address", "one", "of itself", "instants", "ten years", "centuries", "ends before it starts"],
)
def test_any_table_is_drawn(kind, rows):
    ax = KINDS[kind](rows)

    ax.get_figure().draw_without_rendering()
    if rows["src_ip"].isna().all():
        assert "no sessions" in words(ax)
    if len(rows) == 2 and rows["src_ip"].isna().all():
        assert "2 sessions without" in plots.describe(ax)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("label", HOSTILE[2:9:3])
def test_hostile_text_is_drawn_as_itself(kind, label):
    rows = table(("10.0.0.1", "10.0.0.2", 0, 5), ("10.0.0.2", "10.0.0.3", 3, 9))
    said = words(KINDS[kind](rows.assign(proto=label, application=label), caption=label))

    assert not {"\x1b", "\u202e"} & set(said)


def test_the_longest_session_and_the_lane_of_an_alert_are_told(sessions, evidence):
    alerts = ALERTS.conform(
        pd.DataFrame(
            {
                "time": [sessions["start"].iloc[700], pd.Timestamp("1999-01-01T00:00:00Z")],
                "priority": [1, 2],
                "src_ip": ["203.0.113.66", "203.0.113.66"],
                "dst_ip": ["172.16.10.80", "172.16.10.80"],
            }
        )
    )
    ax = plots.gantt(sessions, alerts=alerts)
    names = [each.get_text() for each in ax.get_yticklabels()]
    (mark,) = ax.lines

    assert "the longest, " in ax.get_figure().get_suptitle()
    assert names[int(mark.get_ydata()[0])] == "203.0.113.66 → 172.16.10.80 tcp"
    assert "Marked: 1 of alert, priority 1; 1 lie outside." in plots.describe(ax)


def test_sessions_of_one_lane_at_the_same_time_do_not_hide_each_other():
    ax = plots.gantt(table(*(("10.0.0.1", "10.0.0.2", second / 10, 5) for second in range(4))))
    (bars,) = ax.collections
    tops = sorted({round(path.get_extents().y0, 3) for path in bars.get_paths()})

    assert len(tops) == 4
    assert len(bars.get_paths()) == 4


@pytest.mark.parametrize(
    ("kind", "said"),
    [
        ("gantt", "in the 25 lanes with most of 500"),
        ("hosts", "the 40 hosts that moved most of 107 are drawn by themselves, the others as one a side"),
        ("heatmap", "the 25 busiest of 107 hosts are drawn"),
    ],
)
def test_what_is_not_drawn_of_many_is_told(kind, said):
    rows = many(500, 100)
    caption = words(KINDS[kind](rows)).replace("\n", " ")

    assert said in caption


def test_the_others_of_a_side_are_counted_and_lose_nothing():
    ax = plots.hosts(many(500, 100), n=10)
    said = words(ax)
    nodes = [each for each in ax.collections if isinstance(each, PathCollection)]

    assert len(nodes) in (11, 12)
    assert "others" in said
    # every session is in one of the lines
    parts = plots.describe(ax).split(": ", 2)[-1]
    counts = [
        int(each.split(" session")[0].rsplit(" ", 1)[-1].replace(",", ""))
        for each in parts.split("; ")
        if " session" in each
    ]
    assert sum(counts) == 500


@pytest.mark.slow
def test_the_same_sessions_give_the_same_bytes(sessions):
    rows = sessions.head(60)

    assert all(plots.image(draw(rows)) == plots.image(draw(rows)) for draw in KINDS.values())


def test_inside_and_outside_stand_apart_and_services_are_named(sessions):
    ax = plots.hosts(sessions, home=HOME)
    spots = {each.get_text(): each.xy[0] for each in ax.texts}

    assert [each.get_text() for each in ax.get_xticklabels()] == ["home networks", "all others"]
    assert spots["10.10.30.102"] == 0
    assert spots["198.51.100.13  https"] == 1
    assert spots["dns, smtp  10.10.20.25"] == 0
    assert "2001:db8:30::101 and 2001:db8:51::10" in ax.get_figure().get_suptitle()


@pytest.mark.parametrize(("columns", "theme"), [(0, "dark"), (0, "light"), (2, "dark")])
def test_the_legend_of_hosts_stands_over_no_other_text(sessions, theme, columns):
    rows = sessions.head(60)
    protos = [*colours.PROTOCOL, "ah", "eigrp", "esp", "igmp", "l2tp"]
    rows = rows.assign(proto=pd.Categorical([protos[each % len(protos)] for each in range(len(rows))]))
    given = Figure(figsize=(12, 8)).subplots(1, columns)[0] if columns else None
    ax = plots.hosts(rows, home=HOME, ax=given, theme=theme)
    figure = ax.get_figure()
    figure.draw_without_rendering()

    legend = ax.get_legend().get_window_extent()
    titles = [ax._left_title] if columns else [figure._suptitle]
    for each in (*ax.texts, *titles, *ax.get_xticklabels(), ax.xaxis.label):
        assert not legend.overlaps(each.get_window_extent()), each.get_text()
    said = [each.get_text() for each in ax.get_legend().get_texts()]
    assert len(said) == len(set(said)) <= len(set(colours.PROTOCOL.values()))


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_lines_between_hosts_stand_out_from_the_ground_that_shines_through(theme):
    protos = [*colours.PROTOCOL, "ah"]
    rows = table(*((f"10.0.0.{each}", "192.0.2.1", each, 10**each) for each in range(len(protos)))).assign(proto=protos)
    ground = colours.THEMES[theme].ground

    lines = plots.hosts(rows, theme=theme).patches
    assert len(lines) == len(protos)
    for each in lines:
        assert colours.contrast(colours.over(to_hex(each.get_edgecolor()), ground, each.get_alpha()), ground) >= 3


def test_a_port_that_refused_is_no_service(sessions):
    said = words(plots.hosts(sessions, home=HOME))

    assert "298 more" not in said


@pytest.mark.parametrize("by", ["octets", "sessions"])
def test_the_heat_map_counts_each_session_for_both_hosts(sessions, by):
    ax = plots.heatmap(sessions, by=by, n=1000)
    cells = np.ma.filled(ax.collections[0].get_array(), 0)
    octets = (sessions["src_octets"] + sessions["dst_octets"]).where(sessions["start"].notna(), 0)
    amount = octets if by == "octets" else pd.Series(1, index=sessions.index)
    itself = (sessions["src_ip"] == sessions["dst_ip"]).fillna(value=False)
    known = sessions["src_ip"].notna()

    assert cells.sum() == amount[known].sum() + amount[known & ~itself].sum()
    assert cells.shape[1] == 51


def test_the_heat_maps_step_can_be_given_and_is_checked():
    rows = table(("10.0.0.1", "10.0.0.2", 0, 5), ("10.0.0.1", "10.0.0.2", 7200, 5))

    assert "3 steps of 1 h" in plots.describe(plots.heatmap(rows, every=3600))
    with pytest.raises(ValueError, match=r"every=0\.1 does not fit 2 h: give seconds, at least 3\.6"):
        plots.heatmap(rows, every=0.1)
    with pytest.raises(ValueError, match="choose 'octets' or 'sessions'"):
        plots.heatmap(rows, by="packets")
