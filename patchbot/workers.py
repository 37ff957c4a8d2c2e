"""The same work on many items in processes of our own: Python's threads would share one core.

Each process keeps what it has learnt from one item for the next.  Neighbours have most in common, so two
processes share a stretch of the items and take from its two ends until they meet.
"""

from __future__ import annotations

import gc
import multiprocessing
import os
import signal
import sys
import threading
from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from itertools import pairwise
from multiprocessing.context import BaseContext
from typing import Any, TypeVar

from patchbot.errors import EnvironmentProblem

T = TypeVar("T")
R = TypeVar("R")
S = TypeVar("S")

_STATE: list[Any] = []  # of this process, if it is a worker


def spread(
    items: Sequence[T], *, jobs: int, start: Callable[[], S], work: Callable[[S, T], R]
) -> Iterator[tuple[T, R]]:
    """Do ``work`` on every item in up to ``jobs`` processes; return item and result as they are done.

    ``start`` is called once in each process and makes what ``work`` gets with every item.  Both, the items
    and the results go through ``pickle``.  What ``work`` raises is raised here, and ends the rest.

    Raises ``EnvironmentProblem`` if a process dies.
    """
    stretches = _stretches(items, (min(jobs, len(items)) + 1) // 2)
    takers = [take for part in stretches for take in (part.popleft, part.pop)][: min(jobs, len(items))]
    context = _context(work)
    pools = [
        ProcessPoolExecutor(1, context, initializer=_begin, initargs=(dict(os.environ),)) for _ in takers
    ]
    running: dict[Future[R], tuple[int, T]] = {}

    def give(worker: int) -> None:
        if stretches[worker // 2]:
            item = takers[worker]()
            running[pools[worker].submit(_do, start, work, item)] = (worker, item)

    try:
        for worker in range(len(takers)):
            give(worker)
        while running:
            done, _ = wait(running, return_when=FIRST_COMPLETED)
            for future in done:
                worker, item = running.pop(future)
                give(worker)
                yield item, future.result()
    except BrokenProcessPool:
        raise EnvironmentProblem(
            "a process of patchbot died", hint="is there enough memory? --jobs 1 needs least"
        ) from None
    finally:
        for pool in pools:
            pool.shutdown(wait=True, cancel_futures=True)


def cores() -> int:
    """Return how many processes can run at once."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def _stretches(items: Sequence[T], count: int) -> list[deque[T]]:
    """Cut items into ``count`` stretches of neighbours, as even as can be."""
    bounds = [len(items) * n // count for n in range(count + 1)] if count else []
    return [deque(items[a:b]) for a, b in pairwise(bounds)]


def _context(work: Callable[..., object]) -> BaseContext:
    """Return how processes begin: as copies of one that has imported what ``work`` needs, which takes 0.2 s.

    Only on Linux: a copy of a process is not safe where system libraries have threads of their own (macOS,
    cpython issue 77906).
    """
    if sys.platform != "linux":
        return multiprocessing.get_context("spawn")
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload([getattr(work, "func", work).__module__])
    return context


def _begin(environment: Mapping[str, str]) -> None:
    """Make this process end with its parent, however that ends; Ctrl-C ends both.

    ``environment`` is the parent's: the process that this one is a copy of may have begun in another one.
    """
    os.environ.clear()
    os.environ.update(environment)
    gc.disable()
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    parent = multiprocessing.parent_process()
    if parent is not None:
        threading.Thread(target=_end_with, args=(parent,), daemon=True).start()


def _end_with(parent: Any) -> None:  # noqa: ANN401 - multiprocessing's own type is private
    parent.join()
    os._exit(1)


def _do(start: Callable[[], S], work: Callable[[S, T], R], item: T) -> R:
    if not _STATE:
        _STATE.append(start())
    result = work(_STATE[0], item)
    # What is remembered between items are millions of small values without cycles: to look through them
    # again and again for garbage takes a quarter of the time.  Once per item, and at what it made alone.
    gc.collect(0)
    gc.freeze()
    return result
