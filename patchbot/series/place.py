"""Put what a patch does to one file onto another tree, or say why that cannot be decided.

The merge is by exact blobs: what stood there when the patch was written, what upstream made of it, what the
patch made of it.  A merge that is clean is not believed before the lines are in the item that they were in,
and before it is sure that the release does not have them already.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from enum import Enum
from functools import cached_property
from typing import Protocol

from patchbot.series import items, lines, recognise
from patchbot.series.items import Items
from patchbot.series.lines import Change, Place
from patchbot.series.preimage import Blobs, Step
from patchbot.series.recognise import Seen
from patchbot.series.trees import FOLDER, PLAIN, Entry, Tree, parents, spoken

_CONTEXT = 3


class How(Enum):
    """How a file took its part of a patch, the best first."""

    EXACT = "the file is the one that the patch is for"
    SHIFTED = "only line numbers moved"
    MERGED = "upstream changed lines near it"
    PARTLY = "the release had some of it"
    THERE = "the release had it"


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
    """A file that took its part: what to change in the tree, and what to remember for the next patch."""

    puts: tuple[tuple[str, Entry | None], ...]
    how: How
    notes: tuple[str, ...] = ()
    chain: tuple[str, str, tuple[Change, ...]] | None = None
    moved: tuple[str, str] | None = None


@dataclass(frozen=True, slots=True)
class _Text:
    """A merged text: its entry, how it went, and upstream's changes as the next patch meets them."""

    oid: str
    how: How
    notes: tuple[str, ...]
    rest: tuple[Change, ...] | None  # None where they are not known: one side is no text


Diff = Callable[[Entry, Entry], tuple[Change, ...]]


class Source(Protocol):
    """The tree that a patch was written for."""

    tree: Tree

    def moved(self, path: str) -> str | None:
        """Return where upstream has moved a file of this tree, or None."""


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
        return Placed(((path, theirs),), How.EXACT, moved=(path, path))

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
        if ours.oid != step.base_oid:
            return _clash(
                step, ours, "delete/modify", f"upstream has changed {where}, which the patch removes"
            )
        return Placed(((where, None),), How.MERGED if notes else How.EXACT, notes)

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
        elif how is How.THERE or base.mode != theirs.mode == ours.mode:  # lines, mode and path are parts
            how = How.PARTLY
        elif how is How.EXACT and ours.mode != base.mode:  # the patch's text says the old mode
            how = How.SHIFTED
        elif notes:
            how = max(how, How.MERGED, key=list(How).index)
        path = step.path
        moved = (path, target) if path != target else None
        chain = (path, theirs.oid, text.rest) if text.rest is not None else None
        return Placed(tuple(puts), how, (*notes, *text.notes), chain, moved)

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
            return _Text(theirs.oid, How.EXACT, (), ())
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
        merging = _Merging(
            base=self._blobs.get(step.base_oid),
            ours=self._blobs.get(ours.oid),
            path=where,
            upstream=upstream,
            places=lines.places(upstream, step.changes or ()),
        )
        if why := merging.overlaps() or merging.doubts():
            kind = "content" if merging.overlaps() else "doubt"
            marked = lines.marked(merging.old, merging.places, ours="ours", theirs=name)
            return _clash(step, ours, kind, why, marked)
        merged = lines.merge(merging.old, merging.places, merging.elsewhere)
        assert merged is not None  # noqa: S101 - nothing overlaps
        oid = self._blobs.add(b"".join(merged.lines))
        return _Text(oid, merging.how(), merging.notes(), merged.ours)


