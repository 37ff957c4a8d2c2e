from __future__ import annotations

import dataclasses
import hashlib
import os
import subprocess
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import pytest
from series import small

from patchbot.errors import RepositoryError, RewriteError
from patchbot.git.commits import CommitText
from patchbot.git.store import Store
from patchbot.model import ImportedRelease, Rewrite, Suffix, TreeFile, Verdict
from patchbot.series import export, message
from patchbot.series import lock as locks

HELPERS = "crates/runtime/src/helpers.c"


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    with Store.open(tmp_path / "store.git") as store:
        yield store


@pytest.fixture
def series(store: Store) -> export.Series:
    return built(store)


def built(store: Store, rewrites: Sequence[Rewrite] | None = None) -> export.Series:
    release = small.imported(store)
    return export.build(
        store, release, small.rewrites() if rewrites is None else rewrites, small.RULES, small.SUFFIX
    )


def contents(store: Store, tree: str) -> dict[str, tuple[bytes, bool]]:
    return {f.path: (f.data, f.executable) for f in store.read_files(store.list_tree(tree))}


def series_ref(store: Store) -> str | None:
    return store.resolve(f"{export.SERIES}{small.RELEASE}")


# -- build -------------------------------------------------------------------------------------------


def test_the_last_commit_holds_the_rewritten_release_and_nothing_else(store: Store) -> None:
    series = built(store)
    assert series.lock.result_tree == store.tree_of(f"{export.SERIES}{small.RELEASE}")
    assert contents(store, series.lock.result_tree) == {
        path: (data, path in small.EXECUTABLE) for path, data in small.rewritten().items()
    }


def test_there_is_a_commit_per_patch_on_top_of_the_release(store: Store) -> None:
    series = built(store)
    ref = f"{export.SERIES}{small.RELEASE}"
    assert store.resolve(f"{ref}~2") == store.resolve(f"{export.UPSTREAM}{small.RELEASE}")
    first = contents(store, store.tree_of(f"{ref}~1"))
    assert first[HELPERS][0] == small.rewrites()[0].files[HELPERS]
    assert first["crates/runtime/src/lib.rs"][0] == small.LIB
    assert [patch.name for patch in series.patches] == ["suffix-c", "suffix-rust"]


def test_a_mail_explains_itself_and_names_no_person_day_or_machine(series: export.Series) -> None:
    release = b"Thu, 20 Apr 2023 12:34:56 +0000"
    for patch, rewrite in zip(series.patches, small.rewrites(), strict=True):
        lines = patch.mail.split(b"\n")
        assert lines[:4] == [
            b"From 0000000000000000000000000000000000000000 Mon Sep 17 00:00:00 2001",
            b"From: patchbot <patchbot@invalid>",
            b"Date: " + release,
            f"Subject: {rewrite.name}: {small.RULES[rewrite.name].subject}".encode(),
        ]
        assert f"Patchbot-Rule: {rewrite.name} {rewrite.digest}".encode() in lines
        assert patch.mail.endswith(b"\n")
        assert patch.stat == message.diffstat(patch.mail)


def test_the_lock_says_what_went_in_and_what_came_out(store: Store) -> None:
    series = built(store)
    lock = series.lock
    assert (lock.release, lock.suffix, lock.tool) == (small.RELEASE, small.SUFFIX, locks.TOOL)
    assert (lock.roots, lock.commit, lock.published) == (
        ("wasmtime-runtime",),
        small.COMMIT,
        "2023-04-20T12:34:56Z",
    )
    assert lock.base_tree == store.tree_of(f"{export.UPSTREAM}{small.RELEASE}")
    assert [(p.name, p.kind, p.rule, p.verdict, p.sha256, p.files) for p in lock.patches] == [
        (
            patch.name,
            "generated",
            rewrite.digest,
            Verdict.REGENERATED,
            hashlib.sha256(patch.mail).hexdigest(),
            tuple(sorted(rewrite.files)),
        )
        for patch, rewrite in zip(series.patches, small.rewrites(), strict=True)
    ]
    assert [crate.name for crate in lock.crates] == ["wasmtime-fiber", "wasmtime-runtime"]


def test_the_folder_has_the_order_the_mails_and_the_lock(series: export.Series) -> None:
    files = series.files()
    assert set(files) == {"series", "suffix-c.patch", "suffix-rust.patch", "release.toml"}
    assert files["series"] == b"suffix-c.patch\nsuffix-rust.patch\n"
    assert files["suffix-rust.patch"] == series.patches[1].mail
    assert locks.parse(files["release.toml"], where="here") == series.lock


