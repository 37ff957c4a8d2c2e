"""Read all sources of a release and report every definition, import and text, undecided."""

from __future__ import annotations

import posixpath
import re
from collections.abc import Iterator, Sequence
from copy import copy
from dataclasses import dataclass, field, replace

from patchbot.model import Role
from patchbot.symbols import cfg, elsewhere, headers
from patchbot.symbols.build import build_script, c_conditions
from patchbot.symbols.c import asm, c
from patchbot.symbols.c.preprocessor import ASSEMBLER, Expanded, Unit
from patchbot.symbols.conditions import ModuleTree
from patchbot.symbols.corpus import Corpus
from patchbot.symbols.expansion import Expander
from patchbot.symbols.paths import CratePaths, read_paths
from patchbot.symbols.rust import outside
from patchbot.symbols.rust.attributes import is_test
from patchbot.symbols.rust.facts import Assembly, Attribute, DwarfName, Facts, Item
from patchbot.symbols.rust.macros import Macro
from patchbot.symbols.rust.quoted import QuotedMacro
from patchbot.symbols.rust.templates import Evaluator, Naming, Piece, Template
from patchbot.symbols.rust.tokens import Group, Span, Token, TokenKind, Tree, is_punct
from patchbot.symbols.rust.versioned import ProcMacros, read_proc_macros
from patchbot.symbols.spots import ExportSpot, ImportSpot, Raw, SourceSpot, Spot, TextSpot

MAKES = frozenset({asm.Use.LABEL, asm.Use.SET, asm.Use.COMMON})

# Names behind which a suffix can be put; C's preprocessor sees fewer.
_NAME = re.compile(r"[A-Za-z_.$][\w.$]*", re.ASCII)
_C_NAME = re.compile(r"[A-Za-z_$][\w$]*", re.ASCII)
_ASSEMBLER_NAME = re.compile(r"[A-Za-z_]\w*", re.ASCII)
_NEITHER = "is compiled, and neither C nor preprocessed assembler"
_NO_SUFFIX = "is no name that a suffix can be put behind"

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


@dataclass(slots=True)
class Collected:
    """Everything that the sources of a release say.

    ``texts`` are assembler texts in Rust, ``units`` the files that build scripts compile, ``dwarf`` strings
    that are written into DWARF.  ``version`` is the expression whose value upstream appends to names;
    ``options`` are the ``cfg`` options that the crates' build scripts set, ``declared`` what the headers of
    crates with exported Rust names declare: (crate, header, name); ``paths`` are the crate paths that macros
    print.
    """

    naming: Naming = field(default_factory=Naming)
    version: Span | None = None
    files: tuple[str, ...] = ()
    raw: list[Raw] = field(default_factory=list)
    texts: list[tuple[Template, asm.AsmText]] = field(default_factory=list)
    units: list[tuple[str, Unit]] = field(default_factory=list)
    dwarf: list[Piece] = field(default_factory=list)
    variables: list[build_script.ReadVariable] = field(default_factory=list)
    options: dict[str, dict[str, cfg.Cfg]] = field(default_factory=dict)
    declared: list[tuple[str, str, str]] = field(default_factory=list)
    paths: CratePaths = field(default_factory=CratePaths)
    doubts: list[tuple[str, int, str]] = field(default_factory=list)


def collect(corpus: Corpus, suffix: str) -> Collected:
    """Read a release; names that end with ``suffix`` (if it is not empty) or upstream's are split there."""
    return Collector(corpus, suffix).run()


def split(name: str, *suffixes: str) -> tuple[str, str]:
    """Return base name and suffix: the first of ``suffixes`` that the name ends with, or none."""
    for suffix in suffixes:
        if suffix and name.endswith(suffix) and len(name) > len(suffix):
            return name.removesuffix(suffix), suffix
    return name, ""


