"""Work that many wait for: done once for all who asked before it began."""

from __future__ import annotations

import copy
import threading
from collections.abc import Callable
from enum import Enum, auto

from patchbot.errors import PatchbotError


class _Outcome(Enum):
    DONE = auto()
    BROKEN_OFF = auto()  # by what is nobody's answer: Ctrl-C, a bug


class Coalesced:
    """Runs one kind of work for any number of threads, one at a time."""

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self._begun = 0
        self._ended = 0
        self._outcome: _Outcome | PatchbotError = _Outcome.DONE

    def after_now(self, work: Callable[[], None]) -> None:
        """Return when a ``work`` has been done that began after this call, by whomever.

        Its ``PatchbotError`` is raised for all who waited for it.
        """
        with self._changed:
            wanted = self._begun + 1
            while True:
                self._changed.wait_for(lambda: self._ended >= wanted or self._begun == self._ended)  # noqa: B023 - asked here and now
                if self._ended < wanted:
                    break
                if isinstance(self._outcome, PatchbotError):
                    raise copy.copy(self._outcome)  # one traceback for each thread
                if self._outcome is _Outcome.DONE:
                    return
                wanted = self._ended + 1
            self._begun += 1
        self._do(work)

    def _do(self, work: Callable[[], None]) -> None:
        outcome: _Outcome | PatchbotError = _Outcome.BROKEN_OFF
        try:
            work()
            outcome = _Outcome.DONE
        except PatchbotError as error:
            outcome = error
            raise
        finally:
            with self._changed:
                self._outcome = outcome
                self._ended = self._begun
                self._changed.notify_all()
