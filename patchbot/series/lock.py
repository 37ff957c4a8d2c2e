"""``release.toml``: what a series was made from and what it must give, beside the patches it speaks of."""

from __future__ import annotations

import hashlib
import tomllib
from dataclasses import dataclass

import tomlkit

import patchbot
from patchbot.errors import ConfigError, UsageError
from patchbot.model import ImportedRelease, Release, Suffix, Verdict

FILE_NAME = "release.toml"
SCHEMA = 1
TOOL = f"wasmtime-patchbot {patchbot.__version__}"


@dataclass(frozen=True, slots=True)
class LockedPatch:
    """A patch of a release, as the lock names it.

    ``rule`` is the digest of the rule that made it, or the form of a carried patch; ``sha256`` is of the patch
    file, ``files`` what it changes.  One that the release does without has neither.
    """

    name: str
    kind: str
    rule: str
    sha256: str
    verdict: Verdict
    files: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class LockedCrate:
    """An upstream crate, as the lock names it."""

    name: str
    version: str
    sha256: str
    path: str


@dataclass(frozen=True, slots=True)
class Lock:
    """The lock of one release."""

    release: Release
    suffix: Suffix
    tool: str
    roots: tuple[str, ...]
    commit: str
    published: str
    base_tree: str
    result_tree: str
    patches: tuple[LockedPatch, ...]
    crates: tuple[LockedCrate, ...]

    @property
    def applied(self) -> tuple[LockedPatch, ...]:
        """The patches that are in the series."""
        return tuple(patch for patch in self.patches if patch.verdict.applied)

    @property
    def digest(self) -> str:
        """A digest of the series: of its patches in their order, and of the trees it goes between."""
        words = [self.base_tree, self.result_tree, *(f"{p.name} {p.sha256}" for p in self.applied)]
        return hashlib.sha256("\n".join(words).encode()).hexdigest()


def lock_crates(release: ImportedRelease) -> tuple[LockedCrate, ...]:
    """Return the crates of an imported release as a lock names them."""
    return tuple(LockedCrate(pin.name, pin.version, pin.sha256, pin.path) for pin in release.crates)


def render(lock: Lock) -> bytes:
    """Spell a lock; the same lock gives the same bytes."""
    document = tomlkit.document()
    document.add(tomlkit.comment("Written by `patchbot sync`, compared by `patchbot check`. Do not edit."))
    document["schema"] = SCHEMA
    document["release"] = str(lock.release)
    document["suffix"] = str(lock.suffix)
    document["tool"] = lock.tool
    upstream = tomlkit.table()
    upstream["roots"] = list(lock.roots)
    upstream["commit"] = lock.commit
    upstream["published"] = lock.published
    upstream["base-tree"] = lock.base_tree
    upstream["result-tree"] = lock.result_tree
    document["upstream"] = upstream
    patches = tomlkit.aot()
    for patch in lock.patches:
        row = tomlkit.table()
        row["name"] = patch.name
        row["kind"] = patch.kind
        row["rule"] = patch.rule
        row["sha256"] = patch.sha256
        row["verdict"] = patch.verdict.value
        row["files"] = tomlkit.array().multiline(multiline=True)
        row["files"].extend(patch.files)
        patches.append(row)
    document["patch"] = patches
    crates = tomlkit.aot()
    for crate in lock.crates:
        row = tomlkit.table()
        row["name"] = crate.name
        row["version"] = crate.version
        row["sha256"] = crate.sha256
        row["path"] = crate.path
        crates.append(row)
    document["crate"] = crates
    return tomlkit.dumps(document).encode()


def parse(data: bytes, *, where: object) -> Lock:
    """Read a lock; raise ``ConfigError`` if it is none."""
    try:
        table = tomllib.loads(data.decode())
        _known_schema(table["schema"])
        upstream = table["upstream"]
        return Lock(
            release=Release.parse(table["release"]),
            suffix=Suffix(table["suffix"]),
            tool=table["tool"],
            roots=_strings(upstream["roots"]),
            commit=upstream["commit"],
            published=upstream["published"],
            base_tree=upstream["base-tree"],
            result_tree=upstream["result-tree"],
            patches=tuple(
                LockedPatch(**{**p, "verdict": Verdict(p["verdict"]), "files": _strings(p["files"])})
                for p in table.get("patch", [])
            ),
            crates=tuple(LockedCrate(**c) for c in table["crate"]),
        )
    except (ValueError, KeyError, TypeError, UsageError, ConfigError) as error:
        raise ConfigError(
            f"is no release lock: {error}", where=where, hint="`patchbot sync` writes it anew"
        ) from None


def _known_schema(schema: object) -> None:
    if schema != SCHEMA:
        raise ValueError(f"its schema is {schema}, and this patchbot knows {SCHEMA}")


def _strings(value: object) -> tuple[str, ...]:
    if not isinstance(value, list) or not all(isinstance(item, str) for item in value):
        raise TypeError(f"{value!r} is no list of names")
    return tuple(value)
