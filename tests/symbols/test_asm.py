from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from symbols import native, small

from patchbot.symbols.c.asm import Use, scan


def used(text: str) -> list[tuple[str, str]]:
    return [(name.text, name.use.value) for name in scan(text).names]


@pytest.mark.parametrize(
    "text",
    [
        pytest.param("", id="nothing"),
        pytest.param("/* .globl x\nx: */", id="block comment"),
        pytest.param("// .globl x", id="line comment"),
        pytest.param("   # .globl x\n", id="hash comment"),
        pytest.param('.ascii "x: .globl x"', id="string"),
        pytest.param("1: jmp 1b", id="numeric label"),
        pytest.param("ret", id="mnemonic"),
        pytest.param("mov %rax, $5", id="registers with a sign"),
        pytest.param("jmp *{0}", id="placeholder"),
        pytest.param(".text", id="directive"),
        pytest.param(".L1: .Lx:", id="local labels"),
        pytest.param(".size .,.-.", id="location counter"),
        pytest.param("1: 2: 3$: nop", id="numeric labels"),
        pytest.param('.incbin "x"; .file "y"', id="names of files"),
    ],
)
def test_no_name(text: str) -> None:
    assert used(text) == []
    assert scan(text).defined() == frozenset()


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("x:", [("x", "label")]),
        ("a: b: ret", [("a", "label"), ("b", "label")]),
        ("x : nop", [("x", "label")]),
        (".globl x", [("x", "global")]),
        (".global x, y", [("x", "global"), ("y", "global")]),
        (".GLOBL x", [("x", "global")]),
        (".weak x", [("x", "global")]),
        (".private_extern _x", [("_x", "global")]),
        (".set x, y", [("x", "set"), ("y", "operand")]),
        ("x = y + 4", [("x", "set"), ("y", "operand")]),
        ("x == y", [("x", "set"), ("y", "operand")]),
        (".comm x, 8, 8", [("x", "common")]),
        (".hidden x", [("x", "operand")]),
        (".type x,@function", [("x", "operand")]),
        (".size x,.-x", [("x", "operand"), ("x", "operand")]),
        ("call x@PLT", [("x", "operand")]),
        ("lea rax, x[rip]", [("rax", "operand"), ("x", "operand"), ("rip", "operand")]),
        ("adrp x0, :got:x", [("x0", "operand"), ("got", "operand"), ("x", "operand")]),
        ("b x; .globl y; y:", [("x", "operand"), ("y", "global"), ("y", "label")]),
        ("nop // c\nx: /* y: */ .globl z", [("x", "label"), ("z", "global")]),
        ("a.b:", [("a.b", "label")]),
        ("call a.b", [("a.b", "operand")]),
        ("x$1:", [("x$1", "label")]),
        ("x::", []),
        ('"x": ret', [("x", "label")]),
        ('.globl "x", y', [("x", "global"), ("y", "global")]),
        ('"x" = y', [("x", "set"), ("y", "operand")]),
        ('call "x"', [("x", "operand")]),
        ('.quad "x", 1', [("x", "operand")]),
        ("1: x: 2: y: ret", [("x", "label"), ("y", "label")]),
        ("movq $x, %rax", [("x", "operand")]),
        ("nop\rx: nop", [("x", "label")]),
        ("nop %% .globl x %% x:", [("x", "global"), ("x", "label")]),
        (".def x; .scl 2; .type 32; .endef", [("x", "global")]),
        (".byte '\"'; x: .byte '\"'", [("x", "label")]),
        ("\xc3\xa9x:", [("\xc3\xa9x", "label")]),
    ],
)
def test_names_and_what_is_done_with_them(text: str, expected: list[tuple[str, str]]) -> None:
    assert used(text) == expected


