"""Read all sources of a release and report every definition, import and text, undecided."""

from __future__ import annotations

import posixpath
import re
from collections.abc import Iterator, Sequence
from copy import copy
from dataclasses import replace

from patchbot.model import Role
from patchbot.symbols import cfg, elsewhere
from patchbot.symbols.c import asm
from patchbot.symbols.collected import NO_SUFFIX, Collected, split
from patchbot.symbols.compiled_files import CompiledFiles
from patchbot.symbols.conditions import ModuleTree
from patchbot.symbols.corpus import Corpus
from patchbot.symbols.expansion import Expander
from patchbot.symbols.paths import read_paths
from patchbot.symbols.rust import outside
from patchbot.symbols.rust.attributes import is_test
from patchbot.symbols.rust.facts import Assembly, Attribute, DwarfName, Facts, Item
from patchbot.symbols.rust.macros import Macro
from patchbot.symbols.rust.quoted import QuotedMacro
from patchbot.symbols.rust.templates import Evaluator, Piece, Template
from patchbot.symbols.rust.tokens import Group, Span, Token, TokenKind, Tree, is_punct
from patchbot.symbols.rust.versioned import ProcMacros, read_proc_macros
from patchbot.symbols.spots import ExportSpot, ImportSpot, Raw, Spot, TextSpot

# Names behind which a suffix can be put; C's preprocessor sees fewer.
_NAME = re.compile(r"[A-Za-z_.$][\w.$]*", re.ASCII)

# Attributes that can make a link-time name, and that no rule knows how to rewrite.
_UNUSUAL = (
    "lang",
    "linkage",
    "link_section",
    "rustc_std_internal_symbol",
    "panic_handler",
    "global_allocator",
    "alloc_error_handler",
)


def collect(corpus: Corpus, suffix: str) -> Collected:
    """Read a release; names that end with ``suffix`` (if it is not empty) or upstream's are split there.

    What a whole release says is kept as well as what each file does: to put it together from what is known of
    a thousand files takes most of the time of a scan.
    """
    return corpus.readings.keep(
        ("collected", suffix, corpus.identity), lambda: Collector(corpus, suffix).run()
    )


