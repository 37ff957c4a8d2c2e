from __future__ import annotations

from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st
from symbols import small

from patchbot.symbols.rust.macros import Macro
from patchbot.symbols.rust.reader import read
from patchbot.symbols.rust.templates import MAX_PARTS, Evaluator, Naming, Template
from patchbot.symbols.rust.tokens import Token, read_trees

NAMING = Naming(suffix="_12_0_2", stringify=frozenset({"versioned"}), suffix_only=frozenset({"suffix"}))


def evaluator(macros: str = "") -> Evaluator:
    defined = read(read_trees(macros, "macros.rs")).macros

    def find(name: Token, path: tuple[str, ...]) -> Sequence[Macro]:
        return [macro for macro in defined if macro.name == name.text]

    return Evaluator(find, NAMING)


def string(source: str, macros: str = "") -> Template:
    return evaluator(macros).string(read_trees(source, "a.rs"))


def lines(source: str, macros: str = "") -> list[str]:
    return [template.text for template in evaluator(macros).templates(read_trees(source, "a.rs"))]


@pytest.mark.parametrize(
    ("source", "value"),
    [
        ('"a"', "a"),
        ('r"\\n"', "\\n"),
        ('"\\n"', "\n"),
        ("'x'", "x"),
        ("42", "42"),
        ("true", "true"),
        ('concat!("a", "b", 3)', "ab3"),
        ('concat!("a", concat!("b",), )', "ab"),
        ('std::concat!("a")', "a"),
        ("stringify!(foo)", "foo"),
        ("stringify!(a::b)", "a::b"),
        ("stringify!(.globl  x)", ".globl x"),
        ("stringify!(mov (a),b // c\n; ret)", "mov (a),b ; ret"),
        ("x::versioned!(foo)", "foo_12_0_2"),
        ('concat!("a", suffix!())', "a_12_0_2"),
        ("empty!()", ""),
        ('twice!("ab")', "abab"),
        ('outer!("x")', "<x>"),
        ("one!()", "1st"),
    ],
)
def test_the_value_of_a_string_expression(source: str, value: str) -> None:
    macros = """
        macro_rules! empty { () => { "" } }
        macro_rules! twice { ($a:expr) => (concat!($a, $a)) }
        macro_rules! outer { ($a:tt) => { concat!("<", inner!($a)) } }
        macro_rules! inner { ($a:tt) => { concat!($a, ">") } }
        macro_rules! one { () => { "1st" } }
        macro_rules! one { (x) => { "2nd" } }
    """
    template = string(source, macros)
    assert template.text == value
    assert not any(piece.opaque for piece in template.pieces)


@pytest.mark.parametrize(
    ("source", "why"),
    [
        ("x", "this is no string that can be read here"),
        ("x + y", "this is no string that can be read here"),
        ('f("a")', "this is no string that can be read here"),
        ("[1]", "this is no string that can be read here"),
        ('env!("X")', "env! cannot be followed"),
        ("both!(a)", "the spaces between tokens of several macros are not known"),
        ("picky!(1)", "picky! cannot be followed"),
        ("without_end!()", "the macros of this text call each other without end"),
        ("doubling!()", "the macros of this text call each other without end"),
    ],
)
def test_what_cannot_be_known_says_why(source: str, why: str) -> None:
    macros = """
        macro_rules! picky { ($a:ident) => { "" } }
        macro_rules! both { ($a:ident) => { stringify!($a b) } }
        macro_rules! without_end { () => { without_end!() } }
        macro_rules! doubling { () => { concat!(doubling!(), doubling!()) } }
    """
    pieces = [piece for piece in string(source, macros).pieces if piece.opaque]
    assert {piece.why for piece in pieces} == {why}
    assert len(pieces) <= MAX_PARTS


def test_an_opaque_part_leaves_a_gap_that_no_name_can_span() -> None:
    assert string('concat!("a", env!("X"), "b")').text == "a b"


def test_the_text_of_an_invocation_is_its_strings_line_by_line_up_to_the_first_operand() -> None:
    source = '"a", concat!("b", "c"), const 1, "d"'
    assert lines(source) == ["a\nbc\n"]
    assert lines('"a", options(raw)') == ["a\n"]
    assert lines('"a", name = sym f, "b"') == ["a\n"]
    assert lines("") == [""]


def test_a_macro_with_several_definitions_gives_a_text_each() -> None:
    macros = """
        macro_rules! arg { () => ("rdi") }
        macro_rules! arg { () => ("rcx") }
        macro_rules! tail { () => ("1") }
        macro_rules! tail { () => ("2") }
        macro_rules! tail { () => ("3") }
    """
    assert lines('concat!("jmp ", arg!())', macros) == ["jmp rdi\n", "jmp rcx\n"]
    assert lines("arg!(), tail!()", macros) == ["rdi\n1\n", "rcx\n2\n", "rdi\n3\n"]


def test_the_variants_of_one_invocation_do_not_outlive_it() -> None:
    found = evaluator('macro_rules! a { () => ("1") } macro_rules! a { () => ("2") }')
    assert len(found.templates(read_trees("a!()", "a.rs"))) == 2
    assert len(found.templates(read_trees('"x"', "a.rs"))) == 1
    assert found.string(read_trees("a!()", "a.rs")).text == "1"


def test_a_piece_of_a_literal_knows_where_each_character_is_written() -> None:
    source = 'concat!(".globl ", "na\\x6de")'
    template = string(source)
    first, second = template.pieces
    assert template.text == ".globl name"
    assert second.offsets is not None
    assert [source[offset] for offset in second.offsets] == ["n", "a", "\\", "e", '"']
    assert template.piece_at(0) == (first, 0)
    assert template.piece_at(6) == (first, 6)
    assert template.piece_at(7) == (second, 0)
    assert template.piece_at(10) == (second, 3)


def test_an_expression_has_its_whole_place_and_no_offsets() -> None:
    source = 'concat!("a", stringify!( foo ))'
    _, piece = string(source).pieces
    assert piece.offsets is None
    assert source[piece.place.start : piece.place.end] == "stringify!( foo )"
    assert not piece.upstream


def test_what_upstream_suffixes_is_marked() -> None:
    (piece,) = string("versioned!(foo)").pieces
    assert (piece.text, piece.upstream) == ("foo_12_0_2", True)


def test_a_name_that_a_macro_is_given_has_its_place_at_the_call() -> None:
    macros = 'macro_rules! label { ($name:expr) => { concat!($name, ":") } }'
    source = 'label!("foo")'
    piece, _ = string(source, macros).piece_at(0)
    assert piece.place.path == "a.rs"
    assert source[piece.place.start : piece.place.end] == '"foo"'


@given(st.lists(st.sampled_from(["a", ".globl ", "_", "", "x:\\n", "\\t"]), max_size=6))
@small.quick
def test_concat_is_the_sum_of_its_parts_and_each_character_belongs_to_one(parts: list[str]) -> None:
    source = "concat!(" + ", ".join(f'"{part}"' for part in parts) + ")"
    template = string(source)
    meant = [part.replace("\\n", "\n").replace("\\t", "\t") for part in parts]
    assert template.text == "".join(meant)
    for offset, char in enumerate(template.text):
        piece, within = template.piece_at(offset)
        assert piece.text[within] == char
