from __future__ import annotations

import dataclasses
import subprocess
from collections.abc import Iterable
from pathlib import Path

import pytest

from patchbot.proof import objects
from patchbot.proof.objects import Judged, ObjectSymbol

ONE = Judged("1.0.0", "_1_0_0_pb", frozenset({"engine_enter", "engine_leave"}))
TWO = Judged("2.0.0", "_2_0_0_pb", frozenset({"engine_enter", "engine_wait"}))
LIBRARIES = {"libone.rlib": ONE, "libtwo.rlib": TWO}
KEEP = frozenset({"__debugger_looks"})


# -- reading -----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("line", "library", "member", "name", "defined"),
    [
        ("lib/liba.rlib[a.rcgu.o]: engine_enter T 0 1d", "lib/liba.rlib", "a.rcgu.o", "engine_enter", True),
        ("liba.rlib[a.o]: engine_enter U         ", "liba.rlib", "a.o", "engine_enter", False),
        ("liba.rlib[a.o]: engine_enter U", "liba.rlib", "a.o", "engine_enter", False),
        ("liba.rlib[a.o]: weak_function W 1d b", "liba.rlib", "a.o", "weak_function", True),
        ("liba.rlib[a.o]: weak_object V 0 4", "liba.rlib", "a.o", "weak_object", True),
        ("liba.rlib[a.o]: weak_use w         ", "liba.rlib", "a.o", "weak_use", False),
        ("liba.rlib[a.o]: weak_object_use v         ", "liba.rlib", "a.o", "weak_object_use", False),
        ("liba.rlib[a.o]: common C 4 4", "liba.rlib", "a.o", "common", True),
        ("liba.rlib[a.o]: data D 0 8", "liba.rlib", "a.o", "data", True),
        ("liba.rlib[a.o]: unique u 0 8", "liba.rlib", "a.o", "unique", True),
        ("liba.rlib[a.o]: indirect i 0 8", "liba.rlib", "a.o", "indirect", True),
        # as llvm-nm says it of Mach-O
        ("liba.rlib[a.o]: _engine_enter T 0 0", "liba.rlib", "a.o", "_engine_enter", True),
        ("liba.rlib[a.o]: __ZN4core3fmt9Formatter3pad17h0E U 0 0", "liba.rlib", "a.o", "__ZN4core3fmt9Formatter3pad17h0E", False),
        ("/a [b]/lib[c].rlib[a.o]: f T 0 1", "/a [b]/lib[c].rlib", "a.o", "f", True),
        ("liba.rlib[a.o]: f@@V1 T 0 1", "liba.rlib", "a.o", "f@@V1", True),
    ],
)  # fmt: skip
def test_a_line_of_nm_is_read(line: str, library: str, member: str, name: str, *, defined: bool) -> None:
    assert objects.parse_nm(f"{line}\n") == [ObjectSymbol(library, member, name, defined)]
    assert objects.unread(f"{line}\n", "") == []


@pytest.mark.parametrize(
    "line", ["", "liba.rlib[lib.rmeta]:", "0000 T name", "liba.rlib: engine_enter T 0 1"]
)
def test_another_line_is_no_symbol(line: str) -> None:
    assert objects.parse_nm(f"{line}\n") == []


def test_what_could_not_be_read_is_named_and_what_is_empty_is_not() -> None:
    output = "liba.rlib[a.o]: f T 0 1\n\nbfd plugin: cannot read it\n"
    errors = "nm: lib.rmeta: no symbols\nnm: b.o: file format not recognized\n\n"
    assert objects.unread(output, errors) == [
        "not every object was read: bfd plugin: cannot read it",
        "not every object was read: nm: b.o: file format not recognized",
    ]


def test_real_objects_in_a_real_archive_are_read(tmp_path: Path) -> None:
    (tmp_path / "a.c").write_text(
        "extern int used(void);\n"
        "extern int weak_use(void) __attribute__((weak));\n"
        "static int hidden(void) { return used(); }\n"
        "int (*kept)(void) = hidden;\n"
        "int (*maybe)(void) = weak_use;\n"
        "int defined(void) { return 1; }\n"
        "__attribute__((weak)) int weak_definition(void) { return 1; }\n"
        '__asm__(".globl from_assembler\\n.text\\nfrom_assembler: ret\\n");\n'
    )
    (tmp_path / "b.c").write_text(
        "static int nothing_global;\nstatic int *p(void) { return &nothing_global; }\n"
    )
    for name in ("a", "b"):
        subprocess.run(["cc", "-c", f"{name}.c", "-Wno-unused"], cwd=tmp_path, check=True)
    subprocess.run(["ar", "rcs", "liba.a", "a.o", "b.o"], cwd=tmp_path, check=True)
    said = subprocess.run(
        ["nm", "-P", "-A", "-g", "liba.a"], cwd=tmp_path, check=True, capture_output=True, text=True
    )
    read = objects.parse_nm(said.stdout)
    assert {(s.library, s.member) for s in read} == {("liba.a", "a.o")}
    assert {s.name.removeprefix("_"): s.defined for s in read} == {
        "defined": True,
        "from_assembler": True,
        "kept": True,
        "maybe": True,
        "used": False,
        "weak_definition": True,
        "weak_use": False,
    }
    assert objects.unread(said.stdout, said.stderr) == []


