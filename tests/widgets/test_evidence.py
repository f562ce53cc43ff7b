import shutil

import pytest

from nsm_nb.case.current import current, forget
from nsm_nb.widgets import Evidence
from nsm_nb.widgets.evidence import cases_beside


def test_the_inventory_is_shown_with_hash_and_format(case):
    evidence = Evidence(case)

    rows = {row["texts"][0]: row["texts"] for row in evidence.grid.window(0, 50)}
    assert rows["staged.pcap"][1] == "pcap" and "3.2 MB" in rows["staged.pcap"]
    assert evidence.title == "Evidence of www and files01: a web server in the DMZ, 2026-11-24"
    assert evidence.code.splitlines()[1] == "case.evidence"


def test_a_chosen_file_shows_its_whole_hash_and_caveats(case):
    evidence = Evidence(case)
    evidence.grid.active = evidence.grid.table["evidence"].tolist().index("staged.pcap")

    assert "c536ee6a9d96be2131077df410be3b1f62a6a41adbf2e07589079bf1c51f171e" in evidence.detail.text()


def test_a_damaged_file_is_told_in_amber(case, tmp_path):
    (tmp_path / "evidence").mkdir()
    whole = (case.settings.evidence / "staged.pcap").read_bytes()
    (tmp_path / "evidence" / "cut.pcap").write_bytes(whole[:100_001])
    (tmp_path / "case.toml").write_text('name = "cut"\n')
    evidence = Evidence(case)

    evidence.choose(tmp_path)
    evidence.grid.active = 0

    assert evidence.case.name == "cut"
    assert current() == tmp_path  # what the other notebooks open
    forget()
    assert evidence.status == "1 with caveats"
    assert "cut.pcap" in evidence.detail.text()
    assert any("nsm-doubt" in span[1] for line in evidence.detail.lines for span in line["spans"])


def test_another_case_is_chosen_from_those_beside(case):
    other = case.path.parent / "other"
    shutil.copytree(case.path, other, symlinks=True)
    evidence = Evidence(case)
    assert [each.name for each in cases_beside(case.path)] == ["other", "www-files01"]
    assert evidence.case is case

    evidence._cases.value = other.resolve()

    assert evidence.case.path.resolve() == other.resolve()


def test_a_folder_that_is_no_case_is_one_sentence(case, tmp_path):
    evidence = Evidence(case)

    evidence._path.submit(str(tmp_path / "missing"))

    assert "missing" in evidence.error and evidence.case is case


def test_without_evidence_it_says_where_to_put_it(empty_case):
    evidence = Evidence(empty_case)

    assert str(empty_case.settings.evidence) in evidence.grid.empty
    assert evidence.note == "0 files, 0 bytes"


@pytest.mark.parametrize("name", ["<script>.pcap", "/etc/passwd".replace("/", "_") + " $x$.pcap", "a\x1b[2J.pcap"])
def test_hostile_names_are_text(empty_case, name):
    (empty_case.settings.evidence / name).write_bytes(b"\xd4\xc3\xb2\xa1")
    empty_case.refresh()
    evidence = Evidence(empty_case)
    evidence.grid.active = 0

    sent = repr(evidence.grid.window(0, 5)) + repr(evidence.detail.lines) + evidence.fallback()
    assert "\x1b" not in sent and "<script" not in evidence.fallback()


def test_looking_again_says_how_far_it_is(case, monkeypatch):
    evidence, told = Evidence(case), []
    evidence.observe(lambda change: told.append(change["new"]), "status")
    monkeypatch.setattr("nsm_nb.widgets.evidence.monotonic", iter(range(1, 10_000)).__next__)

    evidence._again.click()

    assert any(each.startswith("reading staged.pcap: ") for each in told) and evidence.error == ""


def test_small_evidence_is_read_at_once(empty_case, evidence):
    empty_case.add(evidence / "staged.pcap")

    shown = Evidence(empty_case)

    assert shown.grid.table["rows"].tolist() == [9746]
    assert shown._read.disabled


def test_large_evidence_waits_for_its_button(empty_case, evidence, monkeypatch):
    monkeypatch.setattr("nsm_nb.widgets.evidence._AT_ONCE", 1_000_000)
    empty_case.add(evidence / "staged.pcap")
    shown = Evidence(empty_case)
    assert "1 file (3.2 MB) is not read yet" in shown.status and not shown._read.disabled

    shown._read.click()

    assert shown.grid.table["rows"].tolist() == [9746] and shown._read.disabled
