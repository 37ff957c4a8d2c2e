from __future__ import annotations

import hashlib
import json
import socket
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from types import SimpleNamespace

import pytest
from support import crates
from support.server import Reply, Request, Server, index_address, tagged

import patchbot
from patchbot.errors import ConfigError, EnvironmentProblem, RepositoryError
from patchbot.model import IndexEntry
from patchbot.upstream import source as sources
from patchbot.upstream import web
from patchbot.upstream.cache import Cache
from patchbot.upstream.cargo_config import CargoConfig
from patchbot.upstream.source import LocalRegistry, SparseRegistry

INDEX = index_address("wasmtime")
DOWNLOAD = "/dl/wasmtime/8.0.1/download"

Open = Callable[..., SparseRegistry]


@pytest.fixture
def server() -> Iterator[Server]:
    with Server() as running:
        running.config()
        running.publish("wasmtime", "8.0.1")
        yield running


@pytest.fixture
def cache(tmp_path: Path) -> Cache:
    return Cache(tmp_path / "cache")


@pytest.fixture
def registry(server: Server, cache: Cache) -> Open:
    """Open the registry as a new run does."""

    def open_it(*, offline: bool = False, cargo: CargoConfig | None = None) -> SparseRegistry:
        return SparseRegistry(server.index, cache, cargo=cargo or CargoConfig(), offline=offline)

    return open_it


