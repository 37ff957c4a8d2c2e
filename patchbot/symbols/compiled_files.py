"""Collect what build scripts compile: the names of C and assembler files, and of the headers beside Rust's exports."""

from __future__ import annotations

import posixpath
import re
from collections.abc import Sequence
from dataclasses import dataclass

from patchbot.model import Role
from patchbot.symbols import cfg, headers
from patchbot.symbols.build import build_script, c_conditions
from patchbot.symbols.c import asm, c
from patchbot.symbols.c.preprocessor import ASSEMBLER, Expanded, Unit
from patchbot.symbols.collected import NO_SUFFIX, Collected, split
from patchbot.symbols.corpus import Corpus
from patchbot.symbols.rust.templates import Evaluator
from patchbot.symbols.rust.tokens import Tree, is_punct
from patchbot.symbols.spots import ExportSpot, Raw, SourceSpot

_C_NAME = re.compile(r"[A-Za-z_$][\w$]*", re.ASCII)
_ASSEMBLER_NAME = re.compile(r"[A-Za-z_]\w*", re.ASCII)
_NEITHER = "is compiled, and neither C nor preprocessed assembler"


@dataclass(frozen=True, slots=True)
class _Source:
    """A file that a build script compiles: when, and what else the script says."""

    path: str
    cfg: cfg.Cfg
    build: build_script.BuildFacts


class CompiledFiles:
    """Reads what is compiled beside Rust, into ``out``; ``suffix`` is said in ``collect``."""

    def __init__(self, corpus: Corpus, suffix: str, out: Collected, evaluator: Evaluator) -> None:
        self.corpus = corpus
        self.suffix = suffix
        self.out = out
        self.evaluator = evaluator

    def run(self) -> None:
        """Read the build scripts, and the files that they compile."""
        for pin in self.corpus.release.crates:
            path = self.corpus.build_script(pin)
            if path is None:
                continue
            facts = self.corpus.build_facts(pin, path)
            self.out.variables += facts.variables
            self.out.options[pin.name] = facts.options
            for place, why in facts.doubts:
                self.out.doubt(place, why)
            defines = {name: self.define(name, define.value) for name, define in facts.defines.items()}
            for compiled in facts.files:
                target = posixpath.normpath(f"{pin.prefix}{compiled.path}")
                if target in self.corpus.files:
                    unit = self.corpus.preprocessed(target, defines)
                    self.compiled(_Source(target, compiled.cfg, facts), unit)
                else:
                    self.out.doubt(compiled.place, f"compiles {compiled.path}, which the crate does not have")

    def headers(self) -> None:
        """Find which exported names headers declare."""
        exported = {
            (self.corpus.crate_of.get(raw.path, ""), raw.name)
            for raw in self.out.raw
            if isinstance(raw.spot, ExportSpot)
        }
        for crate in sorted({crate for crate, _ in exported if crate}):
            for header, spelled in headers.declared(self.corpus, crate):
                base, _ = split(spelled, self.suffix, self.out.naming.suffix)
                if (crate, base) in exported:
                    self.out.declared.append((crate, header, spelled))

    def define(self, name: str, value: Sequence[Tree]) -> str:
        """Return the text of a ``-D`` value; none counts as 1, as cc has it."""
        if not value:
            return "1"
        template = self.evaluator.string([tree for tree in value if not is_punct(tree, "&")])
        for piece in template.pieces:
            if piece.opaque:
                self.out.doubt(piece.place, f"the value of the macro {name}: {piece.why}")
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
        names = self.corpus.assembler(text.text)
        for doubt in names.doubts:
            self.doubt_in(text, doubt.start, doubt.why)
        for quoted in (name for name in names.names if text.token_at(name.start).text[0] in "\"'"):
            why = f"{quoted.text} stands in quotes, where the preprocessor does not see it"
            self.doubt_in(text, quoted.start, why)
        made = asm.first_made(names)
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
            self.doubt_in(text, offset, f"{name!r} {NO_SUFFIX}")
            return
        base, suffix = split(name, self.suffix, self.out.naming.suffix)
        when = cfg.render(cfg.simplify(cfg.All((source.cfg, self.condition(source, text, offset)))))
        self.out.raw.append(
            Raw(base, suffix, role, token.path, token.offset, form, when, SourceSpot(source.path), weak)
        )

    def condition(self, source: _Source, text: Expanded, offset: int) -> cfg.Cfg:
        """Return what the ``#if``s around a place of preprocessed text mean."""
        conditions = text.token_at(offset).conditions
        return cfg.simplify(cfg.All(tuple(c_conditions.translate(c, source.build) for c in conditions)))
