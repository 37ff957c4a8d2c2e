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


@pytest.mark.parametrize(
    ("index", "says"),
    [
        ("https://a/git", "has no sparse index"),
        ("sparse+file:///a", "has no sparse index"),
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
