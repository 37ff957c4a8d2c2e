"""A user's ``Cargo.lock``: which of upstream's own crates are in their graph already, and what these want."""

from __future__ import annotations

import tomllib
from collections.abc import Iterable
from dataclasses import dataclass

from patchbot.errors import ConfigError

_CRATES_IO = ("registry+https://github.com/rust-lang/crates.io-index", "sparse+https://index.crates.io/")


@dataclass(frozen=True, slots=True)
class LockedPackage:
    """A package of crates.io in a lockfile; ``dependencies`` are the names of those that it really uses."""

    name: str
    version: str
    dependencies: frozenset[str]


def parse(data: bytes, *, where: object) -> list[LockedPackage]:
    """Return the packages from crates.io; raise ``ConfigError`` if ``data`` is no lockfile."""
    try:
        rows = tomllib.loads(data.decode()).get("package", [])
        return [
            # a dependency is spelled `name`, `name version` or `name version (source)`
            LockedPackage(
                str(row["name"]),
                str(row["version"]),
                frozenset(str(word).split()[0] for word in row.get("dependencies", ())),
            )
            for row in rows
            if row.get("source") in _CRATES_IO
        ]
    except (ValueError, KeyError, TypeError, AttributeError, IndexError) as error:
        raise ConfigError(f"is no Cargo.lock: {error!r}", where=where) from None


def versions(packages: Iterable[LockedPackage], name: str) -> list[str]:
    """Return the versions of a package that are locked."""
    return [package.version for package in packages if package.name == name]
