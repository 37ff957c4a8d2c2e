"""git, sealed: neither a user's configuration nor the environment changes a byte of what it makes."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import IO, TypeVar

from patchbot.errors import EnvironmentProblem, RepositoryError
from patchbot.git.plumbing import Git, GitFailed, GitMissing, Process

# What a caller's environment must not change.  GIT_INDEX_FILE and friends leak through GitPython, which
# copies os.environ; the list of settings is git's own (git(1), "Environment Variables").
SEALED = {
    "GIT_CONFIG_NOSYSTEM": "1",
    "GIT_CONFIG_GLOBAL": os.devnull,
    "GIT_ATTR_NOSYSTEM": "1",
    # no other variable keeps $XDG_CONFIG_HOME/git/attributes away: `* -diff` there makes every mail binary
    "GIT_CONFIG_COUNT": "2",
    "GIT_CONFIG_KEY_0": "core.attributesFile",
    "GIT_CONFIG_VALUE_0": os.devnull,
    # `git am` and `git commit` look for rubbish behind everything they do
    "GIT_CONFIG_KEY_1": "maintenance.auto",
    "GIT_CONFIG_VALUE_1": "false",
    "GIT_NO_REPLACE_OBJECTS": "1",
    "GIT_TERMINAL_PROMPT": "0",
    "TZ": "UTC",
}
_KEPT = ("GIT_PYTHON_", "GIT_SSL_", "GIT_SSH", "GIT_ASKPASS", "GIT_PROXY_")

IDENTITY = {
    f"GIT_{who}_{what}": value
    for who in ("AUTHOR", "COMMITTER")
    for what, value in {"NAME": "patchbot", "EMAIL": "patchbot@invalid"}.items()
}


_Git = TypeVar("_Git", bound=Git)


def seal_environment() -> None:
    """Remove the caller's ``GIT_*`` settings from this process.

    GitPython gives every git it starts a copy of ``os.environ``, so unsetting is the only way; settings
    that say how to reach a server stay.
    """
    for key in [k for k in os.environ if k.startswith("GIT_") and not k.startswith(_KEPT)]:
        del os.environ[key]


def seal(git: _Git, **more: str) -> _Git:
    """Give every command of ``git`` the sealed environment, and ``more`` on top."""
    git.update_environment(**{**SEALED, **more})
    return git


def run_git(
    git: Git,
    args: Sequence[str],
    *,
    where: Path,
    stdin: bytes | None = None,
    env: Mapping[str, str] | None = None,
) -> bytes:
    """Run git and return its stdout, byte for byte; ``where`` is named if it fails."""
    with _told(args, where), _input(stdin) as file:
        return git.run(args, stdin=file, env=env)


def start_git(
    git: Git, args: Sequence[str], *, where: Path, stdin: bytes, env: Mapping[str, str] | None = None
) -> Callable[[], None]:
    """Start a git that prints nothing; what is returned waits for its end, and raises as ``run_git`` does."""
    with _told(args, where), _input(stdin) as file:
        process = git.start(args, stdin=file, env=env)

    def wait() -> None:
        with _told(args, where):
            process.wait()

    return wait


def ask_git(git: Git, args: Sequence[str], *, where: Path) -> Process:
    """Start a git that answers what is written to it."""
    with _told(args, where):
        return git.start(args, stdin=None, env=None)


@contextmanager
def _input(data: bytes | None) -> Iterator[IO[bytes]]:
    """Give bytes as a file, which no child can be too slow to read."""
    with tempfile.TemporaryFile() as file:
        if data is not None:
            file.write(data)
            file.seek(0)
        yield file


@contextmanager
def _told(args: Sequence[str], where: Path) -> Iterator[None]:
    """Say in our own words what is wrong with a git."""
    try:
        yield
    except GitMissing:
        raise EnvironmentProblem("git is not on PATH", hint="install git 2.39 or newer") from None
    except GitFailed as error:
        raise RepositoryError(f"git {args[0]} failed: {str(error).strip()}", where=where) from None
    except OSError as error:
        raise EnvironmentProblem(
            f"git {args[0]} cannot be given its input: {error.strerror}",
            where=tempfile.gettempdir(),
            hint="is the disk full? TMPDIR names another folder",
        ) from None


def lend(objects: Path, repository: Path) -> None:
    """Let the git folder ``repository`` read the objects of another one (gitrepository-layout(5), alternates).

    The path is quoted, so that any can stand there.
    """
    path = os.fsencode(objects.absolute())
    for char, escape in ((b"\\", b"\\\\"), (b'"', b'\\"'), (b"\n", b"\\n")):
        path = path.replace(char, escape)
    (repository / "objects" / "info" / "alternates").write_bytes(b'"' + path + b'"\n')
