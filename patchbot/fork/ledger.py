"""``patches/published.toml``: what was ever published, so that no name is used again for other bytes.

A registry refuses other bytes under a name that it holds; a fresh clone has no registry at hand, and a build
machine none that lasts.  The ledger is committed, so everybody knows.  Names mean something within one
registry, which its canonical index says: what another index holds is another crate to cargo.
"""

from __future__ import annotations

import json
import re
import tomllib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Any

from patchbot.errors import ConfigError, UsageError
from patchbot.model import ClosureMode, ForkedRelease, Release, registry_key

FILE_NAME = "published.toml"
SCHEMA = 1

_HEAD = """\
# What was published, by registry and release. `patchbot publish` adds to it, `patchbot fork` refuses other
# bytes under a name that stands here. Commit it.
"""
_SHA256 = re.compile(r"[0-9a-f]{64}")


@dataclass(frozen=True, slots=True, order=True)
class PublishedCrate:
    """A name that is taken: the crate under it, of the upstream crate of that name."""

    name: str
    version: str
    sha256: str
    upstream: str


@dataclass(frozen=True, slots=True)
class PublishedRelease:
    """The crates of one release and revision that were published to the registry with this ``index``."""

    index: str
    release: Release
    revision: int
    closure: ClosureMode
    series: str
    crates: tuple[PublishedCrate, ...]

    @classmethod
    def of(cls, forks: ForkedRelease) -> PublishedRelease:
        """Return what publishing these forks adds to a ledger."""
        crates = (
            PublishedCrate(c.entry.name, c.entry.version, c.entry.sha256, c.upstream.name)
            for c in forks.crates
        )
        return cls(
            forks.index, forks.release, forks.revision, forks.closure, forks.series, tuple(sorted(crates))
        )

    @property
    def key(self) -> tuple[str, Release, int]:
        """What there is one of."""
        return (self.index, self.release, self.revision)


@dataclass(frozen=True, slots=True)
class Ledger:
    """Everything that was published; ``releases`` in the order of their keys."""

    releases: tuple[PublishedRelease, ...] = ()

    def find(self, index: str, release: Release, revision: int) -> PublishedRelease | None:
        """Return what was published of a release, if anything."""
        return next((row for row in self.releases if row.key == (index, release, revision)), None)

    def revisions(self, index: str, release: Release) -> tuple[int, ...]:
        """Return the revisions of a release that were published."""
        return tuple(row.revision for row in self.releases if (row.index, row.release) == (index, release))


@dataclass(frozen=True, slots=True)
class Refusal:
    """Why a fork cannot have its name: who has it, and what of the release has changed since."""

    release: Release
    what: str
    why: str


def refusals(ledger: Ledger, forks: Iterable[ForkedRelease]) -> list[Refusal]:
    """Return a refusal for every fork whose name was published with other bytes, or for another crate.

    A revision of a release has one closure and one series, even where its names are new.  Names that a registry cannot tell apart (by case, or by ``-`` and ``_``) are one name.
    """
    taken = {
        (row.index, registry_key(crate.name)): (row, crate) for row in ledger.releases for crate in row.crates
    }
    found: list[Refusal] = []
    for release in forks:
        wanted = PublishedRelease.of(release)
        row = ledger.find(*wanted.key)
        theirs = [
            Refusal(wanted.release, _what(*there, crate), _why(there[0], wanted))
            for crate in wanted.crates
            if (there := taken.get((wanted.index, registry_key(crate.name)))) is not None
            and there[1] != crate
        ]
        if not theirs and row is not None and (row.closure, row.series) != (wanted.closure, wanted.series):
            what = f"revision {row.revision} of {row.release} is published with other crates"
            theirs = [Refusal(wanted.release, what, _why(row, wanted))]
        found += theirs
    return found


def _what(row: PublishedRelease, there: PublishedCrate, crate: PublishedCrate) -> str:
    if (there.name, there.upstream) != (crate.name, crate.upstream):
        return (
            f"{crate.name} would be {crate.upstream}, and {there.name} is published already as "
            f"{there.upstream} of {row.release}"
        )
    if there.version != crate.version:
        return f"{crate.name} is published as {there.version}, and would now be {crate.version}"
    return f"{crate.name} {crate.version} is published as {there.sha256}, and would now be {crate.sha256}"


