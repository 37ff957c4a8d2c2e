from __future__ import annotations

import dataclasses
import tomllib
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from inline_snapshot import snapshot
from series import small

from patchbot.errors import ConfigError
from patchbot.git.store import Store
from patchbot.model import Release, Suffix, Verdict
from patchbot.series import lock as locks

LOCK = locks.Lock(
    release=small.RELEASE,
    suffix=small.SUFFIX,
    tool="wasmtime-patchbot 1.2.3",
    roots=("wasmtime", "wasmtime-wasi"),
    commit=small.COMMIT,
    published="2023-04-20T12:34:56Z",
    base_tree="b" * 40,
    result_tree="c" * 40,
    patches=(
        locks.LockedPatch(
            name="suffix-c",
            kind="generated",
            rule="digest-c",
            sha256="d" * 64,
            verdict=Verdict.REGENERATED,
            files=("crates/fiber/src/windows.c", "crates/runtime/src/helpers.c"),
        ),
        locks.LockedPatch("suffix-rust", "generated", "digest-r", "e" * 64, Verdict.REGENERATED, ("a.rs",)),
    ),
    crates=(
        locks.LockedCrate("wasmtime", "8.0.1", "1" * 64, "crates/wasmtime"),
        locks.LockedCrate("cranelift-entity", "0.95.1", "2" * 64, "cranelift/entity"),
    ),
)

# Whatever may stand in a name, a path or a version: TOML has to quote it.
texts = st.text(st.characters(codec="utf-8"), max_size=12)
numbers = st.integers(0, 99)
releases = st.builds(
    Release, numbers, numbers, numbers, st.sampled_from([(), ("rc", "1"), ("alpha",), ("0", "x-y")])
)
locked = st.builds(
    locks.Lock,
    release=releases,
    suffix=st.sampled_from([Suffix("_8_0_1_pb"), Suffix("_x")]),
    tool=texts,
    roots=st.lists(texts, max_size=3).map(tuple),
    commit=texts,
    published=texts,
    base_tree=texts,
    result_tree=texts,
    patches=st.lists(
        st.builds(
            locks.LockedPatch,
            name=texts,
            kind=texts,
            rule=texts,
            sha256=texts,
            verdict=st.sampled_from(Verdict),
            files=st.lists(texts, max_size=3).map(tuple),
        ),
        max_size=3,
    ).map(tuple),
    crates=st.lists(st.builds(locks.LockedCrate, texts, texts, texts, texts), min_size=1, max_size=3).map(
        tuple
    ),
)


@given(locked)
def test_what_is_rendered_is_read_back(lock: locks.Lock) -> None:
    data = locks.render(lock)
    assert locks.parse(data, where="here") == lock
    assert locks.render(locks.parse(data, where="here")) == data


def test_the_bytes_are_these() -> None:
    assert locks.render(LOCK).decode() == snapshot("""\
# Written by `patchbot sync`, compared by `patchbot check`. Do not edit.
schema = 1
release = "8.0.1"
suffix = "_8_0_1_pb"
tool = "wasmtime-patchbot 1.2.3"

[upstream]
roots = ["wasmtime", "wasmtime-wasi"]
commit = "0123456789abcdef0123456789abcdef01234567"
published = "2023-04-20T12:34:56Z"
base-tree = "bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb"
result-tree = "cccccccccccccccccccccccccccccccccccccccc"

[[patch]]
name = "suffix-c"
kind = "generated"
rule = "digest-c"
sha256 = "dddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddd"
verdict = "regenerated"
files = [
    "crates/fiber/src/windows.c",
    "crates/runtime/src/helpers.c",
]

[[patch]]
name = "suffix-rust"
kind = "generated"
rule = "digest-r"
sha256 = "eeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeee"
verdict = "regenerated"
files = [
    "a.rs",
]

[[crate]]
name = "wasmtime"
version = "8.0.1"
sha256 = "1111111111111111111111111111111111111111111111111111111111111111"
path = "crates/wasmtime"

[[crate]]
name = "cranelift-entity"
version = "0.95.1"
sha256 = "2222222222222222222222222222222222222222222222222222222222222222"
path = "cranelift/entity"
""")


