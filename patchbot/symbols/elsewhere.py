"""Code that comes from places which are not read as Rust, or is written by other code while it is built."""

from __future__ import annotations

import posixpath
import re
from collections.abc import Callable, Iterator, Sequence

from patchbot.model import CratePin
from patchbot.symbols.corpus import Corpus
from patchbot.symbols.rust import outside
from patchbot.symbols.rust.facts import Call, Facts
from patchbot.symbols.rust.templates import Template
from patchbot.symbols.rust.tokens import Group, Span, Token, TokenKind, Tree, flatten, is_ident, string_value

# Code in a string of a generator that makes a link-time name when it is compiled.
_WRITES = re.compile(
    rb"\b(?:no_mangle|export_name|link_name|link_section|linkage|global_asm|naked_asm|panic_handler"
    rb"|global_allocator|alloc_error_handler|rustc_std_internal_symbol)\b"
    rb'|\basm\s*!|\bextern\s*(?:\\*"[^"\\]*\\*"\s*)?\{'
)


Doubt = tuple[str, int, str]


def doubts(corpus: Corpus, facts: Facts, string: Callable[[Sequence[Tree]], Template]) -> Iterator[Doubt]:
    """Return what could bring in a link-time name unread, as (path, offset, why).

    ``facts`` are those of all Rust files; ``string`` reads what a macro such as ``concat!`` makes.
    """
    reader = _Reader(corpus, string)
    found = (*reader.modules(facts), *reader.includes(facts), *reader.generators())
    yield from ((place.path, place.start, why) for place, why in found)
    yield from reader.manifests()


class _Reader:
    def __init__(self, corpus: Corpus, string: Callable[[Sequence[Tree]], Template]) -> None:
        self.corpus = corpus
        self.string = string
        self.rust = frozenset(corpus.rust)

    def modules(self, facts: Facts) -> Iterator[tuple[Span, str]]:
        for module in facts.modules:
            if module.path and not self.is_read(module.place, module.path, module.folder):
                yield module.place, f"the module {module.name} is in a file that is not read"

    def is_read(self, place: Span, path: str, folder: Sequence[str] = ()) -> bool:
        """Whether the file that ``path`` names in the file of ``place`` is read as Rust."""
        beside = posixpath.dirname(place.path)
        return posixpath.normpath("/".join([beside, *folder, path])) in self.rust

    def includes(self, facts: Facts) -> Iterator[tuple[Span, str]]:
        for call in facts.calls:
            if call.name.text == "include":
                yield from ((call.name.origin, why) for why in self.included(call))

    def included(self, call: Call) -> Iterator[str]:
        """Doubt an included file, unless it is read, or a build script writes it that is read."""
        words = list(flatten(call.arguments.children))
        named = self.string(call.arguments.children)
        if not any(piece.opaque for piece in named.pieces):
            places = [call.name.origin, *(token.origin for token in words)]
            if not any(self.is_read(place, named.text) for place in places):
                yield f"includes {named.text}, which is not read"
            return
        pin = self.corpus.release.crate(self.corpus.crate_of[call.name.origin.path])
        script = self.corpus.build_script(pin)
        if script is None or not self.is_written(words, script):
            yield "includes a file that cannot be known"
        else:
            for _, why in self.corpus.build_facts(pin, script).programs:
                yield f"includes a file, and {why}"

    def is_written(self, words: Sequence[Token], script: str) -> bool:
        """Whether the path that an ``include!`` spells is of what a build script writes."""
        strings = [string_value(token).text for token in words if token.kind is TokenKind.STRING]
        text = self.corpus.text(script) or ""
        return "OUT_DIR" in strings or any(f"rustc-env={name}=" in text for name in strings if name)

    def generators(self) -> Iterator[tuple[Span, str]]:
        scripts = {self.corpus.build_script(pin) for pin in self.corpus.release.crates}
        for path, crate in self.corpus.crate_of.items():
            if path in scripts or (crate in self.corpus.generators and path.endswith(".rs")):
                for place in self.written(path):
                    yield place, "writes code that makes a link-time name"

    def written(self, path: str) -> list[Span]:
        """Return the strings of a file that hold code which makes a link-time name."""
        data = self.corpus.files[path]
        if not self.corpus.readings.keep(("writes", data), lambda: _WRITES.search(data) is not None):
            return []
        return self.corpus.of_trees("written", path, _writing)

    def manifests(self) -> Iterator[Doubt]:
        """Doubt what manifests say and nothing here follows."""
        own = {pin.name for pin in self.corpus.release.crates}
        for pin in self.corpus.release.crates:
            unknown = set(self.corpus.manifest(pin).build_dependencies.values()) - own
            told = [
                *self.manifest(pin),
                *(
                    f"the build script can use {name}, which is not known"
                    for name in sorted(unknown - outside.BUILD_DEPENDENCIES)
                ),
            ]
            yield from ((f"{pin.prefix}Cargo.toml", 0, why) for why in told)

    def manifest(self, pin: CratePin) -> Iterator[str]:
        manifest = self.corpus.manifest(pin)
        yield from manifest.doubts
        if manifest.links != pin.entry.links:
            yield f"the links key is {manifest.links}, and the index says {pin.entry.links}"
        if manifest.library and not manifest.proc_macro and self.corpus.library(pin) not in self.rust:
            yield f"the library {manifest.library} is not read"
        if manifest.build_script and self.corpus.build_script(pin) is None:
            yield f"the build script {manifest.build_script} is not there"


def _writing(trees: Sequence[Tree]) -> list[Span]:
    return [token.origin for token in _strings(trees) if _WRITES.search(token.text.encode("latin-1"))]


def _strings(trees: Sequence[Tree]) -> Iterator[Token]:
    """Return the string literals, but for those of documentation."""
    for at, tree in enumerate(trees):
        if isinstance(tree, Group):
            documents = (
                tree.delimiter == "[" and at > 0 and tree.children and is_ident(tree.children[0], "doc")
            )
            if not documents:
                yield from _strings(tree.children)
        elif tree.kind is TokenKind.STRING:
            yield tree
