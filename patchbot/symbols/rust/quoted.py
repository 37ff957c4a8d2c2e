"""Proc macros that make names of the one identifier they are given: the C API's ``declare_own!`` and kin.

A proc macro is a program and cannot be run here.  These are read as what they are: some ``let``s that build
identifiers with ``format_ident!``, and one ``quote!`` that says what comes out (quote 1.0, proc-macro2 1.0).
Any other form raises ``NoMatchError``, and the macro stays opaque.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from patchbot.symbols.rust.facts import Item
from patchbot.symbols.rust.macros import NoMatchError, scoped
from patchbot.symbols.rust.tokens import (
    Group,
    Span,
    Token,
    TokenKind,
    Tree,
    flatten,
    is_group,
    is_ident,
    is_punct,
    split,
    string_value,
)

# Methods that give the same text in another type.
_SAME = frozenset({"to_string", "clone", "as_str", "to_owned", "as_ref"})

_HOLE = re.compile(r"\{(\w*)\}")


@dataclass(frozen=True, slots=True)
class Binding:
    """A ``let`` of the macro: its name, and the trees of its value."""

    name: str
    value: tuple[Tree, ...]


@dataclass(frozen=True, slots=True)
class QuotedMacro:
    """A function-like proc macro: ``argument`` is what it calls the identifier it is given."""

    name: str
    argument: str
    bindings: tuple[Binding, ...]
    body: tuple[Tree, ...]
    place: Span

    def expand(self, arguments: Sequence[Tree]) -> tuple[Tree, ...]:
        """Return what a call becomes; raise ``NoMatchError`` if it is given more than an identifier."""
        if len(arguments) != 1 or not is_ident(arguments[0]):
            raise NoMatchError(self.name)
        given = arguments[0]
        assert isinstance(given, Token)  # noqa: S101 - is_ident said so
        texts: dict[str, str] = {self.argument: given.text}
        for binding in self.bindings:
            text = _text(binding.value, texts)
            if text is not None:
                texts[binding.name] = text
        return tuple(_filled(self.body, texts, {self.argument: given}))


def read_quoted(function: Item, helpers: Mapping[str, Sequence[Tree]]) -> QuotedMacro | None:
    """Read the function of a proc macro; return None if it is not of the form that is followed.

    ``helpers`` are the bodies of the crate's functions, by name (``function_bodies``).
    """
    quotes = list(_quotes(function.body))
    bindings = tuple(_bindings(function.body))
    if len(quotes) != 1 or not bindings or _repeats(quotes[0].children) or _branches(function.body):
        return None
    first, *rest = bindings
    if not _takes_identifier(first.value, helpers):
        return None
    body = scoped(quotes[0].children, function.name.origin.start)
    return QuotedMacro(function.name.text, first.name, tuple(rest), body, function.name.origin)


def function_bodies(trees: Sequence[Tree]) -> dict[str, tuple[Tree, ...]]:
    """Return the body of every function that stands in the trees themselves, by name."""
    out: dict[str, tuple[Tree, ...]] = {}
    for at, tree in enumerate(trees[:-1]):
        name = trees[at + 1]
        body = next((t for t in trees[at:] if isinstance(t, Group) and t.delimiter == "{"), None)
        if is_ident(tree, "fn") and isinstance(name, Token) and body is not None:
            out[name.text] = body.children
    return out


def _bindings(body: Sequence[Tree]) -> Iterator[Binding]:
    for at, tree in enumerate(body):
        name = body[at + 1] if at + 1 < len(body) else None
        if is_ident(tree, "let") and isinstance(name, Token) and is_punct((*body, None, None)[at + 2], "="):
            end = next((i for i in range(at, len(body)) if is_punct(body[i], ";")), len(body))
            yield Binding(name.text, tuple(body[at + 3 : end]))


def _quotes(trees: Sequence[Tree]) -> Iterator[Group]:
    for at, tree in enumerate(trees):
        if isinstance(tree, Group):
            quoted = at > 1 and is_punct(trees[at - 1], "!") and is_ident(trees[at - 2], "quote")
            if quoted:
                yield tree
            else:
                yield from _quotes(tree.children)


def _branches(trees: Sequence[Tree]) -> bool:
    """Whether what comes out depends on more than the identifier."""
    return any(token.text in {"if", "match", "for", "while", "loop"} for token in _outside_quotes(trees))


def _outside_quotes(trees: Sequence[Tree]) -> Iterator[Token]:
    for at, tree in enumerate(trees):
        if isinstance(tree, Token):
            yield tree
        elif not (at and is_punct(trees[at - 1], "!")):
            yield from _outside_quotes(tree.children)


def _repeats(trees: Sequence[Tree]) -> bool:
    """Whether a ``#(…)*`` stands anywhere; ``#[…]`` is an attribute."""
    for at, tree in enumerate(trees):
        if isinstance(tree, Group):
            if at and is_punct(trees[at - 1], "#") and tree.delimiter == "(":
                return True
            if _repeats(tree.children):
                return True
    return False


