"""What the conditions of a build script mean as ``cfg`` expressions.

A build script asks cargo's environment (cargo book, "Environment variables cargo sets for build scripts"):
``CARGO_CFG_TARGET_OS`` for the target, ``CARGO_FEATURE_GC`` for features.  Upstream wraps that in variables
and small functions; both are followed.  What is not understood stays as it is written, ``Opaque``.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from patchbot.symbols import cfg
from patchbot.symbols.cfg import ALWAYS, NEVER, All, Any, Cfg, Not, Opaque, Option
from patchbot.symbols.rust.tokens import (
    Group,
    Token,
    TokenKind,
    Tree,
    arrow,
    flatten,
    is_group,
    is_ident,
    is_punct,
    render,
    split,
    string_value,
)

MAX_DEPTH = 16

# Methods that leave the value of a variable as it is, or fail.
_CARRYING = frozenset(
    {"unwrap", "expect", "unwrap_or_default", "unwrap_or", "ok", "as_deref", "as_str", "as_ref", "clone",
     "to_string", "to_owned", "into", "trim", "as_bytes", "to_str"}
)  # fmt: skip
_PRESENT = {"is_ok": True, "is_some": True, "is_err": False, "is_none": False}

Scope = Mapping[str, Sequence[Tree]]


@dataclass(frozen=True, slots=True)
class _Function:
    parameters: tuple[str, ...]
    body: tuple[Tree, ...]


class Script:
    """The variables and functions of a build script; ``features`` are those of its crate."""

    def __init__(self, trees: Sequence[Tree], features: Sequence[str] = ()) -> None:
        self._features = {f"CARGO_FEATURE_{_variable_of(name)}": name for name in features}
        self._functions: dict[str, _Function] = {}
        self._bound: dict[str, Sequence[Tree]] = {}
        self._collect(trees)

    def custom(self, trees: Sequence[Tree]) -> dict[str, Cfg]:
        """Return the options that the script sets through a function of its own, by name.

        That is ``custom_cfg("name", condition)``, where the function prints ``cargo:rustc-cfg``.
        """
        out: dict[str, Cfg] = {}
        for at, tree in enumerate(trees):
            if not isinstance(tree, Group):
                continue
            called = trees[at - 1] if at else None
            function = self._functions.get(called.text) if isinstance(called, Token) else None
            if function is not None and not is_ident(trees[at - 2] if at > 1 else None, "fn"):
                name, *rest = split(tree.children, ",") or [[]]
                value = self.string(name)
                if value is not None and len(rest) == 1 and _sets_option(function.body):
                    out[value] = cfg.simplify(self.condition(rest[0]))
            out.update(self.custom(tree.children))
        return out

    def condition(self, trees: Sequence[Tree], scope: Scope | None = None, depth: int = 0) -> Cfg:
        """Return what a boolean expression means."""
        trees = _bare(trees)
        if not trees or depth > MAX_DEPTH:
            return Opaque(render(trees))
        for mark, kind in (("|", Any), ("&", All)):
            parts = _split_pairs(trees, mark)
            if len(parts) > 1:
                return kind(tuple(self.condition(part, scope, depth + 1) for part in parts))
        found = self._compared(trees, scope, depth)
        if found is None and is_punct(trees[0], "!"):
            found = Not(self.condition(trees[1:], scope, depth + 1))
        if found is None:
            found = self._single(trees, scope or {}, depth)
        return found if found is not None else Opaque(render(trees))

    def _single(self, trees: Sequence[Tree], scope: Scope, depth: int) -> Cfg | None:
        first, last = trees[0], trees[-1]
        if len(trees) == 1 and isinstance(first, Token):
            bound = self._binding(first, scope)
            constants: dict[str, Cfg] = {"true": ALWAYS, "false": NEVER}
            return constants.get(first.text) if bound is None else self.condition(bound, scope, depth + 1)
        if not isinstance(last, Group):
            return None
        if is_ident(first, "match") and last.delimiter == "{":
            return self._matched(trees[1:-1], last.children, scope, depth)
        macro = len(trees) > 2 and is_punct(trees[-2], "!")  # noqa: PLR2004 - name ! (..)
        if macro and is_ident(trees[-3], "cfg"):
            return cfg.parse(render(last.children))
        if macro and is_ident(trees[-3], "matches"):
            value, *pattern = split(last.children, ",")
            return self._one_of(value, pattern[0] if pattern else [], scope, depth)
        method = trees[-2] if len(trees) > 3 and is_punct(trees[-3], ".") else None  # noqa: PLR2004 - x . f ()
        if isinstance(method, Token) and method.text in _PRESENT:
            return self._present(self.variable(trees[:-3], scope, depth + 1), holds=_PRESENT[method.text])
        function = self._functions.get(first.text) if isinstance(first, Token) else None
        if function is not None and len(trees) == 2 and last.delimiter == "(":  # noqa: PLR2004 - f (..)
            arguments = split(last.children, ",")
            return self.condition(
                function.body, dict(zip(function.parameters, arguments, strict=False)), depth + 1
            )
        return None

    def _compared(self, trees: Sequence[Tree], scope: Scope | None, depth: int) -> Cfg | None:
        for at in range(1, len(trees) - 2):
            equal = is_punct(trees[at], "=") and is_punct(trees[at + 1], "=")
            other = is_punct(trees[at], "!") and is_punct(trees[at + 1], "=")
            if equal or other:
                found = self._equal(trees[:at], trees[at + 2 :], scope or {}, depth)
                return found if equal or found is None else Not(found)
        return None

    def _equal(self, left: Sequence[Tree], right: Sequence[Tree], scope: Scope, depth: int) -> Cfg | None:
        for one, other in ((left, right), (right, left)):
            variable, value = self.variable(one, scope, depth + 1), self.string(other, scope)
            if variable is not None and value is not None:
                return option(variable, value)
        return None

    def _matched(self, value: Sequence[Tree], arms: Sequence[Tree], scope: Scope, depth: int) -> Cfg | None:
        """Return what ``match value { "a" | "b" => true, _ => false }`` means."""
        holds: list[Cfg] = []
        before: list[Cfg] = []
        for pattern, result in _arms(arms):
            wild = is_ident(pattern[0], "_") if len(pattern) == 1 else False
            here = ALWAYS if wild else self._one_of(value, pattern, scope, depth)
            if here is None:
                return None
            holds.append(All((*map(Not, before), here, self.condition(result, scope, depth + 1))))
            before.append(here)
        return Any(tuple(holds))

    def _one_of(self, value: Sequence[Tree], pattern: Sequence[Tree], scope: Scope, depth: int) -> Cfg | None:
        options = [self._equal(value, word, scope, depth) for word in split(pattern, "|")]
        known = tuple(option for option in options if option is not None)
        return Any(known) if len(known) == len(options) else None

    def _present(self, variable: str | None, *, holds: bool) -> Cfg | None:
        if variable is None:
            return None
        if variable.startswith("CARGO_FEATURE_"):
            name = self._features.get(variable)
            known: Cfg = Option("feature", name) if name else Opaque(variable)
        elif variable.startswith("CARGO_CFG_"):
            known = Option(variable.removeprefix("CARGO_CFG_").lower())
        else:
            known = Opaque(f"the environment has {variable}")
        return known if holds else Not(known)

    def variable(self, trees: Sequence[Tree], scope: Scope | None = None, depth: int = 0) -> str | None:
        """Return the name of the environment variable whose value an expression is, or None."""
        trees = _bare(trees)
        while len(trees) > 3 and is_punct(trees[-3], ".") and isinstance(trees[-1], Group):  # noqa: PLR2004 - x . f ()
            if not is_ident(trees[-2], *_CARRYING):
                return None
            trees = trees[:-3]
        if depth > MAX_DEPTH or not trees:
            return None
        first, last = trees[0], trees[-1]
        if len(trees) == 1 and isinstance(first, Token):
            bound = self._binding(first, scope or {})
            return None if bound is None else self.variable(bound, scope, depth + 1)
        called = trees[-2] if len(trees) > 1 else None
        if is_ident(called, "var", "var_os") and isinstance(last, Group):
            path = all(is_ident(tree, "std", "env") or is_punct(tree, ":") for tree in trees[:-2])
            return self.string(last.children, scope) if path else None
        return None

    def string(self, trees: Sequence[Tree], scope: Scope | None = None, depth: int = 0) -> str | None:
        """Return the text that an expression is, or None if that cannot be told."""
        trees = _bare(trees)
        if not trees or depth > MAX_DEPTH:
            return None
        first, last = trees[0], trees[-1]
        if len(trees) == 1 and isinstance(first, Token):
            if first.kind is TokenKind.STRING:
                return string_value(first).text
            bound = self._binding(first, scope or {})
            return None if bound is None else self.string(bound, scope, depth + 1)
        if not isinstance(last, Group):
            return None
        if len(trees) == 2 and is_ident(first, "Some"):  # noqa: PLR2004 - Some (..)
            return self.string(last.children, scope, depth + 1)
        if len(trees) > 3 and is_punct(trees[-3], "."):  # noqa: PLR2004 - x . f ()
            text = self.string(trees[:-3], scope, depth + 1)
            if text is not None and is_ident(trees[-2], "to_uppercase", "to_ascii_uppercase"):
                return text.upper()
            return text if is_ident(trees[-2], *_CARRYING) else None
        if is_ident(first, "format") and len(trees) == 3:  # noqa: PLR2004 - format ! (..)
            return self._formatted(last.children, scope, depth)
        return None

    def _formatted(self, arguments: Sequence[Tree], scope: Scope | None, depth: int) -> str | None:
        template, *values = split(arguments, ",") or [[]]
        text = self.string(template, scope, depth + 1)
        for value in values:
            known = self.string(value, scope, depth + 1)
            if text is None or known is None or "{}" not in text:
                return None
            text = text.replace("{}", known, 1)
        return None if text is None or "{" in text else text

    def _binding(self, name: Token, scope: Scope) -> Sequence[Tree] | None:
        return scope.get(name.text, self._bound.get(name.text))

    def _collect(self, trees: Sequence[Tree]) -> None:
        for at, tree in enumerate(trees):
            if isinstance(tree, Group):
                self._collect(tree.children)
            elif is_ident(tree, "fn"):
                self._function(trees[at + 1 : _end(trees, at)])
            elif is_ident(tree, "let"):
                self._variable(trees[at + 1 : _end(trees, at)])

    def _function(self, trees: Sequence[Tree]) -> None:
        name, arguments = trees[0] if trees else None, next((t for t in trees if is_group(t, "(")), None)
        body = next((t for t in trees if is_group(t, "{")), None)
        if isinstance(name, Token) and isinstance(arguments, Group) and isinstance(body, Group):
            firsts = (part[0] for part in split(arguments.children, ",") if part)
            parameters = tuple(first.text for first in firsts if isinstance(first, Token))
            self._functions[name.text] = _Function(parameters, body.children)

    def _variable(self, trees: Sequence[Tree]) -> None:
        equals = next((i for i, tree in enumerate(trees) if is_punct(tree, "=")), len(trees))
        name, value = trees[0] if trees else None, trees[equals + 1 :]
        if isinstance(name, Token) and name.kind is TokenKind.IDENT and value:
            known = self._bound.get(name.text)
            # One name for two values in one script: neither is told apart from the other here.
            same = known is None or render(known) == render(value)
            self._bound[name.text] = value if same else ()


def _end(trees: Sequence[Tree], at: int) -> int:
    """Return where the item or statement that begins at ``at`` ends: at its ``;``, or behind a function's body."""
    function = is_ident(trees[at], "fn")
    for end in range(at, len(trees)):
        if is_punct(trees[end], ";"):
            return end
        if function and is_group(trees[end], "{"):
            return end + 1
    return len(trees)


