"""Put a release together: whose is each name, where is it defined, imported and mentioned.

Pure: the files of a release in, an inventory out, with a *spot* for each place so that ``rules`` can edit
it.  No release-specific list of names is used; dialects are told apart by their form.
"""

from __future__ import annotations

import fnmatch
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

from patchbot.model import (
    BlindSpot,
    CratePath,
    CustomOption,
    ImportedRelease,
    Inventory,
    Kind,
    LinksKey,
    LinksReader,
    NameInString,
    NamePolicy,
    Role,
    Suffix,
    Symbol,
    links_variable,
)
from patchbot.symbols import cfg, places
from patchbot.symbols.c import asm
from patchbot.symbols.c.preprocessor import ASSEMBLER, Unit
from patchbot.symbols.collect import collect
from patchbot.symbols.collected import Collected, split
from patchbot.symbols.corpus import Corpus
from patchbot.symbols.paths import CratePaths
from patchbot.symbols.readings import Readings
from patchbot.symbols.rust.tokens import Span, Token, TokenKind, Tree, flatten, string_value
from patchbot.symbols.spots import (
    ExportSpot,
    Found,
    ImportSpot,
    Raw,
    SourceSpot,
    Spot,
    TextSpot,
    VariableSpot,
)

# Upstream's own prefixes: an import that has one and that nobody defines is a question, not libc's.
_NAMESPACE = re.compile(r"(?:wasmtime|wasm|wasi)_")


@dataclass(frozen=True, slots=True)
class Scan:
    """A scanned release: what it has, and where to edit it.

    ``version`` is the expression whose value upstream appends to names, from 12.0 on; ``paths`` is what macros
    print.
    """

    corpus: Corpus
    inventory: Inventory
    found: tuple[Found, ...]
    version: Span | None
    paths: CratePaths

    @property
    def files(self) -> Mapping[str, bytes]:
        """The files that were scanned."""
        return self.corpus.files


def scan(
    release: ImportedRelease,
    files: Mapping[str, bytes],
    policy: NamePolicy,
    readings: Readings | None = None,
) -> Scan:
    """Scan the sources of ``release`` (path → bytes, as in its tree).

    Give the ``readings`` of other releases' scans, and what they share is not read again.
    """
    return _scan(Corpus(release, files, readings or Readings()), policy, "")


def scan_rewritten(before: Scan, files: Mapping[str, bytes], policy: NamePolicy, suffix: Suffix) -> Scan:
    """Scan a rewritten release: names that end with ``suffix`` are told by their base name."""
    return scan_suffixed(before.corpus.release, files, policy, suffix, before.corpus.readings)


def scan_suffixed(
    release: ImportedRelease,
    files: Mapping[str, bytes],
    policy: NamePolicy,
    suffix: Suffix,
    readings: Readings | None = None,
) -> Scan:
    """Scan a release that was rewritten before: names that end with ``suffix`` are told by their base name."""
    return _scan(Corpus(release, files, readings or Readings()), policy, suffix.text)


def _scan(corpus: Corpus, policy: NamePolicy, suffix: str) -> Scan:
    return _Decision(corpus, collect(corpus, suffix), policy, suffix).scan()


