from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from symbols import native, small

from patchbot.symbols.c.lexing import CToken
from patchbot.symbols.c.macro_replacement import MAX_NESTING
from patchbot.symbols.c.preprocessor import MAX_VARIANTS, Unit, preprocess


def unit(
    source: str, more: Mapping[str, str] | None = None, defines: Mapping[str, str] | None = None
) -> Unit:
    files = {"src/a.c": source, **(more or {})}
    return preprocess("src/a.c", read=files.get, defines=defines)


def words(
    source: str, more: Mapping[str, str] | None = None, defines: Mapping[str, str] | None = None
) -> str:
    """Return the tokens of a source that has one variant, with blanks between."""
    (variant,) = unit(source, more, defines).variants
    return spell(variant.tokens)


def spell(tokens: tuple[CToken, ...]) -> str:
    return " ".join(token.text for token in tokens if token.text != "\n")


def doubts(source: str, more: Mapping[str, str] | None = None) -> list[str]:
    return [why for _, _, why in unit(source, more).doubts]


# -- macros -----------------------------------------------------------------------------------------

MACROS = {
    "no macro": "int f(void) { return 1; }",
    "object": "#define A b\nA x A",
    "object of several tokens": "#define A (1 + 2)\nA",
    "empty object": "#define A\nx A y A",
    "function": "#define F(a) a + a\nF(x) F(y z)",
    "two parameters": "#define F(a, b) b a\nF(x, y)",
    "no parameters": "#define F() x\nF() F( )",
    "function without its parenthesis": "#define F(a) a\nint F; F (x)",
    "parenthesis on the next line": "#define F(a) [a]\nF\n(x)",
    "commas in parentheses": "#define F(a, b) b\nF((x, y), z)",
    "an object that looks like a function": "#define F (a) a\nF",
    "macro in a body": "#define A B\n#define B c\nA",
    "macro in an argument": "#define A b\n#define F(a) a a\nF(A)",
    "defined later": "#define A B\nA\n#define B c\nA",
    "itself": "#define A A x\nA",
    "each other": "#define A B x\n#define B A y\nA B",
    "itself through an argument": "#define f(x) g(f(x))\n#define g(y) [y]\nf(1)",
    "itself as argument": "#define F(a) <a>\nF(F(F(x)))",
    "paste": "#define F(a, b) a ## b\nF(x, y) F(x,) F(,y)",
    "paste with text": "#define F(a) x_##a##_y\nF(1) F(A)\n#define A b",
    "paste arguments are not expanded": "#define A b\n#define F(a) a##1 a\nF(A)",
    "paste after expansion": "#define CAT2(a, b) a##b\n#define CAT(a, b) CAT2(a, b)\n#define S _1\nCAT(x, S)",
    "string": '#define F(a) #a a\nF(x + "y\\n") F( a  b )',
    "string of what is not expanded": "#define A b\n#define F(a) #a\n#define G(a) F(a)\nF(A) G(A)",
    "variadic": "#define F(...) f(__VA_ARGS__)\nF(1, 2, (3, 4)) F()",
    "variadic with a parameter": "#define F(a, ...) a(__VA_ARGS__)\nF(x, 1, 2) F(x, )",
    "named variadic": "#define F(args...) f(args)\nF(1, 2)",
    "comma goes with nothing": "#define F(a, ...) f(a, ## __VA_ARGS__)\nF(x) F(x, y, z)",
    "continued lines": "#define F(a) a \\\n  + a\nF(x) \\\n y",
    "comments": "#define A /* not b */ c // d\nA /* A */ x // A",
    "comment in a call": "#define F(a, b) b\nF(x, /* , */ y)",
    "no comments in strings": 'char *a = "/* x */"; char b = \'"\'; /* " */ char c;',
    "macros in strings": '#define A b\n"A" A',
    "names that only begin like a macro": "#define A b\nAA A_ A1 _A",
    "numbers": "#define x y\n1x 0x1f 1.5e+3 .5",
    "undefined and defined again": "#define A x\nA\n#undef B\nA",
    "defined twice alike": "#define A x\n#define A x\nA",
    "side by side": "#define E\n#define F(a) a\nF(x)F(y) x/**/y F(x)E F(1)E",
    "form feed and other bytes": 'x\fy\vz "\x85" w',
}  # fmt: skip


