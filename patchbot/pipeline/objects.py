"""The objects of one release, target by target: made, read with ``nm``, and held against its scan."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from patchbot.model import ImportedRelease, Kind
from patchbot.pipeline import sync
from patchbot.pipeline.work import Workspace
from patchbot.proof import assembled, making
from patchbot.proof.assembled import ObjectName
from patchbot.proof.making import Bench
from patchbot.targets import Target
from patchbot.truth import Expected, Form, MacroFile, OwnNames, Row, Source, TextFile, Verdict

if TYPE_CHECKING:
    from patchbot.symbols.compiled.inputs import Inputs, OnTarget
    from patchbot.symbols.scan import Scan

# Macros are expanded by rustc for the machine's own target; for this one where there is no rustc to ask.
_USUAL_HOST = "x86_64-unknown-linux-gnu"


@dataclass(frozen=True, slots=True)
class Subject:
    """A release with its patches: its scan, and what compilers get of it; and without patches, for the twins."""

    scan: Scan
    patched: Inputs
    bare: Inputs
    names: OwnNames

    @property
    def versioned(self) -> bool:
        """Whether upstream appends its version to most names."""
        return bool(self.scan.inventory.upstream_suffix)


def subject_of(work: Workspace, imported: ImportedRelease, tree: str) -> Subject:
    """Read a release as upstream has it, and with the patches that give ``tree``."""
    from patchbot.symbols.compiled.inputs import Inputs  # noqa: PLC0415
    from patchbot.symbols.corpus import Corpus  # noqa: PLC0415 - parsers load only where needed
    from patchbot.symbols.scan import scan_suffixed  # noqa: PLC0415

    suffix = work.suffix(imported.release)
    work.readings.turn()
    bare = Corpus(imported, sync.read_sources(work, imported.tree), work.readings)
    sources = sync.read_sources(work, tree)
    scan = scan_suffixed(imported, sources, work.policy.names, suffix, work.readings)
    names = OwnNames(scan.inventory.names(Kind.OWN), suffix.text)
    return Subject(scan, Inputs(scan.corpus, suffix.text), Inputs(bare, ""), names)


class Objects:
    """Makes a release's objects; ``memory`` is where what ``nm`` said of an input is kept."""

    def __init__(self, subject: Subject, memory: Path, on_source: Callable[[str], None]) -> None:
        self._subject = subject
        self._memory = memory
        self._on_source = on_source
        self._inline: set[str] = set()
        self._twinned: set[tuple[Form, str]] = set()
        self._bare_views: dict[str, OnTarget] = {}

    @property
    def inline(self) -> tuple[str, ...]:
        """The files with ``asm!`` in functions, of the targets so far."""
        return tuple(sorted(self._inline))

    def rows(self, benches: Sequence[Bench]) -> tuple[Row, ...]:
        """Return a row for each source on each target, and for each file that nothing compiles."""
        hosts = {bench.target.triple for bench in benches if bench.rustc is not None} or {_USUAL_HOST}
        rows = [row for bench in benches for row in self._on(bench, macros=bench.target.triple in hosts)]
        for path, crate in self._subject.patched.idle():
            form = Form.ASSEMBLER if path.lower().endswith((".s", ".asm")) else Form.C
            rows.append(Row(path=path, crate=crate, form=form, target="", verdict=Verdict.NOT_COMPILED))
        return tuple(rows)

    def _on(self, bench: Bench, *, macros: bool) -> Iterator[Row]:
        from patchbot.symbols.compiled.expected import Expectations  # noqa: PLC0415 - parsers load only where needed

        view = self._subject.patched.on(bench.target)
        self._inline.update(view.inline())
        sources = _sources(self._subject.patched, view, macros=macros)
        expectations = Expectations(self._subject.scan, self._subject.names.suffix, bench.target)
        sizes: dict[str, int] = {}
        for source in sources:
            self._on_source(f"{source.path}, {bench.target.triple}")
            yield self._row(source, bench, expectations.of(source), sizes)
        missed: dict[tuple[str, Form], list[str]] = {}
        for path, form, name in expectations.uncovered(sources):
            missed.setdefault((path, form), []).append(f"the scan has {name} here, and nothing makes it")
        for (path, form), problems in missed.items():
            yield self._missed(path, form, bench.target, problems)

    def _missed(self, path: str, form: Form, target: Target, problems: Sequence[str]) -> Row:
        return Row(
            path=path,
            crate=self._subject.scan.corpus.crate_of.get(path, ""),
            form=form,
            target=target.triple,
            verdict=Verdict.DISAGREES,
            problems=tuple(problems),
        )

    def _row(self, source: Source, bench: Bench, expected: Expected, sizes: dict[str, int]) -> Row:
        """Return what becomes of a source; ``sizes`` are those of the texts so far, for the macros."""
        row = Row(
            path=source.path,
            crate=source.crate,
            form=source.form,
            target=bench.target.triple,
            verdict=Verdict.AGREES,
            obstacle=source.obstacle,
        )
        tool = bench.tool(source)
        if isinstance(source, TextFile) and not source.texts:
            return replace(row, verdict=Verdict.IMPOSSIBLE)
        if tool is None:
            missing = (bench.missing,) if bench.missing and isinstance(source, MacroFile) else ()
            return replace(row, verdict=Verdict.NO_COMPILER, notes=(*row.notes, *missing))
        made = making.make(source, bench, self._memory)
        row = replace(row, compiler=tool.name, seconds=made.seconds, known=made.known)
        if made.failure:
            return replace(row, verdict=Verdict.REFUSED, problems=tuple(made.failure.splitlines()))
        found = assembled.names_of(made.names, source.form)
        if isinstance(source, TextFile):
            sizes.update({name.name: name.size for name in found if name.defined})
        return self._beside_twin(self._judged(row, found, expected, sizes), source, bench, expected)

    def _judged(
        self, row: Row, found: Sequence[ObjectName], expected: Expected, sizes: Mapping[str, int]
    ) -> Row:
        names = self._subject.names
        problems = assembled.compare(found, expected, names)
        if row.form is Form.MACROS:
            problems = (*problems, *assembled.other_sizes(found, sizes))
        defined = tuple(sorted(name.name for name in found if name.defined))
        imported = tuple(sorted(n.name for n in found if not n.defined and n.name in expected.imported))
        return replace(
            row,
            verdict=Verdict.DISAGREES if problems else Verdict.AGREES,
            defined=defined,
            imported=imported,
            suffixed=sum(name.endswith(names.suffix) for name in defined),
            problems=problems,
            notes=(*row.notes, *assembled.strangers(found, names, row.form)),
        )

    def _beside_twin(self, row: Row, source: Source, bench: Bench, expected: Expected) -> Row:
        """Try the source as upstream has it, on the first target that can: it must disagree.

        From 12 on rustc would have to compile upstream's own macros once more for each release, and the
        twins of the other forms say it all.
        """
        key = (source.form, source.path)
        has_own = any(
            name.endswith(self._subject.names.suffix) for name in expected.defined | expected.imported
        )
        spared = isinstance(source, MacroFile) and self._subject.versioned
        if key in self._twinned or not has_own or spared:
            return row
        twins = _sources(self._subject.bare, self._bare(bench.target), macros=isinstance(source, MacroFile))
        twin = next((twin for twin in twins if (twin.form, twin.path) == key), None)
        if twin is None or (isinstance(twin, TextFile) and not twin.texts):
            return replace(row, notes=(*row.notes, "without patches it is not there"))
        made = making.make(twin, bench, self._memory)
        if made.failure:  # the fiber file of 12 to 23 for arm: its names do not even agree with each other
            note = f"without patches it cannot be made: {made.failure.splitlines()[0]}"
            return replace(row, notes=(*row.notes, note))
        self._twinned.add(key)
        found = assembled.names_of(made.names, twin.form)
        if assembled.compare(found, expected, self._subject.names):
            return replace(row, twin=True)
        return replace(row, twin=False, problems=(*row.problems, "without patches it has the same names"))

    def _bare(self, target: Target) -> OnTarget:
        if target.triple not in self._bare_views:
            self._bare_views[target.triple] = self._subject.bare.on(target)
        return self._bare_views[target.triple]


def _sources(inputs: Inputs, view: OnTarget, *, macros: bool) -> tuple[Source, ...]:
    """Return everything that becomes an object on a target; texts before the macros that make them."""
    from patchbot.symbols.compiled.verbatim import macro_files  # noqa: PLC0415 - parsers load only where needed

    expanded = macro_files(view) if macros else ()
    return (*inputs.compiled(view.target), *view.texts(), *expanded)