def test_the_digest_speaks_of_the_patches_their_order_and_the_trees() -> None:
    first, second = LOCK.patches
    others: list[locks.Lock] = [
        dataclasses.replace(LOCK, base_tree="0" * 40),
        dataclasses.replace(LOCK, result_tree="0" * 40),
        dataclasses.replace(LOCK, patches=(second, first)),
        dataclasses.replace(LOCK, patches=(first,)),
        dataclasses.replace(LOCK, patches=(dataclasses.replace(first, sha256="0" * 64), second)),
        dataclasses.replace(LOCK, patches=(dataclasses.replace(first, name="suffix-d"), second)),
    ]
    assert len({LOCK.digest, *(other.digest for other in others)}) == 1 + len(others)


def test_the_digest_does_not_speak_of_the_tool() -> None:
    assert dataclasses.replace(LOCK, tool="another").digest == LOCK.digest


def test_the_crates_of_a_release_are_locked_with_their_digests_and_places(tmp_path: Path) -> None:
    with Store.open(tmp_path / "store.git") as store:
        release = small.imported(store)
    assert [(c.name, c.version, c.sha256, c.path) for c in locks.lock_crates(release)] == [
        (pin.name, pin.version, pin.sha256, pin.path) for pin in release.crates
    ]
    assert len(release.crates) == 2


@pytest.mark.parametrize(
    ("old", "new", "says"),
    [
        ("# Written", "<<<<<<< HEAD\n# Written", "Invalid statement"),
        ("schema = 1", "", "'schema'"),
        ("schema = 1", "schema = 2", "its schema is 2, and this patchbot knows 1"),
        ("[upstream]", "[downstream]", "'upstream'"),
        ("[[crate]]", "[[crates]]", "'crate'"),
        ('release = "8.0.1"', 'release = "8.0"', "'8.0' is not a release"),
        ('release = "8.0.1"', "release = 8", "expected string"),
        ('"_8_0_1_pb"', '"8.0.1"', "cannot be part of a C identifier"),
        ('"regenerated"', '"guessed"', "'guessed' is not a valid Verdict"),
        ("rule =", "rules =", "rules"),
        ('["wasmtime", "wasmtime-wasi"]', '"wasmtime"', "'wasmtime' is no list of names"),
        ('["wasmtime", "wasmtime-wasi"]', "[1]", "[1] is no list of names"),
        ('path = "crates/wasmtime"\n', "", "path"),
        ('"cranelift/entity"', '"cranelift', "Illegal character"),
    ],
)
def test_a_damaged_lock_is_told_with_its_place_and_the_way_out(old: str, new: str, says: str) -> None:
    text = locks.render(LOCK).decode()
    assert old in text
    with pytest.raises(ConfigError) as told:
        locks.parse(text.replace(old, new).encode(), where="patches/8.0.1/release.toml")
    assert says in told.value.what
    assert told.value.what.startswith("is no release lock: ")
    assert told.value.where == "patches/8.0.1/release.toml"
    assert told.value.hint == "`patchbot sync` writes it anew"


def test_a_lock_that_is_no_text_is_told() -> None:
    with pytest.raises(ConfigError, match="is no release lock"):
        locks.parse(b"\xff\xfe", where="here")


def test_other_tools_can_read_it() -> None:
    table = tomllib.loads(locks.render(LOCK).decode())
    assert table["upstream"]["result-tree"] == "c" * 40
    assert [row["name"] for row in table["patch"]] == ["suffix-c", "suffix-rust"]
    assert [row["name"] for row in table["crate"]] == ["wasmtime", "cranelift-entity"]
