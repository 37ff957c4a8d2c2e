"""Nothing is lost: as many verdicts as patches, and what is exported is what stock git makes of it."""

from __future__ import annotations

import dataclasses
import shutil
import subprocess
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from patchbot.model import Verdict
from patchbot.pipeline.rebase import Request, Result, run
from patchbot.report.terminal import Reporter
from patchbot.series import folder

Files = Mapping[str, tuple[str, bytes]]  # path → mode and bytes

LINES = [f"line {n} of many\n".encode() for n in range(24)]
START: Files = {
    "src/lib.rs": (
        "100644",
        b"fn one() {\n" + b"".join(LINES[:10]) + b"}\n\nfn two() {\n" + b"".join(LINES[10:18]) + b"}\n",
    ),
    "src/deep/mod.rs": ("100644", b"".join(LINES[3:15])),
    "crlf.txt": ("100644", b"".join(line.replace(b"\n", b"\r\n") for line in LINES[:9]) + b"no end"),
    "run.sh": ("100755", b"#!/bin/sh\necho\n" + b"".join(LINES[:8])),
    "logo": ("100644", b"\0\1\2" * 40),
    "link": ("120000", b"run.sh"),
}
EXTRA = ["src/new.rs", "src/deep/new.rs", "other/file", "logo2", "link"]


@st.composite
def edited(draw: st.DrawFn, files: Files) -> Files:
    """One small change of a tree, never none."""
    out = dict(files)
    path = draw(st.sampled_from(sorted(out)))
    mode, data = out[path]
    number = draw(st.integers(0, 99))
    fresh = f"fresh line number {number}\n".encode()
    kind = draw(
        st.sampled_from(
            ["line", "line", "line", "insert", "insert", "drop", "mode", "move", "gone", "new", "bytes"]
        )
    )
    rows = data.splitlines(keepends=True)
    at = draw(st.integers(0, max(len(rows) - 1, 0)))
    text = mode != "120000" and b"\0" not in data and len(rows) > 3
    if kind == "new" or len(out) < 3:
        out[draw(st.sampled_from(EXTRA))] = ("100644", fresh * 3)
    elif kind == "mode" and mode != "120000":
        out[path] = ("100755" if mode == "100644" else "100644", data)
    elif kind == "move":
        del out[path]
        out[f"{path}.moved{number}"] = (mode, data)
    elif kind == "gone":
        del out[path]
    elif text and kind == "insert":
        out[path] = (mode, b"".join([*rows[:at], fresh, *rows[at:]]))
    elif text and kind == "drop":
        out[path] = (mode, b"".join(rows[:at] + rows[at + 1 :]))
    elif text and kind == "line":
        out[path] = (mode, b"".join([*rows[:at], fresh, *rows[at + 1 :]]))
    else:
        out[path] = (mode, data + fresh if mode != "120000" else fresh.strip())
    return out if out != dict(files) else {**out, "more": ("100644", out.get("more", ("", b""))[1] + fresh)}


@st.composite
def stories(draw: st.DrawFn) -> tuple[list[Files], Files]:
    """A series of trees from ``START`` on, and what upstream made of ``START`` (perhaps with some of the series)."""
    series: list[Files] = [START]
    for _ in range(draw(st.integers(1, 6))):
        series.append(draw(edited(series[-1])))
    onto: Files = series[draw(st.sampled_from([0, 0, 0, 1]))]
    for _ in range(draw(st.integers(0, 4))):
        onto = draw(edited(onto))
    return series, onto


