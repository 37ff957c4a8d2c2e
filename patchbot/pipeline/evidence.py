"""The receipts of a project: those of this machine, and those that are recorded in ``patches/``."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from patchbot.model import Release
from patchbot.pipeline import sync
from patchbot.pipeline.sync import RECEIPTS
from patchbot.pipeline.work import Workspace
from patchbot.proof import receipts
from patchbot.proof.receipts import Receipt
from patchbot.series import lock
from patchbot.upstream import importer


def every_receipt(work: Workspace) -> Iterator[tuple[Path, Receipt]]:
    """Return the receipts of all proofs with their files, recorded ones first; a file that cannot be read is none."""
    files = (
        *work.config.patches.glob(f"{RECEIPTS}/*/*.json"),
        *(work.config.state / RECEIPTS).glob("*.json"),
    )
    for file in sorted(files, key=lambda file: (file.is_relative_to(work.config.state), file)):
        receipt = receipts.load(file)
        ours = file.is_relative_to(work.config.state)
        if receipt is not None and (ours or file.parent.name == receipt.target):
            yield file, receipt


class Receipts:
    """All receipts of a project, read once for however many releases are asked about."""

    def __init__(self, work: Workspace) -> None:
        self._work = work
        self._all = tuple(every_receipt(work))

    def of(self, release: Release) -> Iterator[tuple[Path, Receipt]]:
        """Return those that say something of a release as its patches make it today.

        One of other sources is out of date; of a release whose series was not made here nobody can tell.
        """
        name = str(release)
        found = [(place, receipt) for place, receipt in self._all if name in receipt.releases]
        tree = _tree(self._work, release) if found else None
        return ((place, receipt) for place, receipt in found if tree in {None, receipt.trees.get(name)})

    def highest_rungs(self, release: Release) -> dict[str, str]:
        """Return the highest rung that holds for a release, by target; this machine's word goes over a recorded one."""
        held = {
            receipt.target: [rung.name for rung in receipt.rungs if rung.ok]
            for _, receipt in self.of(release)
        }
        return {target: rungs[-1] for target, rungs in held.items() if rungs}

    def ran(self, release: Release, triple: str) -> tuple[str, ...]:
        """Return the sets of releases, such as ``8.0.1+9.0.4``, whose receipts say that a release ran on a target."""
        names = (
            place.name.removesuffix(".json").removesuffix(f".{triple}")
            for place, receipt in self.of(release)
            if receipt.target == triple and any(rung.name == "run" and rung.ok for rung in receipt.rungs)
        )
        return tuple(dict.fromkeys(names))

    def outdated(self) -> dict[str, tuple[str, ...]]:
        """Return the recorded receipts that are of other sources than ``patches/`` has, each with the releases."""
        patches, out = self._work.config.patches, {}
        for place, receipt in self._all:
            if place.is_relative_to(patches):
                trees = {name: _locked(self._work, Release.parse(name)) for name in receipt.releases}
                old = tuple(n for n, tree in trees.items() if tree not in {None, receipt.trees.get(n)})
                if old:
                    out[str(place.relative_to(patches))] = old
        return out


def _tree(work: Workspace, release: Release) -> str | None:
    """Return the tree of a release with its patches: what ``patches/`` says, else what was last made."""
    locked = _locked(work, release)
    if locked is not None:
        return locked
    imported = importer.load(work.store, release, work.config.upstream.roots)
    return sync.recall_tree(work, imported) if imported is not None else None


def _locked(work: Workspace, release: Release) -> str | None:
    file = work.config.patches / str(release) / lock.FILE_NAME
    return lock.parse(file.read_bytes(), where=file).result_tree if file.is_file() else None
