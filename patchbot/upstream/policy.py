"""Which releases are due: a pure function of the policy, the index and the day."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import datetime, timedelta

from patchbot.config import Track
from patchbot.errors import RepositoryError
from patchbot.model import IndexEntry, Release

# Crates before 0.40 do not say where upstream's repository has them.
OLDEST = Release(0, 40, 0)


def due(track: Track, known: Mapping[Release, IndexEntry], *, now: datetime) -> tuple[Release, ...]:
    """Return the releases that the policy asks for, oldest first.

    Pinned releases are due whatever their age and even if yanked (the report says so): somebody named
    them.  For the rest yanked releases do not count, nor pre-releases unless asked for, nor releases that
    are younger than the minimum age.
    """
    chosen = set(track.pinned)
    grown = [
        release
        for release, entry in known.items()
        if not entry.yanked
        and (track.prereleases or not release.is_prerelease)
        and _old_enough(entry, track.minimum_age_days, now)
    ]
    for line in track.lines:
        chosen.update(_newest(release for release in grown if release.major == line))
    if track.newest:
        chosen.update(sorted(grown)[-track.newest :])
    if track.majors_since is not None:
        since = track.majors_since
        lines: dict[tuple[int, int], list[Release]] = {}
        for release in grown:
            if release >= since:
                # before 1.0 the minor number is what semver counts as the major
                lines.setdefault((release.major, release.minor if release.major == 0 else 0), []).append(
                    release
                )
        for members in lines.values():
            chosen.update(_newest(members))
    unknown = sorted(release for release in chosen if release not in known)
    if unknown:
        raise RepositoryError(
            f"patchbot.toml pins {', '.join(map(str, unknown))}, which the index does not have"
        )
    return tuple(sorted(chosen))


def every(known: Mapping[Release, IndexEntry]) -> tuple[Release, ...]:
    """Return every release that can be patched: not yanked, no pre-release, from 0.40 on, oldest first."""
    wanted = (r for r, entry in known.items() if not entry.yanked and not r.is_prerelease and r >= OLDEST)
    return tuple(sorted(wanted))


def _newest(releases: Iterable[Release]) -> list[Release]:
    return sorted(releases)[-1:]


def _old_enough(entry: IndexEntry, days: int, now: datetime) -> bool:
    if not days or not entry.published:
        return True
    return now - datetime.fromisoformat(entry.published) >= timedelta(days=days)
