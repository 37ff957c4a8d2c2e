"""Progress and messages on stderr: bars on a terminal, plain lines elsewhere.  Results go to stdout."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, TextIO

if TYPE_CHECKING:
    from rich.progress import Progress, TaskID

_CONTROL = dict.fromkeys(
    (
        *(*range(9), *range(11, 32), *range(127, 160)),
        *(*range(0x202A, 0x202F), *range(0x2066, 0x206A)),  # turn the direction of writing
        *range(0xD800, 0xE000),  # bytes of a path that are not UTF-8: stdout would refuse them
    ),
    "?",
)


def safe(text: str) -> str:
    """Return text that cannot steer a terminal: upstream's words and tools' output may hold anything."""
    return text.translate(_CONTROL)


class Task:
    """Something long with an end: say ``advance`` for each step, ``tell`` for what is at work."""

    def __init__(self, progress: Progress | None, task: TaskID | None) -> None:
        self._progress = progress
        self._task = task
        self.done = 0

    def advance(self, doing: str = "") -> None:
        """One more step is done."""
        self.done += 1
        if self._progress is not None and self._task is not None:
            self._progress.update(self._task, advance=1, doing=safe(doing)[:60])

    def tell(self, doing: str) -> None:
        """Say what is at work, without a step."""
        if self._progress is not None and self._task is not None:
            self._progress.update(self._task, doing=safe(doing)[:60])


class Reporter:
    """Tells a person what is going on.  ``quiet`` leaves only warnings."""

    def __init__(self, stream: TextIO | None = None, *, quiet: bool = False) -> None:
        self._stream = stream or sys.stderr
        self._quiet = quiet
        self._bars = self._stream.isatty() and not quiet

    def say(self, text: str) -> None:
        """Say one line."""
        if not self._quiet:
            print(safe(text), file=self._stream, flush=True)

    def warn(self, text: str) -> None:
        """Say one line even when quiet."""
        print(safe(f"warning: {text}"), file=self._stream, flush=True)

    @contextmanager
    def task(self, title: str, total: int | None = None) -> Iterator[Task]:
        """Show work with an end; without a terminal, a line when it begins and one when it is done."""
        if self._bars:
            yield from self._bar(title, total)
            return
        self.say(f"{title} …")
        started = time.monotonic()
        task = Task(None, None)
        yield task
        steps = f"{task.done} done, " if task.done else ""
        self.say(f"{title}: {steps}{time.monotonic() - started:.1f} s")

    def _bar(self, title: str, total: int | None) -> Iterator[Task]:
        from rich.console import Console  # noqa: PLC0415 - 50 ms that only terminals pay
        from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn  # noqa: PLC0415

        # No markup: tools say things like [/usr/lib], which rich takes for a closing tag and refuses.
        columns = (TextColumn("{task.description}", markup=False), BarColumn(24), MofNCompleteColumn(), TimeElapsedColumn(),
                   TextColumn("{task.fields[doing]}", style="dim", markup=False))  # fmt: skip
        console = Console(file=self._stream, highlight=False)
        with Progress(*columns, console=console, transient=True) as progress:
            task = Task(progress, progress.add_task(title, total=total, doing=""))
            started = time.monotonic()
            yield task
        steps = f"{task.done} done, " if task.done else ""
        self.say(f"{title}: {steps}{time.monotonic() - started:.1f} s")


def table(rows: Sequence[tuple[str, ...]]) -> str:
    """Return rows as aligned columns, the last one unpadded."""
    if not rows:
        return ""
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]) - 1)]
    lines = []
    for row in rows:
        cells = [cell.ljust(width) for cell, width in zip(row, widths, strict=False)]
        lines.append(safe("  ".join([*cells, row[-1]]).rstrip()))
    return "\n".join(lines) + "\n"
