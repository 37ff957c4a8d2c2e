from __future__ import annotations

import email.utils
import itertools
import threading

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from registry.faulty import NOW, Still

from patchbot.registry.remote.pacing import Pace, RealClock, backoff, retry_after


def test_backoff_doubles_up_to_its_end() -> None:
    assert list(itertools.islice(backoff(0.5, 3), 5)) == [0.5, 1, 2, 3, 3]


@pytest.mark.parametrize(
    ("header", "words", "seconds"),
    [
        ("120", "", 120),
        (" 7 ", "", 7),
        (email.utils.formatdate(NOW + 90, usegmt=True), "", 90),
        (email.utils.formatdate(NOW - 90, usegmt=True), "", 0),
        ("", f"try again after {email.utils.formatdate(NOW + 600, usegmt=True)} and see", 600),
        ("soon", f"wait until {email.utils.formatdate(NOW + 60, usegmt=True)}", 60),
        *(("", "later", None), ("soon", "", None), ("-5", "", None), ("٣", "", None), ("1e9", "", None)),
        ("", "try again after Xyz, 99 Foo 2024 00:00:00 GMT", None),
    ],
)
def test_what_a_server_asks_for(header: str, words: str, seconds: float | None) -> None:
    assert retry_after(header, words, NOW) == seconds


@settings(deadline=None)
@given(st.text(), st.text())
def test_nothing_that_a_server_says_breaks_it(header: str, words: str) -> None:
    found = retry_after(header, words, NOW)
    assert found is None or found >= 0


@settings(deadline=None)
@given(st.integers(1, 600), st.integers(1, 5), st.integers(1, 40))
def test_uploads_never_come_faster_than_their_rate(per_minute: int, burst: int, count: int) -> None:
    clock = Still()
    pace = Pace(clock, per_minute=per_minute, burst=burst)
    for _ in range(count):
        assert pace.enter(threading.Event()) is False
    least = max(0, count - burst) * 60 / per_minute
    assert least - 1e-3 <= clock.time - NOW <= least + 1


def test_without_a_rate_nothing_waits() -> None:
    clock = Still()
    pace = Pace(clock)
    for _ in range(1000):
        pace.enter(threading.Event())
    assert clock.time == NOW


def test_closing_holds_for_whoever_comes() -> None:
    clock = Still()
    pace = Pace(clock)
    pace.close(30)
    pace.close(10)  # does not open it sooner
    pace.enter(threading.Event())
    assert clock.time == NOW + 30


def test_nobody_enters_after_the_end() -> None:
    stop = threading.Event()
    stop.set()
    assert Pace(Still()).enter(stop) is True
    assert RealClock().wait(60, stop) is True
