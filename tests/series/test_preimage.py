from __future__ import annotations

import itertools
import os
import random
import subprocess
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from patchbot.errors import PatchbotError, RepositoryError
from patchbot.git.borrowed import Borrowed, borrow
from patchbot.pipeline.gitobjects import GitObjects
from patchbot.series.mails import mail
from patchbot.series.merge import preimage
from patchbot.series.merge.preimage import Blobs, Step
from patchbot.series.merge.trees import Entry, Tree

Files = Mapping[bytes, tuple[str, bytes]]  # path → mode and bytes

IDENTITY = {
    f"GIT_{who}_{what}": value
    for who in ("AUTHOR", "COMMITTER")
    for what, value in {"NAME": "An Author", "EMAIL": "an@author.invalid", "DATE": "1700000000 -0330"}.items()
}


def git(repo: Path, *args: str, stdin: bytes = b"") -> bytes:
    environment = {**os.environ, **IDENTITY}
    return subprocess.run(
        ["git", "-C", repo, *args], input=stdin, capture_output=True, check=True, env=environment
    ).stdout


def committed(repo: Path, *trees: Files) -> list[str]:
    """Commit trees, each on top of the one before, by one git; return the commits."""
    stream = b""
    for number, files in enumerate(trees, 1):
        stream += (
            b"commit refs/heads/made\nmark :%d\ncommitter An Author <an@author.invalid> 1700000000 -0330\n"
            % (number)
        )
        stream += b"data 5\nwords\n"
        stream += b"from :%d\ndeleteall\n" % (number - 1) if number > 1 else b""
        for path, (mode, data) in files.items():
            quoted = b'"' + b"".join(b"\\%03o" % byte for byte in path) + b'"'
            stream += b"M %s inline %s\ndata %d\n%s\n" % (mode.encode(), quoted, len(data), data)
    marks = repo / "marks"
    git(repo, "fast-import", "--quiet", "--force", f"--export-marks={marks}", stdin=stream)
    found = dict(line.split() for line in marks.read_text().splitlines())
    return [found[f":{number}"] for number in range(1, len(trees) + 1)]


def listed(repo: Path, tree: str) -> dict[str, Entry]:
    rows = git(repo, "ls-tree", "-r", "-z", "--full-tree", tree).split(b"\0")[:-1]
    out = {}
    for row in rows:
        meta, _, path = row.partition(b"\t")
        mode, _, oid = meta.decode().split()
        out[os.fsdecode(path)] = Entry(mode, oid)
    return out


def mail_of(repo: Path, commit: str, *flags: str) -> bytes:
    return git(repo, "format-patch", "--stdout", "-1", "--binary", "--full-index", *flags, commit)


def stepped(
    store: Borrowed, old: str, data: bytes, name: str = "p"
) -> tuple[tuple[Step, ...], dict[str, Entry]]:
    """Apply a mail to a tree; return its steps and all files of the result."""
    objects = GitObjects(store)
    tree = Tree(old, objects.tree)
    steps = preimage.steps(
        mail.parse(data, name, f"{name}.patch", strict=False), tree, Blobs(objects.blob, objects.digest)
    )
    out = dict(listed(store.lender, old))
    for path, entry in tree.changes().items():
        out.pop(path, None)
        if entry is not None:
            out[path] = entry
    return steps, out


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Borrowed]:
    with lent(tmp_path_factory.mktemp("shared")) as store:
        yield store


@contextmanager
def lent(folder: Path) -> Iterator[Borrowed]:
    git(folder, "-c", "init.defaultBranch=main", "init", "--quiet", "--template=", ".")
    with borrow(folder) as store:
        yield store


# -- whatever git writes is read as git reads it ----------------------------------------------------

NOISE = random.Random(5).randbytes(1500)  # noqa: S311 - nothing secret
PATHS = [
    *(b"a", b"b", b"d/b", b"d/e/f.rs", b"with space", b"a b/c d", b'q"uote', b"back\\slash", b"tab\there"),
    *("ünï/cödé".encode(), b"lat\xe9in", b"new\nline", b"trailing ", b" lead", b"x b/x", b"b/x", b"dev/null"),
    b'"both"',
]
LINES = st.sampled_from(
    [
        b"one\n",
        b"two\n",
        b"three\r\n",
        b"\n",
        b"-- \n",
        b"--- a\n",
        b"+++ b\n",
        b"@@ -1 +1 @@\n",
        b"lat\xe9\n",
        b"\r\n",
        b"diff --git a/a b/a\n",
        b"\\ No newline\n",
        b"From 0 Mon\n",
        b"  \t \n",
    ]
)
TEXTS = st.builds(
    lambda lines, last: b"".join(lines) + last,
    st.lists(LINES, max_size=12),
    st.sampled_from([b"", b"", b"end", b"\r"]),
)
BYTES = st.one_of(
    TEXTS,
    TEXTS,
    st.binary(min_size=1, max_size=40).map(lambda data: b"\0" + data),
    st.integers(0, 1400).map(lambda at: NOISE[:at] + b"\0changed" + NOISE[at:]),
)
FILES = st.one_of(
    st.tuples(st.sampled_from(["100644", "100644", "100755"]), BYTES),
    st.tuples(st.just("120000"), st.sampled_from([b"a", b"../b", b"no\nwhere", b"lat\xe9"])),
)


