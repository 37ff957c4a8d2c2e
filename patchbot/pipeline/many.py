"""The series of many releases, each by itself: one that fails does not keep the others."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from functools import partial
from typing import TypeVar

from patchbot import workers
from patchbot.errors import IncompleteRelease, PatchbotError
from patchbot.model import JsonObject, Release
from patchbot.pipeline import carry, suffixes, sync
from patchbot.pipeline.sync import Synced
from patchbot.pipeline.work import Workspace, assistant
from patchbot.series import carried
from patchbot.series.policy import PatchKind
from patchbot.truth import Assembled

R = TypeVar("R")

Outcome = tuple[Release, R | PatchbotError]


def sync_all(work: Workspace, releases: Sequence[Release], *, jobs: int) -> list[Outcome[Synced]]:
    """Make the series of every release; those of which nothing has changed cost no process."""
    suffixes.refuse_shared(work, releases)
    known = {release: sync.recall(work, release) for release in releases}
    rest = [release for release in releases if known[release] is None]
    made = dict(each(work, rest, sync.sync, title="sync", jobs=jobs))
    return [(release, known[release] or made[release]) for release in releases]


def check_all(work: Workspace, releases: Sequence[Release], *, jobs: int) -> dict[str, dict[str, str]]:
    """Generate every series again; return what differs from ``patches/``, by release or stray entry.

    Raises what keeps one release from being checked.
    """
    suffixes.refuse_shared(work, releases)
    made = dict(each(work, releases, sync.check, title="check", jobs=jobs))
    out = {}
    for release in releases:
        if differences := succeeded(made[release]):
            out[str(release)] = differences
    names = [name for name, patch in work.policy.patches.items() if patch.kind is PatchKind.CARRIED]
    strays = (*sync.stray_entries(work.config.patches), *carried.strays(work.config.patches, names))
    out.update({name: {"": "does not belong here"} for name in strays})
    return out


def succeeded(outcome: R | PatchbotError) -> R:
    """Return a result, or raise the failure that stands in its place."""
    if isinstance(outcome, PatchbotError):
        raise outcome
    return outcome


def outcome_to_json(release: Release, outcome: Synced | Assembled | PatchbotError) -> JsonObject:
    """Spell what became of a release, as ``sync --json`` and ``assemble --json`` do."""
    if not isinstance(outcome, PatchbotError):
        return outcome.to_json()
    state = "incomplete" if isinstance(outcome, IncompleteRelease) else "failed"
    error = {
        "what": outcome.what,
        "where": outcome.where,
        "hint": outcome.hint,
        "exit_code": outcome.exit_code,
    }
    return {"release": str(release), "series": state, "error": error}


def each(
    work: Workspace,
    releases: Sequence[Release],
    do: Callable[[Workspace, Release], R],
    *,
    title: str,
    jobs: int,
) -> Iterator[Outcome[R]]:
    """Do one thing for every release, in processes of their own if that is quicker; as they are done.

    A failure that a user can cure is an outcome; anything else is raised.  ``do`` and its results go through
    ``pickle``.
    """
    carry.import_forms(work, releases)
    work.store.index_packs()
    attempt = partial(_attempt, do)
    if min(jobs, len(releases)) < 2:  # noqa: PLR2004 - a process of its own for one is slower
        yield from ((release, attempt(work, release)) for release in releases)
        return
    start = partial(assistant, work.config, offline=work.offline, allow_yanked=work.allow_yanked)
    with work.reporter.task(title, len(releases)) as task:
        for release, outcome in workers.spread(releases, jobs=jobs, start=start, work=attempt):
            task.advance(str(release))
            yield release, outcome


def _attempt(do: Callable[[Workspace, Release], R], work: Workspace, release: Release) -> R | PatchbotError:
    try:
        return do(work, release)
    except PatchbotError as error:
        return error
