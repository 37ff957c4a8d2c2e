"""The command line, run in the test's own process."""

from __future__ import annotations

from collections.abc import Callable

Run = Callable[..., tuple[int, str, str]]  # words → exit code, stdout and stderr
