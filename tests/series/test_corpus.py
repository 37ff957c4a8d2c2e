"""The adversarial corpus: what every patch of ``tests/cases/series`` must come to, and nothing said but the truth."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import pytest
from series import corpus
from series.corpus import Case, git, said

from patchbot.errors import RepositoryError
from patchbot.pipeline import rebase
from patchbot.pipeline.rebase import Request, Result
from patchbot.report.terminal import Reporter

pytestmark = pytest.mark.xdist_group("corpus")  # the tests share what they have run

CASES = corpus.cases()
KNOWN_WRONG = {case.name for case in CASES if "xfail" in case.head}

Verdicts = list[tuple[str, tuple[str, ...]]]


@dataclass(frozen=True, eq=False)
class Bench:
    """One repository of all cases, a work tree to try results in, and what was run already."""

    folder: Path
    repository: Path
    worktree: Path

    @cache  # noqa: B019 - there is one bench
    def commits(self, case: Case) -> Result:
        name, out = case.name, self.out(case, "commits")
        commits = f"{name}/base..{name}/topic"
        return self._run(
            Request(repository=self.repository, base=None, onto=f"{name}/onto", commits=commits, out=out)
        )

    @cache  # noqa: B019
    def patches(self, case: Case) -> Result:
        name, out = case.name, self.out(case, "patches")
        return self._run(
            Request(
                repository=self.repository,
                base=f"{name}/base",
                onto=f"{name}/onto",
                patches=self.series(case),
                out=out,
            )
        )

    @cache  # noqa: B019
    def series(self, case: Case) -> Path:
        folder = self.folder / "series" / case.name
        corpus.patches(self.repository, case, folder)
        return folder

    def out(self, case: Case, way: str) -> Path:
        return self.folder / way / case.name

    def _run(self, request: Request) -> Result:
        try:
            return rebase.run(request, Reporter(quiet=True))
        except RepositoryError as error:
            # its traceback would keep the pipes of a git open until it is collected
            raise error.with_traceback(None) from None

    @cache  # noqa: B019
    def trees(self) -> dict[str, str]:
        rows = said(self.repository, "for-each-ref", "--format=%(refname:lstrip=2) %(tree)").splitlines()
        return dict(row.split() for row in rows)

    def tree(self, case: Case, name: str) -> str:
        return self.trees()[f"{case.name}/{name}"]


@pytest.fixture(scope="module")
def bench(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Bench]:
    folder = tmp_path_factory.mktemp("corpus")
    for way in ("commits", "patches"):
        (folder / way).mkdir()
    repository = corpus.make(folder / "repository.git", CASES)
    git(folder, "clone", "--quiet", "--shared", "--no-checkout", str(repository), "worktree")
    for key, value in {"user.name": "nobody", "user.email": "nobody@invalid", "gc.auto": "0"}.items():
        git(folder / "worktree", "config", key, value)
    yield Bench(folder, repository, folder / "worktree")
    for memory in (Bench.commits, Bench.patches, Bench.series, Bench.trees):
        memory.cache_clear()


def each(*, wanted: bool = True, known_wrong: bool = True) -> list[object]:
    """Return all cases as parameters; those that the engine is known to have wrong must fail."""
    out: list[object] = []
    for case in CASES:
        wrong = case.name in KNOWN_WRONG
        failing = pytest.mark.xfail(
            strict=True, reason=case.head.get("xfail", ""), raises=(AssertionError, RepositoryError)
        )
        marks = [failing] if wrong and wanted else []
        if known_wrong or not wrong:
            out.append(pytest.param(case, id=case.name, marks=marks))
    return out


def verdicts(result: Result) -> Verdicts:
    return [
        (outcome.verdict.value, tuple(sorted(clash.kind for clash in outcome.conflicts)))
        for outcome in result.outcomes
    ]


def expected(case: Case, result: Result) -> Verdicts:
    """Return what a case expects; a conflict of no kind may be of any."""
    kinds = [kinds for _, kinds in verdicts(result)]
    return [
        (patch.verdict, patch.kinds or (kinds[n] if patch.verdict == "conflict" else ()))
        for n, patch in enumerate(case.patches)
    ]


@pytest.mark.parametrize("case", each())
def test_every_patch_comes_to_its_verdict_and_the_series_to_its_tree(bench: Bench, case: Case) -> None:
    if case.refused is not None:
        with pytest.raises(RepositoryError, match=case.refused) as refusal:
            bench.patches(case)
        assert ".patch:" in str(refusal.value), "file and line"
        assert not bench.out(case, "patches").exists()
        return
    result = bench.patches(case)
    assert verdicts(result) == expected(case, result)
    assert result.tree == bench.tree(case, "result"), git(
        bench.repository, "diff", f"{case.name}/result", result.tree
    ).stdout.decode(errors="replace")


@pytest.mark.parametrize("case", each(wanted=False))
def test_commits_fare_as_their_patches_do(bench: Bench, case: Case) -> None:
    if not case.linear:
        assert any(patch.from_base or patch.mail is not None for patch in case.patches)
        return
    try:
        result = bench.patches(case)
    except RepositoryError as error:
        with pytest.raises(RepositoryError, match=str(error.what)):
            bench.commits(case)
        return
    again = bench.commits(case)
    assert verdicts(again) == verdicts(result)
    assert again.tree == result.tree


@pytest.mark.parametrize("case", each(wanted=False))
def test_stock_git_am_makes_the_same_tree_of_the_export(bench: Bench, case: Case) -> None:
    try:
        result = bench.patches(case)
    except RepositoryError:
        assert case.refused is not None or case.name in KNOWN_WRONG
        return
    out = bench.out(case, "patches")
    names = (out / "series").read_text().split()
    assert len(names) == sum(outcome.verdict.applied for outcome in result.outcomes)
    if not names:
        assert result.tree == bench.tree(case, "onto")
        return
    git(bench.worktree, "checkout", "--quiet", "--force", "--detach", f"origin/{case.name}/onto")
    git(bench.worktree, "am", "--quiet", "--keep-cr", *(str(out / name) for name in names))
    assert said(bench.worktree, "rev-parse", "HEAD^{tree}") == result.tree


def merged(bench: Bench, tree: str, patch: str) -> str | None:
    """Return the tree of git's own three-way merge of a commit onto a tree, or None for a conflict.

    git before 2.40 takes no base to merge on, so the tree becomes a commit on it.
    """
    ours = said(bench.repository, "commit-tree", "-m", "ours", "-p", f"{patch}^", tree)
    done = git(bench.repository, "merge-tree", "--write-tree", ours, patch, check=False)
    assert done.returncode in {0, 1}, done.stderr
    return done.stdout.decode().split()[0] if done.returncode == 0 else None


def differences(bench: Bench, case: Case) -> list[str]:
    """Return where git's merge gives something else than patchbot, patch by patch."""
    result = bench.patches(case)
    made = said(bench.repository, "log", "--reverse", "--format=%T", f"{case.name}/onto..{result.commit}")
    trees = iter(made.split())
    tree = bench.tree(case, "onto")
    out = []
    for number, outcome in enumerate(result.outcomes, 1):
        verdict = outcome.verdict
        before, tree = tree, next(trees) if verdict.applied else tree
        if verdict == "tainted":
            continue  # git's merge knows of no series
        theirs = merged(bench, before, f"{case.name}/{number}")
        if theirs != (None if verdict == "conflict" else tree):
            out.append(
                f"{number}: {verdict}, and git's merge {'conflicts' if theirs is None else 'is clean'}"
            )
    return out


