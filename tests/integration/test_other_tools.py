"""The adversarial corpus before other tools: who stops where a person is needed, and who is silently wrong.

Each tool gets a case as its users would give it: the series of patches, or the branch, and a checkout of upstream.
A tool that ends with success is judged by the tree that it leaves, and by nothing else.
"""

from __future__ import annotations

import os
import shutil
import subprocess
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import Enum
from pathlib import Path

import pytest
from series import corpus
from series.corpus import Case, git, said

from patchbot.errors import RepositoryError
from patchbot.pipeline import rebase
from patchbot.report.terminal import Reporter

pytestmark = [pytest.mark.integration, pytest.mark.timeout(1200), pytest.mark.xdist_group("other-tools")]

CASES = corpus.cases()


class End(Enum):
    """What became of a case in the hands of a tool."""

    RIGHT = "right"  # the tree that is wanted, or a stop where a person is wanted
    LOUD = "stopped"  # it stopped where it need not
    WRONG = "wrong"  # success, and another tree
    DROPPED = "dropped"  # success, and a patch that has no effect
    UNASKED = "unasked"  # success where a person has to look: what it made may be right, or may not


@dataclass(frozen=True)
class Desk:
    """A work tree at upstream's commit of a case, and its patches as files."""

    case: Case
    worktree: Path
    series: Path

    @property
    def patches(self) -> list[Path]:
        return sorted(self.series.glob("*.patch"))

    def ref(self, name: str) -> str:
        return f"{self.case.name}/{name}"

    def run(self, *command: str, more: Mapping[str, str] | None = None) -> bool:
        """Run a program; return whether it says that all is well."""
        done = subprocess.run(
            command,
            cwd=self.worktree,
            env={**os.environ, **(more or {})},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            check=False,
        )
        return done.returncode == 0

    def tree(self) -> str:
        """Return the tree of all that lies in the work tree, whatever the tool has committed of it."""
        git(self.worktree, "add", "--all", "--force", ".")
        return said(self.worktree, "write-tree")


Tool = Callable[[Desk], bool]


# -- the tools ---------------------------------------------------------------------------------------


def am(desk: Desk, *flags: str) -> bool:
    return desk.run("git", "am", "--keep-cr", *flags, *map(str, desk.patches))


def rebase_onto(desk: Desk, *flags: str) -> bool:
    return desk.run("git", "rebase", *flags, "--onto", desk.ref("onto"), desk.ref("base"), desk.ref("topic"))


def rebase_plain(desk: Desk) -> bool:
    return desk.run("git", "rebase", desk.ref("onto"), desk.ref("topic"))


def cherry_pick(desk: Desk) -> bool:
    return desk.run("git", "cherry-pick", f"{desk.ref('base')}..{desk.ref('topic')}")


def apply(desk: Desk, *flags: str) -> bool:
    return all(desk.run("git", "apply", "--index", *flags, str(patch)) for patch in desk.patches)


def patch(desk: Desk, *flags: str) -> bool:
    return all(
        desk.run("patch", "-p1", "--forward", "--no-backup-if-mismatch", *flags, "-i", str(file))
        for file in desk.patches
    )


def quilt(desk: Desk) -> bool:
    (desk.series / "series").write_text("".join(f"{file.name}\n" for file in desk.patches))
    more = {"QUILT_PATCHES": str(desk.series), "QUILT_PC": str(desk.series.parent / "pc")}
    return desk.run("quilt", "--quiltrc", "-", "push", "-a", more=more)


def stgit(desk: Desk, *flags: str) -> bool:
    if not desk.run("git", "checkout", "--quiet", "-B", "stack") or not desk.run("stg", "init"):
        return False
    return all(desk.run("stg", "import", "--mail", *flags, str(file)) for file in desk.patches)


@dataclass(frozen=True)
class Row:
    """A tool, the program that it needs, and whether it takes commits or files."""

    name: str
    program: str
    run: Tool
    commits: bool = False


ROWS = [
    Row("git am -3", "git", lambda desk: am(desk, "-3")),
    Row("git am", "git", am),
    Row("git rebase --onto", "git", rebase_onto, commits=True),
    Row("git rebase --apply --onto", "git", lambda desk: rebase_onto(desk, "--apply"), commits=True),
    Row("git rebase", "git", rebase_plain, commits=True),
    Row("git cherry-pick", "git", cherry_pick, commits=True),
    Row("git apply --index", "git", apply),
    Row("git apply --index --3way", "git", lambda desk: apply(desk, "--3way")),
    Row("patch", "patch", patch),
    Row("patch --fuzz=0", "patch", lambda desk: patch(desk, "--fuzz=0")),
    Row("quilt push -a", "quilt", quilt),
    Row("stg import", "stg", stgit),
    Row("stg import --3way", "stg", lambda desk: stgit(desk, "--3way")),
]


# -- the judge ---------------------------------------------------------------------------------------


def judged(case: Case, *, well: bool, tree: str, trees: Mapping[str, str]) -> End:
    """Judge what a tool says by the tree that it leaves."""
    asks = case.refused is not None or any(patch.open for patch in case.patches)
    if not well:
        return End.RIGHT if asks else End.LOUD
    wanted = trees[f"{case.name}/result"]
    if not asks and tree == wanted:
        return End.RIGHT
    if tree in {wanted, trees[f"{case.name}/onto"]}:
        return End.DROPPED  # the tree without the open patches, or without any
    return End.UNASKED if "caution" in case.head else End.WRONG


