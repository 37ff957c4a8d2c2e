"""Macros that rustc expands: the crate that is made of the pieces, and what it defines."""

from __future__ import annotations

from pathlib import Path

import pytest
from support.upstream import ASM_MACROS, BUILTINS
from symbols import native

from patchbot.errors import EnvironmentProblem
from patchbot.proof import compilers, expander, making
from patchbot.proof.assembled import names_of
from patchbot.proof.compilers import Rustc
from patchbot.proof.expander import Shelf
from patchbot.proof.making import Bench
from patchbot.targets import KNOWN
from patchbot.truth import Form, MacroCrate, MacroFile, RustModule

LINUX = KNOWN["x86_64-unknown-linux-gnu"]
ASM = MacroCrate("wasmtime_asm_macros", ASM_MACROS, "2021", "8.0.1")

CFG_IF = """\
#[macro_export]
macro_rules! cfg_if {
    (if #[cfg($c:meta)] { $($a:tt)* } else { $($b:tt)* }) => { #[cfg($c)] $crate::same! { $($a)* } #[cfg(not($c))] $crate::same! { $($b)* } };
}
#[macro_export]
macro_rules! same { ($($a:tt)*) => { $($a)* } }
"""


def crate(*modules: RustModule, crates: tuple[MacroCrate, ...] = (ASM,)) -> MacroFile:
    return MacroFile(
        path="crates/a", crate="a", paths=(), edition="2021", features=("gc",), modules=modules, crates=crates
    )


def file(*place: str, text: str = "", **more: object) -> RustModule:
    return RustModule(place, text, inline=False, **more)  # type: ignore[arg-type]


def inline(*place: str, text: str) -> RustModule:
    return RustModule(place, text, inline=True)


# -- text --------------------------------------------------------------------------------------------


def root(*modules: RustModule, crates: tuple[MacroCrate, ...] = (ASM,)) -> list[str]:
    lines = expander.root(crate(*modules, crates=crates), Path("/f")).splitlines()
    assert lines[0] == "#![allow(warnings)]"
    return lines[1:]


def test_files_stand_at_their_place() -> None:
    assert root(file("unix", "x86_64")) == [
        "#[macro_use]", "mod unix {", "#[macro_use]", '#[path = "/f/unix.x86_64.rs"]', "mod x86_64;",
        "pub(crate) use x86_64::*;", "}",
    ]  # fmt: skip


def test_what_hands_on_its_macros_is_a_plain_module() -> None:
    assert root(file("arch", "x86_64", hands_on=True)) == [
        "mod arch {", '#[path = "/f/arch.x86_64.rs"]', "mod x86_64;", "pub(crate) use x86_64::*;", "}",
    ]  # fmt: skip


def test_what_operands_name_stands_beside() -> None:
    lines = root(file("unix", "x86_64", beside=('extern "C" {\n    fn start();\n}',), stubs=("inner",)))
    assert lines[2:6] == ['extern "C" {', "    fn start();", "}", 'extern "C" fn inner() {}']


def test_macros_come_before_their_callers() -> None:
    lines = root(inline("calls", "trampolines", text="mod trampolines { m!(f); }"), file("zoo"))
    assert lines.index("mod zoo;") < lines.index("mod trampolines { m!(f); }")


def test_a_list_of_builtins_has_bodies() -> None:
    environ = MacroCrate("wasmtime_environ", BUILTINS, "2021", "8.0.1")
    text = expander.root(
        crate(inline("libcalls", "trampolines", text="mod trampolines {}"), crates=(environ,)), Path("/f")
    )
    assert "pub struct VMContext;" in text
    assert "wasmtime_environ::foreach_builtin_function!(builtin_bodies);\nmod trampolines {}" in text
    assert "VMContext" not in expander.root(crate(file("a")), Path("/f"))


# -- rustc -------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def rustc() -> Rustc:
    found = compilers.find_rustc()
    assert found is not None
    return found


@pytest.fixture(scope="module")
def shelf(rustc: Rustc, tmp_path_factory: pytest.TempPathFactory) -> Shelf:
    """A shelf with a ``cfg_if`` of our own: unit tests fetch nothing."""
    folder = tmp_path_factory.mktemp("shelf")
    (folder / "cfg_if.rs").write_text(CFG_IF)
    native.said(["rustc", "--edition=2021", "--crate-type=lib", "--crate-name=cfg_if", "cfg_if.rs"], folder)
    return Shelf({"cfg_if": str(folder / "libcfg_if.rlib")}, str(folder))


def names(source: MacroFile, rustc: Rustc, shelf: Shelf, folder: Path) -> dict[str, str]:
    made = making.make(source, Bench(LINUX, rustc=rustc, shelf=shelf), folder)
    assert made.failure == ""
    return {name.name: name.kind for name in names_of(made.names, Form.MACROS)}


