"""Read Rust token trees for everything that makes or uses a link-time name.

One reader serves files, macro bodies and expansions.  It decides nothing: it reports attributes that
export, items of foreign blocks, assembly, macros and their calls, each with its tokens, so that ``scan``
can put a release together and ``rules`` can find the place to edit.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, fields, replace
from functools import lru_cache
from itertools import pairwise

from patchbot.symbols import cfg, language
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
    path_before,
    render,
    split,
    string_value,
    tree_at,
)

ASSEMBLY_MACROS = frozenset({"asm", "global_asm", "naked_asm"})

# Identifiers that can make or name a link-time symbol; what is opaque and has none of them hides nothing.
TRIGGERS = frozenset(
    {"no_mangle", "export_name", "link_name", "linkage", "link_section", "global_asm", "naked_asm", "asm",
     "DW_AT_linkage_name", "rustc_std_internal_symbol", "panic_handler", "global_allocator",
     "alloc_error_handler"}
)  # fmt: skip

# Macros that can bring in or spell any of these.
CARRIERS = frozenset({"include", "paste"})

# Attributes that export the item they stand on.
_EXPORTING = frozenset({"no_mangle", "export_name"})

# The same over raw bytes: which files are worth reading at all.  Between two tokens can be a comment, so words
# that are common in prose count by what may follow them at most.  Each pattern begins with its word, and looks
# back from behind it: that is how ``re`` is fast.
_PLAIN_WORDS = (b"no_mangle", b"export_name", b"link_name", b"linkage", b"link_section", b"DW_AT_linkage_name",
                b"rustc_std_internal_symbol", b"panic_handler", b"global_allocator",
                b"alloc_error_handler")  # fmt: skip
_AFTER_A_MACRO = rb"(?=\s*(?:[!/,;)}\]\xc2\xe2]|as\b))"
_TRIGGER_BYTES = {
    **{word: re.compile(rb"%b\b(?<!\w%b)" % (word, word)) for word in _PLAIN_WORDS},
    b"asm": re.compile(
        rb"asm\b(?:(?<!\wasm)|(?<=\bglobal_asm)|(?<=\bnaked_asm))(?<!\bas asm)(?<!\bmod asm)" + _AFTER_A_MACRO
    ),
    b"include": re.compile(rb"include\b(?<!\winclude)" + _AFTER_A_MACRO),
    b"paste": re.compile(rb"paste\b(?<!\wpaste)" + _AFTER_A_MACRO),
    b"extern": re.compile(
        rb"extern\b(?<!\wextern)(?=\s*(?:[{$/,;)}\]\xc2\xe2]|r?#*\"[^\"]*\"#*(?!\s*fn\b)))"
    ),
}
_COMMENT = re.compile(rb'[ \t]*+//(?:(?!\*/)[^"\n]){0,500}+(?:\n|\Z)')
_LONG_LINE = 500


def is_prose(data: bytes, at: int) -> bool:
    """Whether a byte stands on a line that is a comment, and in nothing that could begin before or end on it."""
    begin = data.rfind(b"\n", max(at - _LONG_LINE, 0), at) + 1
    return (begin > 0 or at <= _LONG_LINE) and _COMMENT.match(data, begin) is not None


def is_worth_reading(data: bytes) -> bool:
    """Whether a source can have anything that makes or names a link-time symbol."""
    return any(
        not is_prose(data, match.start())
        for word, pattern in _TRIGGER_BYTES.items()
        if word in data
        for match in pattern.finditer(data)
    )


@dataclass(frozen=True, slots=True)
class Attribute:
    """One attribute after ``cfg_attr`` and ``unsafe(…)`` were opened.

    ``name`` is the last token of its path, ``path`` what stands before; ``value`` what stands behind ``=``;
    ``arguments`` what is in parentheses; ``cfg`` the condition of the ``cfg_attr`` around it, empty if there
    is none.  ``derived`` if it stands in a ``derive``.
    """

    name: Token
    value: tuple[Tree, ...] = ()
    arguments: tuple[Tree, ...] = ()
    cfg: str = ""
    path: tuple[str, ...] = ()
    derived: bool = False


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
    """A macro invocation that is none of the built-in ones; ``path`` is what stands before its name."""

    name: Token
    arguments: Group
    cfgs: tuple[str, ...]
    foreign: bool = False
    path: tuple[str, ...] = ()


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
    """Everything a reading found, in the order of the text.

    ``renames`` are names that ``use … as …`` hides, ``aliases`` what it calls them, ``used`` all words of
    ``use``.  ``attributes`` are those (and derives) that the language does not have.
    """

    items: list[Item] = field(default_factory=list)
    calls: list[Call] = field(default_factory=list)
    assembly: list[Assembly] = field(default_factory=list)
    macros: list[Macro] = field(default_factory=list)
    modules: list[Module] = field(default_factory=list)
    dwarf: list[DwarfName] = field(default_factory=list)
    renames: list[Token] = field(default_factory=list)
    aliases: list[Token] = field(default_factory=list)
    used: list[str] = field(default_factory=list)
    attributes: list[Attribute] = field(default_factory=list)
    doubts: list[Doubt] = field(default_factory=list)

    def add(self, other: Facts) -> None:
        """Take over what another reading found."""
        for mine, theirs in zip(_lists(self), _lists(other), strict=True):
            mine.extend(theirs)


def _lists(facts: Facts) -> tuple[list[object], ...]:
    return tuple(getattr(facts, one.name) for one in fields(facts))


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
        left_out = not self._tests and is_test(own)
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
                left_out = not self._tests and is_test(own)
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
                left_out = not self._tests and is_test(own)
            head = None
        if not is_test((*cfgs, *_conditions(pending))):
            self.unclaimed(pending)

    def opened(self, pending: Sequence[Group]) -> tuple[Attribute, ...]:
        """Return the attributes that some build other than a test's has."""
        found = attributes(pending)
        return tuple(a for a in found if self._tests or not a.cfg or not _needs_test(a.cfg))

    def unclaimed(self, pending: list[Group]) -> None:
        """Doubt attributes that export, and stand on nothing that was read as an item; note unknown ones."""
        for attribute in self.opened(pending):
            name = attribute.name
            if name.text in _EXPORTING and name.origin not in self._claimed:
                self.facts.doubts.append(
                    Doubt(name.origin, f"#[{name.text}] stands on no item that can be read")
                )
            if name.text == "link" and _is_static(attribute):
                self.facts.doubts.append(
                    Doubt(name.origin, "#[link] brings in a static library, whose names are not read")
                )
            self.facts.attributes += foreign_attributes(attribute)

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
        if foreign and tree.text in {"fn", "static"}:
            self.nameless(trees, at)
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
                value = tuple(_value(trees, at))
                words = list(flatten(value))
                self.facts.used += [word.text.removeprefix("r#") for word in words]
                self.facts.renames += [name for name, word in pairwise(words) if is_ident(word, "as")]
                self.facts.aliases += [name for word, name in pairwise(words) if is_ident(word, "as")]
                return len(value)
            case "mod" if isinstance(following, Token) and following.kind is TokenKind.IDENT:
                return self.module(trees, at, pending, cfgs, folder)
            case "DW_AT_linkage_name" if is_punct(following, "="):
                self.facts.dwarf.append(DwarfName(tuple(_value(trees, at + 2)), cfgs))
                return 0
            case _ if is_punct(following, "!"):
                return self.macro(trees, at, pending, cfgs, folder, foreign=foreign)
            case _:
                pass
        return 0

    def nameless(self, trees: Sequence[Tree], at: int) -> None:
        """Doubt a foreign item whose name is no word: what a macro's body spells from parts."""
        name_at = at + 2 if is_ident(tree_at(trees, at + 1), "mut") else at + 1
        name = tree_at(trees, name_at)
        if not is_ident(name) and not is_group(name, "("):  # a type, such as fn()
            place = trees[at]
            assert isinstance(place, Token)  # noqa: S101 - checked by the caller
            self.facts.doubts.append(Doubt(place.origin, "a foreign item whose name cannot be read"))

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
        begin = end = at + 2
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
        signature = trees[begin : end - 1]
        if any(isinstance(tree, Group) and tree.children for tree in signature):
            self.sequence(signature, cfgs, folder)
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
        found = self.opened(pending)
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
            given = [a for a in self.opened(pending) if a.name.text == "path"]
            for attribute in given:
                path = _only_string(attribute.value)
                if path is None:
                    why = f"the module {name.text} is in a file that cannot be known"
                    self.facts.doubts.append(Doubt(name.origin, why))
                else:
                    self.facts.modules.append(Module(name.text, path, folder, cfgs, name.origin))
            if all(attribute.cfg for attribute in given):
                self.facts.modules.append(Module(name.text, "", folder, cfgs, name.origin))
            return 3
        return 0

    def macro(
        self,
        trees: Sequence[Tree],
        at: int,
        pending: Sequence[Group],
        cfgs: tuple[str, ...],
        folder: tuple[str, ...],
        *,
        foreign: bool,
    ) -> int:
        name, after = trees[at], trees[at + 2] if at + 2 < len(trees) else None
        assert isinstance(name, Token)  # noqa: S101 - checked by the caller
        if name.text == "macro_rules" and at + 3 < len(trees):
            exported = any(a.name.text == "macro_export" for a in attributes(pending))
            self.definition(_plain(trees[at + 2]), trees[at + 3], cfgs, exported=exported)
            return 4
        if not isinstance(after, Group):
            return 0
        name = name._replace(text=name.text.removeprefix("r#"))
        if name.text in ASSEMBLY_MACROS:
            self.facts.assembly.append(Assembly(name, after.children, cfgs))
        elif name.text == "paste":
            self.sequence(paste(after.children), cfgs, folder, foreign=foreign)
        elif name.text == "cfg_if":
            self.cfg_if(after.children, cfgs, folder, foreign=foreign)
        elif name.text == "cfg_select":
            self.cfg_select(after.children, cfgs, folder, foreign=foreign)
        else:
            self.facts.calls.append(Call(name, after, cfgs, foreign, path_before(trees, at)))
            self.dwarf_in(after, cfgs)
        return 3

    def definition(self, name: Tree, body: Tree, cfgs: tuple[str, ...], *, exported: bool) -> None:
        if not isinstance(name, Token) or not isinstance(body, Group):
            return
        try:
            macro = parse_macro(name.text, body, name.origin, cfgs)
            self.facts.macros.append(replace(macro, exported=exported))
        except NoMatchError:
            self.facts.doubts.append(
                Doubt(name.origin, f"the macro {name.text} is not written as a macro is")
            )

    def dwarf_in(self, group: Group, cfgs: tuple[str, ...]) -> None:
        """Find ``DW_AT_linkage_name = …`` among a macro's arguments (the compiler crate's own DSL)."""
        for at, tree in enumerate(group.children):
            if isinstance(tree, Group):
                self.dwarf_in(tree, cfgs)
            elif is_ident(tree, "DW_AT_linkage_name") and is_punct(tree_at(group.children, at + 1), "="):
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


