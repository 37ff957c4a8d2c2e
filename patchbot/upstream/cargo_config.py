"""What the user told cargo about registries: source replacement, proxy and certificates.

People behind a mirror have said so to cargo already (``.cargo/config.toml``, cargo book "Source
Replacement" and "Configuration"); patchbot downloads from where cargo would.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from patchbot import cargo_settings
from patchbot.cargo_settings import Network, Settings
from patchbot.errors import ConfigError
from patchbot.index import address as index_address

CRATES_IO = "crates-io"


@dataclass(frozen=True, slots=True)
class CargoConfig:
    """The parts of cargo's configuration that downloads depend on.

    ``index`` is the index that replaces crates.io, sparse or git, and ``local`` the local-registry folder that
    does; at most one is set, neither if nothing is replaced.
    """

    index: str | None = None
    local: Path | None = None
    proxy: str | None = None
    cainfo: Path | None = None

    @property
    def network(self) -> Network:
        """How the network is reached."""
        return Network(self.proxy, self.cainfo)


def load(start: Path, environ: Mapping[str, str] = os.environ) -> CargoConfig:
    """Merge cargo's configuration files for a command run in ``start``: deeper folders win, then the home.

    Raises ``ConfigError`` if crates.io is replaced by something that cannot be read from here.
    """
    settings = cargo_settings.load(start, environ)
    network = cargo_settings.network(settings, start, environ)
    index, local = _replacement(settings)
    return CargoConfig(index, local, network.proxy, network.cainfo)


def _source(settings: Settings, name: str) -> str | None:
    """Return the table of a source; a registry can be named where a source can (cargo 1.71 and later)."""
    return next((t for t in (f"source.{name}", f"registries.{name}") if settings.has(t)), None)


def _replacement(tables: Settings) -> tuple[str | None, Path | None]:
    name = CRATES_IO
    table: str | None = f"source.{CRATES_IO}"
    where: Path | None = None
    seen = {name}
    while table is not None and (target := tables.word(table, "replace-with")) is not None:
        where = tables.file(table, "replace-with")
        if target in seen:
            raise ConfigError(f"source {target} replaces itself", where=where)
        seen.add(target)
        name, table = target, _source(tables, target)
    if table is None:
        raise ConfigError(f"source {name} is not defined", where=where)
    if where is None:
        return None, None
    if (folder := tables.word(table, "local-registry")) is not None:
        return None, tables.base(table, "local-registry") / folder
    key = "index" if table.startswith("registries.") else "registry"
    registry = tables.word(table, key)
    if registry is None:
        raise ConfigError(
            f"crates.io is replaced by the source {name}, which patchbot cannot read",
            where=where,
            hint="patchbot reads registries and local-registry folders; or set upstream.index in patchbot.toml",
        )
    if not index_address.is_git(registry):
        return registry if registry.endswith("/") else f"{registry}/", None
    try:
        return index_address.spelled(registry), None
    except ConfigError as error:
        raise ConfigError(
            f"crates.io is replaced by the source {name}, whose index {error.what}",
            where=tables.file(table, key),
            hint=error.hint,
        ) from None
