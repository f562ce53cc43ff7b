"""What a line asks of the alerts that are about a session: columns that whoever joins the two adds to the table.

`nsm_nb.sessions.with_alerts` adds them: `alerts` (how many), `alert_messages` and `alert_sids` (a line of text each).
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pandas as pd

from nsm_nb.query import checks
from nsm_nb.query.values import Value, mistake

__all__ = ["COLUMNS", "alert_test"]

COLUMNS = {"": "alerts", "message": "alert_messages", "sid": "alert_sids"}
_ANY = Value("", 0)


def alert_test(
    place: int, what: Value = _ANY, comparison: Value = _ANY, value: Value = _ANY
) -> Callable[[pd.DataFrame], np.ndarray]:
    """Return the test whether alerts are about a row, or one whose `what` ("message" or "sid") compares so.

    Parameters
    ----------
    place
        Where ``alert`` stands in the line.
    """
    name = COLUMNS[what.text]
    check = checks.check("number" if what.text == "sid" else "text", "alert", comparison, value) if what.text else None
    every = comparison.text in ("!=", "!~")

    def test(table: pd.DataFrame) -> np.ndarray:
        if name not in table:
            raise mistake(
                place,
                "this table does not say which alerts are about a row; case.query(line) does, as does a table of "
                "nsm.sessions.with_alerts(sessions, alerts, joins)",
                "tcp and port 80",
            )
        column = table[name]
        if check is None:
            return checks.check("number", name, Value(">", 0), Value("0", 0))(column)
        if not isinstance(column.dtype, pd.CategoricalDtype):
            column = column.astype("category")
        # each category is the alerts of a session, a line each: they are taken apart once, whatever the rows are
        lines = pd.Series(column.cat.categories.astype("str")).str.split("\n").explode()
        if what.text == "sid":
            lines = pd.to_numeric(lines.where(lines != ""), errors="coerce").astype("Int64")
        hits = pd.Series(check(lines), index=lines.index).groupby(level=0)
        answers = (hits.all() if every else hits.any()).reindex(range(len(column.cat.categories)), fill_value=False)
        return np.append(answers.to_numpy(bool), False)[column.cat.codes.to_numpy()]

    return test
