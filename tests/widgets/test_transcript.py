import pytest

from nsm_nb.widgets import Transcript


def shell(case):
    """The bind shell's session."""
    return int(case.sessions.loc[case.sessions["dst_port"] == 31337, "session"].iloc[0])


def test_the_chosen_session_is_shown(case):
    case.selection.session = shell(case)
    shown = Transcript(case)

    assert shown.session == shell(case)
    assert "826 bytes from SRC, 3,012 from DST" in shown.note
    lines = shown.text.text().splitlines()
    assert "SRC: id" in lines and "DST: uid=33(www-data) gid=33(www-data) groups=33(www-data)" in lines
    assert "frame 3163" in lines[0]
    assert shown.code == f"case.transcript({shell(case)})"


def test_find_goes_from_place_to_place(case):
    shown = Transcript(case, shell(case))

    assert shown.find("UID=") == 0 and len(shown.hits) == 2
    assert shown._find.count.text() == "1 of 2 places"
    first = shown.text.at
    assert shown.find() == 1 and shown.text.at > first
    assert shown.find() == 0 and shown.find(back=True) == 1
    marked = [span for each in shown.text.lines for span in each["spans"] if "nsm-hit" in span[1]]
    assert [span[0] for span in marked] == ["uid=", "uid="]
    assert ["nsm-hit-now" in span[1] for span in marked] == [False, True]
    assert "frame 3261, byte 406 of DST" in shown.status
    assert shown.code.endswith(".search('UID=').table()")
    assert shown.find("nowhere at all") is None and shown._find.count.text() == "not found"


def test_hex_and_expressions_are_found_on_one_side(case):
    shown = Transcript(case, shell(case))
    shown._find.kind.value, shown._find.side.value = "regex", "dst"

    shown.find(r"uid=\d+")
    assert [hit.data for hit in shown.hits] == [b"uid=33", b"uid=0"]
    shown.view = "hex"
    assert any(span[0] == "75 69 64" or "nsm-hit" in span[1] for each in shown.text.lines for span in each["spans"])
    shown.find("(")
    assert "no regular expression" in shown._find.words.wrong["text"]


def test_hex_is_a_click_away(case):
    shown = Transcript(case, shell(case))

    shown.view = "hex"
    assert "SRC: 00000000  69 64 0a" in shown.text.text() and shown.text.fixed
    assert shown.code == f"print(case.transcript({shell(case)}).text(style='hex'))"


def test_times_are_shown_on_demand(case):
    shown = Transcript(case, shell(case))
    shown._bar.times.value = False

    assert shown.text.text().splitlines()[:3] == ["SRC: id", "DST: uid=33(www-data) gid=33(www-data) groups=33(www-data)",
                                                  "SRC: uname -a"]  # fmt: skip


def of_frame(case, frame):
    packets = case.packets
    return int(packets.loc[packets["frame"] == frame, "session"].iloc[0])


def done(shown):
    shown._pane.work.join(30)
    assert not shown._pane.work.is_alive() and shown.error == ""
    return shown


def test_what_was_decoded_leads_back_to_its_bytes(case):
    shown = Transcript(case, of_frame(case, 2276))
    shown.view = "decoded"
    table = done(shown).table.table

    assert table["text"].iloc[0].startswith("GET /cgi-bin/netcheck.cgi?host=127.0.0.1%3Bid")
    shown.table.active = 1
    assert "uid=33(www-data)" in shown.detail.text() and "\nbody " in shown.detail.text()
    shown._activated(1)
    assert shown.view == "text" and "DST: HTTP/1.1 200 OK" in shown.text.lines[shown.text.at]["spans"][0][0]


def test_what_it_carried_is_listed(case):
    shown = Transcript(case, of_frame(case, 3620))
    shown.view = "objects"

    assert "aa9f738" in " ".join(done(shown).table.table["sha256"].str[:7])
    assert "case.objects" in shown.code or "objects(" in shown.code


def test_its_packets_are_a_tab_and_lead_on(case):
    asked = []
    shown = Transcript(case, shell(case))
    shown.on_packet(lambda capture, frame: asked.append((capture, frame)))
    shown.view = "packets"
    assert shown.table.table["frame"].iloc[0] == 3160
    shown._activated(3)
    shown.view = "text"
    shown.find("uid=0")
    shown.to_packet()

    assert asked == [("staged.pcap", 3163), ("staged.pcap", 3261)]


def test_tshark_tells_of_what_is_no_text(case, tshark):
    shown = Transcript(case, of_frame(case, 3620))
    assert "most of its bytes are no text" in shown.text.text()
    shown.view = "tshark"

    assert "SMB" in done(shown).text.text() and "page 1 of" in shown._bar.pages.text()


