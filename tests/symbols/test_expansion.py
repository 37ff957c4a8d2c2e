from __future__ import annotations

from collections.abc import Mapping

import pytest
from symbols import small

from patchbot.symbols.expansion import MAX_DEPTH, Expander
from patchbot.symbols.rust.facts import Facts
from patchbot.symbols.rust.templates import Naming
from patchbot.symbols.scan import scan

OPAQUE = frozenset({"opaque", "Opaque"})
NAMING = Naming(suffix="_12", stringify=frozenset({"versioned"}), suffix_only=frozenset({"suffix"}),
                export=frozenset({"versioned_export"}), link=frozenset({"versioned_link"}))  # fmt: skip

EXPORT = 'macro_rules! export { ($n:ident) => { #[no_mangle] extern "C" fn $n() {} } }\n'


def expander(source: str, modules: Mapping[str, str] | None = None) -> Expander:
    files = {"src/lib.rs": source, **{f"src/{name}.rs": text for name, text in (modules or {}).items()}}
    return Expander(small.corpus(files), NAMING, {}, OPAQUE)


def collect(source: str, modules: Mapping[str, str] | None = None) -> Facts:
    return expander(source, modules).collect()


def exported(facts: Facts) -> list[str]:
    return [item.name.text for item in facts.items if item.attribute("no_mangle")]


def doubts(facts: Facts) -> list[str]:
    return [doubt.why for doubt in facts.doubts]


# -- files ------------------------------------------------------------------------------------------


def test_a_file_is_read_only_if_it_can_matter() -> None:
    found = expander(
        "mod a; mod b; mod c; fn f() {}",
        {
            "a": "#[no_mangle] fn g() {}",
            "b": "export!(h);",
            "c": "harmless!(i);",
            "d": EXPORT,
            "e": "macro_rules! harmless { ($n:ident) => {} }",
            "f": "fn versioned() {}",
        },
    )
    assert exported(found.collect()) == ["g", "h"]
    assert [path.removeprefix("crates/runtime/src/") for path in found.files] == [
        "a.rs",
        "d.rs",
        "f.rs",
        "b.rs",
    ]


def test_a_macro_matters_if_it_calls_one_that_does_in_any_order_of_files() -> None:
    modules = {
        "a": "third!(f);",
        "b": "macro_rules! third { ($n:ident) => { second!($n); } }",
        "c": "macro_rules! second { ($n:ident) => { export!($n); } }",
        "d": EXPORT,
    }
    assert exported(collect("", modules)) == ["f"]


# -- following --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("source", "names"),
    [
        ("export!(f); export![g]; export!{h}", ["f", "g", "h"]),
        ("mod m { crate::export!(f); }", ["f"]),
        ("fn x() { let y = { export!(f); 1 }; }", ["f"]),
        ("macro_rules! each { ($m:ident) => { $m!(f); $m!(g); } } each!(export);", ["f", "g"]),
        ("macro_rules! pass { ($($i:item)*) => { $($i)* } } pass! { #[no_mangle] fn f() {} }", ["f"]),
        ("macro_rules! attr { (#[$a:meta] $n:ident) => { #[$a] fn $n() {} } } attr!(#[no_mangle] f);", ["f"]),
        ("macro_rules! p { ($n:ident) => { paste! { export!([<$n _1>]); } } } p!(f);", ["f_1"]),
        ('println!("{}", { export!(f); 1 });', ["f"]),
        ("assert!({ #[no_mangle] fn f() {} true });", ["f"]),
        ("thread_local! { static X: u8 = { export!(f); 1 } }", ["f"]),
        ("macro_rules! two { (a) => { export!(f); }; (b) => { export!(g); } } two!(b);", ["g"]),
        ("macro_rules! harmless { ($($t:tt)*) => {} } harmless!(export no_mangle_not);", []),
    ],
)  # fmt: skip
def test_macros_are_followed(source: str, names: list[str]) -> None:
    found = collect(EXPORT + source)
    assert exported(found) == names
    assert doubts(found) == []


