"""Changes of several files of a registry that are made all or not at all.

What is to be written stands in one file before the first of them is touched.  A run that is killed in between
leaves that file, and whoever takes the registry's lock next finishes the work from it.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path

from patchbot import files
from patchbot.errors import EnvironmentProblem, PublishError

PENDING = ".pending"

Changes = Mapping[str, bytes | None]  # path inside the registry → its new bytes, None for a file that goes


def apply(folder: Path, changes: Changes) -> None:
    """Make the changes.  Callers hold the registry's lock, and have called ``complete``."""
    if len(changes) > 1:
        # Any byte is a letter in latin-1: what is written later is exactly what was decided now.
        told = {path: data if data is None else data.decode("latin-1") for path, data in changes.items()}
        files.write(folder / PENDING, json.dumps(told).encode(), durable=True)
    _write(folder, changes)
    unlink(folder / PENDING)


def complete(folder: Path) -> bool:
    """Finish what a killed run had begun; return whether there was anything.  Callers hold the lock."""
    file = folder / PENDING
    data = files.read(file)
    if data is None:
        return False
    try:
        told = json.loads(data)
        changes = {path: None if text is None else text.encode("latin-1") for path, text in told.items()}
    except (ValueError, AttributeError) as error:
        raise PublishError(
            f"is damaged: {error!r}", where=file, hint="patchbot registry verify says what is left"
        ) from None
    _write(folder, changes)
    unlink(file)
    return True


def _write(folder: Path, changes: Changes) -> None:
    for path, data in changes.items():
        if data is None:
            unlink(folder / path)
        else:
            files.write(folder / path, data, durable=True)


def unlink(file: Path) -> None:
    """Remove a file if it is there; raise ``EnvironmentProblem`` if that cannot be."""
    try:
        file.unlink(missing_ok=True)
    except OSError as error:
        raise EnvironmentProblem(f"cannot be removed: {error.strerror}", where=file) from None
