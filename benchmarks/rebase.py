"""Rebase a series of 60 patches on a tree of 6,800 files: patchbot beside stock git, checked before it is timed.

    python benchmarks/rebase.py [--patches N] [--files N] [--rounds N] [--json]

Everybody starts from the same packed clone and ends with the new series on disk as patch files; a tool whose
tree is not the expected one gets no time.  Rounds go round the tools, and ratios are of medians.
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


def timed(argv: list[str], folder: Path) -> float:
    """Run a command and return its seconds."""
    started = time.perf_counter()
    run = subprocess.run(argv, cwd=folder, env=ENV, capture_output=True, check=False)
    seconds = time.perf_counter() - started
    if run.returncode:
        sys.exit(f"{' '.join(argv)}: {run.stderr.decode()[-2000:]}")
    return seconds


def measured(origin: Path, tool: str, mails: Path, want: str) -> float:
    """Run a tool once from a fresh clone; return its seconds, its result checked."""
    with tempfile.TemporaryDirectory(prefix="bench-") as name:
        here, out = Path(name, "clone"), Path(name, "out")
        if tool == "patchbot":
            clone(origin, here, "new")
            words = ["rebase", "-q", "--repo", str(here), "--from", "at-old", "--onto", "at-new"]
            argv = [
                sys.executable,
                "-m",
                "patchbot",
                *words,
                "--patches",
                str(mails),
                "--out",
                str(out),
                "--json",
            ]
            started = time.perf_counter()
            run = subprocess.run(argv, cwd=here, env=ENV, capture_output=True, check=False)
            seconds = time.perf_counter() - started
            if run.returncode:
                sys.exit(run.stderr.decode())
            tree = json.loads(run.stdout)["result_tree"]
        else:
            tuned = list(TUNED) if "tuned" in tool else []
            if tool.startswith("git am"):
                clone(origin, here, "new")
                files = [str(f) for f in sorted(mails.glob("*.patch"))]
                seconds = timed(["git", *tuned, "am", "-q", "-3", *files], here)
            else:
                clone(origin, here, "series")
                seconds = timed(["git", "rebase", "-q", "--onto", "at-new", "at-old", "series"], here)
            seconds += timed(["git", "format-patch", "-q", "-o", str(out), "at-new..HEAD"], here)
            tree = git(here, "rev-parse", "HEAD^{tree}")
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
    tools = ["patchbot", "git am -3", "git am -3, tuned", "git rebase --onto"]
    folder = Path(tempfile.mkdtemp(prefix="bench-"))
    try:
        origin = prepared(folder, given.files, given.changed, given.patches)
        want = expected(origin)
        run: Callable[[str], float] = lambda tool: measured(origin, tool, folder / "mails", want)  # noqa: E731
        times: dict[str, list[float]] = {tool: [] for tool in tools}
        for _ in range(given.rounds):
            for tool in tools:
                times[tool].append(run(tool))
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
    for tool, seconds in medians.items():
        spread = f"{min(times[tool]):.2f} to {max(times[tool]):.2f}"
        print(f"  {tool:20} {seconds:6.2f} s   {seconds / medians['patchbot']:5.1f} x   ({spread})")


if __name__ == "__main__":
    main()
