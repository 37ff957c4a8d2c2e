"""The words that make or name link-time symbols, and where sources and token trees have them."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

from patchbot.symbols.rust.tokens import (
    Group,
    Token,
    TokenKind,
    Tree,
    flatten,
    is_group,
    is_ident,
    is_punct,
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
