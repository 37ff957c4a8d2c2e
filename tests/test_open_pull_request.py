"""The script behind the scheduled workflow, with a real remote on disk and a fake ``gh``."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest

SCRIPT = Path(__file__).parents[1] / ".github" / "scripts" / "open-pull-request"

# Records its arguments; knows of a pull request once one was created.
FAKE_GH = """\
#!/bin/sh
printf '%s\\n' "$@" >> "$GH_LOG"
case "$1 $2" in
    "pr list") test -e "$GH_LOG.open" && echo 1 || echo 0 ;;
    "pr create") touch "$GH_LOG.open" ;;
esac
"""


def git(folder: Path, *arguments: str) -> str:
    done = subprocess.run(["git", *arguments], cwd=folder, capture_output=True, text=True, check=True)
    return done.stdout


@pytest.fixture
def clone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    programs = tmp_path / "bin"
    programs.mkdir()
    (programs / "gh").write_text(FAKE_GH)
    (programs / "gh").chmod(0o755)
    monkeypatch.setenv("PATH", f"{programs}{os.pathsep}{os.environ['PATH']}")
    monkeypatch.setenv("GH_LOG", str(tmp_path / "gh.log"))
    git(tmp_path, "init", "--quiet", "--bare", "--initial-branch=main", "remote.git")
    git(tmp_path, "clone", "--quiet", "remote.git", "clone")
    folder = tmp_path / "clone"
    git(folder, "config", "user.name", "A person")
    git(folder, "config", "user.email", "person@example.invalid")
    git(folder, "switch", "--quiet", "--create", "main")
    (folder / "patches" / "8.0.1").mkdir(parents=True)
    (folder / "patches" / "8.0.1" / "series").write_text("a.patch\n")
    git(folder, "add", ".")
    git(folder, "commit", "--quiet", "--message", "first")
    git(folder, "push", "--quiet", "origin", "main")
    return folder


def change(clone: Path, release: str) -> Path:
    """Return a diff that adds a release, made as the workflow makes it; the work tree is clean again."""
    (clone / "patches" / release).mkdir()
    (clone / "patches" / release / "series").write_text("b.patch\n")
    git(clone, "add", "--all", "patches")
    diff = clone.parent / f"{release}.diff"
    diff.write_text(git(clone, "diff", "--cached", "--binary", "--full-index"))
    git(clone, "reset", "--quiet", "--hard")
    return diff


def propose(clone: Path, diff: Path) -> str:
    git(clone, "switch", "--quiet", "main")
    done = subprocess.run([SCRIPT, diff], cwd=clone, capture_output=True, text=True, check=True)
    return done.stdout


def log(clone: Path) -> list[str]:
    file = clone.parent / "gh.log"
    return file.read_text().splitlines() if file.exists() else []


def test_a_change_becomes_a_branch_and_a_pull_request(clone: Path) -> None:
    propose(clone, change(clone, "9.0.4"))
    subject = git(clone, "log", "-1", "--format=%s", "origin/patchbot/track")
    assert subject == "Patches for wasmtime 9.0.4\n"
    assert git(clone, "show", "origin/patchbot/track:patches/9.0.4/series") == "b.patch\n"
    said = log(clone)
    assert said[said.index("create") + 1 :][:4] == ["--base", "main", "--head", "patchbot/track"]
    assert "Patches for wasmtime 9.0.4" in said


def test_a_release_that_was_only_published_is_named_too(clone: Path) -> None:
    ledger = clone / "patches" / "published.toml"
    ledger.write_text('schema = 1\n\n[[release]]\nrelease = "36.0.20"\nrevision = 2\n')
    git(clone, "add", "--all", "patches")
    diff = clone.parent / "ledger.diff"
    diff.write_text(git(clone, "diff", "--cached", "--binary", "--full-index"))
    git(clone, "reset", "--quiet", "--hard")
    propose(clone, diff)
    assert git(clone, "log", "-1", "--format=%s", "origin/patchbot/track") == "Patches for wasmtime 36.0.20\n"


def test_the_open_pull_request_is_brought_up_to_date(clone: Path) -> None:
    propose(clone, change(clone, "9.0.4"))
    propose(clone, change(clone, "10.0.2"))
    said = log(clone)
    assert said.count("create") == 1
    assert said.count("edit") == 1
    assert git(clone, "show", "origin/patchbot/track:patches/10.0.2/series") == "b.patch\n"


def test_a_change_that_is_in_already_proposes_nothing(clone: Path) -> None:
    diff = change(clone, "9.0.4")
    git(clone, "apply", "--index", str(diff))
    git(clone, "commit", "--quiet", "--message", "somebody was faster")
    assert "nothing to propose" in propose(clone, diff)
    assert log(clone) == []


def test_a_change_that_does_not_apply_pushes_nothing(clone: Path) -> None:
    diff = change(clone, "9.0.4")
    diff.write_text(diff.read_text().replace("patches/9.0.4", "patches/8.0.1"))
    with pytest.raises(subprocess.CalledProcessError):
        propose(clone, diff)
    assert log(clone) == []
    assert "patchbot/track" not in git(clone, "ls-remote", "origin")


LOCK = """\
[[patch]]
name = "jitdump-append"
verdict = "dropped-by-policy"

[[patch]]
name = "gdb-jit-lock"
verdict = "shifted"

[[crate]]
name = "wasmtime"
"""


def test_a_patch_that_a_release_does_without_is_the_first_thing_that_is_said(clone: Path) -> None:
    folder = clone / "patches" / "39.0.0"
    folder.mkdir()
    (folder / "release.toml").write_text(LOCK)
    git(clone, "add", "--all", "patches")
    diff = clone.parent / "39.diff"
    diff.write_text(git(clone, "diff", "--cached", "--binary", "--full-index"))
    git(clone, "reset", "--quiet", "--hard")
    propose(clone, diff)
    said = log(clone)
    body = said[said.index("--body") + 1 :]
    assert body[0] == "* 39.0.0: jitdump-append is dropped-by-policy"
    assert not any("gdb-jit-lock" in line for line in body)