@dataclass(frozen=True, slots=True)
class _Source:
    """A file that a build script compiles: when, and what else the script says."""

    path: str
    cfg: cfg.Cfg
    build: build_script.BuildFacts


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
        self.build_scripts()
        self.headers()
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
            self.doubt(doubt.place, doubt.why)
        for place, why in self.out.paths.doubts:
            self.doubt(place, why)
        self.corpus.check_rust()
        self.out.doubts += [(unread.path, unread.offset, unread.why) for unread in self.corpus.unread]

    def doubt(self, place: Span, why: str) -> None:
        """Add a place that could hide a name."""
        self.out.doubts.append((place.path, place.start, why))

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
                self.doubt(unusual.name.origin, f"#[{word}] on {item.name.text} may make a link-time name")
        for attribute in item.all("no_mangle", "export_name", *self.naming.export):
            word = attribute.name.text
            name: str | None = item.name.text.removeprefix("r#")
            if (why := _not_editable(item, attribute)) is not None:
                self.doubt(attribute.name.origin, why)
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
            self.doubt(found[0].name.origin, why)
        for attribute in found or (None,):
            name: str | None = item.name.text.removeprefix("r#")
            form = f"extern {item.kind}"
            if attribute is not None:
                named = attribute.name.text == "link_name"
                name = self.value(attribute) if named else f"{name}{self.naming.suffix}"
                form = f"#[{attribute.name.text}] {form}"
            if (reason := _not_editable(item, attribute)) is not None:
                self.doubt(item.head, reason)
            if name is not None:
                self.add(name, Role.IMPORT, item.head, form, item.cfgs, ImportSpot(item, attribute))

    def value(self, attribute: Attribute) -> str | None:
        """Return the string behind ``=`` of an attribute, or None (and a doubt) if it cannot be known."""
        if not attribute.value:
            self.doubt(attribute.name.origin, f"#[{attribute.name.text}] has no value")
            return None
        template = self.evaluator.string(attribute.value)
        for piece in template.pieces:
            if piece.opaque:
                self.doubt(attribute.name.origin, f"#[{attribute.name.text}]: {piece.why}")
                return None
        return template.text.removeprefix("\x01")  # tells LLVM to add nothing to the name

    def assembled(self, assembly: Assembly) -> Iterator[tuple[Assembly, Template, asm.AsmText]]:
        """Read an ``asm!``-like invocation, once per variant of the macros in it."""
        macro = f"{assembly.name.text}!"
        for template in self.evaluator.templates(assembly.arguments):
            for piece in template.pieces:
                if piece.opaque:
                    self.doubt(piece.place, f"in {macro}: {piece.why}")
            text = _without_mach_o(template, self.assembler(template.text))
            for doubt in text.doubts:
                self.doubt(template.piece_at(doubt.start)[0].place, f"in {macro}: {doubt.why}")
            for name in text.names:
                piece, offset = template.piece_at(name.end - 1)
                if piece.offsets is None and offset + 1 != len(piece.text):
                    self.doubt(
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
            made = first_made(text)
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
            self.doubt(place, f"{name!r} {_NO_SUFFIX}")
            return
        base, suffix = split(name, self.suffix, self.naming.suffix)
        when = cfg.join((*(self.modules.conditions(place.path) or ()), *conditions))
        self.out.raw.append(Raw(base, suffix, role, place.path, place.start, form, when, spot))

    # -- C and assembler files ---------------------------------------------------------------------

    def build_scripts(self) -> None:
        """Read the build scripts, and the files that they compile."""
        for pin in self.corpus.release.crates:
            path = self.corpus.build_script(pin)
            if path is None:
                continue
            facts = self.corpus.build_facts(pin, path)
            self.out.variables += facts.variables
            self.out.options[pin.name] = facts.options
            for place, why in facts.doubts:
                self.doubt(place, why)
            defines = {name: self.define(name, define.value) for name, define in facts.defines.items()}
            for compiled in facts.files:
                target = posixpath.normpath(f"{pin.prefix}{compiled.path}")
                if target in self.corpus.files:
                    unit = self.corpus.preprocessed(target, defines)
                    self.compiled(_Source(target, compiled.cfg, facts), unit)
                else:
                    self.doubt(compiled.place, f"compiles {compiled.path}, which the crate does not have")

    def headers(self) -> None:
        """Find which exported names headers declare."""
        exported = {
            (self.corpus.crate_of.get(raw.path, ""), raw.name)
            for raw in self.out.raw
            if isinstance(raw.spot, ExportSpot)
        }
        for crate in sorted({crate for crate, _ in exported if crate}):
            for header, spelled in headers.declared(self.corpus, crate):
                base, _ = split(spelled, self.suffix, self.naming.suffix)
                if (crate, base) in exported:
                    self.out.declared.append((crate, header, spelled))

    def define(self, name: str, value: Sequence[Tree]) -> str:
        """Return the text of a ``-D`` value; none counts as 1, as cc has it."""
        if not value:
            return "1"
        template = self.evaluator.string([tree for tree in value if not is_punct(tree, "&")])
        for piece in template.pieces:
            if piece.opaque:
                self.doubt(piece.place, f"the value of the macro {name}: {piece.why}")
        return template.text

    def compiled(self, source: _Source, unit: Unit) -> None:
        """Read a file that a build script compiles."""
        if not source.path.endswith((ASSEMBLER, ".c")):
            plain = source.path.endswith(".s")
            why = "is not preprocessed, so that its names can get no suffix" if plain else _NEITHER
            self.out.doubts.append((source.path, 0, why))
            return
        self.out.doubts += unit.doubts
        self.out.units.append((source.path, unit))
        for text in unit.variants:
            if source.path.endswith(ASSEMBLER):
                self.assembler_file(source, text)
            elif source.path.endswith(".c"):
                self.c_file(source, text)

    def assembler_file(self, source: _Source, text: Expanded) -> None:
        """Add the names of an assembler file."""
        names = self.assembler(text.text)
        for doubt in names.doubts:
            self.doubt_in(text, doubt.start, doubt.why)
        for quoted in (name for name in names.names if text.token_at(name.start).text[0] in "\"'"):
            why = f"{quoted.text} stands in quotes, where the preprocessor does not see it"
            self.doubt_in(text, quoted.start, why)
        made = first_made(names)
        for name in sorted(names.defined()):
            self.source(source, name, Role.DEFINE, text, made[name].start, "assembler file")

    def c_file(self, source: _Source, text: Expanded) -> None:
        """Add the names of a C file."""
        facts = self.corpus.readings.recall_of("C", (text,), lambda: c.scan(text))
        for offset, why in facts.doubts:
            self.doubt_in(text, offset, why)
        for name in facts.names:
            if name.in_string:
                self.doubt_in(text, name.offset, f"the assembler name {name.name} is given in a string")
            form = "C definition" if name.role is Role.DEFINE else "C declaration"
            weak = "" if name.weak is None else cfg.spell(self.condition(source, text, name.weak))
            form = f"{form}, weak" if weak else form
            self.source(source, name.name, name.role, text, name.offset, form, weak)

    def doubt_in(self, text: Expanded, offset: int, why: str) -> None:
        """Add a place of preprocessed text that could hide a name."""
        token = text.token_at(offset)
        self.out.doubts.append((token.path, token.offset, why))

    def source(
        self, source: _Source, name: str, role: Role, text: Expanded, offset: int, form: str, weak: str = ""
    ) -> None:
        """Add a name of a compiled file."""
        token = text.token_at(offset)
        if (_ASSEMBLER_NAME if source.path.endswith(ASSEMBLER) else _C_NAME).fullmatch(name) is None:
            self.doubt_in(text, offset, f"{name!r} {_NO_SUFFIX}")
            return
        base, suffix = split(name, self.suffix, self.naming.suffix)
        when = cfg.render(cfg.simplify(cfg.All((source.cfg, self.condition(source, text, offset)))))
        self.out.raw.append(
            Raw(base, suffix, role, token.path, token.offset, form, when, SourceSpot(source.path), weak)
        )

    def condition(self, source: _Source, text: Expanded, offset: int) -> cfg.Cfg:
        """Return what the ``#if``s around a place of preprocessed text mean."""
        conditions = text.token_at(offset).conditions
        return cfg.simplify(cfg.All(tuple(c_conditions.translate(c, source.build) for c in conditions)))


def first_made(text: asm.AsmText) -> dict[str, asm.AsmName]:
    """Return where each name of a text is made first."""
    return {name.text: name for name in reversed(text.names) if name.use in MAKES}


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
