"""A registry that is a directory: no daemon, no account.

``index/`` and flat ``.crate`` files, which cargo reads as a ``local-registry`` source (cargo book, "Local
Registry Sources").  Nothing is ever overwritten: other bytes under a published name and version stop the run,
also where that version was removed since, because cargo keeps what it once downloaded.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Collection, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Protocol

from patchbot import files
from patchbot.errors import EnvironmentProblem, PublishError
from patchbot.model import IndexEntry, index_path, registry_key
from patchbot.registry import changes, lines

REMOVED = "removed"  # a JSON line per version that was taken out, so that its name never means other bytes

NEW_REVISION = (
    "a published crate never changes: give the release a new revision in patchbot.toml "
    '([fork.revisions], as in "8.0.1" = 2)'
)

Version = tuple[str, str]  # a crate's name and version


class Packed(Protocol):
    """A crate as a registry takes it: a fork, or what ``cargo publish`` sent."""

    @property
    def entry(self) -> IndexEntry:
        """Its index line."""

    @property
    def data(self) -> bytes:
        """Its ``.crate`` file."""


class State(StrEnum):
    """What publishing a crate means for the registry."""

    NEW = "new"
    PRESENT = "present"


@dataclass(frozen=True, slots=True)
class Step:
    """One crate of a publishing plan."""

    crate: Packed
    state: State


class Taken(PublishError):  # noqa: N818 - what the name is, not what the program did
    """A name, or a name and version, belongs to other bytes."""


class LocalRegistry:
    """The directory ``folder``; it need not exist until something is published."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    # -- what is there -----------------------------------------------------------------------------

    def entries(self, name: str) -> dict[str, IndexEntry]:
        """Return the published versions of a crate.  Raises ``PublishError`` if the index is damaged."""
        return {line.entry.version: line.entry for line in self.lines(name)}

    def lines(self, name: str) -> tuple[lines.Line, ...]:
        """Return the index lines of a crate.  Raises ``PublishError`` if one of them is none."""
        file = self.index_file(name)
        try:
            return lines.read(files.read(file) or b"")
        except ValueError as error:
            raise PublishError(
                f"is damaged: {error}", where=file, hint="restore it, or publish anew"
            ) from None

    def names(self) -> Iterator[str]:
        """Yield every crate of the index as its file is called: in lower case."""
        for folder, folders, names in os.walk(self.folder / "index", onerror=refuse_unreadable):
            folders.sort()
            yield from (n for n in sorted(names) if self.index_file(n).parent == Path(folder))

    def everything(self) -> dict[Version, IndexEntry]:
        """Return every version of every crate."""
        return {
            (line.entry.name, line.entry.version): line.entry
            for name in self.names()
            for line in self.lines(name)
        }

    def removed(self) -> dict[Version, str]:
        """Return the versions that were taken out, with the digest of their ``.crate`` files."""
        file = self.folder / REMOVED
        try:
            rows = [json.loads(line) for line in (files.read(file) or b"").splitlines()]
            return {(row["name"], row["vers"]): row["cksum"] for row in rows}
        except (ValueError, KeyError, TypeError) as error:
            raise PublishError(f"is damaged: {error!r}", where=file, hint="restore it") from None

    def index_file(self, name: str) -> Path:
        """Return where the index lines of a crate are, or would be."""
        return self.folder / "index" / index_path(name)

    def crate_file(self, name: str, version: str) -> Path:
        """Return where the bytes of a version are, or would be."""
        return self.folder / f"{name}-{version}.crate"

    # -- publishing --------------------------------------------------------------------------------

    def plan(self, crates: Iterable[Packed]) -> tuple[Step, ...]:
        """Return what publishing would do, in order.

        Raises ``PublishError`` if one of the names and versions is published with other bytes, or stands in
        the plan twice with different ones.  A ``.crate`` that no index line names is what a killed run left:
        nobody can have used it, and it does not count.
        """
        removed = self.removed()
        steps = tuple(Step(crate, self._state(crate.entry, removed)) for crate in crates)
        self._refuse_twins(step.crate.entry for step in steps if step.state is State.NEW)
        planned: dict[Version, str] = {}
        for step in steps:
            entry = step.crate.entry
            sha256 = planned.setdefault((entry.name, entry.version), entry.sha256)
            if sha256 != entry.sha256:
                raise PublishError(
                    f"{entry.name} {entry.version} is to be published as {sha256} and as {entry.sha256}"
                )
        return steps

    def _state(self, entry: IndexEntry, removed: dict[Version, str]) -> State:
        known = self.entries(entry.name).get(entry.version)
        if known is None:
            gone = removed.get((entry.name, entry.version), entry.sha256)
            if gone != entry.sha256:
                raise Taken(
                    f"{entry.name} {entry.version} was published as {gone} and removed, and would now be "
                    f"{entry.sha256}",
                    where=self.folder / REMOVED,
                    hint=f"{NEW_REVISION}, or use another registry directory",
                )
            return State.NEW
        file = self.crate_file(entry.name, entry.version)
        data = files.read(file)
        found = hashlib.sha256(data).hexdigest() if data is not None else "no file"
        for where, sha256 in ((self.index_file(entry.name), known.sha256), (file, found)):
            if sha256 != entry.sha256:
                raise Taken(
                    f"{entry.name} {entry.version} is published as {sha256}, and would now be {entry.sha256}",
                    where=where,
                    hint=f"{NEW_REVISION}, or use another registry directory",
                )
        if not lines.same(known, entry):
            raise Taken(
                f"{entry.name} {entry.version} has another index line", where=self.index_file(entry.name)
            )
        return State.PRESENT

    def _refuse_twins(self, entries: Iterable[IndexEntry]) -> None:
        """Refuse names that are one to cargo or to a file system, and versions that differ in ``+…`` alone."""
        names = None
        for entry in entries:
            for known in self.entries(entry.name).values():
                if known.name != entry.name:
                    raise Taken(f"{known.name} is published, and {entry.name} is the same name to cargo")
                if known.version.partition("+")[0] == entry.version.partition("+")[0]:
                    raise Taken(
                        f"{entry.name} {known.version} is published, and {entry.version} is the same to cargo"
                    )
            if names is None:
                names = {registry_key(name): name for name in self.names()}
            twin = names.setdefault(registry_key(entry.name), entry.name.lower())
            if twin != entry.name.lower():
                raise Taken(f"{twin} is published, and {entry.name} is the same name to cargo")

    def publish(self, crates: Iterable[Packed]) -> tuple[Step, ...]:
        """Publish what is new, dependencies first, and return what was done.

        The ``.crate`` is there before its index line, and each is renamed into place: a reader, a second
        writer and a run that was killed see a crate whole or not at all.

        Raises ``PublishError`` before anything is written if a crate's bytes differ from published ones.
        """
        wanted = tuple(crates)
        with self.locked():
            steps = self.plan(wanted)
            for step in steps:
                if step.state is State.NEW:
                    entry = step.crate.entry
                    files.write(self.crate_file(entry.name, entry.version), step.crate.data, durable=True)
                    self._add_line(entry)
        return steps

    def _add_line(self, entry: IndexEntry) -> None:
        kept = [line for line in self.lines(entry.name) if line.entry.version != entry.version]
        files.write(self.index_file(entry.name), lines.join([*kept, lines.write(entry)]), durable=True)

    # -- what becomes of it later ------------------------------------------------------------------

    def set_yanked(self, crates: Iterable[Version], *, yanked: bool) -> tuple[Version, ...]:
        """Yank these versions, or take that back, all of them or none; return those that were not so before.

        A yanked version is not chosen by new resolutions; lockfiles that name it go on building.  A run that
        was killed in between is finished by the next that writes.

        Raises ``PublishError`` before anything is written if one of them is not published.
        """
        wanted = tuple(dict.fromkeys(crates))
        with self.locked():
            known = self._published(wanted)
            changed = tuple(version for version in wanted if known[version].yanked != yanked)
            new: dict[str, bytes | None] = {}
            for name in dict.fromkeys(name for name, _ in changed):
                flagged = [
                    lines.flag(line, yanked=yanked) if (name, line.entry.version) in changed else line
                    for line in self.lines(name)
                ]
                new[self._inside(self.index_file(name))] = lines.join(flagged)
            changes.apply(self.folder, new)
        return changed

    def remove(self, crates: Collection[Version]) -> None:
        """Take these versions out for good: their lines all at once, then their ``.crate`` files.

        Their digests are kept, so that nothing else can ever be published under their names.  Callers have
        made sure that nobody needs them (``gc``).
        """
        with self.locked():
            known = self._published(crates)
            gone = {**self.removed(), **{version: entry.sha256 for version, entry in known.items()}}
            rows = [{"name": n, "vers": v, "cksum": digest} for (n, v), digest in sorted(gone.items())]
            new: dict[str, bytes | None] = {
                REMOVED: "".join(json.dumps(row) + "\n" for row in rows).encode(),
            }
            for name in {name for name, _ in known}:
                kept = [line for line in self.lines(name) if (name, line.entry.version) not in known]
                new[self._inside(self.index_file(name))] = lines.join(kept) if kept else None
            changes.apply(self.folder, new)
            for name, version in known:
                changes.unlink(self.crate_file(name, version))

    def _published(self, crates: Iterable[Version]) -> dict[Version, IndexEntry]:
        found = {}
        for name, version in crates:
            entry = self.entries(name).get(version)
            if entry is None or entry.name != name:
                raise PublishError(f"{name} {version} is not published", where=self.folder)
            found[name, version] = entry
        return found

    @contextmanager
    def locked(self) -> Iterator[None]:
        """Hold the registry's lock; what a killed run left half done is finished first."""
        with files.locked(self.folder / ".lock"):
            changes.complete(self.folder)
            yield

    def _inside(self, file: Path) -> str:
        return file.relative_to(self.folder).as_posix()


def refuse_unreadable(error: OSError) -> None:
    """Raise ``EnvironmentProblem`` for a folder that ``os.walk`` would pass over: what is in it is not lost."""
    if not isinstance(error, FileNotFoundError):
        raise EnvironmentProblem(f"cannot be read: {error.strerror}", where=error.filename)
