"""The ladder: symbols, link, run.  Every rung has a negative twin that must fail, or it proves nothing."""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from patchbot import files, tools
from patchbot.errors import ProofError
from patchbot.model import ClosureMode, ForkedRelease, Inventory, Kind, Release, spoken_list
from patchbot.proof import cargo, objects, program
from patchbot.proof.project import FORKS, Project, Setting, cargo_in
from patchbot.proof.receipts import Rung, Twin
from patchbot.proof.toolchain import Toolchain

RUN_TIMEOUT = 1800.0  # seconds; the program takes about two, and under an emulator one or two minutes


@dataclass(frozen=True, slots=True, kw_only=True)
class Subject:
    """One release of the proof: its forks, the same without the suffix, and what its scan found.

    ``tree`` is the git tree that the forks were made from.
    """

    forks: ForkedRelease
    twin: ForkedRelease
    inventory: Inventory
    tree: str
    features: tuple[str, ...]

    @property
    def release(self) -> Release:
        """The release."""
        return self.forks.release


def members(
    subjects: Sequence[Subject], setting: Setting, *, twin: bool = False
) -> tuple[program.Member, ...]:
    """Return the program's members: every fork, and one of upstream's originals beside them."""
    forked = tuple(
        program.Member(
            release=subject.release,
            package=forks.crate("wasmtime").entry.name,
            version=forks.crate("wasmtime").entry.version,
            features=subject.features,
            registry=setting.registry,
        )
        for subject in subjects
        for forks in (subject.twin if twin else subject.forks,)
    )
    like = _like_original(subjects)
    original = program.Member(like.release, "wasmtime", str(like.release), like.features, None)
    return (*forked, original)


def _like_original(subjects: Sequence[Subject]) -> Subject:
    """Return whose original stands beside the forks: the newest's.

    Where a fork of the same range shares what it pins exactly, cargo holds the original of that one alone.
    """
    newest = max(subjects, key=lambda subject: subject.release)
    peers = [subject for subject in subjects if subject.release.range == newest.release.range]
    return next((s for s in peers if s.forks.closure is ClosureMode.MINIMAL), newest)


def ladder(subjects: Sequence[Subject], setting: Setting) -> Iterator[Rung]:
    """Climb: yield each rung as it is done; a rung that does not hold is the last.

    Raises ``ProofError`` if the program cannot be built for a reason that no rung is about, and
    ``EnvironmentProblem`` if tools or the network are missing.
    """
    setting.on_rung("building the forks and one program with all of them")
    real = Project(FORKS, members(subjects, setting), setting.config, setting)
    build = real.build([crate.entry.name for s in subjects for crate in s.forks.crates], _digests(subjects))
    _refuse_unbuilt(subjects, build, setting)
    setting.on_rung("building the same without the suffix, which must not link")
    bare = Project("bare", members(subjects, setting, twin=True), setting.twin_config, setting)
    bare_build = bare.build(
        [c.entry.name for s in subjects for c in s.twin.crates], _digests(subjects, twin=True)
    )
    symbols = _symbols(subjects, build, bare_build, setting.toolchain)
    yield symbols
    if symbols.ok:
        link = _link(subjects, build, bare_build, setting)
        yield link
        if link.ok:
            yield _run(build, setting.toolchain)


def _refuse_unbuilt(subjects: Sequence[Subject], build: cargo.Build, setting: Setting) -> None:
    """Raise ``ProofError`` with cargo's words if it stopped before a release's libraries were there."""
    missing = _unseen(subjects, _owners(subjects, build, twin=False))
    if build.ok or not missing:
        return
    old = f"is {setting.toolchain.rustc.partition(' (')[0]} too old for what the lock holds? "
    lock = f"{setting.pins} says which versions; without it new ones are chosen" if setting.pins else ""
    raise ProofError(f"the program cannot be built: {_last_lines(build.words)}", hint=f"{old}{lock}".strip())


def _digests(subjects: Sequence[Subject], *, twin: bool = False) -> dict[str, str]:
    releases = [subject.twin if twin else subject.forks for subject in subjects]
    return {crate.entry.name: crate.entry.sha256 for forks in releases for crate in forks.crates}


# -- symbols ---------------------------------------------------------------------------------------


