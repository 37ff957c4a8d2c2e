"""Files and folders that are whole or not there: written beside their place, then renamed into it."""

from __future__ import annotations

import fcntl
import glob
import os
import shutil
import tempfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from patchbot.errors import EnvironmentProblem

PASSING = ".new-"  # how a file is called while it is written; what a killed run leaves keeps the name


def read(file: Path) -> bytes | None:
    """Return the bytes of ``file``, or None if there is none.  Raises ``EnvironmentProblem`` if it cannot be read."""
    try:
        return file.read_bytes()
    except (FileNotFoundError, NotADirectoryError):
        return None
    except OSError as error:
        raise EnvironmentProblem(f"cannot be read: {error.strerror}", where=file) from None


def is_leftover(file: Path) -> bool:
    """Whether a killed run left ``file`` while it was writing another one."""
    return file.name.startswith(PASSING)


def write(file: Path, data: bytes, *, durable: bool = False) -> None:
    """Write ``file`` with its folders; readers see the old bytes or the new ones, nothing between.

    ``durable`` waits until the disk has them.  Raises ``EnvironmentProblem`` if the disk is full or the
    folder cannot be written.
    """
    with _told(file):
        file.parent.mkdir(parents=True, exist_ok=True)
        handle, name = tempfile.mkstemp(prefix=PASSING, dir=file.parent)
        try:
            with os.fdopen(handle, "wb") as out:
                out.write(data)
                if durable:
                    out.flush()
                    os.fsync(out.fileno())
            Path(name).chmod(0o644)
            Path(name).replace(file)
        except BaseException:
            Path(name).unlink(missing_ok=True)
            raise


def append(file: Path, data: bytes, *, durable: bool = True) -> None:
    """Add ``data`` to ``file``; if the disk has no room, ``file`` stays as it was.

    ``durable`` waits until the disk has it, and all that was added before.  Raises ``EnvironmentProblem`` if
    the disk is full or the folder cannot be written.
    """
    with _told(file):
        file.parent.mkdir(parents=True, exist_ok=True)
        fresh = not file.exists()
        with file.open("ab", buffering=0) as out:
            size = out.tell()
            try:
                left = memoryview(data)
                while left:
                    left = left[out.write(left) :]
                if durable:
                    os.fsync(out.fileno())
            except OSError:
                out.truncate(size)
                raise
        if fresh and durable:
            _sync_folder(file.parent)


def _sync_folder(folder: Path) -> None:
    """Wait until the disk has the names in ``folder``: a file's own bytes are not enough."""
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def replace_folder(folder: Path, files: Mapping[str, bytes]) -> None:
    """Make ``folder`` hold exactly ``files`` (name, with ``/`` for folders inside → bytes).

    What a killed run left beside it is removed first.  Callers hold a lock: two writers of one folder would
    remove each other's work.
    """
    with _told(folder):
        folder.parent.mkdir(parents=True, exist_ok=True)
        for stale in folder.parent.glob(f".{glob.escape(folder.name)}~*"):
            shutil.rmtree(stale)
        fresh = Path(tempfile.mkdtemp(prefix=f".{folder.name}~", dir=folder.parent))
        try:
            fresh.chmod(0o755)
            for name, data in files.items():
                (fresh / name).parent.mkdir(parents=True, exist_ok=True)
                (fresh / name).write_bytes(data)
            if folder.exists():
                old = Path(tempfile.mkdtemp(prefix=f".{folder.name}~", dir=folder.parent))
                folder.replace(old / "old")
                try:
                    fresh.replace(folder)
                except BaseException:
                    (old / "old").replace(folder)
                    old.rmdir()
                    raise
                shutil.rmtree(old)
            else:
                fresh.replace(folder)
        except BaseException:
            shutil.rmtree(fresh, ignore_errors=True)
            raise


@contextmanager
def locked(file: Path, *, on_wait: Callable[[], None] = lambda: None) -> Iterator[None]:
    """Hold the lock ``file``, or the folder of that name; wait for another process that has it, after ``on_wait``.

    The lock goes with the process, however it ends.
    """
    with _told(file):
        file.parent.mkdir(parents=True, exist_ok=True)
        flags = os.O_RDONLY if file.is_dir() else os.O_RDWR | os.O_CREAT
        handle = os.open(file, flags, 0o644)
    try:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            on_wait()
            fcntl.flock(handle, fcntl.LOCK_EX)
        yield
    finally:
        os.close(handle)


@contextmanager
def _told(place: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise EnvironmentProblem(
            f"cannot be written: {error.strerror}",
            where=place,
            hint="is the disk full, or the folder read-only?",
        ) from None
