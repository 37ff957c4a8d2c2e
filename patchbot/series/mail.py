"""Read a patch file: who, when, why, and a diff.  What ``git am`` reads, and the bare diffs of quilt.

One patch a file.  Bytes that are not UTF-8 are kept as Python's ``surrogateescape`` has them.
"""

from __future__ import annotations

import email.errors
import email.header
import email.utils
import re
from dataclasses import dataclass, field

from patchbot.errors import RepositoryError
from patchbot.series import diffs
from patchbot.series.diffs import FileDiff

_HEADER = re.compile(rb"[A-Za-z][A-Za-z0-9-]*:")
_FROM = re.compile(rb"From [0-9a-f]{40,64} ")
_PREFIX = re.compile(r"\A(?:\s*\[[^\]]*PATCH[^\]]*\]\s*)+")
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
    if b"\0" in data:
        line = data[: data.index(b"\0")].count(b"\n") + 1
        raise RepositoryError("has a NUL byte: this is no patch", where=f"{where}:{line}")
    lines = data.split(b"\n")
    if lines and not lines[-1]:
        lines.pop()
    headers, body = _headers(lines, where)
    start = _diff(lines, body)
    if start is None:
        raise RepositoryError("has no diff", where=f"{where}:{max(len(lines), 1)}", hint=_EMPTY)
    files = diffs.parse(lines[start:], where, first_line=start + 1, strict=strict)
    message = _message(headers.get("subject", ""), lines[body:start], name)
    return Patch(name, data, message, _author(headers, where), _date(headers, where), files, where=where)


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
        elif not fields or not at:
            return {}, 0
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
    if "=?" not in text:
        return text
    try:
        parts = email.header.decode_header(text)
        return "".join(_part(part, charset) for part, charset in parts)
    except (email.errors.HeaderParseError, LookupError, ValueError):
        return text


def _part(part: bytes | str, charset: str | None) -> str:
    if isinstance(part, str):
        return part
    # between two words that are not encoded, email hands on raw latin-1 escapes
    return part.decode(charset or "utf-8", "surrogateescape")


def _diff(lines: list[bytes], body: int) -> int | None:
    """Return the line where the diff begins."""
    for at in range(body, len(lines)):
        if lines[at].startswith((b"diff --git ", b"diff --cc ", b"diff --combined ")):
            return at
        following = lines[at + 1 : at + 2]
        if lines[at].startswith(b"--- ") and following and following[0].startswith(b"+++ "):
            return at
    return None


def _message(subject: str, text: list[bytes], name: str) -> str:
    """Put subject and body together as a commit's message; what follows ``---`` is for mail readers only."""
    body = text[: text.index(b"---")] if b"---" in text else text
    words = b"\n".join(body).decode("utf-8", "surrogateescape").strip("\n")
    first = _PREFIX.sub("", subject).strip()
    if first:
        return f"{first}\n\n{words}\n" if words.strip() else f"{first}\n"
    return f"{words}\n" if words.strip() else f"{name}\n"


def _author(headers: dict[str, str], where: str) -> str:
    if "from" not in headers:
        return ""
    # as git writes it; email's own reader would take commas and brackets for more than a name
    match = re.fullmatch(r"\s*(.*?)\s*<([^<>\s]*)>.*|\s*()(\S+@\S+)\s*", headers["from"], re.DOTALL)
    if match is None:
        raise RepositoryError("its From: has no address", where=f"{where}:1")
    name, address = (match[1] or "").strip('"'), match[2] or match[4] or ""
    clean = "".join(char for char in name if char not in "<>\n\r\0")
    return f"{clean} <{address}>"


def _date(headers: dict[str, str], where: str) -> str:
    if "date" not in headers:
        return ""
    parsed = email.utils.parsedate_tz(headers["date"])
    if parsed is None:
        raise RepositoryError(f"its Date: cannot be read: {headers['date']!r}", where=f"{where}:1")
    seconds = email.utils.mktime_tz(parsed)
    zone = parsed[9] or 0
    sign, minutes = ("-", -zone // 60) if zone < 0 else ("+", zone // 60)
    return f"{seconds} {sign}{minutes // 60:02}{minutes % 60:02}"
