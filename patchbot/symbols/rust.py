"""Read Rust token trees for everything that makes or uses a link-time name.

One reader serves files, macro bodies and expansions.  It decides nothing: it reports attributes that
export, items of foreign blocks, assembly, macros and their calls, each with its tokens, so that ``scan``
can put a release together and ``rules`` can find the place to edit.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from itertools import pairwise

from patchbot.symbols import cfg
from patchbot.symbols.macros import Macro, NoMatchError, parse_macro, paste
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
    render,
    split,
)

ASSEMBLY_MACROS = frozenset({"asm", "global_asm", "naked_asm"})

# Identifiers that can make or name a link-time symbol; what is opaque and has none of them hides nothing.
TRIGGERS = frozenset(
    {"no_mangle", "export_name", "link_name", "linkage", "link_section", "global_asm", "naked_asm", "asm",
     "DW_AT_linkage_name", "rustc_std_internal_symbol", "panic_handler", "global_allocator",
     "alloc_error_handler"}
)  # fmt: skip

# Attributes that export the item they stand on.
_EXPORTING = frozenset({"no_mangle", "export_name"})

# The same over raw bytes: which files are worth reading at all.  One of the needles is in whatever the
# pattern matches; looking for those first is ten times faster.
TRIGGER_NEEDLES = (b"no_mangle", b"export_name", b"link_name", b"linkage", b"link_section", b"asm", b"extern",
                   b"rustc_std_internal_symbol", b"include", b"panic_handler", b"global_allocator",
                   b"alloc_error_handler")  # fmt: skip
TRIGGER_BYTES = re.compile(
    rb"\bno_mangle\b|\bexport_name\b|\blink_name\b|\blinkage\b|\blink_section\b|\b(?:global_|naked_)?asm(?:\s*!|\s+as\b)"
    rb"|\bextern\s*(?:r?#*\"[^\"]*\"#*\s*)?[{$]|\bDW_AT_linkage_name\b|\brustc_std_internal_symbol\b"
    rb"|\binclude\s*!|\bpanic_handler\b|\bglobal_allocator\b|\balloc_error_handler\b"
)


@dataclass(frozen=True, slots=True)
class Attribute:
    """One attribute after ``cfg_attr`` and ``unsafe(…)`` were opened.

    ``name`` is the last token of its path; ``value`` what stands behind ``=``; ``arguments`` what is in
    parentheses; ``cfg`` the condition of the ``cfg_attr`` around it, empty if there is none.
    """

    name: Token
    value: tuple[Tree, ...] = ()
    arguments: tuple[Tree, ...] = ()
    cfg: str = ""


@dataclass(frozen=True, slots=True)
class Item:
    """A function or static with attributes: ``head`` is its first token behind them.

    ``caller`` is the macro call that made it, if the macro belongs to another crate: the item is the caller's.
    """

    kind: str
    name: Token
    head: Span
    attributes: tuple[Attribute, ...]
    cfgs: tuple[str, ...]
    foreign: bool = False
    body: tuple[Tree, ...] = ()
    caller: Span | None = None

    def attribute(self, *names: str) -> Attribute | None:
        """Return the first attribute of one of these names."""
        return next(iter(self.all(*names)), None)

    def all(self, *names: str) -> tuple[Attribute, ...]:
        """Return the attributes of these names; ``cfg_attr`` can give an item several for one purpose."""
        return tuple(a for a in self.attributes if a.name.text in names)


@dataclass(frozen=True, slots=True)
class Call:
    """A macro invocation that is none of the built-in ones."""

    name: Token
    arguments: Group
    cfgs: tuple[str, ...]
    foreign: bool = False


@dataclass(frozen=True, slots=True)
class Assembly:
    """An ``asm!``-like invocation: its operands are not yet told apart from its text.

    ``caller`` is the macro call in a file that it is an expansion of, None where it stands in the file itself.
    """

    name: Token
    arguments: tuple[Tree, ...]
    cfgs: tuple[str, ...]
    caller: Span | None = None


@dataclass(frozen=True, slots=True)
class Module:
    """A ``mod name;`` whose body is another file; ``folder`` are the inline modules around it."""

    name: str
    path: str
    folder: tuple[str, ...]
    cfgs: tuple[str, ...]
    place: Span


@dataclass(frozen=True, slots=True)
class DwarfName:
    """What a ``DW_AT_linkage_name = …`` is set to: the trees behind the sign."""

    value: tuple[Tree, ...]
    cfgs: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Doubt:
    """Something that could make a link-time name and is not understood here."""

    place: Span
    why: str


@dataclass(slots=True)
class Facts:
    """Everything a reading found, in the order of the text; ``renames`` are names that ``use … as …`` hides."""

    items: list[Item] = field(default_factory=list)
    calls: list[Call] = field(default_factory=list)
    assembly: list[Assembly] = field(default_factory=list)
    macros: list[Macro] = field(default_factory=list)
    modules: list[Module] = field(default_factory=list)
    dwarf: list[DwarfName] = field(default_factory=list)
    renames: list[Token] = field(default_factory=list)
    doubts: list[Doubt] = field(default_factory=list)

    def add(self, other: Facts) -> None:
        """Take over what another reading found."""
        for mine, theirs in zip(_lists(self), _lists(other), strict=True):
            mine.extend(theirs)


def _lists(facts: Facts) -> tuple[list[object], ...]:
    return (facts.items, facts.calls, facts.assembly, facts.macros, facts.modules, facts.dwarf, facts.renames, facts.doubts)  # type: ignore[return-value]  # fmt: skip


def read(
    trees: Sequence[Tree], *, cfgs: tuple[str, ...] = (), foreign: bool = False, tests: bool = False
) -> Facts:
    """Read a file or an expansion; ``cfgs`` are the conditions around it.

    What only tests compile is left out unless ``tests`` is set.
    """
    reader = _Reader(tests=tests)
    reader.sequence(trees, cfgs, (), foreign=foreign)
    return reader.facts


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
            yield Attribute(name, (), arguments, cfg)
    elif rest and is_punct(rest[0], "="):
        yield Attribute(name, tuple(rest[1:]), (), cfg)
    else:
        yield Attribute(name, (), (), cfg)


class _Reader:
    def __init__(self, *, tests: bool) -> None:
        self.facts = Facts()
        self._tests = tests
        self._claimed: set[Span] = set()  # names of attributes that an item has

    def sequence(
        self, trees: Sequence[Tree], cfgs: tuple[str, ...], folder: tuple[str, ...], *, foreign: bool = False
    ) -> None:
        """Read items (or anything else) side by side; pending attributes belong to what comes next."""
        at = 0
        pending: list[Group] = []
        head: Span | None = None
        own = cfgs
        left_out = not self._tests and _is_test(own)
        while at < len(trees):
            tree = trees[at]
            mark = tree.text if isinstance(tree, Token) and tree.kind is TokenKind.PUNCT else ""
            if mark == "#" and (step := _attribute_length(trees, at)):
                group = trees[at + step - 1]
                assert isinstance(group, Group)  # noqa: S101 - _attribute_length said so
                if step == 2:  # noqa: PLR2004 - # [..]
                    pending.append(group)
                else:  # an inner attribute speaks of everything around it
                    cfgs = (*cfgs, *_conditions([group]))
                    self.unclaimed([group])
                own = (*cfgs, *_conditions(pending))
                left_out = not self._tests and _is_test(own)
                at += step
                continue
            if head is None:
                head = tree.origin
            step = (
                0 if left_out or mark else self.item(trees, at, pending, head, own, folder, foreign=foreign)
            )
            if step:
                at += step
            elif isinstance(tree, Group):
                if not left_out:
                    self.sequence(tree.children, own, folder)
                at += 1
                if tree.delimiter != "{":
                    continue
            elif mark in {";", ","}:
                at += 1
            else:
                at += 1
                continue
            if pending:
                if not left_out:
                    self.unclaimed(pending)
                pending, own = [], cfgs
                left_out = not self._tests and _is_test(own)
            head = None
        if not _is_test((*cfgs, *_conditions(pending))):
            self.unclaimed(pending)

    def unclaimed(self, pending: list[Group]) -> None:
        """Doubt attributes that export, and stand on nothing that was read as an item."""
        for attribute in attributes(pending):
            name = attribute.name
            if name.text in _EXPORTING and name.origin not in self._claimed:
                self.facts.doubts.append(
                    Doubt(name.origin, f"#[{name.text}] stands on no item that can be read")
                )

    def item(
        self,
        trees: Sequence[Tree],
        at: int,
        pending: list[Group],
        head: Span,
        cfgs: tuple[str, ...],
        folder: tuple[str, ...],
        *,
        foreign: bool,
    ) -> int:
        """Read the item whose keyword is ``trees[at]``; return how many trees it took, 0 if it is none."""
        tree = trees[at]
        if not isinstance(tree, Token) or tree.kind is not TokenKind.IDENT:
            return 0
        following = trees[at + 1] if at + 1 < len(trees) else None
        match tree.text:
            case "extern" if step := _foreign_block(trees, at):
                block = trees[at + step - 1]
                assert isinstance(block, Group)  # noqa: S101 - _foreign_block said so
                self.sequence(block.children, cfgs, folder, foreign=True)
                return step
            case "fn" if is_ident(following):
                return self.function(trees, at, pending, head, cfgs, folder, foreign=foreign)
            case "static":
                name_at = at + 2 if is_ident(following, "mut", "ref") else at + 1
                name = trees[name_at] if name_at < len(trees) else None
                if isinstance(name, Token) and name.kind is TokenKind.IDENT:
                    self.named("static", name, pending, head, cfgs, foreign=foreign)
                return 0  # the initializer is read like any other text
            case "use":
                words = pairwise(flatten(tuple(_value(trees, at))))
                self.facts.renames += [name for name, word in words if is_ident(word, "as")]
                return 0
            case "mod" if isinstance(following, Token) and following.kind is TokenKind.IDENT:
                return self.module(trees, at, pending, cfgs, folder)
            case "DW_AT_linkage_name" if is_punct(following, "="):
                self.facts.dwarf.append(DwarfName(tuple(_value(trees, at + 2)), cfgs))
                return 0
            case _ if is_punct(following, "!"):
                return self.macro(trees, at, cfgs, folder, foreign=foreign)
            case _:
                pass
        return 0

    def function(
        self,
        trees: Sequence[Tree],
        at: int,
        pending: list[Group],
        head: Span,
        cfgs: tuple[str, ...],
        folder: tuple[str, ...],
        *,
        foreign: bool,
    ) -> int:
        name = trees[at + 1]
        assert isinstance(name, Token)  # noqa: S101 - checked by the caller
        end = at + 2
        body: tuple[Tree, ...] = ()
        while end < len(trees):
            tree = trees[end]
            end += 1
            if is_punct(tree, ";"):
                break
            if isinstance(tree, Group) and tree.delimiter == "{":
                body = tree.children
                break
        self.named("fn", name, pending, head, cfgs, foreign=foreign, body=body)
        self.sequence(body, cfgs, folder)
        return end - at

    def named(
        self,
        kind: str,
        name: Token,
        pending: list[Group],
        head: Span,
        cfgs: tuple[str, ...],
        *,
        foreign: bool,
        body: tuple[Tree, ...] = (),
    ) -> None:
        found = tuple(attributes(pending))
        self._claimed |= {attribute.name.origin for attribute in found}
        if foreign or found:
            self.facts.items.append(Item(kind, name, head, found, cfgs, foreign, body))

    def module(
        self,
        trees: Sequence[Tree],
        at: int,
        pending: list[Group],
        cfgs: tuple[str, ...],
        folder: tuple[str, ...],
    ) -> int:
        name, body = trees[at + 1], trees[at + 2] if at + 2 < len(trees) else None
        assert isinstance(name, Token)  # noqa: S101 - checked by the caller
        if isinstance(body, Group) and body.delimiter == "{":
            self.sequence(body.children, cfgs, (*folder, name.text))
            return 3
        if is_punct(body, ";"):
            given = next((a for a in attributes(pending) if a.name.text == "path"), None)
            path = given.value[0].text.strip('"') if given and isinstance(given.value[0], Token) else ""
            self.facts.modules.append(Module(name.text, path, folder, cfgs, name.origin))
            return 3
        return 0

    def macro(
        self, trees: Sequence[Tree], at: int, cfgs: tuple[str, ...], folder: tuple[str, ...], *, foreign: bool
    ) -> int:
        name, after = trees[at], trees[at + 2] if at + 2 < len(trees) else None
        assert isinstance(name, Token)  # noqa: S101 - checked by the caller
        if name.text == "macro_rules" and at + 3 < len(trees):
            self.definition(trees[at + 2], trees[at + 3], cfgs)
            return 4
        if not isinstance(after, Group):
            return 0
        if name.text in ASSEMBLY_MACROS:
            self.facts.assembly.append(Assembly(name, after.children, cfgs))
        elif name.text == "paste":
            self.sequence(paste(after.children), cfgs, folder, foreign=foreign)
        elif name.text == "cfg_if":
            self.cfg_if(after.children, cfgs, folder, foreign=foreign)
        elif name.text == "cfg_select":
            self.cfg_select(after.children, cfgs, folder, foreign=foreign)
        else:
            self.facts.calls.append(Call(name, after, cfgs, foreign))
            self.dwarf_in(after, cfgs)
        return 3

    def definition(self, name: Tree, body: Tree, cfgs: tuple[str, ...]) -> None:
        if not isinstance(name, Token) or not isinstance(body, Group):
            return
        try:
            self.facts.macros.append(parse_macro(name.text, body, name.origin, cfgs))
        except NoMatchError:
            self.facts.doubts.append(
                Doubt(name.origin, f"the macro {name.text} is not written as a macro is")
            )

    def dwarf_in(self, group: Group, cfgs: tuple[str, ...]) -> None:
        """Find ``DW_AT_linkage_name = …`` among a macro's arguments (the compiler crate's own DSL)."""
        for at, tree in enumerate(group.children):
            if isinstance(tree, Group):
                self.dwarf_in(tree, cfgs)
            elif is_ident(tree, "DW_AT_linkage_name") and is_punct((*group.children, None)[at + 1], "="):
                self.facts.dwarf.append(DwarfName(tuple(_value(group.children, at + 2)), cfgs))

    def cfg_if(
        self, trees: Sequence[Tree], cfgs: tuple[str, ...], folder: tuple[str, ...], *, foreign: bool
    ) -> None:
        """Read each branch of ``cfg_if!`` under its own condition and the failure of those before it."""
        before: list[str] = []
        condition = ""
        for tree in trees:
            if isinstance(tree, Group) and tree.delimiter == "[":
                condition = next(_conditions([tree]), "")
            elif isinstance(tree, Group) and tree.delimiter == "{":
                own = (*cfgs, *_branch(condition, before))
                self.sequence(tree.children, own, folder, foreign=foreign)
                condition = ""

    def cfg_select(
        self, trees: Sequence[Tree], cfgs: tuple[str, ...], folder: tuple[str, ...], *, foreign: bool
    ) -> None:
        """Read each arm of std's ``cfg_select!``: ``unix => {…}``, ``_ => expression,``."""
        before: list[str] = []
        at = 0
        while at < len(trees):
            end = arrow(trees, at)
            condition = render(trees[at:end])
            at = end + 2
            body: Sequence[Tree] = trees[at : at + 1]
            at += 1
            if not (body and is_group(body[0], "{")):
                end = next((i for i in range(at, len(trees)) if is_punct(trees[i], ",")), len(trees))
                body, at = trees[at - 1 : end], end
            own = (*cfgs, *_branch("" if condition == "_" else condition, before))
            inner = body[0].children if len(body) == 1 and isinstance(body[0], Group) else body
            self.sequence(inner, own, folder, foreign=foreign)
            while at < len(trees) and is_punct(trees[at], ","):
                at += 1


