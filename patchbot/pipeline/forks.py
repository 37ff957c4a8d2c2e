"""From a series to crates in a registry."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Sequence
from pathlib import Path

from patchbot import files, state
from patchbot.config import PLACEHOLDER_INDEX
from patchbot.fork import forge, pack
from patchbot.model import ClosureMode, ForkedCrate, ForkedRelease, IndexEntry, Suffix, TreeFile
from patchbot.pipeline import published
from patchbot.pipeline.closures import Closed
from patchbot.pipeline.sync import Synced
from patchbot.pipeline.work import Workspace
from patchbot.registry import consumer
from patchbot.registry.local import Step
from patchbot.series import export
from patchbot.series.policy import PatchKind

# The patches that a fork needs for its names alone; they stand behind the carried ones, before all others.
_OF_FORKS = ("crate-paths", "links-keys")


def fork_all(work: Workspace, closed: Sequence[Closed]) -> list[ForkedRelease]:
    """Make the forks of releases that are to be in one graph.

    Raises ``PublishError`` for names that were published with other bytes, and for crates that are too large.
    """
    forks = [fork(work, row) for row in closed]
    published.refuse(work, forks)
    for release in forks:
        pack.refuse_large(release.crates, work.config.registry.max_crate_bytes)
    return forks


def fork(work: Workspace, row: Closed, *, twin: bool = False) -> ForkedRelease:
    """Make the forks of a release, or take them from the last time.

    ``twin`` makes the forks without their suffix that a proof must see fail.
    """
    synced = row.synced
    folder = work.config.state / "forks" / (f"{synced.release}-bare" if twin else str(synced.release))
    key = fork_key(work, row, twin=twin)
    known = _load(folder, key, synced)
    if known is not None:
        return known
    with work.reporter.task(f"fork {synced.release}{', without suffix for the proof' if twin else ''}"):
        forked = forge.forge(
            synced.imported,
            _tree(work, synced, twin=twin),
            row.closure,
            suffix=work.suffix(synced.release),
            provenance={"series": synced.lock.digest, "tool": synced.lock.tool},
            index=work.config.registry.index,
            registry=work.config.registry.name,
            revision=work.revision(synced.release),
            twin=twin,
        )
    _save(folder, key, forked)
    return forked


def fork_key(work: Workspace, row: Closed, *, twin: bool = False) -> str:
    """Return the key of everything that forks are made from."""
    config, synced, closure = work.config, row.synced, row.closure
    return state.key(
        state.code("fork"),
        synced.lock.digest,
        synced.lock.tool,
        synced.lock.suffix,
        config.registry.index,
        config.registry.name,
        work.revision(synced.release),
        closure.mode,
        sorted(closure.reasons.items()),
        closure.shared,
        twin,
    )


def publish(work: Workspace, forks: Sequence[ForkedRelease]) -> tuple[Step, ...]:
    """Put the forks into the local registry; what is there already stays untouched.

    As long as the registry has no address of its own, nobody else can have them, and nothing is remembered.
    """
    done = work.registry.publish([crate for release in forks for crate in release.crates])
    if work.config.registry.index != PLACEHOLDER_INDEX:
        published.record(work, forks)
    return done


def consumer_files(
    work: Workspace, forks: Sequence[ForkedRelease], served: str | None = None
) -> dict[str, str]:
    """Return what users put into their own ``Cargo.toml`` and ``.cargo/config.toml``, and into Rust code.

    ``served`` is the address of an index where the crates are, if not in the local directory.
    """
    registry, roots = work.config.registry, work.config.fork.roots
    return {
        "Cargo.toml": consumer.manifest_lines(forks, registry.name, roots),
        ".cargo/config.toml": consumer.cargo_config(registry.name, registry.index, work.registry.folder)
        if served is None
        else consumer.served_config(registry.name, registry.index, served),
        "main.rs": consumer.use_lines(forks, roots),
    }


def _tree(work: Workspace, synced: Synced, *, twin: bool) -> Iterable[TreeFile]:
    """Return the files to fork: the series' result, or for a twin only what crates with other names need."""
    tree = synced.lock.result_tree
    if twin:
        patches = synced.lock.applied
        kept = sum(p.name in _OF_FORKS or p.kind == PatchKind.CARRIED for p in patches)
        tree = work.store.tree_of(f"{export.SERIES}{synced.release}~{len(patches) - kept}")
    return work.store.read_files(work.store.list_tree(tree))


def _save(folder: Path, key: str, forked: ForkedRelease) -> None:
    rows = [
        {"upstream": c.upstream.name, "entry": c.entry.to_json(), "reason": c.reason} for c in forked.crates
    ]
    plan = {
        "key": key,
        "suffix": str(forked.suffix),
        "crates": rows,
        "shared": list(forked.shared),
        "revision": forked.revision,
        "closure": forked.closure.value,
        "series": forked.series,
        "index": forked.index,
    }
    crates = {f"{c.entry.name}-{c.entry.version}.crate": c.data for c in forked.crates}
    files.replace_folder(folder, {"forks.json": json.dumps(plan, indent=1).encode(), **crates})


def _load(folder: Path, key: str, synced: Synced) -> ForkedRelease | None:
    try:
        plan = json.loads((folder / "forks.json").read_bytes())
        if plan["key"] != key:
            return None
        crates = []
        for row in plan["crates"]:
            entry = IndexEntry.from_json(row["entry"])
            data = (folder / f"{entry.name}-{entry.version}.crate").read_bytes()
            if hashlib.sha256(data).hexdigest() != entry.sha256:
                return None
            crates.append(ForkedCrate(synced.imported.crate(row["upstream"]), entry, data, row["reason"]))
        return ForkedRelease(
            synced.release,
            Suffix(plan["suffix"]),
            tuple(crates),
            tuple(plan["shared"]),
            revision=plan["revision"],
            closure=ClosureMode(plan["closure"]),
            series=plan["series"],
            index=plan["index"],
        )
    except (OSError, ValueError, KeyError, TypeError):
        return None  # whatever is wrong with what was kept, it can be made again
