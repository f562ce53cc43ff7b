"""A capture cut into pieces, each assembled, shuffled and stitched: the sessions of the whole."""

from __future__ import annotations

import functools
import itertools
import random

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import nsm_nb as nsm
from nsm_nb.errors import MissingColumn
from nsm_nb.kernels.conversations import FIN_ACKED
from nsm_nb.schema import PACKETS, SESSIONS, caveats_of
from nsm_nb.sessions import assemble
from nsm_nb.sessions.stitching import stitch

FIN, SYN, RST, PSH, ACK = 1, 2, 4, 8, 16
MORE = ["isn", "vni", "icmp_id", "until"]
COLUMNS = {
    "at": "int64", "proto": object, "client": "int64", "to_dst": bool, "flags": "Int64", "seq": "int64", "ack": "int64",
    "window": "int64", "size": "int64", "type": "Int64", "id": "Int64",
}  # fmt: skip


def table_of(said, evidence="e") -> pd.DataFrame:
    """Packets of (nanosecond, protocol, client, from the client, flags, seq, ack, window, size, ICMP type and id)."""
    said = pd.DataFrame(sorted(said, key=lambda each: each[0]), columns=list(COLUMNS)).astype(COLUMNS)
    tcp, icmp = said["proto"] == "tcp", said["proto"] == "icmp"
    ends = ("10.0.0." + said["client"].astype(str)), pd.Series("10.1.0.1", index=said.index)
    ports = (
        (40000 + said["client"]).where(~icmp).astype("Int64"),
        pd.Series(80, index=said.index, dtype="Int64").where(~icmp),
    )
    forth, number = said["to_dst"], np.arange(1, len(said) + 1)
    one_way = (said["type"] == 3).fillna(False)
    return PACKETS.conform(
        pd.DataFrame(
            {
                "evidence": evidence, "frame": number, "time": pd.to_datetime(said["at"], utc=True), "offset": number,
                "length": 54 + said["size"], "captured": 54 + said["size"], "octets": 40 + said["size"],
                "src_ip": ends[0].where(forth, ends[1]), "dst_ip": ends[1].where(forth, ends[0]),
                "src_port": ports[0].where(forth, ports[1]), "dst_port": ports[1].where(forth, ports[0]),
                "proto": said["proto"], "tcp_flags": said["flags"].where(tcp), "seq": said["seq"].where(tcp),
                "ack": said["ack"].where(tcp), "window": said["window"].where(tcp), "payload": said["size"],
                "icmp_type": said["type"], "icmp_code": said["type"].where(~one_way, 1) % 2, "icmp_id": said["id"],
                "vlan": pd.Series([7 if client % 10 == 9 else pd.NA for client in said["client"]], dtype="UInt16"),
            }
        )
    )  # fmt: skip


def plainly(table: pd.DataFrame, columns=(*SESSIONS.columns, *MORE)) -> dict[str, str]:
    return {name: repr(table[name].tolist()) for name in columns}


def cut(table: pd.DataFrame, places, *, rotated=False) -> list[pd.DataFrame]:
    """Pieces of a capture; rotated ones are files of their own, whose frames are counted from 1."""
    bounds = [0, *sorted(places), len(table)]
    parts = [table.iloc[a:b].reset_index(drop=True) for a, b in itertools.pairwise(bounds)]
    if not rotated:
        return parts
    return [
        part.assign(evidence=f"{number:03}.pcap", frame=np.arange(1, len(part) + 1, dtype=np.uint32))
        for number, part in enumerate(parts)
    ]


def joined(parts) -> pd.DataFrame:
    return PACKETS.conform(pd.concat([part.astype({"evidence": object}) for part in parts], ignore_index=True))


def assembled(parts):
    return [assemble(part, pieces=True)[0] for part in parts]


def same_sessions(found, whole):
    """All columns equal; of `history` what was sent again may be missing (see the notes of `stitch`)."""
    others = [name for name in [*SESSIONS.columns, *MORE] if name != "history"]
    assert plainly(found, others) == plainly(whole, others)
    assert (found["bits"] & ~FIN_ACKED).tolist() == (whole["bits"] & ~FIN_ACKED).tolist()
    told, truth = (table["history"].fillna("-") for table in (found, whole))
    assert (told.where(truth.str.contains("t", case=False), truth) == told).all()
    without = [each.str.replace("t", "", case=False).tolist() for each in (told, truth)]
    assert without[0] == without[1]


# --- any packets, cut anywhere

