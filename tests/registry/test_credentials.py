"""Where tokens come from: the rules are cargo's."""

from __future__ import annotations

import json
import stat
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from patchbot import cargo_settings
from patchbot.errors import ConfigError, EnvironmentProblem, PublishError
from patchbot.registry.remote.credentials import READ, Credentials, Purpose, Secret
from patchbot.registry.remote.target import Target

INDEX = "sparse+https://mine.example.invalid/index/"
TARGET = Target("mine", INDEX)
PUBLISH = Purpose("publish", "base", "1.2.3", "0" * 64)
TOKEN = "CARGO_REGISTRIES_MINE_TOKEN"  # noqa: S105 - a variable's name
PROVIDER = "CARGO_REGISTRIES_MINE_CREDENTIAL_PROVIDER"


class World:
    """A home with cargo's files, and programs that give tokens."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.home = folder / "home"
        self.project = folder / "above" / "project"
        self.home.mkdir()
        self.project.mkdir(parents=True)

    def write(self, where: Path, text: str) -> None:
        where.parent.mkdir(parents=True, exist_ok=True)
        where.write_text(text)

    def program(self, name: str, text: str) -> Path:
        file = self.folder / "above" / name
        file.write_text(f"#!/usr/bin/env python3\nimport json, os, sys\n{text}\n")
        file.chmod(file.stat().st_mode | stat.S_IXUSR)
        return file

    def provider(
        self, answer: Mapping[str, Any], *, hello: Mapping[str, Any] | None = None, code: int = 0
    ) -> Path:
        """A provider that speaks cargo's protocol and notes what it was asked."""
        return self.program(
            "provider",
            f"print({json.dumps(json.dumps(hello or {'v': [1]}))}, flush=True)\n"
            f"asked = json.loads(sys.stdin.readline())\n"
            f"open({str(self.folder / 'asked')!r}, 'a').write(json.dumps([sys.argv[1:], asked]) + '\\n')\n"
            f"print({json.dumps(json.dumps(answer))}, flush=True)\n"
            f"sys.exit({code})",
        )

    def asked(self) -> list[Any]:
        file = self.folder / "asked"
        return [json.loads(line) for line in file.read_text().splitlines()] if file.exists() else []

    def credentials(self, environ: Mapping[str, str] | None = None, *, now: float = 1000.0) -> Credentials:
        known = {"CARGO_HOME": str(self.home), **(environ or {})}
        settings = cargo_settings.load(self.project, known, secrets=True)
        return Credentials(TARGET, settings, known, now=lambda: now)

    def token(self, environ: Mapping[str, str] | None = None, purpose: Purpose = PUBLISH) -> str | None:
        found = self.credentials(environ).token(purpose)
        return found.reveal() if found is not None else None


@pytest.fixture
def world(tmp_path: Path) -> World:
    return World(tmp_path)


def test_nobody_has_one(world: World) -> None:
    assert world.token() is None


def test_the_environment_counts_more_than_files(world: World) -> None:
    world.write(world.project / ".cargo" / "config.toml", '[registries.mine]\ntoken = "of-config"\n')
    assert world.token() == "of-config"
    world.write(world.home / "credentials.toml", '[registries.mine]\ntoken = "of-credentials"\n')
    assert world.token() == "of-credentials"
    assert world.token({TOKEN: "of-environment"}) == "of-environment"


def test_a_dash_in_a_name_is_an_underscore_there(world: World) -> None:
    target = Target("my-own", INDEX)
    known = {"CARGO_REGISTRIES_MY_OWN_TOKEN": "t"}
    found = Credentials(target, cargo_settings.Settings(), known).token(READ)
    assert found == Secret("t")


def test_crates_io_has_tables_of_its_own(world: World) -> None:
    target = Target("crates-io", "sparse+https://index.crates.io/")
    world.write(world.home / "credentials", '[registry]\ntoken = "public"\n')
    settings = cargo_settings.load(world.project, {"CARGO_HOME": str(world.home)}, secrets=True)
    assert Credentials(target, settings, {}).token(READ) == Secret("public")
    assert Credentials(target, settings, {"CARGO_REGISTRY_TOKEN": "env"}).token(READ) == Secret("env")


