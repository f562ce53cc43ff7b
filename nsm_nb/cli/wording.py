"""What the package says to whoever writes Python, as a command line says it: options and commands for keywords and methods."""

from __future__ import annotations

import re

__all__ = ["spoken"]

# the words of a sentence as `nsm_nb` makes it, and those that stand for them here
_WORDS = {
    # which format a file is in
    'say format="..." if you know better: ': "name it with --read-as if you know better: ",
    "take no recover; leave it out": "take no --recover; leave it out",
    "force another format": "name another with --read-as",
    "; sessions of a capture are made by nsm_nb.sessions.assemble(read_packets(path))": "",
    "try nsm_nb.formats() for what can be read": "nsm-nb formats lists what can be read",
    'give one, such as columns={"time": "timestamp", "message": "rule.name", "src_ip": "source.ip"}': "name one in case.toml, "
    'under [columns], such as "wazuh.json" = {time = "timestamp", message = "rule.name"}',
    "or open the folder as a case with open_case": "or name the folder alone, which is a case",
    " (the column recovered of read_packets marks it)": "",
    " (the column recovered of read_packets marks them)": "",
    # what a case holds
    "open it with open_case": "open it with nsm-nb lab",
    "make a case with create_case": "make a case with nsm-nb create",
    "case.evidence lists it": "nsm-nb evidence lists it",
    "case.sessions lists them": "nsm-nb sessions lists them",
    "case.alerts lists them": "nsm-nb alerts lists them",
    "case.refresh() looks at the evidence again": "give the command again, which looks at the evidence anew",
    "case.changed() tells": "nsm-nb verify --evidence tells",
    "does not say which alerts are about a row; case.query(line) does, as does a table of "
    "nsm.sessions.with_alerts(sessions, alerts, joins)": "does not say which alerts are about a row; the sessions of a case "
    "do: nsm-nb sessions CASE -q",
    "nsm_nb.sessions.assemble(packets, by_vlan=False) makes one of the two, and so does by_vlan = false in case.toml": "by_vlan "
    "= false in the case.toml of a case makes one of the two",
    # statistics
    "; answered=False shows them": "",
    "see case.caveats": "told on stderr",  # where the files are read that a command names; a case's are not noted
    ": rates=True compares amounts per second": ": --rates compares amounts per second",
    "no names were looked for: give names=nsm_nb.full_content.names(packets)": "no names were looked for: those of a case are",
    # the ledger
    "say why, with comment='...'": "say why, with --comment",
    "give analyst='...', or set NSM_ANALYST": "name one with --analyst, or set NSM_ANALYST",
    "; give analyst='...'": "; name one with --analyst",
    "noted elsewhere: verify(head=...)": "noted elsewhere: nsm-nb verify --head HASH",
    "check the ledger with verify()": "check the ledger with nsm-nb verify",
    "verify() says": "nsm-nb verify says",
    # the report
    "choose another place with out=": "choose another place with --out",
}
_ANY = re.compile("|".join(map(re.escape, sorted(_WORDS, key=len, reverse=True))))


def spoken(words: str) -> str:
    """Return a sentence of the package in the words of the command line.

    Examples
    --------
    >>> spoken("there is no session 7 in this case; case.sessions lists them")
    'there is no session 7 in this case; nsm-nb sessions lists them'
    """
    return _ANY.sub(lambda found: _WORDS[found.group()], words)
