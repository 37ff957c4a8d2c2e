"""A project at work: its configuration and policy, the store, and where upstream's crates come from."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from enum import StrEnum
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

from patchbot import files
from patchbot.config import CRATES_IO_INDEX, Config
from patchbot.model import IndexEntry, Release, Suffix
from patchbot.registry.local import LocalRegistry
from patchbot.report.terminal import Reporter
from patchbot.series import policy as policies
from patchbot.store import Store
from patchbot.upstream import cargo_config, policy, resolve
from patchbot.upstream.cache import Cache
from patchbot.upstream.source import Source, open_source

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

        return Readings()

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
        yield Workspace(config, store, reporter, offline, allow_yanked)


def assistant(config: Config, *, offline: bool, allow_yanked: bool) -> Workspace:
    """Open a project for a process that helps a command which has the lock; it says nothing by itself."""
    return Workspace(
        config, Store.open(config.state / "store.git"), Reporter(quiet=True), offline, allow_yanked
    )


def choose(work: Workspace, names: Sequence[str], *, every: bool = False) -> tuple[Release, ...]:
    """Return the releases that were named, ``every`` one there is, or those that are due; oldest first."""
    if names:
        return tuple(sorted({Release.parse(name) for name in names}))
    if every:
        return policy.every(work.known)
    return policy.due(work.config.track, work.known, now=datetime.now(UTC))
