"""From upstream to ``patches/``: import, scan, rewrite, export; and the check that they are in step."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from patchbot import state
from patchbot.errors import Findings, RepositoryError
from patchbot.fork import ledger, naming
from patchbot.git.commits import CommitText
from patchbot.model import ImportedRelease, Inventory, JsonObject, Kind, Names, Release
from patchbot.pipeline import carry
from patchbot.pipeline.gitobjects import tree_changes
from patchbot.pipeline.imports import import_release, import_whole
from patchbot.pipeline.work import Change, Workspace
from patchbot.series import carried as forms
from patchbot.series import export, lock, message
from patchbot.series import policy as policies
from patchbot.targets import KNOWN, Target
from patchbot.upstream import importer, tags

LOCKS = "locks"
RECEIPTS = "receipts"


@dataclass(frozen=True, slots=True)
class Synced:
    """A release in the store, what its scan found, and the lock of its series."""

    imported: ImportedRelease
    inventory: Inventory
    lock: lock.Lock
    change: Change

    @property
    def release(self) -> Release:
        """The release."""
        return self.imported.release

    def to_json(self) -> JsonObject:
        """Spell the outcome."""
        return {
            "release": str(self.release),
            "series": self.change.value,
            "crates": len(self.imported.crates),
            "names": len(self.inventory.names(Kind.OWN)),
            "patches": [
                {"name": p.name, "kind": p.kind, "rule": p.rule, "verdict": p.verdict.value}
                for p in self.lock.patches
            ],
            "base_tree": self.lock.base_tree,
            "result_tree": self.lock.result_tree,
            "flags": list(self.imported.flags),
        }


def scan(work: Workspace, release: Release) -> tuple[ImportedRelease, Inventory]:
    """Import a release and return what its sources define, import and mention."""
    imported = import_release(work, release)
    key = state.key(state.code("symbols"), imported.tree, work.policy_digest)
    file = work.memory(release, "scan")
    known = state.recall(file, key)
    if known is not None:
        return imported, Inventory.from_json(known)
    from patchbot.symbols.scan import scan as scan_sources  # noqa: PLC0415 - parsers load only where needed

    with work.reporter.task(f"scan {release}"):
        work.readings.turn()
        sources = read_sources(work, imported.tree)
        inventory = scan_sources(imported, sources, work.policy.names, work.readings).inventory
        work.readings.save()
    state.remember(file, key, inventory.to_json())
    return imported, inventory


def on_target(inventory: Inventory, target: Target) -> Inventory:
    """Return what some build for a target has."""
    from patchbot.symbols import per_target  # noqa: PLC0415 - parsers load only where needed

    return replace(inventory, symbols=per_target.on_target(inventory, target))


def scan_to_json(imported: ImportedRelease, inventory: Inventory) -> JsonObject:
    """Spell a scan as ``scan --json`` does."""
    from patchbot.symbols import per_target  # noqa: PLC0415 - parsers load only where needed

    crates = [
        {"name": pin.name, "version": pin.version, "path": pin.path, "sha256": pin.sha256 or None}
        for pin in imported.crates
    ]
    return {
        "schema": 1,
        "release": str(imported.release),
        "crates": crates,
        **inventory.to_json(),
        "targets": per_target.names_by_target(inventory, KNOWN.values()),
    }


def sync(work: Workspace, release: Release) -> Synced:
    """Import a release, scan it, and make its series; write ``patches/<release>/`` if that changed.

    Raises ``Findings`` for blind spots: a name that hides in one would be missed.
    """
    imported = import_whole(work, release)
    folder = work.config.patches / str(release)
    file, key = work.memory(release, "series"), series_key(work, imported)
    known = state.recall(file, key)
    if (unchanged := _unchanged(work, imported, known)) is not None:
        return unchanged
    series, inventory = _made_before(work, imported, known) or generate(work, imported)
    _remember_tree(work, series, key)
    there = folder.is_dir()
    written = export.write_folder(series, folder)
    change = (Change.CHANGED if there else Change.NEW) if written else Change.UNCHANGED
    result = {
        "files": _digests(export.read_folder(folder)),
        "lock": export.rendered(series.lock).decode(),
        "inventory": inventory.to_json(),
    }
    state.remember(file, key, result)
    return Synced(imported, inventory, series.lock if written else _committed(folder), change)


def _made_before(
    work: Workspace, imported: ImportedRelease, known: JsonObject | None
) -> tuple[export.Series, Inventory] | None:
    """Return what ``generate`` made of the same things before, whatever has become of ``patches/`` since."""
    if known is None:
        return None
    locked = lock.parse(known["lock"].encode(), where=work.memory(imported.release, "series"))
    series = export.recall(work.store, locked) if locked.crates == lock.lock_crates(imported) else None
    return None if series is None else (series, Inventory.from_json(known["inventory"]))


def patched_tree(work: Workspace, imported: ImportedRelease) -> str:
    """Return the tree that a release's series gives, generated if need be; nothing in ``patches/`` is touched."""
    known = recall_tree(work, imported)
    if known is not None:
        return known
    series, _ = generate(work, imported)
    _remember_tree(work, series, series_key(work, imported))
    return series.lock.result_tree