def _attribute_length(trees: Sequence[Tree], at: int) -> int:
    following = trees[at + 1] if at + 1 < len(trees) else None
    if is_group(following, "["):
        return 2
    if is_punct(following, "!") and at + 2 < len(trees) and is_group(trees[at + 2], "["):
        return 3
    return 0


def _conditions(groups: Sequence[Group]) -> Iterator[str]:
    for attribute in attributes(groups):
        if attribute.name.text == "cfg":
            yield render(attribute.arguments)
        elif attribute.name.text == "test":
            yield "test"


def _branch(condition: str, before: list[str]) -> tuple[str, ...]:
    """Return what holds in a branch: its condition, and the failure of those before it (extended by it)."""
    failed = tuple(f"not({c})" for c in before)
    if not condition:
        return failed
    before.append(condition)
    return (*failed, condition)


def _is_test(cfgs: Sequence[str]) -> bool:
    """Whether the conditions hold in no build but a test's."""
    return any(_needs_test(cfg) for cfg in cfgs)


@lru_cache(maxsize=10_000)
def _needs_test(condition: str) -> bool:
    def answer(option: cfg.Option | cfg.Opaque) -> bool | None:
        return False if option == cfg.Option("test") else None

    return cfg.holds(cfg.parse(condition), answer) is False


