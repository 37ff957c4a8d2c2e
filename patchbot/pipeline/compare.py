"""The committed series of two releases, compared."""

from __future__ import annotations

from pathlib import Path

from patchbot.errors import UsageError
from patchbot.model import JsonObject, Release
from patchbot.series import compare as series
from patchbot.series import export, lock


def compare(patches: Path, first: Release, second: Release) -> JsonObject:
    """Return how two series in ``patches`` differ, as ``diff --json`` spells it."""
    rows = series.compare(_side(patches, first), _side(patches, second))
    return {
        "schema": 1,
        "from": str(first),
        "to": str(second),
        "patches": [
            {
                "name": row.name,
                "pair": row.pair.value,
                "from": row.before or None,
                "to": row.after or None,
                "diff": list(row.diff),
            }
            for row in rows
        ],
    }


def _side(patches: Path, release: Release) -> series.Side:
    folder = patches / str(release)
    contents = export.read_folder(folder)
    if lock.FILE_NAME not in contents:
        raise UsageError(f"{release} has no series in {patches}", hint=f"`patchbot sync {release}` makes it")
    mails = {name.removesuffix(".patch"): data for name, data in contents.items() if name.endswith(".patch")}
    return series.Side(lock.parse(contents[lock.FILE_NAME], where=folder / lock.FILE_NAME), mails)
