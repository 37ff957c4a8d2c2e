"""``assemble`` on a small upstream: releases go in, rows come out, and nothing else changes."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from support.upstream import Upstream
from symbols import native

from patchbot import config as configs
from patchbot.cli import run_cli
from patchbot.errors import EnvironmentProblem, UsageError
from patchbot.model import Release
from patchbot.pipeline import assemble as stage
from patchbot.pipeline import imports, sync
from patchbot.pipeline.work import Workspace, workspace
from patchbot.proof import compilers, making
from patchbot.proof.making import Bench
from patchbot.report.terminal import Reporter
from patchbot.targets import KNOWN
from patchbot.truth import Assembled, Form, Row, Verdict

pytestmark = [native.needs_cc, native.x86_64_linux]

LINUX = KNOWN["x86_64-unknown-linux-gnu"]
MSVC = KNOWN["x86_64-pc-windows-msvc"]
BARE, VERSIONED = Release(8, 0, 1), Release(12, 0, 2)


@pytest.fixture
def releases(upstream: Upstream) -> None:
    upstream.publish("8.0.1", change={"crates/runtime/src/dead.S": "f: ret\n"})
    upstream.publish("12.0.2", versioned=True)


@pytest.fixture
def work(project: Path, releases: None) -> Iterator[Workspace]:
    with workspace(configs.load(project), Reporter(quiet=True)) as opened:
        yield opened


@pytest.fixture(scope="module")
def benches() -> tuple[Bench, ...]:
    """The native compiler, and a target without one.  Rustc is left out: its crates come from the network."""
    return (Bench(LINUX, compilers.find(LINUX)), Bench(MSVC))


def done(outcome: object) -> Assembled:
    assert isinstance(outcome, Assembled), outcome
    return outcome


def seen(found: Assembled, verdict: Verdict) -> set[tuple[str, Form]]:
    return {(row.path.rpartition("/")[2], row.form) for row in found.rows if row.verdict is verdict}


def plain(rows: tuple[Row, ...]) -> list[Row]:
    return [replace(row, seconds=0.0, known=False) for row in rows]


def test_every_object_of_a_release_is_told(work: Workspace, benches: tuple[Bench, ...]) -> None:
    before = sorted(work.config.patches.rglob("*"))
    found = stage.assemble(work, BARE, benches=benches)
    assert sorted(work.config.patches.rglob("*")) == before, "patches/ is not touched"
    assert found.ok, [row.problems for row in found.rows]
    agreeing = {("helpers.c", Form.C), ("x86_64.rs", Form.TEXT)}
    assert seen(found, Verdict.AGREES) == agreeing
    macros = {("fiber", Form.MACROS), ("runtime", Form.MACROS)}
    assert seen(found, Verdict.NO_COMPILER) == {*agreeing, ("windows.c", Form.C), *macros}
    assert seen(found, Verdict.NOT_COMPILED) == {("dead.S", Form.ASSEMBLER)}
    twins = {row.path.rpartition("/")[2]: row.twin for row in found.rows if row.verdict is Verdict.AGREES}
    assert twins == {"helpers.c": True, "x86_64.rs": True}
    text = next(row for row in found.rows if row.path.endswith("trampolines/x86_64.rs") and row.compiler)
    assert (len(text.defined), text.suffixed) == (5, 5)


def test_a_second_time_makes_nothing(
    work: Workspace, benches: tuple[Bench, ...], monkeypatch: pytest.MonkeyPatch
) -> None:
    first = dict(stage.assemble_all(work, [BARE, VERSIONED], benches, jobs=1))

    def never(*_: object, **__: object) -> None:
        pytest.fail("a second time makes nothing")

    for place, name in ((making, "make"), (sync, "generate"), (stage, "with_shelf"), (stage, "assemble")):
        monkeypatch.setattr(place, name, never)
    again = dict(stage.assemble_all(work, [BARE, VERSIONED], benches, jobs=1))
    for release in (BARE, VERSIONED):
        assert plain(done(again[release]).rows) == plain(done(first[release]).rows)
        assert {row.known for row in done(again[release]).rows} == {True}
    assert not any(row.known for row in done(first[BARE]).rows)


def test_other_tools_are_asked_anew(work: Workspace, benches: tuple[Bench, ...]) -> None:
    stage.assemble(work, BARE, benches=benches)
    cc = benches[0].cc
    assert cc is not None
    assert stage.recall(work, BARE, benches) is not None
    assert stage.recall(work, BARE, benches[:1]) is None
    assert (
        stage.recall(work, BARE, (replace(benches[0], cc=replace(cc, version="another")), benches[1])) is None
    )
    assert stage.recall(work, VERSIONED, benches) is None


def test_who_asks_about_one_target_keeps_what_is_known_of_all(
    work: Workspace, benches: tuple[Bench, ...]
) -> None:
    stage.assemble(work, BARE, benches=benches)
    stage.assemble(work, BARE, benches=benches[:1])
    assert stage.recall(work, BARE, benches) is not None
    assert stage.recall(work, BARE, benches[:1]) is not None


def test_what_sync_has_made_is_taken(
    work: Workspace, benches: tuple[Bench, ...], monkeypatch: pytest.MonkeyPatch
) -> None:
    sync.sync(work, BARE)
    monkeypatch.setattr(sync, "generate", lambda *_: pytest.fail("the series is there"))
    assert stage.assemble(work, BARE, benches=benches).ok


def test_a_series_of_another_suffix_is_no_series(work: Workspace) -> None:
    first = sync.patched_tree(work, imports.import_whole(work, BARE))
    other = Workspace(configs.load(work.config.project, suffix="_mine_{version}"), work.store, work.reporter)
    second = sync.patched_tree(other, imports.import_whole(other, BARE))
    assert first != second
    assert sync.recall_tree(work, imports.import_whole(work, BARE)) is None
    assert sync.patched_tree(work, imports.import_whole(work, BARE)) == first


def test_another_suffix_is_compared_just_as_well(
    project: Path, upstream: Upstream, benches: tuple[Bench, ...]
) -> None:
    upstream.publish("8.0.1")
    with workspace(configs.load(project, suffix="_mine"), Reporter(quiet=True)) as work:
        found = stage.assemble(work, BARE, benches=benches)
    assert found.ok, [row.problems for row in found.rows]
    assert {row.twin for row in found.rows if row.verdict is Verdict.AGREES} == {True}


def test_processes_make_the_same_rows(work: Workspace, benches: tuple[Bench, ...]) -> None:
    made = dict(stage.assemble_all(work, [BARE, VERSIONED, Release(10, 0, 0)], benches, jobs=2))
    assert isinstance(made[Release(10, 0, 0)], UsageError)
    for release in (BARE, VERSIONED):
        assert plain(done(made[release]).rows) == plain(stage.assemble(work, release, benches=benches).rows)


def test_without_its_crates_rustc_expands_nothing_and_the_rows_say_so(
    work: Workspace, benches: tuple[Bench, ...]
) -> None:
    rustc = compilers.Rustc("rustc", LINUX.triple, "nm", "rustc 1.0")
    (bench,) = stage.with_shelf(work, [replace(benches[0], cc=None, rustc=rustc)])
    assert bench.shelf is None
    assert "upstream's macros" in bench.missing


# -- which targets -----------------------------------------------------------------------------------


def test_an_asked_target_must_have_a_compiler(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(compilers, "find", lambda target: None if target == MSVC else "cc")
    monkeypatch.setattr(compilers, "find_rustc", lambda: None)
    assert [bench.target for bench in stage.benches_for([])] == list(KNOWN.values())
    assert [bench.target for bench in stage.benches_for([LINUX])] == [LINUX]
    with pytest.raises(EnvironmentProblem, match="no compiler for x86_64-pc-windows-msvc"):
        stage.benches_for([LINUX, MSVC])


def test_without_any_compiler_nothing_is_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "/nowhere")
    with pytest.raises(EnvironmentProblem, match="no C compiler for any target"):
        stage.benches_for([])


# -- the command -------------------------------------------------------------------------------------


@pytest.fixture
def command(
    project: Path, releases: None, benches: tuple[Bench, ...], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A project for the command, with the same tools."""
    monkeypatch.setattr(stage, "benches_for", lambda _: benches)


