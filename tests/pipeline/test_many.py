from __future__ import annotations

import json
import pickle
from collections.abc import Iterator
from pathlib import Path

import pytest
from support.upstream import Upstream

from patchbot import config as configs
from patchbot.cli import run_cli
from patchbot.errors import IncompleteRelease, RewriteError, UsageError
from patchbot.model import Release
from patchbot.pipeline import many
from patchbot.pipeline.sync import Synced
from patchbot.pipeline.work import Workspace, choose, workspace
from patchbot.report.terminal import Reporter

VERSIONS = ("8.0.0", "8.0.1", "9.0.4", "13.0.0")


@pytest.fixture
def releases(upstream: Upstream) -> tuple[Release, ...]:
    for version in VERSIONS:
        upstream.publish(version, versioned=version == "13.0.0")
    return tuple(map(Release.parse, VERSIONS))


@pytest.fixture
def work(project: Path) -> Iterator[Workspace]:
    with workspace(configs.load(project), Reporter(quiet=True)) as opened:
        yield opened


def patches(folder: Path) -> dict[str, bytes]:
    return {
        str(p.relative_to(folder)): p.read_bytes() for p in (folder / "patches").rglob("*") if p.is_file()
    }


def test_the_bytes_do_not_depend_on_the_number_of_processes(
    work: Workspace, project: Path, releases: tuple[Release, ...]
) -> None:
    made = []
    for jobs in (1, 2, 4):
        for folder in (project / "patches").glob("*.*.*"):
            for file in folder.iterdir():
                file.unlink()
            folder.rmdir()
        done = many.sync_all(work, releases, jobs=jobs)
        assert [release for release, _ in done] == list(releases)
        assert all(isinstance(outcome, Synced) for _, outcome in done)
        made.append(patches(project))
    assert made[0] == made[1] == made[2]
    assert sum(name.endswith("/series") for name in made[0]) == len(releases)


def test_one_release_that_fails_does_not_keep_the_others(
    work: Workspace, project: Path, releases: tuple[Release, ...]
) -> None:
    done = dict(many.sync_all(work, (*releases, Release.parse("11.0.0")), jobs=2))
    assert [str(r) for r, outcome in done.items() if isinstance(outcome, Synced)] == list(VERSIONS)
    missing = done[Release.parse("11.0.0")]
    assert isinstance(missing, UsageError)
    assert missing.what == "there is no wasmtime 11.0.0"
    assert not (project / "patches" / "11.0.0").exists()


def test_what_has_not_changed_is_told_from_memory(work: Workspace, releases: tuple[Release, ...]) -> None:
    many.sync_all(work, releases, jobs=2)
    again = many.sync_all(work, releases, jobs=2)
    assert [outcome.change.value for _, outcome in again if isinstance(outcome, Synced)] == ["unchanged"] * 4


def test_a_failure_goes_through_another_process_whole() -> None:
    error = RewriteError("two edits meet", where="a.rs:3", hint="look")
    copy = pickle.loads(pickle.dumps(error))  # noqa: S301 - our own bytes
    assert (str(copy), copy.hint, copy.exit_code) == ("a.rs:3: two edits meet", "look", 6)


def test_a_result_is_returned_and_a_failure_raised() -> None:
    assert many.succeeded(3) == 3
    with pytest.raises(IncompleteRelease):
        many.succeeded(IncompleteRelease("gone"))


def test_every_release_is_chosen_but_yanked_ones_and_candidates(
    work: Workspace, upstream: Upstream, releases: tuple[Release, ...]
) -> None:
    upstream.publish("14.0.0-rc.1")
    upstream.publish("12.0.0", yanked=True)
    assert choose(work, (), every=True) == releases


# -- the command -------------------------------------------------------------------------------------


@pytest.mark.usefixtures("releases", "project")
def test_the_table_has_a_line_per_release(capsys: pytest.CaptureFixture[str]) -> None:
    assert run_cli(["sync", "--all"]) == 0
    rows = [line.split() for line in capsys.readouterr().out.splitlines()]
    assert [row[:2] for row in rows] == [[version, "new"] for version in VERSIONS]
    assert all("names" in row and "crates" in row for row in rows)


@pytest.mark.usefixtures("releases", "project")
def test_a_release_of_which_crates_are_missing_is_told_and_is_no_failure(
    upstream: Upstream, capsys: pytest.CaptureFixture[str]
) -> None:
    upstream.withdraw("wasmtime-runtime", "9.0.4")
    assert run_cli(["sync", "--all", "--json", "--jobs", "2"]) == 0
    out = capsys.readouterr().out
    rows = {row["release"]: row for row in json.loads(out)["releases"]}
    assert rows["9.0.4"]["series"] == "incomplete"
    assert "the index has no wasmtime-runtime 9.0.4" in rows["9.0.4"]["error"]["what"]
    assert rows["8.0.1"]["series"] == "new"
    assert run_cli(["sync", "9.0.4"]) == 4
    assert "nobody can build this release" in capsys.readouterr().err


@pytest.mark.usefixtures("releases", "project")
def test_what_is_there_of_an_incomplete_release_can_be_scanned(
    upstream: Upstream, capsys: pytest.CaptureFixture[str]
) -> None:
    upstream.withdraw("wasmtime-runtime", "9.0.4")
    assert run_cli(["scan", "9.0.4", "--json"]) == 1
    found = json.loads(capsys.readouterr().out)
    assert {symbol["crate"] for symbol in found["symbols"]} >= {"wasmtime-fiber"}
    (spot,) = [spot for spot in found["blind_spots"] if "never published" in spot["why"]]
    assert spot["why"] == "needs wasmtime-runtime 9.0.4, which was never published"
    assert spot["path"].endswith("/Cargo.toml")


@pytest.mark.usefixtures("releases", "project")
def test_a_failure_among_many_is_in_the_table_and_on_stderr(capsys: pytest.CaptureFixture[str]) -> None:
    assert run_cli(["sync", "8.0.1", "8.0.7"]) == 2
    captured = capsys.readouterr()
    assert "8.0.7  FAILED" in captured.out
    assert "1 of 2 failed" in captured.out
    assert "error: there is no wasmtime 8.0.7" in captured.err


@pytest.mark.usefixtures("project")
def test_all_and_names_together_are_a_misuse(capsys: pytest.CaptureFixture[str]) -> None:
    assert run_cli(["sync", "--all", "8.0.1"]) == 2
    assert "--all is every release" in capsys.readouterr().err


@pytest.mark.usefixtures("releases", "project")
def test_it_works_offline_from_what_is_there(capsys: pytest.CaptureFixture[str]) -> None:
    assert run_cli(["sync", *VERSIONS, "-q"]) == 0
    assert run_cli(["sync", *VERSIONS, "--offline", "-q"]) == 0
    assert capsys.readouterr().err == ""