@pytest.mark.parametrize(
    ("text", "defined"),
    [
        ("x:", set()),
        (".globl x", set()),
        (".globl x\nx:", {"x"}),
        ("x:\n.globl x", {"x"}),
        (".weak x; x: ret", {"x"}),
        (".globl x; .set x, y", {"x"}),
        (".set x, y", set()),
        (".globl x; x = 5", {"x"}),
        (".globl x; .lcomm x, 4", {"x"}),
        (".comm x, 4", {"x"}),
        (".hidden x; x:", set()),
        (".globl x; y:", set()),
        (".globl a, b; a: b:", {"a", "b"}),
        ('.ascii "/*"\n.globl x\nx: ret\n/* c */', {"x"}),
        (".globl x // /*\nx: ret // */", {"x"}),
        ('.globl x; "x": ret', {"x"}),
        (".globl x; 1: x: ret", {"x"}),
        (".def x; .scl 2; .endef; x: ret", {"x"}),
        (".largecomm x, 8", {"x"}),
    ],
)
def test_a_name_is_defined_if_it_is_made_and_made_visible(text: str, defined: set[str]) -> None:
    assert scan(text).defined() == defined


def test_another_text_can_make_a_label_visible() -> None:
    assert scan("x: y:").defined(frozenset({"x", "z"})) == {"x"}


@pytest.mark.parametrize(
    ("text", "why"),
    [
        (".macro m", ".macro defines an assembler macro"),
        ("  .irp r, a, b", ".irp repeats text with other names"),
        (".irpc r, ab", ".irpc repeats text with other names"),
        (".rept 3", ".rept repeats text"),
        (".altmacro", ".altmacro changes how assembler macros are read"),
        ('.include "x"', ".include includes another file"),
        (".symver a, b@V1", ".symver gives a symbol version"),
        (".weakref a, b", ".weakref makes a weak alias"),
        (".MACRO m", ".macro defines an assembler macro"),
        ("x: .rept 3", ".rept repeats text"),
        ('.globl "x y"', ".globl names what cannot be read as a name"),
        (".globl {name}", ".globl names what cannot be read as a name"),
        (".globl _{name}", ".globl names what cannot be read as a name"),
        (".globl .x", ".globl names what cannot be read as a name"),
        (".globl x, NAME(y)", ".globl names what cannot be read as a name"),
        ('.comm "x y", 8', ".comm names what cannot be read as a name"),
        ('.set "x y", 8', ".set names what cannot be read as a name"),
        ('"x y": ret', "a label that cannot be read"),
        ("{0}: ret", "a label that cannot be read"),
        ("x{0}: ret", "a label that cannot be read"),
        ("{0} = 5", "a label that cannot be read"),
        ("ENTRY(x)", "ENTRY(…) is a macro that is not known"),
        ("entry (x, 1)", "entry(…) is a macro that is not known"),
        ('.section x,"a"', "the linker makes names of sections like x"),
        ('.pushsection "x", "a"', "the linker makes names of sections like x"),
        (".section {0}", ".section names what cannot be read as a name"),
        ('.section .drectve,"yn"', "a section that tells the linker what to do"),
        (".type x, %gnu_unique_object", "gnu_unique_object makes a name visible"),
        (".zerofill a,b,x", ".zerofill is not known here"),
        ('.ascii "x', "a string that does not end on its line"),
        ("ret # /*\nx: # */", "a comment of many lines begins behind another"),
    ],
)
def test_what_is_not_followed_is_a_doubt_at_its_place(text: str, why: str) -> None:
    (doubt,) = scan(f"nop\n{text}").doubts
    assert doubt.why == why
    assert doubt.start >= 4


@pytest.mark.parametrize(
    "text",
    [
        ".set x, (y + 4)",
        ".comm x, 8, (4)",
        ".globl x # a comment, in words",
        ".globl x, y",
        "call *{0}",
        "jmp (%rax)",
        "inc 8(%rax)",
        "push {r4, lr}",
        '.section .text.x,"ax",@progbits',
        ".section __TEXT,__text",
        ".cfi_startproc simple",
        ".type x, @function",
        "ret // /*\nret // */",
        "mov r0, #1 /* one line */",
        ".byte '\"', '\"",
        '.ascii "it\'s"',
    ],
)
def test_no_doubt(text: str) -> None:
    assert scan(text).doubts == ()


