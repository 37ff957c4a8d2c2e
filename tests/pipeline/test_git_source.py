from __future__ import annotations

import io
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from unittest.mock import Mock

import pytest
from support.commands import Run
from support.repository import Repository, originals, tree
from support.upstream import Upstream

from patchbot import config as configs
from patchbot.errors import EnvironmentProblem, Findings, PatchbotError, RepositoryError, UsageError
from patchbot.git import remote
from patchbot.model import Inventory, Release
from patchbot.pipeline import git_source, many
from patchbot.pipeline import sync as stage
from patchbot.pipeline.sync import Synced
from patchbot.pipeline.work import Workspace, workspace
from patchbot.report.terminal import Reporter
from patchbot.upstream import tags

BARE = Release(8, 0, 1)
VERSIONED = Release(12, 0, 2)


@pytest.fixture
def repository(tmp_path: Path, upstream: Upstream) -> Repository:
    """Upstream's repository with two releases that were published from it."""
    upstream.publish("8.0.1", change=originals("8.0.1"))
    upstream.publish("12.0.2", versioned=True, change=originals("12.0.2", versioned=True))
    made = Repository(tmp_path / "wasmtime")
    made.release("8.0.1")
    made.release("12.0.2", versioned=True)
    return made


@pytest.fixture
def work(project: Path, repository: Repository) -> Iterator[Workspace]:
    with workspace(configs.load(project), Reporter(quiet=True)) as opened:
        yield opened


def sync(
    work: Workspace, repository: Repository | str, *releases: Release
) -> dict[Release, Synced | PatchbotError]:
    address = repository if isinstance(repository, str) else str(repository.folder)
    return dict(git_source.sync_all(work, releases or (BARE,), address, jobs=1)[0])


def told(work: Workspace, repository: Repository, release: Release = BARE) -> dict[str, object]:
    """Return what sync says of a release beside its tag."""
    _, compared = git_source.sync_all(work, [release], str(repository.folder), jobs=1)
    return compared[release].to_json()


def lock(work: Workspace) -> Path:
    return work.config.patches / tags.FILE_NAME


def move(repository: Repository, change: dict[str, str | bytes] | None = None) -> str:
    """Move the tag of 8.0.1 to a new commit on top of it, with other files or the same; return the commit."""
    repository.git("checkout", "--quiet", "--detach", "v8.0.1")
    repository.write(change or {})
    commit = repository.commit()
    repository.git("tag", "--force", "v8.0.1")
    return commit


# -- scan -------------------------------------------------------------------------------------------


def scans(work: Workspace, repository: Repository, release: Release) -> tuple[Inventory, Inventory]:
    return (
        stage.scan(work, release)[1],
        git_source.scan(work, str(repository.folder), f"v{release}")[1],
    )


@pytest.mark.parametrize("release", [BARE, VERSIONED])
@pytest.mark.parametrize("form", ["{}", "file://{}"])
def test_a_tag_and_its_crates_have_one_inventory(
    work: Workspace, repository: Repository, release: Release, form: str
) -> None:
    crates, wanted = stage.scan(work, release)
    imported, found = git_source.scan(work, form.format(repository.folder), f"v{release}")
    assert found == wanted
    assert [(pin.name, pin.version, pin.path) for pin in imported.crates] == [
        (pin.name, pin.version, pin.path) for pin in crates.crates
    ]
    assert imported.commit == repository.git("rev-parse", f"v{release}")
    assert imported.published == "2023-11-14T22:13:20Z"


def test_no_registry_is_asked(work: Workspace, repository: Repository, upstream: Upstream) -> None:
    shutil.rmtree(upstream.folder)
    work.offline = True
    assert git_source.scan(work, str(repository.folder), "v8.0.1")[1].symbols


