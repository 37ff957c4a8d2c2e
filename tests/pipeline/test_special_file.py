"""The report on the special file: which files it takes, which receipts count, and how the command ends."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from support.commands import Run
from support.upstream import Upstream

from patchbot import config as configs
from patchbot.errors import EnvironmentProblem, IncompleteRelease, PatchbotError, UsageError
from patchbot.model import Release
from patchbot.pipeline import assemble
from patchbot.pipeline import special_file as stage
from patchbot.pipeline.work import Workspace, workspace
from patchbot.proof import receipts
from patchbot.proof.making import Bench
from patchbot.proof.receipts import Receipt, Rung, Twin
from patchbot.report.terminal import Reporter
from patchbot.targets import KNOWN
from patchbot.truth import Assembled, Evidence, Form, Row, Verdict

LINUX, S390X = "x86_64-unknown-linux-gnu", "s390x-unknown-linux-gnu"
GCC = "s390x-linux-gnu-gcc 12.2.0"
GOOD = Row(
    path="crates/fiber/s390x.S",
    crate="fiber",
    form=Form.ASSEMBLER,
    target=S390X,
    verdict=Verdict.AGREES,
    compiler=GCC,
    defined=("x_1",),
    suffixed=1,
    twin=True,
)
DEAD = replace(GOOD, path="a/dead.S", target="", verdict=Verdict.NOT_COMPILED, compiler="", defined=(), suffixed=0, twin=None)  # fmt: skip
HELPERS = replace(GOOD, path="crates/runtime/helpers.c", form=Form.C)


def release(version: str, *rows: Row) -> Assembled:
    return Assembled(Release.parse(version), "_1", rows)


@pytest.fixture
def work(project: Path) -> Iterator[Workspace]:
    with workspace(configs.load(project), Reporter(quiet=True)) as opened:
        yield opened


# -- which files -------------------------------------------------------------------------------------


def test_files_are_told_by_their_form() -> None:
    rows = (
        HELPERS,
        GOOD,
        replace(GOOD, path="other.S", target=LINUX),
        DEAD,
        replace(DEAD, path="a/old.c", form=Form.C),
    )
    found = list(stage.files_of(release("20.0.0", *rows), S390X, ("8.0.1+20.0.0",)))
    assert [(file.path, file.compiled, file.run) for file in found] == [
        ("a/dead.S", False, ("8.0.1+20.0.0",)), ("crates/fiber/s390x.S", True, ("8.0.1+20.0.0",)),
    ]  # fmt: skip


def test_a_release_without_a_file_is_there_too() -> None:
    (file,) = stage.files_of(release("38.0.0", HELPERS), S390X, ())
    assert (file.row, file.path, file.run, file.evidence) == (None, "", (), Evidence.NOT_NEEDED)


# -- together ----------------------------------------------------------------------------------------

Outcomes = dict[Release, Assembled | PatchbotError]


@pytest.fixture
def outcomes(monkeypatch: pytest.MonkeyPatch, upstream: Upstream) -> Outcomes:
    """What ``assemble`` would make; nothing is compiled here."""
    made: Outcomes = {}
    bench = Bench(KNOWN[S390X])
    monkeypatch.setattr(assemble, "benches_for", lambda targets: [replace(bench, target=t) for t in targets])
    monkeypatch.setattr(
        assemble, "assemble_all", lambda _work, releases, _benches, **_: [(r, made[r]) for r in releases]
    )
    for found in (release("8.0.1", GOOD, HELPERS), release("20.0.0", GOOD, DEAD), release("38.0.0", HELPERS)):
        made[found.release] = found
        upstream.publish(str(found.release))
    return made


def test_gathered_are_files_and_what_failed(work: Workspace, outcomes: Outcomes) -> None:
    rung = Rung("run", (), (Twin("wrong expectations", failed=True, detail=""),), "", 1.0)
    receipt = Receipt("key", ("8.0.1",), S390X, (rung,), {}, "2025-11-28")
    receipts.save(work.config.patches / "receipts" / S390X / "8.0.1.json", receipt)
    gone = Release(23, 0, 0)
    outcomes[gone] = IncompleteRelease("the index has no wasmtime-environ 23.0.0")
    found = stage.gather(work, sorted(outcomes), Bench(KNOWN[S390X]), jobs=1)
    assert [(str(file.release), file.path, file.evidence.value) for file in found.files] == [
        ("8.0.1", GOOD.path, "run"), ("20.0.0", DEAD.path, "none needed"), ("20.0.0", GOOD.path, "assembled"),
        ("38.0.0", "", "none needed"),
    ]  # fmt: skip
    assert found.left_out == {gone: "the index has no wasmtime-environ 23.0.0"}
    assert found.wrong == ()


# -- the command -------------------------------------------------------------------------------------


@pytest.mark.usefixtures("project", "outcomes")
def test_the_command_prints_text_markdown_or_json(run: Run) -> None:
    code, out, err = run("report", "special-file", "8.0.1", "38.0.0", "-q")
    assert (code, err) == (0, "")
    assert out.splitlines()[-1] == "2 releases; 1 files: 1 assembled; 1 releases without such a file"

    code, out, _ = run("report", "special-file", "--all", "--markdown", "-q")
    assert code == 0
    assert "Made by `patchbot report special-file --all --markdown` of patchbot " in out

    code, out, _ = run("report", "special-file", "--all", "--json", "-q")
    data = json.loads(out)
    assert (code, data["schema"], data["target"], data["left_out"]) == (0, 1, S390X, {})
    assert [(row["release"], row["path"], row["compiled"]) for row in data["rows"]] == [
        ("8.0.1", GOOD.path, True), ("20.0.0", DEAD.path, False), ("20.0.0", GOOD.path, True), ("38.0.0", None, False),
    ]  # fmt: skip


@pytest.mark.usefixtures("project", "outcomes")
def test_markdown_names_what_was_asked(run: Run) -> None:
    words = ("report", "special-file", "38.0.0", "8.0.1", "--target", LINUX, "--markdown")
    assert f"`patchbot report special-file 8.0.1 38.0.0 --target {LINUX} --markdown`" in run(*words, "-q")[1]


@pytest.mark.usefixtures("project")
@pytest.mark.parametrize(
    "wrong",
    [
        replace(GOOD, verdict=Verdict.DISAGREES, problems=("defines x",)),
        replace(GOOD, verdict=Verdict.REFUSED, problems=("s390x.S:1: Error: no",)),
        replace(GOOD, twin=False, problems=("without patches it has the same names",)),
    ],
    ids=["disagrees", "refused", "twin agrees"],
)
def test_what_is_wrong_is_exit_code_1(run: Run, outcomes: Outcomes, wrong: Row) -> None:
    outcomes[Release(8, 0, 1)] = release("8.0.1", wrong)
    code, out, err = run("report", "special-file", "--all", "-q")
    assert code == 1
    assert f"8.0.1: {GOOD.path}, {S390X}, assembler ({GCC}): {wrong.problems[0]}" in out
    assert err.startswith("error: assembler files disagree with the scan in 8.0.1\n")


@pytest.mark.usefixtures("project")
def test_another_kind_of_file_that_is_wrong_is_not_its_business(run: Run, outcomes: Outcomes) -> None:
    outcomes[Release(8, 0, 1)] = release("8.0.1", GOOD, replace(HELPERS, verdict=Verdict.DISAGREES))
    assert run("report", "special-file", "--all", "-q")[0] == 0


@pytest.mark.usefixtures("project")
def test_a_release_that_fails_does_not_keep_the_others(run: Run, outcomes: Outcomes) -> None:
    outcomes[Release(20, 0, 0)] = UsageError("there is no wasmtime 20.0.0")
    code, out, err = run("report", "special-file", "8.0.1", "20.0.0", "-q")
    assert code == 2
    assert GOOD.path in out
    assert "20.0.0: there is no wasmtime 20.0.0" in out
    assert err == "error: there is no wasmtime 20.0.0\n"
    code, out, _ = run("report", "special-file", "20.0.0", "-q")
    assert (code, out) == (2, "")


@pytest.mark.usefixtures("project")
def test_an_incomplete_release_is_no_failure_among_all(run: Run, outcomes: Outcomes) -> None:
    outcomes[Release(20, 0, 0)] = IncompleteRelease("the index has no wasmtime-environ 20.0.0")
    code, out, err = run("report", "special-file", "--all", "-q")
    assert (code, err) == (0, "")
    assert "20.0.0: the index has no wasmtime-environ 20.0.0" in out


@pytest.mark.usefixtures("project")
def test_without_the_cross_compiler_it_is_exit_code_9(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    def none(_: object) -> None:
        raise EnvironmentProblem(f"no compiler for {S390X}", hint="install it")

    monkeypatch.setattr(assemble, "benches_for", none)
    code, out, err = run("report", "special-file", "8.0.1")
    assert (code, out) == (9, "")
    assert err.startswith(f"error: no compiler for {S390X}\n")


@pytest.mark.usefixtures("project", "outcomes")
@pytest.mark.parametrize(
    "words", [("8.0.1", "--all"), ("8.0.1", "--markdown", "--json"), ("--target", "no-such-target")]
)
def test_what_cannot_be_asked_is_exit_code_2(run: Run, words: tuple[str, ...]) -> None:
    assert run("report", "special-file", *words)[:2] == (2, "")
