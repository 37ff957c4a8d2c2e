"""What the sources of a release say, undecided: definitions, imports, texts, and what could not be read."""

from __future__ import annotations

from dataclasses import dataclass, field

from patchbot.symbols import cfg
from patchbot.symbols.build import build_script
from patchbot.symbols.c import asm
from patchbot.symbols.c.preprocessor import Unit
from patchbot.symbols.paths import CratePaths
from patchbot.symbols.rust.templates import Naming, Piece, Template
from patchbot.symbols.rust.tokens import Span
from patchbot.symbols.spots import Raw

NO_SUFFIX = "is no name that a suffix can be put behind"


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

    def doubt(self, place: Span, why: str) -> None:
        """Add a place that could hide a name."""
        self.doubts.append((place.path, place.start, why))


def split(name: str, *suffixes: str) -> tuple[str, str]:
    """Return base name and suffix: the first of ``suffixes`` that the name ends with, or none."""
    for suffix in suffixes:
        if suffix and name.endswith(suffix) and len(name) > len(suffix):
            return name.removesuffix(suffix), suffix
    return name, ""
