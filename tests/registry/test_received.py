from __future__ import annotations

import dataclasses
import hashlib
import json
import struct
from typing import Any

import pytest
from fork import small
from hypothesis import given
from hypothesis import strategies as st
from registry import sent
from support import crates

from patchbot.model import DependencyKind
from patchbot.registry import lines
from patchbot.registry.serving import received
from patchbot.registry.serving.received import Refusal, Upload


def read(said: object, data: bytes) -> Upload:
    return received.read(sent.body(said, data), unpack=sent.unpack, own=sent.OWN, now=sent.NOW)


def test_a_crate_is_read_with_its_line_and_its_bytes() -> None:
    data = sent.crate()
    upload = read(sent.metadata(rust_version="1.70"), data)
    assert upload.data == data
    assert json.loads(lines.write(upload.entry).raw) == {
        "name": "small",
        "vers": "1.0.0",
        "deps": [],
        "cksum": hashlib.sha256(data).hexdigest(),
        "features": {},
        "yanked": False,
        "rust_version": "1.70",
        "pubtime": sent.NOW,
    }


RENAMED = sent.dependency(
    "real", explicit_name_in_toml="alias", optional=True, features=["f"], target="cfg(unix)"
)
BUILD = sent.dependency("tool", "=1.2.3", kind="build", registry=sent.OWN[0])
FOREIGN = sent.dependency("log", ">=0.4, <0.5", registry="https://github.com/rust-lang/crates.io-index")
MANIFEST = """
links = "z"
[features]
with-alias = ["dep:alias"]
weak = ["alias?/f"]
[target.'cfg(unix)'.dependencies.alias]
package = "real"
version = "1"
[build-dependencies]
tool = "=1.2.3"
[dependencies]
log = "0.4"
[dev-dependencies]
only-in-tests = "1"
"""


def test_renamed_build_and_foreign_dependencies_are_told_as_an_index_tells_them() -> None:
    """Other servers have mixed up the alias and the real name (rust-lang/cargo issue 14148)."""
    said = sent.metadata(
        deps=[RENAMED, BUILD, FOREIGN, sent.dependency("other", kind="dev")],
        features={"with-alias": ["dep:alias"], "weak": ["alias?/f"]},
        links="z",
    )
    entry = read(said, sent.crate(manifest=MANIFEST)).entry
    known = {d.package: d for d in entry.dependencies}
    assert list(known) == ["real", "tool", "log", "other"]
    assert known["real"] == small.dependency(
        "real", alias="alias", optional=True, features=("f",), target="cfg(unix)"
    )
    assert known["tool"] == small.dependency("tool", "=1.2.3", kind=DependencyKind.BUILD)
    assert known["log"] == dataclasses.replace(
        small.dependency("log", ">=0.4, <0.5"), registry="https://github.com/rust-lang/crates.io-index"
    )
    assert known["other"] == small.dependency("other", kind=DependencyKind.DEV)
    line = json.loads(lines.write(entry).raw)
    renamed = next(d for d in line["deps"] if d["name"] == "alias")
    assert renamed["package"] == "real"
    assert line["features2"] == {"weak": ["alias?/f"], "with-alias": ["dep:alias"]}
    assert (line["v"], line["links"]) == (2, "z")


@pytest.mark.parametrize(
    ("said", "manifest", "differs"),
    [
        ({}, 'links = "z"', "links"),
        ({"links": "z"}, "", "links"),
        ({}, "[features]\nx = []", "features"),
        ({"features": {"x": []}}, "", "features"),
        ({}, '[dependencies]\na = "1"', "dependencies"),
        ({"deps": [sent.dependency("a")]}, "", "dependencies"),
        ({"deps": [sent.dependency("a")]}, '[dependencies.a]\npackage = "b"\nversion = "1"', "dependencies"),
        ({}, "[dependencies.a]\npackage = 3", "dependencies"),
        ({"deps": [sent.dependency("a")]}, '[build-dependencies]\na = "1"', "dependencies"),
        (
            {"deps": [sent.dependency("b", explicit_name_in_toml="a")]},
            '[dependencies]\nb = "1"',
            "dependencies",
        ),
    ],
)
def test_a_manifest_that_says_something_else_is_refused(
    said: dict[str, Any], manifest: str, differs: str
) -> None:
    with pytest.raises(Refusal, match=f"has another {differs} than the metadata"):
        read(sent.metadata(**said), sent.crate(manifest=manifest))


def test_a_manifest_of_another_crate_is_refused() -> None:
    for inside in ('name = "other"\nversion = "1.0.0"', 'name = "small"\nversion = "1.0.1"'):
        data = crates.crate("small", "1.0.0", {"Cargo.toml": f"[package]\n{inside}\n"})
        with pytest.raises(Refusal, match=r"has another (name|version) than the metadata"):
            read(sent.metadata(), data)


@pytest.mark.parametrize(
    ("data", "why"),
    [
        (b"", "ends in the middle"),
        (b"no archive at all", "is no gzip file"),
        (sent.crate()[:-9], "ends in the middle"),
        (sent.crate("other"), "is outside small-1.0.0/"),
        (sent.crate(version="1.0.1"), "is outside small-1.0.0/"),
        (crates.crate("small", "1.0.0", {"../../etc/passwd": "x"}), "the path "),
        (crates.crate("small", "1.0.0", {"src/lib.rs": ""}), "has no Cargo.toml"),
        (crates.crate("small", "1.0.0", {"Cargo.toml": "[package"}), "cannot be read"),
        (crates.crate("small", "1.0.0", {"Cargo.toml": b"\xff"}), "cannot be read"),
        (crates.crate("small", "1.0.0", {"Cargo.toml": "package = 3"}), "has no .package."),
        (crates.crate("small", "1.0.0", {"Cargo.toml": "dependencies = 3\n[package]"}), "cannot be understood"),
        (crates.crate("small", "1.0.0", {"Cargo.toml": "target = {a = 3}\n[package]"}), "cannot be understood"),
    ],
)  # fmt: skip
def test_a_file_that_is_not_the_crate_is_refused(data: bytes, why: str) -> None:
    with pytest.raises(Refusal, match=why) as told:
        read(sent.metadata(), data)
    assert told.value.status == 400


