"""A registry's index that is a git repository, read from a bare clone of our own (cargo book, "Registry Index").

What is fetched, and into which ref, is what cargo fetches (cargo 1.95, ``sources/git/utils.rs`` ``fetch``), but for
history, which says nothing of a registry.  crates.io and others begin theirs anew from time to time: the ref is
moved whatever it was.  The folder is a cache: a clone that is damaged is made anew.
"""

from __future__ import annotations

import hashlib
import shutil
import tempfile
import threading
import weakref
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from patchbot import files
from patchbot.cargo_settings import Network
from patchbot.errors import EnvironmentProblem, RepositoryError
from patchbot.git.plumbing import PlainGit
from patchbot.git.reach import Origin, Unreachable, fetch
from patchbot.git.reader import Reader, TooLarge
from patchbot.git.sealed import run_git, seal
from patchbot.index.coalesced import Coalesced

LARGEST = 64 * 1024 * 1024  # bytes of a file
_REF = "refs/remotes/origin/HEAD"
_ID = 20  # bytes of an object's id in a tree; like cargo, this reads no SHA-256 repository
_NO_INDEX = "is it the address of a registry's index?"
_FOLDER, _SUBMODULE = b"40000", b"160000"


@dataclass(frozen=True, slots=True)
class Retries:
    """What is done about a server that cannot be reached: ``wait`` returns whether to give up."""

    pauses: Sequence[float]
    wait: Callable[[float], bool]


class GitIndex:
    """The index at ``url``, cloned below ``folder``.  Threads may share it, and processes the folder."""

    def __init__(self, url: str, folder: Path, way: Network = Network()) -> None:  # noqa: B008 - frozen
        self.url = url
        # whether its server only hands out files: then all history comes, and cargo needs help
        self.dumb = False
        self._origin = Origin(url)
        self._way = way
        self._clone = folder.absolute() / f"{hashlib.sha256(url.encode()).hexdigest()[:16]}.git"
        self._fetches = Coalesced()
        self._retries: Retries | None = None  # None where nothing is fetched
        self._damaged = False  # whether the clone must be made anew
        self._tidied = False
        self._lock = threading.Lock()  # of what follows
        self._snapshot: _Snapshot | None = None
        self._end: Callable[[], object] = lambda: None

    @property
    def known(self) -> bool:
        """Whether anything can be read."""
        return self._snapshot is not None

    def recall(self) -> bool:
        """Read from now on what some run fetched last; return whether there is such a thing."""
        return self._clone.is_dir() and self._open()

    def refresh(self, retries: Retries) -> None:
        """Read from now on what the server had at some time after this call.

        Many threads may ask at once: one fetch serves all who wait.

        Raises ``EnvironmentProblem`` if it cannot be reached, ``RepositoryError`` if it has no index.
        """
        self._retries = retries
        self._fetches.after_now(lambda: self._fetch(retries))

    def file(self, path: str) -> bytes | None:
        """Return a file of the index as it was fetched last, None if there is none.

        Raises ``RepositoryError`` if it is larger than an index file is, or damaged and not to be had again.
        """
        try:
            return self._read(path)
        except _Damaged:
            if self._retries is None:
                raise
        self._damaged = True
        self.refresh(self._retries)
        return self._read(path)

    def _read(self, path: str) -> bytes | None:
        with self._lock:
            assert self._snapshot is not None  # noqa: S101 - callers fetch or recall first
            return self._snapshot.file(path)

    # -- fetching -------------------------------------------------------------------------------------

    def _fetch(self, retries: Retries) -> None:
        for pause in (*retries.pauses, None):
            failure = self._try()
            if failure is None:
                return
            if pause is None or retries.wait(pause):
                raise EnvironmentProblem(
                    f"the registry cannot be reached ({failure.what})", where=self._origin, hint=failure.hint
                )

    def _try(self) -> Unreachable | None:
        try:
            with files.locked(self._clone.with_suffix(".lock")):
                self._update()
        except Unreachable as error:
            return error
        return None

    def _update(self) -> None:
        """Bring the clone up to date; the caller holds the lock of the folder."""
        for stale in self._clone.parent.glob(f".{self._clone.name}~*"):
            shutil.rmtree(stale, ignore_errors=True)
        if self._damaged or not self._clone.is_dir():
            self._make()
        else:
            self._renew()
        if not self._open():
            self._make()
            if not self._open():
                raise RepositoryError("its HEAD names no commit", where=self._origin, hint=_NO_INDEX)
        self._damaged = False
        if not self._tidied:
            self._tidied = True
            with suppress(RepositoryError):
                run_git(_git(self._clone), ["gc", "--auto", "--quiet"], where=self._clone)

    def _renew(self) -> None:
        _unlock(self._clone)
        try:
            self._into(self._clone)
        except (EnvironmentProblem, RepositoryError):
            if self._is_whole():
                raise
            self._make()

    def _make(self) -> None:
        """Make the clone anew beside its place: it is whole or not there."""
        with tempfile.TemporaryDirectory(prefix=f".{self._clone.name}~", dir=self._clone.parent) as beside:
            fresh = Path(beside, "fresh")
            words = ["init", "--bare", "--quiet", "--template=", "--initial-branch=none", str(fresh)]
            run_git(seal(PlainGit(Path(beside))), words, where=self._clone)
            self._into(fresh)
            if self._clone.exists():
                self._clone.rename(Path(beside, "damaged"))
            fresh.rename(self._clone)

    def _into(self, folder: Path) -> None:
        depth = () if self.dumb else ("--depth=1",)
        try:
            fetch(folder, self._origin, f"+HEAD:{_REF}", "--force", "--update-shallow", *depth, way=self._way)
        except (EnvironmentProblem, RepositoryError) as error:
            if "shallow capabilities" in error.what and not self.dumb:
                self.dumb = True
                self._into(folder)
            elif "find remote ref HEAD" in error.what:
                raise RepositoryError(
                    "is empty: its HEAD names no commit", where=self._origin, hint=_NO_INDEX
                ) from None
            else:
                raise

    def _is_whole(self) -> bool:
        """Whether everything is there that the clone's ref leads to."""
        words = ["rev-list", "--quiet", "--objects", "--max-count=1", _REF, "--"]
        try:
            run_git(_git(self._clone), words, where=self._clone)
        except RepositoryError:
            return False
        return True

    def _open(self) -> bool:
        """Read from now on what the ref names; return whether it names anything."""
        reader = Reader(_git(self._clone), self._clone, largest=LARGEST)
        tree = None
        with suppress(RepositoryError):
            tree = reader.find(f"{_REF}^{{tree}}")
        if tree is None:
            reader.close()
            return False
        with self._lock:
            self._end()
            self._end = weakref.finalize(self, reader.close)
            self._snapshot = _Snapshot(reader, tree.oid, self._origin)
        return True


