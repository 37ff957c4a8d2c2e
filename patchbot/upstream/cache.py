"""The download cache: ``.crate`` files by their digest, index files and git indexes by address; kept for ever.

Every file is written beside its place and renamed, so a half-written one never has the final name, and
a crate's bytes are checked against the digest that names it each time they are read.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import Path

from patchbot import files
from patchbot.errors import EnvironmentProblem


@dataclass(frozen=True, slots=True)
class Cached:
    """An index file as it was served, and the ``ETag`` to ask again with (empty if there was none)."""

    data: bytes
    etag: str


@dataclass(frozen=True, slots=True)
class Cache:
    """A folder of downloads that any number of runs share."""

    folder: Path

    @property
    def git_indexes(self) -> Path:
        """The folder of clones (``index.repository``)."""
        return self.folder / "git-index"

    def crate(self, sha256: str) -> bytes | None:
        """Return the crate with that digest, or None; a damaged file is removed and counts as absent."""
        file = self._crate_file(sha256)
        try:
            data = file.read_bytes()
            if hashlib.sha256(data).hexdigest() == sha256:
                return data
            file.unlink(missing_ok=True)
        except FileNotFoundError:
            pass
        except OSError as error:
            raise EnvironmentProblem(f"cannot be read: {error.strerror}", where=file) from None
        return None

    def has_crate(self, sha256: str) -> bool:
        """Whether a crate with that digest was kept (its bytes are checked when it is read)."""
        return self._crate_file(sha256).is_file()

    def keep_crate(self, sha256: str, data: bytes) -> None:
        """Keep a crate whose digest was checked."""
        files.write(self._crate_file(sha256), data)

    def index(self, registry: str, path: str) -> Cached | None:
        """Return the index file ``path`` of a registry as it was last served, or None."""
        file = self._index_file(registry, path)
        try:
            etag, _, data = file.read_bytes().partition(b"\n")
        except FileNotFoundError:
            return None
        except OSError as error:
            raise EnvironmentProblem(f"cannot be read: {error.strerror}", where=file) from None
        return Cached(data, etag.decode(errors="replace"))

    def keep_index(self, registry: str, path: str, cached: Cached) -> None:
        """Keep an index file with its ``ETag`` in one file, so that the two cannot disagree."""
        files.write(self._index_file(registry, path), cached.etag.encode() + b"\n" + cached.data)

    def _crate_file(self, sha256: str) -> Path:
        return self.folder / "crates" / sha256[:2] / f"{sha256}.crate"

    def _index_file(self, registry: str, path: str) -> Path:
        key = hashlib.sha256(registry.encode()).hexdigest()[:16]
        return self.folder / "index" / key / path
