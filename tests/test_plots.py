"""Figures: what they say, that hostile text plots as itself, that nothing of matplotlib is left changed."""

from __future__ import annotations

import base64
import itertools
import re
import subprocess
import sys

import html5lib
import matplotlib as mpl
import numpy as np
import pandas as pd
import pytest
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.text import Text

import nsm_nb as nsm
from nsm_nb import colours, plots, statistics
from nsm_nb.schema import PACKETS, SESSIONS
from nsm_nb.sessions import assemble

HOSTILE = [
    "a$b_$c",
    "host $x_{$",
    r"\frac{1}{2}$$",
    r"$\undefined$",
    "<script>alert(1)</script>",
    "/etc/passwd",
    "\x1b[31mred\u202egpj",
    "名前 \U0001f600",
    "%s {0} \\n",
    "x" * 5000,
    "",
    " ",
]


SERVICE = SESSIONS.conform(
    pd.DataFrame(
        {
            "src_ip": ["10.0.0.1"],
            "dst_ip": ["10.0.0.2"],
            "src_port": 4000,
            "dst_port": 99,
            "src_octets": 5,
            "dst_octets": 7,
        }
    ).assign(src_packets=1, dst_packets=1, evidence="one.pcap")
)


@pytest.fixture(scope="module")
def packets(evidence):
    return nsm.read_packets(evidence / "staged.pcap", label="staged.pcap")


@pytest.fixture(scope="module")
def sessions(packets):
    return assemble(packets)[0]


