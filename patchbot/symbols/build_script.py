"""What a crate's build script compiles, defines and reads, from its source.

Build scripts are read, not run: a scan speaks for every target at once.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from patchbot.symbols.rust import attributes
from patchbot.symbols.rust import read as read_rust
from patchbot.symbols.tokens import (
    Group,
    Span,
    Token,
    TokenKind,
    Tree,
    flatten,
    is_group,
    is_ident,
    is_punct,
    render,
    split,
    string_value,
)

_SOURCE = re.compile(r"(?!cargo:).*\.(?:c|cc|cpp|cxx|m|mm|s|S|asm|o|obj|a|lib)", re.DOTALL)
_LINKED = re.compile(r"cargo::?(?:rustc-(?:\w+-)*link-|rustc-flags)")

# Parts of the platform's C library: what they define is everybody's, and nobody's to suffix.
_SYSTEM = re.compile(r"cargo::?rustc-link-lib=(?:dylib=)?(?:c|m|dl|pthread|rt|util)")

# Compiler flags that neither define a name nor bring in a file.
_HARMLESS = re.compile(r"-(?:[WOgm]|f(?!include|plugin)|std=|pedantic).*")


@dataclass(frozen=True, slots=True)
class CompiledFile:
    """A ``.file("…")`` of a ``cc::Build``: the path in the crate, and the conditions around the call."""

    path: str
    place: Span
    conditions: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class ReadVariable:
    """A ``DEP_…`` variable that another crate's ``links`` key makes."""

    variable: str
    place: Span


@dataclass(slots=True)
class BuildFacts:
    """Everything of a build script that matters for link-time names.

    ``defines`` maps a ``-D`` name to the trees of its value.
    """

    files: list[CompiledFile] = field(default_factory=list)
    defines: dict[str, tuple[Tree, ...]] = field(default_factory=dict)
    variables: list[ReadVariable] = field(default_factory=list)
    doubts: list[tuple[Span, str]] = field(default_factory=list)


def read(trees: Sequence[Tree]) -> BuildFacts:
    """Read a ``build.rs``."""
    facts = BuildFacts()
    callers = dict(_callers(trees, ()))
    _walk(trees, (), callers, facts)
    compiled = {file.place for file in facts.files}
    for token in flatten(trees):
        if token.kind is not TokenKind.STRING:
            continue
        text = string_value(token).text
        if text.startswith("DEP_"):
            facts.variables.append(ReadVariable(text, token.origin))
        elif _LINKED.match(text) and not _SYSTEM.fullmatch(text):
            facts.doubts.append((token.origin, "the build script links what is not read here"))
        elif _SOURCE.fullmatch(text) and token.origin not in compiled:
            facts.doubts.append(
                (token.origin, f"the build script names {text}, and not in a .file(…) that is read")
            )
    found = read_rust(trees)
    elsewhere = [(module.place, f"mod {module.name}") for module in found.modules]
    elsewhere += [(call.name.origin, "include!") for call in found.calls if call.name.text == "include"]
    facts.doubts += [(place, f"the build script goes on in another file ({how})") for place, how in elsewhere]
    return facts


def _walk(
    trees: Sequence[Tree], conditions: tuple[str, ...], callers: dict[str, tuple[str, ...]], facts: BuildFacts
) -> None:
    for tree, own in _branches(trees, conditions, callers):
        if isinstance(tree, Group):
            _walk(tree.children, own, callers, facts)
    for at, tree in enumerate(trees):
        arguments = trees[at + 2] if at + 2 < len(trees) else None
        if not is_punct(tree, ".") or not isinstance(arguments, Group) or arguments.delimiter != "(":
            continue
        method = trees[at + 1]
        if is_ident(method, "file", "files", "object"):
            _compiled(arguments, conditions, facts)
        elif is_ident(method, "define") and arguments.children:
            _defined(arguments, facts)
        elif is_ident(method, "flag", "flags", "flag_if_supported", "asm_flag", "include", "includes"):
            _flagged(arguments, facts)


