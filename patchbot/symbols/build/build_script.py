"""What a crate's build script compiles, defines and reads, from its source.

Build scripts are read, not run: a scan speaks for every target at once.
"""

from __future__ import annotations

import posixpath
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from itertools import pairwise

from patchbot.symbols import cfg
from patchbot.symbols.build import build_doubts
from patchbot.symbols.build.script_conditions import Script
from patchbot.symbols.cfg import NEVER, All, Any, Cfg, Not, Opaque
from patchbot.symbols.rust.attributes import attributes
from patchbot.symbols.rust.tokens import (
    Group,
    Span,
    Token,
    TokenKind,
    Tree,
    arrow,
    flatten,
    is_group,
    is_ident,
    is_punct,
    read_trees,
    render,
    split,
    string_value,
    tree_at,
)

_SOURCE = re.compile(r"(?!cargo:).*\.(?:c|cc|cpp|cxx|m|mm|s|S|asm|o|obj|a|lib)", re.DOTALL)

_SETS = re.compile(r"cargo::?rustc-cfg=(\w+)")
_TEMPLATE = re.compile(r"([A-Za-z_]\w*)\{(\w*)\}")

# Compiler flags that neither define a name nor bring in a file; -Wa, -Wl and -Wp hand on what stands behind them.
_HARMLESS = re.compile(
    r"-(?:W(?![alp],)|O|g|m(?!llvm)|std=|pedantic"
    r"|f(?!include|plugin|pass-plugin|(?:no-)?leading-underscore|instrument|sanitize|prefix)).*"
)

_FILES = frozenset({"file", "files", "object", "objects"})
_FLAGS = frozenset({"flag", "flags", "flag_if_supported", "asm_flag", "ar_flag", "include", "includes"})

# Calls that give a path on as it is, and those that do it behind a dot.
_CONSTRUCTORS = {("Path", "new"), ("PathBuf", "from"), ("String", "from")}
_PASSING = frozenset({"iter", "into_iter", "to_string", "to_owned", "into", "as_ref", "clone", "as_str"})


@dataclass(frozen=True, slots=True)
class CompiledFile:
    """A ``.file("…")`` of a ``cc::Build``: the path in the crate, and when it is called."""

    path: str
    place: Span
    cfg: Cfg


@dataclass(frozen=True, slots=True)
class Define:
    """A ``.define("NAME", value)``: the trees of its value, and when it is called."""

    value: tuple[Tree, ...]
    cfg: Cfg


@dataclass(frozen=True, slots=True)
class DefineFamily:
    """A ``.define(&format!("CFG_TARGET_OS_{os}"), None)``: one macro for each value of a variable of cargo's."""

    prefix: str
    variable: str


@dataclass(frozen=True, slots=True)
class ReadVariable:
    """A ``DEP_…`` variable that another crate's ``links`` key makes."""

    variable: str
    place: Span


@dataclass(slots=True)
class BuildFacts:
    """Everything of a build script that matters for link-time names.

    ``defines`` are what the C compiler gets with ``-D``, by name; ``options`` are the ``cfg`` options that the
    script sets for its crate, by name.  ``programs`` are those it runs: what they leave has to be compiled,
    linked or included to matter.
    """

    files: list[CompiledFile] = field(default_factory=list)
    defines: dict[str, Define] = field(default_factory=dict)
    families: list[DefineFamily] = field(default_factory=list)
    options: dict[str, Cfg] = field(default_factory=dict)
    variables: list[ReadVariable] = field(default_factory=list)
    programs: list[tuple[Span, str]] = field(default_factory=list)
    doubts: list[tuple[Span, str]] = field(default_factory=list)


