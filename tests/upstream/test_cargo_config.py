from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import pytest

from patchbot.errors import ConfigError
from patchbot.upstream import cargo_config
from patchbot.upstream.cargo_config import CargoConfig

MIRROR = """\
[source.crates-io]
replace-with = "mirror"
[source.mirror]
registry = "sparse+https://{}/"
"""


class World:
    """A home, a workspace and a folder in it where patchbot runs."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.home = root / "home"
        self.workspace = root / "work"
        self.start = self.workspace / "project"
        self.start.mkdir(parents=True)

    def write(self, folder: Path, text: str, name: str = "config.toml") -> Path:
        file = folder / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text, encoding="utf-8")
        return file

    def here(self, text: str) -> Path:
        return self.write(self.start / ".cargo", text)

    def load(self, environ: Mapping[str, str] | None = None) -> CargoConfig:
        return cargo_config.load(self.start, {"HOME": str(self.home), **(environ or {})})

    def refused(self) -> ConfigError:
        with pytest.raises(ConfigError) as caught:
            self.load()
        return caught.value


@pytest.fixture
def world(tmp_path: Path) -> World:
    return World(tmp_path)


# -- which file -------------------------------------------------------------------------------------


def test_without_configuration_nothing_is_replaced(world: World) -> None:
    assert world.load() == CargoConfig()
    world.here("[build]\njobs = 2\n[source.other]\nregistry = 'sparse+https://x/'\n")
    assert world.load() == CargoConfig()


def test_the_deeper_folder_wins_and_the_home_comes_last(world: World) -> None:
    places = [
        world.home / ".cargo",
        world.root / ".cargo",
        world.workspace / ".cargo",
        world.start / ".cargo",
    ]
    for place in places:
        world.write(place, MIRROR.format(place.parent.name))
        assert world.load().index == f"sparse+https://{place.parent.name}/"


def test_cargo_home_takes_the_place_of_the_home(world: World) -> None:
    world.write(world.home / ".cargo", MIRROR.format("home"))
    world.write(world.root / "ch", MIRROR.format("cargo-home"))
    assert world.load({"CARGO_HOME": str(world.root / "ch")}).index == "sparse+https://cargo-home/"
    assert world.load({"CARGO_HOME": ""}).index == "sparse+https://home/"
    assert world.load({"CARGO_HOME": str(world.root / "none")}).index is None


def test_the_old_file_name_is_read_and_wins_in_its_folder(world: World) -> None:
    world.write(world.start / ".cargo", MIRROR.format("old"), "config")
    assert world.load().index == "sparse+https://old/"
    world.here(MIRROR.format("new"))
    assert world.load().index == "sparse+https://old/"


def test_files_are_merged_key_by_key(world: World) -> None:
    world.write(
        world.home / ".cargo", MIRROR.format("home") + "[http]\nproxy = 'http://p:1'\ncainfo = 'ca'\n"
    )
    world.here("[source.mirror]\nregistry = 'sparse+https://here/'\n[http]\nproxy = 'http://q:2'\n")
    assert world.load() == CargoConfig(
        index="sparse+https://here/", proxy="http://q:2", cainfo=world.home / "ca"
    )


def test_a_key_of_a_deeper_file_does_not_hide_the_others_of_its_table(world: World) -> None:
    world.write(world.home / ".cargo", MIRROR.format("home"))
    world.here("[source.mirror]\nprotocol = 'x'\n")
    assert world.load().index == "sparse+https://home/"


@pytest.mark.parametrize("data", [b"a = [", b"\xff", b"[source]\n[source]\n"])
def test_a_file_that_is_no_toml_is_refused_by_its_name(world: World, data: bytes) -> None:
    file = world.here("")
    file.write_bytes(data)
    error = world.refused()
    assert error.where == str(file)
    assert error.what.startswith("cannot be read")


@pytest.mark.parametrize(
    ("text", "what"),
    [
        ("source = 3\n", "source must be a table"),
        ("http = 'x'\n", "http must be a table"),
        ("registries = []\n", "registries must be a table"),
        ("[source]\ncrates-io = 'x'\n", "crates-io must be a table"),
        ("[registries]\nmirror = 'sparse+https://x/'\n", "mirror must be a table"),
        ("[source.crates-io]\nreplace-with = ['x']\n", "source.crates-io.replace-with must be a string"),
        (MIRROR.replace('"sparse+https://{}/"', "3"), "source.mirror.registry must be a string"),
        ("[http]\nproxy = 3128\n", "http.proxy must be a string"),
        ("[http]\ncainfo = true\n", "http.cainfo must be a string"),
    ],
)
def test_a_value_of_another_type_is_refused(world: World, text: str, what: str) -> None:
    file = world.here(text)
    error = world.refused()
    assert (error.what, error.where) == (what, str(file))


# -- what replaces crates.io ------------------------------------------------------------------------


def test_a_chain_of_replacements_is_followed_to_its_end(world: World) -> None:
    world.here(
        "[source.crates-io]\nreplace-with = 'a'\n[source.a]\nreplace-with = 'b'\n"
        "[source.b]\nregistry = 'sparse+https://b/index/'\n"
    )
    assert world.load() == CargoConfig(index="sparse+https://b/index/")


@pytest.mark.parametrize(
    "text",
    [
        "[source.crates-io]\nreplace-with = 'crates-io'\n",
        "[source.crates-io]\nreplace-with = 'a'\n[source.a]\nreplace-with = 'a'\n",
        "[source.crates-io]\nreplace-with = 'a'\n[source.a]\nreplace-with = 'crates-io'\n",
        "[source.crates-io]\nreplace-with = 'a'\n[source.a]\nreplace-with = 'b'\n[source.b]\nreplace-with = 'a'\n",
    ],
)
def test_a_loop_is_refused(world: World, text: str) -> None:
    file = world.here(text)
    error = world.refused()
    assert "replaces itself" in error.what
    assert error.where == str(file)


@pytest.mark.parametrize("more", ["", "[source.a]\nreplace-with = 'b'\n"])
def test_a_source_that_is_not_defined_is_refused(world: World, more: str) -> None:
    file = world.here(f"[source.crates-io]\nreplace-with = '{'a' if more else 'b'}'\n{more}")
    error = world.refused()
    assert (error.what, error.where) == ("source b is not defined", str(file))


def test_a_registry_can_be_named_where_a_source_can(world: World) -> None:
    world.here(
        "[source.crates-io]\nreplace-with = 'house'\n[registries.house]\nindex = 'sparse+https://house/'\n"
    )
    assert world.load().index == "sparse+https://house/"


def test_a_source_wins_over_a_registry_of_its_name(world: World) -> None:
    world.write(world.home / ".cargo", MIRROR.format("source"))
    world.here("[registries.mirror]\nindex = 'sparse+https://registry/'\ntoken = 'x'\n")
    assert world.load().index == "sparse+https://source/"


def test_the_last_slash_of_an_index_is_put_where_it_is_missing(world: World) -> None:
    world.here(MIRROR.format("m/x").replace("m/x/", "m/x"))
    assert world.load().index == "sparse+https://m/x/"


def test_the_folder_of_a_local_registry_starts_where_the_cargo_folder_is(world: World) -> None:
    text = "[source.crates-io]\nreplace-with = 'local'\n[source.local]\nlocal-registry = '{}'\n"
    world.write(world.workspace / ".cargo", text.format("vendor/registry"))
    assert world.load() == CargoConfig(local=world.workspace / "vendor" / "registry")
    world.here(text.format("/srv/registry"))
    assert world.load() == CargoConfig(local=Path("/srv/registry"))


def test_a_local_registry_is_placed_by_the_file_that_names_it(world: World) -> None:
    world.write(world.home / ".cargo", "[source.local]\nlocal-registry = 'r'\n")
    world.here("[source.crates-io]\nreplace-with = 'local'\n")
    assert world.load().local == world.home / "r"


@pytest.mark.parametrize(
    "source",
    [
        "directory = 'vendor'",
        "git = 'https://example.com/x'",
        "",
    ],
)
def test_a_source_of_another_kind_is_refused_with_the_way_out(world: World, source: str) -> None:
    file = world.here(f"[source.crates-io]\nreplace-with = 'vendored'\n[source.vendored]\n{source}\n")
    error = world.refused()
    assert error.what == "crates.io is replaced by the source vendored, which patchbot cannot read"
    assert error.where == str(file)
    assert "upstream.index" in (error.hint or "")


@pytest.mark.parametrize("index", ["https://mirror.example/crates.io-index", "file:///srv/index"])
def test_an_index_in_a_git_repository_is_taken(world: World, index: str) -> None:
    world.here(f"[source.crates-io]\nreplace-with = 'm'\n[source.m]\nregistry = '{index}'\n")
    assert world.load() == CargoConfig(index=index)
    world.here(f"[source.crates-io]\nreplace-with = 'm'\n[registries.m]\nindex = '{index}'\n")
    assert world.load() == CargoConfig(index=index)


@pytest.mark.parametrize(
    ("index", "what"),
    [
        ("ext::sh -c x", "is neither a sparse index nor a git repository"),
        ("registry+https://m/", "is neither a sparse index nor a git repository"),
        ("https://me:word@m/git", "has a password in its address, which would stand in logs"),
    ],
)
def test_a_git_address_that_cannot_be_is_refused(world: World, index: str, what: str) -> None:
    file = world.here(f"[source.crates-io]\nreplace-with = 'm'\n[source.m]\nregistry = '{index}'\n")
    error = world.refused()
    assert error.what == f"crates.io is replaced by the source m, whose index {what}"
    assert error.where == str(file)
    assert error.hint


# -- the way there ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("written", "proxy"),
    [
        ("http://proxy:3128", "http://proxy:3128"),
        ("proxy:3128", "http://proxy:3128"),
        ("socks5h://proxy:1080", "socks5h://proxy:1080"),
        ("user:word@proxy:3128", "http://user:word@proxy:3128"),
        ("", None),
    ],
)
def test_the_proxy_is_read_as_libcurl_reads_it(world: World, written: str, proxy: str | None) -> None:
    world.here(f"[http]\nproxy = '{written}'\n")
    assert world.load().proxy == proxy


def test_the_environment_names_another_proxy(world: World) -> None:
    world.here("[http]\nproxy = 'http://file:1'\n")
    assert world.load({"CARGO_HTTP_PROXY": "env:2"}).proxy == "http://env:2"
    assert world.load({"CARGO_HTTP_PROXY": ""}).proxy == "http://file:1"


def test_certificates_are_found_from_the_file_that_names_them(world: World) -> None:
    world.write(world.home / ".cargo", "[http]\ncainfo = 'certs/ca.pem'\n")
    assert world.load().cainfo == world.home / "certs" / "ca.pem"
    world.here("[http]\ncainfo = '/etc/ca.pem'\n")
    assert world.load().cainfo == Path("/etc/ca.pem")


@pytest.mark.parametrize("text", ["", "[http]\ncainfo = 'other.pem'\n"])
def test_certificates_of_the_environment_are_found_from_the_working_folder(world: World, text: str) -> None:
    world.write(world.home / ".cargo", text)
    assert world.load({"CARGO_HTTP_CAINFO": "ca.pem"}).cainfo == world.start / "ca.pem"
    assert world.load({"CARGO_HTTP_CAINFO": "/etc/ca.pem"}).cainfo == Path("/etc/ca.pem")
