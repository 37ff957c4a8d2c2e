"""A project at work: its configuration and policy, the store, and where upstream's crates come from."""

from __future__ import annotations

import hashlib
import os
import sys
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from enum import StrEnum
from functools import cached_property
from importlib import metadata
from pathlib import Path
from typing import TYPE_CHECKING

from patchbot import files, state
from patchbot.config import CRATES_IO_INDEX, Config
from patchbot.git.store import Store
from patchbot.model import IndexEntry, Release, Suffix
from patchbot.registry.local import LocalRegistry
from patchbot.report.terminal import Reporter
from patchbot.series import policy as policies
from patchbot.shelf import Shelf
from patchbot.upstream import cargo_config, policy, resolve
from patchbot.upstream.cache import Cache
from patchbot.upstream.source import Source, open_source

_MEMORY = Path("/dev/shm")  # noqa: S108 - the files in it have names that nobody can guess
_PLENTY = 1 << 30  # bytes; a release needs some millions

if TYPE_CHECKING:
    from patchbot.symbols.readings import Readings


class Change(StrEnum):
    """What a stage did to what was there."""

    NEW = "new"
    CHANGED = "changed"
    UNCHANGED = "unchanged"


@dataclass
class Workspace:
    """Everything that stages share.  What costs something is opened when it is first asked for."""

    config: Config
    store: Store
    reporter: Reporter
    offline: bool = False
    allow_yanked: bool = False
    blobs: dict[str, bytes] = field(default_factory=dict)  # of the release that was read last, by their id

    @cached_property
    def policy(self) -> policies.Policy:
        """``patches/policy.toml``."""
        return policies.load(self.config.patches)

    @cached_property
    def policy_digest(self) -> str:
        """A digest of the policy, for keys."""
        return hashlib.sha256(self.policy.data).hexdigest()

    @cached_property
    def cache(self) -> Cache:
        """The download cache."""
        return Cache(self.config.cache)

    @cached_property
    def source(self) -> Source:
        """The registry of upstream's releases."""
        return open_source(
            self.config.upstream.index,
            default_index=CRATES_IO_INDEX,
            cache=self.cache,
            cargo=cargo_config.load(self.config.project),
            offline=self.offline,
        )

    @cached_property
    def known(self) -> dict[Release, IndexEntry]:
        """Every release that the index lists, yanked ones included."""
        return resolve.releases(self.source, self.config.upstream.roots[0])

    @cached_property
    def readings(self) -> Readings:
        """What was read of the sources of one release and serves the next."""
        from patchbot.symbols.readings import Readings  # noqa: PLC0415 - parsers load only where needed

        return Readings(self.shelf)

    @cached_property
    def shelf(self) -> Shelf:
        """What was read by any process, kept in the cache."""
        return Shelf.open(self.config.cache / "readings", readers_version())

    @property
    def registry(self) -> LocalRegistry:
        """The local registry of the forks."""
        return LocalRegistry(self.config.registry_directory)

    def suffix(self, release: Release) -> Suffix:
        """Return the suffix of a release."""
        return self.config.suffix.of(release)

    def revision(self, release: Release) -> int:
        """Return which revision of a release's series this is."""
        return self.config.fork.revisions.get(release, 1)

    def memory(self, release: Release, what: str) -> Path:
        """Return where results about a release are remembered."""
        return self.config.state / "releases" / str(release) / f"{what}.json"


def readers_version() -> str:
    """Return a digest of everything that decides what is read of a file: our code, the grammars, and Python."""
    grammars = (metadata.version(name) for name in ("tree-sitter", "tree-sitter-c", "tree-sitter-rust"))
    return state.key(state.code("symbols"), sys.version, *grammars)[:16]


@contextmanager
def workspace(
    config: Config, reporter: Reporter, *, offline: bool = False, allow_yanked: bool = False
) -> Iterator[Workspace]:
    """Open a project for one command; a second command waits until this one is done."""

    def waiting() -> None:
        reporter.say("waiting for another patchbot that works in this project …")

    with (
        files.locked(config.state / "lock", on_wait=waiting),
        Store.open(config.state / "store.git") as store,
    ):
        work = Workspace(config, store, reporter, offline, allow_yanked)
        try:
            yield work
        finally:
            if "shelf" in work.__dict__:
                work.shelf.close()


def assistant(config: Config, *, offline: bool, allow_yanked: bool) -> Workspace:
    """Open a project for a process that helps a command which has the lock; it says nothing by itself."""
    _keep_passing_files_in_memory()
    return Workspace(
        config, Store.open(config.state / "store.git"), Reporter(quiet=True), offline, allow_yanked
    )


def _keep_passing_files_in_memory() -> None:
    """Let this process have its temporary files in memory, where that is plenty and nobody said another place.

    Every release is checked out and applied once; on a disk, making and removing the files takes a tenth of
    the time.
    """
    if "TMPDIR" in os.environ or not os.access(_MEMORY, os.W_OK):
        return
    free = os.statvfs(_MEMORY)
    if free.f_bavail * free.f_frsize >= _PLENTY:
        tempfile.tempdir = str(_MEMORY)


def choose(work: Workspace, names: Sequence[str], *, every: bool = False) -> tuple[Release, ...]:
    """Return the releases that were named, ``every`` one there is, or those that are due; oldest first."""
    if names:
        return tuple(sorted({Release.parse(name) for name in names}))
    if every:
        return policy.every(work.known)
    return policy.due(work.config.track, work.known, now=datetime.now(UTC))
