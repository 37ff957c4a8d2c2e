"""Carried patches on disk: hand-written, in forms that are each named by the release they were written for.

``patches/carried/<name>/<release>.patch``.  A release takes the newest form that is not newer than itself, so
a form serves from its own release to the one before the next form.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from patchbot.errors import ConfigError, PatchbotError, RepositoryError
from patchbot.model import Release
from patchbot.series.mails import mail
from patchbot.series.mails.mail import Patch

FOLDER = "carried"
SUFFIX = ".patch"


@dataclass(frozen=True, slots=True)
class Form:
    """A carried patch as it was written for one release."""

    name: str
    release: Release
    file: Path

    def read(self) -> Patch:
        """Read the patch.  Raises ``RepositoryError`` with file and line if it is none, or does not say by whom."""
        patch = mail.parse(self.file.read_bytes(), self.name, str(self.file))
        if not patch.author or not patch.date:
            raise RepositoryError(
                "does not say who wrote it and when",
                where=self.file,
                hint="write it with `git format-patch`: its From: and Date: become the commit's",
            )
        return patch

    @property
    def identity(self) -> str:
        """What a lock says of it: its release, and a digest of its bytes."""
        return f"form {self.release} {hashlib.sha256(self.file.read_bytes()).hexdigest()[:16]}"


def forms(patches: Path, name: str) -> tuple[Form, ...]:
    """Return the forms of a carried patch, oldest first.  Raises ``ConfigError`` if it has none."""
    folder = patches / FOLDER / name
    found = sorted(folder.glob(f"*{SUFFIX}")) if folder.is_dir() else []
    if not found:
        raise ConfigError(
            f"the carried patch {name} has no form",
            where=folder,
            hint=f"a form is a patch file named by the release it was written for, such as 8.0.1{SUFFIX}",
        )
    return tuple(sorted((_form(name, file) for file in found), key=lambda form: form.release))


def _form(name: str, file: Path) -> Form:
    try:
        return Form(name, Release.parse(file.name.removesuffix(SUFFIX)), file)
    except PatchbotError as error:
        raise ConfigError(f"is not named by a release: {error.what}", where=file) from None


def form_for(patches: Path, name: str, release: Release) -> Form:
    """Return the form that a release takes.  Raises ``ConfigError`` if all are newer."""
    known = forms(patches, name)
    older = [form for form in known if form.release <= release]
    if not older:
        raise ConfigError(
            f"the carried patch {name} has no form for {release}; its first is for {known[0].release}",
            where=patches / FOLDER / name,
            hint="write one, or say `first` in the policy",
        )
    return older[-1]


def strays(patches: Path, names: Sequence[str]) -> tuple[str, ...]:
    """Return what stands in the folder of carried patches and is no form of ``names``; paths from ``patches``."""
    folder = patches / FOLDER
    if not folder.is_dir():
        return ()
    known = {form.file for name in names if (folder / name).is_dir() for form in forms(patches, name)}
    entries = (entry for entry in folder.rglob("*") if not entry.is_dir())
    return tuple(sorted(entry.relative_to(patches).as_posix() for entry in entries if entry not in known))
