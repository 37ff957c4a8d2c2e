"""The names of forks: one scheme, one place."""

from __future__ import annotations

import re
from collections.abc import Iterable

from patchbot.errors import ConfigError
from patchbot.model import Release, registry_key

MAX_NAME = 64  # the limit of crates.io, kellnr and cargo's own index code

# The pre-releases that a name can tell from a revision and a twin: word and number, as in rc.1.
_PRE_RELEASE = re.compile(r"[a-z]+\.\d+")

_PACKAGE = re.compile(r"[a-z][a-z0-9]*(?:[-_][a-z0-9]+)*", re.IGNORECASE)


def package_name(upstream: str, release: Release, *, revision: int = 1, twin: bool = False) -> str:
    """Return the fork's package name: ``wasmtime`` of 8.0.1 is ``wasmtime-v8-0-1``.

    The release counts, not the crate's own version: crates whose version did not move get a name per
    release all the same.  A later ``revision`` of our own patches ends in ``-r2``; ``twin`` is the fork
    without its suffix that a proof must see fail.

    Raises ``ConfigError`` for a name that registries refuse.
    """
    if release.is_prerelease and _PRE_RELEASE.fullmatch(".".join(release.pre)) is None:
        raise ConfigError(
            f"{release} cannot be part of a package name",
            hint="pre-releases are named like 50.0.0-rc.1: a word, a dot, a number",
        )
    name = f"{upstream}-v{release.slug}"
    if revision > 1:
        name += f"-r{revision}"
    if twin:
        name += "-bare"
    name = name.replace("_", "-")
    if len(name) > MAX_NAME or _PACKAGE.fullmatch(name) is None:
        raise ConfigError(f"{name!r} is no package name that registries take ({MAX_NAME} characters at most)")
    return name


def library_name(package: str) -> str:
    """Return the name that Rust code uses for a package: ``wasmtime-v8-0-1`` is ``wasmtime_v8_0_1``."""
    return package.replace("-", "_")


def refuse_twins(names: Iterable[str]) -> None:
    """Raise ``ConfigError`` if two names are one to a registry."""
    seen: dict[str, str] = {}
    for name in names:
        key = registry_key(name)
        if key in seen:
            raise ConfigError(f"{seen[key]} and {name} are one name to a registry")
        seen[key] = name
