"""A throw-away repository that borrows another one's objects: any repository can be read, none is touched.

git calls this alternates.  Nothing of the other's configuration, attributes, hooks, index or work tree takes
part.  What is made here reaches the other only as a pack of new objects, and no ref.
"""

from __future__ import annotations

import os
import re
import shutil
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from patchbot.errors import EnvironmentProblem, RepositoryError, UsageError
from patchbot.git.plumbing import Git, PlainGit
from patchbot.git.sealed import IDENTITY, lend, run_git, seal, seal_environment
from patchbot.git.store import FORMATS, Store


class Borrowed(Store):
    """A repository of our own on top of the objects of ``lender``.  Use ``borrow``."""

    passing = True

    def __init__(self, path: Path, git: Git, *, lender: Path, objects: Path, object_format: str) -> None:
        super().__init__(path, git)
        self.lender = lender
        self.object_format = object_format
        self._objects = objects

    def commits(self, first: str, last: str) -> list[str]:
        """Return the commits behind ``first`` up to ``last``, oldest first.

        Raises ``UsageError`` if there is a merge among them: it has no one patch.
        """
        lines = self._git("rev-list", "--reverse", "--topo-order", "--parents", f"{first}..{last}").decode()
        rows = [line.split() for line in lines.splitlines()]
        for commit, *parents in rows:
            if len(parents) > 1:
                raise UsageError(
                    f"{commit[:12]} is a merge, which has no one patch",
                    hint="name a range without merges: `git rebase` makes one",
                )
        return [row[0] for row in rows]

    def commits_with(self, line: bytes, path: str, first: str, last: str) -> list[tuple[str, str]]:
        """Return id and subject of the commits behind ``first`` that changed how often a line stands in a file.

        Oldest first; empty where the history is not at hand.
        """
        text = line.decode("utf-8", "surrogateescape")
        flags = ("--no-merges", "--reverse", "--format=%H%x00%s", f"-S{text}")
        try:
            out = self._git("--literal-pathspecs", "log", *flags, f"{first}..{last}", "--", path)
        except RepositoryError:  # a shallow or partial clone
            return []
        rows = (row.partition("\0") for row in out.decode(errors="replace").splitlines())
        return [(oid, subject) for oid, _, subject in rows]

    def commit_of(self, tree: str) -> str:
        """Return a commit that holds just a tree, for series whose base is none."""
        env = {f"GIT_{who}_DATE": "@0 +0000" for who in ("AUTHOR", "COMMITTER")}
        oid = self._git("commit-tree", "-m", "base", tree, env={**IDENTITY, **env}).decode().strip()
        self._git("pack-objects", "-q", str(self.path / "objects/pack/pack"), stdin=f"{oid}\n".encode())
        return oid  # in a pack, as all that is lent back

    def lend_back(self) -> bool:
        """Give the lender the objects that were made here; return whether that could be done.

        A pack counts from the moment its index is there, so that comes last.
        """
        made = sorted((self.path / "objects" / "pack").glob("pack-*.*"), key=lambda f: f.suffix == ".idx")
        target = self._objects / "pack"
        try:
            target.mkdir(exist_ok=True)
            for file in made:
                fresh = target / f".tmp-{os.getpid()}-{file.name}"
                try:
                    shutil.copyfile(file, fresh)
                    fresh.chmod(0o444)
                    fresh.replace(target / file.name)
                finally:
                    fresh.unlink(missing_ok=True)
        except OSError:
            return False
        return True


@contextmanager
def borrow(lender: Path) -> Iterator[Borrowed]:
    """Open a throw-away repository over the repository ``lender``, bare or not.

    Raises ``EnvironmentProblem`` without git, ``RepositoryError`` if ``lender`` is no repository.
    """
    seal_environment()
    objects, shallow, form = _facts(lender)
    with tempfile.TemporaryDirectory(prefix="patchbot-rebase-") as folder:
        path = Path(folder, "borrowed.git")
        _make(path, form)
        lend(objects, path)
        if shallow.is_file():
            shutil.copyfile(shallow, path / "shallow")
        git = PlainGit(path)
        with Borrowed(path, git, lender=lender, objects=objects, object_format=form) as store:
            yield store


def _make(path: Path, object_format: str) -> None:
    """Make a bare repository without asking git for it (gitrepository-layout(5)): it lives for one command."""
    for folder in ("objects/info", "objects/pack", "refs"):
        (path / folder).mkdir(parents=True)
    (path / "HEAD").write_bytes(b"ref: refs/heads/none\n")
    version, extensions = (0, "") if object_format == "sha1" else (1, f"objectFormat = {object_format}\n")
    (path / "config").write_text(
        f"[core]\nrepositoryFormatVersion = {version}\nbare = true\ncompression = 1\n"
        f"[extensions]\n{extensions}"
        "[gc]\nauto = 0\n"
        "[fastimport]\nunpackLimit = 0\n",  # one pack, however little is made
        encoding="ascii",
    )


def resolve_in(lender: Path, revisions: Sequence[str]) -> list[str]:
    """Return the object ids that revisions name in a repository, by one git where all are good.

    Raises ``UsageError`` that names the one that is not.
    """
    words = [word for word in revisions if word.startswith("-") or "\0" in word or "\n" in word]
    if words:
        raise UsageError(f"{words[0]!r} is no revision")
    try:
        out = in_lender(lender, "rev-parse", "--end-of-options", *revisions).decode().split()
    except RepositoryError:
        out = []
    out = [word for word in out if word != "--end-of-options"]  # git before 2.40 prints it as well
    if len(out) == len(revisions) and all(re.fullmatch(r"[0-9a-f]{40,64}", word) for word in out):
        return out
    for revision in revisions:
        try:
            in_lender(lender, "rev-parse", "--verify", "--quiet", "--end-of-options", revision)
        except RepositoryError:
            name = revision.partition("^{")[0]
            raise UsageError(
                f"{name!r} names nothing in {lender}", hint="`git log --all` shows what there is"
            ) from None
    raise UsageError(f"cannot tell what {', '.join(revisions)} name in {lender}")


def _facts(lender: Path) -> tuple[Path, Path, str]:
    """Return the folder of objects, the file of a shallow clone, and the object format of a repository."""
    if not lender.is_dir():
        raise RepositoryError("no such folder", where=lender)
    flags = ("--path-format=absolute", "--git-path", "objects", "--git-path", "shallow")
    try:
        out = os.fsdecode(in_lender(lender, "rev-parse", "--show-object-format", *flags))
        form, *paths = out[:-1].split("\n")
        if len(paths) != 2:  # noqa: PLR2004 - one has a line end of its own
            paths = [
                os.fsdecode(in_lender(lender, "rev-parse", *flags[:2], name))[:-1] for name in flags[2::2]
            ]
    except RepositoryError:
        raise RepositoryError("is not a git repository", where=lender) from None
    if form not in FORMATS:
        raise EnvironmentProblem(f"its object format {form} is unknown here", where=lender)
    objects, shallow = map(Path, paths)
    return objects, shallow, form


def in_lender(lender: Path, *args: str) -> bytes:
    """Ask the lender's own git something that runs nothing of its configuration."""
    # whose repository it is does not matter to a reader that runs no hook, filter or pager of it
    trusted = {"GIT_CONFIG_COUNT": "1", "GIT_CONFIG_KEY_0": "safe.directory", "GIT_CONFIG_VALUE_0": "*"}
    return run_git(seal(PlainGit(lender), **trusted), args, where=lender)
