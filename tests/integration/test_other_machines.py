"""Forks on a machine that nobody here has: built for s390x, and run under qemu."""

from __future__ import annotations

import json
import struct
from dataclasses import replace
from pathlib import Path

import pytest
from integration.conftest import Project
from proof import engine
from proof.engine import Engine

from patchbot.proof import program, prove
from patchbot.proof.cross import find
from patchbot.proof.receipts import Rung
from patchbot.targets import KNOWN

pytestmark = [pytest.mark.integration, pytest.mark.timeout(1800)]

S390X = "s390x-unknown-linux-gnu"
PAIR = ("8.0.1", "9.0.4")
EM_S390 = 22  # ELF's number for the machine (System V ABI)


@pytest.fixture(scope="session")
def s390x(real: Project) -> str:
    """The target, with a toolchain that patchbot prepared; the test is skipped where there is none to be had."""
    done = real.run("doctor", "--target", S390X, "--install", "--yes")
    if done.code == 9:
        pytest.skip(f"no toolchain for {S390X}: {done.err.strip()}")
    assert done.code == 0, done.err
    return S390X


def test_the_pair_lives_together_on_s390x(real: Project, s390x: str) -> None:
    done = real.run("prove", *PAIR, "--target", s390x, "--json", "--record")
    assert done.code == 0, done.err
    assert done.json["target"] == s390x
    rungs = done.json["rungs"]
    assert [(r["rung"], r["ok"], r["negative_twin_failed"]) for r in rungs] == [
        ("symbols", True, True), ("link", True, True), ("run", True, True),
    ]  # fmt: skip
    # two forks and the original: 18 checks each, nine nestings, four foreign artifacts, the threads
    assert rungs[2]["checked"] == "68 checks"
    receipt = Path(done.json["receipt"])
    recorded = real.folder / "patches" / "receipts" / s390x / "8.0.1+9.0.4.json"
    assert json.loads(recorded.read_bytes()) == json.loads(receipt.read_bytes())
    assert "qemu" in done.json["inputs"]["emulator"]


def test_the_program_is_one_for_s390x(real: Project, s390x: str) -> None:
    test_the_pair_is_proved_once(real, s390x)
    folder = real.folder / ".patchbot" / "proof" / s390x / "target" / s390x / "debug"
    header = (folder / "proof-forks").read_bytes()[:20]
    assert header[:6] == b"\x7fELF\x02\x02"  # 64 bits, big endian
    assert struct.unpack(">H", header[18:20]) == (EM_S390,)
    assert not (folder / "proof-bare").exists()  # without the suffix it does not link


def test_the_pair_is_proved_once(real: Project, s390x: str) -> None:
    assert real.run("prove", *PAIR, "--target", s390x).code == 0
    again = real.run("prove", *PAIR, "--target", s390x, "--json")
    assert (again.code, again.json["known"]) == (0, True)


def test_the_receipt_is_evidence(real: Project, s390x: str) -> None:
    assert real.run("prove", *PAIR, "--target", s390x).code == 0
    status = real.run("status", "--json").json["releases"]
    assert {
        row["release"]: row["proof"].get(s390x) for row in status if row["release"] in PAIR
    } == dict.fromkeys(PAIR, "run")
    table = real.run("report", "special-file", *PAIR, "--json")
    assert table.code == 0, table.err
    rows = table.json["rows"]
    assert {row["path"] for row in rows} == {
        "crates/fiber/src/unix/s390x.S", "crates/runtime/src/trampolines/s390x.S",
    }  # fmt: skip
    assert [(row["run"], row["evidence"]) for row in rows] == [(["8.0.1+9.0.4"], "run")] * 4
    assert real.run("check").code == 0


# -- what must fail there, on crates of a few lines --------------------------------------------------


@pytest.fixture
def version_rs(monkeypatch: pytest.MonkeyPatch) -> None:
    """What a version does in the program of a few lines."""
    real = program._template
    monkeypatch.setattr(
        program, "_template", lambda name: engine.VERSION_RS if name == "version.rs" else real(name)
    )


def climbed(folder: Path, real: Project, *engines: Engine) -> list[Rung]:
    world = engine.world(folder, *engines)
    machine = find.find(KNOWN[S390X], real.cache, working=True)
    return list(prove.ladder(world.subjects, replace(world.setting, toolchain=machine)))


@pytest.mark.usefixtures("version_rs", "s390x")
def test_forks_that_live_together_climb_every_rung(tmp_path: Path, real: Project) -> None:
    rungs = climbed(tmp_path, real, Engine("1.0.0", links=True), Engine("2.0.0", links=True))
    assert [(rung.name, rung.problems, rung.ok) for rung in rungs] == [
        ("symbols", (), True), ("link", (), True), ("run", (), True),
    ]  # fmt: skip
    assert "defines engine_answer without the suffix _1_0_0_pb" in rungs[0].twins[0].detail
    assert rungs[1].twins[0].detail == "duplicate symbol engine_answer"


@pytest.mark.usefixtures("version_rs", "s390x")
def test_a_name_without_suffix_is_found_in_objects_of_another_machine(tmp_path: Path, real: Project) -> None:
    (rung,) = climbed(tmp_path, real, Engine("1.0.0", name=engine.NAME), Engine("2.0.0"))
    assert not rung.ok
    assert any("defines engine_answer without the suffix _1_0_0_pb" in problem for problem in rung.problems)


@pytest.mark.usefixtures("version_rs", "s390x")
@pytest.mark.parametrize(
    ("answer", "told"),
    [
        ("41", "1.0.0, answer: found 41 instead of 42"),
        ("unsafe { core::ptr::null::<i32>().read_volatile() }", "the program ended with signal 11"),
    ],
    ids=["wrong", "crash"],
)
def test_what_goes_wrong_under_the_emulator_is_told(
    tmp_path: Path, real: Project, answer: str, told: str
) -> None:
    *_, run = climbed(tmp_path, real, Engine("1.0.0", answer=answer))
    assert run.name == "run"
    assert not run.ok
    assert any(problem.startswith(told) for problem in run.problems), run.problems
