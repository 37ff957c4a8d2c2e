"""The only place that starts processes: argv lists, never a shell, never a surprise from the environment.

git is spoken to through ``plumbing``.
"""

from __future__ import annotations

import os
import shutil
import signal
import subprocess  # noqa: TID251 - this module is the one place
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from threading import Thread
from typing import IO

from patchbot.errors import EnvironmentProblem

Line = Callable[[str], None]
Child = subprocess.Popen[bytes]


@dataclass(frozen=True, slots=True)
class Result:
    """What a finished process left: its exit code (negative for a signal), output, and seconds."""

    argv: tuple[str, ...]
    code: int
    stdout: bytes
    stderr: bytes
    seconds: float

    @property
    def ok(self) -> bool:
        """Whether the exit code was 0."""
        return self.code == 0

    def head(self, lines: int = 1) -> str:
        """Return the first lines of stderr: where a tool says what is wrong before a backtrace."""
        return "\n".join(self.stderr.decode(errors="replace").strip().splitlines()[:lines])

    def tail(self, lines: int = 20) -> str:
        """Return the last lines of stderr, or of stdout where stderr is empty, for an error message."""
        text = (self.stderr.strip() or self.stdout.strip()).decode(errors="replace")
        return "\n".join(text.splitlines()[-lines:])


def find(name: str) -> str | None:
    """Return the path of a program on ``PATH``, or None."""
    return shutil.which(name)


def need(name: str, *, hint: str) -> str:
    """Return the path of a program; raise ``EnvironmentProblem`` with ``hint`` if it is not there."""
    path = find(name)
    if path is None:
        raise EnvironmentProblem(f"{name} is not on PATH", hint=hint)
    return path


def environment(extra: Mapping[str, str] | None = None, *, drop: Sequence[str] = ()) -> dict[str, str]:
    """Return the environment for a child: ours, without ``GIT_*`` and the named prefixes, plus ``extra``."""
    prefixes = ("GIT_", *drop)
    kept = {key: value for key, value in os.environ.items() if not key.startswith(prefixes)}
    return {**kept, **(extra or {})}


def run(
    argv: Sequence[str | Path],
    *,
    cwd: Path | None = None,
    env: Mapping[str, str] | None = None,
    data: bytes | None = None,
    on_line: Line | None = None,
    timeout: float | None = None,
) -> Result:
    """Run a program to its end and return what it left; a failing exit code is a result, not an error.

    ``data`` is what it reads from stdin: a few kilobytes, which any pipe takes before the child reads.
    ``on_line`` is given every line of stderr as it comes (cargo reports there).  The child has a process
    group of its own, which ends with it: a Ctrl-C, an exception or ``timeout`` (seconds) leaves nothing
    running.

    Raises ``EnvironmentProblem`` if the program cannot be started or runs out of time.
    """
    words = tuple(str(word) for word in argv)
    started = time.monotonic()
    try:
        child = subprocess.Popen(
            words,
            cwd=cwd,
            env=dict(env) if env is not None else environment(),
            stdin=subprocess.DEVNULL if data is None else subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            start_new_session=True,
        )
    except OSError as error:
        raise EnvironmentProblem(
            f"{words[0]} cannot be started: {error.strerror}", hint="is it installed and on PATH?"
        ) from None
    try:
        if child.stdin is not None:
            with suppress(BrokenPipeError), child.stdin:  # it may have ended without reading
                child.stdin.write(data or b"")
        stdout, stderr = _follow(child, on_line, timeout)
    except subprocess.TimeoutExpired:
        raise EnvironmentProblem(
            f"{Path(words[0]).name} did not end within {timeout:g} seconds", where=" ".join(words)
        ) from None
    finally:
        _end(child)
    return Result(words, child.returncode, stdout, stderr, time.monotonic() - started)


def start(argv: Sequence[str], *, cwd: Path, env: Mapping[str, str], stdin: IO[bytes] | None = None) -> Child:
    """Start a program that reads ``stdin``, or what is written to it; whoever starts it sees to its end.

    Raises ``OSError`` if it cannot be started.
    """
    given = subprocess.PIPE if stdin is None else stdin
    return subprocess.Popen(
        argv, cwd=cwd, env=dict(env), stdin=given, stdout=subprocess.PIPE, stderr=subprocess.PIPE
    )


def let_end(child: Child) -> None:
    """Close what leads to a started program, which is to end of that, and wait for it."""
    for stream in (child.stdin, child.stdout, child.stderr):
        if stream is not None:
            with suppress(OSError):  # it has died before
                stream.close()
    child.wait()


def _follow(
    child: subprocess.Popen[bytes], on_line: Line | None, timeout: float | None
) -> tuple[bytes, bytes]:
    pieces: list[bytes] = []
    lines: list[bytes] = []
    failures: list[Exception] = []

    def read_all(stream: IO[bytes]) -> None:
        pieces.append(stream.read())

    def read_lines(stream: IO[bytes]) -> None:
        for line in stream:
            lines.append(line)
            if on_line is None or failures:
                continue
            try:
                on_line(line.decode(errors="replace").rstrip("\n"))
            except Exception as error:  # noqa: BLE001 - told below; a child that nobody reads would never end
                failures.append(error)

    assert child.stdout is not None  # noqa: S101 - opened as pipes above
    assert child.stderr is not None  # noqa: S101
    readers = [
        Thread(target=read_all, args=(child.stdout,), daemon=True),
        Thread(target=read_lines, args=(child.stderr,), daemon=True),
    ]
    for reader in readers:
        reader.start()
    child.wait(timeout)
    _signal(child, signal.SIGKILL)  # what it left in the background may hold the pipes for ever
    for reader in readers:
        reader.join()
    if failures:
        raise failures[0]
    return b"".join(pieces), b"".join(lines)


def _end(child: subprocess.Popen[bytes]) -> None:
    """End the child's whole group; cargo's rustc children would otherwise live on."""
    if child.poll() is None:
        _signal(child, signal.SIGTERM)
        with suppress(subprocess.TimeoutExpired):
            child.wait(5)
    _signal(child, signal.SIGKILL)
    child.wait()
    for stream in (child.stdout, child.stderr):
        if stream is not None:
            stream.close()


def _signal(child: subprocess.Popen[bytes], number: signal.Signals) -> None:
    with suppress(ProcessLookupError, PermissionError):  # nobody is left, or (macOS) only zombies are
        os.killpg(child.pid, number)
