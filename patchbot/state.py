"""Results that need not be made again: JSON beside the key of everything they were made from."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable
from functools import cache
from pathlib import Path
from typing import Any

from patchbot import files

_PACKAGE = Path(__file__).parent


def key(*parts: object) -> str:
    """Return a digest of ``parts``; their text must say everything that matters of them."""
    return hashlib.sha256("\0".join(str(part) for part in parts).encode()).hexdigest()


@cache
def code(*rooms: str) -> str:
    """Return a digest of the sources of these rooms and of the values they share.

    A result that another version of the code made is not trusted.
    """
    digest = hashlib.sha256()
    for file in sorted(_sources(rooms)):
        digest.update(file.name.encode() + b"\0" + file.read_bytes() + b"\0")
    return digest.hexdigest()


def _sources(rooms: Iterable[str]) -> Iterable[Path]:
    yield from (_PACKAGE / f"{name}.py" for name in ("truth", "targets"))
    for room in ("model", "git", *rooms):
        yield from (file for file in (_PACKAGE / room).rglob("*") if file.suffix in {".py", ".rs"})


def recall(file: Path, wanted: str) -> Any:  # noqa: ANN401 - whatever was remembered
    """Return what was remembered in ``file`` under the key ``wanted``, or None."""
    try:
        data = json.loads(file.read_bytes())
        return data["result"] if data["key"] == wanted else None
    except (OSError, ValueError, KeyError, TypeError):
        return None


def remember(file: Path, wanted: str, result: object) -> None:
    """Keep a result under its key."""
    files.write(file, json.dumps({"key": wanted, "result": result}).encode())
