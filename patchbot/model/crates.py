"""Crates: what an index says of them, and the release that they make together."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any

from patchbot.model.release import Release
from patchbot.model.spelling import JsonObject

# What may stand in the paths and addresses that are made of an index line; crates.io allows less.
_PACKAGE = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_-]*")


_VERSION = re.compile(r"[0-9][0-9A-Za-z.+-]*")


_SHA256 = re.compile(r"[0-9a-f]{64}")


def _matching(pattern: re.Pattern[str], value: str, what: str) -> str:
    if pattern.fullmatch(value) is None:
        raise ValueError(f"{value!r} is no {what}")
    return value


def _words(value: Any) -> tuple[str, ...]:  # noqa: ANN401 - a JSON value
    if not isinstance(value, list) or not all(isinstance(word, str) for word in value):
        raise TypeError(f"{value!r} is no list of words")
    return tuple(value)


def _moment(value: str) -> str:
    if value and datetime.fromisoformat(value).tzinfo is None:
        raise ValueError(f"the time {value!r} has no zone")
    return value


class DependencyKind(StrEnum):
    """When cargo needs a dependency; the words of the registry index."""

    NORMAL = "normal"
    BUILD = "build"
    DEV = "dev"


@dataclass(frozen=True, slots=True)
class Dependency:
    """One dependency of an index line (cargo book, "Index Format").

    ``alias`` is the name that the crate's code uses, ``package`` the real one; they differ for renamed
    dependencies.  ``registry`` is None for the registry that holds the line.
    """

    alias: str
    package: str
    req: str
    kind: DependencyKind
    optional: bool
    default_features: bool
    features: tuple[str, ...]
    target: str | None
    registry: str | None = None

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Dependency:
        """Read a dependency as index lines spell it."""
        return cls(
            alias=data["name"],
            package=_matching(_PACKAGE, data.get("package") or data["name"], "package name"),
            req=data["req"],
            kind=DependencyKind(data.get("kind") or "normal"),
            optional=bool(data.get("optional", False)),
            default_features=bool(data.get("default_features", True)),
            features=_words(data.get("features") or []),
            target=data.get("target"),
            registry=data.get("registry"),
        )

    def to_json(self) -> JsonObject:
        """Spell the dependency as index lines do, keys in their usual order."""
        data: JsonObject = {
            "name": self.alias,
            "req": self.req,
            "features": list(self.features),
            "optional": self.optional,
            "default_features": self.default_features,
            "target": self.target,
            "kind": self.kind.value,
        }
        if self.registry is not None:
            data["registry"] = self.registry
        if self.package != self.alias:
            data["package"] = self.package
        return data


@dataclass(frozen=True, slots=True)
class IndexEntry:
    """One line of a registry index: one version of one crate.

    ``sha256`` is of the ``.crate`` file, in hex; empty for a crate that was read from upstream's repository,
    which has none.  ``features`` joins ``features`` and ``features2``.
    ``published`` is RFC 3339 or empty where the registry does not say.
    """

    name: str
    version: str
    sha256: str
    yanked: bool
    dependencies: tuple[Dependency, ...]
    features: Mapping[str, tuple[str, ...]]
    links: str | None = None
    rust_version: str | None = None
    published: str = ""

    @property
    def needed(self) -> tuple[Dependency, ...]:
        """What it takes to build the crate: all dependencies, optional ones too, but those of its tests."""
        return tuple(d for d in self.dependencies if d.kind is not DependencyKind.DEV)

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> IndexEntry:
        """Read one index line; raise ``KeyError``, ``TypeError`` or ``ValueError`` if it is none."""
        features = {**(data.get("features") or {}), **(data.get("features2") or {})}
        return cls(
            name=_matching(_PACKAGE, data["name"], "package name"),
            version=_matching(_VERSION, data["vers"], "version"),
            sha256=_matching(_SHA256, data["cksum"], "sha256"),
            yanked=bool(data.get("yanked", False)),
            dependencies=tuple(Dependency.from_json(d) for d in data["deps"]),
            features={name: _words(values) for name, values in sorted(features.items())},
            links=data.get("links"),
            rust_version=data.get("rust_version"),
            published=_moment(data.get("pubtime") or ""),
        )

    def to_json(self) -> JsonObject:
        """Spell the entry as an index line.

        Everything goes into ``features`` with ``v: 2``: the split into ``features2`` is for cargo
        before 1.60, which cannot build any crate that needs it anyway.
        """
        data: JsonObject = {
            "name": self.name,
            "vers": self.version,
            "deps": [d.to_json() for d in self.dependencies],
            "cksum": self.sha256,
            "features": {name: list(values) for name, values in self.features.items()},
            "yanked": self.yanked,
            "links": self.links,
            "rust_version": self.rust_version,
            "v": 2,
        }
        if self.published:
            data["pubtime"] = self.published
        return data


def index_prefix(name: str) -> str:
    """Return the folders of an index in which the crate ``name`` is kept, with the name's own case."""
    match len(name):
        case 1 | 2:
            return str(len(name))
        case 3:
            return f"3/{name[0]}"
        case _:
            return f"{name[:2]}/{name[2:4]}"


