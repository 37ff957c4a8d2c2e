"""Three-way merge of lines: what upstream did and what a patch does to the same text, put together.

Pure, on bytes; a line keeps its end, so CRLF and a missing last newline are differences like any other.  As in
git's xdiff (xmerge.c), changes that touch each other with no line between are one place, and a place that both
sides changed is merged only if both made the same of it.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import NamedTuple

Lines = tuple[bytes, ...]


class Change(NamedTuple):
    """Lines ``start`` to ``end`` (from 0, without ``end``) become ``lines``.

    ``elsewhere``: the lines are not gone, the text has them at another place.
    """

    start: int
    end: int
    lines: Lines
    elsewhere: bool = False

    @property
    def growth(self) -> int:
        """By how many lines the text grows."""
        return len(self.lines) - (self.end - self.start)


@dataclass(frozen=True, slots=True)
class Place:
    """Changes that touch each other: of ``ours``, of ``theirs``, or of both.

    ``start`` and ``end`` are lines of the base; ``at`` is where ``start`` is in ours.
    """

    start: int
    end: int
    at: int
    ours: tuple[Change, ...]
    theirs: tuple[Change, ...]

    @property
    def both(self) -> bool:
        """Whether both sides changed something here."""
        return bool(self.ours and self.theirs)

    def of_ours(self, base: Sequence[bytes]) -> Lines:
        """Return what ours has here."""
        return applied(base, self.ours, self.start, self.end)

    def of_theirs(self, base: Sequence[bytes]) -> Lines:
        """Return what theirs has here."""
        return applied(base, self.theirs, self.start, self.end)

    def agreed(self, base: Sequence[bytes]) -> bool:
        """Whether both sides made the same of it."""
        if any(change.elsewhere for change in self.ours):
            return False
        return self.both and self.of_ours(base) == self.of_theirs(base)


@dataclass(frozen=True, slots=True)
class Merged:
    """The merged text, what turns theirs into it (upstream's changes, as the next patch meets them), and ours.

    ``theirs`` turns ours into it: the patch's own changes, as the release takes them.
    """

    lines: Lines
    ours: tuple[Change, ...]
    theirs: tuple[Change, ...]


def split(data: bytes) -> Lines:
    """Cut bytes into lines with their ends; only a line feed ends one."""
    if b"\r" not in data:  # at which `splitlines` would cut as well; it is three times as fast
        return tuple(data.splitlines(keepends=True))
    *whole, last = data.split(b"\n")
    lines = [line + b"\n" for line in whole]
    return tuple([*lines, last] if last else lines)


def applied(
    base: Sequence[bytes], changes: Iterable[Change], start: int = 0, end: int | None = None
) -> Lines:
    """Return lines ``start`` to ``end`` of ``base`` with ``changes`` made; these are in order and lie inside."""
    out: list[bytes] = []
    at = start
    for change in changes:
        out += base[at : change.start]
        out += change.lines
        at = change.end
    out += base[at : len(base) if end is None else end]
    return tuple(out)


def joined(changes: Iterable[Change]) -> tuple[Change, ...]:
    """Return changes in order with those that touch each other as one."""
    out: list[Change] = []
    for change in changes:
        if out and change.start <= out[-1].end:
            change = Change(out[-1].start, change.end, out.pop().lines + change.lines)  # noqa: PLW2901
        out.append(change)
    return tuple(out)


def settled(base: Sequence[bytes], changes: Sequence[Change]) -> tuple[Change, ...]:
    """Return the same changes where equal lines leave a choice of place: as far down as they go.

    Two diffs of one change then agree, whoever made them; git's xdl_change_compact moves them the same way.
    """
    out: list[Change] = []
    limit = len(base) + 1
    for change in reversed(changes):
        moved = _down(base, change, limit)
        out.append(moved)
        limit = moved.start
    return tuple(reversed(out))


def _down(base: Sequence[bytes], change: Change, limit: int) -> Change:
    """Move a change down, but not so far that it would touch the next one, which starts at ``limit``."""
    start, end, lines = change.start, change.end, change.lines
    if start == end:
        while end + 1 < limit and end < len(base) and lines[0] == base[end]:
            start, end, lines = start + 1, end + 1, (*lines[1:], lines[0])
    elif not lines:
        while end + 1 < limit and end < len(base) and base[start] == base[end]:
            start, end = start + 1, end + 1
    return Change(start, end, lines)


def evident(old: Lines, new: Lines) -> tuple[Change, ...] | None:
    """Return what turns ``old`` into ``new`` where git has but one way to see it, or None.

    What both begin and end with is left out, which git does before any of its algorithms (xdiff, ``xdl_trim_ends``);
    if the rest of one has no line of the other's, it is one change, and none is smaller.  It lies as far down as
    it goes, as ``settled`` has it.
    """
    if old == new:
        return ()
    short = min(len(old), len(new))
    start = next((at for at in range(short) if old[at] != new[at]), short)
    end = next((n for n in range(short - start) if old[-1 - n] != new[-1 - n]), short - start)
    gone, come = old[start : len(old) - end], new[start : len(new) - end]
    if not frozenset(gone).isdisjoint(come):
        return None
    return (Change(start, len(old) - end, come),)


def places(ours: Sequence[Change], theirs: Sequence[Change]) -> tuple[Place, ...]:
    """Put the changes of both sides (each in order) together by place."""
    out: list[Place] = []
    shift = 0
    sides = sorted(
        [(c, 0) for c in ours] + [(c, 1) for c in theirs], key=lambda row: (row[0].start, row[0].end)
    )
    for change, side in sides:
        last = out[-1] if out else None
        if last is not None and change.start <= last.end:
            mine, others = (change,) if side == 0 else (), (change,) if side else ()
            out[-1] = replace(
                last,
                end=max(last.end, change.end),
                ours=(*last.ours, *mine),
                theirs=(*last.theirs, *others),
            )
            continue
        if last is not None:
            shift += sum(c.growth for c in last.ours)
        out.append(
            Place(
                change.start,
                change.end,
                change.start + shift,
                (change,) if side == 0 else (),
                (change,) if side else (),
            )
        )
    return tuple(out)


def merge(
    base: Sequence[bytes], at: Sequence[Place], dropped: frozenset[Place] = frozenset()
) -> Merged | None:
    """Merge by places; None if a place is changed by both sides in different ways.

    At the places ``dropped`` theirs is left out: ours has it elsewhere.
    """
    lines: list[bytes] = []
    rest: list[Change] = []
    landed: list[Change] = []
    done = shift = 0
    for place in at:
        lines += base[done : place.start]
        done = place.end
        theirs = place.of_theirs(base)
        if place in dropped:
            lines += base[place.start : place.end]
            rest.append(_moved(place, shift, theirs, base[place.start : place.end]))
        elif not place.theirs:
            rest += [c._replace(start=c.start + shift, end=c.end + shift) for c in place.ours]
            lines += place.of_ours(base)
        elif not place.ours:
            landed.append(Change(place.at, place.at + place.end - place.start, theirs))
            lines += theirs
        elif place.agreed(base):
            lines += theirs
        else:
            return None
        shift += sum(c.growth for c in place.theirs)
    lines += base[done:]
    return Merged(tuple(lines), tuple(rest), tuple(landed))


def _moved(place: Place, shift: int, theirs: Lines, ours: Sequence[bytes]) -> Change:
    start = place.start + shift
    return Change(start, start + len(theirs), tuple(ours), elsewhere=True)


def marked(base: Sequence[bytes], at: Sequence[Place], *, ours: str, theirs: str) -> bytes:
    """Return the text with the places that do not merge between markers, as ``git merge-file --diff3`` writes it."""
    out: list[bytes] = []
    done = 0
    for place in at:
        out += base[done : place.start]
        done = place.end
        if place.both and not place.agreed(base):
            out += _closed([f"<<<<<<< {ours}\n".encode(), *place.of_ours(base)])
            out += _closed([b"||||||| base\n", *base[place.start : place.end]])
            out += _closed([b"=======\n", *place.of_theirs(base)])
            out.append(f">>>>>>> {theirs}\n".encode())
        else:
            out += place.of_theirs(base) if place.theirs else place.of_ours(base)
    out += base[done:]
    return b"".join(out)


def _closed(lines: list[bytes]) -> list[bytes]:
    """End the last line, so that a marker stands on one of its own."""
    return lines if lines[-1].endswith(b"\n") else [*lines[:-1], lines[-1] + b"\n"]
