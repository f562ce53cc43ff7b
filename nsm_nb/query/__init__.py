"""The query line: one line of words that narrows any table of sessions, alerts or packets.

============================================  ========================================================================
``host 10.0.0.7``, ``net 10.0.0.0/8``         either side; ``src``, ``dst``, ``src and dst`` before it name the side
``port 445``, ``portrange 1-1024``            the same; also ``dst port > 1023``
``src 10.0.0.0/8``, ``203.0.113.66``          an address or a network alone
``tcp``, ``icmp6``, ``proto 47``              the protocol; ``ip`` and ``ip6`` are the families of addresses
``octets > 1.5M``                             a column by its name: ``= != < <= > >=``, or nothing for ``=``;
                                              ``k M G T`` are powers of 1000, ``Ki Mi Gi Ti`` of 1024
``octets 100..2k``                            a range, both ends included
``duration >= 5m``                            seconds, or with ``us ms s m h d``
``state FIN``, ``closed "src only"``          text, in any case of letters
``message ~ "smb"``, ``message !~ smb``       text that holds this text, or does not
``history matches "^Sh.*F"``                  text in which a regular expression is found (RE2)
``~ "volume serial"``, ``"volume serial"``    a row that holds this in any of its columns, as `grep` would: texts,
                                              addresses, numbers and times; ``matches "..."`` alone likewise
``alert``, ``not alert``                      sessions that alerts are about, or none; ``alert ~ smb``: one whose message
                                              holds this, ``alert sid 2000123``: one of that signature
``service smb``                               `application`, by another name
``time >= 2026-11-24T02:31``                  UTC; a time stands for all of its day, minute or second, and a session
                                              is there from its start to its end
``time 02:31-02:33``, ``time A..B``           that time of any day; from A to B
``today``, ``time >= lastweek``               stretches of time by the clock when the line is asked, in UTC, as Sguil has
                                              them: `today`, `yesterday`, `lastweek` (the seven days before today),
                                              `lasthour`; and the `firstday` and `lastday` that the table itself has,
                                              which are what a case of long ago needs
``src $HOME and not dst $HOME``               the home networks: those of case.toml, else the private ones; several
                                              networks stand with a comma between: ``net 10.0.0.0/8,192.168.0.0/16``
``and or not``, ``&& || !``, ``( )``          `not` binds before `and`, `and` before `or`
============================================  ========================================================================

`packets`, `octets` and `payload` of a session are those of both sides, as far as they are known. What is missing
never matches, neither with ``=`` nor with ``!=``; `not` turns an answer round. Nothing in a line is run as code.

*Source*: pcap-filter(7) for host, net, port, portrange, src and dst; reference/hostile.md T13.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd

from nsm_nb.query.grammar import parse
from nsm_nb.query.standard import STANDARD, Standard
from nsm_nb.query.tree import Node
from nsm_nb.text import printable

__all__ = ["PRIVATE", "STANDARD", "Query", "Standard", "compile", "query"]

PRIVATE = ("10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "fc00::/7")
"""What ``$HOME`` stands for where no home networks are known (RFC 1918, RFC 4193)."""


def compile(line: str, *, home: Sequence[str] = ()) -> Query:
    """Return a query made from a line; an empty line matches every row.

    Parameters
    ----------
    line
        What to look for, as this module's text says.
    home
        The networks that ``$HOME`` stands for; `PRIVATE` where there are none.

    Raises
    ------
    QueryError
        Where the line can't be understood; `column` is the place of the first wrong character.

    Examples
    --------
    >>> compile("src 10.0.0.0/8 and dst port 445")
    Query('src 10.0.0.0/8 and dst port 445')
    """
    return Query(line, parse(line, tuple(home) or PRIVATE))


def query(table: pd.DataFrame, line: str, *, home: Sequence[str] = ()) -> pd.DataFrame:
    """Return the rows of a table that match a query line, with the index they had.

    Parameters
    ----------
    table
        Any table that has the columns named in the line; it is not changed.
    line
        What to look for, as this module's text says.
    home
        The networks that ``$HOME`` stands for; `PRIVATE` where there are none.

    Raises
    ------
    QueryError
        Where the line can't be understood, or names a column that the table lacks; `column` is the place.

    Examples
    --------
    >>> table = pd.DataFrame({"dst_port": [445, 80, 445], "octets": [900, 5_000_000, 2_500_000]})
    >>> query(table, "dst port 445 and octets > 1M")
       dst_port   octets
    2       445  2500000
    """
    return compile(line, home=home).rows(table)


class Query:
    """A query line, understood: made once, asked of any table.

    Attributes
    ----------
    line
        The line it was made from.
    tree
        What it says; see `nsm_nb.query.tree`.
    """

    def __init__(self, line: str, tree: Node):
        self.line = line
        self.tree = tree

    def __repr__(self) -> str:
        return f"Query('{printable(self.line)}')"

    def mask(self, table: pd.DataFrame) -> np.ndarray:
        """Return a bool array, True where a row matches.

        Raises
        ------
        QueryError
            Where the table lacks a column that the line names, or keeps something else in it.
        """
        return self.tree.mask(table)

    def rows(self, table: pd.DataFrame) -> pd.DataFrame:
        """Return the rows that match, with the index they had; the line stands in `attrs["query"]`, for captions.

        Raises
        ------
        QueryError
            Where the table lacks a column that the line names, or keeps something else in it.
        """
        found = table.take(np.flatnonzero(self.mask(table)))
        if self.line.strip():
            before = found.attrs.get("query")
            found.attrs = {**found.attrs, "query": f"({before}) and ({self.line})" if before else self.line}
        return found
