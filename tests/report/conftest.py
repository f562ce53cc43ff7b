"""What the report's tests share: the bundled case judged as its truth has it, its report, and a hostile case's."""

from __future__ import annotations

import json
from types import SimpleNamespace

import pytest

from tests.writing import conversation, pcap

DATE = "2026-11-25 14:00"

# sid -> category, comment; the truth of the bundled case (STORY.md)
RIGHT = {
    9000001: ("VI", "a SYN scan from outside"),
    9000002: ("II", ";id answered with uid=33"),
    9000004: ("II", ""),
    9000005: ("I", "Extent: a second host.\nA directory listing of files01 went to the web server."),
    9000007: ("I", "b.tgz went out"),
    9000009: ("VII", "check-in every 10 s"),
    9000013: ("NA", "ws1 pings the news server with 3,000 bytes"),
}
SHELL = 4657181179822775
PAYROLL = 6390480275589417

#: What an intruder would like to do to whoever reads the report.
HOSTILE = (
    "<script>alert(1)</script>",
    '"><img src=x onerror=alert(1)>',
    "/etc/passwd",
    "http://127.0.0.1:9/x",
    "javascript:alert(1)",
    "\x1b[2J\x9b\x07",
    "\u202eevil\u2066\u200b",
    "a$b_$c host $x_{$",
    "{{ 7 * 7 }} {% raw %}",
    "</style><style>body{display:none}",
)


def _case(folder, name, toml, evidence):
    """A case with linked evidence, or with an empty folder for it."""
    import nsm_nb as nsm

    place = folder / name
    place.mkdir()
    (place / "case.toml").write_text(toml)
    if evidence is not None:
        (place / "evidence").symlink_to(evidence, target_is_directory=True)
    else:
        (place / "evidence").mkdir()
    return nsm.open_case(place)


def judge_as_the_truth(case):
    for row in case.groups(events=True).itertuples():  # as the Alerts widget shows them
        if int(row.sid) in RIGHT:
            category, comment = RIGHT[int(row.sid)]
            case.judge(row.children, category, comment=comment, analyst="ada" if int(row.sid) % 2 else "grace")
        elif int(row.sid) == 9000003:
            case.judge(row.children, "ESC", comment="is this root? please look", analyst="grace")
            if str(row.src_ip) == "172.16.10.80":
                case.judge(row.children, "I", comment="sudo id gave uid=0(root)", analyst="ada")
    case.judge(str(PAYROLL), "I", kind="session", comment="payroll-2003.csv was read", analyst="ada")
    case.judge("203.0.113.66", "VII", kind="host", comment="the intruder", analyst="ada")


@pytest.fixture(scope="session")
def judged_place(bundled, tmp_path_factory):
    """The directory of the bundled case, indexed and judged; tests that change it copy it."""
    case = _case(
        tmp_path_factory.mktemp("judged"), "www-files01", (bundled / "case.toml").read_text(), bundled / "evidence"
    )
    judge_as_the_truth(case)
    return case.path


@pytest.fixture
def judged(judged_place):
    """The judged case; not to be changed."""
    import nsm_nb as nsm

    return nsm.open_case(judged_place)


def event(message, *, sid=1, seconds=4):
    """An alert of Suricata about `conversation`, or one of its flows after it."""
    return {
        "timestamp": f"2003-11-13T17:00:{seconds:02d}.004000+0000", "event_type": "alert", "src_ip": "10.0.0.1",
        "src_port": 40000, "dest_ip": "10.0.0.2", "dest_port": 80, "proto": "TCP",
        "alert": {
            "action": "allowed", "gid": 1, "signature_id": sid, "rev": 1, "signature": message, "category": message,
            "severity": 1,
        },
    }  # fmt: skip


def fast(message, *, sid=1, seconds=4):
    """The line that Snort writes of what Suricata tells in `event`."""
    return (
        f"11/13/03-17:00:{seconds:02d}.003000  [**] [1:{sid}:7] {message} [**] [Classification: A {message}] [Priority: 2] "
        "{TCP} 10.0.0.1:40000 -> 10.0.0.2:80"
    )


def case_of_two(place, suricata, snort):
    """A case of what Suricata and Snort tell: (message, sid, seconds) each."""
    import nsm_nb as nsm

    folder = place / "evidence"
    folder.mkdir(parents=True)
    (place / "case.toml").write_text('name = "two"\n[sensors]\n"eve.json" = "suricata"\n"alert.fast" = "snort"\n')
    lines = [json.dumps(event(message, sid=sid, seconds=at)) for message, sid, at in suricata]
    (folder / "eve.json").write_text("".join(f"{each}\n" for each in lines))
    lines = [fast(message, sid=sid, seconds=at) for message, sid, at in snort]
    (folder / "alert.fast").write_text("".join(f"{each}\n" for each in lines))
    return nsm.open_case(place)


