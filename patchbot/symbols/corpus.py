"""The sources of one release as the scan sees them: which file is whose, read once, found by word."""

from __future__ import annotations

import json
import posixpath
import re
from bisect import bisect_right
from collections.abc import Callable, Iterable, Mapping, Sequence
from copy import copy
from dataclasses import dataclass, field
from functools import cached_property, partial
from typing import TypeVar

from patchbot.model import CratePin, ImportedRelease
from patchbot.symbols import kept
from patchbot.symbols.build import build_script, manifests
from patchbot.symbols.build.build_script import BuildFacts
from patchbot.symbols.build.manifests import Manifest, ManifestError
from patchbot.symbols.c import asm
from patchbot.symbols.c.preprocessor import Unit, preprocess
from patchbot.symbols.readings import Readings
from patchbot.symbols.rust import language, outside
from patchbot.symbols.rust.facts import Facts
from patchbot.symbols.rust.macros import Macro
from patchbot.symbols.rust.reader import read
from patchbot.symbols.rust.tokens import Span, Tree, UnbalancedError, read_trees
from patchbot.symbols.rust.words import is_worth_reading

# What cargo builds only for its own tests; a dependency never has it.
_NOT_BUILT = re.compile(r"(?:tests|benches|examples|fuzz)/")
_GAP = rb"\s*+(?:/\*.{0,500}?\*/\s*+|//[^\n]{0,500}+\n\s*+){0,5}"  # space and comments
_MACRO_DEFINITION = re.compile(
    rb"macro_rules\b%b!%b(?:r#)?([\w\x80-\xff]+)" % (_GAP, _GAP), re.ASCII | re.DOTALL
)
_WORD = re.compile(rb"[\w\x80-\xff]+", re.ASCII)
_QUOTED = re.compile(rb'"([\w.$]+)(?:\\0)?"', re.ASCII)

T = TypeVar("T")

MAX_SIZE = 4_000_000  # bytes of a file that is read; upstream's largest has a tenth of that


@dataclass(frozen=True, slots=True)
class Unread:
    """A file that could not be read as what it claims to be."""

    path: str
    offset: int
    why: str


