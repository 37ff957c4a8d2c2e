"""Imports that nothing can satisfy: upstream sometimes leaves a file behind that no compiler takes any more."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

from patchbot.symbols.corpus import Corpus
from patchbot.symbols.rust.tokens import Token, TokenKind, Tree, flatten, is_ident, is_punct


def missing(corpus: Corpus, path: str) -> str:
    """Return which ``use`` of a file names what a crate of the release does not have, or nothing.

    A name that stands nowhere in the other crate cannot be one of its items or macros.
    """
    for crate, names in _uses(corpus.trees(path)):
        files = _files(corpus, path, crate.text)
        for name in names:
            word = re.compile(rb"\b%b\b" % name.text.encode("latin-1"))
            if files and not any(corpus.readings.found(word, [word.pattern[2:-2]], data) for data in files):
                line = corpus.line_of(name.origin)
                return f"imports {name.text}, which {crate.text} does not have ({path}:{line})"
    return ""


def _files(corpus: Corpus, path: str, alias: str) -> list[bytes]:
    """Return the Rust files of the crate that the owner of ``path`` knows as ``alias``; none if it is not upstream's."""
    owner = corpus.release.owner(path)
    entries = owner.entry.dependencies if owner is not None else ()
    package = next((d.package for d in entries if d.alias.replace("-", "_") == alias), None)
    return [corpus.files[p] for p in corpus.by_crate.get(package or "", ()) if p.endswith(".rs")]


def _uses(trees: Sequence[Tree]) -> Iterator[tuple[Token, list[Token]]]:
    """Return crate and names of each ``use crate::{a, b};`` that stands at the top of a file."""
    for at, tree in enumerate(trees):
        if not is_ident(tree, "use"):
            continue
        end = next((i for i in range(at, len(trees)) if is_punct(trees[i], ";")), len(trees))
        path = trees[at + 1 : end]
        first = path[0] if path else None
        if isinstance(first, Token) and first.kind is TokenKind.IDENT and len(path) > 3:  # noqa: PLR2004 - a :: b
            yield first, [name for name in _leaves(path[3:]) if name.kind is TokenKind.IDENT]


def _leaves(path: Sequence[Tree]) -> Iterator[Token]:
    """Return the words of a path behind its crate; modules on the way are words of the crate too."""
    for name in flatten(path):
        if not is_ident(name, "self", "super", "crate", "as", "_"):
            yield name