def test_a_release_that_needs_nothing_has_a_series_of_nothing(store: Store) -> None:
    series = built(store, [])
    assert series.patches == ()
    assert series.lock.result_tree == series.lock.base_tree
    assert series_ref(store) == store.resolve(f"{export.UPSTREAM}{small.RELEASE}")
    assert locks.parse(series.files()["release.toml"], where="here") == series.lock


def test_a_release_that_was_not_imported_is_told(store: Store) -> None:
    release = small.imported(store)
    other = dataclasses.replace(release, release=dataclasses.replace(release.release, patch=2))
    with pytest.raises(RepositoryError, match=r"8\.0\.2 was not imported"):
        export.build(store, other, [], {}, small.SUFFIX)


def test_building_again_moves_the_ref_and_gives_the_same(store: Store) -> None:
    release = small.imported(store)
    first = export.build(store, release, small.rewrites(), small.RULES, small.SUFFIX)
    tip = series_ref(store)
    assert export.build(store, release, small.rewrites(), small.RULES, small.SUFFIX) == first
    assert series_ref(store) == tip
    shorter = export.build(store, release, small.rewrites()[:1], small.RULES, small.SUFFIX)
    assert series_ref(store) != tip
    assert shorter.lock.result_tree == store.tree_of(f"{export.SERIES}{small.RELEASE}")


def test_nothing_but_the_series_is_left_in_the_store(store: Store) -> None:
    built(store)
    assert set(store.refs("refs/")) == {"patchbot/upstream/8.0.1", "patchbot/series/8.0.1"}


