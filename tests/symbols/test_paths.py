from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from support.upstream import Crate
from symbols import small

from patchbot.errors import RewriteError
from patchbot.model import Dependency, ImportedRelease, Names
from patchbot.symbols.corpus import Corpus
from patchbot.symbols.paths import CratePaths, read_paths
from patchbot.symbols.rewrite import rewrite, unsuffixed
from patchbot.symbols.rules import edits
from patchbot.symbols.scan import Scan, scan

# In the shape of upstream's: a proc-macro crate, the crate that does its work, and who uses what they print.
MACRO = """\
#[proc_macro]
pub fn bindgen(input: TokenStream) -> TokenStream { component_gen::generate(input) }

#[proc_macro_derive(Lift, attributes(component))]
pub fn lift(input: TokenStream) -> TokenStream {
    let internal = quote!(wasmtime::component::__internal);
    quote! { impl wasmtime::component::Lift for X { tag: wasmtime::ValRaw, } }
}

#[proc_macro_attribute]
pub fn guest(_: TokenStream, input: TokenStream) -> TokenStream { input }
"""
GENERATOR = """\
//! Writes `wasmtime::component::Linker` into its output.
pub fn generate() {
    uwriteln!(self.src, "use wasmtime::component::__internal::anyhow;");
    self.push("-> wasmtime::Result<(Self, wasmtime::component::Instance)> {{");
    self.opts.path.clone().unwrap_or("wasmtime".to_string())
}
"""
WASMTIME = """\
//! The library.
//!
//! More of it.
#![deny(missing_docs)]

/// An engine.
pub struct Engine;
pub use component_macro::{bindgen, Lift};
"""
WASI = """\
// A licence.

mod bindings { wasmtime::component::bindgen!("world"); }
"""


def dependency(name: str, **more: Any) -> Dependency:  # noqa: ANN401 - any key of an index line
    return Dependency.from_json({"name": name, "req": "*", **more})


def release(
    change: small.Sources | None = None, *, wasi: tuple[Dependency, ...] = (dependency("wasmtime"),)
) -> tuple[ImportedRelease, dict[str, bytes]]:
    crates = [
        Crate("wasmtime", "crates/wasmtime", {"src/lib.rs": WASMTIME}, []),
        Crate("wasmtime-component-macro", "crates/component-macro", {"src/lib.rs": MACRO}, [], rest="[lib]\nproc-macro = true\n\n"),
        Crate("wasmtime-component-gen", "crates/component-gen", {"src/lib.rs": GENERATOR}, []),
        Crate("wasmtime-wasi", "crates/wasi", {"src/lib.rs": WASI}, []),
    ]  # fmt: skip
    imported, files = small.release(crates, change=change)
    needs = {
        "wasmtime": (dependency("wasmtime-component-macro"),),
        "wasmtime-component-macro": (dependency("wasmtime-component-gen"),),
        "wasmtime-wasi": wasi,
    }
    pins = [
        replace(pin, entry=replace(pin.entry, dependencies=needs.get(pin.name, ())))
        for pin in imported.crates
    ]
    return replace(imported, crates=tuple(pins)), files


def paths(change: small.Sources | None = None, **more: Any) -> CratePaths:  # noqa: ANN401 - see release
    return read_paths(Corpus(*release(change, **more)))


def printed(source: str) -> list[str]:
    """Return what is printed by a generator with this source, each with what follows it."""
    found = paths(
        {
            "crates/component-gen/src/lib.rs": source,
            "crates/component-macro/src/lib.rs": MACRO.split("#[proc_macro_derive", maxsplit=1)[0],
        }
    )
    return [source[path.place.start :][:12] for path in found.printed]


NAMES = Names(small.SUFFIX, {"wasmtime": "wasmtime_v8_0_1"})

# -- what is printed --------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "source",
    [
        pytest.param("// quote!(wasmtime::X)", id="comment"),
        pytest.param("use wasmtime::X; fn f() -> wasmtime::X {}", id="code of its own"),
        pytest.param("fn f() { quote!(crate::wasmtime::X) }", id="module of that name"),
        pytest.param("fn f() { quote!(<T as Trait>::wasmtime::X) }", id="associated"),
        pytest.param("fn f() { quote!(#wasmtime::X) }", id="value"),
        pytest.param("fn f() { quote!($wasmtime::X) }", id="metavariable"),
        pytest.param("fn f() { quote!(self.wasmtime.x) }", id="field"),
        pytest.param("fn f() { quote!(let wasmtime = 1;) }", id="variable"),
        pytest.param("fn f() { quote!(wasmtime_wasi_else::X, my_wasmtime::X) }", id="longer names"),
        pytest.param('fn f() { push("package wasmtime:macro; {wasmtime}::x, a wasmtime"); }', id="strings"),
        pytest.param('fn f() { push("$wasmtime::x #wasmtime::x crate::wasmtime::x <T>::wasmtime::x"); }', id="paths in strings"),
    ],
)  # fmt: skip
def test_nothing_is_printed(source: str) -> None:
    assert printed(source) == []
    assert paths({"crates/component-gen/src/lib.rs": source}).doubts == ()


