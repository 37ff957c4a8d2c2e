"""Which registry is meant by a name: where its index is, as cargo was told."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from urllib.parse import urlsplit

from patchbot.cargo_settings import Settings
from patchbot.errors import ConfigError
from patchbot.index import address as index_address

CRATES_IO = "crates-io"
_CRATES_IO_INDEX = "sparse+https://index.crates.io/"
_CRATES_IO_HOSTS = {"index.crates.io", "crates.io"}
_CRATES_IO_GIT = ("github.com", "/rust-lang/crates.io-index")
_NAME = re.compile(r"[A-Za-z][A-Za-z0-9_-]*")


@dataclass(frozen=True, slots=True)
class Target:
    """A registry: the name that cargo's configuration gives it, and its index as cargo spells it.

    That is ``sparse+https://…/``, or the URL of a git repository.
    """

    name: str
    index: str

    @property
    def url(self) -> str:
        """The address of the index, without cargo's prefix."""
        return self.index.removeprefix(index_address.SPARSE)

    @property
    def git(self) -> bool:
        """Whether the index is a git repository."""
        return index_address.is_git(self.index)

    @property
    def public(self) -> bool:
        """Whether it is crates.io, by whatever name."""
        parts = urlsplit(self.url)
        repository = (parts.hostname, parts.path.rstrip("/").removesuffix(".git").lower())
        return is_crates_io(self.url) or repository == _CRATES_IO_GIT

    @property
    def loopback(self) -> bool:
        """Whether it is on this machine."""
        return self.url.startswith("file://") or is_loopback(self.url)


def is_crates_io(url: str) -> bool:
    """Whether a URL's host is that of crates.io."""
    return _host(url) in _CRATES_IO_HOSTS


def is_loopback(url: str) -> bool:
    """Whether a URL's host is this machine."""
    return _host(url) in {"127.0.0.1", "::1", "localhost"}


def _host(url: str) -> str | None:
    try:
        return urlsplit(url).hostname
    except ValueError:  # a config.json may say anything
        return None


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
    try:
        return Target(name, index_address.spelled(index))
    except ConfigError as error:
        raise ConfigError(f"the index of {name} {error.what}", where=where, hint=error.hint) from None
