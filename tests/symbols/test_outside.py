from __future__ import annotations

import pytest
from symbols import small

from patchbot.symbols.rust import outside
from patchbot.symbols.rust.tokens import read_trees

OWN = frozenset({"own"})
ELSEWHERE = frozenset({"third"})


def names(source: str) -> set[str]:
    return set(outside.names(source.encode()))


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        ("", set()),
        ("a!(b)", {"a"}),
        ("a! [b] c!{d}", {"a", "c"}),
        ("r#a!()", {"a"}),
        ("x::y::a!()", {"y::a"}),
        ("x :: a!()", {"x::a"}),
        ("$a!() $crate::b!()", {"$crate::b"}),
        ("if !(a) {}", {"if"}),
        ("a != (b)", set()),
        ("#[a] fn f() {}", {"#a"}),
        ("#![a]", {"#a"}),
        ("#[x::a(b)] fn f() {}", {"#x::a"}),
        ("#[inline] fn f() {}", set()),
        ("#[clippy::a] fn f() {}", set()),
        ('#[path = "x"] mod a;', {"#path"}),
        ("#[cfg_attr(b, a, inline)] fn f() {}", {"#a"}),
        ("#[cfg_attr(b, cfg_attr(c, a))] fn f() {}", {"#a"}),
        ("#[unsafe(a)] fn f() {}", {"#a"}),
        ("#[derive(Clone, A, x::B)] struct S;", {"#A", "#x::B"}),
        ("use x::a as b;", {"a=b"}),
        ("use x::a as r#b;", {"a=b"}),
        ("// a!(b) #[c]\n", set()),
        ("/// a!(b)\nfn f() {}", set()),
    ],
)
def test_names_are_told_without_reading_tokens(source: str, expected: set[str]) -> None:
    assert names(source) == expected


@pytest.mark.parametrize(
    "source",
    [
        "a /* b */ !()",
        "a!/* b */()",
        "a // b\n!()",
        "# /* b */ [a] fn f() {}",
        "#[/* b */ a] fn f() {}",
        "#[r#a] fn f() {}",
        '#[cfg_attr(b, a("]")',
        "#[derive(" + "A, " * 9_000 + ")] struct S;",
    ],
    ids=range(8),
)
def test_what_hides_behind_comments_is_to_be_read(source: str) -> None:
    assert outside.UNREADABLE in names(source)


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        ("a!(b!())", {"a", "b"}),
        ("x::a!() $crate::b!()", {"x::a", "crate::b"}),
        ("$a!()", set()),
        ("a /* c */ ! /* c */ ()", {"a"}),
        ("#[a] #![b] #[inline] #[derive(Copy, C)] fn f() { d![] }", {"#a", "#b", "#C", "d"}),
        ("a[0] a ! b", set()),
    ],
)
def test_tokens_tell_the_same(source: str, expected: set[str]) -> None:
    assert set(outside.used(read_trees(source, ""))) == expected


@pytest.mark.parametrize(
    "name",
    ["own", "own::own", "#own", "std::println", "println", "anyhow", "third::anyhow", "#serde", "#Serialize"],
)
def test_what_is_known(name: str) -> None:
    assert outside.is_known(name, own=OWN, elsewhere=ELSEWHERE)


@pytest.mark.parametrize(
    "name",
    [
        "other",
        "third::own",
        "third::println",
        "#other",
        "#third::own",
        "export=lazy_static",
        outside.UNREADABLE,
    ],
)
def test_what_has_to_be_looked_at(name: str) -> None:
    """An own name behind the name of a crate from elsewhere is that crate's."""
    assert not outside.is_known(name, own=OWN, elsewhere=ELSEWHERE)


def test_a_name_that_hides_behind_a_known_one_is_to_be_looked_at() -> None:
    assert outside.hides("export", "lazy_static")
    assert not outside.hides("lazy_static", "lazy_static")
    assert not outside.hides("instrument", "lazy_static")
    assert not outside.hides("Export", "Error"), "types are called like that"


def test_a_crates_own_procedures_and_what_its_derives_read() -> None:
    source = """
        #[proc_macro] pub fn call(_: T) -> T {}
        #[proc_macro_attribute] pub fn r#mark(_: T, _: T) -> T {}
        #[proc_macro_derive(Make, attributes(made, by))] pub fn derived(_: T) -> T {}
        pub fn helper() {}
    """
    assert outside.procedures(read_trees(source, "")) >= {"call", "mark", "Make", "made", "by"}
    assert not outside.procedures(read_trees(source, "")) & {"helper", "derived"}


def test_what_upstream_takes_from_elsewhere_is_no_blind_spot_and_the_rest_is() -> None:
    found = small.scan_lib(
        '#[derive(serde::Serialize)] struct S; fn f() { log::info!("x"); thirdparty::export!(f); }'
    )
    (spot,) = found.inventory.blind_spots
    assert spot.why == "export! comes from elsewhere, and is not known"