def test_a_scan_is_remembered_until_the_tag_holds_something_else(
    work: Workspace, repository: Repository, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = git_source.scan(work, str(repository.folder), "v8.0.1")
    from patchbot.symbols import scan as symbols

    counted = Mock(wraps=symbols.scan)
    monkeypatch.setattr(symbols, "scan", counted)
    assert git_source.scan(work, str(repository.folder), "v8.0.1") == first
    counted.assert_not_called()
    move(repository, {"crates/wasmtime/src/lib.rs": '#[no_mangle]\npub extern "C" fn wasmtime_new() {}\n'})
    names = {symbol.name for symbol in git_source.scan(work, str(repository.folder), "v8.0.1")[1].symbols}
    assert "wasmtime_new" in names


def test_files_that_cargo_does_not_pack_are_not_read(work: Workspace, repository: Repository) -> None:
    name = '#[no_mangle]\npub extern "C" fn wasmtime_hidden() {}\n'
    nested = {
        "crates/wasmtime/nested/Cargo.toml": '[package]\nname = "nested"\n',
        "crates/wasmtime/nested/src/lib.rs": name,
    }
    move(repository, {**nested, "crates/wasmtime/src/\udcff.rs": name, "elsewhere/src/lib.rs": name})
    imported, found = git_source.scan(work, str(repository.folder), "v8.0.1")
    assert "wasmtime_hidden" not in {symbol.name for symbol in found.symbols}
    assert ["not UTF-8" in flag for flag in imported.flags] == [True]


def test_symlinks_and_submodules(work: Workspace, repository: Repository) -> None:
    repository.git("checkout", "--quiet", "--detach", "v8.0.1")
    source = repository.folder / "crates" / "runtime" / "src" / "helpers.c"
    source.rename(repository.folder / "helpers.c")
    source.symlink_to("../../../helpers.c")
    (source.parent / "away.c").symlink_to("/etc/passwd")
    repository.submodule("crates/wasmtime/spec")
    repository.commit_index()
    repository.git("tag", "--force", "v8.0.1")
    imported, found = git_source.scan(work, str(repository.folder), "v8.0.1")
    assert found.symbols == stage.scan(work, BARE)[1].symbols
    assert sorted(flag.partition(" ")[0] for flag in imported.flags) == [
        "crates/runtime/src/away.c",
        "crates/wasmtime/spec",
    ]


def test_a_tag_that_holds_another_release_is_refused(work: Workspace, repository: Repository) -> None:
    repository.git("tag", "v9.0.0", "v8.0.1")
    with pytest.raises(RepositoryError, match=r"v9\.0\.0 has wasmtime 8\.0\.1, not 9\.0\.0"):
        git_source.scan(work, str(repository.folder), "v9.0.0")


def test_a_tag_of_something_else_than_a_commit_is_refused(work: Workspace, repository: Repository) -> None:
    repository.git("tag", "v9.0.0", "v8.0.1^{tree}")
    for address in (str(repository.folder), f"file://{repository.folder}"):
        with pytest.raises(RepositoryError, match=r"v9\.0\.0"):
            git_source.scan(work, address, "v9.0.0")


def test_scan_json_says_that_there_is_no_crate_file(project: Path, repository: Repository, run: Run) -> None:
    code, out, err = run("scan", "--git", str(repository.folder), "--tag", "v8.0.1", "--json")
    data = json.loads(out)
    assert (code, "v8.0.1" in err) == (0, True)
    assert data["release"] == "8.0.1"
    row = next(crate for crate in data["crates"] if crate["name"] == "wasmtime")
    assert row == {"name": "wasmtime", "version": "8.0.1", "path": "crates/wasmtime", "sha256": None}
    _, out, _ = run("scan", "8.0.1", "--json")
    assert json.loads(out)["symbols"] == data["symbols"]


@pytest.mark.parametrize(
    ("argv", "code", "words"),
    [
        (["--git", "REPO"], 2, "--git and --tag go together"),
        (["--tag", "v8.0.1"], 2, "--git and --tag go together"),
        (["8.0.1", "--git", "REPO", "--tag", "v8.0.1"], 2, "--tag v8.0.1 says which release"),
        (["--git", "REPO", "--tag", "dev"], 2, "'dev' is not the tag of a release"),
        (["--git", "REPO", "--tag", "cranelift-v0.1.0"], 2, "is not the tag of a release"),
        (["--git", "REPO", "--tag", "v8.0.9"], 4, "has no tag v8.0.9"),
        (["--git", "nowhere", "--tag", "v8.0.1"], 4, "no such folder"),
        (["--git", "ext::touch x", "--tag", "v8.0.1"], 2, "git would run a program"),
        (["--git", "--upload-pack=x", "--tag", "v8.0.1"], 2, "is no repository"),
    ],
)
def test_what_is_wrong_is_told_with_its_code(
    project: Path, repository: Repository, run: Run, argv: list[str], code: int, words: str
) -> None:
    found, out, err = run("scan", *(str(repository.folder) if word == "REPO" else word for word in argv))
    assert (found, out) == (code, "")
    assert words in err
    assert "Traceback" not in err


# -- sync -------------------------------------------------------------------------------------------


def test_crates_that_are_their_tag_get_their_series(work: Workspace, repository: Repository) -> None:
    done = sync(work, repository, BARE, VERSIONED)
    assert all(isinstance(outcome, Synced) for outcome in done.values())
    commits = {release: repository.git("rev-parse", f"v{release}") for release in done}
    locked = tags.parse(lock(work).read_bytes(), where=lock(work))
    assert {release: tag.commit for release, tag in locked.items()} == commits
    assert locked[BARE].tree == repository.git("rev-parse", "v8.0.1^{tree}")
    assert work.store.refs("refs/patchbot/git/") == {str(r): commit for r, commit in commits.items()}


def test_what_became_of_every_file_is_told(work: Workspace, repository: Repository) -> None:
    row = told(work, repository)
    assert row == {
        "tag": "v8.0.1",
        "commit": repository.git("rev-parse", "v8.0.1"),
        "tree": repository.git("rev-parse", "v8.0.1^{tree}"),
        "locked_commit": repository.git("rev-parse", "v8.0.1"),
        "crates_commit": "0123456789abcdef0123456789abcdef01234567",
        "same": sum(len(path.split("/")) > 2 and not path.endswith("Cargo.toml") for path in tree("8.0.1")),
        "normalised": 7,
        "followed": 0,
        "made": 7,
        "submodule": 0,
        "left_out": 0,
        "unexplained": [],
    }


def test_without_git_the_lock_is_left_alone(work: Workspace, repository: Repository) -> None:
    many.sync_all(work, [BARE], jobs=1)
    assert not lock(work).exists()
    assert work.store.refs("refs/patchbot/git/") == {}


@pytest.mark.parametrize("form", ["{}", "file://{}"])
def test_what_is_locked_and_there_is_not_fetched_again(
    work: Workspace, repository: Repository, monkeypatch: pytest.MonkeyPatch, form: str
) -> None:
    address = form.format(repository.folder)
    sync(work, address)
    before = lock(work).stat().st_mtime_ns

    def never(*_: object) -> None:
        pytest.fail("the tag is fetched again")

    monkeypatch.setattr(remote, "take", never)
    assert isinstance(sync(work, address)[BARE], Synced)
    assert lock(work).stat().st_mtime_ns == before


def test_another_release_joins_the_lock(work: Workspace, repository: Repository) -> None:
    sync(work, repository, VERSIONED)
    sync(work, repository, BARE)
    assert list(tags.parse(lock(work).read_bytes(), where="")) == [BARE, VERSIONED]


def test_a_tag_that_was_moved_to_other_files_stops_the_release(
    work: Workspace, repository: Repository
) -> None:
    sync(work, repository)
    before, old = lock(work).read_bytes(), repository.git("rev-parse", "v8.0.1")
    ref = work.store.refs("refs/patchbot/")
    shutil.rmtree(work.config.patches / "8.0.1")
    new = move(repository, {"crates/wasmtime/src/lib.rs": "// other\n"})
    outcome = sync(work, repository)[BARE]
    assert isinstance(outcome, RepositoryError)
    assert old in outcome.what
    assert new in outcome.what
    assert "remove 8.0.1 from patches/tags.toml" in str(outcome.hint)
    assert lock(work).read_bytes() == before
    assert work.store.refs("refs/patchbot/") == ref
    assert not (work.config.patches / "8.0.1").exists()


def test_a_tag_that_was_moved_to_the_same_files_is_only_told(work: Workspace, repository: Repository) -> None:
    said = io.StringIO()
    work.reporter = Reporter(said, quiet=True)
    old = str(told(work, repository)["commit"])
    before = lock(work).read_bytes()
    new = move(repository)
    row = told(work, repository)
    assert (row["commit"], row["locked_commit"]) == (new, old)
    assert f"v8.0.1 named {old} and now names {new}: the same files" in said.getvalue()
    assert lock(work).read_bytes() == before


def test_a_tag_that_is_locked_is_known_in_a_fresh_store(work: Workspace, repository: Repository) -> None:
    sync(work, repository)
    move(repository, {"file": "other\n"})
    ref = "refs/patchbot/git/8.0.1"
    (work.store.path / ref).unlink()
    assert isinstance(sync(work, repository)[BARE], RepositoryError)


@pytest.mark.parametrize(
    ("path", "data", "why"),
    [
        ("crates/wasmtime/src/lib.rs", "// one byte\n", "other bytes"),
        ("crates/wasmtime/src/more.rs", "// more\n", "only in the crate"),
        ("crates/wasmtime/Cargo.toml.orig", "# other\n", "it is not the Cargo.toml of the tag"),
    ],
)
def test_a_file_that_nothing_explains_stops_the_release(
    project: Path, upstream: Upstream, tmp_path: Path, run: Run, path: str, data: str, why: str
) -> None:
    upstream.publish("8.0.1", change={**originals("8.0.1"), path: data})
    made = Repository(tmp_path / "wasmtime")
    made.release("8.0.1")
    code, out, err = run("sync", "8.0.1", "--git", str(made.folder), "--json")
    row = json.loads(out)["releases"][0]
    assert (code, row["series"]) == (Findings.exit_code, "failed")
    assert f"{path}: {why}" in err
    assert not (project / "patches" / "8.0.1").exists()
    assert {"path": path, "why": why} in row["git"]["unexplained"]


def test_one_release_whose_tag_is_missing_does_not_keep_the_others(
    project: Path, repository: Repository, run: Run
) -> None:
    repository.git("tag", "--delete", "v12.0.2")
    code, out, err = run("sync", "8.0.1", "12.0.2", "--git", str(repository.folder), "--json")
    rows = json.loads(out)["releases"]
    assert code == RepositoryError.exit_code
    assert "has no tag v12.0.2" in err
    assert [row["series"] for row in rows] == ["new", "failed"]
    assert ["git" in row for row in rows] == [True, False]
    assert set(tags.parse((project / "patches" / "tags.toml").read_bytes(), where="")) == {BARE}


def test_the_text_has_a_line_for_each_tag(project: Path, repository: Repository, run: Run) -> None:
    code, out, _ = run("sync", "8.0.1", "--git", str(repository.folder))
    commit = repository.git("rev-parse", "v8.0.1")[:12]
    assert code == 0
    assert out.splitlines()[-1] == (
        f"v8.0.1  {commit}  25 same, 7 normalised, 7 made, 0 unexplained, packed from 0123456789ab"
    )


def test_the_lock_of_tags_belongs_into_patches(project: Path, repository: Repository, run: Run) -> None:
    run("sync", "8.0.1", "--git", str(repository.folder))
    assert run("check")[:2] == (0, "patches/ is in step: 8.0.1\n")


def test_a_damaged_lock_is_not_written_over(project: Path, repository: Repository, run: Run) -> None:
    (project / "patches" / "tags.toml").write_text("[")
    code, _, err = run("sync", "8.0.1", "--git", str(repository.folder))
    assert (code, "no list of tags" in err) == (3, True)
    assert (project / "patches" / "tags.toml").read_text() == "["


def test_offline_a_folder_is_read_and_a_server_not(work: Workspace, repository: Repository) -> None:
    address = f"file://{repository.folder}"
    work.offline = True
    outcome = sync(work, address)[BARE]
    assert isinstance(outcome, EnvironmentProblem)
    assert "without --offline" in str(outcome.hint)
    work.offline = False
    sync(work, address)
    work.offline = True
    shutil.rmtree(repository.folder / ".git" / "refs" / "tags")
    assert isinstance(sync(work, address)[BARE], Synced)


def test_a_repository_that_would_run_something_stops_before_all(work: Workspace) -> None:
    with pytest.raises(UsageError):
        sync(work, "ext::touch x")


@pytest.mark.parametrize(
    "argv",
    [
        ["scan", "--git", ".", "--tag", "v8.0.1"],
        ["sync", "8.0.1", "--git", "."],
        ["rebase", "--onto", "a", "--commits", "b..a"],
    ],
)
def test_without_git_it_is_asked_for(project: Path, tmp_path: Path, argv: list[str]) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "patchbot", *argv],
        env={**os.environ, "PATH": str(tmp_path)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, "git is not on PATH" in done.stderr) == (EnvironmentProblem.exit_code, True)


@pytest.mark.parametrize("command", ["scan", "sync"])
def test_the_help_has_an_example(command: str, run: Run) -> None:
    _, out, _ = run(command, "--help")
    assert "--git REPOSITORY" in out
    assert f"patchbot {command} " in out.split("Examples:")[1]
    assert "--git" in out.split("Examples:")[1]
