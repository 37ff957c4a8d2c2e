"""Real releases of wasmtime, from crates.io, with real cargo.

Everything is made anew in each session but two things that cost minutes and that nothing here judges:
downloads (checked by their digest whenever they are read) and what cargo has compiled.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator, Mapping
from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from patchbot import files
from patchbot.targets import KNOWN

REPOSITORY = Path(__file__).parents[2]
KEPT = REPOSITORY / ".patchbot" / "integration"


@dataclass(frozen=True)
class Done:
    """What a run of patchbot left."""

    code: int
    out: str
    err: str

    @property
    def json(self) -> Any:  # noqa: ANN401 - JSON
        """The JSON on stdout."""
        return json.loads(self.out)


@dataclass(frozen=True)
class Project:
    """A copy of this repository's policy and patches, to work in."""

    folder: Path
    cache: Path

    def environment(self, more: Mapping[str, str] | None = None) -> dict[str, str]:
        """The sealed environment with the cache that all sessions share."""
        return {**os.environ, "PATCHBOT_CACHE": str(self.cache), **(more or {})}

    def run(self, *argv: str, timeout: float = 1500) -> Done:
        """Run patchbot in a process of its own."""
        done = subprocess.run(
            [sys.executable, "-m", "patchbot", *argv],
            cwd=self.folder,
            env=self.environment(),
            capture_output=True,
            text=True,
            timeout=timeout,
            check=False,
        )
        return Done(done.returncode, done.stdout, done.stderr)


@pytest.fixture(scope="session")
def real() -> Iterator[Project]:
    """A project with everything but compiled code and downloads made anew; one session at a time has it."""
    with files.locked(KEPT / "lock"):
        yield _anew(KEPT / "project")


@pytest.fixture(scope="session")
def elsewhere() -> Iterator[Project]:
    """A second project with the same policy and no patches, for what this repository does not carry."""
    with files.locked(KEPT / "elsewhere.lock"):
        folder = KEPT / "elsewhere"
        if folder.exists():
            shutil.rmtree(folder)
        (folder / "patches").mkdir(parents=True)
        shutil.copy(REPOSITORY / "patchbot.toml", folder)
        shutil.copy(REPOSITORY / "patches" / "policy.toml", folder / "patches")
        shutil.copytree(REPOSITORY / "patches" / "carried", folder / "patches" / "carried")
        yield Project(folder, KEPT / "cache")


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Keep the tests of one project on one worker: a second one would wait for the project's lock for ever."""
    for item in items:
        for project in ("real", "elsewhere"):
            if project in getattr(item, "fixturenames", ()):
                item.add_marker(pytest.mark.xdist_group(project))


def _empty(folder: Path, kept: AbstractSet[str]) -> None:
    for entry in folder.iterdir() if folder.is_dir() else ():
        if entry.name not in kept:
            shutil.rmtree(entry) if entry.is_dir() else entry.unlink()


def _anew(folder: Path) -> Project:
    proof = folder / ".patchbot" / "proof"
    for place, kept in ((folder, {".patchbot"}), (proof.parent, {"proof"}), (proof, {"target", *KNOWN})):
        _empty(place, kept)
    for triple in KNOWN:
        _empty(proof / triple, {"target"})
    folder.mkdir(parents=True, exist_ok=True)
    shutil.copy(REPOSITORY / "patchbot.toml", folder)
    # what somebody published from this checkout binds nobody here, and what somebody proved is to be proved
    left = shutil.ignore_patterns("published.toml", "receipts")
    shutil.copytree(REPOSITORY / "patches", folder / "patches", ignore=left)
    return Project(folder, KEPT / "cache")