# -- judging -----------------------------------------------------------------------------------------


def defines(*names: str, library: str = "libone.rlib") -> list[ObjectSymbol]:
    return [ObjectSymbol(library, "a.o", name, defined=True) for name in names]


def uses(*names: str, library: str = "libone.rlib") -> list[ObjectSymbol]:
    return [ObjectSymbol(library, "b.o", name, defined=False) for name in names]


FINE = (*defines("engine_enter_1_0_0_pb"), *defines("engine_enter_2_0_0_pb", library="libtwo.rlib"))


def judged(symbols: Iterable[ObjectSymbol]) -> list[str]:
    return objects.judge([*FINE, *symbols], LIBRARIES, keep=KEEP)


@pytest.mark.parametrize(
    "symbols",
    [
        [],
        defines("engine_leave_1_0_0_pb"),
        [*defines("engine_leave_1_0_0_pb"), *uses("engine_leave_1_0_0_pb")],
        # one crate of a release may use what another one defines
        uses("engine_enter_2_0_0_pb", library="libtwo.rlib"),
        uses("memcpy", "pthread_create", "_Unwind_Resume", "__tls_get_addr"),
        defines("_ZN6engine5enter17h0123456789abcdefE", "_RNvC6engine5enter", "__ZN6engine5enter17h01E", "__RNvC6e5e"),
        uses("_ZN6engine5enter17h0123456789abcdefE"),
        defines("__debugger_looks"),
        uses("__debugger_looks"),
        defines("___debugger_looks"),
        defines("DW.ref.rust_eh_personality", "rust_eh_personality", "__rust_no_alloc_shim_is_unstable"),
        defines("__rdl_alloc", "__rg_oom", "___rust_alloc", "anon.0123456789abcdef.7", "__rustc_debug_gdb_scripts_section__"),
        # Mach-O has an underscore before every name
        [*defines("_engine_leave_1_0_0_pb"), *uses("_engine_leave_1_0_0_pb"), *uses("_memcpy")],
        # libraries of others are not judged
        defines("engine_enter", "anything", library="libanother.rlib"),
    ],
    ids=[
        "nothing-more", "suffixed", "used-and-defined", "used-across", "of-the-system", "mangled", "mangled-use",
        "kept", "kept-use", "kept-mach-o", "runtime", "allocator", "mach-o", "another-library",
    ],
)  # fmt: skip
def test_what_may_live_together(symbols: list[ObjectSymbol]) -> None:
    assert judged(symbols) == []


@pytest.mark.parametrize(
    ("symbols", "problem"),
    [
        (defines("engine_enter"), "1.0.0: a.o defines engine_enter without the suffix _1_0_0_pb"),
        (uses("engine_enter"), "1.0.0: b.o uses engine_enter without the suffix _1_0_0_pb"),
        (defines("_engine_enter"), "1.0.0: a.o defines _engine_enter without the suffix _1_0_0_pb"),
        (uses("_engine_enter"), "1.0.0: b.o uses _engine_enter without the suffix _1_0_0_pb"),
        # a name that the scan does not know
        (defines("forgotten"), "1.0.0: a.o defines forgotten without the suffix _1_0_0_pb"),
        (defines("engine_enter_1_0_0"), "1.0.0: a.o defines engine_enter_1_0_0 without the suffix _1_0_0_pb"),
        # would be bound to upstream's original of the same version, silently
        (uses("engine_enter_1_0_0"), "1.0.0: b.o uses engine_enter_1_0_0 without the suffix _1_0_0_pb"),
        (uses("_engine_enter_1_0_0"), "1.0.0: b.o uses _engine_enter_1_0_0 without the suffix _1_0_0_pb"),
        (defines("engine_enter_2_0_0_pb"), "1.0.0: a.o has engine_enter_2_0_0_pb, another version's"),
        (uses("engine_enter_2_0_0_pb"), "1.0.0: b.o has engine_enter_2_0_0_pb, another version's"),
        (uses("engine_wait_2_0_0_pb"), "1.0.0: b.o has engine_wait_2_0_0_pb, another version's"),
        (uses("engine_leave_1_0_0_pb"), "1.0.0: engine_leave_1_0_0_pb is used and nowhere defined"),
        (uses("engine_wait_2_0_0_pb", library="libtwo.rlib"), "2.0.0: engine_wait_2_0_0_pb is used and nowhere defined"),
        (uses("_engine_leave_1_0_0_pb"), "1.0.0: engine_leave_1_0_0_pb is used and nowhere defined"),
        (defines("rust_eh_personality_of_mine"), "1.0.0: a.o defines rust_eh_personality_of_mine without the suffix _1_0_0_pb"),
    ],
)  # fmt: skip
def test_what_may_not(symbols: list[ObjectSymbol], problem: str) -> None:
    assert judged(symbols) == [problem]