def recall_tree(work: Workspace, imported: ImportedRelease) -> str | None:
    """Return the tree that a release's series gives, if it is in the store and still what the rules give."""
    known = state.recall(work.memory(imported.release, "tree"), series_key(work, imported))
    there = work.store.resolve(f"{export.SERIES}{imported.release}^{{tree}}")
    return there if known == there else None


def _remember_tree(work: Workspace, series: export.Series, key: str) -> None:
    state.remember(work.memory(series.lock.release, "tree"), key, series.lock.result_tree)


def recall(work: Workspace, release: Release) -> Synced | None:
    """Return the outcome of ``sync`` if nothing has changed since it was last done, else None."""
    imported = importer.load(work.store, release, work.config.upstream.roots)
    if imported is None:
        return None
    return _unchanged(
        work, imported, state.recall(work.memory(release, "series"), series_key(work, imported))
    )


def _unchanged(work: Workspace, imported: ImportedRelease, known: JsonObject | None) -> Synced | None:
    release = imported.release
    folder = work.config.patches / str(release)
    if known is None or known["files"] != _digests(export.read_folder(folder)):
        return None
    locked = _committed(folder)
    if work.store.resolve(f"{export.SERIES}{release}^{{tree}}") != locked.result_tree:
        return None
    return Synced(imported, Inventory.from_json(known["inventory"]), locked, Change.UNCHANGED)


def series_key(work: Workspace, imported: ImportedRelease) -> str:
    """Return the key of everything that a series is made from."""
    return state.key(
        state.code("symbols", "series"),
        imported.tree,
        work.suffix(imported.release),
        work.revision(imported.release),
        work.policy_digest,
        carry.identities(work, imported.release),
    )


def generate(work: Workspace, imported: ImportedRelease) -> tuple[export.Series, Inventory]:
    """Scan and rewrite a release, and build its series in the store; nothing in ``patches/`` is touched."""
    from patchbot.symbols import rewrite, rules  # noqa: PLC0415 - parsers load only where needed
    from patchbot.symbols.scan import scan as scan_sources  # noqa: PLC0415

    release, suffix = imported.release, work.suffix(imported.release)
    with work.reporter.task(f"sync {release}: series") as task:
        task.tell("scan")
        work.readings.turn()
        carried = carry.carry(work, imported)
        sources = carried.on(read_sources(work, imported.tree))
        scanned = scan_sources(imported, sources, work.policy.names, work.readings)
        _refuse_blind_spots(scanned.inventory, release)
        task.tell("rewrite")
        names = Names(suffix, _libraries(work, release, scanned.paths.packages))
        rewrites = rewrite.rewrite(scanned, work.policy.names, names)
        work.readings.save()
        work.policy.check(release, [r.name for r in rewrites])
        task.tell("export")
        words = {name: message.Rules(rule.subject, rule.why) for name, rule in rules.RULES.items()}
        drafts = [_draft(row, carried) for row in carried.rows]
        proofs = work.memory(release, "proof")
        series = export.build(work.store, imported, rewrites, words, suffix, drafts, proofs=proofs)
        return series, scanned.inventory


