"""Results of this version of patchbot, kept for processes to come: one file that any number of them share.

What is kept can be made again, so nothing that happens to the file is an error: what cannot be read is not
there, and what cannot be written is not kept.
"""

from __future__ import annotations

import sqlite3
import weakref
from contextlib import suppress
from pathlib import Path

_WAIT = 10.0  # seconds for another process that writes
_VERSIONS = 3  # of patchbot whose files are left alone, the newest ones
_ENDING = ".sqlite3"
_SETTINGS = (
    "PRAGMA journal_mode = WAL",  # readers do not wait for a writer
    "PRAGMA synchronous = OFF",  # what the power takes with it is made again
    "CREATE TABLE IF NOT EXISTS kept (key BLOB PRIMARY KEY, value BLOB NOT NULL)",
)


class Shelf:
    """Bytes by key; what is put is seen by others when it is saved."""

    def __init__(self, file: Path) -> None:
        self._file = file
        self._new: dict[bytes, bytes] = {}
        self._rows: sqlite3.Connection | None = None
        try:
            file.parent.mkdir(parents=True, exist_ok=True)
            self._rows = sqlite3.connect(
                file,
                timeout=_WAIT,
                isolation_level=None,
                check_same_thread=False,  # the collector may close it
            )
            weakref.finalize(self, self._rows.close)
            for setting in _SETTINGS:
                self._rows.execute(setting)
        except (OSError, sqlite3.Error) as error:
            self._give_up(error)

    @classmethod
    def open(cls, folder: Path, version: str) -> Shelf:
        """Open the shelf of a version of patchbot; those of versions long past are removed."""
        shelf = cls(folder / f"{version}{_ENDING}")
        with suppress(OSError):
            files = sorted(folder.glob(f"*{_ENDING}"), key=lambda file: file.stat().st_mtime, reverse=True)
            for file in files[_VERSIONS:]:
                for beside in (file, *folder.glob(f"{file.name}-*")):
                    beside.unlink()
        return shelf

    def get(self, key: bytes) -> bytes | None:
        """Return what is kept under ``key``, or None."""
        if self._rows is None or key in self._new:
            return self._new.get(key)
        try:
            row = self._rows.execute("SELECT value FROM kept WHERE key = ?", (key,)).fetchone()
        except sqlite3.Error as error:
            self._give_up(error)
            return None
        return None if row is None else row[0]

    def put(self, key: bytes, value: bytes) -> None:
        """Keep a value under ``key``, in the place of any that is there."""
        if self._rows is not None:
            self._new[key] = value

    def save(self) -> None:
        """Write what was put."""
        if self._rows is None or not self._new:
            return
        try:
            self._rows.execute("BEGIN IMMEDIATE")
            self._rows.executemany("INSERT OR REPLACE INTO kept VALUES (?, ?)", self._new.items())
            self._rows.execute("COMMIT")
        except sqlite3.Error as error:
            self._give_up(error)
        self._new.clear()

    def close(self) -> None:
        """Close the file; what was not saved is lost."""
        self._new.clear()
        if self._rows is not None:
            self._rows.close()
            self._rows = None

    def _give_up(self, error: Exception) -> None:
        """Do without; a file that is damaged makes room for another one."""
        with suppress(sqlite3.Error):
            self.close()
        self._rows = None
        damaged = isinstance(error, sqlite3.DatabaseError) and not isinstance(error, sqlite3.OperationalError)
        if damaged:
            with suppress(OSError):
                self._file.unlink()
