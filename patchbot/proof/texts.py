"""Assembler text as an assembler or rustc reads it: what rustc would put for its operands is put in by name.

A ``sym`` operand whose name rustc makes is a label of ours, so that the text stands alone; a ``const`` is 1.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence

from patchbot.truth import AsmText, Operand

LABEL = "patchbot_operand_"

_PLACEHOLDER = re.compile(r"\{\{|\}\}|\{(\w*)(?::[^{}]*)?\}")
_COMMENT = re.compile(r'"(?:[^"\\\n]|\\.)*"|/\*.*?\*/|//[^\n]*', re.DOTALL)
_PASSED_ON = ("att_syntax", "raw")
_CONST = "1"


def for_gnu(texts: Sequence[AsmText], arch: str) -> str:
    """Return one assembler source of all texts, for the GNU assembler.

    LLVM's takes ``//`` comments on every machine and reads Intel syntax on x86 unless it is told otherwise.
    """
    out = []
    for text in texts:
        if arch in {"x86", "x86_64"}:
            att = "att_syntax" in text.options
            out.append(".att_syntax prefix" if att else ".intel_syntax noprefix")
        out.append(_COMMENT.sub(lambda found: found[0] if found[0].startswith('"') else " ", _filled(text)))
    labels = dict.fromkeys(LABEL + o.spelled for text in texts for o in text.operands if _is_ours(o))
    return "\n".join([*out, ".text", *(f"{label}:" for label in labels), ""])


def for_rustc(texts: Sequence[AsmText]) -> str:
    """Return the root of a crate that has the texts in ``global_asm!``."""
    return (
        "\n".join(["#![no_std]", *(line for n, text in enumerate(texts) for line in _rust(text, n))]) + "\n"
    )


def _rust(text: AsmText, number: int) -> Iterator[str]:
    arguments = [_raw_string(text.text)]
    for position, operand in enumerate(text.operands):
        function = f"{LABEL}{number}_{position}"
        name = f"{operand.name} = " if operand.name else ""
        arguments.append(f"{name}const {_CONST}" if operand.kind == "const" else f"{name}sym {function}")
        if operand.symbol:
            yield f'extern "C" {{ #[link_name = "{operand.symbol}"] fn {function}(); }}'
        elif operand.kind != "const":
            yield f'extern "C" fn {function}() {{}}'
    passed = [word for word in text.options if word in _PASSED_ON]
    arguments += [f"options({', '.join(passed)})"] if passed else []
    yield f"core::arch::global_asm!({', '.join(arguments)});"


def _raw_string(text: str) -> str:
    marks = "#" * (1 + max((len(run) for run in re.findall(r'"(#*)', text)), default=0))
    return f'r{marks}"{text}"{marks}'


def _filled(text: AsmText) -> str:
    if "raw" in text.options:
        return text.text
    return _PLACEHOLDER.sub(_filling(text.operands), text.text)


def _filling(operands: Sequence[Operand]) -> Callable[[re.Match[str]], str]:
    by_name = {operand.name: operand for operand in operands if operand.name}
    unnamed = iter(operands)

    def fill(found: re.Match[str]) -> str:
        if found[0] in {"{{", "}}"}:
            return found[0][0]
        word = found[1]
        if not word:
            return _value(next(unnamed, None))
        return _value(
            operands[int(word)] if word.isdecimal() and int(word) < len(operands) else by_name.get(word)
        )

    return fill


def _value(operand: Operand | None) -> str:
    if operand is None or operand.kind == "const":
        return _CONST
    return operand.symbol or f"{LABEL}{operand.spelled}"


def _is_ours(operand: Operand) -> bool:
    return operand.kind == "sym" and not operand.symbol
