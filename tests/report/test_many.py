from __future__ import annotations

from patchbot.model import Release
from patchbot.report import many
from patchbot.report.many import Spell


def test_spells_are_runs_of_places() -> None:
    assert many.spells([]) == []
    assert many.spells([["a", "b"], ["a"], [], ["a", "b", "b"]]) == [
        Spell("a", 0, 1), Spell("a", 3, 3), Spell("b", 0, 0), Spell("b", 3, 3),
    ]  # fmt: skip


def test_a_span_has_two_cells() -> None:
    releases = [Release(8, 0, 0), Release(8, 0, 1), Release(9, 0, 0)]
    assert many.span(releases, Spell("a", 0, 2)) == ("8.0.0 to 9.0.0", "3")
    assert many.span(releases, Spell("a", 1, 1)) == ("8.0.1", "1")