@dataclass(frozen=True)
class Table:
    """How every tool fared in every case."""

    ends: Mapping[str, Mapping[str, End]]
    missing: Mapping[str, str]

    def counts(self, tool: str) -> Counter[End]:
        return Counter(self.ends[tool].values())

    def named(self, tool: str, *ends: End) -> list[str]:
        return [name for name, end in self.ends[tool].items() if end in ends]

    def __str__(self) -> str:
        width = max(map(len, [*self.ends, *self.missing]))
        head = f"{'':{width}}  cases  " + "  ".join(f"{end.value:>7}" for end in End)
        rows = [head]
        for tool in self.ends:
            counts = self.counts(tool)
            numbers = "  ".join(f"{counts[end]:>7}" for end in End)
            rows.append(f"{tool:{width}}  {counts.total():>5}  {numbers}")
        rows += [f"{tool:{width}}  not run: {why}" for tool, why in self.missing.items()]
        for tool in self.ends:
            rows += [
                f"{tool}, {end.value}: {', '.join(names)}"
                for end in (End.WRONG, End.DROPPED, End.UNASKED)
                if (names := self.named(tool, end))
            ]
        return "\n".join(rows)


@pytest.fixture(scope="module")
def table(tmp_path_factory: pytest.TempPathFactory) -> Table:
    folder = tmp_path_factory.mktemp("tools")
    repository = corpus.make(folder / "repository.git", CASES)
    rows = said(repository, "for-each-ref", "--format=%(refname:lstrip=2) %(tree)").splitlines()
    trees = dict(row.split() for row in rows)
    clone(repository, folder / "clone")
    for case in CASES:
        corpus.patches(repository, case, folder / "series" / case.name)
    ends: dict[str, dict[str, End]] = {"patchbot rebase": {}}
    missing = {}
    for case in CASES:
        well, tree = patchbot(repository, folder / "series" / case.name, case)
        ends["patchbot rebase"][case.name] = judged(case, well=well, tree=tree, trees=trees)
    for row in ROWS:
        if shutil.which(row.program) is None:
            missing[row.name] = f"{row.program} is not installed here"
            continue
        ends[row.name] = {
            case.name: tried(row, case, folder, trees) for case in CASES if case.linear or not row.commits
        }
    made = Table(ends, missing)
    print(f"\n{made}")  # noqa: T201 - the table is what this is for: pytest -s shows it
    return made


def patchbot(repository: Path, series: Path, case: Case) -> tuple[bool, str]:
    """Run patchbot; a patch that is open is told, and so is a series that is refused."""
    request = rebase.Request(
        repository=repository, base=f"{case.name}/base", onto=f"{case.name}/onto", patches=series
    )
    try:
        result = rebase.run(request, Reporter(quiet=True))
    except RepositoryError:
        return False, ""
    return not result.open, result.tree


def tried(row: Row, case: Case, folder: Path, trees: Mapping[str, str]) -> End:
    """Give a case to a tool, in a fresh clone."""
    place = folder / "desk"
    try:
        shutil.copytree(folder / "clone", place / "tree")
        shutil.copytree(folder / "series" / case.name, place / "series")
        desk = Desk(case, place / "tree", place / "series")
        git(desk.worktree, "checkout", "--quiet", "--detach", desk.ref("onto"))
        well = row.run(desk)
        return judged(case, well=well, tree=desk.tree() if well else "", trees=trees)
    finally:
        shutil.rmtree(place)


def clone(repository: Path, folder: Path) -> None:
    """Make the clone that every tool starts from, with all branches and nothing checked out."""
    folder.mkdir()
    git(folder, "init", "--quiet")
    shutil.rmtree(folder / ".git" / "hooks")
    (folder / ".git" / "objects" / "info" / "alternates").write_text(f"{repository}/objects\n")
    refs = said(repository, "for-each-ref", "--format=%(objectname) %(refname)")
    (folder / ".git" / "packed-refs").write_text(f"{refs}\n")  # a file a ref would be slow to copy
    for key, value in {"user.name": "nobody", "user.email": "nobody@invalid", "gc.auto": "0"}.items():
        git(folder, "config", key, value)


# -- what is claimed ---------------------------------------------------------------------------------


def test_every_tool_that_is_here_has_seen_every_case_it_can_read(table: Table) -> None:
    linear = sum(case.linear for case in CASES)
    for row in ROWS:
        if row.name not in table.missing:
            assert table.counts(row.name).total() == (linear if row.commits else len(CASES))


def test_patchbot_is_never_silently_wrong_drops_nothing_and_asks(table: Table) -> None:
    known = {case.name for case in CASES if "xfail" in case.head}
    assert set(table.named("patchbot rebase", *End)) == {case.name for case in CASES}
    assert set(table.named("patchbot rebase", End.WRONG, End.DROPPED, End.UNASKED)) - known == set()
    assert set(table.named("patchbot rebase", End.LOUD)) - known == set()


@pytest.mark.parametrize("tool", [row.name for row in ROWS])
def test_tools_are_run_as_their_users_run_them(table: Table, tool: str) -> None:
    if why := table.missing.get(tool):
        pytest.skip(why)
    assert table.counts(tool)[End.RIGHT] > len(CASES) / 3


def test_the_corpus_is_hard_for_others(table: Table) -> None:
    for tool in ("git am -3", "git rebase --onto", "git apply --index"):
        assert table.named(tool, End.WRONG, End.DROPPED)
    assert {"10-twin-rust", "10-twin-c", "10-twin-text"} <= set(table.named("git am -3", End.WRONG))
    assert "24-upstream-reverted-it" in table.named("git rebase", End.DROPPED)
