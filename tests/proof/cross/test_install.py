"""A toolchain prepared on a machine of scripts: every way, every way that fails, and nothing half-done after it."""

from __future__ import annotations

import json
import threading
from pathlib import Path

import pytest
from proof.cross.world import S390X, TRIPLE, World

from patchbot import files
from patchbot.errors import EnvironmentProblem
from patchbot.proof.cross import install, parts, private
from patchbot.proof.cross.install import Done, Kind, Way
from patchbot.targets import KNOWN, Target

APT = "apt-get install --yes --no-install-recommends -o DPkg::Lock::Timeout=300"
ALL = f"{APT} gcc-s390x-linux-gnu libc6-dev-s390x-cross qemu-user"


def do(world: World, way: Way | None = None, told: list[str] | None = None) -> Done:
    lines = told if told is not None else []
    return install.install(
        S390X,
        world.cache,
        way,
        agreed=install.plan(S390X, world.cache, way),
        tell=lines.append,
        on_wait=lambda: lines.append("waiting"),
    )


def fails(world: World, words: str, way: Way | None = None) -> EnvironmentProblem:
    with pytest.raises(EnvironmentProblem, match=words) as caught:
        do(world, way)
    assert private.load(world.cache, TRIPLE) is None
    folder = private.folder_of(world.cache, TRIPLE)
    assert not folder.with_name(f"{TRIPLE}.new").exists(), "nothing half-installed is left"
    return caught.value


def kinds(done: Done) -> list[tuple[Kind, bool]]:
    return [(step.kind, ended) for step, ended in done.steps]


# -- what is done -----------------------------------------------------------------------------------


def test_a_bare_machine_gets_everything(world: World) -> None:
    plan = install.plan(S390X, world.cache, None)
    assert [step.kind for step in plan.steps] == [Kind.SYSTEM, Kind.PRIVATE]
    assert " ".join(plan.steps[0].command) == ALL
    assert not world.changes()
    done = do(world)
    assert kinds(done) == [(Kind.SYSTEM, True), (Kind.PRIVATE, True)]
    assert done.steps[1][0].command[:3] == ("apt-get", "download", "rustc-web=1.85.0+dfsg3-1~deb12u3")
    assert done.have.missing == ()
    rust = parts.private_rust(S390X, world.cache)
    assert rust == done.have.rust
    assert rust is not None
    asked = world.asked
    assert asked.index(ALL) < asked.index(
        "apt-cache -c " + next(line for line in asked if " pkgnames" in line)[13:]
    )


def test_a_second_run_does_nothing(world: World) -> None:
    do(world)
    world.forget()
    assert install.plan(S390X, world.cache, None).steps == ()
    assert kinds(do(world)) == []
    assert world.changes() == []


def test_only_what_is_missing_is_installed(world: World) -> None:
    world.complete()
    (world.bin / "qemu-s390x").unlink()
    (world.answers / "installed" / "qemu-user").unlink()
    steps = install.plan(S390X, world.cache, None).steps
    assert " ".join(steps[0].command) == f"{APT} qemu-user"
    do(world)
    assert f"{APT} qemu-user" in world.asked


def test_a_fresh_container_asks_the_servers_first(world: World) -> None:
    lines = (world.answers / "madison").read_text()
    (world.answers / "madison").write_text(
        "".join(x for x in lines.splitlines(keepends=True) if "qemu" not in x)
    )
    done = do(world)
    assert kinds(done) == [(Kind.UPDATE, True), (Kind.SYSTEM, True), (Kind.PRIVATE, True)]
    assert world.asked.index("apt-get update") < world.asked.index(ALL)


def test_rustup_is_used_where_it_manages_rust(world: World) -> None:
    world.rustup().complete()
    (step,) = install.plan(S390X, world.cache, None).steps
    assert step.command == ("rustup", "target", "add", TRIPLE)
    done = do(world)
    assert kinds(done) == [(Kind.RUSTUP, True)]
    assert done.have.rust is not None
    assert not done.have.rust.private
    assert private.load(world.cache, TRIPLE) is None
    assert not [line for line in world.changes() if line.startswith(("apt-get", "dpkg"))]


@pytest.mark.parametrize("script", ["echo 'error: no network' >&2; exit 1", "exit 0"])
def test_where_rustup_fails_the_packages_are_taken(world: World, script: str) -> None:
    world.rustup().complete().when("rustup", "target-add", script)
    told: list[str] = []
    done = do(world, told=told)
    assert kinds(done) == [(Kind.RUSTUP, False), (Kind.PRIVATE, True)]
    assert any(line.startswith("rustup fails: ") for line in told)
    assert done.have.rust is not None
    assert done.have.rust.private


def test_a_way_can_be_forced(world: World) -> None:
    world.rustup().complete()
    assert kinds(do(world, Way.PACKAGES)) == [(Kind.PRIVATE, True)]
    assert not [line for line in world.asked if line.startswith("rustup target add")]
    world.forget()
    assert kinds(do(world, Way.PACKAGES)) == []
    assert kinds(do(world, None)) == [], "the private one is enough"
    assert kinds(do(world, Way.RUSTUP)) == [(Kind.RUSTUP, True)]


