"""Find what a C file defines and imports: tree-sitter reads the preprocessed text.

A definition is a function with a body or a variable with external linkage; an import is a declaration
whose definition is elsewhere.  Calls to functions that no declaration names (libc's, from system headers)
are not wasmtime's and not listed.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache

import tree_sitter_c
from tree_sitter import Language, Node, Parser

from patchbot.model import Role
from patchbot.symbols.preprocessor import Expanded


@dataclass(frozen=True, slots=True)
class CName:
    """A name with external linkage; ``offset`` is in the preprocessed text, ``weak`` where it is said to be weak."""

    name: str
    role: Role
    offset: int
    weak: int | None = None
    in_string: bool = False


@dataclass(frozen=True, slots=True)
class CFacts:
    """The names of one preprocessed text; doubts as (offset in the text, why)."""

    names: tuple[CName, ...]
    doubts: tuple[tuple[int, str], ...] = ()


_WEAK = re.compile(rb"\b(?:__)?weak(?:__)?\b")
_OTHER_NAME = re.compile(rb"\b(?:__)?(?:alias|ifunc)(?:__)?\s*\(")


@cache
def _parser() -> Parser:
    return Parser(Language(tree_sitter_c.language()))


def scan(expanded: Expanded) -> CFacts:
    """Return the external names of ``expanded``, definitions first where a name has both roles."""
    # latin-1 out and UTF-8 in would shift offsets: anything beyond ASCII can only stand in strings here
    text = "".join(char if ord(char) < 128 else "?" for char in expanded.text)  # noqa: PLR2004 - ASCII
    root = _parser().parse(text.encode()).root_node
    names: list[CName] = []
    doubts: list[tuple[int, str]] = []
    for node in _top_level(root):
        names += _declared(node, doubts)
    doubts += [(node.start_byte, "assembly, whose names are not read here") for node in _assembly(root)]
    doubts += [(node.start_byte, "the C parser cannot read this") for node in _errors(root)]
    defined = {n.name for n in names if n.role is Role.DEFINE}
    unique = {(n.name, n.role): n for n in reversed(names) if n.role is Role.DEFINE or n.name not in defined}
    return CFacts(tuple(sorted(unique.values(), key=lambda n: n.offset)), tuple(doubts))


def _top_level(root: Node) -> Iterator[Node]:
    for node in root.children:
        if node.type in {"linkage_specification", "declaration_list"}:
            yield from _top_level(node)
        else:
            yield node


def _errors(node: Node) -> Iterator[Node]:
    if not node.has_error:
        return
    if node.type == "ERROR" or node.is_missing:
        yield node
        return
    for child in node.children:
        yield from _errors(child)


def _assembly(root: Node) -> Iterator[Node]:
    """Return the ``asm`` statements that have any text; labels behind a declarator are read as names."""
    stack = [root]
    while stack:
        node = stack.pop()
        if node.type != "gnu_asm_expression":
            stack += node.children
        elif node.parent is None or node.parent.type in {"expression_statement", "translation_unit"}:
            text = b"".join(part.text or b"" for part in node.named_children if "string" in part.type)
            if text.replace(b'"', b"").strip():
                yield node


def _declared(node: Node, doubts: list[tuple[int, str]]) -> Iterator[CName]:
    if node.type not in {"function_definition", "declaration"}:
        return
    words = {child.text for child in node.children if child.type == "storage_class_specifier"}
    text = (node.text or b"").partition(b"{")[0]
    found = _WEAK.search(text)
    weak = None if found is None else node.start_byte + found.start()
    if b"static" in words and b"extern" not in words:
        return
    if _OTHER_NAME.search(text):
        doubts.append((node.start_byte, "an attribute makes another name of this"))
    for declarator in node.children_by_field_name("declarator"):
        identifier, is_function = _identifier(declarator)
        if identifier is None:
            continue
        if node.type == "function_definition":
            role = Role.DEFINE
        elif is_function or b"extern" in words:
            # `extern int x = 1;` defines; a prototype never does
            role = Role.DEFINE if declarator.type == "init_declarator" else Role.IMPORT
        else:
            role = Role.DEFINE
        label = _asm_label(node)
        if label is not None:
            yield CName(label[0], role, label[1], weak, in_string=True)
        else:
            yield CName((identifier.text or b"").decode(), role, identifier.start_byte, weak)


def _identifier(declarator: Node) -> tuple[Node | None, bool]:
    """Return the declared identifier, and whether it names a function (not a pointer to one)."""
    node: Node | None = declarator
    is_function = False
    while node is not None and node.type != "identifier":
        if node.type == "function_declarator":
            is_function = True
        elif node.type == "parenthesized_declarator":
            is_function = False
        inner = node.child_by_field_name("declarator")
        if inner is None:
            inner = next(
                (c for c in node.named_children if c.type.endswith(("declarator", "identifier"))), None
            )
        node = inner
    return node, is_function


def _asm_label(node: Node) -> tuple[str, int] | None:
    """Return the name that ``__asm__("name")`` behind a declarator gives, and where it stands."""
    stack = [child for child in node.children if child.type != "compound_statement"]
    while stack:
        child = stack.pop()
        if child.type == "gnu_asm_expression":
            for part in child.named_children:
                if part.type == "string_literal":
                    return (part.text or b"").decode().strip('"'), part.start_byte + 1
        stack += [c for c in child.children if c.type != "compound_statement"]
    return None
