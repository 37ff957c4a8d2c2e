"""What the headers that a crate ships declare for C callers: the C API's names, as callers spell them."""

from __future__ import annotations

import posixpath
import re
from collections.abc import Iterable, Sequence
from functools import partial

from patchbot.symbols.c import c
from patchbot.symbols.c.preprocessor import Expanded, preprocess_headers
from patchbot.symbols.corpus import Corpus

# A macro for a number or a string.  One header has the release's version so: it would be another header in each.
_CONSTANT = re.compile(r'(?m)^#define (\w+) (\d+|"[\w.+-]*")$')

_Constants = tuple[tuple[str, str], ...]  # name, value


def declared(corpus: Corpus, crate: str) -> tuple[tuple[str, str], ...]:
    """Return every (header, name) that a header of ``crate`` declares, in the order of the headers.

    A name that a macro makes is declared where the macro is called.
    """
    paths = tuple(path for path in corpus.by_crate[crate] if path.endswith(".h"))
    if not paths:
        return ()
    texts = [corpus.text(path) or "" for path in paths]
    constants = tuple(found for text in texts for found in _CONSTANT.findall(text))
    # the names stay: where one header has a constant that nobody uses, another can have one that somebody does
    shape = tuple((path, _CONSTANT.sub(r"#define \1", text)) for path, text in zip(paths, texts, strict=True))
    read = partial(_declared, corpus, paths, constants)
    used, found = corpus.readings.keep(("headers", shape), read)
    if used != _only(constants, (name for name, _ in used)):
        _, found = corpus.readings.keep(("headers", shape, constants), read)
    return found


def _only(constants: _Constants, names: Iterable[str]) -> _Constants:
    wanted = set(names)
    return tuple((name, value) for name, value in constants if name in wanted)


def _declared(
    corpus: Corpus, paths: Sequence[str], constants: _Constants
) -> tuple[_Constants, tuple[tuple[str, str], ...]]:
    """Return which constants had a say in what is declared, and what is declared."""
    unit = preprocess_headers(paths, read=corpus.text, search=_folders(paths))
    found = dict.fromkeys(found for text in unit.variants for found in _names(text))
    return _only(constants, unit.used), tuple(found)


def _names(text: Expanded) -> list[tuple[str, str]]:
    return [(text.token_at(name.offset).path, name.name) for name in c.scan(text).names if not name.in_string]


def _folders(paths: Sequence[str]) -> list[str]:
    """Return the folders that a caller could give with ``-I``: those of the headers, and those above them."""
    near = {posixpath.dirname(path) for path in paths}
    return sorted(near | {posixpath.dirname(folder) for folder in near})
