"""Read Rust token trees for everything that makes or uses a link-time name.

One reader serves files, macro bodies and expansions.  It decides nothing: it reports attributes that
export, items of foreign blocks, assembly, macros and their calls, each with its tokens, so that ``scan``
can put a release together and ``rules`` can find the place to edit.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from itertools import pairwise

from patchbot.symbols.rust.attributes import (
    attribute_length,
    attributes,
    cfgs_of,
    foreign_attributes,
    is_static_link,
    is_test,
    needs_test,
    only_string,
)
from patchbot.symbols.rust.facts import Assembly, Attribute, Call, Doubt, DwarfName, Facts, Item, Module
from patchbot.symbols.rust.macros import NoMatchError, parse_macro, paste
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
    path_before,
    render,
    tree_at,
)
from patchbot.symbols.rust.words import ASSEMBLY_MACROS

# Attributes that export the item they stand on.
_EXPORTING = frozenset({"no_mangle", "export_name"})


def read(
    trees: Sequence[Tree], *, cfgs: tuple[str, ...] = (), foreign: bool = False, tests: bool = False
) -> Facts:
    """Read a file or an expansion; ``cfgs`` are the conditions around it.

    What only tests compile is left out unless ``tests`` is set.
    """
    reader = _Reader(tests=tests)
    reader.sequence(trees, cfgs, (), foreign=foreign)
    return reader.facts


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
            if mark == "#" and (step := attribute_length(trees, at)):
                group = trees[at + step - 1]
                assert isinstance(group, Group)  # noqa: S101 - attribute_length said so
                if step == 2:  # noqa: PLR2004 - # [..]
                    pending.append(group)
                else:  # an inner attribute speaks of everything around it
                    cfgs = (*cfgs, *cfgs_of([group]))
                    self.unclaimed([group])
                own = (*cfgs, *cfgs_of(pending))
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
        if not is_test((*cfgs, *cfgs_of(pending))):
            self.unclaimed(pending)

    def opened(self, pending: Sequence[Group]) -> tuple[Attribute, ...]:
        """Return the attributes that some build other than a test's has."""
        found = attributes(pending)
        return tuple(a for a in found if self._tests or not a.cfg or not needs_test(a.cfg))

    def unclaimed(self, pending: list[Group]) -> None:
        """Doubt attributes that export, and stand on nothing that was read as an item; note unknown ones."""
        for attribute in self.opened(pending):
            name = attribute.name
            if name.text in _EXPORTING and name.origin not in self._claimed:
                self.facts.doubts.append(
                    Doubt(name.origin, f"#[{name.text}] stands on no item that can be read")
                )
            if name.text == "link" and is_static_link(attribute):
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
                path = only_string(attribute.value)
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
                condition = next(cfgs_of([tree]), "")
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


def _plain(name: Tree) -> Tree:
    """Return a name without the mark of raw identifiers."""
    return name._replace(text=name.text.removeprefix("r#")) if isinstance(name, Token) else name


def _branch(condition: str, before: list[str]) -> tuple[str, ...]:
    """Return what holds in a branch: its condition, and the failure of those before it (extended by it)."""
    failed = tuple(f"not({c})" for c in before)
    if not condition:
        return failed
    before.append(condition)
    return (*failed, condition)


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
