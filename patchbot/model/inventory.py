"""What a scan finds of a release, and what a policy says of it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from patchbot.model.spelling import JsonObject


class Role(StrEnum):
    """What a place does with a link-time name."""

    DEFINE = "define"
    IMPORT = "import"


class Kind(StrEnum):
    """Whose name it is.

    ``own`` gets the suffix; ``keep`` is defined by wasmtime but looked up by its name from outside;
    ``embedder`` is what a custom platform defines; ``foreign`` belongs to libc, the unwinder and the like.
    """

    OWN = "own"
    KEEP = "keep"
    EMBEDDER = "embedder"
    FOREIGN = "foreign"


@dataclass(frozen=True, slots=True, order=True)
class Symbol:
    """One place that defines or imports a link-time name.

    ``name`` is the base name; ``suffix`` what the place already appends to it (upstream's from 12.0 on,
    ours in a rewritten tree).  ``form`` says how the source spells it and ``cfg`` when it is compiled,
    empty for always; ``weak`` when a definition is weak, empty for never (``all()`` for always).
    """

    name: str
    role: Role
    path: str
    line: int
    kind: Kind
    crate: str
    form: str
    cfg: str
    suffix: str = ""
    upstream_suffixed: bool = False
    weak: str = ""

    def to_json(self) -> JsonObject:
        """Spell the symbol as ``scan --json`` does."""
        return {
            "name": self.name,
            "role": self.role.value,
            "kind": self.kind.value,
            "crate": self.crate,
            "path": self.path,
            "line": self.line,
            "form": self.form,
            "cfg": self.cfg,
            "suffix": self.suffix,
            "upstream_suffixed": self.upstream_suffixed,
            "weak": self.weak,
        }


@dataclass(frozen=True, slots=True, order=True)
class NameInString:
    """A place that spells a link-time name in a string which a debugger will look up (DWARF)."""

    name: str
    path: str
    line: int
    crate: str
    suffix: str = ""


@dataclass(frozen=True, slots=True, order=True)
class LinksReader:
    """A build script that reads what a crate with a ``links`` key told cargo (``DEP_<KEY>_<NAME>``)."""

    path: str
    line: int
    variable: str


@dataclass(frozen=True, slots=True, order=True)
class LinksKey:
    """A crate's ``links`` key: a graph may hold one package per key."""

    crate: str
    key: str
    readers: tuple[LinksReader, ...] = ()


@dataclass(frozen=True, slots=True, order=True)
class CratePath:
    """A place where a macro prints the path of a library, which users then look up under that name."""

    library: str
    path: str
    line: int


@dataclass(frozen=True, slots=True, order=True)
class BlindSpot:
    """A place that could define or import a link-time name and could not be decided."""

    path: str
    line: int
    why: str


@dataclass(frozen=True, slots=True, order=True)
class CustomOption:
    """A ``cfg`` option that a crate's build script sets, and when it does."""

    crate: str
    name: str
    cfg: str


@dataclass(frozen=True, slots=True)
class Inventory:
    """Everything a scan of one release found; ``c_api`` are the crates whose names C callers know from headers."""

    symbols: tuple[Symbol, ...]
    strings: tuple[NameInString, ...] = ()
    links: tuple[LinksKey, ...] = ()
    options: tuple[CustomOption, ...] = ()
    crate_paths: tuple[CratePath, ...] = ()
    blind_spots: tuple[BlindSpot, ...] = ()
    c_api: tuple[str, ...] = ()
    upstream_suffix: str = ""

    def names(self, *kinds: Kind, role: Role | None = None) -> frozenset[str]:
        """Return the base names of these kinds (all if none are given), in that role."""
        return frozenset(
            s.name for s in self.symbols if (not kinds or s.kind in kinds) and role in (None, s.role)
        )

    def owners(self) -> frozenset[str]:
        """Crates that the series must touch, or that hold a ``links`` key."""
        named = {s.crate for s in self.symbols if s.kind is Kind.OWN}
        return frozenset(named | {s.crate for s in self.strings} | {k.crate for k in self.links})

    def to_json(self) -> JsonObject:
        """Spell the inventory as ``scan --json`` does, without the release's own keys."""
        return {
            "symbols": [s.to_json() for s in self.symbols],
            "strings": [
                {"name": s.name, "path": s.path, "line": s.line, "crate": s.crate, "suffix": s.suffix}
                for s in self.strings
            ],
            "links": [
                {
                    "crate": k.crate,
                    "key": k.key,
                    "readers": [{"path": r.path, "line": r.line, "variable": r.variable} for r in k.readers],
                }
                for k in self.links
            ],
            "options": [{"crate": o.crate, "name": o.name, "cfg": o.cfg} for o in self.options],
            "crate_paths": [{"library": c.library, "path": c.path, "line": c.line} for c in self.crate_paths],
            "blind_spots": [{"path": b.path, "line": b.line, "why": b.why} for b in self.blind_spots],
            "c_api": list(self.c_api),
            "upstream_suffix": self.upstream_suffix,
        }

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Inventory:
        """Read what ``to_json`` wrote."""
        return cls(
            symbols=tuple(
                Symbol(**{**s, "role": Role(s["role"]), "kind": Kind(s["kind"])}) for s in data["symbols"]
            ),
            strings=tuple(NameInString(**s) for s in data["strings"]),
            links=tuple(
                LinksKey(k["crate"], k["key"], tuple(LinksReader(**r) for r in k["readers"]))
                for k in data["links"]
            ),
            options=tuple(CustomOption(**o) for o in data["options"]),
            crate_paths=tuple(CratePath(**c) for c in data["crate_paths"]),
            blind_spots=tuple(BlindSpot(**b) for b in data["blind_spots"]),
            c_api=tuple(data["c_api"]),
            upstream_suffix=data["upstream_suffix"],
        )


@dataclass(frozen=True, slots=True)
class Keep:
    """A name, or the foreign items of files, that must stay as they are; ``why`` is told in reports.

    ``name`` is one exact name.  ``path`` is a pattern of files (``fnmatch``) whose imports the embedder
    defines.  One of the two is set.
    """

    why: str
    name: str = ""
    path: str = ""


@dataclass(frozen=True, slots=True)
class AllowedBlindSpot:
    """Blind spots that were looked at: files by pattern, and words that the finding's text contains."""

    path: str
    says: str
    why: str


@dataclass(frozen=True, slots=True)
class NamePolicy:
    """What the policy says about link-time names."""

    keep: tuple[Keep, ...] = ()
    allowed: tuple[AllowedBlindSpot, ...] = ()
