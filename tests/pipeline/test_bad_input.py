"""A release that nobody can read right: nothing of it is written, and people are told the place and the next step."""

from __future__ import annotations

from pathlib import Path

import pytest
from support.upstream import Upstream

from patchbot import config as configs
from patchbot.cli import run_cli
from patchbot.errors import Findings, PatchbotError, RewriteError
from patchbot.model import Release
from patchbot.pipeline import many
from patchbot.pipeline import sync as stage
from patchbot.pipeline.work import Workspace, workspace
from patchbot.report.terminal import Reporter

GOOD = Release(8, 0, 1)

TABLE = "".join(f"const X{n}: u64 = {n * 0x9E3779B97F4A7C15 % 2**64};\n" for n in range(100_000))

# file, what is in it, the line that people are sent to
BROKEN: dict[str, tuple[str, str | bytes, int]] = {
    "Rust that does not end": ("src/libcalls.rs", '#[no_mangle]\nextern "C" fn f() {\n', 2),
    "Rust in another encoding": ("src/libcalls.rs", b"\n// \xe9\n", 2),
    "a comment of C that does not end": ("src/helpers.c", "int x;\n\n/* int y;\n", 3),
    "a build script that does not end": ("build.rs", "\nfn main() {\n", 2),
    "no manifest": ("Cargo.toml", "[package\n", 1),
    "five megabytes of a table": ("src/libcalls.rs", TABLE, 1),
    "a macro that nobody knows": ("src/libcalls.rs", "\nthirdparty::export!(mutant);\n", 2),
}


def everything(work: Workspace) -> dict[str, object]:
    """Return all that a series is: files of the project, and branches of the store."""
    files = {str(file): file.read_bytes() for file in work.config.patches.rglob("*") if file.is_file()}
    return {**files, **work.store.refs("refs/patchbot/series/")}


def test_releases_that_cannot_be_read_are_told_and_only_the_others_are_written(
    project: Path, upstream: Upstream
) -> None:
    upstream.publish(str(GOOD))
    bad = {Release(9, 0, number): what for number, what in enumerate(BROKEN)}
    for release, what in bad.items():
        file, data, _ = BROKEN[what]
        upstream.publish(str(release), change={f"crates/runtime/{file}": data})
    with workspace(configs.load(project), Reporter(quiet=True)) as work:
        outcomes = dict(many.sync_all(work, (*bad, GOOD), jobs=1))
        written = {folder.name for folder in work.config.patches.iterdir() if folder.is_dir()}
        assert written == work.store.refs("refs/patchbot/series/").keys() == {str(GOOD)}
    for release, what in bad.items():
        file, _, line = BROKEN[what]
        finding = outcomes[release]
        assert isinstance(finding, Findings), what
        assert f"crates/runtime/{file}:{line}: " in str(finding), what
        assert "policy.toml" in str(finding.hint), what


def test_a_release_that_turns_bad_keeps_the_series_that_it_has(project: Path, upstream: Upstream) -> None:
    """A policy or a rule that changed makes a series anew; until that works the old one stays."""
    upstream.publish(str(GOOD), change={"crates/runtime/src/libcalls.rs": "thirdparty::export!(mutant);\n"})
    policy = project / "patches" / "policy.toml"
    strict = policy.read_bytes()
    with policy.open("a") as file:
        file.write('\n[[blind-spot]]\npath = "crates/runtime/*"\nsays = "export!"\nwhy = "looked at"\n')
    with workspace(configs.load(project), Reporter(quiet=True)) as work:
        stage.sync(work, GOOD)
    policy.write_bytes(strict)
    with workspace(configs.load(project), Reporter(quiet=True)) as work:
        before = everything(work)
        with pytest.raises(PatchbotError):
            stage.sync(work, GOOD)
        assert everything(work) == before


def test_a_suffix_that_the_sources_have_already_is_refused_and_nothing_is_written(
    project: Path, upstream: Upstream
) -> None:
    upstream.publish(str(GOOD), change={"crates/runtime/src/libcalls.rs": "\nfn f_8_0_1_pb() {}\n"})
    with workspace(configs.load(project), Reporter(quiet=True)) as work:
        before = everything(work)
        with pytest.raises(RewriteError, match="_8_0_1_pb stands here already") as caught:
            stage.sync(work, GOOD)
        assert caught.value.where == "crates/runtime/src/libcalls.rs:2"
        assert everything(work) == before


@pytest.mark.usefixtures("project")
def test_the_command_says_where_and_what_next(upstream: Upstream, capsys: pytest.CaptureFixture[str]) -> None:
    upstream.publish(str(GOOD), change={"crates/runtime/src/helpers.c": b"\xff int x = ;\n"})
    assert run_cli(["sync", str(GOOD), "--quiet"]) == Findings.exit_code
    said = capsys.readouterr().err
    assert "crates/runtime/src/helpers.c:1: the C parser cannot read this" in said
    assert "policy.toml" in said
