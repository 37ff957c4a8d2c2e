"""One text that both sides changed, and what is thought of each place of it.

A merge that is clean is not believed before the lines are in the item that they were in, and before it is sure
that the release does not have them already.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property

from patchbot.series.lines import Change, Lines, Place
from patchbot.series.merge import items, nearby, recognise
from patchbot.series.merge.how import How
from patchbot.series.merge.items import Items
from patchbot.series.merge.outline import outline_of
from patchbot.series.merge.recognise import Seen

_CONTEXT = 3


class TextMerge:
    """One text, its changes by both sides, and what is thought of each place."""

    def __init__(
        self, *, base: Lines, ours: Lines, path: str, upstream: tuple[Change, ...], places: tuple[Place, ...]
    ) -> None:
        self.old = base
        self.new = ours
        self.upstream = upstream
        self.places = places
        self._path = path
        self._there = [place for place in places if place.agreed(self.old)]
        self._lands = [place for place in places if place.theirs and not place.ours]
        self._outline = outline_of(path)
        self._quiet = self._outline is None or self._outline.quiet(self.old, upstream)
        self._near = (nearby.Text(base), nearby.Text(ours)) if path.endswith(".rs") else None
        self._strays = {place: self._stray(place) for place in self._lands}
        self._seen = {place: self._recognised(place) for place in self._lands}
        self.elsewhere = frozenset(place for place in self._lands if self._taken(place))

    @cached_property
    def _items(self) -> tuple[Items, Items] | None:
        if self._outline is None:
            return None
        return self._outline.read(b"".join(self.old)), self._outline.read(b"".join(self.new))

    def overlaps(self) -> str | None:
        """Return why the text does not merge, or None."""
        for place in self.places:
            if place.both and not place.agreed(self.old):
                at = f"{self._path}:{place.at + 1}"
                if any(change.elsewhere for change in place.ours):
                    return f"{at}: the release has these lines at another place"
                there = " The release seems to have it already." if self._contained(place) else ""
                return f"{at}: both sides changed the same lines.{there}"
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
        if self._quiet or self._seems_to_stay(place) or self._items is None:
            return None
        shift = place.at - place.start
        for change in place.theirs:
            if why := items.moved(*self._items, change, change.start + shift, self.upstream):
                return why
        return None

    def _seems_to_stay(self, place: Place) -> bool:
        """Whether a few lines show already that all changes of a place are in the item that they were in."""
        if self._near is None:
            return False
        shift = place.at - place.start
        return all(nearby.stays(*self._near, c, c.start + shift, self.upstream) for c in place.theirs)

    def _recognised(self, place: Place) -> Seen:
        (change,) = place.theirs  # a patch's own changes never touch
        wanted = sum(other.theirs[0].lines == change.lines for other in self._lands)
        agreed = sum(recognise.count(p.of_ours(self.old), change.lines) for p in self._there if change.lines)
        return recognise.seen(self.old, self.new, change, wanted=wanted, known=agreed)

    def _taken(self, place: Place) -> bool:
        """Whether upstream surely has what the patch adds: much text, in the same item, which holds items itself.

        Statements of one function may well be there twice; and where nothing tells items apart, any lines may.
        """
        if self._seen[place] is not Seen.YES or self._items is None or self._stray_copy(place):
            return False
        (change,) = place.theirs
        around = self._items[0].round(change.start, change.end)
        return not (around and around[-1].closed)

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