def _foreign_block(trees: Sequence[Tree], at: int) -> int:
    """Return the length of ``extern "C" {…}`` from ``at`` on, 0 if it is another use of the word."""
    following = trees[at + 1 : at + 3]
    if following and is_group(following[0], "{"):
        return 2
    abi = following[0] if following else None
    is_string = isinstance(abi, Token) and abi.kind is TokenKind.STRING
    return 3 if is_string and len(following) == 2 and is_group(following[1], "{") else 0  # noqa: PLR2004


def _value(trees: Sequence[Tree], at: int) -> Iterator[Tree]:
    for tree in trees[at:]:
        if is_punct(tree, ",") or is_punct(tree, ";"):
            return
        yield tree


def has_foreign_block(trees: Sequence[Tree]) -> bool:
    """Whether an ``extern "C" {…}`` stands anywhere in the trees; its string may be a metavariable."""
    for at, tree in enumerate(trees):
        if is_ident(tree, "extern") and (_foreign_block(trees, at) or is_punct((*trees, None)[at + 1], "$")):
            return True
        if isinstance(tree, Group) and has_foreign_block(tree.children):
            return True
    return False


def mentions(trees: Sequence[Tree], words: frozenset[str]) -> bool:
    """Whether any identifier of ``words`` stands anywhere in the trees."""
    return not words.isdisjoint(identifiers(trees))


def identifiers(trees: Sequence[Tree]) -> frozenset[str]:
    """Return every identifier that stands anywhere in the trees."""
    return frozenset(t.text.removeprefix("r#") for t in flatten(trees) if t.kind is TokenKind.IDENT)


def words_in_attributes(trees: Sequence[Tree], words: frozenset[str]) -> Iterator[Token]:
    """Return where ``words`` stand in attributes, those of ``derive`` included."""
    for at, tree in enumerate(trees):
        if not isinstance(tree, Group):
            continue
        before = [tree for tree in trees[max(at - 2, 0) : at] if not is_punct(tree, "!")]
        if is_group(tree, "[") and before and is_punct(before[-1], "#"):
            yield from (token for token in flatten(tree.children) if token.text in words)
        else:
            yield from words_in_attributes(tree.children, words)
