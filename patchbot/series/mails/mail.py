"""Read a patch file: who, when, why, and a diff.  What ``git am`` reads, and the bare diffs of quilt.

One patch a file.  Bytes that are not UTF-8 are kept as Python's ``surrogateescape`` has them.
"""

from __future__ import annotations

import base64
import itertools
import os
import quopri
import re
from dataclasses import dataclass, field, replace

from patchbot.errors import RepositoryError
from patchbot.series.mails import dates, diffs
from patchbot.series.mails.diffs import FileDiff

_HEADER = re.compile(rb"[A-Za-z][A-Za-z0-9-]*:")
_FROM = re.compile(rb"From [0-9a-f]{40,64} ")
_PREFIX = re.compile(r"\A(?:\s*\[[^\]]*\bPATCH\b[^\]]*\]\s*)+")
# RFC 2047, and the language that RFC 2231 puts behind the charset
_WORD = re.compile(r"=\?([^?*\s]+)(?:\*[^?\s]*)?\?([bBqQ])\?([^?]*)\?=")
_RUN = re.compile(rf"{_WORD.pattern}(?:\s*{_WORD.pattern})*")
_QUOTED = re.compile(r'"((?:[^"\\]|\\.)*)"')
_IN_BODY = re.compile(rb"(From|Subject|Date): (.*)", re.DOTALL)
_RULE = re.compile(rb"---(?:\s*$| \S)")
_NAMED = re.compile(rb"^(?:--- a|\+\+\+ b)/([^\t\r\n]+)", re.MULTILINE)
_MAX_LINE = 100_000  # of a header: whatever is longer is no mail


@dataclass(frozen=True, slots=True)
class Patch:
    """A patch as a person wrote it: its name, its bytes, the commit it makes, and what that changes.

    ``author`` is ``Name <mail>`` and ``date`` git's raw form; both are empty where the file does not say.
    """

    name: str
    data: bytes = field(repr=False)
    message: str
    author: str
    date: str
    files: tuple[FileDiff, ...]
    encoding: str = ""
    where: str = ""


def parse(data: bytes, name: str, where: str, *, strict: bool = True) -> Patch:
    """Read the patch file ``where``.  Raises ``RepositoryError`` with file and line if it is none."""
    patch, diff, first_line = _read(data, name, where)
    return replace(patch, files=diffs.parse(diff, where, first_line=first_line, strict=strict))


def named(data: bytes) -> list[str]:
    """Return paths that a patch file seems to speak of: a guess, for those who read ahead."""
    return [os.fsdecode(path) for path in _NAMED.findall(data)]


def words(data: bytes, name: str, where: str) -> Patch:
    """Read who, when and why of a patch file and nothing of its diff.  Raises as ``parse`` does."""
    return _read(data, name, where)[0]


def _read(data: bytes, name: str, where: str) -> tuple[Patch, list[bytes], int]:
    """Return a patch without its files, the lines of its diff, and the number of the first of them."""
    if b"\0" in data:
        line = data[: data.index(b"\0")].count(b"\n") + 1
        raise RepositoryError("has a NUL byte: this is no patch", where=f"{where}:{line}")
    *lines, rest = data.split(b"\n")
    if rest:  # as git has it: whoever cut it off may have cut more
        raise RepositoryError("ends in the middle of a line", where=f"{where}:{len(lines) + 1}")
    headers, body = _headers(lines, where)
    start = _diff(lines, body)
    if start is None:
        raise RepositoryError("has no diff", where=f"{where}:{max(len(lines), 1)}", hint=_EMPTY)
    text = _in_body(lines[body:start], headers)
    message = _message(headers.get("subject", ""), _words(text, headers), name)
    patch = Patch(name, data, message, _author(headers, where), _date(headers, where), (), where=where)
    return patch, lines[start:], start + 1


_EMPTY = "a patch that changes nothing is no patch: take it out of the series"


def _headers(lines: list[bytes], where: str) -> tuple[dict[str, str], int]:
    """Return the mail's headers by their names in small letters, and the line where its text begins."""
    at = 1 if lines and _FROM.match(lines[0]) else 0
    if at == len(lines) or not _HEADER.match(lines[at]):
        return {}, at
    fields: list[list[bytes]] = []
    while at < len(lines) and lines[at]:
        line = lines[at].rstrip(b"\r")
        if line[:1] in {b" ", b"\t"} and fields:
            fields[-1].append(line)
        elif _HEADER.match(line) and len(line) < _MAX_LINE:
            fields.append([line])
        elif not any(row[0][:5].lower() == b"from:" or row[0][:8].lower() == b"subject:" for row in fields):
            return {}, 0  # words that begin as a header does
        else:
            raise RepositoryError("is no header of a mail", where=f"{where}:{at + 1}")
        at += 1
    out: dict[str, str] = {}
    for rows in fields:
        key, _, value = b"\n".join(rows).partition(b":")
        out.setdefault(key.decode("latin-1").lower(), _decoded(value))
    _refuse_encoded(out, where)
    return (out, at + 1) if "from" in out or "subject" in out else ({}, 0)


