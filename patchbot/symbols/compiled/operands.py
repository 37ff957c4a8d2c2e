"""The operands and options behind the text of an ``asm!``-like invocation.

Reference, "Inline assembly": ``name = sym path``, ``const 1``, ``in("rax") x``, ``options(att_syntax)``.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from patchbot.symbols.rust.tokens import Group, Token, TokenKind, Tree, flatten, is_ident, is_punct, split
from patchbot.truth import Operand

_WORDS = ("sym", "const", "in", "out", "inout", "lateout", "inlateout", "label")


def read(arguments: Sequence[Tree]) -> Iterator[Operand]:
    """Return the operands of an invocation, in their order; what is text, option or clobber is none."""
    for part in split(arguments, ","):
        name, rest = _named(part)
        if rest and is_ident(rest[0], *_WORDS):
            spelled = [tree.text for tree in flatten(rest[1:]) if tree.kind is TokenKind.IDENT]
            kind = _word(rest[0])
            yield Operand(kind, name, spelled[-1] if kind == "sym" and spelled else "")


def options(arguments: Sequence[Tree]) -> tuple[str, ...]:
    """Return the words of every ``options(…)``."""
    return tuple(
        _word(word)
        for part in split(arguments, ",")
        if len(part) == 2 and is_ident(part[0], "options") and isinstance(part[1], Group)  # noqa: PLR2004 - options (..)
        for word in part[1].children
        if is_ident(word)
    )


def _named(part: Sequence[Tree]) -> tuple[str, Sequence[Tree]]:
    if len(part) > 2 and is_ident(part[0]) and is_punct(part[1], "="):  # noqa: PLR2004 - name = operand
        return _word(part[0]), part[2:]
    return "", part


def _word(tree: Tree) -> str:
    return tree.text.removeprefix("r#") if isinstance(tree, Token) else ""
