from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from contextlib import suppress
from pathlib import Path

import pytest
from support import jobs

from patchbot import workers
from patchbot.errors import EnvironmentProblem

TESTS = Path(__file__).parent


def test_every_item_is_done_once() -> None:
    done = dict(workers.spread(range(20), jobs=3, start=jobs.start, work=jobs.remember))
    assert sorted(done) == list(range(20))
    assert len({process for process, _ in done.values()}) == 3
    assert os.getpid() not in {process for process, _ in done.values()}


def test_a_process_keeps_what_it_learnt_and_goes_from_neighbour_to_neighbour() -> None:
    done = workers.spread(range(12), jobs=2, start=jobs.start, work=jobs.remember)
    longest: dict[int, tuple[int, ...]] = {}
    for _, (process, seen) in done:
        longest[process] = max(longest.get(process, ()), seen, key=len)
    upward, downward = sorted(longest.values())
    assert upward == tuple(range(len(upward)))
    assert downward == tuple(reversed(range(len(upward), 12)))


@pytest.mark.parametrize(("count", "most"), [(0, 4), (1, 4), (3, 8)])
def test_there_are_no_more_processes_than_items(count: int, most: int) -> None:
    done = dict(workers.spread(range(count), jobs=most, start=jobs.start, work=jobs.remember))
    assert len(done) == count
    assert len({process for process, _ in done.values()}) <= count


def test_what_the_work_raises_is_raised_here() -> None:
    with pytest.raises(ZeroDivisionError):
        list(workers.spread([2, 1, 0], jobs=2, start=jobs.start, work=jobs.divide))


def test_a_process_that_dies_is_told() -> None:
    with pytest.raises(EnvironmentProblem, match="a process of patchbot died") as caught:
        list(workers.spread(range(6), jobs=2, start=jobs.start, work=jobs.die))
    assert "--jobs 1" in str(caught.value.hint)


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM])
def test_processes_end_with_their_parent_however_it_ends(number: signal.Signals) -> None:
    script = (
        "from patchbot import workers\nfrom support import jobs\n"
        "if __name__ == '__main__':\n"
        "    list(workers.spread([1, 2], jobs=2, start=jobs.start, work=jobs.wait_for_ever))\n"
    )
    parent = subprocess.Popen(
        [sys.executable, "-c", script],
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,  # Python tells of semaphores that nobody could give back
        env={**os.environ, "PYTHONPATH": str(TESTS)},
        start_new_session=True,
    )
    assert parent.stdout is not None
    children = {int(parent.stdout.readline()) for _ in range(2)}
    assert children < _session(parent.pid)
    parent.send_signal(number)
    parent.wait(10)
    parent.stdout.close()
    deadline = time.monotonic() + 10
    while left := _session(parent.pid):
        assert time.monotonic() < deadline, f"processes outlive their parent: {left}"
        time.sleep(0.05)


def _session(leader: int) -> set[int]:
    """Return the processes of a session that run."""
    found = set()
    for stat in Path("/proc").glob("[0-9]*/stat"):
        with suppress(OSError):
            state, _parent, _group, session = stat.read_text().rpartition(")")[2].split()[:4]
            if int(session) == leader and state != "Z":
                found.add(int(stat.parent.name))
    return found


def test_workers_see_the_environment_of_now(monkeypatch: pytest.MonkeyPatch) -> None:
    for word in ("one", "two"):
        monkeypatch.setenv("PATCHBOT_TEST_WORD", word)
        done = dict(workers.spread([1, 2], jobs=2, start=jobs.start, work=jobs.word))
        assert done == {1: word, 2: word}


def test_there_is_at_least_one_core() -> None:
    assert workers.cores() >= 1
