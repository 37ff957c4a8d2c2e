"""The text of an ``asm!``-like invocation, with the place where each piece of it is written.

Upstream builds assembler text with ``concat!``, ``stringify!`` and small macros of its own.  What a piece
says comes from one place, where an edit would go may be another; both are kept.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from itertools import accumulate

from patchbot.symbols.readings import Readings
from patchbot.symbols.rust.macros import Macro, NoMatchError, TooLargeError, expand
from patchbot.symbols.rust.tokens import (
    CLOSING,
    Group,
    Span,
    Token,
    TokenKind,
    Tree,
    flatten,
    is_ident,
    is_punct,
    path_before,
    split,
    string_value,
)

MAX_DEPTH = 32
MAX_PARTS = 10_000  # of one text; the largest real ones have some dozens


@dataclass(frozen=True, slots=True)
class Piece:
    """A stretch of text from one source.

    A literal has ``offsets`` (where each character is written, one more for its end).  An expression has
    none: ``place`` is all of it, to be wrapped.  ``upstream`` is set where upstream's own macro appends
    its version to the name ``text`` begins with.
    """

    text: str
    place: Span
    offsets: tuple[int, ...] | None = None
    upstream: bool = False
    why: str = ""

    @property
    def opaque(self) -> bool:
        """Whether the text is not known; ``why`` says so."""
        return bool(self.why)


@dataclass(frozen=True)
class Template:
    """Pieces side by side."""

    pieces: tuple[Piece, ...]

    @cached_property
    def text(self) -> str:
        """The whole text."""
        return "".join(piece.text for piece in self.pieces)

    def piece_at(self, offset: int) -> tuple[Piece, int]:
        """Return the piece that holds the character at ``offset`` of the text, and where in it that is."""
        index = bisect_right(self._starts, offset, hi=len(self.pieces)) - 1
        return self.pieces[index], offset - self._starts[index]

    @cached_property
    def _starts(self) -> list[int]:
        return list(accumulate((len(piece.text) for piece in self.pieces), initial=0))


@dataclass(frozen=True, slots=True)
class Naming:
    """Upstream's macros that append its version: by name, and what they append (``_36_0_20``)."""

    suffix: str = ""
    stringify: frozenset[str] = frozenset()
    suffix_only: frozenset[str] = frozenset()
    export: frozenset[str] = frozenset()
    link: frozenset[str] = frozenset()

    @property
    def words(self) -> frozenset[str]:
        """The names of all of these macros."""
        return self.stringify | self.suffix_only | self.export | self.link


FindMacros = Callable[[Token, tuple[str, ...]], Sequence[Macro]]


@dataclass(slots=True)
class _Evaluated:
    """What an invocation's arguments were evaluated to, and the macros that this rests on."""

    arguments: tuple[Tree, ...]
    asked: list[tuple[Token, tuple[str, ...], Sequence[Macro]]] = field(default_factory=list)
    templates: list[Template] = field(default_factory=list)

    def holds(self, find: FindMacros) -> bool:
        """Whether the macros are still the same."""
        found = ((find(name, path), macros) for name, path, macros in self.asked)
        return bool(self.templates) and all(list(map(id, a)) == list(map(id, b)) for a, b in found)


