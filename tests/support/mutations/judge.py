"""What became of a mutation: it is suffixed, reported, clean, or something that must not be."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from functools import cached_property

from patchbot.model import Inventory, Kind, NamePolicy, Names, Suffix
from patchbot.symbols.readings import Readings
from patchbot.symbols.rewrite import rewrite
from patchbot.symbols.scan import Scan, scan
from support.mutations.model import Host, Mutation, Outcome, Use

Rows = Counter[tuple[str, str, str, str]]


@dataclass
class Judge:
    """Judges mutations of one release."""

    host: Host
    policy: NamePolicy
    suffix: Suffix
    readings: Readings

    @cached_property
    def before(self) -> Rows:
        """The symbols of the release as it is; it must have no blind spots, or nothing can be told."""
        found = self.scan(dict(self.host.files)).inventory
        assert found.blind_spots == ()
        return _rows(found)

    def scan(self, files: dict[str, bytes]) -> Scan:
        # the readings are never told that a release ends: all mutations share what they do not touch
        return scan(self.host.imported, files, self.policy, self.readings)

    def verdict(self, row: Mutation) -> str:
        """Return the outcome of a row, or a sentence that is none."""
        assert self.before
        scanned = self.scan(row.put_into(self.host))
        if scanned.inventory.blind_spots:
            return self._reported(row, scanned.inventory)
        new = _rows(scanned.inventory) - self.before
        if row.use is not Use.DEFINE:
            new = Counter({r: n for r, n in new.items() if not r[2].endswith("mutant_definition.rs")})
        listed = any(self._is_listed(row, *found) for found in new)
        changed = self._rewritten(scanned)
        place, edited = row.place(self.host), row.place_of_edit(self.host)
        spelled = row.spelled.format(suffix=self.suffix).encode()
        if (listed or row.use is Use.MENTION) and spelled in changed.get(edited, b""):
            return Outcome.SUFFIXED
        touched = row.text.strip().encode() not in changed.get(place, scanned.files.get(place, b""))
        if new or (touched and row.outcome is Outcome.CLEAN):
            return f"half done: {sorted(new)} {changed.get(edited, b'').decode(errors='replace')[-400:]}"
        return Outcome.CLEAN if row.outcome is Outcome.CLEAN else "missed"

    def _is_listed(self, row: Mutation, name: str, role: str, path: str, kind: str) -> bool:
        wanted = (row.name, row.use.value, row.place(self.host), Kind.OWN.value)
        return (name, role, path, kind) == wanted

    def _reported(self, row: Mutation, found: Inventory) -> str:
        place = row.place(self.host)
        here = [spot for spot in found.blind_spots if spot.path == place and row.says in spot.why]
        told = "; ".join(f"{spot.path}:{spot.line}: {spot.why}" for spot in found.blind_spots)
        return Outcome.REPORTED if here and row.outcome is not Outcome.CLEAN else f"reported: {told}"

    def _rewritten(self, scanned: Scan) -> dict[str, bytes]:
        out: dict[str, bytes] = {}
        for done in rewrite(scanned, self.policy, Names(self.suffix)):
            out |= done.files
        return out


def _rows(inventory: Inventory) -> Rows:
    return Counter((s.name, s.role.value, s.path, s.kind.value) for s in inventory.symbols)
