from __future__ import annotations

import pytest

from patchbot.symbols.build import manifests
from patchbot.symbols.build.manifests import Manifest, ManifestError


def read(text: str) -> Manifest:
    return manifests.read(text.encode())


def test_an_empty_manifest_leaves_all_to_cargo() -> None:
    assert read("") == Manifest()


def test_where_things_are() -> None:
    found = read(
        '[package]\nbuild = "./native/make.rs"\nlinks = "k"\n[lib]\npath = "src/../x.rs"\nname = "y"\n'
    )
    assert (found.build_script, found.library, found.library_name, found.links) == (
        "native/make.rs",
        "x.rs",
        "y",
        "k",
    )
    assert read("[package]\nbuild = false\n").build_script is None
    assert read("[package]\nbuild = true\n").build_script == ""


@pytest.mark.parametrize(
    ("lib", "is_one"),
    [
        ("proc-macro = true", True),
        ("proc_macro = true", True),
        ('crate-type = ["proc-macro"]', True),
        ('crate_type = ["proc-macro"]', True),
        ("proc-macro = false", False),
        ('crate-type = ["lib"]', False),
    ],
)
def test_every_spelling_of_a_crate_of_macros(lib: str, *, is_one: bool) -> None:
    assert read(f"[lib]\n{lib}\n").proc_macro is is_one


@pytest.mark.parametrize(
    "text",
    [
        'dependencies = {a-b = "1"}\n',
        '[dependencies]\na-b = "1"\n',
        '[dependencies.a-b]\nversion = "1"\n',
        '[dependencies.a_b]\npackage = "a-b"\n',
        "[target.'cfg(unix)'.dependencies]\na-b = \"1\"\n",
    ],
)
def test_dependencies_by_the_name_that_code_uses(text: str) -> None:
    assert read(text).dependencies == {"a_b": "a-b"}
    assert read(text.replace("dependencies", "build-dependencies")).build_dependencies == {"a_b": "a-b"}
    assert read(text.replace("dependencies", "build_dependencies")).build_dependencies == {"a_b": "a-b"}


def test_optional_dependencies_are_features() -> None:
    assert read("[features]\nf = []\n[dependencies]\na = {optional = true}\nb = {}\n").features == ("f", "a")


@pytest.mark.parametrize(
    "package", ['build = ["a.rs", "b.rs"]', "build = 5", 'metabuild = ["a"]', 'metabuild = "a"']
)
def test_build_scripts_that_are_not_followed_are_a_doubt(package: str) -> None:
    (doubt,) = read(f"[package]\n{package}\n").doubts
    assert "not followed" in doubt


@pytest.mark.parametrize(
    ("data", "why"),
    [
        (b"[package\n", "Expected"),
        (b'a = "\xff"\n', "utf-8"),
        (b"\xef\xbb\xbf[package]\n", "Invalid statement"),
        (b"package = 5\n", "package is no table"),
        (b"lib = []\n", "lib is no table"),
        (b'dependencies = "a"\n', "dependencies is no table"),
        (b"[target]\nx = 5\n", "x is no table"),
        (b"features = 5\n", "features is no table"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_what_is_no_manifest(data: bytes, why: str) -> None:
    with pytest.raises(ManifestError, match=why):
        manifests.read(data)


def test_a_manifest_that_nests_too_deep_is_none() -> None:
    with pytest.raises(ManifestError):
        manifests.read(b"a = " + b"[" * 9_000)
