"""Rebase a series of 60 patches on a tree of 6,800 files: patchbot beside stock git, checked before it is timed.

    python benchmarks/rebase.py [--patches N] [--files N] [--rounds N] [--json]

Everybody starts from the same packed clone and ends with the new series on disk as patch files; a tool whose
tree is not the expected one gets no time.  Rounds go round the tools, and ratios are of medians.

patchbot has two lines: the command from its start to its end, and the same in a process that runs already, as
`patchbot sync` does it for every release.  `git am` has two as well: with the new release checked out before,
and with the checkout, which nobody else needs or which `git rebase` does as a part of its work.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import resource
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

ENV = {
    "PATH": os.environ["PATH"],
    "HOME": os.devnull,
    "GIT_CONFIG_NOSYSTEM": "1",
    "GIT_CONFIG_GLOBAL": os.devnull,
    **{f"GIT_{who}_NAME": "bench" for who in ("AUTHOR", "COMMITTER")},
    **{f"GIT_{who}_EMAIL": "bench@invalid" for who in ("AUTHOR", "COMMITTER")},
    **{f"GIT_{who}_DATE": "1700000000 +0000" for who in ("AUTHOR", "COMMITTER")},
}
# What Electron's patch scripts set: index writing is most of the time of `git am`.
TUNED = (
    "-c",
    "index.version=4",
    "-c",
    "core.fsync=none",
    "-c",
    "index.skipHash=true",
    "-c",
    "core.untrackedCache=true",
)


def git(folder: Path, *args: str, data: bytes | None = None) -> str:
    """Run git and return what it says."""
    run = subprocess.run(["git", *args], cwd=folder, env=ENV, input=data, capture_output=True, check=False)
    if run.returncode:
        sys.exit(f"git {' '.join(args)}: {run.stderr.decode()}")
    return run.stdout.decode().strip()


def lines_of(rng: random.Random, number: int) -> list[str]:
    """Return the lines of a source file."""
    return [
        line
        for n in range(rng.randint(10, 40))
        for line in (f"fn item_{number}_{n}(x: u32) -> u32 {{", f"    let y = x + {n};", "    y", "}", "")
    ]


def edited(rng: random.Random, lines: list[str], word: str, where: range) -> None:
    """Change the body of one function among ``where``."""
    at = rng.choice(where) * 5 + 1
    lines[at] = lines[at].replace("x +", f"x + {word} +")


def stream(files: int, changed: int, patches: int) -> Iterator[bytes]:
    """Spell the repository: ``old``, ``new`` (upstream's next release) and ``series`` (patches on top of old)."""
    rng = random.Random(6660)
    tree = {f"crates/c{n % 120}/src/f{n}.rs": lines_of(rng, n) for n in range(files)}

    def commit(branch: str, parent: str, message: str, contents: dict[str, list[str]]) -> Iterator[bytes]:
        yield f"commit refs/heads/{branch}\ncommitter b <b@invalid> 1700000000 +0000\n".encode()
        yield f"data {len(message)}\n{message}\n{parent}".encode()
        for path, lines in contents.items():
            text = "\n".join(lines).encode()
            yield f"M 100644 inline {path}\ndata {len(text)}\n".encode() + text + b"\n"

    yield from commit("old", "", "old", tree)
    paths = list(tree)
    theirs = rng.sample(paths, changed)
    news = {path: list(tree[path]) for path in theirs}
    for lines in news.values():
        edited(rng, lines, "UPSTREAM", range(3))
    yield from commit("new", "from refs/heads/old\n", "new", news)
    parent = "from refs/heads/old\n"
    for number in range(patches):
        pool = theirs if number % 2 else paths
        chosen = rng.sample(pool, 64 if number == patches // 2 else rng.randint(1, 8))
        for path in chosen:
            edited(rng, tree[path], f"PATCH_{number}", range(6, len(tree[path]) // 5))
        yield from commit(
            "series", parent, f"patch {number}: change {len(chosen)} files", {p: tree[p] for p in chosen}
        )
        parent = ""
    yield b"done\n"


def prepared(folder: Path, files: int, changed: int, patches: int) -> Path:
    """Make the repository that all start from, packed."""
    origin = folder / "origin.git"
    subprocess.run(["git", "init", "-q", "--bare", str(origin)], env=ENV, check=True)
    git(origin, "fast-import", "--quiet", "--done", data=b"".join(stream(files, changed, patches)))
    git(origin, "repack", "-adq")
    git(origin, "format-patch", "-q", "--full-index", "-o", str(folder / "mails"), "old..series")
    names = sorted(p.name for p in (folder / "mails").iterdir())
    (folder / "mails" / "series").write_text("".join(f"{name}\n" for name in names))
    return origin


def clone(origin: Path, folder: Path, branch: str) -> Path:
    """Return a fresh clone with a checkout; making it is nobody's time."""
    git(origin, "clone", "-q", "--shared", "--branch", branch, str(origin), str(folder))
    for name in ("old", "new", "series"):
        git(folder, "branch", "-q", "--force", f"at-{name}", f"origin/{name}")
    return folder


def run(argv: list[str], folder: Path) -> str:
    """Run a command and return what it prints."""
    done = subprocess.run(argv, cwd=folder, env=ENV, capture_output=True, check=False)
    if done.returncode:
        sys.exit(f"{' '.join(argv)[:300]}: {done.stderr.decode()[-2000:]}")
    return done.stdout.decode()


def timed(argv: list[str], folder: Path) -> float:
    """Run a command and return its seconds."""
    started = time.perf_counter()
    run(argv, folder)
    return time.perf_counter() - started


# Runs a rebase in a process that has done one before, and prints its seconds and tree.
RUNNING = """
import sys, time
from pathlib import Path
from patchbot.pipeline import rebase
from patchbot.report.terminal import Reporter
clone, mails, out = map(Path, sys.argv[1:])
def run(name):
    request = rebase.Request(repository=clone, base="at-old", onto="at-new", patches=mails, out=out / name)
    started = time.perf_counter()
    tree = rebase.run(request, Reporter(quiet=True)).tree
    return time.perf_counter() - started, tree
run("first")
print(*run("second"))
"""


def patchbot(here: Path, mails: Path, out: Path) -> tuple[float, str]:
    """Run the command; return its seconds and tree."""
    words = ["rebase", "-q", "--repo", str(here), "--from", "at-old", "--onto", "at-new"]
    argv = [sys.executable, "-m", "patchbot", *words, "--patches", str(mails), "--out", str(out), "--json"]
    started = time.perf_counter()
    text = run(argv, here)
    return time.perf_counter() - started, json.loads(text)["result_tree"]


def running(here: Path, mails: Path, out: Path) -> tuple[float, str]:
    """Run a rebase in a process that runs already; return its seconds and tree."""
    seconds, tree = run([sys.executable, "-c", RUNNING, str(here), str(mails), str(out)], here).split()
    return float(seconds), tree


def git_am(here: Path, mails: Path, out: Path, *, checkout: bool, tuned: bool) -> tuple[float, str]:
    """Run ``git am``, and ``git format-patch`` on what it made; return seconds and tree."""
    seconds = timed(["git", "checkout", "-q", "--detach", "at-new"], here)
    seconds = seconds if checkout else 0
    files = [str(file) for file in sorted(mails.glob("*.patch"))]
    seconds += timed(["git", *(TUNED if tuned else ()), "am", "-q", "-3", *files], here)
    return seconds + timed(export(out), here), git(here, "rev-parse", "HEAD^{tree}")


def git_rebase(here: Path, _mails: Path, out: Path) -> tuple[float, str]:
    """Run ``git rebase``, and ``git format-patch`` on what it made; return seconds and tree."""
    seconds = timed(["git", "rebase", "-q", "--onto", "at-new", "at-old", "series"], here)
    return seconds + timed(export(out), here), git(here, "rev-parse", "HEAD^{tree}")


def export(out: Path) -> list[str]:
    """Return the command that writes the new series."""
    return ["git", "format-patch", "-q", "-o", str(out), "at-new..HEAD"]


Tool = Callable[[Path, Path, Path], tuple[float, str]]
TOOLS: dict[str, tuple[str, Tool]] = {  # what is checked out before it starts, and what it does
    "patchbot, the command": ("old", patchbot),
    "patchbot, running": ("old", running),
    "git am -3, checked out before": ("old", partial(git_am, checkout=False, tuned=False)),
    "git am -3": ("old", partial(git_am, checkout=True, tuned=False)),
    "git am -3, tuned": ("old", partial(git_am, checkout=True, tuned=True)),
    "git rebase --onto": ("series", git_rebase),
}


def measured(origin: Path, tool: str, mails: Path, want: str) -> float:
    """Run a tool once from a fresh clone; return its seconds, its result checked."""
    branch, run_tool = TOOLS[tool]
    with tempfile.TemporaryDirectory(prefix="bench-") as name:
        here = clone(origin, Path(name, "clone"), branch)
        seconds, tree = run_tool(here, mails, Path(name, "out"))
        if tree != want:
            sys.exit(f"{tool}: the tree {tree} instead of {want}")
        return seconds


def expected(origin: Path) -> str:
    """Return the tree that git's own merge of the two branches gives: the series and upstream do not clash."""
    return git(origin, "merge-tree", "--write-tree", "new", "series")


def main() -> None:
    """Measure, and print a table."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--files", type=int, default=6800)
    parser.add_argument("--changed", type=int, default=964)
    parser.add_argument("--patches", type=int, default=60)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--json", action="store_true")
    given = parser.parse_args()
    folder = Path(tempfile.mkdtemp(prefix="bench-"))
    try:
        origin = prepared(folder, given.files, given.changed, given.patches)
        want = expected(origin)
        times: dict[str, list[float]] = {tool: [] for tool in TOOLS}
        for _ in range(given.rounds):
            for tool, rows in times.items():
                rows.append(measured(origin, tool, folder / "mails", want))
    finally:
        shutil.rmtree(folder)
    medians = {tool: statistics.median(rows) for tool, rows in times.items()}
    peak = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss // 1024
    if given.json:
        print(json.dumps({"schema": 1, "seconds": times, "medians": medians, "peak_mb_of_any_child": peak}))
        return
    print(
        f"{given.patches} patches, {given.files} files, {given.changed} of them changed upstream; median of {given.rounds}"
    )
    ours = [medians[tool] for tool in TOOLS if tool.startswith("patchbot")]
    for tool, seconds in medians.items():
        ratios = "" if tool.startswith("patchbot") else "".join(f"{seconds / own:6.1f} x" for own in ours)
        print(f"  {tool:30} {seconds:6.2f} s {ratios:18} ({min(times[tool]):.2f} to {max(times[tool]):.2f})")
    print("x: how many times the command of patchbot, and patchbot running, are faster")


if __name__ == "__main__":
    main()
