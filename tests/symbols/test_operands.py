from __future__ import annotations

import pytest

from patchbot.symbols.compiled import operands
from patchbot.symbols.rust.tokens import Group, Tree, read_trees
from patchbot.truth import Operand


def arguments(text: str) -> tuple[Tree, ...]:
    (group,) = read_trees(f"({text})", "lib.rs")
    assert isinstance(group, Group)
    return group.children


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ('"nop"', []),
        ('"nop", "ret",', []),
        ('concat!("a", stringify!(sym)), ', []),
        ('"call {}", sym f', [Operand("sym", "", "f")]),
        ('"call {f}", f = sym crate::inner::g', [Operand("sym", "f", "g")]),
        ('"call {f}", f = sym super::g::<u8>', [Operand("sym", "f", "u8")]),
        ('"mov eax, {}", const 4', [Operand("const")]),
        ('"mov eax, {x}", x = const (N + 1)', [Operand("const", "x")]),
        ('"a {} {}", sym f, sym g', [Operand("sym", "", "f"), Operand("sym", "", "g")]),
        ('"mov {}, rsp", out(reg) x, options(nomem)', [Operand("out")]),
        ('"x", in("rax") a, inout(reg) b => _, clobber_abi("C")', [Operand("in"), Operand("inout")]),
        ('"x", r#in = sym f', [Operand("sym", "in", "f")]),
        ('"x", options(att_syntax)', []),
    ],
)
def test_operands_are_told_apart_from_text(text: str, expected: list[Operand]) -> None:
    assert list(operands.read(arguments(text))) == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ('"nop"', ()),
        ('"nop", options(att_syntax)', ("att_syntax",)),
        ('"nop", options(att_syntax, raw), options(noreturn)', ("att_syntax", "raw", "noreturn")),
        ('"nop", options()', ()),
        ('options!(raw), "nop"', ()),
    ],
)
def test_options_are_read(text: str, expected: tuple[str, ...]) -> None:
    assert operands.options(arguments(text)) == expected
