"""A registry that is a directory: no daemon, no account.

``index/`` and flat ``.crate`` files, which cargo reads as a ``local-registry`` source (cargo book, "Local
Registry Sources").  Nothing is ever overwritten: other bytes under a published name and version stop the run.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

from patchbot import files
from patchbot.errors import EnvironmentProblem, PublishError
from patchbot.model import ForkedCrate, IndexEntry, index_path


class State(StrEnum):
    """What publishing a crate means for the registry."""

    NEW = "new"
    PRESENT = "present"


@dataclass(frozen=True, slots=True)
class Step:
    """One crate of a publishing plan."""

    crate: ForkedCrate
    state: State


class LocalRegistry:
    """The directory ``folder``; it need not exist until something is published."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def entries(self, name: str) -> dict[str, IndexEntry]:
        """Return the published versions of a crate.  Raises ``PublishError`` if the index is damaged."""
        file = self._index_file(name)
        try:
            lines = (_read(file) or b"").splitlines()
            entries = [IndexEntry.from_json(json.loads(line)) for line in lines]
        except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
            raise PublishError(
                f"is damaged: {error!r}", where=file, hint="restore it, or publish anew"
            ) from None
        return {entry.version: entry for entry in entries}

    def plan(self, crates: Iterable[ForkedCrate]) -> tuple[Step, ...]:
        """Return what publishing would do, in order.

        Raises ``PublishError`` if one of the names and versions is published with other bytes, or stands in
        the plan twice with different ones.  A ``.crate`` that no index line names is what a killed run left:
        nobody can have used it, and it does not count.
        """
        steps = tuple(Step(crate, self._state(crate)) for crate in crates)
        planned: dict[tuple[str, str], str] = {}
        for step in steps:
            entry = step.crate.entry
            sha256 = planned.setdefault((entry.name, entry.version), entry.sha256)
            if sha256 != entry.sha256:
                raise PublishError(
                    f"{entry.name} {entry.version} is to be published as {sha256} and as {entry.sha256}"
                )
        return steps

    def _state(self, crate: ForkedCrate) -> State:
        entry = crate.entry
        known = self.entries(entry.name).get(entry.version)
        if known is None:
            return State.NEW
        file = self._crate_file(entry)
        data = _read(file)
        found = hashlib.sha256(data).hexdigest() if data is not None else "no file"
        for where, sha256 in ((self._index_file(entry.name), known.sha256), (file, found)):
            if sha256 != entry.sha256:
                raise PublishError(
                    f"{entry.name} {entry.version} is published as {sha256}, and would now be {entry.sha256}",
                    where=where,
                    hint="a published crate never changes: give the release a new revision in patchbot.toml "
                    '([fork.revisions], as in "8.0.1" = 2), or use another registry directory',
                )
        if known != entry:
            raise PublishError(
                f"{entry.name} {entry.version} has another index line", where=self._index_file(entry.name)
            )
        return State.PRESENT

    def publish(self, crates: Iterable[ForkedCrate]) -> tuple[Step, ...]:
        """Publish what is new, dependencies first, and return what was done.

        The ``.crate`` is there before its index line, and each is renamed into place: a reader, a second
        writer and a run that was killed see a crate whole or not at all.

        Raises ``PublishError`` before anything is written if a crate's bytes differ from published ones.
        """
        wanted = tuple(crates)
        with files.locked(self.folder / ".lock"):
            steps = self.plan(wanted)
            for step in steps:
                if step.state is State.NEW:
                    files.write(self._crate_file(step.crate.entry), step.crate.data, durable=True)
                    self._add_line(step.crate.entry)
        return steps

    def _add_line(self, entry: IndexEntry) -> None:
        lines = {**self.entries(entry.name), entry.version: entry}
        text = "".join(json.dumps(line.to_json(), separators=(",", ":")) + "\n" for line in lines.values())
        files.write(self._index_file(entry.name), text.encode(), durable=True)

    def _index_file(self, name: str) -> Path:
        return self.folder / "index" / index_path(name)

    def _crate_file(self, entry: IndexEntry) -> Path:
        return self.folder / f"{entry.name}-{entry.version}.crate"


def _read(file: Path) -> bytes | None:
    """Return the bytes of ``file``, or None if there is none."""
    try:
        return file.read_bytes()
    except FileNotFoundError:
        return None
    except OSError as error:
        raise EnvironmentProblem(f"cannot be read: {error.strerror}", where=file) from None
