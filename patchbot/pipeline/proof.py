"""From forks to a receipt."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path

from patchbot import files, state
from patchbot.errors import EnvironmentProblem, ProofError
from patchbot.model import ForkedRelease, JsonObject, Release
from patchbot.pipeline import target
from patchbot.pipeline.closures import Closed
from patchbot.pipeline.forks import fork
from patchbot.pipeline.sync import LOCKS, RECEIPTS, Synced
from patchbot.pipeline.work import Workspace
from patchbot.proof import program, project, prove, receipts, toolchain
from patchbot.proof.cross import find as cross
from patchbot.proof.toolchain import Toolchain
from patchbot.registry import consumer
from patchbot.registry.local import LocalRegistry

MOST = 12  # lines of a failure on the terminal; the receipt has all


@dataclass(frozen=True, slots=True, kw_only=True)
class Wish:
    """How to prove: for which ``target`` (a triple; None is this machine), whether to do it again (``force``).

    ``record`` writes a receipt that holds into ``patches/``, too.
    """

    target: str | None = None
    force: bool = False
    record: bool = False


@dataclass(frozen=True, slots=True)
class Proved:
    """A receipt, where it is kept, and whether an earlier run with the same inputs wrote it."""

    receipt: receipts.Receipt
    path: Path
    known: bool

    def to_json(self) -> JsonObject:
        """Spell the outcome as ``prove --json`` does."""
        return {**self.receipt.to_json(), "receipt": str(self.path), "known": self.known}


def toolchain_for(work: Workspace, triple: str | None) -> Toolchain:
    """Return what builds and runs programs for a target; None is this machine.

    Raises ``UsageError`` if nobody knows the target, ``EnvironmentProblem`` if something is missing for it.
    """
    if triple is None:
        return toolchain.native()
    wanted = target.find(triple)
    with suppress(EnvironmentProblem):  # told below, if it is about this target
        own = toolchain.native()
        if own.host == triple:
            return own
    return cross.find(wanted, work.config.cache)


def buildable(releases: Sequence[Synced], machine: Toolchain) -> tuple[list[Synced], list[str]]:
    """Return the releases that a toolchain can build, and a line for each that it cannot."""
    able, unable = [], []
    for synced in releases:
        wanted = synced.imported.crate("wasmtime").entry.rust_version
        if machine.builds(wanted):
            able.append(synced)
        else:
            have = ".".join(map(str, machine.version))
            here = f"that for {machine.target}" if machine.cross else "this"
            unable.append(f"{synced.release} needs rustc {wanted}, and {here} is {have}")
    return able, unable


def receipt_path(work: Workspace, releases: Sequence[Release], triple: str) -> Path:
    """Return where the receipt of a set of releases is kept."""
    return work.config.state / "receipts" / f"{set_name(releases)}.{triple}.json"


def recorded_path(work: Workspace, releases: Sequence[Release], triple: str) -> Path:
    """Return where it is recorded for everybody to read."""
    return work.config.patches / RECEIPTS / triple / f"{set_name(releases)}.json"


def lock_path(work: Workspace, releases: Sequence[Release], machine: Toolchain) -> Path:
    """Return where the versions of everybody else's crates are committed for a set of releases.

    Other targets have compilers of their own, which may be too old for what this machine's takes.
    """
    name = f"{set_name(releases)}.{machine.target}" if machine.cross else set_name(releases)
    return work.config.patches / LOCKS / f"{name}.lock"


def set_name(releases: Sequence[Release]) -> str:
    """Return the name of a set of releases: ``8.0.1+9.0.4``."""
    return "+".join(map(str, sorted(releases)))


def proof(
    work: Workspace,
    subjects: Sequence[tuple[Closed, ForkedRelease]],
    machine: Toolchain,
    wish: Wish,
) -> Proved:
    """Prove that these forks live together in one program; return the receipt, known or new.

    Raises ``ProofError`` if a rung does not hold or a twin passed; its receipt is kept all the same.
    """
    releases = [row.synced.release for row, _ in subjects]
    people = [_subject(work, row, forks) for row, forks in subjects]
    path = receipt_path(work, releases, machine.target)
    pins = lock_path(work, releases, machine)
    setting = _setting(work, people, machine, pins if pins.is_file() else None)
    receipt = receipts.load(path)
    known = receipt is not None and receipt.ok and receipt.key == receipts.key_of(_inputs(people, setting))
    if receipt is None or not known or wish.force:
        receipt = _proved_now(work, people, setting, pins)
        receipts.save(path, receipt)
        if not receipt.ok:
            raise ProofError(_failure(receipt), where=path, hint="the receipt has every rung and its twins")
    if wish.record:
        _record(work, receipt, recorded_path(work, releases, machine.target))
    return Proved(receipt, path, known=known and not wish.force)


def _proved_now(
    work: Workspace, people: Sequence[prove.Subject], setting: project.Setting, pins: Path
) -> receipts.Receipt:
    machine = setting.toolchain
    if machine.cross:
        cross.find(target.find(machine.target), work.config.cache, working=True)
    rungs = _climb(work, people, setting)
    _keep_pins(work, setting, pins)
    inputs = _inputs(people, replace(setting, pins=pins))
    return receipts.Receipt(
        key=receipts.key_of(inputs),
        releases=tuple(str(subject.release) for subject in people),
        target=machine.target,
        rungs=rungs,
        inputs=inputs,
        date=datetime.now(UTC).isoformat(timespec="seconds"),
    )


def _record(work: Workspace, receipt: receipts.Receipt, file: Path) -> None:
    """Write a receipt to commit; one of the same inputs stays as it is."""
    there = receipts.load(file)
    if there is not None and there.ok and there.key == receipt.key:
        return
    receipts.save(file, receipt)
    work.reporter.say(f"  wrote {file.relative_to(work.config.project)}")


def _subject(work: Workspace, row: Closed, forks: ForkedRelease) -> prove.Subject:
    synced = row.synced
    entry = synced.imported.crate("wasmtime").entry
    optional = [d.alias for d in entry.dependencies if d.optional]
    features = program.features_of(work.config.proof.features, entry.features, optional)
    twin = fork(work, row, twin=True)
    return prove.Subject(
        forks=forks, twin=twin, inventory=synced.inventory, tree=synced.lock.result_tree, features=features
    )


def _setting(
    work: Workspace, people: Sequence[prove.Subject], machine: Toolchain, pins: Path | None
) -> project.Setting:
    place = work.config.state / "proof"
    registry = work.config.registry
    configs = []
    for twin in (False, True):
        crates = [c for p in people for c in (p.twin if twin else p.forks).crates]
        # Cargo trusts what it once unpacked from a local registry by the folder's path alone, so the folder
        # is named after the bytes in it.
        digest = hashlib.sha256("".join(sorted(c.entry.sha256 for c in crates)).encode()).hexdigest()[:16]
        view = LocalRegistry(place / "registries" / digest)
        view.publish(crates)
        configs.append(consumer.cargo_config(registry.name, registry.index, view.folder))
    return project.Setting(
        folder=place / machine.target if machine.cross else place,
        registry=registry.name,
        config=configs[0],
        twin_config=configs[1],
        toolchain=machine,
        pins=pins,
        hold=work.config.proof.hold,
        offline=work.offline,
        on_line=lambda _line: None,
        on_rung=work.reporter.say,
    )


def _climb(
    work: Workspace, people: Sequence[prove.Subject], setting: project.Setting
) -> tuple[receipts.Rung, ...]:
    rungs = []
    with work.reporter.task(f"prove {set_name([p.release for p in people])}{_where(setting)}") as task:

        def heard(line: str) -> None:
            word = line.strip()
            if word.startswith(("Compiling", "Downloaded", "Downloading", "Building")):
                task.advance(word)

        for rung in prove.ladder(people, replace(setting, on_line=heard)):
            rungs.append(rung)
            state_of = "holds" if rung.ok else "DOES NOT HOLD"
            work.reporter.say(f"  {rung.name} {state_of}: {rung.checked}")
            for twin in rung.twins:
                work.reporter.say(f"    without it, {twin.name}: {twin.detail}")
    return tuple(rungs)


def _where(setting: project.Setting) -> str:
    return f" on {setting.toolchain.target}" if setting.toolchain.cross else ""


def _keep_pins(work: Workspace, setting: project.Setting, pins: Path) -> None:
    """Keep the versions of everybody else's crates, so that the proof can be repeated."""
    if pins.is_file():
        return
    lock = project.lock_of(setting)
    files.write(pins, program.third_party(lock, index=work.config.registry.index).encode())
    work.reporter.say(
        f"  wrote {pins.relative_to(work.config.project)}: commit it, and proofs repeat exactly"
    )


