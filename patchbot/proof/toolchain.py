"""What builds a proof's program and runs it: this machine's own toolchain, or one for another target."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from patchbot import tools
from patchbot.errors import EnvironmentProblem

# Linkers speak the user's language, and `objects.duplicates` knows English.
PLAIN_WORDS = {"LC_ALL": "C"}

_VERSION = re.compile(r"\d+\.\d+\.\d+")


@dataclass(frozen=True, slots=True, kw_only=True)
class Programs:
    """The programs of a toolchain, by path: ``cc`` is the C compiler, ``nm`` reads what it makes.

    ``run`` are the words before the path of a program for the target: none natively, or an emulator's.
    """

    cargo: str
    cc: str
    nm: str | None
    run: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Toolchain:
    """A toolchain: versions as its programs tell them, and the triples of the host and of the target.

    ``environment`` is the whole one for cargo, linkers and nm; ``others`` the versions of what a cross
    toolchain has beside Rust, by what they are.
    """

    rustc: str
    cargo: str
    host: str
    target: str
    programs: Programs
    environment: Mapping[str, str]
    others: Mapping[str, str] = field(default_factory=dict)

    @property
    def cross(self) -> bool:
        """Whether it makes programs for another machine than this one."""
        return self.target != self.host

    @property
    def version(self) -> tuple[int, ...]:
        """Rustc's version as numbers."""
        match = _VERSION.search(self.rustc)
        return tuple(int(n) for n in match[0].split(".")) if match else (0,)

    def builds(self, rust_version: str | None) -> bool:
        """Whether a crate that declares ``rust_version`` can be built; none declared is no obstacle."""
        if not rust_version:
            return True
        return self.version >= tuple(int(n) for n in rust_version.split("-")[0].split("."))

    @property
    def reader(self) -> str:
        """The path of ``nm``.  Raises ``EnvironmentProblem`` if there is none."""
        if self.programs.nm is None:
            raise EnvironmentProblem(
                "nm is not on PATH", hint="install binutils, or Xcode's command line tools"
            )
        return self.programs.nm


def native() -> Toolchain:
    """Ask for this machine's own.  Raises ``EnvironmentProblem`` if cargo or a C compiler is missing."""
    cargo = tools.need("cargo", hint="install Rust from https://rustup.rs, then run again")
    rustc = tools.need("rustc", hint="install Rust from https://rustup.rs, then run again")
    cc = next((path for name in ("cc", "gcc", "clang") if (path := tools.find(name))), None)
    if cc is None:
        raise EnvironmentProblem(
            "there is no C compiler", hint="wasmtime's runtime has C files: install gcc or clang"
        )
    environment = tools.environment(PLAIN_WORDS)
    verbose = said([rustc, "-vV"], environment)
    host = host_of(verbose)
    return Toolchain(
        rustc=verbose.splitlines()[0],
        cargo=said([cargo, "-V"], environment).strip(),
        host=host,
        target=host,
        programs=Programs(cargo=cargo, cc=cc, nm=tools.find("nm")),
        environment=environment,
    )


def said(argv: Sequence[str], environment: Mapping[str, str]) -> str:
    """Return what a program prints.  Raises ``EnvironmentProblem`` if it fails."""
    result = tools.run(argv, env=environment)
    if not result.ok:
        raise EnvironmentProblem(f"{Path(argv[0]).name} fails: {result.head(2)}", where=argv[0])
    return result.stdout.decode(errors="replace")


def host_of(verbose: str) -> str:
    """Return the host's triple out of what ``rustc -vV`` says."""
    host = re.search(r"(?m)^host: (\S+)", verbose)
    return host[1] if host else "unknown"
