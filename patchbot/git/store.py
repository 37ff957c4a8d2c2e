"""The git store: releases, series and forks as commits in one bare repository.

Git is driven through plumbing commands with every setting spelled out,
so neither the user's configuration nor the environment changes a byte of what comes out.

Refs: ``refs/patchbot/upstream/<release>`` (one commit per release), ``refs/patchbot/lock/<release>``
(its crates, as JSON) and ``refs/patchbot/series/<release>`` (a commit per patch on top of it).
"""

from __future__ import annotations

import hashlib
import os
import re
import tempfile
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from functools import cached_property
from itertools import islice
from pathlib import Path
from types import TracebackType
from typing import Self, cast

from patchbot.errors import EnvironmentProblem, RepositoryError
from patchbot.git import commits
from patchbot.git.commits import EXECUTABLE, CommitText, TreeChange
from patchbot.git.plumbing import Git, GitMissing
from patchbot.git.reader import Reader
from patchbot.git.sealed import IDENTITY, lend, run_git, seal, seal_environment, start_git
from patchbot.model import TreeFile

ZERO = "0" * 40
FORMATS = {"sha1": 40, "sha256": 64}  # and the length of an id in each
_OBJECT_ID = re.compile(r"[0-9a-f]{40}(?:[0-9a-f]{24})?")
_OWN_REF = re.compile(r"refs/patchbot/[\w./+-]+(?:\^\{tree\})?", re.ASCII)
_LISTED = 4  # trees whose lists are kept: a release is asked for its own and its result's several times

# Each flag with the reason it is there; Electron's script/lib/git.py taught most of them.
_MAIL_FLAGS = (
    "--zero-commit",  # commit ids change with every rebase; the blob ids below do not
    "--full-index",  # `git am -3` finds its base by full blob ids, and abbreviations grow with the store
    "--no-signature",  # the signature is the git version of whoever ran this
    "--no-stat",  # the stat's width depends on the terminal
    "--subject-prefix=",  # `git am` would strip a [PATCH] anyway
    "--no-numbered",
    "--no-attach",
    "--no-thread",
    "--no-notes",
    "--no-renames",  # generated patches rename nothing; a guess would make them depend on the git version
    "--diff-algorithm=histogram",
    "--unified=3",
    "--inter-hunk-context=0",
    "--src-prefix=a/",
    "--dst-prefix=b/",
    "--binary",
    "--no-ext-diff",
    "--no-textconv",
    "--no-color",
    "--no-relative",
)

# A patch of a person's may move files.  Both numbers are git's defaults, which a user could change.
_RENAMES = ("--find-renames=50%", "-l1000")


@dataclass(frozen=True, slots=True)
class TreeEntry:
    """A file of a tree by its blob id."""

    path: str
    mode: str
    oid: str


