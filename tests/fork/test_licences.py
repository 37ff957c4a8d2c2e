from __future__ import annotations

from collections.abc import Mapping

import pytest
from fork import small

from patchbot.fork import licences
from patchbot.model import TreeFile

APACHE, MIT = 'license = "Apache-2.0 WITH LLVM-exception"', 'license = "MIT"'
RELEASE = small.release(small.pin("wasmtime"), small.pin("a-fiber"), small.pin("macros"), roots=("wasmtime",))


def files(crates: Mapping[str, tuple[str, str | None]]) -> dict[str, list[TreeFile]]:
    """Crates, each with a line of its manifest and the text of its licence file."""
    out = {}
    for name, (line, text) in crates.items():
        tree = {"Cargo.toml": f'[package]\nname = "{name}"\n{line}\n', "src/lib.rs": ""}
        out[name] = small.tree(tree if text is None else {**tree, "LICENSE": text})
    return out


def test_a_crate_without_the_text_gets_that_of_a_root_under_the_same_licence() -> None:
    there = files(
        {"a-fiber": (APACHE, "fiber's"), "macros": (APACHE, None), "wasmtime": (APACHE, "the text")}
    )
    found = licences.find(RELEASE, there, "macros")
    assert found == licences.Borrowed(TreeFile("LICENSE", b"the text"), "wasmtime")


def test_without_a_root_the_first_by_name_serves() -> None:
    there = files({"wasmtime": (APACHE, None), "macros": (APACHE, None), "a-fiber": (APACHE, "fiber's")})
    assert licences.find(RELEASE, there, "macros") == licences.Borrowed(
        TreeFile("LICENSE", b"fiber's"), "a-fiber"
    )


@pytest.mark.parametrize(
    "name", ["LICENSE", "LICENSE-APACHE", "license.md", "LICENCE", "COPYING", "LICENSES/x"]
)
def test_a_crate_that_has_the_text_borrows_none(name: str) -> None:
    there = files({"macros": (APACHE, None), "wasmtime": (APACHE, "the text")})
    there["macros"] += [TreeFile(name, b"its own")]
    assert licences.find(RELEASE, there, "macros") is None


@pytest.mark.parametrize("line", [MIT, "", "license = [", "license-file = 'x'"])
def test_no_other_licence_is_put_into_a_crate(line: str) -> None:
    there = files({"macros": (line, None), "wasmtime": (APACHE, "the text"), "a-fiber": ("", "another")})
    assert licences.find(RELEASE, there, "macros") is None
