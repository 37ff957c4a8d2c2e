"""Assembled truth: what a compiler is given, what the scan says comes of it, and what became of it.

Values that rooms share: ``symbols`` says what is given and expected, ``proof`` makes objects and compares,
``report`` shows it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from patchbot.model import JsonObject, Release


class Form(StrEnum):
    """How names get into an object.

    ``TEXT`` is assembler text of Rust macros as ``symbols`` expands them, ``MACROS`` the same macros
    expanded by rustc.
    """

    C = "C"
    ASSEMBLER = "assembler"
    TEXT = "text"
    MACROS = "macros"


@dataclass(frozen=True, slots=True)
class Operand:
    """An operand behind assembler text: ``name = sym path``, ``const 1``, ``in("rax") x``.

    ``name`` is empty for one that is told by its position.  ``spelled`` is the last word of a ``sym`` path,
    and ``symbol`` the linker's name for it if that is not left to rustc.
    """

    kind: str
    name: str = ""
    spelled: str = ""
    symbol: str = ""


@dataclass(frozen=True, slots=True)
class AsmText:
    """Assembler text as ``global_asm!`` gets it, with its operands and options (``att_syntax``, ``raw``)."""

    text: str
    operands: tuple[Operand, ...] = ()
    options: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Source:
    """Something of a release that becomes one object on one target.

    ``obstacle`` says why nobody can compile it as upstream has it, with the place; empty if nothing is known.
    """

    path: str
    crate: str
    obstacle: str = ""

    @property
    def form(self) -> Form:
        """How its names are made."""
        raise NotImplementedError


@dataclass(frozen=True, slots=True, kw_only=True)
class CompiledFile(Source):
    """A file that a build script gives to the C compiler.

    ``folder`` is the crate's, where the compiler runs; ``files`` are the file and what it includes, by path;
    ``defines`` the flags that set macros.
    """

    folder: str
    files: Mapping[str, bytes]
    defines: tuple[str, ...] = ()

    @property
    def form(self) -> Form:
        """C, or an assembler file."""
        return Form.C if self.path.endswith(".c") else Form.ASSEMBLER


@dataclass(frozen=True, slots=True, kw_only=True)
class TextFile(Source):
    """The assembler texts of Rust that define the names written in one file."""

    texts: tuple[AsmText, ...]

    @property
    def form(self) -> Form:
        """Assembler text."""
        return Form.TEXT


@dataclass(frozen=True, slots=True)
class RustModule:
    """A piece of a crate as it is written: a file, or an inline module (``mod x {…}``) of one.

    ``place`` is the module's path in its crate, its own name last.  ``hands_on`` says that it gives its macros
    to others by ``use``, as items, and not by their place in the text.  ``beside`` is what the module around
    it has to hold: foreign blocks as they are written, and functions of the ``stubs``' names.
    """

    place: tuple[str, ...]
    text: str
    inline: bool = False
    hands_on: bool = False
    beside: tuple[str, ...] = ()
    stubs: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class MacroCrate:
    """A crate whose macros another one uses, under the name that is used there; ``text`` is all of it."""

    name: str
    text: str
    edition: str
    version: str
    proc_macro: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class MacroFile(Source):
    """Those pieces of a crate whose macros make assembler text, for rustc to expand.

    ``paths`` are the files whose names the object has; ``path`` is the crate's folder.
    """

    paths: tuple[str, ...]
    edition: str
    features: tuple[str, ...]
    modules: tuple[RustModule, ...]
    crates: tuple[MacroCrate, ...]

    @property
    def form(self) -> Form:
        """Macros."""
        return Form.MACROS


@dataclass(frozen=True, slots=True)
class Expected:
    """What the scan says of one object, names with their suffix.

    ``weak`` are those of ``defined`` that are weak.  ``imported`` are own names that come from elsewhere;
    where ``exact`` all of them are in the object, else some (a declaration in C is no use).
    """

    defined: frozenset[str] = frozenset()
    weak: frozenset[str] = frozenset()
    imported: frozenset[str] = frozenset()
    exact: bool = True


@dataclass(frozen=True, slots=True)
class OwnNames:
    """The base names that get the suffix in a release, and the suffix."""

    own: frozenset[str]
    suffix: str


class Verdict(StrEnum):
    """What became of a source on a target; every one ends with exactly one."""

    AGREES = "agrees"
    DISAGREES = "disagrees"
    REFUSED = "does not compile"
    IMPOSSIBLE = "cannot compile"
    NO_COMPILER = "no compiler"
    NOT_COMPILED = "not compiled"

    @property
    def ok(self) -> bool:
        """Whether nobody has to look at it."""
        return self not in {Verdict.DISAGREES, Verdict.REFUSED}


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """What became of one source on one target (none for a file that no target compiles).

    ``defined`` and ``imported`` are names that ``nm`` told, ``suffixed`` how many of the former have the
    suffix.  ``problems`` are what is wrong, ``obstacle`` why upstream cannot compile it, ``notes`` what else
    is worth knowing.  ``twin`` tells whether the source without patches disagreed, as it must: None where
    that was not tried.  ``seconds`` are the tools', and ``known`` says that an earlier run had the same input.
    """

    path: str
    crate: str
    form: Form
    target: str
    verdict: Verdict
    compiler: str = ""
    defined: tuple[str, ...] = ()
    imported: tuple[str, ...] = ()
    suffixed: int = 0
    problems: tuple[str, ...] = ()
    obstacle: str = ""
    notes: tuple[str, ...] = ()
    twin: bool | None = None
    seconds: float = 0.0
    known: bool = False

    @property
    def ok(self) -> bool:
        """Whether it agrees, or cannot be asked, and its twin did not pass."""
        return self.verdict.ok and self.twin is not False

    def to_json(self) -> JsonObject:
        """Spell the row as ``assemble --json`` does."""
        return {
            "path": self.path,
            "crate": self.crate,
            "form": self.form.value,
            "target": self.target,
            "compiled": self.verdict is not Verdict.NOT_COMPILED,
            "verdict": self.verdict.value,
            "compiler": self.compiler,
            "defined": list(self.defined),
            "imported": list(self.imported),
            "suffixed": self.suffixed,
            "problems": list(self.problems),
            "obstacle": self.obstacle,
            "notes": list(self.notes),
            "negative_twin_failed": self.twin,
            "seconds": round(self.seconds, 3),
            "known": self.known,
        }

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Row:
        """Read what ``to_json`` wrote."""
        return cls(
            path=data["path"],
            crate=data["crate"],
            form=Form(data["form"]),
            target=data["target"],
            verdict=Verdict(data["verdict"]),
            compiler=data["compiler"],
            defined=tuple(data["defined"]),
            imported=tuple(data["imported"]),
            suffixed=data["suffixed"],
            problems=tuple(data["problems"]),
            obstacle=data["obstacle"],
            notes=tuple(data["notes"]),
            twin=data["negative_twin_failed"],
            seconds=data["seconds"],
            known=data["known"],
        )


@dataclass(frozen=True, slots=True)
class Assembled:
    """A release's rows; ``inline`` are files with ``asm!`` in functions, which makes no object of its own."""

    release: Release
    suffix: str
    rows: tuple[Row, ...]
    inline: tuple[str, ...] = ()

    @property
    def ok(self) -> bool:
        """Whether every row is."""
        return all(row.ok for row in self.rows)

    def to_json(self) -> JsonObject:
        """Spell the outcome as ``assemble --json`` does."""
        rows = [row.to_json() for row in self.rows]
        return {
            "release": str(self.release),
            "suffix": self.suffix,
            "ok": self.ok,
            "rows": rows,
            "inline": list(self.inline),
        }

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Assembled:
        """Read what ``to_json`` wrote."""
        rows = tuple(Row.from_json(row) for row in data["rows"])
        return cls(Release.parse(data["release"]), data["suffix"], rows, tuple(data["inline"]))