class Store:
    """A bare git repository that patchbot owns.  Use it as a context manager."""

    object_format = "sha1"
    passing = False  # whether the repository goes when it is left, so that nobody need tidy up in it

    def __init__(self, path: Path, git: Git) -> None:
        self.path = path
        self._driver = seal(git)
        self._listed: dict[tuple[str, str], tuple[TreeEntry, ...]] = {}
        self._reader = Reader(self._driver, path)

    @classmethod
    def open(cls, path: Path) -> Self:
        """Open the store at ``path``, making it if it is not there.

        Raises ``EnvironmentProblem`` without git, ``RepositoryError`` if ``path`` is something else.
        """
        seal_environment()
        try:
            from patchbot.git.gitpython import PythonGit, Repo  # noqa: PLC0415 - see there

            if not path.exists():
                _create(path)
            with Repo(path) as repo:
                return cls(Path(repo.git_dir), PythonGit(repo.git))
        except GitMissing:
            raise EnvironmentProblem("git is not on PATH", hint="install git 2.39 or newer") from None
        except OSError as error:
            raise EnvironmentProblem(f"cannot be made: {error.strerror}", where=path) from None
        except Exception as error:  # noqa: BLE001 - GitPython raises InvalidGitRepositoryError and bare exceptions of gitdb
            raise RepositoryError(
                f"is not a git repository ({type(error).__name__})",
                where=path,
                hint="it holds nothing that cannot be made again: remove it and run again",
            ) from None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._reader.close()

    # -- refs ------------------------------------------------------------------------------------

    def resolve(self, ref: str) -> str | None:
        """Return the object id that ``ref`` names, or None."""
        if _OWN_REF.fullmatch(ref) and (found := self._reader.find(ref)) is not None:
            return found.oid
        try:
            return self._git("rev-parse", "--verify", "--quiet", "--end-of-options", ref).decode().strip()
        except RepositoryError:
            return None

    def refs(self, prefix: str) -> dict[str, str]:
        """Return the refs below ``prefix`` (with a trailing slash), by the rest of their name."""
        out = self._git("for-each-ref", "--format=%(refname)%00%(objectname)", prefix)
        pairs = (line.split("\0") for line in out.decode().splitlines())
        return {name.removeprefix(prefix): oid for name, oid in pairs}

    def update_refs(self, updates: Mapping[str, tuple[str, str | None]]) -> None:
        """Move refs in one transaction: name → (new id, id it must have now, or None for "not there").

        Raises ``RepositoryError`` if another process moved one of them first.
        """
        lines = [f"update {ref}\0{new}\0{old or ZERO}\0" for ref, (new, old) in updates.items()]
        self._git("update-ref", "-z", "--stdin", stdin="".join(lines).encode())

    # -- objects ---------------------------------------------------------------------------------

    def tree_of(self, commit: str) -> str:
        """Return the tree id of a commit."""
        if self._reader.runs and _OBJECT_ID.fullmatch(commit):
            kind, data = self.find_object(commit) or ("", b"")
            if kind == "commit":
                return data.partition(b"\n")[0].removeprefix(b"tree ").decode()
        return self._git("rev-parse", "--verify", "--end-of-options", f"{commit}^{{tree}}").decode().strip()

    def write_blob(self, data: bytes) -> str:
        """Write a blob and return its id."""
        return self._git("hash-object", "-w", "--no-filters", "--stdin", stdin=data).decode().strip()

    def read_blob(self, oid: str) -> bytes:
        """Return the bytes of the blob that ``oid`` (or a ref) names."""
        return self._git("cat-file", "blob", oid)

    def list_tree(self, tree: str, prefix: str = "") -> tuple[TreeEntry, ...]:
        """Return every file below ``prefix`` in the order of the tree (bytes of the path)."""
        if (known := self._listed.get((tree, prefix))) is not None:
            return known
        paths = ["--", prefix] if prefix else []
        out = self._git("ls-tree", "-r", "-z", "--full-tree", tree, *paths)
        entries = []
        for line in out.split(b"\0")[:-1]:
            meta, path = line.split(b"\t", 1)
            mode, _kind, oid = meta.decode().split(" ")
            entries.append(TreeEntry(os.fsdecode(path), mode, oid))
        if _OBJECT_ID.fullmatch(tree):  # whatever else names a tree may name another one tomorrow
            self._listed = {(tree, prefix): tuple(entries), **dict(islice(self._listed.items(), _LISTED - 1))}
        return tuple(entries)

    def read_files(self, entries: Iterable[TreeEntry]) -> Iterator[TreeFile]:
        """Return the files of ``entries``, read by one ``git cat-file --batch``."""
        wanted = list(entries)
        out = memoryview(
            self._git("cat-file", "--batch", stdin="".join(f"{e.oid}\n" for e in wanted).encode())
        )
        at = 0
        for entry in wanted:
            newline = bytes(out[at : at + 256]).index(b"\n") + at
            _oid, kind, *size = bytes(out[at:newline]).decode().split(" ")
            if kind != "blob":  # a submodule's commit, or "missing"
                raise RepositoryError(f"{entry.path} is no file: its object is {kind}", where=self.path)
            start = newline + 1
            at = start + int(size[0]) + 1
            yield TreeFile(entry.path, bytes(out[start : at - 1]), entry.mode == EXECUTABLE)

    def commit_tree(self, files: Iterable[TreeFile], text: CommitText) -> str:
        """Write a commit without parents that holds exactly ``files``; return its id."""
        return self.commit_series(None, [(list(files), text)])[0]

    def commit_series(
        self, base: str | None, steps: Sequence[tuple[Sequence[TreeFile | TreeChange], CommitText]]
    ) -> tuple[str, ...]:
        """Write one commit per step on top of ``base``, each changing the given files; return their ids.

        A step without files gives a commit with its parent's tree, which no mail can carry (``mail``).
        The commits are reachable from no ref: the caller moves refs when all is done.
        """
        return self.begin_series(base, steps)()

    def begin_series(
        self, base: str | None, steps: Sequence[tuple[Sequence[TreeFile | TreeChange], CommitText]]
    ) -> Callable[[], tuple[str, ...]]:
        """Begin to write what ``commit_series`` does; what is returned waits for it and returns the ids."""
        # fast-import insists on a ref; one of our own, dropped at the end, keeps the real ones for update_refs.
        scratch = f"refs/patchbot/scratch/{os.getpid()}"
        stream = b"".join(commits.spelled(scratch, base, steps))
        file, marks = tempfile.mkstemp(prefix="patchbot-marks-")
        os.close(file)
        flags = ["--quiet", "--done", "--force", f"--export-marks={marks}"]
        flags += ["--depth=0"] if self.passing else []  # nobody will miss what deltas would save
        wait = start_git(self._driver, ["fast-import", *flags], where=self.path, stdin=stream)

        def done() -> tuple[str, ...]:
            try:
                wait()
                lines = Path(marks).read_text(encoding="ascii").splitlines()
            finally:
                Path(marks).unlink()
                if not self.passing:
                    self._git("update-ref", "-d", scratch)
            by_mark = dict(cast("tuple[str, str]", tuple(line.split(" "))) for line in lines)
            return tuple(by_mark[f":{mark}"] for mark in range(1, len(steps) + 1))

        return done

    def index_packs(self) -> None:
        """Let git find objects by one index instead of one per pack: every import leaves a pack of its own."""
        with suppress(RepositoryError):  # a lock file that a killed git left: all works without, only slower
            self._git("multi-pack-index", "write")

    # -- one object at a time ---------------------------------------------------------------------

    def digest(self, data: bytes) -> str:
        """Return the object id that a blob of these bytes has."""
        return hashlib.new(self.object_format, b"blob %d\0" % len(data) + data).hexdigest()

    def find_object(self, oid: str) -> tuple[str, bytes] | None:
        """Return kind and bytes of an object, or None if nobody has it.  One git serves all calls."""
        found = self._reader.find(oid)
        return None if found is None else (found.kind, found.data)

    def prefetch(self, oids: Iterable[str]) -> None:
        """Ask for objects that will be wanted."""
        self._reader.prefetch(oids)

    def blob(self, oid: str) -> bytes | None:
        """Return a blob's bytes, or None if nobody has it."""
        found = self.find_object(oid)
        return found[1] if found is not None and found[0] == "blob" else None

    def read_tree(self, oid: str) -> dict[bytes, tuple[bytes, bytes, bytes]]:
        """Return the entries of one tree object by name: mode, name and raw id; folders have the mode 40000."""
        found = self.find_object(oid)
        if found is None or found[0] != "tree":
            raise RepositoryError(
                f"does not have the tree {oid}",
                where=self.path,
                hint="a partial or damaged clone? fetch it whole",
            )
        entry = rb"(\d+) ([^\0]+)\0(.{%d})" % (FORMATS[self.object_format] // 2)
        return {row[1]: row for row in re.findall(entry, found[1], re.DOTALL)}

    def diff_blobs(self, pairs: Sequence[tuple[str, str]]) -> bytes:
        """Return the diff of each pair of blobs as files ``0``, ``1``, …, without context, by one git.

        Pairs that do not differ are not there.
        """
        if not pairs:
            return b""
        sides = (
            "".join(f"100644 blob {pair[side]}\t{number:08}\n" for number, pair in enumerate(pairs))
            for side in (0, 1)
        )
        trees = self._git("mktree", "--batch", stdin="\n".join(sides).encode()).decode().split()
        flags = (
            "--unified=0",
            "--inter-hunk-context=0",
            "--diff-algorithm=histogram",
            "--no-indent-heuristic",
        )
        return self._git("diff-tree", "-p", "--full-index", "--text", "--no-ext-diff", *flags, *trees)

    def find_renames(self, old: str, new: str) -> dict[str, str]:
        """Return the files that were moved between two trees: path before → path after.

        Where a partial clone lacks blobs to compare, only files that were moved as they are.
        """
        flags = ("-r", "-z", "-l0", "--diff-filter=R", old, new)
        try:
            out = self._git("diff-tree", "--find-renames=50%", *flags)
        except RepositoryError:
            out = self._git("diff-tree", "--find-renames=100%", *flags)
        words = out.split(b"\0")[:-1]
        return {os.fsdecode(words[n + 1]): os.fsdecode(words[n + 2]) for n in range(0, len(words), 3)}

    def find_added(self, old: str, new: str) -> dict[str, str]:
        """Return the files that only the tree ``new`` has: object id → path."""
        flags = ("-r", "-z", "--no-renames", "--diff-filter=A", old, new)
        words = self._git("diff-tree", *flags).split(b"\0")[:-1]
        return {words[n].split()[3].decode(): os.fsdecode(words[n + 1]) for n in range(0, len(words), 2)}

    def find_changed(self, old: str, new: str) -> dict[str, TreeEntry | None]:
        """Return what differs between two trees: path → the file in ``new``, None for one that is gone."""
        words = self._git("diff-tree", "-r", "-z", "--no-renames", old, new).split(b"\0")[:-1]
        out: dict[str, TreeEntry | None] = {}
        for meta, name in zip(words[::2], words[1::2], strict=True):
            _, mode, _, oid, kind = meta.decode().split()
            path = os.fsdecode(name)
            out[path] = None if kind == "D" else TreeEntry(path, mode, oid)
        return out

    # -- mails -----------------------------------------------------------------------------------

    def mails(self, base: str, tip: str, *, renames: bool = False) -> tuple[bytes, ...]:
        """Return the commits behind ``base`` up to ``tip`` as mails that ``git am`` takes, the same on every machine.

        A commit that changes nothing gives a mail without bytes: there is no patch to send.
        """
        flags = (*_MAIL_FLAGS, *(_RENAMES if renames else ()))
        with tempfile.TemporaryDirectory(prefix="patchbot-mails-") as folder:
            self._git("format-patch", "--quiet", "-o", folder, *flags, f"{base}..{tip}")
            # 10000-… stands before 1001-… in the order of names
            files = sorted(Path(folder).iterdir(), key=lambda file: int(file.name.partition("-")[0]))
            return tuple(file.read_bytes() for file in files)

    def apply(self, tree: str, mails: Sequence[bytes]) -> str:
        """Apply mails to ``tree`` with stock ``git apply``, in an index of its own; return the new tree.

        Raises ``RepositoryError`` with git's words if a patch does not apply.
        """
        with tempfile.TemporaryDirectory(prefix="patchbot-apply-") as folder:
            env = {"GIT_INDEX_FILE": str(Path(folder, "index"))}
            self._git("read-tree", tree, env=env)
            if text := b"".join(mails):
                self._git("apply", "--cached", "--whitespace=nowarn", "-", stdin=text, env=env)
            return self._git("write-tree", env=env).decode().strip()

    def begin_applying(
        self, entries: Iterable[TreeEntry], mails: Sequence[bytes]
    ) -> Callable[[], dict[str, TreeEntry]]:
        """Begin to apply mails with one stock ``git apply`` where there are just ``entries``.

        What is returned waits for it and returns what is there then, by path.  Raises ``RepositoryError`` with
        git's words if a patch does not apply.
        """
        folder = tempfile.TemporaryDirectory(prefix="patchbot-apply-")
        env = {"GIT_INDEX_FILE": str(Path(folder.name, "index"))}
        index = "".join(f"{e.mode} {e.oid}\t{e.path}\0" for e in entries)
        self._git("update-index", "-z", "--index-info", stdin=os.fsencode(index), env=env)
        args = ["apply", "--cached", "--whitespace=nowarn", "-"]
        wait = start_git(self._driver, args, where=self.path, stdin=b"".join(mails), env=env)

        def done() -> dict[str, TreeEntry]:
            with folder:
                wait()
                return self._indexed(env)

        return done

    def _indexed(self, env: Mapping[str, str]) -> dict[str, TreeEntry]:
        out = {}
        for row in self._git("ls-files", "--stage", "-z", env=env).split(b"\0")[:-1]:
            meta, _, name = row.partition(b"\t")
            mode, oid, _stage = meta.decode().split()
            out[os.fsdecode(name)] = TreeEntry(os.fsdecode(name), mode, oid)
        return out

    @contextmanager
    def checkout(self, tree: str, paths: Iterable[str]) -> Iterator[Path]:
        """Give a throw-away clone whose one commit holds just ``paths`` of ``tree``, as stock git sees it."""
        wanted = set(paths)
        index = "".join(f"{e.mode} {e.oid}\t{e.path}\0" for e in self.list_tree(tree) if e.path in wanted)
        from patchbot.git.gitpython import PythonGit, make_repository  # noqa: PLC0415 - see there

        with tempfile.TemporaryDirectory(prefix="patchbot-checkout-") as folder:
            with make_repository(Path(folder), branch="base") as repo:
                lend(self.path / "objects", Path(folder, ".git"))
                clone = Store(Path(folder), PythonGit(repo.git))
                clone._git("update-index", "-z", "--index-info", stdin=os.fsencode(index))
                clone._git("checkout-index", "--all", "--index")
                clone._git("commit", "--quiet", "--no-verify", "--message=base", env=IDENTITY)
            yield Path(folder)

    def am(self, folder: Path, mails: Sequence[bytes]) -> dict[str, str]:
        """Apply mails in a checkout with stock ``git am``; return path → blob id of the result.

        Raises ``RepositoryError`` with git's words if a mail does not apply.
        """
        from patchbot.git.gitpython import PythonGit  # noqa: PLC0415 - see there

        with Store(folder, PythonGit.at(folder)) as clone:
            # without --keep-cr a file with CRLF line ends does not fit its own patch
            clone._git("am", "--quiet", "--no-gpg-sign", "--keep-cr", stdin=b"".join(mails), env=IDENTITY)
            return {entry.path: entry.oid for entry in clone.list_tree("HEAD")}

    # -- git itself ------------------------------------------------------------------------------

    @cached_property
    def git_version(self) -> str:
        """What git says of itself; another one may take a mail in another way."""
        return self._git("version").decode().strip()

    def _git(self, *args: str, stdin: bytes | None = None, env: Mapping[str, str] | None = None) -> bytes:
        """Run git here and return its stdout, byte for byte."""
        return run_git(self._driver, args, where=self.path, stdin=stdin, env=env)


def _create(path: Path) -> None:
    """Make a bare repository beside ``path`` and move it there, so that a half-made one is never trusted."""
    from patchbot.git.gitpython import make_repository  # noqa: PLC0415 - see there

    path.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=".store-", dir=path.parent) as folder:
        fresh = Path(folder, "store.git")
        with make_repository(fresh, branch="none", bare=True) as repo, repo.config_writer() as config:
            config.set_value("core", "logAllRefUpdates", "false")
            config.set_value("gc", "auto", "0")  # no surprise work in the middle of a run
        fresh.rename(path)