def test_the_bytes_are_the_same_in_another_store_for_another_user_in_another_place(
    store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    here = built(store)
    home = tmp_path / "elsewhere"
    home.mkdir()
    (home / ".gitconfig").write_text(
        "[user]\nname = Somebody\nemail = some@body.invalid\n"
        "[diff]\nnoprefix = true\nalgorithm = patience\ncontext = 9\nrenames = copies\nmnemonicPrefix = true\n"
        "[format]\nsignature = mine\nsubjectPrefix = MINE\nattach = true\ncoverLetter = true\nsignOff = true\n"
        "[core]\nautocrlf = true\nabbrev = 4\nquotePath = false\n[color]\nui = always\n"
        "[commit]\ngpgSign = true\n[am]\nthreeWay = true\n[apply]\nwhitespace = fix\n"
    )
    monkeypatch.setenv("HOME", str(home))
    monkeypatch.delenv("XDG_CONFIG_HOME")
    monkeypatch.setenv("TZ", "Pacific/Chatham")
    monkeypatch.setenv("LC_ALL", "C")
    monkeypatch.setenv("COLUMNS", "40")
    monkeypatch.setenv("EMAIL", "other@body.invalid")
    time.tzset()
    umask = os.umask(0o077)
    try:
        # GIT_* are what a hook or a rebase that runs us would leave in the environment
        for name, value in {
            "GIT_AUTHOR_NAME": "Else", "GIT_COMMITTER_DATE": "2001-01-01T00:00:00", "GIT_DIR": str(home),
            "GIT_INDEX_FILE": str(home / "index"), "GIT_DIFF_OPTS": "--unified=0",
        }.items():  # fmt: skip
            monkeypatch.setenv(name, value)
        with Store.open(tmp_path / "far" / "away" / "store.git") as other:
            there = built(other)
            assert series_ref(other) == series_ref(store)
    finally:
        os.umask(umask)
        monkeypatch.undo()
        time.tzset()
    assert there.files() == here.files()


# -- what must not be believed -----------------------------------------------------------------------


class Misleading(Store):
    """A store whose mails put the text where the rewrite does not have it."""

    def mails(self, base: str, tip: str, *, renames: bool = False) -> tuple[bytes, ...]:
        (exported,) = super().mails(base, tip, renames=renames)
        assert b"@@ -1,5 +1,5 @@\n" in exported
        return (exported.replace(b"@@ -1,5 +1,5 @@\n", b"@@ -9,5 +9,5 @@\n"),)


class Forgetful(Store):
    """A store whose ``git am`` gives another file than the series has."""

    def am(self, folder: Path, mails: Sequence[bytes]) -> dict[str, str]:
        given = super().am(folder, mails)
        return {**given, HELPERS: "0" * 40}


class Counted(Store):
    """A store that counts how often stock git was asked."""

    asked = 0
    git_version = "git version 2.39.5"

    def am(self, folder: Path, mails: Sequence[bytes]) -> dict[str, str]:
        self.asked += 1
        return super().am(folder, mails)


@pytest.fixture
def counted(tmp_path: Path) -> Iterator[Counted]:
    with Counted.open(tmp_path / "store.git") as store:
        yield store


@pytest.fixture
def release(counted: Counted) -> ImportedRelease:
    return small.imported(counted)


def proved(
    store: Store, release: ImportedRelease, proofs: Path | None, rewrites: Sequence[Rewrite] | None = None
) -> export.Series:
    rewrites = small.rewrites() if rewrites is None else rewrites
    return export.build(store, release, rewrites, small.RULES, small.SUFFIX, proofs=proofs)


def test_git_is_asked_once_about_the_same_mails(
    counted: Counted, release: ImportedRelease, tmp_path: Path
) -> None:
    proofs = tmp_path / "proof.json"
    assert proved(counted, release, proofs) == proved(counted, release, proofs)
    assert counted.asked == 1


def test_git_is_asked_each_time_if_nobody_remembers(counted: Counted, release: ImportedRelease) -> None:
    assert proved(counted, release, None) == proved(counted, release, None)
    assert counted.asked == 2


def test_git_is_asked_again_about_other_mails(
    counted: Counted, release: ImportedRelease, tmp_path: Path
) -> None:
    proofs = tmp_path / "proof.json"
    proved(counted, release, proofs)
    proved(counted, release, proofs, small.rewrites()[:1])
    assert counted.asked == 2


def test_another_git_is_asked_itself(counted: Counted, release: ImportedRelease, tmp_path: Path) -> None:
    proofs = tmp_path / "proof.json"
    proved(counted, release, proofs)
    counted.git_version = "git version 2.51.0"
    proved(counted, release, proofs)
    assert counted.asked == 2


def test_a_proof_that_fails_is_not_remembered(tmp_path: Path) -> None:
    proofs = tmp_path / "proof.json"
    with Forgetful.open(tmp_path / "store.git") as store:
        release = small.imported(store)
        for _ in range(2):
            with pytest.raises(RepositoryError, match="git am gives another"):
                proved(store, release, proofs)
    assert not proofs.exists()


def test_the_store_says_which_git_it_asks(store: Store) -> None:
    said = subprocess.run(["git", "version"], capture_output=True, text=True, check=True).stdout
    assert store.git_version == said.strip()


def test_a_mail_that_fits_in_another_place_too_is_found_out(tmp_path: Path) -> None:
    twice = b"int f() {\n  return 1;\n}\n// end\n" * 4
    once = twice.replace(b"return 1", b"return 2", 1)
    with Misleading.open(tmp_path / "store.git") as store:
        release = small.imported(store, {HELPERS: twice})
        with pytest.raises(RepositoryError, match="git apply gives the tree") as told:
            export.build(
                store, release, [Rewrite("suffix-c", "d", {HELPERS: once})], small.RULES, small.SUFFIX
            )
        assert told.value.where == "8.0.1"
        assert series_ref(store) is None


def test_a_git_am_that_gives_something_else_is_found_out(tmp_path: Path) -> None:
    with Forgetful.open(tmp_path / "store.git") as store:
        with pytest.raises(RepositoryError, match=f"git am gives another {HELPERS} than the series"):
            built(store)
        assert series_ref(store) is None


def test_a_rewrite_that_changes_nothing_is_found_out(store: Store) -> None:
    same = Rewrite("suffix-rust", "d", {HELPERS: small.HELPERS})
    with pytest.raises(RewriteError, match=f"suffix-rust: .* differ in {HELPERS}"):
        built(store, [same])
    assert series_ref(store) is None


@pytest.mark.parametrize(
    ("before", "after"),
    [
        (b"a\r\nb\r\nc\n", b"a\r\nB\r\nc\n"),
        (b"caf\xe9 a\n", b"caf\xe9 b\n"),
        (b"a\nlast", b"b\nlast"),
        (b"a\nlast", b"a\nlost"),
        (b"trailing  \na\n\n\n", b"trailing  \nb\n\n\n"),
        (b"\tx \n+ y\n- z\n-- \nFrom x\n", b"\tX \n+ y\n- Z\n-- \nFrom X\n"),
        (b"bin\x00ary\n", b"bin\x00aries\n"),
    ],
    ids=["crlf", "not-utf8", "no-final-newline", "last-line", "white-space", "like-a-mail", "binary"],
)
def test_stock_git_takes_the_mail_of_any_file(store: Store, before: bytes, after: bytes) -> None:
    release = small.imported(store, {HELPERS: before})
    series = export.build(
        store, release, [Rewrite("suffix-c", "d", {HELPERS: after})], small.RULES, small.SUFFIX
    )
    assert contents(store, series.lock.result_tree) == {HELPERS: (after, False)}


# -- what users do with it ---------------------------------------------------------------------------


def git(folder: Path, *words: str) -> str:
    who = {"GIT_AUTHOR_NAME": "u", "GIT_AUTHOR_EMAIL": "u@invalid"}
    who |= {"GIT_COMMITTER_NAME": "u", "GIT_COMMITTER_EMAIL": "u@invalid"}
    done = subprocess.run(
        ["git", *words], cwd=folder, env={**os.environ, **who}, check=True, capture_output=True, text=True
    )
    return done.stdout


def checkout(folder: Path, files: Mapping[str, bytes]) -> Path:
    """An ordinary repository with the release's files, and others that no crate has."""
    for path, data in {**files, "README.md": b"hello\n", "tests/all.rs": b"engine_enter\n"}.items():
        file = folder / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(data)
        if path in small.EXECUTABLE:
            file.chmod(0o755)
    git(folder, "init", "--quiet")
    git(folder, "add", "--all")
    git(folder, "commit", "--quiet", "--message", "a tag of upstream's repository")
    return folder


def test_stock_git_am_in_a_clone_with_other_files_gives_the_recorded_result(
    store: Store, tmp_path: Path
) -> None:
    series = built(store)
    export.write_folder(series, tmp_path / "patches" / "8.0.1")
    clone = checkout(tmp_path / "clone", small.FILES)
    # as a shell expands *.patch: the names sort in the order of the series
    mails = sorted(map(str, (tmp_path / "patches" / "8.0.1").glob("*.patch")))
    git(clone, "am", "--quiet", *mails)
    order = (tmp_path / "patches" / "8.0.1" / "series").read_text().split()
    assert [Path(name).name for name in mails] == order
    wanted = {e.path: f"{e.mode} {e.oid}" for e in store.list_tree(series.lock.result_tree)}
    listed = (line.split("\t") for line in git(clone, "ls-tree", "-r", "HEAD").splitlines())
    given = {path: meta.replace(" blob ", " ") for meta, path in listed}
    assert {path: given[path] for path in wanted} == wanted
    assert given.keys() - wanted.keys() == {"README.md", "tests/all.rs"}
    assert wanted["crates/runtime/configure"].startswith("100755 ")
    assert git(clone, "log", "--format=%an|%ad|%s", "--date=raw", "-2").splitlines() == [
        "patchbot|1681994096 +0000|suffix-rust: give names made by Rust the suffix",
        "patchbot|1681994096 +0000|suffix-c: give the names of C files the suffix",
    ]


def test_stock_git_am_refuses_the_patches_on_another_release(store: Store, tmp_path: Path) -> None:
    series = built(store)
    other = {**small.FILES, HELPERS: small.HELPERS.replace(b"engine_enter", b"engine_start")}
    clone = checkout(tmp_path / "clone", other)
    (tmp_path / "p.patch").write_bytes(series.patches[0].mail)
    with pytest.raises(subprocess.CalledProcessError):
        git(clone, "am", "--quiet", str(tmp_path / "p.patch"))


# -- the folder --------------------------------------------------------------------------------------


def test_a_folder_is_written_once(series: export.Series, tmp_path: Path) -> None:
    folder = tmp_path / "8.0.1"
    assert export.read_folder(folder) == {}
    assert export.write_folder(series, folder)
    assert export.read_folder(folder) == series.files()
    before = {file.name: (file.stat().st_mtime_ns, file.stat().st_ino) for file in folder.iterdir()}
    assert not export.write_folder(series, folder)
    assert {f.name: (f.stat().st_mtime_ns, f.stat().st_ino) for f in folder.iterdir()} == before
    assert [entry.name for entry in tmp_path.iterdir() if entry.name.startswith(".")] == []


def test_strays_and_changes_are_named_and_replaced(series: export.Series, tmp_path: Path) -> None:
    folder = tmp_path / "8.0.1"
    export.write_folder(series, folder)
    assert export.differences(series, folder) == {}
    (folder / "suffix-c.patch").unlink()
    (folder / "suffix-rust.patch").write_bytes(series.patches[1].mail + b"\n")
    (folder / "old.patch").write_bytes(b"x")
    (folder / "rejects").mkdir()
    (folder / "dangling").symlink_to(folder / "nowhere")
    assert export.differences(series, folder) == {
        "dangling": "does not belong here",
        "old.patch": "does not belong here",
        "rejects": "does not belong here",
        "suffix-c.patch": "is missing",
        "suffix-rust.patch": "differs from what is generated",
    }
    assert export.write_folder(series, folder)
    assert export.differences(series, folder) == {}
    assert {entry.name for entry in folder.iterdir()} == set(series.files())


def test_a_folder_that_is_not_there_lacks_everything(series: export.Series, tmp_path: Path) -> None:
    assert export.differences(series, tmp_path / "nowhere") == dict.fromkeys(series.files(), "is missing")


def test_a_lock_of_another_tool_version_is_no_difference(series: export.Series, tmp_path: Path) -> None:
    folder = tmp_path / "8.0.1"
    older = dataclasses.replace(series, lock=dataclasses.replace(series.lock, tool="patchbot 0.0.1"))
    export.write_folder(older, folder)
    assert export.differences(series, folder) == {}
    assert not export.write_folder(series, folder)
    assert b'tool = "patchbot 0.0.1"' in (folder / "release.toml").read_bytes()


@pytest.mark.parametrize(
    "change",
    [
        {"commit": "f" * 40},
        {"suffix": Suffix("_8_0_1_other")},
        {"published": "2023-04-21T00:00:00Z"},
        {"crates": ()},
        {"roots": ("wasmtime",)},
    ],
)
def test_any_other_line_of_the_lock_is_a_difference(
    series: export.Series, tmp_path: Path, change: dict[str, object]
) -> None:
    folder = tmp_path / "8.0.1"
    changed = dataclasses.replace(series.lock, tool="patchbot 0.0.1", **change)  # type: ignore[arg-type]
    export.write_folder(dataclasses.replace(series, lock=changed), folder)
    assert export.differences(series, folder) == {"release.toml": "differs from what is generated"}


@pytest.mark.parametrize(
    "damage",
    [b"", b"tool = 3\n", b"<<<<<<< HEAD\n", b"\xff"],
)
def test_a_lock_that_cannot_be_read_is_a_difference_and_is_replaced(
    series: export.Series, tmp_path: Path, damage: bytes
) -> None:
    folder = tmp_path / "8.0.1"
    export.write_folder(series, folder)
    (folder / "release.toml").write_bytes(damage)
    assert export.differences(series, folder) == {"release.toml": "differs from what is generated"}
    assert export.write_folder(series, folder)
    assert export.read_folder(folder) == series.files()


def test_a_comment_in_the_lock_is_a_difference(series: export.Series, tmp_path: Path) -> None:
    folder = tmp_path / "8.0.1"
    export.write_folder(series, folder)
    file = folder / "release.toml"
    file.write_bytes(file.read_bytes() + b"# by hand\n")
    assert set(export.differences(series, folder)) == {"release.toml"}


def test_modes_of_files_that_no_patch_touches_are_kept(store: Store) -> None:
    text = CommitText(message="m\n", author="a <a@invalid>", date="0 +0000")
    files = [TreeFile("run.sh", b"#!/bin/sh\n", executable=True), TreeFile("a.c", b"1\n")]
    commit = store.commit_tree(files, text)
    store.update_refs({f"{export.UPSTREAM}{small.RELEASE}": (commit, None)})
    release = ImportedRelease(
        small.RELEASE, ("a",), small.COMMIT, store.tree_of(commit), "2023-01-01T00:00:00Z", ()
    )
    rewrite = Rewrite("suffix-c", "d", {"a.c": b"2\n"})
    series = export.build(store, release, [rewrite], small.RULES, small.SUFFIX)
    modes = {entry.path: entry.mode for entry in store.list_tree(series.lock.result_tree)}
    assert modes == {"a.c": "100644", "run.sh": "100755"}
