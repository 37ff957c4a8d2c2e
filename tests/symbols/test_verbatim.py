"""The pieces that rustc is given: whole files where that is possible, inline modules, foreign blocks, macros."""

from __future__ import annotations

from dataclasses import replace

import pytest
from support.upstream import Crate
from symbols import small

from patchbot.model import CratePin, Dependency, DependencyKind
from patchbot.symbols.compiled.inputs import Inputs
from patchbot.symbols.compiled.verbatim import macro_files
from patchbot.symbols.corpus import Corpus
from patchbot.targets import KNOWN, Target
from patchbot.truth import MacroCrate, MacroFile, RustModule

LINUX = KNOWN["x86_64-unknown-linux-gnu"]
ASM = 'macro_rules! asm_func { ($n:expr) => { global_asm!(concat!(".globl ", $n, "\\n", $n, ": ret")); } }\n'


def of(
    crates: list[Crate], target: Target = LINUX, aliases: dict[str, str] | None = None
) -> dict[str, MacroFile]:
    """Return the macro files of crates, each of which depends on all others (under an alias if one is given)."""
    release, files = small.release(crates)
    names = [crate.name for crate in crates]
    needs = tuple(
        Dependency((aliases or {}).get(name, name), name, "=8.0.1", DependencyKind.NORMAL, optional=False,
                   default_features=True, features=(), target=None)
        for name in names
    )  # fmt: skip
    pins = tuple(
        CratePin(replace(pin.entry, dependencies=needs), pin.path, pin.commit) for pin in release.crates
    )
    corpus = Corpus(replace(release, crates=pins), files)
    return {file.crate: file for file in macro_files(Inputs(corpus, "").on(target))}


def one(files: dict[str, str], target: Target = LINUX) -> MacroFile:
    (file,) = of([Crate("wasmtime-fiber", "crates/fiber", files, [])], target).values()
    return file


def test_a_file_with_calls_is_taken_whole() -> None:
    file = one(
        {
            "src/lib.rs": f"{ASM} mod unix;",
            "src/unix.rs": "mod x86_64;",
            "src/unix/x86_64.rs": 'asm_func!("f");',
        }
    )
    assert (file.path, file.crate, file.edition) == ("crates/fiber", "wasmtime-fiber", "2021")
    assert RustModule(("unix", "x86_64"), 'asm_func!("f");') in file.modules
    assert set(file.paths) == {"crates/fiber/src/lib.rs", "crates/fiber/src/unix/x86_64.rs"}


def test_of_a_large_file_the_inline_module_is_taken() -> None:
    inner = 'pub(crate) mod trampolines { use super::*; asm_func!("f"); }'
    file = one(
        {"src/lib.rs": f"mod calls; {ASM}", "src/calls.rs": f"use crate::everything;\n{inner}\nfn g() {{}}"}
    )
    found = {module.place: (module.text, module.inline) for module in file.modules}
    assert found["calls", "trampolines"] == (inner, True)


def test_calls_at_two_places_need_the_whole_file() -> None:
    source = f'{ASM} asm_func!("f"); mod inner {{ asm_func!("g"); }}'
    (module,) = one({"src/lib.rs": source}).modules
    assert (module.text, module.inline, module.place) == (source, False, ("lib",))


def test_operands_find_what_the_module_around_declares() -> None:
    macro = 'macro_rules! asm_func { ($n:expr, $($a:tt)*) => { global_asm!(concat!(".globl ", $n, "\\n", $n, ": jmp {}"), $($a)*); } }\n'
    block = 'unsafe extern "C" {\n    #[link_name = "start_1"]\n    fn start();\n}'
    file = one(
        {
            "src/lib.rs": f"{macro} mod unix;",
            "src/unix.rs": f"use crate::more;\nmod x86_64;\nmod inner {{ {block} }}\nfn rust_start() {{}}",
            "src/unix/x86_64.rs": 'asm_func!("f", sym super::start); asm_func!("g", sym super::rust_start);',
        }
    )
    (module,) = [m for m in file.modules if m.place == ("unix", "x86_64")]
    assert module.beside == (block,)
    assert module.stubs == ("rust_start",)


@pytest.mark.parametrize(
    ("end", "hands_on"),
    [
        ("", False),
        ("use asm_func;", False),
        ("pub(crate) use asm_func;", True),
        ("pub use {other, asm_func};", True),
    ],
)
def test_macros_are_handed_on_by_their_place_or_as_items(end: str, hands_on: bool) -> None:  # noqa: FBT001 - a table
    file = one({"src/lib.rs": 'mod arch; asm_func!("f");', "src/arch.rs": f"{ASM}{end}"})
    (module,) = [m for m in file.modules if m.place == ("arch",)]
    assert module.hands_on == hands_on


def test_only_the_targets_own_files_are_taken() -> None:
    files = {
        "src/lib.rs": f'{ASM} #[cfg(target_arch = "x86_64")] mod x; #[cfg(target_arch = "arm")] mod a;',
        "src/x.rs": 'asm_func!("f");',
        "src/a.rs": 'asm_func!("f");',
    }
    assert "crates/fiber/src/x.rs" in one(files).paths
    assert "crates/fiber/src/a.rs" not in one(files).paths
    assert "crates/fiber/src/a.rs" in one(files, KNOWN["armv7-unknown-linux-gnueabihf"]).paths


@pytest.mark.parametrize(
    "source",
    [
        'global_asm!("f: ret");',
        f'{ASM} #[cfg(windows)] asm_func!("f");',
        "macro_rules! m { () => {} } m!();",
        "",
    ],
    ids=["no macro", "another target", "no text", "nothing"],
)
def test_without_macro_calls_that_define_names_there_is_nothing_to_expand(source: str) -> None:
    assert of([Crate("wasmtime-fiber", "crates/fiber", {"src/lib.rs": source}, [])]) == {}


def test_a_macro_crate_is_taken_whole_or_for_its_macros() -> None:
    asm = f"#[macro_export]\n{ASM}"
    listed = 'macro_rules! each { ($m:ident) => { $m!("f"); } }'
    crates = [
        Crate("wasmtime-asm-macros", "crates/asm-macros", {"src/lib.rs": asm}, []),
        Crate("wasmtime-environ", "crates/environ", {"src/lib.rs": "mod list;", "src/list.rs": f"use all::else;\n#[cfg(unix)]\n#[macro_export]\n{listed}\nfn f() {{}}"}, []),
        Crate("wasmtime-fiber", "crates/fiber", {"src/lib.rs": "wasmtime_environ::each!(asm_func);"}, []),
    ]  # fmt: skip
    file = of(crates, aliases={"wasmtime-asm-macros": "asm-alias"})["wasmtime-fiber"]
    assert {crate.name: crate for crate in file.crates} == {
        "asm_alias": MacroCrate("asm_alias", asm, "2021", "8.0.1"),
        "wasmtime_environ": MacroCrate(
            "wasmtime_environ", f"#[cfg(unix)]\n#[macro_export]\n{listed}\n", "2021", "8.0.1"
        ),
    }


def test_the_small_upstreams_macros_are_all_there() -> None:
    release, files = small.upstream("13.0.0", versioned=True)
    # index lines of this small release say nothing of dependencies
    found = {file.crate: file for file in macro_files(Inputs(Corpus(release, files), "").on(LINUX))}
    assert {crate: sorted(m.place for m in file.modules) for crate, file in found.items()} == {
        "wasmtime-fiber": [("unix", "x86_64")],
        "wasmtime-runtime": [("libcalls", "trampolines"), ("trampolines", "x86_64")],
    }
