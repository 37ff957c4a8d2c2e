"""`doctor --target` from the command line, on a machine of scripts."""

from __future__ import annotations

import io
import json
import sys
from pathlib import Path

import pytest
from proof.cross.world import TRIPLE, World
from support.commands import Run

S390X = ("doctor", "--target", TRIPLE)


@pytest.fixture
def world(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> World:
    """The machine; no project is near."""
    monkeypatch.chdir(tmp_path)
    return World(tmp_path / "world", monkeypatch)


class Terminal(io.StringIO):
    """A terminal at which somebody types."""

    def isatty(self) -> bool:
        return True


def answers(monkeypatch: pytest.MonkeyPatch, text: str) -> None:
    monkeypatch.setattr(sys, "stdin", Terminal(text))
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True)


def test_a_bare_machine_is_judged(world: World, run: Run) -> None:
    code, out, err = run(*S390X)
    assert (code, err) == (1, "")
    assert "-  Rust          none with the standard library for s390x-unknown-linux-gnu" in out
    assert (
        "-  C compiler    none: install s390x-linux-gnu-gcc, with its binutils and C library"
        " (on Debian gcc-s390x-linux-gnu libc6-dev-s390x-cross)" in out
    )
    assert "-  emulator      not looked for" in out
    assert f".  next          patchbot doctor --target {TRIPLE} --install" in out
    assert world.changes() == []


def test_judging_is_for_machines_too(world: World, run: Run) -> None:
    run(*S390X, "--install", "--yes")
    code, out, _ = run(*S390X, "--json")
    data = json.loads(out)
    assert (code, data["schema"], data["target"]) == (0, 1, TRIPLE)
    found = {row["question"]: row for row in data["findings"]}
    assert {name for name, row in found.items() if row["ok"]} == {"Rust", "C compiler", "emulator", "trial"}
    assert str(world.cache) in found["private Rust"]["answer"]


@pytest.mark.parametrize(
    ("script", "words"),
    [("exit 139", "ends with 139"), ("echo 'x86_64 little'; exit 0", "instead of 's390x big'")],
)
def test_a_toolchain_that_does_not_work_is_found(world: World, run: Run, script: str, words: str) -> None:
    run(*S390X, "--install", "--yes")
    world.when("qemu-s390x", "emulate", script)
    code, out, _ = run(*S390X)
    assert code == 1
    assert "-  trial" in out
    assert words in out


def test_a_part_of_a_toolchain_is_told_and_not_used(world: World, run: Run) -> None:
    (world.cache / "toolchains" / f"{TRIPLE}.new").mkdir(parents=True)
    _, out, _ = run(*S390X)
    assert ".  private Rust  only a part of one, which is not used" in out


def test_an_emulator_is_named_where_only_it_is_missing(world: World, run: Run) -> None:
    world.complete()
    (world.bin / "qemu-s390x").unlink()
    _, out, _ = run(*S390X)
    assert "-  emulator      none: install qemu-s390x or qemu-s390x-static (on Debian qemu-user)" in out


def test_the_plan_is_shown_before_it_is_done(world: World, run: Run) -> None:
    code, out, _ = run(*S390X, "--install", "--dry-run")
    assert code == 0
    assert "1. install gcc-s390x-linux-gnu, libc6-dev-s390x-cross, qemu-user" in out
    assert "2. a private Rust of the distribution's packages" in out
    code, out, _ = run(*S390X, "--install", "--dry-run", "--json")
    data = json.loads(out)
    assert [(step["step"], step["done"]) for step in data["steps"]] == [("system", False), ("private", False)]
    assert world.changes() == []
    assert not (world.cache / "toolchains").exists()


def test_a_dry_run_needs_no_rights(world: World, run: Run) -> None:
    world.user = 1000
    assert run(*S390X, "--install", "--dry-run")[0] == 0
    code, _, err = run(*S390X, "--install", "--yes")
    assert code == 9
    assert "an administrator would run: apt-get install --yes" in err
    assert world.changes() == []


def test_it_is_prepared_and_then_everything_is_there(world: World, run: Run) -> None:
    code, out, err = run(*S390X, "--install", "--yes", "--json")
    data = json.loads(out)
    assert (code, data["schema"], data["target"]) == (0, 1, TRIPLE)
    assert [(step["step"], step["done"]) for step in data["steps"]] == [("system", True), ("private", True)]
    assert data["toolchain"]["private"] is True
    assert data["toolchain"]["rustc"].startswith(str(world.cache))
    assert "to prepare s390x-unknown-linux-gnu:" in err
    assert "downloading rustc-web" in err
    world.forget()
    code, out, err = run(*S390X, "--install")
    assert (code, err) == (0, "")
    assert "s390x-unknown-linux-gnu is prepared: everything is there, nothing was done" in out
    assert world.changes() == []


