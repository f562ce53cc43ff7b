"""Hostile captures and mutations once more, with every index of the kernels checked: a file of its own, for a core of its own."""

from __future__ import annotations

import pytest

from tests.conftest import _shared
from tests.test_hostile import in_a_process


@pytest.mark.slow(60)
def test_captures_and_mutations_are_read_with_every_index_checked(tmp_path):
    # in one process, because kernels are compiled anew for it
    place = _shared()
    hostile = f"read_all(captures(Path({str(place)!r})))" if place else "{}"

    told = in_a_process(f"spent = read_mutations(10_000, 11_000) | {hostile}", tmp_path, checked=True)

    assert told["spent"]["frames"] > 5_000
    assert place is None or len(told["spent"]) > 800
