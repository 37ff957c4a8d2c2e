from __future__ import annotations

import os
import subprocess
from collections.abc import Mapping
from pathlib import Path

import pytest

from patchbot.errors import RepositoryError, UsageError
from patchbot.git.borrowed import borrow, resolve_in
from patchbot.git.commits import CommitText, TreeChange

WHO = {f"GIT_{who}_{what}": "x@x.invalid" for who in ("AUTHOR", "COMMITTER") for what in ("NAME", "EMAIL")}
TEXT = CommitText(message="words\n", author="A <a@b.invalid>", date="1700000000 +0000")


def git(place: Path, *args: str, env: Mapping[str, str] | None = None, stdin: bytes = b"") -> str:
    done = subprocess.run(
        ["git", "-C", place, *args],
        capture_output=True,
        check=True,
        input=stdin,
        env={**os.environ, **WHO, **(env or {})},
    )
    return done.stdout.decode().strip()


def made(place: Path, *flags: str) -> Path:
    place.mkdir(parents=True)
    git(place, "init", "--quiet", "--initial-branch=main", "--template=", *flags)
    for number in range(3):
        (place / "d").mkdir(exist_ok=True)
        (place / "d" / "x").write_text("".join(f"{n} of {number}\n" for n in range(20)))
        git(place, "add", "--all")
        git(place, "commit", "--quiet", "-m", f"number {number}")
    return place