def _symbols(
    subjects: Sequence[Subject], build: cargo.Build, bare: cargo.Build, toolchain: Toolchain
) -> Rung:
    started = time.monotonic()
    keep = frozenset(name for subject in subjects for name in subject.inventory.names(Kind.KEEP))
    owners = _owners(subjects, build, twin=False)
    symbols, unread = _nm(list(owners), toolchain)
    problems = [*_unseen(subjects, owners), *unread, *objects.judge(symbols, owners, keep=keep)]
    twin_owners = _owners(subjects, bare, twin=True)
    twin_problems = objects.judge(_nm(list(twin_owners), toolchain)[0], twin_owners, keep=keep)
    found = [problem for problem in twin_problems if "without the suffix" in problem]
    silent = [str(s.release) for s in subjects if not any(p.startswith(f"{s.release}: ") for p in found)]
    missing = f"no name without the suffix was found in {spoken_list(silent)}" if silent else ""
    twin = Twin("unsuffixed", not silent, missing or _some(found, "", most=1))
    checked = f"{len(symbols)} global symbols of {len(owners)} libraries"
    return Rung("symbols", tuple(problems), (twin,), checked, time.monotonic() - started)


def _owners(subjects: Sequence[Subject], build: cargo.Build, *, twin: bool) -> dict[str, objects.Judged]:
    """Return the forks' archives that were built, each with its owner.

    Features decide which crates are built at all; proc macros have no archive.
    """
    owners = {}
    for subject in subjects:
        own = subject.inventory.names(Kind.OWN)
        speaking = {symbol.crate for symbol in subject.inventory.symbols}
        for crate in (subject.twin if twin else subject.forks).crates:
            archive = build.libraries.get(crate.library)
            if archive is not None:
                silent = crate.upstream.name not in speaking
                release, suffix = str(subject.release), subject.forks.suffix.text
                owners[str(archive)] = objects.Judged(release, suffix, own, silent)
    return owners


def _unseen(subjects: Sequence[Subject], owners: Mapping[str, objects.Judged]) -> list[str]:
    """Name the releases without archives: what was not looked at proves nothing."""
    seen = {owner.release for owner in owners.values()}
    return [f"no library of {s.release} was built" for s in subjects if str(s.release) not in seen]


def _nm(archives: Sequence[str], toolchain: Toolchain) -> tuple[list[objects.ObjectSymbol], list[str]]:
    """Return the global symbols of archives, and a line for each thing that nm cannot read."""
    nm = toolchain.reader
    if not archives:
        return [], []
    result = tools.run([nm, "-P", "-A", "-g", *archives], env=toolchain.environment)
    output, errors = result.stdout.decode(errors="replace"), result.stderr.decode(errors="replace")
    return objects.parse_nm(output), objects.unread(output, errors)


# -- link ------------------------------------------------------------------------------------------


def _link(subjects: Sequence[Subject], build: cargo.Build, bare: cargo.Build, setting: Setting) -> Rung:
    started = time.monotonic()
    own = frozenset(name for subject in subjects for name in subject.inventory.names(Kind.OWN))
    problems = [] if build.ok else [f"the program does not link: {_last_lines(build.words)}"]
    whole = _whole(_beside_originals(subjects, build, twin=False), setting.folder, setting.toolchain)
    if whole is not None and not whole.ok:
        problems.append(f"not every object links: {_last_lines(whole.stderr.decode(errors='replace'))}")
    bare_whole = _whole(_beside_originals(subjects, bare, twin=True), setting.folder, setting.toolchain)
    twins = (_unsuffixed(bare, bare_whole, own), _unforked(subjects, setting))
    checked = "one program" if whole is None else "one program, and every object of every library at once"
    seconds = build.seconds + bare.seconds + time.monotonic() - started
    return Rung("link", tuple(problems), twins, checked, seconds)


def _unsuffixed(bare: cargo.Build, whole: tools.Result | None, own: frozenset[str]) -> Twin:
    """Judge the forks without the suffix: their names must collide, and nothing else be wrong."""
    words = bare.words + (whole.stderr.decode(errors="replace") if whole is not None else "")
    colliding = [
        f"duplicate symbol {name}" for name in sorted(objects.duplicates(words)) if objects.is_own(name, own)
    ]
    if not bare.ok and not colliding:
        return Twin("unsuffixed", failed=False, detail=f"fails for another reason: {_last_lines(bare.words)}")
    return Twin("unsuffixed", bool(colliding), _some(colliding, "it links", most=1))