def test_a_definition_of_another_release_is_none() -> None:
    symbols = [*uses("engine_leave_1_0_0_pb"), *defines("engine_leave_1_0_0_pb", library="libtwo.rlib")]
    assert judged(symbols) == [
        "1.0.0: engine_leave_1_0_0_pb is used and nowhere defined",
        "2.0.0: a.o has engine_leave_1_0_0_pb, another version's",
    ]


def test_a_name_that_debuggers_look_up_has_to_be_said() -> None:
    assert objects.judge([*FINE, *defines("__debugger_looks")], LIBRARIES, keep=frozenset()) == [
        "1.0.0: a.o defines __debugger_looks without the suffix _1_0_0_pb"
    ]


def test_a_library_without_any_symbol_proves_nothing() -> None:
    assert objects.judge([], LIBRARIES, keep=KEEP) == [
        "1.0.0: libone.rlib has no symbols at all",
        "2.0.0: libtwo.rlib has no symbols at all",
    ]
    assert objects.judge(defines("_ZN1aE"), LIBRARIES, keep=KEEP) == [
        "2.0.0: libtwo.rlib has no symbols at all"
    ]


def test_a_library_of_macros_alone_may_have_no_symbols_and_no_others() -> None:
    macros = {**LIBRARIES, "libtwo.rlib": dataclasses.replace(TWO, silent=True)}
    assert objects.judge([], macros, keep=KEEP) == ["1.0.0: libone.rlib has no symbols at all"]
    # what it has all the same is judged
    bare = [*FINE, ObjectSymbol("libtwo.rlib", "b.o", "engine_wait", defined=True)]
    assert objects.judge(bare, macros, keep=KEEP) == [
        "2.0.0: b.o defines engine_wait without the suffix _2_0_0_pb"
    ]


def test_problems_are_told_once_and_in_order() -> None:
    symbols = [*defines("z", "a", "z"), *defines("engine_enter", library="libtwo.rlib"), *defines("a")]
    assert judged(symbols) == [
        "1.0.0: a.o defines a without the suffix _1_0_0_pb",
        "1.0.0: a.o defines z without the suffix _1_0_0_pb",
        "2.0.0: a.o defines engine_enter without the suffix _2_0_0_pb",
    ]


@pytest.mark.parametrize(
    ("name", "own"),
    [
        ("engine_enter", True),
        ("_engine_enter", True),
        ("engine_enter_24_0_4", True),
        ("_engine_enter_24_0_4", True),
        ("engine_enter_50_0_0_rc_1", True),
        ("engine_enter_24", False),
        ("engine_entered", False),
        ("my_engine_enter", False),
        ("__engine_enter", False),
    ],
)
def test_a_name_is_own_with_and_without_upstreams_version(name: str, *, own: bool) -> None:
    assert objects.is_own(name, ONE.own) == own


# -- what linkers say --------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("said", "names"),
    [
        (
            "ld: in function `caller':\nb.c: multiple definition of `engine_enter'; a.c: first defined here\n",
            {"engine_enter"},
        ),
        ("/usr/bin/ld: b.o:(.data+0x0): multiple definition of `a.b$c'; a.o:(.data+0x0): first defined here\n", {"a.b$c"}),
        ("/usr/bin/ld.gold: error: b.o: multiple definition of 'engine_enter'\nld.gold: a.o: previous definition here\n", {"engine_enter"}),
        ("rust-lld: error: duplicate symbol: engine_enter\n>>> defined at a.c\n>>>            a.o:(engine_enter)\n", {"engine_enter"}),
        ("ld.lld: error: duplicate symbol: one\n>>> x\n\nld.lld: error: duplicate symbol: two\n", {"one", "two"}),
        ("duplicate symbol '_engine_enter' in:\n    a.o\n    b.o\nld: 1 duplicate symbols\n", {"_engine_enter"}),
        ("duplicate symbol _engine_enter in:\n    a.o\n    b.o\nld: 1 duplicate symbol for architecture arm64\n", {"_engine_enter"}),
        ("", set()),
        ("error: linking with `cc` failed: exit status: 1\nld: cannot find -lz\n", set()),
        ("undefined reference to `engine_enter'\n", set()),
    ],
    ids=[
        "gnu", "gnu-odd-name", "gold", "rust-lld", "ld.lld", "ld64", "ld64-classic", "nothing", "another-error",
        "undefined",
    ],
)  # fmt: skip
def test_colliding_names_are_read_from_the_linkers_words(said: str, names: set[str]) -> None:
    assert objects.duplicates(said) == names
