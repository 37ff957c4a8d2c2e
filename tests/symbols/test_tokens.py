from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st
from symbols import small

from patchbot.symbols.rust.tokens import (
    MAX_NESTING,
    Group,
    Span,
    Token,
    TokenKind,
    Tree,
    UnbalancedError,
    flatten,
    is_group,
    is_ident,
    is_punct,
    read_trees,
    render,
    split,
    string_value,
)


def texts(source: str) -> list[str]:
    return [token.text for token in flatten(read_trees(source, "a.rs"))]


def only(source: str) -> Token:
    (tree,) = read_trees(source, "a.rs")
    assert isinstance(tree, Token)
    return tree


# -- what is left out -------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "source",
    [
        pytest.param("", id="nothing"),
        pytest.param(" \t\r\n", id="space"),
        pytest.param("// fn x() {}\n", id="line comment"),
        pytest.param("// no end of line", id="line comment at the end"),
        pytest.param("/// #[no_mangle]\n", id="doc comment"),
        pytest.param("//! inner\n/*! inner */", id="inner doc comment"),
        pytest.param("/* a /* b */ \" ' ( c */", id="nested block comment"),
        pytest.param("/*/ */", id="a slash is no end"),
        pytest.param("/**/ /***/", id="empty block comments"),
    ],
)
def test_comments_and_space_are_no_tokens(source: str) -> None:
    assert texts(source) == []


# -- what is a token --------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        ("fn f()", ["fn", "f"]),
        ("a//c\nb/*d*/e", ["a", "b", "e"]),
        ('r#type r#"x"# br#"y"#', ["r#type", 'r#"x"#', 'br#"y"#']),
        ('r"a\\" b', ['r"a\\"', "b"]),
        ('r##"a"#b"## c', ['r##"a"#b"##', "c"]),
        ('b"\\"" c"x"', ['b"\\""', 'c"x"']),
        ("'a' 'a b'\\'' 'static", ["'a'", "'a", "b'\\''", "'static"]),
        ("'\"' \"'\"", ["'\"'", "\"'\""]),
        ("'\\u{1F600}' '\\x41'", ["'\\u{1F600}'", "'\\x41'"]),
        ("'{' '}'", ["'{'", "'}'"]),
        ("1.0 0..5 1e-5 0xff_u8 1.max 2.0e+10f64", ["1.0", "0", ".", ".", "5", "1e-5", "0xff_u8", "1", ".", "max", "2.0e+10f64"]),
        ("a::b->c=>d", ["a", ":", ":", "b", "-", ">", "c", "=", ">", "d"]),
        ('"// no comment"', ['"// no comment"']),
        ('"a\nb"', ['"a\nb"']),
        ("$x:expr", ["$", "x", ":", "expr"]),
        ("_ _x x_", ["_", "_x", "x_"]),
    ],
)  # fmt: skip
def test_tokens_are_those_of_rust(source: str, expected: list[str]) -> None:
    assert texts(source) == expected


@pytest.mark.parametrize(
    ("source", "kind"),
    [
        ("x", TokenKind.IDENT),
        ("r#match", TokenKind.IDENT),
        ("'a", TokenKind.LIFETIME),
        ('"a"', TokenKind.STRING),
        ('r#"a"#', TokenKind.STRING),
        ('cr"a"', TokenKind.STRING),
        ("'a'", TokenKind.LITERAL),
        ("b'a'", TokenKind.LITERAL),
        ("7", TokenKind.LITERAL),
        ("#", TokenKind.PUNCT),
    ],
)
def test_kinds(source: str, kind: TokenKind) -> None:
    assert only(source).kind is kind


def test_a_character_of_several_bytes_is_one_literal() -> None:
    source = "'é' '€' '😀'".encode().decode("latin-1")
    assert [token.kind for token in flatten(read_trees(source, "a.rs"))] == [TokenKind.LITERAL] * 3


def test_bytes_that_are_no_utf_8_are_read_all_the_same() -> None:
    source = b'fn \xff() { "\xfe" }'.decode("latin-1")
    assert texts(source) == ["fn", "\xff", '"\xfe"']