def test_a_command_prints_it(world: World) -> None:
    program = world.program(
        "say",
        "print(os.environ['CARGO_REGISTRY_NAME_OPT'], *sys.argv[1:], os.environ['CARGO_REGISTRY_INDEX_URL'])",
    )
    words = f"cargo:token-from-stdout {program} --for {{index_url}}"
    assert world.token({PROVIDER: words, TOKEN: "ignored"}) == f"mine --for {INDEX} {INDEX}"


@pytest.mark.parametrize("text", ["print('a'); print('b')", "sys.exit(3)", "pass"])
def test_a_command_that_prints_no_line_or_two(world: World, text: str) -> None:
    with pytest.raises(
        PublishError, match=r"the credential provider .*say (ends with code 3|does not print)"
    ):
        world.token({PROVIDER: f"cargo:token-from-stdout {world.program('say', text)}"})


def test_a_provider_is_asked_as_cargo_asks(world: World) -> None:
    granted = {"kind": "get", "token": "granted", "cache": "session", "operation_independent": True}
    program = world.provider({"Ok": granted})
    listed = json.dumps([str(program), "--account", "me"])
    world.write(
        world.project / ".cargo" / "config.toml", f"[registries.mine]\ncredential-provider = {listed}\n"
    )
    credentials = world.credentials({TOKEN: "ignored"})
    assert credentials.token(PUBLISH) == Secret("granted")
    assert credentials.token(Purpose("yank", "x", "1.0.0")) == Secret("granted")
    assert world.asked() == [
        [
            ["--cargo-plugin"],
            {
                "v": 1,
                "registry": {"index-url": INDEX, "name": "mine"},
                "kind": "get",
                "operation": "publish",
                "name": "base",
                "vers": "1.2.3",
                "cksum": "0" * 64,
                "args": ["--account", "me"],
            },
        ]
    ]


@pytest.mark.parametrize(
    ("more", "times"),
    [
        ({"cache": "session", "operation_independent": True}, 1),
        ({"cache": "session", "operation_independent": False}, 2),
        ({"cache": "never", "operation_independent": True}, 2),
        ({"cache": "expires", "expiration": 1061, "operation_independent": True}, 1),
        ({"cache": "expires", "expiration": 1059, "operation_independent": True}, 2),
        ({"cache": "of-the-future", "operation_independent": True}, 2),
    ],
)
def test_a_token_is_kept_as_long_as_its_provider_says(world: World, more: dict[str, Any], times: int) -> None:
    program = world.provider({"Ok": {"kind": "get", "token": "t", **more}})
    credentials = world.credentials({PROVIDER: str(program)})
    for _ in range(2):
        assert credentials.token(PUBLISH) == Secret("t")
    assert len(world.asked()) == times


def test_a_token_that_was_refused_is_asked_for_anew_once(world: World) -> None:
    granted = {"kind": "get", "token": "t", "cache": "session", "operation_independent": True}
    credentials = world.credentials({PROVIDER: str(world.provider({"Ok": granted}))})
    old = credentials.token(PUBLISH)
    world.provider({"Ok": {**granted, "token": "fresh"}})
    for _ in range(3):
        assert credentials.token(PUBLISH, instead_of=old) == Secret("fresh")
    assert len(world.asked()) == 2


def test_the_last_of_the_global_providers_is_asked_first(world: World) -> None:
    program = world.provider(
        {"Ok": {"kind": "get", "token": "t", "cache": "never", "operation_independent": True}}
    )
    listed = json.dumps(["cargo:token", str(program)])
    world.write(world.home / "config.toml", f"[registry]\nglobal-credential-providers = {listed}\n")
    assert world.token({TOKEN: "plain"}) == "t"


