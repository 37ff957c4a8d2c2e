"""Crate paths that macros print: ``wasmtime::component::Linker`` in what ``bindgen!`` expands to.

A path is looked up where the macro is used, under the name that crate has there.  A fork's library has a
name of its own, so its macros must print that one; and the fork's own crates that use such macros know it
under upstream's name, so they need the other name at their root as well.

Printed is what stands in ``quote!`` and its kin, or in a string, in a proc-macro crate or in one that it is
made of; and the library must be one that uses these crates: ``wasmtime_c_api_macros`` prints its own name
for one crate only, which keeps the alias.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property, partial

from patchbot.model import CratePin, Dependency, DependencyKind
from patchbot.symbols import cfg
from patchbot.symbols.corpus import Corpus
from patchbot.symbols.rust.tokens import (
    Group,
    Span,
    Token,
    TokenKind,
    Tree,
    flatten,
    is_ident,
    is_punct,
    string_value,
)
from patchbot.symbols.rust.words import words_in_attributes

_QUOTES = frozenset({"quote", "parse_quote", "quote_spanned", "parse_quote_spanned"})

# Calls that make a path or an identifier of a string: `Ident::new("wasmtime", …)`, `.unwrap_or("wasmtime".into())`.
_MAKERS = frozenset({"new", "unwrap_or", "unwrap_or_else", "parse_str", "format_ident", "from"})


@dataclass(frozen=True, slots=True)
class PrintedPath:
    """The first word of a path that a macro prints: where it is written, and whose library it names."""

    place: Span
    library: str
    package: str


@dataclass(frozen=True, slots=True)
class MacroUser:
    """A crate that uses such macros itself.

    It knows ``library`` as ``alias`` (``self`` if it is that library); ``cfg`` is when it does, empty for
    always.  ``root`` is its root file and ``at`` the offset behind its inner attributes.
    """

    crate: str
    root: str
    at: int
    library: str
    alias: str
    cfg: str


@dataclass(frozen=True, slots=True)
class CratePaths:
    """Everything of a release that has to do with printed paths; doubts as (place, why)."""

    printed: tuple[PrintedPath, ...] = ()
    users: tuple[MacroUser, ...] = ()
    doubts: tuple[tuple[Span, str], ...] = ()

    @property
    def packages(self) -> dict[str, str]:
        """The libraries that are printed, each with its package."""
        return {path.library: path.package for path in self.printed}


def read_paths(corpus: Corpus) -> CratePaths:
    """Find the paths that the macros of a release print, and the crates that use these macros."""
    return _Reader(corpus).paths()


class _Reader:
    def __init__(self, corpus: Corpus) -> None:
        self.corpus = corpus
        self.pins = {pin.name: pin for pin in corpus.release.crates}
        self.doubts: list[tuple[Span, str]] = []

    def paths(self) -> CratePaths:
        printed = {crate: list(self.printed(crate)) for crate in sorted(self.generators)}
        everything = [path for paths in printed.values() for path in paths]
        users = [
            user
            for package in sorted({path.package for path in everything})
            for user in self.users(
                package,
                {crate for crate, paths in printed.items() if any(p.package == package for p in paths)},
            )
        ]
        return CratePaths(tuple(everything), tuple(users), tuple(self.doubts))

    # -- which crates ------------------------------------------------------------------------------

    @cached_property
    def below(self) -> dict[str, set[str]]:
        """The own crates that each crate needs to be built, all the way down."""
        direct = {
            name: {d.package for d in pin.entry.needed} & self.pins.keys()
            for name, pin in self.pins.items()
        }  # fmt: skip
        out: dict[str, set[str]] = {}
        for name in self.pins:
            waiting, seen = list(direct[name]), set[str]()
            while waiting:
                crate = waiting.pop()
                if crate not in seen:
                    seen.add(crate)
                    waiting += direct[crate]
            out[name] = seen
        return out

    @cached_property
    def proc_macros(self) -> tuple[CratePin, ...]:
        return self.corpus.proc_macro_crates

    @cached_property
    def generators(self) -> set[str]:
        """Proc-macro crates, and the own crates that they are made of."""
        return {name for pin in self.proc_macros for name in (pin.name, *self.below[pin.name])}

    def libraries(self, crate: str) -> dict[str, str]:
        """Return the libraries that use what ``crate`` prints: library name → package."""
        above = (name for name, below in self.below.items() if crate in below and name not in self.generators)
        return {self.corpus.library_name(self.pins[name]): name for name in above}

    # -- what is printed ---------------------------------------------------------------------------

    def printed(self, crate: str) -> Iterator[PrintedPath]:
        libraries = self.libraries(crate)
        needles = [name.encode() for name in sorted(libraries)]
        pattern = re.compile(rb"\b(?:%b)\b" % b"|".join(needles)) if needles else None
        for path in self.corpus.by_crate[crate]:
            data = self.corpus.files[path]
            if (
                pattern is not None
                and path.endswith(".rs")
                and self.corpus.readings.found(pattern, needles, data)
            ):
                read = partial(self.in_file, libraries=libraries)
                paths, doubts = self.corpus.of_trees("printed", path, read, *libraries.items())
                self.doubts += doubts
                yield from paths

    def in_file(
        self, trees: Sequence[Tree], libraries: Mapping[str, str]
    ) -> tuple[list[PrintedPath], list[tuple[Span, str]]]:
        """Return the paths that a file prints, and its strings that may become one."""
        alone = _Reader(self.corpus)
        return list(alone.in_trees(trees, libraries)), alone.doubts

    def in_trees(
        self, trees: Sequence[Tree], libraries: Mapping[str, str], caller: str = "", *, quoted: bool = False
    ) -> Iterator[PrintedPath]:
        """Return the paths in trees that stand in a quote (``quoted``), or are what ``caller`` is given."""
        for at, tree in enumerate(trees):
            if isinstance(tree, Group):
                name = _caller(trees, at)
                quotes = name in _QUOTES and is_punct(trees[at - 1], "!")
                yield from self.in_trees(tree.children, libraries, name, quoted=quoted or quotes)
            elif tree.kind is TokenKind.STRING:
                # what stands first in the arguments, be it behind the bars of a closure
                first = all(is_punct(before, "|") for before in trees[:at])
                yield from self.in_string(tree, libraries, makes_path=first and caller in _MAKERS)
            elif (
                quoted and tree.text in libraries and tree.kind is TokenKind.IDENT and _begins_path(trees, at)
            ):
                yield PrintedPath(tree.origin, tree.text, libraries[tree.text])

    def in_string(
        self, token: Token, libraries: Mapping[str, str], *, makes_path: bool
    ) -> Iterator[PrintedPath]:
        """Find paths in a string that becomes code; one that is no more than a name is asked for its use."""
        for match in re.finditer(r"(?<![\w.$#])(?<!\w::)(?<!>::)(\w+)(?=::)", token.text):
            if match[1] in libraries:
                start = token.origin.start + match.start()
                place = token.origin._replace(start=start, end=start + len(match[1]))
                yield PrintedPath(place, match[1], libraries[match[1]])
        value = string_value(token)
        if value.text in libraries:
            place = token.origin._replace(start=value.offsets[0], end=value.offsets[-1])
            if makes_path:
                yield PrintedPath(place, value.text, libraries[value.text])
            else:
                self.doubts.append((token.origin, f"the string {token.text} may become a crate's path"))

    # -- who uses it -------------------------------------------------------------------------------

    def users(self, package: str, printing: set[str]) -> Iterator[MacroUser]:
        """Return the crates that use macros of ``printing``, which print the library of ``package``."""
        for name in self.using(*self.macros(printing)):
            pin = self.pins[name]
            if name == package:
                yield self.user(pin, package, "self", "")
                continue
            for dependency in pin.entry.dependencies:
                if dependency.package == package and dependency.kind is DependencyKind.NORMAL:
                    yield self.user(
                        pin, package, dependency.alias.replace("-", "_"), self.when(pin, dependency)
                    )

    def macros(self, printing: set[str]) -> tuple[frozenset[str], frozenset[str]]:
        """Return the macros whose crate prints, or is made of one that does: those called, those in attributes."""
        called: set[str] = set()
        attributes: set[str] = set()
        for pin in self.proc_macros:
            if printing & {pin.name, *self.below[pin.name]}:
                for item in self.corpus.facts(self.corpus.library(pin)).items:
                    derive = item.attribute("proc_macro_derive")
                    if derive is not None:
                        attributes.add(next(flatten(derive.arguments), item.name).text)
                    elif item.attribute("proc_macro_attribute"):
                        attributes.add(item.name.text)
                    elif item.attribute("proc_macro"):
                        called.add(item.name.text)
        return frozenset(called), frozenset(attributes)

    def using(self, called: frozenset[str], attributes: frozenset[str]) -> list[str]:
        """Return the crates, apart from those that macros are made of, that use one of these macros."""
        patterns = ((rb"\b(?:%b)\s*!", called), (rb"#\s*!?\[[^]]*\b(?:%b)\b", attributes))
        found = [
            path
            for pattern, words in patterns
            if words
            for path in self.corpus.matching(re.compile(pattern % _words(words)), _needles(words))
        ]
        crates = {
            self.corpus.crate_of[path] for path in dict.fromkeys(found) if self.uses(path, called, attributes)
        }
        return sorted(crates - self.generators)

    def uses(self, path: str, called: frozenset[str], attributes: frozenset[str]) -> bool:
        """Whether a file uses one of these macros, and does not only look so."""
        words = (tuple(sorted(called)), tuple(sorted(attributes)))
        return self.corpus.of_trees("uses", path, lambda trees: _uses(trees, called, attributes), *words)

    def user(self, pin: CratePin, package: str, alias: str, when: str) -> MacroUser:
        root, library = self.corpus.library(pin), self.corpus.library_name(self.pins[package])
        at = self.corpus.of_trees("inner", root, partial(_behind_inner, self.corpus.files.get(root, b"")))
        return MacroUser(pin.name, root, at, library, alias, when)

    def when(self, pin: CratePin, dependency: Dependency) -> str:
        """Return under which features a crate has a dependency (cargo book, "Optional dependencies")."""
        if dependency.target is not None:
            place = Span(f"{pin.prefix}Cargo.toml", 0, 0)
            self.doubts.append(
                (place, f"{dependency.package} is needed on {dependency.target} only, and printed")
            )
        if not dependency.optional:
            return ""
        features = pin.entry.features
        given = {f"dep:{dependency.alias}", dependency.alias}
        makers = [
            name
            for name, values in features.items()
            if any(value in given or value.startswith(f"{dependency.alias}/") for value in values)
        ]
        if not any(f"dep:{dependency.alias}" in values for values in features.values()):
            makers.insert(0, dependency.alias)
        options = tuple(cfg.Option("feature", name) for name in dict.fromkeys(makers))
        return cfg.render(cfg.simplify(cfg.Any(options)))


def _begins_path(trees: Sequence[Tree], at: int) -> bool:
    """Whether a path begins with the word at ``at`` (``::word`` does), or the word is all that is quoted."""
    before = at - 1
    if before > 0 and is_punct(trees[before], ":") and is_punct(trees[before - 1], ":"):
        before -= 2
        segment = trees[before] if before >= 0 else None
        if (isinstance(segment, Token) and segment.kind is TokenKind.IDENT) or is_punct(segment, ">"):
            return False
    elif before >= 0 and any(is_punct(trees[before], mark) for mark in ".#$'"):
        return False
    separator = len(trees) > at + 2 and is_punct(trees[at + 1], ":") and is_punct(trees[at + 2], ":")
    return separator or len(trees) == 1 or is_ident(trees[at - 1] if at else None, "use", "crate")


def _caller(trees: Sequence[Tree], at: int) -> str:
    """Return the name of the function or macro whose arguments the group at ``at`` is."""
    before = at - 2 if at and is_punct(trees[at - 1], "!") else at - 1
    name = trees[before] if before >= 0 else None
    return name.text if isinstance(name, Token) else ""


def _needles(names: frozenset[str]) -> list[bytes]:
    return [name.encode("latin-1") for name in sorted(names)]


def _words(names: frozenset[str]) -> bytes:
    return b"|".join(map(re.escape, _needles(names)))


def _uses(trees: Sequence[Tree], called: frozenset[str], attributes: frozenset[str]) -> bool:
    return _calls(trees, called) or next(words_in_attributes(trees, attributes), None) is not None


def _calls(trees: Sequence[Tree], names: frozenset[str]) -> bool:
    for at, tree in enumerate(trees):
        if isinstance(tree, Group):
            if _calls(tree.children, names):
                return True
        elif tree.text in names and is_punct(trees[at + 1] if at + 1 < len(trees) else None, "!"):
            return True
    return False


def _behind_inner(data: bytes, trees: Sequence[Tree]) -> int:
    """Return the offset of the line behind the inner attributes and inner documentation of a file."""
    at = 0
    while at + 2 < len(trees) and is_punct(trees[at], "#") and is_punct(trees[at + 1], "!"):
        at += 3
    first = trees[at].origin.start if at < len(trees) else len(data)
    inner = trees[at - 1].origin.end if at else 0
    for match in re.finditer(rb"^[ \t]*(?://!|/\*!)[^\n]*", data[:first], re.MULTILINE):
        inner = max(inner, match.end())
    end = data.find(b"\n", inner) + 1 if inner else 0
    return end or inner