class Evaluator:
    """Evaluates string expressions of one release.

    Where a helper macro has several definitions (one per operating system, say), each is taken once: ask
    for ``variants`` templates.
    """

    def __init__(self, find: FindMacros, naming: Naming, readings: Readings | None = None) -> None:
        self._find = find
        self._naming = naming
        self._readings = readings or Readings()
        self._asked: list[tuple[Token, tuple[str, ...], Sequence[Macro]]] = []
        self._variant = 0
        self._most = 1
        self._left = MAX_PARTS

    def templates(self, arguments: tuple[Tree, ...]) -> list[Template]:
        """Return the text of an ``asm!``-like invocation's arguments, one template per variant."""
        key = ("templates", id(arguments), self._naming)
        known = self._readings.recall(key, lambda: _Evaluated(arguments))
        if not known.holds(self._find):
            self._asked = []
            known.templates = self._evaluate(arguments)
            known.asked = self._asked
        return known.templates

    def _evaluate(self, arguments: Sequence[Tree]) -> list[Template]:
        out: list[Template] = []
        self._most = 1
        while len(out) < self._most:
            self._variant = len(out)
            self._left = MAX_PARTS
            out.append(Template(tuple(self._lines(arguments))))
        return out

    def string(self, trees: Sequence[Tree]) -> Template:
        """Return the value of one string expression."""
        self._variant = 0
        self._left = MAX_PARTS
        return Template(tuple(self._value(trees, 0)))

    def _lines(self, arguments: Sequence[Tree]) -> Iterator[Piece]:
        for part in split(arguments, ","):
            if not _is_text(part):
                return  # operands and options begin here, and no text follows them
            yield from self._value(part, 0)
            yield Piece("\n", _place(part))

    def _value(self, trees: Sequence[Tree], depth: int) -> Iterator[Piece]:
        self._left -= 1
        if depth > MAX_DEPTH or self._left < 0:
            yield _opaque(trees, "the macros of this text call each other without end")
            return
        whole, trees = trees, _bare(trees)
        if len(trees) == 1 and isinstance(trees[0], Token):
            yield _literal(trees[0])
            return
        name, arguments = _invocation(trees)
        if name is None or arguments is None:
            yield _opaque(whole, "this is no string that can be read here")
        elif name.text == "concat":
            for part in split(arguments.children, ","):
                yield from (
                    self._value(part, depth + 1) if part else [_opaque(trees, "an argument is missing")]
                )
        elif name.text == "stringify":
            text = _spelled(arguments.children)
            if text is None:
                yield _opaque(trees, "the spaces between tokens of several macros are not known")
            else:
                yield Piece(text, _place(trees))
        elif name.text in self._naming.stringify:
            text = "".join(t.text for t in flatten(arguments.children))
            yield Piece(text + self._naming.suffix, _place(trees), upstream=True)
        elif name.text in self._naming.suffix_only:
            yield Piece(self._naming.suffix, _place(trees), upstream=True)
        else:
            yield from self._expanded(name, arguments, trees, depth)

    def _expanded(self, name: Token, arguments: Group, trees: Sequence[Tree], depth: int) -> Iterator[Piece]:
        results = []
        path = path_before(trees, len(trees) - 3)
        macros = self._find(name, path)
        self._asked.append((name, path, macros))
        for macro in macros:
            try:
                results.append(expand(macro, arguments.children))
            except (NoMatchError, TooLargeError):
                continue
        self._most = max(self._most, len(results))
        result = results[self._variant % len(results)] if results else ()
        if result:
            yield from self._value(result, depth + 1)
        else:
            yield _opaque(trees, f"{name.text}! cannot be followed")


def _spelled(trees: Sequence[Tree]) -> str | None:
    """Return what ``stringify!`` makes of tokens, None if they are not written side by side.

    Where something stands between two tokens it puts a space (for long lists a new line, which is one, too).
    """
    out = ""
    last: Span | None = None
    for text, span in _leaves(trees):
        if last is not None and not last.same_scope(span):
            return None
        out += f" {text}" if last is not None and last.end != span.start else text
        last = span
    return out


def _leaves(trees: Sequence[Tree]) -> Iterator[tuple[str, Span]]:
    for tree in trees:
        if isinstance(tree, Group):
            if tree.delimiter:
                yield tree.delimiter, tree.open
            yield from _leaves(tree.children)
            if tree.delimiter:
                yield CLOSING[tree.delimiter], tree.close
        else:
            yield tree.text, tree.origin


def _invocation(trees: Sequence[Tree]) -> tuple[Token | None, Group | None]:
    """Read ``path::name!(…)`` with nothing behind it."""
    if len(trees) < 3 or not is_punct(trees[-2], "!"):  # noqa: PLR2004 - name ! (..)
        return None, None
    name, arguments = trees[-3], trees[-1]
    path = trees[:-3]
    plain = all(is_ident(tree) or is_punct(tree, ":") for tree in path)
    if isinstance(name, Token) and name.kind is TokenKind.IDENT and isinstance(arguments, Group) and plain:
        return name, arguments
    return None, None


def _bare(trees: Sequence[Tree]) -> Sequence[Tree]:
    """Take off what a macro's expression fragment put around the trees."""
    while len(trees) == 1 and isinstance(trees[0], Group) and not trees[0].delimiter:
        trees = trees[0].children
    return trees


def _is_text(part: Sequence[Tree]) -> bool:
    part = _bare(part)
    if len(part) == 1:
        return isinstance(part[0], Token) and part[0].kind is TokenKind.STRING
    return _invocation(part)[0] is not None


def _literal(token: Token) -> Piece:
    if token.kind is TokenKind.STRING:
        value = string_value(token)
        return Piece(value.text, token.origin, value.offsets)
    if token.kind is TokenKind.LITERAL or token.text in {"true", "false"}:
        return Piece(token.text.strip("'"), token.origin)
    return _opaque([token], "this is no string that can be read here")


def _opaque(trees: Sequence[Tree], why: str) -> Piece:
    return Piece(" ", _place(trees), why=why)


def _place(trees: Sequence[Tree]) -> Span:
    first = trees[0].open if isinstance(trees[0], Group) else trees[0].origin
    last = trees[-1].close if isinstance(trees[-1], Group) else trees[-1].origin
    return first.to(last) if first.same_scope(last) else first
