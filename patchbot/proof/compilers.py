"""The compilers of this machine, by the target that they compile for.

Programs are looked for by the names that the ``cc`` crate and Debian give them.  Mach-O and msvc targets
have none here: their compilers come with systems that patchbot does not run on.
"""

from __future__ import annotations

import platform
import re
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from patchbot import tools
from patchbot.proof import debian
from patchbot.targets import Target

TIMEOUT = 120.0  # seconds; the slowest object takes about one

# What the cc crate passes in a dev build, where nothing is optimized away (cc 1.2, `add_default_flags`).
_FLAGS = ("-O0", "-ffunction-sections", "-fdata-sections", "-fno-omit-frame-pointer", "-Wall", "-Wextra")
_ARCHITECTURE = {
    "x86_64": ("-m64",),
    "x86": ("-m32", "-march=i686"),
    "arm": ("-march=armv7-a", "-mfpu=vfpv3-d16", "-mfloat-abi=hard"),
    "riscv64": ("-march=rv64gc", "-mabi=lp64d", "-mcmodel=medany"),
}

_OWN = ("cc", "gcc", "clang")  # compilers for the machine that they run on

_MACHINES = {"AMD64": "x86_64", "arm64": "aarch64", "i386": "x86", "i686": "x86", "armv7l": "arm"}

# Set by people for their own builds; they would bring in other headers and programs.
_STRANGE = ("CPATH", "C_INCLUDE_PATH", "COMPILER_PATH", "GCC_", "LIBRARY_PATH", "RUSTC", "RUSTFLAGS")


@dataclass(frozen=True, slots=True)
class Compiler:
    """A C compiler with its assembler, and the ``nm`` that reads what they make.

    ``version`` is what they say of themselves: the same input to the same versions gives the same names.
    """

    program: str
    flags: tuple[str, ...]
    nm: str
    version: str

    @property
    def name(self) -> str:
        """What to call it in a table: ``s390x-linux-gnu-gcc 12.2.0``."""
        return f"{Path(self.program).name} {self.version.splitlines()[0].split()[-1]}"


@dataclass(frozen=True, slots=True)
class Rustc:
    """Rustc, for the machine's own target."""

    program: str
    host: str
    nm: str
    version: str

    @property
    def name(self) -> str:
        """What to call it in a table."""
        return f"rustc {self.version.split()[1]}"


def find(target: Target) -> Compiler | None:
    """Return the C compiler for a target, or None if this machine has none."""
    for program, nm, flags in _candidates(target):
        path, reader = tools.find(program), tools.find(nm)
        if path is None or reader is None:
            continue
        said = [_first_line(path), _first_line(reader)]
        compiler = Compiler(path, (*flags, *_position(target)), reader, "\n".join(said))
        if all(said) and _works(compiler):
            return compiler
    return None


def advice(target: Target) -> str:
    """Return what to do about a target without a compiler."""
    programs = list(dict.fromkeys(program for program, _, _ in _candidates(target)))
    if not programs:
        return f"patchbot knows no compiler that makes objects for {target.triple}"
    packages = debian.NATIVE if programs[0] in _OWN else debian.compilers(target)
    return (
        f"install {' or '.join(programs)}, with its binutils and C library (on Debian {' '.join(packages)})"
    )


def find_rustc() -> Rustc | None:
    """Return rustc, or None if it or ``nm`` is missing."""
    path, nm = tools.find("rustc"), tools.find("nm")
    if path is None or nm is None:
        return None
    done = tools.run([path, "-vV"], env=environment())
    host = re.search(rb"(?m)^host: (\S+)", done.stdout)
    if not done.ok or host is None:
        return None
    version = f"{done.stdout.decode(errors='replace')}{_first_line(nm)}"
    return Rustc(path, host[1].decode(), nm, version)


def machine() -> str:
    """Return this machine's architecture as targets spell it (``platform.machine`` says what the kernel does)."""
    return _MACHINES.get(platform.machine(), platform.machine())


def environment() -> dict[str, str]:
    """Return the environment for compilers: ours without what changes their results, and in English."""
    return tools.environment({"LC_ALL": "C"}, drop=_STRANGE)


def _candidates(target: Target) -> Iterator[tuple[str, str, tuple[str, ...]]]:
    """Return program, nm and flags of what could compile for a target, the best first."""
    prefix = debian.prefix(target)
    if prefix is None:
        return
    flags = (*_FLAGS, *_ARCHITECTURE.get(target.arch, ()))
    native = sys.platform.startswith("linux") and target.os != "windows"
    if native and machine() == target.arch:
        yield from ((name, "nm", flags) for name in _OWN)
    yield f"{prefix}-gcc", f"{prefix}-nm", flags
    if native and (machine(), target.arch) == ("x86_64", "x86"):
        yield "gcc", "nm", flags


def _position(target: Target) -> tuple[str, ...]:
    return () if target.os == "windows" else ("-fPIC",)


def _first_line(program: str) -> str:
    done = tools.run([program, "--version"], env=environment())
    return done.stdout.decode(errors="replace").partition("\n")[0] if done.ok else ""


def _works(compiler: Compiler) -> bool:
    """Whether it compiles a file with a header of the C library: `gcc -m32` is often there without."""
    with tempfile.TemporaryDirectory(prefix="patchbot-cc-") as folder:
        source = Path(folder, "a.c")
        source.write_text("#include <setjmp.h>\n#include <stdlib.h>\nint a;\n", encoding="utf-8")
        argv = [compiler.program, *compiler.flags, "-c", str(source), "-o", str(source.with_suffix(".o"))]
        return tools.run(argv, env=environment()).ok
