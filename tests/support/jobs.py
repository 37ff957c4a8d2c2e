"""Work for other processes, which can import it by name."""

from __future__ import annotations

import os
import sys
import time


def start() -> list[int]:
    """Make what a process keeps between items."""
    return []


def remember(seen: list[int], item: int) -> tuple[int, tuple[int, ...]]:
    """Return the process and the items that it has had, this one included."""
    time.sleep(0.01)
    seen.append(item)
    return os.getpid(), tuple(seen)


def divide(seen: list[int], item: int) -> float:
    """Fail for 0."""
    return len(seen) / item


def die(_seen: list[int], item: int) -> int:
    """End the process as a lack of memory does, for 3."""
    if item == 3:
        os.abort()
    return item


def wait_for_ever(_seen: list[int], item: int) -> int:
    """Say which process this is, and never come back."""
    sys.stdout.write(f"{os.getpid()}\n")
    sys.stdout.flush()
    time.sleep(3600)
    return item


def word(_seen: list[int], _item: int) -> str:
    """Return what the environment says."""
    return os.environ["PATCHBOT_TEST_WORD"]
