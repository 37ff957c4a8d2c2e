"""Files as trees have them."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class TreeFile:
    """One file of a tree: bytes, never text."""

    path: str
    data: bytes
    executable: bool = False