def foreign_attributes(attribute: Attribute) -> Iterator[Attribute]:
    """Return the attribute, or what it derives, if the language does not have it."""
    if attribute.name.text == "derive":
        for part in split(attribute.arguments, ","):
            for derived in _attribute(part, attribute.cfg):
                if derived.name.text not in language.DERIVES:
                    yield replace(derived, derived=True)
    elif attribute.name.text not in language.ATTRIBUTES and attribute.path[:1] not in language.TOOLS:
        yield attribute


def _is_static(attribute: Attribute) -> bool:
    """Whether a ``#[link(…)]`` names an archive whose objects become part of the crate."""
    parts = split(attribute.arguments, ",")
    return any(is_ident(part[0], "kind") and _only_string(part[2:]) == "static" for part in parts if part)


def _only_string(trees: Sequence[Tree]) -> str | None:
    only = trees[0] if len(trees) == 1 else None
    literal = isinstance(only, Token) and only.kind is TokenKind.STRING
    return string_value(only).text if literal and isinstance(only, Token) else None


def _plain(name: Tree) -> Tree:
    """Return a name without the mark of raw identifiers."""
    return name._replace(text=name.text.removeprefix("r#")) if isinstance(name, Token) else name


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


def is_test(cfgs: Sequence[str]) -> bool:
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
    """Whether an ``extern "C" {…}`` stands anywhere in the trees, or the words for one that a macro completes."""
    for at, tree in enumerate(trees):
        if is_ident(tree, "extern") and _can_open_block(trees[at + 1 : at + 4]):
            return True
        if isinstance(tree, Group) and has_foreign_block(tree.children):
            return True
    return False


def _can_open_block(following: Sequence[Tree]) -> bool:
    """Whether what follows ``extern`` is no function, function type or crate."""
    abi = following[:1]
    if abi and isinstance(abi[0], Token) and abi[0].kind is TokenKind.STRING:
        following = following[1:]
    elif len(following) > 1 and is_punct(following[0], "$") and is_ident(following[1]):
        following = following[2:]
    return not following or not is_ident(following[0])


def mentions(trees: Sequence[Tree], words: frozenset[str]) -> bool:
    """Whether any identifier of ``words`` stands anywhere in the trees."""
    return not words.isdisjoint(identifiers(trees))


def identifiers(trees: Sequence[Tree]) -> frozenset[str]:
    """Return every identifier that stands anywhere in the trees, but for modules: ``asm`` of ``asm::inst``."""
    out: set[str] = set()
    for at, tree in enumerate(trees):
        if isinstance(tree, Group):
            out |= identifiers(tree.children)
        elif tree.kind is TokenKind.IDENT and not (
            is_punct(tree_at(trees, at + 1), ":") and is_punct(tree_at(trees, at + 2), ":")
        ):
            out.add(tree.text.removeprefix("r#"))
    return frozenset(out)


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
