"""Read the items of a file: with tree-sitter for Rust and C, by tables, headings or indentation for others."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from importlib import import_module
from typing import TYPE_CHECKING

from patchbot.series.lines import Change, split
from patchbot.series.merge.items import Item, Items

if TYPE_CHECKING:
    from tree_sitter import Node, Parser

_RUST = frozenset(
    {
        *("function_item", "impl_item", "trait_item", "mod_item", "struct_item", "enum_item", "union_item"),
        *("macro_definition", "foreign_mod_item", "const_item", "static_item"),
    }
)
_C = frozenset({"function_definition", "struct_specifier", "union_specifier", "enum_specifier"})
_CLOSED = frozenset({"function_item", "const_item", "static_item", "macro_definition", "function_definition"})
# What may hold items of Rust besides these themselves.  A list of variants or fields, a type, an import may not.
_AROUND = frozenset({"source_file", "declaration_list", "ERROR", *(_RUST - _CLOSED)})
_BEFORE = frozenset({"attribute_item", "line_comment", "block_comment", "comment"})
_KEPT = 64  # files of which the items are kept: a series comes back to few

# Lines without any of these neither begin nor end an item, a comment or a string of Rust or C.
_SHAPES = re.compile(
    rb"[{}\"]|/\*|\*/|\b(?:fn|impl|mod|trait|struct|enum|union|macro_rules|extern|const|static)\b"
)
_TABLE = re.compile(rb"\[\[?[^\[\]]+\]\]?\s*(?:[#;].*)?$")
_HEADING = re.compile(rb"#{1,6} ")
_BLOCK = re.compile(
    rb"\s*(?:- +)?(?:[\w.\"'/-]+|\"[^\"]+\"): *(?:#.*)?$|\s*- +\S|\s*(?:async +def|def|class) "
)


@dataclass(frozen=True, slots=True)
class Outline:
    """How the items of a kind of file are read; ``borders`` finds lines that may begin or end one."""

    read: Callable[[bytes], Items]
    borders: re.Pattern[bytes] | None = None

    def quiet(self, base: Sequence[bytes], changes: Sequence[Change]) -> bool:
        """Whether changes cannot have moved the borders of items, so that every line is in the item it was in."""
        if self.borders is None:
            return not changes
        return not any(
            self.borders.search(line)
            for change in changes
            for line in (*change.lines, *base[change.start : change.end])
        )


def outline_of(path: str) -> Outline | None:
    """Return how the items of a file of this name are read, or None if nothing reads them."""
    name = path.rpartition("/")[2].lower()
    return _KINDS.get(name.rpartition(".")[2]) if "." in name.lstrip(".") else None


# -- by grammar ---------------------------------------------------------------------------------------


@lru_cache(maxsize=_KEPT)
def _rust_items(data: bytes) -> Items:
    return Items(tuple(_walk(_parser("rust").parse(data).root_node, data, _RUST, _AROUND)))


@lru_cache(maxsize=_KEPT)
def _c_items(data: bytes) -> Items:
    return Items(tuple(_walk(_parser("c").parse(data).root_node, data, _C)))


@lru_cache(maxsize=2)
def _parser(grammar: str) -> Parser:
    """Return a parser; grammars load when the first text is in doubt, which in most series none is."""
    from tree_sitter import Language, Parser  # noqa: PLC0415

    return Parser(Language(import_module(f"tree_sitter_{grammar}").language()))


def _walk(
    root: Node, data: bytes, kinds: frozenset[str], around: frozenset[str] | None = None
) -> Iterator[tuple[Item, ...]]:
    """Yield the items below a node; a stack instead of recursion, since sources nest as deep as they like.

    Nodes that are not ``around`` items are not looked into.
    """
    stack: list[tuple[Node, tuple[Item, ...], int]] = [(root, (), root.start_point.row)]
    while stack:
        here, path, first = stack.pop()
        if here.type in kinds:
            path = (*path, _item(here, data, first))
            yield path
            if here.type in _CLOSED:  # what stands in a function is told by the function
                continue
        if around is not None and here.type not in around:
            continue
        stack += [(child, path, row) for child, row in reversed(list(_begun(here.named_children)))]


def _begun(nodes: Sequence[Node]) -> Iterator[tuple[Node, int]]:
    """Yield nodes with the row where the attributes and comments right before them begin."""
    first, end = -1, -1
    for node in nodes:
        row = node.start_point.row
        if first < 0 or row > end + 1:
            first = row
        yield node, first
        # a line comment of tree-sitter-rust may hold its line's end
        last = node.end_point.row - (node.end_point.column == 0)
        first, end = (first, last) if node.type in _BEFORE else (-1, -1)


def _item(node: Node, data: bytes, first: int) -> Item:
    body = node.child_by_field_name("body")
    name = node.child_by_field_name("name") or node.child_by_field_name("declarator")
    end = body.start_byte if body is not None else node.end_byte
    label = " ".join(data[node.start_byte : end].decode(errors="replace").split())
    short = " ".join((name.text or b"").decode(errors="replace").split()) if name is not None else label
    closed = node.type in _CLOSED
    return Item(label, short[:60], first, node.start_point.row, node.end_point.row, closed)


# -- by lines -----------------------------------------------------------------------------------------


@lru_cache(maxsize=_KEPT)
def _table_items(data: bytes) -> Items:
    """Read tables; one of an array (``[[package]]``) is told from others by its first lines."""
    lines = split(data)
    heads = [n for n, line in enumerate(lines) if _TABLE.match(line)]
    rows = []
    for head, following in zip(heads, [*heads[1:], len(lines)], strict=True):
        name = " ".join(lines[head].decode(errors="replace").split())
        first = b"".join(lines[head + 1 : min(head + 3, following)]) if name.startswith("[[") else b""
        label = " ".join([name, *first.decode(errors="replace").split()])
        rows.append((Item(label, label[:60], head, head, following - 1),))
    return Items(tuple(rows), endless=True)


@lru_cache(maxsize=_KEPT)
def _heading_items(data: bytes) -> Items:
    """Read sections, each with those that it is a part of."""
    lines = split(data)
    heads = [(n, len(line) - len(line.lstrip(b"#"))) for n, line in enumerate(lines) if _HEADING.match(line)]
    rows: list[tuple[Item, ...]] = []
    path: list[tuple[int, Item]] = []
    for place, (head, level) in enumerate(heads):
        following = (n for n, other in heads[place + 1 :] if other <= level)
        name = " ".join(lines[head].decode(errors="replace").split())
        item = Item(name, name[:60], head, head, next(following, len(lines)) - 1)
        path = [*((depth, outer) for depth, outer in path if depth < level), (level, item)]
        rows.append(tuple(outer for _, outer in path))
    return Items(tuple(rows), endless=True)


@lru_cache(maxsize=_KEPT)
def _indented_items(data: bytes) -> Items:
    """Read items that hold the lines below them which stand further to the right."""
    heads: list[tuple[int, int, str]] = []  # line, how many items are round it, name
    ends: dict[int, int] = {}
    around: list[tuple[int, int]] = []  # indentation and line of the items that are not at their end
    last = -1
    for number, line in enumerate(split(data)):
        if not line.strip():
            continue
        indent = len(line) - len(line.lstrip())
        while around and around[-1][0] >= indent:
            ends[around.pop()[1]] = last
        if _BLOCK.match(line):
            heads.append((number, len(around), " ".join(line.decode(errors="replace").split())))
            around.append((indent, number))
        last = number
    ends.update(dict.fromkeys((head for _, head in around), last))
    rows: list[tuple[Item, ...]] = []
    path: tuple[Item, ...] = ()
    for head, depth, name in heads:
        path = (*path[:depth], Item(name, name[:60], head, head, ends[head]))
        rows.append(path)
    return Items(tuple(rows), endless=True)


_GRAMMAR = {"rs": _rust_items, "c": _c_items, "h": _c_items}
_KINDS = {
    **{suffix: Outline(read, _SHAPES) for suffix, read in _GRAMMAR.items()},
    **dict.fromkeys(("toml", "ini", "cfg", "conf", "lock"), Outline(_table_items, re.compile(rb"^\["))),
    **dict.fromkeys(("md",), Outline(_heading_items, _HEADING)),
    **dict.fromkeys(("yml", "yaml", "py"), Outline(_indented_items)),
}
