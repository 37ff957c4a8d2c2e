"""Golden cases: sources in the shape of upstream's, release by release, and the patches that they get.

A case is one file of ``tests/cases``: a comment that says what it is about, ``crate:`` lines, sources behind
``===`` lines, and behind ``###`` lines what comes out.  ``UPDATE_CASES=1 pytest tests/symbols/test_cases.py``
writes what comes out today; look at the difference before you commit it.
"""

from __future__ import annotations

import difflib
import os
import re
from dataclasses import dataclass, replace
from pathlib import Path

import pytest
from support.upstream import Crate
from symbols import small

from patchbot.model import Dependency, ImportedRelease, Kind, Names
from patchbot.symbols.rewrite import rewrite
from patchbot.symbols.scan import Scan, scan

CASES = Path(__file__).parents[1] / "cases"
FILES = sorted(CASES.glob("*.case"))
NAMES = Names(small.SUFFIX, {"wasmtime": "wasmtime_v8_0_1", "wiggle": "wiggle_v8_0_1"})


@dataclass(frozen=True)
class Case:
    """What a file says: its head, the sources, and what is expected to come out."""

    head: str
    sources: dict[str, str]
    expected: str

    @classmethod
    def read(cls, text: str) -> Case:
        before, _, expected = text.partition("\n###")
        head, *parts = re.split(r"^=== (.+)\n", before + "\n", flags=re.MULTILINE)
        sources = {path: body.rstrip("\n") + "\n" for path, body in zip(parts[::2], parts[1::2], strict=True)}
        return cls(head, sources, f"###{expected}" if expected else "")

    def release(self) -> tuple[ImportedRelease, dict[str, bytes]]:
        """Make a release: a ``crate:`` line is name, folder, and words like ``proc-macro`` or ``needs=a,b``."""
        crates, needs = [], {}
        for line in re.findall(r"^crate: (.+)$", self.head, flags=re.MULTILINE):
            name, path, *words = line.split()
            given = dict(word.partition("=")[::2] for word in words)
            rest = "[lib]\nproc-macro = true\n\n" if "proc-macro" in given else ""
            crates.append(Crate(name, path, {}, [], links=given.get("links"), rest=rest))
            needs[name] = tuple(filter(None, given.get("needs", "").split(",")))
        imported, files = small.release(crates, change=self.sources)
        pins = [
            replace(pin, entry=replace(pin.entry, dependencies=tuple(map(_dependency, needs[pin.name]))))
            for pin in imported.crates
        ]
        return replace(imported, crates=tuple(pins)), files


def _dependency(name: str) -> Dependency:
    return Dependency.from_json({"name": name, "req": "*"})


def outcome(case: Case) -> str:
    """Spell what comes out: the names by place, then each patch, then what could not be decided."""
    scanned = scan(*case.release(), small.POLICY)
    parts = [_names(scanned), *_patches(scanned), *(f"### finding\n{s.path}:{s.line}: {s.why}\n" for s in scanned.inventory.blind_spots)]  # fmt: skip
    return "\n".join(filter(None, parts))


def _names(scanned: Scan) -> str:
    rows = [
        f"{symbol.role} {symbol.kind} {symbol.name}{symbol.suffix and f' (+{symbol.suffix})'}"
        f"  {symbol.path}:{symbol.line}  {symbol.form}{symbol.cfg and f'  {symbol.cfg}'}\n"
        for symbol in scanned.inventory.symbols
    ]
    return "### names\n" + "".join(rows)


def _patches(scanned: Scan) -> list[str]:
    before = {path: data.decode("latin-1") for path, data in scanned.files.items()}
    out = []
    for patch in rewrite(scanned, small.POLICY, NAMES):
        text = f"### {patch.name}\n"
        for path, data in sorted(patch.files.items()):
            after = data.decode("latin-1")
            lines = difflib.unified_diff(
                before[path].splitlines(), after.splitlines(), path, path, n=1, lineterm=""
            )
            text += "\n".join(line.rstrip() for line in lines) + "\n"
            before[path] = after
        out.append(text)
    return out


@pytest.mark.parametrize("file", FILES, ids=[file.stem for file in FILES])
def test_case(file: Path) -> None:
    text = file.read_text(encoding="utf-8")
    case = Case.read(text)
    found = outcome(case)
    if os.environ.get("UPDATE_CASES"):
        file.write_text(text.partition("\n###")[0].rstrip("\n") + "\n\n" + found, encoding="utf-8")
    else:
        assert found == case.expected


def test_no_ops_come_first_and_change_nothing() -> None:
    no_ops = [file for file in FILES if file.stem.startswith("00-")]
    assert len(no_ops) >= 5
    assert FILES[: len(no_ops)] == no_ops
    for file in no_ops:
        scanned = scan(*Case.read(file.read_text(encoding="utf-8")).release(), small.POLICY)
        assert rewrite(scanned, small.POLICY, NAMES) == ()
        assert scanned.inventory.names(Kind.OWN) == set()
        assert scanned.inventory.blind_spots == ()


def test_every_dialect_has_a_case() -> None:
    patches = {
        line
        for file in FILES
        for line in file.read_text(encoding="utf-8").splitlines()
        if line.startswith("### ")
    }
    assert patches == {
        "### names", "### crate-paths", "### links-keys", "### suffix-c", "### suffix-c-api", "### suffix-dwarf",
        "### suffix-rust", "### suffix-s390x", "### suffix-upstream",
    }  # fmt: skip