class Collector:
    """Reads a release piece by piece, into ``out``."""

    def __init__(self, corpus: Corpus, suffix: str) -> None:
        self.corpus = corpus
        self.suffix = suffix
        self.out = Collected()
        self.macros: frozenset[str] = frozenset()
        self.rust = frozenset(corpus.rust)
        quoted, opaque = self.proc_macros()
        self.naming = self.out.naming
        self.expander = Expander(corpus, self.naming, quoted, opaque, self.macros)
        self.evaluator = Evaluator(self.find_macros, self.naming, corpus.readings)
        self.compiled = CompiledFiles(corpus, suffix, self.out, self.evaluator)
        self.modules = ModuleTree(self.rust, corpus.facts, corpus.pathed)
        self.with_tests = ModuleTree(self.rust, corpus.facts_with_tests, corpus.pathed)

    def within(self, corpus: Corpus) -> Collector:
        """Return a collector of the same release that sees only what ``corpus`` has; it starts empty."""
        other = copy(self)
        other.corpus = corpus
        other.out = Collected(naming=self.naming, version=self.out.version)
        other.expander = self.expander.within(corpus)
        other.evaluator = Evaluator(other.find_macros, self.naming, corpus.readings)
        return other

    def run(self) -> Collected:
        """Read everything, once."""
        facts = self.without_tests(self.expander.collect())
        self.out.files = self.expander.files
        for item in facts.items:
            if item.foreign:
                self.imported(item)
            else:
                self.exported(item)
        texts = [read for assembly in facts.assembly for read in self.assembled(assembly)]
        self.defined_in(texts)
        for name in facts.dwarf:
            self.out.dwarf += self.dwarf(name)
        self.compiled.run()
        self.compiled.headers()
        self.out.paths = read_paths(self.corpus)
        self.out.doubts += elsewhere.doubts(self.corpus, facts, self.evaluator.string)
        self.doubts_of(facts)
        return self.out

    def without_tests(self, facts: Facts) -> Facts:
        """Leave out what stands in files that only tests have."""
        return replace(
            facts,
            items=[item for item in facts.items if not self.is_test(item.head)],
            assembly=[one for one in facts.assembly if not self.is_test(one.name.origin)],
            modules=[module for module in facts.modules if not self.is_test(module.place)],
            doubts=[doubt for doubt in facts.doubts if not self.is_test(doubt.place)],
        )

    def is_test(self, place: Span) -> bool:
        """Whether a place is in a file that is a module of tests, and that no code includes."""
        if self.modules.conditions(place.path) is not None:
            return False
        name = posixpath.basename(place.path).encode()
        tested = is_test(self.with_tests.conditions(place.path) or ())
        return tested and not any(
            b"include" in self.corpus.files[f] and name in self.corpus.files[f] for f in self.rust
        )

    def doubts_of(self, facts: Facts) -> None:
        """Take over what readers of Rust could not decide."""
        for doubt in facts.doubts:
            self.out.doubt(doubt.place, doubt.why)
        for place, why in self.out.paths.doubts:
            self.out.doubt(place, why)
        self.corpus.check_rust()
        self.out.doubts += [(unread.path, unread.offset, unread.why) for unread in self.corpus.unread]

    # -- Rust --------------------------------------------------------------------------------------

    def proc_macros(self) -> tuple[dict[str, QuotedMacro], frozenset[str]]:
        """Read the proc-macro crates: how upstream suffixes, and which macros can be followed or are opaque."""
        opaque: set[str] = set()
        quoted: dict[str, QuotedMacro] = {}
        macros: set[str] = set()
        for pin in self.corpus.proc_macro_crates:
            library = self.corpus.library(pin)
            others = [p for p in self.corpus.by_crate[pin.name] if p.endswith(".rs") and p != library]
            read, names = self.proc_macro_crate(library, others)
            found = read.at(pin.version)
            opaque |= found.opaque
            quoted |= {macro.name: macro for macro in found.quoted}
            macros |= names
            if found.version is not None:
                self.out.naming, self.out.version = found.naming, found.version
        self.macros = frozenset(macros)
        return quoted, frozenset(opaque)

    def proc_macro_crate(self, library: str, others: Sequence[str]) -> tuple[ProcMacros, frozenset[str]]:
        """Read a proc-macro crate, once for all releases that have it; return the names of its macros, too."""

        def read() -> tuple[ProcMacros, frozenset[str]]:
            trees = self.corpus.trees(library)
            helpers = [tree for path in others for tree in self.corpus.trees(path)]
            return read_proc_macros(trees, helpers), outside.procedures(trees)

        for path in (library, *others):
            self.corpus.tell_unreadable(path)  # for every release, whether it was read for another one or not
        files = tuple((path, self.corpus.files.get(path, b"")) for path in (library, *others))
        return self.corpus.readings.keep(("proc macros", files), read)

    def find_macros(self, name: Token, path: tuple[str, ...]) -> Sequence[Macro]:
        """Return the macro definitions that a name can mean where it stands, behind ``path``."""
        return self.corpus.macros(name.text, name.origin.path, path)

    def exported(self, item: Item) -> None:
        """Add the names that attributes of an item make."""
        has = {attribute.name.text for attribute in item.attributes}
        for word in _UNUSUAL:
            if word in has and (unusual := item.attribute(word)) is not None:
                self.out.doubt(
                    unusual.name.origin, f"#[{word}] on {item.name.text} may make a link-time name"
                )
        for attribute in item.all("no_mangle", "export_name", *self.naming.export):
            word = attribute.name.text
            name: str | None = item.name.text.removeprefix("r#")
            if (why := _not_editable(item, attribute)) is not None:
                self.out.doubt(attribute.name.origin, why)
            if word == "export_name":
                name = self.value(attribute)
            elif word != "no_mangle":
                name = f"{name}{self.naming.suffix}"
            if name is not None:
                conditions = (*item.cfgs, attribute.cfg)
                form = f"#[{word}] {item.kind}"
                spot = ExportSpot(item, attribute)
                self.add(name, Role.DEFINE, item.caller or attribute.name.origin, form, conditions, spot)

    def imported(self, item: Item) -> None:
        """Add the name of a foreign item."""
        found = item.all("link_name", *self.naming.link)
        if any(attribute.cfg for attribute in found):
            why = f"{item.name.text} is imported under another name in some builds only"
            self.out.doubt(found[0].name.origin, why)
        for attribute in found or (None,):
            name: str | None = item.name.text.removeprefix("r#")
            form = f"extern {item.kind}"
            if attribute is not None:
                named = attribute.name.text == "link_name"
                name = self.value(attribute) if named else f"{name}{self.naming.suffix}"
                form = f"#[{attribute.name.text}] {form}"
            if (reason := _not_editable(item, attribute)) is not None:
                self.out.doubt(item.head, reason)
            if name is not None:
                self.add(name, Role.IMPORT, item.head, form, item.cfgs, ImportSpot(item, attribute))

    def value(self, attribute: Attribute) -> str | None:
        """Return the string behind ``=`` of an attribute, or None (and a doubt) if it cannot be known."""
        if not attribute.value:
            self.out.doubt(attribute.name.origin, f"#[{attribute.name.text}] has no value")
            return None
        template = self.evaluator.string(attribute.value)
        for piece in template.pieces:
            if piece.opaque:
                self.out.doubt(attribute.name.origin, f"#[{attribute.name.text}]: {piece.why}")
                return None
        return template.text.removeprefix("\x01")  # tells LLVM to add nothing to the name

    def assembled(self, assembly: Assembly) -> Iterator[tuple[Assembly, Template, asm.AsmText]]:
        """Read an ``asm!``-like invocation, once per variant of the macros in it."""
        macro = f"{assembly.name.text}!"
        for template in self.evaluator.templates(assembly.arguments):
            for piece in template.pieces:
                if piece.opaque:
                    self.out.doubt(piece.place, f"in {macro}: {piece.why}")
            text = _without_mach_o(template, self.assembler(template.text))
            for doubt in text.doubts:
                self.out.doubt(template.piece_at(doubt.start)[0].place, f"in {macro}: {doubt.why}")
            for name in text.names:
                piece, offset = template.piece_at(name.end - 1)
                if piece.offsets is None and offset + 1 != len(piece.text):
                    self.out.doubt(
                        piece.place, f"in {macro}: {name.text}, a name that no suffix can be put behind"
                    )
            self.out.texts.append((template, text))
            yield assembly, template, text

    def assembler(self, text: str) -> asm.AsmText:
        """Return the names of assembler text."""
        return self.corpus.assembler(text)

    def defined_in(self, texts: Sequence[tuple[Assembly, Template, asm.AsmText]]) -> None:
        """Add what the texts define; those of a crate end in one object, where each can make others' labels visible."""

        def known(template: Template, name: asm.AsmName) -> tuple[str, str]:
            return self.corpus.crate_of.get(template.piece_at(name.start)[0].place.path, ""), name.text

        visible = {known(t, n) for _, t, text in texts for n in text.names if n.use is asm.Use.GLOBAL}
        for assembly, template, text in texts:
            made = asm.first_made(text)
            for name in sorted(
                text.defined(frozenset(n.text for n in text.names if known(template, n) in visible))
            ):
                piece, offset = template.piece_at(made[name].end - 1)
                spot = TextSpot(piece, offset + 1)
                form = f"{assembly.name.text}! text"
                self.add(name, Role.DEFINE, piece.place, form, assembly.cfgs, spot)

    def dwarf(self, name: DwarfName) -> Iterator[Piece]:
        """Return the strings in what a ``DW_AT_linkage_name`` is set to."""
        yield from self._strings(name.value)

    def _strings(self, trees: Sequence[Tree]) -> Iterator[Piece]:
        for at, tree in enumerate(trees):
            if isinstance(tree, Group):
                if at > 1 and is_punct(trees[at - 1], "!"):
                    yield from self.evaluator.string(trees[at - 2 : at + 1]).pieces
                else:
                    yield from self._strings(tree.children)
            elif tree.kind is TokenKind.STRING:
                yield from self.evaluator.string([tree]).pieces

    def add(
        self, name: str, role: Role, place: Span, form: str, conditions: Sequence[str], spot: Spot
    ) -> None:
        """Add a name that Rust makes or uses."""
        if role is Role.DEFINE and _NAME.fullmatch(name) is None:
            self.out.doubt(place, f"{name!r} {NO_SUFFIX}")
            return
        base, suffix = split(name, self.suffix, self.naming.suffix)
        when = cfg.join((*(self.modules.conditions(place.path) or ()), *conditions))
        self.out.raw.append(Raw(base, suffix, role, place.path, place.start, form, when, spot))


