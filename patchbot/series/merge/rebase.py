"""Rebase a series of hand-written patches onto another tree: n patches in, n verdicts out.

Pure but for the objects that it is given to read.  No text is searched for: ``place`` merges by exact blobs.
A patch that does not fit is applied not at all, and whatever touches the same files after it is tainted: it
would rest on what is not there.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from patchbot.errors import RepositoryError
from patchbot.model import Verdict
from patchbot.series.lines import Change, evident
from patchbot.series.mails.diffs import FileDiff
from patchbot.series.mails.mail import Patch
from patchbot.series.mails.spell import TextChange
from patchbot.series.merge import preimage
from patchbot.series.merge.how import How
from patchbot.series.merge.place import Clash, Onto, Placed
from patchbot.series.merge.preimage import Blobs, Step
from patchbot.series.merge.trees import PLAIN, Entry, Tree

Pairs = Sequence[tuple[str, str]]


class Objects(Protocol):
    """What the engine reads of a repository."""

    def tree(self, oid: str) -> Mapping[str, Entry]:
        """Return the entries of one tree object."""

    def blob(self, oid: str) -> bytes | None:
        """Return a blob's bytes, or None if the repository does not have it."""

    def digest(self, data: bytes) -> str:
        """Return the object id that a blob of these bytes has."""

    def write(self, data: bytes) -> str:
        """Write a blob, so that ``diff`` can be asked for it; return its id."""

    def diff(self, pairs: Pairs) -> list[tuple[Change, ...]]:
        """Return the changes between the blobs of each pair, all of which the repository has."""

    def renames(self, old: str, new: str) -> dict[str, str]:
        """Return what was moved between two trees: path before → path after."""

    def added(self, old: str, new: str) -> dict[str, str]:
        """Return the files that only the second tree has: object id → path."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """How one patch fared, and what it changes in the new tree (path → entry, None for what goes).

    ``fitting`` is what a patch in conflict would change where it fits: nothing of it is in the tree.  ``texts``
    are the changes of lines, by path, of those files that stay where they are and of which they are known.
    """

    patch: Patch
    verdict: Verdict
    conflicts: tuple[Clash, ...] = ()
    notes: tuple[str, ...] = ()
    changes: Mapping[str, Entry | None] = field(default_factory=dict)
    fitting: Mapping[str, Entry | None] = field(default_factory=dict)
    texts: Mapping[str, tuple[Change, ...]] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Rebased:
    """All outcomes in the order of the series, and the bytes of every blob they speak of."""

    outcomes: tuple[Outcome, ...]
    blobs: Blobs
    tree: Tree

    @property
    def applied(self) -> tuple[Outcome, ...]:
        """The patches that are in the result."""
        return tuple(outcome for outcome in self.outcomes if outcome.verdict.applied)


def rebase(
    patches: Sequence[Patch],
    old: str,
    new: str,
    objects: Objects,
    *,
    on_patch: Callable[[str], None] = lambda _: None,
) -> Rebased:
    """Rebase a series for the tree ``old``, each patch on top of those before, onto the tree ``new``.

    Raises ``RepositoryError`` with file and line if a patch is not for ``old``; what does not fit ``new`` is a
    verdict.
    """
    blobs = Blobs(objects.blob, objects.digest)
    before = Tree(old, objects.tree)
    steps = [preimage.steps(patch, before, blobs) for patch in patches]
    rows = list(zip(patches, steps, strict=True))
    done = _placed(rows, [_Source(objects, old, new)] * len(rows), new, objects, blobs, on_patch)
    if any(outcome.verdict is Verdict.UPSTREAMED for outcome in done.outcomes):
        own = _Source(objects, old, old)
        on_itself = _placed(rows, [own] * len(rows), old, objects, blobs, lambda _: None)
        outcomes = map(_by_itself, done.outcomes, on_itself.outcomes)
        return Rebased(tuple(outcomes), done.blobs, done.tree)
    return done


def _by_itself(outcome: Outcome, on_itself: Outcome) -> Outcome:
    """Tell what the release has from what the patches before have done: that is done on their own base, too."""
    if outcome.verdict is on_itself.verdict is Verdict.UPSTREAMED:
        return Outcome(outcome.patch, Verdict.EMPTY)
    return outcome


def carry(forms: Sequence[tuple[Patch, str]], new: str, objects: Objects) -> Rebased:
    """Rebase patches that were each written for a tree of its own (its id beside it) onto the tree ``new``.

    Raises as ``rebase`` does.
    """
    blobs = Blobs(objects.blob, objects.digest)
    rows = [(patch, preimage.steps(patch, Tree(old, objects.tree), blobs)) for patch, old in forms]
    sources = [_Source(objects, old, new) for _, old in forms]
    return _placed(rows, sources, new, objects, blobs, lambda _: None)


def _placed(
    rows: Sequence[tuple[Patch, Sequence[Step]]],
    sources: Sequence[_Source],
    new: str,
    objects: Objects,
    blobs: Blobs,
    on_patch: Callable[[str], None],
) -> Rebased:
    tree = Tree(new, objects.tree)
    diffs = _Diffs(objects, blobs)
    diffs.prefetch([steps for _, steps in rows], tree)
    onto = Onto(tree, blobs, diffs)
    dirty: dict[str, str] = {}  # path → the patch that does not fit there
    outcomes = []
    for (patch, steps), source in zip(rows, sources, strict=True):
        on_patch(patch.name)
        onto.source = source
        outcomes.append(_one(patch, steps, onto, dirty))
    return Rebased(tuple(outcomes), blobs, tree)


def refuse_lost_lines(before: Patch, after: Sequence[TextChange] | Patch, verdict: Verdict) -> None:
    """Refuse an export whose lines are not those of the patch it comes from, counted.

    Upstream may have taken some (``partly-upstreamed``), never may others appear.
    """
    sides = [before, *([after] if isinstance(after, Patch) else [])]
    if any(file.literal is not None for patch in sides for file in patch.files):
        return
    (added, removed), (new, old) = _counted(before), _counted(after)
    partly = verdict is Verdict.PARTLY_UPSTREAMED
    for line in added.keys() | removed.keys() | new.keys() | old.keys():
        # less what it removes: the same number for every diff of one change
        had, has = added[line] - removed[line], new[line] - old[line]
        if has != had and not (partly and -removed[line] <= has <= added[line]):
            raise RepositoryError(
                f"{before.name} would have other lines after the rebase than before, first {line[:60]!r}",
                hint="this is a bug in patchbot: please report it with the series",
            )


def telling_line(patch: Patch) -> tuple[bytes, str]:
    """Return the longest line that a patch adds, or removes if it adds none, with its file; empty without lines.

    It is the one that history is asked for, so it has no line end.
    """
    best: tuple[bool, int, bytes, str] = (False, 0, b"", "")
    for file in patch.files:
        for hunk in file.hunks:
            for change in hunk.changes:
                for added, rows in ((True, change.lines), (False, hunk.removed(change))):
                    for row in map(bytes.strip, rows):
                        best = max(best, (added, len(row), row, file.path))
    return best[2], best[3]


def _counted(patch: Patch | Sequence[TextChange]) -> tuple[Counter[bytes], Counter[bytes]]:
    """Count the lines that a patch adds, and those that it removes."""
    added: Counter[bytes] = Counter()
    removed: Counter[bytes] = Counter()
    for file in patch.files if isinstance(patch, Patch) else patch:
        for part in file.hunks if isinstance(file, FileDiff) else (file,):
            for change in part.changes:
                added.update(change.lines)
                removed.update(part.removed(change))
    return added, removed


def _one(patch: Patch, steps: Sequence[Step], onto: Onto, dirty: dict[str, str]) -> Outcome:
    paths = {path for step in steps for path in step.paths}
    if rests := sorted({dirty[path] for path in paths if path in dirty}):
        dirty.update(dict.fromkeys(paths - dirty.keys(), patch.name))
        return Outcome(patch, Verdict.TAINTED, notes=(f"rests on {', '.join(rests)}",))
    onto.make_room(steps)
    placed = [onto.place(step, patch.name) for step in steps]
    clashes = tuple(part for part in placed if isinstance(part, Clash))
    done = [part for part in placed if isinstance(part, Placed)]
    if clashes:
        dirty.update(dict.fromkeys(paths, patch.name))
        fitting = {path: entry for part in done for path, entry in part.puts}
        return Outcome(patch, Verdict.CONFLICT, conflicts=clashes, fitting=fitting)
    changes: dict[str, Entry | None] = {}
    # what goes makes room first: a path may change hands
    for path, entry in sorted(
        (put for part in done for put in part.puts), key=lambda put: put[1] is not None
    ):
        onto.tree.put(path, entry)
        changes[path] = entry
    for part in done:
        onto.take(part)
    notes = tuple(note for part in done for note in part.notes)
    texts = {path: part.changes for part in done for path, _ in part.puts if part.changes is not None}
    return Outcome(patch, _verdict(steps, done), notes=notes, changes=changes, texts=texts)


def _verdict(steps: Sequence[Step], done: Sequence[Placed]) -> Verdict:
    there = [part.how is How.THERE for part in done]
    if all(there):
        return Verdict.UPSTREAMED if steps else Verdict.EMPTY
    if any(there) or any(part.how is How.PARTLY for part in done):
        return Verdict.PARTLY_UPSTREAMED
    if any(part.how is How.MERGED for part in done):
        return Verdict.MERGED
    return Verdict.SHIFTED if any(part.how is How.SHIFTED for part in done) else Verdict.UNCHANGED


class _Source:
    """The tree that a patch was written for, and what upstream has moved since, looked for only if asked."""

    def __init__(self, objects: Objects, old: str, new: str) -> None:
        self.tree = Tree(old, objects.tree)
        self._objects = objects
        self._trees = (old, new)
        self._renames: dict[str, str] | None = None
        self._added: dict[str, str] | None = None

    def moved(self, path: str) -> str | None:
        """Return where upstream has moved a file of this tree, or None."""
        if self._renames is None:
            self._renames = self._objects.renames(*self._trees)
        return self._renames.get(path)

    def added(self, oid: str) -> str | None:
        """Return where upstream has added a file with these bytes, or None."""
        if self._added is None:
            self._added = self._objects.added(*self._trees)
        return self._added.get(oid)


class _Diffs:
    """Changes between blobs: those that are sure to be asked for by one git for all."""

    def __init__(self, objects: Objects, blobs: Blobs) -> None:
        self._objects = objects
        self._blobs = blobs
        self._known: dict[tuple[str, str], tuple[Change, ...]] = {}

    def __call__(self, base: Entry, ours: Entry) -> tuple[Change, ...]:
        pair = (base.oid, ours.oid)
        if pair not in self._known:
            for oid in pair:
                if self._objects.blob(oid) is None:  # a patch before this one has made it
                    self._objects.write(self._blobs.get(oid))
            (self._known[pair],) = self._objects.diff([pair])
        return self._known[pair]

    def prefetch(self, series: Sequence[Sequence[Step]], onto: Tree) -> None:
        """Read what upstream did to every file that the series finds as upstream left it."""
        pairs: dict[tuple[str, str], None] = {}
        seen: set[str] = set()
        for step in (step for steps in series for step in steps):
            path = step.old_path
            if path is None or step.base is None or step.changes is None or path in seen:
                continue
            seen |= step.paths
            ours = onto.get(path)
            plain = ours is not None and ours.mode in PLAIN and step.base.mode in PLAIN
            if ours is not None and plain and ours.oid not in {step.base.oid, _oid(step.theirs)}:
                pairs[step.base.oid, ours.oid] = None
        texts = [p for p in pairs if not any(b"\0" in self._blobs.get(oid) for oid in p)]
        for pair in texts:
            change = evident(*map(self._blobs.lines, pair))
            if change is not None:
                self._known[pair] = change
        asked = [pair for pair in texts if pair not in self._known]
        self._known.update(zip(asked, self._objects.diff(asked), strict=True))


def _oid(entry: Entry | None) -> str:
    return entry.oid if entry is not None else ""
