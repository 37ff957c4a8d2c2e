"""Releases of upstream's in the store, downloaded if they are not there."""

from __future__ import annotations

from patchbot.model import ImportedRelease, Release
from patchbot.pipeline.work import Workspace
from patchbot.upstream import importer, resolve


def import_release(
    work: Workspace, release: Release, *, wanted_by: str = "", allow_yanked: bool = False
) -> ImportedRelease:
    """Return the release from the store, after downloading it if it is not there.

    A release that lacks a crate is asked for again: upstream may have published it since.  ``wanted_by`` is
    told if it is for something else than itself.
    """
    roots = work.config.upstream.roots
    known = importer.load(work.store, release, roots)
    if known is not None and not (known.missing and not work.offline):
        return known
    resolve.find(work.known, release, allow_yanked=allow_yanked or work.allow_yanked)
    crates = resolve.own_crates(work.source, roots, release, own=work.config.upstream.own)
    if known is not None and known.missing == crates.missing:
        return known
    title = f"sync {release}: crates{', for ' if wanted_by else ''}{wanted_by}"
    with work.reporter.task(title, len(crates.entries)) as task:
        imported = importer.import_release(
            work.store,
            work.source,
            release,
            crates,
            roots=roots,
            on_crate=lambda entry: task.advance(f"{entry.name} {entry.version}"),
        )
    for flag in imported.flags:
        work.reporter.say(f"sync {release}: {flag}")
    return imported


def import_whole(work: Workspace, release: Release) -> ImportedRelease:
    """Return the release from the store or upstream; raise ``IncompleteRelease`` if nobody can build it."""
    imported = import_release(work, release)
    resolve.refuse_incomplete(imported, work.config.fork.roots)
    return imported
