"""Yanks of whole releases: what upstream has yanked, or what a person asks for; and back."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Protocol

from patchbot import files
from patchbot.errors import UsageError
from patchbot.fork import naming
from patchbot.model import IndexEntry, JsonObject, Release
from patchbot.pipeline import published
from patchbot.pipeline.publishing import FOLDER, remote
from patchbot.pipeline.sync import committed_releases
from patchbot.pipeline.work import Workspace
from patchbot.registry.local import LocalRegistry
from patchbot.registry.remote import journal, plan, yank
from patchbot.registry.remote.client import CONNECTIONS, Client
from patchbot.registry.remote.pacing import Pace
from patchbot.upstream import importer, resolve

RECORD = "yanks.jsonl"
_ASKED, _UPSTREAM = "asked", "upstream"


class Shelf(Protocol):
    """Where forks are: the directory, or a registry elsewhere."""

    @property
    def name(self) -> str:
        """What people call it."""

    @property
    def record(self) -> Path:
        """Where its yanks are noted."""

    def entries(self, name: str) -> Mapping[str, IndexEntry]:
        """Return the versions of a crate."""

    def set_yanked(self, entries: Sequence[IndexEntry], *, yanked: bool) -> None:
        """Yank these, in this order, or take that back."""


@dataclass(frozen=True, slots=True)
class Change:
    """What becomes of one release.  ``entries`` are those that change, of ``total``, in their order."""

    release: Release
    yanked: bool
    entries: tuple[IndexEntry, ...]
    total: int
    why: str

    def to_json(self) -> JsonObject:
        """Spell the change as ``yank --json`` does."""
        return {
            "release": str(self.release),
            "action": "yank" if self.yanked else "un-yank",
            "why": self.why,
            "crates": [{"name": e.name, "version": e.version} for e in self.entries],
            "total": self.total,
        }


@dataclass(frozen=True, slots=True)
class _Directory:
    registry: LocalRegistry
    record: Path
    name: str = "the registry directory"

    def entries(self, name: str) -> Mapping[str, IndexEntry]:
        return self.registry.entries(name)

    def set_yanked(self, entries: Sequence[IndexEntry], *, yanked: bool) -> None:
        self.registry.set_yanked([(entry.name, entry.version) for entry in entries], yanked=yanked)


@dataclass(frozen=True, slots=True)
class _Elsewhere:
    work: Workspace
    client: Client
    record: Path
    name: str

    def entries(self, name: str) -> Mapping[str, IndexEntry]:
        return self.client.entries(name)

    def set_yanked(self, entries: Sequence[IndexEntry], *, yanked: bool) -> None:
        settings = self.work.config.publish
        pace = Pace(self.client.clock, per_minute=settings.per_minute, burst=settings.burst)
        title = f"{'yank' if yanked else 'un-yank'} at {self.name}"
        with self.work.reporter.task(title, len(entries)) as task:
            yank.execute(self.client, entries, yanked=yanked, pace=pace, advance=task.advance)


@contextmanager
def shelf(work: Workspace, name: str | None) -> Iterator[Shelf]:
    """Open the registry that cargo knows as ``name``, or the directory."""
    if name is None:
        yield _Directory(work.registry, work.config.state / FOLDER / "directory" / RECORD)
        return
    with remote(work, name) as there:
        record = journal.folder(work.config.state, there.target) / RECORD
        yield _Elsewhere(work, there.client, record, there.target.name)


def asked(work: Workspace, there: Shelf, releases: Sequence[Release], *, yanked: bool) -> list[Change]:
    """Return what a person's wish changes; raise ``UsageError`` if a release has no fork there."""
    changes = []
    for release in releases:
        held = _held(work, there, release)
        if not held:
            raise UsageError(
                f"no fork of {release} is in {there.name}", hint="`patchbot status` lists what is where"
            )
        changes.append(_change(release, held, yanked=yanked, why="asked for"))
    return changes


def followed(work: Workspace, there: Shelf) -> tuple[list[Change], list[str]]:
    """Return what follows from upstream's yanks, and what a person should know.

    A fork that was yanked by hand stays so: only a yank that followed upstream is taken back with it.
    """
    changes, notes = [], []
    reasons = _reasons(there.record)
    for release in committed_releases(work.config.patches):
        held = _held(work, there, release)
        if not held or release not in work.known:
            continue
        gone = _yanked_upstream(work, release)
        if gone:
            changes.append(_change(release, held, yanked=True, why=f"upstream has yanked {gone}"))
        elif any(entry.yanked for entry in held):
            if reasons.get(str(release)) == _UPSTREAM:
                changes.append(_change(release, held, yanked=False, why="upstream has taken its yank back"))
            else:
                notes.append(
                    f"{release} is yanked in {there.name} and not upstream: by hand? "
                    f"patchbot yank {release} --undo takes it back"
                )
    return [change for change in changes if change.entries], notes


def execute(there: Shelf, changes: Sequence[Change], *, following: bool) -> None:
    """Do what was planned, release by release; a run that was killed is finished by the next."""
    for change in changes:
        if not change.entries:
            continue
        line = {
            "release": str(change.release),
            "yanked": change.yanked,
            "why": _UPSTREAM if following else _ASKED,
            "at": datetime.now(UTC).isoformat(timespec="seconds"),
        }
        # Before it is done: what was begun to follow upstream can be taken back to follow it.
        files.append(there.record, json.dumps(line).encode() + b"\n")
        there.set_yanked(change.entries, yanked=change.yanked)


def _change(release: Release, held: Sequence[IndexEntry], *, yanked: bool, why: str) -> Change:
    entries = [entry for entry in held if entry.yanked is not yanked]
    return Change(release, yanked, yank.order(entries, yanked=yanked), len(held), why)


def _held(work: Workspace, there: Shelf, release: Release) -> list[IndexEntry]:
    """Return every fork of a release that is there, of all its revisions.

    A registry cannot be asked what it holds of a release; it can be asked for every name that a fork of it
    may have.
    """
    index = work.config.registry.index
    names = {crate.name for row in published.load(work).releases
             if (row.index, row.release) == (index, release) for crate in row.crates}  # fmt: skip
    for crate in _own_crates(work, release):
        for revision in range(1, work.revision(release) + 1):
            names.add(naming.package_name(crate, release, revision=revision))
    found = plan.look(sorted(names), there.entries, jobs=CONNECTIONS)
    return [entry for versions in found.values() for entry in versions.values()]


def _own_crates(work: Workspace, release: Release) -> list[str]:
    roots = work.config.upstream.roots
    imported = importer.load(work.store, release, roots)
    if imported is not None:
        return [pin.name for pin in imported.crates]
    resolve.find(work.known, release, allow_yanked=True)
    own = resolve.own_crates(work.source, roots, release, own=work.config.upstream.own)
    return [entry.name for entry in own.entries]


def _yanked_upstream(work: Workspace, release: Release) -> str:
    """Return which of the crates that users depend on upstream has yanked, empty if none."""
    for root in work.config.fork.roots:
        entry = work.source.entries(root).get(str(release))
        if entry is not None and entry.yanked:
            return f"{root} {release}"
    return ""


def _reasons(record: Path) -> dict[str, str]:
    """Return why each release was yanked last."""
    return {str(line.get("release")): str(line.get("why")) for line in journal.read(record)}
