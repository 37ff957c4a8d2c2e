"""Paths as diffs spell them: quoted as C does, with a prefix, two in one line."""

from __future__ import annotations

import re

from patchbot.series.mails.cursor import Cursor

_ESCAPES = {b"a": 7, b"b": 8, b"t": 9, b"n": 10, b"v": 11, b"f": 12, b"r": 13, b'"': 34, b"\\": 92}


def stripped(reader: Cursor, line: int, path: bytes) -> bytes:
    """Take the a/ or b/ off, as ``git apply -p1`` does."""
    prefix, slash, rest = path.partition(b"/")
    if not slash or not prefix:
        raise reader.wrong(
            f"the path {path!r} has no a/ or b/ before it",
            line=line,
            hint="export it with --src-prefix=a/ --dst-prefix=b/",
        )
    return rest


def both(reader: Cursor, line: int, names: bytes) -> bytes:
    """Read the one path of ``diff --git a/path b/path``, where no other line names it."""
    if names.startswith(b'"'):
        closed = re.match(rb'"(?:[^"\\]|\\.)*"', names)
        sides = [names[: closed.end()], names[closed.end() + 1 :]] if closed else []
    else:
        half = len(names) // 2
        sides = [names[:half], names[half + 1 :]] if names[half : half + 1] == b" " else []
    found = {stripped(reader, line, unquoted(reader, side)) for side in sides if side}
    if len(found) != 1 or len(sides) != 2:  # noqa: PLR2004 - a and b
        raise reader.wrong("its path cannot be read", line=line)
    return found.pop()


def unquoted(reader: Cursor, name: bytes) -> bytes:
    """Undo git's C quoting (quote.c): octal for bytes, letters for the usual few."""
    if not name.startswith(b'"'):
        return name
    if len(name) < 2 or not name.endswith(b'"'):  # noqa: PLR2004 - the two quotes
        raise reader.wrong("a quoted path without its end")

    def plain(match: re.Match[bytes]) -> bytes:
        word = match[1]
        code = _ESCAPES.get(word, -1) if len(word) == 1 else int(word, 8)
        if not 0 <= code <= 0xFF:  # noqa: PLR2004 - a byte
            raise reader.wrong("a quoted path has an escape that git does not write")
        return bytes([code])

    return re.sub(rb"\\([0-7]{3}|.)", plain, name[1:-1], flags=re.DOTALL)