class Evidence(StrEnum):
    """What shows that the names of an assembler file are right on a target: the strongest that there is."""

    RUN = "run"
    ASSEMBLED = "assembled"
    NOT_NEEDED = "none needed"
    NONE = "none"


@dataclass(frozen=True, slots=True)
class SpecialFile:
    """An assembler file of a release on one target; ``row`` is None for a release that has no such file.

    ``run`` are the sets of releases whose receipts say that a program with this release ran on the target.
    """

    release: Release
    row: Row | None
    run: tuple[str, ...] = ()

    @property
    def ok(self) -> bool:
        """Whether nobody has to look at it."""
        return self.row is None or self.row.ok

    @property
    def path(self) -> str:
        """Where the file is; empty if there is none."""
        return self.row.path if self.row is not None else ""

    @property
    def compiled(self) -> bool:
        """Whether a build script compiles it."""
        return self.row is not None and self.row.verdict is not Verdict.NOT_COMPILED

    @property
    def assembled(self) -> str:
        """The compiler that made an object of it; empty if none did."""
        if self.row is None or self.row.verdict not in {Verdict.AGREES, Verdict.DISAGREES}:
            return ""
        return self.row.compiler

    @property
    def agrees(self) -> bool | None:
        """Whether ``nm`` finds the names of the scan; None if there is no object to ask."""
        return self.row.verdict is Verdict.AGREES if self.row is not None and self.assembled else None

    @property
    def evidence(self) -> Evidence:
        """The strongest evidence; a file that nothing compiles is in no program, and needs none."""
        if self.row is not None and not self.compiled:
            return Evidence.NOT_NEEDED
        if not self.ok:
            return Evidence.NONE
        if self.run:
            return Evidence.RUN
        if self.row is None:
            return Evidence.NOT_NEEDED
        return Evidence.ASSEMBLED if self.agrees else Evidence.NONE

    def to_json(self) -> JsonObject:
        """Spell the file as ``report special-file --json`` does."""
        row = self.row
        return {
            "release": str(self.release),
            "path": self.path or None,
            "present": row is not None,
            "compiled": self.compiled,
            "defined": list(row.defined) if row is not None else [],
            "suffixed": row.suffixed if row is not None else 0,
            "assembled": self.assembled or None,
            "agrees": self.agrees,
            "twin": row.twin if row is not None else None,
            "run": list(self.run),
            "evidence": self.evidence.value,
            "problems": list(row.problems) if row is not None else [],
            "notes": list(row.notes) if row is not None else [],
        }
