"""Rules that judge: what they match, in which order, and that each act of theirs is a record."""

from __future__ import annotations

import time
from datetime import UTC, datetime, timedelta

import numpy as np
import pandas as pd
import pytest

from nsm_nb.errors import LedgerError
from nsm_nb.schema import ALERTS
from nsm_nb.triage import Ledger
from nsm_nb.triage.autocat import Rule, dry_run, matches
from nsm_nb.triage.autocat_conf import read_conf
from nsm_nb.triage.chain import Reference


def alerts(*rows):
    """Return ALERTS with these rows: sensor, protocol, addresses, ports, message."""
    names = ["sensor", "proto", "src_ip", "src_port", "dst_ip", "dst_port", "message"]
    table = pd.DataFrame(rows, columns=names, dtype=object)
    for name in ("src_port", "dst_port"):
        table[name] = table[name].astype("UInt16")
    table["alert"] = [f"0fd1a2b3c4d5:{number}" for number in range(1, len(rows) + 1)]
    table["time"] = pd.date_range("2026-11-24", periods=len(rows), freq="s", tz="UTC")
    table["evidence"], table["record"] = "eve.json", range(1, len(rows) + 1)
    return ALERTS.conform(table)


@pytest.fixture
def queue():
    return alerts(
        ("gw", "tcp", "10.0.0.7", 1025, "203.0.113.9", 80, "ET WEB one"),
        ("gw", "udp", "10.0.1.7", 53, "203.0.113.9", 53, "ET DNS two"),
        ("dmz", "tcp", "2001:db8::1", 1026, "2001:db8::2", 443, "ET WEB one"),
        ("dmz", "icmp", "203.0.113.66", None, "10.0.0.7", None, "GPL ICMP [three]"),
        (None, None, None, None, None, None, None),
    )


def won(table, *rules, **options):
    return matches(table, rules, **options).rule.tolist()


@pytest.mark.parametrize(
    ("parts", "rows"),
    [
        ({}, [0, 1, 2, 3, 4]),
        ({"sensor": "dmz"}, [2, 3]),
        ({"proto": "TCP"}, [0, 2]),
        ({"proto": 17}, [1]),
        ({"src_ip": "10.0.0.0/8"}, [0, 1]),
        ({"src_ip": "10.0.0.7/24"}, [0]),
        ({"dst_ip": "10.0.0.7"}, [3]),
        ({"src_ip": "2001:db8::/32"}, [2]),
        ({"dst_port": 53}, [1]),
        ({"src_port": "1025-1026"}, [0, 2]),
        ({"signature": "ET WEB one"}, [0, 2]),
        ({"signature": "et web one"}, []),
        ({"signature": "ET WEB"}, []),
        ({"signature": "GPL ICMP [three]"}, [3]),
        ({"signature": "^ET (WEB|DNS)", "regexp": True}, [0, 1, 2]),
        ({"signature": "(?i)et web", "regexp": True, "sensor": "gw"}, [0]),
        ({"signature": "any", "regexp": True}, []),
        ({"sensor": "nowhere"}, []),
        ({"src_ip": "10.0.0.0/8", "dst_port": 80, "proto": "udp"}, []),
        ({"active": False}, []),
        ({"expires": datetime(2026, 11, 24, 3, tzinfo=UTC)}, []),
        ({"expires": datetime(2026, 11, 24, 5, tzinfo=UTC)}, [0, 1, 2, 3, 4]),
    ],
)
def test_all_parts_of_a_rule_must_hold(queue, parts, rows):
    found = won(queue, Rule(category="NA", **parts), at=datetime(2026, 11, 24, 4, tzinfo=UTC))
    assert np.flatnonzero(np.array(found) == 0).tolist() == rows


def test_the_first_rule_that_matches_wins(queue):
    rules = [Rule(category="VI", sensor="dmz"), Rule(category="NA", proto="tcp"), Rule(category="I")]
    assert won(queue, *rules) == [1, 2, 0, 0, 2]
    assert won(queue, *rules[::-1]) == [0] * 5
    assert won(queue[:0], *rules) == [] and won(queue) == [-1] * 5


