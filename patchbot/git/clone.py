"""A normal clone in which a person finishes a merge with stock git, and what they made of it.

It borrows the store's objects, so making it costs a checkout; its configuration is the person's own.
"""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path

from patchbot.errors import RepositoryError
from patchbot.git.commits import CommitText
from patchbot.git.gitpython import (
    InvalidGitRepositoryError,
    NoSuchPathError,
    PythonGit,
    Repo,
    make_repository,
)
from patchbot.git.sealed import IDENTITY, lend, run_git, seal
from patchbot.git.store import Store, TreeEntry

_INDEX = ("update-index", "-z", "--index-info")

Stages = Mapping[str, Sequence[TreeEntry | None]]  # path → base, ours and theirs, None for a side without it


def make(
    folder: Path,
    store: Store,
    base: str,
    branch: str,
    *,
    merged: Mapping[str, TreeEntry | None],
    stages: Stages,
    texts: Mapping[str, bytes | None],
) -> None:
    """Make a clone at ``folder`` with ``base`` checked out and a merge in its index, as git leaves one.

    ``merged`` are paths that are done (None for what goes), ``stages`` those that are not; ``texts`` are the
    files that stand in the work tree for these, None for one that is not there.  The clone is whole or not
    there.
    """
    folder.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=f".{folder.name}~", dir=folder.parent) as beside:
        fresh = Path(beside, "clone")
        with make_repository(fresh, branch=branch) as repo:
            lend(store.path / "objects", fresh / ".git")
            git = seal(PythonGit(repo.git))
            run_git(git, ["update-ref", f"refs/heads/{branch}", base], where=fresh)
            run_git(git, ["read-tree", "--reset", "-u", base], where=fresh)
            done = {path: [entry] for path, entry in merged.items()}
            run_git(git, _INDEX, where=fresh, stdin=_index_lines(done, 0))
            run_git(git, ["checkout-index", "--force", "--all"], where=fresh)
            run_git(git, _INDEX, where=fresh, stdin=_index_lines(stages, 1))
        gone = {path: None for path, entry in merged.items() if entry is None}
        for path, text in {**gone, **texts}.items():
            file = fresh / path
            if text is None:
                file.unlink(missing_ok=True)
            else:
                file.parent.mkdir(parents=True, exist_ok=True)
                file.write_bytes(text)
        fresh.rename(folder)


def _index_lines(stages: Stages, first: int) -> bytes:
    """Spell index entries as ``git update-index --index-info`` reads them; mode 0 takes the merged one out."""
    lines = []
    for path, sides in stages.items():
        name = os.fsencode(path)
        lines.append(b"0 " + b"0" * 40 + b"\t" + name + b"\0")
        for number, side in enumerate(sides, first):
            if side is not None:
                lines.append(f"{side.mode} {side.oid} {number}\t".encode() + name + b"\0")
    return b"".join(lines)


def unmerged(folder: Path) -> tuple[str, ...]:
    """Return the paths that a person has not yet told git to be solved.

    Raises ``RepositoryError`` if the clone is no longer there.
    """
    out = _ask(folder, "diff", "--name-only", "--diff-filter=U", "-z")
    return tuple(sorted(os.fsdecode(path) for path in set(out.split(b"\0")) if path))


def unsaved(folder: Path) -> tuple[str, ...]:
    """Return files of the work tree that differ from the index: edits that git was not told of."""
    out = _ask(folder, "diff", "--name-only", "-z")
    return tuple(sorted(os.fsdecode(path) for path in out.split(b"\0") if path))


def mail_of(folder: Path, base: str, text: CommitText) -> bytes:
    """Return what a person made of ``base`` as a mail, whether they committed it or only told the index.

    Empty if nothing differs from ``base``.
    """
    with Store(folder, PythonGit.at(folder)) as clone:
        tree = _ask(folder, "write-tree").decode().strip()
        env = {
            **IDENTITY,
            "GIT_AUTHOR_NAME": text.author.partition(" <")[0],
            "GIT_AUTHOR_EMAIL": text.author.partition("<")[2].rstrip(">"),
            "GIT_AUTHOR_DATE": text.date,
            "GIT_COMMITTER_DATE": text.date,
        }
        words = text.message.encode("utf-8", "surrogateescape")
        args = ["commit-tree", "-p", base, "-F", "-", tree]
        commit = (
            run_git(seal(PythonGit.at(folder)), args, where=folder, stdin=words, env=env).decode().strip()
        )
        mails = clone.mails(base, commit)
    return mails[0] if mails else b""


def remove(folder: Path) -> None:
    """Remove a clone."""
    shutil.rmtree(folder, ignore_errors=True)


def _refuse_gone(folder: Path) -> None:
    try:
        Repo(folder).close()
    except (InvalidGitRepositoryError, NoSuchPathError):
        raise RepositoryError(
            "is no longer a clone", where=folder, hint="--abort forgets it; then begin again"
        ) from None


def _ask(folder: Path, *args: str) -> bytes:
    _refuse_gone(folder)
    return run_git(seal(PythonGit.at(folder)), args, where=folder)
