"""The parts of a cross toolchain, found among scripts, put together, and tried."""

from __future__ import annotations

import platform

import pytest
from proof.cross.world import S390X, SAYS, TRIPLE, World

from patchbot.errors import EnvironmentProblem
from patchbot.proof import compilers
from patchbot.proof.cross import find, parts, private, trial
from patchbot.proof.cross.parts import Emulator, Rust
from patchbot.proof.cross.private import Private


def add_target(world: World) -> None:
    folder = world.answers / "toolchain" / "lib" / "rustlib" / TRIPLE / "lib"
    folder.mkdir(parents=True)
    (folder / "libstd-1.rlib").touch()


def keep(world: World, version: str = SAYS) -> Private:
    """Put a private toolchain of scripts in its place."""
    with private.making(world.cache, TRIPLE, on_wait=lambda: None) as room:
        (room / "usr" / "bin").mkdir(parents=True)
        for name in ("rustc", "cargo"):
            file = room / "usr" / "bin" / name
            file.write_bytes((world.answers / "programs" / name).read_bytes())
            file.chmod(0o755)
        library = room / "usr" / "lib" / "rustlib" / TRIPLE / "lib" / "libstd-1.rlib"
        library.parent.mkdir(parents=True)
        library.touch()
        made = Private(room, "usr/bin/rustc", "usr/bin/cargo", ("usr/lib",), version, ())
        return private.keep(made, world.cache, TRIPLE)


def test_rust_counts_with_the_targets_library(world: World) -> None:
    assert parts.rust_on_path(S390X) is None
    world.rustup()
    assert parts.rust_on_path(S390X) is None
    add_target(world)
    rust = parts.rust_on_path(S390X)
    assert rust is not None
    assert (rust.version, rust.private, rust.rustc) == (SAYS, False, str(world.bin / "rustc"))
    (world.bin / "cargo").unlink()
    assert parts.rust_on_path(S390X) is None, "nothing is built without cargo"


def test_a_private_rust_is_the_one_that_it_was(world: World) -> None:
    assert parts.private_rust(S390X, world.cache) is None
    made = keep(world)
    rust = parts.private_rust(S390X, world.cache)
    assert rust is not None
    assert rust.private
    assert rust.rustc == str(made.folder / "usr/bin/rustc")
    assert parts.environment(rust)["LD_LIBRARY_PATH"] == str(made.folder / "usr/lib")
    (world.answers / "rustc-says").write_text("rustc 1.86.0\nhost: x86_64-unknown-linux-gnu\n")
    assert parts.private_rust(S390X, world.cache) is None, "the marker speaks of another version"


@pytest.mark.parametrize(
    "broken", ["usr/bin/rustc", "usr/bin/cargo", f"usr/lib/rustlib/{TRIPLE}/lib/libstd-1.rlib"]
)
def test_a_private_rust_of_which_something_is_gone_is_none(world: World, broken: str) -> None:
    (keep(world).folder / broken).unlink()
    assert parts.private_rust(S390X, world.cache) is None


@pytest.mark.parametrize("name", ["rustc", "cargo"])
def test_a_private_rust_that_does_not_start_is_none(world: World, name: str) -> None:
    (keep(world).folder / "usr" / "bin" / name).write_text("#!/bin/sh\necho 'no libLLVM.so' >&2\nexit 127\n")
    assert parts.private_rust(S390X, world.cache) is None


def test_this_machines_rust_comes_first(world: World) -> None:
    keep(world)
    found = find.parts_for(S390X, world.cache).rust
    assert found is not None
    assert found.private
    world.rustup()
    add_target(world)
    found = find.parts_for(S390X, world.cache).rust
    assert found is not None
    assert not found.private


def test_an_emulator_runs_with_the_compilers_c_library(world: World) -> None:
    world.complete()
    compiler = compilers.find(S390X)
    assert compiler is not None
    found = parts.emulator(S390X, compiler)
    root = world.answers / "libc"
    assert found == Emulator((str(world.bin / "qemu-s390x"), "-L", str(root)), "qemu-s390x version 7.2.22")
    (world.bin / "qemu-s390x").rename(world.bin / "qemu-s390x-static")
    found = parts.emulator(S390X, compiler)
    assert found is not None
    assert found.command[0] == str(world.bin / "qemu-s390x-static")
    (root / "lib" / "libc.so.6").unlink()
    assert parts.emulator(S390X, compiler) is None


@pytest.mark.parametrize("script", ["exit 1", "echo 'busybox 1'; exit 0"])
def test_another_program_of_that_name_is_no_emulator(world: World, script: str) -> None:
    world.complete().when("qemu-s390x", "version", script)
    compiler = compilers.find(S390X)
    assert compiler is not None
    assert parts.emulator(S390X, compiler) is None


