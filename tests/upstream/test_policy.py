from __future__ import annotations

import dataclasses
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from patchbot.config import Track
from patchbot.errors import RepositoryError
from patchbot.model import IndexEntry, Release
from patchbot.upstream.policy import due

NOW = datetime(2026, 11, 23, tzinfo=UTC)


def entry(version: str, *, yanked: bool = False, days: int | None = 1000) -> IndexEntry:
    published = "" if days is None else (NOW - timedelta(days=days)).isoformat()
    return IndexEntry("wasmtime", version, "0" * 64, yanked, (), {}, published=published)


def known(*entries: IndexEntry) -> dict[Release, IndexEntry]:
    return {Release.parse(e.version): e for e in entries}


def chosen(track: Track, entries: dict[Release, IndexEntry]) -> list[str]:
    return [str(release) for release in due(track, entries, now=NOW)]


SHELF = known(
    *(entry(version) for version in ("0.40.0", "0.40.1", "0.41.0", "8.0.0", "8.0.1", "24.0.0", "24.0.9", "24.0.10")),
    entry("24.0.11", yanked=True),
    entry("25.0.0-rc.1"),
    entry("25.0.0", days=3),
)  # fmt: skip


@pytest.mark.parametrize(
    ("track", "releases"),
    [
        (Track(), []),
        (Track(pinned=(Release(8, 0, 0), Release(0, 40, 0))), ["0.40.0", "8.0.0"]),
        (Track(lines=(24,)), ["24.0.10"]),
        (Track(lines=(24, 8, 24)), ["8.0.1", "24.0.10"]),
        (Track(lines=(7,)), []),
        (Track(newest=2), ["24.0.10", "25.0.0"]),
        (Track(newest=100), [str(r) for r in SHELF if str(r) not in {"24.0.11", "25.0.0-rc.1"}]),
        (Track(majors_since=Release(8, 0, 0)), ["8.0.1", "24.0.10", "25.0.0"]),
        (Track(majors_since=Release(8, 0, 1)), ["8.0.1", "24.0.10", "25.0.0"]),
        (Track(majors_since=Release(0, 40, 1)), ["0.40.1", "0.41.0", "8.0.1", "24.0.10", "25.0.0"]),
        (Track(majors_since=Release(24, 0, 11)), ["25.0.0"]),
        (Track(newest=1, minimum_age_days=3), ["25.0.0"]),
        (Track(newest=1, minimum_age_days=4), ["24.0.10"]),
        (Track(newest=2, prereleases=True, minimum_age_days=4), ["24.0.10", "25.0.0-rc.1"]),
        (Track(lines=(25,), prereleases=True), ["25.0.0"]),
        (Track(lines=(8,), newest=1, pinned=(Release(0, 41, 0),)), ["0.41.0", "8.0.1", "25.0.0"]),
    ],
)
def test_what_is_due_is_the_union_of_what_is_asked_for(track: Track, releases: list[str]) -> None:
    assert chosen(track, SHELF) == releases


def test_a_pinned_release_is_due_however_young_and_even_if_yanked() -> None:
    shelf = known(entry("8.0.1", yanked=True), entry("9.0.0-rc.1", days=0))
    track = Track(pinned=(Release.parse("9.0.0-rc.1"), Release(8, 0, 1)), minimum_age_days=30)
    assert chosen(track, shelf) == ["8.0.1", "9.0.0-rc.1"]


def test_a_pinned_release_that_does_not_exist_is_told() -> None:
    track = Track(pinned=(Release(8, 0, 1), Release(8, 0, 7), Release(7, 7, 7)))
    with pytest.raises(RepositoryError, match=r"pins 7\.7\.7, 8\.0\.7, which"):
        due(track, SHELF, now=NOW)


def test_a_release_without_a_date_is_old_enough() -> None:
    assert chosen(Track(newest=1, minimum_age_days=7), known(entry("8.0.1", days=None))) == ["8.0.1"]


def test_a_release_in_another_zone_grows_up_at_the_same_moment() -> None:
    there = dataclasses.replace(entry("8.0.1"), published="2026-11-22T01:00:00+01:00")
    track = Track(newest=1, minimum_age_days=1)
    shelf = {Release(8, 0, 1): there}
    assert due(track, shelf, now=NOW) == (Release(8, 0, 1),)
    assert due(track, shelf, now=NOW - timedelta(seconds=1)) == ()


prop = settings(max_examples=60, deadline=None, derandomize=True)
small = st.integers(0, 3)
releases = st.builds(Release, small, small, small, st.sampled_from([(), (), ("rc", "1")]))
shelves = st.dictionaries(releases, st.tuples(st.booleans(), st.integers(0, 20)), max_size=12).map(
    lambda shelf: {r: entry(str(r), yanked=y, days=d) for r, (y, d) in shelf.items()}
)
tracks = st.builds(
    Track,
    lines=st.lists(small, max_size=2).map(tuple),
    newest=small,
    majors_since=st.none() | releases,
    prereleases=st.booleans(),
    minimum_age_days=st.sampled_from([0, 5]),
)


@prop
@given(shelves, tracks, st.data())
def test_asking_for_more_never_loses_a_release(
    shelf: dict[Release, IndexEntry], track: Track, data: st.DataObject
) -> None:
    before = set(due(track, shelf, now=NOW))
    since = data.draw(releases)
    wider = [
        dataclasses.replace(track, newest=track.newest + 1),
        dataclasses.replace(track, lines=(*track.lines, data.draw(small))),
        dataclasses.replace(track, pinned=tuple(data.draw(st.sets(st.sampled_from(sorted(shelf) or [since]))) & shelf.keys())),
    ]  # fmt: skip
    if track.majors_since is None or since <= track.majors_since:
        wider.append(dataclasses.replace(track, majors_since=since))
    for more in wider:
        assert before <= set(due(more, shelf, now=NOW))


@prop
@given(shelves, tracks, st.integers(0, 10))
def test_what_is_due_is_sorted_known_and_sound(
    shelf: dict[Release, IndexEntry], track: Track, days: int
) -> None:
    found = due(track, shelf, now=NOW)
    assert list(found) == sorted(set(found))
    for release in found:
        assert not shelf[release].yanked
        assert track.prereleases or not release.is_prerelease
    if not track.minimum_age_days:
        assert due(track, shelf, now=NOW + timedelta(days=days)) == found
