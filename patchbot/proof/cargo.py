"""Running cargo for a proof, and reading what it says in JSON, never in prose.

One exception: which names collide is told by the linker alone, and only in words.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from patchbot import tools
from patchbot.errors import EnvironmentProblem, ProofError

OnLine = Callable[[str], None]

# Linkers speak the user's language, and `objects.duplicates` knows English.
PLAIN_WORDS = {"LC_ALL": "C"}

_VERSION = re.compile(r"\d+\.\d+\.\d+")


@dataclass(frozen=True, slots=True)
class Toolchain:
    """The compiler of a proof: versions as they tell them, and the host's target triple."""

    rustc: str
    cargo: str
    host: str

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


def toolchain() -> Toolchain:
    """Ask for the toolchain.  Raises ``EnvironmentProblem`` if cargo or a C compiler is missing."""
    cargo = tools.need("cargo", hint="install Rust from https://rustup.rs, then run again")
    rustc = tools.need("rustc", hint="install Rust from https://rustup.rs, then run again")
    if not any(tools.find(name) for name in ("cc", "gcc", "clang")):
        raise EnvironmentProblem(
            "there is no C compiler", hint="wasmtime's runtime has C files: install gcc or clang"
        )
    verbose = _said([rustc, "-vV"])
    host = re.search(r"(?m)^host: (\S+)", verbose)
    return Toolchain(verbose.splitlines()[0], _said([cargo, "-V"]).strip(), host[1] if host else "unknown")


def _said(argv: Sequence[str]) -> str:
    result = tools.run(argv)
    if not result.ok:
        raise EnvironmentProblem(f"{Path(argv[0]).name} fails: {result.head(2)}", where=argv[0])
    return result.stdout.decode(errors="replace")


@dataclass(frozen=True, slots=True)
class Build:
    """What a ``cargo build`` left: whether it succeeded, the libraries and the program, and its words.

    ``macros`` are the libraries that the compiler loads.
    """

    ok: bool
    libraries: dict[str, Path]
    program: Path | None
    words: str
    seconds: float
    macros: dict[str, Path] = field(default_factory=dict)


class Cargo:
    """Cargo for one project folder; all projects of a workspace share ``target``."""

    def __init__(self, folder: Path, target: Path, *, host: str, offline: bool, on_line: OnLine) -> None:
        self.folder = folder
        self._target = target
        self._host = host
        self._offline = ("--offline",) if offline else ()
        self._on_line = on_line

    def fetch(self) -> tools.Result:
        """Resolve, and download what the host needs; keeps what ``Cargo.lock`` says already."""
        return self._run("fetch", "--target", self._host, *self._offline)

    def clean(self, packages: Sequence[str]) -> None:
        """Forget what was built of these packages.

        Cargo takes a registry package of one name and version for the same for ever (its fingerprint has
        no checksum), so forks whose bytes have changed must be forgotten.
        """
        for package in packages:
            self._run("clean", "--offline", "-p", package)

    def build(self) -> Build:
        """Build the project with the lock as it stands."""
        result = self._run("build", "--locked", *self._offline, "--message-format=json-render-diagnostics")
        libraries: dict[str, Path] = {}
        macros: dict[str, Path] = {}
        program = None
        for message in _messages(result.stdout):
            if message.get("reason") != "compiler-artifact":
                continue
            for name in message["filenames"]:
                if name.endswith(".rlib"):
                    libraries[message["target"]["name"]] = Path(name)
                elif message["target"]["kind"] == ["proc-macro"]:
                    macros[message["target"]["name"]] = Path(name)
            if message.get("executable"):
                program = Path(message["executable"])
        words = result.stderr.decode(errors="replace")
        return Build(result.ok, libraries, program, words, result.seconds, macros)

    def _run(self, *arguments: str) -> tools.Result:
        more = {"CARGO_TARGET_DIR": str(self._target), "CARGO_TERM_COLOR": "never", **PLAIN_WORDS}
        env = tools.environment(more)
        return tools.run(["cargo", *arguments], cwd=self.folder, env=env, on_line=self._on_line)


def _messages(output: bytes) -> Iterator[dict[str, Any]]:
    for line in output.splitlines():
        if line.startswith(b"{"):
            yield json.loads(line)


def need(result: tools.Result, what: str) -> None:
    """Raise if a cargo command failed: ``EnvironmentProblem`` for the network, ``ProofError`` otherwise."""
    if result.ok:
        return
    words = result.tail()
    offline = ("failed to download", "Could not resolve host", "network failure", "spurious network error",
               "failed to query replaced source", "attempting to make an HTTP request")  # fmt: skip
    if any(word in words for word in offline):
        raise EnvironmentProblem(f"{what}: {words}", hint="check the network; what was built so far is kept")
    raise ProofError(f"{what}: {words}")
