"""Running cargo for a proof, and reading what it says in JSON, never in prose.

One exception: which names collide is told by the linker alone, and only in words.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from patchbot import tools
from patchbot.errors import EnvironmentProblem, ProofError
from patchbot.proof.toolchain import Toolchain

OnLine = Callable[[str], None]


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
    """Cargo for one project folder; all projects of a toolchain share ``built``, the target folder."""

    def __init__(
        self, folder: Path, built: Path, toolchain: Toolchain, *, offline: bool, on_line: OnLine
    ) -> None:
        self.folder = folder
        self._built = built
        self._toolchain = toolchain
        # Natively cargo is not told a target: build scripts and the program then share what they have in common.
        self._for = ("--target", toolchain.target) if toolchain.cross else ()
        self._offline = ("--offline",) if offline else ()
        self._on_line = on_line

    def fetch(self) -> tools.Result:
        """Resolve, and download what host and target need; keeps what ``Cargo.lock`` says already."""
        return self._run("fetch", "--target", self._toolchain.host, *self._for, *self._offline)

    def hold(self, package: str, version: str) -> tools.Result:
        """Take this version of a package where the lock has another one that it may stand for."""
        return self._run("update", "--package", package, "--precise", version, *self._offline)

    def clean(self, packages: Sequence[str]) -> None:
        """Forget what was built of these packages.

        Cargo takes a registry package of one name and version for the same for ever (its fingerprint has
        no checksum), so forks whose bytes have changed must be forgotten.
        """
        for package in packages:
            self._run("clean", "--offline", "-p", package, *self._for)

    def build(self) -> Build:
        """Build the project with the lock as it stands."""
        words = ("--locked", *self._for, *self._offline, "--message-format=json-render-diagnostics")
        result = self._run("build", *words)
        libraries: dict[str, Path] = {}
        macros: dict[str, Path] = {}
        program = None
        for message in _messages(result.stdout):
            if message.get("reason") != "compiler-artifact":
                continue
            for name in message["filenames"]:
                if name.endswith(".rlib") and self._is_targets(Path(name)):
                    libraries[message["target"]["name"]] = Path(name)
                elif message["target"]["kind"] == ["proc-macro"]:
                    macros[message["target"]["name"]] = Path(name)
            if message.get("executable"):
                program = Path(message["executable"])
        said = result.stderr.decode(errors="replace")
        return Build(result.ok, libraries, program, said, result.seconds, macros)

    def _is_targets(self, library: Path) -> bool:
        """Whether a library is for the target: build scripts use some crates of the same names on the host."""
        return not self._toolchain.cross or library.is_relative_to(self._built / self._toolchain.target)

    def _run(self, *arguments: str) -> tools.Result:
        more = {"CARGO_TARGET_DIR": str(self._built), "CARGO_TERM_COLOR": "never"}
        env = {**self._toolchain.environment, **more}
        argv = [self._toolchain.programs.cargo, *arguments]
        return tools.run(argv, cwd=self.folder, env=env, on_line=self._on_line)


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
