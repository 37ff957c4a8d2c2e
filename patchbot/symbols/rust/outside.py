"""Macros and attributes that the release takes from elsewhere: any of them can make a link-time name.

Those that upstream has used are known, by name and with what they make; a new one has to be looked at.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from functools import lru_cache

from patchbot.symbols.rust import language
from patchbot.symbols.rust.attributes import attributes, foreign_attributes
from patchbot.symbols.rust.reader import read
from patchbot.symbols.rust.tokens import (
    Group,
    Token,
    TokenKind,
    Tree,
    UnbalancedError,
    flatten,
    is_punct,
    path_before,
    read_trees,
    tree_at,
)
from patchbot.symbols.rust.words import is_prose

# Crates that build scripts use and that write no code of their own: cc compiles what it is told, and that is
# read; the other reports errors.
BUILD_DEPENDENCIES = frozenset({"cc", "miette"})

# anyhow, async-stream, bitflags, futures, lazy_static, log, pin-project-lite, proptest, quote, rustix, serde_json,
# smallvec, static_assertions, syn, target-lexicon, tokio, tracing and wasmparser: code and values, and items
# without link-time names.
MACROS = frozenset(
    {"anyhow", "arrayvec", "assert_impl_all", "assert_not_impl_any", "assert_obj_safe",
     "assert_type_eq_all", "bail", "bitflags", "bitflags_match", "braced", "bracketed", "const_assert",
     "const_assert_eq", "const_assert_ne", "cstr", "custom_keyword", "custom_punctuation", "debug",
     "debug_span", "ensure", "error", "error_span", "event", "for_each_operator", "for_each_simd_operator",
     "for_each_visit_operator", "for_each_visit_simd_operator", "format_err", "format_ident", "info",
     "info_span", "instrument", "join", "json", "lazy_static", "log", "log_enabled", "parenthesized",
     "parse_macro_input", "parse_quote", "parse_quote_spanned", "pin", "pin_mut", "pin_project", "poll",
     "prop_assert", "prop_assert_eq", "prop_assert_ne", "prop_compose", "prop_oneof", "proptest", "quote",
     "quote_spanned", "select", "smallvec", "span", "span_of", "stream", "Token", "trace", "trace_span",
     "triple", "try_join", "try_stream", "warn", "warn_span"}
)  # fmt: skip

# async-trait, clap, pin-project, serde, thiserror, tokio, tracing, trait-variant; and what their derives read.
ATTRIBUTES = frozenset(
    {"arbitrary", "arg", "async_trait", "backtrace", "clap", "command", "error", "from", "group",
     "instrument", "main", "make", "pin", "pin_project", "pin_project_lite", "serde", "source",
     "transparent", "value"}
)  # fmt: skip
DERIVES = frozenset(
    {"Arbitrary", "Args", "Deserialize", "DeserializeOwned", "Diagnostic", "Error", "Mutate", "Parser",
     "Serialize", "Subcommand", "ValueEnum"}
)  # fmt: skip

_CALL = re.compile(rb"!\s*+[(\[{]")
_SPACES = frozenset(b" \t\r\n")
_LETTERS = frozenset(b"$_") | {byte for byte in range(256) if byte >= 0x80 or chr(byte).isalnum()}  # noqa: PLR2004 - beyond ASCII
_ATTRIBUTE = re.compile(
    rb"#\s*+!?\s*+\[\s*+(?:(unsafe|cfg_attr|derive)\b|((?:\w++\s*+::\s*+)*)(\w++))", re.ASCII
)
# Comments between the tokens of an attribute or a call, and raw names of attributes.
_HIDDEN = (re.compile(rb"#\s*+!?\s*+(?:/[/*]|\[\s*+(?:/|r#))"), re.compile(rb"!\s*+/[/*]"))
_BRACKET = re.compile(rb'"(?:[^"\\]|\\.)*+"|[\[\]]', re.DOTALL)
_UNBALANCED = b"("  # what cannot be read
_LONGEST = 5_000  # bytes of an attribute that is read without reading the file
_ALIAS = re.compile(rb"as\s(?<=\sas\s)\s*+(?:r#)?(\w+)", re.ASCII)

# In the set of a file's names: something stands where a name cannot be told without reading tokens.
UNREADABLE = ""


def names(data: bytes) -> frozenset[str]:
    """Return the names of macros, attributes and derives that a file uses, without reading its tokens.

    ``root::name`` stands for one behind a path; ``#name`` for an attribute and ``x=name`` for a name that
    ``use`` gives ``x``.  There may be more than there are, since comments and strings are not told apart;
    what cannot be told is ``UNREADABLE``.
    """
    hidden = any(not is_prose(data, match.start()) for pattern in _HIDDEN for match in pattern.finditer(data))
    out: set[str] = {UNREADABLE} if hidden else set()
    for call in _CALL.finditer(data):
        if is_prose(data, call.start()):
            continue
        word, at = _word_before(data, call.start())
        if _is_comment(data, at, at + len(word), call.start()):
            out.add(UNREADABLE)
        elif word and not word.startswith("$"):  # what a macro is given, it is given as a word
            behind = data[max(at - 16, 0) : at].rstrip()
            root = _word_before(data, data.rindex(b"::", 0, at))[0] if behind.endswith(b"::") else ""
            out.add(_spelled("", [root] if root else [], word))
    for attribute in _ATTRIBUTE.finditer(data):
        opened, path, name = attribute.groups()
        if is_prose(data, attribute.start()):
            continue
        if opened:
            out |= _opened(_bracketed(data, attribute.start()))
        elif name:
            out |= _outer(path.decode().replace(" ", "").split("::")[:-1], name.decode())
    for alias in _ALIAS.finditer(data):
        out.add(f"{_word_before(data, alias.start())[0]}={alias[1].decode('latin-1')}")
    return frozenset(out)


def _is_comment(data: bytes, begin: int, end: int, mark: int) -> bool:
    """Whether what stands between a macro's name and its mark could be a comment, and not its name."""
    if begin == end:
        return data[:mark].endswith(b"*/", max(mark - 2, 0)) or data[max(begin - 2, 0) : begin] == b"*/"
    line = data.rfind(b"\n", max(begin - _LONGEST, 0), begin) + 1
    return b"\n" in data[end:mark] and b"//" in data[line:begin]


