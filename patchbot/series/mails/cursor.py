"""The lines of one patch file, read from the first to the last, with the place that an error names."""

from __future__ import annotations

from dataclasses import dataclass

from patchbot.errors import RepositoryError


@dataclass
class Cursor:
    """Where in a patch file a reader is; ``offset`` are the lines of the file before these.

    ``strict`` refuses paths that are another file on some systems.
    """

    lines: list[bytes]
    where: str
    strict: bool
    at: int = 0
    offset: int = 0

    def peek(self) -> bytes | None:
        """Return the line that is next, or None at the end."""
        return self.lines[self.at] if self.at < len(self.lines) else None

    def wrong(self, what: str, *, line: int | None = None, hint: str | None = None) -> RepositoryError:
        """Return an error that names a line of the file, this one unless told otherwise."""
        number = self.number if line is None else line
        return RepositoryError(what, where=f"{self.where}:{number}", hint=hint)

    @property
    def number(self) -> int:
        """The number of the next line in its file, from 1."""
        return self.offset + min(self.at, len(self.lines) - 1) + 1
