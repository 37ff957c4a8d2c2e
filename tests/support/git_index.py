"""A registry's index in a git repository, and a server that hands out its files (git's dumb HTTP)."""

from __future__ import annotations

import functools
import http.server
import json
import threading
from pathlib import Path
from typing import Any, Self

from patchbot.index.repository import Retries
from patchbot.model import index_path
from support import crates
from support.repository import Repository


class IndexRepository(Repository):
    """The index."""

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        self._lines: dict[str, list[dict[str, Any]]] = {}

    @property
    def url(self) -> str:
        return f"file://{self.folder}"

    def config(self, **keys: object) -> None:
        """Commit a ``config.json``."""
        self.write({"config.json": json.dumps(keys)})
        self.commit()

    def publish(self, name: str, version: str, data: bytes = b"") -> None:
        """Commit one more line of a crate."""
        lines = self._lines.setdefault(name, [])
        lines.append(crates.index_line(name, version, data))
        self.write({index_path(name): "".join(json.dumps(line) + "\n" for line in lines)})
        self.commit()

    def squash(self) -> None:
        """Begin history anew, as crates.io does."""
        tree = self.git("rev-parse", "HEAD^{tree}")
        self.git("update-ref", "HEAD", self.git("commit-tree", "-m", "squashed", tree))


class Waits:
    """What is waited between attempts, none of it for real; ``stop`` gives up at the first."""

    def __init__(self, *, stop: bool = False) -> None:
        self.seconds: list[float] = []
        self._stop = stop

    @property
    def retries(self) -> Retries:
        def wait(seconds: float) -> bool:
            self.seconds.append(seconds)
            return self._stop

        return Retries((1.0, 2.0), wait)


class DumbServer:
    """Hands out the files of a repository; while ``hangs`` is set, requests are noted and not answered."""

    def __init__(self, repository: Repository) -> None:
        self._repository = repository
        self.hangs = threading.Event()
        self.asked = threading.Event()
        self._goes_on = threading.Event()
        server = self

        class Handler(http.server.SimpleHTTPRequestHandler):
            def do_GET(self) -> None:
                server.asked.set()
                if server.hangs.is_set():
                    server._goes_on.wait()
                super().do_GET()

            def log_message(self, *_: object) -> None:
                pass

        folder = functools.partial(Handler, directory=str(repository.folder / ".git"))
        self._http = http.server.ThreadingHTTPServer(("127.0.0.1", 0), folder)
        self._thread = threading.Thread(target=self._http.serve_forever, args=(0.01,))

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._http.server_port}"

    def update(self) -> None:
        """Let clients see what was committed."""
        self._repository.git("update-server-info")

    def __enter__(self) -> Self:
        self.update()
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._goes_on.set()
        self._http.shutdown()
        self._thread.join()
        self._http.server_close()