def _word_before(data: bytes, end: int) -> tuple[str, int]:
    """Return the word that ends before ``end``, space left out, and where it begins."""
    while end and data[end - 1] in _SPACES:
        end -= 1
    begin = end
    while begin and data[begin - 1] in _LETTERS:
        begin -= 1
    return data[begin:end].decode("latin-1"), begin


def used(trees: Sequence[Tree]) -> frozenset[str]:
    """Return the same of trees, however deep."""
    out: set[str] = set()
    for at, tree in enumerate(trees):
        if isinstance(tree, Group):
            out |= used(tree.children)
            if tree.delimiter == "[" and any(is_punct(t, "#") for t in trees[max(at - 2, 0) : at]):
                for attribute in attributes([tree]):
                    out |= {_spelled("#", a.path, a.name.text) for a in foreign_attributes(attribute)}
        elif is_punct(tree, "!") and at + 1 < len(trees) and isinstance(trees[at + 1], Group):
            name = tree_at(trees, at - 1)
            if (
                isinstance(name, Token)
                and name.kind is TokenKind.IDENT
                and not is_punct(tree_at(trees, at - 2), "$")
            ):
                out.add(_spelled("", path_before(trees, at - 1), name.text.removeprefix("r#")))
    return frozenset(out)


def _spelled(sign: str, path: Sequence[str], name: str) -> str:
    return sign + "::".join([*path[:1], name])


def _outer(path: Sequence[str], name: str) -> set[str]:
    if name in language.ATTRIBUTES or tuple(path[:1]) in language.TOOLS:
        return {f"#{name}"} if name in {"path", "link", "lang"} else set()
    return {_spelled("#", path, name)}


def _bracketed(data: bytes, at: int) -> bytes:
    if data.find(b"]", at, at + _LONGEST) < 0:  # a thousand attributes without an end look for it here
        return _UNBALANCED
    depth = 0
    for match in _BRACKET.finditer(data, at, at + _LONGEST):
        depth += (match[0] == b"[") - (match[0] == b"]")
        if depth == 0 and match[0] == b"]":
            return data[data.index(b"[", at) : match.end()]
    return _UNBALANCED


@lru_cache(maxsize=10_000)
def _opened(text: bytes) -> frozenset[str]:
    """Return the names in a ``cfg_attr``, ``unsafe`` or ``derive``."""
    try:
        trees = read_trees(text.decode("latin-1"), "", scope=0)
    except UnbalancedError:
        return frozenset({UNREADABLE})
    found = list(attributes([tree for tree in trees if isinstance(tree, Group)]))
    out = {f"#{a.name.text}" for a in found if a.name.text in {"path", "link", "lang"}}
    for attribute in found:
        out |= {_spelled("#", a.path, a.name.text) for a in foreign_attributes(attribute)}
    return frozenset(out)


def is_known(name: str, *, own: frozenset[str], elsewhere: frozenset[str]) -> bool:
    """Whether one of ``names`` makes no link-time name, or is the release's ``own`` and will be read.

    ``elsewhere`` are the crates that the file can name and that are not the release's.
    """
    if name == UNREADABLE:
        return False
    if "=" in name:
        return not hides(*name.split("="))
    root, _, last = name.removeprefix("#").rpartition("::")
    if last in (ATTRIBUTES | DERIVES if name.startswith("#") else MACROS | language.READ):
        return True
    if root in elsewhere:
        return False
    return last in own or last in ({"path", "link", "lang"} if name.startswith("#") else language.MACROS)


def hides(name: str, alias: str) -> bool:
    """Whether something is called like a macro or attribute that is known; a type's name is everybody's."""
    return alias in _LOWER and name not in MACROS | ATTRIBUTES | {alias, "crate", "self", "super"}


_LOWER = frozenset(
    {"async_trait", "instrument", "pin_project", "trait_variant"} | {m for m in MACROS if "_" in m}
)


def procedures(trees: Sequence[Tree]) -> frozenset[str]:
    """Return the names of a crate's proc macros, and of the attributes that its derives read."""
    out: set[str] = set()
    for item in read(trees).items:
        if item.attribute("proc_macro", "proc_macro_attribute") is not None:
            out.add(item.name.text.removeprefix("r#"))
        derive = item.attribute("proc_macro_derive")
        if derive is not None:
            out |= {token.text for token in flatten(derive.arguments)}
    return frozenset(out)
