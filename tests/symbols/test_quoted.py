from __future__ import annotations

import pytest
from support.upstream import Crate
from symbols import small

from patchbot.model import Kind, Role
from patchbot.symbols.rust.macros import NoMatchError
from patchbot.symbols.rust.quoted import QuotedMacro, read_quoted
from patchbot.symbols.rust.reader import read
from patchbot.symbols.rust.tokens import read_trees, render
from patchbot.symbols.scan import Scan, scan

# In the shape of the C API's macros: an identifier that ends in _t goes in, functions named after it come out.
MACROS = """
use quote::quote;

fn extract_ident(input: proc_macro::TokenStream) -> Ident { todo(input) }

#[proc_macro]
pub fn declare_own(input: proc_macro::TokenStream) -> proc_macro::TokenStream {
    let ty = extract_ident(input);
    let name = ty.to_string();
    let delete = quote::format_ident!("{}_delete", &name[..name.len() - 2]);
    let docs = format!("Deletes a {name}.");
    (quote! {
        #[doc = #docs]
        #[no_mangle]
        pub extern fn #delete(_: Box<#ty>) {}
    })
    .into()
}

#[proc_macro]
pub fn declare_ty(input: proc_macro::TokenStream) -> proc_macro::TokenStream {
    let ty = extract_ident(input);
    let name = ty.to_string();
    let prefix = &name[..name.len() - 2];
    let copy = quote::format_ident!("{prefix}_copy");
    (quote! {
        capi_macros::declare_own!(#ty);

        #[unsafe(no_mangle)]
        #[cfg(feature = "gc")]
        pub extern fn #copy(src: &#ty) -> Box<#ty> { log(stringify!(#copy)); Box::new(src.clone()) }
    })
    .into()
}
"""


def api(source: str, macros: str = MACROS, change: small.Sources | None = None) -> Scan:
    crates = [
        Crate("wasmtime-c-api-impl", "crates/c-api", {"src/lib.rs": source}, []),
        Crate("wasmtime-c-api-macros", "crates/c-api-macros", {"src/lib.rs": macros}, [], rest="[lib]\nproc-macro = true\n\n"),
    ]  # fmt: skip
    return scan(*small.release(crates, change=change), small.POLICY)


def test_the_names_that_a_macro_makes_are_the_callers() -> None:
    found = api("capi_macros::declare_ty!(wasm_foo_t);\ncapi_macros::declare_own!(wasm_bar_t);\n").inventory
    assert found.blind_spots == ()
    assert {(s.name, s.kind, s.role, s.crate, s.path, s.line, s.cfg) for s in found.symbols} == {
        ("wasm_foo_copy", Kind.OWN, Role.DEFINE, "wasmtime-c-api-impl", "crates/c-api/src/lib.rs", 1, 'feature = "gc"'),
        ("wasm_foo_delete", Kind.OWN, Role.DEFINE, "wasmtime-c-api-impl", "crates/c-api/src/lib.rs", 1, ""),
        ("wasm_bar_delete", Kind.OWN, Role.DEFINE, "wasmtime-c-api-impl", "crates/c-api/src/lib.rs", 2, ""),
    }  # fmt: skip


def test_the_suffix_goes_where_the_macro_says_the_name() -> None:
    after = small.rewritten(api("capi_macros::declare_ty!(wasm_foo_t);"))
    assert set(after) == {"crates/c-api-macros/src/lib.rs"}
    text = after["crates/c-api-macros/src/lib.rs"]
    assert '#[export_name = concat!(stringify!(#delete), "_8_0_1_pb")]' in text
    assert '#[unsafe(export_name = concat!(stringify!(#copy), "_8_0_1_pb"))]' in text
    assert "log(stringify!(#copy));" in text


def test_a_macro_that_nobody_calls_is_left_alone() -> None:
    scanned = api("fn f() {}")
    assert scanned.inventory.symbols == ()
    assert small.rewritten(scanned) == {}


