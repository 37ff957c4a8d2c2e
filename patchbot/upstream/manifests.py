"""What the ``Cargo.toml`` files of upstream's repository say: each published package, as an index would list it.

Pure.  What a manifest inherits from its workspace (``version.workspace = true``) is filled in, as cargo does
when it packs a crate (cargo book, "The workspace.package table" and "Inheriting a dependency").
"""

from __future__ import annotations

import posixpath
import tomllib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import tomlkit

from patchbot.errors import RepositoryError
from patchbot.model import DependencyKind, IndexEntry

FILE_NAME = "Cargo.toml"

_KINDS = {
    "dependencies": DependencyKind.NORMAL,
    "build-dependencies": DependencyKind.BUILD,
    "dev-dependencies": DependencyKind.DEV,
    "build_dependencies": DependencyKind.BUILD,  # cargo takes both spellings
    "dev_dependencies": DependencyKind.DEV,
}
_NO_DIGEST = "0" * 64  # IndexEntry checks what a registry says; here nobody says any

_Table = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Package:
    """A package of a repository.

    ``entry`` has no ``sha256``: there is no ``.crate``.  ``path`` is its folder, empty for the repository's
    own.  ``include`` and ``exclude`` are patterns as gitignore(5) has them.  ``copied`` are files that cargo
    puts beside the manifest although they are elsewhere: name → path in the repository.  ``manifest`` is the
    ``Cargo.toml`` with all that it inherits.
    """

    entry: IndexEntry
    path: str
    include: tuple[str, ...]
    exclude: tuple[str, ...]
    copied: Mapping[str, str]
    manifest: bytes


@dataclass(frozen=True)
class Packages:
    """The packages of a repository that a registry may have, and the manifests that could not be read."""

    packages: tuple[Package, ...]
    unread: Mapping[str, str] = field(default_factory=dict)  # path → why

    def entries(self, name: str) -> dict[str, IndexEntry]:
        """Return the versions of a package, as an index does.

        Raises ``RepositoryError`` if two folders hold the same one.
        """
        found: dict[str, Package] = {}
        for package in self.packages:
            if package.entry.name != name:
                continue
            if (other := found.setdefault(package.entry.version, package)) is not package:
                raise RepositoryError(
                    f"{other.path} and {package.path} are both {name} {package.entry.version}"
                )
        return {version: package.entry for version, package in found.items()}

    def of(self, entry: IndexEntry) -> Package:
        """Return the package that ``entries`` listed."""
        return next(package for package in self.packages if package.entry is entry)


def read(manifests: Mapping[str, bytes]) -> Packages:
    """Read every ``Cargo.toml`` of a repository (path → bytes).

    Packages that are never published (``publish = false``, or no version) are left out.
    """
    tables: dict[str, _Table] = {}
    unread: dict[str, str] = {}
    for path, data in manifests.items():
        try:
            tables[posixpath.dirname(path)] = tomllib.loads(data.decode())
        except (UnicodeDecodeError, tomllib.TOMLDecodeError, RecursionError) as error:
            unread[path] = str(error) or "nests too deep"
    reader = _Reader(tables, manifests)
    packages: list[Package] = []
    for folder, table in sorted(tables.items()):
        if "package" not in table:
            continue
        try:
            packages += reader.package(folder)
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            unread[posixpath.join(folder, FILE_NAME)] = _why(error)
    return Packages(tuple(packages), unread)


def _why(error: Exception) -> str:
    return f"nothing says {error}" if isinstance(error, KeyError) else str(error)