def test_what_is_chosen_is_decoded_and_the_recipe_is_kept_with_the_verdict(case):
    shown = Transcript(case, of_frame(case, 4639))
    made = shown.recipe.decode(r"dns-names | match ^[0-9a-f]{4}\.(.+)\.t\. | remove . | join | base32", of="SRC turns")
    assert len(made.data) == 1_276 and "root:x:0:0" in shown.recipe.result.text()

    shown.recipe.verdict.comment.value = "passwd went out by DNS"
    shown.recipe.verdict.choose("I")

    kept = case.verdicts[case.verdicts["subject_kind"] == "session"].iloc[0]
    assert kept["subject"] == str(shown.session) and kept["category"] == "I"
    assert kept["comment"].startswith("passwd went out by DNS [session ") and made.sha256 in kept["comment"]
    assert "base32: 1,276 bytes" in kept["comment"]


def test_bytes_are_chosen_in_the_lines(case):
    shown = Transcript(case, shell(case))
    number = next(place for place, each in enumerate(shown.text.lines) if "uid=33(www-data) gid" in each["spans"][0][0])

    shown.text.select((number, 5), (number, 11))
    assert shown.selection == ("dst", 0, 6)
    assert shown.recipe.decode("rot13").data == b"hvq=33"
    shown.text.select((number, 7), (number, 7))
    assert shown.selection is None and shown.text.at == number
    shown.view = "hex"
    row = next(place for place, each in enumerate(shown.text.lines) if "DST: 00000000" in each["spans"][0][0])
    shown.text.select((row, 5 + 10), (row, 5 + 10 + 9))
    assert shown.selection == ("dst", 0, 3)


def test_a_recipe_that_is_none_is_one_sentence(case):
    shown = Transcript(case, shell(case))
    shown.recipe.recipe.submit("bse64")

    assert "there is no step 'bse64'" in shown.error and shown.recipe.made is None
    shown.recipe._step.value = "xor"
    assert shown.recipe.recipe.value == "bse64 | xor 0x5a or xor secret" or "xor" in shown.recipe.recipe.value


def test_turns_are_gone_through_by_key(case):
    shown = Transcript(case, shell(case))
    shown._key("n")
    assert shown.text.at == 0
    shown._key("n")
    assert "DST" in shown.text.lines[shown.text.at]["spans"][0][0]
    shown._key("p")
    assert shown.text.at == 0


def test_a_key_shows_what_the_keys_do_and_hides_it(case):
    transcript = Transcript(case, shell(case))

    transcript._title.press("?")
    assert transcript._key_lines.layout.display == ""

    transcript._title.press("?")
    assert transcript._key_lines.layout.display == "none"


def test_another_policy_is_a_choice(case):
    shown = Transcript(case, shell(case))
    shown.policy = "last"

    assert shown.said.policy == "last" and "Overlaps:           last" in shown.top.text()
    assert shown.code == f"case.transcript({shown.session}, policy='last')"


def test_it_is_handed_out_as_text_and_bytes(case, monkeypatch):
    shown = Transcript(case, shell(case))
    saved = {}
    monkeypatch.setattr(shown._hand, "save", lambda name, data, kind="": saved.update({name: data}))
    for what in ("text", "src", "dst"):
        shown._hand.press(what)

    assert saved[f"session-{shown.session}-dst.bin"] == shown.said.data("dst")
    assert saved[f"session-{shown.session}-src.bin"] == shown.said.data("src")
    assert saved[f"session-{shown.session}-transcript.txt"].decode() == shown.said.text()
    monkeypatch.setattr("nsm_nb.widgets.giving.MOST", 10)
    shown._hand.press("dst")
    assert (case.path / "carved" / f"session-{shown.session}-dst.bin").read_bytes() == shown.said.data("dst")


def test_a_number_is_asked_for_and_kept(case):
    shown = Transcript(case)
    assert "no session is chosen" in shown.top.text()

    shown._bar.number.submit(str(shell(case)))

    assert shown.session == shell(case) == case.selection.session


@pytest.mark.parametrize("text", ["12", "x", "-1", "²", ""])
def test_a_number_that_is_none_is_one_sentence(case, text):
    shown = Transcript(case)

    shown._bar.number.submit(text)

    assert shown.error and "Error" not in shown.error
    assert shown.said is None


def test_flows_without_packets_say_why_there_is_none(empty_case, evidence):
    empty_case.add(evidence / "suricata" / "eve.json")
    shown = Transcript(empty_case, int(empty_case.sessions["session"].iloc[0]))

    assert "full content" in shown.error


def test_its_packets_are_carved(case):
    shown = Transcript(case, shell(case))

    shown._hand.press("carve")

    assert shown.error == "" and list((case.path / "carved").glob("*.pcapng"))


def test_alerts_about_it_stand_at_the_top(case):
    assert "NSM-LAB BACKDOOR" in Transcript(case, shell(case)).top.text()


def test_long_ones_come_in_pages(case):
    large = case.sessions[case.sessions["source"] == "pcap"].nlargest(1, "dst_payload")["session"].iloc[0]
    shown = Transcript(case, int(large))
    assert "'next page' has them" in shown.text.text() and shown._bar.pages.text() == "page 1 of 2"
    assert shown._bar.back.disabled and not shown._bar.further.disabled

    shown._bar.further.click()

    assert "'next page'" not in shown.text.text() and shown._bar.further.disabled
    assert sum(len(spot.data) for spot in shown._pane.spots if spot is not None) > 0
