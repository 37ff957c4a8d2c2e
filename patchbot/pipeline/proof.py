"""From forks to a receipt."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path

from patchbot import files, state
from patchbot.errors import EnvironmentProblem, ProofError
from patchbot.model import ForkedRelease, JsonObject, Release
from patchbot.pipeline.closures import Closed
from patchbot.pipeline.forks import fork
from patchbot.pipeline.sync import LOCKS, Synced
from patchbot.pipeline.work import Workspace
from patchbot.proof import cargo, program, prove, receipts
from patchbot.registry import consumer
from patchbot.registry.local import LocalRegistry

MOST = 12  # lines of a failure on the terminal; the receipt has all


@dataclass(frozen=True, slots=True)
class Proved:
    """A receipt, where it is kept, and whether an earlier run with the same inputs wrote it."""

    receipt: receipts.Receipt
    path: Path
    known: bool

    def to_json(self) -> JsonObject:
        """Spell the outcome as ``prove --json`` does."""
        return {**self.receipt.to_json(), "receipt": str(self.path), "known": self.known}


def buildable(releases: Sequence[Synced]) -> tuple[list[Synced], list[str]]:
    """Return the releases that this toolchain can build, and a line for each that it cannot."""
    toolchain = cargo.toolchain()
    able, unable = [], []
    for synced in releases:
        wanted = synced.imported.crate("wasmtime").entry.rust_version
        if toolchain.builds(wanted):
            able.append(synced)
        else:
            have = ".".join(map(str, toolchain.version))
            unable.append(f"{synced.release} needs rustc {wanted}, and this is {have}")
    return able, unable


def receipt_path(work: Workspace, releases: Sequence[Release], target: str) -> Path:
    """Return where the receipt of a set of releases is kept."""
    return work.config.state / "receipts" / f"{set_name(releases)}.{target}.json"


def set_name(releases: Sequence[Release]) -> str:
    """Return the name of a set of releases: ``8.0.1+9.0.4``."""
    return "+".join(map(str, sorted(releases)))


def proof(
    work: Workspace, subjects: Sequence[tuple[Closed, ForkedRelease]], *, force: bool = False
) -> Proved:
    """Prove that these forks live together in one program; return the receipt, known or new.

    Raises ``ProofError`` if a rung does not hold or a twin passed; its receipt is kept all the same.
    """
    toolchain = cargo.toolchain()
    releases = [row.synced.release for row, _ in subjects]
    people = [_subject(work, row, forks) for row, forks in subjects]
    path = receipt_path(work, releases, toolchain.host)
    pins = work.config.patches / LOCKS / f"{set_name(releases)}.lock"
    setting = _setting(work, people, toolchain, pins if pins.is_file() else None)
    known = receipts.load(path)
    if known is not None and known.ok and not force and known.key == _key(people, setting, toolchain):
        return Proved(known, path, known=True)
    rungs = _climb(work, people, setting)
    _keep_pins(work, setting, pins)
    setting = _setting(work, people, toolchain, pins)
    inputs = _inputs(people, setting, toolchain)
    receipt = receipts.Receipt(
        key=receipts.key_of(inputs),
        releases=tuple(map(str, releases)),
        target=toolchain.host,
        rungs=rungs,
        inputs=inputs,
        date=datetime.now(UTC).isoformat(timespec="seconds"),
    )
    receipts.save(path, receipt)
    proved = Proved(receipt, path, known=False)
    if not receipt.ok:
        raise ProofError(_failure(receipt), where=path, hint="the receipt has every rung and its twins")
    return proved


def _subject(work: Workspace, row: Closed, forks: ForkedRelease) -> prove.Subject:
    synced = row.synced
    entry = synced.imported.crate("wasmtime").entry
    optional = [d.alias for d in entry.dependencies if d.optional]
    features = program.features_of(work.config.proof.features, entry.features, optional)
    twin = fork(work, row, twin=True)
    return prove.Subject(forks=forks, twin=twin, inventory=synced.inventory, features=features)


def _setting(
    work: Workspace, people: Sequence[prove.Subject], toolchain: cargo.Toolchain, pins: Path | None
) -> prove.Setting:
    folder = work.config.state / "proof"
    registry = work.config.registry
    configs = []
    for twin in (False, True):
        crates = [c for p in people for c in (p.twin if twin else p.forks).crates]
        # Cargo trusts what it once unpacked from a local registry by the folder's path alone, so the folder
        # is named after the bytes in it.
        digest = hashlib.sha256("".join(sorted(c.entry.sha256 for c in crates)).encode()).hexdigest()[:16]
        view = LocalRegistry(folder / "registries" / digest)
        view.publish(crates)
        configs.append(consumer.cargo_config(registry.name, registry.index, view.folder))
    return prove.Setting(
        folder=folder,
        registry=registry.name,
        config=configs[0],
        twin_config=configs[1],
        host=toolchain.host,
        pins=pins,
        offline=work.offline,
        on_line=lambda _line: None,
        on_rung=work.reporter.say,
    )


def _climb(
    work: Workspace, people: Sequence[prove.Subject], setting: prove.Setting
) -> tuple[receipts.Rung, ...]:
    rungs = []
    with work.reporter.task(f"prove {set_name([p.release for p in people])}") as task:

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


def _keep_pins(work: Workspace, setting: prove.Setting, pins: Path) -> None:
    """Keep the versions of everybody else's crates, so that the proof can be repeated."""
    if pins.is_file():
        return
    lock = prove.lock_of(setting)
    files.write(pins, program.third_party(lock, index=work.config.registry.index).encode())
    work.reporter.say(
        f"  wrote {pins.relative_to(work.config.project)}: commit it, and proofs repeat exactly"
    )


def _inputs(
    people: Sequence[prove.Subject], setting: prove.Setting, toolchain: cargo.Toolchain
) -> JsonObject:
    """Return everything that the outcome depends on, for the receipt."""
    return {
        "forks": {c.entry.name: c.entry.sha256 for p in people for c in p.forks.crates},
        "twins": {c.entry.name: c.entry.sha256 for p in people for c in p.twin.crates},
        "features": {str(p.release): list(p.features) for p in people},
        "pins": hashlib.sha256(setting.pins.read_bytes()).hexdigest() if setting.pins is not None else None,
        "rustc": toolchain.rustc,
        "cargo": toolchain.cargo,
        "target": toolchain.host,
        "proof": state.code("proof"),
    }


def _key(people: Sequence[prove.Subject], setting: prove.Setting, toolchain: cargo.Toolchain) -> str:
    return receipts.key_of(_inputs(people, setting, toolchain))


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


def need_cargo() -> str | None:
    """Return what is missing for a proof, or None."""
    try:
        cargo.toolchain()
    except EnvironmentProblem as problem:
        return f"{problem.what} ({problem.hint})"
    return None