def registry_key(name: str) -> str:
    """Return what a registry tells names apart by: neither case nor ``-`` and ``_`` count."""
    return name.lower().replace("_", "-")


def index_path(name: str) -> str:
    """Return where an index keeps the crate ``name``: ``wa/sm/wasmtime``, ``3/m/mio``, ``1/a``.

    The path is lower case, the name in its lines is not (cargo book, "Index Files").
    """
    return f"{index_prefix(name.lower())}/{name.lower()}"


@dataclass(frozen=True, slots=True)
class CratePin:
    """One upstream crate of a release, as the lock holds it.

    ``path`` is the crate's folder in upstream's repository (empty for its root, where wasmtime-cli is),
    ``commit`` the one its ``.crate`` names; both come from ``.cargo_vcs_info.json``.
    """

    entry: IndexEntry
    path: str
    commit: str

    @property
    def name(self) -> str:
        """The package name."""
        return self.entry.name

    @property
    def prefix(self) -> str:
        """What the paths of the crate's files begin with."""
        return f"{self.path}/" if self.path else ""

    @property
    def version(self) -> str:
        """The package version; cranelift crates have one of their own."""
        return self.entry.version

    @property
    def sha256(self) -> str:
        """Hex digest of the ``.crate`` file, equal to the index line's ``cksum``."""
        return self.entry.sha256


@dataclass(frozen=True, slots=True)
class MissingCrate:
    """A crate that a release needs and that was never published, as wasmtime-environ 23.0.0."""

    name: str
    version: str
    needed_by: str


@dataclass(frozen=True, slots=True)
class ImportedRelease:
    """A release in the store: its crates, and the tree that they make together.

    ``commit`` is upstream's, as the first root's crate names it; ``tree`` is the store's.  ``published``
    is RFC 3339.  ``flags`` says what was unusual about the import (a crate that names another commit).
    """

    release: Release
    roots: tuple[str, ...]
    commit: str
    tree: str
    published: str
    crates: tuple[CratePin, ...]
    flags: tuple[str, ...] = ()
    missing: tuple[MissingCrate, ...] = ()

    def crate(self, name: str) -> CratePin:
        """Return the crate called ``name``; raise ``KeyError`` if the release has none."""
        for pin in self.crates:
            if pin.name == name:
                return pin
        raise KeyError(name)

    def owner(self, path: str) -> CratePin | None:
        """Return the crate whose folder holds ``path``; crates may be nested, the deepest owns it."""
        owners = [pin for pin in self.crates if path.startswith(pin.prefix)]
        return max(owners, key=lambda pin: len(pin.path), default=None)

    def to_json(self) -> JsonObject:
        """Spell the release for the store's lock blob."""
        return {
            "schema": 1,
            "release": str(self.release),
            "roots": list(self.roots),
            "commit": self.commit,
            "tree": self.tree,
            "published": self.published,
            "crates": [
                {"path": pin.path, "commit": pin.commit, "entry": pin.entry.to_json()} for pin in self.crates
            ],
            "flags": list(self.flags),
            "missing": [
                {"name": m.name, "version": m.version, "needed_by": m.needed_by} for m in self.missing
            ],
        }

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> ImportedRelease:
        """Read what ``to_json`` wrote."""
        return cls(
            release=Release.parse(data["release"]),
            roots=tuple(data["roots"]),
            commit=data["commit"],
            tree=data["tree"],
            published=data["published"],
            crates=tuple(
                CratePin(entry=IndexEntry.from_json(c["entry"]), path=c["path"], commit=c["commit"])
                for c in data["crates"]
            ),
            flags=tuple(data["flags"]),
            missing=tuple(MissingCrate(**m) for m in data["missing"]),
        )
