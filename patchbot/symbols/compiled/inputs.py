"""What compilers and assemblers are given of a release on one target, put together without running any.

A scan speaks of all targets at once, with every variant of a macro; here the target decides: its ``cfg``s,
all cargo features on, the options that build scripts set, and of each macro the one definition it has.
"""

from __future__ import annotations

import posixpath
import re
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from functools import cached_property

from patchbot.symbols import cfg
from patchbot.symbols.build.build_script import BuildFacts
from patchbot.symbols.c import asm
from patchbot.symbols.c.preprocessor import preprocess
from patchbot.symbols.collect import Collector
from patchbot.symbols.compiled import imports, operands
from patchbot.symbols.corpus import Corpus
from patchbot.symbols.rust.facts import Assembly, Facts
from patchbot.symbols.rust.macros import Macro
from patchbot.symbols.rust.templates import Template
from patchbot.symbols.spots import ExportSpot, ImportSpot
from patchbot.targets import Target
from patchbot.truth import AsmText, CompiledFile, Operand, TextFile

# What a C compiler or an assembler could be given.
_COMPILABLE = re.compile(r".*\.(?:c|cc|cpp|cxx|m|mm|s|S|asm)", re.DOTALL)

INLINE = "asm"  # text inside of a function: only a compiler can place its operands


class Inputs:
    """Reads a release for one target after another; names that end with ``suffix`` are its own, rewritten."""

    def __init__(self, corpus: Corpus, suffix: str) -> None:
        self._corpus = corpus
        self._whole = Collector(corpus, suffix)
        self._includes: dict[str, tuple[str, ...]] = {}
        self._conditions: dict[tuple[str, tuple[str, ...]], cfg.Cfg] = {}

    @cached_property
    def _scripts(self) -> dict[str, BuildFacts]:
        """The build scripts, by crate."""
        scripts = ((pin, self._corpus.build_script(pin)) for pin in self._corpus.release.crates)
        return {pin.name: self._corpus.build_facts(pin, path) for pin, path in scripts if path is not None}

    def on(self, target: Target) -> OnTarget:
        """Return the release as a build for ``target`` sees it."""

        def there(macro: Macro) -> bool:
            return self.holds(macro.place.path, macro.cfgs, target)

        return OnTarget(self, self._whole.within(self._corpus.only(there)), target)

    def compiled(self, target: Target) -> tuple[CompiledFile, ...]:
        """Return the files that build scripts compile for ``target``."""
        found = []
        for pin in self._corpus.release.crates:
            script = self._scripts.get(pin.name, BuildFacts())
            for file in script.files:
                path = posixpath.normpath(f"{pin.prefix}{file.path}")
                if path in self._corpus.files and cfg.on(file.cfg, target, script.options) is not False:
                    files = {name: self._corpus.files[name] for name in self._read_for(path)}
                    defines = tuple(self._defines(script, target))
                    found.append(
                        CompiledFile(path=path, crate=pin.name, folder=pin.path, files=files, defines=defines)
                    )
        return tuple(found)

    def idle(self) -> tuple[tuple[str, str], ...]:
        """Return the files (path, crate) that a compiler could be given, and that no build script names."""
        named = {
            posixpath.normpath(f"{pin.prefix}{file.path}")
            for pin in self._corpus.release.crates
            for file in self._scripts.get(pin.name, BuildFacts()).files
        }
        crates = self._corpus.crate_of
        return tuple(
            (path, crates[path])
            for path in sorted(crates)
            if _COMPILABLE.fullmatch(path) and path not in named
        )

    def holds(self, path: str, conditions: tuple[str, ...], target: Target) -> bool:
        """Whether some build for ``target`` has what stands in a file under these conditions."""
        known = self._conditions.get((path, conditions))
        if known is None:
            above = self._whole.modules.conditions(path) or ()
            known = cfg.parse(cfg.join((*above, *conditions)))
            self._conditions[path, conditions] = known
        script = self._scripts.get(self._corpus.crate_of.get(path, ""), BuildFacts())
        return cfg.on(known, target, script.options) is not False

    def _read_for(self, path: str) -> tuple[str, ...]:
        if path not in self._includes:
            self._includes[path] = preprocess(path, read=self._corpus.text).files
        return self._includes[path]

    def _defines(self, script: BuildFacts, target: Target) -> Iterator[str]:
        for family in script.families:
            value = target.values.get(family.variable.removeprefix("CARGO_CFG_").lower())
            if value is not None:
                yield f"-D{family.prefix}{value}"
        for name, define in script.defines.items():
            if cfg.on(define.cfg, target, script.options) is not False:
                value = f"={self._whole.compiled.define(name, define.value)}" if define.value else ""
                yield f"-D{name}{value}"


