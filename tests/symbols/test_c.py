from __future__ import annotations

from pathlib import Path

import pytest
from symbols import native

from patchbot.model import Role
from patchbot.symbols.c.c import CFacts, CName, scan
from patchbot.symbols.c.preprocessor import preprocess


def facts(source: str) -> CFacts:
    (variant,) = preprocess("a.c", read={"a.c": source}.get).variants
    return scan(variant)


def names(source: str, role: Role) -> set[str]:
    return {name.name for name in facts(source).names if name.role is role}


# -- what the compiler makes of it ------------------------------------------------------------------

# source; names that it defines, names that it declares and leaves to others
DECLARATIONS = {
    "function": ("int x(void) { return 1; }", {"x"}, set()),
    "function without prototype": ("int x() { return 1; }", {"x"}, set()),
    "old function": ("int x(a, b) int a; char *b; { return a; }", {"x"}, set()),
    "pointer result": ("char *x(void) { return 0; }", {"x"}, set()),
    "function that returns a function": ("void (*x(int a))(void) { return 0; }", {"x"}, set()),
    "attributes": ("__attribute__((noinline)) int x(void) { return 1; }", {"x"}, set()),
    "attribute behind the type": ("int __attribute__((noinline)) x(void) { return 1; }", {"x"}, set()),
    "extern function": ("extern int x(void) { return 1; }", {"x"}, set()),
    "static function": ("static int x(void) { return 1; }", set(), set()),
    "static inline": ("static inline int x(void) { return 1; }", set(), set()),
    "prototype": ("int x(void);", set(), {"x"}),
    "extern prototype": ("extern int x(void), y(int);", set(), {"x", "y"}),
    "prototype and definition": ("int x(void);\nint x(void) { return 1; }", {"x"}, set()),
    "static prototype": ("static int x(void);", set(), set()),
    "variable": ("int x = 1;", {"x"}, set()),
    "tentative": ("int x;", {"x"}, set()),
    "several": ("int x, *y = 0, z[3];", {"x", "y", "z"}, set()),
    "prototype beside a variable": ("int x, y(void);", {"x"}, {"y"}),
    "static variable": ("static int x = 1;", set(), set()),
    "extern variable": ("extern int x;", set(), {"x"}),
    "extern with a value": ("extern int x; int x = 1;", {"x"}, set()),
    "extern initialised": ("extern int x = 1;", {"x"}, set()),
    "array": ("char x[4] = {1};", {"x"}, set()),
    "array of arrays": ("int x[2][3];", {"x"}, set()),
    "array of pointers to functions": ("void (*x[2])(void);", {"x"}, set()),
    "pointer to a function": ("void (*x)(void) = 0;", {"x"}, set()),
    "pointer to a function, tentative": ("int (*x)(int);", {"x"}, set()),
    "function in parentheses": ("int (x)(void) { return 1; }", {"x"}, set()),
    "const": ("const int x = 1;", {"x"}, set()),
    "thread local": ("__thread int x;", {"x"}, set()),
    "volatile pointer": ("int *volatile x;", {"x"}, set()),
    "struct and variable": ("struct s { int a; } x;", {"x"}, set()),
    "struct alone": ("struct s { int a; };", set(), set()),
    "enumeration": ("enum e { a, b } x = b;", {"x"}, set()),
    "union": ("union u { int a; float b; } x = {1};", {"x"}, set()),
    "type name": ("typedef int t;\nt x;", {"x"}, set()),
    "function type name": ("typedef int t(void);\nint x(t *f) { return f(); }", {"x"}, set()),
    "weak": ("__attribute__((weak)) int x(void) { return 1; }", {"x"}, set()),
    "weak variable": ("__attribute__((weak)) int x = 1;", {"x"}, set()),
    "hidden": ('__attribute__((visibility("hidden"))) int x(void) { return 1; }', {"x"}, set()),
    "locals": ("int x(void) { static int y; int z = 1; extern int w; int v(void); return y + z + w; }", {"x"}, {"w", "v"}),
    "nothing": ("", set(), set()),
    "semicolons": (";;", set(), set()),
    "attribute before the value": ("int x __attribute__((aligned(8))) = 1;", {"x"}, set()),
    "attributes everywhere": ("[[gnu::used]] int __attribute__((unused, __cold__)) x(void) __attribute__((weak));\nint x(void) { return 1; }", {"x"}, set()),
    "thread local, new style": ("_Thread_local int x;", {"x"}, set()),
    "assertion": ('_Static_assert(1, "x");', set(), set()),
    "register": ('static int f(void) { register long x __asm__("rax") = 1; return x; }', set(), set()),
    "words like attributes": ("int weakness, alias_count, ifunc_of;", {"weakness", "alias_count", "ifunc_of"}, set()),
    "through macros": ("#define F(t, n) t n(void)\nF(int, x) { return 1; }\nF(int, y);", {"x"}, {"y"}),
    "pasted": ("#define CAT2(a, b) a##b\n#define CAT(a, b) CAT2(a, b)\n#define S _1\nint CAT(x, S);", {"x_1"}, set()),
}  # fmt: skip


@pytest.mark.parametrize("name", DECLARATIONS)
def test_declarations_define_and_import(name: str) -> None:
    source, defined, imported = DECLARATIONS[name]
    assert names(source, Role.DEFINE) == defined
    assert names(source, Role.IMPORT) == imported
    assert facts(source).doubts == ()


@native.needs_cc
@pytest.mark.parametrize("name", DECLARATIONS)
def test_the_compiler_defines_the_same_names(name: str, tmp_path: Path) -> None:
    source, expected, _ = DECLARATIONS[name]
    defined, _ = native.symbols(native.compiled(tmp_path, "a.c", source))
    assert defined == expected