class _Reader:
    def __init__(self, tables: Mapping[str, _Table], manifests: Mapping[str, bytes]) -> None:
        self.tables = tables
        self.manifests = manifests

    def package(self, folder: str) -> Iterator[Package]:
        table, inherits = self.resolved(folder)
        package = table["package"]
        version = package.get("version")
        if package.get("publish", True) in (False, []) or version is None:
            return
        line = {
            "name": package["name"],
            "vers": version,
            "cksum": _NO_DIGEST,
            "deps": list(self.dependencies(folder, table)),
            "features": table.get("features"),
            "links": package.get("links"),
            "rust_version": package.get("rust-version"),
        }
        data = self.manifests[posixpath.join(folder, FILE_NAME)]
        yield Package(
            entry=replace(IndexEntry.from_json(line), sha256=""),
            path=folder,
            include=_patterns(package.get("include", [])),
            exclude=_patterns(package.get("exclude", [])),
            copied=dict(_copied(folder, package)),
            manifest=tomlkit.dumps(table).encode() if inherits else data,
        )

    # -- what is inherited -------------------------------------------------------------------------

    def resolved(self, folder: str) -> tuple[dict[str, Any], bool]:
        """Return a manifest with all that it inherits, and whether that is anything."""
        table = dict(self.tables[folder])
        root, workspace = self.workspace(folder)
        shared = workspace.get("package", {})
        table["package"] = {
            key: shared[key] if _inherits(value) else value for key, value in table["package"].items()
        }
        inherits = table["package"] != self.tables[folder]["package"]
        if _inherits(table.get("lints")):
            table["lints"] = workspace["lints"]
            inherits = True
        below = workspace.get("dependencies", {})
        targets = {name: dict(value) for name, value in table.get("target", {}).items()}
        if targets:
            table["target"] = targets
        for holder in (table, *targets.values()):
            for kind in holder.keys() & _KINDS.keys():
                before = holder[kind]
                moved = posixpath.relpath(f"/{root}", f"/{folder}")  # absolute, or the working folder counts
                holder[kind] = {n: _dependency(n, value, below, moved) for n, value in before.items()}
                inherits = inherits or any(map(_inherits, before.values()))
        return table, inherits

    def workspace(self, folder: str) -> tuple[str, _Table]:
        """Return the folder and table of the workspace that a package is in; both are empty without one."""
        named = self.tables[folder]["package"].get("workspace")
        at = posixpath.normpath(posixpath.join(folder, named)) if named else folder
        while at and not at.startswith(("/", ".")):
            if "workspace" in self.tables.get(at, {}):
                return at, self.tables[at]["workspace"]
            at = posixpath.dirname(at)
        return "", self.tables.get("", {}).get("workspace", {})

    # -- as an index has them ----------------------------------------------------------------------

    def dependencies(self, folder: str, table: _Table) -> Iterator[dict[str, Any]]:
        targets = table.get("target", {})
        for target, holder in ((None, table), *targets.items()):
            for key, kind in _KINDS.items():
                for alias, value in holder.get(key, {}).items():
                    spec = {"version": value} if isinstance(value, str) else value
                    req = spec.get("version") or self.version_at(folder, spec, kind)
                    if req is not None:
                        yield _line(alias, spec, req, kind, target)

    def version_at(self, folder: str, spec: _Table, kind: DependencyKind) -> str | None:
        """Return what a dependency without a version is asked for as; None for one that cargo leaves out."""
        if kind is DependencyKind.DEV:
            return None
        if "path" not in spec:
            return "*"
        at = posixpath.normpath(posixpath.join(folder, spec["path"]))
        if "package" not in self.tables.get(at, {}):
            return "*"
        package = self.resolved(at)[0]["package"]
        return f"={package['version']}" if "version" in package else "*"


def _inherits(value: object) -> bool:
    return isinstance(value, Mapping) and value.get("workspace") is True


def _dependency(name: str, value: object, shared: _Table, moved: str) -> object:
    """Return a dependency with what the workspace says of it; ``moved`` leads from the package to its root."""
    if not isinstance(value, Mapping) or not _inherits(value):
        return value
    base = shared[name]
    out = {"version": base} if isinstance(base, str) else dict(base)
    if "path" in out:
        out["path"] = posixpath.normpath(posixpath.join(moved, out["path"]))
    out["features"] = [*out.get("features", []), *value.get("features", [])]
    if "optional" in value:
        out["optional"] = value["optional"]
    # a member can switch default features on that the workspace has off, not the other way round
    if _default_features(value, default=False):
        out["default-features"] = True
    return {key: item for key, item in out.items() if item != []}


def _default_features(spec: _Table, *, default: bool) -> bool:
    return bool(spec.get("default-features", spec.get("default_features", default)))


def _line(alias: str, spec: _Table, req: str, kind: DependencyKind, target: str | None) -> dict[str, Any]:
    return {
        "name": alias,
        "package": spec.get("package", alias),
        "req": _requirement(req),
        "features": spec.get("features", []),
        "optional": spec.get("optional", False),
        "default_features": _default_features(spec, default=True),
        "target": target,
        "kind": kind.value,
    }


def _requirement(text: str) -> str:
    """Spell a requirement as cargo publishes it: ``8.0.1`` is ``^8.0.1``."""
    parts = ["".join(part.split()) for part in text.split(",")]
    return ", ".join(f"^{part}" if part[:1].isdigit() and "*" not in part else part for part in parts)


def _patterns(value: object) -> tuple[str, ...]:
    if not isinstance(value, list) or not all(isinstance(word, str) for word in value):
        raise TypeError("include or exclude is no list of patterns")
    return tuple(value)


def _copied(folder: str, package: _Table) -> Iterator[tuple[str, str]]:
    for key in ("readme", "license-file"):
        path = package.get(key)
        if isinstance(path, str) and posixpath.normpath(path).startswith("../"):
            yield posixpath.basename(path), posixpath.normpath(posixpath.join(folder, path))
