"""What tables of many releases share: spells in which a picture stays the same, and what is said beneath."""

from __future__ import annotations

from collections import Counter
from collections.abc import Hashable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import Generic, TypeVar

from patchbot.model import Release
from patchbot.truth import Row

P = TypeVar("P", bound=Hashable)


@dataclass(frozen=True, slots=True)
class Spell(Generic[P]):
    """A picture that stays the same from one place in a list of releases to another, both included."""

    picture: P
    first: int
    last: int

    @property
    def count(self) -> int:
        """How many releases that are."""
        return self.last - self.first + 1


def spells(shown: Sequence[Iterable[P]]) -> list[Spell[P]]:
    """Return the spells of every picture; ``shown`` are the pictures of each release."""
    places: dict[P, list[int]] = {}
    for at, pictures in enumerate(shown):
        for picture in dict.fromkeys(pictures):
            places.setdefault(picture, []).append(at)
    out = []
    for picture, seen in places.items():
        # in releases that follow each other, place in this list and place among the releases grow together
        for _, run in groupby(enumerate(seen), key=lambda item: item[1] - item[0]):
            followed = [at for _, at in run]
            out.append(Spell(picture, followed[0], followed[-1]))
    return out


def span(releases: Sequence[Release], spell: Spell[P]) -> tuple[str, str]:
    """Return two cells: from which release to which, and how many they are."""
    first, last = releases[spell.first], releases[spell.last]
    return str(first) if spell.count == 1 else f"{first} to {last}", str(spell.count)


def beneath(rows: Sequence[tuple[Release, Row]], left_out: Mapping[Release, str]) -> list[str]:
    """Return the lines below a table: remarks with their number, releases that it lacks, and what is wrong."""
    remarks = Counter(remark for _, row in rows for remark in said(row))
    return [
        *(f"{count} times: {remark}" for remark, count in sorted(remarks.items())),
        *(f"{release}: {why}" for release, why in left_out.items()),
        *(f"{release}: {line}" for release, row in rows for line in wrong(row)),
    ]


def said(row: Row) -> Iterator[str]:
    """Tell why upstream cannot compile something, and what else is worth knowing of it."""
    if row.obstacle:
        yield f"cannot be compiled as it is: {row.obstacle}"
    yield from row.notes


def wrong(row: Row) -> Iterator[str]:
    """Tell each problem of a row, with its place."""
    if not row.ok:
        where = f"{row.path}, {row.target}, {row.form.value} ({row.compiler or 'no compiler'})"
        yield from (f"{where}: {problem}" for problem in row.problems or (row.verdict.value,))
