"""Frozen values that two rooms share.

Values validate at birth (``parse`` and ``from_json`` class methods), never change, and know how to
become JSON again.  Nothing here touches files, git, processes or the network.
"""

from __future__ import annotations

import functools
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Any

from patchbot.errors import ConfigError, UsageError

JsonObject = dict[str, Any]

# semver 2 and 9, in ASCII and in numbers that fit a u64, as cargo has them
_NUMBER = r"(?:0|[1-9][0-9]{0,18})"
_PRE = rf"(?:{_NUMBER}|[0-9]*[A-Za-z-][0-9A-Za-z-]*)"
_RELEASE = re.compile(rf"({_NUMBER})\.({_NUMBER})\.({_NUMBER})(?:-({_PRE}(?:\.{_PRE})*))?")


@functools.total_ordering
@dataclass(frozen=True, slots=True)
class Release:
    """A wasmtime release, ordered as semver orders it: ``50.0.0-rc.1`` before ``50.0.0``.

    Build metadata is refused: cargo registries hold one crate per version without it.
    """

    major: int
    minor: int
    patch: int
    pre: tuple[str, ...] = ()

    @classmethod
    def parse(cls, text: str) -> Release:
        """Read ``8.0.1`` or ``50.0.0-rc.1``; raise ``UsageError`` for anything else."""
        match = _RELEASE.fullmatch(text)
        if match is None:
            raise UsageError(
                f"{text!r} is not a release",
                hint="releases look like 8.0.1 or 50.0.0-rc.1, without a leading v",
            )
        major, minor, patch, pre = match.groups()
        return cls(int(major), int(minor), int(patch), tuple(pre.split(".")) if pre else ())

    @property
    def is_prerelease(self) -> bool:
        """Whether the version has a pre-release part, such as ``-rc.1``."""
        return bool(self.pre)

    @property
    def slug(self) -> str:
        """The release in package names and folders that allow no dots: ``8-0-1``, ``50-0-0-rc-1``."""
        return re.sub(r"[^0-9A-Za-z]+", "-", str(self))

    def __str__(self) -> str:
        pre = f"-{'.'.join(self.pre)}" if self.pre else ""
        return f"{self.major}.{self.minor}.{self.patch}{pre}"

    def __lt__(self, other: object) -> bool:
        if not isinstance(other, Release):
            return NotImplemented
        return self._key() < other._key()

    def _key(self) -> tuple[int, int, int, bool, tuple[tuple[bool, int, str], ...]]:
        # semver 11: numeric identifiers sort below alphanumeric ones; no pre-release sorts last.
        pre = tuple((not p.isdigit(), int(p) if p.isdigit() else 0, p) for p in self.pre)
        return (self.major, self.minor, self.patch, not self.pre, pre)


_C_IDENTIFIER_PART = re.compile(r"_[A-Za-z0-9_]+")


@dataclass(frozen=True, slots=True)
class Suffix:
    """What is appended to every own link-time name of one release, such as ``_8_0_1_pb``.

    It starts with ``_`` (upstream's own macro puts that in front of its version, so anything else could
    not be said there) and continues as a C identifier does.
    """

    text: str

    def __post_init__(self) -> None:
        if _C_IDENTIFIER_PART.fullmatch(self.text) is None:
            raise ConfigError(
                f"the suffix {self.text!r} cannot be part of a C identifier",
                hint="start with an underscore and use letters, digits and underscores, as in _8_0_1_pb",
            )

    @classmethod
    def of(cls, release: Release, *, template: str, mark: str) -> Suffix:
        """Fill ``{version}`` and ``{mark}`` of ``template``; dots and dashes become underscores."""
        try:
            text = template.format(version=str(release), mark=mark)
        except (LookupError, AttributeError, TypeError, ValueError) as error:
            raise ConfigError(
                f"the suffix template {template!r} cannot be filled in: {error}",
                hint="a template knows {version} and {mark}",
            ) from None
        return cls(re.sub(r"[.-]+", "_", text))

    def __str__(self) -> str:
        return self.text