def said_by_cc(folder: Path, source: str, *flags: str) -> str:
    (folder / "a.c").write_bytes(source.encode("latin-1"))
    text = native.said(["cc", "-E", "-P", "-w", "-finput-charset=ISO-8859-1", *flags, "a.c"], folder)
    return " ".join(
        re.findall(r'"(?:[^"\\\n]|\\.)*"|\'(?:[^\'\\]|\\.)*\'|\.?\d(?:[eEpP][+-]|[\w.])*|\w+|[^\w\s]', text)
    )


@native.needs_cc
@pytest.mark.parametrize("name", MACROS)
def test_macros_become_what_the_compiler_makes_of_them(name: str, tmp_path: Path) -> None:
    assert words(MACROS[name]) == said_by_cc(tmp_path, MACROS[name])


NAMES = ["A", "B", "F", "G", "x", "y"]
TOKENS = st.lists(st.sampled_from([*NAMES, "F(x)", "G(A, B)", "F(G(x, y))", "+", "1"]), max_size=4).map(
    " ".join
)
BODIES = st.lists(st.sampled_from([*NAMES, "a", "b", "a ## b", "x_ ## a", "#a", "F(a)", "G(b, A)"]), max_size=4).map(" ".join)  # fmt: skip
DEFINES = st.tuples(st.just("A") | st.just("B"), TOKENS).map(lambda pair: f"#define {pair[0]} {pair[1]}")


@native.needs_cc
@given(a=TOKENS, b=TOKENS, f=BODIES, g=BODIES, text=TOKENS)
@small.quick
def test_any_macros_become_what_the_compiler_makes_of_them(
    tmp_path_factory: pytest.TempPathFactory, a: str, b: str, f: str, g: str, text: str
) -> None:
    f = f.replace("a ## b", "a").replace("b", "1")
    source = f"#define A {a}\n#define B {b}\n#define F(a) {f}\n#define G(a, b) {g}\n{text}\n;\n"
    assert words(source) == said_by_cc(tmp_path_factory.mktemp("cc"), source)


def test_macros_of_the_build_script_are_known_from_the_start() -> None:
    source = "#define CAT2(a, b) a##b\n#define CAT(a, b) CAT2(a, b)\nCAT(f, SUFFIX)"
    assert words(source, defines={"SUFFIX": "_1", "OTHER": "1"}) == "f_1"


# -- all branches -----------------------------------------------------------------------------------

BRANCHES = """\
start
#ifdef A
a1
# if B > 1
b1
# elif defined(C)
c1
# else
d1
# endif
a2
#elif !defined(E)
e1
#else
f1
#endif
#ifndef A
g1
#endif
end
"""


@pytest.mark.parametrize(
    ("token", "conditions"),
    [
        ("start", ()),
        ("a1", ("defined(A)",)),
        ("b1", ("defined(A)", "B > 1")),
        ("c1", ("defined(A)", "!(B > 1) && defined(C)")),
        ("d1", ("defined(A)", "!(B > 1) && !defined(C)")),
        ("a2", ("defined(A)",)),
        ("e1", ("!defined(A) && !defined(E)",)),
        ("g1", ("!defined(A)",)),
        ("end", ()),
    ],
)
def test_every_branch_is_kept_with_its_condition(token: str, conditions: tuple[str, ...]) -> None:
    (variant,) = unit(BRANCHES).variants
    (found,) = [t for t in variant.tokens if t.text == token]
    assert found.conditions == conditions


