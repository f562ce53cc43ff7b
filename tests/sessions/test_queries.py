"""Sessions are narrowed by the query line."""

from __future__ import annotations

import pandas as pd
import pytest

from nsm_nb.errors import QueryError
from nsm_nb.schema import SESSIONS
from nsm_nb.sessions.queries import query


def test_sessions_that_match_come_back_with_the_index_they_had():
    sessions = SESSIONS.conform(
        pd.DataFrame({"src_ip": ["10.1.1.177", "203.0.113.66"], "dst_port": [445, 445], "src_octets": [2_000_000, 5]})
    )

    assert query(sessions, "src 10.0.0.0/8 and dst port 445 and octets > 1e6").index.tolist() == [0]
    assert query(sessions, "octets < 10").index.tolist() == [1]
    assert len(query(sessions, "")) == 2


def test_a_mistake_is_told_with_its_place():
    with pytest.raises(QueryError, match="at character 10: 'smb' is no port") as caught:
        query(SESSIONS.empty(), "dst port smb")
    assert caught.value.column == 9