class _Merging:
    """One text, its changes by both sides, and what is thought of each place."""

    def __init__(
        self, *, base: bytes, ours: bytes, path: str, upstream: tuple[Change, ...], places: tuple[Place, ...]
    ) -> None:
        self.old = lines.split(base)
        self.new = lines.split(ours)
        self.upstream = upstream
        self.places = places
        self._path = path
        self._there = [place for place in places if place.agreed(self.old)]
        self._lands = [place for place in places if place.theirs and not place.ours]
        self._texts = (base, ours)
        self._quiet = not items.shapes(self.old, upstream)
        self._strays = {place: self._stray(place) for place in self._lands}
        self._seen = {place: self._recognised(place) for place in self._lands}
        self.elsewhere = frozenset(
            place for place in self._lands if self._seen[place] is Seen.YES and not self._stray_copy(place)
        )

    @cached_property
    def _items(self) -> tuple[Items, Items] | None:
        read = items.reader_of(self._path)
        return (read(self._texts[0]), read(self._texts[1])) if read is not None else None

    def overlaps(self) -> str | None:
        """Return why the text does not merge, or None."""
        for place in self.places:
            if place.both and not place.agreed(self.old):
                there = " The release seems to have it already." if self._contained(place) else ""
                return f"{self._path}:{place.at + 1}: both sides changed the same lines.{there}"
        return None

    def doubts(self) -> str | None:
        """Return why a clean merge is not believed, or None."""
        for place in self._lands:
            at = f"{self._path}:{place.at + 1}"
            if place in self.elsewhere:
                continue
            if self._seen[place] is not Seen.NO and not self._stray_copy(place):
                line = self._copies(place)[0] + 1
                return f"{at}: upstream has added the same lines at line {line}: is it this change?"
            if self._seen[place] is Seen.YES:
                line = self._copies(place)[0] + 1
                return f"{at}: upstream has added the same lines in another place, at line {line}"
            if stray := self._strays[place]:
                return f"{at}: {stray}"
        return None

    def how(self) -> How:
        """Return how the text took the patch."""
        there = len(self._there) + len(self.elsewhere)
        if there:
            return How.PARTLY if len(self._lands) > len(self.elsewhere) else How.THERE
        return How.SHIFTED if all(map(self._same_context, self._lands)) else How.MERGED

    def notes(self) -> tuple[str, ...]:
        """Return what a reviewer should know."""
        return tuple(
            f"{self._path}: the release has the lines for line {place.start + 1} at line {self._copies(place)[0] + 1}"
            for place in self.places
            if place in self.elsewhere
        )

    def _stray(self, place: Place) -> str | None:
        if self._quiet or self._items is None:
            return None
        shift = place.at - place.start
        for change in place.theirs:
            if why := items.moved(*self._items, change, change.start + shift, self.upstream):
                return why
        return None

    def _recognised(self, place: Place) -> Seen:
        (change,) = place.theirs  # a patch's own changes never touch
        wanted = sum(other.theirs[0].lines == change.lines for other in self._lands)
        agreed = sum(recognise.count(p.of_ours(self.old), change.lines) for p in self._there if change.lines)
        return recognise.seen(self.old, self.new, change, wanted=wanted, known=agreed)

    def _copies(self, place: Place) -> list[int]:
        """Return where ours has the lines that the patch adds."""
        return recognise.found(self.new, place.theirs[0].lines)

    def _stray_copy(self, place: Place) -> bool:
        """Whether what upstream added stands in another item than the patch would put it."""
        if self._items is None:
            return False
        change, size = place.theirs[0], len(place.theirs[0].lines)
        wanted = items.labels(self._items[0].round(change.start, change.end))
        return all(
            items.labels(self._items[1].round(at, at)) != wanted
            and items.labels(self._items[1].round(at + size, at + size)) != wanted
            for at in self._copies(place)
        )

    def _contained(self, place: Place) -> bool:
        added = [line for change in place.theirs for line in change.lines]
        return bool(added) and recognise.count(place.of_ours(self.old), tuple(added)) > 0

    def _same_context(self, place: Place) -> bool:
        """Whether the lines round a place are those that the patch's hunk shows."""
        for step in range(1, _CONTEXT + 1):
            before = _line(self.old, place.start - step), _line(self.new, place.at - step)
            size = place.end - place.start
            after = _line(self.old, place.end + step - 1), _line(self.new, place.at + size + step - 1)
            if before[0] != before[1] or after[0] != after[1]:
                return False
        return True


def _line(text: Sequence[bytes], at: int) -> bytes:
    return text[at] if 0 <= at < len(text) else b""


def _clash(step: Step, ours: Entry | None, kind: str, why: str, marked: bytes | None = None) -> Clash:
    return Clash(step.path, kind, why, step.base, ours, step.theirs, marked)


def _merged_mode(base: str, ours: str, theirs: str) -> str | None:
    if ours in {base, theirs}:
        return theirs
    return ours if theirs == base else None