def _unforked(subjects: Sequence[Subject], setting: Setting) -> Twin:
    """Try upstream's own crates: where releases share a ``links`` key, cargo must refuse to resolve them."""
    shared = _shared_keys(subjects)
    if not shared:
        return Twin("unforked", None, "these releases share no links key")
    originals = tuple(
        program.Member(s.release, "wasmtime", str(s.release), s.features, None) for s in subjects
    )
    lines = [
        f'v{n} = {{ package = "wasmtime", version = "={m.version}", default-features = false, '
        f"features = {json.dumps(list(m.features))} }}"
        for n, m in enumerate(originals)
    ]
    head = (
        '[package]\nname = "unforked"\nversion = "0.0.0"\nedition = "2021"\n\n[workspace]\n\n[dependencies]\n'
    )
    folder = setting.folder / "unforked"
    files.write(folder / "Cargo.toml", (head + "\n".join(lines) + "\n").encode())
    files.write(folder / "src" / "main.rs", b"fn main() {}\n")
    (folder / "Cargo.lock").unlink(missing_ok=True)
    result = cargo_in(folder, setting).fetch()
    said = result.stderr.decode(errors="replace")
    refused = [key for key in sorted(shared) if not result.ok and f"`{key}`" in said and "links" in said]
    detail = (
        f"cargo refuses: links = {', '.join(refused)}" if refused else f"resolves, or: {_last_lines(said)}"
    )
    return Twin("unforked", bool(refused), detail)


def _shared_keys(subjects: Sequence[Subject]) -> frozenset[str]:
    seen: set[str] = set()
    shared: set[str] = set()
    for subject in subjects:
        forked = {crate.upstream.name for crate in subject.forks.crates}
        keys = {key.key for key in subject.inventory.links if key.crate in forked}
        shared |= seen & keys
        seen |= keys
    return frozenset(shared)


def _beside_originals(subjects: Sequence[Subject], build: cargo.Build, *, twin: bool) -> list[str]:
    """Return the archives of the forks, and of upstream's crates of the same names beside them."""
    like = _like_original(subjects)
    originals = [crate.upstream.name.replace("-", "_") for crate in like.forks.crates]
    archives = _owners(subjects, build, twin=twin)
    return [*archives, *(str(build.libraries[name]) for name in originals if name in build.libraries)]


def _whole(archives: Sequence[str], folder: Path, toolchain: Toolchain) -> tools.Result | None:
    """Link every object of the archives into one, so that no name can hide in a member nobody asks for.

    None where linkers have no ``--whole-archive``, which is an ELF linker's word.
    """
    if not archives or not sys.platform.startswith("linux"):
        return None
    out = folder / "whole.o"
    flags = ["-r", "-nostdlib", "-Wl,--whole-archive", *archives, "-Wl,--no-whole-archive", "-o", str(out)]
    result = tools.run([toolchain.programs.cc, *flags], env=toolchain.environment)
    out.unlink(missing_ok=True)
    return result


# -- run -------------------------------------------------------------------------------------------


def _run(build: cargo.Build, toolchain: Toolchain) -> Rung:
    started = time.monotonic()
    if build.program is None:
        raise ProofError("the program was not built")
    program = [*toolchain.programs.run, str(build.program)]
    checks, problems = _checks(program)
    failed = [f"{c['version']}, {c['check']}: {c.get('detail', '')}" for c in checks if not c["ok"]]
    twin_checks, _ = _checks([*program, "--twin"])
    passed = [f"{c['version']}, {c['check']}" for c in twin_checks if c["ok"]]
    complete = len(twin_checks) == len(checks) and bool(checks)
    detail = f"all {len(twin_checks)} fail" if complete and not passed else _some(passed, "ended early")
    twin = Twin("wrong expectations", complete and not passed, detail)
    return Rung("run", (*problems, *failed), (twin,), f"{len(checks)} checks", time.monotonic() - started)


def _checks(program: Sequence[str]) -> tuple[list[Mapping[str, object]], tuple[str, ...]]:
    # what a person has told an emulator to do for other programs would be another machine (QEMU_CPU)
    result = tools.run(program, env=tools.environment(drop=("QEMU_",)), timeout=RUN_TIMEOUT)
    checks = [json.loads(line) for line in result.stdout.splitlines() if line.startswith(b"{")]
    if result.ok and checks:
        return checks, ()
    why = f"signal {-result.code}" if result.code < 0 else f"exit code {result.code}"
    return checks, (f"the program ended with {why}: {result.tail(5)}",)


def _some(items: Sequence[str], otherwise: str, most: int = 3) -> str:
    if not items:
        return otherwise
    more = f" and {len(items) - most} more" if len(items) > most else ""
    return "; ".join(items[:most]) + more


def _last_lines(words: str, most: int = 8) -> str:
    return "\n".join(words.strip().splitlines()[-most:])
