"""What was read of files, remembered by their content, so that releases share it.

Two releases of one major differ in some dozens of files out of a thousand, and a rewritten release from
its original in some more; everything that depends on a file's path and bytes alone is read once for all.
What is small beside the work that it took is kept on a shelf as well, for processes to come.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Hashable, Sequence
from typing import Any, Protocol, TypeVar

from patchbot.symbols import kept

T = TypeVar("T")


class Shelf(Protocol):
    """Keeps bytes by the digest of what they were made from, for all processes of this version of patchbot."""

    def get(self, key: bytes) -> bytes | None:
        """Return what was put under ``key``, or None."""

    def put(self, key: bytes, value: bytes) -> None:
        """Keep a value, once ``save`` is called."""

    def save(self) -> None:
        """Let other processes see what was put."""


class Readings:
    """Remembers results of pure functions until two releases in a row have not asked for them."""

    def __init__(self, shelf: Shelf | None = None) -> None:
        self._recent: dict[Hashable, Any] = {}
        self._older: dict[Hashable, Any] = {}
        self._shelf = shelf

    def turn(self) -> None:
        """Say that the next release begins: forget what the last one did not need."""
        self._older, self._recent = self._recent, {}

    def save(self) -> None:
        """Let other processes have what was kept."""
        if self._shelf is not None:
            self._shelf.save()

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

    def keep(self, key: kept.Key, make: Callable[[], T]) -> T:
        """Do what ``recall`` does, across processes: ``key`` says everything that the result depends on but the code."""
        if key in self._recent:
            known: T = self._recent[key]
            return known
        return self.recall(key, lambda: self._from_shelf(key, make))

    def _from_shelf(self, key: kept.Key, make: Callable[[], T]) -> T:
        if self._shelf is None:
            return make()
        digest = kept.digest(key)
        data = self._shelf.get(digest)
        found = kept.decode(data, digest) if data is not None else None
        if found is not None:
            known: T = found.value
            return known
        result = make()
        self._shelf.put(digest, kept.encode(result, digest))
        return result

    def recall_of(self, what: str, parts: tuple[object, ...], make: Callable[[], T], *more: Hashable) -> T:
        """Do what ``recall`` does for values that are slow to compare: ``parts`` are told by identity."""
        key = (what, tuple(map(id, parts)), *more)
        # The parts are kept beside the result: while it is known, no other object can have their ids.
        return self.recall(key, lambda: (parts, make()))[1]

    def found(self, pattern: re.Pattern[bytes], needles: Sequence[bytes], data: bytes) -> bool:
        """Whether ``pattern`` is found in ``data``; one of ``needles`` is in whatever it matches."""
        key = ("found", pattern.pattern, pattern.flags, data)
        return self.keep(key, lambda: _search(pattern, needles, data))


def _search(pattern: re.Pattern[bytes], needles: Sequence[bytes], data: bytes) -> bool:
    return any(needle in data for needle in needles) and pattern.search(data) is not None
