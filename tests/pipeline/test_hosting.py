"""The commands about the registry directory, from the command line to the files."""

from __future__ import annotations

import http.client
import json
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from registry import killed, sent, tiny
from registry.test_local import made
from support.commands import Run

from patchbot import config as configs
from patchbot import files
from patchbot.errors import ConfigError, UsageError
from patchbot.pipeline import hosting
from patchbot.registry import changes
from patchbot.registry.local import LocalRegistry

RELEASES = [tiny.forks("1.2.3"), tiny.forks("1.2.30")]
CRATES = [crate for release in RELEASES for crate in release.crates]


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> LocalRegistry:
    """A project with two releases in its registry directory; the test's working folder."""
    files.write(tmp_path / "project" / "patchbot.toml", b'[registry]\ndirectory = "crates"\n')
    monkeypatch.chdir(tmp_path / "project")
    registry = LocalRegistry(tmp_path / "project" / "crates")
    registry.publish(CRATES)
    return registry


def yank(here: LocalRegistry, release: str) -> None:
    some = [c.entry for r in RELEASES if str(r.release) == release for c in r.crates]
    here.set_yanked([(entry.name, entry.version) for entry in some], yanked=True)


# -- verify, gc, export ------------------------------------------------------------------------------


def test_a_sound_registry_is_said_to_be_so(here: LocalRegistry, run: Run) -> None:
    code, out, _ = run("registry", "verify")
    assert code == 0
    assert out.startswith("6 crates, ")
    assert out.endswith("all as the index says\n")


def test_what_is_wrong_is_listed_with_exit_code_1(here: LocalRegistry, run: Run) -> None:
    here.crate_file(CRATES[0].entry.name, "1.2.3").write_bytes(b"?")
    files.write(here.folder / ".new-x", b"")
    code, out, _ = run("registry", "verify")
    assert code == 1
    assert "other bytes  tiny-core-v1-2-3-1.2.3.crate" in out
    assert "leftover" in out
    code, out, _ = run("registry", "verify", "--json")
    assert code == 1
    said = json.loads(out)
    assert said["schema"] == 1
    assert [one["fault"] for one in said["findings"]] == ["other bytes"]
    assert said["leftovers"] == [".new-x"]


def test_leftovers_go_and_a_dry_run_says_which(here: LocalRegistry, run: Run) -> None:
    files.write(here.folder / "late-1.0.0.crate", b"12345")
    code, out, _ = run("registry", "gc", "--dry-run", "--json")
    assert (code, json.loads(out)["removed"]) == (
        0,
        [{"path": "late-1.0.0.crate", "bytes": 5, "why": "has no index line"}],
    )
    assert (here.folder / "late-1.0.0.crate").is_file()
    code, out, _ = run("registry", "gc")
    assert code == 0
    assert "1 files removed" in out
    assert not (here.folder / "late-1.0.0.crate").exists()


def test_a_release_is_given_up_by_name_and_no_other_that_is_spelled_alike(
    here: LocalRegistry, run: Run
) -> None:
    code, _, err = run("registry", "gc", "--release", "1.2.3")
    assert code == 8
    assert "is not yanked" in err
    yank(here, "1.2.3")
    before = sorted(here.everything())
    code, out, _ = run("registry", "gc", "--release", "1.2.3", "--dry-run")
    assert code == 0
    assert "3 files would go" in out
    assert sorted(here.everything()) == before
    assert run("registry", "gc", "--release", "1.2.3")[0] == 0
    assert {version for _, version in here.everything()} == {"1.2.30"}


def test_all_revisions_of_a_release_are_meant(here: LocalRegistry) -> None:
    here.publish([made("tiny-v1-2-3-r2", "1.2.3"), made("tiny-v1-2-3-r2-x", "1.2.3")])
    from patchbot.model import Release

    assert {name for name, _ in hosting.forks_of(here, [Release(1, 2, 3)])} == {
        "tiny-v1-2-3",
        "tiny-core-v1-2-3",
        "tiny-maker-v1-2-3",
        "tiny-v1-2-3-r2",
    }


