"""What a mutation is, and the places of a release that it is put into."""

from __future__ import annotations

import posixpath
import re
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from enum import Enum, StrEnum, auto
from typing import Any

import tomlkit

from patchbot.model import CratePin, ImportedRelease, IndexEntry, Role

NAME = "mutant"


class Outcome(StrEnum):
    """What must come of a mutation; anything else is a name that was missed, or noise."""

    SUFFIXED = "suffixed"
    REPORTED = "reported"
    CLEAN = "clean"


class Part(Enum):
    """A file of the release that mutations are put into.

    ``LIBRARY``, ``C``, ``BUILD`` (its ``main``), ``BUILD_ITEMS`` (beside its ``main``) and ``MANIFEST`` are
    of one crate; ``ASSEMBLER`` and ``PLAIN`` are new files that its build script compiles.  ``ENVIRON`` is
    the library of another crate, ``MACROS`` that of a proc-macro crate.
    """

    LIBRARY = auto()
    C = auto()
    ASSEMBLER = auto()
    PLAIN = auto()
    BUILD = auto()
    BUILD_ITEMS = auto()
    MANIFEST = auto()
    ENVIRON = auto()
    MACROS = auto()


_PATHS = {
    Part.LIBRARY: "src/lib.rs",
    Part.C: "{c}",
    Part.ASSEMBLER: "src/mutant.S",
    Part.PLAIN: "src/mutant.s",
    Part.BUILD: "build.rs",
    Part.BUILD_ITEMS: "build.rs",
    Part.MANIFEST: "Cargo.toml",
    Part.ENVIRON: "{environ}/src/lib.rs",
    Part.MACROS: "{macros}/src/lib.rs",
}


class Use(Enum):
    """What the mutation does with the name; a mention is in no list of a scan, and has to be renamed too."""

    DEFINE = Role.DEFINE
    IMPORT = Role.IMPORT
    MENTION = None


# Imports and mentions are of a name that the release defines elsewhere.
DEFINITION = '#[no_mangle]\npub extern "C" fn mutant() {}\n'


@dataclass(frozen=True, kw_only=True)
class Mutation:
    """One row of the table.

    ``text`` goes to the end of ``part``, or to its head if ``head`` is set; ``also`` are texts for other
    parts, ``files`` further files by their path in the crate (``{c}/x.h`` is beside the C file).  ``at`` is
    the file with the name or finding, if it is not ``part``; ``says`` is what a finding must say.
    ``spelled`` is how the suffixed name stands in the new bytes of ``edited``, if those are not of ``at``.

    A compiler is asked whether the row makes its name, with ``crate`` (attributes of a crate) and ``flags``;
    ``unproved`` says why none is.
    """

    id: str
    part: Part
    text: str
    outcome: Outcome
    use: Use = Use.DEFINE
    name: str = NAME
    says: str = ""
    spelled: str = "mutant{suffix}"
    at: str = ""
    edited: str = ""
    head: bool = False
    also: Mapping[Part, str] = field(default_factory=dict)
    files: Mapping[str, str | bytes] = field(default_factory=dict)
    crate: str = ""
    flags: tuple[str, ...] = ()
    unproved: str = ""

    def put_into(self, host: Host) -> dict[str, bytes]:
        """Return the files of the release with the mutation in them."""
        out = dict(host.files)
        for part, text in {self.part: self.text, **self.also}.items():
            _put(out, host, part, text, head=self.head and part is self.part)
            if part in {Part.ASSEMBLER, Part.PLAIN}:
                compiled = f'cc::Build::new().file("{_PATHS[part]}").compile("mutant");\n'
                _put(out, host, Part.BUILD, compiled, head=False)
        if self.use is not Use.DEFINE:
            out[host.path("src/mutant_definition.rs")] = DEFINITION.encode()
        for path, data in self.files.items():
            out[host.path(path)] = data if isinstance(data, bytes) else data.encode()
        return out

    def place(self, host: Host) -> str:
        """Return the file that must have the name, or the finding."""
        return host.path(self.at or _PATHS[self.part])

    def place_of_edit(self, host: Host) -> str:
        """Return the file in which the suffix must stand."""
        return host.path(self.edited) if self.edited else self.place(host)


@dataclass(frozen=True)
class Host:
    """A release as a place for mutations: a crate with a build script and a C file, and two others."""

    imported: ImportedRelease
    files: Mapping[str, bytes]
    crate: CratePin
    c: str

    @classmethod
    def of(cls, imported: ImportedRelease, files: Mapping[str, bytes]) -> Host:
        """Find the crate that compiles the helpers in C; add the one with macros."""
        for pin in imported.crates:
            script = files.get(f"{pin.path}/build.rs", b"").decode()
            for match in re.finditer(r'\.file\("([^"]*helpers\.c)"\)', script):
                return cls(*_with_macros(imported, files), pin, match[1])
        raise AssertionError("no crate compiles helpers in C")

    def path(self, pattern: str) -> str:
        """Return the path in the release that a path of the table stands for."""
        if pattern.startswith("{environ}"):
            return pattern.replace("{environ}", self.imported.crate("wasmtime-environ").path)
        if pattern.startswith("{macros}"):
            return pattern.replace("{macros}", MACROS)
        named = pattern.replace("{c}/", f"{posixpath.dirname(self.c)}/").replace("{c}", self.c)
        return posixpath.normpath(f"{self.crate.path}/{named}")


MACROS = "crates/mutant-macros"
_MACROS_LIB = """\
use proc_macro::TokenStream;

#[proc_macro]
pub fn harmless(input: TokenStream) -> TokenStream {
    input
}
"""


def _with_macros(
    imported: ImportedRelease, files: Mapping[str, bytes]
) -> tuple[ImportedRelease, dict[str, bytes]]:
    name = "wasmtime-mutant-macros"
    entry = IndexEntry(name, "1.0.0", "0" * 64, yanked=False, dependencies=(), features={})
    manifest = f'[package]\nname = "{name}"\nversion = "1.0.0"\n\n[lib]\nproc-macro = true\n'
    crates = (*imported.crates, CratePin(entry, MACROS, imported.commit))
    more = {f"{MACROS}/Cargo.toml": manifest.encode(), f"{MACROS}/src/lib.rs": _MACROS_LIB.encode()}
    return replace(imported, crates=crates), {**files, **more}


def _put(out: dict[str, bytes], host: Host, part: Part, text: str, *, head: bool) -> None:
    path, added = host.path(_PATHS[part]), text.encode()
    data = out.get(path, b"")
    if part is Part.BUILD:
        before, main, after = data.partition(b"fn main() {\n")
        assert main, "a build script has a main"
        out[path] = before + main + added + after
    elif part is Part.MANIFEST:
        document = tomlkit.parse(data.decode())
        _merge(document, tomllib.loads(text))
        out[path] = tomlkit.dumps(document).encode()
    else:
        between = b"" if head or not data or data.endswith(b"\n") else b"\n"
        out[path] = added + data if head else data + between + added


def _merge(into: Any, table: Mapping[str, Any]) -> None:  # noqa: ANN401 - TOML
    for key, value in table.items():
        if isinstance(value, dict) and key in into:
            _merge(into[key], value)
        else:
            into[key] = value