def test_sudo_is_used_where_it_asks_nothing(world: World) -> None:
    world.user = 1000
    world.has("sudo")
    do(world)
    assert f"sudo -n env DEBIAN_FRONTEND=noninteractive {ALL}" in world.asked
    assert next(line for line in world.asked if line.startswith("sudo")) == "sudo -n true"


# -- what keeps it from being done ------------------------------------------------------------------


@pytest.mark.parametrize("sudo", [False, True])
def test_without_rights_nothing_is_done(world: World, *, sudo: bool) -> None:
    world.user = 1000
    if sudo:
        world.has("sudo").when("sudo", "true", "exit 1")
    error = fails(world, "the system's packages are root's to install")
    assert error.hint == f"an administrator would run: {ALL}"
    assert world.changes() == []


def test_no_rights_are_needed_where_nothing_of_the_system_is_missing(world: World) -> None:
    world.user = 1000
    assert kinds(do(world.complete())) == [(Kind.PRIVATE, True)]


def test_elsewhere_nothing_is_installed(world: World) -> None:
    world.rustup()
    world.release = {"ID": "fedora", "PRETTY_NAME": "Fedora Linux 42"}
    error = fails(
        world,
        "Fedora Linux 42 is neither Debian 12 or newer nor Ubuntu: nothing is installed here; there is not a Rust",
    )
    assert "s390x-linux-gnu-gcc" in (error.hint or "")
    assert "qemu-s390x" in (error.hint or "")
    assert f"rustup target add {TRIPLE}" in (error.hint or "")
    assert world.changes() == []


def test_elsewhere_all_can_be_there_already(world: World) -> None:
    world.rustup().complete()
    do(world)
    world.release = {"ID": "fedora"}
    assert install.plan(S390X, world.cache, None).steps == ()


def test_without_apt_nothing_is_installed(world: World) -> None:
    (world.bin / "apt-get").unlink()
    fails(world, "apt-get is not on PATH: nothing is installed here")


def test_build_scripts_need_a_compiler_of_this_machine(world: World) -> None:
    (world.bin / "cc").unlink()
    assert "apt-get install gcc libc6-dev" in (fails(world, "cc is not on PATH").hint or "")


def test_system_packages_that_fail_stop_it_before_any_download(world: World) -> None:
    world.when(
        "apt-get", "install", "[ \"$2\" = --simulate ] || { echo 'E: Failed to fetch 404' >&2; exit 100; }"
    )
    assert "E: Failed to fetch 404" in str(fails(world, "fails: E: Failed"))
    assert not [line for line in world.asked if "download" in line]


def test_system_packages_that_bring_nothing_stop_it_too(world: World) -> None:
    (world.answers / "ready" / "qemu-user").write_text("")
    fails(world, "all is installed, and still there is not an emulator that works")
    assert not [line for line in world.asked if "download" in line]


def test_an_emulator_that_is_installed_and_does_not_start_is_told(world: World) -> None:
    world.complete().when("qemu-s390x", "version", "exit 1")
    error = fails(world, r"packages are installed \(qemu-user\), and still there is not an emulator")
    assert "qemu-s390x" in (error.hint or "")


def test_an_emulator_that_starts_and_does_not_work_is_told(world: World) -> None:
    world.complete().when("qemu-s390x", "emulate", "echo 'qemu: uncaught target signal 11' >&2; exit 139")
    fails(world, "under qemu-s390x a program for .* ends with 139: qemu: uncaught target signal 11")


def test_what_is_there_and_does_not_work_is_no_success(world: World) -> None:
    do(world)
    world.when("qemu-s390x", "emulate", "exit 139")
    with pytest.raises(EnvironmentProblem, match="ends with 139") as caught:
        install.plan(S390X, world.cache, None)
    assert "--remove" in (caught.value.hint or "")


def test_rustup_that_is_asked_for_and_fails_is_told(world: World) -> None:
    world.rustup().complete().when("rustup", "target-add", "echo 'error: could not download' >&2; exit 1")
    fails(world, "fails: error: could not download", Way.RUSTUP)


def test_rustup_that_is_asked_for_and_not_there_is_told(world: World) -> None:
    world.complete()
    fails(world, "rustup cannot be started", Way.RUSTUP)


@pytest.mark.parametrize(
    ("program", "asked", "script", "words"),
    [
        ("apt-get", "download", "exit 100", "apt-get download fails"),
        ("dpkg", "unpack", "echo 'tar: No space left on device' >&2; exit 2", "No space left on device"),
        ("rustc", "compile", "echo 'error[E0463]: can not find crate' >&2; exit 1", "rustc builds nothing"),
    ],
)
def test_what_fails_leaves_nothing(world: World, program: str, asked: str, script: str, words: str) -> None:
    world.complete().when(program, asked, script)
    fails(world, words)
    (world.answers / f"{program}.{asked}").unlink()
    assert kinds(do(world)) == [(Kind.PRIVATE, True)], "and the next run is a new one"


