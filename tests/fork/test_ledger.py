from __future__ import annotations

import re
from dataclasses import replace
from functools import cache

import pytest
from fork import small
from hypothesis import given, settings
from hypothesis import strategies as st

from patchbot.errors import ConfigError
from patchbot.fork import closure, forge, ledger
from patchbot.fork.ledger import Ledger, PublishedCrate, PublishedRelease
from patchbot.model import ClosureMode, ForkedRelease, Release, registry_key

SERIES = "5" * 64


@cache
def forks(
    version: str = "8.0.1",
    *,
    series: str = SERIES,
    mode: ClosureMode = ClosureMode.MINIMAL,
    revision: int = 1,
    index: str = small.INDEX,
    roots: tuple[str, ...] = ("wasmtime",),
    registry: str = small.REGISTRY,
) -> ForkedRelease:
    release = small.release(
        small.pin("wasmtime", [small.dependency("wasmtime-fiber", f"={version}")], version=version),
        small.pin("wasmtime-fiber", version=version),
        small.pin("wasmtime-wasi", [small.dependency("wasmtime", f"={version}")], version=version),
        version=version,
    )
    files = {f"{pin.path}/Cargo.toml": f'[package]\nname = "{pin.name}"\n' for pin in release.crates}
    return forge.forge(
        release,
        small.tree(files),
        closure.close(release, roots, {"wasmtime-fiber": "has 1 link-time name"}, mode),
        suffix=small.suffix(version),
        provenance={"series": series},
        index=index,
        registry=registry,
        revision=revision,
    )


def published(*releases: ForkedRelease) -> Ledger:
    return ledger.with_published(Ledger(), releases)


def test_what_is_published_stands_in_the_ledger() -> None:
    (row,) = published(forks()).releases
    assert (row.index, str(row.release), row.revision) == (small.INDEX, "8.0.1", 1)
    assert (row.closure, row.series) == (ClosureMode.MINIMAL, SERIES)
    assert [(c.name, c.version, c.upstream) for c in row.crates] == [
        ("wasmtime-fiber-v8-0-1", "8.0.1", "wasmtime-fiber"),
        ("wasmtime-v8-0-1", "8.0.1", "wasmtime"),
    ]
    assert {c.sha256 for c in row.crates} == {c.entry.sha256 for c in forks().crates}


def test_a_ledger_is_found_by_registry_release_and_revision() -> None:
    there = published(forks(), forks(revision=3), forks("9.0.4"))
    release = Release.parse("8.0.1")
    assert there.find(small.INDEX, release, 3) == PublishedRelease.of(forks(revision=3))
    assert there.find(small.INDEX, release, 2) is None
    assert there.find("sparse+https://other.invalid/", release, 1) is None
    assert there.revisions(small.INDEX, release) == (1, 3)
    assert there.revisions("sparse+https://other.invalid/", release) == ()


def test_the_same_bytes_are_not_refused() -> None:
    assert ledger.refusals(published(forks()), [forks(), forks("9.0.4")]) == []
    assert ledger.refusals(Ledger(), [forks()]) == []


@pytest.mark.parametrize(
    ("now", "why"),
    [
        (forks(series="6" * 64), "the series of 8.0.1 has changed since"),
        (forks(mode=ClosureMode.RANGE), "it was forked with the closure minimal, and is now with range"),
    ],
    ids=["series", "closure"],
)
def test_another_series_or_closure_is_refused_and_each_name_with_its_bytes(
    now: ForkedRelease, why: str
) -> None:
    found = ledger.refusals(published(forks()), [now])
    assert {refusal.why for refusal in found} == {why}
    old, new = forks().crate("wasmtime").entry, now.crate("wasmtime").entry
    assert (
        found[-1].what == f"wasmtime-v8-0-1 8.0.1 is published as {old.sha256}, and would now be {new.sha256}"
    )
    assert len(found) == 2