def _inputs(people: Sequence[prove.Subject], setting: project.Setting) -> JsonObject:
    """Return everything that the outcome depends on, for the receipt."""
    machine = setting.toolchain
    return {
        "forks": {c.entry.name: c.entry.sha256 for p in people for c in p.forks.crates},
        "twins": {c.entry.name: c.entry.sha256 for p in people for c in p.twin.crates},
        "trees": {str(p.release): p.tree for p in people},
        "features": {str(p.release): list(p.features) for p in people},
        "pins": hashlib.sha256(setting.pins.read_bytes()).hexdigest() if setting.pins is not None else None,
        "rustc": machine.rustc,
        "cargo": machine.cargo,
        "target": machine.target,
        **machine.others,
        "proof": state.code("proof"),
    }


def _failure(receipt: receipts.Receipt) -> str:
    lines = []
    for rung in receipt.rungs:
        lines += [f"{rung.name}: {problem}" for problem in rung.problems]
        lines += [
            f"{rung.name}: the twin {twin.name} does not fail as it must: {twin.detail}"
            for twin in rung.twins
            if twin.failed is False
        ]
        if not rung.problems and not rung.twin_failed and not lines:
            lines.append(f"{rung.name}: no twin could be tried, so it proves nothing")
    if len(lines) > MOST:
        lines[MOST:] = [f"and {len(lines) - MOST} more"]
    return "\n".join(lines) or "no rung was climbed"


def what_lacks(work: Workspace, triple: str | None) -> str | None:
    """Return what is missing for a proof, or None."""
    try:
        toolchain_for(work, triple)
    except EnvironmentProblem as problem:
        return f"{problem.what} ({problem.hint})"
    return None
