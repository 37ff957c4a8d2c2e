"""What compilers get of a release on one target: files with their defines, and expanded text."""

from __future__ import annotations

from collections.abc import Mapping

import pytest
from symbols import small

from patchbot.symbols.compiled.inputs import Inputs
from patchbot.symbols.corpus import Corpus
from patchbot.targets import KNOWN, Target
from patchbot.truth import AsmText, CompiledFile, Operand, TextFile

LINUX = KNOWN["x86_64-unknown-linux-gnu"]
S390X = KNOWN["s390x-unknown-linux-gnu"]
ARM = KNOWN["armv7-unknown-linux-gnueabihf"]
MAC = KNOWN["aarch64-apple-darwin"]
MINGW = KNOWN["x86_64-pc-windows-gnu"]
MSVC = KNOWN["x86_64-pc-windows-msvc"]

HEAD = "crates/runtime"


def inputs(files: Mapping[str, str]) -> Inputs:
    return Inputs(small.corpus(files), "_8_0_1_pb")


def compiled(files: Mapping[str, str], target: Target) -> tuple[CompiledFile, ...]:
    return inputs(files).compiled(target)


def texts(files: Mapping[str, str], target: Target) -> dict[str, TextFile]:
    found = inputs(files).on(target).texts()
    return {file.path.removeprefix(f"{HEAD}/src/"): file for file in found}


def spelled(files: Mapping[str, str], target: Target) -> dict[str, list[str]]:
    return {path: [text.text.strip() for text in file.texts] for path, file in texts(files, target).items()}


# -- files that build scripts compile ----------------------------------------------------------------

BUILD = """\
fn main() {
    let mut build = cc::Build::new();
    let os = std::env::var("CARGO_CFG_TARGET_OS").unwrap();
    let arch = std::env::var("CARGO_CFG_TARGET_ARCH").unwrap();
    build.define(&format!("CFG_TARGET_OS_{os}"), None);
    if os == "windows" {
        build.define("VERSIONED_SUFFIX", "_1");
        build.file("src/windows.c");
    } else if arch == "s390x" {
        build.define("VERSIONED_SUFFIX", "_1");
        build.file("src/s390x.S");
    } else {
        return;
    }
    if os == "windows" && std::env::var("CARGO_CFG_TARGET_ENV").unwrap() == "gnu" {
        build.define("MINGW", None);
    }
    build.compile("x");
}
"""
COMPILED = {
    "src/lib.rs": "",
    "build.rs": BUILD,
    "src/windows.c": '#include "shared.h"\n#include <stdlib.h>\nint f;\n',
    "src/s390x.S": ".globl f\nf: br %r14\n",
    "src/shared.h": "int g;\n",
    "src/dead.S": ".globl h\nh: br %r14\n",
    "tests/only.c": "int t;\n",
}


@pytest.mark.parametrize(
    ("target", "expected"),
    [
        (LINUX, []),
        (MAC, []),
        (S390X, [("src/s390x.S", ("-DCFG_TARGET_OS_linux", "-DVERSIONED_SUFFIX=_1"), ["src/s390x.S"])]),
        (MSVC, [("src/windows.c", ("-DCFG_TARGET_OS_windows", "-DVERSIONED_SUFFIX=_1"), ["src/shared.h", "src/windows.c"])]),
        (MINGW, [("src/windows.c", ("-DCFG_TARGET_OS_windows", "-DVERSIONED_SUFFIX=_1", "-DMINGW"),
                  ["src/shared.h", "src/windows.c"])]),
    ],
    ids=["linux", "mac", "s390x", "msvc", "mingw"],
)  # fmt: skip
def test_a_target_gets_its_files_with_its_macros(target: Target, expected: list[object]) -> None:
    found = [
        (f.path.removeprefix(f"{HEAD}/"), f.defines, sorted(p.removeprefix(f"{HEAD}/") for p in f.files))
        for f in compiled(COMPILED, target)
    ]
    assert found == expected


def test_a_compiled_file_comes_with_its_crate() -> None:
    (file,) = compiled(COMPILED, S390X)
    assert (file.crate, file.folder) == ("wasmtime-runtime", HEAD)
    assert file.files == {f"{HEAD}/src/s390x.S": COMPILED["src/s390x.S"].encode()}


def test_files_that_nothing_compiles_are_told() -> None:
    assert inputs(COMPILED).idle() == ((f"{HEAD}/src/dead.S", "wasmtime-runtime"),)


def test_a_crate_without_a_build_script_compiles_nothing() -> None:
    assert compiled({"src/lib.rs": "", "src/a.c": "int a;"}, LINUX) == ()
    assert inputs({"src/lib.rs": "", "src/a.c": "int a;"}).idle() == (
        (f"{HEAD}/src/a.c", "wasmtime-runtime"),
    )


def test_features_are_on() -> None:
    script = """
        fn main() {
            if std::env::var("CARGO_FEATURE_GDB").is_err() { return; }
            let mut build = cc::Build::new();
            if cfg!(feature = "more") { build.define("MORE", None); }
            build.file("a.c");
        }
    """
    (file,) = compiled({"src/lib.rs": "", "build.rs": script, "a.c": "int a;"}, LINUX)
    assert file.defines == ("-DMORE",)


# -- assembler text ----------------------------------------------------------------------------------

ASM_FUNC = """\
cfg_if::cfg_if! {
    if #[cfg(target_os = "macos")] {
        macro_rules! asm_func { ($n:expr, $b:expr $(, $($a:tt)*)?) => { global_asm!(concat!(".globl _", $n, "\\n_", $n, ":", $b), $($($a)*)?); } }
    } else {
        macro_rules! asm_func { ($n:expr, $b:expr $(, $($a:tt)*)?) => { global_asm!(concat!(".globl ", $n, "\\n", $n, ":", $b) $(, $($a)*)?); } }
    }
}
"""


