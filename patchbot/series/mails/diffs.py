"""Read a diff in git's own form exactly: bytes in, values out, nothing guessed.

What ``git apply`` passes over in silence is refused here: a hunk that is shorter than its header says, text
between files, a path that leaves the tree.  The form is that of git-diff(1), "Generating patch text with -p".
"""

from __future__ import annotations

import os
import re
from dataclasses import dataclass, field, replace

from patchbot.model.paths import check_path, escapes
from patchbot.series.lines import Change
from patchbot.series.mails import binary
from patchbot.series.mails.cursor import Cursor
from patchbot.series.mails.hunks import Hunk, read_hunks, read_literal
from patchbot.series.mails.names import both, stripped, unquoted

_START = b"diff --git "
_INDEX = re.compile(rb"index ([0-9a-f]{4,64})\.\.([0-9a-f]{4,64})(?: ([0-7]{6}))?")
_MORE = re.compile(rb"From |diff |@@ -\d|GIT binary patch")  # what no signature says
_MODES = {"100644", "100755", "120000", "160000"}
_NONE = b"/dev/null"
_WHOLE = 40  # letters of an object id that is not cut


@dataclass(frozen=True, slots=True)
class FileDiff:
    """What a patch does to one file; a side without a path is not there.

    Object ids are as the patch spells them: perhaps short, and empty where it has none.  A file whose bytes
    are given whole has ``literal``.
    """

    old_path: str | None
    new_path: str | None
    old_mode: str = ""
    new_mode: str = ""
    old_oid: str = ""
    new_oid: str = ""
    copied: bool = False
    hunks: tuple[Hunk, ...] = ()
    literal: binary.Literal | None = None
    line: int = 0

    @property
    def path(self) -> str:
        """The path that a person looks for: the new one, unless the file goes."""
        return self.new_path or self.old_path or ""


@dataclass
class _Header:
    """What stands between ``diff --git`` and the first hunk."""

    line: int
    words: dict[bytes, bytes] = field(default_factory=dict)
    minus: bytes | None = None
    plus: bytes | None = None


def parse(
    lines: list[bytes], where: str, *, first_line: int = 1, strict: bool = True
) -> tuple[FileDiff, ...]:
    """Read the files of a diff; ``lines`` start with the first of them and have no line ends.

    ``strict`` refuses paths that are another file on some systems; paths that leave the tree always are.
    Raises ``RepositoryError`` with file and line for anything that is not plainly a diff of git's.
    """
    reader = Cursor(lines, where, strict, offset=first_line - 1)
    files: list[FileDiff] = []
    while (line := reader.peek()) is not None:
        if line.startswith((_START, b"--- ")):
            files.append(_file(reader))
        elif line.startswith((b"diff --cc ", b"diff --combined ")):
            raise reader.wrong("is a merge's diff, which cannot be applied")
        elif line == b"-- " or not line.strip():
            _signature(reader)
        else:
            raise reader.wrong(f"text that is no diff: {line[:60]!r}")
    files = _type_changes(files)
    _refuse_twice(files, reader)
    return tuple(files)


def _type_changes(files: list[FileDiff]) -> list[FileDiff]:
    """Put together what git writes as two: a file goes, and one of another kind (a symlink) takes its path."""
    out: list[FileDiff] = []
    for new in files:
        old = out[-1] if out else None
        if (
            old is None
            or (old.new_path, new.old_path) != (None, None)
            or old.old_path != new.new_path
            or old.old_mode[:3] == new.new_mode[:3]
        ):
            out.append(new)
            continue
        before = tuple(line for hunk in old.hunks for line in hunk.old)
        after = tuple(line for hunk in new.hunks for line in hunk.new)
        hunk = Hunk(0, before, after, (Change(0, len(before), after),), new.line)
        literal = new.literal
        if literal is None and old.literal is not None:
            literal = binary.Literal(b"".join(after))
        out[-1] = replace(
            old,
            new_path=new.new_path,
            new_mode=new.new_mode,
            new_oid=new.new_oid,
            hunks=() if literal is not None else (hunk,),
            literal=literal,
        )
    return out


def _signature(reader: Cursor) -> None:
    """Pass over git's signature and empty lines at the end of a mail; nothing may follow."""
    while (line := reader.peek()) is not None:
        if line == b"-- ":
            reader.at += 1
            while (tail := reader.peek()) is not None and not _MORE.match(tail):
                reader.at += 1
            if reader.peek() is not None:
                raise reader.wrong(
                    "a second patch begins", hint="one patch a file: `git mailsplit` cuts a mailbox"
                )
        elif line.strip():
            return
        else:
            reader.at += 1


def _refuse_twice(files: list[FileDiff], reader: Cursor) -> None:
    seen: set[str] = set()
    for file in files:
        for path in {file.new_path, None if file.copied else file.old_path} - {None}:
            if path in seen:
                raise reader.wrong(f"{path} is changed twice in one patch", line=file.line)
            seen.add(str(path))


def _file(reader: Cursor) -> FileDiff:
    header = _Header(reader.number)
    first = reader.peek() or b""
    if first.startswith(_START):
        reader.at += 1
        _extended(reader, header)
    literal = None
    hunks: tuple[Hunk, ...] = ()
    line = reader.peek()
    if line is not None and line.startswith(b"--- ") and not _is_signature(reader):
        header.minus, header.plus = _names(reader)
        hunks = read_hunks(reader)
    elif line == b"GIT binary patch":
        reader.at += 1
        literal = read_literal(reader)
    elif line is not None and line.startswith(b"Binary files "):
        raise reader.wrong(
            "a binary file without its bytes", hint="export it with `git format-patch --binary`"
        )
    return _described(reader, header, first, hunks, literal)


