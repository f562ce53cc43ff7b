"""Errors that nsm_nb raises on purpose: sentences that say what happened, where, and what to do next.

NsmError
├── UnreadableEvidence  the file is missing, locked, empty or not a file
├── UnknownFormat       no reader recognises the file, or the format does not hold the table asked for
├── DamagedEvidence     a reader stopped before its first row; `.table` holds what was readable
├── MissingColumn       a table lacks a column that the step needs
├── UnknownName         a session, alert, frame or evidence of that name is not in the case
├── QueryError          a query line can't be parsed; `.column` is where
├── CaseError           the case directory or its case.toml can't be used
├── LedgerError         the ledger can't be read or written, or refuses the record
├── ReportError         the report can't be made
└── MissingTool         an outside program (tshark, chromium) that the step needs is not installed
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import pandas as pd

__all__ = [
    "CaseError",
    "DamagedEvidence",
    "LedgerError",
    "MissingColumn",
    "MissingTool",
    "NsmError",
    "QueryError",
    "ReportError",
    "UnknownFormat",
    "UnknownName",
    "UnreadableEvidence",
]


class NsmError(Exception):
    """The root: everything that nsm_nb raises on purpose."""


class UnreadableEvidence(NsmError):
    """The file is missing, locked, empty or not a file."""


class UnknownFormat(NsmError):
    """No reader recognises the file, or its format does not hold the table asked for."""


class DamagedEvidence(NsmError):
    """A reader stopped before its first row; `table` holds what was readable."""

    def __init__(self, message: str, table: pd.DataFrame | None = None):
        super().__init__(message)
        self.table = table


class MissingColumn(NsmError):
    """A table lacks a column that the step needs."""


class UnknownName(NsmError):
    """A session, alert, frame or evidence of that name is not in the case."""


class QueryError(NsmError):
    """A query line can't be parsed; `column` is the 0-based place of the first wrong character."""

    def __init__(self, message: str, column: int = 0):
        super().__init__(message)
        self.column = column


class CaseError(NsmError):
    """The case directory or its case.toml can't be used."""


class LedgerError(NsmError):
    """The ledger can't be read or written, or refuses the record."""


class ReportError(NsmError):
    """The report can't be made."""


class MissingTool(NsmError):
    """An outside program that the step needs is not installed."""
