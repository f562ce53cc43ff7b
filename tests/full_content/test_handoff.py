"""Packets handed to Wireshark, or left for a download."""

from __future__ import annotations

import os
import shlex
import sys
import time

import pytest

import nsm_nb as nsm
from nsm_nb.errors import UnreadableEvidence
from nsm_nb.full_content import wireshark
from tests import writing


@pytest.fixture
def stand_in(tmp_path, monkeypatch):
    """A program called wireshark that writes down its arguments, and a screen."""
    folder = tmp_path / "bin"
    folder.mkdir()
    program = folder / "wireshark"
    heard = tmp_path / "heard"
    code = f"import os, sys; open({str(heard)!r}, 'w').write(repr((os.getpid(), sys.argv[1:])))"
    program.write_text(f'#!/bin/sh\nexec {sys.executable} -c {shlex.quote(code)} "$@"\n')
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{folder}:/bin:/usr/bin")
    monkeypatch.setenv("DISPLAY", ":9")

    def arguments():
        for _ in range(200):
            if heard.exists() and heard.read_text():
                process, words = eval(heard.read_text())
                wait_until_gone(process)
                return words
            time.sleep(0.05)
        raise AssertionError("wireshark was not started")

    return arguments


def wait_until_gone(process):
    """Wait for the end of a process of ours; one that nobody has waited for stays as a zombie, to which signals still go."""
    for _ in range(200):
        try:
            os.kill(process, 0)
        except ProcessLookupError:
            return
        time.sleep(0.05)
    raise AssertionError(f"wireshark ({process}) was not waited for when it had ended")


@pytest.mark.parametrize("name", ["a.pcap", "-o x$(touch y);`id` 'q\".pcap", "mit leer.pcap"])
def test_a_capture_is_opened_whatever_its_name(tmp_path, stand_in, monkeypatch, name):
    monkeypatch.chdir(tmp_path)
    (tmp_path / name).write_bytes(writing.pcap(writing.conversation()))

    handed = wireshark(name)

    assert (handed.path, handed.opened, handed.why) == (tmp_path / name, True, "")
    assert stand_in() == ["-n", "-r", str(tmp_path / name)]
    assert not (tmp_path / "y").exists()


def test_packets_are_carved_and_opened(tmp_path, stand_in):
    (tmp_path / "a.pcap").write_bytes(writing.pcap(writing.conversation()))

    handed = wireshark(nsm.read_packets(tmp_path / "a.pcap").iloc[:3], folder=tmp_path / "out", comment="the opening")

    assert stand_in() == ["-n", "-r", str(handed.path)]
    assert handed.path == tmp_path / "out" / "packets.pcapng"
    assert len(nsm.read_packets(handed.path)) == 3


def test_without_a_screen_the_capture_is_left_for_a_download(tmp_path, stand_in, monkeypatch):
    monkeypatch.delenv("DISPLAY")
    monkeypatch.delenv("WAYLAND_DISPLAY", raising=False)
    (tmp_path / "a.pcap").write_bytes(writing.pcap(writing.conversation()))

    handed = wireshark(tmp_path / "a.pcap")

    assert not handed.opened
    assert "no screen here" in handed.why
    assert "download the capture" in handed.why
    assert handed.path.is_file()


def test_without_wireshark_it_says_so(tmp_path, monkeypatch):
    monkeypatch.setenv("PATH", str(tmp_path))
    (tmp_path / "a.pcap").write_bytes(writing.pcap([]))

    assert "is not installed on this machine" in wireshark(tmp_path / "a.pcap").why


def test_a_capture_that_is_not_there_is_told(tmp_path, stand_in):
    with pytest.raises(UnreadableEvidence, match="is no file"):
        wireshark(tmp_path / "no\x1b.pcap")