@dataclass(slots=True)
class _Preprocessed:
    """A preprocessed file, and the text of each file that this rests on."""

    unit: Unit | None = None
    asked: dict[str, str | None] = field(default_factory=dict)


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
    _manifests: dict[str, Manifest] = field(default_factory=dict)
    _elsewhere: dict[str, frozenset[str]] = field(default_factory=dict)
    _huge: frozenset[str] = frozenset()

    def __post_init__(self) -> None:
        self._huge = frozenset(path for path, data in self.files.items() if len(data) > MAX_SIZE)
        if self._huge:  # nobody gets to see what is in them
            self.files = {**self.files, **dict.fromkeys(self._huge, b"")}

    @cached_property
    def identity(self) -> bytes:
        """A digest of everything that can be read of the sources: what depends on them all is kept under it."""
        release = json.dumps(self.release.to_json(), sort_keys=True)
        return kept.digest((release, tuple(sorted(self._huge)), tuple(self.files.items())))

    def only(self, has: Callable[[Macro], bool]) -> Corpus:
        """Return the same sources with the macro definitions that ``has`` says are there, and no others."""
        view = copy(self)
        view.has, view.used = has, {}
        return view

    @cached_property
    def by_crate(self) -> dict[str, list[str]]:
        """The files of each crate that a build may use, by the crate's name."""
        out: dict[str, list[str]] = {pin.name: [] for pin in self.release.crates}
        owners: dict[str, CratePin | None] = {}  # by folder
        modules: dict[str, str] = {}  # where those of a crate are
        for path in sorted(self.files):
            folder = path.rpartition("/")[0]
            if folder not in owners:
                owners[folder] = self.release.owner(path)
            owner = owners[folder]
            if owner is None:
                continue
            if owner.name not in modules:
                modules[owner.name] = f"{posixpath.dirname(self.library(owner))}/"
            # modules are beside the library, whatever their folder is called
            near = path.startswith(modules[owner.name])
            if near or not _NOT_BUILT.match(path, len(owner.prefix)):
                out[owner.name].append(path)
        return out

    @cached_property
    def crate_of(self) -> dict[str, str]:
        """The crate that each file belongs to."""
        return {path: crate for crate, paths in self.by_crate.items() for path in paths}

    @cached_property
    def rust(self) -> tuple[str, ...]:
        """Rust files that are compiled into crates: not proc macros, and no build scripts but what is a module, too."""
        left_out = {
            script
            for pin in self.release.crates
            if (script := self.build_script(pin)) is not None
            and not script.startswith(f"{posixpath.dirname(self.library(pin))}/")
        }
        proc = {pin.name for pin in self.proc_macro_crates}
        found = (path for crate, paths in self.by_crate.items() if crate not in proc for path in paths)
        return tuple(path for path in found if path.endswith(".rs") and path not in left_out)

    @cached_property
    def proc_macro_crates(self) -> tuple[CratePin, ...]:
        """The crates whose manifest says that they are macros."""
        return tuple(pin for pin in self.release.crates if self.manifest(pin).proc_macro)

    @cached_property
    def generators(self) -> frozenset[str]:
        """The crates whose code runs while others are built: proc macros, and what build scripts use."""
        by_name = {pin.name: pin for pin in self.release.crates}
        scripts = [pin for pin in self.release.crates if self.build_script(pin) is not None]
        queue = [name for pin in scripts for name in self.manifest(pin).build_dependencies.values()]
        queue += [pin.name for pin in self.proc_macro_crates]
        found: set[str] = set()
        while queue:
            name = queue.pop()
            if name in by_name and name not in found:
                found.add(name)
                queue += self.manifest(by_name[name]).dependencies.values()
        return frozenset(found)

    def elsewhere(self, crate: str) -> frozenset[str]:
        """Return the names by which a crate knows those that are not the release's."""
        if crate not in self._elsewhere:
            own = {pin.name for pin in self.release.crates}
            manifest = self.manifest(self.release.crate(crate)) if crate else Manifest()
            names = (name for name, package in manifest.dependencies.items() if package not in own)
            self._elsewhere[crate] = frozenset(names)
        return self._elsewhere[crate]

    def manifest(self, pin: CratePin) -> Manifest:
        """Return a crate's manifest, or nothing where it cannot be read (reported)."""
        path = f"{pin.prefix}Cargo.toml"
        if path not in self._manifests:
            self._manifests[path] = self._read_manifest(path)
        return self._manifests[path]

    def features(self, pin: CratePin) -> tuple[str, ...]:
        """Return the names of a crate's cargo features, those that optional dependencies make included."""
        return self.manifest(pin).features

    def _read_manifest(self, path: str) -> Manifest:
        data = self.files.get(path)
        why = "there is none" if data is None else _TOO_LARGE if path in self._huge else ""
        if data is not None and not why:
            read = self.readings.keep(("manifest", data), partial(_manifest, data))
            if isinstance(read, Manifest):
                return read
            why = read
        self._cannot_read(path, 0, f"the manifest cannot be read: {why}")
        return Manifest()

    def library(self, pin: CratePin) -> str:
        """Return the root file of a crate's library."""
        return posixpath.normpath(f"{pin.prefix}{self.manifest(pin).library or 'src/lib.rs'}")

    def library_name(self, pin: CratePin) -> str:
        """Return the name that Rust code uses for a crate."""
        return (self.manifest(pin).library_name or pin.name).replace("-", "_")

    def build_script(self, pin: CratePin) -> str | None:
        """Return where a crate's build script is, or None if it has none."""
        given = self.manifest(pin).build_script
        path = posixpath.normpath(f"{pin.prefix}{given or 'build.rs'}")
        return path if path in self.files and given is not None else None

    def text(self, path: str) -> str | None:
        """Return a file as latin-1, or None if the release has no such file; a huge one is empty (reported)."""
        self._tell_huge(path)
        data = self.files.get(path)
        return None if data is None else data.decode("latin-1")

    def preprocessed(self, path: str, defines: Mapping[str, str]) -> Unit:
        """Return a file that a build script compiles, preprocessed with the macros that the script defines."""
        key = ("preprocessed", path, self.files[path], tuple(sorted(defines.items())))
        known = self.readings.recall(key, _Preprocessed)
        if known.unit is None or any(self.text(asked) != text for asked, text in known.asked.items()):
            asked: dict[str, str | None] = {}

            def read(file: str) -> str | None:
                return asked.setdefault(file, self.text(file))

            known.unit, known.asked = preprocess(path, read=read, defines=defines), asked
        return known.unit

    def build_facts(self, pin: CratePin, path: str) -> BuildFacts:
        """Return what the build script ``path`` of a crate says."""
        features = self.features(pin)
        return self.of_trees("build script", path, lambda trees: build_script.read(trees, features), features)

    def trees(self, path: str) -> tuple[Tree, ...]:
        """Return the token trees of a Rust file; a file that cannot be read has none, and is reported."""
        self._tell_huge(path)
        read = self._trees(path)
        if isinstance(read, Unread):
            self._cannot_read(read.path, read.offset, read.why)
            return ()
        return read

    def _trees(self, path: str) -> tuple[Tree, ...] | Unread:
        data = self.files.get(path, b"")
        return self.readings.recall(("trees", path, data), lambda: _read_trees(data, path))

    def tell_unreadable(self, path: str) -> None:
        """Report a Rust file that cannot be read."""
        self.of_trees("readable", path, lambda _trees: True)

    def of_trees(self, what: str, path: str, make: Callable[[tuple[Tree, ...]], T], *more: kept.Part) -> T:
        """Return what ``make`` gives for the trees of a Rust file, kept so that they need not be read for it.

        ``what`` it is, the file and ``more`` must say everything that it depends on.  A file that cannot be
        read has no trees, and is reported.
        """

        def read() -> T | Unread:
            trees = self._trees(path)
            return trees if isinstance(trees, Unread) else make(trees)

        self._tell_huge(path)
        known = self.readings.keep((what, path, self.files.get(path, b""), *more), read)
        if isinstance(known, Unread):
            self._cannot_read(known.path, known.offset, known.why)
            return make(())
        return known

    def assembler(self, text: str) -> asm.AsmText:
        """Return the names of an assembler text."""
        return self.readings.keep(("assembler", text), lambda: asm.scan(text))

    def facts(self, path: str) -> Facts:
        """Return what stands in a Rust file."""
        return self.of_trees("facts", path, read)

    def facts_with_tests(self, path: str) -> Facts:
        """Return what stands in a Rust file, with what only tests have."""
        return self.of_trees("facts with tests", path, partial(read, tests=True))

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
        wanted = [word.encode("latin-1").removeprefix(b"r#") for word in words]
        odd = [word for word in wanted if _WORD.fullmatch(word) is None]  # what no source has as a name
        return [
            path
            for path in self.rust
            if not self.words(path).isdisjoint(wanted) or any(word in self.files[path] for word in odd)
        ]

    def words(self, path: str) -> frozenset[bytes]:
        """Return everything in a file that reads as a word."""
        data = self.files[path]
        return self.readings.keep(("words", data), lambda: frozenset(_WORD.findall(data)))

    def matching(self, pattern: re.Pattern[bytes], needles: Sequence[bytes]) -> list[str]:
        """Return the Rust files that ``pattern`` is found in; one of ``needles`` is in whatever it matches."""
        return [path for path in self.rust if self.readings.found(pattern, needles, self.files[path])]

    @cached_property
    def worth_reading(self) -> tuple[str, ...]:
        """Rust files that can have anything that makes or names a link-time symbol."""

        def is_worth(data: bytes) -> bool:
            return self.readings.keep(("worth", data), partial(is_worth_reading, data))

        return tuple(path for path in self.rust if is_worth(self.files[path]))

    def check_rust(self) -> None:
        """Report Rust files that no compiler takes, and those that are not read; whatever they are for."""
        for path in self.crate_of:
            if path.endswith(".rs"):
                self._tell_huge(path)
                data = self.files[path]
                at = self.readings.recall(("utf-8", data), partial(_not_utf_8, data))
                if at is not None:
                    self._cannot_read(path, at, "is not UTF-8, so no compiler takes it")

    def names(self, path: str) -> frozenset[str]:
        """Return the names of macros and attributes that a file uses, as ``outside`` tells them."""
        data = self.files[path]
        return self.readings.keep(("names", data), partial(outside.names, data))

    def quoted(self, path: str) -> frozenset[str]:
        """Return the words that stand alone between quotes, a zero byte behind them or not."""
        data = self.files[path]
        return self.readings.keep(("quoted", data), partial(_quoted, data))

    @cached_property
    def pathed(self) -> frozenset[str]:
        """Rust files that can have a module with ``#[path]``."""
        return frozenset(
            path for path in self.rust if not self.names(path).isdisjoint({"#path", outside.UNREADABLE})
        )

    @cached_property
    def _macro_files(self) -> dict[str, list[str]]:
        out: dict[str, list[str]] = {}
        for path in self.rust:
            data = self.files[path]
            for name in self.readings.keep(("macros", data), partial(_macro_names, data)):
                out.setdefault(name, []).append(path)
        return out

    @cached_property
    def macro_names(self) -> frozenset[str]:
        """The names of all ``macro_rules!`` definitions."""
        return frozenset(self._macro_files)

    def macros(self, name: str, near: str, path: Sequence[str] = ()) -> list[Macro]:
        """Return the ``macro_rules!`` definitions that ``name`` can mean in the file ``near``, behind ``path``.

        Those of the same file hide the others, those of the same crate hide other crates'; unless the name
        is imported, or stands behind the name of a crate.
        """
        found = [
            macro
            for file in dict.fromkeys(self._macro_files.get(name, []))
            for macro in self.facts(file).macros
            if macro.name == name and self.has(macro)
        ]
        meant = self._meant(found, name, near, path[0] if path else "")
        self.used.update((macro.place, macro) for macro in meant)
        return meant

    def _meant(self, found: list[Macro], name: str, near: str, root: str) -> list[Macro]:
        """Return those of the definitions of a name that can be meant in a file, behind a crate's name if any."""
        crate = self.crate_of.get(near, "")
        if root in language.CRATES or root in self.elsewhere(crate):
            return []
        here = [m for m in found if self.crate_of.get(m.place.path) == crate]
        if root in {"crate", "$crate", "self", "super"}:
            return here or found
        if root or name in self.facts(near).used:
            return found
        return [m for m in here if m.place.path == near] or here or found

    def _tell_huge(self, path: str) -> None:
        """Report a file of a size that nobody writes, whatever is in it."""
        if path in self._huge:
            self._cannot_read(path, 0, _TOO_LARGE)

    def _cannot_read(self, path: str, offset: int, why: str) -> None:
        problem = Unread(path, offset, why)
        if problem not in self.unread:
            self.unread.append(problem)


_TOO_LARGE = f"is larger than {MAX_SIZE // 1_000_000} MB, and not read"


def _read_trees(data: bytes, path: str) -> tuple[Tree, ...] | Unread:
    try:
        return read_trees(data.decode("latin-1"), path)
    except UnbalancedError as error:
        return Unread(path, error.offset, "brackets, a string or a comment do not end, or nest too deep")


def _manifest(data: bytes) -> Manifest | str:
    try:
        return manifests.read(data)
    except ManifestError as error:
        return str(error)


def _quoted(data: bytes) -> frozenset[str]:
    return frozenset(match[1].decode() for match in _QUOTED.finditer(data))


def _not_utf_8(data: bytes) -> int | None:
    try:
        data.decode()
    except UnicodeDecodeError as error:
        return error.start
    return None


def _macro_names(data: bytes) -> list[str]:
    return [match[1].decode("latin-1") for match in _MACRO_DEFINITION.finditer(data)]
