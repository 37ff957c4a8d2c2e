"""How much of each release is forked: by the set of releases that are to be in one graph, or as published."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace

from patchbot.errors import ConfigError
from patchbot.model import ClosureMode, Release, spoken_list


@dataclass(frozen=True, slots=True)
class Choice:
    """The closure of one release, and why that one; ``published`` if it can change only with the revision."""

    mode: ClosureMode
    why: str
    published: bool = False


def choose(
    releases: Iterable[Release],
    wanted: ClosureMode | None,
    published: Mapping[Release, ClosureMode],
    revisions: Mapping[Release, int],
    originals: Iterable[Release] = (),
) -> dict[Release, Choice]:
    """Return the closure of each release; ``wanted`` is the configured one, None to choose.

    ``originals`` are releases of upstream's own that are in the graph besides; one of the same release as a
    fork wants what the fork wants.

    A crate has other bytes in another closure, and its name does not say which.  So what was published
    (``published``, at the configured revision) keeps its closure.  That is no obstacle to a release beside
    it: one of a range may pin shared crates exactly, as long as the others fork what they pin.

    Raises ``ConfigError`` if the configured closure is not the published one.
    """
    asked = sorted(set(releases))
    every = sorted({*asked, *originals})
    choices = {}
    for release in asked:
        there = published.get(release)
        if there is not None and wanted is not None and there is not wanted:
            raise ConfigError(
                f"{release} was published with the closure {there}, and would now get {wanted} under the "
                "same names",
                where="fork.closure",
                hint=f'let it be "auto", which keeps {there}, or give {release} a new revision: '
                f"{new_revision(release, revisions)}",
            )
        choices[release] = _choice(release, every, wanted, there)
    return choices


def _choice(
    release: Release, every: Iterable[Release], wanted: ClosureMode | None, there: ClosureMode | None
) -> Choice:
    fresh = _fresh(release, every, wanted)
    if there is None or there is fresh.mode:
        return replace(fresh, published=there is not None)
    return Choice(there, "it was published so", published=True)


def _fresh(release: Release, every: Iterable[Release], wanted: ClosureMode | None) -> Choice:
    """Return the closure of a release that was never published."""
    if wanted is not None:
        return Choice(wanted, "patchbot.toml says so")
    peers = [other for other in every if other.range == release.range]
    if len(peers) > 1:
        return Choice(ClosureMode.RANGE, f"{spoken_list(map(str, peers))} are of one range, {release.range}")
    return Choice(ClosureMode.MINIMAL, f"no other {release.range} is asked for")


def new_revision(release: Release, revisions: Mapping[Release, int]) -> str:
    """Return the lines of patchbot.toml that give a release its next revision."""
    return f'[fork.revisions] "{release}" = {revisions.get(release, 1) + 1}'