@pytest.fixture(autouse=True)
def waits(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """The seconds that were slept, none of them for real."""
    slept: list[float] = []
    monkeypatch.setattr(web, "time", SimpleNamespace(sleep=slept.append))
    return slept


def fetch(registry: SparseRegistry, version: str = "8.0.1") -> bytes:
    return registry.crate(registry.entries("wasmtime")[version])


def kept(cache: Cache) -> list[str]:
    return sorted(
        str(file.relative_to(cache.folder)) for file in cache.folder.rglob("*.crate") if file.is_file()
    )


# -- the index --------------------------------------------------------------------------------------


def test_a_crate_is_found_and_downloaded(server: Server, registry: Open) -> None:
    data = server.publish("wasmtime", "9.0.4")
    opened = registry()
    assert list(opened.entries("wasmtime")) == ["8.0.1", "9.0.4"]
    assert fetch(opened, "9.0.4") == data


def test_the_index_is_asked_once_per_run_and_with_what_is_known(server: Server, registry: Open) -> None:
    first = registry()
    assert first.entries("wasmtime") == first.entries("wasmtime")
    assert len(server.asked(INDEX)) == 1
    assert "If-None-Match" not in server.asked(INDEX)[0].headers
    again = registry()
    assert again.entries("wasmtime") == first.entries("wasmtime")
    etag = server.asked(INDEX)[1].headers["If-None-Match"]
    assert server.reply(server.asked(INDEX)[1]).status == 304
    assert etag.startswith('"')


def test_a_changed_index_is_read_anew(server: Server, registry: Open) -> None:
    assert list(registry().entries("wasmtime")) == ["8.0.1"]
    server.publish("wasmtime", "8.0.2")
    assert list(registry().entries("wasmtime")) == ["8.0.1", "8.0.2"]
    assert list(registry(offline=True).entries("wasmtime")) == ["8.0.1", "8.0.2"]


def test_an_index_without_etags_is_read_every_time(server: Server, registry: Open) -> None:
    line = json.dumps(crates.index_line("wasmtime", "8.0.1", b"")).encode()
    server.answer(INDEX, Reply(body=line))
    for _ in range(2):
        assert list(registry().entries("wasmtime")) == ["8.0.1"]
    assert all("If-None-Match" not in request.headers for request in server.asked(INDEX))


def test_an_etag_that_cannot_be_sent_back_is_not_kept(server: Server, registry: Open) -> None:
    line = json.dumps(crates.index_line("wasmtime", "8.0.1", b"")).encode()
    server.answer(INDEX, Reply(body=line, headers={"ETag": '"\xe9"'}))
    for _ in range(2):
        assert list(registry().entries("wasmtime")) == ["8.0.1"]


@pytest.mark.parametrize("status", [404, 410, 451])
def test_these_answers_mean_no_such_crate(server: Server, registry: Open, status: int) -> None:
    server.answer(INDEX, Reply(status, b"nothing here"))
    assert registry().entries("wasmtime") == {}
    assert registry(offline=True).entries("wasmtime") == {}


def test_a_crate_that_appears_later_is_found(server: Server, registry: Open) -> None:
    assert registry().entries("wasmtime-new") == {}
    server.publish("wasmtime-new", "1.0.0")
    assert list(registry().entries("wasmtime-new")) == ["1.0.0"]


@pytest.mark.parametrize("status", [400, 401, 403])
def test_another_answer_is_told(server: Server, registry: Open, waits: list[float], status: int) -> None:
    server.answer(INDEX, Reply(status))
    with pytest.raises(RepositoryError, match=f"the index answers {status}") as caught:
        registry().entries("wasmtime")
    assert caught.value.where == f"{server.url}index/wa/sm/wasmtime"
    assert waits == []


def test_a_304_that_nobody_asked_for_is_told(server: Server, registry: Open) -> None:
    server.answer(INDEX, Reply(304))
    with pytest.raises(RepositoryError, match="the index answers 304"):
        registry().entries("wasmtime")


def test_a_proxy_that_answers_with_a_page_is_told_and_not_kept(server: Server, registry: Open) -> None:
    good = registry().entries("wasmtime")
    server.answer(INDEX, Reply(body=b"\n<html>\n<p>Please log in</p>"))
    with pytest.raises(RepositoryError, match="line 2 is no index entry") as caught:
        registry().entries("wasmtime")
    assert caught.value.where == f"{server.url}index/wa/sm/wasmtime"
    assert "proxy" in (caught.value.hint or "")
    assert registry(offline=True).entries("wasmtime") == good


def test_a_page_in_place_of_config_json_is_told_and_not_kept(server: Server, registry: Open) -> None:
    server.answer("/index/config.json", Reply(body=b"<html>"))
    with pytest.raises(RepositoryError, match=r"is no registry config\.json") as caught:
        fetch(registry())
    assert caught.value.where == f"{server.url}index/config.json"
    server.config()
    assert fetch(registry())


def test_a_registry_without_config_json_is_told(server: Server, registry: Open) -> None:
    server.answer("/index/config.json", Reply(404))
    with pytest.raises(RepositoryError, match=r"has no config\.json"):
        fetch(registry())


def test_a_registry_that_wants_a_token_is_refused(server: Server, registry: Open) -> None:
    server.config(**{"auth-required": True})
    with pytest.raises(RepositoryError, match="wants a token") as caught:
        fetch(registry())
    assert caught.value.hint is not None
    assert server.asked(DOWNLOAD) == []


def test_the_config_is_read_once_and_only_where_something_is_downloaded(
    server: Server, registry: Open
) -> None:
    opened = registry()
    opened.entries("wasmtime")
    assert server.asked("/index/config.json") == []
    server.publish("wasmtime", "8.0.2")
    opened = registry()
    for version in ("8.0.1", "8.0.2"):
        fetch(opened, version)
    assert len(server.asked("/index/config.json")) == 1


def test_the_download_address_is_the_templates(server: Server, registry: Open) -> None:
    sha256 = registry().entries("wasmtime")["8.0.1"].sha256
    data = server.reply(Request(DOWNLOAD, {})).body
    server.config(
        dl=f"{server.url}x/{{prefix}}/{{lowerprefix}}/{{crate}}-{{version}}.crate?{{sha256-checksum}}"
    )
    server.answer(f"/x/wa/sm/wa/sm/wasmtime-8.0.1.crate?{sha256}", Reply(body=data))
    assert fetch(registry()) == data


# -- downloads --------------------------------------------------------------------------------------


def test_a_crate_is_downloaded_once(server: Server, registry: Open, cache: Cache) -> None:
    opened = registry()
    entry = opened.entries("wasmtime")["8.0.1"]
    assert not opened.has_crate(entry)
    data = opened.crate(entry)
    assert opened.has_crate(entry)
    assert registry().crate(entry) == data
    assert len(server.asked(DOWNLOAD)) == 1
    assert kept(cache) == [f"crates/{entry.sha256[:2]}/{entry.sha256}.crate"]


def test_a_damaged_file_of_the_cache_is_downloaded_again(
    server: Server, registry: Open, cache: Cache
) -> None:
    data = fetch(registry())
    file = next(cache.folder.rglob("*.crate"))
    for damage in (data[:-1], b"", data + b"x"):
        file.write_bytes(damage)
        assert fetch(registry()) == data
        assert file.read_bytes() == data
    assert len(server.asked(DOWNLOAD)) == 4


def test_other_bytes_than_the_index_promises_are_refused_and_not_kept(
    server: Server, registry: Open, cache: Cache
) -> None:
    other = crates.crate("wasmtime", "8.0.1", {"src/lib.rs": "// evil"})
    server.answer(DOWNLOAD, Reply(body=other))
    found = hashlib.sha256(other).hexdigest()
    with pytest.raises(RepositoryError, match=f"has the sha256 {found}, but the index says") as caught:
        fetch(registry())
    assert caught.value.where == f"{server.url}dl/wasmtime/8.0.1/download"
    assert kept(cache) == []
    assert not list(cache.folder.rglob(".new-*"))


@pytest.mark.parametrize("status", [403, 404])
def test_a_crate_that_is_listed_and_missing_is_told(
    server: Server, registry: Open, cache: Cache, status: int
) -> None:
    server.answer(DOWNLOAD, Reply(status))
    with pytest.raises(RepositoryError, match=rf"lists wasmtime 8\.0\.1 but answers {status}"):
        fetch(registry())
    assert kept(cache) == []


def test_a_redirect_is_followed(server: Server, registry: Open) -> None:
    data = server.reply(Request(DOWNLOAD, {})).body
    server.answer(DOWNLOAD, Reply(302, headers={"Location": "/elsewhere"}))
    server.answer("/elsewhere", Reply(body=data))
    assert fetch(registry()) == data


def test_a_redirect_in_a_circle_is_told(server: Server, registry: Open) -> None:
    server.answer(DOWNLOAD, Reply(302, headers={"Location": DOWNLOAD}))
    with pytest.raises(EnvironmentProblem, match="TooManyRedirects"):
        fetch(registry())


def test_a_download_that_is_too_large_is_stopped(
    server: Server, registry: Open, cache: Cache, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(web, "MAX_DOWNLOAD", 1000)
    server.answer(DOWNLOAD, Reply(body=b"x" * 1000))
    with pytest.raises(RepositoryError, match="has the sha256"):
        fetch(registry())
    server.answer(DOWNLOAD, Reply(body=b"x" * 1001))
    with pytest.raises(RepositoryError, match="is larger than 1000 bytes"):
        fetch(registry())
    assert kept(cache) == []


def test_parallel_downloads_share_a_client_and_a_config(server: Server, registry: Open, cache: Cache) -> None:
    versions = [f"8.0.{patch}" for patch in range(24)]
    expected = {version: server.publish("wasmtime", version) for version in versions}
    opened = registry()
    entries = opened.entries("wasmtime")
    with ThreadPoolExecutor(16) as pool:
        got = dict(zip(versions, pool.map(lambda v: opened.crate(entries[v]), versions), strict=True))
    assert got == expected
    assert len(server.asked("/index/config.json")) == 1
    assert len(kept(cache)) == len(versions)


def test_the_same_crate_may_be_asked_for_at_the_same_time(registry: Open, cache: Cache) -> None:
    opened = registry()
    entry = opened.entries("wasmtime")["8.0.1"]
    with ThreadPoolExecutor(16) as pool:
        got = set(pool.map(lambda _: opened.crate(entry), range(16)))
    assert len(got) == 1
    assert len(kept(cache)) == 1


def test_many_crates_are_asked_for_at_once(server: Server, registry: Open) -> None:
    server.publish("wiggle", "1.0.0")
    found = sources.fetch_entries(registry(), ["wiggle", "wasmtime", "wasmtime-none"])
    assert {name: list(versions) for name, versions in found.items()} == {
        "wiggle": ["1.0.0"],
        "wasmtime": ["8.0.1"],
        "wasmtime-none": [],
    }


def test_patchbot_says_who_it_is(server: Server, registry: Open) -> None:
    fetch(registry())
    agents = {request.headers["User-Agent"] for request in server.requests}
    assert agents == {f"wasmtime-patchbot/{patchbot.__version__}"}


# -- a registry that is not well --------------------------------------------------------------------


@pytest.mark.parametrize("status", [408, 429, 500, 502, 503, 504])
def test_a_server_that_is_unwell_is_asked_again(
    server: Server, registry: Open, waits: list[float], status: int
) -> None:
    body = server.reply(Request(INDEX, {})).body
    server.answer(INDEX, Reply(status), Reply(status), Reply(body=body))
    assert list(registry().entries("wasmtime")) == ["8.0.1"]
    assert waits == [0.5, 1.0]


def test_a_server_that_stays_unwell_is_told(server: Server, registry: Open, waits: list[float]) -> None:
    server.answer(INDEX, Reply(500))
    with pytest.raises(EnvironmentProblem, match=r"cannot be reached \(it answers 500\)") as caught:
        registry().entries("wasmtime")
    assert len(server.asked(INDEX)) == web.ATTEMPTS
    assert waits == [0.5, 1.0, 2.0]
    assert caught.value.exit_code == 9
    assert "--offline" in (caught.value.hint or "")
    assert caught.value.where == f"{server.url}index/wa/sm/wasmtime"


def test_the_server_says_how_long_to_wait(server: Server, registry: Open, waits: list[float]) -> None:
    body = server.reply(Request(INDEX, {})).body
    slow = Reply(429, headers={"Retry-After": "7"})
    server.answer(INDEX, slow, Reply(503, headers={"Retry-After": "30"}), Reply(body=body))
    assert list(registry().entries("wasmtime")) == ["8.0.1"]
    assert waits == [7.0, 30.0]


def test_a_server_that_wants_a_long_wait_is_told_at_once(
    server: Server, registry: Open, waits: list[float]
) -> None:
    server.answer(INDEX, Reply(429, headers={"Retry-After": "31"}))
    with pytest.raises(EnvironmentProblem, match="it answers 429"):
        registry().entries("wasmtime")
    assert waits == []
    assert len(server.asked(INDEX)) == 1


@pytest.mark.parametrize(
    "after", ["", "0", "soon", "Fri, 31 Dec 2027 23:59:59 GMT", "-1", "\xb2", "1e9", "inf"]
)
def test_a_wait_that_is_no_number_of_seconds_is_ones_own(
    server: Server, registry: Open, waits: list[float], after: str
) -> None:
    body = server.reply(Request(INDEX, {})).body
    server.answer(INDEX, Reply(429, headers={"Retry-After": after}), Reply(body=body))
    assert list(registry().entries("wasmtime")) == ["8.0.1"]
    assert waits == [0.5]


def test_a_server_that_is_not_there_is_told(server: Server, registry: Open, waits: list[float]) -> None:
    opened = registry()
    server.stop()
    with pytest.raises(EnvironmentProblem, match=r"cannot be reached \(ConnectError"):
        opened.entries("wasmtime")
    assert len(waits) == web.ATTEMPTS - 1


def test_a_body_that_breaks_off_is_asked_for_again(
    server: Server, registry: Open, cache: Cache, waits: list[float]
) -> None:
    data = server.reply(Request(DOWNLOAD, {})).body
    short = Reply(body=data[:-1], promised=len(data))
    server.answer(DOWNLOAD, short, Reply(body=data))
    assert fetch(registry()) == data
    assert waits == [0.5]
    for file in cache.folder.rglob("*.crate"):
        file.unlink()
    server.answer(DOWNLOAD, short)
    with pytest.raises(EnvironmentProblem, match="RemoteProtocolError"):
        fetch(registry())
    assert kept(cache) == []


def test_a_body_that_cannot_be_decoded_is_told(server: Server, registry: Open) -> None:
    server.answer(INDEX, Reply(body=b"no gzip", headers={"Content-Encoding": "gzip"}))
    with pytest.raises(EnvironmentProblem, match="DecodingError"):
        registry().entries("wasmtime")


@pytest.mark.parametrize("dl", ["http://127.0.0.1:port/", "http://127.0.0.1/\x01"])
def test_a_download_address_that_is_none_is_told(server: Server, registry: Open, dl: str) -> None:
    server.config(dl=dl)
    with pytest.raises(ConfigError, match="is no URL"):
        fetch(registry())


def test_a_download_address_of_another_kind_is_told(server: Server, registry: Open) -> None:
    server.config(dl="file:///etc")
    with pytest.raises(EnvironmentProblem, match="UnsupportedProtocol"):
        fetch(registry())


# -- offline ----------------------------------------------------------------------------------------


def test_offline_works_from_the_cache_alone(server: Server, registry: Open) -> None:
    data = fetch(registry())
    server.stop()
    assert fetch(registry(offline=True)) == data


def test_offline_says_what_is_not_in_the_cache(server: Server, registry: Open, cache: Cache) -> None:
    with pytest.raises(EnvironmentProblem, match="wa/sm/wasmtime of the index is not in the cache") as caught:
        registry(offline=True).entries("wasmtime")
    assert caught.value.where == str(cache.folder)
    assert caught.value.hint == "run once without --offline"
    registry().entries("wasmtime")
    with pytest.raises(EnvironmentProblem, match=r"wasmtime 8\.0\.1 is not in the cache") as caught:
        fetch(registry(offline=True))
    assert caught.value.hint == "run once without --offline"
    assert server.asked(DOWNLOAD) == []


def test_two_registries_do_not_share_an_index(server: Server, registry: Open, cache: Cache) -> None:
    registry().entries("wasmtime")
    other = SparseRegistry(f"sparse+{server.url}other/", cache, cargo=CargoConfig(), offline=True)
    with pytest.raises(EnvironmentProblem, match="not in the cache"):
        other.entries("wasmtime")


# -- proxies and certificates -----------------------------------------------------------------------


def test_a_proxy_is_asked_in_the_registrys_place(server: Server, cache: Cache) -> None:
    address = "http://registry.invalid/index/wa/sm/wasmtime"
    line = json.dumps(crates.index_line("wasmtime", "7.0.0", b"")).encode()
    server.answer(address, tagged(line))
    opened = SparseRegistry(
        "sparse+http://registry.invalid/index/", cache, cargo=CargoConfig(proxy=server.url)
    )
    assert list(opened.entries("wasmtime")) == ["7.0.0"]
    assert len(server.asked(address)) == 1


@pytest.mark.parametrize("proxy", ["ftp://127.0.0.1", "socks4://127.0.0.1", "http://127.0.0.1:port"])
def test_a_proxy_that_cannot_be_used_is_told(registry: Open, proxy: str) -> None:
    with pytest.raises(ConfigError, match="the way to the registry cannot be set up") as caught:
        registry(cargo=CargoConfig(proxy=proxy)).entries("wasmtime")
    assert "http.proxy" in (caught.value.hint or "")


def test_certificates_that_cannot_be_read_are_told(registry: Open, tmp_path: Path) -> None:
    empty = tmp_path / "empty.pem"
    empty.write_text("")
    for cainfo in (tmp_path / "none.pem", empty):
        with pytest.raises(ConfigError, match="the way to the registry cannot be set up") as caught:
            registry(cargo=CargoConfig(cainfo=cainfo)).entries("wasmtime")
        assert caught.value.where == str(cainfo)


# -- a folder in the registry's place ---------------------------------------------------------------


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    folder = tmp_path / "local"
    data = crates.crate("wasmtime", "8.0.1", {"src/lib.rs": ""})
    crates.place(folder, crates.index_line("wasmtime", "8.0.1", data), data)
    return folder


def test_a_local_registry_is_read(folder: Path) -> None:
    local = LocalRegistry(folder)
    entry = local.entries("wasmtime")["8.0.1"]
    assert local.crate(entry) == (folder / "wasmtime-8.0.1.crate").read_bytes()
    assert local.has_crate(entry)
    assert local.entries("wasmtime-none") == {}
    assert LocalRegistry(folder / "none").entries("wasmtime") == {}


def test_a_local_crate_is_checked(folder: Path) -> None:
    local = LocalRegistry(folder)
    entry = local.entries("wasmtime")["8.0.1"]
    (folder / "wasmtime-8.0.1.crate").write_bytes(b"other")
    with pytest.raises(RepositoryError, match="has the sha256"):
        local.crate(entry)


def test_a_local_crate_that_is_missing_is_told(folder: Path) -> None:
    local = LocalRegistry(folder)
    entry = local.entries("wasmtime")["8.0.1"]
    (folder / "wasmtime-8.0.1.crate").unlink()
    assert not local.has_crate(entry)
    with pytest.raises(EnvironmentProblem, match="cannot be read: No such file"):
        local.crate(entry)


def test_a_local_index_that_is_damaged_is_told(folder: Path) -> None:
    file = folder / "index" / "wa" / "sm" / "wasmtime"
    file.write_text("{}\n")
    with pytest.raises(RepositoryError, match="line 1 is no index entry") as caught:
        LocalRegistry(folder).entries("wasmtime")
    assert caught.value.where == str(file)
    file.unlink()
    file.mkdir()
    with pytest.raises(EnvironmentProblem, match="cannot be read"):
        LocalRegistry(folder).entries("wasmtime")


# -- which source -----------------------------------------------------------------------------------

CRATES_IO = "sparse+https://index.crates.io/"


def opened(index: str, cargo: CargoConfig, cache: Cache) -> sources.Source:
    return sources.open_source(index, default_index=CRATES_IO, cache=cache, cargo=cargo, offline=True)


def test_cargos_replacement_applies_to_crates_io_alone(tmp_path: Path, cache: Cache) -> None:
    folder = CargoConfig(local=tmp_path)
    mirror = CargoConfig(index="sparse+https://mirror.example/")
    house = "sparse+https://house.example/"
    assert opened(CRATES_IO, folder, cache) == LocalRegistry(tmp_path)
    for index, cargo, url in (
        (CRATES_IO, CargoConfig(), "https://index.crates.io/"),
        (CRATES_IO, mirror, "https://mirror.example/"),
        (house, mirror, "https://house.example/"),
        (house, folder, "https://house.example/"),
    ):
        source = opened(index, cargo, cache)
        assert isinstance(source, SparseRegistry)
        assert source._url == url


def test_no_test_reaches_beyond_this_machine() -> None:
    # the seal of conftest.py, on which every test here rests
    with pytest.raises(AssertionError, match="a unit test reaches for"), socket.socket() as reaching:
        reaching.connect(("192.0.2.1", 80))


def test_what_check_returns_is_what_it_was_given() -> None:
    entry = IndexEntry("a", "1.0.0", hashlib.sha256(b"x").hexdigest(), False, (), {})  # noqa: FBT003
    assert sources.check(entry, b"x", where="here") == b"x"