FIBER = """\
use wasmtime_asm_macros::asm_func;
asm_func!("switch_1", "ret");
asm_func!("init_1", "lea rax, {s}[rip]; jmp {r}", s = sym super::start, r = sym super::inner);
"""
BLOCK = 'extern "C" {\n    #[link_name = "start_1"]\n    fn start();\n}'
CALLS = """\
pub mod trampolines {
    use crate::VMContext;
    macro_rules! libcall {
        ($( $(#[$a:meta])* $name:ident(vmctx: vmctx $(, $p:ident: $t:ident)*) $(-> $r:ident)?; )*) => {
            $(
                wasm_to_libcall_trampoline!($name);
                #[export_name = concat!("impl_", stringify!($name), "_1")]
                unsafe extern "C" fn $name(vmctx: *mut VMContext) { let _ = || super::$name(vmctx $(, libcall!(@ $t))*); }
            )*
        };
        (@ $pointer:ident) => { 0 as _ };
    }
    wasmtime_environ::foreach_builtin_function!(libcall);
}
"""
TRAMPOLINE = """\
macro_rules! wasm_to_libcall_trampoline {
    ($name:ident) => { wasmtime_asm_macros::asm_func!(concat!(stringify!($name), "_1"), "ret"); };
}
"""


@native.needs_rustc
@native.x86_64_linux
def test_rustc_expands_upstreams_macros(rustc: Rustc, shelf: Shelf, tmp_path: Path) -> None:
    fiber = file("unix", "x86_64", text=FIBER, beside=(BLOCK,), stubs=("inner",))
    assert names(crate(fiber), rustc, shelf, tmp_path) == {"switch_1": "T", "init_1": "T", "start_1": "U"}


@native.needs_rustc
@native.x86_64_linux
@pytest.mark.parametrize("hands_on", [False, True])
def test_rustc_expands_the_list_of_builtins(
    rustc: Rustc,
    shelf: Shelf,
    tmp_path: Path,
    hands_on: bool,  # noqa: FBT001 - both ways
) -> None:
    environ = MacroCrate("wasmtime_environ", BUILTINS, "2021", "8.0.1")
    end = "pub(crate) use wasm_to_libcall_trampoline;\n" if hands_on else ""
    use = "use crate::arch::wasm_to_libcall_trampoline;\n" if hands_on else ""
    arch = file("arch", "x86_64", text=TRAMPOLINE + end, hands_on=hands_on)
    calls = inline(
        "libcalls",
        "trampolines",
        text=CALLS.replace("use crate::VMContext;\n", f"use crate::VMContext;\n{use}"),
    )
    found = names(crate(arch, calls, crates=(environ, ASM)), rustc, shelf, tmp_path)
    listed = ("memory_grow", "table_grow", "out_of_gas")
    assert found == {f"{prefix}{name}_1": "T" for name in listed for prefix in ("", "impl_")}


@native.needs_rustc
@native.x86_64_linux
@pytest.mark.parametrize(
    ("module", "crates", "words"),
    [
        (file("a", text="asm_func!();"), (ASM,), "cannot find macro `asm_func`"),
        (file("a", text="fn f() -> u8 { }"), (ASM,), "mismatched types"),
        (file("a", text=""), (MacroCrate("bad", "no rust", "2021", "1.0.0"),), "bad.rs:1:"),
    ],
    ids=["unknown macro", "wrong type", "macro crate"],
)
def test_what_rustc_refuses_says_why(
    rustc: Rustc, shelf: Shelf, tmp_path: Path, module: RustModule, crates: tuple[MacroCrate, ...], words: str
) -> None:
    made = making.make(crate(module, crates=crates), Bench(LINUX, rustc=rustc, shelf=shelf), tmp_path)
    assert made.names == ()
    assert words in made.failure
    assert str(tmp_path) not in made.failure


@native.needs_rustc
@native.x86_64_linux
def test_features_and_proc_macros_are_there(rustc: Rustc, shelf: Shelf, tmp_path: Path) -> None:
    proc_macro = """\
        #[proc_macro]
        pub fn versioned(_: proc_macro::TokenStream) -> proc_macro::TokenStream {
            format!("\\"f_{}\\"", env!("CARGO_PKG_VERSION").replace('.', "_")).parse().unwrap()
        }
    """
    text = '#[cfg(feature = "gc")] wasmtime_asm_macros::asm_func!(versions::versioned!(), "ret");\n'
    text += '#[cfg(feature = "other")] compile_error!("not one of its features");'
    versions = MacroCrate("versions", proc_macro, "2021", "8.0.1", proc_macro=True)
    found = names(crate(file("a", text=text), crates=(versions, ASM)), rustc, shelf, tmp_path)
    assert found == {"f_8_0_1": "T"}


@native.needs_rustc
def test_without_the_network_the_shelf_cannot_be_filled(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CARGO_HOME", str(tmp_path / "empty"))
    with pytest.raises(EnvironmentProblem, match="cannot be built") as failure:
        expander.build_shelf(tmp_path / "shelf", offline=True, on_line=lambda _: None)
    assert "--offline" in str(failure.value.hint)