def _why(row: PublishedRelease, wanted: PublishedRelease) -> str:
    if row.key != wanted.key:
        return f"the name belongs to {row.release}, revision {row.revision}"
    if row.closure is not wanted.closure:
        return f"it was forked with the closure {row.closure}, and is now with {wanted.closure}"
    if row.series != wanted.series:
        return f"the series of {row.release} has changed since"
    return "the series is the same: what patchbot itself writes into forks has changed"


def with_published(ledger: Ledger, forks: Iterable[ForkedRelease]) -> Ledger:
    """Return the ledger with these forks; nothing of what stands in it changes or goes."""
    rows = {row.key: row for row in ledger.releases}
    for release in forks:
        new = PublishedRelease.of(release)
        known = rows.get(new.key)
        crates = new.crates if known is None else tuple(sorted({*known.crates, *new.crates}))
        rows[new.key] = replace(known or new, crates=crates)
    return Ledger(tuple(rows[key] for key in sorted(rows)))


def render(ledger: Ledger) -> bytes:
    """Spell a ledger; the same one gives the same bytes.  A line per crate, so that git merges it."""
    blocks = [_HEAD + f"schema = {SCHEMA}\n"]
    for row in sorted(ledger.releases, key=lambda row: row.key):
        lines = [
            "[[release]]",
            f"release = {_string(str(row.release))}",
            f"revision = {row.revision}",
            f"index = {_string(row.index)}",
            f"closure = {_string(row.closure)}",
            f"series = {_string(row.series)}",
            "crates = [",
            *(f"  {_crate(crate)}," for crate in sorted(row.crates)),
            "]",
        ]
        blocks.append("\n".join(lines) + "\n")
    return "\n".join(blocks).encode()


def _crate(crate: PublishedCrate) -> str:
    words = {"name": crate.name, "version": crate.version, "sha256": crate.sha256, "upstream": crate.upstream}
    return f"{{ {', '.join(f'{key} = {_string(word)}' for key, word in words.items())} }}"


def _string(text: str) -> str:
    """Spell a TOML string: as JSON does, but for DEL, and for rare characters, which JSON escapes in halves."""
    return json.dumps(text, ensure_ascii=False).replace("\x7f", "\\u007f")


def parse(data: bytes, *, where: object) -> Ledger:
    """Read a ledger; raise ``ConfigError`` if it is none, or says two things of one name."""
    try:
        table = tomllib.loads(data.decode())
        _known_schema(table["schema"])
        rows = [_release(row) for row in table.get("release", [])]
        _refuse_contradictions(rows)
    except (ValueError, KeyError, TypeError, UsageError) as error:
        raise ConfigError(
            f"is no list of what was published: {error!r}",
            where=where,
            hint="restore it from git: without it, names could be used twice",
        ) from None
    return Ledger(tuple(sorted(rows, key=lambda row: row.key)))


def _known_schema(schema: object) -> None:
    if schema != SCHEMA:
        raise ValueError(f"its schema is {schema}, and this patchbot knows {SCHEMA}")


def _release(row: dict[str, Any]) -> PublishedRelease:
    revision = row["revision"]
    if not isinstance(revision, int) or isinstance(revision, bool) or revision < 1:
        raise ValueError(f"{revision!r} is no revision")
    crates = [
        PublishedCrate(**{key: _word(value) for key, value in crate.items()}) for crate in row["crates"]
    ]
    for crate in crates:
        if _SHA256.fullmatch(crate.sha256) is None:
            raise ValueError(f"{crate.sha256!r} is no sha256")
    return PublishedRelease(
        index=_word(row["index"]),
        release=Release.parse(_word(row["release"])),
        revision=revision,
        closure=ClosureMode(row["closure"]),
        series=_word(row["series"]),
        crates=tuple(sorted(crates)),
    )


def _word(value: object) -> str:
    if not isinstance(value, str):
        raise TypeError(f"{value!r} is no text")
    return value


def _refuse_contradictions(rows: Sequence[PublishedRelease]) -> None:
    """Raise ``ValueError`` if a merge has left two rows of one release, or two crates of one name."""
    keys: set[tuple[str, Release, int]] = set()
    names: set[tuple[str, str]] = set()
    for row in rows:
        if row.key in keys:
            raise ValueError(f"{row.release} stands twice, in revision {row.revision} for {row.index}")
        keys.add(row.key)
        for crate in row.crates:
            name = (row.index, registry_key(crate.name))
            if name in names:
                raise ValueError(f"{crate.name} stands twice for {row.index}")
            names.add(name)
