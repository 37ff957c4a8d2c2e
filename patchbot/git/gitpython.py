"""GitPython, imported at one place and only when a store is opened: it costs 50 ms.

Importing it fails where git is missing, unless it is told not to look.
"""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import IO, Any, cast

os.environ.setdefault("GIT_PYTHON_REFRESH", "quiet")

from git import (  # noqa: TID251 - this module is the one place
    Git,
    GitCommandError,
    GitCommandNotFound,
    InvalidGitRepositoryError,
    NoSuchPathError,
    Repo,
)

from patchbot.git.plumbing import GitFailed, GitMissing, Process
from patchbot.git.sealed import SEALED

__all__ = ["InvalidGitRepositoryError", "NoSuchPathError", "PythonGit", "Repo", "make_repository"]

_PIPE = -1  # subprocess.PIPE, as GitPython hands it on


class PythonGit:
    """Runs git as GitPython does: ``plumbing.Git``."""

    def __init__(self, git: Git) -> None:
        self._git = git

    @classmethod
    def at(cls, folder: Path) -> PythonGit:
        """Return a driver for a folder that nobody has opened."""
        return cls(Git(folder))

    def update_environment(self, **variables: str) -> None:
        """Set variables for every command from now on."""
        self._git.update_environment(**variables)

    def run(self, args: Sequence[str], *, stdin: IO[bytes] | None, env: Mapping[str, str] | None) -> bytes:
        """Run git and return its stdout, byte for byte: GitPython decodes and strips unless told not to."""
        try:
            return self._git.execute(
                ["git", *args],
                istream=cast("Any", stdin),
                env=env,
                stdout_as_string=False,
                strip_newline_in_stdout=False,
            )
        except GitCommandNotFound:
            raise GitMissing from None
        except GitCommandError as error:
            raise GitFailed(_words(error)) from None

    def start(
        self, args: Sequence[str], *, stdin: IO[bytes] | None, env: Mapping[str, str] | None
    ) -> Process:
        """Start git; without ``stdin`` it reads what is written to it."""
        given = cast("Any", _PIPE if stdin is None else stdin)
        try:
            return _Started(self._git.execute(["git", *args], istream=given, env=env, as_process=True))
        except GitCommandNotFound:
            raise GitMissing from None


class _Started:
    def __init__(self, process: Any) -> None:  # noqa: ANN401 - GitPython's type for it is private
        self._process = process
        self.stdin: IO[bytes] | None = process.stdin
        self.stdout: IO[bytes] = process.stdout

    def wait(self) -> None:
        try:
            self._process.wait()
        except GitCommandError as error:
            raise GitFailed(_words(error)) from None
        finally:
            self._shut()

    def close(self) -> None:
        if self.stdin is not None:
            with suppress(OSError):  # it has died, and whoever asked it was told
                self.stdin.close()
        with suppress(GitCommandError):
            self._process.wait()
        self._shut()

    def _shut(self) -> None:
        self.stdout.close()
        self._process.stderr.close()


def _words(error: GitCommandError) -> str:
    return str(error.stderr).strip().removeprefix("stderr:").strip(" '\n")


def make_repository(path: Path, *, branch: str, bare: bool = False) -> Repo:
    """Make a repository that owes nothing to the user's settings.

    An empty template: the user's own could bring hooks.  GitPython calls --template unsafe, since an
    untrusted one would run hooks; the empty one is the way to have none.
    """
    try:
        return Repo.init(
            path, bare=bare, initial_branch=branch, template="", env=SEALED, allow_unsafe_options=True
        )
    except GitCommandNotFound:
        raise GitMissing from None
