"""See from a few lines that a change is still in the item that it was in, where that is plain.

To parse both texts whole for every hunk takes ten times as long as all the rest of a merge.  So first a look from the
head of the item to the change, in both texts: a head that upstream left alone, and no end before the change.  What
is not plain is left to the grammar; so are languages other than Rust.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from patchbot.series.lines import Change, Lines

# How an item begins that has a body; a `const` or `static` may hold one, too, and is left to the grammar.
_HEAD = re.compile(
    rb"\s*(?:pub(?:\([^()]*\))?\s+)?"
    rb"(?:(?:(?:default|const|async|unsafe|extern(?:\s+\"[^\"]*\")?)\s+)*(?P<fn>fn)\s+\w"
    rb"|(?:default\s+)?(?:unsafe\s+)?(?:impl\b|(?:auto\s+)?trait\s+\w)|(?:unsafe\s+)?mod\s+\w+\s*\{"
    rb"|(?:struct|enum|union)\s+\w)"
)
_CONTINUES = re.compile(
    rb"\s*(?:[)\]{]|where\b|->)"
)  # a head's further lines, as far to the left as its first
_LEADS = re.compile(rb"\s*(?://|#|/\*|\*)")  # a comment or attribute, which belongs to what follows it
_TOKEN = re.compile(rb"//[^\n]*|/\*|\bb?r(#*)\"|\"|b?'(?:[^'\\]|\\(?:[^ux]|x..|u\{[^{}]*\}))'", re.DOTALL)
_CLOSED = re.compile(
    rb"[^\"'\\#]*(?:\"[^\"'\\#]*\"[^\"'\\#]*)*(?<!/)\n?"
)  # plainly ends in code: strings are whole
_QUOTED = re.compile(rb"[\"'/]")
_ONE_LINE = re.compile(rb"//[^\n]*|\"[^\"\n]*\"|b?'(?:[^'\\\n]|\\(?:[^ux\n]|x..|u\{[^{}\n]*\}))'")
_STRING = re.compile(rb"(?:[^\"\\]|\\.)*?\"", re.DOTALL)
_COMMENT = re.compile(rb"/\*|\*/")
_STRUCTURE = re.compile(rb"[][(){};]")
_FAR = 3000  # lines between an item's head and a change; beyond, the grammar is as quick
_NEAR = 400  # and between the first line and one that is in no item


class Text:
    """A Rust text that is looked at in places."""

    def __init__(self, lines: Lines) -> None:
        self.lines = lines
        self._code: dict[int, bytes] = {}  # of lines with strings and comments, without these
        self._read = 0  # lines that were read from the first on

    def code(self, number: int) -> bytes:
        """Return a line without its strings and comments, wherever these begin and end."""
        while self._read <= number:
            self._read_on(number)
        if number not in self._code:
            line = self.lines[number]
            self._code[number] = _ONE_LINE.sub(b"", line) if _QUOTED.search(line) else line
        return self._code[number]

    def _read_on(self, last: int) -> None:
        """Read up to the line ``last``, or to the end of what is open behind it."""
        for number, line in enumerate(self.lines[self._read : last + 1], self._read):
            if (b'"' in line or b"/*" in line) and (b"/*" in line or not _CLOSED.fullmatch(line)):
                self._read = number
                self._read_odd()
                return
        self._read = last + 1

    def _read_odd(self) -> None:
        """Read a line on which strings or comments begin, and those up to their ends."""
        first, number, at = self._read, self._read, 0
        kept: dict[int, list[bytes]] = {number: []}
        while (match := _TOKEN.search(self.lines[number], at)) is not None:
            kept[number].append(self.lines[number][at : match.start()])
            number, at = self._behind(match, number)
            kept.setdefault(number, [])
            if number == len(self.lines):
                break
        else:
            kept[number].append(self.lines[number][at:])
        self._code.update({n: b"".join(kept.get(n, ())) for n in range(first, number + 1)})
        self._read = number + 1

    def _behind(self, opener: re.Match[bytes], number: int) -> tuple[int, int]:
        """Return line and column behind what begins at ``opener``, a string, a comment or a character."""
        word = opener[0]
        if word == b"/*":
            return self._behind_comment(number, opener.end())
        if word.startswith((b"//", b"'", b"b'")):
            return number, opener.end()
        raw = opener[1] is not None
        at = opener.end()
        while number < len(self.lines):
            line = self.lines[number]
            if raw:
                close = b'"' + opener[1]
                end = line.find(close, at)
                if end >= 0:
                    return number, end + len(close)
            elif (match := _STRING.match(line, at)) is not None:
                return number, match.end()
            number, at = number + 1, 0
        return number, 0

    def _behind_comment(self, number: int, at: int) -> tuple[int, int]:
        depth = 1  # comments of Rust nest
        while number < len(self.lines):
            for match in _COMMENT.finditer(self.lines[number], at):
                depth += 1 if match[0] == b"/*" else -1
                if not depth:
                    return number, match.end()
            number, at = number + 1, 0
        return number, 0

    def head(self, start: int) -> int | None:
        """Return where the innermost item round line ``start`` seems to begin, going by how far lines stand in."""
        limit = 1 << 30
        for number in range(start - 1, max(start - _FAR, 0) - 1, -1):
            line = self.lines[number]
            stripped = line.lstrip()
            indent = len(line) - len(stripped)
            if not stripped or indent >= limit or _CONTINUES.match(line):
                continue
            if _HEAD.match(line) and not stripped.rstrip().endswith((b"}", b";")):
                return number
            limit = indent
        return None

    def item(self, start: int) -> int | None:
        """Return where the innermost item round line ``start`` seems to begin; in a function, that is the outermost one."""
        found = head = self.head(start)
        while head is not None:
            head = self.head(head)
            if head is not None and self.is_function(head):
                found = head
        return found

    def holds(self, head: int, start: int, end: int) -> bool:
        """Whether the item that begins at ``head`` holds lines ``start`` to ``end``, and no other in it does.

        Statements are all in one function, whatever is round them there.
        """
        is_function = self.is_function(head)
        opened = False
        depth = 0
        for number in range(head, end):
            if number == start and not is_function and (not opened or depth != 1):
                return False
            for mark in _STRUCTURE.findall(self.code(number)):
                if mark in b"([{":
                    opened = opened or (mark == b"{" and depth == 0)
                    depth += 1
                elif mark in b")]}":
                    depth -= 1
                    if depth < 0 or (opened and depth == 0):
                        return False
                elif not opened and depth == 0:  # it ends without a body
                    return False
        return is_function or (opened and depth == 1)

    def is_head(self, number: int) -> bool:
        """Whether an item begins on a line."""
        return _HEAD.match(self.code(number)) is not None

    def is_function(self, head: int) -> bool:
        """Whether an item is a function."""
        match = _HEAD.match(self.code(head))
        return match is not None and match["fn"] is not None

    def is_outside(self, start: int, end: int) -> bool:
        """Whether lines are in nothing that has a body, nor in brackets."""
        if end > _NEAR:
            return False
        depth = 0
        for number in range(end):
            for mark in _STRUCTURE.findall(self.code(number)):
                if mark in b"([{":
                    depth += 1
                elif mark in b")]}":
                    depth -= 1
            if number >= start and depth:
                return False
        return depth == 0

    def begins(self, start: int) -> bool:
        """Whether what stands before line ``start`` is at its end there."""
        for number in range(start - 1, -1, -1):
            code = self.code(number).strip()
            if code:
                return code.endswith((b";", b"}", b"{", b","))
        return True

    def leads(self, start: int, end: int) -> bool:
        """Whether what stands at lines ``start`` to ``end`` may belong to an item that begins behind it."""
        return any(map(_LEADS.match, self.lines[max(start - (start == end), 0) : end or 1])) or any(
            map(_HEAD.match, self.lines[start:end])
        )


def stays(base: Text, ours: Text, change: Change, at: int, upstream: Sequence[Change]) -> bool:
    """Whether it is plain that lines which land at ``at`` in ours are in the item they were in.

    ``change`` is where they are in the base, ``upstream`` what turns the base into ours.
    """
    places = ((base, change.start, change.end), (ours, at, at + change.end - change.start))
    head = base.item(change.start)
    if head is not None and not base.is_head(head):  # in a string or comment
        return False
    if head is None or not base.is_function(head):
        # in a function, comments and heads are statements like any other
        if any(text.leads(start, end) or not text.begins(start) for text, start, end in places):
            return False
        if head is None:
            return all(text.is_outside(start, end) for text, start, end in places)
    now = _moved(head, upstream)
    return (
        now is not None
        and ours.is_head(now)
        and base.holds(head, *places[0][1:])
        and ours.holds(now, *places[1][1:])
    )


def _moved(line: int, upstream: Sequence[Change]) -> int | None:
    """Return where upstream has a line of the base, None if it changed that line."""
    shift = 0
    for change in upstream:
        if change.start > line:
            break
        if change.start <= line < change.end:
            return None
        shift += change.growth
    return line + shift