def test_a_machine_needs_no_emulator_for_its_own_programs(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    world.complete()
    compiler = compilers.find(S390X)
    assert compiler is not None
    monkeypatch.setattr(platform, "machine", lambda: "s390x")
    found = parts.emulator(S390X, compiler)
    assert found is not None
    assert found.command == ()


# -- together ---------------------------------------------------------------------------------------


def test_what_is_missing_is_told_with_the_command(world: World) -> None:
    with pytest.raises(EnvironmentProblem) as caught:
        find.find(S390X, world.cache)
    assert caught.value.what == (
        f"for {TRIPLE} there is not a Rust with its standard library, nor a C compiler with its C library"
    )
    assert f"patchbot doctor --target {TRIPLE}" in (caught.value.hint or "")


def test_a_toolchain_of_all_parts(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in (
        "RUSTFLAGS",
        "CC",
        "CARGO_BUILD_TARGET",
        "CARGO_TARGET_DIR",
        "QEMU_LD_PREFIX",
        f"CC_{TRIPLE}",
        "LDFLAGS",
    ):
        monkeypatch.setenv(name, "strange")
    made = keep(world.complete())
    found = find.find(S390X, world.cache, working=True)
    assert (found.rustc, found.target, found.host, found.cross) == (
        SAYS,
        TRIPLE,
        "x86_64-unknown-linux-gnu",
        True,
    )
    assert found.programs.run == (str(world.bin / "qemu-s390x"), "-L", str(world.answers / "libc"))
    assert "strange" not in found.environment.values()
    assert found.environment["CARGO_TARGET_S390X_UNKNOWN_LINUX_GNU_LINKER"] == str(
        world.bin / "s390x-linux-gnu-gcc"
    )
    assert found.environment["RUSTC"] == str(made.folder / "usr/bin/rustc")
    assert found.environment["LD_LIBRARY_PATH"] == str(made.folder / "usr/lib")
    assert found.environment["CARGO_RESOLVER_INCOMPATIBLE_RUST_VERSIONS"] == "fallback"
    assert set(found.others) == {"cc", "emulator"}


def test_a_toolchain_that_does_not_work_is_none(world: World) -> None:
    keep(world.complete())
    world.when("qemu-s390x", "emulate", "echo 'qemu: Unsupported syscall' >&2; exit 1")
    assert find.find(S390X, world.cache).target == TRIPLE, "not tried"
    with pytest.raises(
        EnvironmentProblem,
        match="under qemu-s390x a program for s390x-unknown-linux-gnu ends with 1: qemu: Unsupp",
    ):
        find.find(S390X, world.cache, working=True)


# -- the trial --------------------------------------------------------------------------------------


def tried(world: World) -> str | None:
    world.rustup().complete()
    if not (world.answers / "toolchain" / "lib").exists():
        add_target(world)
    have = find.parts_for(S390X, world.cache)
    assert have.rust is not None
    assert have.compiler is not None
    assert have.emulator is not None
    return trial.problem(S390X, have.rust, have.compiler, have.emulator)


def test_a_program_says_where_it_is(world: World) -> None:
    assert tried(world) is None
    assert any(line.startswith("qemu-s390x -L") for line in world.asked)


@pytest.mark.parametrize(
    ("program", "asked", "script", "words"),
    [
        ("rustc", "compile", "echo 'error: linker not found' >&2; exit 1", "rustc builds nothing for"),
        (
            "qemu-s390x",
            "emulate",
            "echo 'x86_64 little'; exit 0",
            "says 'x86_64 little' instead of 's390x big'",
        ),
        ("qemu-s390x", "emulate", "exit 0", "says '' instead of"),
        (
            "qemu-s390x",
            "emulate",
            "echo 'Illegal instruction' >&2; exit 132",
            "ends with 132: Illegal instruction",
        ),
        ("qemu-s390x", "emulate", "kill -SEGV $$", "ends with -11"),
    ],
)
def test_a_trial_says_what_is_wrong(world: World, program: str, asked: str, script: str, words: str) -> None:
    world.when(program, asked, script)
    assert words in (tried(world) or "")


def test_a_program_that_does_not_end_is_told(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(trial, "TIMEOUT", 0.5)
    world.when("qemu-s390x", "emulate", "exec sleep 30")
    with pytest.raises(EnvironmentProblem, match=r"qemu-s390x did not end within 0.5 seconds"):
        tried(world)


def test_a_machine_that_runs_them_itself_is_named() -> None:
    rust = Rust("/bin/false", "/bin/false", "")
    compiler = compilers.Compiler("/bin/false", (), "/bin/false", "1")
    assert "false builds nothing" in (trial.problem(S390X, rust, compiler, Emulator((), "")) or "")


def test_parts_that_are_missing_are_named() -> None:
    compiler = compilers.Compiler("/bin/false", (), "/bin/false", "1")
    rust, library, emulator = (
        "a Rust with its standard library",
        "a C compiler with its C library",
        "an emulator",
    )
    assert find.Parts(None, None, None).missing == (rust, library), "whether qemu is there is not known"
    assert find.Parts(None, compiler, None).missing == (rust, emulator)
    assert find.Parts(Rust("rustc", "cargo", ""), compiler, Emulator((), "")).missing == ()
