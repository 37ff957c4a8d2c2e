"""The hand-written patches of a release: each in the form that the release takes, put onto upstream's tree."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from patchbot.errors import ConflictError
from patchbot.model import ImportedRelease, Release, Verdict
from patchbot.pipeline.gitobjects import GitObjects
from patchbot.pipeline.imports import import_release
from patchbot.pipeline.work import Workspace
from patchbot.series import carried
from patchbot.series.carried import Form
from patchbot.series.merge import rebase
from patchbot.series.merge.rebase import Outcome, Rebased
from patchbot.series.policy import PatchPolicy


@dataclass(frozen=True, slots=True)
class Row:
    """A hand-written patch of a release: its form, and how that fared; a dropped one has neither."""

    policy: PatchPolicy
    form: Form | None
    outcome: Outcome | None

    @property
    def verdict(self) -> Verdict:
        """How the patch fared."""
        return self.outcome.verdict if self.outcome is not None else Verdict.DROPPED_BY_POLICY

    @property
    def identity(self) -> str:
        """What the lock says of where it comes from."""
        return self.form.identity if self.form is not None else f"until {self.policy.until}"


@dataclass(frozen=True, slots=True)
class Carried:
    """All hand-written patches of a release, and the files that they change (path → bytes, None if it goes)."""

    rows: tuple[Row, ...] = ()
    done: Rebased | None = None
    files: Mapping[str, bytes | None] = field(default_factory=dict)

    def on(self, sources: Mapping[str, bytes]) -> dict[str, bytes]:
        """Return upstream's files with the patches applied."""
        changed = {path: data for path, data in self.files.items() if data is not None}
        return {**{path: data for path, data in sources.items() if path not in self.files}, **changed}


def identities(work: Workspace, release: Release) -> list[str]:
    """Return what the hand-written patches of a release are made from, for keys."""
    return [f"{policy.name} {_origin(work, policy, release)}" for policy in work.policy.carried(release)]


def _origin(work: Workspace, policy: PatchPolicy, release: Release) -> str:
    form = _form(work, policy, release)
    return form.identity if form is not None else f"until {policy.until}"


def import_forms(work: Workspace, releases: Sequence[Release]) -> None:
    """Import the releases that the forms of ``releases`` were written for, once and before processes share them."""
    for release in releases:
        for policy in work.policy.carried(release):
            form = _form(work, policy, release)
            if form is not None:
                _imported(work, form)


def forms_of(work: Workspace, release: Release) -> list[tuple[Form, str]]:
    """Return the forms that a release takes, each with the tree that it was written for."""
    forms = (_form(work, policy, release) for policy in work.policy.carried(release))
    return [(form, _imported(work, form).tree) for form in forms if form is not None]


def carry(work: Workspace, imported: ImportedRelease) -> Carried:
    """Put the hand-written patches onto a release; nothing is written.

    Raises ``ConflictError`` that names every place where one does not fit.
    """
    release = imported.release
    policies = work.policy.carried(release)
    forms = [(policy, _form(work, policy, release)) for policy in policies]
    taken = [(form, _imported(work, form).tree) for _, form in forms if form is not None]
    if not taken:
        return Carried(tuple(Row(policy, None, None) for policy in policies))
    done = rebase.carry([(form.read(), tree) for form, tree in taken], imported.tree, GitObjects(work.store))
    outcomes = {outcome.patch.name: outcome for outcome in done.outcomes}
    rows = tuple(Row(policy, form, outcomes.get(policy.name)) for policy, form in forms)
    _refuse_open(rows, release)
    changes = done.tree.changes()
    files = {path: done.blobs.get(entry.oid) if entry else None for path, entry in changes.items()}
    return Carried(rows, done, files)


def _form(work: Workspace, policy: PatchPolicy, release: Release) -> Form | None:
    """Return the form that a release takes, None from the release on that has what the patch does."""
    if policy.until is not None and release >= policy.until:
        return None
    return carried.form_for(work.config.patches, policy.name, release)


def _imported(work: Workspace, form: Form) -> ImportedRelease:
    """Return the release that a form was written for; that upstream has yanked it since does not matter."""
    return import_release(work, form.release, wanted_by=form.name, allow_yanked=True)


def _refuse_open(rows: Sequence[Row], release: Release) -> None:
    lines = []
    for row in rows:
        if row.outcome is None or not row.verdict.open:
            continue
        form = row.form.release if row.form is not None else ""
        lines.append(f"  {row.policy.name}, {row.verdict} (its form for {form}):")
        lines += [f"    {clash.kind}: {clash.why}" for clash in row.outcome.conflicts]
        lines += [f"    {note}" for note in row.outcome.notes]
    if lines:
        text = "\n".join(lines)
        raise ConflictError(
            f"carried patches do not fit wasmtime {release}:\n{text}",
            hint=f"`patchbot resolve {release}` makes a clone to solve it in",
        )