@pytest.mark.parametrize(
    ("source", "words"),
    [
        ("quote!(wasmtime::X)", ["wasmtime::X)"]),
        ("quote!(wasmtime)", ["wasmtime)"]),
        ("quote!(::wasmtime::X)", ["wasmtime::X)"]),
        ("quote!(tag: wasmtime::ValRaw)", ["wasmtime::Va"]),
        ("quote!(<wasmtime::X as wasmtime::Y>::f)", ["wasmtime::X ", "wasmtime::Y>"]),
        ("quote!(#[wasmtime::guest] fn f() { g(&wasmtime::X); })", ["wasmtime::gu", "wasmtime::X)"]),
        ("quote! { use wasmtime; extern crate wasmtime; }", ["wasmtime; ex", "wasmtime; }"]),
        ("parse_quote!(wasmtime::X)", ["wasmtime::X)"]),
        ("quote_spanned!(span=> wasmtime::X)", ["wasmtime::X)"]),
        ("syn::parse_quote_spanned!(span=> wasmtime::X)", ["wasmtime::X)"]),
        ("quote!(a(b { wasmtime::X }))", ["wasmtime::X "]),
        ('push("wasmtime::X")', ['wasmtime::X"']),
        ('push(r#"x: wasmtime::X, y:: wasmtime::Y"#)', ["wasmtime::X,", 'wasmtime::Y"']),
        ('push("\\n(wasmtime::X<\'_>)")', ["wasmtime::X<"]),
        ('Ident::new("wasmtime", Span::call_site()).into()', ['wasmtime", S']),
        ('x.unwrap_or("wasmtime".to_string())', ['wasmtime".to']),
        ('x.unwrap_or_else(|| "wasmtime".into())', ['wasmtime".in']),
        ('format_ident!("wasmtime")', ['wasmtime")']),
    ],
)
def test_printed_paths(source: str, words: list[str]) -> None:
    found = printed(f"fn f() {{ {source} }}")
    assert [word[: len(wanted)] for word, wanted in zip(found, words, strict=True)] == words


def test_a_string_that_may_become_a_path_is_a_finding() -> None:
    (doubt,) = paths({"crates/component-gen/src/lib.rs": 'fn f() { if name == "wasmtime" {} }'}).doubts
    assert doubt[1] == 'the string "wasmtime" may become a crate\'s path'


def test_only_macros_print_and_only_libraries_that_use_them_are_meant() -> None:
    elsewhere = {
        "crates/wasi/src/lib.rs": "fn f() { quote!(wasmtime::X); }",  # not what a macro is made of
        "crates/component-gen/src/lib.rs": "fn f() { quote!(wasmtime_component_gen::X, wasmtime_component_macro::X, serde::X) }",
        "crates/component-macro/src/lib.rs": "#[proc_macro] pub fn bindgen(t: T) -> T { t }",
    }
    assert paths(elsewhere).printed == ()


# -- who uses it ------------------------------------------------------------------------------------


def users(change: small.Sources | None = None, **more: Any) -> list[tuple[str, str, str]]:  # noqa: ANN401
    return [(user.crate, user.alias, user.cfg) for user in paths(change, **more).users]


def test_crates_of_the_release_that_use_the_macros_need_the_other_name() -> None:
    assert users() == [("wasmtime-wasi", "wasmtime", "")]


@pytest.mark.parametrize(
    "source",
    [
        "bindgen!();",
        "wasmtime::component::bindgen! { x }",
        "mod a { fn f() { bindgen!(); } }",
        "#[derive(Clone, wasmtime::component::Lift)] struct X;",
        "#[cfg_attr(unix, derive(Lift))] struct X;",
        "#[guest] fn f() {}",
    ],
)
def test_uses(source: str) -> None:
    assert users({"crates/wasi/src/lib.rs": source}) == [("wasmtime-wasi", "wasmtime", "")]


@pytest.mark.parametrize(
    "source",
    ["use wasmtime::Lift;", "// bindgen!()", 'f("bindgen!()");', "fn bindgen() {}", "impl Lift for X {}"],
)
def test_no_uses(source: str) -> None:
    assert users({"crates/wasi/src/lib.rs": source}) == []


def test_the_library_itself_may_use_them() -> None:
    used = {
        "crates/wasmtime/src/lib.rs": WASMTIME + "#[derive(Lift)] struct X;\n",
        "crates/wasi/src/lib.rs": "",
    }
    assert users(used) == [("wasmtime", "self", "")]


def test_a_dependency_can_have_another_name() -> None:
    assert users(wasi=(dependency("rt-2", package="wasmtime"),)) == [("wasmtime-wasi", "rt_2", "")]


