"""``patches/published.toml`` at work: read before forks are made, added to when they are published."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path

from patchbot import files
from patchbot.errors import PublishError
from patchbot.fork import ledger
from patchbot.fork.ledger import Ledger
from patchbot.model import ClosureMode, ForkedRelease, Release
from patchbot.pipeline.work import Workspace


def load(work: Workspace) -> Ledger:
    """Return what was ever published; nothing where the project has no ledger yet."""
    file = _file(work)
    return ledger.parse(file.read_bytes(), where=file) if file.is_file() else Ledger()


def closures(work: Workspace, releases: Iterable[Release]) -> dict[Release, ClosureMode]:
    """Return the closure of each release that was published at its configured revision."""
    known, index = load(work), work.config.registry.index
    rows = ((release, known.find(index, release, work.revision(release))) for release in releases)
    return {release: row.closure for release, row in rows if row is not None}


def refuse(work: Workspace, forks: Sequence[ForkedRelease]) -> None:
    """Raise ``PublishError`` if a fork's name was published with other bytes, to whomever it was."""
    known = load(work)
    refusals = ledger.refusals(known, forks)
    if not refusals:
        return
    first = refusals[0]
    more = f" (and {len(refusals) - 1} more)" if len(refusals) > 1 else ""
    revision = max((0, *known.revisions(work.config.registry.index, first.release))) + 1
    raise PublishError(
        f"{first.what}: {first.why}{more}",
        where=_file(work),
        hint="a published crate never changes: give the release a new revision in patchbot.toml "
        f'([fork.revisions], "{first.release}" = {revision}). If nobody can have the crates, take the release '
        "out of this file and away from the registry",
    )


def record(work: Workspace, forks: Sequence[ForkedRelease]) -> None:
    """Remember that these forks are published.  Raises what ``refuse`` raises."""
    refuse(work, forks)
    file = _file(work)
    data = ledger.render(ledger.with_published(load(work), forks))
    if not file.is_file() or file.read_bytes() != data:
        files.write(file, data, durable=True)
        work.reporter.say(
            f"  wrote {file.relative_to(work.config.project)}: commit it, so that no name is used twice"
        )


def _file(work: Workspace) -> Path:
    return work.config.patches / ledger.FILE_NAME
