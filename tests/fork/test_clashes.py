from __future__ import annotations

import pytest
from fork import small
from hypothesis import given
from hypothesis import strategies as st

from patchbot.fork import clashes, closure, naming
from patchbot.fork.clashes import Requirement
from patchbot.model import ClosureMode, DependencyKind, ImportedRelease, Release

OWNING = {"wasmtime-fiber": "has a link-time name"}


def upstream(version: str) -> ImportedRelease:
    """environ is pinned and shared, and pins types itself; entity floats."""
    exact, free = f"={version}", f"^{version}"
    return small.release(
        small.pin(
            "wasmtime",
            [
                small.dependency("wasmtime-environ", exact),
                small.dependency("wasmtime-fiber", exact),
                small.dependency("wasmtime-cache", exact, optional=True),
                small.dependency("only-for-tests", exact, kind=DependencyKind.DEV),
                small.dependency("anyhow", "^1.0.22"),
            ],
            version=version,
        ),
        small.pin("wasmtime-fiber", version=version),
        small.pin(
            "wasmtime-environ",
            [small.dependency("wasmtime-types", exact), small.dependency("entity", free)],
            version=version,
        ),
        small.pin("wasmtime-types", version=version),
        small.pin("wasmtime-cache", version=version),
        small.pin("entity", version=version),
        small.pin("only-for-tests", version=version),
        version=version,
    )


def wishes(version: str, mode: ClosureMode = ClosureMode.MINIMAL) -> list[Requirement]:
    release = upstream(version)
    closed = closure.close(release, ["wasmtime"], OWNING, mode)
    names = {crate: naming.package_name(crate, release.release) for crate in closed.forked}
    return list(clashes.of_forks(release, closed, names))


def test_what_forks_want_is_followed_through_what_they_pin() -> None:
    said = {str(wish) for wish in wishes("36.0.19")}
    assert said == {
        "wasmtime-v36-0-19 needs wasmtime-environ =36.0.19",
        "wasmtime-v36-0-19 needs wasmtime-cache =36.0.19 for an optional feature",
        "wasmtime-v36-0-19 needs anyhow ^1.0.22",
        "wasmtime-environ 36.0.19 needs wasmtime-types =36.0.19",
        "wasmtime-environ 36.0.19 needs entity ^36.0.19",
    }


def test_two_of_one_range_clash_where_both_share_what_they_pin() -> None:
    found = clashes.clashes(wishes("36.0.19") + wishes("36.0.20"))
    assert [clash.crate for clash in found] == ["wasmtime-environ", "wasmtime-types", "wasmtime-cache"]
    first = found[0]
    assert (str(first.one), str(first.other)) == (
        "wasmtime-v36-0-19 needs wasmtime-environ =36.0.19",
        "wasmtime-v36-0-20 needs wasmtime-environ =36.0.20",
    )
    assert (first.one.release, first.other.release) == ("36.0.19", "36.0.20")


def test_one_that_forks_its_pins_is_enough() -> None:
    assert clashes.clashes(wishes("36.0.19") + wishes("36.0.20", ClosureMode.RANGE)) == []
    assert clashes.clashes(wishes("36.0.19", ClosureMode.EXACT) + wishes("36.0.20")) == []


def test_releases_of_different_ranges_do_not_clash() -> None:
    assert clashes.clashes(wishes("8.0.1") + wishes("9.0.4")) == []


def test_a_release_does_not_clash_with_its_own_original() -> None:
    release = upstream("36.0.20")
    used = frozenset(pin.name for pin in release.crates)
    entries = [(pin.entry, used) for pin in release.crates]
    assert clashes.clashes([*wishes("36.0.20"), *clashes.of_lock(entries, "Cargo.lock")]) == []


