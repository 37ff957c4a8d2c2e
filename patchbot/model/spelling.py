"""How values are spelled: as JSON, and for people."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

JsonObject = dict[str, Any]


def spoken_list(words: Iterable[str]) -> str:
    """Join words as a person would: ``a, b and c``."""
    items: Sequence[str] = list(words)
    return f"{', '.join(items[:-1])} and {items[-1]}" if len(items) > 1 else "".join(items)