def _not_editable(item: Item, attribute: Attribute | None) -> str | None:
    """Return why no suffix can be put to the name of an item where it is written, or None if one can."""
    if attribute is not None and attribute.value:
        only = attribute.value[0] if len(attribute.value) == 1 else None
        given = isinstance(only, Token) and len(only.sites) > len(attribute.name.sites)
        return (
            f"the name {only.text} is an argument of a macro" if given and isinstance(only, Token) else None
        )
    beside = item.head if attribute is None else attribute.name.origin
    if attribute is not None and beside.end - beside.start != len(attribute.name.text):
        return f"#[{attribute.name.text}] is not written out"
    places = {span for span in (item.name.origin, *item.name.sites) if span.same_scope(beside)}
    if not places:
        return f"the name {item.name.text} is not written beside its item"
    # of several places in one macro, the last is beside what the innermost call spells
    if len(places) > 1 and (attribute is None or attribute.name.sites):
        return f"the name {item.name.text} goes through its macro more than once"
    return None


def _without_mach_o(template: Template, text: asm.AsmText) -> asm.AsmText:
    """Take the underscore off names that only Mach-O has: it comes from another piece than the rest."""
    names = []
    for name in text.names:
        if name.text.startswith("_") and name.end - name.start > 1:
            first, _ = template.piece_at(name.start)
            second, _ = template.piece_at(name.start + 1)
            if first is not second:
                names.append(asm.AsmName(name.text[1:], name.start + 1, name.end, name.use))
                continue
        names.append(name)
    return asm.AsmText(tuple(names), text.doubts)
