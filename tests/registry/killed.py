"""kill -9 after every single thing that a run does to the disk: files opened for writing, moved, removed."""

from __future__ import annotations

import os
import signal
import sys
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

_MOVES = frozenset({"os.rename", "os.remove", "os.mkdir", "os.rmdir"})
_WRITING = os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_TRUNC


def everywhere(folder: Path, prepare: Callable[[], None], work: Callable[[], object]) -> Iterator[int]:
    """Yield the number of writes after which ``work`` was killed, each time on what ``prepare`` makes.

    Ends with the run that came to its end by itself.
    """
    for survive in range(1000):
        prepare()
        status = in_a_child(folder, work, die_after=survive)
        if status != -signal.SIGKILL:
            assert status == 0
            return
        yield survive


def in_a_child(folder: Path, work: Callable[[], object], *, die_after: int) -> int:
    """Do the work in a child that kills itself; return its exit status, negative for a signal."""
    with warnings.catch_warnings():
        # Python 3.12 warns of forks beside threads, which the test runner may have; the child uses none.
        warnings.simplefilter("ignore", DeprecationWarning)
        child = os.fork()
    if child:
        return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    code = 1
    try:
        sys.addaudithook(_killer(str(folder), die_after))
        work()
        code = 0
    finally:
        os._exit(code)


def _killer(folder: str, left: int) -> Callable[[str, tuple[Any, ...]], None]:
    count = 0

    def hook(event: str, args: tuple[Any, ...]) -> None:
        nonlocal count
        if _writes(event, args, folder):
            count += 1
            if count > left:
                os.kill(os.getpid(), signal.SIGKILL)

    return hook


def _writes(event: str, args: tuple[Any, ...], folder: str) -> bool:
    if event == "open":
        return isinstance(args[2], int) and bool(args[2] & _WRITING) and str(args[0]).startswith(folder)
    return event in _MOVES and any(str(arg).startswith(folder) for arg in args)
