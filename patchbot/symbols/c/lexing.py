"""Cut C and ``.S`` sources into preprocessing tokens, keeping where every token is written."""

from __future__ import annotations

import re
from bisect import bisect_right
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import accumulate
from typing import NamedTuple

_TOKENS = r"""(?P<space>[ \t\f\v\r]+)|(?P<newline>\n)|(?P<name>{name})|(?P<number>\.?[0-9](?:[eEpP][+-]|[\w.])*)
       |(?P<string>L?"[^"\\\n]*+(?:\\.[^"\\\n]*+)*+")|(?P<char>'(?:[^'\\\n]|\\.)++')|(?P<paste>\#\#)|(?P<punct>.)"""
_LEX = re.compile(_TOKENS.format(name=r"[A-Za-z_$][\w$]*"), re.VERBOSE | re.DOTALL | re.ASCII)
# To the assembler `$` is a sign of its own: `$x` is the address of `x`.
_LEX_ASSEMBLER = re.compile(_TOKENS.format(name=r"[A-Za-z_]\w*"), re.VERBOSE | re.DOTALL | re.ASCII)
_NOT_CODE = re.compile(
    r""""[^"\\\n]*+(?:\\.[^"\\\n]*+)*+"|'(?:[^'\\\n]|\\.)++'|/\*(?:.*?\*/|.*)|//[^\n]*""", re.DOTALL
)
_ENDLESS = re.compile(r"/\*/?|/\*.*(?<!\*/)", re.DOTALL)
_SPLICE = re.compile(r"\\[ \t]*\r?\n")

# What compilers read in different ways, or otherwise than here: wherever it stands, or outside of comments.
_UNUSUAL_ANYWHERE = {
    re.compile(r"\A\xef\xbb\xbf"): "a byte order mark",
    re.compile(r"\r(?!\n)"): "a carriage return alone, which some compilers take for the end of a line",
    re.compile(r"\?\?/"): "a trigraph, which some compilers take for a backslash",
}
_UNUSUAL_CODE = {
    re.compile(r"\?\?[='()!<>-]"): "a trigraph",
    re.compile(r'\b(?:u8|[uUL])?R"[^\s"()\\]*\('): "a raw string, which some compilers take for two words",
    re.compile(r"^[ \t]*%:", re.MULTILINE): "a directive that begins with a digraph",
}


class CToken(NamedTuple):
    """A preprocessing token; ``spaced`` if space stood before it, ``conditions`` the ``#if``s around it.

    ``final`` if it is the name of the macro that made it: such a name is never expanded again.
    """

    text: str
    path: str
    offset: int
    spaced: bool = False
    conditions: tuple[str, ...] = ()
    final: bool = False

    @property
    def is_name(self) -> bool:
        """Whether it is an identifier."""
        return self.text[0].isalpha() or self.text[0] in "_$"


@dataclass(frozen=True, slots=True)
class File:
    """A source with lines that end in a backslash joined and comments blanked.

    ``shifts[i]`` is how much further in the source the characters from ``starts[i]`` on are; ``endless`` is
    where a comment begins that does not end.
    """

    path: str
    text: str
    starts: tuple[int, ...] = (0,)
    shifts: tuple[int, ...] = (0,)
    endless: int | None = None

    @classmethod
    def of(cls, path: str, source: str) -> File:
        """Join lines before anything else is read: names and comments go over them."""
        pieces = _SPLICE.split(source)
        lengths = [len(match[0]) for match in _SPLICE.finditer(source)]
        starts = accumulate((len(piece) for piece in pieces[:-1]), initial=0)
        joined = "".join(pieces)
        text = _NOT_CODE.sub(lambda m: m[0] if m[0][0] in "\"'" else " " * len(m[0]), joined)
        endless = next((m.start() for m in _NOT_CODE.finditer(joined) if _ENDLESS.fullmatch(m[0])), None)
        return cls(path, text, tuple(starts), tuple(accumulate(lengths, initial=0)), endless)

    def offset(self, at: int) -> int:
        """Return where in the source the character at ``at`` of the text is."""
        return at + self.shifts[bisect_right(self.starts, at) - 1]

    def lines(self) -> Iterator[tuple[int, str]]:
        """Return the lines, and where each begins; one that ends within a comment goes on behind it."""
        at = 0
        for line in re.findall(r"[^\n]*\n|[^\n]+", self.text):  # splitlines() would cut at form feeds, too
            yield at, line
            at += len(line)

    def unusual(self, source: str) -> Iterator[tuple[str, int, str]]:
        """Return what not every compiler reads as it is read here."""
        for pattern, why in _UNUSUAL_ANYWHERE.items():
            yield from ((self.path, match.start(), why) for match in pattern.finditer(source))
        for pattern, why in _UNUSUAL_CODE.items():
            yield from ((self.path, self.offset(match.start()), why) for match in pattern.finditer(self.text))


def lex(
    line: str, file: File, at: int, conditions: tuple[str, ...] = (), *, assembler: bool
) -> Iterator[CToken]:
    """Return the tokens of a piece of text that begins at ``at``."""
    spaced = False
    for match in (_LEX_ASSEMBLER if assembler else _LEX).finditer(line):
        if match.lastgroup == "space":
            spaced = True
            continue
        yield CToken(match[0], file.path, file.offset(at + match.start()), spaced, conditions)
        spaced = False
