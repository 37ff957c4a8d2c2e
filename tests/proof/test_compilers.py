"""Finding compilers by their names; those here are shell scripts on a PATH of their own."""

from __future__ import annotations

import os
import platform
import sys
from pathlib import Path

import pytest

from patchbot.proof import compilers
from patchbot.targets import KNOWN, Target

LINUX = KNOWN["x86_64-unknown-linux-gnu"]
S390X = KNOWN["s390x-unknown-linux-gnu"]
I686 = KNOWN["i686-unknown-linux-gnu"]
ARM = KNOWN["armv7-unknown-linux-gnueabihf"]
NONE = KNOWN["x86_64-unknown-none"]
MINGW = KNOWN["x86_64-pc-windows-gnu"]
MSVC = KNOWN["x86_64-pc-windows-msvc"]
MAC = KNOWN["aarch64-apple-darwin"]


@pytest.fixture
def programs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A PATH that has nothing but what a test puts there, on an x86_64 Linux machine."""
    folder = tmp_path / "bin"
    folder.mkdir()
    monkeypatch.setenv("PATH", str(folder))
    monkeypatch.setattr(sys, "platform", "linux")
    monkeypatch.setattr(platform, "machine", lambda: "x86_64")
    return folder


def put(folder: Path, name: str, *, says: str = "gcc (Debian) 12.2.0", compiles: bool = True) -> None:
    code = 0 if compiles else 1
    script = f'#!/bin/sh\nif [ "$1" = --version ]; then echo "{says}"; echo more; exit 0; fi\nexit {code}\n'
    (folder / name).write_text(script)
    (folder / name).chmod(0o755)


@pytest.mark.parametrize(
    ("target", "program", "nm"),
    [
        (LINUX, "cc", "nm"),
        (LINUX, "gcc", "nm"),
        (LINUX, "clang", "nm"),
        (LINUX, "x86_64-linux-gnu-gcc", "x86_64-linux-gnu-nm"),
        (NONE, "cc", "nm"),
        (S390X, "s390x-linux-gnu-gcc", "s390x-linux-gnu-nm"),
        (KNOWN["aarch64-unknown-linux-gnu"], "aarch64-linux-gnu-gcc", "aarch64-linux-gnu-nm"),
        (KNOWN["riscv64gc-unknown-linux-gnu"], "riscv64-linux-gnu-gcc", "riscv64-linux-gnu-nm"),
        (ARM, "arm-linux-gnueabihf-gcc", "arm-linux-gnueabihf-nm"),
        (I686, "i686-linux-gnu-gcc", "i686-linux-gnu-nm"),
        (I686, "gcc", "nm"),
        (MINGW, "x86_64-w64-mingw32-gcc", "x86_64-w64-mingw32-nm"),
    ],
)
def test_each_target_has_its_compiler(programs: Path, target: Target, program: str, nm: str) -> None:
    assert compilers.find(target) is None
    put(programs, program)
    assert compilers.find(target) is None, "objects cannot be read without nm"
    put(programs, nm, says="GNU nm 2.40")
    found = compilers.find(target)
    assert found is not None
    assert (found.program, found.nm) == (str(programs / program), str(programs / nm))
    assert found.version == "gcc (Debian) 12.2.0\nGNU nm 2.40"
    assert found.name == f"{program} 12.2.0"


@pytest.mark.parametrize("target", [MSVC, MAC, KNOWN["x86_64-apple-darwin"], KNOWN["aarch64-pc-windows-msvc"],
                                    Target("x86_64-unknown-linux-musl", "x86_64", "linux", "unix", "musl")])  # fmt: skip
def test_some_targets_have_no_compiler_here(programs: Path, target: Target) -> None:
    for name in (
        "cc",
        "gcc",
        "nm",
        "x86_64-w64-mingw32-gcc",
        "x86_64-w64-mingw32-nm",
        "aarch64-linux-gnu-gcc",
    ):
        put(programs, name)
    assert compilers.find(target) is None


def test_another_machines_own_compiler_is_not_taken(programs: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    put(programs, "cc")
    put(programs, "nm")
    monkeypatch.setattr(platform, "machine", lambda: "aarch64")
    assert compilers.find(LINUX) is None
    assert compilers.find(I686) is None
    assert compilers.find(KNOWN["aarch64-unknown-linux-gnu"]) is not None


def test_a_compiler_that_does_not_work_is_none(programs: Path) -> None:
    put(programs, "gcc", compiles=False)
    put(programs, "nm")
    assert compilers.find(I686) is None
    put(programs, "i686-linux-gnu-gcc", says="gcc (Debian) 13.1.0")
    put(programs, "i686-linux-gnu-nm")
    found = compilers.find(I686)
    assert found is not None
    assert found.name == "i686-linux-gnu-gcc 13.1.0"


def test_flags_are_those_of_the_target(programs: Path) -> None:
    for name in ("cc", "gcc", "nm", "x86_64-w64-mingw32-gcc", "x86_64-w64-mingw32-nm"):
        put(programs, name)
    flags = {t.triple: found.flags for t in (LINUX, I686, MINGW) if (found := compilers.find(t)) is not None}
    assert {"-m64", "-fPIC", "-O0"} <= set(flags[LINUX.triple])
    assert {"-m32", "-fPIC"} <= set(flags[I686.triple])
    assert "-m64" in flags[MINGW.triple]
    assert "-fPIC" not in flags[MINGW.triple]


@pytest.mark.parametrize(
    ("target", "words"),
    [
        (
            S390X,
            (
                "install s390x-linux-gnu-gcc, with its binutils and C library"
                " (on Debian gcc-s390x-linux-gnu libc6-dev-s390x-cross)"
            ),
        ),
        (
            I686,
            (
                "install i686-linux-gnu-gcc or gcc, with its binutils and C library"
                " (on Debian gcc-i686-linux-gnu libc6-dev-i386-cross)"
            ),
        ),
        (
            MINGW,
            "install x86_64-w64-mingw32-gcc, with its binutils and C library (on Debian gcc-mingw-w64-x86-64)",
        ),
        (
            LINUX,
            "install cc or gcc or clang or x86_64-linux-gnu-gcc, with its binutils and C library (on Debian gcc libc6-dev)",
        ),
        (MSVC, "patchbot knows no compiler that makes objects for x86_64-pc-windows-msvc"),
    ],
)
@pytest.mark.usefixtures("programs")
def test_advice_names_the_programs(target: Target, words: str) -> None:
    assert compilers.advice(target) == words


def test_rustc_says_what_it_compiles_for(programs: Path) -> None:
    assert compilers.find_rustc() is None
    said = "rustc 1.95.0 (0123 2026-04-14)\\nhost: x86_64-unknown-linux-gnu"
    (programs / "rustc").write_text(f'#!/bin/sh\nprintf "{said}\\n"\n')
    (programs / "rustc").chmod(0o755)
    assert compilers.find_rustc() is None, "objects cannot be read without nm"
    put(programs, "nm", says="GNU nm 2.40")
    found = compilers.find_rustc()
    assert found is not None
    assert (found.host, found.name) == ("x86_64-unknown-linux-gnu", "rustc 1.95.0")


@pytest.mark.parametrize("script", ["exit 1", "echo nothing", "printf 'rustc 1\\nhost: x\\n'; exit 1"])
def test_a_rustc_that_does_not_work_is_none(programs: Path, script: str) -> None:
    (programs / "rustc").write_text(f"#!/bin/sh\n{script}\n")
    (programs / "rustc").chmod(0o755)
    put(programs, "nm")
    assert compilers.find_rustc() is None


def test_peoples_own_settings_do_not_reach_compilers(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in (
        "CPATH",
        "C_INCLUDE_PATH",
        "GCC_EXEC_PREFIX",
        "RUSTFLAGS",
        "RUSTC_WRAPPER",
        "RUSTC_BOOTSTRAP",
    ):
        monkeypatch.setenv(name, "strange")
    environment = compilers.environment()
    assert "strange" not in environment.values()
    assert environment["LC_ALL"] == "C"
    assert environment["PATH"] == os.environ["PATH"]