# What a client (capital letters) and its server say, as Zeek's history does: S SYN of a new connection, H SYN-ACK that takes
# the last SYN, A acknowledgement, D data, F FIN, R reset, T data sent again; and R' for what Zeek has no letter for: Q the last
# SYN again, J a SYN-ACK that does not take it, K a keep-alive, W a window of 0, Y a reset that does not belong, N no flags at
# all, C a TCP header that was cut. Of ICMP E and X ask and answer with one identifier, G and V with another, U is unreachable
WORDS = {
    "tcp": [
        *"SsQHhJAaDdTtKWwFfRrYNC", "ShAD", "ShADadFfA", "ShADadFafA", "ShADR", "ShADadr", "Sr", "SSS", "DadA", "Ff", "FfAS",
        "R.S", "..", ".", ",",
    ],
    "udp": ["d", "D", "Dd", ".", ",", ";"],
    "icmp": ["E", "X", "EX", "G", "V", "u", "U", ".", ",", ";"],
}  # fmt: skip
SILENCE = {".": 100, ";": 299, ",": 3601}
FLAGS = {
    "s": SYN,
    "q": SYN,
    "h": SYN | ACK,
    "j": SYN | ACK,
    "f": FIN | ACK,
    "r": RST | ACK,
    "y": RST,
    "n": 0,
    "c": pd.NA,
}
SIZES = {"d": 10, "t": 10, "k": 1}


def spoken(words, *, proto="tcp", client=1, at=0.0, step=0.001, isn=None):
    """What the letters stand for, as `table_of` takes it."""
    said, clock, opened, syn = [], round(at * 1e9) + client, 0, (True, 0)
    seq = {True: isn or 1000, False: (isn or 8993) + 7}
    for letter in words:
        clock += round((SILENCE.get(letter, 0) + step) * 1e9)
        if letter in SILENCE:
            continue
        mine, what, icmp = letter.isupper(), letter.lower(), (pd.NA, pd.NA)
        if proto != "tcp":
            if what in "exgv":
                mine, icmp = what in "eg", (8 if what in "eg" else 0, 1 + (what in "gv"))
            elif what == "u":
                icmp = 3, pd.NA
            said.append((clock, proto, client, mine, pd.NA, 0, 0, 0, 20, *icmp))
            continue
        if what == "s":
            opened += 1
            seq[mine] = isn if isn and opened == 1 else (client * 77_777_777 + opened * 1_618_033_989) % (1 << 32)
            syn = mine, seq[mine]
        elif what in "hj":
            mine = not syn[0]
            seq[mine] = (syn[1] * 31 + 7) % (1 << 32)
        flags, size, number, ack = FLAGS.get(what, ACK), SIZES.get(what, 0), seq[mine], seq[not mine]
        if what in "sq":
            (mine, number), ack = syn, 0
        elif what in "hj":
            ack = syn[1] + 1 + (what == "j")
        number += {"y": 1 << 29, "t": -10, "k": -1}.get(what, 0)
        window = 0 if what == "w" else 100
        said.append((clock, proto, client, mine, flags, number % (1 << 32), ack % (1 << 32), window, size, *icmp))
        if what in "sqhdf":
            seq[mine] = (number + size + (what in "sqhf")) % (1 << 32)
    return said


def several(proto, first, most, length):
    words = st.lists(st.sampled_from(WORDS[proto]), min_size=1, max_size=length).map("".join)
    return st.lists(st.tuples(st.integers(0, 300), words), max_size=most).map(
        lambda each: [
            packet
            for number, (at, said) in enumerate(each, first)
            for packet in spoken(said, proto=proto, client=number, at=at)
        ]
    )


@settings(max_examples=5)
@given(several("tcp", 1, 10, 12), several("udp", 11, 2, 8), several("icmp", 13, 2, 8), st.booleans(), st.data())
def test_a_capture_cut_shuffled_and_stitched_is_the_capture(tcp, udp, icmp, rotated, data):
    table = table_of([*tcp, *udp, *icmp])
    parts = cut(table, data.draw(st.lists(st.integers(0, len(table)), max_size=5)), rotated=rotated)
    (whole,), pieces = assembled([joined(parts)]), assembled(parts)
    data.draw(st.randoms(use_true_random=False)).shuffle(pieces)

    found = stitch(pieces)
    same_sessions(found, whole)
    columns = [*SESSIONS.columns, *MORE, "bits"]
    one_by_one = functools.reduce(lambda so_far, piece: stitch([piece, so_far]), pieces)
    assert plainly(one_by_one, columns) == plainly(found, columns)


