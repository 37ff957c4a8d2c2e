"""Where a name is spelled: everything that a rule needs to edit it."""

from __future__ import annotations

from dataclasses import dataclass

from patchbot.model import Role, Symbol
from patchbot.symbols.rust.facts import Attribute, Item
from patchbot.symbols.rust.templates import Piece
from patchbot.symbols.rust.tokens import Span


@dataclass(frozen=True, slots=True)
class ExportSpot:
    """A Rust item made visible by an attribute."""

    item: Item
    attribute: Attribute


@dataclass(frozen=True, slots=True)
class ImportSpot:
    """A foreign item; ``attribute`` is its ``link_name`` if it has one."""

    item: Item
    attribute: Attribute | None


@dataclass(frozen=True, slots=True)
class TextSpot:
    """A name inside assembler text or a string: it ends before character ``end`` of ``piece``."""

    piece: Piece
    end: int


@dataclass(frozen=True, slots=True)
class SourceSpot:
    """A name in a file that a C compiler or assembler reads."""

    path: str


@dataclass(frozen=True, slots=True)
class VariableSpot:
    """A ``DEP_…`` string in a build script, made by the ``links`` key ``key``."""

    place: Span
    key: str


Spot = ExportSpot | ImportSpot | TextSpot | SourceSpot | VariableSpot


@dataclass(frozen=True, slots=True)
class Raw:
    """A definition or import before it is known whose name it is; ``suffix`` is what stands behind it.

    ``weak`` is the condition under which a definition is weak, empty for never.
    """

    name: str
    suffix: str
    role: Role
    path: str
    offset: int
    form: str
    cfg: str
    spot: Spot
    weak: str = ""


@dataclass(frozen=True, slots=True)
class Found:
    """One place that spells a name; ``symbol`` is None for a mere mention, ``dwarf`` for one in DWARF."""

    name: str
    suffix: str
    spot: Spot
    symbol: Symbol | None = None
    dwarf: bool = False