def _bare(trees: Sequence[Tree]) -> Sequence[Tree]:
    """Take off references, and parentheses or a block around one expression."""
    while trees:
        first = trees[0]
        if is_punct(first, "&") or is_punct(first, "*"):
            trees = trees[1:]
        elif len(trees) == 1 and isinstance(first, Group) and _is_value(first):
            trees = first.children
        else:
            break
    return trees


def _is_value(group: Group) -> bool:
    return group.delimiter != "[" and not any(is_punct(tree, ";") for tree in group.children)


def _split_pairs(trees: Sequence[Tree], mark: str) -> list[Sequence[Tree]]:
    """Cut at each top-level ``||`` or ``&&``."""
    parts: list[Sequence[Tree]] = []
    start = at = 0
    while at + 1 < len(trees):
        if at > start and is_punct(trees[at], mark) and is_punct(trees[at + 1], mark):
            parts.append(trees[start:at])
            start = at = at + 2
        else:
            at += 1
    return [*parts, trees[start:]]


def _arms(trees: Sequence[Tree]) -> list[tuple[Sequence[Tree], Sequence[Tree]]]:
    """Return pattern and result of each arm of a ``match``."""
    out = []
    at = 0
    while at < len(trees):
        middle = arrow(trees, at)
        begin = middle + 2
        if begin < len(trees) and is_group(trees[begin], "{"):
            end = begin + 1
        else:
            end = next((i for i in range(begin, len(trees)) if is_punct(trees[i], ",")), len(trees))
        if middle > at and begin < len(trees):
            out.append((trees[at:middle], trees[begin:end]))
        at = end + 1 if end < len(trees) and is_punct(trees[end], ",") else max(end, at + 1)
    return out


def option(variable: str, value: str) -> Cfg | None:
    """Return what ``CARGO_CFG_…`` being a value means; ``target_family`` is known by its short name."""
    if not variable.startswith("CARGO_CFG_"):
        return None
    name = variable.removeprefix("CARGO_CFG_").lower()
    return Option(value) if name == "target_family" and value in {"unix", "windows"} else Option(name, value)


def _variable_of(name: str) -> str:
    return name.upper().replace("-", "_")


def _sets_option(body: Sequence[Tree]) -> bool:
    strings = (token for token in flatten(body) if token.kind is TokenKind.STRING)
    return any("rustc-cfg" in token.text for token in strings)
