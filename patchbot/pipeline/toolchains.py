"""What ``doctor --target`` does: judge, prepare and remove the toolchain for another machine's programs."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from patchbot.errors import EnvironmentProblem, UsageError
from patchbot.model import JsonObject
from patchbot.pipeline import target as targets
from patchbot.proof import compilers, debian
from patchbot.proof.cross import find, install, parts, private, rustup, system
from patchbot.proof.cross.find import Parts
from patchbot.proof.cross.install import Done, Plan, Way
from patchbot.registry.remote.probe import Finding
from patchbot.report.terminal import Reporter
from patchbot.targets import Target

__all__ = ["Plan", "Way", "executed", "findings", "is_own", "planned", "removed", "target_of", "to_json"]

is_own = install.is_own


def target_of(triple: str) -> Target:
    """Return the target of a triple.

    Raises ``UsageError`` if nobody knows it, or qemu and Debian's cross compilers do not serve it.
    """
    target = targets.find(triple)
    if debian.architecture(target) is None:
        raise UsageError(
            f"no toolchain for {triple} can be prepared here",
            hint="there are some for Linux with its GNU C library: s390x-unknown-linux-gnu, aarch64-unknown-linux-gnu",
        )
    return target


def findings(target: Target, cache: Path) -> Iterator[Finding]:
    """Say what this machine has of a target's toolchain, and try it if all is there."""
    if is_own(target):
        yield Finding.good(target.triple, "is this machine's own: nothing is needed")
        return
    have = find.parts_for(target, cache)
    yield _rust(target, have)
    yield _private(target, cache)
    compiler = have.compiler
    yield Finding(
        "C compiler",
        ok=compiler is not None,
        answer=compiler.name if compiler is not None else f"none: {compilers.advice(target)}",
    )
    emulator = have.emulator
    yield Finding(
        "emulator",
        ok=emulator is not None,
        answer=" ".join((emulator.version, *emulator.command[1:]))
        if emulator is not None
        else _no_emulator(target, have),
    )
    if have.missing:
        yield Finding.note("next", f"patchbot doctor --target {target.triple} --install")
    else:
        yield _trial(target, have)


def _rust(target: Target, have: Parts) -> Finding:
    if have.rust is None:
        return Finding.bad("Rust", f"none with the standard library for {target.triple}")
    return Finding.good("Rust", f"{have.rust.version}, {'private' if have.rust.private else 'on PATH'}")


def _private(target: Target, cache: Path) -> Finding:
    folder = private.folder_of(cache, target.triple)
    rust = parts.private_rust(target, cache)
    if rust is not None:
        return Finding.note("private Rust", f"{rust.version}, {folder}")
    left = folder.exists() or folder.with_name(f"{folder.name}.new").exists()
    return Finding.note(
        "private Rust", f"only a part of one, which is not used: {folder}" if left else "none"
    )


def _no_emulator(target: Target, have: Parts) -> str:
    if have.compiler is None:
        return "not looked for: it needs the C library of a C compiler"
    return f"none: {install.emulator_advice(target)}"


def _trial(target: Target, have: Parts) -> Finding:
    try:
        problem = find.tried(target, have)
    except EnvironmentProblem as error:
        problem = str(error)
    return Finding(
        "trial", ok=problem is None, answer=problem or "a program is built, runs, and says where it is"
    )


def planned(target: Target, cache: Path, way: Way | None, *, dry_run: bool) -> Plan:
    """Return what ``--install`` would do.

    Raises ``EnvironmentProblem`` if it could not, and, unless it is a ``dry_run``, if we lack the rights.
    """
    todo = install.plan(target, cache, way)
    if not dry_run:
        install.need_rights(todo)
    return todo


def executed(target: Target, cache: Path, way: Way | None, agreed: Plan, reporter: Reporter) -> Done:
    """Do what was agreed to; another process that does it is waited for."""
    return install.install(
        target,
        cache,
        way,
        agreed=agreed,
        tell=reporter.say,
        on_wait=lambda: reporter.say(f"waiting for another patchbot that prepares {target.triple} …"),
    )


def removed(target: Target, cache: Path, reporter: Reporter) -> JsonObject:
    """Remove the private toolchain, and say which commands would undo the rest."""
    folder = private.folder_of(cache, target.triple)
    there = private.remove(
        cache,
        target.triple,
        on_wait=lambda: reporter.say(f"waiting for another patchbot that prepares {target.triple} …"),
    )
    undo = [" ".join(rustup.removing(target.triple))] if rustup.has(target.triple) else []
    names = (*debian.compilers(target), *debian.EMULATORS)
    installed = system.installed(names)
    if installed:
        undo.append(" ".join(system.removing([name for name in names if name in installed])))
    return {"schema": 1, "target": target.triple, "folder": str(folder), "removed": there, "undo": undo}


def to_json(target: Target, todo: Plan, done: Done | None) -> JsonObject:
    """Spell what was done, or what would be, as ``doctor --install --json`` does."""
    steps = done.steps if done is not None else tuple((step, False) for step in todo.steps)
    return {
        "schema": 1,
        "target": target.triple,
        "steps": [step.to_json(done=ended) for step, ended in steps],
        "toolchain": _parts(done.have if done is not None else todo.have),
    }


def _parts(have: Parts) -> JsonObject:
    return {
        "rust": have.rust.version if have.rust is not None else None,
        "rustc": have.rust.rustc if have.rust is not None else None,
        "cargo": have.rust.cargo if have.rust is not None else None,
        "private": have.rust.private if have.rust is not None else None,
        "cc": have.compiler.program if have.compiler is not None else None,
        "emulator": list(have.emulator.command) if have.emulator is not None else None,
    }
