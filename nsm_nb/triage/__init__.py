"""Verdicts: the categories an analyst gives, and the ledger that keeps them.

>>> CATEGORIES["ESC"].key
'F9'
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from nsm_nb.triage.categories import CATEGORIES, Category
from nsm_nb.triage.chain import EMPTY, Verification

if TYPE_CHECKING:
    from nsm_nb.triage.ledger import KINDS, Ledger

__all__ = ["CATEGORIES", "EMPTY", "KINDS", "Category", "Ledger", "Verification"]


def __getattr__(name: str) -> Any:
    """Bring SQLAlchemy in only when a ledger is asked for."""
    if name in ("KINDS", "Ledger"):
        from nsm_nb.triage import ledger

        return getattr(ledger, name)
    raise AttributeError(f"nsm_nb.triage has no {name!r}; it has {', '.join(__all__)}")
