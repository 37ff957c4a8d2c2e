from __future__ import annotations

from pathlib import Path
from typing import cast

import pytest
from hypothesis import given
from hypothesis import strategies as st
from symbols import native, small

from patchbot.symbols.rust.macros import LIMIT, Macro, NoMatchError, TooLargeError, expand, parse_macro, paste
from patchbot.symbols.rust.tokens import Group, Span, Token, Tree, flatten, read_trees, render

CLOSING = {"(": ")", "[": "]", "{": "}", "": ""}


def macro(rules: str, *, name: str = "m", path: str = "macros.rs") -> Macro:
    """Return the macro whose rules are ``rules``, defined at byte 0 of a file."""
    (body,) = read_trees(f"{{{rules}}}", path)
    assert isinstance(body, Group)
    return parse_macro(name, body, Span(path, 0, 1), ())


def call(arguments: str) -> tuple[Tree, ...]:
    return read_trees(arguments, "calls.rs")


def spell(trees: tuple[Tree, ...]) -> str:
    """Return every token and bracket, with blanks between."""
    out = []
    for tree in trees:
        if isinstance(tree, Group):
            out += [tree.delimiter, spell(tree.children), CLOSING[tree.delimiter]]
        else:
            out.append(tree.text)
    return " ".join(part for part in out if part)


# -- by example: what rustc makes of them is what we make of them ------------------------------------

# matcher and body of each rule, an invocation, what it becomes
EXAMPLES = [
    pytest.param([("", "a b")], "", "a b", id="no parameters"),
    pytest.param([("$a:ident", "fn $a()")], "f", "fn f ( )", id="ident"),
    pytest.param([("a", "1"), ("b", "2")], "b", "2", id="second rule"),
    pytest.param([("$a:tt", "$a")], "(x y)", "( x y )", id="tt takes a group"),
    pytest.param([("$a:tt $b:tt", "$b $a")], "=> x", "x = >", id="tt takes an operator"),
    pytest.param([("$a:tt $($b:tt)*", "$a ; $($b)*")], ":: b :: c", ": : ; b : : c", id="paths by tt"),
    pytest.param([("$a:tt $b:tt $c:tt", "$c ; $a")], "a <<= b", "b ; a", id="an operator of three characters"),
    pytest.param([("$a:lifetime", "&$a")], "'x", "& 'x", id="lifetime"),
    pytest.param([("$a:literal", "$a")], "-1", "- 1", id="negative literal"),
    pytest.param([("$a:literal $b:literal", "$b")], '"x" true', "true", id="literals"),
    pytest.param([("$a:block", "fn f() $a")], "{ 1 }", "fn f ( ) { 1 }", id="block"),
    pytest.param([("$a:expr", "$a")], "f(1, 2) + 3", "f ( 1 , 2 ) + 3", id="expr to the end"),
    pytest.param([("$a:expr, $b:expr", "$b ; $a")], "1 + 2, [3]", "[ 3 ] ; 1 + 2", id="expr to a comma"),
    pytest.param([("$a:expr => $b:ident", "$b")], "x.y >= 2 => z", "z", id="expr to an arrow"),
    pytest.param([("$a:ty", "$a")], "&'a mut Vec<(u8, u16)>", "& 'a mut Vec < ( u8 , u16 ) >", id="ty"),
    pytest.param([("$a:ty, $b:ty", "$b")], "A<B, C>, [u8; 4]", "[ u8 ; 4 ]", id="ty is an array"),
    pytest.param([("$a:ty, $b:ty", "$a")], "&'a [u8], *const [u8]", "& 'a [ u8 ]", id="ty is a slice"),
    pytest.param([("$a:ty [$b:ident]", "$b")], "*mut u8 [x]", "x", id="ty before a bracket"),
    pytest.param([("$a:ty { $b:ident }", "$b")], "Vec<u8> { x }", "x", id="ty before a brace"),
    pytest.param([("$a:ty, x", "$a")], "fn(u8) -> [u8; 2], x", "fn ( u8 ) - > [ u8 ; 2 ]", id="ty is a function"),
    pytest.param([("$a:ty = $b:ident", "$b $a")], "a::B = c", "c a : : B", id="ty is a path"),
    pytest.param([("$a:path", "use $a ;")], "a::b", "use a : : b ;", id="path"),
    pytest.param([("$a:pat => $b:ident", "$b $a")], "Some(_) => x", "x Some ( _ )", id="pat"),
    pytest.param([("$v:vis fn", "$v static")], "pub(crate) fn", "pub ( crate ) static", id="vis"),
    pytest.param([("$v:vis fn", "$v static")], "pub fn", "pub static", id="plain vis"),
    pytest.param([("$v:vis fn", "$v static")], "fn", "static", id="no vis"),
    pytest.param([("#[$a:meta] $b:ident", "#[$a] $b")], "#[cfg(unix)] x", "# [ cfg ( unix ) ] x", id="meta"),
    pytest.param([("$a:item", "$a")], "fn f() -> u8 { 1 }", "fn f ( ) - > u8 { 1 }", id="item with a body"),
    pytest.param([("$($a:item)*", "$($a)*")], "use a; fn g() {}", "use a ; fn g ( ) { }", id="items"),
    pytest.param([("$($a:ident)*", "$($a ,)*")], "x y", "x , y ,", id="star"),
    pytest.param([("$($a:ident),* $(,)?", "$($a)-*")], "x, y,", "x - y", id="separators, and a trailing one"),
    pytest.param([("$($a:ident);+", "$($a)*")], "x; y; z", "x y z", id="plus"),
    pytest.param([("$($a:ident)+;", "$($a)+;")], "x y;", "x y ;", id="plus without a separator"),
    pytest.param([("$($a:ident)?", "[$($a)?]")], "", "[ ]", id="absent"),
    pytest.param([("$($a:ident)=>*", "$($a)::*")], "x => y", "x : : y", id="separators of two characters"),
    pytest.param(
        [("$($n:ident($($p:ident: $t:ty),*) $(-> $r:ty)?;)*", "$(fn $n($($p: $t),*) $(-> $r)?;)*")],
        "f(a: u8, b: &str) -> u8; g();",
        "fn f ( a : u8 , b : & str ) - > u8 ; fn g ( ) ;",
        id="repetitions in repetitions",
    ),
    pytest.param([("$a:ident $($b:ident)*", "$($a $b)*")], "x y z", "x y x z", id="outer name in a repetition"),
    pytest.param([("$($a:ident)* ; $($b:ident)*", "$($a $b)*")], "x y ; z w", "x z y w", id="two in step"),
    pytest.param([("@go $a:ident", "$a"), ("$a:ident", "m!(@go $a)")], "@go x", "x", id="internal rule"),
    pytest.param([("$r:ident", "r#fn $r")], "r#type", "r#fn r#type", id="raw identifiers"),
]  # fmt: skip


