"""What stands beside C's declarations and can name or rename them: attributes, and names for the assembler.

They are read from tokens and taken out of the text: the C parser does not know all places where compilers
take them.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from patchbot.symbols.c.lexing import CToken
from patchbot.symbols.c.preprocessor import Expanded


@dataclass(frozen=True, slots=True)
class Attribute:
    """One attribute, without the underscores around its name; ``offset`` is in the preprocessed text."""

    name: str
    offset: int


@dataclass(frozen=True, slots=True)
class Label:
    """The name that ``__asm__("name")`` gives what is declared before it."""

    name: str
    offset: int


@dataclass(frozen=True, slots=True)
class Marks:
    """The text without its marks, as long as it was, and what was taken out; doubts as (offset, why)."""

    text: str
    attributes: tuple[Attribute, ...]
    labels: tuple[Label, ...]
    doubts: tuple[tuple[int, str], ...]


_ASM = frozenset({"asm", "__asm", "__asm__"})
_QUALIFIERS = frozenset({"volatile", "__volatile__", "__volatile", "goto", "inline", "__inline__", "const"})
_OPEN = {"(": ")", "[": "]", "{": "}"}

# Words that compilers pass over, or that the C parser does not know and that change no name.
_NOISE = frozenset({"_Thread_local", "__extension__", "_Noreturn"})


def read(expanded: Expanded) -> Marks:
    """Take attributes and names for the assembler out of a text."""
    tokens = [(t, start) for t, start in zip(expanded.tokens, expanded.starts, strict=True) if t.text != "\n"]
    found = _Reading([token for token, _ in tokens], [start for _, start in tokens])
    found.all()
    text = list(expanded.text)
    for begin, end in found.blank:
        text[begin:end] = [char if char == "\n" else " " for char in text[begin:end]]
    return Marks("".join(text), tuple(found.attributes), tuple(found.labels), tuple(found.doubts))


class _Reading:
    def __init__(self, tokens: Sequence[CToken], starts: Sequence[int]) -> None:
        self.tokens = tokens
        self.starts = starts
        self.blank: list[tuple[int, int]] = []
        self.attributes: list[Attribute] = []
        self.labels: list[Label] = []
        self.doubts: list[tuple[int, str]] = []

    def all(self) -> None:
        at = 0
        while at < len(self.tokens):
            at = max(at + 1, self.mark(at))

    def mark(self, at: int) -> int:
        """Read the mark that begins at a token; return where it ends, or ``at`` if there is none."""
        word = self.tokens[at].text
        if word in _NOISE:
            return self.taken(at, at + 1)
        if word.strip("_") in {"attribute", "declspec"} and word.startswith("_") and self.is_at(at + 1, "("):
            end = self.end(at + 1)
            self.attributes += self.named(at + 2, end - 1)
            return self.taken(at, end)
        if word == "[" and self.is_at(at + 1, "["):
            end = self.end(at)
            self.attributes += self.named(at + 2, end - 2)
            return self.taken(at, end)
        return self.assembly(at) if word in _ASM else at

    def named(self, at: int, end: int) -> Iterator[Attribute]:
        """Return the attributes between brackets: words with what is in brackets behind them."""
        while at < end and self.tokens[at].text == "(":  # the second pair around all of them
            at, end = at + 1, end - 1
        while at < end:
            token = self.tokens[at]
            if token.text in _OPEN:
                at = self.end(at)  # the arguments of one
                continue
            if token.is_name and not self.is_at(at + 1, ":"):
                yield Attribute(token.text.strip("_"), self.starts[at])
            at += 1

    def assembly(self, at: int) -> int:
        opened = at + 1
        while opened < len(self.tokens) and self.tokens[opened].text in _QUALIFIERS:
            opened += 1
        if not self.is_at(opened, "("):
            self.doubts.append((self.starts[at], _NOT_READ))
            return opened
        end = self.end(opened)
        text = self.strings(opened + 1, end - 1)
        if text == "":
            return end
        before = self.tokens[at - 1].text if at else ";"
        if before in {";", "{", "}"} or opened > at + 1 or text is None:
            self.doubts.append((self.starts[at], _NOT_READ))
            return end
        if not self.is_register(at):
            self.labels.append(Label(text, self.starts[opened + 1] + 1))
        return self.taken(at, end)

    def strings(self, at: int, end: int) -> str | None:
        """Return the text that the strings up to a colon make, or None if anything else stands there."""
        out = ""
        while at < end and self.tokens[at].text != ":":
            text = self.tokens[at].text
            if not text.endswith('"'):
                return None
            out += text.removeprefix("L")[1:-1]
            at += 1
        return out

    def is_register(self, at: int) -> bool:
        """Whether the declaration around a token is of a variable in a register, which has no other name."""
        for token in reversed(self.tokens[max(at - 50, 0) : at]):
            if token.text in {";", "{", "}"}:
                return False
            if token.text == "register":
                return True
        return False

    def is_at(self, at: int, text: str) -> bool:
        return at < len(self.tokens) and self.tokens[at].text == text

    def end(self, at: int) -> int:
        """Return where the bracket at ``at`` ends: behind its closing one, or at the end of all."""
        depth = 0
        for position in range(at, len(self.tokens)):
            text = self.tokens[position].text
            depth += (text in _OPEN) - (text in _OPEN.values())
            if depth == 0:
                return position + 1
        self.doubts.append((self.starts[at], "a bracket that does not end"))
        return len(self.tokens)

    def taken(self, at: int, end: int) -> int:
        last = self.starts[end - 1] + len(self.tokens[end - 1].text)
        self.blank.append((self.starts[at], last))
        return end


_NOT_READ = "assembly, whose names are not read here"
