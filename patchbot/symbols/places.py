"""tree-sitter's view of a file, held against what the token reader found there.

Two readers that share no code must agree on every foreign item and exporting attribute that stands
outside of macros; where they do not, one of them is wrong and a person has to look.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import cache, partial

import tree_sitter_rust
from tree_sitter import Language, Node, Parser, Query, QueryCursor

from patchbot.symbols.corpus import Corpus
from patchbot.symbols.rust.facts import Facts
from patchbot.symbols.rust.reader import read

_QUERY = """
(foreign_mod_item (declaration_list [(function_signature_item) (static_item)] @foreign))
((attribute_item (attribute (identifier) @name)) (#any-of? @name "no_mangle" "export_name"))
"""


@cache
def _language() -> Language:
    return Language(tree_sitter_rust.language())


@cache
def _parser() -> Parser:
    return Parser(_language())


@cache
def _query() -> Query:
    return Query(_language(), _QUERY)


def parse_errors(data: bytes) -> int:
    """Return how many places of a Rust source tree-sitter cannot parse."""
    root = _parser().parse(data).root_node
    return sum(1 for _ in _errors(root))


def _errors(node: Node) -> Iterator[Node]:
    if not node.has_error:
        return
    if node.is_error or node.is_missing:
        yield node
    for child in node.children:
        yield from _errors(child)


def disagreements(corpus: Corpus, paths: Sequence[str]) -> Iterator[tuple[str, int, str]]:
    """Return (path, offset, why) for every place of these files that only one reader found.

    Files beyond tree-sitter's grammar are left to the token reader alone.
    """
    for path in paths:
        key = ("disagreements", path, corpus.files[path])
        for offset in corpus.readings.keep(key, partial(_only_theirs, corpus, path)):
            yield path, offset, "tree-sitter finds a link-time name here that the token reader does not"


def _only_theirs(corpus: Corpus, path: str) -> list[int]:
    root = _parser().parse(corpus.files[path]).root_node
    if root.has_error:
        return []
    captures = QueryCursor(_query()).captures(root)
    theirs = {node.start_byte for node in (*captures.get("foreign", ()), *captures.get("name", ()))}
    only = theirs - _places(corpus.facts(path))
    if only:  # tree-sitter knows nothing of conditions: what only tests compile is there for it
        only -= _places(read(corpus.trees(path), tests=True))
    return sorted(only)


def _places(facts: Facts) -> set[int]:
    foreign = {item.head.start for item in facts.items if item.foreign}
    exported = {a.name.origin.start for item in facts.items for a in item.attributes}
    return foreign | exported
