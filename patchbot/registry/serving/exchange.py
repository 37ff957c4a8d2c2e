"""What a client and a server say to each other: requests, replies, and files that one may have already."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from email.utils import format_datetime, parsedate_to_datetime
from pathlib import Path
from typing import NamedTuple

from patchbot.errors import EnvironmentProblem


@dataclass(frozen=True, slots=True)
class Request:
    """What a client asks for.  ``target`` is as it was sent; ``headers`` have lower-case names.

    Headers are in no picture of it: one of them is the token.
    """

    method: str
    target: str
    headers: Mapping[str, str] = field(default_factory=dict, repr=False)
    body: bytes = field(default=b"", repr=False)


@dataclass(frozen=True, slots=True)
class Reply:
    """What it is told."""

    status: int
    body: bytes = field(default=b"", repr=False)
    headers: Mapping[str, str] = field(default_factory=dict)


class Stored(NamedTuple):
    """The bytes of a file, and when they were written, None if nobody can tell."""

    data: bytes
    modified: datetime | None


def stored(file: Path) -> Stored | None:
    """Return a file and when it was written: both of the one that was opened, whoever writes a new one now."""
    try:
        with file.open("rb") as opened:
            modified = datetime.fromtimestamp(int(os.fstat(opened.fileno()).st_mtime), UTC)
            return Stored(opened.read(), modified)
    except FileNotFoundError:
        return None
    except OSError as error:
        raise EnvironmentProblem(f"cannot be read: {error.strerror}", where=file) from None


def kept(request: Request, file: Stored, kind: str) -> Reply:
    """Return a file, or 304 to whoever has it; ``ETag`` counts before the time (RFC 9110, 13.2.2)."""
    etag = f'"{hashlib.sha256(file.data).hexdigest()}"'
    headers = {"ETag": etag}
    if file.modified is not None:
        headers["Last-Modified"] = format_datetime(file.modified, usegmt=True)
    if (known := request.headers.get("if-none-match")) is not None:
        tags = {tag.strip().removeprefix("W/") for tag in known.split(",")}
        fresh = not tags.isdisjoint({etag, "*"})
    else:
        fresh = _not_since(request.headers.get("if-modified-since"), file.modified)
    return Reply(304, b"", headers) if fresh else Reply(200, file.data, {"Content-Type": kind, **headers})


def _not_since(text: str | None, modified: datetime | None) -> bool:
    if text is None or modified is None:
        return False
    try:
        since = parsedate_to_datetime(text)
    except ValueError:
        return False
    return since.tzinfo is not None and modified <= since