NAMES = st.sampled_from(["a", "_b1", "c.d", "e$f"])
LINES = st.one_of(
    st.builds("{}:".format, NAMES),
    st.builds(".globl {}".format, NAMES),
    st.builds("  call {} // {}".format, NAMES, NAMES),
    st.builds(".set {}, {}".format, NAMES, NAMES),
    st.builds("/* {}\n{}: */".format, NAMES, NAMES),
    st.builds('.ascii "{}:"'.format, NAMES),
    st.just(" nop"),
)


@given(st.lists(LINES, max_size=8), st.sampled_from(["\n", ";\n", " ; "]))
@small.quick
def test_every_name_is_where_it_says_and_in_order(lines: list[str], between: str) -> None:
    text = between.join(line for line in lines if between == "\n" or "//" not in line)
    names = scan(text).names
    assert [text[name.start : name.end] for name in names] == [name.text for name in names]
    assert sorted(names, key=lambda name: name.start) == list(names)


@given(st.lists(LINES, max_size=8))
@small.quick
def test_lines_are_read_one_by_one(lines: list[str]) -> None:
    whole = [(name.text, name.use) for name in scan("\n".join(lines)).names]
    assert whole == [(name.text, name.use) for line in lines for name in scan(line).names]


SOURCES = {
    "labels": ".globl one\none: ret\ntwo: ret\n.globl three, four\nthree: four: ret\n",
    "weak and hidden": ".weak one\n.hidden one\none: ret\n.hidden two\ntwo: ret\n",
    "set": ".globl one, two, three\nreal: ret\n.set one, real\ntwo = real\nthree == real\n.equ four, 5\n",
    "common": ".comm one,8,8\n.lcomm two,8\n.globl three\n.lcomm three,8\n",
    "comments": "/* .globl one\none: */\n// .globl two\n# .globl three\nfour: ret # .globl four\n.globl five # six\nfive: six: ret\n",
    "strings": '.section .rodata\n.globl one\none: .asciz "two: .globl two"\n.globl three\nthree: .byte 0\n',
    "separators": ".globl one; one: ret; .globl two; two: ; .globl three\nthree = one\n",
    "odd names": ".globl a.b\na.b: ret\n.globl _x$1\n_x$1: ret\n.globl r9x\nr9x: ret\n",
    "quotes": '.globl "one", two\n"one": ret\n"two": ret\n',
    "numbers": ".globl one\n1: one: jmp 1b\n2: two: jmp 2b\n",
    "characters": ".globl one\n.byte '\"\n.byte '\", ';\none: ret\n.byte '\"\n",
    "types and sizes": ".globl one\n.type one,@function\none: ret\n.size one,.-one\n.type two,@object\ntwo: .long 0\n",
}


@native.x86_64_linux
@native.needs_cc
@pytest.mark.parametrize("name", SOURCES)
def test_the_assembler_defines_the_same_names(name: str, tmp_path: Path) -> None:
    found = scan(SOURCES[name])
    defined, _ = native.symbols(native.compiled(tmp_path, "a.s", SOURCES[name]))
    assert found.doubts == ()
    assert found.defined() == defined


@native.x86_64_linux
@native.needs_cc
def test_what_the_assembler_wants_is_among_the_operands(tmp_path: Path) -> None:
    source = '.globl one\ncall one\ncall two\njmp three@PLT\ncall "four"\nmovq $five, %rax\n'
    defined, wanted = native.symbols(native.compiled(tmp_path, "a.s", source))
    assert (defined, scan(source).defined()) == (set(), frozenset())
    assert wanted == {name.text for name in scan(source).names} - {"PLT", "rax"}


def test_the_uses_are_told_apart() -> None:
    assert len({use.value for use in Use}) == len(Use)
