"""Lines of values are read a few thousand at a time, and give what one reading of all of them gives."""

from __future__ import annotations

import tracemalloc

import pytest

from nsm_nb.formats import separated

LAYOUT = separated.Layout("alert", ["a", "b", "c"], lambda values: values["a"] != "x")


@pytest.mark.parametrize("most", [1, 2, 7, 8, 100])
def test_lines_in_pieces_are_the_lines_at_once(tmp_path, monkeypatch, most):
    monkeypatch.setattr(separated, "_ROWS", most)
    place = tmp_path / "x.csv"
    place.write_text("".join(f'{at}, "b,{at}",{" " * at}\n{"x,2,3" if at % 3 else "1,2"}\n' for at in range(8)))
    found = separated.read(place, "x", LAYOUT)
    expected = [{"a": b"%d" % at, "b": b"b,%d" % at, "c": b""} for at in range(8)]
    assert found.fields.to_pylist() == expected
    assert found.record.tolist() == list(range(1, 16, 2))
    assert [each.record for each in found.caveats] == list(range(2, 17, 2))


def test_the_texts_of_a_large_file_are_not_all_held_at_once(tmp_path, monkeypatch):
    monkeypatch.setattr(separated, "_ROWS", 64)
    place = tmp_path / "x.csv"
    place.write_text("".join(f"{at},{at}b,{at}c\n" for at in range(4_000)))
    tracemalloc.start()
    try:
        found = separated.read(place, "x", LAYOUT)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert found.fields.num_rows == 4_000
    assert (
        peak < 1_200_000
    )  # measured 0.6 MB, most of it the buffer and the numbers of lines; 1.9 MB with all of them held
