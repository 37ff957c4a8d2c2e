"""Expand the macros of a release that can make link-time names, and read what they become."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from collections.abc import Set as AbstractSet
from copy import copy
from dataclasses import replace
from functools import partial

from patchbot.symbols.corpus import Corpus
from patchbot.symbols.macros import LIMIT, Macro, NoMatchError, TooLargeError, expand
from patchbot.symbols.quoted import QuotedMacro
from patchbot.symbols.rust import (
    ASSEMBLY_MACROS,
    TRIGGER_BYTES,
    TRIGGER_NEEDLES,
    TRIGGERS,
    Call,
    Doubt,
    Facts,
    has_foreign_block,
    identifiers,
    read,
    words_in_attributes,
)
from patchbot.symbols.templates import Naming
from patchbot.symbols.tokens import Tree, flatten

MAX_DEPTH = 16

# Macros of std whose arguments are plain code: they are read as if the macro were not there.
PLAIN = frozenset(
    [
        "assert",
        "assert_eq",
        "assert_ne",
        "dbg",
        "debug_assert",
        "debug_assert_eq",
        "debug_assert_ne",
        "eprint",
        "eprintln",
        "format",
        "format_args",
        "matches",
        "panic",
        "print",
        "println",
        "todo",
        "unimplemented",
        "unreachable",
        "vec",
        "write",
        "writeln",
        "thread_local",
        "addr_of",
        "addr_of_mut",
        "offset_of",
        "ready",
        "pin",
        "compile_error",
        "env",
        "option_env",
        "cfg",
        "concat",
        "stringify",
    ]
)


class Expander:
    """Collects the facts of every file that could make a link-time name, expansions included."""

    def __init__(
        self, corpus: Corpus, naming: Naming, quoted: Mapping[str, QuotedMacro], opaque: frozenset[str]
    ) -> None:
        self._corpus = corpus
        self._naming = naming
        self._quoted = quoted
        self._opaque = opaque
        self._words = TRIGGERS | naming.words
        self._hidden = self._words - {"DW_AT_linkage_name"}  # what a macro must not hide among its arguments
        self._relevant: set[str] = set()
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
            for word in words_in_attributes(self._corpus.trees(path), self._opaque):
                out.doubts.append(
                    Doubt(word.origin, f"#[{word.text}] is a proc macro that makes link-time names")
                )
        hidden = (
            ASSEMBLY_MACROS
            | self._relevant
            | self._opaque
            | self._quoted.keys()
            | self._naming.export
            | self._naming.link
        )
        for name in out.renames:
            if name.text in hidden:
                out.doubts.append(
                    Doubt(name.origin, f"{name.text} is given another name, which is not followed")
                )
        return out

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
            dict.fromkeys([*self._corpus.matching(TRIGGER_BYTES, TRIGGER_NEEDLES), *self._named(self._words)])
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
        return self._corpus.with_word(words - TRIGGERS)

    def _matters(self, macro: Macro) -> bool:
        return any(
            self._has(rule.body, self._words, self._relevant, self._opaque, self._quoted.keys())
            for rule in macro.rules
        )

    def _has(self, trees: tuple[Tree, ...], *words: AbstractSet[str]) -> bool:
        """Whether any of these words, or a foreign block, stands anywhere in the trees."""
        found, foreign = self._corpus.readings.recall_of(
            "words", (trees,), lambda: (identifiers(trees), has_foreign_block(trees))
        )
        return foreign or not all(found.isdisjoint(some) for some in words)

    def _follow(self, call: Call, out: Facts, depth: int) -> None:
        name = call.name.text
        if name in self._opaque:
            out.doubts.append(Doubt(call.name.origin, f"{name}! is a proc macro that makes link-time names"))
            return
        if name in self._naming.stringify | self._naming.suffix_only:
            return
        given = call.arguments.children
        if (quoted := self._quoted.get(name)) is not None:
            self._follow_quoted(quoted, call, out, depth)
            return
        if name not in self._relevant and not self._has(given, self._hidden, self._relevant):
            return
        if name in PLAIN:
            self._read(call.arguments.children, call, (), out, depth)
            return
        followed = False
        for macro in self._corpus.macros(name, call.name.origin.path):
            try:
                expansion = self._expand(macro, call.arguments.children)
            except NoMatchError:
                continue
            except TooLargeError:
                followed = False
                break
            followed = True
            self._read(expansion, call, self._macro_conditions(macro, call), out, depth)
        if not followed:
            out.doubts.append(
                Doubt(call.name.origin, f"{name}! cannot be followed and is given what makes link-time names")
            )

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


def _measured(macro: Macro, arguments: Sequence[Tree]) -> tuple[tuple[Tree, ...] | None, int]:
    """Return an expansion, None if no rule matches, and how many tokens it costs."""
    try:
        expansion = expand(macro, arguments)
    except NoMatchError:
        return None, 0
    except TooLargeError:
        return None, LIMIT + 1
    return expansion, 1 + sum(1 for _ in flatten(expansion))
