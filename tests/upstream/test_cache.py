from __future__ import annotations

import hashlib
from pathlib import Path

import pytest

from patchbot.errors import EnvironmentProblem
from patchbot.upstream.cache import Cache, Cached

DATA = b"a crate"
SHA256 = hashlib.sha256(DATA).hexdigest()


@pytest.fixture
def cache(tmp_path: Path) -> Cache:
    return Cache(tmp_path / "cache")


def crate_file(cache: Cache) -> Path:
    return cache.folder / "crates" / SHA256[:2] / f"{SHA256}.crate"


def test_a_crate_is_kept_by_its_digest(cache: Cache) -> None:
    assert cache.crate(SHA256) is None
    assert not cache.has_crate(SHA256)
    cache.keep_crate(SHA256, DATA)
    assert cache.crate(SHA256) == DATA
    assert cache.has_crate(SHA256)
    assert crate_file(cache).read_bytes() == DATA


def test_a_damaged_crate_is_removed_and_counts_as_absent(cache: Cache) -> None:
    cache.keep_crate(SHA256, DATA)
    crate_file(cache).write_bytes(DATA[:-1])
    assert cache.crate(SHA256) is None
    assert not crate_file(cache).exists()


def test_a_crate_that_cannot_be_read_or_removed_is_told(
    cache: Cache, monkeypatch: pytest.MonkeyPatch
) -> None:
    cache.keep_crate(SHA256, b"damaged")

    def refuse(*_args: object, **_more: object) -> None:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(Path, "unlink", refuse)
    with pytest.raises(EnvironmentProblem, match="cannot be read: Permission denied") as caught:
        cache.crate(SHA256)
    assert caught.value.where == str(crate_file(cache))
    monkeypatch.undo()
    crate_file(cache).unlink()
    crate_file(cache).mkdir()
    with pytest.raises(EnvironmentProblem, match="cannot be read: Is a directory"):
        cache.crate(SHA256)


@pytest.mark.parametrize("data", [b"", b"line\n", b"two\nlines\n", b"\n", b"\xff\r\n"])
@pytest.mark.parametrize("etag", ["", 'W/"x"', "x"])
def test_an_index_file_is_kept_with_its_etag(cache: Cache, data: bytes, etag: str) -> None:
    assert cache.index("https://a/", "wa/sm/wasmtime") is None
    cache.keep_index("https://a/", "wa/sm/wasmtime", Cached(data, etag))
    assert cache.index("https://a/", "wa/sm/wasmtime") == Cached(data, etag)
    assert cache.index("https://b/", "wa/sm/wasmtime") is None
    assert cache.index("https://a/", "wa/sm/wasmtime-x") is None


def test_an_index_file_that_cannot_be_read_is_told(cache: Cache) -> None:
    cache.keep_index("https://a/", "wa/sm/wasmtime", Cached(b"", ""))
    with pytest.raises(EnvironmentProblem, match="cannot be read: Is a directory"):
        cache.index("https://a/", "wa/sm")


def test_a_cache_that_cannot_be_written_is_told(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    cache = Cache(tmp_path / "file")
    with pytest.raises(EnvironmentProblem, match="cannot be written"):
        cache.keep_crate(SHA256, DATA)
    with pytest.raises(EnvironmentProblem, match="cannot be written"):
        cache.keep_index("https://a/", "x", Cached(b"", ""))
