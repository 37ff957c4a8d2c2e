"""Which item of a source file a line is in: the function, impl or module round it.

A merge puts a hunk where its lines are; this says whether that is still the same function.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache

import tree_sitter_c
import tree_sitter_rust
from tree_sitter import Language, Node, Parser

from patchbot.series.lines import Change

_RUST = (
    *("function_item", "impl_item", "trait_item", "mod_item", "struct_item", "enum_item", "union_item"),
    *("macro_definition", "foreign_mod_item", "const_item", "static_item"),
)
_C = ("function_definition", "struct_specifier", "union_specifier", "enum_specifier")
_CLOSED = frozenset({"function_item", "const_item", "static_item", "macro_definition", "function_definition"})
_KEPT = 64  # files of which the items are kept: a series comes back to few


@dataclass(frozen=True, slots=True)
class Item:
    """An item: its words up to its body, by which it is told from others, its short name, its lines (from 0)."""

    label: str
    name: str
    first: int
    last: int


@dataclass(frozen=True, slots=True)
class Items:
    """The items of one file, outer ones before what they hold."""

    rows: tuple[tuple[Item, ...], ...]

    def round(self, start: int, end: int) -> tuple[Item, ...]:
        """Return the items that hold lines ``start`` to ``end`` or, if these are none, the gap before ``start``."""
        low, high = (start, end - 1) if end > start else (start - 1, start)
        best: tuple[Item, ...] = ()
        for path in self.rows:
            inside = path[-1].first <= low and high <= path[-1].last
            if inside and len(path) > len(best):
                best = path
        return best

    def count(self, path: tuple[Item, ...]) -> int:
        """Return how many items have the same labels from the outermost in."""
        wanted = labels(path)
        return sum(labels(row) == wanted for row in self.rows)


def labels(path: tuple[Item, ...]) -> tuple[str, ...]:
    """Return the labels of items, outermost first."""
    return tuple(item.label for item in path)


def spoken(path: tuple[Item, ...]) -> str:
    """Name an item for people."""
    return " > ".join(item.name for item in path) or "no item"


def reader_of(path: str) -> Callable[[bytes], Items] | None:
    """Return what reads the items of a file of this name, or None if nothing does."""
    if path.endswith(".rs"):
        return _rust_items
    if path.endswith((".c", ".h")):
        return _c_items
    return None


@lru_cache(maxsize=_KEPT)
def _rust_items(data: bytes) -> Items:
    return Items(tuple(_walk(Parser(_rust()).parse(data).root_node, data, _RUST, ())))


@lru_cache(maxsize=_KEPT)
def _c_items(data: bytes) -> Items:
    return Items(tuple(_walk(Parser(_c()).parse(data).root_node, data, _C, ())))


@lru_cache(maxsize=1)
def _rust() -> Language:
    return Language(tree_sitter_rust.language())


@lru_cache(maxsize=1)
def _c() -> Language:
    return Language(tree_sitter_c.language())


def _walk(
    node: Node, data: bytes, kinds: Sequence[str], outer: tuple[Item, ...]
) -> Iterator[tuple[Item, ...]]:
    """Yield the items below a node; a stack instead of recursion, since sources nest as deep as they like."""
    stack = [(node, outer)]
    while stack:
        here, path = stack.pop()
        if here.type in kinds:
            path = (*path, _item(here, data))
            yield path
            if here.type in _CLOSED:  # what stands in a function is told by the function
                continue
        stack += [(child, path) for child in reversed(here.named_children)]


def _item(node: Node, data: bytes) -> Item:
    body = node.child_by_field_name("body")
    name = node.child_by_field_name("name") or node.child_by_field_name("declarator")
    end = body.start_byte if body is not None else node.end_byte
    label = " ".join(data[node.start_byte : end].decode(errors="replace").split())
    short = " ".join((name.text or b"").decode(errors="replace").split()) if name is not None else label
    return Item(label, short[:60], node.start_point.row, node.end_point.row)


# Lines without any of these neither begin nor end an item, a comment or a string.
_SHAPES = re.compile(
    rb"[{}\"]|/\*|\*/|\b(?:fn|impl|mod|trait|struct|enum|union|macro_rules|extern|const|static)\b"
)


def shapes(base: Sequence[bytes], changes: Sequence[Change]) -> bool:
    """Whether changes could move the borders of items; if not, every line is in the item that it was in."""
    return any(
        _SHAPES.search(line)
        for change in changes
        for line in (*change.lines, *base[change.start : change.end])
    )


def moved(base: Items, ours: Items, change: Change, at: int, upstream: Sequence[Change]) -> str | None:
    """Return why lines that land at ``at`` in ours are not in the item they were in, or None if they are.

    ``change`` is where they are in the base, ``upstream`` what turns the base into ours.
    """
    size = change.end - change.start
    before, after = base.round(change.start, change.end), ours.round(at, at + size)
    if not before and not after:
        return None
    if before and after and _same(base, ours, before, after, upstream):
        return None
    return f"was in {spoken(before)}, would land in {spoken(after)}"


def _same(
    base: Items,
    ours: Items,
    before: tuple[Item, ...],
    after: tuple[Item, ...],
    upstream: Sequence[Change],
) -> bool:
    """Whether two items are one: upstream left the line where it starts, or changed that line into the other."""
    old, new = before[-1].first, after[-1].first
    shift = 0
    for change in upstream:
        if change.start > old:
            break
        if change.start <= old < change.end:  # upstream changed the line
            begins = change.start + shift
            renamed = begins <= new < begins + len(change.lines)
            alone = base.count(before) == 1 and ours.count(after) == 1
            return alone and (renamed or labels(before) == labels(after))
        shift += change.growth
    return old + shift == new
