"""Expand the macros of a release that can make link-time names, and read what they become."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from collections.abc import Set as AbstractSet
from copy import copy
from dataclasses import replace
from functools import partial

from patchbot.symbols.corpus import Corpus
from patchbot.symbols.rust import language, outside
from patchbot.symbols.rust.facts import Attribute, Call, Doubt, Facts
from patchbot.symbols.rust.macros import LIMIT, Macro, NoMatchError, TooLargeError, expand
from patchbot.symbols.rust.quoted import QuotedMacro
from patchbot.symbols.rust.reader import read
from patchbot.symbols.rust.templates import Naming
from patchbot.symbols.rust.tokens import Span, Token, Tree, flatten
from patchbot.symbols.rust.words import (
    ASSEMBLY_MACROS,
    CARRIERS,
    TRIGGERS,
    has_foreign_block,
    identifiers,
    words_in_attributes,
)

MAX_DEPTH = 128  # as rustc


class Expander:
    """Collects the facts of every file that could make a link-time name, expansions included."""

    def __init__(
        self,
        corpus: Corpus,
        naming: Naming,
        quoted: Mapping[str, QuotedMacro],
        opaque: frozenset[str],
        known: frozenset[str] = frozenset(),
    ) -> None:
        self._corpus = corpus
        self._naming = naming
        self._quoted = quoted
        self._opaque = opaque
        # macros and attributes of the release
        self._own = known | corpus.macro_names | opaque | naming.words | quoted.keys()
        self._unknown = _Unknown(corpus, self._own)
        self._words = TRIGGERS | CARRIERS | naming.words
        self._hidden = self._words - {"DW_AT_linkage_name"}  # what a macro must not hide among its arguments
        self._relevant: set[str] = set()
        self._expanded: set[Span] = set()
        self._files: list[str] = []
        self._left = LIMIT  # tokens that the macro call of a file may still become, with all calls in it

    def within(self, corpus: Corpus) -> Expander:
        """Return an expander of the same release for a view of its sources: which files matter is known."""
        self._find_files()
        other = copy(self)
        other._corpus = corpus  # noqa: SLF001 - one of us
        return other

    @property
    def files(self) -> tuple[str, ...]:
        """The files that were worth reading."""
        return tuple(self._files)

    def collect(self) -> Facts:
        """Return everything that was found; what could not be followed is among its doubts."""
        self._find_files()
        out = Facts()
        for path in self._files:
            facts = self._corpus.facts(path)
            out.add(facts)
            for call in facts.calls:
                out.add(self.follow(call))
        for path in self._corpus.with_word(self._opaque):
            for word in self._corpus.of_trees("opaque", path, self._opaque_attributes, *sorted(self._opaque)):
                out.doubts.append(
                    Doubt(word.origin, f"#[{word.text}] is a proc macro that makes link-time names")
                )
        out.doubts += self._renamed(out)
        out.doubts += self._for_others()
        for attribute in out.attributes:
            if self._unknown.attribute(attribute):
                name = f"derive({attribute.name.text})" if attribute.derived else f"#[{attribute.name.text}]"
                out.doubts.append(
                    Doubt(attribute.name.origin, f"{name} comes from elsewhere, and is not known")
                )
        return out

    def _opaque_attributes(self, trees: Sequence[Tree]) -> list[Token]:
        return list(words_in_attributes(trees, self._opaque))

    def _renamed(self, found: Facts) -> Iterator[Doubt]:
        hidden = (
            ASSEMBLY_MACROS
            | CARRIERS
            | self._relevant
            | self._opaque
            | self._quoted.keys()
            | self._naming.export
            | self._naming.link
        )
        for name, alias in zip(found.renames, found.aliases, strict=True):
            if name.text in hidden and alias.text != name.text:
                yield Doubt(name.origin, f"{name.text} is given another name, which is not followed")
            if outside.hides(name.text, alias.text):
                yield Doubt(
                    alias.origin, f"{name.text} is called {alias.text}, like a macro that makes no name"
                )

    def _for_others(self) -> Iterator[Doubt]:
        """Doubt exported macros that nobody calls here: where others do, they make a name of this release."""
        for path in self._files:
            for macro in self._corpus.facts(path).macros:
                called = not macro.exported or macro.place in self._expanded
                if not called and self._matters(macro) and any(_makes(rule.body) for rule in macro.rules):
                    yield Doubt(macro.place, f"{macro.name}! makes a name where others call it")

    def follow(self, call: Call) -> Facts:
        """Return what a macro call of a file becomes, with all calls in it."""
        self._left = LIMIT
        made = Facts()
        self._follow(call, made, 0)
        made.assembly = [replace(assembly, caller=call.name.origin) for assembly in made.assembly]
        return made

    def _find_files(self) -> None:
        """Read files until no macro is left that could matter and was not looked at.

        A macro matters if its body has a trigger or calls one that matters; a file matters if it has a
        trigger or names a macro that does.
        """
        if self._files:
            return
        self._files = list(
            dict.fromkeys(
                [
                    *self._corpus.worth_reading,
                    *self._named(self._words),
                    *self._unknown.files,
                ]
            )
        )
        wanted = set(self._opaque) | self._quoted.keys()
        while True:
            known = set(self._files)
            self._files += [path for path in self._named(wanted) if path not in known]
            grown = {
                macro.name
                for path in self._files
                for macro in self._corpus.facts(path).macros
                if macro.name not in self._relevant and self._matters(macro)
            }
            if not grown:
                return
            self._relevant |= grown
            wanted = grown

    def _named(self, words: frozenset[str] | set[str]) -> list[str]:
        return self._corpus.with_word(words - TRIGGERS - CARRIERS)

    def _matters(self, macro: Macro) -> bool:
        return any(
            self._has(rule.body, self._words, self._relevant, self._opaque, self._quoted.keys())
            or _has_path(rule.body)
            for rule in macro.rules
        )

    def _has(self, trees: tuple[Tree, ...], *words: AbstractSet[str]) -> bool:
        """Whether any of these words, a foreign block or an unknown macro stands anywhere in the trees."""
        found, foreign, used = self._corpus.readings.recall_of(
            "words", (trees,), lambda: (identifiers(trees), has_foreign_block(trees), outside.used(trees))
        )
        return foreign or not used.isdisjoint(self._unknown.names) or not all(map(found.isdisjoint, words))

    def _follow(self, call: Call, out: Facts, depth: int) -> None:
        name = call.name.text
        if name in self._opaque:
            out.doubts.append(Doubt(call.name.origin, f"{name}! is a proc macro that makes link-time names"))
            return
        if self._unknown.macro(call):
            out.doubts.append(Doubt(call.name.origin, f"{name}! comes from elsewhere, and is not known"))
            return
        if name in self._naming.stringify | self._naming.suffix_only | language.VALUES:
            return
        given = call.arguments.children
        if (quoted := self._quoted.get(name)) is not None:
            self._follow_quoted(quoted, call, out, depth)
            return
        if (
            not call.foreign
            and name not in self._relevant
            and not self._has(given, self._hidden, self._relevant)
        ):
            return
        if name in language.PLAIN:
            self._read(call.arguments.children, call, (), out, depth)
        elif name != "include" and not self._followed(call, out, depth):
            where = "stands in a foreign block" if call.foreign else "is given what makes link-time names"
            out.doubts.append(Doubt(call.name.origin, f"{name}! cannot be followed and {where}"))

    def _followed(self, call: Call, out: Facts, depth: int) -> bool:
        """Expand a call by every definition that its macro can have; return whether there was any."""
        followed = False
        for macro in self._corpus.macros(call.name.text, call.name.origin.path, call.path):
            try:
                expansion = self._expand(macro, call.arguments.children)
            except NoMatchError:
                continue
            except TooLargeError:
                return False
            followed = True
            self._read(expansion, call, self._macro_conditions(macro, call), out, depth)
        return followed

    def _follow_quoted(self, macro: QuotedMacro, call: Call, out: Facts, depth: int) -> None:
        """Read what a proc macro makes: the items are of the crate that calls it."""
        try:
            given = call.arguments.children
            expansion = self._corpus.readings.recall_of("quoted", (macro, given), lambda: macro.expand(given))
        except NoMatchError:
            why = f"{macro.name}! is a proc macro that makes link-time names, and is given more than one"
            out.doubts.append(Doubt(call.name.origin, why))
            return
        made = Facts()
        self._read(expansion, call, (), made, depth)
        made.items = [replace(item, caller=call.name.origin) for item in made.items]
        out.add(made)

    def _read(
        self, trees: tuple[Tree, ...], call: Call, conditions: tuple[str, ...], out: Facts, depth: int
    ) -> None:
        if depth >= MAX_DEPTH:
            out.doubts.append(Doubt(call.name.origin, f"{call.name.text}! expands too deep to be followed"))
            return
        facts = self._facts(trees, (*call.cfgs, *conditions), foreign=call.foreign)
        out.add(facts)
        for macro in facts.macros:
            if self._matters(macro):
                out.doubts.append(
                    Doubt(macro.place, f"{call.name.text}! defines {macro.name}!, which is not followed")
                )
        for inner in facts.calls:
            self._follow(inner, out, depth + 1)

    def _expand(self, macro: Macro, arguments: tuple[Tree, ...]) -> tuple[Tree, ...]:
        """Return what a call becomes; raises ``TooLargeError`` if macros that call each other grow without end."""
        expansion, size = self._corpus.readings.recall_of(
            "expand", (macro, arguments), partial(_measured, macro, arguments)
        )
        self._left -= size
        if self._left < 0:
            raise TooLargeError
        if expansion is None:
            raise NoMatchError(macro.name)
        self._expanded.add(macro.place)
        return expansion

    def _facts(self, trees: tuple[Tree, ...], cfgs: tuple[str, ...], *, foreign: bool) -> Facts:
        return self._corpus.readings.recall_of(
            "read", (trees,), lambda: read(trees, cfgs=cfgs, foreign=foreign), cfgs, foreign
        )

    def _macro_conditions(self, macro: Macro, call: Call) -> tuple[str, ...]:
        """Return the conditions of a macro's definition, where it belongs to the crate that calls it.

        Another crate's variants differ by target only in how a name is spelled for the assembler.
        """
        same = self._corpus.crate_of.get(macro.place.path) == self._corpus.crate_of.get(call.name.origin.path)
        return macro.cfgs if same else ()


class _Unknown:
    """What files use of macros and attributes that are neither the release's nor known."""

    def __init__(self, corpus: Corpus, own: frozenset[str]) -> None:
        self._corpus = corpus
        self._own = own
        self._elsewhere = {pin.name: corpus.elsewhere(pin.name) for pin in corpus.release.crates}
        self._known: dict[tuple[str, str], bool] = {}  # by crate and name
        self._aliases = self._known_aliases()
        unknown = self._unknown_by_crate()
        self.files: list[str] = []
        found: set[str] = set()
        for path in corpus.rust:
            names = corpus.names(path)
            here = names & unknown[corpus.crate_of[path]]
            if here or not names.isdisjoint({"#path", "#link", "#lang"}):
                self.files.append(path)
            found |= here
        self.names = frozenset(name for name in found if "=" not in name) - {outside.UNREADABLE}

    def _unknown_by_crate(self) -> dict[str, set[str]]:
        """Return the names that are not known where the files of a crate use them."""
        paths: dict[str, list[str]] = {}
        for path in self._corpus.rust:
            paths.setdefault(self._corpus.crate_of[path], []).append(path)
        used = {crate: set().union(*map(self._corpus.names, own)) for crate, own in paths.items()}
        return {
            crate: {name for name in names if not self._is_known(name, paths[crate][0])}
            for crate, names in used.items()
        }

    def macro(self, call: Call) -> bool:
        """Whether a macro that is called is not known."""
        return not self._is_known("::".join([*call.path[:1], call.name.text]), call.name.origin.path)

    def attribute(self, attribute: Attribute) -> bool:
        """Whether an attribute or derive is not known."""
        spelled = "::".join([*attribute.path[:1], attribute.name.text])
        return not self._is_known(f"#{spelled}", attribute.name.origin.path)

    def _is_known(self, name: str, path: str) -> bool:
        crate = self._corpus.crate_of.get(path, "")
        known = self._known.get((crate, name))
        if known is None:
            elsewhere = self._elsewhere.get(crate, frozenset())
            known = self._known[crate, name] = outside.is_known(name, own=self._aliases, elsewhere=elsewhere)
        return known

    def _known_aliases(self) -> frozenset[str]:
        """Return the release's own names, and other names that it gives to macros that are known."""
        pairs = (
            name.split("=") for path in self._corpus.rust for name in self._corpus.names(path) if "=" in name
        )
        known = self._own | outside.MACROS | language.MACROS
        return self._own | {alias for name, alias in pairs if name in known}


def _has_path(trees: Sequence[Tree]) -> bool:
    """Whether the body of a macro can have a module with ``#[path]``."""
    return {"mod", "path"} <= identifiers(trees)


def _makes(trees: Sequence[Tree]) -> bool:
    """Whether the body of a macro makes a name that it spells itself, whatever it is called with."""
    facts = read(trees)
    spelled = [
        item.name for item in facts.items if item.foreign or item.attribute("no_mangle", "export_name")
    ]
    return bool(spelled or facts.assembly)


def _measured(macro: Macro, arguments: Sequence[Tree]) -> tuple[tuple[Tree, ...] | None, int]:
    """Return an expansion, None if no rule matches, and how many tokens it costs."""
    try:
        expansion = expand(macro, arguments)
    except NoMatchError:
        return None, 0
    except TooLargeError:
        return None, LIMIT + 1
    return expansion, 1 + sum(1 for _ in flatten(expansion))
