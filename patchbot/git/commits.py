"""Commits that are to be made, and how ``git fast-import`` is told of them.  Pure."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from patchbot.model import TreeFile

_PLAIN = "100644"
EXECUTABLE = "100755"


@dataclass(frozen=True, slots=True, kw_only=True)
class CommitText:
    """Who, when and why of a commit; ``date`` is git's raw form (seconds since 1970, then the zone).

    Bytes that are not UTF-8 are kept as Python's ``surrogateescape`` has them.
    """

    message: str
    author: str
    date: str
    encoding: str = ""  # of the bytes of message and author, where these are not UTF-8


@dataclass(frozen=True, slots=True)
class TreeChange:
    """What becomes of a path in a commit: a file with these bytes, a submodule's commit, or (no mode) nothing."""

    path: str
    mode: str = ""
    data: bytes = b""
    submodule: str = ""


def spelled(
    ref: str, base: str | None, steps: Sequence[tuple[Sequence[TreeFile | TreeChange], CommitText]]
) -> Iterator[bytes]:
    """Spell commits on top of ``base`` as ``git fast-import`` reads them (git-fast-import(1), "Input Format")."""
    parent = base
    for mark, (files, text) in enumerate(steps, 1):
        message = _raw(text.message)
        yield f"commit {ref}\nmark :{mark}\n".encode()
        yield _raw(f"author {text.author} {text.date}\ncommitter {text.author} {text.date}\n")
        if text.encoding:
            yield f"encoding {text.encoding}\n".encode()
        yield f"data {len(message)}\n".encode() + message + b"\n"
        if parent is not None:
            yield f"from {parent}\n".encode()
        # what goes makes room first: a folder may become a file
        for file in sorted(files, key=lambda file: isinstance(file, TreeChange) and bool(file.mode)):
            yield from _file_change(file)
        yield b"\n"
        parent = f":{mark}"
    yield b"done\n"


def _file_change(file: TreeFile | TreeChange) -> Iterator[bytes]:
    path = _quoted(os.fsencode(file.path))
    if isinstance(file, TreeFile):
        mode = EXECUTABLE if file.executable else _PLAIN
    elif not file.mode:
        yield b"D " + path + b"\n"
        return
    elif file.submodule:
        yield f"M {file.mode} {file.submodule} ".encode() + path + b"\n"
        return
    else:
        mode = file.mode
    yield f"M {mode} inline ".encode() + path + b"\n"
    yield f"data {len(file.data)}\n".encode() + file.data + b"\n"


def _raw(text: str) -> bytes:
    return text.encode("utf-8", "surrogateescape")


def _quoted(path: bytes) -> bytes:
    """Quote a path where fast-import would read it as something else: it takes any other as it stands."""
    if not path.startswith(b'"') and b"\n" not in path:
        return path
    escaped = path.replace(b"\\", b"\\\\").replace(b'"', b'\\"').replace(b"\n", b"\\n")
    return b'"' + escaped + b'"'