def features(**given: tuple[str, ...]) -> list[tuple[str, str, str]]:
    imported, files = release(wasi=(dependency("wasmtime", optional=True),))
    pins = [
        replace(pin, entry=replace(pin.entry, features=given)) if pin.name == "wasmtime-wasi" else pin
        for pin in imported.crates
    ]
    found = read_paths(Corpus(replace(imported, crates=tuple(pins)), files))
    return [(user.crate, user.alias, user.cfg) for user in found.users]


def test_an_optional_dependency_is_there_under_its_features_only() -> None:
    assert features() == [("wasmtime-wasi", "wasmtime", 'feature = "wasmtime"')]
    assert features(sync=("dep:wasmtime",)) == [("wasmtime-wasi", "wasmtime", 'feature = "sync"')]
    assert features(sync=("wasmtime", "x"), p2=("wasmtime/async",), weak=("wasmtime?/gc",)) == [
        ("wasmtime-wasi", "wasmtime", 'any(feature = "wasmtime", feature = "sync", feature = "p2")')
    ]


def test_a_dependency_of_some_targets_is_a_finding() -> None:
    (doubt,) = paths(wasi=(dependency("wasmtime", target="cfg(unix)"),)).doubts
    assert doubt[1] == "wasmtime is needed on cfg(unix) only, and printed"


def test_dev_and_build_dependencies_do_not_count() -> None:
    assert users(wasi=(dependency("wasmtime", kind="dev"),)) == []
    assert users(wasi=(dependency("wasmtime", kind="build"),)) == []


# -- the patch --------------------------------------------------------------------------------------


def scanned(change: small.Sources | None = None) -> Scan:
    return scan(*release(change), small.POLICY)


def test_the_forks_macros_print_the_forks_name() -> None:
    after = small.rewritten(scanned(), names=NAMES)
    assert after["crates/component-macro/src/lib.rs"] == MACRO.replace("wasmtime::", "wasmtime_v8_0_1::")
    head, _, rest = GENERATOR.partition("\n")
    expected = rest.replace("wasmtime::", "wasmtime_v8_0_1::").replace('"wasmtime"', '"wasmtime_v8_0_1"')
    assert after["crates/component-gen/src/lib.rs"] == f"{head}\n{expected}"


@pytest.mark.parametrize(
    ("before", "rest"),
    [
        ("", "bindgen!();\n"),
        ("// A licence.\n\n", "bindgen!();\n"),
        ("//! About.\n", "/// Macro.\nbindgen!();\n"),
        ("//! About.\n\n#![deny(x)]\n", "\n#[cfg(x)]\nbindgen!();\n"),
        ("#![deny(x)]\n//! About.\n", "bindgen!();\n"),
        ("#![deny(x)] // because\n", "bindgen!();\n"),
    ],
)
def test_the_other_name_stands_behind_inner_attributes(before: str, rest: str) -> None:
    source = before + rest
    after = small.rewritten(scanned({"crates/wasi/src/lib.rs": source}), names=NAMES)
    line = "extern crate wasmtime as wasmtime_v8_0_1;\n"
    changed = after["crates/wasi/src/lib.rs"]
    assert changed.replace(line, "") == source
    assert changed.index(line) == (0 if before.startswith("// A") or not before else len(before))


def test_it_is_a_patch_of_its_own_and_first_in_a_series() -> None:
    found = scanned({"crates/wasi/src/lib.rs": WASI + "#[no_mangle] fn f() {}\n"})
    assert set(edits(found, NAMES)) == {"crate-paths", "suffix-rust"}
    names = [patch.name for patch in rewrite(found, small.POLICY, NAMES)]
    assert names == sorted(names) == ["crate-paths", "suffix-rust"]


def test_without_a_name_for_a_library_its_paths_stay() -> None:
    assert small.rewritten(scanned()) == {}


def test_taking_the_names_off_gives_back_what_it_was() -> None:
    before = scanned({"crates/wasi/src/lib.rs": WASI + "#[no_mangle] fn f() {}\n"})
    for patch in rewrite(before, small.POLICY, NAMES):
        for path, data in patch.files.items():
            assert unsuffixed(data, NAMES) == before.files[path]


def test_a_tree_that_has_the_forks_name_already_is_refused() -> None:
    with pytest.raises(RewriteError, match="the library name wasmtime_v8_0_1 stands here already") as caught:
        small.rewritten(scanned({"crates/wasi/src/lib.rs": "// wasmtime_v8_0_1\n"}), names=NAMES)
    assert caught.value.where == "crates/wasi/src/lib.rs:1"


def test_the_inventory_lists_them() -> None:
    found = scanned().inventory.crate_paths
    assert {(row.library, row.path) for row in found} == {
        ("wasmtime", "crates/component-gen/src/lib.rs"),
        ("wasmtime", "crates/component-macro/src/lib.rs"),
    }
    assert len(found) == 7