@native.needs_cc
def test_the_compiler_wants_what_is_declared_and_used(tmp_path: Path) -> None:
    source = "int x(void); extern int y, (*z)(void); int f(void) { return x() + y + z(); }"
    _, wanted = native.symbols(native.compiled(tmp_path, "a.c", source))
    assert wanted - {"_GLOBAL_OFFSET_TABLE_"} == {"x", "y", "z"} == names(source, Role.IMPORT)


@pytest.mark.parametrize(
    ("source", "name"),
    [
        pytest.param("inline int x(void) { return 1; }", "x", id="inline, that some dialects export"),
        pytest.param(
            "#ifdef A\nstatic int x(void);\n#endif\nint x(void) { return 1; }", "x", id="static in one branch"
        ),
    ],
)
def test_a_name_that_only_some_builds_export_counts_as_defined(source: str, name: str) -> None:
    assert names(source, Role.DEFINE) == {name}


# -- what else is told ------------------------------------------------------------------------------


def test_weak_is_told_with_its_place() -> None:
    source = "__attribute__((weak)) int x(void) { int weak; return 1; }\nint y(void) { int weak; return 1; }"
    found = facts(source)
    assert [(name.name, name.weak) for name in found.names] == [("x", source.index("weak")), ("y", None)]


def test_a_name_given_to_the_assembler_is_the_linkers() -> None:
    source = 'int x(void) __asm__("other");\nint y __asm__ ("third") = 1;\n'
    found = facts(source).names[0]
    assert found == CName("other", Role.IMPORT, source.index("other"), in_string=True)


def test_a_name_given_to_the_assembler_in_a_block_counts() -> None:
    found = facts('int f(void) { extern int x(void) __asm__("other"); return x(); }').names
    assert [(n.name, n.role, n.in_string) for n in found] == [
        ("f", Role.DEFINE, False),
        ("other", Role.IMPORT, True),
    ]


def test_errors_as_deep_as_can_be_are_a_doubt() -> None:
    deep = 5_000
    assert "the C parser cannot read this" in {why for _, why in facts(f"int x = {'(' * deep}1;").doubts}


@native.needs_cc
def test_the_compiler_uses_the_name_given_to_the_assembler(tmp_path: Path) -> None:
    source = 'int x(void) __asm__("other"); int y(void) __asm__("third"); int y(void) { return x(); }'
    defined, wanted = native.symbols(native.compiled(tmp_path, "a.c", source))
    assert (defined, wanted - {"_GLOBAL_OFFSET_TABLE_"}) == ({"third"}, {"other"})
    assert {"other", "third"} <= names(source, Role.IMPORT) | names(source, Role.DEFINE)


def test_names_stand_where_they_are_written() -> None:
    source = "int a; extern int b;\nint c(void) { return b; }"
    assert [source[n.offset : n.offset + 1] for n in facts(source).names] == ["a", "b", "c"]


def test_bytes_beyond_ascii_move_no_name() -> None:
    source = 'char *a = "\xc3\xa9\xe2\x82\xac"; int b;'
    assert [source[n.offset : n.offset + 1] for n in facts(source).names] == ["a", "b"]


def test_extern_c_and_namespaces_of_headers_are_opened() -> None:
    source = 'extern "C" {\nint x(void);\nextern "C" { int y; }\n}'
    assert names(source, Role.IMPORT) == {"x"}
    assert names(source, Role.DEFINE) == {"y"}


@pytest.mark.parametrize(
    ("source", "why"),
    [
        ("int x(void) {", "the C parser cannot read this"),
        ("int 5;", "the C parser cannot read this"),
        ('int x(void) __attribute__((alias("y")));', "an attribute makes another name of this"),
        ('int x(void) __attribute__((__alias__("y")));', "an attribute makes another name of this"),
        ('int x(void) __attribute__((ifunc ("y")));', "an attribute makes another name of this"),
        ('[[gnu::alias("y")]] extern int x(void);', "an attribute makes another name of this"),
        ('static int x(void) __attribute__((weakref("y")));', "an attribute makes another name of this"),
        (
            '__attribute__((noinline, symver("y@V1"))) int x(void) { return 1; }',
            "an attribute makes another name of this",
        ),
        ('__attribute__((section("y"))) static int x;', "the attribute section can make or change a name"),
        ("__declspec(unheard) int x(void);", "the attribute unheard can make or change a name"),
        ("MAKE(x);", "a statement outside of functions: a macro that is not known?"),
        ("MAKE(x) y;", "a type with arguments: a macro that is not known?"),
        ("MAKE(x) { return 1; }", "a body without a function: a macro that is not known?"),
        ('void f(void) { asm goto ("x:" : : : : out); out: ; }', "assembly, whose names are not read here"),
        ("void f(void) { asm(TEXT); }", "assembly, whose names are not read here"),
        ("__asm { call x }", "assembly, whose names are not read here"),
        ('__asm__(".globl x\\nx:");', "assembly, whose names are not read here"),
        ('void f(void) { __asm__ volatile ("call x"); }', "assembly, whose names are not read here"),
        ('void f(void) { { asm("" "x:" : : : "memory"); } }', "assembly, whose names are not read here"),
    ],
)
def test_what_can_hide_a_name_is_a_doubt(source: str, why: str) -> None:
    prefix = "int before;\n"
    found = facts(f"{prefix}{source}").doubts
    assert why in {text for _, text in found}
    assert all(offset >= len(prefix) - 1 for offset, _ in found)


@pytest.mark.parametrize(
    "source",
    ['void f(void) { __asm__(""); }', 'void f(void) { asm volatile ("" ::: "memory"); if (1) asm(""); }'],
)
def test_assembly_without_text_is_no_doubt(source: str) -> None:
    assert facts(source).doubts == ()