@pytest.mark.usefixtures("command")
def test_the_table_has_a_line_per_object_and_a_release_that_fails_does_not_keep_the_others(
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert run_cli(["assemble", "8.0.1", "8.0.7", "--jobs", "1", "--quiet"]) == 2
    out, err = capsys.readouterr()
    assert err.startswith("error: there is no wasmtime 8.0.7")
    assert out.startswith("wasmtime 8.0.1, suffix _8_0_1_pb\n")
    (line,) = [line.split() for line in out.splitlines() if "helpers.c" in line and LINUX.triple in line]
    assert line[:7] == ["crates/runtime/src/helpers.c", "C", LINUX.triple, "agrees", "4", "2", "0"]
    assert "dead.S" in out
    assert "all disagree, as they must" in out


@pytest.mark.usefixtures("command")
def test_all_is_a_matrix_and_json_has_every_name(capsys: pytest.CaptureFixture[str]) -> None:
    assert run_cli(["assemble", "--all", "--jobs", "1", "--quiet"]) == 0
    out = capsys.readouterr().out
    assert "8.0.1 to 12.0.2" in out
    assert "2 releases, " in out
    assert run_cli(["assemble", "--all", "--json", "--quiet"]) == 0
    data = json.loads(capsys.readouterr().out)
    assert data["schema"] == 1
    assert data["targets"][MSVC.triple] == {"c": None, "text": None}
    assert [release["ok"] for release in data["releases"]] == [True, True]
    rows = {(row["path"], row["target"]): row for row in data["releases"][0]["rows"]}
    helpers = rows["crates/runtime/src/helpers.c", LINUX.triple]
    assert helpers["defined"] == ["__jit_debug_descriptor", "__jit_debug_register_code",
                                  "wasmtime_jit_debug_descriptor_8_0_1_pb", "wasmtime_setjmp_8_0_1_pb"]  # fmt: skip
    assert (helpers["verdict"], helpers["negative_twin_failed"], helpers["known"]) == ("agrees", True, True)
    assert rows["crates/runtime/src/dead.S", ""]["compiled"] is False
    assert {entry["path"] for entry in data["matrix"]} >= {"crates/runtime/src/helpers.c"}


@pytest.mark.usefixtures("command")
def test_a_disagreement_is_exit_code_7(
    benches: tuple[Bench, ...],
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    tmp_path: Path,
) -> None:
    cc = benches[0].cc
    assert cc is not None
    nm = tmp_path / "nm"
    nm.write_text("#!/bin/sh\necho 'stray T 0 0'\n")
    nm.chmod(0o755)
    lying = (replace(benches[0], cc=replace(cc, nm=str(nm), version="a liar")),)
    monkeypatch.setattr(stage, "benches_for", lambda _: lying)
    assert run_cli(["assemble", "8.0.1", "--quiet"]) == 7
    captured = capsys.readouterr()
    assert "defines stray, and the scan does not know it" in captured.out
    assert "error: objects disagree with the scan in 8.0.1" in captured.err


@pytest.mark.usefixtures("project")
def test_a_target_without_a_compiler_is_exit_code_9(capsys: pytest.CaptureFixture[str]) -> None:
    assert run_cli(["assemble", "8.0.1", "--target", MSVC.triple]) == 9
    captured = capsys.readouterr()
    assert f"error: no compiler for {MSVC.triple}" in captured.err
    assert run_cli(["assemble", "8.0.1", "--target", "no-such-target"]) == 2
    assert run_cli(["assemble", "8.0.1", "--all"]) == 2
