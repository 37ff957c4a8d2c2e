"""What the user told cargo about registries: source replacement, proxy and certificates.

People behind a mirror have said so to cargo already (``.cargo/config.toml``, cargo book "Source
Replacement" and "Configuration"); patchbot downloads from where cargo would.
"""

from __future__ import annotations

import os
import tomllib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from patchbot.errors import ConfigError

CRATES_IO = "crates-io"


@dataclass(frozen=True, slots=True)
class CargoConfig:
    """The parts of cargo's configuration that downloads depend on.

    ``sparse`` is the sparse index that replaces crates.io and ``local`` the local-registry folder that
    does; at most one is set, neither if nothing is replaced.
    """

    sparse: str | None = None
    local: Path | None = None
    proxy: str | None = None
    cainfo: Path | None = None


def load(start: Path, environ: Mapping[str, str] = os.environ) -> CargoConfig:
    """Merge cargo's configuration files for a command run in ``start``: deeper folders win, then the home.

    Raises ``ConfigError`` if crates.io is replaced by something that cannot be read from here.
    """
    tables = _Tables()
    for file in _files(start, environ):
        try:
            tables.add(tomllib.loads(file.read_text(encoding="utf-8")), file)
        except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
            raise ConfigError(f"cannot be read: {error}", where=file) from None
    proxy = environ.get("CARGO_HTTP_PROXY") or tables.word("http", "proxy")
    if proxy and "://" not in proxy:
        proxy = f"http://{proxy}"  # libcurl's default, and so cargo's
    cainfo = None
    if given := environ.get("CARGO_HTTP_CAINFO"):
        cainfo = start.absolute() / given
    elif written := tables.word("http", "cainfo"):
        cainfo = tables.base("http", "cainfo") / written
    sparse, local = _replacement(tables)
    return CargoConfig(sparse, local, proxy or None, cainfo)


class _Tables:
    """The keys of ``[http]`` and of every source, merged key by key as cargo does: the first file wins."""

    def __init__(self) -> None:
        self._values: dict[tuple[str, str], tuple[object, Path]] = {}
        self._names: set[str] = set()

    def add(self, data: Mapping[str, Any], file: Path) -> None:
        for key, value in _table(data, "http", file).items():
            self._values.setdefault(("http", key), (value, file))
        for kind in ("source", "registries"):
            tables = _table(data, kind, file)
            for name in tables:
                self._names.add(f"{kind}.{name}")
                for key, value in _table(tables, name, file).items():
                    self._values.setdefault((f"{kind}.{name}", key), (value, file))

    def source(self, name: str) -> str | None:
        """Return the table of a source; a registry can be named where a source can (cargo 1.71 and later)."""
        tables = (f"source.{name}", f"registries.{name}")
        return next((table for table in tables if table in self._names), None)

    def word(self, table: str, key: str) -> str | None:
        value, file = self._values.get((table, key), (None, None))
        if value is not None and not isinstance(value, str):
            raise ConfigError(f"{table}.{key} must be a string", where=file)
        return value

    def file(self, table: str, key: str) -> Path:
        return self._values[table, key][1]

    def base(self, table: str, key: str) -> Path:
        """Return what a relative path in that place starts from: the folder that holds ``.cargo``."""
        return self.file(table, key).parent.parent


def _table(data: Mapping[str, Any], key: str, file: Path) -> Mapping[str, Any]:
    value = data.get(key, {})
    if not isinstance(value, Mapping):
        raise ConfigError(f"{key} must be a table", where=file)
    return value


def _files(start: Path, environ: Mapping[str, str]) -> Iterator[Path]:
    """Return the configuration files that exist, the strongest first."""
    home = Path(environ.get("CARGO_HOME") or Path(environ.get("HOME", "~")).expanduser() / ".cargo")
    folders = [folder / ".cargo" for folder in (start.absolute(), *start.absolute().parents)]
    seen = set()
    for folder in (*folders, home.absolute()):
        for name in ("config", "config.toml"):  # cargo prefers the old name where both exist
            file = folder / name
            if file.is_file() and folder not in seen:
                seen.add(folder)
                yield file


def _replacement(tables: _Tables) -> tuple[str | None, Path | None]:
    name = CRATES_IO
    table: str | None = f"source.{CRATES_IO}"
    where: Path | None = None
    seen = {name}
    while table is not None and (target := tables.word(table, "replace-with")) is not None:
        where = tables.file(table, "replace-with")
        if target in seen:
            raise ConfigError(f"source {target} replaces itself", where=where)
        seen.add(target)
        name, table = target, tables.source(target)
    if table is None:
        raise ConfigError(f"source {name} is not defined", where=where)
    if where is None:
        return None, None
    if (folder := tables.word(table, "local-registry")) is not None:
        return None, tables.base(table, "local-registry") / folder
    key = "index" if table.startswith("registries.") else "registry"
    registry = tables.word(table, key) or ""
    if registry.startswith("sparse+"):
        return registry if registry.endswith("/") else f"{registry}/", None
    raise ConfigError(
        f"crates.io is replaced by the source {name}, which patchbot cannot read",
        where=where,
        hint="patchbot reads sparse registries and local-registry folders; "
        "or set upstream.index in patchbot.toml",
    )
