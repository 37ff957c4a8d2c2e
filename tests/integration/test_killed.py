"""kill -9 after every single write of a run over three releases: the next run ends with the same bytes.

A child of this process counts what it does to the disk (Python's audit events: files opened for writing, moved,
removed, folders made, gits started) and kills itself at the n-th; then another goes on.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import signal
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from support.upstream import Upstream

from patchbot import config as configs
from patchbot import files
from patchbot.git.commits import CommitText
from patchbot.model import Release, TreeFile
from patchbot.pipeline import imports, many
from patchbot.pipeline.work import workspace
from patchbot.report.terminal import Reporter
from patchbot.symbols import rewrite, rules, scan  # a child must not read them anew each time
from patchbot.upstream import policy

pytestmark = [pytest.mark.integration, pytest.mark.timeout(1800)]

RELEASES = tuple(Release(major, 0, 1) for major in (8, 9, 10))
LOADED = (rewrite, rules, scan, policy)
FILE = "crates/runtime/src/traps.rs"
TEXT = "".join(f"pub fn trap_{n}() -> u32 {{\n    let code = {n};\n    code\n}}\n\n" for n in range(6))
POLICY = """
[[patch]]
name = "trap-code"
kind = "carried"
upstream = "never"
why = "Says so."
"""
MOVES = frozenset({"os.rename", "os.remove", "os.mkdir", "os.rmdir"})
GITS = frozenset(
    {"fast-import", "update-ref", "hash-object", "mktree", "commit-tree", "multi-pack-index", "init"}
)
_WRITING = os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_TRUNC


@pytest.fixture
def ready(project: Path, upstream: Upstream) -> Path:
    """A project of three releases with a carried patch, everything downloaded."""
    for number, release in enumerate(RELEASES):
        upstream.publish(str(release), change={FILE: TEXT.replace("let code = 1;", f"let code = 1{number};")})
    with workspace(configs.load(project), Reporter(quiet=True)) as work:
        for release in RELEASES:
            imports.import_release(work, release)
        base = work.store.resolve(f"refs/patchbot/upstream/{RELEASES[0]}")
        assert base is not None
        old = TEXT.replace("let code = 1;", "let code = 10;")
        change = TreeFile(FILE, old.replace("let code = 4;", "let code = 400;").encode())
        text = CommitText(message="trap-code: say so\n", author="a <a@invalid>", date="1700000000 +0000")
        (mail,) = work.store.mails(base, work.store.commit_series(base, [([change], text)])[0])
        files.write(work.config.patches / "carried" / "trap-code" / f"{RELEASES[0]}.patch", mail)
        file = work.config.patches / "policy.toml"
        files.write(file, (file.read_text() + POLICY).encode())
    return project


def run(project: Path, *, die_at: int | None) -> int:
    """Sync all releases in a child; return its exit status, negative for a signal."""
    child = os.fork()
    if child:
        return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    code = 1
    try:
        if die_at is not None:
            sys.addaudithook(_killer(project, die_at))
        with workspace(configs.load(project), Reporter(quiet=True)) as work:
            done = many.sync_all(work, RELEASES, jobs=1)
        code = int(any(isinstance(outcome, Exception) for _, outcome in done))
    finally:
        os._exit(code)


def _killer(project: Path, left: int) -> Callable[[str, tuple[Any, ...]], None]:
    count = 0

    def hook(event: str, args: tuple[Any, ...]) -> None:
        nonlocal count
        if _writes(event, args, str(project)):
            count += 1
            if count > left:
                os.kill(os.getpid(), signal.SIGKILL)

    return hook


def _writes(event: str, args: tuple[Any, ...], project: str) -> bool:
    """Whether an event leaves something in the project: temporary files elsewhere die with the process."""
    if event == "subprocess.Popen":
        return not GITS.isdisjoint(args[1])
    if event == "open":
        return isinstance(args[2], int) and bool(args[2] & _WRITING) and str(args[0]).startswith(project)
    return event in MOVES and any(str(arg).startswith(project) for arg in args)


def picture(project: Path) -> dict[str, str]:
    """Return a digest of every file that users see, and every ref of the store."""
    out = {
        str(file.relative_to(project)): hashlib.sha256(file.read_bytes()).hexdigest()
        for file in sorted((project / "patches").rglob("*"))
        if file.is_file()
    }
    with workspace(configs.load(project), Reporter(quiet=True)) as work:
        out.update(
            {name: oid for name, oid in work.store.refs("refs/patchbot/").items() if "scratch" not in name}
        )
    return out


def remade(project: Path) -> None:
    """Take back all that a run makes of what was downloaded."""
    shutil.rmtree(project / ".patchbot", ignore_errors=True)
    for release in RELEASES:
        shutil.rmtree(project / "patches" / str(release), ignore_errors=True)


def kills(project: Path) -> Iterator[int]:
    """Yield the number of writes after which the run was killed, until one runs to its end."""
    for survive in range(10_000):
        remade(project)
        status = run(project, die_at=survive)
        if status != -signal.SIGKILL:
            assert status == 0
            return
        yield survive


def test_a_run_that_was_killed_after_any_write_ends_with_the_same_bytes(ready: Path) -> None:
    remade(ready)
    assert run(ready, die_at=None) == 0
    wanted = picture(ready)
    assert sum(name.endswith(".patch") for name in wanted) > 12
    count = 0
    for survive in kills(ready):
        assert run(ready, die_at=None) == 0, f"after {survive} writes"
        assert picture(ready) == wanted, f"after {survive} writes"
        count += 1
    assert count > 100, "a run writes more than that"
