"""What this machine lacks, and what a registry can do."""

from __future__ import annotations

import platform
import re
import secrets
import time
from collections.abc import Callable, Iterator

from patchbot import targets, tools
from patchbot.errors import UsageError
from patchbot.fork import pack
from patchbot.model import TreeFile
from patchbot.pipeline.publishing import remote
from patchbot.pipeline.work import Workspace
from patchbot.proof import compilers
from patchbot.registry.remote import probe
from patchbot.registry.remote.probe import Finding
from patchbot.registry.remote.probing import LONG, Trial

# What each program is needed for, and what to do about it.
_PROGRAMS = (
    ("git", ("--version",), "install git 2.39 or newer"),
    ("cargo", ("--version",), "install Rust from https://rustup.rs: without it nothing is proved"),
    ("rustc", ("--version",), "install Rust from https://rustup.rs: without it nothing is proved"),
    ("nm", ("--version",), "install binutils: it reads what compilers made"),
)
_PREFIX = re.compile(r"[a-z][a-z0-9-]{0,19}")
_LONGEST_WORD = 16  # of the names that trials add to their stem


def machine() -> Iterator[Finding]:
    """Say what this machine has of what patchbot uses."""
    yield Finding.good("python", platform.python_version())
    for program, words, advice in _PROGRAMS:
        path = tools.find(program)
        if path is None:
            yield Finding.bad(program, f"is not on PATH: {advice}")
            continue
        result = tools.run([path, *words])
        line = (result.stdout or result.stderr).decode(errors="replace").partition("\n")[0]
        yield Finding(program, ok=result.ok, answer=line)
    compiler = next((path for name in ("cc", "gcc", "clang") if (path := tools.find(name))), None)
    yield Finding(
        "C compiler",
        ok=compiler is not None,
        answer=compiler or "none: wasmtime has C files; install gcc or clang",
    )
    for target in targets.KNOWN.values():
        found = compilers.find(target)
        yield Finding.note(
            f"compiler for {target.triple}", found.name if found else f"none: {compilers.advice(target)}"
        )


def registry(
    work: Workspace, name: str, prefix: str | None, told: Callable[[str], None]
) -> Iterator[Finding]:
    """Say what a registry can do; with a ``prefix``, try it with throw-away crates whose names begin so.

    Raises ``UsageError`` for a prefix that is none, or at crates.io, where nothing is thrown away.
    """
    if prefix is not None and _PREFIX.fullmatch(prefix) is None:
        raise UsageError(
            f"{prefix!r} is no prefix of crate names",
            hint="20 small letters, digits and dashes at most, for example --write patchbot-probe",
        )
    with remote(work, name) as there:
        yield from probe.look(there.client, there.credentials)
        canonical = work.config.registry.index
        same = canonical == there.target.index
        yield Finding.note(
            "address inside the crates",
            "its own" if same else f"{canonical}, which users replace by this one",
        )
        if prefix is None:
            return
        if there.target.public:
            raise UsageError("crates.io is no place for throw-away crates", hint="leave out --write")
        stem = f"{prefix}-{int(time.time()):x}{secrets.token_hex(2)}"
        assert len(stem) + _LONGEST_WORD < LONG  # noqa: S101 - by the length of a prefix
        told(f"trying {name} with crates named {stem}-*, which are yanked in the end")
        yield from Trial(there.client, _pack, stem).findings()


def _pack(files: list[TreeFile], name: str, version: str) -> bytes:
    return pack.pack(files, name=name, version=version)
