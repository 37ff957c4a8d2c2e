"""Spell a patch as ``git format-patch`` does, from changes that are known: no diff is made again.

A diff of the two texts would be another reader's opinion of what was changed; here the author's own hunks come
out as they went in.  What is more than lines of text in files that keep their names (renames, links, binary
files, words beyond ASCII in a header) is left to git.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from patchbot.series.lines import Change, Lines
from patchbot.series.mails import dates

_CONTEXT = 3
_WIDTH = 78  # of a header's line, as pretty.c has it; longer ones are folded
_HEADING = 80  # bytes of a hunk's heading (xemit.c, struct func_line)
_NAMES = re.compile(rb"[A-Za-z_$]")  # how a line begins that is taken for a heading (xemit.c, def_ff)
_PLAIN_PATH = re.compile(r"[!#-\[\]-~]+")  # git quotes others, or puts a tab behind them
_AUTHOR = re.compile(r"((?:[!-~]+(?: [!-~]+)*)?) ?<([!-;=?-~]*)>")
_SPECIAL = re.compile(r'[()<>\[\]:;@\\,."]')  # of RFC 822: a name with one is quoted
_SUBJECT = re.compile(r"[!-~]+(?: [!-~]+)*")
_SPACES = " \t\n\r"  # git's isspace
_FIRST = f"From {'0' * 40} Mon Sep 17 00:00:00 2001\n"
_MIME = "MIME-Version: 1.0\nContent-Type: text/plain; charset=UTF-8\nContent-Transfer-Encoding: 8bit\n"


@dataclass(frozen=True, slots=True, kw_only=True)
class TextChange:
    """What a patch does to the lines of one file of text; a side that is not there has neither mode nor id.

    ``old`` are the lines before, none with a NUL byte, ``changes`` what becomes of them, in order and not touching
    each other.
    """

    path: str
    old_mode: str
    new_mode: str
    old_oid: str
    new_oid: str
    old: Lines
    changes: tuple[Change, ...]

    def removed(self, change: Change) -> Lines:
        """Return the lines that one of its changes takes away."""
        return self.old[change.start : change.end]


def mail(*, message: str, author: str, date: str, files: Sequence[TextChange]) -> bytes | None:
    """Return the mail of a commit, or None if git had better spell it.

    ``author`` is ``Name <mail>``, ``date`` git's raw form (seconds since 1970, then the zone).
    """
    head = _head(message, author, date)
    if head is None or not all(_PLAIN_PATH.fullmatch(file.path) for file in files):
        return None
    parts = [head.encode()]
    for file in sorted(files, key=lambda file: file.path):
        parts += _file(file)
    return b"".join(parts)


# -- words ----------------------------------------------------------------------------------------------


def _head(message: str, author: str, date: str) -> str | None:
    subject, _, rest = message.partition("\n")
    who, when = _who(author), dates.write(date)
    if who is None or when is None or _SUBJECT.fullmatch(subject) is None or "=?" in subject:
        return None
    if len(f"Subject: {subject}") > _WIDTH or (rest and not rest.startswith("\n")) or "\0" in message:
        return None
    body = "\n".join(line.rstrip(_SPACES) for line in rest.split("\n")).strip("\n")
    try:
        mime = _MIME if body.encode() and not body.isascii() else ""
    except UnicodeEncodeError:  # bytes that are not UTF-8
        return None
    words = f"{body}\n" if body else ""
    return f"{_FIRST}{who}\nDate: {when}\nSubject: {subject}\n{mime}\n{words}\n"


def _who(author: str) -> str | None:
    match = _AUTHOR.fullmatch(author)
    if match is None or "=?" in match[1]:
        return None
    name = match[1]
    if _SPECIAL.search(name):
        name = '"' + re.sub(r'(["\\])', r"\\\1", name) + '"'
    line = f"From: {name} <{match[2]}>"
    return line if name and len(line) <= _WIDTH else None


# -- lines ----------------------------------------------------------------------------------------------


def _file(file: TextChange) -> Iterator[bytes]:
    old, new = f"a/{file.path}", f"b/{file.path}"
    yield f"diff --git {old} {new}\n".encode()
    mode = ""
    if not file.old_mode:
        yield f"new file mode {file.new_mode}\n".encode()
    elif not file.new_mode:
        yield f"deleted file mode {file.old_mode}\n".encode()
    elif file.old_mode != file.new_mode:
        yield f"old mode {file.old_mode}\nnew mode {file.new_mode}\n".encode()
    else:
        mode = f" {file.old_mode}"
    if file.old_oid == file.new_oid:
        return
    none = "0" * max(len(file.old_oid), len(file.new_oid))
    yield f"index {file.old_oid or none}..{file.new_oid or none}{mode}\n".encode()
    if not file.changes:  # an empty file comes or goes
        return
    before, after = old if file.old_mode else "/dev/null", new if file.new_mode else "/dev/null"
    yield f"--- {before}\n+++ {after}\n".encode()
    shift = 0
    for group in _groups(file.changes):
        yield from _hunk(file.old, group, shift)
        shift += sum(change.growth for change in group)


def _groups(changes: Iterable[Change]) -> Iterator[list[Change]]:
    """Put changes together that share lines of context (xemit.c, xdl_get_hunk)."""
    group: list[Change] = []
    for change in changes:
        if group and change.start - group[-1].end > 2 * _CONTEXT:
            yield group
            group = []
        group.append(change)
    if group:
        yield group


def _hunk(old: Lines, group: Sequence[Change], shift: int) -> Iterator[bytes]:
    start = max(group[0].start - _CONTEXT, 0)
    end = min(group[-1].end + _CONTEXT, len(old))
    grown = sum(change.growth for change in group)
    sides = f"-{_range(start, end - start)} +{_range(start + shift, end - start + grown)}"
    yield f"@@ {sides} @@".encode() + _heading(old, start)
    at = start
    for change in group:
        yield from _marked(b" ", old[at : change.start])
        yield from _marked(b"-", old[change.start : change.end])
        yield from _marked(b"+", change.lines)
        at = change.end
    yield from _marked(b" ", old[at:end])


def _range(start: int, count: int) -> str:
    first = start + 1 if count else start
    return f"{first}" if count == 1 else f"{first},{count}"


def _marked(mark: bytes, lines: Iterable[bytes]) -> Iterator[bytes]:
    for line in lines:
        yield mark + line if line.endswith(b"\n") else mark + line + b"\n\\ No newline at end of file\n"


def _heading(old: Lines, start: int) -> bytes:
    """Return the end of a hunk's first line: the last line before it that begins as a name does."""
    for at in range(start - 1, -1, -1):
        line = old[at]
        if _NAMES.match(line):
            return b" " + line[:_HEADING].rstrip(_SPACES.encode()) + b"\n"
    return b"\n"
