"""What callers give a ledger, checked and made fit for any database: names, categories, comments, times."""

from __future__ import annotations

import getpass
import numbers
import os
import re
import unicodedata
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
# How the ledger names a rule, "rule 3", and what only looks like it: 1 and i for l, o for 0, letters of other alphabets
# that are drawn as Latin ones (Unicode TR 39, confusables).
_RULE = re.compile(r"ru[l1i]e[\doil]+")
_ALIKE = str.maketrans({"|": "l", "!": "l"}) | {
    ord(alike): letter
    for letter, others in {
        "r": "\u0433\u1d26\u0280\u027e\u2c85\uab81\uab47",
        "u": "\u03c5\u057d\u0443\u0446\u028b\u1d1c\u03bc\uab4e\uab52",
        "l": "\u04cf\u03b9\u0456\u0131\u029f\u0627\u05c0\u05d5\u05df\u2223",
        "e": "\u0435\u04bd\u0454\u03b5\u1d07\u212e\uab32\u0259",
    }.items()
    for alike in others
}


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
    """Return who acts: the name given, else NSM_ANALYST of the environment, else the account's.

    One name is written in one way: compatible forms of letters are their plain ones (NFKC), what can't be seen is left out,
    spaces are single.

    Raises
    ------
    LedgerError
        Where nobody is named, or the name could be taken for that of a rule.
    """
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
    name = _plain(analyst)
    if not name:
        raise LedgerError("nobody judges: the analyst's name has no character that can be seen; give analyst='...'")
    if _RULE.fullmatch(_skeleton(name)):
        raise LedgerError(f"{name} is how the ledger names a rule, or looks like it; give the name of a person")
    return name


def _plain(name: str) -> str:
    whole = unicodedata.normalize("NFKC", " ".join(storable(name).split()))
    return " ".join("".join(each for each in whole if printable(each) == each).split())


def _skeleton(name: str) -> str:
    """Return the letters and digits of a name as they look, without accents."""
    letters = unicodedata.normalize("NFKD", name.casefold()).translate(_ALIKE)
    return "".join(each for each in letters if each.isalnum())
