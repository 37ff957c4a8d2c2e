"""Names that C makes, and ways to hide them from whoever reads it."""

from __future__ import annotations

from typing import Any

from support.mutations.model import Mutation, Outcome, Part, Use

_DEFINE = "#define mutant mutant{suffix}"


def _row(id_: str, text: str, outcome: Outcome, **more: Any) -> Mutation:  # noqa: ANN401 - fields of a row
    return Mutation(id=f"C: {id_}", part=Part.C, text=text, outcome=outcome, spelled=_DEFINE, **more)


def _defines(id_: str, text: str, **more: Any) -> Mutation:  # noqa: ANN401 - likewise
    return _row(id_, text, Outcome.SUFFIXED, **more)


def _imports(id_: str, text: str, **more: Any) -> Mutation:  # noqa: ANN401 - likewise
    return _row(id_, text, Outcome.SUFFIXED, use=Use.IMPORT, **more)


def _hides(id_: str, text: str, says: str = "", **more: Any) -> Mutation:  # noqa: ANN401 - likewise
    return _row(id_, text, Outcome.REPORTED, says=says, **more)


def _looks_alike(id_: str, text: str, **more: Any) -> Mutation:  # noqa: ANN401 - likewise
    return _row(id_, text, Outcome.CLEAN, **more)


_DEFINITIONS = (
    _defines("function", "int mutant(void) { return 1; }\n"),
    _defines("function without a prototype", "int mutant() { return 1; }\n"),
    _defines("function of the old style", "int mutant(a, b) int a; char *b; { return a; }\n"),
    _defines("function in parentheses", "int (mutant)(void) { return 1; }\n"),
    _defines("function that returns a pointer to an array", "static char table[2][3];\nchar (*mutant(void))[3] { return table; }\n"),
    _defines("function that returns a function", "static void one(void) {}\nvoid (*mutant(int a))(void) { return one; }\n"),
    _defines("extern function", "extern int mutant(void) { return 1; }\n"),
    _defines("inline function made external", "inline int mutant(void) { return 1; }\nextern int mutant(void);\n"),
    _defines("constructor", "__attribute__((constructor)) void mutant(void) {}\n"),
    _defines("hidden", '__attribute__((visibility("hidden"))) int mutant(void) { return 1; }\n'),
    _defines("weak", "__attribute__((weak, noinline)) int mutant(void) { return 1; }\n"),
    _defines("attribute with a name of its own", "int __attribute__((__noinline__, __used__)) mutant(void) { return 1; }\n"),
    _defines("attribute in brackets", "[[gnu::used]] int mutant(void) { return 1; }\n", flags=("-std=gnu2x",)),
    _defines("variable", "int mutant = 1;\n"),
    _defines("tentative definition", "int mutant;\n"),
    _defines("array", "char mutant[4] = {1};\n"),
    _defines("constant", "const int mutant = 1;\n"),
    _defines("constant pointer", "static int mutant_host;\nint *const mutant = &mutant_host;\n"),
    _defines("table of function pointers", "static void one(void) {}\nvoid (*mutant[])(void) = {one, one};\n"),
    _defines("pointer to a function", "void (*mutant)(void);\n"),
    _defines("structure", "struct mutant_host { int a; } mutant = {1};\n"),
    _defines("anonymous structure", "struct { int a; } mutant = {1};\n"),
    _defines("structure with a value in braces", "struct mutant_host { int a; };\nstruct mutant_host mutant = (struct mutant_host){.a = 1};\n"),
    _defines("enumeration", "enum mutant_host { one, two } mutant = two;\n"),
    _defines("second of several", "int other_mutant, *mutant = 0, third_mutant[3];\n"),
    _defines("extern with a value", "extern int mutant = 1;\n"),
    _defines("of a type with a name", "typedef int mutant_host_t;\nmutant_host_t mutant;\n"),
    _defines("of another's type", "static int mutant_host;\n__typeof__(mutant_host) mutant = 1;\n"),
    _defines("thread local", "_Thread_local int mutant;\n"),
    _defines("aligned", "_Alignas(16) int mutant;\n"),
    _defines("in a branch that this machine does not have", "#ifdef _AIX\n#else\nint mutant(void) { return 1; }\n#endif\n"),
    _defines("in the last of many branches", "#if defined(A0)\n" + "".join(f"#elif defined(A{n})\n" for n in range(1, 60)) + "#else\nint mutant;\n#endif\n"),
    _hides("behind a character of two", "static int mutant_host = '/*';\nint mutant;\nstatic int guest = '*/';\n", "the C parser cannot read this"),
    _defines("behind a quoted quote", "static char mutant_host = '\"';\nint mutant;\nstatic char guest = '\"';\n"),
    _defines("name over two lines", "int mu\\\ntant(void) { return 1; }\n"),
    _defines("comment that ends over two lines", "/* one *\\\n/ int mutant; /* two */\n"),
    _defines("comment that begins over two lines", "/\\\n* one */ int mutant; /* two */\n"),
    _defines("directive over two lines", "#def\\\nine NAME mut\\\nant\nint NAME;\n"),
)  # fmt: skip

