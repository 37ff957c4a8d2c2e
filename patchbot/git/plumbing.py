"""How git is run: what its two drivers have in common, and the plain one of them.

The store is driven by GitPython (``gitpython``).  That takes 50 ms to import and starts git twice meanwhile, a
quarter of a whole rebase; what reads a repository of somebody else's, once, starts git by itself.
"""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import IO, Protocol

from patchbot import tools

# As GitPython has it: what git says does not depend on who is asked.
_LANGUAGE = {"LANGUAGE": "C", "LC_ALL": "C"}


class GitFailed(Exception):  # noqa: N818 - never told as it is: `sealed` makes a message of it
    """A git that ended with an exit code other than 0; its text is what git said on stderr."""


class GitMissing(Exception):  # noqa: N818 - see GitFailed
    """There is no git on PATH."""


class Process(Protocol):
    """A git that runs."""

    stdin: IO[bytes] | None  # None if it was given a file to read
    stdout: IO[bytes]

    def wait(self) -> None:
        """Wait for its end.  Raises ``GitFailed``."""

    def close(self) -> None:
        """Let it end, and close what leads to it, whatever it says."""


class Git(Protocol):
    """Runs git in one folder."""

    def update_environment(self, **variables: str) -> None:
        """Set variables for every command from now on."""

    def run(self, args: Sequence[str], *, stdin: IO[bytes] | None, env: Mapping[str, str] | None) -> bytes:
        """Run git and return its stdout, byte for byte.  Raises ``GitFailed``, ``GitMissing``."""

    def start(
        self, args: Sequence[str], *, stdin: IO[bytes] | None, env: Mapping[str, str] | None
    ) -> Process:
        """Start git; without ``stdin`` it reads what is written to it.  Raises ``GitMissing``."""


class PlainGit:
    """Starts git in ``folder`` by itself."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._variables: dict[str, str] = {}

    def update_environment(self, **variables: str) -> None:
        """Set variables for every command from now on."""
        self._variables.update(variables)

    def run(self, args: Sequence[str], *, stdin: IO[bytes] | None, env: Mapping[str, str] | None) -> bytes:
        """Run git and return its stdout, byte for byte.  Raises ``GitFailed``, ``GitMissing``."""
        child = self._child(args, stdin, env)
        out, words = child.communicate()
        if child.returncode:
            raise GitFailed(words.decode(errors="replace"))
        return out

    def start(
        self, args: Sequence[str], *, stdin: IO[bytes] | None, env: Mapping[str, str] | None
    ) -> Process:
        """Start git; without ``stdin`` it reads what is written to it.  Raises ``GitMissing``."""
        return _Started(self._child(args, stdin, env))

    def _child(
        self, args: Sequence[str], stdin: IO[bytes] | None, env: Mapping[str, str] | None
    ) -> tools.Child:
        variables = {**os.environ, **_LANGUAGE, **self._variables, **(env or {})}
        try:
            return tools.start(["git", *args], cwd=self._folder, env=variables, stdin=stdin)
        except FileNotFoundError:
            if self._folder.is_dir():
                raise GitMissing from None
            raise


class _Started:
    def __init__(self, child: tools.Child) -> None:
        self._child = child
        assert child.stdout is not None  # noqa: S101 - `tools.start` opens it
        self.stdout: IO[bytes] = child.stdout
        self.stdin: IO[bytes] | None = child.stdin

    def wait(self) -> None:
        _, words = self._child.communicate()
        if self._child.returncode:
            raise GitFailed(words.decode(errors="replace"))

    def close(self) -> None:
        tools.let_end(self._child)
