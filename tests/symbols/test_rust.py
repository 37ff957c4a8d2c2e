from __future__ import annotations

import pytest

from patchbot.symbols.rust.attributes import attributes
from patchbot.symbols.rust.facts import Facts, Item
from patchbot.symbols.rust.reader import read
from patchbot.symbols.rust.tokens import Group, read_trees, render
from patchbot.symbols.rust.words import CARRIERS, TRIGGERS, has_foreign_block, is_worth_reading, mentions

Row = tuple[str, str, tuple[str, ...]]


def facts(source: str, *, tests: bool = False) -> Facts:
    return read(read_trees(source, "a.rs"), tests=tests)


def rows(found: Facts) -> list[Row]:
    """Return kind, name and attributes of each item."""
    return [(item.kind, item.name.text, tuple(a.name.text for a in item.attributes)) for item in found.items]


def only(source: str) -> Item:
    (item,) = facts(source).items
    return item


# -- attributes -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        ("no_mangle", [("no_mangle", "", "", "")]),
        ("unsafe(no_mangle)", [("no_mangle", "", "", "")]),
        ("r#no_mangle", [("no_mangle", "", "", "")]),
        ('export_name = "x"', [("export_name", '"x"', "", "")]),
        ('unsafe(export_name = concat!("x", y!()))', [("export_name", 'concat!("x", y!())', "", "")]),
        ("a::b::versioned", [("versioned", "", "", "")]),
        ("cfg(all(unix, miri))", [("cfg", "", "all(unix, miri)", "")]),
        ("cfg_attr(unix, no_mangle)", [("no_mangle", "", "", "unix")]),
        (
            'cfg_attr(unix, inline, unsafe(export_name = "x"),)',
            [("inline", "", "", "unix"), ("export_name", '"x"', "", "unix")],
        ),
        ("cfg_attr(unix, cfg_attr(miri, no_mangle))", [("no_mangle", "", "", "all(unix, miri)")]),
        ("unsafe(cfg_attr(unix, no_mangle))", [("no_mangle", "", "", "unix")]),
        ("cfg_attr(unix)", []),
        ("", []),
        ('"x"', []),
    ],
)
def test_attributes_are_opened(source: str, expected: list[tuple[str, str, str, str]]) -> None:
    (group,) = read_trees(f"[{source}]", "a.rs")
    assert isinstance(group, Group)
    found = [(a.name.text, render(a.value), render(a.arguments), a.cfg) for a in attributes([group])]
    assert found == expected


# -- items ------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "source",
    [
        pytest.param("fn f() {}", id="no attribute"),
        pytest.param("static X: u8 = 1;", id="plain static"),
        pytest.param("fn f() { let no_mangle = 1; }", id="a variable of that name"),
        pytest.param('fn f() { let x = "#[no_mangle] fn g() {}"; }', id="string"),
        pytest.param("// #[no_mangle] fn g() {}", id="comment"),
        pytest.param("#[cfg(test)] mod tests { #[no_mangle] fn f() {} }", id="test module"),
        pytest.param("#[cfg(test)] #[no_mangle] fn f() {}", id="test item"),
        pytest.param("#[test] #[no_mangle] fn f() {}", id="test function"),
        pytest.param("#[cfg(all(unix, test))] #[no_mangle] fn f() {}", id="test on unix"),
        pytest.param("#[cfg(any(test, all(unix, test)))] #[no_mangle] fn f() {}", id="test either way"),
        pytest.param("#![cfg(test)]\n#[no_mangle] fn f() {}", id="test file"),
        pytest.param("#[cfg(any())] #[no_mangle] fn f() {}", id="no build at all"),
        pytest.param('#[cfg(test)] extern "C" { fn f(); }', id="test imports"),
        pytest.param("#[cfg(test)] #[no_mangle] static X: u8 = 1; ", id="test static"),
        pytest.param('let f: extern "C" fn(u8) = g;', id="function type"),
        pytest.param('extern crate a; extern "C" fn f() {}', id="other uses of extern"),
        pytest.param("#[cfg_attr(test, no_mangle)] fn f() {}", id="attribute in tests"),
    ],
)  # fmt: skip
def test_no_item_of_interest(source: str) -> None:
    assert [row for row in rows(facts(source)) if "no_mangle" in row[2] or row[1] == "f"] == []
    assert facts(source).doubts == []


