"""The main job: everything that is due, from upstream to proof; and its plan, before anything is done."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path

from patchbot import state, workers
from patchbot.errors import EnvironmentProblem
from patchbot.fork.modes import Choice
from patchbot.model import ForkedRelease, JsonObject, Release
from patchbot.pipeline import proof as proofs
from patchbot.pipeline import suffixes
from patchbot.pipeline.closures import Closed, choices, close
from patchbot.pipeline.forks import consumer_files, fork_all, publish
from patchbot.pipeline.many import succeeded, sync_all
from patchbot.pipeline.proof import Proved, Wish
from patchbot.pipeline.sync import Synced, series_key
from patchbot.pipeline.work import Workspace
from patchbot.proof.toolchain import Toolchain
from patchbot.registry.local import State, Step
from patchbot.series import export
from patchbot.upstream import importer, resolve


class Stage(StrEnum):
    """The stages of ``patchbot run``, in their order."""

    SYNC = "sync"
    FORK = "fork"
    PUBLISH = "publish"
    PROVE = "prove"

    @property
    def position(self) -> int:
        """Where it stands in the order."""
        return list(Stage).index(self)


@dataclass(frozen=True, slots=True)
class Planned:
    """What a stage would do to a release, or to all of them (``release`` is empty then)."""

    stage: Stage
    release: str
    action: str


@dataclass(slots=True)
class Outcome:
    """What a run did."""

    synced: list[Synced] = field(default_factory=list)
    closed: list[Closed] = field(default_factory=list)
    forks: list[ForkedRelease] = field(default_factory=list)
    published: tuple[Step, ...] = ()
    proved: Proved | None = None
    consumer: dict[str, str] = field(default_factory=dict)
    missing: list[str] = field(default_factory=list)

    def to_json(self) -> JsonObject:
        """Spell the outcome as ``run --json`` does."""
        return {
            "schema": 1,
            "releases": [synced.to_json() for synced in self.synced],
            "forks": [
                {
                    "release": str(forks.release),
                    "suffix": str(forks.suffix),
                    "revision": forks.revision,
                    "closure": forks.closure.value,
                    "closure_reason": row.choice.why,
                    "roots": list(row.closure.roots),
                    "absent_roots": list(row.closure.absent),
                    "shared": list(forks.shared),
                    "crates": [
                        {
                            "name": c.entry.name,
                            "version": c.entry.version,
                            "sha256": c.entry.sha256,
                            "upstream": c.upstream.name,
                            "reason": c.reason,
                        }
                        for c in forks.crates
                    ],
                }
                for row, forks in zip(self.closed, self.forks, strict=True)
            ],
            "published": [{"name": s.crate.entry.name, "state": s.state.value} for s in self.published],
            "proof": self.proved.to_json() if self.proved is not None else None,
            "consumer": self.consumer,
            "missing": self.missing,
        }


def plan(work: Workspace, releases: Sequence[Release], *, until: Stage = Stage.PROVE) -> list[Planned]:
    """Return what ``run`` would do.  Asks the index where a release is not in the store, changes nothing."""
    suffixes.refuse_shared(work, releases)
    rows = []
    chosen = choices(work, releases)
    for release in releases:
        rows.append(Planned(Stage.SYNC, str(release), _plan_sync(work, release)))
        if until.position >= Stage.FORK.position:
            rows.append(Planned(Stage.FORK, str(release), _plan_forks(work, release, chosen[release])))
    if until.position >= Stage.PUBLISH.position:
        rows.append(Planned(Stage.PUBLISH, "", f"to {work.registry.folder}, what is not there yet"))
    if until.position >= Stage.PROVE.position:
        rows.append(Planned(Stage.PROVE, "", _plan_proof(work, releases)))
    return rows


def _plan_sync(work: Workspace, release: Release) -> str:
    roots = work.config.upstream.roots
    imported = importer.load(work.store, release, roots)
    if imported is None:
        resolve.find(work.known, release, allow_yanked=work.allow_yanked)
        entries = resolve.own_crates(work.source, roots, release, own=work.config.upstream.own).entries
        cached = sum(work.source.has_crate(entry) for entry in entries)
        return f"import {len(entries)} crates ({cached} downloaded before), generate the series"
    known = state.recall(work.memory(release, "series"), series_key(work, imported))
    folder = work.config.patches / str(release)
    return "nothing to do" if known is not None and export.read_folder(folder) else "generate the series"


def _plan_forks(work: Workspace, release: Release, choice: Choice) -> str:
    folder = work.config.state / "forks" / str(release)
    done = "forks are there; made again if the series changes" if folder.is_dir() else "make the forks"
    return f"{done} (closure {choice.mode}: {choice.why})"


def _plan_proof(work: Workspace, releases: Sequence[Release]) -> str:
    missing = proofs.what_lacks(work, None)
    if missing is not None:
        return f"cannot: {missing}"
    name = proofs.set_name(releases)
    there = list((work.config.state / "receipts").glob(f"{name}.*.json"))
    known = "; a receipt is there, and holds if nothing changes" if there else ", which takes minutes"
    return f"build and run one program with {name}{known}"


def run(
    work: Workspace,
    releases: Sequence[Release],
    *,
    until: Stage = Stage.PROVE,
    beside: Path | None = None,
    wish: Wish | None = None,
) -> Outcome:
    """Do every stage up to ``until`` that this machine allows; what it lacks is told at the end.

    ``beside`` is the ``Cargo.lock`` of a graph that the forks must fit into, ``wish`` says how to prove.  All releases are synced before
    the first is forked, and all are published before the proof: a stage is done for all or for none.

    Raises whatever stops a stage.
    """
    wish = wish or Wish()
    # who asks for another target wants nothing else: what it lacks is told before minutes of work
    machine = proofs.toolchain_for(work, wish.target) if wish.target is not None else None
    outcome = Outcome()
    done = sync_all(work, releases, jobs=workers.cores())
    outcome.synced = [succeeded(result) for _, result in done]
    if until.position >= Stage.FORK.position:
        outcome.closed = close(work, outcome.synced, beside)
        outcome.forks = fork_all(work, outcome.closed)
    if until.position >= Stage.PUBLISH.position:
        outcome.published = publish(work, outcome.forks)
        new = sum(step.state is State.NEW for step in outcome.published)
        work.reporter.say(f"publish: {new} new, {len(outcome.published) - new} there already")
        outcome.consumer = consumer_files(work, outcome.forks)
    if until.position >= Stage.PROVE.position:
        _prove(work, outcome, wish, machine)
    return outcome


def _prove(work: Workspace, outcome: Outcome, wish: Wish, machine: Toolchain | None) -> None:
    try:
        machine = machine or proofs.toolchain_for(work, None)
        able, unable = proofs.buildable(outcome.synced, machine)
        outcome.missing += unable
        made = {
            row.synced.release: (row, forks) for row, forks in zip(outcome.closed, outcome.forks, strict=True)
        }
        if able:
            subjects = [made[synced.release] for synced in able]
            outcome.proved = proofs.proof(work, subjects, machine, wish)
    except EnvironmentProblem as problem:
        outcome.missing.append(f"{problem}{f' ({problem.hint})' if problem.hint else ''}")
