"""Edits are values: sorted, without overlap, applied from the end, so that text not edited stays as it is."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from itertools import pairwise
from operator import attrgetter

from patchbot.errors import RewriteError


@dataclass(frozen=True, slots=True, order=True)
class Edit:
    """Replace ``start:end`` (bytes) of a file; an insertion has ``start == end``."""

    path: str
    start: int
    end: int
    text: bytes


by_place = attrgetter("path", "start", "end", "text")  # as edits compare, which is slow for many


def place(data: bytes, path: str, offset: int) -> str:
    """Return ``path:line`` of a byte offset, for error messages."""
    line = data.count(b"\n", 0, offset) + 1
    return f"{path}:{line}"


def apply(files: Mapping[str, bytes], edits: Iterable[Edit]) -> dict[str, bytes]:
    """Return the new bytes of every file that the edits touch.

    Equal edits count once (a macro is expanded many times, and written once).  Raises ``RewriteError`` if
    two edits overlap or would insert different texts at one place.
    """
    by_file: dict[str, list[Edit]] = {}
    for edit in sorted(set(edits), key=by_place):
        by_file.setdefault(edit.path, []).append(edit)
    return {path: _apply(files[path], own) for path, own in by_file.items()}


def _apply(data: bytes, edits: list[Edit]) -> bytes:
    for left, right in pairwise(edits):
        same_place = (left.start, left.end) == (right.start, right.end)
        if right.start < left.end or same_place:
            raise RewriteError(
                f"two edits meet: {left.text.decode(errors='replace')!r} and {right.text.decode(errors='replace')!r}",
                where=place(data, right.path, right.start),
                hint="one place stands for two names; this is a case that patchbot has to learn",
            )
    ends = [0, *(edit.end for edit in edits)]
    kept = [data[end : edit.start] for end, edit in zip(ends, edits, strict=False)]
    parts = (part for between, edit in zip(kept, edits, strict=True) for part in (between, edit.text))
    return b"".join([*parts, data[ends[-1] :]])