@pytest.mark.parametrize("seed", range(5))
def test_matches_are_those_of_the_slow_way(seed):
    random = np.random.default_rng(seed)
    pick = lambda *values: values[random.integers(len(values))]  # noqa: E731
    rows = [
        (pick("a", "b"), pick("tcp", "udp"), f"10.0.{random.integers(3)}.{random.integers(3)}", int(random.integers(5)),
         f"10.1.0.{random.integers(3)}", int(random.integers(5)), pick("one", "two", "three"))
        for _ in range(60)
    ]  # fmt: skip
    rules = [
        Rule(category="NA", sensor=pick("any", "a"), proto=pick("any", "udp"), src_ip=pick("any", "10.0.1.0/24", "10.0.0.2"),
             dst_ip=pick("any", "10.1.0.1"), src_port=pick("any", "1-3"), dst_port=pick("any", 4),
             signature=pick("any", "two", "^t"), regexp=False)
        for _ in range(8)
    ]  # fmt: skip

    def holds(rule, row):
        import ipaddress

        sensor, proto, src_ip, src_port, dst_ip, dst_port, message = row
        port = lambda part, port: part == "any" or int(part.split("-")[0]) <= port <= int(part.split("-")[-1])  # noqa: E731
        inside = lambda part, ip: part == "any" or ipaddress.ip_address(ip) in ipaddress.ip_network(part)  # noqa: E731
        return (
            rule.sensor in ("any", sensor) and rule.proto in ("any", proto) and rule.signature in ("any", message)
            and inside(rule.src_ip, src_ip) and inside(rule.dst_ip, dst_ip)
            and port(rule.src_port, src_port) and port(rule.dst_port, dst_port)
        )  # fmt: skip

    slow = [next((place for place, rule in enumerate(rules) if holds(rule, row)), -1) for row in rows]
    assert won(alerts(*rows), *rules) == slow


@pytest.mark.parametrize(
    ("parts", "sentence"),
    [
        ({"category": "VIII"}, "no category"),
        ({"category": "ESC"}, "needs a comment"),
        ({"src_ip": "10.0.0"}, "no address and no network"),
        ({"dst_port": "80-"}, "no port and no range"),
        ({"dst_port": 70000}, "no port and no range"),
        ({"dst_port": "90-80"}, "no port and no range"),
        ({"signature": "(", "regexp": True}, "no regular expression that can be run safely"),
        ({"signature": r"(a)\1", "regexp": True}, "back-references are not known"),
        ({"signature": "(?=a)", "regexp": True}, "look-around"),
        ({"signature": "((a{100}){100}){100}", "regexp": True}, "no regular expression that can be run safely"),
        ({"signature": "x" * 2000, "regexp": True}, "too long"),
        ({"expires": datetime(2027, 1, 1)}, "must know its zone"),
    ],
)
def test_a_rule_that_can_not_be_is_refused_in_a_sentence(parts, sentence):
    with pytest.raises(LedgerError, match=sentence):
        Rule(**{"category": "NA", **parts})


def test_a_regular_expression_that_would_never_end_ends_and_the_other_rules_work():
    evil = alerts(*[("gw", "tcp", "10.0.0.7", 1, "10.0.0.8", 2, "a" * 60_000 + f"!{number}") for number in range(20)])
    begun = time.process_time()
    assert won(evil, Rule(category="NA", signature="^(a+)+$", regexp=True)) == [-1] * 20
    assert time.process_time() - begun < 2


def test_what_a_rule_may_mean_that_ran_out_of_time_is_judged_by_no_later_rule(queue):
    slow = Rule(category="ESC", signature="o", regexp=True, comment="call", sensor="gw", number=4)
    rules = [Rule(category="VI", proto="udp", number=1), slow, Rule(category="NA", number=9)]
    found = matches(queue, rules, patience=-1)
    assert found.rule.tolist() == [-1, 0, 2, 2, 2]  # before it and beside it the others judge
    (trouble,) = found.troubles
    assert trouble.startswith("rule 4: its regular expression 'o' took more than")
    assert trouble.endswith("1 alert that it may mean is left to you, and no later rule judges it")
    table = dry_run(queue, rules, patience=-1)
    assert table["count"].tolist() == [1, 0, 3] and table["trouble"].isna().tolist() == [True, False, True]


def test_the_ledger_leaves_unjudged_what_a_rule_could_not_look_at(ledger, queue):
    ledger.add_rules(
        [Rule(category="ESC", signature="WEB", regexp=True, comment="call"), Rule(category="NA", src_ip="10.0.0.0/8")],
        analyst="ada",
    )
    rows, (trouble,) = ledger.apply_rules(queue, patience=-1)
    assert rows.empty and ledger.status().empty and "4 alerts that it may mean are left to you" in trouble
    assert ledger.apply_rules(queue)[0]["category"].tolist() == ["ESC", "ESC", "NA"]  # in time it judges