def _draft(row: carry.Row, carried: carry.Carried) -> export.CarriedPatch:
    """Return a hand-written patch as the export takes it."""
    outcome = row.outcome
    if outcome is None or carried.done is None:
        return export.CarriedPatch(row.policy.name, row.identity, row.verdict)
    patch = outcome.patch
    return export.CarriedPatch(
        row.policy.name,
        row.identity,
        row.verdict,
        tuple(tree_changes(outcome.changes, carried.done.blobs)),
        CommitText(message=patch.message, author=patch.author, date=patch.date),
    )


def check(work: Workspace, release: Release) -> dict[str, str]:
    """Generate a series again and compare it with ``patches/``, byte for byte.

    Returns what differs: file → what is wrong with it.
    """
    folder = work.config.patches / str(release)
    imported = import_whole(work, release)
    if lock.lock_crates(imported) != _committed(folder).crates:
        raise RepositoryError(
            "the registry's crates are not those of the lock",
            where=folder / lock.FILE_NAME,
            hint="a published crate never changes: find out who is wrong before anything else",
        )
    series, _ = generate(work, imported)
    return export.differences(series, folder)


def committed_releases(patches: Path) -> tuple[Release, ...]:
    """Return the releases that have a series in ``patches/``, oldest first."""
    entries = patches.iterdir() if patches.is_dir() else ()
    # .8.0.1~xxxx is what a killed run left; the next one that writes 8.0.1 removes it
    folders = [f for f in entries if (f / lock.FILE_NAME).is_file() and not f.name.startswith(".")]
    return tuple(sorted(Release.parse(folder.name) for folder in folders))


def stray_entries(patches: Path) -> tuple[str, ...]:
    """Return what stands in ``patches/`` and is no release, policy, lock, receipt or list of what was published."""
    known = {policies.FILE_NAME, LOCKS, RECEIPTS, forms.FOLDER, tags.FILE_NAME, ledger.FILE_NAME}
    entries = (entry for entry in patches.iterdir() if entry.name not in known)
    return tuple(sorted(entry.name for entry in entries if not (entry / lock.FILE_NAME).is_file()))


def _committed(folder: Path) -> lock.Lock:
    file = folder / lock.FILE_NAME
    try:
        return lock.parse(file.read_bytes(), where=file)
    except OSError as error:
        raise RepositoryError(
            f"cannot be read: {error.strerror}", where=file, hint="`patchbot sync` writes it anew"
        ) from None


def _libraries(work: Workspace, release: Release, packages: Mapping[str, str]) -> dict[str, str]:
    """Return what libraries are called in the fork (library → package, as upstream has them)."""
    revision = work.revision(release)
    return {
        library: naming.library_name(naming.package_name(package, release, revision=revision))
        for library, package in packages.items()
    }


def _refuse_blind_spots(inventory: Inventory, release: Release) -> None:
    if inventory.blind_spots:
        spots = "\n".join(f"  {s.path}:{s.line}: {s.why}" for s in inventory.blind_spots)
        raise Findings(
            f"wasmtime {release} has places that could hide a link-time name:\n{spots}",
            hint="look at each; if it hides none, say so under [[blind-spot]] in patches/policy.toml",
        )


def read_sources(work: Workspace, tree: str) -> dict[str, bytes]:
    """Return the files of a release's tree; those that the tree before it has as well are not read again."""
    entries = work.store.list_tree(tree)
    new = [entry for entry in entries if entry.oid not in work.blobs]
    read = zip(new, work.store.read_files(new), strict=True)
    known = {**work.blobs, **{entry.oid: file.data for entry, file in read}}
    work.blobs = {entry.oid: known[entry.oid] for entry in entries}
    return {entry.path: known[entry.oid] for entry in entries}


def _digests(contents: Mapping[str, bytes]) -> dict[str, str]:
    return {name: hashlib.sha256(data).hexdigest() for name, data in contents.items()}
