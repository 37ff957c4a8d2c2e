from __future__ import annotations

import hashlib
import json
import os
import random
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest
from support.commands import Run

from patchbot import cli

LIB = "".join(f"line {n} of the library\n" for n in range(30))
FILES = {"src/lib.rs": LIB, "README": "words\n", "only/old": "old\n"}
WHO = {
    f"GIT_{who}_{what}": value
    for who in ("AUTHOR", "COMMITTER")
    for what, value in {"NAME": "An Author", "EMAIL": "an@author.invalid", "DATE": "1700000000 -0330"}.items()
}


def git(place: Path, *args: str, stdin: bytes = b"", env: Mapping[str, str] | None = None) -> str:
    done = subprocess.run(
        ["git", "-C", place, *args],
        input=stdin,
        capture_output=True,
        check=False,
        env={**os.environ, **WHO, **(env or {})},
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.decode()


def commit(repo: Path, message: str, changes: Mapping[str, str | bytes | None]) -> str:
    for name, data in changes.items():
        file = repo / name
        file.parent.mkdir(parents=True, exist_ok=True)
        if data is None:
            file.unlink()
        else:
            file.write_bytes(data.encode() if isinstance(data, str) else data)
    git(repo, "add", "--all", "--force")
    git(repo, "commit", "--quiet", "--no-verify", "-m", message)
    return git(repo, "rev-parse", "HEAD").strip()


def made(repo: Path, *flags: str) -> Path:
    """Make a repository: ``base``, a ``topic`` of three patches on it, and ``onto``, where one does not fit."""
    repo.mkdir(parents=True)
    git(repo, "init", "--quiet", "--initial-branch=base", "--template=", *flags)
    commit(repo, "base", FILES)
    git(repo, "checkout", "--quiet", "-b", "topic")
    first = LIB.replace("line 5 ", "line five ")
    commit(repo, "one: change a line\n\nBecause.", {"src/lib.rs": first})
    commit(repo, "two: change what upstream changes", {"README": "my words\n"})
    commit(repo, "three: rest on two", {"README": "my other words\n", "bin": b"\0\1"})
    git(repo, "checkout", "--quiet", "-b", "onto", "base")
    commit(
        repo, "upstream", {"README": "upstream's words\n", "src/lib.rs": "// new\n" + LIB, "only/old": None}
    )
    git(repo, "checkout", "--quiet", "base")
    return repo


@pytest.fixture(scope="session")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return made(tmp_path_factory.mktemp("model") / "repo")


@pytest.fixture
def repo(model: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(model, tmp_path / "repo", symlinks=True))


@pytest.fixture
def run(run: Run) -> Run:
    """Run ``rebase`` in this process; return exit code, stdout and stderr."""
    return lambda *argv: run("rebase", *map(str, argv))


def contents(place: Path) -> dict[str, bytes]:
    return {str(f.relative_to(place)): f.read_bytes() for f in place.rglob("*") if f.is_file()}


def snapshot(place: Path) -> dict[str, str]:
    """Tell all files of a repository by bytes and mode, but for the objects, to which a pack may come."""
    out = {}
    for file in sorted(place.rglob("*")):
        name = str(file.relative_to(place))
        if "objects" in file.relative_to(place).parts or not (file.is_file() or file.is_symlink()):
            continue
        data = os.fsencode(file.readlink()) if file.is_symlink() else file.read_bytes()
        out[name] = f"{file.lstat().st_mode:o} {hashlib.sha256(data).hexdigest()}"
    return out


def exported(repo: Path, place: Path) -> Path:
    git(repo, "format-patch", "--quiet", "--full-index", "--binary", "-o", str(place), "base..topic")
    return place


# -- what a run says -----------------------------------------------------------------------------------


def test_an_open_patch_is_exit_code_5_and_the_others_are_done(repo: Path, tmp_path: Path, run: Run) -> None:
    out = tmp_path / "out"
    code, text, _ = run("--repo", repo, "--commits", "base..topic", "--onto", "onto", "--out", out)
    assert code == 5
    assert "3 patches: 1 shifted, 1 conflict and 1 tainted" in text
    assert set(contents(out)) == {
        "series",
        "one-change-a-line.patch",
        "conflicts/two-change-what-upstream-changes/original.patch",
        *(
            f"conflicts/two-change-what-upstream-changes/README.{side}"
            for side in ("base", "ours", "theirs", "marked")
        ),
        "conflicts/three-rest-on-two/original.patch",
    }
    place = out / "conflicts/two-change-what-upstream-changes"
    assert (place / "README.base").read_text() == "words\n"
    assert (place / "README.ours").read_text() == "upstream's words\n"
    assert (place / "README.theirs").read_text() == "my words\n"
    assert (
        (place / "README.marked")
        .read_text()
        .startswith("<<<<<<< ours\nupstream's words\n||||||| base\nwords\n")
    )


def test_the_json_has_what_others_rely_on(repo: Path, run: Run) -> None:
    code, text, _ = run("--repo", repo, "--commits", "base..topic", "--onto", "onto", "--json")
    assert code == 5
    data = json.loads(text)
    assert data["schema"] == 1
    assert data["from"] == git(repo, "rev-parse", "base^{tree}").strip()
    assert data["onto"] == git(repo, "rev-parse", "onto^{tree}").strip()
    assert data["result_tree"] == git(repo, "rev-parse", f"{data['result_commit']}^{{tree}}").strip()
    assert data["delivered"] is True
    assert [(p["name"], p["verdict"]) for p in data["patches"]] == [
        ("one-change-a-line", "shifted"),
        ("two-change-what-upstream-changes", "conflict"),
        ("three-rest-on-two", "tainted"),
    ]
    assert [(c["path"], c["kind"]) for c in data["patches"][1]["conflicts"]] == [("README", "content")]
    assert data["patches"][2]["notes"] == ["rests on two-change-what-upstream-changes"]
    assert all(isinstance(p["notes"], list) and isinstance(p["subject"], str) for p in data["patches"])


def test_a_folder_and_a_range_give_the_same(repo: Path, tmp_path: Path, run: Run) -> None:
    carried = exported(repo, tmp_path / "carried")
    _, one, _ = run("--repo", repo, "--from", "base", "--patches", carried, "--onto", "onto", "--json")
    _, two, _ = run("--repo", repo, "--commits", "base..topic", "--onto", "onto", "--json")
    assert json.loads(one)["result_tree"] == json.loads(two)["result_tree"]
    assert json.loads(one)["result_commit"] == json.loads(two)["result_commit"]


def test_nothing_open_is_exit_code_0_and_the_commit_is_in_the_repository(repo: Path, run: Run) -> None:
    code, text, _ = run("--repo", repo, "--commits", "base..topic~2", "--onto", "onto", "--json")
    assert code == 0
    tip = json.loads(text)["result_commit"]
    assert git(repo, "log", "-1", "--format=%an <%ae> %ad|%s|%b", "--date=raw", tip) == (
        "An Author <an@author.invalid> 1700000000 -0330|one: change a line|Because.\n\n"
    )
    assert git(repo, "rev-parse", f"{tip}~1") == git(repo, "rev-parse", "onto")
    git(repo, "fsck", "--strict")


def test_onto_may_be_a_tree_a_tag_or_a_folder_of_one(repo: Path, run: Run) -> None:
    git(repo, "tag", "-a", "-m", "a tag", "release", "onto")
    tips = []
    for onto in ("release", "onto^{tree}", git(repo, "rev-parse", "onto^{tree}").strip(), "onto"):
        code, text, _ = run("--repo", repo, "--commits", "base..topic~2", "--onto", onto, "--json")
        assert code == 0
        tips.append(json.loads(text)["result_commit"])
        assert git(repo, "log", "--format=%H", tips[-1])  # all its parents are there
    assert tips[0] == tips[3] != tips[1] == tips[2]


@pytest.mark.parametrize(
    ("argv", "what"),
    [
        (("--onto", "onto"), "give --patches or --commits"),
        (("--onto", "onto", "--patches", "p", "--commits", "base..topic"), "give --patches or --commits"),
        (("--onto", "onto", "--patches", "p"), "needs --from"),
        (("--commits", "base..topic"), "Missing option '--onto'"),
        (("--onto", "onto", "--commits", "base...topic"), "no range"),
        (("--onto", "onto", "--commits", "topic"), "no range"),
        (("--onto", "onto", "--commits", "base.."), "no range"),
        (("--onto", "onto", "--commits", "..topic"), "no range"),
        (("--onto", "onto", "--commits", "base..nothing"), "'nothing' names nothing"),
        (("--onto", "nothing", "--commits", "base..topic"), "'nothing' names nothing"),
        (("--onto", "onto:README", "--commits", "base..topic"), "names nothing"),
        (("--onto", "--all", "--commits", "base..topic"), "is no revision"),
        (("--onto", "onto", "--commits", "base..-x"), "is no revision"),
        (("--onto", "on\nto", "--commits", "base..topic"), "is no revision"),
        (("--onto", "^onto", "--commits", "base..topic"), "onto"),
        (("--onto", "onto", "--commits", "topic..base"), "nothing is in"),
        (("--onto", "onto", "--commits", "base..base"), "nothing is in"),
        (("--onto", "onto", "--commits", "base..merged"), "is a merge"),
        (("--onto", "onto", "--from", "base", "--patches", "nowhere"), "no such folder"),
        (("--onto", "onto", "--from", "base", "--patches", "src"), "has no patches"),
    ],
)
def test_what_cannot_be_asked_for_is_exit_code_2(
    repo: Path, run: Run, argv: Sequence[str], what: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    tree = git(repo, "rev-parse", "base^{tree}").strip()
    merged = git(repo, "commit-tree", "-m", "m", "-p", "topic", "-p", "onto", tree).strip()
    git(repo, "branch", "merged", merged)
    monkeypatch.chdir(repo)
    before = snapshot(repo)
    code, text, told = run(*argv)
    assert (code, text) == (2, "")
    assert what in " ".join(told.split())
    assert snapshot(repo) == before


@pytest.mark.parametrize("place", ["nowhere", "file", "folder"])
def test_what_is_no_repository_is_told(tmp_path: Path, run: Run, place: str) -> None:
    (tmp_path / "file").write_text("x")
    (tmp_path / "folder").mkdir()
    code, _, told = run("--repo", tmp_path / place, "--commits", "a..b", "--onto", "c")
    assert code == 4
    assert place in told


# -- where it is written --------------------------------------------------------------------------------


def test_an_out_folder_that_is_not_ours_is_left_alone(repo: Path, tmp_path: Path, run: Run) -> None:
    carried = exported(repo, tmp_path / "carried")
    (carried / "series").write_text("".join(f"{file.name}\n" for file in sorted(carried.glob("*.patch"))))
    for name, files in {
        "foreign": {"mine.txt": "x"},
        "hidden": {".git/config": "x"},
        "quilt": {"series": "a.patch\n", "a.patch": "x", "control": "x"},
        "above": {"series": "", "in/a.patch": "x"},
    }.items():
        for file, text in files.items():
            (tmp_path / name / file).parent.mkdir(parents=True, exist_ok=True)
            (tmp_path / name / file).write_text(text)
    (tmp_path / "file").write_text("x")
    (tmp_path / "link").symlink_to(carried)
    for out in ("foreign", "hidden", "quilt", "above", "file", "carried", "link", "carried/../carried"):
        patches = tmp_path / "above/in" if out == "above" else carried
        before = contents(tmp_path)
        code, _, told = run(
            "--repo", repo, "--from", "base", "--onto", "onto", "--patches", patches, "--out", tmp_path / out
        )
        assert code == 2, out
        assert "error: " in told
        assert contents(tmp_path) == before, out


def test_an_out_folder_of_an_earlier_run_is_replaced_and_a_deep_new_one_made(
    repo: Path, tmp_path: Path, run: Run
) -> None:
    out = tmp_path / "new" / "deep" / "out"
    assert run("--repo", repo, "--commits", "base..topic", "--onto", "onto", "--out", out)[0] == 5
    assert (out / "conflicts").is_dir()
    assert run("--repo", repo, "--commits", "base..topic~2", "--onto", "onto", "--out", out)[0] == 0
    assert set(contents(out)) == {"series", "one-change-a-line.patch"}
    assert [f.name for f in out.parent.iterdir()] == ["out"]


def test_without_a_writable_place_nothing_is_half_written(repo: Path, tmp_path: Path, run: Run) -> None:
    (tmp_path / "file").write_text("x")
    code, _, told = run(
        "--repo", repo, "--commits", "base..topic", "--onto", "onto", "--out", tmp_path / "file" / "out"
    )
    assert code == 9
    assert "file" in told


def environment(**more: str) -> dict[str, str]:
    return {**os.environ, "PYTHONPATH": str(Path(cli.__file__).parents[2]), **more}


def started(*argv: str | Path, env: Mapping[str, str] | None = None) -> subprocess.Popen[bytes]:
    return subprocess.Popen(
        [sys.executable, "-m", "patchbot", "rebase", *argv],
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=env or environment(), start_new_session=True,
    )  # fmt: skip


def test_two_runs_at_once_leave_one_whole_result(repo: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    runs = [
        started("--repo", repo, "--commits", commits, "--onto", "onto", "--out", out)
        for commits in ("base..topic", "base..topic~2", "base..topic")
    ]
    assert sorted(p.wait() for p in runs) == [0, 5, 5]
    for process in runs:
        process.communicate()
    names = set(contents(out))
    assert {"series", "one-change-a-line.patch"} <= names
    assert len(names) in {2, 8}
    assert [f.name for f in tmp_path.iterdir() if f.name.startswith(".")] == []


def test_a_run_that_is_killed_leaves_an_old_or_a_new_folder_whole(
    repo: Path, tmp_path: Path, run: Run
) -> None:
    out, other, scratch = tmp_path / "out", tmp_path / "other", tmp_path / "scratch"
    scratch.mkdir()
    assert run("--repo", repo, "--commits", "base..topic~2", "--onto", "onto", "--out", out)[0] == 0
    assert run("--repo", repo, "--commits", "base..topic", "--onto", "onto", "--out", other)[0] == 5
    old, new, before = contents(out), contents(other), snapshot(repo)
    begun = time.monotonic()
    whole = started("--repo", repo, "--commits", "base..topic", "--onto", "onto", "--out", tmp_path / "timed")
    whole.communicate()
    length = time.monotonic() - begun
    pick = random.Random(3)  # noqa: S311 - nothing secret
    for _ in range(6):
        process = started(
            *("--repo", repo, "--commits", "base..topic", "--onto", "onto", "--out", out),
            env=environment(TMPDIR=str(scratch)),
        )
        time.sleep(length * pick.uniform(0.3, 1.0))
        os.killpg(process.pid, signal.SIGKILL)
        process.communicate()
        # between two renames of a swap there may be none for a moment, and the next run puts one there
        assert not out.exists() or contents(out) in (old, new)
        assert snapshot(repo) == before
        git(repo, "fsck", "--strict")
    assert run("--repo", repo, "--commits", "base..topic", "--onto", "onto", "--out", out)[0] == 5
    assert contents(out) == new
    assert [f.name for f in tmp_path.iterdir() if f.name.startswith(".")] == []


# -- the repository is not touched ----------------------------------------------------------------------


def shaped(repo: Path, tmp_path: Path, shape: str) -> Path:
    if shape == "dirty":
        (repo / "README").write_text("not committed\n")
        (repo / "untracked").write_text("x")
        (repo / "src/lib.rs").unlink()
        git(repo, "rm", "--quiet", "--cached", "only/old")
        (repo / ".git/index.lock").write_text("")
        return repo
    if shape == "bare":
        git(tmp_path, "clone", "--quiet", "--bare", "--template=", str(repo), "bare")
        return tmp_path / "bare"
    if shape == "worktree":
        git(repo, "worktree", "add", "--quiet", str(tmp_path / "linked"), "onto")
        return tmp_path / "linked"
    if shape == "subfolder":
        return repo / "src"
    if shape == "gitdir":
        return repo / ".git"
    if shape == "shallow":
        git(
            tmp_path,
            "clone",
            "--quiet",
            "--template=",
            "--no-single-branch",
            "--depth=4",
            repo.as_uri(),
            "shallow",
        )
        for name in ("topic", "onto"):
            git(tmp_path / "shallow", "branch", name, f"origin/{name}")
        return tmp_path / "shallow"
    if shape == "borrower":
        git(tmp_path, "clone", "--quiet", "--template=", "--shared", str(repo), "borrower")
        for name in ("topic", "onto"):
            git(tmp_path / "borrower", "branch", name, f"origin/{name}")
        return tmp_path / "borrower"
    if shape == "odd path":
        return repo.rename(tmp_path / "a \"quoted\" \n new\u2028line \\ 'x' \udce9")
    if shape == "link":
        (tmp_path / "link").symlink_to(repo)
        return tmp_path / "link"
    return repo


@pytest.mark.parametrize(
    "shape",
    ["plain", "dirty", "bare", "worktree", "subfolder", "gitdir", "shallow", "borrower", "odd path", "link"],
)
def test_nothing_of_the_repository_changes_but_its_objects(
    repo: Path, tmp_path: Path, run: Run, shape: str
) -> None:
    place = shaped(repo, tmp_path, shape)
    before = snapshot(tmp_path)
    code, text, _ = run("--repo", place, "--commits", "base..topic", "--onto", "onto", "--json")
    assert code == 5
    data = json.loads(text)
    assert [p["verdict"] for p in data["patches"]] == ["shifted", "conflict", "tainted"]
    assert snapshot(tmp_path) == before
    assert data["delivered"] is True
    assert git(place, "log", "-1", "--format=%s", data["result_commit"]) == "one: change a line\n"


def test_a_repository_with_long_object_ids(tmp_path: Path, run: Run) -> None:
    place = made(tmp_path / "long", "--object-format=sha256")
    carried = exported(place, tmp_path / "carried")
    before = snapshot(tmp_path)
    for source in (("--commits", "base..topic"), ("--from", "base", "--patches", carried)):
        code, text, told = run("--repo", place, *source, "--onto", "onto", "--json")
        assert code == 5, told
        data = json.loads(text)
        assert [p["verdict"] for p in data["patches"]] == ["shifted", "conflict", "tainted"]
        assert len(data["result_commit"]) == 64
        assert git(place, "log", "-1", "--format=%s", data["result_commit"]) == "one: change a line\n"
        assert snapshot(tmp_path) == before


def test_a_repository_that_cannot_be_written_still_gives_the_series(
    repo: Path, tmp_path: Path, run: Run
) -> None:
    # a folder without write permission would not stop root; a file in the place of a folder stops anybody
    assert not list((repo / ".git/objects/pack").glob("*"))
    (repo / ".git/objects/pack").rmdir()
    (repo / ".git/objects/pack").write_text("")
    before = snapshot(tmp_path)
    out = tmp_path / "out"
    code, text, told = run(
        "--repo", repo, "--commits", "base..topic~2", "--onto", "onto", "--out", out, "--json"
    )
    assert code == 0
    assert json.loads(text)["delivered"] is False
    assert "cannot be written" in told
    assert set(contents(out)) == {"series", "one-change-a-line.patch"}
    shutil.rmtree(out)
    assert snapshot(tmp_path) == before


def test_a_damaged_object_is_told_and_never_passed_over(repo: Path, tmp_path: Path, run: Run) -> None:
    blob = git(repo, "rev-parse", "topic~2:src/lib.rs").strip()
    file = repo / ".git/objects" / blob[:2] / blob[2:]
    file.chmod(0o644)
    file.write_bytes(file.read_bytes()[:-9] + b"damaged!!")
    code, _, told = run(
        "--repo", repo, "--commits", "base..topic", "--onto", "onto", "--out", tmp_path / "out"
    )
    assert code == 4
    assert told.startswith(("rebase", "error: "))
    assert not (tmp_path / "out").exists()
    # a patch of the file brings the new bytes itself; the old ones it needs
    base = git(repo, "rev-parse", "base:src/lib.rs").strip()
    file = repo / ".git/objects" / base[:2] / base[2:]
    file.chmod(0o644)
    file.write_bytes(b"")
    carried = tmp_path / "carried"
    carried.mkdir()
    (carried / "a.patch").write_text(
        "--- a/src/lib.rs\n+++ b/src/lib.rs\n@@ -1 +1 @@\n-line 0 of the library\n+x\n"
    )
    code, _, told = run("--repo", repo, "--from", "base", "--patches", carried, "--onto", "onto")
    assert code == 4
    assert "error: " in told


# -- what a machine brings along --------------------------------------------------------------------------

HOSTILE = """\
[user]
name = Somebody
email = some@body.invalid
[diff]
noprefix = true
mnemonicPrefix = true
external = false
algorithm = patience
context = 0
interHunkContext = 9
renames = copies
orderFile = /nowhere
suppressBlankEmpty = true
[core]
autocrlf = true
quotePath = false
abbrev = 4
attributesFile = {attributes}
hooksPath = {hooks}
fsmonitor = false
[merge]
renames = false
[format]
signature = mine
subjectPrefix = MINE
attach = true
coverLetter = true
signOff = true
numbered = true
pretty = oneline
encodeEmailHeaders = false
from = Else <else@body.invalid>
headers = "X-Mine: yes\\n"
[init]
templateDir = {template}
defaultObjectFormat = sha256
[commit]
gpgSign = true
[i18n]
commitEncoding = latin1
logOutputEncoding = latin1
[apply]
whitespace = fix
[alias]
rev-parse = !false
[color]
ui = always
"""


def hostile(tmp_path: Path, repo: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Put settings in every place that git reads; return the file that a hook or program of theirs would make."""
    trap, home = tmp_path / "trapped", tmp_path / "hostile"
    for place in (home / "hooks", home / "template/hooks", repo / ".git/hooks"):
        place.mkdir(parents=True)
        for name in (
            "post-index-change",
            "reference-transaction",
            "post-checkout",
            "pre-commit",
            "post-rewrite",
        ):
            (place / name).write_text(f"#!/bin/sh\ntouch {trap}\n")
            (place / name).chmod(0o755)
    attributes = home / "attributes"
    attributes.write_text("* -diff\n* text=auto eol=crlf\n* merge=ours filter=x diff=x\n")
    settings = HOSTILE.format(attributes=attributes, hooks=home / "hooks", template=home / "template")
    settings += f'[filter "x"]\nclean = touch {trap}\nsmudge = touch {trap}\nrequired = true\n'
    settings += f'[diff "x"]\ntextconv = touch {trap}\ncommand = touch {trap}\n[merge "ours"]\ndriver = touch {trap}\n'
    (home / ".gitconfig").write_text(settings)
    (home / "git").mkdir()
    (home / "git/config").write_text(settings)
    (home / "git/attributes").write_text(attributes.read_text())
    with (repo / ".git/config").open("a") as config:
        config.write(settings)
    (repo / ".git/info").mkdir(exist_ok=True)
    (repo / ".git/info/attributes").write_text(attributes.read_text())
    git(repo, "init", "--quiet", "--bare", str(home / "elsewhere.git"), env={"GIT_TEMPLATE_DIR": ""})
    elsewhere = home / "elsewhere.git"
    monkeypatch.setenv("HOME", str(home))
    monkeypatch.setenv("XDG_CONFIG_HOME", str(home))
    monkeypatch.delenv("GIT_CONFIG_NOSYSTEM", raising=False)
    for name, value in {
        "GIT_DIR": elsewhere, "GIT_INDEX_FILE": tmp_path / "index", "GIT_OBJECT_DIRECTORY": elsewhere / "objects",
        "GIT_WORK_TREE": home, "GIT_COMMON_DIR": elsewhere, "GIT_NAMESPACE": "x", "GIT_DIFF_OPTS": "--unified=0",
        "GIT_EXTERNAL_DIFF": f"touch {trap}", "GIT_AUTHOR_NAME": "Else", "GIT_COMMITTER_DATE": "2001-01-01T00:00:00",
        "GIT_CONFIG_PARAMETERS": "'diff.noprefix'='true'", "GIT_DEFAULT_HASH": "sha256", "GIT_CEILING_DIRECTORIES": "/",
        "GIT_ATTR_SOURCE": "HEAD", "GIT_LITERAL_PATHSPECS": "1", "GIT_TRACE": str(tmp_path / "trace"),
        "GIT_TEMPLATE_DIR": home / "template", "GIT_ALTERNATE_OBJECT_DIRECTORIES": "/nowhere",
        "LC_ALL": "C", "TZ": "Pacific/Chatham", "COLUMNS": "40", "EMAIL": "other@body.invalid", "PAGER": "false",
    }.items():  # fmt: skip
        monkeypatch.setenv(name, str(value))
    return trap


def test_no_setting_of_user_or_repository_changes_a_byte(
    tmp_path: Path, run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    repo = made(tmp_path / "repo")
    attributes = "*.rs -diff merge=ours filter=x text eol=crlf\n* ident working-tree-encoding=UTF-16\n"
    for branch in ("topic", "onto"):
        git(repo, "checkout", "--quiet", branch)
        (repo / ".git/info").mkdir(exist_ok=True)
        (repo / ".git/info/attributes").write_text("* !text !filter !ident !working-tree-encoding\n")
        commit(
            repo,
            f"attributes of {branch}",
            {".gitattributes": attributes, "é ü.rs": f"a\r\nb $Id$ {branch}\n"},
        )
    shutil.copytree(repo, tmp_path / "plain", symlinks=True)
    carried = exported(repo, tmp_path / "carried")
    sources: tuple[tuple[str | Path, ...], ...] = (
        ("--commits", "base..topic"),
        ("--from", "base", "--patches", carried),
    )
    wanted = []
    for number, source in enumerate(sources):
        out = tmp_path / f"wanted{number}"
        wanted.append(
            (
                run("--repo", tmp_path / "plain", *source, "--onto", "onto", "--out", out, "--json")[:2],
                contents(out),
            )
        )
    trap = hostile(tmp_path, repo, monkeypatch)
    saved = dict(os.environ)
    before = snapshot(repo)
    for number, source in enumerate(sources):
        os.environ.update(saved)
        out = tmp_path / f"found{number}"
        found = run("--repo", repo, *source, "--onto", "onto", "--out", out, "--json")[:2], contents(out)
        assert found == wanted[number]
    assert snapshot(repo) == before
    assert not trap.exists()
    assert not (tmp_path / "index").exists()


# -- bad patches ------------------------------------------------------------------------------------------

OID = "0123456789abcdef0123456789abcdef01234567"
HUNK = "@@ -1 +1 @@\n-words\n+x\n"
NEW = "@@ -0,0 +1 @@\n+x\n"


def plain(path: str, hunk: str = HUNK) -> str:
    return f"--- a/{path}\n+++ b/{path}\n{hunk}"


def new(path: str, mode: str = "100644") -> str:
    return f"diff --git a/{path} b/{path}\nnew file mode {mode}\n--- /dev/null\n+++ b/{path}\n{NEW}"


@pytest.mark.parametrize(
    ("files", "where", "what"),
    [
        ({"a.patch": ""}, "a.patch:1", "has no diff"),
        ({"a.patch": "Subject: x\n\nwords\n"}, "a.patch:3", "has no diff"),
        ({"a.patch": new("../x")}, "a.patch:1", "'../x'"),
        ({"a.patch": new("/etc/x")}, "a.patch:1", "is absolute"),
        ({"a.patch": new(".git/hooks/x")}, "a.patch:1", "'.git'"),
        ({"a.patch": new("C:/x")}, "a.patch:1", "is absolute"),
        ({"a.patch": new("aux.rs")}, "a.patch:1", "a device name"),
        ({"a.patch": new("readme")}, "a.patch:1", "readme and README are one file"),
        ({"a.patch": new("SRC/new.rs")}, "a.patch:1", "SRC/new.rs and src are one file"),
        ({"a.patch": new("\u00e9"), "b.patch": new("e\u0301")}, "b.patch:1", "are one file"),
        ({"a.patch": new("README/x")}, "a.patch:1", "README is a file, no folder"),
        ({"a.patch": new("src")}, "a.patch:1", "src is a folder"),
        ({"a.patch": new("l", "120000"), "b.patch": new("l/x")}, "b.patch:1", "l is a symlink, no folder"),
        ({"a.patch": new("README")}, "a.patch:1", "is there already"),
        ({"a.patch": plain("nothing")}, "a.patch:1", "is not in the tree"),
        ({"a.patch": plain("README") + plain("README")}, "a.patch:6", "changed twice"),
        ({"a.patch": plain("README", "@@ -1 +1 @@\n-other\n+x\n")}, "a.patch:3", "is not for line 1"),
        ({"a.patch": plain("README", "@@ -2 +2 @@\n-words\n+x\n")}, "a.patch:3", "is not for line 2"),
        ({"a.patch": plain("README", "@@ -7,0 +8 @@\n+x\n")}, "a.patch:3", "is not for line 8"),
        (
            {"a.patch": f"diff --git a/README b/README\nindex {OID}..{OID} 100644\n{plain('README')}"},
            "a.patch:1",
            "for the blob 0123456789ab",
        ),
        (
            {"a.patch": f"diff --git a/README b/README\nindex 0123456..{OID} 100644\n{plain('README')}"},
            "a.patch:1",
            "for the blob 0123456",
        ),
        (
            {"a.patch": f"diff --git a/README b/README\nindex 0000000..{OID} 100644\n{plain('README')}"},
            "a.patch:1",
            "other bytes than it says",
        ),
        (
            {"a.patch": "diff --git a/README b/README\ndeleted file mode 100644\n"},
            "a.patch:1",
            "leaves some of its lines",
        ),
        (
            {"a.patch": f"diff --git a/README b/README\nindex {OID}..{OID} 120000\n{plain('README')}"},
            "a.patch:1",
            "",
        ),
        ({"a.patch": plain("src", HUNK)}, "a.patch:1", "src is a folder"),
        ({"series": "a.patch\nb.patch\n", "a.patch": plain("README")}, "series:2", "which is not there"),
        (
            {"series": "# words\n\na.patch # why\n./a.patch\n", "a.patch": plain("README")},
            "series:4",
            "stands in line 3",
        ),
        ({"series": "../a.patch\n", "a.patch": plain("README")}, "series:1", "outside the folder"),
        ({"series": "/etc/passwd\n", "a.patch": plain("README")}, "series:1", "outside the folder"),
        ({"series": "a.patch -p0\n", "a.patch": plain("README")}, "series:1", "-p0"),
    ],
)
def test_a_bad_patch_is_exit_code_4_with_its_line_and_nothing_is_written(
    repo: Path, tmp_path: Path, run: Run, files: Mapping[str, str], where: str, what: str
) -> None:
    carried = tmp_path / "carried"
    carried.mkdir()
    for name, text in files.items():
        (carried / name).write_text(text)
    before = contents(tmp_path)
    code, text, told = run(
        "--repo", repo, "--from", "base", "--onto", "onto", "--patches", carried, "--out", tmp_path / "out"
    )
    assert (code, text) == (4, "")
    line = next(line for line in told.splitlines() if line.startswith("error: "))
    assert line.startswith(f"error: {carried}/{where}: ")
    assert what in line
    assert contents(tmp_path) == before


@pytest.mark.parametrize(
    "ids", ["", "index 0000000..0000000\n", "index {old:.7}..{new:.7} 100644\n", "index {old}..{new}\n"]
)
def test_short_ids_and_none_do_where_the_file_is_the_one(
    repo: Path, tmp_path: Path, run: Run, ids: str
) -> None:
    carried = tmp_path / "carried"
    carried.mkdir()
    names = {
        "old": git(repo, "rev-parse", "base:README").strip(),
        "new": git(repo, "hash-object", "--stdin", stdin=b"x\n").strip(),
    }
    (carried / "a.patch").write_text(f"diff --git a/README b/README\n{ids.format(**names)}{plain('README')}")
    code, text, told = run("--repo", repo, "--from", "base", "--onto", "base", "--patches", carried, "--json")
    assert code == 0, told
    assert git(repo, "show", f"{json.loads(text)['result_commit']}:README") == "x\n"


def test_patches_that_are_not_in_the_order_are_named(repo: Path, tmp_path: Path, run: Run) -> None:
    carried = exported(repo, tmp_path / "carried")
    first, *others = sorted(file.name for file in carried.iterdir())
    (carried / "series").write_text(f"# the order\n\n{first}  # -p1 is usual\n")
    code, text, told = run("--repo", repo, "--from", "base", "--onto", "onto", "--patches", carried)
    assert code == 0
    assert "1 patch:" in text
    assert all(f"{name} is not in the order file" in told for name in others)


# -- messages that a mail cannot carry --------------------------------------------------------------------


@pytest.mark.parametrize(
    "message", ["", "[tag] words", "words\n\nFrom here on\n>From x\n--\nend", "Grüße\n\n“x”", "a  b"]
)
def test_a_message_comes_back_as_it_was(repo: Path, tmp_path: Path, run: Run, message: str) -> None:
    git(repo, "checkout", "--quiet", "-b", "more", "base")
    (repo / "README").write_text("more\n")
    git(
        repo,
        "commit",
        "--quiet",
        "--allow-empty-message",
        "--cleanup=verbatim",
        "-am",
        f"{message}\n" if message else "",
    )
    out = tmp_path / "out"
    code, text, told = run(
        "--repo", repo, "--commits", "base..more", "--onto", "base", "--out", out, "--json"
    )
    assert code == 0, told
    tip = json.loads(text)["result_commit"]
    assert git(repo, "log", "-1", "--format=%B", tip) == git(repo, "log", "-1", "--format=%B", "more")
    code, text, told = run("--repo", repo, "--from", "base", "--patches", out, "--onto", "base", "--json")
    if message:
        assert git(repo, "log", "-1", "--format=%B", json.loads(text)["result_commit"]) == git(
            repo, "log", "-1", "--format=%B", "more"
        )


@pytest.mark.parametrize("line", ["---", "diff --git a/x b/x"])
def test_a_message_that_a_mail_would_cut_is_refused(repo: Path, tmp_path: Path, run: Run, line: str) -> None:
    git(repo, "checkout", "--quiet", "-b", "more", "base")
    (repo / "src/lib.rs").write_text(LIB.replace("line 9 ", "line nine "))
    git(repo, "commit", "--quiet", "--cleanup=verbatim", "-am", f"words\n\none\n{line}\ntwo\n")
    code, _, told = run(
        "--repo", repo, "--commits", "base..more", "--onto", "onto", "--out", tmp_path / "out"
    )
    assert code == 4
    assert "error: " in told
    assert not (tmp_path / "out").exists()


# -- many -------------------------------------------------------------------------------------------------


def many(repo: Path, count: int) -> None:
    """Put a branch ``many`` of as many patches on ``base``."""
    rows = [b"reset refs/heads/many\nfrom refs/heads/base^0\n\n"]
    for number in range(count):
        rows.append(
            b"commit refs/heads/many\ncommitter A <a@b.invalid> %d +0000\ndata 5\nwords\n"
            % (1700000000 + number)
        )
        path = b"many/%d/%d.rs" % (number % 20, number // 3 % 40)
        rows.append(b"M 100644 inline %s\ndata 9\n%08d\n\n" % (path, number))
    git(repo, "fast-import", "--quiet", "--force", stdin=b"".join(rows))


def test_some_hundred_patches_keep_their_order(repo: Path, tmp_path: Path, run: Run) -> None:
    many(repo, 300)
    out = tmp_path / "out"
    code, text, _ = run("--repo", repo, "--commits", "base..many", "--onto", "onto", "--out", out, "--json")
    assert code == 0
    data: dict[str, Any] = json.loads(text)
    assert len(data["patches"]) == 300
    assert {p["verdict"] for p in data["patches"]} == {"unchanged"}
    assert git(repo, "rev-parse", f"{data['result_tree']}:many") == git(repo, "rev-parse", "many:many")
    assert (out / "series").read_text().split()[:3] == ["words.patch", "words-2.patch", "words-3.patch"]


def test_a_reader_may_look_on_while_results_change(repo: Path, tmp_path: Path, run: Run) -> None:
    out = tmp_path / "out"
    assert run("--repo", repo, "--commits", "base..topic", "--onto", "onto", "--out", out)[0] == 5
    stop, odd = threading.Event(), []

    def look() -> None:
        while not stop.is_set():
            try:
                names = (out / "series").read_text().split()
                if not names:
                    odd.append(names)
            except FileNotFoundError:
                continue  # between two renames

    thread = threading.Thread(target=look)
    thread.start()
    try:
        for commits in ("base..topic~2", "base..topic"):
            run("--repo", repo, "--commits", commits, "--onto", "onto", "--out", out)
    finally:
        stop.set()
        thread.join()
    assert odd == []


@pytest.mark.parametrize(
    "text", ["From: B <b@invalid>", "Why.\nIndex: x", "Why.\ndiff -u a b", "Why.\n--- a.txt"]
)
def test_a_message_that_would_not_survive_as_a_mail_is_refused(
    repo: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], text: str
) -> None:
    git(repo, "checkout", "-q", "-b", "odd", "base")
    commit(repo, f"subject\n\n{text}\n", {"src/lib.rs": LIB.replace("line 5 ", "line five ")})
    words = ["--repo", str(repo), "--commits", "base..odd", "--onto", "onto", "--out", str(tmp_path / "out")]
    assert cli.run_cli(["rebase", "-q", *words]) == 4
    assert "mail readers take for a header or for the patch itself" in capsys.readouterr().err
    assert not (tmp_path / "out").exists()