_BY_PREPROCESSOR = (
    _defines("name by a macro", "#define NAME mutant\nint NAME(void) { return 1; }\n"),
    _defines("name as a macro's argument", "#define MAKE(n) int n(void) { return 1; }\nMAKE(mutant)\n"),
    _defines("name in a macro's body", "#define MAKE() int mutant(void) { return 1; }\nMAKE()\n"),
    _defines("pasted name", "#define PASTE(a, b) a##b\nint PASTE(mu, tant)(void) { return 1; }\n"),
    _defines("pasted in two steps", "#define PASTE2(a, b) a##b\n#define PASTE(a, b) PASTE2(a, b)\n#define TAIL tant\nint PASTE(mu, TAIL)(void) { return 1; }\n"),
    _defines("name from a list", "#define EACH(f) f(other_mutant) f(mutant)\n#define MAKE(n) int n(void) { return 1; }\nEACH(MAKE)\n"),
    _defines("attribute by a macro", '#define API __attribute__((visibility("default")))\nAPI int mutant(void) { return 1; }\n'),
    _defines("one of two definitions of a macro", "#ifdef _AIX\n#define NAME other_mutant\n#else\n#define NAME mutant\n#endif\nint NAME;\n"),
    _defines("macro that was defined before", "#define NAME other_mutant\n#undef NAME\n#define NAME mutant\nint NAME;\n"),
    _defines("indented directive", "  #  define NAME mutant\nint NAME;\n"),
    _defines("comment in a directive", "#/* c */define/* c */NAME mutant\nint NAME;\n"),
    _defines("included C file", '#include "mutant.c"\n', at="{c}/mutant.c", edited="{c}", files={"{c}/mutant.c": "int mutant(void) { return 1; }\n"}),
    _defines("included file of another ending", '#include "mutant.inc"\n', at="{c}/mutant.inc", edited="{c}", files={"{c}/mutant.inc": "int mutant(void) { return 1; }\n"}),
    _defines("included header", '#include "mutant.h"\n', at="{c}/mutant.h", edited="{c}", files={"{c}/mutant.h": "#pragma once\nint mutant(void) { return 1; }\n"}),
    _defines("header in angle brackets", "#include <mutant.h>\n", at="{c}/mutant.h", edited="{c}", files={"{c}/mutant.h": "int mutant(void) { return 1; }\n"}, flags=("-Isrc",)),
    _defines("header of a header", '#include "sub/mutant.h"\n', at="{c}/mutant.inc", edited="{c}", files={"{c}/sub/mutant.h": '#include "../mutant.inc"\n', "{c}/mutant.inc": "int mutant;\n"}),
    _defines("header if it is there", '#if __has_include("mutant.h")\n#include "mutant.h"\n#endif\n', at="{c}/mutant.h", edited="{c}", files={"{c}/mutant.h": "int mutant;\n"}),
    _defines("imported header", '#import "mutant.h"\n', at="{c}/mutant.h", edited="{c}", files={"{c}/mutant.h": "int mutant;\n"}),
    _defines("header that is included twice", '#define NAME other_mutant\n#include "mutant.h"\n#undef NAME\n#define NAME mutant\n#include "mutant.h"\n', at="{c}/mutant.h", edited="{c}", files={"{c}/mutant.h": "int NAME;\n"}),
    _hides("computed include", '#define FILE "mutant.h"\n#include FILE\n', "is made by a macro", files={"{c}/mutant.h": "int mutant;\n"}),
    _hides("include of the next", '#include_next "mutant.h"\n', "#include_next", files={"{c}/mutant.h": "int mutant;\n"}, unproved="it is looked for in other folders"),
    _hides("missing header", '#include "mutant/not_there.h"\n', "is not there", unproved="a header is needed"),
    _hides("header by another name", '#pragma include_alias("other.h", "mutant.h")\n', "#pragma include_alias", unproved="another compiler is needed"),
    _hides("macro from elsewhere", "MAKE_MUTANT(mutant);\n", "", unproved="a header is needed"),
    _hides("macro with a body from elsewhere", "MAKE_MUTANT(mutant) { return 1; }\n", "", unproved="a header is needed"),
    _hides("macro that is kept and comes back", '#define mutant other\n#pragma push_macro("mutant")\n#undef mutant\nint mutant;\n#pragma pop_macro("mutant")\n', "#pragma push_macro"),
    _hides("pasted line number", "#define PASTE2(a, b) a##b\n#define PASTE(a, b) PASTE2(a, b)\n#line 7\nint PASTE(mutant, __LINE__);\n", "of the compiler's own", name="mutant7"),
    _hides("pasted counter", "#define PASTE2(a, b) a##b\n#define PASTE(a, b) PASTE2(a, b)\nint PASTE(mutant, __COUNTER__);\n", "of the compiler's own", name="mutant0"),
    _hides("digraphs", "%:define NAME mutant\nint NAME;\n", ""),
    _hides("digraphs that paste", "%:define PASTE(a, b) a%:%:b\nint PASTE(mu, tant);\n", ""),
    _hides("trigraphs", "??=define NAME mutant\nint NAME;\n", "trigraph", flags=("-trigraphs",)),
    _hides("trigraph at the end of a line", "// one ??/\n/*\nint mutant;\n// two ??/\n*/\n", "trigraph", flags=("-trigraphs",)),
    _hides("raw string", 'static const char *mutant_host = R"(/*)";\nint mutant;\nstatic const char *guest = R"(*/)";\n', "raw string"),
    _hides("carriage return alone", "// one\rint mutant;\n", "carriage return", unproved="another compiler is needed"),
    _hides("name beyond ASCII", "int mütant;\n", "", name="mütant"),
    _hides("name with an escape", "int m\\u00fctant;\n", "is no name that a suffix can be put behind", name="mütant"),
    _hides("byte order mark", "\ufeff#define NAME mutant\nint NAME;\n", "a byte order mark", head=True),
    _hides("statement at the top", "int mutant_host(void);\nmutant_host(mutant);\n", "", unproved="no compiler takes it"),
)  # fmt: skip