def _compiled(arguments: Group, conditions: tuple[str, ...], facts: BuildFacts) -> None:
    literals = [t for t in flatten(arguments.children) if t.kind is TokenKind.STRING]
    for token in literals:
        facts.files.append(CompiledFile(string_value(token).text, token.origin, conditions))
    if not literals:
        facts.doubts.append(
            (arguments.origin, "the build script compiles a file whose name is not written out")
        )


def _defined(arguments: Group, facts: BuildFacts) -> None:
    name, *rest = split(arguments.children, ",")
    value: Sequence[Tree] = rest[0] if rest else ()
    if len(value) == 2 and is_ident(value[0], "Some") and isinstance(value[1], Group):  # noqa: PLR2004 - Some (…)
        value = value[1].children
    elif len(value) == 1 and is_ident(value[0], "None"):
        value = ()
    if len(name) == 1 and isinstance(name[0], Token) and name[0].kind is TokenKind.STRING:
        facts.defines[string_value(name[0]).text] = tuple(value)
    elif value:
        facts.doubts.append(
            (arguments.origin, "the build script defines a macro whose name is not written out")
        )


def _flagged(arguments: Group, facts: BuildFacts) -> None:
    literals = [t for t in flatten(arguments.children) if t.kind is TokenKind.STRING]
    if not literals or not all(_HARMLESS.fullmatch(string_value(token).text) for token in literals):
        words = render(arguments.children)
        facts.doubts.append(
            (arguments.origin, f"the build script gives the compiler {words}, which is not followed")
        )


def _branches(
    trees: Sequence[Tree], conditions: tuple[str, ...], callers: dict[str, tuple[str, ...]]
) -> Iterator[tuple[Tree, tuple[str, ...]]]:
    """Return each tree with the ``if``, ``#[cfg]`` and calling conditions that hold in it."""
    failed: list[str] = []
    condition = ""
    start = -1
    pending: tuple[str, ...] = ()
    function: tuple[str, ...] = ()
    for at, tree in enumerate(trees):
        if is_punct(tree, "#") and at + 1 < len(trees) and isinstance(group := trees[at + 1], Group):
            pending = tuple(render(a.arguments) for a in attributes([group]) if a.name.text == "cfg")
        elif is_ident(tree, "fn") and at + 1 < len(trees) and isinstance(name := trees[at + 1], Token):
            function = (*pending, *callers.get(name.text, ()))
        elif is_ident(tree, "if"):
            start = at + 1
        elif is_group(tree, "{"):
            own = conditions
            if start >= 0:
                condition = render(trees[start:at])
                own = (*conditions, *pending, *failed, condition)
                failed.append(f"!({condition})")
            elif at and is_ident(trees[at - 1], "else"):
                own = (*conditions, *failed)
            elif function:
                own = (*conditions, *function)
            yield tree, own
            start, function = -1, ()
            if not (at + 1 < len(trees) and is_ident(trees[at + 1], "else")):
                failed, pending = [], ()
            continue
        if isinstance(tree, Group) and start < 0:
            yield tree, conditions


def _callers(trees: Sequence[Tree], conditions: tuple[str, ...]) -> Iterator[tuple[str, tuple[str, ...]]]:
    """Return the conditions under which functions without arguments are called, by name."""
    for tree, own in _branches(trees, conditions, {}):
        if isinstance(tree, Group):
            yield from _callers(tree.children, own)
    for at, tree in enumerate(trees[:-1]):
        following = trees[at + 1]
        called = isinstance(following, Group) and following.delimiter == "(" and not following.children
        defined = at > 0 and is_ident(trees[at - 1], "fn")
        if isinstance(tree, Token) and tree.kind is TokenKind.IDENT and called and not defined and conditions:
            yield tree.text, conditions