@pytest.mark.parametrize(
    ("given", "written"),
    [
        ("10.0.0.0/8", "10.0.0.0/8"),
        ("::ffff:10.0.0.0/104", "10.0.0.0/8"),
        ("::ffff:10.0.0.7", "10.0.0.7"),
        ("::/0", "::/0"),
        ("::ffff:0:0/95", "::fffe:0:0/95"),
    ],
)
def test_an_ipv4_address_is_one_however_a_sensor_writes_it(given, written):
    both = alerts(*[("gw", "tcp", ip, 1, "10.9.9.9", 2, "x") for ip in ("10.0.0.7", "::ffff:10.0.0.7", "2001:db8::7")])
    rule = Rule(category="NA", src_ip=given)
    assert rule.src_ip == written
    assert won(both, rule) == ([0, 0, -1] if "." in written else {"::/0": [-1, 0, 0]}.get(written, [-1, 0, -1]))


def test_a_rule_may_look_for_the_number_of_a_signature(queue, ledger):
    table = queue.assign(
        sid=pd.array([408, 408, 9, None, 408], dtype="Int64"), gid=pd.array([1, 129, 1, None, None], dtype="Int64")
    )
    assert won(table, Rule(category="NA", sid=408)) == [0, 0, -1, -1, 0]
    assert won(table, Rule(category="NA", sid="0408", gid=1)) == [0, -1, -1, -1, 0]  # no gid is 1
    assert str(Rule(category="NA", sid=408, gid=1)) == "gid 1, sid 408: NA"
    with pytest.raises(LedgerError, match="no number of a signature"):
        Rule(category="NA", sid="x")
    rule = ledger.add_rule(Rule(category="NA", sid=408), analyst="ada")
    assert ledger.change_rule(1, analyst="ada", gid=1) == ledger.rules()[0] and rule.sid == "408"
    assert ['"sid": "408"' in each for each in ledger.rule_history(1)["comment"]] == [True, True]


def test_a_rule_that_was_kept_before_rules_had_numbers_of_signatures_is_still_one(ledger, tamper):
    ledger.add_rule(Rule(category="NA", dst_port=53), analyst="ada")
    tamper("""UPDATE verdicts SET comment = replace(replace(comment, '"gid": "any", ', ''), '"sid": "any", ', '')""")
    (rule,) = ledger.rules()
    assert '"sid"' not in ledger.rule_history(1)["comment"][0] and (rule.dst_port, rule.sid) == ("53", "any")


@pytest.mark.parametrize(
    ("message", "sid", "parts"),
    [
        (" spaced ", 7, {"signature": " spaced ", "sid": "any"}),
        (None, 7, {"signature": "any", "sid": "7", "gid": "1"}),
        ("Any", 7, {"signature": "any", "sid": "7"}),
        ("any", None, {"signature": r"\Aany\z", "regexp": True}),
        (" \t", 7, {"signature": "any", "sid": "7"}),
    ],
)
def test_a_rule_made_of_an_alert_matches_that_alert_and_no_other_signature(message, sid, parts):
    row = ("gw", "tcp", "10.0.0.7", 1025, "203.0.113.9", 80)
    table = alerts((*row, message), (*row, "spaced"), (*row, "many"), (*row, None))
    table = table.assign(sid=pd.array([sid, 8, 9, 10], dtype="Int64"), gid=pd.array([1, 1, 1, 1], dtype="Int64"))
    rule = Rule.from_alert(table.iloc[0])
    assert {name: getattr(rule, name) for name in parts} == parts
    assert won(table, rule) == [0, -1, -1, -1]


@pytest.mark.parametrize("options", [{}, {"sensor": "gw"}, {"signature": "any"}, {"category": "VI"}])
def test_an_alert_that_says_nothing_makes_no_rule_for_everything(queue, options):
    with pytest.raises(LedgerError, match=r"neither a message nor a sid|every part is left open"):
        Rule.from_alert(queue.iloc[4], **options)
    nameless = queue.assign(message=pd.array([None] * 5, dtype="str"))
    with pytest.raises(LedgerError, match="would judge all that its hosts do"):
        Rule.from_alert(nameless.iloc[0])
    assert won(queue, Rule.from_alert(nameless.iloc[0], signature="ET WEB one")) == [0, -1, -1, -1, -1]


def test_a_dry_run_says_what_would_match_and_records_nothing(queue):
    table = dry_run(queue, [Rule(category="NA", proto="tcp", comment="web"), Rule(category="VI", sensor="nowhere")])
    assert table[["number", "category", "count", "comment"]].to_numpy().tolist() == [
        [1, "NA", 2, "web"],
        [2, "VI", 0, ""],
    ]
    assert table["first"][0] == queue["time"][0] and table["last"][0] == queue["time"][2] and pd.isna(table["last"][1])


