"""Unpack a ``.crate`` without trusting it: bytes in, files in memory out, nothing written.

A registry's checksum says that these are the bytes that were published, not that they are harmless.
Cargo refuses links and paths outside the crate's folder; so does this, and names that would not survive
in a git tree or on another file system as well (git's t7450-bad-git-dotfiles lists them).
"""

from __future__ import annotations

import io
import json
import re
import tarfile
import zlib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from patchbot.errors import RepositoryError
from patchbot.model import TreeFile
from patchbot.model.paths import check_path, folded

MAX_BYTES = 256 * 1024 * 1024
MAX_RATIO = 200  # the densest real crate (generated tables) stays below 30
MAX_FILES = 50_000
VCS_INFO = ".cargo_vcs_info.json"

_CHUNK = 1024 * 1024
_BLOCK = 512


@dataclass(frozen=True, slots=True)
class Unpacked:
    """The files of a crate, and where upstream's repository has them.

    ``commit`` and ``path`` come from ``.cargo_vcs_info.json``; without that they are empty and None.  ``path`` is
    empty for a crate at the root of the repository, as wasmtime-cli is.
    """

    files: tuple[TreeFile, ...]
    commit: str
    path: str | None


def unpack(data: bytes, *, name: str, version: str) -> Unpacked:
    """Return the files of the crate ``name`` ``version``, their paths relative to the crate's folder.

    Raises ``RepositoryError`` for truncated or oversized archives, anything that is not a plain file or
    folder, and any path that is not plainly inside the crate.
    """
    where = f"{name}-{version}.crate"
    tar = _inflate(data, where)
    files = tuple(sorted(_members(tar, f"{name}-{version}/", where), key=lambda file: file.path))
    refuse_twins(files, where)
    commit, path = _vcs_info(files, where)
    return Unpacked(files, commit, path)


def _inflate(data: bytes, where: str) -> bytes:
    limit = min(MAX_BYTES, max(len(data), 1) * MAX_RATIO)
    inflater = zlib.decompressobj(wbits=31)  # 31: a gzip header and trailer, checked
    pieces = []
    size = 0
    try:
        rest = data
        while not inflater.eof:
            piece = inflater.decompress(rest, _CHUNK)
            rest = inflater.unconsumed_tail
            if not piece and not rest and not inflater.eof:
                raise RepositoryError("ends in the middle", where=where, hint=_AGAIN)
            pieces.append(piece)
            size += len(piece)
            if size > limit:
                raise RepositoryError(f"unpacks to more than {limit} bytes", where=where)
    except zlib.error as error:
        raise RepositoryError(f"is no gzip file: {error}", where=where, hint=_AGAIN) from None
    if inflater.unused_data:
        raise RepositoryError("goes on after its end", where=where, hint=_AGAIN)
    return b"".join(pieces)


_AGAIN = "the registry served something that is no crate; if it does so again, tell its operator"


def _members(tar: bytes, prefix: str, where: str) -> Iterator[TreeFile]:
    count = 0
    try:
        with tarfile.open(fileobj=io.BytesIO(tar), mode="r:") as archive:
            for member in archive:
                count += 1
                if count > MAX_FILES:
                    raise RepositoryError(f"has more than {MAX_FILES} entries", where=where)
                if member.isdir():
                    continue
                if not member.isreg() or member.issparse():
                    raise RepositoryError(f"{member.name!r} is a link, device or pipe", where=where)
                if not member.name.startswith(prefix):
                    raise RepositoryError(f"{member.name!r} is outside {prefix}", where=where)
                path = member.name.removeprefix(prefix)
                if problem := check_path(path):
                    raise RepositoryError(f"the path {member.name!r} {problem}", where=where)
                content = archive.extractfile(member)
                body = content.read() if content is not None else b""
                if len(body) != member.size:
                    raise RepositoryError("ends in the middle", where=where, hint=_AGAIN)
                yield TreeFile(path, body, executable=bool(member.mode & 0o100))
            end = tar[archive.offset :]
    except (tarfile.TarError, EOFError, ValueError, OverflowError, RecursionError) as error:
        raise RepositoryError(f"is no tar archive: {error}", where=where, hint=_AGAIN) from None
    # tarfile takes a damaged header for the end; the rest would be missing without a word
    if len(end) < _BLOCK or end.strip(b"\0"):
        raise RepositoryError("is damaged in the middle", where=where, hint=_AGAIN)


def refuse_twins(files: Iterable[TreeFile], where: str) -> None:
    """Refuse paths that are one file where case or Unicode form does not count, or a file inside a file."""
    seen: dict[str, str] = {}
    for file in files:
        key = folded(file.path)
        if key in seen:
            raise RepositoryError(
                f"{seen[key]!r} and {file.path!r} are one file on some systems", where=where
            )
        seen[key] = file.path
    for key in seen:
        parts = key.split("/")
        for depth in range(1, len(parts)):
            parent = "/".join(parts[:depth])
            if parent in seen:
                raise RepositoryError(f"{seen[parent]!r} is a file and a folder", where=where)


def _vcs_info(files: tuple[TreeFile, ...], where: str) -> tuple[str, str | None]:
    for file in files:
        if file.path == VCS_INFO:
            try:
                info = json.loads(file.data)
                commit = info["git"]["sha1"]
                said = "path_in_vcs" in info  # cargo before 1.57 did not
                path = info["path_in_vcs"] if said else None
            except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
                raise RepositoryError(f"{VCS_INFO} cannot be read", where=where) from None
            if not isinstance(commit, str) or (said and not isinstance(path, str)):
                raise RepositoryError(f"{VCS_INFO} cannot be read", where=where)
            if re.fullmatch(r"[0-9a-f]{40}|[0-9a-f]{64}", commit) is None:
                raise RepositoryError(f"{VCS_INFO} names the commit {commit!r}", where=where)
            if path and (problem := check_path(path)):
                raise RepositoryError(f"{VCS_INFO}: the path {path!r} {problem}", where=where)
            return commit, path
    return "", None
