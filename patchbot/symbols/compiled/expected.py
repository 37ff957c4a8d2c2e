"""What a scan says of the objects of a target: the names that each must define, and may import."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator

from patchbot.model import Kind, Role, Symbol
from patchbot.symbols import cfg
from patchbot.symbols.c import asm
from patchbot.symbols.collected import split
from patchbot.symbols.scan import Scan
from patchbot.symbols.spots import ExportSpot, Found, SourceSpot, TextSpot
from patchbot.targets import Target
from patchbot.truth import CompiledFile, Expected, Form, MacroFile, Source, TextFile


class Expectations:
    """A scan of a release with suffixes, asked for one target."""

    def __init__(self, scan: Scan, suffix: str, target: Target) -> None:
        self._scan = scan
        self._suffix = suffix
        self._own = scan.inventory.names(Kind.OWN)
        self._options: dict[str, dict[str, cfg.Cfg]] = {}
        for option in scan.inventory.options:
            self._options.setdefault(option.crate, {})[option.name] = cfg.parse(option.cfg)
        self._target = target
        self._found = [f for f in scan.found if f.symbol is None or self._holds(f.symbol, f.symbol.cfg)]

    def of(self, source: Source) -> Expected:
        """Return what the scan says of the object that a source becomes."""
        match source:
            case CompiledFile(path=path):
                return self._compiled(source, lambda found: _file(found) == path)
            case TextFile(path=path):
                defined = self._defined(lambda found: _text(found) == path)
                return Expected(defined, imported=self._used(source) - defined)
            case MacroFile(paths=paths, crate=crate):
                defined = self._defined(lambda found: _text(found) in paths or _exported(found) in paths)
                return Expected(defined, imported=self._imported(crate), exact=False)
            case _:
                raise TypeError(source)

    def uncovered(self, sources: Iterable[Source]) -> Iterator[tuple[str, Form, str]]:
        """Return file, form and name of every definition that none of the sources makes."""
        made = {(source.form, source.path) for source in sources}
        for found in self._found:
            if found.symbol is None or found.symbol.role is not Role.DEFINE:
                continue
            if (path := _file(found)) and not {(Form.C, path), (Form.ASSEMBLER, path)} & made:
                yield path, Form.C if path.endswith(".c") else Form.ASSEMBLER, _full(found)
            if (path := _text(found)) and (Form.TEXT, path) not in made:
                yield path, Form.TEXT, _full(found)

    def _compiled(self, source: CompiledFile, mine: Callable[[Found], bool]) -> Expected:
        found = [f for f in self._found if mine(f)]
        defined = self._defined(mine)
        weak = {_full(f) for f in found if f.symbol is not None and self._is_weak(f.symbol)}
        used = {_full(f) for f in found if f.name in self._own and (f.symbol is None or _is_own(f.symbol))}
        return Expected(
            defined, frozenset(weak) & defined, frozenset(used) - defined, exact=source.form is not Form.C
        )

    def _defined(self, mine: Callable[[Found], bool]) -> frozenset[str]:
        return frozenset(
            _full(f) for f in self._found if f.symbol is not None and f.symbol.role is Role.DEFINE and mine(f)
        )

    def _imported(self, crate: str) -> frozenset[str]:
        """Return the own names that a crate declares in foreign blocks."""
        return frozenset(
            _full(f)
            for f in self._found
            if f.symbol is not None
            and (f.symbol.crate, f.symbol.role, f.symbol.kind) == (crate, Role.IMPORT, Kind.OWN)
        )

    def _used(self, source: TextFile) -> frozenset[str]:
        """Return the own names that stand in texts, or are put into them by operands."""
        words = {name.text for text in source.texts for name in asm.scan(text.text).names}
        words |= {operand.symbol for text in source.texts for operand in text.operands}
        return frozenset(word for word in words if split(word, self._suffix)[0] in self._own)

    def _is_weak(self, symbol: Symbol) -> bool:
        return bool(symbol.weak) and self._holds(symbol, symbol.weak)

    def _holds(self, symbol: Symbol, condition: str) -> bool:
        custom = self._options.get(symbol.crate, {})
        return cfg.on(cfg.parse(condition), self._target, custom) is not False


def _full(found: Found) -> str:
    return f"{found.name}{found.suffix}"


def _is_own(symbol: Symbol) -> bool:
    return symbol.kind is Kind.OWN


def _file(found: Found) -> str:
    """Return the compiled file that a place is in, empty if it is in none."""
    return found.spot.path if isinstance(found.spot, SourceSpot) else ""


def _text(found: Found) -> str:
    """Return the file that spells a name for assembler text, empty for another place."""
    return found.symbol.path if isinstance(found.spot, TextSpot) and found.symbol is not None else ""


def _exported(found: Found) -> str:
    """Return the file of an attribute that exports, empty for another place."""
    return found.symbol.path if isinstance(found.spot, ExportSpot) and found.symbol is not None else ""