def test_brackets_make_groups_with_the_place_of_both_ends() -> None:
    name, group = read_trees("f(a[b])", "a.rs", start=10)
    assert isinstance(name, Token)
    assert isinstance(group, Group)
    assert (group.delimiter, group.origin) == ("(", Span("a.rs", 11, 17))
    inner = group.children[1]
    assert isinstance(inner, Group)
    assert (inner.open, inner.close) == (Span("a.rs", 13, 14), Span("a.rs", 15, 16))


@pytest.mark.parametrize(
    ("source", "offset"),
    [
        ("fn f( {", 6),
        ("a ( b", 2),
        ("a ) b", 2),
        ("( ]", 2),
        ("{ ( } )", 4),
        ('x "no end', 2),
        ('x r#"no end"', 2),
        ("x /* a /* b */", 2),
        ("x 'a \"", 5),
    ],
)
def test_what_does_not_end_is_refused_with_its_place(source: str, offset: int) -> None:
    with pytest.raises(UnbalancedError) as caught:
        read_trees(source, "a.rs")
    assert caught.value.offset == offset


def test_brackets_nested_deeper_than_readers_can_go_are_refused() -> None:
    deep = "(" * MAX_NESTING + ")" * MAX_NESTING
    assert texts(deep) == []
    with pytest.raises(UnbalancedError) as caught:
        read_trees(f"({deep})", "a.rs")
    assert caught.value.offset == MAX_NESTING


WORDS = st.sampled_from(
    [
        "fn",
        "x",
        "r#y",
        "'a",
        "'b'",
        '"s"',
        '"(\\""',
        'r#"}"#',
        "1.5",
        "0x1f",
        "#",
        "=",
        ">",
        "$",
        "é",
        '"\xff"',
    ]
)
GAPS = st.sampled_from([" ", "\n", "\t ", " // c(\n", '/* { /* " */ */', "\r\n"])


@given(st.recursive(
    st.lists(st.tuples(WORDS, GAPS), max_size=6),
    lambda inner: st.lists(st.tuples(st.sampled_from(["()", "[]", "{}"]), inner), max_size=3),
    max_leaves=8,
))  # fmt: skip
@small.quick
def test_tokens_and_the_text_between_them_are_the_whole_file(parts: list[tuple[str, object]]) -> None:
    source = spell(parts)
    leaves = list(leaves_of(read_trees(source, "a.rs")))
    assert all(source[span.start : span.end] == text for text, span in leaves)
    edges = [Span("a.rs", 0, 0), *(span for _, span in leaves), Span("a.rs", len(source), len(source))]
    for left, right in pairwise(edges):
        assert left.end <= right.start
        assert texts(source[left.end : right.start]) == []


def spell(parts: object) -> str:
    out = ""
    for first, second in parts if isinstance(parts, list) else []:
        out += first[0] + spell(second) + first[1] if isinstance(second, list) else first + second
    return out


def leaves_of(trees: tuple[Tree, ...]) -> list[tuple[str, Span]]:
    out: list[tuple[str, Span]] = []
    closing = {"(": ")", "[": "]", "{": "}"}
    for tree in trees:
        if isinstance(tree, Group):
            out += [
                (tree.delimiter, tree.open),
                *leaves_of(tree.children),
                (closing[tree.delimiter], tree.close),
            ]
        else:
            out.append((tree.text, tree.origin))
    return out


# -- strings ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("literal", "value"),
    [
        ('""', ""),
        ('"plain"', "plain"),
        ('r"a\\n"', "a\\n"),
        ('r##"a"#b"##', 'a"#b'),
        ('"a\\nb\\t\\\\\\"\\\'\\0"', "a\nb\t\\\"'\0"),
        ('"\\x41\\u{42}\\u{00_43}"', "ABC"),
        ('"\\u{1F600}"', "?"),
        ('"a\\\n   b"', "ab"),
        ('"a\\\r\n\t b"', "ab"),
        ('b"\\x7f"', "\x7f"),
        ('c"name"', "name"),
        ('br"x"', "x"),
    ],
)
def test_the_value_of_a_string_literal(literal: str, value: str) -> None:
    found = string_value(only(literal))
    assert found.text == value
    assert len(found.offsets) == len(value) + 1


