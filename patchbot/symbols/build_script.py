"""What a crate's build script compiles, defines and reads, from its source.

Build scripts are read, not run: a scan speaks for every target at once.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace

from patchbot.symbols import cfg
from patchbot.symbols.cfg import NEVER, All, Any, Cfg, Not, Opaque
from patchbot.symbols.rust import attributes
from patchbot.symbols.rust import read as read_rust
from patchbot.symbols.script_conditions import Script
from patchbot.symbols.tokens import (
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
)

_SOURCE = re.compile(r"(?!cargo:).*\.(?:c|cc|cpp|cxx|m|mm|s|S|asm|o|obj|a|lib)", re.DOTALL)
_LINKED = re.compile(r"cargo::?(?:rustc-(?:\w+-)*link-|rustc-flags)")

# Parts of the platform's C library: what they define is everybody's, and nobody's to suffix.
_SYSTEM = re.compile(r"cargo::?rustc-link-lib=(?:dylib=)?(?:c|m|dl|pthread|rt|util)")

_SETS = re.compile(r"cargo::?rustc-cfg=(\w+)")
_TEMPLATE = re.compile(r"([A-Za-z_]\w*)\{(\w*)\}")

# Compiler flags that neither define a name nor bring in a file.
_HARMLESS = re.compile(r"-(?:[WOgm]|f(?!include|plugin)|std=|pedantic).*")


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
    script sets for its crate, by name.
    """

    files: list[CompiledFile] = field(default_factory=list)
    defines: dict[str, Define] = field(default_factory=dict)
    families: list[DefineFamily] = field(default_factory=list)
    options: dict[str, Cfg] = field(default_factory=dict)
    variables: list[ReadVariable] = field(default_factory=list)
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
            arguments = trees[at + 2] if at + 2 < len(trees) else None
            if not is_punct(tree, ".") or not isinstance(arguments, Group) or arguments.delimiter != "(":
                continue
            method, when = trees[at + 1], cfg.simplify(All(places[at]))
            if is_ident(method, "file", "files", "object"):
                self.compiled(arguments, when)
            elif is_ident(method, "define") and arguments.children:
                self.defined(arguments, when)
            elif is_ident(method, "flag", "flags", "flag_if_supported", "asm_flag", "include", "includes"):
                _flagged(arguments, self._facts)

    def compiled(self, arguments: Group, when: Cfg) -> None:
        literals = [t for t in flatten(arguments.children) if t.kind is TokenKind.STRING]
        for token in literals:
            self._facts.files.append(CompiledFile(string_value(token).text, token.origin, when))
        if not literals:
            self._facts.doubts.append(
                (arguments.origin, "the build script compiles a file whose name is not written out")
            )

    def defined(self, arguments: Group, when: Cfg) -> None:
        name, *rest = split(arguments.children, ",")
        value: Sequence[Tree] = rest[0] if rest else ()
        if len(value) == 2 and is_ident(value[0], "Some") and isinstance(value[1], Group):  # noqa: PLR2004 - Some (…)
            value = value[1].children
        elif len(value) == 1 and is_ident(value[0], "None"):
            value = ()
        written = self._script.string(name)
        if written is not None:
            self.given(written, Define(tuple(value), when), arguments)
            return
        family = _family(name, self._script)
        if family is not None:
            self._facts.families.append(family)
        if value:
            self._facts.doubts.append(
                (arguments.origin, "the build script defines a macro whose name is not written out")
            )

    def given(self, name: str, define: Define, arguments: Group) -> None:
        """Add a macro; branches of the script can give it one after another."""
        known = self._facts.defines.get(name)
        if known is not None and render(known.value) != render(define.value):
            why = f"the build script gives the macro {name} another value than before"
            self._facts.doubts.append((arguments.origin, why))
        elif known is not None:
            define = replace(known, cfg=cfg.simplify(Any((known.cfg, define.cfg))))
        self._facts.defines[name] = define


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


def _flagged(arguments: Group, facts: BuildFacts) -> None:
    literals = [t for t in flatten(arguments.children) if t.kind is TokenKind.STRING]
    if not literals or not all(_HARMLESS.fullmatch(string_value(token).text) for token in literals):
        words = render(arguments.children)
        facts.doubts.append(
            (arguments.origin, f"the build script gives the compiler {words}, which is not followed")
        )


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
