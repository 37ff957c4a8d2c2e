"""What cargo could not resolve: shared crates that two releases want in versions which exclude each other.

Cargo says it in a screenful about the first version that did not fit; here it is known before cargo runs.
Only what is certain counts: ``=`` against ``=``, and ``=`` against a caret that asks for a later version of
the same range.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from itertools import combinations

from patchbot.errors import UsageError
from patchbot.fork.closure import Closure
from patchbot.model import ImportedRelease, IndexEntry, Release


@dataclass(frozen=True, slots=True)
class Requirement:
    """That ``by`` (a package and its version, or a fork) wants ``crate`` as ``req`` says, for ``release``."""

    crate: str
    req: str
    by: str
    release: str
    optional: bool = False

    def __str__(self) -> str:
        where = " for an optional feature" if self.optional else ""
        return f"{self.by} needs {self.crate} {self.req}{where}"


@dataclass(frozen=True, slots=True)
class Clash:
    """Two requirements on one crate that no version fulfils."""

    crate: str
    one: Requirement
    other: Requirement


def of_forks(release: ImportedRelease, closure: Closure, names: Mapping[str, str]) -> Iterator[Requirement]:
    """Return what the forks of a release want of crates that are not forked.

    ``names`` are the forks' package names by upstream's.  Where they pin a crate exactly, its version is
    certain, and so is what it wants itself.
    """
    label = str(release.release)
    forked, own = set(closure.forked), {pin.name: pin for pin in release.crates}
    waiting = [(release.crate(crate), names[crate]) for crate in closure.forked]
    known = set(closure.forked)
    while waiting:
        pin, by = waiting.pop()
        for dependency in pin.entry.needed:
            if dependency.package in forked:
                continue
            yield Requirement(dependency.package, dependency.req, by, label, dependency.optional)
            below = own.get(dependency.package)
            if below and below.name not in known and _exact(dependency.req) == below.version:
                known.add(below.name)
                waiting.append((below, f"{below.name} {below.version}"))


def of_lock(entries: Iterable[tuple[IndexEntry, frozenset[str]]], label: str) -> Iterator[Requirement]:
    """Return what locked packages want of each other: index lines, each with the dependencies it really has."""
    for entry, used in entries:
        for dependency in entry.needed:
            if dependency.package in used:
                yield Requirement(dependency.package, dependency.req, f"{entry.name} {entry.version}", label)


def clashes(requirements: Iterable[Requirement]) -> list[Clash]:
    """Return a clash for each crate that has one; those that are certain stand before optional ones."""
    by_crate: dict[str, dict[str, Requirement]] = {}
    for requirement in sorted(requirements, key=lambda r: (r.optional, r.by)):
        # one for every wish: who else has it makes no difference
        by_crate.setdefault(requirement.crate, {}).setdefault(requirement.req, requirement)
    found = []
    for crate, wishes in sorted(by_crate.items()):
        pairs = [(a, b) for a, b in combinations(wishes.values(), 2) if _exclude(a.req, b.req)]
        if pairs:
            found.append(Clash(crate, *min(pairs, key=lambda pair: pair[0].optional + pair[1].optional)))
    return sorted(found, key=lambda clash: clash.one.optional + clash.other.optional)


def _exclude(one: str, other: str) -> bool:
    """Whether no version fulfils both.  Two ranges are two packages to cargo, and never in each other's way."""
    exact, later = _exact(one), _exact(other)
    if exact is not None and later is not None:
        return exact != later and _range(exact) == _range(later)
    for pinned, caret in ((exact, other), (later, one)):
        if pinned is not None and caret.startswith("^") and _range(pinned) == _range(caret[1:]) is not None:
            return Release.parse(pinned) < Release.parse(caret[1:])
    return False


def _exact(req: str) -> str | None:
    """Return the version that ``=`` names in full, else None."""
    return req[1:] if req.startswith("=") and _range(req[1:]) is not None else None


def _range(version: str) -> str | None:
    try:
        return Release.parse(version).range
    except UsageError:  # an incomplete version, or a list of requirements
        return None
