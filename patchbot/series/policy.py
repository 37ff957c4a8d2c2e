"""``patches/policy.toml``: why every patch is there, and which names must stay as they are."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Any

from patchbot.errors import ConfigError, UsageError
from patchbot.model import AllowedBlindSpot, Keep, NamePolicy, Release

FILE_NAME = "policy.toml"


class PatchKind(StrEnum):
    """Where a patch comes from: a rule that is run again on each release, or a person."""

    GENERATED = "generated"
    CARRIED = "carried"


@dataclass(frozen=True, slots=True)
class PatchPolicy:
    """One patch: why it exists, for which releases, and whether upstream will ever take it.

    ``first`` and ``last`` bound the releases that may need it (None: no bound); ``until`` is the release from
    which upstream has what a carried patch does; ``upstream`` is a link or ``never``; ``why`` a sentence for
    reviewers.
    """

    name: str
    kind: PatchKind
    why: str
    upstream: str
    first: Release | None = None
    last: Release | None = None
    until: Release | None = None

    def spans(self, release: Release) -> bool:
        """Whether a release is between ``first`` and ``last``."""
        too_early = self.first is not None and release < self.first
        too_late = self.last is not None and release > self.last
        return not too_early and not too_late


@dataclass(frozen=True, slots=True)
class Policy:
    """The whole file; ``data`` are its bytes, for digests."""

    patches: Mapping[str, PatchPolicy]
    names: NamePolicy
    data: bytes

    def check(self, release: Release, patches: Sequence[str]) -> None:
        """Raise ``ConfigError`` if a release has a generated patch that the policy does not expect there."""
        for name in patches:
            patch = self.patches.get(name)
            if patch is None or patch.kind is not PatchKind.GENERATED:
                raise ConfigError(f"does not say why there is a patch {name}", where=FILE_NAME)
            if not patch.spans(release):
                span = f"{patch.first or 'the first'} to {patch.last or 'the newest release'}"
                raise ConfigError(
                    f"{name} matched in {release}, and is expected from {span} only",
                    where=FILE_NAME,
                    hint="upstream has changed a form that the rule knows: look at the patch, "
                    "then widen the range",
                )

    def carried(self, release: Release) -> tuple[PatchPolicy, ...]:
        """Return the hand-written patches of a release in the order of the policy, dropped ones included."""
        rows = (patch for patch in self.patches.values() if patch.kind is PatchKind.CARRIED)
        return tuple(patch for patch in rows if patch.spans(release))


def load(folder: Path) -> Policy:
    """Read the policy of a patches folder; raise ``ConfigError`` with the entry that is wrong."""
    file = folder / FILE_NAME
    try:
        data = file.read_bytes()
        table = tomllib.loads(data.decode())
    except FileNotFoundError:
        raise ConfigError("no such file", where=file, hint="every patch needs a policy") from None
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise ConfigError(f"cannot be read: {error}", where=file) from None
    try:
        return parse(table, data)
    except ConfigError as error:
        error.where = f"{file}: {error.where}" if error.where else str(file)
        raise


def parse(table: Mapping[str, Any], data: bytes = b"") -> Policy:
    """Check a policy that was read from TOML.  Raises ``ConfigError`` with the entry that is wrong."""
    unknown = set(table) - {"patch", "keep", "blind-spot"}
    if unknown:
        raise ConfigError(f"{', '.join(sorted(unknown))}: no such table")
    patches = {}
    for position, entry in enumerate(_entries(table, "patch")):
        patch = _patch(entry, f"patch[{position}]")
        if patch.name in patches:
            raise ConfigError(f"{patch.name} is there twice", where=f"patch[{position}]")
        patches[patch.name] = patch
    keep = tuple(_keep(entry, f"keep[{i}]") for i, entry in enumerate(_entries(table, "keep")))
    allowed = tuple(
        AllowedBlindSpot(*_strings(entry, f"blind-spot[{i}]", "path", "says", "why"))
        for i, entry in enumerate(_entries(table, "blind-spot"))
    )
    return Policy(patches, NamePolicy(keep, allowed), data)


def _entries(table: Mapping[str, Any], key: str) -> list[Mapping[str, Any]]:
    entries = table.get(key, [])
    if not isinstance(entries, list) or not all(isinstance(entry, Mapping) for entry in entries):
        raise ConfigError(f"must be [[{key}]] tables", where=key)
    return entries


def _patch(entry: Mapping[str, Any], where: str) -> PatchPolicy:
    name, kind, why, upstream = _strings(
        entry, where, "name", "kind", "why", "upstream", optional=("first", "last", "until")
    )
    try:
        patch = PatchPolicy(
            name=name,
            kind=PatchKind(kind),
            why=why,
            upstream=upstream,
            first=Release.parse(entry["first"]) if "first" in entry else None,
            last=Release.parse(entry["last"]) if "last" in entry else None,
            until=Release.parse(entry["until"]) if "until" in entry else None,
        )
    except (ValueError, TypeError, UsageError) as error:
        raise ConfigError(str(error), where=where) from None
    if patch.first is not None and patch.last is not None and patch.last < patch.first:
        raise ConfigError(f"no release is from {patch.first} to {patch.last}", where=where)
    if patch.until is not None and patch.kind is not PatchKind.CARRIED:
        raise ConfigError("until is for carried patches; a rule has first and last", where=where)
    return patch


def _keep(entry: Mapping[str, Any], where: str) -> Keep:
    (why,) = _strings(entry, where, "why", optional=("name", "path"))
    if ("name" in entry) == ("path" in entry):
        raise ConfigError("needs a name or a path", where=where)
    key = "name" if "name" in entry else "path"
    (value,) = _strings(entry, where, key, optional=("why",))
    return Keep(why=why, **{key: value})


def _strings(
    entry: Mapping[str, Any], where: str, *keys: str, optional: tuple[str, ...] = ()
) -> tuple[str, ...]:
    unknown = set(entry) - set(keys) - set(optional)
    if unknown:
        raise ConfigError(f"{', '.join(sorted(unknown))}: no such key", where=where)
    for key in keys:
        if not isinstance(entry.get(key), str) or not entry[key].strip():
            raise ConfigError(f"needs {key}", where=where, hint="every entry says why it is there")
    return tuple(str(entry[key]) for key in keys)
