"""What a build script can do to link-time names beside compiling files: link, run programs, write Rust.

None of it is followed.  A script that does nothing of the kind says so by its words, which are few.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

from patchbot.symbols.rust.facts import Facts
from patchbot.symbols.rust.reader import read as read_rust
from patchbot.symbols.rust.tokens import (
    Group,
    Span,
    Token,
    TokenKind,
    Tree,
    flatten,
    is_ident,
    is_punct,
    render,
    split,
    string_value,
    tree_at,
)
from patchbot.symbols.rust.words import TRIGGERS, has_foreign_block, identifiers

Doubts = Iterator[tuple[Span, str]]

_LINKED = re.compile(r"rustc-(?:\w+-)*link-|rustc-flags")

# Parts of the platform's C library: what they define is everybody's, and nobody's to suffix.
_SYSTEM = re.compile(r"cargo::?rustc-link-lib=(?:dylib=)?(?:c|m|dl|pthread|rt|util)")

_FOR_CARGO = re.compile(r"cargo::?(?![:\w])|cargo::?([\w-]*)(=?)")

# Programs that make no object, and the variables in which cargo names them.
_PROGRAMS = frozenset({"git", "rustc", "rustfmt", "cargo"})
_VARIABLES = frozenset({"RUSTC", "RUSTC_WRAPPER", "CARGO", "RUSTDOC"})

# Methods of cc::Build that change what a compiler sees, or which one it is.
_OPAQUE = frozenset(
    {"compiler", "archiver", "ranlib", "get_compiler", "try_get_compiler", "get_archiver", "try_get_archiver",
     "to_command", "try_flags_from_environment", "cpp", "cuda", "compile_intermediates",
     "try_compile_intermediates", "link_lib_modifier"}
)  # fmt: skip
_COPIES = frozenset({"copy", "hard_link", "rename", "symlink"})
_READS = frozenset({"read", "read_to_string"})


def programs(trees: Sequence[Tree]) -> Doubts:
    """Return the programs that a build script runs, and that could make an object or write code."""
    for at, siblings in _places(trees):
        token = siblings[at]
        if isinstance(token, Token) and _word(token) == "Command":
            yield from _program(siblings, at, token)


def read(trees: Sequence[Tree]) -> Doubts:
    """Return what a build script does that could make a name and is not followed; programs are told apart."""
    yield from _strings(trees)
    yield from _elsewhere(trees, read_rust(trees))
    yield from _code(trees)
    writes = any(_is_string(token, "OUT_DIR") for token in flatten(trees))
    for at, siblings in _places(trees):
        yield from _calls(siblings, at, writes=writes)


def _places(trees: Sequence[Tree]) -> Iterator[tuple[int, Sequence[Tree]]]:
    """Return every identifier, by its position among its neighbours."""
    for at, tree in enumerate(trees):
        if isinstance(tree, Group):
            yield from _places(tree.children)
        elif tree.kind is TokenKind.IDENT:
            yield at, trees


def _strings(trees: Sequence[Tree]) -> Doubts:
    for token in flatten(trees):
        if token.kind is not TokenKind.STRING:
            continue
        text = string_value(token).text
        if _LINKED.search(text) and not _SYSTEM.fullmatch(text):
            yield token.origin, "the build script links what is not read here"
        elif any(not match[2] for match in _FOR_CARGO.finditer(text)):
            yield token.origin, "the build script tells cargo what cannot be read here"


def _elsewhere(trees: Sequence[Tree], facts: Facts) -> Doubts:
    why = "the build script goes on in another file ({})"
    for module in facts.modules:
        yield module.place, why.format(f"mod {module.name}")
    hidden = [body for macro in facts.macros for body in (rule.body for rule in macro.rules)]
    for body in (*hidden, *(call.arguments.children for call in facts.calls)):
        for at, siblings in _places(body):
            if is_ident(siblings[at], "mod") and any(is_punct(t, ";") for t in siblings[at + 1 : at + 4]):
                yield _origin(siblings[at]), why.format("mod")
    for at, siblings in _places(trees):
        token = siblings[at]
        if _word(token) == "include" and is_punct(tree_at(siblings, at + 1), "!"):
            yield _origin(token), why.format("include!")


def _code(trees: Sequence[Tree]) -> Doubts:
    """Doubt code that makes names: a script's own are nobody's, but one that quotes them writes them."""
    words = TRIGGERS & identifiers(trees)
    for token in flatten(trees):
        if token.kind is TokenKind.IDENT and _word(token) in words:
            yield token.origin, "the build script has or writes code that makes a link-time name"
    if has_foreign_block(trees):
        place = next(token.origin for token in flatten(trees) if is_ident(token, "extern"))
        yield place, "the build script has or writes code that imports a link-time name"


def _calls(siblings: Sequence[Tree], at: int, *, writes: bool) -> Doubts:
    token = siblings[at]
    assert isinstance(token, Token)  # noqa: S101 - _places said so
    word, before, after = _word(token), tree_at(siblings, at - 1), tree_at(siblings, at + 1)
    arguments = after.children if isinstance(after, Group) and after.delimiter == "(" else None
    dotted = is_punct(before, ".")
    if word == "set_var":
        yield token.origin, f"the build script sets {render(arguments or ())} for the programs that it runs"
    elif word in _OPAQUE and dotted and not (arguments and is_ident(arguments[0], "false")):
        yield token.origin, f"the build script calls .{word}(…), which is not followed"
    elif word in {"print", "println"} and is_punct(after, "!"):
        yield from _printed(siblings, at, token)
    elif word == "stdout" and not dotted and arguments == ():
        yield token.origin, "the build script tells cargo what cannot be read here"
    elif writes and (
        (word in _COPIES and not dotted)
        or (word in _READS and not dotted and arguments)
        or (word in {"include_str", "include_bytes"} and is_punct(after, "!"))
    ):
        yield token.origin, f"the build script copies or reads a file ({word}), and writes others"


def _program(siblings: Sequence[Tree], at: int, token: Token) -> Doubts:
    following = siblings[at + 1 : at + 5]
    if following and is_ident(following[0], "as"):
        yield token.origin, "the build script runs programs by a name that is not followed"
    if len(following) < 4 or not is_ident(following[2], "new"):  # noqa: PLR2004 - :: new (…)
        return
    program = following[3]
    if isinstance(program, Group) and not _is_known(program.children, siblings[:at]):
        yield token.origin, f"the build script runs {render(program.children)}"


def _is_known(program: Sequence[Tree], before: Sequence[Tree]) -> bool:
    """Whether a program is one of those that make no object: by its name, or by the variable that holds it."""
    strings = [token for token in flatten(program) if token.kind is TokenKind.STRING]
    if strings:
        return all(string_value(token).text in _PROGRAMS | _VARIABLES for token in strings)
    names = [token.text for token in flatten(program) if token.kind is TokenKind.IDENT]
    for at, tree in enumerate(before):
        if is_ident(tree, "let") and is_ident(tree_at(before, at + 1), *names[:1]):
            end = next((i for i in range(at, len(before)) if is_punct(before[i], ";")), len(before))
            return any(_is_string(token, *_VARIABLES) for token in flatten(before[at:end]))
    return False


def _printed(siblings: Sequence[Tree], at: int, token: Token) -> Doubts:
    given = siblings[at + 2] if at + 2 < len(siblings) else None
    parts = split(given.children, ",") if isinstance(given, Group) else []
    if not parts:
        return
    first = parts[0][0] if len(parts[0]) == 1 else None
    known = isinstance(first, Token) and first.kind is TokenKind.STRING
    if not known or (isinstance(first, Token) and string_value(first).text.lstrip().startswith("{")):
        yield token.origin, "the build script tells cargo what cannot be read here"


def _is_string(token: Token, *texts: str) -> bool:
    return token.kind is TokenKind.STRING and string_value(token).text in texts


def _word(tree: Tree) -> str:
    return tree.text.removeprefix("r#") if isinstance(tree, Token) else ""


def _origin(tree: Tree) -> Span:
    return tree.open if isinstance(tree, Group) else tree.origin