@pytest.mark.parametrize(
    "cfg",
    [
        "not(test)", "any(test, unix)", "all(unix, any(unix, test))", "all(unix, not(test))", 'feature = "test"',
        "all(any(all(unix, test), windows))", "testing", "all()",
    ],
)  # fmt: skip
def test_what_some_build_other_than_a_tests_has_is_not_left_out(cfg: str) -> None:
    assert rows(facts(f"#[cfg({cfg})] #[no_mangle] fn f() {{}}")) == [("fn", "f", ("cfg", "no_mangle"))]


def test_what_only_tests_have_can_be_asked_for() -> None:
    assert rows(facts("#[cfg(test)] #[no_mangle] fn f() {}", tests=True)) == [
        ("fn", "f", ("cfg", "no_mangle"))
    ]


@pytest.mark.parametrize(
    ("source", "kind", "name"),
    [
        ("#[no_mangle] fn f() {}", "fn", "f"),
        (
            '#[no_mangle] pub(in a::b) const unsafe extern "C" fn f<T: X>(a: T) -> u8 where T: Y { 1 }',
            "fn",
            "f",
        ),
        ("#[no_mangle] pub async fn r#f() {}", "fn", "r#f"),
        ("#[no_mangle] fn f();", "fn", "f"),
        ("#[no_mangle] static f: u8 = 1;", "static", "f"),
        ("#[no_mangle] pub static mut f: [u8; 4] = [0; 4];", "static", "f"),
        ("#[inline] /// doc\n #[no_mangle] fn f() {}", "fn", "f"),
        ("impl S { #[no_mangle] fn f() {} }", "fn", "f"),
        ("mod a { mod b { #[no_mangle] fn f() {} } }", "fn", "f"),
        ("fn g() { if x { #[no_mangle] fn f() {} } }", "fn", "f"),
        ("const _: () = { #[no_mangle] fn f() {} };", "fn", "f"),
        ("fn g() -> [u8; {1}] { #[no_mangle] fn f() {} }", "fn", "f"),
        ("fn g(x: [u8; { #[no_mangle] fn f() {} 1 }]) {}", "fn", "f"),
        ("fn g() -> [u8; { #[no_mangle] fn f() {} 1 }];", "fn", "f"),
        ("static X: A = A { a: { #[no_mangle] fn f() {} 1 } };", "fn", "f"),
        ("macro_rules! m { () => {} } #[no_mangle] fn f() {}", "fn", "f"),
        ("x!(); #[no_mangle] fn f() {}", "fn", "f"),
        ("x! {} #[no_mangle] fn f() {}", "fn", "f"),
        ("use a::{b, c}; #[no_mangle] fn f() {}", "fn", "f"),
        ("paste::paste! { #[no_mangle] fn [<f>]() {} }", "fn", "f"),
    ],
)
def test_an_exported_item_is_found_wherever_it_stands(source: str, kind: str, name: str) -> None:
    (item,) = [item for item in facts(source).items if item.attribute("no_mangle")]
    assert (item.kind, item.name.text, item.foreign) == (kind, name, False)


def test_attributes_belong_to_the_next_item_only() -> None:
    source = "#[no_mangle] static A: u8 = { fn g() {} 1 }; #[inline] fn b() {} fn c() {}"
    assert rows(facts(source)) == [("static", "A", ("no_mangle",)), ("fn", "b", ("inline",))]


def test_all_attributes_of_one_purpose_are_kept() -> None:
    item = only('#[cfg_attr(unix, export_name = "a")] #[cfg_attr(windows, export_name = "b")] fn f() {}')
    assert [(render(a.value), a.cfg) for a in item.all("export_name")] == [
        ('"a"', "unix"),
        ('"b"', "windows"),
    ]
    assert item.attribute("no_mangle") is None


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        ('extern "C" { fn f(); }', [("fn", "f", ())]),
        ("extern { fn f(a: u8, ...) -> u8; }", [("fn", "f", ())]),
        ('unsafe extern "C-unwind" { pub safe fn f(); }', [("fn", "f", ())]),
        ('extern r"C" { static f: u8; static mut g: u8; }', [("static", "f", ()), ("static", "g", ())]),
        ('extern "C" { #[link_name = "x"] #[allow(y)] pub fn f(); }', [("fn", "f", ("link_name", "allow"))]),
        ('fn h() { extern "C" { fn f(); } }', [("fn", "f", ())]),
        ('#[link(name = "x")] extern "C" { fn f(); }', [("fn", "f", ())]),
        ('paste! { extern "C" { fn [<f>](); } }', [("fn", "f", ())]),
        ('cfg_if! { if #[cfg(unix)] { extern "C" { fn f(); } } }', [("fn", "f", ())]),
        ('extern "C" { cfg_if! { if #[cfg(unix)] { fn f(); } } }', [("fn", "f", ())]),
        ('extern "C" {}', []),
    ],
)
def test_foreign_items_are_found(source: str, expected: list[Row]) -> None:
    found = facts(source)
    assert rows(found) == expected
    assert all(item.foreign for item in found.items)


