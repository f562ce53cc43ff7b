"""Frames and payloads come back from the evidence byte for byte, plain or packed, in the order that was asked for."""

from __future__ import annotations

import gzip

import pytest

import nsm_nb as nsm
from nsm_nb.errors import DamagedEvidence, UnknownName
from nsm_nb.full_content import frame_bytes, payload_bytes
from tests import writing

FRAMES = [frame for _, frame in writing.conversation()]


@pytest.fixture(params=["x.pcap", "x.pcap.gz"])
def capture(request, tmp_path):
    data = writing.pcap(writing.conversation())
    (tmp_path / request.param).write_bytes(gzip.compress(data) if request.param.endswith("gz") else data)
    return tmp_path / request.param


def test_frames_come_in_the_order_of_the_rows(capture):
    packets = nsm.read_packets(capture)

    assert frame_bytes(packets.iloc[::-1]) == FRAMES[::-1]
    assert frame_bytes(packets.iloc[[3, 0, 3]]) == [FRAMES[3], FRAMES[0], FRAMES[3]]


def test_payloads_are_what_stands_above_tcp(capture):
    payloads = payload_bytes(nsm.read_packets(capture))

    assert [each.data for each in payloads if each.size] == [b"GET / HTTP/1.1\r\n\r\n", b"HTTP/1.1 200 OK\r\n\r\nhello"]


def test_evidence_that_is_not_there_is_named(capture):
    with pytest.raises(UnknownName, match="there is no evidence named"):
        frame_bytes(nsm.read_packets(capture), evidence={"other.pcap": capture})


def test_evidence_that_became_shorter_is_told(tmp_path):
    path = tmp_path / "x.pcap"
    path.write_bytes(writing.pcap(writing.conversation()))
    packets = nsm.read_packets(path)
    path.write_bytes(path.read_bytes()[:-10])

    with pytest.raises(DamagedEvidence, match="shorter than when it was read"):
        frame_bytes(packets)
