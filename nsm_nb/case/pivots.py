"""The part of a case that leads from one thing to the next: alert, rule, session, packets, bytes, transcript."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from nsm_nb import alerts as alert_room
from nsm_nb.case.judging import Judging
from nsm_nb.case.naming import Named
from nsm_nb.errors import NsmError, UnknownName, UnreadableEvidence
from nsm_nb.full_content import frame_bytes, view
from nsm_nb.schema import PACKETS
from nsm_nb.text import many, printable
from nsm_nb.transcripts import Transcript, transcript
from nsm_nb.transcripts.matching import in_packet, matching

__all__ = ["Pivots"]

log = logging.getLogger(__name__)


class Pivots(Judging):
    """What `Case` knows of ways from one row to others."""

    joins: pd.DataFrame
    rules: pd.DataFrame

    @property
    def paths(self) -> dict[str, Path]:
        """The path of each evidence, by its label."""
        return {file.label: file.path for file in self.holdings.files()}

    def session(self, number: int) -> pd.Series:
        """Return a session's row.

        Raises
        ------
        UnknownName
            Where there is no such session.
        """
        sessions = self.sessions
        rows = np.flatnonzero(sessions["session"].to_numpy(np.int64, na_value=-1) == int(number))
        if not len(rows):
            raise UnknownName(f"there is no session {number} in this case; case.sessions lists them")
        return sessions.iloc[int(rows[0])]

    def alert(self, alert: str) -> pd.Series:
        """Return an alert's row; names that it had before, such as when its file was shorter, mean it too.

        Raises
        ------
        UnknownName
            Where there is no such alert.
        """
        place = int(self.alert_places([alert])[0])
        if place < 0:
            place = int(self.alert_places([self._naming().now(alert)])[0])
        if place < 0:
            raise UnknownName(f"there is no alert {printable(alert)!r} in this case; case.alerts lists them")
        return self.alerts.iloc[place]

    def packets_of(self, session: int) -> pd.DataFrame:
        """Return the packets of a session; empty where it came from flow records."""
        return self._packets_of(self.session(session))

    def _packets_of(self, row: pd.Series) -> pd.DataFrame:
        if row["source"] != "pcap":
            return PACKETS.empty()
        return self.holdings.packets_of(str(row["evidence"]), int(row["session"]))

    def session_of(self, alert: str) -> pd.Series | None:
        """Return the session that an alert is about, None where none was found; `joins` says how it was found."""
        found = self.joins.loc[self.joins["alert"] == self.alert(alert)["alert"], "session"]
        return None if not len(found) or found.isna().iloc[0] else self.session(int(found.iloc[0]))

    def alerts_of(self, session: int) -> pd.DataFrame:
        """Return the alerts that are about a session."""
        named = self.joins.loc[(self.joins["session"] == int(session)).fillna(False), "alert"]
        return self.alerts[self.alerts["alert"].isin(named)]

    def transcript(self, session: int, *, policy: str = "first") -> Transcript:
        """Return the transcript of a session; `policy` says whose bytes count where TCP segments overlap.

        Raises
        ------
        NsmError
            Where the case holds no packets of it.
        """
        row = self.session(session)
        packets = self._packets_of(row)
        if not len(packets):
            raise NsmError(
                f"session {session} comes from {row['source']} records, and no capture of the case holds its packets; "
                "a transcript needs full content"
            )
        named = self._kept("named", lambda: Named(lambda: self.names))
        return transcript(packets, evidence=self.paths, session=row, policy=policy, names=named)

    def frame(self, evidence: str, number: int) -> bytes:
        """Return the captured bytes of a frame.

        Raises
        ------
        UnknownName
            Where the evidence or the frame is not in the case.
        """
        table = self.holdings.table(evidence, "packets")
        if table is None or not 1 <= number <= len(table):
            count = 0 if table is None else len(table)
            raise UnknownName(f"{printable(evidence)} has no frame {number}; it has {many(count, 'frame')}")
        return frame_bytes(table.iloc[number - 1 : number], evidence=self.paths)[0]

    def view(self, packets: pd.DataFrame, style: str = "tcpdump") -> str:
        """Return packets of the case as tcpdump, snort, hex or tethereal show them; see `nsm_nb.full_content.view`."""
        return view(packets, style, evidence=self.paths)

    def detail(self, alert: str) -> dict[str, Any]:
        """Return the raw record of an alert, as the sensor wrote it.

        Raises
        ------
        UnreadableEvidence
            Where the file is not there any more, by whatever name, with the bytes that the alert was read of.
        """
        row = self.alert(alert)
        label, record = str(row["evidence"]), int(row["record"])
        at = self._followed(str(row["alert"]))
        if at is None:
            return self.holdings.detail(label, record)
        if not at.settle(self.holdings.label_of):
            raise UnreadableEvidence(
                f"{printable(label)} was rotated, and the file that record {record:,} was read of is not beside it any more; "
                "case.refresh() looks at the evidence again"
            )
        return self.holdings.detail_at(at.path, at.format, record, label)

    def rule_of(self, alert: str) -> pd.Series | None:
        """Return the rule that raised an alert, None where the case has no such rule.

        `note` says where the case has only another revision of it than the one that raised the alert.
        """
        row = self.alert(alert)
        found = self.rules[(self.rules["sid"] == row["sid"]) & (self.rules["gid"] == row["gid"])]
        if not len(found):
            return None
        # each sensor has its own copy: the one whose file names the alert's sensor; but first of all the rule that it was
        same = (found["rev"] == row["rev"]).to_numpy(bool, na_value=False)
        own = found["file"].astype(str).str.contains(str(row["sensor"]), regex=False).to_numpy(bool)
        rule = found.iloc[int(np.lexsort((~own, ~same))[0])].copy()
        other = not pd.isna(row["rev"]) and not pd.isna(rule["rev"]) and rule["rev"] != row["rev"]
        rule["note"] = f"revision {row['rev']} raised the alert; the case has revision {rule['rev']}" if other else ""
        return rule

    def packet_of(self, alert: str) -> pd.Series | None:
        """Return the packet that an alert is about, with `why` in words; None where the case has none.

        It is the packet that holds what the rule looks for, also where segments cut it in two; else the one of the
        alert's time, else the last with payload before it.
        """
        session = self.session_of(alert)
        if session is None:
            return None
        number = int(session["session"])
        packets = self.packets_of(number)
        rule = self.rule_of(alert)
        text = "" if rule is None else str(rule["text"])
        row = self.alert(alert)
        found = alert_room.packet(row, packets, text, evidence=self.paths)
        if found is not None and pd.isna(found["at"]) and found["time"] != row["time"] and row["source"] == "eve":
            found = alert_room.packet(row, packets, text, evidence=self.paths, hint=self._frame_named(row))
        if found is not None and pd.isna(found["at"]) and alert_room.contents(text):
            in_stream = in_packet(matching(text, self.transcript(number), packets), packets)
            return found if in_stream is None else in_stream
        return found

    def _frame_named(self, alert: pd.Series) -> int | None:
        """Return the frame that Suricata names, where it does."""
        try:
            named = self.detail(str(alert["alert"])).get("pcap_cnt")
        except NsmError as problem:
            log.warning("which frame the sensor names is not known: %s", problem)
            return None
        return named if isinstance(named, int) else None

    def related(self, alert: str) -> pd.DataFrame:
        """Return the other alerts that share a session, hosts, a host or the signature with one, and `how`."""
        return alert_room.related(self.alert(alert), self.alerts, self.joins)