def test_imports_that_a_macro_makes_are_foreign() -> None:
    source = 'macro_rules! import { ($abi:literal $n:ident) => { extern $abi { fn $n(); } } } import!("C" f);'
    (item,) = collect(source).items
    assert (item.name.text, item.foreign) == ("f", True)


def test_a_macro_inside_of_a_foreign_block_makes_imports() -> None:
    source = (
        'macro_rules! import { ($n:ident) => { #[link_name = "x"] fn $n(); } } extern "C" { import!(f); }'
    )
    (item,) = collect(source).items
    assert (item.name.text, item.foreign) == ("f", True)


def test_assembly_dwarf_names_and_more_are_found_in_expansions() -> None:
    found = collect('macro_rules! a { ($n:expr) => { global_asm!($n); } } a!("x");')
    assert [assembly.name.text for assembly in found.assembly] == ["global_asm"]


def test_each_definition_of_a_macro_is_taken_with_its_own_conditions() -> None:
    source = f"#[cfg(a)] {EXPORT} #[cfg(b)] macro_rules! export {{ ($n:ident) => {{ #[no_mangle] static $n: u8 = 1; }} }}"
    found = collect(f"{source} #[cfg(c)] export!(f);")
    assert [(item.kind, item.cfgs) for item in found.items] == [("fn", ("c", "a")), ("static", ("c", "b"))]


def test_the_conditions_of_another_crates_macro_do_not_count() -> None:
    imported, files = small.upstream(change={
        "crates/asm-macros/src/lib.rs": f"#[cfg(a)] #[macro_export] {EXPORT}",
        "crates/runtime/src/lib.rs": "#[cfg(c)] wasmtime_asm_macros::export!(f);",
    })  # fmt: skip
    found = scan(imported, files, small.POLICY).inventory
    assert small.symbol(found, "f").cfg == "c"


def test_conditions_around_a_call_hold_in_its_expansion() -> None:
    (item,) = collect(f"{EXPORT} #[cfg(a)] mod m {{ cfg_if! {{ if #[cfg(b)] {{ export!(f); }} }} }}").items
    assert item.cfgs == ("a", "b")


# -- doubts -----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("source", "why"),
    [
        ("smallvec! { #[no_mangle] fn f() {} }", "smallvec! cannot be followed and is given what makes link-time names"),
        ("smallvec! { #[r#no_mangle] fn f() {} }", "smallvec! cannot be followed and is given what makes link-time names"),
        ('smallvec! { extern "C" { fn f(); } }', "smallvec! cannot be followed and is given what makes link-time names"),
        ("smallvec!(export);", "smallvec! cannot be followed and is given what makes link-time names"),
        ("smallvec!(#[versioned_export] fn f() {});", "smallvec! cannot be followed and is given what makes link-time names"),
        ("export!(1);", "export! cannot be followed and is given what makes link-time names"),
        ("opaque!(f);", "opaque! is a proc macro that makes link-time names"),
        ("a::opaque! {}", "opaque! is a proc macro that makes link-time names"),
        ("macro_rules! o { () => { opaque!(); } } o!();", "opaque! is a proc macro that makes link-time names"),
        ("#[opaque] fn f() {}", "#[opaque] is a proc macro that makes link-time names"),
        ("mod m { #![a::opaque] }", "#[opaque] is a proc macro that makes link-time names"),
        ("fn g() { #[derive(Clone, Opaque)] struct S; }", "#[Opaque] is a proc macro that makes link-time names"),
        ("use export as other; other!(f);", "export is given another name, which is not followed"),
        ("use core::arch::{global_asm as ga}; ga!();", "global_asm is given another name, which is not followed"),
        ("use a::opaque as o; o!();", "opaque is given another name, which is not followed"),
        ("use a::versioned_export as v; #[v] fn f() {}", "versioned_export is given another name, which is not followed"),
        (
            "macro_rules! outer { ($n:ident) => { macro_rules! inner { () => { export!($n); } } } } outer!(f); inner!();",
            "outer! defines inner!, which is not followed",
        ),
    ],
)  # fmt: skip
def test_what_cannot_be_followed_is_a_doubt(source: str, why: str) -> None:
    found = collect(EXPORT + source)
    assert set(doubts(found)) == {why}
    text = EXPORT + source
    last = why.partition("!")[0].partition(" ")[0].strip("#[]")
    assert all(text[doubt.place.start :].startswith((last, "inner")) for doubt in found.doubts)