class _Decision:
    """Turns what was collected into an inventory."""

    def __init__(self, corpus: Corpus, collected: Collected, policy: NamePolicy, suffix: str) -> None:
        self.corpus = corpus
        self.collected = collected
        self.policy = policy
        self.suffixes = (suffix, collected.naming.suffix)
        self.doubts = list(collected.doubts)

    def scan(self) -> Scan:
        found = self.places()
        symbols = {f.symbol for f in found if f.symbol is not None}
        own = frozenset(s.name for s in symbols if s.kind is Kind.OWN)
        found += self.references(own)
        strings, dwarf = self.dwarf(own)
        links, variables = self.links()
        found += [*dwarf, *variables]
        self.stray_strings(own, found)
        self.unpublished()
        self.doubts += places.disagreements(self.corpus, self.collected.files)
        inventory = Inventory(
            symbols=tuple(sorted(symbols)),
            strings=strings,
            links=links,
            options=self.options(),
            crate_paths=self.crate_paths(),
            blind_spots=self.blind_spots(),
            c_api=tuple(sorted({crate for crate, _, _ in self.collected.declared})),
            upstream_suffix=self.collected.naming.suffix,
        )
        return Scan(self.corpus, inventory, tuple(found), self.collected.version, self.collected.paths)

    # -- whose name is it --------------------------------------------------------------------------

    def places(self) -> list[Found]:
        """Return every definition and import with its symbol; a place that is read twice has one."""
        kept = {keep.name for keep in self.policy.keep if keep.name}
        defined = {raw.name for raw in self.collected.raw if raw.role is Role.DEFINE}
        symbols: dict[tuple[str, Role, str, int], Symbol] = {}
        for raw in self.collected.raw:
            symbol = self.symbol(raw, self.kind(raw, kept, defined))
            # A macro's variants read one place once each; their conditions are alternatives.
            if (known := symbols.get(_key(raw))) is not None:
                symbol = replace(
                    known, cfg=cfg.either([known.cfg, symbol.cfg]), weak=known.weak or symbol.weak
                )
            symbols[_key(raw)] = symbol
        return [Found(raw.name, raw.suffix, raw.spot, symbols[_key(raw)]) for raw in self.collected.raw]

    def symbol(self, raw: Raw, kind: Kind) -> Symbol:
        upstream = self.collected.naming.suffix
        return Symbol(
            name=raw.name,
            role=raw.role,
            path=raw.path,
            line=self.corpus.line(raw.path, raw.offset),
            kind=kind,
            crate=self.corpus.crate_of.get(raw.path, ""),
            form=raw.form,
            cfg=raw.cfg,
            suffix=raw.suffix,
            upstream_suffixed=bool(upstream) and raw.suffix == upstream,
            weak=raw.weak,
        )

    def kind(self, raw: Raw, kept: set[str], defined: set[str]) -> Kind:
        if raw.role is Role.IMPORT:
            if any(keep.path and fnmatch.fnmatchcase(raw.path, keep.path) for keep in self.policy.keep):
                return Kind.EMBEDDER
            if raw.name not in defined:
                if _NAMESPACE.match(raw.name):
                    why = f"{raw.name} is imported, and nothing here defines it"
                    self.doubts.append((raw.path, raw.offset, why))
                return Kind.FOREIGN
        return Kind.KEEP if raw.name in kept else Kind.OWN

    # -- places that only mention a name -----------------------------------------------------------

    def references(self, own: frozenset[str]) -> list[Found]:
        found = []
        for template, text in self.collected.texts:
            for name in text.names:
                base, suffix = split(name.text, *self.suffixes)
                if base in own:
                    piece, offset = template.piece_at(name.end - 1)
                    found.append(Found(base, suffix, TextSpot(piece, offset + 1)))
        for path, unit in self.collected.units:
            for base, suffix in self.names_in_file(path, unit):
                if base in own:
                    found.append(Found(base, suffix, SourceSpot(path)))
        for _, header, spelled in self.collected.declared:
            base, suffix = split(spelled, *self.suffixes)
            if base in own:
                found.append(Found(base, suffix, SourceSpot(header)))
        return found

    def names_in_file(self, path: str, unit: Unit) -> Iterator[tuple[str, str]]:
        for text in unit.variants:
            if path.endswith(ASSEMBLER):
                names = self.corpus.assembler(text.text)
                local = {n.text for n in names.names if n.use is asm.Use.LABEL} - names.defined()
                yield from (split(n.text, *self.suffixes) for n in names.names if n.text not in local)
            else:
                yield from (split(token.text, *self.suffixes) for token in text.tokens if token.is_name)

    def dwarf(self, own: frozenset[str]) -> tuple[tuple[NameInString, ...], list[Found]]:
        """Return the names that the compiler writes into DWARF, where a debugger looks them up."""
        strings = set()
        found = []
        for piece in self.collected.dwarf:
            base, suffix = split(piece.text, *self.suffixes)
            if base in own:
                path, line = piece.place.path, self.corpus.line_of(piece.place)
                strings.add(NameInString(base, path, line, self.corpus.crate_of.get(path, ""), suffix))
                found.append(Found(base, suffix, TextSpot(piece, len(piece.text)), dwarf=True))
        return tuple(sorted(strings)), found

    def links(self) -> tuple[tuple[LinksKey, ...], list[Found]]:
        """Return the crates' ``links`` keys with the build scripts that read their variables."""
        keys = {pin.name: pin.entry.links for pin in self.corpus.release.crates if pin.entry.links}
        readers: dict[str, list[LinksReader]] = {crate: [] for crate in keys}
        found = []
        for read in self.collected.variables:
            for crate, key in keys.items():
                if read.variable.startswith(links_variable(key)):
                    line = self.corpus.line_of(read.place)
                    readers[crate].append(LinksReader(read.place.path, line, read.variable))
                    found.append(Found(read.variable, "", VariableSpot(read.place, key)))
        rows = (LinksKey(crate, key, tuple(readers[crate])) for crate, key in keys.items())
        return tuple(sorted(rows)), found

    def options(self) -> tuple[CustomOption, ...]:
        """Return what the build scripts of crates with names set for their crates."""
        return tuple(
            CustomOption(crate, name, cfg.render(when))
            for crate, options in sorted(self.collected.options.items())
            for name, when in sorted(options.items())
        )

    def crate_paths(self) -> tuple[CratePath, ...]:
        rows = (
            CratePath(printed.library, printed.place.path, self.corpus.line_of(printed.place))
            for printed in self.collected.paths.printed
        )
        return tuple(sorted(rows))

    # -- what could not be decided -----------------------------------------------------------------

    def stray_strings(self, own: frozenset[str], found: Sequence[Found]) -> None:
        """Doubt string literals that equal a link-time name and are at none of the known places."""
        known = {(place.path, place.start) for entry in found for place in _strings_of(entry.spot)}
        for path in self.corpus.rust:
            if own.isdisjoint(self.corpus.quoted(path)):
                continue
            for token in self.corpus.of_trees("strings", path, _strings):
                is_name = string_value(token).text.rstrip("\0") in own
                if is_name and (path, token.origin.start) not in known:
                    self.doubts.append(
                        (path, token.origin.start, f"the string {token.text} is a link-time name")
                    )

    def unpublished(self) -> None:
        """Doubt what stands in crates that the release needs and that nobody can read."""
        for crate in self.corpus.release.missing:
            manifest = f"{self.corpus.release.crate(crate.needed_by).prefix}Cargo.toml"
            at = max(self.corpus.files.get(manifest, b"").find(crate.name.encode()), 0)
            self.doubts.append(
                (manifest, at, f"needs {crate.name} {crate.version}, which was never published")
            )

    def blind_spots(self) -> tuple[BlindSpot, ...]:
        """Return the doubts that the policy says nothing of."""
        spots = {
            BlindSpot(path, self.corpus.line(path, offset), why)
            for path, offset, why in self.doubts
            if not any(
                fnmatch.fnmatchcase(path, entry.path) and entry.says in why for entry in self.policy.allowed
            )
        }
        return tuple(sorted(spots))


def _strings(trees: Sequence[Tree]) -> list[Token]:
    return [token for token in flatten(trees) if token.kind is TokenKind.STRING]


def _strings_of(spot: Spot) -> Iterator[Span]:
    """Return the places of string literals that a spot speaks of."""
    match spot:
        case TextSpot(piece):
            yield piece.place
        case ExportSpot(_, attribute) | ImportSpot(_, attribute) if attribute is not None:
            yield from (token.origin for token in flatten(attribute.value))
        case _:
            pass


def _key(raw: Raw) -> tuple[str, Role, str, int]:
    return (raw.name, raw.role, raw.path, raw.offset)