def test_many_conversations_cut_shuffled_and_stitched_are_those_of_the_capture():
    chance = random.Random(5)
    said = []
    for client in range(1, 100):
        proto = chance.choice(["tcp"] * 6 + ["udp", "icmp"])
        words = "".join(chance.choice(WORDS[proto]) for _ in range(chance.randrange(1, 14)))
        said += spoken(words, proto=proto, client=client, at=chance.randrange(300))
    table = table_of(said)
    parts = cut(table, [chance.randrange(len(table)) for _ in range(6)], rotated=True)
    pieces = assembled(parts)
    chance.shuffle(pieces)

    (whole,) = assembled([joined(parts)])
    same_sessions(stitch(pieces), whole)
    same_sessions(stitch([stitch(pieces[:3]), stitch(pieces[3:])]), whole)


@pytest.fixture(scope="module")
def staged(evidence):
    table = nsm.read_packets(evidence / "staged.pcap")
    return table[table["octets"].notna()].reset_index(drop=True)  # the last frame may be of ARP


@pytest.mark.parametrize("seed", range(2))
def test_the_staged_capture_cut_and_stitched_is_the_capture(staged, seed):
    chance = random.Random(seed)
    parts = assembled(cut(staged, [chance.randrange(len(staged)) for _ in range(6)]))
    chance.shuffle(parts)
    (whole,) = assembled([staged])

    assert sum(map(len, parts)) > len(whole)
    same_sessions(stitch(parts), whole)


# --- a port that is used anew


ANEW = [
    "ShADadFfA.S",  # after a close, a SYN that nobody answers
    "ShADadFfASh",
    "ShADR.ShAD",  # after a reset
    "S.ShAD",  # after a SYN without answer: its number tells
    "DadA.ShADadFafA",  # no close was seen: the answer tells
    "DadA.SDaDahAD",  # packets of the old connection between SYN and answer
    "DadADDDDaSDDDaDhADaD",
    "DadASahaAD",
    "DadA.SJAD",  # an answer that does not take the SYN
    "ShAD.sQHad",  # the other end opens
    "ShAD.FSfAS",
]


def test_a_port_used_anew_is_told_from_pieces_as_from_the_capture():
    table = table_of(
        [
            packet
            for number, (words, step) in enumerate(itertools.product(ANEW, (0.001, 30)), 1)
            for packet in spoken(words, client=number, step=step)
        ]
    )
    (whole,) = assembled([table])
    client = table["src_ip"].astype(object).where(table["src_port"] != 80, table["dst_ip"].astype(object))
    place = table.groupby(client).cumcount()

    assert len(whole) > len(ANEW) * 2
    for cut_at in range(1, place.max() + 1, 2):  # each conversation around its packet of that number
        pieces = assembled([table[place > cut_at], table[place == cut_at], table[place < cut_at]])
        same_sessions(stitch(pieces), whole)


# --- what a piece takes along


def test_one_table_comes_back_as_it_was_with_every_letter_of_its_history(staged):
    (whole,) = assembled([staged.iloc[:3000]])
    columns = [*SESSIONS.columns, *MORE, "bits"]

    assert plainly(stitch([whole]), columns) == plainly(whole, columns)


def test_windows_of_0_and_what_was_sent_again_are_counted_over_all_pieces():
    table = table_of(spoken("ShAD" + "WD" * 12 + "DT" * 11 + "dwA"))
    (whole,) = assembled([table])

    assert whole["history"].tolist() == ["ShADWWTTdaw"]
    for place in (2, 8, 20, len(table) - 2):
        assert stitch(assembled(cut(table, [place])))["history"].tolist() == whole["history"].tolist()


def test_of_several_segments_sent_again_at_the_beginning_of_a_piece_only_the_first_is_sure_to_be_told():
    table = table_of(spoken("ShA" + "D" * 12))
    again = table.iloc[3:].assign(frame=range(16, 28), time=lambda each: each["time"] + pd.Timedelta("1s"))
    table = joined([table, again.astype({"frame": "uint32"})])
    (whole,), found = assembled([table]), stitch(assembled(cut(table, [15])))

    assert (whole["history"].tolist(), found["history"].tolist()) == (["ShADTT"], ["ShADT"])
    same_sessions(found, whole)


def test_a_long_transfer_takes_few_packets_along():
    table = table_of(spoken("ShA" + "DDa" * 2000 + "FfA"))
    pieces = assembled(cut(table, [3000]))

    assert all(len(each) < 20 * 72 for piece in pieces for each in piece["telling"])
    same_sessions(stitch(pieces), assembled([table])[0])


