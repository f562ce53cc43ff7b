import json
import shutil

import pytest

import nsm_nb as nsm
from nsm_nb.case.growing import Growing


@pytest.fixture(scope="module")
def lines(bundled):
    """The alerts of the bundled EVE log, a line each."""
    text = (bundled / "evidence" / "suricata" / "eve.json").read_text().splitlines(keepends=True)
    return [each for each in text if json.loads(each)["event_type"] == "alert"][:30]


@pytest.fixture
def place(tmp_path, lines):
    """A case with the first ten of them."""
    folder = tmp_path / "running"
    (folder / "evidence").mkdir(parents=True)
    (folder / "case.toml").write_text('name = "running"\n[sensors]\n"*" = "gate"\n')
    (folder / "evidence" / "eve.json").write_text("".join(lines[:10]))
    return folder


def write(place, lines, name="eve.json"):
    with (place / "evidence" / name).open("a") as file:
        file.write("".join(lines))


def test_what_is_written_meanwhile_is_in_the_tables_of_the_case(place, lines):
    case = nsm.open_case(place)
    growing = Growing(case)
    assert len(growing.new()) == 10 and len(case.alerts) == 10

    write(place, [*lines[10:14], lines[14][:50]])  # the last one is being written
    came = growing.new()

    assert len(came) == 4 and len(case.alerts) == len(case.joins) == 14
    assert set(case.alerts["sensor"]) == {"gate"}
    assert case.alert(came["alert"].iloc[0])["message"] == came["message"].iloc[0]
    assert case.detail(came["alert"].iloc[3])["event_type"] == "alert"
    assert not len(growing.new())


def test_names_and_verdicts_hold_from_before_until_the_file_is_whole(place, lines):
    before = nsm.open_case(place)
    known = before.alerts["alert"].tolist()
    before.judge(known[0], "VI", analyst="ada")

    case = nsm.open_case(place)
    growing = Growing(case)
    growing.new()
    assert case.alerts["alert"].tolist() == known
    write(place, lines[10:20])
    came = growing.new()["alert"].tolist()
    case.judge(came[-1], "NA", analyst="ada")

    after = nsm.open_case(place)
    assert after.alerts["alert"].tolist() == case.alerts["alert"].tolist() == [*known, *came]
    assert after.status().to_dict() == {known[0]: "VI", came[-1]: "NA"}
    again = Growing(after)
    again.new()
    assert after.alerts["alert"].tolist() == [*known, *came]


def test_a_rotated_file_keeps_its_names_under_its_new_name(place, lines):
    case = nsm.open_case(place)
    growing = Growing(case)
    growing.new()
    write(place, lines[10:15])
    growing.new()
    shutil.move(place / "evidence" / "eve.json", place / "evidence" / "eve.json.1")
    write(place, lines[20:25])
    growing.new()
    names = set(case.alerts["alert"])
    assert len(names) == 20

    assert set(nsm.open_case(place).alerts["alert"]) == names


def test_a_file_that_can_t_be_followed_stays_as_it_was_read(place, lines):
    import gzip

    (place / "evidence" / "old.json.gz").write_bytes(gzip.compress("".join(lines[25:30]).encode()))
    case = nsm.open_case(place)
    growing = Growing(case)

    growing.new()

    assert len(case.alerts) == 15
    assert "gzip" in growing.troubles["old.json.gz"]


def test_what_somebody_wrote_into_the_memory_of_names_does_no_harm(place):
    case = nsm.open_case(place)
    names = case.alerts["alert"].tolist()
    for text in ("[]", '{"x": 1}', '{"x": ["a", "b", "c", "d"]}', "{", '{"00": ["eve.json", 99999999999, "zz", 5]}'):
        (case.work / "followed.json").write_text(text)
        assert nsm.open_case(place).alerts["alert"].tolist() == names