def _is_signature(reader: Cursor) -> bool:
    following = reader.lines[reader.at + 1 : reader.at + 2]
    return not following or not following[0].startswith(b"+++ ")


def _extended(reader: Cursor, header: _Header) -> None:
    while (line := reader.peek()) is not None:
        for word in (
            *(
                b"old mode ",
                b"new mode ",
                b"deleted file mode ",
                b"new file mode ",
                b"copy from ",
                b"copy to ",
            ),
            *(b"rename from ", b"rename to ", b"similarity index ", b"dissimilarity index ", b"index "),
        ):
            if line.startswith(word):
                if word in header.words:
                    raise reader.wrong(f"{word.decode()}stands twice")
                header.words[word] = line if word == b"index " else line[len(word) :]
                break
        else:
            return
        reader.at += 1


def _names(reader: Cursor) -> tuple[bytes, bytes]:
    """Read the two lines that name the sides; some tools put a tab and a date behind the path."""
    minus = reader.lines[reader.at][4:]
    plus = reader.lines[reader.at + 1][4:]
    reader.at += 2
    return minus, plus


# -- what a header means ----------------------------------------------------------------------------


def _described(
    reader: Cursor,
    header: _Header,
    first: bytes,
    hunks: tuple[Hunk, ...],
    literal: binary.Literal | None,
) -> FileDiff:
    words = header.words
    created, deleted = b"new file mode " in words, b"deleted file mode " in words
    old, new = _paths(reader, header, first)
    if header.minus is not None and header.plus is not None:
        created |= header.minus.partition(b"\t")[0] == _NONE
        deleted |= header.plus.partition(b"\t")[0] == _NONE
    if created and deleted:
        raise reader.wrong("comes and goes in one patch", line=header.line)
    if (created or deleted) and {b"rename from ", b"copy from "} & words.keys():
        raise reader.wrong("comes or goes, and is moved", line=header.line)
    old_mode, new_mode, old_oid, new_oid = _sides(reader, header)
    if literal is not None and min(len(old_oid), len(new_oid)) < _WHOLE:  # git's apply.c refuses it too
        raise reader.wrong(
            "a binary patch without the whole ids of its blobs",
            line=header.line,
            hint="export it with `git format-patch --binary`",
        )
    file = FileDiff(
        old_path=None if created else _checked(reader, header, old),
        new_path=None if deleted else _checked(reader, header, new),
        old_mode=old_mode,
        new_mode=new_mode or ("100644" if created else ""),
        old_oid="" if created else old_oid,
        new_oid="" if deleted else new_oid,
        copied=b"copy from " in words,
        hunks=hunks,
        literal=literal,
        line=header.line,
    )
    nothing = not hunks and literal is None and file.old_path == file.new_path and old_mode == new_mode
    if nothing:
        raise reader.wrong("names a file and changes nothing of it", line=header.line)
    return file


def _sides(reader: Cursor, header: _Header) -> tuple[str, str, str, str]:
    words = header.words
    index = _INDEX.fullmatch(words[b"index "]) if b"index " in words else None
    if b"index " in words and index is None:
        raise reader.wrong("its index line cannot be read", line=header.line)
    both = index[3].decode() if index and index[3] else ""
    old_mode = (words.get(b"old mode ") or words.get(b"deleted file mode ") or b"").decode("latin-1") or both
    new_mode = (words.get(b"new mode ") or words.get(b"new file mode ") or b"").decode("latin-1") or both
    if b"deleted file mode " in words:
        new_mode = ""
    for mode in {old_mode, new_mode} - {""}:
        if mode not in _MODES:
            raise reader.wrong(f"{mode!r} is no mode that git knows", line=header.line)
    old_oid, new_oid = (index[1].decode(), index[2].decode()) if index else ("", "")
    return old_mode, new_mode, old_oid, new_oid


def _paths(reader: Cursor, header: _Header, first: bytes) -> tuple[bytes, bytes]:
    words = header.words
    for before, after in ((b"rename from ", b"rename to "), (b"copy from ", b"copy to ")):
        if before in words or after in words:
            if before not in words or after not in words:
                raise reader.wrong("names one side of a rename", line=header.line)
            old, new = unquoted(reader, words[before]), unquoted(reader, words[after])
            named = [header.minus or b"", header.plus or b""]
            if any(
                name and _side(reader, header, name) != path
                for name, path in zip(named, (old, new), strict=True)
            ):
                raise reader.wrong(
                    f"moves {old!r} to {new!r}, and its lines are for another file", line=header.line
                )
            return old, new
    if header.minus is not None and header.plus is not None:
        minus, plus = (_side(reader, header, name) for name in (header.minus, header.plus))
        if minus is None and plus is None:
            raise reader.wrong("comes and goes in one patch", line=header.line)
        same = (minus if minus is not None else plus) or b"", (plus if plus is not None else minus) or b""
        if minus is not None and plus is not None and minus != plus:
            raise reader.wrong(f"names two files and no rename: {minus!r}, {plus!r}", line=header.line)
        if first.startswith(_START) and both(reader, header.line, first.removeprefix(_START)) != same[0]:
            raise reader.wrong(f"its lines are for another file: {same[0]!r}", line=header.line)
        return same
    name = both(reader, header.line, first.removeprefix(_START))
    return name, name


def _side(reader: Cursor, header: _Header, name: bytes) -> bytes | None:
    path = unquoted(reader, name.partition(b"\t")[0])
    if path == _NONE:
        return None
    return stripped(reader, header.line, path)


def _checked(reader: Cursor, header: _Header, path: bytes) -> str:
    text = os.fsdecode(path)
    problem = check_path(text) if reader.strict else escapes(text)
    if problem:
        raise reader.wrong(f"the path {text!r} {problem}", line=header.line, hint="nothing was written")
    return text
