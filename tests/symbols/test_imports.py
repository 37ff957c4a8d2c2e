from __future__ import annotations

import pytest
from support.upstream import Crate
from symbols import small

from patchbot.model import CratePin, Dependency, DependencyKind, ImportedRelease
from patchbot.symbols.compiled.imports import missing
from patchbot.symbols.corpus import Corpus

MACROS = "macro_rules! asm_func { () => {} }\npub mod inner { pub fn deep() {} }\n"


def corpus(source: str, alias: str = "asm-macros") -> Corpus:
    """Return a release of two crates: the fiber crate knows the macros' under ``alias``."""
    crates = [
        Crate("wasmtime-asm-macros", "crates/asm-macros", {"src/lib.rs": MACROS}, []),
        Crate("wasmtime-fiber", "crates/fiber", {"src/lib.rs": source}, []),
    ]
    release, files = small.release(crates)
    need = Dependency(alias, "wasmtime-asm-macros", "=8.0.1", DependencyKind.NORMAL, optional=False,
                      default_features=True, features=(), target=None)  # fmt: skip
    return Corpus(_with_dependency(release, need), files)


def _with_dependency(release: ImportedRelease, need: Dependency) -> ImportedRelease:
    from dataclasses import replace

    pins = tuple(
        CratePin(replace(pin.entry, dependencies=(need,)), pin.path, pin.commit)
        if pin.name == "wasmtime-fiber"
        else pin
        for pin in release.crates
    )
    return replace(release, crates=pins)


@pytest.mark.parametrize(
    "source",
    [
        "use asm_macros::asm_func;",
        "use asm_macros::{asm_func};",
        "use asm_macros::inner::{deep, self};",
        "use asm_macros::*;",
        "use asm_macros as macros;",
        "use asm_macros::asm_func as _;",
        "use crate::asm_sym;",
        "use std::asm_sym;",
        "use other::asm_sym;",
        "fn f() { use asm_macros::asm_sym; }",
        "",
    ],
)
def test_what_can_be_imported(source: str) -> None:
    assert missing(corpus(source), "crates/fiber/src/lib.rs") == ""


@pytest.mark.parametrize(
    ("source", "line"),
    [
        ("use asm_macros::asm_sym;", 1),
        ("// first\nuse asm_macros::{asm_func, asm_sym};", 2),
        ("pub use asm_macros::asm_sym as asm_func;", 1),
    ],
)
def test_what_nobody_can_import_is_told_with_its_place(source: str, line: int) -> None:
    said = missing(corpus(source), "crates/fiber/src/lib.rs")
    assert said == f"imports asm_sym, which asm_macros does not have (crates/fiber/src/lib.rs:{line})"


def test_a_crate_is_known_by_the_name_that_its_user_gives_it() -> None:
    assert missing(corpus("use macros::asm_sym;", alias="macros"), "crates/fiber/src/lib.rs")
    assert not missing(corpus("use asm_macros::asm_sym;", alias="macros"), "crates/fiber/src/lib.rs")