def _takes_identifier(value: Sequence[Tree], helpers: Mapping[str, Sequence[Tree]]) -> bool:
    """Whether a value is ``helper(input)``, and the helper returns an identifier of the input as it is."""
    name, arguments = value if len(value) == 2 else (None, None)  # noqa: PLR2004 - helper (..)
    if not isinstance(name, Token) or not isinstance(arguments, Group) or name.text not in helpers:
        return False
    changes = {
        "format_ident",
        "format",
        "new",
        "new_raw",
        "parse_str",
        "to_uppercase",
        "to_lowercase",
        "replace",
    }
    alone = len(arguments.children) == 1 and is_ident(arguments.children[0])
    return alone and not any(token.text in changes for token in flatten(helpers[name.text]))


def _text(trees: Sequence[Tree], texts: Mapping[str, str]) -> str | None:
    """Return the text of an expression over what is known, or None."""
    while trees and is_punct(trees[0], "&"):
        trees = trees[1:]
    if len(trees) == 1 and isinstance(trees[0], Token):
        token = trees[0]
        return string_value(token).text if token.kind is TokenKind.STRING else texts.get(token.text)
    last = trees[-1] if trees else None
    if not isinstance(last, Group):
        return None
    if is_group(last, "["):
        whole = _text(trees[:-1], texts)
        return None if whole is None else _slice(whole, last.children, trees[:-1])
    if len(trees) > 3 and is_punct(trees[-3], ".") and is_ident(trees[-2], *_SAME):  # noqa: PLR2004 - x . f ()
        return _text(trees[:-3], texts)
    if len(trees) > 2 and is_punct(trees[-2], "!") and is_ident(trees[-3], "format", "format_ident"):  # noqa: PLR2004
        return _formatted(last.children, texts)
    return None


def _slice(whole: str, bounds: Sequence[Tree], name: Sequence[Tree]) -> str | None:
    """Return what ``name[..name.len() - 2]`` is of a text."""
    spelled = [token.text for token in flatten(bounds)]
    expected = [".", ".", *(token.text for token in flatten(name)), ".", "len", "-"]
    if spelled[:-1] != expected or not spelled[-1].isdigit():
        return None
    return whole[: max(len(whole) - int(spelled[-1]), 0)]


def _formatted(arguments: Sequence[Tree], texts: Mapping[str, str]) -> str | None:
    template, *values = split(arguments, ",") or [[]]
    given = [_text(value, texts) for value in values]
    text = _text(template, {})
    if text is None or None in given:
        return None
    waiting = iter(given)
    holes = [next(waiting, None) if name == "" else texts.get(name) for name in _HOLE.findall(text)]
    if None in holes:
        return None
    filled = iter(holes)
    return _HOLE.sub(lambda _: str(next(filled)), text)


def _filled(trees: Sequence[Tree], texts: Mapping[str, str], given: Mapping[str, Token]) -> Iterator[Tree]:
    """Put what is known for ``#name``; what is not known becomes a token that is no identifier."""
    at = 0
    while at < len(trees):
        tree = trees[at]
        following = trees[at + 1] if at + 1 < len(trees) else None
        at += 1
        if isinstance(tree, Group):
            yield tree._replace(children=tuple(_filled(tree.children, texts, given)))
        elif is_punct(tree, "#") and isinstance(following, Token) and following.kind is TokenKind.IDENT:
            at += 1
            place = tree.origin.to(following.origin)
            if following.text in given:
                token = given[following.text]
                yield token._replace(sites=(*token.sites, place))
            elif following.text in texts:
                yield Token(TokenKind.IDENT, texts[following.text], place)
            else:
                yield Token(TokenKind.LITERAL, "?", place)
        else:
            yield tree
