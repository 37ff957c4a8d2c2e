"""The words of a generated patch: a commit message that explains itself, the same on every machine."""

from __future__ import annotations

import io
from collections.abc import Collection
from dataclasses import dataclass

from unidiff.patch import PatchSet

from patchbot.errors import RewriteError
from patchbot.model import ImportedRelease, Rewrite, Suffix

AUTHOR = "patchbot <patchbot@invalid>"


@dataclass(frozen=True, slots=True)
class Rules:
    """What the message of a generated patch says about its rule."""

    subject: str
    why: str


def message(rewrite: Rewrite, rule: Rules, release: ImportedRelease, suffix: Suffix) -> str:
    """Return the commit message of a generated patch."""
    return (
        f"{rewrite.name}: {rule.subject}\n"
        "\n"
        f"{rule.why}\n"
        "\n"
        f"The suffix is {suffix}. This patch is generated: it is made anew for each release,\n"
        "never merged. Change the rule, not the patch.\n"
        "\n"
        f"Upstream-Release: {release.release}\n"
        f"Upstream-Commit: {release.commit}\n"
        f"Patchbot-Rule: {rewrite.name} {rewrite.digest}\n"
    )


@dataclass(frozen=True, slots=True)
class Diffstat:
    """What a patch does, counted: files, added and removed lines."""

    files: tuple[str, ...]
    added: int
    removed: int


def diffstat(mail: bytes) -> Diffstat:
    """Count what a mail changes.

    unidiff is a lens here: it reads and is never asked to write (``str(PatchSet(mail))`` is not the mail).
    Text that is not UTF-8 is read as latin-1, since only paths and counts matter.
    """
    try:
        text = mail.decode()
    except UnicodeDecodeError:
        text = mail.decode("latin-1")
    patch = PatchSet(io.StringIO(text, newline="\n"))
    return Diffstat(tuple(file.path for file in patch), patch.added, patch.removed)


def check(mail: bytes, name: str, files: Collection[str]) -> Diffstat:
    """Return the mail's counts; raise ``RewriteError`` unless it changes exactly the files that it should."""
    counts = diffstat(mail)
    if set(counts.files) != set(files):
        odd = sorted(set(counts.files) ^ set(files))
        raise RewriteError(f"{name}: the exported patch and the rewrite differ in {', '.join(odd)}")
    return counts
