"""Which registry is meant by a name: where its index is, as cargo was told."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from urllib.parse import urlsplit

from patchbot.cargo_settings import Settings
from patchbot.errors import ConfigError

CRATES_IO = "crates-io"
_CRATES_IO_INDEX = "sparse+https://index.crates.io/"
_CRATES_IO_HOSTS = {"index.crates.io", "crates.io"}
_NAME = re.compile(r"[A-Za-z][A-Za-z0-9_-]*")


@dataclass(frozen=True, slots=True)
class Target:
    """A registry: the name that cargo's configuration gives it, and its index, ``sparse+https://…/``."""

    name: str
    index: str

    @property
    def url(self) -> str:
        """The address of the index, without cargo's prefix."""
        return self.index.removeprefix("sparse+")

    @property
    def public(self) -> bool:
        """Whether it is crates.io, by whatever name."""
        return urlsplit(self.url).hostname in _CRATES_IO_HOSTS

    @property
    def loopback(self) -> bool:
        """Whether it is on this machine."""
        return urlsplit(self.url).hostname in {"127.0.0.1", "::1", "localhost"}


def variable(name: str, key: str) -> str:
    """Return the environment variable that overrides a registry's setting (cargo book, "Environment")."""
    if name == CRATES_IO:
        return f"CARGO_REGISTRY_{key}"
    return f"CARGO_REGISTRIES_{name.upper().replace('-', '_')}_{key}"


def find(name: str, settings: Settings, environ: Mapping[str, str]) -> Target:
    """Return the registry called ``name``; raise ``ConfigError`` if cargo would not know it, or patchbot cannot."""
    if _NAME.fullmatch(name) is None:
        raise ConfigError(f"{name!r} is no name of a registry", where="--registry")
    if name == CRATES_IO:
        return Target(name, _CRATES_IO_INDEX)
    given = variable(name, "INDEX")
    index = environ.get(given) or settings.word(f"registries.{name}", "index")
    if not index:
        known = settings.names("registries")
        raise ConfigError(
            f"there is no registry {name}",
            where="cargo's configuration",
            hint=f"set [registries.{name}] index in .cargo/config.toml, or {given}"
            + (f"; known: {', '.join(known)}" if known else ""),
        )
    where = given if environ.get(given) else settings.file(f"registries.{name}", "index")
    if not index.startswith(("sparse+http://", "sparse+https://")):
        raise ConfigError(
            f"the registry {name} has no sparse index",
            where=where,
            hint="patchbot publishes to registries whose index begins with sparse+https://",
        )
    parts = urlsplit(index.removeprefix("sparse+"))
    if parts.username is not None or parts.password is not None:
        raise ConfigError(
            f"the index of {name} has a password in its address, which would stand in logs",
            where=where,
            hint="take it out, and give cargo a token or a credential provider",
        )
    return Target(name, index if index.endswith("/") else f"{index}/")