@pytest.mark.parametrize("case", each(wanted=False, known_wrong=False))
def test_git_merge_gives_the_same_unless_the_case_says_what_is_wrong_with_it(
    bench: Bench, case: Case
) -> None:
    if any(patch.mail is not None for patch in case.patches):
        assert "merge-tree" not in case.head, "there is no commit to merge"
        return
    found = differences(bench, case)
    assert bool(found) == ("merge-tree" in case.head), found


# -- the corpus itself -------------------------------------------------------------------------------


def test_no_ops_come_first() -> None:
    no_ops = [case for case in CASES if case.name.startswith("00-")]
    assert len(no_ops) >= 3
    assert CASES[: len(no_ops)] == no_ops
    assert {patch.verdict for case in no_ops for patch in case.patches} == {"unchanged"}


def test_every_verdict_of_a_rebase_has_a_case() -> None:
    assert {patch.verdict for case in CASES for patch in case.patches} == {
        *(
            "unchanged",
            "shifted",
            "merged",
            "upstreamed",
            "partly-upstreamed",
            "empty",
            "conflict",
            "tainted",
        ),
        "refused",
    }


def test_every_kind_of_conflict_has_a_case() -> None:
    assert {kind for case in CASES for patch in case.patches for kind in patch.kinds} == {
        *("add/add", "binary", "content", "delete/modify", "directory gone", "doubt", "file/directory"),
        *("mode", "modify/delete", "rename/add", "rename/rename", "twin"),
    }


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("### base\n=== a\none\n### patch p: merged\n=== a\ntwo\n", "a comment"),
        ("# about\n### base\n=== a\none\n", "a patch"),
        ("# about\n### base\n=== a\none\n### path p: merged\n", "what is 'path p: merged'"),
        ("# about\n### base\n=== a bold\none\n", "what is {'bold'}"),
        ("# about\n### base\n=== a gone\n", "was not there"),
        ("# about\n### base\n=== a\n", "needs a body"),
        ("# about\n### base\n=== a\none\none\n### onto\n=== a edit\n-one\n", "2 places"),
        ("# about\n### base\n=== a\none\n### onto\n=== a edit\n-two\n", "0 places"),
        ("# about\n### base\n=== a\none\n### onto\n=== a edit\ntwo\n", "what is the edit"),
    ],
)
def test_a_case_that_is_not_plain_is_refused(text: str, why: str) -> None:
    with pytest.raises(ValueError, match=why):
        corpus.read("x", text)


def test_bytes_of_all_kinds_can_be_spelled() -> None:
    (case,) = [case for case in CASES if case.name == "54-no-utf-8"]
    assert case.base[b"docs/na\xefve file.txt"].data.splitlines()[0] == b"caf\xe9"
    (case,) = [case for case in CASES if case.name == "54-carriage-returns"]
    assert case.result[b"run.bat"].data.endswith(b"set C=4\r\nset D=4\r\nrun %A% %B%\r\n")
    (case,) = [case for case in CASES if case.name == "54-no-final-newline"]
    assert case.base[b"list.txt"].data.endswith(b"five")
