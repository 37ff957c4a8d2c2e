"""Assembled truth: whether the objects of every release and target have the names that the scan says."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path

from patchbot import state, tools
from patchbot.errors import EnvironmentProblem
from patchbot.model import ImportedRelease, JsonObject, Release
from patchbot.pipeline import imports, many, sync
from patchbot.pipeline.many import Outcome
from patchbot.pipeline.objects import Objects, subject_of
from patchbot.pipeline.work import Workspace
from patchbot.proof import compilers, expander
from patchbot.proof.making import Bench
from patchbot.targets import KNOWN, Target
from patchbot.truth import Assembled
from patchbot.upstream import importer


def benches_for(targets: Sequence[Target]) -> tuple[Bench, ...]:
    """Return the tools of this machine for the targets that are asked for, or for all that are known.

    Raises ``EnvironmentProblem`` if an asked target, or every known one, has no compiler here.
    """
    rustc = compilers.find_rustc()
    benches = tuple(
        Bench(target, compilers.find(target), rustc if rustc and rustc.host == target.triple else None)
        for target in targets or KNOWN.values()
    )
    without = [bench.target for bench in benches if bench.cc is None]
    if targets and without:
        triples = ", ".join(target.triple for target in without)
        raise EnvironmentProblem(f"no compiler for {triples}", hint=compilers.advice(without[0]))
    if len(without) == len(benches):
        raise EnvironmentProblem("there is no C compiler for any target", hint="install gcc")
    return benches


def assemble_all(
    work: Workspace, releases: Sequence[Release], benches: Sequence[Bench], *, jobs: int
) -> list[Outcome[Assembled]]:
    """Make the objects of every release; those of which nothing has changed cost no process."""
    known = {release: recall(work, release, benches) for release in releases}
    rest = [release for release in releases if known[release] is None]
    if rest:
        benches = with_shelf(work, benches)
    do = partial(assemble, benches=tuple(benches))
    made = dict(many.each(work, rest, do, title="assemble", jobs=jobs))
    return [(release, known[release] or made[release]) for release in releases]


def with_shelf(work: Workspace, benches: Sequence[Bench]) -> tuple[Bench, ...]:
    """Add what rustc needs to expand upstream's macros, or why that cannot be had."""
    return tuple(bench if bench.rustc is None else _with_shelf(work, bench) for bench in benches)


def _with_shelf(work: Workspace, bench: Bench) -> Bench:
    try:
        tools.need("cargo", hint="it builds the crates that upstream's macros are made with")
        with work.reporter.task("assemble: crates that upstream's macros need") as task:
            shelf = expander.build_shelf(_folder(work) / "macros", offline=work.offline, on_line=task.tell)
        return replace(bench, shelf=shelf)
    except EnvironmentProblem as problem:
        work.reporter.warn(f"rustc cannot expand upstream's macros: {problem}")
        return replace(bench, missing=problem.what)


def recall(work: Workspace, release: Release, benches: Sequence[Bench]) -> Assembled | None:
    """Return the outcome of ``assemble`` if nothing has changed since it was last done, else None."""
    imported = importer.load(work.store, release, work.config.upstream.roots)
    tree = None if imported is None else sync.recall_tree(work, imported)
    if imported is None or tree is None:
        return None
    known = state.recall(_memory(work, release, benches), _key(work, imported, tree, benches))
    if known is None:
        return None
    found = Assembled.from_json(known)
    return replace(found, rows=tuple(replace(row, known=True) for row in found.rows))


def assemble(work: Workspace, release: Release, *, benches: tuple[Bench, ...]) -> Assembled:
    """Make the objects of a release with its patches, on every bench, and compare them with its scan.

    The series is generated if need be; nothing in ``patches/`` is touched.
    """
    imported = imports.import_whole(work, release)
    tree = sync.patched_tree(work, imported)
    with work.reporter.task(f"assemble {release}") as task:
        objects = Objects(subject_of(work, imported, tree), _folder(work) / "objects", task.tell)
        rows = objects.rows(benches)
    found = Assembled(release, work.suffix(release).text, rows, objects.inline)
    if not any(bench.missing for bench in benches):  # what cargo cannot get today it may get tomorrow
        key = _key(work, imported, tree, benches)
        state.remember(_memory(work, release, benches), key, found.to_json())
    return found


def _memory(work: Workspace, release: Release, benches: Sequence[Bench]) -> Path:
    """Return where an outcome is remembered: who asks about one target need not forget all of them."""
    target = f"-{benches[0].target.triple}" if len(benches) == 1 else ""
    return work.memory(release, f"assembled{target}")


def _key(work: Workspace, imported: ImportedRelease, tree: str, benches: Sequence[Bench]) -> str:
    """Return the key of everything that a release's rows are made from."""
    return state.key(
        state.code("symbols", "proof", "pipeline"),
        imported.tree,
        tree,
        work.suffix(imported.release),
        work.policy_digest,
        expander.shelf_identity(),
        [(bench.target, bench.cc, bench.rustc) for bench in benches],
    )


def _folder(work: Workspace) -> Path:
    return work.config.state / "assembled"


def to_json(
    done: Sequence[Outcome[Assembled]], benches: Sequence[Bench], matrix: list[JsonObject]
) -> JsonObject:
    """Spell the outcome as ``assemble --json`` does."""
    return {
        "schema": 1,
        "targets": {
            bench.target.triple: {
                "c": bench.cc.name if bench.cc is not None else None,
                "text": bench.assembler.name if bench.assembler is not None else None,
            }
            for bench in benches
        },
        "releases": [many.outcome_to_json(release, outcome) for release, outcome in done],
        "matrix": matrix,
    }
