"""The sources of one release as the scan sees them: which file is whose, read once, found by word."""

from __future__ import annotations

import posixpath
import re
import tomllib
from bisect import bisect_right
from collections.abc import Callable, Iterable, Mapping, Sequence
from copy import copy
from dataclasses import dataclass, field
from functools import cached_property, partial

from patchbot.model import CratePin, ImportedRelease
from patchbot.symbols.macros import Macro
from patchbot.symbols.readings import Readings
from patchbot.symbols.rust import Facts, read
from patchbot.symbols.tokens import Span, Tree, UnbalancedError, read_trees

# What cargo builds only for its own tests; a dependency never has it.
_NOT_BUILT = re.compile(r"(?:tests|benches|examples|fuzz)/")
_MACRO_DEFINITION = re.compile(rb"\bmacro_rules\s*!\s*(\w+)")
_PATH_ATTRIBUTE = re.compile(rb"#\s*\[\s*(?:cfg_attr\s*\([^]]*)?path\s*=")


@dataclass(frozen=True, slots=True)
class Unread:
    """A file that could not be read as what it claims to be."""

    path: str
    offset: int
    why: str


@dataclass
class Corpus:
    """A release's crates and files; reading is done on demand and remembered in ``readings``.

    ``has`` tells which macro definitions there are, and ``used`` are those that were asked for.
    """

    release: ImportedRelease
    files: Mapping[str, bytes]
    readings: Readings = field(default_factory=Readings)
    unread: list[Unread] = field(default_factory=list)
    has: Callable[[Macro], bool] = lambda _: True
    used: dict[Span, Macro] = field(default_factory=dict)
    _manifests: dict[str, Mapping[str, dict[str, object]]] = field(default_factory=dict)

    def only(self, has: Callable[[Macro], bool]) -> Corpus:
        """Return the same sources with the macro definitions that ``has`` says are there, and no others."""
        view = copy(self)
        view.has, view.used = has, {}
        return view

    @cached_property
    def by_crate(self) -> dict[str, list[str]]:
        """The files of each crate that a build may use, by the crate's name."""
        out: dict[str, list[str]] = {pin.name: [] for pin in self.release.crates}
        for path in sorted(self.files):
            owner = self.release.owner(path)
            if owner is not None and not _NOT_BUILT.match(path.removeprefix(f"{owner.path}/")):
                out[owner.name].append(path)
        return out

    @cached_property
    def crate_of(self) -> dict[str, str]:
        """The crate that each file belongs to."""
        return {path: crate for crate, paths in self.by_crate.items() for path in paths}

    @cached_property
    def rust(self) -> tuple[str, ...]:
        """Rust files that are compiled into crates: not build scripts, not proc macros."""
        left_out = {self.build_script(pin) for pin in self.release.crates}
        proc = {pin.name for pin in self.proc_macro_crates}
        return tuple(
            path
            for crate, paths in self.by_crate.items()
            if crate not in proc
            for path in paths
            if path.endswith(".rs") and path not in left_out
        )

    @cached_property
    def proc_macro_crates(self) -> tuple[CratePin, ...]:
        """The crates whose manifest says ``proc-macro = true``."""
        return tuple(
            pin for pin in self.release.crates if self.manifest(pin).get("lib", {}).get("proc-macro")
        )

    def manifest(self, pin: CratePin) -> Mapping[str, dict[str, object]]:
        """Return a crate's manifest, or nothing where it cannot be read (reported)."""
        path = f"{pin.path}/Cargo.toml"
        if path not in self._manifests:
            try:
                self._manifests[path] = tomllib.loads(self.files[path].decode())
            except (KeyError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
                self._manifests[path] = {}
                self._cannot_read(path, 0, f"the manifest cannot be read: {error}")
        return self._manifests[path]

    def features(self, pin: CratePin) -> tuple[str, ...]:
        """Return the names of a crate's cargo features, those that optional dependencies make included."""
        manifest = self.manifest(pin)
        optional = [
            name
            for name, value in manifest.get("dependencies", {}).items()
            if isinstance(value, Mapping) and value.get("optional")
        ]
        return (*manifest.get("features", {}), *optional)

    def library(self, pin: CratePin) -> str:
        """Return the root file of a crate's library."""
        given = self.manifest(pin).get("lib", {}).get("path")
        return posixpath.normpath(f"{pin.path}/{given if isinstance(given, str) else 'src/lib.rs'}")

    def library_name(self, pin: CratePin) -> str:
        """Return the name that Rust code uses for a crate."""
        given = self.manifest(pin).get("lib", {}).get("name")
        return (given if isinstance(given, str) else pin.name).replace("-", "_")

    def build_script(self, pin: CratePin) -> str | None:
        """Return where a crate's build script is, or None if it has none."""
        given = self.manifest(pin).get("package", {}).get("build")
        path = posixpath.normpath(f"{pin.path}/{given if isinstance(given, str) else 'build.rs'}")
        return path if path in self.files and given is not False else None

    def text(self, path: str) -> str | None:
        """Return a file as latin-1, or None if the release has no such file."""
        data = self.files.get(path)
        return None if data is None else data.decode("latin-1")

    def trees(self, path: str) -> tuple[Tree, ...]:
        """Return the token trees of a Rust file; a file that cannot be read has none, and is reported."""
        data = self.files.get(path, b"")
        read = self.readings.recall(("trees", path, data), lambda: _read_trees(data, path))
        if isinstance(read, Unread):
            if read not in self.unread:
                self.unread.append(read)
            return ()
        return read

    def facts(self, path: str) -> Facts:
        """Return what stands in a Rust file."""
        trees = self.trees(path)
        return self.readings.recall(("facts", path, self.files.get(path, b"")), lambda: read(trees))

    def line(self, path: str, offset: int) -> int:
        """Return the line (from 1) of a byte offset."""
        data = self.files.get(path, b"")  # a manifest that is not there has a line too
        ends = self.readings.recall(("lines", data), lambda: [m.end() for m in re.finditer(rb"\n", data)])
        return bisect_right(ends, offset) + 1

    def line_of(self, span: Span) -> int:
        """Return the line on which a span begins."""
        return self.line(span.path, span.start)

    def with_word(self, words: Iterable[str]) -> list[str]:
        """Return the Rust files in which one of ``words`` stands as a word."""
        needles = [word.encode("latin-1") for word in sorted(words)]
        if not needles:
            return []
        return self.matching(re.compile(rb"\b(?:%b)\b" % b"|".join(map(re.escape, needles))), needles)

    def matching(self, pattern: re.Pattern[bytes], needles: Sequence[bytes]) -> list[str]:
        """Return the Rust files that ``pattern`` is found in; one of ``needles`` is in whatever it matches."""
        return [path for path in self.rust if self.readings.found(pattern, needles, self.files[path])]

    @cached_property
    def pathed(self) -> frozenset[str]:
        """Rust files that have a module with ``#[path]``."""
        return frozenset(self.matching(_PATH_ATTRIBUTE, [b"path"]))

    @cached_property
    def _macro_files(self) -> dict[str, list[str]]:
        out: dict[str, list[str]] = {}
        for path in self.rust:
            data = self.files[path]
            for name in self.readings.recall(("macros", data), partial(_macro_names, data)):
                out.setdefault(name, []).append(path)
        return out

    def macros(self, name: str, near: str) -> list[Macro]:
        """Return the ``macro_rules!`` definitions that ``name`` can mean in the file ``near``.

        Those of the same file hide the others, those of the same crate hide other crates'.
        """
        found = [
            macro
            for path in dict.fromkeys(self._macro_files.get(name, []))
            for macro in self.facts(path).macros
            if macro.name == name and self.has(macro)
        ]
        crate = self.crate_of.get(near)
        scopes = (
            [m for m in found if m.place.path == near],
            [m for m in found if self.crate_of.get(m.place.path) == crate],
            found,
        )
        meant = next((scope for scope in scopes if scope), [])
        self.used.update((macro.place, macro) for macro in meant)
        return meant

    def _cannot_read(self, path: str, offset: int, why: str) -> None:
        problem = Unread(path, offset, why)
        if problem not in self.unread:
            self.unread.append(problem)


def _read_trees(data: bytes, path: str) -> tuple[Tree, ...] | Unread:
    try:
        return read_trees(data.decode("latin-1"), path)
    except UnbalancedError as error:
        return Unread(path, error.offset, "brackets, a string or a comment do not end, or nest too deep")


def _macro_names(data: bytes) -> list[str]:
    return [match[1].decode() for match in _MACRO_DEFINITION.finditer(data)]