@dataclass
class OnTarget:
    """A release as builds for one target see it."""

    inputs: Inputs
    reader: Collector
    target: Target
    _links: dict[tuple[str, str], str] | None = None

    @cached_property
    def facts(self) -> Facts:
        """Everything that stands in files and expansions."""
        return self.reader.expander.collect()

    def assemblies(self) -> Iterator[tuple[str, Assembly]]:
        """Return the texts outside of functions' own code that a build has, each with the file of its call."""
        for assembly in self.facts.assembly:
            path = (assembly.caller or assembly.name.origin).path
            if assembly.name.text != INLINE and self.inputs.holds(path, assembly.cfgs, self.target):
                yield path, assembly

    def inline(self) -> tuple[str, ...]:
        """Return the files that have ``asm!`` in functions: it makes no object of its own."""
        found = (a for a in self.facts.assembly if a.name.text == INLINE)
        places = ((a.caller or a.name.origin, a.cfgs) for a in found)
        there = {place.path for place, cfgs in places if self.inputs.holds(place.path, cfgs, self.target)}
        return tuple(sorted(there))

    def texts(self) -> tuple[TextFile, ...]:
        """Return the assembler texts by the file that spells their names, or that has the call."""
        files: dict[str, _Gathered] = {}
        for path, assembly in self.assemblies():
            for template, text in self.read(assembly):
                place = _place(template, text) or path
                gathered = files.setdefault(place, _Gathered())
                gathered.texts.append(self._text(assembly, template, path))
                gathered.opaque += [self._why(template)] if any(p.opaque for p in template.pieces) else []
        return tuple(self._file(path, gathered) for path, gathered in files.items())

    def read(self, assembly: Assembly) -> Iterator[tuple[Template, asm.AsmText]]:
        """Return what the text of an invocation says; once, unless a macro has two definitions here."""
        for _, template, text in self.reader.assembled(assembly):
            yield template, text

    def _file(self, path: str, gathered: _Gathered) -> TextFile:
        crate = self.reader.corpus.crate_of.get(path, "")
        obstacle = next(iter(gathered.opaque), "") or imports.missing(self.reader.corpus, path)
        texts = () if gathered.opaque else tuple(gathered.texts)
        return TextFile(path=path, crate=crate, texts=texts, obstacle=obstacle)

    def _text(self, assembly: Assembly, template: Template, path: str) -> AsmText:
        read = [self._linked(operand, path) for operand in operands.read(assembly.arguments)]
        return AsmText(template.text, tuple(read), operands.options(assembly.arguments))

    def _linked(self, operand: Operand, path: str) -> Operand:
        """Put in the linker's name of a ``sym`` operand, where an attribute or a foreign block gives it one."""
        if not operand.spelled:
            return operand
        if self._links is None:
            self._links = dict(self._linker_names())
        crate = self.reader.corpus.crate_of.get(path, "")
        return replace(operand, symbol=self._links.get((crate, operand.spelled), ""))

    def _linker_names(self) -> Iterator[tuple[tuple[str, str], str]]:
        for item in self.facts.items:
            (self.reader.imported if item.foreign else self.reader.exported)(item)
        for raw in self.reader.out.raw:
            if (
                isinstance(raw.spot, ImportSpot | ExportSpot)
                and cfg.on(cfg.parse(raw.cfg), self.target) is not False
            ):
                crate = self.reader.corpus.crate_of.get(raw.path, "")
                yield (crate, raw.spot.item.name.text), f"{raw.name}{raw.suffix}"

    def _why(self, template: Template) -> str:
        piece = next(piece for piece in template.pieces if piece.opaque)
        return f"{piece.why} ({piece.place.path}:{self.reader.corpus.line_of(piece.place)})"


@dataclass(slots=True)
class _Gathered:
    texts: list[AsmText] = field(default_factory=list)
    opaque: list[str] = field(default_factory=list)


def _place(template: Template, text: asm.AsmText) -> str:
    """Return the file that spells the first name which the text defines, as the scan has it."""
    defined = text.defined()
    made = next((n for n in text.names if n.text in defined and n.use is asm.Use.LABEL), None)
    return "" if made is None else template.piece_at(made.end - 1)[0].place.path
