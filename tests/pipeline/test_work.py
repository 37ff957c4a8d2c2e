from __future__ import annotations

import os
import shutil
import sys
import tempfile
from importlib import metadata
from pathlib import Path

import pytest
from support.upstream import Upstream

from patchbot import config as configs
from patchbot import state
from patchbot.model import Release
from patchbot.pipeline import sync
from patchbot.pipeline import work as stage
from patchbot.report.terminal import Reporter
from patchbot.symbols.rust.tokens import read_trees

RELEASES = (Release.parse("8.0.1"), Release.parse("13.0.0"))


def anew(project: Path) -> dict[str, bytes]:
    """Make all series in a process of their own, as it were; return every file of ``patches/``."""
    for release in RELEASES:
        shutil.rmtree(project / "patches" / str(release), ignore_errors=True)
    shutil.rmtree(project / ".patchbot" / "releases", ignore_errors=True)
    with stage.workspace(configs.load(project), Reporter(quiet=True)) as work:
        for release in RELEASES:
            sync.sync(work, release)
    return {
        str(p.relative_to(project)): p.read_bytes() for p in (project / "patches").rglob("*") if p.is_file()
    }


def test_files_that_some_process_read_are_not_read_again(
    project: Path, upstream: Upstream, monkeypatch: pytest.MonkeyPatch
) -> None:
    upstream.publish("8.0.1")
    upstream.publish("13.0.0", versioned=True)
    read: list[str] = []

    def counted(source: str, path: str) -> object:
        read.append(path)
        return read_trees(source, path)

    monkeypatch.setattr("patchbot.symbols.texts.read_trees", counted)
    first, cold = anew(project), len(read)
    read.clear()
    assert anew(project) == first
    assert cold > len(RELEASES)
    assert read == []
    monkeypatch.setattr(stage, "readers_version", lambda: "another")
    assert anew(project) == first
    assert len(read) == cold


def test_what_is_kept_belongs_to_the_code_the_grammars_and_python(monkeypatch: pytest.MonkeyPatch) -> None:
    versions = {stage.readers_version(), stage.readers_version()}
    with monkeypatch.context() as patch:
        patch.setattr(state, "code", lambda *_rooms: "other code")
        versions.add(stage.readers_version())
    with monkeypatch.context() as patch:
        patch.setattr(metadata, "version", lambda name: f"another {name}")
        versions.add(stage.readers_version())
    with monkeypatch.context() as patch:
        patch.setattr(sys, "version", "another")
        versions.add(stage.readers_version())
    assert len(versions) == 4


@pytest.mark.skipif(not os.access("/dev/shm", os.W_OK), reason="no folder in memory")  # noqa: S108
def test_assistants_have_their_passing_files_in_memory_unless_told_otherwise(
    project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tempfile, "tempdir", None)
    monkeypatch.delenv("TMPDIR", raising=False)
    monkeypatch.setattr(stage, "_PLENTY", 1)
    config = configs.load(project)

    def folder() -> Path:
        monkeypatch.setattr(tempfile, "tempdir", None)
        with stage.assistant(config, offline=True, allow_yanked=False).store:
            return Path(tempfile.gettempdir())

    assert folder() == Path("/dev/shm")  # noqa: S108
    monkeypatch.setattr(stage, "_PLENTY", 1 << 80)
    assert folder() != Path("/dev/shm")  # noqa: S108
    monkeypatch.setattr(stage, "_PLENTY", 1)
    monkeypatch.setenv("TMPDIR", str(project))
    assert folder() == project
