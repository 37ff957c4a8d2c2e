"""Read assembler text (GNU syntax, any architecture) for the names that it defines and uses.

Instructions are not understood and need not be: a name is an identifier at a place where names stand,
and whether an operand is a register or a symbol is decided later, by the names that the release has.
Directives can do anything, so one that ``directives`` does not know is a doubt.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from enum import Enum

from patchbot.symbols.c import directives


class Use(Enum):
    """What a statement does with a name."""

    LABEL = "label"
    GLOBAL = "global"
    SET = "set"
    COMMON = "common"
    OPERAND = "operand"


@dataclass(frozen=True, slots=True)
class AsmName:
    """One identifier: ``text[start:end]`` of what was scanned; ``quoted`` if it stands in quotes."""

    text: str
    start: int
    end: int
    use: Use
    quoted: bool = False


@dataclass(frozen=True, slots=True)
class AsmDoubt:
    """A place that can make names in ways that are not followed here."""

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


# `#` starts a comment only at the head of a line, since it is an immediate on ARM; a quote that is left
# over belongs to a string of several lines.
_NOT_CODE = re.compile(
    r"""(?P<string>"[^"\\\n]*+(?:\\.[^"\\\n]*+)*+")|(?P<char>'(?:\\.|[^\\\n])'?)|(?P<comment>/\*.*?\*/|//[^\n]*|^[ \t]*\#[^\n]*)"""
    r"""|(?P<open>"|/\*.*)""",
    re.DOTALL | re.MULTILINE | re.ASCII,
)
_PLACEHOLDER = re.compile(r"\{[^{}\n]*\}")  # an operand of Rust's asm!
_STATEMENT = re.compile(r"(?:%%)?((?:[^\n\r;%]|%(?!%))+)")  # `%%` separates on Apple's ARM
_WORD = r"[A-Za-z_.$\x80-\xff][\w.$\x80-\xff]*"
_QUOTED = re.compile(rf'"{_WORD}"', re.ASCII)
_LABEL = re.compile(rf'\s*(?:[0-9]+\$?|(?P<quote>"?)(?P<name>{_WORD})(?P=quote))\s*:(?!:)', re.ASCII)
_ASSIGNMENT = re.compile(rf'\s*(?P<quote>"?)(?P<name>{_WORD})(?P=quote)\s*==?(?!=)', re.ASCII)
_UNREADABLE = re.compile(r"\s*[^\s:,=?]*\?[^\s:,=]*\s*(?::(?!:)|==?(?!=))")
_HEAD = re.compile(r"\s*([A-Za-z_.][\w.]*)", re.ASCII)
_CALL = re.compile(r"\s*(?!\.)[\w.]+(?:\(|\s*\(\s*[A-Za-z_])", re.ASCII)  # of a macro of the preprocessor
# An identifier behind `$` is an immediate of AT&T's syntax, but `x$y` is one name.
_NAME = re.compile(
    r"(?<![\w.%@\\?\x80-\xff])(?<![\w.]\$)[A-Za-z_\x80-\xff][\w$\x80-\xff]*(?:\.[\w$\x80-\xff]+)*", re.ASCII
)
_OPERAND = re.compile(r"[^,\s][^,\s]*")
_COMMENT_SIGNS = re.compile(r"[#@;!|]")  # each starts a comment for some machine


def scan(text: str) -> AsmText:
    """Return the names of ``text``, in its order."""
    names: list[AsmName] = []
    doubts: list[AsmDoubt] = []
    masked = _masked(text, doubts)
    for statement in _STATEMENT.finditer(masked):
        names += _statement(masked, *statement.span(1), doubts)
    return AsmText(tuple(names), tuple(doubts))


def _masked(text: str, doubts: list[AsmDoubt]) -> str:
    """Blank comments; put ``?`` for what holds no name, so that it is seen where a name should stand.

    Strings that could be a name in quotes stay as they are.
    """

    def mask(match: re.Match[str]) -> str:
        whole = match[0]
        match match.lastgroup:
            case "string" if _QUOTED.fullmatch(whole):
                return whole
            case "string":
                return f'"{_filled(whole[1:-1], "?")}"'
            case "char":
                return "?" * len(whole)
            case "open":
                what = "string that does not end on its line" if whole == '"' else "comment that does not end"
                doubts.append(AsmDoubt(match.start(), f"a {what}"))
                return _filled(whole, " ")
            case _:
                before = text[text.rfind("\n", 0, match.start()) + 1 : match.start()]
                if "\n" in whole and _COMMENT_SIGNS.search(before):
                    doubts.append(AsmDoubt(match.start(), "a comment of many lines begins behind another"))
                return _filled(whole, " ")

    return _PLACEHOLDER.sub(lambda match: "?" * len(match[0]), _NOT_CODE.sub(mask, text))


def _filled(text: str, with_: str) -> str:
    return re.sub(r"[^\n]", with_, text)


def _statement(text: str, at: int, end: int, doubts: list[AsmDoubt]) -> Iterator[AsmName]:
    while (label := _LABEL.match(text, at, end) or _UNREADABLE.match(text, at, end)) is not None:
        if label.re is _UNREADABLE:
            if not label[0].lstrip().startswith(".L"):  # which no linker sees, whatever follows
                doubts.append(AsmDoubt(label.start(), "a label that cannot be read"))
        elif label["name"] and not label["name"].startswith("."):
            yield _name(label, Use.LABEL)
        at = label.end()
    if (assigned := _ASSIGNMENT.match(text, at, end)) is not None:
        if not assigned["name"].startswith("."):
            yield _name(assigned, Use.SET)
        yield from _operands(text, assigned.end(), end, Use.OPERAND)
        return
    head = _HEAD.match(text, at, end)
    if head is None:
        return
    if _CALL.match(text, at, end):
        doubts.append(AsmDoubt(head.start(1), f"{head[1]}(…) is a macro that is not known"))
    yield from _directive(text, head, end, doubts)


def _directive(text: str, head: re.Match[str], end: int, doubts: list[AsmDoubt]) -> Iterator[AsmName]:
    """Read a directive or an instruction: what it says of its first operand, of all, or just that it has them."""
    word = head[1].lower()
    arguments = text[head.end() : end]
    if (why := directives.doubt(word, arguments)) is not None:
        doubts.append(AsmDoubt(head.start(1), why))
    if word in directives.TEXTS:
        text = text[: head.end()] + re.sub(r'"[^"]*"', lambda m: "?" * len(m[0]), arguments)
    use = Use.GLOBAL if word in directives.GLOBAL else Use.OPERAND
    first = Use.SET if word in directives.SET else Use.COMMON if word in directives.COMMON else use
    if first is not Use.OPERAND:
        operands = list(_OPERAND.finditer(text, head.end(), end))
        for operand in operands if use is Use.GLOBAL else operands[:1]:
            if operand[0].startswith("#"):
                end = operand.start()  # a comment, on most machines
                break
            if _NAME.fullmatch(operand[0].strip('"')) is None:
                doubts.append(AsmDoubt(operand.start(), f"{word} names what cannot be read as a name"))
    for position, name in enumerate(_operands(text, head.end(), end, use)):
        yield AsmName(name.text, name.start, name.end, first if position == 0 else use, name.quoted)


def _operands(text: str, at: int, end: int, use: Use) -> Iterator[AsmName]:
    for match in _NAME.finditer(text, at, end):
        yield AsmName(match[0], match.start(), match.end(), use, text[match.start() - 1] == '"')


def _name(match: re.Match[str], use: Use) -> AsmName:
    return AsmName(match["name"], match.start("name"), match.end("name"), use, bool(match["quote"]))


_MAKES = frozenset({Use.LABEL, Use.SET, Use.COMMON})


def first_made(text: AsmText) -> dict[str, AsmName]:
    """Return where each name of a text is made first."""
    return {name.text: name for name in reversed(text.names) if name.use in _MAKES}