@native.needs_cc
@pytest.mark.parametrize(
    ("flags", "true"),
    [
        pytest.param(["-DA", "-DB=2"], {"defined(A)", "B > 1"}, id="first"),
        pytest.param(["-DA", "-DC"], {"defined(A)", "!(B > 1) && defined(C)"}, id="second"),
        pytest.param(
            ["-DA"], {"defined(A)", "!(B > 1) && !defined(C)"}, id="else"
        ),
        pytest.param([], {"!defined(A)", "!defined(A) && !defined(E)"}, id="outer elif"),
    ],
)  # fmt: skip
def test_the_branch_that_the_compiler_takes_is_there(
    flags: list[str], true: set[str], tmp_path: Path
) -> None:
    (variant,) = unit(BRANCHES).variants
    taken = tuple(token for token in variant.tokens if true.issuperset(token.conditions))
    assert spell(taken) == said_by_cc(tmp_path, BRANCHES, *flags)


@pytest.mark.parametrize(
    "source",
    ["#endif\nx", "#else\nx", "#elif A\nx", "#if A\nx", "#", "#define\nx", "#define 1\nx", "#pragma once\nx"],
)
def test_directives_that_make_no_sense_do_no_harm(source: str) -> None:
    assert words(source).replace("#", "").strip() in {"x", ""}


def test_each_definition_of_a_macro_gives_a_variant() -> None:
    source = "#if X\n#define N a\n#elif Y\n#define N b\n#else\n#define N c\n#endif\nint N;"
    assert [spell(variant.tokens) for variant in unit(source).variants] == ["int a ;", "int b ;", "int c ;"]


def test_a_macro_that_nothing_uses_gives_no_variant() -> None:
    source = "#if X\n#define N a\n#else\n#define N b\n#endif\nint x;"
    assert len(unit(source).variants) == 1


def test_undef_of_one_branch_does_not_take_away_anothers_definition() -> None:
    source = "#define N a\n#ifdef X\n#undef N\n#define N b\n#endif\nint N;"
    assert [spell(variant.tokens) for variant in unit(source).variants] == ["int a ;", "int b ;"]


def test_more_definitions_than_are_read_are_a_doubt() -> None:
    def source(count: int) -> str:
        return "".join(f"#if X == {n}\n#define N n{n}\n#endif\n" for n in range(count)) + "int N;"

    assert doubts(source(MAX_VARIANTS)) == []
    assert len(unit(source(MAX_VARIANTS)).variants) == MAX_VARIANTS
    (why,) = doubts(source(MAX_VARIANTS + 1))
    assert why == f"a macro has {MAX_VARIANTS + 1} definitions, and {MAX_VARIANTS} are read"


# -- included files ---------------------------------------------------------------------------------


def test_an_included_file_takes_the_place_of_its_line() -> None:
    more = {"src/b.h": "b1\n#include <c.h>\nb2\n", "src/c.h": "c", "inc/d.h": '#include "../src/c.h"\nd'}
    assert words('a1\n#include "b.h"\na2\n#include "../inc/d.h"\n', more) == "a1 b1 c b2 a2 c d"


def test_an_included_file_is_under_the_conditions_of_its_line() -> None:
    more = {"src/b.h": "#ifndef B\n#define B\nb\n#endif\n"}
    (variant,) = unit('#ifdef A\n#include "b.h"\n#endif\n', more).variants
    (token,) = variant.tokens[:1]
    assert (token.text, token.path, token.conditions) == ("b", "src/b.h", ("defined(A)", "!defined(B)"))


def test_files_that_include_each_other_end() -> None:
    assert words('a\n#include "b.h"\n', {"src/b.h": 'b\n#include "a.c"\n#include "b.h"\n'}) == "a b"


@pytest.mark.parametrize(
    ("source", "why"),
    [
        ('#include "b.h"', "the included file src/b.h is not there"),
        ('#include "../../../b.h"', "the included file b.h is not there"),
        ("#define B <b.h>\n#include B", "the name of an included file is made by a macro"),
        ("#pragma weak x = y", "#pragma weak x can make or change a name"),
        ("#pragma redefine_extname x y", "#pragma redefine_extname x can make or change a name"),
        ('#pragma comment(linker, "/EXPORT:x=y")', "#pragma comment(linker can make or change a name"),
    ],
)
def test_what_is_not_followed_is_a_doubt(source: str, why: str) -> None:
    ((path, offset, found),) = unit(f"int x;\n{source}\n").doubts
    assert (path, found) == ("src/a.c", why)
    assert offset >= len("int x;\n")


