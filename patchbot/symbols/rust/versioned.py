"""Upstream's own suffixing: proc-macro crates that append their version to a name (12.0 on, PR 6673).

A pre-release's dash is left in by upstream, and C cannot paste it: 50.0.0-rc.1 as published does not build.
It is read as an underscore, which is what the rewritten version has.

Recognised by form: an attribute macro that quotes ``export_name`` or ``link_name``, function-like macros
that make the same literal, and the expression that says which version it is.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace

from patchbot.symbols.rust.facts import Item
from patchbot.symbols.rust.quoted import QuotedMacro, function_bodies, read_quoted
from patchbot.symbols.rust.reader import read
from patchbot.symbols.rust.templates import Naming
from patchbot.symbols.rust.tokens import (
    Group,
    Span,
    Token,
    TokenKind,
    Tree,
    flatten,
    is_ident,
    is_punct,
    string_value,
)
from patchbot.symbols.rust.words import TRIGGERS, has_foreign_block, mentions


@dataclass(frozen=True, slots=True)
class ProcMacros:
    """What a proc-macro crate does to names.

    ``version`` is the expression (``env!("CARGO_PKG_VERSION")``, or the literal of a rewritten tree) whose
    value upstream appends; ``quoted`` are macros that make names of an identifier, and ``opaque`` those
    that make link-time names in other ways.  ``own_version`` if it is the crate's version that is appended:
    the suffix is empty until ``at`` says which.
    """

    naming: Naming
    version: Span | None = None
    quoted: tuple[QuotedMacro, ...] = ()
    opaque: frozenset[str] = frozenset()
    own_version: bool = False

    def at(self, crate_version: str) -> ProcMacros:
        """Return the same for a version of the crate."""
        if not self.own_version:
            return self
        return replace(self, naming=replace(self.naming, suffix=_suffix(crate_version)))


def read_proc_macros(trees: Sequence[Tree], helpers: Sequence[Tree] = ()) -> ProcMacros:
    """Classify the macros of a proc-macro crate's ``lib.rs``; ``helpers`` are the trees of its other files."""
    functions = [item for item in read(trees).items if item.kind == "fn"]
    attribute = [f for f in functions if f.attribute("proc_macro_attribute")]
    function_like = [f for f in functions if f.attribute("proc_macro", "proc_macro_derive")]
    export = frozenset(f.name.text for f in attribute if mentions(f.body, frozenset({"export_name"})))
    link = frozenset(f.name.text for f in attribute if mentions(f.body, frozenset({"link_name"})))
    version = _version(trees)
    if not export | link or version is None:
        if not mentions([*trees, *helpers], TRIGGERS) and not has_foreign_block([*trees, *helpers]):
            return ProcMacros(Naming())
        bodies = function_bodies(trees)
        macros = [read_quoted(f, bodies) for f in functions if f.attribute("proc_macro")]
        quoted = tuple(macro for macro in macros if macro is not None)
        opaque = _names([*attribute, *function_like]) - {macro.name for macro in quoted}
        return ProcMacros(Naming(), None, quoted, opaque)
    makers = frozenset(_makers(trees)) - {"new"}
    named = [f for f in function_like if mentions(f.body, makers)]
    suffix_only = frozenset(f.name.text for f in named if _makes_suffix(f))
    span, value = version
    naming = Naming(
        suffix="" if value is None else _suffix(value),
        stringify=frozenset(f.name.text for f in named) - suffix_only,
        suffix_only=suffix_only,
        export=export,
        link=link,
    )
    rest = [f for f in (*attribute, *function_like) if f.name.text not in naming.words]
    return ProcMacros(naming, span, opaque=_names(rest), own_version=value is None)


def _suffix(version: str) -> str:
    return "_" + re.sub(r"[^A-Za-z0-9_]", "_", version)


def _names(functions: Sequence[Item]) -> frozenset[str]:
    """Return the names by which macros are used: a derive macro has another than its function."""
    derives = [f.attribute("proc_macro_derive") for f in functions]
    named = [
        f.name if d is None else next(flatten(d.arguments), f.name)
        for f, d in zip(functions, derives, strict=True)
    ]
    return frozenset(name.text for name in named)


def _makers(trees: Sequence[Tree]) -> set[str]:
    """Names of functions that return a string literal (``syn::LitStr``)."""
    out = set()
    for at, tree in enumerate(trees[:-1]):
        name = trees[at + 1]
        if is_ident(tree, "fn") and isinstance(name, Token):
            end = next((i for i in range(at, len(trees)) if _is_body(trees[i])), len(trees))
            if any(is_ident(t, "LitStr") for t in flatten(trees[at:end])):
                out.add(name.text)
    return out


def _is_body(tree: Tree) -> bool:
    return isinstance(tree, Group) and tree.delimiter == "{"


def _makes_suffix(function: Item) -> bool:
    """Whether the macro makes its literal of an empty name."""
    return any(t.kind is TokenKind.STRING and string_value(t).text == "" for t in flatten(function.body))


def _version(trees: Sequence[Tree]) -> tuple[Span, str | None] | None:
    """Find the constant of type ``&str`` whose value is the version: its expression, and the value, None for the crate's."""
    for at, tree in enumerate(trees):
        if not is_ident(tree, "const"):
            continue
        end = next((i for i in range(at, len(trees)) if is_punct(trees[i], ";")), len(trees))
        equals = next((i for i in range(at, end) if is_punct(trees[i], "=")), end)
        if not any(is_ident(t, "str") for t in trees[at:equals]):
            continue
        value = trees[equals + 1 : end]
        if len(value) == 1 and isinstance(value[0], Token) and value[0].kind is TokenKind.STRING:
            return value[0].origin, string_value(value[0]).text
        if len(value) == 3 and is_ident(value[0], "env") and isinstance(value[2], Group):  # noqa: PLR2004
            words = [t for t in flatten(value[2].children) if t.kind is TokenKind.STRING]
            if len(words) == 1 and string_value(words[0]).text == "CARGO_PKG_VERSION":
                return value[0].origin.to(value[2].close), None
    return None