def test_packages_without_the_targets_library_are_told(world: World) -> None:
    world.complete().when("dpkg", "unpack", 'case "$(cat "$2")" in *:s390x=*) exit 0;; esac')
    fails(world, "make no Rust for s390x-unknown-linux-gnu that starts here")


def test_a_cache_that_cannot_be_written_is_told(world: World) -> None:
    world.complete()
    world.cache.write_text("a file")
    with pytest.raises(EnvironmentProblem, match="cannot be written"):
        do(world)


# -- what others left, and others at work -----------------------------------------------------------


def leave_a_part(world: World) -> None:
    folder = private.folder_of(world.cache, TRIPLE)
    (folder / "usr" / "bin").mkdir(parents=True)
    (folder / "usr" / "bin" / "stale").touch()


def leave_a_room(world: World) -> None:
    room = private.folder_of(world.cache, TRIPLE).with_name(f"{TRIPLE}.new")
    (room / "apt-x" / "lists").mkdir(parents=True)
    (room / "usr").mkdir()


def break_the_marker(world: World) -> None:
    do(world)
    (private.folder_of(world.cache, TRIPLE) / private.MARKER).write_text("{")


def name_other_programs(world: World) -> None:
    do(world)
    marker = private.folder_of(world.cache, TRIPLE) / private.MARKER
    marker.write_text(json.dumps({**json.loads(marker.read_text()), "rustc": "usr/bin/rustc-9"}))


def claim_another_version(world: World) -> None:
    do(world)
    marker = private.folder_of(world.cache, TRIPLE) / private.MARKER
    marker.write_text(json.dumps({**json.loads(marker.read_text()), "version": "rustc 9.9.9"}))


@pytest.mark.parametrize(
    "leave", [leave_a_part, leave_a_room, break_the_marker, name_other_programs, claim_another_version]
)
def test_what_a_killed_or_strange_run_left_is_made_anew(world: World, leave: object) -> None:
    world.complete()
    leave(world)  # type: ignore[operator]
    assert parts.private_rust(S390X, world.cache) is None
    assert kinds(do(world)) == [(Kind.PRIVATE, True)]
    folder = private.folder_of(world.cache, TRIPLE)
    assert parts.private_rust(S390X, world.cache) is not None
    assert not (folder / "usr" / "bin" / "stale").exists()
    assert {entry.name for entry in folder.parent.iterdir()} == {TRIPLE, f"{TRIPLE}.lock"}


def test_who_waited_finds_it_done(world: World) -> None:
    world.complete()
    told: list[str] = []
    done: list[Done] = []
    waiting = threading.Event()
    folder = private.folder_of(world.cache, TRIPLE)

    agreed = install.plan(S390X, world.cache, None)

    def second() -> None:
        done.append(
            install.install(S390X, world.cache, None, agreed=agreed, tell=told.append, on_wait=waiting.set)
        )

    world.when("dpkg", "unpack", f'while [ ! -f "{world.answers}/go" ]; do sleep 0.02; done')
    first = threading.Thread(target=lambda: done.append(do(world)))
    first.start()
    while not folder.with_name(f"{TRIPLE}.new").exists():
        threading.Event().wait(0.02)
    other = threading.Thread(target=second)
    other.start()
    assert waiting.wait(20)
    files.write(world.answers / "go", b"")
    first.join(30)
    other.join(30)
    assert [len(one.steps) for one in done] == [1, 0]
    assert told == []
    assert len([line for line in world.asked if " download " in line]) == 1


def test_nothing_is_done_that_nobody_agreed_to(world: World) -> None:
    world.complete()
    agreed = install.plan(S390X, world.cache, None)
    (world.bin / "qemu-s390x").unlink()
    (world.answers / "installed" / "qemu-user").unlink()
    with pytest.raises(EnvironmentProblem, match="has changed since the plan was made"):
        install.install(S390X, world.cache, None, agreed=agreed, tell=lambda _: None, on_wait=lambda: None)
    assert world.changes() == []


# -- whose target -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("target", "own"),
    [
        (KNOWN["x86_64-unknown-linux-gnu"], True),
        (Target("x86_64-unknown-linux-musl", "x86_64", "linux", "unix", "musl"), False),
        (KNOWN["x86_64-pc-windows-gnu"], False),
        (S390X, False),
    ],
)
def test_this_machines_own_target(world: World, target: Target, own: bool) -> None:  # noqa: FBT001 - a table's column
    assert install.is_own(target) is own


def test_the_advice_names_only_what_is_missing(world: World, tmp_path: Path) -> None:
    world.complete()
    have = install.parts_for(S390X, tmp_path, None)
    assert install.by_hand(S390X, have) == f"rustup target add {TRIPLE}, where rustup manages rustc"
