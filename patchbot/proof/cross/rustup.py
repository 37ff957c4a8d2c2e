"""Rustup, where it manages the Rust on ``PATH``: it has the standard libraries of most targets."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from patchbot import tools
from patchbot.errors import EnvironmentProblem
from patchbot.proof import compilers

TIMEOUT = 300.0  # seconds to download and unpack a library of 30 MB
_QUESTION = 60.0  # a toolchain that a project asks for may be downloaded before the first answer


def adding(triple: str) -> tuple[str, ...]:
    """Return the command that adds a target to the active toolchain."""
    return "rustup", "target", "add", triple


def removing(triple: str) -> tuple[str, ...]:
    """Return the command that takes it away again."""
    return "rustup", "target", "remove", triple


def offers(triple: str) -> bool:
    """Whether rustup manages the rustc on ``PATH`` and its toolchain can have the target."""
    which, root = _said(["rustup", "which", "rustc"]), _said(["rustc", "--print", "sysroot"])
    if which is None or root is None or Path(which).resolve().parent.parent != Path(root).resolve():
        return False
    # a toolchain that somebody built and linked has no targets to add
    return triple in _targets(["rustup", "target", "list"])


def has(triple: str) -> bool:
    """Whether rustup has added the target to the active toolchain."""
    return triple in _targets(["rustup", "target", "list", "--installed"])


def add(triple: str) -> str | None:
    """Add the target; return what is wrong if that fails."""
    try:
        done = tools.run(adding(triple), env=compilers.environment(), timeout=TIMEOUT)
    except EnvironmentProblem as error:
        return error.what
    # it prints a backtrace below its reasons
    return None if done.ok else done.head(3)


def _targets(argv: Sequence[str]) -> set[str]:
    """Return the targets that rustup lists; those that are there already have a word behind them."""
    return {line.split()[0] for line in (_said(argv) or "").splitlines() if line.strip()}


def _said(argv: Sequence[str]) -> str | None:
    if tools.find(argv[0]) is None:
        return None
    try:
        done = tools.run(argv, env=compilers.environment(), timeout=_QUESTION)
    except EnvironmentProblem:
        return None
    return done.stdout.decode(errors="replace").strip() if done.ok else None