@pytest.fixture
def own(tmp_path):
    """A small case, judged, that a test may change: one conversation, two messages, one of them escalated."""
    case = _case(tmp_path, "small", 'name = "small"\n', None)
    folder = case.settings.evidence
    (folder / "small.pcap").write_bytes(pcap(conversation(request=b"id\n", answer=b"uid=0(root)\n")))
    lines = [event("a shell"), event("a scan", sid=2, seconds=5), event("a scan", sid=2, seconds=6)]
    (folder / "eve.json").write_text("\n".join(map(json.dumps, lines)) + "\n")
    (folder / "notes.txt").write_text("as it was\n")
    shell, scan = (row.children for row in case.groups().itertuples())
    case.judge(scan, "VI", comment="only a scan", analyst="grace")
    case.judge(shell, "ESC", comment="who is root here?", analyst="ada")
    return case


@pytest.fixture(scope="session")
def html(judged_place, tmp_path_factory):
    """The judged case's report."""
    import nsm_nb as nsm

    made = nsm.report.build(nsm.open_case(judged_place), out=tmp_path_factory.mktemp("report"), date=DATE)
    return made["html"].read_text("utf-8")


@pytest.fixture(scope="session")
def document(html):
    return parsed(html)


@pytest.fixture
def empty(tmp_path):
    """A case with no evidence at all."""
    return _case(tmp_path, "empty", 'name = "empty"\n', None)


@pytest.fixture(scope="session")
def hostile(tmp_path_factory):
    """A case in which everything that can be chosen is hostile, and its report."""
    import nsm_nb as nsm

    case = _case(
        tmp_path_factory.mktemp("hostile"), "hostile",
        f"name = {json.dumps(HOSTILE[0])}\ntitle = {json.dumps(HOSTILE[9])}\nrules = ['evidence/*.rules']\n", None,
    )  # fmt: skip
    folder = case.settings.evidence
    said = "\n".join(HOSTILE).encode("utf-8", "surrogateescape")
    answer = b"HTTP/1.1 200 <script>\r\nX: <img src=x onerror=y>\r\nTransfer-Encoding: chunked\r\n\r\n"
    answer += b"%x\r\n%s\r\n0\r\n\r\n" % (len(said), said)
    request = b"GET /<script>alert(2)</script> HTTP/1.1\r\nHost: \x1b[2J\xff\r\n\r\n"
    (folder / "<b onclick=x>&.pcap").write_bytes(pcap(conversation(request=request, answer=answer)))
    lines = []
    for sid, message in enumerate(HOSTILE, 1):
        lines.append(event(message, sid=sid))
    (folder / "eve.json").write_text("\n".join(map(json.dumps, lines)) + "\n")
    (folder / "some.rules").write_text(
        'alert tcp any any -> any any (msg:"<script>alert(3)</script>"; content:"<script>"; sid:1; rev:1;)\n', "utf-8"
    )
    for row in case.groups().itertuples():
        case.judge(row.children, "I", comment=str(row.message), analyst=HOSTILE[1])
    case.ledger.judge([HOSTILE[1], HOSTILE[6]], "VII", kind="host", comment=HOSTILE[0], analyst=HOSTILE[5])
    made = nsm.report.build(case, date=DATE)
    return SimpleNamespace(case=case, html=made["html"].read_text("utf-8"), path=made["html"])


def parsed(html):
    """The elements of a page, as a browser reads it."""
    import html5lib

    return html5lib.parse(html, namespaceHTMLElements=False)


def text_of(element):
    return "".join(element.itertext())


def made(case):
    """The elements of a case's report."""
    import nsm_nb as nsm

    return parsed(nsm.report.build(case, date=DATE)["html"].read_text("utf-8"))


def table(document, caption):
    """The cells of a table's rows, as text."""
    for each in document.iter("table"):
        if caption in text_of(each.find("caption")):
            return [[text_of(cell).strip() for cell in row] for row in each.findall("tbody/tr")]
    raise AssertionError(f"no table is called {caption!r}")


def findings(document):
    return list(document.iter("article"))


def finding(document, words, sensor="suricata"):
    """The article of the finding whose heading holds the words, of one sensor's alerts or of a session."""
    for article in findings(document):
        if words in text_of(article.find("h3")) and sensor in text_of(article.find("p")):
            return article
    raise AssertionError(f"no finding of {sensor} speaks of {words!r}")
