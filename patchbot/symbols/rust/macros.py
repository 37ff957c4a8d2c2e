"""``macro_rules!`` by example: match an invocation, transcribe the body, keep the place of every token.

Follows the Rust reference, "Macros By Example", with two simplifications that upstream's macros allow:
a repetition takes as much as it can and never gives back, and an expression or type fragment ends where
its follow set says it must (reference, "Follow-set Ambiguity Restrictions").
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from itertools import pairwise

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
)

LIMIT = 100_000  # tokens of one expansion; the largest real one (a builtin list) has some thousands


class NoMatchError(ValueError):
    """No rule of the macro takes the invocation."""


class TooLargeError(ValueError):
    """The expansion is larger than any that a person wrote a macro for."""


@dataclass(frozen=True, slots=True)
class MacroRule:
    """One ``(matcher) => {transcriber}`` arm."""

    matcher: tuple[Tree, ...]
    body: tuple[Tree, ...]


@dataclass(frozen=True, slots=True)
class Macro:
    """A ``macro_rules!`` definition; ``cfgs`` are the conditions around it, ``exported`` if others can call it."""

    name: str
    rules: tuple[MacroRule, ...]
    place: Span
    cfgs: tuple[str, ...] = ()
    exported: bool = False


@dataclass(slots=True)
class _Binding:
    """What a metavariable stands for: trees, or one binding per turn of the repetition around it."""

    trees: tuple[Tree, ...] = ()
    turns: list[_Binding] = field(default_factory=list)
    depth: int = 0


_Bindings = dict[str, _Binding]


def parse_macro(name: str, body: Group, place: Span, cfgs: tuple[str, ...]) -> Macro:
    """Read the body of a ``macro_rules!`` definition.  Raises ``NoMatchError`` if it is not of that form."""
    rules = []
    for arm in split(body.children, ";"):
        if not arm:
            continue
        if len(arm) != 4 or not is_punct(arm[1], "=") or not is_punct(arm[2], ">"):  # noqa: PLR2004 - a => b
            raise NoMatchError(name)
        matcher, transcriber = arm[0], arm[3]
        if not isinstance(matcher, Group) or not isinstance(transcriber, Group):
            raise NoMatchError(name)
        rules.append(MacroRule(matcher.children, scoped(transcriber.children, place.start)))
    return Macro(name, tuple(rules), place, cfgs)


def scoped(trees: Sequence[Tree], scope: int) -> tuple[Tree, ...]:
    """Return the trees as text of the macro body that begins at ``scope``: they are written beside each other, not beside its callers."""
    out: list[Tree] = []
    for tree in trees:
        if isinstance(tree, Group):
            children = scoped(tree.children, scope)
            opened, closed = tree.open._replace(scope=scope), tree.close._replace(scope=scope)
            out.append(Group(tree.delimiter, children, opened, closed))
        else:
            out.append(tree._replace(origin=tree.origin._replace(scope=scope)))
    return tuple(out)


def expand(macro: Macro, arguments: Sequence[Tree]) -> tuple[Tree, ...]:
    """Return what the invocation of ``macro`` with ``arguments`` becomes, by the first rule that matches.

    Raises ``NoMatchError`` if none does, ``TooLargeError`` for a runaway expansion.
    """
    for rule in macro.rules:
        bindings: _Bindings = {}
        at = _match(rule.matcher, arguments, 0, bindings)
        if at == len(arguments):
            budget = [LIMIT]
            return tuple(_transcribe(rule.body, bindings, budget))
    raise NoMatchError(macro.name)


# -- matching --------------------------------------------------------------------------------------


def _match(pattern: Sequence[Tree], trees: Sequence[Tree], at: int, into: _Bindings) -> int:
    """Match all of ``pattern`` from ``trees[at]`` on; return where it ends, or -1."""
    position = 0
    while position < len(pattern):
        part = pattern[position]
        if is_punct(part, "$") and position + 1 < len(pattern):
            following = pattern[position + 1]
            if isinstance(following, Group) and following.delimiter == "(":
                separator, operator, position = _repetition(pattern, position + 2)
                at = _match_repetition(following.children, separator, operator, trees, at, into)
                if at < 0:
                    return -1
                continue
            if _is_fragment(pattern, position):
                name = _text(following)
                end = _fragment_end(_text(pattern[position + 3]), trees, at)
                if end < 0:
                    return -1
                kind = _text(pattern[position + 3])
                into[name] = _Binding(_fragment(kind, trees[at:end]))
                at = end
                position += 4
                continue
        if at >= len(trees):
            return -1
        if isinstance(part, Group):
            tree = trees[at]
            if not isinstance(tree, Group) or tree.delimiter != part.delimiter:
                return -1
            if _match(part.children, tree.children, 0, into) != len(tree.children):
                return -1
        elif not isinstance(tree := trees[at], Token) or tree.text != part.text:
            return -1
        at += 1
        position += 1
    return at


def _is_fragment(pattern: Sequence[Tree], position: int) -> bool:
    return (
        position + 3 < len(pattern)
        and isinstance(pattern[position + 1], Token)
        and is_punct(pattern[position + 2], ":")
        and is_ident(pattern[position + 3])
    )


def _fragment(kind: str, trees: Sequence[Tree]) -> tuple[Tree, ...]:
    """Return what a fragment stands for: an expression is one token tree to the macros it is given to.

    Upstream's ``asm_func!`` takes its name as ``expr`` and hands it on to a macro that wants a ``tt``.
    """
    if not kind.startswith("expr") or len(trees) == 1:
        return tuple(trees)
    first, last = trees[0], trees[-1]
    opened = first.open if isinstance(first, Group) else first.origin
    closed = last.close if isinstance(last, Group) else last.origin
    return (Group("", tuple(trees), opened, closed),)


def _repetition(trees: Sequence[Tree], at: int) -> tuple[tuple[Tree, ...], str, int]:
    """Read ``sep op`` behind ``$(…)``; return separator tokens, operator, and where it ends."""
    for end in range(at, min(at + 3, len(trees))):
        tree = trees[end]
        if isinstance(tree, Token) and tree.text in {"*", "+", "?"}:
            return tuple(trees[at:end]), tree.text, end + 1
    return (), "*", at


def _match_repetition(
    inner: Sequence[Tree],
    separator: Sequence[Tree],
    operator: str,
    trees: Sequence[Tree],
    at: int,
    into: _Bindings,
) -> int:
    names = list(_metavariables(inner))
    turns: list[_Bindings] = []
    while operator != "?" or not turns:
        begin = at
        if turns and separator:
            begin = _match(separator, trees, at, {})
            if begin < 0:
                break
        found: _Bindings = {}
        end = _match(inner, trees, begin, found)
        if end < 0 or (end == at and begin == at):
            break
        turns.append(found)
        at = end
    if operator == "+" and not turns:
        return -1
    for name in names:
        kept = [turn[name] for turn in turns if name in turn]
        into[name] = _Binding(turns=kept, depth=1 + max((b.depth for b in kept), default=0))
    return at


def _metavariables(pattern: Sequence[Tree]) -> Iterator[str]:
    for position, part in enumerate(pattern):
        if isinstance(part, Group):
            yield from _metavariables(part.children)
        elif is_punct(part, "$") and _is_fragment(pattern, position):
            yield _text(pattern[position + 1])


_TYPE_ENDS = {"{", "[", ",", "=", ":", ">", ";", "|", "as", "where"}
_OPERATORS = ("<<=", ">>=", "...", "..=", "->", "=>", "::", "==", "!=", "<=", ">=", "&&", "||", "..", "<<", ">>",
              "+=", "-=", "*=", "/=", "%=", "^=", "&=", "|=")  # fmt: skip


def _fragment_end(kind: str, trees: Sequence[Tree], at: int) -> int:
    """Return where the fragment that begins at ``trees[at]`` ends, or -1 if there is none."""
    first = trees[at] if at < len(trees) else None
    if kind == "vis":
        if not is_ident(first, "pub"):
            return at
        return at + 2 if at + 1 < len(trees) and is_group(trees[at + 1], "(") else at + 1
    if first is None:
        return -1
    match kind:
        case "ident":
            return at + 1 if is_ident(first) else -1
        case "lifetime":
            return at + 1 if isinstance(first, Token) and first.kind is TokenKind.LIFETIME else -1
        case "tt":
            return at + _operator_length(trees, at)
        case "block":
            return at + 1 if is_group(first, "{") else -1
        case "literal":
            begin = at + 1 if is_punct(first, "-") else at
            tree = trees[begin] if begin < len(trees) else None
            literal = isinstance(tree, Token) and tree.kind in {TokenKind.STRING, TokenKind.LITERAL}
            return begin + 1 if literal or is_ident(tree, "true", "false") else -1
        case "meta":
            end = _until(trees, at, {",", ";"})
            return end if end > at else -1
        case "ty" | "path":
            end = _type_end(trees, at)
            return end if end > at else -1
        case "item" | "stmt":
            return _item_end(trees, at)
        case _:  # expr, expr_2021, pat, pat_param: `=>`, `,`, `;` (and `=`, `if`, `in`, `|` for patterns)
            ends = {",", ";", "=>"} | ({"=", "if", "in"} if kind.startswith("pat") else set())
            end = _until(trees, at, ends)
            return end if end > at else -1


def _operator_length(trees: Sequence[Tree], at: int) -> int:
    """Return how many punctuation tokens from ``at`` on are one token to ``tt``."""
    texts = "".join(
        t.text if isinstance(t, Token) and t.kind is TokenKind.PUNCT else " " for t in trees[at : at + 3]
    )
    spans = [t.origin for t in trees[at : at + 3]]
    for operator in _OPERATORS:
        size = len(operator)
        if texts.startswith(operator) and all(a.end == b.start for a, b in pairwise(spans[:size])):
            return size
    return 1


def _until(trees: Sequence[Tree], at: int, ends: set[str]) -> int:
    while at < len(trees):
        text = _text(trees[at])
        if "=>" in ends and text == "=" and at + 1 < len(trees) and is_punct(trees[at + 1], ">"):
            return at
        if text in ends:
            return at
        at += 1
    return at


def _type_end(trees: Sequence[Tree], at: int) -> int:
    begin, depth = at, 0
    while at < len(trees):
        tree = trees[at]
        text = tree.text if isinstance(tree, Token) else tree.delimiter
        before = trees[at - 1] if at > begin else None
        if text == ">" and is_punct(before, "-"):
            pass  # the arrow of a function type
        elif text in {"<", ">"} and (text == "<" or depth):
            depth += 1 if text == "<" else -1
        elif depth == 0 and text == ":" and _is_path_separator(trees, at):
            at += 1
        elif depth == 0 and text in _TYPE_ENDS and not (text == "[" and _begins_type(trees, at, begin)):
            return at
        at += 1
    return at


def _begins_type(trees: Sequence[Tree], at: int, begin: int) -> bool:
    """Whether ``[`` at ``at`` is (part of) a type, not what follows one."""
    if at == begin:
        return True
    before = trees[at - 1]
    arrow = is_punct(before, ">") and is_punct(trees[at - 2], "-")
    lifetime = isinstance(before, Token) and before.kind is TokenKind.LIFETIME
    return arrow or lifetime or is_punct(before, "&") or is_ident(before, "mut", "const", "dyn")


def _is_path_separator(trees: Sequence[Tree], at: int) -> bool:
    return at + 1 < len(trees) and is_punct(trees[at + 1], ":")


def _item_end(trees: Sequence[Tree], at: int) -> int:
    """Return where an item ends: at its semicolon, or behind its body, which a value in braces is not."""
    begin = at
    while at < len(trees) and _begins_item(trees[at]):
        at += 1
    word, following = trees[at : at + 1], trees[at + 1] if at + 1 < len(trees) else None
    is_value = bool(word) and is_ident(word[0], "use", "static", "const", "type", "let")
    has_body = not is_value or is_ident(following, "fn", "unsafe", "extern", "async")
    while at < len(trees):
        tree = trees[at]
        at += 1
        if is_punct(tree, ";") or (has_body and is_group(tree, "{")):
            return at
    return at if at > begin else -1


def _begins_item(tree: Tree) -> bool:
    """Whether this is of an item's attributes or visibility."""
    return is_punct(tree, "#") or is_ident(tree, "pub") or is_group(tree, "[") or is_group(tree, "(")


def _text(tree: Tree) -> str:
    return tree.text if isinstance(tree, Token) else ""


# -- transcribing ----------------------------------------------------------------------------------


def _transcribe(body: Sequence[Tree], bindings: _Bindings, budget: list[int]) -> Iterator[Tree]:
    position = 0
    while position < len(body):
        tree = body[position]
        position += 1
        budget[0] -= 1
        if budget[0] < 0:
            raise TooLargeError
        if isinstance(tree, Group):
            yield tree._replace(children=tuple(_transcribe(tree.children, bindings, budget)))
            continue
        if not is_punct(tree, "$") or position >= len(body):
            yield tree
            continue
        following = body[position]
        if isinstance(following, Group) and following.delimiter == "(":
            separator, _operator, position = _repetition(body, position + 1)
            yield from _transcribe_repetition(following.children, separator, bindings, budget)
        elif is_ident(following, "crate"):
            position += 1
            assert isinstance(following, Token)  # noqa: S101 - is_ident said so
            yield following._replace(text="$crate", origin=tree.origin.to(following.origin))
        elif isinstance(following, Token) and following.text in bindings:
            position += 1
            site = tree.origin.to(following.origin)
            for bound in bindings[following.text].trees:
                budget[0] -= 1 + sum(1 for _ in flatten([bound]))
                yield _at_site(bound, site)
        else:
            yield tree


def _transcribe_repetition(
    inner: Sequence[Tree], separator: Sequence[Tree], bindings: _Bindings, budget: list[int]
) -> Iterator[Tree]:
    used = [name for name in _used(inner) if name in bindings and bindings[name].depth > 0]
    turns = max((len(bindings[name].turns) for name in used), default=0)
    for turn in range(turns):
        if turn and separator:
            yield from separator
        narrowed = dict(bindings)
        for name in used:
            if turn < len(bindings[name].turns):
                narrowed[name] = bindings[name].turns[turn]
        yield from _transcribe(inner, narrowed, budget)


def _used(trees: Sequence[Tree]) -> Iterator[str]:
    for position, tree in enumerate(trees):
        if isinstance(tree, Group):
            yield from _used(tree.children)
        elif is_punct(tree, "$") and position + 1 < len(trees):
            yield _text(trees[position + 1])


def _at_site(tree: Tree, site: Span) -> Tree:
    if isinstance(tree, Group):
        return Group(
            tree.delimiter, tuple([_at_site(child, site) for child in tree.children]), tree.open, tree.close
        )
    return Token(tree.kind, tree.text, tree.origin, (*tree.sites, site))


# -- paste ------------------------------------------------------------------------------------------


def paste(trees: Sequence[Tree]) -> tuple[Tree, ...]:
    """Do what ``paste::paste!`` does: ``[<a b>]`` becomes one identifier (paste 1.0, README)."""
    out: list[Tree] = []
    for tree in trees:
        if not isinstance(tree, Group):
            out.append(tree)
        else:
            pasted = _pasted(tree) if _is_pasted(tree) else None
            out.append(pasted or tree._replace(children=paste(tree.children)))
    return tuple(out)


def _is_pasted(group: Group) -> bool:
    children = group.children
    return (
        group.delimiter == "["
        and len(children) > 2  # noqa: PLR2004 - < something >
        and is_punct(children[0], "<")
        and is_punct(children[-1], ">")
    )


def _pasted(group: Group) -> Token | None:
    """Return the one word that the parts make, or None for parts that are none: ``env!("X")``."""
    words: list[str] = []
    tokens = list(flatten(group.children[1:-1]))
    if any(token.kind is TokenKind.PUNCT and token.text != ":" for token in tokens):
        return None
    at = 0
    while at < len(tokens):
        token = tokens[at]
        if token.text == ":" and at + 1 < len(tokens):
            words[-1:] = [_CASES.get(tokens[at + 1].text, str)(words[-1])]
            at += 1
        elif token.kind is TokenKind.STRING:
            words.append(token.text.strip('"'))
        else:
            words.append(token.text.removeprefix("r#"))
        at += 1
    return Token(TokenKind.IDENT, "".join(words), group.origin)


def _snake(word: str) -> str:
    return re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", word).lower()


def _camel(word: str) -> str:
    return "".join(part[:1].upper() + part[1:].lower() for part in _snake(word).split("_"))


_CASES = {"lower": str.lower, "upper": str.upper, "snake": _snake, "camel": _camel}