@pytest.mark.parametrize(
    "source", ["#include <stdio.h>", "#pragma once", '#pragma comment(lib, "x")', "#error x", ""]
)
def test_no_doubt(source: str) -> None:
    assert doubts(source) == []


# -- without end ------------------------------------------------------------------------------------


def test_macros_that_grow_without_end_are_a_doubt() -> None:
    source = "#define M0 x\n" + "".join(f"#define M{n + 1} M{n} M{n} M{n} M{n}\n" for n in range(30))
    assert doubts(f"{source}M30\nint y;\nM30\n") == ["macros expand without end"]


def test_macros_that_call_each_other_too_deep_are_a_doubt() -> None:
    chain = "#define M0 x\n" + "".join(f"#define M{n + 1} M{n}\n" for n in range(MAX_NESTING * 20))
    assert words(f"{chain}M{MAX_NESTING}") == "x"
    assert doubts(f"{chain}M{MAX_NESTING * 20}") == ["macros expand without end"]


def test_calls_in_calls_too_deep_are_a_doubt() -> None:
    deep = MAX_NESTING * 3
    assert doubts(f"#define F(a) a\n{'F(' * deep}x{')' * deep}") == ["macros expand without end"]


# -- places -----------------------------------------------------------------------------------------


def test_tokens_know_where_they_are_written() -> None:
    source = '/* é */ #x\n  int a; // b\n  c \\\n   d "s" /* e\n */ f'.encode().decode("latin-1")
    (variant,) = unit(source).variants
    assert [source[t.offset : t.offset + len(t.text)] for t in variant.tokens] == [
        t.text for t in variant.tokens
    ]


def test_what_a_macro_makes_is_written_at_its_call_and_arguments_where_they_stand() -> None:
    source = "#define F(a) fn a##_1 ()\nF(x)"
    (variant,) = unit(source).variants
    call, argument = source.index("F(x)"), source.index("x)")
    assert [(token.text, token.offset) for token in variant.tokens] == [
        ("fn", call), ("x_1", argument), ("(", call), (")", call),
    ]  # fmt: skip


def test_a_place_in_the_text_leads_to_its_token() -> None:
    (variant,) = unit("#define A int\nA f(void);").variants
    assert variant.text == "int f(void);"
    assert [variant.token_at(offset).text for offset in (0, 2, 4, 5, 6, 11)] == [
        "int",
        "int",
        "f",
        "(",
        "void",
        ";",
    ]


PARTS = st.lists(st.sampled_from(["a", "b_1", '"s t"', "'c'", "(", ")", "+", "/* c */", "// c\n", "\\\n", "\n", " ", "\xe9", "12"]), max_size=15)  # fmt: skip


@given(PARTS)
@small.quick
def test_without_macros_every_token_is_a_piece_of_the_source_in_order(parts: list[str]) -> None:
    source = "".join(parts)
    (variant,) = unit(source).variants
    at = 0
    for token, start in zip(variant.tokens, variant.starts, strict=True):
        assert token.offset >= at
        assert source[token.offset : token.offset + len(token.text)] == token.text
        assert variant.text[start : start + len(token.text)] == token.text
        at = token.offset + len(token.text)


def test_a_unit_says_which_files_were_read_for_it() -> None:
    more = {"src/b.h": '#include "c.h"\n', "src/c.h": "int c;\n", "src/d.h": "int d;\n"}
    source = '#ifdef X\n#include "b.h"\n#endif\n#include <stdlib.h>\n#include "missing.h"\n'
    assert unit(source, more).files == ("src/a.c", "src/b.h", "src/c.h")
