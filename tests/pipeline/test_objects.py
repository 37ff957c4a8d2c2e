"""Real objects of a crate of a few lines, held against its scan; where they differ, an ``nm`` that lies says so."""

from __future__ import annotations

import shutil
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import pytest
from symbols import native, small

from patchbot.model import Kind
from patchbot.pipeline.objects import Objects, Subject
from patchbot.proof import compilers
from patchbot.proof.making import Bench
from patchbot.symbols.compiled.inputs import Inputs
from patchbot.symbols.corpus import Corpus
from patchbot.symbols.scan import scan, scan_suffixed
from patchbot.targets import KNOWN
from patchbot.truth import Form, OwnNames, Row, Verdict

pytestmark = [native.needs_cc, native.x86_64_linux]

LINUX = KNOWN["x86_64-unknown-linux-gnu"]
HEAD = "crates/runtime"

C = {
    "build.rs": 'fn main() { cc::Build::new().file("src/a.c").compile("a"); }',
    "src/a.c": "void enter(void);\n__attribute__((weak)) int __jit_debug_descriptor;\nint engine(void) { enter(); return 1; }\n",
    "src/lib.rs": '#[no_mangle] pub extern "C" fn enter() {}\n',
}
TEXT = {"src/lib.rs": 'core::arch::global_asm!(".globl engine\\nengine: ret\\n.size engine,.-engine");\n'}


@pytest.fixture(scope="module")
def bench() -> Bench:
    return Bench(LINUX, compilers.find(LINUX))


def subject(files: Mapping[str, str]) -> Subject:
    """Return a crate of these files with its patches, and without."""
    release, before = small.one_crate(files)
    scanned = scan(release, before, small.POLICY)
    changed = small.rewritten(scanned)
    after = {**before, **{path: text.encode("latin-1") for path, text in changed.items()}}
    again = scan_suffixed(release, after, small.POLICY, small.SUFFIX)
    names = OwnNames(again.inventory.names(Kind.OWN), small.SUFFIX.text)
    return Subject(again, Inputs(again.corpus, small.SUFFIX.text), Inputs(Corpus(release, before), ""), names)


def rows(files: Mapping[str, str], *benches: Bench, memory: Path) -> list[Row]:
    objects = Objects(subject(files), memory, lambda _: None)
    return [row for row in objects.rows(benches) if row.form is not Form.MACROS]


def only(files: Mapping[str, str], bench: Bench, memory: Path) -> Row:
    (row,) = rows(files, bench, memory=memory)
    return row


# -- agreement ---------------------------------------------------------------------------------------


def test_a_c_file_agrees_and_its_twin_does_not(bench: Bench, tmp_path: Path) -> None:
    row = only(C, bench, tmp_path)
    assert (row.path, row.form, row.target) == (f"{HEAD}/src/a.c", Form.C, LINUX.triple)
    assert (row.verdict, row.problems, row.twin, row.ok) == (Verdict.AGREES, (), True, True)
    assert row.defined == ("__jit_debug_descriptor", "engine_8_0_1_pb")
    assert (row.imported, row.suffixed) == (("enter_8_0_1_pb",), 1)
    assert row.compiler.startswith("cc ")


def test_text_agrees_and_its_twin_does_not(bench: Bench, tmp_path: Path) -> None:
    row = only(TEXT, bench, tmp_path)
    assert (row.form, row.verdict, row.twin, row.defined) == (
        Form.TEXT,
        Verdict.AGREES,
        True,
        ("engine_8_0_1_pb",),
    )


def test_a_twin_is_tried_once_for_a_file(bench: Bench, tmp_path: Path) -> None:
    other = replace(bench, target=KNOWN["x86_64-unknown-none"])
    found = rows(C, bench, other, memory=tmp_path)
    assert [row.twin for row in found] == [True, None]


def test_what_has_no_name_of_its_own_has_no_twin(bench: Bench, tmp_path: Path) -> None:
    row = only({"src/lib.rs": 'fn f() { naked_asm!("ret") }'}, bench, tmp_path)
    assert (row.verdict, row.twin, row.defined) == (Verdict.AGREES, None, ())