def test_new_names_do_not_get_into_a_revision_with_another_series() -> None:
    (row,) = published(forks()).releases
    other = replace(row, crates=(PublishedCrate("wiggle-v8-0-1", "8.0.1", "0" * 64, "wiggle"),))
    (found,) = ledger.refusals(Ledger((other,)), [forks(series="6" * 64)])
    assert found.what == "revision 1 of 8.0.1 is published with other crates"
    assert found.why == "the series of 8.0.1 has changed since"
    assert ledger.refusals(Ledger((other,)), [forks()]) == []


def test_other_bytes_of_the_same_series_are_refused_too() -> None:
    found = ledger.refusals(published(forks()), [forks(registry="another")])
    assert len(found) == 2
    assert found[0].why == "the series is the same: what patchbot itself writes into forks has changed"


def test_a_new_revision_and_another_registry_are_other_names() -> None:
    there = published(forks())
    assert ledger.refusals(there, [forks(series="6" * 64, revision=2)]) == []
    assert ledger.refusals(there, [forks(series="6" * 64, index="sparse+https://other.invalid/")]) == []


def test_more_roots_add_to_what_is_published() -> None:
    more = forks(roots=("wasmtime", "wasmtime-wasi"))
    assert ledger.refusals(published(forks()), [more]) == []
    (row,) = published(forks(), more).releases
    assert [crate.upstream for crate in row.crates] == ["wasmtime-fiber", "wasmtime", "wasmtime-wasi"]
    # and fewer take nothing away
    assert published(more, forks()) == published(forks(), more)


def test_a_name_that_differs_in_case_or_underscores_is_taken() -> None:
    (row,) = published(forks()).releases
    odd = replace(row, crates=tuple(replace(c, name=c.name.upper().replace("-", "_")) for c in row.crates))
    found = ledger.refusals(Ledger((odd,)), [forks()])
    assert found[0].what == (
        "wasmtime-fiber-v8-0-1 would be wasmtime-fiber, and WASMTIME_FIBER_V8_0_1 is published already as "
        "wasmtime-fiber of 8.0.1"
    )


def test_a_name_of_another_release_or_version_is_taken() -> None:
    (row,) = published(forks()).releases
    other = replace(row, release=Release.parse("8.0.0"))
    found = ledger.refusals(Ledger((other,)), [forks(series="6" * 64)])
    assert found[0].why == "the name belongs to 8.0.0, revision 1"
    moved = replace(row, crates=tuple(replace(c, version="8.0.2") for c in row.crates))
    found = ledger.refusals(Ledger((moved,)), [forks()])
    assert found[0].what == "wasmtime-fiber-v8-0-1 is published as 8.0.2, and would now be 8.0.1"


RENDERED = """\
# What was published, by registry and release. `patchbot publish` adds to it, `patchbot fork` refuses other
# bytes under a name that stands here. Commit it.
schema = 1

[[release]]
release = "8.0.1"
revision = 2
index = "sparse+https://registry.example.invalid/index/"
closure = "range"
series = "5555"
crates = [
  { name = "a-v8-0-1", version = "8.0.1", sha256 = "{A}", upstream = "a" },
  { name = "b-v8-0-1", version = "0.95.1", sha256 = "{B}", upstream = "b" },
]
"""


def test_the_file_has_a_line_for_every_crate() -> None:
    a, b = "a" * 64, "b" * 64
    crates = (PublishedCrate("a-v8-0-1", "8.0.1", a, "a"), PublishedCrate("b-v8-0-1", "0.95.1", b, "b"))
    row = PublishedRelease(small.INDEX, Release.parse("8.0.1"), 2, ClosureMode.RANGE, "5555", crates)
    text = RENDERED.replace("{A}", a).replace("{B}", b)
    assert ledger.render(Ledger((row,))).decode() == text
    assert ledger.parse(text.encode(), where="") == Ledger((row,))


