from __future__ import annotations

import itertools
import re

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from patchbot.errors import ConfigError
from patchbot.fork import naming
from patchbot.model import Release, registry_key

# Crates that look like forks already, and pre-releases that look like parts of a name.
AWKWARD = ("a", "a-v1-0-0", "a-r2", "a-bare", "a-v1-0-0-bare", "a-v1-0-0-rc-1", "a1", "a-1", "a-v1", "v1-0-0")
RELEASES = (
    "1.0.0", "1.0.1", "1.1.0", "11.0.0", "1.0.0-rc.1", "1.0.0-rc.11", "1.0.0-r.2", "1.0.0-bare.1", "1.0.0-v.1",
)  # fmt: skip

crates = st.from_regex(r"[a-z][a-z0-9]{0,4}(-[a-z0-9]{1,4}){0,4}", fullmatch=True)
numbers = st.integers(0, 120)
releases = st.builds(
    Release,
    numbers,
    numbers,
    numbers,
    st.one_of(st.just(()), st.tuples(st.sampled_from(["rc", "alpha", "r", "v", "bare"]), numbers.map(str))),
)

_NAME = re.compile(
    r"(?P<crate>.+)-v(?P<release>\d+-\d+-\d+)(?:-(?P<word>[a-z]+)-(?P<number>\d+))?"
    r"(?:-r(?P<revision>\d+))?(?P<twin>-bare)?"
)


@pytest.mark.parametrize(
    ("name", "crate", "release", "revision", "twin"),
    [
        ("wasmtime-v8-0-1", "wasmtime", "8.0.1", 1, False),
        ("wasmtime-runtime-v8-0-1-r2", "wasmtime-runtime", "8.0.1", 2, False),
        ("wasmtime-v50-0-0-rc-1", "wasmtime", "50.0.0-rc.1", 1, False),
        ("wasmtime-v50-0-0-rc-1-r12-bare", "wasmtime", "50.0.0-rc.1", 12, True),
        ("wasi-common-v0-40-0-bare", "wasi_common", "0.40.0", 1, True),
    ],
)
def test_a_fork_is_named_after_crate_and_release(
    name: str, crate: str, release: str, revision: int, *, twin: bool
) -> None:
    given = naming.package_name(crate, Release.parse(release), revision=revision, twin=twin)
    assert given == name


@given(crates, releases, st.integers(1, 30), st.booleans())
def test_a_name_says_what_it_was_made_from(
    crate: str,
    release: Release,
    revision: int,
    twin: bool,  # noqa: FBT001 - drawn
) -> None:
    name = naming.package_name(crate, release, revision=revision, twin=twin)
    read = _NAME.fullmatch(name)
    assert read is not None
    pre = f"-{read['word']}.{read['number']}" if read["word"] else ""
    assert read["crate"] == crate
    assert read["release"].replace("-", ".") + pre == str(release)
    assert int(read["revision"] or 1) == revision
    assert bool(read["twin"]) == twin


spellings = crates.flatmap(
    lambda name: st.sampled_from([name, name.replace("-", "_"), name.upper(), name.replace("-", "_", 1)])
)
sources = st.tuples(spellings, releases, st.integers(1, 12), st.booleans())


@settings(deadline=None)
@given(sources, sources)
def test_to_a_registry_two_names_are_one_only_if_all_that_they_say_is(
    one: tuple[str, Release, int, bool], other: tuple[str, Release, int, bool]
) -> None:
    def taken(crate: str, release: Release, revision: int, twin: bool) -> str:  # noqa: FBT001 - drawn
        return registry_key(naming.package_name(crate, release, revision=revision, twin=twin))

    same = (registry_key(one[0]), *one[1:]) == (registry_key(other[0]), *other[1:])
    assert (taken(*one) == taken(*other)) == same
    # near misses, which chance does not find: all else the same
    crate, release, revision, twin = one
    assert taken(crate, release, revision, twin) != taken(crate, release, revision + 1, twin)
    assert taken(crate, release, revision, twin) != taken(crate, release, revision, not twin)
    assert taken(crate, release, revision, twin) != taken(f"{crate}-v1-0-0", release, revision, twin)


def test_no_two_forks_have_one_name() -> None:
    sources = list(itertools.product(AWKWARD, map(Release.parse, RELEASES), (1, 2, 12), (False, True)))
    names = [naming.package_name(c, release, revision=n, twin=twin) for c, release, n, twin in sources]
    assert len(set(names)) == len(sources)
    naming.refuse_twins(names)


@pytest.mark.parametrize("pre", ["r2", "bare", "rc-1", "alpha", "RC.1", "1", "rc.1.2", "rc.x"])
def test_a_pre_release_that_could_be_taken_for_something_else_is_refused(pre: str) -> None:
    with pytest.raises(ConfigError, match=rf"1\.0\.0-{re.escape(pre)} cannot be part") as told:
        naming.package_name("a", Release.parse(f"1.0.0-{pre}"))
    assert "rc.1" in str(told.value.hint)


def test_a_name_may_be_as_long_as_registries_take_and_no_longer() -> None:
    release = Release.parse("8.0.1")
    longest = "w" * (64 - len("-v8-0-1"))
    assert len(naming.package_name(longest, release)) == 64
    with pytest.raises(ConfigError, match="64 characters at most"):
        naming.package_name(longest + "w", release)
    with pytest.raises(ConfigError, match="64 characters at most"):
        naming.package_name(longest, release, revision=2)
    with pytest.raises(ConfigError, match="64 characters at most"):
        naming.package_name(longest, release, twin=True)


@pytest.mark.parametrize("crate", ["", "1st", "a b", "../a", "a/b", "a.b", "-a", "a--b", "caf\u00e9", "a\n"])
def test_a_crate_that_registries_would_not_take_is_refused(crate: str) -> None:
    with pytest.raises(ConfigError, match="is no package name"):
        naming.package_name(crate, Release.parse("8.0.1"))


@pytest.mark.parametrize(
    "names",
    [
        ["a-b-v1-0-0", "a_b-v1-0-0"],
        ["wasmtime-v1-0-0", "other", "Wasmtime-v1-0-0"],
        ["a-v1-0-0", "a-v1-0-0"],
    ],
)
def test_names_that_are_one_to_a_registry_are_refused(names: list[str]) -> None:
    with pytest.raises(ConfigError, match=f"{names[0]} and {names[-1]} are one name to a registry"):
        naming.refuse_twins(names)


def test_crates_that_differ_in_underscores_only_have_twin_names() -> None:
    release = Release.parse("8.0.1")
    with pytest.raises(ConfigError, match="are one name"):
        naming.refuse_twins(naming.package_name(crate, release) for crate in ("wasi_common", "wasi-common"))


def test_different_names_are_no_twins() -> None:
    naming.refuse_twins(["a-v1-0-0", "a-v1-0-0-r2", "a-v1-0-0-bare", "ab-v1-0-0"])
