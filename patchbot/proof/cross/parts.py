"""The parts of a cross toolchain: Rust with the target's standard library, a C compiler, and an emulator.

Programs of this machine come first; for Rust the private toolchain in the cache is second.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from patchbot import tools
from patchbot.proof import compilers
from patchbot.proof.compilers import Compiler
from patchbot.proof.cross import private
from patchbot.targets import Target

# qemu's names for machines, where they are not ours (qemu 7.2, `configure`, `--target-list`)
_QEMU = {"x86": "i386", "riscv64": "riscv64", "powerpc64": "ppc64"}


@dataclass(frozen=True, slots=True)
class Rust:
    """Rustc and cargo that make programs for a target; ``verbose`` is what ``rustc -vV`` says.

    ``private`` tells whether they are those in the cache.
    """

    rustc: str
    cargo: str
    verbose: str
    private: bool = False
    environment: Mapping[str, str] = field(default_factory=dict)

    @property
    def version(self) -> str:
        """The compiler's version as it tells it."""
        return self.verbose.partition("\n")[0]


@dataclass(frozen=True, slots=True)
class Emulator:
    """What runs programs of another machine: ``command`` goes before the program's path."""

    command: tuple[str, ...]
    version: str


def rust_on_path(target: Target) -> Rust | None:
    """Return the Rust on ``PATH`` if it has the target's standard library."""
    rustc, cargo = tools.find("rustc"), tools.find("cargo")
    if rustc is None or cargo is None:
        return None
    return _rust(Rust(rustc, cargo, ""), target)


def private_rust(target: Target, cache: Path) -> Rust | None:
    """Return the private Rust for a target, if it is there, whole, and the version that it was."""
    found = private.load(cache, target.triple)
    if found is None:
        return None
    rust = rust_in(found, target)
    return rust if rust is not None and rust.version == found.version else None


def rust_in(made: private.Private, target: Target) -> Rust | None:
    """Return the Rust of a private folder, or None if it does not start or has no such standard library."""
    programs = (str(made.folder / made.rustc), str(made.folder / made.cargo))
    return _rust(Rust(*programs, "", private=True, environment=made.environment), target)


def _rust(rust: Rust, target: Target) -> Rust | None:
    env = environment(rust)
    said = tools.run([rust.rustc, "-vV"], env=env)
    where = tools.run([rust.rustc, "--print", "target-libdir", "--target", target.triple], env=env)
    if not said.ok or not where.ok or not tools.run([rust.cargo, "-V"], env=env).ok:
        return None
    libraries = Path(os.fsdecode(where.stdout.strip()))
    if not any(libraries.glob("libstd-*.rlib")):
        return None
    verbose = said.stdout.decode(errors="replace")
    return Rust(rust.rustc, rust.cargo, verbose, rust.private, rust.environment)


def environment(rust: Rust) -> dict[str, str]:
    """Return the environment for a Rust's programs: ours, without what would send them to other ones."""
    return {**compilers.environment(), **rust.environment}


def emulator(target: Target, compiler: Compiler) -> Emulator | None:
    """Return what runs a target's programs here, with the C library of its compiler; None if nothing does.

    The command is empty where this machine runs them itself.
    """
    if compilers.machine() == target.arch:
        return Emulator((), "none: this machine runs them")
    for program in emulators(target):
        path = tools.find(program)
        if path is None:
            continue
        said = tools.run([path, "--version"])
        version = said.stdout.decode(errors="replace").partition("\n")[0]
        root = _root(compiler)
        if said.ok and version.startswith("qemu") and root is not None:
            return Emulator((path, "-L", str(root)), version)
    return None


def emulators(target: Target) -> tuple[str, ...]:
    """Return the names of the programs that could run a target's programs, the best first."""
    name = _QEMU.get(target.arch, target.arch)
    return f"qemu-{name}", f"qemu-{name}-static"


def _root(compiler: Compiler) -> Path | None:
    """Return the folder whose ``lib`` has the target's C library, or None if the compiler knows none."""
    said = tools.run([compiler.program, "-print-file-name=libc.so.6"], env=compilers.environment())
    library = Path(os.fsdecode(said.stdout.strip()))
    # gcc prints the bare name of a file that it does not find
    return (
        library.resolve().parent.parent if said.ok and library.is_absolute() and library.is_file() else None
    )