def test_the_head_of_an_item_is_its_first_word_behind_the_attributes() -> None:
    source = 'extern "C" { #[a] /* b */ pub(crate) fn f(); }'
    assert source[only(source).head.start :].startswith("pub(crate) fn f")


def test_macro_calls_in_a_foreign_block_are_foreign() -> None:
    inside, outside = facts('extern "C" { imports!(f); } exports!(g);').calls
    assert (inside.name.text, inside.foreign) == ("imports", True)
    assert (outside.name.text, outside.foreign) == ("exports", False)


@pytest.mark.parametrize(
    ("source", "cfgs"),
    [
        ("#[cfg(unix)] #[no_mangle] fn f() {}", ("unix",)),
        ("#[cfg(unix)] mod a { #[cfg(miri)] #[no_mangle] fn f() {} }", ("unix", "miri")),
        ("#![cfg(unix)] #[no_mangle] fn f() {}", ("unix",)),
        ("mod a { #![cfg(unix)] #[no_mangle] fn f() {} }", ("unix",)),
        ("fn g() { #[cfg(unix)] { #[no_mangle] fn f() {} } }", ("unix",)),
        ("#[cfg(unix)] impl S { #[no_mangle] fn f() {} }", ("unix",)),
        ("cfg_if! { if #[cfg(a)] {} else if #[cfg(b)] { #[no_mangle] fn f() {} } else {} }", ("not(a)", "b")),
        ("cfg_if::cfg_if! { if #[cfg(a)] {} else { #[no_mangle] fn f() {} } }", ("not(a)",)),
        (
            "cfg_if! { if #[cfg(a)] { cfg_if! { if #[cfg(b)] {} else { #[no_mangle] fn f() {} } } } }",
            ("a", "not(b)"),
        ),
        ("cfg_select! { a => {} b => { #[no_mangle] fn f() {} } _ => {} }", ("not(a)", "b")),
        ("cfg_select! { a => {}, _ => { #[no_mangle] fn f() {} } }", ("not(a)",)),
        ("cfg_select! { a => x, all(b, c) => { #[no_mangle] fn f() {} } }", ("not(a)", "all(b, c)")),
        (
            "cfg_if! { if #[cfg(a)] { cfg_select! { b => { #[no_mangle] fn f() {} } _ => {} } } }",
            ("a", "b"),
        ),
        ("cfg_select! { a => #[no_mangle] fn f() {}, _ => y }", ("a",)),
    ],
)
def test_conditions_around_an_item(source: str, cfgs: tuple[str, ...]) -> None:
    (item,) = [item for item in facts(source).items if item.attribute("no_mangle")]
    assert item.cfgs == cfgs


# -- what else is reported ---------------------------------------------------------------------------


def test_assembly_is_reported_with_its_arguments() -> None:
    found = facts(
        'global_asm!("a", b); fn f() { unsafe { core::arch::asm!("c") } naked_asm!("d"); }'
    ).assembly
    assert [(a.name.text, render(a.arguments)) for a in found] == [
        ("global_asm", '"a", b'), ("asm", '"c"'), ("naked_asm", '"d"'),
    ]  # fmt: skip


def test_modules_in_other_files_are_reported_with_where_they_may_be() -> None:
    source = '#[cfg(a)] mod b; mod c { #[path = "x.rs"] pub mod d; } mod e {}'
    found = [(m.name, m.path, m.folder, m.cfgs) for m in facts(source).modules]
    assert found == [("b", "", (), ("a",)), ("d", "x.rs", ("c",), ())]


