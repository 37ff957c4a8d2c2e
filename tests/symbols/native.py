"""Real compilers, where the machine has them: what they say is what ours must say."""

from __future__ import annotations

import os
import platform
import shutil
from collections.abc import Sequence
from pathlib import Path

import pytest

from patchbot.tools import run

needs_cc = pytest.mark.skipif(
    shutil.which("cc") is None or shutil.which("nm") is None, reason="no C compiler or nm on PATH"
)
needs_rustc = pytest.mark.skipif(shutil.which("rustc") is None, reason="no rustc on PATH")
x86_64_linux = pytest.mark.skipif(
    (platform.system(), platform.machine()) != ("Linux", "x86_64"),
    reason="the assembler text is for x86_64 Linux",
)


def said(argv: Sequence[str | Path], cwd: Path) -> str:
    """Run a tool and return what it printed; what it complains of is the test's failure."""
    result = run(argv, cwd=cwd)
    assert result.ok, f"{' '.join(result.argv)}\n{result.tail()}"
    return result.stdout.decode()


def compiled(folder: Path, name: str, source: str | bytes, *flags: str) -> Path:
    """Compile a C or assembler file; return the object."""
    (folder / name).write_bytes(source if isinstance(source, bytes) else source.encode())
    said(["cc", "-c", "-w", "-std=gnu11", "-fcommon", *flags, name, "-o", "out.o"], folder)
    return folder / "out.o"


def rust_object(folder: Path, source: str, *flags: str) -> Path:
    """Compile a crate as one object; return it."""
    (folder / "lib.rs").write_text(source)
    options = ["--edition", "2021", "--crate-type", "lib", "--emit", "obj", "--cap-lints", "allow"]
    said(["rustc", *options, "-C", "codegen-units=1", *flags, "lib.rs", "-o", "lib.o"], folder)
    return folder / "lib.o"


def symbols(file: Path) -> tuple[set[str], set[str]]:
    """Return the global names that an object defines, and those it wants from elsewhere."""
    defined: set[str] = set()
    wanted: set[str] = set()
    for line in said(["nm", "-g", "-P", file], file.parent).splitlines():
        name, kind, *_ = line.split()
        if os.name == "posix" and platform.system() == "Darwin":
            name = name.removeprefix("_")
        (wanted if kind in "Uvw" and kind != "W" and len(line.split()) < 4 else defined).add(name)
    return defined, wanted