def read(trees: Sequence[Tree], features: Sequence[str] = ()) -> BuildFacts:
    """Read a ``build.rs``; ``features`` are those of its crate."""
    script = Script(trees, features)
    facts = BuildFacts(options=script.custom(trees))
    _Walk(script, dict(_callers(trees, (), script)), facts).walk(trees, ())
    compiled = {file.place for file in facts.files}
    for token in flatten(trees):
        if token.kind is not TokenKind.STRING:
            continue
        text = string_value(token).text
        if text.startswith("DEP_"):
            facts.variables.append(ReadVariable(text, token.origin))
        elif _SOURCE.fullmatch(text) and token.origin not in compiled:
            facts.doubts.append(
                (token.origin, f"the build script names {text}, and not in a .file(…) that is read")
            )
    facts.doubts += build_doubts.read(trees)
    facts.programs += build_doubts.programs(trees)
    if facts.files or any(is_ident(a, "cc") and is_punct(b, ":") for a, b in pairwise(flatten(trees))):
        facts.doubts += facts.programs
    return facts


class _Walk:
    """Goes through a build script with the conditions that hold at each place."""

    def __init__(self, script: Script, callers: dict[str, tuple[Cfg, ...]], facts: BuildFacts) -> None:
        self._script = script
        self._callers = callers
        self._facts = facts

    def walk(self, trees: Sequence[Tree], conditions: tuple[Cfg, ...]) -> None:
        places = _places(trees, conditions, self._script, self._callers)
        for tree, own in zip(trees, places, strict=True):
            if isinstance(tree, Group):
                self.walk(tree.children, own)
            elif tree.kind is TokenKind.STRING and (printed := _SETS.fullmatch(string_value(tree).text)):
                known = self._facts.options.get(printed[1], NEVER)
                self._facts.options[printed[1]] = cfg.simplify(Any((known, All(own))))
        for at, tree in enumerate(trees):
            dotted = is_punct(tree_at(trees, at - 1), ".")
            of_type = at > 1 and is_punct(trees[at - 1], ":") and is_punct(trees[at - 2], ":")
            if isinstance(tree, Token) and tree.kind is TokenKind.IDENT and (dotted or of_type):
                self.called(trees, at, cfg.simplify(All(places[at])), of_type=of_type)

    def called(self, trees: Sequence[Tree], at: int, when: Cfg, *, of_type: bool) -> None:
        """Read a method of ``cc::Build``: behind a dot, or behind the type with the builder as first argument."""
        token = trees[at]
        assert isinstance(token, Token)  # noqa: S101 - checked by the caller
        method = token.text.removeprefix("r#")
        if method not in _FILES | _FLAGS | {"define"}:
            return
        given = _arguments(trees, at + 1)
        if given is None:
            if of_type and not is_punct(tree_at(trees, at + 1), "!"):  # a function that is handed on
                self._facts.doubts.append((token.origin, _NOT_WRITTEN))
            return
        arguments = split(given.children, ",")[1:] if of_type else split(given.children, ",")
        if method in _FILES:
            self.compiled(arguments, given.origin, when)
        elif method in _FLAGS:
            _flagged(arguments, given.origin, self._facts)
        elif arguments:
            self.defined(arguments, given.origin, when)

    def compiled(self, arguments: Sequence[Sequence[Tree]], place: Span, when: Cfg) -> None:
        found = [_written(argument) for argument in arguments]
        for token in (token for tokens in found for token in tokens or ()):
            path = posixpath.normpath(string_value(token).text)
            self._facts.files.append(CompiledFile(path, token.origin, when))
        if not found or not all(found):
            self._facts.doubts.append((place, _NOT_WRITTEN))

    def defined(self, arguments: Sequence[Sequence[Tree]], place: Span, when: Cfg) -> None:
        name, *rest = arguments
        value: Sequence[Tree] = rest[0] if rest else ()
        if len(value) == 2 and is_ident(value[0], "Some") and isinstance(value[1], Group):  # noqa: PLR2004 - Some (…)
            value = value[1].children
        elif len(value) == 1 and is_ident(value[0], "None"):
            value = ()
        written = self._script.string(name)
        if written is not None:
            self.given(written, Define(tuple(value), when), place)
            return
        family = _family(name, self._script)
        if family is not None:
            self._facts.families.append(family)
        if value:
            self._facts.doubts.append(
                (place, "the build script defines a macro whose name is not written out")
            )

    def given(self, name: str, define: Define, place: Span) -> None:
        """Add a macro; branches of the script can give it one after another."""
        known = self._facts.defines.get(name)
        if known is not None and render(known.value) != render(define.value):
            why = f"the build script gives the macro {name} another value than before"
            self._facts.doubts.append((place, why))
        elif known is not None:
            define = replace(known, cfg=cfg.simplify(Any((known.cfg, define.cfg))))
        self._facts.defines[name] = define