@pytest.mark.parametrize(
    ("attributes", "paths"),
    [
        ("", [""]),
        (r'#[path = r"x.rs"]', ["x.rs"]),
        (r'#[path = "\x78.rs"]', ["x.rs"]),
        ('#[cfg_attr(a, path = "x.rs")]', ["x.rs", ""]),
        ('#[cfg_attr(a, path = "x.rs")] #[cfg_attr(not(a), path = "y.rs")]', ["x.rs", "y.rs", ""]),
        ('#[cfg_attr(test, path = "x.rs")]', [""]),
    ],
)
def test_a_module_can_be_in_several_files(attributes: str, paths: list[str]) -> None:
    assert [module.path for module in facts(f"{attributes} mod m;").modules] == paths


def test_a_module_whose_file_a_macro_names_is_a_doubt() -> None:
    (doubt,) = facts("#[path = $p] mod m;").doubts
    assert doubt.why == "the module m is in a file that cannot be known"


def test_macros_and_their_calls_are_reported() -> None:
    found = facts("mod a { macro_rules! m { () => {} } #[cfg(b)] m!(c); } fn f() { d::m![]; let x = m!{}; }")
    assert [macro.name for macro in found.macros] == ["m"]
    assert [(call.name.text, call.arguments.delimiter, call.cfgs) for call in found.calls] == [
        ("m", "(", ("b",)), ("m", "[", ()), ("m", "{", ()),
    ]  # fmt: skip


def test_a_call_knows_its_path_and_raw_names_are_plain() -> None:
    found = facts("a::b::m!(x); r#m![]; $crate::m!(); a::r#m! {}").calls
    assert [(call.name.text, call.path) for call in found] == [
        ("m", ("a", "b")), ("m", ()), ("m", ("crate",)), ("m", ("a",)),
    ]  # fmt: skip


def test_exported_macros_are_told_apart() -> None:
    found = facts("#[macro_export] macro_rules! a { () => {} } macro_rules! r#b { () => {} }").macros
    assert [(macro.name, macro.exported) for macro in found] == [("a", True), ("b", False)]


@pytest.mark.parametrize(
    ("source", "names"),
    [
        ("#[inline] #[cfg(a)] #[rustfmt::skip] #[derive(Clone, Debug)] struct S;", []),
        ("#[a::b] fn f() {}", ["b"]),
        ("#[cfg_attr(x, inline, a)] mod m {}", ["a"]),
        ("#[derive(Clone, a::B)] struct S { #[c(d)] e: u8 }", ["B", "c"]),
        ("#![a] fn f(#[b] x: u8) { #[c] let y = 1; }", ["a", "b", "c"]),
        ("#[cfg(test)] #[a] fn f() {} #[cfg_attr(test, b)] fn g() {}", []),
    ],
)
def test_attributes_that_the_language_does_not_have_are_reported(source: str, names: list[str]) -> None:
    assert sorted(attribute.name.text for attribute in facts(source).attributes) == names


@pytest.mark.parametrize(
    ("source", "why"),
    [
        ('extern "C" { fn $n(); }', "a foreign item whose name cannot be read"),
        ('extern "C" { pub static mut $n: u8; }', "a foreign item whose name cannot be read"),
        ('#[link(name = "x", kind = "static")] extern "C" {}', "#[link] brings in a static library, whose names are not read"),
        ('#[cfg_attr(a, link(kind = "static", name = "x"))] extern "C" {}', "#[link] brings in a static library, whose names are not read"),
    ],
)  # fmt: skip
def test_imports_that_cannot_be_read_are_a_doubt(source: str, why: str) -> None:
    (doubt,) = facts(source).doubts
    assert doubt.why == why


@pytest.mark.parametrize(
    "source",
    [
        'extern "C" { static x: Option<unsafe extern "C" fn(u8)>; }',
        '#[link(name = "x", kind = "dylib")] extern "C" {}',
    ],
)
def test_no_doubt_of_other_imports(source: str) -> None:
    assert facts(source).doubts == []


def test_a_macro_that_is_not_written_as_one_is_a_doubt() -> None:
    (doubt,) = facts("macro_rules! m { nonsense }").doubts
    assert doubt.why == "the macro m is not written as a macro is"


def test_names_for_dwarf_are_reported() -> None:
    source = 'm!(a => { gimli::DW_AT_linkage_name = x("f"), DW_AT_name = "g" }); fn f() { DW_AT_linkage_name = "h"; }'
    assert [render(name.value) for name in facts(source).dwarf] == ['x("f")', '"h"']


def test_a_mention_of_the_dwarf_attribute_is_no_name() -> None:
    assert facts("f(gimli::DW_AT_linkage_name, x); m!(DW_AT_linkage_name)").dwarf == []


