"""The screens of assembled truth: a release's objects one by one, and all releases at a glance."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from patchbot.model import JsonObject, Release
from patchbot.report import many
from patchbot.report.many import Spell
from patchbot.report.terminal import safe, table
from patchbot.truth import Assembled, Form, Row, Verdict

_MARKS = {
    Verdict.AGREES: "+",
    Verdict.DISAGREES: "!",
    Verdict.REFUSED: "!",
    Verdict.IMPOSSIBLE: "x",
    Verdict.NO_COMPILER: "?",
    Verdict.NOT_COMPILED: "-",
}
_ALL_THE_SAME = "*"
_MEANS = {
    **{mark: verdict.value for verdict, mark in reversed(_MARKS.items())},
    _ALL_THE_SAME: Verdict.AGREES.value,
}
_NOT_THERE = "."
_LEGEND = """\
+ nm agrees with the scan   * so it does, and nobody can compile the file as it is   ! look at it
x cannot be compiled on that target   ? no compiler here   - present, and nothing compiles it   . not there
"""
_COUNTED = {
    Verdict.AGREES: "agree",
    Verdict.DISAGREES: "DISAGREE",
    Verdict.REFUSED: "DO NOT COMPILE",
    Verdict.IMPOSSIBLE: "cannot be compiled on their target",
    Verdict.NO_COMPILER: "have no compiler here",
    Verdict.NOT_COMPILED: "are compiled by nothing",
}

_SHORT = {"unknown-linux-gnu": "", "unknown-linux-gnueabihf": "", "unknown-none": "none", "apple-darwin": "mac",
          "pc-windows-msvc": "msvc", "pc-windows-gnu": "mingw"}  # fmt: skip


def release(found: Assembled) -> str:
    """Return the table of one release: a line per file and target, then what is to be said of some."""
    rows: list[tuple[str, ...]] = [
        ("  file", "form", "target", "verdict", "defined", "suffixed", "used", "seconds")
    ]
    rows += [_line(row) for row in sorted(found.rows, key=lambda row: (row.path, row.form))]
    said = [f"  {line}" for row in found.rows for line in _remarks(row)]
    if found.inline:
        said.append(f"  asm! in functions makes no object, and no names: {', '.join(found.inline)}")
    head = [f"wasmtime {found.release}, suffix {found.suffix}", "", table(rows)]
    return safe("\n".join([*head, *said, *([""] if said else []), _summary([found])])) + "\n"


def _line(row: Row) -> tuple[str, ...]:
    counts = ("", "", "")
    if row.verdict in {Verdict.AGREES, Verdict.DISAGREES}:
        counts = (str(len(row.defined)), str(row.suffixed), str(len(row.imported)))
    seconds = "known" if row.known else f"{row.seconds:.2f}"
    return (
        f"  {row.path}",
        row.form.value,
        row.target,
        row.verdict.value,
        *counts,
        seconds if row.compiler else "",
    )


def matrix(releases: Sequence[Assembled], left_out: Mapping[Release, str]) -> str:
    """Return all releases at a glance: file and form, a range of releases, names, and a mark per target.

    ``left_out`` are releases of which no object could be made, each with the reason.
    """
    targets = _targets(releases)
    names = [found.release for found in releases]
    rows = [("file", "form", "releases", "", "defined", "suffixed", *map(_short, targets))]
    for spell in _spells(releases, targets):
        seen = spell.picture
        counts = (str(seen.defined), str(seen.suffixed))
        rows.append((seen.path, seen.form.value, *many.span(names, spell), *counts, *seen.marks))
    said = many.beneath([(found.release, row) for found in releases for row in found.rows], left_out)
    return safe("\n".join([table(rows), _LEGEND, *said, "", _summary(releases)])) + "\n"


def matrix_to_json(releases: Sequence[Assembled]) -> list[JsonObject]:
    """Spell the rows of the matrix."""
    targets = _targets(releases)
    return [
        {
            "path": spell.picture.path,
            "form": spell.picture.form.value,
            "first": str(releases[spell.first].release),
            "last": str(releases[spell.last].release),
            "releases": spell.count,
            "defined": spell.picture.defined,
            "suffixed": spell.picture.suffixed,
            "targets": {
                triple: _MEANS[mark]
                for triple, mark in zip(targets, spell.picture.marks, strict=True)
                if mark != _NOT_THERE
            },
        }
        for spell in _spells(releases, targets)
    ]


@dataclass(frozen=True, slots=True)
class _Picture:
    """How a file fared in a release: names defined, those with the suffix, and a mark per target."""

    path: str
    form: Form
    defined: int
    suffixed: int
    marks: tuple[str, ...]


def _spells(releases: Sequence[Assembled], targets: Sequence[str]) -> list[Spell[_Picture]]:
    """Return how each file fared, over releases that follow each other; file by file."""
    shown = [
        [_picture(*key, rows, targets) for key, rows in _by_source(found.rows).items()] for found in releases
    ]
    return sorted(many.spells(shown), key=lambda spell: (spell.picture.path, spell.picture.form, spell.first))


def _picture(path: str, form: Form, rows: Sequence[Row], targets: Sequence[str]) -> _Picture:
    marks = {row.target: _mark(row) for row in rows}
    other = marks.get("", _NOT_THERE)  # a file that nothing compiles has one row, of no target
    most = max(rows, key=lambda row: len(row.defined))
    return _Picture(
        path, form, len(most.defined), most.suffixed, tuple(marks.get(target, other) for target in targets)
    )


def _by_source(rows: Sequence[Row]) -> dict[tuple[str, Form], list[Row]]:
    out: dict[tuple[str, Form], list[Row]] = {}
    for row in rows:
        out.setdefault((row.path, row.form), []).append(row)
    return out


def _mark(row: Row) -> str:
    if not row.ok:
        return _MARKS[Verdict.DISAGREES]
    if row.verdict is Verdict.AGREES and row.obstacle:
        return _ALL_THE_SAME
    return _MARKS[row.verdict]


def _targets(releases: Sequence[Assembled]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(row.target for found in releases for row in found.rows if row.target))


def _short(triple: str) -> str:
    """Return a heading for a target: ``s390x``, ``x86_64 mingw``."""
    machine, _, rest = triple.partition("-")
    return f"{machine} {_SHORT.get(rest, rest)}".strip()


def _remarks(row: Row) -> Iterator[str]:
    yield from many.wrong(row)
    yield from (f"{row.path}, {row.target}: {note}" for note in many.said(row))


def _summary(releases: Sequence[Assembled]) -> str:
    """Return the last line: how many objects agree, and what became of the others and of the twins."""
    rows = [row for found in releases for row in found.rows]
    counts = Counter(row.verdict for row in rows)
    said = [f"{counts[verdict]} {words}" for verdict, words in _COUNTED.items() if counts[verdict]]
    twins = [row.twin for row in rows if row.twin is not None]
    together = f"{len(releases)} releases, " if len(releases) != 1 else ""
    return f"{together}{len(rows)} objects: {', '.join(said)}; {_twins(twins)}"


def _twins(twins: Sequence[bool]) -> str:
    if not twins:
        return "none was tried without patches"
    passed = twins.count(False)
    end = f"{passed} AGREE" if passed else "and all disagree, as they must"
    return f"tried without patches: {len(twins)}, {end}"