@pytest.fixture(scope="module")
def figures(packets, sessions):
    """Every kind of figure of the bundled case, by name: functions of keywords."""
    times = statistics.timeline(packets, by="proto", value="length")
    speed = pd.DataFrame({"tool": ["nsm_nb", "dpkt"], "seconds": [0.02, 3.25]})
    middle = packets["time"].iloc[len(packets) // 2]
    ends = (packets["time"].min(), packets["time"].max())
    halves = [statistics.part(packets, sessions, window=each)[1] for each in ((ends[0], middle), (middle, ends[1]))]
    return {
        "sizes": lambda **options: plots.sizes(statistics.sizes(packets), **options),
        "icicle": lambda **options: plots.icicle(statistics.protocols(packets), **options),
        "services": lambda **options: plots.services(statistics.services(sessions), **options),
        "compare": lambda **options: plots.compare(statistics.compare(*halves), **options),
        "networks": lambda **options: plots.talkers(statistics.talkers(sessions, of="networks"), **options),
        "timeline": lambda **options: plots.timeline(times, **options),
        "protocols": lambda **options: plots.protocols(statistics.protocols(packets), **options),
        "hosts": lambda **options: plots.talkers(statistics.talkers(sessions), **options),
        "pairs": lambda **options: plots.talkers(statistics.talkers(sessions, of="pairs"), **options),
        "ports": lambda **options: plots.talkers(statistics.talkers(sessions, of="ports", by="sessions"), **options),
        "performance": lambda **options: plots.performance(speed, **options),
    }


KINDS = [
    "sizes",
    "icicle",
    "services",
    "compare",
    "networks",
    "timeline",
    "protocols",
    "hosts",
    "pairs",
    "ports",
    "performance",
]


def words(ax):
    """Return all texts of a figure, as they are drawn."""
    figure = ax.get_figure()
    figure.draw_without_rendering()
    drawn = []
    for each in figure.findobj(Text):
        said, is_math = each._preprocess_math(each.get_text())
        assert not is_math, said
        drawn.append(said)
    return "\n".join(drawn)


def picture(html):
    kind, data = re.search(r'src="data:(image/[a-z+]+);base64,([^"]+)"', html).groups()
    return kind, base64.b64decode(data)


@pytest.mark.parametrize("theme", ["light", "dark"])
@pytest.mark.parametrize("kind", KINDS)
def test_a_figure_has_title_units_and_words(figures, kind, theme):
    ax = figures[kind](theme=theme)
    figure = ax.get_figure()

    assert isinstance(ax, Axes)
    assert figure.get_facecolor()[:3] == mpl.colors.to_rgb(colours.THEMES[theme].ground)
    assert figure.get_suptitle()
    assert ax.get_xlabel()
    assert plots.describe(ax) == plots.describe(figure) == figure.nsm_alt
    assert len(plots.describe(ax)) > 60


def test_titles_say_what_is_seen(figures):
    said = {kind: figures[kind]().get_figure().get_suptitle() for kind in KINDS}

    assert said["timeline"] == "3.1 MB in 8 min 20 s; the busiest second had 435.3 kB, at 2026-11-24 02:31:47 UTC"
    assert said["protocols"] == "tcp carries 92.7 % of 3.1 MB"
    assert said["hosts"].startswith("10.10.30.102 leads by bytes at the IP layer: 1.2 MB, ")
    assert said["ports"].startswith("udp 53 leads by sessions: ")
    assert said["sizes"] == "62.4 % of 9,746 packets have 64 to 127 bytes"
    assert said["icicle"] == said["protocols"]
    assert said["services"].startswith("2001:db8:51::10 tcp 80 http leads the 20 services: ")
    assert "gone" in said["compare"]
    assert said["networks"].startswith("10.10.30.0/24 leads by bytes")
    assert said["performance"] == "nsm_nb is 162 × as fast as dpkt"


def test_the_caption_names_evidence_and_notes(packets):
    table = statistics.timeline(packets)
    table.attrs["notes"] = ["3 rows without a time left out"]
    table.attrs["query"] = "dst port 445"
    ax = plots.timeline(table)

    caption = "Evidence: staged.pcap; filter: dst port 445; 3 rows without a time left out"
    assert caption in words(ax)
    assert plots.describe(ax).endswith(f"{caption}.")


@pytest.mark.parametrize("kind", ["timeline", "protocols", "icicle", "services", "pairs", "performance"])
@pytest.mark.parametrize("format", ["svg", "png"])
def test_an_image_is_the_same_bytes_each_time_and_has_no_date(figures, kind, format):
    ax = figures[kind]()
    first = plots.image(ax, format=format)
    kind_, data = picture(first)

    assert first == plots.image(ax, format=format) == plots.image(figures[kind](), format=format)
    assert kind_ == {"svg": "image/svg+xml", "png": "image/png"}[format]
    assert not re.search(rb"<dc:date>|tEXt(Software|Creation)", data)


def test_an_image_is_one_escaped_element(packets):
    ax = plots.timeline(statistics.timeline(packets), title='"><script>alert(1)</script>')
    tree = html5lib.parseFragment(plots.image(ax), namespaceHTMLElements=False)
    (element,) = list(tree)

    assert element.tag == "img"
    assert element.attrib["alt"].startswith('"><script>alert(1)</script>.')
    assert element.attrib["src"].startswith("data:image/svg+xml;base64,")
    assert not [name for name in element.attrib if name.startswith("on")]


def test_a_figure_of_ours_shows_itself_with_its_words(figures):
    ax = figures["hosts"]()

    assert ax._repr_html_() == plots.image(ax)


@pytest.mark.parametrize("kind", KINDS)
def test_the_axes_that_are_handed_in_are_drawn_on_and_given_back(figures, kind):
    figure = Figure()
    left, right = figure.subplots(1, 2)
    ax = figures[kind](ax=right)

    assert ax is right
    assert ax.get_title(loc="left")
    assert not left.has_data()
    assert plots.describe(figure) == plots.describe(right)
    assert plots.image(right) == plots.image(figure)


def test_nothing_of_matplotlib_is_left_changed_and_pyplot_is_not_loaded():
    code = (
        "import sys, matplotlib as mpl; before = dict(dict.items(mpl.rcParams))  # rcParams[] itself loads pyplot\n"
        "import pandas as pd; from nsm_nb import plots, statistics\n"
        "table = pd.DataFrame({'time': pd.to_datetime([0, 1], unit='s', utc=True)})\n"
        "plots.image(plots.timeline(statistics.timeline(table)))\n"
        "assert dict(dict.items(mpl.rcParams)) == before\n"
        "assert 'matplotlib.pyplot' not in sys.modules\n"
    )
    subprocess.run([sys.executable, "-W", "error", "-c", code], check=True)


@pytest.mark.parametrize("label", HOSTILE)
def test_hostile_text_plots_as_itself(label):
    shown = label if 0 < len(label.strip()) < 40 and label.isascii() and label.isprintable() else None
    sessions = pd.DataFrame({"src_ip": ["10.0.0.1"], "dst_ip": ["10.0.0.2"], "proto": [label]})
    sessions = SESSIONS.conform(sessions.assign(src_octets=5, dst_octets=7, evidence=label))
    packets = pd.DataFrame({"time": pd.to_datetime([0, 5], unit="s", utc=True), "proto": label, "layers": label})
    packets = PACKETS.conform(packets.assign(length=60, captured=60, evidence=label))
    speed = pd.DataFrame({"job": [label] * 2, "tool": ["nsm_nb", label], "seconds": [1.0, 2.0]})
    drawn = [
        plots.talkers(statistics.talkers(sessions, of="ports")),
        plots.timeline(statistics.timeline(packets, by="proto")),
        plots.timeline(statistics.timeline(packets, by="layers"), title=label),
        plots.protocols(statistics.protocols(packets), caption=label),
        plots.performance(speed),
        plots.icicle(statistics.protocols(packets)),
        plots.services(statistics.services(SERVICE.assign(proto=label, application=label), answered=False)),
        plots.compare(statistics.compare(SERVICE.assign(proto=label), SERVICE.assign(proto="tcp", src_octets=90))),
        plots.sizes(statistics.sizes(packets), title=label, caption=label),
    ]

    for ax in drawn:
        said = words(ax)
        assert "\x1b" not in said
        assert "\u202e" not in said
    html = plots.image(drawn[0])
    assert "\x1b" not in html
    assert "<script" not in html
    assert b"<script" not in picture(html)[1]
    if shown:
        assert shown in words(drawn[0])
        assert shown in plots.describe(drawn[0])


def test_a_dollar_in_a_name_is_no_mathematics_even_where_a_reader_turned_tex_settings_on():
    table = statistics.talkers(
        SESSIONS.conform(
            pd.DataFrame({"src_ip": ["10.0.0.1"], "dst_ip": ["10.0.0.2"], "proto": ["a$b_$c"], "src_octets": 1})
        ),
        of="ports",
    )
    with mpl.rc_context({"mathtext.default": "it", "axes.formatter.use_mathtext": True}):
        assert "a$b_$c" in words(plots.talkers(table))


@pytest.mark.parametrize(
    ("draw", "said"),
    [
        (lambda: plots.timeline(statistics.timeline(PACKETS.empty())), "no packets"),
        (lambda: plots.timeline(statistics.timeline(PACKETS.empty(), by="proto", value="length")), "no packets"),
        (lambda: plots.timeline(statistics.timeline(SESSIONS.empty(), time="start", value="sessions")), "no sessions"),
        (lambda: plots.protocols(statistics.protocols(PACKETS.empty())), "no packets"),
        (lambda: plots.talkers(statistics.talkers(SESSIONS.empty())), "no sessions"),
        (lambda: plots.talkers(statistics.talkers(SESSIONS.empty(), of="ports")), "no sessions"),
        (lambda: plots.performance(pd.DataFrame({"tool": [], "seconds": []})), "no measurements"),
        (lambda: plots.sizes(statistics.sizes(PACKETS.empty())), "no packets"),
        (lambda: plots.icicle(statistics.protocols(PACKETS.empty())), "no packets"),
        (lambda: plots.icicle(statistics.protocols(SESSIONS.empty())), "no packets"),
        (lambda: plots.services(statistics.services(SESSIONS.empty())), "no services"),
        (lambda: plots.compare(statistics.compare(SESSIONS.empty(), SESSIONS.empty())), "no changes"),
    ],
)
def test_an_empty_figure_says_so_and_what_it_would_show(draw, said):
    ax = draw()

    assert said in words(ax)
    assert "this figure shows" in plots.describe(ax)
    assert plots.image(ax)


@pytest.mark.parametrize("every", ["1ns", "1us", "1ms", "1s", "1h", "1D", "MS"])
@pytest.mark.parametrize("times", [[0], [0, 0], [0, 7], [0, 10**9], [0, 86_400 * 10**9], [0, 315_360_000 * 10**9]])
def test_any_span_of_time_is_drawn(times, every):
    table = statistics.timeline(pd.DataFrame({"time": pd.to_datetime(times, utc=True)}), every=every)
    ax = plots.timeline(table)

    ax.get_figure().draw_without_rendering()
    assert f"{len(times)} packet" in ax.get_figure().get_suptitle()


def test_finer_intervals_than_pixels_are_drawn_together_and_lose_nothing():
    times = pd.to_datetime(np.arange(0, 100_000, 10) * 10**9, utc=True)
    ax = plots.timeline(statistics.timeline(pd.DataFrame({"time": times})))
    (drawn,) = ax.patches

    assert len(drawn.get_data().values) <= 1200
    assert drawn.get_data().values.sum() == 10_000
    assert ax.get_ylabel() == "packets in 1 min 24 s"


def test_a_timeline_stacks_what_there_is(packets):
    table = statistics.timeline(packets, every="10s", by="proto")
    ax = plots.timeline(table)
    top = ax.patches[-1].get_data().values

    assert top.tolist() == table.sum(axis=1).tolist()
    assert [each.get_text() for each in ax.get_legend().get_texts()] == ["icmp6", "arp", "icmp", "udp", "tcp"]


def test_small_columns_are_drawn_as_one_and_lose_nothing(packets):
    table = statistics.timeline(packets.head(3000), every="10s", by="src_ip")
    ax = plots.timeline(table)

    assert len(ax.patches) == 6
    assert ax.patches[-1].get_data().values.sum() == 3000


def test_alerts_are_marked_by_colour_and_shape_and_told_in_words(packets):
    alerts = pd.DataFrame({"time": packets["time"].iloc[[5, 600, 700]], "priority": pd.array([1, 3, None], "Int64")})
    outside = pd.DataFrame({"time": pd.to_datetime(["1999-01-01T00:00:00Z"]), "priority": [2]})
    ax = plots.timeline(statistics.timeline(packets), marks=pd.concat([alerts, outside]))

    shapes = {line.get_marker() for line in ax.lines}
    assert len(shapes) == 4 - 1  # a mark without a priority and one of the worst point down, in other colours
    assert "1 of alert, priority 1" in plots.describe(ax)
    assert "1 lie outside" in plots.describe(ax)


def test_speed_is_compared_with_ours_in_both_senses():
    rates = pd.DataFrame({"tool": ["nsm_nb", "quicker"], "packets/s": [1e6, 4e6]})

    assert (
        plots.performance(rates, value="packets/s").get_figure().get_suptitle() == "nsm_nb is 0.25 × as fast as quicker"
    )


def test_a_format_that_is_not_known_is_refused_in_a_sentence(figures):
    with pytest.raises(ValueError, match="choose 'svg' or 'png'"):
        plots.image(figures["hosts"](), format="pdf")
    with pytest.raises(ValueError, match="theme='sepia' is not known"):
        figures["hosts"](theme="sepia")


def test_a_figure_is_drawn_from_a_table_without_attributes(figures, packets, sessions):
    table = statistics.talkers(sessions).copy()
    table.attrs = {}
    times = statistics.timeline(packets).copy()
    times.attrs = {}

    assert plots.image(plots.talkers(table))
    assert plots.image(plots.timeline(times))


def test_the_parts_of_an_icicle_fill_what_they_are_parts_of(packets):
    table = statistics.protocols(packets)
    drawn = plots.icicle(table).patches

    assert len(drawn) == len(table)
    for level in range(int(table["level"].max()) + 1):
        row = sorted((each for each in drawn if each.get_y() == level), key=lambda each: each.get_x())
        share = table.loc[table["level"] == level, "share"].sum()
        assert sum(each.get_width() for each in row) == pytest.approx(100 * share, abs=0.5)
        for one, other in itertools.pairwise(row):
            assert other.get_x() >= one.get_x()


def test_flows_alone_have_their_icicle_and_their_protocols(sessions):
    table = statistics.protocols(sessions)

    for draw in (plots.icicle, plots.protocols):
        assert "bytes at the IP layer" in draw(table).get_xlabel()
    assert "packets" in plots.icicle(table, by="packets").get_xlabel()


def test_of_each_kind_of_change_some_are_drawn():
    status = ["new"] * 30 + ["gone"] * 5 + ["grown"]
    table = pd.DataFrame(
        {"status": status, "name": [f"host {number}" for number in range(36)], "a": 1, "b": 2, "factor": 2.0}
    )
    ax = plots.compare(table, n=9, names=("Monday", "a$b_$c"))

    said = [each.get_text() for each in ax.get_yticklabels()]
    assert [sum(each.startswith(kind) for each in said) for kind in ("new", "gone", "grown")] == [4, 4, 1]
    assert ax.get_figure().get_suptitle() == "30 new; 5 gone; 1 grown"
    assert "27 smaller changes not drawn" in words(ax)
    assert [each.get_text() for each in ax.get_legend().get_texts()] == ["Monday", r"a\$b_\$c"]


@pytest.mark.parametrize("rates", [[6_600_000, 26_512, 58_652], [0.0002, 5, 90_000], [3, 4], [1e-9, 1e9]])
def test_the_ticks_of_a_speed_are_plain_numbers(rates):
    ax = plots.performance(
        pd.DataFrame({"tool": ["nsm_nb", *"abc"][: len(rates)], "packets/s": rates}), value="packets/s"
    )
    ax.get_figure().draw_without_rendering()

    texts = [each.get_text() for each in (*ax.get_xticklabels(), *ax.get_xticklabels(minor=True)) if each.get_text()]
    assert texts
    assert all(re.fullmatch(r"[0-9,]+(\.[0-9]+)?", each) for each in texts), texts
