"""Find what a C file defines and imports: tree-sitter reads the preprocessed text.

A definition is a function with a body or a variable with external linkage; an import is a declaration
whose definition is elsewhere.  Calls to functions that no declaration names (libc's, from system headers)
are not wasmtime's and not listed.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache

import tree_sitter_c
from tree_sitter import Language, Node, Parser

from patchbot.model import Role
from patchbot.symbols.c import c_marks
from patchbot.symbols.c.preprocessor import Expanded


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


_OTHER_NAME = frozenset({"alias", "ifunc", "weakref", "symver"})
_HARMLESS = frozenset(
    {"access", "alias_free", "align", "aligned", "alloc_align", "alloc_size", "always_inline", "artificial",
     "assume_aligned", "cdecl", "cleanup", "cold", "common", "const", "constructor", "counted_by",
     "deprecated", "destructor", "dllexport", "dllimport", "error", "externally_visible", "fallthrough",
     "fastcall", "flatten", "format", "format_arg", "gnu_inline", "hot", "inline", "interrupt", "leaf",
     "malloc", "may_alias", "maybe_unused", "mode", "ms_abi", "naked", "no_icf", "no_instrument_function",
     "no_profile_instrument_function", "no_reorder", "no_sanitize", "no_sanitize_address",
     "no_sanitize_thread", "no_sanitize_undefined", "no_split_stack", "no_stack_protector", "noalias",
     "noclone", "nocommon", "nodiscard", "noinline", "noipa", "nonnull", "nonstring", "noplt", "noreturn",
     "nothrow", "optimize", "optnone", "packed", "patchable_function_entry", "pure", "restrict", "retain",
     "returns_nonnull", "returns_twice", "selectany", "sentinel", "stdcall", "sysv_abi", "target", "thread",
     "tls_model", "transparent_union", "unavailable", "unused", "used", "vector_size", "vectorcall",
     "visibility", "warn_unused_result", "warning", "weak", "weak_import"}
)  # fmt: skip

# Macros of the language that the C parser takes for calls or for macros of the file.
_ASSERTIONS = frozenset({b"static_assert", b"_Static_assert"})
_TYPES = frozenset(
    {b"typeof", b"__typeof__", b"__typeof", b"typeof_unqual", b"_Atomic", b"_BitInt", b"_Alignas"}
)


@cache
def _parser() -> Parser:
    return Parser(Language(tree_sitter_c.language()))


def scan(expanded: Expanded) -> CFacts:
    """Return the external names of ``expanded``, definitions first where a name has both roles."""
    marks = c_marks.read(expanded)
    # latin-1 out and UTF-8 in would shift offsets: anything beyond ASCII can only stand in strings here
    root = _parser().parse(marks.text.encode("ascii", "replace")).root_node
    names: list[CName] = []
    doubts = [*marks.doubts, *_attributes(marks.attributes)]
    for node in _top_level(root):
        names += _declared(node, marks)
        doubts += _strange(node)
    for node in _inner_declarations(root):
        names += (name for name in _declared(node, marks) if name.role is Role.IMPORT)
    doubts += [(node.start_byte, "the C parser cannot read this") for node in _errors(root)]
    defined = {n.name for n in names if n.role is Role.DEFINE}
    unique = {(n.name, n.role): n for n in reversed(names) if n.role is Role.DEFINE or n.name not in defined}
    return CFacts(tuple(sorted(unique.values(), key=lambda n: n.offset)), tuple(doubts))


def _attributes(found: tuple[c_marks.Attribute, ...]) -> Iterator[tuple[int, str]]:
    for mark in found:
        if mark.name in _OTHER_NAME:
            yield mark.offset, "an attribute makes another name of this"
        elif mark.name not in _HARMLESS:
            yield mark.offset, f"the attribute {mark.name} can make or change a name"


def _top_level(root: Node) -> Iterator[Node]:
    for node in root.children:
        if node.type in {"linkage_specification", "declaration_list"}:
            yield from _top_level(node)
        else:
            yield node


def _inner_declarations(root: Node) -> Iterator[Node]:
    """Return the declarations in functions: a prototype or an ``extern`` there speaks of another's name."""
    stack = [node for node in _top_level(root) if node.type == "function_definition"]
    while stack:
        node = stack.pop()
        if node.type == "declaration":
            yield node
        stack += reversed(node.children)


def _strange(node: Node) -> Iterator[tuple[int, str]]:
    """Doubt what C does not have at its top level: macros from elsewhere look like that."""
    if node.type == "expression_statement" and node.named_children:
        expression = node.named_children[0]
        function = expression.child_by_field_name("function")
        known = function is not None and function.text in _ASSERTIONS
        if not known and expression.type != "gnu_asm_expression":
            yield node.start_byte, "a statement outside of functions: a macro that is not known?"
    kind = node.child_by_field_name("type")
    if kind is not None and kind.type == "macro_type_specifier":
        name = kind.child_by_field_name("name")
        if name is None or name.text not in _TYPES:
            yield node.start_byte, "a type with arguments: a macro that is not known?"
    declarator = node.child_by_field_name("declarator")
    named = {inner.type for inner in _declarators(declarator)} if declarator is not None else set()
    if node.type == "function_definition" and "function_declarator" not in named:
        yield node.start_byte, "a body without a function: a macro that is not known?"


def _errors(root: Node) -> Iterator[Node]:
    stack = [root]
    while stack:
        node = stack.pop()
        if node.type == "ERROR" or node.is_missing:
            yield node
        elif node.has_error:
            stack += reversed(node.children)


def _declared(node: Node, marks: c_marks.Marks) -> Iterator[CName]:
    """Return what a declaration names; a name for the assembler takes the place of C's."""
    if node.type not in {"function_definition", "declaration"}:
        return
    words = {child.text for child in node.children if child.type == "storage_class_specifier"}
    if b"static" in words and b"extern" not in words:
        return
    body = node.child_by_field_name("body")
    begin = node.prev_sibling.end_byte if node.prev_sibling else 0
    around = range(begin, body.start_byte if body else node.end_byte)
    weak = next(
        (mark.offset for mark in marks.attributes if mark.name == "weak" and mark.offset in around), None
    )
    labels = [label for label in marks.labels if label.offset in around]
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
        yield from (CName(label.name, role, label.offset, weak, in_string=True) for label in labels)
        if not labels:
            yield CName((identifier.text or b"").decode(), role, identifier.start_byte, weak)


def _identifier(declarator: Node) -> tuple[Node | None, bool]:
    """Return the declared identifier, and whether it names a function (not a pointer to one)."""
    is_function = False
    for node in _declarators(declarator):
        if node.type == "identifier":
            return node, is_function
        if node.type == "function_declarator":
            is_function = True
        elif node.type == "parenthesized_declarator":
            is_function = False
    return None, is_function


def _declarators(declarator: Node) -> Iterator[Node]:
    """Return a declarator and those in it, from the outside in, down to the identifier."""
    node: Node | None = declarator
    while node is not None:
        yield node
        if node.type == "identifier":
            return
        inner = node.child_by_field_name("declarator")
        if inner is None:
            named = (c for c in node.named_children if c.type.endswith(("declarator", "identifier")))
            inner = next(named, None)
        node = inner
