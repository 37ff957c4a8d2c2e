"""Two releases must not have one suffix: each name of both would be one name again."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from patchbot.errors import ConfigError
from patchbot.model import Release
from patchbot.pipeline import sync
from patchbot.pipeline.work import Workspace
from patchbot.series import lock


def refuse_shared(work: Workspace, releases: Sequence[Release]) -> None:
    """Raise ``ConfigError`` if two of the releases, or one of them and a series in ``patches/``, share a suffix.

    The template may leave out ``{version}`` (for one release that is no harm), and pre-releases can be told
    apart by dots and dashes alone, which no suffix has.
    """
    taken: dict[str, Release] = {}
    for release in sorted(set(releases)):
        suffix = work.suffix(release).text
        if (other := taken.setdefault(suffix, release)) != release:
            raise _shared(suffix, other, release, "put {version} into suffix.template")
    for suffix, other in _in_patches(work, releases, taken):
        if suffix in taken:
            hint = f"put {{version}} into suffix.template, or remove patches/{other}"
            raise _shared(suffix, other, taken[suffix], hint)


def _shared(suffix: str, one: Release, other: Release, hint: str) -> ConfigError:
    return ConfigError(
        f"{one} and {other} would have one suffix, {suffix}, and their names would collide",
        where="suffix.template",
        hint=hint,
    )


def _in_patches(
    work: Workspace, releases: Sequence[Release], wanted: dict[str, Release]
) -> Iterator[tuple[str, Release]]:
    """Return the suffixes of the other series in ``patches/``; one that has none of ``wanted`` is not parsed."""
    words = [suffix.encode() for suffix in wanted]
    for other in sync.committed_releases(work.config.patches):
        if other in releases:
            continue
        file = work.config.patches / str(other) / lock.FILE_NAME
        data = file.read_bytes()
        if any(word in data for word in words):
            yield lock.parse(data, where=file).suffix.text, other
