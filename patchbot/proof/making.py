"""Make the object of a source and read its names; the same input is compiled once, whatever release has it."""

from __future__ import annotations

import hashlib
import re
import tempfile
import time
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from patchbot import files, state, tools
from patchbot.proof import expander, texts
from patchbot.proof.assembled import ObjectName, parse_nm
from patchbot.proof.compilers import TIMEOUT, Compiler, Rustc, environment
from patchbot.proof.expander import Shelf
from patchbot.targets import Target
from patchbot.truth import CompiledFile, MacroFile, Source, TextFile

WORDS = 6  # lines of what a compiler says


@dataclass(frozen=True, slots=True)
class Bench:
    """The tools for one target.  ``missing`` says why there is no ``shelf`` for macros."""

    target: Target
    cc: Compiler | None = None
    rustc: Rustc | None = None
    shelf: Shelf | None = None
    missing: str = ""

    @property
    def assembler(self) -> Compiler | Rustc | None:
        """What reads assembler text of Rust: rustc where it can, which is what will read it in a build."""
        return self.rustc or self.cc

    def tool(self, source: Source) -> Compiler | Rustc | None:
        """Return what makes the object of a source, or None if this machine has nothing."""
        match source:
            case CompiledFile():
                return self.cc
            case TextFile():
                return self.assembler
            case _:
                return self.rustc if self.shelf is not None else None


@dataclass(frozen=True, slots=True)
class Made:
    """The names of an object, or why there is none (``failure``)."""

    names: tuple[ObjectName, ...] = ()
    failure: str = ""
    seconds: float = 0.0
    known: bool = False


def make(source: Source, bench: Bench, memory: Path) -> Made:
    """Return what ``nm`` says of the object of a source; its tool must be there (``Bench.tool``).

    ``memory`` is the folder where results are kept by the digest of everything that goes into them.
    """
    key = _key(source, bench)
    file = memory / key[:2] / f"{key[2:]}.json"
    if (known := state.recall(file, key)) is not None:
        return _read(known)
    started = time.monotonic()
    made = _make(source, bench)
    seconds = time.monotonic() - started
    state.remember(
        file,
        key,
        {"failure": made.failure, "seconds": round(seconds, 3), "names": [asdict(n) for n in made.names]},
    )
    return Made(made.names, made.failure, seconds)


def _read(known: Mapping[str, Any]) -> Made:
    names = tuple(ObjectName(**name) for name in known["names"])
    return Made(names, known["failure"], known["seconds"], known=True)


def _key(source: Source, bench: Bench) -> str:
    tool = bench.tool(source)
    assert tool is not None  # noqa: S101 - callers ask for the tool first
    flags = tool.flags if isinstance(tool, Compiler) else ()
    return state.key(state.code("proof"), tool.version, flags, bench.target.triple, *_input(source, bench))


def _input(source: Source, bench: Bench) -> list[object]:
    match source:
        case CompiledFile(path=path, folder=folder, files=read, defines=defines):
            digests = [(name, hashlib.sha256(data).hexdigest()) for name, data in sorted(read.items())]
            return [path, folder, defines, digests]
        case TextFile():
            return [_text(source, bench)]
        case MacroFile():
            root = expander.root(source, Path("/"))
            return [
                source.edition,
                source.features,
                source.modules,
                source.crates,
                root,
                expander.shelf_identity(),
            ]
        case _:
            raise TypeError(source)


def _make(source: Source, bench: Bench) -> Made:
    with tempfile.TemporaryDirectory(prefix="patchbot-object-") as name:
        folder = Path(name)
        match source:
            case CompiledFile():
                out, done = _compiled(source, bench, folder)
            case TextFile():
                out, done = _assembled(source, bench, folder)
            case MacroFile():
                out, done = _expanded(source, bench, folder)
            case _:
                raise TypeError(source)
        tool = bench.tool(source)
        assert tool is not None  # noqa: S101 - callers ask for the tool first
        return _names(out, tool.nm, folder) if done.ok else Made(failure=_words(done, folder))


def _names(file: Path, nm: str, folder: Path) -> Made:
    done = tools.run([nm, "-P", "-g", file], env=environment())
    try:
        names = parse_nm(done.stdout.decode(errors="replace"))
    except ValueError as error:
        return Made(failure=f"nm says what is not understood: {error}")
    said = [
        line for line in done.stderr.decode(errors="replace").splitlines() if not line.endswith("no symbols")
    ]
    return Made(names) if done.ok and not said else Made(failure=f"nm: {_words(done, folder)}")


def _compiled(source: CompiledFile, bench: Bench, folder: Path) -> tuple[Path, tools.Result]:
    """Compile as the cc crate does: in the crate's folder, by the path that the build script gives."""
    for path, data in source.files.items():
        files.write(folder / path, data)
    out = folder / "out.o"
    cwd = folder / source.folder
    path = source.path.removeprefix(f"{source.folder}/")
    return out, _cc(bench, [*source.defines, "-c", path, "-o", str(out)], cwd)


def _assembled(source: TextFile, bench: Bench, folder: Path) -> tuple[Path, tools.Result]:
    out = folder / "out.o"
    tool = bench.assembler
    if isinstance(tool, Rustc):
        files.write(folder / "text.rs", _text(source, bench).encode("latin-1"))
        arguments = [
            "--edition=2021",
            "--crate-type=lib",
            "--emit=obj",
            "--cap-lints=allow",
            "--error-format=short",
        ]
        argv = [tool.program, *arguments, "-Ccodegen-units=1", "-Cpanic=abort", "text.rs", "-o", str(out)]
        return out, tools.run(argv, cwd=folder, env=environment(), timeout=TIMEOUT)
    files.write(folder / "text.s", _text(source, bench).encode("latin-1"))
    return out, _cc(bench, ["-c", "text.s", "-o", str(out)], folder)


def _text(source: TextFile, bench: Bench) -> str:
    if isinstance(bench.assembler, Rustc):
        return texts.for_rustc(source.texts)
    return texts.for_gnu(source.texts, bench.target.arch)


def _expanded(source: MacroFile, bench: Bench, folder: Path) -> tuple[Path, tools.Result]:
    assert bench.rustc is not None  # noqa: S101 - callers ask for the tool first
    assert bench.shelf is not None  # noqa: S101
    return folder / expander.OBJECT, expander.expand(source, bench.rustc, bench.shelf, folder)


def _cc(bench: Bench, arguments: list[str], cwd: Path) -> tools.Result:
    assert bench.cc is not None  # noqa: S101 - callers ask for the tool first
    argv = [bench.cc.program, *bench.cc.flags, *arguments]
    return tools.run(argv, cwd=cwd, env=environment(), timeout=TIMEOUT)


def _words(done: tools.Result, folder: Path) -> str:
    """Return what a tool said first, without the folder's name, which is another every time."""
    said = done.stderr.decode(errors="replace").replace(f"{folder}/", "")
    errors = [line for line in said.splitlines() if re.search(r"(?i)\berror\b", line)] or said.splitlines()
    return "\n".join(errors[:WORDS]) or f"exit code {done.code}"