_OTHER_NAMES = (
    _hides("assembler name of a definition", 'int mutant_host __asm__("mutant") = 1;\n', "is given in a string"),
    _hides("assembler name of a function", 'int mutant_host(void) __asm__("mutant");\nint mutant_host(void) { return 1; }\n', "is given in a string"),
    _hides("assembler name of an import", 'int other(void) __asm__("mutant");\nint mutant_host(void) { return other(); }\n', "is given in a string", use=Use.IMPORT),
    _hides("assembler name in a block", 'int mutant_host(void) { extern int other(void) __asm__("mutant"); return other(); }\n', "is given in a string", use=Use.IMPORT),
    _hides("assembler name by a macro", "#define NAMED(n) __asm__(#n)\nint mutant_host(void) NAMED(mutant);\nint mutant_host(void) { return 1; }\n", "is given in a string"),
    _hides("alias", 'static int mutant_host(void) { return 1; }\nint mutant(void) __attribute__((alias("mutant_host")));\n', "another name"),
    _hides("alias by a macro", "static int mutant_host(void) { return 1; }\n#define ALIAS(n) __attribute__((alias(#n)))\nextern __typeof__(mutant_host) mutant ALIAS(mutant_host);\n", "another name"),
    _hides("ifunc", 'static int one(void) { return 1; }\nstatic int (*choose(void))(void) { return one; }\nint mutant(void) __attribute__((ifunc("choose")));\n', "another name"),
    _hides("weakref", 'static int mutant_host(void) __attribute__((weakref("mutant")));\nint guest(void) { return mutant_host(); }\n', "another name", use=Use.IMPORT),
    _hides("weakref in underscores", 'static int mutant_host(void) __attribute__((__weakref__("mutant")));\nint guest(void) { return mutant_host(); }\n', "another name", use=Use.IMPORT),
    _hides("symbol version", '__attribute__((symver("mutant@@V1"))) int mutant_host(void) { return 1; }\n', "another name", name="mutant@@V1"),
    _hides("copies for several machines", '__attribute__((target_clones("avx2", "default"))) int mutant(void) { return 1; }\n', "attribute"),
    _hides("mangled by the compiler", "__attribute__((overloadable)) int mutant(int a) { return a; }\n", "attribute", unproved="another compiler is needed"),
    _hides("section", '__attribute__((section("mutant"))) int mutant_host = 1;\n', "section", unproved="the linker makes names of sections"),
    _hides("section of a static", '__attribute__((used, section("mutant"))) static int mutant_host = 1;\n', "section", unproved="the linker makes names of sections"),
    _hides("unknown attribute", '__attribute__((mutate("mutant"))) int mutant_host(void) { return 1; }\n', "attribute", unproved="no compiler knows it"),
    _hides("unknown declspec", "__declspec(mutate) int mutant_host(void);\n", "attribute", unproved="another compiler is needed"),
    _hides("pragma weak", "extern int mutant(void);\n#pragma weak mutant\nint mutant_host(void) { return mutant ? 1 : 2; }\n", "#pragma weak", use=Use.IMPORT),
    _hides("pragma weak alias", "int mutant_host(void) { return 1; }\n#pragma weak mutant = mutant_host\n", "#pragma weak"),
    _hides("pragma of the preprocessor", 'int mutant_host(void) { return 1; }\n_Pragma("weak mutant = mutant_host")\n', "weak"),
    _hides("pragma of a macro", "#define PRAGMA(x) _Pragma(#x)\nint mutant_host(void) { return 1; }\nPRAGMA(weak mutant = mutant_host)\n", "weak"),
    _hides("pragma over two lines", "int mutant_host(void) { return 1; }\n#pra\\\ngma we\\\nak mutant = mutant_host\n", "#pragma weak"),
    _hides("pragma of another name", "#pragma redefine_extname other mutant\nint other(void);\nint mutant_host(void) { return other(); }\n", "#pragma redefine_extname", use=Use.IMPORT),
    _hides("pragma that is not known", "#pragma mutate mutant\n", "#pragma mutate", unproved="no compiler knows it"),
    _hides("pragma for the linker", '#pragma comment(linker, "/EXPORT:mutant=mutant_host")\n', "#pragma comment", unproved="another compiler is needed"),
    _hides("assembly", '__asm__(".globl mutant\\nmutant: ret");\n', "assembly"),
    _hides("assembly in pieces", 'asm(".globl " "mutant\\n" "mutant: ret");\n', "assembly"),
    _hides("assembly of a macro", '#define LABEL(n) asm(".globl " #n "\\n" #n ": ret")\nLABEL(mutant);\n', "assembly"),
    _hides("assembly in a function", 'int mutant_host(void) { __asm__ volatile (".globl mutant\\nmutant:"); return 1; }\n', "assembly"),
    _hides("assembly with a jump", 'int mutant_host(void) { __asm__ goto (".globl mutant\\nmutant:" : : : : out); return 1; out: return 2; }\n', "assembly"),
    _hides("assembly that calls", 'int mutant_host(void) { asm("call mutant"); return 1; }\n', "assembly", use=Use.IMPORT),
)  # fmt: skip

