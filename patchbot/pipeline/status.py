"""Where every release stands: a picture of what is there, made without changing anything."""

from __future__ import annotations

from collections import Counter
from datetime import UTC, datetime

from patchbot.model import IndexEntry, JsonObject, Release
from patchbot.pipeline.evidence import Receipts
from patchbot.pipeline.sync import committed_releases
from patchbot.pipeline.work import Workspace
from patchbot.series import lock
from patchbot.upstream import policy


def status(work: Workspace, *, everything: bool = False) -> list[JsonObject]:
    """Return a row per release that is tracked or has a series, oldest first; per known one if asked."""
    tracked = set(policy.due(work.config.track, work.known, now=datetime.now(UTC)))
    series = set(committed_releases(work.config.patches))
    shown = sorted(set(work.known) | series) if everything else sorted(tracked | series)
    receipts = Receipts(work)
    return [_row(work, receipts, release, tracked=release in tracked) for release in shown]


def _row(work: Workspace, receipts: Receipts, release: Release, *, tracked: bool) -> JsonObject:
    entry: IndexEntry | None = work.known.get(release)
    file = work.config.patches / str(release) / lock.FILE_NAME
    locked = lock.parse(file.read_bytes(), where=file) if file.is_file() else None
    forks = work.config.state / "forks" / str(release)
    names = [path.name.rpartition("-")[0] for path in forks.glob("*.crate")]
    published = [name for name in names if work.registry.entries(name)]
    return {
        "release": str(release),
        "yanked": entry.yanked if entry is not None else None,
        "published": entry.published if entry is not None else None,
        "tracked": tracked,
        "series": locked is not None,
        "verdicts": dict(Counter(p.verdict.value for p in locked.patches)) if locked is not None else {},
        "fork": len(names),
        "registry": len(published),
        "proof": receipts.highest_rungs(release),
    }
