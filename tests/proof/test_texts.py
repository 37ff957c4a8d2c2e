"""Assembler text with its operands put in: as words, and as real assemblers and rustc read it."""

from __future__ import annotations

from pathlib import Path

import pytest
from symbols import native

from patchbot.proof import texts
from patchbot.truth import AsmText, Operand


def gnu(text: str, *operands: Operand, options: tuple[str, ...] = (), arch: str = "s390x") -> str:
    return texts.for_gnu([AsmText(text, operands, options)], arch)


@pytest.mark.parametrize(
    ("text", "operands", "expected"),
    [
        ("f: ret", (), "f: ret"),
        ("push {{r4, lr}}", (), "push {r4, lr}"),
        ("b {}", (Operand("sym", spelled="f"),), "b patchbot_operand_f"),
        ("b {}", (Operand("sym", spelled="f", symbol="f_1_0"),), "b f_1_0"),
        ("b {x}; b {}", (Operand("sym", "", "f"), Operand("sym", "x", "g")), "b patchbot_operand_g; b patchbot_operand_f"),
        ("b {1}; b {0}", (Operand("sym", "", "f"), Operand("sym", "", "g")), "b patchbot_operand_g; b patchbot_operand_f"),
        ("mov r0, {n}", (Operand("const", "n"),), "mov r0, 1"),
        ("mov r0, {n:x}", (Operand("const", "n"),), "mov r0, 1"),
        (".Lhi_{}: b {}", (Operand("sym", "", "f"), Operand("sym", "", "g")), ".Lhi_patchbot_operand_f: b patchbot_operand_g"),
    ],
)  # fmt: skip
def test_operands_are_put_in_by_name(text: str, operands: tuple[Operand, ...], expected: str) -> None:
    assert gnu(text, *operands).splitlines()[0] == expected


def test_raw_text_stays_as_it_is() -> None:
    assert gnu("push {{r4}} {x}", options=("raw",)).splitlines()[0] == "push {{r4}} {x}"


def test_what_rustc_would_name_is_a_label_of_ours() -> None:
    out = gnu("b {}", Operand("sym", spelled="f")).splitlines()
    assert out[-2:] == [".text", "patchbot_operand_f:"]
    assert gnu("b {}", Operand("sym", spelled="f", symbol="f_1")).splitlines()[-1] == ".text"


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("ret // a comment, it's one", "ret  "),
        ("ret /* a\ncomment */\nbr", "ret  \nbr"),
        ('.ascii "// none"', '.ascii "// none"'),
        ('.ascii "a \\" // none" // one', '.ascii "a \\" // none"  '),
    ],
)
def test_comments_of_llvms_are_taken_out(text: str, expected: str) -> None:
    assert gnu(text).removesuffix("\n.text\n") == expected


@pytest.mark.parametrize(
    ("arch", "options", "first"),
    [
        ("x86_64", (), ".intel_syntax noprefix"),
        ("x86", (), ".intel_syntax noprefix"),
        ("x86_64", ("att_syntax",), ".att_syntax prefix"),
        ("aarch64", (), "ret"),
    ],
)
def test_x86_is_told_its_syntax(arch: str, options: tuple[str, ...], first: str) -> None:
    assert gnu("ret", arch=arch, options=options).splitlines()[0] == first


def test_each_text_has_its_own_syntax() -> None:
    both = [AsmText("ret"), AsmText("retq", options=("att_syntax",))]
    assert texts.for_gnu(both, "x86_64").splitlines()[:4] == [
        ".intel_syntax noprefix", "ret", ".att_syntax prefix", "retq",
    ]  # fmt: skip


def test_a_crate_root_for_rustc() -> None:
    operands = (
        Operand("sym", "", "inner"),
        Operand("sym", "start", "begin", "begin_1"),
        Operand("const", "n"),
    )
    root = texts.for_rustc([AsmText("f: ret", operands, ("att_syntax", "noreturn"))])
    assert root.splitlines() == [
        "#![no_std]",
        'extern "C" fn patchbot_operand_0_0() {}',
        'extern "C" { #[link_name = "begin_1"] fn patchbot_operand_0_1(); }',
        'core::arch::global_asm!(r#"f: ret"#, sym patchbot_operand_0_0, start = sym patchbot_operand_0_1, n = const 1, options(att_syntax));',
    ]


@pytest.mark.parametrize("text", ["plain", 'a "quote"', 'a "# mark', 'a "## two'])
def test_any_text_fits_into_a_raw_string(text: str) -> None:
    (line,) = [line for line in texts.for_rustc([AsmText(text)]).splitlines() if "global_asm" in line]
    inside = line.removeprefix("core::arch::global_asm!(r").removesuffix(");")
    marks = len(inside) - len(inside.lstrip("#"))
    assert inside == f'{"#" * marks}"{text}"{"#" * marks}'
    assert f'"{"#" * marks}' not in text


# -- what assemblers make of it ---------------------------------------------------------------------

TEXTS = (
    AsmText(
        ".globl f_1\nf_1:\n lea rax, {start}[rip] // a comment, it's one\n jmp {}\n mov ecx, {n}\n ret\n",
        (Operand("sym", "", "inner"), Operand("sym", "start", "g", "g_1"), Operand("const", "n")),
    ),
    AsmText(".globl h_1\nh_1:\n movq $1, %rax\n jmp outer_1\n", options=("att_syntax",)),
)


@native.needs_cc
@native.x86_64_linux
def test_the_gnu_assembler_takes_it(tmp_path: Path) -> None:
    defined, wanted = native.symbols(native.compiled(tmp_path, "text.s", texts.for_gnu(TEXTS, "x86_64")))
    assert (defined, wanted) == ({"f_1", "h_1"}, {"g_1", "outer_1"})


@native.needs_rustc
@native.x86_64_linux
def test_rustc_takes_it(tmp_path: Path) -> None:
    defined, wanted = native.symbols(native.rust_object(tmp_path, texts.for_rustc(TEXTS)))
    mangled = {name for name in defined if "patchbot_operand" in name}
    assert (defined - mangled, wanted) == ({"f_1", "h_1"}, {"g_1", "outer_1"})
