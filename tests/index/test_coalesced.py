from __future__ import annotations

import threading
import time
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor

import pytest

from patchbot.errors import EnvironmentProblem
from patchbot.index.coalesced import Coalesced


class Work:
    """Work of which each run waits until the test lets it end."""

    def __init__(self) -> None:
        self.runs = 0
        self.begun = threading.Semaphore(0)
        self.ends: list[BaseException | None] = []
        self._go = threading.Semaphore(0)

    def __call__(self) -> None:
        self.runs += 1
        self.begun.release()
        assert self._go.acquire(timeout=20)
        failure = self.ends.pop(0)
        if failure is not None:
            raise failure

    def end(self, failure: BaseException | None = None) -> None:
        self.ends.append(failure)
        self._go.release()


@pytest.fixture
def pool() -> ThreadPoolExecutor:
    return ThreadPoolExecutor(50)


def until(what: Callable[[], bool]) -> None:
    end = time.monotonic() + 20
    while not what():
        assert time.monotonic() < end
        time.sleep(0.001)


def waiting(shared: Coalesced, count: int) -> None:
    until(lambda: len(shared._changed._waiters) == count)  # type: ignore[attr-defined]


def start(pool: ThreadPoolExecutor, shared: Coalesced, work: Work, many: int) -> list[Future[None]]:
    """One thread that works, and many that ask meanwhile."""
    first = pool.submit(shared.after_now, work)
    assert work.begun.acquire(timeout=20)
    rest = [pool.submit(shared.after_now, work) for _ in range(many)]
    waiting(shared, many)
    return [first, *rest]


def test_one_run_serves_all_who_asked_before_it_began(pool: ThreadPoolExecutor) -> None:
    shared, work = Coalesced(), Work()
    first, *rest = start(pool, shared, work, 40)
    work.end()
    first.result(20)
    assert work.begun.acquire(timeout=20)
    assert not any(future.done() for future in rest), "the first run began before they asked"
    work.end()
    for future in rest:
        future.result(20)
    assert work.runs == 2


def test_who_asks_later_is_not_served_by_what_runs_already(pool: ThreadPoolExecutor) -> None:
    shared, work = Coalesced(), Work()
    for runs in (1, 2):
        future = pool.submit(shared.after_now, work)
        work.end()
        future.result(20)
        assert work.runs == runs


def test_a_failure_is_told_to_all_who_waited_and_to_nobody_else(pool: ThreadPoolExecutor) -> None:
    shared, work = Coalesced(), Work()
    first, *rest = start(pool, shared, work, 3)
    work.end()
    first.result(20)
    work.end(EnvironmentProblem("no way", where="there", hint="walk"))
    errors = [future.exception(20) for future in rest]
    assert [(str(error), getattr(error, "hint", "")) for error in errors] == [("there: no way", "walk")] * 3
    assert len({id(error) for error in errors}) == 3
    assert work.runs == 2
    work.end()
    shared.after_now(work)


def test_a_run_that_is_broken_off_serves_nobody(pool: ThreadPoolExecutor) -> None:
    shared, work = Coalesced(), Work()
    first, *rest = start(pool, shared, work, 2)
    work.end()
    first.result(20)
    work.end(KeyboardInterrupt())
    work.end()
    outcomes = [future.exception(20) for future in rest]
    assert sorted(type(outcome).__name__ for outcome in outcomes) == ["KeyboardInterrupt", "NoneType"]
    assert work.runs == 3