@pytest.mark.parametrize(("rules", "arguments", "expected"), EXAMPLES)
def test_expansion_by_example(rules: list[tuple[str, str]], arguments: str, expected: str) -> None:
    definition = "; ".join(f"({matcher}) => {{ {body} }}" for matcher, body in rules)
    assert spell(expand(macro(definition), call(arguments))) == expected


@native.needs_rustc
def test_the_examples_are_what_rustc_says(tmp_path: Path) -> None:
    program = "fn main() {\n"
    for example in EXAMPLES:
        rules, arguments, _ = cast("tuple[list[tuple[str, str]], str, str]", example.values)
        arms = "; ".join(f"({matcher}) => {{ stringify!({body}) }}" for matcher, body in rules)
        program += f'macro_rules! m {{ {arms} }}\nprint!("{{}}\\0", m!({arguments}));\n'
    (tmp_path / "main.rs").write_text(f"{program}}}\n")
    native.said(["rustc", "--edition", "2021", "--cap-lints", "allow", "main.rs", "-o", "main"], tmp_path)
    said = native.said([tmp_path / "main"], tmp_path).split("\0")[:-1]
    found = {example.id: spell(call(text)) for example, text in zip(EXAMPLES, said, strict=True)}
    assert found == {example.id: example.values[2] for example in EXAMPLES}


def test_a_metavariable_that_nobody_matched_stays() -> None:
    assert spell(expand(macro("($a:ident) => { $a $b }"), call("x"))) == "x $ b"


def test_rules_may_have_any_brackets() -> None:
    assert spell(expand(macro("[a] => ( b ); {c} => [ d ];"), call("c"))) == "d"


@pytest.mark.parametrize(
    ("rules", "arguments"),
    [
        pytest.param("() => {}", "x", id="too much"),
        pytest.param("($a:ident) => {}", "", id="too little"),
        pytest.param("($a:ident) => {}", "1", id="no ident"),
        pytest.param("($a:lifetime) => {}", "a", id="no lifetime"),
        pytest.param("($a:literal) => {}", "a", id="no literal"),
        pytest.param("($a:block) => {}", "(a)", id="no block"),
        pytest.param("($a:expr) => {}", "", id="no expr"),
        pytest.param("($a:ty) => {}", ";", id="no ty"),
        pytest.param("(#[$a:meta]) => {}", "#[]", id="no meta"),
        pytest.param("($a:item) => {}", "", id="no item"),
        pytest.param("(a [b]) => {}", "a (b)", id="other brackets"),
        pytest.param("(a [b]) => {}", "a [c]", id="other words in brackets"),
        pytest.param("($($a:ident)+) => {}", "", id="plus wants one"),
        pytest.param("($($a:ident),*) => {}", "x y", id="no separator"),
        pytest.param("($($a:ident),*) => {}", "x,", id="trailing separator"),
        pytest.param("($($a:ident)?) => {}", "x y", id="one at most"),
    ],
)
def test_what_no_rule_takes_is_refused(rules: str, arguments: str) -> None:
    with pytest.raises(NoMatchError):
        expand(macro(rules), call(arguments))


