"""`publish --registry`, `yank` and `doctor` from the command line, with a registry on loopback."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from registry.faulty import Fault, Faulty, known_to_cargo
from support.commands import Run
from support.upstream import Upstream

from patchbot.pipeline import yanking


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[Faulty]:
    with Faulty() as running:
        known_to_cargo(running, monkeypatch)
        yield running


@pytest.fixture
def ready(project: Path, upstream: Upstream) -> Path:
    upstream.publish("8.0.1")
    upstream.publish("9.0.4")
    return project


def yank_upstream(upstream: Upstream, version: str, *, yanked: bool) -> None:
    """Do what upstream does when it yanks a release."""
    for file in (upstream.folder / "index").rglob("*"):
        if file.is_file():
            lines = [json.loads(line) for line in file.read_text().splitlines()]
            changed = [{**line, "yanked": yanked} if line["vers"] == version else line for line in lines]
            file.write_text("".join(json.dumps(line) + "\n" for line in changed))


def yanked(server: Faulty, ending: str = "") -> dict[str, bool]:
    return {
        name: line["yanked"]
        for name in set(server.order)
        for line in server.lines(name)
        if name.endswith(ending)
    }


# -- publish ----------------------------------------------------------------------------------------


def test_a_dry_run_shows_the_plan_and_sends_nothing(ready: Path, run: Run, server: Faulty) -> None:
    code, out, _ = run("publish", "8.0.1", "--registry", "mine", "--dry-run")
    assert code == 0
    rows = out.splitlines()
    assert rows[0].split() == ["crate", "version", "sha256", "action", "why"]
    assert [row.split()[0] for row in rows[1:-1]] == ["1", "2", "3", "4"]
    assert "wasmtime-runtime-v8-0-1" in out
    assert "has 11 link-time names" in out
    assert rows[-1].startswith("4 to upload (")
    assert rows[-1].endswith(" MB), 0 there already")
    code, out, _ = run("publish", "8.0.1", "--registry", "mine", "--dry-run", "--json")
    data = json.loads(out)
    assert data["registry"] == {"name": "mine", "index": server.index}
    assert data["done"] is None
    assert [row["order"] for row in data["crates"]] == [1, 2, 3, 4]
    assert data["crates"][-1]["name"] == "wasmtime-v8-0-1"
    assert "wasmtime-runtime-v8-0-1" in data["crates"][-1]["after"]
    assert not server.puts
    assert not (ready / ".patchbot" / "publish").exists()
    assert not (ready / "patches" / "published.toml").exists()


def test_two_releases_are_published_and_the_second_run_says_so_in_a_line(
    ready: Path, run: Run, server: Faulty
) -> None:
    code, out, err = run("publish", "8.0.1", "9.0.4", "--registry", "mine")
    assert (code, out) == (0, "mine: 8 crates uploaded; 8 downloaded and compared\n"), err
    assert "there is no cargo here" in err
    assert server.puts == server.stored
    assert server.stored.total() == 8
    secret = (server.token or "").encode()
    assert all(secret not in file.read_bytes() for file in ready.rglob("*") if file.is_file())
    assert secret.decode() not in err
    code, out, _ = run("publish", "8.0.1", "9.0.4", "--registry", "mine")
    assert (code, out) == (0, "mine: all 8 crates are there already, with the same bytes; 0 uploads\n")
    assert server.puts.total() == 8
    code, out, _ = run("publish", "8.0.1", "9.0.4", "--registry", "mine", "--json")
    done = json.loads(out)["done"]
    assert done == {"uploaded": 0, "kept": 8, "compared": 0, "resolved_by_cargo": None, "warnings": []}


def test_what_is_published_is_remembered(ready: Path, run: Run, server: Faulty) -> None:
    run("publish", "8.0.1", "--registry", "mine")
    assert "wasmtime-runtime-v8-0-1" in (ready / "patches" / "published.toml").read_text()


def test_what_was_not_taken_is_not_remembered(
    ready: Path, run: Run, server: Faulty, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CARGO_REGISTRIES_MINE_TOKEN", "wrong")
    code, _, err = run("publish", "8.0.1", "--registry", "mine")
    assert code == 8
    assert "does not take the token (403: the token is invalid or has expired)" in err
    assert not (ready / "patches" / "published.toml").exists()


def test_an_interrupted_release_goes_on(ready: Path, run: Run, server: Faulty) -> None:
    server.fault("upload", "wasmtime-v8-0-1", Fault(413))
    code, _, err = run("publish", "8.0.1", "--registry", "mine")
    assert code == 8
    assert "refuses wasmtime-v8-0-1 8.0.1 (413)" in err
    assert (ready / "patches" / "published.toml").exists()
    code, out, _ = run("publish", "8.0.1", "--registry", "mine")
    assert (code, out) == (
        0,
        "mine: 1 crates uploaded, 3 were there already; 1 downloaded and compared\n",
    ) or ("downloaded and compared" in out)
    assert set(server.stored.values()) == {1}


@pytest.mark.parametrize(
    ("words", "code", "says"),
    [
        (("--registry", "yours"), 3, "there is no registry yours"),
        (("--registry", "crates-io"), 3, "is crates.io, where a name is taken for ever"),
        (("--registry", "mine", "--offline"), 2, "needs the network"),
        (("--registry", "../x"), 3, "no name of a registry"),
    ],
)
def test_what_cannot_be_published_to(
    ready: Path, run: Run, server: Faulty, words: tuple[str, ...], code: int, says: str
) -> None:
    found, _, err = run("publish", "8.0.1", *words)
    assert found == code
    assert says in err


def test_crates_io_by_another_name_is_refused(ready: Path, run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CARGO_REGISTRIES_OTHER_INDEX", "sparse+https://index.crates.io/")
    code, _, err = run("publish", "8.0.1", "--registry", "other")
    assert code == 3
    assert "crates-io = true" in err


def test_without_registry_the_directory_is_meant(ready: Path, run: Run, server: Faulty) -> None:
    code, out, _ = run("publish", "8.0.1")
    assert code == 0
    assert out.count("new") == 4
    assert server.requests == []


# -- yank -------------------------------------------------------------------------------------------


def test_a_release_is_yanked_and_comes_back(ready: Path, run: Run, server: Faulty) -> None:
    run("publish", "8.0.1", "9.0.4", "--registry", "mine")
    code, out, _ = run("yank", "8.0.1", "--registry", "mine", "--dry-run")
    assert code == 0
    assert "would be done" in out
    assert not any(yanked(server).values())
    server.order.clear()
    code, out, _ = run("yank", "8.0.1", "--registry", "mine")
    assert code == 0
    assert "4 of 4 crates" in out
    names = [word.removeprefix("yank ") for word in server.order]
    assert len(names) == 4
    assert names[0] == "wasmtime-v8-0-1", "what others need goes last"
    assert {server.lines(name)[0]["yanked"] for name in names} == {True}
    assert server.lines("wasmtime-v9-0-4")[0]["yanked"] is False
    code, out, _ = run("yank", "8.0.1", "--registry", "mine")
    assert (code, out) == (0, "mine: nothing to do\n")
    server.order.clear()
    assert run("yank", "8.0.1", "--undo", "--registry", "mine")[0] == 0
    assert server.order[-1] == "unyank wasmtime-v8-0-1"
    assert {server.lines(name)[0]["yanked"] for name in names} == {False}


def test_yanks_survive_what_a_registry_does(ready: Path, run: Run, server: Faulty) -> None:
    run("publish", "8.0.1", "--registry", "mine")
    server.fault("yank", "wasmtime-v8-0-1", Fault(500), Fault(stored=True, reply=False))
    assert run("yank", "8.0.1", "--registry", "mine")[0] == 0
    assert server.left() == []
    assert server.lines("wasmtime-v8-0-1")[0]["yanked"] is True
    server.fault("yank", "wasmtime-v8-0-1", Fault(200, b'{"errors": [{"detail": "not yours"}]}'))
    code, _, err = run("yank", "8.0.1", "--undo", "--registry", "mine")
    assert code == 8
    assert "not yours" in err


def test_a_release_that_is_not_there_cannot_be_yanked(ready: Path, run: Run, server: Faulty) -> None:
    code, _, err = run("yank", "8.0.1", "--registry", "mine")
    assert code == 2
    assert "no fork of 8.0.1 is in mine" in err


@pytest.mark.parametrize("words", [(), ("8.0.1", "--follow-upstream"), ("--follow-upstream", "--undo")])
def test_yanks_that_make_no_sense(ready: Path, run: Run, words: tuple[str, ...]) -> None:
    assert run("yank", *words)[0] == 2


@pytest.mark.parametrize("where", [(), ("--registry", "mine")])
def test_forks_follow_upstream_there_and_back(
    ready: Path, run: Run, server: Faulty, upstream: Upstream, where: tuple[str, ...]
) -> None:
    run("publish", "8.0.1", "9.0.4", *where)
    follow = ("yank", "--follow-upstream", *where)
    assert "nothing to do" in run(*follow)[1]
    yank_upstream(upstream, "8.0.1", yanked=True)
    _, out, _ = run(*follow, "--dry-run", "--json")
    (change,) = json.loads(out)["changes"]
    assert (change["release"], change["action"], change["total"]) == ("8.0.1", "yank", 4)
    assert change["why"] == "upstream has yanked wasmtime 8.0.1"
    assert "yank  4 of 4 crates" in run(*follow)[1]
    assert "nothing to do" in run(*follow)[1]
    yank_upstream(upstream, "8.0.1", yanked=False)
    assert "un-yank  4 of 4 crates" in run(*follow)[1]
    assert "nothing to do" in run(*follow)[1]


def test_a_yank_by_hand_is_told_and_stays(ready: Path, run: Run, server: Faulty) -> None:
    run("publish", "8.0.1", "--registry", "mine")
    run("yank", "8.0.1", "--registry", "mine")
    code, out, err = run("yank", "--follow-upstream", "--registry", "mine")
    assert (code, out) == (0, "mine: nothing to do\n")
    assert "8.0.1 is yanked in mine and not upstream: by hand?" in err
    assert all(yanked(server, "-v8-0-1").values())


def test_the_yanks_of_every_revision_go_together(ready: Path, run: Run) -> None:
    run("publish", "8.0.1")
    settings = ready / "patchbot.toml"
    settings.write_text(settings.read_text() + '\n[fork.revisions]\n"8.0.1" = 2\n')
    run("publish", "8.0.1")
    assert "8 of 8 crates" in run("yank", "8.0.1")[1]


def test_the_record_says_why(ready: Path, run: Run) -> None:
    run("publish", "8.0.1")
    run("yank", "8.0.1")
    record = ready / ".patchbot" / "publish" / "directory" / yanking.RECORD
    line: dict[str, Any] = json.loads(record.read_text())
    assert (line["release"], line["yanked"], line["why"]) == ("8.0.1", True, "asked")


# -- doctor -----------------------------------------------------------------------------------------


def test_the_doctor_looks_at_the_machine(ready: Path, run: Run) -> None:
    code, out, _ = run("doctor", "--json")
    found = {row["question"]: row for row in json.loads(out)["findings"]}
    assert found["git"]["ok"] is True
    assert "git version" in found["git"]["answer"]
    assert found["python"]["ok"] is True
    assert code in {0, 1}


def test_the_doctor_looks_at_a_registry_and_changes_nothing(ready: Path, run: Run, server: Faulty) -> None:
    code, out, _ = run("doctor", "--registry", "mine")
    assert code == 0
    assert "+  sparse index" in out
    assert "+  token" in out
    assert {method for method, _, _ in server.requests} == {"GET"}
    assert (server.token or "") not in out


def test_the_doctor_tries_a_registry_and_cleans_up(ready: Path, run: Run, server: Faulty) -> None:
    code, out, err = run("doctor", "--registry", "mine", "--write", "probe", "--json")
    found = {row["question"]: row for row in json.loads(out)["findings"]}
    assert code == 0, out
    for question in ("renamed dependencies", "target dependencies", "build dependencies", "links keys",
                     "optional and weak dependencies", "rust-version", "yank", "un-yank", "a wrong token",
                     "the same bytes again", "other bytes under a version", "what it serves", "publishing"):  # fmt: skip
        assert found[question]["ok"] is True, found[question]
    assert found["checks that dependencies exist"]["answer"] == "yes"
    assert found["a name of 64 letters"]["answer"] == "yes"
    names = [name for name in server.order if name.startswith("probe-")]
    assert max(map(len, names)) == 64
    assert all(line["yanked"] for name in names for line in server.lines(name))
    assert max(len(data) for _, data, _ in server.uploads) > 11 * 1024 * 1024
    assert "which are yanked in the end" in err


def test_the_doctor_finds_a_bad_registry(ready: Path, run: Run, server: Faulty) -> None:
    """One that mixes up the names of renamed dependencies, overwrites, and believes every token."""
    server.overwrites = True
    server.mixes_up = True
    server.token = None
    code, out, _ = run("doctor", "--registry", "mine", "--write", "probe")
    assert code == 1
    assert "-  renamed dependencies" in out
    assert "-  the same bytes again            accepted, where it must be refused" in out
    assert "-  a wrong token                   accepted: everybody can publish" in out
    assert "-  what it serves" in out


@pytest.mark.parametrize(("key", "code", "mark"), [("rust_version", 0, "."), ("links", 1, "-")])
def test_what_an_index_forgets_is_told(
    ready: Path, run: Run, server: Faulty, key: str, code: int, mark: str
) -> None:
    """kellnr 6.6.0 forgets the rust-version."""
    server.forgets = key
    found, out, _ = run("doctor", "--registry", "mine", "--write", "probe")
    assert found == code
    assert f"{mark}  {'rust-version' if key == 'rust_version' else 'links keys'}" in out
    assert "the index does not keep its" in out


@pytest.mark.parametrize("words", [("--write", "x"), ("--registry", "mine", "--write", "A_B")])
def test_what_no_doctor_does(ready: Path, run: Run, server: Faulty, words: tuple[str, ...]) -> None:
    assert run("doctor", *words)[0] == 2
