"""The table of the special file: a line per spell of releases in which it fares the same, as text or Markdown."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from itertools import groupby

import patchbot
from patchbot.model import Release
from patchbot.report import many
from patchbot.report.many import Spell
from patchbot.report.terminal import safe, table
from patchbot.truth import Evidence, SpecialFile, Verdict

_HEAD = (
    "releases", "count", "file", "present", "compiled", "names defined", "names suffixed", "assembled with",
    "nm", "without patches", "run under qemu", "evidence",
)  # fmt: skip
_NOTHING = "-"
_LEGEND = """\
nm: whether the object has the names of the scan, each with its suffix, and no other
without patches: the negative twin, the same file as upstream has it, must disagree
run: a receipt of `patchbot prove --target` has the release in a program that ran
none needed: the release has no such file, or nothing compiles it
"""
_COUNTED = {
    Evidence.RUN: "run",
    Evidence.ASSEMBLED: "assembled",
    Evidence.NOT_NEEDED: "need nothing",
    Evidence.NONE: "WITHOUT EVIDENCE",
}


def text(files: Sequence[SpecialFile], left_out: Mapping[Release, str]) -> str:
    """Return the table for a terminal, then remarks, and a line that counts."""
    rows = [_HEAD, *_lines(files)]
    return safe("\n".join([table(rows), _LEGEND, *_beneath(files, left_out), "", summary(files)])) + "\n"


def markdown(
    files: Sequence[SpecialFile], left_out: Mapping[Release, str], *, target: str, command: str
) -> str:
    """Return the same in Markdown, below a heading and a line that says how it was made."""
    compilers = dict.fromkeys(file.assembled for file in files if file.assembled)
    made = f"`{command}` of patchbot {patchbot.__version__}, with {', '.join(compilers) or 'no compiler'}"
    lines = [
        f"## The assembler files of {target}",
        "",
        f"Made by {made}: {summary(files)}.",
        "",
        *map(_markdown_row, (_HEAD, ("---",) * len(_HEAD), *_lines(files))),
        "",
        *(f"* {line}" for line in (*_LEGEND.splitlines(), *_beneath(files, left_out))),
    ]
    return safe("\n".join(lines)) + "\n"


def summary(files: Sequence[SpecialFile]) -> str:
    """Return how many releases and files there are, and how many have which evidence."""
    there = [file for file in files if file.row is not None]
    without = [file for file in files if file.row is None]
    counts = Counter(file.evidence for file in there)
    said = [f"{counts[evidence]} {words}" for evidence, words in _COUNTED.items() if counts[evidence]]
    ran = sum(bool(file.run) for file in without)
    return (
        f"{len({file.release for file in files})} releases; {len(there)} files: {', '.join(said) or 'none'}; "
        f"{len(without)} releases without such a file{f', {ran} of them run' if ran else ''}"
    )


_Picture = tuple[str, ...]  # the cells from ``file`` to ``without patches``


def _lines(files: Sequence[SpecialFile]) -> list[tuple[str, ...]]:
    """Return the cells of every spell, oldest first.  What ran parts no spell: it is listed in its cell."""
    shown = [
        (release, {_picture(file): file for file in group})
        for release, group in groupby(files, key=lambda file: file.release)
    ]
    releases, pictures = [release for release, _ in shown], [seen for _, seen in shown]
    spells = sorted(many.spells(pictures), key=lambda spell: (spell.first, spell.picture))
    return [_line(spell, releases, pictures) for spell in spells]


def _line(
    spell: Spell[_Picture], releases: Sequence[Release], pictures: Sequence[Mapping[_Picture, SpecialFile]]
) -> tuple[str, ...]:
    files = [seen[spell.picture] for seen in pictures[spell.first : spell.last + 1]]
    return (*many.span(releases, spell), *spell.picture, _run(files), _evidence(files))


def _picture(file: SpecialFile) -> _Picture:
    row = file.row
    if row is None:
        return ("no file", "no", *[_NOTHING] * 6)
    counts = (str(len(row.defined)), str(row.suffixed)) if file.assembled else (_NOTHING, _NOTHING)
    return (
        file.path,
        "yes",
        "yes" if file.compiled else "no",
        *counts,
        file.assembled or _NOTHING,
        _nm(row.verdict),
        {True: "disagrees", False: "AGREES", None: _NOTHING}[row.twin],
    )


def _nm(verdict: Verdict) -> str:
    if verdict is Verdict.NOT_COMPILED:
        return _NOTHING
    return verdict.value if verdict.ok else verdict.value.upper()


def _run(files: Sequence[SpecialFile]) -> str:
    """Return the releases that ran, ``all`` if none is missing."""
    ran = [str(file.release) for file in files if file.run]
    return "all" if len(ran) == len(files) else ", ".join(ran) or _NOTHING


def _evidence(files: Sequence[SpecialFile]) -> str:
    """Return the evidence that a spell has, with numbers where releases differ: ``run 2, assembled 19``."""
    counts = Counter(file.evidence for file in files)
    if len(counts) == 1:
        return files[0].evidence.value
    return ", ".join(f"{evidence.value} {counts[evidence]}" for evidence in Evidence if counts[evidence])


def _beneath(files: Sequence[SpecialFile], left_out: Mapping[Release, str]) -> list[str]:
    return many.beneath([(file.release, file.row) for file in files if file.row is not None], left_out)


def _markdown_row(cells: Sequence[str]) -> str:
    return f"| {' | '.join(cell.replace('|', '&#124;') for cell in cells)} |"
