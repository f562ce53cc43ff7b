"""What callers give a ledger, checked and made fit for any database: names, categories, comments, times."""

from __future__ import annotations

import getpass
import numbers
import os
import re
from collections.abc import Iterable
from datetime import UTC, datetime

from nsm_nb.errors import LedgerError
from nsm_nb.text import printable
from nsm_nb.triage.categories import CATEGORIES, Category, find

__all__ = ["COMMENT_LIMIT", "analyst_name", "category_of", "comment_text", "iso", "names_of", "storable"]

COMMENT_LIMIT = 65_536
"""Characters of a comment. It stands in each record of one verdict, and those can be hundreds of thousands."""

_NAME_LIMIT = 1_024
_UNSTORABLE = re.compile("[\x00\ud800-\udfff]")  # no database's text holds these
_RULE = re.compile(r"rule \d+", re.IGNORECASE)


def iso(moment: datetime) -> str:
    """Return a time as the ledger keeps it: ``2026-11-24T02:31:40.504000Z``."""
    if moment.tzinfo is None:
        raise ValueError("the clock of a ledger must give aware times, such as datetime.now(UTC)")
    return moment.astimezone(UTC).replace(tzinfo=None).isoformat(timespec="microseconds") + "Z"


def storable(text: str) -> str:
    """Return text with what no database keeps (NUL, lone surrogates) as escapes."""
    if not _UNSTORABLE.search(text):
        return text
    # A surrogate pair that came as two characters (JSON, Windows) is one character.
    whole = text.encode("utf-16", "surrogatepass").decode("utf-16", "surrogatepass")
    return _UNSTORABLE.sub(lambda match: printable(match.group()), whole)


def category_of(category: str | Category) -> Category:
    """Return the category that is meant."""
    found = CATEGORIES.get(category.short) if isinstance(category, Category) else find(str(category))
    if found is None:
        raise LedgerError(f"there is no category {printable(category)!r}; the categories are {', '.join(CATEGORIES)}")
    return found


def comment_text(comment: str, category: Category | None = None) -> str:
    """Return a comment that can be kept, and that says why where the category demands it."""
    if len(comment) > COMMENT_LIMIT:
        raise LedgerError(
            f"the comment has {len(comment):,} characters and {COMMENT_LIMIT:,} is the most; "
            "keep the long text in a file of the case and name it in the comment"
        )
    if category is not None and category.needs_comment and not _seen(comment):
        raise LedgerError(f"{category.short} ({category.name}) needs a comment: say why, with comment='...'")
    return storable(comment)


def _seen(text: str) -> bool:
    return any(each.isprintable() and not each.isspace() for each in text)


def names_of(subjects: Iterable[str | int] | str | int) -> list[str]:
    """Return the names of subjects, each once: texts, and whole numbers as text."""
    single = isinstance(subjects, (str, numbers.Integral))
    names: dict[str, None] = {}
    for each in [subjects] if single else subjects:  # type: ignore[union-attr, list-item]
        if isinstance(each, str):
            name = storable(each)
        elif isinstance(each, numbers.Integral) and not isinstance(each, bool):
            name = str(int(each))  # the number of a session, whatever NumPy calls it
        else:
            raise LedgerError(f"{printable(repr(each))} names nothing; a subject is a text or a whole number")
        if not 0 < len(name) <= _NAME_LIMIT:
            raise LedgerError(f"a text of {len(name):,} characters names no subject; it has 1 to {_NAME_LIMIT:,}")
        names[name] = None
    if not names:
        raise LedgerError("nothing was chosen: name at least one subject to judge")
    return list(names)


def analyst_name(analyst: str | None) -> str:
    """Return who acts: the name given, else NSM_ANALYST of the environment, else the account's."""
    if analyst is None:
        analyst = os.environ.get("NSM_ANALYST", "")
        if not analyst.strip():
            try:
                analyst = getpass.getuser()
            except (OSError, KeyError, ImportError):  # an account without a name, as in some containers
                analyst = ""
    if not analyst.strip():
        raise LedgerError("nobody judges: give analyst='...', or set NSM_ANALYST in the environment")
    if len(analyst) > _NAME_LIMIT:
        raise LedgerError(f"an analyst's name of {len(analyst):,} characters is too long; {_NAME_LIMIT:,} is the most")
    if _RULE.fullmatch(analyst.strip()):
        raise LedgerError(f"{printable(analyst.strip())} is how the ledger names a rule; give the name of a person")
    return storable(analyst.strip())
