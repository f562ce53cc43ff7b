"""Works run in threads give what they give one after the other."""

import itertools
import threading

import pytest

from nsm_nb.kernels import threads
from nsm_nb.kernels.threads import cores, in_threads, power_of_two


def test_results_stand_in_the_order_of_the_works():
    assert in_threads([lambda place=place: place for place in range(9)]) == list(range(9))
    assert in_threads([]) == []


def test_works_run_at_once():
    meeting = threading.Barrier(3, timeout=20)

    assert sorted(in_threads([meeting.wait] * 3)) == [0, 1, 2]  # each waits for the others


@pytest.mark.parametrize("place", [0, 1])
def test_an_error_of_any_work_is_raised_after_all_have_ended(place):
    ended = []
    works = [lambda: ended.append("other")]
    works.insert(place, lambda: 1 // 0)

    with pytest.raises(ZeroDivisionError):
        in_threads(works)
    assert ended == ["other"]


def test_there_is_a_core():
    assert cores() >= 1
    assert [power_of_two(each, 8) for each in (0, 1, 2, 3, 4, 7, 8, 100)] == [1, 1, 2, 2, 4, 4, 8, 8]


@pytest.mark.parametrize("granted", [0, 1, 2])
def test_works_that_no_thread_can_be_had_for_are_done_all_the_same(monkeypatch, granted):
    submit, calls = threads.ThreadPoolExecutor.submit, itertools.count()

    def sometimes(pool, work):
        if next(calls) >= granted:
            raise RuntimeError("can't start new thread")
        return submit(pool, work)

    monkeypatch.setattr(threads.ThreadPoolExecutor, "submit", sometimes)
    done = []
    works = [lambda number=number: done.append(number) or number for number in range(4)]
    assert in_threads(works) == [0, 1, 2, 3]
    assert sorted(done) == [0, 1, 2, 3]
