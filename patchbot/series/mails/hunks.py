"""What a diff says of one file's bytes: hunks of lines, or a binary file's own."""

from __future__ import annotations

import re
from dataclasses import dataclass

from patchbot.series.lines import Change, Lines
from patchbot.series.mails import binary
from patchbot.series.mails.cursor import Cursor

_HUNK = re.compile(rb"@@ -(\d+)(?:,(\d+))? \+(\d+)(?:,(\d+))? @@")
_NO_NEWLINE = b"\\ "


@dataclass(frozen=True, slots=True)
class Hunk:
    """Lines of a file and what they become.

    ``start`` counts the lines of the old file before it; ``line`` is the patch's own line of its header.
    """

    start: int
    old: Lines
    new: Lines
    changes: tuple[Change, ...]
    line: int

    def removed(self, change: Change) -> Lines:
        """Return the lines that one of its changes takes away."""
        return self.old[change.start - self.start : change.end - self.start]


def read_hunks(reader: Cursor) -> tuple[Hunk, ...]:
    """Read the hunks of one file.  Raises ``RepositoryError`` where they are not what their headers say."""
    hunks: list[Hunk] = []
    end = 0
    while (line := reader.peek()) is not None and line.startswith(b"@@ "):
        hunk = _hunk(reader)
        if hunk.start < end:
            raise reader.wrong("this hunk begins before the end of the one before it", line=hunk.line)
        end = hunk.start + len(hunk.old)
        hunks.append(hunk)
    if not hunks:
        raise reader.wrong("a file without a hunk")
    return tuple(hunks)


def _hunk(reader: Cursor) -> Hunk:
    at = reader.number
    match = _HUNK.match(reader.lines[reader.at])
    if match is None:
        raise reader.wrong("this hunk's header cannot be read")
    first, count, _, other = (int(part) if part is not None else 1 for part in match.groups())
    reader.at += 1
    old: list[bytes] = []
    new: list[bytes] = []
    runs = _Runs(first - 1 if count else first)
    start = runs.at
    while len(old) < count or len(new) < other:
        line = reader.peek()
        kind = b"" if line is None else line[:1]
        if line is None or kind not in {b" ", b"-", b"+", b""}:
            raise reader.wrong(
                f"this hunk ends early: its header says {count} old and {other} new lines", line=at
            )
        reader.at += 1
        text = line[1:] + b"\n"  # an empty line is one of context whose blank a mailer has cut
        if (reader.peek() or b"").startswith(_NO_NEWLINE):
            text = text[:-1]
            reader.at += 1
        if kind != b"+":
            old.append(text)
        if kind != b"-":
            new.append(text)
        runs.add(kind, text)
    if len(old) != count or len(new) != other:
        raise reader.wrong(
            f"this hunk is not what its header says: {count} old and {other} new lines", line=at
        )
    if any(not text.endswith(b"\n") for text in (*old[:-1], *new[:-1])):
        raise reader.wrong("a line without its end stands before others", line=at)
    return Hunk(start, tuple(old), tuple(new), runs.changes(), at)


class _Runs:
    """Gathers runs of removed and added lines."""

    def __init__(self, at: int) -> None:
        self.at = at
        self._done: list[Change] = []
        self._start: int | None = None
        self._new: list[bytes] = []

    def add(self, kind: bytes, text: bytes) -> None:
        if kind in {b" ", b""}:
            self._close()
            self.at += 1
            return
        if self._start is None:
            self._start = self.at
        if kind == b"-":
            self.at += 1
        else:
            self._new.append(text)

    def changes(self) -> tuple[Change, ...]:
        self._close()
        return tuple(self._done)

    def _close(self) -> None:
        if self._start is not None:
            self._done.append(Change(self._start, self.at, tuple(self._new)))
            self._start, self._new = None, []


def read_literal(reader: Cursor) -> binary.Literal:
    """Read a binary file's bytes.  Raises ``RepositoryError`` if they are damaged."""
    first = _block(reader)
    line = reader.peek() or b""
    if line.startswith((b"literal ", b"delta ")):
        _block(reader)  # the way back, which nobody goes here
    return first


def _block(reader: Cursor) -> binary.Literal:
    at = reader.number
    head = reader.peek() or b""
    match = re.fullmatch(rb"(literal|delta) (\d{1,12})", head)
    if match is None:
        raise reader.wrong("a binary patch without a literal or a delta")
    reader.at += 1
    rows = []
    while (line := reader.peek()) is not None and line:
        rows.append(line)
        reader.at += 1
    if line is None:
        raise reader.wrong("this binary patch ends early", line=at)
    reader.at += 1
    try:
        return binary.decode(rows, int(match[2]), delta=match[1] == b"delta")
    except ValueError as error:
        raise reader.wrong(f"this binary patch is damaged: {error}", line=at) from None