def test_a_rule_is_made_of_an_alert_with_one_call(queue):
    rule = Rule.from_alert(queue.iloc[0], "VI", comment="scan")
    assert won(queue, rule) == [0, -1, -1, -1, -1]
    assert (rule.src_ip, rule.src_port, rule.dst_port, rule.signature) == ("10.0.0.7", "any", "80", "ET WEB one")
    assert won(queue, Rule.from_alert(queue.iloc[0], src_ip="any", dst_ip="any", dst_port="any", sensor="any")) == [
        0,
        -1,
        0,
        -1,
        -1,
    ]
    assert (
        str(rule)
        == "sensor gw, proto tcp, src_ip 10.0.0.7, dst_ip 203.0.113.9, dst_port 80, message = 'ET WEB one': VI"
    )


def test_rules_are_kept_with_their_history(ledger, path):
    first = ledger.add_rule(Rule(category="NA", dst_port=53, signature="^ET", regexp=True), analyst="ada")
    second = ledger.add_rule(Rule(category="VI", expires=datetime(2030, 1, 1, tzinfo=UTC), owner="eve"), analyst="bob")
    assert (first.number, first.owner, second.number, second.owner) == (1, "ada", 2, "eve")
    assert ledger.rules() == Ledger(path).rules() == [first, second]
    changed = ledger.change_rule(1, analyst="bob", active=False, comment="noisy")
    assert ledger.rules() == [second] and ledger.rules(all=True) == [changed, second]
    history = ledger.rule_history(1)
    assert history["analyst"].tolist() == ["ada", "bob"] and '"active": false' in history["comment"][1]
    assert ledger.verdicts().empty and ledger.status().empty and ledger.verify().count == 3
    for number, parts, sentence in (
        (9, {}, "no rule 9"),
        (1, {"port": 5}, "no 'port'"),
        (1, {"src_ip": "x"}, "no address"),
    ):
        with pytest.raises(LedgerError, match=sentence):
            ledger.change_rule(number, analyst="bob", **parts)


def test_two_ledgers_never_give_one_number_to_two_rules(path):
    one, two = Ledger(path), Ledger(path)
    known = two._rule_records
    two._rule_records = lambda: [] if not one.rules() or len(one.rules()) == 1 else known()  # as before the other wrote
    one.add_rule(Rule(category="NA"), analyst="ada")
    del two._rule_records
    kept = two.add_rules([Rule(category="VI"), Rule(category="V")], analyst="bob")
    assert [rule.number for rule in kept] == [2, 3] and [rule.category for rule in one.rules()] == ["NA", "VI", "V"]


def test_a_rule_that_somebody_edited_judges_nothing(ledger, tamper, queue):
    ledger.add_rules([Rule(category="NA"), Rule(category="VI", proto="tcp")], analyst="ada")
    tamper("UPDATE verdicts SET comment = '{' WHERE id = 1")
    rows, _ = ledger.apply_rules(queue)
    assert rows["analyst"].unique().tolist() == ["rule 2"] and ledger.verify().first_bad == 1


def test_each_act_of_a_rule_is_a_record_and_no_analyst_is_overruled(ledger, queue):
    ledger.judge([queue["alert"][0]], "I", analyst="ada")
    ledger.judge([queue["alert"][1]], "I", analyst="ada")
    ledger.judge([queue["alert"][1]], "NEW", analyst="ada")
    ledger.add_rules([Rule(category="VI", proto="tcp", comment="scan"), Rule(category="NA")], analyst="ada")
    where = lambda table: {name: Reference("eve.json", "ab" * 32, 5) for name in table["alert"]}  # noqa: E731
    rows, troubles = ledger.apply_rules(queue, references=where)

    assert troubles == [] and rows["subject"].tolist() == queue["alert"].tolist()[2:]
    assert rows["analyst"].tolist() == ["rule 1", "rule 2", "rule 2"]
    assert rows["comment"].tolist() == ["rule 1: scan", "rule 2", "rule 2"]
    assert rows["evidence"].tolist() == ["eve.json"] * 3
    assert ledger.apply_rules(queue)[0].empty  # once is enough
    assert ledger.status()[queue["alert"][1]] == "NEW" and ledger.verify().ok
    later = alerts(
        *[("gw", "tcp", "10.0.0.7", 1, "10.0.0.8", 2, "x")] * 7
    )  # evidence that comes later: 1 to 5 are known
    assert ledger.apply_rules(later)[0]["subject"].tolist() == later["alert"].tolist()[5:]


