"""The registry of ``faulty``, with its index in a git repository."""

from __future__ import annotations

import json
import threading
from pathlib import Path
from typing import Any

from registry.faulty import Faulty, Scaled
from support.repository import Repository

from patchbot.model import index_path


class GitBacked(Faulty):
    """Commits each change; ``late`` is how many seconds after it was done."""

    def __init__(self, folder: Path) -> None:
        super().__init__(clock=Scaled())
        self.repository = Repository(folder)
        self.late = 0.0
        self.config(dl=f"{self.url}/dl", api=self.url)

    @property
    def index(self) -> str:
        return f"file://{self.repository.folder}"

    def config(self, **keys: object) -> None:
        self.commit("config.json", json.dumps(keys))

    def commit(self, path: str, text: str) -> None:
        with self._lock:
            self.repository.write({path: text})
            self.repository.commit()

    def store(self, metadata: dict[str, Any], data: bytes) -> tuple[int, bytes]:
        done = super().store(metadata, data)
        self._commit_later(metadata["name"])
        return done

    def set_yanked(self, name: str, version: str, *, yanked: bool) -> tuple[int, bytes]:
        done = super().set_yanked(name, version, yanked=yanked)
        self._commit_later(name)
        return done

    def _commit_later(self, name: str) -> None:
        text = "".join(json.dumps(line) + "\n" for line in self.lines(name))
        if self.late:
            threading.Timer(self.late, self.commit, (index_path(name), text)).start()
        else:
            self.commit(index_path(name), text)
