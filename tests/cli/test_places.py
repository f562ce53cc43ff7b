"""What a call reads: a case, captures as one by a pattern or their names, and never something to write to."""

from __future__ import annotations

import hashlib
import os

from nsm_nb import cli
from tests import writing


def run(*arguments):
    return cli.main([str(each) for each in arguments])


def test_a_file_that_is_read_is_never_written_over_by_whatever_name(place, tmp_path, capsys):
    capture, other = tmp_path / "a.pcap", tmp_path / "b.pcap"
    for each in (capture, other):
        each.write_bytes((place / "evidence" / "a.pcap").read_bytes())
    (tmp_path / "soft").symlink_to(capture)
    os.link(capture, tmp_path / "hard")
    before = hashlib.sha256(capture.read_bytes()).hexdigest()

    for out in ("a.pcap", "./x/../a.pcap", "soft", "hard"):
        for words in ([capture], [capture, "--show", "hosts"], [other, "--compare", capture], [capture, other],
                      [tmp_path / "*.pcap"], [place, "--compare", capture]):  # fmt: skip
            assert run("stats", *words, "-o", tmp_path / out) == 1
            assert run("stats", *words, "-o", tmp_path / out, "--overwrite") == 1
            assert "is evidence, which is never written to" in capsys.readouterr().err

    (tmp_path / "x").mkdir()
    assert run("stats", capture, "--compare", place, "-o", place / "evidence" / "new.txt") == 1
    assert "among the evidence" in capsys.readouterr().err
    assert {hashlib.sha256(each.read_bytes()).hexdigest() for each in (capture, other)} == {before}
    assert os.listdir(place / "evidence") == ["a.pcap"]


def test_rotated_captures_are_one_by_a_pattern_or_their_names(place, rotated, capsys):
    names = sorted(rotated.glob("snort*"))
    assert run("stats", place / "evidence" / "a.pcap", "--show", "talkers", "-f", "csv") == 0
    whole = capsys.readouterr().out

    for words in ([f"{rotated}/snort.log.*"], names, [f"{rotated}/snort.log.[01]", names[2]]):
        assert run("stats", *words, "--show", "talkers", "-f", "csv") == 0
        assert capsys.readouterr().out == whole
        assert run("stats", *words) == 0
        capsys.readouterr()

    assert run("stats", f"{rotated}/*.pcap") == 1
    assert "no file matches" in capsys.readouterr().err
    assert run("stats", names[0], rotated) == 1
    assert "is a folder; give one case, one folder, or files" in capsys.readouterr().err
    assert run("packets", rotated / "x.pcap", names[0]) == 1
    assert "does not exist" in capsys.readouterr().err


def test_captures_are_searched_behind_damage_where_that_is_asked(place, tmp_path, capsys):
    frame = writing.ethernet(writing.ip(writing.udp(b"x" * 99, 1000, 53), "10.9.9.9", "10.8.8.8", 17))
    data = bytearray(writing.pcap([((10**9 + each) * 10**9, frame, len(frame)) for each in range(30)]))
    at = 24 + 10 * (16 + len(frame))
    data[at : at + 16] = b"\xff" * 16
    capture = tmp_path / "damaged.pcap"
    capture.write_bytes(data)

    assert run("packets", capture, "--style", "hex") == 0
    short = capsys.readouterr().out
    assert run("packets", capture, "--style", "hex", "--recover") == 0
    told = capsys.readouterr()
    assert len(told.out) > 2 * len(short)
    assert "19 frames from 11 on are a guess, found behind damage" in told.err
    assert run("stats", capture, "--show", "talkers", "--recover") == 0
    assert "19 frames" in capsys.readouterr().err
    assert run("stats", place, "--recover") == 1
    assert "write recover = true into its case.toml" in capsys.readouterr().err