@pytest.mark.parametrize(
    "rules", ["() {}", "() => x", "x => {}", "() = {}", "() => {} extra", "(a) => {}; () -> {}"]
)
def test_a_definition_of_another_form_is_refused(rules: str) -> None:
    with pytest.raises(NoMatchError):
        macro(rules)


def test_crate_becomes_one_word() -> None:
    expansion = expand(macro("() => { $crate::x }"), ())
    assert [token.text for token in flatten(expansion)] == ["$crate", ":", ":", "x"]


def test_a_runaway_expansion_is_refused() -> None:
    width = int(LIMIT**0.5)
    doubled = macro("($($a:ident)*; $($b:tt)*) => { $($a $b)* }")
    words = " ".join(["x"] * width)
    assert len(expand(doubled, call(f"{words}; {words}"))) == 2 * width
    repeated = macro("($($a:ident)*; $b:tt) => { $($a $b)* }")
    with pytest.raises(TooLargeError):
        expand(repeated, call(f"{words}; ({words})"))


# -- places: what an edit needs to know ---------------------------------------------------------------


def test_a_token_of_the_body_is_written_in_the_macro_and_an_argument_at_the_call() -> None:
    first, second = flatten(expand(macro("($a:ident) => { fn $a }"), call("x")))
    assert (first.origin.path, first.origin.scope, first.sites) == ("macros.rs", 0, ())
    assert (second.origin.path, second.origin.scope) == ("calls.rs", -1)
    (site,) = second.sites
    rules = "{($a:ident) => { fn $a }}"
    assert (site.path, site.scope, rules[site.start : site.end]) == ("macros.rs", 0, "$a")


def test_an_argument_that_goes_through_two_macros_has_the_place_in_each() -> None:
    inner = macro("($b:ident) => { fn $b }", path="inner.rs")
    outer = expand(macro("($a:ident) => { $a }", path="outer.rs"), call("x"))
    _, token = flatten(expand(inner, outer))
    assert [site.path for site in token.sites] == ["outer.rs", "inner.rs"]
    assert [token.written_in(Span(f, 9, 9, scope=0)) is not None for f in ("outer.rs", "inner.rs")] == [
        True
    ] * 2


def test_an_argument_inside_of_a_group_has_its_site_too() -> None:
    (group,) = expand(macro("($a:tt) => { $a }"), call("(x)"))
    (token,) = flatten([group])
    assert [site.path for site in token.sites] == ["macros.rs"]


def test_an_expression_is_one_tree_to_the_next_macro() -> None:
    (fragment,) = expand(macro("($a:expr) => { $a }"), call("a + b"))
    assert isinstance(fragment, Group)
    assert fragment.delimiter == ""
    (again,) = expand(macro("($a:tt) => { $a }"), (fragment,))
    assert render([again]) == "a+b"


WORD = st.sampled_from(["a", "b1", "1", '"s"', "(x y)", "[z]", "{}", "+", "::", "'l"])


@given(st.lists(WORD, max_size=8))
@small.quick
def test_token_trees_pass_through_unchanged(words: list[str]) -> None:
    trees = call(" ".join(words))
    through = expand(macro("($($a:tt)*) => { $($a)* }"), trees)
    assert spell(through) == spell(trees)
    assert [t.origin for t in flatten(through)] == [t.origin for t in flatten(trees)]


@given(st.lists(st.lists(st.sampled_from("abc"), min_size=1, max_size=4), max_size=4))
@small.quick
def test_nested_repetitions_keep_their_turns(rows: list[list[str]]) -> None:
    given_rows = "".join(f"[{', '.join(row)}]" for row in rows)
    out = expand(macro("($([$($a:ident),*])*) => { $($($a)-*;)* }"), call(given_rows))
    assert spell(out) == " ".join(" - ".join(row) + " ;" for row in rows)


# -- paste ------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        ("fn [<a b>]()", "fn ab ( )"),
        ("[<a _ b>]", "a_b"),
        ('[<a "_b">]', "a_b"),
        ("[<get_ r#type>]", "get_type"),
        ("[<a 1>]", "a1"),
        ("{ ( [<a b>] ) }", "{ ( ab ) }"),
        ("[<FooBar:snake>]", "foo_bar"),
        ("[<foo_bar:camel>]", "FooBar"),
        ("[<Foo:lower Bar:upper>]", "fooBAR"),
        ("[a b]", "[ a b ]"),
        ("[<a>", None),
        ("[x < y]", "[ x < y ]"),
    ],
)
def test_pasting_joins_words_to_one_name(source: str, expected: str | None) -> None:
    if expected is None:
        source, expected = "[< a]", "[ < a ]"
    assert spell(paste(call(source))) == expected


def test_a_pasted_name_stands_where_its_brackets_do() -> None:
    (token,) = paste(call(" [<a b>]"))
    assert isinstance(token, Token)
    assert (token.origin.start, token.origin.end) == (1, 8)
