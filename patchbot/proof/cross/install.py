"""Get the parts of a cross toolchain that are missing: first what would be done, then doing it.

The system's packages come first, since nothing is downloaded for a machine that cannot have them; then Rust,
from rustup where that manages the machine's own, else a private one.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from enum import Enum
from pathlib import Path

from patchbot import tools
from patchbot.errors import EnvironmentProblem
from patchbot.model import JsonObject
from patchbot.proof import compilers, debian
from patchbot.proof.cross import apt, find, parts, private, rustup, system
from patchbot.proof.cross.find import Parts
from patchbot.targets import Target


class Way(Enum):
    """Where a Rust with the target's standard library may come from."""

    RUSTUP = "rustup"
    PACKAGES = "packages"


class Kind(Enum):
    """What a step does."""

    UPDATE = "update"
    SYSTEM = "system"
    RUSTUP = "rustup"
    PRIVATE = "private"


@dataclass(frozen=True, slots=True)
class Step:
    """One thing to do, as a command; a private toolchain's is what it comes to."""

    kind: Kind
    words: str
    command: tuple[str, ...]

    def to_json(self, *, done: bool) -> JsonObject:
        """Spell it as ``doctor --install --json`` does."""
        return {"step": self.kind.value, "command": " ".join(self.command), "done": done}


@dataclass(frozen=True, slots=True)
class Plan:
    """What is there for a target, and what is to be done."""

    have: Parts
    steps: tuple[Step, ...]

    @property
    def needs_rights(self) -> bool:
        """Whether a step changes the system."""
        return any(step.kind in {Kind.UPDATE, Kind.SYSTEM} for step in self.steps)


@dataclass(frozen=True, slots=True)
class Done:
    """What was done: each step, and whether it came to its end."""

    steps: tuple[tuple[Step, bool], ...]
    have: Parts


def parts_for(target: Target, cache: Path, way: Way | None) -> Parts:
    """Look for a target's parts; with a ``way``, for a Rust that came by it."""
    have = find.parts_for(target, cache)
    if way is Way.PACKAGES:
        return replace(have, rust=parts.private_rust(target, cache))
    return have if way is None else replace(have, rust=parts.rust_on_path(target))


def is_own(target: Target) -> bool:
    """Whether this machine's own toolchain makes programs for the target."""
    kernel = "linux" if sys.platform.startswith("linux") else sys.platform
    return (kernel, compilers.machine(), "gnu") == (target.os, target.arch, target.env)


def plan(target: Target, cache: Path, way: Way | None) -> Plan:
    """Return what has to be done for a target; no steps if all is there and was seen to work.

    Raises ``EnvironmentProblem`` if this machine is not one where patchbot installs anything, or has all
    parts and they do not work.
    """
    have = parts_for(target, cache, way)
    if not have.missing:
        again = f"patchbot doctor --target {target.triple} --remove, then --install"
        _try(target, have, again if have.rust is not None and have.rust.private else None)
        return Plan(have, ())
    try:
        system.distribution()
    except EnvironmentProblem as error:
        lacks = " nor ".join(have.missing)
        raise EnvironmentProblem(f"{error.what}; there is not {lacks}", hint=by_hand(target, have)) from None
    _need_native_compiler()
    return Plan(have, (*_system_steps(target, have), *_rust_steps(target, cache, have, way)))


def by_hand(target: Target, have: Parts) -> str:
    """Return what a person would do about the parts that are missing."""
    advice = []
    if have.compiler is None:
        advice.append(compilers.advice(target))
    if have.emulator is None:
        advice.append(emulator_advice(target))
    if have.rust is None:
        advice.append(f"{' '.join(rustup.adding(target.triple))}, where rustup manages rustc")
    return "; ".join(advice)


def emulator_advice(target: Target) -> str:
    """Return what to do about a target without an emulator."""
    return f"install {' or '.join(parts.emulators(target))} (on Debian {' '.join(debian.EMULATORS)})"


def _need_native_compiler() -> None:
    """Build scripts run on this machine, and rustc links them with its ``cc``."""
    tools.need("cc", hint=f"apt-get install {' '.join(debian.NATIVE)}, then run again")


def _system_steps(target: Target, have: Parts) -> Iterator[Step]:
    wanted = (
        *(debian.compilers(target) if have.compiler is None else ()),
        *(debian.EMULATORS if have.emulator is None else ()),
    )
    if not wanted:
        return
    there = system.installed(wanted)
    lacking = [name for name in wanted if name not in there]
    if not lacking:
        raise EnvironmentProblem(
            f"packages are installed ({', '.join(wanted)}), and still there is not {' nor '.join(_of_system(have).missing)}",
            where=target.triple,
            hint=f"is it another {parts.emulators(target)[0]} or compiler that comes first on PATH, and does it work?",
        )
    if not system.offered(lacking):
        yield Step(Kind.UPDATE, "ask the system's package servers what there is", system.updating())
    yield Step(Kind.SYSTEM, f"install {', '.join(lacking)}", system.installing(lacking))


def _of_system(have: Parts) -> Parts:
    """Return the same parts as if Rust were there."""
    return replace(have, rust=parts.Rust("", "", ""))