def test_an_original_of_the_same_range_clashes_in_what_it_really_uses() -> None:
    release = upstream("36.0.19")
    entry = release.crate("wasmtime").entry
    used = frozenset({"wasmtime-environ", "wasmtime-fiber", "anyhow"})
    found = clashes.clashes([*wishes("36.0.20"), *clashes.of_lock([(entry, used)], "Cargo.lock")])
    assert [clash.crate for clash in found] == ["wasmtime-environ"]
    assert {found[0].one.release, found[0].other.release} == {"Cargo.lock", "36.0.20"}
    assert {str(found[0].one), str(found[0].other)} == {
        "wasmtime 36.0.19 needs wasmtime-environ =36.0.19",
        "wasmtime-v36-0-20 needs wasmtime-environ =36.0.20",
    }


@pytest.mark.parametrize(
    ("one", "other", "clash"),
    [
        ("=36.0.19", "=36.0.20", True),
        ("=36.0.19", "=36.0.19", False),
        ("=36.0.19", "^36.0.20", True),
        ("=36.0.20", "^36.0.19", False),
        ("=36.0.20", "^36.0.20", False),
        ("^36.0.20", "^36.0.19", False),
        # two ranges are two packages to cargo
        ("=8.0.1", "=9.0.4", False),
        ("=8.0.1", "^9.0.4", False),
        ("=0.95.1", "^0.96.4", False),
        ("=0.95.1", "^0.95.2", True),
        ("=0.0.1", "^0.0.2", False),
        ("=50.0.0-rc.1", "^50.0.0", True),
        ("=50.0.0", "^50.0.0-rc.1", False),
        # nothing is claimed of what is not understood
        ("=36", "=36.0.20", False),
        ("=36.0.19, <37", "=36.0.20", False),
        (">=36.0.20", "=36.0.19", False),
        ("*", "=36.0.19", False),
        ("^36", "=36.0.19", False),
    ],
)
def test_requirements_exclude_each_other(one: str, other: str, *, clash: bool) -> None:
    for a, b in ((one, other), (other, one)):
        wanted = [Requirement("x", a, "a", "1"), Requirement("x", b, "b", "2")]
        assert bool(clashes.clashes(wanted)) == clash
        assert clashes.clashes([wanted[0], Requirement("y", b, "b", "2")]) == []


def test_a_certain_clash_stands_before_one_that_features_decide() -> None:
    def wish(crate: str, req: str, *, optional: bool) -> Requirement:
        return Requirement(crate, req, req, req, optional)

    wanted = [
        wish("a", "=1.0.0", optional=True),
        wish("a", "=1.0.1", optional=True),
        wish("b", "=1.0.0", optional=False),
        wish("b", "=1.0.1", optional=False),
    ]
    assert [clash.crate for clash in clashes.clashes(wanted)] == ["b", "a"]


VERSIONS = ["0.1.0", "0.1.1", "0.2.0", "1.0.0-rc.1", "1.0.0", "1.0.1", "1.1.0", "2.0.0"]
requirements = st.lists(st.builds(str.__add__, st.sampled_from("=^"), st.sampled_from(VERSIONS)), max_size=6)


def fits(req: str, version: str) -> bool:
    """What cargo's ``=`` and ``^`` accept, said once more."""
    wanted, given = Release.parse(req[1:]), Release.parse(version)
    if req.startswith("="):
        return wanted == given
    return given >= wanted and given.range == wanted.range


@given(requirements)
def test_a_clash_is_told_exactly_where_cargo_finds_no_versions(reqs: list[str]) -> None:
    # a graph resolves if every range has one version that fits all who want one of the range
    ranges = {Release.parse(req[1:]).range for req in reqs}
    resolves = all(
        any(
            all(fits(req, version) for req in reqs if Release.parse(req[1:]).range == wanted)
            for version in VERSIONS
        )
        for wanted in ranges
    )
    wanted = [Requirement("x", req, f"c{n}", "r") for n, req in enumerate(reqs)]
    assert bool(clashes.clashes(wanted)) != resolves