def placeable(files: Files) -> Files:
    """Leave out what cannot be a file because another one is below it."""
    return {p: f for p, f in files.items() if not any(other.startswith(p + b"/") for other in files)}


TREES = st.dictionaries(st.sampled_from([*PATHS, b"d"]), FILES, max_size=7).map(placeable)


@st.composite
def pairs(draw: st.DrawFn) -> tuple[Files, Files]:
    """Two trees of which the second has much of the first, here or elsewhere."""
    old, new = dict(draw(TREES)), dict(draw(TREES))
    for path in sorted(old):
        fate = draw(st.sampled_from(["gone", "kept", "mode", "moved", "more"]))
        mode, data = old[path]
        if fate == "gone" or path in new:
            continue
        if fate == "mode":
            mode = {"100644": "100755", "100755": "120000", "120000": "100644"}[mode]
            data = data.replace(b"\0", b"") or b"a" if mode == "120000" else data
        elif fate == "moved":
            path = b"moved/" + path  # noqa: PLW2901
        elif fate == "more" and mode != "120000":
            data = b"".join((data[: len(data) // 2], b"some\n", data[len(data) // 2 :]))
        new[path] = (mode, data)
    return placeable(old), placeable(new)


@settings(max_examples=30, deadline=None, suppress_health_check=list(HealthCheck))
@given(pairs())
@example(({b"d": ("100644", b"a\n")}, {b"d/b": ("100644", b"a\nb\n")}))
@example(({b"d/b": ("100644", b"a\n")}, {b"d": ("100644", b"b\n")}))
@example(({b"a": ("100644", b"a\n")}, {b"a": ("120000", b"a")}))
@example(({b"a": ("120000", b"a")}, {b"a": ("100755", b"")}))
@example(({b"a": ("100644", b"")}, {b"a": ("120000", b"x")}))
@example(({b"a": ("100644", b"\0x")}, {b"a": ("120000", b"x")}))
@example(({b"a": ("120000", b"x")}, {b"a": ("100644", b"\0" + NOISE)}))
@example(({b"a": ("100644", b"\0" + NOISE)}, {b"b": ("100755", NOISE + b"\0\1")}))
def test_a_patch_of_git_gives_the_tree_that_git_has(shared: Borrowed, trees: tuple[Files, Files]) -> None:
    repo = shared.lender
    old, new = committed(repo, *trees)
    wanted = listed(repo, new)
    for flags in (
        ("--no-renames",),
        ("-M", "-l0"),
        ("-C", "--find-copies-harder", "-l0"),
        ("-M", "-U0", "--histogram"),
    ):
        data = mail_of(repo, new, *flags)
        if not data:
            assert listed(repo, old) == wanted
            continue
        assert stepped(shared, f"{old}^{{tree}}", data)[1] == wanted


def test_a_binary_file_comes_as_its_bytes_or_as_a_delta(shared: Borrowed) -> None:
    repo = shared.lender
    files = [b"\0" + NOISE, b"\0" + NOISE[:700] + b"other" + NOISE[700:], b"\0short"]
    commits = committed(repo, *({b"bin": ("100644", data)} for data in files))
    words = []
    for old, new in itertools.pairwise(commits):
        data = mail_of(repo, new)
        words.append((b"\ndelta " in data, b"\nliteral " in data))
        steps, found = stepped(shared, f"{old}^{{tree}}", data)
        assert found == listed(repo, new)
        assert steps[0].changes is None
    assert words[0][0]  # a delta
    assert words[1][1]


def test_a_submodule_moves_from_commit_to_commit_comes_and_goes(shared: Borrowed) -> None:
    repo = shared.lender
    trees = []
    for rows in ("", "160000 commit {0}\tsub\n", "160000 commit {1}\tsub\n", "100644 blob {2}\tsub\n", ""):
        blob = git(repo, "hash-object", "-w", "--stdin", stdin=b"text\n").decode().strip()
        trees.append(
            git(repo, "mktree", "--missing", stdin=rows.format("1" * 40, "2" * 40, blob).encode())
            .decode()
            .strip()
        )
    commits = [git(repo, "commit-tree", "-m", "x", trees[0]).decode().strip()]
    for tree in trees[1:]:
        commits.append(git(repo, "commit-tree", "-m", "x", "-p", commits[-1], tree).decode().strip())
    for number in (1, 2, 4):
        assert stepped(shared, trees[number - 1], mail_of(repo, commits[number]))[1] == listed(
            repo, trees[number]
        )
    with pytest.raises(RepositoryError, match="a submodule becomes a file"):
        stepped(shared, trees[2], mail_of(repo, commits[3]))


# -- damaged patches ---------------------------------------------------------------------------------

STORY: tuple[Files, Files] = (
    {
        b"text": ("100644", b"".join(b"line %d\n" % n for n in range(40))),
        b"moved": ("100644", b"".join(b"row %d\n" % n for n in range(20))),
        b"gone": ("100755", b"x\ny\n"),
        b"bin": ("100644", b"\0" + NOISE[:300]),
        b"with space": ("100644", b"a\r\nb"),
        b"link": ("120000", b"text"),
    },
    {
        b"text": ("100755", b"".join(b"line %d\n" % n for n in range(40) if n not in {3, 20}) + b"last"),
        b"else/where": ("100644", b"".join(b"row %d\n" % n for n in range(20)) + b"more\n"),
        b"bin": ("100644", b"\0" + NOISE[:150] + b"!" + NOISE[150:300]),
        b"with space": ("100644", b"a\r\nc\n"),
        b"link": ("120000", b"gone"),
        b'new "file': ("100644", b"one\n\n--- two\n-- \n"),
        b"empty": ("100644", b""),
    },
)


@dataclass(repr=False)
class Story:
    """A patch of every kind of change, the tree it is for, and the files it gives."""

    tree: str
    wanted: dict[str, Entry]
    data: bytes


@pytest.fixture(scope="module")
def story(shared: Borrowed) -> Story:
    old, new = committed(shared.lender, *STORY)
    return Story(f"{old}^{{tree}}", listed(shared.lender, new), mail_of(shared.lender, new, "-M"))


def by_git(repo: Path, tree: str, data: bytes) -> dict[str, Entry] | None:
    """Return what stock git makes of a patch, None if it refuses."""
    environment = {**os.environ, "GIT_INDEX_FILE": str(repo / "scratch")}
    subprocess.run(["git", "-C", repo, "read-tree", tree], check=True, env=environment)
    done = subprocess.run(
        ["git", "-C", repo, "apply", "--cached", "--whitespace=nowarn", "-"],
        input=data, capture_output=True, check=False, env=environment,
    )  # fmt: skip
    if done.returncode:
        return None
    made = subprocess.run(["git", "-C", repo, "write-tree"], capture_output=True, check=True, env=environment)
    return listed(repo, made.stdout.decode().strip())


@st.composite
def damages(draw: st.DrawFn) -> tuple[str, int, int]:
    kind = draw(st.sampled_from(["flip", "byte", "cut", "drop", "twice", "swap"]))
    return kind, draw(st.integers(0, 10**6)), draw(st.integers(0, 255))


def damaged(data: bytes, damage: tuple[str, int, int]) -> bytes:
    kind, where, what = damage
    if data.count(b"\n") < 2:
        return data
    if kind in {"flip", "byte", "cut"}:
        at = where % len(data)
        if kind == "cut":
            return data[:at]
        byte = data[at] ^ (1 << what % 8) if kind == "flip" else what
        return data[:at] + bytes([byte]) + data[at + 1 :]
    lines = data.split(b"\n")
    at = where % (len(lines) - 1)
    if kind == "drop":
        del lines[at]
    elif kind == "twice":
        lines.insert(at, lines[at])
    else:
        lines[at], lines[at + 1] = lines[at + 1], lines[at]
    return b"\n".join(lines)


@settings(max_examples=200, deadline=None, suppress_health_check=list(HealthCheck))
@given(st.lists(damages(), min_size=1, max_size=2), st.booleans())
def test_a_damaged_patch_is_refused_or_means_what_git_makes_of_it(
    shared: Borrowed,
    story: Story,
    damage: list[tuple[str, int, int]],
    ids: bool,  # noqa: FBT001 - whether blobs are named, by which much damage is found out
) -> None:
    data = story.data
    if not ids:
        data = b"\n".join(line for line in data.split(b"\n") if not line.startswith(b"index "))
    for one in damage:
        data = damaged(data, one)
    try:
        found = stepped(shared, story.tree, data)[1]
    except PatchbotError as error:
        assert str(error.where).startswith("p.patch:")  # noqa: PT017 - a refusal is one of two good ends
        return
    if found != story.wanted:
        assert found == by_git(shared.lender, story.tree, data)
