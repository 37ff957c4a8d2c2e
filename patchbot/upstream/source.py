"""Where crates come from: a registry with a sparse or a git index, or a local-registry folder."""

from __future__ import annotations

import hashlib
import threading
from abc import ABC, abstractmethod
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol, TypeVar

from patchbot.errors import EnvironmentProblem, RepositoryError
from patchbot.index import address as index_address
from patchbot.index.lines import IndexConfig, parse_lines
from patchbot.index.repository import GitIndex, Retries
from patchbot.model import IndexEntry, index_path
from patchbot.upstream.cache import Cache, Cached
from patchbot.upstream.cargo_config import CargoConfig
from patchbot.upstream.web import CONNECTIONS, Web, pause, pauses

T = TypeVar("T")

_OK, _NOT_MODIFIED = 200, 304
_ABSENT = {404, 410, 451}  # how a sparse index says "no such crate" (cargo book, "Nonexistent Crates")


class Index(Protocol):
    """Something that lists crates."""

    def entries(self, name: str) -> dict[str, IndexEntry]:
        """Return the versions of a crate, empty if there is no such crate."""


class Source(Index, Protocol):
    """Something that has an index and crates."""

    def crate(self, entry: IndexEntry) -> bytes:
        """Return the ``.crate`` of an entry, checked against its digest."""

    def has_crate(self, entry: IndexEntry) -> bool:
        """Whether the ``.crate`` is at hand without the network."""


def check(entry: IndexEntry, data: bytes, *, where: str) -> bytes:
    """Return ``data`` if it has the digest that the index names; raise ``RepositoryError`` otherwise."""
    found = hashlib.sha256(data).hexdigest()
    if found != entry.sha256:
        raise RepositoryError(
            f"{entry.name} {entry.version} has the sha256 {found}, but the index says {entry.sha256}",
            where=where,
            hint="nothing was kept; try again, and if it stays so do not use this registry",
        )
    return data


@dataclass(frozen=True, slots=True)
class LocalRegistry:
    """A folder with ``index/`` and flat ``.crate`` files (cargo book, "Local Registry Sources")."""

    folder: Path

    def entries(self, name: str) -> dict[str, IndexEntry]:
        """Return the versions of a crate, empty if there is no such crate."""
        file = self.folder / "index" / index_path(name)
        try:
            return parse_lines(file.read_bytes(), where=str(file))
        except FileNotFoundError:
            return {}
        except OSError as error:
            raise EnvironmentProblem(f"cannot be read: {error.strerror}", where=file) from None

    def crate(self, entry: IndexEntry) -> bytes:
        """Return the ``.crate`` of an entry, checked against its digest."""
        file = self._file(entry)
        try:
            return check(entry, file.read_bytes(), where=str(file))
        except OSError as error:
            raise EnvironmentProblem(f"cannot be read: {error.strerror}", where=file) from None

    def has_crate(self, entry: IndexEntry) -> bool:
        """Whether the ``.crate`` is in the folder."""
        return self._file(entry).is_file()

    def _file(self, entry: IndexEntry) -> Path:
        return self.folder / f"{entry.name}-{entry.version}.crate"