def _rust_steps(target: Target, cache: Path, have: Parts, way: Way | None) -> Iterator[Step]:
    if have.rust is not None:
        return
    if way is Way.RUSTUP or (way is None and rustup.offers(target.triple)):
        otherwise = (
            "" if way is Way.RUSTUP else "; if that fails, a private Rust of the distribution's packages"
        )
        words = f"add the standard library to rustup's active toolchain{otherwise}"
        yield Step(Kind.RUSTUP, words, rustup.adding(target.triple))
    else:
        yield _private_step(target, cache)


def _private_step(target: Target, cache: Path) -> Step:
    folder = private.folder_of(cache, target.triple)
    words = f"a private Rust of the distribution's packages, 120 MB to download, 600 MB in {folder}"
    command = ("apt-get", "download", "rustc", "cargo", f"libstd-rust-dev:{debian.architecture(target)}")
    return Step(Kind.PRIVATE, words, command)


def need_rights(steps: Plan) -> None:
    """Raise ``EnvironmentProblem`` if we may not do what a plan does to the system."""
    if steps.needs_rights and not system.may():
        lines = [step.command for step in steps.steps if step.kind in {Kind.UPDATE, Kind.SYSTEM}]
        commands = " && ".join(" ".join(_as_root(line)) for line in lines)
        raise EnvironmentProblem(
            "the system's packages are root's to install, and sudo does not work without a password",
            hint=f"an administrator would run: {commands}",
        )


def _as_root(command: tuple[str, ...]) -> tuple[str, ...]:
    return command[command.index("apt-get") :]


def install(
    target: Target,
    cache: Path,
    way: Way | None,
    *,
    agreed: Plan,
    tell: Callable[[str], None],
    on_wait: Callable[[], None],
) -> Done:
    """Do what is to be done for a target, one process at a time, and try the result.

    Nothing is done that is not in the plan that somebody ``agreed`` to.  Raises ``EnvironmentProblem`` for whatever keeps it from that; a private toolchain is then not there.
    """
    with _told(cache), private.making(cache, target.triple, on_wait=on_wait) as room:
        # whoever had the lock before may have done it
        todo = plan(target, cache, way)
        if not set(todo.steps) <= set(agreed.steps):
            raise EnvironmentProblem("this machine has changed since the plan was made", hint="run it again")
        need_rights(todo)
        done: list[tuple[Step, bool]] = []
        for step in todo.steps:
            tell(" ".join(step.command))
            if step.kind is Kind.RUSTUP:
                done += _from_rustup(target, cache, room, way, step, tell)
            elif step.kind is Kind.PRIVATE:
                done.append((_from_packages(target, cache, room, step, tell), True))
            else:
                system.run(step.command)
                done.append((step, True))
        have = parts_for(target, cache, way)
        if todo.steps:
            _need_all(target, have)
            _try(target, have)
    return Done(tuple(done), have)


def _from_rustup(
    target: Target, cache: Path, room: Path, way: Way | None, step: Step, tell: Callable[[str], None]
) -> list[tuple[Step, bool]]:
    trouble = rustup.add(target.triple)
    if trouble is None and parts.rust_on_path(target) is None:
        trouble = f"rustc on PATH has no standard library for {target.triple} after it"
    if trouble is None:
        return [(step, True)]
    if way is Way.RUSTUP:
        raise EnvironmentProblem(
            f"fails: {trouble}", where=" ".join(step.command), hint="or leave out --rust rustup"
        )
    tell(f"rustup fails: {trouble}")
    tell("going on with the distribution's packages")
    instead = _private_step(target, cache)
    return [(step, False), (_from_packages(target, cache, room, instead, tell), True)]


def _from_packages(target: Target, cache: Path, room: Path, step: Step, tell: Callable[[str], None]) -> Step:
    have = find.parts_for(target, cache)
    _need_all(target, _of_system(have))
    foreign = debian.architecture(target)
    assert foreign is not None  # noqa: S101 - the pipeline refuses such targets
    made = apt.made(room, foreign, system.distribution(), tell)
    rust = parts.rust_in(made, target)
    if rust is None:
        raise EnvironmentProblem(
            f"{', '.join(made.packages)} make no Rust for {target.triple} that starts here", where=room
        )
    tell("trying it …")
    _try(target, replace(have, rust=rust))
    private.keep(replace(made, version=rust.version), cache, target.triple)
    return replace(step, command=("apt-get", "download", *made.packages))


def _need_all(target: Target, have: Parts) -> None:
    if have.missing:
        raise EnvironmentProblem(
            f"all is installed, and still there is not {' nor '.join(have.missing)} that works",
            where=target.triple,
            hint=by_hand(target, have),
        )


def _try(target: Target, have: Parts, hint: str | None = None) -> None:
    problem = find.tried(target, have)
    if problem is not None:
        raise EnvironmentProblem(problem, where=target.triple, hint=hint)


@contextmanager
def _told(cache: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise EnvironmentProblem(
            f"cannot be written: {error.strerror}",
            where=error.filename or cache,
            hint="is the disk full, or the folder read-only?",
        ) from None