def git(repo: Path, *args: str, stdin: bytes = b"") -> bytes:
    done = subprocess.run(
        ["git", "-C", repo, "-c", "user.name=x", "-c", "user.email=x@x.invalid", *args],
        input=stdin, capture_output=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    return done.stdout


def recorded(repo: Path, series: list[Files], onto: Files) -> None:
    """Make the branches base, topic (a commit per tree) and onto."""
    rows = []
    for number, files in enumerate([*series, onto]):
        ref = "base" if number == 0 else "onto" if number == len(series) else "topic"
        parent = {"base": b"", "onto": b"from :1\n"}.get(ref, b"from :%d\n" % number)
        words = b"change %d\n\nWhy it is there.\n" % number
        rows.append(b"commit refs/heads/%s\nmark :%d\n" % (ref.encode(), number + 1))
        rows.append(b"committer A B <a@b.invalid> %d +0100\n" % (1700000000 + number))
        rows.append(b"data %d\n%s%sdeleteall\n" % (len(words), words, parent))
        rows += [
            b"M %s inline %s\ndata %d\n%s\n" % (mode.encode(), path.encode(), len(data), data)
            for path, (mode, data) in files.items()
        ]
    git(repo, "fast-import", "--quiet", "--force", stdin=b"".join(rows))


def rebased(repo: Path, out: Path, **options: object) -> Result:
    request = Request(repository=repo, base=None, onto="onto", out=out)
    return run(dataclasses.replace(request, **options), Reporter(quiet=True))  # type: ignore[arg-type]


def contents(place: Path) -> dict[str, bytes]:
    return {str(f.relative_to(place)): f.read_bytes() for f in place.rglob("*") if f.is_file()}


def by_am(repo: Path, onto: str, place: Path) -> str:
    """Return the tree that stock ``git am`` makes of an exported series."""
    work = repo / "work"
    if not (work / ".git").exists():
        git(repo, "worktree", "add", "--quiet", "--detach", "-f", str(work), onto)
    git(work, "checkout", "--quiet", "--force", "--detach", onto)
    git(work, "clean", "-ffdqx")
    mails = [str(place / name) for name in (place / folder.ORDER).read_text().split()]
    if mails:
        git(work, "am", "--quiet", "--keep-cr", "--no-gpg-sign", *mails)
    return git(work, "rev-parse", "HEAD^{tree}").decode().strip()


@pytest.fixture
def repo(tmp_path: Path) -> Path:
    git(tmp_path, "-c", "init.defaultBranch=none", "init", "--quiet", "--template=", "repo")
    return tmp_path / "repo"


@pytest.fixture(autouse=True)
def nothing_is_left_behind(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    scratch = tmp_path / "scratch"
    scratch.mkdir()
    monkeypatch.setattr("tempfile.tempdir", str(scratch))
    yield
    assert list(scratch.iterdir()) == []


@settings(max_examples=14, deadline=None, suppress_health_check=list(HealthCheck))
@given(story=stories())
def test_every_patch_has_one_verdict_and_the_export_is_what_git_makes_of_it(
    repo: Path, tmp_path: Path, story: tuple[list[Files], Files]
) -> None:
    series, onto = story
    recorded(repo, series, onto)
    out = tmp_path / "out"
    result = rebased(repo, out, commits="base..topic")
    # one verdict each, in order
    names = [outcome.patch.name for outcome in result.outcomes]
    assert names == [f"change-{number}-Why-it-is-there"[: len(name)] for number, name in enumerate(names, 1)]
    assert len(names) == len(series) - 1
    # what is open is never exported
    applied = [outcome.patch.name for outcome in result.outcomes if outcome.verdict.applied]
    assert list(result.mails) == applied
    assert (out / folder.ORDER).read_text().split() == [f"{name}.patch" for name in applied]
    for outcome in result.outcomes:
        assert (outcome.verdict is Verdict.CONFLICT) == bool(outcome.conflicts)
        assert (out / "conflicts" / outcome.patch.name / "original.patch").exists() == outcome.verdict.open
    # stock git comes to the same tree
    assert by_am(repo, "onto", out) == result.tree
    assert git(repo, "rev-parse", f"{result.commit}^{{tree}}").decode().strip() == result.tree
    assert git(repo, "fsck", "--no-dangling", "--connectivity-only", result.commit) == b""
    # a second run gives the same bytes
    first = contents(out)
    assert rebased(repo, out, commits="base..topic").to_json() == result.to_json()
    assert contents(out) == first
    # and the new series fits its own base as it stands
    if applied:
        again = rebased(repo, tmp_path / "again", base="onto", patches=out, onto="onto")
        assert {outcome.verdict for outcome in again.outcomes} == {Verdict.UNCHANGED}
        assert contents(tmp_path / "again") == {
            k: v for k, v in first.items() if not k.startswith("conflicts/")
        }
    shutil.rmtree(tmp_path / "again", ignore_errors=True)
    shutil.rmtree(out)


@settings(max_examples=12, deadline=None, suppress_health_check=list(HealthCheck))
@given(story=stories(), moves=st.booleans())
def test_on_its_own_base_a_series_is_unchanged_to_the_byte(
    repo: Path,
    tmp_path: Path,
    story: tuple[list[Files], Files],
    moves: bool,  # noqa: FBT001
) -> None:
    recorded(repo, *story)
    carried, out = tmp_path / "carried", tmp_path / "out"
    flags = ("--full-index", "--binary", "--find-renames" if moves else "--no-renames")
    git(repo, "format-patch", "--quiet", *flags, "-o", str(carried), "base..topic")
    given_files = contents(carried)
    result = rebased(repo, out, base="base", patches=carried, onto="base")
    assert {outcome.verdict for outcome in result.outcomes} == {Verdict.UNCHANGED}
    assert result.tree == git(repo, "rev-parse", "topic^{tree}").decode().strip()
    found = contents(out)
    assert found.pop(folder.ORDER).decode().split() == sorted(given_files)
    assert found == given_files
    once = contents(out)
    rebased(repo, tmp_path / "twice", base="base", patches=out, onto="base")
    assert contents(tmp_path / "twice") == once
    for place in (carried, out, tmp_path / "twice"):
        shutil.rmtree(place)


TEXT = ("100644", b"".join(LINES))
TEXT2 = ("100644", b"".join([*LINES[:4], b"between\n", *LINES[4:]]))
ODD: dict[str, list[Files]] = {
    "a file becomes a folder": [{"a": TEXT}, {"a/b": TEXT2}],
    "a folder becomes a file": [{"a/b": TEXT, "a/c": TEXT}, {"a": ("100644", b"x\n")}],
    "a file becomes a folder and a file again": [{"a": TEXT}, {"a/b": TEXT}, {"a": TEXT2}],
    "a file becomes a symlink and a file again": [{"a": TEXT}, {"a": ("120000", b"b")}, {"a": TEXT2}],
    "a file goes after it was changed": [{"a": TEXT, "b": TEXT}, {"a": TEXT2, "b": TEXT}, {"b": TEXT}],
    "a file comes, goes and comes": [
        {"b": TEXT},
        {"a": TEXT, "b": TEXT},
        {"b": TEXT},
        {"a": TEXT2, "b": TEXT},
    ],
    "a name changes case": [{"Name": TEXT}, {"name": TEXT2}],
    "a folder changes case": [{"Dir/x": TEXT, "Dir/y": TEXT}, {"dir/z": ("100644", b"new\n")}],
    "a folder is emptied and filled again": [
        {"d/a": TEXT, "b": TEXT},
        {"b": TEXT},
        {"d/new": TEXT2, "b": TEXT},
    ],
    "two files swap their names": [
        {"a": TEXT, "b": ("100644", b"x\n" * 9)},
        {"b": TEXT, "a": ("100644", b"x\n" * 9)},
    ],
    "a chain of moves": [{"a": TEXT}, {"b": TEXT}, {"c": TEXT2}, {"a": TEXT2}],
    "a move over a removed file": [{"a": TEXT, "b": ("100644", b"\0bin")}, {"b": TEXT}],
}


@pytest.mark.parametrize("story", ODD.values(), ids=ODD)
@pytest.mark.parametrize("source", ["commits", "mails", "breaks"])
def test_paths_that_change_hands_are_unchanged_on_their_own_base(
    repo: Path, tmp_path: Path, story: list[Files], source: str
) -> None:
    recorded(repo, story, story[0])
    carried, out = tmp_path / "carried", tmp_path / "out"
    if source == "commits":
        result = rebased(repo, out, commits="base..topic", onto="base")
    else:
        flags = ("-M", "-B") if source == "breaks" else ("--no-renames",)
        git(
            repo,
            "format-patch",
            "--quiet",
            "--full-index",
            "--binary",
            *flags,
            "-o",
            str(carried),
            "base..topic",
        )
        result = rebased(repo, out, base="base", patches=carried, onto="base")
    assert {outcome.verdict for outcome in result.outcomes} == {Verdict.UNCHANGED}
    assert result.tree == git(repo, "rev-parse", "topic^{tree}").decode().strip()
    assert by_am(repo, "base", out) == result.tree


def test_what_upstream_makes_of_a_file_that_is_no_text_is_never_lost(repo: Path, tmp_path: Path) -> None:
    # a patch that changes the mode alone says nothing of the bytes; the next one must not take them for its own
    words = b"".join(LINES)
    series: list[Files] = [
        {"a": ("100644", words)},
        {"a": ("100755", words)},
        {"a": ("100755", words.replace(b"line 3 ", b"line three "))},
    ]
    recorded(repo, series, {"a": ("100644", b"upstream\0" + words)})
    result = rebased(repo, tmp_path / "out", commits="base..topic")
    assert [outcome.verdict for outcome in result.outcomes] == [Verdict.SHIFTED, Verdict.CONFLICT]
    assert git(repo, "cat-file", "blob", f"{result.commit}:a") == b"upstream\0" + words


def test_a_mode_that_upstream_changed_is_upstreams(repo: Path, tmp_path: Path) -> None:
    recorded(repo, [{"a": TEXT}, {"a": TEXT2}], {"a": ("100755", TEXT[1])})
    result = rebased(repo, tmp_path / "out", commits="base..topic")
    assert [outcome.verdict for outcome in result.outcomes] == [Verdict.MERGED]
    assert git(repo, "ls-tree", result.tree).startswith(b"100755 ")
    assert by_am(repo, "onto", tmp_path / "out") == result.tree


def test_hunks_side_by_side_are_one_change(repo: Path, tmp_path: Path) -> None:
    recorded(repo, [{"a": TEXT}, {"a": TEXT2}], {"a": ("100644", b"new\n" + TEXT[1])})
    carried = tmp_path / "carried"
    carried.mkdir()
    hunks = "@@ -9 +9 @@\n-line 8 of many\n+eight\n@@ -10 +10 @@\n-line 9 of many\n+nine\n"
    (carried / "p.patch").write_text(f"--- a/a\n+++ b/a\n{hunks}")
    result = rebased(repo, tmp_path / "out", base="base", patches=carried)
    assert [outcome.verdict for outcome in result.outcomes] == [Verdict.SHIFTED]
    rows = git(repo, "cat-file", "blob", f"{result.commit}:a").splitlines()
    assert rows[8:12] == [b"line 7 of many", b"eight", b"nine", b"line 10 of many"]
