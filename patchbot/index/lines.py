"""The files of a registry's index, sparse or git (cargo book, "Index Format"): bytes in, entries out."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass

from patchbot.errors import RepositoryError
from patchbot.model import IndexEntry, index_path, index_prefix


def parse_lines(data: bytes, where: str) -> dict[str, IndexEntry]:
    """Return the entries of an index file by version; a later line of a version wins, as in cargo.

    Raises ``RepositoryError`` with the line if one cannot be read.
    """
    entries: dict[str, IndexEntry] = {}
    for number, line in enumerate(data.splitlines(), 1):
        if not line.strip():
            continue
        try:
            entry = IndexEntry.from_json(json.loads(line))
        except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
            raise RepositoryError(
                f"line {number} is no index entry: {error!r}",
                where=where,
                hint="a proxy may have answered in the registry's place; look at what the URL serves",
            ) from None
        entries[entry.version] = entry
    return entries


@dataclass(frozen=True, slots=True)
class IndexConfig:
    """The index's ``config.json``: where crates are downloaded from, and where the web API is.

    ``api`` is None for a registry that can be read and nothing else; with ``auth_required`` even reading
    takes a token (cargo book, "Registry Index").
    """

    download: str
    api: str | None = None
    auth_required: bool = False

    @classmethod
    def parse(cls, data: bytes, where: str) -> IndexConfig:
        """Read ``config.json``; raise ``RepositoryError`` if it is none."""
        try:
            config = json.loads(data)
            download = config["dl"]
        except (ValueError, KeyError, TypeError, RecursionError) as error:
            raise RepositoryError(f"is no registry config.json: {error!r}", where=where) from None
        if not isinstance(download, str) or not isinstance(config, Mapping):
            raise RepositoryError("has no download address", where=where)
        api = config.get("api")
        if api is not None and not isinstance(api, str):
            raise RepositoryError("has an API address that is no text", where=where)
        return cls(download, api.rstrip("/") if api else None, bool(config.get("auth-required")))

    def url(self, entry: IndexEntry) -> str:
        """Return the download address of an entry's ``.crate``."""
        markers = {
            "{crate}": entry.name,
            "{version}": entry.version,
            "{prefix}": index_prefix(entry.name),
            "{lowerprefix}": index_path(entry.name).rpartition("/")[0],
            "{sha256-checksum}": entry.sha256,
        }
        url = self.download
        if not any(marker in url for marker in markers):
            return f"{url}/{entry.name}/{entry.version}/download"
        for marker, value in markers.items():
            url = url.replace(marker, value)
        return url