@pytest.mark.parametrize(
    "source",
    [
        pytest.param("smallvec!(f);", id="nothing of interest is given"),
        pytest.param('smallvec!("no_mangle");', id="a string"),
        pytest.param("versioned!(f); suffix!();", id="upstream's own"),
        pytest.param("use a::b as c; fn f(x: c) {}", id="another name for something else"),
        pytest.param("#[cfg(test)] mod t { unknown!(no_mangle); opaque!(); }", id="tests only"),
        pytest.param("fn f() { let opaque = 1; }", id="a variable"),
        pytest.param(
            "macro_rules! o { () => { macro_rules! i { () => {} } } } o!();", id="a harmless inner macro"
        ),
        pytest.param('smallvec!(DW_AT_linkage_name = "x");', id="dwarf alone"),
    ],
)
def test_no_doubt(source: str) -> None:
    assert doubts(collect(source)) == []


@pytest.mark.parametrize("copies", [2, 5])
def test_macros_that_call_each_other_without_end_are_a_doubt_and_end(copies: int) -> None:
    calls = "r!($n);" * copies
    found = collect(f"macro_rules! r {{ ($n:ident) => {{ {calls} #[no_mangle] fn $n() {{}} }} }} r!(f);")
    assert set(doubts(found)) == {
        "r! expands too deep to be followed",
        "r! cannot be followed and is given what makes link-time names",
    }


def test_an_expansion_that_grows_without_end_is_a_doubt() -> None:
    body = "#[no_mangle] fn f() {} r!($($t)* $($t)* $($t)* $($t)* $($t)* $($t)*);"
    found = collect(f"macro_rules! r {{ ($($t:tt)*) => {{ {body} }} }} r!(a b);")
    assert "r! cannot be followed and is given what makes link-time names" in doubts(found)


def test_a_variant_that_grows_without_end_is_a_doubt_beside_one_that_does_not() -> None:
    grows = (
        "macro_rules! r { ($($t:tt)*) => { #[no_mangle] fn f() {} r!($($t)* $($t)* $($t)* $($t)* $($t)*); } }"
    )
    ends = "macro_rules! r { ($($t:tt)*) => { #[no_mangle] fn g() {} } }"
    found = collect(f"{ends} {grows} r!(a b c d e);")
    assert {"f", "g"} == set(exported(found))
    assert doubts(found)


def test_a_chain_as_deep_as_upstreams_is_followed() -> None:
    chain = "".join(
        f"macro_rules! m{n} {{ ($n:ident) => {{ m{n + 1}!($n); }} }}\n" for n in range(MAX_DEPTH - 1)
    )
    last = EXPORT.replace("export", f"m{MAX_DEPTH - 1}")
    found = collect(f"{chain}{last}m0!(f);")
    assert (exported(found), doubts(found)) == (["f"], [])


def test_assembly_of_an_expansion_remembers_its_call() -> None:
    source = 'macro_rules! a { ($n:expr) => { global_asm!($n); } }\nglobal_asm!("x");\nfn f() { a!("y"); }'
    callers = [assembly.caller for assembly in collect(source).assembly]
    assert callers[0] is None
    assert callers[1] is not None
    assert callers[1].start == source.index('a!("y")')


def test_a_view_of_the_sources_is_followed_by_what_it_has() -> None:
    source = f"#[cfg(unix)] {EXPORT} #[cfg(windows)] {EXPORT.replace('no_mangle', 'export_name')} export!(f);"
    files = {"src/lib.rs": source}
    corpus = small.corpus(files)
    whole = Expander(corpus, NAMING, {}, OPAQUE)
    assert len(whole.collect().items) == 2
    for condition, attribute in (("unix", "no_mangle"), ("windows", "export_name")):
        view = corpus.only(lambda macro, c=condition: macro.cfgs == (c,))  # type: ignore[misc]
        (item,) = whole.within(view).collect().items
        assert item.attribute(attribute)
