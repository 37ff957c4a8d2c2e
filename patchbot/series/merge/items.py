"""Which item of a source file a line is in: the function, impl or module round it, the table of a manifest.

A merge puts a hunk where its lines are; this says whether that is still the same item.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from patchbot.series.lines import Change


@dataclass(frozen=True, slots=True)
class Item:
    """An item: its words up to its body, by which it is told from others, its short name, its lines (from 0).

    ``first`` is where its attributes and comments begin, ``head`` where it does itself.  A ``closed`` one holds
    statements: within it, equal lines say little.
    """

    label: str
    name: str
    first: int
    head: int
    last: int
    closed: bool = False


@dataclass(frozen=True, slots=True)
class Items:
    """The items of one file, each with those round it, outermost first.

    ``endless`` ones have no end of their own: what is put behind one, before the next begins, is in it.
    """

    rows: tuple[tuple[Item, ...], ...]
    endless: bool = False

    def round(self, start: int, end: int) -> tuple[Item, ...]:
        """Return the items that hold lines ``start`` to ``end`` or, if these are none, the gap before ``start``."""
        gap = (start - 1, start - 1 if self.endless else start)
        low, high = (start, end - 1) if end > start else gap
        best: tuple[Item, ...] = ()
        for path in self.rows:
            inside = path[-1].first <= low and high <= path[-1].last
            if inside and len(path) > len(best):
                best = path
        return best

    def count(self, path: tuple[Item, ...]) -> int:
        """Return how many items have the same labels from the outermost in."""
        wanted = labels(path)
        return sum(labels(row) == wanted for row in self.rows)


def labels(path: tuple[Item, ...]) -> tuple[str, ...]:
    """Return the labels of items, outermost first."""
    return tuple(item.label for item in path)


def spoken(path: tuple[Item, ...]) -> str:
    """Name an item for people."""
    return " > ".join(item.name for item in path) or "no item"


def moved(base: Items, ours: Items, change: Change, at: int, upstream: Sequence[Change]) -> str | None:
    """Return why lines that land at ``at`` in ours are not in the item they were in, or None if they are.

    ``change`` is where they are in the base, ``upstream`` what turns the base into ours.
    """
    size = change.end - change.start
    before, after = base.round(change.start, change.end), ours.round(at, at + size)
    if not before and not after:
        return None
    if before and after and _same(base, ours, before, after, upstream):
        return None
    return f"was in {spoken(before)}, would land in {spoken(after)}"


def _same(
    base: Items,
    ours: Items,
    before: tuple[Item, ...],
    after: tuple[Item, ...],
    upstream: Sequence[Change],
) -> bool:
    """Whether two items are one: upstream left the line where it starts, or changed that line into the other."""
    if labels(before) == labels(after) and base.count(before) == ours.count(after) == 1:
        return True
    old, new = before[-1].head, after[-1].head
    shift = 0
    for change in upstream:
        if change.start > old:
            break
        if change.start <= old < change.end:  # upstream changed the line: is it a new name for the same?
            begins = change.start + shift
            renamed = begins <= new < begins + len(change.lines)
            return renamed and base.count(before) == ours.count(after) == 1
        shift += change.growth
    return old + shift == new
