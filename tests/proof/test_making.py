"""Objects of a few lines by the real compiler, and what is remembered of them."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from symbols import native

from patchbot.proof import compilers, making
from patchbot.proof.compilers import Compiler, Rustc
from patchbot.proof.expander import Shelf
from patchbot.proof.making import Bench, make
from patchbot.targets import KNOWN
from patchbot.truth import AsmText, CompiledFile, MacroFile, Operand, TextFile

LINUX = KNOWN["x86_64-unknown-linux-gnu"]

pytestmark = [native.needs_cc, native.x86_64_linux]


@pytest.fixture(scope="module")
def bench() -> Bench:
    return Bench(LINUX, compilers.find(LINUX))


def c(
    source: str, *defines: str, more: dict[str, str] | None = None, path: str = "crates/a/src/a.c"
) -> CompiledFile:
    files = {path: source, **(more or {})}
    return CompiledFile(
        path=path,
        crate="a",
        folder="crates/a",
        files={p: t.encode() for p, t in files.items()},
        defines=defines,
    )


def kinds(made: making.Made) -> dict[str, str]:
    assert made.failure == ""
    return {name.name: name.kind for name in made.names}


def test_a_c_file_is_compiled_as_its_build_script_asks(bench: Bench, tmp_path: Path) -> None:
    source = c(
        '#include "../include/a.h"\n#ifdef SUFFIX\nint NAME(f)(void) { return g(); }\n#endif\n'
        "static int hidden;\nint *NAME(p) = &hidden;\n__attribute__((weak)) void w(void) {}\n",
        "-DSUFFIX=_1",
        more={
            "crates/a/include/a.h": "#define N2(a, b) a##b\n#define N1(a, b) N2(a, b)\n#define NAME(a) N1(a, SUFFIX)\nint g(void);\n"
        },
    )
    found = kinds(make(source, bench, tmp_path))
    assert found.pop("_GLOBAL_OFFSET_TABLE_", "U") == "U"
    assert found == {"f_1": "T", "g": "U", "p_1": "D", "w": "W"}


def test_an_assembler_file_goes_through_the_preprocessor(bench: Bench, tmp_path: Path) -> None:
    source = c("#define f f_1\n.globl f\nf: jmp g\nlocal: ret\n", path="crates/a/src/a.S")
    assert kinds(make(source, bench, tmp_path)) == {"f_1": "T", "g": "U"}


def test_what_does_not_compile_says_why_without_folders(bench: Bench, tmp_path: Path) -> None:
    made = make(c("int f(void) { return missing; }\n"), bench, tmp_path)
    assert made.names == ()
    assert "src/a.c:1:" in made.failure
    assert "missing" in made.failure
    assert "patchbot-object" not in made.failure


def test_text_is_assembled(bench: Bench, tmp_path: Path) -> None:
    operands = (Operand("sym", "", "inner"), Operand("sym", "s", "start", "start_1"))
    source = TextFile(path="a.rs", crate="a", texts=(AsmText(".globl f\nf: jmp {}\njmp {s}\n", operands),))
    assert kinds(make(source, bench, tmp_path)) == {"f": "T", "start_1": "U"}


@native.needs_rustc
def test_text_is_assembled_by_rustc_where_it_can(bench: Bench, tmp_path: Path) -> None:
    rustc = compilers.find_rustc()
    assert rustc is not None
    source = TextFile(
        path="a.rs",
        crate="a",
        texts=(AsmText(".globl f\nf: jmp {}\n.size f,.-f", (Operand("sym", "", "g", "g_1"),)),),
    )
    both = [replace(bench, rustc=rustc), bench]
    assert [bench.assembler for bench in both] == [rustc, bench.cc]
    assert [kinds(make(source, here, tmp_path)) for here in both] == [{"f": "T", "g_1": "U"}] * 2


def test_text_that_no_assembler_takes_says_so(bench: Bench, tmp_path: Path) -> None:
    source = TextFile(path="a.rs", crate="a", texts=(AsmText("no such instruction"),))
    assert "text.s" in make(source, bench, tmp_path).failure


# -- memory ------------------------------------------------------------------------------------------


def test_the_same_input_is_compiled_once(bench: Bench, tmp_path: Path) -> None:
    first, second = (make(c("int f;"), bench, tmp_path) for _ in range(2))
    assert (first.known, second.known) == (False, True)
    assert first.names == second.names
    assert kinds(second) == {"f": "B"}


def test_a_failure_is_remembered_too(bench: Bench, tmp_path: Path) -> None:
    first, second = (make(c("int f"), bench, tmp_path) for _ in range(2))
    assert second.known
    assert first.failure == second.failure != ""


@pytest.mark.parametrize(
    "other",
    [
        c("int g;"),
        c("int f;", "-DX"),
        c("int f;", more={"crates/a/src/b.h": ""}),
        c("int f;", path="crates/a/src/b.c"),
        c("int f;", path="crates/a/src/a.S"),
        TextFile(path="crates/a/src/a.c", crate="a", texts=(AsmText("int f;"),)),
    ],
    ids=["bytes", "define", "include", "path", "form", "text"],
)  # fmt: skip
def test_another_input_is_made_anew(bench: Bench, tmp_path: Path, other: CompiledFile) -> None:
    make(c("int f;"), bench, tmp_path)
    assert not make(other, bench, tmp_path).known


def test_another_compiler_or_target_is_asked_anew(bench: Bench, tmp_path: Path) -> None:
    assert bench.cc is not None
    make(c("int f;"), bench, tmp_path)
    for other in (
        replace(bench, cc=replace(bench.cc, version="another")),
        replace(bench, cc=replace(bench.cc, flags=(*bench.cc.flags, "-O1"))),
        replace(bench, target=KNOWN["x86_64-unknown-none"]),
    ):
        assert not make(c("int f;"), other, tmp_path).known
        assert make(c("int f;"), other, tmp_path).known


def test_a_memory_that_is_damaged_is_made_again(bench: Bench, tmp_path: Path) -> None:
    make(c("int f;"), bench, tmp_path)
    (file,) = tmp_path.rglob("*.json")
    file.write_text("{")
    assert not make(c("int f;"), bench, tmp_path).known


# -- nm ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("script", "failure"),
    [
        ("echo what is this", "nm says what is not understood: what is this"),
        ("echo broken >&2; exit 1", "nm: broken"),
        ("echo 'f T 0 1'; echo 'a.o: file format not recognized' >&2", "nm: a.o: file format not recognized"),
    ],
)
def test_what_nm_cannot_read_is_no_empty_object(
    bench: Bench, tmp_path: Path, script: str, failure: str
) -> None:
    nm = tmp_path / "nm"
    nm.write_text(f"#!/bin/sh\n{script}\n")
    nm.chmod(0o755)
    assert bench.cc is not None
    made = make(c("int f;"), replace(bench, cc=replace(bench.cc, nm=str(nm))), tmp_path / "memory")
    assert made.names == ()
    assert made.failure.startswith(failure)


def test_an_object_without_names_is_none_at_all(bench: Bench, tmp_path: Path) -> None:
    made = make(c("static int f;"), bench, tmp_path)
    assert (made.names, made.failure) == ((), "")


# -- which tool --------------------------------------------------------------------------------------


def test_each_source_has_its_tool() -> None:
    cc, rustc = Compiler("gcc", (), "nm", "gcc 1"), Rustc("rustc", LINUX.triple, "nm", "rustc 1")
    shelf = Shelf({}, "")
    text, macros = TextFile(path="a", crate="a", texts=()), MacroFile(
        path="a", crate="a", paths=(), edition="", features=(), modules=(), crates=()
    )  # fmt: skip
    sources = (c("int f;"), text, macros)
    assert [Bench(LINUX, cc).tool(s) for s in sources] == [cc, cc, None]
    assert [Bench(LINUX, None, rustc).tool(s) for s in sources] == [None, rustc, None]
    assert [Bench(LINUX, cc, rustc, shelf).tool(s) for s in sources] == [cc, rustc, rustc]
    assert [Bench(LINUX).tool(s) for s in sources] == [None, None, None]