_IMPORTS = (
    _imports("prototype", "int mutant(void);\nint mutant_host(void) { return mutant(); }\n"),
    _imports("extern variable", "extern int mutant;\nint mutant_host(void) { return mutant; }\n"),
    _imports("weak import", "__attribute__((weak)) extern int mutant(void);\nint mutant_host(void) { return mutant != 0; }\n"),
    _imports("in a block", "int mutant_host(void) { extern int mutant; return mutant; }\n"),
    _imports("prototype in a block", "int mutant_host(void) { int mutant(void); return mutant(); }\n"),
    _imports("of a function's type", "typedef int mutant_host_t(void);\nextern mutant_host_t mutant;\nint mutant_host(void) { return mutant(); }\n"),
    _row("use without a declaration", "int mutant_host(void) { return mutant(); }\n", Outcome.SUFFIXED, use=Use.MENTION),
    _row("address without a call", "extern int mutant(void);\nint (*const mutant_host)(void) = mutant;\n", Outcome.SUFFIXED, use=Use.IMPORT),
)  # fmt: skip

_LOOK_ALIKES = (
    _looks_alike("static function", "static int mutant(void) { return 1; }\n"),
    _looks_alike("static inline function", "static inline int mutant(void) { return 1; }\n"),
    _looks_alike("static variable", "static int mutant = 1;\n"),
    _looks_alike("static by a macro", "#define PRIVATE static\nPRIVATE int mutant = 1;\n"),
    _looks_alike("local variables", "static int mutant_host(void) { static int mutant; int other_mutant = 1; return mutant + other_mutant; }\n"),
    _looks_alike("type", "typedef int mutant;\n"),
    _looks_alike("enumerator", "enum { mutant };\n"),
    _looks_alike("tag and member", "struct mutant { int mutant; };\n"),
    _looks_alike("label", "static int mutant_host(void) { goto mutant; mutant: return 1; }\n"),
    _looks_alike("comments", "/* int mutant; */\n// int mutant; \\\n   int mutant;\n"),
    _looks_alike("string", 'static const char *mutant_host = "int mutant; __asm__(\\"mutant\\")";\n'),
    _looks_alike("macro that nobody uses", "#define MAKE int mutant;\n"),
    _looks_alike("assembly without text", 'static void mutant_host(void) { __asm__ volatile ("" ::: "memory"); }\n'),
    _looks_alike("harmless pragmas", '#pragma once\n#pragma GCC diagnostic push\n#pragma GCC diagnostic ignored "-Wall"\n#pragma pack(push, 1)\n#pragma STDC FP_CONTRACT ON\n'),
    _looks_alike("register", 'static long mutant_host(void) { register long mutant __asm__("rax") = 1; return mutant; }\n'),
)  # fmt: skip

ROWS: tuple[Mutation, ...] = (*_DEFINITIONS, *_BY_PREPROCESSOR, *_OTHER_NAMES, *_IMPORTS, *_LOOK_ALIKES)
