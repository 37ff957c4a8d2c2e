"""Upstream's releases from a registry whose index is a git repository."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace

import pytest
from support import crates
from support.git_index import IndexRepository
from support.server import Reply, Server

from patchbot.errors import EnvironmentProblem, RepositoryError
from patchbot.index import repository as git_index
from patchbot.upstream import source as sources
from patchbot.upstream import web
from patchbot.upstream.cache import Cache
from patchbot.upstream.cargo_config import CargoConfig
from patchbot.upstream.source import GitRegistry, Source, SparseRegistry

DATA = crates.crate("wasmtime", "8.0.1", {"src/lib.rs": "// 8.0.1\n"})
DOWNLOAD = "/dl/wasmtime/8.0.1/download"

Open = Callable[..., Source]


@pytest.fixture
def server() -> Iterator[Server]:
    with Server() as running:
        running.answer(DOWNLOAD, Reply(body=DATA))
        yield running


@pytest.fixture
def index(tmp_path: Path, server: Server) -> IndexRepository:
    repository = IndexRepository(tmp_path / "index")
    repository.config(dl=f"{server.url}dl")
    repository.publish("wasmtime", "8.0.1", DATA)
    return repository


@pytest.fixture
def cache(tmp_path: Path) -> Cache:
    return Cache(tmp_path / "cache")


@pytest.fixture
def registry(index: IndexRepository, cache: Cache) -> Open:
    """Open the registry as a new run does, which cargo takes in the place of crates.io."""

    def open_it(*, offline: bool = False) -> Source:
        cargo = CargoConfig(index=index.url)
        default = "sparse+https://index.crates.io/"
        return sources.open_source(default, default_index=default, cache=cache, cargo=cargo, offline=offline)

    return open_it


@pytest.fixture(autouse=True)
def waits(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """The seconds that were slept, none of them for real."""
    slept: list[float] = []
    monkeypatch.setattr(web, "time", SimpleNamespace(sleep=slept.append))
    return slept


def fetch(registry: Source) -> bytes:
    return registry.crate(registry.entries("wasmtime")["8.0.1"])


def test_a_crate_is_found_and_downloaded(registry: Open) -> None:
    opened = registry()
    assert isinstance(opened, GitRegistry)
    assert fetch(opened) == DATA
    assert opened.entries("wasmtime-none") == {}
    assert opened.has_crate(opened.entries("wasmtime")["8.0.1"])


def test_the_index_is_fetched_once_per_run(
    registry: Open, index: IndexRepository, monkeypatch: pytest.MonkeyPatch
) -> None:
    fetches = [0]
    real = git_index.GitIndex.refresh

    def refresh(self: git_index.GitIndex, retries: git_index.Retries) -> None:
        fetches[0] += 1
        real(self, retries)

    monkeypatch.setattr(git_index.GitIndex, "refresh", refresh)
    opened = registry()
    found = sources.fetch_entries(opened, ["wasmtime", *(f"wasmtime-{n}" for n in range(40))])
    index.publish("wasmtime", "9.0.4")
    index.publish("wiggle", "9.0.4")
    assert list(found["wasmtime"]) == list(opened.entries("wasmtime")) == ["8.0.1"]
    assert opened.entries("wiggle") == {}
    fetch(opened)
    assert fetches == [1]
    assert list(registry().entries("wasmtime")) == ["8.0.1", "9.0.4"]


def test_offline_works_from_what_was_fetched(registry: Open, index: IndexRepository, server: Server) -> None:
    fetch(registry())
    index.publish("wasmtime", "9.0.4")
    server.stop()
    opened = registry(offline=True)
    assert list(opened.entries("wasmtime")) == ["8.0.1"]
    assert fetch(opened) == DATA
    assert opened.entries("wasmtime-none") == {}


def test_offline_says_what_is_not_in_the_cache(registry: Open, index: IndexRepository, cache: Cache) -> None:
    with pytest.raises(EnvironmentProblem, match="is not in the cache") as caught:
        registry(offline=True).entries("wasmtime")
    assert index.url in caught.value.what
    assert (caught.value.where, caught.value.hint) == (str(cache.folder), "run once without --offline")
    registry().entries("wasmtime")
    with pytest.raises(EnvironmentProblem, match=r"wasmtime 8\.0\.1 is not in the cache"):
        fetch(registry(offline=True))


def test_other_bytes_than_the_index_promises_are_refused(registry: Open, server: Server) -> None:
    server.answer(DOWNLOAD, Reply(body=b"other"))
    with pytest.raises(RepositoryError, match=f"has the sha256 {hashlib.sha256(b'other').hexdigest()}"):
        fetch(registry())


def test_what_is_no_index_is_told(registry: Open, index: IndexRepository) -> None:
    index.write({"wa/sm/wasmtime": "{}\n"})
    index.commit()
    with pytest.raises(RepositoryError, match="line 1 is no index entry") as caught:
        registry().entries("wasmtime")
    assert caught.value.where == f"wa/sm/wasmtime in {index.url}"


def test_a_config_that_is_none_is_told(registry: Open, index: IndexRepository) -> None:
    index.write({"config.json": "<html>"})
    index.commit()
    with pytest.raises(RepositoryError, match=r"is no registry config\.json") as caught:
        fetch(registry())
    assert caught.value.where == f"config.json in {index.url}"
    (index.folder / "config.json").unlink()
    index.commit()
    with pytest.raises(RepositoryError, match=r"has no config\.json"):
        fetch(registry())


def test_a_registry_that_wants_a_token_is_refused(
    registry: Open, index: IndexRepository, server: Server
) -> None:
    index.config(dl=f"{server.url}dl", **{"auth-required": True})
    with pytest.raises(RepositoryError, match="wants a token"):
        fetch(registry())
    assert server.requests == []


def test_a_server_that_is_not_there_is_asked_as_often_as_all_else(cache: Cache, waits: list[float]) -> None:
    opened = GitRegistry("http://127.0.0.1:9/index", cache, cargo=CargoConfig())
    with pytest.raises(EnvironmentProblem, match="the registry cannot be reached"):
        opened.entries("wasmtime")
    assert waits == [0.5, 1.0, 2.0]


def test_an_index_of_ones_own_may_be_a_git_repository(index: IndexRepository, cache: Cache) -> None:
    def opened(address: str) -> Source:
        cargo = CargoConfig(index="sparse+https://mirror.example/")
        return sources.open_source(address, default_index="x", cache=cache, cargo=cargo, offline=False)

    assert list(opened(index.url).entries("wasmtime")) == ["8.0.1"]
    assert isinstance(opened("sparse+https://a/"), SparseRegistry)
