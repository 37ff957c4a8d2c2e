"""A process that publishes to a registry of a test, and dies where it is told to."""

from __future__ import annotations

import os
import signal
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import cast

from registry import parcels
from registry.faulty import Faulty, Scaled

from patchbot import files
from patchbot.registry.remote.plan import Parcel


def release() -> list[Parcel]:
    """Return what is published: one crate on another, and one alone."""
    return [parcels.parcel("base"), parcels.parcel("left", ("base",)), parcels.parcel("alone")]


def dying(after: int, *, torn: bool) -> None:
    """Let this process end at its n-th write to a journal: after it, or in the middle of it."""
    real = files.append
    count = 0

    def append(file: Path, data: bytes, *, durable: bool = True) -> None:
        nonlocal count
        count += 1
        real(file, data[: len(data) // 2] if torn and count == after else data, durable=durable)
        if count == after:
            os.kill(os.getpid(), signal.SIGKILL)

    files.append = append


def main() -> None:
    """Publish; the arguments are the registry's URL, its token, a folder, a number of writes, and how to end."""
    url, token, folder, after, how = sys.argv[1:]
    if after != "0":
        dying(int(after), torn=how == "torn")
    clock = Scaled()
    there = cast("Faulty", SimpleNamespace(index=f"sparse+{url}/index/", token=token, clock=clock))
    parcels.run(there, Path(folder), release())