@pytest.mark.parametrize(
    ("old", "new", "what"),
    [
        ("schema = 1", "schema = 2", "its schema is 2"),
        ("schema = 1\n", "", "schema"),
        ("revision = 2", "revision = 0", "0 is no revision"),
        ("revision = 2", "revision = true", "True is no revision"),
        ('closure = "range"', 'closure = "some"', "some"),
        ('release = "8.0.1"', 'release = "8"', "is not a release"),
        ('release = "8.0.1"', "release = 8", "8 is no text"),
        ("{A}", "xyz", "is no sha256"),
        (', upstream = "a"', "", "upstream"),
        (', upstream = "a"', ', upstream = "a", more = "b"', "more"),
        ('name = "b-v8-0-1"', 'name = "A_v8-0-1"', "a-v8-0-1 stands twice"),
        ("[[release]]", "<<<<<<< ours", "Invalid"),
    ],
)
def test_what_is_no_ledger_is_told(old: str, new: str, what: str) -> None:
    text = RENDERED.replace(old, new).replace("{A}", "a" * 64).replace("{B}", "b" * 64)
    with pytest.raises(ConfigError, match=re.escape(what)) as told:
        ledger.parse(text.encode(), where="patches/published.toml")
    assert told.value.where == "patches/published.toml"
    assert "restore it from git" in str(told.value.hint)


def test_a_release_that_a_merge_left_twice_is_told() -> None:
    data = ledger.render(published(forks()))
    head, block = data.split(b"\n\n", 1)
    with pytest.raises(ConfigError, match=r"8\.0\.1 stands twice, in revision 1"):
        ledger.parse(b"\n\n".join([head, block, block]), where="")


# -- any ledger --------------------------------------------------------------------------------------

words = st.text(st.characters(codec="utf-8"), max_size=8)
digests = st.integers(0, 2**32).map(lambda n: f"{n:064x}")
rows = st.builds(
    PublishedRelease,
    words,
    st.builds(
        Release, st.integers(0, 3), st.integers(0, 1), st.integers(0, 1), st.sampled_from([(), ("rc", "1")])
    ),
    st.integers(1, 3),
    st.sampled_from(ClosureMode),
    words,
    st.lists(st.builds(PublishedCrate, words, words, digests, words), max_size=3).map(
        lambda crates: tuple(sorted(crates))
    ),
)


def whole(drawn: list[PublishedRelease]) -> Ledger:
    """A ledger of those rows that do not contradict each other."""
    keys: set[tuple[str, Release, int]] = set()
    names: set[tuple[str, str]] = set()
    kept = []
    for row in drawn:
        theirs = [(row.index, registry_key(crate.name)) for crate in row.crates]
        if row.key not in keys and not names & set(theirs) and len(set(theirs)) == len(theirs):
            keys.add(row.key)
            names |= set(theirs)
            kept.append(row)
    return Ledger(tuple(sorted(kept, key=lambda row: row.key)))


ledgers = st.lists(rows, max_size=4).map(whole)


@settings(max_examples=60)
@given(ledgers)
def test_a_ledger_is_read_as_it_was_written_and_has_one_spelling(there: Ledger) -> None:
    data = ledger.render(there)
    assert ledger.parse(data, where="") == there
    shuffled = Ledger(tuple(reversed([replace(r, crates=tuple(reversed(r.crates))) for r in there.releases])))
    assert ledger.render(shuffled) == data


CASES = st.builds(
    forks,
    st.sampled_from(["8.0.1", "8.0.2", "9.0.4"]),
    series=st.sampled_from(["5" * 64, "6" * 64]),
    mode=st.sampled_from(ClosureMode),
    revision=st.integers(1, 2),
    index=st.sampled_from([small.INDEX, "sparse+https://other.invalid/"]),
    roots=st.sampled_from([("wasmtime",), ("wasmtime", "wasmtime-wasi")]),
)


@settings(max_examples=40, deadline=None)
@given(st.lists(CASES, max_size=6))
def test_no_name_ever_has_two_contents_however_it_is_published(tries: list[ForkedRelease]) -> None:
    there = Ledger()
    held: dict[tuple[str, str], str] = {}
    for release in tries:
        if ledger.refusals(there, [release]):
            continue
        there = ledger.parse(ledger.render(ledger.with_published(there, [release])), where="")
        for crate in release.crates:
            key = (release.index, registry_key(crate.entry.name))
            assert held.setdefault(key, crate.entry.sha256) == crate.entry.sha256
    # publishing again what is published changes nothing
    kept = [r for r in tries if not ledger.refusals(there, [r])]
    assert ledger.with_published(there, kept) == ledger.with_published(there, [])