@pytest.fixture(params=["sha1", "sha256"])
def repo(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    return made(tmp_path / "repo", f"--object-format={request.param}")


def test_objects_are_read_as_git_has_them(repo: Path) -> None:
    tree, blob = git(repo, "rev-parse", "HEAD^{tree}"), git(repo, "rev-parse", "HEAD:d/x")
    folder = git(repo, "rev-parse", "HEAD:d")
    with borrow(repo) as store:
        assert store.read_tree(tree) == {b"d": (b"40000", b"d", bytes.fromhex(folder))}
        assert store.read_tree(folder) == {b"x": (b"100644", b"x", bytes.fromhex(blob))}
        data = store.blob(blob)
        assert data == (repo / "d/x").read_bytes()
        assert store.digest(data) == blob
        assert store.digest(b"") == git(repo, "hash-object", "--stdin")
        assert store.blob(tree) is None
        assert store.find_object("0" * len(blob)) is None
        assert store.find_object(blob) == ("blob", data)
        with pytest.raises(RepositoryError, match="does not have the tree"):
            store.read_tree("0" * len(blob))


def test_what_is_made_is_lent_back_whole_and_without_a_branch(repo: Path) -> None:
    head = git(repo, "rev-parse", "HEAD")
    with borrow(repo) as store:
        (tip,) = store.commit_series(head, [([TreeChange("new", "100644", b"new\n")], TEXT)])
        alone = store.commit_of(git(repo, "rev-parse", "HEAD^{tree}"))
        (other,) = store.commit_series(alone, [([TreeChange("d/x")], TEXT)])
        assert subprocess.run(
            ["git", "-C", repo, "cat-file", "-e", tip], capture_output=True, check=False
        ).returncode
        assert store.lend_back()
        assert store.lend_back()  # once more does no harm
    assert git(repo, "show", f"{tip}:new") == "new"
    assert git(repo, "rev-list", "--count", tip) == "4"
    assert git(repo, "rev-list", "--count", other) == "2"
    assert git(repo, "for-each-ref", "--format=%(refname)") == "refs/heads/main"
    assert git(repo, "fsck", "--strict", "--no-dangling") == ""
    assert not list((repo / ".git/objects/pack").glob(".*"))


def test_a_copy_that_fails_is_said_and_leaves_nothing(repo: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(source: Path, target: Path) -> None:
        target.write_bytes(source.read_bytes()[:10])
        raise OSError(28, "No space left on device")

    with borrow(repo) as store:
        store.commit_series(git(repo, "rev-parse", "HEAD"), [([TreeChange("new", "100644", b"new\n")], TEXT)])
        monkeypatch.setattr("shutil.copyfile", full)
        assert not store.lend_back()
    assert list((repo / ".git/objects/pack").iterdir()) == []


def test_a_tree_alone_has_the_same_commit_everywhere(repo: Path, tmp_path: Path) -> None:
    tree = git(repo, "rev-parse", "HEAD^{tree}")
    with borrow(repo) as store:
        one = store.commit_of(tree)
    git(tmp_path, "clone", "--quiet", "--bare", "--template=", str(repo), "other.git")
    with borrow(tmp_path / "other.git") as store:
        assert store.commit_of(tree) == one
        assert store.tree_of(one) == tree


def test_commits_come_oldest_first_and_a_merge_is_refused(repo: Path) -> None:
    rows = git(repo, "rev-list", "--reverse", "HEAD").split()
    merge = git(repo, "commit-tree", "-m", "m", "-p", "HEAD", "-p", "HEAD~1", "HEAD^{tree}")
    with borrow(repo) as store:
        assert store.commits(rows[0], rows[2]) == rows[1:]
        assert store.commits(rows[2], rows[0]) == []
        with pytest.raises(UsageError, match="is a merge"):
            store.commits(rows[0], merge)


def test_the_throw_away_repository_is_thrown_away(
    repo: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    scratch = tmp_path / "scratch"
    scratch.mkdir()
    monkeypatch.setattr("tempfile.tempdir", str(scratch))
    with borrow(repo) as store:
        assert store.path.is_relative_to(scratch)
        store.blob(git(repo, "rev-parse", "HEAD:d/x"))
    assert list(scratch.iterdir()) == []
    with pytest.raises(KeyError), borrow(repo):
        raise KeyError
    assert list(scratch.iterdir()) == []


def test_a_damaged_object_ends_the_reading_with_its_id(tmp_path: Path) -> None:
    repo = made(tmp_path / "repo")
    blob = git(repo, "rev-parse", "HEAD:d/x")
    file = repo / ".git/objects" / blob[:2] / blob[2:]
    file.chmod(0o644)
    file.write_bytes(file.read_bytes()[:-9] + b"damaged!!")
    with borrow(repo) as store:
        for _ in range(3):
            with pytest.raises(RepositoryError, match=blob):
                store.blob(blob)


@pytest.mark.parametrize(
    "name",
    ['a "b" c', "a\nb", "\n", "a\\nb", "ü", "\udce9", "a'b$(x)`y`", "#a", ":a;b", " a ", "\u2028\x85", "-x"],
)
def test_a_repository_may_be_anywhere(tmp_path: Path, name: str) -> None:
    repo = made(tmp_path / name)
    tip = git(repo, "rev-parse", "HEAD")
    assert resolve_in(repo, ["HEAD"]) == [tip]
    with borrow(repo) as store:
        assert store.blob(git(repo, "rev-parse", "HEAD:d/x")) == (repo / "d/x").read_bytes()
        assert store.lend_back()


@pytest.mark.parametrize("name", ["nowhere", "file", "empty", ".git/refs"])
def test_what_is_no_repository_is_refused(tmp_path: Path, name: str) -> None:
    (tmp_path / "file").write_text("x")
    (tmp_path / "empty").mkdir()
    with (
        pytest.raises(RepositoryError, match=r"no such folder|not a git repository"),
        borrow(tmp_path / name),
    ):
        pass


def test_revisions_are_resolved_at_once_and_the_wrong_one_is_named(tmp_path: Path) -> None:
    repo = made(tmp_path / "repo")
    git(repo, "tag", "-a", "-m", "t", "v1")
    head, tree = git(repo, "rev-parse", "HEAD"), git(repo, "rev-parse", "HEAD^{tree}")
    assert resolve_in(repo, ["v1^{}", "HEAD^{tree}", "main@{0}", ":/number 2", head[:10]]) == [
        head,
        tree,
        head,
        head,
        head,
    ]
    for wrong in ("nothing", "", "HEAD:nothing", "main..main", "^main", "HEAD^{blob}", "0" * 40 + "^{tree}"):
        with pytest.raises(UsageError) as caught:
            resolve_in(repo, ["HEAD", wrong])
        assert wrong.partition("^{")[0] in caught.value.what
    for wrong in ("--all", "-x", "a\0b", "a\nb"):
        with pytest.raises(UsageError, match="is no revision"):
            resolve_in(repo, [wrong])


def test_what_is_replaced_or_grafted_is_read_as_it_is(tmp_path: Path) -> None:
    repo = made(tmp_path / "repo")
    old, new = git(repo, "rev-parse", "HEAD~1"), git(repo, "rev-parse", "HEAD")
    git(repo, "replace", new, old)
    tree = git(repo, "--no-replace-objects", "rev-parse", f"{new}^{{tree}}")
    assert resolve_in(repo, [f"{new}^{{tree}}"]) == [tree]
    with borrow(repo) as store:
        assert store.tree_of(new) == tree
        assert store.commits(f"{new}~2", new) == [old, new]


def test_a_repository_of_another_person_is_read_all_the_same(tmp_path: Path) -> None:
    if os.geteuid():
        pytest.skip("only root can give files away")
    repo = made(tmp_path / "repo")
    tip = git(repo, "rev-parse", "HEAD")
    for place in (repo, *repo.rglob("*")):
        os.chown(place, 12345, 12345)
    done = subprocess.run(["git", "-C", repo, "rev-parse", "HEAD"], capture_output=True, check=False)
    assert b"dubious ownership" in done.stderr
    assert resolve_in(repo, ["HEAD"]) == [tip]
    with borrow(repo) as store:
        assert store.tree_of(tip)


def test_a_folder_inside_a_repository_is_that_repository(tmp_path: Path) -> None:
    repo = made(tmp_path / "repo")
    with borrow(repo / "d") as store:
        assert store.tree_of(resolve_in(repo / "d", ["HEAD"])[0])
        assert store._objects == repo / ".git/objects"


def test_a_large_file_is_read_in_one_piece(tmp_path: Path) -> None:
    repo = made(tmp_path / "repo")
    data = b"\0line\n" * 500_000
    blob = git(repo, "hash-object", "-w", "--stdin", stdin=data)
    with borrow(repo) as store:
        assert store.blob(blob) == data
        assert store.blob(git(repo, "rev-parse", "HEAD:d/x")) == (repo / "d/x").read_bytes()
