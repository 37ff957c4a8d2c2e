"""Read assembler text (GNU syntax, any architecture) for the names that it defines and uses.

Instructions are not understood and need not be: a name is an identifier at a place where names stand,
and whether an operand is a register or a symbol is decided later, by the names that the release has.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from enum import Enum


class Use(Enum):
    """What a statement does with a name."""

    LABEL = "label"
    GLOBAL = "global"
    SET = "set"
    COMMON = "common"
    OPERAND = "operand"


@dataclass(frozen=True, slots=True)
class AsmName:
    """One identifier: ``text[start:end]`` of what was scanned."""

    text: str
    start: int
    end: int
    use: Use


@dataclass(frozen=True, slots=True)
class AsmDoubt:
    """A directive that can make names in ways that are not followed here."""

    start: int
    why: str


@dataclass(frozen=True, slots=True)
class AsmText:
    """The names of one text."""

    names: tuple[AsmName, ...]
    doubts: tuple[AsmDoubt, ...] = ()

    def defined(self, visible: frozenset[str] = frozenset()) -> frozenset[str]:
        """Names that the text defines for the linker: made here, and made visible here or among ``visible``."""
        made = {n.text for n in self.names if n.use in {Use.LABEL, Use.SET}}
        shown = {n.text for n in self.names if n.use is Use.GLOBAL}
        common = {n.text for n in self.names if n.use is Use.COMMON}
        return frozenset((made & (shown | visible)) | common)


# Comments end names' chances; `#` starts one only at the head of a line, since it is an immediate on ARM.
# Strings and placeholders become `?`: they hold no name, and what stands where a name should is seen.
_NOT_CODE = re.compile(r'"(?:[^"\\\n]|\\.)*"|/\*.*?\*/|//[^\n]*|^[ \t]*#[^\n]*', re.DOTALL | re.MULTILINE)
_PLACEHOLDER = re.compile(r"\{[^{}\n]*\}")  # an operand of Rust's asm!
_STATEMENT = re.compile(r"[^\n;]+")
_LABEL = re.compile(r"\s*([A-Za-z_.$][\w.$]*)\s*:(?!:)")
_HEAD = re.compile(r"\s*([A-Za-z_.][\w.]*)")
_NAME = re.compile(r"(?<![\w.$%@\\])[A-Za-z_][\w$]*(?:\.[\w$]+)*")
_ASSIGNMENT = re.compile(r"\s*([A-Za-z_][\w$.]*)\s*==?(?!=)")
_OPERAND = re.compile(r"[^,\s][^,\s]*")

_GLOBAL = {".globl", ".global", ".weak", ".weak_definition", ".weak_def_can_be_hidden", ".private_extern"}
_SET = {".set", ".equ", ".equiv", ".eqv", ".thumb_set", ".lcomm"}
_COMMON = {".comm", ".common"}
_OPAQUE = {
    ".macro": "defines an assembler macro",
    ".irp": "repeats text with other names",
    ".irpc": "repeats text with other names",
    ".rept": "repeats text",
    ".altmacro": "changes how assembler macros are read",
    ".include": "includes another file",
    ".symver": "gives a symbol version",
    ".weakref": "makes a weak alias",
}


def scan(text: str) -> AsmText:
    """Return the names of ``text``, in its order."""
    masked = _NOT_CODE.sub(lambda m: re.sub(r"[^\n]", "?" if m[0].startswith('"') else " ", m[0]), text)
    masked = _PLACEHOLDER.sub(lambda match: "?" * len(match[0]), masked)
    names: list[AsmName] = []
    doubts: list[AsmDoubt] = []
    for statement in _STATEMENT.finditer(masked):
        names += _statement(masked, statement.start(), statement.end(), doubts)
    return AsmText(tuple(names), tuple(doubts))


def _statement(text: str, at: int, end: int, doubts: list[AsmDoubt]) -> Iterator[AsmName]:
    while (label := _LABEL.match(text, at, end)) is not None:
        if not label[1].startswith("."):
            yield AsmName(label[1], label.start(1), label.end(1), Use.LABEL)
        at = label.end()
    if (assigned := _ASSIGNMENT.match(text, at, end)) is not None:
        yield AsmName(assigned[1], assigned.start(1), assigned.end(1), Use.SET)
        yield from _operands(text, assigned.end(), end, Use.OPERAND)
        return
    head = _HEAD.match(text, at, end)
    if head is None:
        return
    word = head[1].lower()
    if word in _OPAQUE:
        doubts.append(AsmDoubt(head.start(1), f"{word} {_OPAQUE[word]}"))
    first = Use.OPERAND
    if word in _SET:
        first = Use.SET
    elif word in _COMMON:
        first = Use.COMMON
    use = Use.GLOBAL if word in _GLOBAL else Use.OPERAND
    if use is Use.GLOBAL or first is not Use.OPERAND:
        operands = list(_OPERAND.finditer(text, head.end(), end))
        for operand in operands if use is Use.GLOBAL else operands[:1]:
            if operand[0].startswith("#"):
                end = operand.start()  # a comment, on most machines
                break
            if _NAME.fullmatch(text, *operand.span()) is None:
                doubts.append(AsmDoubt(operand.start(), f"{word} names what cannot be read as a name"))
    for position, name in enumerate(_operands(text, head.end(), end, use)):
        yield AsmName(name.text, name.start, name.end, first if position == 0 and use is Use.OPERAND else use)


def _operands(text: str, at: int, end: int, use: Use) -> Iterator[AsmName]:
    for match in _NAME.finditer(text, at, end):
        yield AsmName(match[0], match.start(), match.end(), use)