PIECES = st.sampled_from(
    [("a", "a"), ("_", "_"), ("\\n", "\n"), ("\\\\", "\\"), ('\\"', '"'), ("\\x41", "A"), ("\\u{42}", "B"),
     ("\\u{1F600}", "?"), ("\n", "\n"), ("\xe9", "\xe9")]
)  # fmt: skip


@given(prefix=st.sampled_from(["", "b", "c"]), pieces=st.lists(PIECES, max_size=12), before=st.integers(0, 5))
@small.quick
def test_every_character_of_a_string_points_at_where_it_is_written(
    prefix: str, pieces: list[tuple[str, str]], before: int
) -> None:
    source = " " * before + f'{prefix}"{"".join(written for written, _ in pieces)}"'
    value = string_value(only(source))
    at = before + len(prefix) + 1
    places = []
    for written, _ in pieces:
        places.append(at)
        at += len(written)
    assert value.text == "".join(meant for _, meant in pieces)
    assert value.offsets == (*places, at)
    assert source[at] == '"'


@given(body=st.text("ab\\\n_é", max_size=10), hashes=st.integers(0, 3))
@small.quick
def test_every_character_of_a_raw_string_is_itself(body: str, hashes: int) -> None:
    source = f'x r{"#" * hashes}"{body}"{"#" * hashes}'
    *_, literal = flatten(read_trees(source, "a.rs"))
    value = string_value(literal)
    assert value.text == body
    assert "".join(source[offset] for offset in value.offsets[:-1]) == body
    assert source[value.offsets[-1]] == '"'


# -- small helpers ----------------------------------------------------------------------------------


def test_a_token_of_a_macro_is_written_where_its_scope_says() -> None:
    body, call = Span("a.rs", 5, 6, scope=1), Span("a.rs", 90, 91)
    token = Token(TokenKind.IDENT, "x", call, sites=(body,))
    assert token.written_in(Span("a.rs", 0, 1)) == call
    assert token.written_in(Span("a.rs", 0, 1, scope=1)) == body
    assert token.written_in(Span("b.rs", 0, 1)) is None


def test_a_range_cannot_reach_from_one_scope_into_another() -> None:
    with pytest.raises(AssertionError):
        Span("a.rs", 0, 1).to(Span("a.rs", 5, 6, scope=1))


def test_a_group_that_two_macros_made_is_where_it_opens() -> None:
    group = Group("(", (), Span("a.rs", 1, 2, scope=1), Span("a.rs", 90, 91))
    assert group.origin == Span("a.rs", 1, 2, scope=1)


def test_splitting_keeps_empty_parts_but_for_a_trailing_one() -> None:
    parts = split(read_trees("a, , (b, c), d,", "a.rs"), ",")
    assert [render(part) for part in parts] == ["a", "", "(b, c)", "d"]


def test_questions_about_a_tree() -> None:
    ident, punct, string, group = read_trees('a # "b" [c]', "a.rs")
    assert is_ident(ident)
    assert is_ident(ident, "x", "a")
    assert not is_ident(ident, "x")
    assert not is_ident(string, '"b"')
    assert is_punct(punct, "#")
    assert not is_punct(punct, "=")
    assert not is_punct(None, "#")
    assert is_group(group)
    assert is_group(group, "[")
    assert not is_group(group, "(")


@pytest.mark.parametrize(
    "cfg",
    [
        "unix",
        'target_arch = "x86_64"',
        'all(unix, not(target_os = "macos"), feature = "gc")',
        "any(a, all(b, c))",
    ],
)
def test_a_condition_is_spelled_as_people_write_it(cfg: str) -> None:
    squeezed = cfg.replace(" ", "")
    assert render(read_trees(squeezed, "a.rs")) == cfg
    assert render(read_trees(cfg, "a.rs")) == cfg


def test_a_rendered_condition_keeps_words_apart_and_comparisons_together() -> None:
    assert render(read_trees('if  env :: var ( "X" ) ==  y', "a.rs")) == 'if env::var("X") == y'


CONDITIONS = st.recursive(
    st.sampled_from(["unix", 'target_os = "linux"', "test"]),
    lambda inner: st.builds(
        lambda word, parts: f"{word}({', '.join(parts)})",
        st.sampled_from(["all", "any", "not"]),
        st.lists(inner, min_size=1, max_size=3),
    ),
    max_leaves=6,
)
