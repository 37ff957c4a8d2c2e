"""Attributes, opened: what stands in ``cfg_attr``, ``unsafe`` and ``derive``, and under which conditions."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from functools import lru_cache

from patchbot.symbols import cfg
from patchbot.symbols.rust import language
from patchbot.symbols.rust.facts import Attribute
from patchbot.symbols.rust.tokens import (
    Group,
    Token,
    TokenKind,
    Tree,
    is_group,
    is_ident,
    is_punct,
    render,
    split,
    string_value,
)


def attributes(groups: Sequence[Group]) -> Iterator[Attribute]:
    """Open ``#[…]`` groups: ``cfg_attr(c, a, b)`` gives a and b under c, ``unsafe(a)`` gives a."""
    for group in groups:
        yield from _attribute(group.children, "")


def _attribute(trees: Sequence[Tree], cfg: str) -> Iterator[Attribute]:
    path = 0
    name: Token | None = None
    while path < len(trees):
        tree = trees[path]
        if isinstance(tree, Token) and tree.kind is TokenKind.IDENT:
            name = tree._replace(text=tree.text.removeprefix("r#"))
        elif not is_punct(tree, ":"):
            break
        path += 1
    if name is None:
        return
    words = tuple(t.text for t in trees[:path] if isinstance(t, Token) and t.kind is TokenKind.IDENT)
    rest = trees[path:]
    if rest and isinstance(rest[0], Group):
        arguments = rest[0].children
        if name.text == "unsafe":
            yield from _attribute(arguments, cfg)
        elif name.text == "cfg_attr":
            condition, *inner = split(arguments, ",")
            under = render(condition) if not cfg else f"all({cfg}, {render(condition)})"
            for part in inner:
                yield from _attribute(part, under)
        else:
            yield Attribute(name, (), arguments, cfg, words[:-1])
    elif rest and is_punct(rest[0], "="):
        yield Attribute(name, tuple(rest[1:]), (), cfg, words[:-1])
    else:
        yield Attribute(name, (), (), cfg, words[:-1])


def foreign_attributes(attribute: Attribute) -> Iterator[Attribute]:
    """Return the attribute, or what it derives, if the language does not have it."""
    if attribute.name.text == "derive":
        for part in split(attribute.arguments, ","):
            for derived in _attribute(part, attribute.cfg):
                if derived.name.text not in language.DERIVES:
                    yield replace(derived, derived=True)
    elif attribute.name.text not in language.ATTRIBUTES and attribute.path[:1] not in language.TOOLS:
        yield attribute


def is_static_link(attribute: Attribute) -> bool:
    """Whether a ``#[link(…)]`` names an archive whose objects become part of the crate."""
    parts = split(attribute.arguments, ",")
    return any(is_ident(part[0], "kind") and only_string(part[2:]) == "static" for part in parts if part)


def only_string(trees: Sequence[Tree]) -> str | None:
    """Return the string that trees are, None if they are anything else."""
    only = trees[0] if len(trees) == 1 else None
    literal = isinstance(only, Token) and only.kind is TokenKind.STRING
    return string_value(only).text if literal and isinstance(only, Token) else None


def attribute_length(trees: Sequence[Tree], at: int) -> int:
    """Return how many trees an attribute from ``at`` on has, 0 if none begins there."""
    following = trees[at + 1] if at + 1 < len(trees) else None
    if is_group(following, "["):
        return 2
    if is_punct(following, "!") and at + 2 < len(trees) and is_group(trees[at + 2], "["):
        return 3
    return 0


def cfgs_of(groups: Sequence[Group]) -> Iterator[str]:
    """Return the conditions under which an item with these attributes exists."""
    for attribute in attributes(groups):
        if attribute.name.text == "cfg":
            yield render(attribute.arguments)
        elif attribute.name.text == "test":
            yield "test"


def is_test(cfgs: Sequence[str]) -> bool:
    """Whether the conditions hold in no build but a test's."""
    return any(needs_test(cfg) for cfg in cfgs)


@lru_cache(maxsize=10_000)
def needs_test(condition: str) -> bool:
    """Whether a condition holds in no build but a test's."""

    def answer(option: cfg.Option | cfg.Opaque) -> bool | None:
        return False if option == cfg.Option("test") else None

    return cfg.holds(cfg.parse(condition), answer) is False