_NOT_WRITTEN = "the build script compiles a file whose name is not written out"


def _arguments(trees: Sequence[Tree], at: int) -> Group | None:
    """Return the parentheses behind a function's name; types in angle brackets may stand between."""
    if at + 2 < len(trees) and is_punct(trees[at], ":") and is_punct(trees[at + 2], "<"):
        depth, at = 0, at + 2
        while at < len(trees):
            depth += is_punct(trees[at], "<") - is_punct(trees[at], ">")
            at += 1
            if depth == 0:
                break
    tree = trees[at] if at < len(trees) else None
    return tree if isinstance(tree, Group) and tree.delimiter == "(" else None


def _written(trees: Sequence[Tree]) -> list[Token] | None:
    """Return the literals that an expression can be, or None if it can be anything else."""
    while trees and (is_punct(trees[0], "&") or is_ident(trees[0], "mut")):
        trees = trees[1:]
    last = trees[-1] if trees else None
    if len(trees) == 1:
        if isinstance(last, Group):
            return _all_written(split(last.children, ","))
        return [last] if isinstance(last, Token) and last.kind is TokenKind.STRING else None
    if not isinstance(last, Group):
        return None
    if is_ident(trees[0], "if"):
        return _all_written([t.children for t in trees if isinstance(t, Group) and t.delimiter == "{"])
    before = trees[-2]
    if len(trees) > 2 and is_punct(trees[-3], ".") and not last.children and is_ident(before, *_PASSING):  # noqa: PLR2004 - . f ()
        return _written(trees[:-3])
    if is_punct(before, "!") and is_ident(trees[-3], "vec"):
        return _written([last])
    path = [t.text for t in trees[:-1] if isinstance(t, Token) and t.kind is TokenKind.IDENT]
    plain = all(is_ident(t) or is_punct(t, ":") for t in trees[:-1])
    return _written(last.children) if plain and tuple(path[-2:]) in _CONSTRUCTORS else None


def _all_written(parts: Sequence[Sequence[Tree]]) -> list[Token] | None:
    found = [_written(part) for part in parts]
    return [token for tokens in found for token in tokens or ()] if found and all(found) else None


def _family(name: Sequence[Tree], script: Script) -> DefineFamily | None:
    """Read ``&format!("PREFIX_{}", x)`` or ``&format!("PREFIX_{x}")``, where x is a variable of cargo's."""
    arguments = name[-1] if name else None
    if not isinstance(arguments, Group) or not any(is_ident(tree, "format") for tree in name):
        return None
    template, *values = split(arguments.children, ",") or [[]]
    text = script.string(template) or ""
    match = _TEMPLATE.fullmatch(text)
    if match is None:
        return None
    value = values[0] if values else read_trees(match[2], template[0].origin.path)
    variable = script.variable(value)
    return DefineFamily(match[1], variable) if variable is not None else None


def _flagged(arguments: Sequence[Sequence[Tree]], place: Span, facts: BuildFacts) -> None:
    literals = _all_written(arguments)
    if not literals or not all(_HARMLESS.fullmatch(string_value(token).text) for token in literals):
        words = ", ".join(render(argument) for argument in arguments)
        facts.doubts.append((place, f"the build script gives the compiler {words}, which is not followed"))


