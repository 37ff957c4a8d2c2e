"""Which file of a release is whose: its crates, their manifests, and the files that a build may use."""

from __future__ import annotations

import posixpath
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property, partial

from patchbot.model import CratePin, ImportedRelease
from patchbot.symbols.build import manifests
from patchbot.symbols.build.manifests import Manifest, ManifestError
from patchbot.symbols.readings import Readings

# What cargo builds only for its own tests; a dependency never has it.
_NOT_BUILT = re.compile(r"(?:tests|benches|examples|fuzz)/")

MAX_SIZE = 4_000_000  # bytes of a file that is read; upstream's largest has a tenth of that


@dataclass(frozen=True, slots=True)
class Unread:
    """A file that could not be read as what it claims to be."""

    path: str
    offset: int
    why: str


@dataclass
class Crates:
    """A release's crates and files; whatever cannot be read is told once, in ``unread``."""

    release: ImportedRelease
    files: Mapping[str, bytes]
    readings: Readings = field(default_factory=Readings)
    unread: list[Unread] = field(default_factory=list)
    _manifests: dict[str, Manifest] = field(default_factory=dict)
    _elsewhere: dict[str, frozenset[str]] = field(default_factory=dict)
    _huge: frozenset[str] = frozenset()

    def __post_init__(self) -> None:
        self._huge = frozenset(path for path, data in self.files.items() if len(data) > MAX_SIZE)
        if self._huge:  # nobody gets to see what is in them
            self.files = {**self.files, **dict.fromkeys(self._huge, b"")}

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

    def _tell_huge(self, path: str) -> None:
        """Report a file of a size that nobody writes, whatever is in it."""
        if path in self._huge:
            self._cannot_read(path, 0, _TOO_LARGE)

    def _cannot_read(self, path: str, offset: int, why: str) -> None:
        problem = Unread(path, offset, why)
        if problem not in self.unread:
            self.unread.append(problem)


_TOO_LARGE = f"is larger than {MAX_SIZE // 1_000_000} MB, and not read"


def _manifest(data: bytes) -> Manifest | str:
    try:
        return manifests.read(data)
    except ManifestError as error:
        return str(error)