def test_pieces_keep_sensor_and_evidence_of_their_first_packets():
    table = table_of([*spoken("ShAD"), *spoken("Dd", client=2, at=5)])
    parts = cut(table, [2], rotated=True)
    pieces = [assemble(part, pieces=True, sensor=name)[0] for part, name in zip(parts, ("one", "two"), strict=True)]
    found = stitch(pieces[::-1])

    assert found["sensor"].tolist() == ["one", "two"]
    assert found["evidence"].tolist() == ["000.pcap", "001.pcap"]
    assert found["record"].tolist() == [1, 3]


def test_captures_of_one_name_are_put_in_order_by_time():
    table = table_of(spoken("ShADadFfAS"))
    parts = [part.assign(evidence="x.pcap") for part in cut(table, [4], rotated=True)]
    (whole,) = assembled([joined(parts)])

    same_sessions(stitch(assembled(parts)[::-1]), whole)


def test_frames_of_one_capture_keep_their_order_where_its_clock_ran_backwards():
    table = table_of(spoken("ShADadDaDaFfA"))
    table.loc[[4, 8], "time"] -= pd.Timedelta("2.5ms")
    for place in (4, 5, 8):
        same_sessions(stitch(assembled(cut(table, [place]))[::-1]), assembled([table])[0])


def test_the_same_piece_given_twice_counts_once():
    table = table_of([*spoken("ShADadFfA"), *spoken("DdDdDd", proto="udp", client=6)])
    one, two, three = assembled(cut(table, [4, 9], rotated=True))
    (whole,) = assembled([joined(cut(table, [4, 9], rotated=True))])

    same_sessions(stitch([one, two, one, three]), whole)
    same_sessions(stitch([stitch([one, two]), stitch([two, three])]), whole)


def test_vlans_are_apart_unless_the_pieces_were_assembled_otherwise():
    table = table_of(spoken("ShADad"))
    table["vlan"] = pd.array([5, 6, 5, 5, 6, 6], "UInt16")
    apart, together = (
        [assemble(part, pieces=True, by_vlan=by_vlan)[0] for part in cut(table, [3])] for by_vlan in (True, False)
    )

    assert stitch(apart)["vlan"].tolist() == [5, 6]
    assert [each.kind for each in caveats_of(stitch(apart))] == ["vlan"]
    same_sessions(stitch(together), assemble(table, pieces=True, by_vlan=False)[0])
    # identifier 0 is a priority without a VLAN
    table["vlan"] = pd.array([0, pd.NA] * 3, "UInt16")
    assert len(stitch(assembled(cut(table, [3])))) == 1


def test_idle_seconds_are_counted_to_the_last_packet_of_any_kind():
    table = table_of([*spoken("ShAD"), *spoken("D", proto="udp", client=6, at=500)])
    table.loc[len(table) - 1, ["octets", "src_ip", "dst_ip"]] = pd.NA
    pieces = assembled(cut(table, [2]))

    assert stitch(pieces)["closed"].tolist() == assembled([table])[0]["closed"].tolist() == ["idle 499 s"]


def test_silence_beyond_the_timeout_is_not_bridged_unless_told_so():
    table = table_of([*spoken("DaDa", step=1), *spoken("DaDa", at=4000, isn=500, step=1)])
    parts = assembled(cut(table, [4]))

    assert len(stitch(parts)) == 2
    assert len(stitch(parts, idle={"tcp": 5000})) == 1


def test_what_was_filtered_out_does_not_come_back():
    table = table_of([*spoken("ShADadFafA", step=1), *spoken("ShADadFafA", client=2, at=0.5, step=1)])
    found = stitch(assembled(cut(table, [8])))
    one = found[found["src_ip"] == "10.0.0.2"]

    assert len(stitch([one])) == 1
    assert stitch([one])["src_packets"].tolist() == one["src_packets"].tolist()


def test_sessions_without_what_stitching_needs_are_refused():
    sessions, _ = assemble(table_of(spoken("ShA")))
    with pytest.raises(MissingColumn, match="pieces=True"):
        stitch([sessions])


@pytest.mark.parametrize("wrong", [b"", b"x", None])
def test_packets_taken_along_that_are_not_readable_are_refused(wrong):
    (sessions,) = assembled([table_of(spoken("ShA"))])
    sessions["telling"] = pd.Series([wrong], dtype=object)
    with pytest.raises(ValueError, match="pieces=True"):
        stitch([sessions])


def test_pieces_written_to_a_file_and_read_again_are_stitched(tmp_path):
    table = table_of(spoken("ShADadFfAS"))
    pieces = assembled(cut(table, [4, 9]))
    for number, piece in enumerate(pieces):
        piece.to_pickle(tmp_path / f"{number}.pickle")
    again = [pd.read_pickle(tmp_path / f"{number}.pickle") for number in range(3)]

    same_sessions(stitch(again), assembled([table])[0])
