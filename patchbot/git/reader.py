"""One running ``git cat-file --batch``: objects by their ids, one at a time or asked for ahead."""

from __future__ import annotations

import fcntl
from collections.abc import Iterable, Sequence
from contextlib import suppress
from pathlib import Path
from typing import IO, NamedTuple

from patchbot.errors import RepositoryError
from patchbot.git.plumbing import Git, Process
from patchbot.git.sealed import ask_git

_ASKED = 800  # objects at once: their ids go into a pipe's buffer whole, so that nobody waits for the other
_AHEAD = 1 << 20  # bytes in a pipe: what Linux allows everybody (pipe(7), pipe-max-size)


class GitObject(NamedTuple):
    """An object as git has it."""

    oid: str
    kind: str
    data: bytes


class TooLarge(RepositoryError):  # noqa: N818 - nothing is wrong with the repository
    """An object that is larger than its reader takes."""


class Reader:
    """Reads objects of the repository at ``where``.  git starts with the first question.

    An object of more than ``largest`` bytes is refused, where somebody else has made the repository.
    """

    def __init__(self, git: Git, where: Path, *, largest: int | None = None) -> None:
        self._git = git
        self._where = where
        self._largest = largest
        self._process: Process | None = None
        self._asked: dict[str, None] = {}  # objects that were asked for before they are wanted, in this order
        self._ahead: dict[str, GitObject] = {}  # and those of them that have come

    @property
    def runs(self) -> bool:
        """Whether git has been started."""
        return self._process is not None

    def close(self) -> None:
        """Let git end."""
        if self._process is not None:
            self._process.close()

    def find(self, name: str) -> GitObject | None:
        """Return what an id or a ref names, or None if nobody has it.

        Raises ``RepositoryError`` if git cannot read it, ``TooLarge`` where that is said.
        """
        while name in self._asked:
            self._take()
        if (known := self._ahead.pop(name, None)) is not None:
            return known
        while self._asked:
            self._take()
        self._ask([name])
        return self._answer(name)

    def prefetch(self, oids: Iterable[str]) -> None:
        """Ask for objects that will be wanted: one at a time, each costs two switches between processes.

        git reads them while its reader does something else; ``find`` takes what has come.
        """
        wanted = list(dict.fromkeys(oids))
        for start in range(0, len(wanted), _ASKED):
            while self._asked:
                self._take()
            part = wanted[start : start + _ASKED]
            self._ask(part)
            self._asked.update(dict.fromkeys(part))

    def _take(self) -> None:
        """Take the next object that was asked for ahead; what is not there now may come, and is asked for again."""
        oid = next(iter(self._asked))
        del self._asked[oid]
        found = self._answer(oid)
        if found is not None:
            self._ahead[oid] = found

    def _ask(self, names: Sequence[str]) -> None:
        stdin = self._running().stdin
        assert stdin is not None  # noqa: S101 - it was started to be asked
        with suppress(BrokenPipeError):  # a git that has died says nothing to `_answer` either
            stdin.write("".join(f"{name}\n" for name in names).encode())
            stdin.flush()

    def _running(self) -> Process:
        if self._process is None:
            self._process = ask_git(self._git, ["cat-file", "--batch"], where=self._where)
            _widen(self._process.stdout)
        return self._process

    def _answer(self, name: str) -> GitObject | None:
        stdout = self._running().stdout
        line = stdout.readline()
        head = line.split()
        if line and len(head) != 3:  # noqa: PLR2004 - id, kind and size; or the name and "missing"
            return None
        if line and self._largest is not None and int(head[2]) > self._largest:
            _skip(stdout, int(head[2]) + 1)
            raise TooLarge(f"{name} has more than {self._largest} bytes", where=self._where)
        data = stdout.read(int(head[2]) + 1) if line else b""
        if not line or len(data) != int(head[2]) + 1:  # git dies of a damaged object, in the middle of it
            raise RepositoryError(
                f"git cannot read the object {name}",
                where=self._where,
                hint="`git fsck` in the repository says what is damaged",
            )
        return GitObject(head[0].decode(), head[1].decode(), data[:-1])


def _skip(stream: IO[bytes], size: int) -> None:
    while size > 0 and (piece := stream.read(min(size, _AHEAD))):
        size -= len(piece)


def _widen(pipe: IO[bytes]) -> None:
    """Let git run ahead of its reader; a system that has no such call, or allows less, works all the same."""
    with suppress(OSError, AttributeError):
        fcntl.fcntl(pipe, fcntl.F_SETPIPE_SZ, _AHEAD)