def _refuse_encoded(headers: dict[str, str], where: str) -> None:
    """Refuse what only a mail program can read: the diff must stand in the file as it is."""
    kind = headers.get("content-type", "text/plain").partition(";")[0].strip().lower()
    how = headers.get("content-transfer-encoding", "8bit").strip().lower()
    if kind != "text/plain" or how not in {"7bit", "8bit", "binary"}:
        raise RepositoryError(
            f"is a mail with an attachment or an encoding ({kind}, {how})",
            where=f"{where}:1",
            hint="save the patch itself: `git format-patch`, or the forge's .patch link",
        )


def _decoded(value: bytes) -> str:
    """Return a header's value with its encoded words read (RFC 2047)."""
    text = re.sub(r"\r?\n(?=[ \t])", "", value.decode("utf-8", "surrogateescape")).strip()
    # blanks between two encoded words are no part of them; email.header takes raw UTF-8 beside them apart
    return _RUN.sub(_run, text)


def _run(match: re.Match[str]) -> str:
    """Decode encoded words that follow each other: a character may begin in one and end in the next."""
    out, held, charset = "", b"", ""
    try:
        for word in _WORD.finditer(match[0]):
            if word[1].lower() != charset:
                out, held, charset = (
                    out + held.decode(charset or "ascii", "surrogateescape"),
                    b"",
                    word[1].lower(),
                )
            data = word[3].encode("utf-8", "surrogateescape")
            held += base64.b64decode(data) if word[2] in "bB" else quopri.decodestring(data, header=True)
        out += held.decode(charset or "ascii", "surrogateescape")
    except (LookupError, ValueError):
        return match[0]
    return re.sub(r"[\r\n\0]+", " ", out)


def _diff(lines: list[bytes], body: int) -> int | None:
    """Return the line where the diff begins."""
    for at in range(body, len(lines)):
        if lines[at].startswith((b"diff --git ", b"diff --cc ", b"diff --combined ")):
            return at
        following = lines[at + 1 : at + 2]
        if lines[at].startswith(b"--- ") and following and following[0].startswith(b"+++ "):
            return at
    return None


def _in_body(text: list[bytes], headers: dict[str, str]) -> list[bytes]:
    """Take headers off that stand at the head of a mail's text: whoever forwards a patch says there whose it is."""
    at = next((n for n, line in enumerate(text) if line.strip()), 0)
    begin = at
    while at < len(text) and (match := _IN_BODY.match(text[at])):
        headers[match[1].decode().lower()] = _decoded(match[2])
        at += 1
    return text if at == begin else text[at:]


def _ends_words(line: bytes) -> bool:
    """Whether git's mailinfo takes a line of a mail's text for the end of the words (``patchbreak``)."""
    return line.startswith((b"diff -", b"Index: ")) or _RULE.match(line) is not None


def _words(text: list[bytes], headers: dict[str, str]) -> str:
    """Return a mail's text; what follows ``---`` is for mail readers only."""
    rows = itertools.takewhile(lambda line: not _ends_words(line), text)
    body = b"\n".join(rows)
    charset = re.search(r"charset=\"?([^\s\";]+)", headers.get("content-type", ""), re.IGNORECASE)
    try:
        return body.decode(charset[1] if charset else "utf-8")
    except (LookupError, ValueError):
        return body.decode("utf-8", "surrogateescape")


def _message(subject: str, text: str, name: str) -> str:
    """Put subject and body together as a commit's message."""
    words = text.strip("\n")
    first = _PREFIX.sub("", subject).strip()
    if first:
        return f"{first}\n\n{words}\n" if words.strip() else f"{first}\n"
    return f"{words}\n" if words.strip() else f"{name}\n"


def _author(headers: dict[str, str], where: str) -> str:
    if "from" not in headers:
        return ""
    # as git writes it; email's own reader would take commas and brackets for more than a name
    match = re.fullmatch(r"(.*)<([^<>]*)>[^<>]*|\s*()(\S+@\S+)\s*", headers["from"], re.DOTALL)
    if match is None:
        raise RepositoryError("its From: has no address", where=f"{where}:1")
    name, address = _QUOTED.sub(_unquoted, (match[1] or "").strip()), (match[2] or match[4] or "").strip()
    clean = "".join(char for char in name if char not in "<>\n\r\0")
    return f"{clean} <{address}>".lstrip()


def _unquoted(match: re.Match[str]) -> str:
    return re.sub(r"\\(.)", r"\1", match[1])


def _date(headers: dict[str, str], where: str) -> str:
    if "date" not in headers:
        return ""
    raw = dates.read(headers["date"])
    if raw is None:
        raise RepositoryError(f"its Date: cannot be read: {headers['date']!r}", where=f"{where}:1")
    return raw