def test_each_target_takes_its_own_definition_of_a_macro() -> None:
    files = {"src/lib.rs": f'{ASM_FUNC} asm_func!("f", "ret");'}
    assert spelled(files, LINUX) == {"lib.rs": [".globl f\nf:ret"]}
    assert spelled(files, MAC) == {"lib.rs": [".globl _f\n_f:ret"]}


def test_the_module_of_a_macro_decides_who_has_it() -> None:
    files = {
        "src/lib.rs": '#[cfg(target_arch = "x86_64")] #[macro_use] mod x; #[cfg(target_arch = "s390x")] #[macro_use] mod s;\n'
        "trampoline!(f);",
        "src/x.rs": 'macro_rules! trampoline { ($n:ident) => { global_asm!(concat!(".globl ", stringify!($n), "\\n", stringify!($n), ": jmp x")); } }',
        "src/s.rs": "macro_rules! trampoline { ($n:ident) => {}; }",
    }
    assert spelled(files, LINUX) == {"x.rs": [".globl f\nf: jmp x"]}
    assert spelled(files, S390X) == {}
    assert spelled(files, ARM) == {}


def test_a_file_of_another_target_has_no_text() -> None:
    files = {
        "src/lib.rs": '#[cfg(all(unix, target_arch = "arm"))] mod arm;',
        "src/arm.rs": 'global_asm!(".globl f\\nf: bx lr");',
    }
    assert spelled(files, ARM) == {"arm.rs": [".globl f\nf: bx lr"]}
    assert spelled(files, LINUX) == spelled(files, MSVC) == {}


def test_options_of_the_build_script_count() -> None:
    files = {
        "build.rs": 'fn main() { if std::env::var("CARGO_CFG_TARGET_OS").unwrap() == "linux" { println!("cargo:rustc-cfg=native"); } }',
        "src/lib.rs": '#[cfg(native)] global_asm!("a: ret"); #[cfg(not(native))] global_asm!("b: ret"); '
        '#[cfg(feature = "x")] global_asm!("c: ret"); #[cfg(miri)] global_asm!("d: ret");',
    }
    assert spelled(files, LINUX) == {"lib.rs": ["a: ret", "c: ret"]}
    assert spelled(files, MINGW) == {"lib.rs": ["b: ret", "c: ret"]}


def test_asm_in_a_function_is_told_and_is_no_text() -> None:
    files = {
        "src/lib.rs": 'fn f() { unsafe { core::arch::asm!("mov {}, rsp", out(reg) x) } } #[naked] fn g() { naked_asm!("ret") }'
    }
    assert spelled(files, LINUX) == {"lib.rs": ["ret"]}
    assert inputs(files).on(LINUX).inline() == (f"{HEAD}/src/lib.rs",)
    assert (
        inputs({"src/lib.rs": f"#[cfg(windows)] mod w {{ {files['src/lib.rs']} }}"}).on(LINUX).inline() == ()
    )


def test_operands_and_options_come_along() -> None:
    source = (
        'extern "C" { #[link_name = "start_1"] fn start(); } fn inner() {}\n'
        'global_asm!("jmp {} {s} {n}", sym self::inner, s = sym super::start, n = const 3, options(att_syntax));'
    )
    (file,) = texts({"src/lib.rs": source}, LINUX).values()
    operands = (Operand("sym", "", "inner"), Operand("sym", "s", "start", "start_1"), Operand("const", "n"))
    assert file.texts == (AsmText("jmp {} {s} {n}\n", operands, ("att_syntax",)),)


def test_an_exported_function_is_an_operand_by_its_name() -> None:
    source = '#[no_mangle] extern "C" fn inner() {} #[cfg(windows)] #[no_mangle] extern "C" fn other() {}\n'
    source += 'global_asm!("jmp {}; jmp {}", sym inner, sym other);'
    (file,) = texts({"src/lib.rs": source}, LINUX).values()
    assert [operand.symbol for operand in file.texts[0].operands] == ["inner", ""]


def test_text_that_no_build_can_have_says_why_and_where() -> None:
    files = {
        "src/lib.rs": 'fn f() {}\n#[cfg(windows)] macro_rules! arg { () => ("rcx") }\nglobal_asm!("mov ", arg!());'
    }
    (file,) = texts(files, LINUX).values()
    assert file.texts == ()
    assert file.obstacle == f"arg! cannot be followed ({HEAD}/src/lib.rs:3)"
    (file,) = texts(files, MINGW).values()
    assert (len(file.texts), file.obstacle) == (1, "")


def test_the_small_upstream_is_read_for_each_of_its_targets() -> None:
    release, files = small.upstream()
    reader = Inputs(Corpus(release, files), "")
    seen = {
        target.triple: sorted(s.path for s in (*reader.compiled(target), *reader.on(target).texts()))
        for target in (LINUX, S390X, MINGW)
    }
    assert seen == {
        LINUX.triple: ["crates/fiber/src/unix/x86_64.rs", "crates/runtime/src/helpers.c",
                       "crates/runtime/src/trampolines/x86_64.rs"],
        S390X.triple: ["crates/runtime/src/helpers.c", "crates/runtime/src/trampolines/s390x.S"],
        MINGW.triple: ["crates/fiber/src/windows.c", "crates/runtime/src/helpers.c",
                       "crates/runtime/src/trampolines/x86_64.rs"],
    }  # fmt: skip