def test_what_somebody_judges_while_a_rule_is_asked_stays_his(ledger, path, queue, monkeypatch):
    from nsm_nb.triage import rulebook

    ledger.add_rule(Rule(category="NA"), analyst="ada")

    def meanwhile(*arguments, **options):
        Ledger(path).judge([queue["alert"][2]], "I", analyst="bob")
        return matches(*arguments, **options)

    monkeypatch.setattr(rulebook, "matches", meanwhile)
    rows, _ = ledger.apply_rules(queue)
    assert len(rows) == 4 and ledger.status()[queue["alert"][2]] == "I"


def test_lines_of_sguils_autocat_conf_are_rules(tmp_path, queue):
    conf = tmp_path / "autocat.conf"
    conf.write_bytes(
        b"# comment\n\n"
        b"none||ANY||ANY||ANY||ANY||ANY||ANY||%%REGEXP%%^ET WEB||1\n"
        b"2027-01-31 00:00:00||gw||10.0.0.0/8||ANY||any||53||17||ET DNS two||16\r\n"
        b"none||ANY||ANY||ANY||ANY||ANY||ANY||%%REGEXP%%(?=x)||1\n"
        b"none||ANY||nowhere||ANY||ANY||ANY||ANY||x||1\n"
        b"tomorrow||ANY||ANY||ANY||ANY||ANY||ANY||x||1\n"
        b"none||ANY||ANY||ANY||ANY||ANY||ANY||x||99\n"
        b"none||ANY\x1b[31m\n"
        b"none||ANY||ANY||ANY||ANY||ANY||1||GPL ICMP [three]||2||call the boss\n"
    )
    rules, troubles = read_conf(conf)

    assert [rule.category for rule in rules] == ["NA", "VI", "ESC"]
    assert rules[1].expires == datetime(2027, 1, 31, tzinfo=UTC) and rules[1].proto == "udp"
    assert [rule.comment for rule in rules] == [
        "imported from autocat.conf, line 3", "imported from autocat.conf, line 4", "call the boss",
    ]  # fmt: skip
    assert won(queue, *rules) == [0, 1, 0, 2, -1]
    assert [trouble.split(":")[1] for trouble in troubles] == [
        f" line {number} is no rule" for number in (5, 6, 7, 8, 9)
    ]
    assert not any("\x1b" in trouble for trouble in troubles)
    with pytest.raises(LedgerError, match="can't be read"):
        read_conf(tmp_path / "gone")


@pytest.mark.slow
def test_a_million_alerts_and_a_hundred_rules_take_seconds():
    count, random = 1_000_000, np.random.default_rng(7)
    take = lambda values, size=count: pd.Categorical.from_codes(random.integers(len(values), size=size), values)  # noqa: E731
    hosts = pd.CategoricalDtype(
        pd.Index([f"10.0.{n // 250}.{n % 250}" for n in range(5000)], dtype="str"), ordered=True
    )
    codes = [random.integers(5000, size=count) for _ in range(2)]
    messages = pd.array([f"ET RULE number {n}" for n in range(3000)], dtype="str")
    table = pd.DataFrame({
        "sensor": take(["gw", "dmz"]), "proto": take(["tcp", "udp"]), "message": messages.take(random.integers(3000, size=count)),
        "src_ip": pd.Categorical.from_codes(codes[0], dtype=hosts), "dst_ip": pd.Categorical.from_codes(codes[1], dtype=hosts),
        "src_port": pd.array(random.integers(65535, size=count), dtype="UInt16"),
        "dst_port": pd.array(random.integers(1024, size=count), dtype="UInt16"),
    })  # fmt: skip
    rules = [
        Rule(category="NA", src_ip=f"10.0.{n % 20}.0/26", dst_port=f"{n}-{n + 300}", proto="tcp",
             signature=f"number {n}[0-5]", regexp=True)
        for n in range(100)
    ]  # fmt: skip
    begun = time.process_time()
    found = matches(table, rules)
    took = time.process_time() - begun
    assert (found.rule >= 0).sum() > 100 and not found.troubles
    assert took < 6


def test_rules_expire_by_the_clock_of_the_ledger(path):
    now = datetime(2026, 11, 24, tzinfo=UTC)
    Ledger(path).add_rule(Rule(category="NA", expires=now + timedelta(days=1)), analyst="ada")
    assert len(Ledger(path, clock=lambda: now).rules()) == 1
    assert Ledger(path, clock=lambda: now + timedelta(days=1)).rules() == []
