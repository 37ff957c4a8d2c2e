"""When the next request may go out: a clock that tests replace, a token bucket, and what servers ask for."""

from __future__ import annotations

import email.utils
import re
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Protocol


class Clock(Protocol):
    """Time, and waiting for it to pass."""

    def now(self) -> float:
        """Return seconds since 1970."""

    def wait(self, seconds: float, stop: threading.Event) -> bool:
        """Wait, or until ``stop`` is set; return whether it is."""


class RealClock:
    """The machine's own."""

    def now(self) -> float:
        """Return seconds since 1970."""
        return time.time()

    def wait(self, seconds: float, stop: threading.Event) -> bool:
        """Wait, or until ``stop`` is set; return whether it is."""
        return stop.wait(seconds)


def backoff(first: float, longest: float) -> Iterator[float]:
    """Yield waits in seconds that double, from ``first`` up to ``longest`` and no further."""
    wait = first
    while True:
        yield wait
        wait = min(wait * 2, longest)


_TICK = (
    0.001  # a shorter wait can be lost in the clock: seconds since 1970 have seven digits behind the point
)
_DATE = re.compile(r"(?:after|until) ([A-Z][a-z]{2}, \d\d [A-Z][a-z]{2} \d{4} \d\d:\d\d:\d\d (?:GMT|\+0000))")


def retry_after(header: str, words: str, now: float) -> float | None:
    """Return how many seconds a server asks to wait, None if it does not say.

    ``header`` is ``Retry-After``: seconds, or a date (RFC 9110, 10.2.3).  crates.io has told the date in the
    ``words`` of its error as well, since before it sent the header.
    """
    header = header.strip()
    if header.isascii() and header.isdigit():
        return float(header)
    said = _DATE.search(words)
    for text in (header, said[1] if said else ""):
        try:
            return max(0.0, email.utils.parsedate_to_datetime(text).timestamp() - now)
        except (ValueError, TypeError, IndexError, OverflowError):
            continue
    return None


@dataclass
class Pace:
    """How fast uploads may start: ``burst`` at once, then ``per_minute``; 0 is no limit.

    All uploads of a run share one, so that what a server asks of one of them holds for all.
    """

    clock: Clock
    per_minute: float = 0.0
    burst: int = 1
    _tokens: float = field(init=False)
    _since: float = field(init=False)
    _closed_until: float = field(init=False, default=0.0)
    _lock: threading.Lock = field(init=False, default_factory=threading.Lock)

    def __post_init__(self) -> None:
        self._tokens = float(self.burst)
        self._since = self.clock.now()

    def close(self, seconds: float) -> None:
        """Let nothing start for so long."""
        with self._lock:
            self._closed_until = max(self._closed_until, self.clock.now() + seconds)

    def enter(self, stop: threading.Event) -> bool:
        """Wait until one more may start; return whether ``stop`` came first."""
        while not stop.is_set():
            wait = self._take()
            if wait <= 0:
                return False
            self.clock.wait(wait, stop)
        return True

    def _take(self) -> float:
        """Take a token and return 0, or return how long to wait before asking again."""
        with self._lock:
            now = self.clock.now()
            if now < self._closed_until:
                return self._closed_until - now
            if self.per_minute <= 0:
                return 0.0
            rate = self.per_minute / 60
            self._tokens = min(float(self.burst), self._tokens + (now - self._since) * rate)
            self._since = now
            if self._tokens >= 1:
                self._tokens -= 1
                return 0.0
            return max((1 - self._tokens) / rate, _TICK)
