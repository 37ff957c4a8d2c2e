from __future__ import annotations

import json
from dataclasses import replace

import pytest
from fork import small
from hypothesis import given, settings
from hypothesis import strategies as st

from patchbot.model import Dependency, DependencyKind, IndexEntry
from patchbot.registry import lines

NAMES = st.from_regex(r"[a-z][a-z0-9-]{0,5}", fullmatch=True)
VALUES = st.builds(
    lambda form, name, feature: form.format(name, feature),
    st.sampled_from(["{1}", "dep:{0}", "{0}/{1}", "{0}?/{1}"]),
    NAMES,
    NAMES,
)
DEPENDENCIES = st.builds(
    Dependency,
    alias=NAMES,
    package=NAMES,
    req=st.sampled_from(["^1", "=1.2.3", ">=1, <2"]),
    kind=st.sampled_from(DependencyKind),
    optional=st.booleans(),
    default_features=st.booleans(),
    features=st.lists(NAMES, max_size=2).map(tuple),
    target=st.none() | st.just("cfg(unix)"),
    registry=st.none() | st.just("sparse+https://elsewhere.invalid/"),
)
ENTRIES = st.builds(
    IndexEntry,
    name=NAMES,
    version=st.sampled_from(["1.0.0", "1.0.0-rc.1", "2.3.4+x"]),
    sha256=st.text("0123456789abcdef", min_size=64, max_size=64),
    yanked=st.booleans(),
    dependencies=st.lists(DEPENDENCIES, max_size=3).map(tuple),
    features=st.dictionaries(NAMES, st.lists(VALUES, max_size=2).map(tuple), max_size=3),
    links=st.none() | st.just("z"),
    rust_version=st.none() | st.just("1.70"),
    published=st.just("") | st.just("2026-01-02T03:04:05Z"),
)


@given(st.lists(ENTRIES, max_size=2))
@settings(max_examples=50)
def test_what_is_written_is_read_again(entries: list[IndexEntry]) -> None:
    file = lines.join(map(lines.write, entries))
    read = lines.read(file)
    assert [line.entry for line in read] == [
        replace(entry, dependencies=lines.ordered(entry.dependencies)) for entry in entries
    ]
    assert lines.join(read) == file


@given(ENTRIES)
@settings(max_examples=50)
def test_a_yank_changes_one_word_and_is_taken_back_without_a_trace(entry: IndexEntry) -> None:
    line = lines.write(replace(entry, yanked=False))
    yanked = lines.flag(line, yanked=True)
    assert yanked.raw == line.raw.replace(b'"yanked":false', b'"yanked":true')
    assert yanked.entry.yanked
    assert lines.flag(yanked, yanked=False) == line
    assert lines.same(yanked.entry, line.entry)


def test_a_line_is_spelled_as_crates_io_does() -> None:
    entry = IndexEntry(
        name="top",
        version="1.0.0",
        sha256="0" * 64,
        yanked=False,
        dependencies=(
            small.dependency("tool", kind=DependencyKind.BUILD),
            replace(small.dependency("base", alias="ground", optional=True), registry=None),
        ),
        features={"weak": ("ground?/x",), "plain": ("loud",), "loud": (), "own": ("dep:ground",)},
        rust_version="1.70",
        published="2026-01-02T03:04:05Z",
    )
    assert lines.write(entry).raw.decode() == (
        '{"name":"top","vers":"1.0.0","deps":['
        '{"name":"ground","req":"^1","features":[],"optional":true,"default_features":true,"target":null,'
        '"kind":"normal","package":"base"},'
        '{"name":"tool","req":"^1","features":[],"optional":false,"default_features":true,"target":null,'
        '"kind":"build"}],'
        f'"cksum":"{"0" * 64}","features":{{"loud":[],"plain":["loud"]}},'
        '"features2":{"own":["dep:ground"],"weak":["ground?/x"]},"yanked":false,'
        '"rust_version":"1.70","pubtime":"2026-01-02T03:04:05Z","v":2}'
    )


def test_plain_features_need_no_second_version_of_the_format() -> None:
    entry = replace(small.pin("a").entry, features={"x": ("b/y",)}, links="z")
    said = json.loads(lines.write(entry).raw)
    assert said["features"] == {"x": ["b/y"]}
    assert said["links"] == "z"
    assert not {"v", "features2", "rust_version", "pubtime"} & said.keys()


def test_words_that_we_do_not_know_stay_in_a_line() -> None:
    said = {**json.loads(lines.write(small.pin("a").entry).raw), "later": {"é": [1]}}
    (line,) = lines.read(json.dumps(said).encode())
    assert json.loads(lines.flag(line, yanked=True).raw) == {**said, "yanked": True}


def test_a_dependency_stands_before_its_namesake_that_only_tests_use() -> None:
    dev, normal = small.dependency("a", kind=DependencyKind.DEV), small.dependency("a", optional=True)
    assert lines.ordered([dev, normal]) == (normal, dev)
    one, other = (replace(small.pin("b").entry, dependencies=d) for d in ((dev, normal), (normal, dev)))
    assert lines.same(one, other)
    assert not lines.same(one, replace(other, dependencies=(normal,)))


@pytest.mark.parametrize("damage", [b"{", b"", b"[]", b"\xff", b"{}", b"[" * 100_000])
def test_the_line_that_is_none_is_named(damage: bytes) -> None:
    good = lines.write(small.pin("a").entry).raw
    with pytest.raises(ValueError, match="line 2: "):
        lines.read(good + b"\n" + damage + b"\n" + good + b"\n")
