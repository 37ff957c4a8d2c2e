"""What was read of files, remembered by their content, so that releases share it.

Two releases of one major differ in some dozens of files out of a thousand, and a rewritten release from
its original in some more; everything that depends on a file's path and bytes alone is read once for all.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Hashable, Sequence
from typing import Any, TypeVar

T = TypeVar("T")


class Readings:
    """Remembers results of pure functions until two releases in a row have not asked for them."""

    def __init__(self) -> None:
        self._recent: dict[Hashable, Any] = {}
        self._older: dict[Hashable, Any] = {}

    def turn(self) -> None:
        """Say that the next release begins: forget what the last one did not need."""
        self._older, self._recent = self._recent, {}

    def recall(self, key: Hashable, make: Callable[[], T]) -> T:
        """Return what ``make`` returned for an equal key, or what it returns now.

        A failure is not remembered.
        """
        if key in self._recent:
            known: T = self._recent[key]
            return known
        result: T = self._older[key] if key in self._older else make()
        self._recent[key] = result
        return result

    def recall_of(self, what: str, parts: tuple[object, ...], make: Callable[[], T], *more: Hashable) -> T:
        """Do what ``recall`` does for values that are slow to compare: ``parts`` are told by identity."""
        key = (what, tuple(map(id, parts)), *more)
        # The parts are kept beside the result: while it is known, no other object can have their ids.
        return self.recall(key, lambda: (parts, make()))[1]

    def found(self, pattern: re.Pattern[bytes], needles: Sequence[bytes], data: bytes) -> bool:
        """Whether ``pattern`` is found in ``data``; one of ``needles`` is in whatever it matches."""
        return self.recall((pattern.pattern, data), lambda: _search(pattern, needles, data))


def _search(pattern: re.Pattern[bytes], needles: Sequence[bytes], data: bytes) -> bool:
    return any(needle in data for needle in needles) and pattern.search(data) is not None
