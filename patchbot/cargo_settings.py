"""Cargo's own configuration (cargo book, "Configuration"): its files, merged as cargo merges them.

People have told cargo where registries are and how the network is reached; whatever patchbot needs of that
is read from the same places.
"""

from __future__ import annotations

import os
import tomllib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from patchbot.errors import ConfigError


@dataclass(frozen=True, slots=True)
class Network:
    """The way to registries: a proxy's address and a file of certificates, each None if nothing is said."""

    proxy: str | None = None
    cainfo: Path | None = None


_TABLES = ("http", "registry", "credential-alias")
_TABLES_OF_TABLES = ("source", "registries")


class Settings:
    """The keys of the tables that patchbot reads, merged key by key: the first file wins.

    A table inside another is named with a dot: ``registries.mine``.
    """

    def __init__(self) -> None:
        self._values: dict[tuple[str, str], tuple[object, Path]] = {}
        self._names: set[str] = set()

    def add(self, data: Mapping[str, Any], file: Path) -> None:
        """Take a file's keys that no stronger file has."""
        for kind in _TABLES:
            for key, value in _table(data, kind, file).items():
                self._values.setdefault((kind, key), (value, file))
        for kind in _TABLES_OF_TABLES:
            tables = _table(data, kind, file)
            for name in tables:
                self._names.add(f"{kind}.{name}")
                for key, value in _table(tables, name, file).items():
                    self._values.setdefault((f"{kind}.{name}", key), (value, file))

    def has(self, table: str) -> bool:
        """Whether any file has that table, be it empty."""
        return table in self._names

    def names(self, kind: str) -> list[str]:
        """Return the names of the tables in ``source`` or ``registries``."""
        return sorted(name.removeprefix(f"{kind}.") for name in self._names if name.startswith(f"{kind}."))

    def word(self, table: str, key: str) -> str | None:
        """Return a string; raise ``ConfigError`` if it is something else."""
        value, file = self._values.get((table, key), (None, None))
        if value is not None and not isinstance(value, str):
            raise ConfigError(f"{table}.{key} must be a string", where=file)
        return value

    def words(self, table: str, key: str) -> tuple[str, ...]:
        """Return a list of strings, or the words of one string; empty if there is no such key."""
        value, file = self._values.get((table, key), (None, None))
        if isinstance(value, str):
            return tuple(value.split())
        if value is None:
            return ()
        if not isinstance(value, list) or not all(isinstance(word, str) for word in value):
            raise ConfigError(f"{table}.{key} must be a string or a list of strings", where=file)
        return tuple(value)

    def file(self, table: str, key: str) -> Path:
        """Return the file that a key was read from; raise ``KeyError`` if there is none."""
        return self._values[table, key][1]

    def base(self, table: str, key: str) -> Path:
        """Return what a relative path in that place starts from: the folder that holds ``.cargo``."""
        return self.file(table, key).parent.parent


def load(start: Path, environ: Mapping[str, str] = os.environ, *, secrets: bool = False) -> Settings:
    """Read the files that count for a command run in ``start``: deeper folders win, then the home.

    ``secrets`` reads ``credentials.toml`` as well, which counts more than all others.

    Raises ``ConfigError`` if a file cannot be read; its message quotes nothing of a file with secrets.
    """
    settings = Settings()
    if secrets:
        for file in _existing([cargo_home(environ)], ("credentials", "credentials.toml")):
            settings.add(_read(file, quote=False), file)
    folders = [folder / ".cargo" for folder in (start.absolute(), *start.absolute().parents)]
    for file in _existing([*folders, cargo_home(environ)], ("config", "config.toml")):
        settings.add(_read(file), file)
    return settings


def cargo_home(environ: Mapping[str, str] = os.environ) -> Path:
    """Return cargo's home, absolute."""
    home = Path(environ.get("CARGO_HOME") or Path(environ.get("HOME", "~")).expanduser() / ".cargo")
    return home.absolute()


def network(settings: Settings, start: Path, environ: Mapping[str, str] = os.environ) -> Network:
    """Return how the network is reached, from the environment or else the files."""
    proxy = environ.get("CARGO_HTTP_PROXY") or settings.word("http", "proxy")
    if proxy and "://" not in proxy:
        proxy = f"http://{proxy}"  # libcurl's default, and so cargo's
    cainfo = None
    if given := environ.get("CARGO_HTTP_CAINFO"):
        cainfo = start.absolute() / given
    elif written := settings.word("http", "cainfo"):
        cainfo = settings.base("http", "cainfo") / written
    return Network(proxy or None, cainfo)


def _read(file: Path, *, quote: bool = True) -> Mapping[str, Any]:
    try:
        return tomllib.loads(file.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise ConfigError(f"cannot be read{f': {error}' if quote else ''}", where=file) from None


def _existing(folders: Iterable[Path], names: Sequence[str]) -> Iterator[Path]:
    """Return one file of each folder; cargo prefers the old name, the first, where both exist."""
    for folder in dict.fromkeys(folders):
        yield from [folder / name for name in names if (folder / name).is_file()][:1]


def _table(data: Mapping[str, Any], key: str, file: Path) -> Mapping[str, Any]:
    value = data.get(key, {})
    if not isinstance(value, Mapping):
        raise ConfigError(f"{key} must be a table", where=file)
    return value
