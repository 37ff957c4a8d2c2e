"""What a diff says of one file's bytes: hunks of lines, or a binary file's own."""

from __future__ import annotations

import re
from dataclasses import dataclass, field

from patchbot.series.lines import Change, Lines
from patchbot.series.mails import binary
from patchbot.series.mails.cursor import Cursor

_HUNK = re.compile(rb"@@ -(\d+)(?:,(\d+))? \+(\d+)(?:,(\d+))? @@")
_NO_NEWLINE = b"\\ "
_KINDS = frozenset((b" ", b"-", b"+", b""))  # an empty line is one of context whose blank a mailer has cut


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
    sides = _Sides(first - 1 if count else first)
    old, new, lines = sides.old, sides.new, reader.lines
    while len(old) < count or len(new) < other:
        line = lines[reader.at] if reader.at < len(lines) else b"?"
        kind = line[:1]
        if kind not in _KINDS:
            raise reader.wrong(
                f"this hunk ends early: its header says {count} old and {other} new lines", line=at
            )
        reader.at += 1
        text = line[1:] + b"\n"
        if reader.at < len(lines) and lines[reader.at].startswith(_NO_NEWLINE):
            text = text[:-1]
            reader.at += 1
        if kind == b"-":
            old.append(text)
        elif kind == b"+":
            new.append(text)
        else:
            sides.keep(text)
    sides.close()
    if len(old) != count or len(new) != other:
        raise reader.wrong(
            f"this hunk is not what its header says: {count} old and {other} new lines", line=at
        )
    if any(not text.endswith(b"\n") for text in (*old[:-1], *new[:-1])):
        raise reader.wrong("a line without its end stands before others", line=at)
    return Hunk(sides.start, tuple(old), tuple(new), tuple(sides.changes), at)


@dataclass
class _Sides:
    """Both sides of a hunk as they grow; ``start`` is where the old one begins in its file."""

    start: int
    old: list[bytes] = field(default_factory=list)
    new: list[bytes] = field(default_factory=list)
    changes: list[Change] = field(default_factory=list)
    same: tuple[int, int] = (0, 0)  # the lines of both up to the last that they share

    def keep(self, line: bytes) -> None:
        """Add a line that both have."""
        self.close()
        self.old.append(line)
        self.new.append(line)
        self.same = (len(self.old), len(self.new))

    def close(self) -> None:
        """Note what stands between the last line that both have and the end as one change."""
        old, new = self.same
        if len(self.old) > old or len(self.new) > new:
            self.changes.append(Change(self.start + old, self.start + len(self.old), tuple(self.new[new:])))


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
