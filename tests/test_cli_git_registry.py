"""`publish --registry`, `yank` and `doctor` from the command line, with a registry whose index is a git repository."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from registry.faulty import known_to_cargo
from registry.git_backed import GitBacked
from support.commands import Run
from support.upstream import Upstream


@pytest.fixture
def server(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[GitBacked]:
    with GitBacked(tmp_path / "index") as running:
        known_to_cargo(running, monkeypatch)
        yield running


@pytest.fixture
def ready(project: Path, upstream: Upstream) -> Path:
    upstream.publish("8.0.1")
    return project


@pytest.fixture
def words(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A file with the arguments of every git that is started."""
    (tmp_path / "bin").mkdir()
    wrapper = tmp_path / "bin" / "git"
    noted = tmp_path / "words"
    wrapper.write_text(f'#!/bin/sh\nprintf "%s\\n" "$*" >> "{noted}"\nexec "{shutil.which("git")}" "$@"\n')
    wrapper.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path / 'bin'}:{os.environ['PATH']}")
    return noted


def test_a_release_is_published_once_and_the_token_stands_nowhere(
    ready: Path, run: Run, server: GitBacked, words: Path
) -> None:
    code, out, err = run("publish", "8.0.1", "--registry", "mine")
    assert (code, out) == (0, "mine: 4 crates uploaded; 4 downloaded and compared\n"), err
    code, out, again = run("publish", "8.0.1", "--registry", "mine")
    assert (code, out) == (0, "mine: all 4 crates are there already, with the same bytes; 0 uploads\n")
    assert server.puts.total() == 4
    token = server.token or ""
    assert "fetch" in words.read_text()
    assert token not in words.read_text() + out + err + again
    cache = Path(os.environ["XDG_CACHE_HOME"])
    for folder in (ready, cache):
        assert all(token.encode() not in file.read_bytes() for file in folder.rglob("*") if file.is_file())
    assert len(list(cache.rglob("git-index/*.git"))) == 1


def test_a_release_is_yanked_and_comes_back(ready: Path, run: Run, server: GitBacked) -> None:
    run("publish", "8.0.1", "--registry", "mine")
    for undo in ((), ("--undo",)):
        code, _, err = run("yank", "8.0.1", "--registry", "mine", *undo)
        assert code == 0, err
        assert {line["yanked"] for name in server.order for line in server.lines(name)} == {not undo}


def test_the_doctor_looks_at_it_and_tries_it(ready: Path, run: Run, server: GitBacked) -> None:
    code, out, _ = run("doctor", "--registry", "mine")
    assert code == 0
    assert "+  git index" in out
    code, out, err = run("doctor", "--registry", "mine", "--write", "probe", "--json")
    found = {row["question"]: row["ok"] for row in json.loads(out)["findings"]}
    assert code == 0, err
    for question in (
        "publishing",
        "renamed dependencies",
        "a wrong token",
        "yank",
        "un-yank",
        "what it serves",
    ):
        assert found[question] is True, question


def test_an_index_that_is_empty_or_gone_is_told(
    ready: Path, run: Run, server: GitBacked, monkeypatch: pytest.MonkeyPatch
) -> None:
    server.repository.git("update-ref", "-d", "HEAD")
    code, _, err = run("publish", "8.0.1", "--registry", "mine", "--dry-run")
    assert code == 8
    assert "is empty: its HEAD names no commit" in err
    monkeypatch.setenv("CARGO_REGISTRIES_MINE_INDEX", "http://me:word@127.0.0.1:9/git")
    code, _, err = run("publish", "8.0.1", "--registry", "mine", "--dry-run")
    assert code == 3
    assert "has a password in its address" in err
    assert "word@" not in err