class Registry(ABC):
    """A registry, with the cache before it; ``offline`` answers from the cache alone.

    Its crates come over HTTP; where its index comes from is the business of its kinds.
    """

    def __init__(self, url: str, cache: Cache, *, cargo: CargoConfig, offline: bool = False) -> None:
        self._url = url
        self._cache = cache
        self._offline = offline
        self._web = Web(cargo.network)
        self._config: IndexConfig | None = None
        self._memory: dict[str, dict[str, IndexEntry]] = {}
        self._lock = threading.RLock()

    def entries(self, name: str) -> dict[str, IndexEntry]:
        """Return the versions of a crate, empty if there is no such crate.  The index is asked once per run."""
        if name not in self._memory:
            self._memory[name] = self._index_file(index_path(name), parse_lines) or {}
        return self._memory[name]

    def crate(self, entry: IndexEntry) -> bytes:
        """Return the ``.crate`` of an entry, from the cache or the network, checked against its digest."""
        data = self._cache.crate(entry.sha256)
        if data is not None:
            return data
        if self._offline:
            raise EnvironmentProblem(
                f"{entry.name} {entry.version} is not in the cache",
                where=self._cache.folder,
                hint="run once without --offline",
            )
        url = self._index_config().url(entry)
        answer = self._web.get(url)
        if answer.status != _OK:
            raise RepositoryError(
                f"the registry lists {entry.name} {entry.version} but answers {answer.status} for its crate",
                where=url,
            )
        data = check(entry, answer.body, where=url)
        self._cache.keep_crate(entry.sha256, data)
        return data

    def has_crate(self, entry: IndexEntry) -> bool:
        """Whether the ``.crate`` is in the cache."""
        return self._cache.has_crate(entry.sha256)

    def _index_config(self) -> IndexConfig:
        with self._lock:
            if self._config is None:
                config = self._index_file("config.json", IndexConfig.parse)
                if config is None:
                    raise RepositoryError("has no config.json", where=self._url)
                if config.auth_required:
                    raise RepositoryError(
                        "wants a token to read",
                        where=self._url,
                        hint="follow upstream's releases from a registry that can be read without one",
                    )
                self._config = config
            return self._config

    @abstractmethod
    def _index_file(self, path: str, parse: Callable[[bytes, str], T]) -> T | None:
        """Return an index file as ``parse`` reads it, None if there is none."""


class SparseRegistry(Registry):
    """A registry whose index is files over HTTP(S)."""

    def __init__(self, index: str, cache: Cache, *, cargo: CargoConfig, offline: bool = False) -> None:
        super().__init__(index.removeprefix(index_address.SPARSE), cache, cargo=cargo, offline=offline)

    def _index_file(self, path: str, parse: Callable[[bytes, str], T]) -> T | None:
        """Ask with the ``ETag`` of what the cache holds.

        What cannot be parsed is not kept: it would take the place of what ``--offline`` works from.
        """
        url = self._url + path
        cached = self._cache.index(self._url, path)
        if self._offline:
            if cached is None:
                raise EnvironmentProblem(
                    f"{path} of the index is not in the cache",
                    where=self._cache.folder,
                    hint="run once without --offline",
                )
            return parse(cached.data, url) if cached.data else None
        etag = {"If-None-Match": cached.etag} if cached is not None and cached.etag else {}
        answer = self._web.get(url, headers=etag)
        if answer.status == _NOT_MODIFIED and cached is not None:
            return parse(cached.data, url) if cached.data else None
        if answer.status in _ABSENT:
            self._cache.keep_index(self._url, path, Cached(b"", ""))
            return None
        if answer.status != _OK:
            raise RepositoryError(f"the index answers {answer.status}", where=url)
        parsed = parse(answer.body, url)
        self._cache.keep_index(self._url, path, Cached(answer.body, answer.etag))
        return parsed


class GitRegistry(Registry):
    """A registry whose index is a git repository, fetched once per run; the cache has a clone of it."""

    def __init__(self, url: str, cache: Cache, *, cargo: CargoConfig, offline: bool = False) -> None:
        super().__init__(url, cache, cargo=cargo, offline=offline)
        self._git = GitIndex(url, cache.git_indexes, cargo.network)

    def _index_file(self, path: str, parse: Callable[[bytes, str], T]) -> T | None:
        with self._lock:
            if not self._git.known:
                self._open()
        data = self._git.file(path)
        return None if data is None else parse(data, f"{path} in {self._url}")

    def _open(self) -> None:
        if not self._offline:
            self._git.refresh(Retries(pauses(), pause))
        elif not self._git.recall():
            raise EnvironmentProblem(
                f"the index {self._url} is not in the cache",
                where=self._cache.folder,
                hint="run once without --offline",
            )


def open_source(index: str, *, default_index: str, cache: Cache, cargo: CargoConfig, offline: bool) -> Source:
    """Return the source that ``index`` names; cargo's source replacement applies to crates.io alone."""
    if index == default_index:
        if cargo.local is not None:
            return LocalRegistry(cargo.local)
        index = cargo.index or index
    kind = GitRegistry if index_address.is_git(index) else SparseRegistry
    return kind(index, cache, cargo=cargo, offline=offline)


def fetch_entries(source: Index, names: list[str]) -> dict[str, dict[str, IndexEntry]]:
    """Ask for many crates at once."""
    with ThreadPoolExecutor(CONNECTIONS) as pool:
        return dict(zip(names, pool.map(source.entries, names), strict=True))
