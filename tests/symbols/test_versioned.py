from __future__ import annotations

import pytest
from support.upstream import VERSIONED_MACROS

from patchbot.symbols.rust.templates import Naming
from patchbot.symbols.rust.tokens import read_trees
from patchbot.symbols.rust.versioned import ProcMacros, read_proc_macros

CONST = 'const VERSION: &str = env!("CARGO_PKG_VERSION");'


def macros(source: str, helpers: str = "", version: str = "12.0.2") -> ProcMacros:
    return read_proc_macros(read_trees(source, "lib.rs"), read_trees(helpers, "helpers.rs")).at(version)


def test_upstreams_macros_are_told_apart_by_what_they_make() -> None:
    assert macros(VERSIONED_MACROS).naming == Naming(
        suffix="_12_0_2",
        stringify=frozenset({"versioned_stringify_ident"}),
        suffix_only=frozenset({"versioned_suffix"}),
        export=frozenset({"versioned_export"}),
        link=frozenset({"versioned_link"}),
    )
    assert macros(VERSIONED_MACROS).opaque == frozenset()


def test_the_version_is_the_crates_own_and_its_expression_is_where_the_mark_goes() -> None:
    found = macros(VERSIONED_MACROS, version="36.0.20")
    assert found.naming.suffix == "_36_0_20"
    assert found.version is not None
    assert VERSIONED_MACROS[found.version.start : found.version.end] == 'env!("CARGO_PKG_VERSION")'


def test_a_prerelease_is_read_as_an_identifier() -> None:
    assert macros(VERSIONED_MACROS, version="50.0.0-rc.1").naming.suffix == "_50_0_0_rc_1"


def test_a_rewritten_crate_names_its_version_itself() -> None:
    source = VERSIONED_MACROS.replace('env!("CARGO_PKG_VERSION")', '"12_0_2_pb"')
    found = macros(source)
    assert found.naming.suffix == "_12_0_2_pb"
    assert found.version is not None
    assert source[found.version.start : found.version.end] == '"12_0_2_pb"'


@pytest.mark.parametrize(
    "const",
    [
        "",
        'const VERSION: u8 = env!("CARGO_PKG_VERSION");',
        'const VERSION: &str = env!("CARGO_PKG_NAME");',
        'const VERSION: &str = concat!("1", "2");',
        "const VERSION: &str;",
    ],
)
def test_without_a_version_that_can_be_read_every_macro_is_opaque(const: str) -> None:
    found = macros(VERSIONED_MACROS.replace(CONST, const))
    assert found.version is None
    assert found.naming == Naming()
    assert found.opaque == {
        "versioned_export",
        "versioned_link",
        "versioned_stringify_ident",
        "versioned_suffix",
    }


OPAQUE = """
    #[proc_macro]
    pub fn make(t: T) -> T { quote! { #[no_mangle] extern "C" fn x() {} } }
    #[proc_macro_attribute]
    pub fn change(a: T, i: T) -> T { i }
    #[proc_macro_derive(Shape, attributes(shape))]
    pub fn derive_it(t: T) -> T { t }
    pub fn no_macro() {}
"""


def test_macros_that_make_names_in_other_ways_are_opaque_by_the_name_they_are_used_with() -> None:
    assert macros(OPAQUE) == ProcMacros(Naming(), opaque=frozenset({"make", "change", "Shape"}))


def test_macros_that_make_no_names_are_not_opaque() -> None:
    harmless = OPAQUE.replace("#[no_mangle]", "")
    assert macros(harmless) == ProcMacros(Naming())


def test_a_macro_that_makes_names_of_an_identifier_is_not_opaque() -> None:
    quoted = """
        fn extract_ident(input: T) -> Ident { input.next() }
        #[proc_macro]
        pub fn declare_own(input: T) -> T {
            let ty = extract_ident(input);
            let delete = quote::format_ident!("{}_delete", ty);
            (quote! { #[no_mangle] pub extern fn #delete(_: #ty) {} }).into()
        }
    """
    found = macros(quoted + OPAQUE)
    assert [macro.name for macro in found.quoted] == ["declare_own"]
    assert found.opaque == {"make", "change", "Shape"}


def test_names_that_another_file_of_the_crate_makes_count() -> None:
    harmless = OPAQUE.replace("#[no_mangle]", "")
    assert macros(harmless, "fn f() { quote! { #[export_name = #x] } }").opaque == {"make", "change", "Shape"}
    assert macros(harmless, "fn f() {}").opaque == frozenset()


def test_a_macro_beside_upstreams_own_is_opaque() -> None:
    other = '#[proc_macro_attribute]\npub fn versioned_item(a: T, i: T) -> T { helper("export_name", i) }\n'
    found = macros(VERSIONED_MACROS + other)
    assert found.naming.export == {"versioned_export"}
    assert found.opaque == {"versioned_item"}


def test_an_empty_crate_has_no_macros() -> None:
    assert macros("") == ProcMacros(Naming())
