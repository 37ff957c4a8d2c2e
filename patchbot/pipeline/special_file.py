"""The special file: the assembler files of every release, and what shows that they are right on a target."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from patchbot.errors import PatchbotError
from patchbot.model import JsonObject, Release
from patchbot.pipeline import assemble
from patchbot.pipeline.evidence import Receipts
from patchbot.pipeline.many import Outcome
from patchbot.pipeline.work import Workspace
from patchbot.proof.making import Bench
from patchbot.truth import Assembled, Form, SpecialFile


@dataclass(frozen=True, slots=True)
class Gathered:
    """The files of releases on one target, and the releases of which nothing is known, each with the reason."""

    target: str
    files: tuple[SpecialFile, ...]
    failed: tuple[Outcome[Assembled], ...]

    @property
    def left_out(self) -> dict[Release, str]:
        """Why a release is not among the files."""
        return {release: str(failure) for release, failure in self.failed}

    @property
    def wrong(self) -> tuple[Release, ...]:
        """The releases that somebody has to look at."""
        return tuple(dict.fromkeys(file.release for file in self.files if not file.ok))

    def to_json(self) -> JsonObject:
        """Spell the files as ``report special-file --json`` does."""
        return {
            "schema": 1,
            "target": self.target,
            "rows": [file.to_json() for file in self.files],
            "left_out": {str(release): why for release, why in self.left_out.items()},
        }


def gather(work: Workspace, releases: Sequence[Release], bench: Bench, *, jobs: int) -> Gathered:
    """Make the objects of releases on one target as ``assemble`` does; return what became of their files."""
    done = assemble.assemble_all(work, releases, [bench], jobs=jobs)
    triple = bench.target.triple
    made = [outcome for _, outcome in done if not isinstance(outcome, PatchbotError)]
    receipts = Receipts(work)
    files = tuple(
        file for found in made for file in files_of(found, triple, receipts.ran(found.release, triple))
    )
    return Gathered(triple, files, tuple(row for row in done if isinstance(row[1], PatchbotError)))


def files_of(found: Assembled, triple: str, run: tuple[str, ...]) -> Iterator[SpecialFile]:
    """Return the assembler files of a release, which receipts have ``run``, or one that says that there is none.

    They are told by their form.  Those that nothing compiles have no target: nobody knows whose they are.
    """
    rows = [row for row in found.rows if row.form is Form.ASSEMBLER and row.target in {triple, ""}]
    for row in sorted(rows, key=lambda row: row.path):
        yield SpecialFile(found.release, row, run)
    if not rows:
        yield SpecialFile(found.release, None, run)