def _places(
    trees: Sequence[Tree], conditions: tuple[Cfg, ...], script: Script, callers: dict[str, tuple[Cfg, ...]]
) -> list[tuple[Cfg, ...]]:
    """Return what holds at each tree, inside of it if it is a group.

    That is: the ``if`` around it, the ``#[cfg]`` before it, what the function's callers asked, and that no
    branch before it has returned.
    """
    out = [conditions] * len(trees)
    here = conditions
    pending: tuple[Cfg, ...] = ()
    at = 0
    while at < len(trees):
        tree = trees[at]
        following = trees[at + 1] if at + 1 < len(trees) else None
        if is_punct(tree, "#") and isinstance(following, Group):
            pending = (*pending, *_attributes(following))
            at += 1
        elif is_ident(tree, "match"):
            body = next((i for i in range(at, len(trees)) if is_group(trees[i], "{")), len(trees) - 1)
            out[at : body + 1] = [here] * (body + 1 - at)
            out[body] = (*here, *pending, Opaque(render(trees[at:body])))  # some arm of it
            at, pending = body, ()
        elif is_ident(tree, "if") and not _is_guard(trees, at):
            end, blocks = _chain(trees, at, script)
            out[at : end + 1] = [here] * (end + 1 - at)
            for block, condition in blocks:
                out[block] = (*here, *pending, *condition)
            left = [All((*pending, *own)) for block, own in blocks if _leaves(trees[block])]
            here = (*here, *map(Not, left))
            at, pending = end, ()
        elif is_ident(tree, "fn") and isinstance(following, Token):
            body = next((i for i in range(at, len(trees)) if is_group(trees[i], "{")), len(trees) - 1)
            out[body] = (*here, *pending, *callers.get(following.text, ()))
            at, pending = body, ()
        else:
            out[at] = (*here, *pending)
            if is_punct(tree, ";") or is_group(tree, "{"):
                pending = ()
        at += 1
    return out


def _attributes(group: Group) -> Iterator[Cfg]:
    for attribute in attributes([group]):
        if attribute.name.text == "cfg":
            yield cfg.parse(render(attribute.arguments))


def _chain(trees: Sequence[Tree], at: int, script: Script) -> tuple[int, list[tuple[int, tuple[Cfg, ...]]]]:
    """Read ``if a {…} else if b {…} else {…}``: its last tree, and each block with what holds in it."""
    blocks: list[tuple[int, tuple[Cfg, ...]]] = []
    failed: tuple[Cfg, ...] = ()
    while True:
        block = next((i for i in range(at, len(trees)) if is_group(trees[i], "{")), None)
        if block is None:
            return len(trees) - 1, blocks
        if is_ident(trees[at], "if"):
            condition = script.condition(trees[at + 1 : block])
            blocks.append((block, (*failed, condition)))
            failed = (*failed, Not(condition))
        else:
            blocks.append((block, failed))
            return block, blocks
        if not (block + 2 < len(trees) and is_ident(trees[block + 1], "else")):
            return block, blocks
        at = block + 2


def _is_guard(trees: Sequence[Tree], at: int) -> bool:
    """Whether the ``if`` at ``at`` belongs to the arm of a ``match``."""
    block = next((i for i in range(at, len(trees)) if is_group(trees[i], "{")), len(trees))
    return arrow(trees, at) < block


def _leaves(block: Tree) -> bool:
    """Whether a block returns from its function at its end."""
    return isinstance(block, Group) and any(is_ident(tree, "return") for tree in block.children)


def _callers(
    trees: Sequence[Tree], conditions: tuple[Cfg, ...], script: Script
) -> Iterator[tuple[str, tuple[Cfg, ...]]]:
    """Return the conditions under which functions without arguments are called, by name."""
    places = _places(trees, conditions, script, {})
    for tree, own in zip(trees, places, strict=True):
        if isinstance(tree, Group):
            yield from _callers(tree.children, own, script)
    for at, tree in enumerate(trees[:-1]):
        following = trees[at + 1]
        called = isinstance(following, Group) and following.delimiter == "(" and not following.children
        defined = at > 0 and is_ident(trees[at - 1], "fn")
        if isinstance(tree, Token) and tree.kind is TokenKind.IDENT and called and not defined and places[at]:
            yield tree.text, places[at]