@pytest.mark.parametrize("kind", ["not-found", "url-not-supported"])
def test_one_that_does_not_know_passes_on(world: World, kind: str) -> None:
    program = world.provider({"Err": {"kind": kind}})
    listed = json.dumps(["cargo:token", str(program)])
    world.write(world.home / "config.toml", f"[registry]\nglobal-credential-providers = {listed}\n")
    assert world.token({TOKEN: "plain"}) == "plain"
    assert world.token({PROVIDER: str(program), TOKEN: "plain"}) is None


def test_one_that_fails_says_why_and_nobody_else_is_asked(world: World) -> None:
    program = world.provider({"Err": {"kind": "other", "message": "the key is locked"}})
    listed = json.dumps(["cargo:token", str(program)])
    world.write(world.home / "config.toml", f"[registry]\nglobal-credential-providers = {listed}\n")
    with pytest.raises(PublishError, match="says: the key is locked"):
        world.token({TOKEN: "plain"})


def test_an_alias_names_a_provider_relative_to_its_file(world: World) -> None:
    world.provider({"Ok": {"kind": "get", "token": "t", "cache": "never", "operation_independent": True}})
    text = '[registries.mine]\ncredential-provider = "short"\n[credential-alias]\nshort = ["../above/provider", "x"]\n'
    world.write(world.folder / "above" / ".cargo" / "config.toml", text)
    assert world.token() == "t"
    assert world.asked()[0][1]["args"] == ["x"]


@pytest.mark.parametrize(
    "text", ["", "print('hello secret-of-mine')", "print('{\"v\": [1]}')", "print('{\"v\": [1]}\\n{}')"]
)
def test_words_of_a_provider_that_makes_no_sense_are_not_repeated(world: World, text: str) -> None:
    with pytest.raises(PublishError, match="does not answer as cargo's protocol wants") as caught:
        world.token({PROVIDER: str(world.program("odd", text))})
    assert "secret-of-mine" not in f"{caught.value} {caught.value.hint}"


def test_a_provider_of_another_protocol(world: World) -> None:
    program = world.provider({}, hello={"v": [2]})
    with pytest.raises(ConfigError, match=r"speaks versions \[2\]"):
        world.token({PROVIDER: str(program)})


@pytest.mark.parametrize("name", ["cargo:libsecret", "cargo:macos-keychain", "cargo:paseto", "cargo:news"])
def test_what_only_cargo_itself_has(world: World, name: str) -> None:
    with pytest.raises(ConfigError) as caught:
        world.token({PROVIDER: name})
    assert TOKEN in (caught.value.hint or "")


def test_a_program_that_is_not_there(world: World) -> None:
    with pytest.raises(EnvironmentProblem, match="the credential provider no-such-program cannot be used"):
        world.token({PROVIDER: "no-such-program"})
    with pytest.raises(ConfigError, match="needs a command"):
        world.token({PROVIDER: "cargo:token-from-stdout"})


@pytest.mark.parametrize("text", ["two\nlines", "über", "nul\0", ""])
def test_what_no_header_can_carry_is_refused_and_not_shown(world: World, text: str) -> None:
    world.write(world.home / "credentials.toml", f"[registries.mine]\ntoken = {json.dumps(text)}\n")
    if not text:
        assert world.token() is None
        return
    with pytest.raises(ConfigError, match="characters") as caught:
        world.token()
    assert text not in str(caught.value)


def test_a_secret_shows_itself_to_nobody(world: World) -> None:
    secret = Secret("hidden")
    assert "hidden" not in f"{secret} {secret!r} {[secret]} {{secret: 1}}"
    assert len({secret, Secret("hidden"), Secret("other")}) == 2
    assert secret != Secret("other")


def test_a_broken_file_of_secrets_is_not_quoted(world: World) -> None:
    world.write(world.home / "credentials.toml", "[registries.mine]\ntoken = hidden\n")
    with pytest.raises(ConfigError, match="cannot be read") as caught:
        world.token()
    assert "hidden" not in str(caught.value)
