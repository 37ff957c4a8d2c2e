"""What the headers that a crate ships declare for C callers: the C API's names, as callers spell them."""

from __future__ import annotations

import posixpath
from collections.abc import Sequence

from patchbot.symbols import c
from patchbot.symbols.corpus import Corpus
from patchbot.symbols.preprocessor import Expanded, preprocess_headers


def declared(corpus: Corpus, crate: str) -> tuple[tuple[str, str], ...]:
    """Return every (header, name) that a header of ``crate`` declares, in the order of the headers.

    A name that a macro makes is declared where the macro is called.
    """
    paths = tuple(path for path in corpus.by_crate[crate] if path.endswith(".h"))
    key = ("headers", paths, *(corpus.files[path] for path in paths))
    return corpus.readings.recall(key, lambda: tuple(dict.fromkeys(_declared(corpus, paths))))


def _declared(corpus: Corpus, paths: Sequence[str]) -> list[tuple[str, str]]:
    if not paths:
        return []
    unit = preprocess_headers(paths, read=corpus.text, search=_folders(paths))
    return [found for text in unit.variants for found in _names(text)]


def _names(text: Expanded) -> list[tuple[str, str]]:
    return [(text.token_at(name.offset).path, name.name) for name in c.scan(text).names if not name.in_string]


def _folders(paths: Sequence[str]) -> list[str]:
    """Return the folders that a caller could give with ``-I``: those of the headers, and those above them."""
    near = {posixpath.dirname(path) for path in paths}
    return sorted(near | {posixpath.dirname(folder) for folder in near})