def _git(clone: Path) -> PlainGit:
    return seal(PlainGit(clone), GIT_DIR=".")


def _unlock(clone: Path) -> None:
    """Remove what a git that was killed has left: its locks would hold for ever."""
    for stale in (*clone.glob("*.lock"), *(clone / "refs").rglob("*.lock")):
        stale.unlink(missing_ok=True)


class _Damaged(RepositoryError):  # noqa: N818 - mended, and told where nothing can be fetched
    """A clone that does not have what it should."""


class _Snapshot:
    """The files of one tree.  What has an id is there: one that is not is damage, and no file that is not there."""

    def __init__(self, reader: Reader, root: str, origin: Origin) -> None:
        self._reader = reader
        self._root = root
        self._origin = origin
        self._folders: dict[str, Mapping[bytes, tuple[bytes, str]]] = {}

    def file(self, path: str) -> bytes | None:
        mode, oid = _FOLDER, self._root
        for part in path.encode().split(b"/"):
            if mode != _FOLDER or part not in (entries := self._entries(oid)):
                return None
            mode, oid = entries[part]
        return None if mode in {_FOLDER, _SUBMODULE} else self._object(oid, path)

    def _entries(self, oid: str) -> Mapping[bytes, tuple[bytes, str]]:
        if oid not in self._folders:
            self._folders[oid] = dict(_parse(self._object(oid, "a folder")))
        return self._folders[oid]

    def _object(self, oid: str, what: str) -> bytes:
        try:
            found = self._reader.find(oid)
        except TooLarge:
            raise RepositoryError(f"{what} has more than {LARGEST} bytes", where=self._origin) from None
        except RepositoryError:
            found = None
        if found is None:
            raise _Damaged(
                f"its clone in the cache has lost {what}",
                where=self._origin,
                hint="run once without --offline",
            )
        return found.data


def _parse(tree: bytes) -> Iterator[tuple[bytes, tuple[bytes, str]]]:
    """Yield the entries of a tree object: name, mode and id."""
    at = 0
    while at < len(tree):
        space = tree.index(b" ", at)
        end = tree.index(b"\0", space)
        yield tree[space + 1 : end], (tree[at:space], tree[end + 1 : end + 1 + _ID].hex())
        at = end + 1 + _ID
