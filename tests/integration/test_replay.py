"""Real commits of a real history, put onto releases of it: never another tree than git's merge, never in silence.

Needs a clone of wasmtime with its tags: ``PATCHBOT_TEST_HISTORY=/path/to/wasmtime.git``.
"""

from __future__ import annotations

import os
import random
import subprocess
from collections import Counter
from pathlib import Path

import pytest

from patchbot.pipeline.rebase import Request, run
from patchbot.report.terminal import Reporter

HISTORY = os.environ.get("PATCHBOT_TEST_HISTORY", "")
PAIRS = 80
WHO = {
    f"GIT_{who}_{what}": value
    for who in ("AUTHOR", "COMMITTER")
    for what, value in {"NAME": "a", "EMAIL": "a@invalid", "DATE": "1700000000 +0000"}.items()
}

pytestmark = [
    pytest.mark.integration,
    pytest.mark.timeout(900),
    pytest.mark.skipif(not HISTORY, reason="PATCHBOT_TEST_HISTORY names no clone of wasmtime"),
]


def git(repo: Path, *args: str, check: bool = True) -> str:
    done = subprocess.run(
        ["git", "-C", repo, *args], capture_output=True, check=check, env={**os.environ, **WHO}
    )
    return done.stdout.decode(errors="replace").strip()


@pytest.fixture(scope="module")
def repo(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A clone to work in: the history itself is only read."""
    folder = tmp_path_factory.mktemp("history") / "wasmtime.git"
    subprocess.run(["git", "clone", "-q", "--bare", "--shared", HISTORY, folder], check=True)
    return folder


def pairs(repo: Path) -> list[tuple[str, str]]:
    """Return commits, each with a release near it, in which it is, is not yet, or is in another form."""
    rng = random.Random(6660)  # noqa: S311 - the same ones each time
    tags = [t for t in git(repo, "tag", "--list", "v[0-9]*").split() if t.count(".") == 2 and "-" not in t]
    majors = {int(tag[1:].partition(".")[0]) for tag in tags}
    out: list[tuple[str, str]] = []
    while len(out) < PAIRS:
        tag = rng.choice(tags)
        near = int(tag[1:].partition(".")[0]) + rng.choice((-1, 1))
        if near in majors and f"v{near}.0.0" in tags:
            fork = git(repo, "merge-base", tag, f"v{near}.0.0", check=False)
            commits = git(repo, "rev-list", "--no-merges", f"{fork}..v{near}.0.0").split() if fork else []
            if commits:
                out.append((rng.choice(commits), tag))
    return out


def merged_by_git(repo: Path, commit: str, tag: str) -> str | None:
    """Return the tree of git's own merge, None in conflict; git 2.39 takes a base from commits only."""
    onto = git(repo, "commit-tree", "-p", f"{commit}^", "-m", "x", f"{tag}^{{tree}}")
    done = subprocess.run(
        ["git", "-C", repo, "merge-tree", "--write-tree", onto, commit], capture_output=True, check=False
    )
    return done.stdout.decode().split("\n", 1)[0] if done.returncode == 0 else None


def test_what_is_applied_is_what_git_merges(repo: Path) -> None:
    counts: Counter[str] = Counter()
    for commit, tag in pairs(repo):
        request = Request(repository=repo, base=None, onto=tag, commits=f"{commit}^..{commit}")
        result = run(request, Reporter(quiet=True))
        (outcome,) = result.outcomes
        counts[outcome.verdict.value] += 1
        tree = merged_by_git(repo, commit, tag)
        if outcome.verdict.applied:
            assert result.tree == tree, f"{commit} onto {tag}: {outcome.verdict}"
        else:
            assert result.tree == git(repo, "rev-parse", f"{tag}^{{tree}}"), f"{commit} onto {tag}"
            assert outcome.conflicts or outcome.notes or outcome.verdict.value == "upstreamed"
    assert counts["conflict"]
    assert counts["upstreamed"]
    assert counts["unchanged"] + counts["shifted"] + counts["merged"] > PAIRS // 10
