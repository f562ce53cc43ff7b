"""What a command prints is in the words of the command line, and counts agree with their nouns."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

import nsm_nb as nsm
from nsm_nb import cli
from nsm_nb.cli.wording import _WORDS, spoken
from tests import writing

PACKAGE = Path(nsm.__file__).parent

PYTHON = re.compile(
    r"\bcase\.(?!toml\b)[a-z_]+\b|\bnsm(_nb)?\.[a-z]|\b[a-z_]+=(?:['\"(\[{]|True\b|False\b|\.\.\.)|\b(?:out|every|most|time)=(?=[\s,;]|$)"
    r"|\b(?:open_case|create_case|read_alerts|read_packets)\b|\b[a-z_]+\(\)"
)

PIECES = re.compile(r"['\"]\s*\n\s*f?['\"]")
"""Where a text goes on in the next line."""

#: Sentences of these modules come to nobody who types a command, and why.
ELSEWHERE = {
    "alerts/views.py": "the threshold view has no command",
    "case/current.py": "a command names its case, or takes this folder",
    "case/queries.py": "lines are kept in the widgets",
    "case/subjects.py": "hosts and packets are judged in Python and in the widgets",
    "contained.py": "a program's source",
    "formats/following.py": "files that grow are followed in the widgets",
    "full_content/capture.py": "a program's source",
    "full_content/names.py": "a note that the widgets show",
    "plots": "figures have no command",
    "report/content.py": "the report says where in Python all of it is",
    "report/page.py": "a style sheet",
    "report/verdicts.py": "the report says where in Python all of it is",
    "schema.py": "the commands make their tables themselves",
    "sessions/labels.py": "a program's source",
    "sessions/states.py": "the commands assemble their sessions themselves",
    "sessions/stitching.py": "captures are stitched in Python",
    "sessions/telling.py": "the commands assemble their sessions themselves",
    "statistics/_intervals.py": "the commands name the columns themselves",
    "statistics/_parts.py": "HTML",
    "statistics/protocols.py": "the commands have no labels",
    "statistics/timeline.py": "there is no command for a timeline",
    "transcripts/markup.py": "HTML",
    "triage/autocat.py": "rules are made in Python and in the widgets",
    "triage/rulebook.py": "rules are made in Python and in the widgets",
    "triage/tables.py": "SQL",
    "triage/postgres.py": "SQL",
    "widgets": "they speak to whoever has a notebook",
}


#: What is left in other modules, and comes to nobody who types a command: sentences, or the begin of them.
KNOWN = (
    "no kind of report was asked for",  # --to has its choices
    "as_printed and file are of style=",  # the command says which of its options exclude each other
    "nsm-nb transcript my-case",  # an example
    "match id=(",  # an example
    'say format="."',  # alerts by columns of one's own are read from a case, whose case.toml names them
    ". is in no format that is known by its first bytes; such columns are those of",
    ". fits no map of columns; give one, such as columns={",  # said otherwise, whole: the next test has it
    "nsm_nb.triage has no .",  # an AttributeError
    r"\s*(?:",  # a regular expression
)


def run(*arguments):
    return cli.main([str(each) for each in arguments])


def sentences(path):
    """The texts of a module that are no documentation; what an f-string puts in is a dot. Reading is quicker than parsing."""
    code = PIECES.sub("", re.sub(r'"""[\s\S]*?"""', "", path.read_text("utf-8")))
    for found in re.finditer(r"(f?)(['\"])((?:\\.|(?!\2)[^\\\n])*)\2", code):
        yield re.sub(r"\{[^{}]*\}", ".", found[3]) if found[1] else found[3]


def of_python():
    for path in sorted(PACKAGE.rglob("*.py")):
        module = path.relative_to(PACKAGE).as_posix()
        if module == "cli/wording.py" or {module, module.partition("/")[0]} & ELSEWHERE.keys():
            continue
        for words in sentences(path):
            if " " in words and PYTHON.search(spoken(words)) and not words.startswith(KNOWN):
                yield f"{module}: {words}"


def test_no_sentence_that_a_command_prints_asks_for_python():
    assert list(of_python()) == []


def test_every_wording_stands_for_what_the_package_says():
    files = (path for path in PACKAGE.rglob("*.py") if path.name != "wording.py")
    whole = PIECES.sub("", "\n".join(path.read_text("utf-8") for path in files))
    assert [words for words in _WORDS if words.replace("recover;", "{option};") not in whole] == []


@pytest.fixture
def unknown(tmp_path):
    """A file that no format knows."""
    file = tmp_path / "unknown.bin"
    file.write_bytes(b"\x01\x02\x03 nothing that is known")
    return file


@pytest.mark.parametrize("command", [["stats"], ["sessions"], ["packets"], ["export-netflow", "--to", "flows.pcap"]])
def test_a_file_that_no_format_knows_is_told_with_the_option_that_names_one(unknown, monkeypatch, capsys, command):
    monkeypatch.chdir(unknown.parent)

    assert run(*command, unknown) == 1

    said = capsys.readouterr().err
    assert "is in no format that nsm_nb knows" in said and "name it with --read-as if you know better: " in said
    assert "format=" not in said
    assert not (unknown.parent / "flows.pcap").exists()


def test_a_file_is_read_as_the_format_that_is_named(bundled, capsys):
    listing = next(bundled.glob("evidence/flow-tools/*"))
    known = nsm.formats.recognised(listing)[0]

    assert run("sessions", listing, "-f", "csv") == 0
    found = capsys.readouterr().out
    assert run("sessions", listing, "-f", "csv", "--read-as", known) == 0
    assert capsys.readouterr().out == found
    assert run("sessions", listing, "--read-as", "pcap") == 1
    assert "does not start as a capture does" in capsys.readouterr().err


def test_a_format_is_named_for_one_file_alone(place, rotated, capsys):
    assert run("stats", place, "--read-as", "pcap") == 1
    assert "--read-as is for a file that is named" in capsys.readouterr().err
    assert run("stats", f"{rotated}/snort.log.*", "--read-as", "pcap") == 1
    assert "name one file with --read-as" in capsys.readouterr().err
    assert run("stats", f"{rotated}/snort.log.0", "--read-as", "nothing") == 1
    assert "nothing" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["transcript", "{}", "7"], "there is no session 7 in this case; nsm-nb sessions lists them"),
        (["judge", "{}", "NA", "x:1"], "there is no alert 'x:1' in this case; nsm-nb alerts lists them"),
        (["create", "{}"], "is a case already; open it with nsm-nb lab"),
    ],
)
def test_what_a_case_does_not_have_is_listed_by_a_command(place, capsys, words, said):
    assert run(*(each.format(place) for each in words)) == 1

    assert said in capsys.readouterr().err


def test_a_reason_that_is_wanted_is_an_option(judged, capsys):
    alert = nsm.open_case(judged).alerts["alert"].iloc[0]

    assert run("judge", judged, "ESC", alert) == 1

    assert "needs a comment: say why, with --comment\n" in capsys.readouterr().err


def test_a_summary_says_where_its_caveats_are(place, tmp_path, capsys, caplog):
    capture = tmp_path / "cut.pcap"
    capture.write_bytes((place / "evidence" / "a.pcap").read_bytes()[:-5])

    assert run("stats", capture) == 0

    assert "1 caveat noted by the reader, told on stderr\n" in capsys.readouterr().out
    assert "cut short" in caplog.text  # which goes to stderr


def test_two_spans_are_compared_by_the_second_where_that_is_asked(place, tmp_path, capsys):
    frame = writing.ethernet(writing.ip(writing.udp(b"x" * 99, 1000, 53), "10.9.9.9", "10.8.8.8", 17))
    later = tmp_path / "later.pcap"
    later.write_bytes(writing.pcap([((10**9 + each) * 10**9, frame, len(frame)) for each in range(0, 10**6, 10**5)]))
    words = ["stats", place / "evidence" / "a.pcap", "--compare", later]

    assert run(*words) == 0
    assert "--rates compares amounts per second" in capsys.readouterr().err
    assert run(*words, "--rates") == 0
    told = capsys.readouterr()
    assert "--rates" not in told.err and told.out.startswith("status")
    assert run("stats", later, "--rates") == 1
    assert "it needs --compare" in capsys.readouterr().err


# --- counts


def one_of_each(folder):
    """A case of one file with one packet."""
    frame = writing.ethernet(writing.ip(writing.udp(b"x", 1000, 53), "10.9.9.9", "10.8.8.8", 17))
    evidence = folder / "one.pcap"
    evidence.write_bytes(writing.pcap([(10**18, frame, len(frame))]))
    return evidence


def test_one_is_never_told_as_several(tmp_path, capsys, judged):
    evidence, case = one_of_each(tmp_path), tmp_path / "case"
    assert run("create", case, evidence) == 0
    assert "is a case of 1 file; next" in capsys.readouterr().err
    assert run("index", case) == 0
    assert "1 file, 1 packet, 1 session, 0 alerts" in capsys.readouterr().err
    assert run("verify", case, "--evidence") == 0
    assert capsys.readouterr().out.splitlines()[1] == "evidence: 1 file hashed, 0 changed"
    assert run("export-netflow", evidence, "--to", tmp_path / "flows.pcap") == 0
    assert "1 flow of 29 octets is in 1 datagram of NetFlow version 5" in capsys.readouterr().err
    session = nsm.open_case(case).sessions["session"].iloc[0]
    assert run("transcript", case, session, "--decode", "join") == 0
    assert "join: 1 byte in 1 part to 1 in 1\n" in capsys.readouterr().err
    alert = nsm.open_case(judged).alerts["alert"].iloc[0]
    assert run("judge", judged, "NA", alert, "--comment", "noise") == 0
    assert capsys.readouterr().err.startswith("1 verdict written, it is record ")


def test_several_are_told_as_such(rotated, tmp_path, capsys):
    assert run("create", tmp_path / "case", *sorted(rotated.glob("snort.log.*"))) == 0
    assert "is a case of 3 files; next" in capsys.readouterr().err
    assert run("verify", tmp_path / "case", "--evidence") == 0
    assert "ledger: fine, 0 records" in capsys.readouterr().out