@pytest.mark.parametrize(
    "name",
    [
        "",
        "..",
        "../up",
        "a/b",
        "a\\b",
        "a.b",
        "1st",
        "-a",
        "_a",
        "a b",
        "ä",
        "a\n",
        "a" * 65,
        "a\0",
        None,
        7,
        ["a"],
    ],
)
def test_what_is_no_crate_name_is_refused(name: Any) -> None:  # noqa: ANN401 - JSON
    with pytest.raises(Refusal, match=r"^name: "):
        read(sent.metadata(name=name), sent.crate())


@pytest.mark.parametrize(
    "version",
    ["", "1", "1.0", "v1.0.0", "1.0.0.0", "01.0.0", "1.0.0-", "1.0.0-01", "1.0.0+", "1.0.0/../x", " 1.0.0",
     "1.0.0\n", "1.0.x", "9" * 20 + ".0.0", "1.0.0-" + "a" * 200, None, 1],
    ids=repr,
)  # fmt: skip
def test_what_is_no_version_is_refused(version: object) -> None:
    with pytest.raises(Refusal, match=r"^vers"):
        read(sent.metadata(vers=version), sent.crate())


@pytest.mark.parametrize("version", ["0.0.0", "1.0.0-rc.1", "1.0.0-0a.b-c", "1.0.0+pb.01", "10.20.30-x+y"])
def test_every_version_of_semver_is_taken(version: str) -> None:
    assert read(sent.metadata(vers=version), sent.crate(version=version)).entry.version == version


REQUIREMENTS = [
    "^1",
    "1",
    "=1.2.3",
    ">=1.2, <2",
    "~1.2",
    "*",
    "1.*",
    "1.2.x",
    ">= 1.0.0-rc.1",
    "=1.0.0+x",
    "<0.0.1-0",
]


@pytest.mark.parametrize("req", REQUIREMENTS)
def test_requirements_of_cargo_are_taken(req: str) -> None:
    said = sent.metadata(deps=[sent.dependency("a", req)])
    upload = read(said, sent.crate(manifest=f'[dependencies]\na = "{req}"'))
    assert upload.entry.dependencies[0].req == req


@pytest.mark.parametrize(
    "wrong",
    [
        {"deps": 3}, {"deps": [3]}, {"deps": [{}]}, {"deps": [sent.dependency("../a")]},
        {"deps": [sent.dependency("a", "one")]}, {"deps": [sent.dependency("a", "")]},
        {"deps": [sent.dependency("a", "^1,")]}, {"deps": [sent.dependency("a", "1.0.0 2")]},
        {"deps": [sent.dependency("a", kind="other")]}, {"deps": [sent.dependency("a", optional="no")]},
        {"deps": [sent.dependency("a", features="x")]}, {"deps": [sent.dependency("a", features=[1])]},
        {"deps": [sent.dependency("a", target=1)]}, {"deps": [sent.dependency("a", registry=[])]},
        {"features": []}, {"features": {"a": 1}}, {"features": {"a": [1]}}, {"features": {"a b": []}},
        {"features": {"": []}}, {"features": {"a": ["/"]}}, {"features": {"a": ["dep:b/c"]}},
        {"links": 1}, {"rust_version": "new"}, {"rust_version": 1.7},
    ],
)  # fmt: skip
def test_words_that_cargo_would_not_understand_are_refused(wrong: dict[str, Any]) -> None:
    with pytest.raises(Refusal):
        read(sent.metadata(**wrong), sent.crate(manifest='[dependencies]\na = "1"'))


# -- framing -----------------------------------------------------------------------------------------


@given(st.dictionaries(st.text(max_size=3), st.integers(), max_size=3), st.binary(max_size=50))
def test_what_is_framed_is_split_again_and_no_part_of_it_is(said: dict[str, int], data: bytes) -> None:
    whole = sent.body(said, data)
    assert received.split(whole) == (said, data)
    for part in (whole[:cut] for cut in range(len(whole))):
        with pytest.raises(Refusal, match=r"the request ends before|are missing"):
            received.split(part)
    with pytest.raises(Refusal, match="1 bytes stand behind"):
        received.split(whole + b"x")


@given(st.binary(max_size=200))
def test_any_bytes_are_refused_with_a_reason(body: bytes) -> None:
    with pytest.raises(Refusal):
        received.read(body, unpack=sent.unpack, own=sent.OWN, now=sent.NOW)


@pytest.mark.parametrize("words", [b"{", b"[]", b"3", b"\xff", b"", b"[" * 100_000])
def test_metadata_that_is_no_object_is_refused(words: bytes) -> None:
    body = struct.pack("<L", len(words)) + words + struct.pack("<L", 0)
    with pytest.raises(Refusal, match="the metadata is no JSON"):
        received.split(body)


def test_a_length_that_lies_is_told_with_what_is_missing() -> None:
    with pytest.raises(
        Refusal, match=r"the metadata is said to have 4294967295 bytes, and 4294967293 of them"
    ):
        received.split(b"\xff\xff\xff\xff{}")
