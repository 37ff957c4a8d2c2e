"""Solving a conflict by hand: a clone for stock git, and the form that comes of it."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from support.upstream import Upstream

from patchbot import config as configs
from patchbot.cli import run_cli
from patchbot.errors import UsageError
from patchbot.git.commits import CommitText
from patchbot.model import Release, TreeFile
from patchbot.pipeline import imports, resolve
from patchbot.pipeline import sync as stage
from patchbot.pipeline.work import Workspace, workspace
from patchbot.report.terminal import Reporter

FIRST, LAST = Release(8, 0, 1), Release(10, 0, 2)
FILE, OTHER = "crates/runtime/src/traps.rs", "crates/runtime/src/other.rs"
TEXT = "".join(f"pub fn trap_{n}() -> u32 {{\n    let code = {n};\n    code\n}}\n\n" for n in range(6))
WORDS = CommitText(
    message="trap-code: traps of a fork say so\n\nUpstream: never\n",
    author="A Maintainer <m@invalid>",
    date="1700000000 +0000",
)
POLICY = """
[[patch]]
name = "trap-code"
kind = "carried"
upstream = "never"
why = "Says so."
"""


def patched(text: str) -> str:
    return text.replace("let code = 3;", "let code = 300;")


def git(folder: Path, *args: str) -> str:
    run = subprocess.run(["git", *args], cwd=folder, check=True, capture_output=True, text=True)
    return run.stdout


@pytest.fixture
def project_in_conflict(project: Path, upstream: Upstream) -> Path:
    """A project whose carried patch fits 8.0.1, and in 10.0.2 one of its two files."""
    upstream.publish("8.0.1", change={FILE: TEXT, OTHER: TEXT})
    upstream.publish("10.0.2", change={FILE: TEXT.replace("let code = 3;", "let code = 33;"), OTHER: TEXT})
    with workspace(configs.load(project), Reporter(quiet=True)) as work:
        imports.import_release(work, FIRST)
        base = work.store.resolve(f"refs/patchbot/upstream/{FIRST}")
        assert base is not None
        files = [TreeFile(path, patched(TEXT).encode()) for path in (FILE, OTHER)]
        (commit,) = work.store.commit_series(base, [(files, WORDS)])
        (mail,) = work.store.mails(base, commit)
        folder = work.config.patches / "carried" / "trap-code"
        folder.mkdir(parents=True)
        (folder / "8.0.1.patch").write_bytes(mail)
        policy = work.config.patches / "policy.toml"
        policy.write_text(policy.read_text() + POLICY)
    return project


@pytest.fixture
def work(project_in_conflict: Path) -> Iterator[Workspace]:
    with workspace(configs.load(project_in_conflict), Reporter(quiet=True)) as opened:
        yield opened


def test_the_clone_is_as_git_leaves_a_merge(work: Workspace) -> None:
    found = resolve.begin(work, LAST)
    assert found.patch == "trap-code"
    assert git(found.folder, "status", "--porcelain") == f"M  {OTHER}\nUU {FILE}\n"
    assert git(found.folder, "branch", "--show-current") == "resolve-trap-code\n"
    text = (found.folder / FILE).read_text()
    assert "<<<<<<< ours\n    let code = 33;\n" in text
    assert "=======\n    let code = 300;\n>>>>>>> trap-code\n" in text
    assert "let code = 300;" in git(found.folder, "show", f":3:{FILE}")
    assert (found.folder / OTHER).read_text() == patched(TEXT)


@pytest.mark.parametrize("commits", [False, True])
def test_what_is_solved_becomes_the_form_for_the_release(work: Workspace, *, commits: bool) -> None:
    found = resolve.begin(work, LAST)
    (found.folder / FILE).write_text(TEXT.replace("let code = 3;", "let code = 333;"))
    git(found.folder, "add", FILE)
    if commits:
        git(found.folder, "-c", "user.name=x", "-c", "user.email=x@invalid", "commit", "-qm", "whatever")
    done = resolve.proceed(work, LAST)
    form = work.config.patches / "carried" / "trap-code" / "10.0.2.patch"
    assert (done.patch, done.written) == ("", (form,))
    data = form.read_bytes()
    assert b"From: A Maintainer <m@invalid>\n" in data
    assert b"Subject: trap-code: traps of a fork say so\n" in data
    assert data.count(b"\n+    let code = 333;\n") == data.count(b"\n+    let code = 300;\n") == 1
    assert stage.sync(work, LAST).lock.patches[0].verdict == "unchanged"
    assert not found.folder.exists()


def test_nothing_is_taken_while_a_path_is_unmerged(work: Workspace) -> None:
    resolve.begin(work, LAST)
    with pytest.raises(UsageError, match=f"not solved yet: {FILE}"):
        resolve.proceed(work, LAST)


def test_nothing_is_taken_with_a_marker_left(work: Workspace) -> None:
    found = resolve.begin(work, LAST)
    git(found.folder, "add", FILE)
    with pytest.raises(UsageError, match="a conflict marker is still there") as caught:
        resolve.proceed(work, LAST)
    assert caught.value.hint == f"{FILE}:17"


def test_nothing_is_taken_of_edits_that_git_was_not_told_of(work: Workspace) -> None:
    found = resolve.begin(work, LAST)
    (found.folder / FILE).write_text(patched(TEXT))
    git(found.folder, "add", FILE)
    (found.folder / OTHER).write_text(TEXT + "// more\n")
    with pytest.raises(UsageError, match=f"git was not told of edits in {OTHER}"):
        resolve.proceed(work, LAST)


def test_a_patch_of_which_nothing_is_left_is_told(work: Workspace) -> None:
    found = resolve.begin(work, LAST)
    for path in (FILE, OTHER):
        git(found.folder, "checkout", "HEAD", "--", path)
    with pytest.raises(UsageError, match="nothing is left of trap-code"):
        resolve.proceed(work, LAST)


def test_beginning_twice_keeps_the_work(work: Workspace) -> None:
    found = resolve.begin(work, LAST)
    (found.folder / FILE).write_text("half done\n")
    again = resolve.begin(work, LAST)
    assert (again.patch, again.places) == (found.patch, found.places)
    assert (found.folder / FILE).read_text() == "half done\n"


def test_abort_forgets_and_takes_nothing(work: Workspace) -> None:
    found = resolve.begin(work, LAST)
    assert resolve.abort(work, LAST)
    assert not found.folder.exists()
    assert not resolve.abort(work, LAST)
    assert [f.name for f in (work.config.patches / "carried" / "trap-code").iterdir()] == ["8.0.1.patch"]
    with pytest.raises(UsageError, match="nothing is being resolved"):
        resolve.proceed(work, LAST)


def test_a_release_that_all_patches_fit_needs_nothing(work: Workspace) -> None:
    assert resolve.begin(work, FIRST).patch == ""
    assert not (work.config.state / "resolve" / "8.0.1").exists()


def test_a_clone_that_was_removed_is_made_again(work: Workspace) -> None:
    shutil.rmtree(resolve.begin(work, LAST).folder)
    assert resolve.begin(work, LAST).folder.is_dir()


def test_the_users_own_settings_do_not_change_the_form(
    work: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    found = resolve.begin(work, LAST)
    (found.folder / FILE).write_text(patched(TEXT))
    git(found.folder, "add", FILE)
    config = Path(os.environ["HOME"]) / ".gitconfig"
    config.write_text("[diff]\n\tnoprefix = true\n\tcontext = 0\n[format]\n\tsignature = x\n")
    data = resolve.proceed(work, LAST).written[0].read_bytes()
    assert b"--- a/crates/runtime/src/other.rs\n" in data
    assert b"\n-- \n" not in data


def test_the_command_line_goes_the_whole_way(
    project_in_conflict: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run_cli(["sync", "10.0.2", "-q"]) == 5
    assert "next: `patchbot resolve 10.0.2`" in capsys.readouterr().err
    assert run_cli(["resolve", "10.0.2", "-q"]) == 5
    out = capsys.readouterr().out
    folder = project_in_conflict / ".patchbot" / "resolve" / "10.0.2"
    assert f"content: {FILE}:17: both sides changed the same lines." in out
    assert f"cd {folder}" in out
    (folder / FILE).write_text(patched(TEXT))
    git(folder, "add", FILE)
    assert run_cli(["resolve", "10.0.2", "--continue", "-q"]) == 0
    assert "all carried patches fit 10.0.2" in capsys.readouterr().out
    assert run_cli(["sync", "10.0.2", "-q"]) == 0
    assert run_cli(["resolve", "10.0.2", "--continue", "--abort"]) == 2
