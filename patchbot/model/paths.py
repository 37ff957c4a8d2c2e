"""Which paths may stand in a tree: those that every file system and every git reads the same way.

git's t7450-bad-git-dotfiles and t4139-apply-escape list what has been tried.
"""

from __future__ import annotations

import re
import unicodedata
from functools import lru_cache

_DEVICES = {
    "con",
    "prn",
    "aux",
    "nul",
    *(f"com{i}" for i in range(1, 10)),
    *(f"lpt{i}" for i in range(1, 10)),
}
_KEPT = 10_000  # paths whose verdict is kept: the patches of a series speak of the same files
_INVISIBLE = {"Cc", "Cf", "Zl", "Zp"}


def check_path(path: str) -> str | None:
    """Return why ``path`` may not stand in a tree, or None if it may."""
    return escapes(path) or not_portable(path)


@lru_cache(maxsize=_KEPT)
def escapes(path: str) -> str | None:
    """Return why ``path`` would leave its tree or reach git's own files, or None: no system may have it."""
    if path.startswith("/") or re.match(r"[A-Za-z]:", path):
        return "is absolute"
    parts = path.split("/")
    if any(part in {"", ".", ".."} for part in parts):
        return "has an empty, . or .. part"
    for part in parts:
        visible = "".join(char for char in part if unicodedata.category(char) not in _INVISIBLE)
        # NTFS reads .git:b as the stream b of the file .git
        if visible.partition(":")[0].rstrip(". ").lower() in {".git", "git~1"}:
            return f"has the part {part!r}, which some file systems take for another name"
    return None


@lru_cache(maxsize=_KEPT)
def not_portable(path: str) -> str | None:
    """Return why ``path`` is another path, or none, on some file systems, or None if it is not."""
    if "\\" in path or any(unicodedata.category(char) in _INVISIBLE for char in path):
        return "has a backslash, control or invisible character"
    for part in path.split("/"):
        if part != part.rstrip(" ."):
            return f"has the part {part!r}, which some file systems take for another name"
        # "con .txt" is con, and a:b the stream b of the file a
        if part.partition(":")[0].partition(".")[0].rstrip(" ").lower() in _DEVICES:
            return f"has the part {part!r}, a device name"
    return None


def folded(path: str) -> str:
    """Return what is equal for paths that are one file where case or Unicode form does not count."""
    return unicodedata.normalize("NFC", path).casefold()
