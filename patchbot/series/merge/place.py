"""Put what a patch does to one file onto another tree, or say why that cannot be decided.

The merge is by exact blobs: what stood there when the patch was written, what upstream made of it, what the
patch made of it.  A merge that is clean is not believed before the lines are in the item that they were in,
and before it is sure that the release does not have them already.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol

from patchbot.series import lines
from patchbot.series.lines import Change
from patchbot.series.merge.how import How
from patchbot.series.merge.preimage import Blobs, Step
from patchbot.series.merge.textmerge import TextMerge
from patchbot.series.merge.trees import FOLDER, PLAIN, Entry, Tree, parents, spoken

_TELLING = 64  # bytes of a file that nobody writes twice by chance

Diff = Callable[[Entry, Entry], tuple[Change, ...]]


@dataclass(frozen=True, slots=True)
class Clash:
    """A file that did not take its part, with what a person needs to do it by hand.

    ``kind`` is one of git's words for conflicts where it has one; ``marked`` the text with markers, None where
    there is no text to merge.
    """

    path: str
    kind: str
    why: str
    base: Entry | None
    ours: Entry | None
    theirs: Entry | None
    marked: bytes | None = None


@dataclass(frozen=True, slots=True)
class Placed:
    """A file that took its part: what to change in the tree, and what to remember for the next patch.

    ``changes`` are those of the lines of a file that stays where it is, None where that is not all.
    """

    puts: tuple[tuple[str, Entry | None], ...]
    how: How
    notes: tuple[str, ...] = ()
    changes: tuple[Change, ...] | None = None
    chain: tuple[str, str, tuple[Change, ...]] | None = None
    moved: tuple[str, str] | None = None


@dataclass(frozen=True, slots=True)
class _Text:
    """A merged text: its object, how it went, upstream's changes as the next patch meets them, and the patch's.

    Changes are None where they are not known: one side is no text.
    """

    oid: str
    how: How
    notes: tuple[str, ...]
    rest: tuple[Change, ...] | None
    changes: tuple[Change, ...] | None = ()


class Source(Protocol):
    """The tree that a patch was written for."""

    tree: Tree

    def moved(self, path: str) -> str | None:
        """Return where upstream has moved a file of this tree, or None."""

    def added(self, oid: str) -> str | None:
        """Return where upstream has added a file with these bytes, or None."""


class Onto:
    """The tree that patches are put onto, with what is known of how it differs from theirs."""

    source: Source  # of the patch that is being placed

    def __init__(self, tree: Tree, blobs: Blobs, diff: Diff) -> None:
        self.tree = tree
        self._room = tree
        self._blobs = blobs
        self._diff = diff
        self._moved: dict[str, str] = {}
        self._chains: dict[str, tuple[str, tuple[Change, ...]]] = {}

    def take(self, placed: Placed) -> None:
        """Remember how one file went; its changes are the caller's, in the order that all of them need."""
        if placed.chain is not None:
            path, oid, changes = placed.chain
            self._chains[path] = (oid, changes)
        if placed.moved is not None:
            self._moved.__setitem__(*placed.moved)

    def make_room(self, steps: Sequence[Step]) -> None:
        """Look at the files that a patch takes away: what it puts in their place finds them gone."""
        gone = [
            self._where(step.old_path)[0]
            for step in steps
            if step.old_path and step.base is not None and not step.copied and step.old_path != step.new_path
        ]
        self._room = self.tree.without(gone) if gone else self.tree

    def place(self, step: Step, name: str) -> Placed | Clash:
        """Put a step of the patch ``name``, after ``make_room`` for all; nothing is changed before ``take``."""
        if step.base is None or step.old_path is None:
            return self._create(step)
        where, notes = self._where(step.old_path)
        ours = self.tree.get(where)
        if ours is None or ours.mode == FOLDER:
            return self._gone(step, ours, where)
        if step.theirs is None or step.new_path is None:
            return self._remove(step, ours, where, notes)
        return self._change(step, ours, where, notes, name)

    def _where(self, path: str) -> tuple[str, tuple[str, ...]]:
        """Return where upstream has a file of the patch now."""
        here = self._moved.get(path, path)
        if here == path and self.tree.get(path) is None and self.source.tree.original(path) is not None:
            moved = self.source.moved(path)
            if moved is not None and self.tree.get(moved) is not None:
                here = moved
        return here, ((f"upstream has {path} as {here}",) if here != path else ())

    # -- files that come and go --------------------------------------------------------------------

    def _create(self, step: Step) -> Placed | Clash:
        path, theirs = step.path, step.theirs
        ours = self._room.get(path)
        if ours == theirs:
            return Placed((), How.THERE)
        if ours is not None and ours.mode != FOLDER:
            return _clash(step, ours, "add/add", f"the release has another {path}")
        if clash := self._not_free(step, path):
            return clash
        if theirs is not None and (copy := self._copy(theirs)):
            return _clash(step, None, "doubt", f"the release has the same file at {copy}: is it this change?")
        return Placed(((path, theirs),), How.EXACT, moved=(path, path))

    def _copy(self, theirs: Entry) -> str | None:
        """Return where upstream has added a file of these bytes, if they say enough to be no accident."""
        if theirs.mode not in PLAIN or len(self._blobs.get(theirs.oid)) < _TELLING:
            return None
        return self.source.added(theirs.oid)

    def _not_free(self, step: Step, path: str) -> Clash | None:
        """Tell what keeps a new file from its path."""
        ours = self.tree.get(path)
        if why := self._room.blocked(path):
            return _clash(step, ours, "file/directory", why)
        if twin := self._room.twin(path):
            return _clash(step, ours, "twin", f"{path} and {twin} are one file on some systems")
        for folder in parents(path):
            was, now = self.source.tree.original(folder), self.tree.original(folder)
            # a folder that the series itself empties may be filled again
            if was is not None and was.mode == FOLDER and now is None and not self.tree.holds(folder):
                return _clash(step, ours, "directory gone", f"the release has no {folder} any more")
        return None

    def _gone(self, step: Step, ours: Entry | None, where: str) -> Placed | Clash:
        if ours is not None:
            return _clash(step, ours, "file/directory", f"{where} is {spoken(ours)} in the release")
        if step.theirs is None:
            return Placed((), How.THERE)
        return _clash(step, None, "modify/delete", f"the release has no {step.old_path}, and no file like it")

    def _remove(self, step: Step, ours: Entry, where: str, notes: tuple[str, ...]) -> Placed | Clash:
        if ours != step.base:
            return _clash(
                step, ours, "delete/modify", f"upstream has changed {where}, which the patch removes"
            )
        if notes:
            return _clash(step, ours, "delete/rename", f"{notes[0]}, and the patch removes it")
        return Placed(((where, None),), How.EXACT)

    # -- files that change ---------------------------------------------------------------------------

    def _change(
        self, step: Step, ours: Entry, where: str, notes: tuple[str, ...], name: str
    ) -> Placed | Clash:
        base, theirs = step.base, step.theirs
        assert base is not None  # noqa: S101 - `place` has sorted the others out
        assert theirs is not None  # noqa: S101
        target = self._target(step, ours, where)
        if isinstance(target, Clash):
            return target
        mode = _merged_mode(base.mode, ours.mode, theirs.mode)
        if mode is None:
            why = f"{where} is {spoken(ours)} with the mode {ours.mode} in the release"
            return _clash(step, ours, "mode", why)
        text = self._content(step, ours, where, name)
        if isinstance(text, Clash):
            return text
        result = Entry(mode, text.oid)
        puts: list[tuple[str, Entry | None]] = []
        if target != where and not step.copied:
            puts.append((where, None))
        if target != where or result != ours:
            puts.append((target, result))
        how = text.how
        if not puts:
            how = How.THERE
        elif self._has_part(step, ours, where) or how is How.THERE:
            how = How.PARTLY
        elif ours.mode != base.mode or notes:  # the patch's text says the old mode
            how = max(how, How.MERGED, key=list(How).index)
        path = step.path
        moved = (path, target) if path != target else None
        chain = (path, theirs.oid, text.rest) if text.rest is not None else None
        changes = text.changes if target == where else None
        return Placed(tuple(puts), how, (*notes, *text.notes), changes, chain, moved)

    @staticmethod
    def _has_part(step: Step, ours: Entry, where: str) -> bool:
        """Whether the release has the patch's new mode or new path; lines, mode and path are parts of a patch."""
        mode = step.base is not None and step.theirs is not None and step.base.mode != step.theirs.mode
        moved = step.old_path != step.new_path and not step.copied
        return (mode and step.theirs is not None and step.theirs.mode == ours.mode) or (
            moved and where == step.new_path
        )

    def _target(self, step: Step, ours: Entry, where: str) -> str | Clash:
        """Return where the changed file belongs: where upstream has it, or where the patch moves it."""
        if step.old_path == step.new_path or step.new_path is None:
            return where
        if not step.copied and where != step.old_path:
            if where == step.new_path:
                return where
            why = f"upstream has moved {step.old_path} to {where}, the patch to {step.new_path}"
            return _clash(step, ours, "rename/rename", why)
        there = self._room.get(step.new_path)
        if there is not None and there.mode != FOLDER:
            return _clash(step, ours, "rename/add", f"the release has a {step.new_path}")
        return self._not_free(step, step.new_path) or step.new_path

    def _content(self, step: Step, ours: Entry, where: str, name: str) -> _Text | Clash:
        base, theirs = step.base, step.theirs
        assert base is not None  # noqa: S101 - see `_change`
        assert theirs is not None  # noqa: S101
        if ours.oid == base.oid:
            return _Text(theirs.oid, How.EXACT, (), (), step.changes)
        if ours.oid == theirs.oid:
            return _Text(ours.oid, How.THERE, (), ())
        upstream = self._upstream(step, base, ours)
        if theirs.oid == base.oid:
            return _Text(ours.oid, How.SHIFTED, (), upstream)
        if not {base.mode, ours.mode, theirs.mode} <= PLAIN:
            return _clash(step, ours, "content", f"{where} is {spoken(ours)}: both sides changed it")
        if step.changes is None or upstream is None:
            return _clash(step, ours, "binary", f"both sides changed {where}, which is no text")
        return self._merge(step, ours, where, upstream, name)

    def _upstream(self, step: Step, base: Entry, ours: Entry) -> tuple[Change, ...] | None:
        """Return what turns the patch's base into ours, or None if one of them is no text."""
        known = self._chains.get(step.old_path or "")
        if known is not None and known[0] == base.oid:
            return known[1]
        if not {base.mode, ours.mode} <= PLAIN:
            return None
        if b"\0" in self._blobs.get(base.oid) or b"\0" in self._blobs.get(ours.oid):
            return None
        return self._diff(base, ours)

    def _merge(
        self, step: Step, ours: Entry, where: str, upstream: tuple[Change, ...], name: str
    ) -> _Text | Clash:
        merging = TextMerge(
            base=self._blobs.lines(step.base_oid),
            ours=self._blobs.lines(ours.oid),
            path=where,
            upstream=upstream,
            places=lines.places(upstream, step.changes or ()),
        )
        overlap = merging.overlaps()
        if why := overlap or merging.doubts():
            kind = "content" if overlap else "doubt"
            marked = lines.marked(merging.old, merging.places, ours="ours", theirs=name)
            return _clash(step, ours, kind, why, marked)
        merged = lines.merge(merging.old, merging.places, merging.elsewhere)
        assert merged is not None  # noqa: S101 - nothing overlaps
        oid = self._blobs.add(b"".join(merged.lines))
        return _Text(oid, merging.how(), merging.notes(), merged.ours, merged.theirs)


def _clash(step: Step, ours: Entry | None, kind: str, why: str, marked: bytes | None = None) -> Clash:
    return Clash(step.path, kind, why, step.base, ours, step.theirs, marked)


def _merged_mode(base: str, ours: str, theirs: str) -> str | None:
    if ours in {base, theirs}:
        return theirs
    return ours if theirs == base else None
