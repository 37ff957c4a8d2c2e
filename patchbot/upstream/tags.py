"""``patches/tags.toml``: what upstream's tags named when a release was first made with ``--git``.  Pure."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass

import tomlkit

from patchbot.errors import ConfigError, UsageError
from patchbot.model import Release

FILE_NAME = "tags.toml"
SCHEMA = 1

_ID = re.compile(r"[0-9a-f]{40}|[0-9a-f]{64}")


@dataclass(frozen=True, slots=True)
class Tag:
    """A release's tag: its name, and the ids of the commit and tree that it names; annotations are followed."""

    release: Release
    name: str
    commit: str
    tree: str


def name_of(release: Release) -> str:
    """Return what upstream calls the tag of a release."""
    return f"v{release}"


def release_of(name: str) -> Release:
    """Return the release that a tag is for; raise ``UsageError`` if it is no release's tag."""
    try:
        if name.startswith("v"):
            return Release.parse(name[1:])
    except UsageError:
        pass
    raise UsageError(
        f"{name!r} is not the tag of a release",
        hint="upstream's releases have tags such as v8.0.1 or v50.0.0-rc.1; no other revision is read",
    )


def render(tags: Mapping[Release, Tag]) -> bytes:
    """Spell tags, oldest release first; the same tags give the same bytes."""
    document = tomlkit.document()
    document.add(
        tomlkit.comment("Written by `patchbot sync --git`: what each tag named when it was first seen.")
    )
    document["schema"] = SCHEMA
    rows = tomlkit.aot()
    for _, tag in sorted(tags.items()):
        row = tomlkit.table()
        row["release"] = str(tag.release)
        row["tag"] = tag.name
        row["commit"] = tag.commit
        row["tree"] = tag.tree
        rows.append(row)
    document["tag"] = rows
    return tomlkit.dumps(document).encode()


def parse(data: bytes, *, where: object) -> dict[Release, Tag]:
    """Read what ``render`` wrote; raise ``ConfigError`` if it is something else."""
    try:
        table = tomllib.loads(data.decode())
        _known_schema(table["schema"])
        tags = [
            Tag(Release.parse(row["release"]), row["tag"], _id(row["commit"]), _id(row["tree"]))
            for row in table.get("tag", [])
        ]
    except (ValueError, KeyError, TypeError, AttributeError, UsageError) as error:
        raise ConfigError(
            f"is no list of tags: {error}",
            where=where,
            hint="take it back from your history; without it nobody can tell that a tag was moved",
        ) from None
    return {tag.release: tag for tag in tags}


def _known_schema(schema: object) -> None:
    if schema != SCHEMA:
        raise ValueError(f"its schema is {schema}, and this patchbot knows {SCHEMA}")


def _id(value: str) -> str:
    if _ID.fullmatch(value) is None:
        raise ValueError(f"{value!r} is no object id")
    return value
