"""A series as files: an order file and a patch file per patch, as quilt and patchbot keep them."""

from __future__ import annotations

import re
from collections.abc import Iterable
from pathlib import Path, PurePosixPath

from patchbot.errors import RepositoryError, UsageError
from patchbot.series.mails.mail import Patch, parse

ORDER = "series"
SUFFIX = ".patch"
_SLUG = 52  # of a file name, as git format-patch cuts it
_OPTIONS = {"-p1"}


def read(folder: Path) -> tuple[Patch, ...]:
    """Read the patches of a folder in the order of its ``series`` file, else by name.

    Raises ``RepositoryError`` with file and line for whatever is wrong with one, ``UsageError`` without any.
    """
    return tuple(parse(data, name, where) for name, data, where in load(folder))


def load(folder: Path) -> list[tuple[str, bytes, str]]:
    """Return name, bytes and place of the patches that ``read`` reads; what is in them may be anything.

    Raises as ``read`` does for the order file, and for a file that cannot be read.
    """
    if not folder.is_dir():
        raise UsageError("no such folder", hint="--patches takes a folder of patch files")
    order = folder / ORDER
    names = _ordered(order) if order.is_file() else sorted(f.name for f in folder.glob(f"*{SUFFIX}"))
    if not names:
        raise UsageError(
            f"{folder} has no patches", hint="files that end in .patch, or a file `series` that names them"
        )
    return [(name.removesuffix(SUFFIX), _bytes(folder / name), str(folder / name)) for name in names]


def unlisted(folder: Path) -> tuple[str, ...]:
    """Return the patch files that the order file does not name."""
    order = folder / ORDER
    if not order.is_file():
        return ()
    return tuple(sorted({f.name for f in folder.glob(f"*{SUFFIX}")} - set(_ordered(order))))


def _ordered(order: Path) -> list[str]:
    names: list[str] = []
    taken: dict[str, int] = {}
    for number, line in enumerate(_bytes(order).decode("utf-8", "surrogateescape").split("\n"), 1):
        word, *options = line.partition("#")[0].split() or [""]
        where = f"{order}:{number}"
        if not word:
            continue
        name = PurePosixPath(word).as_posix()  # ./a is a
        if set(options) - _OPTIONS:
            raise RepositoryError(f"the options {' '.join(options)} are not known here", where=where)
        if Path(name).is_absolute() or ".." in Path(name).parts:
            raise RepositoryError(f"{name} is outside the folder", where=where)
        stem = name.removesuffix(SUFFIX)
        if stem in taken:
            raise RepositoryError(f"{name} stands in line {taken[stem]} already", where=where)
        if not (order.parent / name).is_file():
            raise RepositoryError(f"names {name}, which is not there", where=where)
        taken[stem] = number
        names.append(name)
    return names


def _bytes(file: Path) -> bytes:
    try:
        return file.read_bytes()
    except OSError as error:
        raise RepositoryError(f"cannot be read: {error.strerror}", where=file) from None


def slugs(subjects: Iterable[str]) -> tuple[str, ...]:
    """Return a name for each patch by its subject, no two of them alike."""
    taken: set[str] = set()
    numbers: dict[str, int] = {}
    out = []
    for subject in subjects:
        stem = re.sub(r"[^A-Za-z0-9]+", "-", subject).strip("-")[:_SLUG].strip("-") or "patch"
        name, number = stem, numbers.get(stem.lower(), 2)
        while name.lower() in taken:
            name, number = f"{stem}-{number}", number + 1
        numbers[stem.lower()] = number
        taken.add(name.lower())
        out.append(name)
    return tuple(out)