# -- every way to disagree ---------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("lie", "problems", "twin"),
    [
        ("/^engine/d", ["does not define engine_8_0_1_pb, and the scan says so"], True),
        ("$a stray T 0 0", ["defines stray, and the scan does not know it"], True),
        ("s/^engine_8_0_1_pb/engine/",
         ["defines engine without the suffix _8_0_1_pb", "does not define engine_8_0_1_pb, and the scan says so"], True),
        ("s/^enter_8_0_1_pb/enter/", ["uses enter without the suffix _8_0_1_pb"], True),
        ("$a leave_8_0_1_pb U", [], True),
        ("$a engine U", ["uses engine without the suffix _8_0_1_pb"], True),
        ("s/^__jit_debug_descriptor V/__jit_debug_descriptor D/", ["__jit_debug_descriptor is strong, and weak in the scan"], True),
        ("s/^engine_8_0_1_pb T/engine_8_0_1_pb W/", ["engine_8_0_1_pb is weak, and strong in the scan"], True),
        # names that are the same with and without patches prove nothing
        ("s/^engine /engine_8_0_1_pb /; s/^enter /enter_8_0_1_pb /", ["without patches it has the same names"], False),
    ],
    ids=["missing", "extra", "bare", "bare use", "somebody else's", "bare use of its own", "strong", "weak", "twin"],
)  # fmt: skip
def test_an_object_that_is_not_what_the_scan_says_is_told(
    bench: Bench,
    tmp_path: Path,
    lie: str,
    problems: list[str],
    twin: bool,  # noqa: FBT001 - a table
) -> None:
    assert bench.cc is not None
    nm = tmp_path / "nm"
    nm.write_text(f"#!/bin/sh\n{shutil.which('nm')} \"$@\" | sed '{lie}'\n")
    nm.chmod(0o755)
    row = only(C, replace(bench, cc=replace(bench.cc, nm=str(nm))), tmp_path / "memory")
    assert (list(row.problems), row.twin) == (problems, twin)
    assert row.ok == (not problems)
    assert row.verdict is (Verdict.DISAGREES if problems and twin else Verdict.AGREES)


def test_what_the_compiler_refuses_is_told(bench: Bench, tmp_path: Path) -> None:
    row = only({**C, "src/a.c": "int engine(void) { return missing; }\n"}, bench, tmp_path)
    assert (row.verdict, row.ok, row.defined) == (Verdict.REFUSED, False, ())
    assert "missing" in row.problems[0]


def test_a_name_that_nothing_makes_is_told(bench: Bench, tmp_path: Path) -> None:
    inline = 'fn f() { unsafe { core::arch::asm!(".globl hidden", "hidden: ret") } }'
    (row,) = rows({"src/lib.rs": inline}, bench, memory=tmp_path)
    assert (row.verdict, row.form, row.path) == (Verdict.DISAGREES, Form.TEXT, f"{HEAD}/src/lib.rs")
    assert row.problems == ("the scan has hidden_8_0_1_pb here, and nothing makes it",)


# -- what is not asked -------------------------------------------------------------------------------


def test_a_target_without_a_compiler_is_listed(tmp_path: Path) -> None:
    row = only(C, Bench(KNOWN["x86_64-pc-windows-msvc"]), tmp_path)
    assert (row.verdict, row.compiler, row.ok) == (Verdict.NO_COMPILER, "", True)


def test_a_file_that_nothing_compiles_is_listed(bench: Bench, tmp_path: Path) -> None:
    found = rows({**C, "src/dead.S": "f: ret\n", "src/dead.cc": "int x;\n"}, bench, memory=tmp_path)
    idle = [(row.path, row.form, row.target) for row in found if row.verdict is Verdict.NOT_COMPILED]
    assert idle == [(f"{HEAD}/src/dead.S", Form.ASSEMBLER, ""), (f"{HEAD}/src/dead.cc", Form.C, "")]


def test_text_that_nobody_can_compile_is_listed_with_the_place(bench: Bench, tmp_path: Path) -> None:
    source = '#[cfg(windows)] macro_rules! arg { () => ("rcx") }\ncore::arch::global_asm!(".globl engine\\nengine: mov ", arg!(), ", 1");'
    row = only({"src/lib.rs": source}, bench, tmp_path)
    assert (row.verdict, row.ok) == (Verdict.IMPOSSIBLE, True)
    assert row.obstacle == f"arg! cannot be followed ({HEAD}/src/lib.rs:2)"


def test_leftovers_are_told_and_are_no_failure(bench: Bench, tmp_path: Path) -> None:
    row = only({"src/lib.rs": TEXT["src/lib.rs"].replace("ret\\n", "jmp gone_with_9\\n")}, bench, tmp_path)
    assert (row.verdict, row.notes) == (Verdict.AGREES, ("uses gone_with_9, which nothing defines",))


def test_a_twin_that_cannot_be_made_proves_nothing_and_is_told(bench: Bench, tmp_path: Path) -> None:
    source = (
        '#ifndef engine\n#error "as the fiber of 12 to 23 for arm"\n#endif\nint engine(void) { return 1; }\n'
    )
    row = only({**C, "src/a.c": source}, bench, tmp_path)
    assert (row.verdict, row.twin, row.ok) == (Verdict.AGREES, None, True)
    assert row.notes[0].startswith("without patches it cannot be made: src/a.c:2:2: error")


def test_the_same_objects_are_made_once(bench: Bench, tmp_path: Path) -> None:
    first, second = only(C, bench, tmp_path), only(C, bench, tmp_path)
    assert (first.known, second.known) == (False, True)
    assert replace(second, known=False, seconds=first.seconds) == first
