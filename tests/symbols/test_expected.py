"""What a scan of a rewritten release says of each object."""

from __future__ import annotations

import pytest
from symbols import small

from patchbot.model import Names, Suffix
from patchbot.symbols.compiled.expected import Expectations
from patchbot.symbols.compiled.inputs import Inputs
from patchbot.symbols.scan import Scan, scan, scan_suffixed
from patchbot.targets import KNOWN
from patchbot.truth import CompiledFile, Expected, Form, MacroFile, Source

LINUX = "x86_64-unknown-linux-gnu"
S390X = "s390x-unknown-linux-gnu"
MINGW = "x86_64-pc-windows-gnu"
AARCH64 = "aarch64-unknown-linux-gnu"

HELPERS = "crates/runtime/src/helpers.c"
TRAMPOLINES = "crates/runtime/src/trampolines/x86_64.rs"
DEBUGGERS = {"__jit_debug_descriptor", "__jit_debug_register_code"}


def patched(version: str = "8.0.1", change: small.Sources | None = None, *, versioned: bool = False) -> Scan:
    release, files = small.upstream(version, versioned=versioned, change=change)
    suffix = small.SUFFIX if version == "8.0.1" else Suffix("_13_0_0_pb")
    changed = small.rewritten(scan(release, files, small.POLICY), names=Names(suffix))
    files = {**files, **{path: text.encode("latin-1") for path, text in changed.items()}}
    return scan_suffixed(release, files, small.POLICY, suffix)


def of(scanned: Scan, triple: str, suffix: str = "_8_0_1_pb") -> dict[str, Expected]:
    target = KNOWN[triple]
    reader = Inputs(scanned.corpus, suffix)
    expectations = Expectations(scanned, suffix, target)
    sources: list[Source] = [*reader.compiled(target), *reader.on(target).texts()]
    assert list(expectations.uncovered(sources)) == []
    return {source.path: expectations.of(source) for source in sources}


def with_suffix(*names: str, suffix: str = "_8_0_1_pb") -> set[str]:
    return {f"{name}{suffix}" for name in names}


@pytest.fixture(scope="module")
def bare() -> Scan:
    return patched()


def test_a_c_file_defines_its_names_and_keeps_those_of_debuggers(bare: Scan) -> None:
    found = of(bare, LINUX)[HELPERS]
    assert found.defined == with_suffix("wasmtime_setjmp", "wasmtime_jit_debug_descriptor") | DEBUGGERS
    assert found.imported == frozenset()
    assert not found.exact


def test_a_name_is_weak_where_its_attribute_is_compiled(bare: Scan) -> None:
    assert of(bare, LINUX)[HELPERS].weak == {"__jit_debug_register_code"}
    assert of(bare, MINGW)[HELPERS].weak == frozenset()


def test_text_defines_what_its_file_spells(bare: Scan) -> None:
    names = with_suffix(
        "memory_grow", "table_grow", "out_of_gas", "host_to_wasm_trampoline", "wasm_to_host_trampoline"
    )
    for triple in (LINUX, MINGW):
        assert of(bare, triple)[TRAMPOLINES] == Expected(frozenset(names))
    fiber = of(bare, LINUX)["crates/fiber/src/unix/x86_64.rs"]
    assert fiber == Expected(frozenset(with_suffix("wasmtime_fiber_switch", "wasmtime_fiber_start")))


def test_an_assembler_file_uses_what_rust_exports_for_it(bare: Scan) -> None:
    found = of(bare, S390X)["crates/runtime/src/trampolines/s390x.S"]
    calls = {"memory_grow", "table_grow", "out_of_gas"}
    assert found.defined >= with_suffix(*calls)
    assert found.imported == with_suffix(*(f"impl_{name}" for name in calls))
    assert found.exact


def test_text_uses_names_in_it_and_those_of_operands() -> None:
    source = (
        'extern "C" { fn f(); fn g(); }\n#[no_mangle] extern "C" fn f() {}\n#[no_mangle] extern "C" fn g() {}\n'
        'global_asm!(".globl h\\nh: jmp f\\njmp {}", sym g);'
    )
    scanned = small.scan_lib(source)
    reader = Inputs(scanned.corpus, "")
    (text,) = reader.on(KNOWN[LINUX]).texts()
    found = Expectations(scanned, "", KNOWN[LINUX]).of(text)
    assert found == Expected(frozenset({"h"}), imported=frozenset({"f", "g"}))


def test_a_c_file_may_use_what_it_declares() -> None:
    release, files = small.one_crate(
        {
            "build.rs": 'fn main() { cc::Build::new().file("a.c").compile("a"); }',
            "a.c": "void f(void);\nvoid used(void);\nvoid g(void) { f(); }\n",
            "src/lib.rs": '#[no_mangle] extern "C" fn f() {}',
        }
    )
    scanned = scan(release, files, small.POLICY)
    (file,) = Inputs(scanned.corpus, "").compiled(KNOWN[LINUX])
    found = Expectations(scanned, "", KNOWN[LINUX]).of(file)
    assert found == Expected(frozenset({"g"}), imported=frozenset({"f"}), exact=False)


def test_upstreams_own_suffixes_are_part_of_the_names() -> None:
    scanned = patched("13.0.0", versioned=True)
    found = of(scanned, AARCH64, "_13_0_0_pb")
    names = with_suffix("wasmtime_fiber_switch", "wasmtime_fiber_start", suffix="_13_0_0_pb")
    assert found["crates/fiber/src/unix/aarch64.rs"].defined == names


def test_macros_define_what_their_files_spell_or_export(bare: Scan) -> None:
    crate = MacroFile(path="crates/fiber", crate="wasmtime-fiber", paths=("crates/fiber/src/unix/x86_64.rs",),
                      edition="2021", features=(), modules=(), crates=())  # fmt: skip
    found = Expectations(bare, "_8_0_1_pb", KNOWN[LINUX]).of(crate)
    assert found.defined == with_suffix("wasmtime_fiber_switch", "wasmtime_fiber_start")
    assert found.imported == with_suffix("wasmtime_fiber_switch", "wasmtime_fiber_start")
    assert not found.exact


def test_what_no_source_makes_is_told(bare: Scan) -> None:
    expectations = Expectations(bare, "_8_0_1_pb", KNOWN[LINUX])
    reader = Inputs(bare.corpus, "_8_0_1_pb")
    fiber = [s for s in reader.on(KNOWN[LINUX]).texts() if s.crate == "wasmtime-fiber"]
    left = list(expectations.uncovered(fiber))
    assert {(path, form) for path, form, _ in left} == {(HELPERS, Form.C), (TRAMPOLINES, Form.TEXT)}
    assert (HELPERS, Form.C, "wasmtime_setjmp_8_0_1_pb") in left
    # a C file is no cover for text of the same name
    as_c = CompiledFile(path=TRAMPOLINES, crate="", folder="", files={})
    assert any(path == TRAMPOLINES for path, _, _ in expectations.uncovered([*fiber, as_c]))
