from __future__ import annotations

from pathlib import Path

import pytest
from proof.cross.world import World


@pytest.fixture
def world(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> World:
    """A Debian 12 machine of scripts that has apt and a C compiler of its own, and nothing else."""
    return World(tmp_path / "world", monkeypatch)
