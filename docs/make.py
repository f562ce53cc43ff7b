"""Write what of the documentation comes from the code: `python docs/make.py`.

`docs/tables.md` is made whole; in `docs/formats.md` the table of formats, between its two marks.
"""

from __future__ import annotations

from pathlib import Path

import nsm_nb as nsm
from nsm_nb.schema import ADDRESS, Schema
from nsm_nb.sessions.measures import MEASURES

__all__ = ["formats_page", "main", "tables_page"]

DOCS = Path(__file__).resolve().parent
BEGIN, END = "<!-- made by docs/make.py -->", "<!-- until here -->"
SCHEMAS = {
    "PACKETS": "A frame of a capture: `nsm.read_packets(path)`, `case.packets`.",
    "SESSIONS": """A conversation, both directions: `nsm.sessions.assemble(packets)`, `nsm.read_sessions(path)`, `case.sessions`.
A record of NetFlow is one direction: the columns that count what dst sent are missing.""",
    "FLOWS": """What flow records tell besides: `nsm.read_sessions(path)` of NetFlow, flow-tools and nfcapd. A record is one
direction; `nsm.sessions.pair(flows)` makes sessions of them.""",
    "ALERTS": "What a sensor told: `nsm.read_alerts(path)`, `case.alerts`.",
    "VERDICTS": """What an analyst judged: `case.verdicts`. Records are only ever added, and each holds the digest of the one
before.""",
    "LEADS": "What a hunt found. The columns are declared; nothing fills them yet.",
    "CAVEATS": """What was noticed about the evidence itself: `case.caveats`, and `nsm.schema.caveats_of(table)` for what a
table carries.""",
}
MADE = {
    "MEASURES": (
        MEASURES,
        """How well a session of a capture went, one row each: `nsm.sessions.measures(packets)`, `case.measures`. Where tshark
counts otherwise, the page of [differences](differences.md) says why.""",
    ),
}
DTYPES = {ADDRESS: "address", "datetime64[ns, UTC]": "time"}
HEAD = """# The tables

Every reader gives tables with these columns, in this order and with these dtypes. They are declared in `nsm_nb/schema.py`, and
this page is made of them by `python docs/make.py`.

- Absent is missing (`<NA>`, `NaT`, `NaN`), never 0, "-" or False. Numbers whose dtype has a capital (`Int64`, `UInt16`) can be
  missing, and so can `boolean`, `str`, `category`, addresses and times.
- *time* is `datetime64[ns, UTC]`.
- *address* is an ordered categorical of text: IPv4 before IPv6, each in order of its number. All address columns of a table
  share it, so sorting and comparing follow the address; `nsm.in_network(column, "10.0.0.0/8")` asks for a network.
- `octets` are bytes at the IP layer, `length` bytes on the wire, `captured` bytes in the file, `payload` bytes above TCP, UDP or
  ICMP.
"""


def _cell(text: str) -> str:
    return text.replace("|", "\\|")


def _table(rows: list[tuple[str, ...]]) -> str:
    lines = ["| " + " | ".join(_cell(each) for each in row) + " |" for row in rows]
    return "\n".join([lines[0], "|" + "---|" * len(rows[0]), *lines[1:]]) + "\n"


def tables_page() -> str:
    """Return docs/tables.md."""
    parts = [HEAD]
    tables: dict[str, tuple[Schema, str]] = {
        name: (getattr(nsm.schema, name), words) for name, words in SCHEMAS.items()
    }
    for name, (schema, words) in (tables | MADE).items():
        rows = [("column", "dtype", "unit", "meaning")]
        rows += [
            (f"`{key}`", DTYPES.get(each.dtype, each.dtype), each.unit, each.meaning)
            for key, each in schema.columns.items()
        ]
        parts.append(f"## {name}\n{words}\n\n{_table(rows)}")
    return "\n".join(parts)


def formats_page(page: str) -> str:
    """Return docs/formats.md with its table of formats as `nsm.formats()` gives it now.

    Parameters
    ----------
    page
        The page as it is.
    """
    rows = [("name", "what it is", "tables", "usual extensions")]
    rows += [(f"`{row.name}`", row.title, row.tables, row.extensions) for row in nsm.formats().itertuples(index=False)]
    before, _, rest = page.partition(BEGIN)
    return f"{before}{BEGIN}\n{_table(rows)}{END}{rest.partition(END)[2]}"


def main() -> None:
    """Write both pages."""
    (DOCS / "tables.md").write_text(tables_page(), encoding="utf-8")
    place = DOCS / "formats.md"
    place.write_text(formats_page(place.read_text(encoding="utf-8")), encoding="utf-8")


if __name__ == "__main__":
    main()
