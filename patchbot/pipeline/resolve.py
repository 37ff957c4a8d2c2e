"""Solve a conflict by hand: a clone to finish with stock git, and the new form of the patch that comes of it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from patchbot import files, state
from patchbot.errors import RepositoryError, UsageError
from patchbot.git import clone
from patchbot.git.commits import CommitText
from patchbot.git.store import TreeEntry
from patchbot.model import ImportedRelease, JsonObject, Release
from patchbot.pipeline import carry
from patchbot.pipeline.gitobjects import GitObjects
from patchbot.pipeline.imports import import_whole
from patchbot.pipeline.work import Workspace
from patchbot.series import carried, export
from patchbot.series.carried import Form
from patchbot.series.merge import rebase
from patchbot.series.merge.place import Clash
from patchbot.series.merge.preimage import Blobs
from patchbot.series.merge.rebase import Rebased
from patchbot.series.merge.trees import Entry

_MARKERS = (b"<<<<<<< ", b"||||||| ", b">>>>>>> ")


@dataclass(frozen=True, slots=True)
class Resolving:
    """Where the work on a release stands.

    ``patch`` is the one to finish in ``folder``, empty when all fit; ``written`` are forms that are new.
    """

    release: Release
    patch: str
    folder: Path
    places: tuple[tuple[str, str, str], ...] = ()  # path, kind, why
    written: tuple[Path, ...] = ()

    def to_json(self) -> JsonObject:
        """Spell the state as ``resolve --json`` does."""
        return {
            "schema": 1,
            "release": str(self.release),
            "patch": self.patch or None,
            "clone": str(self.folder) if self.patch else None,
            "conflicts": [{"path": path, "kind": kind, "why": why} for path, kind, why in self.places],
            "written": [str(path) for path in self.written],
        }


def begin(work: Workspace, release: Release) -> Resolving:
    """Make a clone for the first patch that does not fit; one that is there already is left as it is."""
    known = _state(work, release)
    if known is not None:
        return known
    return _next(work, release, ())


def proceed(work: Workspace, release: Release) -> Resolving:
    """Take what was made in the clone as the patch's form for the release, and go on to the next one.

    Raises ``UsageError`` while something is unsolved.
    """
    known = _state(work, release)
    if known is None:
        raise UsageError(
            f"nothing is being resolved for {release}", hint=f"`patchbot resolve {release}` begins"
        )
    _refuse_unsolved(known)
    imported = import_whole(work, release)
    form = carried.form_for(work.config.patches, known.patch, release)
    patch = form.read()
    text = CommitText(message=patch.message, author=patch.author, date=patch.date)
    mail = clone.mail_of(known.folder, _base(work, imported), text)
    if not mail:
        raise UsageError(
            f"nothing is left of {known.patch}",
            hint=f"if {release} needs it no more, say `until` in policy.toml, then --abort",
        )
    file = work.config.patches / carried.FOLDER / known.patch / f"{release}{carried.SUFFIX}"
    files.write(file, mail)
    _forget(work, release)
    return _next(work, release, (file,))


def abort(work: Workspace, release: Release) -> bool:
    """Forget what was begun; return whether there was something."""
    known = _state(work, release)
    _forget(work, release)
    return known is not None


def _next(work: Workspace, release: Release, written: tuple[Path, ...]) -> Resolving:
    imported = import_whole(work, release)
    objects = GitObjects(work.store)
    for form, tree in carry.forms_of(work, release):
        # each by itself: a form is written for upstream's tree, not for what other patches make of it
        done = rebase.carry([(form.read(), tree)], imported.tree, objects)
        (outcome,) = done.outcomes
        if outcome.verdict.open:
            return _clone(work, imported, form, done, written)
    return Resolving(release, "", _folder(work, release), written=written)


def _clone(
    work: Workspace, imported: ImportedRelease, form: Form, done: Rebased, written: tuple[Path, ...]
) -> Resolving:
    release = imported.release
    (outcome,) = done.outcomes
    folder = _folder(work, release)
    places = tuple((clash.path, clash.kind, clash.why) for clash in outcome.conflicts)
    started = Resolving(release, form.name, folder, places, written)
    clone.remove(folder)
    stages = {clash.path: _stages(work, clash, done.blobs) for clash in outcome.conflicts}
    texts = {clash.path: _text(clash, done.blobs) for clash in outcome.conflicts}
    merged = {
        path: _entry(work, path, entry, done.blobs) if entry is not None else None
        for path, entry in outcome.fitting.items()
    }
    clone.make(
        folder,
        work.store,
        _base(work, imported),
        f"resolve-{form.name}",
        merged=merged,
        stages=stages,
        texts=texts,
    )
    row = {**started.to_json(), "written": []}
    state.remember(_memory(work, release), str(release), row)
    return started


def _stages(work: Workspace, clash: Clash, blobs: Blobs) -> list[TreeEntry | None]:
    sides = (clash.base, clash.ours, clash.theirs)
    return [_entry(work, clash.path, side, blobs) if side is not None else None for side in sides]


def _entry(work: Workspace, path: str, entry: Entry, blobs: Blobs) -> TreeEntry:
    """Return an entry for the clone's index, its blob in the store."""
    if work.store.blob(entry.oid) is None:
        work.store.write_blob(blobs.get(entry.oid))
    return TreeEntry(path, entry.mode, entry.oid)


def _text(clash: Clash, blobs: Blobs) -> bytes | None:
    if clash.marked is not None:
        return clash.marked
    side: Entry | None = clash.ours or clash.theirs
    return blobs.find(side.oid) if side is not None else None


def _refuse_unsolved(known: Resolving) -> None:
    if paths := clone.unmerged(known.folder):
        raise UsageError(
            f"not solved yet: {', '.join(paths)}",
            hint=f"in {known.folder}: edit, `git add`, then --continue",
        )
    if paths := clone.unsaved(known.folder):
        raise UsageError(
            f"git was not told of edits in {', '.join(paths)}", hint="`git add` them, then --continue"
        )
    for path, _, _ in known.places:
        file = known.folder / path
        lines: Sequence[bytes] = file.read_bytes().splitlines() if file.is_file() else ()
        for number, line in enumerate(lines, 1):
            if line.startswith(_MARKERS):
                raise UsageError("a conflict marker is still there", hint=f"{path}:{number}")


def _base(work: Workspace, imported: ImportedRelease) -> str:
    base = work.store.resolve(f"{export.UPSTREAM}{imported.release}")
    if base is None:
        raise RepositoryError(f"{imported.release} was not imported", where=work.store.path)
    return base


def _folder(work: Workspace, release: Release) -> Path:
    return work.config.state / "resolve" / str(release)


def _memory(work: Workspace, release: Release) -> Path:
    return work.config.state / "resolve" / f"{release}.json"


def _state(work: Workspace, release: Release) -> Resolving | None:
    row = state.recall(_memory(work, release), str(release))
    if row is None or not _folder(work, release).is_dir():
        return None
    places = tuple((c["path"], c["kind"], c["why"]) for c in row["conflicts"])
    return Resolving(release, row["patch"], _folder(work, release), places)


def _forget(work: Workspace, release: Release) -> None:
    clone.remove(_folder(work, release))
    _memory(work, release).unlink(missing_ok=True)