@pytest.mark.parametrize(
    ("call", "why"),
    [
        ("capi_macros::declare_own!(a::wasm_foo_t);", "declare_own! is a proc macro that makes link-time names, and is given more than one"),
        ("capi_macros::declare_own!();", "declare_own! is a proc macro that makes link-time names, and is given more than one"),
        ("use capi_macros::declare_own as own;", "declare_own is given another name, which is not followed"),
    ],
)  # fmt: skip
def test_a_call_that_cannot_be_followed_is_a_finding(call: str, why: str) -> None:
    assert small.whys(api(call).inventory) == [why]


@pytest.mark.parametrize(
    ("old", "new"),
    [
        pytest.param('"{}_delete"', "TEMPLATE", id="template elsewhere"),
        pytest.param(
            'quote::format_ident!("{}_delete", &name[..name.len() - 2])', "other(ty)", id="other maker"
        ),
        pytest.param("name.len() - 2", "name.len() - n", id="unknown length"),
        pytest.param("name.len() - 2", "other.len() - 2", id="length of another"),
        pytest.param('"{}_delete", &name', '"{}_{}_delete", &name', id="too few values"),
        pytest.param('"{}_delete"', '"{other}_delete"', id="unknown value"),
    ],
)
def test_a_name_that_cannot_be_told_is_a_finding(old: str, new: str) -> None:
    assert MACROS.count(old) >= 1
    found = api("capi_macros::declare_own!(wasm_foo_t);", MACROS.replace(old, new, 1)).inventory
    assert small.whys(found) == ["#[no_mangle] stands on no item that can be read"]
    assert found.symbols == ()


@pytest.mark.parametrize(
    ("old", "new"),
    [
        pytest.param("let docs =", "if cfg!(x) { return quote!{}.into() } let docs =", id="branch"),
        pytest.param("#[no_mangle]\n", "#(#names)*\n#[no_mangle]\n", id="repetition"),
        pytest.param("let docs =", "let other = quote! { fn f() {} }; let docs =", id="two quotes"),
        pytest.param("    let ty = extract_ident(input);\n", "", id="no input"),
        pytest.param("extract_ident(input)", "extract_ident(input, 1)", id="more than the input"),
        pytest.param("extract_ident(input)", "elsewhere::extract_ident(input)", id="helper of another crate"),
        pytest.param("{ todo(input) }", '{ format_ident!("x_{}", input) }', id="helper that changes it"),
    ],
)
def test_a_macro_of_another_form_is_opaque(old: str, new: str) -> None:
    found = api("capi_macros::declare_own!(wasm_foo_t);", MACROS.replace(old, new, 1)).inventory
    assert small.whys(found) == ["declare_own! is a proc macro that makes link-time names"]


def quoted(body: str) -> QuotedMacro:
    (item,) = read(read_trees(f"#[proc_macro] fn m(i: T) -> T {{ {body} }}", "lib.rs")).items
    macro = read_quoted(item, {"f": ()})
    assert macro is not None
    return macro


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ('format_ident!("{}_x", t)', "foo_t_x"),
        ('format_ident!("a_{}_{}", t, "b")', "a_foo_t_b"),
        ('format_ident!("{t}_x")', "foo_t_x"),
        ('format_ident!("x_{}", &t.to_string()[..t.to_string().len() - 2])', "x_foo"),
        ("t.clone()", "foo_t"),
        ("t", "foo_t"),
        ("&t[..t.len() - 1]", "foo_"),
        ("&t[..t.len() - 99]", ""),
        ("t[1..]", "?"),
        ("f(t)", "?"),
        ("", "?"),
    ],
)
def test_what_a_let_says(value: str, expected: str) -> None:
    made = quoted(f"let t = f(i); let x = {value}; quote! {{ fn #x() }}")
    assert render(made.expand(read_trees("foo_t", "a.rs"))).replace(" ", "") == f"fn{expected}()"


def test_only_one_identifier_can_be_followed() -> None:
    macro = quoted("let t = f(i); quote! { fn #t() {} }")
    for arguments in ("a, b", "a b", "(a)", '"a"', ""):
        with pytest.raises(NoMatchError):
            macro.expand(read_trees(arguments, "a.rs"))
