"""What a patch was written for: the exact blobs before and after it, or a refusal that names the line.

A patch says by blob ids which text it is for.  Nothing is looked for elsewhere in a file: a hunk fits at its
line, or the patch is refused.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass

from patchbot.errors import RepositoryError
from patchbot.series.lines import Change, Lines, joined, settled, split
from patchbot.series.mails.diffs import FileDiff
from patchbot.series.mails.mail import Patch
from patchbot.series.merge.trees import FOLDER, PLAIN, SUBMODULE, SYMLINK, Entry, Tree, spoken

_SUBPROJECT = re.compile(rb"Subproject commit ([0-9a-f]{40,64})(?:-dirty)?\n?")


class Blobs:
    """Bytes by object id: those of a repository, and those that patches make."""

    def __init__(self, read: Callable[[str], bytes | None], digest: Callable[[bytes], str]) -> None:
        self._read = read
        self._digest = digest
        self._known: dict[str, bytes] = {}
        self._lines: dict[str, Lines] = {}

    def find(self, oid: str) -> bytes | None:
        """Return the bytes of a blob, or None if the repository does not have it."""
        if oid not in self._known:
            data = self._read(oid)
            if data is None:
                return None
            self._known[oid] = data
        return self._known[oid]

    def get(self, oid: str) -> bytes:
        """Return the bytes of a blob that a tree names.  Raises ``RepositoryError`` if it is missing."""
        data = self.find(oid)
        if data is None:
            raise RepositoryError(
                f"the repository does not have the blob {oid}",
                hint="a partial clone fetches it with `git cat-file -p` in the repository itself",
            )
        return data

    def lines(self, oid: str) -> Lines:
        """Return the lines of a blob that a tree names, cut once."""
        if oid not in self._lines:
            self._lines[oid] = split(self.get(oid))
        return self._lines[oid]

    def add(self, data: bytes) -> str:
        """Keep bytes and return their object id."""
        oid = self._digest(data)
        self._known[oid] = data
        return oid


@dataclass(frozen=True, slots=True)
class Step:
    """What a patch does to one file, by exact objects; a side without a path is not there.

    ``changes`` are those of a text, None where only whole files can be compared.
    """

    old_path: str | None
    new_path: str | None
    base: Entry | None
    theirs: Entry | None
    changes: tuple[Change, ...] | None
    copied: bool
    line: int

    @property
    def path(self) -> str:
        """The path that a person looks for."""
        return self.new_path or self.old_path or ""

    @property
    def base_oid(self) -> str:
        """The object that it was written for, empty if there is none."""
        return self.base.oid if self.base is not None else ""

    @property
    def paths(self) -> frozenset[str]:
        """The paths that it needs or makes."""
        return frozenset(path for path in (self.old_path, self.new_path) if path)


def steps(patch: Patch, tree: Tree, blobs: Blobs) -> tuple[Step, ...]:
    """Return what a patch does to ``tree``, and do it there.

    Raises ``RepositoryError`` with file and line if the patch is not for this tree, nor for blobs that the
    repository has.
    """
    found = [_step(patch, file, tree, blobs) for file in patch.files]
    for step in found:
        if step.old_path and not step.copied and step.old_path != step.new_path:
            tree.put(step.old_path, None)
    for step in found:
        if step.new_path and step.theirs is not None:
            _refuse_unsafe(patch, step, tree)
            tree.put(step.new_path, step.theirs)
    return tuple(found)


def _wrong(patch: Patch, line: int, what: str, hint: str | None = None) -> RepositoryError:
    return RepositoryError(what, where=f"{patch.where}:{line}", hint=hint)


def _refuse_unsafe(patch: Patch, step: Step, tree: Tree) -> None:
    path = step.path
    if problem := tree.blocked(path):
        raise _wrong(patch, step.line, f"{path} cannot be written: {problem}")
    if step.base is None and (twin := tree.twin(path)):
        raise _wrong(patch, step.line, f"{path} and {twin} are one file on some systems")


def _step(patch: Patch, file: FileDiff, tree: Tree, blobs: Blobs) -> Step:
    before = tree.get(file.old_path) if file.old_path else None
    base = _base(patch, file, before, blobs)
    if base is None and file.old_path is None and file.new_path is not None:
        there = tree.get(file.new_path)
        if there is not None and there.mode != FOLDER and not file.new_oid:
            raise _wrong(patch, file.line, f"creates {file.new_path}, which is there already")
        before = there
    theirs, changes = _theirs(patch, file, base, blobs)
    return Step(file.old_path, file.new_path, base, theirs, changes, copied=file.copied, line=file.line)


def _base(patch: Patch, file: FileDiff, before: Entry | None, blobs: Blobs) -> Entry | None:
    """Return what a patch was written for: the file before it, or the blob that it names."""
    if file.old_path is None:
        return None
    if before is not None and before.mode == FOLDER:
        raise _wrong(patch, file.line, f"{file.old_path} is a folder")
    named = file.old_oid if file.old_oid.strip("0") else ""
    if before is not None and before.oid.startswith(named):
        if file.old_mode and file.old_mode != before.mode and not {file.old_mode, before.mode} <= PLAIN:
            raise _wrong(patch, file.line, f"{file.old_path} is {spoken(before)} here")
        # a patch that changes no mode says one all the same; git apply goes by the file's own
        kept = file.old_mode == file.new_mode and file.new_path is not None
        return Entry(before.mode if kept else file.old_mode or before.mode, before.oid)
    if not named:
        raise _wrong(
            patch, file.line, f"{file.old_path} is not in the tree that the patch is for", "is --from right?"
        )
    mode = file.old_mode or (before.mode if before is not None else "100644")
    if len(named) < 40 or (mode != SUBMODULE and blobs.find(named) is None):  # noqa: PLR2004 - a whole SHA-1
        raise _wrong(
            patch,
            file.line,
            f"is for the blob {named[:12]} of {file.old_path}, which is neither in --from nor in the repository",
            "is --from right? `git format-patch --full-index` names blobs in full",
        )
    return Entry(mode, named)


def _theirs(
    patch: Patch, file: FileDiff, base: Entry | None, blobs: Blobs
) -> tuple[Entry | None, tuple[Change, ...] | None]:
    mode = file.new_mode or (base.mode if base is not None else "100644")
    if base is not None and file.old_mode == file.new_mode:
        mode = base.mode  # see `_base`
    if SUBMODULE in {mode, base.mode if base is not None else mode}:
        return _submodule(patch, file, base, mode), None
    data, changes = _patched(patch, file, base.oid if base is not None else None, blobs)
    if file.new_path is None:
        if data:
            raise _wrong(patch, file.line, f"removes {file.old_path}, and leaves some of its lines")
        return None, changes
    oid = blobs.add(data)
    if file.new_oid.strip("0") and not oid.startswith(file.new_oid):
        raise _wrong(
            patch,
            file.line,
            f"gives {file.new_path} other bytes than it says ({oid[:12]} instead of {file.new_oid[:12]})",
            "was it edited by hand? make it anew from a commit",
        )
    return Entry(mode, oid), None if SYMLINK in {mode, base.mode if base else mode} else changes


def _submodule(patch: Patch, file: FileDiff, base: Entry | None, mode: str) -> Entry | None:
    if file.new_path is None:
        return None
    if not file.hunks and base is not None:
        return Entry(mode, base.oid)
    match = _SUBPROJECT.fullmatch(b"".join(line for hunk in file.hunks for line in hunk.new))
    if match is None:
        raise _wrong(patch, file.line, f"{file.path}: a submodule becomes a file, or the other way round")
    return Entry(mode, match[1].decode())


def _patched(
    patch: Patch, file: FileDiff, base: str | None, blobs: Blobs
) -> tuple[bytes, tuple[Change, ...] | None]:
    old = blobs.get(base) if base is not None else b""
    if file.literal is not None:
        try:
            return file.literal.apply(old), None
        except ValueError as error:
            raise _wrong(patch, file.line, str(error)) from None
    if not file.hunks:
        return old, ()
    lines = blobs.lines(base) if base is not None else ()
    out: list[bytes] = []
    at = 0
    for hunk in file.hunks:
        end = hunk.start + len(hunk.old)
        if hunk.start > len(lines) or lines[hunk.start : end] != hunk.old:
            raise _wrong(
                patch,
                hunk.line,
                f"this hunk is not for line {hunk.start + 1} of {file.old_path} as it is before the patch",
                "is --from right?",
            )
        out += lines[at : hunk.start]
        out += hunk.new
        at = end
    out += lines[at:]
    changes = joined(change for hunk in file.hunks for change in hunk.changes)
    return b"".join(out), None if b"\0" in old else settled(lines, changes)