def test_nobody_is_asked_without_a_terminal(world: World, run: Run) -> None:
    code, _, err = run(*S390X, "--install")
    assert code == 2
    assert "say yes beforehand with --yes" in err
    assert "apt-get install --yes" in err, "what would have been done"
    assert world.changes() == []


@pytest.mark.parametrize(("typed", "code"), [("y\n", 0), ("n\n", 1), ("\n", 1)])
def test_on_a_terminal_somebody_is_asked(
    world: World, run: Run, monkeypatch: pytest.MonkeyPatch, typed: str, code: int
) -> None:
    answers(monkeypatch, typed)
    found, out, err = run(*S390X, "--install")
    assert found == code
    assert (world.changes() == []) is (code == 1)
    assert ("nothing was done" in err) is (code == 1)
    assert ("is prepared" in out) is (code == 0)


def test_a_terminal_that_goes_away_does_nothing(
    world: World, run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    answers(monkeypatch, "")
    assert run(*S390X, "--install")[0] == 130
    assert world.changes() == []


def test_removal_says_what_else_there_is(world: World, run: Run) -> None:
    world.rustup()
    run(*S390X, "--install", "--yes", "--rust", "packages")
    run(*S390X, "--install", "--yes", "--rust", "rustup")
    code, out, _ = run(*S390X, "--remove")
    assert code == 0
    assert out.splitlines() == [
        f"removed {world.cache}/toolchains/{TRIPLE}",
        "what else serves this target, and may serve others:",
        f"  rustup target remove {TRIPLE}",
        "  apt-get remove gcc-s390x-linux-gnu libc6-dev-s390x-cross qemu-user",
    ]
    assert not [line for line in world.asked if line.startswith(("apt-get remove", "rustup target remove"))]
    data = json.loads(run(*S390X, "--remove", "--json")[1])
    assert data["removed"] is False
    assert len(data["undo"]) == 2


def test_removal_where_there_is_nothing(world: World, run: Run) -> None:
    for name in ("dpkg-query", "apt-get"):
        (world.bin / name).unlink()
    code, out, _ = run(*S390X, "--remove")
    assert (code, out) == (0, f"no private toolchain for {TRIPLE}\n")


def test_this_machines_own_target_needs_nothing(world: World, run: Run) -> None:
    for words in ((), ("--install",)):
        code, out, _ = run("doctor", "--target", "x86_64-unknown-linux-gnu", *words)
        assert code == 0
        assert "is this machine's own: nothing is needed" in out
    data = json.loads(run("doctor", "--target", "x86_64-unknown-linux-gnu", "--install", "--json")[1])
    assert data["steps"] == []
    assert world.changes() == []


def test_elsewhere_it_says_what_to_do(world: World, run: Run) -> None:
    world.release = {"ID": "fedora", "PRETTY_NAME": "Fedora Linux 42"}
    code, _, err = run(*S390X, "--install", "--yes")
    assert code == 9
    assert "Fedora Linux 42 is neither Debian 12 or newer nor Ubuntu" in err
    assert "next: install s390x-linux-gnu-gcc" in err


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("--target", "s390x-unknown-linux"), "did you mean s390x-unknown-linux-gnu?"),
        (("--target", "aarch64-apple-darwin"), "there are some for Linux with its GNU C library"),
        (("--target", "x86_64-unknown-none", "--install", "--yes"), "no toolchain for x86_64-unknown-none"),
        (("--target", TRIPLE, "--registry", "mine"), "give one or the other"),
        (("--target", TRIPLE, "--install", "--remove"), "opposites"),
        (("--install",), "say it with --target TRIPLE"),
        (("--remove",), "say it with --target TRIPLE"),
        (("--target", TRIPLE, "--yes"), "--yes is for --install"),
        (("--target", TRIPLE, "--dry-run"), "--dry-run is for --install"),
        (("--target", TRIPLE, "--remove", "--rust", "rustup"), "--rust is for --install"),
        (("--target", TRIPLE, "--install", "--rust", "snap"), "'snap' is not one of"),
    ],
)
def test_what_no_doctor_does(world: World, run: Run, words: tuple[str, ...], said: str) -> None:
    code, _, err = run("doctor", *words)
    assert code == 2
    assert said in err
    assert world.changes() == []
