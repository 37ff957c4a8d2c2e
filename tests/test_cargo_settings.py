"""How files are merged; what upstream's source takes from them is in upstream/test_cargo_config.py."""

from __future__ import annotations

from pathlib import Path

import pytest

from patchbot import cargo_settings, network
from patchbot.cargo_settings import Network, Settings
from patchbot.errors import ConfigError


def write(file: Path, text: str) -> None:
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(text)


@pytest.fixture
def home(tmp_path: Path) -> Path:
    return tmp_path / "home"


def load(folder: Path, home: Path, *, secrets: bool = False) -> Settings:
    return cargo_settings.load(folder, {"CARGO_HOME": str(home)}, secrets=secrets)


def test_deeper_folders_win_key_by_key(tmp_path: Path, home: Path) -> None:
    write(home / "config.toml", '[registries.a]\nindex = "home"\ntoken = "t"\n[registries.b]\n')
    write(tmp_path / "x" / ".cargo" / "config.toml", '[registries.a]\nindex = "deep"\n')
    settings = load(tmp_path / "x", home)
    assert settings.word("registries.a", "index") == "deep"
    assert settings.word("registries.a", "token") == "t"
    assert settings.file("registries.a", "index") == tmp_path / "x" / ".cargo" / "config.toml"
    assert settings.base("registries.a", "index") == tmp_path / "x"
    assert settings.names("registries") == ["a", "b"]
    assert settings.has("registries.b")
    assert not settings.has("registries.c")


def test_secrets_are_read_only_where_they_are_asked_for(tmp_path: Path, home: Path) -> None:
    write(home / "credentials.toml", '[registries.a]\ntoken = "t"\n')
    assert load(tmp_path, home).word("registries.a", "token") is None
    assert load(tmp_path, home, secrets=True).word("registries.a", "token") == "t"


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("'one two'", ("one", "two")),
        ("['one two', 'three']", ("one two", "three")),
        ("[]", ()),
    ],
)
def test_a_program_is_a_list_or_words(tmp_path: Path, home: Path, text: str, words: tuple[str, ...]) -> None:
    write(home / "config.toml", f"[registry]\nglobal-credential-providers = {text}\n")
    assert load(tmp_path, home).words("registry", "global-credential-providers") == words


@pytest.mark.parametrize("value", ["3", "[1]", "{}"])
def test_something_else_is_told_with_its_file(tmp_path: Path, home: Path, value: str) -> None:
    write(home / "config.toml", f"[registry]\nx = {value}\n")
    with pytest.raises(ConfigError, match=r"registry\.x must be a string") as caught:
        load(tmp_path, home).words("registry", "x")
    assert caught.value.where == str(home / "config.toml")


def test_the_home_is_read_once_where_it_is_a_folder_above(tmp_path: Path) -> None:
    write(tmp_path / ".cargo" / "config", "[http]\nproxy = 'old:1'\n")
    write(tmp_path / ".cargo" / "config.toml", "[http]\nproxy = 'new:1'\n")
    settings = load(tmp_path / "x", tmp_path / ".cargo")
    way = cargo_settings.network(settings, tmp_path, {})
    assert way == Network("http://old:1")
    assert cargo_settings.network(settings, tmp_path, {"CARGO_HTTP_PROXY": "https://p"}) == Network(
        "https://p"
    )


def test_certificates_that_are_not_there_are_told(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="cannot be set up"):
        network.client(Network(cainfo=tmp_path / "none.pem"), connections=1)


def test_a_client_says_who_it_is() -> None:
    with network.client(Network(), connections=1) as client:
        assert client.headers["User-Agent"].startswith("wasmtime-patchbot/")