def test_names_hidden_by_use_are_reported() -> None:
    source = "use a::b as c; use d::{e as f, g, h::{i as j}}; fn k() { let l = m as u8; }"
    assert [name.text for name in facts(source).renames] == ["b", "e", "i"]


@pytest.mark.parametrize(
    "source",
    [
        pytest.param("#[no_mangle] m!(x);", id="macro call"),
        pytest.param("fn f() { #![no_mangle] }", id="inner attribute"),
        pytest.param("macro m($n:ident) { #[no_mangle] fn $n() {} }", id="macro 2.0"),
        pytest.param('#[export_name = "x"] const A: u8 = 1;', id="constant"),
        pytest.param("#[no_mangle] mod a {}", id="module"),
        pytest.param("#[cfg_attr(unix, unsafe(no_mangle))]", id="nothing at all"),
        pytest.param("fn f() { #[no_mangle] x }", id="expression"),
    ],
)
def test_an_attribute_that_exports_nothing_that_is_read_is_a_doubt(source: str) -> None:
    (doubt,) = facts(source).doubts
    assert doubt.why.endswith("stands on no item that can be read")
    assert source[doubt.place.start :].startswith(("no_mangle", "export_name"))


@pytest.mark.parametrize("source", ["#[cfg(test)] #[no_mangle] m!(x);", "#[inline] m!(x);", "#[link_name] x"])
def test_no_doubt_of_other_attributes(source: str) -> None:
    assert facts(source).doubts == []


# -- what is worth reading --------------------------------------------------------------------------


@pytest.mark.parametrize("word", sorted(TRIGGERS | CARRIERS))
@pytest.mark.parametrize(
    "use", ["{}!(x)", "{} /* c */ ! (x)", "#[{} ] fn", "m!({})", "m!(a, {}, b)", "use a::{} as b;"]
)
def test_a_file_with_a_trigger_is_read(word: str, use: str) -> None:
    if "asm" in word or word in CARRIERS:
        use = use.replace("#[{} ] fn", "{} !{{}}")
    assert is_worth_reading(use.format(word).encode())


@pytest.mark.parametrize(
    "source",
    [
        'extern "C" {', "extern{", 'extern  "C-unwind"\n{', 'extern r#"C"# {', "extern $abi {", "include!(x)",
        'extern /* c */ "C" /* c */ {', 'm!(unsafe extern "C")', "m!(extern)", 'extern "C" /* fn */ {',
        'extern\u2028"C" {', '"// x"; extern "C" {', '/*\n// */ extern "C" {',
    ],
)  # fmt: skip
def test_a_file_with_a_foreign_block_is_read(source: str) -> None:
    assert is_worth_reading(source.encode())


@pytest.mark.parametrize(
    "source",
    [
        "extern crate x;", 'extern "C" fn f() {', "asm_func!()", "linkages", "no_mangles", "include_str!()",
        "wasm!(x)", "use x as asm;", "mod asm;", "asm::inst", "  // #[no_mangle], global_asm! and extern {", "/// we include, or paste them\n",
    ],
)  # fmt: skip
def test_a_file_without_one_is_not(source: str) -> None:
    assert not is_worth_reading(source.encode())


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        ('a { ( extern "C" { fn f(); } ) }', True),
        ("extern $abi { fn f(); }", True),
        ('extern "C" fn f() {}', False),
        ("extern fn f() {} extern crate x; type F = unsafe extern $abi fn();", False),
        ("extern", True),
        ('unsafe extern "C"', True),
        ("extern $abi $(fn)?", True),
    ],
)
def test_foreign_blocks_are_found_at_any_depth(source: str, *, expected: bool) -> None:
    assert has_foreign_block(read_trees(source, "a.rs")) is expected


def test_words_are_found_at_any_depth_but_not_in_strings() -> None:
    trees = read_trees('a ( [ r#b ] ) "c"', "a.rs")
    assert mentions(trees, frozenset({"b"}))
    assert not mentions(trees, frozenset({"c"}))


def test_facts_add_up() -> None:
    both = "fn a() {} #[x] fn b() {} m!(); asm!(); mod c; use d as e; macro_rules! m { x }"
    total = facts(both)
    total.add(facts(both))
    once = facts(both)
    for name in ("items", "calls", "assembly", "macros", "modules", "dwarf", "renames", "aliases", "doubts"):
        assert getattr(total, name) == getattr(once, name) * 2
