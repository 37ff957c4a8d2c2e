from __future__ import annotations

from pathlib import Path

import pytest

from patchbot import cargo_settings
from patchbot.errors import ConfigError
from patchbot.registry.remote.target import Target, find


def configured(folder: Path, text: str) -> cargo_settings.Settings:
    (folder / "home").mkdir()
    (folder / "home" / "config.toml").write_text(text)
    return cargo_settings.load(folder, {"CARGO_HOME": str(folder / "home")})


def test_a_name_is_found_where_cargo_has_it(tmp_path: Path) -> None:
    settings = configured(tmp_path, '[registries.mine]\nindex = "sparse+https://a"\n')
    assert find("mine", settings, {}) == Target("mine", "sparse+https://a/")
    environ = {"CARGO_REGISTRIES_MINE_INDEX": "sparse+http://127.0.0.1:1/i/"}
    found = find("mine", settings, environ)
    assert (found.index, found.url, found.loopback, found.public) == (
        *("sparse+http://127.0.0.1:1/i/", "http://127.0.0.1:1/i/"),
        True,
        False,
    )
    assert find("crates-io", settings, {}).public
    assert not found.git


def test_an_index_may_be_a_git_repository() -> None:
    def given(index: str) -> Target:
        return find("mine", cargo_settings.Settings(), {"CARGO_REGISTRIES_MINE_INDEX": index})

    found = given("https://a.example/git/index")
    assert (found.index, found.url) == ("https://a.example/git/index", "https://a.example/git/index")
    assert (found.git, found.loopback, found.public) == (True, False, False)
    assert given("file:///srv/index").loopback
    assert given("http://127.0.0.1:3/git").loopback
    for index in (
        "https://github.com/rust-lang/crates.io-index",
        "https://github.com/rust-lang/crates.io-index.git/",
        "ssh://git@github.com/rust-lang/crates.io-index.git",
    ):
        assert given(index).public
    assert not given("https://github.com/somebody/crates.io-index").public


@pytest.mark.parametrize(
    ("index", "says"),
    [
        ("git@a:index", "the index of mine is neither a sparse index nor a git repository"),
        ("ext::sh -c x", "the index of mine is neither a sparse index nor a git repository"),
        ("sparse+file:///a", "the index of mine is neither a sparse index nor a git repository"),
        ("https://me:word@a/git", "the index of mine has a password in its address"),
        ("sparse+https://me:word@a/", "has a password in its address"),
    ],
)
def test_an_index_that_cannot_be(index: str, says: str) -> None:
    with pytest.raises(ConfigError, match=says) as caught:
        find("mine", cargo_settings.Settings(), {"CARGO_REGISTRIES_MINE_INDEX": index})
    assert "word" not in str(caught.value).replace("password", "")


def test_a_name_that_nobody_knows(tmp_path: Path) -> None:
    settings = configured(tmp_path, '[registries.other]\nindex = "sparse+https://a/"\n')
    with pytest.raises(ConfigError, match="there is no registry mine") as caught:
        find("mine", settings, {})
    assert "CARGO_REGISTRIES_MINE_INDEX" in (caught.value.hint or "")
    assert "known: other" in (caught.value.hint or "")