@dataclass(frozen=True, slots=True)
class Names:
    """What a fork of a release is called: the suffix of its link-time names, and its libraries.

    ``libraries`` maps upstream's library names to the fork's (``wasmtime`` → ``wasmtime_v8_0_1``), for those
    whose paths macros print.
    """

    suffix: Suffix
    libraries: Mapping[str, str] = field(default_factory=dict)


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

    ``sha256`` is of the ``.crate`` file, in hex.  ``features`` joins ``features`` and ``features2``.
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


def index_path(name: str) -> str:
    """Return where an index keeps the crate ``name``: ``wa/sm/wasmtime``, ``3/m/mio``, ``1/a``.

    The path is lower case, the name in its lines is not (cargo book, "Index Files").
    """
    return f"{index_prefix(name.lower())}/{name.lower()}"


@dataclass(frozen=True, slots=True)
class CratePin:
    """One upstream crate of a release, as the lock holds it.

    ``path`` is the crate's folder in upstream's repository, ``commit`` the one its ``.crate`` names;
    both come from ``.cargo_vcs_info.json``.
    """

    entry: IndexEntry
    path: str
    commit: str

    @property
    def name(self) -> str:
        """The package name."""
        return self.entry.name

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
        owners = [pin for pin in self.crates if path.startswith(f"{pin.path}/")]
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


@dataclass(frozen=True, slots=True)
class TreeFile:
    """One file of a tree: bytes, never text."""

    path: str
    data: bytes
    executable: bool = False


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


@dataclass(frozen=True, slots=True)
class Rewrite:
    """What one generated patch does: its rule, and the new bytes of each file it changes.

    Rewrites are applied in the order of their names; ``files`` is the state after this one.
    """

    name: str
    digest: str
    files: Mapping[str, bytes]


class Verdict(StrEnum):
    """How a patch fared on a release; every input patch ends with exactly one."""

    REGENERATED = "regenerated"


@dataclass(frozen=True, slots=True)
class ForkedCrate:
    """A fork as a registry holds it: its index line, its ``.crate`` bytes, and why it had to be forked."""

    upstream: CratePin
    entry: IndexEntry
    data: bytes = field(repr=False)
    reason: str

    @property
    def library(self) -> str:
        """The name that Rust code uses: the package name with underscores."""
        return self.entry.name.replace("-", "_")


@dataclass(frozen=True, slots=True)
class ForkedRelease:
    """All forks of one release, dependencies first; ``shared`` are the upstream crates they use as they are."""

    release: Release
    suffix: Suffix
    crates: tuple[ForkedCrate, ...]
    shared: tuple[str, ...] = ()

    def crate(self, upstream_name: str) -> ForkedCrate:
        """Return the fork of the upstream crate of that name; raise ``KeyError`` if it was not forked."""
        for crate in self.crates:
            if crate.upstream.name == upstream_name:
                return crate
        raise KeyError(upstream_name)


def suffixed_links_key(key: str, suffix: Suffix) -> str:
    """Return the ``links`` key of a fork: ``wasi-common-19`` becomes ``wasi-common-19_8_0_1_pb``.

    The series (which edits the build scripts that read ``DEP_*``) and the manifest must agree on it.
    """
    return f"{key}{suffix}"


def links_variable(key: str) -> str:
    """Return the prefix of the variables that cargo makes of a key: upper case, ``-`` to ``_``, dots kept."""
    return f"DEP_{key.upper().replace('-', '_')}_"


def spoken_list(words: Iterable[str]) -> str:
    """Join words as a person would: ``a, b and c``."""
    items: Sequence[str] = list(words)
    return f"{', '.join(items[:-1])} and {items[-1]}" if len(items) > 1 else "".join(items)