def test_a_release_without_forks_is_told(here: LocalRegistry, run: Run) -> None:
    code, _, err = run("registry", "gc", "--release", "9.9.9")
    assert code == 2
    assert "no fork of 9.9.9" in err


def test_gc_of_nothing_makes_nothing(tmp_path: Path, run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    files.write(tmp_path / "patchbot.toml", b"")
    monkeypatch.chdir(tmp_path)
    assert run("registry", "gc")[0] == 0
    assert run("registry", "verify")[0] == 0
    assert [file.name for file in tmp_path.iterdir()] == ["patchbot.toml"]


def test_an_export_says_what_it_wrote_and_where_the_index_is(here: LocalRegistry, run: Run) -> None:
    argv = ("registry", "export", "public", "--url", "https://crates.example.com/x/")
    code, out, _ = run(*argv, "--dry-run")
    assert code == 0
    assert "13 files would be written" in out
    assert not Path("public").exists()
    code, out, _ = run(*argv, "--json")
    said = json.loads(out)
    assert (code, said["index"]) == (0, "sparse+https://crates.example.com/x/index/")
    assert len(said["written"]) == 13
    assert json.loads(Path("public/index/config.json").read_bytes())["dl"].startswith(
        "https://crates.example.com/x/crates/{crate}/"
    )
    assert "0 files written, 0 removed, 13 as before" in run(*argv)[1]


@pytest.mark.parametrize("url", ["crates.example.com", "sparse+https://x/", "ftp://x", "https://me:pw@x"])
def test_an_address_that_cannot_be_served_is_refused(here: LocalRegistry, run: Run, url: str) -> None:
    code, _, err = run("registry", "export", "public", "--url", url)
    assert code == 2
    assert err.startswith("error: ")
    assert not Path("public").exists()


# -- serve -------------------------------------------------------------------------------------------


@pytest.fixture
def started() -> Iterator[Callable[..., tuple[subprocess.Popen[str], dict[str, Any]]]]:
    running: list[subprocess.Popen[str]] = []

    def start(*options: str, **environ: str) -> tuple[subprocess.Popen[str], dict[str, Any]]:
        process = subprocess.Popen(
            [sys.executable, "-m", "patchbot", "serve", "--port", "0", "--json", *options],
            env={**os.environ, **environ},
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        running.append(process)
        assert process.stdout is not None
        return process, json.loads(process.stdout.readline() or "{}")

    yield start
    for process in running:
        process.kill()
        process.communicate()


def ask(address: str, method: str, target: str, body: bytes = b"", token: str = "") -> int:
    client = http.client.HTTPConnection(address.removeprefix("http://"), timeout=10)
    client.request(method, target, body, {"Authorization": token} if token else {})
    code = client.getresponse().status
    client.close()
    return code


Start = Callable[..., tuple[subprocess.Popen[str], dict[str, Any]]]


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_server_runs_until_it_is_told_to_stop(here: LocalRegistry, started: Start, number: int) -> None:
    process, said = started()
    assert said["index"] == f"sparse+{said['url']}/index/"
    assert said["pid"] == process.pid
    assert said["url"] == said["address"]
    assert ask(said["url"], "GET", "/index/ti/ny/tiny-v1-2-3") == 200
    upload = sent.body(sent.metadata(), sent.crate())
    assert ask(said["url"], "PUT", "/api/v1/crates/new", upload) == 200
    process.send_signal(number)
    _, err = process.communicate(timeout=10)
    assert process.returncode == 0, err
    assert err.splitlines()[-1] == "stopping …"
    assert ("small", "1.0.0") in here.everything()


def test_the_token_of_the_environment_is_asked_for_and_said_nowhere(
    here: LocalRegistry, started: Start
) -> None:
    process, said = started("--auth-required", PATCHBOT_SERVE_TOKEN="sesame-42")  # noqa: S106 - of a test
    upload = sent.body(sent.metadata(), sent.crate())
    assert ask(said["url"], "PUT", "/api/v1/crates/new", upload) == 401
    assert ask(said["url"], "GET", "/index/config.json") == 401
    assert ask(said["url"], "PUT", "/api/v1/crates/new", upload, "sesame-42") == 200
    process.terminate()
    out, err = process.communicate(timeout=10)
    assert "sesame-42" not in f"{said}{out}{err}"


def test_the_address_of_a_proxy_stands_in_the_index(here: LocalRegistry) -> None:
    wish = hosting.Wish(url="https://crates.example.com/", read_only=True)
    with hosting.serving(configs.load(Path.cwd()), wish, log=lambda _: None, environ={}) as server:
        assert server.site.base == "https://crates.example.com"
        assert ask(server.address, "PUT", "/api/v1/crates/new") == 403


def test_others_are_not_served_without_a_token(here: LocalRegistry, run: Run) -> None:
    code, _, err = run("serve", "--host", "0.0.0.0", "--port", "0")  # noqa: S104 - refused
    assert code == 2
    assert "can be reached by others, and there is no token" in err
    files.write(Path("token"), b"sesame")
    code, _, err = run("serve", "--host", "0.0.0.0", "--token-file", "token", "--port", "0")  # noqa: S104 - refused
    assert code == 2
    assert "is no address that clients can be sent to" in err
    code, _, err = run("serve", "--auth-required", "--port", "0")
    assert code == 2
    assert "--auth-required needs a token" in err


def test_a_port_that_is_taken_is_told(here: LocalRegistry, run: Run) -> None:
    with socket.create_server(("127.0.0.1", 0)) as other:
        code, _, err = run("serve", "--port", str(other.getsockname()[1]))
    assert code == 9
    assert "cannot listen" in err


def test_a_token_is_read_from_a_file_before_the_environment(tmp_path: Path) -> None:
    files.write(tmp_path / "token", b"sesame\n")
    assert hosting.read_token(tmp_path / "token", {hosting.TOKEN: "other"}) == "sesame"
    assert hosting.read_token(None, {hosting.TOKEN: "other"}) == "other"
    assert hosting.read_token(None, {}) is None


@pytest.mark.parametrize("token", ["", "two words", "caf\u00e9", "a\nb"])
def test_what_is_no_token_is_told_without_telling_it(tmp_path: Path, token: str) -> None:
    files.write(tmp_path / "token", token.encode())
    for file, environ in ((tmp_path / "token", {}), (None, {hosting.TOKEN: token})):
        with pytest.raises(ConfigError, match="is no token") as told:
            hosting.read_token(file, environ)
        assert not token or token not in str(told.value)
    with pytest.raises(ConfigError, match="no token can be read"):
        hosting.read_token(tmp_path / "none", {})


def test_a_server_finishes_what_a_killed_run_had_begun(here: LocalRegistry) -> None:
    everything = [(crate.entry.name, crate.entry.version) for crate in CRATES]
    work = lambda: here.set_yanked(everything, yanked=True)  # noqa: E731 - short
    assert killed.in_a_child(here.folder, work, die_after=5) == -signal.SIGKILL
    assert (here.folder / changes.PENDING).is_file()
    told: list[str] = []
    config = configs.load(Path.cwd())
    with hosting.serving(config, hosting.Wish(), log=told.append, environ={}):
        assert all(entry.yanked for entry in here.everything().values())
    assert told == ["finished what a killed run had begun"]


def test_urls_of_servers_are_plain() -> None:
    assert hosting.plain_url("https://x.example/a/") == "https://x.example/a"
    with pytest.raises(UsageError):
        hosting.plain_url("x.example")
