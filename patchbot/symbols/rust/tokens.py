"""Rust source as token trees, the way ``macro_rules!`` sees it, each token with the place it is written at.

tree-sitter shows a macro's body as an opaque token tree, and five files of wasmtime 50 are beyond its
grammar; tokens have neither limit.  ``places`` holds tree-sitter's view against what was read here.

Text is latin-1: one character per byte, so offsets are byte offsets and no file fails to decode.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from enum import Enum
from functools import lru_cache
from typing import NamedTuple

FILE_SCOPE = -1

MAX_NESTING = 100  # brackets in brackets; upstream has 17, and readers go down one call each


class Span(NamedTuple):
    """A range of bytes in a file.

    ``scope`` tells apart the text of a file (-1) from that of each macro body in it (the offset of the
    macro's definition): tokens of one scope are written side by side, whatever they expand to.
    """

    path: str
    start: int
    end: int
    scope: int = FILE_SCOPE

    def to(self, end: Span) -> Span:
        """Return the range from here to the end of ``end``, which must be in the same scope."""
        assert (self.path, self.scope) == (end.path, end.scope)  # noqa: S101 - callers compare scopes first
        return self._replace(end=end.end)

    def same_scope(self, other: Span) -> bool:
        """Whether both are written in one place."""
        return (self.path, self.scope) == (other.path, other.scope)


class TokenKind(Enum):
    """What a token is; string literals of every sort are one kind."""

    IDENT = "identifier"
    LIFETIME = "lifetime"
    STRING = "string"
    LITERAL = "literal"
    PUNCT = "punctuation"


class Token(NamedTuple):
    """A leaf.  ``sites`` are the metavariables that put it where it is, the innermost macro last."""

    kind: TokenKind
    text: str
    origin: Span
    sites: tuple[Span, ...] = ()

    def written_in(self, scope: Span) -> Span | None:
        """Return the place that stands for this token in the scope of ``scope``: itself or a metavariable.

        A macro that calls itself has several; the innermost call's counts.
        """
        return next((span for span in (*reversed(self.sites), self.origin) if span.same_scope(scope)), None)


class Group(NamedTuple):
    """A bracketed sequence; ``delimiter`` is the opening bracket, empty for what a fragment made opaque."""

    delimiter: str
    children: tuple[Tree, ...]
    open: Span
    close: Span

    @property
    def origin(self) -> Span:
        """The range from bracket to bracket."""
        return self.open.to(self.close) if self.open.same_scope(self.close) else self.open


Tree = Token | Group


class UnbalancedError(ValueError):
    """Brackets that do not match, or are nested too deep; ``offset`` says where."""

    def __init__(self, offset: int) -> None:
        super().__init__(f"unbalanced bracket at byte {offset}")
        self.offset = offset


CLOSING = {"(": ")", "[": "]", "{": "}"}

_TOKEN = re.compile(
    r"""
    (?: \s+ | //[^\n]* )*+
    (?:
      (?P<block>    /\* )
    | (?P<raw>      (?:br|cr|r)(?P<hashes>\#*)" )
    | (?P<string>   [bc]?"[^"\\]*+(?:\\.[^"\\]*+)*+" )
    | (?P<char>     b?'(?:[^'\\\n\x80-\xff]|[\x80-\xff]{2,4}|\\(?:u\{[0-9a-fA-F_]*\}|x[0-9a-fA-F]{2}|.))' )
    | (?P<lifetime> '[A-Za-z_\x80-\xff][\w\x80-\xff]* )
    | (?P<ident>    (?:r\#)?[A-Za-z_\x80-\xff][\w\x80-\xff]* )
    | (?P<number>   [0-9][\w]*(?:\.[0-9][\w]*)?(?:(?<=[eE])[+-][0-9_]+\w*)? )
    | (?P<open>     [(\[{] )
    | (?P<close>    [)\]}] )
    | (?P<end>      \Z )
    | (?P<punct>    . )
    )
    """,
    re.VERBOSE | re.DOTALL | re.ASCII,
)
_SPECIAL = frozenset({"end", "block", "raw", "punct"})

# Space to Rust that is none to ASCII (the reference, "Whitespace"), and what only the first line can have:
# a byte order mark, and a line for the shell, which is no `#![attribute]`.
_SPACE = re.compile(r"\xc2\x85|\xe2\x80[\x8e\x8f\xa8\xa9]")
_FIRST = re.compile(r"(?:\xef\xbb\xbf)?(?:#!(?!\s*\[)[^\n]*)?")
_BLOCK_EDGE = re.compile(r"/\*|\*/")

_KINDS = {
    "string": TokenKind.STRING,
    "raw": TokenKind.STRING,
    "char": TokenKind.LITERAL,
    "lifetime": TokenKind.LIFETIME,
    "ident": TokenKind.IDENT,
    "number": TokenKind.LITERAL,
    "punct": TokenKind.PUNCT,
}


def read_trees(source: str, path: str, *, scope: int = FILE_SCOPE, start: int = 0) -> tuple[Tree, ...]:
    """Return the token trees of ``source``; comments and space are left out.

    Raises ``UnbalancedError`` where brackets, a string or a comment do not end, or nest too deep.
    """
    if scope == FILE_SCOPE:
        source = _FIRST.sub(_blank, source, count=1)
    if not source.isascii():
        source = _SPACE.sub(_blank, source)
    stack: list[tuple[str, Span, list[Tree]]] = [("", Span(path, start, start, scope), [])]
    for kind, begin, end in _lex(source):
        # as Span(…) and Token(…) do it; a release has a million tokens
        span = _new(Span, (path, start + begin, start + end, scope))
        if kind == "open":
            if len(stack) > MAX_NESTING:
                raise UnbalancedError(start + begin)
            stack.append((source[begin:end], span, []))
        elif kind == "close":
            delimiter, opened, children = stack.pop()
            if not stack or CLOSING.get(delimiter) != source[begin:end]:
                raise UnbalancedError(start + begin)
            stack[-1][2].append(Group(delimiter, tuple(children), opened, span))
        else:
            stack[-1][2].append(_new(Token, (_KINDS[kind], source[begin:end], span, ())))
    if len(stack) > 1:
        raise UnbalancedError(stack[-1][1].start)
    return tuple(stack[0][2])


_new = tuple.__new__


def _blank(match: re.Match[str]) -> str:
    return " " * len(match[0])


def _lex(source: str) -> Iterator[tuple[str, int, int]]:
    at = 0
    while True:
        match = _TOKEN.match(source, at)
        assert match is not None  # noqa: S101 - the last case takes any character
        kind = match.lastgroup or ""
        begin, at = match.span(kind)
        if kind in _SPECIAL:
            if kind == "end":
                return
            if kind == "block":
                at = _end_of_comment(source, begin)
                continue
            if kind == "raw":
                at = source.find('"' + match["hashes"], match.end())
                if at < 0:
                    raise UnbalancedError(begin)
                at += 1 + len(match["hashes"])
            elif match["punct"] == '"':
                raise UnbalancedError(begin)  # a string that does not end
        yield kind, begin, at


def _end_of_comment(source: str, start: int) -> int:
    """Return where the block comment at ``start`` ends; in Rust they nest."""
    depth = 0
    for edge in _BLOCK_EDGE.finditer(source, start):
        depth += 1 if edge[0] == "/*" else -1
        if depth == 0:
            return edge.end()
    raise UnbalancedError(start)


def tree_at(trees: Sequence[Tree], at: int) -> Tree | None:
    """Return the tree at a position, None before the first and behind the last."""
    return trees[at] if 0 <= at < len(trees) else None


def is_punct(tree: Tree | None, text: str) -> bool:
    """Whether ``tree`` is that one punctuation character."""
    return isinstance(tree, Token) and tree.kind is TokenKind.PUNCT and tree.text == text


def is_ident(tree: Tree | None, *texts: str) -> bool:
    """Whether ``tree`` is an identifier, one of ``texts`` if any are given."""
    return isinstance(tree, Token) and tree.kind is TokenKind.IDENT and (not texts or tree.text in texts)


def is_group(tree: Tree | None, delimiter: str = "") -> bool:
    """Whether ``tree`` is a group, with that opening bracket if one is given."""
    return isinstance(tree, Group) and (not delimiter or tree.delimiter == delimiter)


def path_before(trees: Sequence[Tree], at: int) -> tuple[str, ...]:
    """Return the words of the path whose last one is ``trees[at]``."""
    words: list[str] = []
    while at > 2 and is_punct(trees[at - 1], ":") and is_punct(trees[at - 2], ":"):  # noqa: PLR2004 - a :: b
        word = trees[at - 3]
        if not isinstance(word, Token) or word.kind is not TokenKind.IDENT:
            break
        words.insert(0, word.text.removeprefix("r#"))
        at -= 3
    return tuple(words)


def flatten(trees: Sequence[Tree]) -> Iterator[Token]:
    """Return the leaves, brackets left out."""
    for tree in trees:
        if isinstance(tree, Group):
            yield from flatten(tree.children)
        else:
            yield tree


def split(trees: Sequence[Tree], separator: str) -> list[list[Tree]]:
    """Cut at each top-level ``separator`` character; a trailing one makes no empty part."""
    parts: list[list[Tree]] = [[]]
    for tree in trees:
        if is_punct(tree, separator):
            parts.append([])
        else:
            parts[-1].append(tree)
    if not parts[-1]:
        parts.pop()
    return parts


def render(trees: Sequence[Tree]) -> str:
    """Spell trees for people, as rustfmt would in a ``cfg``: ``all(unix, target_arch = "x86_64")``."""
    out = ""
    for tree in trees:
        match tree:
            case Group(delimiter, children):
                out += f"{delimiter}{render(children)}{CLOSING.get(delimiter, '')}"
            case Token(TokenKind.PUNCT, ","):
                out += ", "
            case Token(TokenKind.PUNCT, "="):
                out = f"{out[:-1]}= " if out.endswith("= ") else f"{out} = "
            case Token(kind, text):
                glued = not out or not (out[-1].isalnum() or out[-1] == "_") or kind is TokenKind.PUNCT
                out += text if glued else f" {text}"
    return out


def arrow(trees: Sequence[Tree], at: int) -> int:
    """Return where the next ``=>`` begins, from ``at`` on; the ``=`` of ``target_os = "linux"`` is none."""
    arrows = (i for i in range(at, len(trees) - 1) if is_punct(trees[i], "=") and is_punct(trees[i + 1], ">"))
    return next(arrows, len(trees))


_ESCAPES = {"n": "\n", "r": "\r", "t": "\t", "\\": "\\", "0": "\0", "'": "'", '"': '"'}
_ESCAPE = re.compile(r"\\(?:u\{([0-9a-fA-F_]+)\}|x([0-9a-fA-F]{2})|(\r?\n\s*)|(.))", re.DOTALL)


@dataclass(frozen=True, slots=True)
class StringValue:
    """The value of a string literal; ``offsets[i]`` is where character ``i`` is written, one more for the end."""

    text: str
    offsets: tuple[int, ...]


def string_value(token: Token) -> StringValue:
    """Return what a string literal means, with the place of every character.

    Characters stay latin-1, one per byte, except for ``\\u`` escapes beyond that, which become ``?``: no
    link-time name has them.
    """
    text, offsets = _meaning(token.text)
    start = token.origin.start
    return StringValue(text, tuple([start + offset for offset in offsets]))


@lru_cache(maxsize=10_000)
def _meaning(literal: str) -> tuple[str, Sequence[int]]:
    """Return a literal's value, and where in the literal each character is written."""
    begin = literal.index('"') + 1
    prefix = literal[: begin - 1]
    if "r" in prefix:
        end = len(literal) - 1 - prefix.count("#")
        return literal[begin:end], range(begin, end + 1)
    end = len(literal) - 1
    if "\\" not in literal:
        return literal[begin:end], range(begin, end + 1)
    out: list[str] = []
    offsets: list[int] = []
    at = begin
    while at < end:
        match = _ESCAPE.match(literal, at, end) if literal[at] == "\\" else None
        if match is None:
            offsets.append(at)
            out.append(literal[at])
            at += 1
            continue
        point, byte, newline, plain = match.groups()
        if newline is None:
            offsets.append(at)
            out.append(_ESCAPES.get(plain, plain) if plain is not None else _character(point or byte))
        at = match.end()
    return "".join(out), (*offsets, end)


def _character(code: str) -> str:
    number = int(code.replace("_", ""), 16)
    return chr(number) if number < 256 else "?"  # noqa: PLR2004 - latin-1
